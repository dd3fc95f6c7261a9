"""The `order` of `train_many`: the batches are the ones it names, and a wrong one is refused with a clear line."""

import functools

import numpy as np
import pytest

from helpers.data import load
from helpers.networks import mlp
from helpers.training import batch_order, train_many

digits = load("digits", train_size=120, test_size=60)
small = functools.partial(mlp, depth=1, width=8)


def train(order=batch_order, **settings):
    settings = {"seeds": (3, 5), "steps": 6, "batch_size": 10, "progress": False, **settings}
    return train_many(small, digits, order=order, **settings)


def one_class(labels, steps, batch_size, seed):
    """Batches that hold one class each."""
    random = np.random.default_rng(seed)
    return np.stack([random.choice(np.flatnonzero(labels == random.integers(10)), batch_size) for _ in range(steps)])


def test_the_order_decides_which_examples_are_seen():
    # Only the rows of the order are seen: other images elsewhere in the training set change nothing.
    first_rows = lambda labels, steps, batch_size, seed: np.tile(np.arange(batch_size), (steps, 1))  # noqa: E731
    changed = digits.x_train.copy()
    changed[10:] = 0
    other = digits.replace("black images from the eleventh on", x_train=changed)
    same = train_many(small, other, seeds=(3, 5), steps=6, batch_size=10, order=first_rows, progress=False)
    np.testing.assert_array_equal(same.train_loss, train(first_rows).train_loss)
    assert not np.array_equal(same.train_loss, train().train_loss)


def test_each_seed_has_an_order_of_its_own_and_keeps_it():
    runs, again = train(one_class), train(one_class, seeds=(5,))
    assert not np.array_equal(runs.train_loss[0], runs.train_loss[1])
    np.testing.assert_allclose(runs.train_loss[1], again.train_loss[0], rtol=1e-4)


def test_the_default_order_visits_every_example_once_in_an_epoch():
    rows = batch_order(digits.y_train, 24, 10, seed=4)
    assert rows.shape == (24, 10)
    for epoch in (rows[:12], rows[12:]):
        np.testing.assert_array_equal(np.sort(epoch, axis=None), np.arange(120))
    assert not np.array_equal(rows[:12], rows[12:])


@pytest.mark.parametrize(
    "order",
    [
        lambda labels, steps, batch_size, seed: np.zeros((steps, batch_size + 1), int),
        lambda labels, steps, batch_size, seed: np.full((steps, batch_size), len(labels)),
        lambda labels, steps, batch_size, seed: np.full((steps, batch_size), -1),
        lambda labels, steps, batch_size, seed: np.zeros((steps, batch_size)),
    ],
    ids=["shape", "too large", "negative", "no whole numbers"],
)
def test_an_impossible_order_is_refused(order):
    with pytest.raises(ValueError, match=r"order must return whole numbers from 0 to 119 .* \(6, 10\), received"):
        train(order)


def test_the_settings_name_an_order_of_the_learners_own():
    assert "order=one_class" in repr(train(one_class, steps=1).settings)
    assert "order" not in repr(train(steps=1).settings)
