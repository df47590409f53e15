"""Word vectors of an encoder for the words of a corpus, as a pipeline that `spacy train` takes them from."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from spacy.vectors import Vectors

from ..corpus import LINES, blank
from ..errors import InputError
from ..files import replacing_folder
from ..keys import finished, run_key
from ..locks import locked
from ..models.encoder import layers_of
from ..models.folder import read_config
from ..models.wordvectors import WordEncoder, reduced
from .pipelines import PathLike
from .prune import Texts
from .reading import DocReader, Inputs


class Table(NamedTuple):
    """A table of word vectors.

    words (int): The number of words with a vector.
    width (int): The length of the vectors.
    new (bool): Whether anything had to be done.
    """

    words: int
    width: int
    new: bool


def make_vectors(
    corpus: Sequence[PathLike],
    out: PathLike,
    model: PathLike,
    lang: str,
    width: int = 256,
    layer: int = 0,
    source_lang: str = "en",
    device: str = "auto",
) -> Table:
    """Give each word of a corpus a vector: the encoder reads the word alone, and the mean of its sub-words is centered
    and reduced to `width` dimensions. Words of several languages come into one space.

    corpus (sequence of str or Path): Files and folders in any format. The sources of a bitext count as well.
    out (str or Path): The folder of the pipeline to write. What was made from the same input before is left as it is.
    model (str or Path): The folder of the encoder.
    lang (str): The language of the pipeline, whose rules split raw text. spaCy takes vectors only from a pipeline of
        the language that is trained, whatever languages the words are of.
    width (int): The length of the vectors.
    layer (int): The layer whose output is taken, counted from 1. 0: the last one.
    source_lang (str): The language of the source of a .tsv.
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    RETURNS (Table): What was written.
    RAISES (XprojError): If the model, the corpus or OUT cannot be used, or there are fewer words than dimensions.
    """
    encoder = word_encoder(model, layer, device)
    files = {f"corpus {number}": path for number, path in enumerate(corpus, 1)}
    options = {"model": encoder.hash, "width": width, "layer": encoder.layer, "lang": lang, "source_lang": source_lang}
    with locked(out, [model, *corpus]):
        inputs = Inputs(corpus)
        key = run_key(files, options)
        if note := finished(out, key):
            return Table(note["words"], width, False)
        nlp = blank(lang)
        words = corpus_words(Texts(DocReader(corpus, blank(lang), source_lang=source_lang, default=LINES).apart()))
        inputs.check()
        vectors = encoder.vectors(words)
        known = np.flatnonzero(vectors.any(axis=1))
        words = [words[row] for row in known]
        table = reduced(vectors[known], width)
        for word in words:
            nlp.vocab.strings.add(word)
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=table, keys=words, name=f"{nlp.lang}_xproj.vectors")
        with replacing_folder(out, key=key, words=len(words)) as beside:
            nlp.to_disk(beside)
    return Table(len(words), width, True)


def word_encoder(model: PathLike, layer: int = 0, device: str = "auto") -> WordEncoder:
    """Return the encoder of a folder, which is checked and loaded at first use.

    model (str or Path), layer (int), device (str): See `make_vectors`.
    RETURNS (WordEncoder): The encoder.
    RAISES (InputError): If the folder is not that of an encoder that has these layers.
    """
    if not Path(model).is_dir():
        raise InputError(model, "Expected the folder of a Hugging Face model, and there is no such folder.")
    return WordEncoder(model, layer or layers_of(read_config(Path(model), WordEncoder.who)) or 1, device)


def corpus_words(texts: Texts) -> list[str]:
    """The words of texts but for white space, the most frequent first, equally frequent ones in alphabetical order."""
    counts = Counter(word for text in texts for word in text.words if word and not word.isspace())
    return sorted(counts, key=lambda word: (-counts[word], word))
