"""The manifest's own transcripts instead of recognised ones: a control without ASR errors."""

from __future__ import annotations

from collections.abc import Sequence

from lanser_bench import ASR, PluginOptions, Speech, Transcript


class Reference(ASR[PluginOptions]):
    """Returns the manifest's text, or an empty one if the manifest has none."""

    version = "1"
    reads = "transcript"
    batch_size = 4096

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Returns the manifest's texts; the stage counts missing ones as empty."""
        return [
            Transcript((speech.transcript or "").strip(), speech.language or "") for speech in batch
        ]
