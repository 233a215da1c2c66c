"""Builds a cell's record from its artifacts."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from ..._version import __version__
from ...evaluation.families import family_hash
from ...evaluation.results import EvaluationResult
from ...evaluation.summaries import LabelSummary, TrainingReport, TrainingSummary, TranscriptSummary
from ...kinds.base import Plugin
from ...measurements import MEASUREMENTS, SECTIONS
from ...measurements.base import Measurement, R
from ...plugins.discovery import registry
from ...plugins.identity import library_versions
from ...records.attachments import attach
from ...records.record import (
    Commit,
    DatasetResult,
    PluginAbout,
    ResultRecord,
    StageUse,
    save_record,
)
from ...records.stage_sums import attach_stages
from ...records.weak_labels import attach_labels
from ...stages.evaluate import spec as evaluate
from ...stages.label.spec import SUMMARY as LABELS
from ...stages.pretrain.spec import REPORT
from ...stages.transcribe.spec import SUMMARY as TRANSCRIPTS
from ...store import PluginIdentity, Store

if TYPE_CHECKING:
    from ..planning.plan import Cell, Plan, TargetKeys

Summary = TypeVar("Summary", LabelSummary, TranscriptSummary)
_SEEDED = ("evaluate", *(s.name for s in SECTIONS if "seed" in s.model.model_fields))
"""Sections that have a seed."""
_OF_EXTERNAL = {"name", "labeler", "targets", "evaluate"}
"""Settings that take part in scoring predictions made elsewhere."""
BASE_LIBRARIES = ("numpy", "pyarrow", "scipy", "soundfile", "soxr", "torch")


def publish_record(plan: Plan, cell: Cell, store: Store, path: Path) -> ResultRecord:
    """Writes a finished cell's predictions and weak labels, then its record.

    Raises:
        StoreError: a result is damaged; it is removed and will be computed again.
        DataError: the place cannot be written.
    """
    record = build_record(plan, cell, store)
    beside = {
        **attach(store, cell.targets, path, record),
        "weak_labels": attach_labels(store, record, path),
        "stage_sums": attach_stages(store, record, path),
    }
    record = record.model_copy(update=beside)
    save_record(record, path)
    return record


def build_record(plan: Plan, cell: Cell, store: Store) -> ResultRecord:
    """Collects the results of a finished cell from the store.

    Raises:
        StoreError: a result is damaged; it is removed and will be computed again.
    """
    reader = _Reader(plan, cell, store)
    settings, plugins = cell.settings, reader.plugins()
    external = any(place.startswith("external ") for place in cell.stages)
    libraries = {name for identity in plugins.values() for name in identity.libraries}
    return ResultRecord(
        experiment=cell.experiment,
        name=cell.name,
        group=cell.group,
        key=cell.key,
        role=cell.role,
        control=cell.control,
        axes=cell.axes,
        seed=cell.seed,
        seeds={name: settings.seed_of(name) for name in _SEEDED},
        asr=reader.role_name("asr"),
        labeler=None if external else reader.role_name("labeler"),
        taxonomy=cell.taxonomy,
        taxonomy_hash=reader.taxonomy_hash(),
        encoder=cell.encoder,
        settings=portable(
            settings.model_dump(
                mode="json",
                include=_OF_EXTERNAL if external else None,
                exclude={"paths", "executor", "stage_timeout_s"},
            )
        ),
        family=family_hash(settings.comparisons),
        stages=reader.stages(),
        plugins=plugins,
        about=reader.about(),
        versions={
            "python": platform.python_version(),
            "lanser-bench": __version__,
            **library_versions(tuple(sorted(libraries | set(BASE_LIBRARIES)))),
        },
        commit=commit(),
        host=host(),
        datasets=[reader.dataset(target) for target in cell.targets],
        labels=reader.reports("label", LABELS, LabelSummary),
        transcripts=reader.reports("transcribe", TRANSCRIPTS, TranscriptSummary),
        training=reader.training(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@dataclass(frozen=True)
class _Reader:
    plan: Plan
    cell: Cell
    store: Store

    def plugins(self) -> dict[str, PluginIdentity]:
        manifests = {key: built.artifact.spec for key, built in self.plan.manifests.items()}
        specs = manifests | {key: node.spec for key, node in self.plan.nodes.items()}
        return {
            f"{place}: {role}": plugin.model_copy(update={"options": portable(plugin.options)})
            for place, key in self.cell.stages.items()
            for role, plugin in specs[key].plugins.items()
        }

    def about(self) -> dict[str, PluginAbout]:
        """Returns licence and facts of every plugin; those of a dataset are from its card."""
        about: dict[str, PluginAbout] = {}
        for place, key in self.cell.stages.items():
            if key in self.plan.manifests:
                card = {k: v for k, v in self._card(key).items() if v}
                licence = str(card.pop("licence", ""))
                about[f"{place}: dataset"] = PluginAbout(licence=licence, facts=portable(card))
            else:
                for role, plugin in self.plan.nodes[key].spec.plugins.items():
                    about[f"{place}: {role}"] = about_plugin(self.plan.plugin_dirs, plugin)
        return about

    def _card(self, manifest: str) -> dict[str, Any]:
        path = self.plan.manifests[manifest].artifact.path / "manifest.json"
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("card", {})
        return card

    def taxonomy_hash(self) -> str | None:
        """Returns the content hash of the weak labels' taxonomy, if all corpora share it."""
        reports = self.reports("label", LABELS, LabelSummary).values()
        hashes = {report.taxonomy_hash for report in reports}
        return hashes.pop() if len(hashes) == 1 else None

    def role_name(self, kind: str) -> str | None:
        names = {p.name for p in self.plugins().values() if p.kind == kind}
        return ", ".join(sorted(names)) or None

    def stages(self) -> dict[str, StageUse]:
        uses = {}
        for place, key in self.cell.stages.items():
            artifact = self.store.get(key)
            meta = artifact.meta if artifact else {}
            seconds, peak = meta.get("seconds"), meta.get("cost", {}).get("peak_mib")
            stage = place.partition(" ")[0]
            uses[place] = StageUse(stage=stage, key=key, seconds=seconds, peak_mib=peak)
        return uses

    def dataset(self, target: TargetKeys) -> DatasetResult:
        place = next(p for p, k in self.cell.stages.items() if k == target.evaluation)
        manifest = self.cell.stages[f"manifest {place.partition(' ')[2]}"]
        card = self._card(manifest)
        return DatasetResult(
            dataset=target.dataset,
            title=card.get("title", ""),
            licence=card.get("licence", ""),
            fixed_sentences=bool(card.get("fixed_sentences", False)),
            evaluation=self._result(target.evaluation, evaluate.RESULT, EvaluationResult),
            notes=list(target.notes),
            **{
                m.name: self._measured(m, target) for m in MEASUREMENTS if m.name in target.measured
            },
        )

    def _measured(self, measurement: Measurement[Any], target: TargetKeys) -> Any:
        keys = target.measured[measurement.name].values()
        results = [self._result(key, measurement.file, measurement.result) for key in keys]
        return results if measurement.many else results[0]

    def _result(self, key: str, file: str, model: type[R]) -> R:
        return model.model_validate_json((self.store.checked(key).path / file).read_bytes())

    def reports(self, stage: str, name: str, model: type[Summary]) -> dict[str, Summary]:
        """Returns the summaries that a stage wrote for each corpus or target."""
        summaries = {}
        for place, key in self.cell.stages.items():
            which, _, corpus = place.partition(" ")
            artifact = self.store.get(key) if which == stage else None
            if artifact is not None and (artifact.path / name).is_file():
                side, _, index = corpus.partition(".")
                dataset = getattr(self.cell.settings, side)[int(index)].dataset
                path = artifact.path / name
                summaries[f"{corpus} {dataset}"] = model.model_validate_json(path.read_bytes())
        return summaries

    def training(self) -> TrainingSummary | None:
        artifact = self.store.get(self.cell.stages.get("pretrain", ""))
        if artifact is None or not (artifact.path / REPORT).is_file():
            return None
        report = TrainingReport.model_validate_json((artifact.path / REPORT).read_bytes())
        return TrainingSummary.model_validate(report.model_dump(exclude={"labels", "epochs"}))


def about_plugin(plugin_dirs: tuple[Path, ...], identity: PluginIdentity) -> PluginAbout:
    """Returns a plugin's licence and the facts that it describes."""
    plugin: Plugin[Any] = registry(plugin_dirs).create(
        identity.kind, identity.name, {**identity.options, **identity.located}
    )
    try:
        facts = dict(portable(plugin.describe()))
        json.dumps(facts)
    # `describe` of a third party may raise anything; a finished cell must still get its record.
    except Exception as error:  # noqa: BLE001
        facts = {"error": f"describe() failed: {type(error).__name__}: {error}"}
    return PluginAbout(licence=str(facts.pop("licence", "") or plugin.licence), facts=facts)


def portable(value: Any) -> Any:
    """Cuts absolute paths to their last part, so that a record shows no home folder."""
    if isinstance(value, Mapping):
        return {key: portable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [portable(inner) for inner in value]
    if isinstance(value, str) and len(value) > 1 and PurePath(value).is_absolute():
        return f"…/{PurePath(value).name}"
    return value


@lru_cache(maxsize=1)
def commit() -> Commit | None:
    """Returns the commit of the checkout of this package; None for an installed wheel."""
    folder = Path(__file__).resolve().parents[3]
    if not (folder / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return Commit(revision=git("rev-parse", "HEAD"), dirty=bool(changed))
    except (OSError, subprocess.SubprocessError):
        return None


@lru_cache(maxsize=1)
def host() -> dict[str, Any]:
    """Returns the kind of machine, without its name."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }
