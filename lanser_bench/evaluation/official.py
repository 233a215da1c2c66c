"""Official protocols: names the field knows, that stand for labels and clips and not only folds."""

from __future__ import annotations

from typing import Any

from ..errors import SettingsError
from ..kinds import Dataset


def check_official(
    dataset: Dataset[Any], where: str, protocol: str, limit: int | None = None
) -> None:
    """Refuses an official protocol's name where the set is read otherwise than it demands.

    Args:
        dataset: the labelled set with its options.
        where: what is being read, for the message, such as ``dataset 'iemocap'``.
        protocol: the protocol that is asked for; those that are not the set's own always pass.
        limit: of how many utterances a part is to be taken.

    Raises:
        SettingsError: an option has another value than the protocol stands for, or only a part of
            the utterances is used.
    """
    if protocol not in dataset.protocols:
        return
    wanted = dataset.protocol_options.get(protocol, {})
    given = {option: getattr(dataset.options, option) for option in wanted}
    told = [f"{o}: {_yaml(given[o])} for {_yaml(v)}" for o, v in wanted.items() if given[o] != v]
    if limit is not None:
        told.append(f"limit: {limit} for all utterances")
    if told:
        raise SettingsError(
            f"{where}: the official protocol '{protocol}' does not stand for "
            f"{', '.join(told)}: its scores would not be comparable. Leave that out, or set "
            f"protocol: {dataset.protocols[protocol]}, which makes the same folds by another name."
        )


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
