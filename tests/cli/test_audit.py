"""`lanser-bench audit`: every planted fault is found; a missed one is the exit code."""

from __future__ import annotations

import json

import pytest

from lanser_bench.cli import _audit, main


def audited(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main(["audit", *options])
    return int(stop.value.code or 0), capsys.readouterr().out


@pytest.mark.slow
def test_every_planted_fault_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = audited(capsys, "--json")
    outcomes = json.loads(out)
    assert [one for one in outcomes if not one["caught"]] == []
    assert len(outcomes) == 20
    assert code == 0
    said = {one["fault"]: one["sentence"] for one in outcomes}
    assert "'manifest:t3' is on both sides" in said["a speaker on both sides"]
    assert "source changed" in said["code changed, version kept"]
    assert "does not match its checksum" in said["a flipped bit"]


@pytest.mark.parametrize(
    ("sentence", "alarm", "shown"),
    [("", "", "missed"), ("It leaks.", "It leaks, too.", "false alarm: It leaks, too.")],
)
def test_a_missed_fault_and_a_false_alarm_fail(
    sentence: str,
    alarm: str,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = _audit.Outcome("a leak", "a split", "data leakage", sentence, alarm)
    monkeypatch.setattr(_audit, "audited", lambda: [outcome])
    code, out = audited(capsys)
    assert code == 1
    assert shown in out
    assert "0 of 1 planted faults were found." in out
