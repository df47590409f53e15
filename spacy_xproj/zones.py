"""Words of a corpus leave the memory with the part of it that they stand in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from spacy.vocab import Vocab


@contextmanager
def memory_zones(*vocabs: Vocab) -> Iterator[None]:
    """Forget, at the end, the strings and lexemes that some vocabs meet inside. A vocab keeps each word that it has
    seen, and a corpus never ceases to bring new ones. Docs made inside cannot be used outside.

    vocabs (Vocab): The vocabs. One that is in a zone already stays in that zone: spaCy's zones do not nest.
    """
    with ExitStack() as stack:
        for vocab in vocabs:
            if not vocab.in_memory_zone:  # type: ignore[attr-defined]  # spaCy's stub lacks it
                stack.enter_context(vocab.memory_zone())
        yield


def empty_vocab(vocab: Vocab) -> Vocab:
    """Return a vocab without words, whose Docs have the lexical attributes of those of another one. Docs keep their
    vocab alive: unlike those of a zone, they can be used anywhere.

    vocab (Vocab): The other one.
    RETURNS (Vocab): The new one.
    """
    return Vocab(
        vocab.lex_attr_getters,  # type: ignore[attr-defined]  # lacking, too
        lookups=vocab.lookups,
        writing_system=vocab.writing_system,
        get_noun_chunks=vocab.get_noun_chunks,
    )
