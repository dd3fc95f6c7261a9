"""The data sets of the course: small real images, standardised, split by a seed, without a download by default."""

import dataclasses
import hashlib
import os
from dataclasses import dataclass

import numpy as np

from helpers.environment import first_seed, needed_for

# The data of all notebooks is what the environment variable COURSE_DATA names, by default the digits. Each in the size
# of the digits, so that the same networks fit: 64 features, 1200 training and 597 test images.
AS_DIGITS = {"image_size": 8, "train_size": 1200, "test_size": 597}
COURSE_DATA = {"digits": {}, "mnist": AS_DIGITS, "fashion_mnist": AS_DIGITS}

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
DIGIT_CLASSES = tuple("0123456789")


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """Images as rows of features with their labels, split into training and test examples.

    x_train, x_test: float32, (examples, features), standardised: (pixel - mean) / std.
    y_train, y_test: int32, (examples,), the class of each image as an index into class_names.
    mean, std: one number each, in grey levels: the mean and standard deviation of all training pixels.
    image_shape: (height, width) of an image. name, title: the data set's name for `load` and for a reader.
    shows: what the images show and with which grey levels, in words. origin: the call that made this data set, in
    words. sha256: of all images in grey levels and their labels, before anything is changed by `replace`.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    mean: float
    std: float
    image_shape: tuple[int, int]
    name: str
    title: str
    shows: str
    source: str
    licence: str
    origin: str
    sha256: str

    @property
    def chance(self):
        """The accuracy of always answering with the most frequent class of the test images, a share from 0 to 1."""
        return float(np.bincount(self.y_test).max() / len(self.y_test))

    def pixels(self, x):
        """Standardised rows (n, features) as images in grey levels again: (n, height, width)."""
        return (np.asarray(x) * self.std + self.mean).reshape(-1, *self.image_shape)

    def replace(self, what, **fields):
        """The same data set with other arrays; `what` says in words what changed and becomes part of `origin`."""
        return dataclasses.replace(self, origin=f"{self.origin}, {what}", **fields)

    def __repr__(self):
        return self.origin

    def __str__(self):
        height, width = self.image_shape
        return (
            f"{self.origin}: {len(self.x_train)} training and {len(self.x_test)} test images "
            f"of {height} x {width} pixels, {len(self.class_names)} classes"
        )


def load(name=None, *, seed=None, train_size=None, test_size=None, image_size=None):
    """Load a data set by name: "digits" (no download), "mnist" or "fashion_mnist" (downloaded once by Keras).

    Without a name: the course's data, which the environment variable COURSE_DATA names (by default "digits"), in the
    size of COURSE_DATA above; what you give beside it counts before what stands there.
    seed: which examples are used for training and for testing, by default the course's first seed (digits are split by
    it; MNIST and Fashion-MNIST come split, there it chooses the examples of a smaller `train_size` or `test_size`).
    train_size, test_size: numbers of examples; by default 1200 and 597 of the digits, all of the others.
    image_size: pixels per side, by default as the images come: 8 of the digits, 28 of the others. These are padded to
    32 pixels and averaged over blocks, so 8 gives 64 features as the digits have.

    Raises ValueError for an unknown name or impossible sizes, ConnectionError where a download fails.
    """
    given = {"seed": seed, "train_size": train_size, "test_size": test_size, "image_size": image_size}
    settings = {"seed": first_seed(), "train_size": None, "test_size": None, "image_size": None}
    if name is None:
        name = os.environ.get("COURSE_DATA", "digits")
        settings |= COURSE_DATA.get(name, {})
    settings |= {key: value for key, value in given.items() if value is not None}
    if name not in _LOADERS:
        raise ValueError(f"Unknown data set {name!r}. Choose one of: {', '.join(_LOADERS)}.")
    return _LOADERS[name](**settings)


def _load_digits(seed, train_size, test_size, image_size):
    with needed_for("Loading the digits"):
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

    if image_size is not None:
        _size_from(image_size, (8,), "'digits'")
    digits = load_digits()
    total, classes = len(digits.target), len(DIGIT_CLASSES)
    # What one part leaves over is the other's default.
    if train_size is None:
        most = total - classes
        train_size = 1200 if test_size is None else min(1200, total - _count("test_size", test_size, classes, most))
    train_size = _count("train_size", train_size, classes, total - classes)
    test_size = _count("test_size", total - train_size if test_size is None else test_size, classes, total - train_size)
    parts = train_test_split(
        digits.data, digits.target,
        train_size=train_size, test_size=test_size, random_state=seed, stratify=digits.target,
    )  # fmt: skip
    x_train, x_test, y_train, y_test = parts
    return _standardised(
        "digits", seed, (x_train, y_train), (x_test, y_test), (8, 8), DIGIT_CLASSES, image_size,
        title="digits",
        shows="handwritten digits, with 17 grey levels from 0 (paper) to 16 (full ink)",
        source="Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, test part, "
        "by way of scikit-learn (E. Alpaydin and C. Kaynak, 1998)",
        licence="CC BY 4.0",
    )  # fmt: skip


def _load_mnist(seed, train_size, test_size, image_size):
    return _load_from_keras(
        "mnist", seed, train_size, test_size, image_size, DIGIT_CLASSES,
        title="MNIST",
        shows="handwritten digits, with grey levels from 0 (paper) to 255 (full ink)",
        source="MNIST (Y. LeCun, C. Cortes and C. Burges), by way of keras.datasets",
        licence="CC BY-SA 3.0",
    )  # fmt: skip


def _load_fashion_mnist(seed, train_size, test_size, image_size):
    return _load_from_keras(
        "fashion_mnist", seed, train_size, test_size, image_size, FASHION_CLASSES,
        title="Fashion-MNIST",
        shows="clothes, shoes and bags, with grey levels from 0 (background) to 255 (lightest cloth)",
        source="Fashion-MNIST (H. Xiao, K. Rasul and R. Vollgraf, Zalando, 2017), by way of keras.datasets",
        licence="MIT",
    )  # fmt: skip


_LOADERS = {"digits": _load_digits, "mnist": _load_mnist, "fashion_mnist": _load_fashion_mnist}


def _load_from_keras(name, seed, train_size, test_size, image_size, class_names, **in_words):
    if image_size is not None:
        _size_from(image_size, (1, 2, 4, 8, 16, 32), repr(name))
    from helpers import environment

    environment.quiet_tensorflow()
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception where the network fails
        raise ConnectionError(
            f"{name!r} has to be downloaded once and the download failed ({_first_line(error)}). "
            "Without a network use load('digits'), which comes with scikit-learn."
        ) from error
    random = np.random.default_rng(seed)
    train = _choose(random, len(x_train), train_size, "train_size", len(class_names))
    test = _choose(random, len(x_test), test_size, "test_size", len(class_names))
    x_train, x_test = x_train[train], x_test[test]
    if image_size is not None:
        x_train, x_test = _resized(x_train, image_size), _resized(x_test, image_size)
    return _standardised(
        name, seed, (x_train, y_train[train]), (x_test, y_test[test]), x_train.shape[1:], class_names, image_size,
        **in_words,
    )  # fmt: skip


def _resized(images, size):
    """Images of 28 x 28 pixels, padded with zeros to 32 x 32, as means over equal blocks: (n, size, size)."""
    block = 32 // size
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    return padded.reshape(len(images), size, block, size, block).mean(axis=(2, 4))


def _standardised(name, seed, train, test, image_shape, class_names, image_size, **in_words):
    (x_train, y_train), (x_test, y_test) = train, test
    mean, std = float(np.mean(x_train)), float(np.std(x_train))
    resized = "" if image_size is None else f", image_size={image_size}"
    as_rows = lambda x: ((x.reshape(len(x), -1) - mean) / std).astype(np.float32)  # noqa: E731
    return Dataset(
        x_train=as_rows(x_train),
        y_train=y_train.astype(np.int32),
        x_test=as_rows(x_test),
        y_test=y_test.astype(np.int32),
        class_names=class_names,
        mean=mean,
        std=std,
        image_shape=tuple(image_shape),
        name=name,
        sha256=_fingerprint(x_train, y_train, x_test, y_test),
        **in_words,
        origin=f"load({name!r}, seed={seed}, train_size={len(x_train)}, test_size={len(x_test)}{resized})",
    )


def _fingerprint(*arrays):
    """The SHA-256 of arrays of numbers, whatever integer or floating type they come in."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()


def _choose(random, total, size, what, smallest):
    if size is None or _count(what, size, smallest, total) == total:
        return slice(None)
    return random.permutation(total)[:size]


def _count(what, size, smallest, largest):
    """size, if it is a whole number of examples that the data set can give; else a ValueError that says what works."""
    whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
    if not whole or not smallest <= size <= largest:
        raise ValueError(f"{what} must be a whole number from {smallest} to {largest}, received {size!r}.")
    return int(size)


def _size_from(size, possible, name):
    """Nothing, if images of this size can be had; else a ValueError that says which can."""
    if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size not in possible:
        raise ValueError(f"image_size of {name} must be one of {', '.join(map(str, possible))}, received {size!r}.")


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]
