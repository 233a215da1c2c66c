"""A small store with real artifacts to train on: a manifest, features and weak labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from lanser_bench.data.utterances import SCHEMA, read_utterances, write_utterances
from lanser_bench.kinds import Frontend, StageReport
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.identity import plugin_identity
from lanser_bench.stages import features, targets
from lanser_bench.stages.base import RunnableCall, StageContext, run_call
from lanser_bench.stages.embed import spec as embed
from lanser_bench.stages.label import files as label_files
from lanser_bench.stages.label import spec as label
from lanser_bench.stages.maps.spans import Bucket, map_utterances, span_rows
from lanser_bench.stages.pretrain import spec as pretrain
from lanser_bench.store import Draft, PluginIdentity, Spec, Store
from lanser_bench.taxonomy import Label, Taxonomy

MELS = 16
TAXONOMY = Taxonomy(
    name="three",
    version="1",
    citation="made for the tests",
    labels=tuple(Label(name=name, hypothesis=name) for name in ("angry", "happy", "sad")),
)


def identity(encoder: str, **options: Any) -> PluginIdentity:
    plugin = registry().create("encoder", encoder, options)
    return plugin_identity(registry(), "encoder", encoder, plugin)


def cnn(**options: Any) -> PluginIdentity:
    return identity("cnn", **{"channels": (8, 8), "n_mels": MELS, **options})


@dataclass
class Corpus:
    """One corpus: what it is made of, and the keys of its artifacts."""

    utterances: str
    labels: str
    features: str
    frames: list[npt.NDArray[np.float32]]
    truth: npt.NDArray[np.int64]

    @property
    def keys(self) -> tuple[str, str, str]:
        return self.utterances, self.labels, self.features


class World:
    """A store with helpers that write artifacts and run stages on them."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)

    def manifest(
        self,
        name: str,
        truth: Sequence[int],
        speakers: Sequence[str | None],
        gold: Sequence[str | None] | None = None,
    ) -> str:
        rows = []
        for i, _ in enumerate(truth):
            row: dict[str, Any] = dict.fromkeys(SCHEMA.names)
            label_ = gold[i] if gold else None
            row |= {
                "id": f"u{i:03d}",
                "audio_sha": f"{name}-{i}",
                "speaker": speakers[i],
                "gold": {label_: 1.0} if label_ else {},
                "gold_kind": "single",
                "extras": {},
            }
            rows.append(row)
        spec = Spec(
            stage="manifest",
            stage_version="1",
            params={"content": [name, len(truth), list(speakers), list(gold or [])]},
        )
        with self.store.write(spec) as draft:
            write_utterances(draft.path, rows, {"dataset": name})
        return spec.key

    def features(
        self,
        utterances: str,
        frames: Sequence[npt.NDArray[Any]],
        frontend: Frontend | None = None,
    ) -> str:
        spec = features.spec(utterances=utterances, frontend=frontend or Frontend(n_mels=MELS))
        context = StageContext(spec, self.store, registry())

        def compute(bucket: Bucket, part: Draft) -> pa.Table:
            return features.write_frames(part.path, [frames[p] for p in bucket.positions])

        with self.store.write(spec) as draft:
            map_utterances(context, draft, names=span_rows, compute=compute, capacity=16)
        return spec.key

    def measured(self, utterances: str, values: dict[str, npt.NDArray[np.float64]]) -> str:
        """A `targets` artifact with these values, NaN where undefined."""
        content = {name: np.nan_to_num(column, nan=1e9).tolist() for name, column in values.items()}
        spec = Spec(
            stage="targets",
            stage_version=targets.VERSION,
            params={"values": content},
            parents={"utterances": utterances},
        )
        context = StageContext(spec, self.store, registry())

        def compute(bucket: Bucket, part: Draft) -> pa.Table:
            return pa.table({name: column[bucket.positions] for name, column in values.items()})

        with self.store.write(spec) as draft:
            map_utterances(context, draft, names=span_rows, compute=compute, capacity=16)
        return spec.key

    def labels(
        self,
        utterances: str,
        index: Sequence[int],
        scores: npt.NDArray[np.float32] | None = None,
        taxonomy: Taxonomy = TAXONOMY,
    ) -> str:
        ids = read_utterances(self.store.checked(utterances)).ids
        hard = np.asarray(index)
        if scores is None:
            scores = np.full((len(hard), len(taxonomy.names)), 0.1, np.float32)
            scores[np.arange(len(hard)), hard] = 0.8
        spec = Spec(
            stage="label",
            stage_version=label.VERSION,
            params={
                "taxonomy": taxonomy.content(),
                "index": hard.tolist(),
                "scores": scores.tolist(),
            },
            parents={"utterances": utterances},
        )
        names = [taxonomy.names[i] if i >= 0 else None for i in hard.tolist()]
        with self.store.write(spec) as draft:
            columns = {
                "id": pa.array(ids, pa.string()),
                "label": pa.array(names, pa.string()),
                "index": pa.array(hard, pa.int32()),
                "confidence": pa.array(scores.max(1), pa.float32()),
                "scores": pa.array(scores.tolist(), pa.list_(pa.float32())),
                "reason": pa.array([None if n else "labeler" for n in names], pa.string()),
            }
            pq.write_table(pa.table(columns), draft.path / label_files.LABELS)
        return spec.key

    def corpus(
        self,
        name: str = "corpus",
        n: int = 60,
        speakers: int = 6,
        seed: int = 0,
        abstain: Sequence[int] = (),
        gold: Sequence[str | None] | None = None,
    ) -> Corpus:
        """Clips of 20 to 60 frames in which each label has its own loud mel bins."""
        rng = np.random.default_rng(seed)
        truth = rng.integers(3, size=n)
        frames = [separable(rng, int(label_)) for label_ in truth]
        who = [f"{name}:s{i % speakers}" for i in range(n)]
        utterances = self.manifest(name, truth.tolist(), who, gold)
        index = truth.copy()
        index[list(abstain)] = -1
        return Corpus(
            utterances,
            self.labels(utterances, index.tolist()),
            self.features(utterances, frames),
            frames,
            truth,
        )

    def call(self, spec: Spec) -> StageReport:
        located = {role: plugin.located for role, plugin in spec.plugins.items()}
        call = RunnableCall(
            spec.stage,
            spec.key,
            spec.model_dump(),
            self.store.root,
            inputs={"located": located},
        )
        return run_call(call)

    def pretrain(
        self,
        *corpora: Corpus | tuple[str, str, str],
        encoder: PluginIdentity | None = None,
        control: Any = "weak",
        seed: int = 0,
        measured: Sequence[str] = (),
        **params: Any,
    ) -> Spec:
        settings = {"epochs": 2, "batch_size": 8, "max_seconds": 0.5, **params}
        return pretrain.spec(
            corpora=[c.keys if isinstance(c, Corpus) else c for c in corpora],
            encoder=encoder or cnn(),
            labels_control=control,
            params=pretrain.Params(**settings),
            seed=seed,
            threads=1,
            acoustic=measured,
        )

    def embed(
        self,
        corpus: Corpus,
        encoder: PluginIdentity | None = None,
        model: str | None = None,
        seed: int | None = None,
        **params: Any,
    ) -> Spec:
        return embed.spec(
            utterances=corpus.utterances,
            encoder=encoder or cnn(),
            features=corpus.features,
            params=embed.Params(**params),
            threads=1,
            weights=embed.Weights(model, seed),
        )


def separable(rng: np.random.Generator, label_: int) -> npt.NDArray[np.float32]:
    frames = rng.normal(-9, 2, (int(rng.integers(20, 61)), MELS)).astype(np.float32)
    frames[:, 4 * label_ : 4 * label_ + 4] += 3
    return frames
