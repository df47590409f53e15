"""The state of a part: a name, a format number, and spaCy's four serialization methods, written once for all parts."""

import hashlib
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, Union, runtime_checkable

import srsly

from .errors import InputError, XprojError
from .files import replacing
from .part import Part

OWN = "state.msgpack"  # in the folder of a part that is made of parts: its own state


@runtime_checkable
class Stateful(Protocol):
    """A part that can be saved and loaded."""

    def to_disk(self, path: Union[str, Path]) -> None: ...
    def from_disk(self, path: Union[str, Path]) -> Any: ...


@runtime_checkable
class InBytes(Stateful, Protocol):
    """One that can be saved as bytes, too. Those of this package all can, if they hold no whole model."""

    def to_bytes(self) -> bytes: ...
    def from_bytes(self, data: bytes) -> Any: ...


Self = TypeVar("Self", bound="State")


class State(Part):
    """Base of the parts that have a state. The state is what a part learnt and what it read from files. Its other
    settings belong to the config.

    A subclass gives `state_name` and `state_format`, `state` and `set_state`. One that is made of other parts also
    gives `state_parts`.

    A state goes into one file. With parts it goes into a folder: the part's own state as `state.msgpack`, and each of
    its parts under its name.
    """

    state_name: str = ""  # the registered name
    state_format: ClassVar[int] = 1  # to be raised when `state` changes
    state_spare: ClassVar[bool] = False  # whether states of parts that are not there are passed over

    def state(self) -> dict[str, Any]:
        """What to save (dict), as msgpack can hold it: equal for equal states."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave. Nothing may change before all of it has been read.

        RAISES (XprojError): If it does not fit the settings. A KeyError, TypeError or ValueError counts as other data.
        """

    def state_parts(self) -> dict[str, Any]:
        """The parts whose states belong to this one's (dict), by name. Those without a state are passed over."""
        return {}

    def expected_parts(self, names: Collection[str]) -> dict[str, Any]:
        """The parts to be loaded (dict), by name.

        names (collection of str): Those of the saved state.
        """
        return self.state_parts()

    def state_hash(self) -> str:
        """The start of a hash (str, 12 digits) of the state, without its parts: it tells what was learnt."""
        return hashlib.sha256(self._packed([])).hexdigest()[:12]

    def to_bytes(self) -> bytes:
        """The state, as msgpack.

        RETURNS (bytes): Equal for equal states.
        RAISES (XprojError): If a model is in it that is saved as files only.
        """
        parts = stateful(self.state_parts())
        return self._packed({name: in_bytes(part).to_bytes() for name, part in parts.items()})

    def from_bytes(self: Self, data: bytes) -> Self:
        """Take over a state.

        data (bytes): From `to_bytes`.
        RETURNS (State): Itself.
        RAISES (XprojError): If it is another state, or one of other settings.
        """
        state = self._unpacked(data)
        saved = state.get("parts", {})
        for name, part in self._expected(saved).items():
            in_bytes(part).from_bytes(saved[name])
        return self._take(state)

    def to_disk(self, path: Union[str, Path]) -> None:
        """Write the state.

        path (str or Path): A file. A folder where there are parts; it is made if it is not there. Of parts that were
            saved there before, those that are no more are removed.
        """
        path, parts = Path(path), stateful(self.state_parts())
        if parts:
            if path.is_file():
                path.unlink()
            path.mkdir(parents=True, exist_ok=True)
            for name in set(self._saved_before(path / OWN)) - set(parts):
                remove(path / name)
        for name, part in parts.items():
            part.to_disk(path / name)
        with replacing(own_file(path)) as beside:
            beside.write_bytes(self._packed(list(parts)))

    def from_disk(self: Self, path: Union[str, Path]) -> Self:
        """Read the state.

        path (str or Path): From `to_disk`.
        RETURNS (State): Itself.
        RAISES (InputError): If it cannot be used.
        """
        path = Path(path)
        try:
            state = self._unpacked(own_file(path).read_bytes())
            parts = self._expected(state.get("parts", []))
            if gone := [name for name in parts if not (path / name).exists()]:
                raise XprojError(f"{self.state_name}: the state of its part {gone[0]!r} is missing in this folder.")
            for name, part in parts.items():
                part.from_disk(path / name)
            return self._take(state)
        except InputError:
            raise
        except (OSError, XprojError) as err:
            raise InputError(path, str(err)) from err

    def _packed(self, parts: Union[list[str], dict[str, bytes]]) -> bytes:
        header = {"name": self.state_name, "format": self.state_format}
        return srsly.msgpack_dumps({**header, **self.state(), **({"parts": parts} if parts else {})})

    def _unpacked(self, data: bytes) -> dict[str, Any]:
        try:
            state: Any = srsly.msgpack_loads(data)
            name, number = state["name"], state["format"]
        except Exception as err:  # msgpack raises its own of many kinds
            raise self._unlike(f"other data ({type(err).__name__}: {err})") from err
        if (name, number) != (self.state_name, self.state_format):
            raise self._unlike(f"that of {name}, format {number}")
        return state

    def _saved_before(self, path: Path) -> list[str]:
        try:
            return self._unpacked(path.read_bytes()).get("parts", [])
        except (OSError, XprojError):
            return []

    def _expected(self, saved: Collection[str]) -> dict[str, Stateful]:
        parts = stateful(self.expected_parts(saved))
        missing, spare = [sorted(set(a) - set(b)) for a, b in ((parts, saved), (saved, parts))]
        if missing or (spare and not self.state_spare):
            mine, theirs = (", ".join(map(repr, sorted(names))) or "none" for names in (parts, saved))
            raise self._unlike(f"one with the parts {theirs} instead of {mine}")
        return parts

    def _take(self: Self, state: dict[str, Any]) -> Self:
        try:
            self.set_state(state)
        except (KeyError, TypeError, ValueError) as err:
            if isinstance(err, XprojError):
                raise
            raise self._unlike(f"other data ({type(err).__name__}: {err})") from err
        return self

    def _unlike(self, got: str) -> XprojError:
        return XprojError(f"Expected the state of {self.state_name}, format {self.state_format}, but got {got}.")


class Group(State):
    """Parts by name that are saved together.

    parts (dict): The parts. Those without a state are passed over.
    spare (bool): Whether states of parts that are not there are passed over.
    """

    state_name = "a group of parts"

    def __init__(self, parts: dict[str, Any], spare: bool = False):
        self.parts, self.state_spare = parts, spare  # type: ignore[misc]

    def state_parts(self) -> dict[str, Any]:
        return self.parts


def stateful(parts: dict[str, Any]) -> dict[str, Stateful]:
    """Those of the parts that have a state.

    parts (dict): Parts by name.
    """
    return {name: part for name, part in parts.items() if isinstance(part, Stateful)}


def in_bytes(part: Stateful) -> InBytes:
    """The part, if it can be saved as bytes. RAISES (XprojError): If not."""
    if isinstance(part, InBytes):
        return part
    raise too_large(type(part).__name__, "what it saves to files")


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def own_file(path: Path) -> Path:
    """Where a part's own state is in the file or folder that it was saved to."""
    return path / OWN if path.is_dir() else path


def too_large(who: str, what: str) -> XprojError:
    """The error of a part that can be saved to files only.

    who (str): The part.
    what (str): What is in it.
    """
    return XprojError(f"{who} holds {what}, which is too large for bytes. Save it with to_disk and load it from there.")
