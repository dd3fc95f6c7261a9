"""The networks of the experiments: a multi-layer perceptron with normalisation and dropout where you want them, and a
residual one for very deep networks."""

import keras

NORMALIZATIONS = ("none", "before", "after", "both", "some", "layer")
RESIDUAL_NORMALIZATIONS = ("none", "batch", "layer")
DROPOUT_POSITIONS = ("before_normalization", "after_activation", "last_layer")


def mlp(
    *,
    features=64,
    outputs=10,
    depth=3,
    width=100,
    activation="relu",
    initializer="glorot_uniform",
    normalization="before",
    momentum=0.99,
    dropout=0.0,
    dropout_position="after_activation",
):
    """A plain, unfitted Keras `Sequential`: (batch, features) -> (batch, outputs) logits through `depth` hidden layers.

    normalization: where Batch Normalization stands in a hidden layer:
        "none"    Dense, activation
        "before"  Dense, BatchNormalization, activation (the lesson's order)
        "after"   Dense, activation, BatchNormalization
        "both"    Dense, BatchNormalization, activation, BatchNormalization
        "some"    as "before", but in the first, third, fifth ... hidden layer only
        "layer"   Dense, LayerNormalization, activation
    momentum: of the moving statistics, the weight of the old value.
    dropout: the share of units that Dropout sets to zero, 0 for no Dropout layer; dropout_position:
        "before_normalization"  directly before the BatchNormalization of each hidden layer
        "after_activation"      at the end of each hidden layer
        "last_layer"            once, after the last hidden layer
    A Dense layer has no bias where a BatchNormalization directly after it would subtract it again.

    Raises ValueError for an unknown normalization or dropout position, or a dropout rate outside [0, 1).
    """
    _require("normalization", normalization, NORMALIZATIONS)
    _require("dropout_position", dropout_position, DROPOUT_POSITIONS)
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be a share from 0 up to, but not including, 1, received {dropout!r}.")
    if depth < 1 or width < 1:
        raise ValueError(f"depth and width must be at least 1, received depth={depth!r}, width={width!r}.")

    layers = [keras.Input((features,))]
    for number in range(1, depth + 1):
        here = dropout > 0 and (dropout_position != "last_layer" or number == depth)
        layers += _hidden_layer(
            number,
            width,
            activation,
            initializer,
            _normalization_of(normalization, number),
            momentum,
            dropout if here else 0.0,
            dropout_position,
        )
    layers.append(keras.layers.Dense(outputs, kernel_initializer=initializer, name="logits"))
    return keras.Sequential(layers)


def residual_mlp(*, features=64, outputs=10, depth=40, width=32, normalization="batch", skip=True, zero_branch=False):
    """A very deep Keras model: (batch, features) -> (batch, outputs) logits through `depth` hidden Dense layers.

    The first hidden layer is a Dense layer. Then come blocks of two: each adds to its input what a branch makes of it,
    the branch being twice normalisation, ReLU, Dense (the pre-activation block of He et al. 2016, arXiv:1603.05027).
    Weights are He's, and a Dense layer has no bias where Batch Normalization follows.

    normalization: "none", "batch" or "layer", before each ReLU. skip: whether a block adds its input, or is its branch
    alone, which makes a plain network. zero_branch: whether each branch ends in a learned factor that starts at 0
    (SkipInit, De & Smith 2020, arXiv:2002.10444).
    Raises ValueError for an unknown normalization or a depth that is no even number from 2 on.
    """
    _require("normalization", normalization, RESIDUAL_NORMALIZATIONS)
    if depth < 2 or depth % 2:
        raise ValueError(f"depth must be an even number of at least 2, received {depth!r}.")

    def dense():
        return keras.layers.Dense(width, use_bias=normalization != "batch", kernel_initializer="he_normal")

    def normalized(x):
        layers = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}
        return keras.layers.Activation("relu")(layers[normalization]()(x) if normalization in layers else x)

    inputs = keras.Input((features,))
    x = dense()(inputs)
    for _ in range(depth // 2 - 1):
        branch = dense()(normalized(dense()(normalized(x))))
        if zero_branch:
            branch = ZeroStart()(branch)
        x = keras.layers.Add()([x, branch]) if skip else branch
    x = normalized(dense()(normalized(x)))
    return keras.Model(inputs, keras.layers.Dense(outputs, name="logits")(x))


class ZeroStart(keras.layers.Layer):
    """Multiplies its input by one learned factor that starts at 0: (batch, …) -> (batch, …)."""

    def build(self, input_shape):
        self.factor = self.add_weight(name="factor", shape=(), initializer="zeros")

    def call(self, inputs):
        return self.factor * inputs


def _normalization_of(normalization, number):
    """What "some" means for hidden layer `number`, counted from 1."""
    if normalization != "some":
        return normalization
    return "before" if number % 2 == 1 else "none"


def _hidden_layer(number, width, activation, initializer, normalization, momentum, dropout, dropout_position):
    def batch_normalization(name):
        return keras.layers.BatchNormalization(momentum=momentum, name=f"{name}_{number}")

    batchnorm_before = normalization in ("before", "both")
    dropout_before = dropout > 0 and dropout_position == "before_normalization"
    # Between Dense and BatchNormalization, Dropout would mask the bias: there it is not redundant.
    use_bias = dropout_before or not batchnorm_before
    layers = [keras.layers.Dense(width, use_bias=use_bias, kernel_initializer=initializer, name=f"dense_{number}")]
    if dropout_before and normalization != "after":
        layers.append(keras.layers.Dropout(dropout, name=f"dropout_{number}"))
    if batchnorm_before:
        layers.append(batch_normalization("batchnorm"))
    if normalization == "layer":
        layers.append(keras.layers.LayerNormalization(name=f"layernorm_{number}"))
    layers.append(keras.layers.Activation(activation, name=f"activation_{number}"))
    if dropout_before and normalization == "after":
        layers.append(keras.layers.Dropout(dropout, name=f"dropout_{number}"))
    if normalization in ("after", "both"):
        layers.append(batch_normalization("batchnorm_after"))
    if dropout > 0 and not dropout_before:
        layers.append(keras.layers.Dropout(dropout, name=f"dropout_{number}"))
    return layers


def _require(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, received {value!r}.")
