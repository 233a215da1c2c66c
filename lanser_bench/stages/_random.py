"""Where a training's randomness comes from: each epoch's own seed, and torch's states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

FILLING = "fill_uninitialized_memory"
"""A property that torch puts on a module, where no type checker sees it."""


def random_states(device: torch.device) -> list[Tensor]:
    """Returns torch's random states, to draw the same once more."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def restore_random(states: list[Tensor]) -> None:
    """Puts random states back."""
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state(states[1])


def epoch_random(seed: int, epoch: int) -> tuple[np.random.Generator, int]:
    """Returns the random generator of an epoch and the seed of torch's."""
    ours, torchs = np.random.SeedSequence([seed, 1, epoch]).spawn(2)
    return np.random.default_rng(ours), int(torchs.generate_state(1, np.uint32)[0])


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Seeds torch and asks for deterministic kernels; everything is as before afterwards."""
    before = torch.get_deterministic_debug_mode()
    filled = getattr(torch.utils.deterministic, FILLING)
    with torch.random.fork_rng():
        # Not torch.manual_seed: for each kind of device that is not there it formats a stack trace.
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(seed)
        # As `use_deterministic_algorithms(True, warn_only=True)`, which also loads the compiler:
        # 1.5 s of each process that embeds, and nothing here is compiled.
        torch.set_deterministic_debug_mode("warn")
        # Only reading memory that was never written could differ; filling it costs time.
        setattr(torch.utils.deterministic, FILLING, False)
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before)
            setattr(torch.utils.deterministic, FILLING, filled)
