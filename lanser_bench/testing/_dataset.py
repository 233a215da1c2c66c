"""Tests of the contract of a dataset, on a folder with its recordings."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, ClassVar
from unittest.mock import patch

from ..data.audio_memo import AudioMemo
from ..data.survey import survey_dataset
from ..errors import LanserError
from ..kinds.dataset import Utterance
from ..plugins.discovery import registry
from ._base import PluginSuite
from ._batches import difference


class DatasetSuite(PluginSuite):
    """Inherit, write `make`, and set `root` to a small folder in the dataset's layout."""

    anchor: ClassVar[str] = "docs/plugins/dataset.md#rules"
    keyed_by_options: ClassVar[bool] = False
    root: ClassVar[Path | str | None] = None
    """A few recordings of the dataset, with its tables; None if it needs no folder."""

    def _folder(self) -> Path:
        """The folder that `utterances` gets."""
        if self.root is not None:
            return Path(self.root).absolute()
        return self.kept("made", scratch)

    def _rows(self, plugin: Any, root: Path) -> list[Any]:
        plugin.storage = self.kept("storage", scratch)
        return list(plugin.utterances(root))

    def use(self, plugin: Any) -> list[Any]:
        """Lists the utterances; notes what was written into the folder, and connections."""
        root, asked = self._folder(), self.kept("connections", list)

        def refuse(_: object, address: object) -> None:
            asked.append(str(address))
            raise OSError("suites allow no connection")

        before = _state(root) if self.root else {}
        with patch.object(socket.socket, "connect", refuse):
            rows = self._rows(plugin, root)
        after = _state(root) if self.root else {}
        written: list[str] = self.kept("written", list)
        written += [path for path in after if after[path] != before.get(path)]
        return rows

    def _utterances(self) -> list[Any]:
        rows: list[Any] = self._first()
        return rows

    def test_results_have_the_declared_form(self) -> None:
        """A dataset yields utterances, each with an id and the absolute path of its recording."""
        rows = self._utterances()
        self.require(
            rows and all(isinstance(u, Utterance) and type(u.id) is str and u.id for u in rows),
            f"utterances() gave {rows[:1] or 'nothing'}.",
            "Yield `Utterance(id, …)`; the suite's `root` must have some.",
        )
        paths = [u.audio for u in rows if u.audio is not None]
        wrong = [f"{p}" for p in paths if not (isinstance(p, Path) and p.is_absolute())]
        self.require_none(wrong, "Recordings are not absolute paths", "Build them from `root`.")

    def test_it_is_deterministic(self) -> None:
        """Every instance yields the same utterances in the same order."""
        found = difference(self._first(), self._fresh()[0])
        self.require(
            not found, f"A new instance yields others: {found}.", "Sort, and draw from own seeds."
        )

    def test_ids_are_unique(self) -> None:
        """An id names one utterance of the dataset."""
        counts = Counter(u.id for u in self._utterances())
        self.require_none(
            [name for name, n in counts.items() if n > 1],
            "Ids occur more than once",
            "Make ids of the path below `root`, not of the file's name alone.",
        )

    def test_the_order_is_that_of_no_file_system(self) -> None:
        """The order of the utterances does not depend on how a machine lists folders."""
        list_names, scan = os.listdir, os.scandir
        listings: list[Any] = []
        for turned in (False, True):
            with (
                patch.object(os, "listdir", lambda *a, t=turned: sorted(list_names(*a), reverse=t)),
                patch.object(os, "scandir", lambda *a, t=turned: _Entries(scan(*a), t)),
            ):
                listings.append([u.id for u in self._rows(self.make(), self._folder())])
        found = difference(listings[0], listings[1])
        self.require(
            not found,
            f"Folders listed in another order give others: {found}.",
            "Sort what `glob`, `rglob`, `iterdir` or `os.walk` gives.",
        )

    def test_rows_do_not_name_the_folder_s_place(self) -> None:
        """Copies of the folder elsewhere give the same utterances, so that results are shared."""
        if self.root is None:
            return
        with TemporaryDirectory() as name:
            link = Path(name) / "elsewhere"
            link.symlink_to(self._folder(), target_is_directory=True)
            rows = self._rows(self.make(), link)
        bare = [replace(u, audio=None, origin=None) for u in self._utterances()]
        found = difference(bare, [replace(u, audio=None, origin=None) for u in rows])
        self.require(
            not found,
            f"The same folder under another path gives others: {found}.",
            "Use paths relative to `root` in ids, speakers and extras.",
        )

    def test_it_leaves_its_folder_as_it_is(self) -> None:
        """A dataset writes nothing into its folder."""
        self._first()
        self.require_none(self.kept("written", list), "It wrote", "Use the folder `self.storage`.")

    def test_it_downloads_nothing_unasked(self) -> None:
        """A dataset reads a local folder and connects to nothing."""
        self._first()
        self.require_none(
            self.kept("connections", list), "It connects to", "Read local files only."
        )

    def test_labels_and_recordings_are_usable(self) -> None:
        """Labels are of the card's taxonomy; spans lie inside recordings that can be read."""
        with TemporaryDirectory() as name:
            memo = AudioMemo(Path(name) / "memo.sqlite")
            survey = survey_dataset(registry(), "under-test", self.make(), self._folder(), memo)
            memo.close()
        self.require(not survey.faults, " ".join(survey.faults[:2]), "Correct what is named.")

    def test_speakers_are_told_apart(self) -> None:
        """A speaker has one name, and every utterance its speaker if they are known."""
        names: dict[str, set[str]] = {}
        for u in self._utterances():
            names.setdefault((u.speaker or "").strip().casefold(), set()).add(u.speaker or "")
        self.require_none(
            [" and ".join(map(repr, sorted(n))) for n in names.values() if len(n) > 1],
            "Speakers differ only in case or blanks",
            "Give a person one name: otherwise training and test sides share a voice.",
        )
        bare = [u.id for u in self._utterances() if not u.speaker]
        self.require_none(
            bare if len(names) > 1 else [],
            "Utterances without a speaker",
            "Name the speaker of every utterance, or of none.",
        )

    def test_gold_is_nowhere_else(self) -> None:
        """Human labels are in `gold` only: labelers read the text, and folds the other columns."""
        single = [(u, next(iter(u.gold))) for u in self._utterances() if len(u.gold) == 1]
        leaks = [
            column
            for column in ("transcript", "speaker", "sentence_id", "dialogue_id", "split")
            if len({label for _, label in single}) > 1
            and all(str(getattr(u, column)).casefold() == label.casefold() for u, label in single)
        ]
        self.require_none(leaks, "The label is also in", "Remove it there.")

    def test_sentences_and_turns_are_consistent(self) -> None:
        """Utterances of one `sentence_id` say the same, and a dialogue has each `turn` once."""
        texts: dict[str, set[str]] = {}
        for u in self._utterances():
            if u.sentence_id and u.transcript:
                texts.setdefault(u.sentence_id, set()).add(
                    " ".join(u.transcript.casefold().split())
                )
        self.require_none(
            [name for name, said in texts.items() if len(said) > 1],
            "Sentences with several texts",
            "Give each scripted sentence its own `sentence_id`.",
        )
        rows = self._utterances()
        turns = Counter(
            (u.dialogue_id, u.turn) for u in rows if u.dialogue_id and u.turn is not None
        )
        self.require_none(
            [f"{turn} of {name}" for (name, turn), n in turns.items() if n > 1],
            "Turns occur more than once",
            "Count the turns of a dialogue in its order.",
        )

    def test_the_card_says_what_a_user_needs(self) -> None:
        """The card has title, licence and citation; protocols and ratings have their columns."""
        card, rows = self.plugin.card, self._utterances()
        empty = [name for name in ("title", "licence", "citation") if not getattr(card, name)]
        self.require_none(empty, "The card lacks", "Fill it in.")
        split = (
            [u.id for u in rows if not u.split] if "split" in self.plugin.protocols.values() else []
        )
        self.require_none(split, "A protocol needs a split, which these lack", "Set `split`.")
        beyond = [
            f"{name} of {u.id}"
            for name, (low, high) in card.dimensions.items()
            for u in rows
            if not low <= float(u.extras.get(name) or low) <= high
        ]
        unrated = [n for n in card.dimensions if all(n not in u.extras for u in rows)]
        self.require_none(
            [*unrated, *beyond], "Ratings are missing or off the scale", "Correct the card."
        )

    def test_a_wrong_folder_is_refused_in_words(self) -> None:
        """A folder of something else raises a `DataError` that says how to get or name it."""
        if self.root is None:
            return
        with TemporaryDirectory() as name:
            (Path(name) / "notes.txt").write_text("no dataset", encoding="utf-8")
            try:
                rows: Any = self._rows(self.make(), Path(name))
            except LanserError:
                return
            # A dataset may raise anything where it expects its own files.
            except Exception as error:  # noqa: BLE001
                rows = f"raised {type(error).__name__}: {error}"
        self.require(
            not rows or isinstance(rows, list),
            f"A folder with notes.txt alone {rows}.",
            "Raise a DataError that says which files are missing and how to get the dataset.",
        )


class _Entries:
    """What `os.scandir` gives, in the order of names or in the reversed one."""

    def __init__(self, entries: Any, turned: bool) -> None:
        with entries:
            self._entries = iter(sorted(entries, key=lambda entry: entry.name, reverse=turned))

    def __iter__(self) -> Any:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes nothing: the entries are read."""


def scratch() -> Path:
    """Returns a folder that is removed when the process ends."""
    folder = mkdtemp(prefix="lanser-suite-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _state(root: Path) -> dict[str, tuple[int, int]]:
    """Path → size and time of change of every file below a folder."""
    files = [(path, path.stat()) for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): (s.st_size, s.st_mtime_ns) for path, s in files}
