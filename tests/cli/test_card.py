"""`xproj card`: what a package says of itself."""

import json
import subprocess
import sys
import zipfile

import pytest
import spacy
from typer.testing import CliRunner

from spacy_xproj.cli import app
from tests.conftest import said

RUN = CliRunner()
REPORT = """# projected.spacy

9 of 10 source entities were projected in 5 sentences.

## Yield by label

| label | source | projected | share |
| --- | ---: | ---: | ---: |
| PER | 10 | 9 | 0.900 |

## Scores

Expected calibration error: 0.021.
"""


@pytest.fixture
def trained(tmp_path):
    """A small pipeline with the meta that training leaves, the scores of `spacy evaluate`, and a report."""
    nlp = spacy.blank("es")
    ner = nlp.add_pipe("ner")
    ner.add_label("PER")
    nlp.initialize()
    nlp.meta["performance"] = {"ents_f": 0.99, "ner_loss": 12.0}
    nlp.meta["sources"] = [{"name": "Training data", "license": "CC BY-NC 4.0"}]
    nlp.meta["notes"] = "Not for sale."
    nlp.to_disk(tmp_path / "model")
    by_label = {"PER": {"p": 0.75, "r": 0.5, "f": 0.6}}
    scores = {"ents_p": 0.75, "ents_r": 0.5, "ents_f": 0.6, "ents_per_type": by_label, "speed": 12345.6}
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    (tmp_path / "report.md").write_text(REPORT)
    return tmp_path


def card(folder, *options):
    given = "--metrics", folder / "scores.json", "--projection", folder / "report.md"
    return RUN.invoke(app, [*map(str, ("card", folder / "model", folder / "meta.json", *given, *options))])


def package(folder, *options):
    (folder / "out").mkdir()
    command = [sys.executable, "-m", "spacy", "package", folder / "model", folder / "out", "--build", "none"]
    subprocess.run([*command, "--meta-path", folder / "meta.json", *options], check=True, capture_output=True)
    (made,) = (folder / "out").iterdir()
    return made


@pytest.mark.slow
def test_the_wheel_has_the_card(trained):
    """Scores of the test and not of training, licenses, yield and calibration; and who made it."""
    options = "--scored-on", "gold test data", "--author", "Ana Ruiz", "--license", "CC BY-NC 4.0"
    before = {path.name: path.read_bytes() for path in (trained / "model").iterdir() if path.is_file()}
    done = card(trained, *options)
    assert done.exit_code == 0 and "no license" not in said(done)
    assert before == {path.name: path.read_bytes() for path in (trained / "model").iterdir() if path.is_file()}
    made = package(trained, "--name", "tiny", "--version", "1.2.3")
    command = [sys.executable, "-m", "build", "--quiet", "--wheel", "--no-isolation", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = (made / "dist").glob("es_tiny-1.2.3-*.whl")
    with zipfile.ZipFile(wheel) as held:
        text = held.read("es_tiny/es_tiny-1.2.3/README.md").decode()
        meta = json.loads(held.read("es_tiny/meta.json"))
    assert "Named-entity recognition (PER) for the language 'es'" in text
    assert "| `ENTS_F` | 60.00 |" in text and "NER_LOSS" not in text and "99.00" not in text
    assert "on gold test data" in text and "| PER | 0.750 | 0.500 | 0.600 |" in text and "12,346 words" in text
    assert "| Training data | CC BY-NC 4.0 |" in text and "Not for sale." in text and "Ana Ruiz" in text
    assert "#### Yield by label" in text and "| PER | 10 | 9 | 0.900 |" in text and "error: 0.021" in text
    assert (meta["author"], meta["license"]) == ("Ana Ruiz", "CC BY-NC 4.0")
    assert meta["performance"]["ents_f"] == 0.6


def test_what_it_does_not_know_it_says(trained):
    done = card(trained)
    assert done.exit_code == 0 and "no author and no license" in said(done)
    meta = json.loads((trained / "meta.json").read_text(encoding="utf-8"))
    assert not meta["license"] and not meta["author"]


@pytest.mark.parametrize("file", ["scores.json", "report.md", "model/meta.json"])
def test_another_file_is_an_error(trained, file):
    (trained / file).write_text("{}\n")
    done = card(trained)
    assert done.exit_code == 1 and "Expected" in said(done)
    assert not (trained / "meta.json").exists()


def test_it_does_not_write_over_what_it_reads(trained):
    done = RUN.invoke(app, ["card", str(trained / "model"), str(trained / "model/meta.json")])
    assert done.exit_code == 1 and "ner_loss" in (trained / "model/meta.json").read_text(encoding="utf-8")
