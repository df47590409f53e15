"""What the package says of itself, and what it holds beside code. In CI it is the wheel."""

from importlib.metadata import metadata, version
from importlib.resources import files

import spacy_xproj


def test_one_version():
    assert version("spacy-xproj") == spacy_xproj.__version__


def test_types_are_for_others_too():
    assert (files("spacy_xproj") / "py.typed").is_file()
    assert "Typing :: Typed" in metadata("spacy-xproj").get_all("Classifier")
