"""Contenders in processes of their own: one at a time runs, and whatever ends one of them is said.

Those here only sleep, in forked processes, which start at once.
"""

import multiprocessing
import signal
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_contenders import Sleeps
from fake_tasks import alive, gone

from cae_keras.bench import turns


@pytest.fixture
def forked(monkeypatch):
    monkeypatch.setattr(turns, "SPAWN", multiprocessing.get_context("fork"))
    monkeypatch.setattr(turns, "SETTLE", 0.05)


class TestTurns:
    def test_the_order_rotates(self):
        log = []
        calls = {name: partial(log.append, name) for name in "abc"}
        turns.in_turns(calls, 4, done=lambda: log.append("-"))
        assert "".join(log) == "a-b-c-" + "b-c-a-" + "c-a-b-" + "a-b-c-"

    @pytest.mark.parametrize("least, expected", [(0, 4), (3, 4), (6, 6)])
    def test_no_round_is_begun_that_would_end_too_late(
        self, monkeypatch, least, expected
    ):
        clock = SimpleNamespace(now=0)
        clock.monotonic = lambda: clock.now
        monkeypatch.setattr(turns, "time", clock)

        def takes_a_second():
            clock.now += 1

        calls = {"a": takes_a_second, "b": takes_a_second}
        found = turns.in_turns(calls, 100, least, seconds=9)
        assert len(found["a"]) == len(found["b"]) == expected

    def test_who_waits_does_no_step(self, forked):
        with turns.Contender("a") as a, turns.Contender("b", 2) as b:
            for contender in (a, b):
                contender.send(Sleeps(), None)
                assert contender._steps() == [0] * len(contender.processes)
                contender.warm_up(3)
                assert min(contender._steps()) >= 3
            for runs, waits in ((a, b), (b, a), (a, b)):
                before, others = runs._steps(), waits._steps()
                rate, share = runs.run(0.2)
                assert all(n > m for n, m in zip(runs._steps(), before, strict=True))
                late = (n - m for n, m in zip(waits._steps(), others, strict=True))
                assert max(late) <= 1  # the step at which it was stopped
                assert 0 < rate <= 100 * len(runs.processes)
                assert 0 <= share < 0.5  # it sleeps
            processes = {p.pid for p in (*a.processes, *b.processes)}
            assert alive(processes) == processes
        assert not alive(processes)

    def test_rates_add_up_and_shares_are_averaged(self, forked, monkeypatch):
        contender = turns.Contender("a", 2)  # steps, clock, processor time
        readings = iter([[(10, 1.0, 0.5), (4, 1.0, 0.1)], [(30, 3.0, 2.5), (24, 5.0, 2.1)]])  # fmt: skip
        monkeypatch.setattr(contender, "_after", lambda seconds: next(readings))
        assert contender.run(2) == (20 / 2 + 20 / 4, (2 / 2 + 2 / 4) / 2)

    @pytest.mark.parametrize(
        "end, reason",
        [
            ("dies", "exit code 3"),
            ("fails", "ZeroDivisionError: a line"),
            ("stops", "the training ended"),
        ],
    )
    @pytest.mark.parametrize("steps", [0, 5])
    def test_a_death_is_an_error_of_one_line(self, forked, end, reason, steps):
        def live(contender):
            contender.send(Sleeps(steps, end), None)
            contender.warm_up(3)
            contender.run(60)

        with turns.Contender("a") as a, pytest.raises(RuntimeError) as error:
            live(a)
        assert str(error.value) == f"a: its process died ({reason})"

    def test_one_who_is_gone_before_it_was_told_anything(self, forked):
        with turns.Contender("a") as contender:
            contender.processes[0].kill()
            contender.processes[0].join()
            with pytest.raises(RuntimeError, match=r"^a: its process died \(exit code -9\)$"):  # fmt: skip
                contender.send(Sleeps(), None)

    def test_one_who_makes_no_step_is_given_up(self, forked, monkeypatch):
        monkeypatch.setattr(turns, "PATIENCE", 0.05)
        no_step = pytest.raises(RuntimeError, match=r"^a: no step in 0 s$")
        with turns.Contender("a") as contender, no_step:
            contender.warm_up(1)

    def test_nobody_trains_on_when_the_parent_was_killed(self, start_python):
        script = """
import multiprocessing, time
from cae_keras.bench import turns
from fake_contenders import Sleeps
turns.SPAWN = multiprocessing.get_context("fork")
with turns.Contender("a") as contender:
    contender.send(Sleeps(), None)
    contender.warm_up(1)
    print(contender.processes[0].pid, flush=True)
    time.sleep(600)
"""
        parent = start_python(script, before_all=Path(__file__).parent)
        child = {int(parent.stdout.readline())}
        assert alive(child)
        parent.send_signal(signal.SIGKILL)
        assert gone(child, 30)
        parent.communicate()
