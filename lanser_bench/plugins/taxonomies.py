"""Taxonomies by name: registered ones, and the user's files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._yaml import read_yaml
from ..errors import TaxonomyError, did_you_mean, is_suggestion
from ..paths import user_path
from ..taxonomy import MAP_WORDS, Taxonomy, load_taxonomy

if TYPE_CHECKING:
    from .discovery import Registry


def check_maps(path: Path, registry: Registry) -> tuple[Taxonomy, list[str]]:
    """Reads a taxonomy file and checks its maps against the registered taxonomies.

    Returns:
        The taxonomy, and a note on each map to or from a taxonomy that is not registered.

    Raises:
        TaxonomyError: the file is invalid, or maps name labels that the other taxonomy does not
            have; the message lists all of them with their lines.
    """
    taxonomy = load_taxonomy(path)
    file = read_yaml(Path(path), "Taxonomy file", TaxonomyError)
    known = set(registry.names("taxonomy"))
    notes = [
        f"'{name}' (line {file.line((kind, name))}) is unknown here.{did_you_mean(name, known)}"
        for kind, maps in (("maps", taxonomy.maps), ("maps_from", taxonomy.maps_from))
        for name in maps
        if name not in known
    ]
    mapped = sorted({*taxonomy.maps, *taxonomy.maps_from} & known)
    others = {name: find_taxonomy(registry, name) for name in mapped}
    faults = []
    for kind, name, key, weights in taxonomy.written_maps():
        if name not in known:
            continue
        labels = others[name].names
        faults += [
            f"Taxonomy file {path}, line {file.line((kind, name, key))}: the map {MAP_WORDS[kind]} "
            f"{name} names '{label}', which is not a label of {name}.{did_you_mean(label, labels)}"
            for label in (weights if kind == "maps" else [key])
            if label not in labels
        ]
    if faults:
        raise TaxonomyError("\n".join(faults))
    for other in others.values():
        _refuse_two_maps(path, taxonomy, other)
    return taxonomy, notes


def _refuse_two_maps(path: Path, taxonomy: Taxonomy, other: Taxonomy) -> None:
    """Allows the same map in both files, but not two different ones."""
    for source, target in ((taxonomy, other), (other, taxonomy)):
        if target.name in source.maps and source.name in target.maps_from:
            try:
                source.map_to(target)
            except TaxonomyError as error:
                raise TaxonomyError(f"Taxonomy file {path}: {error}") from None


def taxonomy_file(name: str) -> Path:
    """Returns the path of a taxonomy's file; raises `TaxonomyError` if no file can have it."""
    try:
        return user_path(name)
    except ValueError as error:
        raise TaxonomyError(f"The taxonomy '{name}' cannot be read: {error}.") from None


def find_taxonomy(registry: Registry, name: str) -> Taxonomy:
    """Returns the taxonomy of a registered name, or of a file ending in ``.yaml`` or ``.yml``.

    Raises:
        TaxonomyError: the name is unknown, or the file is invalid.
    """
    if name.endswith((".yaml", ".yml")):
        return load_taxonomy(taxonomy_file(name))
    known = registry.names("taxonomy")
    if name not in known:
        hint = did_you_mean(name, known)
        own = (
            "" if is_suggestion(hint) else " To use your own file, give its path, ending in .yaml."
        )
        raise TaxonomyError(f"There is no taxonomy '{name}'.{hint}{own}")
    return load_taxonomy(Path(registry.entry("taxonomy", name).reference))
