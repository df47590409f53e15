import json
import multiprocessing
import os
import pickle
import shutil
import warnings
from pathlib import Path

import pytest

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.translators import ctranslate_convert as convert
from spacy_xproj.translators.checks import looping
from spacy_xproj.translators.ctranslate import CTranslate2
from spacy_xproj.translators.memory import Memory
from spacy_xproj.translators.transformers import TransformersTranslator
from tests.translators.tiny_models import MAKERS, SENTENCES

pytest.importorskip("ctranslate2")
pytest.importorskip("sentencepiece")
pytest.importorskip("sacremoses")
# Random models write until they are stopped, and write loops.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*(as long as|over and over|longer than)"),
    pytest.mark.filterwarnings("ignore:Moving the following attributes"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tiny Hugging Face models of each family, which no test changes."""
    return {name: make(tmp_path_factory.mktemp("hf") / name) for name, make in MAKERS.items()}


@pytest.fixture(scope="module")
def ready(models, tmp_path_factory):
    """The NLLB model, converted as float32."""
    place = tmp_path_factory.mktemp("ct2") / "nllb"
    return convert.converted_folder(models["nllb"], place, "float32")


@pytest.fixture
def model(models, tmp_path):
    """A copy of the NLLB model, to change."""
    return Path(shutil.copytree(models["nllb"], tmp_path / "nllb"))


@pytest.fixture
def conversions(monkeypatch):
    """The places that were converted to during the test."""
    seen = []
    original = convert.run_converter

    def watched(model, place, compute_type):
        seen.append((model.name, compute_type))
        original(model, place, compute_type)

    monkeypatch.setattr(convert, "run_converter", watched)
    return seen


def translate(translator, texts=SENTENCES, source="en", target="es"):
    return [t.text for t in translator(texts, source, target)]


# Against Hugging Face


def greedy(folder, sentence, length):
    """What generate gives for one English sentence, into Spanish, and whether it came to an end."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    name, own = type(tokenizer).__name__, {}
    if "Nllb" in name:
        tokenizer.src_lang, own = "eng_Latn", {"forced_bos_token_id": tokenizer.convert_tokens_to_ids("spa_Latn")}
    elif "M2M100" in name:
        tokenizer.src_lang, own = "en", {"forced_bos_token_id": tokenizer.get_lang_id("es")}
    elif "T5" in name:
        sentence = f"<2es> {sentence}"
    with torch.no_grad():
        ids = model.generate(**tokenizer(sentence, return_tensors="pt"), num_beams=1, max_new_tokens=length, **own)
    return tokenizer.decode(ids[0], skip_special_tokens=True).strip(), len(ids[0]) <= length


@pytest.mark.parametrize("family", MAKERS)
def test_greedy_search_gives_what_hugging_face_gives(models, tmp_path, family):
    translator = CTranslate2(str(models[family]), str(tmp_path / "out"), "float32", beam_size=1)
    found = translate(translator)
    assert len(set(found)) > 2
    for sentence, text in zip(SENTENCES[:-1], found):  # the last one is too long
        reference, ended = greedy(models[family], sentence, 50)
        assert (text if ended else text[: len(reference)]) == reference


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("family", MAKERS)
def test_float32_gives_what_the_other_backend_gives(models, tmp_path, family, beams):
    texts = [*SENTENCES, "Ana.", "In a house in Rome. " * 9]
    ours = CTranslate2(str(models[family]), str(tmp_path / "out"), "float32", beam_size=beams)
    other = TransformersTranslator(str(models[family]), device="cpu", num_beams=beams)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert translate(ours, texts) == translate(other, texts)


@pytest.mark.parametrize("family", MAKERS)
def test_scores_are_the_log_probabilities_of_pieces_and_end_token(models, tmp_path, family):
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    translator = CTranslate2(str(models[family]), str(tmp_path / "out"), "float32", batch_tokens=64)
    targets = [SENTENCES[3], "Ana", SENTENCES[2], ""]
    found = translator.score(SENTENCES[:4], targets, "en", "es")
    tokenizer = AutoTokenizer.from_pretrained(models[family])
    model = AutoModelForSeq2SeqLM.from_pretrained(models[family]).eval()
    lang = {"nllb": "spa_Latn", "m2m100": "__es__"}.get(family)
    if lang:
        tokenizer.src_lang = {"nllb": "eng_Latn", "m2m100": "en"}[family]
    for source, target, (total, count) in zip(SENTENCES, targets, found):
        inputs = tokenizer(f"<2es> {source}" if family == "t5" else source, return_tensors="pt")
        side = "text_target" if family == "marian" else "text"
        pieces = tokenizer(**{side: target}, add_special_tokens=False)["input_ids"]
        prefix = [tokenizer.convert_tokens_to_ids(lang)] if lang else []
        wanted = torch.tensor([*prefix, *pieces, tokenizer.eos_token_id])
        start = torch.tensor([model.config.decoder_start_token_id])
        with torch.no_grad():
            logits = model(**inputs, decoder_input_ids=torch.cat([start, wanted[:-1]])[None]).logits[0]
        values = logits.log_softmax(-1).gather(1, wanted[:, None])[len(prefix) :]
        assert count == len(pieces) + 1
        assert total == pytest.approx(float(values.sum()), abs=1e-3)


def test_scores_need_as_many_targets_as_sources(ready):
    translator = CTranslate2(str(ready), compute_type="float32")
    assert translator.score([], [], "en", "es") == []
    with pytest.raises(XprojError, match="got 2 sources and 1 targets"):
        translator.score(["a", "b"], ["c"], "en", "es")


# What a call does


@pytest.mark.parametrize("family", MAKERS)
def test_int8_is_the_default_on_a_cpu(models, tmp_path, family):
    translator = CTranslate2(str(models[family]), str(tmp_path / "out"))
    assert translator.compute_type == "int8"
    found = translate(translator)
    assert all(isinstance(text, str) for text in found) and len(set(found)) > 2
    full = convert.converted_folder(models[family], tmp_path / "full", "float32")
    assert (tmp_path / "out" / "model.bin").stat().st_size < (full / "model.bin").stat().st_size


def test_order_duplicates_and_empty_texts(ready):
    translator = CTranslate2(str(ready), compute_type="float32", batch_tokens=40)
    alone = {text: translate(translator, [text])[0] for text in SENTENCES}
    texts = ["", SENTENCES[1], " \n", SENTENCES[5], SENTENCES[1], *SENTENCES, "\t"]
    assert translate(translator, texts) == [alone.get(text, "") for text in texts]
    assert translate(translator, ["", " "]) == ["", ""]
    assert translate(translator, []) == []


def test_equal_texts_go_to_the_model_once(ready):
    translator = CTranslate2(str(ready), compute_type="float32")
    seen = []
    original = translator.generate

    def watched(loaded, sources, limits, target_lang):
        seen.extend(sources)
        return original(loaded, sources, limits, target_lang)

    translator.generate = watched
    translate(translator, [SENTENCES[0], "", SENTENCES[0], SENTENCES[1]])
    assert len(seen) == 2


def test_half_a_surrogate_pair_does_no_harm(ready):
    translator = CTranslate2(str(ready), compute_type="float32")
    texts = [SENTENCES[0], "the \ud800 dog", SENTENCES[1]]
    assert translate(translator, texts)[::2] == translate(translator, texts[::2])


def test_too_long_a_text_is_cut_with_a_warning(ready):
    translator = CTranslate2(str(ready), compute_type="float32")
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the 64 tokens .*; first: 'The house") as caught:
        found = translate(translator, [SENTENCES[0] * 9, SENTENCES[1]])
    assert found[1] == translate(translator, SENTENCES[1:2])[0] and found[0]
    assert sum("longer than" in str(w.message) for w in caught) == 1
    with pytest.warns(UserWarning, match="1 of 1 texts are targets of more than the 62 tokens"):
        ((_, count),) = translator.score(SENTENCES[:1], [SENTENCES[2] * 9], "en", "de")
    assert count == 63


def test_loops_and_translations_without_end_are_warned_of(ready):
    translator = CTranslate2(str(ready), compute_type="float32", beam_size=1)
    found = translate(translator)
    loops = sum(map(looping, found))
    assert loops
    with pytest.warns(UserWarning) as caught:
        translate(translator)
    messages = [str(w.message) for w in caught]
    assert any(m.startswith(f"{loops} of 8 texts") and "over and over" in m for m in messages)
    assert any("may be cut off" in m for m in messages)


def test_languages_go_by_any_code(ready):
    translator = CTranslate2(str(ready), compute_type="float32")
    expected = translate(translator)
    assert translate(translator, source="eng_Latn", target="spa") == expected
    assert translate(translator, target="de") != expected
    with pytest.raises(XprojError, match="does not know the language 'tlh'"):
        translate(translator, target="tlh")


# Conversion


def test_a_model_is_converted_once_beside_its_folder(model, conversions):
    before = {p.name: p.read_bytes() for p in model.iterdir()}
    translator = CTranslate2(str(model), compute_type="int8")
    assert os.listdir(model.parent) == ["nllb"]  # nothing happens before the first use
    first = translate(translator)
    assert sorted(os.listdir(model.parent)) == ["nllb", "nllb-ct2-int8"]
    assert translate(CTranslate2(str(model), compute_type="int8")) == first
    assert conversions == [("nllb", "int8")]
    translate(CTranslate2(str(model), compute_type="float32"))
    assert conversions == [("nllb", "int8"), ("nllb", "float32")]
    assert {p.name: p.read_bytes() for p in model.iterdir()} == before


def test_a_changed_model_is_converted_again(models, model, conversions, tmp_path):
    place = tmp_path / "deep" / "down"
    make = [str(model), str(place), "float32"]
    first = CTranslate2(*make)
    old, key = translate(first), first.key
    other = MAKERS["nllb"](tmp_path / "other", seed=1)
    shutil.copyfile(other / "model.safetensors", model / "model.safetensors")
    second = CTranslate2(*make)
    assert second.key != key
    assert translate(second) == translate(CTranslate2(str(other), compute_type="float32")) != old
    assert [name for name, _ in conversions] == ["nllb", "nllb", "other"]
    assert os.listdir(tmp_path / "deep") == ["down"]


def test_a_copy_of_the_model_is_not_converted_again(model, conversions, tmp_path):
    make = [str(model), str(tmp_path / "out"), "float32"]
    expected = translate(CTranslate2(*make))
    for file in model.iterdir():
        os.utime(file, (1, 1))
    assert translate(CTranslate2(*make)) == expected
    assert len(conversions) == 1
    note = json.loads((tmp_path / "out" / convert.NOTE).read_text())
    assert note["files"]["model.safetensors"][1] == 10**9  # so next time the times tell


def test_another_compute_type_at_the_same_place_is_converted_again(model, conversions, tmp_path):
    for compute_type in ("float32", "int8", "int8"):
        translate(CTranslate2(str(model), str(tmp_path / "out"), compute_type))
    assert conversions == [("nllb", "float32"), ("nllb", "int8")]


@pytest.mark.parametrize("error", [RuntimeError("the disk is full"), KeyboardInterrupt()])
def test_an_interrupted_conversion_leaves_nothing(model, tmp_path, monkeypatch, error):
    from ctranslate2.converters import TransformersConverter

    def broken(self, output_dir, **kwargs):
        Path(output_dir).mkdir()
        (Path(output_dir) / "model.bin").write_bytes(b"half")
        raise error

    translator = CTranslate2(str(model))
    with monkeypatch.context() as patch:
        patch.setattr(TransformersConverter, "convert", broken)
        with pytest.raises((XprojError, KeyboardInterrupt), match=r"the disk is full|^$"):
            translate(translator)
    assert os.listdir(tmp_path) == ["nllb"]
    assert translate(translator)


def test_a_failed_conversion_keeps_the_old_one(model, tmp_path, monkeypatch):
    translate(CTranslate2(str(model), compute_type="int8"))
    place = tmp_path / "nllb-ct2-int8"
    before = {p.name: p.read_bytes() for p in place.iterdir()}
    (model / "model.safetensors").write_bytes(b"not a safetensors file")
    with pytest.raises(XprojError, match=r"the model in .*nllb' cannot be loaded"):
        translate(CTranslate2(str(model), compute_type="int8"))
    assert {p.name: p.read_bytes() for p in place.iterdir()} == before
    assert sorted(os.listdir(tmp_path)) == ["nllb", "nllb-ct2-int8"]


def test_what_something_else_made_is_not_replaced(model, tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "thesis.txt").write_text("text")
    with pytest.raises(InputError, match="did not make"):
        translate(CTranslate2(str(model), str(place)))
    assert (place / "thesis.txt").read_text() == "text"
    (place / "thesis.txt").unlink()  # an empty folder is a place
    assert translate(CTranslate2(str(model), str(place)))


def test_a_place_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(XprojError, match="Set 'converted' to a folder that can be written"):
        translate(CTranslate2(str(model), str(tmp_path / "file" / "out")))


def test_the_converter_may_call_the_type_of_the_weights_dtype(model, tmp_path, monkeypatch):
    from ctranslate2.converters import TransformersConverter

    original = TransformersConverter._load

    def newer(self):
        load = self.load_model
        self.load_model = lambda cls, name, **dtype: load(cls, name, dtype=next(iter(dtype.values())))
        return original(self)

    monkeypatch.setattr(TransformersConverter, "_load", newer)
    assert translate(CTranslate2(str(model), str(tmp_path / "out")))


# Settings and errors


def test_the_key_holds_what_changes_the_output(models, model, tmp_path):
    def key(model=models["nllb"], **settings):
        return CTranslate2(str(model), **{"converted": str(tmp_path / "out"), **settings}).key

    keys = [key(), key(compute_type="float32"), key(beam_size=2), key(models["m2m100"])]
    assert len(set(keys)) == 4
    assert key(model) == key(batch_tokens=5, threads=1, compute_type="int8", converted="") == keys[0]
    translator = CTranslate2(str(model), str(tmp_path / "out"))
    translate(translator)
    assert CTranslate2(str(tmp_path / "out")).key == key(model) == translator.key == keys[0]
    assert str(tmp_path) not in translator.provenance and translator.key.split(":")[1][:12] in translator.provenance


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"compute_type": "int7"}, "expected a compute_type that the device 'cpu' has, which are .*'int8'.*got 'int7'"),
        ({"device": "gpu"}, "expected the device 'auto', 'cpu', 'cuda' or such as 'cuda:1', got 'gpu'"),
        ({"beam_size": 0}, "beam_size .* at least 1, not 0"),
        ({"batch_tokens": 0}, "batch_tokens .* at least 1, not 0"),
        ({"threads": -1}, "threads .* at least 0, not -1"),
        ({"model": "no/such/folder"}, "no/such/folder: .* there is no such folder"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(XprojError, match=message):
        CTranslate2(**settings)


def test_a_gpu_that_is_not_there(monkeypatch):
    import ctranslate2

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    with pytest.raises(XprojError, match=r"the device 'cuda:1' is not there: ctranslate2 .* sees 1 of the kind 'cuda'"):
        CTranslate2(device="cuda:1")


def test_the_package_is_missing(monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("spacy_xproj.compat.import_module", missing)
    with pytest.raises(XprojError, match=r"needs the package 'ctranslate2': pip install 'spacy-xproj\[ctranslate2\]'"):
        CTranslate2()


def test_folders_that_are_no_translation_models(model, tmp_path):
    (tmp_path / "bert").mkdir()
    with pytest.raises(XprojError, match="cannot read the model's config"):
        CTranslate2(str(tmp_path / "bert"))
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(XprojError, match="of the type 'bert'"):
        CTranslate2(str(tmp_path / "bert"))
    (model / "model.safetensors").unlink()
    with pytest.raises(XprojError, match="found no weights in safetensors"):
        CTranslate2(str(model))
    (tmp_path / "bert" / "model.bin").write_bytes(b"")
    (tmp_path / "bert" / "config.json").write_text('{"unk_token": "<unk>"}')
    with pytest.raises(XprojError, match="One that another program converted lacks"):
        CTranslate2(str(tmp_path / "bert"))


def test_a_damaged_conversion(ready, tmp_path):
    shutil.copytree(ready, tmp_path / "bad")
    (tmp_path / "bad" / "model.bin").write_bytes(b"nothing")
    with pytest.raises(XprojError, match=r"bad' cannot be loaded on 'cpu' as int8"):
        translate(CTranslate2(str(tmp_path / "bad")))


# Memory, saving, processes


def test_a_memory_in_front(models, tmp_path):
    translator = CTranslate2(str(models["nllb"]), str(tmp_path / "out"))
    expected = translate(translator)
    path = str(tmp_path / "memory.sqlite")
    assert translate(Memory(path, translator, batch_size=3)) == expected
    again = Memory(path, CTranslate2(str(models["nllb"]), str(tmp_path / "out")))
    assert translate(again) == expected
    assert again.report()["found"] == len(SENTENCES)


def test_saved_models_are_whole(model, tmp_path):
    translator = CTranslate2(str(model), str(tmp_path / "out"), "float32")
    expected, key = translate(translator), translator.key
    translator.to_disk(tmp_path / "saved")
    translator.to_disk(tmp_path / "saved")  # over itself
    shutil.rmtree(model)
    shutil.rmtree(tmp_path / "out")
    os.rename(tmp_path / "saved", tmp_path / "elsewhere")
    empty = CTranslate2(compute_type="float32")
    for use in (translate, lambda t: t.key):
        with pytest.raises(XprojError, match=r"has no model\. Set 'model' .* from_disk"):
            use(empty)
    assert "without a model" in empty.provenance
    loaded = empty.from_disk(tmp_path / "elsewhere")
    assert translate(loaded) == expected
    assert loaded.key == key
    loaded.to_disk(tmp_path / "elsewhere")
    assert translate(CTranslate2(str(tmp_path / "elsewhere"), compute_type="float32")) == expected


def test_saving_goes_over_no_other_model(models, ready, tmp_path):
    shutil.copytree(ready, tmp_path / "there")
    with pytest.raises(InputError, match="holds another model"):
        CTranslate2(str(models["marian"]), str(tmp_path / "out")).to_disk(tmp_path / "there")
    with pytest.raises(InputError, match="nowhere"):
        CTranslate2().from_disk(tmp_path / "nowhere")


def test_a_model_is_too_large_for_bytes(ready):
    with pytest.raises(XprojError, match="too large for bytes"):
        CTranslate2(str(ready), compute_type="float32").to_bytes()
    assert "without a model" in CTranslate2().from_bytes(CTranslate2().to_bytes()).provenance


def in_child(work, timeout=60):
    """Run something in a forked process and return what it returns, or an error's text."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run():
        try:
            theirs.send(work())
        except XprojError as err:
            theirs.send(str(err))

    process = context.Process(target=run)
    process.start()
    found = ours.recv() if ours.poll(timeout) else "no answer"
    process.join(60)
    if process.is_alive():
        process.kill()
        return "hangs"
    return found


def test_a_forked_process_loads_its_own(ready, monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    translator = CTranslate2(str(ready), compute_type="float32", threads=1)
    expected = translate(translator)
    assert in_child(lambda: translate(translator)) == expected
    assert translate(translator) == expected


def test_a_forked_process_can_let_go_of_the_translator(ready, monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    translator = CTranslate2(str(ready), compute_type="float32", threads=1)
    translate(translator)

    def let_go():
        translator._loaded = None
        return "done"

    assert in_child(let_go) == "done"


def test_a_gpu_model_is_refused_in_a_fork(ready, monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    translator = CTranslate2(str(ready), compute_type="float32")
    translate(translator)
    translator.device = "cuda"
    assert "cannot be used by a forked process" in in_child(lambda: translate(translator))


def test_several_processes_convert_once(model, tmp_path):
    place = tmp_path / "nllb-ct2-int8"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=convert.converted_folder, args=(model, place, "int8")) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(600)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sorted(os.listdir(tmp_path)) == ["nllb", "nllb-ct2-int8"]


def test_it_can_be_pickled(ready):
    translator = CTranslate2(str(ready), compute_type="float32")
    expected = translate(translator)
    assert translate(pickle.loads(pickle.dumps(translator))) == expected
