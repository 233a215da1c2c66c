from __future__ import annotations

from typing import Any

import pytest

from lanser_bench.cli import main
from lanser_bench.experiment.settings.privacy import HIDDEN, scrubbed


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("/home/ann/data/x.wav", "…/x.wav"),
        ("reads /root/.cache/model and /tmp/a/b", "reads …/model and …/b"),
        (r"C:\Users\ann\x.wav", "…/x.wav"),
        ("/home/Ada Lovelace/my data/x 1.wav", "…/x 1.wav"),
        (r"C:\Users\Ada Lovelace\x.wav", "…/x.wav"),
        ("('/home/ann/a', 1)", "('…/a', 1)"),
        ("…/ravdess", "…/ravdess"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("accuracy/uar and 3/4", "accuracy/uar and 3/4"),
        ("lanser-store://label/0a", "lanser-store://label/0a"),
    ],
)
def test_absolute_paths_are_cut_to_their_last_part(given: str, left: str) -> None:
    assert scrubbed({"a": [given]}) == {"a": [left]}
    assert scrubbed({given: 1}) == {left: 1}


@pytest.mark.parametrize("name", ["api_key", "token", "hf_token", "PASSWORD", "client_secret"])
def test_texts_under_secret_names_are_hidden(name: str) -> None:
    assert scrubbed({"options": {name: "abc"}}) == {"options": {name: HIDDEN}}


def test_keys_and_token_counts_stay() -> None:
    value: dict[str, Any] = {"key": "ab" * 16, "max_tokens": 256, "tokenizers": "1", "token": None}
    assert scrubbed(value) == value


def test_values_of_secret_variables_are_hidden_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-secret-1")
    monkeypatch.setenv("OTHER_TOKEN", "planted-secret-12")
    monkeypatch.setenv("SHORT_KEY", "a")
    assert scrubbed("a planted-secret-12 b planted-secret-1") == f"a {HIDDEN} b {HIDDEN}"


def test_a_home_with_a_space_is_cut_inside_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/Ada Lovelace")
    assert scrubbed("a, /home/Ada Lovelace/x/y.wav, b") == "a, …/y.wav, b"


def test_a_secret_in_settings_is_refused_but_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-secret-1")
    with pytest.raises(SystemExit) as end:
        main(["run", "quickstart", "--dry-run", "labeler.name=${oc.env:SOME_API_KEY}"])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert "SOME_API_KEY" in said
    assert "planted-secret-1" not in said
