"""What holds for every pipe of the package."""

import warnings

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_xproj.errors import XprojError
from tests.conftest import payload_doc, state

DIAGONAL = {"aligner": {"@xproj_aligners": "test.Diagonal.v1"}}
SENTS = [((0, 2), (0, 2)), ((2, 4), (2, 5))]
# name: settings, with which each pipe does something
LINKS = {"@xproj_similarities": "spacy_xproj.Links.v1"}
PIPES = {
    "xproj_translator": {},
    "xproj_aligner": DIAGONAL,
    "xproj_projector": {},
    "xproj_merger": {"keys": ["ents"]},
    "xproj_matcher": {},
    "xproj_matcher links": {"similarity": LINKS},
    "xproj_matcher n-grams": {
        "similarity": LINKS,
        "suggester": {"@misc": "spacy.ngram_range_suggester.v1", "min_size": 1, "max_size": 3},
        "n_projections": 2,
        "min_score": 0.7,
        "doubtful": "mask",
    },
}
PROJECT = [name for name in PIPES if "projector" in name or "matcher" in name]


def made(name, lang="es"):
    nlp = spacy.blank(lang)
    nlp.add_pipe(name.split()[0], config=PIPES[name])
    return nlp


def some_docs(nlp, n=7):
    """With and without links, with sentence pairs, with a side that is empty."""
    docs = [
        payload_doc(nlp, "Ana vive en Roma", "Ana lives in Rome", [(0, 1, "PER"), (3, 4, "LOC")], "0-0 1-1 2-2 3-3"),
        payload_doc(nlp, "Roma , Italia", "Rome in Italy", [(0, 3, "LOC")]),
        payload_doc(nlp, "a b c d e", "v w x y", [(0, 1, "X"), (1, 3, "Y"), (2, 4, "Z")], "0-1 1-3 3-4", sents=SENTS),
        payload_doc(nlp, "", "lost", [(0, 1, "X")]),
        payload_doc(nlp, "a b", ""),
        payload_doc(nlp, "uno", "one", [(0, 1, "X")], "0-0"),
    ]
    return [docs[k % len(docs)].copy() for k in range(n)]


@pytest.mark.parametrize(
    "name", ["xproj_translator", "xproj_aligner", "xproj_projector", "xproj_matcher", "xproj_merger"]
)
def test_added_with_defaults(name):
    nlp = spacy.blank("es")
    pipe = nlp.add_pipe(name)
    assert nlp.pipe_names == [pipe.name] == [name]
    meta = nlp.get_pipe_meta(name)
    assert meta.assigns and all(a in ("doc._.xproj", "doc.ents", "doc.spans") for a in meta.assigns)
    named = nlp.add_pipe(name, name="second")
    assert named.name == "second"


@pytest.mark.parametrize("name", PIPES)
def test_not_initialized_and_initialized(name):
    plain, ready = made(name), made(name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"xproj_(aligner|matcher): a Doc without a payload")
        ready.initialize()
    docs = some_docs(plain)
    with_examples = made(name)
    with_examples.initialize(lambda: [Example(doc.copy(), doc.copy()) for doc in docs])
    want = [state(plain(doc.copy())) for doc in docs]
    assert [state(ready(doc.copy())) for doc in docs] == want
    if name != "xproj_matcher":  # it takes what it can from the examples
        assert [state(with_examples(doc.copy())) for doc in docs] == want


@pytest.mark.parametrize("name", PIPES)
@pytest.mark.parametrize("words", ["", "uno"])
def test_empty_and_one_token_docs(name, words):
    nlp = made(name)
    docs = [
        payload_doc(nlp, words, ""),
        payload_doc(nlp, words, "one", [(0, 1, "X")]),
        payload_doc(nlp, words, "one", [(0, 1, "X")], sents=[((0, 1), (0, len(words.split())))]),
    ]
    for doc in docs:
        again = nlp(doc.copy())
        assert again.text == doc.text
        if name in PROJECT:
            reason = "no_links" if words else "not_translated"
            assert [row["reason"] for row in again._.xproj_report["missing"]] == [reason] * len(doc._.xproj.spans)


@pytest.mark.parametrize("name", [name for name in PIPES if name != "xproj_translator"])
def test_without_payload_untouched_with_one_warning_a_run(name):
    nlp = made(name)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "LOC", "pattern": "Roma"}])
    for _ in range(2):  # two runs
        with pytest.warns(UserWarning, match="without a payload") as caught:
            docs = list(nlp.pipe(["Roma uno", "Roma dos", "", "Roma"], batch_size=2))
        assert len(caught) == 1
        assert [len(doc.ents) for doc in docs] == [1, 1, 0, 1]
        assert all(doc._.xproj is None and doc._.xproj_report is None and "xproj" not in doc.spans for doc in docs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(nlp.pipe(some_docs(nlp)))


def test_translator_without_back_leaves_docs_alone(no_warnings):
    nlp = made("xproj_translator")
    assert [doc._.xproj for doc in nlp.pipe(["uno", "dos"])] == [None, None]


@pytest.mark.parametrize("name", PIPES)
def test_saved_and_loaded(name, tmp_path):
    nlp = made(name)
    want = [state(doc) for doc in nlp.pipe(some_docs(nlp))]
    nlp.to_disk(tmp_path / "model")
    from_disk = spacy.load(tmp_path / "model")
    from_bytes = made(name).from_bytes(nlp.to_bytes())
    pipe_bytes, pipe_disk = made(name), made(name)
    short = name.split()[0]
    pipe_bytes.get_pipe(short).from_bytes(nlp.get_pipe(short).to_bytes())
    nlp.get_pipe(short).to_disk(tmp_path / "pipe")
    pipe_disk.get_pipe(short).from_disk(tmp_path / "pipe")
    for other in (from_disk, from_bytes, pipe_bytes, pipe_disk):
        assert [state(doc) for doc in other.pipe(some_docs(other))] == want
    assert from_disk.config.to_str() == nlp.config.to_str()
    assert nlp.get_pipe(short).to_bytes() == from_disk.get_pipe(short).to_bytes()


@pytest.mark.parametrize("name", PIPES)
def test_batches_and_processes_make_no_difference(name):
    nlp = made(name)
    want = [state(nlp(doc)) for doc in some_docs(nlp, 20)]
    for batch_size in (1, 3, 100):
        assert [state(doc) for doc in nlp.pipe(some_docs(nlp, 20), batch_size=batch_size)] == want
    assert [state(doc) for doc in nlp.pipe(some_docs(nlp, 20), batch_size=4, n_process=2)] == want


@pytest.mark.parametrize("name", [name for name in PIPES if name != "xproj_translator"])
@pytest.mark.parametrize("batch_size", [2, 100])
def test_a_bad_doc_fails_alone(name, batch_size):
    nlp = made(name)
    failed = []
    nlp.set_error_handler(lambda pipe, proc, docs, err: failed.append((pipe, docs, err)))
    docs = some_docs(nlp, 8)
    bad = [payload_doc(nlp, "a b", "v w", [(0, 1, "X")], "0-0 1-99"), Doc(nlp.vocab, words=["c"])]
    bad[1]._.xproj = "not a Bitext"
    stream = [*docs[:3], bad[0], *docs[3:5], bad[1], *docs[5:]]
    out = list(nlp.pipe(stream, batch_size=batch_size))
    assert [state(doc) for doc in out] == [state(nlp(doc)) for doc in some_docs(nlp, 8)]
    assert [doc for _, docs, _ in failed for doc in docs] == bad
    assert all(pipe == name.split()[0] and isinstance(err, XprojError) for pipe, _, err in failed)
    assert "target word 99" in str(failed[0][2]) and "must be a Bitext, not str" in str(failed[1][2])


@pytest.mark.parametrize("name", [name for name in PIPES if name != "xproj_translator"])
def test_a_bad_doc_stops_the_run_by_default(name):
    nlp = made(name)
    with pytest.raises(XprojError, match="target word 99"):
        list(nlp.pipe([payload_doc(nlp, "a", "v", [(0, 1, "X")], "0-99")]))


@pytest.mark.parametrize("name", PROJECT)
def test_results_survive_docbin(name):
    nlp = made(name)
    docs = list(nlp.pipe(some_docs(nlp)))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    again = list(DocBin().from_bytes(data).get_docs(nlp.vocab))
    assert [state(doc) for doc in again] == [state(doc) for doc in docs]


@pytest.mark.parametrize("name", PROJECT)
def test_projecting_twice_is_projecting_once(name):
    nlp = made(name)
    for doc in some_docs(nlp):
        once = state(nlp(doc))
        assert state(nlp(doc)) == once
