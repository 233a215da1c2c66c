"""The transcribe stage's settings and the content of its key."""

from __future__ import annotations

from pydantic import Field

from ...plugins.identity import library_versions
from ...store import PluginIdentity, Spec
from ..base import StageParams

VERSION = "3"
SUMMARY = "transcripts.json"


class Params(StageParams):
    """Settings of the transcribe stage."""

    shard_rows: int = Field(default=64, ge=1)
    """Most distinct utterances of a shard, which is what a killed run can lose."""
    min_rms_db: float = Field(default=-60.0, le=0)
    """Clips quieter than this (RMS, in dB relative to full scale) get an empty text without running
    the recogniser, which invents words in silence. They are counted."""


def spec(*, utterances: str, asr: PluginIdentity, params: Params, threads: int) -> Spec:
    """Returns the content of the stage's key; the recogniser's `threads` can change its floats."""
    libraries = {"libraries": library_versions(("soundfile", "soxr"))}
    return Spec(
        stage="transcribe",
        stage_version=VERSION,
        plugins={"asr": asr},
        params={**params.model_dump(mode="json"), **libraries},
        parents={"utterances": utterances},
        threads=threads,
    )
