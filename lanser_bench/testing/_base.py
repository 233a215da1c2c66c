"""The base of all suites: creates the plugin once per class and checks its declarations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from ..kinds.base import PluginOptions


class PluginSuite(ABC):
    """Base of the suites; `make` returns the plugin under test."""

    __test__ = False
    _made: ClassVar[Any] = None

    def __init_subclass__(cls) -> None:
        """Lets pytest collect subclasses outside this package; each creates its own plugin."""
        super().__init_subclass__()
        cls.__test__ = not cls.__module__.startswith("lanser_bench.testing")
        cls._made = None

    @abstractmethod
    def make(self) -> Any:
        """Returns the plugin under test, with its options."""

    @property
    def plugin(self) -> Any:
        """The plugin, created once per class, so that its weights load once."""
        cls = type(self)
        if cls._made is None:
            cls._made = self.make()
        return cls._made

    def test_it_declares_a_version(self) -> None:
        """A version is part of every key."""
        assert isinstance(self.plugin.version, str)
        assert self.plugin.version, 'set `version = "1"` on the class'

    def test_its_options_refuse_unknown_names(self) -> None:
        """A misspelt option raises an error."""
        options = type(self.plugin).Options
        assert issubclass(options, PluginOptions)
        assert options.model_config.get("extra") == "forbid"
        assert options.model_config.get("frozen")

    def test_its_fingerprint_is_stable(self) -> None:
        """Two plugins with the same options have the same fingerprint."""
        first, second = self.plugin.fingerprint(), self.make().fingerprint()
        assert isinstance(first, str)
        assert first == second
