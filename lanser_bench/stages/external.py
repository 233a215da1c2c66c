"""Stage `external`: predictions made elsewhere, scored like those of an evaluation.

They come from a labeler that reads a table. Writes the files of stage `evaluate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import SettingsError
from ..evaluation import efficiency
from ..evaluation.arrays import Ints
from ..evaluation.budgets import Budget, class_orders, subset
from ..evaluation.selection import Answer
from ..kinds.labeler import LabelTable, TextRecord
from ..store import Draft, PluginIdentity, Spec
from ..taxonomy import Taxonomy
from .base import StageContext
from .evaluate.run import design_of, write_study
from .evaluate.spec import Params
from .label.decision import checked_scores
from .task import Task, prepared

VERSION = "1"
PARTS = ("seed", "draw", "budget", "fold")
"""Columns of a table with several predictions for an utterance: seed of training, draw of the
labelled subset and label budget; and the fold that tests it."""
_USED = ("protocol", "folds", "folds_by", "budgets", "seeds", "targets", "votes", "labels")
Answers = dict[tuple[Budget, int], Ints]
"""(budget, draw) → label of every utterance, −1 for none, shape (n,)."""


def spec(
    *, evaluation: Spec, labeler: PluginIdentity, gold: Taxonomy, seed: str | None, permuted: bool
) -> Spec:
    """Returns the key content.

    Args:
        evaluation: has the labelled set, folds and budgets.
        labeler: the table.
        gold: taxonomy of the set's labels.
        seed: the rows to read, if the table has a column ``seed``.
        permuted: the control: predictions are permuted within each speaker.
    """
    used = {name: evaluation.params[name] for name in _USED if name in evaluation.params}
    return Spec(
        stage="external",
        stage_version=VERSION,
        plugins={"labeler": labeler},
        params={**used, "taxonomy": gold.content(), "rows": seed, "permuted": permuted},
        parents={"utterances": evaluation.parents["utterances"]},
        seed=evaluation.seed,
    )


def run(context: StageContext, draft: Draft) -> None:
    """Looks the predictions up, and scores them on the test side of every fold.

    Raises:
        SettingsError: budgets, draws or folds of the table are not those of the evaluation.
        DataError: utterances have no row, or the table cannot be read.
    """
    params, task = Params.of(context.spec), prepared(context)
    design, data = design_of(params, context.spec.seed), task.data
    answers, flat = _answers(context, task, design)
    tested = np.unique(np.concatenate([fold.test for fold in task.folds]))
    missed = max(int((labels[tested] < 0).sum()) for labels in answers.values())
    warning = (
        f"{missed} of {len(tested)} utterances have no prediction, or one that is no label of this "
        "evaluation: each counts as a miss."
    )
    if context.spec.params["permuted"]:
        answers = _permuted(answers, task, design)
    study = efficiency.Study(data, task.folds, design)
    for number, fold in enumerate(task.folds):
        for (budget, draw), labels in answers.items():
            orders = class_orders(data.ids, data.labels, fold.train, design.seed, number, draw)
            answer = Answer(labels[fold.test], "external", None, chosen=True)
            size = len(subset(orders, budget))
            study.cells.append(efficiency.Cell(budget, number, draw, size, answer))
    # A flat curve does not tell how many labels a UAR needs.
    shown = {"seeds": 1 + max(draw for _, draw in answers), **({"targets": ()} if flat else {})}
    params = params.model_copy(update=shown)
    write_study(draft, study, task, params, [warning] if missed else [], "external")


def _answers(context: StageContext, task: Task, design: efficiency.Design) -> tuple[Answers, bool]:
    """Returns the predictions by budget and draw, and whether they are the same at every budget."""
    table: LabelTable[Any] = context.plugin("labeler")
    gold = Taxonomy.bare(context.spec.params["taxonomy"])
    place = np.array([task.labels.index(n) if n in task.labels else -1 for n in gold.names])
    found: dict[tuple[str, int], Ints] = {}
    folds: dict[tuple[str, int], set[int]] = {}
    for values, part in table.parts(PARTS):
        if values.get("seed") != context.spec.params["rows"]:
            continue
        at = values.get("budget", ""), _number(values, "draw", 1000) or 0
        fold = _number(values, "fold", len(task.folds))
        tests = {fold} if fold is not None else set(range(len(task.folds)))
        folds.setdefault(at, set()).update(tests)
        rows = np.unique(np.concatenate([task.folds[number].test for number in tests]))
        records = [_record(task, row) for row in rows]
        where = "the evaluation" if fold is None else f"fold {fold}"
        part.check_utterances(where, [r.id for r in records], [r.recording for r in records])
        scores = checked_scores(part.score, context.name("labeler"), records, gold)
        labels = found.setdefault(at, np.full(len(task.data.ids), -1))
        labels[rows] = np.where(scores.abstained, -1, place[scores.values.argmax(1)])
    budgets = {budget.name: budget for budget in design.budgets}
    given = {budget for budget, _ in found}
    if any(len(have) < len(task.folds) for have in folds.values()):
        raise SettingsError(f"The table lacks rows of some of the {len(task.folds)} folds.")
    if given not in ({""}, set(budgets)):
        raise SettingsError(
            f"The table has the budgets {', '.join(sorted(given))}, and the evaluation "
            f"{', '.join(budgets)}. Make them equal by evaluate.budgets. Without a column 'budget' "
            "the predictions count at each, as of a model that learned no label of this set."
        )
    if given == {""}:
        return {
            (b, draw): labels for b in design.budgets for (_, draw), labels in found.items()
        }, True
    order = sorted(found, key=lambda at: (list(budgets).index(at[0]), at[1]))
    return {(budgets[budget], draw): found[budget, draw] for budget, draw in order}, False


def _record(task: Task, row: int) -> TextRecord:
    table, p = task.table, task.kept[row]
    return TextRecord(table.ids[p], table.transcripts[p] or "", recording=table.audio_sha[p] or "")


def _number(values: Mapping[str, str], column: str, end: int) -> int | None:
    text = values.get(column, "")
    if text and not (text.isdecimal() and len(text) < 10 and int(text) < end):
        raise SettingsError(
            f"The table has the {column} '{text}', which is no number from 0 to {end - 1}. Give "
            f"the {column}s of the evaluation, or leave the column out."
        )
    return int(text) if text else None


def _permuted(answers: Answers, task: Task, design: efficiency.Design) -> Answers:
    """Returns the predictions permuted within each speaker, at least `design.draws` times."""
    made: Answers = {}
    for (budget, draw), labels in answers.items():
        for number in [draw] if (budget, 1) in answers else range(design.draws):
            rng = np.random.default_rng([design.seed, number])
            made[budget, number] = efficiency.permuted_within(labels, task.data.speakers, rng)
    return made
