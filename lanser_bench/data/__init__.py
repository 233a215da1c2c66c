"""Datasets as the harness reads them: a survey of the files, then a manifest in the store.

`survey` checks every utterance, `audio_memo` caches facts of recordings, `manifest` makes the
artifact, and `utterances` is its table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._face import face

if TYPE_CHECKING:
    from .audio_memo import AudioMemo as AudioMemo
    from .listing import Part as Part
    from .manifest import BuiltManifest as BuiltManifest
    from .manifest import build_manifest as build_manifest
    from .survey import Survey as Survey
    from .survey import survey_dataset as survey_dataset
    from .utterances import UtteranceTable as UtteranceTable
    from .utterances import read_utterances as read_utterances

__getattr__, __dir__, __all__ = face(__name__)
