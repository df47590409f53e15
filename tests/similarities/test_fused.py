from functools import cache

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.errors import InputError, NotFittedError, XprojError
from spacy_xproj.fitting import fit, unfitted
from spacy_xproj.registry import registry
from spacy_xproj.runs.pipelines import load_pipeline
from spacy_xproj.similarities.fused import Fused
from spacy_xproj.similarities.labels import Labels
from spacy_xproj.similarities.lexicon import Lexicon
from spacy_xproj.similarities.links import LinkSimilarity
from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.similarities.surface import SurfaceSimilarity
from spacy_xproj.ty import Cells, Similarity
from tests.conftest import CONFIGS, bitext, ents, payload_doc, state

ROWS = [
    ("Ana lives in Rome", [(0, 1, "PER"), (3, 4, "LOC")], "0-0 1-1 2-2 3-3", "Ana vive en Roma"),
    ("the European Commission met", [(1, 3, "ORG")], "0-0 1-2 2-1 3-4", "la Comisión Europea se reunió"),
    ("Ana met the Commission", [(0, 1, "PER"), (3, 4, "ORG")], "0-1 3-4", "a Ana vio la Comisión"),
    ("Rome and Rome", [(0, 1, "LOC"), (2, 3, "LOC"), (0, 3, "X")], "0-0 1-1 2-0", "Roma y Roma , dijo"),
    ("Rome fell", [(0, 1, "LOC")], "", "cayó ROMA"),
    ("nothing here", [], "0-0", "nada aquí"),
    ("lost", [(0, 1, "X")], "", "perdido"),
]
PARTS = {part: {"@xproj_similarities": f"spacy_xproj.{part.title()}.v1"} for part in ("links", "surface", "lexicon")}
SETTINGS = {
    "@xproj_similarities": "spacy_xproj.Fused.v1",
    "similarities": PARTS,
    "weights": {"links": 0.5, "surface": 0.1, "lexicon": 0.2},
}


def some_pairs():
    return [bitext(s, spans, links).pairs(tuple(t.split()))[0] for s, spans, links, t in ROWS]


def parts():
    """One of each, those that learn fitted."""
    found = {
        "links": LinkSimilarity(),
        "surface": SurfaceSimilarity(threshold=0),
        "lexicon": Lexicon(),
        "r": Ranker(),
    }
    for name in ("lexicon", "r"):
        found[name].fit(some_pairs())
    return found


def table(cells):
    keys = list(zip(cells.span.tolist(), cells.start.tolist(), cells.end.tolist()))
    assert keys == sorted(set(keys))
    return dict(zip(keys, cells.score.tolist()))


def cells_of(scores):
    k, a, b = np.array(list(scores), "i8").reshape(-1, 3).T
    return Cells(k, a, b, np.array(list(scores.values()), "f8"))


class Fixed:
    """Proposes some cells, and knows the scores of more."""

    def __init__(self, proposed, more=(), weighed=False):
        self.proposed, self.more, self.weighed = dict(proposed), dict(more), weighed

    def __call__(self, pair, candidates=None):
        found = self.proposed
        if candidates is not None:
            wanted = set(map(tuple, candidates.tolist()))
            found = {key: s for key, s in {**self.proposed, **self.more}.items() if key[1:] in wanted}
        cells = cells_of(dict(sorted(found.items())))
        return cells._replace(objective=100 * cells.score) if self.weighed else cells


def test_sum_of_two():
    pair = some_pairs()[0]
    one = Fixed({(0, 0, 1): 0.5, (1, 2, 4): 1.0}, {(1, 3, 4): 0.25, (0, 3, 4): 0.7})
    two = Fixed({(1, 3, 4): 0.8}, {(0, 0, 1): 0.1, (0, 2, 4): 0.3}, weighed=True)
    fused = Fused({"one": one, "two": two}, {"one": 2.0, "two": 1.0}, normalize=False)
    # the cells that one of them proposes, with what both know of them; a probability, not what is maximized
    want = {(0, 0, 1): 1.1, (1, 2, 4): 2.0, (1, 3, 4): 1.3}
    assert table(fused(pair)) == pytest.approx(want) and fused(pair).objective is None
    shares = Fused({"two": two, "one": one}, {"one": 2.0, "two": 1.0})
    assert table(shares(pair)) == pytest.approx({key: score / 3 for key, score in want.items()})
    given_ = np.array([(0, 1), (3, 4)])
    assert table(fused(pair, given_)) == pytest.approx({(0, 0, 1): 1.1, (0, 3, 4): 1.4, (1, 3, 4): 1.3})


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("name", ["links", "surface", "lexicon", "r"])
def test_one_part_alone(name, normalize):
    made = parts()
    fused = Fused(made, {part: float(part == name) for part in made}, normalize)
    for pair in some_pairs():
        n = len(pair.target)
        for candidates in (None, np.array([(a, b) for a in range(n) for b in range(a + 1, n + 1)])):
            alone = made[name](pair, candidates)
            found = fused(pair, candidates)
            assert all(np.array_equal(x, y) for x, y in zip(found, alone[:4]))


@given(st.tuples(*[st.floats(0, 2)] * 4).filter(any), st.integers(0, len(ROWS) - 1))
def test_against_the_definition(weights, row):
    made, pair = parts_once(), some_pairs()[row]
    fused = Fused(made, dict(zip(made, weights)), normalize=False)
    used = {name: w for name, w in zip(made, weights) if w}
    proposed = {name: table(made[name](pair)) for name in used}
    spans = {key[1:] for name in used for key in proposed[name]}
    scored = {name: table(made[name](pair, np.array(sorted(spans)).reshape(-1, 2))) for name in used}
    want = {
        key: sum(w * proposed[name].get(key, scored[name].get(key, 0.0)) for name, w in used.items())
        for key in {key for name in used for key in proposed[name]}
    }
    assert table(fused(pair)) == pytest.approx({key: score for key, score in want.items() if score > 0})


parts_once = cache(parts)


def test_in_any_order():
    made, weights = parts(), {"links": 0.3, "surface": 0.7, "lexicon": 0.1, "r": 0.123}
    one = Fused(made, weights)
    two = Fused(dict(reversed(made.items())), dict(reversed(weights.items())))
    for pair in some_pairs():
        assert table(one(pair)) == table(two(pair))


def test_fittable_only_if_a_part_is():
    assert registry.xproj_similarities.get("spacy_xproj.Fused.v1") is Fused
    plain = Fused({"links": LinkSimilarity(), "labels": Labels("x")}, {"links": 1.0, "labels": 1.0})
    assert isinstance(plain, Similarity) and not plain.fittable
    learner = Fused({"links": LinkSimilarity(), "lexicon": Lexicon()}, {"links": 1.0, "lexicon": 1.0})
    assert learner.fittable and not learner.fitted
    with pytest.raises(NotFittedError, match=r"Lexicon.v1"):
        learner(some_pairs()[0])
    learner.fit(iter(some_pairs()))
    assert learner.fitted and len(learner(some_pairs()[0]).span)


def test_all_that_learn_are_fitted_and_saved(tmp_path):
    made = {"links": LinkSimilarity(), "lexicon": Lexicon(), "ranker": Ranker()}
    weights = {"links": 0.2, "lexicon": 0.3, "ranker": 0.5}
    fused = Fused(made, weights)
    fused.fit(iter(some_pairs()))
    assert made["lexicon"].fitted and made["ranker"].fitted
    fresh = lambda: Fused(  # noqa: E731
        {"links": LinkSimilarity(), "lexicon": Lexicon(), "ranker": Ranker()}, weights
    )
    again = fresh().from_bytes(fused.to_bytes())
    fused.to_disk(tmp_path / "state")
    third = fresh().from_disk(tmp_path / "state")
    assert again.to_bytes() == third.to_bytes() == fused.to_bytes() != fresh().to_bytes()
    for pair in some_pairs():
        assert table(fused(pair)) == table(again(pair)) == table(third(pair))
    (tmp_path / "state" / "ranker").unlink()
    with pytest.raises(InputError, match="state of its part 'ranker' is missing"):
        fresh().from_disk(tmp_path / "state")
    other = Fused({"links": LinkSimilarity(), "lex": Lexicon()}, {"links": 0.2, "lex": 0.3})
    with pytest.raises(XprojError, match="parts 'lexicon', 'ranker' instead of 'lex'"):
        other.from_bytes(fused.to_bytes())
    with pytest.raises(XprojError, match=r"Fused.v1"):
        other.from_bytes(b"rubbish")


def test_a_part_that_does_not_learn_is_saved_too(tmp_path):
    model = spacy.blank("es")
    model.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Roma"}])
    model.to_disk(tmp_path / "model")
    labels = {"@xproj_similarities": "spacy_xproj.Labels.v1", "model": str(tmp_path / "model")}
    settings = {**SETTINGS, "similarities": {"links": PARTS["links"], "labels": labels}}
    settings["weights"] = {"links": 0.5, "labels": 0.5}
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": settings})
    assert unfitted(nlp) == []
    nlp.to_disk(tmp_path / "whole")
    (tmp_path / "model").rename(tmp_path / "gone")
    again = spacy.load(tmp_path / "whole")
    doc = again(payload_doc(again, "vive en Roma ya", "lives in Rome", [(2, 3, "LOC")], "2-1 2-2"))
    assert ents(doc) == [(2, 3, "LOC")]  # the links alone take both words


@pytest.mark.parametrize(
    "names, weights, message",
    [
        (["a", "b"], {"a": 1.0, "c": 1.0}, r"the parts \(a, b\), not a, c"),
        (["a"], {}, r"the parts \(a\), not none"),
        (None, {"links": 1.0}, r"the parts \(lexicon, links, surface\), not links"),
        ([], {}, "at least one weight"),
        (["a", "b"], {"a": 0.0, "b": 0.0}, "at least one weight"),
        (["a", "b"], {"a": 1.0, "b": -1.0}, "weight of 'b' must be at least 0, not -1.0"),
        (["a"], {"a": float("nan")}, "weight of 'a' must be at least 0, not nan"),
        (["a/b"], {"a/b": 1.0}, "not 'a/b'"),
    ],
)
def test_bad_settings(names, weights, message):
    with pytest.raises(XprojError, match=message):
        Fused(None if names is None else {name: LinkSimilarity() for name in names}, weights)


def test_parts_are_similarities():
    with pytest.raises(XprojError, match="'a' must be of the kind Similarity, not 'Links'"):
        Fused({"a": "Links"}, {"a": 1.0})


def test_defaults():
    default = Fused()
    explicit = Fused(
        {"links": LinkSimilarity(), "surface": SurfaceSimilarity(threshold=0.8), "lexicon": Lexicon()},
        SETTINGS["weights"],
    )
    equal = Fused({"a": LinkSimilarity(), "b": SurfaceSimilarity()})
    assert equal.weights == {"a": 0.5, "b": 0.5}
    for fused in (default, explicit):
        fused.fit(some_pairs())
    assert default.weights == explicit.weights
    for pair in some_pairs():
        assert table(default(pair)) == table(explicit(pair))


def test_the_config_has_the_defaults():
    similarity = load_pipeline(CONFIGS / "project_fused.cfg", "es").get_pipe("xproj_matcher").similarity
    default = Fused()
    assert similarity.weights == default.weights
    for name, part in default.similarities.items():
        plain = lambda p: {k: v for k, v in vars(p).items() if k != "base"}  # noqa: E731
        assert plain(similarity.similarities[name]) == plain(part)


# In pipelines


def docs_of(nlp):
    return [payload_doc(nlp, target, source, spans, links) for source, spans, links, target in ROWS]


def made():
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": SETTINGS})
    return nlp


def test_in_the_matcher(tmp_path):
    nlp = made()
    assert unfitted(nlp) == ["xproj_matcher"]
    assert fit(nlp, docs_of(nlp)) == ["xproj_matcher"] and unfitted(nlp) == []
    nlp.to_disk(tmp_path / "model")
    again, third = spacy.load(tmp_path / "model"), made().from_bytes(nlp.to_bytes())
    for pipeline in (nlp, again, third):
        assert unfitted(pipeline) == []
        docs = list(pipeline.pipe(docs_of(pipeline)))
        assert ents(docs[0]) == [(0, 1, "PER"), (3, 4, "LOC")]
        assert ents(docs[1]) == [(1, 3, "ORG")]
        assert ents(docs[4]) == [(1, 2, "LOC")]  # no link, but a form that is alike and known
        assert [state(doc) for doc in docs] == [state(nlp(doc)) for doc in docs_of(nlp)]


def test_processes():
    nlp = made()
    fit(nlp, docs_of(nlp))
    one, two = nlp.pipe(docs_of(nlp)), nlp.pipe(docs_of(nlp), n_process=2, batch_size=2)
    assert [state(doc) for doc in one] == [state(doc) for doc in two]


def test_a_suggester_and_a_fused_score():
    nlp = spacy.blank("es")
    ngrams = {"@misc": "spacy.ngram_range_suggester.v1", "min_size": 1, "max_size": 3}
    nlp.add_pipe("xproj_matcher", config={"similarity": SETTINGS, "suggester": ngrams})
    fit(nlp, docs_of(nlp))
    assert ents(nlp(docs_of(nlp)[1])) == [(1, 3, "ORG")]


def test_only_parts_that_want_to_are_told_what_comes():
    class Told:
        def __init__(self):
            self.pairs = []

        def prepare(self, pairs):
            self.pairs += pairs

        def __call__(self, pair, candidates=None):
            none = np.zeros(0, "i8")
            return Cells(none, none, none, np.zeros(0))

    inner, plain = Told(), Ranker()
    ranker = Ranker(evidence={"inner": inner})
    fused = Fused({"plain": plain, "ranker": ranker, "links": LinkSimilarity()}, {"plain": 1, "ranker": 1, "links": 1})
    pair = bitext("Ana sings", [(0, 1, "PER")], "0-0").pairs(("Ana", "canta"))[0]
    fused.prepare(iter([pair]))
    assert inner.pairs == [pair]
