"""Benchmarks on trained models, which `make weights` gets: `python -m benchmarks.real.NAME --weights FOLDER`."""
