"""What eflomal reads and writes: texts as numbers, priors, directed links (Östling and Tiedemann 2016).

Priors are counts over the links of a corpus, as eflomal's own `makepriors` takes them: of stem pairs (here the mean of
both directions), of jumps from one linked word to the next, and of fertilities (here with words that have no link).
Pairs of stems that begin alike and meet in a sentence pair have a prior from the first.
"""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from ..compat import require
from ..errors import XprojError
from ..pharaoh import read_pharaoh

ZERO = 1024  # place of the jump 0
LIMIT = 1023  # words of the longest sentence that eflomal aligns
JUMPS, FERTILITIES = 2047, 8  # sizes of eflomal's tables
# When aligning with priors: small enough to start fast, and a prior of 1 / VOCABULARY for all words
VOCABULARY = 1 << 14
ITERATIONS, SAMPLERS = 4, 10  # of each model, when aligning with priors: nothing is learnt then, only chance averaged
FIRM = 1e6  # so much outweighs whatever is counted while one batch is aligned
NULL, ALPHA = 0.2, 0.001  # defaults of eflomal: prior of the null word, concentration of the lexical prior


class Side(NamedTuple):
    """One side of some sentence pairs.

    stem (int array): Stems of all words, one after the other.
    root (int array): Equal for words that begin alike, on either side.
    length (int array): Number of words of each sentence.
    """

    stem: np.ndarray
    root: np.ndarray
    length: np.ndarray


class Priors(NamedTuple):
    """What is learnt.

    keys (int64 array (p,)): source stem · 2^32 + target stem, ascending.
    counts (float32 array (p,)): Links of each, the mean of both directions.
    source_jumps, target_jumps (int32 arrays (JUMPS,)): How far from one linked word to the next, on that side.
    source_fertility, target_fertility (int32 arrays (v · FERTILITIES,)): Words of each stem with so many links.
    """

    keys: np.ndarray
    counts: np.ndarray
    source_jumps: np.ndarray
    target_jumps: np.ndarray
    source_fertility: np.ndarray
    target_fertility: np.ndarray


class Settings(NamedTuple):
    """See `make_eflomal`."""

    model: int
    length: float
    samplers: int
    cognate: float


Directed = tuple[np.ndarray, np.ndarray]  # the source word of each target word, the target word of each source word


def learn(source: Side, target: Side, settings: Settings) -> tuple[Directed, Priors]:
    """Align a corpus, and count.

    source, target (Side): The sentence pairs. None may have an empty side or more than LIMIT words.
    settings (Settings): The settings.
    RETURNS (tuple): The links, one value a word of all sentence pairs: its place in the other side's sentence, or -1;
        and the priors.
    """
    sizes = [int(side.stem.max()) + 1 for side in (source, target)]
    met = np.zeros(0, "i8")
    if settings.cognate:
        found = (stem_keys(s.stem[i], t.stem[j]) for s, t in sentences(source, target) for i, j in [alike(s, t)])
        met = np.unique(np.concatenate(list(found)))
    lexical = np.stack([(met >> 32) + 1, (met & 0xFFFFFFFF) + 1, np.full(len(met), settings.cognate)], axis=1)
    forward, reverse = run(source, target, sizes, settings, [lexical])
    at, by, jumps, fertility = directed_counts(source, target, forward)
    back_at, back_by, back_jumps, back_fertility = directed_counts(target, source, reverse)
    links = np.concatenate(
        [stem_keys(source.stem[at], target.stem[by]), stem_keys(source.stem[back_by], target.stem[back_at])]
    )
    keys, count = np.unique(links, return_counts=True)
    priors = Priors(keys, (count / 2).astype("f4"), jumps, back_jumps, fertility, back_fertility)
    return (forward, reverse), priors


def directed_counts(given: Side, side: Side, link: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What there is to count about the links of one direction.

    given, side (Side): The side that is linked to, and the side whose words have one link each.
    link (int array): Of each word of `side`.
    RETURNS (tuple): The linked words of `given` and of `side`; the counts of jumps, and of fertilities by stem.
    """
    sentence = np.repeat(np.arange(len(side.length)), side.length)
    by = np.flatnonzero(link >= 0)
    place, sentence = link[by].astype("i8"), sentence[by]
    at = place + (np.cumsum(given.length) - given.length)[sentence]
    first = np.diff(sentence, prepend=-1) > 0
    last = np.roll(first, -1)
    into = place - np.where(first, -1, np.roll(place, 1))
    out = (given.length[sentence] - place)[last]
    jumps = np.bincount(np.clip(np.concatenate([into, out]) + ZERO, 0, JUMPS - 1), minlength=JUMPS)
    links = np.minimum(np.bincount(at, minlength=len(given.stem)), FERTILITIES - 1)
    size = (int(given.stem.max()) + 1) * FERTILITIES
    fertility = np.bincount(given.stem.astype("i8") * FERTILITIES + links, minlength=size)
    return at, by, jumps.astype("i4"), fertility.astype("i4")


def stem_keys(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Pairs of stems as one int64."""
    return (source.astype("i8") << 32) | target


def align(source: Side, target: Side, priors: Priors, settings: Settings) -> Directed:
    """Align sentence pairs by priors alone, each by itself.

    Every word of the text is a word of its own to eflomal, which carries the priors of its stem. So the sentence pairs
    of a batch teach each other nothing. What its stem is linked to elsewhere goes to a word that is nowhere.

    source, target (Side): The sentence pairs, as for `learn`; stems that the priors do not have are -1.
    RETURNS (tuple): The links, as for `learn`.
    """
    batches: list[list[tuple[Side, Side]]] = []
    room = 0
    for pair in sentences(source, target):
        longer = max(len(side.stem) for side in pair)
        if longer > room:
            batches.append([])
            room = VOCABULARY - 1
        batches[-1].append(pair)
        room -= longer
    found = []
    often = settings._replace(samplers=SAMPLERS)
    for batch in batches:
        sides = [Side(*map(np.concatenate, zip(*side))) for side in zip(*batch)]
        numbered = [side._replace(stem=np.arange(len(side.stem))) for side in sides]
        tables = batch_priors(sides[0], sides[1], priors, settings)
        sizes = VOCABULARY, VOCABULARY
        found.append(run(numbered[0], numbered[1], sizes, often, tables, iterations=ITERATIONS, firm=FIRM))
    forward, reverse = zip(*found)
    return np.concatenate(forward), np.concatenate(reverse)


def batch_priors(source: Side, target: Side, priors: Priors, settings: Settings) -> list[np.ndarray]:
    """Priors for words that are numbered from 1, as for `run`. Number 0 is the null word."""
    nowhere = VOCABULARY
    i, j, count = lookup(source, target, priors, settings.cognate)
    lexical = [np.stack([i + 1, j + 1, count], axis=1)]
    stems = (priors.keys >> 32, source, i), (priors.keys & 0xFFFFFFFF, target, j)
    for column, (stem, side, at) in enumerate(stems):
        total = np.append(np.bincount(stem, priors.counts), 0)
        rest = total[np.where(side.stem < len(total) - 1, side.stem, -1)] - np.bincount(at, count, len(side.stem))
        word = np.flatnonzero(rest > 0)
        rows = np.full((len(word), 3), nowhere, "f8")
        rows[:, column], rows[:, 2] = word + 1, rest[word]
        lexical.append(rows)
    # What eflomal counts over a batch, null links (see also `run`) and jumps, must weigh nothing against the priors.
    lexical.append(np.array([[0, nowhere, FIRM], [nowhere, 0, FIRM]]))
    tables = [np.concatenate(lexical)]
    for jumps in (priors.source_jumps, priors.target_jumps):
        tables.append(np.stack([np.arange(JUMPS) - ZERO, (jumps + 0.5) * FIRM / max(jumps.sum(), 1)], axis=1))
    for side, fertility in ((source, priors.source_fertility), (target, priors.target_fertility)):
        known = np.flatnonzero(side.stem >= 0)
        words = fertility.reshape(-1, FERTILITIES)[side.stem[known]]
        row, links = np.nonzero(words)
        tables.append(np.stack([known[row] + 1, links, words[row, links]], axis=1))
    return tables


def sentences(source: Side, target: Side) -> Iterator[tuple[Side, Side]]:
    """The sentence pairs one by one."""
    a = b = 0
    for m, n in zip(source.length.tolist(), target.length.tolist()):
        s, t = slice(a, a + m), slice(b, b + n)
        yield Side(source.stem[s], source.root[s], np.array([m])), Side(target.stem[t], target.root[t], np.array([n]))
        a, b = a + m, b + n


def alike(source: Side, target: Side) -> tuple[np.ndarray, np.ndarray]:
    """The words of one sentence pair that begin alike."""
    i, j = np.nonzero(source.root[:, None] == target.root)
    return i, j


def lookup(source: Side, target: Side, priors: Priors, cognate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The word pairs of each sentence pair that have a count: source words, target words, counts."""
    sources, targets, counts = [], [], []
    a = b = 0
    for s, t in sentences(source, target):
        wanted = stem_keys(s.stem[:, None], t.stem)
        place = np.minimum(np.searchsorted(priors.keys, wanted), max(len(priors.keys) - 1, 0))
        count = np.zeros(wanted.shape)
        if len(priors.keys):
            known = (priors.keys[place] == wanted) & (s.stem >= 0)[:, None] & (t.stem >= 0)
            count[known] = priors.counts[place[known]]
        count[alike(s, t)] += cognate
        i, j = np.nonzero(count)
        sources.append(i + a)
        targets.append(j + b)
        counts.append(count[i, j])
        a, b = a + len(s.stem), b + len(t.stem)
    return np.concatenate(sources), np.concatenate(targets), np.concatenate(counts)


def run(
    source: Side,
    target: Side,
    sizes: Sequence[int],
    settings: Settings,
    priors: Sequence[np.ndarray],
    *,
    iterations: int = 0,
    firm: float = 0.0,
) -> Directed:
    """Run eflomal.

    sizes (sequence of two int): Of the vocabularies.
    priors (sequence of float arrays): Of word pairs (source, target, count), source and target jumps (jump, count),
        source and target fertilities (word, links, count). Those that are not given are empty.
    iterations (int): Of each model; 0: as eflomal chooses, by the size of the text.
    firm (float): Above 0: what the priors have as the count of the null word; its probability is then held at NULL / V.
    RETURNS (tuple): The links, as for `learn`.
    RAISES (XprojError): If eflomal fails.
    """
    eflomal = require("eflomal", "spacy_xproj.Eflomal.v1", "spacy-xproj[eflomal]")
    with TemporaryDirectory(prefix="xproj-eflomal-") as folder:
        paths = [Path(folder) / name for name in ("source", "target", "forward", "reverse", "priors")]
        for path, side, size in zip(paths, (source, target), sizes):
            rows = np.split(side.stem, np.cumsum(side.length)[:-1])
            text = "".join(f"{len(row)} {' '.join(map(str, row.tolist()))}\n" for row in rows)
            path.write_text(f"{len(rows)} {size}\n{text}", encoding="ascii")
        tables = [*priors, *[np.zeros((0, 2))] * (5 - len(priors))]
        lines = [" ".join(map(str, [sizes[0] + 1, sizes[1] + 1, *map(len, tables)]))]
        for table in tables:
            form = "%d " * (table.shape[1] - 1) + "%g"
            lines += [form % tuple(row) for row in table.tolist()]
        paths[4].write_text("\n".join(lines) + "\n", encoding="ascii")
        try:
            eflomal.align(
                str(paths[0]),
                str(paths[1]),
                links_filename_fwd=str(paths[2]),
                links_filename_rev=str(paths[3]),
                priors_filename=str(paths[4]),
                model=settings.model,
                n_iterations=(iterations,) * 3 if iterations else None,
                n_samplers=settings.samplers,
                rel_iterations=settings.length,
                null_prior=NULL * firm / (ALPHA * sizes[0]) if firm else NULL,
            )
        except (OSError, subprocess.CalledProcessError) as err:
            raise XprojError(f"The program eflomal failed on {len(source.length)} sentence pairs ({err}).") from err
        forward, reverse = (list(read_pharaoh(path)) for path in paths[2:4])
    return _flat(forward, target, 1), _flat(reverse, source, 0)


def _flat(links: list[np.ndarray], side: Side, column: int) -> np.ndarray:
    out = np.full(len(side.stem), -1, "i2")
    start = np.repeat(np.cumsum(side.length) - side.length, [len(x) for x in links])
    joined = np.concatenate(links)
    out[start + joined[:, column]] = joined[:, 1 - column]
    return out
