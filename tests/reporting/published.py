"""Published cells made by hand: a record and the predictions beside it, which fit each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lanser_bench.evaluation.folds import Fold, split_hash
from lanser_bench.evaluation.predictions import Classified, classification
from lanser_bench.evaluation.results import BudgetResult, EvaluationResult, FoldScore, Metric
from lanser_bench.evaluation.statistics import metric
from lanser_bench.evaluation.summaries import AgreementScores, GoldAgreement, LabelSummary
from lanser_bench.records.attachments import PREDICTION_COLUMNS, write_attached
from lanser_bench.records.counts import footer
from lanser_bench.records.record import DatasetResult, ResultRecord, save_record

LABELS = ["calm", "glad", "sad", "wild"]
EACH = 6
"""Utterances of each speaker and label."""


def gold(speakers: int) -> np.ndarray:
    return np.tile(np.repeat(np.arange(len(LABELS)), EACH), speakers)


def simulated(
    rng: np.random.Generator,
    hit: float = 0.6,
    *,
    speakers: int = 10,
    taste: float = 0.6,
    world: int = 0,
) -> np.ndarray:
    """Predictions of one seed, shape (n,): speakers of one `world` are as hard for every cell."""
    hard = np.random.default_rng(world).normal(0, taste, speakers)
    logit = np.log(hit / (1 - hit)) + hard
    right = 1 / (1 + np.exp(-logit.repeat(EACH * len(LABELS))))
    truth = gold(speakers)
    wrong = (truth + rng.integers(1, len(LABELS), len(truth))) % len(LABELS)
    return np.where(rng.random(len(truth)) < right, truth, wrong)


def publish(
    folder: Path,
    group: str,
    predicted: np.ndarray,
    *,
    seed: int | None = 0,
    folds: int = 5,
    experiment: str = "e",
    dataset: str = "talk",
    **changes: Any,
) -> Path:
    """Writes a record whose every number follows from `predicted`; returns its path."""
    n = len(predicted)
    each = EACH * len(LABELS)
    speakers = [f"s{i // each:02d}" for i in range(n)]
    ids = [f"u{i:04d}" for i in range(n)]
    fold_of = np.arange(n) // each % folds
    data = Classified(ids, speakers, gold(n // each), predicted[None], len(LABELS))
    scores = {name: metric(s) for name, s in classification(data).items()}
    one = FoldScore(
        fold=0,
        seed=0,
        n_train=n,
        n_test=n,
        layer="layer_00",
        strength=1.0,
        **{k: v.value for k, v in scores.items()},
    )
    budget = BudgetResult(budget="100%", fraction=1.0, n_labels=n, folds=[one], **scores)
    parts = [
        Fold(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k), np.zeros(0, np.int64))
        for k in range(folds)
    ]
    evaluation = EvaluationResult(
        protocol="k-speaker-folds",
        labels=LABELS,
        n_utterances=n,
        n_speakers=n // each,
        n_folds=folds,
        split_hash=split_hash(ids, parts),
        budgets=[budget],
        area=budget.uar,
        area_axis="log10(fraction)",
        confusion=[[0] * 4] * 4,
        majority={k: Metric(value=0.25) for k in ("uar", "wa", "macro_f1")},
    )
    content: dict[str, Any] = {
        "experiment": experiment,
        "name": f"{group}, seed={seed}",
        "group": group,
        "key": f"{abs(hash((group, seed))):032x}"[:32],
        "role": "main",
        "axes": {},
        "seed": seed,
        "seeds": {"evaluate": 0},
        "asr": None,
        "labeler": None,
        "taxonomy": None,
        "encoder": "cnn",
        "settings": {},
        "stages": {},
        "plugins": {},
        "versions": {},
        "commit": None,
        "host": {},
        "datasets": [DatasetResult(dataset=dataset, evaluation=evaluation)],
        "created": "2026-01-01T00:00:00+00:00",
    }
    record = ResultRecord(**{**content, **changes})
    table = pa.table(
        {
            "target": [0] * n,
            "id": ids,
            "speaker": speakers,
            "fold": fold_of,
            "seed": [0] * n,
            "budget": ["100%"] * n,
            "gold": data.gold,
            "predicted": predicted,
        }
    ).cast(PREDICTION_COLUMNS)
    path = folder / f"{group}-{seed}.json"
    attached = write_attached(table, path, "predictions", footer([table], [len(evaluation.labels)]))
    save_record(record.model_copy(update={"predictions": attached}), path)
    return path


def labelled(right: float, n: int = 40, **changes: Any) -> dict[str, LabelSummary]:
    """A label stage's report on a corpus of `n` utterances, of which a share is labelled right."""
    scores = AgreementScores(
        n=n, uar=Metric(value=right), wa=Metric(value=right), macro_f1=right, kappa=2 * right - 1
    )
    gold = GoldAgreement(
        taxonomy="mood",
        labels=["glad", "sad"],
        abstention_left_out=scores,
        abstention_is_wrong=scores,
    )
    content: dict[str, Any] = {
        "labelled": n,
        "labels": {"glad": n, "sad": 0},
        "never_firing": ["sad"],
        "label_entropy_bits": 0.0,
        "max_entropy_bits": 1.0,
        "mean_confidence": 0.75,
        "taxonomy": "mood",
        "taxonomy_hash": "t1",
        "score_kind": "distribution",
        "utterances": n,
        "coverage": 1.0,
        "abstained": {},
        "gold": gold,
    }
    return {"corpora.0 c": LabelSummary(**{**content, **changes})}
