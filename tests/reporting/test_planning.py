from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lanser_bench.errors import DataError, SettingsError
from lanser_bench.evaluation.power import Design, detectable, expected_spread, normal_approximation
from lanser_bench.reporting.comparing.power import count, plan_power

from .published import publish, simulated


def test_eighteen_speakers_at_seven_points_find_about_six() -> None:
    design = Design(speakers=18, spread=7.0, seeds=1, seed_spread=0.0)
    assert normal_approximation(design) == pytest.approx(5.35, abs=0.01)
    found = detectable(design)
    assert found is not None
    assert found == pytest.approx(6.1, abs=0.1)


def test_more_of_everything_finds_less() -> None:
    base = Design(speakers=12, spread=7.0, seeds=3, seed_spread=2.0)
    found = detectable(base)
    assert found is not None
    for change in ({"speakers": 24}, {"seeds": 10}, {"spread": 3.0}, {"power": 0.8}):
        better = detectable(Design(**{**base.__dict__, **change}))
        assert better is not None
        assert better < found
    family = detectable(Design(**{**base.__dict__, "comparisons": 10}))
    assert family is not None
    assert family > found
    assert detectable(Design(speakers=4, spread=7.0)) is None


def test_the_expected_spread_is_that_of_drawn_answers() -> None:
    rng = np.random.default_rng(0)
    shared = rng.random((4000, 60)) < 0.5
    sides = [
        np.where(rng.random(shared.shape) < 0.5**0.5, shared, rng.random(shared.shape) < 0.5)
        for _ in range(2)
    ]
    drawn = 100 * np.std(sides[0].mean(1) - sides[1].mean(1))
    assert expected_spread(60, speaker_spread=0.0) == pytest.approx(drawn, rel=0.05)


def test_a_pilot_gives_the_spreads(tmp_path: Path) -> None:
    for name, hit in (("a", 0.6), ("b", 0.5)):
        for seed in (0, 1, 2):
            rng = np.random.default_rng([seed, ord(name)])
            publish(tmp_path / name, name, simulated(rng, hit), seed=seed)
    plan = plan_power(pilot=[tmp_path / "a", tmp_path / "b"])
    assert plan.design.speakers == 10
    assert 1 < plan.design.spread < 20
    assert 0 < plan.design.seed_spread < 10
    assert any("pilot" in line for line in plan.lines())
    with pytest.raises(SettingsError, match="two places"):
        plan_power(pilot=[tmp_path / "a"])
    other = plan_power(pilot=[tmp_path / "a", tmp_path / "b"], metric="macro_f1")
    assert other.design.spread != plan.design.spread
    assert "points of macro-f1 with" in other.lines()[-1]
    with pytest.raises(SettingsError, match="is not measured in points"):
        plan_power(pilot=[tmp_path / "a", tmp_path / "b"], metric="r2")


def test_what_is_not_said_is_asked_for_or_assumed_aloud() -> None:
    with pytest.raises(SettingsError, match="--speakers N"):
        plan_power()
    plan = plan_power(speakers=18, seeds=1)
    assert sum("assumed" in line for line in plan.lines()) == 2
    assert "one seed is not enough" in plan.lines()[-1]
    assert "not detectable" in plan_power(speakers=3).lines()[-1]
    with pytest.raises(DataError, match="needs its folder"):
        plan_power(dataset="ravdess")
    with pytest.raises(SettingsError, match="'actors' is not of the form key=value"):
        plan_power(dataset="ravdess", options=["actors"])


def test_a_dataset_of_a_loose_file_is_counted(tmp_path: Path) -> None:
    (tmp_path / "own_set.py").write_text(
        "from lanser_bench import Card, Dataset, PluginOptions, Utterance, hookimpl\n"
        "@hookimpl\n"
        "def register_datasets(register):\n"
        "    register('own', f'{__name__}:Own')\n"
        "class Own(Dataset[PluginOptions]):\n"
        "    version = '1'\n"
        "    card = Card(title='Own', licence='own', citation='own')\n"
        "    def utterances(self, root):\n"
        "        for i in range(12):\n"
        "            yield Utterance(id=str(i), speaker=f's{i % 6}', gold={'ab'[i % 2]: 1.0})\n"
    )
    found = count("own", tmp_path, protocol="k-speaker-folds", plugin_dirs=[tmp_path])
    assert (found.speakers, found.classes) == (6, 2)


@pytest.mark.data
def test_speakers_and_classes_are_counted_in_the_dataset(data_root: Path) -> None:
    plan = plan_power(dataset="ravdess", root=data_root / "ravdess")
    assert plan.design.speakers == 18
    assert "60.0 labelled utterances each, 8 classes" in plan.assumptions[0]


def test_an_official_split_tests_its_own_speakers_only(tmp_path: Path) -> None:
    for clip in ("1001_DFA_ANG_XX", "1002_DFA_ANG_XX", "1010_IEO_HAP_HI", "1013_IEO_SAD_HI"):
        (tmp_path / f"{clip}.wav").touch()
    assert count("crema-d", tmp_path, protocol="tfds-crema-d").speakers == 2
    assert count("crema-d", tmp_path, protocol="k-speaker-folds").speakers == 4
    with pytest.raises(SettingsError, match="tfds-crema-d"):
        count("crema-d", tmp_path, protocol="tfds-cremad")


def test_a_budget_without_a_pilot_changes_nothing_and_is_said() -> None:
    plan = plan_power(speakers=18, budget="10%")
    assert plan.detectable == plan_power(speakers=18).detectable
    assert any("10%" in line and "--pilot" in line for line in plan.lines())
