import json

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_xproj.bitext import Bitext
from spacy_xproj.corpus import blank
from spacy_xproj.errors import XprojError
from spacy_xproj.pipeline.translator import sentences
from spacy_xproj.registry import registry
from spacy_xproj.translators.memory import Memory
from spacy_xproj.ty import Translation
from tests.conftest import state

PAIRS = [("Ana lives in Rome.", "Ana vive en Roma."), ("It is warm.", "Hace calor."), ("Bob sleeps.", "Bob duerme.")]
# Token patterns: spaCy's EntityRuler.from_bytes loses phrase patterns.
PATTERNS = [{"label": k, "pattern": [{"ORTH": w}]} for k, w in (("PER", "Ana"), ("PER", "Bob"), ("LOC", "Rome"))]
NAME = "xproj_translator"


class Recorder:
    """Knows PAIRS in both directions, and what it was asked for."""

    def __init__(self):
        self.calls = []

    def __call__(self, texts, source_lang, target_lang):
        self.calls.append((source_lang, target_lang))
        if any("!fail" in text for text in texts):
            raise RuntimeError("told to fail")
        table = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
        return [Translation(table.get(text.strip())) for text in texts]


registry.xproj_translators.register("test.Recorder.v1", func=Recorder)
RECORDER = {"@xproj_translators": "test.Recorder.v1"}


def source_nlp():
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    return nlp


def made(lang="es", sents=False, **settings):
    nlp = spacy.blank(lang)
    if sents:
        nlp.add_pipe("sentencizer")
    nlp.add_pipe(NAME, config=settings)
    nlp.get_pipe(NAME).source = source_nlp()
    return nlp


def labelled(nlp, *texts):
    nlp.add_pipe("sentencizer", first=True)
    return [nlp(text) for text in texts]


def test_back_labels_the_translation():
    nlp = made(back=RECORDER)
    doc = nlp("Ana vive en Roma.")
    found = doc._.xproj
    assert (found.lang, found.text) == ("en", "Ana lives in Rome.")
    assert [s[:4] for s in found.spans] == [(0, 1, "PER", "s0"), (3, 4, "LOC", "s1")]
    assert found.sents == (((0, 5), (0, 5)),)
    assert found.provenance == {"translator": "Recorder"}
    assert nlp.get_pipe(NAME).back.calls == [("es", "en")]


def test_back_goes_sentence_by_sentence():
    nlp = made(back=RECORDER, sents=True)
    doc = nlp("Bob duerme. Hace calor. Ana vive en Roma. Nada. Bob duerme.")
    found = doc._.xproj
    assert [found.words[a:b] for (a, b), _ in found.sents] == [
        ("Bob", "sleeps", "."),
        ("It", "is", "warm", "."),
        ("Ana", "lives", "in", "Rome", "."),
        (),
        ("Bob", "sleeps", "."),
    ]
    assert [doc[c:d].text for _, (c, d) in found.sents] == [s.text for s in doc.sents]
    assert [found.words[s.start] for s in found.spans] == ["Bob", "Ana", "Rome", "Bob"]
    assert [s.id for s in found.spans] == ["s0", "s1", "s2", "s3"]


def test_ids_are_unique_however_many_sentences():
    nlp = made(back=RECORDER, sents=True)
    text = "Bob duerme. Ana vive en Roma. Ana vive en Roma. Bob duerme."
    assert [s.id for s in nlp(text)._.xproj.spans] == [f"s{k}" for k in range(6)]


def test_a_payload_is_left_alone():
    nlp = made(back=RECORDER)
    doc = nlp.make_doc("Ana vive en Roma.")
    doc._.xproj = Bitext("de", ("Ana",), (False,))
    assert nlp(doc)._.xproj == Bitext("de", ("Ana",), (False,))
    assert nlp.get_pipe(NAME).back.calls == []


@pytest.mark.parametrize("text", ["", " ", "Nada", "\n\n"])
def test_texts_without_a_translation(text):
    found = made(back=RECORDER)(text)._.xproj
    assert (found.words, found.spans) == ((), ())


def test_back_needs_a_source_pipeline():
    nlp = made(back=RECORDER)
    nlp.get_pipe(NAME).source = None
    with pytest.raises(XprojError, match=r"\[initialize.components.xproj_translator\]"):
        nlp("Hace calor.")


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_a_text_that_fails_fails_alone(batch_size):
    nlp = made(back=RECORDER)
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, err: failed.extend(doc.text for doc in docs))
    docs = list(nlp.pipe(["Hace calor.", "!fail", "Bob duerme."], batch_size=batch_size))
    assert [doc._.xproj.text for doc in docs] == ["It is warm.", "Bob sleeps."]
    assert failed == ["!fail"]


@pytest.mark.parametrize("direction", ["back", "forward"])
def test_a_translator_that_gives_too_little(direction):
    nlp = made(**{direction: RECORDER})
    setattr(nlp.get_pipe(NAME), direction, lambda texts, source, target: [])
    with pytest.raises(XprojError, match="0 translations of 1 texts"):
        if direction == "back":
            nlp("Hace calor.")
        else:
            list(nlp.get_pipe(NAME).translate([source_nlp()("It is warm.")], nlp))


def memory(path):
    memory = Memory(path)
    memory.add([pair[::-1] for pair in PAIRS], "es", "en")
    memory.close()
    return {"@xproj_translators": "spacy_xproj.Memory.v1", "path": str(path), "read_only": True}


def test_memory_in_any_batch_and_process(tmp_path):
    texts = ["Ana vive en Roma. Hace calor.", "", "Bob duerme.", "Nada. Bob duerme."] * 3
    nlp = made(back=memory(tmp_path / "memory.db"), sents=True)
    want = [state(nlp(text)) for text in texts]
    assert [state(doc) for doc in nlp.pipe(texts, batch_size=5)] == want
    assert [state(doc) for doc in nlp.pipe(texts, batch_size=3, n_process=2)] == want


def test_the_source_pipeline_is_saved(tmp_path):
    source_nlp().to_disk(tmp_path / "source")
    nlp = made(back=RECORDER)
    pipe = nlp.get_pipe(NAME)
    pipe.source = None
    nlp.config["initialize"]["components"][NAME] = {"source": str(tmp_path / "source")}
    nlp.initialize()
    want = state(nlp("Ana vive en Roma."))
    assert len(want[3].spans) == 2
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "source").rename(tmp_path / "gone")
    loaded = spacy.load(tmp_path / "model")
    from_bytes = spacy.blank("es")
    from_bytes.add_pipe(NAME, config={"back": RECORDER})
    from_bytes.from_bytes(nlp.to_bytes())
    for other in (loaded, from_bytes):
        assert state(other("Ana vive en Roma.")) == want
        assert other.get_pipe(NAME).to_bytes() == pipe.to_bytes()
    assert str(tmp_path) not in (tmp_path / "model" / "config.cfg").read_text(encoding="utf-8")
    loaded.initialize()
    assert state(loaded("Ana vive en Roma.")) == want


def test_translate_forward():
    nlp = made(forward=RECORDER)
    text = "Bob sleeps. Unknown. Ana lives in Rome."
    (source,) = labelled(source_nlp(), text)
    source.user_data["meta"] = {"id": 7}
    (doc,) = nlp.get_pipe(NAME).translate([source], nlp)
    assert doc.text == "Bob duerme. Ana vive en Roma."
    assert doc.vocab is nlp.vocab and doc.user_data["meta"] == {"id": 7}
    assert [s.text for s in doc.sents] == ["Bob duerme.", "Ana vive en Roma."]
    found = doc._.xproj
    assert (found.lang, found.text) == ("en", text)
    assert found.sents == (((0, 3), (0, 3)), ((3, 5), (3, 3)), ((5, 10), (3, 8)))
    assert [(found.words[s.start], s.label) for s in found.spans] == [("Bob", "PER"), ("Ana", "PER"), ("Rome", "LOC")]
    assert len({s.id for s in found.spans}) == 3
    assert list(doc.ents) == []


def test_nothing_translated_is_an_empty_doc():
    nlp = made(forward=RECORDER)
    docs = [source_nlp()("Unknown"), source_nlp()(""), source_nlp()("It is warm.")]
    lost, empty, warm = nlp.get_pipe(NAME).translate(docs, nlp)
    assert (len(lost), lost._.xproj.sents) == (0, (((0, 1), (0, 0)),))
    assert (len(empty), empty._.xproj.words) == (0, ())
    assert (warm.text, warm._.xproj.sents) == ("Hace calor.", ())


def test_ids_of_source_entities_are_kept():
    source = Doc(spacy.blank("en").vocab, words=["It", "is", "warm", "."], spaces=[True, True, False, False])
    source.ents = [Span(source, 0, 1, label="X", span_id="mine"), Span(source, 2, 3, label="Y")]
    nlp = made(forward=RECORDER)
    (doc,) = nlp.get_pipe(NAME).translate([source], nlp)
    assert [s.id for s in doc._.xproj.spans] == ["mine", "s1"]


def test_forward_is_needed_and_one_language():
    nlp = made()
    with pytest.raises(XprojError, match="no translator in 'forward'"):
        list(nlp.get_pipe(NAME).translate([source_nlp()("a")], nlp))
    nlp = made(forward=RECORDER)
    with pytest.raises(XprojError, match="several languages: de, en"):
        list(nlp.get_pipe(NAME).translate([source_nlp()("a"), spacy.blank("de")("a")], nlp))


def test_languages_that_spacy_does_not_know(tmp_path):
    with pytest.warns(UserWarning, match="'qab'"):
        nlp = blank("qab")
    nlp.add_pipe(NAME, config={"forward": RECORDER, "back": RECORDER})
    pipe = nlp.get_pipe(NAME)
    pipe.source = source_nlp()
    list(pipe.translate([source_nlp()("It is warm.")], nlp))
    nlp("Hace calor.")
    assert (pipe.forward.calls, pipe.back.calls) == ([("en", "qab")], [("qab", "en")])
    nlp.to_disk(tmp_path)
    assert json.loads((tmp_path / "meta.json").read_text())["xproj_lang"] == "qab"
    loaded = spacy.load(tmp_path)
    loaded("Hace calor.")
    assert loaded.get_pipe(NAME).back.calls == [("qab", "en")]


def test_sentences():
    nlp = spacy.blank("en")
    assert sentences(nlp("")) == []
    assert sentences(nlp("one")) == [(0, 1)]
    assert sentences(nlp("one two")) == [(0, 2)]
    nlp.add_pipe("sentencizer")
    assert sentences(nlp("One. Two.")) == [(0, 2), (2, 4)]
