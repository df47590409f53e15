"""The verbs of review, on files: export, import, apply, score."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ..corpus import blank, read_docs, write_file
from ..corpus.formats import Report
from ..errors import InputError, XprojError, check_one_of
from ..files import check_apart, check_as_written, read_note, write_json
from ..locks import locked
from ..runs.pipelines import is_single
from ..runs.split import is_dev
from .answers import Answer, Key, latest, read_answers, write_answers
from .apply import correct, example, lexicon, reviewed
from .cases import Case, cases, write_queue
from .choose import at_random, by_worth, counted
from .exchange import TOOLS, asked_of, read_records, write_records
from .inspect import inspect
from .page import write_page
from .page.rows import asking
from .score import Quality, quality

PathLike = Union[str, Path]
BY = ("doubt",)
FORMATS = ("jsonl", "page", *TOOLS)
FITTED = ".fitted"  # what `xproj project` leaves beside its output


class Exported(NamedTuple):
    """What was exported.

    cases (list of Case): The chosen cases, in order.
    spans (int): Source spans of the corpus.
    pipeline (Optional[Path]): The pipeline that told how likely other candidates are.
    """

    cases: list[Case]
    spans: int
    pipeline: Optional[Path]


def chosen(
    projected: PathLike, pipeline: Optional[PathLike] = None, limit: int = 0, sample: int = 0, seed: int = 0
) -> Exported:
    """Choose the cases of a projection that are to be answered.

    projected (str or Path): What `xproj project` wrote: a .spacy file, or a folder of shards.
    pipeline (Optional[str or Path]): The fitted pipeline that projected it. None: the one beside it, if it is there.
    limit (int): Choose this many, the most doubtful first. 0: all.
    sample (int): Draw this many at random instead. 0: none.
    seed (int): For the sample.
    RETURNS (Exported): The cases.
    RAISES (XprojError): If the input cannot be used, or has no source span.
    """
    if limit and sample:
        raise XprojError("Give --limit for the most doubtful source spans or --sample for a random sample, not both.")
    folder = Path(pipeline) if pipeline is not None else Path(f"{projected}{FITTED}")
    check_as_written(folder)
    nlp: Optional[Language] = spacy.load(folder) if pipeline is not None or read_note(folder) else None
    found = counted(cases(projected_docs(projected, nlp), nlp))
    if not found:
        raise InputError(projected, "Not one of its Docs has a source span: there is nothing to review.")
    some = at_random(found, sample, seed) if sample else by_worth(found, limit)
    if not some:
        raise InputError(projected, f"All of its {len(found)} source spans are answered: there is nothing to review.")
    return Exported(some, len(found), folder if nlp is not None else None)


def check_by(by: str) -> None:
    """RAISES (XprojError): If there is no such order of cases."""
    check_one_of("review export", BY, by=by)


def projected_docs(path: PathLike, nlp: Optional[Language] = None) -> Iterator[Doc]:
    """Read what `xproj project` wrote."""
    return read_docs(path, nlp or blank("xx"), format="spacy")


def export(projected: PathLike, out: PathLike, to: str = "jsonl", **options: Any) -> Exported:
    """Write the cases of a projection that are to be answered.

    projected (str or Path): What `xproj project` wrote.
    out (str or Path): The file to write.
    to (str): One of `FORMATS`.
    options: As for `chosen`.
    RETURNS (Exported): What was written.
    RAISES (XprojError): If the input cannot be used, or has no source span.
    """
    if to not in FORMATS:
        raise XprojError(f"Expected --to to be one of {', '.join(FORMATS)}, got {to!r}.")
    with locked(out, [projected, options.get("pipeline")]):
        found = chosen(projected, **options)
        if to == "page":
            _write_page(projected, Path(out), found)
        elif to == "jsonl":
            write_queue(out, found.cases)
        else:
            write_records(out, found.cases, to)
    return found


def _write_page(projected: PathLike, out: Path, found: Exported) -> None:
    about = inspect(projected, pipeline=found.pipeline, candidates=found.pipeline is not None)
    rows = asking(about.rows, {case.question.key for case in found.cases})
    langs = {"source_lang": about.source_lang, "target_lang": about.target_lang}
    write_page(out, rows, title=Path(projected).name, asked=found.cases[0].question.asked, **langs)


def import_(
    projected: PathLike, exported: PathLike, answers: PathLike, format: Optional[str] = None
) -> tuple[Counter, Report]:
    """Read what an annotation tool exported as answers. Beside them, `ANSWERS.report.json` lists what was edited so
    that it is no answer.

    projected (str or Path): What `xproj project` wrote, and was exported for the tool.
    exported (str or Path): What the tool exported.
    answers (str or Path): The file of answers to write.
    format (Optional[str]): The format of the export. None: found by content.
    RETURNS (Counter, Report): The answers by kind, and what could not be used.
    RAISES (XprojError): If the files cannot be used, or hold no answer.
    """
    notes: list[dict[str, Any]] = []
    report = Report(sink=lambda note: notes.append(note._asdict()))
    with locked(answers, [projected, exported]):
        found = list(read_records(exported, asked_of(projected_docs(projected)), report, format))
        if not found:
            noted = ", ".join(f"{kind.replace('_', ' ')}: {n}" for kind, n in sorted(report.counts.items()))
            raise InputError(exported, f"It has no answer that can be used ({noted or 'no record'}).")
        twice = Counter(answer.question.key for answer in found)
        if many := sum(n - 1 for n in twice.values()):
            report.note("answered_twice", None, "The last answer counts.", n=many)
        write_answers(answers, found)
        counts = Counter(answer.answer for answer in found)
        write_json(f"{answers}.report.json", {"answers": dict(sorted(counts.items())), "notes": notes})
    return counts, report


class Applied(NamedTuple):
    """What became of answers.

    counts (Counter): `docs`, `changed` Docs, `answers`, and those of each kind and reviewer (`kind:…`, `reviewer:…`).
    problems (list of str): A sentence for each answer that could not be used.
    """

    counts: Counter
    problems: list[str]


def apply(
    projected: PathLike,
    answers: PathLike,
    out: PathLike,
    mask_below: float = 0.0,
    lexicon_path: Optional[PathLike] = None,
    train: Optional[PathLike] = None,
    dev: Optional[PathLike] = None,
    share: float = 0.2,
) -> Applied:
    """Put answers into the Docs that they are about.

    projected (str or Path): What `xproj project` wrote.
    answers (str or Path): The file of answers.
    out (str or Path): The corrected Docs to write, .spacy.
    mask_below (float): Tokens of projections that were not answered and score below this become missing values.
    lexicon_path (Optional[str or Path]): Write the entity pairs that the answers tell there, as TSV.
    train, dev (Optional[str or Path]): Write what the matcher can learn from there, .spacy, for
        `spacy train configs/matcher.cfg`. Without `dev` all goes to `train`.
    share (float): The share of `dev`.
    RETURNS (Applied): What became of the answers.
    RAISES (XprojError): If the files cannot be used, or no answer fits. Nothing is written then.
    """
    if dev is not None and train is None:
        raise XprojError("Give --train, too, where --dev is given.")
    outs = [path for path in (out, train, dev) if path is not None]
    for path in outs:
        if not is_single(Path(path)):
            raise XprojError(f"{path}: Expected a name that ends in .spacy.")
    all_outs = [*outs, *([lexicon_path] if lexicon_path is not None else [])]
    if len({Path(path).resolve() for path in all_outs}) < len(all_outs):
        raise XprojError("What is written must go to different files.")
    for path in all_outs:
        check_apart(path, [projected, answers])
    given = answers_of(answers)
    counts: Counter = Counter()
    problems: list[str] = []
    found = list(reviewed(projected_docs(projected), given, problems))
    used = [answer for each in found for answer, _ in each.answers.values() if answer.question.key in given]
    if not used:
        raise InputError(answers, f"Not one of its answers fits {projected}. {(problems or ['It is empty.'])[0]}")
    learnable = [doc for each in found if each.answers and (doc := example(each)) is not None]
    table = lexicon(each for each in found if each.answers)
    counts.update(f"kind:{answer.answer}" for answer in used)
    counts.update(f"reviewer:{answer.reviewer}" for answer in used)
    counts.update(docs=len(found), changed=sum(bool(each.answers) for each in found), answers=len(used))
    with locked(out, [projected, answers]):
        write_file((correct(each, mask_below) for each in found), out)
        if lexicon_path is not None:
            table.write(lexicon_path)
        if train is not None:
            parts: tuple[list[Doc], list[Doc]] = ([], [])
            for doc in learnable:
                parts[dev is not None and is_dev(doc.text, share)].append(doc)
            for name, file, docs in zip(("training", "development"), (train, dev), parts):
                if file is not None:
                    counts[f"for {name}"] = write_file(docs, file)
    return Applied(counts, problems)


def answers_of(path: PathLike) -> dict[Key, Answer]:
    """Read a file of answers: one a question, see `latest`."""
    return latest(answer for _, answer in read_answers(path))


def score(projected: PathLike, answers: PathLike) -> Quality:
    """Tell from answers about a random sample how good a projection is. See `quality`.

    projected (str or Path): What `xproj project` wrote.
    answers (str or Path): The file of answers.
    """
    return quality(projected_docs(projected), answers_of(answers))
