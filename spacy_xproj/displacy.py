"""Projected Docs in a notebook, in the manner of `spacy.displacy`."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import is_in_jupyter

from .errors import XprojError
from .review.page.html import html
from .review.page.readings import find_readings, matcher_of
from .review.page.rows import rows

LINE = 34  # pixels of a line of text
MOST = 900  # pixels of the frame


def render(
    docs: Union[Iterable[Doc], Doc],
    *,
    nlp: Optional[Language] = None,
    page: bool = False,
    jupyter: Optional[bool] = None,
    options: Optional[Mapping[str, Any]] = None,
) -> Optional[str]:
    """Show projected Docs: source above target, and for each span its links, candidates, and what spoke for it.

    docs (iterable of Doc, or Doc): Docs with a payload in `doc._.xproj`, as the pipes of a projection leave them.
    nlp (Optional[Language]): The pipeline with the matcher that says what the candidates were. None: none are shown.
    page (bool): Return a whole HTML document. False: a frame that holds it, for a notebook.
    jupyter (Optional[bool]): Show it in the notebook and return nothing. None: if this is a notebook.
    options (Optional[mapping of str to Any]): `colors`: CSS colors by labels, in place of displaCy's. `title`.
    RETURNS (Optional[str]): The HTML.
    RAISES (XprojError): If `nlp` has no matcher.
    """
    docs = [docs] if isinstance(docs, Doc) else list(docs)
    matcher = matcher_of(nlp) if nlp is not None else None
    if nlp is not None and matcher is None:
        raise XprojError(f"Expected a pipeline with an xproj_matcher, but its pipes are {nlp.pipe_names}.")
    readings = find_readings(docs, matcher) if matcher is not None else ({} for _ in docs)
    found = [row for k, (doc, some) in enumerate(zip(docs, readings)) for row in rows(doc, str(k), readings=some)]
    text = html(found, small=True, **{"title": "", **(options or {})})
    if not page:
        chars = sum(len("".join(row.source)) // 60 + len("".join(row.target)) // 60 + 4 for row in found)
        height = max(min(LINE * chars + 60, MOST), 300)
        text = (
            f'<iframe srcdoc="{escape(text)}" sandbox="allow-scripts" title="Projected entities" '
            f'style="width: 100%; height: {height}px; border: 0"></iframe>'
        )
    if jupyter or (jupyter is None and is_in_jupyter()):
        from IPython.display import HTML, display

        display(HTML(text))
        return None
    return text
