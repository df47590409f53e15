"""Pipelines of runs: made from a config, fitted once, saved with what they were made from."""

import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import spacy
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.util import load_model_from_config

from ..codes import normalize_code
from ..corpus import blank, lang_code
from ..corpus.manifest import Manifest
from ..errors import InputError, Stopped, XprojError
from ..files import check_as_written, check_locks, file_hash, read_note, replacing_folder
from ..fitting import MAX_FIT, fit, unfitted, xproj_pipes
from ..keys import FILLED, Key, config_key, finished, run_key
from ..languages import set_language
from ..pipeline.portable import emptied
from ..pipeline.projection_pipe import ProjectionPipe
from ..shipped import CONFIG_ERRORS, find_config, read_config
from ..state import stateful
from .reading import DocReader, Inputs
from .sampling import sampled

PathLike = Union[str, Path]


def load_pipeline(config: PathLike, lang: Optional[str] = None, overrides: Optional[dict[str, Any]] = None) -> Language:
    """Build a pipeline from a config, or load one from a folder. See `keyed_pipeline`."""
    return keyed_pipeline(config, lang, overrides)[0]


def keyed_pipeline(
    config: PathLike, lang: Optional[str] = None, overrides: Optional[dict[str, Any]] = None
) -> tuple[Language, Key]:
    """Build a pipeline from a config, or load one from a folder. Warn of settings that change nothing.

    config (str or Path): A `.cfg`, the folder of a saved pipeline, or the name of a config that comes with the package.
    lang (Optional[str]): The target language, in place of the config's. A saved pipeline must agree with it.
    overrides (Optional[dict[str, Any]]): Values in place of the config's, by their dotted names.
    RETURNS (Language, dict[str, str]): The pipeline, and the parts of a run's key that come from it.
    RAISES (XprojError): If it cannot be made.
    """
    path = find_config(config)
    try:
        if path.is_dir():
            check_as_written(path)
            nlp = spacy.load(path, config=overrides or {})
            code = normalize_code(lang) if lang else lang_code(nlp)
            if lang_code(nlp) not in (code, "xx"):
                raise XprojError(f"{path}: the pipeline is for {lang_code(nlp)!r}, not for {code!r}.")
            set_language(nlp, code)
            check_overrides(nlp, path, overrides or {})
            check_trained(nlp, path)
            warn_of_idle_settings(nlp)
            return nlp, run_key({"pipeline": path}, {"language": lang_code(nlp)}, nlp.config.interpolate())
        made = read_config(path, overrides or {})
        code = lang or made.interpolate().get("nlp", {}).get("lang")
        plain = blank(code) if code else None
        if plain is not None and "nlp" in made:
            for block in made.values():  # what names the language for a translator means the true one
                block.update({name: lang_code(plain) for name, value in block.items() if value == "${nlp.lang}"})
            made["nlp"]["lang"] = plain.lang
        nlp = load_model_from_config(made, auto_fill=True)
    except XprojError:
        raise
    except CONFIG_ERRORS as err:
        raise InputError(path, f"The pipeline cannot be made. {err}") from err
    if plain is not None:
        set_language(nlp, lang_code(plain))
    filled = nlp.config.interpolate()
    # Of a sourced pipe, `filled` has the settings, and not the folder that its state comes from.
    written = made.interpolate().get("components", {})
    sources = {name: {"source": block["source"]} for name, block in written.items() if "source" in block}
    key = {**run_key({}, {"language": lang_code(nlp)}, filled), **config_key("config", {"components": sources})}
    for name, pipe in xproj_pipes(nlp):
        settings = filled["initialize"]["components"].get(name, {})
        if settings.get("source"):
            pipe.initialize(lambda: [], nlp=nlp, **settings)
    check_trained(nlp, path)
    warn_of_idle_settings(nlp)
    return nlp, key


def warn_of_idle_settings(nlp: Language) -> None:
    """Warn of settings that change nothing because of others. See `ProjectionPipe.idle`."""
    for _, pipe in xproj_pipes(nlp):
        if isinstance(pipe, ProjectionPipe) and pipe.idle:
            warnings.warn(pipe.idle, stacklevel=2)


def check_trained(nlp: Language, path: Path) -> None:
    """Make sure that no pipe has a model that is yet to be trained.

    nlp (Language), path (Path): The pipeline, and its config or folder.
    RAISES (InputError): If one has.
    """
    for name, pipe in nlp.pipeline:
        nodes = pipe.model.walk() if isinstance(pipe, TrainablePipe) else ()
        if any(node.has_param(param) is None for node in nodes for param in node.param_names):
            raise InputError(
                path,
                f"The pipe {name!r} of this config has not been trained. Train it with 'spacy train', and give the "
                "folder of the trained pipeline.",
            )


def check_projects(nlp: Language, config: PathLike) -> None:
    """Make sure that a pipe of the pipeline makes entities of what is in the payload.

    nlp (Language), config (str or Path): The pipeline, and what it was made from.
    RAISES (InputError): If none does.
    """
    for meta in map(nlp.get_pipe_meta, nlp.pipe_names):
        if "doc._.xproj" in meta.requires and {"doc.ents", "doc.spans"} & {*meta.assigns}:
            return
    raise InputError(
        config,
        "Expected a pipeline that projects, with an xproj_matcher, xproj_projector or xproj_merger, but its pipes are "
        f"{', '.join(nlp.pipe_names) or 'none'}.",
    )


def check_overrides(nlp: Language, path: Path, overrides: Mapping[str, Any]) -> None:
    """Make sure that what is to be overridden in a saved pipeline is not in the states that were loaded with it.

    nlp (Language), path (Path): The pipeline, and its folder.
    overrides (mapping of str to Any): Values by their dotted names.
    RAISES (XprojError): If a path is given to a part that has loaded what is to be there, or to no setting at all.
    """
    saved = (path / "config.cfg").read_text(encoding="utf-8")
    for setting in overrides:
        if setting.startswith("paths.") and f"${{{setting}}}" not in saved:
            raise XprojError(
                f"{path}: no setting of this saved pipeline names {setting} any more: what it led to was saved "
                "with it. Make the pipeline from its config with this value instead."
            )
    for name, pipe in xproj_pipes(nlp):
        loaded = set(emptied(deepcopy(nlp.config["components"][name]), stateful(pipe.local_parts())))
        for setting, value in overrides.items():
            owner, last = f"components.{name}.", setting.rpartition(".")[2]
            if setting.startswith(owner) and last not in FILLED and isinstance(value, str) and value in loaded:
                raise XprojError(
                    f"{path}: the pipeline was saved with what its {setting} had named, so that {value!r} would not "
                    "be read. Make the pipeline from its config with this value instead."
                )


class Fitted(NamedTuple):
    """A fitted pipeline.

    nlp (Language): The pipeline.
    folder (Path): Where it is saved.
    state (str): The hash of that folder, which names the pipeline in provenances and reports.
    names (list of str): The pipes that were fitted.
    sample (dict): What a report says of the sample that they were fitted on. See `Sample.report`.
    """

    nlp: Language
    folder: Path
    state: str
    names: list[str]
    sample: dict[str, Any]


def fit_once(
    nlp: Language,
    docs: DocReader,
    folder: Path,
    key: Key,
    *,
    inputs: Inputs,
    max_fit: int = MAX_FIT,
    warn: bool = True,
) -> Fitted:
    """Fit what is not fitted and save the pipeline, or load what an earlier run with the same key saved.

    nlp (Language): The pipeline.
    docs (DocReader): What to fit on; it is read more than once.
    folder (Path): Where the fitted pipeline is kept: new, empty, or written by an earlier run.
    key (dict[str, str]): What the result depends on.
    inputs (Inputs): The files of the Docs, as they were when the key was made.
    max_fit (int): Number of Docs to fit on at most. See `Sample`.
    warn (bool): Warn if what is there was made with another key.
    RETURNS (Fitted): The fitted pipeline.
    RAISES (XprojError): If the folder holds other things, or the Docs cannot be used: none has a source side, or their
        files change meanwhile.
    """
    if note := finished(folder, key, warn=warn):
        return Fitted(
            spacy.load(folder),
            folder,
            note["hash"],
            note["fitted"],
            {"fitted_on": note["fitted_on"]} if "fitted_on" in note else {},
        )
    names: list[str] = []
    sample: dict[str, Any] = {}
    if unfitted(nlp):
        with sampled(nlp, docs, max_fit, folder.with_name(f"{folder.name}.sample"), key) as some:
            if some is not None:
                names, sample = fit(nlp, some), some.report
    if not names and (left := unfitted(nlp)) and all(doc._.xproj is None for doc in docs.apart()):
        raise XprojError(
            f"There is nothing to fit {', '.join(left)} on: not one Doc of the input has a source side in doc._.xproj. "
            "Give a bitext, as 'xproj translate' writes it, or a .tsv of source<TAB>target lines."
        )
    inputs.check()
    with replacing_folder(folder, key=key, fitted=names, **sample) as new:
        nlp.to_disk(new)
    return Fitted(nlp, folder, file_hash(folder), names, sample)


@contextmanager
def fitted_beside(
    nlp: Language, docs: DocReader, out: Path, key: Key, *, inputs: Inputs, max_fit: int = MAX_FIT
) -> Iterator[Fitted]:
    """Fit a pipeline for a run that writes to `out`, and keep it in `OUT.fitted`. If the input turns out to be unusable
    before any shard is finished, what was saved there is removed again, unless it was given as the pipeline. See
    `fit_once`."""
    folder = out.with_name(f"{out.name}.fitted")
    before = read_note(folder)
    warn = is_single(out) or Manifest.read(out) is None
    fitted = fit_once(nlp, docs, folder, key, inputs=inputs, max_fit=max_fit, warn=warn)
    try:
        yield fitted
    except XprojError:
        check_locks()
        mine = before is None or (before.get("key") != key and before["hash"] != key.get("pipeline"))
        if mine and (is_single(out) or Manifest.read(out) is None):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    except KeyboardInterrupt as err:
        raise err if isinstance(err, Stopped) else Stopped("begins with the first Doc, and fits nothing anew") from None


def is_single(out: Path) -> bool:
    """Whether an output is one file."""
    return out.suffix.lower() == ".spacy"
