"""A finished run: what was asked, and what came of it."""

from dataclasses import dataclass, fields
from functools import cached_property

import keras
import numpy as np

from cae_keras.config import CAEConfig, Recipe
from cae_keras.images import to_float
from cae_keras.models import build_autoencoder

BATCH = 1_000  # images at a time where nothing is learnt from them


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: what was asked, and what came of it.

    Args:
        config: The network.
        recipe: Its budget.
        seed: The random seed.
        history: One value an epoch of `loss` and `val_loss` (BCE in nats a pixel;
            `loss` is the mean over the epoch, while the weights change),
            `learning_rate` (after its last step) and `seconds` (validation included).
        weights: The weights after the last epoch, in the order of
            `autoencoder.get_weights()`.
    """

    config: CAEConfig
    recipe: Recipe
    seed: int
    history: dict[str, tuple[float, ...]]
    weights: tuple[np.ndarray, ...]

    @cached_property
    def autoencoder(self) -> keras.Model:
        """The trained model."""
        autoencoder = build_autoencoder(self.config)
        autoencoder.set_weights(self.weights)
        return autoencoder

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Returns the latents of images, `(n, latent_dim)`."""
        return self.autoencoder.get_layer("encoder").predict(
            to_float(images), batch_size=BATCH, verbose=0
        )

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Returns the images that latents stand for, `(n, 28, 28, 1)`."""
        shape = np.shape(latents)
        if len(shape) != 2 or 0 in shape or shape[1] != self.config.latent_dim:
            raise ValueError(
                f"latents has shape {shape}: it must be (n, {self.config.latent_dim})"
            )
        return self.autoencoder.get_layer("decoder").predict(
            latents, batch_size=BATCH, verbose=0
        )

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Returns the reconstructions of images, `(n, 28, 28, 1)`."""
        return self.decode(self.encode(images))

    def __getstate__(self):  # without the model, which the weights make again
        return {field.name: getattr(self, field.name) for field in fields(self)}
