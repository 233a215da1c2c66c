"""CREMA-D, EmoDB, SAVEE, TESS and ESD: what their file names say, on trees with the true names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lanser_bench import DataError, Utterance
from lanser_bench.evaluation.soft import ceiling, leaders
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.taxonomies import find_taxonomy

WriteClip = Callable[[Path], None]

LABELS = ("anger", "disgust", "fear", "happy", "neutral", "sad")
VOTES = '"","A","D","F","H","N","S","fileName"\n'


def read(name: str, root: Path, **options: Any) -> list[Utterance]:
    return list(registry().create("dataset", name, options).utterances(root))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("crema-d", "AudioWAV/1001_DFA_ANG_XX.wav"),
        ("emodb", "wav/03a01Fa.wav"),
        ("savee", "AudioData/DC/a01.wav"),
        ("tess", "OAF_angry/OAF_back_angry.wav"),
        ("esd", "0011/Angry/0011_000351.wav"),
    ],
)
def test_gold_is_in_the_card_s_taxonomy_and_another_folder_is_refused(
    tmp_path: Path, write_clip: WriteClip, name: str, file: str
) -> None:
    write_clip(tmp_path / "corpus" / file)
    card = registry().create("dataset", name, {}).card
    assert card.taxonomy is not None
    names = find_taxonomy(registry(), card.taxonomy).names
    (found,) = read(name, tmp_path / "corpus")
    assert set(found.gold) <= set(names)
    assert found.speaker
    assert found.audio == tmp_path / "corpus" / file
    write_clip(tmp_path / "other" / "noise.wav")
    with pytest.raises(DataError, match=Path(file).name):
        read(name, tmp_path / "other")


def test_crema_d_names_give_actor_sentence_and_the_tfds_part(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    for clip in ("1001_DFA_ANG_XX", "1010_IEO_HAP_HI", "1015_TIE_SAD_LO", "1040_ITH_SAD_X"):
        write_clip(tmp_path / "AudioWAV" / f"{clip}.wav")
    (tmp_path / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n1001,51,"Male"\n')
    first, test, validation, left_out = read("crema-d", tmp_path)
    assert first.speaker == "1001"
    assert first.transcript == "Don't forget a jacket."
    assert first.extras == {"acted": "anger", "level": "unspecified", "sex": "male", "age": "51"}
    assert [u.split for u in (first, test, validation)] == ["train", "test", "validation"]
    assert left_out.split is None
    assert test.extras["level"] == "high"


def test_crema_d_votes_are_those_of_listeners_alone(tmp_path: Path, write_clip: WriteClip) -> None:
    for clip in ("1001_IEO_HAP_LO", "1001_IEO_NEU_XX"):
        write_clip(tmp_path / "AudioWAV" / f"{clip}.wav")
    folder = tmp_path / "processedResults"
    folder.mkdir()
    (folder / "tabulatedVotes.csv").write_text(
        VOTES
        + '"100001",0,0,0,3,6,0,"1001_IEO_HAP_LO"\n"200001",0,0,0,9,0,0,"1001_IEO_HAP_LO"\n'
        + '"100002",2,0,0,0,2,0,"1001_IEO_NEU_XX"\n'
    )
    first, second = read("crema-d", tmp_path, label="votes")
    assert first.gold == {"happy": pytest.approx(1 / 3), "neutral": pytest.approx(2 / 3)}
    assert first.gold_kind == "distribution"
    assert (first.extras["votes"], second.extras["votes"]) == (9, 4)
    assert second.gold == {"anger": 0.5, "neutral": 0.5}
    assert [u.gold for u in read("crema-d", tmp_path, label="majority")] == [{"neutral": 1.0}, {}]
    with pytest.raises(DataError, match="no face votes"):
        read("crema-d", tmp_path, label="majority", shown="face")


def test_crema_d_votes_on_the_clip_that_the_release_names_otherwise_than_its_tables(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    write_clip(tmp_path / "AudioWAV" / "1040_ITH_SAD_X.wav")
    row = '"103234",0,0,2,0,5,3,"1040_ITH_SAD_XX"\n'
    (tmp_path / "tabulatedVotes.csv").write_text(VOTES + row)
    (found,) = read("crema-d", tmp_path, label="votes")
    assert found.gold == {"fear": 0.2, "neutral": 0.5, "sad": 0.3}


def test_crema_d_votes_that_are_not_there_are_asked_for(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    write_clip(tmp_path / "1001_IEO_HAP_LO.wav")
    with pytest.raises(DataError, match="processedResults"):
        read("crema-d", tmp_path, label="votes")


@pytest.mark.data
def test_the_real_votes_agree_with_the_actor_as_often_as_published(
    data_root: Path, tmp_path: Path, write_clip: WriteClip
) -> None:
    (tmp_path / "tabulatedVotes.csv").symlink_to(data_root / "crema_d_votes" / "tabulatedVotes.csv")
    clips = (data_root / "crema_d_votes" / "SentenceFilenames.csv").read_text().splitlines()[1:]
    for line in clips:
        name = line.split(",")[1].strip('"')
        # As the release's sound is named.
        name = "1040_ITH_SAD_X" if name == "1040_ITH_SAD_XX" else name
        (tmp_path / f"{name}.wav").touch()
    found = read("crema-d", tmp_path, label="majority")
    assert len(found) == 7442
    soft = read("crema-d", tmp_path, label="votes")
    assert sum(len(u.gold) == 1 for u in soft) == 383
    assert all(u.gold for u in soft)  # ties too
    shares = np.array([[u.gold.get(name, 0.0) for name in LABELS] for u in soft])
    totals = np.array([u.extras["votes"] for u in soft], float)
    assert (leaders(shares) == 1).any(1).sum() == sum(bool(u.gold) for u in found) == 6798
    people = ceiling(shares, totals, [str(u.speaker) for u in soft])
    assert people is not None
    assert people.n_utterances == 7442
    assert people.agreement.value == pytest.approx(0.465, abs=1e-3)
    assert 0.22 < people.halves_jsd.value < 0.24 < people.one_jsd.value
    parts = [u.split for u in found]
    assert (parts.count("train"), parts.count("validation"), parts.count("test")) == (
        5144,
        738,
        1556,
    )
    hit = sum(u.extras["acted"] in u.gold for u in found) / len(found)
    # FIELD's 41.5 % counts a tie for its first emotion; here ties stay unlabelled.
    assert 0.37 < hit < 0.42


def test_emodb_letters_are_german_words(tmp_path: Path, write_clip: WriteClip) -> None:
    for clip in ("03a01Wa", "08b03Tb"):
        write_clip(tmp_path / "wav" / f"{clip}.wav")
    angry, sad = read("emodb", tmp_path)
    assert (angry.gold, sad.gold) == ({"anger": 1.0}, {"sadness": 1.0})
    assert (angry.extras["sex"], sad.extras["sex"]) == ("male", "female")
    assert (sad.sentence_id, sad.language) == ("b03", "de")


def test_savee_is_read_in_folders_and_flat(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "AudioData" / "DC" / "su03.wav")
    write_clip(tmp_path / "AudioData" / "KL_sa01.wav")
    write_clip(tmp_path / "Annotation" / "a01.wav")
    assert {u.id: u.gold for u in read("savee", tmp_path)} == {
        "DC_su03": {"surprise": 1.0},
        "KL_sa01": {"sadness": 1.0},
    }


def test_tess_names_give_speaker_word_and_emotion(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "TESS" / "OAF_neutral" / "OA_bite_neutral.wav")
    write_clip(tmp_path / "TESS" / "YAF_pleasant_surprised" / "YAF_back_ps.wav")
    first, second = read("tess", tmp_path)
    assert (first.id, first.speaker) == ("OAF_bite_neutral", "OAF")
    assert second.gold == {"surprise": 1.0}
    assert second.transcript == "Say the word back."


def test_esd_sentences_are_parallel_and_texts_come_in_any_encoding(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    for clip in ("Neutral/0001_000001", "Angry/train/0001_000351"):
        write_clip(tmp_path / "0001" / f"{clip}.wav")
    write_clip(tmp_path / "0011" / "Happy" / "0011_000701.wav")
    (tmp_path / "0001" / "0001.txt").write_text(
        "0001_000351\t打远一看，它们的确很是美丽\t生气\n", encoding="gb18030"
    )
    (tmp_path / "0011" / "0011.txt").write_text(
        "0011_000701\tThe nine the eggs, I keep.\tHappy\n", encoding="utf-16"
    )
    angry, neutral, happy = read("esd", tmp_path)
    assert (angry.sentence_id, neutral.sentence_id) == ("zh-001", "zh-001")
    assert (angry.split, neutral.split) == ("train", None)
    assert angry.transcript is not None
    assert angry.transcript.startswith("打远一看")
    assert happy.transcript == "The nine the eggs, I keep."
    assert [u.gold for u in (angry, neutral, happy)] == [
        {"angry": 1.0},
        {"neutral": 1.0},
        {"happy": 1.0},
    ]
    assert [u.language for u in read("esd", tmp_path, language="en")] == ["en"]


ENGLISH = "I don’t know.\tAngry\n"


@pytest.mark.parametrize(
    ("clip", "content", "words"),
    [
        ("0013_000351", f"0013_000351\t{ENGLISH}".encode("utf-16-le"), "I don’t know."),
        ("0013_000351", f"0013_000351\t{ENGLISH}".encode("utf-16-be"), "I don’t know."),
        ("0016_000351", f"0016_000351\t{ENGLISH}".encode("cp1252"), "I don’t know."),
        ("0017_000351", f"0017_000351\t{ENGLISH}".encode("gb18030"), "I don’t know."),
        ("0018_000351", f"\ufeff0018_000351\t{ENGLISH}".encode(), "I don’t know."),
        ("0015_000351", b"0015_000351 I see. Angry\n0015_000352 Well. Angry\n", "I see."),
        ("0015_000351", b"0015_000351 I was angry\n0015_000352 Well.\n", "I was angry"),
        ("0005_000351", "0005_000351 今天我的猫。 生气\n".encode("gb18030"), "今天我的猫。"),
    ],
)
def test_esd_texts_in_every_encoding_and_form(
    tmp_path: Path, write_clip: WriteClip, clip: str, content: bytes, words: str
) -> None:
    write_clip(tmp_path / clip[:4] / "Angry" / f"{clip}.wav")
    (tmp_path / clip[:4] / f"{clip[:4]}.txt").write_bytes(content)
    assert [u.transcript for u in read("esd", tmp_path)] == [words]
    assert [u.transcript for u in read("esd", tmp_path / clip[:4] / "Angry")] == [words]


def test_esd_tables_without_texts_are_named(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "0011" / "Angry" / "0011_000351.wav")
    esd = registry().create("dataset", "esd", {})
    assert [u.transcript for u in esd.utterances(tmp_path)] == [None]
    assert esd.notes == [
        "1 clip of speaker 0011 without transcript: 0011.txt is missing or does not list them."
    ]
    table = tmp_path / "0011" / "0011.txt"
    table.write_text("nothing of that form\n")
    with pytest.raises(DataError, match=r"0011\.txt: no line is of the form"):
        read("esd", tmp_path)
    table.write_bytes(b"0011_000351\tcaf\x81 \x8d\tAngry\n")
    with pytest.raises(DataError, match=r"0011\.txt is in none of the encodings"):
        read("esd", tmp_path)


def test_crema_d_tables_are_found_above_the_folder_of_one_copy(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    write_clip(tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav")
    (tmp_path / "VideoDemographics.csv").write_text("ActorID,Age,Sex\n1001,51,Male\n")
    (found,) = read("crema-d", tmp_path / "AudioWAV")
    assert found.extras["sex"] == "male"
