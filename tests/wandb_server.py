"""A W&B endpoint that never works: it hangs, answers with an error, or is not there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Fault = Literal["hangs", "errors", "refuses"]
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def broken_server(fault: Fault) -> Iterator[str]:
    """Gives the URL of an endpoint with a fault."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if fault == "refuses":
        listener.close()
        yield url
        return
    listener.listen(64)
    kept: list[socket.socket] = []
    thread = threading.Thread(target=_serve, args=(listener, fault, kept), daemon=True)
    thread.start()
    try:
        yield url
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(600)
        for connection in kept:
            connection.close()


def _serve(listener: socket.socket, fault: Fault, kept: list[socket.socket]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            if fault == "hangs":
                kept.append(connection)
                continue
            with suppress(OSError), connection:
                connection.settimeout(600)
                connection.recv(65536)
                connection.sendall(ERROR)


def environment(url: str) -> dict[str, str]:
    """Variables that make wandb believe in the endpoint."""
    return {"WANDB_MODE": "online", "WANDB_BASE_URL": url, "WANDB_API_KEY": "f" * 40}
