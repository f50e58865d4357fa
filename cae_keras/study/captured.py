"""A network in training on a GPU: a step is captured once, and then only replayed.

A GPU computes a step of these networks in less time than Python takes to launch its
some 400 kernels. A CUDA graph launches them all at once.
"""

import collections
import math
from contextlib import nullcontext

import keras
import torch
from torch.nn.utils.rnn import pad_sequence

from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist
from cae_keras.fast import Trainer, binary_crossentropy
from cae_keras.images import to_float
from cae_keras.models import build_autoencoder
from cae_keras.optimisers import FusedAdam, FusedMuon
from cae_keras.progress import progress_bar
from cae_keras.training import Observer, OneCycle, Run

PLAIN = 2  # steps with as many images that come before the one that is captured


class GraphAdam(FusedAdam):
    """Adam with what changes from step to step as tensors: a graph holds no numbers.

    References:
        Kingma & Ba, Adam (2015), arXiv:1412.6980, end of section 2: both corrections
        as one factor of the rate
    """

    def __init__(self, schedule: OneCycle):
        super().__init__(schedule)
        self.schedule = schedule

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self.rates = self.weights[0].new_tensor([*self._rates()])

    def _rates(self):
        for step in range(self.schedule.steps):
            rate, done = self.schedule(step), step + 1
            unbiased = math.sqrt(1 - self.beta_2**done) / (1 - self.beta_1**done)
            yield rate, rate * unbiased

    @torch.no_grad()
    def apply(self, grads, trainable_variables=None):
        step = self.iterations.value.view(1)
        self.rate, of_adam = self.rates.index_select(0, step)[0]
        weights, means, squares = (
            [each[i] for i in self.by_adam] for each in (self.weights, *self.moments)
        )
        grads = [grads[i] for i in self.by_adam]
        torch._foreach_lerp_(means, grads, 1 - self.beta_1)
        torch._foreach_mul_(squares, self.beta_2)
        torch._foreach_addcmul_(squares, grads, grads, 1 - self.beta_2)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, self.epsilon)
        changes = torch._foreach_div(means, roots)
        torch._foreach_mul_(changes, of_adam)
        torch._foreach_sub_(weights, changes)
        self.iterations.value.add_(1)


class GraphMuon(GraphAdam, FusedMuon):
    """Muon, the same; what is no matrix goes by `GraphAdam`."""

    def apply(self, grads, trainable_variables=None):
        super().apply(grads)
        self.turn(grads, self.rate)


OPTIMIZERS = {"adam": GraphAdam, "muon": GraphMuon}


class Captured:
    """What `train` does, step by step, and so that a GPU need not wait for Python.

    It begins with the same weights, and takes the images in the same order. On a GPU it
    has a stream of its own, so that several are at work side by side; elsewhere nothing
    is captured, and each step is computed as it stands.
    """

    def __init__(self, config: CAEConfig, recipe: Recipe, seed: int, data: Mnist):
        self.asked = config, recipe, seed
        self.seen = collections.Counter()  # steps, by how many images they have
        x = to_float(data.x_train[: recipe.images], "x_train")
        with keras.device("cpu"):  # whose generator makes the weights of a seed
            weights = Run.untrained(config, recipe, seed).weights
        torch.randperm(len(x))  # `fit` asks for a first batch before it begins
        order = [torch.randperm(len(x)) for _ in range(recipe.epochs)]
        batches = [part for each in order for part in each.split(recipe.batch_size)]
        autoencoder = build_autoencoder(config)
        autoencoder.set_weights(weights)
        self.trainer = Trainer(autoencoder.inputs, autoencoder.outputs)
        optimizer = OPTIMIZERS[recipe.optimizer](OneCycle(recipe))
        self.trainer.compile(optimizer, loss=binary_crossentropy)
        optimizer.build(self.trainer.trainable_variables)
        self.images = keras.ops.convert_to_tensor(x)
        self.left = collections.deque(map(len, batches))  # by how many images they have
        self.batches = pad_sequence(batches, batch_first=True).to(self.images.device)
        with progress_bar(recipe.steps, "") as bar:
            self.watch = Observer(recipe, to_float(data.x_val, "x_val"), bar)
        self.watch.set_model(self.trainer)
        self.watch.on_train_begin()
        self.graphs, self.stream = {}, None
        if self.images.is_cuda:
            self.stream = torch.cuda.Stream()
            self.stream.wait_stream(torch.cuda.current_stream())

    def step(self):
        """Does a step, at which a GPU may still be when this returns."""
        with torch.cuda.stream(self.stream) if self.stream else nullcontext():
            loss = self._step(self.left.popleft())
            self.watch.on_train_batch_end(None, {"loss": loss})

    def run(self) -> Run:
        """Returns the run, after its last step, which ends with a validation."""
        history = {name: tuple(each) for name, each in self.watch.history.items()}
        return Run(*self.asked, history, tuple(self.trainer.get_weights()))

    def _step(self, images: int) -> torch.Tensor:
        self.seen[images] += 1
        if self.stream is None or self.seen[images] <= PLAIN:
            return self._computed(images)
        if images not in self.graphs:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self.stream):  # computes nothing yet
                self.graphs[images] = graph, self._computed(images)
        graph, loss = self.graphs[images]
        graph.replay()
        return loss.clone()  # the next one takes its place

    def _computed(self, images: int) -> torch.Tensor:
        step = self.trainer.optimizer.iterations.value.view(1)
        batch = self.images[self.batches.index_select(0, step)[0, :images]]
        return self.trainer.train_step((batch, batch))["loss"]
