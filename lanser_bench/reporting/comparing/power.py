"""The smallest difference that a planned comparison detects, as `lanser-bench power` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..._yaml import read_value
from ...data.listing import checked_root, listed_utterances, spread
from ...errors import SettingsError
from ...evaluation import power as design_of
from ...evaluation.official import check_official
from ...evaluation.power import Design
from ...evaluation.statistics import MIN_SPEAKERS
from ...experiment.settings.model import DatasetRef
from ...kinds.dataset import Dataset
from ...plugins.discovery import registry
from ...stages.evaluate import spec as evaluate
from ..groups import Group
from ..selection import Selection
from .responses import Response


@dataclass(frozen=True)
class Counted:
    """The size of a labelled set."""

    speakers: int
    utterances: float
    """Mean number of labelled utterances of a tested speaker."""
    classes: int


@dataclass(frozen=True)
class PowerPlan:
    """A design, its assumptions, and the smallest difference that it detects."""

    design: Design
    detectable: float | None
    """Points of UAR; None below 5 speakers."""
    normal: float
    """The textbook's normal approximation, which is too small for few speakers."""
    assumptions: list[str] = field(default_factory=list)
    score: str = "UAR"
    """What is compared."""

    def lines(self) -> list[str]:
        """Returns what the command prints."""
        design = self.design
        seeds = f"{design.seeds} training seed{'s' if design.seeds > 1 else ''} a cell"
        lines = [f"{design.speakers} speakers, {seeds}, {design.comparisons} in the family"]
        lines += [f"assumed: {sentence}" for sentence in self.assumptions]
        if self.detectable is None:
            few = f"intervals are unreliable below {MIN_SPEAKERS} speakers"
            return [*lines, f"not detectable: {few}"]
        least = f"{self.detectable:.1f}" if self.detectable <= 100 else "more than 100"
        lines.append(
            f"smallest detectable difference: {least} points of {self.score} with "
            f"{100 * design.power:g} % power (normal approximation: {self.normal:.1f})"
        )
        if design.seeds < 2 and design.seed_spread > 0:
            lines.append("one seed is not enough: its variation looks like an effect")
        return lines


@dataclass(frozen=True, kw_only=True)
class Question:
    """The known facts of a planned comparison of two cells."""

    dataset: str | DatasetRef | None = None
    """A dataset, or the name of its plugin; its labelled utterances are counted."""
    root: Path | None = None
    options: Sequence[str] = ()
    """The dataset's options, as ``key=value``."""
    speakers: int | None = None
    utterances: float | None = None
    protocol: str = "k-speaker-folds"
    """Which speakers are tested: all; with ``split`` or an official protocol made of it, such as
    ``tfds-crema-d``, those of the test part."""
    metric: str = "uar"
    """Score of the pilot, in points."""
    budget: str | None = None
    """Label budget at which the pilot is read."""
    seeds: int = 3
    comparisons: int = 1
    spread: float | None = None
    """Standard deviation over speakers of the difference, in points."""
    seed_spread: float | None = None
    """Standard deviation of the score over training seeds, in points."""
    pilot: Sequence[Path] = ()
    """Places of the records of two cells that were run on the same split."""
    power: float = 0.9
    """Share of repetitions that detect the difference."""
    plugin_dirs: Sequence[Path] = ()


def plan_power(**known: Any) -> PowerPlan:
    """Returns the smallest difference in UAR that a comparison of two cells can detect.

    Values come from the arguments, the fields of `Question`, else from the pilot, else from the
    dataset. The rest is assumed, and the plan lists the assumptions.

    Raises:
        SettingsError: neither dataset, speakers nor pilot give the number of speakers.
        DataError: the dataset or the pilot cannot be read.
    """
    question, notes = Question(**known), []
    score = Response(question.metric, question.budget)
    if not score.points:
        raise SettingsError(f"'{question.metric}' is not measured in points. Use --spread instead.")
    if question.pilot:
        question, note = _with_pilot(question)
        notes.append(note)
    if question.dataset is not None:
        question, note = _with_dataset(question, question.dataset)
        notes.append(note)
    if question.speakers is None:
        raise SettingsError(
            "Name a dataset and its folder, or set --speakers N or --pilot: the number of speakers "
            "that are tested is missing."
        )
    spread, seed_spread = question.spread, question.seed_spread
    if spread is None:
        each = question.utterances or 60.0
        spread = design_of.expected_spread(each)
        notes.append(
            f"difference varies by {spread:.1f} points over speakers: {each:.3g} utterances each, "
            f"UAR {100 * design_of.UAR:g}, agreement {design_of.AGREEMENT:g}, true difference "
            f"varies by {design_of.SPEAKER_SPREAD:g} points (change with --spread or --pilot)"
        )
    if question.budget is not None and not question.pilot:
        notes.append(f"same spread at {question.budget} as with all labels (--pilot measures it)")
    if seed_spread is None:
        seed_spread = design_of.SEED_SPREAD
        notes.append(f"score varies by {seed_spread:g} points over training seeds (--seed-spread)")
    shape = question.comparisons, question.power
    design = Design(question.speakers, spread, question.seeds, seed_spread, *shape)
    detectable, normal = design_of.detectable(design), design_of.normal_approximation(design)
    title = "UAR" if question.metric == "uar" else score.title
    return PowerPlan(design, detectable, normal, notes, title)


def _with_pilot(question: Question) -> tuple[Question, str]:
    """Fills in the spreads and the number of speakers of two cells that were run."""
    if len(question.pilot) != 2:
        raise SettingsError("A pilot is two places: --pilot A --pilot B.")
    a, b = map(_only, question.pilot)
    score = Response(question.metric, question.budget)
    why = score.unlike(a, b)
    if why is not None:
        raise SettingsError(f"The two cells of the pilot cannot be compared: {why}.")
    sides = score.side(a), score.side(b)
    spread, seed_spread = design_of.measured(*sides)
    known = question.seed_spread
    measured = replace(
        question,
        spread=question.spread or spread,
        seed_spread=seed_spread if known is None else known,
        speakers=question.speakers or len(sides[0].seeds[0].sums),
    )
    return measured, (
        f"spread and seed spread as in the pilot, {a.cell} and {b.cell}: {spread:.1f} points over "
        f"speakers, {seed_spread:.1f} over seeds"
    )


def _only(place: Path) -> Group:
    groups = list(Selection.read([place]).groups.values())
    if len(groups) != 1:
        raise SettingsError(
            f"{place} has {len(groups)} cells. Name one record, or a folder with the seeds of one "
            "cell."
        )
    return groups[0]


def _with_dataset(question: Question, dataset: str | DatasetRef) -> tuple[Question, str]:
    """Fills in the numbers of speakers and utterances of a dataset."""
    known = question.root, question.options, question.protocol, question.plugin_dirs
    counted = count(dataset, *known)
    name = dataset if isinstance(dataset, str) else dataset.dataset
    filled = replace(
        question,
        speakers=question.speakers or counted.speakers,
        utterances=question.utterances or counted.utterances,
    )
    return filled, (
        f"{name}: {counted.speakers} tested speakers with {counted.utterances:.1f} labelled "
        f"utterances each, {counted.classes} classes"
    )


def count(
    dataset: str | DatasetRef,
    root: Path | None = None,
    options: Sequence[str] = (),
    protocol: str = "split",
    plugin_dirs: Sequence[Path] = (),
) -> Counted:
    """Counts tested speakers, their labelled utterances and classes, without reading any audio.

    Raises:
        SettingsError: unknown dataset, option or protocol, or the dataset needs a folder.
        DataError: the folder does not contain this dataset.
    """
    ref = dataset if isinstance(dataset, DatasetRef) else _named(dataset, root, options)
    name = ref.dataset
    if ref.hours is not None:
        raise SettingsError(
            f"dataset '{name}': hours need its recordings, which are not read here. Use limit."
        )
    plugin: Dataset[Any] = registry(plugin_dirs).create("dataset", name, ref.options)
    check_official(plugin, f"dataset '{name}'", protocol)
    by = evaluate.folds_by(evaluate.Params(protocol=protocol), plugin.protocols)
    plugin.storage /= name
    folder = checked_root(name, plugin, ref.root or (None if plugin.needs_root else plugin.storage))
    # Copies count once, and only a single gold label is scored, as in a run.
    unique = list({u.id: u for u in listed_utterances(name, plugin, folder)}.values())
    unique = ref.part.shared(unique if ref.limit is None else spread(unique, ref.limit), folder)
    labelled = [
        (u.speaker, next(iter(u.gold)))
        for u in unique
        if len(u.gold) == 1 and u.speaker and (by != "split" or u.split == "test")
    ]
    tested = {speaker for speaker, _ in labelled}
    if not tested:
        raise SettingsError(
            f"Dataset '{name}' in {folder} has no labelled utterances with speakers that "
            f"{protocol} tests. Add speakers and labels, or give --speakers."
        )
    return Counted(len(tested), len(labelled) / len(tested), len({label for _, label in labelled}))


def _named(name: str, root: Path | None, options: Sequence[str]) -> DatasetRef:
    pairs = [option.partition("=") for option in options]
    bare = next((key for key, equals, _ in pairs if not equals), None)
    if bare is not None:
        raise SettingsError(f"'{bare}' is not of the form key=value.")
    values = {key: read_value(value, f"'{key}={value}'", SettingsError) for key, _, value in pairs}
    return DatasetRef(dataset=name, root=root, options=values)
