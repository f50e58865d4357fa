"""The autoencoder: encoder, decoder, and the two in a row (functional API)."""

import keras
from keras import layers

from cae_keras.config import IMAGE_SHAPE, IMAGE_SIDE, CAEConfig


def kernel_size(side: int) -> int:
    """Returns the kernel of a strided layer: 4 for an even side, 3 for an odd one.

    The side is that of the layer's larger feature map.

    A stride of 2 divides the even kernel, so that its positions overlap equally often,
    which makes a checkerboard less likely; and "same" padding is symmetric.

    References:
        Odena et al., Deconvolution and Checkerboard Artifacts, Distill (2016),
        doi:10.23915/distill.00003

    Example:
        >>> [kernel_size(side) for side in (28, 14, 7)]
        [4, 4, 3]
    """
    return 4 if side % 2 == 0 else 3


def build_encoder(config: CAEConfig = CAEConfig()) -> keras.Model:
    """Builds the encoder: strided convolutions, then a dense layer to the latents.

    Input shape:
        `(n, 28, 28, 1)`, float32 in [0, 1].

    Output shape:
        `(n, latent_dim)`, the latents; linear, so any real number.

    Returns:
        A `keras.Model` named `encoder`.

    Example:
        >>> build_encoder(CAEConfig(latent_dim=8)).output_shape
        (None, 8)
    """
    images = keras.Input(IMAGE_SHAPE, name="images")
    x, side = images, IMAGE_SIDE
    for i, (smaller, filters) in enumerate(config.feature_maps):
        x = layers.Conv2D(
            filters, kernel_size(side), strides=2, padding="same", name=f"conv{i}"
        )(x)
        x = _normalise_and_activate(x, config, f"conv{i}")
        side = smaller
    x = layers.Flatten(name="flatten")(x)
    latents = layers.Dense(config.latent_dim, name="latents")(x)
    return keras.Model(images, latents, name="encoder")


def build_decoder(config: CAEConfig = CAEConfig()) -> keras.Model:
    """Builds the decoder, mirror image of the encoder, with transposed convolutions.

    Input shape:
        `(n, latent_dim)`, the latents.

    Output shape:
        `(n, 28, 28, 1)`, the reconstructions: float32 in [0, 1], from a sigmoid.

    Returns:
        A `keras.Model` named `decoder`.

    Example:
        >>> build_decoder(CAEConfig(latent_dim=8)).output_shape
        (None, 28, 28, 1)
    """
    latents = keras.Input((config.latent_dim,), name="latents")
    side, filters = config.feature_maps[-1]
    x = layers.Dense(side * side * filters, name="unflatten")(latents)
    x = layers.Reshape((side, side, filters), name="reshape")(x)
    for i in range(config.depth, 0, -1):
        side, filters = config.feature_maps[i - 1]
        x = _upsample(x, filters, side, f"conv{i}_transpose")
        x = _normalise_and_activate(x, config, f"conv{i}_transpose")
    x = _upsample(x, 1, IMAGE_SIDE, "conv0_transpose")
    reconstructions = layers.Activation("sigmoid", name="reconstructions")(x)
    return keras.Model(latents, reconstructions, name="decoder")


def build_autoencoder(config: CAEConfig = CAEConfig()) -> keras.Model:
    """Builds encoder and decoder, and chains them.

    Input shape:
        `(n, 28, 28, 1)`, float32 in [0, 1].

    Output shape:
        `(n, 28, 28, 1)`, the reconstructions.

    Returns:
        A `keras.Model` named `autoencoder`; its two parts are `get_layer("encoder")`
        and `get_layer("decoder")`.

    Example:
        >>> build_autoencoder().count_params()
        137441
    """
    images = keras.Input(IMAGE_SHAPE, name="images")
    latents = build_encoder(config)(images)
    reconstructions = build_decoder(config)(latents)
    return keras.Model(images, reconstructions, name="autoencoder")


def _upsample(x, filters: int, side: int, name: str):
    """Doubles the side of a feature map, or takes 4 to 7, so that it ends at `side`."""
    padding = 0 if side % 2 else None  # Keras' default gives an even side
    return layers.Conv2DTranspose(
        filters, kernel_size(side), strides=2, padding="same", output_padding=padding,
        name=name,
    )(x)  # fmt: skip


def _normalise_and_activate(x, config: CAEConfig, name: str):
    if config.batch_norm:
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
    if config.activation == "relu":
        return layers.ReLU(name=f"{name}_relu")(x)
    return layers.LeakyReLU(config.negative_slope, name=f"{name}_leaky_relu")(x)
