"""Control: the human labels spoilt on purpose, to a given accuracy or as a labeler errs.

With it a grid measures what label quality buys: one corpus, one encoder, labels of known quality.
What is drawn hangs on the utterance's id and the seed alone, and the draw is the same at every
accuracy: labels that are wrong at 0.75 are among those that are wrong at 0.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from lanser_bench import DataError, Labeler, PluginOptions, Scores, Taxonomy, TextRecord

from ._confusion import Confusion


class NoisyOptions(PluginOptions):
    """Options of `noisy`: an accuracy or a confusion."""

    accuracy: float | None = Field(default=None, ge=0, le=1)
    """Share of labels that stay right, of every class alike."""
    wrong: dict[str, float] = Field(default={})
    """With `accuracy`: how often a wrong label is each of these, as weights; left out, all other
    labels alike. The classes' counts make noise in proportion to them."""
    confusion: Confusion | None = None
    """A labeler's measured confusion: the path of a label report or a result record, the name of a
    shipped one, such as ``similarity-goemotions``, or ``{labels: […], confusion: [[…]]}``."""
    coverage: float = Field(default=1.0, gt=0, le=1)
    """Share of utterances that get a label at all; the others are as abstained on."""
    seed: int = 0
    """Another seed, other errors."""

    @model_validator(mode="after")
    def _one_of_two(self) -> NoisyOptions:
        if (self.accuracy is None) == (self.confusion is None):
            raise ValueError("give either 'accuracy' or 'confusion'")
        if self.wrong and self.accuracy is None:
            raise ValueError("'wrong' belongs to 'accuracy'; a confusion has its own")
        if any(weight < 0 for weight in self.wrong.values()):
            raise ValueError("a weight of 'wrong' is negative")
        if self.wrong and sum(weight > 0 for weight in self.wrong.values()) < 2:
            raise ValueError("'wrong' needs two labels at least: one of them may be the right one")
        return self


class Noisy(Labeler[NoisyOptions]):
    """Gives the human label, or a wrong one at a known rate; abstains where there is none.

    Of a weighted human label the heaviest counts. A labeler's errors follow what is said, these
    follow nothing but the class: the difference between both is what noise by class cannot tell.
    """

    Options = NoisyOptions
    version = "1"
    reads = frozenset({"gold", "id"})

    def describe(self) -> dict[str, Any]:
        """What the labels are spoilt to."""
        if self.options.confusion is None:
            return {"accuracy": self.options.accuracy}
        return {"confusion_labels": list(self.options.confusion.labels)}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores are 1 for the label given.

        Raises:
            DataError: the confusion has no utterance of a human label.
            TaxonomyError: a label of the options is not in the taxonomy.
        """
        k = len(taxonomy.labels)
        values = np.zeros((len(records), k), dtype=np.float32)
        abstained = np.zeros(len(records), dtype=bool)
        for row, record in enumerate(records):
            kept, picked, covered = _draws(self.options.seed, record.id)
            if not record.gold or covered >= self.options.coverage:
                values[row], abstained[row] = 1 / k, True
                continue
            gold = max(record.gold, key=lambda name: (record.gold or {})[name])
            shares = self._shares(gold, taxonomy)
            label = gold if kept < shares.get(gold, 0.0) else _pick(shares, gold, picked)
            values[row, taxonomy.index(label)] = 1
        return Scores(values, "distribution", abstained)

    def _shares(self, gold: str, taxonomy: Taxonomy) -> Mapping[str, float]:
        """Label → probability, of an utterance with this human label."""
        options = self.options
        if options.confusion is not None:
            if found := options.confusion.given(gold):
                return found
            raise DataError(
                f"labeler 'noisy': the confusion has no utterance whose human label is '{gold}', "
                "so how a labeler would err on it is not known. Use a confusion measured in "
                f"{taxonomy.name}, or accuracy."
            )
        weights = options.wrong or dict.fromkeys(taxonomy.names, 1.0)
        others = {name: weight for name, weight in weights.items() if name != gold and weight}
        total, right = sum(others.values()), float(options.accuracy or 0)
        return {gold: right} | {n: (1 - right) * w / total for n, w in others.items()}


def _draws(seed: int, name: str) -> tuple[float, float, float]:
    """Three even draws from [0, 1) that hang on the seed and the id alone."""
    found = hashlib.sha256(f"{seed} {name}".encode()).digest()
    a, b, c = (int.from_bytes(found[i : i + 6], "big") / 2**48 for i in (0, 6, 12))
    return a, b, c


def _pick(shares: Mapping[str, float], gold: str, drawn: float) -> str:
    """Returns the wrong label at `drawn` of the wrong labels' mass, in the order of their names."""
    wrong = [(name, share) for name, share in sorted(shares.items()) if name != gold]
    if not wrong:
        return gold
    rest = drawn * sum(share for _, share in wrong)
    for name, share in wrong:
        rest -= share
        if rest < 0:
            return name
    return wrong[-1][0]
