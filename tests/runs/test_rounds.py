import json
import random

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_xproj.corpus import read_file
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.files import file_hash, sealed, unsealed
from spacy_xproj.registry import registry
from spacy_xproj.runs import rounds as round_files
from spacy_xproj.runs.selftrain import best_round, self_train
from spacy_xproj.soft import SoftLabels
from tests.conftest import CONFIGS

NAMES = {"Ana": "PER", "Eva": "PER", "Luis": "PER", "Roma": "LOC", "Lima": "LOC", "Oslo": "LOC"}
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
SMALL = {
    "nlp.lang": "es",
    "components.tok2vec.model.encode.width": 16,
    "components.tok2vec.model.encode.depth": 1,
    "components.tok2vec.model.embed.rows": [200, 50, 100, 100],
    "training.max_steps": 12,
    "training.eval_frequency": 6,
    "training.optimizer.learn_rate": 0.02,
}
TEACHERS = """
[nlp]
lang = "es"
pipeline = ["xproj_teacher"]

[components]

[components.xproj_teacher]
factory = "xproj_teacher"

[components.xproj_teacher.teachers]

[components.xproj_teacher.teachers.lists]
@xproj_teachers = "test.Lists.v1"
"""


@registry.xproj_teachers("test.Lists.v1")
def make_lists():
    return Lists()


class Lists:
    """Knows every name of the texts."""

    labels = LABELS

    def __call__(self, docs):
        found = []
        for doc in docs:
            tags = [f"B-{NAMES[t.text]}" if t.text in NAMES else "O" for t in doc]
            rows = np.full((len(doc), len(LABELS)), 0.025)
            rows[range(len(doc)), [LABELS.index(tag) for tag in tags]] = 0.9
            found.append(rows)
        return found


def texts(n, seed):
    rng = random.Random(seed)
    people, places = (sorted(w for w in NAMES if NAMES[w] == kind) for kind in ("PER", "LOC"))
    forms = ("Hoy {0} vive en {1} .", "En {1} no está {0} .", "La casa es grande .")
    return [rng.choice(forms).format(rng.choice(people), rng.choice(places)) for _ in range(n)]


@pytest.fixture
def work(tmp_path):
    """A folder with `raw.txt`, `teach.cfg`, and the gold `dev.spacy`."""
    (tmp_path / "raw.txt").write_text("\n".join(texts(40, 0)) + "\n", encoding="utf-8")
    (tmp_path / "teach.cfg").write_text(TEACHERS)
    gold(tmp_path / "dev.spacy", texts(10, 1))
    return tmp_path


def gold(path, lines):
    nlp = spacy.blank("es")
    docs = []
    for line in lines:
        tags = [f"B-{NAMES[w]}" if w in NAMES else "O" for w in line.split()]
        docs.append(Doc(nlp.vocab, words=line.split(), ents=tags))
    DocBin(docs=docs).to_disk(path)
    return path


def run(work, out="out", **kwargs):
    given = {"dev": work / "dev.spacy", "rounds": 2, "patience": 9, "overrides": SMALL, **kwargs}
    return self_train(work / "raw.txt", CONFIGS / "student_cpu.cfg", work / "teach.cfg", work / out, **given)


def docs_of(path):
    return list(read_file(path, spacy.blank("es").vocab))


def stamps(folder):
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*.*") if p.is_file()}


def test_rounds(work):
    done = run(work)
    assert (len(done.rounds), done.new, done.reason) == (2, 2, "rounds")
    assert [r["teacher"] for r in done.rounds] == ["teach.cfg", "round-1"] and [r["docs"] for r in done.rounds] == [
        40
    ] * 2
    out = work / "out"
    assert {p.name for p in out.iterdir()} == {"best", "dev.spacy", "round-1", "round-2", "rounds.json"}
    for number, scores in enumerate(done.rounds, 1):
        folder = out / f"round-{number}"
        assert {p.name for p in folder.iterdir()} == {"soft.spacy", "model", "scores.json"}
        assert unsealed((folder / "scores.json").read_bytes()) == scores
        found = spacy.load(folder / "model")
        assert sorted(found.get_pipe("xproj_student").labels) == ["LOC", "PER"]
    state = unsealed((out / "rounds.json").read_bytes())
    assert {"input", "spacy-xproj", "config.training.dropout"} <= state.pop("key").keys()
    assert state == {
        "best": done.best,
        "reason": "rounds",
        "rounds": done.rounds,
    }
    assert done.model == out / "best" and file_hash(done.model) == file_hash(out / f"round-{done.best}" / "model")
    assert done.rounds[0]["score"] > 0.5, done.rounds


def test_the_student_is_the_next_teacher(work):
    run(work)
    first, second = (docs_of(work / "out" / f"round-{n}" / "soft.spacy") for n in (1, 2))
    assert [d.text for d in first] == [d.text for d in second]
    np.testing.assert_allclose(first[0]._.xproj_soft.probs.max(1), 0.9, atol=1e-3)
    nlp = spacy.load(work / "out" / "round-1" / "model")
    student = nlp.get_pipe("xproj_student")
    for doc in second[:5]:
        new = nlp(Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc]))
        columns = [student.tag_names.index(tag) for tag in doc._.xproj_soft.labels]
        np.testing.assert_allclose(doc._.xproj_soft.probs, student.distributions([new])[0][:, columns], atol=2e-3)


def test_settings_of_the_teacher_last(work, monkeypatch):
    monkeypatch.setattr(round_files.SelfTrainingFiles, "train", untrained)
    monkeypatch.setattr(round_files.SelfTrainingFiles, "score", lambda self, model: {"score": 0.5})
    factory = 'factory = "xproj_teacher"\n'
    (work / "teach.cfg").write_text(TEACHERS.replace(factory, f'{factory}hard = true\nlabels = ["ORG", "PER"]\n'))
    run(work)
    for number in (1, 2):
        soft = docs_of(work / "out" / f"round-{number}" / "soft.spacy")[0]._.xproj_soft
        assert soft.labels == ("O", "B-ORG", "I-ORG", "B-PER", "I-PER")
        assert set(soft.probs.ravel().tolist()) == {0.0, 1.0}


def test_what_is_finished_is_not_done_again(work):
    first = run(work, rounds=1)
    before = stamps(work / "out" / "round-1")
    again = run(work, rounds=1)
    assert again.new == 0 and again.rounds == first.rounds
    more = run(work, rounds=2)
    assert more.new == 1 and more.rounds[0] == first.rounds[0]
    assert stamps(work / "out" / "round-1") == before
    (work / "out" / "round-2" / "model" / "meta.json").unlink()
    assert run(work).new == 1
    assert stamps(work / "out" / "round-1") == before


@pytest.mark.parametrize(
    "changed, told",
    [
        ("raw", "input changed"),
        ("teachers", "teachers' components.xproj_teacher.teachers.lists"),
        ("overrides", "config's training.dropout: 0.3 → 0.2"),
        ("dev", "gold changed"),
    ],
)
def test_other_input_begins_anew(work, changed, told, monkeypatch):
    monkeypatch.setattr(round_files.SelfTrainingFiles, "train", untrained)
    monkeypatch.setattr(round_files.SelfTrainingFiles, "score", lambda self, model: {"score": 0.5})
    run(work)
    assert run(work).new == 0
    more = {}
    if changed == "raw":
        (work / "raw.txt").write_text("Ana vive en Roma .\n" * 3, encoding="utf-8")
    elif changed == "teachers":
        (work / "teach.cfg").write_text(TEACHERS.replace("lists", "names"))
    elif changed == "dev":
        gold(work / "dev.spacy", texts(5, 3))
    else:
        more = {"overrides": {**SMALL, "training.dropout": 0.2}}
    with pytest.warns(UserWarning, match=f"the {told}"):
        assert run(work, **more).new == 2


def untrained(self, folder):
    """In place of training: a pipeline that can be loaded and is as a teacher."""
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_student", config={"spans_key": folder.name})
    nlp.get_pipe("xproj_student").add_label("PER")
    nlp.initialize()
    nlp.to_disk(folder / "model")


def test_stopped_on_the_way(work, monkeypatch):
    whole = run(work, "whole")
    train = round_files.train

    def stop(nlp, path, **kwargs):
        if "round-2" in str(path):
            raise KeyboardInterrupt
        return train(nlp, path, **kwargs)

    monkeypatch.setattr(round_files, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        run(work)
    soft = work / "out" / "round-2" / "soft.spacy"
    labeled = soft.stat().st_mtime_ns
    monkeypatch.setattr(round_files, "train", train)
    done = run(work)
    assert done.new == 1 and soft.stat().st_mtime_ns == labeled
    assert [r["score"] for r in done.rounds] == [r["score"] for r in whole.rounds]
    for one, other in zip(docs_of(soft), docs_of(work / "whole" / "round-2" / "soft.spacy"), strict=True):
        np.testing.assert_array_equal(one._.xproj_soft.probs, other._.xproj_soft.probs)


def test_without_gold(work):
    done = run(work, dev=None, held_out=0.25, rounds=1)
    kept, held = docs_of(work / "out" / "round-1" / "soft.spacy"), docs_of(work / "out" / "dev.spacy")
    lines = (work / "raw.txt").read_text().splitlines()
    assert [d.text for d in held] == lines[3::4] and len(kept) == done.rounds[0]["docs"] == 30
    assert all(
        {(e.text, e.label_) for e in d.ents} == {(w, NAMES[w]) for w in d.text.split() if w in NAMES} for d in held
    )
    assert all(d._.xproj_soft is None for d in held) and all(d._.xproj_soft for d in kept)
    state = file_hash(work / "out" / "dev.spacy")
    (work / "out" / "dev.spacy").unlink()
    assert run(work, dev=None, held_out=0.25, rounds=1).new == 1
    assert file_hash(work / "out" / "dev.spacy") == state


def test_words_of_which_nothing_is_known():
    """They are missing values in what stands in for gold."""
    doc = spacy.blank("es")("Ana vive en Roma")
    doc._.xproj_soft = SoftLabels(LABELS, [[0, 0, 0, 1, 0], [1, 0, 0, 0, 0], [0] * 5, [0, 1, 0, 0, 0]])
    new = round_files.hard_doc(doc)
    assert [t.ent_iob_ for t in new] == ["B", "O", "", "B"]


def test_extra_docs(work):
    """They are learnt from besides, by their entities."""
    nlp = spacy.blank("es")
    docs = [Doc(nlp.vocab, words=["Nace", "ACME"], ents=["O", "B-ORG"])] * 5
    DocBin(docs=docs).to_disk(work / "extra.spacy")
    done = run(work, extra=work / "extra.spacy", rounds=1)
    assert spacy.load(done.model).get_pipe("xproj_student").labels == ("LOC", "ORG", "PER")
    assert done.rounds[0]["docs"] == 40 and len(docs_of(work / "out" / "round-1" / "train.spacy")) == 45


@pytest.mark.parametrize(
    "scores, min_gain, best",
    [
        ([], 0.0, 0),
        ([0.0], 0.0, 1),
        ([0.5, 0.5], 0.0, 1),
        ([0.5, 0.6, 0.55, 0.7], 0.0, 4),
        ([0.5, 0.6, 0.72], 0.15, 3),  # measured from the best one, not from the last
        ([0.5, 0.6], 0.15, 1),
    ],
)
def test_best_round(scores, min_gain, best):
    assert best_round([{"score": score} for score in scores], min_gain) == best


@pytest.mark.parametrize(
    "scores, patience, min_gain, n, best, reason",
    [
        ([0.5, 0.6, 0.55, 0.9], 1, 0.0, 3, 2, "patience"),
        ([0.5, 0.6, 0.55, 0.9], 2, 0.0, 4, 4, "rounds"),
        ([0.5, 0.51, 0.52, 0.53], 1, 0.05, 2, 1, "patience"),
        ([0.5, 0.5, 0.9, 0.9], 1, 0.0, 2, 1, "patience"),
    ],
)
def test_when_it_ends(work, monkeypatch, scores, patience, min_gain, n, best, reason):
    monkeypatch.setattr(round_files.SelfTrainingFiles, "train", untrained)
    monkeypatch.setattr(
        round_files.SelfTrainingFiles, "score", lambda self, model: {"score": scores[int(model.parent.name[-1]) - 1]}
    )
    done = run(work, rounds=4, patience=patience, min_gain=min_gain)
    assert (len(done.rounds), done.best, done.reason) == (n, best, reason)
    assert spacy.load(done.model).get_pipe("xproj_student").spans_key == f"round-{best}"


@pytest.mark.parametrize("setting", [{"rounds": 0}, {"patience": 0}, {"min_gain": -1.0}, {"held_out": 0.0}])
def test_bad_settings(work, setting):
    with pytest.raises(XprojError, match=r"Self-training takes|Expected a least gain"):
        run(work, **setting)
    assert not (work / "out").exists()


def test_what_cannot_be_used(work):
    def fails(match, **kwargs):
        given = {"raw": work / "raw.txt", "config": CONFIGS / "student_cpu.cfg", "teachers": work / "teach.cfg"}
        given |= {"output": work / "out", "dev": work / "dev.spacy", "overrides": SMALL, **kwargs}
        with pytest.raises(XprojError, match=match):
            self_train(**given)

    fails("no folder of self-training", output=work)
    fails("no such config or pipeline", config=work / "none.cfg")
    fails(r"'train' and 'dev' in \[paths\]", config=work / "teach.cfg", overrides={})
    fails("no such config or pipeline", teachers=work / "none.cfg")
    fails("no such file", raw=work / "none.txt")
    fails("It is not labeled", dev=work / "raw.txt")
    fails("Expected a pipeline with xproj_teacher", teachers=CONFIGS / "project_match.cfg")
    fails("Too few texts", dev=None, limit=5)
    (work / "teach.cfg").write_text(TEACHERS.replace('pipeline = ["xproj_teacher"]', "pipeline = []"))
    with pytest.raises(InputError, match="xproj_teacher"):
        run(work, "other")


def test_folders_beside_the_rounds_are_left_alone(work):
    (work / "out" / "round-1.notes").mkdir(parents=True)
    (work / "out" / "rounds.json").write_text("[1]")
    with pytest.raises(XprojError, match="no folder of self-training"):
        run(work)
    assert (work / "out" / "rounds.json").read_text() == "[1]"
    (work / "out" / "rounds.json").write_text(json.dumps(sealed({"key": {"input": "other"}})))
    with pytest.warns(UserWarning, match="made anew"):
        run(work, rounds=1)
    assert (work / "out" / "round-1.notes").exists()


def test_gold_that_cannot_be_used_removes_no_round(work):
    run(work, rounds=1)
    before = stamps(work / "out")
    (work / "raw_as_gold.txt").write_text("Ana vive en Roma .\n")
    with pytest.raises(InputError, match="not labeled"):
        run(work, rounds=1, dev=work / "raw_as_gold.txt")
    assert stamps(work / "out") == before
