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


def _option(file: str) -> str:
    return {"junit.xml": "junit", "gate.md": "markdown", "gate.json": "json"}[file]
