"""What differs between the runs behind two results: plugins, settings, taxonomies, versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...experiment.planning.spec_diff import leaves, plugin_differences
from ...records.record import Commit, ResultRecord
from ...store import PluginIdentity
from ..groups import Group

_BY_PLUGIN = ("asr", "labeler", "encoder", "segmenter", "probes", "corpora", "targets")
_NAMES = ("name", "grid", "comparisons", "trackers")
_NO_CHANGE = (*_BY_PLUGIN, *_NAMES, "taxonomy", "tracker_timeout_s")
"""Settings that plugins or hashes describe, or that change no number."""
SLOWER_BY = 1.0
"""Seconds below which a slower stage is no finding."""


@dataclass(frozen=True)
class Origin:
    """What made a result, as records and label baselines have it."""

    plugins: Mapping[str, PluginIdentity]
    """Place and role → plugin."""
    settings: Mapping[str, Any]
    taxonomy: tuple[str | None, str | None]
    """Name and content hash."""
    environment: Mapping[str, str]
    data: Mapping[str, str]
    """Place → key of the manifest."""


def origin_of(record: ResultRecord) -> Origin:
    """Returns what made a record."""
    return Origin(
        record.plugins,
        record.settings,
        (record.taxonomy, record.taxonomy_hash),
        environment_of(record.versions, record.commit, record.host),
        {place: use.key for place, use in record.stages.items() if use.stage == "manifest"},
    )


def changes(pairs: Iterable[tuple[Origin, Origin]]) -> list[str]:
    """Returns each difference between old and new once, such as ``labeler lexicon → random``."""
    found = [list(part) for pair in pairs for part in _parts(*pair)]
    return list(dict.fromkeys(sentence for part in found for sentence in part))


def group_changes(pairs: Iterable[tuple[Group, Group]]) -> list[str]:
    """Returns the differences between the first records of some pairs of cells."""
    return changes((origin_of(old.first), origin_of(new.first)) for old, new in pairs)


def _parts(old: Origin, new: Origin) -> Iterator[Iterable[str]]:
    roles = sorted(old.plugins.keys() | new.plugins.keys())
    for name in roles:
        role = name.partition(": ")[2]
        found = plugin_differences(role, old.plugins.get(name), new.plugins.get(name))
        yield (sentence for sentence in found if not sentence.startswith("library "))
    if old.taxonomy[0] != new.taxonomy[0]:
        yield [f"taxonomy {old.taxonomy[0]} → {new.taxonomy[0]}"]
    elif old.taxonomy[1] != new.taxonomy[1]:
        hashes = " → ".join(str(side.taxonomy[1])[:4] for side in (old, new))
        yield [f"taxonomy {new.taxonomy[0]}: content changed: {hashes}"]
    places = sorted(old.data.keys() & new.data.keys())
    yield [
        f"{place.partition(' ')[2]}: other recordings, texts, labels or speakers"
        for place in places
        if old.data[place] != new.data[place]
    ]
    before, after = (
        {k: v for k, v in side.settings.items() if k not in _NO_CHANGE} for side in (old, new)
    )
    yield (f"{place} {was} → {now}" for place, was, now in leaves(before, after))
    # A library that one side does not use belongs to another plugin, which is named above.
    shared = old.environment.keys() & new.environment.keys()
    yield environment_changes(*({n: side.environment[n] for n in shared} for side in (old, new)))


def environment_of(
    versions: Mapping[str, str], commit: Commit | None, host: Mapping[str, Any]
) -> dict[str, str]:
    """Returns versions, commit and machine as name → text."""
    machine = {f"host {name}": str(value) for name, value in host.items()}
    return {**versions, "commit": str(commit or "none"), **machine}


def environment_changes(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yields differences of versions, commit and machine, as ``name then → now``."""
    for name in sorted({**then, **now}, key=lambda n: (n.startswith("host "), n == "commit", n)):
        one, two = then.get(name, "–"), now.get(name, "–")
        if one != two:
            yield f"{name} {one} → {two}"


def slower(
    old: Mapping[str, float], new: Mapping[str, float], ratio: float, host: str = ""
) -> list[str]:
    """Returns a sentence for each stage that takes more than `ratio` times its old mean seconds.

    `host` says how the machines differ, if they do.
    """
    return [
        f"{stage} takes {new[stage] / max(old[stage], 1e-9):.1f} times as long: "
        f"{old[stage]:.1f} s → {new[stage]:.1f} s{host}"
        for stage in sorted(old.keys() & new.keys())
        if new[stage] > ratio * old[stage] and new[stage] - old[stage] > SLOWER_BY
    ]


def group_seconds(groups: Iterable[Group]) -> dict[str, float]:
    """Returns stage → mean wall time of its distinct artifacts."""
    uses = {
        use.key: (use.stage, use.seconds)
        for group in groups
        for _, record in group.members.values()
        for use in record.stages.values()
        if use.seconds is not None
    }
    times: dict[str, list[float]] = {}
    for stage, seconds in uses.values():
        times.setdefault(stage, []).append(seconds or 0.0)
    return {stage: sum(own) / len(own) for stage, own in times.items()}
