"""Sentence-transformers models, loaded offline from safetensors."""

from __future__ import annotations

from typing import Any

from lanser_bench import MissingDependencyError

from .labelers._wording import without_bars
from .weights import resolve


def load_sentence_model(model: str, device: str) -> Any:
    """Returns a `SentenceTransformer`.

    Args:
        model: ``package:NAME``, a folder or a hub id that is in the local cache.
        device: ``cpu`` or ``cuda``.

    Raises:
        MissingDependencyError: it is not here, or not in safetensors.
    """
    from sentence_transformers import SentenceTransformer

    try:
        with without_bars():
            return SentenceTransformer(
                str(resolve(model).path),
                device=device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
    except (OSError, ValueError) as error:
        raise MissingDependencyError(
            f"The model '{model}' does not load as a sentence-transformers model from safetensors: "
            f"{error}."
        ) from None
