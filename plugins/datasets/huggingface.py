"""A set of the `datasets` library: saved on disk, or in the hub's local cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from lanser_bench import Card, DataError, MissingDependencyError, Utterance

from ._columns import TEXTS, checked_columns, present, text, turn
from ._stated import StatedDataset, StatedOptions

_COLUMNS = ("id", "audio", "label", "turn", *TEXTS)


class HuggingFaceOptions(StatedOptions):
    """Options of `huggingface`."""

    path: str
    """Folder written by ``save_to_disk``, folder of a set's Parquet files, or name in the hub."""
    config: str | None = None
    """Configuration of a set in the hub."""
    revision: str | None = None
    """Commit of a set in the hub; name it, or the numbers may change with the set."""
    download: bool = False
    """Allow fetching from the hub. Without it only what is on this machine is used."""
    columns: dict[str, str] = Field(default_factory=lambda: {"audio": "audio", "label": "label"})
    """Name here → name in the set, such as ``{audio: audio, label: emotion, speaker: spk}``."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Label of the set → label of the taxonomy, where they differ."""
    title: str = "A set of the datasets library"

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        checked_columns(columns, _COLUMNS)
        return columns


class HuggingFace(StatedDataset[HuggingFaceOptions]):
    """Reads a `datasets` set row by row.

    Sound is kept as the bytes that the set holds, written once into the harness's own folder, so
    that no decoder but the harness's takes part. The parts of a `DatasetDict` become the column
    split, unless `columns` names one.
    """

    Options = HuggingFaceOptions
    version = "1"
    needs_root = False
    card = Card(title="A set of the datasets library", licence="not stated", citation="not stated")

    def url(self) -> str:
        """The set's page, unless it is a folder of this machine."""
        local = Path(self.options.path).expanduser().exists()
        return "" if local else f"https://huggingface.co/{self.options.path}"

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the rows in the set's order, part by part."""
        for part, rows in self._parts().items():
            names = list(rows.column_names)
            present(self.options.columns, names, f"{self.options.path} ({part})")
            labels = _class_names(rows, self.options.columns.get("label"))
            for number, row in enumerate(_undecoded(rows, self.options.columns.get("audio"))):
                yield self._utterance(root, part, number, row, labels)

    def _parts(self) -> dict[str, Any]:
        try:
            import datasets
        except ImportError:
            raise MissingDependencyError(
                "dataset 'huggingface' needs the package datasets: "
                "pip install 'lanser-bench[huggingface]'."
            ) from None
        folder = Path(self.options.path).expanduser()
        try:
            if (folder / "dataset_info.json").is_file() or (folder / "dataset_dict.json").is_file():
                found = datasets.load_from_disk(str(folder))
            else:
                found = datasets.load_dataset(
                    str(folder) if folder.is_dir() else self.options.path,
                    self.options.config,
                    revision=self.options.revision,
                    download_config=datasets.DownloadConfig(
                        local_files_only=not self.options.download
                    ),
                )
        # The library raises whatever its file systems, builders and HTTP client raise.
        except Exception as error:  # noqa: BLE001
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"dataset 'huggingface': {self.options.path} cannot be loaded: "
                f"{first.rstrip('.')}. "
                "Name a folder of save_to_disk or a set in the local cache, or allow "
                "`download: true`."
            ) from None
        return dict(found) if isinstance(found, dict) else {"all": found}

    def _utterance(
        self, root: Path, part: str, number: int, row: Mapping[str, Any], labels: list[str] | None
    ) -> Utterance:
        options = self.options
        origin = f"{options.path} ({part}), row {number}"
        cells = {ours: row[theirs] for ours, theirs in options.columns.items()}
        texts: dict[str, Any] = {name: text(cells.get(name)) for name in TEXTS}
        texts["language"] = texts["language"] or options.language
        if "split" not in options.columns and part != "all":
            texts["split"] = part
        label = cells.get("label")
        if labels is not None and isinstance(label, int):
            label = labels[label] if label >= 0 else None  # −1: a hidden label
        gold = {}
        if options.taxonomy is not None and (name := text(label)) is not None:
            gold = {options.labels.get(name, name): 1.0}
        return Utterance(
            id=text(cells.get("id")) or f"{part}-{number:06d}",
            audio=_written(root, cells["audio"], origin) if "audio" in cells else None,
            turn=turn(cells.get("turn"), origin),
            gold=gold,
            origin=origin,
            **texts,
        )


def _class_names(rows: Any, column: str | None) -> list[str] | None:
    """Names of a column that the set keeps as numbers of classes."""
    feature = rows.features.get(column)
    names = getattr(feature, "names", None)
    return None if names is None else list(names)


def _undecoded(rows: Any, column: str | None) -> Any:
    if column is None:
        return rows
    import datasets

    if isinstance(rows.features[column], datasets.Audio):
        return rows.cast_column(column, datasets.Audio(decode=False))
    return rows


def _written(root: Path, sound: Any, origin: str) -> Path:
    """Returns the recording's path: its own where the set points to a file, else one under root."""
    if isinstance(sound, str):
        return Path(sound)
    if not isinstance(sound, Mapping) or not (sound.get("bytes") or sound.get("path")):
        raise DataError(f"{origin}: its audio is neither a path nor the bytes of a sound file.")
    raw = sound.get("bytes")
    if not raw:
        return Path(sound["path"])
    suffix = Path(sound.get("path") or "").suffix or ".wav"
    path = root / f"{hashlib.sha256(raw).hexdigest()[:32]}{suffix}"
    if not path.is_file():
        root.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(raw)
        temporary.replace(path)
    return path
