"""`table`: vectors made elsewhere, by any encoder, read from Parquet, npz or HDF5."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from lanser_bench import DataError, FeatureExtractor, Frontend, Layers, PluginOptions, SettingsError

from .._keyed_tables import ID_ALIASES, Lookup, TableFile, first, table_sha256
from .._optional import import_optional
from ..datasets._columns import as_text

Array = npt.NDArray[Any]
WHERE = "encoder 'table'"
SUFFIXES = (".h5", ".hdf5", ".npz", ".parquet")
NO_VALUES = {"label", "gold", "emotion", "valence", "arousal", "speaker", "split", "fold", "seed"}
"""Columns of numbers that are no values of a vector: a label among the features would leak."""


class TableOptions(PluginOptions):
    """Options of `table`."""

    file: TableFile
    """Parquet (``.parquet``), NumPy (``.npz``) or HDF5 (``.h5``, ``.hdf5``; extra ``hdf5``). It is
    read into memory."""
    by: Literal["id", "recording"] = "id"
    """How vectors are found: by the utterance's id, which may be a file name, or by the SHA-256 of
    its recording (only for recordings of one utterance)."""
    key: str | None = None
    """The array or column of the keys. Null: ``recording``, or ``id``, ``ids``, ``file`` …; npz and
    HDF5 without one have an array of vectors per utterance, named by its key."""
    vectors: tuple[str, ...] = ()
    """The arrays or columns of vectors: a layer each, or layers × values. Empty: all, in the order
    of the file; if there are only columns of numbers, each is a value of one vector."""


class Table(FeatureExtractor[TableOptions]):
    """Returns the vectors of each utterance, as layers of one frame; no sound is read."""

    Options = TableOptions
    version = "1"

    @property
    def frontend(self) -> Frontend:
        """The utterance's id, or the hash of its recording."""
        return Frontend(kind=self.options.by)

    @property
    def trained_on(self) -> None:
        """Unknown: any encoder may have made the vectors."""

    def fingerprint(self) -> str:
        """Hash of the file."""
        return table_sha256(self.options.file, WHERE)

    def describe(self) -> dict[str, Any]:
        """The file's name."""
        return {"table": self.options.file.name}

    def check_utterances(self, name: str, ids: Iterable[str], recordings: Iterable[str]) -> None:
        """Refuses a corpus with utterances that have no vectors."""
        self._read[0].check(ids if self.options.by == "id" else recordings, name)

    def extract(self, batch: Sequence[Any]) -> list[Layers]:
        """Returns layers of shape (1, dim) for each key; raises `DataError` if a key has none."""
        lookup, layers = self._read
        lookup.check(batch, "this corpus")
        rows = map(lookup.get, batch)
        return [[layer[row : row + 1] for layer in layers] for row in rows if row is not None]

    @cached_property
    def _read(self) -> tuple[Lookup[int], list[npt.NDArray[np.float32]]]:
        """Position of each key, and layers of shape (n, dim)."""
        file = self.options.file
        arrays = _arrays(file)
        name = self._key(arrays)
        if name is None:
            keys = list(arrays)
            made = [_stacked(list(arrays.values()), keys, file)]
        else:
            keys = [as_text(key, str(file), name) or "" for key in arrays.pop(name).tolist()]
            made = [*self._vectors(arrays, keys)]
        split = [np.moveaxis(array, 1, 0) if array.ndim == 3 else array[None] for array in made]
        layers = [np.asarray(layer, np.float32) for array in split for layer in array]
        bad = np.flatnonzero(~np.all([np.isfinite(layer).all(1) for layer in layers], axis=0))
        if len(bad):
            raise DataError(
                f"{file}: the vectors of {len(bad)} of {len(keys)} utterances have NaN or infinite "
                f"values ({first([keys[row] for row in bad])}). Compute them again."
            )

        def same(a: int, b: int) -> bool:
            return all(np.array_equal(layer[a], layer[b]) for layer in layers)

        return Lookup(file, self.options.by, zip(keys, range(len(keys)), strict=True), same), layers

    def _key(self, arrays: Mapping[str, Array]) -> str | None:
        """Returns the array of the keys; None if arrays are named by keys."""
        by, key, file = self.options.by, self.options.key, self.options.file
        known = [key] if key else [by, *ID_ALIASES] if by == "id" else [by]
        found = next((name for name in known if name in arrays), None)
        if found is None and (key or file.suffix.lower() == ".parquet"):
            self._refuse(f"no column '{known[0]}' of keys. Name it in `key`", arrays)
        return found

    def _refuse(self, lack: str, arrays: Mapping[str, Array]) -> NoReturn:
        has = ", ".join(arrays)
        raise SettingsError(f"{WHERE}: {self.options.file} has {lack}. It has {has}.")

    def _vectors(self, arrays: Mapping[str, Array], keys: Sequence[str]) -> Iterator[Array]:
        """Yields arrays of shape (n, dim) or (n, layers, dim)."""
        wanted = self.options.vectors
        if absent := set(wanted) - arrays.keys():
            self._refuse(f"no '{min(absent)}', which 'vectors' names", arrays)
        read = {n: _stacked(arrays[n], keys, self.options.file) for n in wanted or arrays}
        numbers = {name: array for name, array in read.items() if array.dtype.kind in "fiu"}
        wide = [array for array in numbers.values() if array.ndim > 1]
        odd = [
            n for n, a in numbers.items() if len(a) != len(keys) or (not wide and n in NO_VALUES)
        ]
        if odd or not numbers:
            what = f"'{odd[0]}', which has no vector" if odd else "no vector"
            self._refuse(f"{what} for each of {len(keys)} keys. List those in `vectors`", read)
        yield from wide or [np.stack(list(numbers.values()), axis=1)]


def _stacked(rows: Array | Sequence[Array], keys: Sequence[str], file: Path) -> Array:
    """Returns vectors as one array; raises `DataError` if they have unlike lengths."""
    if isinstance(rows, np.ndarray) and rows.dtype != object:
        return rows
    arrays = [np.array(list(row) if np.ndim(row) else row) for row in rows]
    usual = Counter(array.shape for array in arrays).most_common(1)[0][0]
    odd = [row for row, array in enumerate(arrays) if array.shape != usual]
    if odd:
        raise DataError(
            f"{file}: the vectors of {len(odd)} of {len(keys)} utterances have another shape than "
            f"{usual} ({first([keys[row] for row in odd])}). Compute them alike."
        )
    return np.stack(arrays)


def _arrays(file: Path) -> dict[str, Array]:
    """Reads all arrays or columns of a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise SettingsError(f"{WHERE}: {file.name} must end in {', '.join(SUFFIXES)}.")
    try:
        if suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        if suffix == ".parquet":
            table = pq.read_table(file)
            return {name: table[name].to_numpy() for name in table.column_names}
        return _hdf5(file)
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        hint = " Save ids as np.array(ids, dtype=str)." if "Object arrays" in str(error) else ""
        raise DataError(f"{file} cannot be read: {error}.{hint}") from None


def _hdf5(file: Path) -> dict[str, Array]:
    h5py = import_optional("h5py", f"{WHERE} needs h5py", "pip install 'lanser-bench[hdf5]'.")
    arrays: dict[str, Array] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = np.asarray(item[()])

    with h5py.File(file) as opened:
        opened.visititems(keep)
    return arrays
