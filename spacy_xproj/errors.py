"""The errors of the package: full sentences that say what was expected, what came, and what to do."""

from pathlib import Path
from typing import Optional, Union


class XprojError(ValueError):
    """Something that the user can mend. The command line prints it and exits with 1."""


class InputError(XprojError):
    """A file that cannot be used.

    path (str or Path): The file.
    line (Optional[int]): The line, counted from 1, where one is to blame.
    message (str): What was expected, what came, and what to do.
    """

    def __init__(self, path: Union[str, Path], line: Optional[int], message: str):
        where = f"{path}, line {line}" if line is not None else f"{path}"
        super().__init__(f"{where}: {message}")
        self.path, self.line, self.message = path, line, message

    def __reduce__(self):  # workers send it to their parent
        return type(self), (self.path, self.line, self.message)


class NotFittedError(XprojError):
    """A part that learns from the corpus was called before it saw one.

    what (str): The part, by its registered name.
    """

    def __init__(self, what: str):
        super().__init__(
            f"{what} has not been fitted. Fit it on a corpus in one of three ways: "
            "nlp.initialize(get_examples); spacy_xproj.fit(nlp, docs), or 'xproj fit' and the --fit-on option on "
            "the command line; or load a pipeline that was saved with it fitted."
        )
        self.what = what

    def __reduce__(self):
        return type(self), (self.what,)
