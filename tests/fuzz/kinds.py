"""One strategy of cases for each kind of input."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from safetensors.numpy import load, save
from typer.main import get_command

from lanser_bench.cli import COMMANDS, build_app

from .guard import Case, Content
from .mutations import (
    SPECIAL,
    Draw,
    as_json,
    damaged_bytes,
    damaged_content,
    damaged_table,
    damaged_text,
    odd_fields,
    odd_text,
    odd_value,
)
from .world import LABEL_GATE, RESULTS, record_path

Strategy = Callable[[Path], st.SearchStrategy[Case]]
RUN = ("run", "e.yaml", "--plugins-dir", "plugins")
GOLD = ("manifest", "gold", "taxonomy=mood.yaml")


def _read(home: Path, name: str) -> bytes:
    return (home / name).read_bytes()


@cache
def _content(path: Path) -> Any:
    """The content of a YAML file; damaging it makes copies."""
    return yaml.safe_load(path.read_bytes())


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_a_pipe(path: Path) -> None:
    os.mkfifo(f"{path}-pipe")
    path.symlink_to(f"{path.name}-pipe")


def an_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


@st.composite
def misplaced(draw: Draw, cases: st.SearchStrategy[Case]) -> Case:
    """Once in 20 cases has something else in the place of a file."""
    case = draw(cases)
    if not case.files or draw(st.integers(0, 19)):
        return case
    name = draw(st.sampled_from(sorted(case.files)))
    other = draw(st.sampled_from((a_folder, a_pipe, a_link_to_a_pipe, an_endless_device, a_loop)))
    return replace(case, files={**case.files, name: other})


@st.composite
def audio(draw: Draw, home: Path) -> Case:
    """A damaged recording of a format, or one of an odd name."""
    sound = draw(st.sampled_from(sorted((home / "sounds").iterdir())))
    content = draw(
        st.one_of(
            damaged_bytes(sound.read_bytes()),
            odd_fields(sound.read_bytes()),
            damaged_bytes(sound.read_bytes()[:200]).map(lambda h: h + sound.read_bytes()[200:]),
            st.sampled_from(SPECIAL),
            st.just(sound.read_bytes()),
        )
    )
    name = draw(st.one_of(st.just("clip"), odd_text)).replace("/", "_") + sound.suffix
    argv = draw(st.sampled_from([("data", "check", "audiofolder", "in"), ("data", "init", "in")]))
    return Case(argv, {f"in/{name}": content}, about=sound.suffix)


def _table(suffix: str) -> Strategy:
    @st.composite
    def made(draw: Draw, home: Path) -> Case:
        name = "gold/manifest.csv" if suffix == "csv" else f"manifest.{suffix}"
        content = _read(home, name)
        damage = damaged_table if suffix == "parquet" else damaged_text
        data = draw(damage(content))
        where = f"gold/manifest.{suffix}"
        files: dict[str, Content] = {"gold/manifest.csv": None, where: data}
        argvs = [("data", "check", *GOLD)] * 4
        argvs += [("data", "leakage", *GOLD), ("data", "init", where), ("power", *GOLD)]
        argvs += [("predictions", "import", "answers.csv", *GOLD, "--name", "x")]
        # What a sound file says is refused by utterance or dataset.
        named = ("gold", "answers.csv", "'manifest'", "utterance")
        return Case(draw(st.sampled_from(argvs)), files, named, suffix)

    return made


@st.composite
def texts(draw: Draw, home: Path) -> Case:
    """A table of texts, sentences, or answers made elsewhere."""
    how = draw(st.integers(0, 3))
    if how == 0:
        said = draw(st.lists(st.one_of(odd_text, st.text(max_size=30)), min_size=1, max_size=3))
        sentences = [text.replace("\x00", "") for text in said]
        return Case(("label", "text", "--labeler", "random", *sentences), about="text")
    if how == 1:
        argv = ("predictions", "import", "answers.csv", *GOLD, "--name", "x")
        data = draw(damaged_text(_read(home, "answers.csv")))
        return Case(argv, {"answers.csv": data}, ("answers", "gold"), "answers")
    labeler = draw(st.sampled_from(("random", "lexicon")))
    argv = ("label", "table", "texts.csv", "--labeler", labeler, "--out", "out")
    return Case(argv, {"texts.csv": draw(damaged_text(_read(home, "texts.csv")))}, ("texts",))


@st.composite
def experiments(draw: Draw, home: Path) -> Case:
    """A damaged experiment file."""
    content = _read(home, "e.yaml")
    changed = damaged_content(_content(home / "e.yaml")).map(_as_yaml)
    data = draw(st.one_of(damaged_text(content), changed))
    return Case((*RUN, "--dry-run"), {"e.yaml": data}, ("e.yaml", "mood.yaml", "manifest"))


def _as_yaml(content: Any) -> bytes:
    try:
        text: str = yaml.safe_dump(content, allow_unicode=False)
    except RecursionError:
        text = "name: x\ncorpora: " + "[" * 900 + "]" * 900
    return text.encode("utf-8", "surrogatepass")


@st.composite
def overrides(draw: Draw, home: Path) -> Case:
    """Settings on the command line."""
    keys = list(_keys(_content(home / "e.yaml")))
    argv = list(RUN)
    for _ in range(draw(st.integers(1, 3))):
        key = draw(st.sampled_from(keys))
        if draw(st.integers(0, 2)) == 0:
            parts = key.split(".")
            parts[draw(st.integers(0, len(parts) - 1))] = draw(odd_text)
            key = ".".join(parts)
        value = draw(st.one_of(odd_text, odd_value.map(str), st.text(max_size=10)))
        argv.append(f"{key}={value}"[:60_000].replace("\x00", ""))
    return Case((*argv, "--dry-run"))


def _keys(content: Any, above: str = "") -> Iterator[str]:
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in pairs:
        yield f"{above}{key}"
        if isinstance(value, dict | list):
            yield from _keys(value, f"{above}{key}.")


@st.composite
def taxonomies(draw: Draw, home: Path) -> Case:
    """A damaged taxonomy, a shipped one or that of the run."""
    shipped = sorted((Path(__file__).parents[2] / "taxonomies").glob("*.yaml"))
    path = draw(st.sampled_from([home / "mood.yaml", *shipped]))
    content, changed = path.read_bytes(), damaged_content(_content(path)).map(_as_yaml)
    argv = draw(
        st.sampled_from(
            [
                *[("taxonomy", "validate", "x.yaml"), ("taxonomy", "show", "x.yaml")] * 2,
                ("taxonomy", "compare", "x.yaml", "ekman-6"),
                ("label", "text", "so good", "--labeler", "random", "--taxonomy", "x.yaml"),
            ]
        )
    )
    return Case(argv, {"x.yaml": draw(st.one_of(damaged_text(content), changed))}, ("x.yaml",))


@st.composite
def models(draw: Draw, home: Path) -> Case:
    """A damaged file of an exported model."""
    folder = draw(st.sampled_from(("weak", "linear")))
    names = sorted(p.name for p in (home / folder).iterdir() if p.name != "README.md")
    name = draw(st.sampled_from(names))
    content = _read(home, f"{folder}/{name}")
    if name.endswith(".safetensors"):
        data = draw(st.one_of(damaged_bytes(content), _tensors(content)))
    elif name.endswith(".json"):
        changed = damaged_content(json.loads(content)).map(as_json)
        data = draw(st.one_of(damaged_text(content), changed, changed))
    else:
        changed = damaged_content(_content(home / folder / name)).map(_as_yaml)
        data = draw(st.one_of(damaged_text(content), changed))
    about = f"{folder} {name}"
    return Case(
        ("predict", folder, "sounds/clip.wav"), {f"{folder}/{name}": data}, (folder,), about
    )


@st.composite
def _tensors(draw: Draw, content: bytes) -> bytes:
    """Other shapes, types, names and values of tensors."""
    arrays = load(content)
    for _ in range(draw(st.integers(1, 2))):
        if not arrays:
            break
        name, how = draw(st.sampled_from(sorted(arrays))), draw(st.integers(0, 7))
        array = arrays[name]
        if how == 0:
            del arrays[name]
        elif how == 1:
            arrays[draw(st.sampled_from(("x", "head.x", "encoder.x")))] = arrays.pop(name)
        elif how == 2:
            arrays[name] = array.reshape(-1)[: draw(st.integers(0, 5))].copy()
        elif how == 3:
            arrays[name] = array[None].copy()
        elif how == 4:
            arrays[name] = array.T.copy()
        elif how == 5:
            arrays[name] = array.astype(draw(st.sampled_from(("int64", "float64", "bool", "int8"))))
        elif how == 6:
            with_value = array.copy()
            with_value[...] = draw(st.sampled_from((float("nan"), float("inf"), 1e30, 0)))
            arrays[name] = with_value
        else:
            arrays["head.extra"] = array
    return save(arrays)


@st.composite
def predict(draw: Draw, home: Path) -> Case:
    """Names of recordings, patterns and options of `predict`."""
    names = draw(
        st.lists(
            st.one_of(
                odd_text, st.text(max_size=12), st.just("sounds/clip.wav"), st.just("sounds")
            ),
            min_size=1,
            max_size=2,
        )
    )
    argv = ["predict", "weak", *(name or " " for name in names)]
    if draw(st.booleans()):
        options = ("--output", "-o", "--segmenter", "--option", "--format", "--plugins-dir")
        argv += [draw(st.sampled_from(options)), draw(odd_text)]
    if draw(st.integers(0, 3)) == 0:
        sound = draw(damaged_bytes(_read(home, "sounds/clip.wav")))
        return Case((*argv, "in.wav"), {"in.wav": sound})
    return Case(tuple(argv))


READERS: tuple[tuple[str, ...], ...] = (
    ("leaderboard", "results"),
    ("leaderboard", "results", "--targets", "--transfer", "--format", "json"),
    ("leaderboard", "results", "--metric", "area", "--format", "csv"),
    ("leaderboard", "results", "--all", "--markdown", "l.md"),
    ("compare", "records", "control=none", "control=shuffled", "--in", "results"),
    ("compare", "records", "control=none", "control=shuffled", "--in", "results", "--metric", "r2"),
    ("dose", "results"),
    ("gate", "--baseline", "base", "--candidate", "results", "--json", "-", "--junit", "j.xml"),
    ("gate", "--baseline", "results", "--candidate", "base"),
    ("report", "results", "-o", "r.html", "--store", "store"),
    ("site", "results", "-o", "site"),
    ("results", "validate", "results"),
    ("results", "merge", "results", "base", "--into", "merged"),
    ("results", "upgrade", "results"),
    ("results", "history", "add", "results", "--history", "h.parquet"),
    ("predictions", "export", "RECORD", "p.csv"),
    ("track", "results", "--to", "jsonl", "--store", "store"),
    ("export", "RECORD", "out", "--store", "store"),
    ("cache", "explain", "RECORD", "--store", "store"),
    ("cache", "gc", "--dry-run", "--results", "results", "--store", "store"),
)
RERUN = ("rerun", "RECORD", "--data", ".", "--plugins-dir", "plugins", "executor.inline=true")


@cache
def _record(home: Path) -> tuple[str, dict[str, Any]]:
    path = record_path(home)
    return path.name, json.loads(path.read_text())


def _reader(draw: Draw, home: Path, commands: tuple[tuple[str, ...], ...] = READERS) -> Any:
    words = draw(st.sampled_from(commands))
    record = f"{RESULTS}/{record_path(home).name}"
    return tuple(record if word == "RECORD" else word for word in words)


@st.composite
def predictions(draw: Draw, home: Path) -> Case:
    """A damaged file beside a record, which names its new checksum; a history; answers."""
    name, record = _record(home)
    other = draw(st.integers(0, 14))
    if other == 0:
        data = draw(damaged_table(_read(home, "labels.parquet")))
        argv = (*LABEL_GATE, "--baseline", "labels.parquet")
        return Case(argv, {"labels.parquet": data}, ("labels.parquet",), "baseline of labels")
    if other == 1:
        data = draw(damaged_table(_read(home, "history.parquet")))
        argv = draw(
            st.sampled_from(
                [
                    ("gate", "--against-last", "3", "--candidate", "results"),
                    ("results", "history", "add", "results"),
                ]
            )
        )
        history = "results/history.parquet"
        return Case((*argv, "--history", history), {history: data}, ("history",), "history")
    own = {k: v for k, v in record.items() if isinstance(v, dict) and "sha256" in v}
    fields = {**own, **record["measured"]}
    which = draw(st.sampled_from(sorted(fields)))
    attached = fields[which]
    data = draw(damaged_table(_read(home, f"{RESULTS}/{attached['file']}")))
    changed = {**attached, "sha256": hashlib.sha256(data).hexdigest()}
    if draw(st.integers(0, 5)) == 0:
        changed = draw(damaged_content(changed))
    made = {**record, which: changed}
    if which in record["measured"]:
        made = {**record, "measured": {**record["measured"], which: changed}}
    files: dict[str, Content] = {
        f"{RESULTS}/{attached['file']}": data,
        f"{RESULTS}/{name}": as_json(made),
    }
    return Case(_reader(draw, home), files, (attached["file"], name), which)


@st.composite
def records(draw: Draw, home: Path) -> Case:
    """A record with damaged text."""
    name, record = _record(home)
    content = _read(home, f"{RESULTS}/{name}")
    data = draw(st.one_of(damaged_text(content), damaged_content(record).map(as_json)))
    return Case(
        _reader(draw, home), {f"{RESULTS}/{name}": data}, (name, "results", "tiny, seed"), "raw"
    )


_PARTS = (
    *("settings", "settings", "datasets", "datasets", "labels", "stages", "plugins", "about"),
    *("axes", "transcripts", "training", "seeds", "host", "versions", "measured"),
)


@st.composite
def records_structure(draw: Draw, home: Path) -> Case:
    """A record with valid JSON and a damaged part, often well inside it."""
    name, record = _record(home)
    part = draw(st.sampled_from(_PARTS))
    value = draw(damaged_content(record[part]))
    commands = (*READERS, *READERS, RERUN)
    argv = _reader(draw, home, commands)
    data = as_json({**record, part: value})
    return Case(argv, {f"{RESULTS}/{name}": data}, (name, "results", "tiny, seed"), part)


@st.composite
def store(draw: Draw, home: Path) -> Case:
    """A damaged file of the store: artifacts, markers, plans, memo, timings."""
    every = sorted(str(p.relative_to(home)) for p in (home / "store").rglob("*") if p.is_file())
    caches = [name for name in every if not name.startswith("store/objects")]
    name = draw(st.one_of(st.sampled_from(caches), st.sampled_from(every)))
    content = _read(home, name)
    ways: list[st.SearchStrategy[bytes | None]] = [
        damaged_bytes(content),
        st.sampled_from(SPECIAL),
        st.just(None),
    ]
    if name.endswith(".json"):
        ways += [damaged_content(json.loads(content)).map(as_json), damaged_text(content)]
    argv = draw(
        st.sampled_from(
            [
                *[RUN, (*RUN, "--dry-run")] * 4,
                ("cache", "ls", "--store", "store"),
                ("cache", "size", "--store", "store"),
                ("cache", "verify", "--store", "store"),
                ("cache", "gc", "--results", "results", "--store", "store"),
                ("report", "results", "-o", "r.html", "--store", "store"),
                ("data", "check", *GOLD),
            ]
        )
    )
    return Case(argv, {name: draw(st.one_of(ways))}, about=Path(name).name)


LINES: tuple[tuple[str, ...], ...] = (
    *READERS,
    *[("predict", "weak", "sounds", "--format", "csv", "-o", "out.csv")],
    ("power", "--speakers", "18", "--spread", "7", "--seeds", "3", "--comparisons", "2"),
    ("power", *GOLD, "--utterances", "6", "--find", "0.8", "--seed-spread", "1"),
    ("data", "check", *GOLD, "limit=5", "--store", "store"),
    ("data", "leakage", *GOLD, "--folds", "2"),
    ("data", "init", "gold"),
    ("label", "text", "so good", "--labeler", "random", "--option", "seed=3"),
    ("label", "table", "texts.csv", "--labeler", "random", "--out", "out", "--column", "text"),
    ("taxonomy", "compare", "ekman-6", "mood.yaml"),
    ("taxonomy", "show", "mood.yaml", "--json"),
    ("cache", "ls", "--store", "store", "--stage", "embed"),
    ("cache", "size", "--store", "store"),
    ("cache", "rm", "4f0c2a", "--store", "store"),
    ("new", "labeler", "shout", "--into", "out"),
    ("schema", "--plugins-dir", "plugins"),
    ("plugins", "show", "random", "--plugins-dir", "plugins"),
    ("doctor", "model", "weak"),
    ("gate", "--baseline", "base", "--candidate", "results", "--tolerance", "1", "--markdown", "m"),
    ("leaderboard", "results", "--dataset", "manifest.0", "--by", "labeler", "--markdown", "l.md"),
    ("dose", "results", "--by", "label-accuracy", "--extrapolate", "9", "--picture", "d.png"),
    ("results", "schema"),
    ("results", "publish", "results", "-o", "public"),
    ("predictions", "import", "answers.csv", *GOLD, "--name", "x", "--results", "out"),
)
"""Sound command lines; with those of `READERS`, of every command that takes paths or numbers."""


@st.composite
def command_line(draw: Draw, home: Path) -> Case:
    """A sound command line with odd values of some words, and an option more."""
    line = list(_reader(draw, home, LINES))
    start = 2 if line[0] in GROUPS else 1
    value = st.one_of(st.sampled_from(SHARP), odd_text, st.text(max_size=8), st.integers().map(str))
    for _ in range(draw(st.integers(0, 2))):
        if len(line) > start:
            line[draw(st.integers(start, len(line) - 1))] = draw(value)
    option = draw(st.sampled_from([None, *_options(tuple(line[:start]))]))
    if option is not None:
        line += [option.opts[0], *([] if option.is_flag else [draw(value)])]
    if line[0] == "track":
        line += ["--to", "jsonl"]
    return Case(tuple(word.replace("\x00", "") for word in line), about=" ".join(line[:start]))


SHARP = (
    *(
        "",
        ".",
        "results/..",
        "/",
        "/proc/x",
        "/proc/a/b",
        "~",
        "results",
        "gold",
        "-",
        "--",
        "a" * 300,
    ),
    *("-1", "0", "0.5", "1000000", "999999999999", "9" * 30, "nan", "inf", "1e308", "a=", "=a"),
)
"""Values that commands are most often not prepared for."""
GROUPS = {name for name, (sort, _) in COMMANDS.items() if sort == "group" and name != "gate"}


@cache
def _options(words: tuple[str, ...]) -> list[Any]:
    """Returns the options of a command."""
    command: Any = get_command(build_app(words)).commands[words[0]]  # type: ignore[attr-defined]
    for word in words[1:]:
        command = command.commands[word]
    return [one for one in command.params if one.param_type_name == "option"]


_RUN_FILES = ("e.yaml", "mood.yaml", "plugins")
_RESULTS_FILES = ("results", "base", "store", *_RUN_FILES)
KINDS: dict[str, tuple[Strategy, tuple[str, ...]]] = {
    "audio": (audio, ()),
    "cli": (
        command_line,
        (
            "results",
            "base",
            "store",
            "gold",
            "sounds",
            "weak",
            "texts.csv",
            "answers.csv",
            *_RUN_FILES,
        ),
    ),
    "csv": (_table("csv"), ("gold", "answers.csv", "mood.yaml")),
    "jsonl": (_table("jsonl"), ("gold", "answers.csv", "mood.yaml")),
    "tsv": (_table("tsv"), ("gold", "answers.csv", "mood.yaml")),
    "parquet": (_table("parquet"), ("gold", "answers.csv", "mood.yaml")),
    "texts": (texts, ("gold", "mood.yaml")),
    "yaml": (experiments, (*_RUN_FILES, "plain", "gold", "more")),
    "overrides": (overrides, (*_RUN_FILES, "plain", "gold", "more")),
    "taxonomy": (taxonomies, ()),
    "models": (models, ("weak", "linear", "sounds")),
    "predict": (predict, ("weak", "sounds")),
    "predictions": (predictions, (*_RESULTS_FILES, "gold", "label-store")),
    "records": (records, _RESULTS_FILES),
    "recordsx": (records_structure, (*_RESULTS_FILES, "plain", "gold", "more")),
    "store": (store, (*_RESULTS_FILES, "plain", "gold", "more")),
}
"""Kind → strategy of its cases and the files of the world that they need."""
