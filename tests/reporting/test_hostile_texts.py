"""Names in files that a terminal, a spreadsheet, a browser or LaTeX would obey are only shown."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lanser_bench.cli import main
from lanser_bench.printing import cell as cell_of
from lanser_bench.printing import visible
from lanser_bench.reporting.tables.pictures import heat_map, save_picture

RESULTS = Path(__file__).parents[2] / "results"
HOSTILE = "=cmd|'/c calc'!A1\x1b]0;owned\x07\x9b31m‮<img src=x onerror=alert(1)>[a](//b)\\input{x}"
"""A formula, escape sequences, a switch of direction, HTML, a link and a command of LaTeX."""
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f‪-‮⁦-⁩\ud800-\udfff]")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a study; in all of them a labeler, a label and the processor are hostile."""
    folder = tmp_path_factory.mktemp("results") / "study"
    folder.mkdir()
    for kind in ("labeler-entailment", "random-init"):
        for path in (RESULTS / "noise-transfer").glob(f"{kind}*"):
            shutil.copy(path, folder)
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"), object_hook=_hostile)
        path.write_text(json.dumps(record), encoding="utf-8")
    return folder


def _hostile(values: dict[str, Any]) -> dict[str, Any]:
    names = {"entailment": HOSTILE, "sadness": HOSTILE[::-1]}

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(one) for one in value]
        return names.get(value, value) if isinstance(value, str) else value

    return {names.get(key, key): renamed(value) for key, value in values.items()}


def printed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    found = capsys.readouterr()
    assert end.value.code in (0, 1), found.err
    assert not OBEYED.search(found.out + found.err)
    return found.out


@pytest.mark.parametrize("form", ["table", "md", "csv", "html", "latex", "json"])
def test_a_leaderboard_shows_hostile_names(
    records: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(capsys, "leaderboard", records, "--format", form)
    if form == "csv":
        cells = [cell for row in csv.reader(out.splitlines()) for cell in row]
        assert any(cell.startswith("'=cmd") for cell in cells)
        assert not any(cell.startswith(("=", "@")) for cell in cells)
    elif form == "json":
        assert json.dumps(HOSTILE)[1:-1] in json.dumps(json.loads(out))
    else:
        assert "owned" in re.sub(r"\s", "", out)
    if form in ("md", "html"):
        assert "<img" not in out
    if form == "md":
        assert "](//b)" not in out
    if form == "latex":
        assert r"\input" not in out


def test_the_gate_and_the_report_show_hostile_names(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / name for name in ("junit.xml", "gate.md", "gate.json")}
    options = [word for name, path in files.items() for word in (f"--{_option(name)}", path)]
    printed(capsys, "gate", "--baseline", records, "--candidate", records, *options)
    ElementTree.parse(files["junit.xml"])
    json.loads(files["gate.json"].read_text(encoding="utf-8"))
    assert "<img" not in files["gate.md"].read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    printed(capsys, "report", records, "-o", page)
    text = page.read_text(encoding="utf-8")
    assert "owned" in text
    assert "<img src=x" not in text
    assert not OBEYED.search(text)


def test_exported_predictions_begin_no_formula(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(records, tmp_path / "r")
    [record, *_] = (tmp_path / "r").glob("labeler-entailment*.json")
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace(json.dumps(HOSTILE[::-1]), json.dumps(HOSTILE)), "utf-8")
    printed(capsys, "predictions", "export", record, tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        cells = {cell for row in csv.reader(file) for cell in row}
    assert any(cell.startswith("'=cmd") for cell in cells)
    assert not any(cell.startswith(("=", "@")) for cell in cells)


def test_a_signed_name_or_number_is_no_formula() -> None:
    assert [cell_of(text) for text in ("-5x_K.wav", "-1e-3", "-2+3")] == [
        *("-5x_K.wav", "-1e-3", "'-2+3"),
    ]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_picture_draws_hostile_names(tmp_path: Path, suffix: str) -> None:
    names = [HOSTILE[17:30], "g$\\frac{$", "怒り\ud800\x00"]
    axes, _ = heat_map([[1, 2, 3]] * 3, names, names)
    axes.set_title("".join(names))
    save_picture(axes.figure, tmp_path / f"p.{suffix}")
    assert (tmp_path / f"p.{suffix}").stat().st_size > 1000


def test_no_line_is_a_command_of_a_runner_of_ci() -> None:
    assert visible("label 'x\n::error file=a::b'") == "label 'x\n·::error file=a::b'"
    assert visible("a\n  ##[error]b\n::c") == "a\n  ·##[error]b\n·::c"
    assert visible("numpy::linalg") == "numpy::linalg"


def _option(file: str) -> str:
    return {"junit.xml": "junit", "gate.md": "markdown", "gate.json": "json"}[file]
