import json
import sys

import pytest

from spacy_xproj.errors import XprojError
from spacy_xproj.translators.families import load_family, read_family_config
from tests.translators.tiny_models import MAKERS, SENTENCES, tiny_marian, tiny_nllb, tiny_t5

pytest.importorskip("transformers")
pytest.importorskip("sentencepiece")
pytest.importorskip("sacremoses")
WHO = "test.v1"
EN, ES = SENTENCES[1], SENTENCES[3]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("families")
    made = {name: make(root / name) for name, make in MAKERS.items()}
    made["many"] = tiny_marian(root / "many", languages=["spa", "por", "cmn_Hans", "srp_Latn"], target_lang="mul")
    made["old"] = tiny_t5(root / "old", languages=())
    return made


@pytest.fixture(scope="session")
def families(folders):
    return {name: load_family(folder, WHO) for name, folder in folders.items()}


@pytest.mark.parametrize("name", MAKERS)
def test_what_they_have_in_common(families, name):
    family = families[name]
    assert family.name == name
    assert family.max_length == 64
    family.check("en", "es")
    rows = family.source_ids([EN, "a", EN * 9], "en", "es")
    assert rows[0] != rows[1] and len(rows[2]) > 64
    assert all(row[-1] == family.tokenizer.eos_token_id for row in rows)
    cut = family.cut(rows[2])
    assert (cut[:63], cut[63:], family.cut(rows[1])) == (rows[2][:63], rows[2][-1:], rows[1])
    (target,) = family.target_ids([ES], "es")
    assert not set(target) & set(family.tokenizer.all_special_ids)
    assert family.ids(family.tokens(target, target=True)) == target
    prefix = family.target_prefix("es")
    assert family.decode([prefix + target + [family.tokenizer.eos_token_id], []]) == [ES, ""]
    assert family.source_ids([], "en", "es") == family.target_ids([], "es") == []


@pytest.mark.parametrize("name", ["nllb", "m2m100", "marian"])
def test_special_tokens_in_a_text_are_text(families, name):
    family = families[name]
    (plain,), (special,) = (family.source_ids([text], "en", "es") for text in ("a", "a </s> <pad> b"))
    ends = {family.tokenizer.eos_token_id, family.tokenizer.pad_token_id}
    assert sum(i in ends for i in special) == sum(i in ends for i in plain) == 1


def test_nllb(families):
    family = families["nllb"]
    assert len(family.languages) == 202
    assert family.tokens(family.source_ids([EN], "en", "es")[0])[0] == "eng_Latn"
    assert family.tokens(family.source_ids([EN], "zh", "es")[0])[0] == "zho_Hans"
    assert family.tokens(family.target_prefix("sr")) == ["srp_Cyrl"]
    with pytest.raises(
        XprojError, match=r"test.v1 with the model 'nllb' does not know the language 'spanish'.*spa_Latn"
    ):
        family.check("en", "spanish")


def test_languages_that_were_added_to_nllb(folders, tmp_path):
    from transformers import AutoTokenizer

    folder = tiny_nllb(tmp_path / "more")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["xkx_Latn"]}, replace_additional_special_tokens=False)
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": config["vocab_size"] + 1}))
    family = load_family(folder, WHO)
    assert len(family.languages) == 203
    assert family.tokens(family.target_prefix("xkx")) == ["xkx_Latn"]


def test_m2m100(families):
    family = families["m2m100"]
    assert len(family.languages) == 100
    assert family.tokens(family.source_ids([EN], "eng_Latn", "es")[0])[0] == "__en__"
    assert family.tokens(family.target_prefix("spa_Latn")) == ["__es__"]
    assert family.ids(["__es__"]) == family.target_prefix("es")


def test_marian_with_one_pair(families):
    family = families["marian"]
    assert family.languages == ["en", "es"]
    family.check("eng_Latn", "spa")
    with pytest.raises(XprojError, match=r"as source, does not know .*'de' \(German\)"):
        family.check("de", "es")
    with pytest.raises(XprojError, match=r"as target, does not know .*'de' \(German\)"):
        family.check("en", "de")
    assert family.target_prefix("es") == []
    assert family.source_ids([">>spa<< casa"], "en", "es") != family.source_ids(["casa"], "en", "es")
    assert ">>spa<<" not in family.tokens(family.source_ids([">>spa<< casa"], "en", "es")[0])


def test_marian_with_several_targets(families):
    family = families["many"]
    assert family.languages == ["cmn_Hans", "por", "spa", "srp_Latn"]
    assert family.tokens(family.source_ids([EN], "en", "es")[0])[0] == ">>spa<<"
    assert family.tokens(family.source_ids([EN], "en", "zh")[0])[0] == ">>cmn_Hans<<"
    assert family.source_ids(["casa"], "en", "es")[0][1:] == family.source_ids(["casa"], "en", "pt")[0][1:]
    with pytest.raises(XprojError, match=r"'de' \(German\)\. It knows 'cmn_Hans'"):
        family.check("en", "de")


def test_marian_with_names_of_groups(tmp_path):
    family = load_family(tiny_marian(tmp_path / "m", source_lang="gmw", target_lang="ROMANCE"), WHO)
    assert family.languages is None
    family.check("de", "es")


def test_madlad(families):
    family = families["t5"]
    assert family.languages == ["de", "en", "es", "sr", "zh", "zh_Hant"]
    assert family.tokens(family.source_ids([EN], "en", "spa_Latn")[0])[0] == "<2es>"
    assert family.tokens(family.source_ids([EN], "en", "zh-Hant")[0])[0] == "<2zh_Hant>"
    with pytest.raises(XprojError, match=r"does not know the language 'fr'"):
        family.source_ids([EN], "en", "fr")


def test_the_first_t5(families):
    family = families["old"]
    (ids,) = family.source_ids([EN], "en", "de")
    assert family.tokenizer(f"translate English to German: {EN}")["input_ids"] == ids
    with pytest.raises(XprojError, match=r"does not translate 'de' into 'en', only en-de, en-fr"):
        family.check("de", "en")


def test_t5_that_does_not_translate(tmp_path):
    with pytest.raises(XprojError, match=r"does not say how it is asked for a translation"):
        load_family(tiny_t5(tmp_path / "t5", languages=(), task_specific_params={"x": 1}), WHO)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(XprojError, match=r"nothing/config\.json: test\.v1 cannot read the model's config"):
        read_family_config(tmp_path / "nothing", WHO)
    with pytest.raises(XprojError, match=r"cannot read the model's config .*Give a folder"):
        read_family_config(tmp_path, WHO)
    config = tmp_path / "config.json"
    config.write_text("{")
    with pytest.raises(XprojError, match="cannot read the model's config"):
        read_family_config(tmp_path, WHO)
    for text, kind in (('{"model_type": "bert"}', "'bert'"), ("{}", "None")):
        config.write_text(text)
        with pytest.raises(XprojError, match=f"of the type {kind}, which is not a translation model"):
            read_family_config(tmp_path, WHO)
    config.write_text('{"model_type": "m2m_100"}')
    with pytest.raises(XprojError, match=r"the tokenizer in .* cannot be loaded"):
        load_family(tmp_path, WHO)


@pytest.mark.parametrize("package", ["sentencepiece", "sacremoses"])
def test_missing_packages(folders, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(XprojError, match=rf"test.v1 needs the package '{package}': pip install 'spacy-xproj\[trans"):
        load_family(folders["marian"], WHO)
