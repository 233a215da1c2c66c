"""Shared by text labelers: the choice of hypothesis templates, and scoring each text once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BeforeValidator

from lanser_bench import Scores, Taxonomy, TextRecord

Floats = npt.NDArray[np.float32]


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _one_slot(templates: tuple[str, ...]) -> tuple[str, ...]:
    for template in templates:
        if template.count("{}") != 1:
            raise ValueError(f"template '{template}' needs exactly one '{{}}' for the label")
    if not templates:
        raise ValueError("name at least one template")
    return templates


Templates = (
    Literal["all"]
    | Annotated[tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(_one_slot)]
    | None
)
"""None: the taxonomy's first. ``all``: all of the taxonomy's. Otherwise the templates given."""


def chosen_templates(templates: Templates, taxonomy: Taxonomy) -> tuple[str, ...]:
    """Returns the templates that an option selects."""
    if templates is None:
        return taxonomy.templates[:1]
    return taxonomy.templates if templates == "all" else templates


def verbalisations(taxonomy: Taxonomy, synonyms: bool) -> list[tuple[str, ...]]:
    """Returns the wordings of each label: its hypothesis, and its synonyms if `synonyms`."""
    return [(label.hypothesis, *(label.synonyms if synonyms else ())) for label in taxonomy.labels]


def premise(record: TextRecord, turns: int = 0) -> str:
    """Returns a record's text after its last `turns` earlier utterances; empty if the text is."""
    text = record.text.strip()
    earlier = [turn.strip() for turn in record.context[-turns:]] if turns else []
    return " ".join([*filter(None, earlier), text]) if text else ""


def score_distinct(
    records: Sequence[TextRecord],
    k: int,
    score: Callable[[list[str]], tuple[Floats, Floats]],
    kind: Literal["distribution", "independent"],
    read: Callable[[TextRecord], str] = premise,
    truncated: Callable[[list[str]], Sequence[bool]] | None = None,
) -> Scores:
    """Scores every distinct text once; empty texts abstain.

    Args:
        records: n records.
        k: number of labels.
        score: given m distinct texts, returns values of shape (m, K) and raw outputs (m, K, ...).
        kind: kind of the values.
        read: returns the text that the model gets for a record, empty for none.
        truncated: given distinct texts, says of each whether `score` reads only a part of it.
    """
    texts = [read(record) for record in records]
    distinct = sorted(set(texts) - {""})
    filler = 1.0 / k if kind == "distribution" else 0.0
    if not distinct:
        values = np.full((len(texts), k), filler, dtype=np.float32)
        return Scores(values, kind, np.ones(len(texts), dtype=bool))
    scores, raw = score(distinct)
    # Empty texts refer to one more row.
    scores = np.concatenate([scores, np.full((1, k), filler, dtype=np.float32)])
    raw = np.concatenate([raw, np.zeros((1, *raw.shape[1:]), dtype=np.float32)])
    position = {text: row for row, text in enumerate(distinct)}
    rows = np.array([position.get(text, len(distinct)) for text in texts], dtype=np.intp)
    cut = None if truncated is None else np.array([*truncated(distinct), False], bool)[rows]
    return Scores(scores[rows], kind, rows == len(distinct), raw[rows], cut)


def softmax(logits: Floats) -> Floats:
    """Softmax over the last axis, in double precision, returned as float32."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)
