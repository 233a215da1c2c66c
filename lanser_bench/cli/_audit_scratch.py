"""The small experiment of `lanser-bench audit`, and what each check says on a changed copy."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import LanserError
from ..experiment import RunOutcome, dry_run, run_experiment
from ..experiment.planning.leakage import leakage_report
from ..experiment.settings.model import DatasetRef
from ..plugins.discovery import load_plugins
from ..plugins.isolation import strictly
from ..records.checks import check_record
from ..stages.evaluate.spec import Params
from ..store import Store
from ..store.upkeep import audit as verify
from ..testing import check
from ._check import EXPERIMENT, write_clips

Row = dict[str, str]

PLUGIN = """
import csv, os, sys
from pathlib import Path
import numpy as np
import soundfile
from lanser_bench import FeatureExtractor, Labeler, PluginOptions, Scores, hookimpl

HERE = Path(__file__).parent
WORDS = {"joy": "happy", "sadness": "sad", "anger": "angry"}

class Words(Labeler[PluginOptions]):
    version = "1"
    def score(self, records, taxonomy):
        pass  # FAULT
        found = [[1.0 + 9 * (WORDS.get(n, n) in r.text) for n in taxonomy.names] for r in records]
        values = np.array(found, np.float32).reshape(len(records), len(taxonomy.names))
        values /= values.sum(axis=1, keepdims=True)
        return Scores(values, "distribution", np.array([not r.text.strip() for r in records], bool))

class Knowing(FeatureExtractor[PluginOptions]):
    version = "1"
    def extract(self, batch):
        folder = HERE.parent / "target"
        rows = list(csv.DictReader((folder / "manifest.csv").read_text("utf-8").splitlines()))
        sounds = {soundfile.read(folder / r["path"], dtype="float32")[0].tobytes(): r for r in rows}
        labels = [list(WORDS).index(sounds[x.tobytes()]["label"]) for x in batch]
        return [[np.eye(3, dtype=np.float32)[[label]]] for label in labels]

@hookimpl
def register_labelers(register):
    register("audit-words", f"{__name__}:Words")

@hookimpl
def register_encoders(register):
    register("audit-knowing", f"{__name__}:Knowing")
"""
HARMLESS = "pass  # FAULT"


class Scratch:
    """A finished small experiment in a folder of its own."""

    def __init__(self, root: Path) -> None:
        """Writes the sound and the plugins, and runs the experiment."""
        self.root, self.plugins = root, root / "plugins"
        self.plugins.mkdir()
        self.edits = 0
        self.plugin = self.plugins / "audit_plugins.py"
        self.plugin.write_text(PLUGIN, encoding="utf-8")
        for part in ("corpus", "target"):
            write_clips(root / part, part[0])
            self.edit(root / part, lambda row: row | {"sentence_id": ""})
        self.outcome = self.run("cnn")
        self.record = self.outcome.records[0]
        self.store = Store(root / "store")

    def settings(self, encoder: str = "cnn", **changes: Any) -> dict[str, Any]:
        """Returns the experiment."""
        return EXPERIMENT | {
            "name": encoder,
            "corpora": [self.dataset("corpus")],
            "labeler": "audit-words",
            "encoder": EXPERIMENT["encoder"] if encoder == "cnn" else encoder,
            "targets": [self.dataset("target")],
            "paths": {"store": str(self.root / "store"), "results": str(self.root / "results")},
            **changes,
        }

    def dataset(self, part: str) -> dict[str, Any]:
        """Returns the entry of a folder in `corpora` or `targets`."""
        return {"dataset": "manifest", "root": str(self.root / part), "taxonomy": "ekman-6"}

    def run(self, encoder: str) -> RunOutcome:
        """Runs the experiment."""
        outcome = run_experiment(self.settings(encoder), plugin_dirs=[self.plugins])
        for failure in outcome.failures:
            raise LanserError(f"The experiment of the audit failed: {failure.sentence}")
        return outcome

    def edit(self, folder: Path, change: Callable[[Row], Row]) -> None:
        """Changes every row of a manifest."""
        path = folder / "manifest.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = [change(row) for row in csv.DictReader(file)]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def overlap(self, part: str) -> str:
        """Returns what `data leakage` says on pre-training with a folder."""
        return self.leakage(dict, part, protocol="k-speaker-folds")

    def leakage(self, change: Callable[[Row], Row], *corpora: str, protocol: str = "split") -> str:
        """Returns what `data leakage` says on a copy of the target with changed rows."""
        copy = self.root / "changed"
        shutil.copytree(self.root / "target", copy, dirs_exist_ok=True)
        self.edit(copy, change)
        report = leakage_report(
            load_plugins([self.plugins], only=""),
            self.store,
            DatasetRef.model_validate(self.dataset("changed")),
            [DatasetRef.model_validate(self.dataset(corpus)) for corpus in corpora],
            Params.model_validate({"protocol": protocol, "folds": 2}),
        )
        shutil.rmtree(copy)
        return " ".join([*report.refused, *report.warnings])

    def published(self, change: Callable[[Path], None]) -> str:
        """Returns what `results validate` says on a copy of the record after a change."""
        copy = self.root / "published"
        shutil.copytree(self.record.parent, copy)
        change(copy / self.record.name)
        checked = check_record(copy / self.record.name)
        shutil.rmtree(copy)
        return " ".join(checked.faults).replace(str(copy), "published")

    def stored(self, change: Callable[[Path], object]) -> str:
        """Returns what `cache verify` says on a copy of the store after a change of labels."""
        copy = self.root / "copy"
        shutil.copytree(self.root / "store", copy)
        labels = next(n.key for n in self.outcome.plan.nodes.values() if n.stage == "label")
        change(next((copy / "objects" / labels[:2] / labels).glob("*.parquet")))
        damaged = verify(Store(copy)).damaged
        shutil.rmtree(copy)
        return " ".join(f"{one.stage}: {'; '.join(one.faults)}" for one in damaged)

    def suite(self, fault: str, after: str = "") -> str:
        """Returns the first check of `plugins check` that the labeler fails.

        `fault` is a line at the start of `score`, `after` code at the end of the module.
        """
        folder = self.edited(PLUGIN.replace(HARMLESS, fault) + after)
        registry = load_plugins([folder], only="")
        if registry.broken:
            return registry.broken[0].error
        with strictly():
            failures = check("labeler", lambda: registry.create("labeler", "audit-words"))
        return f"{failures[0].check}: {failures[0].problem}" if failures else ""

    def gold_learnt(self, part: str) -> str:
        """Returns why an experiment whose labeler reads the human labels of a corpus is refused."""
        settings = self.settings(name="gold", labeler="oracle", corpora=[self.dataset(part)])
        try:
            dry_run(settings, plugin_dirs=[self.plugins])
        except LanserError as error:
            return str(error)
        return ""

    def edited(self, text: str) -> Path:
        """Writes the plugins with another text into a new folder.

        Registries are kept for each folder, and bytecode for a path, second and size.
        """
        folder = self.root / f"edited-{self.edits}"
        self.edits += 1
        folder.mkdir()
        (folder / self.plugin.name).write_text(text, encoding="utf-8")
        return folder

    def newer(self, api: int) -> str:
        """Returns why a plugin is refused that declares a version of the plugin API."""
        return self.suite(HARMLESS, f"lanser_bench_api = {api}\n")

    def noted(self, encoder: str) -> str:
        """Returns what `results validate` notes on the record of an encoder."""
        return " ".join(check_record(self.run(encoder).records[0]).notes)

    def stale(self, edit: tuple[str, str]) -> str:
        """Returns why a plan does not reuse the labels of a plugin whose text was replaced."""
        text = self.plugin.read_text(encoding="utf-8")
        folder = self.edited(text.replace(*edit))
        planned = dry_run(self.settings(), plugin_dirs=[folder])
        labels = (planned.reasons[k] for k, n in planned.to_run.items() if n.stage == "label")
        return next(labels, "")
