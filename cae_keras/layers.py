"""The one layer that is not Keras' own: its transposed convolution, made faster."""

import keras
from torch.nn import functional


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
