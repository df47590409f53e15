"""A spaCy pipeline inside of a part: its folder or package, loaded at first use, and saved with the part."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Optional, Union

from spacy.util import get_model_meta, get_package_path, is_package, load_model

from ..errors import InputError, XprojError
from ..files import file_hash
from ..state import State, remove, too_large

if TYPE_CHECKING:
    from spacy.language import Language

WEIGHTS = ("*.safetensors", "model.bin")  # of Hugging Face and CTranslate2


class SpacyPipeline(State):
    """A spaCy pipeline that a part uses. As bytes it is the files that `nlp.to_disk` writes: some of spaCy's own pipes
    forget a part of their state with `nlp.to_bytes`.

    model (str or Path): A folder, or the name of an installed package. "": none yet.
    who (str): The registered name of the part, for errors.
    exclude (sequence of str): Components that are not loaded.
    """

    state_name = "a spaCy pipeline"

    def __init__(self, model: Union[str, Path] = "", *, who: str, exclude: Sequence[str] = ()):
        self.who, self.exclude = who, list(exclude)
        self._use(str(model))

    def _use(self, model: str, nlp: Optional["Language"] = None, content: str = "") -> None:
        self.model, self._nlp, self._hash = model, nlp, content

    def __bool__(self) -> bool:
        return bool(self.model) or self._nlp is not None

    @property
    def nlp(self) -> "Language":
        """The pipeline (Language), loaded by the first use. It can be set.

        RAISES (XprojError): If there is none, or it cannot be loaded.
        """
        if self._nlp is None:
            folder = self.folder
            try:
                self._nlp = load_model(folder, exclude=self.exclude)
            except (OSError, ValueError) as err:
                raise InputError(folder, f"{self.who} cannot use this pipeline. {err}") from err
        return self._nlp

    @nlp.setter
    def nlp(self, nlp: Optional["Language"]) -> None:
        self._use("", nlp)

    @property
    def folder(self) -> Path:
        """Where the pipeline is (Path).

        RAISES (XprojError): If there is none, or it is neither a folder nor a package.
        """
        if not self.model:
            raise XprojError(
                f"{self.who} has no pipeline. Set 'model' to the folder or the package name of one, or load it with "
                "from_disk."
            )
        path = Path(self.model)
        if path.is_dir():
            return path.resolve()
        if is_package(self.model):
            root = get_package_path(self.model)
            meta = get_model_meta(root)
            return root / f"{meta['lang']}_{meta['name']}-{meta['version']}"
        raise XprojError(
            f"{self.who}: expected the folder of a spaCy pipeline or the name of an installed one, got {self.model!r}. "
            "Nothing is downloaded."
        )

    @property
    def hash(self) -> str:
        """The content of the pipeline's files, as a hash (str)."""
        if not self._hash and self.model:
            self._hash = file_hash(self.folder)
        elif not self._hash and self._nlp is not None:
            with TemporaryDirectory() as folder:
                self._nlp.to_disk(folder)
                self._hash = file_hash(folder)
        return self._hash

    # Serialization

    def state(self) -> dict[str, Any]:
        """The files by name, and their hash.

        RAISES (XprojError): If a whole model is among them.
        """
        if not self:
            return {}
        with TemporaryDirectory() as temporary:
            folder = self.folder if self.model else Path(temporary)
            if not self.model:
                self.nlp.to_disk(folder)
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            if large := [path.name for path in files if any(map(path.match, WEIGHTS))]:
                raise too_large(self.who, f"a pipeline with a whole model ({large[0]})")
            contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
        return {"hash": self.hash, "files": contents}

    def set_state(self, state: dict[str, Any]) -> None:
        if "files" not in state:
            return self._use("")
        with TemporaryDirectory() as folder:
            for name, content in state["files"].items():
                path = Path(folder, name).resolve()
                if not path.is_relative_to(Path(folder).resolve()):
                    raise ValueError(f"a file that is called {name!r}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self._use("", load_model(folder, exclude=self.exclude), state["hash"])

    def to_disk(self, path: Union[str, Path]) -> None:
        """Copy the pipeline to a folder. What is there in its place is replaced. Without one, a file says so.

        path (str or Path): The folder.
        """
        path = Path(path)
        if not self:
            remove(path)
            return super().to_disk(path)
        if self.model and path.resolve() == self.folder:
            return
        beside = path.with_name(f".{path.name}.tmp")
        remove(beside)
        if self.model:
            shutil.copytree(self.folder, beside)
        else:
            self.nlp.to_disk(beside)
        remove(path)
        beside.rename(path)

    def from_disk(self, path: Union[str, Path]) -> "SpacyPipeline":
        """Take the pipeline that `to_disk` copied. It stays there, and is loaded at the next use.

        path (str or Path): The folder.
        RETURNS (SpacyPipeline): Itself.
        """
        if not Path(path).is_dir():
            return super().from_disk(path)
        self._use(str(Path(path).resolve()))
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_nlp": None if self.model else self._nlp}
