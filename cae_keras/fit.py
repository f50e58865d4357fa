"""What `fit` is given so that it is fast: batches, schedule, optimiser, loss, model.

All of it computes what Keras' own computes, but for rounding (`tests/test_fit.py`).
"""

import math

import keras
import numpy as np
import torch
from torch.optim.adam import adam

EPSILON = keras.config.epsilon()  # how near to 0 and 1 Keras lets a probability come
register = keras.saving.register_keras_serializable("cae_keras")


def binary_crossentropy(y_true, y_pred):
    """Returns Keras' binary cross-entropy, clipping included, as one mean.

    It is computed from probabilities, as Keras does it: from logits the saturated
    pixels would give other losses and other gradients.
    """
    p = y_pred.clamp(EPSILON, 1 - EPSILON)
    return -torch.lerp(torch.log1p(-p), torch.log(p), y_true).mean()


@register
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


@register
class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam by torch's fused routine: one pass over the weights, not ten.

    Torch adds epsilon to the root of the unbiased second moment, Keras to that of the
    biased one; hence the division below. Clipping, decay and averages are left out.
    """

    def build(self, variables):
        if not self.built:
            super().build(variables)
            groups = variables, self._momentums, self._velocities
            self.tensors = [[variable.value for variable in group] for group in groups]

    @torch.no_grad()
    def apply(self, grads, trainable_variables=None):
        if not self.built:
            self.build(list(trainable_variables))
        weights, *moments = self.tensors
        rate, done = float(self.learning_rate), int(self.iterations)
        adam(
            weights,
            [grad.contiguous() for grad in grads],  # the routine trusts in the layout
            *moments,
            max_exp_avg_sqs=[],
            state_steps=list(torch.full((len(weights),), float(done)).unbind()),
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


@register
class Autoencoder(keras.Model):
    """An encoder and a decoder in a row, each a chain of layers.

    Its training step calls the layers' `call` themselves: what Keras does around each
    of them (names, masks, types) takes as long as a convolution. Called from outside it
    is a model as any other.
    """

    def train_step(self, data):
        images, targets = data
        x = images
        for part in self.layers[1:]:
            for layer in part.layers[1:]:
                learns = isinstance(layer, keras.layers.BatchNormalization)
                x = layer.call(x, training=True) if learns else layer.call(x)
        loss = binary_crossentropy(targets, x)
        gradients = torch.autograd.grad(loss, self.optimizer.tensors[0])
        self.optimizer.apply(gradients)
        self._loss_tracker.update_state(loss.detach(), sample_weight=len(images))
        return {"loss": loss.detach()}
