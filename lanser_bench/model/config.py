"""The content of `config.json` in an exported model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import DataError
from ..kinds.encoder import Frontend
from ..paths import read_whole
from ..store import PluginIdentity
from ..validation import describe

FORMAT = 1
CONFIG, WEIGHTS, TAXONOMY, CARD = "config.json", "model.safetensors", "taxonomy.yaml", "README.md"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class HeadConfig(_Part):
    """The classifier on the encoder."""

    kind: Literal["weak", "linear"]
    """``weak``: the head that was pre-trained on weak labels, a zero-shot classifier.
    ``linear``: the linear protocol, fitted on all human labels of one target."""
    labels: list[str] = Field(min_length=1)
    """Columns of the scores, in order."""
    pooling: Literal["mean", "mean+std", "attentive"]
    """How the frames of a layer become one vector; ``attentive`` by the tensors ``attention.*``."""
    layer: str
    """``layer_00`` …; the weak head reads the last one."""
    dataset: str | None = None
    """Target of a linear head."""


class ModelConfig(_Part):
    """An exported model."""

    format: Literal[1] = 1
    experiment: str
    cell: str
    record_key: str
    """Key of the record whose scores the model card shows."""
    encoder: PluginIdentity
    frontend: Frontend
    seed: int = Field(ge=0, lt=2**32)
    """Builds what the weights' file does not contain, such as fixed buffers."""
    head: HeadConfig
    piece_seconds: float = Field(ge=0.1, le=3600)
    """Longer utterances are encoded in equal pieces of at most this length."""
    taxonomy: str | None = None
    taxonomy_hash: str | None = None
    licence: str
    """Terms that apply to the weights."""
    versions: dict[str, str]
    """Versions of the libraries that produced the scores."""


def read_config(folder: Path) -> ModelConfig:
    """Reads an exported model's configuration; a `DataError` in another folder."""
    path = folder / CONFIG
    try:
        text = read_whole(path)
    except OSError:
        raise DataError(
            f"{folder} is not an exported model: it has no {CONFIG}. "
            "Write one with `lanser-bench export CELL DIR`."
        ) from None
    try:
        return ModelConfig.model_validate_json(text)
    except ValidationError as error:
        raise DataError(describe(error, ModelConfig, str(path))) from None
