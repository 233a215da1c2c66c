"""Canonical JSON and its hash, from which keys are made."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_encoder = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
)
# Shared: creating an encoder takes longer than encoding a small value.


def canonical(value: Any) -> str:
    """Returns a value's canonical JSON: sorted keys, no spaces, no NaN."""
    return _encoder.encode(value)


def digest(value: Any) -> str:
    """Returns the SHA-256 of a JSON value, 32 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]
