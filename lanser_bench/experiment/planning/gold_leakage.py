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
from ..settings.model import DatasetRef, PluginRef
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


def gold_notes(
    parts: Parts,
    target: DatasetRef,
    encoder: str,
    corpora: Sequence[DatasetRef],
    probes: Sequence[PluginRef],
    params: evaluate.Params,
    seed: int,
    declared: bool,
) -> tuple[str, ...]:
    """Returns notes of a record on the human labels that its encoder has learnt.

    Args:
        parts: the parts of the plan.
        target: a labelled set.
        encoder: name of the encoder, whose pre-training learns human labels.
        corpora: its corpora.
        probes: the probes of the cell.
        params: protocol and folds of the evaluation.
        seed: seed of the folds.
        declared: whether the experiment declares that tested labels may be learnt.

    Raises:
        LeakageError: pre-training learns labels that are tested, and this is not declared.
    """
    built, dataset = parts.manifest(target)
    assert dataset.card.taxonomy is not None
    found = learnt_gold(
        [read_utterances(parts.manifest(ref)[0].artifact) for ref in corpora],
        read_utterances(built.artifact),
        parts.taxonomy(dataset.card.taxonomy).names,
        params,
        dataset.protocols,
        seed,
        any("gold" in parts.plugin("probe", ref)[0].reads for ref in probes),
    )
    if found.tested and not declared:
        raise LeakageError(
            f"{parts.label}: pre-training learns the human labels of {found.tested} that target "
            f"'{target.dataset}' tests: a score on them is memory and no evidence. Pre-train on "
            "other speakers, or test others (evaluate.protocol: split). To see such a score all "
            "the same, declare it: controls.gold_of_tested=declare writes it below the tables."
        )
    notes = []
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
