from typer.testing import CliRunner

from spacy_xproj.cli import app
from tests.conftest import CONFIGS, said
from tests.runs.test_rounds import SMALL, work  # noqa: F401  (a fixture)


def test_command(work):  # noqa: F811
    config = CONFIGS / "student_cpu.cfg"
    args = [
        "selftrain",
        work / "raw.txt",
        work / "out",
        "--config",
        config,
        "--teachers",
        work / "teach.cfg",
        "--rounds",
        2,
    ]
    args += ["--dev", work / "dev.spacy", "--patience", 2, "--lang", "es"]
    args += [part for name, value in SMALL.items() if name != "nlp.lang" for part in (f"--{name}", value)]

    def call(*more):
        result = CliRunner().invoke(app, [*map(str, args), *more])
        return result.exit_code, said(result)

    code, text = call()
    assert code == 0 and "The best student is that of round" in text and "round-1 40" in text, text
    code, text = call()
    assert code == 0 and "finished before" in text, text
    code, text = call("--min-gain", "2")
    assert code == 1 and "Expected a least gain" in text and "Traceback" not in text, text
