"""The label stage's settings and the content of its key."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ...errors import SettingsError
from ...store import PluginIdentity, Spec
from ...taxonomy import NeutralRule, Taxonomy


def neutral_rule(taxonomy: Taxonomy, params: Params) -> NeutralRule:
    """Returns the rule in force for a taxonomy without a neutral label.

    Raises:
        SettingsError: the label stage asks to abstain and the file has no threshold to do it by.
    """
    if taxonomy.neutral is not None or params.neutral == "keep":
        return NeutralRule(kind="keep")
    if params.neutral == "taxonomy":
        return taxonomy.neutral_rule
    threshold = taxonomy.neutral_rule.min_confidence
    if threshold <= 0:
        raise SettingsError(
            f"label.neutral is 'abstain', but {taxonomy.name} has neither a neutral label nor a "
            "threshold: give `neutral_rule: {kind: keep, min_confidence: …}` in its file, or set "
            "label.min_confidence instead."
        )
    return NeutralRule(kind="abstain", min_confidence=threshold)


VERSION = "2"


SUMMARY = "labels.json"


class Params(BaseModel):
    """Settings of the label stage."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    neutral: Literal["taxonomy", "keep", "abstain"] = "taxonomy"
    """``taxonomy``: the rule in the taxonomy's file. ``keep``: every utterance keeps its best
    label. ``abstain``: utterances whose best label is the neutral one get none; where the taxonomy
    has no neutral label, those below the `min_confidence` of its rule."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Utterances whose best score is lower get no label."""
    min_margin: float = Field(default=0.0, ge=0, le=1)
    """Utterances whose best score leads the second by less get no label."""
    max_no_speech_prob: float = Field(default=0.6, ge=0, le=1)
    """With `min_avg_logprob` Whisper's own rule for silence (Radford et al. 2022): an utterance
    with a higher no-speech probability *and* a lower mean log-probability gets no label."""
    min_avg_logprob: float = -1.0
    prior_correction: Literal["none", "corpus-mean", "content-free"] = "none"
    """``corpus-mean`` divides each label's scores by their mean over the corpus, ``content-free``
    by the labeler's mean scores of the texts in `content_free`."""
    content_free: tuple[str, ...] = Field(default=("N/A", "[MASK]", "..."), min_length=1)
    """Texts that say nothing; those on which the labeler abstains do not count."""
    temperature: float = Field(default=1.0, gt=0)
    """Above 1 flattens scores, below 1 sharpens them, before everything else."""
    top_q: float = Field(default=1.0, gt=0, le=1)
    """Of each label's utterances only this share, with the highest scores, keep their label."""
    balance: Literal["none", "downsample"] = "none"
    """``downsample``: of each label as many utterances, drawn at random, keep theirs as the rarest
    label that occurs has. Weights in the loss are `pretrain.class_balance`."""
    balance_seed: int = 0
    shard_rows: int = Field(default=256, ge=1)
    """Most distinct records of a shard: what a killed run can lose."""


def spec(
    *,
    utterances: str,
    transcripts: str | None,
    labeler: PluginIdentity,
    taxonomy: Taxonomy,
    params: Params,
    threads: int,
    gold_taxonomy: Taxonomy | None = None,
) -> Spec:
    """Returns the content of the stage's key.

    Args:
        utterances: key of the manifest.
        transcripts: key of the `transcribe` artifact; None to label the manifest's own texts.
        labeler: the labeler.
        taxonomy: the labels; its whole content goes into the key, so a worker needs no file.
        params: settings.
        threads: CPU threads of the labeler, which can move its floats.
        gold_taxonomy: the taxonomy of the manifest's gold labels where it has any: needed by a
            labeler that reads gold, and to measure agreement.

    Raises:
        SettingsError: the neutral rule asked for cannot be carried out with this taxonomy.
    """
    neutral_rule(taxonomy, params)
    parents = {"utterances": utterances}
    if transcripts is not None:
        parents["transcripts"] = transcripts
    return Spec(
        stage="label",
        stage_version=VERSION,
        plugins={"labeler": labeler},
        params={
            "taxonomy": taxonomy.content(),
            "gold_taxonomy": None if gold_taxonomy is None else gold_taxonomy.content(),
            "label": params.model_dump(mode="json"),
        },
        parents=parents,
        threads=threads,
    )
