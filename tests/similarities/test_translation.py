import hashlib
import math
import multiprocessing
import sqlite3
from functools import cache

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.pipeline.matcher import ProjectionMatcher
from spacy_xproj.registry import registry
from spacy_xproj.runs.pipelines import load_pipeline
from spacy_xproj.similarities.fused import Fused
from spacy_xproj.similarities.lazy import Costly, Lazy, choose
from spacy_xproj.similarities.links import LinkSimilarity
from spacy_xproj.similarities.score_cache import ScoreCache
from spacy_xproj.similarities.translation import TranslationSimilarity
from spacy_xproj.solvers.exact import make_exact
from spacy_xproj.solvers.greedy import make_greedy
from spacy_xproj.translators import Memory
from spacy_xproj.translators.transformers import TransformersTranslator
from spacy_xproj.ty import Cells, Similarity
from tests.conftest import CONFIGS, bitext, ents, payload_doc, state
from tests.translators.tiny_models import tiny_m2m100, tiny_marian, tiny_nllb

NAME = "spacy_xproj.Translation.v1"
ROWS = [
    ("Ana lives in Rome", [(0, 1, "PER"), (3, 4, "LOC")], "0-0 1-1 2-2 3-3", "Ana vive en Roma"),
    ("the European Commission met", [(1, 3, "ORG")], "0-0 1-2 2-1 3-4", "la Comisión Europea se reunió"),
    ("Ana met the Commission", [(0, 1, "PER"), (3, 4, "ORG")], "0-1 3-4", "a Ana vio la Comisión"),
    ("Rome and Rome", [(0, 1, "LOC"), (2, 3, "LOC"), (0, 3, "X")], "0-0 1-1 2-0", "Roma y Roma , dijo"),
    ("nothing here", [], "0-0", "nada aquí"),
    ("lost", [(0, 1, "X")], "", "perdido"),
]


def some_pairs():
    return [bitext(s, spans, links).pairs(tuple(t.split()))[0] for s, spans, links, t in ROWS]


def table(cells):
    keys = list(zip(cells.span.tolist(), cells.start.tolist(), cells.end.tolist()))
    assert keys == sorted(set(keys))
    return dict(zip(keys, cells.score.tolist()))


class Scorer:
    """Log-probabilities out of the texts' hash, or given ones. It keeps what it was asked for."""

    def __init__(self, given=(), key="scorer"):
        self.given, self.key, self.calls = dict(given), key, []

    def __call__(self, texts, source_lang, target_lang):
        raise AssertionError("nothing is to be translated")

    def score(self, sources, targets, source_lang, target_lang):
        asked = [(source_lang, target_lang, a, b) for a, b in zip(sources, targets)]
        self.calls.append(asked)
        return [self.given.get(row) or self.invent(row) for row in asked]

    def invent(self, row):
        digest = hashlib.sha256("\0".join([self.key, *row]).encode()).digest()
        n = len(row[3].split()) + 1
        return -n * digest[0] / 64, n

    @property
    def asked(self):
        return [row for call in self.calls for row in call]


def made(scorer=None, **settings):
    settings = {"threshold": 0.0, **settings}
    return TranslationSimilarity(Scorer() if scorer is None else scorer, "en", "es", **settings)


def test_registered():
    assert registry.xproj_similarities.get(NAME) is TranslationSimilarity
    assert isinstance(made(), Similarity) and isinstance(made(), Costly) and not made().fittable


# The score

GIVEN = {
    ("es", "en", "la Comisión", "the Commission"): (-3.0, 3),
    ("en", "en", "the Commission", "the Commission"): (-0.6, 3),
    ("en", "es", "the Commission", "la Comisión"): (-2.0, 4),
    ("es", "es", "la Comisión", "la Comisión"): (-0.4, 4),
}
AB, AA, BA, BB = (total / n for total, n in GIVEN.values())


@pytest.mark.parametrize(
    "settings, want",
    [
        ({}, (math.exp(AB - AA) + math.exp(BA - BB)) / 2),
        ({"both": False}, math.exp(AB - AA)),
        ({"normalize": False}, (math.exp(AB) + math.exp(BA)) / 2),
        ({"normalize": False, "both": False}, math.exp(AB)),
        ({"exponent": math.log(2)}, (2 ** (AB - AA) + 2 ** (BA - BB)) / 2),
        ({"threshold": 0.6}, 0.0),
    ],
)
def test_by_hand(settings, want):
    pair = bitext("see the Commission", [(1, 3, "ORG")]).pairs(("ve", "la", "Comisión"))[0]
    scorer = Scorer(GIVEN)
    found = table(made(scorer, **settings)(pair, np.array([(1, 3)])))
    assert found == (pytest.approx({(0, 1, 3): want}, abs=5e-5) if want else {})
    n = len(scorer.asked)
    assert n == (4 if settings.get("normalize", True) else 2) / (1 if settings.get("both", True) else 2)
    assert set(scorer.asked) <= set(GIVEN)


def test_never_above_1_and_never_not_a_number():
    pair = some_pairs()[0]._replace(spans=some_pairs()[0].spans[:1])
    likely = {("es", "en", "Ana", "Ana"): (-0.1, 1), ("en", "en", "Ana", "Ana"): (-9.0, 1)}
    one = made(Scorer(likely), both=False)
    assert table(one(pair, np.array([(0, 1)]))) == {(0, 0, 1): 1.0}
    nothing = made(Scorer({("es", "en", "Ana", "Ana"): (math.nan, 1)}), both=False)
    assert table(nothing(pair, np.array([(0, 1)]))) == {}
    impossible = made(Scorer({("en", "en", "Ana", "Ana"): (-1e9, 1)}), both=False)
    assert table(impossible(pair, np.array([(0, 1)]))) == {(0, 0, 1): 1.0}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {"nllb": tiny_nllb(root / "nllb"), "m2m100": tiny_m2m100(root / "m2m100"), "other": tiny_nllb(root / "o", 1)}


def on_cpu(folder):
    return TransformersTranslator(str(folder), device="cpu")


@pytest.mark.parametrize("family, langs", [("nllb", ("eng_Latn", "spa_Latn")), ("m2m100", ("en", "es"))])
def test_of_a_model(folders, family, langs):
    """By the model's own loss, one pair at a time, as `transformers` computes it."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folders[family])
    model = AutoModelForSeq2SeqLM.from_pretrained(folders[family]).eval()

    def mean(source, target, source_lang, target_lang):
        tokenizer.src_lang, tokenizer.tgt_lang = source_lang, target_lang
        inputs = tokenizer(source, text_target=target, return_tensors="pt")
        labels = inputs["labels"].clone()
        with torch.no_grad():
            logits = model(**inputs).logits[0].log_softmax(-1)
        found = logits.gather(1, labels[0][:, None])[1:]  # without the token of the language
        return float(found.mean())

    en, es = langs
    pair = some_pairs()[1]
    want = {}
    for a, b in [(0, 3), (1, 3), (3, 5)]:
        one, other = "European Commission", " ".join(pair.target[a:b])
        there = math.exp(mean(other, one, es, en) - mean(one, one, en, en))
        back = math.exp(mean(one, other, en, es) - mean(other, other, es, es))
        want[0, a, b] = min((there + back) / 2, 1.0)
    found = made(on_cpu(folders[family]))(pair, np.array([key[1:] for key in want]))
    assert table(found) == pytest.approx({key: x for key, x in want.items() if x > 5e-5}, abs=1e-4)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("both", [True, False])
def test_equals_the_published_package(folders, normalize, both):
    scorer = pytest.importorskip("nmtscore.scorer")
    models = pytest.importorskip("nmtscore.models.m2m100")
    theirs = scorer.NMTScorer(models.M2M100Model(str(folders["m2m100"])))
    settings = {"normalize": normalize, "both": both, "exponent": math.log(2)}
    similarity = made(on_cpu(folders["m2m100"]), **settings)
    for pair in some_pairs()[:3]:
        spans = np.array([(a, b) for a in range(len(pair.target)) for b in range(a + 1, len(pair.target) + 1)])
        found = table(similarity(pair, spans))
        for k, source in enumerate(pair.spans):
            one = [" ".join(pair.source[source.start : source.end])] * len(spans)
            other = [" ".join(pair.target[a:b]) for a, b in spans]
            want = theirs.score_direct(one, other, "en", "es", normalize=normalize, both_directions=both)
            got = [found.get((k, a, b), 0.0) for a, b in spans.tolist()]
            assert got == pytest.approx(np.minimum(want, 1), abs=1e-4)


# Candidates


def test_proposals():
    """Between words with evidence, and up to `extend` words beyond."""
    pair = bitext("x Ana Torres y", [(1, 3, "PER")], "1-2 2-4").pairs(("a", "b", "Ana", "c", "d", ",", "f"))[0]
    propose = lambda **settings: {key[1:] for key in table(made(beam=0, **settings)(pair))}  # noqa: E731
    assert propose(extend=0) == {(2, 3), (2, 5), (4, 5)}
    assert propose(extend=1) == {(a, b) for a in (1, 2, 3, 4) for b in (3, 4, 5) if a < b} - {(3, 4)}
    assert propose(extend=1, max_length=1) == {(2, 3), (4, 5)}
    assert (2, 7) in propose(extend=2) and (2, 6) not in propose(extend=2)  # not up to the comma
    assert table(made()(pair._replace(links=pair.links[:0]))).keys() == {(0, a, b) for a in (1, 2) for b in (3, 4)}, (
        "a form that is alike is evidence, too"
    )


def test_beam():
    pair = some_pairs()[1]
    cells = table(made(beam=3)(pair))
    assert len(cells) == 3 < len(table(made(beam=0)(pair))) and (0, 1, 3) in cells
    n = len(pair.target)
    every = np.array([(a, b) for a in range(n) for b in range(a + 1, n + 1)])
    assert (0, 1, 3) in table(made(beam=3)(pair, every)) and len(table(made(beam=3)(pair, every))) == 3
    links = table(LinkSimilarity()(pair, every))
    kept = table(made(beam=3)(pair, every))
    assert min(links[key] for key in kept) >= sorted(links.values())[-3] - 1e-9


def test_edges():
    pairs = some_pairs()
    assert table(made()(pairs[4])) == {} and table(made()(pairs[5])) == {}
    assert table(made()(pairs[0], np.zeros((0, 2), "i8"))) == {}
    empty = bitext("Ana", [(0, 1, "PER")]).pairs(())[0]
    assert table(made()(empty)) == {}
    odd = bitext(["\ud800"], [(0, 1, "X")], "0-0").pairs(("\udfff",))[0]
    scorer = Scorer()
    made(scorer)(odd, np.array([(0, 1)]))
    assert scorer.asked[0] == ("es", "en", "?", "?")


# The cache


def test_each_pair_is_scored_once():
    scorer = Scorer()
    similarity = made(scorer)
    cells = [table(similarity(pair)) for pair in some_pairs()]
    assert len(scorer.asked) == len(set(scorer.asked)) == similarity.scored
    for pair, want in zip(some_pairs(), cells):
        before = len(scorer.calls)
        assert table(similarity(pair)) == want and len(scorer.calls) == before


def test_batches_change_nothing():
    one, two = Scorer(), Scorer()
    for pair in some_pairs():
        assert table(made(one)(pair)) == table(made(two, batch_size=2)(pair))
    assert max(map(len, two.calls)) == 2 < max(map(len, one.calls))
    small = made(Scorer(), remember=0)
    for pair in some_pairs() * 2:
        assert table(small(pair)) == table(made()(pair))


def test_least_recently_used_goes_first():
    scorer = Scorer()
    similarity = made(scorer, remember=2)
    ask = lambda *words: similarity.log_probabilities([("en", "es", word, word) for word in words])  # noqa: E731
    ask("a", "b")
    ask("a")
    ask("c")  # "b" goes
    ask("a")
    assert len(scorer.asked) == 3
    ask("b")
    assert len(scorer.asked) == 4


def test_file(tmp_path):
    path = tmp_path / "new" / "scores.sqlite"
    first = [table(made(cache=str(path))(pair)) for pair in some_pairs()]
    again = Scorer()
    assert [table(made(again, cache=str(path))(pair)) for pair in some_pairs()] == first and not again.calls
    changed = Scorer(key="changed")
    assert [table(made(changed, cache=str(path))(pair)) for pair in some_pairs()] != first and changed.calls
    with sqlite3.connect(path) as connection:
        assert {row[0] for row in connection.execute("SELECT backend FROM scores")} == {"scorer", "changed"}
    assert [table(made(cache=str(path))(pair)) for pair in some_pairs()] == first


def test_a_changed_model_is_another_entry(tmp_path, folders):
    path = str(tmp_path / "scores.sqlite")
    found = []
    for name in ("nllb", "nllb", "other"):
        similarity = made(on_cpu(folders[name]), cache=path)
        found.append((table(similarity(some_pairs()[1])), similarity.scored))
    assert found[0][0] == found[1][0] != found[2][0]
    assert found[1][1] == 0 < found[0][1] == found[2][1]


def test_not_a_file_of_scores(tmp_path):
    text, other = tmp_path / "text", tmp_path / "other.sqlite"
    text.write_text("no database, but long enough to be taken for one" * 30, encoding="utf-8")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = other.read_bytes()
    for path in (text, other):
        with pytest.raises(InputError, match="Expected a file of scores made by spacy-xproj"):
            made(cache=str(path))
    assert other.read_bytes() == before
    with pytest.raises(InputError, match="cannot be made"):
        made(cache=str(tmp_path / "text" / "scores.sqlite"))(some_pairs()[0])


def fill(path, start):
    cache = ScoreCache(path)
    for i in range(start, start + 40):
        cache.put({("k", "en", "es", "a", str(i)): (-float(i), 1)})


def test_two_processes_one_file(tmp_path):
    path = str(tmp_path / "scores.sqlite")
    jobs = [multiprocessing.get_context("fork").Process(target=fill, args=(path, start)) for start in (0, 20)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0]
    keys = [("k", "en", "es", "a", str(i)) for i in range(70)]
    assert ScoreCache(path).get(keys) == {key: (-float(key[4]), 1) for key in keys[:60]}


# Only what the choice depends on


class Fixed:
    """Proposes cells with given scores."""

    def __init__(self, scores):
        self.scores = dict(sorted(scores.items()))

    def __call__(self, pair, candidates=None):
        k, a, b = np.array(list(self.scores), "i8").reshape(-1, 3).T
        return Cells(k, a, b, np.array(list(self.scores.values()), "f8"))


class Expensive:
    """A costly part with given scores, which counts."""

    def __init__(self, scores):
        self.scores, self.asked = scores, []

    def __call__(self, pair, candidates=None):
        raise AssertionError("a costly part is asked for cells")

    def score_cells(self, pair, span, start, end):
        cells = list(zip(span.tolist(), start.tolist(), end.tolist()))
        self.asked += cells
        return np.array([self.scores.get(cell, 0.0) for cell in cells])


N = 7
EIGHTHS = st.integers(0, 8).map(lambda x: x / 8)  # ties are frequent
CELL = st.tuples(st.integers(0, 3), st.integers(0, N - 1), st.integers(1, 4)).map(
    lambda x: (x[0], x[1], min(x[1] + x[2], N))
)
PROBLEM = st.dictionaries(CELL, st.tuples(EIGHTHS.filter(bool), EIGHTHS), max_size=25)
ORDERS = ("first", "shortest", "longest")


@cache
def matcher(order, stop, greedy):
    solver = make_greedy() if greedy else make_exact()
    stops = ["t3"] if stop else []
    return ProjectionMatcher(
        spacy.blank("es"), "m", None, LinkSimilarity(), solver, n_projections=1, order=order, stop_words=stops
    )


@given(PROBLEM, st.floats(0.1, 3), st.integers(1, 2), st.sampled_from(ORDERS), st.booleans(), st.booleans())
def test_the_choice_is_that_of_all_scores(problem, weight, n, order, stop, greedy):
    pair = bitext("a b c d", [(i, i + 1, "X") for i in range(4)]).pairs(tuple(f"t{j}" for j in range(N)))[0]
    costly = Expensive({key: score for key, (_, score) in problem.items()})
    parts = {"cheap": Fixed({key: score for key, (score, _) in problem.items()}), "costly": costly}
    fused = Fused(parts, {"cheap": 1.0, "costly": weight})
    pipe = matcher(order, stop, greedy)
    every = pipe.prune(fused(pair), pair.target)
    assert sorted(costly.asked) == sorted(problem)
    want = pipe.solver(every, n).chosen
    costly.asked.clear()
    opened = fused.open(pair)
    assert not costly.asked
    cells, solution = choose(fused, pair, pipe.prune(opened, pair.target), pipe.solver, n)
    assert len(costly.asked) == len(set(costly.asked))
    row = lambda cells, i: tuple(x[i].item() for x in cells[:4])  # noqa: E731
    assert [row(cells, i) for i in solution.chosen] == [row(every, i) for i in want]
    assert len(costly.asked) == np.count_nonzero(~cells.open)


def test_what_cannot_win_is_not_asked_for():
    cheap = {(0, 0, 1): 0.9, (0, 1, 2): 0.4, (0, 2, 3): 0.1, (1, 4, 5): 0.5}
    costly = Expensive({(0, 0, 1): 0.7, (0, 1, 2): 1.0, (0, 2, 3): 1.0, (1, 4, 5): 0.0})
    fused = Fused({"cheap": Fixed(cheap), "costly": costly}, {"cheap": 1.0, "costly": 0.5}, normalize=False)
    pair = bitext("a b", [(0, 1, "X"), (1, 2, "X")]).pairs(tuple("tuvwx"))[0]
    assert isinstance(fused, Lazy)
    cells, solution = choose(fused, pair, fused.open(pair), make_exact())
    assert costly.asked == [(0, 0, 1), (1, 4, 5)]  # .4 + .5 and .1 + .5 are less than .9 + .35
    assert cells.score[solution.chosen].tolist() == pytest.approx([1.25, 0.5])
    assert cells.open.tolist() == [False, True, True, False]


def test_costly_parts_alone_propose():
    pair = some_pairs()[1]
    fused = Fused({"nmt": made()}, {"nmt": 2.0})
    assert table(fused(pair)) == table(made()(pair)) and fused.open(pair).open is None


def test_fused_with_links():
    for pair in some_pairs():
        links, nmt = LinkSimilarity(), made(threshold=0.1)
        fused = Fused({"links": links, "nmt": nmt}, {"links": 1.0, "nmt": 1.0}, normalize=False)
        found = table(fused(pair))
        assert found.keys() == table(links(pair)).keys(), "the links propose"
        for key, score in found.items():
            k, a, b = (np.array([x]) for x in key)
            assert score == table(links(pair))[key] + nmt.score_cells(pair, k, a, b)[0]


# Errors


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"threshold": 1.5}, "threshold must be from 0 to 1, not 1.5"),
        ({"exponent": 0.0}, "exponent must be above 0"),
        ({"max_length": 0}, "max_length must be at least 1, not 0"),
        ({"extend": -1}, "extend must be at least 0"),
        ({"beam": -1}, "beam must be at least 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"remember": -1}, "remember must be at least 0"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(XprojError, match=rf"Translation\.v1: {message}"):
        made(**settings)


def test_what_is_missing(folders, tmp_path):
    pair = some_pairs()[0]
    with pytest.raises(XprojError, match="has no translator"):
        TranslationSimilarity()(pair)
    with pytest.raises(XprojError, match="set 'source_lang' to a language code"):
        TranslationSimilarity(Scorer())(pair)
    with pytest.raises(XprojError, match="set 'target_lang'"):
        TranslationSimilarity(Scorer(), "en")(pair)
    with pytest.raises(XprojError, match=r"score\(sources.*Transformers.v1.*but Memory has none.*memory in front"):
        TranslationSimilarity(Memory(), "en", "es")
    with pytest.raises(XprojError, match="has no model"):
        made(TransformersTranslator())(pair)
    with pytest.raises(XprojError, match="xyz"):
        TranslationSimilarity(on_cpu(folders["nllb"]), "en", "xyz")(pair)
    with pytest.raises(XprojError, match="en"):  # OPUS-MT has one direction only
        made(on_cpu(tiny_marian(tmp_path / "marian")))(pair)


def test_a_translator_that_loses_scores():
    scorer = Scorer()
    scorer.score = lambda *args: [(-1.0, 1)]
    with pytest.raises(XprojError, match="gave 1 scores of"):
        made(scorer)(some_pairs()[0])


# In pipelines


def settings_of(folder, **more):
    translator = {"@xproj_translators": "spacy_xproj.Transformers.v1", "model": str(folder), "device": "cpu"}
    return {
        "@xproj_similarities": NAME,
        "translator": translator,
        "source_lang": "en",
        "target_lang": "es",
        "exponent": 0.3,
        **more,
    }


def docs_of(nlp):
    return [payload_doc(nlp, target, source, spans, links) for source, spans, links, target in ROWS]


def fused_settings(folder):
    return {
        "@xproj_similarities": "spacy_xproj.Fused.v1",
        "similarities": {"links": {"@xproj_similarities": "spacy_xproj.Links.v1"}, "nmt": settings_of(folder)},
        "weights": {"links": 0.5, "nmt": 0.5},
    }


@pytest.mark.parametrize("fused", [True, False])
def test_saved_with_its_model(tmp_path, fused):
    folder = tiny_nllb(tmp_path / "model")
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": (fused_settings if fused else settings_of)(folder)})
    want = [state(nlp(doc)) for doc in docs_of(nlp)]
    assert ents(nlp(docs_of(nlp)[0]))
    nlp.to_disk(tmp_path / "saved")
    folder.rename(tmp_path / "gone")
    assert str(folder) not in (tmp_path / "saved" / "config.cfg").read_text(encoding="utf-8")
    again = spacy.load(tmp_path / "saved")
    assert [state(doc) for doc in again.pipe(docs_of(again))] == want
    with pytest.raises(XprojError, match="too large for bytes"):
        nlp.to_bytes()


def test_nothing_to_save(tmp_path):
    for similarity in (TranslationSimilarity(), made()):
        similarity.to_disk(tmp_path / "state")
        assert similarity.from_disk(tmp_path / "state") is similarity
        assert similarity.from_bytes(similarity.to_bytes()) is similarity


def test_processes(folders, tmp_path):
    nlp = spacy.blank("es")
    similarity = settings_of(folders["nllb"], cache=str(tmp_path / "scores.sqlite"))
    nlp.add_pipe("xproj_matcher", config={"similarity": similarity})
    two = [state(doc) for doc in nlp.pipe(docs_of(nlp), n_process=2, batch_size=2)]
    assert [state(doc) for doc in nlp.pipe(docs_of(nlp))] == two
    assert nlp.get_pipe("xproj_matcher").similarity.scored == 0, "the workers kept what they scored"


def test_a_failing_doc_goes_alone(folders):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": settings_of(folders["nllb"])})
    similarity = nlp.get_pipe("xproj_matcher").similarity
    score = similarity.translator.score

    def failing(sources, *rest):
        if any("Comisión" in source for source in sources):
            raise RuntimeError("told to fail")
        return score(sources, *rest)

    similarity.translator.score = failing
    failed = []
    nlp.set_error_handler(lambda name, pipe, docs, err: failed.extend(doc.text for doc in docs))
    assert len(list(nlp.pipe(docs_of(nlp)))) == 4 and len(failed) == 2


# The configs


def test_project_nmt(folders, tmp_path):
    empty = load_pipeline(CONFIGS / "project_nmt.cfg", "es")
    assert empty.pipe_names == ["xproj_aligner", "xproj_matcher"]
    with pytest.raises(XprojError, match="has no model"):
        empty.get_pipe("xproj_matcher")(docs_of(empty)[0])
    paths = {"paths.nmt": str(folders["nllb"]), "paths.scores": str(tmp_path / "scores.sqlite")}
    nlp = load_pipeline(CONFIGS / "project_nmt.cfg", "es", paths)
    similarity = nlp.get_pipe("xproj_matcher").similarity
    assert (similarity.source_lang, similarity.target_lang) == ("en", "es")
    found = [state(nlp.get_pipe("xproj_matcher")(doc)) for doc in docs_of(nlp)]
    assert similarity.scored and (tmp_path / "scores.sqlite").exists()
    nlp.remove_pipe("xproj_aligner")
    nlp.to_disk(tmp_path / "saved")
    again = spacy.load(tmp_path / "saved")
    assert again.get_pipe("xproj_matcher").similarity.cache.path == ""
    assert [state(again(doc)) for doc in docs_of(again)] == found


def test_project_fusion(folders, tmp_path):
    ner = spacy.blank("es")
    ner.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "Roma"}])
    ner.to_disk(tmp_path / "ner")
    paths = {"paths.nmt": str(folders["nllb"]), "paths.ner": str(tmp_path / "ner")}
    nlp = load_pipeline(CONFIGS / "project_fusion.cfg", "es", paths)
    pipe = nlp.get_pipe("xproj_matcher")
    assert pipe.similarity.weights == {"align": 0.25, "ner_spans": 0.25, "nmt": 0.5}
    doc = pipe(docs_of(nlp)[0])
    assert (3, 4, "LOC") in ents(doc)
    pair = some_pairs()[0]
    opened = pipe.similarity.open(pair)
    assert table(opened)[1, 3, 4] == 0.25 + 0.25, "what the links and the entities say"
    bound = table(opened._replace(score=opened.worth))
    assert bound[1, 3, 4] == 0.25 + 0.25 + 0.5, "a link, an entity, and whatever the model says"
