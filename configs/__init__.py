"""Pipelines and training configs. In the package this folder is `spacy_xproj.configs`."""
