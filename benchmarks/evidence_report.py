"""The figures of the evidence benchmark, which are plain data, as Markdown, and those that others have published."""

from collections.abc import Sequence
from typing import Any, Optional

from .common import table

POLITOV = "Politov et al. 2025"
THESIS = "Shkalikov's master's thesis, repository ShkalikovOleh/master-thesis"
T_PROJECTION = "García-Ferrero et al. 2023"

# evidence, data, without it, with it, source
PUBLISHED = (
    (
        "NER score of a real NER (mDeBERTa), beside links of AWESoME",
        "MasakhaNER 2.0, mean F1 of 18 languages",
        "65.6",
        "67.5",
        THESIS,
    ),
    (
        "NMTScore (NLLB-200 600M), beside links of AWESoME",
        "MasakhaNER 2.0, mean F1 of 18 languages",
        "65.6",
        "66.7",
        THESIS,
    ),
    ("both of these", "MasakhaNER 2.0, mean F1 of 18 languages", "65.6", "68.7", THESIS),
    (
        "NMTScore (NLLB-200 600M) in place of links of AWESoME, exact assignment",
        "Europarl, F1 de / es / it",
        "92.1 / 88.3 / 86.4",
        "88.6 / 91.6 / 87.9",
        THESIS,
    ),
    (
        "NER score (mDeBERTa) in place of links of AWESoME, exact assignment",
        "Europarl, F1 de / es / it",
        "92.1 / 88.3 / 86.4",
        "71.4 / 73.4 / 70.5",
        THESIS,
    ),
    (
        "candidates of a NER (XLM-R-large) in place of all spans, links of AWESoME",
        "Europarl, F1 es / de / it",
        "88.6 / 92.0 / 87.2",
        "80.0 / 74.7 / 72.0",
        POLITOV,
    ),
    (
        "candidates of a mT5 and NMTScore (M2M-100 12B), against links of AWESoME, tuned",
        "opinion targets (es, fr, ru) / Europarl (es, de, it) / arguments (es), F1, read off a figure",
        "92 / 87 / 54",
        "94 / 91 / 96",
        T_PROJECTION,
    ),
    (
        "contextual similarity of a pretrained encoder: of words, as links of SimAlign, against fast_align",
        "opinion targets (es, fr, ru) / Europarl (es, de, it) / arguments (es), F1, read off a figure",
        "75 / 71 / 85",
        "86 / 84 / 84",
        T_PROJECTION,
    ),
)

CONTEXT = (
    " `Context.v1`: the encoder of `--encoder`; in docs/results/evidence.md one of two layers for each language, tuned "
    "from random weights by `python -m benchmarks.tuning` on some 2,800 sentence pairs, and nothing for other sets."
)


def report(found: dict[str, Any]) -> str:
    """All as Markdown.

    found (dict): What `evidence.json` holds.
    """
    figures = found["figures"]
    by_kind = {kind: [each for each in figures if each["kind"] == kind] for kind in ("base", "without", "with")}
    parts = [
        "# What evidence adds",
        "`python -m benchmarks.evidence`. F1 points that evidence adds to `Ranker.v1`, with the 95 % interval of the "
        "paired bootstrap over sentences. Figures in bold have an interval without 0, as one in twenty has by chance. "
        "No weights saw anything "
        f"of the language pair that they are measured on. They are learnt from one sentence pair in {found['every']}, "
        "and not from the weakest links, so that F1 is lower than in [quality.md](quality.md).",
        "F1 with all features, and no further evidence:",
        table(["set", "links", "F1", "95 %"], [base_line(each) for each in by_kind["base"]]),
    ]
    if by_kind["without"]:
        parts += [
            "## Features that `Ranker.v1` has",
            "What each group adds to the others: F1 with all, minus F1 where the group is left out and the weights are "
            "learnt anew. Groups that stand in for each other add little, each by itself.",
            across(by_kind["without"]),
        ]
    parts += [
        "## Further evidence, measured",
        "What a part in `evidence` adds to all features, its weights learnt from gold of the other language pairs. "
        f"`Labels.v1`: a NER trained in {found['steps']} steps, without gold, on projections of the other half of the "
        f"set; so for {', '.join(found['labeled'])}, and nothing for other sets that weights are learnt from."
        + (CONTEXT if found["encoder"] else ""),
        across(by_kind["with"], {} if found["encoder"] else {"Context.v1": "not measured: no `--encoder`"}),
    ]
    parts += [
        "## Further evidence, published",
        "What needs a pretrained model is not measured on this page. Published F1 without it and with it, of other "
        "matchers than this one:",
        table(["evidence", "data", "without", "with", "source"], PUBLISHED),
        "For the similarity of spans in context, as `Context.v1` has it, no figure of its own is published; the last "
        "line is that of the words' links from the same kind of encoder.",
        "## Groups",
        table(["group", "features"], [[name, ", ".join(some)] for name, some in found["groups"].items()]),
    ]
    return "\n\n".join(parts) + "\n"


def base_line(each: dict[str, Any]) -> list[str]:
    low, high = each["interval"]
    return [each["set"], each["links"], f"{each['f1']:.4f}", f"{low:.3f} to {high:.3f}"]


def across(figures: Sequence[dict[str, Any]], left_out: Optional[dict[str, str]] = None) -> str:
    """A table with a line for each kind of evidence and a column for each set with its links. A figure whose interval
    does not hold 0 is set in bold.

    left_out (Optional[dict[str, str]]): Kinds that are not there, and why.
    """
    columns = list(dict.fromkeys((each["set"], each["links"]) for each in figures))
    cells = {(each["evidence"], each["set"], each["links"]): adds(each["adds"]) for each in figures}
    lines = [
        [name, *(cells.get((name, *column), "") for column in columns)]
        for name in dict.fromkeys(each["evidence"] for each in figures)
    ]
    lines += [[name, why, *[""] * (len(columns) - 1)] for name, why in (left_out or {}).items()]
    return table(["evidence", *(f"{name}, {links}" for name, links in columns)], lines)


def adds(found: dict[str, float]) -> str:
    gain, low, high = (100 * found[name] for name in ("gain", "low", "high"))
    mark = "**" if low > 0 or high < 0 else ""
    return f"{mark}{gain:+.1f}{mark} ({low:+.1f} to {high:+.1f})"
