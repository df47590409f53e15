"""The shipped configs: each makes a pipeline, and the training configs train."""

import json
import os
import shutil
from pathlib import Path

import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import DocBin

from spacy_xproj import fit, translate
from spacy_xproj.corpus import read_docs
from spacy_xproj.errors import InputError
from spacy_xproj.memory_files import import_memory
from spacy_xproj.runs.pipelines import load_pipeline
from spacy_xproj.shipped import describe, find_config, shipped_configs
from spacy_xproj.similarities.ranker import Ranker

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
ALL = sorted(CONFIGS.glob("*.cfg"))


def texts(lang, split="train"):
    lines = (ROOT / "assets" / f"{split}.{lang}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def spacy_file(path, lang, n):
    docs = list(read_docs(ROOT / "assets" / f"train.{lang}.jsonl", spacy.blank(lang)))[:n]
    DocBin(docs=docs).to_disk(path)
    return str(path)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("project_*.cfg")), ids=lambda path: path.stem)
def test_project_configs_make_pipelines(path):
    nlp = load_pipeline(path, "es")
    assert nlp.lang == "es" and nlp.pipe_names[0] == "xproj_aligner"
    assert nlp.pipe_names[1:] in (["xproj_projector"], ["xproj_matcher"], ["xproj_matcher", "xproj_merger"])


def test_matcher_trains_the_pipeline_of_project_ranker():
    """Whoever trains starts from what they would otherwise use."""
    trained, plain = (spacy.util.load_config(CONFIGS / name) for name in ("matcher.cfg", "project_ranker.cfg"))
    plain["components"]["xproj_matcher"]["similarity"]["prior"] = Ranker().prior  # which only training uses
    assert trained["components"] == plain["components"]
    assert trained["nlp"]["pipeline"] == plain["nlp"]["pipeline"]


@pytest.mark.parametrize("name", ["ner_cpu", "student_cpu"])
def test_with_vectors_a_training_config_is_the_same_but_for_them(name):
    plain, other = (spacy.util.load_config(CONFIGS / f"{name}{end}.cfg", interpolate=False) for end in ("", "_vectors"))
    plain["paths"]["vectors"] = None
    plain["components"]["tok2vec"]["model"]["embed"]["include_static_vectors"] = True
    assert other == {**plain, "initialize": {"vectors": "${paths.vectors}"}}


def test_project_heuristic_is_the_default():
    pipe = load_pipeline(CONFIGS / "project_heuristic.cfg", "es").get_pipe("xproj_projector")
    assert vars(pipe.heuristic) == vars(spacy.blank("es").add_pipe("xproj_projector").heuristic)


def test_translate(tmp_path):
    memory = tmp_path / "memory.sqlite"
    import_memory(memory, ROOT / "assets" / "memory.en-de.tsv", "en", "de")
    before = memory.read_bytes()
    nlp = load_pipeline(CONFIGS / "translate.cfg", "de", {"paths.memory": str(memory)})
    forward = nlp.get_pipe("xproj_translator").forward
    found = forward([*texts("en"), "Not in the memory."], "en", "de")
    assert [translation.text for translation in found] == [*texts("de"), None]
    assert memory.read_bytes() == before


@pytest.mark.parametrize("name", ["translate_apertium", "translate_test", "translate_test_round_trip", "ensemble"])
def test_configs_with_apertium(name, tmp_path):
    """Each does what it says on one sentence; the NER of the ensemble is a stand-in."""
    if shutil.which("apertium") is None:
        pytest.skip("the program apertium is not installed")
    source = spacy.blank("en")
    source.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": [{"ORTH": "Madrid"}]}])
    source.to_disk(tmp_path / "source")
    ner = spacy.blank("es")
    ner.add_pipe("ner").add_label("PER")
    ner.initialize()
    ner.to_disk(tmp_path / "ner")
    values = {"memory": tmp_path / "memory.sqlite", "source": tmp_path / "source", "ner": tmp_path / "ner"}
    paths = spacy.util.load_config(CONFIGS / f"{name}.cfg")["paths"]
    overrides = {f"paths.{key}": str(values[key]) for key in paths}
    if name == "ensemble":
        overrides["components.ner.replace_listeners"] = []
    nlp = load_pipeline(CONFIGS / f"{name}.cfg", "es", overrides)
    if name == "translate_apertium":
        (doc,) = translate([source("Ana lives in Madrid.")], nlp)
        assert [(s.text, s.label_) for s in doc.spans["xproj_carried"]] == [("Madrid", "LOC")]
        return
    fit(nlp, [nlp.make_doc(text) for text in ("Ana vive en Madrid.", "Madrid está lejos.")])
    doc = nlp("Ana vive en Madrid.")
    assert ("Madrid", "LOC") in [(e.text, e.label_) for e in doc.ents]
    assert doc._.xproj.lang == ("es" if "round_trip" in name else "en")


@pytest.mark.slow
def test_ner_cpu_learns(tmp_path):
    data = spacy_file(tmp_path / "train.spacy", "es", 20)
    overrides = {"nlp.lang": "es", "paths.train": data, "paths.dev": data, "training.max_steps": 60}
    train(CONFIGS / "ner_cpu.cfg", tmp_path, overrides={**overrides, "training.eval_frequency": 20})
    nlp = spacy.load(tmp_path / "model-best")
    assert nlp.lang == "es" and nlp.pipe_names == ["tok2vec", "ner"]
    assert set(nlp.get_pipe("ner").labels) <= {"PER", "ORG", "LOC", "MISC"}
    assert nlp.meta["performance"]["ents_f"] > 0.3
    assert "xproj" not in nlp.config.to_str(), "the trained NER must not depend on this package"


def tiny_xlm_roberta(folder):
    """An XLM-R with random weights and a tokenizer made from the corpus."""
    from tokenizers import SentencePieceUnigramTokenizer
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces = SentencePieceUnigramTokenizer()
    pieces.train_from_iterator(
        texts("de"), vocab_size=500, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer = XLMRobertaTokenizerFast(tokenizer_object=pieces._tokenizer, model_max_length=128)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = XLMRobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=140, **sizes)
    XLMRobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # spacy-transformers copies this file, which a published XLM-R has, and reads tokenizer.json.
    (folder / "sentencepiece.bpe.model").write_bytes(b"")
    return str(folder)


def test_ner_trf_trains(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    data = spacy_file(tmp_path / "train.spacy", "de", 8)
    overrides = {
        "nlp.lang": "de",
        "paths.train": data,
        "paths.dev": data,
        "paths.transformer": tiny_xlm_roberta(tmp_path / "xlmr"),
        "training.max_steps": 2,
        "training.eval_frequency": 1,
        "training.accumulate_gradient": 1,
        "initialize.after_init.layers": 0,
    }
    train(CONFIGS / "ner_trf.cfg", tmp_path / "out", overrides=overrides)
    (tmp_path / "xlmr").rename(tmp_path / "gone")
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert nlp.pipe_names == ["transformer", "ner"]
    doc = nlp("Der Nato-Gipfel in Vilnius endete.")
    assert doc._.trf_data.model_output is not None and all(ent.label_ for ent in doc.ents)


def test_ner_trf_learns_nothing_of_the_embeddings():
    """With Adam's means of each weight, those of a large vocabulary take more memory than all else."""
    config = spacy.util.load_config(CONFIGS / "ner_trf.cfg")
    assert config["initialize"]["after_init"]["@callbacks"] == "spacy_xproj.freeze_layers.v1"
    assert not config["training"]["optimizer"]["use_averages"]


def test_ner_trf_names_the_published_model():
    config = spacy.util.load_config(CONFIGS / "ner_trf.cfg")
    assert config["paths"]["transformer"] == "xlm-roberta-base"
    assert not os.path.exists("xlm-roberta-base")


def test_the_package_has_all_configs():
    """Those of the installed package, which are these where it is installed from here."""
    assert [path.read_bytes() for path in shipped_configs().values()] == [p.read_bytes() for p in ALL]
    assert [*shipped_configs()] == [path.stem for path in ALL]


@pytest.mark.parametrize("name", [path.stem for path in ALL])
def test_each_says_in_one_line_what_it_is(name):
    assert describe(name).endswith(".") and 20 < len(describe(name)) < 120
    assert (CONFIGS / f"{name}.cfg").read_text(encoding="utf-8").startswith(f"# {describe(name)}\n")


def test_a_path_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config("project_match").read_bytes() == (CONFIGS / "project_match.cfg").read_bytes()
    (tmp_path / "project_match").write_text("mine", encoding="utf-8")
    assert find_config("project_match").read_text(encoding="utf-8") == "mine"
    assert find_config(CONFIGS / "teach.cfg") == CONFIGS / "teach.cfg"


def test_neither_path_nor_name():
    with pytest.raises(InputError, match=r"project_rank: There is no such .* project_ranker, project_ref_greedy, "):
        find_config("project_rank")
