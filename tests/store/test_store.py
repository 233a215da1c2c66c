"""Artifacts are complete or absent, whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from lanser_bench.errors import StoreError
from lanser_bench.store import FileHashes, Spec, Store, digest, source_hash, write_atomic
from lanser_bench.store.store import MARKER

SPEC = Spec(stage="transcribe", stage_version="1", params={"x": 1})


def written(store: Store, spec: Spec = SPEC, text: str = "hello") -> Path:
    with store.write(spec) as draft:
        (draft.path / "a.txt").write_text(text)
        draft.counts = {"rows": 1}
    artifact = store.get(spec.key)
    assert artifact is not None
    return artifact.path


def test_key_changes_with_everything_in_the_spec() -> None:
    changes = [
        {"stage": "label"},
        {"stage_version": "2"},
        {"params": {"x": 2}},
        {"parents": {"utterances": "k"}},
        {"seed": 0},
        {"threads": 2},
    ]
    keys = {SPEC.key, *(SPEC.model_copy(update=change).key for change in changes)}
    assert len(keys) == len(changes) + 1


def test_key_does_not_depend_on_the_order_of_settings() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_nan_cannot_enter_a_key() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"a": float("nan")})


def test_contents_then_marker_then_place_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def noted(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        seen.append("marker" if MARKER in path.name else path.name)

    monkeypatch.setattr(os, "fsync", noted)
    path = written(Store(tmp_path))
    assert seen[:2] == ["a.txt", "marker"]
    assert seen[-1] == path.parent.name


def test_artifact_is_read_back_with_its_marker(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = written(store)
    artifact = store.checked(SPEC.key)
    assert (path / "a.txt").read_text() == "hello"
    assert artifact.spec == SPEC
    assert artifact.meta["counts"] == {"rows": 1}
    assert list(store.keys()) == [SPEC.key]


def test_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail() -> None:
        with store.write(SPEC) as draft:
            (draft.path / "a.txt").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert SPEC.key not in store
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_fault_of_another_file_is_not_said_of_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(FileNotFoundError), store.write(SPEC):
        (tmp_path / "elsewhere").read_text()
    with pytest.raises(StoreError, match="cannot be written"), store.write(SPEC) as draft:
        (draft.path / "no" / "folder").write_text("")


def test_first_writer_wins(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.write(SPEC) as slow:
        (slow.path / "a.txt").write_text("slow")
        written(store, text="fast")
    assert (store.checked(SPEC.key).path / "a.txt").read_text() == "fast"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: f.write_text("HELLO"), "other bytes"),
        (lambda f: f.write_text("hel"), "3 bytes, not 5"),
        (lambda f: f.unlink(), "is missing"),
    ],
)
def test_damage_is_named_and_the_artifact_recomputed(tmp_path: Path, damage, sentence) -> None:  # type: ignore[no-untyped-def]
    store = Store(tmp_path)
    damage(written(store) / "a.txt")
    with pytest.raises(StoreError, match=sentence):
        store.checked(SPEC.key)
    assert SPEC.key not in store
    written(store)
    assert store.checked(SPEC.key).faults() == []


def test_artifact_without_marker_or_of_another_format_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    marker = written(store) / MARKER
    content = json.loads(marker.read_text())
    marker.write_text(json.dumps({**content, "format": 99}))
    assert SPEC.key not in store
    written(store, text="again")
    assert (store.checked(SPEC.key).path / "a.txt").read_text() == "again"
    marker.unlink()
    assert SPEC.key not in store
    written(store, text="once more")
    assert (store.checked(SPEC.key).path / "a.txt").read_text() == "once more"


def test_what_is_made_again_during_a_removal_is_not_removed_with_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    written(store, text="old")
    remove = shutil.rmtree

    def slow(path: Path, **how: bool) -> None:
        monkeypatch.setattr(shutil, "rmtree", remove)
        assert SPEC.key not in store
        written(store, text="new")  # another process, before the first file is gone
        remove(path, **how)

    monkeypatch.setattr(shutil, "rmtree", slow)
    store.discard(SPEC.key)
    assert (store.checked(SPEC.key).path / "a.txt").read_text() == "new"
    assert list((tmp_path / "tmp").iterdir()) == []
    store.discard(SPEC.key)
    store.discard(SPEC.key)  # nothing is there: no error
    assert SPEC.key not in store


def test_an_artifact_is_as_readable_for_others_as_any_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "file").touch()
    path = written(Store(tmp_path / "store"))
    assert path.stat().st_mode == plain.stat().st_mode
    assert (path / MARKER).stat().st_mode == (plain / "file").stat().st_mode


def test_sigkill_while_writing_leaves_a_valid_store(tmp_path: Path) -> None:
    code = f"""
        import time
        from pathlib import Path
        from lanser_bench.store import Spec, Store
        spec = Spec.model_validate_json({SPEC.model_dump_json()!r})
        store = Store(Path({str(tmp_path)!r}))
        with store.lock(spec.key), store.write(spec) as draft:
            (draft.path / "a.txt").write_text("half")
            print("writing", flush=True)
            time.sleep(1200)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    store = Store(tmp_path)
    assert SPEC.key not in store
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    with store.lock(SPEC.key):
        written(store)
    assert store.checked(SPEC.key).faults() == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_store_in_an_impossible_place_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path / "file" / "store")


def test_write_atomic_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "\ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_file_hash_is_memoised_until_the_file_changes(tmp_path: Path) -> None:
    memo = FileHashes(tmp_path / "memo.sqlite")
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    first = memo.sha256(path)
    stat = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert memo.sha256(path) == first, "same inode, size and time: not read again"
    time.sleep(0.01)
    path.write_bytes(b"two")
    assert memo.sha256(path) != first
    memo.close()


def test_a_hash_memo_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "memo.sqlite").write_text("this is no data base")
    with pytest.raises(StoreError, match=r"memo\.sqlite cannot be opened.*remove it"):
        FileHashes(tmp_path / "memo.sqlite")


def test_source_hash_follows_imports_inside_the_package(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    package = tmp_path / "hashed_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("A = 1\n")
    (package / "unrelated.py").write_text("B = 1\n")
    (package / "main.py").write_text("def f():\n    from .helper import A\n    return A\n")
    monkeypatch.syspath_prepend(tmp_path)

    def fresh() -> str:
        source_hash.cache_clear()
        return source_hash("hashed_package.main")

    before = fresh()
    (package / "unrelated.py").write_text("B = 2\n")
    assert fresh() == before
    (package / "helper.py").write_text("A = 2\n")
    assert fresh() != before


def test_an_option_that_is_a_path_enters_the_key_by_content(tmp_path: Path) -> None:
    from lanser_bench.plugins import load_plugins
    from lanser_bench.store import plugin_identity

    registry = load_plugins(only="")

    def identity(folder: str, text: str) -> dict[str, object]:
        path = tmp_path / folder / "labels.yaml"
        path.parent.mkdir()
        path.write_text(text)
        dataset = registry.create("dataset", "manifest", {"taxonomy": str(path)})
        found = plugin_identity(registry, "dataset", "manifest", dataset)
        assert found.located == {"taxonomy": str(path)}
        return found.model_dump(mode="json")

    one, moved, other = identity("a", "x: 1"), identity("b", "x: 1"), identity("c", "x: 2")
    assert one == moved
    assert one != other
    assert str(tmp_path) not in str(one)
