"""One side of a parallel text: a labeled file of any format, or lines that are texts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Optional, Union

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import InputError, XprojError
from .formats import Format, Options, Record, Report, Source, find_format, named_format
from .formats.build import DocBuilder
from .parting import disagreement, find_partings, place
from .readers import LINES, read_docs

CHECKED = 20_000  # lines of each side that are held against each other where the numbers agree
LEFT_OUT = ("rejected_records", "ignored_records", "other_answers")


@dataclass
class Side:
    """A file that is one side of a parallel text.

    path (str or Path): The file or folder.
    nlp (Language): Its tokenizer splits texts, and its vocab is that of the Docs; those of .spacy files have their own.
    format (Optional[str]): Its format. None: found by its content, and lines of text where neither the content nor the
        name of the file is that of another format.
    tokens (bool): Lines of text are tokens with blanks between them.
    encoding (Optional[str]): The encoding of the file.
    option (str): The option that gives the format, for messages.
    """

    path: Union[str, Path]
    nlp: Language
    format: Optional[str] = None
    tokens: bool = False
    encoding: Optional[str] = None
    option: str = "--format"

    @cached_property
    def source(self) -> Source:
        path = Path(self.path)
        if not path.exists():
            raise InputError(path, "There is no such file or folder.")
        return Source(path, Options(self.encoding), self.nlp.vocab)

    @cached_property
    def form(self) -> Format:
        """Its format (Format).

        RAISES (InputError): If there is none, or it is that of a bitext.
        """
        try:
            if self.format is None:
                form = find_format(self.source, default=LINES)
            else:
                form = named_format(self.format, self.source)
        except InputError as err:
            message = err.message.replace("--format of 'xproj convert'", self.option)
            raise InputError(err.path, message.replace("with --format", f"with {self.option}"), err.line) from None
        except XprojError as err:
            raise InputError(self.path, str(err)) from None
        if form.bitext:
            raise InputError(
                self.path,
                f"It was taken for a bitext ({form.about}), which has both sides: 'xproj project' reads it as it is. "
                f"If it is one side, give its format with {self.option}.",
            )
        return form

    @property
    def is_lines(self) -> bool:
        """Whether it is a text a line (bool)."""
        return self.form.name == LINES

    def docs(self, blank: bool = True, report: Optional[Report] = None) -> Iterator[Doc]:
        """Read the Docs.

        blank (bool): Whether a blank line gives an empty Doc. Those at the end of the file never do.
        report (Optional[Report]): Is told of repairs.
        """
        report = Report() if report is None else report
        if not self.is_lines:
            yield from read_docs(
                self.path, self.nlp, format=self.form.name, encoding=self.encoding, report=report, own_vocabs=True
            )
            return
        builder = DocBuilder(self.nlp, report)
        report.path, report.format = self.path, self.form.name
        waiting = 0
        for number, line in self.source.lines(report):
            if not line.strip():
                waiting += 1
                continue
            for _ in range(waiting if blank else 0):
                yield Doc(self.nlp.vocab)
            waiting = 0
            words = [word for word in line.split(" ") if word] if self.tokens else None
            try:
                yield builder.make(Record(number, None if words else line, words))
            except ValueError as err:  # also of spaCy: a text that is longer than nlp.max_length
                raise InputError(self.path, str(err), number) from None


@dataclass
class Agreement:
    """Two sides that agree line by line.

    source, target (Side): The sides.
    blank (bool): Whether blank lines count.
    labeled (bool): Whether the source has labels.
    labels (dict[str, int]): The labels of its entities, each with their number.
    warning (str): Where the sides seem to be shifted, though their numbers of lines agree; else "".
    """

    source: Side
    target: Side
    blank: bool
    labeled: bool
    labels: Mapping[str, int] = field(default_factory=dict)
    warning: str = ""

    def docs(self, report: Report) -> Iterator[tuple[Doc, Doc]]:
        """Read the two Docs of each pair. One is empty where its line is blank."""
        return zip(self.source.docs(self.blank, report), self.target.docs(self.blank, report))


def agree(source: Side, target: Side) -> Agreement:
    """Read two sides and make sure that they agree line by line. Blank lines count if the numbers of lines agree with
    them, and are passed over if they agree without.

    source, target (Side): The sides.
    RETURNS (Agreement): How they agree.
    RAISES (InputError): If they do not. The error names the place where they part.
    """
    counts: Counter = Counter()
    labels: Counter = Counter()
    words: list[list[list[str]]] = [[], []]
    sizes, labeled = [], False
    for number, side in enumerate((source, target)):
        everything = full = 0
        for doc in side.docs(report=Report(counts)):
            everything += 1
            full += len(doc) > 0
            if number == 0:
                labeled = labeled or doc.has_annotation("ENT_IOB")
                labels.update(ent.label_ for ent in doc.ents)
            if everything <= CHECKED:
                words[number].append(doc.text.split())
        if not full:
            raise InputError(side.path, "It is empty: there is nothing to read in it.")
        sizes.append((everything, full))
    with_blank = sizes[0][0] == sizes[1][0]
    if not with_blank and sizes[0][1] != sizes[1][1]:
        texts = [[doc.text for doc in side.docs()] for side in (source, target)]
        left = ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in LEFT_OUT if counts[name])
        raise disagreement(f"{source.path} and {target.path}", texts[0], texts[1], left)
    if not with_blank:
        words = [[line for line in side if line] for side in words]
    return Agreement(source, target, with_blank, labeled, labels, _shift(words[0], words[1]))


def _shift(source: Sequence[Sequence[str]], target: Sequence[Sequence[str]]) -> str:
    size = min(len(source), len(target))
    places = find_partings(source[:size], target[:size])
    if len(places) < 2:  # a line less on one side is one more on the other, further down
        return ""
    shifted = sum(after[0] - before[0] for before, after in pairwise(places) if after[0] != after[1])
    i, j = places[0]
    return (
        f"The two sides have as many lines, but {shifted:,} of them seem to be the translations of a line before or "
        f"after their own. They seem to part at {place(i, j, ' '.join(source[i]), ' '.join(target[j]))}. Entities are "
        "projected badly there: mend the files."
    )
