import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from spacy_xproj.bitext import Bitext, Links, SourceSpan, decode_bitext, depths, encode_bitext, install_extensions
from spacy_xproj.errors import XprojError
from tests.conftest import bitext, payload_doc

ODD = [
    "a",
    "Ana",
    "10\u00a0000",
    "👩\u200d👩\u200d👧",
    "🇪🇸",
    "שלום",
    "العربية",
    "e\u0301",
    "क्षि",
    "\u200b",
    "\t",
    "Ⅳ",
    "\ufeff",
]
WORDS = st.sampled_from(ODD) | st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=5).filter(
    lambda w: w != " "
)
FLOATS = st.floats(0, 1, width=32)
NLP = spacy.blank("xx")


@st.composite
def ranges(draw, n):
    """Disjoint ranges over n words, in order."""
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=6)))
    return list(zip(cuts[::2], cuts[1::2]))


@st.composite
def bitexts(draw, max_words=8):
    """A target side and its payload."""
    source, target = (draw(st.lists(WORDS, max_size=max_words)) for _ in "st")
    n, m = len(source), len(target)
    spans, links = [], []
    if n:
        starts = draw(st.lists(st.integers(0, n - 1), max_size=4))
        spans = [
            (a, draw(st.integers(a + 1, n)), draw(st.sampled_from(["PER", "ОРГ"])), f"s{k}", draw(st.floats(0, 1)))
            for k, a in enumerate(starts)
        ]
    if n and m:
        links = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), max_size=12))
    k = len(links)
    values = st.lists(FLOATS, min_size=k, max_size=k)
    names = draw(st.lists(st.sampled_from(["forward", "reverse", "é"]), unique=True))
    return target, Bitext(
        lang=draw(st.sampled_from(["en", "zh-Hant", ""])),
        words=source,
        spaces=draw(st.lists(st.booleans(), min_size=n, max_size=n)),
        spans=spans,
        links=links,
        scores=draw(st.none() | values),
        evidence={name: draw(values) for name in names},
        sents=list(zip(draw(ranges(n)), draw(ranges(m)))),
        provenance=draw(st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.floats(0, 1), max_size=2)),
    )


def made_doc(words, payload):
    doc = Doc(NLP.vocab, words=words)
    doc._.xproj = payload
    return doc


def through_docbin(doc):
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    return next(DocBin().from_bytes(data).get_docs(NLP.vocab))


WAYS = {
    "docbin": through_docbin,
    "bytes": lambda doc: Doc(NLP.vocab).from_bytes(doc.to_bytes()),
    "pickle": lambda doc: pickle.loads(pickle.dumps(doc)),
    "copy": lambda doc: doc.copy(),
}


@pytest.mark.parametrize("way", WAYS)
@given(bitexts())
def test_survives(way, made):
    words, payload = made
    doc = WAYS[way](made_doc(words, payload))
    assert doc._.xproj == payload
    assert [t.text for t in doc] == words
    again = doc._.xproj
    assert (type(again.words), type(again.spans), type(again.sents)) == (tuple, tuple, tuple)
    assert all(type(span) is SourceSpan for span in again.spans)
    assert (again.links.dtype, again.scores.dtype) == ("int32", "float32")
    assert again.replace() == again


@given(bitexts())
def test_survives_alone(made):
    _, payload = made
    assert pickle.loads(pickle.dumps(payload)) == payload
    assert copy.deepcopy(payload) == payload == copy.copy(payload)
    assert srsly.msgpack_loads(srsly.msgpack_dumps([{"a": payload}])) == [{"a": payload}]
    assert srsly.msgpack_loads(srsly.msgpack_dumps(payload), use_list=False) == payload
    assert srsly.msgpack_dumps(payload) == srsly.msgpack_dumps(copy.deepcopy(payload))


def test_a_deep_copy_shares_no_array():
    one = bitext("a b", links=[(0, 0), (1, 1)], evidence={"x": [0.5, 1.0]}, provenance={"aligner": "given"})
    other = copy.deepcopy(one)
    for array in (other.links, other.scores, other.evidence["x"]):
        array[:] = 0
    other.evidence["y"], other.provenance["aligner"] = other.scores, "none"
    assert one.links.tolist() == [[0, 0], [1, 1]] and one.scores.tolist() == [1, 1]
    assert one.evidence["x"].tolist() == [0.5, 1.0] and list(one.evidence) == ["x"]
    assert one.provenance == {"aligner": "given"}


def long_doc(n=2000):
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in range(n)]
    spans = [(k, k + 3, "PER") for k in range(0, n - 3, 7)]
    links = np.stack([np.arange(n), rng.permutation(n)], axis=1)
    return payload_doc(NLP, words[::-1], words, spans, links, scores=rng.random(n), evidence={"x": rng.random(n)})


@pytest.mark.parametrize("way", WAYS)
def test_a_long_sentence_survives(way):
    doc = long_doc()
    again = WAYS[way](doc)
    assert again._.xproj == doc._.xproj
    assert len(again) == 2000


def test_survives_n_process():
    rows = []

    @settings(max_examples=40)
    @given(bitexts())
    def collect(made):
        rows.append(made)

    collect()
    docs = [*(made_doc(*row) for row in rows), long_doc()]
    want = [doc._.xproj for doc in docs]
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    got = [doc._.xproj for doc in nlp.pipe(docs, n_process=2, batch_size=16)]
    assert got == want


def test_read_without_the_package_imported(tmp_path):
    doc = payload_doc(NLP, "Ana vive", "Ana lives", [(0, 1, "PER")], "0-0 1-1", evidence={"x": [0.25, 1]})
    doc._.xproj_report = {"missing": []}
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    script = (
        "import spacy; from spacy.tokens import DocBin; "
        f"doc, = DocBin().from_disk({str(tmp_path / 'a.spacy')!r}).get_docs(spacy.vocab.Vocab()); b = doc._.xproj; "
        "print(type(b).__name__, b.text, b.links.tolist(), b.evidence['x'].tolist(), b.spans[0].label)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "Bitext Ana lives  [[0, 0], [1, 1]] [0.25, 1.0] PER"


def test_equality():
    base = {"lang": "en", "words": ("a", "b"), "spaces": (True, False), "links": [(0, 0), (1, 1)]}
    same = Bitext(**base)
    others = [
        {"lang": "de"},
        {"words": ("a", "c")},
        {"spaces": (True, True)},
        {"spans": [(0, 1, "X")]},
        {"links": [(0, 0), (1, 2)]},
        {"links": [(0, 0)]},
        {"scores": [1, 0.5]},
        {"evidence": {"x": [1, 1]}},
        {"sents": [((0, 2), (0, 2))]},
        {"provenance": {"aligner": "x"}},
    ]
    assert same == Bitext(**base)
    for change in others:
        assert same != Bitext(**{**base, **change}), change
    assert same.replace(evidence={"x": [1, 1]}) != same.replace(evidence={"x": [1, 0]})
    assert same.replace(evidence={"x": [1, 1]}) != same.replace(evidence={"y": [1, 1]})
    assert same != "a b"
    with pytest.raises(TypeError):
        hash(same)
    with pytest.raises(AttributeError):
        same.lang = "de"


def test_lists_do_for_tuples():
    plain = Bitext(
        "en",
        ["a", "b"],
        [1, 0],
        [[0, 1, "X"], (1, 2, "Y", "i", 0.5)],
        [[0, 0]],
        [0.5],
        {"x": [1]},
        [[[0, 2], [0, 1]]],
    )
    assert plain == Bitext(
        "en",
        ("a", "b"),
        (True, False),
        (SourceSpan(0, 1, "X"), SourceSpan(1, 2, "Y", "i", 0.5)),
        np.array([[0, 0]], "i8"),
        np.array([0.5]),
        {"x": np.ones(1)},
        (((0, 2), (0, 1)),),
    )
    assert plain.spans[0] == (0, 1, "X", "s0", 1.0)
    assert plain.text == "a b"


def test_defaults():
    made = Bitext("en", ("a",), (False,))
    assert made.links.shape == (0, 2) and made.scores.shape == (0,)
    assert (made.spans, made.evidence, made.sents, made.provenance) == ((), {}, (), {})
    assert Bitext("en", ("a",), (False,), links=[(0, 5), (0, 6)]).scores.tolist() == [1, 1]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"spaces": (True,)}, "2 words, 1 spaces"),
        ({"scores": [1]}, "'scores' a link: got 2 links, 1 values"),
        ({"evidence": {"forward": [1, 1, 1]}}, "'forward' a link: got 2 links, 3 values"),
        ({"spans": [(0, 3, "X")]}, r"source span \(0, 3"),
        ({"spans": [(-1, 1, "X")]}, "lies outside the 2 source words"),
        ({"spans": [(1, 1, "X")]}, "lies outside the 2 source words"),
        ({"links": [(0, 0), (2, 0)]}, "link lies outside the 2 source words"),
        ({"links": [(0, 0), (-1, 0)]}, "link lies outside"),
        ({"links": [(0, 0), (0, -1)]}, "link lies outside"),
        ({"links": [(0, 0, 1), (1, 1, 1)]}, r"shape \(2, 3\)"),
        ({"links": [0, 0, 1, 1]}, r"shape \(4,\)"),
        ({"sents": [((0, 3), (0, 1))]}, "sentence pair .* lies outside the 2 source words"),
        ({"sents": [((1, 0), (0, 1))]}, "lies outside"),
        ({"sents": [((0, 1), (-1, 1))]}, "lies outside"),
        ({"sents": [((0, 1), (0, 2)), ((0, 2), (2, 3))]}, "share words"),
        ({"sents": [((0, 1), (0, 2)), ((1, 2), (1, 3))]}, "share words"),
    ],
)
def test_what_cannot_be(change, message):
    with pytest.raises(XprojError, match=message):
        bitext("a b", links="0-0 1-1").replace(**{"scores": None, "evidence": {}, **change})


def test_check_against_the_doc():
    made = bitext("a b", links="0-0 1-2")
    made.check(3)
    with pytest.raises(XprojError, match="target word 2, but the Doc has 2 tokens"):
        made.check(2)
    with pytest.raises(XprojError, match="target word 2"):
        made.pairs(("x", "y"))
    with pytest.raises(XprojError, match="beyond the 2 tokens"):
        bitext("a b", sents=[((0, 2), (0, 3))]).check(2)


def test_new_links_drop_the_old_scores():
    made = bitext("a b", links="0-0 1-1", scores=[0.5, 0.5], evidence={"x": [1, 1]})
    new = made.replace(links=[(0, 0)])
    assert (new.scores.tolist(), new.evidence) == ([1], {})
    assert made.replace(lang="de").scores.tolist() == [0.5, 0.5]


def test_pairs_of_no_sentences():
    made = bitext("a b", [(0, 2, "X"), (1, 2, "Y")], "0-1 1-0")
    (pair,) = made.pairs(("x", "y"))
    assert (pair.source, pair.target, pair.spans, pair.places, pair.offset) == (
        ("a", "b"),
        ("x", "y"),
        made.spans,
        (0, 1),
        (0, 0),
    )
    assert pair.links is made.links


def test_pairs_count_from_their_own_first_words():
    made = bitext(
        "a b c d e",
        [(0, 2, "X"), (1, 4, "crosses"), (3, 5, "Y"), (4, 5, "nested")],
        "0-0 1-3 2-1 3-2 4-4",
        sents=[((0, 2), (0, 2)), ((2, 5), (2, 5))],
        scores=[0.1, 0.2, 0.3, 0.4, 0.5],
        evidence={"f": [1, 2, 3, 4, 5]},
    )
    one, two = made.pairs(tuple("vwxyz"))
    assert (one.source, one.target, one.offset) == (("a", "b"), ("v", "w"), (0, 0))
    assert (two.source, two.target, two.offset) == (("c", "d", "e"), ("x", "y", "z"), (2, 2))
    assert [s[:3] for s in one.spans] == [(0, 2, "X")] and one.places == (0,)
    assert [s[:3] for s in two.spans] == [(1, 3, "Y"), (2, 3, "nested")] and two.places == (2, 3)
    assert one.links.tolist() == [[0, 0]]  # 1-3 and 2-1 cross
    assert two.links.tolist() == [[1, 0], [2, 2]]
    assert np.allclose(two.scores, [0.4, 0.5]) and two.evidence["f"].tolist() == [4, 5]


@given(bitexts(12))
def test_links_round_trip_over_the_pairs(made):
    words, payload = made
    parts = payload.pairs(tuple(words))
    assert len(parts) == (len(payload.sents) or 1)
    again = payload.with_links([Links(p.links, p.scores, p.evidence) for p in parts], aligner="x")

    def inside(link):
        return not payload.sents or any(a <= link[0] < b and c <= link[1] < d for (a, b), (c, d) in payload.sents)

    rows = zip(
        payload.links.tolist(), payload.scores.tolist(), *(payload.evidence[k].tolist() for k in payload.evidence)
    )
    kept = sorted(row for row in rows if inside(row[0]))
    found = zip(again.links.tolist(), again.scores.tolist(), *(again.evidence[k].tolist() for k in payload.evidence))
    assert sorted(found) == kept
    assert again.provenance == {**payload.provenance, "aligner": "x"}
    assert (again.words, again.spans, again.sents) == (payload.words, payload.spans, payload.sents)


@given(bitexts())
def test_pairs_hold_what_lies_inside(made):
    target, payload = made
    payload = payload.replace(links=payload.links, scores=np.arange(len(payload.links)) / 100)
    for ((a, b), (c, d)), pair in zip(payload.sents, payload.pairs(tuple(target))):
        spans = [k for k, span in enumerate(payload.spans) if a <= span.start and span.end <= b]
        links = [k for k, (i, j) in enumerate(payload.links.tolist()) if a <= i < b and c <= j < d]
        assert pair.places == tuple(spans)
        assert [(span.start + a, span.end + a) for span in pair.spans] == [payload.spans[k][:2] for k in spans]
        assert np.array_equal(pair.links + np.array([a, c]), payload.links[links])
        assert np.array_equal(pair.scores, payload.scores[links])


def test_changes_of_links_are_checked():
    one = bitext("a b", [(0, 1, "X")], "0-0 1-1")
    for change, message in (
        ({"links": [(2, 0)]}, "outside the 2 source words"),
        ({"links": [(0, 1, 2)]}, "shape"),
        ({"scores": [0.5]}, "'scores'"),
        ({"evidence": {"x": [0.5]}}, "'x'"),
    ):
        with pytest.raises(XprojError, match=message):
            one.replace(**change)
    other = one.replace(provenance={"a": "b"}, scores=[0, 1])
    assert (one.provenance, other.provenance, other.scores.dtype) == ({}, {"a": "b"}, "float32")
    assert np.array_equal(other.links, one.links) and one.scores.tolist() == [1, 1]


def test_with_links_of_several_sentences():
    made = bitext("a b c", sents=[((0, 1), (0, 2)), ((1, 3), (2, 4))])
    none = Links(np.zeros((0, 2), "i4"), np.zeros(0, "f4"), {})
    one = Links(np.array([[0, 1]]), np.array([0.5], "f4"), {"f": np.array([0.25], "f4")})
    two = Links(np.array([[1, 0]]), np.array([1], "f4"), {})
    full = made.with_links([one, two])
    assert full.links.tolist() == [[0, 1], [2, 2]]
    assert full.evidence["f"].tolist() == [0.25, 0]  # a view that one part lacks is 0 there
    assert made.with_links([none, none]).links.shape == (0, 2)
    with pytest.raises(XprojError, match="2 sentence pairs, got 1"):
        made.with_links([one])


def test_hooks_leave_other_things_alone():
    assert encode_bitext({"a": 1}) == {"a": 1} == decode_bitext({"a": 1})
    assert encode_bitext(3, chain=lambda x: x + 1) == 4 == decode_bitext(3, chain=lambda x: x + 1)


def test_extensions_can_be_installed_again():
    install_extensions()
    install_extensions()
    doc = NLP("a")
    assert (doc._.xproj, doc._.xproj_report, doc._.xproj_soft) == (None, None, None)


def test_ids_are_unique():
    given = [SourceSpan(0, 1, "X", "a"), (1, 2, "X", "a"), (1, 2, "Y"), (2, 3, "X", "s2"), (2, 3, "Y", "a", 0.5)]
    made = Bitext("en", ("v", "w", "x"), (True,) * 3, given, source_ids={"s4": "q"})
    assert [s.id for s in made.spans] == ["a", "s1", "s2_", "s2", "s4"]
    assert made.source_ids == {"s1": "a", "s4": "q"}
    assert decode_bitext(encode_bitext(made)) == made
    assert made.replace(spans=made.spans).spans == made.spans


def test_payloads_from_before_source_ids_can_be_read():
    made = Bitext("en", ("v",), (True,), [SourceSpan(0, 1, "X", "a", 0.5)])
    data = encode_bitext(made)
    assert data.pop("source_ids") == {}
    assert decode_bitext({**data, "spans": [[0, 1, "X", "a", 0.5]]}) == made


def test_depths():
    spans = [(2, 3), (0, 4), (0, 4), (0, 2), (1, 2), (3, 6), (5, 6), (6, 7)]
    assert depths([SourceSpan(*span, "X") for span in spans]) == [2, 0, 1, 2, 3, 0, 1, 0]
    assert depths([]) == []
