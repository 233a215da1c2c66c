"""Writes a workflow for the gate, and the baseline that it compares with."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from .. import __version__
from ..errors import DataError, SettingsError
from ._display import displayed_run
from ._shared import writing

FOLDER = Path(".lanser/gate")
"""Where the workflow keeps store and results; the baseline is made in the same place."""


def write_gate(
    experiment: str,
    baseline: Path,
    requirements: Sequence[str],
    plugin_dirs: Sequence[Path],
    output: Path,
    *,
    force: bool,
) -> Iterator[str]:
    """Runs an experiment, writes its records as a baseline, then the workflow to `output`.

    The workflow installs `requirements`, or lanser-bench and this folder. `force` replaces it and
    the records. Yields a sentence for each step that is done.
    """
    from ..experiment import run_experiment
    from ..records.merge import merge_records
    from ..records.reading import load_records
    from ..store import write_atomic

    if output.exists() and not force:
        raise SettingsError(f"{output} exists already; --force replaces it and the baseline.")
    places = [f"paths.{name}={FOLDER / name}" for name in ("store", "results")]
    with displayed_run() as display:
        outcome = run_experiment(experiment, places, plugin_dirs=plugin_dirs, listener=display)
    if not outcome.ok:
        failure = outcome.failures[0]
        raise DataError(f"No baseline was written: {failure.cell.name}: {failure.sentence}")
    name = outcome.plan.experiment.name
    if force:
        shutil.rmtree(baseline / name, ignore_errors=True)
    merged = merge_records(outcome.records, baseline)
    yield f"{baseline}: {merged.copied + merged.equal} records of {name}."
    run = shlex.join([experiment, *(f"--plugins-dir={os.path.relpath(d)}" for d in plugin_dirs)])
    with writing(output):
        write_atomic(output, _workflow(name, run, baseline, output, requirements))
    yield f"{output}: commit it with the baseline."
    records = [record for _, record in load_records([baseline / name])]
    seeds = {(r.group, r.seed) for r in records if r.seed is not None}
    if seeds and len(seeds) == len({group for group, _ in seeds}):
        yield (
            "Each cell has one training seed, so the gate will call it undecided: set "
            "pretrain.seeds=[0,1,2] and run this again with --force."
        )


def _workflow(
    name: str, run: str, baseline: Path, output: Path, requirements: Sequence[str]
) -> str:
    own = ["."] if Path("pyproject.toml").is_file() else []
    texts = {
        "NAME": name,
        "RUN": run,
        "BASELINE": shlex.quote(baseline.as_posix()),
        "WORKFLOW": output.as_posix(),
        "REQUIREMENTS": shlex.join(requirements or [f"lanser-bench[all]=={__version__}", *own]),
    }
    text = files(__package__).joinpath("gate_workflow.yml").read_text(encoding="utf-8")
    for key, value in texts.items():
        text = text.replace(f"@{key}@", value)
    return text
