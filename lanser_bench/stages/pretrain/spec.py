"""The pretrain stage's settings and the content of its key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ...devices import Device
from ...plugins.identity import library_versions
from ...store import PluginIdentity, Spec
from ..base import StageParams, device_params
from .forward import Confusion

VERSION = "1"
MODEL = "model.safetensors"
HEAD = "head.safetensors"
ATTENTION = "attention.safetensors"
"""Only with attentive pooling."""
ACOUSTIC = "acoustic.safetensors"
"""Only with acoustic targets: the second head, in z-scores."""
REPORT = "training.json"
LabelsControl = Literal["weak", "shuffled", "shuffled-within-speaker", "gold"]
"""The labels to learn: the weak ones, or those of a control."""


class TrainingParams(StageParams):
    """Settings of any training of a whole encoder."""

    epochs: int = Field(default=15, ge=1)
    batch_size: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak of the schedule: linear warm-up, then a cosine to zero. The optimiser is AdamW."""
    weight_decay: float = Field(default=0.01, ge=0)
    warm_up: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps in which the learning rate rises."""
    clip_norm: float = Field(default=5.0, gt=0)
    """Gradients with a larger norm are scaled down to it."""
    max_seconds: float = Field(default=4.0, gt=0)
    """Longer utterances are cropped, at random in training and to the middle in the dev part."""
    pooling: Literal["mean", "mean+std", "attentive"] = "mean"
    """How the frames of the last layer become one vector for the head; ``attentive`` is a mean
    with weights trained together with the head. Embeddings use `embed.pooling` instead, except in
    the zero-shot row."""
    targets: Literal["hard", "soft"] = "hard"
    """The best label (LanSER), or the labeler's scores as a distribution."""
    class_balance: Literal["none", "loss", "sampler"] = "none"
    """Gives rare labels more weight in the loss, or draws them more often."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    spec_augment: bool = False
    """Masks bands and stretches of the log-mel in training (SpecAugment)."""
    mask_mels: int = Field(default=8, ge=0)
    """Widest masked band, in mel bins."""
    mask_frames: int = Field(default=30, ge=0)
    """Longest masked stretch, in frames."""
    gain_db: float = Field(default=0.0, ge=0)
    """Changes the level of every utterance at random by up to this many dB in training."""
    noise_snr_db: float | None = None
    """Adds noise in training, between this signal-to-noise ratio and 20 dB above it."""
    accumulate: int = Field(default=1, ge=1)
    """A step uses this many batches of `batch_size` utterances, processed one after another: large
    batches in little memory."""
    batch_seconds: float | None = None
    """Instead of `batch_size`: batches of up to so many seconds of cropped speech, so that short
    utterances fill a GPU too. At least three times `max_seconds`."""
    precision: Literal["float32", "bf16"] = "float32"
    """``bf16`` computes the network in bfloat16 (autocast), with weights and loss in float32."""
    compile: bool = False
    """Compiles the network with ``torch.compile``: slow to start, then faster on a GPU."""
    dev_fraction: float = Field(default=0.1, ge=0, lt=0.5)
    """Share of the labelled utterances whose speakers are held out to choose the epoch."""
    select: Literal["dev_loss", "dev_uar", "last"] = "dev_loss"
    """The criterion that selects the epoch to keep; ``last`` keeps the last one."""
    patience: int | None = Field(default=None, ge=1)
    """Stops after this many epochs without a better one."""

    @model_validator(mode="after")
    def _one_kind_of_batch(self) -> Self:
        if self.batch_seconds is not None:
            if self.batch_seconds < 3 * self.max_seconds:
                raise ValueError("batch_seconds must be at least three times max_seconds")
            if self.accumulate > 1:
                raise ValueError("set accumulate or batch_seconds, not both")
        return self


class AcousticParams(StageParams):
    """A second head that predicts a probe's acoustic targets."""

    weight: float = Field(default=0.3, gt=0)
    """Weight of its loss (squared error of z-scored targets); the loss of the labels weighs 1."""
    targets: tuple[str, ...] = Field(default=("f0_mean_st", "loudness_mean_db"), min_length=1)
    """Names of the probe's targets."""
    probe: str = "prosody"
    """The probe that measures them on the corpora, with its default options."""

    @field_validator("targets")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("duplicate target")
        return names


class Params(TrainingParams):
    """Settings of pre-training."""

    soft_temperature: float = Field(default=1.0, gt=0)
    """With ``targets: soft`` (knowledge distillation to the label distribution): divides the logits
    of the scores and of the network before they are compared (Hinton et al. 2015)."""
    acoustic: AcousticParams | None = None
    """A second head that also predicts acoustic targets of each utterance:
    ``{weight: …, targets: […]}``, such as ``f0_mean_st``, ``loudness_mean_db`` and
    ``speaking_rate`` of the probe `prosody`. Its loss does not affect which epoch is kept."""

    loss: Literal["cross-entropy", "gce", "forward"] = "cross-entropy"
    """Two losses for noisy labels. ``gce``: generalised cross-entropy (Zhang & Sabuncu 2018), which
    gives less weight to labels that the network contradicts. ``forward``: corrects the network's
    prediction by the labeler's `confusion` (Patrini et al. 2017)."""
    gce_q: float = Field(default=0.7, gt=0, le=1)
    """With ``loss: gce``: near 0 it is cross-entropy, at 1 the mean absolute error."""
    confusion: Confusion | None = None
    """With ``loss: forward``: the labeler's measured confusion, as the path of the ``report.json``
    of `lanser-bench label` on a corpus with human labels, or ``{labels: […], confusion: [[…]]}``.
    Measure it on another set than the targets: their human labels must not be learned."""

    processes: int = Field(default=1, ge=1)
    """Processes that share each batch, each on its own GPU (with ``devices.pretrain: cuda``) or on
    `threads.pretrain` threads. Gradients are those of the whole batch. The number changes the last
    digits of floats."""

    @model_validator(mode="after")
    def _processes_share_whole_batches(self) -> Self:
        if self.processes > 1 and self.accumulate > 1:
            raise ValueError("set accumulate or processes, not both")
        return self

    @model_validator(mode="after")
    def _forward_has_confusion(self) -> Params:
        if self.loss == "forward" and self.confusion is None:
            raise ValueError("loss: forward needs confusion, the labeler's measured errors")
        return self

    @model_validator(mode="after")
    def _temperature_has_scores(self) -> Params:
        if self.soft_temperature != 1 and self.targets != "soft":
            raise ValueError("soft_temperature needs targets: soft; hard labels have no scores")
        return self


def spec(
    *,
    corpora: Sequence[tuple[str, str, str]],
    encoder: PluginIdentity,
    labels_control: LabelsControl,
    params: Params,
    seed: int,
    threads: int,
    device: Device = "cpu",
    acoustic: Sequence[str] = (),
) -> Spec:
    """Returns the key content.

    `corpora` are, per corpus, the keys of its utterances, labels and features; `acoustic` is the
    key of its `targets` stage, if ``params.acoustic`` is set. `labels_control` is ``weak`` or a
    control: labels ``shuffled`` among all labelled utterances, ``shuffled-within-speaker``, or
    ``gold``: human labels of the same names. `seed` draws weights, order, crops and shuffling.
    `threads` change floats, as does the `device`, which is in the key unless it is the CPU.
    """
    if labels_control == "gold" and params.loss == "forward":
        # Human labels have no errors of the labeler, so nothing is corrected.
        params = params.model_copy(update={"loss": "cross-entropy"})
    parents = {f"acoustic.{i}": key for i, key in enumerate(acoustic)}
    for i, keys in enumerate(corpora):
        for role, key in zip(("utterances", "labels", "features"), keys, strict=True):
            parents[f"{role}.{i}"] = key
    unused = {
        name for name, loss in (("gce_q", "gce"), ("confusion", "forward")) if params.loss != loss
    }
    return Spec(
        stage="pretrain",
        stage_version=VERSION,
        plugins={"encoder": encoder},
        params={
            **since_first_keys(params, LATER, unused),
            "labels_control": labels_control,
            # numpy draws the order, the crops, the masks and the shuffling.
            "libraries": library_versions(("torch", "numpy")),
            **device_params(device),
        },
        parents=parents,
        seed=seed,
        threads=threads,
    )


def since_first_keys(
    params: TrainingParams, later: Iterable[str], unused: Iterable[str] = ()
) -> dict[str, Any]:
    """Returns the settings for a key, without `later` ones at their defaults: older keys stay."""
    fields = type(params).model_fields
    unchanged = {name for name in later if getattr(params, name) == fields[name].default}
    return params.model_dump(mode="json", exclude=unchanged | set(unused))


LATER_IN_ALL = ("batch_seconds", "compile")
LATER = (
    *("gain_db", "noise_snr_db", "accumulate", "precision", "soft_temperature", "acoustic"),
    *("loss", "gce_q", "confusion", "processes", *LATER_IN_ALL),
)
"""Settings newer than the first keys."""
