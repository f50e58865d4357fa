"""Five ways to train the baseline on MNIST, each without end and in batches of 64.

What is the same for all: the network, the images, the size of a batch, float32, Adam,
no validation (this project's path validates on one image, as it must on some), a
process of its own, torch's default threads unless a contender sets one, and memory that
the C library keeps, or a loop that has never freed a large block would fetch its memory
anew in each step. None compiles. Only this project has a schedule for the learning
rate. Beside them stands this project with the book's own optimiser.

Each takes the data and calls `step()` after each step of the optimiser.
"""

import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from cae_keras.bench.apart import listen, say
from cae_keras.bench.networks import stock_autoencoder, torch_autoencoder
from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist, load_mnist
from cae_keras.images import to_float
from cae_keras.progress import relayed
from cae_keras.training import keep_memory, pinned, train

BOOK = Recipe()
ADAM = replace(BOOK, optimizer="adam", peak_learning_rate=4e-3)
BATCH = BOOK.batch_size
RATE = 1e-3  # Adam's learning rate in Keras and PyTorch, where nobody sets another
EPOCHS = 1_000  # longer than any window
FORMATS = (torch.contiguous_format, torch.channels_last)
TRIALS = 6  # of each format, of five steps
Step = Callable[[], None]


def stock_keras(data: Mnist, step: Step):
    """(a) Keras' own layers, optimiser, loss and `fit` on arrays, as in its guides."""
    x, network = to_float(data.x_train), stock_autoencoder()
    network.compile(keras.optimizers.Adam(RATE), loss="binary_crossentropy")
    counting = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: step()
    )
    network.fit(x, x, batch_size=BATCH, epochs=EPOCHS, callbacks=[counting], verbose=0)


def tutorial_torch(data: Mnist, step: Step):
    """(b) Eager PyTorch as in its tutorials: images are transformed one by one."""
    network = nn.Sequential(torch_autoencoder(), nn.Sigmoid())
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    images = Digits(data.x_train, data.y_train)
    loader = DataLoader(images, batch_size=BATCH, shuffle=True)
    while True:
        tutorial_epoch(network, loader, optimizer, step)


def tutorial_epoch(network: nn.Module, loader: DataLoader, optimizer, step: Step):
    """Trains for one epoch, and adds up the loss as a number, as tutorials do."""
    total = 0.0
    for images, _ in loader:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy(network(images), images)
        loss.backward()
        optimizer.step()
        total += loss.item()
        step()


class Digits(Dataset):
    """Images and labels one by one; an image becomes what `ToTensor` makes of it."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = torch.tensor(self.images[i]).permute(2, 0, 1)
        return image.float().div(255), int(self.labels[i])


def careful_torch(data: Mnist, step: Step):
    """(c) Eager PyTorch with care: nothing is done twice, or for one image alone.

    A batch is cut out at once, the loss is computed from logits and stays a tensor,
    Adam is fused, and the memory format is the faster one, which a trial finds.
    """
    x = to_float(data.x_train)
    for _ in careful_steps(x, faster_format(x)):
        step()


def careful_steps(x: np.ndarray, memory_format: torch.memory_format) -> Iterator[None]:
    """Trains without end, and yields after each step."""
    network = torch_autoencoder().to(memory_format=memory_format)
    images = torch.from_numpy(x)  # (n, 28, 28, 1), the layout of channels_last
    if memory_format == torch.channels_last:
        images = images.movedim(-1, 1)
    else:
        images = images.reshape(-1, 1, *images.shape[1:3])
    optimizer = torch.optim.Adam(network.parameters(), RATE, fused=True)
    while True:
        total = torch.zeros(())
        for chosen in torch.randperm(len(images)).split(BATCH):
            batch = images[chosen]
            optimizer.zero_grad(set_to_none=True)
            logits = network(batch)
            loss = functional.binary_cross_entropy_with_logits(logits, batch)
            loss.backward()
            optimizer.step()
            total += loss.detach()  # for the epoch's mean, without waiting for it
            yield


def faster_format(x: np.ndarray) -> torch.memory_format:
    """Returns the format in which a few steps take less time, tried in turns."""
    loops = {one: careful_steps(x, one) for one in FORMATS}
    seconds = {one: [] for one in FORMATS}
    for one in TRIALS * FORMATS:
        start = time.perf_counter()
        for _ in itertools.islice(loops[one], 5):
            pass
        seconds[one].append(time.perf_counter() - start)
    return min(FORMATS, key=lambda one: statistics.median(seconds[one]))


def project(data: Mnist, step: Step, recipe: Recipe = ADAM):
    """(d), and (e) side by side: `train`, by a recipe without warm-up and end."""
    endless = replace(recipe, images=len(data.x_train), epochs=EPOCHS, warmup=0)
    with relayed(step):
        train(CAEConfig(), endless, 0, data)


CONTENDERS = {
    "stock_keras": stock_keras,
    "tutorial_torch": tutorial_torch,
    "careful_torch": careful_torch,
    "careful_torch_one_thread": pinned()(careful_torch),  # beside which (d) is put
    "one_worker": project,
    "all_workers": project,
    "book_recipe": partial(project, recipe=BOOK),
}
SIDE_BY_SIDE = ("all_workers", "book_recipe")  # of these there is one a core


def turn(name: str, warm_up: float, seconds: float):
    """Is the life of a contender in its process: it waits for its turn, and has it."""
    told, data = listen(), whole_batches(load_mnist())
    keep_memory()
    say("ready")
    told.wait()
    CONTENDERS[name](data, partial(next, window(warm_up, seconds)))


def whole_batches(mnist: Mnist) -> Mnist:
    """Returns the training images that fill whole batches, and one of the others."""
    images = len(mnist.x_train) // BATCH * BATCH
    one = mnist.x_val[:1], mnist.y_val[:1], mnist.x_test[:1], mnist.y_test[:1]
    return Mnist(mnist.x_train[:images], mnist.y_train[:images], *one)


def window(warm_up: float, seconds: float) -> Iterator[None]:
    """Says images, and processor seconds, a second after the warm-up; then exits."""
    begin = time.perf_counter()
    yield
    while time.perf_counter() < begin + warm_up:
        yield
    start, cpu = time.perf_counter(), time.process_time()
    for steps in itertools.count(1):
        yield
        wall = time.perf_counter() - start
        if wall >= seconds:
            say([BATCH * steps / wall, (time.process_time() - cpu) / wall])
            sys.exit()
