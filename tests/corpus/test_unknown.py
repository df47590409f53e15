"""What is not known of the source is not known of the target; links and memories with other words or spaces."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_xproj import Bitext, translate
from spacy_xproj.corpus.pairing import pair_docs, with_links
from spacy_xproj.errors import XprojError
from spacy_xproj.texts import tighten
from spacy_xproj.translators import Memory

ES = spacy.blank("es")


def source(words, known, ents=()):
    doc = Doc(spacy.blank("en").vocab, words=words)
    missing = [doc[i : i + 1] for i in range(len(doc)) if i not in known]
    doc.set_ents([spacy.tokens.Span(doc, *ent) for ent in ents], missing=missing, default="outside")
    return doc


def projected(bitext, words):
    doc = Doc(ES.vocab, words=words)
    doc._.xproj = bitext
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": {"@xproj_similarities": "spacy_xproj.Links.v1"}})
    return [token.ent_iob for token in nlp(doc)]


def test_target_words_of_unknown_source_words_are_missing_values():
    bitext = Bitext("en", ["Ana", "met", "Eva"], [True] * 3, [(0, 1, "PER")], [(0, 0), (1, 1), (2, 3)], unknown=[2])
    assert projected(bitext, ["Ana", "vio", "a", "Eva"]) == [3, 2, 2, 0]
    nothing = Bitext("en", ["Ja"], [False], unknown=[0])
    assert projected(nothing, ["Sí", "."]) == [0, 0]  # also what is not linked
    halves = Bitext("en", ["Ja", "No"], [True] * 2, unknown=[0], sents=[((0, 1), (0, 2)), ((1, 2), (2, 3))])
    assert projected(halves, ["Sí", ".", "No"]) == [0, 0, 2]


def test_it_survives_and_is_checked():
    doc = Doc(ES.vocab, words=["Sí"])
    doc._.xproj = Bitext("en", ["Ja"], [False], unknown=[0])
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    (again,) = DocBin().from_bytes(data).get_docs(Vocab())
    assert again._.xproj == doc._.xproj and again._.xproj.unknown == (0,)
    assert doc._.xproj != doc._.xproj.replace(unknown=())
    with pytest.raises(XprojError, match="unknown word"):
        Bitext("en", ["Ja"], [False], unknown=[1])


def test_sources_say_what_is_unknown():
    masked, bare = source(["Ana", "met", "Eva"], {0, 1}, [(0, 1, "PER")]), source(["Ja", "."], ())
    nlp = spacy.blank("es")
    translator = nlp.add_pipe("xproj_translator", config={"forward": {"@xproj_translators": "spacy_xproj.Memory.v1"}})
    translator.forward.add([("Ana met Eva", "Ana vio a Eva"), ("Ja .", "Sí.")], "en", "es")
    assert [doc._.xproj.unknown for doc in translate([masked, bare], nlp, source_lang="en")] == [(2,), (0, 1)]
    target = [Doc(ES.vocab, words=["x"]), Doc(ES.vocab, words=["y"])]
    assert [doc._.xproj.unknown for doc in pair_docs([masked, bare], target, ES)] == [(2,), (0, 1)]


@pytest.mark.parametrize(
    "lines, links",
    [
        ("0-0 1-1 2-2\n", [(0, 0), (0, 1), (0, 2), (1, 3), (2, 4), (2, 5)]),  # words between blanks
        ("0-1 1-3 2-4 2-5\n", [(0, 1), (1, 3), (2, 4), (2, 5)]),  # tokens
        ("0-0\n", [(0, 0)]),  # not enough to say that they are no tokens
    ],
)
def test_links_of_words_between_blanks(tmp_path, lines, links):
    (tmp_path / "l.pharaoh").write_text(lines)
    doc = ES("¡Hola! Marta ríe.")
    doc._.xproj = Bitext("en", ["Hello", "Marta", "laughs."], [True, True, False])
    (found,) = with_links([doc], [doc], tmp_path / "l.pharaoh")
    assert len(doc) == 6 and found._.xproj.links.tolist() == list(map(list, links))
    assert found._.xproj.links.dtype == np.int32


def test_a_memory_finds_text_that_is_spaced_otherwise(tmp_path):
    memory = Memory(tmp_path / "m.db")
    pairs = [("Ana met Eva .", "a"), ("She said: yes.", "b"), ("\u5979\u53bb\u53f0\u5317\u3002", "c"), ("a part", "d")]
    memory.add(pairs, "en", "es")
    asked = ["Ana met Eva.", "She said : yes .", "\u5979 \u53bb \u53f0\u5317 \u3002", "apart", "Ana met Eva ."]
    assert [t.text for t in memory(asked, "en", "es")] == ["a", "b", "c", None, "a"]
    assert tighten("a , b ( c )") == tighten("a, b (c)") == "a,b(c)"
