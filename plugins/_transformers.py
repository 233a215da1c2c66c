"""Loads models of transformers: offline, from safetensors, in float32, without their own code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lanser_bench import SAMPLE_RATE, LanserError, MissingDependencyError, SettingsError

from ._pickled import safe_folder
from .weights import resolve

LOAD_ERRORS = (OSError, ValueError, TypeError, KeyError)


def load_model(
    name: str, head: str | Callable[[Any], str], what: str, dtype: Any = None
) -> tuple[Any, list[str]]:
    """Loads a model.

    Args:
        name: as in `resolve`.
        head: class of transformers, such as ``AutoModelForMaskedLM``, or a function that chooses it
            by the model's configuration.
        what: kind of model, for messages.
        dtype: torch's type of the weights, by default float32.

    Returns:
        The model, and the names of weights that it has and the checkpoint lacks. The mask of
        pre-training, which nothing here uses, is never among them.

    Raises:
        MissingDependencyError: the model is missing or does not load.
    """
    import torch
    import transformers

    hub: Any = transformers
    path = safe_folder(resolve(name))
    try:
        with quiet():
            if callable(head):
                head = head(hub.AutoConfig.from_pretrained(path, local_files_only=True))
            model, report = getattr(hub, head).from_pretrained(
                path,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                dtype=dtype or torch.float32,
                output_loading_info=True,
            )
    except LOAD_ERRORS as error:
        raise MissingDependencyError(
            f"The model '{name}' does not load as a {what} of transformers from safetensors: "
            f"{error}."
        ) from None
    missing = sorted(report["missing_keys"])
    return model, [key for key in missing if "masked_spec_embed" not in key]


def load_part(name: str, loader: str, files: tuple[str, ...] = ()) -> Any:
    """Loads what belongs to a model, such as its ``AutoTokenizer``; `files` as in `resolve`."""
    import transformers

    part: Any = getattr(transformers, loader)
    try:
        with quiet():
            return part.from_pretrained(resolve(name, files).path, local_files_only=True)
    except LOAD_ERRORS as error:
        raise MissingDependencyError(
            f"The {loader.removeprefix('Auto')} of the model '{name}' does not load: {error}."
        ) from None


def load_extractor(name: str) -> Any:
    """Loads a feature extractor; raises `SettingsError` if it expects another sample rate."""
    extractor = load_part(name, "AutoFeatureExtractor")
    if extractor.sampling_rate != SAMPLE_RATE:
        raise SettingsError(
            f"The model '{name}' expects {extractor.sampling_rate} Hz, but speech is read at "
            f"{SAMPLE_RATE} Hz. Choose another model."
        )
    return extractor


def refuse_missing(
    name: str,
    what: str,
    missing: Sequence[str],
    advice: str,
    fault: type[LanserError] = SettingsError,
) -> None:
    """Raises `fault` if a checkpoint lacks weights, which would then be random."""
    if missing:
        more = " …" if len(missing) > 3 else ""
        raise fault(
            f"The model '{name}' is not a complete {what}: its weights lack "
            f"{', '.join(missing[:3])}{more}, which would be random. {advice}"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Hides the libraries' progress bars, load reports and advice: the harness shows its own."""
    from transformers.utils import logging as bars

    hub: Any = bars
    shown = hub.is_progress_bar_enabled()
    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers")]
    levels = [logger.level for logger in loggers]
    hub.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(max(logger.level, logging.ERROR))
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if shown:
            hub.enable_progress_bar()
