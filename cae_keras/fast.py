"""The same sums in less time: what training does, layer by layer, step by step.

The networks are of Keras' own layers. Keras copies every feature map twice before a
convolution, and what it does around each layer takes as long as a convolution. The
functions here compute the same from the same weights (`tests/test_fast.py`), without.
"""

import weakref

import keras
import numpy as np
import torch
from keras import layers
from torch.nn import functional

from cae_keras.models import kernel_size

EPSILON = 1e-7  # how near to 0 and 1 Keras lets a probability come, unless it is told
chains = weakref.WeakKeyDictionary()  # of each model that was checked


def convolve(layer, x, kernel, bias):
    """A `Conv2D` that halves a side; torch reads the maps as they lie in memory."""
    x, kernel = x.movedim(-1, 1), kernel.permute(3, 2, 0, 1)  # as torch wants them
    return functional.conv2d(x, kernel, bias, stride=2, padding=1).movedim(1, -1)


def convolve_transposed(layer, x, kernel, bias):
    """A `Conv2DTranspose` that doubles a side, without a margin to cut off afterwards.

    For a single filter torch's routine is slow. There a matrix product gives the 4 × 4
    pixels of each position, and `fold` adds them up where they overlap.
    """
    if kernel.shape[:3] == (4, 4, 1):
        pixels = x.flatten(1, 2) @ kernel.flatten(0, 2).mT  # (n, positions, 16)
        sides = [2 * side for side in x.shape[1:3]]
        image = functional.fold(pixels.mT, sides, (4, 4), padding=1, stride=2)
        return image.movedim(1, -1) + bias
    x, kernel = x.movedim(-1, 1), kernel.permute(3, 2, 0, 1)
    x = functional.conv_transpose2d(x, kernel, bias, stride=2, padding=1)
    return x.movedim(1, -1)


def normalise(layer, x, gamma, beta, mean, variance):
    """A `BatchNormalization`: γ (x − mean) / √(variance + ε) + β, by filter.

    Torch's own routine is not used: on this memory layout its gradients are less exact
    than Keras'.

    References:
        Ioffe & Szegedy, Batch Normalization (2015), arXiv:1502.03167, algorithm 1
    """
    scale = torch.rsqrt(variance + layer.epsilon) * gamma
    return torch.addcmul(beta - mean * scale, x, scale)


def dense(layer, x, kernel, bias):
    """A `Dense` layer."""
    return torch.addmm(bias, x, kernel)


def call(layer, x):
    """A layer without weights, as Keras computes it."""
    return layer.call(x)


FAST = {
    layers.Conv2D: convolve,
    layers.Conv2DTranspose: convolve_transposed,
    layers.BatchNormalization: normalise,
    layers.Dense: dense,
    layers.Flatten: call,
    layers.Reshape: call,
    layers.ReLU: call,
    layers.LeakyReLU: call,
    layers.Activation: call,
}


def forward(model: keras.Model, x, training: bool = False, weights=None):
    """Computes what a model computes, and changes nothing.

    Args:
        model: An encoder, a decoder, or the two in a row, as `cae_keras.models` builds
            them.
        x: What goes in, a float32 tensor.
        training: Whether batch normalisation uses the statistics of this batch.
        weights: Tensors to use instead of the model's own, in the order of
            `model.weights`.

    Returns:
        What comes out, and what moving means and variances are to become, in the order
        of `model.non_trainable_variables`: an empty list outside of training.

    Raises:
        ValueError: If a layer is none that the functions here compute.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
        >>> outputs, statistics = forward(model, torch.ones(3, 2))
        >>> outputs.shape, statistics
        (torch.Size([3, 1]), [])
    """
    links, statistics = chain(model), []
    if weights is None:
        weights = (weight.value for *_, own in links for weight in own)
    weights = iter(weights)
    for layer, function, own in links:
        own = [next(weights) for _ in own]
        if training and function is normalise:
            variance, mean = torch.var_mean(x, (0, 1, 2), correction=0)
            statistics += [
                torch.lerp(now.detach(), before, layer.momentum)
                for now, before in zip((mean, variance), own[2:], strict=True)
            ]
            own[2:] = mean, variance
        x = function(layer, x, *own)
    return x, statistics


def chain(model: keras.Model) -> list[tuple]:
    """Returns layer, function and weights for each layer, checked once."""
    if model not in chains:
        chains[model] = [
            (layer, FAST[type(layer)], layer.weights) for layer in _checked(model)
        ]
    return chains[model]


def _checked(model):
    """Yields the layers of a model, and of the models in it, in their order."""
    nodes = (layer.get("inbound_nodes", ()) for layer in model.get_config()["layers"])
    if len(model.outputs) > 1 or any(len(calls) > 1 for calls in nodes):
        raise ValueError(f"model {model.name!r} has branches: it must be a chain")
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _checked(layer)
        elif not isinstance(layer, layers.InputLayer):
            _check(layer)
            yield layer


def _check(layer):
    """Refuses a layer that the functions here would compute as another one."""
    if type(layer) not in FAST:
        raise ValueError(
            f"layer {layer.name!r} is a {type(layer).__name__}: it must be one of "
            f"{', '.join(kind.__name__ for kind in FAST)}"
        )
    wanted = _like(layer).get_config()
    for name, found in layer.get_config().items():
        if name != "name" and "initializer" not in name and found != wanted[name]:
            raise ValueError(
                f"layer {layer.name!r} has {name}={found!r}: it must be "
                f"{wanted[name]!r}"
            )


def _like(layer):
    """Returns a layer of that kind and size with those settings that are computed."""
    same = {"dtype": "float32"}
    strided = same | {"strides": 2, "padding": "same", "data_format": "channels_last"}
    match layer:
        case layers.Conv2DTranspose():
            side = layer.output.shape[1]
            strided["output_padding"] = 0 if side % 2 else None
            return layers.Conv2DTranspose(layer.filters, kernel_size(side), **strided)
        case layers.Conv2D():
            kernel = tuple(map(kernel_size, layer.input.shape[1:3]))
            return layers.Conv2D(layer.filters, kernel, **strided)
        case layers.BatchNormalization():
            own = {"momentum": layer.momentum, "epsilon": layer.epsilon}
            return layers.BatchNormalization(**own, **same)
        case layers.Dense():
            return layers.Dense(layer.units, **same)
        case _:
            return layer


def binary_crossentropy(y_true, y_pred):
    """Returns Keras' binary cross-entropy, clipping included, as one mean.

    It is computed from probabilities, as Keras does it: from logits the saturated
    pixels would give other losses and other gradients.
    """
    p = y_pred.clamp(EPSILON, 1 - EPSILON)
    return -torch.lerp(torch.log1p(-p), torch.log(p), y_true).mean()


class Trainer(keras.Model):
    """An autoencoder while `fit` trains it: it shares the weights, is never kept."""

    def train_step(self, data):
        images, targets = map(keras.ops.convert_to_tensor, data)
        reconstructions, statistics = forward(self, images, training=True)
        loss = self.loss(targets, reconstructions)
        self.optimizer.apply(torch.autograd.grad(loss, self.optimizer.weights))
        moving = zip(self.non_trainable_variables, statistics, strict=True)
        for variable, value in moving:
            variable.assign(value)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def validate(self, images: torch.Tensor, batch_size: int) -> float:
        """Returns the mean loss of images that are their own targets."""
        losses = [
            len(batch) * self.loss(batch, forward(self, batch)[0])
            for batch in images.split(batch_size)
        ]
        return float(sum(losses)) / len(images)


class Batches(torch.utils.data.DataLoader):
    """Shuffled batches of arrays, each cut out at once; one array is its own target."""

    def __init__(self, *arrays, batch_size: int):
        writable = (np.require(array, requirements="W") for array in arrays)
        self.arrays = [torch.as_tensor(array) for array in writable]
        super().__init__(range(len(arrays[0])), batch_size)

    def __iter__(self):
        for chosen in torch.randperm(len(self.dataset)).split(self.batch_size):
            batch = [array[chosen] for array in self.arrays]
            yield batch[0], batch[-1]
