"""The packages. All else is in setup.cfg."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["spacy_xproj", "spacy_xproj.*"]), "spacy_xproj.configs"],
    package_dir={"spacy_xproj.configs": "configs"},
)
