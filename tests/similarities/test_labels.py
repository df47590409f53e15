import shutil

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Span

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.registry import registry
from spacy_xproj.similarities.labels import Labels
from spacy_xproj.ty import Similarity
from tests.conftest import bitext, ents, missed, payload_doc, state

PATTERNS = [("PERSON", "Ana Ruiz"), ("GPE", "Roma"), ("DATE", "hoy")]


@Language.component("test_scored_spans")
def scored_spans(doc):
    """What spancat leaves: spans with scores, which may overlap."""
    doc.spans["sc"] = [Span(doc, k, k + 2, label="LOC") for k in range(len(doc) - 1)]
    doc.spans["sc"].attrs["scores"] = np.linspace(0.2, 0.8, len(doc.spans["sc"]))
    return doc


def ruler(nlp):
    # a pattern of tokens: the entity ruler of spaCy 3.8 forgets to use patterns of text after from_bytes
    patterns = [{"label": label, "pattern": [{"ORTH": word} for word in text.split()]} for label, text in PATTERNS]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "model"
    ruler(spacy.blank("es")).to_disk(path)
    return str(path)


def one_pair(target, *spans, source="a b c d"):
    (pair,) = bitext(source, spans).pairs(tuple(target.split()))
    return pair


def table(cells):
    keys = list(zip(cells.span.tolist(), cells.start.tolist(), cells.end.tolist()))
    assert keys == sorted(set(keys))
    return dict(zip(keys, cells.score.tolist()))


PAIR = one_pair("Ana Ruiz fue a Roma hoy", (0, 1, "PER"), (1, 2, "GPE"))


def test_advertised():
    assert registry.xproj_similarities.get("spacy_xproj.Labels.v1") is Labels
    labels = Labels("anything")  # it is loaded at first use
    assert isinstance(labels, Similarity) and not labels.fittable


def test_words_do_not_pile_up_in_its_pipeline(model):
    labels = Labels(model)
    want = table(labels(PAIR))
    known = len(labels.pipeline.nlp.vocab.strings)
    assert labels.entities(("Quambo", "Ana", "Ruiz")) == [(1, 3, "PERSON", 1.0)]
    assert "Quambo" not in labels.pipeline.nlp.vocab.strings and len(labels.pipeline.nlp.vocab.strings) == known
    assert table(labels(PAIR)) == want


def test_labels(model):
    assert table(Labels(model)(PAIR)) == {
        **{(0, 0, 2): 0.5, (0, 4, 5): 0.5, (0, 5, 6): 0.5},
        **{(1, 0, 2): 0.5, (1, 4, 5): 1, (1, 5, 6): 0.5},
    }
    mapped = Labels(model, label_map={"PERSON": "PER", "DATE": ""}, other_label=0.0)
    assert table(mapped(PAIR)) == {(0, 0, 2): 1, (1, 4, 5): 1}
    extents = Labels(model, label_map={"DATE": ""}, other_label=0.0, discard_labels=True)
    assert table(extents(PAIR)) == {(k, *e): 1 for k in (0, 1) for e in ((0, 2), (4, 5))}


def test_given_candidates_share_words(model):
    candidates = np.array([(0, 1), (0, 3), (1, 5), (3, 4), (4, 5), (0, 1)])
    found = table(Labels(model, label_map={"PERSON": "PER", "DATE": ""}, other_label=0.5)(PAIR, candidates))
    assert found == pytest.approx(
        {
            **{(0, 0, 1): 2 / 3, (0, 0, 3): 4 / 5, (0, 1, 5): 1 / 3, (0, 4, 5): 0.5},
            **{(1, 0, 1): 1 / 3, (1, 0, 3): 2 / 5, (1, 1, 5): 2 / 5, (1, 4, 5): 1},
        }
    )


def test_span_scores():
    nlp = spacy.blank("es")
    nlp.add_pipe("test_scored_spans")
    labels = Labels("x", spans_key="sc")
    labels.pipeline.nlp = nlp
    pair = one_pair("p q r s", (0, 1, "LOC"), (1, 2, "PER"))
    # half of the first one is in the second, which scores more than twice as much
    want = {(0, 0, 2): 0.25, (0, 1, 3): 0.5, (0, 2, 4): 0.8, (1, 0, 2): 0.125, (1, 1, 3): 0.25, (1, 2, 4): 0.4}
    assert table(labels(pair)) == pytest.approx(want)
    labels = Labels("x", spans_key="other")
    labels.pipeline.nlp = nlp
    with pytest.raises(XprojError, match=r"makes no doc.spans\['other'\].*test_scored_spans.*made the keys sc"):
        labels(pair)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3), st.sampled_from("XYZ"), st.floats(0.1, 1)), max_size=5),
    st.lists(st.sampled_from("XY"), min_size=1, max_size=3),
    st.floats(0, 1),
)
def test_against_the_definition(entities, labels, other):
    found = [(a, a + n, label, score) for a, n, label, score in entities]
    pair = one_pair("a b c d e f g h", *((k, k + 1, label) for k, label in enumerate(labels)))
    similarity = Labels("x", other_label=other)
    similarity.predict = lambda target: found
    every = [(a, b) for a in range(8) for b in range(a + 1, 9)]

    def score(label, a, b):
        common = lambda e: len(set(range(a, b)) & set(range(e[0], e[1])))  # noqa: E731
        dice = lambda e: 2 * common(e) / (b - a + e[1] - e[0])  # noqa: E731
        return max((dice(e) * e[3] * (1 if e[2] == label else other) for e in found), default=0)

    want = {(k, a, b): s for k, label in enumerate(labels) for a, b in every if (s := score(label, a, b))}
    assert table(similarity(pair, np.array(every))) == pytest.approx(want)
    extents = {e[:2] for e in found}
    assert table(similarity(pair)) == pytest.approx({key: s for key, s in want.items() if key[1:] in extents})


def test_the_model_runs_once_a_sentence(model):
    labels = Labels(model)
    calls = []
    labels.predict = lambda target: calls.append(target) or Labels.predict(labels, target)
    for pair in (PAIR, PAIR, one_pair("Roma", (0, 1, "GPE")), PAIR._replace(spans=())):
        labels(pair)
        labels(pair, np.array([(0, 1)]))
    assert calls == [PAIR.target, ("Roma",)]


def test_nothing_found(model):
    for candidates in (None, np.zeros((0, 2), "i8"), np.array([(0, 1)])):
        cells = Labels(model)(one_pair("nada", (0, 1, "GPE")), candidates)
        assert [len(field) for field in cells[:4]] == [0, 0, 0, 0]


@pytest.mark.parametrize("other_label", [1.5, -0.1, float("nan")])
def test_bad_settings(other_label):
    with pytest.raises(XprojError, match="other_label"):
        Labels("x", other_label=other_label)


def test_a_model_that_is_not_there():
    with pytest.raises(XprojError, match="Set 'model'"):
        Labels()(PAIR)
    with pytest.raises(XprojError, match=r"Labels.v1.* got 'no_such_model'"):
        Labels("no_such_model")(PAIR)


@pytest.mark.parametrize("data", [b"", b"\x80", b"rubbish"])
def test_other_data_is_refused(data, tmp_path):
    with pytest.raises(XprojError, match=r"Labels.v1"):
        Labels("x").from_bytes(data)
    with pytest.raises(InputError, match="missing"):
        Labels("x").from_disk(tmp_path / "missing")


def test_saved_with_the_pipeline(tmp_path, model):
    shutil.copytree(model, tmp_path / "model")
    nlp = spacy.blank("es")
    settings = {"model": str(tmp_path / "model"), "label_map": {"PERSON": "PER", "DATE": ""}}
    nlp.add_pipe("xproj_matcher", config={"similarity": {"@xproj_similarities": "spacy_xproj.Labels.v1", **settings}})
    nlp.to_disk(tmp_path / "whole")
    data = nlp.to_bytes()
    shutil.rmtree(tmp_path / "model")
    args = (" ".join(PAIR.target), "a b c d", [(0, 1, "PER"), (1, 2, "GPE")])
    again = spacy.load(tmp_path / "whole")
    third = spacy.blank("es").from_config(nlp.config).from_bytes(data)
    for pipeline in (again, third):
        assert ents(pipeline(payload_doc(pipeline, *args))) == [(0, 2, "PER"), (4, 5, "GPE")]
    again.to_disk(tmp_path / "once more")
    once_more = spacy.load(tmp_path / "once more")
    assert ents(once_more(payload_doc(once_more, *args))) == [(0, 2, "PER"), (4, 5, "GPE")]


def test_processes(model):
    nlp = spacy.blank("es")
    settings = {"@xproj_similarities": "spacy_xproj.Labels.v1", "model": model}
    nlp.add_pipe("xproj_matcher", config={"similarity": settings})
    docs = [payload_doc(nlp, "Ana Ruiz fue a Roma", "a b", [(0, 1, "PERSON"), (1, 2, "GPE")]) for _ in range(4)]
    one = [state(doc) for doc in nlp.pipe(doc.copy() for doc in docs)]
    assert one == [state(doc) for doc in nlp.pipe((doc.copy() for doc in docs), n_process=2, batch_size=1)]


def test_ents_suggester_takes_the_candidates_of_an_earlier_ner():
    """Candidates from a NER model in the pipeline itself: extents, not labels; chosen among by the links."""
    nlp = ruler(spacy.blank("es"))
    nlp.add_pipe("xproj_matcher", config={"suggester": {"@misc": "spacy_xproj.ents_suggester.v1"}})
    args = ("Ana Ruiz fue a Roma hoy", "Ana Ruiz went to Rome", [(0, 2, "PER"), (4, 5, "LOC"), (3, 4, "X")])
    doc = nlp(payload_doc(nlp, *args, "0-0 4-3 4-4 3-2"))
    assert ents(doc) == [(0, 2, "PER"), (4, 5, "LOC")]  # "Ruiz" has no link, "a" has a stray one
    assert missed(doc) == {"s2": "no_candidate"}
