"""Tests of the contract of a labeler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ..kinds.labeler import ColumnLabeler, Labeler, SettlingLabeler, TextRecord
from ..stages.label.decision import score_fault
from ..stages.label.records import blanked, checked_reads
from ..stages.label.settling import checked_settled
from ..taxonomy import Label, NeutralRule, Taxonomy
from ._batches import BatchSuite, difference
from ._speech import tone

TAXONOMY = Taxonomy(
    name="suite-3",
    version="1",
    citation="made for tests",
    templates=("I am {}.", "The speaker feels {}."),
    labels=(
        Label(name="anger", hypothesis="angry", synonyms=("furious",)),
        Label(name="joy", hypothesis="happy", synonyms=("delighted",)),
        Label(name="sadness", hypothesis="sad"),
    ),
    neutral_rule=NeutralRule(kind="keep"),
)

TEXTS = (
    "Get out of my house, I am angry with you!",
    "We won, we really won, I am so happy!",
    "I am sad, I miss her every single day.",
    "The bus leaves at nine.",
    "No.",
    "Well, I suppose that we could try the other road, if the bridge is closed and you have time.",
)
ODD_TEXTS = (
    "😀😡 ¯\\_(ツ)_/¯",
    "word " * 10_000,
    "Ich freue mich so sehr auf dich!",
    "今日はとても嬉しいです。",
    "\x00\ufffd\u200b",
    "<s>[MASK]</s> {} %s {0}",
    "?",
)


Row = tuple[Any, bool]
"""The scores of a record, shape (K,), and whether it abstained."""


class LabelerSuite(BatchSuite):
    """Inherit and write `make`; override `taxonomy`, `texts` or `tolerance` if necessary."""

    anchor: ClassVar[str] = "docs/plugins/labeler.md#rules"
    taxonomy: ClassVar[Taxonomy] = TAXONOMY
    texts: ClassVar[Sequence[str]] = TEXTS

    def items(self) -> list[TextRecord]:
        """Returns a record per text."""
        return self.records(self.texts)

    def full_items(self) -> list[TextRecord]:
        """Returns the records with all fields."""
        return self._full(self.texts)

    def large_batch(self) -> list[TextRecord]:
        """Returns 33 records or more, of different texts in the middle."""
        blanks = [text + " " * n for n in range(1, 5) for text in self.texts]
        return [*self.items(), *self.records(blanks)[: 33 - 2 * len(self.texts)], *self.items()]

    def records(self, texts: Sequence[str]) -> list[TextRecord]:
        """Returns records with the fields that the labeler reads."""
        reads = checked_reads(self.plugin, type(self.plugin).__name__)
        return [blanked(one, reads, f"record-{i}") for i, one in enumerate(self._full(texts))]

    def _full(self, texts: Sequence[str]) -> list[TextRecord]:
        names = self.taxonomy.names
        return [
            TextRecord(
                id=f"utterance-{i}",
                text=text,
                context=("What did he say?", "Nothing new."),
                language="en",
                avg_logprob=-0.3,
                no_speech_prob=0.01,
                gold={names[i % len(names)]: 1.0},
                recording=f"{i:064x}",
                audio=tone(0.1 + 0.025 * (i % 7), 100.0 + 20 * (i % 11)).samples,
            )
            for i, text in enumerate(texts)
        ]

    def run(self, plugin: Labeler[Any], items: Sequence[TextRecord]) -> list[Row]:
        """Scores records with the suite's taxonomy."""
        return self.scored(plugin, items, self.taxonomy)

    def scored(
        self, plugin: Labeler[Any], records: Sequence[TextRecord], taxonomy: Taxonomy
    ) -> list[Row]:
        """Returns scores and abstentions after checks of their form."""
        k = len(taxonomy.labels)
        scores = plugin.score(records, taxonomy)
        fault = score_fault(scores, len(records), k)
        self.require(not fault, f"{fault}.", "Return `Scores` as its docstring says, a row each.")
        values, abstained = np.asarray(scores.values), np.asarray(scores.abstained)
        self.require(
            values.dtype == np.float32 and abstained.dtype == np.bool_,
            f"values are {values.dtype} and abstained is {abstained.dtype}.",
            "Return values of float32 and abstained of bool.",
        )
        blank = 1 / k if scores.kind == "distribution" else 0.0
        self.require(
            np.allclose(values[abstained], blank, atol=1e-3),
            f"The scores of a record that abstains are {values[abstained][:1].tolist()}.",
            f"Set its row to {blank:.3g}: uniform in a distribution, zero if independent.",
        )
        return list(zip(values, abstained.tolist(), strict=True))

    def test_some_text_has_a_label(self) -> None:
        """A labeler gives a label to some of the usual texts."""
        self.require(
            not all(abstained for _, abstained in self._first()),
            "It abstained on all texts.",
            "Set the suite's `texts` to some that it can label, or return fewer abstentions.",
        )

    def test_the_columns_follow_the_taxonomy(self) -> None:
        """Reversing the taxonomy reverses the columns and changes nothing else."""
        if "id" in self.plugin.reads:
            return  # random scores follow no column
        turned = self.taxonomy.model_copy(update={"labels": self.taxonomy.labels[::-1]})
        turned = Taxonomy.model_validate(turned.model_dump())
        rows = self.scored(self.plugin, self.items(), turned)
        back = [(values[::-1], abstained) for values, abstained in rows]
        found = difference(self._first(), back, self.tolerance)
        self.require(
            not found,
            f"With the labels in reversed order, scores are others: {found}.",
            "Order columns as `taxonomy.labels`; do not sort them or keep those of a first call.",
        )

    def test_each_call_uses_its_own_taxonomy(self) -> None:
        """Scores follow the taxonomy of the call, even if another had the same name."""
        labels = tuple(
            label.model_copy(update={"hypothesis": other.hypothesis, "synonyms": other.synonyms})
            for label, other in zip(
                self.taxonomy.labels,
                self.taxonomy.labels[1:] + self.taxonomy.labels[:1],
                strict=True,
            )
        )
        reworded = self.taxonomy.model_copy(update={"labels": labels})
        reworded = Taxonomy.model_validate(reworded.model_dump())
        used = self.scored(self.plugin, self.items(), reworded)
        found = difference(self.scored(self.make(), self.items(), reworded), used)
        self.require(
            not found,
            f"After another taxonomy of the same name, scores differ from a new plugin's: {found}.",
            "Key what you cache by `taxonomy.hash`, not by its name or its labels' names.",
        )

    def test_no_records_give_no_scores(self) -> None:
        """An empty batch raises no error."""
        self.run(self.plugin, [])

    def test_empty_text_abstains(self) -> None:
        """A labeler that reads the text gives no label to empty text."""
        rows = self.run(self.plugin, self.records(["", "   ", self.texts[0]]))
        self.require(
            "text" not in self.plugin.reads or (rows[0][1] and rows[1][1]),
            "It gave a label to empty text.",
            "Set `abstained` where `record.text.strip()` is empty.",
        )

    def test_taxonomies_of_two_and_of_500_labels_are_scored(self) -> None:
        """Few and many labels give a column each."""
        for count in (2, 500):
            labels = tuple(Label(name=f"l{i}", hypothesis=f"feeling {i}") for i in range(count))
            changed = self.taxonomy.model_dump() | {"name": f"suite-{count}", "labels": labels}
            taxonomy = Taxonomy.model_validate(changed | {"neutral": None, "maps": {}})
            records = [replace(one, gold=None) for one in self.records(self.texts[:1])]
            self.scored(self.plugin, records, taxonomy)

    def test_columns_do_not_depend_on_each_other(self) -> None:
        """A labeler that shares columns computes each alone as among others, bit by bit."""
        if not isinstance(self.plugin, ColumnLabeler):
            return
        names = list(dict.fromkeys(self.plugin.columns(self.taxonomy)))
        together = self.plugin.compute(self.items(), names)
        alone = [self.plugin.compute(self.items(), [name])[0] for name in names]
        found = difference(list(together), alone)
        self.require(not found, f"Alone, columns differ: {found}.", "Put one column in a batch.")

    def test_what_it_settles_keeps_to_the_contract(self) -> None:
        """A labeler that settles a corpus returns members' logits and decides alike twice."""
        if not (isinstance(self.plugin, SettlingLabeler) and self.plugin.settles):
            return
        logits = self.plugin.score(self.items(), self.taxonomy).logits
        if logits is None or logits.ndim != 3:
            self.require(False, "logits lack members.", "Give shape (records, labels, members).")
            return
        k = len(self.taxonomy.labels)
        drawn = np.random.default_rng(0).integers(-1, k, (40, logits.shape[2])).astype(np.int16)
        for votes in (drawn, np.full_like(drawn, -1), drawn[:0]):
            first = checked_settled(self.plugin, "under test", votes, self.taxonomy)
            again = checked_settled(self.plugin, "under test", votes, self.taxonomy)
            found = difference([first.rows, first.table], [again.rows, again.table])
            self.require(not found, f"settle() decided otherwise: {found}.", "Seed what it draws.")

    def test_odd_texts_survive(self) -> None:
        """Emoji, 10,000 words, other languages and markup raise no exception."""
        self.run(self.plugin, self.records(ODD_TEXTS))
