"""The benchmark of translate-train and translate-test in short: few sentences, few steps, one seed."""

import shutil

import pytest
import srsly

from tests.conftest import DATA, ROOT

pytestmark = [
    pytest.mark.skipif(shutil.which("apertium") is None, reason="the program apertium is not installed"),
    pytest.mark.skipif(not (DATA / "uner-en-ewt").exists(), reason=f"there is no data in {DATA}"),
]
WEIGHTS = ROOT / "spacy_xproj" / "similarities" / "ranker" / "weights.json"
if not WEIGHTS.exists():
    import spacy_xproj

    WEIGHTS = spacy_xproj.__path__[0] + "/similarities/ranker/weights.json"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from benchmarks.translation import Run

    steps = {"training.max_steps": 10, "training.eval_frequency": 10}
    return Run(tmp_path_factory.mktemp("work"), 1, 60, steps, str(WEIGHTS))


def test_all_tables(run):
    from benchmarks.translation import WAYS, gold_english, report

    tables = [text.splitlines() for text in report(run).split("\n\n")]
    systems = [[cell.strip() for cell in line.split("|")[1:-1]] for line in tables[0][2:]]
    assert [row[0] for row in systems][: len(WAYS)] == [f"translate-train, {way}" for way in WAYS]
    assert {"model transfer", "translate-test", "translate-test, round trip"} <= {row[0] for row in systems}
    assert all(0 <= float(row[1]) < 0.98 for row in systems)
    spans = sum(len(doc.ents) for doc in gold_english(run))
    for row in tables[2][2:]:
        way, total, kept, lost = (cell.strip() for cell in row.split("|")[1:-1])
        gone = sum(int(part.split()[-1]) for part in lost.split("; ") if part)
        assert (int(total), int(kept.split()[0]) + gone) == (spans, spans), way
    assert "tags" in tables[2][2] and "(100.0%)" in tables[2][2]


def test_a_second_run_takes_what_is_there(run):
    from benchmarks.translation import report

    report(run)  # the first, where this test comes first
    before = {path: path.stat().st_mtime_ns for path in run.work.rglob("*") if path.is_file()}
    report(run)
    after = {path: path.stat().st_mtime_ns for path in run.work.rglob("*") if path.is_file()}
    changed = {path.name for path in after if path not in before or after[path] != before[path]}
    assert {name for name in changed if not name.startswith("memory.sqlite")} == set()


def test_the_verdicts_are_all_given():
    rows = list(srsly.read_jsonl(ROOT / "benchmarks" / "verdicts.jsonl"))
    assert len(rows) == 100 and {row["verdict"] for row in rows} == {"tags", "matcher", "neither"}
    assert all(row["tags"] != row["matcher"] for row in rows)
