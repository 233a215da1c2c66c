"""One holder per key, whoever dies or falls asleep."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.errors import StoreError
from lanser_bench.stages.base import RunnableCall
from lanser_bench.store import LeaseLostError, Owner, Spec, Store
from lanser_bench.store.lease import BEATS, Held, Watch, hold, holder

HOLD = """
    import sys, time
    from pathlib import Path
    from lanser_bench.store.lease import hold
    with hold(Path(sys.argv[1]), "k") as lease:
        print("held", flush=True)
        time.sleep(1200)
"""


@contextmanager
def python(code: str, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_released_lease_leaves_no_file(tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path, "k") as lease:
            assert holder(tmp_path, "k") == Held.read(tmp_path / "k.lease")
            lease.check()
    assert list(tmp_path.iterdir()) == []


def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    with python(HOLD, str(tmp_path)) as process:
        assert said(process) == "held"
        os.kill(process.pid, signal.SIGKILL)
        with hold(tmp_path, "k"):  # a minute's expiry would outlast the test
            assert holder(tmp_path, "k") != Held.read(tmp_path / "k.lease"), "the second in chain"
    assert list(tmp_path.iterdir()) == []


def test_who_waits_is_told_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with python(HOLD, str(tmp_path)) as process:
        assert said(process) == "held"
        waited: list[str] = []

        def waiting(owner: Owner | None) -> None:
            assert owner is not None
            waited.append(owner.name)
            process.kill()

        with hold(tmp_path, "k", waiting):
            pass
    assert waited[0].endswith(f":{process.pid}")


def test_a_process_of_another_machine_is_dead_only_when_its_counter_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("lanser_bench.store.lease.time.monotonic", lambda: now)
    far = Owner("far", "00000000", 1, "1")
    watch = Watch()

    def looked(beat: int) -> bool:
        return watch.is_dead(Held(tmp_path, "t", far, 60.0, f"{beat:012d}"))

    assert not looked(1)
    now = 59.0
    assert not looked(1)
    assert not looked(2)
    now = 118.0
    assert not looked(2)
    now = 119.5
    assert looked(2)


def test_a_holder_that_slept_finds_that_it_lost_its_lease_and_does_not_take_it_back(
    tmp_path: Path,
) -> None:
    code = """
        import sys
        from pathlib import Path
        from lanser_bench.store import LeaseLostError
        from lanser_bench.store.lease import hold
        with hold(Path(sys.argv[1]), "k") as lease:
            print("held", flush=True)
            sys.stdin.readline()
            try:
                lease.check()
                print("mine")
            except LeaseLostError as error:
                print(error)
    """
    with python(code, str(tmp_path), LANSER_LEASE_SECONDS="0.3") as process:
        assert said(process) == "held"
        os.kill(process.pid, signal.SIGSTOP)
        with hold(tmp_path, "k") as lease:
            os.kill(process.pid, signal.SIGCONT)
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            assert "Another process took over k" in said(process)
            process.wait()
            lease.check()
            found = holder(tmp_path, "k")
            assert found is not None
            assert found.token == lease.token
    assert list(tmp_path.iterdir()) == []


def test_a_living_holder_keeps_its_lease_past_its_expiry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSER_LEASE_SECONDS", "0.3")
    watch, beats = Watch(), set[str]()
    with hold(tmp_path, "k") as lease:
        while len(beats) <= BEATS + 1:  # each is a share of the expiry after the one before
            found = holder(tmp_path, "k")
            assert found is not None
            if found.beat not in beats:
                assert not watch.is_dead(found)
            beats.add(found.beat)
            time.sleep(0.005)
        lease.check()


def test_an_unreadable_lease_is_taken_over_when_it_has_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanser_bench.store.lease.EXPIRES_S", 0.2)
    (tmp_path / "k.lease").write_text("")
    with hold(tmp_path, "k"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lease_that_hangs_in_the_air_is_not_held(tmp_path: Path) -> None:
    """A slow process appends to a chain that was let go since it looked."""
    with hold(tmp_path, "k"):
        found = holder(tmp_path, "k")
    assert found is not None
    from lanser_bench.store.lease import Lease

    slow = Lease(tmp_path, "k", 60.0)
    assert not slow.take(f"k.{found.token}.next")
    slow.release()
    assert list(tmp_path.iterdir()) == []


def test_a_number_of_seconds_that_is_none_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSER_LEASE_SECONDS", "soon")
    with pytest.raises(StoreError, match="LANSER_LEASE_SECONDS is 'soon'"), hold(tmp_path, "k"):
        pass


RACE = """
    import os, random, signal, sys, time
    from pathlib import Path
    from lanser_bench.store import Spec, Store
    store, deadly = Store(Path(sys.argv[1])), int(sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    numbers = list(range(30))
    random.shuffle(numbers)
    for number in numbers:
        spec = Spec(stage="transcribe", stage_version="1", params={"x": number})
        with store.lock(spec.key):
            if spec.key not in store:
                with store.write(spec) as draft:
                    (draft.path / "a.txt").write_text(str(number))
                    time.sleep(0.005)
                    if number == deadly:
                        os.kill(os.getpid(), signal.SIGKILL)
                    print("made", number, flush=True)
        assert (store.checked(spec.key).path / "a.txt").read_text() == str(number)
    print("end", flush=True)
"""


@pytest.mark.slow
def test_eight_processes_compute_each_of_thirty_keys_once_though_one_is_killed(
    tmp_path: Path,
) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        started = [
            stack.enter_context(python(RACE, str(tmp_path), "7" if number == 0 else "-1"))
            for number in range(8)
        ]
        assert [said(process) for process in started] == ["ready"] * 8
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said_by_all = [process.communicate()[0].splitlines() for process in started]
    made = Counter(line for lines in said_by_all for line in lines if line.startswith("made"))
    assert made == {f"made {number}": 1 for number in range(30)}
    assert [lines[-1] for lines in said_by_all[1:]] == ["end"] * 7
    store = Store(tmp_path)
    assert len(list(store.keys())) == 30
    assert list((tmp_path / "locks").iterdir()) == list((tmp_path / "tmp").iterdir()) == []


def test_a_stage_that_lost_its_lease_ends_with_what_the_other_process_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lanser_bench.stages import base

    spec = Spec(stage="transcribe", stage_version="1")
    store = Store(tmp_path)

    class Stage:
        def run(self, context: Any, draft: Any) -> None:
            with store.write(spec) as other:
                other.counts = {"by": "the other"}
            raise LeaseLostError("as after a sleep")

    monkeypatch.setattr(base, "stage_module", lambda name: Stage())
    report = RunnableCall("transcribe", spec.key, spec.model_dump(mode="json"), tmp_path).run()
    assert report.reused
    assert report.counts == {"by": "the other"}


def test_a_waiting_stage_says_who_has_it_in_its_progress(tmp_path: Path) -> None:
    from lanser_bench.stages.base import tell

    store = Store(tmp_path)
    tell(store, "k", waits_for="host:1")
    (path,) = (tmp_path / "progress").iterdir()
    assert path.name == "k.json"
    assert json.loads(path.read_text())["waits_for"] == "host:1"


def test_what_another_process_made_while_this_one_waited_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artifact is looked up once more when the lease is held."""
    from lanser_bench.stages import base

    spec, store, really = Spec(stage="transcribe", stage_version="1"), Store(tmp_path), Store.lock

    @contextmanager
    def late(own: Store, key: str, *waiting: Any) -> Iterator[Any]:
        with store.write(spec) as other:
            other.counts = {"by": "the other"}
        with really(own, key, *waiting) as lease:
            yield lease

    def never(name: str) -> Any:
        raise AssertionError("computed twice")

    monkeypatch.setattr(Store, "lock", late)
    monkeypatch.setattr(base, "stage_module", never)
    report = RunnableCall("transcribe", spec.key, spec.model_dump(mode="json"), tmp_path).run()
    assert report.reused
    assert report.counts == {"by": "the other"}
