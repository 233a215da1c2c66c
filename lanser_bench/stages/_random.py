"""Randomness of a training: a seed for each epoch, and torch's states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

FILLING = "fill_uninitialized_memory"
"""A property that torch adds to a module, which type checkers do not see."""


def random_states(device: torch.device) -> list[Tensor]:
    """Returns torch's random states, for `restore_random`."""
    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, _of(device.type).get_rng_state()]


def restore_random(states: list[Tensor], device: torch.device) -> None:
    """Restores random states."""
    torch.set_rng_state(states[0])
    for state in states[1:]:
        _of(device.type).set_rng_state(state)


def _of(device: str) -> Any:
    """Returns torch's module of a kind of GPU."""
    return getattr(torch, device)


def epoch_random(seed: int, epoch: int) -> tuple[np.random.Generator, int]:
    """Returns the random generator of an epoch and the seed of torch's."""
    ours, torchs = np.random.SeedSequence([seed, 1, epoch]).spawn(2)
    return np.random.default_rng(ours), int(torchs.generate_state(1, np.uint32)[0])


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Seeds torch and requests deterministic kernels; restores all state afterwards."""
    before = torch.get_deterministic_debug_mode()
    filled = getattr(torch.utils.deterministic, FILLING)
    with torch.random.fork_rng():
        # Not torch.manual_seed: it formats a stack trace for each missing kind of device.
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(seed)
        if torch.backends.mps.is_available():
            torch.mps.manual_seed(seed)
        # Same as `use_deterministic_algorithms(True, warn_only=True)`, which also loads the
        # compiler: 1.5 s in each process that embeds, although nothing is compiled here.
        torch.set_deterministic_debug_mode("warn")
        # Only reads of uninitialised memory could differ; filling it takes time.
        setattr(torch.utils.deterministic, FILLING, False)
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before)
            setattr(torch.utils.deterministic, FILLING, filled)
