from __future__ import annotations

from dataclasses import replace

import numpy as np

from lanser_bench.evaluation.budgets import parse_budget
from lanser_bench.evaluation.efficiency import Design, Labelled, run_study
from lanser_bench.evaluation.flatten import CONTROL, ORIGINAL, cue_drops, flattened
from lanser_bench.evaluation.folds import make_folds

SPEAKERS, EACH, K = 6, 12, 3
DESIGN = Design([parse_budget(1.0)], 1, (0.01, 0.1), 2, True, False, 0)


def test_the_cue_that_the_label_hangs_on_is_the_one_that_costs() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(EACH) % K, SPEAKERS)
    speakers = [f"s{i}" for i in range(SPEAKERS) for _ in range(EACH)]
    data = Labelled([f"u{i}" for i in range(len(labels))], speakers, labels, K)
    folds = make_folds(
        "k-speaker-folds", ids=data.ids, speakers=speakers, labels=labels, seed=0, k=3
    )
    pitch = 3 * np.eye(K)[labels] + rng.standard_normal((len(labels), K))
    loudness = rng.standard_normal((len(labels), K))
    whole = np.hstack([pitch, loudness])
    versions = {
        ORIGINAL: {"layer": whole},
        CONTROL: {"layer": whole + 0.1 * rng.standard_normal(whole.shape)},
        "f0": {"layer": np.hstack([0 * pitch + pitch.mean(0), loudness])},
        "energy": {"layer": np.hstack([pitch, 0 * loudness])},
    }
    found = flattened(data, versions, folds, DESIGN)
    result = cue_drops(found, "split")
    drops = {cue.cue: cue.drop for cue in result.cues}
    assert drops["f0"].value > 0.4
    assert drops["f0"].interval is not None
    assert drops["f0"].interval.low > 0.2
    assert abs(drops["energy"].value) < 0.06
    assert abs(result.vocoder.value) < 0.06

    # The classifiers are those of the evaluation, with permuted gold too.
    for design in (DESIGN, replace(DESIGN, permute_gold=True)):
        found = flattened(data, versions, folds, design)
        study = run_study(data, {"layer": whole}, folds, design)
        same = study.classified(design.budgets[0])
        assert np.array_equal(same.predicted, found[ORIGINAL].predicted)
        assert same.ids == found[ORIGINAL].ids
