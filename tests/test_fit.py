"""What `fit` is given computes what Keras' own computes: batch for batch, step for step."""

import keras
import numpy as np
import pytest
import torch
from keras import layers

from cae_keras import models
from cae_keras.config import CAEConfig, Recipe
from cae_keras.fast import Batches, FusedAdam, binary_crossentropy
from cae_keras.training import one_cycle

RECIPE = Recipe(images=320, epochs=2)  # 10 steps


def stock(config, monkeypatch):
    """Returns the autoencoder made of Keras' own layers."""
    with monkeypatch.context() as patch:
        patch.setattr(models, "Downsample", layers.Conv2D)
        patch.setattr(models, "Upsample", layers.Conv2DTranspose)
        patch.setattr(models, "BatchNorm", layers.BatchNormalization)
        patch.setattr(models, "Autoencoder", keras.Model)
        return models.build_autoencoder(config)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_after_ten_steps_the_loss_is_that_of_stock_keras(batch_norm, monkeypatch):
    keras.utils.set_random_seed(0)
    config = CAEConfig(batch_norm=batch_norm)
    x = np.random.default_rng(0).random((320, 28, 28, 1), dtype="f4") ** 4
    theirs, ours = stock(config, monkeypatch), models.build_autoencoder(config)
    ours.set_weights(theirs.get_weights())
    # Keras' own schedule, optimiser, loss and loop
    warmup = keras.optimizers.schedules.CosineDecay(
        4e-3 / 25, 8, warmup_target=4e-3, warmup_steps=2
    )
    theirs.compile(keras.optimizers.Adam(warmup), loss="binary_crossentropy")
    ours.compile(FusedAdam(one_cycle(RECIPE)), loss=binary_crossentropy)
    losses = []
    for model in (theirs, ours):
        torch.manual_seed(0)
        fitted = model.fit(
            Batches(x, batch_size=64), epochs=2, shuffle=False, verbose=0,
            validation_data=(x, x), validation_batch_size=160,
        )  # fmt: skip
        losses.append([fitted.history["loss"], fitted.history["val_loss"]])
    assert np.allclose(*losses, atol=1e-4, rtol=0), np.subtract(*losses)


def test_the_loss_is_that_of_keras_at_saturated_pixels_too():
    z = torch.tensor([-200.0, -17, -16.2, -16.1, -3, 0, 3, 15.9, 15.95, 16.2, 200])
    z, t = z.repeat(3), torch.tensor([0.0, 1.0, 0.37]).repeat_interleave(11)
    found = []
    for loss in (keras.losses.BinaryCrossentropy(), binary_crossentropy):
        logits = z.clone().requires_grad_()
        value = loss(t[:, None], logits.sigmoid()[:, None])
        value.backward()
        found.append([value.detach(), *(logits.grad * len(z))])
    assert np.allclose(*found, atol=1e-6)


def test_gradients_in_any_memory_layout_give_the_same_step():
    """Torch's fused routine reads a gradient as it lies in memory."""
    after = []
    for turn in (lambda g: g, lambda g: g.mT.contiguous().mT):
        weight = keras.Variable(np.zeros((3, 4), "f4"))
        optimizer = FusedAdam(1e-2)
        optimizer.build([weight])
        optimizer.apply([turn(torch.arange(12.0).reshape(3, 4) - 5)])
        after.append(weight.numpy())
    assert np.array_equal(*after)


def test_batches_are_every_image_once_an_epoch_in_another_order():
    x, y = np.arange(10.0), np.arange(10) * 2
    batches = Batches(x, y, batch_size=4)
    first, second = (
        [torch.cat(part) for part in zip(*batches, strict=True)] for _ in "12"
    )
    assert len(batches) == 3
    for images, labels in (first, second):
        assert sorted(images.tolist()) == x.tolist()
        assert torch.equal(images * 2, labels)
    assert not torch.equal(first[0], second[0])
