"""`python -m benchmarks.scale memory`, `reading` and `speed`: see the modules `memory` and `speed`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Optional

import typer

from .memory import SIZES, memory, reading
from .speed import RUNS, SIZE, speed

app = typer.Typer(add_completion=False)
Folder = Annotated[Optional[Path], typer.Option(help="Where to keep the corpora. By default they are removed again.")]


@app.command("memory")
def memory_cli(
    folder: Folder = None, small: int = SIZES[0], large: int = SIZES[1], max_fit: Optional[int] = None
) -> None:
    """Memory and time of `project` by the size of the corpus."""
    with TemporaryDirectory() as temporary:
        raise typer.Exit(not memory(folder or Path(temporary), (small, large), max_fit or small // 2))


@app.command("reading")
def reading_cli(folder: Folder = None, small: int = SIZES[0], large: int = SIZES[1]) -> None:
    """Memory of verbs that read a corpus as a whole."""
    with TemporaryDirectory() as temporary:
        raise typer.Exit(not reading(folder or Path(temporary), (small, large), small // 2))


@app.command("speed")
def speed_cli(folder: Folder = None, size: int = SIZE, runs: int = RUNS) -> None:
    """How much faster two workers are than one."""
    with TemporaryDirectory() as temporary:
        raise typer.Exit(not speed(folder or Path(temporary), size, runs))


if __name__ == "__main__":
    app()
