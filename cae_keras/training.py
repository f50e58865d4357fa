"""One run: configuration, recipe and seed in, trained network and history out."""

import collections
import contextlib
import math
import time
from dataclasses import dataclass, fields
from functools import cached_property, partial

import keras
import numpy as np
import torch

from cae_keras.config import CAEConfig, Recipe, is_int, positive_int
from cae_keras.data import Mnist
from cae_keras.fast import Batches, Trainer, binary_crossentropy, forward
from cae_keras.images import to_float
from cae_keras.models import build_autoencoder
from cae_keras.optimisers import FusedAdam, FusedMuon
from cae_keras.progress import progress_bar

BATCH = 1_000  # images at a time where nothing is learnt from them
VALIDATION_BATCH = 250  # the same, while a network is being trained
MARKS = 10  # equal parts of a budget, each of which ends with a validation
OPTIMIZERS = {"adam": FusedAdam, "muon": FusedMuon}
KEPT = 31 * 2**20  # bytes, just below the most that glibc can be taught to keep
CONFIG, AUTOCAST = keras.config, torch.is_autocast_enabled
DETERMINISTIC = torch.are_deterministic_algorithms_enabled
TF32 = torch.backends.cudnn, "allow_tf32"  # convolutions of ten bits, on a GPU
AMBIENT = (  # how it is read, how it is set, to what
    (CONFIG.dtype_policy, CONFIG.set_dtype_policy, "float32"),
    (CONFIG.floatx, CONFIG.set_floatx, "float32"),
    (CONFIG.epsilon, CONFIG.set_epsilon, 1e-7),
    (CONFIG.image_data_format, CONFIG.set_image_data_format, "channels_last"),
    (CONFIG.max_epochs, CONFIG.set_max_epochs, None),
    (CONFIG.max_steps_per_epoch, CONFIG.set_max_steps_per_epoch, None),
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (torch.get_num_threads, torch.set_num_threads, 1),
    (torch.is_grad_enabled, torch.set_grad_enabled, True),
    (partial(AUTOCAST, "cpu"), partial(torch.set_autocast_enabled, "cpu"), False),
    (DETERMINISTIC, torch.use_deterministic_algorithms, False),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
    (partial(getattr, *TF32), partial(setattr, *TF32), False),
)


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: what was asked, and what came of it.

    Args:
        config: The network.
        recipe: Its budget.
        seed: The random seed.
        history: One value for each tenth of the steps: of `epoch` (how many there were
            until then, 0.5 in the middle of the first), `loss` and `val_loss` (BCE in
            nats a pixel; `loss` is the mean over the tenth, while the weights change),
            `learning_rate` (after its last step) and `seconds` (validation included).
        weights: The weights after the last epoch, in the order of
            `autoencoder.get_weights()`.
    """

    config: CAEConfig
    recipe: Recipe
    seed: int
    history: dict[str, tuple[float, ...]]
    weights: tuple[np.ndarray, ...]

    @classmethod
    def untrained(
        cls, config: CAEConfig, recipe: Recipe = Recipe(), seed: int = 0
    ) -> "Run":
        """Returns a run before its first step; it seeds Python, NumPy and torch."""
        keras.utils.set_random_seed(seed)
        weights = build_autoencoder(config).get_weights()
        return cls(config, recipe, seed, {}, tuple(weights))

    @cached_property
    def autoencoder(self) -> keras.Model:
        """The trained model."""
        with pinned():
            autoencoder = build_autoencoder(self.config)
        autoencoder.set_weights(self.weights)
        return autoencoder

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Returns the latents of images, `(n, latent_dim)`."""
        return predict(self.autoencoder.get_layer("encoder"), to_float(images))

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Returns the images that latents stand for, `(n, 28, 28, 1)`."""
        return predict(self.autoencoder.get_layer("decoder"), latents)

    def reconstruct(
        self, images: np.ndarray, batch_size: int = BATCH, training: bool = False
    ) -> np.ndarray:
        """Returns the reconstructions of images, `(n, 28, 28, 1)`.

        In training mode batch normalisation takes mean and variance from each batch;
        nothing is learnt: weights and moving statistics stay as they are.
        """
        return predict(self.autoencoder, to_float(images), batch_size, training)

    def __getstate__(self):  # without the model, which the weights make again
        return {field.name: getattr(self, field.name) for field in fields(self)}


def predict(
    model: keras.Model, x: np.ndarray, batch_size: int = BATCH, training: bool = False
) -> np.ndarray:
    """Returns what `forward` computes, a batch at a time, from and to arrays."""
    check_input(model, x)
    x = keras.ops.convert_to_tensor(x, "float32")  # to where Keras computes
    batches = x.split(positive_int("batch_size", batch_size))
    with torch.no_grad():
        parts = [forward(model, batch, training)[0] for batch in batches]
    return torch.cat(parts).numpy(force=True)


def check_input(model: keras.Model, x: np.ndarray):
    """Raises a `ValueError` if an array has another shape than a model takes."""
    shape, wanted = np.shape(x), model.input_shape[1:]
    if shape[1:] != wanted or 0 in shape:
        raise ValueError(
            f"{model.input.name} has shape {shape}: it must be "
            f"(n, {', '.join(map(str, wanted))})"
        )


def train(config: CAEConfig, recipe: Recipe, seed: int, data: Mnist) -> Run:
    """Trains one autoencoder.

    It runs on one torch thread: on a CPU the same arguments then give the same weights,
    bit for bit, on one type of processor. The seed decides the first weights and the
    order of the images. The first `recipe.images` of `x_train` are trained on, all of
    `x_val` validated on; `x_test` is not looked at.
    """
    check_run(recipe, seed, data)
    x = to_float(data.x_train[: recipe.images], "x_train")
    x_val = to_float(data.x_val, "x_val")
    label = f"training, filters {config.filters}, seed {seed}"
    with pinned(), progress_bar(recipe.steps, label) as bar:
        keras.utils.set_random_seed(int(seed))
        autoencoder = build_autoencoder(config)
        trainer = Trainer(autoencoder.inputs, autoencoder.outputs)
        watch = Observer(recipe, x_val, bar)
        fit(trainer, binary_crossentropy, recipe, [x], callbacks=[watch])
        weights = tuple(autoencoder.get_weights())
    history = {name: tuple(values) for name, values in watch.history.items()}
    return Run(config, recipe, int(seed), history, weights)


def fit(model: keras.Model, loss, recipe: Recipe, arrays, **settings) -> dict:
    """Trains a model by a recipe, with Keras' own `fit`; returns Keras' history.

    The arrays are images and their targets, unless the images are their own.
    """
    model.compile(OPTIMIZERS[recipe.optimizer](OneCycle(recipe)), loss=loss)
    keep_memory()
    fitted = model.fit(
        Batches(*arrays, batch_size=recipe.batch_size), epochs=recipe.epochs,
        shuffle=False, verbose=0, **settings,
    )  # fmt: skip
    return {name: tuple(map(float, each)) for name, each in fitted.history.items()}


def check_run(recipe: Recipe, seed: int, data: Mnist):
    """Raises the `ValueError` of `train`, before any work is done."""
    if not is_int(seed) or not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed!r}: it must be an integer from 0 to 2**32 - 1")
    if recipe.images > len(data.x_train):
        raise ValueError(
            f"images={recipe.images}: data.x_train has only {len(data.x_train)}"
        )


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate by step: a line up to the peak, half a cosine down to zero.

    It starts at 1/25 of the peak. It is a plain number, where Keras' own schedules make
    some ten tensors a step.

    References:
        Smith & Topin, Super-convergence (2019), doi:10.1117/12.2520589; Keras'
        `CosineDecay` with a warm-up is that cycle without its last phase.

    Example:
        >>> round(OneCycle(Recipe())(0), 6)
        0.00024
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.peak, self.steps = recipe.peak_learning_rate, recipe.steps
        self.warmup = min(round(recipe.warmup * self.steps), self.steps - 1)

    def __call__(self, step) -> float:
        step = int(step)
        if step < self.warmup:
            return self.peak * (1 + 24 * step / self.warmup) / 25
        share = min(1.0, (step - self.warmup) / (self.steps - self.warmup))
        return self.peak * (1 + math.cos(math.pi * share)) / 2


def keep_memory():
    """Lets glibc keep what is freed: else each step fetches its memory anew.

    It keeps up to twice the largest block that was ever freed, if below 32 MB.
    """
    torch.empty(KEPT, dtype=torch.uint8)


@contextlib.contextmanager
def pinned():
    """Pins inside the block what Keras and torch keep globally and numbers depend on.

    One thread is what makes them the same on any number of cores.
    """
    with contextlib.ExitStack() as stack:
        for read, write, value in AMBIENT:
            stack.callback(write, read())
            write(value)
        yield


class Observer(keras.callbacks.Callback):
    """Moves the progress bar; validates after each tenth, and keeps the history."""

    def __init__(self, recipe: Recipe, x_val: np.ndarray, bar):
        super().__init__()
        self.recipe, self.bar = recipe, bar
        self.x_val = keras.ops.convert_to_tensor(x_val)
        self.marks = {-(-recipe.steps * i // MARKS) for i in range(1, MARKS + 1)}
        self.history, self.losses, self.steps = collections.defaultdict(list), [], 0

    def on_train_begin(self, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs):
        self.bar.update()
        self.steps += 1
        self.losses.append(logs["loss"])
        if self.steps in self.marks:
            self._end_of_tenth()

    def _end_of_tenth(self):
        val_loss = self.model.validate(self.x_val, VALIDATION_BATCH)
        entry = {
            "epoch": self.steps / self.recipe.steps_per_epoch,
            "loss": sum(map(float, self.losses)) / len(self.losses),
            "val_loss": val_loss,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": time.perf_counter() - self.start,
        }
        for name, value in entry.items():
            self.history[name].append(value)
        self.losses, self.start = [], time.perf_counter()
        self.bar.set_postfix_str(f"validation BCE {val_loss:.4f}")
