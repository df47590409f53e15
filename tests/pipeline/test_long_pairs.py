"""Sentence pairs that are too long for what is quadratic in them, and those with an empty side."""

import time

import pytest
import spacy

import spacy_xproj
from spacy_xproj.errors import XprojError
from tests.conftest import missed, payload_doc

NAMES = ("Ana", "Oslo", "Leo", "Roma", "Eva", "Bergen", "Ida")


def long_doc(nlp, n, sentences=False, words=12):
    """A Doc of n sentences, two of whose words are names."""
    source, target, spans, sents = [], [], [], []
    for i in range(n):
        common = [f"w{(i * 31 + k * k) % 97}" for k in range(words)]
        names = [NAMES[i % 7], NAMES[i * 5 % 7]]
        start = len(source)
        source += [names[0], *common, names[1], "."]
        target += [names[0], *(word + "o" for word in common), names[1], "."]
        spans += [(start, start + 1, "X"), (start + words + 1, start + words + 2, "Y")]
        sents.append(((start, len(source)),) * 2)
    return payload_doc(nlp, target, source, spans, sents=sents if sentences else ())


def pipeline(nlp):
    nlp.add_pipe("xproj_aligner")
    nlp.add_pipe("xproj_matcher")
    return nlp


def test_a_document_without_sentences(nlp):
    """It is passed over, and its neighbors are not."""
    pipeline(nlp)
    docs = [long_doc(nlp, 5), long_doc(nlp, 70), long_doc(nlp, 5)]
    with pytest.warns(UserWarning, match="1050 source and 1050 target words: nothing is aligned or matched"):
        spacy_xproj.fit(nlp, docs)
    with pytest.warns(UserWarning, match="--sentences"):
        docs = list(nlp.pipe(docs))
    assert [len(doc.ents) for doc in docs] == [10, 0, 10]
    assert set(missed(docs[1]).values()) == {"too_long"} and len(missed(docs[1])) == 140
    assert not len(docs[1]._.xproj.links) and len(docs[0]._.xproj.links)


def test_nothing_but_long_pairs(nlp):
    """The cause is named, and not that there are no words on both sides."""
    pipeline(nlp)
    message = r"xproj_aligner: there is nothing to fit on, as all sentence pairs \(2\) are too long: .*--sentences"
    with pytest.warns(UserWarning, match="1050 source"), pytest.raises(XprojError, match=message):
        spacy_xproj.fit(nlp, [long_doc(nlp, 70), long_doc(nlp, 71)])
    with pytest.raises(XprojError, match="no sentence pair with words on both sides"):
        spacy_xproj.fit(nlp, [payload_doc(nlp, "a", "")])


def test_a_long_pair_is_slow(nlp):
    pipeline(nlp)
    with pytest.warns(UserWarning, match="450 source and 450 target words: it is slow"):
        spacy_xproj.fit(nlp, [long_doc(nlp, 30)])


def test_links_of_long_pairs_stay(nlp):
    """The projector follows links, however long the pair."""
    nlp.add_pipe("xproj_projector")
    doc = long_doc(nlp, 70)
    doc._.xproj = doc._.xproj.replace(links=[(i, i) for i in range(len(doc))])
    assert len(nlp(doc).ents) == 140


@pytest.mark.slow
def test_two_documents_with_sentences(nlp):
    """1,500 words in 60 sentences each: a second or less, and linear in the number of sentences."""
    seconds = []
    for n in (60, 60, 240):
        nlp = pipeline(spacy.blank("es"))
        docs = [long_doc(nlp, n, sentences=True, words=22) for _ in range(2)]
        begin = time.process_time()
        spacy_xproj.fit(nlp, docs)
        docs = list(nlp.pipe(docs))
        seconds.append(time.process_time() - begin)
        assert [len(doc.ents) for doc in docs] == [2 * n] * 2
    assert seconds[1] < 5
    assert seconds[2] < 10 * seconds[1]


@pytest.mark.parametrize("aligner", ["spacy_xproj.Statistical.v1", "spacy_xproj.Ensemble.v1", "test.Diagonal.v1"])
@pytest.mark.parametrize("pipe", ["xproj_matcher", "xproj_projector"])
def test_sentences_without_a_partner(nlp, aligner, pipe):
    """Pairs with an empty side pass through all pipes."""
    part = {"@xproj_aligners": aligner}
    if "Ensemble" in aligner:
        members = [{"@xproj_aligners": "spacy_xproj.Statistical.v1"}, {"@xproj_aligners": "test.Diagonal.v1"}]
        part["aligners"] = {"a": members[0], "b": members[1]}
    nlp.add_pipe("xproj_aligner", config={"aligner": part})
    nlp.add_pipe(pipe)
    sents = [((0, 3), (0, 3)), ((3, 5), (3, 3)), ((5, 5), (3, 6)), ((5, 8), (6, 9)), ((8, 8), (9, 9))]
    source, target = "Ana sings . Leo x Eva sings .", "Ana canta . y z . Eva canta ."
    spans = [(0, 1, "P"), (3, 4, "P"), (5, 6, "P")]
    docs = [payload_doc(nlp, target, source, spans, sents=sents) for _ in range(2)]
    spacy_xproj.fit(nlp, docs)
    for doc in nlp.pipe(docs):
        assert [ent.text for ent in doc.ents] == ["Ana", "Eva"]
        assert missed(doc) == {"s1": "not_translated"}
