import json

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_xproj.bitext import Bitext
from spacy_xproj.corpus import blank
from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry
from spacy_xproj.sentences import sentence_offsets
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


class Carrier(Recorder):
    """Carries spans over by their first letters, but never one of a single letter. It has a model that is saved."""

    model = "unread"

    def carry(self, texts, spans, source_lang, target_lang):
        out = []
        for (text, _), source, marked in zip(self(texts, source_lang, target_lang), texts, spans):
            found = []
            for start, end, name in marked:
                at = (text or "").find(source[start : start + 2]) if end - start > 1 else -1
                if at >= 0:
                    found.append((at, text.index(" ", at) if " " in text[at:] else len(text) - 1, name))
            out.append(Translation(text, found))
        return out

    def to_disk(self, path):
        path.write_text("saved", encoding="utf-8")

    def from_disk(self, path):
        self.model = path.read_text(encoding="utf-8")


class Call:
    """A component that calls its function."""

    call = staticmethod(lambda doc: doc)

    def __call__(self, doc):
        return self.call(doc)


Language.factory("test_fail", func=lambda nlp, name: Call())
registry.xproj_translators.register("test.Recorder.v1", func=Recorder)
registry.xproj_translators.register("test.Carrier.v1", func=lambda model="", path="": Carrier())
RECORDER = {"@xproj_translators": "test.Recorder.v1"}
CARRIER = {"@xproj_translators": "test.Carrier.v1"}


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


def labeled(nlp, *texts):
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


@pytest.mark.parametrize("shared", [False, True])
def test_words_of_translations_do_not_pile_up(shared):
    nlp = made(back=RECORDER)
    if shared:  # its words are those of the Docs, which stay
        source = spacy.blank("es", vocab=nlp.vocab)
        source.add_pipe("entity_ruler").add_patterns(PATTERNS)
        nlp.get_pipe(NAME).source = source
    strings = nlp.get_pipe(NAME).source.vocab.strings
    docs = list(nlp.pipe(["Ana vive en Roma."] * 3))
    assert ("lives" in strings) == shared
    assert [doc._.xproj.text for doc in docs] == ["Ana lives in Rome."] * 3
    assert [doc.text for doc in docs] == ["Ana vive en Roma."] * 3
    assert [[s.label for s in doc._.xproj.spans] for doc in docs] == [["PER", "LOC"]] * 3


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
    (source,) = labeled(source_nlp(), text)
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


def test_ids_of_source_entities_are_kept_beside():
    source = Doc(spacy.blank("en").vocab, words=["It", "is", "warm", "."], spaces=[True, True, False, False])
    source.ents = [Span(source, 0, 1, label="X", span_id="mine"), Span(source, 2, 3, label="Y", span_id="mine")]
    nlp = made(forward=RECORDER)
    (doc,) = nlp.get_pipe(NAME).translate([source], nlp)
    assert [s.id for s in doc._.xproj.spans] == ["s0", "s1"]
    assert doc._.xproj.source_ids == {"s0": "mine", "s1": "mine"}


def test_entities_of_a_ruler_with_ids_are_all_projected():
    """Each match of a pattern has the pattern's id."""
    source = spacy.blank("en")
    ruler = source.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": "PER", "pattern": "Ana", "id": "ana"}, {"label": "LOC", "pattern": "Rome", "id": "ana"}]
    )
    nlp = made(forward=RECORDER)
    nlp.add_pipe("xproj_aligner", config={"aligner": {"@xproj_aligners": "test.Diagonal.v1"}})
    nlp.add_pipe("xproj_projector")
    nlp.add_pipe("xproj_merger", config={"keys": ["xproj"]})
    (doc,) = nlp.pipe(nlp.get_pipe(NAME).translate([source("Ana lives in Rome.")], nlp))
    assert doc._.xproj_report["missing"] == [] and doc._.xproj_report["projected"] == 2
    assert [(e.text, e.id_) for e in doc.ents] == [("Ana", "s0"), ("Roma", "s1")]


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
    assert sentence_offsets(nlp("")) == []
    assert sentence_offsets(nlp("one")) == [(0, 1)]
    assert sentence_offsets(nlp("one two")) == [(0, 2)]
    nlp.add_pipe("sentencizer")
    assert sentence_offsets(nlp("One. Two.")) == [(0, 2), (2, 4)]


def carried(doc):
    return [(s.text, s.label_, s.id_) for s in doc.spans["xproj_carried"]]


@pytest.mark.parametrize("behind_memory", [False, True])
def test_spans_that_the_translator_carries(behind_memory):
    behind = {"@xproj_translators": "spacy_xproj.Memory.v1", "translator": CARRIER}
    nlp = made(forward=behind if behind_memory else CARRIER)
    text = "Bob sleeps. Unknown. Ana lives in Rome."
    (source,) = labeled(source_nlp(), text)
    (doc,) = nlp.get_pipe(NAME).translate([source], nlp)
    assert carried(doc) == [("Bob", "PER", "s0"), ("Ana", "PER", "s1"), ("Roma", "LOC", "s2")]
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert carried(again) == carried(doc)


def test_lost_spans_are_not_carried_and_without_a_try_there_is_no_group():
    nlp = made(forward=CARRIER)
    source = Doc(spacy.blank("en").vocab, words=["It", "is", "warm", "."], spaces=[True, True, False, False])
    source.ents = [Span(source, 0, 1, label="X")]
    (doc,) = nlp.get_pipe(NAME).translate([source], nlp)
    assert doc.text == "Hace calor." and carried(doc) == []
    nlp = made(forward=RECORDER)
    (doc,) = nlp.get_pipe(NAME).translate([source], nlp)
    assert "xproj_carried" not in doc.spans


@pytest.mark.parametrize("direction", ["forward", "back"])
def test_labels_are_mapped_or_left_out(direction):
    nlp = made(**{direction: RECORDER}, label_map={"PER": "PERSON", "LOC": ""})
    if direction == "forward":
        (doc,) = nlp.get_pipe(NAME).translate([source_nlp()("Ana lives in Rome.")], nlp)
    else:
        doc = nlp("Ana vive en Roma.")
    assert [(s.start, s.label) for s in doc._.xproj.spans] == [(0, "PERSON")]


def test_round_trip():
    nlp = made(back=RECORDER, forward=CARRIER, round_trip=True, sents=True)
    found = nlp("Hace calor. Ana vive en Roma.")._.xproj
    assert (found.lang, found.text.split()) == ("es", ["Hace", "calor.Ana", "vive", "en", "Roma."])
    assert [(found.words[s.start], s.label) for s in found.spans] == [("Ana", "PER"), ("Roma", "LOC")]
    assert found.sents == (((0, 3), (0, 3)), ((3, 8), (3, 8)))
    assert found.provenance == {"translator": "Recorder, then Carrier"}
    with pytest.raises(XprojError, match="round_trip needs a 'forward'"):
        made(back=RECORDER, forward=RECORDER, round_trip=True)


def test_models_are_saved_and_their_paths_are_not(tmp_path):
    blocks = {"forward": {**CARRIER, "path": "$mine/memory"}, "back": {**CARRIER, "model": str(tmp_path)}}
    nlp = made(**blocks)
    nlp.config["paths"]["mine"] = str(tmp_path)
    nlp.to_disk(tmp_path / "model")
    saved = (tmp_path / "model" / "config.cfg").read_text(encoding="utf-8")
    assert str(tmp_path) not in saved and "$mine" not in saved and 'model = ""' in saved
    loaded = spacy.load(tmp_path / "model").get_pipe(NAME)
    assert (loaded.forward.model, loaded.back.model) == ("saved", "saved")
    assert nlp.config["components"][NAME]["back"]["model"] == str(tmp_path)  # this one stays as it is


def test_a_memory_in_a_saved_pipeline(tmp_path):
    nlp = made(back=memory(tmp_path / "memory.db"))
    want = state(nlp("Ana vive en Roma."))
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "memory.db").rename(tmp_path / "gone")
    loaded = spacy.load(tmp_path / "model")
    assert state(loaded("Ana vive en Roma.")) == want and len(want[3].spans) == 2
    assert str(tmp_path) not in (tmp_path / "model" / "config.cfg").read_text(encoding="utf-8")


class Small(Recorder):
    """Runs out of memory above two texts at a time."""

    def __call__(self, texts, source_lang, target_lang):
        self.calls.append(len(texts))
        if len(texts) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        if any("!fail" in text for text in texts):
            raise ValueError("told to fail")
        return [Translation(f"[{text}]") for text in texts]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_source_doc_that_fails_goes_to_the_error_handler_alone(batch_size):
    nlp = made(forward=RECORDER)
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, err: failed.extend((name, doc.text, str(err)) for doc in docs))
    texts = ["It is warm.", "Bob sleeps.", "!fail", "It is warm.", "Bob sleeps.", "!fail", "Bob sleeps."]
    stream = nlp.get_pipe(NAME).translate(map(source_nlp(), texts), nlp, batch_size=batch_size)
    assert [doc._.xproj.text for doc in stream] == [text for text in texts if text != "!fail"]
    assert failed == [(NAME, "!fail", "told to fail")] * 2


def test_a_source_doc_that_fails_stops_the_run_by_default(no_warnings):
    nlp = made(forward=RECORDER)
    texts = ["It is warm.", "Bob sleeps.", "!fail", "It is warm."]
    stream = nlp.get_pipe(NAME).translate(map(source_nlp(), texts), nlp)
    assert [next(stream).text, next(stream).text] == ["Hace calor.", "Bob duerme."]
    with pytest.raises(RuntimeError, match="told to fail"):
        next(stream)


@pytest.mark.parametrize("direction", ["forward", "back"])
def test_a_batch_too_large_for_memory_is_halved_with_one_warning(direction):
    nlp = made(**{direction: RECORDER})
    pipe = nlp.get_pipe(NAME)
    translator = Small()
    setattr(pipe, direction, translator)
    texts = [f"text {k}" for k in range(16)]
    with pytest.warns(UserWarning, match=r"8 Docs failed \(RuntimeError: CUDA out of memory.*batch_size") as warned:
        if direction == "forward":
            docs = list(pipe.translate(map(source_nlp(), texts), nlp, batch_size=8))
            assert [doc.text for doc in docs] == [f"[{text}]" for text in texts]
        else:
            docs = list(nlp.pipe(texts, batch_size=8))
            assert [doc._.xproj.text for doc in docs] == [f"[{text}]" for text in texts]
    assert len(warned) == 1
    assert sorted(translator.calls) == [2] * 8 + [4] * 4 + [8] * 2


def test_texts_of_a_batch_that_fails_are_counted_once():
    nlp = made(forward={"@xproj_translators": "spacy_xproj.Marked.v1", "translator": RECORDER, "plain": "never"})
    pipe = nlp.get_pipe(NAME)
    pipe.forward.translator = Small()
    source = spacy.blank("en")
    docs = [Doc(source.vocab, words=["Ana", f"w{k}"], ents=["B-PER", "O"]) for k in range(8)]
    with pytest.warns(UserWarning, match="8 Docs failed"):
        list(pipe.translate(docs[:], nlp, batch_size=8))
    found = pipe.forward.report()
    assert (found["texts"], found["spans"]) == (8, 8)


def test_a_source_pipeline_that_fails_does_not_make_translate_again():
    nlp = made(back=RECORDER)
    pipe = nlp.get_pipe(NAME)
    pipe.back = Small()
    pipe.source = spacy.blank("en")

    def fail(doc):
        if "3" in doc.text:
            raise ValueError("bad text")
        return doc

    pipe.source.add_pipe("test_fail", name="fail", config={})
    pipe.source.get_pipe("fail").call = fail
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, err: failed.extend(doc.text for doc in docs))
    docs = list(nlp.pipe(["t0", "t1", "t2", "t3", "t4", "t5"], batch_size=2))
    assert [doc.text for doc in docs] == ["t0", "t1", "t2", "t4", "t5"] and failed == ["t3"]
    assert pipe.back.calls == [2, 2, 2]


def test_a_source_pipeline_that_leaves_docs_out_is_an_error():
    nlp = made(back=RECORDER)
    pipe = nlp.get_pipe(NAME)
    pipe.source = spacy.blank("en")
    pipe.source.add_pipe("test_fail", name="fail").call = lambda doc: 1 / 0
    pipe.source.set_error_handler(lambda *args: None)
    with pytest.raises(XprojError, match="gave 0 Docs for 1 translations"):
        nlp("Hace calor.")
