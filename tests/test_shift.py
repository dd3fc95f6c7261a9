"""The measures of internal covariate shift, on distributions and networks whose answers are known."""

import functools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy import stats

from helpers import plots, shift
from helpers.data import load
from helpers.networks import mlp
from helpers.training import train_many


def two_probes(before, after):
    return np.stack([before, after])[None, :, :, None]


ROWS = np.random.default_rng(0).normal(size=256)


@pytest.mark.parametrize(
    ("after", "expected", "part"),
    [(ROWS + 3, 3, "mean"), (ROWS.mean() + 4 * (ROWS - ROWS.mean()), 3 * ROWS.std(), "spread")],
)
def test_a_moved_or_stretched_distribution_drifts_by_just_that(after, expected, part):
    values = two_probes(ROWS, after)
    assert shift.drift(values) == pytest.approx(expected)
    parts = shift.drift_parts(values)._asdict()
    assert parts.pop(part) == pytest.approx(expected**2)
    assert all(other == pytest.approx(0, abs=1e-9) for other in parts.values())


def test_rows_that_change_places_travel_but_the_distribution_stays():
    values = two_probes(ROWS, np.random.default_rng(1).permutation(ROWS))
    assert shift.drift(values) == pytest.approx(0)
    assert shift.travel(values) > ROWS.std()


def test_a_change_of_shape_alone_is_neither_mean_nor_spread():
    square = np.sign(ROWS)
    after = ROWS.mean() + ROWS.std() * (square - square.mean()) / square.std()
    parts = shift.drift_parts(two_probes(ROWS, after))
    assert parts.shape > 0.1
    assert max(parts.mean, parts.spread) < 1e-9


def test_drift_is_the_wasserstein_distance_and_below_travel():
    values = np.random.default_rng(2).normal(size=(2, 4, 50, 3)) ** 3
    drift, parts = shift.drift(values), shift.drift_parts(values)
    assert drift.shape == (2, 3, 3)
    assert (drift <= shift.travel(values)).all()
    assert sum(parts) == pytest.approx(drift**2)
    # SciPy has the distance of order 1, which is never above that of order 2, and equal for a pure move.
    assert stats.wasserstein_distance(values[0, 0, :, 0], values[0, 1, :, 0]) <= drift[0, 0, 0]
    assert stats.wasserstein_distance(ROWS, ROWS + 2) == pytest.approx(shift.drift(two_probes(ROWS, ROWS + 2)).item())


@pytest.mark.parametrize("shape", [(5,), (1, 1, 5, 2), (1, 2, 0, 2), (2, 5, 2)])
def test_other_shapes_are_refused_with_what_was_expected(shape):
    with pytest.raises(ValueError, match=r"\(seeds, probes, rows, units\).*received"):
        shift.drift(np.zeros(shape))


DIGITS = load("digits", train_size=200)
BUILD = functools.partial(mlp, depth=2, width=8, activation="tanh", normalization="before")


def trained(steps=1, learning_rate=0.5, build=BUILD, optimizer=keras.optimizers.SGD, data=DIGITS, **options):
    return train_many(
        build,
        data,
        seeds=2,
        steps=steps,
        batch_size=50,
        optimizer=optimizer(learning_rate, **options),
        progress=False,
    )


def test_gradient_shift_is_what_a_tape_says_on_the_keras_model():
    import tensorflow as tf

    runs = trained()
    model = runs.model(1)
    rows = np.random.default_rng([1, 2]).choice(len(DIGITS.x_train), (1, 50))[0]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def gradients():
        with tf.GradientTape() as tape:
            value = loss(DIGITS.y_train[rows], model(DIGITS.x_train[rows], training=True))
        return [np.asarray(g) for g in tape.gradient(value, model.trainable_variables)]

    names = [variable.path for variable in model.trainable_variables]
    last = next(i for i, name in enumerate(names) if name.endswith("logits/kernel"))
    before = gradients()
    for variable, gradient in zip(model.trainable_variables[:last], before, strict=False):
        variable.assign(variable - 0.5 * gradient)
    a, b = before[last], gradients()[last]
    measured = shift.gradient_shift([runs], batches=1)
    assert measured.cosine.shape == measured.relative.shape == (1, 2, 2)
    assert measured.cosine[0, -1, 1] == pytest.approx(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-4)
    assert measured.relative[0, -1, 1] == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a), abs=1e-3)


def ending_in(*last):
    layers = [keras.layers.Dense(8, activation="tanh"), *last]
    config = keras.Sequential([keras.Input((64,)), *layers]).get_config()
    return lambda: keras.Sequential.from_config(config)


@pytest.mark.parametrize(
    ("logits", "probabilities"),
    [
        (ending_in(keras.layers.Dense(10)), ending_in(keras.layers.Dense(10), keras.layers.Softmax())),
        (ending_in(keras.layers.Dense(1)), ending_in(keras.layers.Dense(1, activation="sigmoid"))),
    ],
    ids=["softmax", "sigmoid"],
)
def test_probabilities_shift_as_their_logits_do(logits, probabilities):
    data = DIGITS
    if logits().output_shape[-1] == 1:
        data = DIGITS.replace("odd or even", y_train=DIGITS.y_train % 2, y_test=DIGITS.y_test % 2)
    first, second = (
        shift.gradient_shift([trained(build=build, data=data)], batches=2) for build in (logits, probabilities)
    )
    assert (first.relative > 0.01).all()
    np.testing.assert_allclose(second.relative, first.relative, rtol=1e-2)
    np.testing.assert_allclose(second.cosine, first.cosine, atol=1e-3)


def test_a_schedule_gives_the_rate_at_the_end():
    def one_or(rate):  # the first step with 1, the second and every later one with the other rate
        return keras.optimizers.schedules.PiecewiseConstantDecay([0], [1.0, rate])

    still, moving = (shift.gradient_shift([trained(learning_rate=one_or(rate))], batches=2) for rate in (1e-9, 1.0))
    constant = shift.gradient_shift([trained(learning_rate=1.0)], batches=2)
    assert still.relative == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(moving.relative, constant.relative, rtol=1e-4)


def test_gradients_do_not_shift_where_nothing_is_updated_and_do_where_much_is():
    still, moving = (shift.gradient_shift([trained(learning_rate=rate)], batches=2) for rate in (1e-9, 0.5))
    assert still.cosine == pytest.approx(1, abs=1e-5)
    assert still.relative == pytest.approx(0, abs=1e-4)
    assert (moving.relative > 0.01).all()
    assert (moving.cosine < 1).all()


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"build": functools.partial(mlp, depth=2, width=8)}, "same build function"),
        ({"momentum": 0.9}, "plain SGD"),
        ({"optimizer": keras.optimizers.Adam}, "plain SGD"),
        ({"weight_decay": 0.1}, "plain SGD"),
        ({"clipnorm": 0.1}, "plain SGD"),
        ({"clipvalue": 0.1}, "plain SGD"),
        ({"global_clipnorm": 0.1}, "plain SGD"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(others, message):
    with pytest.raises(ValueError, match=message):
        shift.gradient_shift([trained(), trained(**others)])


def run_with(*probes):
    """A stand-in for a `Runs` with two layers of two units, all with these values: rows at steps 0, 25, 50, ..."""
    values = np.stack([np.stack([np.stack([rows, 2 * rows], axis=1) for rows in probes])] * 3)
    at = tuple(range(0, 25 * len(probes), 25))
    return SimpleNamespace(
        pre_activations={"activation_1": values, "activation_2": values},
        seeds=(5, 6, 7),
        settings=SimpleNamespace(probes=SimpleNamespace(at=at)),
    )


ARMS = {"moves": run_with(ROWS, ROWS + 1, ROWS + 3), "changes places": run_with(ROWS, ROWS[::-1], ROWS)}


def saturating(value):
    """Two layers, one of which gets this value from every image before the first step, and less at a later probe."""
    values = {"a": np.full((1, 2, 3, 4), value), "b": np.zeros((1, 2, 3, 4))}
    values["a"][:, 1] = 0
    scores = SimpleNamespace(test_accuracy=np.array([[0.5, 0.6]]))
    return SimpleNamespace(pre_activations=values, recomputed=scores, evaluated_at=np.array([75, 150]))


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: plots.percentiles_over_training(ARMS, unit=0, seed=6), ["Unit 0", "seed 6", "moves, last layer"]),
        (lambda: plots.ridgelines(ARMS, layer=2, unit=1, seed=5, every=1), [f"to {2 * ROWS.std():.2f}"]),
        # The second unit has twice the values: moves of 1 and 2, then of 2 and 4.
        (lambda: plots.drift_over_training(ARMS), ["moves 1.50 in the first 25 steps, then 3.00 to 3.00"]),
        (
            lambda: plots.drift_parts_bars({"moves": ARMS["moves"], "again": ARMS["moves"]}),
            ["100 to 100 % of the squared drift"],
        ),
        (
            lambda: plots.image_positions(ARMS, layer=1, unit=0, seed=7, before=0, after=25),
            ["drifts by 1.00, an image travels by 1.00 (correlation of old and new values 1.00)", "drifts by 0.00, an"],
        ),
        (
            lambda: plots.drift_against_accuracy({"one": (np.array([0.1, 0.3]), np.array([0.5, 0.7]))}, steps=175),
            ["one: drift 0.20, accuracy 60 %", "Drift up to step 175"],
        ),
        (
            lambda: plots.saturation({"wide": saturating(4.0), "narrow": saturating(2.0)}),  # tanh(2.65) = 0.99
            ["wide: 50.0 % of the values are saturated", "narrow: 0.0 % of", "60 % test accuracy after 150 steps"],
        ),
    ],
)
def test_figures_say_what_they_show(draw, said):
    plot = draw()
    assert plot.png().startswith(b"\x89PNG")
    for words in said:
        assert words in plot.caption
    assert "nan" not in plot.caption


def test_the_axis_says_up_to_which_step_the_drift_counts():
    plot = plots.drift_against_accuracy({"one": (np.array([0.1, 0.3]), np.array([0.5, 0.7]))}, steps=175)
    assert "up to step 175" in plot.figure.axes[0].get_xlabel()


def one_layer(runs):
    (name, values), *_ = runs.pre_activations.items()
    return SimpleNamespace(**{**vars(runs), "pre_activations": {name: values}})


@pytest.mark.parametrize(
    "draw",
    [
        lambda arms: plots.percentiles_over_training(arms, unit=0, seed=6),
        lambda arms: plots.ridgelines(arms, layer=1, unit=0, seed=5, every=1),
        plots.drift_over_training,
        plots.drift_parts_bars,
        lambda arms: plots.image_positions(arms, layer=1, unit=0, seed=7, before=0, after=25),
    ],
    ids=["percentiles", "ridgelines", "drift", "parts", "places"],
)
@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("layers", [1, 2])
def test_any_number_of_arms_and_layers_is_drawn(draw, count, layers):
    runs = [ARMS["moves"], ARMS["changes places"]] * 4
    arms = {f"arm {i}": run if layers == 2 else one_layer(run) for i, run in enumerate(runs[:count])}
    plot = draw(arms)
    assert plot.png().startswith(b"\x89PNG")
    assert all(name in plot.caption for name in arms)


@pytest.mark.parametrize("count", [1, 8])
def test_any_number_of_arms_saturates(count):
    plot = plots.saturation({f"arm {i}": saturating(4.0) for i in range(count)})
    assert len(plot.figure.axes) == count
    assert plot.caption.count("50.0 % of the values are saturated") == count


def test_figures_refuse_a_seed_that_was_not_run():
    with pytest.raises(ValueError, match=r"No run has the seed 0; there are \(5, 6, 7\)"):
        plots.ridgelines(ARMS, layer=1, unit=0, seed=0)


def test_ridges_name_the_first_and_the_last_width():
    arms = {name: run_with(ROWS, 2 * ROWS) for name in "ab"}
    caption = plots.ridgelines(arms, layer=1, unit=0, seed=5, every=1).caption
    assert f"a from {ROWS.std():.2f} to {2 * ROWS.std():.2f}; b from" in caption


def test_parts_of_the_drift_count_mean_and_spread():
    arms = {name: run_with(ROWS, 2 * ROWS) for name in "ab"}  # the spread changes, and the mean if it is not 0
    assert "mean and spread together make 100 to 100 % of the squared drift" in plots.drift_parts_bars(arms).caption


def test_gradient_shift_takes_each_seeds_own_data():
    sgd = keras.optimizers.SGD(0.5)
    splits = [load("digits", seed=seed, train_size=200) for seed in (0, 1)]
    together = train_many(BUILD, splits, seeds=[4, 5], steps=1, batch_size=50, optimizer=sgd, progress=False)
    alone = train_many(BUILD, splits[1], seeds=[5], steps=1, batch_size=50, optimizer=sgd, progress=False)
    measured, expected = (shift.gradient_shift([runs], batches=2).relative for runs in (together, alone))
    np.testing.assert_allclose(measured[..., 1], expected[..., 0], rtol=1e-3)
