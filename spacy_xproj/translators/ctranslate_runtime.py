"""What CTranslate2 can do here, and what of it a forked process may touch."""

import ctypes
import os
import re
import weakref
from pathlib import Path
from typing import Any, ClassVar, Union

from ..compat import require
from ..errors import XprojError
from .ctranslate_convert import INSTALL, WHO, is_converted
from .families import read_config
from .seq2seq import checked_folder


def ctranslate2() -> Any:
    """The package."""
    return require("ctranslate2", WHO, INSTALL)


def checked_model(folder: Union[str, Path]) -> Path:
    """See cheaply whether a folder holds a translation model, converted or not.

    folder (str or Path): The folder.
    RETURNS (Path): The same, as an absolute path.
    RAISES (XprojError): If it does not.
    """
    folder = Path(folder)
    if not is_converted(folder):
        return checked_folder(folder, WHO).resolve()
    try:
        read_config(folder, WHO)
    except XprojError as err:
        raise XprojError(
            f"{err} (The folder holds a CTranslate2 model. One that another program converted lacks the keys "
            "of Hugging Face's config.json. Give the folder of the Hugging Face model, and it is converted.)"
        ) from err
    return folder.resolve()


def checked_device(device: str) -> tuple[str, int]:
    """The device and its index, if it is there.

    device (str): "cpu", "cuda" or such as "cuda:1".
    RETURNS (tuple of str and int): "cpu" or "cuda", and which one.
    RAISES (XprojError): If it is another word, or the GPU is not there.
    """
    name, _, index = device.partition(":")
    if not re.fullmatch("cpu|cuda(:[0-9]+)?", device):
        raise XprojError(f"{WHO}: expected the device 'cpu', 'cuda' or such as 'cuda:1', got {device!r}.")
    if name == "cuda":
        package = ctranslate2()
        count = package.get_cuda_device_count()
        if int(index or 0) >= count:
            raise XprojError(
                f"{WHO}: the device {device!r} is not there: ctranslate2 {package.__version__} sees {count} GPUs. "
                "Set 'device' to another one, or to 'cpu'."
            )
    return name, int(index or 0)


def checked_compute_type(compute_type: str, device: str, index: int) -> str:
    """The compute type, if the device has it.

    compute_type (str): Its name, or "auto".
    device (str), index (int): The device.
    RETURNS (str): Its name.
    RAISES (XprojError): If the device does not have it.
    """
    known = ctranslate2().get_supported_compute_types(device, index)
    if compute_type == "auto":
        usual = "int8" if device == "cpu" else "float16"
        return usual if usual in known else "float32"
    if compute_type not in known:
        raise XprojError(
            f"{WHO}: expected a compute_type that the device {device!r} has, which are 'auto', "
            f"{', '.join(map(repr, sorted(known)))}, got {compute_type!r}."
        )
    return compute_type


class Loaded:
    """A ctranslate2.Translator, and the process that loaded it. Its threads are in that process only: in a fork it can
    neither be used nor freed, since both would wait for them for ever."""

    everywhere: ClassVar["weakref.WeakSet[Loaded]"] = weakref.WeakSet()

    def __init__(self, translator: Any):
        self.translator = translator
        self.pid = os.getpid()
        self.everywhere.add(self)

    @classmethod
    def keep(cls) -> None:
        """Let a fork never free what its parent loaded."""
        for loaded in cls.everywhere:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(loaded.translator))


os.register_at_fork(after_in_child=Loaded.keep)
