"""Workers: nothing that happens to one of them changes a number, loses what is finished, or is done twice.

Most tasks here are made up (see `fake_tasks`) and most workers are forked, which takes no time. What depends on how a
worker really starts is tried with real ones.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

import loky
import numpy as np
import pytest
from fake_tasks import Fake, alive, begun, gone, output_into, pids, until

from cae_keras import CAEConfig, Recipe
from cae_keras.progress import progress_bar
from cae_keras.study import pools, workers
from cae_keras.study.pools import Workers, number_of_workers
from cae_keras.study.store import Store, task_key
from cae_keras.study.tasks import Training
from cae_keras.study.workers import complete

RECIPE = Recipe(images=128, epochs=2)
REAL = [Training(CAEConfig(filters=(4, 8), latent_dim=4), RECIPE, s) for s in (0, 1)]
BEFORE_ALL = """
import multiprocessing, os, sys
from pathlib import Path
import loky
import cae_keras
from cae_keras import __main__ as command_line
from cae_keras.study import pools, workers
from fake_tasks import Fake

folder = Path(sys.argv[1])
data = cae_keras.load_mnist()
"""
FORKED = """
pools._executor = lambda: loky.ProcessPoolExecutor(
    1, context=multiprocessing.get_context("fork"), initializer=pools._begin, initargs=(os.getpid(),)
)
"""
STOPPED = """
tasks = [Fake("first", folder), Fake("second", folder, after=9), Fake("third", folder, after=9)]
def run(*_, **__):
    print("begun", flush=True)
    return workers.complete(tasks, data)
command_line.run = run
sys.exit(command_line.main(["train"]))
"""


@pytest.fixture
def forked(monkeypatch):
    """Workers that start at once."""

    def executor():
        return loky.ProcessPoolExecutor(
            1,
            context=multiprocessing.get_context("fork"),
            initializer=pools._begin,
            initargs=(os.getpid(),),
        )

    monkeypatch.setattr(pools, "_executor", executor)


@pytest.fixture
def two(forked, monkeypatch):
    monkeypatch.setenv("CAE_WORKERS", "2")


@pytest.fixture
def one(monkeypatch):
    monkeypatch.setenv("CAE_WORKERS", "1")


HEARING = """import os, signal
os.setsid()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background is deaf
"""


@pytest.fixture
def begin(start_python, tmp_path):
    """Starts a script in a process group of its own; none outlives its test."""
    processes = []

    def start(script, **environment):
        environment = {"CAE_RUNS": str(tmp_path / "runs"), **environment}
        code = HEARING + BEFORE_ALL + script
        process = start_python(
            code, tmp_path, before_all=Path(__file__).parent, **environment
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def kept(folder):
    """Returns how many entries are in the store."""
    return len(list((folder / "runs").glob("*.npz")))


def unlocked(folder, task, data):
    """Tells whether another thread could take the lock of a task."""
    locks = []
    key = task_key(task, data)
    thread = threading.Thread(target=lambda: locks.append(Store().lock(key)))
    thread.start()
    thread.join()
    if locks[0]:
        locks[0].release()
    return locks[0] is not None


def names(entries):
    return [entry.values["name"] for entry in entries]


def starting(pid):
    """Returns the loky workers of a process, whether or not they have begun anything."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            line = (folder / "cmdline").read_text()
            if int(parent) == pid and "popen_loky" in line:
                found.add(int(folder.name))
    return found


@pytest.fixture(scope="module")
def done_by_two(tiny, tmp_path_factory):
    """Real workers train two runs, and talk; each task is asked for twice."""
    folder = tmp_path_factory.mktemp("by_two")
    tasks = [*REAL, Fake("talks", folder), *REAL, Fake("talks", folder)]
    with pytest.MonkeyPatch.context() as patch, output_into(folder / "output"):
        patch.setenv("CAE_WORKERS", "2")
        patch.setenv("CAE_PROGRESS", str(folder / "progress"))
        patch.setenv("CAE_RUNS", str(folder / "runs"))
        entries = complete(tasks, tiny)
    return folder, entries


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("worth, here", [(11, True), (10, False)])
def test_what_takes_fewer_steps_than_it_is_worth_starts_no_workers(
    tiny, tmp_path, monkeypatch, worth, here
):
    """Two tasks of five steps each, with two cores and no number of workers asked for."""
    monkeypatch.setattr(pools.loky, "cpu_count", lambda: 2)
    monkeypatch.setattr(workers, "WORTH", worth)
    complete([Fake("first", tmp_path), Fake("second", tmp_path)], tiny)
    assert (pids(tmp_path) == {os.getpid()}) == here


class TestRealWorkers:
    def test_two_give_the_bits_that_one_gives(self, done_by_two, tiny, one):
        _, entries = done_by_two
        for by_two, by_one in zip(entries, complete(REAL, tiny), strict=False):
            assert len(by_two.arrays) == len(by_one.arrays) > 0
            for a, b in zip(by_two.arrays, by_one.arrays, strict=True):
                assert (a.dtype, a.tobytes()) == (b.dtype, b.tobytes())
            for name in ("loss", "val_loss", "learning_rate"):
                assert by_two.values[name] == by_one.values[name]

    def test_equal_tasks_are_done_once(self, done_by_two):
        folder, entries = done_by_two
        assert kept(folder) == 3
        assert begun(folder) == ["talks"]
        assert entries[:3] == entries[3:]

    def test_another_process_does_the_work(self, done_by_two):
        folder, _ = done_by_two
        assert pids(folder).isdisjoint({os.getpid()})
        assert gone(pids(folder), 5)

    def test_nothing_of_what_they_print_is_seen(self, done_by_two):
        folder, _ = done_by_two
        assert (folder / "output").read_text() == ""

    def test_one_display_shows_all_tasks_up_to_the_end(self, done_by_two):
        folder, _ = done_by_two
        shown = (folder / "progress").read_text("utf-8").replace("\r", "\n")
        lines = [line.strip() for line in shown.splitlines() if line.strip()]
        assert {line.split("|")[0].strip() for line in lines} == {
            "3 × training, 2 at a time"
        }
        shares = [int(line.split("|")[-1].split("%")[0]) for line in lines]
        assert shares[0] == 0
        assert shares[-1] == 100
        assert shares == sorted(shares)
        steps = 2 * 2 * 2 + 5  # two runs of two epochs of two batches, and the talk
        assert set(shares) <= {round(100 * i / steps) for i in range(steps + 1)}


class TestAWorkerDies:
    def test_it_costs_its_own_task_only_which_is_done_again(self, tiny, tmp_path, two):
        """The sibling is at work from before the first death until after it."""
        mortal = Fake("mortal", tmp_path, deaths=2)
        sibling = Fake("sibling", tmp_path, after=1)
        assert names(complete([mortal, sibling], tiny)) == ["mortal", "sibling"]
        assert sorted(begun(tmp_path)) == ["mortal"] * 3 + ["sibling"]
        assert gone(pids(tmp_path), 5)

    def test_three_times_is_an_error_that_keeps_what_is_finished(
        self, tiny, tmp_path, two
    ):
        dying = Fake("dying", tmp_path, deaths=99, after=1)
        other = Fake("other", tmp_path)
        late = Fake("late", tmp_path, after=9)
        with pytest.raises(RuntimeError, match=r"pretending, dying.*CAE_WORKERS=1"):
            complete([dying, other, late], tiny)
        assert begun(tmp_path).count("dying") == 3
        assert begun(tmp_path).count("other") == 1
        assert gone(pids(tmp_path), 5)
        assert kept(tmp_path) == 1
        assert all(unlocked(tmp_path, task, tiny) for task in (dying, other, late))
        complete([other], tiny)
        assert begun(tmp_path).count("other") == 1

    def test_one_that_was_idle_is_replaced(self, tiny, tmp_path, two):
        """Here the second task becomes free when its worker has been dead for long."""
        first, second = Fake("first", tmp_path), Fake("second", tmp_path)
        pool = Workers(1, progress_bar)
        pool.bar = type("Bar", (), {"n": 0, "refresh": lambda self: None})()
        with pool:
            for task in (first, second):
                pool.submit(task.name, task, tiny)
                until(lambda: list(pool.finished()))
                (pid,) = alive(pids(tmp_path))
                os.kill(pid, signal.SIGKILL)
                until(lambda: pool.free[0]._flags.broken)
        assert begun(tmp_path) == ["first", "second"]


class TestATaskFails:
    @pytest.mark.parametrize("count", ["1", "2"])
    def test_the_error_reaches_the_caller_and_what_is_finished_is_kept(
        self, tiny, tmp_path, forked, monkeypatch, count
    ):
        monkeypatch.setenv("CAE_WORKERS", count)
        first = Fake("first", tmp_path)
        faulty = Fake("faulty", tmp_path, after=1, fails=True)
        late = Fake("late", tmp_path, after=9)
        start = time.monotonic()
        with pytest.raises(ZeroDivisionError, match="faulty"):
            complete([first, faulty, late], tiny)
        assert time.monotonic() - start < 30  # `late` was not waited for
        assert begun(tmp_path).count("faulty") == 1  # an error would come again
        assert gone(pids(tmp_path) - {os.getpid()}, 5)
        assert kept(tmp_path) == 1
        assert all(unlocked(tmp_path, task, tiny) for task in (first, faulty, late))
        complete([first], tiny)
        assert begun(tmp_path).count("first") == 1

    def test_one_that_is_finished_in_the_same_moment_is_kept(
        self, tiny, tmp_path, two, monkeypatch
    ):
        real_wait = pools.wait

        def wait_for_both(futures, *_):
            return real_wait(futures)

        monkeypatch.setattr(pools, "wait", wait_for_both)
        several = [Fake("faulty", tmp_path, fails=True), Fake("good", tmp_path)]
        with pytest.raises(ZeroDivisionError):
            complete(several, tiny)
        assert kept(tmp_path) == 1


class TestTheCallerIsStopped:
    def test_ctrl_c(self, begin, tmp_path, tiny):
        """Of all processes of the group, as a terminal does it."""
        process = begin(FORKED + STOPPED, CAE_WORKERS="2")
        until(lambda: kept(tmp_path) == 1 and len(begun(tmp_path)) == 3)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "finished runs are kept" in out
        assert err == ""
        assert gone(pids(tmp_path), 5)
        assert kept(tmp_path) == 1

    def test_ctrl_c_while_real_workers_are_still_importing(self, begin, tmp_path):
        process = begin(STOPPED, CAE_WORKERS="2")
        until(lambda: len(starting(process.pid)) == 2)
        started = starting(process.pid)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "Traceback" not in out + err
        assert gone(started, 10)

    def test_sigkill(self, begin, tmp_path, mnist, one):
        process = begin(FORKED + STOPPED, CAE_WORKERS="2")
        until(lambda: kept(tmp_path) == 1 and len(begun(tmp_path)) == 3)
        assert len(alive(pids(tmp_path))) == 2
        process.kill()
        assert gone(pids(tmp_path), 5)
        tasks = [Fake(name, tmp_path) for name in ("first", "second", "third")]
        for task in tasks:
            part = tmp_path / "runs" / f"{task_key(task, mnist)}.part"
            part.write_bytes(b"as far as it came")
        assert names(complete(tasks, mnist)) == ["first", "second", "third"]
        assert [begun(tmp_path).count(task.name) for task in tasks] == [1, 2, 2]
        complete(tasks, mnist)
        assert len(begun(tmp_path)) == 5


class TestTwoCallers:
    def test_of_one_store_do_no_task_twice(self, tiny, tmp_path, one):
        """Each begins with what the other one leaves to the end, so each waits for the other.

        The second one begins while the first one is at `e`, which only the second one's work can end.
        """
        tasks = [Fake(name, tmp_path) for name in "abcd"]
        slow = [Fake("e", tmp_path, after=1), Fake("f", tmp_path, after=1)]
        fork = multiprocessing.get_context("fork")
        answers = fork.Queue()

        def ask(several):
            answers.put(sorted(names(complete(several, tiny))))

        callers = [
            fork.Process(target=ask, args=(several,))
            for several in ([*slow, *tasks], [*tasks[::-1], *slow[::-1]])
        ]
        for caller in callers:
            caller.start()
            until(lambda: begun(tmp_path))
        found = [answers.get(timeout=30) for _ in callers]
        for caller in callers:
            caller.join()
        assert found == [list("abcdef")] * 2
        assert sorted(begun(tmp_path)) == list("abcdef")
        assert len(pids(tmp_path)) == 2

    @pytest.mark.parametrize("count", ["1", "2"])
    def test_who_waits_for_the_other_lets_it_have_the_processor(
        self, tiny, tmp_path, forked, monkeypatch, count
    ):
        monkeypatch.setenv("CAE_WORKERS", count)
        monkeypatch.setenv("CAE_PROGRESS", str(tmp_path / "progress"))
        monkeypatch.setattr(pools, "POLL", 0.1)
        tasks = [Fake(name, tmp_path) for name in "ab"]
        keys = [task_key(task, tiny) for task in tasks]
        store = Store()
        ready = threading.Event()

        def other():
            locks = [store.lock(key) for key in keys]
            ready.set()
            time.sleep(1.5)
            for key, task, lock in zip(keys, tasks, locks, strict=True):
                store.write(key, task, task.do(tiny))
                lock.release()

        thread = threading.Thread(target=other)
        thread.start()
        ready.wait()
        start = time.process_time()
        assert names(complete(tasks, tiny)) == ["a", "b"]
        assert time.process_time() - start < 0.5
        thread.join()
        assert begun(tmp_path) == ["a", "b"]
        shown = (tmp_path / "progress").read_text("utf-8")
        assert "100 %" in shown.split("\r")[-1]


class TestTheirNumber:
    def test_one_a_core_unless_it_is_asked_for(self, monkeypatch):
        assert number_of_workers() == loky.cpu_count()
        monkeypatch.setenv("CAE_WORKERS", "7")
        assert number_of_workers() == 7

    def test_one_on_a_cuda_device(self, monkeypatch):
        monkeypatch.setattr(pools.torch.cuda, "is_available", lambda: True)
        assert number_of_workers() == 1

    @pytest.mark.parametrize("count", ["0", "-1", "two", "1.5", " "])
    def test_a_bad_one_is_refused_before_any_work(
        self, tiny, tmp_path, monkeypatch, count
    ):
        monkeypatch.setenv("CAE_WORKERS", count)
        with pytest.raises(ValueError, match="positive integer") as error:
            complete([Fake("never", tmp_path)], tiny)
        assert f"CAE_WORKERS={count!r}" in str(error.value)
        assert begun(tmp_path) == []

    def test_no_more_than_tasks(self, tiny, tmp_path, monkeypatch):
        """One task alone stays in this process, which spares the start of a worker."""
        monkeypatch.setenv("CAE_WORKERS", "9")
        complete([Fake("alone", tmp_path)], tiny)
        assert pids(tmp_path) == {os.getpid()}

    def test_nothing_to_do_is_no_work(self, tiny):
        assert complete([], tiny) == []


class TestTheBackend:
    @pytest.mark.parametrize("name", ["Ray", "dask", " "])
    def test_an_unknown_one_is_refused_before_any_work(
        self, tiny, tmp_path, monkeypatch, name
    ):
        monkeypatch.setenv("CAE_BACKEND", name)
        with pytest.raises(ValueError, match="one of") as error:
            complete([Fake("never", tmp_path)], tiny)
        message = str(error.value)
        assert f"CAE_BACKEND={name!r}" in message
        assert "'local', 'ray'" in message
        assert begun(tmp_path) == []

    @pytest.mark.parametrize("name", ["", "local"])
    def test_this_machine_unless_it_is_asked_for(
        self, tiny, tmp_path, monkeypatch, name
    ):
        monkeypatch.setenv("CAE_BACKEND", name)
        complete([Fake("here", tmp_path)], tiny)
        assert pids(tmp_path) == {os.getpid()}

    def test_without_ray_the_error_tells_how_to_install_it(
        self, tiny, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("CAE_BACKEND", "ray")
        monkeypatch.setitem(sys.modules, "ray", None)
        monkeypatch.delitem(sys.modules, "cae_keras.study.ray", raising=False)
        with pytest.raises(ValueError, match=r'pip install "ray>=') as error:
            complete([Fake("never", tmp_path)], tiny)
        assert "\n" not in str(error.value)
        assert begun(tmp_path) == []


def test_entries_come_back_in_the_order_of_the_tasks(tiny, tmp_path, two):
    """The last one is finished first."""
    tasks = [Fake("a", tmp_path, after=1), Fake("b", tmp_path)]
    complete([Fake("c", tmp_path)], tiny)
    again = complete([*tasks, Fake("c", tmp_path)], tiny)
    assert names(again) == ["a", "b", "c"]
    for entry in again:
        assert np.array_equal(entry.arrays[0], [0.0, 1.0, 2.0])
