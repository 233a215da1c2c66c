"""Human labels that pre-training learns from speech that an evaluation trains on or tests.

Learning labels that are tested is label leakage: it is refused unless the experiment declares it.
Learning labels that are trained on distorts label efficiency: the encoder has used labels beyond
the budget, and strength is chosen on clips that it may have memorised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...data.utterances import read_utterances
from ...errors import LeakageError
from ...evaluation.leakage import Overlap, Side, overlap
from ...stages.evaluate import spec as evaluate
from ..settings.model import DatasetRef, PluginRef
from .leakage import planned_folds

if TYPE_CHECKING:
    from .memo import Parts


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
        corpora: its corpora; only utterances with human labels count.
        probes: the probes of the cell; one that reads human labels tests every utterance.
        params: protocol and folds of the evaluation.
        seed: seed of the folds.
        declared: whether the experiment declares that tested labels may be learnt.

    Raises:
        LeakageError: pre-training learns labels that are tested, and this is not declared.
        DataError: the evaluation is not possible.
        SettingsError: unknown protocol.
    """
    built, dataset = parts.manifest(target)
    assert dataset.card.taxonomy is not None
    names = parts.taxonomy(dataset.card.taxonomy).names
    table = read_utterances(built.artifact)
    where = f"{parts.label}: target '{target.dataset}'"
    kept, folds = planned_folds(table, names, params, dataset.protocols, seed, where)
    probed = any("gold" in parts.plugin("probe", ref)[0].reads for ref in probes)
    tested = set(kept) if probed else {kept[p] for fold in folds for p in fold.test.tolist()}
    trained = {kept[p] for fold in folds for p in fold.train.tolist()} - tested
    tables = [read_utterances(parts.manifest(ref)[0].artifact) for ref in corpora]
    learnt = [Side(other, [p for p, gold in enumerate(other.gold) if gold]) for other in tables]
    in_tested = overlap(learnt, Side(table, sorted(tested)))
    in_trained = overlap(learnt, Side(table, sorted(trained)))
    if in_tested and not declared:
        raise LeakageError(
            f"{parts.label}: pre-training learns the human labels of {in_tested} that target "
            f"'{target.dataset}' tests: a score on them measures memorisation, not generalisation. "
            "Pre-train on other speakers, or test others (evaluate.protocol: split). To report it "
            "anyway, set controls.gold_of_tested=declare; the tables then carry a note."
        )
    return tuple(_notes(encoder, in_tested, in_trained))


def _notes(encoder: str, in_tested: Overlap, in_trained: Overlap) -> Iterator[str]:
    if in_tested:
        yield (
            f"Declared label leakage: '{encoder}' was pre-trained on the human labels of "
            f"{in_tested} that are tested here: its score measures memorisation, not "
            "generalisation."
        )
    if in_trained:
        yield (
            f"'{encoder}' was pre-trained on the human labels of {in_trained} that the "
            "evaluation trains on: it has used more labels than its budgets, and strength and "
            "layer are chosen on clips that it may have memorised. It does not belong on a "
            "label-efficiency curve."
        )
