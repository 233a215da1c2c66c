"""The two games: stand-ins in their layouts, and the real packages where they are."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from lanser_bench_plugins.datasets import _rnc
from lanser_bench_plugins.datasets.talkies import Talkies, TalkiesOptions
from talkie_files import packed, queen, sky

from lanser_bench import DataError, Utterance
from lanser_bench.cli import main


def mp3(tmp_path: Path, hertz: float, seconds: float = 1.0) -> bytes:
    path = tmp_path / f"{hertz}.mp3"
    samples = 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * 11_025)) / 11_025)
    soundfile.write(path, samples, 11_025)
    content = path.read_bytes()
    path.unlink()
    return content + bytes(max(0, int(2000 * seconds) - len(content)))


@pytest.fixture
def games(tmp_path: Path) -> Path:
    """A folder with both games, as ``dpkg -x`` would unpack them."""
    names = ("020006J1", "020006P1", "020006P2", "C10A_021", "C10A_031", "JOE00411", "JOE00421")
    sounds = {name: mp3(tmp_path, 200 + 50 * n) for n, name in enumerate(names)}
    sounds |= {"JOE00011": sounds["C10A_021"], "THUD": mp3(tmp_path, 99), "JOE00431": b"short"}
    queen(
        tmp_path / "games/usr/share/scummvm/fotaq/queen.1c",
        sounds,
        remarks=["It is  <old>.", "Hmm!*ABGrrr!", "No!"],
        people=["Trader Bob", "Note"],
        conversations={"BOB2": (2, {6: "You make ME laugh."}, {6: "Stop!*F2Go away."})},
        scenes={"C10A": [(0, "*"), (1, "Come in."), (2, "Wanted: a PILOT with ID.")]},
    )
    samples = (np.sin(np.arange(6000) / 5) * 100 + 128).astype(np.uint8).tobytes()
    sky(
        tmp_path / "games/usr/share/scummvm/bass",
        {50_000: samples, 50_001: samples[::-1], 50_033: samples[7:], 50_602: samples[:5000]},
        {
            0: [*["What IS it?", "A cable."], *["none"] * 31, "x" * 60 + "!"],
            1: ["", "", "D-LINC lives"],
        },
        [((0, 48), 0), ((2, 0), 1), ((0, 480), 33), ((2, 1), 4096 + 2)],
        ["sc31_guard", "window 2"],
    )
    return tmp_path / "games"


def read(root: Path, storage: Path, **options: Any) -> tuple[dict[str, Utterance], list[str]]:
    dataset = Talkies(TalkiesOptions(**options))
    dataset.storage = storage
    return {u.id: u for u in dataset.utterances(root)}, dataset.notes


def test_lines_of_the_queen(games: Path, tmp_path: Path) -> None:
    lines, notes = read(games, tmp_path / "store", game="fotaq")
    assert {u.id: (u.speaker, u.transcript, u.dialogue_id, u.turn) for u in lines.values()} == {
        "fotaq_020006J1": ("fotaq_joe", "You make me laugh.", "fotaq_020006", 1),
        "fotaq_020006P1": ("fotaq_bob", "Stop!", "fotaq_020006", 2),
        "fotaq_020006P2": ("fotaq_bob", "Go away.", "fotaq_020006", 3),
        "fotaq_C10A_021": ("fotaq_bob", "Come in.", "fotaq_CUT-C10A", 1),
        "fotaq_C10A_031": (None, "Wanted: a pilot with ID.", "fotaq_CUT-C10A", 2),
        "fotaq_JOE00411": ("fotaq_joe", "It is (old).", "fotaq_JOE0041", 1),
    }
    assert notes[0] == (
        "fotaq: 3 lines left out (animal or without words 1, same sound as an earlier line 1, "
        "shorter than 0.4 s 1)."
    )
    assert "one actor may play several" in notes[1]
    assert {u.language for u in lines.values()} == {"en"}


def test_lines_of_the_sky(games: Path, tmp_path: Path) -> None:
    lines, notes = read(games, tmp_path / "store", game="bass")
    assert {u.id: (u.speaker, u.transcript, u.dialogue_id, u.turn) for u in lines.values()} == {
        "bass_0_0000": ("bass_foster", "What is it?", "bass_0-1", 1),
        "bass_0_0001": ("bass_guard", "A cable.", "bass_0-1", 2),
        "bass_0_0033": (None, "x" * 60 + "!", "bass_0-1", 3),
        "bass_1_0002": (None, "D-LINC lives", "bass_0-1", 4),
    }
    samples = (np.sin(np.arange(6000) / 5) * 100 + 128).astype(np.uint8)
    recording = lines["bass_0_0001"].audio
    assert recording is not None
    written, rate = soundfile.read(recording, dtype="int16")
    assert rate == 11_025
    np.testing.assert_array_equal(written, (samples[::-1].astype(np.int16) - 128) << 8)
    assert len(notes) == 1  # nothing was left out


def test_recordings_are_written_once(games: Path, tmp_path: Path) -> None:
    lines, _ = read(games, tmp_path / "store")
    times = {u.audio: u.audio.stat().st_mtime_ns for u in lines.values() if u.audio}
    again, _ = read(games, tmp_path / "store")
    assert again == lines
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert len(times) == len(lines) == 10
    assert not list((tmp_path / "store").glob(".making*"))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([(b"abc", 0, 0)], b"abc"),
        ([(b"abc", 3, 3), (b"d", 1, 9), (b"", 0, 0)], b"abcabc" + b"d" * 10),
        ([(b"a" * 300, 2, 5), (b"xy", 2, 5), (b"z", 0, 0)], b"a" * 305 + b"xyxyxyx" + b"z"),
    ],
)
def test_packed_data(chunks: list[tuple[bytes, int, int]], expected: bytes) -> None:
    assert _rnc.unpacked(packed(chunks)) == expected


def test_damaged_packed_data() -> None:
    whole = packed([(b"abc", 3, 3), (b"d", 0, 0)])
    with pytest.raises(ValueError, match="not RNC"):
        _rnc.unpacked(b"other data")
    with pytest.raises(ValueError, match="bytes instead of 8"):
        _rnc.unpacked(whole[:7] + bytes([8]) + whole[8:])
    with pytest.raises(ValueError, match="from before the start"):
        _rnc.unpacked(packed([(b"abc", 4, 3), (b"d", 0, 0)], checked=False))


def damage(game: str, games: Path) -> tuple[Path, bytes]:
    name = {"fotaq": "queen.1c", "bass": "sky.dsk"}[game]
    (file,) = games.rglob(name)
    return file, file.read_bytes()


@pytest.mark.parametrize("game", ["fotaq", "bass"])
def test_a_truncated_file(game: str, games: Path, tmp_path: Path) -> None:
    file, content = damage(game, games)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"is damaged or of another version .*apt-get download"):
        read(games, tmp_path / "store", game=game)
    assert not list((tmp_path / "store").iterdir())


@pytest.mark.parametrize("name", ["queen.1c", "sky.dnr", "sky.dsk", "sky.cpt"])
def test_damage_is_one_sentence_or_none(name: str, games: Path, tmp_path: Path) -> None:
    (file,) = games.rglob(name)
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    for attempt in range(6):
        content = bytearray(whole)
        for place in rng.integers(min(len(content), 3000), size=20):
            content[place] = rng.integers(256)
        file.write_bytes(content)
        with contextlib.suppress(DataError):
            game = "fotaq" if name == "queen.1c" else "bass"
            read(games, tmp_path / f"store {attempt}", game=game)


def test_other_versions(games: Path, tmp_path: Path) -> None:
    file, content = damage("fotaq", games)
    for head in (b"QTBLPEM10\0\0\0\1", b"QTBLCEM10\0\0\0\2", b"RIFF" + bytes(9)):
        file.write_bytes(head + content[13:])
        with pytest.raises(DataError, match="another kind of file"):
            read(games, tmp_path / "store", game="fotaq")
    (directory,) = games.rglob("sky.dnr")
    directory.write_bytes((5099).to_bytes(4, "little") + directory.read_bytes()[4:])
    with pytest.raises(DataError, match="another number of files"):
        read(games, tmp_path / "store", game="bass")


def test_names_that_leave_the_folder(games: Path, tmp_path: Path) -> None:
    file, content = damage("fotaq", games)
    file.write_bytes(content.replace(b"020006J1.SB", b"../../J1.SB", 1))
    with pytest.raises(DataError, match="is not valid"):
        read(games, tmp_path / "store", game="fotaq")


def test_a_missing_game_is_named(
    games: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = games.rglob("queen.1c")
    file.unlink()
    store = f"--store={tmp_path / 'store'}"
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", "talkies", str(games), store])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "no queen.1c of the game flight-of-the-amazon-queen" in error
    assert "To read only one game, set `game`." in error
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", "talkies", str(games), "game=bass", store])
    assert ended.value.code == 0
    assert "utterances: 4" in capsys.readouterr().out
    assert list((tmp_path / "store/datasets/talkies").glob("bass-*"))


@pytest.mark.data
@pytest.mark.parametrize("game", ["fotaq", "bass"])
def test_the_real_packages(game: str, data_root: Path, tmp_path: Path) -> None:
    """Compares them with a table that another reader made."""
    root = Path(os.environ.get("LANSER_TALKIES_ROOT", "/usr/share/scummvm"))
    table = data_root / "talkies" / game / "manifest.csv"
    if not table.is_file() or not any(root.rglob({"fotaq": "queen.1c", "bass": "sky.dsk"}[game])):
        pytest.skip("LANSER_TALKIES_ROOT does not name a folder with the two Debian packages")
    lines, _ = read(root, tmp_path, game=game)
    with table.open(newline="", encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert lines.keys() == rows.keys()
    for name, row in rows.items():
        line = lines[name]
        assert line.speaker == (row["speaker"] or None)
        assert (line.transcript or "").lower() == row["transcript"].lower()
    turns = [(line.dialogue_id, line.turn) for line in lines.values() if line.dialogue_id]
    assert len(set(turns)) == len(turns)
    index = next(tmp_path.glob(f"{game}-*/index.json"))
    for clip in json.loads(index.read_text()):
        if row := rows.get(f"{game}_{clip['name']}"):
            assert clip["seconds"] == pytest.approx(float(row["duration_s"]), abs=0.001)
