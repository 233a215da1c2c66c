"""Small trees with the true names of the corpora and generated sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

WriteClip = Callable[[Path], None]


@pytest.fixture
def write_clip() -> WriteClip:
    """Writes half a second of sound whose pitch depends on the file's name."""

    def write(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        hertz = 100 + sum(path.stem.encode()) % 300
        samples = 0.3 * np.sin(2 * np.pi * hertz * np.arange(8_000) / 16_000)
        soundfile.write(path, samples, 16_000)

    return write
