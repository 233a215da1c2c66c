"""Official protocols: published names that define labels and clips besides folds."""

from __future__ import annotations

from typing import Any

from ..data.listing import Part
from ..errors import SettingsError
from ..kinds import Dataset


def check_official(
    dataset: Dataset[Any],
    where: str,
    protocol: str,
    part: Part = Part(),  # noqa: B008 - frozen
) -> None:
    """Refuses an official protocol's name if the dataset's options differ from its definition.

    Other protocols pass. Messages start with `where`, such as ``dataset 'iemocap'``.

    Raises:
        SettingsError: an option differs from the protocol's definition, or only a part of the
            utterances is used.
    """
    if protocol not in dataset.protocols:
        return
    wanted = dataset.protocol_options.get(protocol, {})
    given = {option: getattr(dataset.options, option) for option in wanted}
    differing = [
        f"{option}: {_yaml(given[option])} (not {_yaml(value)})"
        for option, value in wanted.items()
        if given[option] != value
    ]
    differing += [
        f"{name}: {value} (not all utterances)"
        for name, value in vars(part).items()
        if value is not None
    ]
    if differing:
        raise SettingsError(
            f"{where}: the official protocol '{protocol}' does not allow {', '.join(differing)}: "
            "its scores would not be comparable. Remove these settings, or set protocol: "
            f"{dataset.protocols[protocol]}, which makes the same folds under another name."
        )


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
