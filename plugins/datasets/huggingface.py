"""A set of the `datasets` library: saved on disk, or in the hub's local cache."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from lanser_bench import Card, DataError, MissingDependencyError, Utterance

from ._columns import TEXTS, checked_columns, present, text, turn
from ._dialogues import apart
from ._paths import Recordings
from ._stated import LeftOut, StatedDataset, StatedOptions

_SUFFIX = re.compile(r"\.\w{1,5}")
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
        left_out = LeftOut(self.options.leave_out)
        yield from apart(self._rows(root, left_out), self.notes)
        self.notes += left_out.notes()

    def _rows(self, root: Path, left_out: LeftOut) -> Iterator[tuple[str, Utterance]]:
        folder = Recordings(Path(self.options.path).expanduser().absolute())
        for part, rows in self._parts().items():
            names = list(rows.column_names)
            columns = present(self.options.columns, names, f"{self.options.path} ({part})")
            labels = _class_names(rows, columns.get("label"))
            for number, row in enumerate(_undecoded(rows, columns.get("audio"))):
                origin = f"{self.options.path} ({part}), row {number}"
                cells = {ours: row[theirs] for ours, theirs in columns.items()}
                label = cells.pop("label", None)
                if labels is not None and isinstance(label, int):
                    label = labels[label] if label >= 0 else None  # −1: a hidden label
                label = text(label, origin, "label")
                if label is not None and left_out([label]):
                    continue
                if "audio" in cells:
                    cells["audio"] = _written(root, folder, cells["audio"], origin)
                yield part, self._utterance(part, number, cells, label, origin)

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
        self, part: str, number: int, cells: Mapping[str, Any], label: str | None, origin: str
    ) -> Utterance:
        options = self.options
        texts: dict[str, Any] = {name: text(cells.get(name), origin, name) for name in TEXTS}
        texts["language"] = texts["language"] or options.language
        if "split" not in options.columns and part != "all":
            texts["split"] = part
        gold = {}
        if options.taxonomy is not None and label is not None:
            gold = {options.labels.get(label, label): 1.0}
        return Utterance(
            id=text(cells.get("id"), origin, "id") or f"{part}-{number:06d}",
            audio=cells.get("audio"),
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


def _written(root: Path, folder: Recordings, sound: Any, origin: str) -> Path:
    """Returns the recording's path: one below root for sound in the set, else the set's own.

    The samples of a decoded column count, not the file that they come from: it may have changed.
    """
    if not isinstance(sound, Mapping):
        return folder.find(sound, origin)
    suffix = Path(sound.get("path") or "").suffix
    if sound.get("bytes"):
        return _kept(root, sound["bytes"], suffix if _SUFFIX.fullmatch(suffix) else ".wav")
    if sound.get("array") is not None:
        return _kept(root, _wave(sound["array"], sound.get("sampling_rate"), origin), ".wav")
    if not sound.get("path"):
        raise DataError(f"{origin}: its audio is neither a path nor the bytes of a sound file.")
    return folder.find(sound["path"], origin)


def _wave(array: Any, rate: Any, origin: str) -> bytes:
    """Returns samples as the bytes of a WAV file; shape (n,), (n, channels) or (channels, n)."""
    import io

    import numpy as np
    import soundfile

    samples = np.asarray(array)
    if samples.ndim not in (1, 2) or samples.dtype.kind != "f" or not isinstance(rate, int):
        raise DataError(
            f"{origin}: its audio must be an array of floats between -1 and 1, in one or two "
            "dimensions, with a whole `sampling_rate`."
        )
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        samples = samples.T
    raw = io.BytesIO()
    soundfile.write(raw, samples.astype(np.float32), rate, format="WAV", subtype="FLOAT")
    return raw.getvalue()


def _kept(root: Path, raw: bytes, suffix: str) -> Path:
    path = root / f"{hashlib.sha256(raw).hexdigest()[:32]}{suffix}"
    if not path.is_file():
        root.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(raw)
        temporary.replace(path)
    return path
