"""The experiments' networks: what stands where, and what is refused."""

import numpy as np
import pytest

from helpers import environment

environment.quiet_tensorflow()

import keras  # noqa: E402

from helpers.networks import mlp, residual_mlp  # noqa: E402


def kinds(model):
    short = {"BatchNormalization": "BN", "LayerNormalization": "LN", "Activation": "A", "Dense": "D", "Dropout": "drop"}
    return " ".join(short[type(layer).__name__] for layer in model.layers)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"normalization": "none"}, "D A D A D"),
        ({"normalization": "before"}, "D BN A D BN A D"),
        ({"normalization": "after"}, "D A BN D A BN D"),
        ({"normalization": "both"}, "D BN A BN D BN A BN D"),
        ({"normalization": "some"}, "D BN A D A D"),
        ({"normalization": "layer"}, "D LN A D LN A D"),
        ({"dropout": 0.5}, "D BN A drop D BN A drop D"),
        ({"dropout": 0.5, "dropout_position": "before_normalization"}, "D drop BN A D drop BN A D"),
        (
            {"dropout": 0.5, "dropout_position": "before_normalization", "normalization": "after"},
            "D A drop BN D A drop BN D",
        ),
        ({"dropout": 0.5, "dropout_position": "last_layer"}, "D BN A D BN A drop D"),
        ({"dropout": 0.5, "normalization": "none"}, "D A drop D A drop D"),
    ],
)
def test_order_of_layers(arguments, expected):
    assert kinds(mlp(depth=2, width=5, **arguments)) == expected


@pytest.mark.parametrize(
    ("arguments", "use_bias"),
    [
        ({"normalization": "none"}, [True, True]),
        ({"normalization": "before"}, [False, False]),
        ({"normalization": "both"}, [False, False]),
        ({"normalization": "after"}, [True, True]),
        ({"normalization": "some"}, [False, True]),
        ({"normalization": "layer"}, [True, True]),
        ({"normalization": "before", "dropout": 0.5, "dropout_position": "before_normalization"}, [True, True]),
    ],
)
def test_bias_only_where_batchnorm_does_not_remove_it(arguments, use_bias):
    dense = [layer for layer in mlp(depth=2, width=5, **arguments).layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.use_bias for layer in dense] == [*use_bias, True]


def test_is_a_plain_sequential_with_the_asked_sizes():
    model = mlp(features=7, outputs=3, depth=4, width=11, momentum=0.9, activation="tanh")
    assert type(model) is keras.Sequential
    assert model.predict(np.zeros((2, 7)), verbose=0).shape == (2, 3)
    assert model.get_layer("batchnorm_4").momentum == 0.9
    assert model.get_layer("activation_1").activation is keras.activations.tanh
    assert model.get_layer("dense_2").kernel.shape == (11, 11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"normalization": "batch"}, "normalization must be one of none, before"),
        ({"dropout_position": "first"}, "dropout_position must be one of"),
        ({"dropout": 1.0}, "received 1.0"),
        ({"dropout": -0.1}, "received -0.1"),
        ({"depth": 0}, "depth=0"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        mlp(**arguments)


def layer_kinds(model):
    return [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize("depth", [2, 6, 40])
@pytest.mark.parametrize("skip", [True, False])
def test_a_residual_network_has_its_depth_and_its_skip_connections(depth, skip):
    kinds = layer_kinds(residual_mlp(depth=depth, width=4, skip=skip))
    assert kinds.count("Dense") == depth + 1  # and the output layer
    assert kinds.count("Add") == (depth // 2 - 1 if skip else 0)
    assert kinds.count("BatchNormalization") == kinds.count("Activation") == depth


def test_a_branch_that_starts_at_zero_hands_its_input_on():
    x = np.random.default_rng(0).normal(size=(5, 64)).astype("float32")
    model = residual_mlp(depth=6, width=4, normalization="none", zero_branch=True)
    first, adds = model.layers[1], [layer for layer in model.layers if type(layer).__name__ == "Add"]
    inside = keras.Model(model.input, [first.output, *(layer.output for layer in adds)])
    before, *after = inside(x)
    for each in after:
        np.testing.assert_array_equal(each, before)
    other = residual_mlp(depth=6, width=4, normalization="none")
    add = next(layer for layer in other.layers if type(layer).__name__ == "Add")
    assert not np.allclose(keras.Model(other.input, add.output)(x), other.layers[1](x))


@pytest.mark.parametrize(("normalization", "layer"), [("batch", "BatchNormalization"), ("layer", "LayerNormalization")])
def test_a_residual_network_has_its_normalisation_before_each_relu(normalization, layer):
    kinds = layer_kinds(residual_mlp(depth=8, width=4, normalization=normalization, skip=False))
    assert all(kinds[at - 1] == layer for at, kind in enumerate(kinds) if kind == "Activation")
    assert not {"BatchNormalization", "LayerNormalization"} & set(
        layer_kinds(residual_mlp(depth=8, normalization="none"))
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"depth": 7}, "even number"), ({"depth": 0}, "even number"), ({"normalization": "before"}, "one of none")],
)
def test_impossible_residual_networks_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        residual_mlp(**wrong)
