"""The similarity held against plain loops over the vectors, and those against the model, tiny and made on the spot."""

import pickle
import shutil
import sys

import numpy as np
import pytest
import spacy

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.models.encoder import Encoder
from spacy_xproj.models.folder import SHARED
from spacy_xproj.registry import registry
from spacy_xproj.similarities.context import NAME, NOTHING, ContextSimilarity, cosines
from spacy_xproj.similarities.fused import Fused
from spacy_xproj.similarities.lazy import Costly
from spacy_xproj.similarities.links import LinkSimilarity
from spacy_xproj.ty import Similarity
from tests.aligners.tiny_encoders import TEXTS, make_encoder
from tests.conftest import bitext, ents, payload_doc, state

ROWS = [
    (TEXTS[0], [(0, 2, "PER"), (8, 9, "LOC"), (4, 7, "X")], "0-0 1-1 8-8", TEXTS[2]),
    (TEXTS[1], [(3, 4, "ORG"), (7, 8, "LOC"), (9, 12, "LOC")], "3-2 7-9", TEXTS[3]),
    (TEXTS[2], [(0, 2, "PER"), (8, 9, "LOC")], "0-0", TEXTS[0]),
    ("Ana Torres", [(0, 2, "PER")], "0-0", "Ana Torres , en Roma"),
    (TEXTS[4], [(0, 1, "PER"), (5, 6, "PER")], "0-0", TEXTS[4]),
    ("Roma", [(0, 1, "LOC")], "", "Rome"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("models") / "bert", positions=100)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A model that reads 40 sub-words at once."""
    return make_encoder(tmp_path_factory.mktemp("models") / "short", positions=40)


def made(path, **settings):
    return ContextSimilarity(**{"model": str(path), "layer": 3, "device": "cpu", "threshold": 0.0, **settings})


def one_pair(source, spans, links, target):
    return bitext(source, spans, links).pairs(tuple(target.split() if isinstance(target, str) else target))[0]


def some_pairs():
    return [one_pair(*row) for row in ROWS]


def every(n):
    return np.array([(a, b) for a in range(n) for b in range(a + 1, n + 1)])


def table(cells):
    keys = list(zip(cells.span.tolist(), cells.start.tolist(), cells.end.tolist()))
    assert keys == sorted(set(keys))
    assert ((cells.score > 0) & (cells.score <= 1)).all()
    return dict(zip(keys, cells.score.tolist()))


def cosine(x, y):
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


def by_loop(source, target, spans, center):
    """{cell: cosine} of all candidates, one by one."""
    out = {}
    for k, span in enumerate(spans):
        for a, b in every(len(target)).tolist():
            if not center:
                out[k, a, b] = cosine(source[span.start : span.end].mean(0), target[a:b].mean(0))
                continue
            x = (source - source.mean(0))[span.start : span.end].mean(0)
            y = (target - target.mean(0))[a:b].mean(0)
            if span.end - span.start == len(source) or len(target) == 1:
                out[k, a, b] = cosine(source.mean(0), target[a:b].mean(0))
            else:
                out[k, a, b] = cosine(x, y) if b - a < len(target) else 0.0
    return out


def above_0(scores, least=0.0):
    rounded = {key: round(max(score, 0), 4) for key, score in scores.items()}
    return {key: score for key, score in rounded.items() if score > 0 and score >= least}


def assert_close(found, want):
    """Equal within the rounding, also of what just is or is not above 0."""
    for key in found.keys() | want.keys():
        assert found.get(key, 0) == pytest.approx(want.get(key, 0), abs=2e-4), key


def test_registered():
    assert registry.xproj_similarities.get(NAME) is ContextSimilarity
    assert isinstance(ContextSimilarity(), Similarity)
    assert not isinstance(ContextSimilarity(), Costly) and not ContextSimilarity().fittable


# The score


def test_by_hand():
    source = np.array([[1, 0], [0, 1], [0, 0]], "f4")
    target = np.array([[0, 2], [2, 0], [0, 0]], "f4")
    spans = np.array([0, 0, 1, 2]), np.array([1, 2, 2, 3])
    cells = np.array([0, 1, 0, 2, 1]), np.array([1, 2, 2, 3, 3])
    half = 1 / np.sqrt(2)
    want = [[0, 1, half, 0, 1], [half, half, 1, 0, half], [1, 0, half, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_allclose(cosines(source, target, spans, cells, False), want, atol=1e-12)
    # Centred the words are (.5, -.5) and (-.5, .5), and (-1, 1) and (1, -1). The second source span is all there is, so
    # that for it nothing changes. So it does for the last one, which has no vector.
    want = [[-1, 1, 0, 0, 1], want[1], [1, -1, 0, 0, -1], want[3]]
    np.testing.assert_allclose(cosines(source, target, spans, cells, True), want, atol=1e-12)
    alone = (np.array([0]), np.array([1]))
    np.testing.assert_allclose(cosines(source, target[:1], spans, alone, True)[:, 0], [0, half, 1, 0], atol=1e-12)


@pytest.mark.parametrize("center", [True, False])
def test_many_words_by_a_loop(center):
    random = np.random.default_rng(0)
    shared = random.normal(size=16) * 5
    source, target = ((random.normal(size=(n, 16)) + shared).astype("f4") for n in (30, 60))
    spans = bitext(["x"] * 30, [(0, 1, "X"), (3, 9, "X"), (0, 30, "X"), (29, 30, "X")]).spans
    bounds = np.array([s[:2] for s in spans]).T
    a, b = every(60).T
    found = cosines(source, target, tuple(bounds), (a, b), center)
    want = by_loop(source.astype("f8"), target.astype("f8"), spans, center)
    wanted = np.array([[want[k, i, j] for i, j in zip(a.tolist(), b.tolist())] for k in range(len(spans))])
    np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_words_that_are_all_alike_have_no_direction():
    """What is left of them is the rounding of the model, which differs from machine to machine."""
    row = np.random.default_rng(0).normal(size=8)
    noise = np.random.default_rng(1).normal(size=(3, 8)) * NOTHING / 100
    source, target = row + noise, np.stack([row, -row, row + 1])
    spans, cells = (np.array([0]), np.array([1])), (np.arange(3), np.arange(3) + 1)
    plain = cosines(source, target, spans, cells, False)
    assert np.array_equal(cosines(source, target, spans, cells, True), plain)
    assert np.array_equal(cosines(target, source, spans, cells, True), cosines(target, source, spans, cells, False))


@pytest.mark.parametrize("center", [True, False])
def test_of_a_model(center, folder):
    """By transformers alone."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def vectors(words):
        inputs = tokenizer(list(words), is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**inputs, output_hidden_states=True).hidden_states[3][0].double().numpy()
        of = [word if word is not None else -1 for word in inputs.word_ids()]
        return np.stack([hidden[np.array(of) == k].mean(0) for k in range(len(words))])

    different = 0
    for pair in some_pairs():
        want = above_0(by_loop(vectors(pair.source), vectors(pair.target), pair.spans, center))
        found = table(made(folder, center=center)(pair, every(len(pair.target))))
        assert_close(found, want)
        different += len({round(score, 1) for score in want.values()})
    assert different > 20


def test_windows(short):
    """A sentence that is longer than the model can read counts whole."""
    words = " ".join(TEXTS * 3).split()
    pair = one_pair(words, [(2, 5, "X"), (len(words) - 4, len(words) - 2, "X")], "", words)
    encoder = Encoder(short, layer=3, device="cpu", overlap=12)
    assert len(encoder.read(words).inputs) > 3
    (rows,) = encoder.encode([words])
    found = table(made(short, overlap=12)(pair, every(len(words))))
    assert_close(found, above_0(by_loop(rows.astype("f8"), rows.astype("f8"), pair.spans, True)))
    assert found[0, 2, 5] == found[1, len(words) - 4, len(words) - 2] == 1.0
    assert table(made(short, window=20)(pair)) != table(made(short)(pair))
    with pytest.raises(XprojError, match="reads at most 40 sub-words at once"):
        made(short, window=41)(pair)


def test_centered_scores_tell_more(folder):
    """All vectors have a part in common, as those of large models."""
    pair = some_pairs()[0]
    similarity = made(folder, center=False)
    rows = [vectors + 20 for vectors in similarity.encode([pair.source, pair.target])]
    scores = {}
    for center in (True, False):
        similarity = made(folder, center=center)
        similarity.encode = lambda sentences: rows
        scores[center] = table(similarity(pair, every(len(pair.target))))
    assert min(scores[False].values()) > 0.9
    right = (0, 0, 2)  # the same words, at the same place
    for center in (True, False):
        assert scores[center][right] == max(score for key, score in scores[center].items() if key[0] == 0)
    others = [scores[True].get((0, a, a + 2), 0) for a in range(3, len(pair.target) - 1)]
    assert scores[True][right] - max(others) > 10 * (scores[False][right] - max(scores[False][0, 4, 6], 0))


def test_baseline_and_threshold(folder):
    pair = some_pairs()[0]
    candidates = every(len(pair.target))
    want = table(made(folder, center=False)(pair, candidates))
    found = table(made(folder, center=False, baseline=0.5)(pair, candidates))
    assert_close(found, {key: (score - 0.5) / 0.5 for key, score in want.items() if score > 0.5})
    assert 0 < len(found) < len(want)
    low = table(made(folder, baseline=-1.0)(pair, candidates))
    assert len(low) > len(want) and min(low.values()) < 0.5
    strict = table(made(folder, center=False, threshold=0.5)(pair, candidates))
    assert strict == {key: score for key, score in want.items() if score >= 0.5}
    assert table(made(folder, threshold=1.0, center=False)(pair, candidates)) == {
        key: score for key, score in want.items() if score == 1
    }


# Candidates


def test_proposals(folder):
    words = ["\n", "Ana", "Torres", ",", "en", "Roma", "."]
    pair = one_pair(TEXTS[0], [(0, 2, "PER"), (8, 9, "LOC")], "", words)
    found = table(made(folder, beam=0, baseline=-1.0)(pair))
    edges, n = {1, 2, 4, 5}, len(words)
    cells = {(k, a, b) for k in (0, 1) for a, b in every(n).tolist() if a in edges and b - 1 in edges}
    assert found.keys() == cells
    assert found == {key: x for key, x in table(made(folder, baseline=-1.0)(pair, every(n))).items() if key in cells}
    few = table(made(folder, beam=0, baseline=-1.0, max_length=2)(pair))
    assert few == {key: score for key, score in found.items() if key[2] - key[1] <= 2}
    for beam in (1, 3):
        best = table(made(folder, beam=beam, baseline=-1.0)(pair))
        for k in (0, 1):
            mine = sorted(((-x, key[2] - key[1], key[1]), key) for key, x in found.items() if key[0] == k)
            assert {key for key in best if key[0] == k} == {key for _, key in mine[:beam]}
        assert best.items() <= found.items()
    middle = sorted(found.values())[len(found) // 2]
    strict = table(made(folder, beam=0, baseline=-1.0, threshold=middle)(pair))
    assert strict == {key: score for key, score in found.items() if score >= middle}


def test_a_score_does_not_depend_on_the_other_candidates(folder):
    for pair in some_pairs():
        similarity = made(folder)
        want = table(similarity(pair, every(len(pair.target))))
        for a, b in every(len(pair.target)).tolist():
            one = table(similarity(pair, np.array([(a, b), (a, b)])))
            assert one == {key: score for key, score in want.items() if key[1:] == (a, b)}
        assert table(similarity(pair)).items() <= want.items()


def test_nothing_to_score(folder):
    similarity = made(folder)
    pair = some_pairs()[0]
    assert table(similarity(pair, np.zeros((0, 2), "i8"))) == {}
    assert table(similarity(pair._replace(spans=()))) == {}
    assert table(similarity(one_pair("Ana", [(0, 1, "PER")], "", ""))) == {}
    assert similarity.__dict__["_loaded"] is None, "the model is not needed"
    for source, target in ((["Ana", " "], ["\n", "\u200b"]), (["\n"], ["Ana"]), (["\u200b", "Ana"], [" "])):
        pair = one_pair(source, [(0, 1, "X")], "", target)
        for center in (True, False):
            assert table(made(folder, center=center)(pair, every(len(target)))) == {}
            assert table(made(folder, center=center)(pair)) == {}
    odd = one_pair(["\ud800", "a"], [(0, 1, "X")], "", ["\udfff", "b"])
    assert isinstance(table(similarity(odd)), dict)
    assert table(similarity(one_pair("Ana Torres", [(0, 1, "X")], "", ", ."))) == {}


# Many together


def counted(similarity):
    """How many sentences each call of the encoder gets."""
    calls = []
    encode = similarity.encode
    similarity.encode = lambda sentences: (calls.append(len(sentences)), encode(sentences))[1]
    return calls


def test_each_sentence_pair_is_encoded_once(folder):
    similarity = made(folder)
    calls = counted(similarity)
    for pair in some_pairs():
        want = table(similarity(pair))
        similarity(pair, every(len(pair.target)))
        assert table(similarity(pair._replace(spans=pair.spans[:1]))).items() <= want.items()
    assert calls == [2, 2, 2, 1, 2], "the third pair is made of sentences that were there before"


def test_prepared(folder):
    want = [table(made(folder)(pair)) for pair in some_pairs()]
    similarity = made(folder)
    runs = []
    similarity.load().model.register_forward_hook(lambda *args: runs.append(1))
    one_by_one = [table(similarity(pair)) for pair in some_pairs()]
    alone = len(runs)
    similarity, runs = made(folder), []
    similarity.load().model.register_forward_hook(lambda *args: runs.append(1))
    calls = counted(similarity)
    similarity.prepare(some_pairs())
    assert not calls, "nothing is computed before it is asked for"
    together = [table(similarity(pair)) for pair in some_pairs()]
    assert len(calls) == 1 and len(runs) < alone
    for a, b, c in zip(together, one_by_one, want):
        assert_close(a, b)
        assert_close(b, c)
    assert sum(map(len, want)) > 50


def test_what_was_not_prepared_goes_alone(folder):
    pairs = some_pairs()
    similarity = made(folder)
    calls = counted(similarity)
    similarity.prepare(pairs[:2])
    other = pairs[5]
    similarity(other)
    assert calls == [2]
    similarity(pairs[1])  # a pair that was passed over comes with it
    assert calls == [2, 4]
    similarity(pairs[0])
    assert calls == [2, 4]
    similarity.prepare(iter([]))
    assert table(similarity(pairs[3])) == table(made(folder)(pairs[3])) and calls == [2, 4, 2]


def test_room(folder):
    """With little room, some sentences at a time, and the pair in hand stays, however long it is."""
    similarity = made(folder, batch_tokens=8)
    calls = counted(similarity)
    similarity.prepare(some_pairs())
    found = [table(similarity(pair)) for pair in some_pairs()]
    for a, b in zip(found, some_pairs()):
        assert_close(a, table(made(folder)(b)))
    assert 1 < len(calls) < len(some_pairs())
    assert sum(map(len, similarity._known)) <= 2 * 4 * 8
    similarity, long = made(folder, batch_tokens=1), some_pairs()[0]
    calls = counted(similarity)
    assert table(similarity(long)) == table(similarity(long)) and calls == [2]


@pytest.mark.filterwarnings("ignore:.*could not be encoded together")
def test_a_failing_sentence_fails_alone(folder):
    similarity = made(folder)
    encode = similarity.encode

    def fragile(sentences):
        if any("opened" in words for words in sentences):
            raise XprojError("told to fail")
        return encode(sentences)

    similarity.encode = fragile
    similarity.prepare(some_pairs())
    for k, pair in enumerate(some_pairs()):
        if k == 1:
            with pytest.raises(XprojError, match="told to fail"):
                similarity(pair)
        else:
            assert_close(table(similarity(pair)), table(made(folder)(pair)))


# In pipelines


def settings_of(path, **more):
    return {"@xproj_similarities": NAME, "model": str(path), "layer": 3, "device": "cpu", **more}


def pipeline(path, **more):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": settings_of(path, **more)})
    return nlp


def docs_of(nlp):
    return [payload_doc(nlp, target, source, spans, links) for source, spans, links, target in ROWS]


def fused_settings(path):
    return {
        "@xproj_similarities": "spacy_xproj.Fused.v1",
        "similarities": {"links": {"@xproj_similarities": "spacy_xproj.Links.v1"}, "context": settings_of(path)},
        "weights": {"links": 0.5, "context": 0.5},
    }


def test_the_pipe_goes_ahead(folder):
    nlp = pipeline(folder)
    calls = counted(nlp.get_pipe("xproj_matcher").similarity)
    want = [ents(nlp(doc)) for doc in docs_of(nlp)]
    assert any(want) and len(calls) == 5
    for size, runs in ((128, 1), (3, 2)):
        nlp = pipeline(folder)
        calls = counted(nlp.get_pipe("xproj_matcher").similarity)
        assert [ents(doc) for doc in nlp.pipe(docs_of(nlp), batch_size=size)] == want
        assert len(calls) == runs


def test_docs_that_fail_or_have_no_payload(folder):
    nlp = pipeline(folder)
    want = [ents(doc) for doc in nlp.pipe(docs_of(nlp))]
    failed = []
    nlp.set_error_handler(lambda name, pipe, docs, err: failed.extend(docs))
    docs = docs_of(nlp)
    docs[1]._.xproj = "no payload"
    docs[3]._.xproj = bitext("Ana", [(0, 1, "PER")], "0-9")  # a link to a word that is not there
    docs[4]._.xproj = None
    with pytest.warns(UserWarning, match="without a payload") as warned:
        found = list(nlp.pipe(docs))
    assert failed == [docs[1], docs[3]] and len(warned) == 1
    assert [ents(doc) for doc in found] == [want[0], want[2], [], want[5]]


def test_sentences_that_fail_together_are_encoded_alone_with_one_warning(folder):
    nlp = pipeline(folder)
    want = [ents(doc) for doc in nlp.pipe(docs_of(nlp))]
    nlp = pipeline(folder)
    encoder = nlp.get_pipe("xproj_matcher").similarity
    encode = encoder.encode

    def small(sentences):
        if len(sentences) > 2:
            raise RuntimeError("CUDA out of memory")
        return encode(sentences)

    encoder.encode = small
    with pytest.warns(UserWarning, match="could not be encoded together .RuntimeError: CUDA out of memory") as warned:
        found = [ents(doc) for doc in nlp.pipe(docs_of(nlp), batch_size=3)]
    assert found == want and len(warned) == 1


def test_fused(folder):
    for pair in some_pairs():
        links, context = LinkSimilarity(), made(folder, threshold=0.3)
        fused = Fused({"links": links, "context": context}, {"links": 0.5, "context": 0.5})
        found = table(fused(pair))
        cells = every(len(pair.target))
        both = [table(part(pair, cells)) for part in (links, context)]
        assert found.keys() >= table(links(pair)).keys() | table(context(pair)).keys()
        assert found == pytest.approx({key: sum(scores.get(key, 0) for scores in both) / 2 for key in found})


def test_a_sum_tells_its_parts(folder):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": fused_settings(folder)})
    want = [ents(nlp(doc)) for doc in docs_of(nlp)]
    calls = counted(nlp.get_pipe("xproj_matcher").similarity.similarities["context"])
    nlp.get_pipe("xproj_matcher").similarity.similarities["context"]._forget()
    assert [ents(doc) for doc in nlp.pipe(docs_of(nlp))] == want and len(calls) == 1


@pytest.mark.parametrize("fused", [True, False])
def test_saved_with_its_model(folder, tmp_path, fused):
    path = shutil.copytree(folder, tmp_path / "model")
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": (fused_settings if fused else settings_of)(path)})
    want = [state(nlp(doc)) for doc in docs_of(nlp)]
    nlp.to_disk(tmp_path / "saved")
    path.rename(tmp_path / "gone")
    assert str(path) not in (tmp_path / "saved" / "config.cfg").read_text(encoding="utf-8")
    again = spacy.load(tmp_path / "saved")
    assert [state(again(doc)) for doc in docs_of(again)] == want
    with pytest.raises(XprojError, match="too large for bytes"):
        nlp.to_bytes()
    with pytest.raises(XprojError, match="Expected the state"):
        ContextSimilarity().from_bytes(b"")


def test_another_model_is_asked_anew(folder, short, tmp_path):
    similarity, pair = made(folder), some_pairs()[0]
    before = table(similarity(pair))
    other = shutil.copytree(make_encoder(tmp_path / "made", positions=100, seed=1), tmp_path / "other")
    after = table(similarity.from_disk(other)(pair))
    assert after == table(made(other)(pair)) != before
    again = pickle.loads(pickle.dumps(similarity))
    assert table(again(pair)) == after


def test_without_a_model(tmp_path):
    similarity = ContextSimilarity()
    similarity.to_disk(tmp_path / "state")
    assert similarity.from_disk(tmp_path / "state") is similarity
    with pytest.raises(XprojError, match=r"Context\.v1 has no model\. Set 'model' to the folder of one"):
        similarity(some_pairs()[0])
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": fused_settings("")})
    nlp.to_disk(tmp_path / "saved")
    assert spacy.load(tmp_path / "saved").pipe_names == ["xproj_matcher"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("used", [True, False])
def test_worker_processes(folder, used):
    nlp = pipeline(folder)
    want = [ents(doc) for doc in pipeline(folder).pipe(docs_of(nlp))]
    if used:
        nlp(docs_of(nlp)[0])  # loaded before the fork
    assert [ents(doc) for doc in nlp.pipe(docs_of(nlp), n_process=2, batch_size=2)] == want


def test_lower_precision(folder):
    pair = some_pairs()[0]
    want = table(made(folder)(pair, every(len(pair.target))))
    for dtype in ("float16", "bfloat16", "int8"):
        found = table(made(folder, dtype=dtype)(pair, every(len(pair.target))))
        assert found != want
        assert np.mean([abs(found.get(key, 0) - score) for key, score in want.items()]) < 0.1


# What can be wrong


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"threshold": 1.5}, r"threshold must be from 0 to 1, not 1\.5"),
        ({"baseline": 1.0}, r"baseline must be at least -1 and below 1, not 1\.0"),
        ({"baseline": -1.5}, "baseline must be at least -1"),
        ({"max_length": 0}, "max_length must be at least 1, not 0"),
        ({"beam": -1}, "beam must be at least 0, not -1"),
        ({"window": -1}, "window must be at least 0, not -1"),
        ({"layer": 0}, "layer must be at least 1"),
        ({"batch_tokens": 0}, "batch_tokens must be at least 1"),
        ({"overlap": -1}, "overlap must be at least 0"),
        ({"device": "tpu"}, "expected the device 'auto', 'cpu'"),
        ({"dtype": "int8", "device": "cuda"}, "the dtype 'int8' is for the CPU only"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(XprojError, match=rf"Context\.v1: {message}"):
        ContextSimilarity(**settings)


def test_what_is_missing(folder, tmp_path, monkeypatch):
    path = tmp_path / "absent"
    with pytest.raises(InputError, match="Nothing is downloaded unless asked for") as caught:
        ContextSimilarity(model=str(path))
    assert str(path) in str(caught.value) and NAME in str(caught.value)
    with pytest.raises(InputError, match="the model has 4 layers, and layer is 8"):
        ContextSimilarity(model=str(folder))
    with pytest.raises(XprojError, match="the device 'cuda:99' is not there"):
        made(folder, device="cuda:99")(some_pairs()[0])
    for package in ("torch", "transformers"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            SHARED.clear()  # else the model may be there
            with pytest.raises(XprojError, match=rf"Context\.v1 needs the package '{package}'"):
                made(folder)(some_pairs()[0])
