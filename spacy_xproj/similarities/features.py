"""The evidence of `spacy_xproj.Ranker.v1`: features of a candidate for a source span, none of which knows a language.

Sums over the words of a candidate come from prefix sums over the target, so that no candidate is looped over.
"""

from typing import NamedTuple, Optional

import numpy as np

from ..bitext import SentencePair
from .corpus_stats import CorpusStats, pair_key
from .forms import Words, affixed, similar
from .pair_lexicon import PairLexicon, Vote, edge_masses

SAME, LIKE, ELSEWHERE, PART = 0.85, 0.7, 0.92, 0.9

# Sums over the words of the candidate. "Linked" is linked to the source span.
SUMS = {
    "certain": "linked, and no other link of either word scores as high",
    "uncertain": "linked otherwise",
    "doubt": "1 - score of the best link to the source span, where linked",
    "to_other_span": "linked to a word of another source span",
    "to_outside": "linked to a source word outside all spans",
    "to_outside_certain": "the same, by a certain link",
    "not_linked": "linked to nothing",
    "same_form": "similarity of form to a word of the span above .85",
    "like_form": "that similarity, where above .7",
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
    "rarity": "log document frequency in the corpus",
    "rarity_unlinked": "the same, where unlinked",
}

SPANS = {
    "dice": "2 · linked words / (words of the span + words of the candidate)",
    "share_linked": "share of the words linked to the span that are in the candidate",
    "share_certain": "share of those with a certain link that are in the candidate",
    "covered": "share of the source words that are linked into the candidate",
    "covered_any": "share of the source words that are linked into the candidate or like a word of it",
    "covered_chars": "the same by characters",
    "uncovered_edges": "how many of first and last source word are not linked into it",
    "length_ratio": "|log(candidate words / source words)|",
    "longer": "log(candidate words / source words), where above 0",
    "chars_ratio": "|log(candidate characters / source characters)|",
    "chars_longer": "log(candidate characters / source characters), where above 0",
    "length": "words",
    "same_length": "as many words as the source",
    "mean_to_outside": "share of the words linked outside",
    "mean_form_elsewhere": "share of the words like a source word elsewhere",
    "mean_not_linked": "share of the words linked to nothing",
    "first_rarity": "log document frequency of the first word",
    "last_rarity": "of the last",
    "first_lower": "first word without a capital where the source's has one",
    "last_lower": "last word likewise",
    "first_unlinked": "first word not linked to the span",
    "last_unlinked": "last word likewise",
    "first_unlinked_rarity": "its log document frequency",
    "last_unlinked_rarity": "likewise",
    "first_outside": "first word linked outside and not to the span",
    "last_outside": "last word likewise",
    "first_chars": "first word: 1 / characters, where unlinked",
    "last_chars": "last word likewise",
    "first_form": "first word like a source word inside",
    "last_form": "last word likewise",
    "first_to_first": "first word linked to the first source word",
    "last_to_last": "last word linked to the last source word",
    "first_lexical": "lexical ratio of the first word",
    "last_lexical": "of the last",
    "last_stop": "last word is punctuation (a full stop)",
    "before_linked": "the word before is linked to the span",
    "after_linked": "the word after likewise",
    "before_capital": "the word before begins with a capital, where the span does",
    "after_capital": "the word after likewise",
    "before_lexical": "lexical ratio of the word before",
    "after_lexical": "of the word after",
    "before_neighbour": "the word before is linked to the word before the source span",
    "after_neighbour": "the word after is linked to the word after the source span",
    "neighbour_first": "the first word is linked to the word before the source span",
    "neighbour_last": "the last word is linked to the word after the source span",
    "source_edge": "whole sentence: the candidate and the span begin or end their sentences alike",
}

QUALITY = {
    "certain_quality": "certain links · how well the corpus's links agree with names alike in form",
    "linked_quality": "linked words · the same",
    "dice_quality": "dice · the same",
    "share_quality": "share_linked · the same",
    "form_quality": "words alike in form · the same",
    "outside_quality": "words linked outside · the same",
}

COMMON = {
    "certain_common": "certain links, where the span has no capital at an edge",
    "linked_common": "linked words, likewise",
    "dice_common": "dice, likewise",
    "share_common": "share_linked, likewise",
    "covered_common": "covered, likewise",
    "not_linked_common": "words linked to nothing, likewise",
    "outside_common": "words linked outside, likewise",
    "first_unlinked_common": "first_unlinked, likewise",
    "last_unlinked_common": "last_unlinked, likewise",
    "length_ratio_common": "length_ratio, likewise",
}

PAIRS = {
    "pair_share": "share of this target form among the projections of this source form elsewhere in the corpus",
    "pair_count": "log of its count",
    "pair_any": "log of the count of the target form for any source form",
    "pair_known": "it was seen",
    "first_edge": "log ratio of how often the first word begins projections and stands before them",
    "last_edge": "of how often the last word ends projections and stands after them",
    "before_edge": "of how often the word before begins projections and stands before them",
    "after_edge": "of how often the word after ends projections and stands after them",
    "first_inside": "share of the occurrences of the first word that are inside projections",
    "last_inside": "of the last word",
    "before_inside": "of the word before",
    "after_inside": "of the word after",
    "mean_inside": "mean over the words of the candidate",
    "edge_unlinked": "first_edge and last_edge where those words are unlinked",
}

NULL = {
    "null": "always 1",
    "null_linked": "some target word is linked to the span",
    "null_certain": "by a certain link",
    "null_covered": "share of the source words with a link",
    "null_all_outside": "every linked target word is linked outside, too",
    "null_form": "best similarity of form",
    "null_form_mean": "mean over the source words of their best similarity",
    "null_capital": "the source span has a capital at an edge",
    "null_common": "it has none, and a target word is linked to it",
    "null_common_certain": "it has none, and a target word is linked to it by a certain link",
    "null_length": "log of the words of the source span",
    "null_pair_linked": "share of all source words with a link",
    "null_lexical": "highest link probability from the span to a target word",
    "null_quality": "quality of the corpus's links, where not linked",
    "null_pair_share": "share of null among the projections of the source form elsewhere",
    "null_pair_count": "log of the count of projections of the source form elsewhere",
}

CORPUS = {"lexical", "rarity", "rarity_unlinked", *(f for f in SPANS if "rarity" in f or "lexical" in f), *QUALITY,
          "null_lexical", "null_quality"}  # fmt: skip
FEATURES: dict[str, str] = {**SUMS, **SPANS, **QUALITY, **COMMON, **PAIRS, **NULL}
PLACE = {name: k for k, name in enumerate(FEATURES)}
LEARNT = {*PAIRS, "null_pair_share", "null_pair_count"}


class Candidates(NamedTuple):
    """The cells of a sentence pair, in order of source span, start, end, and what `Evidence` knows of them.

    span, start, end (int arrays (n,)): The cells.
    """

    span: np.ndarray
    start: np.ndarray
    end: np.ndarray


class Evidence:
    """What is known of one sentence pair: arrays over source spans k and target words j.

    pair (SentencePair): The sentence pair, with at least one span and one target word.
    stats (Optional[CorpusStats]): Of the corpus; None: its features are 0.
    """

    def __init__(self, pair: SentencePair, stats: Optional[CorpusStats] = None):
        self.pair, self.stats = pair, stats
        self.source, self.target = Words(pair.source), Words(pair.target)
        self.own = stats is not None and pair_key(pair) in stats.seen
        self.bounds = np.array([s[:2] for s in pair.spans], "i8").reshape(-1, 2)
        m, n, spans = len(pair.source), len(pair.target), len(pair.spans)
        grid = np.zeros((m, n))
        np.maximum.at(grid, (pair.links[:, 0], pair.links[:, 1]), np.maximum(pair.scores, 1e-6))
        self.grid = grid
        certain = (grid > 0) & ((grid >= grid.max(1, initial=0)[:, None]) & (grid >= grid.max(0, initial=0)))
        tied = certain & ((certain.sum(1) > 1)[:, None] | (certain.sum(0) > 1))
        self.certain = certain & ~tied
        self.forms = similar(self.source, self.target)
        self.parts = affixed(self.source, self.target)
        place = np.arange(m)
        self.inside = (place >= self.bounds[:, :1]) & (place < self.bounds[:, 1:])  # (spans, m)
        self.other = self.inside.any(0) & ~self.inside
        free = ~self.inside.any(0)
        hit = grid > 0
        self.best = np.stack([grid[a:b].max(0) for a, b in self.bounds]) if spans else np.zeros((0, n))
        self.linked = self.best > 0
        self.sure = self.inside @ self.certain > 0
        self.to_other = self.other @ hit > 0
        self.to_free = np.tile(hit[free].any(0), (spans, 1))
        self.to_free_sure = np.tile(self.certain[free].any(0), (spans, 1))
        self.mine = np.stack([self.forms[a:b].max(0) for a, b in self.bounds])
        self.part = np.stack([self.parts[a:b].max(0) for a, b in self.bounds]) >= PART
        self.rest = np.stack([np.max(self.forms, 0, where=~row[:, None], initial=0) for row in self.inside])
        edges = self.source.upper[self.bounds[:, 0]], self.source.upper[self.bounds[:, 1] - 1]
        self.first_upper, self.last_upper = edges
        self.named = edges[0] | edges[1]
        if stats is not None:
            share = stats.lexical(pair, self.source, self.target, self.own)
            share_in = np.stack([share[a:b].max(0) for a, b in self.bounds])
            share_out = np.stack([np.max(share, 0, where=~row[:, None], initial=0) for row in self.inside])
            self.share_in = share_in
            self.lexical = np.log((share_in + 0.01) / (share_out + 0.01))
            self.rarity = stats.rarity(self.target.forms, stats.target)
            self.quality = max(stats.quality - 0.9, -0.3) * 5
        else:
            self.share_in = self.lexical = np.zeros((spans, n))
            self.rarity = np.zeros(n)
            self.quality = 0.0

    def candidates(self, max_length: int) -> Candidates:
        """The target spans up to a length, or longer between linked words, that hold a word with evidence and do not
        begin or end in punctuation (but for a full stop)."""
        n = len(self.pair.target)
        hold = np.zeros((len(self.bounds), n + 1), "i8")
        np.cumsum(self.linked | (self.mine > SAME) | self.part, axis=1, out=hold[:, 1:])
        a, size = np.meshgrid(np.arange(n), np.arange(1, min(max_length, n) + 1), indexing="ij")
        a, b = a.ravel(), (a + size).ravel()
        stop = self.target.punct & np.array([w != "." for w in self.pair.target], bool)
        ok = (b <= n) & ~self.target.punct[a]
        a, b = a[ok], b[ok]
        ok = ~stop[b - 1]
        a, b = a[ok], b[ok]
        span, cell = np.nonzero(hold[:, b] > hold[:, a])
        a, b = a[cell], b[cell]
        if n > max_length:
            k, i, j = np.nonzero(self.linked[:, :, None] & self.linked[:, None, :])
            long = j - i >= max_length
            if long.any():
                span, a, b = (np.concatenate(x) for x in ((span, k[long]), (a, i[long]), (b, j[long] + 1)))
                order = np.lexsort((b, a, span))
                span, a, b = span[order], a[order], b[order]
        return Candidates(span, a, b)

    def given(self, spans: np.ndarray) -> Candidates:
        """All cells of the given target spans that hold a word with evidence."""
        a, b = np.unique(np.asarray(spans, "i8").reshape(-1, 2), axis=0).T
        hold = np.zeros((len(self.bounds), len(self.pair.target) + 1), "i8")
        np.cumsum(self.linked | (self.mine > SAME) | self.part, axis=1, out=hold[:, 1:])
        span, cell = np.nonzero(hold[:, b] > hold[:, a])
        return Candidates(span, a[cell], b[cell])

    def features(self, cells: Candidates) -> np.ndarray:
        """The features of cells: all but those of `PAIRS` and `NULL`.

        RETURNS (float array (n, features)): In the order of `FEATURES`.
        """
        k, a, b = cells
        z = b - 1
        spans, n = self.linked.shape
        linked, named = self.linked, self.named[:, None]
        un = ~linked
        left, right = gaps(linked)
        near = np.minimum(left, right)
        between = un & (left <= 3) & (right <= 3)
        capital, upper, punct = self.target.capital, self.target.upper, self.target.punct
        outside = self.to_other | self.to_free
        same = self.mine > SAME
        tokens = np.empty((spans, n + 1, len(SUMS)))
        tokens[:, 0] = 0
        for column, values in enumerate(
            (
                self.sure,
                linked & ~self.sure,
                (1 - self.best) * linked,
                self.to_other,
                self.to_free,
                self.to_free_sure,
                un & ~outside,
                same,
                np.where(self.mine > LIKE, self.mine, 0),
                self.part & un & ~same,
                (self.rest > ELSEWHERE) & ~same,
                punct,
                named & capital,
                named & un & ~upper & ~punct,
                between,
                un & ~between & (near == 1),
                un & (near > 1),
                un & (near > 4),
                self.lexical,
                self.rarity,
                self.rarity * un,
            )
        ):
            tokens[:, 1:, column] = values
        np.cumsum(tokens, axis=1, out=tokens)
        sums = tokens[k, b] - tokens[k, a]
        x = np.zeros((len(k), len(FEATURES)))
        x[:, : len(SUMS)] = sums
        put = lambda name, values: x.__setitem__((slice(None), PLACE[name]), values)  # noqa: E731

        size = (b - a).astype("f8")
        length = (self.bounds[:, 1] - self.bounds[:, 0])[k]
        hits = sums[:, 0] + sums[:, 1]
        dice = 2 * hits / (length + size)
        share = hits / np.maximum(linked.sum(1), 1)[k]
        put("dice", dice)
        put("share_linked", share)
        put("share_certain", sums[:, 0] / np.maximum(self.sure.sum(1), 1)[k])
        covered, any_covered, chars_covered, edges = self.coverage(cells)
        put("covered", covered)
        put("covered_any", any_covered)
        put("covered_chars", chars_covered)
        put("uncovered_edges", edges)
        ratio = np.log(size / length)
        put("length_ratio", np.abs(ratio))
        put("longer", np.maximum(ratio, 0))
        chars = np.concatenate([[0], np.cumsum(self.target.chars + 1)])
        source_chars = np.array([(self.source.chars[i:j] + 1).sum() for i, j in self.bounds])
        ratio = np.log((chars[b] - chars[a]) / source_chars[k])
        put("chars_ratio", np.abs(ratio))
        put("chars_longer", np.maximum(ratio, 0))
        put("length", size)
        put("same_length", size == length)
        put("mean_to_outside", sums[:, 4] / size)
        put("mean_form_elsewhere", sums[:, 10] / size)
        put("mean_not_linked", sums[:, 6] / size)

        out = outside & un
        small = 1 / (self.target.chars + 1)
        for name, j, cap in (("first", a, self.first_upper), ("last", z, self.last_upper)):
            free = un[k, j]
            put(f"{name}_rarity", self.rarity[j])
            put(f"{name}_lower", cap[k] & ~capital[j])
            put(f"{name}_unlinked", free)
            put(f"{name}_unlinked_rarity", free * self.rarity[j])
            put(f"{name}_outside", out[k, j])
            put(f"{name}_chars", free * small[j])
            put(f"{name}_form", self.mine[k, j] > LIKE)
            put(f"{name}_lexical", self.lexical[k, j])
        put("first_to_first", self.grid[self.bounds[k, 0], a] > 0)
        put("last_to_last", self.grid[self.bounds[k, 1] - 1, z] > 0)
        put("last_stop", punct[z])

        m = len(self.pair.source)
        hit = self.grid > 0
        source_before, source_after = self.bounds[k, 0] - 1, np.minimum(self.bounds[k, 1], m - 1)
        has_before, has_after = source_before >= 0, self.bounds[k, 1] < m
        for name, j, ok, cap, i, has, edge, j_in in (
            ("before", a - 1, a > 0, self.first_upper, source_before, has_before, "first", a),
            ("after", np.minimum(b, n - 1), b < n, self.last_upper, source_after, has_after, "last", z),
        ):
            put(f"{name}_linked", ok & linked[k, j])
            put(f"{name}_capital", ok & cap[k] & capital[j])
            put(f"{name}_lexical", ok * self.lexical[k, j])
            put(f"{name}_neighbour", ok & has & hit[i, j])
            put(f"neighbour_{edge}", has & hit[i, j_in])
        put("source_edge", (~has_before & (a == 0)) * 1.0 + (~has_after & (b == n)))

        q = self.quality
        put("certain_quality", sums[:, 0] * q)
        put("linked_quality", hits * q)
        put("dice_quality", dice * q)
        put("share_quality", share * q)
        put("form_quality", sums[:, 7] * q)
        put("outside_quality", sums[:, 4] * q)

        c = ~self.named[k]
        put("certain_common", sums[:, 0] * c)
        put("linked_common", hits * c)
        put("dice_common", dice * c)
        put("share_common", share * c)
        put("covered_common", covered * c)
        put("not_linked_common", sums[:, 6] * c)
        put("outside_common", sums[:, 4] * c)
        put("first_unlinked_common", un[k, a] & c)
        put("last_unlinked_common", un[k, z] & c)
        put("length_ratio_common", x[:, PLACE["length_ratio"]] * c)
        return x

    def coverage(self, cells: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For each cell, of its source words: the share linked into it; the share linked into it or like a word of it;
        the same by characters; how many of the first and the last are not linked into it."""
        k, a, b = cells
        m, n = self.grid.shape
        sums = np.zeros((2, m, n + 1), "i4")
        np.cumsum(self.grid > 0, axis=1, out=sums[0, :, 1:])
        np.cumsum((self.grid > 0) | (self.forms > SAME) | (self.parts >= PART), axis=1, out=sums[1, :, 1:])
        start, end = self.bounds[k].T
        linked, known, chars, total = (np.zeros(len(k)) for _ in range(4))
        edges = np.zeros(len(k))
        weight = self.source.chars + 1
        for step in range(int((end - start).max(initial=0))):  # over the words of a span, never over candidates
            word = np.minimum(start + step, end - 1)
            there = start + step < end
            is_linked = there & (sums[0, word, b] > sums[0, word, a])
            is_known = there & (sums[1, word, b] > sums[1, word, a])
            linked += is_linked
            known += is_known
            chars += is_known * weight[word]
            total += there * weight[word]
            edges += ((word == start) * 1 + (word == end - 1)) * (there & ~is_linked)
        size = end - start
        return linked / size, known / size, chars / np.maximum(total, 1), edges

    def null(self) -> np.ndarray:
        """The features of "not projected", a row a source span: all but those of `PAIRS`."""
        x = np.zeros((len(self.bounds), len(FEATURES)))
        put = lambda name, values: x.__setitem__((slice(None), PLACE[name]), values)  # noqa: E731
        any_linked = self.linked.any(1)
        put("null", 1)
        put("null_linked", any_linked)
        put("null_certain", self.sure.any(1))
        used = self.grid.any(1)
        best = self.forms.max(1, initial=0)
        put("null_covered", [used[a:b].mean() for a, b in self.bounds])
        outside = self.to_other | self.to_free
        put("null_all_outside", any_linked & ~(self.linked & ~outside).any(1))
        put("null_form", self.mine.max(1, initial=0))
        put("null_form_mean", [best[a:b].mean() for a, b in self.bounds])
        put("null_capital", self.named)
        put("null_common", ~self.named & any_linked)
        put("null_common_certain", ~self.named & self.sure.any(1))
        put("null_length", np.log(self.bounds[:, 1] - self.bounds[:, 0]))
        put("null_pair_linked", used.mean())
        put("null_lexical", self.share_in.max(1, initial=0))
        put("null_quality", ~any_linked * self.quality)
        return x

    def add_pairs(
        self, x: np.ndarray, null: np.ndarray, cells: Candidates, lexicon: PairLexicon, own: list[list[Vote]]
    ) -> None:
        """Put the features of `PAIRS` into the rows of cells and of null.

        own (list of list of Vote): For each source span the votes to take out of the lexicon.
        """
        k, a, b = cells
        n = len(self.target.forms)
        forms = self.target.forms
        edge, inside = np.zeros((len(self.bounds), 2, n)), np.zeros((len(self.bounds), n))
        seen = self.stats.target(forms) if self.stats is not None else np.ones(n)
        places = [lexicon.edges[name] for name in ("first", "before", "last", "after", "inside")]
        masses = np.array([[sums.get(form, 0.0) for form in forms] for sums in places])
        for span, found in enumerate(own):
            mine = masses
            if found:
                minus = edge_masses(found)
                names = ("first", "before", "last", "after", "inside")
                mine = np.maximum(masses - [[minus[name].get(f, 0.0) for f in forms] for name in names], 0)
            edge[span, 0] = np.log((mine[0] + 0.3) / (mine[1] + 0.3))
            edge[span, 1] = np.log((mine[2] + 0.3) / (mine[3] + 0.3))
            inside[span] = mine[4] / (np.maximum(seen, mine[4]) + 1)
        put = lambda name, values: x.__setitem__((slice(None), PLACE[name]), values)  # noqa: E731
        sums = np.zeros((len(self.bounds), n + 1))
        np.cumsum(inside, axis=1, out=sums[:, 1:])
        before, after, z = a - 1, np.minimum(b, n - 1), b - 1
        put("first_edge", edge[k, 0, a])
        put("last_edge", edge[k, 1, z])
        put("before_edge", (a > 0) * edge[k, 0, before])
        put("after_edge", (b < n) * edge[k, 1, after])
        put("first_inside", inside[k, a])
        put("last_inside", inside[k, z])
        put("before_inside", (a > 0) * inside[k, before])
        put("after_inside", (b < n) * inside[k, after])
        put("mean_inside", (sums[k, b] - sums[k, a]) / (b - a))
        put("edge_unlinked", ~self.linked[k, a] * edge[k, 0, a] + ~self.linked[k, z] * edge[k, 1, z])
        for span, found in enumerate(own):
            row = lexicon.pairs.get(self.key(span), {})
            minus_pair = {" ".join(v.forms): v.mass for v in found}
            left = {form: max(mass - minus_pair.get(form, 0.0), 0.0) for form, mass in row.items()}
            total = sum(left.values())
            null[span, PLACE["null_pair_share"]] = left.get("", 0.0) / (total + 1)
            null[span, PLACE["null_pair_count"]] = np.log1p(total)
            here = np.flatnonzero(k == span)
            if not len(here):
                continue
            text = [" ".join(forms[i:j]) for i, j in zip(a[here].tolist(), b[here].tolist())]
            known = np.array([left.get(t, 0.0) for t in text])
            anywhere = np.array([max(lexicon.forms.get(t, 0.0) - minus_pair.get(t, 0.0), 0.0) for t in text])
            x[here, PLACE["pair_share"]] = known / (total + 1)
            x[here, PLACE["pair_count"]] = np.log1p(known)
            x[here, PLACE["pair_any"]] = np.log1p(anywhere)
            x[here, PLACE["pair_known"]] = known > 0.5

    def key(self, span: int) -> str:
        """The form of a source span in the lexicon."""
        a, b = self.bounds[span]
        return " ".join(self.source.forms[a:b])


def gaps(linked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the nearest linked word before and after each word is (99: there is none)."""
    n = linked.shape[1]
    place = np.arange(n)
    last = np.maximum.accumulate(np.where(linked, place, -99), axis=1)
    following = np.minimum.accumulate(np.where(linked, place, n + 99)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(place - last, 99), np.minimum(following - place, 99)
