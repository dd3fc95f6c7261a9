"""A right layer for the exercise `BatchNorm`, and layers with one thing wrong."""

import numpy as np

from helpers.grading.questions.wrong_formulas import moments, right_root


class RightLayer:
    """A right layer, shown by `solution`."""

    class BatchNorm:
        def __init__(self, features, momentum=0.99, epsilon=1e-3):
            self.momentum, self.epsilon = momentum, epsilon
            self.gamma, self.beta = np.ones(features), np.zeros(features)
            self.moving_mean, self.moving_variance = np.zeros(features), np.ones(features)

        def __call__(self, x, training=False):
            x = np.asarray(x, dtype=float)
            if training:
                mean, variance = x.mean(axis=0), x.var(axis=0)
                self.moving_mean = self.momentum * self.moving_mean + (1 - self.momentum) * mean
                self.moving_variance = self.momentum * self.moving_variance + (1 - self.momentum) * variance
            else:
                mean, variance = self.moving_mean, self.moving_variance
            return self.gamma * (x - mean) / np.sqrt(variance + self.epsilon) + self.beta


def layer_with(
    *,
    batch=lambda x: moments(x),
    stored=None,
    mix=lambda old, new, momentum: momentum * old + (1 - momentum) * new,
    start=(0.0, 1.0),
    update_at_inference=False,
    inference="moving",
    in_training="batch",
    shared=False,
    root=right_root,
    affine=True,
    only=None,
    still=None,
    default=False,
    reverse=False,
    swap=False,
):
    """A layer class with one thing wrong. Long, because what can go wrong is spread over the whole of one `__call__`.

    only: the mode ("training", "inference") in which root and affine are wrong, where they are not in both.
    still: which of the two averages never moves.
    """
    state = {}

    class Wrong:
        def __init__(self, features, momentum=0.99, epsilon=1e-3):
            self.momentum, self.epsilon = momentum, epsilon
            self.gamma, self.beta = np.ones(features), np.zeros(features)
            self.moving_mean, self.moving_variance = np.full(features, start[0]), np.full(features, start[1])
            if shared:
                state.setdefault("mean", self.moving_mean)
                state.setdefault("variance", self.moving_variance)
                self.moving_mean, self.moving_variance = state["mean"], state["variance"]

        def __call__(self, x, training=default):
            x, training = np.asarray(x, dtype=float), training != reverse
            old, mean_variance = (self.moving_mean, self.moving_variance), batch(x)
            if training or update_at_inference:
                mean, variance = (stored or batch)(x)
                new_mean, new_variance = mix(old[0], mean, self.momentum), mix(old[1], variance, self.momentum)
                if swap:
                    new_mean, new_variance = new_variance, new_mean
                if still is not None:
                    new_mean, new_variance = [
                        stays if index == still else moves
                        for index, (stays, moves) in enumerate(zip(old, (new_mean, new_variance), strict=True))
                    ]
                if shared:
                    state["mean"][...], state["variance"][...] = new_mean, new_variance
                else:
                    self.moving_mean, self.moving_variance = new_mean, new_variance
            new = self.moving_mean, self.moving_variance
            if training:
                mean, variance = {"batch": mean_variance, "before": old, "after": new}[in_training]
            else:
                mean, variance = {"batch": mean_variance, "before": old, "moving": new}[inference]
            wrong = only in (None, "training" if training else "inference")
            y = (x - mean) / (root if wrong else right_root)(variance, self.epsilon)
            return y if wrong and not affine else self.gamma * y + self.beta

    return Wrong


class StoresEpsilon(RightLayer.BatchNorm):
    """A layer that adds its own epsilon to the variance that it stores."""

    def __call__(self, x, training=False):
        y = super().__call__(x, training=training)
        if training:
            self.moving_variance = self.moving_variance + (1 - self.momentum) * self.epsilon
        return y


def alone_at_inference(update):
    """A layer that uses its moving statistics for a training batch of one row, and updates them or not."""

    class Wrong(RightLayer.BatchNorm):
        def __call__(self, x, training=False):
            alone = training and len(x) == 1
            y = super().__call__(x, training=training and not alone)
            if alone and update:
                super().__call__(x, training=True)
            return y

    return Wrong


class AloneForgotten(RightLayer.BatchNorm):
    """A layer whose averages do not move for a training batch of one row."""

    def __call__(self, x, training=False):
        before = self.moving_mean, self.moving_variance
        y = super().__call__(x, training=training)
        if len(x) == 1:
            self.moving_mean, self.moving_variance = before
        return y
