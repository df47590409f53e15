"""Optional dependencies: looked for once, and complained of when a backend that needs them is built."""

from importlib import import_module
from types import ModuleType

from .errors import XprojError


def require(module: str, needed_by: str, install: str) -> ModuleType:
    """Import an optional module, or say what to install.

    module (str): The module's name.
    needed_by (str): Who asks, for the message.
    install (str): What to install, as given to pip.
    RETURNS (ModuleType): The module.
    RAISES (XprojError): If it cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as err:
        raise XprojError(f"{needed_by} needs the package {module!r}: pip install '{install}' ({err}).") from err
