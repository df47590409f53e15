"""`xproj_matcher` as a trainable pipe: by hand, with nlp.update, and by `spacy train`."""

import warnings

import numpy as np
import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import Span
from spacy.training import Example
from spacy.ty import TrainableComponent
from thinc.api import Adam

from spacy_xproj.errors import XprojError
from spacy_xproj.fitting import fit
from tests.conftest import CONFIGS, ents, missed, payload_doc, state

ROOT = CONFIGS.parent
RANKER = {"similarity": {"@xproj_similarities": "spacy_xproj.Ranker.v1", "prior": 1.0}}
DIAGONAL = {"aligner": {"@xproj_aligners": "test.Diagonal.v1"}}


def made(*pipes, lang="es", **settings):
    nlp = spacy.blank(lang)
    for pipe in pipes:
        nlp.add_pipe(pipe, config=DIAGONAL)
    nlp.add_pipe("xproj_matcher", config={**RANKER, **settings})
    return nlp


def examples(nlp, n=12, links="1-1", gold=(0, 2)):
    """Names whose gold takes in the article before them, which has no link."""
    out = []
    for k in range(n):
        doc = payload_doc(nlp, f"la Casa{k} cayó", f"saw Casa{k} fall", [(1, 2, "LOC")], links)
        reference = doc.copy()
        reference.set_ents([Span(reference, *gold, label="LOC")] if gold else [], default="outside")
        out.append(Example(doc, reference))
    return out


def weights(nlp):
    return nlp.get_pipe("xproj_matcher").similarity.weight("pairs")


def update(nlp, batch, steps=60, rate=0.05, **kwargs):
    sgd, losses = Adam(rate, use_averages=False), {}
    for _ in range(steps):
        nlp.update(batch, sgd=sgd, losses=losses, **kwargs)
    return losses


def test_trainable_only_where_the_similarity_is():
    learns, does_not = made(), spacy.blank("es")
    does_not.add_pipe("xproj_matcher", config={"similarity": {"@xproj_similarities": "spacy_xproj.Links.v1"}})
    pipe, plain = learns.get_pipe("xproj_matcher"), does_not.get_pipe("xproj_matcher")
    assert pipe.is_trainable and pipe.model is pipe.similarity.model and isinstance(pipe, TrainableComponent)
    assert not plain.is_trainable and plain.model is None
    sgd = does_not.initialize(lambda: examples(does_not))
    before = does_not.to_bytes(exclude=["vocab"])
    assert does_not.update(examples(does_not), sgd=sgd) == {}
    with does_not.use_params({(1, "pairs"): np.zeros(3)}):
        assert does_not.to_bytes(exclude=["vocab"]) == before


def test_learns_from_gold_and_is_scored():
    nlp = made()
    every = examples(nlp, 18)
    seen, held_out = every[:12], every[12:]
    nlp.initialize(lambda: seen)
    assert nlp.evaluate(held_out)["ents_f"] == 0.0
    first = update(nlp, seen, 1)["xproj_matcher"]
    losses = update(nlp, seen, 25)
    assert 0 < losses["xproj_matcher"] < 25 * first
    assert nlp.evaluate(held_out)["ents_f"] == 1.0
    doc = nlp(held_out[0].predicted.copy())
    assert ents(doc) == [(0, 2, "LOC")] and doc.spans["xproj"].attrs["scores"][0] > 0.5


def test_update_leaves_the_weights_to_finish_update():
    nlp = made()
    pipe, before = nlp.get_pipe("xproj_matcher"), weights(nlp)
    fit(nlp, [eg.predicted for eg in examples(nlp)])
    losses = {}
    assert pipe.update(examples(nlp), losses=losses) is losses
    assert losses["xproj_matcher"] > 0 and np.array_equal(weights(nlp), before)
    pipe.finish_update(Adam(0.01))
    assert not np.array_equal(weights(nlp), before)
    at_once = made()
    at_once.get_pipe("xproj_matcher").update(examples(at_once), sgd=Adam(0.01))
    assert at_once.get_pipe("xproj_matcher").similarity.weight("alone").tolist() != before.tolist()


def test_deterministic():
    states = []
    for _ in range(2):
        nlp = made()
        nlp.initialize(lambda nlp=nlp: examples(nlp))
        update(nlp, examples(nlp), 3)
        states.append(nlp.to_bytes(exclude=["vocab"]))
    assert states[0] == states[1]


def test_saved_after_training(tmp_path):
    nlp = made()
    nlp.initialize(lambda: examples(nlp))
    update(nlp, examples(nlp), 5)
    want = [state(nlp(eg.predicted.copy())) for eg in examples(nlp)]
    nlp.to_disk(tmp_path)
    for again in (spacy.load(tmp_path), made().from_bytes(nlp.to_bytes())):
        assert np.array_equal(weights(again), weights(nlp))
        assert [state(again(eg.predicted.copy())) for eg in examples(again)] == want
    assert [p.name for p in (tmp_path / "xproj_matcher").iterdir()] == ["similarity"], "the weights are there once"


def test_resumes_from_a_saved_pipeline(tmp_path):
    nlp = made()
    nlp.initialize(lambda: examples(nlp))
    update(nlp, examples(nlp), 5)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    before = weights(again)
    losses = again.update(examples(again), sgd=again.resume_training())
    assert losses["xproj_matcher"] > 0 and not np.array_equal(weights(again), before)
    assert again.get_pipe("xproj_matcher").similarity.fitted


def test_averages_are_used_and_taken_back():
    nlp = made()
    nlp.initialize(lambda: examples(nlp))
    sgd = Adam(0.05, use_averages=True)
    for _ in range(4):
        nlp.update(examples(nlp), sgd=sgd)
    last = weights(nlp)
    with nlp.use_params(sgd.averages):
        mean, saved = weights(nlp), nlp.to_bytes()
    assert not np.array_equal(mean, last) and np.array_equal(weights(nlp), last)
    assert np.array_equal(weights(made().from_bytes(saved)), mean)


def test_frozen():
    nlp = made()
    nlp.initialize(lambda: examples(nlp))
    before = weights(nlp)
    assert nlp.update(examples(nlp), sgd=Adam(0.05), exclude=["xproj_matcher"]) == {}
    with nlp.select_pipes(disable=["xproj_matcher"]):
        assert nlp.update(examples(nlp), sgd=Adam(0.05)) == {}
    assert np.array_equal(weights(nlp), before)


def test_docs_without_payload_are_passed_over_with_one_warning():
    nlp = made()
    batch = examples(nlp, 4)
    plain = [Example(nlp.make_doc("uno"), nlp.make_doc("uno")) for _ in range(2)]
    nlp.initialize(lambda: batch)
    other = made().from_bytes(nlp.to_bytes())
    nlp.get_pipe("xproj_matcher")._warned.clear()
    with pytest.warns(UserWarning, match="without a payload") as caught:
        mixed = update(nlp, [*batch, *plain], 2)
    assert len(caught) == 1
    assert mixed == update(other, batch, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(XprojError, match=r"not one Doc.*spacy_xproj.Corpus.v1"):
            nlp.update(plain, sgd=Adam(0.05))


def test_links_come_from_annotating_components():
    nlp = made("xproj_aligner")
    batch = examples(nlp, links="")
    nlp.initialize(lambda: batch)
    assert nlp.get_pipe("xproj_matcher").similarity.fitted
    with pytest.raises(XprojError, match="annotating_components"):
        nlp.update(batch, sgd=Adam(0.05))
    assert update(nlp, batch, 2, annotates=["xproj_aligner"])["xproj_matcher"] > 0
    assert all(not len(eg.predicted._.xproj.links) for eg in batch)


def test_nothing_to_learn():
    nlp = made()
    nlp.initialize(lambda: examples(nlp))
    before = weights(nlp)
    empty = payload_doc(nlp, "", "")
    no_spans = payload_doc(nlp, "uno", "one", [], "0-0")
    for batch in ([Example(empty, empty.copy())], [Example(no_spans, no_spans.copy())], []):
        assert sum(nlp.update(batch, sgd=Adam(0.05)).values()) == 0.0
    assert np.array_equal(weights(nlp), before)


def test_missing_gold_does_not_teach_null():
    nlp = made()
    seen = examples(nlp)
    nlp.initialize(lambda: seen)
    before = weights(nlp)
    unknown = examples(nlp, gold=())
    for eg in unknown:
        eg.reference.set_ents([], missing=[eg.reference[2:3]], default="outside")
    assert update(nlp, unknown, 2)["xproj_matcher"] == 0.0 and np.array_equal(weights(nlp), before)
    assert update(nlp, examples(nlp, gold=()), 1)["xproj_matcher"] > 0
    assert not np.array_equal(weights(nlp), before)


def test_gold_of_another_tokenization_and_of_sentence_pairs():
    nlp = made()
    words = ["la", "Casa", "cayó", ".", "la", "Torre", "cayó", "."]
    source = "saw Casa fall . saw Torre fall ."
    spans, sents = [(1, 2, "LOC"), (5, 6, "LOC")], [((0, 4), (0, 4)), ((4, 8), (4, 8))]
    doc = payload_doc(nlp, words, source, spans, "1-1 5-5", sents=sents)
    reference = spacy.tokens.Doc(nlp.vocab, words=["la", "Ca", "sa", *words[2:]], spaces=[1, 0, *[1] * 7])
    reference.set_ents([Span(reference, 1, 3, label="LOC"), Span(reference, 5, 7, label="LOC")], default="outside")
    found = nlp.get_pipe("xproj_matcher").gold_pairs([Example(doc, reference)])
    assert [(pair.gold, pair.complete) for pair in found] == [({(1, 2, "LOC")}, True), ({(0, 2, "LOC")}, True)]
    assert [pair.pair.target for pair in found] == [tuple(words[:4]), tuple(words[4:])]


def test_suggested_candidates_are_learnt_from():
    suggester = {"@misc": "spacy.ngram_suggester.v1", "sizes": [1]}
    nlp = made(suggester=suggester)
    (found,) = nlp.get_pipe("xproj_matcher").gold_pairs(examples(nlp, 1))
    assert found.candidates.tolist() == [[0, 1], [1, 2], [2, 3]]


def test_null_wins_has_a_reason_of_its_own():
    nlp = made()
    every = examples(nlp)
    update(nlp, examples(nlp, gold=()))
    doc = nlp(every[0].predicted)
    assert missed(doc) == {"s0": "null_wins"}
    none = payload_doc(nlp, "xyz", "abc", [(0, 1, "X")])
    assert missed(nlp(none)) == {"s0": "no_links"}


def lines(folder, split, place):
    """A part of the shipped corpus, both sides."""
    for lang in ("en", "es"):
        text = (ROOT / "assets" / f"train.{lang}.jsonl").read_text(encoding="utf-8").splitlines()[place]
        (folder / f"{split}.{lang}.jsonl").write_text("\n".join(text), encoding="utf-8")


@pytest.fixture
def overrides(tmp_path):
    lines(tmp_path, "train", slice(0, 40))
    lines(tmp_path, "dev", slice(40, 60))
    return {
        "nlp.lang": "es",
        "paths.train": str(tmp_path / "train.es.jsonl"),
        "paths.source": str(tmp_path / "train.en.jsonl"),
        "paths.dev": str(tmp_path / "dev.es.jsonl"),
        "paths.dev_source": str(tmp_path / "dev.en.jsonl"),
        "training.max_epochs": 3,
        "training.eval_frequency": 2,
    }


@pytest.mark.slow
def test_spacy_train(tmp_path, overrides):
    train(CONFIGS / "matcher.cfg", tmp_path / "out", overrides=overrides)
    for name in overrides:
        if name.startswith("paths"):
            (tmp_path / overrides[name]).unlink()
    nlp = spacy.load(tmp_path / "out" / "model-best")
    assert nlp.pipe_names == ["xproj_aligner", "xproj_matcher"]
    assert nlp.meta["performance"]["ents_f"] > 0.6 and nlp.meta["performance"]["xproj_matcher_loss"] > 0
    assert nlp.get_pipe("xproj_aligner").aligner.fitted and nlp.get_pipe("xproj_matcher").similarity.fitted
    last = spacy.load(tmp_path / "out" / "model-last")
    assert not np.array_equal(weights(last), weights(made()))
    doc = payload_doc(nlp, "Ana vive en Roma", "Ana lives in Rome", [(0, 1, "PER"), (3, 4, "LOC")])
    assert ents(nlp(doc)) == [(0, 1, "PER"), (3, 4, "LOC")]


def test_spacy_train_with_links_a_sourced_aligner_and_frozen_pipes(tmp_path, overrides):
    """The matcher goes on from a saved pipeline; with links given, no aligner is needed."""
    base = made("xproj_aligner")
    every = examples(base, links="")
    base.initialize(lambda: every)
    base.to_disk(tmp_path / "base")
    (tmp_path / "links").write_text("0-0\n" * 40)
    (tmp_path / "dev_links").write_text("0-0\n" * 20)
    text = (CONFIGS / "matcher.cfg").read_text(encoding="utf-8")
    start, end = text.index("[components]"), text.index("[corpora]")
    sourced = "".join(
        f'[components.{name}]\nsource = "{(tmp_path / "base").as_posix()}"\n\n'
        for name in ("xproj_aligner", "xproj_matcher")
    )
    (tmp_path / "sourced.cfg").write_text(text[:start] + "[components]\n\n" + sourced + text[end:], encoding="utf-8")
    overrides |= {"paths.alignments": str(tmp_path / "links"), "paths.dev_alignments": str(tmp_path / "dev_links")}
    overrides |= {"training.max_epochs": 1, "training.frozen_components": ["xproj_aligner"]}
    train(tmp_path / "sourced.cfg", tmp_path / "out", overrides=overrides)
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert nlp.get_pipe("xproj_matcher").similarity.stats.size == len(every), "it was not fitted anew"
    assert not np.array_equal(weights(nlp), weights(base))
    frozen = {"training.frozen_components": ["xproj_matcher"], "training.annotating_components": []}
    train(tmp_path / "sourced.cfg", tmp_path / "frozen", overrides={**overrides, **frozen})
    assert np.array_equal(weights(spacy.load(tmp_path / "frozen" / "model-last")), weights(base))
