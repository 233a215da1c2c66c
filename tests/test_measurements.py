"""A measurement is one declaration: settings, plan, record, tables and report name none of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lanser_bench.experiment.settings.model import Controls, Experiment
from lanser_bench.measurements import COLUMNS, MEASUREMENTS, SECTIONS, SWITCHES
from lanser_bench.measurements.base import ReportMap
from lanser_bench.records.record import DatasetResult
from lanser_bench.stages.base import stage_module

ROOT = Path(__file__).parents[1] / "lanser_bench"
QUESTIONS = (
    ROOT / "experiment" / "settings" / "model.py",
    ROOT / "reporting" / "report" / "questions.py",
    ROOT / "reporting" / "report" / "finding.py",
)


def test_settings_and_records_have_the_declared_fields() -> None:
    assert {section.name for section in SECTIONS} <= set(Experiment.model_fields)
    assert {switch.name for switch in SWITCHES} <= set(Controls.model_fields)
    assert {measurement.name for measurement in MEASUREMENTS} <= set(DatasetResult.model_fields)


def test_declarations_are_distinct() -> None:
    names = [measurement.name for measurement in MEASUREMENTS]
    assert len(set(names)) == len(names)
    assert len(COLUMNS) == sum(len(measurement.columns) for measurement in MEASUREMENTS)
    reports = {m.report.anchor: m.report for m in MEASUREMENTS if m.report is not None}
    assert len({report.order for report in reports.values()}) == len(reports)
    for measurement in MEASUREMENTS:
        if measurement.report is not None:
            assert reports[measurement.report.anchor] is measurement.report
            assert isinstance(measurement.report, ReportMap) or measurement.report.heads


@pytest.mark.parametrize("folder", ["experiment", "records", "reporting", "model"])
def test_generic_code_names_no_measurement(folder: str) -> None:
    """Probes are exempt: plugins of this kind are part of experiments, files and tables.

    So are the files of a study's question, whose names are words of the experiment file.
    """
    names = [m.name for m in MEASUREMENTS if m.name != "probes"]
    wanted = re.compile(rf"(?<!audio\.)(?<!--)\b({'|'.join([*names, *COLUMNS])})\b")
    paths = [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.j2")]
    paths = [path for path in paths if path not in QUESTIONS]
    assert not [path.name for path in paths if wanted.search(path.read_text(encoding="utf-8"))]


def test_stages_are_found_by_their_names() -> None:
    for name in ("flatten", "zeroshot", "probe", "finetune", "label.3"):
        assert callable(stage_module(name).run)
