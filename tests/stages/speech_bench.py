"""A store, generated recordings and loose plugins for the tests of segment and transcribe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf

from lanser_bench.data.utterances import SCHEMA, write_utterances
from lanser_bench.kinds import StageReport
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.identity import plugin_identity
from lanser_bench.stages import segment
from lanser_bench.stages.base import RunnableCall, run_call
from lanser_bench.stages.transcribe import spec as transcribe
from lanser_bench.stages.transcribe.spec import Params
from lanser_bench.store import Artifact, PluginIdentity, Spec, Store, file_sha256

ECHO = '''
from pathlib import Path

from lanser_bench import ASR, DataError, PluginOptions, Transcript, hookimpl


@hookimpl
def register_asr(register):
    register("echo", f"{__name__}:Echo")


LOG = Path(__file__).parents[1] / "log"


class Options(PluginOptions):
    fault: str = ""


class Echo(ASR[Options]):
    """Tells how long a clip is, and logs what it was given."""

    Options = Options
    version = "1"
    batch_size = 3

    def transcribe(self, batch):
        lengths = [len(speech.samples) for speech in batch]
        with LOG.open("a") as file:
            file.write(f"{lengths} {[speech.transcript for speech in batch]}\\n")
        if self.options.fault == "crash" and 8000 in lengths:
            raise RuntimeError("no idea")
        if self.options.fault == "crowd" and len(batch) > 1:
            raise RuntimeError("too many")
        if self.options.fault == "language":
            raise DataError("The speech is in 'de'.")
        if self.options.fault == "short":
            return []
        return [Transcript(f"heard {n}", s.language or "", -0.5, 0.1, 1.0, n == 8000, n == 6000)
                for n, s in zip(lengths, batch)]
'''

FIXED = '''
from lanser_bench import PluginOptions, Segmenter, Span, hookimpl


@hookimpl
def register_segmenters(register):
    register("fixed", f"{__name__}:Fixed")


class Options(PluginOptions):
    spans: list[tuple[float, float]]


class Fixed(Segmenter[Options]):
    """Returns the same spans for every recording that holds sound."""

    Options = Options
    version = "1"

    def segment(self, recording):
        if not recording.samples.any():
            return []
        return [Span(start, end) for start, end in self.options.spans]
'''


class Bench:
    """A store, a folder of recordings, and the `echo` recogniser."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        self.paths: dict[str, str] = {}
        (folder / "plugins").mkdir()
        (folder / "plugins" / "echo.py").write_text(ECHO)
        (folder / "plugins" / "fixed.py").write_text(FIXED)
        self.log = folder / "log"
        self.registry = registry((folder / "plugins",))

    def clip(self, name: str, samples: npt.NDArray[Any]) -> str:
        path = self.folder / f"{name}.wav"
        sf.write(path, samples, 16_000, "FLOAT")
        sha = file_sha256(path)
        self.paths[sha] = str(path)
        return sha

    def manifest(self, rows: Sequence[Mapping[str, Any]]) -> str:
        whole = [
            dict.fromkeys(SCHEMA.names) | {"gold": {}, "gold_kind": "single", "extras": {}} | row
            for row in rows
        ]
        spec = Spec(stage="manifest", stage_version="1", params={"content": str(rows)})
        with self.store.write(spec) as draft:
            write_utterances(draft.path, whole, {})
        return spec.key

    def asr(self, name: str = "echo", **options: Any) -> PluginIdentity:
        plugin = self.registry.create("asr", name, options)
        return plugin_identity(self.registry, "asr", name, plugin)

    def run(self, utterances: str, asr: PluginIdentity, **params: Any) -> tuple[Spec, StageReport]:
        spec = transcribe.spec(utterances=utterances, asr=asr, params=Params(**params), threads=1)
        return spec, self.call(spec)

    def call(self, spec: Spec) -> StageReport:
        file = self.folder / "paths.json"
        file.write_text(json.dumps(self.paths))
        call = RunnableCall(
            spec.stage,
            spec.key,
            spec.model_dump(),
            self.store.root,
            plugin_dirs=(self.folder / "plugins",),
            inputs={"audio": [str(file)]},
        )
        return run_call(call)

    def cut(self, utterances: str, name: str, **options: Any) -> Artifact:
        plugin = self.registry.create("segmenter", name, options)
        identity = plugin_identity(self.registry, "segmenter", name, plugin)
        spec = segment.spec(utterances=utterances, segmenter=identity)
        self.call(spec)
        return self.store.checked(spec.key)

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def summary(self, spec: Spec) -> dict[str, Any]:
        path = self.store.checked(spec.key).path / transcribe.SUMMARY
        found: dict[str, Any] = json.loads(path.read_text())
        return found


def tone(samples: int, level: float = 0.1) -> npt.NDArray[np.float64]:
    return level * np.sin(np.arange(samples) * 0.2)
