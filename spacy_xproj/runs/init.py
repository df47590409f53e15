"""A project folder for a person's own language: project.yml, configs and a README for the data that they have."""

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Optional

from jinja2 import Environment, PackageLoader, StrictUndefined
from spacy.util import load_config
from weasel.util.hashing import get_checksum

from ..codes import normalize_code
from ..errors import XprojError
from ..files import folder_beside, write_lines
from ..labels import ALL, LabelFilter
from ..languages import spacy_lang
from ..shipped import find_config, write_config
from .init_checks import MEMORY_FILES, check_files, check_labels, check_names, map_pairs
from .pipelines import PathLike

ROLES = {  # of the files that a person gives: what stands in project.yml
    "source": "Source text",
    "target": "Target lines",
    "parallel": "Parallel text",
    "raw": "Raw target text",
    "gold": "Gold target text",
    "alignments": "Word links",
    "source_model": "The model that labels",
    "encoder": "The encoder of the word vectors",
}
# What is trained is told its language, of which `--nlp.lang` is spaCy's class.
LANGUAGE = """
[initialize.before_init]
@callbacks = "spacy_xproj.language.v1"
lang = "{}"
"""


@dataclass
class Project:
    """A project folder that was made.

    folder (Path): The folder.
    lang, nlp_lang (str): The code of the target language, and the one that spaCy's own commands take for it.
    steps (list of str): The commands of the workflow `all`, in order.
    files (dict[str, str]): Where in the folder the copy of each given file is.
    """

    folder: Path
    lang: str
    nlp_lang: str
    steps: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)


def init(
    folder: PathLike,
    lang: str,
    source: Optional[PathLike] = None,
    target: Optional[PathLike] = None,
    parallel: Sequence[PathLike] = (),
    raw: Optional[PathLike] = None,
    gold: Optional[PathLike] = None,
    source_model: Optional[str] = None,
    labels: LabelFilter = ALL,
    source_lang: str = "en",
    license: Optional[str] = None,
    *,
    alignments: Optional[PathLike] = None,
    sentences: bool = False,
    encoder: Optional[PathLike] = None,
) -> Project:
    """Make a project folder that `spacy project run all` leads to a packaged pipeline. All files are copied into it, so
    that it can be moved.

    folder (str or Path): The folder: new, or empty.
    lang, source_lang (str): Language codes of the target and of the source.
    source (Optional[str or Path]): Source text, labeled, or for `source_model` to label; with `target` or `parallel`.
    target (Optional[str or Path]): Its translation, line by line.
    parallel (sequence of str or Path): Parallel text for a translation memory, which translates the source.
    raw (Optional[str or Path]): Raw target text for `source_model` to label, in place of all of these.
    gold (Optional[str or Path]): Labeled target text, used for scoring only.
    source_model (Optional[str]): An installed spaCy pipeline by its name, the folder of one or of a token classifier.
    labels (LabelFilter): New names of the source's labels, and those to keep.
    license (Optional[str]): The license of the data.
    alignments (Optional[str or Path]): Word links of source and target.
    sentences (bool): Source and target are documents, whose sentences are to be found and aligned.
    encoder (Optional[str or Path]): The folder of an encoder. The NER is trained on its word vectors.
    RETURNS (Project): What was made.
    RAISES (XprojError): If the files do not go together or cannot be used, or the folder is not empty.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise XprojError(f"{folder} is there already and is not empty. Give DIR another name.")
    given = {"source": source, "target": target, "raw": raw, "gold": gold, "alignments": alignments, "encoder": encoder}
    model_folder = source_model if source_model and Path(source_model).exists() else None
    lang, source_lang = normalize_code(lang), normalize_code(source_lang)
    check_files(given, parallel, source_model, model_folder, sentences)
    check_names(labels, license)
    check_labels(source, gold, source_model, source_lang, lang, labels)
    project = Project(folder, lang, spacy_lang(lang))
    with folder_beside(folder.resolve()) as beside:
        new = beside / "new"
        (new / "assets").mkdir(parents=True)
        roles = [*given.items(), *(("parallel", path) for path in parallel), ("source_model", model_folder)]
        copies = [(role, Path(path), _copy(Path(path), new / "assets", role)) for role, path in roles if path]
        dest = {role: f"assets/{copy.name}" for role, _, copy in copies}
        project.files = {str(path): f"assets/{copy.name}" for _, path, copy in copies}
        model = dest.get("source_model", source_model)
        train_config = "ner_cpu" if source else "student_cpu"
        values = {
            **{role: dest.get(role) for role in ROLES},
            "title": f"A pipeline for named entities in {lang!r}",
            "lang": lang,
            "nlp_lang": project.nlp_lang,
            "source_lang": source_lang,
            "source_model": model,
            "name": re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_") or "ner",
            "labels": ",".join(labels.labels),
            "label_map": map_pairs(labels),
            "parallel": [f"assets/{copy.name}" for role, _, copy in copies if role == "parallel"],
            "assets": [
                {"dest": f"assets/{copy.name}", "checksum": get_checksum(copy), "role": ROLES[role], "name": path.name}
                for role, path, copy in copies
            ],
            "source_files": [dest[role] for role in ("alignments", "source_model") if role in dest],
            "source_options": _options(labels, model, license, dest.get("alignments"), sentences),
            "gold_options": ['--labels "${vars.labels}"'] if labels.labels else [],
            "teach_options": _license(license),
            "train_options": [],
            "memory_options": []
            if all(Path(path).suffix.lower() in MEMORY_FILES for path in parallel)
            else ["--parallel"],
            "project_config": "project_ranker",
            "train_config": f"{train_config}_vectors" if encoder else train_config,
            "vectors": "corpus/vectors" if encoder else None,
            "by_label": bool(gold),  # else the development data are what the last score is on
            "test": "corpus/gold/test.spacy" if gold else "corpus/dev.spacy",
            "does": _does(given, parallel, source_model),
            **{"labeled": None, "suffix": "", "corpus": "corpus", "training": "training", "metrics": "metrics/scores"},
        }
        project.steps = re.findall(r"^  - name: (.+)$", render("commands.yml", values), re.M)
        values["steps"] = project.steps
        _write_configs(new / "configs", values, labels)
        for name in ("project.yml", "README.md"):
            (new / name).write_text(render(name, values), encoding="utf-8")
        write_lines(new / ".gitignore", ["/corpus/", "/training/", "/metrics/", "/packages/", "project.lock"])
        if not folder.exists():
            os.replace(new, folder)
            return project
        # It is there and empty. It may be where the user stands.
        for part in sorted(new.iterdir(), key=lambda path: path.name == "project.yml"):
            os.replace(part, folder / part.name)
    return project


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("spacy_xproj"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["quoted"] = partial(json.dumps, ensure_ascii=False)  # JSON is YAML
    return found


def render(name: str, values: dict[str, Any]) -> str:
    """Fill in a template that comes with the package.

    name (str): Its name, such as "commands.yml".
    values (dict[str, Any]): What its variables stand for.
    RETURNS (str): The text.
    """
    return _templates().get_template(name).render(values)


def _copy(path: Path, folder: Path, role: str) -> Path:
    """Copy a file or folder into a folder, under a name that is not taken and needs no quotes."""
    name = re.sub(r"[^\w.-]+", "_", path.resolve().name)
    copy = folder / name
    number = 1
    while copy.exists():
        number += 1
        copy = folder / f"{role}{number}-{name}" if number > 2 else folder / f"{role}-{name}"
    shutil.copytree(path, copy) if path.is_dir() else shutil.copyfile(path, copy)
    return copy


def _options(
    labels: LabelFilter, model: Optional[str], license: Optional[str], alignments: Optional[str], sentences: bool
) -> list[str]:
    """The options of the verb that makes the bitext, one a line."""
    return [
        *(["--source-model ${vars.source_model}"] if model else []),
        *(['--labels "${vars.labels}"'] if labels.labels else []),
        *(['--label-map "${vars.label_map}"'] if labels.label_map else []),
        *([f"--alignments {alignments}"] if alignments else []),
        *(["--sentences"] if sentences else []),
        *_license(license),
    ]


def _license(license: Optional[str]) -> list[str]:
    return [f'--license "{license}"'] if license else []


def _does(given: dict[str, Optional[PathLike]], parallel: Sequence[PathLike], source_model: Optional[str]) -> str:
    """What the workflow does, in a sentence without its subject."""
    if given["raw"]:
        return "labels the raw text by the model, trains a student on it, scores it, and packages it as a wheel"
    first = "labels the source by the model, " if source_model else ""
    second = "translates the source by the parallel text" if parallel else "pairs the source with the target lines"
    return f"{first}{second}, projects the entities, trains a NER on them, scores it, and packages it as a wheel"


def _write_configs(folder: Path, values: dict[str, Any], labels: LabelFilter) -> None:
    """Write the configs that the steps name."""
    names = [values["project_config"]] if values["source"] else []
    for name in [*names, values["train_config"], *(["translate"] if values["parallel"] else [])]:
        write_config(name, folder / f"{name}.cfg")
    if values["nlp_lang"] != values["lang"]:
        path = folder / f"{values['train_config']}.cfg"
        text = path.read_text(encoding="utf-8")
        section = "" if "\n[initialize]\n" in text else "\n[initialize]\n"
        path.write_text(text + section + LANGUAGE.format(values["lang"]), encoding="utf-8")
    if values["raw"]:
        config = load_config(find_config("teach"), interpolate=False)
        hugging_face = (Path(folder.parent, values["source_model"]) / "config.json").is_file()
        kind = "TokenClassifier" if hugging_face else "Pipeline"
        config["paths"] = {"model": values["source_model"]}
        teacher = {"@xproj_teachers": f"spacy_xproj.{kind}.v1", "model": "${paths.model}"}
        pipe = config["components"]["xproj_teacher"]
        pipe.update(teachers={"model": teacher}, label_map=dict(labels.label_map), labels=list(labels.labels))
        text = f"# Soft labels by one teacher.\n{config.to_str(interpolate=False)}"
        (folder / "teach.cfg").write_text(text, encoding="utf-8")
