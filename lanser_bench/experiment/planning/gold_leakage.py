"""Human labels that pre-training learns, of the very speech that an evaluation learns or tests.

Of what is tested it is label leakage, which is refused unless it is declared. Of what is trained on
it is a trap: labels beyond the budget have been used, and clips known by heart choose the strength.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...data.utterances import UtteranceTable, read_utterances
from ...errors import LeakageError
from ...evaluation.leakage import Overlap, Side, overlap
from ...stages.evaluate import spec as evaluate
from ..settings.model import DatasetRef, Experiment, stage_params
from .leakage import planned_folds

if TYPE_CHECKING:
    from .memo import Parts


@dataclass(frozen=True)
class LearntGold:
    """What of a labelled set's speech pre-training has learnt the human labels of."""

    tested: Overlap
    """With all that an evaluation tests in any fold, and all that a probe of gold tests."""
    trained: Overlap
    """With what it only trains on."""


def learnt_gold(
    corpora: Sequence[UtteranceTable],
    table: UtteranceTable,
    names: Sequence[str],
    params: evaluate.Params,
    official: Mapping[str, str],
    seed: int,
    probed: bool = False,
) -> LearntGold:
    """Looks for an evaluation's speech among the human labels that pre-training learns.

    Args:
        corpora: what is pre-trained on; only utterances with gold count.
        table: the labelled set.
        names: labels of its gold taxonomy.
        params: protocol and folds of the evaluation.
        official: the set's official protocols → protocol that makes their folds.
        seed: seed of the folds.
        probed: whether a probe tests the human labels, which it does of every utterance.

    Raises:
        DataError: the evaluation cannot be done at all.
        SettingsError: there is no such protocol.
    """
    learnt = [Side(other, [p for p, gold in enumerate(other.gold) if gold]) for other in corpora]
    kept, folds = planned_folds(table, names, params, official, seed)
    tested = set(kept) if probed else {kept[p] for fold in folds for p in fold.test.tolist()}
    rest = {kept[p] for fold in folds for p in fold.train.tolist()} - tested
    return LearntGold(
        overlap(learnt, Side(table, sorted(tested))), overlap(learnt, Side(table, sorted(rest)))
    )


def gold_notes(parts: Parts, settings: Experiment, target: DatasetRef) -> tuple[str, ...]:
    """Returns what a record must tell of the human labels that its encoder has learnt.

    Args:
        parts: the parts of the plan.
        settings: of a point whose pre-training learns human labels.
        target: one of its labelled sets.

    Raises:
        LeakageError: what is tested is among them, and nobody has declared it.
    """
    built, dataset = parts.manifest(target)
    assert dataset.card.taxonomy is not None
    found = learnt_gold(
        [read_utterances(parts.manifest(ref)[0].artifact) for ref in settings.corpora],
        read_utterances(built.artifact),
        parts.taxonomy(dataset.card.taxonomy).names,
        stage_params(settings.evaluate, evaluate.Params),
        dataset.protocols,
        settings.evaluate_seed,
        any("gold" in parts.plugin("probe", ref)[0].reads for ref in settings.probes),
    )
    if found.tested and settings.controls.gold_of_tested == "refuse":
        raise LeakageError(
            f"{parts.label}: pre-training learns the human labels of {found.tested} that target "
            f"'{target.dataset}' tests: a score on them is memory and no evidence. Pre-train on "
            "other speakers, or test others (evaluate.protocol: split). To see such a score all "
            "the same, declare it: controls.gold_of_tested=declare writes it below the tables."
        )
    encoder, notes = settings.encoder.name, []
    if found.tested:
        notes.append(
            f"Declared label leakage: '{encoder}' was pre-trained on the human labels of "
            f"{found.tested} that are tested here: its score is memory and no evidence."
        )
    if found.trained:
        notes.append(
            f"'{encoder}' was pre-trained on the human labels of {found.trained} that the "
            "evaluation trains on: it has used more labels than its budgets say, and strength and "
            "layer are chosen on clips that it may know by heart. It is no point of a "
            "label-efficiency curve."
        )
    return tuple(notes)
