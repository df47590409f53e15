"""A saved pipeline loads elsewhere: what its parts were given paths to is in it.

One pipeline for each setting that is a path. They are saved, what the paths lead to is removed, and one fresh process
in another folder runs them all: `python -m tests.test_portable FOLDER`.
"""

import inspect
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

import spacy_xproj
from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry
from tests.aligners.test_statistical import corpus
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import ROOT, payload_doc
from tests.teachers.tiny_classifier import make_classifier
from tests.translators.tiny_models import tiny_nllb

REGISTRIES = ("xproj_translators", "xproj_aligners", "xproj_similarities", "xproj_solvers", "xproj_teachers", "misc")
# Settings that are texts and no paths to what a part is made of. A program is none: it has to be installed.
PLAIN = {
    *("device", "dtype", "method", "pooling", "symmetrization", "style", "plain", "compute_type", "pipe", "estimate"),
    *("spans_key", "view", "count", "source_lang", "target_lang", "level", "temperature", "label_map", "exclude"),
    *("program", "data"),
}
ENCODER = {"layer": 2, "device": "cpu"}
TEXT = [("the dog eats", "lo can manja"), ("the sofa", "lo divan"), ("a dog", "un can")] * 3


def block(registry, name, **settings):
    return {f"@{registry}": f"spacy_xproj.{name}.v1", **settings}


def aligner(name, **settings):
    return "xproj_aligner", {"aligner": block("xproj_aligners", name, **settings)}


def matcher(name, **settings):
    return "xproj_matcher", {"similarity": block("xproj_similarities", name, **settings)}


def translator(name, **settings):
    return "xproj_translator", {"back": block("xproj_translators", name, **settings)}


def teacher(name, weights=None, **settings):
    weights = {"weights": {"@misc": "spacy_xproj.similarity_weights.v1", **weights}} if weights else {}
    teachers = {kind: block("xproj_teachers", name, **settings) for kind in ("one", "two")[: 1 + bool(weights)]}
    return "xproj_teacher", {"teachers": teachers, **weights}


def hugging(folder):
    return str(make_encoder(folder / "encoder"))


def nllb(folder):
    tiny_nllb(folder / "nllb")
    return str(folder / "nllb")


def ruler(folder):
    nlp = spacy.blank("es")
    nlp.add_pipe("entity_ruler").add_patterns(
        [{"label": "PER", "pattern": "can"}, {"label": "LOC", "pattern": "divan"}]
    )
    nlp.to_disk(folder / "ruler")
    return str(folder / "ruler")


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def prior(folder):
    other = registry.xproj_aligners.get("spacy_xproj.Statistical.v1")()
    other.fit(corpus(60))
    other.to_disk(folder / "prior")
    return aligner("Statistical", prior=str(folder / "prior"))


def weights(folder):
    from spacy_xproj.similarities.ranker.weights import read_weights, write_weights

    write_weights(folder / "weights", {stage: 0.2 * w for stage, w in read_weights().items()}, {})
    return matcher("Ranker", weights=str(folder / "weights"))


def memory(folder):
    made = registry.xproj_translators.get("spacy_xproj.Memory.v1")(str(folder / "memory.db"))
    made.add([(target, source) for source, target in TEXT[:3]], "es", "en")
    return translator("Memory", path=str(folder / "memory.db"))


def sources(folder):
    texts = {"one": "lo can manja\nlo divan", "two": "xyz zyx\nqqq www"}
    files = {name: written(folder / f"{name}.txt", text) for name, text in texts.items()}
    return teacher("Pipeline", {"sources": files, "epochs": 2}, model=ruler(folder))


def vectors(folder):
    block = {"@misc": "spacy_xproj.encoder_vectors.v1", "model": hugging(folder), **ENCODER}
    name, config = sources(folder)
    config["weights"]["vectors"] = block
    return name, config


def translation(folder):
    behind = block("xproj_translators", "Transformers", model=nllb(folder), device="cpu", num_beams=1)
    langs = {"source_lang": "en", "target_lang": "es", "threshold": 0}
    return matcher("Translation", translator=behind, cache=str(folder / "cache.db"), **langs)


# By setting: the pipe and its config, given an empty folder, and whether a whole model is in it, which has no bytes.
CASES = {
    "Statistical.v1 prior": (prior, False),
    "Pharaoh.v1 path": (lambda f: aligner("Pharaoh", path=written(f / "links", "0-0 1-1\n" * 9)), False),
    "Embedding.v1 model": (lambda f: aligner("Embedding", model=hugging(f), **ENCODER), True),
    "Lexicon.v1 path": (lambda f: matcher("Lexicon", path=written(f / "x.tsv", "the dog\tlo can\t5\n")), False),
    "Ranker.v1 weights": (weights, False),
    "Labels.v1 model": (lambda f: matcher("Labels", model=ruler(f)), False),
    "Context.v1 model": (lambda f: matcher("Context", model=hugging(f), **ENCODER), True),
    "Translation.v1 cache": (translation, True),
    "Memory.v1 path": (memory, False),
    "Transformers.v1 model": (lambda f: translator("Transformers", model=nllb(f), device="cpu", num_beams=1), True),
    "CTranslate2.v1 model": (lambda f: translator("CTranslate2", model=nllb(f), device="cpu", beam_size=1), True),
    "CTranslate2.v1 converted": (
        lambda f: translator("CTranslate2", model=nllb(f), converted=str(f / "ct2"), device="cpu", beam_size=1),
        True,
    ),
    "Pipeline.v1 model": (lambda f: teacher("Pipeline", model=ruler(f)), False),
    "Pipeline.v1 models": (lambda f: teacher("Pipeline", models=[ruler(f)]), False),
    "TokenClassifier.v1 model": (
        lambda f: teacher("TokenClassifier", model=str(make_classifier(f / "hf")), device="cpu"),
        True,
    ),
    "similarity_weights.v1 sources": (sources, False),
    "encoder_vectors.v1 model": (vectors, True),
}


def settings_with_text():
    """Of every function that is advertised, the settings that can be texts."""
    for kind in REGISTRIES:
        for name in getattr(registry, kind).get_entry_points():
            if name.startswith("spacy_xproj."):
                for setting in inspect.signature(getattr(registry, kind).get(name)).parameters.values():
                    if "str" in str(setting.annotation) and setting.name not in PLAIN:
                        yield f"{name.removeprefix('spacy_xproj.')} {setting.name}"


def test_every_setting_that_can_be_a_path_is_here():
    numbers = {"Fused.v1 weights", "Ensemble.v1 weights", "fixed_weights.v1 weights"}  # by name
    parts = {"Fused.v1 similarities", "Ensemble.v1 aligners", "Ranker.v1 evidence"}
    assert set(settings_with_text()) - numbers - parts == set(CASES)


def made(folder, case):
    folder.mkdir()
    factory, config = CASES[case][0](folder)
    nlp = spacy.blank("es")
    pipe = nlp.add_pipe(factory, config=config)
    if factory == "xproj_translator":
        pipe.source = spacy.blank("en")
        pipe.source.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "dog"}])
    if factory == "xproj_matcher":
        nlp.add_pipe("xproj_aligner", first=True)
    return nlp


def docs_of(nlp):
    """Docs with a payload, but for pipes that make one."""
    docs = [payload_doc(nlp, target, source, [(0, 2, "PER")]) for source, target in TEXT]
    return [nlp.make_doc(doc.text) for doc in docs] if nlp.pipe_names == ["xproj_translator"] else docs


def described(nlp, docs):
    out = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of untrained models
        docs = list(nlp.pipe(docs))
    for doc in docs:
        found, soft = doc._.xproj, doc._.xproj_soft
        numbers = [] if soft is None else soft.probs.astype("f8").round(3).tolist()
        out.append([[*found.words], found.links.tolist(), [str(e) for e in doc.ents], numbers])
    return out


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """What each pipeline gave before its files were removed, and what it gives in a process elsewhere."""
    there, saved = tmp_path_factory.mktemp("there"), tmp_path_factory.mktemp("saved")
    before, binary = {}, {}
    for case in CASES:
        nlp = made(there / case, case)
        spacy_xproj.fit(nlp, docs_of(nlp))
        docs = docs_of(nlp)
        DocBin(docs=docs, store_user_data=True).to_disk(saved / f"{case}.spacy")
        before[case] = described(nlp, docs)
        nlp.to_disk(saved / case)
        try:
            binary[case] = nlp.to_bytes()
        except XprojError as err:
            binary[case] = str(err)
    shutil.rmtree(there)
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.test_portable", str(saved)]
    run = subprocess.run(command, cwd=tmp_path_factory.mktemp("cwd"), env=settings, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return saved, there, before, binary, json.loads(run.stdout)


def main(folder):
    """Run the pipelines of a folder over the Docs beside them."""
    found = {}
    for path in sorted(Path(folder).glob("*.spacy")):
        nlp = spacy.load(path.with_suffix(""))
        found[path.stem] = described(nlp, DocBin().from_disk(path).get_docs(nlp.vocab))
    print(json.dumps(found))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_same_elsewhere(elsewhere, case):
    saved, there, before, _, after = elsewhere
    assert json.loads(json.dumps(before[case])) == after[case]
    made_payload = (saved / case / "xproj_translator").exists()
    assert any(any(part) for doc in before[case] for part in (doc if made_payload else doc[1:]))
    assert str(there) not in (saved / case / "config.cfg").read_text(encoding="utf-8")
    assert not [path for path in (saved / case).rglob("*.cfg") if str(there) in path.read_text(encoding="utf-8")]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_as_bytes(elsewhere, case):
    """All is in the bytes, or one error says that a whole model is too large for them."""
    saved, _, before, binary, _ = elsewhere
    if CASES[case][1]:
        assert "too large for bytes" in binary[case] and "to_disk" in binary[case]
        return
    config = spacy.util.load_config(saved / case / "config.cfg")
    nlp = spacy.util.load_model_from_config(config).from_bytes(binary[case])
    docs = DocBin().from_disk(saved / f"{case}.spacy").get_docs(nlp.vocab)
    assert described(nlp, docs) == before[case]


# The config


def with_lexicon(folder, **settings):
    nlp = spacy.blank("es")
    factory, config = CASES["Lexicon.v1 path"][0](folder)
    nlp.add_pipe(factory, config={**config, **settings})
    return nlp


@pytest.mark.parametrize("name", ["saved_pipe", "xproj_matcher"])
def test_a_config_of_the_users_beside_a_saved_pipe_stays(tmp_path, name):
    """Even one that looks like that of a saved pipeline."""
    nlp = with_lexicon(tmp_path)
    project = tmp_path / "proj"
    nlp.to_disk(project)
    config = "# mine\n" + nlp.config.to_str()
    (project / "config.cfg").write_text(config, encoding="utf-8")
    nlp.get_pipe("xproj_matcher").to_disk(project / name)
    nlp.get_pipe("xproj_matcher").to_disk(project / name, exclude=["vocab"])
    assert (project / "config.cfg").read_text(encoding="utf-8") == config
    nlp.to_disk(project, exclude=["config"])
    assert (project / "config.cfg").read_text(encoding="utf-8") == config
    nlp.to_disk(project / "whole")
    assert (project / "config.cfg").read_text(encoding="utf-8") == config


def test_where_else_a_path_stands(tmp_path):
    """What is no path stays, even if it is called as one is."""
    nlp = with_lexicon(tmp_path)
    path = str(tmp_path / "x.tsv")
    labels = block("xproj_similarities", "Labels", model="es", label_map={"model": "X", "path": "Y"})
    nlp.add_pipe("xproj_matcher", name="other", config={"similarity": labels})
    nlp.get_pipe("other").similarity.pipeline.nlp = spacy.blank("es")
    nlp.config["paths"]["x"] = path
    nlp.config["vars"] = {"x": path, "y": "es", "z": str(tmp_path / "else")}
    nlp.to_disk(tmp_path / "saved")
    saved = spacy.util.load_config(tmp_path / "saved" / "config.cfg")
    assert path not in saved.to_str() and saved["nlp"]["lang"] == "es"
    assert saved["vars"] == {"x": None, "y": "es", "z": str(tmp_path / "else")} and saved["paths"]["x"] is None
    assert saved["components"]["other"]["similarity"]["label_map"] == {"model": "X", "path": "Y"}
    assert saved["components"]["xproj_matcher"]["similarity"]["path"] == ""
    assert nlp.config["components"]["xproj_matcher"]["similarity"]["path"] == path  # in memory it stays
    spacy.load(tmp_path / "saved")


class Remote:
    """A translator without a state, which its settings are all of."""

    def __init__(self, model):
        self.model = model

    def __call__(self, texts, source_lang, target_lang):
        raise NotImplementedError


registry.xproj_translators.register("test.Remote.v1", func=Remote)


def test_settings_of_a_part_without_a_state_stay(tmp_path):
    nlp = spacy.blank("es")
    remote = {"@xproj_translators": "test.Remote.v1", "model": "best"}
    nlp.add_pipe("xproj_translator", config={"back": block("xproj_translators", "Memory", translator=remote)})
    nlp.to_disk(tmp_path / "saved")
    assert spacy.load(tmp_path / "saved").get_pipe("xproj_translator").back.translator.model == "best"


if __name__ == "__main__":
    main(sys.argv[1])
