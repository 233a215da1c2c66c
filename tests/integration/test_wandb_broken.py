"""A W&B server that hangs, refuses or errors changes no record and stops no run."""

from __future__ import annotations

from typing import Any

import pytest
from wandb_server import Fault, broken_server, environment

from .conftest import Project


def numbers(project: Project) -> dict[str, Any]:
    """Records without what tells when they were made."""
    left_out = ("created", "stages", "settings", "training")
    return {
        name: {key: value for key, value in record.items() if key not in left_out}
        for name, record in project.records().items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["hangs", "errors", "refuses"])
def test_a_broken_server_changes_nothing(finished: Project, fault: Fault) -> None:
    project = finished
    project.forked = False
    before = numbers(project)
    for path in (project.root / "results").rglob("*.json"):
        path.unlink()
    project.settings["trackers"] = ["wandb"]
    with broken_server(fault) as url:
        project.environment = environment(url)
        done = project.run()
    assert numbers(project) == before
    assert done.stderr.count("Tracker 'wandb'") == 1
    assert "safe on disk" in done.stderr
