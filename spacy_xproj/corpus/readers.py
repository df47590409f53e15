"""One way in and out for all formats: a path gives Docs, and Docs a file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Optional, Union

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import InputError, XprojError
from ..languages import lang_code
from .formats import Format, Options, Record, Report, Source, find_format, named_format
from .formats.build import DocBuilder

LINES = "txt"  # the format of text without labels, whatever the ending of its name: train.lug


def read_docs(
    path: Union[str, Path],
    nlp: Language,
    *,
    format: Optional[str] = None,
    limit: int = 0,
    counts: Optional[Counter] = None,
    source_nlp: Optional[Language] = None,
    encoding: Optional[str] = None,
    spans_key: Optional[str] = None,
    tag_names: Sequence[str] = (),
    report: Optional[Report] = None,
    default: Optional[str] = None,
    own_vocabs: bool = False,
) -> Iterator[Doc]:
    """Read a corpus of any format (see `docs/guides/formats.md`).

    path (str or Path): The file or folder.
    nlp (Language): Its vocab is that of the Docs, its tokenizer splits raw text, and its language says where spaces go
        between words whose text is not known.
    format (Optional[str]): The name or ending of a format, which is then not looked for. None: found by the content
        of the whole file.
    limit (int): Read no more Docs than this. 0: all.
    counts (Optional[Counter]): Counts each kind of remark.
    source_nlp (Optional[Language]): Its tokenizer splits the source of a bitext, which needs it.
    encoding (Optional[str]): The encoding of the file. None: UTF-8, or what its byte order mark says.
    spans_key (Optional[str]): For .spacy: the group of `doc.spans` to take the entities from.
    tag_names (sequence of str): The names of tags that are given as numbers, in order.
    report (Optional[Report]): Lists each remark with its line; in place of `counts`.
    default (Optional[str]): The format of a file with an unknown ending whose content fits it, and no other format
        better.
    own_vocabs (bool): Give the Docs of each .spacy file a vocab of their own, like that of `nlp`. Their words leave the
        memory with the Docs, so that a folder of shards takes no more of it than a shard.
    RETURNS (iterator of Doc): The Docs, read as they are asked for.
    RAISES (XprojError): If the format is not known. InputError: if the input cannot be used or holds nothing.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "There is no such file or folder.")
    report = Report(counts) if report is None else report
    source_lang = None if source_nlp is None else lang_code(source_nlp)
    options = Options(encoding, spans_key, tuple(tag_names), source_lang, lang_code(nlp))
    source = Source(path, options, nlp.vocab, own_vocabs)
    try:
        form = find_format(source, default) if format is None else named_format(format, source)
    except InputError:
        raise
    except XprojError as err:
        raise InputError(path, str(err)) from None
    if path.is_dir() and not form.folder:
        raise InputError(path, f"Expected a file of the format {form.name!r}, but this is a folder.")
    if form.bitext and source_nlp is None:
        raise XprojError(
            f"{path}: a bitext ({form.name}) needs the language of its source: give --source-lang. If it holds a token "
            "and a tag a line, give --format conll."
        )
    report.path, report.format = path, form.name
    return _some(_docs(form, source, DocBuilder(nlp, report, source_nlp)), path, limit)


def _docs(form: Format, source: Source, builder: DocBuilder) -> Iterator[Doc]:
    report = builder.report
    for found in form.read(source, report):
        if not isinstance(found, Record):
            yield found
            continue
        try:
            doc = builder.make(found)
        except InputError as err:
            report.problem(err.line, err.message)
        except ValueError as err:  # also of spaCy: a text that is longer than nlp.max_length
            report.problem(found.line, str(err))
        else:
            yield doc


def _some(docs: Iterator[Doc], path: Path, limit: int) -> Iterator[Doc]:
    n = 0
    for n, doc in enumerate(docs, 1):
        yield doc
        if n == limit:
            return
    if not n:
        raise InputError(path, "It is empty: there is nothing to read in it.")


def write_as(
    docs: Iterable[Doc],
    path: Union[str, Path],
    format: Optional[str] = None,
    *,
    counts: Optional[Counter] = None,
    report: Optional[Report] = None,
) -> int:
    """Write Docs to a file of any format that can be written.

    docs (iterable of Doc): The Docs.
    path (str or Path): The file.
    format (Optional[str]): The name of the format. None: by the ending of the path.
    counts (Optional[Counter]): What the format cannot hold is added to it.
    report (Optional[Report]): In place of `counts`.
    RETURNS (int): How many Docs came.
    RAISES (XprojError): If the format is not known, cannot be written, or cannot hold a Doc.
    """
    report = Report(counts) if report is None else report
    return named_format(format or Path(path).suffix[1:]).write(docs, path, report)
