"""The training loop of `pretrain`: an epoch depends only on (seed, epoch) and the weights.

All randomness of an epoch comes from its own seed, so a training that resumes from a checkpoint
takes the same steps as an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import SettingsError
from ...halving import fitting, halved, out_of_memory
from .._random import deterministic, epoch_random, random_states, restore_random
from ..network import Network
from .acoustic import Acoustic, acoustic_loss
from .batches import Batch, Batches
from .checkpoint import Checkpoint, Progress, Tensors, plain
from .computing import Outputs, computation
from .examples import Examples, Ints, Split
from .share import WHOLE, Share

if TYPE_CHECKING:
    from .spec import TrainingParams

CHECKPOINT_SECONDS = 5.0
"""Shorter epochs share a checkpoint: resuming from an earlier epoch gives the same result."""
NORM_SLACK = 1e-5
"""More than torch's addend to a norm before it divides by it (1e-6), plus rounding."""
Report = Callable[[int, int], object]
CHECK_STEPS = 50
"""Losses are read and checked after so many steps: a GPU would wait for each reading."""
RowLosses = Callable[[Tensor, Tensor], Tensor]
"""From logits and targets, both of shape (rows, K), to the loss of each row."""


@dataclass
class Training:
    """One running training."""

    network: Network
    examples: Examples
    split: Split
    params: TrainingParams
    seed: int
    device: torch.device
    temperature: float = 1.0
    """Divides the logits before they are compared with the targets."""
    acoustic: Acoustic | None = None
    """The targets of the second head, if there is one."""
    loss: RowLosses | None = None
    """Instead of the cross-entropy."""
    share: Share = WHOLE

    def __post_init__(self) -> None:
        """Makes the optimiser; norms and biases are not decayed."""
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        decayed = [p for p in self.parameters if p.ndim > 1]
        others = [p for p in self.parameters if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.params.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        params = self.params
        self.optimizer = torch.optim.AdamW(
            groups, lr=params.learning_rate, fused=self.device.type != "cpu" or None
        )
        self.batches = Batches(
            self.examples, self.split, params, self.device, self.temperature, self.share
        )
        self.share.check(self.network, len(self.split.train) // self.batches.steps)
        self.compute = computation(self.network, params, self.device)
        self.micro = params.batch_size if params.batch_seconds is None else len(self.split.train)
        self.saved = time.monotonic()

    def run(self, checkpoint: Checkpoint, report: Report) -> tuple[Progress, Tensors]:
        """Trains to the end, resuming from the checkpoint if any; returns the chosen weights."""
        progress, best = self._restore(checkpoint)
        while progress.epochs < self.params.epochs and not self._stalled(progress):
            begin = time.perf_counter()
            line = self._epoch(progress.epochs, report)
            line |= self._evaluate()
            progress.epochs += 1
            check_finite(line.get("dev_loss", 0.0), progress.epochs)
            line |= {"epoch": progress.epochs, "seconds": round(time.perf_counter() - begin, 3)}
            progress.history.append(line)
            if self._better(progress, line):
                best = plain(self.network.state_dict())
            due = time.monotonic() - self.saved >= CHECKPOINT_SECONDS
            if due and progress.epochs < self.params.epochs and self.share.rank == 0:
                self.save(checkpoint, progress, best)
        return progress, best

    def save(self, checkpoint: Checkpoint, progress: Progress, best: Tensors) -> None:
        """Writes a checkpoint."""
        checkpoint.save(progress, self._state(best))
        self.saved = time.monotonic()

    def _epoch(self, epoch: int, report: Report) -> dict[str, Any]:
        rng, torch_seed = epoch_random(self.seed, epoch)
        self.network.train()
        steps = self.batches.steps
        total, unread = np.zeros(1 if self.acoustic is None else 2), list[tuple[int, Tensor]]()
        answers, rows, seen = [], [], 0
        # Each process draws its own masks of dropout.
        with deterministic(torch_seed + self.share.rank):
            for step, batch in enumerate(self.batches.epoch(rng), epoch * steps):
                self._set_rate(step)
                losses, logits = self._learn(batch)
                self._step()
                unread.append((len(batch.step), losses))
                seen += len(batch.step)
                answers += logits
                rows.append(batch.rows)
                if len(unread) == CHECK_STEPS or step + 1 == (epoch + 1) * steps:
                    for utterances, sums in unread:
                        total += sums.cpu().double().sum(0).numpy() * utterances
                    check_finite(float(total.sum()), epoch + 1)
                    unread.clear()
                report(step + 1, self.params.epochs * steps)
        own = (np.concatenate(rows), torch.cat(answers).argmax(1).cpu().numpy(), total)
        every_rows, guesses, totals = zip(*self.share.gathered(own), strict=True)
        truth = self.examples.hard[np.concatenate(every_rows)]
        accuracy, uar = scores(truth, np.concatenate(guesses))
        loss, *acoustic = (np.sum(totals, axis=0) / seen).tolist()
        line = {"train_loss": loss, "train_accuracy": accuracy, "train_uar": uar}
        return line | ({"train_acoustic_loss": acoustic[0]} if acoustic else {})

    def _learn(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """Computes the gradients of a batch; returns losses and logits part by part.

        Losses have shape (parts, 1), or (parts, 2) with acoustic targets.

        If memory runs out, this batch and all later ones are processed in parts, whose gradients
        add up to the same sum.
        """
        states = random_states(self.device)
        while True:
            try:
                return self._gradients(batch)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
            # Outside the handler, because the exception's frames keep the memory occupied.
            self.optimizer.zero_grad(set_to_none=True)
            check_divisible(self.network)
            self.micro = halved(min(self.micro, len(batch.rows)))
            restore_random(states, self.device)

    def _gradients(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        self.optimizer.zero_grad(set_to_none=True)
        found, answers = list[Tensor](), []
        for part in batch.parts(self.micro):
            logits, measures = self.compute(part.features, part.lengths)
            losses = self._label_losses(logits, part.targets, self.params.label_smoothing)
            if self.params.class_balance == "loss":  # otherwise all weights are 1
                losses = losses * part.weights
            loss = losses.sum() / batch.whole
            each = [loss]
            if self.acoustic is not None and measures is not None:
                error = acoustic_loss(measures, self.acoustic, part.chosen, batch.step)
                loss = loss + self.acoustic.weight * error
                each.append(error)
            loss.backward()  # type: ignore[no-untyped-call]
            found.append(torch.stack(each).detach())
            answers.append(logits.detach())
        return torch.stack(found), answers

    def _label_losses(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Returns the loss of each row, shape (rows,): the cross-entropy, if no other is set.

        The temperature is that of Hinton et al., Distilling the knowledge in a neural network
        (2015): its square keeps the scale of the gradients.
        """
        t = self.temperature
        logits = logits if t == 1 else logits / t
        if self.loss is None:
            losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
        else:
            losses = self.loss(logits, (1 - smoothing) * targets + smoothing / targets.shape[1])
        return losses if t == 1 else t**2 * losses

    def _step(self) -> None:
        """Takes a step along the gradients, scaled down if their norm exceeds ``clip_norm``."""
        self.share.sum_gradients(self.parameters)
        norm = torch.linalg.vector_norm
        sizes = [norm(p.grad) for p in self.parameters if p.grad is not None]
        # Within the limit torch would multiply all of them by 1. The test fails for NaN, and a GPU
        # would wait for it.
        gpu = self.device.type != "cpu"
        if gpu or not float(norm(torch.stack(sizes))) + NORM_SLACK < self.params.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.params.clip_norm)
        self.optimizer.step()

    @torch.no_grad()
    def _evaluate(self) -> dict[str, Any]:
        """Scores the dev part; crops are from the middle."""
        if len(self.split.dev) == 0:
            return {}
        self.network.eval()
        rows = self.split.dev[np.argsort(self.examples.lengths[self.split.dev], kind="stable")]
        size = self.params.batch_size
        steps = [rows[begin : begin + size] for begin in range(0, len(rows), size)]
        own = []
        for batch in self.batches.middles(steps[self.share.rows]):
            logits, measures = self._outputs(batch.features, batch.lengths)
            errors = None
            if self.acoustic is not None and measures is not None:
                errors = self.acoustic.errors(measures, batch.chosen)
            own.append((self._label_losses(logits, batch.targets), logits.argmax(1), errors))
        host = [tuple(None if t is None else t.cpu() for t in one) for one in own]
        shares = self.share.gathered(host)
        done = [shares[step % self.share.of][step // self.share.of] for step in range(len(steps))]
        every_losses, guesses, every_errors = zip(*done, strict=True)
        accuracy, uar = scores(self.examples.hard[rows], torch.cat(guesses).numpy())
        loss = float(torch.cat(every_losses).double().mean())
        line = {"dev_loss": loss, "dev_accuracy": accuracy, "dev_uar": uar}
        if self.acoustic is None:
            return line
        return line | {"dev_acoustic_loss": float(torch.cat(every_errors).mean())}

    def _outputs(self, features: Tensor, lengths: Tensor) -> Outputs:
        def run(size: int) -> Outputs:
            parts = [slice(begin, begin + size) for begin in range(0, len(features), size)]
            outputs = [self.compute(features[part], lengths[part]) for part in parts]
            measures = [second for _, second in outputs if second is not None]
            logits = torch.cat([first for first, _ in outputs])
            return logits, torch.cat(measures) if measures else None

        return fitting(run, len(features))

    def _set_rate(self, step: int) -> None:
        total = self.params.epochs * self.batches.steps
        factor = rate_factor(step, total, round(self.params.warm_up * total))
        for group in self.optimizer.param_groups:
            group["lr"] = self.params.learning_rate * factor

    def _better(self, progress: Progress, line: dict[str, Any]) -> bool:
        """Records the epoch if it is the best so far; without a dev part the last one is."""
        select = self.params.select if len(self.split.dev) else "last"
        if select == "last":
            score = float(progress.epochs)
        else:
            score = -line["dev_loss"] if select == "dev_loss" else line["dev_uar"]
        if progress.best and score <= progress.best["score"]:
            return False
        progress.best = {"epoch": progress.epochs, "score": score}
        return True

    def _stalled(self, progress: Progress) -> bool:
        patience, best = self.params.patience, progress.best
        return bool(patience and best and progress.epochs - best["epoch"] >= patience)

    def _state(self, best: Tensors) -> Tensors:
        tensors = {f"network.{k}": v for k, v in plain(self.network.state_dict()).items()}
        tensors |= {f"best.{k}": v for k, v in best.items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{k}": v for k, v in plain(state).items()}
        return tensors

    def _restore(self, checkpoint: Checkpoint) -> tuple[Progress, Tensors]:
        loaded = checkpoint.load()
        if loaded is None:
            return Progress(), {}
        progress, tensors = loaded

        def under(prefix: str) -> Tensors:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.network.load_state_dict(under("network."))
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        state: dict[int, Tensors] = {}
        for name, value in under("optimizer.").items():
            number, _, field = name.partition(".")
            like = parameters[int(number)]
            # The memory layout of its parameter, as in an uninterrupted training.
            if value.shape == like.shape:
                value = torch.empty_like(like, requires_grad=False).copy_(value)
            state.setdefault(int(number), {})[field] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        return progress, under("best.")


def check_divisible(network: torch.nn.Module) -> None:
    """Raises `SettingsError` if a network's results depend on the whole batch."""
    normalised = torch.nn.modules.batchnorm._BatchNorm
    if any(isinstance(module, normalised) for module in network.modules()):
        raise SettingsError(
            "Not enough memory for a training step. The encoder's batch normalisation needs the "
            "whole batch, so processing it in parts would change the numbers. Lower "
            "pretrain.batch_size or pretrain.max_seconds, run fewer stages at once, or choose an "
            "encoder without batch normalisation, such as cnn."
        )


def check_finite(loss: float, epoch: int) -> None:
    """Raises `SettingsError` if a loss is infinite or NaN."""
    if not math.isfinite(loss):
        raise SettingsError(
            f"Pre-training diverged: the loss is {loss} in epoch {epoch}. "
            "Lower pretrain.learning_rate, or raise pretrain.warm_up."
        )


def rate_factor(step: int, total: int, warm_up: int) -> float:
    """Returns a linear rise over `warm_up` steps, then half a cosine down to zero at `total`."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, total - warm_up)))


def scores(truth: Ints, guess: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Returns accuracy and unweighted average recall over the labels that occur in `truth`."""
    hits = truth == guess
    return float(hits.mean()), float(np.mean([hits[truth == c].mean() for c in np.unique(truth)]))
