"""A file's hash is believed for as long as nothing could have changed the file unseen."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.errors import DataError
from lanser_bench.store import ChangedError, FileHashes, FileState, Memo, hashes

LATER = 10**10
"""Ten seconds in nanoseconds."""


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was written some seconds ago, by the clock of this process."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    now = path.stat().st_ctime_ns + LATER
    monkeypatch.setattr(hashes.time, "time_ns", lambda: now)
    return path


@pytest.fixture
def memo(tmp_path: Path) -> Iterator[FileHashes]:
    with closing(FileHashes(tmp_path / "memo.sqlite")) as found:
        yield found


@pytest.fixture(params=["on disk", "in the process"])
def sha256(request: pytest.FixtureRequest, memo: FileHashes) -> Callable[[Path], str]:
    """Either cache: of the hashes of recordings, and of artifacts."""
    return memo.sha256 if request.param == "on disk" else hashes.seen_sha256


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is read, in order."""
    found: list[Path] = []
    really = hashes.file_sha256
    monkeypatch.setattr(hashes, "file_sha256", lambda path: (found.append(path), really(path))[1])
    return found


def test_an_unchanged_file_is_read_once(
    sha256: Callable[[Path], str], old: Path, reads: list[Path]
) -> None:
    assert sha256(old) == sha256(old)
    assert reads == [old]


def test_same_inode_size_and_mtime_prove_nothing(sha256: Callable[[Path], str], old: Path) -> None:
    """As after ``rm -rf set; unzip other.zip``: archives carry their files' times."""
    os.utime(old, ns=(10**18, 10**18))
    first = sha256(old)
    before = old.stat()
    while (after := old.stat()).st_ctime_ns == before.st_ctime_ns:  # until the kernel's clock ticks
        old.write_bytes(b"two")
        os.utime(old, ns=(10**18, 10**18))
    for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns"):
        assert getattr(after, name) == getattr(before, name), name
    assert sha256(old) != first


def test_a_file_that_has_just_changed_is_read_again(
    sha256: Callable[[Path], str], old: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change within the same tick of the clock shows the same times."""
    now = old.stat().st_ctime_ns + hashes.MARGIN_NS // 2
    monkeypatch.setattr(hashes.time, "time_ns", lambda: now)
    sha256(old)
    sha256(old)
    assert reads == [old, old]


def test_a_clock_that_was_set_back_proves_nothing(
    memo: FileHashes, old: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes.time, "time_ns", lambda: old.stat().st_ctime_ns - LATER)
    memo.sha256(old)
    memo.sha256(old)
    assert reads == [old, old]


GOOD = FileState(
    device=1, inode=2, size=3, mtime=1_700_000_000_123456789, ctime=1_700_000_000_123456789
)

WHOLE = 1_600_000_000 * 10**9


@pytest.mark.parametrize(
    ("why", "state"),
    [
        ("no inode", GOOD._replace(inode=0)),
        ("no ctime", GOOD._replace(ctime=0)),
        ("ctime repeats mtime, in whole seconds", GOOD._replace(mtime=WHOLE, ctime=WHOLE)),
        ("ctime lies ahead", GOOD._replace(ctime=GOOD.ctime + 2 * LATER)),
    ],
)
def test_a_file_system_without_a_time_of_change_proves_nothing(why: str, state: FileState) -> None:
    assert GOOD.is_proof(GOOD.ctime + LATER)
    assert not state.is_proof(GOOD.ctime + LATER), why


def test_windows_has_no_time_of_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes.os, "name", "nt")
    assert not GOOD.is_proof(GOOD.ctime + LATER)


def test_numbers_that_sqlite_cannot_hold_are_remembered(
    memo: FileHashes, old: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merged and distributed file systems give inodes of 64 bits without a sign."""
    state = FileState.of(old)._replace(inode=2**64 - 1)
    monkeypatch.setattr(FileState, "of", lambda path: state)
    assert memo.sha256(old) == memo.sha256(old)
    assert reads == [old]


def test_a_file_that_changes_while_it_is_read_has_no_hash(
    memo: FileHashes, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, written = hashes.file_sha256, []

    def growing(path: Path) -> str:
        written.append(path)
        path.write_bytes(path.read_bytes() + b"more")
        return really(path)

    monkeypatch.setattr(hashes, "file_sha256", growing)
    with pytest.raises(ChangedError, match=r"a\.wav keeps changing"):
        memo.sha256(old)
    monkeypatch.setattr(hashes, "file_sha256", really)
    assert memo.sha256(old) == really(old)


def test_what_is_no_file_is_not_opened(memo: FileHashes, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for ever
    for name in ("pipe", "."):
        with pytest.raises(DataError, match="is not a file"):
            memo.sha256(tmp_path / name)
    with pytest.raises(DataError, match="No such file"):
        memo.sha256(tmp_path / "none")


@pytest.mark.parametrize("damage", [b"this is no data base", b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_damaged_memo_is_replaced_with_a_note(
    damage: bytes, tmp_path: Path, old: Path, reads: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "memo.sqlite").write_bytes(damage)
    for _ in range(2):
        with closing(FileHashes(tmp_path / "memo.sqlite")) as memo:
            memo.sha256(old)
    assert reads == [old]
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        f"The cache {tmp_path / 'memo.sqlite'} is damaged"
    ]


def test_a_memo_with_a_hash_that_is_none_is_replaced(
    tmp_path: Path, old: Path, reads: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "memo.sqlite"
    for _ in range(2):
        with closing(FileHashes(place)) as memo:
            assert memo.sha256(old) == hashlib.sha256(b"one").hexdigest()
        with closing(sqlite3.connect(place)) as db:
            db.execute("UPDATE hashes SET sha='x' || sha")
            db.commit()
    assert reads == [old, old]
    assert f"The cache {place} is damaged (a value is not a hash)" in caplog.text


def test_damage_that_shows_late_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "memo.sqlite"
    with closing(Memo(path, "words (name TEXT PRIMARY KEY, text TEXT)")) as memo:
        memo.put((str(i), "x" * 500) for i in range(100))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with closing(Memo(path, "words (name TEXT PRIMARY KEY, text TEXT)")) as memo:
        assert memo.find("SELECT text FROM words WHERE name=?", "7") is None
        memo.put([("7", "y")])
        assert memo.find("SELECT text FROM words WHERE name=?", "7") == ("y",)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("place", ["file/memo.sqlite", "folder"])
def test_a_memo_that_cannot_be_kept_costs_only_time(place: str, tmp_path: Path, old: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    with closing(FileHashes(tmp_path / place)) as memo:
        assert memo.sha256(old) == hashes.file_sha256(old)


def test_a_full_disk_costs_only_time(
    memo: FileHashes, old: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def execute(self, *_: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        def close(self) -> None:
            pass

    memo.close()
    monkeypatch.setattr(memo._memo, "_db", Full())
    memo.sha256(old)
    memo.sha256(old)
    assert reads == [old, old]
