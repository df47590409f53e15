"""What the verbs share: errors, pipelines from configs, fitting, links from a file."""

import functools
import json
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import spacy
from catalogue import RegistryError
from click import NoSuchOption
from confection import Config, ConfigValidationError
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config, load_model_from_config
from wasabi import msg

from ..corpus import blank, file_hash, lang_code, read_docs, replacing, text_hash
from ..corpus.examples import with_links
from ..errors import InputError, XprojError
from ..fitting import fit, payload_pipes

PathLike = Union[str, Path]
KEY = "xproj_key.json"  # in the folder of a fitted pipeline: what it was made from


def handle_errors(verb: Callable) -> Callable:
    """Make what the user can mend one message and exit code 1."""

    @functools.wraps(verb)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("always", module="spacy_xproj")
            try:
                verb(*args, **kwargs)
            except (XprojError, ConfigValidationError, RegistryError, OSError) as err:
                msg.fail(str(err), exits=1)
            except NoSuchOption as err:  # from spaCy, and not of the click that newer versions of typer bring along
                msg.fail(err.format_message())
                raise SystemExit(2) from None

    return wrapper


def load_pipeline(config: PathLike, lang: Optional[str] = None, overrides: Optional[dict[str, Any]] = None) -> Language:
    """Build a pipeline from a config, or load one from a folder.

    config (str or Path): A `.cfg`, or the folder of a saved pipeline.
    lang (Optional[str]): The target language, in place of the config's. A saved pipeline must agree with it.
    overrides (Optional[dict[str, Any]]): Values in place of the config's, by their dotted names.
    RETURNS (Language): The pipeline.
    RAISES (XprojError): If it cannot be made.
    """
    path = Path(config)
    if not path.exists():
        raise InputError(path, None, "There is no such config or pipeline.")
    try:
        if path.is_dir():
            nlp = spacy.load(path, config=overrides or {})
            if lang and lang_code(nlp) not in (lang, "xx"):
                raise XprojError(f"{path}: the pipeline is for {lang_code(nlp)!r}, not for {lang!r}.")
            return nlp
        made: Config = load_config(path, overrides=overrides or {}, interpolate=False)
        code = lang or made.interpolate().get("nlp", {}).get("lang")
        plain = blank(code) if code else None
        if plain is not None and "nlp" in made:
            made["nlp"]["lang"] = plain.lang
        nlp = load_model_from_config(made, auto_fill=True)
    except (OSError, ValueError) as err:
        if isinstance(err, XprojError):
            raise
        raise InputError(path, None, f"The pipeline cannot be made. {err}") from err
    if plain is not None and lang_code(plain) != plain.lang:
        nlp.meta["xproj_lang"] = lang_code(plain)
    settings = nlp.config.interpolate()["initialize"]["components"]
    for name, pipe in payload_pipes(nlp):
        if source := settings.get(name, {}).get("source"):
            pipe.initialize(lambda: [], nlp=nlp, **settings[name])
            nlp.meta["xproj_source"] = file_hash(source) if Path(source).exists() else source
    return nlp


class Corpus:
    """Docs that can be read again and again from a file or folder, with the links of a Pharaoh file if one is given."""

    def __init__(
        self,
        path: PathLike,
        nlp: Language,
        *,
        alignments: Optional[PathLike] = None,
        source_lang: str = "en",
        limit: int = 0,
    ):
        self.path, self.nlp, self.alignments, self.limit = path, nlp, alignments, limit
        self.source_nlp = blank(source_lang)

    def __iter__(self) -> Iterator[Doc]:
        docs = read_docs(self.path, self.nlp, limit=self.limit, source_nlp=self.source_nlp)
        return docs if self.alignments is None else with_links(docs, self.alignments)


class Chain:
    """Several re-readable corpora as one."""

    def __init__(self, parts: Sequence[Iterable[Doc]]):
        self.parts = parts

    def __iter__(self) -> Iterator[Doc]:
        for part in self.parts:
            yield from part


def fit_once(nlp: Language, docs: Iterable[Doc], folder: Path, key: dict[str, str]) -> tuple[Language, str]:
    """Fit what is not fitted and save the pipeline, or load what an earlier run with the same key saved.

    folder (Path): Where the fitted pipeline is kept.
    key (dict[str, str]): What the result depends on.
    RETURNS (Language, str): The fitted pipeline, and the hash of its state.
    """
    note = folder / KEY
    if note.exists() and json.loads(note.read_text(encoding="utf-8"))["key"] == key:
        return spacy.load(folder), json.loads(note.read_text(encoding="utf-8"))["hash"]
    if folder.exists() and not note.exists() and any(folder.iterdir()):
        raise XprojError(f"{folder} is not empty and holds no fitted pipeline. Remove it or give another OUT.")
    if fitted := fit(nlp, docs):
        msg.info(f"Fitted {', '.join(fitted)}")
    return nlp, save_pipeline(nlp, folder, key)


def save_pipeline(nlp: Language, folder: Path, key: Optional[dict[str, str]] = None) -> str:
    """Save a pipeline beside its place, and put it there once it is whole, with the key where one is given.

    RETURNS (str): The hash of its state.
    """
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.parent.mkdir(parents=True, exist_ok=True)
    try:
        nlp.to_disk(beside)
        state = file_hash(beside)
        if key is not None:
            write_json(beside / KEY, {"key": key, "hash": state})
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return state


def config_hash(nlp: Language) -> str:
    """What a pipeline that was built from a config depends on: that, and the source pipeline that it names."""
    return text_hash(nlp.config.to_str(interpolate=False) + str(nlp.meta.get("xproj_source", "")))


def write_json(path: PathLike, data: dict) -> None:
    with replacing(path) as beside:
        beside.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def reasons_of(docs: Iterable[Doc], counts: Counter) -> Iterator[Doc]:
    """Count what the reports on the Docs say, in passing."""
    for doc in docs:
        report = doc._.xproj_report or {}
        counts["docs"] += 1
        counts["source_spans"] += report.get("source_spans", 0)
        counts["projected"] += report.get("projected", 0)
        counts.update(f"not_projected:{row['reason']}" for row in report.get("missing", ()))
        counts.update(f"note:{note}" for note in report.get("notes", ()))
        yield doc


def show_counts(counts: dict[str, int]) -> None:
    if counts:
        msg.table([(k.replace("_", " "), v) for k, v in sorted(counts.items())], aligns=("l", "r"))
