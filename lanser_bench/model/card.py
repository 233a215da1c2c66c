"""The model card: what the weights are, their scores, and which terms apply to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from ..numbers import decimal, percent
from ..printing import markdown_text, visible
from ..records.record import ResultRecord

if TYPE_CHECKING:
    from .config import ModelConfig


@dataclass(frozen=True)
class Material:
    """Something the weights were made from."""

    role: str
    """``corpus``, ``asr``, ``labeler``, ``encoder`` or ``target``."""
    name: str
    licence: str
    """As its plugin or card states it; may be empty."""


def licence_of(material: Sequence[Material], target: Material | None) -> str:
    """Returns a sentence on the terms that apply to the weights: those of their data and models."""
    parts = [m for m in [*material, *([target] if target else [])] if m.role != "asr"]
    if not parts:
        return "Weights drawn from a seed; no data was used."
    named = "; ".join(f"{m.name} ({m.licence or 'licence not stated'})" for m in parts)
    return f"Made from: {named}. The terms of these sources apply to the weights."


def model_card(record: ResultRecord, config: ModelConfig, material: Sequence[Material]) -> str:
    """Returns the card as Markdown with a front matter."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    environment.filters |= {"text": markdown_text, "code": _code}
    environment.filters |= {"percent": percent, "decimal": decimal}
    template = files(__package__).joinpath("card.md.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        record=record,
        head=config.head,
        encoder=config.encoder,
        material=material,
        licence=config.licence,
        warnings=dict.fromkeys(w for r in record.datasets for w in r.evaluation.warnings),
    )


def _code(text: str | None) -> str:
    """Puts a name into backticks, which it cannot end."""
    return f"`{visible(str(text)).replace('`', chr(39)).replace(chr(10), ' ')}`"
