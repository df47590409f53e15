"""`spacy_xproj.Ranker.v1`. Read in this order: `names` and `batch`, `features`, `corpus`, `lexicon` and `evidence`
(what is known of a candidate), `weights` and `model` (what that is worth), `training` (how the weights are learnt).
"""

from .model import Ranker

__all__ = ["Ranker"]
