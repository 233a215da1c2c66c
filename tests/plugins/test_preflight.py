"""Models that a plugin cannot open are refused before anything is computed, by small files alone.

The configurations are those of published models, shortened to what names the model.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
import yaml
from command_line import lanser
from lanser_bench_plugins._model_files import _hub

from lanser_bench.cli import main
from lanser_bench.errors import LanserError
from lanser_bench.plugins.discovery import registry

EMOTIONS = dict(enumerate(("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")))
MNLI = {"0": "contradiction", "1": "neutral", "2": "entailment"}
TEXT = ("model.safetensors", "tokenizer.json")
SPEECH = ("model.safetensors", "preprocessor_config.json")
Model = tuple[dict[str, Any], tuple[str, ...]]
MODELS: dict[str, Model] = {
    "nli": (
        {
            "model_type": "bart",
            "architectures": ["BartForSequenceClassification"],
            "id2label": MNLI,
            "is_encoder_decoder": True,
        },
        TEXT,
    ),
    "emotions": (
        {
            "model_type": "roberta",
            "architectures": ["RobertaForSequenceClassification"],
            "id2label": EMOTIONS,
        },
        TEXT,
    ),
    "gliclass": (
        {"model_type": "GLiClass", "architectures": ["GLiClassModel"], "architecture_type": "uni"},
        TEXT,
    ),
    "sentences": (
        {"model_type": "mpnet", "architectures": ["MPNetForMaskedLM"]},
        (*TEXT, "modules.json"),
    ),
    "masked": ({"model_type": "roberta", "architectures": ["RobertaForMaskedLM"]}, TEXT),
    "causal": ({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}, TEXT),
    "gpt2": ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, TEXT),
    "t5": (
        {
            "model_type": "t5",
            "architectures": ["T5ForConditionalGeneration"],
            "is_encoder_decoder": True,
        },
        TEXT,
    ),
    "bert": (
        {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
        ("pytorch_model.bin", "vocab.txt"),
    ),
    "whisper": (
        {
            "model_type": "whisper",
            "architectures": ["WhisperForConditionalGeneration"],
            "vocab_size": 51_865,
            "is_encoder_decoder": True,
        },
        SPEECH,
    ),
    "whisper.en": (
        {
            "model_type": "whisper",
            "architectures": ["WhisperForConditionalGeneration"],
            "vocab_size": 51_864,
        },
        SPEECH,
    ),
    "ct2": ({"lang_ids": [50_259], "suppress_ids": []}, ("model.bin", "tokenizer.json")),
    "ctc": ({"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"]}, SPEECH),
    "wavlm": (
        {"model_type": "wavlm", "architectures": ["WavLMModel"]},
        ("pytorch_model.bin", "preprocessor_config.json"),
    ),
    "ser": (
        {
            "model_type": "hubert",
            "architectures": ["HubertForSequenceClassification"],
            "id2label": EMOTIONS,
        },
        SPEECH,
    ),
    "clap": ({"model_type": "clap", "architectures": ["ClapModel"]}, SPEECH),
    "gguf": ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, ("model-q4.gguf",)),
    "no weights": ({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}, TEXT[1:]),
    "empty": ({}, ("notes.txt",)),
    "without tokenizer": (
        {"model_type": "roberta", "architectures": ["RobertaForMaskedLM"]},
        TEXT[:1],
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        config, files = MODELS[name]
        path = tmp_path / name.replace(" ", "-")
        path.mkdir(exist_ok=True)
        if config:
            (path / "config.json").write_text(json.dumps(config))
        for file in files:
            (path / file).write_text("{}")
        if name == "ct2":
            words = [f"word{number}" for number in range(51_865)]
            (path / "vocabulary.json").write_text(json.dumps(words))
        return path

    return make


FITS = {
    ("labeler", "entailment"): ["nli"],
    ("labeler", "classifier"): ["emotions"],
    ("labeler", "audio-teacher"): ["ser"],
    ("labeler", "similarity"): ["sentences", "masked", "bert"],
    ("labeler", "fill-mask"): ["masked", "bert"],
    ("labeler", "llm"): ["causal", "gpt2"],
    ("asr", "faster-whisper"): ["ct2"],
    ("asr", "openai-whisper"): ["ct2"],
    ("asr", "transformers"): ["whisper", "whisper.en", "ctc"],
    ("encoder", "transformers"): ["whisper", "whisper.en", "ct2", "ctc", "wavlm", "ser"],
    ("encoder", "transformers-trainable"): ["whisper", "whisper.en", "ct2", "ctc", "wavlm", "ser"],
    ("encoder", "whisper-encoder"): ["whisper", "whisper.en", "ct2"],
    ("encoder", "text"): ["sentences", "masked", "bert"],
}


@pytest.mark.parametrize(("kind", "plugin"), FITS)
def test_each_plugin_takes_its_models_and_refuses_all_others(
    kind: str, plugin: str, folder: Callable[[str], Path]
) -> None:
    for name in MODELS:
        made = registry().create(kind, plugin, {"model": str(folder(name))})
        if name in FITS[kind, plugin]:
            made.check()
            continue
        with pytest.raises(LanserError, match=f"{kind} '{plugin}' cannot use the model '") as stop:
            made.check()
        assert "Use a" in str(stop.value) or "Use OpenAI" in str(stop.value)


WRONG = [
    ("emotions", "labeler", "entailment", "a text classifier with the classes anger, disgust"),
    ("emotions", "labeler", "entailment", "It may fit labeler 'classifier'. Use an NLI model"),
    ("nli", "labeler", "classifier", "an NLI model. It may fit labeler 'entailment'"),
    ("gliclass", "labeler", "entailment", "a GLiClass model, which only its own library opens"),
    ("sentences", "labeler", "entailment", "a sentence-transformers model. It may fit labeler 's"),
    ("nli", "labeler", "similarity", "an NLI model. It may fit labeler 'entailment'"),
    ("causal", "labeler", "fill-mask", "a causal language model. It may fit labeler 'llm'"),
    ("masked", "labeler", "llm", "a masked language model. It may fit"),
    ("t5", "labeler", "llm", "a sequence-to-sequence model. Use a causal language model"),
    ("no weights", "labeler", "llm", "it contains no weights. Use a causal"),
    ("gguf", "labeler", "llm", "its only weights are model-q4.gguf"),
    ("whisper", "asr", "faster-whisper", "a Whisper model in the format of transformers. It may"),
    ("whisper", "asr", "openai-whisper", "a Whisper model in the format of transformers. It may"),
    ("ct2", "asr", "transformers", "in CTranslate2's format (model.bin). It may fit asr 'faster-"),
    ("wavlm", "asr", "transformers", "a speech encoder. It may fit encoder 'transformers'"),
    ("ctc", "encoder", "whisper-encoder", "a CTC model in the format of transformers"),
    ("masked", "encoder", "transformers", "a masked language model. It may fit labeler 'fill"),
    ("clap", "encoder", "transformers", "a speech encoder of the type clap. Use a speech encoder"),
]


def experiment(tmp_path: Path, language: str = "en", **changes: Any) -> Path:
    corpus = tmp_path / "corpus"
    corpus.mkdir(exist_ok=True)
    rows = ["id,path,speaker,transcript,language,label"]
    for number in range(4):
        rng = np.random.default_rng(number)
        sf.write(corpus / f"{number}.wav", 0.1 * rng.standard_normal(4_000), 16_000)
        mood = ("positive", "negative")[number % 2]
        rows.append(f"{number},{number}.wav,s{number},we won,{language},{mood}")
    (corpus / "manifest.csv").write_text("\n".join(rows) + "\n")
    ref = {"dataset": "manifest", "root": str(corpus), "taxonomy": "sentiment-3"}
    settings: dict[str, Any] = {
        "name": "t",
        "corpora": [ref],
        "targets": [ref],
        "labeler": "lexicon",
        "taxonomy": "sentiment-3",
        "encoder": {"name": "cnn", "channels": [4]},
        "trackers": [],
        "controls": {"gold": False, "logmel_stats": False, "random_init": False},
        "evaluate": {"folds": 2, "budgets": [1.0], "seeds": 1, "strengths": [0.1]},
        "probes": [],
        "paths": {"store": str(tmp_path / "store"), "results": str(tmp_path / "results")},
    }
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(settings | changes))
    return path


def dry_run(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and errors of a dry run."""
    with pytest.raises(SystemExit) as stop:
        main(["run", str(path), "--dry-run"])
    assert isinstance(stop.value.code, int)
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(("model", "kind", "plugin", "words"), WRONG)
def test_a_dry_run_refuses_wrong_choices(
    model: str,
    kind: str,
    plugin: str,
    words: str,
    folder: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    choice = {kind: {"name": plugin, "model": str(folder(model))}}
    code, error = dry_run(experiment(tmp_path, **choice), capsys)
    assert code == 2
    assert words in error
    assert not (tmp_path / "store" / "artifacts").exists()


@pytest.mark.parametrize(
    ("model", "plugin", "language", "option", "words"),
    [
        ("whisper", "transformers", "", None, "Set the ASR's option 'language'"),
        ("ct2", "faster-whisper", "", None, "Set the ASR's option 'language'"),
        ("ct2", "openai-whisper", "", None, "Set the ASR's option 'language'"),
        ("whisper.en", "transformers", "de", None, "the model understands English only"),
        ("whisper.en", "transformers", "", "de", "the model understands English only"),
        ("whisper.en", "transformers", "en", None, ""),
        ("whisper.en", "transformers", "", None, ""),
        ("whisper", "transformers", "", "de", ""),
        ("whisper", "transformers", "de", None, ""),
        ("ctc", "transformers", "de", None, ""),
    ],
)
def test_a_dry_run_checks_languages(
    model: str,
    plugin: str,
    language: str,
    option: str | None,
    words: str,
    folder: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asr = {"name": plugin, "model": str(folder(model)), "language": option}
    code, error = dry_run(experiment(tmp_path, language, asr=asr), capsys)
    assert code == (2 if words else 0)
    assert words in error


@pytest.mark.parametrize("words", [["text", "we won"], ["corpus", "manifest", "corpus"]])
def test_label_refuses_a_wrong_model(
    words: list[str],
    folder: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["label", *words, "--option", f"model={folder('emotions')}"])
    assert stop.value.code == 2
    assert "labeler 'entailment' cannot use the model" in capsys.readouterr().err


def test_members_are_checked(folder: Callable[[str], Path]) -> None:
    wrong = {"name": "entailment", "model": str(folder("emotions"))}
    ensemble = registry().create("labeler", "ensemble", {"members": ["lexicon", wrong]})
    with pytest.raises(LanserError, match="labeler 'entailment' cannot use the model"):
        ensemble.fingerprint()


def test_the_sample_rate_is_checked(folder: Callable[[str], Path]) -> None:
    path = folder("ctc")
    (path / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
    recogniser = registry().create("asr", "transformers", {"model": str(path)})
    with pytest.raises(LanserError, match="expects 8000 Hz"):
        recogniser.check()


@pytest.mark.parametrize(("words", "refused"), [(51_864, False), (51_865, True)])
def test_a_checkpoint_of_openai_names_its_languages(
    words: int, refused: bool, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "model.pt"
    torch.save({"dims": {"n_mels": 80, "n_vocab": words, "n_audio_ctx": 1500}}, checkpoint)
    recogniser = registry().create("asr", "openai-whisper", {"model": str(checkpoint)})
    recogniser.check()
    if refused:
        with pytest.raises(LanserError, match="is multilingual"):
            recogniser.check_languages([""])
    else:
        recogniser.check_languages([""])


class Hub:
    """A hub with one model, of which nothing but small files may be downloaded."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.downloaded = folder, list[str]()
        for function in ("snapshot_download", "hf_hub_download"):
            patch.setattr(f"huggingface_hub.{function}", getattr(self, function))
        patch.setattr("huggingface_hub.HfApi", lambda: self)
        _hub.cache_clear()

    def snapshot_download(self, repo: str, **options: Any) -> str:
        assert options.get("local_files_only"), "weights are not downloaded"
        raise OSError(f"{repo} is not in the cache")

    def model_info(self, repo: str, **options: Any) -> SimpleNamespace:
        assert options["files_metadata"]
        assert options["timeout"] < 5
        files = [
            SimpleNamespace(rfilename=path.name, size=3_000_000_000)
            for path in self.folder.iterdir()
        ]
        card = SimpleNamespace(to_dict=lambda: {"license": "mit"})
        return SimpleNamespace(siblings=files, sha="0" * 40, card_data=card)

    def hf_hub_download(self, repo: str, file: str, **_: Any) -> str:
        self.downloaded.append(file)
        return str(self.folder / file)


@pytest.mark.parametrize(("name", "good"), [("nli", True), ("emotions", False)])
def test_a_hub_model_is_judged_before_it_is_downloaded(
    name: str,
    good: bool,
    folder: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = Hub(folder(name), monkeypatch)
    made = registry().create("labeler", "entailment", {"model": "org/model"})
    if good:
        made.check()
        assert made.model_facts().size == 3_000_000_000
    else:
        with pytest.raises(LanserError, match="cannot use the model 'org/model': it is a text"):
            made.check()
    assert set(hub.downloaded) == {"config.json"}
    code, out, _ = lanser("doctor", "model", "org/model")
    assert code == 0
    assert "on the hub; 3.00 GB (model.safetensors); licence mit" in out


def test_a_model_in_the_hubs_cache_is_judged_offline(
    folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--org--cached" / "snapshots" / ("0" * 40)
    snapshot.parent.mkdir(parents=True)
    folder("emotions").rename(snapshot)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(snapshot))
    _hub.cache_clear()
    made = registry().create("labeler", "entailment", {"model": "org/cached"})
    with pytest.raises(LanserError, match="cannot use the model 'org/cached': it is a text"):
        made.check()


@pytest.mark.parametrize("content", ["{bad", "[1]", "\x00"])
def test_a_damaged_configuration_is_named(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(content)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(SystemExit, match="2"):
        main(["doctor", "model", str(tmp_path), "--as", "encoder"])
    assert "a folder with a damaged config.json" in capsys.readouterr().out


def test_without_the_hub_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(Path(), monkeypatch)
    monkeypatch.setattr(hub, "model_info", absent)
    made = registry().create("labeler", "entailment", {"model": "org/unreachable"})
    made.check()
    assert made.model_facts() is None


def test_a_type_that_needs_the_models_own_code_is_refused(folder: Callable[[str], Path]) -> None:
    path = folder("sentences")
    config = {"model_type": "new", "architectures": ["NewModel"], "auto_map": {"AutoModel": "x.y"}}
    (path / "config.json").write_text(json.dumps(config))
    made = registry().create("labeler", "similarity", {"model": str(path)})
    with pytest.raises(LanserError, match="it is a model of the type 'new', which"):
        made.check()


def test_a_check_imports_no_heavy_library(folder: Callable[[str], Path]) -> None:
    script = (
        "import sys\n"
        "from lanser_bench.plugins.discovery import registry\n"
        "plugin = registry().create('labeler', 'entailment', {'model': sys.argv[1]})\n"
        "plugin.check()\n"
        "print(sorted({'torch', 'transformers', 'huggingface_hub'} & sys.modules.keys()))\n"
    )
    command = [sys.executable, "-c", script, str(folder("nli"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def absent(repo: str, **_: Any) -> str:
    raise OSError(f"{repo} is unknown")


def test_the_doctor_prints_facts_and_settings(folder: Callable[[str], Path]) -> None:
    path = folder("whisper")
    (path / "README.md").write_text("---\nlicense: mit\n---\n")
    code, out, _ = lanser("doctor", "model", str(path))
    assert code == 0
    assert "Whisper, whisper, WhisperForConditionalGeneration" in out
    assert "licence mit" in out
    for line in out.splitlines():
        if line.startswith("✓"):
            [(kind, options)] = yaml.safe_load(line.removeprefix("✓ ")).items()
            made = registry().create(kind, options.pop("name"), options)
            made.check()
    assert f"asr: {{name: transformers, model: {path}, language: en}}" in out


def test_the_doctor_explains_why_nothing_fits(folder: Callable[[str], Path]) -> None:
    path = folder("gliclass")
    code, out, err = lanser("doctor", "model", str(path), "--as", "labeler")
    assert code == 2
    assert out.count("✗ labeler") == 6
    assert err == f"Error: No labeler plugin can open the model '{path}'.\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("package:nothing",), "'package:nothing' is not a known model"),
        (("no such model",), "does not exist"),
        (("wavlm-base",), "The model 'microsoft/wavlm-base' is not on this machine"),
        (("small", "--as", "asr"), "The model 'Systran/faster-whisper-small' is not on this"),
        (("a/b", "--as", "tracker"), "'tracker' is not a kind of plugin that opens models"),
    ],
)
def test_the_doctor_names_what_is_missing(
    words: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = Hub(Path(), monkeypatch)
    monkeypatch.setattr(hub, "model_info", absent)
    monkeypatch.setattr("huggingface_hub.snapshot_download", absent)
    code, _, err = lanser("doctor", "model", *words)
    assert code == 2
    assert message in err
