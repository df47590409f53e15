"""`spacy_xproj.start_from.v1`: a training that starts from the weights of a pipeline that was trained before."""

from collections.abc import Callable
from typing import Any, Optional

import spacy
from spacy.language import Language
from spacy.pipeline import TrainablePipe

from ..errors import XprojError

WHO = "spacy_xproj.start_from.v1"


def make_start_from(path: Optional[str] = None) -> Callable[[Language], Language]:
    """Start from the weights of a trained pipeline, such as one of another language over the same encoder. For
    `[initialize.after_init]`.

    Unlike `source` in `[components]`, the settings of the pipes are those of the new config, for example `targets` of
    `xproj_student`. Each pipe takes the weights and labels of the one that has its name.

    path (Optional[str]): The folder of a pipeline, or the name of an installed one. None or "": start from nothing.
    RETURNS (Callable[[Language], Language]): Fills a pipeline that is initialized.
    RAISES (XprojError): When called: if there is no such pipeline, no pipe of it has the name of one here, one has
        another architecture, or lacks labels of the training texts.
    """

    def start_from(nlp: Language) -> Language:
        if not path:
            return nlp
        try:
            other = spacy.load(path)
        except OSError as err:
            raise XprojError(f"{WHO}: expected a trained pipeline, a folder or the name of a package: {err}") from err
        shared = [
            name
            for name in nlp.pipe_names
            if isinstance(nlp.get_pipe(name), TrainablePipe) and name in other.pipe_names
        ]
        if not shared:
            raise XprojError(
                f"{WHO}: expected a pipeline with one of the pipes {', '.join(nlp.pipe_names)}, but {path} has "
                f"{', '.join(other.pipe_names) or 'none'}."
            )
        for name in shared:
            take(nlp.get_pipe(name), other.get_pipe(name), name, path)
        return nlp

    return start_from


def take(pipe: Any, trained: Any, name: str, path: str) -> None:
    """Give a pipe the weights and labels of a trained one. RAISES (XprojError): If it cannot hold them."""
    lacking = sorted({*pipe.labels} - {*trained.labels})
    if lacking:
        raise XprojError(
            f"{WHO}: the training texts have the labels {', '.join(lacking)}, which {name!r} of {path} does not know. "
            "Rename or leave them out (--label-map, --labels), or train from nothing."
        )
    try:
        pipe.from_bytes(trained.to_bytes(exclude=["vocab"]), exclude=["vocab"])
    except (ValueError, KeyError) as err:
        raise XprojError(
            f"{WHO}: {name!r} of {path} has another architecture than the config. Use the config that it was trained "
            f"with, and change the texts only. ({err})"
        ) from err
