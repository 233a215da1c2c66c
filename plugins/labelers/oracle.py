"""The human labels themselves, as if a labeler had found them: the ceiling of weak labelling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lanser_bench import Labeler, PluginOptions, Scores, Taxonomy, TextRecord


class Oracle(Labeler[PluginOptions]):
    """Answers with the gold label, mapped into the taxonomy; abstains where there is none."""

    version = "1"
    reads = frozenset({"gold"})

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores are the gold weights, made to add up to 1."""
        values = np.zeros((len(records), len(taxonomy.labels)), dtype=np.float32)
        for row, record in enumerate(records):
            for name, weight in (record.gold or {}).items():
                values[row, taxonomy.index(name)] = weight
        total = values.sum(axis=1, keepdims=True)
        abstained = total[:, 0] <= 0
        values[abstained] = 1.0
        return Scores(values / values.sum(axis=1, keepdims=True), "distribution", abstained)
