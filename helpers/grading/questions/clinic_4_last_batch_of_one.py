"""Clinic case `clinic_4`: one row left over at the end of an epoch."""

from typing import ClassVar

import numpy as np

from helpers.grading.clinic_question import Cause, ClinicQuestion
from helpers.grading.comparing import Probe
from helpers.grading.observing import Remark
from helpers.grading.question import Misconception

SIZES = (33, 8), (32, 8), (28, 8), (34, 8), (13, 4)  # rows of data, size of a batch


def _slices(x, y, batch_size):
    return [(x[k : k + batch_size], y[k : k + batch_size]) for k in range(0, len(x), batch_size)]


def _double_the_row(x, y, batch_size):
    return [(a.repeat(2, axis=0), b.repeat(2, axis=0)) if len(a) == 1 else (a, b) for a, b in _slices(x, y, batch_size)]


def _fill_with_zeros(x, y, batch_size):
    rest = -len(x) % batch_size
    return _slices(np.pad(x, ((0, rest), (0, 0))), np.pad(y, (0, rest)), batch_size)


def _rows_of_x_only(x, y, batch_size):
    return _slices(x[1:] if len(x) % batch_size == 1 else x, y, batch_size)


def _singles(x, y, batch_size):
    return _slices(x, y, 1)


class LastBatchOfOne(ClinicQuestion):
    id = "clinic_4"
    short = "cl4"
    title = "Case 4: the last step of every epoch"
    notebook, heading = "05_training_and_inference", "How large must a batch be?"
    program = "make_batches"
    wanted = "a function `make_batches(x, y, batch_size)`"
    hints = (
        "How many rows has the fifth batch? What are the mean and the variance of that batch?",
        "Leave out what does not fill a batch (tf.data: `drop_remainder=True`), or join a single row to the batch "
        "before it. Whatever is full stays.",
    )
    try_first = "Send one row through a new BatchNormalization layer with `training=True`. What comes out?"
    causes: ClassVar[dict[str, Cause]] = {
        "a": Cause(
            "The last batch is one row: the row is its own mean, so BatchNorm turns any input into beta",
            True,
            "x − mean is 0 for a batch of one row, so the output is beta whatever the row was: the step learns "
            "nothing about the row, and the moving variance moves towards 0.",
        ),
        "b": Cause(
            "The rows are not shuffled, so the last batch is always the same",
            False,
            "shuffling puts another row at the end, and that row is alone in its batch too. Shuffling is good "
            "for other reasons.",
        ),
        "c": Cause(
            "Epsilon is too small for the last batch",
            False,
            "a larger epsilon changes what is divided by, and 0 divided by anything is 0: "
            "x − mean is 0 for a single row.",
        ),
        "d": Cause(
            "The moving averages are still cold at the end of an epoch",
            False,
            "in training BatchNorm does not use its moving averages at all. "
            "And the jump is there in every epoch, long after they are warm.",
        ),
    }

    @staticmethod
    def reference(x, y, batch_size):
        starts = list(range(0, len(x), batch_size))
        if len(x) % batch_size == 1 and len(starts) > 1:
            starts.pop()  # the single row joins the batch before it
        ends = [*starts[1:], len(x)]
        return [(x[start:end], y[start:end]) for start, end in zip(starts, ends, strict=True)]

    misconceptions = (
        Misconception(
            "The program still makes a batch of one row: 33 rows in batches of 8 leave one over.",
            _slices,
        ),
        Misconception(
            "The single row is doubled, but two equal rows have variance 0 as well: BatchNorm gives beta again. "
            "Leave the row out, or join it to the batch before.",
            _double_the_row,
        ),
        Misconception(
            "The last batch is filled with zeros. They are no data, but count in the batch's mean and variance, and in "
            "the loss. Leave the row out, or join it to the batch before.",
            _fill_with_zeros,
        ),
        Misconception(
            "All rows are one batch now, so there is a single step in an epoch. Keep the batches near `batch_size`.",
            lambda x, y, batch_size: [(x, y)],
        ),
        Misconception(
            "The last batch is left out always, even a full one. Leave it out only where it is too small.",
            lambda x, y, batch_size: _slices(x, y, batch_size)[:-1],
        ),
        Misconception(
            "The last row is left out always. With 34 rows that makes a batch of one, where there was none before.",
            lambda x, y, batch_size: _slices(x[:-1], y[:-1], batch_size),
        ),
        Misconception(
            "Batches one row larger fit 33 rows and fail for others: 28 rows in batches of 9 leave one over again. "
            "Ask how many rows are left, whatever `batch_size` is.",
            lambda x, y, batch_size: _slices(x, y, batch_size + 1),
        ),
        Misconception(
            "Batches of 11 fit 33 rows and nothing else: use the `batch_size` that was asked for.",
            lambda x, y, batch_size: _slices(x, y, 11),
        ),
        Misconception(
            "A row was taken from x and not from y, so the rows no longer belong to their targets.",
            _rows_of_x_only,
        ),
        Misconception("Now every batch is a single row. Make them larger, not smaller.", _singles),
    )

    def probes(self, answer):
        return [
            Probe(
                "five sizes of data",
                outputs=(
                    "batches of one row",
                    "batches of equal rows",
                    "rows that are lost",
                    "rows that are no data",
                    "rows of a batch that is too large",
                ),
                tolerance=1e-6,
                call=_what_reaches_the_model,
                say=_describe_batches,
                split=(
                    ("no batch of a single row reaches the model", 1),
                    ("no batch of nothing but equal rows either", 0.5),
                    ("every batch that was full still does", 0.5),
                    ("every row is one of the data, beside its own target", 0.5),
                    ("the batches are about as large as they should be", 0.5),
                ),
            )
        ]


def _what_reaches_the_model(make_batches, given):
    """For each of SIZES five numbers, all 0 where the batches are right."""
    counts = []
    for rows, batch_size in SIZES:
        x = np.random.default_rng(rows).normal(1, 2, (rows, 3)).astype(np.float32)
        y = np.arange(rows, dtype=np.float32)
        batches = make_batches(x.copy(), y.copy(), batch_size)
        if batches is ... or batches is None:
            return batches
        counts.append(_counts(_pairs(batches), x, batch_size))
    return tuple(np.array(one) for one in zip(*counts, strict=True))


def _pairs(batches):
    """The batches as a list of (x, y) arrays. Raises a Remark where they are none."""
    pairs = []
    try:
        for batch in batches:
            x, y = batch
            pairs.append((np.asarray(x), np.asarray(y).ravel()))
            if len(pairs) > 100:
                break
    except (TypeError, ValueError):
        raise Remark("Your function should return batches, each a pair `(x, y)` of arrays.") from None
    if any(x.ndim != 2 or x.shape[1] != 3 for x, _ in pairs):
        shapes = ", ".join(f"`{x.shape}`" for x, _ in pairs[:3])
        raise Remark(f"The `x` of a batch should have shape `(rows, 3)`, as the data have; received {shapes}.")
    return pairs


def _counts(pairs, x, batch_size):
    alone = sum(len(rows) < 2 for rows, _ in pairs)
    equal = sum(len(rows) > 1 and len(np.unique(rows, axis=0)) == 1 for rows, _ in pairs)
    known, strange = set(), 0
    for rows, targets in pairs:
        strange += abs(len(rows) - len(targets))
        for row, target in zip(rows, targets, strict=False):
            index = int(target) if 0 <= target < len(x) else 0
            if np.array_equal(row, x[index]):
                known.add(index)
            else:
                strange += 1
    lost = max(0, len(x) // batch_size * batch_size - len(known))
    largest = max((len(rows) for rows, _ in pairs), default=0)
    return alone, equal, lost, strange, largest if largest >= 2 * batch_size else 0


def _describe_batches(name, received, expected):
    at = int(np.flatnonzero(received != expected)[0])
    rows, batch_size = SIZES[at]
    if name == "rows of a batch that is too large":
        too_large = f"received one of `{received[at]:g}`"
        return f"With `batch_size = {batch_size}` no batch should have twice as many rows; {too_large}."
    found = {
        "batches of one row": "batches of one row, which BatchNorm turns into beta",
        "batches of equal rows": "batches of equal rows, which BatchNorm turns into beta as well",
        "rows that are lost": "rows missing, which a full batch had",
        "rows that are no data": "rows that are none of the data, or stand beside another row's target",
    }[name]
    return f"From {rows} rows and `batch_size = {batch_size}` there should be `0` {found}; received `{received[at]:g}`."
