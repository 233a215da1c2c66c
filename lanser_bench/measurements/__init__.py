"""All measurements: one file and one declaration each.

To add one, write its stage (`lanser_bench/stages/`) and a file here that declares it, and append
the declaration to `MEASUREMENTS`.
"""

from __future__ import annotations

from typing import Any

from .base import Measurement
from .dimensions import DIMENSIONS
from .finetune import FINETUNE
from .flatten import FLATTEN
from .listen import LISTEN
from .probe import PROBE as PROBE
from .soft import SOFT
from .transfer import TRANSFER
from .zeroshot import TEXT_ONLY, ZERO_SHOT

MEASUREMENTS: tuple[Measurement[Any], ...] = (
    PROBE,
    FINETUNE,
    FLATTEN,
    ZERO_SHOT,
    TEXT_ONLY,
    TRANSFER,
    SOFT,
    LISTEN,
    DIMENSIONS,
)
"""In the order of plans, keys and records: new ones go to the end."""
SECTIONS = tuple(m.section for m in MEASUREMENTS if m.section is not None)
SWITCHES = tuple(m.switch for m in MEASUREMENTS if m.switch is not None)
COLUMNS = {column.name: column for m in MEASUREMENTS for column in m.columns}
