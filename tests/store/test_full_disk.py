"""A disk that takes no more: a sentence, and a store as it was. On a real small disk if one can be
mounted, which needs rights that a test run seldom has."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from lanser_bench.errors import StoreError
from lanser_bench.store import Spec, Store
from lanser_bench.store.upkeep import audit

SPEC = Spec(stage="transcribe", stage_version="1", params={"x": 1})
FULL = "No space left on device; make room"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Leaves no byte free; removing the returned file makes room again."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return path


def write(store: Store, fills: Callable[[Path], object], spec: Spec = SPEC) -> None:
    with store.lock(spec.key), store.write(spec) as draft:
        fills(draft.path)


def save_array(folder: Path) -> None:
    np.save(folder / "a.npy", np.zeros(2**20))


def save_tensors(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(2**20)}, folder / "a.safetensors")


def save_table(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    noise = np.random.default_rng(0).standard_normal(2**18)
    pq.write_table(pa.table({"a": noise}), folder / "a.parquet")


@pytest.mark.parametrize("save", [save_array, save_tensors, save_table])
def test_an_artifact_too_large_for_the_disk_is_a_sentence(
    disk: Path, save: Callable[[Path], None]
) -> None:
    store = Store(disk)
    with pytest.raises(StoreError, match=rf"\(transcribe\) cannot be written .*{FULL}"):
        write(store, save)
    assert SPEC.key not in store
    assert not list((disk / "tmp").iterdir())
    write(store, lambda folder: (folder / "a.txt").write_text("small"))
    assert audit(store).damaged == []


def test_no_room_for_the_marker_is_no_artifact(disk: Path) -> None:
    store = Store(disk)

    def fills(folder: Path) -> None:
        (folder / "empty").touch()
        fill(disk)

    with pytest.raises(StoreError, match=FULL):
        write(store, fills)
    assert SPEC.key not in store
    (disk / "filler").unlink()
    assert audit(store).verified == 0
    write(store, lambda folder: None)
    assert SPEC.key in store


def test_no_room_for_a_lease_is_a_sentence_and_leaves_none(disk: Path) -> None:
    store = Store(disk)
    fill(disk)
    with pytest.raises(StoreError, match=rf"cannot be written: {FULL}"), store.lock("k"):
        pass
    assert list((disk / "locks").iterdir()) == []


def test_no_room_for_a_checkpoint_keeps_the_one_before(disk: Path) -> None:
    import torch

    from lanser_bench.stages.pretrain.checkpoint import Checkpoint, Progress

    store = Store(disk)
    checkpoint = Checkpoint(store, "k")
    checkpoint.save(Progress(1), {"w": torch.ones(10)})
    with pytest.raises(StoreError, match=rf"epoch-0002.safetensors cannot be written: {FULL}"):
        checkpoint.save(Progress(2), {"w": torch.ones(2**20)})
    kept = checkpoint.load()
    assert kept is not None
    assert kept[0].epochs == 1


def test_no_room_for_progress_stops_nothing(disk: Path) -> None:
    from lanser_bench.stages.base import tell

    store = Store(disk)
    fill(disk)
    tell(store, "k", done=1, total=2, unit="utterances")
    assert not (disk / "progress" / "k.json").exists()


def test_a_read_only_disk_is_read_and_not_written(disk: Path, tmp_path: Path) -> None:
    store = Store(disk)
    write(store, lambda folder: (folder / "a.txt").write_text("hello"))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    store = Store(disk)
    assert store.checked(SPEC.key).faults() == []
    other = SPEC.model_copy(update={"seed": 1})
    with pytest.raises(StoreError, match=r"cannot be written: Read-only file system"):
        write(store, lambda folder: None, other)
    private = Store(tmp_path / "private", [disk])
    assert private.checked(SPEC.key).path.is_relative_to(disk)
    write(private, lambda folder: None, other)
    assert other.key in private
