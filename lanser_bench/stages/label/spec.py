"""The label stage's settings and the content of its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from ...errors import SettingsError
from ...plugins.identity import library_versions
from ...store import PluginIdentity, Spec
from ...taxonomy import NeutralRule, Taxonomy
from ..base import StageParams, present

VERSION = "2"
SUMMARY = "labels.json"
ODD_TEXTS = {
    "truncated": "longer than the labeler's model takes, so read in part",
    "without_words": "without a letter or digit",
    "other_language": "in a language that the labeler is not made for",
}
"""Kinds of unusual texts, which are labelled and counted → description for readers."""


class Params(StageParams):
    """Settings of the label stage."""

    neutral: Literal["taxonomy", "keep", "abstain"] = "taxonomy"
    """``taxonomy``: the rule in the taxonomy's file. ``keep``: every utterance keeps its best
    label. ``abstain``: utterances whose best label is the neutral one get none; if the taxonomy has
    no neutral label, utterances below the `min_confidence` of its rule get none."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Utterances whose best score is lower get no label."""
    min_margin: float = Field(default=0.0, ge=0, le=1)
    """Utterances whose best score leads the second by less get no label."""
    max_no_speech_prob: float = Field(default=0.6, ge=0, le=1)
    """Together with `min_avg_logprob`, Whisper's own rule for silence (Radford et al. 2022): an
    utterance with a higher no-speech probability *and* a lower mean log-probability gets no
    label."""
    min_avg_logprob: float = -1.0
    prior_correction: Literal["none", "corpus-mean", "content-free"] = "none"
    """``corpus-mean`` divides each label's scores by their mean over the corpus, ``content-free``
    by the labeler's mean scores of the texts in `content_free`."""
    content_free: tuple[str, ...] = Field(default=("N/A", "[MASK]", "..."), min_length=1)
    """Texts without content; those on which the labeler abstains do not count."""
    temperature: float = Field(default=1.0, gt=0)
    """Above 1 flattens scores, below 1 sharpens them, before all other corrections."""
    top_q: float = Field(default=1.0, gt=0, le=1)
    """Only this share of each label's utterances, with the highest scores, keep their label."""
    balance: Literal["none", "downsample"] = "none"
    """``downsample``: every label keeps as many utterances, drawn at random, as the rarest label
    that occurs. For weights in the loss see `pretrain.class_balance`."""
    balance_seed: int = 0
    shard_rows: int = Field(default=256, ge=1)
    """Most distinct records of a shard, which is what a killed run can lose."""


def neutral_rule(taxonomy: Taxonomy, params: Params) -> NeutralRule:
    """Returns the rule for neutral utterances that applies to a taxonomy.

    Raises:
        SettingsError: the settings ask to abstain, and the taxonomy has no threshold for it.
    """
    if taxonomy.neutral is not None or params.neutral == "keep":
        return NeutralRule(kind="keep")
    if params.neutral == "taxonomy":
        return taxonomy.neutral_rule
    threshold = taxonomy.neutral_rule.min_confidence
    if threshold <= 0:
        raise SettingsError(
            f"label.neutral is 'abstain', but {taxonomy.name} has neither a neutral label nor a "
            "threshold. Add `neutral_rule: {kind: keep, min_confidence: …}` to its file, or set "
            "label.min_confidence instead."
        )
    return NeutralRule(kind="abstain", min_confidence=threshold)


@dataclass(frozen=True)
class Reading:
    """How a labeler reads a corpus."""

    wordings: tuple[str, ...] = ()
    """Languages of the utterances whose labels are worded in their own language."""
    audio: bool = False
    """Whether it reads recordings, so that the libraries that decode them are in the key."""
    second: str | None = None
    """Key of another labeler's labels: only utterances with the same label keep it."""


def spec(
    *,
    utterances: str,
    transcripts: str | None,
    labeler: PluginIdentity,
    taxonomy: Taxonomy,
    params: Params,
    threads: int,
    gold_taxonomy: Taxonomy | None = None,
    reading: Reading | None = None,
) -> Spec:
    """Returns the content of the stage's key.

    Without `transcripts` the manifest's own texts are labelled. The whole content of `taxonomy` is
    in the key, so a worker needs no file. `gold_taxonomy` is that of the manifest's gold labels, if
    it has any; for labelers that read gold, and for agreement with gold. The taxonomy's
    languages that no text needs (see `Reading`) are not in the key. `threads` can change floats.

    Raises:
        SettingsError: the taxonomy does not support the neutral rule of the settings.
    """
    neutral_rule(taxonomy, params)
    reading = reading or Reading()
    parents = {"utterances": utterances, "transcripts": transcripts, "second": reading.second}
    return Spec(
        stage="label",
        stage_version=VERSION,
        plugins={"labeler": labeler},
        params={
            "taxonomy": taxonomy.content(reading.wordings),
            "gold_taxonomy": None if gold_taxonomy is None else gold_taxonomy.content(),
            "label": params.model_dump(mode="json"),
            **({"libraries": library_versions(("soundfile", "soxr"))} if reading.audio else {}),
        },
        parents=present(parents),
        threads=threads,
    )
