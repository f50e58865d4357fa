"""How long it takes to become how good: the book's recipe beside the published one."""

import time

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader

from cae_keras.bench.apart import Apart
from cae_keras.bench.contenders import Digits, tutorial_epoch
from cae_keras.bench.networks import torch_autoencoder
from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist
from cae_keras.images import to_float
from cae_keras.metrics import bce
from cae_keras.progress import progress_bar
from cae_keras.training import train

BATCH, EPOCHS = 32, 20  # of the published recipe
VALIDATION_BATCH = 500
PATIENCE = 24 * 3600  # seconds for a whole training
SCRIPT = """
from cae_keras import Recipe, load_mnist
from cae_keras.bench import apart, quality
apart.listen()
apart.say(quality.{}(load_mnist(), {}))
"""


def time_to_quality(recipe: Recipe = Recipe(), epochs: int = EPOCHS) -> dict:
    """Trains the baseline by two recipes, one after the other, in fresh processes.

    The published one, for so many epochs, is that of vlad-uve/CAE-MNIST on GitHub, run
    as it was there; but with the last 5,000 training images for validation, where it
    took the test images. Seconds are those of the training, validation included.
    """
    asked, found = {"book": recipe, "published": f"{recipe.images}, {epochs}"}, {}
    for name, budget in asked.items():
        with Apart(name, SCRIPT.format(name, budget)) as process:
            found[name] = process.hear(PATIENCE)
    seconds = [found[name]["seconds"] for name in asked]
    return {**found, "seconds_ratio": seconds[0] / seconds[1]}


def book(mnist: Mnist, recipe: Recipe) -> dict[str, float]:
    """Trains by the book's recipe, as its pages do, on one thread."""
    start = time.perf_counter()
    run = train(CAEConfig(), recipe, 0, mnist)
    seconds = time.perf_counter() - start
    error = float(bce(mnist.x_test, run.reconstruct(mnist.x_test)))
    return {"test_bce": error, "seconds": seconds, "threads": 1}


def published(mnist: Mnist, images: int, epochs: int) -> dict[str, float]:
    """Trains by the published recipe: Adam, its rate halved on a plateau."""
    torch.manual_seed(0)
    network = nn.Sequential(torch_autoencoder(), nn.Sigmoid())
    digits = Digits(mnist.x_train[:images], mnist.y_train[:images])
    loader = DataLoader(digits, batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=3, threshold=1e-3)
    start = time.perf_counter()
    with progress_bar(epochs * len(loader), "the published recipe") as bar:
        for _ in range(epochs):
            tutorial_epoch(network, loader, optimizer, bar.update)
            schedule.step(_error(network, mnist.x_val))
    seconds, threads = time.perf_counter() - start, torch.get_num_threads()
    error = _error(network, mnist.x_test)
    return {"test_bce": error, "seconds": seconds, "threads": threads}


def _error(network: nn.Module, images) -> float:
    """Returns the binary cross-entropy of a PyTorch network's reconstructions."""
    x = torch.from_numpy(to_float(images)).movedim(-1, 1)
    with torch.no_grad():
        parts = [network(batch) for batch in x.split(VALIDATION_BATCH)]
    return float(bce(images, torch.cat(parts).movedim(1, -1).numpy()))
