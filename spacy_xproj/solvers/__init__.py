"""Solvers: which (source span, candidate) cells are chosen."""
