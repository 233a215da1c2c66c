"""What a running stage is given: the plugin and the parents that were planned, and its lease."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lanser_bench.data.utterances import SCHEMA, table_of
from lanser_bench.errors import PluginError
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.identity import plugin_identity
from lanser_bench.stages.base import StageContext
from lanser_bench.stages.maps.spans import span_rows
from lanser_bench.store import LeaseLostError, Spec, Store
from lanser_bench.store.store import DamagedError


def planned(**changes: Any) -> Spec:
    plugin = registry().create("encoder", "logmel-stats", {})
    identity = plugin_identity(registry(), "encoder", "logmel-stats", plugin)
    encoder = identity.model_copy(update=changes)
    return Spec(stage="embed", stage_version="1", plugins={"encoder": encoder})


def test_the_plugin_is_the_one_that_was_planned(tmp_path: Path) -> None:
    found = StageContext(planned(), Store(tmp_path), registry()).plugin("encoder")
    assert type(found).__name__ == "LogMelStats"


@pytest.mark.parametrize(
    "change",
    [{"source": "0" * 16}, {"version": "0"}, {"weights": "others"}, {"libraries": {"numpy": "1"}}],
)
def test_a_plugin_that_changed_since_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    context = StageContext(planned(**change), Store(tmp_path), registry())
    with pytest.raises(PluginError, match="changed during the run"):
        context.plugin("encoder")


def test_the_bytes_of_a_parent_are_checked(tmp_path: Path) -> None:
    store, spec = Store(tmp_path), Spec(stage="embed", stage_version="1")
    with store.write(spec) as draft:
        (draft.path / "a.txt").write_text("hello")
    child = Spec(stage="probe", stage_version="1", parents={"embeddings": spec.key})
    parent = StageContext(child, store, registry()).parent("embeddings")
    (parent.path / "a.txt").write_text("HELLO")
    with pytest.raises(DamagedError, match=r"a\.txt does not match"):
        StageContext(child, store, registry()).parent("embeddings")


def test_progress_ends_a_stage_whose_lease_is_lost(tmp_path: Path) -> None:
    store, spec = Store(tmp_path), Spec(stage="embed", stage_version="1")
    with store.lock(spec.key) as lease:
        context = StageContext(spec, store, registry(), lease=lease)
        context.progress(1, 2, "rows")
        lease.lost = True
        with pytest.raises(LeaseLostError):
            context.progress(2, 2, "rows")


def test_a_row_is_named_by_its_recording_and_both_ends_of_its_span() -> None:
    spans = [
        ("a", None, None),
        ("b", None, None),
        ("a", 1.0, None),
        ("a", None, 1.0),
        ("a", 1.0, 2.0),
        ("a", 1.0, 3.0),
        ("a", 1.0, 2.0),
    ]
    empty = dict.fromkeys(SCHEMA.names)
    table = table_of([empty | {"audio_sha": sha, "start": a, "end": b} for sha, a, b in spans])
    rows = span_rows(table)
    assert rows[-1] == rows[-3]
    assert len(set(rows)) == len(spans) - 1
