"""Condensed Movies: the metadata's true columns around generated sound and subtitles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lanser_bench_plugins.datasets._subtitles import plain_words, read_cues
from lanser_bench_plugins.datasets.condensed_movies import CondensedMovies, CondensedMoviesOptions

from lanser_bench import DataError, Utterance
from lanser_bench.data.audio_memo import AudioMemo
from lanser_bench.data.survey import survey_dataset
from lanser_bench.plugins.discovery import registry

CLIPS = (
    "videoid,year,clip_idx,clip_tot,upload_year,title,clip_name,imdbid\n"
    "aB-_0001abc,2012.0,6,10,2019,A Film,First Scene,tt1\n"
    'cD-_0002def,2019.0,2,9,2020,"Film, Other",Second Scene,tt2\n'
    "eF-_0003ghi,2019.0,3,9,2020,Not Here,Third Scene,tt3\n"
)
VTT = """WEBVTT
Kind: captions

NOTE nothing

00:00:00.000 --> 00:00:00.200 align:start
<i>ANNA: I never</i>

00:00:00.250 --> 00:00:00.400
said that&nbsp;&amp; you know.

00:00.410 --> 00:00.480
[door slams] ♪ la la ♪
"""


def read(root: Path, **options: Any) -> list[Utterance]:
    return list(CondensedMovies(CondensedMoviesOptions(**options)).utterances(root))


@pytest.fixture
def films(tmp_path: Path, write_clip: Callable[[Path], None]) -> Path:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/clips.csv").write_text(CLIPS)
    (tmp_path / "metadata/split.csv").write_text("imdbid,split\ntt1,train\ntt2,val\n")
    write_clip(tmp_path / "videos/2019/aB-_0001abc.wav")
    write_clip(tmp_path / "videos/2020/cD-_0002def.flac")
    (tmp_path / "videos/2019/aB-_0001abc.en.vtt").write_text(VTT, encoding="utf-8")
    return tmp_path


def test_clips_are_recordings_with_the_film_for_the_speaker(films: Path) -> None:
    first, second, third = read(films)
    assert (first.id, first.speaker, first.split) == ("aB-_0001abc", "tt1", "train")
    assert first.audio == films / "videos/2019/aB-_0001abc.wav"
    assert (second.speaker, second.split, second.extras["title"]) == ("tt2", "dev", "Film, Other")
    assert third.audio is not None
    assert not third.audio.exists()


def test_subtitles_cut_a_clip_into_sentences(films: Path) -> None:
    found = read(films, cut="subtitles", without_subtitles="whole")
    said = found[0]
    assert (said.id, said.turn, said.dialogue_id) == ("aB-_0001abc#0000", 0, "aB-_0001abc")
    assert (said.start, said.end) == (0.0, 0.4)
    assert said.transcript == "I never said that & you know."
    assert [(u.id, u.transcript) for u in found[1:]] == [
        ("cD-_0002def", None),
        ("eF-_0003ghi", None),
    ]
    with pytest.raises(DataError, match=r"line 3: there are no subtitles such as cD-_0002def\.en"):
        read(films, cut="subtitles")


def test_missing_clips_are_counted_and_named(films: Path, tmp_path: Path) -> None:
    memo = AudioMemo(tmp_path / "memo.sqlite")
    plugin = CondensedMovies(CondensedMoviesOptions())
    look = survey_dataset(registry(), "condensed-movies", plugin, films, memo, on_bad_audio="skip")
    memo.close()
    assert len(look.rows) == 2
    assert [problem.utterance for problem in look.of_kind("bad audio")] == ["eF-_0003ghi"]


def test_cues_join_until_a_sentence_a_pause_or_the_limit_ends(films: Path) -> None:
    rows = [
        "1\n00:00:00,000 --> 00:00:01,000\nSo",
        "2\n00:00:01,100 --> 00:00:02,000\nit goes",
        "3\n00:00:04,000 --> 00:00:05,000\nafter a pause.",
    ]
    (films / "cD-_0002def.srt").write_text("\r\n\r\n".join(rows).replace("\n", "\r\n"))
    found = [u for u in read(films, cut="subtitles") if u.speaker == "tt2"]
    assert [u.transcript for u in found] == ["So it goes", "after a pause."]
    short = [u for u in read(films, cut="subtitles", longest=1.5) if u.speaker == "tt2"]
    assert [u.transcript for u in short] == ["So", "it goes", "after a pause."]


def test_rolling_captions_say_each_line_once(tmp_path: Path) -> None:
    path = tmp_path / "x.vtt"
    path.write_text(
        "WEBVTT\n\n00:00.000 --> 00:01.000\nfirst line\n\n"
        "00:01.000 --> 00:02.000\nfirst line\nsecond<00:01.500><c> line</c>\n"
    )
    assert [cue.text for cue in read_cues(path)] == ["first line", "second line"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<v Bob>Run!</v>", "Run!"),
        ("{\\an8}- Who?", "Who?"),
        ("(sighs) DR. NO: Yes", "Yes"),
        ("♪ song ♪", ""),
        ("It's 5:30 now", "It's 5:30 now"),
    ],
)
def test_only_words_are_kept(written: str, said: str) -> None:
    assert plain_words(written) == said


def test_faults_are_sentences(tmp_path: Path, films: Path) -> None:
    with pytest.raises(DataError, match=r"no metadata/clips\.csv"):
        read(tmp_path / "videos")
    (films / "bad.vtt").write_text("WEBVTT\n\n00:02.000 --> 00:01.000\nx\n")
    with pytest.raises(DataError, match=r"bad\.vtt, line 3: the cue ends before"):
        read_cues(films / "bad.vtt")
    for path in films.rglob("*.wav"):
        path.unlink()
    for path in films.rglob("*.flac"):
        film = path.rename(path.with_suffix(".mkv"))
    assert film in [u.audio for u in read(films)]
    film.unlink()
    with pytest.raises(DataError, match=r"contains no sound of any clip of clips\.csv"):
        read(films)
