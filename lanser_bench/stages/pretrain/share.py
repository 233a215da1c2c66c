"""The share of a training step that one of several processes computes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from ...errors import SettingsError

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """Every `of`-th utterance of each step, beginning at `rank`."""

    rank: int = 0
    of: int = 1

    @property
    def rows(self) -> slice:
        """The utterances of a step; neighbours have similar lengths, so shares take equal time."""
        return slice(self.rank, None, self.of)

    def check(self, network: nn.Module, smallest: int) -> None:
        """Refuses steps of too few utterances, and norms over those of one process.

        Raises:
            SettingsError: the network has such a norm, or `smallest` leaves a process none.
        """
        if smallest < self.of:
            raise SettingsError(
                f"pretrain.processes is {self.of}, but a batch has only {smallest} utterances. "
                "Lower it, or raise pretrain.batch_size."
            )
        normalised = torch.nn.modules.batchnorm._BatchNorm
        for name, module in network.named_modules() if self.of > 1 else ():
            if isinstance(module, normalised) and not getattr(module, "spans_processes", False):
                raise SettingsError(
                    f"pretrain.processes: the encoder's batch normalisation ({name}) sees the "
                    "utterances of one process only, so the numbers would depend on their number. "
                    "Set processes: 1, or choose an encoder such as cnn or resnet."
                )

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces gradients of shares by those of the whole step."""
        if self.of == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, values in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(values.view_as(gradient))

    def gathered(self, own: T) -> list[T]:
        """Returns the values of all processes, by rank."""
        values: list[T] = [own] * self.of
        if self.of > 1:
            torch.distributed.all_gather_object(values, own)
        return values


WHOLE = Share()
