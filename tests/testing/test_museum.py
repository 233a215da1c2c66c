"""Every broken plugin of the museum fails its suite, first by the check that names the cause."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from museum import (
    EXHIBITS,
    Exhibit,
    asr,
    datasets,
    encoders,
    executors,
    labelers,
    probes,
    segmenters,
    trackers,
)
from museum import taxonomies as moods

from lanser_bench import PluginOptions
from lanser_bench.plugins.discovery import KINDS, registry
from lanser_bench.testing import SUITES, check

GOOD = {
    "labeler": labelers.Letters,
    "asr": asr.Level,
    "segmenter": segmenters.Halves,
    "probe": probes.Loudness,
    "probe-classes": probes.Sentence,
    "executor": executors.Pool,
    "tracker": trackers.Lines,
    "encoder": encoders.Energy,
    "encoder-trainable": encoders.Trained,
}
DOCS = Path(__file__).parents[2]


@pytest.mark.parametrize("exhibit", [pytest.param(e, id=f"{e.kind}-{n}") for n, e in EXHIBITS])
def test_a_broken_plugin_is_caught_by_its_cause(exhibit: Exhibit) -> None:
    first, *_ = check(exhibit.kind, exhibit.make, **exhibit.settings)
    assert first.check == exhibit.check, first
    assert exhibit.problem in f"{first.problem} {first.remedy}"


@pytest.mark.parametrize("kind", GOOD)
def test_the_good_plugin_that_they_are_made_from_passes(kind: str) -> None:
    plugin = GOOD[kind]
    assert check(kind.partition("-")[0], lambda: plugin(plugin.Options())) == []


def test_the_good_dataset_passes() -> None:
    assert check("dataset", lambda: datasets.Moods(PluginOptions()), root=datasets.ROOT) == []


def test_taxonomies_that_are_shipped_pass() -> None:
    names = registry().names("taxonomy")
    paths = [Path(registry().entry("taxonomy", name).reference) for name in names]
    for path in [moods.written(moods.GOOD), *paths]:
        assert check("taxonomy", lambda path=path: path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_suite_a_written_contract_and_enough_broken_plugins(kind: str) -> None:
    assert Counter(e.kind for _, e in EXHIBITS)[kind] >= 8
    page, _, heading = SUITES[kind].anchor.partition("#")
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    anchors = {line.lstrip("# ").lower().replace(" ", "-") for line in lines if line[:1] == "#"}
    assert heading in anchors
    for name in SUITES[kind].checks():
        assert getattr(SUITES[kind], name).__doc__
