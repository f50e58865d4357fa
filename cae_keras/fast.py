"""The same sums in less time: what training does, layer by layer, step by step.

The networks are of Keras' own layers. Keras copies every feature map twice before a
convolution, and what it does around each layer takes as long as a convolution. The
functions here compute the same from the same weights (`tests/test_fast.py`), without.
"""

import math
import weakref

import keras
import numpy as np
import torch
from keras import layers
from torch.nn import functional
from torch.optim.adam import adam

EPSILON = keras.config.epsilon()  # how near to 0 and 1 Keras lets a probability come
WITHOUT_WEIGHTS = (
    layers.Flatten, layers.Reshape, layers.ReLU, layers.LeakyReLU, layers.Activation,
)  # fmt: skip
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
    if layer.filters == 1 and layer.kernel_size == (4, 4):
        pixels = x.flatten(1, 2) @ kernel.flatten(0, 2).mT  # (n, positions, 16)
        sides = [2 * side for side in x.shape[1:3]]
        image = functional.fold(pixels.mT, sides, (4, 4), padding=1, stride=2)
        return image.movedim(1, -1) + bias
    x, kernel = x.movedim(-1, 1), kernel.permute(3, 2, 0, 1)
    x = functional.conv_transpose2d(x, kernel, bias, stride=2, padding=1)
    return x.movedim(1, -1)


def normalise(layer, x, gamma, beta, mean, variance, statistics):
    """A `BatchNormalization`; in training mode it adds to the list of statistics.

    Torch's own routine is not used: on this memory layout its gradients are less exact
    than Keras'.
    """
    if statistics is not None:
        now = torch.var_mean(x, (0, 1, 2), correction=0)
        statistics += [
            torch.lerp(new.detach(), old, layer.momentum)
            for new, old in zip(now[::-1], (mean, variance), strict=True)
        ]
        variance, mean = now
    scale = torch.rsqrt(variance + layer.epsilon) * gamma
    return torch.addcmul(beta - mean * scale, x, scale)


def dense(layer, x, kernel, bias):
    """A `Dense` layer."""
    return torch.addmm(bias, x, kernel)


FAST = {
    layers.Conv2D: convolve,
    layers.Conv2DTranspose: convolve_transposed,
    layers.BatchNormalization: normalise,
    layers.Dense: dense,
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
    if weights is None:
        weights = [variable.value for variable in model.weights]
    statistics, first = [] if training else None, 0
    for layer, function, count in chain(model):
        own = weights[first : first + count]
        first += count
        if function is None:
            x = layer.call(x)
        elif function is normalise:
            x = normalise(layer, x, *own, statistics)
        else:
            x = function(layer, x, *own)
    return x, statistics or []


def chain(model: keras.Model) -> list:
    """Returns layer, function and number of weights for each layer, checked once."""
    if model not in chains:
        chains[model] = [
            (layer, FAST.get(type(layer)), len(layer.weights))
            for layer in _flat(model)
            if _check(layer)
        ]
    return chains[model]


def _flat(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _flat(layer)
        elif not isinstance(layer, layers.InputLayer):
            yield layer


def _check(layer) -> bool:
    """Refuses a layer that the functions here would compute as another one."""
    side = 0 if layer.input.ndim < 4 else layer.input.shape[1]
    match layer:
        case layers.Conv2DTranspose() | layers.Conv2D():
            up = isinstance(layer, layers.Conv2DTranspose)
            larger = layer.output.shape[1] if up else side
            wanted = {
                "kernel_size": (4, 4) if larger % 2 == 0 else (3, 3), "strides": (2, 2),
                "padding": "same", "dilation_rate": (1, 1), "groups": 1,
                "data_format": "channels_last", "use_bias": True,
                "activation": keras.activations.linear,
            }  # fmt: skip
        case layers.BatchNormalization():
            wanted = {"axis": -1, "center": True, "scale": True}
        case layers.Dense():
            wanted = {"use_bias": True, "activation": keras.activations.linear}
        case _ if isinstance(layer, WITHOUT_WEIGHTS):
            wanted = {}
        case _:
            raise ValueError(
                f"layer {layer.name!r} is a {type(layer).__name__}: it must be one of "
                f"{', '.join(kind.__name__ for kind in (*FAST, *WITHOUT_WEIGHTS))}"
            )
    for name, value in wanted.items():
        found = getattr(layer, name, value)
        if found != value:
            raise ValueError(
                f"layer {layer.name!r} has {name}={found!r}: it must be {value!r}"
            )
    return True


def binary_crossentropy(y_true, y_pred):
    """Returns Keras' binary cross-entropy, clipping included, as one mean.

    It is computed from probabilities, as Keras does it: from logits the saturated
    pixels would give other losses and other gradients.
    """
    p = y_pred.clamp(EPSILON, 1 - EPSILON)
    return -torch.lerp(torch.log1p(-p), torch.log(p), y_true).mean()


class Trainer(keras.Model):
    """An autoencoder while `fit` trains it: it shares its weights, and is never kept.

    Example:
        >>> images = keras.Input((2,))
        >>> Trainer.of(keras.Model(images, layers.Dense(2)(images))).count_params()
        6
    """

    @classmethod
    def of(cls, model: keras.Model) -> "Trainer":
        """Returns a trainer of a model, once all its layers are checked."""
        chain(model)
        return cls(model.inputs, model.outputs)

    def train_step(self, data):
        images, targets = data
        x, statistics = forward(self, images, training=True)
        loss = binary_crossentropy(targets, x)
        self.optimizer.apply(torch.autograd.grad(loss, self.optimizer.weights))
        for variable, value in zip(
            self.non_trainable_variables, statistics, strict=True
        ):
            variable.assign(value)
        return self._tell(loss.detach(), len(images))

    def test_step(self, data):
        images, targets = data
        loss = binary_crossentropy(targets, forward(self, images)[0])
        return self._tell(loss, len(images))

    def _tell(self, loss, images: int) -> dict:
        self._loss_tracker.update_state(loss, sample_weight=images)
        return {"loss": loss}


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate by step, without a tensor: a line up, half a cosine down."""

    def __init__(self, peak: float, steps: int, warmup: int):
        super().__init__()
        self.peak, self.steps, self.warmup = peak, steps, warmup

    def __call__(self, step) -> float:
        step = int(step)
        if step < self.warmup:
            return self.peak * (1 + 24 * step / self.warmup) / 25
        share = min(1.0, (step - self.warmup) / (self.steps - self.warmup))
        return self.peak * (1 + math.cos(math.pi * share)) / 2

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup}


class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam by torch's fused routine: one pass over the weights, not ten.

    Torch adds epsilon to the root of the unbiased second moment, Keras to that of the
    biased one; hence the division below. Clipping, decay and averages are left out.
    """

    def build(self, variables):
        if not self.built:
            super().build(variables)
            groups = variables, self._momentums, self._velocities
            self.weights, *self.moments = (
                [variable.value for variable in group] for group in groups
            )

    @torch.no_grad()
    def apply(self, grads, trainable_variables=None):
        if not self.built:
            self.build(list(trainable_variables))
        rate, done = float(self.learning_rate), int(self.iterations)
        adam(
            self.weights,
            [grad.contiguous() for grad in grads],  # the routine trusts in the layout
            *self.moments,
            max_exp_avg_sqs=[],
            state_steps=list(torch.full((len(grads),), float(done)).unbind()),
            fused=True,
            amsgrad=False,
            beta1=self.beta_1,
            beta2=self.beta_2,
            lr=rate,
            weight_decay=0.0,
            eps=self.epsilon / math.sqrt(1 - self.beta_2 ** (done + 1)),
            maximize=False,
        )
        self.iterations.value.add_(1)


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
