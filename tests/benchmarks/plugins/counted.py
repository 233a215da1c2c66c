"""A recogniser that takes no time: what is left is the cost of the stage around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lanser_bench import ASR, PluginOptions, Speech, Transcript, hookimpl


class Counted(ASR[PluginOptions]):
    """Says how long a clip is and how it begins, so that different clips have different texts."""

    version = "1"
    batch_size = 32

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """One text of eight words each."""
        return [
            Transcript(
                f"the clip has {len(speech.samples)} samples and begins {speech.samples[0]:.9f}",
                "en",
                -0.5,
            )
            for speech in batch
        ]


@hookimpl
def register_asr(register: Any) -> None:
    register("counted", f"{__name__}:Counted")
