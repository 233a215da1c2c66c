"""What a comparison can find before it is run: the Python twin of `lanser-bench power`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
from ..groups import Group, unlike
from ..selection import Selection


@dataclass(frozen=True)
class Counted:
    """A labelled set as a comparison sees it."""

    speakers: int
    """Speakers that are tested."""
    utterances: float
    """Labelled utterances of each tested speaker, mean."""
    classes: int


@dataclass(frozen=True)
class PowerPlan:
    """A design, what was assumed for it, and what it can find."""

    design: Design
    detectable: float | None
    """Points of UAR; None below 5 speakers."""
    normal: float
    """The textbook's normal approximation, which is too little at few speakers."""
    assumptions: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Returns what the command prints."""
        design = self.design
        seeds = f"{design.seeds} training seed{'s' if design.seeds > 1 else ''} a cell"
        found = [f"{design.speakers} speakers, {seeds}, {design.comparisons} in the family"]
        found += [f"assumed: {sentence}" for sentence in self.assumptions]
        if self.detectable is None:
            return [*found, f"undetectable: below {MIN_SPEAKERS} speakers no interval covers"]
        least = f"{self.detectable:.1f}" if self.detectable <= 100 else "more than 100"
        found.append(
            f"smallest detectable difference: {least} points of UAR with "
            f"{100 * design.power:g} % power (normal approximation: {self.normal:.1f})"
        )
        if design.seeds < 2 and design.seed_spread > 0:
            found.append("one seed is no evidence: its variation cannot be told from an effect")
        return found


def plan_power(
    *,
    dataset: str | DatasetRef | None = None,
    root: Path | None = None,
    options: Sequence[str] = (),
    speakers: int | None = None,
    utterances: float | None = None,
    protocol: str = "k-speaker-folds",
    budget: str | None = None,
    seeds: int = 3,
    comparisons: int = 1,
    spread: float | None = None,
    seed_spread: float | None = None,
    pilot: Sequence[Path] = (),
    power: float = 0.9,
    plugin_dirs: Sequence[Path] = (),
) -> PowerPlan:
    """Returns the smallest difference in UAR that a comparison of two cells can find.

    What is given counts; else it is read from the pilot; else counted in the dataset; else assumed,
    and the plan says so.

    Args:
        dataset: a dataset, or the name of its plugin; its labelled utterances are counted.
        root: its folder.
        options: ``key=value`` options of it.
        speakers: speakers tested.
        utterances: utterances of each of them.
        protocol: which speakers are tested: all, or with ``split`` and an official protocol made
            of it, such as ``tfds-crema-d``, those of the test part.
        budget: label budget at which the pilot is read.
        seeds: training seeds of each cell.
        comparisons: size of the family.
        spread: standard deviation over speakers of the difference, in points.
        seed_spread: standard deviation of the score over training seeds, in points.
        pilot: places of the records of two cells that were run on the same split.
        power: share of repetitions that shall find the difference.
        plugin_dirs: folders of loose plugin files.

    Raises:
        SettingsError: neither dataset, speakers nor pilot say how many speakers there are.
        DataError: the dataset or the pilot cannot be read.
    """
    said: list[str] = []
    if pilot:
        found = _pilot(pilot, budget)
        said.append(f"spread and seed spread as in the pilot, {found[2]}")
        spread, seed_spread = spread or found[0], found[1] if seed_spread is None else seed_spread
        speakers = speakers or found[3]
    if dataset is not None:
        counted = count(dataset, root, options, protocol, plugin_dirs)
        name = dataset if isinstance(dataset, str) else dataset.dataset
        said.append(
            f"{name}: {counted.speakers} tested speakers with {counted.utterances:.1f} labelled "
            f"utterances each, {counted.classes} classes"
        )
        speakers, utterances = speakers or counted.speakers, utterances or counted.utterances
    if speakers is None:
        raise SettingsError(
            "Name a dataset and its folder, or set --speakers N or --pilot: the number of speakers "
            "that are tested is missing."
        )
    if spread is None:
        spread = design_of.expected_spread(utterances or 60.0)
        said.append(
            f"difference varies by {spread:.1f} points over speakers: {utterances or 60:.3g} "
            f"utterances each, UAR {100 * design_of.UAR:g}, agreement {design_of.AGREEMENT:g}, "
            f"tastes of {design_of.SPEAKER_SPREAD:g} points (--spread or --pilot say otherwise)"
        )
    if budget is not None and not pilot:
        said.append(f"at a budget of {budget} what holds of all labels: only a --pilot knows more")
    if seed_spread is None:
        seed_spread = design_of.SEED_SPREAD
        said.append(f"score varies by {seed_spread:g} points over training seeds (--seed-spread)")
    design = Design(speakers, spread, seeds, seed_spread, comparisons, power)
    return PowerPlan(
        design, design_of.detectable(design), design_of.normal_approximation(design), said
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
        SettingsError: no such dataset, option or protocol, or it needs a folder.
        DataError: the folder is not this dataset's.
    """
    ref = dataset if isinstance(dataset, DatasetRef) else _named(dataset, root, options)
    name = ref.dataset
    plugin: Dataset[Any] = registry(tuple(plugin_dirs)).create("dataset", name, ref.options)
    check_official(plugin, f"dataset '{name}'", protocol)
    by = evaluate.folds_by(evaluate.Params(protocol=protocol), plugin.protocols)
    own = None if plugin.needs_root else Path(".lanser/store/datasets") / name
    folder = checked_root(name, plugin, ref.root or own)
    # Copies count once, and only a single gold label is scored, as in a run.
    unique = list({u.id: u for u in listed_utterances(name, plugin, folder)}.values())
    unique = unique if ref.limit is None else spread(unique, ref.limit)
    labelled = [
        (u.speaker, next(iter(u.gold)))
        for u in unique
        if len(u.gold) == 1 and u.speaker and (by != "split" or _tested(u))
    ]
    tested = {speaker for speaker, _ in labelled}
    if not tested:
        raise SettingsError(
            f"Dataset '{name}' has no labelled utterances with speakers that {protocol} tests."
        )
    return Counted(len(tested), len(labelled) / len(tested), len({label for _, label in labelled}))


def _named(name: str, root: Path | None, options: Sequence[str]) -> DatasetRef:
    pairs = [option.partition("=") for option in options]
    bare = next((key for key, equals, _ in pairs if not equals), None)
    if bare is not None:
        raise SettingsError(f"'{bare}' is not of the form key=value.")
    values = {key: read_value(value, f"'{key}={value}'", SettingsError) for key, _, value in pairs}
    return DatasetRef(dataset=name, root=root, options=values)


def _tested(utterance: Any) -> bool:
    return bool(utterance.split == "test")


def _pilot(places: Sequence[Path], budget: str | None) -> tuple[float, float, str, int]:
    if len(places) != 2:
        raise SettingsError("A pilot is two places: --pilot A --pilot B.")
    a, b = (_only(place) for place in places)
    why = unlike(a, b)
    if why is not None:
        raise SettingsError(f"The two cells of the pilot cannot be compared: {why}.")
    sides = a.side("uar", budget), b.side("uar", budget)
    spread, seed_spread = design_of.measured(*sides)
    text = f"{a.cell} and {b.cell}: {spread:.1f} points over speakers, {seed_spread:.1f} over seeds"
    return spread, seed_spread, text, len(sides[0].seeds[0].sums)


def _only(place: Path) -> Group:
    groups = list(Selection.read([place]).groups.values())
    if len(groups) != 1:
        raise SettingsError(
            f"{place} holds {len(groups)} cells; a pilot's place is one record, or a folder with "
            "the seeds of one cell."
        )
    return groups[0]
