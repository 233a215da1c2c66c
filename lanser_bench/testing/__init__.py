"""Test suites for plugin authors: a subclass that creates the plugin inherits its contract's tests.

    from lanser_bench.testing import LabelerSuite

    class TestMine(LabelerSuite):
        def make(self) -> MyLabeler:
            return MyLabeler(MyOptions())

They are plain classes that pytest collects; nothing here imports pytest. `check` runs the same
checks without pytest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._asr import ASRSuite as ASRSuite
from ._base import ContractError as ContractError
from ._base import Failure as Failure
from ._base import PluginSuite as PluginSuite
from ._base import Suite as Suite
from ._dataset import DatasetSuite as DatasetSuite
from ._encoder import EncoderSuite as EncoderSuite
from ._executor import ExecutorSuite as ExecutorSuite
from ._labeler import LabelerSuite as LabelerSuite
from ._probe import ProbeSuite as ProbeSuite
from ._segmenter import SegmenterSuite as SegmenterSuite
from ._speech import CLIPS as CLIPS
from ._taxonomy import TaxonomySuite as TaxonomySuite
from ._tracker import TrackerSuite as TrackerSuite

SUITES: dict[str, Any] = {
    "labeler": LabelerSuite,
    "asr": ASRSuite,
    "encoder": EncoderSuite,
    "segmenter": SegmenterSuite,
    "probe": ProbeSuite,
    "executor": ExecutorSuite,
    "dataset": DatasetSuite,
    "taxonomy": TaxonomySuite,
    "tracker": TrackerSuite,
}
"""Kind of plugin → its suite."""


def check(kind: str, make: Callable[[], Any], **settings: Any) -> list[Failure]:
    """Runs the suite of a kind of plugin without pytest.

    Args:
        kind: a key of `SUITES`.
        make: returns a new plugin with its options; for a taxonomy, the path of its file.
        settings: attributes of the suite to replace, such as ``tolerance``.

    Returns:
        The checks that the plugin does not pass, basic ones first; empty if it passes all.
    """
    suite: Suite = type("Suite", (SUITES[kind],), {"make": lambda _: make(), **settings})()
    return suite.failures()
