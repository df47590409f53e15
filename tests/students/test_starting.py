"""`spacy_xproj.start_from.v1`: a training that starts where another one ended."""

import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import fix_random_seed, registry

from spacy_xproj.errors import XprojError
from spacy_xproj.students.starting import make_start_from
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import CONFIGS

WORDS = ("Ana", "Torres", "vive", "en", "una", "casa", "en", "Roma", ".")
FOUND = [("Ana Torres", "PER"), ("Roma", "LOC")]


def gold(nlp, label="PER"):
    doc = Doc(nlp.vocab, words=list(WORDS))
    doc.set_ents([Span(doc, 0, 2, label=label), Span(doc, 7, 8, label="LOC")], default="outside")
    return doc


def example(nlp, label="PER"):
    return Example(nlp.make_doc(" ".join(WORDS)), gold(nlp, label))


def pipeline(lang="en", pipe="ner", **config):
    nlp = spacy.blank(lang)
    nlp.add_pipe(pipe, config=config)
    return nlp


def started(path, nlp=None, label="PER"):
    nlp = nlp or pipeline("es")
    nlp.config["initialize"]["after_init"] = {"@callbacks": "spacy_xproj.start_from.v1", "path": path}
    nlp.initialize(lambda: [example(nlp, label)])
    return nlp


def names(nlp):
    return [(ent.text, ent.label_) for ent in nlp(" ".join(WORDS)).ents]


@pytest.fixture(scope="module", params=["ner", "xproj_student"])
def trained(request, tmp_path_factory):
    """The folder of a trained English pipeline, and the name of its pipe."""
    fix_random_seed(0)
    nlp = pipeline(pipe=request.param)
    data = [example(nlp)]
    optimizer = nlp.initialize(lambda: data)
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(data, sgd=optimizer)
    assert names(nlp) == FOUND
    path = tmp_path_factory.mktemp("trained") / "english"
    nlp.to_disk(path)
    return str(path), request.param


def test_advertised():
    assert registry.callbacks.get("spacy_xproj.start_from.v1") is make_start_from


def test_it_knows_what_the_other_knew_before_any_step(trained):
    path, pipe = trained
    assert names(started(path, pipeline("es", pipe))) == FOUND != names(started(None, pipeline("es", pipe)))


def test_settings_are_those_of_the_new_config(trained):
    path, pipe = trained
    if pipe == "xproj_student":
        nlp = started(path, pipeline("es", pipe, targets="gold", loss="ce"))
        assert nlp.get_pipe(pipe).targets == "gold" and names(nlp) == FOUND


def test_it_learns_on(trained):
    path, pipe = trained
    nlp = started(path, pipeline("es", pipe))
    other = Example(nlp.make_doc("Roma"), Doc(nlp.vocab, words=["Roma"], ents=["B-PER"]))
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update([other], sgd=optimizer)
    assert [ent.label_ for ent in nlp("Roma").ents] == ["PER"]


def test_no_such_pipeline(tmp_path):
    with pytest.raises(XprojError, match="expected a trained pipeline"):
        started(str(tmp_path / "none"))


def test_nothing_in_common(trained):
    path, _ = trained
    with pytest.raises(XprojError, match="one of the pipes spancat"):
        nlp = pipeline("es", "spancat")
        nlp.config["initialize"]["after_init"] = {"@callbacks": "spacy_xproj.start_from.v1", "path": path}
        doc = gold(nlp)
        doc.spans["sc"] = list(doc.ents)
        nlp.initialize(lambda: [Example(nlp.make_doc(" ".join(WORDS)), doc)])


def test_labels_that_it_lacks(trained):
    path, pipe = trained
    with pytest.raises(XprojError, match="have the labels FAC, which"):
        started(path, pipeline("es", pipe), label="FAC")


def test_another_architecture(trained):
    path, pipe = trained
    if pipe == "ner":
        model = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "hidden_width": 8}
        embed = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 8, "depth": 1, "embed_size": 50, "window_size": 1}
        model |= {"extra_state_tokens": False, "maxout_pieces": 2, "use_upper": True}
        embed |= {"maxout_pieces": 2, "subword_features": False, "pretrained_vectors": None}
        with pytest.raises(XprojError, match="another architecture than the config"):
            started(path, pipeline("es", pipe, model={**model, "tok2vec": embed}))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ner_frozen", "student_frozen"])
def test_from_the_command_line(name, tmp_path):
    encoder = make_encoder(tmp_path / "encoder", "xlm-roberta")
    DocBin(docs=[gold(spacy.blank("en"))] * 4, store_user_data=True).to_disk(tmp_path / "train.spacy")
    overrides = {
        "paths.train": str(tmp_path / "train.spacy"),
        "paths.dev": str(tmp_path / "train.spacy"),
        "paths.encoder": str(encoder),
        "components.tok2vec.model.embed.layers": [0, 2, 4],
        "training.max_steps": 60,
        "training.eval_frequency": 30,
        "training.optimizer.learn_rate": 0.01,
    }
    train(CONFIGS / f"{name}.cfg", tmp_path / "en", overrides={"nlp.lang": "en", **overrides})
    once = {"nlp.lang": "es", "paths.start": str(tmp_path / "en" / "model-best"), "training.max_steps": 1}
    train(CONFIGS / f"{name}.cfg", tmp_path / "es", overrides={**overrides, **once, "training.eval_frequency": 1})
    nlp = spacy.load(tmp_path / "es" / "model-last")
    assert nlp.lang == "es" and names(nlp) == FOUND
