"""Language codes: their parts and names, and the one spelling of each.

The tables are those of `langcodes`: CLDR and the IANA registry. They are imported where they are needed, since reading
them is most of what importing this package would cost every user of spaCy.
"""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from .errors import XprojError

# What CLDR does not say of codes that translation models use: the language that they mean by the code of one of its
# dialects, and languages that models keep apart from their macro-language.
MEANT = {
    "fuv": "ff", "kwy": "kg", "nb": "no", "nob": "no", "ns": "nso", "pbt": "ps", "quy": "qu", "zlm": "ms",
    "hbs": "sh", "prs": "prs", "sh": "sh", "tw": "tw", "twi": "tw",
}  # fmt: skip
NO_USUAL_SCRIPT = {"taq"}  # models know Tamasheq in two scripts, and neither goes without saying
SPACY = {"fil": "tl", "ku": "kmr", "no": "nb"}  # languages that spaCy has by another code than CLDR
ANY = {"xx", "mul"}  # spaCy's multi-language class
CODE = re.compile(r"[A-Za-z]{2,3}(?![-_][A-Za-z]{3}([-_]|$))([-_][A-Za-z0-9]+)*")  # "zh-yue" is "yue"


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
        script = usual_script(language, region)
    return Code(language, script, region)


def normalize_code(code: str) -> str:
    """Return the one spelling of a language code that this package goes by: the shortest ISO code of the language, or
    that of spaCy, then script and region. The usual script of a language is left out, and so is what follows the
    region.

    code (str): A code such as "lug", "spa_Latn", "pt_br" or "zh-tw". "xx" is any language.
    RETURNS (str): The code, such as "lg", "es", "pt-BR" or "zh-Hant-TW". It is its own normal form.
    RAISES (XprojError): If this is no language code. The message names near ones.
    """
    if not isinstance(code, str) or not (code.lower() in ANY or _is_code(code)):
        raise XprojError(_no_code(code))
    return normal_form(code)


@cache
def _is_code(code: str) -> bool:
    """Whether ISO 639 has the language, and ISO 15924 and 3166 the other parts. Codes for private use are codes."""
    import langcodes

    if not CODE.fullmatch(code):
        return False
    try:
        return parse(code).language in MEANT or langcodes.Language.get(code).is_valid()
    except langcodes.LanguageTagError:
        return False


@cache
def normal_form(code: str) -> str:
    """Return what `normalize_code` returns, for any text: codes in other people's files need not be codes."""
    if code.lower() in ANY:
        return "xx"
    language, script, region = parse(code)
    language = macro_language(language)
    script = "" if script == usual_script(language) else script
    return "-".join(part for part in (SPACY.get(language, language), script, region) if part)


def _no_code(code: object) -> str:
    """Say that something is no language code, and what it may stand for: languages with codes of two letters."""
    words: dict[str, str] = {}
    for known, name in sorted(_names().items()):
        if len(known) == 2:
            words |= {known: known, name.lower(): known}
    near = difflib.get_close_matches(str(code).lower(), words, n=3, cutoff=0.6)
    return f"Expected a language code of ISO 639, such as 'en' or 'tn', got {code!r}." + (
        f" Near ones: {named(dict.fromkeys(words[word] for word in near))}." if near else ""
    )


def macro_language(language: str) -> str:
    """Return one code for all codes of a language: ISO 639-1, 639-2, 639-3, older ones, and its main dialect's.

    language (str): The language part of a code, such as "es", "spa", "arb" or "iw".
    RETURNS (str): The code, such as "es", "es", "ar" or "he".
    """
    return standard(language)[1]


@cache
def standard(language: str) -> tuple[str, str]:
    """The shortest code of a language, and the one of its macro-language. What is no code stays as it is."""
    import langcodes

    try:
        found = langcodes.Language.get(language)
    except langcodes.LanguageTagError:
        return language, language
    macro = found.prefer_macrolanguage().language or language
    return found.language or language, MEANT.get(language) or MEANT.get(macro, macro)


def usual_script(language: str, region: str = "") -> str:
    """The script that is meant where none is said, or "" where CLDR does not know."""
    from langcodes.data_dicts import LIKELY_SUBTAGS

    language = macro_language(language)
    if language in NO_USUAL_SCRIPT:
        return ""
    likely = LIKELY_SUBTAGS.get(f"{language}-{region}") or LIKELY_SUBTAGS.get(language, "")
    return likely.split("-")[1] if likely else ""


@cache
def _names() -> dict[str, str]:
    """The English name of each language in the IANA registry. Groups such as "roa" (Romance languages) have none."""
    from langcodes.registry_parser import parse_registry

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
    return next((_names()[form] for form in (language, *standard(language)) if form in _names()), "")


def match_level(code: str, wanted: str) -> int:
    """Compare a language code with the one asked for. The spelling makes no difference (see `normalize_code`).

    code (str): The code in a file.
    wanted (str): The code asked for.
    RETURNS (int): 3 for the same code (`eng` for `en`), 2 for a narrower one (`en-GB` for `en`), 1 for one that may be
        meant (`pt` for `pt-BR`, `zh-Hant` for `zh-TW`), 0 for any other.
    """
    code, wanted = (normal_form(c.strip()) for c in (code, wanted))
    if code == wanted or code.startswith(wanted + "-"):
        return 3 if code == wanted else 2
    here, there = parse(code), parse(wanted)
    same = here.language == there.language
    return int(same and all(not a or not b or a == b for a, b in zip(here[1:], there[1:])))


def named(codes: Iterable[str]) -> str:
    """List codes with the names of their languages."""
    return ", ".join(f"{c!r} ({language_name(c)})" if language_name(c) else repr(c) for c in codes)
