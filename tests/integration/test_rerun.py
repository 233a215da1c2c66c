"""`lanser-bench rerun` on a record that was really made."""

from __future__ import annotations

import json

import pytest

from .conftest import Project

pytestmark = pytest.mark.slow


def test_a_record_is_made_again_with_equal_numbers_and_differences_are_named(
    finished: Project,
) -> None:
    (path,) = (finished.root / "results" / "tiny").glob("logmel-stats-*.json")
    plugins = str(finished.root / "plugins")
    command = ["rerun", str(path), "--data", str(finished.root), "--plugins-dir", plugins]
    hidden = finished.lanser(*command, code=2)
    assert "taxonomy (…/mood.yaml)" in hidden.stderr

    mood = finished.root / "mood.yaml"
    command += [f"taxonomy={mood}", f"targets.0.options.taxonomy={mood}"]
    done = finished.lanser(*command)
    assert "Keys: the same" in done.stdout
    assert "5 stages run, 0 reused" in done.stdout
    total = done.stdout.count(" equal │")
    assert f"{total} of {total} numbers are equal within 1e-06" in done.stdout

    record = json.loads(path.read_text())
    record["versions"]["numpy"] = "0.1"
    record["datasets"][0]["evaluation"]["area"] = {"value": 0.01}
    record["plugins"]["embed targets.0: encoder"]["version"] = "0"
    for place in ("embed targets.0", "evaluate targets.0"):
        record["stages"][place]["key"] = "0" * 32
    path.write_text(json.dumps(record))
    done = finished.lanser(*command, code=1)
    assert f"{total - 1} of {total} numbers are equal" in done.stdout
    assert "0 stages run, 5 reused" in done.stdout
    assert "numpy 0.1 →" in done.stdout
    assert "embed targets.0 00000000 →" in done.stdout
    assert "encoder logmel-stats: version 0 →" in done.stdout
    assert "it reads embed targets.0" in done.stdout
