"""The fixed features of `Ranker.v1`, by what they look at."""

from spacy_xproj.similarities.ranker.names import LABELS, NULL, PAIRS

# fmt: off
GROUPS = {
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
    "lexicon of entity pairs": (*PAIRS, "null_pair_share", "null_pair_count"),
    "not projected": (
        "null_linked", "null_certain", "null_covered", "null_all_outside", "null_form", "null_form_mean",
        "null_capital", "null_length", "null_pair_linked", "null_lexical", "null_stem_lexical",
    ),
}
# fmt: on
