"""Texts as rows of ids: put into batches, padded, and run without gradients."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..errors import XprojError

Result = TypeVar("Result")
LEAST = 16  # tokens that a shorter text counts as: the output needs memory, too


def token_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Put texts of similar length together, the longest first.

    lengths (sequence of int): How many tokens each text has.
    budget (int): So many tokens make a batch, with the padding, and a text counts as 16 at least. A text that is longer
        than that is a batch of its own.
    RETURNS (list of list of int): Indices of the texts.
    """
    batches: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if not batches or (len(batches[-1]) + 1) * longest > budget:
            batches.append([])
            longest = max(lengths[index], LEAST)
        batches[-1].append(index)
    return batches


def run_batches(
    lengths: Sequence[int], batch_tokens: int, who: str, run: Callable[[list[int]], Iterable[Result]]
) -> list[Result]:
    """Run a model on texts of similar length together, without gradients.

    lengths (sequence of int), batch_tokens (int): See `token_batches`.
    who (str): Which backend, for errors.
    run: Takes the indices of some texts, and gives a result for each.
    RETURNS (list): The results, in the order of the texts.
    RAISES (XprojError): If memory is not enough.
    """
    found: dict[int, Result] = {}
    for batch in token_batches(lengths, batch_tokens):
        with running(who, batch_tokens):
            found.update(zip(batch, run(batch)))
    return [found[i] for i in range(len(lengths))]


def padded(rows: Sequence[Sequence[int]], pad: int, device: Any) -> dict[str, Any]:
    """Rows of ids as the input of an encoder.

    rows (sequence of sequences of int): The ids of each text.
    pad (int): The padding's id.
    device (torch.device): Where it is to be.
    RETURNS (dict): The tensors (texts, longest text) `input_ids` and `attention_mask`.
    """
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return {"input_ids": ids, "attention_mask": (torch.arange(longest, device=device) < lengths[:, None]).long()}


@contextmanager
def running(who: str, batch_tokens: int) -> Iterator[None]:
    """Run a model without gradients, and say what to do where memory is not enough.

    who (str): Which backend.
    batch_tokens (int): Its setting.
    """
    import torch

    try:
        with torch.inference_mode():
            yield
    except torch.cuda.OutOfMemoryError as err:
        raise XprojError(f"{who}: the GPU's memory is not enough. Lower batch_tokens (now {batch_tokens}).") from err
