"""Tables of plans, runs and plugins, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..experiment.planning.plan import Plan
from ..experiment.running.outcome import DryRun, RunOutcome
from ..plugins.discovery import Registry
from .tables.sheet import Column, Entry, Sheet


def sheet(result: RunOutcome | DryRun | Plan) -> Sheet:
    """Returns the cells of a plan, the stages of a dry run, or what became of a run's cells."""
    if isinstance(result, Plan):
        cells = ((c.name, c.encoder, str(c.record_path)) for c in result.cells)
        title = f"{result.experiment.name}: {len(result.cells)} cells"
        return _sheet(title, ("cell", "encoder", "record"), cells)
    if isinstance(result, DryRun):
        stages = stage_rows(result)
        title = (
            f"{result.plan.experiment.name}: {len(result.to_run)} of {len(stages)} stages to run"
        )
        notes = [note for note in (*result.plan.notes, result.estimate.sentence) if note]
        return _sheet(title, ("key", "stage", "of", "cells", "status", "why"), stages, notes)
    done = [(path.stem, "done", "") for path in result.records]
    failed = [(f.cell.name, "failed", f"{f.stage}: {f.sentence}") for f in result.failures]
    title = f"{result.plan.experiment.name}: {len(done)} cells done, {len(failed)} failed"
    return _sheet(title, ("cell", "status", "why"), [*failed, *done], result.notes)


def stage_rows(planned: DryRun) -> list[tuple[str, str, str, str, str, str]]:
    """Returns key, stage, title, number of cells, whether it will run, and why, of all stages."""
    rows = []
    for key, node in planned.plan.nodes.items():
        users = str(len(planned.plan.users.get(key, ())))
        status = "run" if key in planned.to_run else "reuse"
        rows.append((key[:8], node.stage, node.title, users, status, planned.reasons.get(key, "")))
    return rows


def registry_sheet(plugins: Registry) -> Sheet:
    """Returns the plugins, and the broken ones as notes."""
    rows = ((e.kind, e.name, e.distribution) for _, e in sorted(plugins.entries.items()))
    broken = [f"{b.entry_point} of {b.distribution}: {b.error}" for b in plugins.broken]
    title = f"{len(plugins.entries)} plugins"
    return _sheet(title, ("kind", "name", "distribution"), rows, broken)


def _sheet(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], notes: Sequence[str] = ()
) -> Sheet:
    entries = [Entry(dict(zip(heads, row, strict=True))) for row in rows]
    return Sheet(title, [Column(head, head) for head in heads], entries, notes)
