"""Words as the sub-words of a model, in windows where there are more than it can read."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import numpy as np

from ..errors import InputError, XprojError, check_at_least, check_one_of
from .batches import padded, run_batches
from .folder import LocalModel
from .windows import most_context, windows

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_LENGTH = 512  # where neither the model nor its tokenizer has a limit
Ids = tuple[int, ...]


class Loaded(NamedTuple):
    """A model that is ready to use.

    model (PreTrainedModel), tokenizer (tokenizers.Tokenizer): The model and its fast tokenizer.
    prefix_space (bool): Words are to begin with a space, which byte-level tokenizers know the start of a word by.
    pad (int): The padding's id.
    max_length (int): How many sub-words it can read at once, with the special ones.
    """

    model: Any
    tokenizer: Any
    prefix_space: bool
    pad: int
    max_length: int


class Cut(NamedTuple):
    """Words as sub-words.

    inputs (list of tuple of int): The ids of each window, with the special ones.
    words (int array (n,)): The word that each sub-word is of, ascending.
    window, position (int arrays (n,)): Where it has most context: the window, and the place in it.
    """

    inputs: list[Ids]
    words: np.ndarray
    window: np.ndarray
    position: np.ndarray


def ready(model: Any, tokenizer: Any, folder: Path, who: str) -> Loaded:
    """A model and its tokenizer, which is set to cut words into sub-words and to do nothing else.

    model (PreTrainedModel), tokenizer (PreTrainedTokenizerBase): From `from_pretrained`.
    folder (Path), who (str): Where they are from, and who asks, for errors.
    RETURNS (Loaded): Both.
    RAISES (InputError): If the tokenizer does not say which word a sub-word is of.
    """
    if not tokenizer.is_fast:
        raise InputError(
            folder,
            f"{who} needs a fast tokenizer, which says which word each sub-word is of, and {type(tokenizer).__name__} "
            "is not one. Give a model with a tokenizer.json.",
        )
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # "</s>" in a text is text
    before = backend.pre_tokenizer
    prefix_space = before is not None and b'"ByteLevel"' in before.__getstate__()
    return Loaded(model, backend, prefix_space, model.config.pad_token_id or 0, max_length(model, tokenizer))


def cut(loaded: Loaded, words: Sequence[str], size: int, overlap: int, who: str, folder: Path) -> Cut:
    """Cut words into sub-words.

    loaded (Loaded): The model.
    words (sequence of str): The words of a text, none of white space.
    size (int): Sub-words a window, with the special ones. 0: what the model can read.
    overlap (int): Least number of sub-words that two windows share; at most half a window.
    who (str), folder (Path): Who asks, and of which model, for errors.
    RETURNS (Cut): Its sub-words.
    RAISES (XprojError): If the model cannot read windows of this size.
    """
    texts = [valid(" " + word if loaded.prefix_space else word) for word in words]
    encoding = loaded.tokenizer.encode(texts, is_pretokenized=True)
    # The special sub-words are those around the text's own: each window gets them too.
    own = np.flatnonzero(np.array(encoding.special_tokens_mask) == 0)
    if not len(own):
        return Cut([], *(np.zeros(0, "i8") for _ in range(3)))
    first, last = int(own[0]), int(own[-1]) + 1
    before, ids, after = encoding.ids[:first], encoding.ids[first:last], encoding.ids[last:]
    special, size = len(before) + len(after), size or loaded.max_length
    if not special < size <= loaded.max_length:
        raise XprojError(
            f"{who}: max_length is {size}, but the model in {str(folder)!r} reads at most {loaded.max_length} "
            f"sub-words at once, and {special} of these are special. Set it to more than {special} and at most "
            f"{loaded.max_length}, or to 0."
        )
    ranges = windows(len(ids), size - special, overlap)
    window = most_context(len(ids), ranges)
    position = np.arange(len(ids)) - np.array(ranges)[window, 0] + len(before)
    inputs = [(*before, *ids[a:b], *after) for a, b in ranges]
    return Cut(inputs, np.array(encoding.word_ids[first:last], "i8"), window, position)


def max_length(model: Any, tokenizer: Any) -> int:
    """How many sub-words a model can read at once: the least of what its tokenizer, its config and its table of
    position embeddings say. RoBERTa's table has rows at its start that no sub-word gets.

    model (PreTrainedModel), tokenizer (PreTrainedTokenizerBase): The model and its tokenizer.
    """
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - unused)
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9]
    return min(known, default=DEFAULT_LENGTH)


def valid(text: str) -> str:
    """A text with a question mark for each half of a surrogate pair, which tokenizers cannot read."""
    return text.encode("utf8", "replace").decode("utf8")


class SubwordModel(LocalModel):
    """A model that reads the sub-words of words, in windows where a text is too long for it.

    dtype (str): One of `dtypes`.
    batch_tokens (int): Largest number of sub-words in a batch, padding included.
    max_length (int): Longest input in sub-words, with the special ones. 0: what the model can read.
    overlap (int): Least number of sub-words that two windows share; at most half a window.
    The other arguments are those of `LocalModel`.
    RAISES (XprojError): If a setting is out of range, or the folder does not hold such a model.
    """

    dtypes: tuple[str, ...] = ("float32", "float16", "bfloat16")

    def __init__(
        self,
        model: Union[str, Path] = "",
        device: str = "auto",
        dtype: str = "float32",
        batch_tokens: int = 4096,
        max_length: int = 0,
        overlap: int = 128,
        download: bool = False,
    ):
        check_one_of(self.who, self.dtypes, dtype=dtype)
        check_at_least(self.who, 1, batch_tokens=batch_tokens)
        check_at_least(self.who, 0, max_length=max_length, overlap=overlap)
        self.dtype = dtype
        self.batch_tokens = batch_tokens
        self.max_length = max_length
        self.overlap = overlap
        super().__init__(model, device=device, download=download)

    def cut(self, words: Sequence[str]) -> Cut:
        """Cut words into sub-words. See `cut`."""
        return cut(self.load(), words, self.max_length, self.overlap, self.who, self.folder)

    def outputs(self, inputs: Iterable[Ids], read: Callable[[Any], "Tensor"]) -> dict[Ids, "Tensor"]:
        """Run the model. The inputs are put in an order of their own, so that theirs makes no difference at all.

        inputs (iterable of tuple of int): Windows of sub-words.
        read: Takes from the output of the model what is wanted of a batch: a float tensor (inputs, sub-words, size).
        RETURNS (dict of inputs and float tensors (sub-words, size)): For each input, with the padding.
        RAISES (XprojError): If memory is not enough, or the model gives values that are not numbers.
        """
        loaded: Loaded = self.load()
        rows = sorted(set(inputs))

        def run(batch: list[int]) -> "Tensor":
            values = read(loaded.model(**padded([rows[i] for i in batch], loaded.pad, loaded.model.device)))
            if not bool(values.isfinite().all()):
                raise XprojError(
                    f"{self.who}: the model in {str(self.folder)!r} gives values that are not numbers as {self.dtype}. "
                    "Set dtype to 'float32'."
                )
            return values

        return dict(zip(rows, run_batches([len(ids) for ids in rows], self.batch_tokens, self.who, run)))
