"""Further evidence of the learned matcher, and the views of links."""

import json
import warnings

import numpy as np
import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import Span
from thinc.api import Adam

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.fitting import fit, unfitted
from spacy_xproj.runs.pipelines import load_pipeline
from spacy_xproj.similarities.lexicon import Lexicon
from spacy_xproj.similarities.links import LinkSimilarity
from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.similarities.ranker.evidence import LIKELY, likeliest
from spacy_xproj.similarities.ranker.names import FEATURES, STAGES, with_parts
from spacy_xproj.similarities.ranker.weights import bounds, read_weights, write_weights
from spacy_xproj.similarities.surface import SurfaceSimilarity
from spacy_xproj.ty import Cells, GoldPair
from tests.conftest import CONFIGS, bitext, ents, payload_doc

ROWS = [
    ("Ana lives in Rome", [(0, 1, "PER"), (3, 4, "LOC")], "0-0 1-1 2-2 3-3", "Ana vive en Roma"),
    ("the European Commission met", [(1, 3, "ORG")], "0-0 1-2 2-1 3-4", "la Comisión Europea se reunió"),
    ("Ana met the Commission", [(0, 1, "PER"), (3, 4, "ORG")], "0-1 3-4", "a Ana vio la Comisión"),
    ("lost", [(0, 1, "X")], "", "perdido del todo"),
]


def pairs():
    return [bitext(s, spans, links).pairs(tuple(t.split()))[0] for s, spans, links, t in ROWS]


class Oracle:
    """Scores one span of a sentence, given by its words, for every source span; and takes note of what it is asked."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def score_of(self, pair, a, b):
        return self.answers.get("_".join(pair.target[a:b]), 0.0)

    def __call__(self, pair, candidates=None):
        self.asked.append(len(candidates))
        rows = [
            (k, a, b, score)
            for k in range(len(pair.spans))
            for a, b in np.unique(candidates, axis=0).tolist()
            if (score := self.score_of(pair, a, b))
        ]
        k, a, b, score = np.array(rows or np.zeros((0, 4)), float).reshape(-1, 4).T
        return Cells(k.astype("i8"), a.astype("i8"), b.astype("i8"), score)


class CostlyOracle(Oracle):
    def __call__(self, pair, candidates=None):
        raise AssertionError("a costly part is asked for cells")

    def score_cells(self, pair, span, start, end):
        self.asked.append(np.bincount(span).max())
        return np.array([self.score_of(pair, a, b) for a, b in zip(start.tolist(), end.tolist())])


def columns(ranker, found, part):
    cells = list(zip(*(x.tolist() for x in found.cells)))
    rows, null = ranker.rows(found)
    score, gap = (dict(zip(cells, rows[:, ranker.place[name]].tolist())) for name in (part, f"{part}_gap"))
    return score, gap, null[:, ranker.place[f"null_{part}"]].tolist()


def plain(cells):
    return [x.tolist() for x in (*cells[:4], cells.worth)]


def weighty(*parts, **values):
    """The shipped weights, with some more of each part."""
    weights = {stage: np.pad(w, (0, 3 * len(parts))) for stage, w in read_weights().items()}
    names = with_parts(parts)
    for w in weights.values():
        for name, value in values.items():
            w[names.index(name)] = value
    return weights


@pytest.mark.parametrize("made", [Oracle, CostlyOracle])
def test_features_of_a_part(made):
    ranker = Ranker(evidence={"said": made(Roma=0.8, en_Roma=0.2)})
    found = ranker.score(pairs()[0])
    rows, null_rows = ranker.rows(found)
    assert rows.shape[1] == null_rows.shape[1] == len(FEATURES) + 3
    score, gap, null = columns(ranker, found, "said")
    assert score[1, 3, 4] == 0.8 and gap[1, 3, 4] == 0.0
    assert gap[1, 2, 4] == pytest.approx(score[1, 2, 4] - 0.8) and score[1, 2, 4] in (0.2, 0.0)
    assert null == pytest.approx([1.0, 0.2])
    assert not rows[:, -1].any() and not null_rows[:, len(FEATURES) : -1].any()


def test_a_part_that_says_nothing_of_a_sentence_pair_is_as_if_missing():
    ranker = Ranker(evidence={"said": Oracle(Roma=0.8)})
    assert not any(rows[:, len(FEATURES) :].any() for rows in ranker.rows(ranker.score(pairs()[1])))


def test_without_weights_it_changes_nothing_and_says_so_once():
    one, other = Ranker(evidence={"said": Oracle(Roma=0.8)}), Ranker()
    with pytest.warns(UserWarning, match=r"no weights for its evidence 'said'.*spacy train"):
        cells = one(pairs()[0])
    assert plain(cells) == plain(other(pairs()[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plain(one(pairs()[2])) == plain(other(pairs()[2]))
        other(pairs()[0])


def test_without_evidence_the_bytes_stay():
    assert Ranker(evidence={}).to_bytes() == Ranker().to_bytes()


def test_weights_count():
    ranker = Ranker(evidence={"said": Oracle(Ana=0.0, en_Roma=1.0)})
    ranker.start_from(weighty("said", said=20.0, said_gap=5.0))
    cells = ranker(pairs()[0])
    best = int(np.argmax(np.where(cells.span == 1, cells.score, 0)))
    assert (cells.start[best], cells.end[best]) == (2, 4)


def test_a_costly_part_is_asked_for_the_likeliest_cells_only():
    part = CostlyOracle(Comisión=0.5)
    found = Ranker(evidence={"said": part}).score(
        bitext("the Commission of the Union met again today", [(1, 5, "ORG")], "0-0 1-1 2-2 3-3 4-4 5-5 6-6").pairs(
            ("la", "Comisión", "de", "la", "Unión", "se", "reunió", "otra", "vez", "hoy", ".")
        )[0]
    )
    assert part.asked == [LIKELY] and len(found.cells.span) > LIKELY


def test_likeliest():
    worth, span = np.arange(12.0) % 10, np.array([0] * 11 + [2])
    assert likeliest(worth, span).tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert likeliest(np.zeros(10), np.zeros(10, "i8")).tolist() == list(range(LIKELY))


def test_several_parts_in_the_order_of_their_names():
    assert with_parts(["b", "a"])[len(FEATURES) :] == ("a", "a_gap", "null_a", "b", "b_gap", "null_b")
    ranker = Ranker(evidence={"b": Oracle(Roma=0.25), "a": Oracle(Roma=0.75)})
    rows = ranker.rows(ranker.score(pairs()[0]))[0]
    assert rows[:, len(FEATURES)].max() == 0.75 and rows[:, len(FEATURES) + 3].max() == 0.25


@pytest.mark.parametrize(
    "evidence", [{"dice": Oracle()}, {"a": Oracle(), "a_gap": Oracle()}, {"a b": Oracle()}, {"a": 1}]
)
def test_bad_evidence(evidence):
    with pytest.raises(XprojError, match="evidence"):
        Ranker(evidence=evidence)


def test_parts_that_learn_are_fitted_with_it():
    ranker = Ranker(evidence={"lexicon": Lexicon()})
    assert not ranker.fitted
    ranker.score(pairs()[0])  # which it says nothing of yet
    ranker.fit(pairs() * 2)
    assert ranker.fitted and ranker.evidence.parts["lexicon"].fitted
    other = pairs()[0]._replace(target=("Ana", "vive", "hoy", "en", "Roma"))
    assert ranker.rows(ranker.score(other))[0][:, len(FEATURES)].any()


def test_parts_are_told_what_comes():
    told = []
    part = Oracle(Roma=0.5)
    Ranker(evidence={"said": part}).prepare(pairs())  # a part need not have the method
    part.prepare = told.append
    ranker = Ranker(evidence={"said": part})
    ranker.prepare(iter(pairs()[:2]))
    assert [len(each) for each in told] == [2]


# Training


def gold_examples(n=30):
    """Gold takes in a word that nothing but the evidence tells of."""
    out = []
    for k in range(n):
        pair = bitext(f"saw Casa{k} fall", [(1, 2, "LOC")], "1-2").pairs(("vi", "la", f"Casa{k}", "ayer", "caer"))[0]
        out.append(GoldPair(pair, frozenset({(2, 4, "LOC")})))
    return out


class Knows(Oracle):
    """Gold, or what gold is not."""

    def __init__(self, right):
        super().__init__()
        self.right = right

    def score_of(self, pair, a, b):
        return float(((a, b) == (2, 4)) == self.right)


def trained(part, steps=40):
    ranker, examples = Ranker(prior=1.0, evidence={"said": part}), gold_examples()
    ranker.begin([example.pair for example in examples])
    sgd = Adam(0.05, use_averages=False)
    losses = []
    for _ in range(steps):
        losses.append(ranker.gradient(examples[:8]))
        ranker.model.finish_update(sgd)
    return ranker, losses


def test_learns_what_evidence_is_worth_and_keeps_it():
    ranker, losses = trained(Knows(True))
    assert losses[-1] < losses[0] / 2
    said, gap, _ = ranker.weight("alone")[len(FEATURES) :]
    assert said > 0.2 and gap > 0.2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ranker(gold_examples()[9].pair)
        again = Ranker(evidence={"said": Knows(True)}).from_bytes(ranker.to_bytes())
        again(gold_examples()[9].pair)
    assert again.to_bytes() == ranker.to_bytes()


def test_evidence_never_speaks_against():
    ranker, _ = trained(Knows(False))
    weights = ranker.weight("alone")
    assert weights[len(FEATURES)] == weights[len(FEATURES) + 1] == 0.0
    low, _ = bounds(["said"])
    assert low[len(FEATURES) :].tolist() == [0.0, 0.0, -np.inf]


def test_it_can_learn_again_after_the_bound():
    ranker, _ = trained(Knows(False), steps=15)
    ranker.evidence.parts["said"].right = True
    sgd = Adam(0.05, use_averages=False)
    for _ in range(40):
        ranker.gradient(gold_examples()[:8])
        ranker.model.finish_update(sgd)
    assert ranker.weight("alone")[len(FEATURES)] > 0.1


# Saving


def test_weights_in_a_file_go_by_name(tmp_path):
    path = tmp_path / "w.json"
    write_weights(path, weighty("b", "c", b=1.0, c_gap=2.0), {}, ["b", "c"])
    found = read_weights(str(path), ["c", "d"])
    assert found["alone"][len(FEATURES) :].tolist() == [0.0, 2.0, 0.0, 0.0, 0.0, 0.0]
    assert read_weights(str(path))["pairs"].shape == (len(FEATURES),)
    data = json.loads(path.read_text())
    data["evidence"] = ["b"]
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="c_gap"):
        read_weights(str(path), ["b"])


def test_weights_in_bytes_go_by_name():
    one = Ranker(evidence={"b": Oracle(), "c": Oracle()})
    one.start_from(weighty("b", "c", b=1.0, c_gap=2.0))
    one.fit(pairs())
    other = Ranker(evidence={"c": Oracle(), "d": Oracle()}).from_bytes(one.to_bytes())
    for weights in (other.weight("pairs"), other.voter):
        assert weights[len(FEATURES) :].tolist() == [0.0, 2.0, 0.0, 0.0, 0.0, 0.0]
    assert Ranker().from_bytes(one.to_bytes()).weight("pairs").tolist() == Ranker().weight("pairs").tolist()


def made():
    return Ranker(evidence={"lexicon": Lexicon(), "alike": SurfaceSimilarity()})


def test_states_of_the_parts_are_saved(tmp_path):
    ranker = made()
    ranker.start_from(weighty("alike", "lexicon", lexicon=1.0, alike_gap=2.0))
    ranker.fit(pairs())
    ranker.to_disk(tmp_path / "state")
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"state.msgpack", "lexicon"}
    for again in (made().from_bytes(ranker.to_bytes()), made().from_disk(tmp_path / "state")):
        assert again.fitted and again.to_bytes() == ranker.to_bytes()
        assert [plain(again(p)) for p in pairs()] == [plain(ranker(p)) for p in pairs()]
    without = Ranker().from_disk(tmp_path / "state")
    assert without.fitted and len(without.weight("pairs")) == len(FEATURES)


def test_a_state_that_is_missing(tmp_path):
    plain_one = Ranker()
    plain_one.to_disk(tmp_path / "plain")
    with pytest.raises(InputError, match="'lexicon'"):
        made().from_disk(tmp_path / "plain")
    made().to_disk(tmp_path / "state")
    (tmp_path / "state" / "lexicon").unlink()
    with pytest.raises(InputError, match="'lexicon'"):
        made().from_disk(tmp_path / "state")
    (tmp_path / "state" / "state.msgpack").unlink()
    with pytest.raises(InputError):
        made().from_disk(tmp_path / "state")


# In a pipeline


def test_config_and_training(tmp_path):
    nlp = load_pipeline(CONFIGS / "project_evidence.cfg", "es")
    docs, gold = [], []
    for k in range(8):
        doc = payload_doc(nlp, f"vi la Casa{k} caer", f"saw Casa{k} fall", [(1, 2, "LOC")])
        doc.set_ents([Span(doc, 1, 3, label="LOC")], default="outside")
        gold.append(doc)
        docs.append(payload_doc(nlp, f"vi la Casa{k} caer", f"saw Casa{k} fall", [(1, 2, "LOC")]))
    path = tmp_path / "gold.spacy"
    spacy.tokens.DocBin(docs=gold, store_user_data=True).to_disk(path)
    overrides = {"nlp.lang": "es", "paths.train": str(path), "paths.dev": str(path), "training.max_steps": 12}
    overrides |= {"training.optimizer.learn_rate": 0.1, "training.eval_frequency": 6}
    train(CONFIGS / "project_evidence.cfg", tmp_path / "out", overrides=overrides)
    trained = spacy.load(tmp_path / "out" / "model-last")
    ranker = trained.get_pipe("xproj_matcher").similarity
    idle = ranker.evidence.without_weights(ranker.weights.values())
    assert not {"forward", "reverse"}.intersection(idle) and not unfitted(
        trained
    )  # the others have nothing to say here
    with pytest.warns(UserWarning, match="no weights for its evidence 'lexicon', 'surface'"):
        assert all(ents(doc) == [(1, 3, "LOC")] for doc in trained.pipe(docs))
    with pytest.warns(UserWarning, match="no weights for its evidence"):
        fit(nlp, docs)
        assert ents(nlp(docs[0]))


# Views of links


def viewed(**evidence):
    pair = pairs()[1]
    return pair._replace(evidence={name: np.array(values, "f4") for name, values in evidence.items()})


def table(cells):
    return dict(zip(zip(cells.span.tolist(), cells.start.tolist(), cells.end.tolist()), cells.score.tolist()))


@pytest.mark.parametrize("count", ["words", "pairs"])
def test_a_view_of_ones_is_all_links(count):
    pair = viewed(all=np.ones(4))
    for candidates in (None, np.array([[0, 2], [1, 3], [1, 2], [0, 5]])):
        plain_links = LinkSimilarity(count)(pair, candidates)
        assert plain(LinkSimilarity(count, view="all")(pair, candidates)) == plain(plain_links)


def test_links_count_what_their_view_says():
    pair = viewed(forward=[1.0, 0.5, 0.25, 1.0])  # European-Europea, Commission-Comisión
    found = table(LinkSimilarity(view="forward")(pair))
    assert found == pytest.approx({(0, 1, 2): 0.5 / 3, (0, 1, 3): 1.5 / 4, (0, 2, 3): 1.0 / 3})
    assert table(LinkSimilarity(view="forward")(pair, np.array([[1, 3], [3, 4]]))) == pytest.approx(
        {(0, 1, 3): 1.5 / 4}
    )
    assert table(LinkSimilarity("pairs", view="forward")(pair))[0, 1, 3] == pytest.approx(2 * 0.75 / 4)


def test_a_word_counts_as_its_best_link():
    pair = bitext("Bank", [(0, 1, "ORG")], "0-0 0-1").pairs(("el", "banco"))[0]
    pair = pair._replace(evidence={"forward": np.array([0.25, 0.75], "f4")})
    assert table(LinkSimilarity(view="forward")(pair))[0, 0, 2] == pytest.approx((0.75 + 1.0) / 3)


def test_links_of_no_worth_are_none():
    pair = viewed(one=[1.0, 0.0, 0.5, 1.0])
    assert set(table(LinkSimilarity(view="one")(pair))) == {(0, 1, 2)}


def test_links_without_the_view():
    links = LinkSimilarity(view="forward")
    with pytest.warns(UserWarning, match="'forward'.*no views"):
        assert not len(links(pairs()[0]).span)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        links(pairs()[0])
    ranker = Ranker(evidence={"forward": links})
    assert not ranker.rows(ranker.score(pairs()[0]))[0][:, len(FEATURES) :].any()
    assert all(stage in ranker.weights for stage in STAGES)


@pytest.mark.filterwarnings("ignore:.*no weights for its evidence")
def test_evidence_without_weights_is_not_computed():
    part = CostlyOracle(Roma=0.8)
    ranker = Ranker(evidence={"said": part})
    ranker.fit(pairs())
    ranker(pairs()[0])
    assert part.asked == []
    ranker.start_from(weighty("said", said=1.0))
    ranker(pairs()[0])
    assert part.asked
    part.asked.clear()
    ranker.start_from({stage: np.zeros(len(FEATURES) + 3) for stage in STAGES})
    ranker.begin(pairs())  # its features are measured, and count while the weights are learnt
    assert part.asked


@pytest.mark.parametrize("made", [Oracle, CostlyOracle])
def test_evidence_that_is_no_number(made):
    ranker = Ranker(evidence={"said": made(Roma=float("nan"))})
    ranker.start_from(weighty("said", said=1.0))
    with pytest.raises(XprojError, match="its evidence 'said' gave nan as a score"):
        ranker(pairs()[0])
