"""Artifacts are complete or absent, whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lanser_bench.errors import StoreError
from lanser_bench.store import LostError, Spec, Store, digest, write_atomic
from lanser_bench.store.artifact import MARKER, marker_check

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


def test_another_meaning_of_keys_makes_all_new(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SPEC.key
    monkeypatch.setattr("lanser_bench.store.keys.KEY_VERSION", 99)
    assert SPEC.key != before


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
        (lambda f: f.write_text("HELLO"), "does not match its checksum"),
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


def test_an_artifact_in_the_place_of_another_key_is_not_used(tmp_path: Path) -> None:
    """As after a folder was copied or renamed by hand."""
    store, other = Store(tmp_path), SPEC.model_copy(update={"seed": 1})
    path = written(store)
    place = tmp_path / "objects" / other.key[:2] / other.key
    place.parent.mkdir(exist_ok=True)
    shutil.copytree(path, place)
    assert store.get(other.key) is None
    assert other.key not in store
    with pytest.raises(LostError):
        store.checked(other.key)
    written(store, other, "its own")
    assert (store.checked(other.key).path / "a.txt").read_text() == "its own"


def test_a_marker_that_was_changed_to_another_key_is_damage(tmp_path: Path) -> None:
    store, other = Store(tmp_path), SPEC.model_copy(update={"seed": 1})
    place = tmp_path / "objects" / other.key[:2] / other.key
    place.parent.mkdir(exist_ok=True)
    shutil.move(written(store), place)
    marker = json.loads((place / MARKER).read_text())
    marker["key"] = other.key
    marker["check"] = marker_check(marker)
    (place / MARKER).write_text(json.dumps(marker))
    with pytest.raises(StoreError, match="belongs to another key"):
        store.checked(other.key)
    assert other.key not in store


def test_a_marker_with_other_counts_is_damage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = written(store) / MARKER
    path.write_text(path.read_text().replace('"rows": 1', '"rows": 2'))
    with pytest.raises(StoreError, match="does not match its checksum"):
        store.checked(SPEC.key)


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


def test_an_option_that_is_a_path_enters_the_key_by_content(tmp_path: Path) -> None:
    from lanser_bench.plugins.discovery import load_plugins
    from lanser_bench.plugins.identity import plugin_identity

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


def test_all_that_can_change_a_plugin_s_numbers_is_in_its_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lanser_bench.plugins import identity
    from lanser_bench.plugins.discovery import load_plugins
    from lanser_bench.plugins.identity import plugin_identity

    registry = load_plugins(only="")

    def key(**options: object) -> str:
        plugin = registry.create("encoder", "logmel-stats", options)
        return Spec(
            stage="embed",
            stage_version="1",
            plugins={"encoder": plugin_identity(registry, "encoder", "logmel-stats", plugin)},
        ).key

    base = key()
    plugin_class, installed = registry.plugin_class("encoder", "logmel-stats"), identity._installed
    assert plugin_class.libraries
    for newer in plugin_class.libraries:
        with monkeypatch.context() as patch:
            patch.setattr(
                identity, "_installed", lambda n, new=newer: installed(n) + "+" * (n == new)
            )
            assert key() != base, newer
    for name, value in (
        ("version", f"{plugin_class.version}x"),
        ("fingerprint", lambda self: "other weights"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(plugin_class, name, value)
            assert key() != base, name
    with monkeypatch.context() as patch:
        patch.setattr(identity, "source_hash", lambda module: "other code")
        assert key() != base
    assert key() == base


def test_paths_inside_options_count_by_content_and_by_the_names_in_a_folder(tmp_path: Path) -> None:
    from lanser_bench.plugins.identity import _by_content

    for name, file in (("a", "x.txt"), ("b", "x.txt"), ("c", "y.txt")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("same")
    a, b, c = (_by_content({"words": [str(tmp_path / n)]}, "") for n in "abc")
    assert a == b != c
    assert str(tmp_path) not in str(a)


def test_where_a_loose_file_lies_is_in_no_key() -> None:
    from lanser_bench.plugins.identity import _portable

    assert _portable("/home/me/plugins/mine.py") == _portable("C:\\plugins\\mine.py")
    assert _portable("lanser-bench") == "lanser-bench"
