"""Cut an encoder to the sub-words of a corpus."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..corpus import LINES, blank
from ..errors import InputError
from ..files import replacing_folder
from ..keys import finished, run_key
from ..locks import locked
from ..models.pruning import Pruned, Text, prune_model
from .pipelines import PathLike
from .reading import DocReader, Inputs


class Texts:
    """The texts of Docs: their own, and those of the source side. They can be read again and again.

    docs (iterable of Doc): The Docs.
    """

    def __init__(self, docs: Iterable):
        self.docs = docs

    def __iter__(self) -> Iterator[Text]:
        for doc in self.docs:
            yield Text([token.text for token in doc], doc.text)
            if (bitext := doc._.xproj) is not None:
                whole = "".join(word + " " * space for word, space in zip(bitext.words, bitext.spaces))
                yield Text(bitext.words, whole)


class Pruning(NamedTuple):
    """How pruning went.

    pruned (Pruned): How many sub-words and weights were there, and are.
    new (bool): Whether anything had to be done.
    """

    pruned: Pruned
    new: bool


def prune(
    model: PathLike, corpus: Sequence[PathLike], out: PathLike, lang: str = "xx", source_lang: str = "en"
) -> Pruning:
    """Write an encoder with only the sub-words of a corpus, those of a single character, and the special ones. It gives
    the texts of the corpus the same vectors.

    model (str or Path): The folder of the model. Its tokenizer must be one of Unigram or WordPiece.
    corpus (sequence of str or Path): Files and folders in any format. The sources of a bitext count as well.
    out (str or Path): The folder for the new model. What was made from the same input before is left as it is.
    lang, source_lang (str): The languages of raw text and of the source of a .tsv, whose rules split it into words.
    RETURNS (Pruning): How it went.
    RAISES (XprojError): If the model, the corpus or OUT cannot be used.
    """
    folder = Path(model)
    if not folder.is_dir():
        raise InputError(folder, "Expected the folder of a Hugging Face model, and there is no such folder.")
    files = {"model": model, **{f"corpus {number}": path for number, path in enumerate(corpus, 1)}}
    with locked(out, [model, *corpus]):
        inputs = Inputs(corpus)
        key = run_key(files, {"lang": lang, "source_lang": source_lang})
        if note := finished(out, key):
            return Pruning(Pruned(*note["counts"]), False)
        counts: list[int] = []
        with replacing_folder(out, key=key, counts=counts) as beside:
            pruned = prune_model(
                folder, Texts(DocReader(corpus, blank(lang), source_lang=source_lang, default=LINES).apart()), beside
            )
            inputs.check()
            counts += pruned
        return Pruning(pruned, True)
