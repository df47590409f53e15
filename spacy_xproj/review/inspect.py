"""Look at a projection: the rows of the page, for a browser or the terminal."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Optional, Union

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from ..corpus import blank, lang_code, read_docs
from ..corpus.formats.payload_meta import PairIds
from ..corpus.pairing import bare_copy
from ..errors import InputError
from ..files import check_as_written, read_note, text_hash
from .page.readings import find_readings, matcher_of
from .page.rows import Row, rows

PathLike = Union[str, Path]
DOUBTFUL = 0.1  # how likely a span must be wrong to be called doubtful
ONLY = ("lost", "doubtful", "wrong", "changed")


class Inspection(NamedTuple):
    """What there is to see.

    rows (list of Row): The rows, in the order of the file.
    source_lang, target_lang (str): Language codes; "" where it is not known.
    pipeline (str): The pipeline that gave candidates; "": none did.
    judged (list of (Doc, Doc)): The Docs that have gold, each with it on the same tokens.
    unpaired (dict[str, int]): Texts that are not in the gold, and pairs of texts that are not in the other projection;
        gold entities that do not meet the tokens.
    """

    rows: list[Row]
    source_lang: str
    target_lang: str
    pipeline: str
    judged: list[tuple[Doc, Doc]]
    unpaired: dict[str, int]


def inspect(
    path: PathLike,
    *,
    other: Optional[PathLike] = None,
    gold: Optional[PathLike] = None,
    pipeline: Optional[PathLike] = None,
    candidates: bool = True,
    lang: Optional[str] = None,
) -> Inspection:
    """Read a projection with all that is known of it.

    path (str or Path): What `xproj project` wrote: a .spacy file or a folder of shards. Other labeled files show their
        entities alone.
    other (Optional[str or Path]): Another projection of the same pairs of texts.
    gold (Optional[str or Path]): Gold of the target texts, in any format that `read_docs` reads. The texts are found
        again whatever their order.
    pipeline (Optional[str or Path]): The fitted pipeline that says what the candidates were. None: `PATH.fitted`, which
        `xproj project` leaves there, if it is the one that the payloads name.
    candidates (bool): Look for candidates. False: the page opens without what spoke for and against spans.
    lang (Optional[str]): The target language. None: that of the pipeline.
    RETURNS (Inspection): The rows, and what was known.
    RAISES (XprojError): If a file cannot be used, nothing of `gold` or `other` has a partner in `path`, or the pipeline
        has no matcher.
    """
    nlp = _pipeline(path, pipeline) if candidates else None
    vocab = nlp if nlp is not None else blank(lang or "xx")
    docs = list(read_docs(path, vocab))
    name = PairIds()
    names = [name(doc) if doc._.xproj is not None else text_hash(doc.text)[:16] for doc in docs]
    if pipeline is None and nlp is not None and not _made_by(docs, Path(f"{path}.fitted")):
        nlp = None
    unpaired: Counter = Counter()
    golds = _golds(docs, gold, vocab, unpaired) if gold is not None else [None] * len(docs)
    others = _others(docs, names, other, vocab, unpaired) if other is not None else [None] * len(docs)
    found: Iterable[dict] = ({} for _ in docs)
    if nlp is not None:
        matcher = matcher_of(nlp)
        assert matcher is not None
        found = find_readings(docs, matcher)
    out = [
        row
        for doc, key, mine, right, there in zip(docs, names, found, golds, others)
        for row in rows(doc, key, readings=mine, gold=right, other=there)
    ]
    langs = Counter(doc._.xproj.lang for doc in docs if doc._.xproj is not None)
    target = lang or (lang_code(nlp) if nlp is not None else "")
    source = langs.most_common(1)[0][0] if len(langs) == 1 else ""
    from_ = "" if nlp is None else str(pipeline if pipeline is not None else f"{path}.fitted")
    judged = [(doc, right) for doc, right in zip(docs, golds) if right is not None and doc._.xproj is not None]
    return Inspection(out, source, "" if target == "xx" else target, from_, judged, dict(sorted((+unpaired).items())))


def summary(found: Sequence[Row]) -> Counter:
    """Count what is seen: `sentences`, `source_spans`, `projected`, `doubtful`, `not_projected:REASON`,
    `error:TYPE`, `changed`."""
    counts: Counter = Counter(sentences=len(found))
    for row in found:
        counts["source_spans"] += len(row.spans)
        counts["projected"] += len(row.spans) - len(row.missing)
        counts["doubtful"] += sum(value > DOUBTFUL for value in row.doubt)
        counts.update(f"not_projected:{reason}" for reason in row.missing.values())
        counts.update(f"error:{kind}" for kind, *_ in row.errors)
        counts["changed"] += changed(row)
    return counts


def chosen(found: Iterable[Row], only: str = "", sample: int = 0) -> list[Row]:
    """Choose rows.

    found (iterable of Row): The rows.
    only (str): One of `ONLY`: with a source span that was not projected; with a doubtful one; with an error by gold;
        with another result in the other projection. "": all.
    sample (int): Take that many of these, by a hash of each, so that the same ones are taken again. 0: all.
    RETURNS (list of Row): The rows, in their order.
    """
    wanted = {
        "": lambda row: True,
        "lost": lambda row: bool(row.missing),
        "doubtful": lambda row: any(value > DOUBTFUL for value in row.doubt),
        "wrong": lambda row: bool(row.errors),
        "changed": changed,
    }
    some = list(filter(wanted[only], found))
    order = sorted(range(len(some)), key=lambda k: text_hash(f"{some[k].doc} {some[k].at}"))
    return [some[k] for k in sorted(order[: sample or None])]


def changed(row: Row) -> bool:
    """Whether another projection made something else of a sentence pair."""
    if row.other is None:
        return False
    mine, theirs = ({one[:4] for one in some if one.kept} for some in (row.found, row.other))
    return mine != theirs


def _pipeline(path: PathLike, given: Optional[PathLike]) -> Optional[Language]:
    """The pipeline with the matcher. RAISES (XprojError): If the given one has none."""
    folder = Path(given) if given is not None else Path(f"{path}.fitted")
    if given is None and read_note(folder) is None:
        return None
    check_as_written(folder)
    try:
        nlp = spacy.load(folder)
    except (OSError, ValueError) as err:
        raise InputError(folder, f"The pipeline that gives candidates cannot be loaded. {err}") from err
    if matcher_of(nlp) is not None:
        return nlp
    if given is None:
        return None
    raise InputError(folder, f"Expected a pipeline with an xproj_matcher, but its pipes are {nlp.pipe_names}.")


def _made_by(docs: Iterable[Doc], folder: Path) -> bool:
    """Whether the payloads name the pipeline in a folder as what projected them."""
    note = read_note(folder)
    states = {doc._.xproj.provenance.get("pipeline") for doc in docs if doc._.xproj is not None}
    return note is not None and states == {note["hash"]}


def _golds(docs: Sequence[Doc], path: PathLike, nlp: Language, unpaired: Counter) -> list[Optional[Doc]]:
    """The gold of each Doc, on its tokens."""
    by_text: dict[str, list[Doc]] = {}
    for each in read_docs(path, nlp):
        by_text.setdefault(each.text.strip(), []).append(each)
    out: list[Optional[Doc]] = []
    for doc in docs:
        some = by_text.get(doc.text.strip())
        ref: Optional[Doc] = (some.pop(0) if len(some) > 1 else some[0]) if some else None
        out.append(None if ref is None or not ref.has_annotation("ENT_IOB") else _on_tokens(doc, ref, unpaired))
        unpaired["texts without gold"] += out[-1] is None
    if docs and all(ref is None for ref in out):
        raise InputError(path, "It holds the gold of no text of the projection. Is it of the target language?")
    return out


def _on_tokens(doc: Doc, ref: Doc, unpaired: Counter) -> Doc:
    """Gold entities on the tokens of a Doc of the same text. What is not known stays so."""
    gold = bare_copy(doc, doc.vocab)
    shift = len(doc.text) - len(doc.text.lstrip()) - (len(ref.text) - len(ref.text.lstrip()))
    ents: list[Span] = []
    for ent in ref.ents:
        span = gold.char_span(ent.start_char + shift, ent.end_char + shift, label=ent.label_)
        unpaired["gold entities that do not meet the tokens"] += span is None
        ents += [span] if span is not None else []
    unknown = {i for t in ref if not t.ent_iob for i in range(t.idx + shift, t.idx + shift + len(t))}
    taken = {t.i for ent in ents for t in ent}
    missing = [gold[t.i : t.i + 1] for t in gold if t.idx in unknown and t.i not in taken]
    gold.set_ents(ents, missing=missing, default="outside")
    return gold


def _others(
    docs: Sequence[Doc], names: Sequence[str], path: PathLike, nlp: Language, unpaired: Counter
) -> list[Optional[Doc]]:
    """The Docs of another projection with the same ids."""
    name = PairIds()
    by_name = {name(doc): doc for doc in read_docs(path, nlp) if doc._.xproj is not None}
    out: list[Optional[Doc]] = []
    for doc, key in zip(docs, names):
        there = by_name.get(key)
        same = there is not None and [t.text for t in there] == [t.text for t in doc]
        out.append(there if same else None)
        unpaired["pairs of texts that the other projection does not have"] += not same
    if docs and all(doc is None for doc in out):
        raise InputError(path, "It has none of the pairs of texts. Expected another projection of the same texts.")
    return out
