"""Shows a comparison: terminal table, Markdown, JSON, and a picture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...evaluation.results import Metric
from ..tables.texts import detectable_text, p_text
from .compare import Comparison, Line

if TYPE_CHECKING:
    from rich.table import Table


def heads(found: Comparison) -> list[str]:
    """Returns the headings."""
    return ["", found.a, found.b, "difference", "p (Holm)", "detectable", "seeds"]


def cells(line: Line) -> list[str]:
    """Returns a line's texts; scores in points."""
    return [
        line.what,
        _points(line.a),
        _points(line.b),
        _points(line.difference, sign=True),
        p_text(line.p_value) + ("" if line.seeds_known else " *"),
        detectable_text(line.detectable),
        f"{line.seeds[0]} / {line.seeds[1]}",
    ]


def table(found: Comparison) -> Table:
    """Returns the terminal table."""
    from rich.markup import escape
    from rich.table import Table

    made = Table(
        title=escape(title(found)),
        title_justify="left",
        caption_justify="left",
        caption=escape(" · ".join(notes(found))),
    )
    for number, head in enumerate(heads(found)):
        made.add_column(escape(head), justify="right" if number else "left", overflow="fold")
    for line in found.lines:
        made.add_row(*map(escape, cells(line)))
    if found.mean is not None:
        made.add_section()
        made.add_row(*map(escape, cells(found.mean)), style="bold")
    return made


def title(found: Comparison) -> str:
    """Returns what is compared."""
    if found.targets:
        return f"probe targets, R² and UAR × 100: {found.a} minus {found.b}"
    at = f" at {found.budget}" if found.budget else ""
    return f"{found.metric.replace('_', '-')}{at}, in points: {found.a} minus {found.b}"


def notes(found: Comparison) -> list[str]:
    """Returns what a reader must know."""
    lines = [*found.lines, *([found.mean] if found.mean else [])]
    made = next((x.difference.interval for x in lines if x.difference.interval), None)
    said = ["too few speakers for intervals"]
    if made is not None:
        said = [f"95 % intervals: {made.method}, paired by utterance"]
    said.append(family_note(found))
    if not all(line.seeds_known for line in lines):
        said.append("* from one training seed: how much seeds vary is not in it")
    return [*said, *(f"left out: {text}" for text in found.left_out)]


def family_note(found: Comparison) -> str:
    """Returns whether the comparison was declared before the run, and what p is adjusted over."""
    family = found.family
    if family.confirmatory:
        size = len(found.lines) + len(family.others)
        return (
            f"declared before the run: p by Holm over the {size} tests of the "
            f"{len(family.declared)} declared comparisons"
        )
    over = "p by Holm over the lines of this table"
    if family.declared:
        return f"exploratory, not among the {len(family.declared)} declared comparisons: {over}"
    return f"nothing was declared before the run: {over}"


def comparison_markdown(found: Comparison) -> str:
    """Returns a Markdown table with its notes."""
    lines = [
        f"**{_md(title(found))}**",
        "",
        "| " + " | ".join(map(_md, heads(found))) + " |",
        "|" + " --- |" * len(heads(found)),
    ]
    shown = [*found.lines, *([found.mean] if found.mean else [])]
    lines += ["| " + " | ".join(map(_md, cells(line))) + " |" for line in shown]
    lines += ["", *(f"- {_md(note)}" for note in notes(found)), ""]
    return "\n".join(lines)


def as_json(found: Comparison) -> dict[str, Any]:
    """Returns all of it as plain JSON values; scores are shares."""

    def plain(value: Any) -> Any:
        if isinstance(value, Metric):
            return value.model_dump(mode="json")
        if isinstance(value, Line):
            return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
        return value

    content = asdict(found)
    content["lines"] = [plain(line) for line in found.lines]
    content["mean"] = plain(found.mean)
    content["family"] = {
        "declared": [one.model_dump() for one in found.family.declared],
        "confirmatory": found.family.confirmatory,
        "tests": len(found.lines) + len(found.family.others),
    }
    return content


def picture(found: Comparison, path: Path) -> None:
    """Draws the differences with their intervals about a line at 0, as PNG (or SVG by suffix)."""
    from matplotlib.figure import Figure

    lines = [*found.lines, *([found.mean] if found.mean else [])]
    figure = Figure(figsize=(8, 1.6 + 0.42 * len(lines)), layout="constrained")
    axes = figure.add_subplot()
    for row, line in enumerate(reversed(lines)):
        value, made = 100 * line.difference.value, line.difference.interval
        mean = line is found.mean
        clear = made is not None and not made.low <= 0 <= made.high
        colour = "#333333" if not clear else "#0072b2" if value > 0 else "#d55e00"
        if made is not None:
            axes.plot(
                [100 * made.low, 100 * made.high],
                [row, row],
                color=colour,
                lw=3 if mean else 1.8,
                solid_capstyle="round",
            )
        axes.plot(value, row, "D" if mean else "o", color=colour, ms=8)
    axes.axvline(0, color="#888888", lw=1)
    axes.set_yticks(range(len(lines)), [line.what for line in reversed(lines)])
    axes.set_ylim(-0.7, len(lines) - 0.3)
    axes.set_xlabel(title(found))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title("right of the line: the first is better", fontsize=9, color="#555555")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Software": None} if path.suffix == ".png" else None)


def _points(metric: Metric, *, sign: bool = False) -> str:
    form = "{:+z.1f}" if sign else "{:z.1f}"
    text = form.format(100 * metric.value)
    if metric.interval is None:
        return text
    low, high = (form.format(100 * v) for v in (metric.interval.low, metric.interval.high))
    return f"{text} [{low}, {high}]"


def _md(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
