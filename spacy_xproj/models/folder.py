"""A Hugging Face model in a folder of this machine: found, hashed, copied, and loaded at first use in each process."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional, TypeVar, Union
from weakref import WeakValueDictionary

from ..compat import require
from ..errors import InputError, XprojError
from ..files import check_as_written, file_hash, replacing, text_hash
from ..limits import parse_json
from ..state import OWN, State, too_large

EXTRA = "spacy-xproj"
FILES = ("*.json", "*.safetensors", "*.model", "*.spm", "*.txt")  # a model, without weights that are pickles
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}  # for `from_pretrained`
Local = TypeVar("Local", bound="LocalModel")


def copy_model(files: Sequence[Path], path: Path) -> None:
    """Copy the files of a model into a folder, each written beside its place first.

    files (sequence of Path): Weights in safetensors, configs, tokenizer; the weights come last.
    path (Path): The folder, made if it is not there.
    RAISES (InputError): If another model is in that folder.
    """
    others = {p.name for p in [*model_files(path), *path.glob("model.bin")]} - {p.name for p in files}
    if others:
        raise InputError(path, f"The folder holds another model ({min(others)}). Name another one.")
    for file in files:
        with replacing(path / file.name) as beside:
            shutil.copyfile(file, beside)


def model_files(folder: Path) -> list[Path]:
    """The files that a model is made of: weights, configs and tokenizer.

    folder (Path): The model's folder.
    RETURNS (list of Path): The files, by name.
    """
    return sorted({path for pattern in FILES for path in folder.glob(pattern) if path.name[0] != "."})


@contextmanager
def loading(who: str, folder: Path, how: str) -> Iterator[None]:
    """Load a model with transformers, without its notes on weights that are left out.

    who (str): Which part.
    folder (Path): The model's folder.
    how (str): The device, and what else is to be said in an error.
    RAISES (InputError): In the place of any other error.
    """
    log = require("transformers", who, EXTRA).logging
    before = log.get_verbosity()
    log.set_verbosity_error()
    try:
        yield
    except Exception as err:  # of many kinds, by what is wrong with the files or the device
        message = f"{who} cannot load the model on {how} ({type(err).__name__}: {err})."
        raise InputError(folder, message) from err
    finally:
        log.set_verbosity(before)


class Held:
    """A loaded model, for as long as a part holds it."""

    def __init__(self, loaded: Any):
        self.loaded = loaded


SHARED: "WeakValueDictionary[Any, Held]" = WeakValueDictionary()  # by process, device and `share_key`


def read_config(folder: Path, who: str, what: str = "model") -> dict[str, Any]:
    """Read the config of a model.

    folder (Path): The model's folder.
    who (str), what (str): Who asks, and for what, for errors.
    RETURNS (dict): Its config.json.
    RAISES (InputError): If it cannot be read.
    """
    path = folder / "config.json"
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it holds no settings")
    except (OSError, ValueError) as err:
        raise InputError(
            path,
            f"{who} cannot read the model's config ({err}). Give a folder with all files of a Hugging Face {what}: "
            "config.json, *.safetensors, and those of its tokenizer.",
        ) from err
    return config


def check_weights(folder: Path, who: str) -> None:
    """Make sure that a folder has weights that can be loaded safely.

    folder (Path): The model's folder.
    who (str): Who asks, for the error.
    RAISES (InputError): If it has not.
    """
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            folder,
            f"{who} found no weights in safetensors (*.safetensors). Other files of weights can run any code when they "
            "are loaded. If you trust them, load the model with transformers and save it with save_pretrained(folder, "
            "safe_serialization=True).",
        )


class LocalModel(State):
    """What the parts with a model have in common. A subclass says what a folder must hold (`check`), and loads it
    (`make`).

    model (str or Path): The folder; with `download` also a name on the Hugging Face Hub; "": none yet.
    device (str): "cpu", "mps", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    download (bool): Whether to fetch what is not a folder.
    RAISES (XprojError): If the device has no such name, or the folder does not hold such a model.
    """

    state_name = "a model's folder"
    who = ""  # the registered name of the part, for errors
    what = "model"  # what the folder is to hold, for errors
    extra = EXTRA  # what to install

    def __init__(self, model: Union[str, Path], *, device: str, download: bool):
        if not re.fullmatch("auto|cpu|mps|cuda(:[0-9]+)?", device):
            raise XprojError(
                f"{self.who}: expected the device 'auto', 'cpu', 'cuda' or such as 'cuda:1', got {device!r}."
            )
        self.device = device
        self._saved = Path()
        self._use(self._find(str(model), download) if str(model) else None)

    def check(self, folder: Path) -> dict[str, Any]:
        """See cheaply whether the folder holds what is needed.

        folder (Path): The folder.
        RETURNS (dict): Its config.json.
        RAISES (XprojError): If it does not.
        """
        config = read_config(folder, self.who, self.what)
        check_weights(folder, self.who)
        return config

    def make(self, folder: Path, device: str) -> Any:
        """Load the model.

        folder (Path): Its folder.
        device (str): As torch names it.
        RETURNS (Any): What `load` returns. Its attribute `model` is the model.
        """
        raise NotImplementedError

    def _find(self, model: str, download: bool) -> Path:
        if Path(model).is_dir():
            return Path(model).resolve()
        if not download:
            raise InputError(
                model,
                f"{self.who} expected the folder of a Hugging Face {self.what}, and there is no such folder. Nothing "
                "is downloaded unless asked for: give a folder with the model's files, or a name on the Hugging "
                "Face Hub together with download = true.",
            )
        hub = require("huggingface_hub", self.who, self.extra)
        try:
            return Path(hub.snapshot_download(model, allow_patterns=list(FILES)))
        except Exception as err:  # of many kinds: the network's, the hub's, and those of bad names
            raise XprojError(
                f"{self.who} cannot fetch the model {model!r} ({type(err).__name__}: {err}). Give the name of a model "
                "on the Hugging Face Hub, or the folder of one."
            ) from err

    def _use(self, folder: Optional[Path]) -> None:
        self.config = self.check(folder) if folder else {}
        self.kind = self.config.get("model_type")
        self._folder = folder
        self._hash = ""
        self._loaded: Any = None
        self._held: Optional[Held] = None
        self._pid = os.getpid()

    @property
    def folder(self) -> Path:
        """The model's folder (Path).

        RAISES (XprojError): If there is none.
        """
        if self._folder is None:
            raise XprojError(f"{self.who} has no model. Set 'model' to the folder of one, or load it with from_disk.")
        return self._folder

    @property
    def hash(self) -> str:
        """The content of the model's files, as a hash (str)."""
        if not self._hash:
            check_as_written(self.folder)
            self._hash = text_hash("".join(f"{p.name}\0{file_hash(p)}\n" for p in model_files(self.folder)))
        return self._hash

    def load(self) -> Any:
        """The model, loaded by the first call in each process, or taken over from the process that was forked.

        RETURNS (Any): From `make`.
        RAISES (XprojError): If the model or its device is not to be had.
        """
        folder = self.folder
        if os.getpid() != self._pid:
            if self._loaded is not None and self.on_gpu():
                raise XprojError(
                    f"{self.who}: a model that is on a GPU cannot be used by a forked process. Run with one process "
                    "(n_process = 1), or do not use the pipeline before the processes start."
                )
            self.after_fork()
            self._pid = os.getpid()
        if self._loaded is None:
            device = self.device_name()
            key = (os.getpid(), device, *self.share_key()) if self.share_key() else None
            self._held = SHARED.get(key) or Held(self.make(folder, device))
            self._loaded = self._held.loaded
            if key:
                SHARED[key] = self._held
        return self._loaded

    def share_key(self) -> tuple[Any, ...]:
        """What tells the loaded model from others (tuple), apart from its device: parts in which it is the same share
        one. Empty: it is not shared."""
        return ()

    def on_gpu(self) -> bool:
        """Whether the loaded model is on a GPU."""
        return self._loaded.model.device.type != "cpu"

    def after_fork(self) -> None:
        """Make ready for a process that was forked: the parent's threads are not there, and OpenMP would wait for
        them."""
        require("torch", self.who, self.extra).set_num_threads(1)

    def devices(self) -> tuple[str, dict[str, int]]:
        """What runs the model, and how many devices it sees of each kind (tuple of str and dict)."""
        torch = require("torch", self.who, self.extra)
        counts = {"cpu": 1, "mps": int(torch.backends.mps.is_available()), "cuda": torch.cuda.device_count()}
        return f"torch {torch.__version__}", counts

    def device_name(self) -> str:
        """The device (str), if it is there.

        RAISES (XprojError): If it is not.
        """
        runtime, counts = self.devices()
        if self.device == "auto":
            return "cuda" if counts["cuda"] else "cpu"
        kind, _, number = self.device.partition(":")
        count = counts.get(kind, 0)
        if int(number or 0) >= count:
            raise XprojError(
                f"{self.who}: the device {self.device!r} is not there: {runtime} sees {count} of the kind {kind!r}. "
                "Set 'device' to another one, to 'cpu' or to 'auto'."
            )
        return self.device

    def files(self, folder: Path) -> list[Path]:
        """The files that the model in a folder is made of (list of Path)."""
        return model_files(folder)

    def saved_folder(self) -> Path:
        """What is saved (Path): the model's folder, or one that was made of it."""
        return self.folder

    # Serialization

    def state(self) -> dict[str, Any]:
        """Where the model's folder is, from the folder that it was saved to. "": there is none."""
        return {"at": "" if self._folder is None else "."}

    def set_state(self, state: dict[str, Any]) -> None:
        self._use((self._saved / state["at"]).resolve() if state["at"] else None)

    def to_bytes(self) -> bytes:
        """RAISES (XprojError): If there is a model: it is saved as files only."""
        if self._folder is not None:
            raise too_large(self.who, f"a whole model ({self._folder.name})")
        return super().to_bytes()

    def to_disk(self, path: Union[str, Path]) -> None:
        """Copy the model: its weights, configs and tokenizer. Without a model, a note says so.

        path (str or Path): The folder to copy it into.
        RAISES (InputError): If another model is in that folder.
        """
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        if self._folder is not None and (folder := self.saved_folder()) != path.resolve():
            copy_model(self.files(folder), path)
        super().to_disk(path)

    def from_disk(self: Local, path: Union[str, Path]) -> Local:
        """Take the model that `to_disk` copied, or any folder of such a model. It stays there, and is loaded at the
        next use.

        path (str or Path): The folder.
        RETURNS (LocalModel): Itself.
        RAISES (InputError): If it does not hold such a model.
        """
        self._saved = Path(path).resolve()
        if self._saved.is_dir() and not (self._saved / OWN).exists():
            self._use(self._saved)
            return self
        return super().from_disk(path)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None, "_held": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pid = os.getpid()
