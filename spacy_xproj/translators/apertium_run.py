"""Apertium's programs: which modes are installed, and a mode that is kept running."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import weakref
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from ..errors import XprojError

PATIENCE = 60.0  # seconds without a byte of output, after which a mode counts as stuck
END = "[end]"  # a blank after the last text: when it comes out, all is out
# Write the form of each word that is in spans into its blank, before the post-generator makes one blank of several.
FORMS = r"sed -zuE 's/\[\[([0-9; ]+)\]\]([^][\\;=]+)\[\[\/\]\]/[[\1=\2]]\2[[\/]]/g'"
# When the tagger first meets a word whose set of analyses was not in its training data, it forgets for good what an
# unknown word may be (Apertium 3.8, find_similar_ambiguity_class): what comes later depends on what came before. These
# words of English, Spanish, Catalan, Galician and Esperanto make that happen at the start, as far as it can go.
FIRST = (
    "I Thanks known , a lot of , near elected included fit , take care , Wade till bore . for even does US times post "
    "AM THE IT lay AND NOT . do its dead unlike Mercury VERY THIS ALL TO HAVE . apenas Armada vale velas vela MI "
    "Apple . que o seu era máis mais como a súa se cando calquera poder segundo onde polo primeiro ben moito policía "
    "realmente bastante libre preocupado preguntar quere can cuarto preguntado ás xa capital pola demasiado vista Si "
    "mesmo preocuparse deber entrevista perdendo nada menos van asento visto Segundo perda canto vía corte desexo "
    "querer vestido . pluraj . un una ser més com tot quan estat 20.000 sent força massa cap segons primer molt son "
    "va vist Al volen sa bastant Ponent mes segon vaga deu sol lent Corona igual caps entrevista sobre Cap tota Ella "
    "entre vista .[]"
)
INSTALL = "apt-get install apertium apertium-eng-spa"


class Broken(Exception):
    """A running mode stopped, got stuck or gave another number of texts."""


class Installation:
    """Apertium as installed.

    program (str): Name or path of `apertium`.
    data (str): The folder with Apertium's `modes`; empty: where the program itself looks.
    RAISES (XprojError): If it is not there.
    """

    def __init__(self, program: str, data: str):
        path = shutil.which(program)
        if path is None:
            raise XprojError(
                f"spacy_xproj.Apertium.v1 needs the program {program!r}, which was not found. Install Apertium and the "
                f"data of your language pair, such as: {INSTALL}; or give its path as 'program'."
            )
        self.program = path
        here = Path(path).resolve().parent
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}"}
        default = os.environ.get("APERTIUM_DATADIR") or here.parent / "share" / "apertium"
        self.folder = Path(data or default) / "modes"
        self.modes = sorted(file.stem for file in self.folder.glob("*.mode"))
        if not self.modes:
            raise XprojError(
                f"No Apertium modes were found in {self.folder}. Install the data of your language pair, such as: "
                f"{INSTALL}; or give the folder that holds 'modes' as 'data'."
            )

    @cached_property
    def version(self) -> str:
        """Such as "Apertium 3.8.3" (str)."""
        return " ".join(self._run([self.program, "-V"]).split())

    def digest(self) -> str:
        """RETURNS (str): A hash of all modes and of the contents of the files that they name."""
        state = blake2b(FIRST.encode(), digest_size=12)
        for mode in self.modes:
            command = self._file(mode).read_text("utf8")
            state.update(f"\n{mode}\n{command.replace(str(self.folder.parent), '')}".encode())
            for name in re.findall(r"'([^']+)'", command):
                if Path(name).is_file():
                    state.update(blake2b(Path(name).read_bytes()).digest())
        return state.hexdigest()

    def command(self, mode: str) -> str:
        """The shell command of a mode which answers each text that ends in NUL at once, and keeps word-bound blanks.

        mode (str): One of `modes`.
        RETURNS (str): The command. Its first argument says what becomes of unknown words.
        """
        helper = shutil.which("apertium-wblank-mode", path=self.env["PATH"])
        if helper is None:
            raise XprojError(
                f"The program 'apertium-wblank-mode' was not found beside {self.program}. Carrying spans needs "
                "Apertium 3.8 or newer: install it."
            )
        command = self._run([helper, "-z", str(self._file(mode))]).strip()
        return re.sub(r"autogen\.\w+'?[^|]*(?=\|)", lambda found: f"{found[0]}| {FORMS} ", command, count=1)

    def _file(self, mode: str) -> Path:
        return self.folder / f"{mode}.mode"

    def _run(self, command: list[str]) -> str:
        got = subprocess.run(command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf8")
        if got.returncode:
            said = got.stderr.strip()[-500:] or "nothing on stderr"
            raise XprojError(f"{' '.join(command)} ended with exit code {got.returncode}: {said}.")
        return got.stdout


class Running:
    """A mode that is kept running: starting one takes longer than translating a hundred sentences.

    command (str): The shell command, as `Installation.command` gives it.
    argument (str): Its argument: "-n", or "-g" to have marks at unknown words.
    env (dict[str, str]): Its environment.
    """

    def __init__(self, command: str, argument: str, env: dict[str, str]):
        self.errors = TemporaryFile()  # noqa: SIM115
        # The shell must not hold the output open, or the end of the last program would go unnoticed. And it all runs in
        # a session of its own, so that it can be ended at once.
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec 3<&0; <&3 {command} & exec 3<&- >&-; wait $!", "bash", argument, ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            bufsize=0,
            env=env,
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout
        self.input, self.output = self.process.stdin, self.process.stdout
        os.set_blocking(self.input.fileno(), False)
        self.close = weakref.finalize(self, end, self.process, self.errors, os.getpid())

    def run(self, streams: Sequence[str]) -> list[str]:
        """Translate texts.

        streams (sequence of str): Texts in stream format.
        RETURNS (list of str): One each.
        RAISES (Broken): If that did not work. Nothing more is to be asked of it then.
        """
        whole = False
        try:
            out = self._exchange("".join(f"{each}\0" for each in (*streams, END)).encode())
            found = out.decode("utf8", "replace").split("\0")[:-2]
            if len(found) != len(streams):
                raise Broken(f"it gave {len(found)} translations of {len(streams)} texts")
            whole = True
            self.errors.seek(0)  # the programs share this place in the file
            self.errors.truncate()  # now, not before: one that fails at once has said why by then
            return found
        except OSError as err:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.errors.seek(0)
            said = self.errors.read().decode("utf8", "replace").strip()[-500:]
            code = self.process.returncode
            raise Broken(f"it stopped with exit code {code}, and said: {said or 'nothing'}") from err
        finally:
            if not whole:  # an interrupt, too, leaves answers in the pipe
                self.close()

    def _exchange(self, data: bytes) -> bytes:
        """Write and read by turns, for the pipes hold little."""
        out = bytearray()
        mark = f"\0{END}\0".encode()
        with selectors.DefaultSelector() as ready:
            ready.register(self.output, selectors.EVENT_READ)
            ready.register(self.input, selectors.EVENT_WRITE)
            rest = memoryview(data)
            while not (b"\0" + out[-len(mark) :]).endswith(mark):
                events = ready.select(PATIENCE)
                if not events:
                    raise Broken(f"it gave no output for {PATIENCE:.0f} s")
                for key, _ in events:
                    if key.fileobj is self.input:
                        rest = rest[os.write(self.input.fileno(), rest[: 1 << 16]) :]
                        if not rest:
                            ready.unregister(self.input)
                        continue
                    chunk = os.read(self.output.fileno(), 1 << 16)
                    if not chunk:
                        raise BrokenPipeError
                    out += chunk
        return bytes(out)


def end(process: subprocess.Popen, errors: IO[bytes], owner: int) -> None:
    """End a running mode. In a forked process only the copies of its pipes are closed."""
    for file in (process.stdin, process.stdout, errors):
        if file:
            file.close()
    if os.getpid() != owner:
        process.returncode = 0  # no child of this process, so nothing to wait for
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
