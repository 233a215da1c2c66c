from __future__ import annotations

import json
import traceback
from contextlib import nullcontext
from typing import Any

import pytest
from omegaconf import OmegaConf

from lanser_bench import SettingsError
from lanser_bench.cli import main
from lanser_bench.experiment.settings.files import read_experiment
from lanser_bench.experiment.settings.grid import expand
from lanser_bench.experiment.settings.privacy import HIDDEN, is_secret, scrubbed


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


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "SECRET_1", "Api_Token2", "DB_PASSWORD", "PGPASSWORD", "XAPIKEY", "secretKey"),
        *("KEYS", "DB_PASS", "MYSQL_PWD", "PASSPHRASE", "X_CREDENTIALS", "HTTP_AUTH", "API_TOKENS"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("TOKENIZERS_PARALLELISM", "HF_TOKEN_PATH", "MONKEY", "KEYBOARD", "SSH_AUTH_SOCK", "PWD"),
        *("PASSAGE", "OLDPWD", "MAX_TOKENS", "MAX_NEW_TOKENS", "AUTHOR", "SECRETARY", "DATA_ROOT"),
    ],
)
def test_names_that_only_look_like_secrets(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("name", "t${oc.env:DB_PASSWORD}"),
        ("seed", "${oc.decode:${oc.env:DB_PASSWORD}}"),
        ("name", "${oc.decode:${oc.env:DB_PASSWORD}}"),
        ("name", "${oc.env:LANSER_HERE,${oc.env:DB_PASSWORD}}"),
        ("name", "t${oc.env:DB_${question}}"),
        ("name", r"${oc.decode:'\${oc.env:DB_PASSWORD}'}"),
        ("name", "t${oc.env:DB_PASSWORD,none}"),
        ("grids.0.grid.seed", "['${oc.decode:${oc.env:DB_PASSWORD}}', 1]"),
        ("seed", "${pretrain.epochs}"),
    ],
)
@pytest.mark.parametrize("secret", ["S3CRET7", "12345678", "'t-qqqqsecretq'", "[broken", None])
def test_a_secret_variable_is_refused_by_its_name_in_any_place(
    monkeypatch: pytest.MonkeyPatch, key: str, text: str, secret: str | None
) -> None:
    monkeypatch.setenv("LANSER_HERE", "here")
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    if secret is not None:
        monkeypatch.setenv("DB_PASSWORD", secret)
    more = {"pretrain.epochs": "${oc.env:DB_PASSWORD}"} if "epochs" in text else {}
    settings = {"question": "PASSWORD", key: text} | more
    overrides = [f"{name}={value}" for name, value in settings.items()]
    with pytest.raises(SettingsError, match="environment variable DB_PASSWORD, ") as error:
        expand(read_experiment("quickstart", overrides))
    said = "".join(traceback.format_exception(error.value))
    assert secret is None or secret.strip("'") not in said


def test_other_variables_may_be_named_and_omegaconf_is_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MONKEY", "ape")
    monkeypatch.setenv("API_KEY", "planted-secret-1")
    point, *_ = expand(read_experiment("quickstart", ["name=t-${oc.env:MONKEY}"]))
    assert point.settings.name == "t-ape"
    with pytest.raises(SettingsError, match="API_KEY"):
        expand(read_experiment("quickstart", ["name=t-${oc.env:API_KEY}"]))
    assert OmegaConf.create({"a": "${oc.env:API_KEY}"}).a == "planted-secret-1"


@pytest.mark.parametrize("name", ["t-${oc.env:MONKEY}", "${targets.${oc.env:MONKEY}}"])
def test_a_secret_in_a_variable_of_another_name_is_found_by_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MONKEY", "planted-secret-1")
    monkeypatch.setenv("API_KEY", "planted-secret-1")
    with pytest.raises(SettingsError, match="API_KEY") as error:
        expand(read_experiment("quickstart", [f"name={name}"]))
    assert "planted" not in str(error.value)


@pytest.mark.parametrize(
    ("citation", "refused"),
    [
        ("see ${corpora.0.root}", True),
        ("see ${corpora[0].root}/x", True),
        ("in ${.root}", True),
        ("${.root}/manifest.csv", False),
        ("${oc.env:LANSER_NOWHERE,${oc.env:LANSER_HERE,/root}} or ${.dataset}", False),
    ],
)
def test_no_text_quotes_a_root_of_a_variable(
    monkeypatch: pytest.MonkeyPatch, citation: str, refused: bool
) -> None:
    monkeypatch.setenv("LANSER_HERE", "/home/ann")
    root = "${oc.env:LANSER_HERE}/plain"
    corpora = [{"dataset": "manifest", "root": root, "citation": citation}]
    settings = read_experiment("quickstart", [f"corpora={json.dumps(corpora)}"])
    expected = pytest.raises(SettingsError, match="quotes a dataset's root") if refused else None
    with expected or nullcontext() as error:
        expand(settings)
    assert error is None or "/home/ann" not in str(error.value)
