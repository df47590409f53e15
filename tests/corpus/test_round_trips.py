"""What the table in docs/guides/formats.md says that a format keeps is equal after writing and reading."""

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from spacy_xproj import Bitext
from spacy_xproj.corpus import Report, read_docs, write_as
from spacy_xproj.corpus.formats import formats

EN, DE = spacy.blank("en"), spacy.blank("de")
TOKENS = ("conll", "iob2", "conllu", "iob-line", "huggingface", "prodigy")
TEXTS = ("prodigy", "spacy-json", "doccano", "label-studio", "brat")
UNWRITTEN = ("conll2012",)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

WORD = st.text(st.sampled_from(list("abzÄ0159.,;'\"#|-_=()<&>*/\\:漢字ก🎉e\u0301\u200d\u00a0")), min_size=1, max_size=5)
LABEL = st.sampled_from(["PER", "LOC", "B-X", "art film", "Ü"])
PLAIN_LABEL = st.sampled_from(["PER", "LOC", "B-X", "Ü"])


@st.composite
def token_docs(draw, label=LABEL):
    """Docs of any words, labeled in part, in whole, or not at all."""
    words = draw(st.lists(WORD.filter(str.strip), min_size=1, max_size=6))
    spaces = draw(st.lists(st.booleans(), min_size=len(words) - 1, max_size=len(words) - 1))
    doc = Doc(EN.vocab, words=words, spaces=[*spaces, False])
    index = st.integers(0, len(doc) - 1)
    found = draw(st.lists(st.tuples(index, index, label, st.sampled_from(["", "q1"])), max_size=3))
    spans = [Span(doc, min(a, b), max(a, b) + 1, label=name, span_id=key) for a, b, name, key in found]
    ents = filter_spans(spans)
    taken = {i for ent in ents for i in range(ent.start, ent.end)}
    unknown = draw(st.sets(index)) - taken
    doc.set_ents(ents, missing=[doc[i : i + 1] for i in unknown], default="outside")
    return doc


@st.composite
def text_docs(draw):
    """Docs of tokenized text, wholly labeled or not at all, with spans that may overlap."""
    pieces = st.sampled_from(["Ana", "don't", "(Rom)", "x,", "🎉", "10.5", "漢字", "l'été"])
    doc = EN(draw(st.sampled_from([" ", "\n", "  "])).join(draw(st.lists(pieces, min_size=1, max_size=6))))
    if draw(st.booleans()):
        index = st.sampled_from([token.i for token in doc if not token.is_space])
        found = draw(st.dictionaries(st.tuples(index, index).map(sorted).map(tuple), PLAIN_LABEL, max_size=3))
        spans = [Span(doc, a, b + 1, label=name, span_id=f"k{a}-{b}") for (a, b), name in found.items()]
        doc.spans["gold"] = spans
        doc.set_ents(filter_spans(spans), default="outside")
    doc.user_data["meta"] = {"n": draw(st.integers(0, 9)), "s": draw(st.text('aé🎉"\\', max_size=3))}
    return doc


def again(tmp_path, docs, name, nlp=EN, **reading):
    path = tmp_path / "written"
    if path.is_dir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    write_as(docs, path, name, report=Report())
    return list(read_docs(path, nlp, format=name, **reading))


def tokens(doc):
    return [token.text for token in doc]


def labels(doc):
    return [(token.ent_iob if token.ent_iob else 0, token.ent_type_) for token in doc]


def test_every_format_that_can_be_written_is_tried():
    assert {*TOKENS, *TEXTS, *UNWRITTEN, "tsv", "tmx", "txt", "spacy"} == set(formats())


@pytest.mark.parametrize("name", TOKENS)
@QUICK
@given(data=st.data())
def test_formats_of_tokens(tmp_path, name, data):
    masked = name != "prodigy"  # which keeps Docs without labels, but no single token
    docs = data.draw(st.lists(token_docs(PLAIN_LABEL if name == "iob-line" else LABEL), min_size=1, max_size=4))
    if name == "iob-line":
        docs = [doc for doc in docs if not any(c.isspace() or c == "|" for c in doc.text.replace(" ", ""))] or [EN("a")]
    found = again(tmp_path, docs, name)
    assert [tokens(doc) for doc in found] == [tokens(doc) for doc in docs]
    for old, new in zip(docs, found):
        if masked or all(token.ent_iob for token in old):
            assert labels(new) == labels(old)
        if name in ("huggingface", "prodigy", "iob2", "conllu"):
            assert new.text == old.text
        if name == "prodigy" and old.has_annotation("ENT_IOB"):
            assert [ent.id_ for ent in new.ents] == [ent.id_ for ent in old.ents]


@pytest.mark.parametrize("name", TEXTS)
@QUICK
@given(data=st.data())
def test_formats_of_texts(tmp_path, name, data):
    docs = data.draw(st.lists(text_docs(), min_size=1, max_size=3))
    found = again(tmp_path, docs, name)
    assert [doc.text for doc in found] == [doc.text for doc in docs]
    for old, new in zip(docs, found):
        known = old.has_annotation("ENT_IOB")
        spans = [(s.start_char, s.end_char, s.label_) for s in old.spans.get("gold", [])]
        assert [(s.start_char, s.end_char, s.label_) for s in new.spans.get("gold", [])] == spans
        assert sorted((e.text, e.label_) for e in new.ents) == sorted((e.text, e.label_) for e in old.ents)
        assert new.has_annotation("ENT_IOB") == known or name == "brat"
        if name in ("prodigy", "label-studio"):
            assert [s.id_ for s in new.spans.get("gold", [])] == [s.id_ for s in old.spans.get("gold", [])]
        if name != "brat":
            assert new.user_data["meta"] == old.user_data["meta"]


@pytest.mark.parametrize("name", ["tsv", "tmx", "txt"])
@QUICK
@given(pairs=st.lists(st.tuples(st.lists(WORD, min_size=1), st.lists(WORD, min_size=1)), min_size=1, max_size=4))
def test_formats_of_raw_texts(tmp_path, name, pairs):
    docs = []
    for source, target in pairs:
        doc = DE(" ".join(target))
        doc._.xproj = Bitext("en", source, [True] * len(source))
        docs.append(doc)
    docs = [doc for doc in docs if doc.text.strip() and doc._.xproj.text.strip()] or [docs[0]]
    if not docs[0].text.strip() or not docs[0]._.xproj.text.strip():
        return
    found = again(tmp_path, docs, name, DE, source_nlp=EN)
    assert [doc.text for doc in found] == [doc.text for doc in docs]
    if name != "txt":
        assert [doc._.xproj.text for doc in found] == [doc._.xproj.text for doc in docs]
