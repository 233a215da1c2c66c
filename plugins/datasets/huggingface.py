"""A set of the `datasets` library: saved on disk, or in the hub's local cache."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from lanser_bench import Card, DataError, Proposal, Utterance

from .._file_hashes import content_hash
from .._optional import import_optional
from ._columns import TEXTS, Naming, as_text, columns_among, present, text_columns
from ._dialogues import apart
from ._guess import guessed_columns
from ._paths import Recordings
from ._stated import LeftOut, StatedDataset, StatedOptions, single_gold

_SUFFIX = re.compile(r"\.\w{1,5}")
_SAVED = ("dataset_info.json", "dataset_dict.json")
_SAMPLE = 300
"""Rows from which columns are guessed."""
_COLUMNS = ("id", "audio", "label", "turn", *TEXTS)


class HuggingFaceOptions(StatedOptions):
    """Options of `huggingface`."""

    path: str
    """Folder written by ``save_to_disk``, folder of a set's Parquet files, or name in the hub."""
    config: str | None = None
    """Configuration of a set in the hub."""
    revision: str | None = None
    """Commit of a set in the hub; without it the numbers may change with the set."""
    download: bool = False
    """Allow downloads from the hub. Without it only local copies are read."""
    columns: Annotated[dict[str, str], columns_among(_COLUMNS)] = Field(
        default_factory=lambda: {"audio": "audio", "label": "label"}
    )
    """Field → name in the set, such as ``{audio: audio, label: emotion, speaker: spk}``."""
    title: str = "A set of the datasets library"


class HuggingFace(StatedDataset[HuggingFaceOptions]):
    """Reads a `datasets` set row by row.

    The bytes of a sound are written once into the harness's own folder, so that only the harness's
    decoder is used. The parts of a `DatasetDict` become the column split, unless `columns` names
    one.
    """

    Options = HuggingFaceOptions
    version = "1"
    needs_root = False
    card = Card(title="A set of the datasets library", licence="not stated", citation="not stated")

    @classmethod
    def propose(cls, path: Path, emotions: Container[str]) -> Proposal | None:
        """Returns a folder of ``save_to_disk``, or of Parquet files that contain sound."""
        folder = path if path.is_dir() else path.parent
        saved = any((folder / name).is_file() for name in _SAVED)
        if not saved and not any(map(_has_sound, folder.glob("*.parquet"))):
            return None
        part = next(iter(cls(cls.Options(path=str(folder)))._parts().values()))
        sound = [c for c, f in part.features.items() if isinstance(f, dict) or hasattr(f, "decode")]
        rows = part.remove_columns(sound).select(range(min(_SAMPLE, len(part)))).to_list()
        _, named, findings = guessed_columns(rows, Naming(frozenset(_COLUMNS), {}), emotions)
        columns = {"audio": sound[0], **named} if sound else named
        return Proposal(None, {"path": str(folder), "columns": columns}, findings, 1.0)

    @property
    def _folder(self) -> Path:
        return Path(self.options.path).expanduser()

    def url(self) -> str:
        """Returns the set's page, unless it is a folder of this machine."""
        return "" if self._folder.exists() else f"https://huggingface.co/{self.options.path}"

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the rows in the set's order, part by part."""
        left_out = LeftOut(self.options.leave_out)
        yield from apart(self._rows(root, left_out), self.notes)
        self.notes += left_out.notes()

    def _rows(self, root: Path, left_out: LeftOut) -> Iterator[tuple[str, Utterance]]:
        recordings = Recordings(self._folder.absolute())
        for part, rows in self._parts().items():
            names = list(rows.column_names)
            columns = present(self.options.columns, names, f"{self.options.path} ({part})")
            # Names of a column that the set stores as numbers of classes.
            labels = getattr(rows.features.get(columns.get("label")), "names", None)
            for number, row in enumerate(_undecoded(rows, columns.get("audio"))):
                origin = f"{self.options.path} ({part}), row {number}"
                cells = {ours: row[theirs] for ours, theirs in columns.items()}
                label = cells.pop("label", None)
                if labels is not None and isinstance(label, int):
                    label = labels[label] if label >= 0 else None  # −1: a hidden label
                label = as_text(label, origin, "label")
                if label is not None and left_out([label]):
                    continue
                if "audio" in cells:
                    cells["audio"] = _written(root, recordings, cells["audio"], origin)
                cells["id"] = as_text(cells.get("id"), origin, "id") or f"{part}-{number:06d}"
                yield part, self._utterance(part, cells, label, origin)

    def _parts(self) -> dict[str, Any]:
        need = "dataset 'huggingface' needs the package datasets"
        datasets = import_optional("datasets", need, "pip install 'lanser-bench[huggingface]'.")
        folder = self._folder
        try:
            if any((folder / name).is_file() for name in _SAVED):
                loaded = datasets.load_from_disk(str(folder))
            else:
                local_only = not self.options.download
                # The library's own cache takes files with equal times for unchanged.
                files = filter(Path.is_file, folder.rglob("*"))
                digest = content_hash(folder, files) if folder.is_dir() else ""
                loaded = datasets.load_dataset(
                    str(folder) if digest else self.options.path,
                    self.options.config,
                    revision=self.options.revision,
                    cache_dir=str(Path(datasets.config.HF_DATASETS_CACHE, digest)),
                    download_config=datasets.DownloadConfig(local_files_only=local_only),
                )
        # The library passes on all errors of its file systems, builders and HTTP client.
        except Exception as error:  # noqa: BLE001
            first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise DataError(
                f"dataset 'huggingface': {self.options.path} cannot be loaded: {first}. Name a "
                "folder of save_to_disk or a set in the local cache, or set `download: true`."
            ) from None
        return dict(loaded) if isinstance(loaded, dict) else {"all": loaded}

    def _utterance(
        self, part: str, cells: Mapping[str, Any], label: str | None, origin: str
    ) -> Utterance:
        options = self.options
        split = None if "split" in options.columns or part == "all" else part
        return Utterance(
            id=cells["id"],
            audio=cells.get("audio"),
            gold=single_gold(label, options.taxonomy, options.labels),
            **text_columns(cells, origin, language=options.language, split=split),
        )


def _has_sound(table: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not table.is_file():  # to open a pipe would wait for ever
        return False
    try:
        kinds = pq.read_schema(table).types
    except (pa.ArrowException, OSError):
        return False
    return any(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 for kind in kinds)


def _undecoded(rows: Any, column: str | None) -> Any:
    if column is None:
        return rows
    import datasets

    if isinstance(rows.features[column], datasets.Audio):
        return rows.cast_column(column, datasets.Audio(decode=False))
    return rows


def _written(root: Path, recordings: Recordings, sound: Any, origin: str) -> Path:
    """Returns the recording's path: below root for sound in the set, else the set's own file.

    For a decoded column the samples count, not their original file, which may have changed.
    """
    if not isinstance(sound, Mapping):
        return recordings.find(sound, origin)
    suffix = Path(sound.get("path") or "").suffix
    if sound.get("bytes"):
        return _stored(root, sound["bytes"], suffix if _SUFFIX.fullmatch(suffix) else ".wav")
    if sound.get("array") is not None:
        return _stored(root, _wave(sound["array"], sound.get("sampling_rate"), origin), ".wav")
    if not sound.get("path"):
        raise DataError(f"{origin}: its audio is neither a path nor the bytes of a sound file.")
    return recordings.find(sound["path"], origin)


def _wave(array: Any, rate: Any, origin: str) -> bytes:
    """Returns samples as the bytes of a WAV file; shape (n,), (n, channels) or (channels, n)."""
    import numpy as np
    from scipy.io import wavfile

    samples = np.asarray(array)
    if samples.ndim not in (1, 2) or samples.dtype.kind != "f" or not isinstance(rate, int):
        raise DataError(
            f"{origin}: its audio must be an array of floats between -1 and 1, in one or two "
            "dimensions, with a whole `sampling_rate`."
        )
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        samples = samples.T
    raw = io.BytesIO()
    # libsndfile would write the time into the header, and the file's hash is in the key.
    wavfile.write(raw, rate, samples.astype(np.float32))
    return raw.getvalue()


def _stored(root: Path, raw: bytes, suffix: str) -> Path:
    path = root / f"{hashlib.sha256(raw).hexdigest()[:32]}{suffix}"
    if not path.is_file():
        root.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(raw)
        temporary.replace(path)
    return path
