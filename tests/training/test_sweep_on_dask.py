"""A sweep on a Dask cluster of two worker processes: the same numbers as in turn, also when a worker is killed."""

import functools
import os
import signal

import joblib
import numpy as np
import pytest

from helpers import environment

environment.quiet_tensorflow()

from distributed import Client, LocalCluster  # noqa: E402

from helpers.data import load  # noqa: E402
from helpers.networks import mlp  # noqa: E402
from helpers.training import sweep  # noqa: E402

GRID = {"normalization": ["none", "before", "after", "both"], "learning_rate": [0.01, 0.1, 1.0]}
BUILT = []  # the networks that this process has begun
# Closing a cluster ends its processes in the middle of what they say to each other.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def run_sweep(build=mlp):
    build = functools.partial(build, depth=2, width=16)
    return sweep(GRID, build, load("digits", train_size=300), seeds=3, steps=200, batch_size=32, evaluate_every=100)


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def in_turn():
    return run_sweep()


def assert_same(first, second):
    assert first.points == second.points
    for ours, theirs in zip(first.runs, second.runs, strict=True):
        np.testing.assert_array_equal(ours.train_loss, theirs.train_loss)
        np.testing.assert_array_equal(ours.moving.test_accuracy, theirs.moving.test_accuracy)
        np.testing.assert_array_equal(ours.recomputed.test_loss, theirs.recomputed.test_loss)


def test_same_numbers_as_in_turn(client, in_turn):
    with joblib.parallel_config(backend="dask"):
        on_cluster = run_sweep()
    assert_same(in_turn, on_cluster)
    worked = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert sum(count > 0 for count in worked.values()) == 2, worked  # both processes took part


def test_the_environment_can_name_the_cluster(client, in_turn, monkeypatch):
    monkeypatch.setenv("SCHEDULER", client.scheduler.address)
    before = sum(client.run(lambda dask_worker: dask_worker.state.executed_count).values())
    assert_same(in_turn, run_sweep())
    assert sum(client.run(lambda dask_worker: dask_worker.state.executed_count).values()) > before


def build_or_die(last_words, **settings):
    """`mlp`, but the first worker that begins a second network is killed then and there."""
    BUILT.append(settings)
    if len(BUILT) > 1:
        try:
            with open(last_words, "x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            pass  # another worker was first
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return mlp(**settings)


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a POSIX signal")
def test_a_killed_worker_loses_no_result(client, in_turn, tmp_path):
    last_words = tmp_path / "killed"
    with joblib.parallel_config(backend="dask"):
        on_cluster = run_sweep(functools.partial(build_or_die, last_words))
    # It did die; the cluster put another in its place.
    assert int(last_words.read_text()) not in client.run(os.getpid).values()
    assert_same(in_turn, on_cluster)
