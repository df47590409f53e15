"""`xproj review`: doubtful projections to a person or a model, and their answers back."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..review import verbs
from ..review.llm import KEY_VARIABLE, second_opinion
from ..review.round import review_round
from ..review.score import Share
from .common import handle_errors, runs_pipelines, show_counts

app = typer.Typer(name="review", help="Have projections looked at, and put the answers to use.", no_args_is_help=True)
Projected = Annotated[Path, typer.Argument(metavar="PROJECTED", help="What 'xproj project' wrote.")]
Answers = Annotated[Path, typer.Argument(metavar="ANSWERS", help="A file of answers, .jsonl.")]


def export_cli(
    projected: Projected,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    to: Annotated[str, typer.Option(help=f"What to write: {', '.join(verbs.FORMATS)}.")] = "jsonl",
    by: Annotated[str, typer.Option(help="What comes first: doubt.")] = "doubt",
    limit: Annotated[int, typer.Option(min=0, help="Source spans to export. 0: all.")] = 0,
    sample: Annotated[int, typer.Option(min=0, help="Source spans to draw at random instead, to score by.")] = 0,
    seed: Annotated[int, typer.Option(help="For the random sample.")] = 0,
    pipeline: Annotated[
        Optional[Path], typer.Option(help="The pipeline that projected. Else PROJECTED.fitted, if it is there.")
    ] = None,
) -> None:
    """Write the source spans whose projections are to be looked at, for an annotation tool or as JSON lines."""
    verbs.check_by(by)
    found = verbs.export(projected, out, to, limit=limit, sample=sample, seed=seed, pipeline=pipeline)
    msg.good(f"{out}: {len(found.cases)} of {found.spans} source spans, {'at random' if sample else 'by doubt'}")
    if to == "label-studio":
        msg.info(f"The labeling interface for the settings of the project: {out}.xml")
    if found.pipeline is None:
        msg.warn(
            f"There is no pipeline {projected}.fitted: only scores tell what is doubtful, and nothing is known of "
            "other candidates. Give --pipeline."
        )
    if not sample:
        msg.info("Answers about the most doubtful spans do not tell how good all are. Draw --sample N for that.")


def import_cli(
    projected: Projected,
    exported: Annotated[Path, typer.Argument(metavar="EXPORTED", help="What the annotation tool exported.")],
    answers: Answers,
    format: Annotated[Optional[str], typer.Option(help="The format of EXPORTED. Else found by content.")] = None,
) -> None:
    """Read what an annotation tool exported as answers."""
    counts, report = verbs.import_(projected, exported, answers, format)
    msg.good(f"{answers}: {counts.total()} answers, read as {report.format}")
    show_counts(counts)
    if report.counts:
        msg.warn(f"Not all is as it was exported, or answered. {answers}.report.json lists it.")
        show_counts(report.counts)


def apply_cli(
    projected: Projected,
    answers: Answers,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The corrected Docs to write, .spacy.")],
    mask_below: Annotated[
        float, typer.Option(min=0, max=1, help="Mask the tokens of unanswered projections that score below this.")
    ] = 0.0,
    lexicon: Annotated[Optional[Path], typer.Option(help="Write entity pairs there, as TSV.")] = None,
    train: Annotated[Optional[Path], typer.Option(help="Write what the matcher learns from there, .spacy.")] = None,
    dev: Annotated[Optional[Path], typer.Option(help="Write a part of that here, to choose a model by.")] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of --dev.")] = 0.2,
) -> None:
    """Put answers into the Docs, and write what the lexicon and the matcher can learn from them."""
    found = verbs.apply(projected, answers, out, mask_below, lexicon, train, dev, share)
    counts = found.counts
    msg.good(f"{out}: {counts['answers']} answers in {counts['changed']} of {counts['docs']} Docs")
    show_counts(Counter({name.replace(":", ": "): n for name, n in counts.items() if ":" in name or "for" in name}))
    show_problems(found.problems)


def llm_cli(
    queue: Annotated[Path, typer.Argument(metavar="QUEUE", help="What 'review export --to jsonl' wrote.")],
    answers: Answers,
    url: Annotated[str, typer.Option(help="An OpenAI-compatible server, such as http://127.0.0.1:8080/v1.")],
    model: Annotated[str, typer.Option(help="The name of the model.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Ask about this share of QUEUE, its beginning.")] = 0.15,
    max_calls: Annotated[int, typer.Option(min=0, help="Make no more requests than this. 0: no bound.")] = 1000,
    key_variable: Annotated[str, typer.Option(help="The environment variable that holds the key.")] = KEY_VARIABLE,
    cache: Annotated[Optional[Path], typer.Option(help="Where replies are kept. Else ANSWERS.replies.sqlite.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for a response.")] = 60.0,
) -> None:
    """Ask a language model for a second opinion on the first, the most doubtful, cases of a queue. Their source and
    target texts are sent to the server at --url, and nothing is sent anywhere else."""
    found = second_opinion(queue, answers, url, model, share, max_calls, cache, key_variable, timeout)
    msg.good(f"{answers}: {len(found.answers)} answers of {model}")
    show_counts(Counter({name.replace(":", ": "): n for name, n in found.counts.items()}))
    if found.left:
        msg.warn(f"{found.left} cases were not asked: --max-calls {max_calls} were made. The same command goes on.")


def round_cli(
    projected: Projected,
    answers: Answers,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    pipeline: Annotated[
        Optional[Path], typer.Option(help="The fitted pipeline that projected. Else PROJECTED.fitted.")
    ] = None,
    mask_below: Annotated[
        float, typer.Option(min=0, max=1, help="Mask the tokens of unanswered projections that score below this.")
    ] = 0.0,
) -> None:
    """Put answers into the Docs, adapt the matcher to them, project again what was not answered, and choose what to ask
    next: a whole round."""
    report, problems = review_round(projected, answers, out, pipeline, mask_below)
    msg.good(f"{out}: {report['answers']} answers about {report['source_spans']} source spans")
    show_counts({name.replace(":", ": "): n for name, n in report.items() if ":" in name})
    show_problems(problems)
    if report["checked"]:
        msg.info(
            f"Of {report['checked']} answered source spans, matchers that did not see their answers project "
            f"{report['right_before']} right before they adapt, and {report['right_after']} after."
        )
    if not report["adapted"]:
        msg.info("The matcher stays as it was: it did not get clearly better on answers that it did not see.")
    msg.info(
        f"{report['changed']} source spans without an answer are projected otherwise now. Wrong among these, as the "
        f"matcher expects: {report['doubt_before']} before, {report['doubt_after']} now."
    )


def score_cli(projected: Projected, answers: Answers) -> None:
    """Tell how good a projection is, from answers about a random sample of it."""
    found = verbs.score(projected, answers)
    rows = [("all", found.precision, found.recall), *((label, *both) for label, both in found.labels.items())]
    header = ("label", "precision", "95 %", "n", "recall", "95 %", "n")
    msg.table([(label, *_cells(p), *_cells(r)) for label, p, r in rows], header=header, divider=True)
    msg.good(f"From {found.sample} answers about a random sample of {found.spans} source spans")
    if found.others:
        msg.info(f"{found.others} answers are left out: their questions were not drawn at random.")


def _cells(share: Share) -> tuple[str, str, str]:
    return f"{share.value:.3f}", f"{share.low:.3f} to {share.high:.3f}", str(share.of)


def show_problems(problems: list[str], most: int = 5) -> None:
    """Show what is wrong with answers that could not be used."""
    if problems:
        more = f" And {len(problems) - most} more." if len(problems) > most else ""
        msg.warn(f"{len(problems)} answers could not be used: {' '.join(problems[:most])}{more}")


app.command("export")(handle_errors(runs_pipelines(export_cli)))
app.command("import")(handle_errors(import_cli))
app.command("apply")(handle_errors(runs_pipelines(apply_cli)))
app.command("llm")(handle_errors(llm_cli))
app.command("round")(handle_errors(runs_pipelines(round_cli)))
app.command("score")(handle_errors(score_cli))
