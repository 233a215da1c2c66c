"""Records made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lanser_bench.evaluation.results import (
    BudgetResult,
    EvaluationResult,
    FoldScore,
    Interval,
    Metric,
    ProbeResult,
    TargetScore,
)
from lanser_bench.records.record import DatasetResult, ResultRecord


def metric(value: float, half: float | None = 0.05) -> Metric:
    if half is None:
        return Metric(value=value)
    interval = Interval(low=value - half, high=value + half, method="t over speakers")
    return Metric(value=value, interval=interval)


def budget(fraction: float, uar: float, half: float | None) -> BudgetResult:
    fold = FoldScore(
        fold=0,
        seed=0,
        n_train=10,
        n_test=5,
        uar=uar,
        wa=uar,
        macro_f1=uar,
        layer="layer_00",
        strength=0.1,
    )
    return BudgetResult(
        budget=f"{fraction:.0%}",
        fraction=fraction,
        n_labels=100 * fraction,
        uar=metric(uar, half),
        wa=metric(uar - 0.01, half),
        macro_f1=metric(uar - 0.02, half),
        folds=[fold],
    )


@pytest.fixture
def record() -> Callable[..., ResultRecord]:
    def make(
        uar: float = 0.5,
        *,
        half: float | None = 0.05,
        r2: float = 0.3,
        dataset: str = "talk",
        split: str = "s1",
        **changes: Any,
    ) -> ResultRecord:
        evaluation = EvaluationResult(
            protocol="linear",
            labels=["glad", "sad"],
            n_utterances=40,
            n_speakers=8,
            n_folds=4,
            split_hash=split,
            budgets=[budget(0.1, uar - 0.1, half), budget(1.0, uar, half)],
            area=metric(uar - 0.05, half),
            area_axis="log10(fraction)",
            majority={k: metric(0.5, None) for k in ("uar", "wa", "macro_f1")},
            confusion=[[10, 10], [5, 15]],
        )
        target = TargetScore(
            target="f0_mean_st",
            scale="raw",
            layer="layer_00",
            strength=1.0,
            r2=metric(r2),
            pearson=metric(0.6),
            ccc=metric(0.55),
            n=40,
        )
        probe = ProbeResult(probe="prosody", targets=[target], n_speakers=8)
        content: dict[str, Any] = {
            "experiment": "e",
            "name": "main",
            "group": "main",
            "key": "0" * 32,
            "role": "main",
            "axes": {},
            "seed": 0,
            "seeds": {"evaluate": 0},
            "asr": "reference",
            "labeler": "words",
            "taxonomy": "mood",
            "encoder": "cnn",
            "settings": {},
            "stages": {},
            "plugins": {},
            "versions": {},
            "commit": None,
            "host": {},
            "datasets": [DatasetResult(dataset=dataset, evaluation=evaluation, probes=[probe])],
            "created": "2026-01-01T00:00:00+00:00",
        }
        return ResultRecord(**{**content, **changes})

    return make
