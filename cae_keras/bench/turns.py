"""Contenders that wait in processes of their own, of which one at a time is let run.

Conditions are the same for all of them: a fresh Python that has imported this package,
torch's default threads unless a contender sets one, and glibc taught to keep freed
memory (`keep_memory`). Without the last, a loop that has never freed a large block
fetches its memory anew in each step, and one that has does not: a matter of history.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import connection

from cae_keras.data import Mnist
from cae_keras.study.pools import deaf_to_ctrl_c
from cae_keras.training import keep_memory

SPAWN = multiprocessing.get_context("spawn")
SETTLE = 0.5  # seconds at the start of a turn that do not count: caches are cold
POLL = 0.01  # seconds between two looks at a counter
PATIENCE = 300.0  # seconds in which a contender has to do a step

Train = Callable[[Mnist, Callable[[], None]], None]


class Contender:
    """One way to train, in one process or in several that start at the same time.

    Entered as a context it starts the processes, and kills them at its end.

    Args:
        name: What errors call it.
        processes: How many train side by side.
    """

    def __init__(self, name: str, processes: int = 1):
        self.name, self.gate = name, SPAWN.Event()
        self.pipes, theirs = zip(*(SPAWN.Pipe() for _ in range(processes)), strict=True)
        self.counters = [SPAWN.Array("d", 3) for _ in range(processes)]
        self.processes = [
            SPAWN.Process(target=_work, args=(pipe, self.gate, counter), daemon=True)
            for pipe, counter in zip(theirs, self.counters, strict=True)
        ]
        self.theirs = theirs

    def __enter__(self):
        with deaf_to_ctrl_c():
            for process, pipe in zip(self.processes, self.theirs, strict=True):
                process.start()
                pipe.close()  # so that a death shows at the other end
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.join()

    def send(self, train: Train, data: Mnist):
        """Tells the processes what to do; they begin when it is their turn."""
        for process, pipe in zip(self.processes, self.pipes, strict=True):
            try:
                pipe.send((train, data))
            except OSError:  # nobody listens
                self._fail(process, pipe)

    def warm_up(self, steps: int):
        """Lets it run until each process has done so many steps."""
        self.gate.set()
        self._until(lambda: min(self._steps()) >= steps)
        self.gate.clear()

    def run(self, seconds: float) -> tuple[float, float]:
        """Lets it run for a while.

        Returns:
            Steps a second, of all processes together; and the processor seconds that
            each process had a second, the mean of them.
        """
        self.gate.set()
        begin = self._after(SETTLE)
        end = self._after(seconds)
        self.gate.clear()
        rate = share = 0.0
        for before, after in zip(begin, end, strict=True):
            steps, wall, cpu = (b - a for a, b in zip(before, after, strict=True))
            rate += steps / wall
            share += cpu / wall / len(begin)
        return rate, share

    def _after(self, seconds: float) -> list[tuple[float, float, float]]:
        """Waits some seconds, and for a step of each process.

        Returns:
            For each its steps, and clock and processor time when it did the last one.
        """
        before = self._steps()
        self._wait(seconds)
        self._until(
            lambda: all(n > m for n, m in zip(self._steps(), before, strict=True))
        )
        return [tuple(counter[:]) for counter in self.counters]

    def _steps(self) -> list[float]:
        return [counter[0] for counter in self.counters]

    def _until(self, happened: Callable[[], bool]):
        end = time.monotonic() + PATIENCE
        while not happened():
            self._wait(POLL)
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name}: no step in {PATIENCE:.0f} s")

    def _wait(self, seconds: float):
        """Sleeps, but for a process that dies meanwhile."""
        ended = connection.wait([p.sentinel for p in self.processes], seconds)
        for process, pipe in zip(self.processes, self.pipes, strict=True):
            if process.sentinel in ended:
                self._fail(process, pipe)

    def _fail(self, process, pipe):
        process.join()
        reason = f"exit code {process.exitcode}"
        with contextlib.suppress(EOFError, OSError):
            reason = pipe.recv() if pipe.poll() else reason
        raise RuntimeError(f"{self.name}: its process died ({reason})")


def in_turns(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    least: int = 0,
    seconds: float = float("inf"),
    done: Callable[[], None] = lambda: None,
) -> dict[str, list]:
    """Calls each once a round, in an order that rotates from round to round.

    Args:
        calls: What to do, by names.
        rounds: How many rounds at most.
        least: How many at least, whatever time they take.
        seconds: When a further round would end after so many, none is begun.
        done: Called after each call.

    Returns:
        What the calls returned, by names; one value a round.

    Example:
        >>> in_turns({"one": lambda: 1, "two": lambda: 2}, rounds=3)
        {'one': [1, 1, 1], 'two': [2, 2, 2]}
    """
    found, names, start = {name: [] for name in calls}, list(calls), time.monotonic()
    for turn in range(rounds):
        passed = time.monotonic() - start
        if turn >= max(least, 1) and passed * (turn + 1) / turn > seconds:
            break
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(calls[name]())
            done()
    return found


def _work(pipe, gate, counter):
    """Trains in a process of its own; ends with its parent, and tells why it ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        train, data = pipe.recv()
        keep_memory()
        gate.wait()
        train(data, _counting(gate, counter))
        pipe.send("the training ended")
    except BaseException as error:
        pipe.send(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


def _counting(gate, counter) -> Callable[[], None]:
    """Returns what to call after each step; it waits while it is another's turn."""
    steps = 0

    def step():
        nonlocal steps
        steps += 1
        counter[:] = steps, time.perf_counter(), time.process_time()
        gate.wait()

    return step


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)
