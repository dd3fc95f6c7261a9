"""A grid of settings, trained in turn or on a cluster."""

import contextlib
import functools
import inspect
import os

import keras

from helpers import environment
from helpers.training.results import Sweep
from helpers.training.running import deferred_interrupt, train_arms, train_many
from helpers.training.settings import checked_optimizer, checked_settings


def sweep(grid, build, dataset, **settings):
    """`train_many` at every point of a grid of settings; returns a `Sweep`.

    grid: {name: values}, as for scikit-learn's `ParameterGrid`. "learning_rate" is the optimizer's, the names of
        `train_many`'s keywords are those, and every other name is a keyword of `build`.
    build, dataset, settings: as for `train_many`.

    Points that differ in the learning rate alone are trained together, if the network is small. The others run in turn,
    since TensorFlow uses every core; inside `joblib.parallel_config(backend="dask")`, or where the environment variable
    SCHEDULER holds the address of a Dask scheduler, they run on the workers of that cluster. Interrupted from the
    keyboard, it returns the points that were trained until then, the last of them marked as interrupted.
    """
    with environment.needed_for("A sweep"):
        from joblib import Parallel, delayed, effective_n_jobs
        from sklearn.model_selection import ParameterGrid
        from tqdm.auto import tqdm

    groups = _differing_in_learning_rate(ParameterGrid(grid))
    optimizer = keras.optimizers.serialize(checked_optimizer(settings.pop("optimizer", "sgd")))
    # A bar that counts networks says nothing while there is one: then the bar counts its steps.
    progress = settings.pop("progress", True)
    trained = Sweep([], [])
    with _cluster_of_the_environment(), deferred_interrupt() as interrupted:
        in_steps = progress and len(groups) == 1 and effective_n_jobs(None) == 1
        tasks = (delayed(_train_points)(points, build, dataset, optimizer, settings, in_steps) for points in groups)
        # n_jobs=None leaves the number of workers to `parallel_config`, and is one without it.
        results = Parallel(n_jobs=None, return_as="generator")(tasks)
        bar = tqdm(results, total=len(groups), unit="network", leave=False, disable=in_steps or not progress)
        for runs, points in zip(bar, groups, strict=True):
            trained.points.extend(points[: len(runs)])
            trained.runs.extend(runs)
            if runs[-1].interrupted or interrupted.is_set():
                break
    return trained


@contextlib.contextmanager
def _cluster_of_the_environment():
    """Inside, joblib's tasks go to the Dask cluster whose address is in SCHEDULER; without one nothing changes."""
    address = os.environ.get("SCHEDULER")
    if not address:
        yield
        return
    with environment.needed_for("A sweep on a cluster"):
        from distributed import Client
    import joblib

    with Client(address), joblib.parallel_config(backend="dask"):
        yield


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
        optimizer = keras.optimizers.serialize(checked_optimizer(own.pop("optimizer")))
    arms = []
    for point in points:
        optimizer_of_point = keras.optimizers.deserialize(optimizer)
        if "learning_rate" in point:
            optimizer_of_point.learning_rate = point["learning_rate"]
        call = signature.bind(build, dataset, optimizer=optimizer_of_point, **{**settings, **own})
        call.apply_defaults()
        del call.arguments["progress"]
        arms.append(checked_settings(**call.arguments))
    return train_arms(arms, progress)
