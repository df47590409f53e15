"""How good a projection is: spaCy's own entity scores against the target's gold, ceilings, and reasons."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Optional

import numpy as np
from spacy.language import Language
from spacy.scorer import PRFScore, get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from .bitext import Bitext
from .errors import XprojError
from .labels import mapped_spans, source_ids


def pair_docs(
    source: Iterable[Doc],
    target: Iterable[Doc],
    nlp: Language,
    *,
    labels: Sequence[str] = (),
    links: Optional[Iterable[np.ndarray]] = None,
) -> Iterator[Doc]:
    """Put two sides that agree line by line into target Docs with a payload. Entities of the target are left out.

    source, target (Iterable[Doc]): The two sides.
    nlp (Language): Its vocab becomes the Docs' vocab.
    labels (sequence of str): Take the source entities with these labels only; none: all.
    links (Optional[Iterable[int array (n, 2)]]): The word links of each pair.
    RAISES (XprojError): If the sides, or the links, differ in number, or a link is out of range.
    """
    missing = object()
    streams = (source, target) if links is None else (source, target, links)
    for number, row in enumerate(zip_longest(*streams, fillvalue=missing), 1):
        if any(item is missing for item in row):
            names = ("source sentences", "target sentences", "lines of links")
            ended = " and ".join(name for name, item in zip(names, row) if item is missing)
            raise XprojError(f"The sides must agree line by line, but there are only {number - 1} {ended}.")
        src, tgt = row[:2]
        spans = tuple(s for s in mapped_spans(src, {}) if not labels or s.label in labels)
        doc = Doc(nlp.vocab, words=[t.text for t in tgt], spaces=[bool(t.whitespace_) for t in tgt])
        words, spaces = [t.text for t in src], [bool(t.whitespace_) for t in src]
        try:
            bitext = Bitext(src.lang_, tuple(words), tuple(spaces), spans, source_ids=source_ids(src, spans))
            if links is not None:
                bitext = bitext.replace(links=row[2], provenance={"aligner": "given"})
            bitext.check(len(doc))
        except XprojError as err:
            raise XprojError(f"Sentence pair {number}: {err}") from None
        doc._.xproj = bitext
        yield doc


def gold_doc(doc: Doc, nlp: Language, labels: Sequence[str] = ()) -> Doc:
    """The gold side of an Example: the same tokens in the pipeline's vocab, with the entities of these labels. What is
    not known stays so: spaCy's scorer passes over it."""
    gold = Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
    kept = [e for e in doc.ents if not labels or e.label_ in labels]
    ents = [Span(gold, e.start, e.end, label=e.label_) for e in kept]
    gold.set_ents(ents, missing=[gold[t.i : t.i + 1] for t in doc if not t.ent_iob], default="outside")
    return gold


def score(examples: Sequence[Example]) -> dict[str, Any]:
    """Scores of projected Docs against gold Docs.

    examples (sequence of Example): `predicted` as the pipeline left it, payload included; `reference` gold.
    RETURNS (dict): `ents_p`, `ents_r`, `ents_f`, `ents_per_type` (spaCy's Scorer); `boundary_f` (labels aside);
        `projection_ratio` (predicted / gold spans, summed over all); `ceiling_f` and `ceiling_drop_f`, the highest
        F1 of any projection that keeps types, without and with leaving out source spans that have no partner;
        `not_projected`, counts by reason; `notes`; `n_docs`, `n_source`, `n_gold`, `n_projected`.
    """
    found = get_ner_prf(examples)
    boundary = PRFScore()
    reasons: Counter = Counter()
    notes: Counter = Counter()
    n_source = n_gold = n_pred = partners = 0
    for eg in examples:
        pred = {(e.start, e.end) for e in eg.predicted.ents}
        gold = {(e.start, e.end) for e in eg.reference.ents}
        boundary.score_set(pred, gold)
        n_pred += len(eg.predicted.ents)
        n_gold += len(eg.reference.ents)
        bitext, report = eg.predicted._.xproj, eg.predicted._.xproj_report or {}
        if bitext is not None:
            n_source += len(bitext.spans)
            both = Counter(s.label for s in bitext.spans) & Counter(e.label_ for e in eg.reference.ents)
            partners += both.total()
        reasons.update(row["reason"] for row in report.get("missing", ()))
        notes.update(report.get("notes", ()))
    ratio = lambda a, b: a / b if b else 0.0  # noqa: E731
    return {
        "ents_p": found["ents_p"] or 0.0,
        "ents_r": found["ents_r"] or 0.0,
        "ents_f": found["ents_f"] or 0.0,
        "ents_per_type": dict(sorted((found["ents_per_type"] or {}).items())),
        "boundary_f": boundary.fscore,
        "projection_ratio": ratio(n_pred, n_gold),
        "ceiling_f": ratio(2 * partners, n_source + n_gold),
        "ceiling_drop_f": ratio(2 * partners, partners + n_gold),
        "not_projected": dict(sorted(reasons.items())),
        "notes": dict(sorted(notes.items())),
        "n_docs": len(examples),
        "n_source": n_source,
        "n_gold": n_gold,
        "n_projected": n_pred,
    }
