"""Recordings in, waveforms and log-mel frames out."""

from .check import AudioFacts, inspect
from .decode import decode
from .logmel import logmel

__all__ = ["AudioFacts", "decode", "inspect", "logmel"]
