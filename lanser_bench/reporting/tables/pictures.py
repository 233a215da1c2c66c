"""Saving pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any


def save_picture(figure: Any, path: Path) -> None:
    """Writes a PNG whole or not at all; the same data give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".picture-") as folder:
        draft = Path(folder) / path.name
        figure.savefig(draft, format="png", dpi=150, metadata={"Software": None})
        draft.replace(path)
