"""Broken plugins, a file per kind: each breaks its contract in one way, which a suite must name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Exhibit(NamedTuple):
    kind: str
    make: Callable[[], Any]
    check: str
    problem: str
    settings: dict[str, Any]


EXHIBITS: list[Any] = []


def caught(kind: str, check: str, problem: str = "", **settings: Any) -> Callable[[T], T]:
    """Puts a class into the museum: the check that it fails first, and words of the failure."""

    def add(exhibit: Any) -> Any:
        def make() -> Any:
            return exhibit(exhibit.Options()) if hasattr(exhibit, "Options") else exhibit()

        EXHIBITS.append((exhibit.__name__, Exhibit(kind, make, check, problem, settings)))
        return exhibit

    return add
