"""Chance level: scores that ignore the utterance, but are the same in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from lanser_bench import Labeler, PluginOptions, Scores, Taxonomy, TextRecord


class RandomOptions(PluginOptions):
    """Options of `random`."""

    seed: int = 0
    """Determines the labels."""


class Random(Labeler[RandomOptions]):
    """Draws each utterance's scores uniformly from the simplex, by its id alone."""

    Options = RandomOptions
    version = "1"
    libraries = ("numpy",)
    reads = frozenset({"id"})

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores are a flat Dirichlet draw per record."""
        k = len(taxonomy.labels)
        values = np.empty((len(records), k), dtype=np.float32)
        for row, record in enumerate(records):
            digest = hashlib.sha256(f"{self.options.seed} {record.id}".encode()).digest()
            values[row] = np.random.default_rng(list(digest)).dirichlet(np.ones(k))
        return Scores(values, "distribution", np.zeros(len(records), dtype=bool))
