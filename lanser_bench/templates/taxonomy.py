"""Registers the taxonomy file beside this file."""

from pathlib import Path

from lanser_bench import hookimpl


@hookimpl
def register_taxonomies(register):
    """Registers the taxonomy as `moods`."""
    register("moods", Path(__file__).with_name("moods.yaml"))
