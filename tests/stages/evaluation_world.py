"""A small store with real artifacts to evaluate and probe: a manifest, embeddings, sound."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import soundfile
from safetensors.numpy import save_file

from lanser_bench.data.utterances import SCHEMA, write_utterances
from lanser_bench.kinds import StageReport
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.identity import plugin_identity as identity_of
from lanser_bench.stages.base import RunnableCall, StageContext, run_call
from lanser_bench.stages.maps.sharding import ARRAYS
from lanser_bench.stages.maps.spans import Bucket, map_utterances, span_rows
from lanser_bench.store import Artifact, Draft, PluginIdentity, Spec, Store, file_sha256
from lanser_bench.taxonomy import Label, Taxonomy

NAMES = ("angry", "bored", "happy", "sad")
TAXONOMY = Taxonomy(
    name="four",
    version="1",
    citation="made for the tests",
    labels=tuple(Label(name=name, hypothesis=name) for name in NAMES),
)


class World:
    """A store with helpers that write artifacts and run stages on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")

    def manifest(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Each row names what is not the default."""
        full = []
        for i, given in enumerate(rows):
            row: dict[str, Any] = dict.fromkeys(SCHEMA.names)
            row |= {"id": f"u{i:03d}", "audio_sha": f"sha-{i}", "gold": {}, "extras": {}}
            full.append({**row, "gold_kind": "single", **given})
        spec = Spec(stage="manifest", stage_version="1", params={"content": full})
        with self.store.write(spec) as draft:
            write_utterances(draft.path, full, {"dataset": "made"})
        return spec.key

    def embeddings(
        self,
        utterances: str,
        layers: Mapping[str, npt.NDArray[np.floating]],
        model: str | None = None,
    ) -> str:
        content = {name: values.astype(np.float32) for name, values in layers.items()}
        spec = Spec(
            stage="embed",
            stage_version="1",
            params={"content": {n: float(np.nansum(v)) for n, v in content.items()}},
            parents={"utterances": utterances} | ({"model": model} if model else {}),
        )
        context = StageContext(spec, self.store, registry())

        def compute(bucket: Bucket, part: Draft) -> pa.Table:
            save_file({n: v[bucket.positions] for n, v in content.items()}, part.path / ARRAYS)
            return pa.table({"position": bucket.positions})

        with self.store.write(spec) as draft:
            map_utterances(context, draft, names=span_rows, compute=compute, capacity=32)
        return spec.key

    def model(self, corpus: str, labels: str = "weak") -> str:
        """A pre-training, of which only the identity is there."""
        spec = Spec(
            stage="pretrain",
            stage_version="1",
            params={"labels_control": labels},
            parents={"utterances.0": corpus},
        )
        with self.store.write(spec):
            pass
        return spec.key

    def recording(self, name: str, samples: npt.NDArray[np.floating]) -> tuple[str, Path]:
        path = self.folder / f"{name}.wav"
        soundfile.write(path, samples, 16_000)
        return file_sha256(path), path

    def run(self, spec: Spec, audio: Mapping[str, Path] | None = None) -> StageReport:
        inputs = {}
        if audio is not None:
            file = self.folder / "audio.json"
            file.write_text(json.dumps({sha: str(path) for sha, path in audio.items()}))
            inputs = {"audio": [str(file)]}
        call = RunnableCall(
            spec.stage, spec.key, spec.model_dump(mode="json"), self.store.root, inputs=inputs
        )
        return run_call(call)

    def result(self, spec: Spec) -> Artifact:
        self.run(spec)
        return self.store.checked(spec.key)


def probe_identity(name: str, **options: Any) -> PluginIdentity:
    plugin = registry().create("probe", name, options)
    return identity_of(registry(), "probe", name, plugin)


def speakers_and_labels(n_speakers: int = 6, each: int = 16) -> tuple[list[str], list[int]]:
    speakers = [f"made:s{i}" for i in range(n_speakers) for _ in range(each)]
    return speakers, [i % 4 for _ in range(n_speakers) for i in range(each)]


def labelled_layers(
    labels: Sequence[int], seed: int = 0, dim: int = 8
) -> dict[str, npt.NDArray[np.float64]]:
    """Two layers; only the second holds the label. They differ in width."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.standard_normal((4, dim))
    return {
        "layer_00": rng.standard_normal((len(labels), dim + 3)),
        "layer_01": centres[list(labels)] + rng.standard_normal((len(labels), dim)),
    }
