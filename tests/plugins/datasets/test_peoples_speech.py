"""The People's Speech: the release's names around generated sound."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lanser_bench_plugins.datasets.peoples_speech import PeoplesSpeech, PeoplesSpeechOptions

from lanser_bench import DataError, Utterance


def read(root: Path, **options: Any) -> list[Utterance]:
    return list(PeoplesSpeech(PeoplesSpeechOptions(**options)).utterances(root))


def entry(document: str, names: list[str]) -> str:
    data = {
        "name": names,
        "label": [f"words of {n}" for n in names],
        "duration_ms": [500] * len(names),
    }
    return json.dumps({"audio_document_id": document, "training_data": data}) + "\n"


@pytest.fixture
def corpus(tmp_path: Path, write_clip: Callable[[Path], None]) -> Path:
    train = tmp_path / "train"
    names = ["./show_a/one_0.flac", "show_a/one_1.flac"]
    write_clip(train / "clean" / "show_a/one_0.flac")
    write_clip(train / "clean" / "clean_000001" / "show_a/one_1.flac")
    write_clip(tmp_path / "validation" / "validation" / "b/two_0.flac")
    (train / "clean.json").write_text(entry("show_a", names))
    (tmp_path / "validation" / "validation.json").write_text(entry("b", ["b/two_0.flac"]))
    return tmp_path


def test_the_release_is_read_wherever_its_archives_were_extracted(corpus: Path) -> None:
    first, second, third = read(corpus)
    assert first.id == "clean/show_a/one_0"
    assert (first.speaker, first.transcript, first.split) == (
        "show_a",
        "words of ./show_a/one_0.flac",
        "train",
    )
    assert first.audio == corpus / "train/clean/show_a/one_0.flac"
    assert second.audio == corpus / "train/clean/clean_000001/show_a/one_1.flac"
    assert (third.split, third.extras) == ("dev", {"subset": "validation"})
    assert {u.id for u in read(corpus, subsets=["validation"])} == {"validation/b/two_0"}


def test_the_table_of_the_first_archive_alone_serves_but_never_doubles(corpus: Path) -> None:
    (corpus / "train/clean_000000.json").write_text(entry("show_a", ["show_a/one_0.flac"]))
    assert len(read(corpus)) == 3
    (corpus / "train/clean.json").unlink()
    [one] = read(corpus, subsets=["clean_000000"])
    assert one.audio == corpus / "train/clean/show_a/one_0.flac"


def test_a_listed_file_that_is_missing_is_not_dropped(corpus: Path) -> None:
    (corpus / "train/clean/show_a/one_0.flac").unlink()
    missing = [u for u in read(corpus) if u.audio is not None and not u.audio.exists()]
    assert [u.id for u in missing] == ["clean/show_a/one_0"]


def test_archives_that_are_not_extracted_are_named_with_the_command(corpus: Path) -> None:
    folder = corpus / "train" / "dirty"
    folder.mkdir()
    (corpus / "train" / "dirty.json").write_text(entry("d", ["d/x.flac"]))
    with tarfile.open(folder / "dirty_000000.tar", "w"):
        pass
    with pytest.raises(DataError, match=r"1 archive such as dirty_000000\.tar.*tar -xf"):
        read(corpus, subsets=["dirty"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{oops", r"clean\.json, line 1: expected an object"),
        ('{"audio_document_id": "a"}', "KeyError: 'training_data'"),
        (entry("a", ["../../secret.flac"]), "is outside the folder"),
        (entry("a", ["x.flac"]).replace("[500]", "[]"), "equally long lists"),
    ],
)
def test_a_faulty_table_is_named_with_its_line(corpus: Path, line: str, message: str) -> None:
    (corpus / "train/clean.json").write_text(line)
    with pytest.raises(DataError, match=message):
        read(corpus)


def test_a_wrong_folder_or_subset_says_what_is_there(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it contains clean, validation"):
        read(corpus, subsets=["clean_sa"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="no table such as clean.json".replace(".", r"\.")):
        read(empty)
    (empty / "clean.json").write_text(entry("a", ["a.flac"]))
    with pytest.raises(DataError, match="has no folder clean/"):
        read(empty)
