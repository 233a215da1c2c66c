"""Broken labelers."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from pydantic import Field

from lanser_bench import (
    Labeler,
    PluginOptions,
    Scores,
    Settled,
    SettlingLabeler,
    Taxonomy,
    TextRecord,
)

from . import caught

caught = partial(caught, "labeler")


class Letters(Labeler[PluginOptions]):
    """A good labeler: scores labels by letters that text and wording share."""

    version = "1"

    def weights(self, record: TextRecord, taxonomy: Taxonomy) -> list[float]:
        words = [label.hypothesis for label in taxonomy.labels]
        return [sum(record.text.count(letter) for letter in set(w)) + 1.0 for w in words]

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        k = len(taxonomy.labels)
        values = np.array([self.weights(r, taxonomy) for r in records], np.float32).reshape(-1, k)
        return self.scores(values, records)

    def scores(self, values: Any, records: Sequence[TextRecord]) -> Scores:
        empty = np.array([not r.text.strip() for r in records], bool)
        values[empty] = 1
        values /= values.sum(axis=1, keepdims=True)
        return Scores(values.astype(np.float32), "distribution", empty)


FORM = "results have the declared form"


@caught(FORM, "values have shape (6, 2), not (6, 3)")
class MissingColumn(Letters):
    def scores(self, values, records):
        return super().scores(values[:, :-1], records)


@caught(FORM, "NaN")
class NotANumber(Letters):
    def score(self, records, taxonomy):
        scores = super().score(records, taxonomy)
        scores.values[0] = np.nan
        return scores


@caught(FORM, "add up to 1")
class Unnormalised(Letters):
    def score(self, records, taxonomy):
        good = super().score(records, taxonomy)
        return Scores(good.values * np.float32(0.9), good.kind, good.abstained)


@caught(FORM, "float64")
class Doubles(Letters):
    def score(self, records, taxonomy):
        good = super().score(records, taxonomy)
        return Scores(good.values.astype(np.float64), good.kind, good.abstained)


@caught("empty text abstains", "of a record that abstains")
class CertainAbstention(Letters):
    def score(self, records, taxonomy):
        good = super().score(records, taxonomy)
        good.values[good.abstained] = np.eye(len(taxonomy.labels))[0]
        return good


@caught("empty text abstains", "gave a label to empty text")
class LabelsEmptyText(Letters):
    def score(self, records, taxonomy):
        good = super().score(records, taxonomy)
        return Scores(good.values, good.kind, np.zeros(len(records), bool))


@caught("some text has a label", "abstained on all")
class AlwaysAbstains(Letters):
    def score(self, records, taxonomy):
        uniform = np.full((len(records), len(taxonomy.labels)), 1 / len(taxonomy.labels))
        return Scores(uniform.astype(np.float32), "distribution", np.ones(len(records), bool))


@caught("it is deterministic", "a number differs")
class ClassCounter(Letters):
    calls = 0

    def score(self, records, taxonomy):
        ClassCounter.calls += 1
        good = super().score(records, taxonomy)
        return self.scores(good.values + np.float32(ClassCounter.calls), records)


@caught("it is deterministic", "another global seed")
class GlobalRandom(Letters):
    def weights(self, record, taxonomy):
        return [w + random.random() for w in super().weights(record, taxonomy)]


@caught("it keeps no state", "other results")
class RunningMean(Letters):
    total = 0.0

    def weights(self, record, taxonomy):
        weights = super().weights(record, taxonomy)
        self.total += weights[0]
        return [w + self.total for w in weights]


@caught("neighbours change nothing", "6 of 6 items changed")
class BatchMean(Letters):
    def score(self, records, taxonomy):
        good = super().score(records, taxonomy)
        return self.scores(np.abs(good.values - good.values.mean(0)) + np.float32(0.1), records)


@caught("it keeps the order", "in the same order")
class SortedTexts(Letters):
    def score(self, records, taxonomy):
        return super().score(sorted(records, key=lambda r: r.text), taxonomy)


@caught("repeats in a large batch change nothing", "batch of 33")
class LosesAfter32(Letters):
    def score(self, records, taxonomy):
        good = super().score(records, taxonomy)
        good.values[32:] = 1 / len(taxonomy.labels)
        return good


@caught("the columns follow the taxonomy", "reversed order")
class SortedColumns(Letters):
    def weights(self, record, taxonomy):
        return [w for _, w in sorted(zip(taxonomy.names, super().weights(record, taxonomy)))]


@caught("each call uses its own taxonomy", "taxonomy.hash")
class CacheByName(Letters):
    def weights(self, record, taxonomy):
        memo = self.__dict__.setdefault("memo", {})
        key = taxonomy.name, *taxonomy.names, record.text
        return memo.setdefault(key, super().weights(record, taxonomy))


@caught("it reads only what it declares", "`reads` does not name")
class SecretContext(Letters):
    def weights(self, record, taxonomy):
        return [len(record.context) + w for w in super().weights(record, taxonomy)]


@caught("it reads only what it declares", "`reads` does not name")
class PeeksAtGold(Letters):
    def weights(self, record, taxonomy):
        gold = record.gold or {}
        return [
            w + 9 * gold.get(n, 0)
            for n, w in zip(taxonomy.names, super().weights(record, taxonomy))
        ]


@caught(FORM, "no field of lanser_bench.TextRecord")
class ReadsNonsense(Letters):
    reads = frozenset({"text", "txt"})


@caught("odd texts survive", "UnicodeEncodeError")
class AsciiOnly(Letters):
    def weights(self, record, taxonomy):
        record.text.encode("ascii")
        return super().weights(record, taxonomy)


@caught("taxonomies of two and of 500 labels are scored", "IndexError")
class ThreeLabels(Letters):
    def weights(self, record, taxonomy):
        taxonomy.labels[2]
        return super().weights(record, taxonomy)


@caught("no records give no scores", "ValueError")
class NeedsRecords(Letters):
    def score(self, records, taxonomy):
        max(len(r.text) for r in records)
        return super().score(records, taxonomy)


@caught("its fingerprint is stable", "fingerprint() gave")
class AddressAsFingerprint(Letters):
    def fingerprint(self):
        return repr(object.__repr__(self))


@caught("it leaves the process as it was", "printed to stdout")
class Prints(Letters):
    def score(self, records, taxonomy):
        print("scoring", len(records))
        return super().score(records, taxonomy)


@caught("it leaves the process as it was", "seeded NumPy's global random")
class SeedsNumPy(Letters):
    def score(self, records, taxonomy):
        np.random.seed(0)
        return super().score(records, taxonomy)


@caught("it leaves the process as it was", "changed the current directory")
class ChangesFolder(Letters):
    def score(self, records, taxonomy):
        os.chdir("/")
        return super().score(records, taxonomy)


class Sized(PluginOptions):
    size: int = 3
    device: str = Field(default="cpu", exclude=True)


class Forgotten(PluginOptions):
    forgotten_option: int = 3


class Loose(PluginOptions):
    model_config = {"extra": "ignore"}


@caught("its options are strict and all in the key", "device are excluded from the key")
class HiddenOption(Letters):
    Options = Sized


@caught("every option is used", "Nothing reads the options")
class IgnoredOption(Letters):
    Options = Forgotten


@caught("its options are strict and all in the key", "accepts unknown names")
class LooseOptions(Letters):
    Options = Loose


@caught("it declares a version", "version is None")
class NoVersion(Letters):
    version = None


@caught("its libraries are distributions", "sklearn")
class ModulesForDistributions(Letters):
    libraries = ("sklearn",)


@caught("it accepts itself and describes itself in json", "not JSON serializable")
class DescribesArrays(Letters):
    def describe(self):
        return {"weights": np.zeros(3)}


@caught("what it settles keeps to the contract", "decided otherwise")
class DrawsWhenItSettles(Letters, SettlingLabeler[PluginOptions]):
    def score(self, records, taxonomy):
        good = super().score(records, taxonomy)
        return Scores(good.values, good.kind, good.abstained, good.values[:, :, None])

    def settle(self, votes, taxonomy):
        k = len(taxonomy.labels)
        return Settled(np.random.randint(-1, k, len(votes)), np.eye(k))
