"""A labeler that counts the taxonomy's own words in the text."""

import re

import numpy as np

from lanser_bench import Labeler, PluginOptions, Scores, hookimpl


@hookimpl
def register_labelers(register):
    """Registers the labeler as `keyword`."""
    register("keyword", f"{__name__}:Keyword")


class KeywordOptions(PluginOptions):
    """Options of the labeler."""

    words: dict[str, tuple[str, ...]] = {}
    """More words of labels, such as ``{joy: [won, love]}``."""


class Keyword(Labeler[KeywordOptions]):
    """Scores a label by how often its words occur; abstains if no label's words occur."""

    Options = KeywordOptions
    version = "1"

    def score(self, records, taxonomy):
        """Returns each label's share of the matching words."""
        counts = np.zeros((len(records), len(taxonomy.labels)), dtype=np.float32)
        for column, label in enumerate(taxonomy.labels):
            words = {label.name, label.hypothesis, *label.synonyms}
            words |= set(self.options.words.get(label.name, ()))
            pattern = re.compile(r"\b(" + "|".join(map(re.escape, words)) + r")\b", re.IGNORECASE)
            for row, record in enumerate(records):
                counts[row, column] = len(pattern.findall(record.text))
        abstained = counts.sum(axis=1) == 0
        counts[abstained] = 1  # an abstaining row is uniform
        return Scores(counts / counts.sum(axis=1, keepdims=True), "distribution", abstained)
