"""How well do labelers agree with human labels of written sentences, and how fast are they?

    python tests/benchmarks/labeler_quality.py --data FOLDER [--split test] [--rows N] [--seed 0]
        [--precision bf16] [--direct] [--more 'NAME OPTION=VALUE ...' ...]

FOLDER holds text_goemotions and text_tweeteval_emotion. Prints, as Markdown, a table per set of
labeler × template choice × taxonomy, then the quality ladder. Everything is zero-shot: no gold
label is seen before the comparison, but for `majority`, which knows the training split's largest
class. "Corrected" is the label stage's `prior_correction: corpus-mean`, which sees the texts and no
label. Rows are a random sample by `--seed`; brackets hold 95 % percentile bootstrap intervals over
rows, since the sets name no speakers. Texts per second are of a few rows, loading left out, in
float32.

Labels are compared where the set's gold is: GoEmotions in its grouping to Ekman's six and neutral,
TweetEval in its four labels. A label without a counterpart there is wrong, like an abstention.
Entailment is asked for goemotions-28 with the first template only, since every label costs a pass.
`--precision bf16` speeds entailment's scoring up where the processor has it; `--direct` labels by
the set's own taxonomy alone. `--more` adds rows for models that are at hand, such as
'entailment model=FacebookAI/roberta-large-mnli' or 'llm model=FOLDER'; `--alone` measures only
these.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lanser_bench import Scores, Taxonomy, TextRecord
from lanser_bench.cli._options import parsed_options
from lanser_bench.evaluation.agreement import Units, agreement, share
from lanser_bench.evaluation.results import Metric
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.taxonomies import find_taxonomy
from lanser_bench.stages.label.decision import decide
from lanser_bench.stages.label.spec import Params
from lanser_bench.taxonomy import mapped_choice

Ints = npt.NDArray[np.int64]
ROWS = Units("rows", None)
TIMED = {"entailment": 32, "llm": 16}
"""Rows that are timed; 200 where a labeler is not named here."""
MANY = 12
"""More labels than this are asked of entailment with one template only."""
SETS = (
    (
        "GoEmotions, in Ekman's six and neutral",
        "text_goemotions",
        "goemotions",
        "goemotions-28",
        ("goemotions-ekman", "goemotions-28", "ekman-6"),
    ),
    (
        "TweetEval emotion, in its four labels",
        "text_tweeteval_emotion",
        "tweeteval",
        "tweeteval-4",
        ("tweeteval-4", "goemotions-28", "goemotions-ekman"),
    ),
)
"""Title, folder, layout, taxonomy of the gold, taxonomies to label by: the first is compared in."""
HEADER = (
    "taxonomy",
    "labeler",
    "templates",
    "UAR",
    "kappa",
    "UAR, corrected",
    "kappa, corrected",
    "coverage",
    "texts/s",
)
LADDER = ("random", "majority", "lexicon", "similarity", "entailment", "similarity + entailment")


@dataclass(frozen=True)
class Sample:
    """Sentences with gold, in the taxonomy of comparison."""

    records: list[TextRecord]
    target: Taxonomy
    single: Ints
    """Shape (n,): the one gold label; −1 where there are several."""
    sets: npt.NDArray[np.bool_]
    """Shape (n, K)."""
    majority: int
    """Largest class of the training split."""


@dataclass(frozen=True)
class Answer:
    """Scores of one labeler with one choice of templates."""

    labeler: str
    templates: str
    scores: Scores
    rate: float | None


def load(data: Path, entry: tuple[Any, ...], split: str, rows: int, seed: int) -> Sample:
    """Draws the sample and maps its gold."""
    _, folder, layout, gold_name, names = entry
    plugin = registry().create("dataset", "text", {"layout": layout})
    found = list(plugin.utterances(data / folder))
    gold_taxonomy, target = (find_taxonomy(registry(), n) for n in (gold_name, names[0]))
    matrix = gold_taxonomy.map_to(target) > 0
    sets = np.array([matrix[[gold_taxonomy.index(g) for g in u.gold]].any(0) for u in found])
    single = np.where(sets.sum(1) == 1, sets.argmax(1), -1)
    train = np.array([u.split == "train" for u in found])
    there = np.flatnonzero([u.split == split for u in found])
    kept = np.sort(np.random.default_rng(seed).permutation(there)[:rows])
    records = [TextRecord(id=found[i].id, text=found[i].transcript or "") for i in kept]
    majority = int(np.bincount(single[train & (single >= 0)]).argmax())
    return Sample(records, target, single[kept], sets[kept], majority)


def timed(plugin: Any, records: list[TextRecord], taxonomy: Taxonomy, rows: int = 200) -> float:
    """Texts per second, once the model is loaded."""
    plugin.score(records[:2], taxonomy)
    begin = time.perf_counter()
    plugin.score(records[:rows], taxonomy)
    return len(records[:rows]) / (time.perf_counter() - begin)


def similarity(records: list[TextRecord], taxonomy: Taxonomy) -> Iterator[Answer]:
    """Each template alone, all averaged, and all without synonyms."""
    choices: list[tuple[str, dict[str, Any]]] = [
        (template, {"templates": [template]}) for template in taxonomy.templates
    ]
    choices += [
        ("all", {"templates": "all"}),
        ("all, no synonyms", {"templates": "all", "synonyms": False}),
    ]
    for words, options in choices:
        plugin = registry().create("labeler", "similarity", options)
        rate = timed(plugin, records, taxonomy)
        yield Answer("similarity", words, plugin.score(records, taxonomy), rate)


class Pairs:
    """Entailment of every text with every distinct hypothesis, scored once for all taxonomies."""

    def __init__(
        self,
        records: list[TextRecord],
        taxonomies: list[Taxonomy],
        name: str,
        options: dict[str, Any],
        precision: str,
    ) -> None:
        self.name, self.options, self.records = name, options, records
        self.templates = taxonomies[0].templates
        few = _wordings([t for t in taxonomies if len(t.labels) <= MANY])
        self.words = dict.fromkeys(self.templates, few)
        self.words[self.templates[0]] = _wordings(taxonomies)
        self.logits = {}
        for template, words in self.words.items():
            labels = [{"name": f"label-{i}", "hypothesis": word} for i, word in enumerate(words)]
            union = Taxonomy.model_validate(
                {"name": "union", "version": "1", "citation": "-", "labels": labels}
            )
            plugin = self.plugin(templates=[template], precision=precision)
            scores = plugin.score(records, union)
            assert scores.logits is not None
            self.logits[template], self.abstained = scores.logits, scores.abstained

    def plugin(self, **more: Any) -> Any:
        """The labeler with some options."""
        return registry().create("labeler", "entailment", {**self.options, **more})

    def answers(self, taxonomy: Taxonomy) -> Iterator[Answer]:
        """Each template alone, and all averaged by both ways of scoring."""
        first = self.templates[0]
        rows = TIMED["entailment"]
        found = {first: self._columns(first, taxonomy)}
        rates = {first: timed(self.plugin(), self.records, taxonomy, rows)}
        if len(taxonomy.labels) <= MANY:
            found = {t: self._columns(t, taxonomy) for t in self.templates}
            rates = dict.fromkeys(self.templates, rates[first])
            found["all"] = np.mean(list(found.values()), axis=0)
            rates["all"] = timed(self.plugin(templates="all"), self.records, taxonomy, rows)
        for words, logits in found.items():
            evidence = self.plugin()._evidence(logits).astype(np.float64)
            powers = np.exp(evidence - evidence.max(1, keepdims=True))
            values = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
            scores = Scores(values, "distribution", self.abstained, logits)
            yield Answer(self.name, words, scores, rates[words])
        words = "all" if "all" in found else first
        own = self.plugin(scoring="independent")._evidence(found[words]).astype(np.float64)
        values = (1 / (1 + np.exp(-own))).astype(np.float32)
        scores = Scores(values, "independent", self.abstained, found[words])
        yield Answer(self.name, f"{words}, each label alone", scores, rates[words])

    def _columns(self, template: str, taxonomy: Taxonomy) -> npt.NDArray[np.float32]:
        place = {word: i for i, word in enumerate(self.words[template])}
        return self.logits[template][:, [place[label.hypothesis] for label in taxonomy.labels]]


def _wordings(taxonomies: list[Taxonomy]) -> list[str]:
    return list(dict.fromkeys(label.hypothesis for t in taxonomies for label in t.labels))


def answers(
    sample: Sample,
    taxonomy: Taxonomy,
    pairs: list[Pairs],
    more: list[tuple[str, Any]],
    alone: bool,
) -> Iterator[Answer]:
    """All labelers over one taxonomy, or with `alone` those of `pairs` and `more`."""
    records = sample.records
    for name in () if alone else ("random", "lexicon"):
        plugin = registry().create("labeler", name, {})
        yield Answer(name, "–", plugin.score(records, taxonomy), timed(plugin, records, taxonomy))
    found = [] if alone else [*similarity(records, taxonomy)]
    for one in pairs:
        found += one.answers(taxonomy)
    yield from found
    both = [a for a in found if a.templates == "all" and a.labeler in ("similarity", "entailment")]
    if len(both) == 2:
        # What `ensemble` with `combine: mean` makes of the two.
        mean = np.mean([a.scores.values for a in both], axis=0)
        slower = 1 / sum(1 / (a.rate or np.inf) for a in both)
        scores = Scores(mean, "distribution", both[0].scores.abstained)
        yield Answer("similarity + entailment", "all", scores, slower)
    for name, options in more:
        plugin = registry().create("labeler", name, options)
        words = " ".join(f"{key}={value}" for key, value in options.items())
        rate = timed(plugin, records, taxonomy, TIMED.get(name, 200))
        yield Answer(f"{name} {words}", "–", plugin.score(records, taxonomy), rate)


def chosen(answer: Answer, taxonomy: Taxonomy, sample: Sample, correction: str) -> Ints:
    """Labels in the taxonomy of comparison, −1 where there is none."""
    scores = answer.scores
    params = Params(prior_correction=correction)  # type: ignore[arg-type]
    decision = decide(scores.values, scores.kind, scores.abstained, taxonomy, params)
    if taxonomy.names == sample.target.names:
        return decision.index.astype(np.int64)
    total = decision.scores.sum(1, keepdims=True)
    shares = np.divide(decision.scores, total, out=np.zeros_like(decision.scores), where=total > 0)
    best = mapped_choice(shares, taxonomy.map_to(sample.target))[1]
    return np.where(decision.index >= 0, best, -1)


def measured(labels: Ints, sample: Sample) -> dict[str, Metric]:
    """UAR, kappa, macro-F1 on rows with one gold label; hit in the gold set on all."""
    rows = sample.single >= 0
    found = agreement(sample.single[rows], labels[rows], len(sample.target.labels), ROWS)
    given = labels >= 0
    hits = sample.sets[np.flatnonzero(given), labels[given]]
    return found | {"hit": share(hits, ROWS), "coverage": share(given, ROWS)}


def shown(score: Metric) -> str:
    made = score.interval
    assert made is not None
    return f"{score.value:.3f} [{made.low:.3f}, {made.high:.3f}]"


def line(cells: list[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def one_set(entry: tuple[Any, ...], args: argparse.Namespace) -> dict[str, dict[str, Metric]]:
    """Prints a set's table; returns the scores of the ladder's rungs."""
    title, *_, names = entry
    sample = load(args.data, entry, args.split, args.rows, args.seed)
    taxonomies = [find_taxonomy(registry(), name) for name in names]
    if args.direct:
        taxonomies = taxonomies[:1]
    several, single = int((sample.sets.sum(1) > 1).sum()), sample.single[sample.single >= 0]
    print(
        f"\n### {title}: {args.split}, {len(sample.records)} rows drawn with seed {args.seed}\n\n"
        f"{len(single)} rows with one label, {several} with several; chance UAR "
        f"{1 / len(sample.target.labels):.3f}; largest class "
        f"{np.bincount(single).max() / len(single):.2f}.\n"
    )
    line(list(HEADER))
    print(f"|{'---|' * len(HEADER)}")
    more = [(word.split()[0], parsed_options(word.split()[1:])) for word in args.more]
    named = [] if args.alone else [("entailment", dict[str, Any]())]
    named += [(f"entailment {o.get('model', '')}", o) for name, o in more if name == "entailment"]
    pairs = [Pairs(sample.records, taxonomies, name, o, args.precision) for name, o in named]
    more = [(name, options) for name, options in more if name != "entailment"]
    rungs = {"majority": measured(np.full(len(sample.records), sample.majority), sample)}
    for taxonomy in taxonomies:
        for answer in answers(sample, taxonomy, pairs, more, args.alone):
            plain, corrected = (
                measured(chosen(answer, taxonomy, sample, how), sample)
                for how in ("none", "corpus-mean")
            )
            line(
                [
                    taxonomy.name,
                    answer.labeler,
                    answer.templates,
                    shown(plain["uar"]),
                    shown(plain["kappa"]),
                    shown(corrected["uar"]),
                    shown(corrected["kappa"]),
                    f"{plain['coverage'].value:.3f}",
                    f"{answer.rate:.0f}",
                ]
            )
            if taxonomy is taxonomies[0] and answer.templates in ("–", "all"):
                rungs[answer.labeler] = plain
    gold = np.where(sample.single >= 0, sample.single, sample.sets.argmax(1))
    return rungs | {"gold": measured(gold, sample)}


def ladder(found: dict[str, dict[str, dict[str, Metric]]], larger: list[str]) -> None:
    """Prints the quality ladder, from the bottom."""
    print(
        "\n### The quality ladder: each labeler's default scoring, all templates, no correction\n"
    )
    columns = [f"{name}: {what}" for name in found for what in ("UAR", "kappa", "hit in gold set")]
    line(["labeler", *columns])
    print(f"|{'---|' * (len(columns) + 1)}")
    for rung in (*LADDER, *larger, "gold"):
        cells = []
        for scores in found.values():
            one = scores.get(rung)
            cells += [shown(one[key]) for key in ("uar", "kappa", "hit")] if one else ["–"] * 3
        line([rung, *cells])
    if not larger:
        line(["larger NLI, llm", *["no weights present here"] * len(columns)])


def main() -> None:
    """Prints both tables and the ladder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--rows", type=int, default=1000, help="rows of each set, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--direct", action="store_true", help="the set's own taxonomy alone")
    parser.add_argument("--alone", action="store_true", help="no labelers but those of --more")
    parser.add_argument("--more", action="append", default=[], help="'NAME OPTION=VALUE ...'")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    found = {entry[2]: one_set(entry, args) for entry in SETS}
    larger = {rung for scores in found.values() for rung in scores} - {*LADDER, "gold"}
    ladder(found, sorted(larger))


if __name__ == "__main__":
    main()
