"""Gazetteers: names of entities by label, from a list, from labeled text, or from Unicode's CLDR."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..codes import normalize_code
from ..compat import require
from ..errors import InputError, XprojError
from ..files import read_lines
from ..soft import SoftLabels
from .readers import read_docs

# Codes of CLDR that stand for no territory: unions, regions without a country, and codes for tests.
NO_TERRITORY = ("EU", "EZ", "QO", "UN", "XA", "XB", "ZZ")


class Name(NamedTuple):
    """The words of a name, and whether white space follows each; what follows the last is not its own."""

    words: tuple[str, ...]
    spaces: tuple[bool, ...]

    @property
    def text(self) -> str:
        """The name as it is written."""
        return "".join(w + " " * s for w, s in zip(self.words, self.spaces[:-1])) + self.words[-1]


class Gazetteer:
    """Names by label, each of them once, in the order in which they were added."""

    def __init__(self) -> None:
        self.names: dict[str, dict[tuple[str, ...], Name]] = {}
        self._lists: dict[str, list[Name]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.names.values()))

    def add(self, label: str, name: Name) -> None:
        """Add a name, if it is new.

        label (str): The label of its entities.
        name (Name): The name.
        """
        found = self.names.setdefault(label, {})
        if name.words not in found:
            found[name.words] = name
            self._lists.setdefault(label, []).append(name)

    def add_text(self, label: str, text: str, nlp: Language) -> None:
        """Add a name, whose words are those that the pipeline's tokenizer makes of it.

        label (str): The label of its entities.
        text (str): The name; without any word it is passed over.
        nlp (Language): The pipeline.
        """
        doc = nlp.make_doc(text.strip())
        if len(doc):
            self.add(label, Name(tuple(t.text for t in doc), tuple(bool(t.whitespace_) for t in doc)))

    def draw(self, label: str, words: Sequence[str]) -> Optional[Name]:
        """A name by chance, each with the same probability, from the generator of Python's module `random`.

        label (str): The label.
        words (sequence of str): Any name but this one.
        RETURNS (Optional[Name]): The name, or None if there is no other.
        """
        known = self._lists.get(label, [])
        own = tuple(words) in self.names.get(label, {})
        if len(known) <= own:
            return None
        number = random.randrange(len(known) - own)
        # The last one, which the draw leaves out, stands in for the name that is not to come.
        return known[-1] if own and known[number].words == tuple(words) else known[number]


def collect(docs: Iterable[Doc], labels: Sequence[str] = (), into: Optional[Gazetteer] = None) -> Gazetteer:
    """Collect the names of the entities in labeled text.

    docs (iterable of Doc): The Docs, with entities or with soft labels (see `entities`).
    labels (sequence of str): Take these labels only; none: all.
    into (Optional[Gazetteer]): Is added to.
    RETURNS (Gazetteer): The names.
    """
    found = Gazetteer() if into is None else into
    for doc in docs:
        for span in entities(doc):
            if not labels or span.label_ in labels:
                found.add(span.label_, Name(tuple(t.text for t in span), tuple(bool(t.whitespace_) for t in span)))
    return found


def entities(doc: Doc) -> list[Span]:
    """The entities of a Doc. If no token of it is labeled, those that its soft labels make most probable.

    doc (Doc): The Doc, which is not changed.
    RETURNS (list of Span): The entities, in text order.
    RAISES (XprojError): If its soft labels do not fit it.
    """
    soft = doc._.xproj_soft
    if doc.has_annotation("ENT_IOB") or not isinstance(soft, SoftLabels):
        return list(doc.ents)
    return [Span(doc, found.start, found.end, label=found.label) for found in soft.entities(doc)]


def read_gazetteer(path: Union[str, Path], nlp: Language) -> Gazetteer:
    """Read a list of names (.tsv, .txt), with a line `label<TAB>name` for each and blank lines between them or not; or
    the names of the entities in labeled text, in any other format that `read_docs` reads.

    path (str or Path): The file or folder.
    nlp (Language): Its tokenizer splits the names of a list.
    RETURNS (Gazetteer): The names.
    RAISES (InputError): If a line does not have a label and a name, or there is no name at all.
    """
    path = Path(path)
    found = Gazetteer()
    if not path.exists():
        raise InputError(path, "There is no such gazetteer.")
    if path.suffix.lower() not in (".tsv", ".txt"):
        collect(read_docs(path, nlp), into=found)
    else:
        for number, line in read_lines(path):
            if not line.strip():
                continue
            columns = [column.strip() for column in line.split("\t")]
            if len(columns) != 2 or not all(columns):
                raise InputError(path, f"Expected label<TAB>name, got {line!r}.", number)
            found.add_text(columns[0], columns[1], nlp)
    if not len(found):
        raise InputError(path, "There is no name in it: expected label<TAB>name lines, or labeled text.")
    return found


def territory_names(lang: str) -> list[str]:
    """The names of countries and territories in a language, from Unicode's CLDR. Names with brackets or commas are left
    out, for nobody writes "Myanmar (Burma)" in a text.

    lang (str): A language code, such as "es" or "zh-Hant".
    RETURNS (list of str): The names, in the order of the territories' codes.
    RAISES (XprojError): If `babel` is missing, or CLDR does not have the language.
    """
    babel = require("babel", "A gazetteer of territories", "spacy-xproj[gazetteers]")
    code = normalize_code(lang)
    try:
        found = babel.Locale.parse(code.replace("-", "_")).territories
    except (babel.UnknownLocaleError, ValueError) as err:
        raise XprojError(f"CLDR has no names of territories in {lang!r}: expected a language code ({err}).") from None
    kept = [name for code, name in sorted(found.items()) if code.isalpha() and code not in NO_TERRITORY]
    names = [name for name in dict.fromkeys(kept) if not set(name) & set("(),[]（），")]
    if not names:
        raise XprojError(f"CLDR has no names of territories in {lang!r}. Give a list of names as 'gazetteer' instead.")
    return names
