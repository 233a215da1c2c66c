"""Tests of the contract of a labeler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ..kinds.labeler import Scores, SettlingLabeler, TextRecord
from ..kinds.speech import Waveform
from ..stages.label.decision import score_fault
from ..stages.label.records import blanked, checked_reads
from ..stages.label.settling import checked_settled
from ..taxonomy import Label, NeutralRule, Taxonomy
from ._base import PluginSuite

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


def _sound(i: int) -> Waveform:
    """Noise of 0.1 s and more, different for each record."""
    rng = np.random.default_rng(i)
    return (0.1 * rng.standard_normal(1600 + 400 * (i % 7))).astype(np.float32)


class LabelerSuite(PluginSuite):
    """Inherit and write `make`; override `taxonomy`, `texts` or `tolerance` if necessary."""

    taxonomy: ClassVar[Taxonomy] = TAXONOMY
    texts: ClassVar[Sequence[str]] = TEXTS
    tolerance: ClassVar[float] = 1e-5
    """Largest difference that other records in the batch may cause."""

    def records(self, texts: Sequence[str]) -> list[TextRecord]:
        """Returns records with the fields that the labeler reads."""
        reads = checked_reads(self.plugin, type(self.plugin).__name__)
        names = self.taxonomy.names
        return [
            blanked(
                TextRecord(
                    id=f"utterance-{i}",
                    text=text,
                    context=("What did he say?", "Nothing new."),
                    language="en",
                    avg_logprob=-0.3,
                    no_speech_prob=0.01,
                    gold={names[i % len(names)]: 1.0},
                    audio=_sound(i),
                ),
                reads,
                f"record-{i}",
            )
            for i, text in enumerate(texts)
        ]

    def use(self, plugin: Any) -> Scores:
        """Scores the texts."""
        scores: Scores = plugin.score(self.records(self.texts), self.taxonomy)
        return scores

    def scores(self, records: Sequence[TextRecord]) -> Scores:
        """Scores records and checks the scores."""
        scores: Scores = self.plugin.score(records, self.taxonomy)
        fault = score_fault(scores, len(records), len(self.taxonomy.labels))
        assert not fault, fault
        return scores

    def test_scores_are_finite_with_a_column_per_label(self) -> None:
        """Shapes, ranges and sums are as declared, and some text gets a label."""
        assert not self.scores(self.records(self.texts)).abstained.all()

    def test_the_columns_follow_the_taxonomy(self) -> None:
        """Reversing the taxonomy reverses the columns and changes nothing else."""
        records = self.records(self.texts)
        if "id" in self.plugin.reads:
            return  # random scores follow no column
        straight = self.scores(records).values
        turned = self.taxonomy.model_copy(update={"labels": self.taxonomy.labels[::-1]})
        turned = Taxonomy.model_validate(turned.model_dump())
        reverse = self.plugin.score(records, turned).values
        np.testing.assert_allclose(straight, reverse[:, ::-1], atol=self.tolerance)

    def test_it_is_deterministic(self) -> None:
        """The same labeler and a new one give the same scores for the same records."""
        records = self.records(self.texts)
        first = self.scores(records)
        np.testing.assert_array_equal(first.values, self.scores(records).values)
        fresh = self.make().score(records, self.taxonomy)
        np.testing.assert_array_equal(first.values, fresh.values)

    def test_a_record_is_scored_alike_alone_and_among_32(self) -> None:
        """Batching and padding change nothing."""
        texts = [self.texts[i % len(self.texts)] + " " * (i // len(self.texts)) for i in range(32)]
        records = self.records(texts)
        together = self.scores(records)
        alone = np.concatenate([self.scores([record]).values for record in records[:6]])
        np.testing.assert_allclose(together.values[:6], alone, atol=self.tolerance)

    def test_no_records_give_no_scores(self) -> None:
        """An empty batch raises no error."""
        assert self.scores([]).values.shape == (0, len(self.taxonomy.labels))

    def test_empty_text_abstains(self) -> None:
        """A labeler that reads the text gives no label to empty text."""
        abstained = self.scores(self.records(["", "   ", self.texts[0]])).abstained
        if "text" in self.plugin.reads:
            assert abstained[:2].all()

    def test_taxonomies_of_two_and_of_500_labels_are_scored(self) -> None:
        """Few and many labels give a column each."""
        for count in (2, 500):
            labels = tuple(Label(name=f"l{i}", hypothesis=f"feeling {i}") for i in range(count))
            changed = self.taxonomy.model_dump() | {"name": f"suite-{count}", "labels": labels}
            taxonomy = Taxonomy.model_validate(changed | {"neutral": None, "maps": {}})
            records = [replace(one, gold=None) for one in self.records(self.texts[:1])]
            fault = score_fault(self.plugin.score(records, taxonomy), 1, count)
            assert not fault, fault

    def test_what_it_settles_keeps_to_the_contract(self) -> None:
        """A labeler that settles a corpus returns members' logits and decides alike twice."""
        if not (isinstance(self.plugin, SettlingLabeler) and self.plugin.settles):
            return
        logits = self.scores(self.records(self.texts)).logits
        assert logits is not None
        assert logits.ndim == 3, "logits must have shape (records, labels, members)"
        k = len(self.taxonomy.labels)
        drawn = np.random.default_rng(0).integers(-1, k, (40, logits.shape[2])).astype(np.int16)
        for votes in (drawn, np.full_like(drawn, -1), drawn[:0]):
            first = checked_settled(self.plugin, "under test", votes, self.taxonomy)
            again = checked_settled(self.plugin, "under test", votes, self.taxonomy)
            np.testing.assert_array_equal(first.rows, again.rows)
            np.testing.assert_array_equal(first.table, again.table)

    def test_odd_texts_survive(self) -> None:
        """Emoji, 10,000 words, other languages and markup raise no exception."""
        self.scores(self.records(ODD_TEXTS))
