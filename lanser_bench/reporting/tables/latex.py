"""Sheets as LaTeX tables of the packages ``booktabs`` and ``siunitx``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...printing import visible
from .layout import PAGE, bound, fitted
from .table import NBSP, NONE, Column, Sheet, set_off

PREAMBLE = r"""% \usepackage{booktabs, siunitx}
% \sisetup{detect-weight, retain-explicit-plus}  % bold numbers; the sign of differences
"""
BOLD = ("best", "mean")
"""Roles of rows in bold."""
SMALL = 0.9
"""Width of a score with its small interval per character."""
SCORE = re.compile(r"([-+]?)(\d+)(?:\.(\d+))?((?: .*)?)", re.DOTALL)
MARKS = str.maketrans(
    {mark: f"\\{mark}" for mark in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"$<$", ">": r"$>$", "²": r"\textsuperscript{2}", NBSP: "~", "\n": " "}
    | {"→": r"$\rightarrow$", "−": "$-$", "×": r"$\times$", "≤": r"$\leq$", "–": r"\textendash{}"}
)


def latex_text(text: str) -> str:
    """Escapes a text; a hyphen before a digit becomes a minus sign."""
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", visible(bound(text)).translate(MARKS))


def latex(sheet: Sheet) -> str:
    """Returns a table with its notes below; scores are aligned at their points.

    Intervals are small, the best row and a mean are bold. The packages that it needs, and columns
    that do not fit a page, are named in comments.
    """
    sheet, _, hidden = fitted(sheet, PAGE, wraps=True)
    lines = [sheet.texts(entry) for entry in sheet.rows]
    columns = [_Column(c, [line[i] for line in lines]) for i, c in enumerate(sheet.shown)]
    texts = [column for column in columns if not column.scores]
    room = PAGE - sum(2 + SMALL * column.wide for column in columns if column.scores)
    for column in texts if room < sum(2 + column.wide for column in texts) else ():
        column.break_at(column.wide / sum(2 + c.wide for c in texts) * room / PAGE)
    body: list[str] = []
    for number, (entry, line) in enumerate(zip(sheet.rows, lines, strict=True)):
        if number and set_off(sheet.rows[number - 1], entry):
            body.append(r"\midrule")
        bold = entry.role in BOLD
        cells = (column.cell(text, bold) for column, text in zip(columns, line, strict=True))
        body.append(f"{' & '.join(cells)} \\\\")
    title = ". ".join(latex_text(text) for text in (sheet.title, sheet.shared) if text)
    away = [f"% columns left out: {', '.join(hidden)} (--format csv has them)"] if hidden else []
    return "\n".join(
        [
            PREAMBLE.rstrip(),
            *away,
            r"\begin{table}",
            r"\centering\small\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{title}}}",
            rf"\begin{{tabular}}{{{''.join(column.kind for column in columns)}}}",
            r"\toprule",
            f"{' & '.join(column.head for column in columns)} \\\\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\raggedright\footnotesize {latex_text(note)}" for note in sheet.remarks),
            r"\end{table}",
            "",
        ]
    )


class _Column:
    """A column: of texts, or of scores with what follows them in a second column."""

    def __init__(self, column: Column, texts: Sequence[str]) -> None:
        found = [SCORE.fullmatch(text) for text in texts if text not in ("", NONE)]
        scores = [score for score in found if score]
        self.scores = column.right and len(scores) > len(found) / 2
        self.rest = self.scores and any(score[4] for score in scores)
        self.head = latex_text(column.head or "")
        self.kind = "r" if column.right else "l"
        self.wide = max(map(len, texts), default=0)
        self.broken = False
        if not self.scores:
            return
        sign = max(score[1] for score in scores)  # "-" follows "+"
        digits = [max(len(score[n] or "") for score in scores) for n in (2, 3)]
        form = (
            f"{sign and '-'}{digits[0]}.{digits[1]}" if digits[1] else f"{sign and '-'}{digits[0]}"
        )
        self.kind = f"S[table-format={form}]" + (r"@{\,}l" if self.rest else "")
        self.head = rf"\multicolumn{{2}}{{c}}{{{self.head}}}" if self.rest else f"{{{self.head}}}"

    def break_at(self, share: float) -> None:
        """Breaks its texts into lines of a share of the page's width."""
        self.broken = self.wide > 8
        if self.broken:
            self.kind = rf">{{\raggedright\arraybackslash}}p{{{share:.2f}\linewidth}}"

    def cell(self, text: str, bold: bool) -> str:
        """Returns a cell, or two where something follows scores."""
        score = SCORE.fullmatch(text) if self.scores else None
        if score is None:
            shown = rf"\textbf{{{latex_text(text)}}}" if bold and text else latex_text(text)
            if self.broken:
                shown = re.sub(r"(?<==)|(?<=\\_)|(?=\()", r"\\allowbreak{}", shown)
            return (f"{{{shown}}}" if self.scores else shown) + (" &" if self.rest else "")
        number = text[: score.start(4)]
        number = rf"\bfseries {number}" if bold else number
        small = rf" & {{\scriptsize {latex_text(score[4].strip())}}}" if score[4] else " &"
        return number + (small if self.rest else "")
