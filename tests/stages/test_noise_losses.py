"""Losses for noisy labels: equal to their formulas, and better than cross-entropy where planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from training_world import MELS, TAXONOMY, Corpus, World, cnn

from lanser_bench.errors import SettingsError
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages.features import pad
from lanser_bench.stages.network import Network
from lanser_bench.stages.pretrain import spec as pretrain
from lanser_bench.stages.pretrain.forward import Confusion, check_seen, forward_correction
from lanser_bench.stages.pretrain.gce import generalised_cross_entropy
from lanser_bench.store import Spec

RNG = np.random.default_rng(0)
LOGITS = torch.from_numpy(RNG.normal(0, 3, (50, 4)))
HARD = RNG.integers(4, size=50)
TARGETS = torch.from_numpy(np.eye(4)[HARD])
CONFUSION = {
    "labels": ["sad", "angry", "happy"],
    "confusion": [[10, 0, 0], [0, 40, 60], [0, 0, 10]],
}
"""Six of ten angry utterances are labelled happy; the order is not that of the taxonomy."""


def shares(logits: torch.Tensor) -> npt.NDArray[np.float64]:
    powers = np.exp(logits.numpy() - logits.numpy().max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


@pytest.mark.parametrize("q", [0.1, 0.7, 1.0])
def test_generalised_cross_entropy_is_its_formula(q: float) -> None:
    expected = (1 - shares(LOGITS)[np.arange(50), HARD] ** q) / q
    found = generalised_cross_entropy(LOGITS, TARGETS, q)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_limits_of_generalised_cross_entropy() -> None:
    near = generalised_cross_entropy(LOGITS, TARGETS, 1e-9)
    entropy = torch.nn.functional.cross_entropy(LOGITS, TARGETS, reduction="none")
    np.testing.assert_allclose(near, entropy, rtol=1e-6)
    error = np.abs(shares(LOGITS) - TARGETS.numpy()).sum(1) / 2
    np.testing.assert_allclose(generalised_cross_entropy(LOGITS, TARGETS, 1.0), error, atol=1e-9)


def test_soft_targets_are_means_over_labels() -> None:
    soft = torch.from_numpy(RNG.dirichlet(np.ones(4), 50))
    ones = [torch.from_numpy(np.tile(np.eye(4)[label], (50, 1))) for label in range(4)]
    matrix = RNG.dirichlet(np.ones(4), 4)
    for loss in (
        lambda t: generalised_cross_entropy(LOGITS, t, 0.5),
        lambda t: forward_correction(LOGITS, t, matrix),
    ):
        mean = sum(soft[:, label] * loss(ones[label]) for label in range(4))
        np.testing.assert_allclose(loss(soft), mean, atol=1e-9)


def test_forward_correction_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.3], [0.7, 0.3]], dtype=torch.float64))
    matrix = np.array([[0.8, 0.2], [0.4, 0.6]])
    found = forward_correction(logits, torch.eye(2, dtype=torch.float64), matrix)
    # 0.7 · 0.8 + 0.3 · 0.4 = 0.68, and the rest.
    np.testing.assert_allclose(found, [-np.log(0.68), -np.log(0.32)], rtol=0, atol=1e-9)
    plain = forward_correction(LOGITS, TARGETS, np.eye(4))
    entropy = torch.nn.functional.cross_entropy(LOGITS, TARGETS, reduction="none")
    np.testing.assert_allclose(plain, entropy, atol=1e-9)


def test_a_label_that_the_confusion_never_gives_has_finite_gradients() -> None:
    logits = LOGITS.clone().requires_grad_()
    matrix = np.eye(4)[[0, 1, 2, 2]]
    forward_correction(logits, TARGETS, matrix).sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_the_confusion_is_sorted_like_the_labels_to_learn() -> None:
    matrix = Confusion.model_validate(CONFUSION).matrix(TAXONOMY.names)
    np.testing.assert_allclose(matrix, [[0.4, 0.6, 0], [0, 1, 0], [0, 0, 1]])


@pytest.fixture
def noisy(tmp_path: Path) -> tuple[World, Corpus]:
    """A corpus whose angry clips are labelled happy with a probability of 0.6."""
    world = World(tmp_path)
    corpus = world.corpus(n=180)
    weak = corpus.truth.copy()
    weak[(weak == 0) & (np.random.default_rng(1).random(len(weak)) < 0.6)] = 1
    corpus.labels = world.labels(corpus.utterances, weak.tolist())
    return world, corpus


def recalls(world: World, corpus: Corpus, spec: Spec) -> list[float]:
    """Returns the recall of each true label, by the trained network and its head."""
    encoder = registry().create("encoder", "cnn", {"channels": (8, 8), "n_mels": MELS})
    network = Network.on(encoder.build(0), corpus.frames[0], "cnn", 0, 3, "mean", 0)
    path = world.store.checked(spec.key).path
    state = {f"encoder.{k}": v for k, v in load_file(path / pretrain.MODEL).items()}
    state |= {f"head.{k}": v for k, v in load_file(path / pretrain.HEAD).items()}
    network.load_state_dict(state)
    network.eval()
    values, lengths = pad(corpus.frames)
    with torch.no_grad():
        logits, _ = network.outputs(torch.from_numpy(values), torch.from_numpy(lengths))
    hits = logits.argmax(1).numpy() == corpus.truth
    return [float(hits[corpus.truth == label].mean()) for label in range(3)]


def test_forward_correction_recovers_the_clean_classifier(noisy: tuple[World, Corpus]) -> None:
    world, corpus = noisy
    settings = {"epochs": 30, "learning_rate": 1e-2, "dev_fraction": 0}
    plain = world.pretrain(corpus, **settings)
    corrected = world.pretrain(corpus, loss="forward", confusion=CONFUSION, **settings)
    for spec in (plain, corrected):
        world.call(spec)
    # Most angry clips are called happy (2 % are not), or most are recognised: 84 to 100 %, by
    # seed and processor.
    assert recalls(world, corpus, plain)[0] < 0.3
    assert min(recalls(world, corpus, corrected)) > 0.6


def test_generalised_cross_entropy_trains(noisy: tuple[World, Corpus]) -> None:
    world, corpus = noisy
    spec = world.pretrain(corpus, epochs=12, learning_rate=1e-2, loss="gce", label_smoothing=0.05)
    world.call(spec)
    assert min(recalls(world, corpus, spec)[1:]) > 0.9


def test_only_what_a_loss_uses_is_in_the_key() -> None:
    def key(control: Any = "weak", **settings: Any) -> dict[str, Any]:
        params = pretrain.Params(**settings)
        return pretrain.spec(
            corpora=[("a", "b", "c")], encoder=cnn(), labels_control=control, params=params,
            seed=0, threads=1,
        ).params  # fmt: skip

    assert key() == key(gce_q=0.5, confusion=CONFUSION)
    assert not {"loss", "gce_q", "confusion"} & key().keys()
    assert key(loss="gce", confusion=CONFUSION) == key() | {"loss": "gce"}
    assert key(loss="gce", gce_q=0.5) == key() | {"loss": "gce", "gce_q": 0.5}
    gold = key("gold")
    assert key("gold", loss="forward", confusion=CONFUSION) == gold
    assert key("gold", loss="gce") == gold | {"loss": "gce"}
    forward = key(loss="forward", gce_q=0.5, confusion=CONFUSION)
    assert forward == key() | {"loss": "forward", "confusion": CONFUSION}


def test_a_label_report_is_read(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({"gold": {**CONFUSION, "rows": 120}, "labels": {"happy": 70}}))
    read = Confusion.model_validate(str(file))
    assert read == Confusion.model_validate(CONFUSION)
    assert pretrain.Params(loss="forward", confusion=str(file)).confusion == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "compares no weak labels"),
        ('{"gold": null}', "compares no weak labels"),
        ('{"labels": ["a", "b"], "confusion": [[1, 2]]}', "2 rows of 2 counts"),
        ('{"labels": ["a"], "confusion": [[-1]]}', "1 rows of 1 counts"),
        ('{"labels": ["a", "b"], "confusion": [[1, 2], [0, 0]]}', "human label is 'b'"),
    ],
)
def test_files_that_are_no_confusion(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(text)
    with pytest.raises(ValidationError, match=message):
        Confusion.model_validate(str(file))


def test_confusions_that_do_not_fit() -> None:
    with pytest.raises(ValidationError, match="needs confusion"):
        pretrain.Params(loss="forward")
    confusion = Confusion.model_validate(CONFUSION)
    with pytest.raises(SettingsError, match="the labels to learn are joy, sad"):
        confusion.matrix(["joy", "sad"])
    names, matrix = ["a", "b"], np.array([[1.0, 0.0], [1.0, 0.0]])
    check_seen(matrix, names, {"a"})
    with pytest.raises(SettingsError, match="never gave 'b'"):
        check_seen(matrix, names, {"a", "b"})
