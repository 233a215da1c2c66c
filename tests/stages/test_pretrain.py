"""Pre-training learns what is there to learn, holds speakers apart, and survives being killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from training_world import MELS, TAXONOMY, World, cnn, identity

from lanser_bench.errors import DataError, SettingsError
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages.base import StageContext
from lanser_bench.stages.network import attended
from lanser_bench.stages.pretrain import spec as pretrain
from lanser_bench.stages.pretrain import training as _training
from lanser_bench.stages.pretrain.augment import augment, spec_augment
from lanser_bench.stages.pretrain.batches import class_weights
from lanser_bench.stages.pretrain.examples import Examples, load_examples, split_by_speaker
from lanser_bench.stages.pretrain.spec import Params
from lanser_bench.stages.pretrain.training import rate_factor, scores
from lanser_bench.store import Spec
from lanser_bench.taxonomy import Label


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def report(world: World, spec: Spec) -> dict[str, Any]:
    text = (world.store.checked(spec.key).path / pretrain.REPORT).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def weights(world: World, spec: Spec) -> dict[str, Any]:
    path = world.store.checked(spec.key).path
    return load_file(path / pretrain.MODEL) | load_file(path / pretrain.HEAD)


def examples(world: World, spec: Spec) -> Examples:
    context = StageContext(spec, world.store, registry())
    return load_examples(context, spec.params["labels_control"], spec.seed or 0)


@pytest.mark.parametrize(
    "encoder", [cnn(), identity("resnet", n_mels=MELS, hidden_sizes=(8, 8), depths=(1, 1))]
)
def test_a_separable_problem_is_learnt(world: World, encoder: Any) -> None:
    spec = world.pretrain(
        world.corpus(n=48), encoder=encoder, epochs=12, learning_rate=1e-2, dev_fraction=0.2
    )
    world.call(spec)
    last = report(world, spec)["epochs"][-1]
    assert last["train_accuracy"] > 0.9
    assert last["dev_uar"] > 0.9


@pytest.mark.slow
def test_shuffled_labels_teach_nothing_about_held_out_speakers(world: World) -> None:
    corpus = world.corpus(n=240, speakers=12)
    uars = []
    for seed in range(3):
        spec = world.pretrain(
            corpus, control="shuffled", seed=seed, epochs=4, learning_rate=5e-3, dev_fraction=0.4
        )
        world.call(spec)
        uars.append(report(world, spec)["epochs"][-1]["dev_uar"])
    assert np.mean(uars) < 0.5  # chance is 1/3, learnt is above 0.9


@pytest.mark.slow
def test_soft_targets_masks_and_balance_train_as_well(world: World) -> None:
    corpus = world.corpus()
    for extra in (
        {"targets": "soft", "spec_augment": True, "mask_mels": 4, "label_smoothing": 0.1},
        {"class_balance": "loss", "pooling": "mean+std"},
        {"class_balance": "sampler", "select": "dev_uar"},
    ):
        spec = world.pretrain(corpus, epochs=6, learning_rate=5e-3, dev_fraction=0.2, **extra)
        world.call(spec)
        losses = [line["train_loss"] for line in report(world, spec)["epochs"]]
        assert losses[-1] < losses[0], extra


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        world = World(tmp_path / name)
        spec = world.pretrain(world.corpus(), seed=seed, spec_augment=True)
        world.call(spec)
        found.append((world.store.checked(spec.key).path / pretrain.MODEL).read_bytes())
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_abstained_utterances_are_counted_and_change_nothing(world: World) -> None:
    gone = range(0, 60, 5)
    spec = world.pretrain(world.corpus(abstain=gone))
    counts = world.call(spec).counts
    assert (counts["utterances"], counts["labelled"], counts["abstained"]) == (60, 48, 12)
    assert counts["train"] + counts["dev"] == 48
    rows = examples(world, spec)
    assert not set(rows.labelled.tolist()) & set(gone)
    assert not rows.soft[list(gone)].any()


def test_several_corpora_are_put_together(world: World) -> None:
    first, second = world.corpus("a", n=20), world.corpus("b", n=30, seed=1)
    spec = world.pretrain(first, second)
    rows = examples(world, spec)
    assert len(rows) == 50
    np.testing.assert_array_equal(rows.hard, np.concatenate([first.truth, second.truth]))
    np.testing.assert_array_equal(rows.frames(20), second.frames[0])
    assert world.call(spec).counts["utterances"] == 50


def test_shuffling_keeps_the_counts_and_moves_scores_with_their_labels(world: World) -> None:
    corpus = world.corpus(abstain=range(10))
    weak = examples(world, world.pretrain(corpus))
    mixed = examples(world, world.pretrain(corpus, control="shuffled"))
    assert Counter(mixed.hard.tolist()) == Counter(weak.hard.tolist())
    assert (mixed.hard != weak.hard).any()
    np.testing.assert_array_equal(mixed.hard[:10], -1)
    np.testing.assert_array_equal(mixed.soft[10:].argmax(1), mixed.hard[10:])
    other = examples(world, world.pretrain(corpus, control="shuffled", seed=1))
    assert (mixed.hard != other.hard).any()


def test_shuffling_within_speakers_keeps_each_speakers_labels(world: World) -> None:
    corpus = world.corpus()
    weak = examples(world, world.pretrain(corpus))
    mixed = examples(world, world.pretrain(corpus, control="shuffled-within-speaker"))
    assert (mixed.hard != weak.hard).any()
    who = np.array(weak.speakers)
    for speaker in set(weak.speakers):
        assert Counter(weak.hard[who == speaker]) == Counter(mixed.hard[who == speaker])


def test_gold_uses_human_labels_whatever_the_labeler_said(world: World) -> None:
    gold = ["happy", "sad", "bored", None] * 15
    corpus = world.corpus(gold=gold, abstain=range(4))
    rows = examples(world, world.pretrain(corpus, control="gold"))
    assert rows.hard[:4].tolist() == [1, 2, -1, -1]
    assert rows.soft[0].tolist() == [0, 1, 0]


def test_gold_without_human_labels_is_refused(world: World) -> None:
    with pytest.raises(DataError, match=r"'gold' needs human labels of three"):
        world.call(world.pretrain(world.corpus(), control="gold"))


def test_one_label_alone_is_refused_with_the_counts(world: World) -> None:
    corpus = world.corpus(n=10)
    labels = world.labels(corpus.utterances, [1] * 7 + [-1] * 3)
    spec = world.pretrain((corpus.utterances, labels, corpus.features))
    with pytest.raises(DataError, match=r"of 10 utterances, 3 have no label, and .* happy: 7"):
        world.call(spec)


def test_two_taxonomies_are_refused(world: World) -> None:
    first, second = world.corpus("a"), world.corpus("b")
    other = TAXONOMY.model_copy(
        update={"name": "other", "labels": (*TAXONOMY.labels, Label(name="x", hypothesis="x"))}
    )
    labels = world.labels(second.utterances, second.truth.tolist(), np.ones((60, 4)), other)
    spec = world.pretrain(first, (second.utterances, labels, second.features))
    with pytest.raises(SettingsError, match="different taxonomies: three 1 and other 1"):
        world.call(spec)


def test_a_frozen_extractor_is_refused_with_one_sentence(world: World) -> None:
    spec = world.pretrain(world.corpus(), encoder=identity("logmel-stats", n_mels=MELS))
    with pytest.raises(SettingsError, match=r"'logmel-stats' is a frozen feature extractor"):
        world.call(spec)


def test_divergence_is_a_sentence(world: World) -> None:
    spec = world.pretrain(
        world.corpus(),
        learning_rate=1e30,
        warm_up=0,
        clip_norm=1e30,
        epochs=3,
        encoder=cnn(scale=1e-30),
    )
    with pytest.raises(SettingsError, match=r"diverged.*learning_rate"):
        world.call(spec)


def test_no_speaker_is_on_both_sides(world: World) -> None:
    spec = world.pretrain(world.corpus(n=100, speakers=20))
    rows = examples(world, spec)
    split = split_by_speaker(rows, 0.2)
    train = {rows.speakers[i] for i in split.train.tolist()}
    dev = {rows.speakers[i] for i in split.dev.tolist()}
    assert len(dev) == 4
    assert not train & dev
    assert len(split.train) + len(split.dev) == 100


def test_one_speaker_gives_no_dev_part_and_says_so(world: World) -> None:
    spec = world.pretrain(world.corpus(speakers=1), epochs=3)
    counts = world.call(spec).counts
    assert counts["dev"] == 0
    assert counts["dev_part"] == "none: 1 known speaker"
    assert counts["chosen_epoch"] == 3


def test_a_speaker_with_most_of_the_speech_is_never_held_out(world: World) -> None:
    spec = world.pretrain(world.corpus(n=60, speakers=1), world.corpus("b", n=6, speakers=3))
    rows = examples(world, spec)
    split = split_by_speaker(rows, 0.1)
    assert {rows.speakers[i] for i in split.dev.tolist()} <= {"b:s0", "b:s1", "b:s2"}
    assert len(split.dev) == 6


def test_the_same_sound_is_never_on_both_sides(world: World) -> None:
    rows = examples(world, world.pretrain(world.corpus(n=60, speakers=6)))
    split = split_by_speaker(rows, 0.2)
    doubled = int(split.dev[0])
    rows.spans[doubled] = rows.spans[int(split.train[0])]
    again = split_by_speaker(rows, 0.2)
    assert doubled not in again.dev
    assert doubled not in again.train
    assert again.dropped == 1


def test_the_epoch_with_the_lowest_dev_loss_is_kept(world: World) -> None:
    spec = world.pretrain(world.corpus(), epochs=5, learning_rate=3e-2, dev_fraction=0.2)
    counts = world.call(spec).counts
    losses = [line["dev_loss"] for line in report(world, spec)["epochs"]]
    assert counts["chosen_epoch"] == 1 + int(np.argmin(losses))


def test_patience_stops_early(world: World) -> None:
    spec = world.pretrain(
        world.corpus(n=90),
        control="shuffled",
        epochs=40,
        patience=2,
        learning_rate=2e-2,
        dev_fraction=0.3,
    )
    counts = world.call(spec).counts
    assert counts["epochs"] == counts["chosen_epoch"] + 2 < 40


SCRIPT = """
import os, signal, sys
from lanser_bench.stages.base import RunnableCall, StageContext, run_call
from lanser_bench.stages.pretrain import training
from lanser_bench.store import Spec
training.CHECKPOINT_SECONDS = 0
def killed(self, done, total, unit):
    if done > total * 5 // 8:
        os.kill(os.getpid(), signal.SIGKILL)

StageContext.progress = killed
spec = Spec.model_validate_json(sys.argv[1])
run_call(RunnableCall(spec.stage, spec.key, spec.model_dump(), sys.argv[2]))
"""


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    """Killed in the third of four epochs, in a process of its own, and started again."""
    unbroken, killed = World(tmp_path / "a"), World(tmp_path / "b")
    specs = []
    for world in (unbroken, killed):
        more = {"spec_augment": True, "gain_db": 6.0, "noise_snr_db": 10.0, "accumulate": 2}
        specs.append(world.pretrain(world.corpus(), epochs=4, pooling="attentive", **more))
    assert specs[0] == specs[1]
    unbroken.call(specs[0])
    arguments = [sys.executable, "-c", SCRIPT, specs[1].model_dump_json(), str(killed.store.root)]
    done = subprocess.run(arguments, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert specs[1].key not in killed.store
    assert list((killed.store.root / "checkpoints" / specs[1].key).glob("epoch-0002*"))
    killed.call(specs[1])
    whole, resumed = weights(unbroken, specs[0]), weights(killed, specs[1])
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(value, resumed[name], err_msg=name)
    lines = [report(w, s)["epochs"] for w, s in ((unbroken, specs[0]), (killed, specs[1]))]
    for line in (*lines[0], *lines[1]):
        del line["seconds"]
    assert lines[0] == lines[1]


class StopError(Exception):
    pass


def test_training_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_training, "CHECKPOINT_SECONDS", 0)
    whole, broken = World(tmp_path / "a"), World(tmp_path / "b")
    # A ResNet: its running statistics and its memory layout must come back as well.
    encoder = identity("resnet", n_mels=MELS, hidden_sizes=(8, 8), depths=(1, 1))
    spec, same = (
        world.pretrain(world.corpus(), encoder=encoder, epochs=4, learning_rate=1e-2)
        for world in (whole, broken)
    )
    assert same == spec
    whole.call(spec)

    def stop_in_third_epoch(self: StageContext, done: int, total: int, unit: str) -> None:
        if done > total * 5 // 8:
            raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(StageContext, "progress", stop_in_third_epoch)
        with pytest.raises(StopError):
            broken.call(spec)
    assert len(list((broken.store.root / "checkpoints" / spec.key).iterdir())) == 1
    seen = []
    monkeypatch.setattr(StageContext, "progress", lambda self, done, *_: seen.append(done))
    broken.call(spec)
    assert len(seen) == seen[-1] // 2, "two of four epochs were left"
    for name, value in weights(whole, spec).items():
        np.testing.assert_array_equal(value, weights(broken, spec)[name], err_msg=name)


def test_a_cut_off_checkpoint_is_trained_again(world: World) -> None:
    spec = world.pretrain(world.corpus())
    folder = world.store.root / "checkpoints" / spec.key
    folder.mkdir(parents=True)
    (folder / "epoch-0001.safetensors").write_bytes(b"\x10")
    assert world.call(spec).counts["epochs"] == 2


def test_checkpoints_of_finished_trainings_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_training, "CHECKPOINT_SECONDS", 0)
    corpus = world.corpus()
    first, second = world.pretrain(corpus), world.pretrain(corpus, seed=1)
    world.call(first)
    world.call(second)
    assert [path.name for path in (world.store.root / "checkpoints").iterdir()] == [second.key]


def test_short_epochs_write_no_checkpoints(world: World) -> None:
    spec = world.pretrain(world.corpus())
    world.call(spec)
    assert not (world.store.root / "checkpoints" / spec.key).exists()


def test_the_rate_rises_then_falls_to_zero() -> None:
    rates = [rate_factor(step, 100, 10) for step in range(100)]
    assert int(np.argmax(rates)) in (9, 10)
    assert max(rates) == 1
    assert rates[-1] < 1e-3
    assert np.all(np.diff(rates[10:]) < 0)


def test_balance_gives_every_label_the_same_sum() -> None:
    labels = np.array([0] * 6 + [2] * 2)
    found = class_weights(labels)
    assert found[labels == 0].sum() == found[labels == 2].sum() == 4


def test_scores_are_accuracy_and_mean_recall() -> None:
    accuracy, uar = scores(np.array([0, 0, 0, 2]), np.array([0, 0, 0, 0]))
    assert (accuracy, uar) == (0.75, 0.5)


def test_masks_touch_true_frames_only_and_are_drawn_anew() -> None:
    values = np.random.default_rng(0).normal(size=(2, 40, MELS)).astype(np.float32)
    values[1, 20:] = 0
    before = values.copy()
    spec_augment(values, np.array([40, 20]), np.random.default_rng(1), mels=6, frames=8)
    assert (values != before).any()
    assert not values[1, 20:].any()
    assert not np.array_equal(values[0] != before[0], values[1] != before[1])


def test_later_settings_leave_older_keys_alone() -> None:
    def key(**settings: Any) -> str:
        params = Params(**settings)
        return pretrain.spec(
            corpora=[("a", "b", "c")],
            encoder=cnn(),
            labels_control="weak",
            params=params,
            seed=0,
            threads=1,
        ).key

    changed = [{"gain_db": 3.0}, {"noise_snr_db": 5.0}, {"accumulate": 2}, {"precision": "bf16"}]
    assert len({key(), *(key(**one) for one in changed)}) == 5
    shown = pretrain.spec(
        corpora=[], encoder=cnn(), labels_control="weak", params=Params(), seed=0, threads=1
    ).params
    assert not {"gain_db", "noise_snr_db", "accumulate", "precision"} & shown.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"gain_db": 6.0, "noise_snr_db": 20.0},
        {"accumulate": 2, "batch_size": 4},
        {"precision": "bf16"},
        {"pooling": "attentive"},
    ],
    ids=["gain and noise", "accumulated", "bf16", "attentive"],
)
def test_each_way_of_training_learns_and_repeats(tmp_path: Path, settings: dict[str, Any]) -> None:
    found = []
    for name in ("a", "b"):
        world = World(tmp_path / name)
        corpus = world.corpus(n=48)
        spec = world.pretrain(corpus, epochs=12, learning_rate=1e-2, **settings)
        world.call(spec)
        assert max(line["train_uar"] for line in report(world, spec)["epochs"]) > 0.8
        found.append(weights(world, spec))
    for name, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][name], err_msg=name)


def test_what_a_cpu_computes_wrongly_in_bf16_is_refused(world: World) -> None:
    corpus = world.corpus(n=12)
    narrow = world.pretrain(
        corpus, encoder=identity("resnet", n_mels=MELS), epochs=1, precision="bf16"
    )
    with pytest.raises(SettingsError, match="one wide"):
        world.call(narrow)


def test_gradients_that_are_gathered_are_those_of_one_large_batch(world: World) -> None:
    found = []
    corpus = world.corpus(n=96)
    for settings in ({"batch_size": 16}, {"batch_size": 4, "accumulate": 4}):
        spec = world.pretrain(corpus, epochs=2, **settings)
        world.call(spec)
        found.append([line["train_loss"] for line in report(world, spec)["epochs"]])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_gain_moves_and_noise_fills_true_frames_only() -> None:
    quiet = np.full((1, 50, MELS), -20.0, np.float32)
    loud = np.full((1, 50, MELS), -5.0, np.float32)
    values = np.concatenate([np.concatenate([quiet, loud], 1), np.zeros((1, 100, MELS))])
    values = values.astype(np.float32)
    lengths = np.array([100, 40])
    moved = values.copy()
    augment(moved, lengths, np.random.default_rng(0), Params(gain_db=6.0), logmel=True)
    change = moved[0] - values[0]
    assert np.ptp(change) < 1e-5
    assert 0 < abs(change).max() <= 6 * np.log(10) / 10
    noisy = values.copy()
    augment(noisy, lengths, np.random.default_rng(0), Params(noise_snr_db=10.0), logmel=True)
    assert (noisy[0] >= values[0]).all()
    # What is quiet drowns; what is loud hardly changes.
    assert (noisy[0, :50] - values[0, :50]).mean() > 5
    assert (noisy[0, 50:] - values[0, 50:]).mean() < 0.2
    assert not noisy[1, 40:].any()


def test_noise_on_waveforms_has_the_ratio_that_is_asked_for() -> None:
    clean = np.sin(np.arange(64_000, dtype=np.float32))[None].repeat(20, 0)
    noisy = clean.copy()
    augment(
        noisy, np.full(20, 64_000), np.random.default_rng(0), Params(noise_snr_db=5.0), logmel=False
    )
    power = np.square(noisy - clean).mean(1)
    ratios = 10 * np.log10(np.square(clean).mean(1) / power)
    assert 5 <= ratios.min() < 10 < 20 < ratios.max() <= 25.1


def test_attention_begins_as_the_mean_and_never_sees_padding() -> None:
    import torch

    values = torch.randn(2, 6, 3)
    lengths = torch.tensor([6, 4])
    same = attended(values, lengths, torch.zeros(2, 6))
    torch.testing.assert_close(same[1], values[1, :4].mean(0))
    marks = torch.zeros(2, 6)
    marks[1, 5] = 100.0
    torch.testing.assert_close(attended(values, lengths, marks), same)
    marks[0, 2] = 100.0
    torch.testing.assert_close(attended(values, lengths, marks)[0], values[0, 2])
