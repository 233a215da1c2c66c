"""`lanser-bench new` and `plugins check`: what is written works, and faults are explained."""

from __future__ import annotations

import json
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from command_line import lanser

from lanser_bench.cli.new import USES


@pytest.mark.slow
@pytest.mark.parametrize("kind", USES)
def test_each_template_passes_the_check_under_another_name(kind: str, tmp_path: Path) -> None:
    code, out, err = lanser("new", kind, "my-own", "--into", tmp_path)
    assert code == 0, err
    assert f"lanser-bench plugins check my-own --plugins-dir {tmp_path}" in out
    for speaker in ("anna", "bob", "eve", "ian", "liv", "tom"):
        sound = np.random.default_rng(ord(speaker[0])).normal(0, 0.1, (4, 8_000))
        for take, label in enumerate(("joy", "sadness", "joy", "sadness")):
            sf.write(tmp_path / f"{speaker}_{label}_{take}.wav", sound[take], 16_000)
    root = ["--root", tmp_path] if kind == "dataset" else []
    words = ["plugins", "check", "my-own", "--plugins-dir", tmp_path, "--json", *root]
    code, out, err = lanser(*words)
    assert json.loads(out)["failures"] == [], err
    assert code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["labeller", "shout"], "Did you mean 'labeler'?"),
        (["labeler", "Shout!"], "Use lower-case letters, digits and single hyphens"),
        (["labeler", "random"], "lanser-bench has a labeler 'random'"),
        (["segmenter", "span"], "'span' would hide a name that the plugin imports"),
        (["labeler", "old"], "old_labeler.py exists. Choose another name"),
    ],
)
def test_what_cannot_be_written_is_refused(words: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "old_labeler.py").write_text("mine")
    code, _, err = lanser("new", *words, "--into", tmp_path)
    assert code == 2
    assert sentence in err
    assert [path.name for path in tmp_path.iterdir()] == ["old_labeler.py"]
    assert (tmp_path / "old_labeler.py").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("kind", USES)
def test_each_package_has_a_test_that_passes(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"my-{kind}"
    assert lanser("new", kind, name, "--package", "--into", tmp_path)[0] == 0
    package = tmp_path / f"lanser-bench-{name}"
    project = tomllib.loads((package / "pyproject.toml").read_text())
    [module] = project["project"]["entry-points"]["lanser_bench"].values()
    assert (package / module / "__init__.py").is_file()
    monkeypatch.syspath_prepend(package)
    monkeypatch.syspath_prepend(package / "tests")
    tests = vars(import_module(f"test_my_{kind}"))
    assert tests[f"TestMy{kind.capitalize()}"]().failures() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "sentences"),
    [
        (
            "axis=1, keepdims=True",
            "axis=0, keepdims=True",
            ["rows of a 'distribution' do not add up to 1", "The experiment runs when all checks"],
        ),
        (
            "abstained = ",
            "assert not [r for r in records if 'happy today' in r.text]\n        abstained = ",
            ["✗ it works in an experiment: label (", "shout_labeler.py, line 3"],
        ),
    ],
    ids=["contract", "experiment"],
)
def test_a_fault_names_the_rule_and_what_to_do(
    right: str,
    wrong: str,
    sentences: list[str],
    tmp_path: Path,
) -> None:
    lanser("new", "labeler", "shout", "--into", tmp_path)
    file = tmp_path / "shout_labeler.py"
    file.write_text(file.read_text().replace(right, wrong))
    code, out, _ = lanser("plugins", "check", "shout", "--plugins-dir", tmp_path)
    assert code == 1
    for sentence in ["  Contract: ", "  What to do: ", *sentences]:
        assert sentence in out


def test_a_name_of_several_kinds_and_a_dataset_without_folder_are_answered() -> None:
    code, _, err = lanser("plugins", "check", "table")
    assert (code, "set --kind" in err) == (2, True)
    code, _, err = lanser("plugins", "check", "ravdess")
    assert (code, "add --root FOLDER" in err) == (2, True)
