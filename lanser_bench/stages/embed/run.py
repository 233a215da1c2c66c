"""Embeddings: every layer of a frozen encoder, pooled over time, one vector per utterance.

The encoder is a fixed extractor, a trainable one with the weights of a `pretrain` stage, or one
with weights drawn from the seed: the random-init control.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ...data.utterances import FIELDS, UtteranceTable, utterances_without
from ...errors import DataError, PluginError, SettingsError
from ...kinds.encoder import FeatureExtractor, TrainableEncoder
from ...kinds.speech import SAMPLE_RATE
from ...store import Artifact, Draft, Spec, Store, digest
from ..base import StageContext
from ..features import Features
from ..maps.sharding import ARRAYS, MapResult
from ..maps.spans import Bucket, map_utterances, span_rows
from .encoding import Array, Encode, embed_rows, extractor_encode, module_encode, pooled_layers
from .spec import CAPACITY, Params

if TYPE_CHECKING:
    import torch

Embed = Callable[[Bucket], tuple[list[Array], list[float]]]
"""Utterances in; per layer their vectors, shape (utterances, dim), and their seconds out."""
GIVEN = {"text": "transcript", "id": "id", "recording": "audio_sha"}
"""Kind of a front end without sound → column of the manifest that it gives to the encoder."""


def run(context: StageContext, draft: Draft) -> None:
    """Embeds every utterance, shard by shard."""
    from safetensors.numpy import save_file

    plugin = context.plugin("encoder")
    kind = plugin.frontend.kind
    given = kind in GIVEN and isinstance(plugin, FeatureExtractor)
    embed = _given_embed(context, plugin) if given else _sound_embed(context, plugin)

    def compute(bucket: Bucket, part: Draft) -> pa.Table:
        vectors, seconds = embed(bucket)
        _check(vectors, bucket, context.spec)
        arrays = {f"layer_{i:02d}": np.ascontiguousarray(layer) for i, layer in enumerate(vectors)}
        save_file(arrays, part.path / ARRAYS)
        return pa.table({"seconds": pa.array(seconds, pa.float64())})

    names, audio = (partial(_given_rows, kind), None) if given else (span_rows, "embed")
    params = dict(context.spec.params)
    if plugin.frontend.normalise == "speaker":
        # A speaker's other utterances change the frames, so the shards belong to this manifest.
        params["features"] = context.spec.parents["features"]
    map_utterances(context, draft, names, compute, CAPACITY, needs_audio=audio, params=params)


def _params(context: StageContext) -> Params:
    return Params.model_validate({n: context.spec.params[n] for n in Params.model_fields})


def _given_rows(kind: str, table: UtteranceTable) -> list[str]:
    return [digest([kind, text]) for text in getattr(table, FIELDS[GIVEN[kind]])]


def _given_embed(context: StageContext, plugin: FeatureExtractor[Any]) -> Embed:
    """Embeds texts of the manifest, such as transcripts; equal ones are embedded once.

    Raises:
        DataError: an utterance has no such text.
    """
    column = GIVEN[plugin.frontend.kind]
    missing, total = utterances_without(context.parent("utterances"), column)
    name, params = context.name("encoder"), _params(context)
    if missing:
        what = "transcripts" if column == "transcript" else "recordings"
        raise DataError(
            f"Encoder '{name}' reads {what}, and {len(missing)} of {total} utterances "
            f"have none (first: {missing[0]}). Leave it out, or give the manifest {what}."
        )
    encode = extractor_encode(plugin, name)

    def embed(bucket: Bucket) -> tuple[list[Array], list[float]]:
        texts: list[Any] = getattr(bucket.table, FIELDS[column])
        vectors = pooled_layers([[answer] for answer in encode(texts)], params.pooling)
        return vectors, [seconds or 0.0 for seconds in bucket.table.seconds]

    return embed


def _sound_embed(context: StageContext, plugin: Any) -> Embed:
    """Embeds stored features, or the recordings themselves."""
    params, encode = _params(context), _encode(context, plugin)
    if "features" in context.spec.parents:
        # Shards of both stages have their rows in the same order.
        stored = Features(context.store, context.spec.parents["features"], open_files=1)
        rate = stored.rate
    else:
        stored, rate = None, float(SAMPLE_RATE)

    def embed(bucket: Bucket) -> tuple[list[Array], list[float]]:
        if stored is None:
            rows = [bucket.samples(row) for row in range(len(bucket.table))]
        else:
            rows = [stored.get(at).astype(np.float32, copy=False) for at in bucket.positions]
        return embed_rows(rows, encode, params, rate), [len(row) / rate for row in rows]

    return embed


def _encode(context: StageContext, plugin: Any) -> Encode:
    name, parents = context.name("encoder"), context.spec.parents
    if isinstance(plugin, FeatureExtractor) and "model" in parents:
        raise SettingsError(f"The encoder '{name}' is frozen and takes no pre-trained weights.")
    if plugin.frontend.kind in ("logmel", "frames") and "features" not in parents:
        raise PluginError(f"The encoder '{name}' takes features, but none were planned.")
    if isinstance(plugin, FeatureExtractor):
        return extractor_encode(plugin, name)
    from ...devices import compute_device

    place = compute_device(context.spec.params.get("device", "cpu"))
    attends = context.spec.params["pooling"] == "attentive" and "model" in parents
    attention = load_attention(context.parent("model")) if attends else None
    return module_encode(loaded_module(context, plugin).to(place).eval(), name, attention)


def loaded_module(
    context: StageContext, encoder: TrainableEncoder[Any], seed: int | None = None
) -> torch.nn.Module:
    """Returns the encoder's module with the weights of the parent `model`, or drawn ones.

    Without a `model`, `seed` draws them; by default the stage's own seed.
    """
    from safetensors.torch import load_file

    from ..pretrain.spec import MODEL

    if "model" not in context.spec.parents:
        return encoder.build((context.spec.seed if seed is None else seed) or 0)
    artifact = context.parent("model")
    module = encoder.build(artifact.spec.seed or 0)
    module.load_state_dict(load_file(artifact.path / MODEL))
    return module


def load_attention(model: Artifact) -> dict[str, torch.Tensor]:
    """Returns the weights of the attention that a `pretrain` stage learned.

    Raises:
        SettingsError: it pooled otherwise.
    """
    from safetensors.torch import load_file

    from ..pretrain.spec import ATTENTION

    if not (model.path / ATTENTION).is_file():
        raise SettingsError(
            "embed.pooling is attentive, but pre-training learned no attention. Set "
            "pretrain.pooling: attentive too, or another embed.pooling."
        )
    return load_file(model.path / ATTENTION)


def _check(vectors: list[Array], bucket: Bucket, spec: Spec) -> None:
    for number, layer in enumerate(vectors):
        bad = np.flatnonzero(~np.isfinite(layer).all(1))
        if not len(bad):
            continue
        where = (
            f"Encoder '{spec.plugins['encoder'].name}': layer {number} of utterance "
            f"'{bucket.table.ids[int(bad[0])]}' contains numbers that are not finite."
        )
        if "model" in spec.parents:
            raise SettingsError(
                f"{where} Its pre-training diverged: lower pretrain.learning_rate, or raise "
                "pretrain.warm_up."
            )
        raise PluginError(where)


def read_embeddings(store: Store, key: str) -> dict[str, Array]:
    """Reads the embeddings of an `embed` artifact.

    Returns:
        ``layer_00``, ``layer_01`` … in order, each of shape (utterances, dim) in the manifest's
        order.

    Raises:
        StoreError: it is missing or damaged.
    """
    result = MapResult(store, store.checked(key))
    return {name: result.arrays(name) for name in result.array_names()}
