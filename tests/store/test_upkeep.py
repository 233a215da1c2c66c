"""What is damaged is found, what is needed stays, what nobody needs goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lanser_bench.store import Owner, Spec, Store
from lanser_bench.store.artifact import MARKER
from lanser_bench.store.upkeep import audit, garbage, leftovers, needed, sweep, working

HOUR = 3600.0


def spec(stage: str, x: int = 0, **parents: str) -> Spec:
    return Spec(stage=stage, stage_version="1", params={"x": x}, parents=parents)


def made(store: Store, content: Spec, parts: list[str] | None = None) -> str:
    with store.write(content) as draft:
        (draft.path / "a.txt").write_text("hello")
        draft.parts = parts or []
    return content.key


def grown_old(path: Path, seconds: float = 2 * 86400) -> None:
    then = time.time() - seconds
    for inner in [*path.rglob("*"), path]:
        os.utime(inner, (then, then))


def folder(store: Store, key: str) -> Path:
    return store.root / "objects" / key[:2] / key


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda f: (f / "a.txt").write_text("jello"), "a.txt does not match its checksum"),
        (lambda f: (f / "a.txt").write_text("hel"), "a.txt has 3 bytes, not 5"),
        (lambda f: (f / "a.txt").unlink(), "a.txt is missing"),
        (lambda f: (f / MARKER).unlink(), f"{MARKER} is missing or unreadable"),
        (lambda f: (f / MARKER).write_text('{"format"'), f"{MARKER} is missing or unreadable"),
        (lambda f: swap(f / MARKER, '"parts": []', '"parts": ["k"]'), f"{MARKER} does not match"),
        (lambda f: swap(f / MARKER, '"x": 0', '"x": 1'), f"{MARKER} belongs to another key"),
    ],
)
def test_every_damage_is_found_and_the_artifact_set_aside(
    tmp_path: Path, damage: Callable[[Path], object], fault: str
) -> None:
    store = Store(tmp_path)
    key = made(store, spec("transcribe"))
    assert audit(store).damaged == []
    damage(folder(store, key))
    (found,) = audit(store).damaged
    assert found.artifact.key == key
    assert found.faults[0].startswith(fault)
    store.set_aside(found.artifact, found.faults)
    assert key not in store
    (aside,) = (tmp_path / "damaged").iterdir()
    assert json.loads((aside / "faults.json").read_text()) == found.faults
    made(store, spec("transcribe"))
    assert audit(store).damaged == []


def swap(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("gone", [True, False], ids=["missing", "damaged"])
def test_a_map_whose_shard_is_lost_is_damaged_too(tmp_path: Path, gone: bool) -> None:
    store = Store(tmp_path)
    shard = made(store, spec("transcribe.shard"))
    whole = made(store, spec("transcribe"), [shard])
    if gone:
        store.discard(shard)
    else:
        (folder(store, shard) / "a.txt").write_text("jello")
    found = {damage.artifact.key: damage.faults for damage in audit(store).damaged}
    assert found.keys() == ({whole} if gone else {whole, shard})
    assert found[whole] == [f"1 of its shards are missing or damaged: {shard[:12]}"]


def test_an_artifact_of_another_format_is_named_and_not_touched(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = made(store, spec("transcribe"))
    swap(folder(store, key) / MARKER, '"format": 1', '"format": 99')
    found = audit(store)
    assert (found.foreign, found.damaged) == ([key], [])


def test_needed_are_parents_and_shards_and_the_shards_of_what_is_planned(tmp_path: Path) -> None:
    store = Store(tmp_path)
    manifest = made(store, spec("manifest"))
    shard = made(store, spec("transcribe.shard"))
    transcribe = made(store, spec("transcribe", utterances=manifest), [shard])
    label = made(store, spec("label", transcripts=transcribe))
    begun = made(store, spec("embed.shard"))
    orphan = made(store, spec("features.shard"))
    planned = {(embed := spec("embed", utterances=manifest)).key: embed}

    assert needed(store, [label], {}) == {manifest, shard, transcribe, label}
    assert needed(store, planned, planned) == {manifest, begun, embed.key}
    assert orphan not in needed(store, [label, *planned], planned)


def test_garbage_is_old_and_kept_by_nobody(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kept, fresh, old, held = (made(store, spec("label", x)) for x in range(4))
    for key in (kept, old, held):
        grown_old(folder(store, key))
    with store.lock(held):
        assert [a.key for a in garbage(store, {kept}, HOUR)] == [old]
    assert {a.key for a in garbage(store, {kept}, HOUR)} == {old, held}
    assert {a.key for a in garbage(store, {kept}, -1)} == {fresh, old, held}


def test_what_dead_processes_left_goes_and_what_is_at_work_stays(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from lanser_bench.store import Spec, Store
        store = Store(Path(sys.argv[1]))
        spec = Spec(stage="label", stage_version="1")
        with store.lock(spec.key), store.write(spec):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], check=False)
    store = Store(tmp_path)
    finished, here, planned = made(store, spec("pretrain")), spec("embed"), "p" * 32
    for place in ("checkpoints/" + finished, "checkpoints/" + planned, "checkpoints/" + "f" * 32):
        (tmp_path / place).mkdir(parents=True)
        grown_old(tmp_path / place)
    (tmp_path / "locks" / "old.lock").touch()
    grown_old(tmp_path / "locks" / "old.lock")
    with store.lock(here.key), store.write(here) as draft:
        assert set(working(store)) == {here.key}
        found = list(leftovers(store, [planned]))
        assert {(one.path.parent.name, one.why) for one in found} == {
            ("tmp", "abandoned draft"),
            ("locks", "abandoned lease"),
            ("locks", "lock of an older version"),
            ("checkpoints", "checkpoint of a finished or unplanned stage"),
        }
        sweep(store, found)
        assert draft.path.is_dir()
    assert here.key in store
    assert list(leftovers(store, [planned])) == []
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == [planned]
    assert list((tmp_path / "locks").iterdir()) == []


def test_the_owner_of_a_draft_is_read_from_its_name() -> None:
    here = Owner.here()
    found = Owner.from_tag(here.tag)
    assert found is not None
    assert (found.machine, found.pid, found.start) == (here.machine, here.pid, here.start)
    assert not found.is_dead()
    assert Owner.from_tag("abcdef12") is None
