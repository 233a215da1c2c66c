"""Several labelers together: means, votes, ties, abstention, and an identity made of theirs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from lanser_bench import Labeler, PluginError, PluginOptions, Scores, SettingsError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.identity import plugin_identity
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY


def ensemble(*members: Any, **options: Any) -> Any:
    return registry().create("labeler", "ensemble", {"members": list(members), **options})


class Fixed(Labeler[PluginOptions]):
    """Always returns the same scores; a row of NaN means abstention."""

    version = "1"

    def __init__(
        self, rows: list[list[float]], kind: Literal["distribution", "independent"] = "distribution"
    ) -> None:
        super().__init__(PluginOptions())
        self.rows = np.array(rows, np.float32)
        self.kind: Literal["distribution", "independent"] = kind

    def score(self, records: Sequence[TextRecord], taxonomy: Any) -> Scores:
        silent = np.isnan(self.rows).any(axis=1)
        return Scores(np.nan_to_num(self.rows, nan=1 / 3), self.kind, silent)


NONE = [float("nan")] * 3


def combined(members: list[Fixed], weights: Sequence[float] = (), **options: Any) -> Scores:
    named = [{"name": "lexicon", "weight": w} for w in weights or [1.0] * len(members)]
    made = ensemble(*named, **options)
    made._plugins = members
    records = [TextRecord(id=str(i), text="x") for i in range(len(members[0].rows))]
    found: Scores = made.score(records, TAXONOMY)
    return found


class TestEnsembleContract(LabelerSuite):
    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, nli: Path) -> None:
        type(self).folder = nli

    def make(self) -> Any:
        return ensemble("lexicon", {**self.neural, "weight": 2})

    @property
    def neural(self) -> dict[str, Any]:
        return {"name": "entailment", "model": str(self.folder), "max_tokens": 64}


class TestVoteContract(TestEnsembleContract):
    def make(self) -> Any:
        return ensemble("lexicon", self.neural, combine="vote")


def test_the_mean_is_weighted() -> None:
    found = combined([Fixed([[1, 0, 0]]), Fixed([[0, 0.5, 0.5]])], [3, 1])
    np.testing.assert_allclose(found.values, [[0.75, 0.125, 0.125]])
    assert found.kind == "distribution"


def test_who_abstains_has_no_say() -> None:
    members = [Fixed([[1, 0, 0], NONE]), Fixed([NONE, NONE]), Fixed([[0, 1, 0], NONE])]
    found = combined(members, [1, 5, 1], quorum=0)
    np.testing.assert_allclose(found.values, [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])
    assert found.abstained.tolist() == [False, True]


def test_a_quorum_is_a_share_of_the_weight() -> None:
    members = [Fixed([[1, 0, 0]]), Fixed([NONE])]
    assert not combined(members, [1, 1], quorum=0.5).abstained[0]
    assert combined(members, [1, 1], quorum=0.6).abstained[0]
    assert not combined(members, [3, 1], quorum=0.6).abstained[0]


def test_the_majority_wins_whatever_the_confidence() -> None:
    weak = [0.3, 0.4, 0.3]
    found = combined([Fixed([[0.99, 0.01, 0]]), Fixed([weak]), Fixed([weak])], combine="vote")
    np.testing.assert_allclose(found.values, [[1 / 3, 2 / 3, 0]])


def test_tied_votes_are_shared_by_mean_scores_or_abstain() -> None:
    members = [Fixed([[0.9, 0.1, 0]]), Fixed([[0.3, 0.7, 0]])]
    found = combined(members, combine="vote")
    np.testing.assert_allclose(found.values, [[0.6, 0.4, 0]])
    assert combined(members, combine="vote", ties="abstain").abstained[0]
    assert not combined(members, [2, 1], combine="vote", ties="abstain").abstained[0]


def test_independent_scores_stay_so_among_themselves_only() -> None:
    alone = Fixed([[0.9, 0.8, 0.1]], "independent")
    both = combined([alone, Fixed([[0.1, 0.2, 0.1]], "independent")])
    assert both.kind == "independent"
    np.testing.assert_allclose(both.values, [[0.5, 0.5, 0.1]])
    mixed = combined([alone, Fixed([[1, 0, 0]])])
    assert mixed.kind == "distribution"
    np.testing.assert_allclose(mixed.values, [[0.75, 0.8 / 3.6, 0.1 / 3.6]], rtol=1e-6)


def test_a_member_s_options_and_weights_are_its_own() -> None:
    one = ensemble("lexicon", {"name": "lexicon", "smoothing": 0.5, "weight": 2.0})
    assert one.options.members[1].options == {"smoothing": 0.5}
    assert one.options.members[1].weight == 2
    with pytest.raises(SettingsError, match="Did you mean 'smoothing'"):
        ensemble("lexicon", {"name": "lexicon", "smothing": 0.5}).fingerprint()
    with pytest.raises(SettingsError, match="members"):
        ensemble("lexicon")


def test_the_fingerprint_follows_every_member() -> None:
    one = ensemble("lexicon", "lexicon")
    other = ensemble("lexicon", {"name": "lexicon", "negation": False})
    assert one.fingerprint() != other.fingerprint()
    assert one.fingerprint() == ensemble("lexicon", "lexicon").fingerprint()


@pytest.mark.parametrize(("name", "read"), [("oracle", "gold"), ("random", "id")])
def test_members_judge_each_text_by_itself(name: str, read: str) -> None:
    with pytest.raises(PluginError, match=f"'{name}' reads {read}"):
        ensemble("lexicon", name)


def test_members_that_need_the_whole_corpus_are_refused() -> None:
    with pytest.raises(PluginError, match="'majority' needs the whole corpus"):
        ensemble("lexicon", {"name": "majority", "member": "lexicon"})


def test_what_members_read_the_ensemble_reads() -> None:
    assert ensemble("lexicon", "lexicon").reads == {"text"}
    assert ensemble("lexicon", {"name": "entailment", "context": 2}).reads == {"text", "context"}


LOOSE = """
import numpy as np
from lanser_bench import Labeler, PluginOptions, Scores, hookimpl


@hookimpl
def register_labelers(register):
    register("first", f"{__name__}:First")


class First(Labeler[PluginOptions]):
    version = "1"

    def score(self, records, taxonomy):
        values = np.zeros((len(records), len(taxonomy.labels)), np.float32)
        values[:, 0] = 1
        return Scores(values, "distribution", np.array([not r.text for r in records], bool))
"""


def test_members_may_be_loose_files(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(LOOSE, encoding="utf-8")
    made = registry((tmp_path,)).create("labeler", "ensemble", {"members": ["first", "lexicon"]})
    assert made.score([TextRecord(id="a", text="x")], TAXONOMY).values[0].argmax() == 0
    before = made.fingerprint()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "first.py").write_text(LOOSE + "# changed", encoding="utf-8")
    again = registry((tmp_path / "other",)).create(
        "labeler", "ensemble", {"members": ["first", "lexicon"]}
    )
    assert isinstance(before, str)
    assert again.score([TextRecord(id="a", text="x")], TAXONOMY).values[0].argmax() == 0


def test_a_member_s_folder_is_in_the_key_by_content_not_by_place(tmp_path: Path, nli: Path) -> None:
    keys = []
    for place in ("here", "there"):
        folder = tmp_path / place
        shutil.copytree(nli, folder)
        options = {"members": ["lexicon", {"name": "entailment", "model": str(folder)}]}
        plugin = registry().create("labeler", "ensemble", options)
        identity = plugin_identity(registry(), "labeler", "ensemble", plugin)
        keys.append(identity.model_dump())
        assert str(folder) not in str(keys[-1])
        assert identity.located["members"][1]["options"]["model"] == str(folder)
    assert keys[0] == keys[1]


class TestDawidSkeneContract(TestEnsembleContract):
    def make(self) -> Any:
        return ensemble("lexicon", self.neural, combine="dawid-skene")


def test_a_member_that_breaks_the_contract_is_named() -> None:
    with pytest.raises(PluginError, match=r"member 'lexicon' gave scores"):
        combined([Fixed([[1, 0]]), Fixed([[1, 0, 0]])])
