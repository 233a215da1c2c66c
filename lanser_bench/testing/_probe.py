"""Tests of the contract of a probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, get_args

import numpy as np

from ..kinds.probe import HeldOut
from ..kinds.speech import Speech
from ._batches import BatchSuite
from ._speech import CLIPS, EVERYTHING, only, silence, tone

ENDLESS = (float("inf"), -float("inf"))
FOR_CLASSES = ("sentences", "speakers-within-sentence")


class ProbeSuite(BatchSuite):
    """Inherit and write `make`; override `clips` if it reads extras or needs real speech."""

    anchor: ClassVar[str] = "docs/plugins/probe.md#rules"
    clips: ClassVar[Sequence[Speech]] = CLIPS

    def items(self) -> list[Speech]:
        """Returns the clips with what the probe reads."""
        return self._given(self.clips)

    def full_items(self) -> Sequence[Speech]:
        """Returns the clips with all fields of the manifest."""
        return self.clips

    def _given(self, clips: Sequence[Speech]) -> list[Speech]:
        return [only(clip, self.plugin.reads) for clip in clips]

    def run(self, plugin: Any, items: Sequence[Speech]) -> list[list[Any]]:
        """Returns the targets of each clip."""
        names, classes = plugin.targets, plugin.task == "classification"
        self.require(
            isinstance(names, tuple) and names and len({*names}) == len(names),
            f"targets is {names!r}.",
            'Set `targets` to a tuple of different names, such as `("f0_mean_st",)`.',
        )
        unknown = sorted(plugin.reads - (EVERYTHING - {"id", "recording"}))
        self.require(not unknown, f"reads has {unknown}.", "Use the names in the docs of `reads`.")
        self.require(
            plugin.task in ("regression", "classification")
            and plugin.held_out in get_args(HeldOut)
            and (classes or plugin.held_out not in FOR_CLASSES),
            f"task is {plugin.task!r} and held_out is {plugin.held_out!r}.",
            "Use the values in the docs of `Probe`; numbers are held out by speakers.",
        )
        values = np.asarray(plugin.measure(list(items)), object)
        shape = values.shape[:1] if plugin.components else values.shape
        self.require(
            values.ndim == 2 and shape == (len(items), len(names))[: len(shape)],
            f"{len(items)} clips and {len(names)} targets gave the shape {values.shape}.",
            "Return an array of shape (utterances, targets); one vector each with `components`.",
        )
        good = (str, type(None)) if classes else (int, float, np.number)
        wrong: list[Any] = [v for v in values.flat if not isinstance(v, good) or v in ENDLESS]
        self.require(
            not wrong,
            f"A target is {wrong and wrong[0]!r}.",
            "Return names of classes as text, None if undefined."
            if classes
            else "Return finite numbers, NaN if undefined.",
        )
        rows: list[list[Any]] = values.tolist()
        return rows

    def test_targets_differ_between_clips(self) -> None:
        """A target has different values for different speech."""
        rows = self._first()
        for place, name in enumerate(self.plugin.targets):
            known = {v for v in (row[place] for row in rows) if v is not None and v == v}
            self.require(
                len(known) > 1,
                f"The target '{name}' has the values {sorted(known)} over all clips.",
                "Measure what differs, or set the suite's `clips` to speech that differs in it.",
            )

    def test_silence_and_shortness_survive(self) -> None:
        """Silence and a clip of 0.1 s give numbers or NaN, and raise no exception."""
        self.run(self.plugin, self._given([silence(1.0), tone(0.1), self.clips[0]]))
