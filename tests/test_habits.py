"""What the files beside the code claim, against setup.cfg and the Makefile."""

import configparser
import re
import shlex
from pathlib import Path

import pytest
import srsly

import spacy_xproj
from tests.conftest import ROOT

SYSTEMS = {"Operating System :: POSIX :: Linux": "ubuntu-latest"}  # the classifiers that there are runners for
ACTIONS = srsly.read_yaml(ROOT / ".github/workflows/tests.yml")
MATRIX = ACTIONS["jobs"]["test"]["strategy"]["matrix"]
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def lines(section, name):
    return [line for line in setup()[section][name].splitlines() if line]


def test_actions_run_the_versions_and_systems_that_are_claimed():
    classifiers = lines("metadata", "classifiers")
    claimed = re.findall(r"Python :: (3\.\d+)$", "\n".join(classifiers), re.M)
    assert claimed and MATRIX["python"] == claimed
    assert setup()["options"]["python_requires"] == f">={claimed[0]}"
    systems = [name for name in classifiers if name.startswith("Operating System")]
    assert systems and MATRIX["os"] == [SYSTEMS[name] for name in systems]


def test_actions_call_make():
    """The matrix runs targets alone, so that everybody can run what it runs."""
    runs = [step["run"] for step in ACTIONS["jobs"]["test"]["steps"] if "run" in step]
    assert {"make check", "make test"} <= {*runs}
    assert {word for run in runs for word in shlex.split(run)} <= {"make", *TARGETS}
    others = [step.get("run", "") for job in ACTIONS["jobs"].values() for step in job["steps"]]
    assert set(re.findall(r"\bmake ([\w-]+)", "\n".join(others))) <= TARGETS
    assert all((ROOT / name).is_file() for name in re.findall(r"\.ci/\w+", "\n".join(others)))


def test_make_targets_in_the_guide_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert (named := set(re.findall(r"\bmake ([\w-]+)`|^make ([\w-]+)", text, re.M)))
    assert {name for pair in named for name in pair if name} <= TARGETS


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", ".github/pull_request_template.md"])
def test_links_and_files_exist(name):
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", text):
        file = path.parent / target if target else path
        assert file.exists(), target
        titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.M) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    if name != "CHANGELOG.md":  # which tells of the past
        for named in re.findall(r"`((?:tests|spacy_xproj|examples|benchmarks|docs|\.ci)/[\w./]*)`", text):
            root = (
                Path(spacy_xproj.__file__).parents[1] if named.startswith("spacy_xproj/") else ROOT
            )  # it may be a wheel
            assert (root / named).exists(), named


def test_hooks_are_those_of_make_check():
    """With the tools of the environment, and each as `make check` calls it."""
    (repository,) = srsly.read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    calls = [hook["entry"].removeprefix(".venv/bin/python -m ") for hook in repository["hooks"]]
    check = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ncheck:")[1].split("\n\n")[0]
    wanted = [call.removesuffix(" .") for call in re.findall(r"-m (.+)", check)]
    assert [call.removesuffix(" --force-exclude") for call in calls] == wanted


def test_the_citation_is_of_this_version():
    cited = srsly.read_yaml(ROOT / "CITATION.cff")
    assert (str(cited["version"]), cited["license"]) == (spacy_xproj.__version__, setup()["metadata"]["license"])


def test_the_changelog_has_the_usual_form():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, re.M)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", title) for title in versions[1:])
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert {*re.findall(r"^### (.+)$", text, re.M)} <= kinds
    assert f"0.{spacy_xproj.__version__.split('.')[1]}." in text


def test_warnings_are_errors():
    assert lines("tool:pytest", "filterwarnings")[0] == "error"
