"""Control: human labels with deliberate errors, at a given accuracy or with a labeler's confusions.

A grid over it measures the effect of label quality: one corpus, one encoder, labels of known
quality. The random draw depends only on the utterance's id and the seed, and is the same at every
accuracy: labels that are wrong at 0.75 are also wrong at 0.5.
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
    """Share of labels that stay correct, equal for all classes."""
    wrong: dict[str, float] = Field(default={})
    """With `accuracy`: weights of the labels among the errors; by default all are equally frequent.
    The classes' counts make errors proportional to class frequency."""
    confusion: Confusion | None = None
    """A labeler's measured confusion: the path of a label report or a result record, the name of a
    built-in one, such as ``similarity-goemotions``, or ``{labels: […], confusion: [[…]]}``."""
    coverage: float = Field(default=1.0, gt=0, le=1)
    """Share of utterances that get a label; the labeler abstains on the others."""
    seed: int = 0
    """Determines the errors."""

    @model_validator(mode="after")
    def _one_of_two(self) -> NoisyOptions:
        if (self.accuracy is None) == (self.confusion is None):
            raise ValueError("give either 'accuracy' or 'confusion'")
        if self.wrong and self.accuracy is None:
            raise ValueError("'wrong' needs 'accuracy'; a confusion has its own errors")
        if any(weight < 0 for weight in self.wrong.values()):
            raise ValueError("a weight of 'wrong' is negative")
        if self.wrong and sum(weight > 0 for weight in self.wrong.values()) < 2:
            raise ValueError("'wrong' needs at least two labels, as one may be the correct one")
        return self


class Noisy(Labeler[NoisyOptions]):
    """Gives the human label, or a wrong one at a known rate; abstains if there is none.

    If the human label is weighted, the heaviest counts. A real labeler's errors depend on the text,
    these depend only on the class: they differ by what class-dependent noise cannot explain.
    """

    Options = NoisyOptions
    version = "1"
    reads = frozenset({"gold", "id"})

    def describe(self) -> dict[str, Any]:
        """The accuracy, or the labels of the confusion."""
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
        """Label → probability, for an utterance with this human label."""
        options = self.options
        if options.confusion is not None:
            if shares := options.confusion.given(gold):
                return shares
            raise DataError(
                f"labeler 'noisy': the confusion has no utterance whose human label is '{gold}', "
                "so its errors on this label are unknown. Use a confusion measured in "
                f"{taxonomy.name}, or accuracy."
            )
        weights = options.wrong or dict.fromkeys(taxonomy.names, 1.0)
        others = {name: weight for name, weight in weights.items() if name != gold and weight}
        total, right = sum(others.values()), float(options.accuracy or 0)
        return {gold: right} | {n: (1 - right) * w / total for n, w in others.items()}


def _draws(seed: int, name: str) -> tuple[float, float, float]:
    """Three uniform draws from [0, 1) that depend only on the seed and the id."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    a, b, c = (int.from_bytes(digest[i : i + 6], "big") / 2**48 for i in (0, 6, 12))
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
