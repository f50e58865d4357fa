"""The fast functions compute what stock Keras computes: forwards, and for ten steps of training."""

import keras
import numpy as np
import pytest
import torch
from keras import layers
from test_models import randomise

from cae_keras.config import CAEConfig, Recipe
from cae_keras.fast import Batches, Trainer, binary_crossentropy, forward
from cae_keras.models import build_autoencoder, build_decoder, build_encoder
from cae_keras.optimisers import FusedAdam, FusedMuon, orthogonalise
from cae_keras.training import OneCycle, pinned

LAST = "conv0_transpose"
FILTERS = (4, 6, 5, 3, 2)  # down to a single pixel
CONFIGS = [
    CAEConfig(FILTERS[:entries], 3, batch_norm, activation)
    for entries in (2, 3, 4)
    for batch_norm in (False, True)
    for activation in ("relu", "leaky_relu")
]
RECIPE = Recipe(
    300, 2, peak_learning_rate=4e-3
)  # 10 steps, the last of an epoch with 44 images


@pytest.fixture(autouse=True)
def calm():
    with pinned():
        yield


@pytest.fixture(scope="module")
def images(tiny):
    return tiny.x_train / np.float32(255)


@pytest.mark.parametrize("config", [*CONFIGS, CAEConfig(FILTERS[:1], 3), CAEConfig(FILTERS, 3, True)])  # fmt: skip
def test_forward_is_the_models_own_call(config, images):
    latents = np.random.default_rng(1).normal(size=(7, 3)).astype("f4")
    for build, x in (
        (build_encoder, images[:7]), (build_decoder, latents), (build_autoencoder, images[:7]),
    ):  # fmt: skip
        model, x = randomise(build(config)), torch.tensor(x)
        before = model.get_weights()
        for training in (False, True):
            found, statistics = forward(model, x, training)
            assert all(map(np.array_equal, model.get_weights(), before))  # it is pure
            wanted = model(x, training=training)  # this one moves the statistics
            assert found.shape == wanted.shape
            assert torch.allclose(found, wanted, atol=1e-5)
            moved = model.non_trainable_variables if training else []
            assert len(statistics) == len(moved)
            for value, variable in zip(statistics, moved, strict=True):
                assert torch.allclose(value, variable.value, atol=1e-6)


def test_other_weights_can_be_given(images):
    """As when several runs are computed at once, by `torch.func`."""
    one, other = (randomise(build_autoencoder(CONFIGS[-1]), seed) for seed in (0, 1))
    x = torch.tensor(images[:7])
    weights = [weight.value for weight in other.weights]
    for training in (False, True):
        found, wanted = forward(one, x, training, weights), forward(other, x, training)
        for a, b in zip((found[0], *found[1]), (wanted[0], *wanted[1]), strict=True):
            assert torch.equal(a, b)
    both = [torch.stack([w.value, v.value]) for w, v in zip(one.weights, other.weights, strict=True)]  # fmt: skip
    stacked = torch.func.vmap(lambda *own: forward(one, x, True, own)[0])(*both)
    for found, model in zip(stacked, (one, other), strict=True):
        assert torch.allclose(found, forward(model, x, True)[0], atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_ten_steps_are_those_of_stock_keras(config, images):
    """With Keras' own loop, optimiser, schedule, loss and batches on the other side."""
    keras.utils.set_random_seed(0)
    theirs = build_autoencoder(config)
    ours = keras.models.clone_model(theirs)
    ours.set_weights(theirs.get_weights())
    trainer = Trainer(ours.inputs, ours.outputs)
    warmup = keras.optimizers.schedules.CosineDecay(
        4e-3 / 25, 8, warmup_target=4e-3, warmup_steps=2
    )
    theirs.compile(keras.optimizers.Adam(warmup), loss="binary_crossentropy")
    trainer.compile(FusedAdam(OneCycle(RECIPE)), loss=binary_crossentropy)
    losses = []  # of each step
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(logs["loss"])
    )
    settings = {"batch_size": 64, "epochs": 2, "shuffle": False, "verbose": 0}
    means = theirs.fit(images, images, **settings).history["loss"]
    trainer.fit(images, images, **settings, callbacks=[watch])
    sizes = [len(images[i : i + 64]) for i in range(0, len(images), 64)]
    found = np.average(np.reshape(losses, (2, -1)), axis=1, weights=sizes)
    assert np.allclose(found, means, atol=1e-5)
    validated = theirs.evaluate(images[:100], images[:100], batch_size=60, verbose=0)
    found = trainer.validate(torch.tensor(images[:100]), 60)
    assert found == pytest.approx(validated, abs=1e-5)
    # a bias before a normalisation changes nothing: its gradient is mere rounding
    pairs = zip(ours.weights, theirs.weights, strict=True)
    for found, wanted in pairs:
        layer, _, kind = found.path.rpartition("/")
        moot = config.batch_norm and layer.startswith("conv") and layer != LAST
        if not (moot and kind in ("bias", "moving_mean")):
            atol = 1e-3 if config.batch_norm else 2e-5
            assert np.allclose(found, wanted, atol=atol, rtol=0), found.path


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


def test_ten_steps_of_muon_are_those_of_keras():
    """Of Keras' own, given the kernels as matrices; those with a single channel stay with Adam."""
    rng = np.random.default_rng(0)
    matrices = [(12, 4), (4, 12), (3, 3, 4, 6), (3, 3, 6, 4)]
    shapes = [*matrices, (5,), (4, 4, 1, 8), (3, 3, 1, 6)]
    start = [rng.normal(size=shape).astype("f4") for shape in shapes]
    as_matrices = [x.reshape(-1, x.shape[-1]) if x.shape in matrices else x for x in start]  # fmt: skip
    ours, theirs = (list(map(keras.Variable, x)) for x in (start, as_matrices))
    optimizer = FusedMuon(1e-2)
    reference = keras.optimizers.Muon(1e-2, weight_decay=None, adam_weight_decay=None)
    for _ in range(10):
        grads = [torch.tensor(rng.normal(size=x.shape), dtype=torch.float32) for x in start]  # fmt: skip
        optimizer.apply(grads, ours)
        reference.apply([g.reshape(v.shape) for g, v in zip(grads, theirs, strict=True)], theirs)  # fmt: skip
    for found, wanted in zip(ours, theirs, strict=True):
        assert np.allclose(found.numpy().ravel(), wanted.numpy().ravel(), atol=3e-6)
    assert len(optimizer.by_adam) == 3


def test_an_orthogonalised_matrix_keeps_its_directions_and_loses_its_lengths():
    matrix = torch.randn(3, 8, 20, generator=torch.Generator().manual_seed(0))
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    values = u.mT @ orthogonalise(matrix) @ vt.mT
    lengths = values.diagonal(dim1=-2, dim2=-1)
    assert 0.65 < lengths.min() < lengths.max() < 1.25
    assert torch.allclose(values, torch.diag_embed(lengths), atol=1e-4)


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


def down(filters=2, kernel=4, strides=2, padding="same", **settings):
    return layers.Conv2D(filters, kernel, strides, padding, name="bad", **settings)


def up(filters=2, kernel=4, strides=2, padding="same", **settings):
    return layers.Conv2DTranspose(filters, kernel, strides, padding, name="bad", **settings)  # fmt: skip


def norm(**settings):
    return layers.BatchNormalization(name="bad", **settings)


class OwnDense(layers.Dense):
    """A layer that is not Keras' own."""


REFUSED = [  # a layer, the side of the map that it is given, what is named, and the rule
    (down(strides=1), 8, "strides=(1, 1)", "(2, 2)"),
    (down(padding="valid"), 8, "padding='valid'", "'same'"),
    (down(use_bias=False), 8, "use_bias=False", "True"),
    (down(activation="relu"), 8, "activation='relu'", "'linear'"),
    (down(groups=2), 8, "groups=2", "1"),
    (down(data_format="channels_first"), 8, "data_format='channels_first'", "'channels_last'"),
    (down(kernel=3), 8, "kernel_size=(3, 3)", "(4, 4)"),
    (down(kernel=4), 7, "kernel_size=(4, 4)", "(3, 3)"),
    (down(kernel=(4, 3)), 8, "kernel_size=(4, 3)", "(4, 4)"),
    (down(kernel_regularizer="l2"), 8, "kernel_regularizer={", "None"),
    (down(dtype="float64"), 8, "dtype={", "'float32'"),
    (up(strides=1), 8, "strides=(1, 1)", "(2, 2)"),
    (up(kernel=3), 4, "kernel_size=(3, 3)", "(4, 4)"),
    (up(kernel=4, output_padding=0), 4, "output_padding=(0, 0)", "None"),
    (norm(axis=1), 8, "axis=1", "-1"),
    (norm(center=False), 8, "center=False", "True"),
    (norm(trainable=False), 8, "trainable=False", "True"),
    (layers.Dense(3, activation="relu", name="bad"), None, "activation='relu'", "'linear'"),
    (OwnDense(3, name="bad"), None, "is a OwnDense", "one of Conv2D, "),
    (layers.Dropout(0.1, name="bad"), None, "is a Dropout", "one of Conv2D, "),
]  # fmt: skip


@pytest.mark.parametrize("layer, side, named, rule", REFUSED)
def test_what_it_does_not_compute_is_refused(layer, side, named, rule):
    inputs = keras.Input((side, side, 4) if side else (5,))
    model = keras.Model(inputs, layer(inputs))
    for use in (
        forward,
        lambda model, x: forward(keras.Model(inputs, model(inputs)), x),
    ):
        with pytest.raises(ValueError, match="layer 'bad' ") as error:
            use(model, torch.ones(1, *inputs.shape[1:]))
        assert named in str(error.value)
        assert rule in str(error.value).split("must be")[1]


@pytest.mark.parametrize("branches", ["two outputs", "a layer that comes twice"])
def test_what_is_no_chain_is_refused(branches):
    inputs, relu = keras.Input((5,)), layers.ReLU()
    x = layers.Dense(5)(relu(inputs))
    outputs = [x, layers.Dense(2)(x)] if branches == "two outputs" else relu(x)
    with pytest.raises(
        ValueError, match="model 'net' has branches: it must be a chain"
    ):
        forward(keras.Model(inputs, outputs, name="net"), torch.ones(1, 5))
