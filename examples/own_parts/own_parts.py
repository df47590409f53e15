"""A translator and an aligner that know a glossary: a TSV of source words and their translations."""

import re
from pathlib import Path

import numpy as np

from spacy_xproj.bitext import Links
from spacy_xproj.errors import InputError
from spacy_xproj.files import file_hash
from spacy_xproj.ty import Translation


def read_glossary(path):
    """Return the translation of each source word (dict), both in lower case."""
    words = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        source, tab, target = line.partition("\t")
        if not tab:
            raise InputError(path, f"Expected a source word, a TAB and its translation, but got {line!r}.", number)
        words[source.lower()] = target.lower()
    return words


class GlossaryTranslator:
    """Translate word by word. A text with an unknown word has none, but a word with a capital is taken for a name."""

    def __init__(self, path: str):
        self.words = read_glossary(path)
        self.key = f"own_parts.Glossary.v1 {file_hash(path)}"  # what a memory in front files the translations under

    def __call__(self, texts, source_lang, target_lang):
        return [Translation(self.translate(text)) for text in texts]

    def translate(self, text):
        known = [self.words.get(word.lower(), word if word[0].isupper() else None) for word in re.findall(r"\w+", text)]
        if None in known:
            return None
        found = iter(known)
        return re.sub(r"\w+", lambda match: next(found), text)


class GlossaryAligner:
    """Link a word to the words that the glossary gives for it, or that are equal to it."""

    def __init__(self, path: str):
        self.words = read_glossary(path)

    def __call__(self, pairs):
        made = []
        for pair in pairs:
            target = [word.lower() for word in pair.target]
            wanted = [self.words.get(word.lower(), word.lower()) for word in pair.source]
            links = [(i, j) for i, word in enumerate(wanted) for j, other in enumerate(target) if word == other]
            scores = np.ones(len(links), "float32")
            made.append(Links(np.array(links, "int32").reshape(-1, 2), scores, {}))
        return made
