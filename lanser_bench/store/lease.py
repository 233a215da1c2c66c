"""Leases: exclusive write access to a key, for any number of machines that share a file system.

The file system only needs `link`, which fails if the name exists, and `unlink`; neither flock nor
synchronised clocks. A holder writes a counter into its lease every few seconds. It is dead if its
process on this machine has ended, or if a waiting process has seen the counter unchanged for the
lease's expiry time, by its own clock.

The leases of a key form a chain. The first is ``KEY.lease``; a process that finds the last lease
dead adds its own as ``KEY.TOKEN.next``, where TOKEN is the dead lease's. Tokens are unique, so only
one of several processes takes over. A process that has slept since it looked finds the name taken,
or, if the chain was removed, finds its lease outside the chain and looks again. To release a key, a
holder first takes its own ``next``, so that no other process can, and then removes the chain from
its start.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import StoreError
from .files import why_unwritable

EXPIRES_S = 60.0
"""A lease with an unchanged counter expires after this time; ``LANSER_LEASE_SECONDS`` sets it."""
BEATS = 12
"""Updates of the counter in that time."""
LET_GO = "let go      "
"""Replaces the counter, with the same length, if a holder could not remove its lease."""
_POLL_S = (0.02, 0.5)


class LeaseLostError(StoreError):
    """This process sent no heartbeat for too long, and another process took over its work."""


@dataclass(frozen=True)
class Owner:
    """A process on a machine."""

    host: str
    machine: str
    """Identifies the machine, its boot and its container, which may share a host name."""
    pid: int
    start: str
    """Start time by the kernel's clock: process ids are reused."""

    @classmethod
    def here(cls) -> Owner:
        """Returns this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _machine(), pid, _started(pid))

    @property
    def name(self) -> str:
        """``host:pid``, for messages."""
        return f"{self.host}:{self.pid}"

    @property
    def tag(self) -> str:
        """For folder names; `from_tag` parses it."""
        return f"{self.machine}.{self.pid}.{self.start}"

    @classmethod
    def from_tag(cls, tag: str) -> Owner | None:
        """Parses a `tag`; returns None if it is not one."""
        machine, _, rest = tag.partition(".")
        pid, _, start = rest.partition(".")
        return cls("?", machine, int(pid), start) if pid.isdecimal() and start else None

    def is_dead(self) -> bool:
        """Returns True only if certain: it ran on this machine and its process has ended."""
        return self.machine == _machine() and _started(self.pid) != self.start


def is_dead(owner: Owner | None) -> bool:
    """Returns whether an owner is known and dead."""
    return owner is not None and owner.is_dead()


@dataclass(frozen=True)
class Held:
    """A lease on disk."""

    path: Path
    token: str
    owner: Owner | None
    """None if the file is unreadable: a power failure may leave it empty."""
    expires_s: float
    beat: str

    @classmethod
    def read(cls, path: Path) -> Held | None:
        """Returns the lease at a path; None if there is none."""
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                head, beat = file.readline(), file.readline()
                inode = os.fstat(file.fileno()).st_ino
        except OSError:
            return None
        try:
            fields = json.loads(head)
            token, expires_s = str(fields.pop("token")), float(fields.pop("expires_s"))
            return cls(path, token, Owner(**fields), expires_s, beat)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls(path, f"inode{inode}", None, EXPIRES_S, beat)


class Lease:
    """A lease of this process; see `hold`."""

    def __init__(self, folder: Path, key: str, expires_s: float) -> None:
        """Writes the lease's file under a unique name; `take` adds it to the chain."""
        self.folder, self.key, self.expires_s = folder, key, expires_s
        self.token = secrets.token_hex(8)
        self.lost = False
        self._file = folder / f".{key}-{self.token}"
        head = {**asdict(Owner.here()), "token": self.token, "expires_s": expires_s}
        text = json.dumps(head) + "\n"
        self._offset, self._beats, self._beaten = len(text.encode()), 0, time.monotonic()
        self._descriptor = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            os.write(self._descriptor, f"{text}{0:012d}\n".encode())
        except OSError:
            os.close(self._descriptor)
            self._file.unlink(missing_ok=True)
            raise
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, name: str) -> bool:
        """Tries to add the lease to the end of the chain by linking a name in the folder."""
        try:
            os.link(self._file, self.folder / name)
        except FileExistsError:
            return False
        if self._in_chain():
            return True
        (self.folder / name).unlink(missing_ok=True)
        return False

    def start(self) -> None:
        """Starts the heartbeat."""
        self._file.unlink(missing_ok=True)
        self._beaten = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises `LeaseLostError` if another process has taken over; cheap to call."""
        late = time.monotonic() - self._beaten > 2 * self.expires_s / BEATS
        if self.lost or (late and not self._is_mine()):
            raise LeaseLostError(
                f"Another process took over {self.key} because this one sent no heartbeat for "
                f"{self.expires_s:g} s (LANSER_LEASE_SECONDS)."
            )

    def release(self) -> None:
        """Releases the lease, unless another process has taken over."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            try:
                self._remove_chain()
            except OSError:
                # A full disk has no space for the lease that ends the chain, but the own one can
                # be overwritten in place; on a read-only disk it expires.
                with suppress(OSError):
                    os.pwrite(self._descriptor, LET_GO.encode(), self._offset)
                    os.fsync(self._descriptor)
        os.close(self._descriptor)
        self._file.unlink(missing_ok=True)

    def _remove_chain(self) -> None:
        names = [held.path for held in _chain(self.folder, self.key)]
        last = self.folder / f"{self.key}.{self.token}.next"
        end = Lease(self.folder, self.key, self.expires_s)
        try:
            if end.take(last.name):
                for path in (*names, last):
                    path.unlink(missing_ok=True)
        finally:
            end.release()

    def _beat(self) -> None:
        while not self._stop.wait(self.expires_s / BEATS):
            if not self._is_mine():
                self.lost = True
                return
            self._beats += 1
            # In place, not by a rename: a process that lost its lease must not replace the new one.
            with suppress(OSError):
                os.pwrite(self._descriptor, f"{self._beats:012d}".encode(), self._offset)
                os.fsync(self._descriptor)
                self._beaten = time.monotonic()

    def _is_mine(self) -> bool:
        chain = _chain(self.folder, self.key)
        return bool(chain) and chain[-1].token == self.token

    def _in_chain(self) -> bool:
        return any(held.token == self.token for held in _chain(self.folder, self.key))


@contextmanager
def hold(
    folder: Path, key: str, waiting: Callable[[Owner | None], None] | None = None
) -> Iterator[Lease]:
    """Waits until no living process holds a key, then holds it.

    The file system of `folder` must support hard links. `waiting` is called with the holder after
    each look.

    Raises:
        StoreError: the folder is not writable, or ``LANSER_LEASE_SECONDS`` is invalid.
    """
    try:
        lease = Lease(folder, key, lease_seconds())
    except OSError as error:
        raise unwritable(folder.parent, error) from None
    try:
        try:
            _wait(lease, waiting)
            lease.start()
        except OSError as error:
            raise unwritable(folder.parent, error) from None
        yield lease
    finally:
        lease.release()


def _wait(lease: Lease, waiting: Callable[[Owner | None], None] | None) -> None:
    pause, watch = _POLL_S[0], Watch()
    while True:
        chain = _chain(lease.folder, lease.key)
        if not chain or watch.is_dead(chain[-1]):
            last = f"{lease.key}.{chain[-1].token}.next" if chain else f"{lease.key}.lease"
            if lease.take(last):
                return
            continue
        if waiting is not None:
            waiting(chain[-1].owner)
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, _POLL_S[1])


class Watch:
    """Watches one lease's counter by the clock of this process."""

    def __init__(self) -> None:
        """Starts without an observation."""
        self._seen: tuple[str, str] | None = None
        self._since = 0.0

    def is_dead(self, held: Held) -> bool:
        """Returns whether its process has ended, or its counter is unchanged for too long."""
        if held.beat.startswith(LET_GO) or is_dead(held.owner):
            return True
        now = (held.token, held.beat)
        if now != self._seen:
            self._seen, self._since = now, time.monotonic()
        return time.monotonic() - self._since > held.expires_s


def holder(folder: Path, key: str) -> Held | None:
    """Returns the lease that holds a key, dead or alive; None if there is none."""
    chain = _chain(folder, key)
    return chain[-1] if chain else None


def lease_seconds() -> float:
    """Returns the expiry time of this process's leases, in seconds."""
    text = os.environ.get("LANSER_LEASE_SECONDS", "")
    try:
        seconds = float(text) if text else EXPIRES_S
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise StoreError(f"LANSER_LEASE_SECONDS is '{text}'; it must be a number above 0.")
    return seconds


def unwritable(store: Path, error: OSError) -> StoreError:
    """Returns the error of a store that cannot be written."""
    why = why_unwritable(error)
    return StoreError(f"The store {store} cannot be written: {why}. Set another in paths.store.")


def _chain(folder: Path, key: str) -> list[Held]:
    chain = []
    held = Held.read(folder / f"{key}.lease")
    while held is not None:
        chain.append(held)
        held = Held.read(folder / f"{key}.{held.token}.next")
    return chain


@lru_cache(maxsize=1)
def _machine() -> str:
    """Identifies this boot of this machine and this process namespace, 8 hexadecimal digits."""
    import hashlib

    parts = [socket.gethostname()]
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        parts = [boot, str(Path("/proc/self/ns/pid").stat().st_ino)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def _started(pid: int) -> str:
    """Returns when a process of this machine started; empty if it has ended or is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:  # no such files on this system
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"
