"""Leave-one-out on some of the real data: learnt on German, tried on Spanish."""

import numpy as np

from scripts.ranker_data import given_rows
from scripts.train_ranker import groups, ranker_of
from spacy_xproj.similarities.ranker.training import learn
from spacy_xproj.similarities.ranker.weights import zero_weights


def test_what_german_teaches_about_spanish(data):
    weights = zero_weights()
    german, spanish = (next(given_rows(f"europarl/en-{lang}", ("eflomal-gdfa",))) for lang in ("de", "es"))
    weights["alone"] = learn(groups(ranker_of(weights), german, keep=0, every=2), l2=1e-3)
    found = groups(ranker_of(weights), spanish, keep=0, every=2)
    right = sum(int(np.argmax(g.rows @ weights["alone"])) == g.right for g in found)
    assert len(found) > 250
    assert right / len(found) > 0.8
