import random
from itertools import pairwise

import pytest
import spacy
from spacy.tokens import Doc

import spacy_xproj
from spacy_xproj.errors import NotFittedError, XprojError
from spacy_xproj.fitting import MAX_FIT, Sample, fit, unfitted
from spacy_xproj.registry import registry
from spacy_xproj.similarities.links import LinkSimilarity
from tests.conftest import payload_doc, state

LEARNER = {"aligner": {"@xproj_aligners": "test.Learner.v1"}}


class Weighted:
    """Links.v1 times the share of the corpus's words that are linked, which it must learn."""

    def __init__(self):
        self.fitted, self.share, self.links = False, 1.0, LinkSimilarity()

    def fit(self, pairs):
        n = linked = 0
        for pair in pairs:
            n += len(pair.target)
            linked += len({j for _, j in pair.links.tolist()})
        self.share, self.fitted = linked / n, True

    def __call__(self, pair, candidates=None):
        cells = self.links(pair, candidates)
        return cells._replace(score=cells.score * self.share)

    def to_bytes(self):
        return repr((self.fitted, self.share)).encode()

    def from_bytes(self, data):
        raise NotImplementedError


registry.xproj_similarities.register("test.Weighted.v1", func=Weighted)


LINKS = {"similarity": {"@xproj_similarities": "spacy_xproj.Links.v1"}}


def made(*names):
    nlp = spacy.blank("es")
    for name in names or ("xproj_aligner",):
        nlp.add_pipe(name, config={"xproj_aligner": LEARNER, "xproj_matcher": LINKS}.get(name, {}))
    return nlp


def docs_of(nlp, texts):
    return [payload_doc(nlp, text, text.split()[::-1], [(0, 1, "X")]) for text in texts]


def test_fit_and_unfitted():
    nlp = made("xproj_aligner", "xproj_matcher")
    assert unfitted(nlp) == ["xproj_aligner"]
    assert fit(nlp, docs_of(nlp, ["a b", "c"])) == ["xproj_aligner"]
    assert unfitted(nlp) == []
    aligner = nlp.get_pipe("xproj_aligner").aligner
    assert aligner.seen == {"a", "b", "c"}
    assert fit(nlp, docs_of(nlp, ["d"])) == [] and aligner.calls == 1
    assert fit(nlp, docs_of(nlp, ["d"]), refit=True) == ["xproj_aligner"]
    assert aligner.seen == {"d"}
    assert spacy_xproj.fit is fit


def test_docs_are_left_unchanged():
    nlp = made("xproj_aligner", "xproj_matcher", "xproj_projector")
    docs = [*docs_of(nlp, ["a b", "c"]), payload_doc(nlp, "u", "a", [(0, 1, "X")], "0-0")]
    before = [doc.to_bytes() for doc in docs]
    fit(nlp, docs)
    assert [doc.to_bytes() for doc in docs] == before


def test_each_pipe_is_fitted_on_the_output_of_those_before():
    nlp = made()
    nlp.add_pipe("xproj_matcher", config={"similarity": {"@xproj_similarities": "test.Weighted.v1"}})
    assert unfitted(nlp) == ["xproj_aligner", "xproj_matcher"]
    assert fit(nlp, docs_of(nlp, ["a b", "c d"])) == ["xproj_aligner", "xproj_matcher"]
    assert nlp.get_pipe("xproj_matcher").similarity.share == 1  # links came from the aligner, just fitted
    disabled = made()
    disabled.add_pipe("xproj_matcher", config={"similarity": {"@xproj_similarities": "test.Weighted.v1"}})
    disabled.disable_pipe("xproj_aligner")
    assert fit(disabled, docs_of(disabled, ["a b", "c d"])) == ["xproj_matcher"]
    assert disabled.get_pipe("xproj_matcher").similarity.share == 0


def test_what_is_not_needed_is_not_fitted():
    nlp = made()
    linked = [payload_doc(nlp, "a", "a", links="0-0"), payload_doc(nlp, "b", "b", provenance={"aligner": "given"})]
    assert fit(nlp, linked) == [] and unfitted(nlp)
    assert fit(nlp, [*linked, payload_doc(nlp, "c", "c")]) == ["xproj_aligner"]


def test_generators_are_refused():
    nlp = made()
    with pytest.raises(XprojError, match="give a list, not a generator"):
        fit(nlp, (doc for doc in docs_of(nlp, ["a"])))
    with pytest.raises(XprojError, match="give a list, not a generator"):
        fit(nlp, iter(docs_of(nlp, ["a"])))
    with pytest.raises(XprojError, match="not one Doc"):
        fit(nlp, [])
    with pytest.raises(XprojError, match="max_fit must be at least 1"):
        fit(nlp, docs_of(nlp, ["a"]), max_fit=0)
    assert unfitted(nlp)
    assert fit(nlp, tuple(docs_of(nlp, ["a"])))


def test_the_sample_does_not_depend_on_the_order():
    nlp = made()
    texts = [f"t{k}" for k in range(30)] + ["twice"] * 2 + ["often"] * 10
    docs = docs_of(nlp, texts)
    before = set()
    for size in range(1, len(texts) + 2):
        chosen = None
        for seed in range(4):
            random.Random(seed).shuffle(docs)
            found = sorted(doc.text for doc in Sample(docs, size))
            assert len(found) == min(size, len(texts))
            chosen = chosen or found
            assert found == chosen
            assert sorted(doc.text for doc in Sample(docs, size)) == found  # and can be read again
        assert before <= set(chosen)  # more room only adds
        before = set(chosen)
    assert [doc.text for doc in Sample(docs, 100)] == [doc.text for doc in docs]


def test_the_sample_keeps_the_order_of_the_corpus():
    nlp = made()
    docs = docs_of(nlp, [f"t{k}" for k in range(50)])
    places = [docs.index(doc) for doc in Sample(docs, 20)]
    assert len(places) == 20 and all(a < b for a, b in pairwise(places))


def test_max_fit_bounds_what_is_seen():
    nlp = made()
    docs = docs_of(nlp, [f"t{k}" for k in range(50)])
    fit(nlp, docs, max_fit=20)
    assert len(nlp.get_pipe("xproj_aligner").aligner.seen) == 20
    assert MAX_FIT == 30_000


def test_piping_never_fits():
    nlp = made()
    with pytest.raises(NotFittedError):
        list(nlp.pipe(docs_of(nlp, ["a"])))
    assert unfitted(nlp)


def test_fitting_on_raw_text_goes_through_the_translator():
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_translator")
    nlp.add_pipe("xproj_aligner", config=LEARNER)
    translator = nlp.get_pipe("xproj_translator")

    class Same:
        def __call__(self, texts, source, target):
            from spacy_xproj.ty import Translation

            return [Translation(text) for text in texts]

    translator.back, translator.source = Same(), spacy.blank("en")
    docs = [Doc(nlp.vocab, words=["a", "b"]), Doc(nlp.vocab, words=["c"])]
    assert fit(nlp, docs) == ["xproj_aligner"]
    assert nlp.get_pipe("xproj_aligner").aligner.seen == {"a", "b", "c"}
    assert all(doc._.xproj is None for doc in docs)


def test_order_and_batches_do_not_change_the_result():
    nlp, other = made(), made()
    docs = docs_of(nlp, [f"t{k} u{k}" for k in range(9)])
    fit(nlp, docs, max_fit=5)
    fit(other, docs[::-1], max_fit=5)
    one = [state(doc) for doc in nlp.pipe([d.copy() for d in docs], batch_size=2)]
    assert [state(doc) for doc in other.pipe([d.copy() for d in docs])] == one


def test_links_by_position_need_the_whole_corpus(nlp, tmp_path):
    (tmp_path / "links").write_text("0-0\n" * 3)
    part = {"@xproj_aligners": "spacy_xproj.Pharaoh.v1", "path": str(tmp_path / "links")}
    nlp.add_pipe("xproj_aligner", config={"aligner": part})
    nlp.add_pipe("xproj_matcher")
    docs = [payload_doc(nlp, f"a {k}", "v w", [(0, 1, "X")]) for k in range(3)]
    with pytest.raises(XprojError, match=r"must see all of them in order.*max_fit = 2"):
        fit(nlp, docs, max_fit=2)
    assert fit(nlp, docs, max_fit=3) == ["xproj_matcher"]
