"""What parts have in common whose model is a folder of files: it is copied, and never made into bytes."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import InputError, XprojError
from .files import replacing

USE = "Use to_disk and from_disk."


class FilesOnly:
    """spaCy's two methods for bytes, of a part that has only those for files."""

    def to_bytes(self) -> bytes:
        """RAISES (XprojError): A model's weights are saved as files only."""
        raise XprojError(f"{type(self).__name__} has a whole model, which is not made into bytes. {USE}")

    def from_bytes(self, data: bytes) -> Any:
        """RAISES (XprojError): A model's weights are saved as files only."""
        raise XprojError(f"{type(self).__name__} has a whole model, which is not read from bytes. {USE}")


def copy_model(files: Sequence[Path], path: Path) -> None:
    """Copy the files of a model into a folder, each written beside its place first.

    files (sequence of Path): Weights in safetensors, configs, tokenizer; the weights come last.
    path (Path): The folder, made if it is not there.
    RAISES (InputError): If other weights are in that folder.
    """
    others = {p.name for p in path.glob("*.safetensors")} - {p.name for p in files}
    if others:
        raise InputError(path, None, f"The folder holds another model ({min(others)}). Name another one.")
    for file in files:
        with replacing(path / file.name) as beside:
            shutil.copyfile(file, beside)
