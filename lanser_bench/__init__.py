"""lanser-bench: a plugin benchmark for speech emotion recognition from weak labels.

The names below are all that plugins need; they load on first use, so that importing the package
is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from .errors import (
        DataError,
        LanserError,
        MissingDependencyError,
        PluginError,
        SettingsError,
        TaxonomyError,
        WorkerError,
    )
    from .halving import fitting
    from .kinds import (
        ASR,
        READ_SUFFIXES,
        SAMPLE_RATE,
        SOUND_SUFFIXES,
        Card,
        Dataset,
        Event,
        Executor,
        FeatureExtractor,
        Frontend,
        Labeler,
        Layers,
        Plugin,
        PluginOptions,
        Probe,
        Scores,
        Segmenter,
        Settled,
        SettlingLabeler,
        Span,
        Speech,
        StageCall,
        StageReport,
        TextRecord,
        Tracker,
        TrainableEncoder,
        Transcript,
        Utterance,
        Waveform,
    )
    from .languages import Language, language_code
    from .model import SERModel, load_model
    from .paths import UserPath, user_path
    from .plugins.hookspecs import hookimpl
    from .plugins.members import create_plugin, member_identity
    from .store import FileHashes
    from .taxonomy import Label, Taxonomy

_HOMES = {
    "plugins.members": ("create_plugin", "member_identity"),
    "errors": (
        "DataError",
        "LanserError",
        "MissingDependencyError",
        "PluginError",
        "SettingsError",
        "TaxonomyError",
        "WorkerError",
    ),
    "halving": ("fitting",),
    "plugins.hookspecs": ("hookimpl",),
    "languages": ("Language", "language_code"),
    "model": ("SERModel", "load_model"),
    "store": ("FileHashes",),
    "paths": ("UserPath", "user_path"),
    "taxonomy": ("Label", "Taxonomy"),
}
"""Where names live that are not in `kinds`."""
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ASR",
    "READ_SUFFIXES",
    "SAMPLE_RATE",
    "SOUND_SUFFIXES",
    "Card",
    "DataError",
    "Dataset",
    "Event",
    "Executor",
    "FeatureExtractor",
    "FileHashes",
    "Frontend",
    "Label",
    "Labeler",
    "Language",
    "LanserError",
    "Layers",
    "MissingDependencyError",
    "Plugin",
    "PluginError",
    "PluginOptions",
    "Probe",
    "SERModel",
    "Scores",
    "Segmenter",
    "SettingsError",
    "Settled",
    "SettlingLabeler",
    "Span",
    "Speech",
    "StageCall",
    "StageReport",
    "Taxonomy",
    "TaxonomyError",
    "TextRecord",
    "Tracker",
    "TrainableEncoder",
    "Transcript",
    "UserPath",
    "Utterance",
    "Waveform",
    "WorkerError",
    "__version__",
    "create_plugin",
    "fitting",
    "hookimpl",
    "language_code",
    "load_model",
    "member_identity",
    "user_path",
]


def __getattr__(name: str) -> object:
    """Loads a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'lanser_bench' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF.get(name, 'kinds')}", __name__), name)
