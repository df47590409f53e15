"""Lets mkdocstrings read the project's docstrings (`name (type): text`, `RETURNS (type): text`), as a griffe extension.

What a class inherits is described with it, and the defaults of a pipe come from its factory.
"""

import importlib
import inspect
import re
from collections.abc import Collection, Iterator
from importlib.metadata import entry_points
from typing import Any, NamedTuple

import griffe
from spacy.language import Language

ONE = r"\*{0,2}\w+(?: \([^:]*?\))?"  # a name, with its type or without
ITEM = re.compile(rf"^({ONE}(?:, {ONE})*): +(\S.*)$")
SECTIONS = {"RETURNS": "Returns", "YIELDS": "Yields", "RAISES": "Raises"}
GIVEN = ("nlp", "name")  # spaCy gives these to a factory


class Item(NamedTuple):
    """A described name.

    name (str): A parameter, or a key of SECTIONS.
    type (str): Its type, or "".
    text (str): What is said of it.
    """

    name: str
    type: str
    text: str


def read_docstring(text: str) -> tuple[str, list[Item]]:
    """Split a docstring into its prose and what it describes."""
    prose: list[str] = []
    items: list[list[Any]] = []
    for line in inspect.cleandoc(text).splitlines():
        if (found := ITEM.match(line)) and ("(" in found[1] or found[2].startswith("See `")):
            items.append([found[1], [found[2]]])
        elif items and line.startswith("    "):
            items[-1][1].append(line.strip())
        else:
            prose.append(line)
    return "\n".join(prose).strip(), [item for names, lines in items for item in _named(names, " ".join(lines))]


def _named(names: str, text: str) -> Iterator[Item]:
    """One item for each name before the colon. A name without a type has that of the next one."""
    parts, depth = [""], 0
    for char in names:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    kind = ""
    found = []
    for part in reversed(parts):
        name, _, given = part.strip().lstrip("*").partition(" ")
        kind = given[1:-1] or kind
        found.append(Item(name, kind, text))
    yield from reversed(found)


def google(text: str, items: list[Item], params: list[str]) -> str:
    """Write a docstring in Google's style. What is described and no parameter is an attribute.

    text (str): The prose.
    items (list of Item): What is described.
    params (list of str): The parameters, in their order.
    RETURNS (str): The docstring.
    """
    sections: dict[str, list[str]] = {}
    for item in sorted(items, key=lambda item: params.index(item.name) if item.name in params else len(params)):
        if item.name in SECTIONS:
            sections.setdefault(SECTIONS[item.name], []).append(f"    {item.type or 'object'}: {item.text}")
        else:
            section = "Args" if item.name in params else "Attributes"
            sections.setdefault(section, []).append(f"    {item.name} ({item.type}): {item.text}")
    return "\n\n".join([text, *(f"{name}:\n" + "\n".join(lines) for name, lines in sections.items())])


def defaults(kind: Any) -> dict[str, Any]:
    """Return the default config of a factory that makes objects of a class; nothing for other classes."""
    for entry in entry_points(group="spacy_factories"):
        if entry.value.startswith("spacy_xproj.") and entry.load() is kind:
            return Language.get_factory_meta(entry.name).default_config
    return {}


def described(kind: Any, params: Collection[str]) -> list[Item]:
    """Return what the docstring of a function or class describes. Parameters that it does not describe come from the
    classes that it derives from, and from those that it tells the reader to see.

    kind (Any): The function or class.
    params (collection of str): Its parameters.
    """
    items = read_docstring(kind.__doc__ or "")[1]
    loose = inspect.isfunction(kind) and any(
        p.kind is p.VAR_KEYWORD for p in inspect.signature(kind).parameters.values()
    )
    pointers = [item.text for item in items if item.text.startswith("See `")]
    items = [item for item in items if item.text not in pointers]
    named = re.findall(r"`([A-Z]\w+)`", " ".join([*re.findall(r"See .*", kind.__doc__ or ""), *pointers]))
    others = [getattr(inspect.getmodule(kind), name, None) for name in named]
    for other in (*others, *(inspect.getmro(kind)[1:] if inspect.isclass(kind) else ())):
        if getattr(other, "__module__", "").startswith("spacy_xproj"):
            known = {item.name for item in items}
            more = read_docstring(other.__doc__ or "")[1]
            wanted = {item.name for item in more} - SECTIONS.keys() if loose else params
            items += [item for item in more if item.name in wanted and item.name not in known]
    return items


class Docstrings(griffe.Extension):
    """The extension, which mkdocs.yml names."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        if not func.docstring:
            return
        params = [param.name for param in func.parameters if param.name not in ("self", "cls")]
        text, items = read_docstring(func.docstring.value)
        kind = getattr(importlib.import_module(func.module.path), func.name, None)
        if inspect.isfunction(kind):
            items = described(kind, params)
            if any(param.kind is griffe.ParameterKind.var_keyword for param in func.parameters):
                params += [item.name for item in items if item.name not in params and item.name not in SECTIONS]
        func.docstring.value = google(text, items, params)

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        kind = getattr(importlib.import_module(cls.module.path), cls.name, None)
        if kind is None or not cls.docstring:
            return
        params = [param.name for param in cls.parameters if param.name not in ("self", *GIVEN)]
        for name, value in defaults(kind).items():
            if name in params:
                cls.parameters[name].default = _shown(value)
        cls.docstring.value = google(read_docstring(cls.docstring.value)[0], described(kind, params), params)


def _shown(value: Any) -> str:
    """A default as a reader knows it: a part by its registered name."""
    if isinstance(value, dict) and any(str(key).startswith("@") for key in value):
        return next(str(name) for key, name in value.items() if key.startswith("@"))
    return repr(value)
