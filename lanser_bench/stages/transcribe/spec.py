"""The transcribe stage's settings and the content of its key."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ...plugins.identity import library_versions
from ...store import PluginIdentity, Spec

VERSION = "3"


SUMMARY = "transcripts.json"


class Params(BaseModel):
    """Settings of the transcribe stage."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    shard_rows: int = Field(default=64, ge=1)
    """Most distinct utterances of a shard: what a killed run can lose."""
    min_rms_db: float = Field(default=-60.0, le=0)
    """Clips quieter than this (RMS, in dB relative to full scale) get an empty text without asking
    the recogniser, which invents words on silence. They are counted."""


def spec(*, utterances: str, asr: PluginIdentity, params: Params, threads: int) -> Spec:
    """Returns the content of the stage's key.

    Args:
        utterances: key of the manifest.
        asr: the recogniser.
        params: settings.
        threads: CPU threads of the recogniser, which can move its floats.
    """
    return Spec(
        stage="transcribe",
        stage_version=VERSION,
        plugins={"asr": asr},
        params={
            **params.model_dump(mode="json"),
            "libraries": library_versions(("soundfile", "soxr")),
        },
        parents={"utterances": utterances},
        threads=threads,
    )
