"""Many seeds at once: seed by seed it is Keras, arms are paired, and what cannot work says so before it starts."""

import contextlib
import dataclasses
import functools
import logging.handlers
import pickle
import signal
import threading

import numpy as np
import pytest

from helpers import environment

environment.quiet_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from helpers.data import load  # noqa: E402
from helpers.networks import mlp  # noqa: E402
from helpers.training import Probes, batch_order, graph, initial_variables, models, running, sweep, train_many  # noqa: E402  # noqa: E402

DIGITS = load("digits", train_size=300)
SMALL = functools.partial(mlp, depth=2, width=16)
quick = functools.partial(train_many, steps=20, batch_size=32, evaluate_every=10, progress=False)


def model_of_seed(build, seed):
    """A Keras model that starts where `train_many` starts this seed."""
    model = build()
    trainable, tracked = initial_variables(model, seed)
    for variable, value in zip(
        [*model.trainable_variables, *model.non_trainable_variables], [*trainable, *tracked], strict=True
    ):
        variable.assign(value)
    return model


def losses_of_fit(model, optimizer, seed, steps, batch_size):
    """`model.fit` on the same batches, one batch an epoch, so that its history holds the loss of each batch."""
    rows = batch_order(DIGITS.y_train, steps, batch_size, seed)
    batches = tf.data.Dataset.from_tensor_slices((DIGITS.x_train[rows], DIGITS.y_train[rows])).repeat()
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model.fit(batches, epochs=steps, steps_per_epoch=1, shuffle=False, verbose=0).history["loss"]


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.002),
    "adamw": lambda: keras.optimizers.AdamW(0.002, weight_decay=0.1),
    "nadam": lambda: keras.optimizers.Nadam(0.002),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.002),
    "clipped over all gradients": lambda: keras.optimizers.SGD(0.5, global_clipnorm=0.3),
    "schedule": lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.2, 100)),
}


@pytest.mark.parametrize("normalization", ["before", "none"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_seed_by_seed_it_is_keras(normalization, optimizer):
    build = functools.partial(SMALL, normalization=normalization)
    runs = train_many(
        build, DIGITS, seeds=[0, 7], steps=100, batch_size=32, optimizer=OPTIMIZERS[optimizer](), progress=False
    )
    for row, seed in enumerate(runs.seeds):
        model = model_of_seed(build, seed)
        expected = losses_of_fit(model, OPTIMIZERS[optimizer](), seed, 100, 32)
        np.testing.assert_allclose(runs.train_loss[row], expected, atol=1e-4)
        for ours, keras_own in zip(
            runs.model(seed).non_trainable_variables, model.non_trainable_variables, strict=True
        ):
            np.testing.assert_allclose(ours, keras_own, atol=1e-5)
    assert not np.allclose(runs.train_loss[0], runs.train_loss[1], atol=1e-2)  # the seeds do differ


def test_penalties_of_layers_count():
    def build():
        return keras.Sequential(
            [keras.Input((64,)), keras.layers.Dense(10, kernel_regularizer=keras.regularizers.L2(0.1))]
        )

    runs = train_many(build, DIGITS, seeds=[3], steps=30, batch_size=32, optimizer="sgd", progress=False)
    expected = losses_of_fit(model_of_seed(build, 3), "sgd", 3, 30, 32)
    np.testing.assert_allclose(runs.train_loss[0], expected, atol=1e-4)


def test_scores_are_those_of_the_models():
    runs = quick(SMALL, DIGITS, seeds=3, optimizer=keras.optimizers.SGD(0.3), steps=40)
    for row, seed in enumerate(runs.seeds):
        model = runs.model(seed)
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        for part in ("train", "test"):
            x, y = getattr(DIGITS, f"x_{part}"), getattr(DIGITS, f"y_{part}")
            loss, accuracy = model.evaluate(x, y, verbose=0)
            assert getattr(runs.moving, f"{part}_loss")[row, -1] == pytest.approx(loss, abs=1e-4)
            assert getattr(runs.moving, f"{part}_accuracy")[row, -1] == pytest.approx(accuracy, abs=1e-6)


def test_recomputed_statistics_are_those_of_the_whole_training_set():
    # With Dropout in the network: it must be off while the statistics are computed.
    build = functools.partial(SMALL, momentum=0.99, dropout=0.4)
    runs = quick(build, DIGITS, seeds=2, steps=40)
    for row, seed in enumerate(runs.seeds):
        model = runs.model(seed)
        x = DIGITS.x_train
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.moving_mean.assign(np.mean(x, axis=0))
                layer.moving_variance.assign(np.var(x, axis=0))
            x = layer(x, training=False).numpy()
        accuracy = np.mean(model.predict(DIGITS.x_test, verbose=0).argmax(axis=1) == DIGITS.y_test)
        assert runs.recomputed.test_accuracy[row, -1] == pytest.approx(accuracy, abs=1e-6)
    # After 40 steps at momentum 0.99 the moving averages are cold: the two must not be the same thing.
    assert (abs(runs.recomputed.test_loss[:, -1] - runs.moving.test_loss[:, -1]) > 1e-3).all()


def test_without_batchnorm_both_kinds_of_scores_are_equal():
    runs = quick(functools.partial(SMALL, normalization="none"), DIGITS, seeds=2)
    np.testing.assert_array_equal(runs.moving.test_loss, runs.recomputed.test_loss)


def test_the_same_call_gives_the_same_bits():
    first, second = (quick(functools.partial(SMALL, dropout=0.3), DIGITS, seeds=3, optimizer="adam") for _ in range(2))
    np.testing.assert_array_equal(first.train_loss, second.train_loss)
    np.testing.assert_array_equal(first.moving.test_loss, second.moving.test_loss)
    np.testing.assert_array_equal(first.recomputed.train_loss, second.recomputed.train_loss)


@pytest.mark.parametrize("cores", [1, 2, 3, 8])
def test_the_number_of_cores_does_not_matter(cores, monkeypatch):
    expected = quick(SMALL, DIGITS, seeds=5)
    monkeypatch.setattr(running, "available_cores", lambda: cores)
    runs = quick(SMALL, DIGITS, seeds=5)
    assert runs.train_loss.shape == (5, 20)
    np.testing.assert_allclose(runs.train_loss, expected.train_loss, atol=1e-5)


def test_arms_share_their_seeds_dense_weights():
    arms = [functools.partial(SMALL, depth=3, **arm) for arm in (
        {"normalization": "none"}, {"normalization": "before"}, {"normalization": "after"},
        {"normalization": "layer"}, {"dropout": 0.5}, {"activation": "tanh"},
    )]  # fmt: skip
    kernels = [
        [value for value, variable in zip(initial_variables(model, 4)[0], model.trainable_variables, strict=True)
         if variable.path.endswith("kernel")]
        for model in (build() for build in arms)
    ]  # fmt: skip
    for arm in kernels[1:]:
        for ours, first in zip(arm, kernels[0], strict=True):
            np.testing.assert_array_equal(ours, first)
    other_seed = initial_variables(arms[0](), 5)[0][0]
    assert not np.array_equal(other_seed, kernels[0][0])
    second, third = kernels[0][1:3]
    assert second.shape == third.shape
    assert not np.allclose(second, third, atol=1e-3)


def test_initial_weights_have_the_initialisers_spread():
    build = functools.partial(mlp, depth=1, width=300, initializer=keras.initializers.RandomNormal(stddev=0.1))
    kernel = initial_variables(build(), 0)[0][0]
    assert kernel.std() == pytest.approx(0.1, rel=0.05)
    assert kernel.mean() == pytest.approx(0, abs=0.005)


def trained_before():
    model = SMALL()
    model.set_weights([np.full(weight.shape, 0.01 * number) for number, weight in enumerate(model.get_weights())])
    return model


def with_a_new_end():
    return keras.Sequential([*trained_before().layers[:-1], keras.layers.Dense(10)])


@pytest.mark.parametrize("build", [trained_before, with_a_new_end])
def test_weights_that_were_set_are_kept_and_others_drawn(build):
    model = build()
    starts = [initial_variables(model, seed)[0] for seed in (0, 1)]
    for variable, first, second in zip(model.trainable_variables, *starts, strict=True):
        drawn = build is with_a_new_end and variable.path.endswith("kernel") and variable.shape[1] == 10
        assert np.array_equal(first, variable) is not drawn
        assert np.array_equal(first, second) is not drawn


def test_a_network_that_was_trained_before_is_trained_on():
    first = quick(SMALL, DIGITS, seeds=1, steps=60, optimizer=keras.optimizers.SGD(0.3))
    again = quick(lambda: first.model(0), DIGITS, seeds=2, optimizer=keras.optimizers.SGD(1e-9))
    for seed in (0, 1):
        kernels = [model.get_layer("dense_2").kernel for model in (first.model(0), again.model(seed))]
        np.testing.assert_allclose(*kernels, atol=1e-6)
    assert (again.train_loss[:, 0] < 0.7 * first.train_loss[0, 0]).all()
    assert again.train_loss[0, 0] != again.train_loss[1, 0]  # the batches differ


class Seeded(keras.Initializer):
    """Draws anew at every call unless it has a seed."""

    def __init__(self, seed=None):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, dtype=dtype, seed=self.seed)

    def get_config(self):
        return {"seed": self.seed}


SHARED = keras.initializers.HeNormal()


@pytest.mark.parametrize(
    "initializer",
    ["he_normal", SHARED, keras.initializers.HeNormal(seed=3), Seeded(), Seeded(3),
     keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(3))],
    ids=["name", "shared", "seed", "own", "own seed", "generator"],
)  # fmt: skip
def test_what_an_initialiser_drew_is_drawn_for_every_seed(initializer):
    model = mlp(depth=3, width=8, initializer=initializer)
    first, second = (initial_variables(model, seed)[0] for seed in (0, 1))
    kernels = [i for i, variable in enumerate(model.trainable_variables) if variable.path.endswith("kernel")]
    assert len(kernels) == 4
    for i in kernels:
        assert not np.allclose(first[i], second[i], atol=1e-3)
        assert not np.array_equal(first[i], model.trainable_variables[i])


@pytest.mark.parametrize(
    "initializer",
    [
        "zeros",
        "identity",
        keras.initializers.Constant(np.arange(100).reshape(10, 10)),
        lambda shape, dtype=None: keras.ops.full(shape, 0.5, dtype),
    ],
    ids=["zeros", "identity", "array", "function"],
)
def test_a_start_that_is_not_random_is_every_seeds(initializer):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10, kernel_initializer=initializer)])
    for seed in (0, 1):
        np.testing.assert_array_equal(initial_variables(model, seed)[0][0], model.trainable_variables[0])


def test_batch_order_visits_every_example_once_an_epoch():
    order = batch_order(np.zeros(100), 25, 10, seed=0)
    assert order.shape == (25, 10)
    assert sorted(order[:10].ravel()) == list(range(100))
    assert sorted(order[10:20].ravel()) == list(range(100))
    assert not np.array_equal(order[:10], order[10:20])
    assert not np.array_equal(order, batch_order(np.zeros(100), 25, 10, seed=1))


def test_an_incomplete_batch_is_left_out():
    order = batch_order(np.zeros(25), 4, 10, seed=0)
    assert len(set(order[:2].ravel())) == len(set(order[2:].ravel())) == 20


def masks_after(steps, seeds, rate):
    """The Dropout mask of the last of `steps` steps: with batches of one example of ones, BatchNorm at momentum 0
    keeps exactly what Dropout let through."""
    ones = DIGITS.replace("ones", x_train=np.ones((20, 500), np.float32), y_train=np.arange(20) % 10,
                          x_test=np.ones((10, 500), np.float32), y_test=np.arange(10))  # fmt: skip

    def build():
        return keras.Sequential([
            keras.Input((500,)), keras.layers.Dropout(rate),
            keras.layers.BatchNormalization(momentum=0.0, name="keeps"), keras.layers.Dense(10),
        ])  # fmt: skip

    runs = train_many(build, ones, seeds=seeds, steps=steps, batch_size=1, optimizer="sgd", progress=False)
    return np.stack([runs.model(seed).get_layer("keeps").moving_mean.numpy() for seed in runs.seeds])


def test_dropout_masks_differ_between_steps_and_seeds_and_have_their_rate():
    masks = np.stack([masks_after(steps, seeds=3, rate=0.3) for steps in (1, 2, 3)])
    assert set(np.unique(masks.round(4))) == {0, np.float32(round(1 / 0.7, 4))}
    flat = (masks > 0).reshape(9, -1)
    assert len(np.unique(flat, axis=0)) == 9
    # Independent masks agree in 0.7² + 0.3² of the places.
    agreement = [np.mean(flat[i] == flat[j]) for i in range(9) for j in range(i)]
    assert np.mean(agreement) == pytest.approx(0.58, abs=0.03)
    assert flat.mean() == pytest.approx(0.7, abs=0.02)


def test_the_dropout_layers_of_a_network_draw_different_masks():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dropout(0.5)])
    _, tracked = initial_variables(model, seed=3)
    states = [tuple(value) for value in tracked]
    assert len(states) == len(set(states)) == 2


def test_dropout_masks_are_the_same_for_every_arm():
    np.testing.assert_array_equal(masks_after(2, seeds=[5], rate=0.5), masks_after(2, seeds=[5, 6], rate=0.5)[:1])


def test_diverged_seeds_stay_in_and_are_named():
    plain = functools.partial(mlp, depth=4, width=32, normalization="none", initializer="he_normal")
    runs = quick(plain, DIGITS, seeds=4, optimizer=keras.optimizers.SGD(1e4))
    assert runs.diverged == (0, 1, 2, 3)
    assert runs.moving.test_accuracy.shape == (4, 2)
    assert np.isfinite(runs.moving.test_accuracy).all()
    assert "4 of them diverged (seeds 0, 1, 2, 3)" in str(runs)
    assert quick(SMALL, DIGITS, seeds=2).diverged == ()


def test_repr_repeats_the_runs():
    build = functools.partial(mlp, depth=1, width=8, activation="tanh")
    runs = quick(build, load(seed=2, train_size=100), seeds=[1, 5], optimizer=keras.optimizers.SGD(0.25, momentum=0.5))
    assert "SGD(learning_rate=0.25, momentum=0.5)" in repr(runs)
    names = {"train_many": functools.partial(train_many, progress=False), "functools": functools, "mlp": mlp,
             "load": load, "keras": keras, "Probes": Probes}  # fmt: skip
    again = eval(repr(runs), names)
    np.testing.assert_array_equal(again.train_loss, runs.train_loss)


def test_evaluations_come_when_asked_and_at_the_end():
    assert quick(SMALL, DIGITS, seeds=1, steps=25).evaluated_at.tolist() == [10, 20, 25]
    assert quick(SMALL, DIGITS, seeds=1, steps=120, evaluate_every=1000).evaluated_at.tolist() == [120]


def test_an_architecture_that_only_looks_the_same_is_not_confused():
    activation = "relu"

    def build():  # depends on something outside of itself
        return mlp(depth=2, width=16, activation=activation)

    relu = quick(build, DIGITS, seeds=1)
    activation = "tanh"
    tanh = quick(build, DIGITS, seeds=1)
    assert not np.allclose(relu.train_loss, tanh.train_loss, atol=1e-3)
    np.testing.assert_array_equal(
        tanh.train_loss, quick(functools.partial(SMALL, activation="tanh"), DIGITS, seeds=1).train_loss
    )


def test_a_graph_serves_every_start_and_rate():
    quick(SMALL, DIGITS, seeds=1)
    traced = graph._cached_graph.cache_info().misses
    wide = functools.partial(SMALL, initializer=keras.initializers.RandomNormal(stddev=1.0))
    start = quick(wide, DIGITS, seeds=1)
    faster = quick(SMALL, DIGITS, seeds=1, optimizer=keras.optimizers.SGD(0.3))
    assert graph._cached_graph.cache_info().misses == traced
    usual = quick(SMALL, DIGITS, seeds=1)
    assert not np.allclose(start.train_loss[:, 0], usual.train_loss[:, 0], atol=1e-2)
    assert not np.allclose(faster.train_loss[:, -1], usual.train_loss[:, -1], atol=1e-2)
    assert abs(start.model(0).get_layer("dense_1").kernel.numpy()).mean() > 0.5


def test_a_layer_of_ones_own_is_traced_anew():
    class Scale(keras.layers.Layer):
        factor = 1.0

        def call(self, x):
            return self.factor * x

    def build():
        return keras.Sequential([keras.Input((64,)), Scale(), keras.layers.Dense(10)])

    once = quick(build, DIGITS, seeds=1)
    Scale.factor = 3.0
    assert not np.allclose(once.train_loss, quick(build, DIGITS, seeds=1).train_loss, atol=1e-2)


def test_probes_see_what_the_network_sees():
    probes = Probes(at=(0, 20), rows=50, gradient_norms=True)
    runs = quick(SMALL, DIGITS, seeds=2, probes=probes)
    assert {name: values.shape for name, values in runs.pre_activations.items()} == {
        "activation_1": (2, 2, 50, 16), "activation_2": (2, 2, 50, 16),
    }  # fmt: skip
    x, start = DIGITS.x_train[:50], model_of_seed(SMALL, 1)
    linear = x @ start.get_layer("dense_1").kernel.numpy()
    expected = (linear - linear.mean(axis=0)) / np.sqrt(linear.var(axis=0) + 1e-3)
    np.testing.assert_allclose(runs.pre_activations["activation_1"][1, 0], expected, atol=1e-4)
    assert list(runs.gradient_norms) == ["dense_1", "dense_2", "logits"]
    with tf.GradientTape() as tape:
        rows = batch_order(DIGITS.y_train, 1, 32, seed=1)[0]
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
            DIGITS.y_train[rows], start(DIGITS.x_train[rows], training=True)
        )
    norm = np.linalg.norm(tape.gradient(loss, start.get_layer("dense_2").kernel))
    assert runs.gradient_norms["dense_2"].shape == (2, 20)
    assert runs.gradient_norms["dense_2"][1, 0] == pytest.approx(norm, rel=1e-4)


def test_probing_and_evaluating_change_nothing():
    plain = quick(SMALL, DIGITS, seeds=1, evaluate_every=20)
    watched = quick(SMALL, DIGITS, seeds=1, evaluate_every=3, probes=Probes(at=range(0, 20, 2), gradient_norms=True))
    np.testing.assert_allclose(watched.train_loss, plain.train_loss, atol=1e-6)


@pytest.mark.parametrize("end", ["logit", "sigmoid", "softmax"])
def test_outputs_and_losses(end):
    odd = DIGITS.replace("odd or even", y_train=DIGITS.y_train % 2, y_test=DIGITS.y_test % 2)
    last = {
        "logit": [keras.layers.Dense(1)],
        "sigmoid": [keras.layers.Dense(1, activation="sigmoid")],
        "softmax": [keras.layers.Dense(2), keras.layers.Activation("softmax")],
    }[end]
    layers = [keras.layers.Dense(32), keras.layers.BatchNormalization(), keras.layers.Activation("relu"), *last]
    runs = train_many(
        lambda: keras.Sequential([type(layer).from_config(layer.get_config()) for layer in layers]),  # no Input
        odd, seeds=2, steps=150, batch_size=30, optimizer=keras.optimizers.SGD(0.1), progress=False,
    )  # fmt: skip
    assert (runs.recomputed.test_accuracy[:, -1] > 0.85).all()
    model = runs.model(0)
    outputs = model.predict(odd.x_test, verbose=0)
    answers = outputs.argmax(axis=1) if end == "softmax" else outputs[:, 0] > (0.5 if end == "sigmoid" else 0)
    assert runs.moving.test_accuracy[0, -1] == pytest.approx(np.mean(answers == odd.y_test), abs=1e-6)


def ends_with(*layers):
    return lambda: keras.Sequential([keras.Input((64,)), *(layer() for layer in layers)])


def dense(units, activation=None):
    return lambda: keras.layers.Dense(units, activation=activation)


def inside(*layers):
    return lambda: keras.Sequential([layer() for layer in layers])


def an_operation(units, operation):
    def build():
        inputs = keras.Input((64,))
        return keras.Model(inputs, operation(keras.layers.Dense(units)(inputs)))

    return build


@pytest.mark.parametrize(
    ("build", "output"),
    [
        (ends_with(dense(1)), "logits"),
        (ends_with(dense(1, "relu")), "logits"),
        (ends_with(dense(1, "sigmoid")), "sigmoid"),
        (ends_with(dense(1, tf.nn.sigmoid)), "sigmoid"),
        (ends_with(dense(1, keras.ops.sigmoid)), "sigmoid"),
        (ends_with(dense(10, tf.nn.softmax)), "softmax"),
        (ends_with(dense(10), keras.layers.Softmax), "softmax"),
        (ends_with(dense(10), lambda: keras.layers.Activation("softmax")), "softmax"),
        (ends_with(dense(10), lambda: keras.layers.Lambda(keras.ops.softmax)), "softmax"),
        (ends_with(inside(dense(1, "sigmoid"))), "sigmoid"),
        (ends_with(inside(dense(1, "sigmoid"), dense(1))), "logits"),
        (ends_with(inside(dense(8), inside(dense(10, "softmax")))), "softmax"),
        (an_operation(10, keras.ops.softmax), "softmax"),
        (an_operation(1, keras.ops.sigmoid), "sigmoid"),
        (an_operation(1, keras.ops.tanh), "logits"),
    ],
)
def test_what_a_model_ends_with(build, output):
    model = build()
    assert models.output_kind(model) == output
    outputs = tf.constant([[0.6], [0.4], [-0.1]])
    if model.output_shape[-1] == 1:
        classes = models.predicted_class(model, outputs).numpy().tolist()
        assert classes == ([1, 1, 0] if output == "logits" else [1, 0, 0])


@pytest.mark.parametrize("end", [dense(1, tf.nn.sigmoid), inside(dense(1, "sigmoid"))], ids=["tf.nn", "model inside"])
def test_probabilities_in_other_clothes_are_the_same(end):
    odd = DIGITS.replace("odd or even", y_train=DIGITS.y_train % 2, y_test=DIGITS.y_test % 2)
    runs, expected = (quick(ends_with(dense(16), last), odd, seeds=2) for last in (end, dense(1, "sigmoid")))
    np.testing.assert_allclose(runs.train_loss, expected.train_loss, atol=1e-5)
    np.testing.assert_array_equal(runs.moving.test_accuracy, expected.moving.test_accuracy)


def test_own_order_of_batches():
    def by_class(labels, steps, batch_size, seed):
        return np.stack([np.flatnonzero(labels == step % 10)[:batch_size] for step in range(steps)])

    runs = quick(SMALL, DIGITS, seeds=[2], steps=10, batch_size=8, order=by_class)
    rows = by_class(DIGITS.y_train, 1, 8, 0)[0]
    model = model_of_seed(SMALL, 2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        DIGITS.y_train[rows], model(DIGITS.x_train[rows], training=True)
    )
    assert runs.train_loss[0, 0] == pytest.approx(float(loss), abs=1e-4)


SPLITS = [load("digits", seed=seed, train_size=200) for seed in (0, 1, 2)]


def test_a_data_set_for_each_seed():
    probes = Probes(at=(0, 20), rows=8)
    together = quick(SMALL, SPLITS, seeds=[4, 5, 6], probes=probes)
    for number, (seed, data) in enumerate(zip([4, 5, 6], SPLITS, strict=True)):
        alone = quick(SMALL, data, seeds=[seed], probes=probes)
        np.testing.assert_allclose(together.train_loss[number], alone.train_loss[0], rtol=1e-5)
        np.testing.assert_allclose(together.recomputed.test_loss[number], alone.recomputed.test_loss[0], rtol=1e-5)
        for layer, values in together.pre_activations.items():
            np.testing.assert_allclose(values[number], alone.pre_activations[layer][0], rtol=1e-3, atol=1e-4)
    elsewhere = quick(SMALL, SPLITS[0], seeds=[5])
    assert not np.allclose(together.train_loss[1], elsewhere.train_loss[0], rtol=1e-2)
    assert not np.allclose(together.moving.test_loss[1], elsewhere.moving.test_loss[0], rtol=1e-3)


class OwnRandomLayer(keras.layers.Layer):
    """Random weights that no initialiser attribute describes."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1],), initializer="random_normal")

    def call(self, x):
        return x * self.w


class NeedsValues(keras.layers.Layer):
    def call(self, x):
        return x * float(np.asarray(x).mean())  # needs a value while the graph is being made


class Counts(keras.layers.Layer):
    """Its state is a tf.Variable, which Keras cannot see, and which all seeds would share."""

    def build(self, shape):
        self._count = [tf.Variable(0.0, trainable=False)]

    def call(self, x, training=False):
        return x * (1 + 0 * self._count[0].assign_add(1.0))


class Reads(Counts):
    def call(self, x):
        return x + self._count[0]


class NoSeed(keras.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, dtype=dtype)


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(10)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


def two_outputs():
    inputs = keras.Input((64,))
    return keras.Model(inputs, [keras.layers.Dense(10)(inputs), keras.layers.Dense(10)(inputs)])


def not_decayed(**what):
    optimizer = keras.optimizers.AdamW(0.01)
    optimizer.exclude_from_weight_decay(**what)
    return optimizer


def fewer(**parts):
    return dataclasses.replace(DIGITS, **{name: getattr(DIGITS, name)[:count] for name, count in parts.items()})


def network(*layers, outputs=10):
    return lambda: keras.Sequential([keras.Input((64,)), *(layer() for layer in layers), keras.layers.Dense(outputs)])


@pytest.mark.parametrize(
    ("build", "changes", "message"),
    [
        (SMALL, {"batch_size": 301}, "batch_size must be at most 300.*received 301"),
        (SMALL, {"batch_size": 0}, "batch_size must be a whole number of at least 1, received 0"),
        (SMALL, {"steps": 1.5}, "steps must be a whole number of at least 1, received 1.5"),
        (SMALL, {"seeds": 0}, "seeds must be a whole number of at least 1"),
        (SMALL, {"evaluate_every": -1}, "evaluate_every"),
        (functools.partial(SMALL, outputs=5), {}, r"5 outputs can tell the classes 0 to 4 apart.*labels \[0, 1, 2"),
        (functools.partial(SMALL, outputs=1), {}, "1 output can tell the classes 0 to 1 apart"),
        (functools.partial(SMALL, features=63), {}, r"inputs of shape \(63,\), the data set has \(64,\)"),
        (lambda: None, {}, r"build\(\) must return a Keras model, received NoneType"),
        (SMALL, {"dataset": SPLITS}, "with one of the same sizes for each of the 8 seeds; received 3"),
        (SMALL, {"dataset": [DIGITS, SPLITS[0]], "seeds": 2}, r"received 2 with .*\(200, 64\).*\(300, 64\)"),
        (network(OwnRandomLayer), {}, "starts at random, but its layer has no initialiser"),
        (network(Counts), {}, "cannot be trained for several seeds at once"),
        (network(Reads), {}, "a tf.Variable or a table that all seeds would share"),
        (network(NeedsValues), {}, "cannot be trained for several seeds at once: one of its layers works on values"),
        (Subclass, {}, "what its class Subclass does"),
        (two_outputs, {}, "one input and one output, received 1 and 2"),
        (functools.partial(SMALL, initializer=NoSeed()), {}, "its initialiser takes no seed"),
        (functools.partial(SMALL, initializer=lambda shape, dtype=None: NoSeed()(shape)), {}, "takes no seed"),
        (SMALL, {"seeds": 2.0}, "seeds must be a whole number or a list of whole numbers, received 2.0"),
        (SMALL, {"dataset": fewer(x_train=200)}, "x_train and y_train must be of one length, received 200 and 300"),
        (SMALL, {"dataset": fewer(y_train=200)}, "x_train and y_train must be of one length, received 300 and 200"),
        (SMALL, {"dataset": fewer(y_test=9)}, "x_test and y_test must be of one length, received 1497 and 9"),
        (SMALL, {"probes": Probes(at=(0, 21, 600))}, r"whole steps from 0 to 20, .* received \[21, 600\]"),
        (SMALL, {"probes": Probes(at=(-1, 5))}, r"whole steps from 0 to 20, .* received \[-1\]"),
        (SMALL, {"optimizer": not_decayed(var_names=["gamma"])}, "exclude_from_weight_decay as in `fit`.*AdamW"),
        (SMALL, {"optimizer": not_decayed(var_list=[keras.Variable(0.0)])}, "exclude_from_weight_decay as in `fit`"),
        (SMALL, {"optimizer": keras.optimizers.SGD(use_ema=True)}, "use_ema as in `fit`; received SGD"),
        (SMALL, {"optimizer": keras.optimizers.SGD(loss_scale_factor=2.0)}, "loss_scale_factor"),
        (SMALL, {"optimizer": keras.optimizers.SGD(gradient_accumulation_steps=2)}, "gradient_accumulation_steps"),
        (SMALL, {"optimizer": keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())}, "LossScaleOptimizer"),
    ],
)
def test_what_cannot_work_says_so_before_training(build, changes, message, monkeypatch):
    monkeypatch.setattr(running.RunGroup, "train", lambda *_: pytest.fail("training started"))
    with pytest.raises(ValueError, match=message):
        quick(build, **{"dataset": DIGITS, **changes})


@pytest.mark.parametrize("optimizer", [not_decayed(var_names=["gamma"]), keras.optimizers.SGD(use_ema=True)])
@pytest.mark.parametrize("as_point", [False, True])
def test_a_sweep_refuses_the_same_optimizers(optimizer, as_point):
    grid, settings = ({"optimizer": [optimizer]}, {}) if as_point else ({"depth": [1]}, {"optimizer": optimizer})
    with pytest.raises(ValueError, match="as in `fit`"):
        sweep(grid, SMALL, DIGITS, seeds=1, steps=5, progress=False, **settings)


def test_seeds_may_be_counted_by_numpy():
    assert quick(SMALL, DIGITS, seeds=np.int64(2), steps=1).seeds == (0, 1)


@pytest.mark.parametrize("at", [(20, 0, 10), (0, 10, 20), (10, 20, 0, 10), range(0, 21, 10), np.array([20, 10, 0])])
def test_probes_come_in_the_order_of_training(at):
    runs = quick(SMALL, DIGITS, seeds=1, probes=Probes(at=at, rows=8))
    expected = quick(SMALL, DIGITS, seeds=1, probes=Probes(at=(0, 10, 20), rows=8))
    assert runs.settings.probes.at == (0, 10, 20)
    for name, values in runs.pre_activations.items():
        np.testing.assert_array_equal(values, expected.pre_activations[name])


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
@pytest.mark.parametrize("again", range(3))  # it must not matter where the signal falls
def test_interrupted_it_returns_what_it_measured(again, monkeypatch):
    def interrupt_soon(group):
        trace(group)
        threading.Timer(0.3 + 0.1 * again, interrupt).start()

    def interrupt():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    trace = running.RunGroup.trace
    monkeypatch.setattr(running.RunGroup, "trace", interrupt_soon)
    handler = signal.getsignal(signal.SIGINT)
    runs = train_many(SMALL, DIGITS, seeds=2, steps=60_000, batch_size=8, evaluate_every=50, progress=False)
    assert runs.interrupted
    steps = runs.train_loss.shape[1]
    assert 0 < steps < 60_000
    assert runs.evaluated_at[-1] == steps
    assert runs.moving.test_accuracy.shape == (2, len(runs.evaluated_at))
    assert str(runs).endswith(", interrupted")
    assert runs.model(1).count_params() > 0
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
@pytest.mark.parametrize("outputs_at_once", [running.OUTPUTS_AT_ONCE, 1])
def test_an_interrupted_sweep_stops_and_returns_what_it_measured(outputs_at_once, monkeypatch):
    def interrupt_the_long_one(group):
        trace(group)
        steps.append(len(group.rows))
        if steps[-1] > 60_000:
            main = threading.main_thread().ident
            threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT)).start()

    steps, trace = [], running.RunGroup.trace
    monkeypatch.setattr(running.RunGroup, "trace", interrupt_the_long_one)
    monkeypatch.setattr(running, "OUTPUTS_AT_ONCE", outputs_at_once)
    grid = {"steps": [50, 60_000, 70], "learning_rate": [0.01, 0.1]}
    found = sweep(grid, SMALL, DIGITS, seeds=1, batch_size=8, evaluate_every=60_000)
    assert steps[-1] > 60_000  # nothing was begun after it
    assert len(found.points) == len(found.runs)
    interrupted = [runs.interrupted for runs in found.runs]
    assert interrupted == ([False, False, True, True] if outputs_at_once > 1 else [False, False, True])
    assert found[found.points[-1]].interrupted


def in_build(interrupt, monkeypatch):
    return lambda **settings: interrupt() or mlp(**settings)


def in_trace(interrupt, monkeypatch):
    trace = running.RunGroup.trace
    monkeypatch.setattr(running.RunGroup, "trace", lambda group: interrupt() or trace(group))
    return mlp


def in_results(interrupt, monkeypatch):
    collect = running._collect_runs
    monkeypatch.setattr(running, "_collect_runs", lambda *arguments: interrupt() or collect(*arguments))
    return mlp


@pytest.mark.parametrize("where", [in_build, in_trace, in_results])
@pytest.mark.parametrize(("grid", "at_once"), [("depth", 10**9), ("learning_rate", 1)])
def test_a_sweep_that_is_interrupted_beside_training_loses_nothing(where, grid, at_once, monkeypatch):
    calls = []

    def interrupt_the_second():
        calls.append(None)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(running, "OUTPUTS_AT_ONCE", at_once)
    handler = signal.getsignal(signal.SIGINT)
    build = functools.partial(where(interrupt_the_second, monkeypatch), width=9)
    settings = {"seeds": 1, "steps": 60, "batch_size": 16, "progress": False}
    found = sweep({grid: [1, 2, 3]}, build, DIGITS, **settings)
    built_once = where is in_build and grid == "learning_rate"  # all rates share one model
    assert [point[grid] for point in found.points] == ([1, 2, 3] if built_once else [1, 2])
    assert len(found.runs) == len(found.points)
    assert not found.runs[0].interrupted
    assert signal.getsignal(signal.SIGINT) is handler


def test_interrupted_while_it_is_traced_it_returns_the_first_steps(monkeypatch):
    build = in_trace(lambda: signal.raise_signal(signal.SIGINT), monkeypatch)
    runs = quick(functools.partial(build, width=7), DIGITS, seeds=1, steps=1000, evaluate_every=1000)
    assert runs.interrupted
    assert 0 < runs.train_loss.shape[1] < 1000


def test_interrupted_before_anything_is_measured_it_stops():
    with pytest.raises(KeyboardInterrupt):
        quick(lambda: signal.raise_signal(signal.SIGINT) or SMALL(), DIGITS, seeds=1)


def test_many_architectures_write_nothing_to_stderr(capfd):
    for width in range(3, 10):
        quick(functools.partial(mlp, depth=1, width=width), DIGITS, seeds=1, steps=2)
    assert capfd.readouterr().err == ""


def test_a_bar_is_shown_unless_it_is_not_wanted(capsys):
    train_many(SMALL, DIGITS, seeds=1, steps=60, batch_size=8)
    assert "60" in capsys.readouterr().err
    quick(SMALL, DIGITS, seeds=1)
    assert capsys.readouterr().err == ""


def test_a_sweep_is_train_many_at_every_point():
    settings = {"seeds": 2, "steps": 15, "batch_size": 32}
    result = sweep({"normalization": ["none", "before"], "learning_rate": [0.01, 0.1]}, SMALL, DIGITS, **settings)
    assert len(result.runs) == 4
    for point in result.points:
        build = functools.partial(SMALL, normalization=point["normalization"])
        optimizer = keras.optimizers.SGD(point["learning_rate"])
        expected = train_many(build, DIGITS, optimizer=optimizer, progress=False, **settings)
        # Learning rates are trained together: sums may round otherwise than with fewer runs side by side.
        np.testing.assert_allclose(result[point].train_loss, expected.train_loss, rtol=1e-5)
        assert repr(result[point]) == repr(expected)
    with pytest.raises(KeyError, match="2 points"):
        result[{"learning_rate": 0.1}]
    with pytest.raises(KeyError, match="0 points"):
        result[{"learning_rate": 5}]


def test_learning_rates_of_a_large_network_are_trained_one_by_one(monkeypatch):
    def rates_in_each_graph():
        seen = []
        train = running._train_in_one_graph
        monkeypatch.setattr(
            running, "_train_in_one_graph", lambda arms, *others: seen.append(len(arms)) or train(arms, *others)
        )
        found = sweep({"learning_rate": [0.01, 0.1, 1.0]}, SMALL, DIGITS, seeds=2, steps=5, batch_size=32)
        monkeypatch.undo()
        return seen, found

    together, first = rates_in_each_graph()
    monkeypatch.setattr(running, "OUTPUTS_AT_ONCE", 10_000)
    one_by_one, second = rates_in_each_graph()
    assert (together, one_by_one) == ([3], [1, 1, 1])
    assert first.points == second.points
    for ours, theirs in zip(first.runs, second.runs, strict=True):
        np.testing.assert_allclose(ours.train_loss, theirs.train_loss, rtol=1e-4)


@pytest.mark.parametrize(
    ("grid", "unit"),
    [({"learning_rate": [0.01, 0.1]}, "step"), ({"learning_rate": [0.01, 0.1], "depth": [1, 2]}, "network")],
)
def test_the_bar_of_a_sweep_counts_what_moves(grid, unit, capsys):
    settings = {"seeds": 1, "steps": 120, "batch_size": 8}
    sweep(grid, SMALL, DIGITS, **settings)
    shown = capsys.readouterr().err
    assert f"{unit}/s" in shown or f"s/{unit}" in shown
    assert {"step": "network", "network": "step"}[unit] not in shown
    sweep(grid, SMALL, DIGITS, progress=False, **settings)
    assert capsys.readouterr().err == ""


def test_a_sweep_over_settings_of_training():
    result = sweep({"batch_size": [8, 16], "steps": [5]}, SMALL, DIGITS, seeds=1)
    assert [runs.settings.batch_size for runs in result.runs] == [8, 16]
    assert {runs.train_loss.shape for runs in result.runs} == {(1, 5)}


def own_activation(x):
    return 0.0 * x


def relu(x):  # Keras has another one of this name
    return 0.0 * x


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [keras.layers.Dense(8), keras.layers.Activation(own_activation)],
        lambda: [keras.layers.Dense(8), keras.layers.Activation(relu)],
        lambda: [keras.layers.Dense(8, activation=relu)],
        lambda: [keras.Sequential([keras.layers.Dense(8), keras.layers.BatchNormalization()])],
    ],
    ids=["own activation", "named as Keras' own", "inside Dense", "a model inside"],
)
def test_what_a_configuration_cannot_hold_is_trained_as_it_is(layers):
    runs = quick(lambda: keras.Sequential([keras.Input((64,)), *layers(), keras.layers.Dense(10)]), DIGITS, seeds=1)
    model = runs.model(0)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    expected = model.evaluate(DIGITS.x_test, DIGITS.y_test, verbose=0)
    assert runs.moving.test_loss[0, -1] == pytest.approx(expected, abs=1e-4)


def same_answers(runs, seed):
    model = runs.model(seed)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    loss = model.evaluate(DIGITS.x_test, DIGITS.y_test, verbose=0)
    return runs.moving.test_loss[runs.seeds.index(seed), -1] == pytest.approx(loss, abs=1e-4)


def test_models_are_of_the_network_that_was_trained():
    runs = {}
    for activation in ("relu", "tanh"):
        runs[activation] = quick(lambda: SMALL(activation=activation), DIGITS, seeds=2)  # noqa: B023
    for name, own in runs.items():
        assert own.model(1).get_layer("activation_1").activation.__name__ == name
        assert same_answers(own, 1)


def test_every_model_is_a_new_one():
    model = SMALL()
    before = model.get_weights()
    runs = quick(lambda: model, DIGITS, seeds=2)
    first, second = runs.model(0), runs.model(1)
    assert len({id(one) for one in (model, first, second)}) == 3
    assert same_answers(runs, 0)
    assert same_answers(runs, 1)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Times(keras.layers.Layer):
    """A learner's own layer, whose configuration does not know its factor."""

    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor
        self.inner = keras.layers.Dense(8)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.factor * self.inner(x)


def with_own_layer(normalization="before", own=Times, width=8):
    return keras.Sequential([*SMALL(normalization=normalization).layers, own(), keras.layers.Dense(width), Times(0.5),
                             keras.layers.Dense(10)])  # fmt: skip


def test_a_network_with_own_layers_is_built_again():
    runs = quick(with_own_layer, DIGITS, seeds=2)
    assert runs.model(0) is not runs.model(1)
    assert same_answers(runs, 0)
    assert same_answers(runs, 1)


@pytest.mark.parametrize(
    "changed",
    [{"normalization": "after"}, {"own": lambda: keras.layers.Dense(8)}, {"width": 9},
     {"own": lambda: keras.layers.Activation(own_activation)}],
)  # fmt: skip
def test_build_that_makes_something_else_by_now_is_refused(changed):
    settings = {}
    runs = quick(lambda: with_own_layer(**settings), DIGITS, seeds=1, steps=2)
    assert same_answers(runs, 0)
    settings.update(changed)
    with pytest.raises(ValueError, match=r"build\(\) makes another network now"):
        runs.model(0)


def test_one_model_of_own_layers_for_all_seeds_is_refused():
    model = with_own_layer()
    with pytest.raises(ValueError, match="one and the same model every time"):
        quick(lambda: model, DIGITS, seeds=2, steps=2).model(0)


def test_an_own_function_inside_a_wrapper_is_seen():
    def build(activation):
        wrapped = keras.layers.SpectralNormalization(keras.layers.Dense(8, activation=activation))
        return keras.Sequential([keras.Input((64,)), wrapped, keras.layers.Dense(10)])

    assert all(map(models.made_by_keras, build("relu").layers))
    assert not all(map(models.made_by_keras, build(relu).layers))


def test_runs_travel_between_processes():
    runs = pickle.loads(pickle.dumps(quick(SMALL, DIGITS, seeds=2)))
    assert same_answers(runs, 1)


def test_a_sweep_over_schedules_and_optimizers():
    def constant(rate):
        return keras.optimizers.schedules.PiecewiseConstantDecay([1000], [rate, rate])

    settings = {"seeds": 1, "steps": 20, "batch_size": 32}
    found = sweep({"learning_rate": [constant(0.001), constant(0.5), 0.1]}, SMALL, DIGITS, **settings)
    for point, runs in zip(found.points, found.runs, strict=True):
        alone = quick(SMALL, DIGITS, seeds=1, optimizer=keras.optimizers.SGD(point["learning_rate"]))
        np.testing.assert_allclose(runs.train_loss, alone.train_loss, rtol=1e-4)
    found = sweep({"optimizer": ["sgd", "adam"]}, SMALL, DIGITS, **settings)
    adam = quick(SMALL, DIGITS, seeds=1, optimizer="adam")
    np.testing.assert_allclose(found[{"optimizer": "adam"}].train_loss, adam.train_loss, rtol=1e-4)


def test_probes_leave_dropout_off():
    at = Probes(at=(0,), rows=50)
    with_it, without = (
        quick(functools.partial(SMALL, dropout=rate), DIGITS, seeds=1, probes=at) for rate in (0.5, 0.0)
    )
    for layer, values in with_it.pre_activations.items():
        np.testing.assert_allclose(values, without.pre_activations[layer], atol=1e-4)


def test_labels_of_every_data_set_are_checked():
    wrong = dataclasses.replace(SPLITS[1], y_test=SPLITS[1].y_test + 1)
    with pytest.raises(ValueError, match="0 to 9 apart"):
        quick(SMALL, [SPLITS[0], wrong], seeds=2)


def test_a_layer_with_two_outputs_can_be_trained():
    def build():
        inputs = keras.Input((64,))
        halves = keras.layers.Lambda(lambda x: [x[:, :32], x[:, 32:]])(inputs)
        return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Add()(halves)))

    found = sweep({"learning_rate": [0.01, 0.1]}, build, DIGITS, seeds=1, steps=5, batch_size=32, progress=False)
    assert np.isfinite([runs.train_loss for runs in found.runs]).all()


def test_threads_that_share_a_graph_do_not_disturb_each_other(monkeypatch):
    """As on the workers of a Dask cluster that have several threads each."""
    run = functools.partial(quick, functools.partial(SMALL, width=19), DIGITS, seeds=2)
    inside, other_is_through = threading.Event(), threading.Event()
    real = graph.batch_statistics

    @contextlib.contextmanager
    def slow(model):
        with real(model):
            inside.set()
            other_is_through.wait(3)  # long enough for another thread to get in, unless it is kept out
            yield

    monkeypatch.setattr(graph, "batch_statistics", slow)
    first = threading.Thread(target=run)  # it is tracing its evaluation when the other comes
    first.start()
    assert inside.wait(60)
    second = run(batch_size=16)
    other_is_through.set()
    first.join()
    graph._cached_graph.cache_clear()
    alone = run(batch_size=16)
    np.testing.assert_array_equal(second.train_loss, alone.train_loss)
    np.testing.assert_array_equal(second.moving.test_loss, alone.moving.test_loss)


def convolutional(*layers_in_front):
    layers = [*layers_in_front, keras.layers.Conv2D(4, 3, use_bias=False), keras.layers.BatchNormalization()]
    return keras.Sequential([*layers, keras.layers.Activation("relu"), keras.layers.Flatten(), keras.layers.Dense(10)])


def as_images(data):
    parts = {part: getattr(data, part).reshape(-1, 8, 8, 1) for part in ("x_train", "x_test")}
    return data.replace("as images", **parts)


@pytest.mark.parametrize("data", [DIGITS, [load("digits", train_size=300, seed=seed) for seed in (1, 2)]])
def test_images_are_trained_as_they_are(data):
    alike = {"seeds": 2, "probes": Probes(at=(0, 20), rows=50)}
    images = [as_images(one) for one in data] if isinstance(data, list) else as_images(data)
    of_images = quick(convolutional, images, **alike)
    of_rows = quick(lambda: convolutional(keras.layers.Reshape((8, 8, 1))), data, **alike)
    np.testing.assert_allclose(of_images.train_loss, of_rows.train_loss, rtol=1e-5)
    np.testing.assert_allclose(of_images.recomputed.test_loss, of_rows.recomputed.test_loss, rtol=1e-5)
    (probed,) = of_images.pre_activations.values()
    assert probed.shape == (2, 2, 50, 6, 6, 4)
    other = quick(convolutional, images, seeds=[5, 6])
    assert not np.allclose(of_images.train_loss, other.train_loss, rtol=1e-2)


def test_images_of_another_shape_are_refused():
    build = lambda: convolutional(keras.Input((6, 6, 1)))  # noqa: E731
    with pytest.raises(ValueError, match=r"takes inputs of shape \(6, 6, 1\), the data set has \(8, 8, 1\)"):
        quick(build, as_images(DIGITS))


def test_images_train_without_a_warning():
    """TensorFlow would log a warning for the gradient of each convolution that it computes in a loop over the seeds."""
    images = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype(np.float32)
    dataset = load("digits")
    labels = np.arange(8, dtype=np.int32) % 2
    dataset = dataset.replace("tiny images", x_train=images, y_train=labels, x_test=images, y_test=labels)

    def build():
        convolutions = [keras.layers.Conv2D(4, 3, strides=2, padding="same") for _ in range(2)]
        return keras.Sequential([keras.Input((8, 8, 1)), *convolutions, keras.layers.Flatten(), keras.layers.Dense(2)])

    logged = logging.handlers.BufferingHandler(100)
    tf.get_logger().addHandler(logged)
    train_many(build, dataset, seeds=8, steps=2, batch_size=4)
    tf.get_logger().removeHandler(logged)
    assert [record.getMessage() for record in logged.buffer] == []
