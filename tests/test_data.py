"""The data sets: real, standardised by the training set, split by a seed, and clear about what does not work."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from helpers.data import load

ROOT = Path(__file__).parent.parent


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
    three, again, four = (load("digits", seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(three.x_train, again.x_train)
    assert not np.array_equal(three.y_test, four.y_test)


@pytest.mark.parametrize(("train_size", "test_size"), [(200, None), (None, 300), (200, 100), (10, 10), (None, 900)])
def test_sizes(train_size, test_size):
    digits = load("digits", train_size=train_size, test_size=test_size)
    assert len(digits.x_train) == (train_size or min(1200, 1797 - test_size))
    assert len(digits.x_test) == (test_size or 1797 - train_size)


@pytest.mark.parametrize(("name", "size"), [("test_size", 1797), ("test_size", 1788), ("train_size", 1797)])
def test_a_size_that_leaves_nothing_for_the_other_part_is_named(name, size):
    with pytest.raises(ValueError, match=f"^{name} must be a whole number from 10 to 1787, received {size}"):
        load("digits", **{name: size})
    assert len(load("digits", **{name: 1787}).x_train) == (10 if name == "test_size" else 1787)


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
        {"test_size": 1797},
        {"test_size": 1788},
    ],
)
def test_silly_sizes_say_what_works(sizes):
    with pytest.raises(ValueError, match=r"must be a whole number from \d+ to \d+, received"):
        load("digits", **sizes)


def test_unknown_name_lists_what_works():
    with pytest.raises(ValueError, match=r"'cifar'.*digits, mnist, fashion_mnist"):
        load("cifar")


@pytest.fixture
def keras_images(monkeypatch):
    """1500 images of noise, and 700 of them for testing, in place of MNIST and Fashion-MNIST."""
    import keras

    images = np.random.default_rng(0).integers(0, 256, (1500, 28, 28)).astype(np.uint8)
    labels = np.arange(1500).astype(np.uint8) % 10
    for name in ("mnist", "fashion_mnist"):
        module = getattr(keras.datasets, name)
        monkeypatch.setattr(module, "load_data", lambda: ((images, labels), (images[:700], labels[:700])))
    return images


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_keras_data_sets_are_standardised_and_cut(name, keras_images):
    images = load(name, train_size=30, seed=1)
    assert images.x_train.shape == (30, 784)
    assert images.x_test.shape == (700, 784)
    assert images.x_train.std() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(images.pixels(images.x_test)[7], keras_images[7], atol=1e-3)
    with pytest.raises(ValueError, match="from 10 to 1500, received 1501"):
        load(name, train_size=1501)


def test_images_become_small_by_averaging(keras_images):
    small = load("mnist", image_size=8)
    assert small.x_train.shape == (1500, 64)
    pixels = small.pixels(small.x_test)
    assert pixels.shape == (700, 8, 8)
    assert abs(small.x_train.mean()) < 1e-6
    # One pixel is the mean of 4 x 4; at the corner three quarters of them are the padding of 2 rows and 2 columns.
    np.testing.assert_allclose(pixels[3, 4, 2], keras_images[3, 14:18, 6:10].mean(), atol=1e-3)
    np.testing.assert_allclose(pixels[3, 0, 7], keras_images[3, :2, 26:].mean() / 4, atol=1e-3)
    assert repr(small) == "load('mnist', seed=0, train_size=1500, test_size=700, image_size=8)"
    np.testing.assert_array_equal(eval(repr(small)).x_test, small.x_test)


@pytest.mark.parametrize("image_size", [1, 2, 4, 8, 16, 32])
def test_every_divisor_of_32_is_a_size(keras_images, image_size):
    assert load("mnist", image_size=image_size).x_train.shape == (1500, image_size**2)


@pytest.mark.parametrize("image_size", [0, -8, 7, 28, 64, 8.0, "8", True])
def test_other_sizes_say_which_there_are(keras_images, image_size):
    with pytest.raises(ValueError, match=r"'mnist' must be one of 1, 2, 4, 8, 16, 32, received "):
        load("mnist", image_size=image_size)


def test_digits_have_one_size():
    np.testing.assert_array_equal(load("digits", image_size=8).x_train, load("digits").x_train)
    with pytest.raises(ValueError, match=r"image_size of 'digits' must be one of 8, received 16"):
        load("digits", image_size=16)


def test_without_a_name_it_is_the_data_of_the_course(monkeypatch):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    assert repr(load()) == repr(load("digits")) == "load('digits', seed=0, train_size=1200, test_size=597)"


def test_the_environment_names_the_data_of_the_course(keras_images, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "fashion_mnist")
    clothes = load()
    assert (clothes.x_train.shape, clothes.x_test.shape) == ((1200, 64), (597, 64))
    assert clothes.class_names[0] == "T-shirt/top"
    assert repr(clothes) == "load('fashion_mnist', seed=0, train_size=1200, test_size=597, image_size=8)"
    # What a notebook asks for beside it counts.
    other = load(seed=3, train_size=200, test_size=100)
    assert (other.x_train.shape, other.x_test.shape) == ((200, 64), (100, 64))
    assert repr(other) == "load('fashion_mnist', seed=3, train_size=200, test_size=100, image_size=8)"
    # A call by name has nothing of it.
    assert load("mnist").x_train.shape == (1500, 784)


def test_the_environment_can_name_only_what_there_is(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "cifar")
    with pytest.raises(ValueError, match=r"Unknown data set 'cifar'.*digits, mnist, fashion_mnist"):
        load()


def test_the_first_seed_decides_the_split_where_no_seed_is_given(monkeypatch):
    monkeypatch.setenv("SEEDS_FROM", "100")
    np.testing.assert_array_equal(load("digits").x_train, load("digits", seed=100).x_train)
    assert not np.array_equal(load("digits").y_test, load("digits", seed=0).y_test)


def test_every_data_set_says_what_it_shows(keras_images):
    for name in ("digits", "mnist", "fashion_mnist"):
        images = load(name)
        assert images.name == name
        assert "grey levels" in images.shows
        assert images.title
    assert "ink" not in load("fashion_mnist").shows


def test_the_fingerprint_is_that_of_the_images_and_labels():
    first, again, other = load("digits"), load("digits"), load("digits", seed=1)
    assert first.sha256 == again.sha256 != other.sha256
    assert len(first.sha256) == 64
    assert first.replace("labels shuffled", y_train=first.y_train[::-1]).sha256 == first.sha256


def test_chance_is_the_most_frequent_class_of_the_test_images():
    digits = load("digits")
    assert digits.chance == max(np.mean(digits.y_test == label) for label in range(10))
    assert digits.replace("all alike", y_test=np.zeros_like(digits.y_test)).chance == 1


@pytest.mark.parametrize("source", sorted((ROOT / "source").glob("*.py")), ids=lambda path: path.stem)
def test_no_notebook_names_the_data_by_itself(source):
    code = [line for line in source.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    named = [line for line in code if re.search(r"""\bload\(["']""", line)]
    # The worked example of 02 says in its text what the digits show; nothing is trained on it.
    example = ['digits = load("digits", seed=0)'] if source.stem == "02_batchnorm_from_scratch" else []
    assert named == example, "the environment variable COURSE_DATA names it"


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


def test_the_real_clothes_where_they_are():
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets" / "fashion-mnist"
    if not folder.is_dir():
        pytest.skip(f"no Fashion-MNIST images in {folder.name}/ of the Keras home: see docs/verdicts.md")
    clothes = load("fashion_mnist", image_size=8, train_size=1200, test_size=597)
    assert clothes.x_train.shape == (1200, 64)
    assert 0.1 <= clothes.chance < 0.2
    assert clothes.pixels(clothes.x_test).max() > 200  # the lightest cloth
    assert clothes.sha256 != load("digits").sha256
