"""Every hook of lanser-bench. A plugin module implements the ones it needs with `@hookimpl`.

Each `register(name, "module:Class")` takes a lazy reference: listing plugins imports none of them.
A third argument is the main memory in GiB that the plugin needs beside a worker's 0.5, by default
0.5; it is in no key.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

hookspec = pluggy.HookspecMarker("lanser_bench")
hookimpl = pluggy.HookimplMarker("lanser_bench")
Register = Callable[..., None]


# fmt: off
@hookspec
def register_asr(register: Register) -> None:
    """Speech recognisers: subclasses of `lanser_bench.ASR`."""
@hookspec
def register_labelers(register: Register) -> None:
    """Weak labelers: subclasses of `lanser_bench.Labeler`."""
@hookspec
def register_encoders(register: Register) -> None:
    """SER encoders: subclasses of `lanser_bench.FeatureExtractor` or `TrainableEncoder`."""
@hookspec
def register_datasets(register: Register) -> None:
    """Datasets: subclasses of `lanser_bench.Dataset`."""
@hookspec
def register_segmenters(register: Register) -> None:
    """Segmenters: subclasses of `lanser_bench.Segmenter`."""
@hookspec
def register_probes(register: Register) -> None:
    """Probes: subclasses of `lanser_bench.Probe`."""
@hookspec
def register_taxonomies(register: Callable[[str, Path], None]) -> None:
    """Taxonomy files: `register("my-labels", Path(...))`."""
@hookspec
def register_trackers(register: Register) -> None:
    """Experiment trackers: subclasses of `lanser_bench.Tracker`."""
@hookspec
def register_executors(register: Register) -> None:
    """Executors: subclasses of `lanser_bench.Executor`."""
@hookspec
def register_commands(cli: typer.Typer) -> None:
    """Further commands of `lanser-bench`, added to the Typer application `cli`."""
# fmt: on
