"""CTranslate2 models: made once from a Hugging Face folder, and made again when that changes."""

import json
import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..compat import require
from ..errors import InputError, XprojError
from ..files import file_hash, folder_beside, replacing, text_hash
from ..limits import parse_json
from ..locks import locked
from ..models.folder import model_files
from .seq2seq import load_weights

WHO = "spacy_xproj.CTranslate2.v1"
INSTALL = "spacy-xproj[ctranslate2]"
NOTE = "conversion.json"  # in a converted folder: what it was made of

logger = logging.getLogger(__name__)


def is_converted(folder: Path) -> bool:
    """Whether a folder holds a CTranslate2 model."""
    return (folder / "model.bin").is_file()


def parts(folder: Path) -> list[Path]:
    """The files that a model is made of, converted or not: weights, configs and tokenizer."""
    weights = [folder / "model.bin"] if is_converted(folder) else []
    return [p for p in model_files(folder) if p.name != NOTE] + weights


def content_hash(folder: Path) -> str:
    """The sha256 of the names and hashes of these files."""
    return text_hash("".join(f"{p.name}\0{file_hash(p)}\n" for p in parts(folder)))


def model_hash(folder: Path) -> str:
    """The sha256 of the Hugging Face model that a folder was made of; else, of what is in it."""
    return read_note(folder).get("hash") or content_hash(folder)


def read_note(folder: Path) -> dict[str, Any]:
    """What a converted folder was made of; empty where nothing (readable) says so."""
    try:
        note = parse_json((folder / NOTE).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def stats(model: Path) -> dict[str, list[int]]:
    """The size and time of each of these files."""
    return {p.name: [p.stat().st_size, p.stat().st_mtime_ns] for p in parts(model)}


def is_current(model: Path, place: Path, compute_type: str) -> bool:
    """Whether the folder `place` was made of the model as it is now. If the files of the model only look changed
    (another time, as after a copy), it is noted that they are not.

    model, place (Path): The Hugging Face folder, and where its conversion is to be.
    compute_type (str): What the weights are to be.
    RETURNS (bool): False: it is to be made (again).
    """
    note = read_note(place)
    if not is_converted(place) or note.get("compute_type") != compute_type:
        return False
    files = stats(model)
    if note.get("files") == files:
        return True
    if note.get("hash") != content_hash(model):
        return False
    with suppress(OSError), replacing(place / NOTE) as beside:  # it may be read-only
        beside.write_text(json.dumps({**note, "files": files}, indent=1), encoding="utf8")
    return True


def converted_folder(model: Path, place: Path, compute_type: str) -> Path:
    """Convert a model, unless that was done before. Nothing half-done is left at its place, and of several processes
    one converts and the others wait.

    model (Path): A Hugging Face folder.
    place (Path): Where the converted model is to be.
    compute_type (str): The type of the weights, such as "int8".
    RETURNS (Path): `place`: a CTranslate2 model, with the tokenizer's files beside it.
    RAISES (XprojError): If it cannot be converted or written, or something else is at that place.
    """
    try:
        if not is_current(model, place, compute_type):
            with locked(place, wait=True):
                if not is_current(model, place, compute_type):
                    _make(model, place, compute_type)
    except OSError as err:
        raise XprojError(
            f"{WHO} cannot write the converted model of {str(model)!r} to {str(place)!r} ({err}). Set 'converted' to a "
            "folder that can be written."
        ) from err
    return place


def _make(model: Path, place: Path, compute_type: str) -> None:
    if place.exists() and not (place.is_dir() and (read_note(place) or not any(place.iterdir()))):
        raise InputError(
            place,
            f"The converted model is to be put here, but here is something that {WHO} did not make. Name another place "
            "as 'converted'. (To use a model that was converted before, name its folder as 'model'.)",
        )
    logger.info("Converting %s to %s (%s)", model, place, compute_type)
    with folder_beside(place) as beside:
        new, old = beside / "new", beside / "old"
        note = {"hash": content_hash(model), "files": stats(model), "compute_type": compute_type}
        run_converter(model, new, compute_type)
        for path in parts(model):
            if ".safetensors" not in path.name and not (new / path.name).exists():
                shutil.copyfile(path, new / path.name)
        # Both CTranslate2 and Hugging Face read the file of this name, each what it knows.
        merged = {**_read(model / "config.json"), **_read(new / "config.json")}
        (new / "config.json").write_text(json.dumps(merged, indent=1, ensure_ascii=False), encoding="utf8")
        (new / NOTE).write_text(json.dumps(note, indent=1), encoding="utf8")
        if place.exists():
            os.rename(place, old)
        os.rename(new, place)


def run_converter(model: Path, place: Path, compute_type: str) -> None:
    """Write the CTranslate2 model, without the tokenizer.

    model (Path): A Hugging Face folder.
    place (Path): The folder to make.
    compute_type (str): The type of the weights.
    RAISES (XprojError): If the converter does not know such a model, or the weights cannot be read.
    """
    base: Any = require("ctranslate2.converters", WHO, INSTALL).TransformersConverter

    class LocalConverter(base):
        """Loads what `Transformers.v1` would load. The type of the weights goes by two names: that of transformers
        before 4.56 is given by converters before CTranslate2 4.6.3."""

        def load_model(self, model_class: Any, name: str, **kwargs: Any) -> Any:
            dtype = kwargs.get("torch_dtype", kwargs.get("dtype"))
            return load_weights(Path(name), str(dtype or "float32").removeprefix("torch."), "cpu", WHO)

        def load_tokenizer(self, tokenizer_class: Any, name: str, **kwargs: Any) -> Any:
            return tokenizer_class.from_pretrained(name, local_files_only=True, trust_remote_code=False)

    try:
        LocalConverter(str(model)).convert(str(place), quantization=compute_type)
    except XprojError:
        raise
    except Exception as err:  # of many kinds, by what is wrong with the files
        raise XprojError(
            f"{WHO} cannot convert the model in {str(model)!r} ({type(err).__name__}: {err}). Expected a Hugging Face "
            "folder with the weights and the tokenizer of a translation model, and room on the disk of 'converted'."
        ) from err


def _read(path: Path) -> dict[str, Any]:
    return parse_json(path.read_text(encoding="utf8"))
