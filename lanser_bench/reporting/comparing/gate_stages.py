"""The quality of label and transcribe stages in the gate: each pair of stages is compared once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...evaluation.contrast import Contrast
from ...evaluation.label_quality import SCALES, QualitySums, quality_differences, unpaired
from ...records.record import ResultRecord
from ...records.stage_sums import record_sums
from ..groups import CellId, Group

STAGES = {name: "transcripts" if name in ("wer", "cer") else "labels" for name in SCALES}
"""Score → what it is a score of; ``labels.kappa`` and ``transcripts.wer`` in the gate."""
_STAGE = {"labels": "label", "transcripts": "transcribe"}


@dataclass
class StagePair:
    """A stage of the baseline and of the candidate, on one corpus."""

    experiment: str
    corpus: str
    """Key of the records' `labels`, such as ``corpora.0 synthetic``."""
    what: str
    """``labels`` or ``transcripts``."""
    old: QualitySums | None
    """None if the record has no sums."""
    new: QualitySums | None
    axes: list[set[tuple[str, str]]] = field(default_factory=list)
    """Of the cells that share it."""

    @property
    def cell(self) -> CellId:
        """Names the stage by the axes on which all its cells agree."""
        shared = sorted(set.intersection(*self.axes))
        group = ", ".join("=".join(axis) for axis in shared) or "all cells"
        return CellId(self.experiment, group, self.corpus, -1)

    @property
    def measured(self) -> bool:
        """Whether the candidate has such quality: a recogniser that reads no sound has none."""
        part = "words" if self.what == "transcripts" else "given"
        return self.new is not None and part in self.new.parts

    @property
    def why(self) -> str | None:
        """Why it cannot be compared; None if it can."""
        if self.new is None or self.old is None:
            return f"no quality of {self.what} beside the records of the candidate"
        return unpaired(self.new, self.old)

    def contrasts(self) -> dict[str, Contrast]:
        """Returns score, such as ``labels.kappa``, → candidate minus baseline."""
        assert self.new is not None
        assert self.old is not None
        return {
            f"{self.what}.{name}": contrast
            for name, contrast in quality_differences(self.new, self.old).items()
            if STAGES[name] == self.what
        }


def stage_pairs(pairs: Sequence[tuple[Group, Group]]) -> list[StagePair]:
    """Returns the distinct pairs of stages of some pairs of cells."""
    found: dict[tuple[str, ...], StagePair] = {}
    for old, new in pairs:
        for seed in old.members.keys() & new.members.keys():
            sides = old.members[seed], new.members[seed]
            axes = set(old.first.axes.items())
            for place in sides[0][1].labels | sides[0][1].transcripts:
                for what in _STAGE:
                    keys = [_key(record, place, what) for _, record in sides]
                    if None in keys:
                        continue
                    name = (old.cell.experiment, place, what, *map(str, keys))
                    if name not in found:
                        before, after = (record_sums(*side).get(place) for side in sides)
                        found[name] = StagePair(old.cell.experiment, place, what, before, after)
                    found[name].axes.append(axes)
    return list(found.values())


def _key(record: ResultRecord, corpus: str, what: str) -> str | None:
    use = record.stages.get(f"{_STAGE[what]} {corpus.partition(' ')[0]}")
    return None if use is None else use.key
