import json

import langcodes
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp

from spacy_xproj import languages
from spacy_xproj.codes import MEANT, language_name, macro_language, normalize_code, parse
from spacy_xproj.errors import XprojError
from spacy_xproj.languages import blank, resolve, spacy_lang
from tests.conftest import CONFIGS

NLLB = pytest.importorskip("transformers.models.nllb.tokenization_nllb").FAIRSEQ_LANGUAGE_CODES
M2M100 = pytest.importorskip("transformers.models.m2m_100.tokenization_m2m_100").FAIRSEQ_LANGUAGE_CODES["m2m100"]
OPUS = ["por", "pt_br", "pt_PT", "cmn_Hans", "cmn_Hant", "srp_Cyrl", "srp_Latn", "kaz_Latn", "kaz_Cyrl", "fr_FR", "taq"]
MADLAD = ["en", "es", "iw", "fil", "zh", "zh_Latn", "ru", "ru_Latn", "no", "kmr", "ckb", "mni_Mtei", "jv", "sr"]


@pytest.mark.parametrize("language, macro", MEANT.items())
def test_our_table_says_only_what_langcodes_does_not(language, macro):
    assert langcodes.Language.get(language).prefer_macrolanguage().language != macro == macro_language(language)


@pytest.mark.parametrize(
    "codes",
    ["es spa", "lg lug", "ar ara arb", "ku kur kmr", "el ell gre", "no nor nob nb", "ro ron rum mo", "id ind in",
     "tl tgl fil", "lv lav lvs", "qu que quy", "nso ns", "sh hbs", "ms msa may zsm zlm", "ja jpn", "ff ful fuv"],
)  # fmt: skip
def test_all_codes_of_a_language_are_one(codes):
    assert len({macro_language(code) for code in codes.split()}) == 1


@pytest.mark.parametrize("one, other", [("tw", "ak"), ("prs", "fa"), ("sh", "sr"), ("arz", "ar"), ("nn", "no")])
def test_languages_that_models_keep_apart(one, other):
    assert macro_language(one) != macro_language(other)


@pytest.mark.parametrize("code", ["", "mul", "roa", "ROMANCE", "zle", "qaa", "123", "spanish"])
def test_what_is_no_language_has_no_name(code):
    assert language_name(code) == ""


def test_every_language_of_nllb_and_m2m100_has_a_name():
    assert not [code for code in [*NLLB, *M2M100] if not language_name(code)]


def test_two_letter_codes_of_m2m100_are_found_in_nllb():
    lost = set()
    for code in M2M100:
        try:
            assert resolve(code, NLLB, "NLLB") in NLLB
        except XprojError:
            lost.add(code)
    assert lost == {"br", "fy"}  # which NLLB-200 does not have


def test_the_codes_of_nllb_are_found_in_m2m100_and_back():
    pairs = {
        code: resolve(resolve(code, NLLB, "NLLB"), M2M100, "M2M100") for code in M2M100 if code not in ("br", "fy")
    }
    assert all(code == back for code, back in pairs.items())


def test_codes_without_script():
    """Each language of NLLB is found by its three letters, in one of its scripts."""
    for code in NLLB:
        if not code.startswith("taq"):
            assert resolve(parse(code).language, NLLB, "NLLB").split("_")[0] == code.split("_")[0]


@pytest.mark.parametrize(
    "lang, code",
    [
        ("es", "spa_Latn"), ("spa", "spa_Latn"), ("spa_Latn", "spa_Latn"), ("es-MX", "spa_Latn"), ("ES", "spa_Latn"),
        ("zh", "zho_Hans"), ("zh-Hant", "zho_Hant"), ("zh_TW", "zho_Hant"), ("zh-CN", "zho_Hans"), ("cmn", "zho_Hans"),
        ("sr", "srp_Cyrl"), ("pt-BR", "por_Latn"), ("tsn", "tsn_Latn"), ("tn", "tsn_Latn"), ("lg", "lug_Latn"),
        ("ar", "arb_Arab"), ("arz", "arz_Arab"), ("no", "nob_Latn"), ("nb", "nob_Latn"), ("nn", "nno_Latn"),
        ("fa", "pes_Arab"), ("et", "est_Latn"), ("lv", "lvs_Latn"), ("ms", "zsm_Latn"), ("sw", "swh_Latn"),
        ("az", "azj_Latn"), ("azb", "azb_Arab"), ("uz", "uzn_Latn"), ("mn", "khk_Cyrl"), ("ne", "npi_Deva"),
        ("or", "ory_Orya"), ("ps", "pbt_Arab"), ("yi", "ydd_Hebr"), ("ku", "kmr_Latn"), ("ckb", "ckb_Arab"),
        ("sq", "als_Latn"), ("mg", "plt_Latn"), ("ks", "kas_Arab"), ("ks-Deva", "kas_Deva"), ("taq_Tfng", "taq_Tfng"),
        ("iw", "heb_Hebr"), ("fil", "tgl_Latn"), ("nso", "nso_Latn"), ("om", "gaz_Latn"), ("ff", "fuv_Latn"),
    ],
)  # fmt: skip
def test_codes_of_nllb(lang, code):
    assert resolve(lang, NLLB, "NLLB") == code


@pytest.mark.parametrize(
    "lang, code",
    [("spa_Latn", "es"), ("zho_Hans", "zh"), ("zh-Hant", "zh"), ("nob", "no"), ("nso", "ns"), ("arb_Arab", "ar")],
)
def test_codes_of_m2m100(lang, code):
    assert resolve(lang, M2M100, "M2M100") == code


@pytest.mark.parametrize(
    "lang, code",
    [
        ("pt", "por"), ("pt-BR", "pt_br"), ("pt-PT", "pt_PT"), ("zh", "cmn_Hans"), ("zh-TW", "cmn_Hant"),
        ("sr", "srp_Cyrl"), ("sr-Latn", "srp_Latn"), ("kk", "kaz_Cyrl"), ("fr", "fr_FR"), ("taq_Tfng", "taq"),
    ],
)  # fmt: skip
def test_codes_of_opus_mt(lang, code):
    assert resolve(lang, OPUS, "OPUS-MT") == code


@pytest.mark.parametrize(
    "lang, code",
    [
        ("he", "iw"),
        ("tl", "fil"),
        ("ru", "ru"),
        ("rus_Cyrl", "ru"),
        ("zh-Latn", "zh_Latn"),
        ("ku", "kmr"),
        ("nb", "no"),
    ],
)
def test_codes_of_madlad(lang, code):
    assert resolve(lang, MADLAD, "MADLAD") == code


def test_several_scripts_of_which_none_is_usual():
    with pytest.raises(XprojError, match=r"NLLB knows .*'taq_Latn' \(Tamasheq\), 'taq_Tfng' .* Say which"):
        resolve("taq", NLLB, "NLLB")
    with pytest.raises(XprojError, match=r"'pt_BR'.*'pt_PT'"):
        resolve("pt", ["pt_BR", "pt_PT"], "X")


def test_another_script():
    with pytest.raises(XprojError, match=r"NLLB does not know 'sr-Latn' in that script.*'srp_Cyrl' \(Serbian\)"):
        resolve("sr-Latn", NLLB, "NLLB")


@pytest.mark.parametrize("lang, near", [("spanish", "spa_Latn"), ("sp", "spa_Latn"), ("spz_Latn", "spa_Latn")])
def test_unknown_languages(lang, near):
    with pytest.raises(XprojError, match=f"NLLB does not know the language '{lang}'.*nearest of its 202.*'{near}'"):
        resolve(lang, NLLB, "NLLB")


def test_unknown_languages_of_a_small_model_and_those_that_resemble_none():
    with pytest.raises(XprojError, match=r"'de' \(German\)\. It knows 'en' \(English\), 'es' \(Spanish\)"):
        resolve("de", ["es", "en"], "X")
    with pytest.raises(XprojError, match=r"'br' \(Breton\)\. It knows 202 others, such as 'ace_Arab'"):
        resolve("br", NLLB, "NLLB")


def test_parts_of_codes():
    assert parse("zh_hant_tw") == ("zh", "Hant", "TW")
    assert parse("pt-BR") == ("pt", "", "BR")
    assert parse("es-419") == ("es", "", "419")
    assert parse("zh-HK").script == "Hant"


def test_scripts_without_spaces_are_split_where_their_tokenizer_is_missing(monkeypatch):
    make = spacy.blank

    def broken(lang):
        if lang == "th":
            raise ImportError("no tokenizer")
        return make(lang)

    monkeypatch.setattr(spacy, "blank", broken)
    languages._warned.discard("th")
    with pytest.warns(UserWarning, match="each character is one"):
        nlp = languages.blank("th")
    text = "IBM \u0e21\u0e32\u0e19\u0e35, ok"
    assert [t.text for t in nlp(text)] == ["IBM", "\u0e21", "\u0e32", "\u0e19\u0e35", ",", "ok"]
    again = make("xx").from_bytes(nlp.to_bytes())
    assert [t.text for t in again(text)] == [t.text for t in nlp(text)]


@pytest.mark.parametrize(
    "codes, normal",
    [
        ("lg lug LUG lug_Latn lug-Latn", "lg"), ("es spa spa_Latn ES", "es"), ("zh zho cmn zho_Hans zh-Hans", "zh"),
        ("zh-TW zh_tw zh-Hant-TW zho_Hant_tw", "zh-Hant-TW"), ("zh_Hant zho_Hant", "zh-Hant"), ("zh-CN", "zh-CN"),
        ("pt-BR pt_br por_BR pt-Latn-BR", "pt-BR"), ("nb nob no nor", "nb"), ("tl fil tgl", "tl"), ("iw he heb", "he"),
        ("ar ara arb arb_Arab", "ar"), ("sr-Latn srp_Latn", "sr-Latn"), ("ku kur kmr", "kmr"), ("nso ns", "nso"),
        ("pcm", "pcm"), ("qaz", "qaz"), ("xx mul", "xx"), ("es-419", "es-419"),
    ],
)  # fmt: skip
def test_one_spelling_of_a_code(codes, normal):
    assert {normalize_code(code) for code in codes.split()} == {normal} == {normalize_code(normal)}


@pytest.mark.parametrize("codes", [NLLB, M2M100, MADLAD], ids=["NLLB", "M2M100", "MADLAD"])
def test_models_know_their_languages_by_the_usual_code(codes):
    assert [code for code in codes if resolve(normalize_code(code), codes, "model") != code] == []


@pytest.mark.parametrize(
    "code", ["", "e", "zzz", "zz", "spanish", "en_core_web_sm", "en-Core", "zh-yue", "e n", 5, None]
)
def test_what_is_no_code(code):
    with pytest.raises(XprojError, match="Expected a language code"):
        normalize_code(code)


@pytest.mark.filterwarnings("ignore:spaCy cannot make")
@pytest.mark.parametrize(
    "code, taken",
    [("lug", "lg"), ("pt_BR", "pt"), ("nor", "nb"), ("fil", "tl"), ("kur", "kmr"), ("pcm", "xx"), ("qaz", "xx")],
)
def test_the_code_that_spacy_takes(code, taken):
    assert spacy_lang(code) == taken == spacy.blank(taken).lang


@pytest.mark.parametrize("lang, split", [("lg", 1), ("lo", 3)])
def test_a_bare_training_run_knows_its_language(lang, split, tmp_path):
    """As `spacy train --nlp.lang xx` makes a pipeline, with the callback in the config. What it saves needs none."""
    doc = blank("en")("ລາວ is here")
    doc.set_ents([doc[0:1]])
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    paths = {"paths.train": str(tmp_path / "a.spacy"), "paths.dev": str(tmp_path / "a.spacy"), "nlp.lang": "xx"}
    text = (CONFIGS / "ner_cpu.cfg").read_text(encoding="utf-8")
    callback = f'\n[initialize]\n\n[initialize.before_init]\n@callbacks = "spacy_xproj.language.v1"\nlang = "{lang}"\n'
    (tmp_path / "ner.cfg").write_text(text + callback, encoding="utf-8")
    nlp = init_nlp(spacy.util.load_config(tmp_path / "ner.cfg", overrides=paths, interpolate=False))
    nlp.to_disk(tmp_path / "model")
    assert json.loads((tmp_path / "model/meta.json").read_text())["xproj_lang"] == lang
    assert "spacy_xproj.language" not in (tmp_path / "model/config.cfg").read_text()
    assert len(spacy.load(tmp_path / "model")("ລາວ")) == split


def test_a_language_of_another_class():
    callback = languages.make_language("lug")
    assert "xproj_lang" not in callback(spacy.blank("lg")).meta
    assert callback(spacy.blank("xx")).meta["xproj_lang"] == "lg"
    with pytest.raises(XprojError, match=r"a pipeline for 'es' is not for 'lg'\. Give --nlp\.lang lg\."):
        callback(spacy.blank("es"))
    with pytest.raises(XprojError, match="Expected a language code"):
        languages.make_language("spanish")
