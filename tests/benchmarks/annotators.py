"""How well CREMA-D's raters agree with each other, from the corpus's own votes.

python tests/benchmarks/annotators.py $LANSER_DATA_ROOT/crema_d_votes/tabulatedVotes.csv
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from lanser_bench.evaluation.soft import ceiling, leaders
from lanser_bench.numbers import decimal, percent


def main(path: Path) -> None:
    """Prints a line per way of presentation."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    print("presented  clips  votes  winner  unanimous  agreement          JSD, one rater        "
          "JSD, halves           top-set F1, halves")  # fmt: skip
    for digit, name in enumerate(("voice", "face", "both"), start=1):
        own = [row for row in rows if row[0].startswith(str(digit))]
        counts = np.array([[float(cell) for cell in row[1:7]] for row in own])
        totals = counts.sum(1)
        votes = counts / totals[:, None]
        found = ceiling(votes, totals, [row[7][:4] for row in own])
        assert found is not None
        clear, sure = int((leaders(votes) == 1).any(1).sum()), int((votes.max(1) == 1).sum())
        distances = (decimal(m, digits=3) for m in (found.one_jsd, found.halves_jsd))
        print(
            f"{name:<9} {len(own):6d} {totals.mean():6.1f} {clear:7d} {sure:10d}  "
            f"{percent(found.agreement)}  {'  '.join(distances)}  {percent(found.halves_set_f1)}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
