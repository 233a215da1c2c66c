"""Pre-training: an encoder learns to predict the weak labels from the audio.

Gong et al., LanSER (Interspeech 2023). The paper does not specify optimiser, filtering and
stopping; they are options here, with defaults of our own.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import SettingsError
from ...evaluation.summaries import TrainingReport
from ...kinds.encoder import FeatureExtractor, TrainableEncoder
from ...store import Draft
from ..base import StageContext
from .spec import ACOUSTIC, ATTENTION, HEAD, MODEL, REPORT, Params

if TYPE_CHECKING:
    import torch

    from .acoustic import Acoustic
    from .checkpoint import Progress
    from .examples import Examples, Split
    from .share import Share
    from .training import RowLosses, Training


def run(context: StageContext, draft: Draft) -> None:
    """Trains the encoder and keeps the weights of the chosen epoch."""
    from .checkpoint import Checkpoint
    from .processes import train_together

    params = Params.of(context.spec)
    if params.processes > 1:
        train_together(context, params.processes, prepared)  # up to a checkpoint of the last epoch
    training = prepared(context)
    checkpoint = Checkpoint(context.store, context.spec.key)
    progress, best = training.run(
        checkpoint, lambda done, total: context.progress(done, total, "batches")
    )
    control = context.spec.params["labels_control"]
    draft.counts |= counts(training.examples, training.split, control) | {
        "epochs": progress.epochs,
        "chosen_epoch": progress.best["epoch"],
        "device": training.device.type,
    }
    _write_weights(draft, best)
    _write_report(draft, progress, training.examples, params, training.acoustic)


def prepared(context: StageContext, share: Share | None = None) -> Training:
    """Reads the examples and makes the training that the key describes, or a process's share."""
    from ...devices import compute_device
    from ..network import Network
    from .examples import load_examples, split_by_speaker
    from .share import WHOLE
    from .training import Training

    name = context.name("encoder")
    encoder = trainable(context.plugin("encoder"), name)
    place = compute_device(context.spec.params.get("device", "cpu"))
    params, seed = Params.of(context.spec), context.spec.seed or 0
    examples = load_examples(context, context.spec.params["labels_control"], seed)
    split = split_by_speaker(examples, params.dev_fraction)
    network = Network.on(
        encoder.build(seed),
        examples.frames(int(examples.labelled[0])),
        name,
        seed,
        len(examples.taxonomy.names),
        params.pooling,
        0 if params.acoustic is None else len(params.acoustic.targets),
    )
    return Training(
        network.to(place),
        examples,
        split,
        params,
        seed,
        place,
        params.soft_temperature,
        _acoustic(context, params, split, place),
        _loss(params, examples, split),
        share or WHOLE,
    )


def trainable(plugin: Any, name: str) -> TrainableEncoder[Any]:
    """Returns the encoder, if it can be trained.

    Raises:
        SettingsError: it cannot, such as a `FeatureExtractor`.
    """
    if isinstance(plugin, FeatureExtractor):
        raise SettingsError(
            f"The encoder '{name}' is a frozen feature extractor and cannot be pre-trained. Use it "
            "for embeddings only, or choose a trainable encoder such as resnet."
        )
    if not isinstance(plugin, TrainableEncoder):
        raise SettingsError(f"The encoder '{name}' is not a lanser_bench.TrainableEncoder.")
    return plugin


def _acoustic(
    context: StageContext, params: Params, split: Split, place: torch.device
) -> Acoustic | None:
    from .acoustic import load_acoustic

    if params.acoustic is None:
        return None
    roles = [role for role in context.spec.parents if role.startswith("acoustic.")]
    keys = [context.spec.parents[f"acoustic.{i}"] for i in range(len(roles))]
    return load_acoustic(context.store, keys, params.acoustic, split.train, place)


def _loss(params: Params, examples: Examples, split: Split) -> RowLosses | None:
    """Returns the loss of the settings; None for the cross-entropy."""
    from .forward import check_seen, forward_correction
    from .gce import generalised_cross_entropy

    if params.loss == "gce":
        return partial(generalised_cross_entropy, q=params.gce_q)
    if params.loss == "forward" and params.confusion is not None:
        names = examples.taxonomy.names
        matrix = params.confusion.matrix(names)
        check_seen(matrix, names, set(examples.label_counts(split.train)))
        return partial(forward_correction, matrix=matrix)
    return None


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


def _write_weights(draft: Draft, weights: dict[str, torch.Tensor]) -> None:
    from safetensors.torch import save_file

    for prefix, name in (("encoder.", MODEL), ("head.", HEAD)):
        own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        save_file(own, draft.path / name)
    for prefix, name in (("attention.", ATTENTION), ("acoustic.", ACOUSTIC)):
        own = {k: v for k, v in weights.items() if k.startswith(prefix)}
        if own:
            save_file(own, draft.path / name)


def _write_report(
    draft: Draft, progress: Progress, examples: Examples, params: Params, acoustic: Acoustic | None
) -> None:
    report = TrainingReport(
        taxonomy=examples.taxonomy.name,
        labels=examples.taxonomy.names,
        pooling=params.pooling,
        chosen_epoch=progress.best["epoch"],
        epochs=progress.history,
        seconds=round(sum(line["seconds"] for line in progress.history), 3),
        acoustic=None if acoustic is None else acoustic.scales(),
    )
    left_out = {"acoustic"} if acoustic is None else set()
    content = report.model_dump(mode="json", exclude=left_out)
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (draft.path / REPORT).write_text(text, encoding="utf-8")
