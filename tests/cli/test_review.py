"""`xproj review`: cases out to tools, exports back as answers, answers into Docs, and what is edited otherwise."""

import json
from collections import Counter

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_xproj.cli import app
from spacy_xproj.corpus import read_docs
from spacy_xproj.files import NOTE, read_note
from spacy_xproj.review.answers import read_answers
from spacy_xproj.review.cases import read_queue
from spacy_xproj.review.inspect import inspect
from spacy_xproj.review.round import CORRECTED, LEXICON, PIPELINE, QUEUE, REPORT, TRAIN
from tests.conftest import ents, missed, said

RANKER = """[nlp]
lang = "es"
pipeline = ["xproj_aligner","xproj_matcher"]

[components]

[components.xproj_aligner]
factory = "xproj_aligner"

[components.xproj_aligner.aligner]
@xproj_aligners = "test.Diagonal.v1"

[components.xproj_matcher]
factory = "xproj_matcher"
"""


def run(*args, code=0):
    result = CliRunner().invoke(app, ["review", *map(str, args)])
    assert result.exit_code == code, result.output
    return said(result)


@pytest.fixture
def projected(corpus):
    (corpus / "ranker.cfg").write_text(RANKER)
    out = corpus / "projected.spacy"
    result = CliRunner().invoke(
        app, ["project", str(corpus / "bitext.spacy"), str(out), "--config", str(corpus / "ranker.cfg")]
    )
    assert result.exit_code == 0, result.output
    return out


def docs(path):
    return list(read_docs(path, spacy.blank("es"), format="spacy"))


def records(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def write_records(path, found):
    path.write_text("".join(json.dumps(record) + "\n" for record in found), encoding="utf-8")


def test_a_queue_has_all_cases_the_doubtful_first(projected):
    out = projected.with_name("queue.jsonl")
    assert "2 of 2 source spans, by doubt" in run("export", projected, out)
    found = list(read_queue(out))
    assert [case.question.source.text for case in found] == sorted(
        ["Ana", "Rome"], key=lambda text: -next(c.doubt for c in found if c.question.source.text == text)
    )
    case = next(case for case in found if case.question.label == "LOC")
    assert [each.span.text for each in case.projected] == ["Roma"]
    assert case.candidates[0].score > 0.5 and case.absent is not None
    assert abs(case.doubt - (1 - case.projected[0].score)) < 1e-3


@pytest.mark.parametrize("tool", ["prodigy", "label-studio", "doccano"])
def test_what_is_not_edited_comes_back_as_accepted(projected, tool):
    out, answers = projected.with_name(f"{tool}.json"), projected.with_name("answers.jsonl")
    run("export", projected, out, "--to", tool)
    if tool == "label-studio":  # it exports annotations, which a person makes of predictions
        tasks = [{**task, "annotations": task.pop("predictions")} for task in records(out)]
        out.write_text(json.dumps(tasks))
        assert '<Label value="LOC"/>' in out.with_name(f"{tool}.json.xml").read_text()
    assert f"2 answers, read as {tool}" in run("import", projected, out, answers)
    found = [answer for _, answer in read_answers(answers)]
    assert {(a.answer, a.label, a.targets[0].text) for a in found} == {
        ("accept", "PER", "Ana"),
        ("accept", "LOC", "Roma"),
    }
    assert {a.question.asked for a in found} == {"doubt"}


def test_edits_come_back(projected):
    out, answers = projected.with_name("p.jsonl"), projected.with_name("answers.jsonl")
    run("export", projected, out, "--to", "prodigy")
    found = records(out)
    for record in found:
        if record["text"].strip() == "Ana vio un perro":
            record["spans"] = [{"start": 8, "end": 16, "label": "DOG", "token_start": 2, "token_end": 3}]
        else:
            record["spans"] = []
        record["answer"] = "accept"
    write_records(out, found)
    run("import", projected, out, answers)
    got = {a.question.source.text: (a.answer, a.label, [t.text for t in a.targets]) for _, a in read_answers(answers)}
    assert got == {"Ana": ("span", "DOG", ["un perro"]), "Rome": ("absent", "LOC", [])}

    corrected, lexicon = projected.with_name("corrected.spacy"), projected.with_name("lexicon.tsv")
    told = run("apply", projected, answers, corrected, "--lexicon", lexicon)
    assert "2 answers in 2 of 5 Docs" in told
    new = docs(corrected)
    assert [ents(doc) for doc in new] == [[], [], [], [(2, 4, "DOG")], []]
    assert missed(new[4]) == {"s0": "answered_absent"}
    assert new[3]._.xproj.provenance["review"] == "person: 1"
    assert [(s.start, s.end, s.label_, s.id_) for s in new[3].spans["xproj"]] == [(2, 4, "DOG", "s0")]
    rows = [line.split("\t") for line in lexicon.read_text(encoding="utf-8").splitlines()[1:]]
    assert rows == [["Ana", "un perro", "1", "DOG"], ["Ana", "Ana", "0", "PER"], ["Rome", "Roma", "0", "LOC"]]


def test_what_was_edited_otherwise_is_noticed(projected):
    out, answers = projected.with_name("d.jsonl"), projected.with_name("answers.jsonl")
    run("export", projected, out, "--to", "doccano")
    one, two = records(out)
    changed = [
        one,
        {**one, "text": one["text"] + "!"},
        {**one, "label": [[0, 2, "PER"]]},
        {**one, "label": [[0, 3, "PER"], [4, 7, "LOC"]]},
        {**one, "xproj_id": "../../etc/passwd"},
        {**two, "label": [[0, 900, "PER"]]},
        one,
    ]
    write_records(out, changed)
    told = run("import", projected, out, answers)
    assert "2 answers" in told and "lists it" in told
    notes = json.loads(answers.with_name("answers.jsonl.report.json").read_text())["notes"]
    assert Counter(note["kind"] for note in notes) == Counter(
        off_tokens=2, edited_texts=1, several_labels=1, unknown_ids=1, answered_twice=1
    )
    assert sorted(note["line"] or 0 for note in notes) == [0, 2, 3, 4, 5, 6]


def test_skipped_and_cancelled_are_no_answers(projected):
    out, answers = projected.with_name("l.json"), projected.with_name("answers.jsonl")
    run("export", projected, out, "--to", "label-studio")
    tasks = records(out)
    tasks[0]["annotations"] = [{"result": [], "was_cancelled": True}]
    tasks[1]["annotations"] = [{"result": [], "was_cancelled": False}]
    out.write_text(json.dumps(tasks))
    run("import", projected, out, answers)
    assert [answer.answer for _, answer in read_answers(answers)] == ["absent"]
    tasks[1]["annotations"] = []
    out.write_text(json.dumps(tasks))
    before = answers.read_bytes()
    assert "no answer that can be used" in run("import", projected, out, answers, code=1)
    assert answers.read_bytes() == before


def test_records_without_ids_are_refused(projected):
    out = projected.with_name("p.jsonl")
    write_records(out, [{"text": "Ana", "spans": [{"start": 0, "end": 3, "label": "PER"}]}])
    assert "has an 'xproj_id'" in run("import", projected, out, projected.with_name("a.jsonl"), code=1)


def answered(projected, *args, **changes):
    """A queue whose cases are all answered by what was projected."""
    queue, answers = projected.with_name("queue.jsonl"), projected.with_name("answers.jsonl")
    run("export", projected, queue, *args)
    found = []
    for case in read_queue(queue):
        targets = [each.span._asdict() for each in case.projected]
        rest = {"answer": "accept", "targets": targets, "label": case.question.label, "reviewer": "person"}
        found.append({**case.question.to_json(), **rest, **changes})
    write_records(answers, found)
    return answers, found


def test_answers_are_kept_and_the_doubtful_rest_is_masked(projected):
    answers, found = answered(projected)
    write_records(answers, [one for one in found if one["label"] == "LOC"])
    out = projected.with_name("corrected.spacy")
    run("apply", projected, answers, out, "--mask-below", "1")
    new = docs(out)
    assert ents(new[4]) == [(3, 4, "LOC")] and ents(new[3]) == []
    assert [token.ent_iob for token in new[3]] == [0, 2, 2, 2]
    assert new[4].spans["xproj"].attrs["scores"].tolist() == [1.0]


def test_a_random_sample_tells_the_quality(projected):
    answers, _ = answered(projected, "--sample", "2")
    told = run("score", projected, answers)
    assert "From 2 answers about a random sample of 2 source spans" in told and "1.000" in told


def test_answers_by_doubt_do_not_tell_the_quality(projected):
    answers, _ = answered(projected)
    assert "would make the projection look worse" in run("score", projected, answers, code=1)


def test_apply_writes_nothing_where_no_answer_fits(projected):
    answers, _ = answered(projected, doc="0" * 16)
    out = projected.with_name("corrected.spacy")
    assert "Not one of its answers fits" in run("apply", projected, answers, out, code=1)
    assert not out.exists()


def test_an_edited_text_is_not_corrected(projected):
    answers, found = answered(projected)
    found[0]["text"] = "0" * 16
    write_records(answers, found)
    told = run("apply", projected, answers, projected.with_name("corrected.spacy"))
    assert "1 answers could not be used" in told and "edited" in told


@pytest.mark.parametrize("name", ["projected.spacy", "answers.jsonl"])
def test_nothing_is_written_over_what_is_read(projected, name):
    answers, _ = answered(projected)
    before = projected.read_bytes()
    run("apply", projected, answers, projected.with_name("c.spacy"), "--lexicon", projected.with_name(name), code=1)
    assert projected.read_bytes() == before and not projected.with_name("c.spacy").exists()


def test_wrong_options(projected):
    out = projected.with_name("q.jsonl")
    assert "--to to be one of" in run("export", projected, out, "--to", "word", code=1)
    assert "by must be one of" in run("export", projected, out, "--by", "luck", code=1)
    assert "not both" in run("export", projected, out, "--sample", "1", "--limit", "1", code=1)
    assert "sample of 1 to 2" in run("export", projected, out, "--sample", "3", code=1)
    assert not out.exists()


def test_nothing_to_review(tmp_path):
    DocBin(docs=[spacy.blank("es")("Hola")], store_user_data=True).to_disk(tmp_path / "in.spacy")
    assert "nothing to review" in run("export", tmp_path / "in.spacy", tmp_path / "q.jsonl", code=1)


def test_without_the_pipeline_scores_tell(projected, tmp_path):
    elsewhere = tmp_path / "elsewhere.spacy"
    elsewhere.write_bytes(projected.read_bytes())
    assert "only scores tell" in run("export", elsewhere, tmp_path / "q.jsonl")
    assert all(case.absent is None and not case.candidates for case in read_queue(tmp_path / "q.jsonl"))


def test_a_round(projected):
    answers, found = answered(projected)
    found[0] = {**found[0], "answer": "absent", "targets": []}
    write_records(answers, found[:1])
    out = projected.with_name("round1")
    told = run("round", projected, answers, out)
    assert "1 answers about 2 source spans" in told
    made = {path.name for path in out.iterdir()}
    assert {CORRECTED, PIPELINE, LEXICON, QUEUE, REPORT, TRAIN} <= made
    (case,) = read_queue(out / "queue.jsonl")
    assert case.question.source.text != found[0]["source"]["text"] and case.absent is not None
    again = run("export", out / CORRECTED, projected.with_name("next.jsonl"))
    assert "1 of 2 source spans" in again and "no pipeline" not in again
    assert list(read_queue(projected.with_name("next.jsonl"))) == [case]
    assert inspect(out / CORRECTED).pipeline == str(out / PIPELINE)
    before = (out / "corrected.spacy").stat().st_mtime_ns
    assert run("round", projected, answers, out) == told
    assert (out / "corrected.spacy").stat().st_mtime_ns == before
    (out / PIPELINE / NOTE).write_text("{")  # a pipeline that nothing would read any more
    assert run("round", projected, answers, out) == told and read_note(out / PIPELINE)
    # the next round goes on from there: what was answered before is among the entities as it was answered
    more = answers.with_name("more.jsonl")
    rest = {"answer": "absent", "targets": [], "label": case.question.label, "reviewer": "person"}
    write_records(more, [{**case.question.to_json(), **rest}])
    run("round", out / CORRECTED, more, projected.with_name("round2"))
    assert all(not doc.ents for doc in docs(projected.with_name("round2") / "corrected.spacy"))


def test_a_round_needs_a_pipeline_that_learns(projected, corpus):
    answers, _ = answered(projected)
    elsewhere = projected.with_name("elsewhere.spacy")
    elsewhere.write_bytes(projected.read_bytes())
    assert "Give it with --pipeline" in run("round", elsewhere, answers, projected.with_name("r"), code=1)
    config = str(corpus / "match.cfg")
    result = CliRunner().invoke(app, ["project", str(corpus / "bitext.spacy"), str(elsewhere), "--config", config])
    assert result.exit_code == 0, result.output
    assert "learns from answers" in run("round", elsewhere, answers, projected.with_name("r"), code=1)
    assert not projected.with_name("r").exists()


def test_the_matcher_trains_on_what_apply_writes(projected, tmp_path):
    answers, _ = answered(projected)
    train = projected.with_name("train.spacy")
    run("apply", projected, answers, projected.with_name("c.spacy"), "--train", train)
    found = docs(train)
    assert [[(s.label) for s in doc._.xproj.spans] for doc in found] == [["PER"], ["LOC"]]
    assert [ents(doc) for doc in found] == [[(0, 1, "PER")], [(3, 4, "LOC")]]
    from spacy.cli.train import train as spacy_train

    from spacy_xproj.shipped import find_config

    overrides = {"paths.train": str(train), "paths.dev": str(train), "nlp.lang": "es", "training.max_epochs": 1}
    spacy_train(find_config("matcher"), tmp_path / "out", overrides={**overrides, "training.eval_frequency": 1})
    assert (tmp_path / "out" / "model-last").is_dir()


def test_what_is_answered_is_not_asked_again(projected):
    answers, found = answered(projected)
    out, queue = projected.with_name("corrected.spacy"), projected.with_name("next.jsonl")
    write_records(answers, found[:1])
    run("apply", projected, answers, out)
    assert "1 of 2 source spans" in run("export", out, queue)
    write_records(answers, found[1:])
    twice = projected.with_name("twice.spacy")
    run("apply", out, answers, twice)
    assert [doc._.xproj_report["answered"] for doc in docs(twice)[3:]] == [{"s0": "person"}] * 2
    assert "nothing to review" in run("export", twice, queue, code=1)
