from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation_world import World, probe_identity

from lanser_bench import DataError, Probe
from lanser_bench.data.utterances import SCHEMA, table_of
from lanser_bench.errors import LeakageError
from lanser_bench.evaluation.predictions import paired_difference, read_predicted
from lanser_bench.evaluation.results import ProbeResult
from lanser_bench.kinds.probe import HeldOut
from lanser_bench.stages import targets
from lanser_bench.stages.probe import spec as probe
from lanser_bench.stages.probe.folds import checked_folds
from lanser_bench.stages.probe.numbers import within_speakers
from lanser_bench.stages.targets import read_targets

PARAMS = probe.Params(folds=3, sentence_folds=2)
SPEAKERS, EACH = 6, 20


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def planted_corpus(world: World, **columns) -> tuple[str, str, str, np.ndarray]:
    """Embeddings whose second layer holds the planted pitch; `noise` is in none."""
    rng = np.random.default_rng(0)
    n = SPEAKERS * EACH
    pitch = rng.standard_normal(n) + np.arange(SPEAKERS).repeat(EACH)
    extras = [
        {"pitch": p, "noise": float(e), "fixed": 1.0}
        for p, e in zip(pitch.tolist(), rng.standard_normal(n), strict=True)
    ]
    rows = [
        {"speaker": f"made:s{i // EACH}", "sentence_id": f"t{i % 5}", "extras": extras[i]}
        for i in range(n)
    ]
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    utterances = world.manifest(rows)
    held = np.outer(pitch, rng.standard_normal(6)) + 0.5 * rng.standard_normal((n, 6))
    layers = {"layer_00": rng.standard_normal((n, 6)), "layer_01": held}
    identity = probe_identity("planted", names=["pitch", "noise", "fixed"])
    spec = targets.spec(utterances=utterances, probe=identity)
    world.run(spec)
    return utterances, world.embeddings(utterances, layers), spec.key, pitch


def result(world: World, own, params: probe.Params = PARAMS):
    spec = probe.spec(utterances=own[0], embeddings=own[1], targets=own[2], params=params, seed=0)
    artifact = world.result(spec)
    text = (artifact.path / probe.RESULT).read_text(encoding="utf-8")
    return ProbeResult.model_validate_json(text), artifact.path / "predictions.parquet"


def test_a_planted_target_is_found_in_its_layer_on_both_scales(world: World) -> None:
    found, _ = result(world, planted_corpus(world))
    scores = {(score.target, score.scale): score for score in found.targets}
    assert set(scores) == {(t, s) for t in ("pitch", "noise") for s in ("raw", "speaker")}
    for scale in ("raw", "speaker"):
        held, noise = scores["pitch", scale], scores["noise", scale]
        assert held.r2.value > 0.8
        assert held.pearson.value > 0.9
        assert held.ccc.value > 0.9
        assert held.layer == "layer_01"
        assert held.layers["layer_01"].value == pytest.approx(held.r2.value, abs=0.02)
        assert held.layers["layer_00"].value < 0.1
        assert held.r2.interval is not None
        assert held.n == SPEAKERS * EACH
        assert noise.r2.value < 0.1
    assert found.warnings == ["Target fixed is left out: it is constant."]
    assert found.probe == "planted"


def test_a_target_that_cannot_be_scaled_by_speaker_is_named(world: World) -> None:
    # Two values of each speaker: enough for the raw scale, too few for one of his own.
    extras = [{"pitch": float(i)} if i % EACH < 2 else {} for i in range(SPEAKERS * EACH)]
    utterances, embeddings, measured, _ = planted_corpus(world, extras=extras)
    found, _ = result(world, (utterances, embeddings, measured))
    assert {(score.target, score.scale) for score in found.targets} == {("pitch", "raw")}
    assert any("On the scale 'speaker' nothing" in w and "pitch" in w for w in found.warnings)


def test_speakers_and_sentences_are_disjoint(world: World) -> None:
    from lanser_bench.data.utterances import read_utterances

    own = planted_corpus(world)
    table = read_utterances(world.store.checked(own[0]))
    made = checked_folds(table, "speakers-and-sentences", folds=3, sentence_folds=2, seed=0)
    folds = made.folds
    assert made.sentence_disjoint
    assert len(folds) == 6
    for fold in folds:
        for column in (table.speakers, table.sentence_ids):
            assert not {column[p] for p in fold.train} & {column[p] for p in fold.test}
    assert sorted(p for fold in folds for p in fold.test) == list(range(len(table)))
    assert result(world, own)[0].sentence_disjoint


def test_sentences_may_cross_where_there_is_no_choice(world: World) -> None:
    found, _ = result(world, planted_corpus(world, sentence_id=["same"] * SPEAKERS * EACH))
    assert not found.sentence_disjoint
    assert found.n_folds == 3


def test_predictions_give_paired_differences_to_a_control(world: World) -> None:
    own = planted_corpus(world)
    _, path = result(world, own)
    n = SPEAKERS * EACH
    random = {"layer_00": np.random.default_rng(9).standard_normal((n, 6))}
    _, control = result(world, (own[0], world.embeddings(own[0], random), own[2]))
    sides = [read_predicted(p, "pitch", "speaker") for p in (path, control)]
    difference = paired_difference(sides[0], sides[1])
    assert difference.interval is not None
    assert difference.value > 0.7
    assert difference.interval.low > 0.3


def test_targets_are_read_in_the_manifests_order_and_keyed_by_what_is_read(world: World) -> None:
    own = planted_corpus(world)
    found = read_targets(world.store, own[2])
    assert found["pitch"] == pytest.approx(own[3])


def test_sound_is_measured_once_per_span(world: World) -> None:
    time = np.arange(16_000) / 16_000
    tones = {f0: 0.3 * np.sin(2 * np.pi * f0 * time) for f0 in (120, 240)}
    recordings = {f0: world.recording(str(f0), wave) for f0, wave in tones.items()}
    rows = [{"audio_sha": recordings[f0][0], "speaker": "s"} for f0 in (120, 240, 120)]
    utterances = world.manifest([{**row, "id": f"u{i}"} for i, row in enumerate(rows)])
    spec = targets.spec(utterances=utterances, probe=probe_identity("prosody"))
    report = world.run(spec, dict(recordings.values()))
    assert report.counts["distinct"] == 2
    assert report.counts["undefined"]["f0_mean_st"] == 0
    found = read_targets(world.store, spec.key)["f0_mean_st"]
    assert 100 * 2 ** (found / 12) == pytest.approx([120, 240, 120], rel=0.01)


def test_one_speaker_and_no_speakers_get_a_sentence(world: World) -> None:
    n = SPEAKERS * EACH
    with pytest.raises(DataError, match="at least 2 speakers; there is 1"):
        result(world, planted_corpus(world, speaker=["made:one"] * n))
    with pytest.raises(DataError, match="120 of 120 utterances have no speaker"):
        result(world, planted_corpus(world, speaker=[None] * n))


def test_nothing_to_probe_gets_a_sentence(world: World) -> None:
    with pytest.raises(DataError, match=r"No target .*pitch is left out: it is defined for 0"):
        result(world, planted_corpus(world, extras=[{}] * SPEAKERS * EACH))


def test_a_broken_probe_is_named_with_its_utterance(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lanser_bench_plugins.probes.planted import Planted

    from lanser_bench import PluginError

    def broken(self: Probe, batch: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Planted, "measure", broken)
    utterances = world.manifest([{"extras": {"pitch": i}} for i in range(20)])
    spec = targets.spec(utterances=utterances, probe=probe_identity("planted"))
    with pytest.raises(PluginError, match=r"probe 'planted' on 20 .*'u.*ZeroDivisionError"):
        world.run(spec)


def test_within_speakers_gives_each_speaker_the_same_scale() -> None:
    values = np.array([[1.0], [2.0], [3.0], [10.0], [20.0], [30.0], [5.0], [np.nan], [6.0]])
    found = within_speakers(values, list("aaabbbccc"))
    assert found[:3] == pytest.approx(found[3:6])
    assert np.isnan(found[6:]).all()  # two values are no scale


@pytest.mark.parametrize("held_out", ["speakers", "speakers-and-sentences", "sentences"])
def test_a_recording_on_both_sides_of_a_probe_s_fold_is_refused(held_out: HeldOut) -> None:
    rows = [
        dict.fromkeys(SCHEMA.names)
        | {"id": f"u{i}", "speaker": f"s{i // 4}", "sentence_id": f"t{i % 4}", "audio_sha": str(i)}
        for i in range(16)
    ]
    assert checked_folds(table_of(rows), held_out, folds=4, sentence_folds=2, seed=0).folds
    for row in rows:  # each speaker's first utterance is the same recording as another's last
        row["audio_sha"] = "x" if row["id"] in ("u0", "u7") else row["audio_sha"]
    with pytest.raises(LeakageError, match="the same recorded sound is on both sides"):
        checked_folds(table_of(rows), held_out, folds=4, sentence_folds=4, seed=0)
