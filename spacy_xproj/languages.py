"""Languages: what a model calls one, and blank pipelines for any of them.

Models name languages in different ways: NLLB-200 "spa_Latn" (ISO 639-3 and a script), M2M100 "es", MADLAD-400 "es" and
"zh_Hant", OPUS-MT "spa", "pt_BR" and "cmn_Hans".
"""

import difflib
import re
import warnings
from collections.abc import Callable, Collection, Iterable

import spacy
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.util import compile_infix_regex

from .codes import (
    Code,
    language_name,
    macro_language,
    named,
    normal_form,
    normalize_code,
    parse,
    standard,
    usual_script,
)
from .errors import XprojError

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
UNSPACED_LANGUAGES = {"zh", "yue", "wuu", "lzh", "ja", "th", "lo", "km", "my", "bo", "dz", "shn", "nod", "khb", "tdd"}
_warned: set[str] = set()


def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script that is written without spaces between words."""
    return _UNSPACED.match(char) is not None


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
    script = asked.script or usual_script(language)
    for form in sorted({parts.language for parts in same.values()}, key=lambda form: _distance(form, asked.language)):
        own = {code: parts for code, parts in same.items() if parts.language == form}
        found = _best(own, asked.script, asked.region) or _best(own, script, asked.region)
        if found:
            return found
    raise XprojError(_which(lang, asked, same, model) if same else _unknown(lang, known, model))


def _distance(form: str, asked: str) -> tuple[bool, bool, str]:
    """Order the codes of one language: the one asked for, those of the whole language, those of its dialects."""
    own, macro = standard(form)
    return form != asked, own != macro, form


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


def _which(lang: str, asked: Code, codes: Iterable[str], model: str) -> str:
    if asked.script:
        return f"{model} does not know {lang!r} in that script. It knows the language as {named(codes)}."
    return f"{model} knows the language {lang!r} as {named(codes)}. Say which one is meant."


def _unknown(lang: str, known: Collection[str], model: str) -> str:
    name = language_name(lang)
    start = f"{model} does not know the language {lang!r}" + (f" ({name})." if name else ".")
    if len(known) <= 12:
        return f"{start} It knows {named(sorted(known))}."
    # What somebody may have meant to write, and the model's code for it. A language that has a name was not misspelt.
    words: dict[str, str] = {}
    for code in [] if name else sorted(known):
        language = parse(code).language
        for word in (code, language, macro_language(language), language_name(code)):
            words.setdefault(word.lower(), code)
    near = [words[word] for word in difflib.get_close_matches(lang.lower(), words, n=5, cutoff=0.6)]
    if near:
        return f"{start} The nearest of its {len(known)} languages: {named(dict.fromkeys(near))}."
    return f"{start} It knows {len(known)} others, such as {named(sorted(known)[:5])}."


def blank(lang: str) -> Language:
    """Make a blank pipeline for a language. If spaCy cannot make one, make one of the multi-language class "xx".

    Regions and scripts (the "US" of "en-US") make no difference to the tokenizer. If the language of the pipeline
    differs from the code in its normal form, `nlp.meta["xproj_lang"]` holds that.

    lang (str): A language code such as "en", "tsn" or "zh-Hant".
    RETURNS (Language): The pipeline, with a tokenizer and no components.
    RAISES (XprojError): If this is not a language code.
    """
    code = normalize_code(lang)
    try:
        nlp = spacy.blank(parse(code).language)
    except Exception as err:  # no such language, or a tokenizer package that is not installed
        nlp = spacy.blank("xx")
        if code not in _warned:
            _warned.add(code)
            reason = str(err).strip().split("\n")[0]
            each = ", and each character is one" if parse(code).language in UNSPACED_LANGUAGES else ""
            warnings.warn(
                f"spaCy cannot make a blank pipeline for {code!r} ({reason}). The rules of the multi-language class "
                f"'xx' split its text into tokens instead{each}.",
                stacklevel=2,
            )
    set_language(nlp, code)
    return nlp


def spacy_lang(code: str) -> str:
    """Return the code that spaCy's own commands take for a language (`spacy train --nlp.lang`).

    code (str): Any code of it.
    RETURNS (str): The code of its class in spaCy, or "xx" if spaCy cannot make a pipeline for it.
    RAISES (XprojError): If this is not a language code.
    """
    return str(blank(code).lang)


def set_language(nlp: Language, code: str) -> None:
    """Note the language of a pipeline in its meta where spaCy has no class of this code, and split the text of scripts
    without spaces where the class is "xx".

    nlp (Language): The pipeline.
    code (str): The code of its language, in its normal form.
    """
    if nlp.lang != code:
        nlp.meta["xproj_lang"] = code
    if nlp.lang == "xx" and parse(code).language in UNSPACED_LANGUAGES and isinstance(nlp.tokenizer, Tokenizer):
        split_characters(nlp)


LANGUAGE = "spacy_xproj.language.v1"


def make_language(lang: str) -> Callable[[Language], Language]:
    """Make a callback that notes the language of a pipeline which `spacy train` makes for "xx", or for another class of
    spaCy, in its meta, from where `spacy package` takes it into the wheel. For `[initialize.before_init]`. See
    `set_language`. The callback is left out of the config that is saved, so that the pipeline can be loaded, and
    trained again, without this package.

    lang (str): The language code.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (XprojError): If this is not a language code. The callback raises it if the pipeline is for another one.
    """
    code = normalize_code(lang)

    def note_language(nlp: Language) -> Language:
        wanted = "xx" if nlp.lang == "xx" else spacy_lang(code)
        if nlp.lang != wanted:
            raise XprojError(f"{LANGUAGE}: a pipeline for {nlp.lang!r} is not for {code!r}. Give --nlp.lang {wanted}.")
        set_language(nlp, code)
        initialize = nlp.config.get("initialize", {})
        if (initialize.get("before_init") or {}).get("@callbacks") == LANGUAGE:
            initialize["before_init"] = None
        return nlp

    return note_language


def split_characters(nlp: Language) -> None:
    """Make the tokenizer of a pipeline split the text of scripts without spaces into characters, with their marks: a
    whole sentence would be one token. The tokenizer's own settings hold it, so that it is saved with a pipeline.

    nlp (Language): A pipeline with spaCy's rule-based tokenizer.
    """
    between = f"(?<=[{UNSPACED}])(?<![{STACKED}])(?![{MARKS}])|(?<=[^{UNSPACED}])(?=[{UNSPACED}])(?![{MARKS}])"
    infixes = compile_infix_regex([between, *(nlp.Defaults.infixes or ())])
    nlp.tokenizer.infix_finditer = infixes.finditer  # type: ignore[union-attr]


def lang_code(nlp: Language) -> str:
    """Return the language of a pipeline, in its normal form.

    nlp (Language): Any pipeline.
    RETURNS (str): The code in its meta, or `nlp.lang`.
    """
    return normal_form(str(nlp.meta.get("xproj_lang") or nlp.lang))
