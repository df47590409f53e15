"""`spacy_xproj.data_licenses.v1`: the licenses of the training data, said in the pipeline that is trained on them."""

import re
import warnings
from collections.abc import Iterable
from typing import Optional

from spacy.language import Language
from spacy.tokens import Doc

from .readers import read_docs

NAME = "spacy_xproj.data_licenses.v1"
NON_COMMERCIAL = re.compile(r"\bNC\b|non[- ]?commercial|research[- ]only", re.IGNORECASE)


class DataLicenses:
    """Write the licenses of the training data into the meta of a pipeline, from where `spacy package` takes them into
    the model card. For `[training.before_to_disk]`.

    Each license becomes one of the meta's `sources`. One that does not allow commercial use also becomes the pipeline's
    `license`, if it has none, and is said in its `notes` and in a warning. The callback is left out of the config
    that is saved, so that the pipeline can be loaded, and trained again, without this package.

    path (Optional[str]): The training data, in any format that `read_docs` reads. It is read once. None: nothing is
        done.
    """

    def __init__(self, path: Optional[str] = None):
        self.path = path
        self._found: Optional[list[str]] = None

    def __call__(self, nlp: Language) -> Language:
        """Note the licenses.

        nlp (Language): The pipeline that is to be saved.
        RETURNS (Language): The same, with other meta where a Doc of the data has a license.
        RAISES (InputError): If the data cannot be read.
        """
        if self._found is None:
            self._found = licenses(read_docs(self.path, nlp)) if self.path else []
            restricted = [name for name in self._found if NON_COMMERCIAL.search(name)]
            if restricted:
                warnings.warn(note(restricted), stacklevel=2)
        for name in self._found:
            note_license(nlp, name)
        training = nlp.config.get("training", {})
        if (training.get("before_to_disk") or {}).get("@callbacks") == NAME:
            training["before_to_disk"] = None
        return nlp


def note_license(nlp: Language, name: str) -> None:
    """Write one license into the meta of a pipeline, where it is not yet."""
    source = {"name": "Training data", "license": name}
    sources = list(nlp.meta.get("sources") or [])
    if source not in sources:
        nlp.meta["sources"] = [*sources, source]
    if NON_COMMERCIAL.search(name):
        nlp.meta["license"] = nlp.meta.get("license") or name
        if note([name]) not in nlp.meta.get("notes", ""):
            nlp.meta["notes"] = f"{nlp.meta.get('notes', '')}\n{note([name])}".strip()


def note(names: list[str]) -> str:
    """Say that the licenses do not allow commercial use."""
    return (
        f"The training data are under the license {' and '.join(map(repr, names))}, which does not allow commercial "
        "use. The same holds for what is trained on them."
    )


def licenses(docs: Iterable[Doc]) -> list[str]:
    """Find the licenses of Docs (list of str, sorted), which `xproj convert --license` wrote on them."""
    return sorted({str(name) for doc in docs if (name := (doc.user_data.get("meta") or {}).get("license"))})
