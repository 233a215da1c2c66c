"""Names of rows: only what varies, as short as possible, and never the same for two rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lanser_bench.errors import SettingsError
from lanser_bench.experiment.settings.files import read_experiment
from lanser_bench.experiment.settings.grid import expand
from lanser_bench.records.names import Names, short_axes
from lanser_bench.records.reading import load_records
from lanser_bench.records.record import ResultRecord
from lanser_bench.reporting.selection import Selection

RESULTS = Path(__file__).parents[2] / "results"
STUDIES = sorted(path.name for path in RESULTS.iterdir() if path.is_dir())


def named(study: str) -> tuple[Names, dict[str, str]]:
    records = [record for _, record in load_records([RESULTS / study])]
    names = Names(records)
    return names, {record.group: names.name(record) for record in records}


@pytest.mark.parametrize("study", STUDIES)
def test_every_row_of_a_published_study_has_a_short_name_of_its_own(study: str) -> None:
    _, rows = named(study)
    assert max(Counter(rows.values()).values()) == 1
    for name in rows.values():
        assert len(name) < 120
        assert not any(mark in name for mark in ("[", "clips=", "(labels=", "seeds"))


def test_corpora_and_encoders_are_named_by_the_settings_that_differ() -> None:
    names, rows = named("ravdess")
    assert set(names.heads.values()) == {"encoder", "corpora"}
    assert "encoder=cnn, corpora=synthetic(congruence=0.0)" in rows.values()
    assert "shuffled (encoder=resnet, corpora=librispeech ×2 + ljspeech)" in rows.values()
    # A frozen encoder reads no corpus, and log-mel statistics have no encoder beside their name.
    assert {"encoder=egemaps", "logmel stats"} <= set(rows.values())
    assert names.captions == [
        "rows trained on labels: asr=faster-whisper, labeler=entailment, taxonomy=ekman-6"
    ]


def test_a_search_names_rows_by_what_is_unusual_in_them() -> None:
    names, rows = named("talkies-search")
    assert {"main", "targets=soft", "shuffled within speaker", "labeler=random"} <= set(
        rows.values()
    )
    assert "unless stated: labeler=similarity, taxonomy=goemotions-ekman" in names.captions[0]
    assert "targets=hard" in names.captions[0]


def test_controls_that_read_gold_carry_their_axes() -> None:
    _, rows = named("noise-transfer")
    gold = [name for name in rows.values() if name.startswith("reads gold")]
    assert len(gold) == len(set(gold)) == 8
    assert "reads gold (labeler=noisy(accuracy=0.25))" in gold


def test_axes_are_short_where_they_stay_distinct() -> None:
    assert short_axes(["pretrain.targets", "corpora.0", "label.seed", "evaluate.seed"]) == {
        "pretrain.targets": "targets",
        "corpora.0": "corpora.0",
        "label.seed": "label.seed",
        "evaluate.seed": "evaluate.seed",
    }


def test_filters_take_names_as_tables_show_them() -> None:
    arms = Selection.read([RESULTS / "talkies-arms"])
    (cell,) = arms.picked("labeler=entailment")
    assert cell.group == "asr=reference, labeler=entailment(precision=bf16)"
    hours = Selection.read([RESULTS / "talkies-hours"])
    assert hours.picked("hours=4.5") == hours.picked("corpora.0.hours=4.5")
    with pytest.raises(SettingsError, match="Did you mean 'hours'"):
        hours.picked("hour=4.5")


TITLED = """
name: titled
corpora: [{dataset: synthetic, congruence: 1.0}]
labeler: lexicon
taxonomy: ekman-6
encoder: cnn
targets: [{dataset: synthetic}]
grid:
  corpora:
  - [{dataset: synthetic, congruence: 1.0}]
  - [{dataset: synthetic, congruence: 0.0}]
  label.top_q: [0.5, 1.0]
titles:
"""


@pytest.mark.parametrize(
    ("titles", "message"),
    [
        (
            "  corpus: {a: b}",
            "'titles' names 'corpus', which is not an axis. Did you mean 'corpora'",
        ),
        ("  label.top_q: {0.7: most}", "'titles' names label.top_q=0.7, which is not a value"),
        (
            "  label.top_q: {0.5: some, 1.0: some}",
            "two values of 'label.top_q' have the same title",
        ),
    ],
)
def test_a_title_of_nothing_is_refused(tmp_path: Path, titles: str, message: str) -> None:
    (tmp_path / "e.yaml").write_text(TITLED + titles)
    with pytest.raises(SettingsError) as error:
        expand(read_experiment(tmp_path / "e.yaml"))
    assert message in str(error.value)
    assert "e.yaml, line " in str(error.value)


def test_titles_stand_in_place_of_values_and_change_nothing_else(
    tmp_path: Path, record: Callable[..., ResultRecord]
) -> None:
    titles = "  corpora: {synthetic(congruence=1.0): acted}\n  label.top_q: {0.5: surest half}"
    (tmp_path / "e.yaml").write_text(TITLED + titles)
    points = expand(read_experiment(tmp_path / "e.yaml"))
    records = [
        record(axes=point.axes, group=str(n), settings=json.loads(point.settings.model_dump_json()))
        for n, point in enumerate(points)
    ]
    names = Names(records)
    assert [names.name(one) for one in records[:3]] == [
        "corpora=acted, top_q=surest half",
        "corpora=acted, top_q=1.0",
        "corpora=synthetic(congruence=0.0), top_q=surest half",
    ]
    untitled = [
        one.model_copy(update={"settings": {**one.settings, "titles": {}}}) for one in records
    ]
    assert [one.recipe for one in records] == [one.recipe for one in untitled]
