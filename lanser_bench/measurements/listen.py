"""Listen or read: whether answers follow the voice or the words where the two disagree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter

import numpy as np
import pyarrow as pa

from ..evaluation.contrast import DIFFERENCE, averaged
from ..evaluation.listening import (
    ANSWERS,
    Following,
    ListenResult,
    following,
    read_answers,
    statistics,
)
from ..evaluation.results import Metric
from ..evaluation.statistics import flat
from ..stages import listen
from .base import WHOLE, Column, Keys, Measurement, ReportTable, Section, SpeakerSums, Target
from .zeroshot import head_answers, labeler_answers

_SHARES = ("voice", "words", "neither")


def _plan(on: Target) -> Keys:
    wanted = on.settings.listen
    if wanted is None or on.gold is None:
        return {}
    missing = [n for n in (wanted.words, wanted.voice) if n not in (*on.extras, listen.GOLD)]
    if missing:
        on.note(
            f"Listen or read is left out on {on.title}: its utterances have no extra "
            f"'{missing[0]}'. Name those with the emotion of words and voice in listen.words and "
            f"listen.voice; there are {', '.join(on.extras) or 'none'}."
        )
        return {}
    unaided = {
        "zero_shot": head_answers(on).get("head"),
        "labeler": labeler_answers(on).get("labels"),
    }
    key = on.stage(
        listen.spec,
        f"{on.identity.name} on {on.title}: voice or words",
        on.settings.threads.evaluate,
        f"listen {on.place}",
        evaluation=on.evaluation,
        params=wanted,
        **unaided,
    )
    return {"listen": key}


def _who(found: Following) -> str:
    """Returns who answers, in words."""
    if found.budget is not None:
        return f"head, {found.budget} ({found.n_labels:.0f} labels)"
    plain = {"zero_shot": "zero-shot head", "labeler": "labeler, from text"}
    return plain.get(found.source, found.source)


def _lines(results: Sequence[ListenResult]) -> Iterator[tuple[str | Metric, ...]]:
    """Yields one line per head and budget, and per other source of answers."""
    for seeds in zip(*(result.answers for result in results), strict=True):
        same = [found.congruent for found in seeds if found.congruent is not None]
        yield (
            _who(seeds[0]),
            *(averaged([getattr(found, name) for found in seeds]) for name in _SHARES),
            averaged([found.difference for found in seeds], DIFFERENCE),
            averaged(same) if len(same) == len(seeds) else "–",
            f"{100 / len(results[0].labels):.1f}",
        )


def _heads(result: ListenResult) -> dict[str, Following]:
    """Returns budget → what the head follows; `WHOLE` is the largest budget."""
    heads = {str(found.budget): found for found in result.answers if found.source == "head"}
    return {WHOLE: max(heads.values(), key=attrgetter("n_labels")), **heads} if heads else {}


def _column(name: str, head: str, bounds: tuple[float, float] = (0.0, 1.0)) -> Column[ListenResult]:
    """Returns the column of a score of heads; it can be compared at every label budget."""

    def sums(result: ListenResult, table: pa.Table) -> dict[str, SpeakerSums]:
        found: dict[str, SpeakerSums] = {}
        for budget, one in _heads(result).items():
            clips, predicted = read_answers(table, one.source, one.budget)
            speakers = clips.part(np.flatnonzero(clips.conflict)).speakers
            found[budget] = sorted(set(speakers)), flat(statistics(clips, predicted)[name])
        return found

    def budgets(result: ListenResult) -> dict[str, Metric]:
        return {budget: getattr(found, name) for budget, found in _heads(result).items()}

    def read(result: ListenResult) -> Metric | None:
        return budgets(result).get(WHOLE)

    return Column(f"listen_{name}", head, read, bounds, sums=sums, budgets=budgets)


def _numbers(result: ListenResult) -> Iterator[tuple[str, Metric]]:
    for found in result.answers:
        for name in _SHARES:
            yield f"listen {_who(found)} {name}", getattr(found, name)


def _recomputed(result: ListenResult, table: pa.Table) -> Iterator[tuple[str, float, float]]:
    for found in result.answers:
        clips, predicted = read_answers(table, found.source, found.budget)
        again = following(found.source, clips, predicted)
        for name in _SHARES:
            yield f"{name} {_who(found)}", getattr(found, name).value, getattr(again, name).value


LISTEN = Measurement(
    name="listen",
    file=listen.RESULT,
    result=ListenResult,
    plan=_plan,
    section=Section(
        "listen",
        listen.Params,
        "If set (``listen: {}`` for `synthetic`), heads fitted on clips whose words and voice "
        "agree are tested on clips where they disagree: do they follow the voice or the words?",
        in_recipe=False,
    ),
    columns=(
        _column("voice", "follows voice"),
        _column("words", "follows words"),
        _column("difference", "voice − words", DIFFERENCE),
    ),
    numbers=_numbers,
    recomputed=_recomputed,
    kept=ANSWERS,
    notes=attrgetter("warnings"),
    report=ReportTable(
        order=6,
        anchor="listen",
        title="Listen or read",
        note="Clips whose words and voice have different emotions: share of answers that follow "
        "the voice, the words, or neither. Heads are fitted on clips of other speakers whose words "
        "and voice agree, so that both cues are equally good in training. The zero-shot head and "
        "the labeler use no human label. Guessing follows each of voice and words at the rate in "
        "the last column. If right answers are as rare where both agree, neither cue was "
        "learnt. Bold: the 95 % interval excludes 0.",
        heads=("who answers", *_SHARES, "voice − words", "right if both agree", "guessing"),
        lines=_lines,
        differences=frozenset({"voice − words"}),
        pictured=("voice", "words"),
    ),
)
