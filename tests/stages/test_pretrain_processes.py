"""Several processes train as one does, on a CPU by gloo; and the parts that only a GPU needs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lanser_bench_plugins.encoders._masks import MaskedBatchNorm2d, PaddedBatch
from safetensors.numpy import load_file
from torch import nn
from training_world import MELS, World, identity

from lanser_bench.errors import SettingsError, WorkerError
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages._random import epoch_random
from lanser_bench.stages.base import StageContext
from lanser_bench.stages.pretrain import spec as pretrain
from lanser_bench.stages.pretrain.batches import PREFETCHED, prefetched
from lanser_bench.stages.pretrain.run import prepared
from lanser_bench.stages.pretrain.share import Share
from lanser_bench.stages.pretrain.training import Training
from lanser_bench.store import Lease, Spec

SMALL_RESNET = {"n_mels": MELS, "hidden_sizes": (8, 8), "depths": (1, 1)}


def trained(folder: Path, **settings: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The weights and the report of a training."""
    world = World(folder)
    spec = world.pretrain(world.corpus(), dev_fraction=0.2, **settings)
    world.call(spec)
    path = world.store.checked(spec.key).path
    report = json.loads((path / pretrain.REPORT).read_text(encoding="utf-8"))
    return load_file(path / pretrain.MODEL) | load_file(path / pretrain.HEAD), report["epochs"]


def training(world: World, spec: Spec, share: Share | None = None) -> Training:
    return prepared(StageContext(spec, world.store, registry()), share)


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Equal within 1e-4, also with batch normalisation, whose statistics are those of both."""
    settings = {
        "encoder": identity("resnet", **SMALL_RESNET),
        "epochs": 3,
        "spec_augment": True,
        "class_balance": "loss",
    }
    one, lines = trained(tmp_path / "one", **settings)
    two, others = trained(tmp_path / "two", processes=2, **settings)
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-4, err_msg=name)
    for line, other in zip(lines, others, strict=True):
        del line["seconds"], other["seconds"]
        assert other == pytest.approx(line, rel=1e-4)


@pytest.mark.slow
def test_a_killed_process_ends_the_others_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    spec = world.pretrain(world.corpus(), epochs=100_000, processes=2)
    progress = world.store.root / "progress" / f"{spec.key}.json"
    children: list[Any] = []

    def kill_one(self: Lease) -> None:
        if not children and progress.exists():
            children.extend(active_children())
            assert len(children) == 2
            os.kill(children[1].pid, signal.SIGKILL)

    monkeypatch.setattr(Lease, "check", kill_one)
    with pytest.raises(WorkerError, match=r"process of pre-training died.*run the same command"):
        world.call(spec)
    assert not any(child.is_alive() for child in children)


def test_gradients_of_shares_add_up_to_those_of_the_whole_batch(tmp_path: Path) -> None:
    world = World(tmp_path)
    corpus = world.corpus()
    spec = world.pretrain(corpus, spec_augment=True, class_balance="loss", label_smoothing=0.1)
    gradients, rows = [], []
    for share in (Share(), Share(0, 3), Share(1, 3), Share(2, 3)):
        part = training(world, spec, share)
        batch = next(part.batches.epoch(epoch_random(0, 0)[0]))
        part._learn(batch)
        gradients.append([p.grad for p in part.parameters if p.grad is not None])
        rows.append(batch.rows.tolist())
    assert sorted(rows[0]) == sorted(rows[1] + rows[2] + rows[3])
    for whole, *shares in zip(*gradients, strict=True):
        torch.testing.assert_close(sum(shares), whole, atol=1e-6, rtol=1e-4)


class Plain(nn.Module):
    """An encoder with a batch normalisation of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(MELS)


def test_what_processes_would_change_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    spec = world.pretrain(world.corpus(), batch_size=8, processes=20)
    with pytest.raises(SettingsError, match=r"processes is 20, but a batch has only \d"):
        training(world, spec, Share(0, 20))
    with pytest.raises(SettingsError, match=r"batch normalisation \(norm\)"):
        Share(0, 2).check(Plain(), 16)
    with pytest.raises(ValueError, match="accumulate or processes"):
        pretrain.Params(accumulate=2, processes=2)


def test_processes_and_what_changes_floats_are_in_the_key(tmp_path: Path) -> None:
    world = World(tmp_path)
    corpus = world.corpus()
    plain = world.pretrain(corpus)
    assert not {"processes", "compile", "batch_seconds"} & plain.params.keys()
    for change in ({"processes": 2}, {"compile": True}, {"batch_seconds": 3.0}):
        assert world.pretrain(corpus, **change).key != plain.key


def test_batches_of_a_budget_hold_that_much_speech(tmp_path: Path) -> None:
    world = World(tmp_path)
    spec = world.pretrain(world.corpus(n=200), batch_seconds=2.0, dev_fraction=0)
    part = training(world, spec)
    batches = list(part.batches.epoch(epoch_random(0, 0)[0]))
    rows = np.concatenate([batch.rows for batch in batches])
    assert sorted(rows) == sorted(part.split.train)
    seconds = [float(batch.lengths.sum()) / 100 for batch in batches]
    assert 1.0 < min(seconds) <= max(seconds) <= 2.0
    assert len({len(batch.rows) for batch in batches}) > 1
    with pytest.raises(ValueError, match="three times max_seconds"):
        pretrain.Params(batch_seconds=5.0)


def test_batches_made_ahead_keep_their_order_and_their_errors() -> None:
    made = []

    def items() -> Iterator[int]:
        for item in range(20):
            made.append(item)
            yield item
        raise SettingsError("the end")

    ahead = prefetched(items())
    for item in range(20):
        assert next(ahead) == item
        assert len(made) <= item + PREFETCHED + 1
    with pytest.raises(SettingsError, match="the end"):
        next(ahead)


def test_masked_statistics_equal_those_of_packed_frames() -> None:
    """The way on a GPU and over processes, against the one on a CPU; without a reading of sizes."""
    batch = PaddedBatch()
    batch.begin(torch.tensor([7, 3, 5]), 7)
    values = torch.randn(3, 4, 7, 6, generator=torch.Generator().manual_seed(0))
    values = values * batch.mask(7)
    found = []
    for masked in (False, True):
        norm = MaskedBatchNorm2d(4, batch)
        nn.init.uniform_(norm.weight, generator=torch.Generator().manual_seed(1))
        nn.init.uniform_(norm.bias, generator=torch.Generator().manual_seed(2))
        own = values.clone().requires_grad_()
        out = norm._by_masks(own, batch.mask(7)) if masked else norm(own)
        out.square().sum().backward()
        found.append([out, own.grad, norm.weight.grad, norm.running_mean, norm.running_var])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, atol=1e-5, rtol=1e-4)


def test_a_step_of_a_resnet_reads_nothing_from_its_device() -> None:
    """On the device `meta`, which has no values: a reading of one would raise."""
    module = registry().create("encoder", "resnet", SMALL_RESNET).build(0).to("meta")
    features, lengths = torch.empty(4, 50, MELS), torch.empty(4, dtype=torch.int64)
    layers = module.train()(features.to("meta"), lengths.to("meta"))
    layers[-1][0].sum().backward()
    assert all(p.grad is not None for p in module.net.encoder.parameters())


@pytest.mark.slow
def test_a_compiled_training_takes_the_same_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced by dynamo and run by torch; the C++ compiler would take minutes."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    plain, _ = trained(tmp_path / "plain")
    compiled, _ = trained(tmp_path / "compiled", compile=True)
    for name, value in plain.items():
        np.testing.assert_allclose(compiled[name], value, atol=1e-5, err_msg=name)
