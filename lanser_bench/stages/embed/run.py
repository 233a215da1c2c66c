"""Embeddings: every layer of a frozen encoder, pooled over time, one vector per utterance.

The encoder is a fixed extractor, a trainable one with the weights of a `pretrain` stage, or one
with weights drawn from the seed: the random-init control.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...data.utterances import utterances_without
from ...errors import DataError, PluginError, SettingsError
from ...kinds.encoder import FeatureExtractor, Frontend, TrainableEncoder
from ...kinds.speech import SAMPLE_RATE
from ...store import Draft, Spec, Store, digest
from ..base import StageContext
from ..features import Features
from ..maps.sharding import ARRAYS, ROWS, MapResult
from ..maps.spans import Bucket, check_audio, map_utterances, span_rows
from .encoding import Array, Encode, combine, embed_rows, extractor_encode, module_encode
from .spec import CAPACITY, Params

if TYPE_CHECKING:
    import torch


def run(context: StageContext, draft: Draft) -> None:
    """Embeds every utterance, shard by shard."""
    settings = {name: context.spec.params[name] for name in Params.model_fields}
    if settings["pooling"] == "attentive":
        settings["pooling"] = "mean"
    params = Params.model_validate(settings)
    if _reads_text(context):
        _run_text(context, draft, params)
        return
    source, rate = _source(context)
    encode = _encoder(context)

    def compute(bucket: Bucket, part: Draft) -> None:
        found = source(bucket)
        vectors = embed_rows(found, encode, params, rate)
        _check(vectors, bucket, context.spec)
        _write(part, vectors, [len(row) / rate for row in found])

    check_audio(context.parent("utterances"), "embed")
    map_utterances(context, draft, names=span_rows, compute=compute, capacity=CAPACITY)


def _reads_text(context: StageContext) -> bool:
    plugin = context.plugin("encoder")
    return isinstance(plugin, FeatureExtractor) and plugin.frontend.kind == "text"


def _run_text(context: StageContext, draft: Draft, params: Params) -> None:
    """Embeds transcripts; equal ones are embedded once.

    Raises:
        DataError: an utterance has none.
    """
    missing, total = utterances_without(context.parent("utterances"), "transcript")
    name = context.spec.plugins["encoder"].name
    if missing:
        raise DataError(
            f"Encoder '{name}' reads transcripts, and {len(missing)} of {total} utterances "
            f"have none (first: {missing[0]}). Leave it out, or give the manifest transcripts."
        )
    encode = extractor_encode(context.plugin("encoder"), name)

    def compute(bucket: Bucket, part: Draft) -> None:
        texts: list[Any] = bucket.table.transcripts
        found = encode(texts)
        rows = [combine([answer], params.pooling) for answer in found]
        vectors = [np.stack(layer) for layer in zip(*rows, strict=True)]
        _check(vectors, bucket, context.spec)
        _write(part, vectors, [seconds or 0.0 for seconds in bucket.table.seconds])

    map_utterances(
        context,
        draft,
        names=lambda table: [digest(["text", text]) for text in table.transcripts],
        compute=compute,
        capacity=CAPACITY,
    )


def _source(context: StageContext) -> tuple[Callable[[Bucket], list[Array]], float]:
    """Returns what gives utterances' input, and how many of its steps are a second."""
    if "features" in context.spec.parents:
        # Shards of both stages have their rows in the same order.
        stored = Features(context.store, context.spec.parents["features"], open_files=1)
        return lambda bucket: [stored.get(place) for place in bucket.positions], stored.rate
    return lambda bucket: [*map(bucket.samples, range(len(bucket.table)))], float(SAMPLE_RATE)


def _encoder(context: StageContext) -> Encode:
    plugin = context.plugin("encoder")
    name = context.spec.plugins["encoder"].name
    if isinstance(plugin, FeatureExtractor):
        if "model" in context.spec.parents:
            raise SettingsError(f"The encoder '{name}' is frozen and takes no pre-trained weights.")
        _check_input(context, plugin.frontend, name)
        return extractor_encode(plugin, name)
    _check_input(context, plugin.frontend, name)
    from ..network import device

    place = device(context.spec.params.get("device", "cpu"))
    attention = _attention(context) if context.spec.params["pooling"] == "attentive" else None
    return module_encode(_load(context, plugin).to(place).eval(), name, attention)


def _check_input(context: StageContext, frontend: Frontend, name: str) -> None:
    if frontend.kind == "logmel" and "features" not in context.spec.parents:
        raise PluginError(f"The encoder '{name}' is fed log-mel, but no features were planned.")


def _load(context: StageContext, plugin: TrainableEncoder[Any]) -> torch.nn.Module:
    from ..pretrain.spec import MODEL

    if "model" not in context.spec.parents:
        return plugin.build(context.spec.seed or 0)
    from safetensors.torch import load_file

    artifact = context.parent("model")
    module = plugin.build(artifact.spec.seed or 0)
    module.load_state_dict(load_file(artifact.path / MODEL))
    return module


def _attention(context: StageContext) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    from ..pretrain.spec import ATTENTION

    return load_file(context.parent("model").path / ATTENTION)


def _check(vectors: list[Array], bucket: Bucket, spec: Spec) -> None:
    for number, layer in enumerate(vectors):
        bad = np.flatnonzero(~np.isfinite(layer).all(1))
        if len(bad):
            where = (
                f"Encoder '{spec.plugins['encoder'].name}': layer {number} of utterance "
                f"'{bucket.table.ids[int(bad[0])]}' holds numbers that are not finite."
            )
            if "model" in spec.parents:
                raise SettingsError(
                    f"{where} Its pre-training diverged: lower pretrain.learning_rate, or raise "
                    "pretrain.warm_up."
                )
            raise PluginError(where)


def _write(part: Draft, vectors: list[Array], seconds: list[float]) -> None:
    from safetensors.numpy import save_file

    arrays = {f"layer_{i:02d}": np.ascontiguousarray(layer) for i, layer in enumerate(vectors)}
    save_file(arrays, part.path / ARRAYS)
    pq.write_table(pa.table({"seconds": pa.array(seconds, pa.float64())}), part.path / ROWS)


def read_embeddings(store: Store, key: str) -> dict[str, Array]:
    """Reads the embeddings of an `embed` artifact.

    Returns:
        ``layer_00``, ``layer_01`` … in order, each of shape (utterances, dim) in the manifest's
        order.

    Raises:
        StoreError: it is absent or damaged.
    """
    result = MapResult(store, store.checked(key))
    return {name: result.arrays(name) for name in result.array_names()}
