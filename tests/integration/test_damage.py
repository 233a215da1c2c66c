"""Damaged artifacts are named and computed again, never used: through real runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lanser_bench.store import Artifact, Store
from lanser_bench.store.artifact import MARKER

from .conftest import Project
from .test_kill import numbers

pytestmark = pytest.mark.slow


def folders(project: Project, stage: str) -> list[Path]:
    store = Store(project.store)
    found = [store.get(key) for key in store.keys()]  # noqa: SIM118 - a store is no mapping
    return [a.path for a in found if a is not None and a.meta["spec"]["stage"] == stage]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def hurt(project: Project) -> dict[str, str]:
    """Damages one artifact in each way; returns key → how `cache verify` calls it."""
    manifest, *_ = folders(project, "manifest")
    flip(manifest / "utterances.parquet")
    embeddings, *_ = folders(project, "embed.shard")
    truncate(embeddings / "arrays.safetensors")
    measured, *_ = folders(project, "targets.shard")
    flip(measured / "rows.parquet")
    first, second, third, fourth = folders(project, "evaluate")
    (first / MARKER).unlink()
    marker = json.loads((second / MARKER).read_text())
    (second / MARKER).write_text(json.dumps({**marker, "format": 99}))
    shutil.rmtree(third)
    shutil.copytree(fourth, third)
    renamed = (third / MARKER).read_text().replace(fourth.name, third.name)
    (third / MARKER).write_text(renamed)
    for probe in folders(project, "probe"):
        shutil.rmtree(probe)  # so that embeddings and targets are read again
    return {
        manifest.name: "utterances.parquet does not match its checksum",
        embeddings.name: "arrays.safetensors has",
        measured.name: "rows.parquet does not match its checksum",
        first.name: f"{MARKER} is missing or unreadable",
        second.name: "of another format, ignored",
        third.name: f"{MARKER} belongs to another key",
    }


def test_every_kind_of_damage_is_named_and_computed_again_by_one_run(finished: Project) -> None:
    before = {name: numbers(record) for name, record in finished.records().items()}
    damage = hurt(finished)
    (finished.root / "results").rename(finished.root / "results-before")

    said = finished.lanser("cache", "verify", "--dry-run", "--store", str(finished.store), code=1)
    for key, how in damage.items():
        assert any(line.startswith(key) and how in line for line in said.stderr.splitlines()), how
    third = next(key for key, how in damage.items() if how.endswith("another key"))
    store = Store(finished.store)
    store.set_aside(Artifact(third, store.root / "objects" / third[:2] / third), [damage[third]])

    done = finished.run()
    for stage in ("embed.shard", "targets.shard"):
        assert f"({stage})" in done.stderr
        assert "is damaged" in done.stderr
    assert {name: numbers(r) for name, r in finished.records().items()} == before
    finished.lanser("cache", "verify", "--store", str(finished.store))
