"""The human labels as if a labeler had given them: the upper bound of weak labelling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lanser_bench import Labeler, PluginOptions, Scores, Taxonomy, TextRecord


class Oracle(Labeler[PluginOptions]):
    """Returns the gold label, mapped into the taxonomy; abstains if there is none."""

    version = "1"
    reads = frozenset({"gold"})

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores are the gold weights, normalised to a sum of 1."""
        values = np.zeros((len(records), len(taxonomy.labels)), dtype=np.float32)
        for row, record in enumerate(records):
            for name, weight in (record.gold or {}).items():
                values[row, taxonomy.index(name)] = weight
        abstained = values.sum(axis=1) <= 0
        values[abstained] = 1.0
        return Scores(values / values.sum(axis=1, keepdims=True), "distribution", abstained)
