"""Content-addressed artifacts: keys, file hashes and the store itself."""

from .._digest import canonical as canonical
from .._digest import digest as digest
from .artifact import Artifact as Artifact
from .artifact import Draft as Draft
from .files import WRITE_ERRORS as WRITE_ERRORS
from .files import drop_damaged as drop_damaged
from .files import read_cache as read_cache
from .files import sync as sync
from .files import why_unwritable as why_unwritable
from .files import write_atomic as write_atomic
from .hashes import ChangedError as ChangedError
from .hashes import FileHashes as FileHashes
from .hashes import FileState as FileState
from .hashes import Memo as Memo
from .hashes import file_sha256 as file_sha256
from .keys import PluginIdentity as PluginIdentity
from .keys import Spec as Spec
from .lease import Lease as Lease
from .lease import LeaseLostError as LeaseLostError
from .lease import Owner as Owner
from .store import DamagedError as DamagedError
from .store import LostError as LostError
from .store import Store as Store
