import numpy as np
import pytest
import spacy
from spacy.training import Example

import spacy_xproj
from spacy_xproj.aligners.ensemble import NAME, EnsembleAligner
from spacy_xproj.aligners.pharaoh import PharaohAligner
from spacy_xproj.aligners.statistical import StatisticalAligner
from spacy_xproj.bitext import Links
from spacy_xproj.errors import InputError, NotFittedError, XprojError
from spacy_xproj.registry import registry
from spacy_xproj.ty import Aligner
from tests.aligners.test_statistical import corpus, pair, same
from tests.conftest import Diagonal, Learner, payload_doc, state

TWO = {
    "@xproj_aligners": NAME,
    "aligners": {
        "posterior": {"@xproj_aligners": "spacy_xproj.Statistical.v1"},
        "whole": {"@xproj_aligners": "spacy_xproj.Statistical.v1", "stem": 0, "symmetrization": "union"},
    },
}


class Given:
    """Gives the same links for every sentence pair."""

    def __init__(self, **links):
        self.links = {tuple(map(int, key[1:].split("_"))): score for key, score in links.items()}

    def __call__(self, pairs):
        scores = np.array(list(self.links.values()), "f4")
        return [Links(np.array(list(self.links), "i4").reshape(-1, 2), scores, {"half": scores / 2}) for _ in pairs]


P = pair("a b c", "u v w")
PARTS = {"one": Given(l2_2=0.8, l0_0=1.0), "two": Given(l0_0=0.5, l1_1=1.0), "none": Given()}


def scores(links):
    return {tuple(link): round(float(score), 5) for link, score in zip(links.links.tolist(), links.scores)}


def test_registered():
    assert registry.xproj_aligners.get(NAME) is EnsembleAligner


@pytest.mark.parametrize(
    "names, settings, expected",
    [
        (["one"], {}, {(0, 0): 1, (2, 2): 0.8}),
        (["one", "two"], {}, {(0, 0): 0.75, (1, 1): 0.5, (2, 2): 0.4}),
        (["two", "one"], {"threshold": 0.45}, {(0, 0): 0.75, (1, 1): 0.5}),
        (["one", "two"], {"threshold": 0.5}, {(0, 0): 0.75}),  # above it, not at it
        (["one", "two"], {"weights": {"two": 3.0, "one": 1.0}}, {(0, 0): 0.625, (1, 1): 0.75, (2, 2): 0.2}),
        (["one", "two", "none"], {"threshold": 0.3}, {(0, 0): 0.5, (1, 1): 0.33333}),
        (["none"], {}, {}),
    ],
)
def test_votes(names, settings, expected):
    aligner = EnsembleAligner({name: PARTS[name] for name in names}, **settings)
    (links,) = aligner([P])
    assert scores(links) == expected
    assert links.links.dtype == np.int32 and links.links.shape == (len(expected), 2)
    assert links.scores.dtype == np.float32 and links.links.tolist() == sorted(links.links.tolist())


def test_evidence_of_each_part():
    (links,) = EnsembleAligner({"one": PARTS["one"], "two": PARTS["two"]})([P])
    expected = {"one": [1, 0, 0.8], "one.half": [0.5, 0, 0.4], "two": [0.5, 1, 0], "two.half": [0.25, 0.5, 0]}
    assert links.evidence.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(links.evidence[name], values, rtol=1e-6)
        assert links.evidence[name].dtype == np.float32
    inner = EnsembleAligner({"two": PARTS["two"]})
    (links,) = EnsembleAligner({"inner": inner, "one": PARTS["one"]}, threshold=0.45)([P])
    assert list(links.evidence) == ["inner", "inner.two", "inner.two.half", "one", "one.half"]
    assert links.evidence["inner.two.half"].tolist() == [0.25, 0.5]


def test_links_in_any_order_and_empty_sides():
    (links,) = EnsembleAligner({"a": Given(l2_0=1.0, l0_1=0.5), "b": Given(l0_1=0.5, l2_0=0.25)})([P])
    assert scores(links) == {(0, 1): 0.5, (2, 0): 0.625}
    found = EnsembleAligner({"diagonal": Diagonal(), "none": Given()})([pair("", "u"), pair("a", ""), P])
    assert [len(x.links) for x in found] == [0, 0, 3]
    assert EnsembleAligner({"diagonal": Diagonal()})([]) == []


def test_fittable_only_where_a_part_is():
    plain = EnsembleAligner({"diagonal": Diagonal(), "file": PharaohAligner()})
    assert isinstance(plain, Aligner) and not plain.fittable
    assert EnsembleAligner({"diagonal": Diagonal(), "learner": Learner()}).fittable
    outer = EnsembleAligner({"inner": EnsembleAligner({"learner": Learner()})})
    assert outer.fittable and not outer.fitted


def test_fits_its_parts_in_order():
    order = []

    class Ordered(Learner):
        def fit(self, pairs):
            super().fit(pairs)
            order.append(self)

    first, second = Ordered(), Ordered()
    aligner = EnsembleAligner({"z": first, "diagonal": Diagonal(), "a": second})
    with pytest.raises(NotFittedError):
        aligner([P])
    first.fit([P])
    assert not aligner.fitted
    order.clear()
    aligner.fit(iter([P, pair("d", "x")]))  # can be read only once
    assert order == [first, second] and aligner.fitted
    assert first.seen == second.seen == {"a", "b", "c", "d"}


def test_a_part_that_gives_too_little():
    aligner = EnsembleAligner({"short": lambda pairs: []})
    with pytest.raises(XprojError, match=r"'short' gave the links of 0 of 1"):
        aligner([P])


def fitted_two():
    aligner = EnsembleAligner({"posterior": StatisticalAligner(), "whole": StatisticalAligner(stem=0)})
    aligner.fit(corpus(60))
    return aligner


def test_serialization(tmp_path):
    aligner = fitted_two()
    fresh = EnsembleAligner({"posterior": StatisticalAligner(), "whole": StatisticalAligner(stem=0)})
    before = fresh.provenance
    assert fresh.from_bytes(aligner.to_bytes()) is fresh and fresh.fitted
    assert fresh.to_bytes() == aligner.to_bytes()
    assert fresh.provenance == aligner.provenance != before
    aligner.to_disk(tmp_path / "ensemble")
    assert {path.name for path in (tmp_path / "ensemble").iterdir()} == {"state.msgpack", "posterior", "whole"}
    turned = EnsembleAligner({"whole": StatisticalAligner(stem=0), "posterior": StatisticalAligner()})
    turned.from_disk(tmp_path / "ensemble")  # by name, not by place
    pairs = list(corpus(20, seed=3))
    for a, b, c in zip(aligner(pairs), fresh(pairs), turned(pairs)):
        same(a, b)
        assert np.array_equal(a.links, c.links) and np.array_equal(a.scores, c.scores)


def test_state_that_does_not_fit(tmp_path):
    other = EnsembleAligner({"posterior": StatisticalAligner(), "words": StatisticalAligner(stem=0)})
    with pytest.raises(XprojError, match="'posterior', 'whole' instead of 'posterior', 'words'"):
        other.from_bytes(fitted_two().to_bytes())
    for data in (b"", b"\x80", b"\xc1", StatisticalAligner().to_bytes()):
        with pytest.raises(XprojError, match="state"):
            other.from_bytes(data)
    with pytest.raises(InputError, match="absent"):
        other.from_disk(tmp_path / "absent")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"aligners": {}}, "at least one aligner"),
        ({"aligners": {"a": "fast_align"}}, "must be of the kind Aligner, not 'fast_align'"),
        ({"aligners": {"a.b": Diagonal()}}, r"name.*'a\.b'"),
        ({"aligners": {"a": Diagonal()}, "weights": {}}, r"weights.*\(a\).*none"),
        ({"aligners": {"a": Diagonal()}, "weights": {"a": 1.0, "b": 1.0}}, r"weights.*\(a\).*a, b"),
        ({"aligners": {"a": Diagonal()}, "weights": {"a": 0.0}}, "weight of 'a'"),
        ({"aligners": {"a": Diagonal()}, "weights": {"a": float("nan")}}, "weight of 'a'"),
        ({"aligners": {"a": Diagonal()}, "threshold": 1.0}, "threshold"),
        ({"aligners": {"a": Diagonal()}, "threshold": -0.1}, "threshold"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(XprojError, match=message):
        EnsembleAligner(**settings)


# In a pipeline


def made(**settings):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_aligner", config={"aligner": {**TWO, **settings}})
    return nlp


def docs_of(nlp, **settings):
    return [payload_doc(nlp, p.target, p.source) for p in corpus(40, **settings)]


def test_from_a_config_to_disk_and_back(tmp_path):
    nlp, by_fit = made(weights={"posterior": 2.0, "whole": 1.0}, threshold=0.2), made()
    nlp.initialize(lambda: [Example(doc, doc.copy()) for doc in docs_of(nlp)])
    assert spacy_xproj.fit(by_fit, docs_of(by_fit)) == ["xproj_aligner"]
    want = [state(doc) for doc in nlp.pipe(docs_of(nlp, seed=5), batch_size=1)]
    assert all(len(doc[3].links) for doc in want)
    assert {"posterior", "posterior.forward", "whole", "whole.reverse"} <= set(want[0][3].evidence)
    assert want[0][3].provenance["aligner"].startswith(NAME)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for batch_size in (1, 7, 100):
        assert [state(doc) for doc in loaded.pipe(docs_of(loaded, seed=5), batch_size=batch_size)] == want
    assert [state(doc) for doc in loaded.pipe(docs_of(loaded, seed=5), batch_size=7, n_process=2)] == want
    assert by_fit.get_pipe("xproj_aligner").to_bytes() == nlp.get_pipe("xproj_aligner").to_bytes()


def test_parts_that_do_not_learn_need_no_fitting(tmp_path):
    nlp = spacy.blank("es")
    diagonal = {"@xproj_aligners": "test.Diagonal.v1"}
    nlp.add_pipe("xproj_aligner", config={"aligner": {"@xproj_aligners": NAME, "aligners": {"a": diagonal}}})
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        assert not pipeline.get_pipe("xproj_aligner").unfitted()
        assert pipeline(payload_doc(pipeline, "u v", "a b"))._.xproj.links.tolist() == [[0, 0], [1, 1]]
