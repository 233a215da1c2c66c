"""A record's experiment is recreated, and what differs is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.errors import SettingsError
from lanser_bench.experiment.settings.grid import expand
from lanser_bench.records.reading import load_record
from lanser_bench.records.record import Commit, ResultRecord
from lanser_bench.reporting.comparing.changes import environment_changes, environment_of
from lanser_bench.reporting.rerun.rerun import compared, recreated

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results" / "real-speech" / "shuffled-encoder-resnet-seed-1-ae801efe.json"
Make = Callable[..., ResultRecord]


def again(record: ResultRecord, tmp_path: Path, *overrides: str, **places: Any) -> Any:
    file = recreated(
        record,
        overrides,
        places.get("roots", {}),
        places.get("data"),
        tmp_path / "store",
        tmp_path / "results",
    )
    (point,) = expand(file)
    return point.settings


def test_a_published_record_gives_back_its_experiment(tmp_path: Path) -> None:
    record = load_record(PUBLISHED)
    for place in ("corpora", "targets"):
        for ref in record.settings[place]:
            (tmp_path / ref["root"].removeprefix("…/")).mkdir(parents=True, exist_ok=True)
    settings = again(record, tmp_path, data=tmp_path)
    assert settings.name == record.experiment
    assert settings.pretrain.seeds == (1,)
    assert (
        settings.controls.model_dump(include=record.settings["controls"].keys())
        == (record.settings["controls"])
    )
    assert settings.encoder.name == "resnet"
    assert settings.targets[0].root == tmp_path / "ravdess"
    assert settings.paths.store == tmp_path / "store"


def test_hidden_places_are_named_with_what_to_do(tmp_path: Path) -> None:
    record = load_record(PUBLISHED)
    with pytest.raises(SettingsError, match=r"targets.0.root \(…/ravdess\).*--root NAME=DIR"):
        again(record, tmp_path)
    with pytest.raises(SettingsError) as told:
        again(record, tmp_path, roots={"targets.0": tmp_path, "ljspeech": tmp_path})
    assert "targets.0" not in str(told.value)
    assert "corpora.2" not in str(told.value)
    assert "corpora.0.root" in str(told.value)


def test_a_root_of_no_dataset_names_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no dataset 'ravdes'.*targets.0 \(ravdess\)"):
        again(load_record(PUBLISHED), tmp_path, roots={"ravdes": tmp_path})


def test_numbers_are_compared_by_name_and_with_their_interval(record: Make) -> None:
    numbers = {n.metric: n for n in compared(record(uar=0.50), record(uar=0.53))}
    assert numbers["talk uar 100%"].difference == pytest.approx(0.03)
    assert numbers["talk uar 100%"].is_inside
    assert not {n.metric: n for n in compared(record(0.50), record(0.58))}[
        "talk uar 100%"
    ].is_inside
    assert numbers["talk prosody f0_mean_st raw r2"].difference == 0


def test_the_environment_is_compared(record: Make) -> None:
    old = record(versions={"torch": "1", "numpy": "2"}, host={"cpus": 2})
    new = record(
        versions={"torch": "1.1", "soxr": "1"},
        host={"cpus": 4},
        commit=Commit(revision="0123456789abcdef", dirty=True),
    )
    then, now = (environment_of(r.versions, r.commit, r.host) for r in (old, new))
    assert list(environment_changes(then, now)) == [
        "numpy 2 → –",
        "soxr – → 1",
        "torch 1 → 1.1",
        "commit none → 0123456789 with changes",
        "host cpus 2 → 4",
    ]
    assert list(environment_changes(then, then)) == []
