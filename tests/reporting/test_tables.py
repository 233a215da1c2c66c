"""Tables in all forms: what they keep, where they break, and that LaTeX compiles."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from lanser_bench.errors import SettingsError
from lanser_bench.numbers import detectable_text
from lanser_bench.records.reading import load_records
from lanser_bench.reporting import compare, frame, rank
from lanser_bench.reporting.comparing import compare_views, dose_views
from lanser_bench.reporting.comparing.dose import dose_response
from lanser_bench.reporting.comparing.responses import Response
from lanser_bench.reporting.leaderboard.by_axis import axis_sheet, rank_by
from lanser_bench.reporting.leaderboard.table import sheet
from lanser_bench.reporting.tables.latex import latex
from lanser_bench.reporting.tables.layout import PAGE, bound, fitted, notes_of, wrapped
from lanser_bench.reporting.tables.sheet import Column, Entry, Sheet, csv_text, html, markdown
from lanser_bench.reporting.tables.terminal import terminal

RESULTS = Path(__file__).parents[2] / "results"
NBSP = "\N{NO-BREAK SPACE}"
INTERVAL = re.compile(r"[-+]?\d+\.\d+ \[[-+]?\d+\.\d+, [-+]?\d+\.\d+\]")


def boards(study: str) -> list[Sheet]:
    return [sheet(b) for b in rank(load_records([RESULTS / study]), curves=False, targets=False)]


def tables(study: str) -> list[Sheet]:
    """Tables of each kind, from what a real run wrote."""
    records = load_records([RESULTS / study])
    [dose] = dose_response("congruence", records, Response())
    comparison = compare("congruence=1.0,control=none", "congruence=0.0", folder=RESULTS / study)
    by = [axis_sheet(board) for board in rank_by("congruence", records)]
    return [*boards(study), *by, compare_views.sheet(comparison), *dose_views.sheets(dose)]


def drawn(made: Sheet, width: int, **options: bool) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal(made, width, **options))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("study", ["ravdess", "talkies-search", "noise-transfer"])
def test_a_terminal_breaks_no_number_and_keeps_what_decides(study: str, width: int) -> None:
    for made in boards(study):
        lines = drawn(made, width)
        assert max(map(len, lines)) <= width
        cells = [cell.strip() for line in lines if "│" in line for cell in line.split("│")]
        starts = [cell for cell in cells if re.match(r"[-+]?\d+\.\d+ ?\[", cell)]
        assert starts
        assert all(INTERVAL.match(cell) for cell in starts)
        heads = " ".join(" ".join(lines[:9]).replace("┃", " ").split())
        assert all(head in heads for head in ("UAR 100%", "UAR to best"))
        assert "majority" in " ".join(cells)
        notes = lines[max(i for i, line in enumerate(lines) if line.startswith("└")) + 1 :]
        assert len(notes) <= 2
        assert re.search(r"\d+ (more )?notes: --notes", " ".join(notes))
        every = " ".join(" ".join(drawn(made, width, notes=True)).split())
        assert all(" ".join(note.split()) in every for note in made.notes)


def test_texts_break_at_blanks_and_only_then_inside_values() -> None:
    assert wrapped("encoder=cnn, corpora=synthetic(congruence=0.0)", 40) == [
        "encoder=cnn,",
        "corpora=synthetic(congruence=0.0)",
    ]
    assert wrapped("corpora=synthetic(congruence=0.0)", 18) == [
        "corpora=synthetic",
        "(congruence=0.0)",
    ]
    number = bound("-3.1 [-5.0, -1.2], p < .001")
    assert number == f"-3.1{NBSP}[-5.0,{NBSP}-1.2], p{NBSP}<{NBSP}.001"
    assert wrapped(number, 12) == [f"-3.1{NBSP}[-5.0,{NBSP}-1.2],", f"p{NBSP}<{NBSP}.001"]


def test_faults_are_shown_whatever_the_notes() -> None:
    made = Sheet("t", [Column("a", "a")], [], ["word " * 60], faults=["b.parquet is damaged"])
    assert notes_of(made, [], 80, every=False) == ["! b.parquet is damaged", "1 note: --notes"]


@pytest.mark.parametrize("study", ["ravdess", "talkies-search", "ravdess-transfer"])
def test_markdown_is_as_wide_as_a_page_with_numbers_to_the_right(study: str) -> None:
    for made in boards(study):
        page = markdown(made).splitlines()
        rule = next(line for line in page if line.startswith("| ---"))
        assert rule.endswith("---: |")
        rows = [line for line in page if line.startswith("|")]
        found, widths, _ = fitted(made, PAGE, wraps=True)
        assert sum(widths) + 3 * len(widths) < PAGE
        assert not any(INTERVAL.search(row) for row in rows)
        assert any(INTERVAL.search(row.replace(NBSP, " ")) for row in rows)
        assert all(row.count(" | ") == len(found.heads) - 1 for row in rows)


def test_csv_and_frames_have_every_axis_and_numbers() -> None:
    records = load_records([RESULTS / "congruence"])
    made = rank(records, curves=False, targets=False)
    table = frame(made)
    assert set(table["control"].dropna()) == {"logmel_stats", "random_init", "shuffled"}
    main = table[table["role"] == "main"].set_index("corpora.0.congruence")
    assert main.loc["0.5", "uar"] == next(
        row.uar.value for row in made[0].main if row.axes["corpora.0.congruence"] == "0.5"
    )
    assert {"encoder", "labeler", "taxonomy", "uar_low", "uar_high", "p", "split"} <= {*table}
    a, b = "control=none,congruence=0.0", "control=shuffled"
    compared = compare(a, b, folder=RESULTS / "congruence")
    [line] = csv.DictReader(io.StringIO(csv_text([compare_views.sheet(compared)])))
    assert (line["corpora.0.congruence"], line["encoder"]) == ("0.0", "resnet")
    assert float(line["difference"]) == compared.lines[0].difference.value
    assert frame(compared)["difference"].tolist() == [compared.lines[0].difference.value]
    doses = frame(dose_response("congruence", records, Response()))
    assert set(doses["table"]) == {"cells", "slopes"}
    assert set(doses["corpora.0.congruence"].dropna()) == {"0.0", "0.25", "0.5", "0.75", "1.0"}
    with pytest.raises(SettingsError, match="has no tables"):
        frame(Path())


def test_verdicts_have_colours_where_a_test_decided() -> None:
    [made] = boards("real-speech")
    judged = {entry.values["name"]: entry.verdict for entry in made.rows}
    assert judged["encoder=resnet"] == "worse"
    assert judged["shuffled (encoder=resnet)"] == ""
    assert 'class="num worse"' in html([made], "t")
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system="standard")
    console.print(terminal(made, 120))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"\x1b\[1;31m *-30\.0 \[", text)


def compiled(tables: list[str], folder: Path) -> str:
    """Returns the text of the page that LaTeX makes of tables, as their comments ask for."""
    program = next((name for name in ("tectonic", "pdflatex") if shutil.which(name)), None)
    if program is None:
        pytest.skip("neither tectonic nor pdflatex is installed")
    comments = {line[2:] for table in tables for line in table.splitlines() if line[:3] == "% \\"}
    head = [r"\documentclass{article}", r"\usepackage[margin=2.5cm]{geometry}"]
    begin = [*sorted(comments, reverse=True), r"\begin{document}"]
    body = "\n".join([*head, *begin, *tables, r"\end{document}"])
    (folder / "page.tex").write_text(body, encoding="utf-8")
    options = [] if program == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run(
        [program, *options, "page.tex"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert (folder / "page.pdf").read_bytes()[:4] == b"%PDF"
    return body


def test_latex_compiles_and_aligns_scores(tmp_path: Path) -> None:
    awkward = Sheet(
        "50 % & more_#1",
        [Column("a", "R² ≤ {x}"), Column("b", "b", right=True)],
        [Entry({"a": "a_b ^ ~ \\ 1–2 → −3 × <b>", "b": "+0.5 [-0.1, +1.1], p < .001"})],
        ["100 % of 3 × 4"],
    )
    made = [latex(one) for one in (*tables("congruence"), *boards("ravdess"), awkward)]
    text = compiled(made, tmp_path)
    assert r"\bfseries 41.2 & {\scriptsize [34.8, 47.7]}" in text
    assert r"S[table-format=-2.1]@{\,}l" in text
    assert text.count(r"\toprule") == len(made)


def test_a_detectable_difference_without_degrees_of_freedom_is_short() -> None:
    assert [detectable_text(share) for share in (None, 0.1234, 3e80)] == ["–", "12.3", "> 100"]
    assert [detectable_text(s, points=False) for s in (0.1234, 3e80)] == ["0.123", "> 10"]
