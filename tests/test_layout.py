"""Which module imports which, imports inside functions included; the length of files; how often parts are probed."""

import ast
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import pytest

import spacy_xproj
from tests.conftest import ROOT

PACKAGE = Path(spacy_xproj.__file__).parent
PARTS = {"translators", "aligners", "similarities", "solvers", "teachers", "students"}
# What stands higher may import what stands lower. All other modules beside these are plain data and stand lowest: they
# import each other alone.
LEVELS = (
    {"models", "corpus"},
    PARTS,
    {"pipeline"},
    {"fitting", "evaluate", "memory_files"},
    {"projection"},
    {"runs"},
    {"review"},
    {"cli", "displacy"},
    {"__main__"},
)
# What the rules do not allow yet: (file, what it imports from).
EXCEPTIONS = {
    ("teachers/similarity.py", "corpus"),  # its setting `sources` names files of any format
}
LONGEST = 400  # lines of a file
PROBES = 15  # how often the package asks whether an object, in most cases one of transformers, has an attribute


@cache
def modules():
    """The package's modules by name, with their files. A package has the name of its folder."""
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imported(path):
    """The full names that a file imports, wherever in it."""
    root = PACKAGE.parent if path.is_relative_to(PACKAGE) else ROOT
    package = ".".join(path.relative_to(root).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            yield from (f"{base}.{alias.name}" for alias in node.names)


def room(name):
    """The folder or module right below the package: "aligners" of `spacy_xproj.aligners.jumps.Jumps`."""
    return name.split(".")[1] if "." in name else ""


def level(name):
    return next((number for number, rooms in enumerate(LEVELS, 1) if room(name) in rooms), 0)


def edges():
    """Which file of the package imports from which other room of it."""
    for name, path in modules().items():
        for other in imported(path):
            if other.startswith("spacy_xproj.") and room(other) != room(name):
                yield path.relative_to(PACKAGE).as_posix(), name, other


def allowed(name, other):
    """Whether a module may import from another room. A part reads no corpus, and the command line uses no part."""
    if (room(name) in PARTS and room(other) == "corpus") or (room(name) == "cli" and room(other) in PARTS):
        return False
    return level(other) < level(name) or level(other) == level(name) == 0


def test_imports_point_one_way():
    assert {(file, room(other)) for file, name, other in edges() if not allowed(name, other)} == EXCEPTIONS


def test_no_cycles():
    """Nothing imports itself by way of others, not even inside of functions."""
    known = modules()
    targets = {}
    for name, path in known.items():
        full = imported(path)
        targets[name] = {x if x in known else x.rpartition(".")[0] for x in full} & known.keys() - {name, "spacy_xproj"}
    seen, done = [], set()

    def visit(name):
        assert name not in seen, " → ".join([*seen[seen.index(name) :], name])
        if name not in done:
            seen.append(name)
            for other in sorted(targets[name]):
                visit(other)
            done.add(seen.pop())

    for name in sorted(targets):
        visit(name)


@pytest.mark.parametrize("folder", ["benchmarks", "scripts"])
def test_programs_beside_the_package_call_no_verbs(folder):
    """They call what the verbs call. How the command line tells an error is theirs, too."""
    others = [(path.name, other) for path in (ROOT / folder).rglob("*.py") for other in imported(path)]
    assert [x for x in others if x[1].startswith("spacy_xproj.cli.") and ".common." not in x[1]] == []


@pytest.mark.parametrize("folder", [PACKAGE, ROOT / "benchmarks", ROOT / "scripts"], ids=lambda folder: folder.name)
def test_no_file_is_long(folder):
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}


def probes(path):
    """The lines on which a file asks whether an object has an attribute."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) == 3):
                yield node.lineno
        elif isinstance(node, ast.ExceptHandler) and node.type and "AttributeError" in ast.unparse(node.type):
            yield node.lineno


def test_what_a_part_can_do_is_said_by_its_type():
    """Not found out by asking. The number only falls."""
    found = [f"{path.relative_to(PACKAGE)}:{line}" for path in modules().values() for line in probes(path)]
    assert len(found) <= PROBES, found
