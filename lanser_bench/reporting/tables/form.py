"""The forms in which commands print tables; loads nothing, since `--help` lists them."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How a command prints its tables."""

    table = "table"
    md = "md"
    html = "html"
    csv = "csv"
    latex = "latex"
    json = "json"
