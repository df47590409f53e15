"""The public surface: what setup.cfg lists, what the registries give, and what the README tells."""

import configparser
import importlib
import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec

import pytest
import spacy
from spacy.language import Language

from spacy_xproj.registry import REGISTRIES, registry
from spacy_xproj.translators import Memory
from tests.conftest import ROOT

HEAVY = ("scipy", "ray", "ctranslate2", "transformers", "sentencepiece", "tokenizers")


ORDERS = (
    "import spacy_xproj, spacy",
    "import spacy, spacy_xproj",
    "import srsly; srsly.msgpack_dumps([]); import spacy",
)


@pytest.mark.parametrize("first", ORDERS)
def test_importing_makes_registries_and_extensions(first):
    """spaCy imports the package, for its msgpack hooks, in the middle of its own import."""
    script = (
        f"{first}\n"
        "from spacy_xproj import Bitext\n"
        "doc = spacy.blank('es')('uno')\n"
        "doc._.xproj = Bitext('en', ('one',), (True,))\n"
        "assert doc._.xproj_soft is None and doc._.xproj_report is None\n"
        "print(spacy.util.registry.get('xproj_aligners', 'spacy_xproj.Pharaoh.v1').__name__)\n"
        "print(spacy.Language.has_factory('xproj_matcher'))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["PharaohAligner", "True"], done.stderr


def setup_cfg(section):
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser[section]


def listed():
    """(group, name, value) of each entry point in setup.cfg."""
    rows = []
    for group, lines in setup_cfg("options.entry_points").items():
        rows += [(group, *map(str.strip, line.split("=", 1))) for line in lines.strip().splitlines() if line.strip()]
    return rows


ENTRIES = listed()
NAMED = [row for row in ENTRIES if row[0].startswith(("spacy_factories", "spacy_xproj_", "spacy_misc"))]
MODULES = sorted({value.split(":")[0] for _, _, value in NAMED})


def test_setup_cfg_is_read():
    assert {"spacy_factories", "spacy_xproj_aligners", "spacy_misc", "spacy_cli"} <= {row[0] for row in ENTRIES}
    assert len(NAMED) >= 12


@pytest.mark.parametrize("group, name, value", ENTRIES)
def test_installed_and_loadable(group, name, value):
    module, attribute = value.split(":")
    want = getattr(importlib.import_module(module), attribute)
    installed = [entry for entry in entry_points(group=group) if entry.name == name]
    assert [entry.value for entry in installed] == [value], "the package must be installed anew"
    assert installed[0].load() is want


@pytest.mark.parametrize("group, name, value", NAMED)
def test_found_by_spacy(group, name, value):
    module, attribute = value.split(":")
    want = getattr(importlib.import_module(module), attribute)
    if group == "spacy_factories":
        assert Language.has_factory(name)
        assert name.startswith("xproj_")
    else:
        assert getattr(registry, group.removeprefix("spacy_")).get(name) is want
        assert name.startswith("spacy_xproj.") and name.endswith(".v1")


def test_registries():
    assert all(hasattr(spacy.registry, name) for name in REGISTRIES)
    groups = {group for group, _, _ in ENTRIES if group.startswith("spacy_xproj_")}
    assert groups <= {f"spacy_{name}" for name in REGISTRIES}
    for name in REGISTRIES:  # nothing of ours is registered beside the entry points
        ours = {key for key in getattr(registry, name).get_all() if key.startswith("spacy_xproj.")}
        assert ours == {key for group, key, _ in ENTRIES if group == f"spacy_{name}"}


@pytest.mark.parametrize("group, name, value", NAMED)
def test_listed_in_the_readme(group, name, value):
    path = ROOT / "README.md"
    if not path.exists():
        pytest.skip("the README is not beside the tests")
    assert f"`{name}`" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "file, left_out", [("README.md", set()), ("docs/start/install.md", {"dev", "docs", "benchmark"})]
)
def test_extras_are_listed(file, left_out):
    path = ROOT / file
    if not path.exists():
        pytest.skip("the documentation is not beside the tests")
    text = path.read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"^Extras: .*|^\| extra `\w+`", text, re.M))
    assert sorted(re.findall(r"`(\w+)`", lines)) == sorted({*setup_cfg("options.extras_require")} - left_out)


EXTRAS = {"spacy_xproj.Eflomal.v1": "eflomal"}  # parts that need a package which only an extra installs


# parts that go around another one
AROUND = {"spacy_xproj.Marked.v1": {"translator": Memory()}}


def test_makers_can_be_called_without_settings():
    for group, name, _ in NAMED:
        if group != "spacy_factories" and (name not in EXTRAS or find_spec(EXTRAS[name])):
            assert callable(getattr(registry, group.removeprefix("spacy_")).get(name)(**AROUND.get(name, {})))


def test_imports_are_light():
    """Beyond what spaCy itself imports, no module that an entry point imports brings in a heavy package."""
    script = (
        "import sys, json, importlib, spacy, spacy.cli, spacy.training\n"
        "had, out = set(sys.modules), {}\n"
        "for module in sys.argv[1:]:\n"
        "    importlib.import_module(module)\n"
        "    out[module] = sorted({m.split('.')[0] for m in set(sys.modules) - had})\n"
        "print(json.dumps(out))"
    )
    done = subprocess.run([sys.executable, "-c", script, *MODULES], capture_output=True, text=True, check=True)
    new = json.loads(done.stdout)
    assert sorted(new) == MODULES
    assert {module: bad for module, names in new.items() if (bad := sorted(set(HEAVY).intersection(names)))} == {}
