"""The training itself: groups of runs, a thread for each, the progress bar, the interrupt from the keyboard."""

import concurrent.futures
import contextlib
import itertools
import math
import os
import signal
import threading
import time

import keras
import numpy as np
import tensorflow as tf

from helpers import environment
from helpers.training.graph import graph_of, stateless_optimizer
from helpers.training.models import Architecture, all_variables, built_model, check_labels, kernel_positions
from helpers.training.results import Runs, Scores
from helpers.training.settings import Probes, batch_order, checked_settings
from helpers.training.starts import starts_of_seeds

OUTPUTS_AT_ONCE = 2_500_000  # of all layers in all runs of one step: 10 MB, and about ten times that with gradients


CHUNK = 50  # steps in one call of the graph: the bar moves and the keyboard interrupts after each


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

    build: a function without arguments that returns a Keras model: (batch, …features) -> (batch, outputs), with a
        linear output (logits), a softmax or a sigmoid. One output means two classes, 0 and 1.
    dataset: what `helpers.data.load` returns, or a list of such data sets of the same sizes, one for each seed. Its
        examples may have any shape, such as images (examples, height, width, channels) for `Conv2D`. That costs no more
        than rows with a `Reshape` in front. But TensorFlow computes the gradient of a convolution's kernel in a loop
        over the seeds: eight seeds of a small ConvNet take about as long as one `fit`, and a deep one is slow to trace.
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
    settings = checked_settings(build, dataset, seeds, steps, batch_size, optimizer, evaluate_every, probes, order)
    (runs,) = train_arms([settings], progress)
    return runs


def train_arms(arms, progress):
    """Train settings that differ in the learning rate alone; returns `Runs` for each.

    Small networks train all of them in one graph. Large ones would take much memory so, and gain little time.
    """
    settings = arms[0]
    model = built_model(settings.build, settings.datasets[0])
    check_labels(model, settings.datasets)
    outputs = tf.nest.flatten([layer.output for layer in model.layers if hasattr(layer, "output")])
    numbers = sum(math.prod(size or 1 for size in output.shape[1:]) for output in outputs)
    alone = len(arms) * len(settings.seeds) * settings.batch_size * numbers > OUTPUTS_AT_ONCE
    graph = graph_of(model, settings.optimizer, bool(settings.probes and settings.probes.gradient_norms))
    collected = []
    with deferred_interrupt() as interrupted:
        for part in [[arm] for arm in arms] if alone else [arms]:
            collected += _train_in_one_graph(part, model, graph, progress)
            if interrupted.is_set():
                break
    return collected


def _train_in_one_graph(arms, model, graph, progress):
    with environment.needed_for("Training networks"):
        from tqdm.auto import tqdm

    settings, started = arms[0], time.perf_counter()
    optimizers = [
        [np.asarray(variable) for variable in stateless_optimizer(arm.optimizer, model).variables] for arm in arms
    ]
    runs = list(itertools.product(optimizers, starts_of_seeds(model, settings)))
    # As many threads as cores, each with the same number of runs, so that one trace of the graph serves them all.
    size = -(-len(runs) // min(available_cores(), len(runs)))
    groups = [RunGroup(graph, runs[i : i + size], size) for i in range(0, len(runs), size)]
    with tqdm(total=settings.steps, unit="step", leave=False, disable=not progress) as bar:
        groups[0].trace()
        interrupted = _run_steps(groups, settings, bar)
    return _collect_runs(arms, groups, model, time.perf_counter() - started, interrupted)


class RunGroup:
    """The runs that one thread trains: their stacked variables and what was measured of them.

    runs: pairs of the optimizer's variables and a `Start`; copies fill them up to `size` and are cut off in the end.
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
            specs = [_with_open_axis(part, axis=y.shape.rank - 1) for part in (x, y)]
            traced = self.graph.train.trace(*states, *specs, rows, steps)
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


def _with_open_axis(tensor, axis):
    shape = [None if at == axis else size for at, size in enumerate(tensor.shape)]
    return tf.TensorSpec(shape, tensor.dtype)


def _stacked(lists):
    return [tf.constant(np.stack(values)) for values in zip(*lists, strict=True)]


def _run_steps(groups, settings, bar):
    """Train, evaluate and probe all groups, one thread each. Returns whether the keyboard interrupted it."""
    probes = settings.probes or Probes()
    evaluate_at = {*range(settings.evaluate_every, settings.steps, settings.evaluate_every), settings.steps}
    marks = sorted({*evaluate_at, *(at for at in probes.at if at <= settings.steps), *range(0, settings.steps, CHUNK)})
    with (
        deferred_interrupt() as interrupted,
        concurrent.futures.ThreadPoolExecutor(len(groups)) as pool,
    ):
        for mark in marks:
            if mark > 0:
                _call_in_all(pool, groups, "train", mark)
                bar.update(mark - bar.n)
            if mark in probes.at:
                _call_in_all(pool, groups, "probe", probes.rows)
            stop = interrupted.is_set() and mark > 0
            if mark in evaluate_at or stop:
                _call_in_all(pool, groups, "evaluate")
            if stop:
                break
        return groups[0].trained < settings.steps


def _call_in_all(pool, groups, method, *arguments):
    """Call a method of all groups at the same time."""
    for job in [pool.submit(getattr(group, method), *arguments) for group in groups]:
        job.result()


class _InterruptNote(threading.Event):
    """A handler of signals that only notes that one came."""

    def __call__(self, *_):
        self.set()


@contextlib.contextmanager
def deferred_interrupt():
    """Inside, a keyboard interrupt sets the event that is yielded and stops nothing in the middle of its work."""
    if threading.current_thread() is not threading.main_thread():
        yield _InterruptNote()  # signals reach the main thread alone
        return
    previous = signal.getsignal(signal.SIGINT)
    note = (
        previous if isinstance(previous, _InterruptNote) else _InterruptNote()
    )  # a sweep and the training in it share one
    signal.signal(signal.SIGINT, note)
    try:
        yield note
    finally:
        signal.signal(signal.SIGINT, previous)


def _collect_runs(arms, groups, model, seconds, interrupted):
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
        for i in range(len(all_variables(model)))
    ]
    layers = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    architecture = Architecture.of(model)
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
            gradient_norms={name: norms[own, :, i] for i, name in enumerate(kernel_positions(model)) if norms.shape[2]},
            seconds=seconds / len(arms),
            interrupted=interrupted,
            final_values=[values[own] for values in variables],
            _architecture=architecture,
        )
        collected.append(runs)
    return collected


def available_cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
