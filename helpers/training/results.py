"""What comes back from a training."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from helpers.training.models import Architecture, all_variables
from helpers.training.settings import Settings


@dataclass(frozen=True)
class Scores:
    """Accuracy (share from 0 to 1) and mean loss of every run at every evaluation: arrays (seeds, evaluations)."""

    train_accuracy: np.ndarray
    train_loss: np.ndarray
    test_accuracy: np.ndarray
    test_loss: np.ndarray


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
    final_values: for every variable of the network, trainable ones first, its values after training, (seeds, …).
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
    final_values: list[np.ndarray] = dataclasses.field(compare=False)
    _architecture: Architecture | None = dataclasses.field(compare=False, default=None)

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
        model = self._architecture.new_model(self.settings)
        row = self.seeds.index(seed)
        for variable, values in zip(all_variables(model), self.final_values, strict=True):
            variable.assign(values[row])
        return model

    def __repr__(self):
        return repr(self.settings)

    def __str__(self):
        text = f"{len(self.seeds)} runs of {self.train_loss.shape[1]} steps in {self.seconds:.1f} s"
        if self.diverged:
            text += f", {len(self.diverged)} of them diverged (seeds {', '.join(map(str, self.diverged))})"
        return text + (", interrupted" if self.interrupted else "")


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
