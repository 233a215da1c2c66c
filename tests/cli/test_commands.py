"""The command line: lazy loading, exit codes, and the commands that need no run."""

from __future__ import annotations

import io
import json
import os
import platform
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import lanser
from jsonschema import Draft202012Validator

from lanser_bench.cli import COMMANDS, main
from lanser_bench.experiment import shipped
from lanser_bench.store import Spec, Store

HEAVY = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "transformers", "wandb", "pandas")
PROBE = """
import sys
from lanser_bench.cli import main
for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit as stop:
        code = stop.code
    print("LOADED", sorted(set({heavy}) & set(sys.modules)), "CODE", code or 0)
"""


def test_listing_help_and_doctor_load_nothing_heavy(tmp_path: Path) -> None:
    from lanser_bench.cli import doctor

    lines = [
        "--help",
        "run --help",
        "plugins",
        "plugins --json",
        f"doctor --store {tmp_path}/store",
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(heavy=HEAVY), *lines],
        capture_output=True,
        text=True,
        check=False,
    )
    ends = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    assert ends[:-1] == ["LOADED [] CODE 0"] * (len(lines) - 1), done.stderr
    # Where there may be a GPU, torch is asked.
    gpu = any(Path("/dev", name).exists() for name in doctor.GPU_DRIVERS)
    assert ends[-1] == f"LOADED {['numpy', *['torch'] * gpu]} CODE 0"


@pytest.mark.parametrize("command", ["run", "leaderboard", "report", "taxonomy show", "data init"])
def test_a_pipe_in_place_of_a_file_is_refused_as_one(tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "given.yaml")  # to open it would wait for ever
    answer = lanser(*command.split(), tmp_path / "given.yaml")
    assert answer.code == 2
    assert "a pipe or a device" in " ".join(answer.err.split())


def test_help_names_every_command() -> None:
    code, out, _ = lanser("--help")
    assert code == 0
    assert all(f"  {name} " in out for name in COMMANDS)
    assert "..." not in out.partition("Commands:")[2]  # in 80 columns no summary is cut


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    code, out, _ = lanser(command, "--help")
    assert code == 0
    assert "Usage: lanser-bench" in out
    assert "..." not in out.partition("Commands:")[2], "no summary is cut"


def test_a_misspelt_command_is_a_usage_error() -> None:
    code, _, err = lanser("rum")
    assert code == 2
    assert "run" in err


def test_an_error_of_the_user_is_a_sentence_and_exit_2(tmp_path: Path) -> None:
    code, out, err = lanser("run", str(tmp_path / "none.yaml"))
    assert (code, out) == (2, "")
    assert "none.yaml does not exist" in err
    assert "Traceback" not in err


def test_a_broken_plugin_is_listed_and_the_others_work(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import no_such_module\n")
    code, out, _ = lanser("plugins", "--json", "--plugins-dir", str(tmp_path))
    found = json.loads(out)
    assert code == 0
    (broken,) = [b for b in found["broken"] if b["entry_point"] == "bad"]
    assert "no_such_module" in broken["error"]
    assert {"kind": "executor", "name": "local"}.items() <= next(
        p for p in found["plugins"] if p["name"] == "local"
    ).items()


def test_a_plugin_may_add_a_command_and_a_broken_one_breaks_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from lanser_bench.plugins import discovery as plugins

    (tmp_path / "more.py").write_text(
        "from lanser_bench import hookimpl\n"
        "@hookimpl\ndef register_commands(cli):\n"
        "    @cli.command()\n    def hello():\n        'Says hello.'\n        print('hello')\n"
    )
    (tmp_path / "worse.py").write_text(
        "from lanser_bench import hookimpl\n"
        "@hookimpl\ndef register_commands(cli):\n    raise RuntimeError('oh no')\n"
    )
    found = plugins.load_plugins((tmp_path,), only="")
    monkeypatch.setattr(plugins, "registry", lambda folders=(): found)
    assert lanser("hello")[:2] == (0, "hello\n")
    code, out, err = lanser("--help")
    assert code == 0
    assert "hello" in out
    assert "oh no" in err


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    with redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as stop:
        main(["schema"])
    assert stop.value.code == 0
    content: dict[str, Any] = json.loads(out.getvalue())
    return content


def test_the_schema_has_plugins_and_their_options(schema: dict[str, Any]) -> None:
    choices = schema["$defs"]["plugin.encoder"]["anyOf"]
    assert "resnet" in choices[0]["enum"]
    resnet = next(c for c in choices[1:] if c["properties"]["name"]["const"] == "resnet")
    assert "size" in resnet["properties"]
    assert resnet["additionalProperties"] is False
    text = json.dumps(schema)
    wanted = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert wanted <= set(schema["$defs"]), "every reference leads somewhere"
    axes = schema["$defs"]["axes"]["properties"]
    assert {"labeler", "pretrain.epochs", "encoder.size", "seeds"} <= axes.keys()
    described = [
        "description" in value
        for model in schema["$defs"].values()
        for one in (model, *model.get("anyOf", ()))
        for name, value in one.get("properties", {}).items()
        if name not in ("name", "dataset") and not {"$ref", "items"} & value.keys()
    ]
    assert sum(described) > 400
    assert sum(described) / len(described) > 0.85


def test_the_schema_takes_the_shipped_experiments_and_refuses_what_they_cannot_have(
    schema: dict[str, Any],
) -> None:
    judge = Draft202012Validator(schema)
    for path in shipped().values():
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert not [error.message for error in judge.iter_errors(content)], path
    content["grid"] = {"evaluate.folds": ["many"], "labeler": ["entailmnt"], "asr": ["reference"]}
    (where,) = {tuple(error.absolute_path)[:1] for error in judge.iter_errors(content)}
    assert where == ("grid",)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A chain of three artifacts."""
    store = Store(tmp_path / "store")
    parent = None
    for stage in ("manifest", "embed", "evaluate"):
        spec = Spec(
            stage=stage,
            stage_version="1",
            params={"folds": 5},
            parents={"utterances": parent} if parent else {},
        )
        with store.write(spec) as draft:
            (draft.path / "x.json").write_text("{}")
            draft.seconds = 1.5
        parent = spec.key
    return store


def key_of(store: Store, stage: str) -> str:
    return next(k for k in store.keys() if store.checked(k).spec.stage == stage)  # noqa: SIM118


def test_explain_prints_the_chain_from_a_prefix(store: Store) -> None:
    code, out, _ = lanser(
        "cache", "explain", key_of(store, "evaluate")[:10], "--store", str(store.root)
    )
    assert code == 0
    places = [out.index(key_of(store, stage)) for stage in ("evaluate", "embed", "manifest")]
    assert places == sorted(places)
    assert "folds = 5" in out
    assert "utterances: manifest" in out


def test_explain_names_a_missing_key(store: Store) -> None:
    code, _, err = lanser("cache", "explain", "zz", "--store", str(store.root))
    assert code == 2
    assert "No key of an artifact or planned stage begins with 'zz'" in err


def test_verify_finds_a_flipped_bit_and_removes_the_artifact(store: Store) -> None:
    assert lanser("cache", "verify", "--store", str(store.root))[0] == 0
    hurt = key_of(store, "embed")
    (store.checked(hurt).path / "x.json").write_text("{ ")
    code, out, err = lanser("cache", "verify", "--store", str(store.root))
    assert code == 1
    assert hurt in err
    assert "1 damaged" in out
    assert hurt not in store


def test_ls_and_rm(store: Store) -> None:
    gone = key_of(store, "evaluate")
    assert "3 artifacts" in lanser("cache", "ls", "--store", str(store.root))[1]
    assert lanser("cache", "rm", gone[:12], "--store", str(store.root))[0] == 0
    assert gone not in store
    assert "2 artifacts" in lanser("cache", "ls", "--store", str(store.root))[1]


def test_a_missing_store_is_not_created(tmp_path: Path) -> None:
    code, _, err = lanser("cache", "ls", "--store", str(tmp_path / "none"))
    assert code == 2
    assert "no store" in err
    assert not (tmp_path / "none").exists()


def test_an_empty_leaderboard_says_what_to_do(tmp_path: Path) -> None:
    code, _, err = lanser("leaderboard", str(tmp_path / "none"))
    assert code == 2
    assert "lanser-bench run quickstart" in err


def test_doctor_names_what_is_missing_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lanser_bench.cli import doctor

    monkeypatch.setitem(doctor.MODELS, "no-such-model", "nothing")
    code, out, _ = lanser("doctor", "--store", str(tmp_path / "store"))
    assert code == 1
    line = next(line for line in out.splitlines() if "no-such-model" in line)
    assert line.startswith("✗")
    assert "pip install" in line
    assert not (tmp_path / "store").exists()


def test_doctor_says_what_each_extra_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    from lanser_bench.cli import doctor

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    declared = project["optional-dependencies"].keys()
    bundles = {"all", "dev", "docs", "faster-whisper", "models", "synth"}
    assert declared - bundles == set(doctor.EXTRAS)
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda n: None if n == "silero-vad" else version(n))
    _, out, _ = lanser("doctor")
    (line,) = (line for line in out.splitlines() if "segmenter vad" in line)
    assert "(silero-vad not installed) → pip install 'lanser-bench[vad]'" in line


def test_an_error_has_its_traceback_on_request() -> None:
    code, _, err = lanser("run", "nowhere.yaml", "--traceback")
    assert code == 2
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("Error: Experiment file nowhere.yaml")
    assert "Traceback" not in lanser("run", "nowhere.yaml")[2]


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="no flags")
def test_doctor_shows_what_precision_the_processor_computes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    from lanser_bench.cli import doctor

    def shown() -> str:
        return next(f.what for f in doctor._packages() if "precision" in f.what)

    assert ("slower" not in shown()) is torch.ops.mkldnn._is_mkldnn_bf16_supported()
    monkeypatch.setattr(doctor, "CPU", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx512bw avx512dq avx512vl\n")
    assert ": float32 or bf16" in shown()
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\n")
    assert "bf16 works but is slower" in shown()


def test_an_unreadable_plan_does_not_stop_explain(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = Spec(stage="manifest", stage_version="1")
    with store.lock(spec.key), store.write(spec):
        pass
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "cut.json.gz").write_bytes(b"{")
    code, out, _ = lanser("cache", "explain", spec.key[:8], "--store", str(tmp_path))
    assert code == 0
    assert spec.key in out


def test_the_doctor_reports_a_file_in_place_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, out, _ = lanser("doctor", "--store", str(tmp_path / "file"))
    assert code == 1
    assert "cannot be written" in out


def test_results_are_validated_and_upgraded(tmp_path: Path) -> None:
    old = Path(__file__).parents[1] / "reporting" / "records" / "schema-1.json"
    path = tmp_path / "r.json"
    path.write_bytes(old.read_bytes())
    code, out, _ = lanser("results", "upgrade", str(tmp_path))
    assert (code, "schema 1 → 5" in out) == (0, True)
    code, out, _ = lanser("results", "validate", str(tmp_path))
    assert (code, "1 of 1 records are sound" in out) == (0, True)
    path.write_text('{"schema_version": 5}')
    code, _, err = lanser("results", "validate", str(tmp_path))
    assert code == 2
    assert f"{path}: 'key' is missing" in err


def test_gate_compare_and_power_answer_with_their_exit_codes(tmp_path: Path) -> None:
    study = str(Path(__file__).parents[2] / "results" / "real-speech")
    outputs = [str(tmp_path / name) for name in ("g.md", "g.xml", "g.json")]
    files = ["--markdown", outputs[0], "--junit", outputs[1], "--json", outputs[2]]
    code, out, _ = lanser(
        "gate", "--baseline", study, "--candidate", study, *files, "--tolerance", "0"
    )
    assert (code, "passed: 0 worse, 0 undecided, 18 same" in out) == (0, True)
    assert all(Path(path).stat().st_size > 100 for path in outputs)
    code, _, err = lanser("gate", "--baseline", study, "--candidate", str(tmp_path / "no"))
    assert (code, "does not exist" in err) == (2, True)
    code, out, _ = lanser(
        "compare",
        "encoder=whisper-encoder",
        "control=logmel_stats",
        "--in",
        study,
        "--format",
        "json",
    )
    assert code == 0
    assert json.loads(out)["lines"][0]["p_value"] < 0.001
    code, out, _ = lanser(
        "power", "--speakers", "18", "--spread", "7", "--seeds", "1", "--seed-spread", "0"
    )
    assert (code, "6.1 points of UAR with 90 % power" in out) == (0, True)


def test_the_version_needs_no_command() -> None:
    from lanser_bench import __version__

    assert lanser("--version") == (0, f"{__version__}\n", "")
