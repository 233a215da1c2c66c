from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation_world import NAMES, TAXONOMY, World, labelled_layers, speakers_and_labels

from lanser_bench.evaluation.results import FlattenResult
from lanser_bench.stages import flatten
from lanser_bench.stages.evaluate import spec as evaluate


def test_drops_are_counted_from_the_resynthesis(tmp_path: Path) -> None:
    world = World(tmp_path)
    speakers, labels = speakers_and_labels()
    rows = [
        {"speaker": speaker, "gold": {NAMES[label]: 1.0}}
        for speaker, label in zip(speakers, labels, strict=True)
    ]
    utterances, layers = world.manifest(rows), labelled_layers(labels)
    versions = {
        "none": world.embeddings(utterances, {k: v + 0.01 for k, v in layers.items()}),
        "f0": world.embeddings(utterances, {k: 0 * v + np.pi for k, v in layers.items()}),
    }
    evaluation = evaluate.spec(
        utterances=utterances,
        embeddings=world.embeddings(utterances, layers),
        taxonomy=TAXONOMY,
        params=evaluate.Params(folds=3, strengths=(0.01,), layers="last"),
        seed=0,
    )
    spec = flatten.spec(evaluation=evaluation, versions=versions)
    path = world.result(spec).path / flatten.RESULT
    result = FlattenResult.model_validate_json(path.read_text(encoding="utf-8"))
    [cue] = result.cues
    assert cue.cue == "f0"
    assert result.resynthesised.value > 0.7
    assert cue.uar.value < 0.4
    assert cue.drop.value == pytest.approx(result.resynthesised.value - cue.uar.value)
    assert cue.drop.interval is not None
