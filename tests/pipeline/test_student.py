"""`xproj_student`: labels, targets, training, and what it writes."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from spacy.training.augment import create_lower_casing_augmenter
from thinc.api import Adam

from spacy_xproj.errors import XprojError
from spacy_xproj.soft import SoftLabels
from spacy_xproj.students.losses import LOSSES
from tests.conftest import ents

NAME = "xproj_student"
TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": 16,
    "depth": 1,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
    "pretrained_vectors": None,
}
SMALL = {"@architectures": "spacy.Tagger.v2", "normalize": True, "tok2vec": TOK2VEC}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16}
TEXTS = [
    ("Ana vive en Nueva York .", [(0, 1, "PER"), (3, 5, "LOC")]),
    ("Roma está lejos de Madrid .", [(0, 1, "LOC"), (4, 5, "LOC")]),
    ("El perro es rojo .", []),
    ("Luis Soto vio a Ana .", [(0, 2, "PER"), (4, 5, "PER")]),
]


def soft(doc, spans, labels=TAGS):
    """What a teacher that is sure of these spans says."""
    tags = ["O"] * len(doc)
    for a, b, kind in spans:
        tags[a:b] = [f"B-{kind}"] + [f"I-{kind}"] * (b - a - 1)
    return SoftLabels(labels, np.array([[float(tag == label) for label in labels] for tag in tags]))


def example(nlp, text, spans=None, taught=None):
    """An Example with gold, soft labels, or both."""
    doc = Doc(nlp.vocab, words=text.split())
    if spans is not None:
        doc.set_ents([Span(doc, a, b, label=kind) for a, b, kind in spans], default="outside")
    if taught is not None:
        doc._.xproj_soft = soft(doc, taught)
    return Example(Doc(nlp.vocab, words=text.split()), doc)


def corpus(nlp, kind):
    sides = {"soft": (False, True), "gold": (True, False), "both": (True, True)}[kind]
    return [example(nlp, text, *(spans if side else None for side in sides)) for text, spans in TEXTS]


def made(kind="soft", listen=False, **settings):
    """A pipeline that is initialized, and what it was initialized on."""
    nlp = spacy.blank("es")
    model = SMALL
    if listen:
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
        model = {**SMALL, "tok2vec": LISTENER}
    nlp.add_pipe(NAME, config={"model": model, **settings})
    data = corpus(nlp, kind)
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: data)
    return nlp, data


def train(nlp, data, steps=40):
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    return [nlp.update(data, sgd=optimizer)[NAME] for _ in range(steps)]


def found(nlp):
    return [ents(nlp(Doc(nlp.vocab, words=text.split()))) for text, _ in TEXTS]


@pytest.fixture(scope="module")
def trained():
    nlp, data = made(listen=True)
    train(nlp, data)
    return nlp


WANTED = [spans for _, spans in TEXTS]


# Training


@pytest.mark.parametrize("listen", [False, True], ids=["own", "listener"])
@pytest.mark.parametrize("scheme", ["IOB2", "BIOES"])
@pytest.mark.parametrize("kind, targets", [("soft", "auto"), ("soft", "soft"), ("gold", "auto"), ("both", "mix")])
def test_learns(kind, targets, scheme, listen):
    nlp, data = made(kind, listen, scheme=scheme, targets=targets)
    losses = train(nlp, data)
    assert found(nlp) == WANTED and losses[-1] < losses[0] / 10
    width = len(nlp.get_pipe(NAME).tag_names)
    assert losses[0] == pytest.approx((width - 1) / width**2)  # all tags alike, against a 1 and zeros


@pytest.mark.parametrize("loss, temperature", [("ce", 1.0), ("kl", 1.0), ("kl", 2.0)])
def test_learns_by_other_losses(loss, temperature):
    nlp, data = made(loss=loss, temperature=temperature)
    first, *_, last = train(nlp, data)
    assert found(nlp) == WANTED and last < first / 10
    assert first == pytest.approx(temperature**2 * np.log(len(TAGS)), abs=1e-4)


def test_soft_labels_of_a_perfect_teacher_are_gold():
    """The same loss, the same gradient, the same student."""
    out = []
    for kind in ("soft", "gold"):
        nlp, data = made(kind)
        losses = train(nlp, data, steps=5)
        out.append((losses, nlp.get_pipe(NAME).distributions([eg.predicted for eg in data])[0].tolist()))
    assert out[0] == out[1]


def test_a_student_follows_its_teacher_and_not_the_gold():
    nlp, _ = made("both", targets="soft")
    data = [example(nlp, text, spans=[], taught=spans) for text, spans in TEXTS]
    train(nlp, data)
    assert found(nlp) == WANTED
    nlp, _ = made("both", targets="gold")
    data = [example(nlp, text, spans=spans, taught=[]) for text, spans in TEXTS]
    train(nlp, data)
    assert found(nlp) == WANTED


def loss_of(nlp, data):
    pipe = nlp.get_pipe(NAME)
    return pipe.get_loss(data, pipe.model.predict([eg.predicted for eg in data]))


def test_the_mean_of_both_losses():
    nlp, _ = made("both", targets="mix", gold_weight=0.25)
    pipe = nlp.get_pipe(NAME)
    eg = example(nlp, "Ana vive", spans=[(0, 1, "PER")], taught=[(1, 2, "LOC")])
    probs = np.array([[0.4, 0.1, 0.1, 0.3, 0.1], [0.3, 0.3, 0.2, 0.1, 0.1]], "f4")
    loss, (gradient,) = pipe.get_loss([eg], [probs])
    parts = [LOSSES["mse"](probs, rows, np.ones(2, "f4")) for rows in pipe.rows(eg)]
    assert loss == pytest.approx(0.75 * parts[0][0] + 0.25 * parts[1][0])
    assert gradient == pytest.approx(0.75 * parts[0][1] + 0.25 * parts[1][1])
    # (.36 + .01 + .01 + .09 + .01 + .09 + .49 + .04 + .01 + .01) / 10, and the same by hand for gold
    assert parts[0][0] == pytest.approx(0.112) and parts[1][0] == pytest.approx(0.132)
    # one that has gold only counts for that, with the weight of gold
    other = example(nlp, "Ana vive", spans=[(0, 1, "PER")])
    loss, (_, gradient) = pipe.get_loss([eg, other], [probs, probs])
    assert gradient == pytest.approx(0.25 * parts[1][1])
    assert loss == pytest.approx((0.75 * 0.112 + 0.5 * 0.132) / 1.25)


def test_masked_tokens_are_left_out():
    nlp, _ = made()
    pipe = nlp.get_pipe(NAME)
    eg = example(nlp, "Ana vive allí", taught=[(0, 1, "PER")])
    probs = soft(eg.reference, [(0, 1, "PER")]).probs.astype("f4")
    eg.reference._.xproj_soft.probs[2] = 0
    scores = np.array([*probs[:2], [0.2] * 5], "f4")
    loss, (gradient,) = pipe.get_loss([eg], [scores])
    assert loss == 0 and not gradient.any()
    gold = example(nlp, "Ana vive allí", spans=[(0, 1, "PER")])
    gold.reference.set_ents([], missing=[gold.reference[2:3]], default="unmodified")
    loss, (gradient,) = pipe.get_loss([gold], [scores])
    assert loss == 0 and not gradient.any()
    nothing = example(nlp, "Ana vive allí")
    assert nlp.update([nothing], sgd=nlp.create_optimizer())[NAME] == 0


def test_empty_docs_and_docs_of_spaces():
    nlp, _ = made(listen=True)
    blank = Doc(nlp.vocab, words=[" ", "\n"], spaces=[False, False])
    blank._.xproj_soft = SoftLabels(TAGS, np.zeros((2, 5)))
    empty = Doc(nlp.vocab)
    data = [Example(doc.copy(), doc) for doc in (blank, empty)]
    assert nlp.update(data, sgd=nlp.create_optimizer())[NAME] == 0
    assert nlp.update(data[1:], sgd=nlp.create_optimizer())[NAME] == 0
    docs = list(nlp.pipe([Doc(nlp.vocab), blank.copy(), nlp.make_doc("Ana vive .")]))
    assert [len(doc.ents) for doc in docs[:2]] == [0, 0] and NAME in docs[0].spans
    assert [len(doc) for doc in nlp.pipe([Doc(nlp.vocab)])] == [0]


# Labels


def test_labels_of_soft_and_gold():
    kinds = lambda nlp: nlp.get_pipe(NAME).labels  # noqa: E731
    assert kinds(made()[0]) == ("LOC", "PER")
    nlp = spacy.blank("es")
    data = [example(nlp, "Ana vive", spans=[(0, 1, "ORG")], taught=[(0, 1, "PER")])]
    for targets, want in {"auto": "LOC ORG PER", "mix": "LOC ORG PER", "soft": "LOC PER", "gold": "ORG"}.items():
        nlp = spacy.blank("es")
        pipe = nlp.add_pipe(NAME, config={"model": SMALL, "targets": targets})
        nlp.initialize(lambda: data)
        assert pipe.labels == pipe.label_data == tuple(want.split())
        assert pipe.tag_names == ["O", *(f"{role}-{kind}" for kind in want.split() for role in "BI")]
        assert nlp.pipe_labels[NAME] == list(pipe.labels)


def test_labels_that_are_given():
    nlp = spacy.blank("es")
    nlp.add_pipe(NAME, config={"model": SMALL})
    nlp.config["initialize"]["components"][NAME] = {"labels": ["PER", "ORG"]}
    nlp.initialize(lambda: corpus(nlp, "soft"))
    pipe = nlp.get_pipe(NAME)
    assert pipe.labels == ("PER", "ORG")
    assert pipe.model.get_ref("output_layer").get_dim("nO") == 5
    assert pipe.add_label("PER") == 0
    with pytest.raises(XprojError, match="cannot add the entity type 'LOC'"):
        pipe.add_label("LOC")
    rows, _ = pipe.rows(corpus(nlp, "soft")[0])
    assert rows[3].tolist() == [1, 0, 0, 0, 0]  # a place is nothing to this student


def test_without_labels():
    nlp = spacy.blank("es")
    nlp.add_pipe(NAME)
    with pytest.raises(XprojError, match="no entity types"):
        nlp.initialize(lambda: [example(nlp, "Ana vive")])


# Soft labels that are not there


@pytest.mark.parametrize("targets", ["soft", "mix"])
def test_soft_labels_must_be_there(targets, tmp_path):
    nlp, data = made("both", targets=targets)
    DocBin(docs=[eg.reference for eg in data], store_user_data=True).to_disk(tmp_path / "kept.spacy")
    DocBin(docs=[eg.reference for eg in data]).to_disk(tmp_path / "lost.spacy")
    fresh = spacy.blank("es")
    fresh.add_pipe(NAME, config={"model": SMALL, "targets": targets})
    augmenter = create_lower_casing_augmenter(level=1.0)
    lost = [
        Corpus(tmp_path / "lost.spacy"),
        Corpus(tmp_path / "kept.spacy", augmenter=augmenter),
    ]
    for reader in lost:
        with pytest.raises(XprojError, match=r"no soft labels in doc\._\.xproj_soft.*max_length = 0.*lower_case"):
            fresh.initialize(lambda reader=reader: reader(fresh))
        if targets == "soft":
            with pytest.raises(XprojError, match=r"but '(?i:Ana vive en Nueva York \.)' has no soft"):
                nlp.update(list(reader(nlp)))
    fresh.initialize(lambda: Corpus(tmp_path / "kept.spacy")(fresh))
    assert np.isfinite(fresh.update(list(Corpus(tmp_path / "kept.spacy")(fresh)))[NAME])


def test_what_spacy_keeps_and_loses():
    """If this changes, the error above names the wrong causes."""
    nlp, data = made()
    doc = data[0].reference
    for i, token in enumerate(doc):
        token.is_sent_start = i in (0, 2)
    assert doc.copy()._.xproj_soft == doc._.xproj_soft
    assert Example(doc.copy(), doc).reference._.xproj_soft is doc._.xproj_soft
    parts = Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc).split_sents()
    assert len(parts) == 2 and all(part.reference._.xproj_soft is None for part in parts)


def test_a_teacher_in_the_pipeline():
    """What an annotating component gives the predicted Doc is learnt from."""
    nlp, _ = made(targets="soft")

    @spacy.Language.component("test_teacher_of_student")
    def teach(doc):
        doc._.xproj_soft = soft(doc, dict(TEXTS)[" ".join(t.text for t in doc)])
        return doc

    nlp.add_pipe("test_teacher_of_student", first=True)
    data = [example(nlp, text) for text, _ in TEXTS]
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(data, sgd=optimizer, annotates=["test_teacher_of_student"])
    assert found(nlp) == WANTED


# Prediction


def predicted(nlp, doc, rows):
    nlp.get_pipe(NAME).set_annotations([doc], [np.array(rows, "f4")])
    return doc


def test_entities_are_valid_and_scored():
    nlp, _ = made()
    doc = predicted(
        nlp,
        Doc(nlp.vocab, words=["a", "b", "c"]),
        [[0.3, 0.1, 0.6, 0, 0], [0.2, 0.1, 0.7, 0, 0], [0.9, 0.1, 0, 0, 0]],  # I-LOC I-LOC O is not valid
    )
    # B-LOC I-LOC O: .1 * .7 * .9; O B-LOC O: .3 * .1 * .9; O O O: .3 * .2 * .9
    assert ents(doc) == [(0, 2, "LOC")]
    assert doc.spans[NAME].attrs["scores"].tolist() == pytest.approx([0.1])
    assert [t.ent_iob_ for t in doc] == ["B", "I", "O"]


def test_min_score_spans_key_and_overwrite():
    rows = [[0, 0, 0, 0.9, 0.1], [0.4, 0.6, 0, 0, 0]]
    nlp, _ = made(min_score=0.7, spans_key="mine")
    doc = predicted(nlp, Doc(nlp.vocab, words=["a", "b"]), rows)
    assert ents(doc) == [(0, 1, "PER")] and [s.label_ for s in doc.spans["mine"]] == ["PER", "LOC"]
    nlp, _ = made(overwrite=False, spans_key="")
    doc = Doc(nlp.vocab, words=["a", "b"])
    doc.set_ents([Span(doc, 0, 1, label="ORG")])
    assert ents(predicted(nlp, doc, rows)) == [(0, 1, "ORG"), (1, 2, "LOC")] and not doc.spans
    nlp, _ = made()
    doc.set_ents([Span(doc, 0, 1, label="ORG")])
    assert ents(predicted(nlp, doc, rows)) == [(0, 1, "PER"), (1, 2, "LOC")]


def test_white_space_and_sentences():
    nlp, _ = made()
    b, i, o = [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]
    doc = Doc(nlp.vocab, words=["a", "\n", "b", " "])
    assert ents(predicted(nlp, doc, [b, o, i, i])) == [(0, 3, "LOC")]
    doc = Doc(nlp.vocab, words=["a", "b", "c"], sent_starts=[True, False, True])
    assert ents(predicted(nlp, doc, [o, b, [0.4, 0, 0.6, 0, 0]])) == [(1, 2, "LOC")]


def test_distributions_leave_docs_alone(trained):
    docs = [trained.get_pipe("tok2vec")(trained.make_doc(text)) for text, _ in TEXTS]
    docs.append(Doc(trained.vocab))
    before = [doc.to_bytes() for doc in docs]
    pipe = trained.get_pipe(NAME)
    rows = pipe.distributions(docs)
    assert [doc.to_bytes() for doc in docs] == before
    assert all(x.shape == (len(doc), 5) and x.dtype == np.float32 for x, doc in zip(rows, docs))
    assert all(x.sum(1) == pytest.approx(np.ones(len(x)), abs=1e-5) for x in rows)
    assert [len(x) for x in pipe.distributions([Doc(trained.vocab)])] == [0]


def test_a_model_that_does_not_normalize():
    nlp, _ = made(model={**SMALL, "normalize": False})
    pipe = nlp.get_pipe(NAME)
    for doc in ([Doc(nlp.vocab, words=["a", "b"])], [nlp.make_doc("Ana vive")]):
        assert pipe.distributions(doc)[0] == pytest.approx(np.full((2, 5), 0.2))


def test_scores_of_evaluate(trained):
    scores = trained.evaluate(corpus(trained, "gold"))
    assert scores["ents_f"] == 1.0 and set(scores["ents_per_type"]) == {"LOC", "PER"}


# Being saved


def texts_of(nlp):
    return [(ents(doc), doc.spans[NAME].attrs["scores"].tolist()) for doc in nlp.pipe([text for text, _ in TEXTS])]


def test_saved_and_loaded(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    as_bytes = spacy.blank("es").from_config(trained.config).from_bytes(trained.to_bytes())
    assert texts_of(again) == texts_of(as_bytes) == texts_of(trained)
    assert again.get_pipe(NAME).tag_names == list(TAGS)
    raised = spacy.load(tmp_path / "model", config={f"components.{NAME}.min_score": 1.0})
    assert not any(found(raised)) and texts_of(raised)[0][1]


def test_the_scheme_is_the_saved_one(tmp_path):
    nlp, data = made(scheme="BIOES")
    train(nlp, data)
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model", config={f"components.{NAME}.scheme": "IOB2"})
    assert again.get_pipe(NAME).scheme == "BIOES" and found(again) == WANTED


def test_two_processes(trained):
    docs = list(trained.pipe([text for text, _ in TEXTS], n_process=2, batch_size=1))
    assert [ents(doc) for doc in docs] == [ents(trained(text)) for text, _ in TEXTS]


def test_resume_training_and_averages(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    nlp = spacy.load(tmp_path / "model")
    optimizer = nlp.resume_training(sgd=Adam(0.01, use_averages=True))
    data = corpus(nlp, "soft")
    assert nlp.update(data, sgd=optimizer)[NAME] < 0.05
    before = texts_of(nlp)
    with nlp.use_params(optimizer.averages):
        assert texts_of(nlp) != before
    assert texts_of(nlp) == before


# Settings


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"scheme": "IO"}, "scheme must be one of IOB2, BIOES, not 'IO'"),
        ({"loss": "hinge"}, "loss must be one of mse, ce, kl"),
        ({"targets": "hard"}, "targets must be one of auto, soft, gold, mix"),
        ({"gold_weight": 1.5}, "gold_weight must be from 0 to 1"),
        ({"min_score": -1.0}, "min_score must be from 0 to 1"),
        ({"temperature": 0.0, "loss": "kl"}, "temperature must be above 0"),
        ({"temperature": 2.0}, "the loss 'mse' has no temperature"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(XprojError, match=message):
        spacy.blank("es").add_pipe(NAME, config=settings)
