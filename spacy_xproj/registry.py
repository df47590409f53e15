"""The project's own registries, made in the way of spacy-transformers.

`catalogue.create("spacy", NAME)` rather than `spacy.util.registry.create`, which would put them under `thinc_NAME`
and would not find the entry points `spacy_NAME` of setup.cfg.
"""

import catalogue
from spacy.util import registry

REGISTRIES = (
    "xproj_translators",
    "xproj_aligners",
    "xproj_similarities",
    "xproj_solvers",
    "xproj_teachers",
    "xproj_formats",
)

for _name in REGISTRIES:
    setattr(registry, _name, catalogue.create("spacy", _name, entry_points=True))

__all__ = ["REGISTRIES", "registry"]
