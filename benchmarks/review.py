"""What answers are worth, with gold as the reviewer: `python -m benchmarks.review`

The learned matcher projects each set with weights that saw nothing of its language pair, as in `benchmarks.quality`.
Gold answers the most doubtful source spans, or random ones. An error that answers can mend is a wrong projection whose
source span has a counterpart of its label in the gold of the sentence pair, or none at all; one that lies on a gold
entity of another label is none. A model that is right in 90 % of the cases answers the most doubtful 15 %, too. The
matcher that is adapted to the answers is scored on the sentences without an answer alone.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np
from spacy.tokens import Doc

from scripts.ranker_data import GIVEN
from spacy_xproj import fit
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import XprojError
from spacy_xproj.evaluate.bootstrap import counts, f1
from spacy_xproj.files import write_json
from spacy_xproj.review.adapt import adapt, cross_validated, projected_again, trainable_matcher
from spacy_xproj.review.answers import Answer
from spacy_xproj.review.apply import Reviewed, correct, example, reviewed
from spacy_xproj.review.cases import Case, cases
from spacy_xproj.review.choose import at_random, by_worth, counted
from spacy_xproj.review.gold import gold_answers, mistaken
from spacy_xproj.review.score import quality
from spacy_xproj.similarities.ranker.weights import read_weights

from .common import DATA, ROOT, config, table
from .folds import fold_weights, group
from .linked import linked

SETS = {"europarl/en-es": "eflomal-gdfa", "europarl/en-de": "eflomal-gdfa", "absa/en-es": "awesome"}
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
ASKED, MODEL_ASKED, MODEL_WRONG = 0.1, 0.15, 0.1
SAMPLE, DRAWS = 100, 200
MENDABLE = ("span", "absent")
CHECKED = ("answered spans, cross-validated", "right", "right, adapted", "taken by `review round`")
SHOWN = 6  # errors of each kind that are named
OUTPUT = ROOT / "metrics" / "review"


class Projected(NamedTuple):
    """A set as it was projected, its gold, all cases by worth, the right answers, and what is wrong by question."""

    docs: list[Doc]
    gold: list[Doc]
    order: list[Case]
    answers: list[Answer]
    wrong: dict[Any, str]


def projected(nlp: Any, name: str, links: str) -> Projected:
    docs, gold = linked(name, links, nlp)
    fit(nlp, docs)
    docs = list(nlp.pipe(docs))
    both = list(gold_answers(docs, gold))
    wrong = {answer.question.key: what for answer, what in both}
    return Projected(docs, gold, by_worth(counted(cases(docs, nlp))), [answer for answer, _ in both], wrong)


def gone(found: Projected, order: Sequence[Case]) -> dict[str, float]:
    """The share of the mendable errors that are among the first cases, by the share of these."""
    hits = np.cumsum([found.wrong[case.question.key] in MENDABLE for case in order])
    return {str(share): float(hits[round(len(order) * share) - 1] / hits[-1]) for share in SHARES}


def needed(found: Projected, order: Sequence[Case], share: float) -> float:
    """The share of the cases that must be answered until a share of the mendable errors is gone."""
    hits = np.cumsum([found.wrong[case.question.key] in MENDABLE for case in order])
    return float((np.argmax(hits >= share * hits[-1] - 1e-9) + 1) / len(order))


def answered(found: Projected, order: Sequence[Case], answers: Sequence[Answer]) -> list[Reviewed]:
    """Copies of the Docs with the answers about some cases."""
    wanted = {case.question.key for case in order}
    given = {answer.question.key: answer for answer in answers if answer.question.key in wanted}
    return list(reviewed([doc.copy() for doc in found.docs], given, []))


def scored(docs: Sequence[Doc], gold: Sequence[Doc]) -> float:
    return float(f1(counts(docs, gold)))


def entry(name: str, links: str, weights: Any) -> dict[str, Any]:
    """All figures of one set."""
    nlp = config("project_ranker.cfg")
    matcher = trainable_matcher(nlp)
    matcher.similarity.weights = weights  # type: ignore[attr-defined]
    found = projected(nlp, name, links)
    order, n = found.order, len(found.order)
    at_chance = [found.order[k] for k in np.random.default_rng(0).permutation(n)]
    by_doubt = gone(found, order)
    first = order[: round(n * ASKED)]
    mine = answered(found, first, found.answers)
    open_docs = [k for k, each in enumerate(mine) if not each.answers]
    learnable = [doc for each in mine if each.answers and (doc := example(each)) is not None]
    corrected = scored([correct(each) for each in mine], found.gold)
    check = cross_validated(nlp, learnable)
    state = matcher.to_bytes()
    adapt(matcher, learnable)
    again = list(projected_again(nlp, found.docs))
    matcher.from_bytes(state)
    few = order[: round(n * MODEL_ASKED)]
    others = {case.question.key: [each.span for each in (*case.candidates, *case.projected)] for case in order}
    by_model = answered(found, few, mistaken(found.answers, MODEL_WRONG, others))
    by_gold = answered(found, few, found.answers)
    left = order[len(first) :]
    return {
        "set": name,
        "links": links,
        "source_spans": n,
        "errors": dict(Counter(what for what in found.wrong.values() if what)),
        "by_doubt": by_doubt,
        "at_random": gone(found, at_chance),
        # In the mean over all orders, a share of the errors is gone after that share of the answers.
        "times_as_many_at_random": by_doubt[str(ASKED)] / needed(found, order, by_doubt[str(ASKED)]),
        "f1": scored(found.docs, found.gold),
        "f1_answered": corrected,
        "f1_gold_15": scored([correct(each) for each in by_gold], found.gold),
        "f1_model_15": scored([correct(each) for each in by_model], found.gold),
        "open_sentences": len(open_docs),
        "open_f1": scored([found.docs[k] for k in open_docs], [found.gold[k] for k in open_docs]),
        "open_f1_adapted": scored([again[k] for k in open_docs], [found.gold[k] for k in open_docs]),
        "cross_validated": list(check),
        "sample": sampled(found),
        "missed_by_reason": dict(
            Counter(
                case.reason or "another span" for case in left if found.wrong[case.question.key] in MENDABLE
            ).most_common()
        ),
        "missed": [
            [case.question.source.text, [each.span.text for each in case.projected], case.doubt]
            for case in left
            if found.wrong[case.question.key] in MENDABLE
        ][:SHOWN],
    }


def sampled(found: Projected) -> dict[str, float]:
    """How often the interval of `quality` holds the precision and the recall of all, over random samples."""
    by_key = {answer.question.key: answer for answer in found.answers}

    def told(drawn: Sequence[Case]) -> Any:
        asked = [case.question for case in drawn]
        return quality(found.docs, {q.key: replace(by_key[q.key], question=q) for q in asked})

    true = told(at_random(found.order, len(found.order)))
    draws = [told(at_random(found.order, SAMPLE, seed)) for seed in range(DRAWS)]
    out: dict[str, float] = {}
    for name in ("precision", "recall"):
        whole, some = getattr(true, name).value, [getattr(draw, name) for draw in draws]
        out[name] = whole
        out[f"{name}_held"] = float(np.mean([each.low <= whole <= each.high for each in some]))
        out[f"{name}_width"] = float(np.mean([each.high - each.low for each in some]))
    return out


def report(found: Sequence[dict[str, Any]]) -> str:
    """All figures as Markdown."""
    percent = [f"{share:.0%}" for share in SHARES]
    gone_rows = [
        (each["set"], how.replace("_", " "), *(f"{each[how][str(share)]:.0%}" for share in SHARES))
        for each in found
        for how in ("by_doubt", "at_random")
    ]
    f1_rows = [
        (
            each["set"],
            each["source_spans"],
            sum(each["errors"].get(what, 0) for what in MENDABLE),
            each["errors"].get("other label", 0),
            f"{each['times_as_many_at_random']:.1f}",
            *(f"{each[key]:.4f}" for key in ("f1", "f1_answered", "f1_gold_15", "f1_model_15")),
        )
        for each in found
    ]
    open_rows = [
        (
            each["set"],
            each["open_sentences"],
            *(f"{each[key]:.4f}" for key in ("open_f1", "open_f1_adapted")),
            *each["cross_validated"][:3],
            "yes" if each["cross_validated"][3] else "no",
        )
        for each in found
    ]
    sample_rows = [
        (
            each["set"],
            *(
                value
                for name in ("precision", "recall")
                for value in (
                    f"{each['sample'][name]:.3f}",
                    f"{each['sample'][f'{name}_held']:.0%}",
                    f"{each['sample'][f'{name}_width']:.3f}",
                )
            ),
        )
        for each in found
    ]
    parts = [
        "# What answers are worth",
        "## Mendable errors gone, by the share of the source spans that are answered",
        table(("set", "asked", *percent), gone_rows),
        "## F1",
        table(
            (
                "set",
                "source spans",
                "mendable errors",
                "other label",
                "times as many answers at random",
                "F1",
                f"gold answers {ASKED:.0%}",
                f"gold answers {MODEL_ASKED:.0%}",
                f"a model, right in {1 - MODEL_WRONG:.0%}, answers {MODEL_ASKED:.0%}",
            ),
            f1_rows,
        ),
        "## The adapted matcher, on sentences without an answer",
        table(("set", "sentences", "F1", "F1, adapted", *CHECKED), open_rows),
        f"## What a random sample of {SAMPLE} tells: all, how often the 95 % interval holds it, and its width",
        table(("set", "precision", "held", "width", "recall", "held", "width"), sample_rows),
        "## Mendable errors beyond the first tenth, by reason, with examples",
        "\n".join(f"- {each['set']}: {missed(each)}" for each in found),
    ]
    return "\n\n".join(parts) + "\n"


def missed(each: dict[str, Any]) -> str:
    """What was wrong beyond the first tenth."""
    some = [f"{source} → {' / '.join(spans) or 'nothing'} ({doubt:.2f})" for source, spans, doubt in each["missed"]]
    return ", ".join(f"{reason} {n}" for reason, n in each["missed_by_reason"].items()) + ". " + "; ".join(some) + "."


@handle_errors
def main(args: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=tuple(SETS), default=tuple(SETS))
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for report, numbers and weights")
    parser.add_argument("--shipped", action="store_true", help="take the shipped weights, which saw these sets")
    given = parser.parse_args(args)
    if not DATA.exists():
        raise XprojError(f"There is no data folder {DATA}. Set XPROJ_DATA.")
    found = []
    for name in given.sets:
        if given.shipped:
            weights = read_weights()
        else:
            weights = fold_weights(group(name, "languages"), "languages", given.output / "weights", tuple(GIVEN))
        found.append(entry(name, SETS[name], weights))
        print(f"# {name}: {found[-1]['by_doubt']}", flush=True)
    write_json(given.output / "review.json", found)
    text = report(found)
    (given.output / "review.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
