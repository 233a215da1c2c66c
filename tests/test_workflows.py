"""The workflow and the action call what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
import yaml

from lanser_bench.cli import COMMANDS, build_app

ROOT = Path(__file__).parents[1]
ACTION = ROOT / ".github" / "actions" / "gate" / "action.yml"
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
PAGES = ROOT / ".github" / "workflows" / "pages.yml"


def runs(steps: list[dict[str, str]]) -> list[str]:
    return [step["run"] for step in steps if "run" in step]


def test_the_workflow_makes_targets_that_the_makefile_has() -> None:
    targets = {
        target
        for workflow in (WORKFLOW, PAGES)
        for job in yaml.safe_load(workflow.read_text())["jobs"].values()
        for run in runs(job["steps"])
        for target in re.findall(r"make (\w+)", run)
    }
    assert targets
    known = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets <= set(known)
    assert "make gate" in (ROOT / ".ci" / "run").read_text()


def test_documentation_and_results_are_published_together() -> None:
    [job] = yaml.safe_load(PAGES.read_text())["jobs"].values()
    [upload] = [s["with"]["path"] for s in job["steps"] if "upload-pages" in s.get("uses", "")]
    [built] = re.findall(r"^site_dir: (.+)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    lines = runs(job["steps"])
    order = [lines.index("make docs"), *(n for n, line in enumerate(lines) if "publish" in line)]
    assert upload == built
    assert order == sorted(order), "mkdocs empties the folder of its site"
    assert f"results publish results -o {upload}/results" in lines[order[1]]


def test_the_action_is_given_inputs_that_it_has() -> None:
    action = yaml.safe_load(ACTION.read_text())
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    (used,) = [
        step
        for job in jobs.values()
        for step in job["steps"]
        if step.get("uses") == "./.github/actions/gate"
    ]
    assert set(used["with"]) <= set(action["inputs"])
    assert (ROOT / used["with"]["baseline"]).parent.is_dir()


@pytest.mark.parametrize("command", ["run", "gate"])
def test_the_action_calls_commands_and_options_that_exist(command: str) -> None:
    action = yaml.safe_load(ACTION.read_text())
    (text,) = [t for t in runs(action["runs"]["steps"]) if f'"$COMMAND" {command} ' in t]
    assert command in COMMANDS
    sub = typer.main.get_command(build_app([command])).commands[command]  # type: ignore[attr-defined]
    options = {name for parameter in sub.params for name in parameter.opts}
    assert set(re.findall(r"--[a-z]+", text)) <= options
    assert "${{" not in text, "an input's text would be run by the shell"
