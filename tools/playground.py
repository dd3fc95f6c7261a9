"""The playground's scripts, in the order in which the page loads them, and its data, which the site's build writes."""

import json

import numpy as np

from helpers.data import load

# These also run in the worker and under node; they touch no page.
ENGINE = ("core", "random", "matrix", "layers", "network", "run", "settings", "presets", "worker")
PAGE = ("digits", "canvas", "charts", "words", "controls", "page")  # the first is written by `write_digits`


def write_digits(path):
    """Write the course's digits as a script: all grey levels, 0 as "A" to 16 as "Q", training images first.

    Labels likewise. The page standardises them with the same mean and standard deviation as `helpers.data`.
    """
    digits = load("digits")
    x, y = np.concatenate([digits.x_train, digits.x_test]), np.concatenate([digits.y_train, digits.y_test])
    content = {
        "pixels": _as_text(digits.pixels(x).round()),
        "labels": _as_text(y),
        "trainSize": len(digits.x_train),
        "mean": digits.mean,
        "std": digits.std,
        "classes": len(digits.class_names),
    }
    path.write_text(f"playground.data = {json.dumps(content)};\n", encoding="ascii")


def _as_text(numbers):
    return (np.asarray(numbers, np.uint8) + ord("A")).tobytes().decode("ascii")
