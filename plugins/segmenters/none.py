"""No segmentation: every recording, or its span in the manifest, is one utterance."""

from __future__ import annotations

from lanser_bench import PluginOptions, Segmenter, Span, Speech


class NoSegmenter(Segmenter[PluginOptions]):
    """Returns every recording whole."""

    version = "1"
    trivial = True

    def segment(self, recording: Speech) -> list[Span]:
        """Returns one span over the whole recording; none if it is empty."""
        return [Span(0.0, recording.seconds)] if len(recording.samples) else []
