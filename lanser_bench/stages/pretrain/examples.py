"""Pre-training's examples: features with weak or control labels, and the dev part."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...data.utterances import UtteranceTable, read_utterances
from ...errors import DataError, LeakageError, SettingsError, StoreError
from ...store import Artifact
from ...taxonomy import Taxonomy
from ..base import StageContext
from ..features import Features
from ..label.files import read_labels
from ..maps.spans import span_rows
from .spec import LabelsControl

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
ABSTAINED = -1


@dataclass
class Examples:
    """All utterances of all corpora, in order; arrays have one row per utterance."""

    taxonomy: Taxonomy
    sources: list[Features]
    source: Ints
    """Position in `sources`."""
    index: Ints
    """Position in that source."""
    lengths: Ints
    """Frames (or samples)."""
    spans: list[str]
    """Equal if recording and span are equal."""
    speakers: list[str | None]
    hard: Ints
    """Label as a position in the taxonomy; `ABSTAINED` if there is none."""
    soft: Floats
    """Shape (utterances, K): scores that add up to 1; zeros if there is no label."""

    def __len__(self) -> int:
        return len(self.hard)

    @property
    def labelled(self) -> Ints:
        """Positions of the utterances that have a label."""
        return np.flatnonzero(self.hard != ABSTAINED)

    def label_counts(self, rows: Ints) -> dict[str, int]:
        """Returns how many of `rows` have each label; unused labels are omitted."""
        counts = Counter(self.hard[rows].tolist())
        return {name: counts[i] for i, name in enumerate(self.taxonomy.names) if counts[i]}

    def frames(self, row: int) -> Floats:
        """Returns the frames of one utterance without a copy."""
        return self.sources[int(self.source[row])].get(int(self.index[row]))


def load_examples(context: StageContext, control: LabelsControl, seed: int) -> Examples:
    """Reads all corpora of a `pretrain` stage and applies a control to their labels.

    Raises:
        SettingsError: the corpora were labelled with different taxonomies.
        DataError: fewer than two labels are left, or `gold` finds no human labels.
    """
    tables, sources, weak = [], [], []
    taxonomy: Taxonomy | None = None
    for i in range(sum(role.startswith("labels.") for role in context.spec.parents)):
        table = read_utterances(context.parent(f"utterances.{i}"))
        source = Features(context.store, context.spec.parents[f"features.{i}"])
        artifact = context.parent(f"labels.{i}")
        own = Taxonomy.bare(artifact.spec.params["taxonomy"])
        taxonomy = own if taxonomy is None else taxonomy
        if own.hash != taxonomy.hash:
            raise SettingsError(
                f"The corpora are labelled with different taxonomies: {taxonomy.name} "
                f"{taxonomy.version} and {own.name} {own.version}. Label all corpora of one "
                "pre-training with one taxonomy."
            )
        if source.ids != table.ids:
            raise StoreError(f"features.{i} and utterances.{i} name different utterances.")
        tables.append(table)
        sources.append(source)
        weak.append(_read_labels(artifact, table))
    assert taxonomy is not None
    examples = Examples(
        taxonomy=taxonomy,
        sources=sources,
        source=np.repeat(np.arange(len(tables)), [len(table) for table in tables]),
        index=np.concatenate([np.arange(len(table)) for table in tables]),
        lengths=np.concatenate([source.lengths for source in sources]),
        spans=[row for table in tables for row in span_rows(table)],
        speakers=[speaker for table in tables for speaker in table.speakers],
        hard=np.concatenate([hard for hard, _ in weak]),
        soft=np.concatenate([soft for _, soft in weak]),
    )
    _apply_control(examples, tables, control, seed)
    _enough_labels(examples, control)
    return examples


def _read_labels(artifact: Artifact, table: UtteranceTable) -> tuple[Ints, Floats]:
    labels = read_labels(artifact)
    if labels.ids != table.ids:
        raise StoreError(f"Labels {artifact.key} belong to other utterances.")
    hard = labels.index.astype(np.int64)
    return hard, _distributions(labels.scores.astype(np.float64), hard)


def _distributions(scores: npt.NDArray[np.float64], hard: Ints) -> Floats:
    """Scales scores to add up to 1; a labelled row of zeros gets 1 for its label."""
    scores = np.where((hard == ABSTAINED)[:, None], 0.0, np.maximum(scores, 0.0))
    empty = np.flatnonzero((scores.sum(1) <= 0) & (hard != ABSTAINED))
    scores[empty, hard[empty]] = 1.0
    total = scores.sum(1, keepdims=True)
    return (scores / np.where(total > 0, total, 1.0)).astype(np.float32)


def _apply_control(
    examples: Examples, tables: Sequence[UtteranceTable], control: LabelsControl, seed: int
) -> None:
    if control == "gold":
        names = examples.taxonomy.names
        examples.hard = np.concatenate([table.labels(names) for table in tables])
        examples.soft = _distributions(np.zeros_like(examples.soft, np.float64), examples.hard)
        return
    if control == "weak":
        return
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    labelled = examples.labelled
    groups: dict[str, list[int]] = {}
    for row in labelled.tolist():
        # Utterances of unknown speakers are shuffled within their corpus.
        group = examples.speakers[row] or f"corpus {examples.source[row]}"
        groups.setdefault("" if control == "shuffled" else group, []).append(row)
    origin = np.arange(len(examples))
    for _, rows in sorted(groups.items()):
        origin[rows] = rng.permutation(rows)
    examples.hard, examples.soft = examples.hard[origin], examples.soft[origin]


def _enough_labels(examples: Examples, control: LabelsControl) -> None:
    labelled = examples.labelled
    counts = examples.label_counts(labelled)
    if len(counts) >= 2:
        return
    listed = ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none"
    name, total = examples.taxonomy.name, len(examples)
    if control == "gold":
        raise DataError(
            f"The control 'gold' needs human labels of {name} in the corpora; of {total} "
            f"utterances these have one: {listed}. Set controls.gold to false, or pre-train on a "
            "labelled set."
        )
    raise DataError(
        f"Pre-training needs utterances of at least two labels of {name}; of {total} utterances, "
        f"{total - len(labelled)} have no label, and these have one: {listed}. Add speech that "
        "says other sentences, loosen the label stage's filters, or choose another labeler."
    )


@dataclass(frozen=True)
class Split:
    """Rows to train on and rows that choose the epoch; no speaker is in both."""

    train: Ints
    dev: Ints
    note: str
    """How the dev part was made, for the record."""
    dropped: int = 0
    """Dev utterances left out because the same sound is in the training part."""


def split_by_speaker(examples: Examples, fraction: float) -> Split:
    """Holds out whole speakers, in the order of a hash of their names, until `fraction` is reached.

    Speakers that would exceed it are skipped; if all would, the smallest is held out if that leaves
    two thirds of the utterances. Utterances of unknown speakers are only trained on.
    """
    rows = examples.labelled

    def without_dev(reason: str) -> Split:
        return Split(rows, np.zeros(0, np.int64), f"none: {reason}")

    if fraction <= 0:
        return without_dev("dev_fraction is 0")
    sizes = Counter(s for row in rows.tolist() if (s := examples.speakers[row]) is not None)
    if len(sizes) < 2:
        return without_dev(f"{len(sizes)} known speaker")
    held = _held_out(sizes, fraction, len(rows))
    if not held:
        return without_dev("every speaker has over a third of the utterances")
    is_dev = np.array([examples.speakers[row] in held for row in rows.tolist()])
    train, dev = rows[~is_dev], rows[is_dev]
    train_spans = {examples.spans[row] for row in train.tolist()}
    fresh = np.array([examples.spans[row] not in train_spans for row in dev.tolist()])
    split = Split(train, dev[fresh], f"{len(held)} speakers", int((~fresh).sum()))
    sides = [{examples.speakers[row] for row in part.tolist()} for part in (train, split.dev)]
    shared = (sides[0] & sides[1]) - {None}
    if shared:
        raise LeakageError(f"Speaker '{min(map(str, shared))}' is in both training and dev part.")
    if len(examples.label_counts(train)) < 2 or len(split.dev) == 0:
        return without_dev("too few utterances to hold any out")
    return split


def _held_out(sizes: Counter[str], fraction: float, total: int) -> set[str]:
    def order(speaker: str) -> str:
        return hashlib.sha256(speaker.encode()).hexdigest()

    held: set[str] = set()
    taken = 0
    for speaker in sorted(sizes, key=order):
        if taken + sizes[speaker] <= fraction * total:
            held.add(speaker)
            taken += sizes[speaker]
    if not held:
        smallest = min(sizes, key=lambda speaker: (sizes[speaker], order(speaker)))
        if sizes[smallest] <= total / 3:
            held.add(smallest)
    return held
