"""The stages of LanSER.

In the order of the method: segment, transcribe, label, features, pretrain, embed, targets,
evaluate, probe; then finetune, flatten, zeroshot and transfer. A large stage is a folder: `spec`
has its settings and key and imports nothing heavy, `run` computes. `maps` is the engine of stages
that process a corpus in shards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._face import face

if TYPE_CHECKING:
    from .embed.run import read_embeddings as read_embeddings
    from .label.files import read_labels as read_labels
    from .targets import read_targets as read_targets
    from .transcribe.run import read_transcripts as read_transcripts

__getattr__, __dir__, __all__ = face(__name__)
