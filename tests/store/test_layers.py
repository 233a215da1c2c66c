"""A shared store that is only read, under one of one's own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lanser_bench.errors import StoreError
from lanser_bench.store import DamagedError, Spec, Store

SPEC = Spec(stage="transcribe", stage_version="1", params={"x": 1})
OTHER = Spec(stage="transcribe", stage_version="1", params={"x": 2})


def write(store: Store, spec: Spec, text: str) -> None:
    with store.write(spec) as draft:
        (draft.path / "a.txt").write_text(text)


def state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """All that a write would change: inode, size and time of every file and folder."""
    return {
        str(path): (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def test_reads_fall_through_and_writes_stay_with_the_private_store(tmp_path: Path) -> None:
    shared = Store(tmp_path / "shared")
    write(shared, SPEC, "shared")
    before = state(shared.root)

    private = Store(tmp_path / "private", [shared.root])
    assert (private.checked(SPEC.key).path / "a.txt").read_text() == "shared"
    with private.lock(OTHER.key):
        write(private, OTHER, "private")
    write(private, SPEC, "not needed, but its own comes first")

    assert set(private.keys()) == {SPEC.key, OTHER.key}
    assert private.checked(SPEC.key).path.is_relative_to(private.root)
    assert OTHER.key not in shared
    assert state(shared.root) == before


def test_what_is_damaged_in_a_layer_is_named_left_alone_and_made_anew(tmp_path: Path) -> None:
    shared = Store(tmp_path / "shared")
    write(shared, SPEC, "hello")
    file = shared.root / "objects" / SPEC.key[:2] / SPEC.key / "a.txt"
    file.write_text("jello")
    before = state(shared.root)

    private = Store(tmp_path / "private", [shared.root])
    with pytest.raises(DamagedError, match=rf"{file.parent} is damaged: a.txt does not match"):
        private.checked(SPEC.key)
    assert SPEC.key not in Store(private.root, [shared.root]), "no later process uses it either"
    write(private, SPEC, "hello")
    assert private.checked(SPEC.key).faults() == []
    assert state(shared.root) == before


def test_nothing_is_opened_for_writing_in_a_layer(tmp_path: Path) -> None:
    write(Store(tmp_path / "shared"), SPEC, "shared")
    code = """
        import os, sys
        from pathlib import Path
        from lanser_bench.store import Spec, Store
        shared, private, content = sys.argv[1:]
        WRITES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.utime",
                  "os.truncate", "os.chmod", "os.symlink")

        def hook(event, arguments):
            flags = arguments[2] if event == "open" else 0
            writes = event in WRITES or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and any(str(a).startswith(shared) for a in arguments):
                print("WROTE", event, arguments, flush=True)

        sys.addaudithook(hook)
        spec = Spec.model_validate_json(content)
        store = Store(Path(private), [Path(shared)])
        store.checked(spec.key)
        with store.lock(spec.key), store.write(spec) as draft:
            pass
        print("CREATED", store.root.name)
        Path(shared, "canary").mkdir()
    """
    places = [str(tmp_path / "shared"), str(tmp_path / "private"), SPEC.model_dump_json()]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *places],
        capture_output=True,
        text=True,
        check=True,
    )
    created, canary = done.stdout.splitlines()
    assert created == "CREATED private"
    assert canary.startswith("WROTE os.mkdir"), "the hook sees writes"


def test_a_layer_that_is_no_store_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store at .*Correct paths.shared"):
        Store(tmp_path / "private", [tmp_path / "none"])
