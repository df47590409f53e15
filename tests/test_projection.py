import pytest
import spacy
from spacy.tokens import Doc, Span

import spacy_xproj
from spacy_xproj import project, translate
from spacy_xproj.errors import NotFittedError, XprojError
from spacy_xproj.fitting import unfitted
from spacy_xproj.registry import registry
from spacy_xproj.ty import Translation
from tests.conftest import ents, missed, state

LEARNER = {"@xproj_aligners": "test.Learner.v1"}
DIAGONAL = {"@xproj_aligners": "test.Diagonal.v1"}


class Doubled:
    """Says each word twice; knows no text with a question mark."""

    def __call__(self, texts, source_lang, target_lang):
        return [
            Translation(None if "?" in text else " ".join(w for word in text.split() for w in (word, word)))
            for text in texts
        ]


registry.xproj_translators.register("test.Doubled.v1", func=Doubled)


def made(aligner=LEARNER, projector="xproj_matcher"):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_translator", config={"forward": {"@xproj_translators": "test.Doubled.v1"}})
    nlp.add_pipe("xproj_aligner", config={"aligner": aligner})
    nlp.add_pipe(projector)
    return nlp


def sources(n=6):
    vocab = spacy.blank("en").vocab
    docs = []
    for k in range(n):
        words = ["Ana", f"w{k}", "?"[: k % 3 == 2] or "x"]
        doc = Doc(vocab, words=words)
        doc.ents = [Span(doc, 0, 1, label="PER"), Span(doc, 1, 2, label="LOC")]
        docs.append(doc)
    return docs


def test_the_public_names():
    assert set(spacy_xproj.__all__) == {"Bitext", "SourceSpan", "fit", "project", "translate"}
    assert all(callable(getattr(spacy_xproj, name)) for name in spacy_xproj.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = spacy_xproj.nothing


@pytest.mark.parametrize("projector", ["xproj_matcher", "xproj_projector"])
def test_project(projector):
    nlp = made(projector=projector)
    docs = list(project(sources(), nlp))
    assert unfitted(nlp) == []
    assert [ents(doc) for doc in docs] == [[(0, 2, "PER"), (2, 4, "LOC")]] * 2 + [[]] + [
        [(0, 2, "PER"), (2, 4, "LOC")]
    ] * 2 + [[]]
    assert all(doc.vocab is nlp.vocab for doc in docs)
    assert set(missed(docs[2]).values()) == {"not_translated"}
    assert docs[0]._.xproj.lang == "en" and docs[0]._.xproj.provenance["aligner"] == "learner"


def test_translate_alone():
    nlp = made()
    docs = list(translate(sources(), nlp))
    assert [doc.text for doc in docs[:3]] == ["Ana Ana w0 w0 x x", "Ana Ana w1 w1 x x", ""]
    assert all(len(doc._.xproj.links) == 0 and not doc.ents for doc in docs)
    assert unfitted(nlp)  # it fits nothing


def test_not_fitted():
    nlp = made()
    with pytest.raises(NotFittedError):
        list(project(sources(), nlp, fit=False))
    assert unfitted(nlp)


def test_streams_when_fitted():
    nlp = made()
    list(project(sources(), nlp))
    taken = []

    def many():
        for doc in sources(200):
            taken.append(doc)
            yield doc

    for options in ({}, {"fit": False}):
        taken.clear()
        stream = project(many(), nlp, batch_size=4, **options)
        assert len(next(stream).ents) == 2
        assert 4 <= len(taken) <= 16
    calls = nlp.get_pipe("xproj_aligner").aligner.calls
    assert calls == 1


def test_an_aligner_that_needs_no_fitting_streams_too():
    nlp = made(DIAGONAL)
    assert len(next(project(iter(sources()), nlp, fit=False))._.xproj.links) == 3


def test_batches_make_no_difference():
    want = [state(doc) for doc in project(sources(20), made())]
    assert [state(doc) for doc in project(iter(sources(20)), made(), batch_size=3)] == want


def test_max_fit_is_passed_on():
    nlp = made()
    list(project(sources(), nlp, max_fit=1))
    seen = nlp.get_pipe("xproj_aligner").aligner.seen
    assert len([w for w in seen if w.startswith("w")]) <= 1


def test_a_pipeline_without_a_translator():
    with pytest.raises(XprojError, match="no xproj_translator"):
        translate(sources(), spacy.blank("es"))
    with pytest.raises(XprojError, match="no xproj_translator"):
        project(sources(), spacy.blank("es"))


def test_the_source_language_can_be_given():
    nlp = made()
    calls = []
    nlp.get_pipe("xproj_translator").forward = lambda texts, *langs: (
        calls.append(langs) or [Translation("x")] * len(texts)
    )
    list(translate(sources(1), nlp))
    list(translate(sources(1), nlp, source_lang="fra"))
    assert calls == [("en", "es"), ("fr", "es")]
