"""What a measurement declares. Settings, plan, record, tables and report are filled from it.

The numbers of an evaluation come first for every target and are no measurement in this sense: a
measurement adds results beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, Field, create_model

from ..audio.flatten import Cue
from ..evaluation.arrays import Floats
from ..evaluation.results import Metric, Result
from ..evaluation.statistics import Statistic, ratios_of
from ..kinds.dataset import Card
from ..stages.embed.spec import HeadPooling
from ..stages.evaluate.spec import Params as Design
from ..store import PluginIdentity, Spec
from ..taxonomy import Taxonomy

if TYPE_CHECKING:
    import pyarrow as pa

    from ..evaluation.predictions import Classified

R = TypeVar("R", bound=Result)
M = TypeVar("M", bound=BaseModel)
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""A seed that the generators of numpy and torch accept."""
Keys = Mapping[str, str]
"""Plugin, or the measurement's own name → key of the stage with its result."""


class Target(Protocol):
    """A labelled set and an encoder, as a measurement sees them when it plans its stages."""

    settings: Any
    """The experiment's settings (`experiment.settings.model.Experiment`)."""
    place: str
    """Place of the labelled set in the cell, such as ``targets.0``."""
    name: str
    """Name of the labelled set."""
    utterances: str
    """Key of its utterances."""
    gold: Taxonomy | None
    """Taxonomy of its human labels; None without labels."""
    extras: Sequence[str]
    """Names of its utterances' extras."""
    card: Card
    """Facts about the labelled set, such as its dimensions."""
    protocols: Mapping[str, str]
    """Its official protocols → protocol that makes their folds."""
    encoder: Any
    """The encoder plugin."""
    identity: PluginIdentity
    """The encoder in keys."""
    control: str | None
    """Control that the cell is, such as ``shuffled``; None for a main cell."""
    seed: int | None
    """Seed of pre-training or of the random weights; None if nothing is drawn."""
    model: str | None
    """Key of pre-training; None without it."""
    embeddings: str
    """Key of the embeddings that are evaluated."""
    title: str
    """The set's unique name among the targets, such as ``manifest.1``."""

    @property
    def others(self) -> Sequence[Target]:
        """The cell's other labelled sets, with the same encoder and weights."""

    @property
    def trainable(self) -> bool:
        """Whether the encoder can be trained."""

    @property
    def weak(self) -> Taxonomy:
        """Taxonomy of the weak labels."""

    @property
    def design(self) -> Design:
        """Protocol, folds and budgets of the evaluation."""

    @property
    def evaluation(self) -> Spec:
        """Content of the evaluation's key."""

    def features(self, cue: Cue | None = None) -> str | None:
        """Plans the front end; None for an encoder that takes waveforms.

        Args:
            cue: cue of prosody that is removed from the speech first.
        """

    def embedded(self, cue: Cue | None = None, pooling: HeadPooling | None = None) -> str:
        """Plans embeddings of speech without a cue, or pooled as the pre-trained head expects."""

    def measured(self, probe: Any) -> str:
        """Plans the values that a probe measures on the sound."""

    def labels(self) -> str:
        """Plans the set's own weak labels, and its transcripts if the labeler reads them."""

    def plugin(self, kind: str, ref: Any) -> Any:
        """Creates a plugin that the settings name."""

    def taxonomy(self, name: str) -> Taxonomy:
        """Returns a taxonomy by its name or path."""

    def params(self, section: BaseModel, model: type[BaseModel]) -> Any:
        """Returns the part of a section that enters a key."""

    def stage(
        self, make: Callable[..., Spec], title: str, threads: int, place: str, /, **inputs: Any
    ) -> str:
        """Adds the stage ``make(**inputs)`` to the plan and returns its key.

        Args:
            make: `spec` of the stage.
            title: short description for people; in no key.
            threads: CPU threads that it occupies.
            place: place in the cell, such as ``flatten targets.0``; names it in the record.
            inputs: arguments of `make`.
        """

    def note(self, sentence: str) -> None:
        """Notes in the record what was asked for and cannot be measured."""


@dataclass(frozen=True)
class Section:
    """A section of experiment files."""

    name: str
    model: type[BaseModel]
    doc: str
    """Its line in the reference."""
    optional: bool = True
    """Whether it switches the measurement on; otherwise it is filled with defaults."""
    in_recipe: bool = True
    """Whether other settings make another row of the leaderboard."""


@dataclass(frozen=True)
class Switch:
    """An entry of `controls` that switches a measurement on."""

    name: str
    default: bool
    doc: str
    """Its line in the reference."""


SpeakerSums = tuple[Sequence[str], Floats]
"""Speakers, sorted, and their sums, shape (speakers, m)."""
WHOLE = ""
"""Name of a score at no particular label budget, which `Column.read` returns."""


@dataclass(frozen=True)
class Column(Generic[R]):
    """A score: a column of the leaderboard, which is shown if a row has a value.

    With `sums`, it is also a metric of `lanser-bench compare`, `gate`, `dose` and of declared
    comparisons: a file beside the record has its sums over speakers, so two cells are paired by
    speaker, and `lanser-bench results validate` computes it again from them.
    """

    name: str
    """In JSON, and as ``--metric NAME``."""
    head: str
    read: Callable[[R], Metric | None]
    bounds: tuple[float, float] = (0.0, 1.0)
    """Range of the score."""
    points: bool = True
    """Whether tables show it in percent; otherwise as a decimal, such as a correlation."""
    lower_is_better: bool = False
    sums: Callable[[R, pa.Table], Mapping[str, SpeakerSums]] | None = None
    """(result, the stage's `predictions.parquet`) → budget, or `WHOLE`, → sums over speakers.
    `evaluation.statistics.flat` gives those of a mean of ratios, such as UAR or a mean error."""
    score: Callable[[Floats], Statistic] = ratios_of
    """Sums over speakers → the score; replace it for a score that is no mean of ratios."""
    budgets: Callable[[R], Mapping[str, Metric]] = lambda result: {}
    """Budget → the score there, for ``--budget``; a key for each one of `sums`."""


@dataclass(frozen=True)
class Score:
    """A score in the leaderboard's table of probe targets."""

    name: str
    """``probe.target (scale)``."""
    metric: Metric
    """R², or UAR for classes."""
    chance: float | None = None
    """UAR of guessing; None for R²."""


@dataclass(frozen=True)
class ReportPlot(Generic[R]):
    """A picture above a table of the report: shares against shares, with the diagonal."""

    title: str
    x: str
    """Name of the horizontal axis, in percent."""
    y: str
    points: Callable[[R], Sequence[tuple[float, Metric]]]
    """Result → its points by rising x."""


@dataclass(frozen=True)
class ReportCurve(Generic[R]):
    """Label-efficiency curves above a table of the report."""

    score: str
    points: Callable[[R], Sequence[tuple[float | None, float, Metric]]]
    """Result → share of the labels, number of labels and score of each budget."""


@dataclass(frozen=True)
class ReportTable(Generic[R]):
    """A section of the HTML report: one or more lines per row of the leaderboard."""

    order: int
    """Position among the sections of measurements."""
    anchor: str
    title: str
    note: str
    """Text above the table; ``{chance}`` is the UAR of guessing in percent."""
    heads: tuple[str, ...]
    """Column heads after that of the row's name."""
    lines: Callable[[Sequence[R]], Iterable[tuple[str | Metric, ...]]]
    """Results, one per seed → cells under `heads`."""
    sort_by: str | None = None
    """Head of the column that lines are sorted by, best first; None: the leaderboard's order."""
    differences: frozenset[str] = frozenset()
    """Heads of columns in bold if their interval excludes 0."""
    plot: ReportPlot[R] | None = None
    curve: ReportCurve[R] | None = None
    pictured: tuple[str, ...] = ()
    """Heads of shares that are also drawn, as dots with intervals on one line from 0 to 100 %."""


@dataclass(frozen=True)
class ReportMap:
    """A section of the HTML report: scores against those of the best control, as a heat map."""

    order: int
    anchor: str
    title: str
    note: str


@dataclass(frozen=True)
class Crossed:
    """Predictions of one labelled set by a head of others: an entry of a `Matrix`."""

    trained_on: tuple[str, ...]
    """Names of the training sets."""
    labels: tuple[str, ...]
    answers: Classified
    within: Classified | None
    """Of the same utterances by heads of the set itself; None if they cannot be trained."""


@dataclass(frozen=True)
class Matrix(Generic[R]):
    """A view of training sets × tested sets, in the leaderboard and the report."""

    anchor: str
    title: str
    note: str
    cells: Callable[[R, pa.Table], Iterable[Crossed]]
    """From a result and its predictions."""
    notes: Callable[[str, R], Iterable[str]]
    """Name of the tested set and its result → what was left out."""


@dataclass(frozen=True, kw_only=True)
class Measurement(Generic[R]):
    """One measurement: its stage, settings, part of the record, table columns, report section."""

    name: str
    """Field of the result record."""
    file: str
    """File with the result in the stage's artifact."""
    result: type[R]
    plan: Callable[[Target], Keys]
    """Adds its stages for one target; returns no key if it is switched off or not possible."""
    many: bool = False
    """Whether there is one result per plugin, as a list in the record."""
    section: Section | None = None
    switch: Switch | None = None
    columns: tuple[Column[R], ...] = ()
    scores: Callable[[R], Iterable[Score]] = lambda result: ()
    """Scores for the table of probe targets."""
    numbers: Callable[[R], Iterable[tuple[str, Metric]]] = lambda result: ()
    """Name → number that `lanser-bench rerun` compares."""
    recomputed: Callable[[R, pa.Table], Iterable[tuple[str, float, float]]] | None = None
    """If set, the stage's predictions are saved beside the record. Returns from a result and its
    predictions: name, score in the result, score of the predictions; `results validate` compares
    them."""
    kept: pa.Schema | None = None
    """Columns of these predictions; whole numbers are at least −1."""
    notes: Callable[[R], Iterable[str]] = lambda result: ()
    """Warnings for the notes below tables."""
    report: ReportTable[R] | ReportMap | None = None
    matrix: Matrix[R] | None = None
    """Needs `recomputed`, so that predictions are beside the record."""


def with_fields(fields: Mapping[str, tuple[Any, Any]]) -> Callable[[type[M]], type[M]]:
    """Class decorator: adds fields, name → type and default, to a pydantic model."""

    def extended(model: type[M]) -> type[M]:
        options: dict[str, Any] = dict(fields)
        return create_model(
            model.__name__,
            __base__=model,
            __module__=model.__module__,
            __doc__=model.__doc__,
            **options,
        )

    return extended
