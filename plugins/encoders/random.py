"""`random`: another encoder with redrawn weights, the control for the effect of its training.

A random network is not at chance level: it encodes loudness and length well (Conneau et al., What
you can cram into a single vector, ACL 2018, on probing untrained encoders).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import Field

from lanser_bench import (
    FeatureExtractor,
    Frontend,
    Layers,
    PluginOptions,
    SettingsError,
    TrainableEncoder,
    Waveform,
    create_plugin,
    member_identity,
)


class Options(PluginOptions):
    """Options of `random`."""

    of: str = "resnet"
    """Name of an encoder that has weights."""
    of_options: dict[str, Any] = Field(default={})
    """Its options."""
    seed: int = Field(default=0, ge=0)
    """Draws the weights."""


class RandomEncoder(FeatureExtractor[Options]):
    """Any encoder as a frozen one with random weights."""

    Options = Options
    version = "1"
    libraries = ("numpy",)

    @property
    def frontend(self) -> Frontend:
        """The wrapped encoder's."""
        frontend: Frontend = self._member.frontend
        return frontend

    def fingerprint(self) -> str:
        """Identity of the wrapped encoder."""
        return member_identity("encoder", self.options.of, self._member)

    def describe(self) -> dict[str, Any]:
        """The wrapped encoder's facts, and the seed."""
        return {**self._member.describe(), "random": self.options.of, "seed": self.options.seed}

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns the wrapped encoder's layers."""
        if isinstance(self._member, FeatureExtractor):
            return self._member.extract(batch)
        import torch

        with torch.inference_mode():
            # One by one: without padding, an utterance does not depend on the others.
            answers = [
                self._module(torch.tensor(item)[None], torch.tensor([len(item)])) for item in batch
            ]
        return [[values[0].numpy().astype(np.float32) for values, _ in a] for a in answers]

    @cached_property
    def _module(self) -> Any:
        return self._member.build(self.options.seed).eval()

    @cached_property
    def _member(self) -> Any:
        """The wrapped encoder, set to redraw its weights."""
        name, given = self.options.of, self.options.of_options
        member = create_plugin("encoder", name, given)
        fields = type(member.options).model_fields
        if "random_init" in fields:
            return create_plugin("encoder", name, {**given, "random_init": self.options.seed})
        if isinstance(member, TrainableEncoder):
            # An encoder with published weights has the option `init`.
            init = {"init": "random"} if "init" in fields else {}
            return create_plugin("encoder", name, {**given, **init})
        raise SettingsError(
            f"The encoder '{name}' has no weights that could be redrawn. Wrap a trainable encoder, "
            "such as resnet, or one with the option random_init, such as whisper-encoder."
        )
