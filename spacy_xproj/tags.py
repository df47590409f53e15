"""Tag schemes: how tags make entities, the best valid sequence of tags, and distributions over tags converted to IOB2.

spaCy's `iob_utils` are not used here: they know BILUO and IOB2 but not IO, IOB1 and BIOES, `doc_to_biluo_tags` cannot
tell a missing value from "O", and `biluo_to_iob` changes labels that contain "U-" or "L-".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Optional

import numpy as np

from .errors import XprojError
from .sentences import sentence_offsets

if TYPE_CHECKING:
    from spacy.tokens import Doc

OUTSIDE = "O"
SCHEMES = ("auto", "IO", "IOB1", "IOB2", "BIOES")
# The same roles go by several letters: BILOU's last and unit are BIOES's end and single, and BMES has a middle.
ROLES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
IOB2_ROLES = {letter: "B" if role in "BS" else "I" for letter, role in ROLES.items()}
TAG_ROLES = {"IOB2": "BI", "BIOES": "BIES"}  # the schemes that tags are made in, and the tags of each type
PREFIXED = re.compile(r"(?P<role>[BIMELSU])-(?P<type>.+)")
SUFFIXED = re.compile(r"(?P<type>.+)-(?P<role>[BIMELSU])")
TINY = np.finfo("f4").tiny  # stands in for a probability of 0: its logarithm is finite, so a valid sequence always is


class TagScheme:
    """How tags make entities.

    labels (sequence of str): The tags: "O", and for instance "B-PER", "PER-B", or plain "PER".
    scheme (str): "IO": a run of tags of one type is an entity. "IOB2": each entity begins with B. "IOB1" (Ramshaw and
        Marcus 1995): only one that follows another of its type does. "BIOES": its last and its only word have tags of
        their own, as in BILOU. "auto": the labels tell, for a type that can go on but never begin (I-PER without B-PER)
        is found in IOB1 only. Labels that are all in pairs of B and I are taken for IOB2.
    RAISES (XprojError): If the labels are not in a known scheme, or not in the one that is named.

    Attributes: `scheme` (str), never "auto"; `types` (list of str), the entity types in the order of the labels.
    """

    def __init__(self, labels: Sequence[str], scheme: str = "auto"):
        if scheme not in SCHEMES:
            raise XprojError(f"Expected one of the tag schemes {', '.join(map(repr, SCHEMES))}, got {scheme!r}.")
        self.labels = list(labels)
        self.roles, types = split_tags(self.labels)
        self.types = list(dict.fromkeys(filter(None, types)))
        fitting = fitting_schemes(self.roles, types)
        if scheme != "auto" and scheme not in fitting:
            raise XprojError(
                f"The labels {', '.join(self.labels)} cannot be tags of the scheme {scheme!r}, only of "
                f"{' or '.join(map(repr, fitting))}. Set 'scheme' to that, or to 'auto'."
            )
        self.scheme = fitting[0] if scheme == "auto" else scheme
        self._types = np.array(types)
        self._transitions()

    def _transitions(self) -> None:
        """Masks of the tags that can come first and last, and of those that can follow each other."""
        roles, iob1 = np.array(self.roles), self.scheme == "IOB1"
        begins = np.isin(roles, ["O", "B", "S"]) | ((roles == "I") & (self.scheme in ("IO", "IOB1")))
        ends = np.isin(roles, ["O", "E", "S"])
        ends |= (roles == "B") & ("S" not in self.roles)  # an entity of one word
        ends |= (roles == "I") & ("E" not in self.roles)
        same = self._types[:, None] == self._types
        again = (roles == "B") & iob1  # such an entity has another of its type right before it
        self._goes_on = np.isin(roles, ["B", "I"])[:, None] & np.isin(roles, ["I", "E"]) & same
        self.first = begins & ~again
        self.last = ends
        self.follows = self._goes_on | (ends[:, None] & begins & (same | ~again))

    def valid(self, path: np.ndarray) -> bool:
        """Whether a sequence of tags is one of the scheme's.

        path (int array (n,)): Indices of labels.
        """
        if not len(path):
            return True
        return bool(self.first[path[0]] and self.last[path[-1]] and self.follows[path[:-1], path[1:]].all())

    def best(self, probabilities: np.ndarray) -> np.ndarray:
        """The valid sequence of tags with the highest product of probabilities, found by dynamic programming (Viterbi
        1967). Of equal ones that with the lower label, from the last token backwards.

        probabilities (float array (n, labels)): A distribution over the labels for each token.
        RETURNS (int array (n,)): Indices of labels.
        """
        n = len(probabilities)
        path = np.asarray(probabilities).argmax(1) if n else np.zeros(0, "i8")
        if self.valid(path):  # then nothing can be better
            return path
        logs = np.log(np.maximum(probabilities, TINY), dtype="f8")
        penalty = np.where(self.follows, 0.0, -np.inf)
        score = np.where(self.first, logs[0], -np.inf)
        back = np.zeros((n, len(self.labels)), "i8")
        for i in range(1, n):
            total = score[:, None] + penalty
            back[i] = total.argmax(0)
            score = total.max(0) + logs[i]
        path[-1] = np.where(self.last, score, -np.inf).argmax()
        for i in range(n - 1, 0, -1):
            path[i - 1] = back[i, path[i]]
        return path

    def entities(self, path: np.ndarray) -> list[tuple[int, int, str]]:
        """The entities of a valid sequence of tags.

        path (int array (n,)): Indices of labels.
        RETURNS (list of (int, int, str)): Half-open token offsets and the type, in text order.
        """
        found: list[tuple[int, int, str]] = []
        for i, tag in enumerate(path):
            if i and self._goes_on[path[i - 1], tag]:
                found[-1] = (found[-1][0], i + 1, found[-1][2])
            elif self.roles[tag] != "O":
                found.append((i, i + 1, str(self._types[tag])))
        return found


def make_tags(types: Sequence[str], scheme: str = "IOB2") -> list[str]:
    """Return the tags of entity types: "O", then B and I of each type, and in BIOES also E and S.

    types (sequence of str): The types.
    scheme (str): "IOB2" or "BIOES".
    RETURNS (list of str): The tags.
    """
    return [OUTSIDE, *(f"{role}-{kind}" for kind in types for role in TAG_ROLES[scheme])]


def split_tags(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the role (O, B, I, E, S) and the entity type of each label; "" is the type of O.

    labels (sequence of str): The labels.
    RAISES (XprojError): If there is no O, or if some have a role and others have not.
    """
    listed = ", ".join(map(str, labels))
    if list(labels).count(OUTSIDE) != 1:
        raise XprojError(f"Expected tags of entities, with one 'O' for words outside of them, got: {listed}.")
    inside = [label for label in labels if label != OUTSIDE]
    for pattern in (PREFIXED, SUFFIXED):
        matches = {label: match for label in inside if (match := pattern.fullmatch(label))}
        if matches and len(matches) < len(inside):
            other = next(label for label in inside if label not in matches)
            raise XprojError(
                f"The labels are in no known scheme of tags: {next(iter(matches))!r} says its place in the entity and "
                f"{other!r} does not. Expected labels such as B-PER (or PER-B) throughout, or PER, got: {listed}."
            )
        if matches:
            roles = [ROLES[matches[label]["role"]] if label in matches else "O" for label in labels]
            return roles, [matches[label]["type"] if label in matches else "" for label in labels]
    return ["O" if label == OUTSIDE else "I" for label in labels], ["" if x == OUTSIDE else x for x in labels]


def fitting_schemes(roles: Sequence[str], types: Sequence[str]) -> list[str]:
    """The schemes that labels can be of, the likelier one first.

    roles, types (sequences of str): From `split_tags`.
    RAISES (XprojError): If there is none.
    """
    found = set(roles) - {"O"}
    if found <= {"I"}:
        return ["IO"]
    if "B" not in found:
        kinds = ", ".join(sorted(set(types) - {""}))
        raise XprojError(
            f"The labels are in no known scheme of tags: with {', '.join(sorted(found))} alone for {kinds}, none "
            f"begins an entity. Expected one of {', '.join(SCHEMES[1:])}."
        )
    if not found <= {"B", "I"}:
        return ["BIOES"]
    begin = {kind for role, kind in zip(roles, types) if role == "B"}
    return ["IOB1"] if set(types) - {""} - begin else ["IOB2", "IOB1"]


def spans_to_iob2(spans: Iterable[tuple[int, int, str]], n: int, labels: Sequence[str]) -> np.ndarray:
    """Return the IOB2 tags of the tokens of a text.

    spans (iterable of (int, int, str)): Half-open token offsets and types. They do not overlap.
    n (int): The number of tokens.
    labels (sequence of str): From `make_tags`.
    RETURNS (int array (n,)): Indices of labels.
    """
    path = np.full(n, labels.index(OUTSIDE))
    for start, end, kind in spans:
        path[start] = labels.index(f"B-{kind}")
        path[start + 1 : end] = labels.index(f"I-{kind}")
    return path


def previous_words(doc: "Doc") -> np.ndarray:
    """Return for each token the one before it in its sentence that is not white space.

    doc (Doc): The Doc.
    RETURNS (int array (tokens,)): Indices of tokens; -1 where there is none.
    """
    found = np.full(len(doc), -1)
    for start, end in sentence_offsets(doc):
        last = -1
        for i in range(start, end):
            found[i] = last
            last = last if doc[i].is_space else i
    return found


def to_iob2(rows: np.ndarray, tags: TagScheme, before: Optional[np.ndarray] = None) -> np.ndarray:
    """Convert distributions over the tags of a scheme to distributions over IOB2 tags.

    "BIOES": a single word begins an entity and its last word goes on with it, so S is added to B and E to I. "IOB2":
    as they are, in another order. "IO" and "IOB1" do not say of a word inside of an entity whether it begins it: it
    goes on with one if the word before is in an entity of its type, and begins one if not. The teacher gives a
    distribution for each token by itself, so the two are taken as independent: with p the probability of the tag I-X
    of a token and q that of the token before to be in an X, by any tag, p * q goes to I-X and p * (1 - q) to B-X. The
    B-X of IOB1 stays B-X. Rows keep their sum.

    rows (float array (tokens, labels)): The distributions.
    tags (TagScheme): The scheme of their columns.
    before (Optional[int array (tokens,)]): See `previous_words`. None: it is one sentence, without white space.
    RETURNS (float64 array (tokens, tags)): The columns are `make_tags(tags.types)`.
    """
    iob2 = make_tags(tags.types)
    out = np.zeros((len(rows), len(iob2)))
    for column, role, kind in zip(np.asarray(rows, "f8").T, *split_tags(tags.labels)):
        out[:, iob2.index(f"{IOB2_ROLES[role]}-{kind}" if kind else OUTSIDE)] += column
    if tags.scheme in ("IO", "IOB1"):
        begin, inside = out[:, 1::2], out[:, 2::2]
        entity = begin + inside
        before = np.arange(-1, len(rows) - 1) if before is None else before
        goes_on = inside * np.where(before[:, None] < 0, 0.0, entity[before])
        begin += inside - goes_on
        inside[:] = goes_on
    return out


def convert_types(
    rows: np.ndarray, types: Sequence[str], wanted: Sequence[str], label_map: Mapping[str, str]
) -> np.ndarray:
    """Convert distributions over the IOB2 tags of some entity types to distributions over those of others.

    rows (float array (tokens, tags)): The columns are `make_tags(types)`.
    types (sequence of str): The types.
    wanted (sequence of str): The types to have. What goes to none of them goes to "O".
    label_map (mapping of str to str): Types that go by another name in `wanted`.
    RETURNS (float array (tokens, tags)): The columns are `make_tags(wanted)`.
    """
    matrix = np.zeros((1 + 2 * len(types), 1 + 2 * len(wanted)))
    matrix[0, 0] = 1
    for k, kind in enumerate(types):
        name = label_map.get(kind, kind)
        place = 1 + 2 * list(wanted).index(name) if name in wanted else None
        for shift in (0, 1):
            matrix[1 + 2 * k + shift, 0 if place is None else place + shift] = 1
    return rows @ matrix
