"""Paths and names as users write them."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from lanser_bench import user_path
from lanser_bench.cli import main
from lanser_bench.errors import SettingsError
from lanser_bench.experiment.settings.files import read_experiment
from lanser_bench.experiment.settings.grid import expand
from lanser_bench.experiment.settings.model import Experiment

SETTINGS: dict[str, Any] = {
    "name": "t",
    "targets": [{"dataset": "manifest", "root": "set"}],
    "labeler": "similarity",
    "taxonomy": "ekman-6",
    "encoder": "logmel-stats",
}


def settings(*overrides: str) -> Experiment:
    (point,) = expand(read_experiment(SETTINGS, overrides))
    return point.settings


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a") == tmp_path / "a"
    found = settings("targets.0.root=~/set", "paths.store=~/store", "paths.results=~")
    assert found.targets[0].root == tmp_path / "set"
    assert (found.paths.store, found.paths.results) == (tmp_path / "store", tmp_path)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_folder_is_found_in_either_spelling_of_its_accents(tmp_path: Path, form: str) -> None:
    there = tmp_path / "jörg" / unicodedata.normalize(form, "Gefühle")
    there.mkdir(parents=True)
    for spelling in ("NFC", "NFD"):
        assert user_path(tmp_path / unicodedata.normalize(spelling, "jörg/Gefühle")) == there
    assert settings(f"targets.0.root={tmp_path}/jörg/Gefühle").targets[0].root == there


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("https://x.org/set", "it is a URL"),
        ("s3://bucket/set", "it is a URL"),
        ("C:\\data\\set", "separated by /"),
        ("a\nb", "control characters"),
        ("a" * 300, "exceeds 255 bytes"),
        ("", "it is empty"),
        ("~nobody-of-this-name/x", "unknown user"),
    ],
)
def test_what_is_no_path_here_gets_a_sentence(written: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        settings(f"targets.0.root={written}")
    with pytest.raises(SettingsError, match=words):
        settings(f"paths.store={written}")


@pytest.mark.parametrize("root", ["set #2", "a: b", "*x", "1e3", "2024", "012", "no", "a%20b"])
def test_a_root_is_read_as_typed(root: str) -> None:
    assert settings(f"targets.0.root={root}").targets[0].root == Path(root)


@pytest.mark.parametrize("name", ["a" * 100, "2024", "x.1_b-c", "a"])
def test_names_of_experiments(name: str) -> None:
    assert settings(f"name={name}").name == name


@pytest.mark.parametrize(
    "name",
    ["a" * 260, "a/b", "..", "../x", "-x", ".x", "x.", "😀", "CON", "nul.txt", "a\nb"],
)
def test_names_that_are_no_folders_get_a_sentence(name: str) -> None:
    with pytest.raises(SettingsError, match="'name' is"):
        settings(f"name={name}")


def test_labels_in_two_spellings_are_one(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    joy = [unicodedata.normalize(form, "Fröhlich") for form in ("NFC", "NFD")]
    path.write_text(
        "name: t\ntargets: [{dataset: manifest, root: set}]\nlabeler: similarity\n"
        f"taxonomy: ekman-6\nencoder: logmel-stats\ngrid: {{taxonomy: [{joy[0]}, ekman-6]}}\n"
        f"exclude: [{{taxonomy: {joy[1]}}}]\n",
        encoding="utf-8",
    )
    assert [point.settings.taxonomy for point in expand(read_experiment(path))] == ["ekman-6"]


@pytest.mark.parametrize(
    "words",
    [
        ("label", "text", "x", "--labeler", "random", "--taxonomy", "a" * 300 + ".yaml"),
        ("plugins", "--plugins-dir", "a" * 300),
        ("leaderboard", "a" * 300),
        ("run", "a" * 300),
        ("gate", "labels", "synthetic", "--baseline", "/dev/zero"),
    ],
)
def test_a_path_that_no_system_takes_is_exit_code_2(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "Error: " in capsys.readouterr().err
