"""The projections that were exported for the annotation tools, whose exports stand in `exports`."""

import numpy as np
import spacy
from spacy.tokens import Doc, DocBin, Span, SpanGroup

from tests.conftest import payload_doc

NLP = spacy.blank("es")
SENTENCES = [
    ("Ana lives in ancient Rome", "Ana vive en la Roma antigua", [(0, 1, "PER", 0, 1), (3, 5, "LOC", 4, 5)]),
    ("They saw 🏛 near Rome", "Vieron 🏛 cerca de Roma", [(4, 5, "LOC", 4, 5)]),
    ("Leo works for the Red Cross", "Leo trabaja en la Cruz Roja", [(0, 1, "PER", 0, 1), (4, 6, "ORG", 4, 6)]),
]


def projected() -> list[Doc]:
    """Docs as a projection left them, all of whose source spans were projected."""
    docs = []
    for source, target, spans in SENTENCES:
        doc = Doc(NLP.vocab, words=target.split(), spaces=[True] * (len(target.split()) - 1) + [False])
        doc._.xproj = payload_doc(NLP, target, source, [span[:3] for span in spans])._.xproj
        found = [Span(doc, a, b, label=label, span_id=f"s{k}") for k, (*_, label, a, b) in enumerate(spans)]
        scores = np.array([0.9 - 0.1 * k for k in range(len(found))], "f4")
        doc.spans["xproj"] = SpanGroup(doc, name="xproj", spans=found, attrs={"scores": scores})
        doc.set_ents(found)
        docs.append(doc)
    return docs


def write(path) -> None:
    """Write them to a .spacy file."""
    DocBin(docs=projected(), store_user_data=True).to_disk(path)
