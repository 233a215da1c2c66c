"""The report on weak labels, counted by hand on a few utterances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from lanser_bench.data.utterances import UtteranceTable
from lanser_bench.kinds.asr import Transcript
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.taxonomies import find_taxonomy
from lanser_bench.reporting.labels.quality import Material, compare, quality
from lanser_bench.reporting.labels.views import markdown, summary_lines
from lanser_bench.stages.label.files import LabelTable


def material(
    gold: list[dict[str, float]],
    labels: list[str | None],
    *,
    kind: Any = "single",
    weak: str = "ekman-6",
    gold_taxonomy: str | None = "ekman-6",
    logprobs: list[float] | None = None,
    speakers: list[str | None] | None = None,
) -> Material:
    n = len(labels)
    taxonomy = find_taxonomy(registry(), weak)
    index = np.array([-1 if x is None else taxonomy.index(x) for x in labels], dtype=np.int32)
    scores = np.full((n, len(taxonomy.labels)), 0.1, dtype=np.float32)
    scores[np.arange(n), index] = 0.5
    none: list[Any] = [None] * n
    ids = [f"u{i}" for i in range(n)]
    table = UtteranceTable(
        ids,
        none,
        none,
        none,
        [float(i) for i in range(n)],
        speakers or none,
        none,
        none,
        none,
        none,
        none,
        none,
        gold,
        [kind] * n,
        [{} for _ in range(n)],
    )
    heard = None
    if logprobs is not None:
        heard = {i: Transcript("x", "en", p) for i, p in zip(ids, logprobs, strict=True)}
    reasons = [None if x is not None else "labeler" for x in labels]
    confidence = np.linspace(0.9, 0.5, n).astype(np.float32)
    found = LabelTable(ids, labels, index, confidence, scores, reasons)
    known = None if gold_taxonomy is None else find_taxonomy(registry(), gold_taxonomy)
    return Material(table, ["a b"] * n, heard, found, taxonomy, known)


def one(*labels: str) -> list[dict[str, float]]:
    return [{label: 1.0} for label in labels]


def test_agreement_is_shown_by_the_recogniser_s_confidence() -> None:
    sure, unsure = ["joy"] * 8, ["fear"] * 8
    report = quality(
        material(one(*sure, *["joy"] * 8), [*sure, *unsure], logprobs=[-0.1] * 8 + [-2.0] * 8)
    )
    low, high = report["by"]["asr_avg_logprob"]
    assert (low["low"], low["agreement"]["value"]) == (-2.0, 0.0)
    assert (high["high"], high["agreement"]["value"]) == (-0.1, 1.0)
    assert "recogniser's mean log-probability" in markdown(
        report | {"made_with": {"dataset": "d", "labeler": "l", "taxonomy": "t", "asr": "w"}}, {}
    )


def test_speakers_are_compared_by_quantiles_of_those_with_enough_utterances() -> None:
    gold = one(*["joy"] * 11)
    labels: list[str | None] = [*["joy"] * 5, *["fear"] * 5, "joy"]
    speakers: list[str | None] = [*["a"] * 5, *["b"] * 5, "c"]
    found = quality(material(gold, labels, speakers=speakers))["by"]["speakers"]
    assert found["speakers"] == 3
    assert found["agreement"] == {"speakers": 2, "quantiles": [0.0, 0.25, 0.5, 0.75, 1.0]}


def test_a_distribution_counts_as_its_leading_label_unless_two_lead() -> None:
    gold = [{"joy": 0.6, "fear": 0.4}, {"joy": 0.5, "fear": 0.5}, {"anger": 1.0}]
    found = compare(material(gold, ["joy", "joy", "joy"], kind="distribution"))
    joy, anger = (found.taxonomy.index(name) for name in ("joy", "anger"))
    assert found.single.tolist() == [joy, -1, anger]
    assert found.sets.sum(1).tolist() == [2, 2, 1]


def test_a_label_without_a_counterpart_in_the_gold_s_taxonomy_is_a_miss() -> None:
    gold = one("angry", "happy", "neutral")
    report = quality(material(gold, ["anger", "disgust", None], gold_taxonomy="iemocap-4"))["gold"]
    assert report["taxonomy"] == "iemocap-4"
    assert report["labels_without_counterpart"] == 1
    assert report["abstention_is_wrong"]["wa"]["value"] == pytest.approx(1 / 3)
    assert report["abstention_left_out"]["wa"]["value"] == 1.0


def test_without_a_map_the_report_says_so_and_keeps_the_rest() -> None:
    known = one("joy", "anger")
    labels: list[str | None] = ["happy", "fear"]
    report = quality(material(known, labels, weak="crema-d-6", gold_taxonomy="tweeteval-4"))
    assert report["gold"]["compared"] is False
    assert "no map from crema-d-6 to tweeteval-4" in report["gold"]["reason"]
    assert any("no map" in line for line in summary_lines(report))
    assert report["labels"]["happy"] == 1


def test_no_label_at_all_and_no_gold_at_all_are_reports_too() -> None:
    nothing = quality(material(one("joy", "fear"), [None, None]))
    assert nothing["gold"]["abstention_left_out"] is None
    assert nothing["gold"]["risk_coverage"] is None
    assert nothing["mean_confidence"] is None
    unlabelled = quality(material([{}, {}], ["joy", None], gold_taxonomy=None))
    assert unlabelled["gold"] is None
    assert unlabelled["abstained"] == {"labeler": 1}


def test_calibration_is_against_votes_and_single_labels() -> None:
    joy, fear = {"joy": 1.0}, {"joy": 0.25, "fear": 0.75}
    made = material([joy, fear, {}, joy], ["joy", "joy", "joy", None], kind="distribution")
    found = quality(made)["gold"]["calibration"]
    assert (found["rows"], found["rows_with_split_votes"]) == (2, 1)
    confidence, share = made.labels.confidence[:2].astype(float), np.array([1.0, 0.25])
    # Two rows are two bins.
    assert found["ece"]["value"] == pytest.approx(np.abs(confidence - share).mean(), abs=1e-12)
    p, names = np.full((2, 6), 0.1), made.taxonomy.names
    p[:, names.index("joy")] = 0.5
    votes = np.array([[gold.get(name, 0) for name in names] for gold in (joy, fear)])
    assert found["brier"]["value"] == pytest.approx(np.square(p - votes).sum(1).mean(), abs=1e-7)
    theirs = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, votes, strict=True)]
    assert found["jsd"]["value"] == pytest.approx(np.mean(theirs), abs=1e-7)
    assert found["ece"]["interval"] is None
    assert any("Calibration over 2 rows, 1 of them" in line for line in lines_of(made))


def test_calibration_has_intervals_over_rows_or_speakers() -> None:
    golds = [{"joy": 1.0}, *[{"fear": 1.0}] * 3] * 20
    for speakers, units in ((None, "rows"), ([f"s{i % 7}" for i in range(80)], "speakers")):
        found = quality(material(golds, ["joy"] * 80, speakers=speakers))["gold"]["calibration"]
        for name in ("ece", "brier", "jsd"):
            assert found[name]["interval"]["method"].endswith(f"over {units}")
        assert found["ece"]["interval"]["low"] > 0.05  # says .5 to .9, is right in a quarter
        assert sum(one["n"] for one in found["reliability"]) == 80


def test_sets_of_labels_are_no_votes() -> None:
    both = {"joy": 1.0, "fear": 1.0}
    assert quality(material([both], ["joy"], kind="multi"))["gold"]["calibration"] is None


def lines_of(made: Material) -> list[str]:
    report = {"made_with": {}, **quality(made)}
    return summary_lines(report)


def test_labels_are_compared_with_ratings_through_the_valence_of_the_taxonomy() -> None:
    rng = np.random.default_rng(0)
    labels: list[str | None] = [["joy", "fear", "sadness", None][k % 4] for k in range(80)]
    speakers: list[str | None] = [f"s{k % 8}" for k in range(80)]
    made = material([{}] * 80, labels, gold_taxonomy=None, speakers=speakers)
    values = np.array([label.valence or 0.0 for label in made.taxonomy.labels])
    expected = 3 + 2 * (made.labels.scores.astype(float) @ values) / made.labels.scores.sum(1)
    ratings = np.clip(expected + rng.normal(0, 0.3, 80), 1, 5)
    for row, value in zip(made.table.extras, ratings, strict=True):
        row |= {"valence": float(value), "dominance": 3.0}
    made.table.extras[1].clear()
    scales = {"valence": (1.0, 5.0), "dominance": (1.0, 5.0)}
    report = quality(replace(made, scales=scales))
    (found,) = report["rated"]
    kept = [k for k in range(80) if labels[k] is not None and k != 1]
    x, y = ratings[kept], expected[kept]
    cross = ((x - x.mean()) * (y - y.mean())).mean()
    ccc = 2 * cross / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert (found["dimension"], found["rows"]) == ("valence", 59)
    assert found["concordance"]["value"] == pytest.approx(ccc, abs=1e-6)
    assert found["pearson"]["value"] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)
    assert found["concordance"]["interval"]["low"] < ccc < found["concordance"]["interval"]["high"]
    lines = summary_lines({**report, "made_with": {}})
    assert any(line.startswith("Against ratings of valence (59 rows): CCC") for line in lines)
    bare = quality(replace(made, scales={"dominance": (1.0, 5.0)}))
    assert bare["rated"] == []
