"""What an encoder is tuned for on parallel text without labels: the objectives of AWESoME (Dou and Neubig 2021, "Fine-
tuning Contextual Embeddings for Word Alignment"), each as a loss to be minimized.

For the alignment objectives a sentence pair is its matrix of dot products between the sub-words of its two sides.
`rows` (bool (pairs, m, 1)) and `columns` (bool (pairs, 1, n)) tell sub-words from special ones and padding.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor

IGNORED = -100  # the label of what is not masked, as torch has it


def directions(dot: "Tensor", rows: "Tensor", columns: "Tensor") -> tuple["Tensor", "Tensor"]:
    """The probabilities of links in each direction, S_xy and S_yx: a softmax over the other side's sub-words.

    dot (float tensor (pairs, m, n)): Dot products.
    rows, columns (bool tensors (pairs, m, 1), (pairs, 1, n)): Which are sub-words of the text, one at least a pair.
    RETURNS (two float tensors (pairs, m, n)): Of a target sub-word given the source's, and the reverse. 0 outside.
    """
    forward = dot.masked_fill(~columns, float("-inf")).softmax(2)
    reverse = dot.masked_fill(~rows, float("-inf")).softmax(1)
    inside = rows & columns
    return forward * inside, reverse * inside


def agreement(forward: "Tensor", reverse: "Tensor", source: "Tensor", target: "Tensor", threshold: float) -> "Tensor":
    """The links that self-training takes for right: A = (S_xy > c) * (S_yx > c), between words. Two words with a linked
    pair of sub-words are linked with all their sub-words, as awesome-align does it.

    forward, reverse (float tensors (pairs, m, n)): From `directions`.
    source, target (int tensors (pairs, m), (pairs, n)): The word of each sub-word; -1: it has none.
    threshold (float): c, which both probabilities are above.
    RETURNS (bool tensor (pairs, m, n)): The links.
    """
    linked = ((forward > threshold) & (reverse > threshold)).float()
    same = [((words[:, :, None] == words[:, None, :]) & (words >= 0)[:, :, None]).float() for words in (source, target)]
    return same[0] @ linked @ same[1] > 0


def self_training(forward: "Tensor", reverse: "Tensor", links: "Tensor", rows: "Tensor", columns: "Tensor") -> "Tensor":
    """L_SO: the probabilities of the links, summed and divided by the number of sub-words, in both directions. This is
    the program's figure, twice the paper's, with the sign turned.

    forward, reverse (float tensors (pairs, m, n)): From `directions`.
    links (bool tensor (pairs, m, n)): From `agreement`, of the same model without dropout.
    rows, columns (bool tensors (pairs, m, 1), (pairs, 1, n)): Which are sub-words of the text.
    RETURNS (float tensor ()): The mean over the pairs, in [-2, 0].
    """
    sums = [(side * links).sum((1, 2)) for side in (forward, reverse)]
    return -(sums[0] / rows.sum((1, 2)) + sums[1] / columns.sum((1, 2))).mean()


def consistency(forward: "Tensor", reverse: "Tensor", rows: "Tensor", columns: "Tensor") -> "Tensor":
    """L_CO: that both directions agree, trace(S_xy^T S_yx) / min(m, n), with the sign turned.

    forward, reverse, rows, columns: As for `self_training`.
    RETURNS (float tensor ()): The mean over the pairs, in [-1, 0].
    """
    return -((forward * reverse).sum((1, 2)) / rows.sum((1, 2)).minimum(columns.sum((1, 2)))).mean()


def mask(
    ids: "Tensor", allowed: "Tensor", share: float, mask_id: int, size: int, generator: "Generator"
) -> tuple["Tensor", "Tensor"]:
    """Hide sub-words for L_MLM and L_TLM (Devlin et al. 2019): of those chosen 80 % become the mask, 10 % any sub-word,
    and 10 % stay.

    ids (int tensor (rows, n)): The sub-words, on the CPU.
    allowed (bool tensor (rows, n)): Which may be chosen.
    share (float): The probability that one is.
    mask_id (int): The mask.
    size (int): How many sub-words there are in the vocabulary.
    generator (torch.Generator): Where chance comes from, on the CPU.
    RETURNS (two int tensors (rows, n)): What the model gets to see, and what it is to find, or else IGNORED.
    """
    import torch

    chosen = (torch.rand(ids.shape, generator=generator) < share) & allowed
    how = torch.rand(ids.shape, generator=generator)
    others = torch.randint(size, ids.shape, generator=generator)
    seen = torch.where(chosen & (how < 0.8), mask_id, torch.where(chosen & (how >= 0.9), others, ids))
    return seen, ids.masked_fill(~chosen, IGNORED)


def found_again(logits: "Tensor", labels: "Tensor") -> "Tensor":
    """L_MLM, and L_TLM where the rows are sentence pairs: the negative log probability of the hidden sub-words.

    logits (float tensor (k, vocabulary)): The model's, at the k places with a label, row by row.
    labels (int tensor (rows, n)): From `mask`.
    RETURNS (float tensor ()): The mean over the rows of the mean over their hidden sub-words; 0 for a row without.
    """
    import torch

    hidden = labels != IGNORED
    counts = hidden.sum(1)
    weights = (1 / counts.clamp(min=1) / len(labels)).repeat_interleave(counts)
    return (torch.nn.functional.cross_entropy(logits.float(), labels[hidden], reduction="none") * weights).sum()
