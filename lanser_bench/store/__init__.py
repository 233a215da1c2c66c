"""Content-addressed artifacts: keys, identities and the store itself."""

from .artifact import Artifact, Draft
from .files import WRITE_ERRORS, sync, why_unwritable, write_atomic
from .identity import FileHashes, file_sha256, library_versions, plugin_identity, source_hash
from .keys import PluginIdentity, Spec, canonical, digest
from .lease import Lease, LeaseLostError, Owner
from .store import DamagedError, LostError, Store

__all__ = [
    "WRITE_ERRORS",
    "Artifact",
    "DamagedError",
    "Draft",
    "FileHashes",
    "Lease",
    "LeaseLostError",
    "LostError",
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
