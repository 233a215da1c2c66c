"""Types of the arrays that the evaluation computes with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.str_]
Layers = Mapping[str, npt.NDArray[np.floating]]
"""Layer name → embeddings, shape (n, dim)."""
