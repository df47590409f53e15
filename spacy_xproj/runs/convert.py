"""Convert corpora from one format into another, and check them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

from spacy.tokens import Doc

from ..corpus import Note, Report, blank, read_docs, write_as, write_file
from ..corpus.formats import ending_format, named_format, to_json
from ..corpus.sentence_pairs import LONG, sentence_marker, with_sentence_pairs
from ..errors import InputError, XprojError
from ..files import check_apart, replacing
from ..keys import run_key
from ..labels import ALL, LabelFilter
from ..locks import locked
from .label_counts import count_entities, write_report
from .pipelines import PathLike, is_single
from .reading import Inputs
from .shards import write_shards


@dataclass(frozen=True)
class ReadOptions:
    """How an input is read.

    lang (str): Language code of the texts, on whose rules raw text is split into tokens.
    source_lang (Optional[str]): Language code of the source side of a bitext.
    format (Optional[str]): Format of the input. None: found by its content.
    encoding (Optional[str]): Its encoding. None: UTF-8, or what its byte order mark says.
    spans_key (Optional[str]): For .spacy: the group of `doc.spans` to take the entities from.
    tag_names (sequence of str): The names of tags that are given as numbers, in order.
    """

    lang: str = "en"
    source_lang: Optional[str] = None
    format: Optional[str] = None
    encoding: Optional[str] = None
    spans_key: Optional[str] = None
    tag_names: Sequence[str] = ()

    def read(self, path: PathLike, report: Report) -> Iterator[Doc]:
        """Read Docs, see `read_docs`."""
        return read_docs(
            path,
            blank(self.lang),
            format=self.format,
            source_nlp=None if self.source_lang is None else blank(self.source_lang),
            encoding=self.encoding,
            spans_key=self.spans_key,
            tag_names=self.tag_names,
            report=report,
            own_vocabs=True,
        )


def convert(
    input: PathLike,
    output: PathLike,
    lang: str = "en",
    source_lang: Optional[str] = None,
    format: Optional[str] = None,
    shard: int = 0,
    *,
    to: Optional[str] = None,
    encoding: Optional[str] = None,
    spans_key: Optional[str] = None,
    tag_names: Sequence[str] = (),
    sentences: bool = False,
    license: Optional[str] = None,
    labels: LabelFilter = ALL,
    report: Optional[Report] = None,
) -> Counter:
    """Convert a corpus.

    input (str or Path): A file or folder that `read_docs` can read.
    output (str or Path): A file whose ending tells its format, else a folder of .spacy shards. What was counted stands
        beside it, in `OUTPUT.report.json`.
    lang, source_lang, format, encoding, spans_key, tag_names: See `ReadOptions`.
    shard (int): Docs a shard. 0: 1000.
    to (Optional[str]): Format of the output. None: the ending of its name decides.
    sentences (bool): Mark sentences, by punctuation, in Docs that have none marked.
    license (Optional[str]): License of the data. It follows each Doc as `meta["license"]`.
    labels (LabelFilter): New names of labels, and those to keep.
    report (Optional[Report]): Lists repairs with their lines.
    RETURNS (Counter): Counts: `docs`, `tokens`, `ents`, and each kind of remark.
    RAISES (XprojError): If the input cannot be used or the output cannot be written so.
    """
    output, report = Path(output), Report() if report is None else report
    form = named_format(to) if to else ending_format(output)
    if form is None and output.suffix.lower() in (".csv", ".xml", ".tmx", ".parquet"):
        raise XprojError(f"{output}: cannot write the format {output.suffix!r}. Name another one with --to.")
    single = form is not None and (to or not is_single(output))
    if shard and form is not None:
        raise XprojError(f"{output}: --shard needs a folder as output: a name without such an ending.")
    reading = ReadOptions(lang, source_lang, format, encoding, spans_key, tuple(tag_names))
    docs = labels.checked(prepared(reading.read(input, report), sentences=sentences, license=license))
    docs = Inputs([input]).checked(count_docs(docs, report.counts))
    with locked(output, [input]):
        if single and form is not None:
            write_as(docs, output, form.name, report=report)
        elif is_single(output):
            write_file(docs, output)
        else:
            options = {"sentences": sentences, "license": license, "shard size": shard, **labels.options()}
            key = run_key({"input": input}, {**asdict(reading), **options})
            report.counts = write_shards(docs, output, key=key, shard=shard, counts=report.counts)
        write_report(output, report.counts)
    return +report.counts


def prepared(docs: Iterable[Doc], *, sentences: bool = False, license: Optional[str] = None) -> Iterator[Doc]:
    """Mark sentences and the license on Docs. With a payload, sentences of both sides are marked and aligned."""
    mark = sentence_marker()
    for doc in with_sentence_pairs(docs) if sentences else docs:
        if sentences:
            mark(doc)
        if license:
            doc.user_data["meta"] = {**doc.user_data.get("meta", {}), "license": license}
        yield doc


def count_docs(docs: Iterable[Doc], counts: Counter) -> Iterator[Doc]:
    """Count in passing `docs`, `tokens`, `ents`, Docs without labels, long ones without sentences, and what `by_label`
    reads."""
    for doc in docs:
        counts.update(docs=1, tokens=len(doc), ents=len(doc.ents))
        count_entities(doc, counts)
        counts["docs_without_labels"] += not doc.has_annotation("ENT_IOB")
        counts["long_docs_without_sentences"] += len(doc) > LONG and not doc.has_annotation("SENT_START")
        yield doc


def validate(path: PathLike, reading: ReadOptions, report: Report) -> Counter:
    """Read a corpus as a whole, and report each of its problems.

    path (str or Path): The file or folder.
    reading (ReadOptions): How it is read.
    report (Report): A lenient one. It gets the problems and repairs.
    RETURNS (Counter): As of `convert`.
    """
    docs = 0
    try:
        for _ in count_docs(reading.read(path, report), report.counts):
            docs += 1
    except InputError as err:
        if docs or not report.problems:  # else it only says that nothing is left
            report.path = err.path
            report.problem(err.line, err.message)
    return +report.counts


@contextmanager
def report_file(path: Optional[PathLike], others: Iterable[PathLike] = ()) -> Iterator[Report]:
    """Make a report that lists its notes in a JSONL file, which is put in its place once it is whole.

    path (Optional[str or Path]): The file. None: no file.
    others (iterable of str or Path): The files of the run, none of which it may be.
    YIELDS (Report): The report.
    """
    if path is None:
        yield Report()
        return
    check_apart(path, others)
    with replacing(path) as beside, open(beside, "w", encoding="utf-8") as file:

        def sink(note: Note) -> None:
            file.write(to_json(note._asdict()))

        yield Report(sink=sink)
