"""Train one architecture from many seeds at once: real Keras models, one graph, every figure with a spread.

A single `fit` shows one draw of the initial weights and of the batch order. `train_many` stacks the variables of
several such draws and trains all of them in one vectorised TensorFlow graph, so that eight runs cost about as much as
one `fit`. The layers are Keras' own (`stateless_call`), and so is the optimizer (`stateless_apply`).
"""

from helpers import environment

environment.quiet_tensorflow()  # before the files below import TensorFlow

from helpers.training.results import Runs, Scores, Sweep  # noqa: E402
from helpers.training.running import train_many  # noqa: E402
from helpers.training.settings import Probes, Settings, batch_order  # noqa: E402
from helpers.training.starts import initial_variables  # noqa: E402
from helpers.training.sweeps import sweep  # noqa: E402

__all__ = [
    "Probes",
    "Runs",
    "Scores",
    "Settings",
    "Sweep",
    "batch_order",
    "initial_variables",
    "sweep",
    "train_many",
]
