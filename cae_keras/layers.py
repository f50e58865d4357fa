"""Three of Keras' layers with its weights and its outputs, computed with less work.

Keras copies every feature map twice before a convolution, and adds the bias afterwards.
Torch can read `(n, height, width, channels)` as it lies in memory, and add the bias on
its way; nothing here is copied.
"""

import keras
import torch
from torch.nn import functional


@keras.saving.register_keras_serializable("cae_keras")
class Downsample(keras.layers.Conv2D):
    """A `Conv2D` with stride 2 that halves a side: kernel 4 if it is even, 3 if odd.

    It has the weights and, but for rounding, the outputs of Keras' layer with "same"
    padding, which is then one pixel on each side.

    Input shape:
        `(n, side, side, channels)`.

    Output shape:
        `(n, ceil(side / 2), ceil(side / 2), filters)`.

    Example:
        >>> maps = keras.ops.ones((1, 7, 7, 8))
        >>> Downsample(5, 3, strides=2, padding="same")(maps).shape
        torch.Size([1, 4, 4, 5])
    """

    def call(self, x):
        kernel, bias = self.kernel.value, self.bias.value  # (k, k, channels, filters)
        x, kernel = x.movedim(-1, 1), kernel.permute(3, 2, 0, 1)  # as torch wants them
        return functional.conv2d(x, kernel, bias, stride=2, padding=1).movedim(1, -1)


@keras.saving.register_keras_serializable("cae_keras")
class Upsample(keras.layers.Conv2DTranspose):
    """A `Conv2DTranspose` with stride 2 and "same" padding, computed with less work.

    It has the weights and, but for rounding, the outputs of Keras' layer. Keras lets
    torch compute a margin too, and cuts it off; here torch leaves it out. With a single
    filter, for which torch's routine is slow, a matrix product gives the 4 × 4 pixels
    that each position paints, and `fold` adds them up where they overlap.

    Input shape:
        `(n, side, side, channels)`.

    Output shape:
        `(n, 2 side, 2 side, filters)` with a kernel of 4, `(n, 2 side − 1, …)` with 3.

    Example:
        >>> maps = keras.ops.ones((1, 7, 7, 8))
        >>> Upsample(1, 4, strides=2, padding="same")(maps).shape
        torch.Size([1, 14, 14, 1])
    """

    def call(self, x):
        kernel, bias = self.kernel.value, self.bias.value  # (k, k, filters, channels)
        if self.filters == 1 and self.kernel_size == (4, 4):
            painted = x.flatten(1, 2) @ kernel.flatten(0, 2).mT  # (n, positions, 16)
            sides = [2 * side for side in x.shape[1:3]]
            image = functional.fold(painted.mT, sides, (4, 4), padding=1, stride=2)
            return image.movedim(1, -1) + bias
        x, kernel = x.movedim(-1, 1), kernel.permute(3, 2, 0, 1)  # as torch wants them
        x = functional.conv_transpose2d(x, kernel, bias, stride=2, padding=1)
        return x.movedim(1, -1)


@keras.saving.register_keras_serializable("cae_keras")
class BatchNorm(keras.layers.BatchNormalization):
    """A `BatchNormalization` in two passes: statistics, and what is done with them.

    It has the weights and, but for rounding, the outputs and moving statistics of
    Keras' layer. Torch's own routine is not used: on this memory layout its gradients
    are less exact than Keras'.
    """

    def call(self, x, training=None, mask=None):
        mean, variance = self.moving_mean.value, self.moving_variance.value
        if training:
            now, keep = torch.var_mean(x, (0, 1, 2), correction=0), self.momentum
            self.moving_mean.assign(torch.lerp(now[1].detach(), mean, keep))
            self.moving_variance.assign(torch.lerp(now[0].detach(), variance, keep))
            variance, mean = now
        scale = torch.rsqrt(variance + self.epsilon) * self.gamma.value
        return torch.addcmul(self.beta.value - mean * scale, x, scale)


KERAS = {  # what each layer is a faster form of
    Downsample: keras.layers.Conv2D,
    Upsample: keras.layers.Conv2DTranspose,
    BatchNorm: keras.layers.BatchNormalization,
}
