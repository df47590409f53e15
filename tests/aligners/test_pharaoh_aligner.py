import multiprocessing
import pickle

import numpy as np
import pytest
import spacy

from spacy_xproj import fit
from spacy_xproj.aligners.pharaoh import PharaohAligner
from spacy_xproj.bitext import Bitext
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.registry import registry
from tests.conftest import payload_doc


def pair(n_source, n_target):
    words = tuple("s" * n_source)
    return Bitext("en", words, (True,) * n_source).pairs(tuple("t" * n_target))[0]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "links.pharaoh"
    path.write_text("1-0 0-1\n\n0-0\n2-2 0-0\n")
    return path


PAIRS = [pair(2, 2), pair(0, 3), pair(1, 1), pair(3, 3)]


def test_registered():
    assert registry.xproj_aligners.get("spacy_xproj.Pharaoh.v1") is PharaohAligner


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_keeps_its_place_in_any_batches(path, size):
    aligner = PharaohAligner(str(path))
    found = [links for k in range(0, 4, size) for links in aligner(PAIRS[k : k + size])]
    assert [x.links.tolist() for x in found] == [[[0, 1], [1, 0]], [], [[0, 0]], [[0, 0], [2, 2]]]
    assert all(x.links.dtype == np.int32 and x.scores.dtype == np.float32 for x in found)
    assert found[0].scores.tolist() == [1, 1] and found[0].evidence == {}


def test_restart(path):
    aligner = PharaohAligner(str(path))
    first = aligner(PAIRS[:1])[0].links.tolist()
    aligner.restart()
    assert aligner(PAIRS[:1])[0].links.tolist() == first


def test_too_few_lines(path):
    aligner = PharaohAligner(str(path))
    aligner(PAIRS)
    with pytest.raises(InputError, match="only 4 lines"):
        aligner(PAIRS[:1])


def test_out_of_range_names_the_line_and_stops_what_follows(path):
    aligner = PharaohAligner(str(path))
    with pytest.raises(InputError) as err:
        aligner([*PAIRS[:3], pair(2, 3)])
    assert err.value.line == 4 and "2-2" in str(err.value)
    assert [x.links.tolist() for x in aligner(PAIRS[:3])] == [[[0, 1], [1, 0]], [], [[0, 0]]]
    with pytest.raises(InputError, match="line 4"):  # it would fit this pair, but is not meant for it
        aligner([pair(3, 3)])


def test_bad_syntax_and_bad_encoding(path):
    path.write_bytes(b"0-0\n0_0\n")
    with pytest.raises(InputError, match=r"line 2.*'0_0'"):
        PharaohAligner(str(path))([pair(1, 1), pair(1, 1)])
    path.write_bytes(b"0-0\n\xe9\n")
    with pytest.raises(InputError, match=r"line 2.*UTF-8"):
        PharaohAligner(str(path))([pair(1, 1)])


def test_no_path_or_no_file(tmp_path):
    with pytest.raises(XprojError, match="path"):
        PharaohAligner()([pair(1, 1)])
    with pytest.raises(InputError, match="no such file"):
        PharaohAligner(str(tmp_path / "absent"))([pair(1, 1)])


def in_worker(aligner, queue):
    try:
        queue.put(aligner([pair(1, 1)]))
    except XprojError as err:
        queue.put(str(err))


def test_workers_are_refused(path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=in_worker, args=(PharaohAligner(str(path)), queue))
    worker.start()
    assert "n_process=1" in queue.get(timeout=30)
    worker.join()


def test_pickles_with_its_place(path):
    aligner = PharaohAligner(str(path))
    aligner(PAIRS[:2])
    assert pickle.loads(pickle.dumps(aligner))(PAIRS[2:3])[0].links.tolist() == [[0, 0]]


@pytest.mark.parametrize("inside", [False, True])
def test_each_pass_over_a_corpus_begins_at_the_first_line(path, inside):
    """Fitting what comes after runs the aligner over the corpus, too."""
    nlp = spacy.blank("es")
    part = {"@xproj_aligners": "spacy_xproj.Pharaoh.v1", "path": str(path)}
    if inside:
        part = {"@xproj_aligners": "spacy_xproj.Ensemble.v1", "aligners": {"file": part}}
    nlp.add_pipe("xproj_aligner", config={"aligner": part})
    nlp.add_pipe("xproj_matcher")
    sides = [("a b", "v w"), ("c", "x"), ("d e", "y"), ("f g h", "z u s")]
    docs = [payload_doc(nlp, target, source, [(0, 1, "X")]) for target, source in sides]
    fit(nlp, docs)
    want = [[[0, 1], [1, 0]], [], [[0, 0]], [[0, 0], [2, 2]]]
    for found in (map(nlp, [doc.copy() for doc in docs]), nlp.pipe(doc.copy() for doc in docs), nlp.pipe(docs)):
        assert [doc._.xproj.links.tolist() for doc in found] == want


@pytest.mark.parametrize("batch_size", [1, 2, 128])
def test_a_payload_that_is_broken_shifts_no_links(path, batch_size):
    """Nobody knows how many lines of the file belong to it, so what comes after it gets none, and says so."""
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_aligner", config={"aligner": {"@xproj_aligners": "spacy_xproj.Pharaoh.v1", "path": str(path)}})
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, err: failed.append((docs[0].text.strip(), str(err))))
    good, rest = (payload_doc(nlp, target, source) for target, source in (("a b", "v w"), ("d", "y")))
    broken = payload_doc(nlp, "c", "x", sents=(((0, 1), (0, 9)),))
    for _ in range(2):  # each corpus begins anew
        failed.clear()
        docs = list(nlp.pipe([doc.copy() for doc in (good, broken, rest)], batch_size=batch_size))
        assert [doc._.xproj.links.tolist() for doc in docs] == [[[0, 1], [1, 0]]]
        assert [text for text, _ in failed] == ["c", "d"]
        assert "a Doc before this one has a payload that cannot be used" in failed[1][1]
