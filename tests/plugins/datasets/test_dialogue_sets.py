"""IEMOCAP, MELD and MSP-Podcast: labels, words and order, on trees with the true names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lanser_bench import DataError, Utterance
from lanser_bench.plugins.discovery import registry

WriteClip = Callable[[Path], None]
MELD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode\n"


def read(name: str, root: Path, **options: Any) -> list[Utterance]:
    return list(registry().create("dataset", name, options).utterances(root))


@pytest.fixture
def iemocap(tmp_path: Path, write_clip: WriteClip) -> Path:
    for number, kind in ((1, "impro01"), (2, "script01_1")):
        session, dialogue = tmp_path / f"Session{number}", f"Ses0{number}F_{kind}"
        turns = [f"{dialogue}_M000", f"{dialogue}_F000", f"{dialogue}_F001"]
        for turn in turns:
            write_clip(session / "sentences" / "wav" / dialogue / f"{turn}.wav")
        for folder in ("EmoEvaluation", "transcriptions"):
            (session / "dialog" / folder).mkdir(parents=True)
        (session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt").write_text(
            "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
            f"[9.0000 - 11.0000]\t{turns[0]}\texc\t[4.0000, 3.5000, 2.5000]\n"
            "C-E1:\tHappiness;\t()\n"
            f"[6.2901 - 8.2357]\t{turns[1]}\tneu\t[2.5000, 2.5000, 2.5000]\n"
            f"[12.0000 - 13.0000]\t{turns[2]}\txxx\t[2.5000, 2.5000, 2.5000]\n"
        )
        (session / "dialog" / "transcriptions" / f"{dialogue}.txt").write_text(
            f"{turns[1]} [006.2901-008.2357]: Excuse me.\n"
            f"{turns[0]} [009.0000-011.0000]: Oh, do you - forget it!\n"
        )
    return tmp_path


def test_iemocap_merges_excited_and_keeps_other_turns_in_the_dialogue(iemocap: Path) -> None:
    first, second, third, *_ = read("iemocap", iemocap)
    assert (first.gold, second.gold, third.gold) == ({"neutral": 1.0}, {"happy": 1.0}, {})
    assert [u.turn for u in (first, second, third)] == [0, 1, 2]
    assert (first.speaker, second.speaker) == ("Ses01F", "Ses01M")
    assert first.transcript == "Excuse me."
    assert first.extras["session"] == "Session1"
    assert second.extras["valence"] == 4.0
    assert read("iemocap", iemocap, merge_excited=False)[1].gold == {}


def test_iemocap_scripted_lines_are_the_same_sentence_however_punctuated(iemocap: Path) -> None:
    scripted = read("iemocap", iemocap, speech="scripted")
    assert [u.sentence_id for u in scripted] == ["excuse me", "oh do you forget it", None]
    assert all(u.sentence_id is None for u in read("iemocap", iemocap, speech="improvised"))


def test_iemocap_needs_its_label_files(iemocap: Path) -> None:
    file = iemocap / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    file.unlink()
    with pytest.raises(DataError, match=r"Ses01F_impro01\.txt cannot be read"):
        read("iemocap", iemocap)
    with pytest.raises(DataError, match="IEMOCAP_full_release"):
        read("iemocap", iemocap / "Session1")


def test_iemocap_names_sessions_without_clips(iemocap: Path) -> None:
    (iemocap / "Session2" / "sentences").rename(iemocap / "packed")
    dataset = registry().create("dataset", "iemocap", {})
    assert len(list(dataset.utterances(iemocap))) == 3
    assert dataset.notes == [
        f"{iemocap / 'Session2'} is left out, because it has no sentences/wav."
    ]


@pytest.fixture
def meld(tmp_path: Path, write_clip: WriteClip) -> Path:
    for part in ("train", "dev"):
        (tmp_path / f"{part}_sent_emo.csv").write_text(
            MELD
            + "1,That\x92s great!,Chandler,joy,positive,0,1,8,21\n"
            + "2,Oh.,Monica,neutral,neutral,0,2,8,21\n",
            encoding="utf-8",
        )
    for clip in ("dia0_utt1", "dia0_utt2"):
        write_clip(tmp_path / "train_splits" / f"{clip}.wav")
        write_clip(tmp_path / "dev_splits_complete" / f"{clip}.wav")
    return tmp_path


def test_meld_keeps_parts_dialogues_and_turns_apart(meld: Path) -> None:
    found = read("meld", meld)
    assert [u.id for u in found] == [
        "train_dia0_utt1",
        "train_dia0_utt2",
        "validation_dia0_utt1",
        "validation_dia0_utt2",
    ]
    first = found[0]
    assert (first.dialogue_id, first.turn, first.split) == ("train_dia0", 1, "train")
    assert first.transcript == "That's great!"
    assert first.gold == {"joy": 1.0}
    assert first.audio == meld / "train_splits" / "dia0_utt1.wav"


def test_meld_may_be_read_in_part(meld: Path) -> None:
    dev = read("meld", meld, text_only=True, splits=["validation"])
    assert [u.id for u in dev] == ["validation_dia0_utt1", "validation_dia0_utt2"]
    with pytest.raises(DataError, match=r"contains no test_sent_emo\.csv\."):
        read("meld", meld, splits=["test"])


@pytest.fixture
def podcast(tmp_path: Path, write_clip: WriteClip) -> Path:
    rows = [
        "MSP-PODCAST_0001_0008.wav,N,4.2,3.8,4.0,32,Female,Train",
        "MSP-PODCAST_0001_0019_0002.wav,X,5,3,4,32,Female,Test2",
        "MSP-PODCAST_0002_0001.wav,C,3,2,5,7,Male,Test1",
        "MSP-PODCAST_0003_0001.wav,H,6,6,5,Unknown,Male,Development",
    ]
    (tmp_path / "Labels").mkdir()
    (tmp_path / "Labels" / "labels_consensus.csv").write_text(
        "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n" + "\n".join(rows) + "\n"
    )
    for row in rows:
        write_clip(tmp_path / "Audios" / row.partition(",")[0])
    (tmp_path / "Transcripts").mkdir()
    (tmp_path / "Transcripts" / "MSP-PODCAST_0001_0008.txt").write_text("I see.\n")
    return tmp_path


def test_msp_podcast_keeps_clips_without_agreement_and_leaves_unknown_speakers(
    podcast: Path,
) -> None:
    first, second, third = read("msp-podcast", podcast)
    assert (first.gold, second.gold, third.gold) == ({"neutral": 1.0}, {}, {"contempt": 1.0})
    assert (first.split, second.split, third.split) == ("train", None, "test")
    assert (first.dialogue_id, first.turn, second.turn) == ("MSP-PODCAST_0001", 80_000, 190_002)
    assert first.transcript == "I see."
    assert first.extras == {"arousal": 4.2, "valence": 3.8, "dominance": 4.0}
    everyone = read("msp-podcast", podcast, known_speakers=False, test="Test2")
    assert [u.speaker for u in everyone] == ["32", "32", "7", None]
    assert [u.split for u in everyone] == ["train", "test", None, "dev"]


def test_msp_podcast_tells_how_many_clips_of_unknown_speakers_are_left_out(podcast: Path) -> None:
    for _ in range(2):
        dataset = registry().create("dataset", "msp-podcast", {})
        list(dataset.utterances(podcast))
        assert dataset.card.notes.endswith(
            "available. 1 clip of unknown speakers left out (known_speakers: true)."
        )


def test_msp_podcast_names_the_line_of_an_unknown_code(podcast: Path) -> None:
    table = podcast / "Labels" / "labels_consensus.csv"
    table.write_text(table.read_text().replace(",C,", ",Q,"))
    with pytest.raises(DataError, match="line 4: EmoClass is 'Q'"):
        read("msp-podcast", podcast)


def test_suffixes_in_any_case_and_films_are_found(meld: Path) -> None:
    clips = sorted((meld / "train_splits").iterdir())
    for clip in clips:
        clip.rename(clip.with_suffix(".WAV"))
    assert [u.audio.name for u in read("meld", meld, splits=["train"]) if u.audio] == [
        "dia0_utt1.WAV",
        "dia0_utt2.WAV",
    ]
    for clip in clips:
        clip.with_suffix(".WAV").rename(clip.with_suffix(".Mp4"))
    films = [u.audio for u in read("meld", meld, splits=["train"]) if u.audio]
    assert [film.name for film in films] == ["dia0_utt1.Mp4", "dia0_utt2.Mp4"]


def test_meld_names_parts_that_are_missing(meld: Path) -> None:
    dataset = registry().create("dataset", "meld", {"text_only": True})
    assert len(list(dataset.utterances(meld))) == 4
    assert dataset.notes == [f"The test part is missing: {meld} has no test_sent_emo.csv."]


def test_corpora_are_found_below_the_folder_given(
    iemocap: Path, podcast: Path, tmp_path: Path
) -> None:
    above = tmp_path.parent / "above"
    above.mkdir()
    (above / "release").symlink_to(tmp_path)
    assert len(read("iemocap", above)) == 6
    assert [u.transcript for u in read("msp-podcast", above)][:1] == ["I see."]
    assert len(read("msp-podcast", tmp_path / "Audios")) == 3


def test_msp_podcast_names_texts_and_numbers_that_it_cannot_read(podcast: Path) -> None:
    table = podcast / "Labels" / "labels_consensus.csv"
    table.write_text(table.read_text().replace("4.2,3.8", "NA,3.8"))
    assert read("msp-podcast", podcast)[0].extras == {"valence": 3.8, "dominance": 4.0}
    table.write_text(table.read_text().replace("NA,3.8", "high,3.8"))
    with pytest.raises(DataError, match=r"csv, line 2: EmoAct is 'high', not a number"):
        read("msp-podcast", podcast)
    table.write_text(table.read_text().replace("high,3.8", "4.2,3.8"))
    (podcast / "Transcripts" / "MSP-PODCAST_0001_0008.txt").write_bytes(b"Caf\xe9")
    with pytest.raises(DataError, match=r"MSP-PODCAST_0001_0008\.txt is not UTF-8"):
        read("msp-podcast", podcast)
