"""Rounds of self-training: teachers label raw text, a student learns from them, and is the next round's teacher."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from ..errors import XprojError
from ..files import locked
from .rounds import RoundFiles

PathLike = Union[str, Path]


class SelfTraining(NamedTuple):
    """How the rounds went.

    rounds (list of dict): What is in the `scores.json` of each: `round`, `teacher`, `docs`, `score`, and spaCy's scores
        of entities.
    best (int): The round with the best student, counted from 1.
    model (Path): The folder of that student.
    reason (str): Why it ended: "rounds" (all were done) or "patience" (the score did not rise any more).
    new (int): How many of the rounds this call did. It found the others done.
    """

    rounds: list[dict[str, Any]]
    best: int
    model: Path
    reason: str
    new: int


def self_train(
    raw: PathLike,
    config: PathLike,
    teacher_config: PathLike,
    output: PathLike,
    *,
    dev: Optional[PathLike] = None,
    extra: Optional[PathLike] = None,
    held_out: float = 0.1,
    rounds: int = 3,
    min_gain: float = 0.0,
    patience: int = 1,
    lang: Optional[str] = None,
    limit: int = 0,
    overrides: Optional[dict[str, Any]] = None,
    use_gpu: int = -1,
    progress: bool = False,
) -> SelfTraining:
    """Train students in rounds. In the first, the teachers of a pipeline with `xproj_teacher` label raw text, and a
    student learns from that as with `spacy train`. In each later one the student of the round before is the teacher,
    and the new student begins from nothing again.

    Each round has a folder `OUTPUT/round-N` with `soft.spacy`, what was labeled; `model`, the student; and
    `scores.json`. `OUTPUT/best` is the best student, and `OUTPUT/rounds.json` says how it went. What is finished, be it
    a round or only its labels, is not done again by a later call, as long as the input, the configs and what they name
    are the same. So a run can be stopped at any time, and more rounds can be added.

    raw (str or Path): Target text, in any format that `read_docs` reads.
    config (str or Path): A training config such as `configs/student_cpu.cfg`, with `paths.train` and `paths.dev`.
    teacher_config (str or Path): A config or saved pipeline with `xproj_teacher`.
    output (str or Path): The folder: new, empty, or of an earlier call.
    dev (Optional[str or Path]): Gold to score the students by. None: some of the raw texts are kept from training, and
        the entities that the first teachers find most probable in them stand in for gold. Such a score says how well a
        student agrees with the first teachers: one that corrects them loses by it.
    extra (Optional[str or Path]): Labeled Docs, such as projected ones, that each student learns from besides.
    held_out (float): The share of the raw texts that is kept from training, where there is no `dev`: every n-th one.
    rounds (int): At most so many.
    min_gain (float): A round is better than those before if its score, an F1 from 0 to 1, is above the best of them,
        and by so much at least.
    patience (int): It ends after so many rounds in a row that were not better.
    lang (Optional[str]): The target language, in place of the configs'.
    limit (int): Read no more of the raw texts than this. 0: all.
    overrides (Optional[dict[str, Any]]): Values of the training config by their dotted names.
    use_gpu (int): The number of the GPU to train on. -1: the CPU.
    progress (bool): Print spaCy's table of training.
    RETURNS (SelfTraining): How it went.
    RAISES (XprojError): If a setting is out of range, or the input, a config or OUTPUT cannot be used.
    """
    if rounds < 1 or patience < 1:
        raise XprojError(f"Self-training takes one round or more, and patience for one: got {rounds} and {patience}.")
    if not 0 <= min_gain <= 1 or not 0 < held_out <= 0.5:
        raise XprojError(
            f"Expected a least gain in F1 from 0 to 1 and a share of held out texts above 0, of at most 0.5: got "
            f"{min_gain} and {held_out}."
        )
    with locked(output):
        files = RoundFiles(
            Path(output),
            raw=Path(raw),
            config=Path(config),
            teachers=Path(teacher_config),
            gold=Path(dev) if dev else None,
            extra=Path(extra) if extra else None,
            every=round(1 / held_out),
            lang=lang,
            limit=limit,
            overrides=overrides or {},
            use_gpu=use_gpu,
            progress=progress,
        )
        done: list[dict[str, Any]] = []
        new = 0
        try:
            files.open()
            while len(done) < rounds and len(done) - best_round(done, min_gain) < patience:
                scores, made = files.round(len(done) + 1)
                done.append(scores)
                new += made
        except XprojError:
            files.remove_if_nothing_is_finished()
            raise
        best = best_round(done, min_gain)
        reason = "patience" if len(done) - best >= patience else "rounds"
        model = files.keep(best, {"best": best, "reason": reason, "rounds": done})
    return SelfTraining(done, best, model, reason, new)


def best_round(done: Sequence[dict[str, Any]], min_gain: float) -> int:
    """The last round that was better than the best one before it, counted from 1; before the first, 0.

    done (sequence of dict): Each with its `score`.
    min_gain (float): What makes a round better. See `self_train`.
    """
    best = 0
    for number, scores in enumerate(done, 1):
        gain = scores["score"] - done[best - 1]["score"] if best else 1.0
        if gain > 0 and gain >= min_gain:
            best = number
    return best
