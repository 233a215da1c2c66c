from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from lanser_bench.errors import DataError
from lanser_bench.numbers import detectable_text
from lanser_bench.records.record import Attached
from lanser_bench.reporting.comparing import gate_views as views
from lanser_bench.reporting.comparing.gate import GateResult, gate
from lanser_bench.reporting.comparing.verdicts import Verdict

from .published import publish, simulated


def run(
    folder: Path, group: str, hit: float, first: int = 0, n: int = 3, **changes: object
) -> None:
    for seed in range(n):
        rng = np.random.default_rng([first + seed, len(group)])
        publish(folder, group, simulated(rng, hit, speakers=12), seed=seed, **changes)


def verdicts(found: GateResult) -> dict[str, Verdict]:
    return {row.cell.group: row.verdict for row in found.compared}


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old", tmp_path / "new"
    for group, before, after in (("up", 0.4, 0.75), ("down", 0.75, 0.4), ("still", 0.6, 0.6)):
        run(old, group, before)
        run(new, group, after, first=0 if before == after else 50)
    return old, new


def test_each_cell_gets_its_verdict(sides: tuple[Path, Path]) -> None:
    found = gate([sides[0]], [sides[1]])
    assert verdicts(found) == {"up": "better", "down": "worse", "still": "same"}
    assert not found.passed()
    (down,) = found.of("worse")
    assert down.difference == pytest.approx(down.candidate - down.baseline)
    assert down.p_value is not None
    assert down.p_value < 0.05
    assert down.seeds == (3, 3)
    assert down.detectable is not None
    assert 0.01 < down.detectable < 0.2


def test_other_seeds_of_the_same_are_undecided_with_what_could_be_found(tmp_path: Path) -> None:
    run(tmp_path / "old", "main", 0.6)
    run(tmp_path / "new", "main", 0.6, first=50)
    found = gate([tmp_path / "old"], [tmp_path / "new"])
    (row,) = found.compared
    assert row.verdict == "undecided"
    assert row.detectable is not None
    assert found.passed()
    assert not found.passed(strict=True)
    wide = gate([tmp_path / "old"], [tmp_path / "new"], tolerance=0.5)
    assert verdicts(wide) == {"main": "same"}


def test_one_seed_is_no_evidence(tmp_path: Path) -> None:
    run(tmp_path / "old", "main", 0.8, n=1)
    run(tmp_path / "new", "main", 0.4, n=1)
    (row,) = gate([tmp_path / "old"], [tmp_path / "new"]).compared
    assert row.verdict == "undecided"
    assert "one training seed" in row.why
    for folder, hit in (("old", 0.8), ("new", 0.4)):
        rng = np.random.default_rng(1)
        publish(tmp_path / folder / "frozen", "frozen", simulated(rng, hit), seed=None)
    found = gate([tmp_path / "old"], [tmp_path / "new"])
    assert verdicts(found)["frozen"] == "worse"


def test_a_significant_difference_within_the_tolerance_is_the_same(tmp_path: Path) -> None:
    run(tmp_path / "old", "main", 0.8)
    run(tmp_path / "new", "main", 0.6, first=50)
    paths = [tmp_path / "old"], [tmp_path / "new"]
    assert verdicts(gate(*paths)) == {"main": "worse"}
    assert verdicts(gate(*paths, tolerance=0.3)) == {"main": "same"}


def test_few_speakers_decide_nothing(tmp_path: Path) -> None:
    for folder, hit in (("old", 0.8), ("new", 0.4)):
        rng = np.random.default_rng(1)
        publish(tmp_path / folder, "m", simulated(rng, hit, speakers=4), folds=2, seed=None)
    (row,) = gate([tmp_path / "old"], [tmp_path / "new"]).compared
    assert row.verdict == "undecided"
    assert "4 speakers are too few" in row.why


def rewrite(folder: Path, **changes: object) -> None:
    for path in folder.glob("*.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_changed_is_named_and_not_compared(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for name in ("kept", "split", "taxonomy", "bare", "schema", "gone"):
        run(old / name, name, 0.6, n=1, taxonomy_hash="t1")
        if name != "gone":
            run(new / name, name, 0.6, n=1, folds=4 if name == "split" else 5, taxonomy_hash="t1")
    rewrite(new / "taxonomy", taxonomy_hash="t2")
    rewrite(new / "bare", predictions=None)
    for path in (new / "schema").glob("*.json"):
        content = json.loads(path.read_text())
        for name in ("taxonomy_hash", "about", "predictions", "probe_sums"):
            del content[name]
        path.write_text(json.dumps({**content, "schema_version": 1}))
    run(new / "fresh", "fresh", 0.6, n=1)
    found = gate([old], [new])
    assert verdicts(found) == {"kept": "same"}
    said = {cell.cell.group: cell.why for cell in found.not_compared}
    assert said.keys() == {"split", "taxonomy", "bare", "schema", "gone", "fresh"}
    assert "another split" in said["split"]
    assert "another taxonomy" in said["taxonomy"]
    assert "no predictions" in said["bare"]
    assert "another schema: versions 1 and 5" in said["schema"]
    assert "missing" in said["gone"]
    assert not found.passed()
    assert found.passed(allow_changes=True)
    assert {cell.cell.group for cell in found.lost} == said.keys() - {"fresh"}


def test_a_candidate_of_other_cells_is_a_mistake(tmp_path: Path) -> None:
    run(tmp_path / "old", "a", 0.6, n=1)
    run(tmp_path / "new", "b", 0.6, n=1)
    with pytest.raises(DataError, match=r"no cell in common.*'a on talk' of e.*'b on talk'"):
        gate([tmp_path / "old"], [tmp_path / "new"])


def test_tampered_predictions_stop_the_gate_with_a_sentence(sides: tuple[Path, Path]) -> None:
    (path,) = sides[1].glob("up-1.predictions.parquet")
    path.write_bytes(next(sides[1].glob("up-2.predictions.parquet")).read_bytes())
    with pytest.raises(DataError, match="is not the file that"):
        gate([sides[0]], [sides[1]])
    assert Attached(file=path.name, sha256="", rows=0).file == path.name


def test_every_output_names_every_cell(sides: tuple[Path, Path]) -> None:
    run(sides[0], "<gone>|", 0.5, n=1)
    found = gate([sides[0]], [sides[1]])
    page = views.markdown(found, passed=False)
    assert "## Gate: failed" in page
    assert "| ✗ worse | UAR | down on talk |" in page
    assert "&lt;gone>\\| on talk: missing in the candidate" in page
    suite = ElementTree.fromstring(views.junit(found))
    assert suite.attrib == {
        "name": "lanser-bench gate",
        "tests": "4",
        "failures": "2",
        "skipped": "0",
    }
    failed = {case.attrib["name"] for case in suite if case.find("failure") is not None}
    assert failed == {"down on talk, uar", "<gone>| on talk"}
    content = json.loads(json.dumps(views.as_json(found, passed=False)))
    assert {row["verdict"] for row in content["compared"]} == {"better", "worse", "same"}
    assert content["not_compared"][0]["why"] == "missing in the candidate"


@pytest.mark.parametrize(
    ("share", "text"), [(None, "–"), (0.0567, "5.7"), (1.0, "100.0"), (18.4, "> 100")]
)
def test_a_detectable_difference_past_the_scale_is_told_as_that(
    share: float | None, text: str
) -> None:
    assert detectable_text(share) == text
