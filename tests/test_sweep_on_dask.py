"""A sweep on a Dask cluster of two worker processes: the same numbers as in turn, also when a worker is killed."""

import functools
import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest

from helpers import environment

environment.quiet_tensorflow()

from distributed import Client, LocalCluster  # noqa: E402

from helpers.data import load  # noqa: E402
from helpers.networks import mlp  # noqa: E402
from helpers.training import sweep  # noqa: E402

GRID = {"normalization": ["none", "before"], "learning_rate": [0.01, 0.1, 1.0]}
# Closing a cluster ends its processes in the middle of what they say to each other.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def run_sweep():
    build = functools.partial(mlp, depth=2, width=16)
    return sweep(GRID, build, load("digits", train_size=300), seeds=3, steps=200, batch_size=32, evaluate_every=100)


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
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


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a POSIX signal")
def test_a_killed_worker_loses_no_result(client, in_turn):
    victim = min(client.run(os.getpid).values())
    killed = []

    def kill_when_busy():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not killed:
            if sum(map(len, client.processing().values())) > 0:
                time.sleep(1.5)  # in the middle of its work
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)
            time.sleep(0.05)

    killer = threading.Thread(target=kill_when_busy)
    killer.start()
    with joblib.parallel_config(backend="dask"):
        on_cluster = run_sweep()
    killer.join()
    assert killed
    assert victim not in client.run(os.getpid).values()  # it did die; the cluster put another in its place
    assert_same(in_turn, on_cluster)
