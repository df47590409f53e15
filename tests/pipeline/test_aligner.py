import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

import spacy_xproj
from spacy_xproj.bitext import Links
from spacy_xproj.errors import NotFittedError, XprojError
from tests.conftest import payload_doc, state

DIAGONAL = {"@xproj_aligners": "test.Diagonal.v1"}
LEARNER = {"@xproj_aligners": "test.Learner.v1"}
STATISTICAL = {"@xproj_aligners": "spacy_xproj.Statistical.v1"}
SENTS = [((0, 2), (0, 2)), ((2, 3), (2, 4))]
VERSES = [
    ("the house is red", "la casa es roja"),
    ("the house is big", "la casa es grande"),
    ("the dog is red", "el perro es roja"),
    ("a dog", "un perro"),
    ("a house", "una casa"),
]


def made(aligner, **settings):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_aligner", config={"aligner": aligner, **settings})
    return nlp


def corpus(nlp):
    return [payload_doc(nlp, target, source) for source, target in VERSES * 4]


def test_links_are_filled_in():
    nlp = made(DIAGONAL)
    doc = nlp(payload_doc(nlp, "u v w x", "a b c", [(0, 1, "X")], sents=SENTS, provenance={"translator": "t"}))
    made_ = doc._.xproj
    assert made_.links.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert made_.scores.tolist() == [0.5, 0.5, 0.5]
    assert made_.provenance == {"translator": "t", "aligner": "diagonal"}
    assert len(made_.spans) == 1


def test_overwrite():
    keep, new = made(DIAGONAL), made(DIAGONAL, overwrite=True)
    doc = payload_doc(keep, "u v", "a b", links="0-1")
    assert keep(doc.copy())._.xproj.links.tolist() == [[0, 1]]
    assert new(doc.copy())._.xproj.links.tolist() == [[0, 0], [1, 1]]
    aligned = payload_doc(keep, "u v", "a b", provenance={"aligner": "given"})  # looked at, and nothing was linked
    assert len(keep(aligned.copy())._.xproj.links) == 0
    assert len(new(aligned.copy())._.xproj.links) == 2


@pytest.mark.parametrize("batch_size", [2, 100])
def test_an_aligner_that_fails_takes_only_its_doc(batch_size):
    nlp = made(DIAGONAL)
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, err: failed.extend(doc.text for doc in docs))
    targets = ["u v", "w !fail", "x y", "z"]
    out = list(nlp.pipe([payload_doc(nlp, t, "a b") for t in targets], batch_size=batch_size))
    assert [doc.text.strip() for doc in out] == ["u v", "x y", "z"]
    assert all(len(doc._.xproj.links) for doc in out)
    assert [text.strip() for text in failed] == ["w !fail"]


def test_a_failed_batch_is_left_as_it_was():
    nlp = made(DIAGONAL)
    docs = [payload_doc(nlp, "u v", "a b"), payload_doc(nlp, "!fail", "a")]
    with pytest.raises(RuntimeError, match="told to fail"):
        nlp.get_pipe("xproj_aligner").process(docs)
    assert all(len(doc._.xproj.links) == 0 for doc in docs)


def test_an_aligner_that_gives_too_little():
    nlp = made(DIAGONAL)
    nlp.get_pipe("xproj_aligner").aligner = lambda pairs: [Links(np.zeros((0, 2), "i4"), np.zeros(0, "f4"), {})]
    with pytest.raises(XprojError, match="the links of 1 of 2 sentence pairs"):
        nlp(payload_doc(nlp, "u v w x", "a b c", sents=SENTS))


@pytest.mark.parametrize("aligner", [LEARNER, STATISTICAL])
def test_not_fitted(aligner):
    nlp = made(aligner)
    with pytest.raises(NotFittedError) as caught:
        list(nlp.pipe(corpus(nlp)))
    assert all(way in str(caught.value) for way in ("nlp.initialize(get_examples)", "spacy_xproj.fit", "xproj fit"))
    given = payload_doc(nlp, "u", "a", links="0-0")
    assert nlp(given)._.xproj.links.tolist() == [[0, 0]]  # needs no fitting


@pytest.mark.parametrize("aligner", [LEARNER, STATISTICAL])
def test_three_ways_to_fit_are_one(aligner, tmp_path):
    by_fit, by_examples = made(aligner), made(aligner)
    assert spacy_xproj.fit(by_fit, corpus(by_fit)) == ["xproj_aligner"]
    by_examples.initialize(lambda: [Example(doc, doc.copy()) for doc in corpus(by_examples)])
    by_fit.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    want = [state(doc) for doc in by_fit.pipe(corpus(by_fit))]
    assert by_fit.get_pipe("xproj_aligner").to_bytes() == by_examples.get_pipe("xproj_aligner").to_bytes()
    assert [state(doc) for doc in by_examples.pipe(corpus(by_examples))] == want
    assert [state(doc) for doc in loaded.pipe(corpus(loaded))] == want
    assert [state(doc) for doc in made(aligner).from_bytes(by_fit.to_bytes()).pipe(corpus(loaded))] == want


def test_payloads_on_the_reference_side_count_too():
    nlp = made(LEARNER)
    plain = lambda doc: Doc(nlp.vocab, words=[t.text for t in doc])  # noqa: E731
    nlp.initialize(lambda: [Example(plain(doc), doc) for doc in corpus(nlp)])
    assert "house" in nlp.get_pipe("xproj_aligner").aligner.seen


def test_initialize_without_payloads_fits_nothing():
    nlp = made(STATISTICAL)
    with pytest.warns(UserWarning, match="without a payload"):
        nlp.initialize()
    assert nlp.get_pipe("xproj_aligner").unfitted()


def test_statistical_links():
    nlp = made(STATISTICAL)
    docs = corpus(nlp)
    spacy_xproj.fit(nlp, docs)
    found = list(nlp.pipe(docs))
    assert [3, 3] in found[0]._.xproj.links.tolist()  # red, roja
    for doc in found:
        links = doc._.xproj
        assert links.provenance["aligner"].startswith("spacy_xproj.Statistical.v1")
        assert {"forward", "reverse"} <= set(links.evidence)
        assert ((links.scores >= 0) & (links.scores <= 1)).all()


def test_statistical_in_any_batch_and_process():
    nlp = made(STATISTICAL)
    spacy_xproj.fit(nlp, corpus(nlp))
    strange = [payload_doc(nlp, "", "a"), payload_doc(nlp, "zz yy", "qq"), payload_doc(nlp, "la el", "", sents=())]

    def run(**options):
        docs = [doc.copy() for doc in strange] + corpus(nlp) + [doc.copy() for doc in strange]
        return [state(doc) for doc in nlp.pipe(docs, **options)]

    want = run(batch_size=1)
    assert run(batch_size=1000) == want
    assert run(batch_size=5) == want
    assert run(batch_size=5, n_process=2) == want


@pytest.mark.parametrize("field", ["scores", "evidence"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_an_error(field, value):
    bad, good = np.full(1, value, "f4"), np.ones(1, "f4")
    links = Links(np.zeros((1, 2), "i4"), *((bad, {}) if field == "scores" else (good, {"forward": bad})))
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_aligner", config={"aligner": DIAGONAL}).aligner = lambda pairs: [links for _ in pairs]
    with pytest.raises(XprojError, match=f"the aligner function gave {value} as a score of a link"):
        nlp(payload_doc(nlp, "a", "v"))
