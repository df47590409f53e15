"""Language codes: their parts and names, what a model calls a language, and blank pipelines for any of them.

Models name languages in different ways: NLLB-200 "spa_Latn" (ISO 639-3 and a script), M2M100 "es", MADLAD-400 "es" and
"zh_Hant", OPUS-MT "spa", "pt_BR" and "cmn_Hans". The tables are those of `langcodes`: CLDR and the IANA registry.
"""

import difflib
import re
import warnings
from collections.abc import Collection, Iterable
from functools import cache
from typing import NamedTuple

import langcodes
import spacy
from langcodes.data_dicts import LIKELY_SUBTAGS
from langcodes.registry_parser import parse_registry
from spacy.language import Language
from spacy.util import compile_infix_regex

from .errors import XprojError

# What CLDR does not say of codes that translation models use: the language that they mean by the code of one of its
# dialects, and languages that models keep apart from their macro-language.
MEANT = {
    "fuv": "ff", "kwy": "kg", "nb": "no", "nob": "no", "ns": "nso", "pbt": "ps", "quy": "qu", "zlm": "ms",
    "hbs": "sh", "prs": "prs", "sh": "sh", "tw": "tw", "twi": "tw",
}  # fmt: skip
NO_USUAL_SCRIPT = {"taq"}  # models know Tamasheq in two scripts, and neither goes without saying
CODE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]+)*")
# Scripts that put no space between words: Thai, Lao, Tibetan, Myanmar, Khmer, New Tai Lue, Tai Tham, Javanese;
# Chinese and Japanese with their punctuation and full-width forms, but not Hangul.
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u1aaf\u19e0-\u19ff\ua980-\ua9df\uaa60-\uaadf"
    "\u2e80-\u2fdf\u3001-\u3030\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff9f"
    "\U0001b000-\U0001b2ff\U00020000-\U0003ffff"
)
# Vowels, tones and other marks of these scripts, and signs after which a consonant goes below the one before.
MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u0f18\u0f19\u0f35\u0f37\u0f39\u0f71-\u0f84\u0f90-\u0fbc"
    "\u102b-\u103e\u1056-\u1059\u105e-\u1060\u17b4-\u17d3\u3099\u309a\ufe00-\ufe0f"
)
STACKED = "\u1039\u17d2"
_UNSPACED = re.compile(f"[{UNSPACED}]")
UNSPACED_LANGUAGES = {
    "zh",
    "zho",
    "cmn",
    "yue",
    "wuu",
    "lzh",
    "ja",
    "jpn",
    "th",
    "tha",
    "lo",
    "lao",
    "km",
    "khm",
    "my",
    "mya",
}
UNSPACED_LANGUAGES |= {"bo", "bod", "dz", "dzo", "shn", "nod", "khb", "tdd"}
_warned: set[str] = set()


class Code(NamedTuple):
    """The parts of a language code, of which the last two may be ""."""

    language: str
    script: str
    region: str


def parse(code: str) -> Code:
    """Split a language code into its parts.

    code (str): A code such as "es", "pt-BR", "zh_Hant" or "spa_Latn".
    RETURNS (Code): The parts, in the usual case. That of Chinese is also told by the region ("zh-TW" is
        Hant). Further parts are left out.
    """
    language, *rest = re.split("[-_]", code)
    language = language.lower()
    script = next((part.title() for part in rest if len(part) == 4 and part.isalpha()), "")
    region = next((part.upper() for part in rest if re.fullmatch("[A-Za-z]{2}|[0-9]{3}", part)), "")
    if region and not script and macro_language(language) == "zh":
        script = _usual_script(language, region)
    return Code(language, script, region)


def macro_language(language: str) -> str:
    """Return one code for all codes of a language: ISO 639-1, 639-2, 639-3, older ones, and its main dialect's.

    language (str): The language part of a code, such as "es", "spa", "arb" or "iw".
    RETURNS (str): The code, such as "es", "es", "ar" or "he".
    """
    return _standard(language)[1]


@cache
def _standard(language: str) -> tuple[str, str]:
    """The shortest code of a language, and the one of its macro-language. What is no code stays as it is."""
    try:
        found = langcodes.Language.get(language)
    except langcodes.LanguageTagError:
        return language, language
    macro = found.prefer_macrolanguage().language or language
    return found.language or language, MEANT.get(language) or MEANT.get(macro, macro)


def _usual_script(language: str, region: str = "") -> str:
    """The script that is meant where none is said, or "" where CLDR does not know."""
    language = macro_language(language)
    if language in NO_USUAL_SCRIPT:
        return ""
    likely = LIKELY_SUBTAGS.get(f"{language}-{region}") or LIKELY_SUBTAGS.get(language, "")
    return likely.split("-")[1] if likely else ""


@cache
def _names() -> dict[str, str]:
    """The English name of each language in the IANA registry. Groups such as "roa" (Romance languages) have none."""
    return {
        entry["Subtag"]: entry["Description"][0].split(" (")[0]
        for entry in parse_registry()
        if entry["Type"] == "language" and entry.get("Scope") in (None, "macrolanguage")
    }


def language_name(code: str) -> str:
    """Return the English name of a language, or "" if the code is not that of a single language.

    code (str): Any code of it.
    RETURNS (str): The name.
    """
    language = parse(code).language
    return next((_names()[form] for form in (language, *_standard(language)) if form in _names()), "")


def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script that is written without spaces between words."""
    return _UNSPACED.match(char) is not None


def match_level(code: str, wanted: str) -> int:
    """Compare a language code with the one asked for. Case does not count, nor `_` for `-`.

    code (str): The code in a file.
    wanted (str): The code asked for.
    RETURNS (int): 3 for the same code, 2 for a narrower one (`en-GB` for `en`), 1 for another code of the language
        (`eng` for `en`, `zh-CN` for `zh-Hans`, `pt` for `pt-BR`), 0 for any other.
    """
    code, wanted = (c.strip().lower().replace("_", "-") for c in (code, wanted))
    if code == wanted or code.startswith(wanted + "-"):
        return 3 if code == wanted else 2
    here, there = parse(code), parse(wanted)
    same = _standard(here.language)[0] == _standard(there.language)[0]
    return int(same and all(not a or not b or a == b for a, b in zip(here[1:], there[1:])))


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
    language = macro_language(asked.language)
    parsed = {code: parse(code) for code in sorted(known)}
    same = {code: parts for code, parts in parsed.items() if macro_language(parts.language) == language}
    script = asked.script or _usual_script(language)
    for form in sorted({parts.language for parts in same.values()}, key=lambda form: _distance(form, asked.language)):
        own = {code: parts for code, parts in same.items() if parts.language == form}
        found = _best(own, asked.script, asked.region) or _best(own, script, asked.region)
        if found:
            return found
    raise XprojError(_which(lang, asked, same, model) if same else _unknown(lang, known, model))


def _distance(form: str, asked: str) -> tuple[bool, bool, str]:
    """Order the codes of one language: the one asked for, those of the whole language, those of its dialects."""
    standard, macro = _standard(form)
    return form != asked, standard != macro, form


def _best(codes: dict[str, Code], script: str, region: str) -> str:
    """Choose the code with this script and region, or "" if none or several fit."""
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


def _which(lang: str, asked: Code, codes: Iterable[str], model: str) -> str:
    if asked.script:
        return f"{model} does not know {lang!r} in that script. It knows the language as {_named(codes)}."
    return f"{model} knows the language {lang!r} as {_named(codes)}. Say which one is meant."


def _unknown(lang: str, known: Collection[str], model: str) -> str:
    name = language_name(lang)
    start = f"{model} does not know the language {lang!r}" + (f" ({name})." if name else ".")
    if len(known) <= 12:
        return f"{start} It knows {_named(sorted(known))}."
    # What somebody may have meant to write, and the model's code for it. A language that has a name was not misspelt.
    words: dict[str, str] = {}
    for code in [] if name else sorted(known):
        language = parse(code).language
        for word in (code, language, macro_language(language), language_name(code)):
            words.setdefault(word.lower(), code)
    near = [words[word] for word in difflib.get_close_matches(lang.lower(), words, n=5, cutoff=0.6)]
    if near:
        return f"{start} The nearest of its {len(known)} languages: {_named(dict.fromkeys(near))}."
    return f"{start} It knows {len(known)} others, such as {_named(sorted(known)[:5])}."


def blank(lang: str) -> Language:
    """Make a blank pipeline for a language. If spaCy cannot make one, make one of the multi-language class "xx".

    Regions and scripts (the "US" of "en-US") make no difference to the tokenizer. If the language of the pipeline
    differs from `lang`, `nlp.meta["xproj_lang"]` holds `lang`.

    lang (str): A language code such as "en", "tsn" or "zh-Hant".
    RETURNS (Language): The pipeline, with a tokenizer and no components.
    RAISES (XprojError): If this is not a language code.
    """
    if not isinstance(lang, str) or not CODE.fullmatch(lang):
        raise XprojError(
            f"Expected a language code of two or three small letters, such as 'en' or 'tsn', got {lang!r}."
        )
    try:
        nlp = spacy.blank(re.split("[-_]", lang)[0])
    except Exception as err:  # no such language, or a tokenizer package that is not installed
        nlp = spacy.blank("xx")
        if unspaced := re.split("[-_]", lang)[0] in UNSPACED_LANGUAGES:
            split_characters(nlp)
        if lang not in _warned:
            _warned.add(lang)
            reason = str(err).strip().split("\n")[0]
            warnings.warn(
                f"spaCy cannot make a blank pipeline for {lang!r} ({reason}). The rules of the multi-language class "
                f"'xx' split its text into tokens instead{', and each character is one' if unspaced else ''}.",
                stacklevel=2,
            )
    if nlp.lang != lang:
        nlp.meta["xproj_lang"] = lang
    return nlp


def split_characters(nlp: Language) -> None:
    """Make the tokenizer of a pipeline split the text of scripts without spaces into characters, with their marks: a
    whole sentence would be one token. The tokenizer's own settings hold it, so that it is saved with a pipeline.

    nlp (Language): A pipeline with spaCy's rule-based tokenizer.
    """
    between = f"(?<=[{UNSPACED}])(?<![{STACKED}])(?![{MARKS}])|(?<=[^{UNSPACED}])(?=[{UNSPACED}])(?![{MARKS}])"
    infixes = compile_infix_regex([between, *(nlp.Defaults.infixes or ())])
    nlp.tokenizer.infix_finditer = infixes.finditer  # type: ignore[union-attr]


def lang_code(nlp: Language) -> str:
    """Return the language code that `blank` was given.

    nlp (Language): Any pipeline.
    RETURNS (str): The code in its meta, or `nlp.lang`.
    """
    return str(nlp.meta.get("xproj_lang") or nlp.lang)
