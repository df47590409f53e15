import random
import tracemalloc
from collections import Counter
from itertools import repeat

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.util import logger as spacy_logger
from spacy.util import registry

from spacy_xproj.bitext import Bitext
from spacy_xproj.corpus.entity_swap import EntitySwap
from spacy_xproj.corpus.examples import GoldCorpus, with_links
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.soft import SoftLabels
from tests.conftest import VERSES, ents, payload_doc

NAMED = [[], [], [], [(0, 1, "PER")], [(3, 4, "LOC")]]


def rows(nlp, **settings):
    return list(GoldCorpus(**settings)(nlp))


def gold_file(path, nlp, payload=True):
    """VERSES as a .spacy file with gold and, if wanted, the payload."""
    docs = []
    for (source, target), spans in zip(VERSES, NAMED):
        doc = payload_doc(nlp, target, source, spans, "0-0")
        if not payload:
            doc._.xproj = None
        doc.set_ents([Span(doc, a, b, label=label) for a, b, label in spans])
        docs.append(doc)
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return str(path)


def test_advertised():
    assert registry.readers.get("spacy_xproj.Corpus.v1") is GoldCorpus


def test_two_sides_and_links(corpus, nlp):
    found = rows(
        nlp,
        path=str(corpus / "tgt.conll"),
        source=str(corpus / "src.conll"),
        alignments=str(corpus / "links.pharaoh"),
    )
    assert [ents(eg.reference) for eg in found] == NAMED
    for eg, (source, target) in zip(found, VERSES):
        bitext = eg.predicted._.xproj
        assert [t.text for t in eg.predicted] == target.split() == [t.text for t in eg.reference]
        assert (bitext.lang, bitext.words) == ("en", tuple(source.split()))
        assert bitext.links.tolist() == [[k, k] for k in range(4)] and bitext.provenance["aligner"] == "given"
        assert not eg.predicted.ents and eg.predicted.vocab is nlp.vocab
    assert [len(eg.predicted._.xproj.spans) for eg in found] == [0, 0, 0, 1, 1]


def test_without_links_an_aligner_has_something_to_do(corpus, nlp):
    eg = rows(nlp, path=str(corpus / "tgt.conll"), source=str(corpus / "src.conll"), source_lang="de")[0]
    assert not len(eg.predicted._.xproj.links) and eg.predicted._.xproj.provenance == {}
    assert eg.predicted._.xproj.lang == "de"


def test_payload_of_the_docs(tmp_path, corpus, nlp):
    path = gold_file(tmp_path / "gold.spacy", nlp)
    found = rows(nlp, path=path)
    assert [ents(eg.reference) for eg in found] == NAMED
    assert [eg.predicted._.xproj.links.tolist() for eg in found] == [[[0, 0]]] * 5
    assert all(not eg.predicted.ents and eg.predicted is not eg.reference for eg in found)
    linked = rows(nlp, path=path, alignments=str(corpus / "links.pharaoh"))
    assert [len(eg.predicted._.xproj.links) for eg in linked] == [4] * 5


def test_labels_of_both_sides(tmp_path, corpus, nlp):
    for settings in (
        {"path": gold_file(tmp_path / "gold.spacy", nlp)},
        {"path": str(corpus / "tgt.conll"), "source": str(corpus / "src.conll")},
    ):
        found = rows(nlp, labels=["LOC"], **settings)
        assert [ents(eg.reference) for eg in found] == [[], [], [], [], NAMED[4]]
        assert [[s.label for s in eg.predicted._.xproj.spans] for eg in found] == [[], [], [], [], ["LOC"]]


def test_missing_values_stay(tmp_path, nlp):
    doc = payload_doc(nlp, "a b c", "v", [(0, 1, "X")], "0-0")
    doc.set_ents([Span(doc, 0, 1, label="X")], missing=[doc[2:3]], default="outside")
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "gold.spacy")
    (eg,) = rows(nlp, path=str(tmp_path / "gold.spacy"))
    assert [t.ent_iob for t in eg.reference] == [3, 2, 0]


def test_limit_and_shuffle(corpus, nlp):
    settings = {
        "path": str(corpus / "tgt.conll"),
        "source": str(corpus / "src.conll"),
        "alignments": str(corpus / "links.pharaoh"),
    }
    texts = [eg.reference.text for eg in rows(nlp, **settings)]
    assert [eg.reference.text for eg in rows(nlp, limit=2, **settings)] == texts[:2]
    random.seed(1)
    mixed = [eg.reference.text for eg in rows(nlp, shuffle=True, **settings)]
    assert mixed != texts and sorted(mixed) == sorted(texts)


def test_can_be_read_again(corpus, nlp):
    reader = GoldCorpus(str(corpus / "tgt.conll"), str(corpus / "src.conll"))
    assert len(list(reader(nlp))) == len(list(reader(nlp))) == 5


@pytest.mark.parametrize("longer", ["source", "target", "links"])
def test_files_of_different_length(longer, corpus, nlp):
    names = {"source": "src.conll", "target": "tgt.conll", "links": "links.pharaoh"}
    with open(corpus / names[longer], "a", encoding="utf-8") as file:
        file.write("0-0\n" if longer == "links" else "más\tO\n\n")
    paths = {key: str(corpus / name) for key, name in names.items()}
    with pytest.raises(InputError) as caught:
        rows(nlp, path=paths["target"], source=paths["source"], alignments=paths["links"])
    message = str(caught.value)
    if longer == "links":
        assert "links.pharaoh: Expected a line for each of the 5 Docs" in message and "it has 6 lines" in message
    else:
        assert "src.conll and " in message and "tgt.conll" in message and "only 5" in message
        assert ("source sentences" in message) == (longer == "target")


def test_lines_of_links_by_doc_or_by_sentence_pair(tmp_path, nlp):
    """The number of lines says which; indices count within the unit."""
    sents = [((0, 2), (0, 1)), ((2, 3), (1, 3))]
    docs = [payload_doc(nlp, "u v w", "a b c", sents=sents), payload_doc(nlp, "x", "d")]
    path = tmp_path / "links.pharaoh"
    for text in ("0-0 2-2 1-0\n0-0\n", "0-0 1-0\n0-1\n0-0\n"):
        path.write_text(text)
        first, second = (doc._.xproj.links.tolist() for doc in with_links(docs, docs, path))
        assert sorted(first) == [[0, 0], [1, 0], [2, 2]] and second == [[0, 0]]
    for text in ("0-0\n", "\n" * 4):
        path.write_text(text)
        message = f"each of the 2 Docs, or for each of their 3 sentence pairs, but it has {text.count(chr(10))} lines"
        with pytest.raises(InputError, match=message):
            next(with_links(docs, docs, path))
    path.write_text("0-0\n1-0\n0-0\n")
    with pytest.raises(InputError, match="line 2: The link '1-0' points at source word 1, but there are 1"):
        next(with_links(docs, docs, path))


def test_what_links_count_is_counted(tmp_path, nlp):
    """Of each side by itself: its tokens, or its words between blanks, where the two differ."""
    docs = [nlp.make_doc(text) for text in ("u (v)", "x, y", "z")]
    for doc in docs:
        doc._.xproj = Bitext("en", ("a", "b"), (True, False))
    path = tmp_path / "links.pharaoh"
    for text, wanted in (("0-0 1-3\n0-2\n0-0\n", "tokens"), ("1-1 0-0\n1-1\n0-0\n", "words")):
        path.write_text(text)
        counts = Counter()
        list(with_links(docs, docs, path, counts))
        assert +counts == {f"lines_linked_by_target_{wanted}": 2}


@pytest.mark.parametrize("lines", [1, 2])
def test_links_of_many_docs_take_little_memory(tmp_path, nlp, lines):
    """By Doc or by sentence pair, all that is held of the Docs before the first one comes is a few numbers."""
    doc = payload_doc(nlp, "u v w", "a b c", sents=[((0, 2), (0, 1)), ((2, 3), (1, 3))])
    size, path = 2000, tmp_path / "links.pharaoh"
    path.write_text("0-0\n" * lines * size)
    tracemalloc.start()
    try:
        next(with_links(repeat(doc, size), repeat(doc, size), path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * size  # lists of lists took 190 and more a Doc


def test_sides_without_ids_are_joined_by_line_and_the_log_says_so(corpus, nlp, caplog):
    reader = GoldCorpus(str(corpus / "tgt.conll"), source=str(corpus / "src.conll"))
    with caplog.at_level("INFO", logger="spacy"):
        spacy_logger.propagate, before = True, spacy_logger.propagate
        try:
            assert len(list(reader(nlp))) == len(list(reader(nlp))) == 5
        finally:
            spacy_logger.propagate = before
    (said,) = [record.getMessage() for record in caplog.records if "by line" in record.getMessage()]
    assert said == f"{corpus / 'src.conll'} and {corpus / 'tgt.conll'} have no ids: joined line by line, 5 Docs"


def test_too_few_links_and_links_out_of_range(corpus, nlp):
    settings = {"path": str(corpus / "tgt.conll"), "source": str(corpus / "src.conll")}
    for text, where in (("0-0\n", "but it has 1 lines"), ("0-0\n0-9\n" + "\n" * 3, "line 2")):
        (corpus / "links.pharaoh").write_text(text)
        with pytest.raises(InputError, match=where):
            rows(nlp, alignments=str(corpus / "links.pharaoh"), **settings)


def test_what_is_missing_is_named(tmp_path, corpus, nlp):
    with pytest.raises(XprojError, match="no path"):
        GoldCorpus(None)
    with pytest.raises(InputError, match=r"Doc 1 has no source side.*Give the labeled source"):
        rows(nlp, path=gold_file(tmp_path / "gold.spacy", nlp, payload=False))
    DocBin(docs=[Doc(nlp.vocab, words=t.split()) for _, t in VERSES]).to_disk(tmp_path / "raw.spacy")
    with pytest.raises(InputError, match="not labeled"):
        rows(nlp, path=str(tmp_path / "raw.spacy"), source=str(corpus / "src.conll"))
    with pytest.raises(InputError, match="no such file"):
        rows(nlp, path=str(corpus / "tgt.conll"), source=str(corpus / "none.conll"))


def test_spacy_keeps_the_payload_through_evaluation(corpus):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher")
    reader = GoldCorpus(str(corpus / "tgt.conll"), str(corpus / "src.conll"), alignments=str(corpus / "links.pharaoh"))
    assert nlp.evaluate(reader(nlp))["ents_f"] == 1.0


# Soft labels

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def soft_doc(nlp, sentences, tags, gold=False):
    """A Doc of sentences, with a teacher's tags."""
    words = [sentence.split() for sentence in sentences]
    starts = [i == 0 for sentence in words for i in range(len(sentence))]
    doc = Doc(nlp.vocab, words=[w for sentence in words for w in sentence], sent_starts=starts)
    doc._.xproj_soft = SoftLabels(
        TAGS, np.array([[0.9 * (tag == t) for t in TAGS] for tag in tags.split()]), {"t": "x"}
    )
    if gold:
        found = [Span(doc, i, i + 1, label=tag[2:]) for i, tag in enumerate(tags.split()) if tag != "O"]
        doc.set_ents(found, missing=[doc[1:2]], default="outside")
    return doc


def soft_file(path, docs):
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return str(path)


def two_sentences(nlp, **settings):
    return soft_doc(nlp, ["Ana vive allí", "Roma es grande"], "B-PER O O B-LOC O O", **settings)


def test_soft_labels_need_no_payload(tmp_path, nlp):
    doc = two_sentences(nlp)
    (eg,) = rows(nlp, path=soft_file(tmp_path / "soft.spacy", [doc]))
    assert eg.reference._.xproj_soft == doc._.xproj_soft and eg.predicted._.xproj_soft is None
    assert [t.ent_iob for t in eg.reference] == [0] * 6 and eg.reference.text == eg.predicted.text


def test_soft_labels_beside_payload_and_gold(tmp_path, nlp):
    doc = payload_doc(nlp, "Ana vive", "Ana lives", [(0, 1, "PER")], "0-0")
    doc.set_ents([Span(doc, 0, 1, label="PER")])
    doc._.xproj_soft = SoftLabels(("O", "B-PER"), [[0, 1], [1, 0]])
    both = [doc, two_sentences(nlp, gold=True)]
    first, second = rows(nlp, path=soft_file(tmp_path / "both.spacy", both), max_length=1)[:2]
    assert first.predicted._.xproj is not None and ents(first.reference) == [(0, 1, "PER")]
    assert first.reference._.xproj_soft == doc._.xproj_soft
    assert [t.ent_iob for t in second.reference] == [3, 0, 2]


def test_split_into_sentences(tmp_path, nlp):
    doc = two_sentences(nlp, gold=True)
    plain = Doc(nlp.vocab, words=["no", "sentences", "in", "this", "one"])
    plain._.xproj_soft = SoftLabels(TAGS, np.zeros((5, 5)))
    path = soft_file(tmp_path / "soft.spacy", [doc, plain])
    found = rows(nlp, path=path, max_length=4)
    assert [eg.predicted.text.strip() for eg in found] == ["Ana vive allí", "Roma es grande", plain.text.strip()]
    assert [ents(eg.reference) for eg in found] == [[(0, 1, "PER")], [(0, 1, "LOC")], []]
    parts = [doc._.xproj_soft[:3], doc._.xproj_soft[3:], plain._.xproj_soft]
    assert [eg.reference._.xproj_soft for eg in found] == parts
    assert not any(eg.predicted.ents or eg.predicted._.xproj_soft for eg in found)
    assert [len(eg.reference) for eg in rows(nlp, path=path, max_length=7)] == [6, 5]


def test_a_doc_with_a_payload_stays_whole(tmp_path, nlp):
    doc = two_sentences(nlp)
    doc._.xproj = payload_doc(nlp, "x", "Ana lives there")._.xproj
    (eg,) = rows(nlp, path=soft_file(tmp_path / "soft.spacy", [doc]), max_length=1)
    assert len(eg.predicted) == 6 and eg.predicted._.xproj.words == ("Ana", "lives", "there")


def test_soft_labels_of_some_types(tmp_path, nlp):
    """What is of another type is outside."""
    (eg,) = rows(nlp, path=soft_file(tmp_path / "soft.spacy", [two_sentences(nlp, gold=True)]), labels=["LOC"])
    soft = eg.reference._.xproj_soft
    assert soft.labels == ("O", "B-LOC", "I-LOC") and soft.provenance == {"t": "x"}
    assert soft.probs.argmax(1).tolist() == [0, 0, 0, 1, 0, 0] and soft.probs.any(1).all()
    assert ents(eg.reference) == [(3, 4, "LOC")]


def test_soft_labels_of_other_tokens(tmp_path, nlp):
    doc = two_sentences(nlp)
    doc._.xproj_soft = doc._.xproj_soft[:4]
    with pytest.raises(XprojError, match="4 rows, but the Doc has 6 tokens"):
        rows(nlp, path=soft_file(tmp_path / "soft.spacy", [doc]))


def test_a_student_learns_from_the_parts(tmp_path, nlp):
    nlp.add_pipe("xproj_student", config={"targets": "soft"})
    reader = GoldCorpus(soft_file(tmp_path / "soft.spacy", [two_sentences(nlp)]), max_length=1)
    nlp.initialize(lambda: reader(nlp))
    assert nlp.get_pipe("xproj_student").labels == ("LOC", "PER")
    assert nlp.update(list(reader(nlp)), sgd=nlp.create_optimizer())["xproj_student"] > 0


def test_augmenter(tmp_path):
    nlp = spacy.blank("es")
    doc = Doc(nlp.vocab, words=["Curie", "viaja"], ents=["B-PER", "O"])
    doc._.xproj_soft = SoftLabels(("O", "B-PER", "I-PER"), [[0, 1, 0], [1, 0, 0]])
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "in.spacy")
    names = tmp_path / "names.tsv"
    names.write_text("PER\tAda Lovelace\n", encoding="utf-8")
    augmenter = EntitySwap(1.0, gazetteer=str(names), from_corpus=False)
    plain, swapped = GoldCorpus(str(tmp_path / "in.spacy"), augmenter=augmenter)(nlp)
    assert plain.reference.text.split() == ["Curie", "viaja"]
    assert [t.text for t in swapped.predicted] == ["Ada", "Lovelace", "viaja"]
    assert swapped.reference._.xproj_soft.probs.argmax(1).tolist() == [1, 2, 0]
