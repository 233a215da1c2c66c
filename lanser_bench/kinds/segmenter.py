"""Segmenters: a recording in, utterance spans out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from .base import OptionsT, Plugin
from .speech import Speech


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording, in seconds from its start."""

    start: float
    end: float


class Segmenter(Plugin[OptionsT]):
    """Cuts a recording into utterances."""

    trivial: bool = False
    """True when every recording is returned whole, so that no audio needs to be read."""

    @abstractmethod
    def segment(self, recording: Speech) -> list[Span]:
        """Returns the spans of one recording, in order, without overlap; empty without speech."""
