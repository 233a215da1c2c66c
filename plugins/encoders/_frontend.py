"""The log-mel that the built-in encoders share, so that its features are computed once for all."""

from __future__ import annotations

from lanser_bench import Frontend

CENTRE, SCALE = -15.0, 4.5
"""About the mean and the standard deviation of `log_mel` over LibriSpeech."""


def log_mel(n_mels: int) -> Frontend:
    """Returns the front end: 25 ms windows every 10 ms, down to -100 dB.

    At the usual -80 dB three fifths of the bins of quiet studio speech (RAVDESS) lie on the floor;
    at -100 dB begins the rounding noise of 16-bit files.
    """
    return Frontend(n_mels=n_mels, floor_db=-100.0)
