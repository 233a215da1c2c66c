from __future__ import annotations

from typing import Any

import pytest

from lanser_bench import SettingsError
from lanser_bench.data.listing import Part
from lanser_bench.evaluation.official import check_official
from lanser_bench.plugins.discovery import registry


def check(name: str, protocol: str, part: Part | None = None, **options: Any) -> None:
    check_official(registry().create("dataset", name, options), name, protocol, part or Part())


@pytest.mark.parametrize(
    ("name", "protocol", "options", "named"),
    [
        ("iemocap", "superb-5fold", {"merge_excited": False}, r"merge_excited: false \(not true\)"),
        ("iemocap", "superb-5fold", {"speech": "improvised"}, r"speech: improvised \(not all\)"),
        ("crema-d", "tfds-crema-d", {"label": "votes"}, r"label: votes \(not acted\)"),
        ("crema-d", "tfds-crema-d", {"label": "majority"}, r"label: majority \(not acted\)"),
        ("crema-d", "tfds-crema-d", {"part": Part(hours=1.5)}, r"hours: 1\.5 \(not all"),
        (
            "crema-d",
            "tfds-crema-d",
            {"part": Part(limit=100)},
            r"limit: 100 \(not all utterances\)",
        ),
    ],
)
def test_an_official_name_is_refused_where_other_labels_or_clips_are_read(
    name: str, protocol: str, options: dict[str, Any], named: str
) -> None:
    same = {"superb-5fold": "leave-one-session-out", "tfds-crema-d": "split"}[protocol]
    with pytest.raises(SettingsError, match=rf"^{name}: .*{named}.* set protocol: {same}, "):
        check(name, protocol, **options)
    check(name, same, **options)


def test_an_official_name_passes_with_the_options_it_stands_for() -> None:
    check("iemocap", "superb-5fold")
    check("iemocap", "superb-5fold", speech="all", merge_excited=True)
    check("crema-d", "tfds-crema-d", shown="face")
