"""Where tasks are done on a GPU: in this process, several networks side by side."""

from concurrent.futures import Future
from functools import partial

from cae_keras.data import Mnist
from cae_keras.progress import relayed
from cae_keras.study.captured import Captured
from cae_keras.study.tasks import Task, Training
from cae_keras.study.workers import Workers, noted
from cae_keras.training import pinned

ROUND = 100  # steps of each network between two looks at what has ended


class GpuWorkers(Workers):
    """Trains so many networks in turns, a step each; other tasks it does one by one."""

    how, poll = "{} at a time, on the GPU", 0

    def __enter__(self):
        self.at_work, self.steps = {}, 0  # future: what is captured, task, data
        return self

    def __exit__(self, *_):
        self.at_work = {}

    def ended(self):
        with pinned():
            for _ in range(ROUND):
                for future in [*self.at_work]:
                    self._step(future)
        return super().ended()

    def count(self, steps: int):
        self.steps += steps

    def _counted(self) -> int:
        return self.steps

    def _begun(self, key: str, task: Task, data: Mnist) -> Future:
        if not isinstance(task, Training):
            return self._here(task, data)
        future = Future()
        with pinned(), relayed(partial(self.count, 1)):
            learnt_from = task.learnt_from(data)
            captured = Captured(task.config, task.recipe, task.seed, learnt_from)
        self.at_work[future] = captured, task, data
        return future

    def _step(self, future: Future):
        captured, task, data = self.at_work[future]
        try:
            captured.step()
            if not captured.left:
                future.set_result(noted(task.kept(captured.run(), data)))
        except Exception as error:
            future.set_exception(error)
        if future.done():
            del self.at_work[future]
