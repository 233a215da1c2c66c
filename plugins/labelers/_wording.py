"""Shared by text labelers: the choice of hypothesis templates, and scoring each text once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BeforeValidator

from lanser_bench import Scores, Taxonomy, TextRecord

Floats = npt.NDArray[np.float32]
ScoreKind = Literal["distribution", "independent"]


def as_tuple(value: Any) -> Any:
    """Returns a list as a tuple, and anything else as it is."""
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
    | Annotated[tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(_one_slot)]
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


def distinct_texts(
    records: Sequence[TextRecord], read: Callable[[TextRecord], str] = premise
) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Returns the m distinct texts of records, and the position of each record's text.

    `read` returns the text that the model gets for a record. An empty text has the position m.
    """
    texts = [read(record) for record in records]
    distinct = sorted(set(texts) - {""})
    position = {text: row for row, text in enumerate(distinct)}
    return distinct, np.array([position.get(text, len(distinct)) for text in texts], dtype=np.intp)


def score_distinct(
    records: Sequence[TextRecord],
    k: int,
    score: Callable[[list[str]], tuple[Floats, Floats]],
    kind: ScoreKind,
    truncated: Callable[[list[str]], Sequence[bool]] | None = None,
) -> Scores:
    """Scores every distinct text once; empty texts abstain.

    `score` gets m distinct texts and returns values of shape (m, K) and raw outputs (m, K, ...);
    `truncated` gets them and says of each whether `score` reads only a part of it.
    """
    distinct, rows = distinct_texts(records)
    if not distinct:
        return abstaining(rows >= 0, np.zeros((len(rows), k), np.float32), None, kind)
    scores, raw = (each_record(part, rows) for part in score(distinct))
    cut = None if truncated is None else np.array([*truncated(distinct), False], bool)[rows]
    return abstaining(rows == len(distinct), scores, raw, kind, cut)


def each_record(found: Floats, rows: npt.NDArray[np.intp]) -> Floats:
    """Repeats rows of distinct texts for all records; empty texts get zeros."""
    return np.concatenate([found, np.zeros((1, *found.shape[1:]), np.float32)])[rows]


def abstaining(
    empty: npt.NDArray[np.bool_],
    values: Floats,
    raw: Floats | None,
    kind: ScoreKind,
    cut: npt.NDArray[np.bool_] | None = None,
) -> Scores:
    """Returns scores of n records that abstain where the text is `empty`, shape (n,)."""
    values[empty] = 1.0 / values.shape[1] if kind == "distribution" else 0.0
    if raw is not None:
        raw[empty] = 0
    return Scores(values, kind, empty, raw, cut)


def softmax(logits: Floats) -> Floats:
    """Softmax over the last axis, in double precision, returned as float32."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)


def sigmoid(logits: Floats) -> npt.NDArray[np.float64]:
    """Sigmoid in double precision."""
    return 1 / (1 + np.exp(-logits.astype(np.float64)))
