"""What a part can do, with defaults for those that do less."""

from spacy_xproj.aligners.pharaoh import PharaohAligner
from spacy_xproj.part import Composite, Part, as_part
from tests.conftest import Diagonal, Learner, bitext


def plain(pairs):
    return []


PAIR = bitext("a", [(0, 1, "X")]).pairs(("b",))[0]


def test_a_plain_function_is_a_part():
    part = as_part(plain)
    assert not part.fittable and part.fitted and part.provenance == "function"
    part.fit([])
    part.prepare([PAIR])
    part.restart()


def test_a_part_is_itself():
    part = Part()
    assert as_part(part) is part and part.provenance == "Part" and not part.fittable and part.fitted


def test_a_users_part_has_what_it_brings():
    assert as_part(Diagonal()).provenance == "diagonal"
    learner = Learner()
    assert as_part(learner).fittable and not as_part(learner).fitted
    as_part(learner).fit([PAIR])
    assert as_part(learner).fitted and learner.seen == {"a"}


class Both(Composite):
    def __init__(self, **parts):
        self.parts = parts

    def members(self):
        return self.parts


def test_a_part_of_parts_can_what_one_of_them_can():
    assert not Both(one=plain, other=Diagonal()).fittable and Both(one=plain).fitted
    one, other = Learner(), Learner()
    both = Both(inner=Both(one=one), other=other, plain=plain)
    assert both.fittable and not both.fitted and not both.positional
    both.fit(iter([PAIR]))
    assert both.fitted and one.seen == other.seen == {"a"}
    assert Both(file=PharaohAligner(), plain=plain).positional
    both.prepare(iter([PAIR]))
    both.restart()
