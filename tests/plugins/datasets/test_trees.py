"""Corpora as trees of files: links, spellings, formats and names that strangers' disks have."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lanser_bench import DataError, SettingsError
from lanser_bench.data.audio_memo import AudioMemo
from lanser_bench.data.survey import OnBadAudio, Survey, survey_dataset
from lanser_bench.plugins.discovery import registry
from lanser_bench.reporting.comparing.power import count

WriteClip = Callable[[Path], None]
LEVELS = r"(?P<speaker>[^/]+)/(?P<label>[^/]+)/.+"


@pytest.fixture
def look(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Survey]:
    memo = AudioMemo(tmp_path_factory.mktemp("memo") / "files.sqlite")

    def survey(name: str, root: Path, on_bad_audio: OnBadAudio = "stop", **options: Any) -> Survey:
        plugin = registry().create("dataset", name, options)
        return survey_dataset(registry(), name, plugin, root, memo, on_bad_audio=on_bad_audio)

    return survey


Look = Callable[..., Survey]


def ids(survey: Survey) -> list[str]:
    return [row["id"] for row in survey.rows]


def tone(path: Path, hertz: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(hertz * np.arange(8_000) / 2_500), 16_000)


def taxonomy(folder: Path, *names: str) -> str:
    labels = "".join(f"  - {{name: {name}, hypothesis: {name}}}\n" for name in names)
    path = folder / "mine.yaml"
    path.write_text(
        "name: mine\nversion: '1'\ncitation: me\nneutral_rule: {kind: keep}\nlabels:\n" + labels,
        encoding="utf-8",
    )
    return str(path)


def test_links_to_a_folder_above_are_not_followed_and_others_are(
    tmp_path: Path, write_clip: WriteClip, look: Look
) -> None:
    root, outside = tmp_path / "set", tmp_path / "outside"
    for speaker in ("a", "b"):
        for number in range(3):
            write_clip(root / speaker / "joy" / f"{number}.wav")
        (root / speaker / "up").symlink_to(root)
    write_clip(outside / "joy" / "0.wav")
    write_clip(root / ".store" / "joy" / "0.wav")
    (root / "c").symlink_to(outside)
    (root / "d").symlink_to(root / ".store")
    (root / "e").symlink_to(tmp_path / "missing")
    (root / "f").symlink_to(tmp_path)
    survey = look("audiofolder", root, pattern=LEVELS, taxonomy="ekman-6")
    assert [name[0] for name in ids(survey)] == [*"aaabbb", *"cd"]
    (links,) = [note for note in survey.notes if "links" in note]
    assert links.startswith("4 links not followed")
    assert all(name in links for name in ("f", "a/up", "and 1 more"))


def test_a_folder_that_cannot_be_read_and_a_name_that_is_no_text_are_refused(
    tmp_path: Path, write_clip: WriteClip, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "joy" / "a.wav")
    scandir = os.scandir

    def denied(path: str | Path = ".") -> Any:
        if Path(path).name == "joy":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", denied)
        with pytest.raises(DataError, match=r"folder .*joy cannot be read: Permission denied"):
            look("audiofolder", tmp_path)
    try:
        (tmp_path / "joy" / "a.wav").rename(tmp_path / "joy" / os.fsdecode(b"caf\xe9.wav"))
    except OSError:
        return  # a file system that refuses such names
    with pytest.raises(DataError, match=r"caf\\udce9\.wav' is not valid UTF-8"):
        look("audiofolder", tmp_path)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_two_spellings_are_one_name(
    tmp_path: Path, write_clip: WriteClip, look: Look, form: Any
) -> None:
    root = tmp_path / unicodedata.normalize("NFD", "Für") / "x"
    for label, speaker in (("wütend", "jörg"), ("fröhlich", "jörg")):
        for spelling in ("NFC", "NFD"):
            folder = unicodedata.normalize(spelling, f"{speaker}/{label}")
            write_clip(root / folder / f"{spelling}.wav")
    names = [unicodedata.normalize(form, name) for name in ("wütend", "fröhlich")]
    given = tmp_path / unicodedata.normalize(form, "Für") / "x"
    pattern = unicodedata.normalize(form, LEVELS.replace("[^/]+", "jörg", 1))
    mine = taxonomy(tmp_path, *names)
    survey = look("audiofolder", given, pattern=pattern, taxonomy=mine)
    assert not survey.faults
    assert survey.counts["labels"] == {"fröhlich": 2, "wütend": 2}
    assert {row["speaker"] for row in survey.rows} == {"audiofolder:jörg"}
    mapped = look(
        "audiofolder",
        given,
        pattern=LEVELS,
        taxonomy="ekman-6",
        labels={names[0]: "anger", names[1]: "joy"},
    )
    assert mapped.counts["labels"] == {"anger": 2, "joy": 2}


def test_labels_in_other_letters_are_suggested_and_mapped(
    tmp_path: Path, write_clip: WriteClip, look: Look
) -> None:
    for label in ("Anger", "anger", "ANGER ", "joy"):
        write_clip(tmp_path / label / "a.wav")
    (fault,) = look("audiofolder", tmp_path, taxonomy="ekman-6").faults
    assert "'ANGER' is not a label of ekman-6. Did you mean 'anger'?" in fault
    labels = {"Anger": "anger", "ANGER ": "anger"}
    survey = look("audiofolder", tmp_path, taxonomy="ekman-6", labels=labels)
    assert survey.counts["labels"] == {"anger": 3, "joy": 1}


def test_no_class_is_lost_without_a_word(tmp_path: Path, write_clip: WriteClip, look: Look) -> None:
    for label in ("anger", "joy"):
        write_clip(tmp_path / label / "a.wav")
    for file in ("disgust/a.m4a", "disgust/b.AAC", "sadness/a.wav", "fear/a.raw", "__MACOSX/x.wav"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"" if file[0] == "s" else b"\0\0\0\x20ftypM4A " + bytes(99))
    (tmp_path / "surprise").mkdir()
    for system in ("Thumbs.db", "desktop.ini", "joy/._a.wav"):
        (tmp_path / system).touch()
    survey = look("audiofolder", tmp_path, taxonomy="ekman-6")
    assert "disgust/a (disgust/a.m4a)" in survey.faults[0]
    assert "disgust/b (disgust/b.AAC)" in survey.faults[0]
    assert "sadness/a (sadness/a.wav) is empty (0 bytes)" in survey.faults[0]
    skipped = look("audiofolder", tmp_path, "skip", taxonomy="ekman-6")
    assert ids(skipped) == ["anger/a", "joy/a"]
    assert [problem.file for problem in skipped.of_kind("bad audio")] == [
        "disgust/a.m4a",
        "disgust/b.AAC",
        "sadness/a.wav",
    ]
    assert skipped.notes == [
        "Folders without a sound file: 'fear' (.raw), 'surprise' (empty).",
        "No usable recording is left of: disgust, sadness.",
    ]


def test_wav_under_another_suffix_is_read_and_noted(
    tmp_path: Path, write_clip: WriteClip, look: Look
) -> None:
    for label in ("anger", "joy"):
        write_clip(tmp_path / label / "a.wav")
    (tmp_path / "joy" / "a.wav").rename(tmp_path / "joy" / "a.m4a")
    survey = look("audiofolder", tmp_path, taxonomy="ekman-6")
    assert survey.counts["labels"] == {"anger": 1, "joy": 1}
    assert any("read by content" in n and "joy/a.m4a" in n for n in survey.notes)


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("ravdess", "Actor_01/03-01-05-01-01-01-01"),
        ("crema-d", "AudioWAV/1001_DFA_ANG_XX"),
        ("savee", "AudioData/DC/a01"),
        ("tess", "OAF_angry/OAF_back_angry"),
        ("emodb", "wav/03a01Fa"),
        ("esd", "0011/Angry/0011_000351"),
        ("librispeech", "dev-clean/84/121/84-121-0000"),
        ("ljspeech", "wavs/LJ001-0001"),
    ],
)
def test_one_rule_for_formats_and_copies_in_all_trees(
    tmp_path: Path, look: Look, name: str, clip: str
) -> None:
    root = tmp_path / "set"
    wav = (root / clip).with_suffix(".WAV")
    tone(wav, 200)
    alone = look(name, root)
    shutil.copytree(root, root / "nested" / "set")
    doubled = look(name, root)
    assert doubled.rows == alone.rows
    assert doubled.problems == alone.problems
    assert any("1 utterance occurs more than once" in note for note in doubled.notes)
    inner = root / "nested" / "set"
    tone((inner / clip).with_suffix(".WAV"), 300)
    (fault,) = look(name, root).faults
    assert f"{clip}.WAV" in fault
    assert f"nested/set/{clip}.WAV" in fault
    assert f"Set `root` to the copy that you want: {inner}." in fault
    shutil.rmtree(root / "nested")
    film = wav.with_suffix(".mp4")
    film.write_bytes(b"\0\0\0\x20ftypisom" + bytes(99))
    assert look(name, root).rows == alone.rows
    wav.unlink()
    assert f"{clip}.mp4) is in MPEG-4" in look(name, root).faults[0]


def test_lossless_copies_are_the_root_to_give(tmp_path: Path, look: Look) -> None:
    for number, clip in enumerate(("1001_DFA_ANG_XX", "1002_DFA_HAP_XX")):
        tone(tmp_path / "AudioMP3" / f"{clip}.mp3", 200 + number)
        tone(tmp_path / "AudioWAV" / f"{clip}.wav", 200 + number)
    (fault,) = look("crema-d", tmp_path).faults
    folders = f"{tmp_path / 'AudioWAV'} or {tmp_path / 'AudioMP3'}"
    assert f"Set `root` to the copy that you want: {folders}." in fault
    assert not look("crema-d", tmp_path / "AudioWAV").faults


def test_a_copy_in_another_lossless_format_or_cut_off_is_the_same_utterance(
    tmp_path: Path, look: Look
) -> None:
    tone(tmp_path / "happy" / "a.wav", 200)
    samples, rate = soundfile.read(tmp_path / "happy" / "a.wav", dtype="int16")
    soundfile.write(tmp_path / "happy" / "a.flac", samples, rate)
    survey = look("audiofolder", tmp_path, taxonomy="ravdess-8")
    assert ids(survey) == ["happy/a"]
    assert "'happy/a' at happy/a.flac and at happy/a.wav" in survey.notes[0]
    (tmp_path / "happy" / "a.flac").write_bytes(b"fLaC")
    cut = look("audiofolder", tmp_path, taxonomy="ravdess-8")
    assert (ids(cut), cut.of_kind("bad audio")) == (["happy/a"], [])
    assert "(not all can be decoded)" in cut.notes[0]
    tone(tmp_path / "happy" / "a.flac", 300)
    (fault,) = look("audiofolder", tmp_path, taxonomy="ravdess-8").faults
    assert "Rename them, or remove all but one of each." in fault


@pytest.mark.parametrize("name", ["ravdess", "meld", "iemocap", "audiofolder", "manifest", "text"])
def test_archives_that_are_not_unpacked_are_named(tmp_path: Path, look: Look, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "Audio_Speech.ZIP").write_bytes(b"PK")
    (tmp_path / "readme.md").touch()
    with pytest.raises(DataError, match=r"not unpacked: in/Audio_Speech\.ZIP"):
        look(name, tmp_path)
    with pytest.raises(DataError, match="Unpack the archive first"):
        look(name, tmp_path / "in" / "Audio_Speech.ZIP")


def test_hugging_face_s_tables_are_read_unless_a_pattern_is_set(
    tmp_path: Path, write_clip: WriteClip, look: Look
) -> None:
    write_clip(tmp_path / "clips" / "a.wav")
    table = tmp_path / "metadata.csv"
    table.write_text("file_name,label,text\nclips/a.wav,Angry,Go away.\n")
    options = {"taxonomy": "ravdess-8", "labels": {"Angry": "angry"}}
    write_clip(tmp_path / "clips" / "b.wav")
    survey = look("audiofolder", tmp_path, **options)
    assert "does not list them: clips/b.wav." in survey.notes[0]
    [row] = survey.rows
    assert (row["gold"], row["transcript"], row["split"]) == ({"angry": 1.0}, "Go away.", None)
    assert look("audiofolder", tmp_path).counts["labels"] == {}, "unused without a taxonomy"
    unread = look("audiofolder", tmp_path, pattern=".+")
    assert unread.notes == ["metadata.csv not read, because `pattern` is set."]
    for part in ("train", "validation"):
        write_clip(tmp_path / part / "clips" / "a.wav")
        shutil.copy(table, tmp_path / part)
    table.write_text("a|b\nc, d|e\n")
    survey = look("audiofolder", tmp_path, "skip", **options)
    assert {row["id"]: row["split"] for row in survey.rows} == {
        "train/clips/a": "train",
        "validation/clips/a": "dev",
    }


def test_a_link_to_content_that_git_annex_has_not_fetched_is_named(
    tmp_path: Path, look: Look
) -> None:
    (tmp_path / "joy").mkdir()
    (tmp_path / "joy" / "a.wav").symlink_to("../.git/annex/objects/MD5E-s1--x.wav")
    [problem] = look("audiofolder", tmp_path).problems
    assert problem.problem.startswith("is missing. Run `git annex get .`")


def test_an_unread_table_and_unread_archives_are_noted(
    tmp_path: Path, write_clip: WriteClip, look: Look
) -> None:
    write_clip(tmp_path / "clips" / "a.wav")
    (tmp_path / "labels.csv").write_text("path,emotion\nclips/a.wav,joy\n")
    (tmp_path / "more.zip.001").touch()
    notes = look("audiofolder", tmp_path).notes
    assert "labels.csv not read; if it lists the recordings, use the dataset `manifest`" in notes[0]
    assert notes[-1] == "Archives in it are not unpacked: more.zip.001. Unpack them first."
    write_clip(tmp_path / "b.wav")
    with pytest.raises(DataError, match=r"does not match .* use the dataset `manifest`"):
        look("audiofolder", tmp_path)


def test_a_pattern_with_windows_separators_is_refused() -> None:
    with pytest.raises(SettingsError, match="write / between folders"):
        registry().create("dataset", "audiofolder", {"pattern": r"(?P<label>[^\\]+)\\.+"})


def test_the_home_folder_and_unreadable_roots(
    tmp_path: Path, write_clip: WriteClip, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "set" / "joy" / "a.wav")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ids(look("audiofolder", Path("~/set"))) == ["joy/a"]

    def denied(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(DataError, match="set of dataset 'audiofolder' cannot be read: Perm"):
        look("audiofolder", tmp_path / "set")


def test_soft_labels_are_counted_for_evaluation(
    tmp_path: Path, write_clip: WriteClip, look: Look
) -> None:
    rows = '"","A","D","F","H","N","S","fileName"\n'
    for number, votes in enumerate(("9,0,0,0,0,0", "5,0,0,4,0,0", "0,0,0,9,0,0")):
        clip = f"100{number + 1}_DFA_ANG_XX"
        write_clip(tmp_path / f"{clip}.wav")
        rows += f'"10000{number}",{votes},"{clip}"\n'
    (tmp_path / "tabulatedVotes.csv").write_text(rows)
    survey = look("crema-d", tmp_path, label="votes")
    assert survey.counts["single_label"] == 2
    assert survey.notes[0].startswith("2 of 3 labelled utterances have a single gold label.")
    assert not look("crema-d", tmp_path, label="majority").notes


def test_speakers_that_differ_in_case_alone_are_noted(
    tmp_path: Path, write_clip: WriteClip, look: Look
) -> None:
    for speaker in ("Anna", "anna", "ben"):
        write_clip(tmp_path / speaker / "joy" / "a.wav")
    (note,) = look("audiofolder", tmp_path, pattern=LEVELS).notes[1:]
    assert note.endswith("count as two: Anna and anna.")


def test_clips_named_in_lower_case_keep_their_texts_and_votes(
    tmp_path: Path, write_clip: WriteClip, look: Look
) -> None:
    write_clip(tmp_path / "lj" / "wavs" / "lj001-0001.wav")
    (tmp_path / "lj" / "metadata.csv").write_text("LJ001-0001|Hi|Hello\n")
    (row,) = look("ljspeech", tmp_path / "lj" / "wavs").rows
    assert (row["id"], row["transcript"]) == ("LJ001-0001", "Hello")
    write_clip(tmp_path / "crema" / "1001_dfa_ang_xx.wav")
    table = tmp_path / "crema" / "tabulatedVotes.csv"
    table.write_text("Unnamed: 0,A,D,F,H,N,S,fileName\n100001,9,0,0,0,0,0,1001_DFA_ANG_XX\n")
    (row,) = look("crema-d", tmp_path / "crema", label="votes").rows
    assert (row["id"], row["gold"]) == ("1001_DFA_ANG_XX", {"anger": 1.0})
    table.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    with pytest.raises(DataError, match=r"tabulatedVotes\.csv is a Git LFS pointer"):
        look("crema-d", tmp_path / "crema", label="votes")


def test_power_counts_what_a_run_scores(tmp_path: Path, write_clip: WriteClip) -> None:
    for copy in ("", "copy"):
        for actor in ("01", "02"):
            write_clip(tmp_path / copy / f"Actor_{actor}" / f"03-01-05-01-01-01-{actor}.wav")
    counted = count("ravdess", tmp_path, protocol="leave-one-speaker-out")
    assert (counted.speakers, counted.utterances) == (2, 1.0)
