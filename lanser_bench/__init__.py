"""lanser-bench: a plugin benchmark for speech emotion recognition from weak labels.

The names below are all that plugins need, and the main commands as functions: `run`, `label`,
`compare`, `leaderboard`, `report`, `predict`. They load on first use, so importing the package is
fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._face import face
from ._version import __version__ as __version__

if TYPE_CHECKING:
    from .allocator import keep_freed_memory as keep_freed_memory
    from .audio import logmel as logmel
    from .counting import tally as tally
    from .devices import Device as Device
    from .devices import compute_device as compute_device
    from .errors import DataError as DataError
    from .errors import LanserError as LanserError
    from .errors import MissingDependencyError as MissingDependencyError
    from .errors import PluginError as PluginError
    from .errors import SettingsError as SettingsError
    from .errors import StoreError as StoreError
    from .errors import TaxonomyError as TaxonomyError
    from .errors import WorkerError as WorkerError
    from .halving import fitting as fitting
    from .kinds import ASR as ASR
    from .kinds import READ_SUFFIXES as READ_SUFFIXES
    from .kinds import SAMPLE_RATE as SAMPLE_RATE
    from .kinds import SOUND_SUFFIXES as SOUND_SUFFIXES
    from .kinds import Card as Card
    from .kinds import ColumnLabeler as ColumnLabeler
    from .kinds import Dataset as Dataset
    from .kinds import Event as Event
    from .kinds import Executor as Executor
    from .kinds import FeatureExtractor as FeatureExtractor
    from .kinds import Frontend as Frontend
    from .kinds import Labeler as Labeler
    from .kinds import LabelTable as LabelTable
    from .kinds import Layers as Layers
    from .kinds import ModelFacts as ModelFacts
    from .kinds import Moments as Moments
    from .kinds import Plugin as Plugin
    from .kinds import PluginOptions as PluginOptions
    from .kinds import Probe as Probe
    from .kinds import Proposal as Proposal
    from .kinds import Scores as Scores
    from .kinds import Segmenter as Segmenter
    from .kinds import Settled as Settled
    from .kinds import SettlingLabeler as SettlingLabeler
    from .kinds import Span as Span
    from .kinds import Speech as Speech
    from .kinds import StageCall as StageCall
    from .kinds import StageReport as StageReport
    from .kinds import TextRecord as TextRecord
    from .kinds import Tracker as Tracker
    from .kinds import TrainableEncoder as TrainableEncoder
    from .kinds import Transcript as Transcript
    from .kinds import Utterance as Utterance
    from .kinds import Waveform as Waveform
    from .kinds import label_word as label_word
    from .languages import Language as Language
    from .languages import language_code as language_code
    from .model import SERModel as SERModel
    from .model import load_model as load_model
    from .paths import UserPath as UserPath
    from .paths import user_path as user_path
    from .plugins.hookspecs import hookimpl as hookimpl
    from .plugins.members import create_plugin as create_plugin
    from .plugins.members import known_taxonomy as known_taxonomy
    from .plugins.members import member_identity as member_identity
    from .records.headline import headline as headline
    from .records.headline import metric_name as metric_name
    from .reporting.comparing.compare import compare as compare
    from .reporting.frames import frame as frame
    from .reporting.report.grid import GridBoard as GridBoard
    from .reporting.report.grid import GridSummary as GridSummary
    from .reporting.report.grid import grid_summary as grid_summary
    from .scripting import label as label
    from .scripting import leaderboard as leaderboard
    from .scripting import predict as predict
    from .scripting import report as report
    from .scripting import run as run
    from .store import FileHashes as FileHashes
    from .taxonomy import Label as Label
    from .taxonomy import Taxonomy as Taxonomy

__getattr__, __dir__, __all__ = face(__name__)
__all__ += ["__version__"]
