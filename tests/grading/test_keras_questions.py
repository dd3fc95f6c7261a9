"""The Keras questions judge what a model does: other ways to build it pass, unlisted mistakes do not."""

import numpy as np
import pytest

from helpers import environment
from helpers.grading import check, sandbox
from helpers.grading.course import QUESTIONS

environment.quiet_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

RIGHT = {name: QUESTIONS[name].reference for name in ("build_model", "train_step", "freeze", "recalibrate")}


def failed(result):
    return [case.name for case in result.cases if not case.passed]


# build_model -----------------------------------------------------------------------------------------------------


def blocks(*names, features=64, units=(128, 64), last=1, bias=True, **batchnorm):
    """A functional model; `names` are the steps of each hidden block."""
    made = {
        "dense": lambda units: layers.Dense(units, use_bias=bias),
        "norm": lambda _: layers.BatchNormalization(**batchnorm),
        "relu": lambda _: layers.ReLU(), "group": lambda _: layers.GroupNormalization(4),
        "leaky": lambda _: layers.LeakyReLU(0.3), "noise": lambda _: layers.GaussianNoise(0.5),
        "swish": lambda _: layers.Activation("swish"), "unit": lambda _: layers.UnitNormalization(),
    }  # fmt: skip
    inputs = x = keras.Input((features,))
    for size in units:
        for name in names:
            x = made[name](size)(x)
    return keras.Model(inputs, layers.Dense(last)(x) if last else x)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.make_layers()

    def make_layers(self):
        self.hidden = [layers.Dense(128), layers.Dense(64)]
        self.norms = [layers.BatchNormalization(), layers.BatchNormalization()]
        self.last = layers.Dense(1)

    def call(self, x, training=None):
        for dense, norm in zip(self.hidden, self.norms, strict=True):
            x = tf.nn.relu(norm(dense(x), training=training))
        return self.last(x)


class OutputMadeFirst(Subclassed):
    units = 128, 64

    def make_layers(self):
        self.last = layers.Dense(1)
        self.norms = [layers.BatchNormalization(), layers.BatchNormalization()]
        self.hidden = [layers.Dense(units) for units in self.units]


class OutputMadeFirstAndHiddenTheOtherWay(OutputMadeFirst):
    units = 64, 128


def images():
    return keras.Sequential([keras.Input((8, 8)), layers.Flatten(), *blocks("dense", "norm", "relu").layers[1:]])


def activation_in_the_next_layer():
    relu = keras.activations.relu
    return keras.Sequential([
        keras.Input((64,)), layers.Dense(128), layers.BatchNormalization(), layers.Lambda(relu),
        layers.Dense(64), layers.BatchNormalization(), layers.Lambda(relu), layers.Dense(1),
    ])  # fmt: skip


@pytest.mark.parametrize(
    "build",
    [
        lambda: blocks("dense", "norm", "relu"),
        lambda: blocks("dense", "norm", "relu", bias=False),
        lambda: blocks("dense", "norm", "relu", features=10),
        lambda: blocks("dense", "norm", "relu", momentum=0.9),
        Subclassed,
        OutputMadeFirst,
        lambda: keras.Sequential([Subclassed()]),
        images,
        activation_in_the_next_layer,
    ],
    ids=[
        "functional",
        "no bias",
        "ten inputs",
        "momentum 0.9",
        "subclass",
        "output made first",
        "nested",
        "images",
        "lambda",
    ],
)
def test_the_lessons_network_built_otherwise_passes(build):
    result = check("build_model", build)
    assert result.passed, str(result)


@pytest.mark.parametrize(
    "build",
    [
        lambda: blocks("dense", "norm", "relu", units=(64, 128)),
        lambda: blocks("dense", "norm", "relu", units=(128, 64, 32)),
        lambda: blocks("dense", "norm", "relu", last=10),
        lambda: blocks("dense", "norm", "relu", units=(128, 64, 1), last=None),
        lambda: blocks("dense", "group", "relu"),
        lambda: blocks("dense", "norm", "leaky"),
        lambda: blocks("dense", "norm", "swish"),
        lambda: blocks("dense", "norm", "norm", "relu"),
        lambda: blocks("norm", "dense", "norm", "relu"),
        lambda: blocks("dense", "norm", "relu", epsilon=0.5),
        lambda: blocks("dense", "norm", "relu", scale=False),
        lambda: blocks("dense", "unit", "relu"),
        lambda: [layers.Dense(128)],
        lambda: layers.Dense(1),
        lambda: RIGHT["build_model"],
        lambda: keras.Sequential([layers.Dense(128), 3]),
    ],
)
def test_another_network_is_rejected_with_its_evidence(build):
    result = check("build_model", build)
    assert not result.passed
    assert any(word in result.feedback for word in ("should", "gives", "Expected", "stopped with"))
    assert not [one for one in QUESTIONS["build_model"].misconceptions if one.sentence in str(result)]


def test_the_units_are_those_in_the_order_of_use():
    said = check("build_model", OutputMadeFirstAndHiddenTheOtherWay).feedback
    assert "in this order; yours have `64, 128, 1`" in said


@pytest.mark.parametrize("momentum", [0.1, 0.0, 0.4])
def test_a_momentum_from_the_other_side_costs_the_moving_averages(momentum):
    result = check("build_model", lambda: blocks("dense", "norm", "relu", momentum=momentum))
    assert failed(result) == ["two BatchNorm layers keep moving averages"]
    assert "PyTorch writes it the other way round" in result.feedback
    assert 0 < result.score < result.max_score


AVERAGES, AT_INFERENCE, IN_TRAINING = (
    "two BatchNorm layers keep moving averages",
    "inference: the output is that of the lesson's network",
    "training: the output is that of the lesson's network",
)


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (
            lambda: blocks("dense", "norm", "relu", units=(128, 64, 32)),
            ["Dense layers of 128, 64 and 1 units", AT_INFERENCE, IN_TRAINING, AVERAGES],
        ),
        (lambda: blocks("dense", "norm", "relu", "norm"), [AT_INFERENCE, IN_TRAINING, AVERAGES]),
        (lambda: blocks("dense", "norm", "leaky"), [AT_INFERENCE, IN_TRAINING]),
        (lambda: blocks("dense", "norm", "relu", scale=False), [AT_INFERENCE, IN_TRAINING]),
    ],
    ids=["three hidden layers", "on both sides", "leaky", "no gamma"],
)
def test_what_failed_is_what_was_compared(build, names):
    """A network whose averages move, or whose BatchNorm uses its batch, is not told that it does not."""
    assert failed(check("build_model", build)) == names


def test_noise_is_called_noise():
    assert "random" in check("build_model", lambda: blocks("dense", "noise", "norm", "relu")).feedback


# train_step ------------------------------------------------------------------------------------------------------


def step_by_optimizer_apply(model, optimizer, loss_fn, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
    return float(loss)


def step_by_train_on_batch(model, optimizer, loss_fn, x, y):
    if not model.compiled:
        model.compile(optimizer=optimizer, loss=loss_fn)
    return model.train_on_batch(x, y)


@tf.function
def step_as_graph(model, optimizer, loss_fn, x, y):
    return RIGHT["train_step"](model, optimizer, loss_fn, x, y)


@pytest.mark.parametrize("step", [step_by_optimizer_apply, step_by_train_on_batch, RIGHT["train_step"]])
def test_a_right_step_of_another_kind_passes(step):
    result = check("train_step", step)
    assert result.passed, str(result)


def make_step(*, scale=1.0, sign=1, first=None, result=lambda loss: loss, optimizer=None):
    def train_step(model, given, loss_fn, x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y[:first], model(x[:first], training=True)) * scale
        gradients = [sign * one for one in tape.gradient(loss, model.trainable_variables)]
        (optimizer() if optimizer else given).apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return result(loss)

    return train_step


@pytest.mark.parametrize(
    "step",
    [
        make_step(scale=2.0),
        make_step(sign=-1),
        make_step(first=4),
        make_step(result=lambda loss: None),
        make_step(result=lambda loss: -loss),
        make_step(result=lambda loss: "fine"),
        make_step(optimizer=lambda: keras.optimizers.Adam(0.01)),
        make_step(optimizer=lambda: keras.optimizers.SGD(1.0)),
        lambda model, optimizer, loss_fn, x, y: model.fit(x, y),
        lambda model, optimizer, loss_fn, x, y: loss_fn(y, model(x)),
        lambda model, optimizer, loss_fn, x, y: [weight.assign(weight * 0) for weight in model.weights],
        make_step(first=7),
    ],
)
def test_an_unlisted_wrong_step_is_rejected(step):
    result = check("train_step", step)
    assert not result.passed
    assert result.feedback


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (lambda loss: (loss, 1.0), "Expected the loss alone; received a tuple of 2. Return `loss`."),
        (lambda loss: [loss, np.ones((8, 1))], "Expected the loss alone; received a list of 2."),
        (lambda loss: "fine", "The loss should be a number; received `str`."),
        (lambda loss: None, "End it with `return loss`."),
    ],
)
def test_a_result_that_is_no_loss_leaves_the_points_of_the_step(result, says):
    found = check("train_step", make_step(result=result))
    assert says in found.feedback
    assert [case.passed for case in found.cases] == [False, True, True]
    assert found.score == found.max_score * 4 / 5  # 1 part of 5 is the loss that it returns


def test_a_forward_pass_outside_the_tape_is_explained():
    def train_step(model, optimizer, loss_fn, x, y):
        prediction = model(x, training=True)
        loss = loss_fn(y, prediction)
        with tf.GradientTape() as tape:
            gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    assert "GradientTape" in check("train_step", train_step).feedback


# freeze ----------------------------------------------------------------------------------------------------------


def norms(model):
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            yield layer
        elif isinstance(layer, keras.Model):
            yield from norms(layer)


def freeze_in_place(model):
    for layer in norms(model):
        layer.trainable = False
    model.compile("adam", "mse")


def freeze_compile_first(model):
    model.compile("sgd", "mae")
    for layer in norms(model):
        layer.trainable = False
    return model


def freeze_copy(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return RIGHT["freeze"](copy) if copy.compiled else freeze_in_place(copy) or copy


@pytest.mark.parametrize("freeze", [freeze_in_place, freeze_compile_first, freeze_copy])
def test_a_right_freeze_of_another_kind_passes(freeze):
    result = check("freeze", freeze)
    assert result.passed, str(result)


def freeze_in_the_recursion(model):
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
        elif isinstance(layer, keras.Model):
            freeze_in_the_recursion(layer)
    model.compile(optimizer=model.optimizer, loss=model.loss)
    return model


def test_a_nested_model_that_can_not_be_compiled_is_explained():
    assert "Compile once, at the end" in check("freeze", freeze_in_the_recursion).feedback


@pytest.mark.parametrize("question", ["freeze", "recalibrate"])
def test_a_missing_return_costs_nothing_and_is_mentioned(question):
    result = check(question, lambda *given: RIGHT[question](*given) and None)
    assert result.passed, str(result)
    assert "End with `return model`" in result.notes[0]
    assert not any("return" in note for note in check(question, RIGHT[question]).notes)


def freezing(change, after=lambda model: model.compile("sgd", "mse")):
    def freeze(model):
        for layer in norms(model):
            change(layer)
        return after(model) or model

    return freeze


@pytest.mark.parametrize(
    "freeze",
    [
        freezing(lambda layer: setattr(layer, "trainable", True)),
        freezing(lambda layer: setattr(layer, "training", False)),
        freezing(lambda layer: setattr(layer, "momentum", 0.999)),
        freezing(lambda layer: layer.moving_mean.assign(layer.moving_mean * 0)),
        freezing(lambda layer: setattr(layer, "epsilon", 1.0)),
        freezing(lambda layer: setattr(layer, "trainable", False), lambda model: "done"),
        freezing(lambda layer: setattr(layer, "trainable", False), lambda model: keras.models.clone_model(model)),
        freezing(lambda layer: setattr(layer.gamma, "trainable", False)),
        freezing(lambda layer: layer.freeze()),
        lambda model: model.layers[0],
        lambda model: setattr(model, "trainable", False) or model.compile("sgd", "mse"),
        lambda model: keras.Sequential([keras.Input((3,)), layers.Dense(1)]),
    ],
)
def test_an_unlisted_wrong_freeze_is_rejected(freeze):
    result = check("freeze", freeze)
    assert not result.passed
    assert result.feedback


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_small_momentum_is_not_taken_for_a_frozen_layer(momentum):
    result = check("freeze", freezing(lambda layer: setattr(layer, "momentum", momentum)))
    assert "every BatchNorm is in inference mode, in training too" in failed(result)
    assert result.feedback.startswith("Nothing is frozen")
    assert "did not compile" not in str(result)


# recalibrate -----------------------------------------------------------------------------------------------------


def recalibrate_layer_by_layer(model, x, batch_size):
    """One layer after the other: behind a BatchNorm that is recalibrated already, the next one is."""
    for layer in norms(model):
        to_layer = keras.Model(model.inputs, layer.input)
        batches = [np.asarray(to_layer(x[k : k + batch_size])) for k in range(0, len(x), batch_size)]
        layer.moving_mean.assign(np.mean([batch.mean(axis=0) for batch in batches], axis=0))
        layer.moving_variance.assign(np.mean([batch.var(axis=0) for batch in batches], axis=0))
    return model


def recalibrate_in_one_go(model, x, batch_size):
    """Layer after layer, with the statistics of all of x."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.mean(x, axis=0))
            layer.moving_variance.assign(np.var(x, axis=0))
        x = np.asarray(layer(x))


def recalibrate_by_collecting(model, x, batch_size):
    """The mean of the batches' means and variances, weighted by their sizes."""
    found = list(norms(model))
    momenta = [norm.momentum for norm in found]
    sums = [[0, 0] for _ in found]
    for norm in found:
        norm.momentum = 0.0
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size]
        model(batch, training=True)
        for norm, (mean, variance), index in zip(found, list(sums), range(len(found)), strict=True):
            share = len(batch) / len(x)
            sums[index] = [mean + share * norm.moving_mean.numpy(), variance + share * norm.moving_variance.numpy()]
    for norm, momentum, (mean, variance) in zip(found, momenta, sums, strict=True):
        norm.momentum = momentum
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)
    return model


def recalibrate_whole(model, x, batch_size):
    for norm in norms(model):
        norm.momentum = 0.0
    model(x, training=True)
    for norm in norms(model):
        norm.momentum = 0.99


@pytest.mark.parametrize("passes_", [None, 75, 120], ids=["layer by layer", "75 passes", "120 passes"])
def test_a_right_recalibration_of_another_kind_passes(passes_):
    result = check("recalibrate", passes(passes_) if passes_ else recalibrate_layer_by_layer)
    assert result.passed, str(result)


@pytest.mark.parametrize(
    ("recalibrate", "says"),
    [
        (recalibrate_in_one_go, "sends all rows through at once"),
        (recalibrate_whole, "sends all rows through at once"),
    ],
)
def test_batches_that_do_not_count_the_same_are_told_so(recalibrate, says):
    """The statistics are about right, so most of the points stay."""
    result = check("recalibrate", recalibrate)
    assert says in result.feedback
    missed = [f"the {one} closely: nothing old is left, every batch counts" for one in ("mean", "variance")]
    if recalibrate is recalibrate_whole:
        missed.append("the layers have their momentum back")
    assert failed(result) == missed
    assert result.max_score / 2 < result.score < result.max_score


def recalibrate_by_momentum(model, x, batch_size):
    """Batch after batch, the momentum being the share of the rows before."""
    momenta = [norm.momentum for norm in norms(model)]
    for start in range(0, len(x), batch_size):
        rows = len(x[start : start + batch_size])
        for norm in norms(model):
            norm.momentum = 1 - rows / (start + rows)
        model(x[start : start + batch_size], training=True)
    for norm, momentum in zip(norms(model), momenta, strict=True):
        norm.momentum = momentum


@pytest.mark.parametrize("recalibrate", [recalibrate_by_momentum, recalibrate_by_collecting])
def test_batches_may_count_with_their_rows(recalibrate):
    result = check("recalibrate", recalibrate)
    assert result.passed, str(result)
    assert any("a batch counts with its rows" in note for note in result.notes)
    assert not any("every batch counts the same, the shorter" in note for note in result.notes)


def test_what_else_is_wrong_beside_an_average_by_rows_costs_its_own_case_only():
    def forgets_momentum(model, x, batch_size):
        recalibrate_by_momentum(model, x, batch_size)
        for norm in norms(model):
            norm.momentum = 0.0

    assert failed(check("recalibrate", forgets_momentum)) == ["the layers have their momentum back"]


def recalibrate_the_copy(model, x, batch_size, result="copy"):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    RIGHT["recalibrate"](copy, x, batch_size)
    return {"copy": copy, "given": model}[result]


def test_a_copy_is_looked_at_where_it_comes_back():
    assert check("recalibrate", recalibrate_the_copy).passed
    said = check("recalibrate", lambda *given: recalibrate_the_copy(*given, result="given")).feedback
    assert "not on a copy" in said
    new = check("recalibrate", lambda model, *given: RIGHT["recalibrate"](keras.models.clone_model(model), *given))
    assert "a copy without the weights" in new.feedback
    assert "trains the model" not in str(new)


def passes(count, start=None):
    """Several passes with the layers' own momentum, from the old statistics or from those of a new layer."""

    def recalibrate(model, x, batch_size):
        for norm in norms(model):
            if start:
                norm.moving_mean.assign(norm.moving_mean * 0)
                norm.moving_variance.assign(norm.moving_variance * 0 + 1)
        for _ in range(count):
            for begin in range(0, len(x), batch_size):
                model(x[begin : begin + batch_size], training=True)
        return model

    return recalibrate


@pytest.mark.parametrize("recalibrate", [passes(5), passes(20), passes(5, "new"), passes(50), passes(20, "new")])
def test_a_recalibration_that_stops_too_early_is_told_to_go_on(recalibrate):
    result = check("recalibrate", recalibrate)
    assert not result.passed
    assert result.feedback.startswith("You are on the way")


@pytest.mark.parametrize("scale", [0.5, 0.9, 2.0])
def test_other_wrong_statistics_are_not_told_to_go_on(scale):
    result = check("recalibrate", lambda model, x, batch_size: RIGHT["recalibrate"](model, x * scale, batch_size))
    assert not result.passed
    assert "on the way" not in str(result)


@pytest.mark.parametrize("momentum", [0.0, 0.875])
def test_a_momentum_that_is_not_put_back_costs_its_own_case(momentum):
    result = check(
        "recalibrate", after_right(lambda model: [setattr(norm, "momentum", momentum) for norm in norms(model)])
    )
    assert [case.name for case in result.cases if not case.passed] == ["the layers have their momentum back"]
    assert "Put the old momentum back" in result.feedback
    assert f"momentum {momentum:.3g}." in result.feedback


@pytest.mark.parametrize(("momentum", "right"), [(0.99, False), (0.98, False), (None, True)])
def test_each_layer_gets_its_own_momentum_back(momentum, right):
    def recalibrate(model, x, batch_size):
        RIGHT["recalibrate"](model, x, batch_size)
        for norm in norms(model):
            norm.momentum = norm.momentum if right else momentum

    result = check("recalibrate", recalibrate)
    assert result.passed == right
    if not right:
        assert failed(result) == ["the layers have their momentum back"]
        assert f"now both have {momentum}. Keep each layer's own momentum" in result.feedback


def dense_layers(model):
    return [layer for layer in model.layers if isinstance(layer, layers.Dense)]


def with_flags(choose, back=False):
    """A right loop around layers that were frozen before, and that are thawed again if `back`."""

    def recalibrate(model, x, batch_size):
        for frozen in choose(model):
            frozen.trainable = False
        RIGHT["recalibrate"](model, x, batch_size)
        for frozen in choose(model) if back else ():
            frozen.trainable = True
        return model

    return recalibrate


def gammas(model):
    return [weight for norm in norms(model) for weight in (norm.gamma, norm.beta)]


@pytest.mark.parametrize("choose", [dense_layers, gammas], ids=["Dense", "gamma and beta"])
@pytest.mark.parametrize("back", [False, True], ids=["left", "put back"])
def test_a_frozen_layer_is_no_other_layer(choose, back):
    result = check("recalibrate", with_flags(choose, back))
    assert failed(result) == ([] if back else ["what was trainable still is"])
    assert ("You left layers with `trainable=False`; set it back" in result.feedback) != back
    assert "should have the layers" not in str(result)


@pytest.mark.parametrize("choose", [norms, lambda model: [model]], ids=["BatchNorm", "model"])
def test_a_frozen_batchnorm_does_not_move(choose):
    result = check("recalibrate", with_flags(lambda model: list(choose(model))))
    assert "with `trainable=False`, BatchNorm only reads them" in result.feedback
    assert "set it back" in result.cases[-1].feedback
    assert "the weights stay as they were" not in failed(result)
    assert "should have the layers" not in str(result)


def test_another_model_is_told_so():
    other = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    assert "should have the layers" in check("recalibrate", lambda *given: other).feedback


def test_the_last_batch_is_named_though_its_momentum_stays():
    def recalibrate(model, x, batch_size):
        for norm in norms(model):
            norm.momentum = 0.0
        for begin in range(0, len(x), batch_size):
            model(x[begin : begin + batch_size], training=True)
        return model

    assert "those of the last batch only" in check("recalibrate", recalibrate).feedback


def after_right(change):
    def recalibrate(model, x, batch_size):
        RIGHT["recalibrate"](model, x, batch_size)
        change(model)

    return recalibrate


@pytest.mark.parametrize(
    "recalibrate",
    [
        lambda model, x, batch_size: None,
        lambda model, x, batch_size: RIGHT["recalibrate"](model, x[: len(x) // 4], batch_size),
        lambda model, x, batch_size: RIGHT["recalibrate"](model, x * 0, batch_size),
        lambda model, x, batch_size: RIGHT["recalibrate"](model, x * 2, batch_size),
        lambda model, x, batch_size: RIGHT["recalibrate"](model, x, 1),
        lambda model, x, batch_size: [norm.moving_mean.assign(norm.moving_mean * 0) for norm in norms(model)],
        after_right(lambda model: [norm.gamma.assign(norm.gamma * 1.1) for norm in norms(model)]),
        after_right(lambda model: model.layers[0].kernel.assign(model.layers[0].kernel * 1.001)),
        after_right(
            lambda model: [norm.moving_variance.assign(np.sqrt(norm.moving_variance)) for norm in norms(model)]
        ),
        after_right(lambda model: [norm.moving_mean.assign(norm.moving_mean + 1) for norm in norms(model)]),
        lambda model, x, batch_size: model.fit(x, x[:, :1], batch_size=batch_size, verbose=0),
        lambda model, x, batch_size: model.predict(x, batch_size=batch_size),
        lambda model, x, batch_size: x / 0,
    ],
)
def test_an_unlisted_wrong_recalibration_is_rejected(recalibrate):
    result = check("recalibrate", recalibrate)
    assert not result.passed
    assert result.feedback


# Hostile ---------------------------------------------------------------------------------------------------------


def forever(*_):
    while True:
        pass


def leave(*_):
    raise SystemExit


@pytest.mark.parametrize("question", RIGHT)
@pytest.mark.parametrize("answer", [forever, leave, lambda *_: 1 / 0, lambda *_: 3, lambda: None, lambda *_: ..., 3])
def test_hostile_answers_get_a_result(question, answer, monkeypatch, capfd):
    monkeypatch.setattr(sandbox, "SECONDS", 0.5)
    result = check(question, answer)
    assert result.score < result.max_score
    assert result.feedback or not result.attempted
    assert capfd.readouterr().err == ""
