"""Runs: Docs through a pipeline, into files that a run which was stopped goes on with. Each verb is one call."""
