"""The features of `spacy_xproj.Ranker.v1` by name, with what each says. None of them knows a language.

A row of features is an array in the order of `FEATURES`. Those of "not projected" are the last, `NULL`; a candidate has
0 there, and "not projected" has 0 elsewhere. After them come those of further evidence, see `with_parts`.
"""

from collections.abc import Iterable

# Sums over the words of the candidate. "Linked" is linked to the source span.
SUMS = {
    "certain": "linked, and no other link of either word scores as high",
    "uncertain": "linked by a link that is not certain",
    "doubt": "1 - score of the best link to the source span, where linked",
    "to_other_span": "linked to a word of another source span",
    "to_outside": "linked to a source word outside all spans",
    "to_outside_certain": "linked to a source word outside all spans by a certain link",
    "not_linked": "linked to nothing",
    "same_form": "similarity of form to a word of the span above .85",
    "like_form": "similarity of form to a word of the span, where above .7",
    "part_form": "the form of a longer word holds that of a word of the span, or the reverse, and no link says so",
    "form_elsewhere": "like a source word outside the span (.92), and not like one inside",
    "punct": "punctuation",
    "capital": "begins with a capital or digit, where the span has a capital at an edge",
    "lower": "unlinked and begins without a capital, where the span has a capital at an edge",
    "between": "unlinked, at most three words from linked ones on both sides",
    "near": "unlinked, not between linked words, next to one",
    "apart": "unlinked and more than one word from the nearest linked one",
    "far": "unlinked and more than four words from the nearest linked one",
    "lexical": "log ratio of the corpus's link probabilities from the span and from the rest of the sentence",
    "stem_lexical": "log ratio of the corpus's link probabilities of stems, from the span and the rest of the sentence",
    "rarity": "log document frequency in the corpus",
    "rarity_unlinked": "log document frequency in the corpus, where unlinked",
}

# Of the first and the last word of the candidate.
FIRST_AND_LAST = {
    "rarity": "log document frequency",
    "lower": "without a capital where the source's has one",
    "unlinked": "not linked to the span",
    "unlinked_rarity": "log document frequency, where not linked to the span",
    "outside": "linked outside and not to the span",
    "chars": "1 / characters, where unlinked",
    "form": "like a source word inside",
}

# Of the words before and after the candidate.
BESIDE = {
    "linked": "linked to the span",
    "capital": "begins with a capital, where the span does",
    "lexical": "lexical ratio",
    "stem_lexical": "lexical ratio of its stem",
    "neighbor": "linked to the word on the same side of the source span",
}

SPANS = {
    "dice": "2 · linked words / (words of the span + words of the candidate)",
    "share_linked": "share of the words linked to the span that are in the candidate",
    "share_certain": "share of the words linked to the span by a certain link that are in the candidate",
    "covered": "share of the source words that are linked into the candidate",
    "covered_any": "share of the source words that are linked into the candidate or like a word of it",
    "covered_chars": "share of the source characters whose words are linked into the candidate or like a word of it",
    "uncovered_edges": "how many of first and last source word are not linked into it",
    "length_ratio": "|log(candidate words / source words) - what the corpus has on average for that many words|",
    "longer": "log(candidate words / source words) less the corpus average, where above 0",
    "chars_ratio": "|log(candidate characters / source characters) - the corpus average|",
    "chars_longer": "log(candidate characters / source characters) less the corpus average, where above 0",
    "length": "words",
    "mean_to_outside": "share of the words linked outside",
    "mean_form_elsewhere": "share of the words like a source word elsewhere",
    "mean_not_linked": "share of the words linked to nothing",
    **{f"{w}_{name}": f"{w} word: {what}" for name, what in FIRST_AND_LAST.items() for w in ("first", "last")},
    "first_to_first": "first word linked to the first source word",
    "last_to_last": "last word linked to the last source word",
    "first_lexical": "lexical ratio of the first word",
    "last_lexical": "lexical ratio of the last word",
    "first_stem_lexical": "lexical ratio of the stem of the first word",
    "last_stem_lexical": "lexical ratio of the stem of the last word",
    "last_stop": "last word is punctuation (a full stop)",
    **{f"{w}_{name}": f"the word {w}: {what}" for name, what in BESIDE.items() for w in ("before", "after")},
    "neighbor_first": "the first word is linked to the word before the source span",
    "neighbor_last": "the last word is linked to the word after the source span",
    "source_edge": "whole sentence: the candidate and the span begin or end their sentences alike",
}

NAMES = ("PER", "LOC", "ORG", "MISC")  # labels that most corpora of names share; with others these features are 0
BY_LABEL = ("same_form", "lower", "not_linked", "first_unlinked", "last_unlinked", "length_ratio", "covered")
LABELS = {f"{name}_{label}": f"{name}, where the label is {label}" for label in NAMES for name in BY_LABEL}

EDGES = ("first", "last", "before", "after")  # words at the edges of the candidate, inside and outside
PAIRS = {
    "pair_share": "share of this target form among the projections of this source form elsewhere in the corpus",
    "pair_of_form": "share of this source form among those that were projected onto this target form elsewhere",
    "first_edge": "whether the first word rather begins projections (1) or stands before them (-1)",
    "last_edge": "whether the last word rather ends projections (1) or stands after them (-1)",
    "before_edge": "whether the word before rather begins projections (1) or stands before them (-1)",
    "after_edge": "whether the word after rather ends projections (1) or stands after them (-1)",
    **{f"{w}_inside": f"{w} word: share of its occurrences that are inside projections" for w in EDGES},
    "mean_inside": "share of the occurrences of its words that are inside projections, on average",
    "edge_unlinked": "first and last word as such edges, where they are unlinked",
}

NULL = {
    "null": "what not projecting is worth by itself",
    "null_linked": "some target word is linked to the span",
    "null_certain": "some target word is linked to the span by a certain link",
    "null_covered": "share of the source words with a link",
    "null_all_outside": "every linked target word is linked outside, too",
    "null_form_mean": "mean over the source words of their best similarity",
    "null_capital": "the source span has a capital at an edge",
    "null_length": "log of the words of the source span",
    "null_pair_linked": "share of all source words with a link",
    "null_lexical": "highest link probability from the span to a target word",
    **{f"null_{label}": f"the label is {label}" for label in NAMES},
    "null_pair_share": "share of null among the projections of the source form elsewhere",
}

FEATURES: dict[str, str] = {
    **SUMS,
    **SPANS,
    **LABELS,
    **PAIRS,
    **NULL,
}
PLACE = {name: k for k, name in enumerate(FEATURES)}
STAGES = ("alone", "corpus", "pairs")  # without a corpus; with its counts; with the lexicon of a first pass, too
PIECES = {stage: f"{stage}_pieces" for stage in STAGES[1:]}  # weights for target text in pieces: see `CorpusStats`

# Features whose values are repeated under a second name where the label is one of `NAMES`: label and first name.
REPEATED = {f"{name}_{label}": (label, name) for label in NAMES for name in BY_LABEL}

# The features by what they look at. "null" alone is in no group.
# fmt: off
GROUPS: dict[str, tuple[str, ...]] = {
    "links": (
        "uncertain", "to_other_span", "to_outside", "not_linked", "between", "near", "apart", "far", "dice",
        "share_linked", "covered", "uncovered_edges", "mean_to_outside", "mean_not_linked",
    ),
    "certainty of links": ("certain", "doubt", "to_outside_certain", "share_certain"),
    "likeness of form": (
        "same_form", "like_form", "part_form", "form_elsewhere", "covered_any", "covered_chars",
        "mean_form_elsewhere", "first_form", "last_form",
    ),
    "capitals": ("capital", "lower", "first_lower", "last_lower", "before_capital", "after_capital"),
    "corpus counts": (
        "lexical", "rarity", "rarity_unlinked", "first_rarity", "last_rarity", "first_unlinked_rarity",
        "last_unlinked_rarity", "first_lexical", "last_lexical", "before_lexical", "after_lexical",
        "stem_lexical", "first_stem_lexical", "last_stem_lexical", "before_stem_lexical", "after_stem_lexical",
    ),
    "length": ("length_ratio", "longer", "chars_ratio", "chars_longer", "length", "first_chars", "last_chars"),
    "edges and neighbors": (
        "punct", "first_unlinked", "last_unlinked", "first_outside", "last_outside", "first_to_first",
        "last_to_last", "last_stop", "before_linked", "after_linked", "before_neighbor", "after_neighbor",
        "neighbor_first", "neighbor_last", "source_edge",
    ),
    "labels of the source": (*LABELS, *(name for name in NULL if name.removeprefix("null_").isupper())),
    "lexicon of entity pairs": (*PAIRS, "null_pair_share"),
    "not projected": (
        "null_linked", "null_certain", "null_covered", "null_all_outside", "null_form_mean",
        "null_capital", "null_length", "null_pair_linked", "null_lexical",
    ),
}
# fmt: on

PART = ("{}", "{}_gap", "null_{}")  # of a part of further evidence: see `RankerEvidence`


def with_parts(parts: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names of all features: the fixed ones, then those of further evidence, by the order of the parts.

    parts (iterable of str): Their names.
    """
    return (*FEATURES, *(name.format(part) for part in sorted(parts) for name in PART))
