import pickle
import re

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Span

import spacy_xproj
from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry
from spacy_xproj.translators.marked import FATES, PLAIN, Marked
from spacy_xproj.translators.markers import STYLES
from spacy_xproj.translators.memory import Memory, carries
from spacy_xproj.ty import SpanTranslator, Translation

DICTIONARY = {
    "saw": "vio a", "in": "en", "and": "y", "met": "conoció a", "the": "el", "of": "de", "yesterday": "ayer",
    "London": "Londres", "Bank": "Banco", "Spain": "España", "Rome": "Roma", "Germany": "Alemania",
}  # fmt: skip


class Words:
    """Translates word by word, and keeps all else; `alter` is what it then does to the text."""

    provenance = "words"

    def __init__(self, alter=None, key=""):
        self.alter, self.calls, self.key = alter or (lambda text: text), [], key

    def __call__(self, texts, source_lang, target_lang):
        assert (source_lang, target_lang) == ("en", "es")
        self.calls.append(list(texts))
        words = (re.sub(r"\w+", lambda m: DICTIONARY.get(m[0], m[0]), text) for text in texts)
        return [Translation(self.alter(text)) for text in words]


class Given:
    """Translates whole texts, others into themselves."""

    def __init__(self, pairs=()):
        self.pairs, self.calls = dict(pairs), []

    def __call__(self, texts, source_lang, target_lang):
        self.calls.append(list(texts))
        return [Translation(self.pairs.get(text, text)) for text in texts]


def spans_of(text, *names):
    """The spans of these words, with themselves as ids."""
    return [(text.index(name), text.index(name) + len(name), name) for name in names]


def carry(marked, text, *names):
    """The translation, and what it has under each name."""
    (found,) = marked.carry([text], [spans_of(text, *names)], "en", "es")
    report = marked.report()
    assert report["spans"] == sum(report[fate] for fate in FATES)
    return found.text, {name: found.text[a:b] for a, b, name in found.spans}


def counted(marked):
    """The counts that are not 0, without those of the call itself."""
    return {name: n for name, n in marked.report().items() if n and name not in ("texts", "spans", "marked")}


# What translators do to marks


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("style", STYLES)
def test_spans_are_carried(style, spaced):
    marked = Marked(Words(), style, spaced)
    text = "Ana saw Eva Paz in London, and Bob."
    assert carry(marked, text, "Ana", "Eva Paz", "London", "Bob") == (
        "Ana vio a Eva Paz en Londres, y Bob.",
        {"Ana": "Ana", "Eva Paz": "Eva Paz", "London": "Londres", "Bob": "Bob"},
    )
    assert counted(marked) == {"carried": 4}
    assert (" Ana " in marked.translator.calls[0][0]) is spaced


ALTERED = {
    "glued": lambda text: re.sub(r"\s*([\[\]])\s*", r"\1", text),
    "apart": lambda text: re.sub(r"\s*([\[\]])\s*", r" \1 ", text),
    "doubled": lambda text: text.replace("[", "[[").replace("]", "]]"),
    "another kind": lambda text: text.replace("[", "「").replace("]", "」"),
    "mixed kinds": lambda text: text.replace("[Ana]", "《 Ana 】"),
    "full width": lambda text: text.replace("[", "［").replace("]", "］"),
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_altered_marks(alter):
    text, found = carry(Marked(Words(alter)), "Ana saw Eva", "Ana", "Eva")
    assert text.replace(" ", "") == "AnavioaEva"
    assert found == {"Ana": "Ana", "Eva": "Eva"}


def test_reordered_spans():
    translator = Given({"[Ana] saw [the cat]": "A [el gato] vio [Ana]", "the cat": "el gato"})
    assert carry(Marked(translator), "Ana saw the cat", "Ana", "the cat") == (
        "A el gato vio Ana",
        {"the cat": "el gato", "Ana": "Ana"},
    )


def test_spans_come_in_text_order_with_exact_offsets():
    translator = Given({"[Ana] saw [Eva]": "A  [ Eva ] vio [Ana]!"})
    text = "Ana saw Eva"
    (found,) = Marked(translator).carry([text], [[(0, 3, "9"), (8, 11, "1")]], "en", "es")
    assert found == Translation("A Eva vio Ana!", [(2, 5, "1"), (10, 13, "9")])


@pytest.mark.parametrize("style", STYLES)
def test_dropped_marks_give_the_plain_translation(style):
    drop = {"[": "", "]": "", "<a>": "", "</a>": "", "<1>": "", "</1>": "", '"': ""}
    marked = Marked(Words(lambda text: re.sub("|".join(map(re.escape, drop)), "", text) + " sin marcas"), style)
    text, found = carry(marked, "Ana saw Eva", "Ana")
    assert (text, found) == ("Ana vio a Eva sin marcas", {})
    assert marked.translator.calls[1:] == [["Ana saw Eva"]]
    assert counted(marked) == {"lost_in_translation": 1, "plain_fallback": 1}


@pytest.mark.parametrize(
    ("broken", "counts"),
    [
        ("[Ana] vio a ] Eva", {"given_up": 1, "lost_in_translation": 1}),
        ("[Ana] vio a [ Eva", {"given_up": 1, "lost_in_translation": 1}),
        ("[Ana] [Ana] [Ana] [Eva]", {"given_up": 2}),
        ("[perro] vio a [gato]", {"below_threshold": 2}),
        ("Ana vio a Eva", {"lost_in_translation": 2}),
        ("", {"lost_in_translation": 2}),
        (None, {"lost_in_translation": 2}),
    ],
)
def test_broken_marks_give_the_plain_translation(broken, counts):
    marked = Marked(Given({"[Ana] saw [Eva]": broken, "Ana saw Eva": "Ana vio a Eva"}))
    assert carry(marked, "Ana saw Eva", "Ana", "Eva") == ("Ana vio a Eva", {})
    assert counted(marked) == {**counts, "plain_fallback": 1}


@pytest.mark.parametrize(
    ("broken", "text", "found"),
    [
        ("[Ana] vio a ] Eva", "Ana vio a Eva", {"Ana": "Ana"}),
        ("[Ana] y [Ana] vio a [Eva]", "Ana y Ana vio a Eva", {"Ana": "Ana", "Eva": "Eva"}),
        ("[perro] vio a [gato]", "perro vio a gato", {}),
    ],
)
def test_never_a_plain_translation(broken, text, found):
    translator = Given({"[Ana] saw [Eva]": broken, "Ana saw Eva": "no"})
    assert carry(Marked(translator, plain="never"), "Ana saw Eva", "Ana", "Eva") == (text, found)


def test_never_still_takes_the_plain_translation_where_there_is_no_other():
    translator = Given({"[Ana] saw Eva": None, "Ana saw Eva": "Ana vio a Eva"})
    assert carry(Marked(translator, plain="never"), "Ana saw Eva", "Ana") == ("Ana vio a Eva", {})


def test_a_pair_lost_whole_leaves_the_others():
    marked = Marked(Given({"[Ana] saw [Eva]": "Ana vio a [Eva]"}))
    assert carry(marked, "Ana saw Eva", "Ana", "Eva") == ("Ana vio a Eva", {"Eva": "Eva"})
    assert counted(marked) == {"carried": 1, "lost_in_translation": 1}


def test_check_takes_a_damaged_text_for_lost():
    pairs = {
        "[Ana] saw Eva": "[Ana] 12345 67890 xyz",
        "Ana saw Eva": "Ana vio a Eva",
        "[Ana] saw Bob": "[Ana] vio a Bob",
    }
    marked = Marked(Given({**pairs, "Ana saw Bob": "Ana miró a Bob"}), plain="check")
    assert carry(marked, "Ana saw Eva", "Ana") == ("Ana vio a Eva", {})
    assert counted(marked) == {"given_up": 1, "plain_fallback": 1}
    assert len(marked.translator.calls) == 1
    assert carry(marked, "Ana saw Bob", "Ana") == ("Ana vio a Bob", {"Ana": "Ana"})
    assert carry(Marked(Given(pairs)), "Ana saw Eva", "Ana")[1] == {"Ana": "Ana"}


# Defects of published implementations


def test_not_the_last_span_above_the_threshold():
    text = "[North Korea] saw [South Korea]"  # each is above 0.5 of the other
    marked = Marked(Given({text: "[South Korea] by [North Korea]"}))
    assert carry(marked, "North Korea saw South Korea", "North Korea", "South Korea")[1] == {
        "North Korea": "North Korea",
        "South Korea": "South Korea",
    }


def test_not_the_first_span_above_the_threshold():
    # "Anna" is like both; "Annas" only comes to its own if the first one does not take what is best for the second.
    marked = Marked(Given({"[Anna] saw [Annas]": "[Annas] y [Annax]"}))
    assert carry(marked, "Anna saw Annas", "Annas", "Anna")[1] == {"Annas": "Annas", "Anna": "Annax"}


def test_brackets_do_not_count_as_likeness():
    # "[Li]" and "[Xu]" are half the same characters.
    marked = Marked(Given({"[Li] saw [Wu]": "[Xy] vio a [Zz]"}), plain="never")
    assert carry(marked, "Li saw Wu", "Li", "Wu") == ("Xy vio a Zz", {})
    assert counted(marked) == {"below_threshold": 2}


def test_unassigned_marks_do_not_stay_in_the_text():
    marked = Marked(Given({"[Li] saw [Wu]": "[Li] vio a [perro] y [gato]"}), plain="never")
    assert carry(marked, "Li saw Wu", "Li", "Wu") == ("Li vio a perro y gato", {"Li": "Li"})


def test_the_likeness_to_the_source_counts_too():
    pairs = {"[Google] saw [Bing]": "[Bing] por [Google]", "Google": "Yandex", "Bing": "Baidu"}
    assert carry(Marked(Given(pairs)), "Google saw Bing", "Google", "Bing")[1] == {
        "Google": "Google",
        "Bing": "Bing",
    }


def test_spans_unlike_their_source_are_known_by_their_translation():
    marked = Marked(Words(lambda text: re.sub(r"(\[.*\]) y (\[.*\])", r"\2 y \1", text)))
    assert carry(marked, "Germany and London", "Germany", "London") == (
        "Londres y Alemania",
        {"London": "Londres", "Germany": "Alemania"},
    )


def test_the_one_left_over_is_inferred():
    marked = Marked(Given({"[Ana] saw [them]": "A [ellos] los vio [Ana]", "them": "zzz"}))
    assert carry(marked, "Ana saw them", "Ana", "them")[1] == {"Ana": "Ana", "them": "ellos"}
    assert carry(Marked(Given({"[Ana]": "[Xyz]"})), "Ana", "Ana") == ("Xyz", {"Ana": "Xyz"})


def test_equal_spans_keep_their_order():
    text = "Ana and Ana and Ana"
    (found,) = Marked(Words()).carry([text], [[(0, 3, "x"), (8, 11, "y"), (16, 19, "z")]], "en", "es")
    assert [name for _, _, name in found.spans] == ["x", "y", "z"]


# Numbers


def test_numbers_tell_the_spans():
    pairs = {"<1>Ana</1> saw <2>Eva</2>": "A <2> Xyz </2> la vio <1>Zyx</1>"}
    marked = Marked(Given(pairs), "numbered")
    assert carry(marked, "Ana saw Eva", "Ana", "Eva")[1] == {"Ana": "Zyx", "Eva": "Xyz"}


def test_no_span_is_translated_alone_where_numbers_tell():
    translator = Words()
    carry(Marked(translator, "numbered"), "Ana saw Eva", "Ana", "Eva")
    assert translator.calls == [["<1>Ana</1> saw <2>Eva</2>"]]


def test_a_number_that_was_not_given_is_inferred_only_alone():
    assert carry(Marked(Given({"<1>Ana</1>": "<7>Ana</7>"}), "numbered"), "Ana", "Ana")[1] == {"Ana": "Ana"}
    pairs = {"<1>Ana</1> <2>Eva</2>": "<7>Ana</7> <8>Eva</8>"}
    assert carry(Marked(Given(pairs), "numbered"), "Ana Eva", "Ana", "Eva")[1] == {}


# Texts and spans that cannot be marked


def test_literal_marks_stay():
    marked = Marked(Words())
    assert carry(marked, "Ana [sic] saw Eva", "Ana", "Eva") == ("Ana [sic] vio a Eva", {"Ana": "Ana", "Eva": "Eva"})
    assert marked.translator.calls[0][0] == "<a>Ana</a> [sic] saw <a>Eva</a>"


def test_a_text_with_marks_of_every_style():
    marked = Marked(Words())
    text = 'Ana [1] <a> <2> "saw" Eva'
    (found,) = marked.carry([text], [spans_of(text, "Ana", "Eva")], "en", "es")
    assert found == Translation('Ana [1] <a> <2> "vio a" Eva', None)
    assert marked.report()["marked"] == 0 and counted(marked) == {"unmarkable": 2}


def test_nested_and_blank_spans():
    marked = Marked(Words())
    text = "Bank of Spain saw Ana"
    spans = [*spans_of(text, "Spain", "Bank of Spain", "Ana"), (4, 5, "blank"), (12, 14, "crossing")]
    (found,) = marked.carry([text], [spans], "en", "es")
    assert found.text == "Banco de España vio a Ana"
    assert [(found.text[a:b], name) for a, b, name in found.spans] == [
        ("Banco de España", "Bank of Spain"),
        ("Ana", "Ana"),
    ]
    assert counted(marked) == {"carried": 2, "nested": 2, "unmarkable": 1}


@pytest.mark.parametrize("span", [(0, 4, "a"), (-1, 2, "a"), (2, 2, "a"), (2, 1, "a")])
def test_spans_outside_of_the_text(span):
    with pytest.raises(XprojError, match=r"Span 'a' of text 2 must lie in its 3 characters, got"):
        Marked(Words()).carry(["", "Ana"], [[], [span]], "en", "es")


def test_bad_input():
    with pytest.raises(XprojError, match="2 texts, got them for 1"):
        Marked(Words()).carry(["Ana", "Eva"], [[]], "en", "es")
    with pytest.raises(XprojError, match="different ids"):
        Marked(Words()).carry(["Ana Eva"], [[(0, 3, "a"), (4, 7, "a")]], "en", "es")
    with pytest.raises(XprojError, match="'short' gave 0 translations of 2 texts"):
        marked = Words(key="short")
        marked.__class__ = type("Short", (Words,), {"__call__": lambda self, *_: []})
        Marked(marked).carry(["Ana"], [[(0, 3, "a")]], "en", "es")


# Many texts


def test_each_text_is_asked_for_once():
    translator = Words(lambda text: text.replace("[", "") if "Bob" in text else text)
    marked = Marked(translator)
    texts = ["Ana saw Eva", "Ana saw Bob", "plain", "Ana saw Eva", "Ana", ""]
    spans = [[(0, 3, "0"), (8, 11, "1")], [(0, 3, "0")], [], [(0, 3, "0"), (8, 11, "1")], [], []]
    found = marked.carry(texts, spans, "en", "es")
    assert [t.text for t in found] == ["Ana vio a Eva", "Ana vio a Bob", "plain", "Ana vio a Eva", "Ana", ""]
    assert [len(t.spans) for t in found] == [2, 0, 0, 2, 0, 0]
    assert translator.calls == [
        ["[Ana] saw [Eva]", "[Ana] saw Bob", "plain", "Ana", "", "Eva"],
        ["Ana saw Bob"],
    ]
    assert marked.report() == {
        "texts": 6, "marked": 3, "plain_fallback": 1, "spans": 5, "carried": 4, "lost_in_translation": 1,
        "below_threshold": 0, "given_up": 0, "nested": 0, "unmarkable": 0,
    }  # fmt: skip
    assert marked.carry([], [], "en", "es") == []


def test_plain_texts_go_straight_through():
    marked = Marked(Words())
    assert marked(["Ana [saw] Eva"], "en", "es") == [Translation("Ana [vio a] Eva")]
    assert marked.report()["texts"] == 0


NAME = st.text("abcdé中", min_size=1, max_size=6)


@pytest.mark.parametrize("plain", PLAIN)
@pytest.mark.parametrize("style", STYLES)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from(["saw", "and", "in", "the"]), NAME), max_size=5), max_size=4),
    st.permutations(range(5)),
    st.sampled_from([lambda t: t, lambda t: t[:-1], lambda t: t + t, lambda t: t.replace("[", " "), lambda t: t[::-1]]),
)
def test_offsets_and_counts_whatever_happens(style, plain, rows, order, alter):
    def shuffled(text):
        parts = re.split(r"(?<=[\]\"]) |(?<=</a>) |(?<=</\d>) ", text)
        return alter(" ".join(parts[k] for k in order if k < len(parts)))

    texts, spans = [], []
    for row in rows:
        text, some = "", []
        for k, (word, name) in enumerate(row):
            some.append((len(text) + len(word) + 1, len(text) + len(word) + 1 + len(name), str(k)))
            text += f"{word} {name} "
        texts.append(text)
        spans.append(some)
    marked = Marked(Words(shuffled), style, plain=plain)
    found = marked.carry(texts, spans, "en", "es")
    assert found == Marked(Words(shuffled), style, plain=plain).carry(texts, spans, "en", "es")
    for translation, some in zip(found, spans):
        ends = [0, *(x for a, b, _ in translation.spans for x in (a, b)), len(translation.text)]
        assert ends == sorted(ends) and all(a < b for a, b, _ in translation.spans)
        names = [name for *_, name in translation.spans]
        assert len(set(names)) == len(names) and {*names} <= {name for *_, name in some}
    report = marked.report()
    assert report["spans"] == sum(report[fate] for fate in FATES) == sum(map(len, spans))
    assert report["carried"] == sum(len(t.spans) for t in found)


@pytest.mark.parametrize("style", STYLES)
@given(st.lists(st.integers(100, 999).map(str), min_size=1, max_size=5, unique=True), st.randoms(use_true_random=False))
def test_distinct_spans_are_told_apart_in_any_order(style, names, random):
    """Each span comes back where its translation went."""
    pairs = {name: " ".join(name) + "x" for name in names}  # "123" becomes "1 2 3x"

    def translate(text):
        marks = re.findall(r"\S*?[\[\">]\d+[\]\"<]\S*", text)
        random.shuffle(marks)
        shuffled = re.sub(r"\S*?[\[\">]\d+[\]\"<]\S*", lambda _: marks.pop(), text)
        return re.sub(r"\d{3}", lambda m: pairs[m[0]], shuffled)

    text = " y ".join(names)
    marked = Marked(lambda texts, *_: [Translation(translate(t)) for t in texts], style, threshold=1.0)
    (found,) = marked.carry([text], [spans_of(text, *names)], "en", "es")
    assert {name: found.text[a:b] for a, b, name in found.spans} == pairs


# Translators that carry spans themselves


class Carrying(Words):
    def carry(self, texts, spans, source_lang, target_lang):
        return [Translation(t.upper(), list(s[:1])) for t, s in zip(texts, spans)]


def test_a_translator_that_carries_spans_is_left_to_it():
    text = "Ana saw Eva"
    for translator in (Carrying(), Memory(translator=Carrying())):
        marked = Marked(translator)
        assert carry(marked, text, "Ana", "Eva") == ("ANA SAW EVA", {"Ana": "ANA"})
        assert counted(marked) == {"carried": 1, "lost_in_translation": 1}
        assert marked([text], "en", "es")[0].text == "Ana vio a Eva"


def test_behind_and_in_front_of_a_memory():
    text, translator = "Ana  saw Eva", Words()
    behind = Marked(Memory(translator=translator))
    assert not carries(behind.translator) and isinstance(behind, SpanTranslator)
    for _ in range(2):
        assert carry(behind, text, "Ana", "Eva") == ("Ana vio a Eva", {"Ana": "Ana", "Eva": "Eva"})
    assert len(translator.calls) == 1
    memory = Memory(translator=Marked(translator))
    for _ in range(2):
        (found,) = memory.carry([text], [spans_of(text, "Ana")], "en", "es")
        assert found == Translation("Ana vio a Eva", [(0, 3, "Ana")])
    assert len(translator.calls) == 2


# Settings and state


def test_every_setting_is_in_the_key():
    made = [
        Marked(Words()),
        Marked(Words(key="other")),
        *(Marked(Words(), style=style) for style in STYLES if style != "brackets"),
        Marked(Words(), spaced=True),
        Marked(Words(), threshold=0.6),
        Marked(Words(), plain="never"),
        Marked(Words(), plain="check"),
    ]
    assert len({marked.key for marked in made}) == len(made)
    assert made[0].key == "spacy_xproj.Marked.v1(brackets,False,0.5,lost) Words"
    assert made[0].provenance == "words, brackets"
    assert Marked(len).provenance == "builtin_function_or_method, brackets"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"style": "curly"}, "style must be one of brackets, xml, numbered, quotes, not 'curly'"),
        ({"plain": "always"}, "plain must be one of lost, check, never, not 'always'"),
        ({"threshold": 1.5}, "threshold must be from 0 to 1, not 1.5"),
        ({"translator": None}, "got none"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(XprojError, match=message):
        Marked(**{"translator": Words(), **settings})


class Saved(Words):
    def to_disk(self, path):
        path.write_text(self.key)

    def from_disk(self, path):
        self.key = path.read_text()


def test_the_state_is_that_of_the_translator(tmp_path):
    Marked(Saved(key="one")).to_disk(tmp_path / "state")
    marked = Marked(Saved())
    assert marked.from_disk(tmp_path / "state") is marked
    assert marked.translator.key == "one"
    with pytest.raises(XprojError, match="Saved holds what it saves to files, which is too large for bytes"):
        marked.to_bytes()
    assert Marked(Words()).from_bytes(Marked(Words()).to_bytes()).translator.key == Words().key
    assert pickle.loads(pickle.dumps(Marked(Given()))).key == Marked(Given()).key


def test_in_a_pipeline():
    registry.xproj_translators.register("test.Marked.v1", func=Marked)
    registry.xproj_translators.register("test.Words.v1", func=Words)
    words = {"@xproj_translators": "test.Words.v1"}
    forward = {"@xproj_translators": "test.Marked.v1", "style": "xml", "threshold": 0.6, "translator": words}
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_translator", config={"forward": forward})
    doc = spacy.blank("en")("Ana saw London yesterday")
    doc.set_ents([Span(doc, 0, 1, "PER"), Span(doc, 2, 3, "LOC")])
    (found,) = spacy_xproj.translate([doc], nlp)
    assert found.text == "Ana vio a Londres ayer"
    assert [(s.text, s.label_) for s in found.spans["xproj_carried"]] == [("Ana", "PER"), ("Londres", "LOC")]
    assert found._.xproj.provenance == {"translator": "words, xml"}
