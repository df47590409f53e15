"""The figures of the studies, which are plain data, as Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any, Optional

from benchmarks.common import table

from .routes import ALONE, BOTH, ENSEMBLE, GOLD, PROJECTION, TRANSFER
from .sizes import TEACHER

TITLES = {
    1: "Label projection, teacher-student, and both",
    2: "Several sources",
    3: "Size and speed against F1",
    4: "Domain shift",
    5: "Checks of correctness",
}


def report(found: dict[int, dict[str, Any]], pictures: Sequence[str] = ()) -> str:
    """All as Markdown.

    found (dict): What each `study-N.json` holds, by N.
    pictures (sequence of str): Names of the figures beside the file.
    """
    parts = ["# Projection and distillation"]
    for number, study in sorted(found.items()):
        versions = ", ".join(f"{name} {each}" for name, each in study["versions"].items())
        parts.append(f"## Study {number}. {TITLES[number]}")
        if study["quick"]:
            parts.append("**A trial, on a few sentences and steps: the figures mean nothing.**")
        parts.append(f"{len(study['seeds'])} seeds, {study['steps']} steps a training; {versions}.")
        parts += {1: routes, 2: sources, 3: sizes, 4: domains, 5: checks}[number](study)
    return "\n\n".join([*parts, *(f"![{name}]({name})" for name in pictures)]) + "\n"


# Cells


def f1_cells(each: dict[str, Any]) -> list[str]:
    low, high = each["interval"]
    one = len(each["seeds"]) == 1
    return [
        f"{each['f1']:.3f}{' ' + chr(0x26A0) if each['collapsed'] else ''}",
        f"{low:.3f} to {high:.3f}",
        "" if one else ", ".join(f"{x:.3f}" for x in each["seeds"]),
        f"{each['precision']:.3f}",
        f"{each['recall']:.3f}",
    ]


F1_HEADER = ["F1, mean", "95 %", "F1 of each seed", "precision", "recall"]


def number(value: Optional[float], form: str = ".3f") -> str:
    return "" if value is None else format(value, form)


def differences(rows: Iterable[dict[str, Any]]) -> str:
    cells = [
        [
            row["ours"],
            row["theirs"],
            f"{100 * row['gain']:+.1f}",
            f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}",
            f"{row['p']:.3f}",
        ]
        for row in rows
    ]
    return table(["method", "against", "F1 points", "95 %", "p"], cells)


def warning(settings: Iterable[dict[str, Any]]) -> list[str]:
    """Trainings that came to nothing, which the tables mark."""
    lines = [
        f"- {each['setting']}, {name}, {test}: seeds number {', '.join(str(k + 1) for k in row['collapsed'])}"
        for each in settings
        for name, tests in each["methods"].items()
        for test, row in tests.items()
        if row["collapsed"]
    ]
    if not lines:
        return ["No training collapsed: each finds from a tenth to ten times of the entities that there are."]
    note = "⚠ Collapsed: these find fewer than a tenth, or more than ten times, of the entities that there are."
    return ["\n".join([note, "", *lines])]


def label_table(labels: dict[str, dict[str, Any]]) -> str:
    keys = {
        "F1": "f1",
        "precision": "precision",
        "recall": "recall",
        "NLL": "nll",
        "entropy": "entropy",
        "masked tokens": "masked",
        "agreement with the projection": "agreement",
        "where they differ: projection right": "projection_right",
        "labels right": "labels_right",
    }
    return table(
        ["method", *keys], ([name, *(number(each[k]) for k in keys.values())] for name, each in labels.items())
    )


# Studies


def routes(study: dict[str, Any]) -> list[str]:
    parts = ["\n".join(f"- {name}: {what}." for name, what in study["what"].items())]
    for each in study["settings"]:
        test = next(iter(each["methods"][PROJECTION]))
        rows = [[name, *f1_cells(tests[test])] for name, tests in each["methods"].items()]
        parts += [f"### {each['setting']}", table(["method", *F1_HEADER], rows), verdict(each, test)]
        parts += [
            "How good the labels that students learn from are, on the training text, against its gold; NLL and entropy "
            "a token, agreement over the tokens that one of the two finds in an entity:",
            label_table(each["labels"]),
            differences(each["differences"]),
        ]
    return [*parts, *warning(study["settings"])]


def verdict(each: dict[str, Any], test: str) -> str:
    """Whether both routes together beat each alone, and how the ranks of the labels and of the students go together."""
    score = {name: tests[test]["f1"] for name, tests in each["methods"].items()}
    alone = max((name for name in ALONE if name in score), key=score.__getitem__)
    both = [name for name in BOTH if name in score]
    better = [name for name in both if score[name] > score[alone]]
    sure = {
        row["ours"]
        for row in each["differences"]
        if row["theirs"] == alone and row["low"] > 0 and row["ours"] in better
    }
    others = {"model transfer of the teacher": score.get(ENSEMBLE.format(TRANSFER)), "gold": score.get(GOLD)}
    lines = [
        f"Best route alone: {alone}, {score[alone]:.3f}"
        + "".join(f"; {name} {value:.3f}" for name, value in others.items() if value is not None)
        + ". "
        f"{len(better)} of {len(both)} ways of both together beat it"
        + (f" ({'; '.join(f'{x} {100 * (score[x] - score[alone]):+.1f}' for x in better)})" if better else "")
        + f"; with an interval above 0: {'; '.join(sorted(sure)) or 'none'}."
    ]
    labels = each["labels"]
    if each["home"] is not None:
        lines.append(f"In its own language the teacher has F1 {each['home']:.3f}.")
    if PROJECTION in labels and ALONE[0] in labels:
        other = labels[ALONE[0]]
        lines.append(
            f"Labels of the projection have F1 {labels[PROJECTION]['f1']:.3f} on the training text, those of the "
            f"teacher {other['f1']:.3f} (recall {other['recall']:.3f}); of the tokens that one of them finds in an "
            f"entity they agree on {number(other['agreement'], '.1%')}; where they differ, the projection is right in "
            f"{number(other['projection_right'], '.1%')} and the teacher in {number(other['labels_right'], '.1%')}."
        )
    return " ".join(lines)


def sources(study: dict[str, Any]) -> list[str]:
    parts = [f"Entity-swap: of {study['swap_level']:.0%} of the texts there is a changed copy in each round."]
    for each in study["settings"]:
        test = next(iter(next(iter(each["methods"].values()))))
        rows = [[name, *f1_cells(tests[test])] for name, tests in each["methods"].items()]
        parts += [f"### {each['setting']}", table(["sources", *F1_HEADER], rows)]
        names = sorted({name for weights in each["weights"].values() for name in weights})
        cells = [[way, *(number(weights.get(name, 0.0)) for name in names)] for way, weights in each["weights"].items()]
        parts += ["Mean weights of the teachers:", table(["sources", *names], cells)]
        parts += ["Labels, as in study 1:", label_table(each["labels"]), differences(each["differences"])]
    return [*parts, *warning(study["settings"])]


def sizes(study: dict[str, Any]) -> list[str]:
    rows = []
    for each in study["sizes"]:
        front = [name for key, name in (("words_a_second", "speed"), ("parameters", "size")) if each[f"front_{key}"]]
        rows.append(
            [
                each["name"],
                f"{each['parameters'] / 1e6:.2f}",
                each["steps"],
                f"{each['words_a_second']:,.0f}",
                *f1_cells(each),
                ", ".join(front),
            ]
        )
    header = ["student", "million parameters", "steps", "words a second", *F1_HEADER, "Pareto front of F1 and"]
    note = (
        "Students of the soft labels of the teacher of projections, on the training text and more (study 1). Words a "
        f"second: of CPU time on one thread, over {study['sentences']} sentences of news, the best of three. "
        f"`{TEACHER}` is the mean of models of the config's size."
    )
    bad = [each["name"] for each in study["sizes"] if each["collapsed"]]
    return [note, table(header, rows), f"Collapsed: {', '.join(bad) or 'none'}."]


def domains(study: dict[str, Any]) -> list[str]:
    parts = []
    for each in study["settings"]:
        tests = list(next(iter(each["methods"].values())))
        header = ["method", *(f"{test}: {cell}" for test in tests for cell in ("F1", "95 %", "each seed"))]
        rows = [[name, *(c for t in tests for c in f1_cells(by[t])[:3])] for name, by in each["methods"].items()]
        parts += [f"### {each['setting']}", table(header, rows)]
        parts += ["Labels, as in study 1:", label_table(each["labels"])]
        parts += [f"Differences on {tests[0]}:", differences(each["differences"])]
    return [*parts, *warning(study["settings"])]


def checks(study: dict[str, Any]) -> list[str]:
    gold = study["perfect"][GOLD]["f1"]
    rows = [
        [
            name,
            f"{each['f1']:.3f}",
            ", ".join(f"{x:.3f}" for x in each["seeds"]),
            f"{100 * (each['f1'] - gold):+.2f}",
            "yes" if abs(each["f1"] - gold) <= 0.01 else "NO",
        ]
        for name, each in study["perfect"].items()
    ]
    ranked = [
        [
            row["target"],
            " > ".join(", ".join(group) for group in row["groups"]),
            ", ".join(f"{name} {w:.3f}" for name, w in sorted(row["weights"].items(), key=lambda x: -x[1])),
            "yes" if row["as_expected"] else "NO",
        ]
        for row in study["rankings"]
    ]
    losses = [
        [
            row["loss"],
            row["temperature"],
            f"{row['by_hand']:.9f}",
            f"{row['value']:.9f}",
            f"{abs(row['by_hand'] - row['value']):.1e}",
            f"{row['gradient_error']:.1e}",
        ]
        for row in study["losses"]
    ]
    return [
        "A perfect teacher against gold (shipped, es):",
        table(["labels", "F1, mean", "F1 of each seed", "points from gold", "within 1 point"], rows),
        "Weights of the similarity model, character n-grams, on the domain's level:",
        table(["target", "expected order of sources", "weights", "as expected"], ranked),
        "Losses of two tokens against sums written out, and gradients against finite differences:",
        table(["loss", "temperature", "by hand", "computed", "difference", "gradient, largest difference"], losses),
    ]
