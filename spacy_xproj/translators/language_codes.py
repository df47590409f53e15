"""Codes of languages: what a translation model calls the language that is asked for.

Models name languages in different ways: NLLB-200 "spa_Latn" (ISO 639-3 and a script), M2M100 "es", MADLAD-400 "es" and
"zh_Hant", OPUS-MT "spa", "pt_BR" and "cmn_Hans". `resolve` finds the code among those that a model knows.
"""

import difflib
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ..errors import XprojError

# An English name, and all codes of the language: ISO 639-1, 639-3, 639-2/B, the old ones, and of a macro-language that
# member which models mean by it (Standard Arabic, Northern Kurdish, North Azerbaijani ...).
TABLE = """
Abkhazian ab abk; Acehnese ace; Afar aa aar; Afrikaans af afr; Akan ak aka; Albanian sq sqi alb als; Amharic am amh;
Arabic ar ara arb; Mesopotamian Arabic acm; Ta'izzi-Adeni Arabic acq; Tunisian Arabic aeb; South Levantine Arabic ajp;
North Levantine Arabic apc; Najdi Arabic ars; Moroccan Arabic ary; Egyptian Arabic arz; Aragonese an arg;
Armenian hy hye arm; Assamese as asm; Asturian ast; Avaric av ava; Avestan ae ave; Awadhi awa; Aymara ay aym ayr;
Azerbaijani az aze azj; South Azerbaijani azb; Balinese ban; Bambara bm bam; Banjar bjn; Bashkir ba bak;
Basque eu eus baq; Belarusian be bel; Bemba bem; Bengali bn ben; Bhojpuri bho; Bislama bi bis; Bosnian bs bos;
Breton br bre; Buginese bug; Bulgarian bg bul; Burmese my mya bur; Cantonese yue; Catalan ca cat; Cebuano ceb;
Chamorro ch cha; Chechen ce che; Chhattisgarhi hne; Chinese zh zho chi cmn; Chokwe cjk; Church Slavonic cu chu;
Chuvash cv chv; Cornish kw cor; Corsican co cos; Cree cr cre; Crimean Tatar crh; Croatian hr hrv; Czech cs ces cze;
Danish da dan; Dari prs; Dhivehi dv div; Dinka din dik; Dutch nl nld dut; Dyula dyu; Dzongkha dz dzo; English en eng;
Esperanto eo epo; Estonian et est ekk; Ewe ee ewe; Faroese fo fao; Fijian fj fij; Filipino tl tgl fil; Finnish fi fin;
Fon fon; French fr fra fre; Friulian fur; Fulah ff ful fuv; Galician gl glg; Ganda lg lug; Georgian ka kat geo;
German de deu ger; Greek el ell gre; Guarani gn grn gug; Gujarati gu guj; Haitian Creole ht hat; Hausa ha hau;
Hebrew he heb iw; Herero hz her; Hindi hi hin; Hiri Motu ho hmo; Hungarian hu hun; Icelandic is isl ice; Ido io ido;
Igbo ig ibo; Iloko ilo; Indonesian id ind in; Interlingua ia ina; Interlingue ie ile; Inuktitut iu iku ike;
Inupiaq ik ipk; Irish ga gle; Italian it ita; Japanese ja jpn; Javanese jv jav jw; Jingpho kac; Kabiye kbp;
Kabuverdianu kea; Kabyle kab; Kalaallisut kl kal; Kamba kam; Kannada kn kan; Kanuri kr kau knc; Kashmiri ks kas;
Kazakh kk kaz; Khmer km khm; Kikuyu ki kik; Kimbundu kmb; Kinyarwanda rw kin; Komi kv kom kpv; Kongo kg kon kwy;
Korean ko kor; Kuanyama kj kua; Kurdish ku kur kmr; Central Kurdish ckb; Kyrgyz ky kir; Lao lo lao; Latgalian ltg;
Latin la lat; Latvian lv lav lvs; Ligurian lij; Limburgish li lim; Lingala ln lin; Lithuanian lt lit; Lombard lmo;
Luba-Katanga lu lub; Luba-Kasai lua; Luo luo; Luxembourgish lb ltz; Macedonian mk mkd mac; Magahi mag; Maithili mai;
Malagasy mg mlg plt; Malay ms msa may zsm zlm; Malayalam ml mal; Maltese mt mlt; Manipuri mni; Manx gv glv;
Maori mi mri mao; Marathi mr mar; Marshallese mh mah; Minangkabau min; Mizo lus; Mongolian mn mon khk; Mossi mos;
Nauru na nau; Navajo nv nav; Ndonga ng ndo; Nepali ne nep npi; North Ndebele nd nde; Northern Sami se sme;
Northern Sotho nso ns; Norwegian no nor nob nb; Norwegian Nynorsk nn nno; Nuer nus; Nyanja ny nya; Occitan oc oci;
Odia or ori ory; Ojibwa oj oji; Oromo om orm gaz; Ossetian os oss; Pali pi pli; Pangasinan pag; Papiamento pap;
Pashto ps pus pbt; Persian fa fas per pes; Polish pl pol; Portuguese pt por; Punjabi pa pan; Quechua qu que quy;
Romanian ro ron rum mo; Romansh rm roh; Rundi rn run; Russian ru rus; Samoan sm smo; Sango sg sag; Sanskrit sa san;
Santali sat; Sardinian sc srd; Scottish Gaelic gd gla; Serbian sr srp; Serbo-Croatian sh hbs; Shan shn; Shona sn sna;
Sichuan Yi ii iii; Sicilian scn; Silesian szl; Sindhi sd snd; Sinhala si sin; Slovak sk slk slo; Slovenian sl slv;
Somali so som; South Ndebele nr nbl; Southern Sotho st sot; Spanish es spa; Sundanese su sun; Swahili sw swa swh;
Swati ss ssw; Swedish sv swe; Tahitian ty tah; Tajik tg tgk; Tamasheq taq; Tamazight tzm; Tamil ta tam; Tatar tt tat;
Telugu te tel; Thai th tha; Tibetan bo bod tib; Tigrinya ti tir; Tok Pisin tpi; Tongan to ton; Tsonga ts tso;
Tswana tn tsn; Tumbuka tum; Turkish tr tur; Turkmen tk tuk; Twi tw twi; Ukrainian uk ukr; Umbundu umb; Urdu ur urd;
Uyghur ug uig; Uzbek uz uzb uzn; Venda ve ven; Venetian vec; Vietnamese vi vie; Volapük vo vol; Walloon wa wln;
Waray war; Welsh cy cym wel; Western Frisian fy fry; Wolof wo wol; Xhosa xh xho; Yiddish yi yid ydd ji; Yoruba yo yor;
Zhuang za zha; Zulu zu zul
"""
# The script that is meant where a language is asked for without one (as in Unicode's likely subtags), for the languages
# that models know in several. Tamasheq, for one, has none that goes without saying.
SCRIPTS = {
    script: set(codes.split())
    for script, codes in {
        "Arab": "ar fa kas snd uig ur ckb",
        "Cyrl": "bel bul kaz kir mkd mon rus srp tat tgk ukr bak chv",
        "Deva": "hin mar nep san",
        "Guru": "pan",
        "Hans": "zho",
        "Hant": "yue",
        "Latn": "ace aze bjn bos hrv kau kur nor tuk uzb vie msa ind jav sun",
    }.items()
}
REGION_SCRIPTS = {"CN": "Hans", "SG": "Hans", "TW": "Hant", "HK": "Hant", "MO": "Hant"}  # of Chinese


class Code(NamedTuple):
    """The parts of a language code, of which the last two may be ""."""

    language: str
    script: str
    region: str


def _table() -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    groups, names = {}, {}
    for entry in TABLE.replace("\n", " ").split(";"):
        words = entry.split()
        codes = tuple(w for w in words[1:] if w.islower())
        for code in codes:
            groups[code] = codes
            names[code] = " ".join(w for w in words if w not in codes)
    return groups, names


GROUPS, NAMES = _table()


def parse(code: str) -> Code:
    """Split a language code into its parts.

    code (str): A code such as "es", "pt-BR", "zh_Hant" or "spa_Latn".
    RETURNS (Code): The parts, in the usual case. Further parts are left out.
    """
    language, *rest = re.split("[-_]", code)
    script = next((part.title() for part in rest if len(part) == 4 and part.isalpha()), "")
    region = next((part.upper() for part in rest if re.fullmatch("[A-Za-z]{2}|[0-9]{3}", part)), "")
    language = language.lower()
    if not script and language in GROUPS["zh"]:
        script = REGION_SCRIPTS.get(region, "")
    return Code(language, script, region)


def language_name(code: str) -> str:
    """The English name of a language, or "" where the code is not that of a language in the table.

    code (str): Any code of it.
    RETURNS (str): The name.
    """
    return NAMES.get(parse(code).language, "")


def resolve(lang: str, known: Collection[str], model: str) -> str:
    """Find a model's own code of a language.

    The code itself, if the model has it; else the code of the same language, by ISO 639-1, 639-2, 639-3 or an older
    standard, a macro-language standing for its main member. Script and region are heeded where the model tells them
    apart. Where the model has several scripts and none was asked for, the usual one is taken ("zh" is zho_Hans).

    lang (str): A language code such as "es", "tsn", "pt-BR", "zh-Hant" or "spa_Latn".
    known (collection of str): The codes of the model.
    model (str): What to call the model in an error.
    RETURNS (str): One of `known`.
    RAISES (XprojError): If the model does not have the language, or only in another script, or in several scripts or
        regions of which none is the usual one. The message lists them, or the nearest ones.
    """
    if lang in known:
        return lang
    asked = parse(lang)
    group = GROUPS.get(asked.language, ())
    parsed = {code: parse(code) for code in sorted(known)}
    script = asked.script or next((s for s, codes in SCRIPTS.items() if codes & set(group)), "")
    same: list[str] = []
    for form in dict.fromkeys((asked.language, *group)):
        own = {code: parts for code, parts in parsed.items() if parts.language == form}
        found = _fitting(own, asked.script, asked.region) or _fitting(own, script, asked.region)
        if found:
            return found
        same += own
    raise XprojError(_which(lang, asked, same, model) if same else _unknown(lang, known, model))


def _fitting(codes: dict[str, Code], script: str, region: str) -> str:
    """That code of one language which fits best, or "" if none or several do."""
    bare = [code for code in codes if not codes[code].script]
    if script:
        fits = [code for code in codes if codes[code].script == script] or bare
    else:
        fits = bare or list(codes)
    for want in (region, ""):
        own = [code for code in fits if codes[code].region == want]
        if len(own) == 1:
            return own[0]
    return fits[0] if len(fits) == 1 else ""


def _named(codes: Iterable[str]) -> str:
    return ", ".join(f"{c!r} ({language_name(c)})" if language_name(c) else repr(c) for c in codes)


def _which(lang: str, asked: Code, codes: list[str], model: str) -> str:
    if asked.script:
        return f"{model} does not know {lang!r} in that script. It knows the language as {_named(codes)}."
    return f"{model} knows the language {lang!r} as {_named(codes)}. Say which one is meant."


def _unknown(lang: str, known: Collection[str], model: str) -> str:
    name = language_name(lang)
    start = f"{model} does not know the language {lang!r}" + (f" ({name})." if name else ".")
    if len(known) <= 12:
        return f"{start} It knows {_named(sorted(known))}."
    words: dict[str, str] = {}  # what somebody may have meant to write, and the model's code for it
    for code in sorted(known):
        language = parse(code).language
        for word in (code, language, *GROUPS.get(language, ()), language_name(code)):
            if word:
                words.setdefault(word.lower(), code)
    # A language that has a name was not misspelt, and those with a similar name have nothing to do with it.
    near = [] if name else [words[w] for w in difflib.get_close_matches(lang.lower(), words, n=5, cutoff=0.6)]
    if near:
        return f"{start} The nearest of its {len(known)} languages: {_named(dict.fromkeys(near))}."
    return f"{start} It knows {len(known)} others, such as {_named(sorted(known)[:5])}."
