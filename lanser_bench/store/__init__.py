"""Content-addressed artifacts: keys, identities and the store itself."""

from .artifact import Artifact, Draft
from .files import WRITE_ERRORS, sync, why_unwritable, write_atomic
from .hashes import ChangedError, FileHashes, FileState, Memo, file_sha256
from .identity import library_versions, plugin_identity, source_hash
from .keys import PluginIdentity, Spec, canonical, digest
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
    "library_versions",
    "plugin_identity",
    "source_hash",
    "sync",
    "why_unwritable",
    "write_atomic",
]
