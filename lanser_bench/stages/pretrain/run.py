"""Pre-training: an encoder learns to predict the weak labels from the audio.

Gong et al., LanSER (Interspeech 2023). The paper leaves optimiser, filtering and stopping open;
they are options here, and their defaults are ours.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...errors import SettingsError
from ...evaluation.summaries import Scaled, TrainingReport
from ...kinds.encoder import FeatureExtractor, TrainableEncoder
from ...store import Draft
from ..base import StageContext
from .spec import ACOUSTIC, ATTENTION, HEAD, MODEL, REPORT, LabelsControl, Params

if TYPE_CHECKING:
    import torch

    from ..network import Network
    from .acoustic import Acoustic
    from .checkpoint import Progress
    from .examples import Examples, Split


def run(context: StageContext, draft: Draft) -> None:
    """Trains the encoder and keeps the weights of the chosen epoch."""
    encoder = trainable(context.plugin("encoder"), context.spec.plugins["encoder"].name)

    from ..network import device
    from .checkpoint import Checkpoint
    from .examples import load_examples, split_by_speaker
    from .training import Training

    settings = dict(context.spec.params)
    control: LabelsControl = settings.pop("labels_control")
    settings.pop("libraries")
    place = device(settings.pop("device", "cpu"))
    params, seed = Params.model_validate(settings), context.spec.seed or 0
    if params.spec_augment and encoder.frontend.kind != "logmel":
        raise SettingsError("pretrain.spec_augment needs an encoder that is fed log-mel.")
    examples = load_examples(context, control, seed)
    split = split_by_speaker(examples, params.dev_fraction)
    acoustic = _acoustic(context, params, split, place)
    network = _network(context, encoder, examples, params, seed).to(place)
    training = Training(
        network, examples, split, params, seed, place, params.soft_temperature, acoustic
    )
    progress, best = training.run(
        Checkpoint(context.store, context.spec.key),
        lambda done, total: context.progress(done, total, "batches"),
    )
    draft.counts |= counts(examples, split, control)
    draft.counts |= {
        "epochs": progress.epochs,
        "chosen_epoch": progress.best["epoch"],
        "device": place.type,
    }
    _write(draft, progress, best, examples, params, acoustic)


def trainable(plugin: Any, name: str) -> TrainableEncoder[Any]:
    """Returns the encoder, refusing one that cannot be trained.

    Raises:
        SettingsError: it is a `FeatureExtractor`.
    """
    if isinstance(plugin, FeatureExtractor):
        raise SettingsError(
            f"The encoder '{name}' is a frozen feature extractor and cannot be pre-trained: use it "
            "for embeddings only, or choose a trainable encoder such as resnet."
        )
    if not isinstance(plugin, TrainableEncoder):
        raise SettingsError(f"The encoder '{name}' is not a lanser_bench.TrainableEncoder.")
    return plugin


def _network(
    context: StageContext,
    encoder: TrainableEncoder[Any],
    examples: Examples,
    params: Params,
    seed: int,
) -> Network:
    import torch

    from .._random import deterministic
    from ..network import Network, last_dim

    module = encoder.build(seed)
    example = torch.from_numpy(examples.frames(int(examples.labelled[0]))[None].copy())
    dim = last_dim(module, example, context.spec.plugins["encoder"].name)
    with deterministic(seed):
        measures = 0 if params.acoustic is None else len(params.acoustic.targets)
        return Network(module, dim, len(examples.taxonomy.names), params.pooling, measures)


def _acoustic(
    context: StageContext, params: Params, split: Split, place: torch.device
) -> Acoustic | None:
    from .acoustic import load_acoustic

    if params.acoustic is None:
        return None
    roles = [role for role in context.spec.parents if role.startswith("acoustic.")]
    keys = [context.spec.parents[f"acoustic.{i}"] for i in range(len(roles))]
    wanted = params.acoustic
    return load_acoustic(context.store, keys, wanted.targets, wanted.weight, split.train, place)


def counts(examples: Examples, split: Split, control: str) -> dict[str, Any]:
    """Returns what was used and what was left out, for the marker and the record."""
    speakers = [
        {s for row in rows.tolist() if (s := examples.speakers[row]) is not None}
        for rows in (split.train, split.dev)
    ]
    return {
        "utterances": len(examples),
        "labelled": len(examples.labelled),
        "abstained": len(examples) - len(examples.labelled),
        "train": len(split.train),
        "dev": len(split.dev),
        "dev_part": split.note,
        "dev_dropped_same_sound": split.dropped,
        "train_speakers": len(speakers[0]),
        "dev_speakers": len(speakers[1]),
        "labels_control": control,
        "train_labels": examples.label_counts(split.train),
        "dev_labels": examples.label_counts(split.dev),
    }


def _write(
    draft: Draft,
    progress: Progress,
    best: dict[str, torch.Tensor],
    examples: Examples,
    params: Params,
    acoustic: Acoustic | None,
) -> None:
    from safetensors.torch import save_file

    for name, prefix in ((MODEL, "encoder."), (HEAD, "head.")):
        part = {k.removeprefix(prefix): v for k, v in best.items() if k.startswith(prefix)}
        save_file(part, draft.path / name)
    for name, prefix in ((ATTENTION, "attention."), (ACOUSTIC, "acoustic.")):
        part = {k: v for k, v in best.items() if k.startswith(prefix)}
        if part:
            save_file(part, draft.path / name)
    report = TrainingReport(
        taxonomy=examples.taxonomy.name,
        labels=examples.taxonomy.names,
        pooling=params.pooling,
        chosen_epoch=progress.best["epoch"],
        epochs=progress.history,
        seconds=round(sum(line["seconds"] for line in progress.history), 3),
        acoustic=None
        if acoustic is None
        else {
            name: Scaled(mean=float(mean), sd=float(sd))
            for name, mean, sd in zip(acoustic.names, acoustic.centre, acoustic.spread, strict=True)
        },
    )
    left_out = {"acoustic"} if acoustic is None else set()
    content = report.model_dump(mode="json", exclude=left_out)
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (draft.path / REPORT).write_text(text, encoding="utf-8")
