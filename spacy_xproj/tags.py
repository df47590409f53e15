"""Tag schemes, and the best valid sequence of tags under a distribution a token."""

import re
from collections.abc import Sequence

import numpy as np

from .errors import XprojError

OUTSIDE = "O"
SCHEMES = ("auto", "IO", "IOB1", "IOB2", "BIOES")
# The same roles go by several letters: BILOU's last and unit are BIOES's end and single, and BMES has a middle.
ROLES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
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
        self.roles, types = parse(self.labels)
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


def parse(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """The role (O, B, I, E, S) and the entity type of each label; "" is the type of O.

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

    roles, types (sequences of str): From `parse`.
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
