"""The folder of self-training: what each round labels, trains and scores, and which rounds are finished."""

import io
import shutil
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import spacy
from confection import Config
from spacy.tokens import Doc
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.vocab import Vocab
from thinc.api import require_gpu

from ..codes import normalize_code
from ..corpus import LINES, blank, read_docs, read_file, write_file
from ..corpus.pairing import gold_doc
from ..errors import InputError, XprojError
from ..files import check_locks, check_replaceable, file_hash, is_intact, replacing_folder, unsealed, write_state
from ..fitting import fit
from ..keys import config_key, run_key, warn_of_changes
from ..labels import ALL, LabelFilter
from ..languages import set_language, spacy_lang
from ..pipeline.entities import hard_doc
from ..shipped import CONFIG_ERRORS, find_config, read_config
from ..soft import SoftLabels
from .pipelines import load_pipeline
from .reading import DocReader, Inputs
from .teach import check_teacher_labels, teacher_settings

STATE, SCORES, SOFT, DEV, BEST = "rounds.json", "scores.json", "soft.spacy", "dev.spacy", "best"
LASTING = ("labels", "hard", "projection", "projection_weight")  # settings of xproj_teacher that hold in all rounds
ENTS = ("ents_f", "ents_p", "ents_r", "ents_per_type")


@dataclass
class SelfTrainingFiles:
    """The settings of self-training, and what it does to files.

    raw (Path): Target text, in any format that `read_docs` reads.
    config (Path): A training config such as `configs/student_cpu.cfg`, with `paths.train` and `paths.dev`.
    teachers (Path): A config or saved pipeline with `xproj_teacher`.
    output (Path): The folder: new, empty, or of an earlier call.
    dev (Optional[Path]): Gold to score the students by. None: some of the raw texts are kept from training, and
        the entities that the first teachers find most probable in them stand in for gold. Such a score says how well a
        student agrees with the first teachers: one that corrects them loses by it.
    extra (Optional[Path]): Labeled Docs, such as projected ones, that each student learns from besides.
    held_out (float): The share of the raw texts that is kept from training, where there is no `dev`: every n-th one.
    rounds (int): Largest number of rounds.
    min_gain (float): A round is better than those before if its score, an F1 from 0 to 1, is above the best of them,
        and by so much at least.
    patience (int): End after this many rounds in a row without a gain.
    lang (Optional[str]): The target language, in place of the configs'.
    limit (int): Read no more of the raw texts than this. 0: all.
    overrides (dict[str, Any]): Values of the training config by their dotted names.
    labels (LabelFilter): New names of the labels of the first teachers, `dev` and `extra`, and those to keep.
    use_gpu (int): The number of the GPU to train on. -1: the CPU.
    progress (bool): Print spaCy's table of training.
    RAISES (XprojError): If a setting is out of range, or the input, a config or OUTPUT cannot be used.
    """

    raw: Path
    config: Path
    teachers: Path
    output: Path
    dev: Optional[Path] = None
    extra: Optional[Path] = None
    held_out: float = 0.1
    rounds: int = 3
    min_gain: float = 0.0
    patience: int = 1
    lang: Optional[str] = None
    limit: int = 0
    overrides: dict[str, Any] = field(default_factory=dict)
    labels: LabelFilter = ALL
    use_gpu: int = -1
    progress: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.patience < 1:
            raise XprojError(
                f"Self-training takes one round or more, and patience for one: got {self.rounds} and {self.patience}."
            )
        if not 0 <= self.min_gain <= 1 or not 0 < self.held_out <= 0.5:
            raise XprojError(
                f"Expected a least gain in F1 from 0 to 1 and a share of held out texts above 0, of at most 0.5: got "
                f"{self.min_gain} and {self.held_out}."
            )
        self.every = round(1 / self.held_out)  # where there is no gold, the n-th text of each n is held out
        out = self.output
        if out.exists() and "key" not in read_json(out / STATE) and (not out.is_dir() or any(out.iterdir())):
            raise XprojError(f"{out} is not empty and is no folder of self-training. Remove it or give another one.")
        self.student = student_config(self.config, self.overrides)
        self.code = normalize_code(self.lang or self.student["nlp"]["lang"])
        self.student["nlp"]["lang"] = spacy_lang(self.code)
        self.teachers = find_config(self.teachers)
        inputs: dict[str, Optional[Path]] = {"input": self.raw, "gold": self.dev, "labeled Docs besides": self.extra}
        options = {"language": self.code, "limit": self.limit, "held out": None if self.dev else f"1 of {self.every}"}
        options |= self.labels.options()
        student = {name: block for name, block in self.student.interpolate().items() if name != "paths"}
        if self.teachers.is_dir():
            inputs["teachers"] = self.teachers
        teachers, self.teacher_block = teacher_config(
            self.teachers, teacher_settings(self.teachers, labels=self.labels)
        )
        self.inputs, self.more = Inputs(inputs.values()), Inputs([self.extra])
        self.key = {**run_key(inputs, options), **config_key("config", student), **config_key("teachers", teachers)}
        check_replaceable(out / BEST)

    def open(self) -> None:
        """Make the folder, or go on with it if it was made with the same key.

        RAISES (InputError): If the gold is not labeled.
        """
        gold = self.gold_docs(self.dev) if self.dev else []
        self.output.mkdir(parents=True, exist_ok=True)
        before = read_json(self.output / STATE).get("key")
        if before is not None and before != self.key:
            warn_of_changes(self.output, before, self.key)
            self.remove_from(1)
        if before != self.key:
            write_state(self.output / STATE, {"key": self.key})
        if self.dev:
            write_file(gold, self.output / DEV)

    def remove_if_nothing_is_finished(self) -> None:
        """Remove what was begun, unless a later call can go on with it."""
        if not (self.folder(1) / SCORES).exists():
            self.remove_from(1)
            for name in (DEV, STATE):
                (self.output / name).unlink(missing_ok=True)
            if self.output.exists() and not any(self.output.iterdir()):
                self.output.rmdir()

    def folder(self, number: int) -> Path:
        """The folder of a round."""
        return self.output / f"round-{number}"

    def round(self, number: int) -> tuple[dict[str, Any], bool]:
        """Do what is not finished of a round.

        number (int): Counted from 1. The one before is finished.
        RETURNS (dict, bool): What is in its `scores.json`, and whether anything was left to do.
        """
        folder, before = self.folder(number), self.folder(number - 1)
        teacher = file_hash(before / "model") if number > 1 else ""
        found = read_json(folder / SCORES)
        if found.get("hashes", {}).get("teacher") != teacher:
            found = {"round": number, "teacher": before.name if number > 1 else self.teachers.name}
            found["hashes"] = {"teacher": teacher}
            self.remove_from(number)
            folder.mkdir()
        hashes = found["hashes"]
        labels = [folder / SOFT, *([] if number > 1 or self.dev else [self.output / DEV])]
        labeled = all(is_intact(path, hashes.get(path.stem)) for path in labels)
        if labeled and "score" in found and is_intact(folder / "model", hashes.get("model")):
            return found, False
        if not labeled:
            found["docs"] = self.label_raw() if number == 1 else self.label_again(number)
            hashes.update({path.stem: file_hash(path) for path in labels})
            self.inputs.check()
            write_state(folder / SCORES, found)
        self.train(folder)
        found.update(self.score(folder / "model"))
        hashes["model"] = file_hash(folder / "model")
        write_state(folder / SCORES, found)
        return found, True

    def remove_from(self, number: int) -> None:
        """Remove the folders of this round and of those after it, which came from other input."""
        check_locks()
        for path in self.output.glob("round-[1-9]*"):
            count = path.name.removeprefix("round-")
            if count.isdecimal() and int(count) >= number:
                shutil.rmtree(path)

    def keep(self, best: int, state: dict[str, Any]) -> Path:
        """Copy the best student and write how it went.

        RETURNS (Path): The folder of the copy.
        """
        model, out = self.folder(best) / "model", self.output / BEST
        if not is_intact(out, file_hash(model)):
            with replacing_folder(out) as new:
                shutil.copytree(model, new, dirs_exist_ok=True)
        write_state(self.output / STATE, {"key": self.key, **state})
        return out

    # Labeling

    def label_raw(self) -> int:
        """The first teachers label the raw texts. Where there is no gold, some are put aside with what they find.

        RETURNS (int): The number of Docs to learn from.
        """
        nlp = load_pipeline(self.teachers, self.lang, teacher_settings(self.teachers, labels=self.labels))
        seen: Counter = Counter()
        for path in filter(None, (self.dev, self.extra)):
            list(self.labels.apply(read_docs(path, blank(self.code)), seen))
        check_teacher_labels(nlp, self.labels, seen)
        texts = DocReader([self.raw], nlp, limit=self.limit, default=LINES)
        fit(nlp, texts)
        docs: list[Doc] = []
        held: list[Doc] = []
        found = False
        for number, doc in enumerate(nlp.pipe(texts), 1):
            if not isinstance(doc._.xproj_soft, SoftLabels):
                raise XprojError(f"The teachers of {self.teachers} gave no soft labels to text {number}.")
            kept = self.dev or number % self.every
            (docs if kept else held).append(doc if kept else hard_doc(doc))
            found = found or bool(doc._.xproj_soft.entities(doc))
        if not docs or not (held or self.dev):
            raise InputError(self.raw, f"Too few texts to hold out one of each {self.every}. Give gold as 'dev'.")
        if not found:
            raise InputError(
                self.raw, f"The teachers of {self.teachers} found not one entity in it: there is nothing to learn."
            )
        if not self.dev and not any(doc.ents for doc in held):
            raise InputError(
                self.raw,
                f"The teachers found no entity in the {len(held)} texts that were held out, so nothing can be scored "
                "by them. Give gold as 'dev', or hold out more.",
            )
        if not self.dev:
            write_file(held, self.output / DEV)
        return write_file(docs, self.folder(1) / SOFT)

    def label_again(self, number: int) -> int:
        """The student of the round before labels the texts of the first round."""
        model = self.folder(number - 1) / "model"
        nlp = blank(self.code)
        student = {"@xproj_teachers": "spacy_xproj.Pipeline.v1", "model": str(model)}
        config = {name: value for name, value in self.teacher_block.items() if name in LASTING}
        nlp.add_pipe("xproj_teacher", config={**config, "teachers": {"student": student}, "overwrite": True})
        docs = nlp.pipe(read_file(self.folder(1) / SOFT, nlp.vocab))
        return write_file(docs, self.folder(number) / SOFT)

    def gold_docs(self, path: Path) -> list[Doc]:
        """Read the gold, as Docs with entities alone."""
        nlp = blank(self.code)
        seen: Counter = Counter()
        docs = list(self.labels.apply(read_docs(path, nlp), seen))
        if not any(doc.ents for doc in docs):
            cause = f"--labels and --label-map leave out all its labels ({', '.join(sorted(seen))})"
            cause = cause if seen else "It is not labeled, or without an entity"
            raise InputError(path, f"{cause}: expected gold to score the students by.")
        return [gold_doc(doc, nlp) for doc in docs]

    # Training

    def train(self, folder: Path) -> None:
        """Train a student from nothing, as `spacy train` does, and put it in its place."""
        path, beside, model = folder / SOFT, folder / "training", folder / "model"
        if self.extra:
            path = folder / "train.spacy"
            vocab = Vocab()
            more = self.more.checked(self.labels.apply(read_docs(self.extra, blank(self.code))))
            write_file((doc for docs in (read_file(folder / SOFT, vocab), more) for doc in docs), path)
        config = self.student.copy()
        config["paths"].update({"train": str(path), "dev": str(self.output / DEV)})
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        shutil.rmtree(model, ignore_errors=True)
        if self.use_gpu >= 0:
            require_gpu(self.use_gpu)
        try:
            nlp = init_nlp(config, use_gpu=self.use_gpu)
        except CONFIG_ERRORS as err:
            raise InputError(self.config, f"The student cannot be made. {err}") from err
        set_language(nlp, self.code)
        shown = sys.stdout if self.progress else io.StringIO()
        try:
            train(nlp, beside, use_gpu=self.use_gpu, stdout=shown, stderr=shown)
            found = [beside / name for name in ("model-best", "model-last") if (beside / name).exists()]
            found[0].rename(model)
        finally:
            check_locks()
            shutil.rmtree(beside)

    def score(self, model: Path) -> dict[str, Any]:
        """The scores of a student."""
        nlp = spacy.load(model)
        found = nlp.evaluate(list(Corpus(self.output / DEV)(nlp)))
        if "ents_f" not in found:
            raise InputError(self.config, f"Expected a pipeline that is scored by entities, got {nlp.pipe_names}.")
        return {"score": found["ents_f"] or 0.0, **{name: found.get(name) for name in ENTS}}


def student_config(path: Path, overrides: dict[str, Any]) -> Config:
    """Read a training config.

    path (Path): The config.
    overrides (dict[str, Any]): Values by their dotted names.
    RETURNS (Config): Not interpolated.
    RAISES (InputError): If there is none, or none to train with.
    """
    path = find_config(path)
    if not path.is_file():
        raise InputError(path, "Expected a training config, got a folder.")
    config = read_config(path, overrides)
    if not {"train", "dev"} <= config.get("paths", {}).keys() or not {"nlp", "training"} <= config.keys():
        raise InputError(path, "Expected a training config with 'train' and 'dev' in [paths].")
    return config


def teacher_config(teachers: Path, overrides: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the config, or that of the saved pipeline, of the first teachers.

    teachers (Path): The config or folder.
    overrides (dict[str, Any]): Values by their dotted names.
    RETURNS (dict, dict): The sections that say what the teachers are, and the settings of `xproj_teacher` in them.
    RAISES (InputError): If it has no such pipe.
    """
    path = teachers / "config.cfg" if teachers.is_dir() else teachers
    config = read_config(path, overrides, interpolate=True)
    pipes = {name: config.get("components", {}).get(name, {}) for name in config.get("nlp", {}).get("pipeline", [])}
    for block in pipes.values():
        if block.get("factory") == "xproj_teacher":
            return {name: config.get(name, {}) for name in ("nlp", "components", "initialize")}, block
    raise InputError(teachers, f"Expected a pipeline with xproj_teacher, got {', '.join(pipes) or 'none'}.")


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file, which was `sealed`; an empty one if there is none."""
    with suppress(OSError, ValueError):
        return unsealed(path.read_bytes())
    return {}
