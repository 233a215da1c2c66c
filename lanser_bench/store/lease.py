"""Leases: who may write a key, for any number of machines that share a file system.

Nothing is needed of the file system but `link`, which fails where the name is taken, and `unlink`;
no flock, and no clocks that agree. A holder writes a counter into its lease every few seconds. It
is dead if its process is gone from this machine, or if whoever waits has seen the counter stand
still for as long as the lease says, by the waiter's own clock.

The leases of a key are a chain. The first is ``KEY.lease``; who finds the last one of the chain
dead puts its own at ``KEY.TOKEN.next``, where TOKEN is that of the dead one. Tokens are never used
twice, so of many that want to take over one wins, and one that has slept since it looked finds the
name taken or, if the chain is gone, sees that its lease hangs in the air and looks again. To let
go, a holder first takes its own ``next``, so that nobody can, and then removes the chain from its
start.
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
"""A lease whose counter stood still for so long may be taken over; ``LANSER_LEASE_SECONDS``."""
BEATS = 12
"""How often the counter moves in that time."""
LET_GO = "let go      "
"""Stands in place of the counter, and is as long, where a holder could not remove its lease."""
_POLL_S = (0.02, 0.5)


class LeaseLostError(StoreError):
    """This process did not show any life for too long, and another one took its work over."""


@dataclass(frozen=True)
class Owner:
    """A process on some machine."""

    host: str
    machine: str
    """Tells machines, their boots and containers apart, which may share a host name."""
    pid: int
    start: str
    """When it started, in the kernel's count: process ids are used again."""

    @classmethod
    def here(cls) -> Owner:
        """Returns this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _machine(), pid, _started(pid))

    @property
    def name(self) -> str:
        """For people: ``host:pid``."""
        return f"{self.host}:{self.pid}"

    @property
    def tag(self) -> str:
        """For names of folders; `from_tag` reads it."""
        return f"{self.machine}.{self.pid}.{self.start}"

    @classmethod
    def from_tag(cls, tag: str) -> Owner | None:
        """Reads `tag`; None if it is not one."""
        machine, _, rest = tag.partition(".")
        pid, _, start = rest.partition(".")
        return cls("?", machine, int(pid), start) if pid.isdigit() and start else None

    def is_dead(self) -> bool:
        """True only if it is certain: its machine is this one and its process is gone."""
        return self.machine == _machine() and _started(self.pid) != self.start


@dataclass(frozen=True)
class Held:
    """A lease as found on disk."""

    path: Path
    token: str
    owner: Owner | None
    """None if the file cannot be read: a power cut may leave it empty."""
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
            found = json.loads(head)
            token, expires_s = str(found.pop("token")), float(found.pop("expires_s"))
            return cls(path, token, Owner(**found), expires_s, beat)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls(path, f"inode{inode}", None, EXPIRES_S, beat)


class Lease:
    """A lease that this process holds; see `hold`."""

    def __init__(self, folder: Path, key: str, expires_s: float) -> None:
        """Writes the lease's file under a name of its own; `take` puts it into the chain."""
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
        """Tries to become the last of the chain by taking a name in the folder."""
        try:
            os.link(self._file, self.folder / name)
        except FileExistsError:
            return False
        if self._in_chain():
            return True
        (self.folder / name).unlink(missing_ok=True)
        return False

    def start(self) -> None:
        """Begins to show life."""
        self._file.unlink(missing_ok=True)
        self._beaten = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises `LeaseLostError` if another process has taken over; cheap."""
        late = time.monotonic() - self._beaten > 2 * self.expires_s / BEATS
        if self.lost or (late and not self._is_mine()):
            raise LeaseLostError(
                f"Another process took over {self.key}, because this one did not show any life "
                f"for {self.expires_s:g} s (LANSER_LEASE_SECONDS)."
            )

    def release(self) -> None:
        """Lets go, unless another process has taken over."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            try:
                self._remove_chain()
            except OSError:
                # On a full disk there is no room for the lease that ends the chain, but the own
                # one can still be written in place; on a read-only one it expires.
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
            # In place, not by a rename: whoever lost its lease must not replace the new one.
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
    """Waits until no living process holds a key, and holds it.

    Args:
        folder: where leases lie; it must be able to make hard links.
        key: what is held.
        waiting: told who holds it, after each look.

    Raises:
        StoreError: the folder cannot be written, or ``LANSER_LEASE_SECONDS`` is no number.
    """
    try:
        lease = Lease(folder, key, lease_seconds())
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        try:
            _wait(lease, waiting)
            lease.start()
        except OSError as error:
            raise _unwritable(folder, error) from None
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
        """Has seen nothing yet."""
        self._seen: tuple[str, str] | None = None
        self._since = 0.0

    def is_dead(self, held: Held) -> bool:
        """Whether its process is gone, or its counter stood still for too long."""
        if held.beat.startswith(LET_GO) or (held.owner is not None and held.owner.is_dead()):
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
    """Returns after how many seconds without life a lease of this process may be taken over."""
    text = os.environ.get("LANSER_LEASE_SECONDS", "")
    try:
        seconds = float(text) if text else EXPIRES_S
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise StoreError(f"LANSER_LEASE_SECONDS is '{text}'; it must be a number above 0.")
    return seconds


def _chain(folder: Path, key: str) -> list[Held]:
    chain = []
    held = Held.read(folder / f"{key}.lease")
    while held is not None:
        chain.append(held)
        held = Held.read(folder / f"{key}.{held.token}.next")
    return chain


def _unwritable(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"The store {folder.parent} cannot be written: {why_unwritable(error)}. "
        "Choose another with paths.store."
    )


@lru_cache(maxsize=1)
def _machine() -> str:
    """Eight hexadecimal digits for this boot of this machine and this space of process ids."""
    import hashlib

    parts = [socket.gethostname()]
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        parts = [boot, str(Path("/proc/self/ns/pid").stat().st_ino)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def _started(pid: int) -> str:
    """When a process of this machine started; empty if it is gone, or waits to be buried."""
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
