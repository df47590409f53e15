"""Links of `benchmarks.masakha`, by a tiny encoder on a few sentences."""

from argparse import Namespace

import pytest
import spacy

from benchmarks import masakha
from benchmarks.real import links_systems
from spacy_xproj.corpus.pairing import bare_copy
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import VERSES, bitext

LINKS = (masakha.STATISTICAL, masakha.ENCODER, masakha.ENSEMBLE)


@pytest.mark.slow
def test_links_of_all_kinds_and_what_they_project(tmp_path, monkeypatch):
    monkeypatch.setattr(masakha, "CHOSEN", ("itermax", 3))
    nlp = spacy.blank("xx")
    source = [" ".join(bitext(text).words) for text, _ in VERSES]
    target = [nlp.make_doc(text) for _, text in VERSES]
    encoder = make_encoder(tmp_path / "encoder", "xlm-roberta", layers=4)
    given = Namespace(links=LINKS, seeds=2, work=tmp_path, link_encoder=encoder, link_dtype="float32")
    found = masakha.payloads(source, target, "es", given)
    assert list(found) == [*LINKS] and all(len(runs) == 2 for runs in found.values())
    pairs = {name: [{*map(tuple, each.links.tolist())} for each in runs[0]] for name, runs in found.items()}
    for statistical, alone, both in zip(*pairs.values(), strict=True):
        assert both and both <= statistical | alone
    assert pairs[masakha.ENSEMBLE] != pairs[masakha.ENCODER] != pairs[masakha.STATISTICAL]
    assert min(min(each.scores) for each in found[masakha.ENSEMBLE][0]) > links_systems.THRESHOLD

    english = [bare_copy(doc, nlp.vocab) for doc in nlp.pipe(source)]
    for doc in (*english, *target):
        doc.ents = [doc.char_span(0, len(doc[0]), label="PER")]
    results = masakha.results(target, found, [english] * 2)
    rows = masakha.links_rows(results, LINKS)
    assert [row[0] for row in rows] == [*LINKS[1:]] and len(rows[0]) == 1 + len(masakha.METHODS)
    gains = masakha.gain_row(results, masakha.STATISTICAL)
    assert gains[0] in masakha.PUBLISHED and len(gains) == 1 + 3 + 3
