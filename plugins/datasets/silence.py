"""Clips without speech, to see whether a recogniser invents words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from pydantic import Field

from lanser_bench import SAMPLE_RATE, Card, Dataset, PluginOptions, Utterance

SECONDS = (1, 3, 10, 25)
"""Lengths; each occurs at each level."""


class SilenceOptions(PluginOptions):
    """Options of `silence`."""

    clips: int = Field(default=16, ge=1, le=10_000)
    """Clips, spread over lengths of 1 to 25 s and all levels."""
    levels_db: tuple[float, ...] = Field(default=(-90.0, -55.0, -45.0, -35.0), min_length=1)
    """Levels of white noise, RMS in dB relative to full scale."""
    seed: int = 0


class Silence(Dataset[SilenceOptions]):
    """Makes clips of white noise on first use; their transcript is known to be empty.

    Extras: ``level_db``.
    """

    Options = SilenceOptions
    version = "1"
    libraries = ("numpy", "soundfile")
    licence = "made on this machine"
    needs_root = False
    card = Card(title="Silence", licence="made on this machine", citation="This project")

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips, after making those that do not exist."""
        options = self.options
        identity = f"{self.version} {options.model_dump_json(exclude={'clips'})}"
        folder = root / hashlib.sha256(identity.encode()).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(options.clips):
            level = options.levels_db[i % len(options.levels_db)]
            seconds = SECONDS[i // len(options.levels_db) % len(SECONDS)]
            path = folder / f"{i:05d}.wav"
            if not path.is_file():
                rng = np.random.default_rng([options.seed, i])
                noise = 10 ** (level / 20) * rng.standard_normal(seconds * SAMPLE_RATE)
                draft = path.with_suffix(".draft")
                soundfile.write(draft, noise, SAMPLE_RATE, format="WAV", subtype="FLOAT")
                draft.replace(path)
            yield Utterance(id=path.stem, audio=path, transcript="", extras={"level_db": level})
