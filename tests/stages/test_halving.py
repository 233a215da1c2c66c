"""If memory runs out, the micro-batch is halved and counted, and numbers stay the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from training_world import MELS, World, identity

from lanser_bench import SettingsError, WorkerError
from lanser_bench.counting import tallied
from lanser_bench.halving import fitting, out_of_memory
from lanser_bench.stages.embed.run import read_embeddings
from lanser_bench.stages.pretrain import spec as pretrain


def short_of_memory(monkeypatch: pytest.MonkeyPatch, encoder: str, rows: int) -> None:
    """Lets the network of an encoder fail as torch does on more than so many rows."""
    from lanser_bench_plugins.encoders import _cnn, _resnet

    network: Any = {"cnn": _cnn.TemporalCNN, "resnet": _resnet.ResNetOnLogMel}[encoder]
    whole = network.forward

    def forward(self: Any, features: torch.Tensor, lengths: torch.Tensor) -> Any:
        if len(features) > rows:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return whole(self, features, lengths)

    monkeypatch.setattr(network, "forward", forward)


def weights(world: World, key: str) -> dict[str, Any]:
    path = world.store.checked(key).path
    return load_file(path / pretrain.MODEL) | load_file(path / pretrain.HEAD)


def test_what_torch_raises_is_known() -> None:
    with pytest.raises(RuntimeError) as told:
        torch.empty(2**55)
    assert out_of_memory(told.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert out_of_memory(MemoryError())
    assert not out_of_memory(RuntimeError("shapes do not fit"))


def test_sizes_are_halved_until_they_fit_and_counted_outside_as_well() -> None:
    tried = []

    def run(size: int) -> str:
        tried.append(size)
        if size > 2:
            raise MemoryError
        return "done"

    with tallied() as outer, tallied() as inner:
        assert fitting(run, 11) == "done"
    assert tried == [11, 5, 2]
    assert inner == outer == {"memory_halvings": 2}


def test_one_row_too_large_says_what_to_do_and_other_errors_pass() -> None:
    def run(size: int) -> None:
        raise MemoryError

    with pytest.raises(WorkerError, match=r"even one row.*executor\.threads"):
        fitting(run, 4)

    def wrong(size: int) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        fitting(wrong, 4)


@pytest.mark.parametrize("balance", ["none", "loss"])
def test_training_in_parts_gives_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, balance: str
) -> None:
    found = []
    for rows in (1000, 5):
        world = World(tmp_path / str(rows))
        spec = world.pretrain(world.corpus(), epochs=2, dev_fraction=0.2, class_balance=balance)
        with monkeypatch.context() as patch:
            short_of_memory(patch, "cnn", rows)
            counts = world.call(spec).counts
        found.append(weights(world, spec.key))
    assert counts["memory_halvings"] >= 2, "16 rows, then 8, then 4"
    for name, values in found[0].items():
        np.testing.assert_allclose(found[1][name], values, atol=1e-4)


def test_batch_normalisation_is_not_trained_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    encoder = identity("resnet", n_mels=MELS, hidden_sizes=(8, 8), depths=(1, 1))
    spec = world.pretrain(world.corpus(), encoder=encoder, epochs=1)
    short_of_memory(monkeypatch, "resnet", 5)
    with pytest.raises(SettingsError, match=r"batch normalisation.*pretrain\.batch_size"):
        world.call(spec)


def test_embedding_in_parts_gives_the_same_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for rows in (1000, 3):
        world = World(tmp_path / str(rows))
        spec = world.embed(world.corpus(), seed=0)
        with monkeypatch.context() as patch:
            short_of_memory(patch, "cnn", rows)
            counts = world.call(spec).counts
        found.append(read_embeddings(world.store, spec.key))
    assert counts["memory_halvings"] > 0
    parts = [world.store.checked(key) for key in world.store.checked(spec.key).meta["parts"]]
    assert (
        sum(part.meta["counts"]["memory_halvings"] for part in parts) == (counts["memory_halvings"])
    )
    for layer, values in found[0].items():
        np.testing.assert_allclose(found[1][layer], values, atol=2e-5)
