"""Blank pipelines for any language code, also for languages that spaCy has no data for."""

import re
import warnings

import spacy
from spacy.language import Language

from ..errors import XprojError

CODE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]+)*")
_warned: set[str] = set()


def blank(lang: str) -> Language:
    """A blank pipeline of a language. Where spaCy cannot make one, that of the multi-language class "xx".

    Regions and scripts (the "US" of "en-US") make no difference to the rules. Where the pipeline goes by
    another code than the one asked for, `nlp.meta["xproj_lang"]` holds the latter.

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
        if lang not in _warned:
            _warned.add(lang)
            reason = str(err).strip().split("\n")[0]
            warnings.warn(
                f"spaCy cannot make a blank pipeline for {lang!r} ({reason}). The rules of the "
                "multi-language class 'xx' split its text into tokens instead.",
                stacklevel=2,
            )
    if nlp.lang != lang:
        nlp.meta["xproj_lang"] = lang
    return nlp


def lang_code(nlp: Language) -> str:
    """The language code that `blank` was asked for.

    nlp (Language): Any pipeline.
    RETURNS (str): The code in its meta, or `nlp.lang`.
    """
    return str(nlp.meta.get("xproj_lang") or nlp.lang)
