"""Taxonomies by name: registered ones, and files of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._yaml import read_yaml
from ..errors import TaxonomyError, did_you_mean
from ..paths import user_path

if TYPE_CHECKING:
    from .discovery import Registry
from ..taxonomy import Taxonomy, load_taxonomy


def check_maps(path: Path, registry: Registry) -> tuple[Taxonomy, list[str]]:
    """Reads a taxonomy file and holds its maps against the registered taxonomies.

    Returns:
        The taxonomy, and a note on each map to or from a taxonomy that is not registered.

    Raises:
        TaxonomyError: the file has a fault, or maps name labels that the other taxonomy does not
            have; all of them are named, each with its line.
    """
    taxonomy = load_taxonomy(path)
    file = read_yaml(Path(path), "Taxonomy file", TaxonomyError)
    known = set(registry.names("taxonomy"))
    faults, notes = [], []
    for kind, maps in (("maps", taxonomy.maps), ("maps_from", taxonomy.maps_from)):
        for name, written in maps.items():
            where = f"line {file.line((kind, name))}"
            if name not in known:
                notes.append(f"'{name}' ({where}) is unknown here.{did_you_mean(name, known)}")
                continue
            labels = find_taxonomy(registry, name).names
            for key, weights in written.items():
                theirs = list(weights) if kind == "maps" else [key]
                faults += [
                    f"Taxonomy file {path}, line {file.line((kind, name, key))}: the map "
                    f"{'to' if kind == 'maps' else 'from'} {name} names '{label}', which is not a "
                    f"label of {name}.{did_you_mean(label, labels)}"
                    for label in theirs
                    if label not in labels
                ]
    if faults:
        raise TaxonomyError("\n".join(faults))
    for name in sorted({*taxonomy.maps, *taxonomy.maps_from} & known):
        _refuse_two_maps(path, taxonomy, find_taxonomy(registry, name))
    return taxonomy, notes


def _refuse_two_maps(path: Path, taxonomy: Taxonomy, other: Taxonomy) -> None:
    """Both files may write the same map, but not two different ones."""
    for source, target in ((taxonomy, other), (other, taxonomy)):
        if target.name in source.maps and source.name in target.maps_from:
            try:
                source.map_to(target)
            except TaxonomyError as error:
                raise TaxonomyError(f"Taxonomy file {path}: {error}") from None


def find_taxonomy(registry: Registry, name: str) -> Taxonomy:
    """Returns the taxonomy of a registered name, or of a file ending in ``.yaml`` or ``.yml``.

    Raises:
        TaxonomyError: there is none of that name, with a suggestion, or its file has a fault.
    """
    if name.endswith((".yaml", ".yml")):
        try:
            return load_taxonomy(user_path(name))
        except ValueError as error:
            raise TaxonomyError(f"The taxonomy '{name}' cannot be read: {error}.") from None
    known = registry.names("taxonomy")
    if name not in known:
        raise TaxonomyError(
            f"There is no taxonomy '{name}'.{did_you_mean(name, known)} A file of your own is "
            "named by its path, ending in .yaml."
        )
    return load_taxonomy(Path(registry.entry("taxonomy", name).reference))
