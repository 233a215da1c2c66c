"""Base of all plugins: typed options, a version and a fingerprint of the weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict


class PluginOptions(BaseModel):
    """Base of a plugin's typed options: unknown names are rejected, values do not change.

    Every field is part of the keys of the plugin's results, so options that cannot change a number
    (a device name, a progress switch) do not belong here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model's configuration and list of files say about it; no weights are read."""

    family: str
    """Sort, type and class, such as ``NLI model, bart, BartForSequenceClassification``."""
    weights: str
    """Formats of its weights."""
    size: int
    """Bytes of the weights."""
    memory_gib: float
    """Estimate of the main memory for the weights in float32 and a small batch, in GiB."""
    licence: str
    """Empty if no file states it."""
    place: str
    """Where the model is, such as ``on the hub``."""


OptionsT = TypeVar("OptionsT", bound=PluginOptions)


class Plugin(Generic[OptionsT]):
    """Base of all plugins with options.

    A subclass sets `Options` to its own model and `version` to a string that changes whenever its
    numbers may change. The harness also hashes the source of its module (and of the modules of the
    same package that it imports), its options, its `fingerprint` and the versions of `libraries`.

    Modules are imported to compute keys before anything runs, so import heavy libraries inside
    methods, not at the top of the module.
    """

    Options: ClassVar[type[PluginOptions]] = PluginOptions
    version: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions whose version may change the numbers, such as ``("torch", "transformers")``."""
    licence: ClassVar[str] = ""
    """Licence of the weights or data the plugin brings."""
    most_threads: ClassVar[int | None] = None
    """Most CPU threads that it keeps busy; None for all that its stage has. In no key."""

    def __init__(self, options: OptionsT) -> None:
        """Keeps the options; weights are loaded on first use."""
        self.options = options

    registered_gib: float = 0.5
    """The memory that its module registered."""

    @property
    def memory_gib(self) -> float:
        """Main memory of its weights and a batch, in GiB, beside a worker's 0.5; in no key.

        As registered, or that of the model that it opens if this is more.
        """
        facts = self.model_facts()
        return max(self.registered_gib, 0.0 if facts is None else facts.memory_gib - 0.5)

    def check(self) -> None:
        """Refuses options or a model that cannot work, before anything is computed or downloaded.

        Planning calls it once, before `fingerprint`. It reads only small files, such as a model's
        configuration and list of files, imports no heavy library, and passes what it cannot decide.
        It raises a `LanserError` that says what to use instead.
        """

    def check_utterances(self, name: str, ids: Iterable[str], recordings: Iterable[str]) -> None:
        """Refuses a corpus that it has no results for, before anything is computed.

        Planning calls it for an ASR, a labeler or an encoder whose corpus is not segmented. It
        reads what `check` reads and raises a `LanserError`.

        Args:
            name: the dataset's name, for messages.
            ids: ids of all utterances; read from a file only if it is used.
            recordings: SHA-256 of the recording of each utterance that has one.
        """

    def model_facts(self) -> ModelFacts | None:
        """Facts about the model that its option `model` names, for ``lanser-bench doctor model``.

        None if it opens no model, or if the model's configuration cannot be read.
        """
        return None

    def fingerprint(self) -> str:
        """Identity of the weights: a content hash or a resolved revision; empty if there are none.

        Computed without loading the model. If the weights are missing, it raises
        `MissingDependencyError` and says how to get them.
        """
        return ""

    def describe(self) -> dict[str, Any]:
        """Facts for reports (model name, parameters, licence of the weights)."""
        return {}
