"""What a GPU does: the same sums, captured. All but one of the tests need none."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cae_keras import run, try_all
from cae_keras.config import Recipe
from cae_keras.experiments import configurations
from cae_keras.study import captured, complete, gpu, keys, tasks, workers
from cae_keras.study.captured import Captured
from cae_keras.study.gpu import GpuWorkers
from cae_keras.study.store import Store
from cae_keras.training import pinned, train

CONFIGS = configurations()
SHORT = Recipe(images=160, epochs=4)  # two batches of 64 and one of 32


@pytest.fixture
def a_gpu(monkeypatch):
    """Lets the package take the processor for a GPU on which nothing can be captured."""
    for module in (complete, keys, workers):
        monkeypatch.setattr(module, "on_gpu", lambda: True)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("name", CONFIGS)
def test_it_computes_what_training_computes(name, optimizer, tiny):
    """In twelve steps, of which the last of each epoch has fewer images."""
    recipe = replace(SHORT, optimizer=optimizer)
    plain = train(CONFIGS[name], recipe, 3, tiny)
    with pinned():
        one = Captured(CONFIGS[name], recipe, 3, tiny)
        while one.left:
            one.step()
    found = one.run()
    for what in ("epoch", "loss", "val_loss", "learning_rate"):
        assert found.history[what] == pytest.approx(plain.history[what], abs=1e-4)
    assert (found.config, found.recipe, found.seed) == (plain.config, plain.recipe, 3)
    x = tiny.x_test
    assert abs(found.reconstruct(x) - plain.reconstruct(x)).mean() < 1e-3


@pytest.mark.usefixtures("a_gpu")
def test_what_a_gpu_gave_is_kept_apart_and_found_there_again(tiny, monkeypatch):
    asked = {name: CONFIGS[name] for name in ("baseline", "2 latents", "batch norm")}
    given = {"recipe": SHORT, "seeds": (0, 1), "data": tiny}
    there = run(asked, **given)
    monkeypatch.setattr(gpu, "Captured", None)  # nothing is trained again
    again = run(asked, **given)
    monkeypatch.undo()
    monkeypatch.setenv("CAE_WORKERS", "1")
    here = run(asked, **given)
    for name in asked:
        for one, two, other in zip(there[name], again[name], here[name], strict=True):
            assert all(map(np.array_equal, one.weights, two.weights))
            assert one.history["loss"] == pytest.approx(other.history["loss"], abs=1e-4)
            assert not all(map(np.array_equal, one.weights, other.weights))


def test_trials_give_what_they_give_elsewhere(tiny, a_gpu, monkeypatch):
    asked, given = {"a": CONFIGS["narrow"]}, {"recipe": SHORT, "data": tiny}
    there = try_all(asked, **given)["a"]
    monkeypatch.undo()
    monkeypatch.setenv("CAE_WORKERS", "1")
    for what, values in try_all(asked, **given)["a"].items():
        assert there[what] == pytest.approx(values, abs=1e-3)


@pytest.mark.usefixtures("a_gpu")
def test_several_are_at_work_in_turns(tiny, monkeypatch):
    """Before any of them is done, and never more than are asked for."""
    seen = []

    class Watched(Captured):
        def step(self):
            seen.append(self.asked[2])
            super().step()

    monkeypatch.setattr(gpu, "Captured", Watched)
    monkeypatch.setenv("CAE_WORKERS", "2")
    run({"a": CONFIGS["narrow"]}, recipe=SHORT, seeds=(5, 6, 7), data=tiny)
    assert seen == [5, 6] * SHORT.steps + [7] * SHORT.steps


@pytest.mark.usefixtures("a_gpu")
def test_what_fails_is_named_and_the_others_are_kept(tiny, monkeypatch):
    class Broken(Captured):
        def step(self):
            if self.asked[2] == 6:
                raise torch.cuda.OutOfMemoryError("no memory is left")
            super().step()

    monkeypatch.setattr(gpu, "Captured", Broken)
    monkeypatch.setattr(gpu, "ROUND", SHORT.steps)
    with pytest.raises(torch.cuda.OutOfMemoryError) as caught:
        run({"a": CONFIGS["narrow"]}, recipe=SHORT, seeds=(5, 6), data=tiny)
    assert caught.value.__notes__ == ["while training, 16-32-32, 32 latents"]
    assert len([*Store().entries()]) == 1


@pytest.mark.usefixtures("a_gpu")
def test_other_tasks_are_done_where_they_always_were(tiny):
    bar = type("Bar", (), {"total": 99, "n": 0, "update": lambda self, n=1: None})()
    task = tasks.Reading(Recipe(images=128, epochs=1, optimizer="adam"), 0)
    with GpuWorkers(2, bar) as pool:
        pool.submit("key", task, tiny)
        ((key, result),) = pool.ended()
    assert key == "key"
    assert task.result(result()).weights


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_replayed_step_is_a_computed_one(tiny, monkeypatch):
    histories = []
    for plain in (captured.PLAIN, 99):
        monkeypatch.setattr(captured, "PLAIN", plain)
        with pinned():
            one = Captured(CONFIGS["batch norm"], SHORT, 0, tiny)
            while one.left:
                one.step()
        assert bool(one.graphs) == (plain < 99)
        histories.append(one.run().history["loss"])
    assert histories[0] == pytest.approx(histories[1], abs=1e-4)
