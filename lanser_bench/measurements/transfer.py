"""Cross-corpus transfer: heads trained on the other targets, tested on this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import SettingsError, TaxonomyError
from ..evaluation.contrast import DIFFERENCE, averaged
from ..evaluation.leakage import named
from ..evaluation.predictions import classification, uar_sums
from ..evaluation.results import Metric, TransferResult, TransferScore
from ..evaluation.transfer import read_classified
from ..stages import transfer
from ..stages.evaluate.spec import folds_by
from ..taxonomy import Taxonomy, surely_mapped
from .base import (
    WHOLE,
    Column,
    Crossed,
    Keys,
    Matrix,
    Measurement,
    ReportTable,
    Section,
    SpeakerSums,
    Target,
)

if TYPE_CHECKING:
    import pyarrow as pa


def _plan(on: Target) -> Keys:
    settings = on.settings
    if settings.transfer is None:
        return {}
    if not on.others:
        raise SettingsError(
            "'transfer' trains on one target and tests on another, and 'targets' has only one. Add "
            "a labelled set to 'targets', or remove 'transfer'."
        )
    if on.gold is None:
        on.note(f"Transfer is left out: {on.title} has no labels of a taxonomy.")
        return {}
    wanted = settings.transfer.taxonomy
    common = on.gold if wanted is None else on.taxonomy(wanted)
    sets = [one for target in (on, *on.others) if (one := _source(on, target, common))]
    if len(sets) < 2 or sets[0].name != on.title:
        return {}
    key = on.stage(
        transfer.spec,
        f"{on.identity.name} from {', '.join(s.name for s in sets[1:])} to {on.title}",
        settings.threads.evaluate,
        f"transfer {on.place}",
        sets=tuple(sets),
        taxonomy=common.name,
        labels=tuple(common.names),
        normalise=settings.transfer.normalise or settings.evaluate.normalise,
        params=on.design,
        seed=settings.seed_of("evaluate"),
        threads=settings.threads.evaluate,
    )
    return {"transfer": key}


def _source(on: Target, target: Target, common: Taxonomy) -> transfer.Source | None:
    """Returns a labelled set in the common taxonomy; notes why not if no map leads there."""
    gold, what = target.gold, f"transfer from {target.title} to {on.title}"
    if gold is None:
        on.note(f"No {what}: {target.title} has no labels of a taxonomy.")
        return None
    try:
        mapped = surely_mapped(gold.map_to(common))
    except TaxonomyError as error:
        both = sorted(gold.maps.keys() & (on.gold or gold).maps.keys())
        hint = f" Or map both: transfer.taxonomy={both[0]}." if both and target is not on else ""
        on.note(f"No {what}: {error}{hint}")
        return None
    return transfer.Source(
        name=target.title,
        utterances=target.utterances,
        embeddings=target.embeddings,
        labels=tuple(gold.names),
        mapped=tuple(mapped.tolist()),
        folds_by=folds_by(target.design, target.protocols),
    )


def _uar(result: TransferResult) -> Metric | None:
    """Of all other sets pooled; of the only one if there are two targets."""
    return result.scores[-1].uar if result.scores else None


def _sums(result: TransferResult, table: pa.Table) -> Mapping[str, SpeakerSums]:
    if not result.scores:
        return {}
    return {WHOLE: uar_sums(read_classified(table, result.scores[-1], "predicted"))}


def _name(score: TransferScore) -> str:
    return " + ".join(score.trained_on)


def _lines(results: Sequence[TransferResult]) -> Iterator[tuple[str | Metric, ...]]:
    """Yields one line per training set: its name, labels, scores, and the loss by transfer."""
    for scores in zip(*(result.scores for result in results), strict=True):
        own = [score.within for score in scores if score.within is not None]
        gaps = [score.to_within for score in scores if score.to_within is not None]
        whole = len(own) == len(scores)
        yield (
            _name(scores[0]),
            f"{len(scores[0].labels)}, chance {100 / len(scores[0].labels):.1f}",
            averaged([score.uar for score in scores]),
            averaged(own) if whole else "–",
            averaged(gaps, DIFFERENCE) if whole else "–",
        )


def _numbers(result: TransferResult) -> Iterator[tuple[str, Metric]]:
    for score in result.scores:
        for name in ("uar", "wa", "macro_f1"):
            yield f"transfer from {_name(score)} {name}", getattr(score, name)


def _recomputed(result: TransferResult, table: pa.Table) -> Iterator[tuple[str, float, float]]:
    for score in result.scores:
        written = [("predicted", name, getattr(score, name)) for name in ("uar", "wa", "macro_f1")]
        written += [("within", "uar", score.within)] if score.within is not None else []
        for column, name, metric in written:
            found = classification(read_classified(table, score, column))[name]
            value = float(found.value(found.sums.sum(0)))
            yield f"{name} {column} from {_name(score)}", metric.value, value


def _cells(result: TransferResult, table: pa.Table) -> Iterator[Crossed]:
    for score in result.scores:
        answers = read_classified(table, score, "predicted")
        own = None if score.within is None else read_classified(table, score, "within")
        yield Crossed(tuple(score.trained_on), tuple(score.labels), answers, own)


def _notes(tested: str, result: TransferResult) -> Iterator[str]:
    several = len({tuple(score.labels) for score in result.scores}) > 1
    for score in result.scores:
        for name, counts in score.left_out.items():
            labels = ", ".join(f"{label} {n}" for label, n in counts.items())
            pair = f" ({_name(score)} → {tested})" if several else ""
            yield f"utterances of {name} without a common label{pair}: {labels}"
        for name, speakers in score.tested_speakers.items():
            yield (
                f"{name} → {tested}: {len(speakers)} speakers of {name} are tested, so they are "
                f"not trained on ({named(speakers)})"
            )
    yield from result.warnings


TRANSFER = Measurement(
    name="transfer",
    file=transfer.RESULT,
    result=TransferResult,
    plan=_plan,
    section=Section(
        "transfer",
        transfer.Params,
        "If set (``transfer: {}`` for defaults), heads trained on each of the other targets, and "
        "on all of them, are tested on each target, without its labels.",
        in_recipe=False,
    ),
    columns=(Column("transfer", "UAR transferred", _uar, sums=_sums),),
    numbers=_numbers,
    recomputed=_recomputed,
    kept=transfer.SCHEMA,
    report=ReportTable(
        order=4,
        anchor="transfer",
        title="Trained on other corpora",
        note="Heads trained on the labels of other sets and tested on this one, without its "
        "labels. Within: heads trained within this set by speaker folds, on the same utterances "
        "and labels. To within: UAR minus that, paired by utterance. Bold: the 95 % interval "
        "excludes 0.",
        heads=("trained on", "labels", "UAR", "within", "to within"),
        lines=_lines,
        differences=frozenset({"to within"}),
    ),
    matrix=Matrix(
        anchor="transfer-matrix",
        title="Transfer",
        note="heads trained on one labelled set and tested on another, without its labels; where "
        "both are the same, trained within the set by speaker folds on the labels of its last line",
        cells=_cells,
        notes=_notes,
    ),
)
