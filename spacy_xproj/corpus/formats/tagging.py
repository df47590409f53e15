"""Tags of token classification: what is one, and the spans that they tell."""

import re
from collections import Counter
from collections.abc import Sequence

from .record import Mark
from .report import Report

# Several tags in one, as "B-LOC,B-ORG" of several annotators, are no tag: which one is meant is not known.
TAG = re.compile(r"[Oo-]|[BILUESMbilu][-_](?!.*[,;|/][BILUESM]-)\S(.*\S)?")
SUFFIXED = re.compile(r"[^\W\d].*[-_][BILUESM]")  # PER-B, as some corpora have it
BARE = re.compile(r"[BIO]")  # of files with one kind of entity that has no name
# A label without a prefix, as in Few-NERD. A capital and a hyphen are more likely a prefix that is not known.
PLAIN = re.compile(r"(?![A-Za-z][-_]|[_*(])[^\W\d][\w/.&+-]*")
UNNAMED = "ENTITY"
# I, E (BIOES), L (BILOU) and M (BMES) go on; U and S are whole.
GOING_ON = "ILEM"
OPEN = "BIM"
FEW = 10  # entities that do not tell IOB1 from a file with mistakes


class TagReader:
    """Turn the tags of a file's sentences into spans, and find which scheme they follow.

    A tag that goes on with what did not begin opens a span. In IOB1 that is the rule: there B- stands only between
    neighbours of one label. In any other file it is counted as `orphan_i`. Which one it is shows in the course of
    the file, so that `close` must be called at its end.

    report (Report): Is told of orphans.
    scheme (str): What the tags look like, see `scheme_of`.
    """

    def __init__(self, report: Report, scheme: str = "prefixed"):
        self.report, self.scheme = report, scheme
        self.orphans: list[tuple[int, str]] = []
        self.seen: Counter = Counter()

    def spans(self, tags: Sequence[str], lines: Sequence[int]) -> tuple[list[Mark], list[int]]:
        """Read the tags of a sentence.

        tags (sequence of str): One a token; "-" where the label is not known.
        lines (sequence of int): Where they stand in the file.
        RETURNS (list of Mark, list of int): The spans, and the tokens whose label is not known.
        """
        marks: list[Mark] = []
        inside = last = ""  # the label that may go on, and the label of the token before
        for i, tag in enumerate(tags):
            prefix, label = self.split(tag)
            if label and prefix in GOING_ON and label == inside:
                marks[-1].end = i + 1
            elif label:
                marks.append(Mark(i, i + 1, label, words=True))
                if prefix in GOING_ON and self.scheme != "plain":
                    self.orphan(lines[i], tag)
                elif prefix == "B":
                    self.seen["between" if label == last else "begin"] += 1
                else:
                    self.seen["begin"] += 1
            inside = label if prefix in OPEN else ""
            last = label
        if self.seen["begin"]:
            self.flush()
        return marks, [i for i, tag in enumerate(tags) if tag == "-"]

    def split(self, tag: str) -> tuple[str, str]:
        """The prefix and the label of a tag; no label for tokens outside."""
        if tag in ("O", "o", "-"):
            return tag, ""
        if self.scheme == "plain":
            return "I", tag
        if self.scheme == "suffixed":
            return tag[-1], tag[:-2]
        return tag[0].upper(), tag[2:] or UNNAMED

    def orphan(self, line: int, tag: str) -> None:
        self.orphans.append((line, tag))

    def flush(self) -> None:
        for line, tag in self.orphans:
            self.report.note("orphan_i", line, f"{tag} continues nothing")
        self.orphans.clear()

    def close(self) -> None:
        """Say at the end of the file which orphans were none."""
        if self.seen["begin"] or not (self.seen["between"] or len(self.orphans) >= FEW):
            self.flush()


def is_tag(tag: str, scheme: str) -> bool:
    """Whether a value is a tag in a column of this scheme (see `scheme_of`)."""
    if scheme == "suffixed" and SUFFIXED.fullmatch(tag):
        return True
    return scheme == "plain" or TAG.fullmatch(tag) is not None or (scheme == "bare" and tag in "BIO")


def scheme_of(values: Counter) -> tuple[str, float]:
    """What the values of a column are.

    values (Counter): How often each value occurs.
    RETURNS (str, float): "prefixed" for B-LABEL and such, "suffixed" for LABEL-B, "bare" for B, I and O alone, "plain"
        for labels without a prefix; and the share of values that are such tags, 0 for a column of anything else.
    """
    total = sum(values.values())
    if not total:
        return "prefixed", 0.0
    bare = sum(n for tag, n in values.items() if BARE.fullmatch(tag))
    if bare == total and values["O"] < total <= 2 * values["O"]:
        return "bare", 1.0
    labels = [tag for tag in values if tag != "O"]
    prefixed = all(TAG.fullmatch(tag) for tag in labels)
    if labels and "O" in values and not prefixed and all(SUFFIXED.fullmatch(tag) for tag in labels):
        return "suffixed", 1.0
    often = total >= FEW and 0 < len(labels) <= 100 and values["O"] == max(values.values())
    if often and all(PLAIN.fullmatch(tag) for tag in labels):
        return "plain", 1.0
    return "prefixed", sum(n for tag, n in values.items() if TAG.fullmatch(tag)) / total
