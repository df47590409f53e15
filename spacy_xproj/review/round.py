"""A round of review in one go: from answers to corrected Docs, an adapted matcher, and the next questions."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, Optional

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ..corpus import write_file
from ..errors import InputError
from ..files import check_as_written, file_hash, read_note, replacing_folder, write_json
from ..keys import finished, run_key
from ..locks import locked
from .adapt import adapt, cross_validated, projected_again, trainable_matcher
from .answers import Answer, Key
from .apply import correct, example, lexicon, reviewed
from .cases import Case, cases, write_queue
from .choose import by_worth, counted
from .verbs import FITTED, PathLike, answers_of, projected_docs

CORRECTED, PIPELINE, LEXICON, TRAIN, QUEUE, REPORT = (
    "corrected.spacy",
    "corrected.spacy.fitted",
    "lexicon.tsv",
    "train.spacy",
    "queue.jsonl",
    "report.json",
)


class Round(NamedTuple):
    """What a round did.

    report (dict): Numbers: `docs`, `source_spans`, `answers`, `kind:…`, `reviewer:…`; `checked`, `right_before` and
        `right_after`: answered source spans, and how many of them a matcher projects right that did not see their
        answers; `adapted`, whether the adapted matcher was taken; `changed`, source spans without an answer that are
        projected otherwise now; `doubt_before` and `doubt_after`, the number of wrong ones among those that the matcher
        itself expects.
    problems (list of str): A sentence for each answer that could not be used.
    """

    report: dict[str, Any]
    problems: list[str]


def review_round(
    projected: PathLike, answers: PathLike, out: PathLike, pipeline: Optional[PathLike] = None, mask_below: float = 0.0
) -> Round:
    """Put answers into the Docs, adapt the matcher to them, project again what was not answered, and choose what to ask
    next. An adapted matcher is taken if it is better on answers that it did not see, by cross-validation.

    projected (str or Path): What `xproj project` or an earlier round wrote.
    answers (str or Path): The file of answers.
    out (str or Path): The folder to write: `corrected.spacy` and its pipeline `corrected.spacy.fitted`, `lexicon.tsv`,
        `train.spacy`, `queue.jsonl` with what is not answered, and `report.json`.
    pipeline (Optional[str or Path]): The fitted pipeline that projected. None: `PROJECTED.fitted`.
    mask_below (float): As for `apply`.
    RETURNS (Round): What it did. A round that is there already, of the same files, is not done again.
    RAISES (XprojError): If the files cannot be used, or no answer fits.
    """
    folder = Path(pipeline) if pipeline is not None else Path(f"{projected}{FITTED}")
    if not folder.is_dir():
        raise InputError(folder, "Expected the fitted pipeline that projected. Give it with --pipeline.")
    inputs = {"input": projected, "answers": answers, "pipeline": folder}
    key = run_key(inputs, {"mask below": mask_below})
    with locked(out, inputs.values()):
        if (note := finished(out, key)) and read_note(Path(out) / PIPELINE):
            return Round(note["report"], note["problems"])
        check_as_written(folder)
        nlp = spacy.load(folder)
        matcher = trainable_matcher(nlp)
        given = answers_of(answers)
        problems: list[str] = []
        docs = list(projected_docs(projected, nlp))
        found = list(reviewed(docs, given, problems))
        every = {answer.question.key: answer for each in found for answer, _ in each.answers.values()}
        used = [answer for question, answer in every.items() if question in given]
        before = _open_cases(docs, nlp, every)
        if not used:
            raise InputError(answers, f"Not one of its answers fits {projected}. {(problems or ['It is empty.'])[0]}")
        learnable = [doc for each in found if each.answers and (doc := example(each)) is not None]
        check = cross_validated(nlp, learnable)
        if check.better:
            adapt(matcher, learnable)
        table = lexicon(each for each in found if each.answers)
        new = list(projected_again(nlp, docs)) if check.better else docs
        again: list[str] = []
        corrected = [correct(each, mask_below) for each in reviewed(new, every, again)]
        after = _open_cases(corrected, nlp, every)
        shown = {case.question.key: {each.span for each in case.projected} for case in before}
        report = {
            "docs": len(docs),
            "source_spans": sum(len(doc._.xproj.spans) for doc in docs if doc._.xproj is not None),
            "answers": len(used),
            **dict(sorted(Counter(f"kind:{answer.answer}" for answer in used).items())),
            **dict(sorted(Counter(f"reviewer:{answer.reviewer}" for answer in used).items())),
            "checked": check.spans,
            "right_before": check.before,
            "right_after": check.after,
            "adapted": check.better,
            "changed": sum({each.span for each in case.projected} != shown[case.question.key] for case in after),
            "doubt_before": round(sum(case.doubt for case in before), 1),
            "doubt_after": round(sum(case.doubt for case in after), 1),
        }
        with replacing_folder(out, key=key, report=report, problems=problems) as beside:
            with replacing_folder(beside / PIPELINE, key=key, fitted=[]) as inside:
                nlp.to_disk(inside)
            state = file_hash(beside / PIPELINE)
            for doc in corrected:
                if doc._.xproj is not None:  # by it `inspect` and `export` know whose candidates to show
                    doc._.xproj = doc._.xproj.replace(provenance={**doc._.xproj.provenance, "pipeline": state})
            write_file(corrected, beside / CORRECTED)
            write_file(learnable, beside / TRAIN)
            table.write(beside / LEXICON)
            write_queue(beside / QUEUE, by_worth(after))
            write_json(beside / REPORT, report)
    return Round(report, problems)


def _open_cases(docs: list[Doc], nlp: Language, given: dict[Key, Answer]) -> list[Case]:
    """The cases without an answer."""
    return [case for case in counted(cases(docs, nlp)) if case.question.key not in given]
