"""`spacy_xproj.entity_swap.v1`: an augmenter that puts other entities of the same label into training texts."""

import random
from collections.abc import Iterator, Sequence
from typing import Optional, Union

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from ..errors import XprojError, check_share
from ..soft import SoftLabels
from ..tags import split_tags
from .gazetteers import Gazetteer, Name, collect, entities, read_gazetteer, territory_names

NAME = "spacy_xproj.entity_swap.v1"
Swaps = dict[int, tuple[Span, Name]]  # by the entity's first token
ACRONYM = 4  # a word with more letters than this in capitals is written so for effect
# Where an entity has no word in a role, the row of one in the next of these is taken, with its columns renamed.
STAND_INS = {"B": "BSIE", "I": "IEBS", "E": "EIBS", "S": "SBEI"}


class EntitySwap:
    """`spacy_xproj.entity_swap.v1`: an augmenter for `[corpora.train.augmenter]`. Chance comes from Python's module
    `random`, which spaCy seeds.

    level (float): The share of the texts of which a changed copy is made.
    gazetteer (Optional[str]): A list of names (.tsv) with lines `label<TAB>name`, which the pipeline's tokenizer
        splits; or labeled text, such as the training file itself, whose entities are taken.
    territories (Optional[str]): A language code: take the names of countries and territories from CLDR, by `babel`.
    territories_label (str): Their label.
    from_corpus (bool): Take the entities of the texts that have come by so far, that of the text in hand included.
    labels (sequence of str): Swap the entities with these labels only; none: all.
    share (float): The probability that an entity of a chosen text is swapped.
    keep_original (bool): Give the text itself too. If not, the copy comes instead of it, as with spaCy's augmenters.
    RAISES (XprojError): If a setting is out of range, CLDR does not have the language, or there is nowhere to take
        names from.
    """

    def __init__(
        self,
        level: float,
        gazetteer: Optional[str] = None,
        territories: Optional[str] = None,
        territories_label: str = "LOC",
        from_corpus: bool = True,
        labels: Sequence[str] = (),
        share: float = 1.0,
        keep_original: bool = True,
    ):
        check_share(NAME, level=level, share=share)
        if not (gazetteer or territories or from_corpus):
            raise XprojError(
                f"{NAME} has nowhere to take names from. Set 'gazetteer' or 'territories', or 'from_corpus' to true."
            )
        self.level, self.share, self.keep_original = level, share, keep_original
        self.path, self.from_corpus, self.labels = gazetteer, from_corpus, tuple(labels)
        names = territory_names(territories) if territories else []
        self.territories = [(territories_label, name) for name in names]
        self._names: Optional[Gazetteer] = None

    def names(self, nlp: Language) -> Gazetteer:
        """The names. They are read when the first text comes, for it takes a tokenizer to split them."""
        if self._names is None:
            self._names = read_gazetteer(self.path, nlp) if self.path else Gazetteer()
            for label, name in self.territories:
                self._names.add_text(label, name, nlp)
        return self._names

    def __call__(self, nlp: Language, example: Example) -> Iterator[Example]:
        """Augment an Example.

        nlp (Language): The pipeline.
        example (Example): The Example, which is not changed.
        YIELDS (Example): It, and a changed copy where chance and the names allow for one.
        """
        names = self.names(nlp)
        if self.from_corpus:
            collect([example.reference], self.labels, names)
        chosen = random.random() < self.level
        swaps = self.choose(example.reference, names) if chosen else {}
        if self.keep_original or not swaps:
            yield example
        if swaps:
            yield swapped_example(nlp, example, swaps)

    def choose(self, doc: Doc, names: Gazetteer) -> Swaps:
        """What to put in the place of which entities."""
        swaps: Swaps = {}
        for span in entities(doc):
            if (self.labels and span.label_ not in self.labels) or random.random() >= self.share:
                continue
            if name := names.draw(span.label_, [t.text for t in span]):
                swaps[span.start] = span, like(name, span)
        return swaps


def like(name: Name, span: Span) -> Name:
    """A name in capitals or small letters, where the entity is that it takes the place of. An acronym is not taken for
    a word in capitals, unless the whole text is in them.

    name (Name): The name.
    span (Span): The entity.
    RETURNS (Name): The name as it is to be written.
    """
    text = span.text
    if text.isupper() and (shouted(text) or span.doc.text.isupper()):
        return name._replace(words=tuple(word.upper() for word in name.words))
    if text.islower():
        return name._replace(words=tuple(word.lower() for word in name.words))
    if text[0].isupper():
        first, *rest = [word.capitalize() for word in name.words] if shouted(name.text) else name.words
        return name._replace(words=(first[0].upper() + first[1:], *rest))
    return name


def shouted(text: str) -> bool:
    """Whether a text is in capitals that are not those of an acronym."""
    return text.isupper() and max(sum(map(str.isalpha, word)) for word in text.split()) > ACRONYM


def swapped_example(nlp: Language, example: Example, swaps: Swaps) -> Example:
    """The Example of a swapped Doc. Where the tokenizer made the words of `predicted`, it makes those of the new one;
    else they are those of the new reference.

    nlp (Language): The pipeline.
    example (Example): The original.
    swaps (dict[int, (Span, Name)]): The entities of its reference to swap, by their first token.
    RETURNS (Example): The new one.
    """
    reference = swapped(example.reference, swaps)
    words = [t.text for t in example.predicted]
    if not reference.has_unknown_spaces and [t.text for t in nlp.make_doc(example.predicted.text)] == words:
        return Example(nlp.make_doc(reference.text), reference)
    spaces = [bool(t.whitespace_) for t in reference]
    return Example(Doc(reference.vocab, words=[t.text for t in reference], spaces=spaces), reference)


def swapped(doc: Doc, swaps: Swaps) -> Doc:
    """A Doc with other entities in it. It has the words, the white space, the entities (what is missing stays so), the
    starts of sentences, the categories, the soft labels, and those spans of `doc.spans` that no swap cuts through.
    Other annotation is left out; so is the payload, whose links would not fit any more.

    doc (Doc): The original, which is not changed.
    swaps (dict[int, (Span, Name)]): The entities to swap, by their first token.
    RETURNS (Doc): The new Doc.
    """
    words: list[str] = []
    spaces: list[bool] = []
    starts: list[Union[bool, int, None]] = []
    edges: list[int] = []  # for each edge between tokens where it has moved to
    gone: set[int] = set()  # and those that are within what is swapped
    i = 0
    while i < len(doc):
        edges.append(len(words))
        starts.append(doc[i].is_sent_start)
        span, name = swaps.get(i, (doc[i : i + 1], Name((doc[i].text,), (False,))))
        words += name.words
        spaces += [*name.spaces[:-1], bool(span[-1].whitespace_)]
        starts += [None if starts[-1] is None else False] * (len(name.words) - 1)
        edges += [len(words)] * (len(span) - 1)
        gone.update(range(i + 1, span.end))
        i = span.end
    edges.append(len(words))
    out = Doc(
        doc.vocab,
        words=words,
        spaces=None if doc.has_unknown_spaces else spaces,
        sent_starts=starts if doc.has_annotation("SENT_START") else None,
    )
    out.cats = dict(doc.cats)

    def moved(span: Span) -> Span:
        kb_id = 0 if span.start in swaps else span.kb_id
        return Span(out, edges[span.start], edges[span.end], label=span.label, kb_id=kb_id)

    if doc.has_annotation("ENT_IOB"):
        loose = [t for t in doc if not t.ent_type]
        missing = [moved(doc[t.i : t.i + 1]) for t in loose if not t.ent_iob]
        blocked = [moved(doc[t.i : t.i + 1]) for t in loose if t.ent_iob_ == "B"]
        out.set_ents([moved(ent) for ent in doc.ents], missing=missing, blocked=blocked, default="outside")
    for key, group in doc.spans.items():
        kept = [span for span in group if gone.isdisjoint((span.start, span.end))]
        out.spans[key] = SpanGroup(out, name=key, spans=[moved(span) for span in kept])
    soft = doc._.xproj_soft
    if isinstance(soft, SoftLabels):
        out._.xproj_soft = swapped_soft(soft, [swaps.get(i) for i in range(len(doc))])
    return out


def swapped_soft(soft: SoftLabels, swaps: Sequence[Optional[tuple[Span, Name]]]) -> SoftLabels:
    """Soft labels of a Doc with other entities in it.

    soft (SoftLabels): Those of the original.
    swaps (sequence of Optional[(Span, Name)]): For each token the swap that begins there.
    RETURNS (SoftLabels): The rows of other tokens stay; `entity_rows` has those of the new entities.
    """
    inside = {i for swap in swaps if swap for i in range(swap[0].start + 1, swap[0].end)}
    rows = [
        soft.probs[i : i + 1]
        if swap is None
        else entity_rows(soft.labels, soft.probs[i : swap[0].end], len(swap[1].words))
        for i, swap in enumerate(swaps)
        if i not in inside
    ]
    return SoftLabels(soft.labels, np.concatenate(rows), {**soft.provenance, "entity_swap": 1.0})


def entity_rows(labels: Sequence[str], rows: np.ndarray, n: int) -> np.ndarray:
    """The distributions of the words of an entity, from those of the one that it takes the place of. Each word has a
    role in its entity, as in BIOES: the first begins it, the last ends it where the tags have E, a single one is S
    where they have S, and the others are inside. A word has the mean of the known rows of the old words in its role.
    Where the old entity has none in it, it has those of another role, with the probability of each tag of that role
    moved to the tag of the same type in this one.

    labels (sequence of str): The tags.
    rows (float array (m, labels)): Of the old entity's words.
    n (int): The number of words of the new one.
    RETURNS (float16 array (n, labels)): A row of zeros where nothing is known of the old words either.
    """
    tag_roles, types = split_tags(labels)
    column = {(role, kind): k for k, (role, kind) in enumerate(zip(tag_roles, types))}
    old = roles(len(rows), tag_roles)
    out = []
    for role in roles(n, tag_roles):
        origin = next(r for r in STAND_INS[role] if r in old)
        found = np.asarray(rows, "f8")[[r == origin for r in old]]
        known = found[found.any(axis=1)]
        row = known.mean(axis=0) if len(known) else np.zeros(len(labels))
        for kind in dict.fromkeys(types) if role != origin else ():
            if (origin, kind) in column and (role, kind) in column:
                row[column[role, kind]] += row[column[origin, kind]]
                row[column[origin, kind]] = 0.0
        out.append(row)
    return np.clip(out, 0.0, 1.0).astype("f2")


def roles(n: int, tags: Sequence[str]) -> list[str]:
    """The roles of the `n` words of an entity, under tags in these roles."""
    if n == 1:
        return ["S" if "S" in tags else "B"]
    return ["B", *["I"] * (n - 2), "E" if "E" in tags else "I"]
