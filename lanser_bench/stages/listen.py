"""Stage `listen`: whether answers follow the voice or the words where the two disagree.

Heads are those of the evaluation, on its folds and budgets, but fitted on congruent clips alone.
The head of pre-training and the labeler answer the same clips. Writes `listen.json` (a
`ListenResult`) and `predictions.parquet`, one row per clip, budget and draw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pydantic import Field

from ..evaluation.arrays import Ints
from ..evaluation.efficiency import Labelled, default_warnings, run_study
from ..evaluation.folds import Fold, split_hash
from ..evaluation.listening import (
    Clips,
    ListenResult,
    Source,
    Trial,
    answer_table,
    following,
    trial_of,
)
from ..evaluation.predictions import PREDICTIONS, write_table
from ..evaluation.results import ZeroShotResult
from ..store import Draft, Spec
from . import zeroshot
from .base import StageContext, StageParams, present, write_json
from .evaluate import spec as evaluate
from .evaluate.run import design_of, layers_of
from .task import Task, prepared

VERSION = "2"
RESULT = "listen.json"
GOLD = "gold"
ABOUT = "Listen or read"


class Params(StageParams):
    """Where the labels of words and voice are."""

    words: str = "words_emotion"
    """Extra of the utterances (a column of a table) with the emotion of the words, or ``gold`` for
    the human label. The default is that of `synthetic`."""
    voice: str = "prosody_emotion"
    """The same for the emotion of the voice."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Label in these extras → label of the set's taxonomy, where they differ."""

    def label(self, extras: Mapping[str, Any], name: str, gold: str) -> str | None:
        """Returns the label that an utterance has in an extra, if any, or its `gold` label."""
        if name == GOLD:
            return gold
        value = extras.get(name)
        text = f"{value:g}" if isinstance(value, float) else str(value or "").strip()
        return self.labels.get(text, text) or None


def spec(
    *,
    evaluation: Spec,
    params: Params,
    zero_shot: str | None = None,
    labeler: str | None = None,
) -> Spec:
    """Builds the key content.

    `evaluation` is what `evaluate.spec` returned for the same embeddings. `zero_shot` and `labeler`
    are keys of stages `zeroshot` on the same utterances.
    """
    unaided = present({"zero_shot": zero_shot, "labeler": labeler})
    return evaluation.model_copy(
        update={
            "stage": "listen",
            "stage_version": f"{VERSION}.{evaluate.VERSION}",
            "params": {**evaluation.params, "listen": params.model_dump(mode="json")},
            "parents": {**evaluation.parents, **unaided},
        }
    )


def run(context: StageContext, draft: Draft) -> None:
    """Fits heads on congruent clips; scores them and the other answers on conflict clips."""
    task, names = prepared(context), context.spec.params["labels"]
    clips, folds, left_out = _clips(context, task)
    trial = trial_of(clips, folds)
    warnings = _warnings(trial, clips, names)
    tested, used = clips.part(trial.tested), clips.part(trial.used)
    untested = int(clips.conflict.sum() - tested.conflict.sum())
    left_out["conflict, of a class without congruent clips to train on"] = trial.lost
    left_out["conflict, in no test part"] = untested - trial.lost
    answers, found = [], []
    for source, budget, n_labels, predicted in _answers(context, clips, trial, warnings):
        found.append(following(source, tested, predicted, budget, n_labels))
        answers.append(predicted)
    scored = used.part(np.flatnonzero(used.conflict))
    result = ListenResult(
        labels=[names[i] for i in trial.classes],
        n_conflict=len(scored.ids),
        n_congruent=len(used.ids) - len(scored.ids),
        n_speakers=len(set(scored.speakers)),
        classes=clips.classes(names),
        answers=found,
        left_out={why: n for why, n in left_out.items() if n},
        warnings=warnings,
        split_hash=split_hash(task.data.ids, task.folds),
    )
    write_json(draft, RESULT, result)
    write_table(draft.path / PREDICTIONS, answer_table(tested, found, answers))
    draft.counts |= {"conflict": result.n_conflict, "congruent": result.n_congruent}


def _answers(
    context: StageContext, clips: Clips, trial: Trial, warnings: list[str]
) -> Iterator[tuple[Source, str | None, float | None, Ints]]:
    """Yields source, budget, labels used, and answers to the tested clips, shape (draws, n)."""
    if not trial.folds:
        return
    params = evaluate.Params.of(context.spec)
    # Only congruent clips are trained on, so the label of the voice is also that of the words.
    labels = np.searchsorted(trial.classes, clips.voice)
    data = Labelled(clips.ids, clips.speakers, labels, len(trial.classes))
    study = run_study(
        data,
        layers_of(context, data),
        trial.folds,
        design_of(params, context.spec.seed),
        lambda done, total: context.progress(done, total, "fits"),
    )
    warnings += [f"{ABOUT}: {sentence}" for sentence in default_warnings(study)]
    for budget in study.design.budgets:
        n_labels = float(np.mean([cell.n_train for cell in study.of(budget)]))
        predicted = trial.classes[study.classified(budget).predicted]
        yield "head", budget.name, n_labels, predicted
    if "zero_shot" in context.spec.parents:
        yield "zero_shot", None, None, _unaided(context, "zero_shot", clips, trial, warnings)
    if "labeler" in context.spec.parents:
        yield "labeler", None, None, _unaided(context, "labeler", clips, trial, warnings)
    yield "majority", None, None, trial.classes[study.majority().predicted]


def _clips(context: StageContext, task: Task) -> tuple[Clips, list[Fold], dict[str, int]]:
    """Returns clips with both labels, as positions in all labels; their folds; left-out clips."""
    params = Params.model_validate(context.spec.params["listen"])
    position = {name: i for i, name in enumerate(context.spec.params["labels"])}
    found: dict[int, list[int]] = {}
    left_out = Counter({"no single human label": len(task.table) - len(task.kept)})
    for row, at in enumerate(task.kept):
        extras, gold = task.table.extras[at], task.labels[task.data.labels[row]]
        both = [params.label(extras, name, gold) for name in (params.words, params.voice)]
        named = [label for label in both if label is not None]
        unknown = [label for label in named if label not in position]
        if len(named) < 2:
            left_out["no label of words or voice"] += 1
        elif unknown:
            left_out[f"'{unknown[0]}' is not in the taxonomy"] += 1
        else:
            found[row] = [position[label] for label in named]
    words, voice = np.array(list(found.values()), np.int64).reshape(-1, 2).T
    ids, speakers = ([names[row] for row in found] for names in (task.data.ids, task.data.speakers))
    place = np.full(len(task.kept), -1)
    place[list(found)] = np.arange(len(found))
    parts = [(place[fold.train], place[fold.test]) for fold in task.folds]
    folds = [Fold(train[train >= 0], test[test >= 0], place[:0]) for train, test in parts]
    return Clips(ids, speakers, words, voice), folds, left_out


def _warnings(trial: Trial, clips: Clips, names: Sequence[str]) -> list[str]:
    if not trial.folds:
        conflict = int(clips.conflict.sum())
        return [
            f"{ABOUT} is not measured: it needs clips whose words and voice disagree, of speakers "
            "without which at least two of their classes have clips that agree. There are "
            f"{conflict} clips that disagree and {len(clips.ids) - conflict} that agree."
        ]
    if not trial.lost:
        return []
    return [
        f"{ABOUT}: {trial.lost} clips that disagree are left out, because the training speakers "
        f"have no clip that agrees for {', '.join(names[i] for i in trial.untrained)}."
    ]


def _unaided(
    context: StageContext, source: str, clips: Clips, trial: Trial, warnings: list[str]
) -> Ints:
    """Returns answers without a human label, shape (1, n); warns of labels never answered."""
    folder, names = context.parent(source).path, context.spec.params["labels"]
    result = ZeroShotResult.model_validate_json((folder / zeroshot.RESULT).read_bytes())
    missing = [names[i] for i in trial.classes if names[i] in result.unreachable]
    if missing:
        who = "the labeler" if source == "labeler" else "the zero-shot head"
        never = f"{who} never answers {', '.join(missing)}: no weak label maps to it"
        warnings.append(f"{ABOUT}: {never}.")
    table = pq.read_table(folder / PREDICTIONS, columns=["id", "predicted"])
    given = dict(zip(table["id"].to_pylist(), table["predicted"].to_pylist(), strict=True))
    return np.array([[given[clips.ids[i]] for i in trial.tested]], np.int64)
