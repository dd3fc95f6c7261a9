"""Repairs of the clinic's programs that are in no list of the questions: right ones, and wrong ones."""

import numpy as np

from helpers import environment

environment.quiet_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

# clinic_1: the training flag --------------------------------------------------------------------------------------


def loop(step, result=list):
    def train_epoch(model, optimizer, loss_fn, batches):
        return result([step(model, optimizer, loss_fn, x, y) for x, y in batches])

    return train_epoch


def one_step(*, scale=1.0, sign=1, first=None, times=1, training=True, optimizer=None, only=slice(None)):
    def step(model, given, loss_fn, x, y):
        with tf.GradientTape() as tape:
            loss = scale * loss_fn(y[:first], model(x[:first], training=training))
        variables = model.trainable_variables[only]
        gradients = [sign * one for one in tape.gradient(loss, variables)]
        for _ in range(times):
            (optimizer() if optimizer else given).apply_gradients(zip(gradients, variables, strict=True))
        return loss

    return step


def step_by_optimizer_apply(model, optimizer, loss_fn, x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model.call(tf.convert_to_tensor(x), training=True))
    optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
    return float(loss)


def train_in_graph(model, optimizer, loss_fn, batches):
    step = tf.function(lambda x, y: one_step()(model, optimizer, loss_fn, x, y))
    optimizer.build(model.trainable_variables)
    return np.array([step(tf.constant(x), tf.constant(y)) for x, y in batches])


def train_by_train_on_batch(model, optimizer, loss_fn, batches):
    model.compile(optimizer, loss_fn)
    losses = []
    for x, y in batches:
        losses.append(model.train_on_batch(x, y))
        model.reset_metrics()
    return losses


def train_backwards(model, optimizer, loss_fn, batches):
    return loop(one_step())(model, optimizer, loss_fn, batches[::-1])


RIGHT_LOOPS = [loop(one_step()), loop(one_step(), tuple), loop(step_by_optimizer_apply), train_in_graph,
               train_by_train_on_batch]  # fmt: skip
WRONG_LOOPS = [
    loop(one_step(scale=2.0)), loop(one_step(sign=-1)), loop(one_step(first=4)), loop(one_step(times=2)),
    loop(one_step(times=0)), loop(one_step(only=slice(2))), loop(one_step(optimizer=lambda: keras.optimizers.SGD(1.0))),
    train_backwards, loop(one_step(), lambda losses: losses[-1]), loop(one_step(), lambda losses: losses[1:]),
    loop(lambda *_: 1.0), lambda model, optimizer, loss_fn, batches: model.fit(batches),
]  # fmt: skip


# clinic_2: BatchNorm wakes up -------------------------------------------------------------------------------------


def head(base, **options):
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(1)(base(inputs, **options)))


def norms(model):
    return [one for one in model._flatten_layers() if isinstance(one, layers.BatchNormalization)]


def with_head(change):
    """A base that is trainable, changed, and gets its head."""

    def add_head(base):
        base.trainable = True
        change(base)
        return head(base)

    return add_head


def freeze_afterwards(base):
    base.trainable = True
    model = head(base)
    for norm in norms(model):
        norm.trainable = False
    return model


def freeze_by_name(base):
    first, second = base.layers[1], base.layers[-1].layers[1]
    first.trainable = second.trainable = False
    return keras.Sequential([keras.Input((4,)), base, layers.Dense(1)])


class Subclassed(keras.Model):
    """Outside of a functional model `training=False` reaches the base."""

    def __init__(self, base):
        super().__init__()
        self.base, self.last = base, layers.Dense(1)

    def call(self, x, training=None):
        return self.last(self.base(x, training=False))


class Sleeping(layers.Layer):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x, training=False)


def each(change):
    return with_head(lambda base: [change(norm) for norm in norms(base)])


def asleep_and(change):
    return with_head(lambda base: [change(base), *(setattr(norm, "trainable", False) for norm in norms(base))])


def without_head(base):
    each(lambda norm: setattr(norm, "trainable", False))(base)
    return base


RIGHT_HEADS = [
    each(lambda norm: setattr(norm, "trainable", False)), freeze_afterwards, freeze_by_name, Subclassed,
    lambda base: keras.Sequential([keras.Input((4,)), Sleeping(base), layers.Dense(1)]),
]  # fmt: skip
WRONG_HEADS = [
    asleep_and(lambda base: setattr(base.layers[0], "trainable", False)),
    asleep_and(lambda base: setattr(base.layers[-1].layers[0], "trainable", False)),
    asleep_and(lambda base: base.layers[0].kernel.assign(base.layers[0].kernel * 2)),
    asleep_and(lambda base: norms(base)[1].beta.assign(norms(base)[0].beta[:5])),
    without_head, lambda base: base.layers,
    with_head(lambda base: setattr(norms(base)[1], "trainable", False) or setattr(base.layers[0], "trainable", False)),
    each(lambda norm: norm.gamma.assign(norm.gamma * 2) and setattr(norm, "trainable", False)),
    lambda base: keras.Sequential([keras.Input((4,)), layers.Dense(5), layers.Dense(1)]),
    lambda base: with_head(lambda _: None)(base).fit(),
    lambda base: keras.Sequential([keras.Input((4,)), *base.layers[:2], layers.Dense(1)]),
]  # fmt: skip


# clinic_3: channels first -----------------------------------------------------------------------------------------


def front_end(*steps, last=None):
    return lambda: keras.Sequential([keras.Input((3, 4, 5)), *(step() for step in steps), (last or layers.ReLU)()])


def norm(*args, **options):
    return lambda: layers.BatchNormalization(*args, **options)


def functional_front_end():
    inputs = keras.Input((3, 4, 5))
    return keras.Model(inputs, keras.ops.relu(layers.BatchNormalization(axis=-3)(inputs)))


RIGHT_FRONT_ENDS = [
    front_end(norm(axis=1)), front_end(norm(axis=-3, momentum=0.9)), functional_front_end,
    front_end(lambda: layers.Permute((2, 3, 1)), norm(), lambda: layers.Permute((3, 1, 2))),
    front_end(lambda: layers.Reshape((3, 20)), norm(axis=1), lambda: layers.Reshape((3, 4, 5))),
]  # fmt: skip
WRONG_FRONT_ENDS = [
    front_end(norm(axis=0)), front_end(norm(axis=1, scale=False)), front_end(norm(axis=1, epsilon=10.0)),
    front_end(norm(axis=1), last=lambda: layers.LeakyReLU(0.3)), front_end(norm(axis=1), norm(axis=1)),
    front_end(), front_end(lambda: layers.Rescaling(0.001)), front_end(norm(axis=1), layers.Flatten),
    front_end(norm(axis=1), lambda: layers.Permute((1, 3, 2))), front_end(norm(axis=[1, 2])),
    front_end(lambda: layers.GaussianNoise(1.0), norm(axis=1)),
    front_end(lambda: layers.UnitNormalization(axis=1)), lambda: layers.BatchNormalization(axis=1),
]  # fmt: skip


# clinic_4: a last batch of one ------------------------------------------------------------------------------------


def cut(x, y, ends):
    return [(x[a:b], y[a:b]) for a, b in zip([0, *ends], [*ends, len(x)], strict=True) if b > a]


def drop_remainder(x, y, batch_size):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size, drop_remainder=True)


def drop_single(x, y, batch_size):
    for start in range(0, len(x), batch_size):
        if len(x) - start > 1:
            yield x[start : start + batch_size], y[start : start + batch_size]


def shuffled(x, y, batch_size):
    order = np.random.default_rng(0).permutation(len(x))
    return list(drop_single(x[order], y[order], batch_size))


def balanced(x, y, batch_size):
    count = -(-len(x) // batch_size)
    return zip(np.array_split(x, count), np.array_split(y, count), strict=True)


def join_rest(x, y, batch_size):
    return cut(x, y, list(range(batch_size, len(x) - batch_size + 1, batch_size)))


RIGHT_BATCHES = [drop_remainder, drop_single, shuffled, balanced, join_rest]
WRONG_BATCHES = [
    lambda x, y, b: cut(x, y, [len(x) - 1]), lambda x, y, b: cut(x, y, [1, 9]), lambda x, y, b: [], lambda x, y, b: x,
    lambda x, y, b: cut(x[:b], y[:b], []), lambda x, y, b: cut(x, y[::-1], range(b, len(x), b)),
    lambda x, y, b: cut(x * 0, y, range(b, len(x) - 1, b)), lambda x, y, b: cut(x, y, range(3 * b, len(x) - 1, 3 * b)),
    lambda x, y, b: [(x[:b], y[:b])] * (len(x) // b), lambda x, y, b: [one[0] for one in join_rest(x, y, b)],
    lambda x, y, b: join_rest(x[b:], y[b:], b), lambda x, y, b: join_rest(x[:, :2], y, b),
    lambda x, y, b: [(rows, targets[:-1]) for rows, targets in join_rest(x, y, b)],
]  # fmt: skip


# clinic_5: Dropout in front of BatchNorm --------------------------------------------------------------------------

MADE = {
    "norm": layers.BatchNormalization, "relu": layers.ReLU, "drop": lambda: layers.Dropout(0.5),
    "weak": lambda: layers.Dropout(0.2), "strong": lambda: layers.Dropout(0.8),
    "swish": lambda: layers.Activation("swish"), "layernorm": layers.LayerNormalization,
}  # fmt: skip


def network(steps, features=8):
    """A Sequential model: a number in `steps` is a Dense layer of that many units."""
    return lambda: keras.Sequential(
        [keras.Input((features,)), *(layers.Dense(int(one)) if one.isdigit() else MADE[one]() for one in steps.split())]
    )


def functional_network():
    inputs = keras.Input((8,))
    x = keras.ops.relu(layers.BatchNormalization()(layers.Dense(32)(inputs)))
    x = layers.BatchNormalization(momentum=0.9)(layers.Dense(16, use_bias=False)(x))
    return keras.Model(inputs, layers.Dense(1)(layers.Dropout(0.5)(keras.ops.relu(x))))


def nested_network():
    return keras.Sequential([keras.Input((8,)), network("32 norm relu")(), network("16 norm relu", 32)(),
                             layers.Dropout(0.5), layers.Dense(1)])  # fmt: skip


class SubclassedNetwork(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = layers.Dense(32), layers.Dense(16), layers.Dense(1)
        self.norms, self.drop = [layers.BatchNormalization(), layers.BatchNormalization()], layers.Dropout(0.5)

    def call(self, x, training=None):
        x = tf.nn.relu(self.norms[0](self.first(x), training=training))
        x = tf.nn.relu(self.norms[1](self.second(x), training=training))
        return self.last(self.drop(x, training=training))


RIGHT_NETWORKS = [
    network("32 norm relu 16 norm relu drop 1"), network("32 norm relu 16 norm drop relu 1"), functional_network,
    nested_network, SubclassedNetwork,
]  # fmt: skip
WRONG_NETWORKS = [
    network("32 norm relu drop 16 norm relu drop 1"), network("32 norm relu 16 norm relu weak 1"),
    network("32 norm relu 16 norm relu strong 1"), network("32 norm relu 16 norm relu drop drop 1"),
    network("32 norm swish 16 norm swish drop 1"), network("32 norm relu 16 relu drop 1"),
    network("64 norm relu 16 norm relu drop 1"), network("32 norm relu 16 norm relu drop 2"),
    network("32 relu norm 16 relu norm drop 1"), network("32 layernorm relu 16 layernorm relu drop 1"),
    network("32 norm relu drop 1"), network("32 strong norm relu 16 norm relu 1"),
    network("32 norm relu 16 norm relu drop 1", 3), lambda: [layers.Dense(32)],
]  # fmt: skip


# clinic_6: from PyTorch -------------------------------------------------------------------------------------------


def translated(*, change=lambda state: state, units=(4, 2), after=lambda norm: None, **constants):
    constants = {"epsilon": 1e-5, "momentum": 0.9} | constants

    def to_keras(state):
        model = network(f"{units[0]} norm relu {units[1]}", 3)()
        norm = layers.BatchNormalization(**constants)
        norm.build((None, units[0]))
        model = keras.Sequential([keras.Input((3,)), model.layers[0], norm, *model.layers[2:]])
        state = change(dict(state))
        model.layers[0].set_weights([state["0.weight"].T, state["0.bias"]])
        for variable, name in ((norm.gamma, "weight"), (norm.beta, "bias"), (norm.moving_mean, "running_mean"),
                               (norm.moving_variance, "running_var")):  # fmt: skip
            variable.assign(state[f"1.{name}"])
        model.layers[3].set_weights([state["3.weight"].T, state["3.bias"]])
        after(norm)
        return model

    return to_keras


def functional_translation(state):
    inputs = keras.Input((3,))
    x = layers.Dense(4)(inputs)
    x = keras.ops.relu(layers.BatchNormalization(momentum=1 - 0.1, epsilon=0.00001)(x))
    model = keras.Model(inputs, layers.Dense(2)(x))
    model.set_weights([state["0.weight"].T, state["0.bias"],
                       *(state[f"1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")),
                       state["3.weight"].T, state["3.bias"]])  # fmt: skip
    return model


def constants_afterwards(norm):
    norm.epsilon, norm.momentum = 1e-5, 0.9


class SubclassedTranslation(keras.Model):
    def __init__(self, state):
        super().__init__()
        self.inner = functional_translation(state)

    def call(self, x, training=None):
        return self.inner(x, training=training)


def altered(name, change):
    return translated(change=lambda state: state | {name: change(state[name]).astype(np.float32)})


RIGHT_TRANSLATIONS = [
    translated(), functional_translation, SubclassedTranslation,
    translated(epsilon=1e-3, momentum=0.99, after=constants_afterwards),
]  # fmt: skip
WRONG_TRANSLATIONS = [
    translated(epsilon=1e-4), translated(epsilon=1e-5**0.5), translated(momentum=0.0), translated(momentum=0.999),
    translated(momentum=1.0), altered("1.running_var", lambda one: one + 1e-5 - 1e-3), altered("1.bias", np.negative),
    altered("1.running_mean", np.zeros_like), altered("1.weight", np.ones_like), translated(epsilon=1e-5, scale=True,
    after=lambda norm: norm.gamma.assign(norm.beta)), lambda state: state, translated(after=lambda norm: norm.freeze()),
    translated(after=lambda norm: setattr(norm, "trainable", False)),
]  # fmt: skip


RIGHT = {"clinic_1": RIGHT_LOOPS, "clinic_2": RIGHT_HEADS, "clinic_3": RIGHT_FRONT_ENDS, "clinic_4": RIGHT_BATCHES,
         "clinic_5": RIGHT_NETWORKS, "clinic_6": RIGHT_TRANSLATIONS}  # fmt: skip
WRONG = {"clinic_1": WRONG_LOOPS, "clinic_2": WRONG_HEADS, "clinic_3": WRONG_FRONT_ENDS, "clinic_4": WRONG_BATCHES,
         "clinic_5": WRONG_NETWORKS, "clinic_6": WRONG_TRANSLATIONS}  # fmt: skip
