"""Rounds of self-training: teachers label raw text, a student learns from them, and is the next round's teacher."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Stopped, XprojError
from ..locks import locked
from .pipelines import PathLike
from .rounds import SelfTrainingFiles


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


def self_train(raw: PathLike, config: PathLike, teachers: PathLike, output: PathLike, **settings: Any) -> SelfTraining:
    """Train students in rounds. In the first round, the teachers of a pipeline with `xproj_teacher` label raw text, and
    a student learns from it as with `spacy train`. In each later round, the student of the round before is the teacher,
    and the new student starts from nothing.

    Each round has a folder `OUTPUT/round-N` with `soft.spacy`, what was labeled; `model`, the student; and
    `scores.json`. `OUTPUT/best` is the best student, and `OUTPUT/rounds.json` says how it went. What is finished, be it
    a round or only its labels, is not done again by a later call, as long as the input, the configs and what they name
    are the same. So a run can be stopped at any time, and more rounds can be added.

    raw, config, teachers, output (str or Path), settings: See `SelfTrainingFiles`.
    RETURNS (SelfTraining): How it went.
    RAISES (XprojError): If a setting is out of range, the input, a config or OUTPUT cannot be used, or the first
        student finds nothing. Its round stays, to be looked at.
    RAISES (Stopped): On an interrupt. What is finished stays.
    """
    with locked(output, [raw, config, teachers]):
        files = SelfTrainingFiles(Path(raw), Path(config), Path(teachers), Path(output), **settings)
        done: list[dict[str, Any]] = []
        new = 0
        try:
            files.open()
            while len(done) < files.rounds and len(done) - best_round(done, files.min_gain) < files.patience:
                scores, made = files.round(len(done) + 1)
                done.append(scores)
                new += made
                if not done[0]["score"]:
                    raise XprojError(
                        f"{files.folder(1)}: the first student finds nothing: its F1 is 0, so that there is nothing "
                        "for a next round to learn from. Look at what it learnt from (soft.spacy in that folder), and "
                        "give a training config that learns from soft labels, such as student_cpu, with more steps."
                    )
        except XprojError:
            files.remove_if_nothing_is_finished()
            raise
        except KeyboardInterrupt:
            raise Stopped(f"goes on from round {len(done) + 1} of {files.rounds}") from None
        best = best_round(done, files.min_gain)
        reason = "patience" if len(done) - best >= files.patience else "rounds"
        model = files.keep(best, {"best": best, "reason": reason, "rounds": done})
    return SelfTraining(done, best, model, reason, new)


def best_round(done: Sequence[dict[str, Any]], min_gain: float) -> int:
    """The last round that was better than the best one before it, counted from 1; before the first, 0.

    done (sequence of dict): Each with its `score`.
    min_gain (float): What makes a round better. See `SelfTrainingFiles`.
    """
    best = 0
    for number, scores in enumerate(done, 1):
        gain = scores["score"] - done[best - 1]["score"] if best else 1.0
        if gain > 0 and gain >= min_gain:
            best = number
    return best
