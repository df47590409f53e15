"""What a file says of one Doc."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional


@dataclass
class Mark:
    """A labeled span as a file has it.

    start, end (int): Half-open offsets of characters, or of words where `words` is set.
    text (Optional[str]): The text of the span, where the file tells it.
    line (Optional[int]): Where it stands, where that is not the line of its record.
    """

    start: int
    end: int
    label: str
    id: str = ""
    text: Optional[str] = None
    words: bool = False
    line: Optional[int] = None


@dataclass
class Record:
    """What a file says of one Doc.

    line (int): Where it starts.
    text (Optional[str]): The running text. None: made of the words.
    words (Optional[list[str]]): The tokens. None: the tokenizer splits the text.
    spaces (Optional[list[bool]]): Whether a space follows each word. None: from the text, or guessed.
    marks (Optional[list[Mark]]): The labeled spans. None: not labeled.
    missing (sequence of int): Words whose label is not known.
    nested (bool): Whether spans may overlap, so that all are kept in `doc.spans["gold"]`.
    meta (dict): Becomes `doc.user_data["meta"]`.
    source (Optional[str]): The source side of a bitext.
    """

    line: int
    text: Optional[str] = None
    words: Optional[list[str]] = None
    spaces: Optional[list[bool]] = None
    marks: Optional[list[Mark]] = None
    missing: Sequence[int] = ()
    nested: bool = True
    meta: dict[str, Any] = field(default_factory=dict)
    source: Optional[str] = None
