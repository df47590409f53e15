"""The base of all parts with a state: its header, its parts, its files."""

import pytest
import srsly

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.state import State


class Leaf(State):
    state_name = "test.Leaf.v1"
    state_format = 3

    def __init__(self, value=0):
        self.value = value

    def state(self):
        return {"value": self.value}

    def set_state(self, state):
        if not isinstance(state["value"], int):
            raise TypeError("no number")
        if state["value"] < 0:
            raise XprojError("A leaf is not negative.")
        self.value = state["value"]


class Tree(State):
    state_name = "test.Tree.v1"

    def __init__(self, **parts):
        self.parts = parts

    def state_parts(self):
        return self.parts


def test_one_file(tmp_path):
    leaf = Leaf(7)
    leaf.to_disk(tmp_path / "deep" / "leaf")
    assert (tmp_path / "deep" / "leaf").read_bytes() == leaf.to_bytes()
    for other in (Leaf().from_bytes(leaf.to_bytes()), Leaf().from_disk(tmp_path / "deep" / "leaf")):
        assert other.value == 7 and other.to_bytes() == leaf.to_bytes()
    assert srsly.msgpack_loads(leaf.to_bytes()) == {"name": "test.Leaf.v1", "format": 3, "value": 7}


def test_parts_by_name(tmp_path):
    tree = Tree(a=Leaf(1), plain=print, inner=Tree(b=Leaf(2)), none=None)
    tree.to_disk(tmp_path / "tree")
    for read in (lambda made: made.from_bytes(tree.to_bytes()), lambda made: made.from_disk(tmp_path / "tree")):
        made = Tree(inner=Tree(b=Leaf()), a=Leaf(), plain=len)
        assert read(made) is made and made.parts["a"].value == 1 and made.parts["inner"].parts["b"].value == 2
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a", "b", *["state.msgpack"] * 2]


def test_a_file_becomes_a_folder_and_the_reverse(tmp_path):
    for made in (Tree(), Tree(a=Leaf(4)), Tree()):
        made.to_disk(tmp_path / "tree")
        again = Tree(**{name: Leaf() for name in made.parts}).from_disk(tmp_path / "tree")
        assert again.to_bytes() == made.to_bytes()


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "Expected the state of test.Leaf.v1, format 3, but got other data"),
        (b"\xc1", "other data"),
        (b"\x80", "other data"),
        (Tree().to_bytes(), "but got that of test.Tree.v1, format 1"),
        (srsly.msgpack_dumps({"name": "test.Leaf.v1", "format": 2, "value": 1}), "test.Leaf.v1, format 2"),
        (srsly.msgpack_dumps({"name": "test.Leaf.v1", "format": 3}), "other data .KeyError: 'value'"),
        (srsly.msgpack_dumps({"name": "test.Leaf.v1", "format": 3, "value": "x"}), "other data .TypeError: no number"),
        (srsly.msgpack_dumps({"name": "test.Leaf.v1", "format": 3, "value": -1}), "^A leaf is not negative.$"),
    ],
)
def test_other_data(data, message, tmp_path):
    leaf = Leaf(5)
    with pytest.raises(XprojError, match=message):
        leaf.from_bytes(data)
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError, match=message.strip("^")) as info:
        leaf.from_disk(tmp_path / "file")
    assert str(tmp_path / "file") in str(info.value) and leaf.value == 5


def test_other_parts(tmp_path):
    saved = Tree(a=Leaf(1), b=Leaf(2))
    saved.to_disk(tmp_path / "tree")
    for made in (Tree(a=Leaf()), Tree(a=Leaf(), b=Leaf(), c=Leaf())):
        message = f"with the parts 'a', 'b' instead of {', '.join(map(repr, made.parts))}"
        with pytest.raises(XprojError, match=message):
            made.from_bytes(saved.to_bytes())
        with pytest.raises(InputError, match=message):
            made.from_disk(tmp_path / "tree")
        assert made.parts["a"].value == 0
    (tmp_path / "tree" / "b").unlink()
    with pytest.raises(InputError, match="the state of its part 'b' is missing"):
        Tree(a=Leaf(), b=Leaf()).from_disk(tmp_path / "tree")
    with pytest.raises(InputError, match="nothing"):
        Tree().from_disk(tmp_path / "nothing")
