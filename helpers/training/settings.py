"""What a training is asked to do, checked before anything is trained."""

import dataclasses
import functools
from dataclasses import dataclass

import keras
import numpy as np

from helpers import environment


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
        optimizer = f"keras.optimizers.{type(self.optimizer).__name__}({_keywords_in_words(changed)})"
        return (
            f"train_many({_call_in_words(self.build)}, {self.dataset!r}, seeds={self.seeds}, steps={self.steps}, "
            f"batch_size={self.batch_size}, optimizer={optimizer}, evaluate_every={self.evaluate_every}"
            + (f", probes={self.probes!r}" if self.probes else "")
            + (f", order={_call_in_words(self.order)})" if self.order is not batch_order else ")")
        )


def batch_order(labels, steps, batch_size, seed):
    """The row numbers of every batch, (steps, batch_size): random orders of all examples, one after the other.

    labels: (examples,), of which only the number counts here; an order of your own may look at them.
    """
    random = np.random.default_rng([seed, 1])
    per_epoch = len(labels) // batch_size
    epochs = [random.permutation(len(labels))[: per_epoch * batch_size] for _ in range(-(-steps // per_epoch))]
    return np.concatenate(epochs).reshape(-1, batch_size)[:steps].astype(np.int32)


def checked_settings(build, dataset, seeds, steps, batch_size, optimizer, evaluate_every, probes, order):
    """The arguments of `train_many` as `Settings`, checked as far as no model is needed. Raises ValueError."""
    if isinstance(seeds, (int, np.integer)):
        seeds = environment.seeds(seeds)
    elif not np.iterable(seeds):
        raise ValueError(f"seeds must be a whole number or a list of whole numbers, received {seeds!r}.")
    seeds = tuple(int(seed) for seed in seeds)
    _check_counts(seeds=len(seeds), steps=steps, batch_size=batch_size, evaluate_every=evaluate_every)
    if probes is not None:
        probes = dataclasses.replace(probes, at=_checked_probe_steps(probes.at, steps))
    optimizer = checked_optimizer(optimizer)
    settings = Settings(build, dataset, seeds, steps, batch_size, optimizer, evaluate_every, probes, order)
    _check_datasets(settings)
    return settings


def _checked_probe_steps(at, steps):
    """The steps to probe in the order in which training comes by them. Raises ValueError for others."""
    wrong = [step for step in at if not isinstance(step, (int, np.integer)) or not 0 <= step <= steps]
    if wrong:
        raise ValueError(f"Probes can be at whole steps from 0 to {steps}, the number of steps; received {wrong}.")
    return tuple(sorted({int(step) for step in at}))


def checked_optimizer(optimizer):
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


def _call_in_words(build):
    """A build function as it would be written: its name, or for a partial its keywords too."""
    if isinstance(build, functools.partial):
        parts = filter(None, [_call_in_words(build.func), _keywords_in_words(build.keywords)])
        return f"functools.partial({', '.join(parts)})"
    return getattr(build, "__name__", repr(build))


def _keywords_in_words(keywords):
    return ", ".join(f"{name}={value!r}" for name, value in keywords.items())
