"""Workers, here and on Ray: nothing that happens to one changes a number, loses what is finished, or does it twice.

Most tasks are made up (see `fake_tasks`). What holds for workers of this machine and for a Ray cluster is asked of both;
Ray is a real cluster of two nodes on loopback, where it is installed.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import fake_tasks
import loky
import numpy as np
import pytest
from fake_tasks import Fake, alive, begun, gone, output_into, pids, until

import cae_keras
from cae_keras import CAEConfig, Recipe
from cae_keras.deploy.memory import peak_memory
from cae_keras.study import complete as completing
from cae_keras.study import keys, workers
from cae_keras.study.complete import complete
from cae_keras.study.keys import task_key
from cae_keras.study.store import Entry, Store
from cae_keras.study.tasks import Measuring, Reading, Training
from cae_keras.study.workers import Workers, number_of_workers

RECIPE = Recipe(images=128, epochs=3)
REAL = [Training(CAEConfig(filters=(4, 8), latent_dim=4), RECIPE, s) for s in (0, 1)]
STOPPED = """
import multiprocessing, os, signal, sys
from pathlib import Path
os.setsid()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background is deaf
import fake_tasks
from cae_keras import __main__ as command_line, load_mnist
from cae_keras.study import workers
from cae_keras.study.complete import complete
from fake_tasks import Fake

if os.environ.get("CAE_BACKEND") == "ray":
    import ray
    ray.cloudpickle.register_pickle_by_value(fake_tasks)
elif "forked" in sys.argv:
    executor, fork = workers._executor, multiprocessing.get_context("fork")
    workers._executor = lambda n: executor(n, context=fork)
folder, data = Path(sys.argv[1]), load_mnist()
tasks = [Fake("first", folder), Fake("second", folder, after=9), Fake("third", folder, after=9)]
command_line.run = lambda *_, **__: complete(tasks, data)
sys.exit(command_line.main(["train"]))
"""


@pytest.fixture(scope="module")
def cluster():
    """Two Ray nodes with a processor each, and memory of their own.

    Ray keeps something of callers that were killed: with the 150 MB that are its default here, two of them
    make the third one wait for ever.
    """
    ray = pytest.importorskip("ray", reason="Ray is not installed; it is an extra")
    from ray.cluster_utils import Cluster

    ours = fake_tasks, sys.modules[__name__]
    for module in ours:
        ray.cloudpickle.register_pickle_by_value(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        size = {"num_cpus": 1, "object_store_memory": 2**29}
        first = {"node_ip_address": "127.0.0.2", **size}
        cluster = Cluster(initialize_head=True, head_node_args=first)
        try:
            cluster.add_node(node_ip_address="127.0.0.3", **size)
            yield cluster
        finally:
            cluster.shutdown()
            for module in ours:
                ray.cloudpickle.unregister_pickle_by_value(module)


def settings(where, request):
    """Returns what lets two tasks be done at a time: in this machine's workers, or on a cluster."""
    if where == "here":
        return {"CAE_WORKERS": "2"}
    address = request.getfixturevalue("cluster").address
    return {"CAE_BACKEND": "ray", "RAY_ADDRESS": address}


@pytest.fixture(params=["here", "ray"])
def where(request, monkeypatch):
    if request.param == "here":
        request.getfixturevalue("forked")
    for name, value in settings(request.param, request).items():
        monkeypatch.setenv(name, value)
    return request.param


@pytest.fixture
def on_ray(request, monkeypatch):
    for name, value in settings("ray", request).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def forked(monkeypatch):
    """Two workers that start at once."""
    fork, executor = multiprocessing.get_context("fork"), workers._executor
    monkeypatch.setattr(workers, "_executor", lambda n: executor(n, context=fork))
    monkeypatch.setenv("CAE_WORKERS", "2")


@pytest.fixture
def one(monkeypatch):
    monkeypatch.setenv("CAE_WORKERS", "1")


@pytest.fixture
def begin(start_python, tmp_path):
    """Starts `STOPPED` in a process group of its own; none outlives its test."""
    processes = []

    def start(how):
        before = Path(__file__).parent
        process = start_python(STOPPED, tmp_path, how, before_all=before)
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


def unlocked(task, data):
    """Tells whether another thread could take the lock of a task."""
    locks, key = [], task_key(task, data)
    thread = threading.Thread(target=lambda: locks.append(Store().lock(key)))
    thread.start()
    thread.join()
    if locks[0]:
        locks[0].release()
    return locks[0] is not None


def names(entries):
    return [entry.values["name"] for entry in entries]


def assert_same(entries, others):
    """Holds them against each other bit for bit; the seconds of a training may differ."""
    for entry, other in zip(entries, others, strict=True):
        assert len(entry.arrays) == len(other.arrays)
        for a, b in zip(entry.arrays, other.arrays, strict=True):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        assert entry.values.keys() == other.values.keys()
        for name in entry.values.keys() - {"seconds"}:
            assert entry.values[name] == other.values[name]


@pytest.fixture(scope="module")
def by_one(tiny, tmp_path_factory):
    """Two runs, the reader, and what it measures on one of them, done in this process: the tasks, and their entries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAE_WORKERS", "1")
        patch.setenv("CAE_RUNS", str(tmp_path_factory.mktemp("one") / "runs"))
        tasks = [*REAL, Reading(RECIPE, 0)]
        entries = complete(tasks, tiny)
        run, _, reader = (t.result(e) for t, e in zip(tasks, entries, strict=True))
        measuring = Measuring(run, reader)
        return [*tasks, measuring], [*entries, *complete([measuring], tiny)]


@pytest.fixture(scope="module", params=["here", "ray"])
def by_two(request, by_one, tiny, tmp_path_factory):
    """The same by two workers, and a task that talks; each is asked for twice."""
    folder = tmp_path_factory.mktemp(request.param)
    tasks = [*by_one[0], Fake("talks", folder)]
    with pytest.MonkeyPatch.context() as patch, output_into(folder / "output"):
        for name, value in settings(request.param, request).items():
            patch.setenv(name, value)
        patch.setenv("CAE_PROGRESS", str(folder / "progress"))
        patch.setenv("CAE_RUNS", str(folder / "runs"))
        entries = complete([*tasks, *tasks], tiny)
    return folder, entries


class TestTwoWorkers:
    def test_give_the_bits_that_one_gives(self, by_one, by_two):
        _, entries = by_two
        assert all(len(entry.arrays) > 0 for entry in entries[:3])
        assert all(a.flags.writeable for entry in entries for a in entry.arrays)
        assert_same(entries[:4], by_one[1])
        assert {entry.device for entry in entries} == {"cpu"}

    def test_equal_tasks_are_done_once_by_another_process(self, by_two):
        folder, entries = by_two
        assert kept(folder) == 5
        assert begun(folder) == ["talks"]
        assert entries[:5] == entries[5:]
        assert os.getpid() not in pids(folder)
        assert gone(pids(folder), 30)

    def test_nothing_of_what_they_print_is_seen(self, by_two):
        assert (by_two[0] / "output").read_text() == ""

    def test_one_display_shows_all_tasks_up_to_the_end(self, by_two):
        shown = (by_two[0] / "progress").read_text("utf-8").replace("\r", "\n")
        lines = [line.strip() for line in shown.splitlines() if line.strip()]
        (label,) = {line.split("|")[0].strip() for line in lines}
        assert label in ("5 × training, 2 at a time", "5 × training, on Ray")
        shares = [int(line.split("|")[-1].split("%")[0]) for line in lines]
        assert (shares[0], shares[-1]) == (0, 100)
        assert shares == sorted(shares)


class Bar:
    total, n = 5, 0

    def update(self, steps):
        self.n += steps


def test_steps_are_told_while_a_task_is_under_way(where, tiny, tmp_path):
    """The task has told its five steps, and waits for what will not come."""
    task = Fake("waits", tmp_path, after=1)
    kind = Workers if where == "here" else completing._ray_workers()
    with contextlib.suppress(KeyError), kind(2, Bar()) as pool:
        pool.submit(task_key(task, tiny), task, tiny)
        until(lambda: pool.ended() or pool.bar.n > 0)
        assert 0 < pool.bar.n <= 5
        assert len(pool.busy) == 1
        raise KeyError  # or it would be waited for
    assert gone(pids(tmp_path), 30)


def test_where_ctrl_c_cannot_be_held_back_tasks_are_done(forked, tiny, tmp_path, monkeypatch):  # fmt: skip
    """As on Windows."""
    monkeypatch.delattr("signal.pthread_sigmask")
    tasks = [Fake(name, tmp_path) for name in ("one", "two")]
    assert names(complete(tasks, tiny)) == ["one", "two"]


class TestAWorkerDies:
    def test_what_it_did_is_done_again(self, where, tiny, tmp_path):
        """The sibling waits for what the dying one gives; here it is lost, too, since one executor has all workers."""
        mortal = Fake("mortal", tmp_path, deaths=2)
        sibling = Fake("sibling", tmp_path, after=1)
        assert names(complete([sibling, mortal], tiny)) == ["sibling", "mortal"]
        assert begun(tmp_path).count("mortal") == 3
        assert begun(tmp_path).count("sibling") <= (3 if where == "here" else 1)
        assert gone(pids(tmp_path), 30)

    def test_three_times_is_an_error_that_keeps_what_is_finished(self, where, tiny, tmp_path):  # fmt: skip
        dying = Fake("dying", tmp_path, deaths=99, after=1)
        other, late = Fake("other", tmp_path), Fake("late", tmp_path, after=9)
        told = {"here": "died 3 times.*CAE_WORKERS=1", "ray": "3 attempts"}[where]
        with pytest.raises(RuntimeError, match=f"pretending, dying.*{told}") as error:
            complete([dying, other, late], tiny)
        assert "\n" not in str(error.value)
        assert begun(tmp_path).count("dying") == 3
        assert gone(pids(tmp_path), 30)
        assert kept(tmp_path) == 1
        assert all(unlocked(task, tiny) for task in (dying, other, late))
        complete([other], tiny)
        assert begun(tmp_path).count("other") == 1

    def test_deaths_are_counted_anew_when_a_task_is_finished(self, forked, tiny, tmp_path):  # fmt: skip
        tasks = [Fake(name, tmp_path, deaths=2) for name in ("one", "two")]
        tasks[1] = Fake("two", tmp_path, deaths=2, after=1)
        assert names(complete(tasks, tiny)) == ["one", "two"]

    def test_one_that_was_idle_is_replaced(self, forked, tiny, tmp_path):
        """Here the next task comes when the workers have been dead for long."""
        with Workers(2, Bar()) as pool:
            for at in range(2):
                task = Fake(str(at), tmp_path)
                until(lambda task=task: self.is_done(pool, task, tiny))
                os.kill(max(alive(pids(tmp_path))), signal.SIGKILL)
                until(lambda: pool.executor._flags.broken)

    def is_done(self, pool, task, data):
        pool.submit(task.name, task, data)
        with contextlib.suppress(workers.BrokenProcessPool):
            until(lambda: pool.busy and (found := pool.ended()) and found[0][1]())
            return True


class TestATaskFails:
    @pytest.mark.parametrize("count", ["1", "2"])
    def test_the_error_reaches_the_caller_and_what_is_finished_is_kept(
        self, where, tiny, tmp_path, monkeypatch, count
    ):
        monkeypatch.setenv("CAE_WORKERS", count)
        first, late = Fake("first", tmp_path), Fake("late", tmp_path, after=9)
        faulty = Fake("faulty", tmp_path, after=1, fails=True)
        with pytest.raises(ZeroDivisionError, match="faulty") as error:
            complete([first, faulty, late], tiny)
        if count == "2":
            assert error.value.__notes__ == ["while pretending, faulty"]
        assert begun(tmp_path).count("faulty") == 1  # an error would come again
        assert gone(pids(tmp_path) - {os.getpid()}, 30)
        assert kept(tmp_path) == 1
        assert all(unlocked(task, tiny) for task in (first, faulty, late))

    def test_what_is_finished_in_the_same_moment_is_kept(self, forked, tiny, tmp_path, monkeypatch):  # fmt: skip
        wait = workers.wait
        monkeypatch.setattr(workers, "wait", lambda futures, *_: wait(futures))
        several = [Fake("faulty", tmp_path, fails=True), Fake("good", tmp_path)]
        with pytest.raises(ZeroDivisionError):
            complete(several, tiny)
        assert kept(tmp_path) == 1

    def test_a_worker_of_other_code_does_nothing(self, forked, tiny, tmp_path, monkeypatch):  # fmt: skip
        """Here each process has its own."""
        monkeypatch.setattr(workers, "code_digests", lambda task: os.getpid())
        with pytest.raises(RuntimeError, match="cae_keras was changed after this"):
            complete([Fake("a", tmp_path), Fake("b", tmp_path)], tiny)
        assert begun(tmp_path) == []
        assert kept(tmp_path) == 0


class TestTheCallerIsStopped:
    @pytest.mark.parametrize("how, code", [("SIGINT", 130), ("SIGKILL", -9)])
    def test_no_task_is_left_behind(self, where, begin, tmp_path, how, code):
        """By Ctrl-C all processes of the group are told to stop, as a terminal does it."""
        process = begin("forked")
        until(lambda: kept(tmp_path) == 1 and len(begun(tmp_path)) == 3)
        if how == "SIGINT":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.kill()
        out, err = process.communicate(timeout=120)
        assert process.returncode == code
        if how == "SIGINT":
            assert err == ""
            assert "finished runs are kept" in out
        assert gone(pids(tmp_path), 60)
        assert kept(tmp_path) == 1

    def test_ctrl_c_while_workers_are_still_importing(self, begin, tmp_path, monkeypatch):  # fmt: skip
        monkeypatch.setenv("CAE_WORKERS", "2")
        process = begin("as they are")
        until(lambda: len(self.starting(process.pid)) == 2)
        started = self.starting(process.pid)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "Traceback" not in out + err
        assert gone(started, 10)

    def starting(self, pid):
        """Returns the loky workers of a process, whether or not they have begun anything."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                line = (folder / "cmdline").read_text()
                if int(parent) == pid and "popen_loky" in line:
                    found.add(int(folder.name))
        return found

    def test_what_a_killed_one_has_left_is_in_nobodys_way(self, one, tiny, tmp_path):
        task = Fake("task", tmp_path)
        (tmp_path / "runs").mkdir()
        for suffix in (".part", ".lock"):
            path = tmp_path / "runs" / f"{task_key(task, tiny)}{suffix}"
            path.write_bytes(b"as far as it came")
        assert names(complete([task], tiny)) == ["task"]


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


class TestHowManyAndWhere:
    def test_one_a_core_unless_it_is_asked_for(self, monkeypatch):
        assert number_of_workers() == loky.cpu_count()
        monkeypatch.setattr(workers, "on_gpu", lambda: True)
        assert number_of_workers() == workers.ON_GPU
        monkeypatch.setenv("CAE_WORKERS", "7")
        assert number_of_workers() == 7

    def test_one_task_alone_stays_in_this_process(self, tiny, tmp_path, monkeypatch):
        """That spares the start of a worker."""
        monkeypatch.setenv("CAE_WORKERS", "9")
        monkeypatch.setenv("CAE_BACKEND", "local")
        complete([Fake("alone", tmp_path)], tiny)
        assert pids(tmp_path) == {os.getpid()}
        assert complete([], tiny) == []

    @pytest.mark.parametrize("worth, here", [(11, True), (10, False)])
    def test_what_takes_fewer_steps_than_it_is_worth_starts_no_workers(
        self, forked, tiny, tmp_path, monkeypatch, worth, here
    ):
        """Two tasks of five steps each, with two cores and no number of workers asked for."""
        monkeypatch.delenv("CAE_WORKERS")
        monkeypatch.setattr(workers.loky, "cpu_count", lambda: 2)
        monkeypatch.setattr(completing, "WORTH", worth)
        complete([Fake("first", tmp_path), Fake("second", tmp_path)], tiny)
        assert (pids(tmp_path) == {os.getpid()}) == here

    def test_where_no_process_can_start_tasks_are_done_here_and_it_is_said(self, tiny, tmp_path, monkeypatch):  # fmt: skip
        """As where `/dev/shm` is read-only, and the system gives no semaphore."""

        def refuse(*_, **__):
            raise OSError(30, "Read-only file system")

        monkeypatch.setenv("CAE_WORKERS", "2")
        monkeypatch.setattr(loky, "ProcessPoolExecutor", refuse)
        tasks = [Fake("first", tmp_path), Fake("second", tmp_path)]
        with pytest.warns(UserWarning, match="CAE_WORKERS=2: .*Read-only.*one by one"):
            assert names(complete(tasks, tiny)) == ["first", "second"]
        assert pids(tmp_path) == {os.getpid()}
        assert np.isnan(peak_memory({"a": CAEConfig()})["a"]).all()


class TestRayIsNotThere:
    def test_without_ray_the_error_tells_how_to_install_it(self, tiny, tmp_path, monkeypatch):  # fmt: skip
        monkeypatch.setenv("CAE_BACKEND", "ray")
        monkeypatch.setitem(sys.modules, "ray", None)
        monkeypatch.delitem(sys.modules, "cae_keras.study.ray", raising=False)
        with pytest.raises(ValueError, match=r'pip install "ray>=') as error:
            complete([Fake("never", tmp_path)], tiny)
        assert "\n" not in str(error.value)
        assert begun(tmp_path) == []

    @pytest.mark.parametrize("address", ["", "auto", "127.0.0.2", "no.such.host:1", 0])
    def test_no_cluster_answers(self, tiny, tmp_path, monkeypatch, address):
        ray = pytest.importorskip("ray")
        if not address and address != "":
            with socket.create_server(("127.0.0.2", 0)) as server:
                address = f"127.0.0.2:{server.getsockname()[1]}"
        monkeypatch.setenv("CAE_BACKEND", "ray")
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ValueError, match="ray start --head") as error:
            complete([Fake("never", tmp_path)], tiny)
        assert f"RAY_ADDRESS={address!r}" in str(error.value)
        assert begun(tmp_path) == []
        assert not ray.is_initialized()


@dataclass(frozen=True)
class Meets(Fake):
    """Waits until another one has begun; tells where it was done, and by which code."""

    def do(self, data):
        import ray

        with open(self.folder / "log", "a") as log:
            log.write(f"{self.name} {os.getpid()}\n")
        until(lambda: len(begun(self.folder)) == 2)
        node = ray.get_runtime_context().get_node_id()
        return Entry({"node": node, "code": cae_keras.__file__}, ())


@pytest.mark.usefixtures("on_ray")
class TestRay:
    def test_nodes_work_at_the_same_time_with_the_code_of_the_caller(self, tiny, tmp_path):  # fmt: skip
        entries = complete([Meets("a", tmp_path), Meets("b", tmp_path)], tiny)
        assert len({entry.values["node"] for entry in entries}) == 2
        here = Path(cae_keras.__file__).parent
        for entry in entries:
            there = Path(entry.values["code"]).parent
            assert there != here
            assert not [*there.rglob("*.gz")]
            for path in here.rglob("*.py"):
                copy = there / path.relative_to(here)
                assert copy.read_bytes() == path.read_bytes()

    def test_other_packages_on_a_node_are_refused(self, tiny, tmp_path, monkeypatch):
        monkeypatch.setattr(keys, "version", lambda _: "0.1")
        with pytest.raises(ValueError, match="the packages of the caller") as error:
            complete([Fake("never", tmp_path)], tiny)
        message = str(error.value)
        assert message.startswith("the Ray node 127.0.0.")
        assert f" has numpy=={np.__version__}: " in message
        assert begun(tmp_path) == []

    def test_a_node_that_lacks_a_package_is_said_in_one_line(self, tiny, tmp_path, monkeypatch):  # fmt: skip
        """Here it lacks this one, which was not sent; nor is it found where the caller has it."""
        monkeypatch.setattr("cae_keras.study.ray.SHIPPED", ["/*", "!/."])
        with pytest.raises(RuntimeError, match="No module named 'cae_keras'") as error:
            complete([Fake("never", tmp_path)], tiny)
        assert str(error.value).startswith("pretending, never: ")
        assert "\n" not in str(error.value)
        assert begun(tmp_path) == []
