"""Apertium (Forcada et al. 2011; Khanna et al. 2021) as translator: rule-based, no model, and it carries spans."""

import os
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Union

from ..codes import macro_language, parse
from ..errors import XprojError
from ..programs import check_program
from ..ty import CharSpan, Translation
from .apertium_run import FIRST, INSTALL, Broken, Installation, Running
from .apertium_stream import read, squeezed, write
from .checks import warn_about

NAME = "spacy_xproj.Apertium.v1"
PROGRAM = "apertium"
PLAIN = re.compile(r"[a-z]{2,3}-[a-z]{2,3}")


class Apertium:
    """`spacy_xproj.Apertium.v1`: Apertium, as the system has it installed. It carries spans, too. Each text is
    translated by itself: neither its neighbors nor what came before make a difference (measured for English, Spanish,
    Catalan, Galician and Esperanto as source).

    Nothing is started before the first text. A mode, once used, is kept running until `close`, or until the object is
    gone. A forked process starts its own.

    program (str): Name or path of the program `apertium`. Another one must be allowed, see `spacy_xproj.programs`.
    data (str): The folder that holds Apertium's `modes`, which are commands, so that it must be allowed, too. "": where
        the program itself looks.
    mark_unknown (bool): Leave Apertium's marks in the translation: "*" before a word that it does not know.
    RAISES (XprojError): If it names a program or a folder, and that is not allowed.
    """

    def __init__(self, program: str = PROGRAM, data: str = "", mark_unknown: bool = False):
        named = {"program": program} if program != PROGRAM else {}
        check_program(NAME, **named, **({"data": data} if data else {}))
        self.program, self.data, self.mark_unknown = program, data, mark_unknown
        self._running: dict[str, Running] = {}
        self._pid = os.getpid()

    @cached_property
    def _installed(self) -> Installation:
        return Installation(self.program, self.data)

    @cached_property
    def key(self) -> str:
        """The version of Apertium, a hash of its installed data, and the settings."""
        return f"{NAME} {self._installed.version} {self._installed.digest()}" + " marked" * self.mark_unknown

    @property
    def provenance(self) -> str:
        return self._installed.version

    def __call__(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[Translation]:
        """Translate texts.

        texts (sequence of str): The texts. White space in them counts as single blanks.
        source_lang, target_lang (str): Language codes, of ISO 639-1 or 639-3. Regions make no difference.
        RETURNS (list of Translation): One a text; its text is None where Apertium broke down, of which a warning says
            more.
        RAISES (XprojError): If Apertium or the pair of languages is not installed, or does not work.
        """
        return [Translation(each.text) for each in self.carry(texts, [()] * len(texts), source_lang, target_lang)]

    def carry(
        self, texts: Sequence[str], spans: Sequence[Sequence[CharSpan]], source_lang: str, target_lang: str
    ) -> list[Translation]:
        """Translate texts with spans in them. The marks of spans can make a text come out otherwise than without.

        spans (sequence of sequences of (start, end, id)): For each text its spans, which may nest.
        RETURNS (list of Translation): One a text. Each span that came through is one stretch of the translation; how
            pieces are put together, see `apertium_stream.read`.
        RAISES (XprojError): As for translating.
        """
        if len(spans) != len(texts):
            raise XprojError(f"Expected one list of spans a text, got {len(spans)} lists and {len(texts)} texts.")
        mode = self.mode(source_lang, target_lang)
        written = [write(text, own) for text, own in zip(texts, spans)]
        # The stream tells texts with other spans apart; the text is for the warning.
        todo = {stream: text for text, (stream, _) in zip(texts, written) if squeezed(text)}
        if self._pid != os.getpid():  # forked: what runs is the parent's
            self.close()
            self._pid = os.getpid()
        out = dict(zip(todo, self._translate(mode, list(todo))))
        lost = [text for stream, text in todo.items() if isinstance(out[stream], Broken)]
        if lost:
            why = next(each for each in out.values() if isinstance(each, Broken))
            warn_about(lost, len(todo), f"could not be translated by Apertium ({mode}: {why})")
        found = []
        for stream, ids in written:
            got = out.get(stream, "")
            found.append(Translation(None) if isinstance(got, Broken) else Translation(*read(got, ids)))
        return found

    def mode(self, source_lang: str, target_lang: str) -> str:
        """The installed mode of a pair of languages.

        source_lang, target_lang (str): Language codes.
        RETURNS (str): Such as "eng-spa".
        RAISES (XprojError): If there is none.
        """
        modes = [mode for mode in self._installed.modes if PLAIN.fullmatch(mode)]
        asked = [parse(lang).language for lang in (source_lang, target_lang)]
        pairs = [mode.split("-") for mode in modes]
        fits = [pair for pair in pairs if [*map(macro_language, pair)] == [*map(macro_language, asked)]]
        if fits:
            return "-".join(min(fits, key=lambda pair: sum(a != b for a, b in zip(pair, asked))))
        raise XprojError(
            f"Apertium has no translation from {source_lang!r} to {target_lang!r} installed; it has: "
            f"{', '.join(modes) or 'none'}. Debian's packages are called apertium-SOURCE-TARGET and hold both "
            f"directions, such as: {INSTALL}."
        )

    def close(self) -> None:
        """End the programs that were started. The next text starts them again."""
        for running in self._running.values():
            running.close()
        self._running.clear()

    def _translate(self, mode: str, streams: list[str]) -> list[Union[str, Broken]]:
        """Where it breaks, halves are tried by themselves, down to the one text that is at fault."""
        if not streams:
            return []
        try:
            return [*self._run(mode, streams)]
        except Broken as err:
            if len(streams) > 1:
                half = len(streams) // 2
                return self._translate(mode, streams[:half]) + self._translate(mode, streams[half:])
            try:
                self._run(mode, [])
            except Broken:
                raise XprojError(
                    f"Apertium's mode {mode!r} in {self._installed.folder} does not work: {err}. "
                    "Install the data of this pair of languages again."
                ) from err
        try:
            return [*self._run(mode, streams)]
        except Broken as err:
            return [err]

    def _run(self, mode: str, streams: list[str]) -> list[str]:
        running = self._running.pop(mode, None)  # nobody else has it now, and only what did not break is put back
        if running is None:
            command = self._installed.command(mode)
            running = Running(command, "-g" if self.mark_unknown else "-n", self._installed.env)
            found = running.run([FIRST, *streams])[1:]
        else:
            found = running.run(streams)
        self._running[mode] = running
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.program, self.data, self.mark_unknown)
