"""What CTranslate2 can do on this machine, and what a forked process may touch."""

import ctypes
import os
import weakref
from typing import Any, ClassVar

from ..compat import require
from ..errors import XprojError
from .ctranslate_convert import INSTALL, WHO


def ctranslate2() -> Any:
    """The package."""
    return require("ctranslate2", WHO, INSTALL)


def device_index(device: str) -> tuple[str, int]:
    """A device as CTranslate2 names it.

    device (str): "cpu", "cuda" or such as "cuda:1".
    RETURNS (tuple of str and int): "cpu" or "cuda", and which one.
    """
    name, _, index = device.partition(":")
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


class Kept:
    """A ctranslate2.Translator. Its threads are in the process only that loaded it: in a fork it can
    neither be used nor freed, since both would wait for them for ever."""

    everywhere: ClassVar["weakref.WeakSet[Kept]"] = weakref.WeakSet()

    def __init__(self, translator: Any):
        self.translator = translator
        self.everywhere.add(self)

    @classmethod
    def keep(cls) -> None:
        """Let a fork never free what its parent loaded."""
        for loaded in cls.everywhere:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(loaded.translator))


os.register_at_fork(after_in_child=Kept.keep)
