import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.errors import InputError, NotFittedError, XprojError
from spacy_xproj.fitting import fit, unfitted
from spacy_xproj.registry import registry
from spacy_xproj.similarities.lexicon import Lexicon, Places
from spacy_xproj.similarities.lexicon_table import Entry, LexiconTable, form_key, form_text
from spacy_xproj.similarities.links import LinkSimilarity
from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.ty import Cells, Similarity
from tests.conftest import bitext, ents, payload_doc, state

SETTINGS = {"similarity": {"@xproj_similarities": "spacy_xproj.Lexicon.v1"}}
ROWS = [
    ("Rome is big", [(0, 1, "LOC")], "0-0", "Roma es grande"),
    ("ROME fell", [(0, 1, "LOC")], "0-0", "Roma cayó"),
    ("Rome and Milan", [(0, 1, "LOC"), (2, 3, "LOC")], "0-0 2-2", "ROMA y Milán"),
    ("in Rome", [(1, 2, "ORG")], "1-1", "los romanos"),
    ("the European Union", [(1, 3, "ORG")], "1-2 2-1", "la Unión Europea"),
    ("nothing", [], "", "nada"),
]


def pair_of(source, spans, links, target):
    return bitext(source, spans, links).pairs(tuple(target.split()))[0]


def some_pairs():
    return [pair_of(*row) for row in ROWS]


def new_pair():
    return pair_of("we saw rome again", [(2, 3, "LOC")], "", "vimos Roma , romanos y ROMA")


def fitted(**settings):
    lexicon = Lexicon(**settings)
    lexicon.fit(iter(some_pairs()))
    return lexicon


def table(cells):
    keys = list(zip(cells.span.tolist(), cells.start.tolist(), cells.end.tolist()))
    assert keys == sorted(set(keys))
    return dict(zip(keys, cells.score.tolist()))


def test_advertised():
    assert registry.xproj_similarities.get("spacy_xproj.Lexicon.v1") is Lexicon
    assert isinstance(Lexicon(), Similarity) and Lexicon().fittable


def test_shares():
    # Rome: 3 times Roma, once romanos
    assert table(fitted()(new_pair())) == {(0, 1, 2): 3 / 5, (0, 3, 4): 1 / 5, (0, 5, 6): 3 / 5}
    assert table(fitted(smoothing=0)(new_pair())) == {(0, 1, 2): 3 / 4, (0, 3, 4): 1 / 4, (0, 5, 6): 3 / 4}
    given_ = np.array([(3, 4), (1, 2), (0, 2), (1, 2)])
    assert table(fitted()(new_pair(), given_)) == {(0, 1, 2): 3 / 5, (0, 3, 4): 1 / 5}


def test_own_votes_are_taken_out():
    first, *_, union, _ = some_pairs()
    assert table(fitted()(first)) == {(0, 0, 1): 2 / 4}  # of 3 and 1, its own out
    assert table(fitted()(union)) == {}  # the only one with it
    other = union._replace(target=("Unión", "Europea", "y", "la", "Unión"))
    assert table(fitted()(other)) == {(0, 0, 2): 1 / 2}
    relabeled = first._replace(spans=(first.spans[0]._replace(start=1, end=2),))
    assert table(fitted()(relabeled)) == {}  # not of the corpus, and unknown


def test_a_sentence_pair_counts_once():
    lexicon = Lexicon()
    lexicon.fit(some_pairs() + some_pairs())
    assert lexicon.to_bytes() == fitted().to_bytes()


def test_weak_candidates_do_not_count():
    pair = pair_of("New York Times", [(0, 3, "ORG")], "0-1", "el New")
    for least, known in ((0.5, True), (0.51, False)):
        lexicon = Lexicon(min_score=least)
        lexicon.fit([pair])
        assert lexicon.fitted and bool(lexicon.learned.rows) == known


def test_ties_go_to_the_longest_then_the_first():
    def base(pair, candidates=None):
        k, a, b = np.array([(0, 2, 3), (0, 1, 2), (0, 0, 2), (0, 1, 3), (1, 2, 3)]).T
        return Cells(k, a, b, np.array([0.9, 0.9, 0.9, 0.9, 0.7]))

    pair = pair_of("A B", [(0, 1, "X"), (1, 2, "Y")], "", "a b c")
    assert Lexicon(base).votes(pair) == [("A", "a b", "X"), ("B", "c", "Y")]


def test_a_base_that_learns():
    for base in (Ranker(), fitted()):
        lexicon = Lexicon(base)
        lexicon.fit(some_pairs() * 2)
        assert base.fitted and lexicon.fitted
        again = Lexicon(Ranker() if base.__class__.__name__ == "Ranker" else Lexicon())
        again.from_bytes(lexicon.to_bytes())
        assert again.base.fitted and again.to_bytes() == lexicon.to_bytes()
        for pair in some_pairs():
            assert table(again(pair)) == table(lexicon(pair))


def test_not_fitted(tmp_path):
    lexicon = Lexicon()
    assert not lexicon.fitted
    for call in (lambda: lexicon(new_pair()), lambda: lexicon.export_tsv(tmp_path / "x.tsv")):
        with pytest.raises(NotFittedError, match=r"spacy_xproj.Lexicon.v1 has not been fitted"):
            call()
    lexicon.fit([])
    assert not lexicon.fitted
    again = Lexicon().from_bytes(lexicon.to_bytes())
    assert not again.fitted and again.to_bytes() == lexicon.to_bytes()


def test_deterministic_and_saved(tmp_path):
    one, other = fitted(), Lexicon()
    other.fit(some_pairs()[::-1])
    assert one.to_bytes() == other.to_bytes()
    before = one.to_bytes()
    one(some_pairs()[0])
    assert one.to_bytes() == before
    one.to_disk(tmp_path / "state")
    again, third = Lexicon().from_bytes(before), Lexicon().from_disk(tmp_path / "state")
    for pair in [*some_pairs(), new_pair()]:
        assert table(one(pair)) == table(again(pair)) == table(third(pair))


@pytest.mark.parametrize("data", [b"", b"\x80", b"rubbish"])
def test_other_data_is_refused(data, tmp_path):
    with pytest.raises(XprojError, match=r"Lexicon.v1"):
        Lexicon().from_bytes(data)
    (tmp_path / "x").write_bytes(data)
    for name in ("x", "missing"):
        with pytest.raises(InputError, match=name):
            Lexicon().from_disk(tmp_path / name)


# Files for a person

TSV = """source\ttarget\tcount\tlabel
European Union\tUnión Europea\t1\tORG
Milan\tMilán\t1\tLOC
Rome\tRoma\t3\tLOC
Rome\tromanos\t1\tORG
"""


def test_export(tmp_path):
    fitted().export_tsv(tmp_path / "new" / "x.tsv")
    assert (tmp_path / "new" / "x.tsv").read_bytes() == TSV.encode()


def test_what_was_exported_changes_nothing(tmp_path):
    lexicon = fitted()
    lexicon.export_tsv(tmp_path / "x.tsv")
    lexicon.import_tsv(tmp_path / "x.tsv")
    assert not lexicon.given.rows
    for pair in [*some_pairs(), new_pair()]:  # the own votes are taken out still
        assert table(lexicon(pair)) == table(fitted()(pair))


def test_edited_rows_win(tmp_path):
    lexicon = fitted()
    (tmp_path / "x.tsv").write_text("rome\tROMANOS\t9\nMilan\tMilán\t0\n\nParis\tParís\t1.5\tLOC\n", encoding="utf-8")
    lexicon.import_tsv(tmp_path / "x.tsv")
    assert table(lexicon(new_pair())) == {(0, 3, 4): 9 / 10}
    milan = pair_of("Milan and Paris", [(0, 1, "X"), (2, 3, "X")], "", "Milán y París")
    assert table(lexicon(milan)) == {(1, 2, 3): 1.5 / 2.5}
    union = pair_of("a European Union", [(1, 3, "X")], "", "Unión Europea")
    assert table(lexicon(union)) == {(0, 0, 2): 1 / 2}  # as learnt
    again = Lexicon().from_bytes(lexicon.to_bytes())
    again.fit(some_pairs())  # what a person said stays
    assert table(again(new_pair())) == {(0, 3, 4): 9 / 10} and again.to_bytes() == lexicon.to_bytes()
    again.export_tsv(tmp_path / "y.tsv")
    lines = (tmp_path / "y.tsv").read_text(encoding="utf-8").splitlines()
    want = [
        "European Union\tUnión Europea\t1\tORG",
        "Milan\tMilán\t0\t",
        "Paris\tParís\t1.5\tLOC",
        "rome\tROMANOS\t9\t",
    ]
    assert lines[1:] == want
    (tmp_path / "z.tsv").write_text("Rome\tRoma\t1\n", encoding="utf-8")
    again.import_tsv(tmp_path / "z.tsv")  # the later file wins, row by row of source forms
    assert table(again(new_pair())) == {(0, 1, 2): 1 / 2, (0, 5, 6): 1 / 2}
    assert table(again(milan)) == {(1, 2, 3): 1.5 / 2.5}


def test_a_file_alone(tmp_path):
    path = tmp_path / "x.tsv"
    lexicon = Lexicon(path=str(path))  # it is read at first use
    path.write_text(TSV, encoding="utf-8")
    assert lexicon.fitted
    assert table(lexicon(new_pair())) == {(0, 1, 2): 3 / 5, (0, 3, 4): 1 / 5, (0, 5, 6): 3 / 5}
    data = Lexicon(path=str(path)).to_bytes()
    path.unlink()
    again = Lexicon(path=str(path)).from_bytes(data)
    assert table(again(new_pair())) == table(lexicon(new_pair()))
    lost = Lexicon(path=str(path))
    with pytest.raises(InputError, match=r"x\.tsv: spacy_xproj.Lexicon.v1 cannot read"):
        lost(new_pair())


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("Rome\tRoma\n", 1, "Expected 3 or 4 columns .* got 2"),
        ("source\ttarget\tcount\nRome\tRoma\t1\tLOC\tx\n", 2, "got 5"),
        ("Rome\tRoma\t1\n\nParis\tParís\tmany\n", 3, "number, 0 or more, not 'many'"),
        ("Rome\tRoma\t-1\n", 1, "not '-1'"),
        ("Rome\tRoma\tnan\n", 1, "not 'nan'"),
        ("Rome\tRoma\tinf\n", 1, "not 'inf'"),
        ("\tRoma\t1\n", 1, "source form is empty"),
        ("Rome\t \t1\n", 1, "target form is empty"),
        ("source\ttarget\tcount\n", None, "the file has none"),
        ("", None, "the file has none"),
    ],
)
def test_bad_files(text, line, message, tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as info:
        fitted().import_tsv(path)
    assert (info.value.path, info.value.line) == (path, line)


def test_latin_1_is_refused(tmp_path):
    (tmp_path / "x.tsv").write_bytes("Rome\tMilán\t1\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        Lexicon(path=str(tmp_path / "x.tsv"))(new_pair())


def test_rows_of_one_pair_are_added(tmp_path):
    (tmp_path / "x.tsv").write_text("\ufeffRome\tRoma\t1\r\nROME\troma\t2\tLOC\r\n", encoding="utf-8")
    found = LexiconTable.read(tmp_path / "x.tsv", "x")
    assert found.rows == {"rome": {"roma": Entry(3.0, "LOC")}}
    assert found.texts == ({"rome": "Rome"}, {"roma": "Roma"})


WORD = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from(" \t\n\r\x1c\u2028\xa0İßﬁΣς한"), max_size=6
)
FORM = st.lists(WORD, min_size=1, max_size=4)


@given(st.lists(st.tuples(FORM, FORM, WORD), max_size=8))
def test_files_round_trip(tmp_path_factory, rows):
    texts = [(form_text(s), form_text(t), label) for s, t, label in rows]
    made = LexiconTable.counted([row for row in texts if form_key(row[0].split()) and form_key(row[1].split())])
    if made.rows:
        path = tmp_path_factory.mktemp("tsv") / "x.tsv"
        made.write(path)
        again = LexiconTable.read(path, "x")
        counts = lambda t: {s: {k: e.times for k, e in row.items()} for s, row in t.rows.items()}  # noqa: E731
        assert counts(again) == counts(made) and again.texts == made.texts
        before = path.read_bytes()
        again.write(path)
        assert path.read_bytes() == before
    assert LexiconTable.load(made.state()).state() == made.state()


@given(FORM)
def test_the_text_of_a_form_has_its_key(words):
    assert form_key(form_text(words).split()) == form_key(words)


@given(st.lists(st.sampled_from(["a", "B", "b", "a b", " ", "ﬁ"]), max_size=7), st.data())
def test_places(words, data):
    spans = [(a, b) for a in range(len(words)) for b in range(a + 1, len(words) + 1)]
    for key in {form_key(words[a:b]) for a, b in spans} - {""}:
        want = [(a, b) for a, b in spans if form_key(words[a:b]) == key and words[a] != " " != words[b - 1]]
        assert Places(words).of(key) == want
    assert Places(words).of("c") == []


# In pipelines


def test_other_scripts_and_case():
    pairs = [
        pair_of("МОСКВА растёт", [(0, 1, "LOC")], "0-0", "莫斯科 在 成长"),
        pair_of("Straße", [(0, 1, "LOC")], "0-0", "ΟΔΟΣ"),
    ]
    lexicon = Lexicon()
    lexicon.fit(pairs)
    assert table(lexicon(pair_of("Москва", [(0, 1, "LOC")], "", "在 莫斯科"))) == {(0, 1, 2): 1 / 2}
    assert table(lexicon(pair_of("STRASSE", [(0, 1, "LOC")], "", "οδοσ"))) == {(0, 0, 1): 1 / 2}


def docs_of(nlp):
    return [payload_doc(nlp, target, source, spans, links) for source, spans, links, target in ROWS]


def test_in_the_matcher(tmp_path):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config=SETTINGS)
    with pytest.raises(NotFittedError):
        nlp(docs_of(nlp)[0])
    assert fit(nlp, docs_of(nlp)) == ["xproj_matcher"] and unfitted(nlp) == []
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    third = spacy.blank("es").from_config(nlp.config).from_bytes(nlp.to_bytes())
    args = ("vimos Roma", "we saw Rome", [(2, 3, "LOC")], "")
    for pipeline in (nlp, again, third):
        assert ents(pipeline(payload_doc(pipeline, *args))) == [(1, 2, "LOC")]
        assert pipeline.get_pipe("xproj_matcher").similarity.to_bytes() == fitted().to_bytes()


def test_saved_with_the_file(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text(TSV, encoding="utf-8")
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": {**SETTINGS["similarity"], "path": str(path)}})
    nlp.to_disk(tmp_path / "model")
    path.unlink()
    again = spacy.load(tmp_path / "model")
    assert ents(again(payload_doc(again, "vimos Roma", "we saw Rome", [(2, 3, "LOC")]))) == [(1, 2, "LOC")]


def test_processes():
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config=SETTINGS)
    fit(nlp, docs_of(nlp))
    one, two = list(nlp.pipe(docs_of(nlp))), list(nlp.pipe(docs_of(nlp), n_process=2, batch_size=2))
    assert [state(doc) for doc in one] == [state(doc) for doc in two]
    assert sum(len(doc.ents) for doc in one) == 3  # Rome where it is Roma; all else was seen but once


def test_beside_the_links_by_initialize():
    nlp = spacy.blank("es")
    base = {"@xproj_similarities": "spacy_xproj.Links.v1", "gap": 1.0}
    nlp.add_pipe("xproj_matcher", config={"similarity": {**SETTINGS["similarity"], "base": base}})
    nlp.initialize(lambda: [spacy.training.Example(doc, doc) for doc in docs_of(nlp)])
    assert nlp.get_pipe("xproj_matcher").similarity.base.gap == LinkSimilarity(gap=1.0).gap
    assert unfitted(nlp) == []


@pytest.mark.parametrize("settings", [{"smoothing": -1.0}, {"min_score": -0.1}, {"smoothing": float("nan")}])
def test_bad_settings(settings):
    with pytest.raises(XprojError, match=next(iter(settings))):
        Lexicon(**settings)
