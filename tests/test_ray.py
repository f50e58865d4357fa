"""Ray: a real cluster of two nodes on loopback gives what this process gives, and loses no more than one worker had."""

import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import fake_tasks
import numpy as np
import pytest
from fake_tasks import Fake, begun, gone, output_into, pids, until

import cae_keras
from cae_keras import CAEConfig, Recipe
from cae_keras.progress import relayed
from cae_keras.study.store import Entry, task_key
from cae_keras.study.tasks import Measuring, Reading, Training
from cae_keras.study.workers import complete

ray = pytest.importorskip("ray", reason="Ray is not installed; it is an extra")
from ray.cluster_utils import Cluster  # noqa: E402

from cae_keras import ray_pool, store  # noqa: E402

RECIPE = Recipe(images=128, epochs=3)
REAL = [Training(CAEConfig(filters=(4, 8), latent_dim=4), RECIPE, s) for s in (0, 1)]
STOPPED = """
import signal, sys
from pathlib import Path
import ray, fake_tasks
from cae_keras import __main__ as command_line, load_mnist
from cae_keras.study import workers
from fake_tasks import Fake

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
ray.cloudpickle.register_pickle_by_value(fake_tasks)
folder, data = Path(sys.argv[1]), load_mnist()
tasks = [Fake("first", folder), Fake("second", folder, after=9), Fake("third", folder, after=9)]
command_line.run = lambda *_, **__: workers.complete(tasks, data)
sys.exit(command_line.main(["train"]))
"""

FAILING = """
import sys
from pathlib import Path
import ray, fake_tasks
from cae_keras import load_mnist
from cae_keras.study import workers
from fake_tasks import Fake

ray.cloudpickle.register_pickle_by_value(fake_tasks)
try:
    workers.complete([Fake("fails", Path(sys.argv[1]), fails=True)], load_mnist())
except ZeroDivisionError as error:
    print("told:", error)
"""


@dataclass(frozen=True)
class Mortal(Training):
    """A training whose process is killed at its third step, the first time."""

    folder: Path

    def asked(self):
        return {
            name: value for name, value in super().asked().items() if name != "folder"
        }

    def do(self, data):
        with open(self.folder / "log", "a") as log:
            log.write(f"mortal {os.getpid()}\n")
        first, steps = len(begun(self.folder)) == 1, []

        def on_step():
            steps.append(1)
            if first and len(steps) == 3:
                os.kill(os.getpid(), signal.SIGKILL)

        with relayed(on_step):
            return super().do(data)


@dataclass(frozen=True)
class Meets(Fake):
    """Waits until another one has begun; tells where it was done, and by which code."""

    def do(self, data):
        with open(self.folder / "log", "a") as log:
            log.write(f"{self.name} {os.getpid()}\n")
        end = time.monotonic() + 120
        while len(begun(self.folder)) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        node = ray.get_runtime_context().get_node_id()
        return Entry({"node": node, "code": cae_keras.__file__}, ())


class Bar:
    n = 0

    def refresh(self):
        pass


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with a processor each, and memory of their own.

    Ray keeps something of callers that were killed: with the 150 MB that are its default here, two of them
    make the third one wait for ever.
    """
    for module in (fake_tasks, sys.modules[__name__]):
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
            for module in (fake_tasks, sys.modules[__name__]):
                ray.cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture
def on_ray(cluster, monkeypatch):
    monkeypatch.setenv("CAE_BACKEND", "ray")
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)


def kept(folder):
    """Returns how many entries are in the store."""
    return len(list((folder / "runs").glob("*.npz")))


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
def done_here(tiny, tmp_path_factory):
    """Two runs, the reader, and what it measures on one of them: the tasks, and their entries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAE_WORKERS", "1")
        patch.setenv("CAE_RUNS", str(tmp_path_factory.mktemp("here") / "runs"))
        tasks = [*REAL, Reading(RECIPE, 0)]
        entries = complete(tasks, tiny)
        run, _, reader = (t.result(e) for t, e in zip(tasks, entries, strict=True))
        measuring = Measuring(run, reader)
        return [*tasks, measuring], [*entries, *complete([measuring], tiny)]


@pytest.fixture(scope="module")
def done_on_ray(done_here, cluster, tiny, tmp_path_factory):
    """The same on the cluster, and a task that talks; each is asked for twice."""
    folder = tmp_path_factory.mktemp("on_ray")
    tasks = [*done_here[0], Fake("talks", folder)]
    with pytest.MonkeyPatch.context() as patch, output_into(folder / "output"):
        patch.setenv("CAE_BACKEND", "ray")
        patch.setenv("RAY_ADDRESS", cluster.address)
        patch.setenv("CAE_PROGRESS", str(folder / "progress"))
        patch.setenv("CAE_RUNS", str(folder / "runs"))
        entries = complete([*tasks, *tasks], tiny)
    return folder, entries


class TestTwoNodes:
    def test_give_the_bits_that_this_process_gives(self, done_here, done_on_ray):
        _, entries = done_on_ray
        assert all(len(entry.arrays) > 0 for entry in entries[:3])
        assert_same(entries[:4], done_here[1])
        assert {entry.device for entry in entries} == {"cpu"}

    def test_equal_tasks_are_done_once(self, done_on_ray):
        folder, entries = done_on_ray
        assert kept(folder) == 5
        assert begun(folder) == ["talks"]
        assert entries[:5] == entries[5:]

    def test_arrays_outlive_the_connection_and_can_be_written(self, done_on_ray):
        _, entries = done_on_ray
        assert not ray.is_initialized()
        for entry in entries:
            for array in entry.arrays:
                assert array.flags.owndata
                assert array.flags.writeable

    def test_nothing_of_what_they_print_is_seen(self, done_on_ray):
        folder, _ = done_on_ray
        assert (folder / "output").read_text() == ""

    def test_one_display_shows_all_tasks_up_to_the_end(self, done_on_ray):
        folder, _ = done_on_ray
        shown = (folder / "progress").read_text("utf-8").replace("\r", "\n")
        lines = [line.strip() for line in shown.splitlines() if line.strip()]
        labels = {line.split("|")[0].strip() for line in lines}
        assert labels == {"5 × training, on Ray"}
        shares = [int(line.split("|")[-1].split("%")[0]) for line in lines]
        assert (shares[0], shares[-1]) == (0, 100)
        assert shares == sorted(shares)

    def test_work_at_the_same_time_with_the_code_of_the_caller(
        self, on_ray, tiny, tmp_path
    ):
        entries = complete([Meets("a", tmp_path), Meets("b", tmp_path)], tiny)
        assert len({entry.values["node"] for entry in entries}) == 2
        for entry in entries:
            there, here = Path(entry.values["code"]), Path(cae_keras.__file__)
            assert there != here
            assert not (there.parent / "mnist").exists()
            sources = sorted(path.name for path in here.parent.glob("*.py"))
            assert sources == sorted(path.name for path in there.parent.glob("*.py"))
            for name in sources:
                copy = there.with_name(name).read_bytes()
                assert copy == here.with_name(name).read_bytes()

    def test_steps_are_told_while_a_task_is_under_way(self, on_ray, tiny, tmp_path):
        """The task has told its five steps, and waits for what will not come."""
        bar, task = Bar(), Fake("waits", tmp_path, after=1)
        with ray_pool.RayTasks(None, bar) as pool:
            pool.submit(task_key(task, tiny), task, tiny)
            until(lambda: [*pool.finished()] or bar.n > 0)
            assert 0 < bar.n <= 5
            assert len(pool.busy) == 1
        assert gone(pids(tmp_path), 30)

    def test_no_more_at_a_time_than_cae_workers(self, on_ray, tiny, tmp_path):
        task = Fake("alone", tmp_path)
        with ray_pool.RayTasks(1, Bar()) as pool:
            assert pool.has_room()
            pool.submit(task_key(task, tiny), task, tiny)
            assert not pool.has_room()
            until(lambda: [*pool.finished()])
            assert pool.has_room()


class TestAWorkerDies:
    def test_it_costs_its_own_task_only_which_is_done_again(
        self, on_ray, tiny, tmp_path
    ):
        """The sibling waits for what the dying one gives."""
        mortal = Fake("mortal", tmp_path, deaths=2)
        sibling = Fake("sibling", tmp_path, after=1)
        assert names(complete([sibling, mortal], tiny)) == ["sibling", "mortal"]
        assert sorted(begun(tmp_path)) == ["mortal"] * 3 + ["sibling"]
        assert gone(pids(tmp_path), 30)

    def test_a_training_that_was_killed_gives_the_same_bits(
        self, on_ray, done_here, tiny, tmp_path
    ):
        mortal = Mortal(REAL[0].config, RECIPE, 0, tmp_path)
        assert_same(complete([mortal], tiny), done_here[1][:1])
        assert begun(tmp_path) == ["mortal"] * 2
        assert len(pids(tmp_path)) == 2

    def test_three_times_is_an_error_that_keeps_what_is_finished(
        self, on_ray, tiny, tmp_path
    ):
        dying = Fake("dying", tmp_path, deaths=99, after=1)
        other = Fake("other", tmp_path)
        late = Fake("late", tmp_path, after=9)
        with pytest.raises(
            RuntimeError, match=r"pretending, dying.*3 attempts"
        ) as error:
            complete([dying, other, late], tiny)
        assert "\n" not in str(error.value)
        assert begun(tmp_path).count("dying") == 3
        assert begun(tmp_path).count("other") == 1
        assert gone(pids(tmp_path), 30)
        assert kept(tmp_path) == 1


def test_an_error_reaches_the_caller_and_what_is_finished_is_kept(
    on_ray, tiny, tmp_path
):
    first = Fake("first", tmp_path)
    faulty = Fake("faulty", tmp_path, after=1, fails=True)
    late = Fake("late", tmp_path, after=9)
    with pytest.raises(ZeroDivisionError, match="faulty") as error:
        complete([first, faulty, late], tiny)
    assert error.value.__notes__ == ["while pretending, faulty"]
    assert begun(tmp_path).count("faulty") == 1  # an error would come again
    assert gone(pids(tmp_path), 30)
    assert kept(tmp_path) == 1


def test_other_packages_on_a_node_are_refused(on_ray, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "version", lambda _: "0.1")
    with pytest.raises(ValueError, match="the packages of the caller") as error:
        complete([Fake("never", tmp_path)], tiny)
    message = str(error.value)
    assert message.startswith("the Ray node 127.0.0.")
    assert f" has numpy=={np.__version__}: " in message
    assert begun(tmp_path) == []


def test_a_node_that_lacks_a_package_is_said_in_one_line(
    on_ray, tiny, tmp_path, monkeypatch
):
    """Here it lacks this one, which was not sent; nor is it found where the caller has it."""
    monkeypatch.setattr(ray_pool, "ALL_BUT_THE_PACKAGE", ["/*", "!/."])
    with pytest.raises(RuntimeError, match="No module named 'cae_keras'") as error:
        complete([Fake("never", tmp_path)], tiny)
    assert str(error.value).startswith("pretending, never: ")
    assert "\n" not in str(error.value)
    assert begun(tmp_path) == []


@pytest.mark.parametrize("how, code", [("SIGINT", 130), ("SIGKILL", -9)])
def test_a_caller_that_is_stopped_leaves_no_task_behind(
    on_ray, start_python, tmp_path, how, code
):
    process = start_python(STOPPED, tmp_path, before_all=Path(__file__).parent)
    try:
        until(lambda: kept(tmp_path) == 1 and len(begun(tmp_path)) == 3)
        process.send_signal(getattr(signal, how))
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    assert err == ""
    assert ("finished runs are kept" in out) == (how == "SIGINT")
    assert gone(pids(tmp_path), 60)
    assert kept(tmp_path) == 1


@pytest.mark.usefixtures("on_ray")
def test_an_error_does_not_end_the_caller(start_python, tmp_path):
    """As Ray 2.60 does, about every other time, if the task that raised it is cancelled."""
    for at in range(5):
        folder = tmp_path / str(at)
        folder.mkdir()
        process = start_python(FAILING, folder, before_all=Path(__file__).parent)
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
        assert (process.returncode, out) == (0, "told: fails\n"), err


class TestNoCluster:
    @pytest.mark.parametrize("address", ["", "auto", "127.0.0.2", "no.such.host:1"])
    def test_at_a_bad_address(self, tiny, tmp_path, monkeypatch, address):
        self.refused(tiny, tmp_path, monkeypatch, address)

    def test_where_nobody_listens(self, tiny, tmp_path, monkeypatch):
        with socket.create_server(("127.0.0.2", 0)) as server:
            address = f"127.0.0.2:{server.getsockname()[1]}"
        self.refused(tiny, tmp_path, monkeypatch, address)

    def refused(self, tiny, tmp_path, monkeypatch, address):
        monkeypatch.setenv("CAE_BACKEND", "ray")
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ValueError, match="ray start --head") as error:
            complete([Fake("never", tmp_path)], tiny)
        assert f"RAY_ADDRESS={address!r}" in str(error.value)
        assert begun(tmp_path) == []
        assert not ray.is_initialized()
