"""The copy of an experiment that stands with its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lanser_bench.experiment import dry_run, plan_experiment, run_experiment
from lanser_bench.experiment.running.kept_experiment import MARK, NAME, keep_experiment
from lanser_bench.experiment.settings.files import read_experiment

Make = Callable[..., dict[str, Any]]
TEXT = """# Why this experiment exists.
name: t          # the folder
labeler: random

taxonomy: words.yaml   # beside this file
encoder: cnn
targets: [{dataset: synthetic}]
"""


@pytest.fixture
def file(tmp_path: Path, corpora: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "words.yaml").write_text((corpora / "mood.yaml").read_text())
    path = tmp_path / "mine" / "e.yaml"
    path.write_text(TEXT)
    return path


def test_comments_and_order_stay_and_the_command_stands_above(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["seed=3", "targets=[{dataset: synthetic, clips: 20}]"]
    keep_experiment(read_experiment(file, given), Path("out"), given, [tmp_path / "plugins"])
    kept = Path("out") / NAME
    head, _, rest = kept.read_text().partition("\n\n")
    assert rest == TEXT
    assert head.startswith(MARK)
    assert head.endswith(
        "#   lanser-bench run out/experiment.yaml seed=3 "
        "'targets=[{dataset: synthetic, clips: 20}]' --plugins-dir plugins"
    )
    assert str(tmp_path) not in head
    assert (Path("out") / "words.yaml").is_file()


def test_a_copy_of_a_copy_is_the_same_and_is_not_written_again(file: Path, tmp_path: Path) -> None:
    keep_experiment(read_experiment(file), tmp_path / "out")
    kept = tmp_path / "out" / NAME
    before = kept.stat().st_ino
    keep_experiment(read_experiment(kept), tmp_path / "out")
    assert kept.stat().st_ino == before
    keep_experiment(read_experiment(kept, ["seed=1"]), tmp_path / "out", ["seed=1"])
    assert kept.read_text().count(MARK) == 1
    assert kept.read_text().endswith(TEXT)


def test_what_a_run_keeps_is_the_same_experiment(
    settings: Make, plugin_dirs: tuple[Path, ...], corpora: Path, tmp_path: Path
) -> None:
    frozen = settings(encoder="loudness", controls={"logmel_stats": False}, taxonomy="mood.yaml")
    source = corpora / "kept-test.yaml"
    source.write_text("# mine\n" + yaml.safe_dump(frozen))
    outcome = run_experiment(source, ["evaluate.seed=4"], plugin_dirs=plugin_dirs)
    assert outcome.ok
    kept = tmp_path / "results" / "t" / NAME
    assert "evaluate.seed=4" in kept.read_text()
    again = dry_run(kept, ["evaluate.seed=4"], plugin_dirs=plugin_dirs)
    assert again.to_run == {}


def test_settings_from_python_are_kept_too(
    settings: Make, plugin_dirs: tuple[Path, ...], tmp_path: Path
) -> None:
    given = settings(encoder="loudness", paths={"store": tmp_path / "store", "results": tmp_path})
    keep_experiment(read_experiment(given), tmp_path / "t")
    one, _, _ = plan_experiment(tmp_path / "t" / NAME, plugin_dirs=plugin_dirs)
    two, _, _ = plan_experiment(given, plugin_dirs=plugin_dirs)
    assert one.nodes.keys() == two.nodes.keys()


def test_what_nobody_wrote_is_not_kept(file: Path, tmp_path: Path) -> None:
    keep_experiment(replace(read_experiment(file), yaml=None), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_stops_nothing(file: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    keep_experiment(read_experiment(file), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"
