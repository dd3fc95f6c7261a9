"""The data sets: real, standardised by the training set, split by a seed, and clear about what does not work."""

import numpy as np
import pytest

from helpers.data import load


def test_digits_are_what_the_course_says():
    digits = load("digits")
    assert digits.x_train.shape == (1200, 64)
    assert digits.x_test.shape == (597, 64)
    assert digits.x_train.dtype == np.float32
    assert set(digits.y_train) == set(digits.y_test) == set(range(10))
    assert digits.class_names == tuple("0123456789")
    assert digits.licence
    assert "Handwritten" in digits.source


def test_standardised_by_the_training_set_alone():
    digits = load("digits")
    assert abs(digits.x_train.mean()) < 1e-6
    assert digits.x_train.std() == pytest.approx(1, abs=1e-5)
    # The test set got the training set's numbers, so its own are near 0 and 1 but not equal to them.
    assert 1e-6 < abs(digits.x_test.mean()) < 0.05
    np.testing.assert_allclose(digits.pixels(digits.x_test).min(), 0, atol=1e-4)
    np.testing.assert_allclose(digits.pixels(digits.x_test).max(), 16, atol=1e-4)
    assert digits.pixels(digits.x_test).shape == (597, 8, 8)


def test_no_image_is_in_both_parts():
    digits = load("digits")
    rows = np.concatenate([digits.pixels(digits.x_train), digits.pixels(digits.x_test)]).reshape(-1, 64).round()
    assert len(rows) == 1797
    assert len(np.unique(rows, axis=0)) == len(np.unique(load_all_rows(), axis=0))


def load_all_rows():
    from sklearn.datasets import load_digits

    return load_digits().data


def test_the_seed_decides_the_split():
    np.testing.assert_array_equal(load(seed=3).x_train, load(seed=3).x_train)
    assert not np.array_equal(load(seed=3).y_test, load(seed=4).y_test)


@pytest.mark.parametrize(("train_size", "test_size"), [(200, None), (None, 300), (200, 100), (10, 10), (None, 900)])
def test_sizes(train_size, test_size):
    digits = load(train_size=train_size, test_size=test_size)
    assert len(digits.x_train) == (train_size or min(1200, 1797 - test_size))
    assert len(digits.x_test) == (test_size or 1797 - train_size)


@pytest.mark.parametrize(
    "sizes",
    [
        {"train_size": 0},
        {"train_size": -5},
        {"train_size": 1797},
        {"train_size": 1200, "test_size": 598},
        {"train_size": 0.5},
        {"train_size": True},
        {"test_size": 5},
        {"test_size": "many"},
        {"test_size": 5000},
    ],
)
def test_silly_sizes_say_what_works(sizes):
    with pytest.raises(ValueError, match=r"must be a whole number from \d+ to \d+, received"):
        load("digits", **sizes)


def test_unknown_name_lists_what_works():
    with pytest.raises(ValueError, match=r"'cifar'.*digits, mnist, fashion_mnist"):
        load("cifar")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_keras_data_sets_are_standardised_and_cut(name, monkeypatch):
    import keras

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 28, 28)).astype(np.uint8)
    labels = np.arange(50).astype(np.uint8) % 10
    monkeypatch.setattr(
        getattr(keras.datasets, name), "load_data", lambda: ((images, labels), (images[:20], labels[:20]))
    )
    data = load(name, train_size=30, seed=1)
    assert data.x_train.shape == (30, 784)
    assert data.x_test.shape == (20, 784)
    assert data.x_train.std() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(data.pixels(data.x_test)[7], images[7], atol=1e-3)
    with pytest.raises(ValueError, match="from 10 to 50, received 51"):
        load(name, train_size=51)


def test_no_network_names_the_offline_choice(monkeypatch):
    import keras

    def fail():
        raise Exception("URL fetch failure on somewhere\nand more")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(ConnectionError, match=r"download failed \(URL fetch failure on somewhere\).*load\('digits'\)"):
        load("mnist")


def test_origin_says_what_changed():
    digits = load("digits")
    assert eval(repr(digits)).x_train.shape == digits.x_train.shape
    noisy = digits.replace("labels shuffled", y_train=digits.y_train[::-1])
    assert repr(noisy) == f"{digits!r}, labels shuffled"
    assert digits.y_train is not noisy.y_train
