"""Test suites for plugin authors: a subclass that creates the plugin inherits its contract's tests.

    from lanser_bench.testing import LabelerSuite

    class TestMine(LabelerSuite):
        def make(self) -> MyLabeler:
            return MyLabeler(MyOptions())

They are plain classes that pytest collects; nothing here imports pytest.
"""

from ._asr import ASRSuite
from ._encoder import EncoderSuite
from ._labeler import LabelerSuite
from ._segmenter import SegmenterSuite

__all__ = ["ASRSuite", "EncoderSuite", "LabelerSuite", "SegmenterSuite"]
