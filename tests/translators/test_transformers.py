import json
import os
import pickle
import shutil
import warnings

import pytest
import spacy
from thinc.api import Config, ConfigValidationError

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.models.batches import token_batches
from spacy_xproj.registry import registry
from spacy_xproj.translators.memory import Memory
from spacy_xproj.translators.transformers import TransformersTranslator
from tests.translators.tiny_models import MAKERS, SENTENCES, tiny_m2m100, tiny_marian, tiny_nllb

torch = pytest.importorskip("torch")
pytest.importorskip("sentencepiece")
pytest.importorskip("sacremoses")
pytestmark = pytest.mark.filterwarnings("ignore:.*(have a translation|were cut)")
TEXTS = [SENTENCES[1], "The dog", "", SENTENCES[0], " \n", "The dog", "Rome.", SENTENCES[5]]
CONFIG = (
    '[translator]\n@xproj_translators = "spacy_xproj.Transformers.v1"\nmodel = "{}"\ndevice = "cpu"\nnum_beams = 1\n'
)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {name: make(root / name, end=2.0) for name, make in MAKERS.items()}


def greedy(folder, **settings):
    return TransformersTranslator(str(folder), **{"device": "cpu", "num_beams": 1, **settings})


def texts_of(translations):
    return [t.text for t in translations]


def by_hand(folder, name, text):
    """What the documentation of each model does."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder)
    forced = {}
    if name == "nllb":
        tokenizer.src_lang = "eng_Latn"
        forced = {"forced_bos_token_id": tokenizer.convert_tokens_to_ids("spa_Latn")}
    elif name == "m2m100":
        tokenizer.src_lang = "en"
        forced = {"forced_bos_token_id": tokenizer.get_lang_id("es")}
    elif name == "t5":
        text = f"<2es> {text}"
    inputs = tokenizer(text, return_tensors="pt")
    limit = min(2 * inputs["input_ids"].shape[1] + 32, 62)
    limit += name == "marian"  # which is made to end at its limit, by a token that counts
    output = model.generate(**inputs, num_beams=1, do_sample=False, max_new_tokens=limit, **forced)
    return tokenizer.batch_decode(output, skip_special_tokens=True)[0].strip()


@pytest.mark.parametrize("name", MAKERS)
def test_it_gives_what_a_plain_loop_gives(folders, name):
    found = texts_of(greedy(folders[name])(TEXTS, "en", "es"))
    assert found == [by_hand(folders[name], name, text) if text.strip() else "" for text in TEXTS]
    assert len(set(found)) > 2


def test_it_is_made_by_a_config(folders):
    made = registry.resolve(Config().from_str(CONFIG.format(folders["nllb"])))["translator"]
    assert made(TEXTS, "en", "es") == greedy(folders["nllb"])(TEXTS, "en", "es")
    with pytest.raises(ConfigValidationError, match=r"num_beams"):
        registry.resolve(Config().from_str(CONFIG.format(folders["nllb"]).replace("= 1", '= "many"')))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("beams", [1, 3])
def test_batches_do_not_change_the_output(folders, name, beams):
    """The weights are random, so no two tokens are as likely as each other, and rounding cannot turn them round."""
    whole = greedy(folders[name], num_beams=beams, batch_tokens=10_000)(TEXTS, "en", "es")
    assert whole == greedy(folders[name], num_beams=beams, batch_tokens=1)(TEXTS, "en", "es")
    assert whole[::-1] == greedy(folders[name], num_beams=beams, batch_tokens=60)(TEXTS[::-1], "en", "es")
    assert [t.spans for t in whole] == [None] * len(TEXTS)


def test_batches_by_tokens():
    assert token_batches([], 100) == []
    assert token_batches([20, 50, 20, 200, 30], 100) == [[3], [1, 4], [0, 2]]
    assert token_batches([1, 1, 1, 1, 1], 64) == [[0, 1, 2, 3], [4]]  # each counts as 16


def test_the_target_language_counts(folders):
    made = greedy(folders["nllb"])
    assert made(["The dog"], "en", "es") == made(["The dog"], "eng_Latn", "spa_Latn")
    assert len({made([SENTENCES[5]], "en", lang)[0].text for lang in ("es", "de", "sr", "tsn", "zh-Hant")}) > 1


def test_nothing_to_translate_needs_no_model(folders, monkeypatch):
    made = greedy(folders["nllb"])
    monkeypatch.setattr(type(made), "load", None)
    assert texts_of(made(["", " \t"], "en", "es")) == ["", ""] and made([], "en", "es") == []


def test_a_text_that_is_not_valid_unicode_does_not_lose_the_others(folders):
    made = greedy(folders["nllb"])
    assert made(["The dog", "a \ud800 b"], "en", "es") == made(["The dog", "a ? b"], "en", "es")


def test_no_repeat_ngram_size(folders):
    made = greedy(folders["m2m100"], no_repeat_ngram_size=1)
    loaded = made.load()
    (ids,) = made.generate(loaded, loaded.family.source_ids(["The dog"], "en", "es"), [30], "es")
    assert len(set(ids)) == len(ids)


def test_the_key_is_that_of_the_model_and_the_settings(folders, tmp_path):
    made = greedy(folders["nllb"])
    shutil.copytree(folders["nllb"], tmp_path / "copy")
    assert made.key == greedy(tmp_path / "copy", batch_tokens=7).key
    others = [
        greedy(folders["m2m100"]),
        greedy(folders["nllb"], num_beams=2),
        greedy(folders["nllb"], dtype="bfloat16"),
        greedy(folders["nllb"], length_factor=3.0),
        greedy(folders["nllb"], no_repeat_ngram_size=3),
        greedy(tiny_nllb(tmp_path / "seed", seed=1)),
    ]
    assert len({made.key, *(other.key for other in others)}) == 7
    config = tmp_path / "copy/generation_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "length_penalty": 2.0}))
    assert greedy(tmp_path / "copy").key != made.key
    assert made.provenance == greedy(folders["nllb"]).provenance
    assert "m2m_100, 1 beams, float32" in made.provenance and str(tmp_path.parent) not in made.provenance


def test_dtypes(folders):
    for dtype in ("float32", "bfloat16"):
        made = greedy(folders["nllb"], dtype=dtype)
        made(["The dog"], "en", "es")
        assert made.load()[1].dtype == getattr(torch, dtype)
    with pytest.raises(XprojError, match=r"dtype must be one of auto, .*not 'int8'"):
        greedy(folders["nllb"], dtype="int8")


def test_settings_out_of_range(folders):
    for name in ("num_beams", "batch_tokens"):
        with pytest.raises(XprojError, match=f"{name} must be at least 1, not 0"):
            greedy(folders["nllb"], **{name: 0})


def test_devices(folders):
    with pytest.raises(XprojError, match=r"expected the device 'auto', .*got 'gpu'"):
        greedy(folders["nllb"], device="gpu")
    made = greedy(folders["nllb"], device="cuda:99")
    with pytest.raises(XprojError, match=r"device 'cuda:99' is not there: torch .* sees .* of the kind 'cuda'"):
        made(["The dog"], "en", "es")


def test_folders_that_are_none(folders, tmp_path):
    for model in (str(tmp_path / "nothing"), "facebook/nllb-200-distilled-600M"):
        with pytest.raises(XprojError, match=f"{model}: .* there is no such folder"):
            TransformersTranslator(model)
    with pytest.raises(XprojError, match="cannot read the model's config"):
        TransformersTranslator(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(XprojError, match=r"of the type 'bert', which is not a translation model"):
        TransformersTranslator(str(tmp_path))
    shutil.copy(folders["nllb"] / "config.json", tmp_path)
    with pytest.raises(XprojError, match="found no weights in safetensors"):
        TransformersTranslator(str(tmp_path))


def test_weights_that_are_pickles_are_refused(folders, tmp_path):
    shutil.copytree(folders["nllb"], tmp_path / "model")
    (tmp_path / "model/model.safetensors").unlink()
    (tmp_path / "model/pytorch_model.bin").write_bytes(b"")
    with pytest.raises(XprojError, match="Other files of weights can run any code"):
        TransformersTranslator(str(tmp_path / "model"))


def test_weights_that_cannot_be_loaded(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(folders["nllb"], tmp_path / "model")
    path = tmp_path / "model/model.safetensors"
    tensors = load_file(path)
    save_file({k: v for k, v in tensors.items() if "fc1" not in k}, path, metadata={"format": "pt"})
    with pytest.raises(XprojError, match=r"lacks 4 of its weights, such as 'model\.decoder\.layers\.0\.fc1\.bias'"):
        greedy(tmp_path / "model")(["The dog"], "en", "es")
    path.write_bytes(b"no")
    with pytest.raises(XprojError, match=r"cannot be loaded on 'cpu' as float32"):
        greedy(tmp_path / "model")(["The dog"], "en", "es")


def test_a_name_on_the_hub_is_fetched_if_asked_for_only(folders, monkeypatch):
    import huggingface_hub

    asked = []

    def fetch(name, allow_patterns):
        asked.append((name, allow_patterns))
        if name != "some/model":
            raise OSError("no such repository")
        return str(folders["nllb"])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    made = greedy("some/model", download=True)
    assert len(asked) == 1
    assert made(["The dog"], "en", "es") == greedy(folders["nllb"])(["The dog"], "en", "es")
    assert [name for name, _ in asked] == ["some/model"] and "*.safetensors" in asked[0][1]
    with pytest.raises(XprojError, match=r"cannot fetch the model 'other/model'"):
        greedy("other/model", download=True)
    greedy(folders["nllb"], download=True)(["The dog"], "en", "es")
    assert len(asked) == 2


def test_unknown_languages(folders):
    with pytest.raises(XprojError, match=r"with the model 'nllb' does not know the language 'spanish'.*'spa_Latn'"):
        greedy(folders["nllb"])(["The dog"], "en", "spanish")


def test_long_texts_are_cut_with_a_warning(folders):
    made = greedy(folders["nllb"])
    long = "The dog is big. " * 20
    with pytest.warns(UserWarning, match=r"1 of 2 texts are longer than the 64 tokens of .*; first: 'The dog is big"):
        found = made([long, "The dog", long], "en", "es")
    assert found[0] == found[2] and found[1] == made(["The dog"], "en", "es")[0]


def test_cut_off_and_looping_translations_are_warned_of(folders, tmp_path):
    made = greedy(tiny_m2m100(tmp_path / "never", end=0.0))
    texts = ["The dog", "Rome is big", SENTENCES[0]]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made(texts, "en", "es")
    said = [str(w.message) for w in caught]
    assert [s for s in said if s.startswith("3 of 3 texts have a translation as long as spacy_xproj.Transformers.v1")]
    monkey = greedy(folders["marian"])
    monkey.generate = lambda loaded, sources, limits, lang: [loaded.family.target_ids(["la casa " * 9], lang)[0]]
    with pytest.warns(UserWarning, match=r"1 of 1 texts have a translation by .* that repeats itself"):
        monkey(["The dog"], "en", "es")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkey(["the house " * 9], "en", "es")  # as the source does


def test_a_translation_that_ends_by_itself_is_not_warned_of(tmp_path, no_warnings):
    made = greedy(tiny_nllb(tmp_path / "short", end=9.0))
    loaded = made.load()
    (ids,) = made.generate(loaded, loaded.family.source_ids(["The dog"], "en", "es"), [40], "es")
    assert len(ids) < 40
    made(["The dog"], "en", "es")


def score_by_hand(folder, source, target, name):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder)
    if name == "nllb":
        tokenizer.src_lang, prefix = "eng_Latn", [tokenizer.convert_tokens_to_ids("spa_Latn")]
        pieces = tokenizer(target, add_special_tokens=False)["input_ids"]
    elif name == "marian":
        prefix, pieces = [], tokenizer(text_target=target, add_special_tokens=False)["input_ids"]
    else:
        source, prefix = f"<2es> {source}", []
        pieces = tokenizer(target, add_special_tokens=False)["input_ids"]
    read = [model.config.decoder_start_token_id, *prefix]
    total = 0.0
    for wanted in [*pieces, tokenizer.eos_token_id]:
        with torch.no_grad():
            inputs = tokenizer(source, return_tensors="pt")
            logits = model(**inputs, decoder_input_ids=torch.tensor([read]), use_cache=False).logits
        total += float(torch.log_softmax(logits[0, -1].double(), dim=0)[wanted])
        read.append(wanted)
    return total, len(pieces) + 1


@pytest.mark.parametrize("name", ["nllb", "marian", "t5"])
def test_score_is_the_sum_that_a_loop_gives(folders, name):
    sources = ["The dog", SENTENCES[1], "The dog", "Rome."]
    targets = ["El perro", SENTENCES[3], SENTENCES[2], ""]
    made = greedy(folders[name])
    found = made.score(sources, targets, "en", "es")
    wanted = [score_by_hand(folders[name], s, t, name) for s, t in zip(sources, targets)]
    assert [n for _, n in found] == [n for _, n in wanted]
    assert [s for s, _ in found] == pytest.approx([s for s, _ in wanted], rel=1e-5)
    alone = greedy(folders[name], batch_tokens=1).score(sources, targets, "en", "es")
    assert [s for s, _ in alone] == pytest.approx([s for s, _ in found], rel=1e-5)


def test_score_of_texts_that_do_not_fit(folders):
    made = greedy(folders["nllb"])
    assert made.score([], [], "en", "es") == []
    with pytest.raises(XprojError, match=r"got 2 sources and 1 targets"):
        made.score(["a", "b"], ["a"], "en", "es")
    with pytest.warns(UserWarning, match=r"1 of 1 texts are targets of more than the 62 tokens"):
        ((_, n),) = made.score(["The dog"], ["perro " * 100], "en", "es")
    assert n == 63


@pytest.mark.parametrize("name", MAKERS)
def test_to_disk_and_from_disk_elsewhere(folders, name, tmp_path):
    shutil.copytree(folders[name], tmp_path / "first")
    before = greedy(tmp_path / "first")
    wanted = before(TEXTS, "en", "es"), before.key, before.provenance
    before.to_disk(tmp_path / "saved")
    before.to_disk(tmp_path / "first")  # its own folder
    shutil.move(tmp_path / "saved", tmp_path / "moved")
    shutil.rmtree(tmp_path / "first")
    after = TransformersTranslator("", device="cpu", num_beams=1)
    with pytest.raises(XprojError, match=r"has no model. Set 'model'"):
        after(["The dog"], "en", "es")
    assert after.from_disk(tmp_path / "moved") is after
    assert (after(TEXTS, "en", "es"), after.key, after.provenance) == wanted
    with pytest.raises(XprojError, match="too large for bytes"):
        after.to_bytes()
    empty = TransformersTranslator()
    assert TransformersTranslator().from_bytes(empty.to_bytes()).provenance == empty.provenance


def test_to_disk_does_not_mix_models(folders, tmp_path):
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"another model"):
        greedy(folders["nllb"]).to_disk(tmp_path)


def test_the_folder_is_not_changed(folders):
    def stamps():
        return {p.name: (p.stat().st_mtime_ns, p.stat().st_size) for p in folders["t5"].iterdir()}

    before = stamps()
    greedy(folders["t5"])(["The dog"], "en", "es")
    assert stamps() == before


def test_a_memory_in_front_asks_once(folders):
    made = greedy(folders["nllb"])
    memory = Memory("", made)
    calls = []
    generate = made.generate
    made.generate = lambda loaded, sources, *rest: calls.append(len(sources)) or generate(loaded, sources, *rest)
    first = memory(["The dog", "Rome.", "The dog"], "en", "es")
    assert memory(["Rome.", "The dog"], "en", "es") == [first[1], first[0]]
    assert sum(calls) == 2 and memory.key == made.key


def test_pickling_leaves_the_weights_behind(folders):
    made = greedy(folders["nllb"])
    found = made(["The dog"], "en", "es")
    data = pickle.dumps(made)
    assert len(data) < 10_000
    assert pickle.loads(data)(["The dog"], "en", "es") == found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_several_processes(folders):
    from spacy.language import Language

    made = greedy(folders["marian"])

    @Language.component("test_translate_each")
    def translate_each(doc):
        doc.user_data["translation"] = made([doc.text], "en", "es")[0].text
        return doc

    nlp = spacy.blank("en")
    nlp.add_pipe("test_translate_each")
    texts = ["The dog", "Rome.", SENTENCES[0], "Ana"]
    for _ in range(2):  # before and after the parent used it
        found = [doc.user_data["translation"] for doc in nlp.pipe(texts, n_process=2, batch_size=2)]
        assert found == texts_of(made(texts, "en", "es"))


def test_a_forked_process_refuses_a_model_on_a_gpu(folders, monkeypatch):
    made = greedy(folders["marian"])
    made(["The dog"], "en", "es")

    class OnGpu:
        device = torch.device("cuda:0")

    monkeypatch.setattr(made, "_loaded", made._loaded._replace(model=OnGpu()))
    monkeypatch.setattr(made, "_pid", -1)
    with pytest.raises(XprojError, match=r"cannot be used by a forked process"):
        made(["Rome."], "en", "es")


def test_several_target_languages_of_marian(tmp_path):
    made = greedy(tiny_marian(tmp_path / "many", languages=["spa", "deu"], target_lang="mul"))
    assert made(["The dog"], "en", "es") == made(["The dog"], "en", "spa")
    assert len({made([text], "en", "es")[0] == made([text], "en", "de")[0] for text in SENTENCES}) == 2
