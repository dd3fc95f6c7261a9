"""Train one architecture from many seeds at once: real Keras models, one graph, every figure with a spread.

A single `fit` shows one draw of the initial weights and of the batch order. `train_many` stacks the variables of
several such draws and trains all of them in one vectorised TensorFlow graph, so that eight runs cost about as much as
one `fit`. The layers are Keras' own (`stateless_call`), and so is the optimizer (`stateless_apply`).
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import inspect
import itertools
import json
import math
import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from helpers import environment

environment.quiet_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

# ---------------------------------------------------------------------------------------------- what comes back


@dataclass(frozen=True)
class Scores:
    """Accuracy (share from 0 to 1) and mean loss of every run at every evaluation: arrays (seeds, evaluations)."""

    train_accuracy: np.ndarray
    train_loss: np.ndarray
    test_accuracy: np.ndarray
    test_loss: np.ndarray


@dataclass(frozen=True)
class Probes:
    """What to look at inside the network while it trains.

    at: the steps at which the network is probed, kept in ascending order; 0 is before the first step.
    rows: how many training images (the first ones) make the fixed probe batch.
    gradient_norms: whether to record the norm of the gradient of every Dense kernel at every step.
    """

    at: tuple[int, ...] = ()
    rows: int = 256
    gradient_norms: bool = False


@dataclass(frozen=True)
class Settings:
    """Everything that `train_many` was called with; `repr` is the call."""

    build: object
    dataset: object
    seeds: tuple[int, ...]
    steps: int
    batch_size: int
    optimizer: object
    evaluate_every: int
    probes: Probes | None
    order: object

    @property
    def datasets(self):
        """The data set of each seed, a list."""
        return self.dataset if isinstance(self.dataset, list) else [self.dataset] * len(self.seeds)

    def __repr__(self):
        config = self.optimizer.get_config()
        defaults = type(self.optimizer)().get_config()
        changed = {name: value for name, value in config.items() if name != "name" and value != defaults.get(name)}
        optimizer = f"keras.optimizers.{type(self.optimizer).__name__}({_arguments(changed)})"
        return (
            f"train_many({_call(self.build)}, {self.dataset!r}, seeds={self.seeds}, steps={self.steps}, "
            f"batch_size={self.batch_size}, optimizer={optimizer}, evaluate_every={self.evaluate_every}"
            + (f", probes={self.probes!r}" if self.probes else "")
            + (f", order={_call(self.order)})" if self.order is not batch_order else ")")
        )


@dataclass(frozen=True, repr=False)
class Runs:
    """The runs of one architecture, one per seed. The first axis of every array is the seed.

    train_loss: (seeds, steps), the loss of each step's batch, before the step.
    evaluated_at: (evaluations,), the numbers of steps after which all examples were evaluated.
    moving: Scores with the moving statistics, as `model.predict` uses them.
    recomputed: Scores with the mean and variance of the whole training set under the present weights in their place;
        for a network without Batch Normalization the same as `moving`.
    pre_activations: {layer name: (seeds, probes, rows, units)}, the inputs of each Activation layer for the probe
        batch, normalised by the probe batch's own statistics, Dropout off.
    gradient_norms: {layer name: (seeds, steps)}, of each Dense kernel's gradient, if asked for.
    seconds: wall time; of a point of a sweep its share.
    interrupted: whether training was stopped before `settings.steps`.
    """

    settings: Settings
    train_loss: np.ndarray
    evaluated_at: np.ndarray
    moving: Scores
    recomputed: Scores
    pre_activations: dict[str, np.ndarray]
    gradient_norms: dict[str, np.ndarray]
    seconds: float
    interrupted: bool
    _variables: list[np.ndarray] = dataclasses.field(compare=False)
    _network: object = dataclasses.field(compare=False, default=None)  # a `_Network`

    @property
    def seeds(self):
        return self.settings.seeds

    @property
    def diverged(self):
        """The seeds whose loss became infinite or not a number. Their runs stay in all arrays."""
        return tuple(np.asarray(self.seeds)[~np.isfinite(self.train_loss).all(axis=1)].tolist())

    def model(self, seed):
        """A new Keras model with the final weights and statistics of the run with this seed.

        Raises ValueError where no run has this seed, or where only `build()` can make the network again, because it has
        parts of one's own, and makes another one by now.
        """
        if seed not in self.seeds:
            raise ValueError(f"No run has the seed {seed!r}; there are {self.seeds}.")
        model = self._network.again(self.settings)
        row = self.seeds.index(seed)
        for variable, values in zip(_variables_of(model), self._variables, strict=True):
            variable.assign(values[row])
        return model

    def __repr__(self):
        return repr(self.settings)

    def __str__(self):
        text = f"{len(self.seeds)} runs of {self.train_loss.shape[1]} steps in {self.seconds:.1f} s"
        if self.diverged:
            text += f", {len(self.diverged)} of them diverged (seeds {', '.join(map(str, self.diverged))})"
        return text + (", interrupted" if self.interrupted else "")


# ---------------------------------------------------------------------------------------------- the two calls


def batch_order(labels, steps, batch_size, seed):
    """The row numbers of every batch, (steps, batch_size): random orders of all examples, one after the other.

    labels: (examples,), of which only the number counts here; an order of your own may look at them.
    """
    random = np.random.default_rng([seed, 1])
    per_epoch = len(labels) // batch_size
    epochs = [random.permutation(len(labels))[: per_epoch * batch_size] for _ in range(-(-steps // per_epoch))]
    return np.concatenate(epochs).reshape(-1, batch_size)[:steps].astype(np.int32)


def train_many(
    build,
    dataset,
    *,
    seeds=8,
    steps=700,
    batch_size=64,
    optimizer="sgd",
    evaluate_every=100,
    probes=None,
    order=batch_order,
    progress=True,
):
    """Train the model that `build()` makes from several seeds at once; returns `Runs`.

    build: a function without arguments that returns a Keras model: (batch, features) -> (batch, outputs), with a
        linear output (logits), a softmax or a sigmoid. One output means two classes, 0 and 1.
    dataset: what `helpers.data.load` returns, or a list of such data sets of the same sizes, one for each seed.
    seeds: how many (from the course's first seed on, by default 0, 1, 2, ...) or which. A seed decides the initial
        weights, the order of the batches and the
        dropout masks, and it decides them alike for every architecture: kernel k of the same shape and initialiser
        starts with the same values, so that the runs of two architectures are pairs. Weights that `build()` sets
        itself, such as those of a model that was trained before, stay as they are for every seed.
    steps, batch_size: each step takes the next `batch_size` examples of a random order, drawn anew when fewer than
        `batch_size` of it are left.
    order: a function that decides otherwise: (labels, steps, batch_size, seed) -> row numbers (steps, batch_size).
    optimizer: a Keras optimizer or its name. It is copied for every seed, and each copy sees its own run alone, so
        that clipping by a norm over all gradients works as in `fit`.
    evaluate_every: after how many steps all examples are evaluated; the last step is evaluated in any case.
    probes: `Probes`, to look inside.
    progress: whether to show a progress bar.

    A run that diverges stays in the results. Interrupted from the keyboard, it returns what was measured until then.
    Raises ValueError before training starts where labels do not fit the output, a batch is larger than the training
    set, or the model holds something that cannot be repeated for several seeds.
    """
    settings = _settings(build, dataset, seeds, steps, batch_size, optimizer, evaluate_every, probes, order)
    (runs,) = _train([settings], progress)
    return runs


def _settings(build, dataset, seeds, steps, batch_size, optimizer, evaluate_every, probes, order):
    """The arguments of `train_many` as `Settings`, checked as far as no model is needed. Raises ValueError."""
    if isinstance(seeds, (int, np.integer)):
        seeds = environment.seeds(seeds)
    elif not np.iterable(seeds):
        raise ValueError(f"seeds must be a whole number or a list of whole numbers, received {seeds!r}.")
    seeds = tuple(int(seed) for seed in seeds)
    _check_counts(seeds=len(seeds), steps=steps, batch_size=batch_size, evaluate_every=evaluate_every)
    if probes is not None:
        probes = dataclasses.replace(probes, at=_probed_steps(probes.at, steps))
    optimizer = _checked_optimizer(optimizer)
    settings = Settings(build, dataset, seeds, steps, batch_size, optimizer, evaluate_every, probes, order)
    _check_datasets(settings)
    return settings


def _probed_steps(at, steps):
    """The steps to probe in the order in which training comes by them. Raises ValueError for others."""
    wrong = [step for step in at if not isinstance(step, (int, np.integer)) or not 0 <= step <= steps]
    if wrong:
        raise ValueError(f"Probes can be at whole steps from 0 to {steps}, the number of steps; received {wrong}.")
    return tuple(sorted({int(step) for step in at}))


def _checked_optimizer(optimizer):
    """The Keras optimizer of this name, or the given one. Raises ValueError where its copies would do something else.

    A copy is made from the configuration, and `fit` does more than the steps of the optimizer, such as the moving
    average at the end.
    """
    optimizer = keras.optimizers.get(optimizer)
    options = ("use_ema", "loss_scale_factor", "gradient_accumulation_steps")
    unsupported = [name for name in options if getattr(optimizer, name, None)]
    excluded = (getattr(optimizer, f"_exclude_from_weight_decay{what}", None) for what in ("", "_pattern"))
    unsupported += ["exclude_from_weight_decay"] * any(excluded)
    unsupported += ["LossScaleOptimizer"] * isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if unsupported:
        raise ValueError(
            f"Several seeds at once cannot be trained with {' and '.join(unsupported)} as in `fit`; received "
            f"{type(optimizer).__name__}. Take an optimizer without it."
        )
    return optimizer


def _train(arms, progress):
    """Train settings that differ in the learning rate alone; returns `Runs` for each.

    Small networks train all of them in one graph. Large ones would take much memory so, and gain little time.
    """
    settings = arms[0]
    model = _built(settings.build, settings.datasets[0])
    _check_labels(model, settings.datasets)
    outputs = tf.nest.flatten([layer.output for layer in model.layers if hasattr(layer, "output")])
    numbers = sum(math.prod(size or 1 for size in output.shape[1:]) for output in outputs)
    alone = len(arms) * len(settings.seeds) * settings.batch_size * numbers > OUTPUTS_AT_ONCE
    collected = []
    with _noted_interrupt() as interrupted:
        for part in [[arm] for arm in arms] if alone else [arms]:
            collected += _train_together(part, model, progress)
            if interrupted.is_set():
                break
    return collected


def _train_together(arms, model, progress):
    from tqdm.auto import tqdm

    settings, started = arms[0], time.perf_counter()
    graph = _graph(model, settings.optimizer, bool(settings.probes and settings.probes.gradient_norms))
    optimizers = [[np.asarray(variable) for variable in _stateless(arm.optimizer, model).variables] for arm in arms]
    runs = list(itertools.product(optimizers, _starts(model, settings)))
    # As many threads as cores, each with the same number of runs, so that one trace of the graph serves them all.
    size = -(-len(runs) // min(_cores(), len(runs)))
    groups = [_Group(graph, runs[i : i + size], size) for i in range(0, len(runs), size)]
    with tqdm(total=settings.steps, unit="step", leave=False, disable=not progress) as bar:
        groups[0].trace()
        interrupted = _run(groups, settings, bar)
    return _collect(arms, groups, model, time.perf_counter() - started, interrupted)


@dataclass(frozen=True, repr=False)
class Sweep:
    """The runs of a grid of settings. points: one dict per point of the grid; runs: one `Runs` for each."""

    points: list[dict]
    runs: list[Runs]

    def __getitem__(self, point):
        """The runs of the point with these settings, given as a dict that names at least what tells it apart."""
        found = [runs for own, runs in zip(self.points, self.runs, strict=True) if point.items() <= own.items()]
        if len(found) != 1:
            raise KeyError(f"{len(found)} points of the grid have {point}; the points are {self.points}.")
        return found[0]


def sweep(grid, build, dataset, **settings):
    """`train_many` at every point of a grid of settings; returns a `Sweep`.

    grid: {name: values}, as for scikit-learn's `ParameterGrid`. "learning_rate" is the optimizer's, the names of
        `train_many`'s keywords are those, and every other name is a keyword of `build`.
    build, dataset, settings: as for `train_many`.

    Points that differ in the learning rate alone are trained together, if the network is small. The others run in turn,
    since TensorFlow uses every core; inside `joblib.parallel_config(backend="dask")` they run on the workers of that
    Dask cluster. Interrupted from the keyboard, it returns the points that were trained until then, the last of them
    marked as interrupted.
    """
    from joblib import Parallel, delayed, effective_n_jobs
    from sklearn.model_selection import ParameterGrid
    from tqdm.auto import tqdm

    groups = _differing_in_learning_rate(ParameterGrid(grid))
    optimizer = keras.optimizers.serialize(_checked_optimizer(settings.pop("optimizer", "sgd")))
    # A bar that counts networks says nothing while there is one: then the bar counts its steps.
    progress = settings.pop("progress", True)
    in_steps = progress and len(groups) == 1 and effective_n_jobs(None) == 1
    tasks = (delayed(_train_points)(points, build, dataset, optimizer, settings, in_steps) for points in groups)
    # n_jobs=None leaves the number of workers to `parallel_config`, and is one without it.
    results = Parallel(n_jobs=None, return_as="generator")(tasks)
    trained = Sweep([], [])
    bar = tqdm(results, total=len(groups), unit="network", leave=False, disable=in_steps or not progress)
    with _noted_interrupt() as interrupted:
        for runs, points in zip(bar, groups, strict=True):
            trained.points.extend(points[: len(runs)])
            trained.runs.extend(runs)
            if runs[-1].interrupted or interrupted.is_set():
                break
    return trained


def _differing_in_learning_rate(points):
    """The points in lists, within which only the learning rate differs."""
    groups = []
    for point in points:
        for group in groups:
            if _without_rate(group[0]) == _without_rate(point):
                group.append(point)
                break
        else:
            groups.append([point])
    return groups


def _without_rate(point):
    """The point without its learning rate; a schedule stays, because it is part of the graph."""
    schedule = isinstance(point.get("learning_rate"), keras.optimizers.schedules.LearningRateSchedule)
    return point if schedule else {**point, "learning_rate": None}


def _train_points(points, build, dataset, optimizer, settings, progress):
    """Points of a sweep that differ in the learning rate alone, on whichever machine: all it needs is given."""
    signature = inspect.signature(train_many)
    for_build = {name: value for name, value in points[0].items() if name != "learning_rate"}
    own = {name: for_build.pop(name) for name in list(for_build) if name in signature.parameters}
    build = functools.partial(build, **for_build) if for_build else build
    dataset = own.pop("dataset", dataset)
    if "optimizer" in own:
        optimizer = keras.optimizers.serialize(_checked_optimizer(own.pop("optimizer")))
    arms = []
    for point in points:
        optimizer_of_point = keras.optimizers.deserialize(optimizer)
        if "learning_rate" in point:
            optimizer_of_point.learning_rate = point["learning_rate"]
        call = signature.bind(build, dataset, optimizer=optimizer_of_point, **{**settings, **own})
        call.apply_defaults()
        del call.arguments["progress"]
        arms.append(_settings(**call.arguments))
    return _train(arms, progress)


# ---------------------------------------------------------------------------------------------- what seeds decide


def initial_variables(model, seed):
    """The initial values that `seed` gives to all variables of a built model, in the order of its two lists.

    Returns two lists of arrays, for `model.trainable_variables` and `model.non_trainable_variables`. Random
    initialisers are drawn again with a seed made of `seed` and the number of the variable among those drawn at
    random, so that the kernels of two architectures agree where their shapes do. Others keep their values, and so does
    a variable that was set after its initialiser had drawn it, as in a model that was trained before.

    Raises ValueError where a variable is random but no initialiser of its layer says how it was drawn, or one that
    takes no seed.
    """
    return _drawn(model, _draws(model), seed)


def _drawn(model, draws, seed):
    values = [draw(seed) for draw in draws]
    split = len(model.trainable_variables)
    return values[:split], values[split:]


def _draws(model):
    """For every variable of a built model a function of the seed that gives its initial value, an array."""
    initializers = {}
    for layer in model._flatten_layers(include_self=False):
        for name, initializer in vars(layer).items():
            variable = getattr(layer, name.removesuffix("_initializer"), None) if "_initializer" in name else None
            if isinstance(variable, keras.Variable):
                initializers[id(variable)] = initializer
    kernels, dropouts = itertools.count(), itertools.count(10_000)
    draws = []
    for variable in _variables_of(model):
        initializer = initializers.get(id(variable))
        if _takes_seed(initializer):
            draw = functools.partial(_redrawn, variable, initializer, next(kernels))
            draws.append(functools.partial(_kept, variable) if _was_set(variable, initializer) else draw)
        elif "seed_generator_state" in variable.path:
            draws.append(functools.partial(_dropout_state, variable, next(dropouts)))
        else:
            _check_not_random(variable, initializer)
            draws.append(functools.partial(_kept, variable))
    return draws


def _takes_seed(initializer):
    return isinstance(initializer, keras.Initializer) and "seed" in initializer.get_config()


def _redrawn(variable, initializer, number, seed):
    config = {**initializer.get_config(), "seed": _derived_seed(seed, number)}
    return np.asarray(type(initializer).from_config(config)(variable.shape, variable.dtype))


def _kept(variable, seed):
    return np.asarray(variable)


def _dropout_state(variable, number, seed):
    return np.array([_derived_seed(seed, number), 0], variable.dtype)


def _was_set(variable, initializer):
    """Whether a variable has other values than its initialiser drew: Keras' own draw the same ones at every call."""
    if isinstance(getattr(initializer, "seed", None), keras.random.SeedGenerator):
        return False  # draws others at every call, and a call would change what the learner draws next
    first = _called(initializer, variable)
    return not np.array_equal(first, variable) and np.array_equal(first, _called(initializer, variable))


def _check_not_random(variable, initializer):
    """Raise ValueError where every seed would start with the same values although they are random."""
    if initializer is None and np.ptp(np.asarray(variable)) > 0:
        raise ValueError(
            f"Variable {variable.path!r} starts at random, but its layer has no initialiser of that name to draw "
            "it again for every seed. Give the layer a `..._initializer` attribute for it, as Keras' layers have."
        )
    if callable(initializer) and not np.array_equal(*(_called(initializer, variable) for _ in range(2))):
        raise ValueError(
            f"Variable {variable.path!r} starts at random, but its initialiser takes no seed, so that it cannot be "
            "drawn again for every seed. Use one of keras.initializers, or a keras.Initializer of your own with a "
            "`seed` in its `get_config`."
        )


def _called(initializer, variable):
    return np.asarray(initializer(variable.shape, dtype=variable.dtype))


def _derived_seed(seed, number):
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)  # Keras wants 31 bits


def _variables_of(model):
    return [*model.trainable_variables, *model.non_trainable_variables]


# ---------------------------------------------------------------------------------------------- one graph


@dataclass(frozen=True)
class _Graph:
    """The traced functions of one architecture. They hold no state: it comes in and goes out as tensors.

    `train` takes the variables of several seeds, stacked. With all examples in one batch there is enough to do for one
    seed, and the tensors of all would not fit the cache, so the others take those of one.
    """

    train: object  # (trainable, tracked, optimizer, x, y, rows, steps) -> the three states, losses, norms
    evaluate: object  # of one seed: (trainable, tracked, x_train, y_train, x_test, y_test) -> two times four scores
    probe: object  # of one seed: (trainable, tracked, x) -> the inputs of all Activation layers


def _graph(model, optimizer, gradient_norms):
    """The traced functions for this model; the same ones where the same architecture was traced before."""
    config = optimizer.get_config()
    if type(model) is not keras.Sequential or not all(map(_made_by_keras, [optimizer, *model.layers])):
        return _trace(model, optimizer, gradient_norms)  # nobody knows what a learner's own code depends on
    if not isinstance(config["learning_rate"], float):
        return _trace(model, optimizer, gradient_norms)  # a schedule is part of the graph
    layers = [(type(layer), _without_start(layer.get_config())) for layer in model._layers]
    as_text = functools.partial(json.dumps, sort_keys=True, default=keras.saving.serialize_keras_object)
    return _cached_graph(
        tuple((cls, as_text(own)) for cls, own in layers),
        type(optimizer),
        as_text({**config, "name": None, "learning_rate": 0.0}),  # the rate belongs to the state
        gradient_norms,
    )


def _made_by_keras(part):
    """Whether a layer or optimizer is Keras' own, with no function of a learner's in it, such as an activation.

    A configuration names a function: `relu` of a learner's own would come back as Keras' `relu`.
    """
    if isinstance(part, keras.Model):
        return False  # a model inside of the model may hold anything
    wrapped = [value for value in vars(part).values() if isinstance(value, keras.layers.Layer)]
    inside = [getattr(value, "__module__", "") for value in vars(part).values() if callable(value)]
    plain = all(module.startswith("keras.") for module in (type(part).__module__, *inside))
    return plain and all(map(_made_by_keras, wrapped))


def _without_start(config):
    """A layer's configuration without its name and its initialisers: where training starts is no part of the graph."""
    return {name: value for name, value in config.items() if name != "name" and not name.endswith("_initializer")}


@functools.lru_cache(maxsize=8)  # a traced graph of a deep network holds some ten megabytes
def _cached_graph(layers, optimizer_class, optimizer_config, gradient_norms):
    # A model of its own, which nobody can change afterwards.
    model = keras.Sequential([cls.from_config(json.loads(config)) for cls, config in layers])
    return _trace(model, optimizer_class.from_config(json.loads(optimizer_config)), gradient_norms)


def _trace(model, optimizer, gradient_norms):
    return _Graph(_train_function(model, optimizer, gradient_norms), _evaluate_function(model), _probe_function(model))


def _train_function(model, optimizer, gradient_norms):
    loss_function = _loss_function(model)
    optimizer = _stateless(optimizer, model)
    kernels = list(_kernels(model).values()) if gradient_norms else []

    def one_step(state):
        trainable, tracked, optimizer_state, x, y = state
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            outputs, tracked, penalties = model.stateless_call(trainable, tracked, x, training=True, return_losses=True)
            loss = tf.add_n([loss_function(y, outputs), *penalties])
        gradients = tape.gradient(loss, trainable, unconnected_gradients="zero")
        trainable, optimizer_state = optimizer.stateless_apply(optimizer_state, gradients, trainable)
        return (trainable, tracked, optimizer_state), loss, [tf.norm(gradients[position]) for position in kernels]

    @_compiled()
    def train(trainable, tracked, optimizer_state, x, y, rows, steps):
        losses = tf.TensorArray(tf.float32, size=steps)
        norms = [tf.TensorArray(tf.float32, size=steps) for _ in kernels]
        for step in tf.range(steps):
            # Data of its own for every seed have one axis more.
            batch = [tf.gather(part, rows[step], batch_dims=y.shape.rank - 1) for part in (x, y)]
            # Random numbers fall back to a loop over the seeds inside the graph; the warning is for its authors.
            (trainable, tracked, optimizer_state), loss, new_norms = tf.vectorized_map(
                one_step, (trainable, tracked, optimizer_state, *batch), warn=False
            )
            losses = losses.write(step, loss)
            norms = [array.write(step, norm) for array, norm in zip(norms, new_norms, strict=True)]
        return (trainable, tracked, optimizer_state), losses.stack(), [array.stack() for array in norms]

    return train


def _evaluate_function(model):
    loss_function = _loss_function(model)
    normalised = any(_tracks_statistics(layer) for layer in model._flatten_layers())

    def scores(y, outputs):
        right = tf.equal(_predicted_class(model, outputs), y)
        return tf.reduce_mean(tf.cast(right, tf.float32)), loss_function(y, outputs)

    # One trace for the training and the test examples: their number is left open.
    variables = [
        [tf.TensorSpec(variable.shape, variable.dtype) for variable in part]
        for part in (model.trainable_variables, model.non_trainable_variables)
    ]
    examples = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int32)]

    @_compiled([*variables, *examples])
    def infer(trainable, tracked, x, y):
        return scores(y, model.stateless_call(trainable, tracked, x, training=False)[0])

    @_compiled([*variables, *examples])
    def recompute(trainable, tracked, x, y):
        with _batch_statistics(model):
            outputs, recomputed = model.stateless_call(trainable, tracked, x, training=False)
        return scores(y, outputs), recomputed

    @_compiled([*variables, *examples, *examples])
    def evaluate(trainable, tracked, x_train, y_train, x_test, y_test):
        moving = *infer(trainable, tracked, x_train, y_train), *infer(trainable, tracked, x_test, y_test)
        if not normalised:
            return moving, moving
        on_train, recomputed = recompute(trainable, tracked, x_train, y_train)
        return moving, (*on_train, *infer(trainable, recomputed, x_test, y_test))

    return evaluate


def _probe_function(model):
    @_compiled()
    def probe(trainable, tracked, x):
        activations = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]
        inside = keras.Model(model.inputs, [*(layer.input for layer in activations), *model.outputs])
        with _batch_statistics(model):
            return inside.stateless_call(trainable, tracked, x, training=False)[0][:-1]

    return probe


def _compiled(signature=None):
    """`tf.function`, traced apart from the call: one trace for each architecture is the plan and needs no warning.

    signature: of the arguments, where one trace serves all; else there is one for every shape of theirs.
    """

    def decorate(function):
        compiled = tf.function(function, input_signature=signature)

        def trace(*arguments):
            with _TRACING:
                return compiled.get_concrete_function(*([] if signature else arguments))

        @functools.wraps(function)
        def call(*arguments):
            return trace(*arguments)(*arguments)

        call.trace = trace
        return call

    return decorate


def _stateless(optimizer, model):
    """A copy of the optimizer, built for the model, whose `stateless_apply` works on the TensorFlow backend.

    Keras' TensorFlow optimizers assign to `tf.Variable`s directly and so have no stateless form; the methods of the
    base class that they override work on Keras variables, which a stateless scope can follow.
    """
    cls = type(optimizer)
    (overriding,) = (c for c in cls.__mro__ if c.__name__ == "TFOptimizer")
    (base,) = (c for c in cls.__mro__ if c.__name__ == "BaseOptimizer")
    back = {name: getattr(base, name) for name in vars(overriding) if name in vars(base) and not name.startswith("__")}
    # Behind the optimizer's own class, whose methods count before them: Nadam has an update step of its own.
    stateless = type("Stateless", (overriding,), back)
    copy = type(cls.__name__, (cls, stateless), {}).from_config(optimizer.get_config())
    copy.build(model.trainable_variables)
    return copy


def _tracks_statistics(layer):
    """Whether the layer is a Batch Normalization, Keras' or a learner's own."""
    return hasattr(layer, "moving_mean") and hasattr(layer, "momentum")


# Threads share the graphs, and so the models behind them, whose layers are changed while some functions are traced.
_TRACING = threading.RLock()


@contextlib.contextmanager
def _batch_statistics(model):
    """Inside, Batch Normalization uses the batch's statistics and keeps them; all other layers stay as they are.

    A call in inference mode with the whole training set then gives what the statistics should be under the present
    weights, without Dropout or other noise (Ioffe & Szegedy 2015, Algorithm 2, with one batch of all examples).
    """
    layers = [layer for layer in model._flatten_layers() if _tracks_statistics(layer)]
    kept = [(layer.call, layer.momentum) for layer in layers]
    try:
        for layer in layers:
            layer.call, layer.momentum = _in_training_mode(layer.call), 0.0
        yield
    finally:
        for layer, (call, momentum) in zip(layers, kept, strict=True):
            layer.call, layer.momentum = call, momentum


def _in_training_mode(call):
    @functools.wraps(call)
    def training_call(*arguments, **keywords):
        return call(*arguments, **{**keywords, "training": True})

    return training_call


# ---------------------------------------------------------------------------------------------- the seeds' states

OUTPUTS_AT_ONCE = 2_500_000  # of all layers in all runs of one step: 10 MB, and about ten times that with gradients
CHUNK = 50  # steps in one call of the graph: the bar moves and the keyboard interrupts after each


class _Start(NamedTuple):
    """What the seed of a run decides."""

    trainable: list  # arrays, as of `initial_variables`
    tracked: list
    data: list  # tensors, as of `_tensors`
    rows: np.ndarray  # (steps, batch_size)


def _starts(model, settings):
    """A `_Start` for every seed; seeds with the same data set share its tensors."""
    tensors, draws = {id(dataset): _tensors(dataset) for dataset in settings.datasets}, _draws(model)
    return [
        _Start(*_drawn(model, draws, seed), tensors[id(dataset)], _rows(settings, seed, dataset.y_train))
        for seed, dataset in zip(settings.seeds, settings.datasets, strict=True)
    ]


class _Group:
    """The runs that one thread trains: their stacked variables and what was measured of them.

    runs: pairs of the optimizer's variables and a `_Start`; copies fill them up to `size` and are cut off in the end.
    """

    def __init__(self, graph, runs, size):
        self.graph, self.count = graph, len(runs)
        optimizers, starts = zip(*runs, *[runs[-1]] * (size - len(runs)), strict=True)
        trainable, tracked, self.data, rows = zip(*starts, strict=True)
        self.state = tuple(map(_stacked, (trainable, tracked, optimizers)))
        # (x, y) of the training examples: once if all runs share them, else stacked.
        alike = all(data is self.data[0] for data in self.data)
        self.examples = self.data[0][:2] if alike else _stacked(self.data)[:2]
        rows = np.stack(rows, axis=1)  # (steps, runs, batch_size)
        self.rows = np.concatenate([rows, np.zeros_like(rows[:1]).repeat(CHUNK, axis=0)])
        self.trained, self.evaluated_at = 0, []
        self.losses = [np.empty((self.count, 0), np.float32)]  # of each chunk: (runs, steps)
        self.norms = []  # of each chunk: (runs, steps, kernels)
        self.scores = []  # of each evaluation: (runs, moving or recomputed, kind of score)
        self.probed = []  # of each probe and Activation layer: (runs, rows, units)

    def trace(self):
        """Trace the training graph before anything is trained; a ValueError says what cannot be stacked."""
        needs = "Every layer must work on tensors alone and keep its state in Keras variables (`add_weight`)."
        try:
            *states, x, y, rows, steps = self._training_arguments(stop=1)
            # The number of examples stays open, so that one trace serves data of all sizes.
            x = tf.TensorSpec((*x.shape[:-2], None, x.shape[-1]), x.dtype)
            y = tf.TensorSpec((*y.shape[:-1], None), y.dtype)
            traced = self.graph.train.trace(*states, x, y, rows, steps)
        except Exception as error:
            raise ValueError(
                f"This model or optimizer cannot be trained for several seeds at once. {needs} "
                f"TensorFlow says: {str(error).strip().splitlines()[0]}"
            ) from error
        if any(captured.dtype == tf.resource for captured in traced.captured_inputs):
            raise ValueError(
                "This model cannot be trained for several seeds at once: it holds a tf.Variable or a table that all "
                f"seeds would share. {needs}"
            )

    def train(self, stop):
        """Train up to step `stop`, at most CHUNK steps further."""
        self.state, losses, norms = self.graph.train(*self._training_arguments(stop))
        self.losses.append(losses.numpy().T[: self.count])
        self.norms.append(np.moveaxis(np.reshape(norms, (-1, *losses.shape)), 0, -1).swapaxes(0, 1)[: self.count])
        self.trained = stop

    def evaluate(self):
        self.scores.append(np.array([self.graph.evaluate(*own, *data) for own, data in self.each_run()]))
        self.evaluated_at.append(self.trained)

    def probe(self, rows):
        probed = [self.graph.probe(*own, data[0][:rows]) for own, data in self.each_run()]
        self.probed.append([np.stack(layer) for layer in zip(*probed, strict=True)])

    def each_run(self):
        """For one run after the other: its trainable and its tracked variables, and its data."""
        unstacked = [[tf.unstack(variable) for variable in part] for part in self.state[:2]]
        for row in range(self.count):
            yield [[variable[row] for variable in part] for part in unstacked], self.data[row]

    def _training_arguments(self, stop):
        rows = tf.constant(self.rows[self.trained : self.trained + CHUNK])
        return (*self.state, *self.examples, rows, tf.constant(stop - self.trained))


def _rows(settings, seed, labels):
    """The row numbers of every batch of this seed's run, checked: the graph would take row 0 for a missing one."""
    rows = np.asarray(settings.order(labels, settings.steps, settings.batch_size, seed))
    expected, examples = (settings.steps, settings.batch_size), len(labels)
    if rows.shape != expected or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= examples:
        raise ValueError(
            f"order must return whole numbers from 0 to {examples - 1} of shape (steps, batch_size) = {expected}, "
            f"received {rows.dtype} of shape {rows.shape}."
        )
    return rows.astype(np.int32)


def _tensors(dataset):
    """x_train, y_train, x_test, y_test."""
    examples = (dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test)
    return [tf.constant(part, kind) for part, kind in zip(examples, (tf.float32, tf.int32) * 2, strict=True)]


def _stacked(lists):
    return [tf.constant(np.stack(values)) for values in zip(*lists, strict=True)]


def _run(groups, settings, bar):
    """Train, evaluate and probe all groups, one thread each. Returns whether the keyboard interrupted it."""
    probes = settings.probes or Probes()
    evaluate_at = {*range(settings.evaluate_every, settings.steps, settings.evaluate_every), settings.steps}
    marks = sorted({*evaluate_at, *(at for at in probes.at if at <= settings.steps), *range(0, settings.steps, CHUNK)})
    with (
        _noted_interrupt() as interrupted,
        concurrent.futures.ThreadPoolExecutor(len(groups)) as pool,
    ):
        for mark in marks:
            if mark > 0:
                _in_all(pool, groups, "train", mark)
                bar.update(mark - bar.n)
            if mark in probes.at:
                _in_all(pool, groups, "probe", probes.rows)
            stop = interrupted.is_set() and mark > 0
            if mark in evaluate_at or stop:
                _in_all(pool, groups, "evaluate")
            if stop:
                break
        return groups[0].trained < settings.steps


def _in_all(pool, groups, method, *arguments):
    """Call a method of all groups at the same time."""
    for job in [pool.submit(getattr(group, method), *arguments) for group in groups]:
        job.result()


class _Note(threading.Event):
    """A handler of signals that only notes that one came."""

    def __call__(self, *_):
        self.set()


@contextlib.contextmanager
def _noted_interrupt():
    """Inside, a keyboard interrupt sets the event that is yielded and stops nothing in the middle of its work."""
    if threading.current_thread() is not threading.main_thread():
        yield _Note()  # signals reach the main thread alone
        return
    previous = signal.getsignal(signal.SIGINT)
    note = previous if isinstance(previous, _Note) else _Note()  # a sweep and the training in it share one
    signal.signal(signal.SIGINT, note)
    try:
        yield note
    finally:
        signal.signal(signal.SIGINT, previous)


def _collect(arms, groups, model, seconds, interrupted):
    """The measurements of all groups as one `Runs` for each of the arms, which have shared the time."""

    def all_runs(of_group):
        return np.concatenate([of_group(group) for group in groups])

    losses = all_runs(lambda group: np.concatenate(group.losses, axis=1))
    scores = all_runs(lambda group: np.stack(group.scores, axis=1))  # (runs, evaluations, 2, 4)
    norms = all_runs(lambda group: np.concatenate(group.norms, axis=1))
    probed = [
        all_runs(lambda group, i=i: np.stack([layers[i] for layers in group.probed], axis=1))
        for i in range(len(groups[0].probed[0]) if groups[0].probed else 0)
    ]
    variables = [
        all_runs(lambda group, i=i: [*group.state[0], *group.state[1]][i][: group.count].numpy())
        for i in range(len(_variables_of(model)))
    ]
    layers = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    network = _Network.of(model)
    collected = []
    for number, settings in enumerate(arms):
        own = slice(number * len(settings.seeds), (number + 1) * len(settings.seeds))
        moving, recomputed = (Scores(*np.moveaxis(scores[own, :, kind], -1, 0)) for kind in (0, 1))
        runs = Runs(
            settings=settings,
            train_loss=losses[own],
            evaluated_at=np.array(groups[0].evaluated_at),
            moving=moving,
            recomputed=recomputed,
            pre_activations={name: values[own] for name, values in zip(layers, probed, strict=False)},
            gradient_norms={name: norms[own, :, i] for i, name in enumerate(_kernels(model)) if norms.shape[2]},
            seconds=seconds / len(arms),
            interrupted=interrupted,
            _variables=[values[own] for values in variables],
            _network=network,
        )
        collected.append(runs)
    return collected


# ---------------------------------------------------------------------------------------------- the model and its data


class _Network(NamedTuple):
    """What was trained, so that it can be made once more even if `build()` has come to make something else.

    cls, config: of the model, if Keras' own configuration says all about it; else None.
    parts: what is known of every layer.
    """

    cls: type
    config: dict | None
    parts: list

    @classmethod
    def of(cls, model):
        by_keras = type(model).__module__.startswith("keras.") and all(map(_made_by_keras, model.layers))
        return cls(type(model), model.get_config() if by_keras else None, [_known(part) for part in _parts(model)])

    def again(self, settings):
        """A new model like it."""
        if self.config is not None:
            return self.cls.from_config(self.config)
        model = _built(settings.build, settings.datasets[0])
        if [_known(part) for part in _parts(model)] != self.parts:
            raise ValueError(
                "build() makes another network now than the one that was trained. Hand what it depends on to it by "
                "functools.partial, so that it stays as it was."
            )
        if settings.build() is model:
            raise ValueError("build() returns one and the same model every time. Make the model inside of build().")
        return model


def _parts(model):
    return list(model._flatten_layers(include_self=False))


def _known(layer):
    """What can be said of a layer, to be compared: its class, its settings, its functions, the shapes of its state.

    Only Keras' own layers are sure to have a configuration; what it holds beside plain values has names in it that
    differ from one model to the next.
    """
    if _made_by_keras(layer):
        config = _without_start(layer.get_config())
        inside = {name: value for name, value in config.items() if isinstance(value, (int, float, str, list, tuple))}
    else:
        functions = {name: value for name, value in vars(layer).items() if callable(value)}
        functions.pop("call", None)  # see `_batch_statistics`
        inside = {name: getattr(function, "__qualname__", "") for name, function in functions.items()}
    return type(layer).__qualname__, inside, [tuple(variable.shape) for variable in layer.variables]


def _built(build, dataset):
    """A model from the learner's function, built for the data set's features."""
    model = build()
    if not isinstance(model, keras.Model):
        raise ValueError(f"build() must return a Keras model, received {type(model).__name__}: {model!r:.80}.")
    if not model.built:
        model.build((None, dataset.x_train.shape[1]))
    if not hasattr(model, "output_shape"):
        reason = (
            "one of its layers works on values only, not on symbolic tensors, so that Keras does not know the shape of "
            "its output."
            if isinstance(model, keras.Sequential)
            else f"Keras does not see what its class {type(model).__name__} does between input and output. Return a "
            "keras.Sequential or a keras.Model(inputs, outputs)."
        )
        raise ValueError(f"This model cannot be trained for several seeds at once: {reason}")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"The model must have one input and one output, received {len(model.inputs)} and {len(model.outputs)}."
        )
    taken, given = model.input_shape[1:], dataset.x_train.shape[1:]
    if taken != given:
        raise ValueError(f"The model takes inputs of shape {taken}, the data set has {given}.")
    return model


_PROBABILITIES = {
    "softmax": (keras.activations.softmax, keras.ops.softmax, tf.nn.softmax),
    "sigmoid": (keras.activations.sigmoid, keras.ops.sigmoid, tf.nn.sigmoid),
}


def _output(model):
    """What the model ends with: "softmax" or "sigmoid", which give probabilities, or else "logits"."""
    (output,) = model.outputs
    last = output._keras_history.operation
    if getattr(last, "outputs", None):  # a model inside of the model
        return _output(last)
    function = getattr(last, "activation", getattr(last, "function", None))  # of a Dense, of a Lambda
    for name, functions in _PROBABILITIES.items():
        # keras.layers.Softmax and the operations that keras.ops.softmax and keras.ops.sigmoid put into a model.
        if type(last).__name__ == name.capitalize() or any(function is one for one in functions):
            return name
    return "logits"


def _loss_function(model):
    """Cross-entropy that fits the output: logits, or the probabilities of a softmax or sigmoid at the end."""
    logits = _output(model) == "logits"
    if model.output_shape[-1] == 1:
        binary = keras.losses.BinaryCrossentropy(from_logits=logits)
        return lambda y, outputs: binary(tf.cast(y, outputs.dtype)[:, None], outputs)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)


def _predicted_class(model, outputs):
    if outputs.shape[-1] > 1:
        return tf.argmax(outputs, axis=-1, output_type=tf.int32)
    threshold = 0.0 if _output(model) == "logits" else 0.5
    return tf.cast(outputs[:, 0] > threshold, tf.int32)


def _kernels(model):
    """{layer name: position in model.trainable_variables} of the kernels of all layers that have one."""
    positions = {id(variable): position for position, variable in enumerate(model.trainable_variables)}
    return {
        layer.name: positions[id(layer.kernel)]
        for layer in model._flatten_layers(include_self=False)
        if id(getattr(layer, "kernel", None)) in positions
    }


def _check_counts(**counts):
    for name, count in counts.items():
        if not isinstance(count, (int, np.integer)) or count < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, received {count!r}.")


def _check_datasets(settings):
    datasets, seeds = settings.datasets, settings.seeds
    for data in datasets:
        for part in ("train", "test"):
            images, labels = len(getattr(data, f"x_{part}")), len(getattr(data, f"y_{part}"))
            if images != labels:
                raise ValueError(f"x_{part} and y_{part} must be of one length, received {images} and {labels}.")
    shapes = {(data.x_train.shape, data.x_test.shape) for data in datasets}
    if len(datasets) != len(seeds) or len(shapes) != 1:
        raise ValueError(
            f"dataset must be one data set, or a list with one of the same sizes for each of the {len(seeds)} seeds; "
            f"received {len(datasets)} with (x_train.shape, x_test.shape) of {sorted(shapes)}."
        )
    examples = len(datasets[0].x_train)
    if settings.batch_size > examples:
        raise ValueError(
            f"batch_size must be at most {examples}, the number of training examples, received {settings.batch_size}."
        )


def _check_labels(model, datasets):
    labels = np.unique(np.concatenate([part for data in datasets for part in (data.y_train, data.y_test)]))
    outputs = model.output_shape[-1]
    if labels.dtype.kind not in "iu" or labels[0] < 0 or labels[-1] >= max(outputs, 2):
        raise ValueError(
            f"{outputs} output{'s' if outputs > 1 else ''} can tell the classes 0 to {max(outputs, 2) - 1} apart; "
            f"the data set has the labels {labels[:12].tolist()} ({labels.dtype})."
        )


def _cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _call(build):
    """A build function as it would be written: its name, or for a partial its keywords too."""
    if isinstance(build, functools.partial):
        return f"functools.partial({', '.join(filter(None, [_call(build.func), _arguments(build.keywords)]))})"
    return getattr(build, "__name__", repr(build))


def _arguments(keywords):
    return ", ".join(f"{name}={value!r}" for name, value in keywords.items())
