"""Shows a comparison of recognisers: as tables, and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...numbers import p_text
from ..tables.sheet import Column, Entry, Sheet, Shown
from . import ladder_views as ladders
from .pairs import pairs_sheet
from .recognisers import Recogniser, Recognisers

EDITS = {"substitutions": "substituted", "deletions": "deleted", "insertions": "inserted"}


def sheets(found: Recognisers, written: Mapping[str, Any], labeler: str = "") -> list[Sheet]:
    """Returns recognisers, all pairs and, with a labeler, its labels against gold.

    `written` has recognisers as in an experiment, with their options.
    """
    silent = any(row.silence for row in found.rows)
    columns = [
        Column("asr", "recogniser"),
        Column("wer", "WER", ladders.three, True),
        Column("cer", "CER", ladders.three, True, order=6),
        *(Column(k, h, "{:.3f}".format, True, "per word", 9) for k, h in EDITS.items()),
        Column("to_best", "WER − best", ladders.signed, True, order=5),
        Column("p_value", "p to best (Holm)", p_text, True, order=4),
        *(
            [Column("silence", "silent clips with words", ladders.three, True, order=0)]
            if silent
            else []
        ),
        Column("speed", "× real time", "{:.3g}".format, True, order=1),
        *ladders.cost_columns("hour of speech", 3),
    ]
    if any(row.labels for row in found.rows):
        columns += [
            Column("same", "same label", ladders.three, True, order=2),
            Column("kappa", "kappa of labels", ladders.three, True, order=8),
            Column("lost_or_gained", "label lost or gained", ladders.three, True, order=7),
        ]
    title = f"Recognisers of {found.dataset}"
    rows = [_entry(found, row) for row in found.rows]
    pairs = pairs_sheet(found.pairs, "Differences in WER, lower is better")
    said = [*notes(found), *ladders.option_notes(written)]
    labels = ladders.sheets(found.labels, {}, labeler) if found.labels else []
    return [Sheet(title, columns, rows, said, {"dataset": found.dataset}), pairs, *labels]


def _entry(found: Recognisers, row: Recogniser) -> Entry:
    best = found.rows[0].asr
    pair = next((pair for pair in found.pairs if (pair.a, pair.b) == (best, row.asr)), None)
    values: dict[str, Any] = {"asr": row.asr, "wer": row.wer, "cer": row.cer, **row.edits}
    if pair is not None:
        values |= {"to_best": ladders.negative(pair.difference), "p_value": pair.p_value}
    if row.silence is not None:
        values["silence"] = row.silence.with_words
    if row.cost is not None:
        least, speed = "≥ " if row.cost.loading else "", 3600 / row.cost.wall_s
        values["speed"] = Shown(speed, f"{least}{speed:.3g}")
    labels = {} if row.labels is None else vars(row.labels)
    return Entry(values | ladders.cost_values(row.cost) | labels, "best" if row.asr == best else "")


def notes(found: Recognisers) -> list[str]:
    """Returns what a reader must know."""
    over = "independent utterances"
    if found.speakers is not None:
        over = ladders.speakers_text(found.speakers)
    said = [
        f"{found.utterances} utterances with {found.words} words in their references, "
        f"{found.hours:.2g} hours; case and punctuation do not count",
        f"95 % intervals over {over}; p by Holm over the {len(found.pairs)} pairs",
    ]
    silence = found.rows[0].silence
    if silence is not None:
        said.append(
            f"{silence.clips} silent clips, {silence.gated} of them too quiet for the recogniser "
            "to run (transcribe.min_rms_db); Wilson's interval"
        )
    if any(row.labels for row in found.rows):
        said.append(
            "same label: of the labeler on recognised and on reference texts, where both get one"
        )
    return said + ladders.cost_notes([row.cost for row in found.rows], "hour of speech")


def picture(found: Recognisers, path: Path) -> None:
    """Draws word error rates with intervals and, beside them, times."""
    ladders.draw_ladder(
        [row.asr for row in found.rows],
        [row.wer for row in found.rows],
        [row.cost.cpu_s if row.cost else None for row in found.rows],
        ("WER", "CPU s per hour of speech"),
        path,
    )
