from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.experiment import dry_run, plan_experiment, run_experiment
from lanser_bench.experiment.running.timings import KEPT, Timings, duration, name_of, work
from lanser_bench.store import Store

Make = Callable[..., dict[str, Any]]
FROZEN: dict[str, Any] = {"encoder": "loudness", "controls": {"logmel_stats": False}}


def test_work_is_utterances_times_rounds(settings: Make, plugin_dirs: tuple[Path, ...]) -> None:
    plan, _, _ = plan_experiment(settings(), ["pretrain.epochs=3"], plugin_dirs=plugin_dirs)
    amounts = {node.stage: work(plan, node) for node in plan.nodes.values()}
    assert amounts["label"] == 24
    assert amounts["pretrain"] == 3 * 24
    assert amounts["evaluate"] == 24 * 2 * 1 * 1


def test_timings_are_kept_by_stage_and_plugins_and_their_median_counts(
    settings: Make, plugin_dirs: tuple[Path, ...]
) -> None:
    plan, _, store = plan_experiment(settings(**FROZEN), plugin_dirs=plugin_dirs)
    (embed,) = (node for node in plan.nodes.values() if node.stage == "embed")
    assert name_of(embed) == "embed loudness"
    assert Timings(store).seconds(plan, embed) is None
    first = Timings(store)
    for seconds in (24.0, 48.0, 960.0):
        first.add(plan, embed, seconds)
    first.save()
    assert Timings(store).seconds(plan, embed) == pytest.approx(48.0)
    other = Timings(store)
    for _ in range(KEPT):
        other.add(plan, embed, 2.4)
    other.save()
    assert Timings(store).seconds(plan, embed) == pytest.approx(2.4), "old ones are forgotten"


def test_an_estimate_knows_what_waits_and_what_has_no_timing(
    settings: Make, plugin_dirs: tuple[Path, ...]
) -> None:
    changes = {"threads": {"embed": 1, "evaluate": 1, "targets": 1, "probe": 1}}
    plan, _, store = plan_experiment(settings(**FROZEN, **changes), plugin_dirs=plugin_dirs)
    nodes = {node.stage: node for node in plan.nodes.values()}
    timings = Timings(store)
    for stage, seconds in (("embed", 100.0), ("evaluate", 50.0), ("targets", 30.0)):
        timings.add(plan, nodes[stage], seconds)
    timings.save()
    found = Timings(store).estimate(plan, plan.nodes, threads=2)
    assert found.seconds == pytest.approx(180.0, rel=1e-3)
    assert found.wall_s == pytest.approx(150.0, rel=1e-3), "evaluate waits for embed"
    assert Timings(store).estimate(plan, plan.nodes, threads=1).wall_s == pytest.approx(
        180.0, rel=1e-3
    )
    assert found.unknown == {"probe": 1}
    assert found.sentence == (
        "About 3 min (3 min of stages one by one); no timing yet for 1 stage: 1 probe."
    )


def test_a_run_leaves_timings_for_the_next_dry_run(
    settings: Make, plugin_dirs: tuple[Path, ...]
) -> None:
    before = dry_run(settings(**FROZEN), plugin_dirs=plugin_dirs)
    assert before.estimate.sentence == "No timing yet for 4 stages."
    run_experiment(settings(**FROZEN), plugin_dirs=plugin_dirs)
    assert dry_run(settings(**FROZEN), plugin_dirs=plugin_dirs).estimate.sentence == ""
    changed = dry_run(settings(**FROZEN), ["evaluate.seed=5"], plugin_dirs=plugin_dirs)
    assert changed.estimate.known == 1
    assert changed.estimate.sentence.startswith("About ")


def test_timings_that_cannot_be_read_start_again_with_a_note(
    settings: Make, plugin_dirs: tuple[Path, ...], caplog: pytest.LogCaptureFixture
) -> None:
    plan, _, store = plan_experiment(settings(**FROZEN), plugin_dirs=plugin_dirs)
    file = store.root / "timings.json"
    for content in ("[1]", '{"embed logmel-stats": [NaN]}', '{"embed": [1e308]}', "[" * 100_000):
        file.write_text(content)
        assert Timings(Store(store.root)).estimate(plan, plan.nodes, 2).known == 0
    assert caplog.text.count(f"The cache {file} is damaged") == 4


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s"),
        (89, "89 s"),
        (100, "2 min"),
        (3 * 3600, "3 h"),
        (7500, "2 h 5 min"),
        (76 * 3600, "3 d 4 h"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said
