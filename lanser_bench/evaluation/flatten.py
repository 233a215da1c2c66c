"""The worth of a cue: classifiers trained on natural speech, tested on speech without the cue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .arrays import Layers
from .efficiency import Design, Labelled, learnt, training_labels
from .folds import Fold
from .predictions import Classified, classification, paired_difference
from .results import CueDrop, FlattenResult
from .selection import fold_features
from .statistics import metric

ORIGINAL, CONTROL = "original", "none"
"""The recordings themselves, and their resynthesis with all cues intact."""


def flattened(
    data: Labelled, versions: Mapping[str, Layers], folds: Sequence[Fold], design: Design
) -> dict[str, Classified]:
    """Trains on the original version of each training side, all labels, and tests all versions.

    Versions, of which `ORIGINAL` is one, have embeddings of shape (n, dim) by layer.
    """
    n, names = len(data.ids), [ORIGINAL, *(name for name in versions if name != ORIGINAL)]
    stacked = {
        layer: np.concatenate([versions[name][layer] for name in names])
        for layer in versions[ORIGINAL]
    }
    predicted = np.full((len(names), n), -1, np.int64)
    for number, fold in enumerate(folds):
        labels = training_labels(data, fold, design, number, 0)
        tests = np.concatenate([fold.test + n * place for place in range(len(names))])
        features = fold_features(stacked, Fold(fold.train, tests, fold.dev))
        answer = learnt(features, labels, fold, data, np.arange(len(fold.train)), design)
        predicted[:, fold.test] = answer.predicted.reshape(len(names), -1)
    tested = np.concatenate([fold.test for fold in folds])
    rows = zip(names, predicted, strict=True)
    return {name: data.classified(tested, row[None]) for name, row in rows}


def cue_drops(versions: Mapping[str, Classified], split_hash: str) -> FlattenResult:
    """Returns the scores of all versions and the drop of each cue, paired by utterance."""
    uar = {name: metric(classification(data)["uar"]) for name, data in versions.items()}
    return FlattenResult(
        original=uar[ORIGINAL],
        resynthesised=uar[CONTROL],
        vocoder=paired_difference(versions[ORIGINAL], versions[CONTROL], "uar"),
        cues=[
            CueDrop(cue=name, uar=uar[name], drop=paired_difference(versions[CONTROL], data, "uar"))
            for name, data in versions.items()
            if name not in (ORIGINAL, CONTROL)
        ],
        split_hash=split_hash,
    )
