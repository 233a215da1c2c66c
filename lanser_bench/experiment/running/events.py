"""The event log of a run: one JSON line per event, written before listeners are notified."""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ...errors import StoreError
from ...store import Store, why_unwritable

EVENTS = "events.jsonl"


class EventLog:
    """Appends events to ``<store>/runs/<id>/events.jsonl``; safe for several threads."""

    def __init__(self, store: Store) -> None:
        """Creates the run's folder and file."""
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self.run_id = f"{stamp}-{secrets.token_hex(3)}"
        self.folder = store.root / "runs" / self.run_id
        self._lock = threading.Lock()
        try:
            self.folder.mkdir(parents=True)
            self._file = (self.folder / EVENTS).open("a", encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"The store {store.root} cannot be written: {error.strerror}."
            ) from None

    def add(self, event: str, **values: Any) -> None:
        """Appends one event with the time; does nothing after the log is closed.

        Raises:
            StoreError: the disk is full; the log is then closed.
        """
        line = {"event": event, "time": datetime.now(UTC).isoformat(timespec="milliseconds")}
        text = json.dumps({**line, **values}, ensure_ascii=False, default=str)
        with self._lock:
            if self._file.closed:
                return
            try:
                self._file.write(text + "\n")
                self._file.flush()
            except OSError as error:
                with suppress(OSError):
                    self._file.close()  # its buffer cannot be written either
                raise StoreError(
                    f"The event log in {self.folder} cannot be written: {why_unwritable(error)}."
                ) from None

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._file.close()
