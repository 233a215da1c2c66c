"""Sends results to trackers later, from the records and the artifacts still in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...experiment.running.running import stage_event
from ...experiment.running.tracking import TrackerFeed
from ...experiment.settings.model import PluginRef
from ...plugins.discovery import registry
from ...records.reading import newest, read_records
from ...records.record import ResultRecord
from ...store import Store, digest


@dataclass(frozen=True)
class Replay:
    """Outcome of a replay."""

    sent: int
    """Cells that the tracker has received in this replay."""
    had: int
    """Cells that it had already received."""
    failed: int
    folder: Path
    """Where the tracker keeps its files."""
    view: str | None = None
    """Command that shows or uploads what it received."""


def track_results(
    results: Iterable[str | Path],
    tracker: str,
    options: Mapping[str, Any] | None = None,
    *,
    store: Store,
    again: bool = False,
    plugin_dirs: Iterable[Path] = (),
    timeout_s: float = 60.0,
    report: Callable[[str], None] = lambda sentence: None,
) -> Replay:
    """Sends finished cells to a tracker: the Python twin of `lanser-bench track`.

    A cell that the tracker has already received is not sent again. The tracker runs in a separate
    process, so a script needs the usual ``if __name__ == "__main__":``.

    Args:
        results: folders of result records, or single files.
        tracker: the tracker's name.
        options: its options.
        store: remembers sent cells, and has the training curves of cells that it computed.
        again: also sends cells that the tracker has already received.
        plugin_dirs: folders of loose plugin files.
        timeout_s: longest time for one cell, in seconds.
        report: called with a sentence if the tracker fails, and for each file left out.

    Raises:
        LanserError: no records, unknown tracker or wrong option.
    """
    places = [Path(place) for place in results]
    reading = read_records(places)
    for sentence in reading.left_out:
        report(f"Left out: {sentence}")
    home = store.root / "tracked" / "replay"
    plugins = registry(plugin_dirs)
    ref = PluginRef(name=tracker, options=dict(options or {}))
    feed = TrackerFeed([ref], plugins, store, home, timeout_s=timeout_s, report=report, again=again)
    sent = had = 0
    for path, record in newest(reading.records):
        identity = digest([record.experiment, record.name, record.key])
        if not feed.wants(identity):
            had += 1
            continue
        feed.send(identity, record.name, path, record_events(record, store), wait=True)
        sent += 1
    whole = (path.parent for path, _ in reading.records if path not in places)
    for folder in dict.fromkeys(whole):
        feed.send_grid(folder)
    feed.close(patient=True)
    failed, view = feed.undelivered(), feed.views().get(tracker)
    return Replay(sent - failed, had, failed, home / "trackers" / tracker, view)


def record_events(record: ResultRecord, store: Store) -> list[dict[str, Any]]:
    """Returns the events of a record's stages, as a run's tracker gets them.

    A stage whose artifact is no longer in the store has only its time.
    """
    return [
        stage_event(place, use.key, store)
        or {
            "event": "stage",
            "time": record.created,
            "place": place,
            "key": use.key,
            "stage": use.stage,
            "seconds": use.seconds,
            "counts": {},
        }
        for place, use in record.stages.items()
    ]
