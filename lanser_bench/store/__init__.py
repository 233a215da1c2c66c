"""Content-addressed artifacts: keys, file hashes and the store itself."""

from .._digest import canonical, digest
from .artifact import Artifact, Draft
from .files import WRITE_ERRORS, sync, why_unwritable, write_atomic
from .hashes import ChangedError, FileHashes, FileState, Memo, file_sha256
from .keys import PluginIdentity, Spec
from .lease import Lease, LeaseLostError, Owner
from .store import DamagedError, LostError, Store

__all__ = [
    "WRITE_ERRORS",
    "Artifact",
    "ChangedError",
    "DamagedError",
    "Draft",
    "FileHashes",
    "FileState",
    "Lease",
    "LeaseLostError",
    "LostError",
    "Memo",
    "Owner",
    "PluginIdentity",
    "Spec",
    "Store",
    "canonical",
    "digest",
    "file_sha256",
    "sync",
    "why_unwritable",
    "write_atomic",
]
