# %% [markdown]
# # 8 · Beyond the lesson: images and the other normalisations
#
# **Time:** about 45 minutes · **Before this:** [02 · Batch Normalization from scratch](02_batchnorm_from_scratch.ipynb)
# and [03 · Batch Normalization in Keras](03_keras_sequential.ipynb); the [exercises](07_exercises.ipynb) come first,
# because this notebook is optional
#
# So far every layer was a Dense layer. Batch Normalization was made for convolutions, and since 2015 other layers have
# taken its place in many networks. After this notebook you can
#
# - say which numbers share a mean in a batch of images, for Batch, Layer, Instance and Group Normalization;
# - write these layers as one formula over different axes, forwards and backwards;
# - choose one of them for a batch size and a kind of data, and give the reason;
# - show what Batch Normalization changes in the loss, in the learning rate and in the noise of training.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## Which numbers share a mean?
#
# A batch of images is a block of numbers with four axes: image, height, width, channel. A normalisation compares each
# number with a mean, and the layers of this notebook differ in one point: over which axes they take that mean. The next
# cell says it in NumPy, one line for each layer.

# %%
import numpy as np

from helpers import plots


def group_mean(x, groups=2):
    """The mean over the positions and over the neighbouring channels of a group."""
    split = x.reshape(*x.shape[:3], groups, -1)  # image, height, width, group, channel
    mean = split.mean(axis=(1, 2, 4), keepdims=True)
    return np.broadcast_to(mean, split.shape).reshape(x.shape)


means = {
    "BatchNorm": lambda x: x.mean(axis=(0, 1, 2), keepdims=True),
    "LayerNorm": lambda x: x.mean(axis=(1, 2, 3), keepdims=True),
    "InstanceNorm": lambda x: x.mean(axis=(1, 2), keepdims=True),
    "GroupNorm, 2 groups": group_mean,
}

# %% [markdown]
# The picture is drawn from these four functions. Rows are images, columns are channels, and the small cells inside are
# the positions. Cells with the same number share a mean. **Look for** the cells of one number: do they lie in several
# images, in several channels, or in neither?

# %%
plots.shared_means(means, shape=(3, 2, 2, 4))

# %% [markdown]
# Only in Batch Normalization do the cells of one number lie in several images. So only Batch Normalization lets the
# images of a batch influence each other, and only Batch Normalization needs other statistics at inference than in
# training.
#
# ## Images: one mean for each channel
#
# A convolution moves the same kernel over all positions of an image, so all positions of a channel are the same feature
# seen at different places. That is why Batch Normalization takes one mean $\mu_c$ and one variance $\sigma_c^2$ for each
# channel $c$, over the $N$ images and the $H \times W$ positions together:
#
# $$\mu_c = \frac{1}{NHW} \sum_{n,h,w} x_{nhwc} \qquad \sigma_c^2 = \frac{1}{NHW} \sum_{n,h,w} (x_{nhwc} - \mu_c)^2$$
#
# The next cell makes the images of the course into such a block. **Predict:** a convolution with 16 channels is followed
# by Batch Normalization. How many moving means does that layer keep?

# %%
my_prediction = None  # a number

# %%
from helpers import environment, predictions

environment.quiet_tensorflow()

import keras
import tensorflow as tf

from helpers.data import load

dataset = load()
shape = (-1, *dataset.image_shape, 1)  # one channel: the grey level
images = dataset.replace("as images", x_train=dataset.x_train.reshape(shape),
                         x_test=dataset.x_test.reshape(shape))
convolution = keras.layers.Conv2D(16, 3, padding="same")
norm = keras.layers.BatchNormalization(momentum=0)  # its averages: those of the batch
features = convolution(images.x_train[:32])
norm(features, training=True)
print("features:", features.shape, "  moving mean:", norm.moving_mean.shape)

# %%
by_hand = features.numpy().mean(axis=(0, 1, 2)), features.numpy().var(axis=(0, 1, 2))
print("Keras keeps the mean and the variance of each channel:",
      np.allclose(norm.moving_mean, by_hand[0], atol=1e-5)
      and np.allclose(norm.moving_variance, by_hand[1], atol=1e-5))
predictions.compare(
    "08, images", my_prediction, norm.moving_mean.shape[0],
    why="Many people count one mean for each pixel of each channel. The positions of a "
    "channel share a kernel, so they share a mean as well.",
)

# %% [markdown]
# ## A small convolutional network
#
# Three convolutions, each followed by ReLU, and a Dense layer for the classes. One network has Batch Normalization between
# each convolution and its ReLU, the other one has no normalisation. Both train for 150 steps at four learning rates, from
# 8 seeds. A seed *trains* here if its test accuracy comes nine tenths of the way from guessing to the best mean among all
# rates of both networks. **Predict:** at how many of the four rates will every seed train, without and with Batch
# Normalization?

# %%
my_prediction = None  # (without, with), for example (4, 4)


# %%
def convnet(normalization=None, filters=16):
    """Three 3 × 3 convolutions, the last two with stride 2, and an output a class."""
    layers = [keras.Input(images.x_train.shape[1:])]
    for strides in (1, 2, 2):
        layers.append(keras.layers.Conv2D(filters, 3, strides=strides, padding="same",
                                          use_bias=normalization is None))
        if normalization is not None:
            layers.append(normalization())
        layers.append(keras.layers.Activation("relu"))
    outputs = keras.layers.Dense(len(dataset.class_names))
    return keras.Sequential([*layers, keras.layers.Flatten(), outputs])


# %% tags=["nbval-ignore-output"]
from functools import partial

from helpers.training import sweep

grid = {"learning_rate": [0.01, 0.1, 0.5, 2.0]}
settings = {"seeds": 8, "steps": 150, "batch_size": 32, "evaluate_every": 150}
networks = {"no normalisation": None, "BatchNorm": keras.layers.BatchNormalization}
swept = {name: sweep(grid, partial(convnet, layer), images, **settings)
         for name, layer in networks.items()}

# %% [markdown]
# In the next figure, each small dot is one seed. **Look for** the rates at which all dots of a network are above the dotted
# line: there every seed trains.

# %% tags=["nbval-ignore-output"]
plots.learning_rate_sweep(swept)

# %%
every_run = [runs for one in swept.values() for runs in one.runs]
enough = plots.trained_from(every_run, 0.9)
trained = tuple(
    sum(int(runs.recomputed.test_accuracy[:, -1].min() > enough) for runs in one.runs)
    for one in swept.values()
)
print("with BatchNorm every seed trains at more rates:", trained[1] > trained[0])

# %% tags=["nbval-ignore-output"]
predictions.compare(
    "08, a small convolutional network", my_prediction, trained,
    why="BatchNorm can widen the range of rates at which every seed trains, raise the "
    "best accuracy, or do both. Which is it in the figure?",
)

# %% [markdown]
# [03](03_keras_sequential.ipynb) asks the same question about Dense layers.
#
# ## The other normalisations: one formula, other axes
#
# Let $A$ be the axes of the mean. With $\mu$ and $\sigma^2$ for the mean and the variance over $A$, every layer of the
# picture computes
#
# $$\hat{x} = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \qquad y = \gamma\,\hat{x} + \beta$$
#
# RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467) subtracts no mean: $\hat{x} = x / \sqrt{\overline{x^2} + \epsilon}$,
# where $\overline{x^2}$ is the mean of the squares over $A$. In Keras it has a $\gamma$ and no $\beta$.
#
# Here are four of the layers in NumPy, with $\gamma = 1$ and $\beta = 0$, as in a new layer. (Instance Normalization is
# Group Normalization with one channel in each group.)

# %%
def normalize_over(x, axes, centre=True, epsilon=1e-3):
    """Subtract the mean over the axes, then divide by the root mean square."""
    mean = x.mean(axis=axes, keepdims=True) if centre else 0
    mean_square = np.mean((x - mean) ** 2, axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(mean_square + epsilon)


def in_groups(x, groups=4):
    """A batch of images with five axes: image, height, width, group, channel."""
    return x.reshape(*x.shape[:3], groups, -1)


numpy_layers = {
    "BatchNorm": lambda x: normalize_over(x, (0, 1, 2)),
    "LayerNorm": lambda x: normalize_over(x, (1, 2, 3)),
    "GroupNorm": lambda x: normalize_over(in_groups(x), (1, 2, 4)).reshape(x.shape),
    "RMSNorm": lambda x: normalize_over(x, 3, centre=False),
}

# %% [markdown]
# And here are the same four in Keras. `LayerNormalization` takes its mean over the last axis alone unless we name other
# axes. For an image we name all three axes of the image. RMSNorm keeps the last axis alone, as transformers do.

# %%
keras_layers = {
    "BatchNorm": lambda: keras.layers.BatchNormalization(epsilon=1e-3),
    "LayerNorm": lambda: keras.layers.LayerNormalization(axis=[1, 2, 3], epsilon=1e-3),
    "GroupNorm": lambda: keras.layers.GroupNormalization(groups=4, epsilon=1e-3),
    "RMSNorm": lambda: keras.layers.RMSNormalization(epsilon=1e-3),
}
random = np.random.default_rng(8)
x = random.normal(3, 2, (5, 4, 3, 8)).astype(np.float32)
for name, layer in keras_layers.items():
    difference = np.abs(numpy_layers[name](x) - layer()(x, training=True)).max()
    print(f"{name:10} NumPy and Keras agree within 1e-5: {difference < 1e-5}")

# %% [markdown]
# The backward pass has one formula, too. Write $d\hat{x}$ for the gradient that arrives at $\hat{x}$ and an overline for
# the mean over $A$. In the code $\gamma = 1$, so $d\hat{x}$ equals `dy`, the gradient at the output. As in
# [02](02_batchnorm_from_scratch.ipynb), one path goes through $x$ itself, one through the mean, one through the variance:
#
# $$dx = \frac{1}{\sqrt{\sigma^2 + \epsilon}}
# \left( d\hat{x} - \overline{d\hat{x}} - \hat{x} \cdot \overline{d\hat{x}\,\hat{x}} \right)$$
#
# RMSNorm subtracts no mean, so the term $\overline{d\hat{x}}$ drops out, and $\overline{x^2}$ takes the place of $\sigma^2$.

# %%
def gradient_over(dy, x, axes, centre=True, epsilon=1e-3):
    """Takes the gradient at the output of `normalize_over` back to its input."""
    mean = x.mean(axis=axes, keepdims=True) if centre else 0
    root = np.sqrt(np.mean((x - mean) ** 2, axis=axes, keepdims=True) + epsilon)
    normalized = (x - mean) / root
    through_mean = dy.mean(axis=axes, keepdims=True) if centre else 0
    through_variance = normalized * np.mean(dy * normalized, axis=axes, keepdims=True)
    return (dy - through_mean - through_variance) / root


numpy_gradients = {
    "BatchNorm": lambda dy, x: gradient_over(dy, x, (0, 1, 2)),
    "LayerNorm": lambda dy, x: gradient_over(dy, x, (1, 2, 3)),
    "GroupNorm": lambda dy, x: gradient_over(
        in_groups(dy), in_groups(x), (1, 2, 4)).reshape(x.shape),
    "RMSNorm": lambda dy, x: gradient_over(dy, x, 3, centre=False),
}

# %%
dy = random.normal(size=x.shape).astype(np.float32)
for name, layer in keras_layers.items():
    layer, inputs = layer(), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(dy * layer(inputs, training=True))
    difference = tape.gradient(loss, inputs) - numpy_gradients[name](dy, x)
    difference = np.abs(difference).max()
    print(f"{name:10} the gradients agree within 1e-5: {difference < 1e-5}")

# %% [markdown]
# ## What each of them does in training and at inference
#
# Four questions to each layer, answered by trying. Does the output for an image change
#
# - in training, if the *other* images of its batch change?
# - at inference, if the other images change?
# - in training, if all inputs are multiplied by 10?
# - in training, if 10 is added to all inputs?
#
# **Predict**, for the last question: which of the four layers give another output?

# %%
my_prediction = None  # a set of names, for example {"BatchNorm"}


# %%
def same(a, b):
    return bool(np.allclose(a, b, atol=1e-2))


others = np.concatenate([x[:1], 5 * x[1:]])  # the same first image, other images
answers = {}
for name, layer in keras_layers.items():
    layer = layer()
    y = layer(x, training=True)
    answers[name] = {
        "others, training": not same(y[:1], layer(others, training=True)[:1]),
        "others, inference": not same(layer(x)[:1], layer(others)[:1]),
        "times 10, training": not same(y, layer(10 * x, training=True)),
        "plus 10, training": not same(y, layer(x + 10, training=True)),
    }
print("changes: ", *(f"{question:>18}" for question in answers["BatchNorm"]))
for name, found in answers.items():
    print(f"{name:9}", *(f"{predictions.in_words(one):>18}" for one in found.values()))

# %%
predictions.compare(
    "08, training and inference", my_prediction,
    {name for name, found in answers.items() if found["plus 10, training"]},
    why="In training, every layer that subtracts the mean of its inputs removes a "
    "constant. RMSNorm subtracts nothing, so a constant changes its output.",
)

# %% [markdown]
# Read the first two columns: Batch Normalization is the only layer whose output for one image depends on the other images
# of the batch, and only in training. At inference Batch Normalization uses its moving statistics instead. The other three
# layers compute the same thing in both modes, so they keep no moving statistics, and none of the traps of
# [05](05_training_and_inference.ipynb) exists for them.
#
# ## Batch sizes from 2 to 64
#
# With a small batch, the statistics of Batch Normalization come from few images. Wu & He (2018, arXiv:1803.08494) trained
# a ResNet-50 on ImageNet: from batches of 32 to batches of 2, its error with Batch Normalization rose by about eleven
# points, and with Group Normalization hardly at all.
#
# Here are Batch, Group and Layer Normalization in our small network. Every network sees about 1200 images, so small batches
# make more steps. Each has its best of three learning rates by its accuracy on the *training* images. **Predict:** with
# batches of 2, which of the three has the highest test accuracy? A layer is *ahead* here if its paired difference to each
# of the other two has an interval above 0; otherwise the answer is "undecided".

# %%
my_prediction = None  # "BatchNorm", "GroupNorm", "LayerNorm" or "undecided"

# %% tags=["nbval-ignore-output"]
layers = {
    "BatchNorm": keras.layers.BatchNormalization,
    "GroupNorm": partial(keras.layers.GroupNormalization, groups=4),
    "LayerNorm": partial(keras.layers.LayerNormalization, axis=[1, 2, 3]),
}
batch_sizes = (2, 4, 16, 64)


def best_rate(name, batch_size):
    """Runs at the rate that fits the training images best; rates grow with √size."""
    rates = [rate * (batch_size / 32) ** 0.5 for rate in (0.05, 0.15, 0.45)]
    steps = 1200 // batch_size
    tried = sweep({"learning_rate": rates}, partial(convnet, layers[name]), images,
                  seeds=8, steps=steps, batch_size=batch_size, evaluate_every=steps)
    return max(tried.runs, key=lambda runs: runs.recomputed.train_accuracy.mean())


by_size = {
    name: {size: best_rate(name, size) for size in batch_sizes} for name in layers
}

# %% [markdown]
# In the next figure, compare the lines with each other and not the left with the right: with large batches the networks
# made fewer steps. The solid line has statistics that were computed again at the end, from training images. The dotted line
# has the moving averages of the same networks. After few steps these averages still hold much of their initial values, as
# [05](05_training_and_inference.ipynb) explains.

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws test accuracy against batch size, a line a layer, with moving averages beside.
from helpers.statistics import mean_interval, paired_difference

figure, axis = plots.new_figure(width=7.5, height=3.6)
for i, (name, all_runs) in enumerate(by_size.items()):
    intervals = {size: mean_interval(runs.recomputed.test_accuracy[:, -1])
                 for size, runs in all_runs.items()}
    plots.interval_band(axis, intervals, i, name)
moving = [runs.moving.test_accuracy.mean() for runs in by_size["BatchNorm"].values()]
axis.plot(batch_sizes, 100 * np.array(moving), color=plots.COLORS[0], linestyle=":",
          label="BatchNorm, moving averages")
axis.set(xscale="log", xlabel="batch size (log scale)", ylabel="test accuracy (%)")
axis.set_xticks(batch_sizes, batch_sizes)
axis.minorticks_off()
axis.legend(frameon=False)
small = {name: by_size[name][2].recomputed.test_accuracy[:, -1] for name in layers}
said = "; ".join(f"{name}: {mean_interval(values)}" for name, values in small.items())
plots.Plot(figure, f"With batches of 2: {said}. "
           "Lines are means of 8 seeds, bands 95 % intervals.")

# %% tags=["nbval-ignore-output"]
for name in ("GroupNorm", "LayerNorm"):
    difference = paired_difference(small["BatchNorm"], small[name])
    print(f"batches of 2, BatchNorm − {name}: {difference}")
first = max(small, key=lambda name: small[name].mean())
lead = [paired_difference(small[first], small[name]).low for name in {*small} - {first}]
predictions.compare(
    "08, batch sizes", my_prediction, first if min(lead) > 0 else "undecided",
    why="Many people expect BatchNorm to fail with batches of 2. But the mean of a "
    "channel goes over the positions as well, so it rests on more than 2 numbers.",
)

# %%
model = convnet(keras.layers.BatchNormalization)
normalized = [layer for layer in model.layers if hasattr(layer, "moving_mean")]
behind = [2 * int(np.prod(layer.output.shape[1:3])) for layer in normalized]
print("numbers behind each mean in a batch of 2 images, layer by layer:", *behind)
print("in a Dense layer:                                              ", 2)

# %% [markdown]
# So the batch size alone does not say how noisy the statistics are. A mean is taken over $N \cdot H \cdot W$ numbers for a
# convolution and over only $N$ for a Dense layer, where [05](05_training_and_inference.ipynb) measures what small batches
# cost.
#
# The number of values does not say it alone either. In the ResNet-50 of Wu & He the last layers have $7 \times 7$ positions,
# so even with 2 images a mean rests on 98 numbers, and the small batches did harm all the same. Positions of one image are
# similar, so 98 numbers from 2 images say less than 98 numbers from 98 images. That network is also much deeper than ours
# and trains far longer, so our result does not carry over to it. Small batches are common where images are large and fill
# the memory, as when objects are to be found in them.
#
# <details>
# <summary>Why transformers use Layer Normalization or RMSNorm</summary>
#
# A language model gets sequences of different lengths, and short ones are filled up with empty positions. A mean over the
# batch would depend on how much is filled up. Besides, a model that learns to predict the next word must not see the words
# after a position, and a mean over all positions would tell it about them. Layer Normalization and RMSNorm look at one
# position alone.
#
# </details>
#
# The next cell normalises four sequences twice, the second time with six empty positions after each. **Look for** whether
# the empty positions change the result at the other six.

# %%
sequences = random.normal(1, 1, (4, 6, 8))  # sequence, position, feature
longer = np.pad(sequences, ((0, 0), (0, 6), (0, 0)))  # six empty positions after each
per_feature = {"BatchNorm": (0, 1), "LayerNorm": 2}
for name, axes in per_feature.items():
    before = normalize_over(sequences, axes)
    after = normalize_over(longer, axes)[:, :6]
    changed = not np.allclose(before, after, atol=1e-4)
    print(f"{name}: empty positions change the others:", changed)

# %% [markdown]
# **Which one, then?**
#
# - *Images, many in a batch:* Batch Normalization. At inference it costs nothing, because it can be folded into the
#   convolution in front of it, as an exercise of [07](07_exercises.ipynb) folds it into a Dense layer.
# - *Images, few in a batch:* Group Normalization, because its means do not depend on the batch.
# - *Sequences:* Layer Normalization or RMSNorm, because their means depend neither on the batch nor on the length.

# %% [markdown]
# ## What Batch Normalization really changes: (a) the loss along the gradient
#
# A gradient says how the loss falls for a very small step. How far can we trust it? Santurkar and others (2018,
# arXiv:1805.11604) took steps of several sizes $\eta$ along the gradient $g$ and looked at the loss
# $L(w - \eta\,g)$ after each. The next cells do it with the course's network of three hidden Dense layers. At every tenth
# training step we try a half, one, two and four times the learning rate on the same batch. **Predict:** after a step at four
# times the rate, with and without Batch Normalization: is the loss lower or higher than before the step?

# %%
my_prediction = None  # (with, without), for example ("lower", "lower")


# %%
from helpers.networks import mlp

loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def traced(normalization):
    """The course's network, and a function: a batch -> its loss and the gradients."""
    model = mlp(normalization=normalization)

    @tf.function
    def loss_and_gradients(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        return loss, tape.gradient(loss, model.trainable_variables)

    return model, loss_and_gradients


# %%
def start_anew(model, seed, normalization):
    """Give the model the initial weights of this seed."""
    keras.utils.set_random_seed(seed)
    model.set_weights(mlp(normalization=normalization).get_weights())


# %%
factors, rate, steps = (0.5, 1, 2, 4), 0.1, 100


def move(model, start, gradients, step_size):
    for variable, value, gradient in zip(model.trainable_variables, start, gradients):
        variable.assign(value - step_size * gradient)


def try_step_sizes(model, loss_and_gradients, x, y, loss, gradients):
    """For each factor: the loss after / before, and how much the gradient changed."""
    start = [variable.numpy() for variable in model.trainable_variables]
    found = []
    for factor in factors:
        move(model, start, gradients, factor * rate)
        new_loss, new_gradients = loss_and_gradients(x, y)
        change = [new - old for new, old in zip(new_gradients, gradients)]
        norms = [tf.linalg.global_norm(one) for one in (change, gradients)]
        found.append((new_loss / loss, norms[0] / norms[1]))
    move(model, start, gradients, 0)
    return found


# %%
def along_the_gradient(normalization):
    """An array (seeds, every tenth step, step sizes, loss or gradient)."""
    model, loss_and_gradients = traced(normalization)
    all_found = []
    for seed in environment.seeds(8):
        start_anew(model, seed, normalization)
        random, found = np.random.default_rng(seed), []
        for step in range(steps):
            rows = random.integers(len(dataset.x_train), size=64)
            x, y = dataset.x_train[rows], dataset.y_train[rows]
            loss, gradients = loss_and_gradients(x, y)
            if step % 10 == 0:
                tried = try_step_sizes(model, loss_and_gradients, x, y, loss, gradients)
                found.append(tried)
            move(model, [*map(tf.identity, model.trainable_variables)], gradients, rate)
        all_found.append(found)
    return np.array(all_found)


# %%
along = {"BatchNorm": along_the_gradient("before"),
         "no normalisation": along_the_gradient("none")}

# %% [markdown]
# In the next figure, the left panel shows for each network the range from the lowest to the highest loss after the four
# steps, as a multiple of the loss before them. **Look for** the part of a band that lies above 1: there a step went too far.
#
# The right panel shows how much the gradient changes: the length of its largest change over the four steps, divided by the
# length of the gradient itself. The smaller this number, the further the gradient can be trusted.

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the loss after steps of four sizes, and how much the gradient changes there.
figure, (left, right) = plots.new_figure(1, 2, width=9, height=3.6)
at = np.arange(0, steps, 10)
for i, (name, found) in enumerate(along.items()):
    middle = np.median(found, axis=0)  # over the seeds
    low, high = middle[..., 0].min(axis=1), middle[..., 0].max(axis=1)
    left.fill_between(at, low, high, alpha=0.35, color=plots.COLORS[i], label=name,
                      hatch=("", "//")[i])
    change = {step: mean_interval(found[:, k, :, 1].max(axis=1), unit="")
              for k, step in enumerate(at)}
    plots.interval_band(right, change, i, name)
left.axhline(1, color="black", linewidth=0.8)
left.set(yscale="log", xlabel="training step", ylabel="loss after / before (log)")
right.set(xlabel="training step", ylabel="gradient's change / gradient", ylim=(0, None))
left.legend(frameon=False, loc="upper left")
four = {name: np.median(found[:, 3:, -1, 0]) for name, found in along.items()}
said = " and by ".join(f"{value:.2f} with {name}" for name, value in four.items())
plots.Plot(figure, f"From step 30 on, a step at four times the rate {rate} multiplies "
           f"the loss by {said}. Medians of 8 seeds; right: means, 95 % intervals.")

# %%
later = {name: mean_interval(found[:, 3:, -1, 0].mean(axis=1), unit="")
         for name, found in along.items()}
sides = {name: "lower" if one.high < 1 else "higher" if one.low > 1 else "undecided"
         for name, one in later.items()}
print("four times the rate, from step 30 on, loss lower or higher:", sides)
predictions.compare(
    "08, the loss along the gradient", my_prediction, tuple(sides.values()),
    why="A gradient describes the loss at one point. If the loss is lower four times "
    "as far away too, a larger step helps. If it is higher, the step is too long.",
)

# %% [markdown]
# Santurkar and others call the loss *smoother* with Batch Normalization, and give that as the reason why it allows higher
# learning rates. Their reason does not rest on the shift of distributions from
# [01](01_internal_covariate_shift.ipynb).
#
# ## (b) Weight decay becomes a learning rate
#
# Multiply a kernel $w$ in front of Batch Normalization by 10. The outputs of the convolution or Dense layer become ten
# times as large, and so does their standard deviation, so the normalised output stays the same. With any $c > 0$ for the 10,
# and $\nabla L\big|_w$ for the gradient of the loss at the kernel $w$:
#
# $$\operatorname{BN}(x \cdot c\,w) = \operatorname{BN}(x \cdot w)
# \qquad\Rightarrow\qquad \nabla L\,\big|_{c\,w} = \frac{1}{c}\; \nabla L\,\big|_{w}$$
#
# **Predict:** by which factor does the gradient change if the kernel is ten times as large?

# %%
my_prediction = None  # a number

# %%
exact = keras.layers.BatchNormalization(epsilon=1e-9)  # epsilon does not grow with w
inputs, weights = dataset.x_train[:64], random.normal(size=(64, 16)).astype(np.float32)
kernel = 0.1 * random.normal(size=(inputs.shape[1], 16)).astype(np.float32)


def output_and_gradient(scale):
    w = tf.Variable(scale * kernel)
    with tf.GradientTape() as tape:
        y = exact(inputs @ w, training=True)
        loss = tf.reduce_sum(weights * y)
    return y.numpy(), tape.gradient(loss, w).numpy()


# %%
(y, gradient), (y_10, gradient_10) = output_and_gradient(1), output_and_gradient(10)
print("the output stays the same:", np.allclose(y, y_10, atol=1e-3))
factor = float(np.sum(gradient * gradient_10) / np.sum(gradient**2))
predictions.compare(
    "08, ten times the kernel", my_prediction, round(factor, 3), within=0.001,
    why="A kernel of ten times the length needs ten times the change for the same "
    "effect, so each unit of change has a tenth of the effect.",
)

# %% [markdown]
# So the length of such a kernel has no effect on the output, and the gradient has no component along the kernel. But the
# length decides how far a step turns the kernel. A step at the rate $\eta$ turns a kernel $w$ as far as a step at the rate
# $\eta / \lVert w \rVert^2$ turns a kernel of length 1. This quotient is the **effective learning rate** (van Laarhoven
# 2017, arXiv:1706.05350).
#
# Without weight decay such a kernel can only grow, because every step is at a right angle to it, and its effective learning
# rate can only fall. (Arora and others, 2019, arXiv:1812.03981, show that training therefore converges even if $\eta$ stays
# the same.) Weight decay $\lambda$ makes the kernel shorter:
#
# $$w \leftarrow w - \eta\,(g + \lambda w)$$
#
# **Predict:** over 600 steps, does the effective learning rate fall, stay or rise with $\lambda = 0.01$?

# %%
my_prediction = None  # "fall", "stay" or "rise"

# %%
model = mlp(normalization="before")
first_kernel = model.trainable_variables[0]


@tf.function
def squared_lengths(rows, rate, decay):
    """Train with SGD and weight decay; the first kernel's squared lengths, (steps,)."""
    found = tf.TensorArray(tf.float32, size=len(rows))
    for step in tf.range(len(rows)):
        found = found.write(step, tf.reduce_sum(first_kernel**2))
        x = tf.gather(dataset.x_train, rows[step])
        y = tf.gather(dataset.y_train, rows[step])
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        for variable, gradient in zip(model.trainable_variables, gradients):
            variable.assign_sub(rate * (gradient + decay * variable))
    return found.stack()


# %%
def effective_rates(decay, rate=0.1, steps=600):
    """The effective learning rate of the first kernel, (seeds, steps)."""
    found = []
    for seed in environment.seeds(8):
        start_anew(model, seed, "before")
        random = np.random.default_rng(seed)
        rows = random.integers(len(dataset.x_train), size=(steps, 64))
        found.append(rate / squared_lengths(*map(tf.constant, (rows, rate, decay))))
    return np.array(found)


effective = {"without weight decay": effective_rates(0.0),
             "with weight decay 0.01": effective_rates(0.01)}

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the effective learning rate over the steps of training.
figure, axis = plots.new_figure(width=7.5, height=3.4)
for i, (name, found) in enumerate(effective.items()):
    shown = {step: mean_interval(found[:, step], unit="") for step in range(0, 600, 20)}
    plots.interval_band(axis, shown, i, name)
axis.set(xlabel="training step", ylabel="rate / squared length", ylim=(0, None))
axis.legend(frameon=False)
ratio = {name: mean_interval(found[:, -1] / found[:, 0], unit="")
         for name, found in effective.items()}
said = " and ".join(f"{one.mean:.2f} {name}" for name, one in ratio.items())
plots.Plot(figure, "The effective rate after 600 steps, as a multiple of the first: "
           f"{said}. Lines are means of 8 seeds, bands 95 % intervals.")

# %%
directions = {name: "fall" if one.high < 1 else "rise" if one.low > 1 else "stay"
              for name, one in ratio.items()}
print(directions)
predictions.compare(
    "08, weight decay", my_prediction, directions["with weight decay 0.01"],
    why="Weight decay cannot make the layer's output smaller, because normalisation "
    "undoes that. But it makes the kernel shorter, so every step turns it further.",
)

# %% [markdown]
# So with Batch Normalization, weight decay on a kernel does not make the layer's output smaller. Weight decay raises the
# effective learning rate.
#
# ## (c) The noise alone: ghost batches
#
# A small batch has two effects at once: the *gradient* comes from few images, and so do the *statistics*. Hoffer and others
# (2017, arXiv:1705.08741) take the two apart. A **ghost batch** is a part of a large batch with statistics of its own: the
# gradient comes from 160 images, but each mean from 16 of them. So the statistics are noisier than those of whole batches of
# 160, and all else is equal. Here is the layer:

# %%
class GhostBatchNormalization(keras.layers.BatchNormalization):
    """Batch Normalization with the statistics of every 16 rows in training."""

    def call(self, x, training=False):
        if not training:
            return super().call(x, training=False)
        ghosts = keras.ops.reshape(x, (-1, 16, x.shape[-1]))
        mean, variance = keras.ops.moments(ghosts, axes=[1], keepdims=True)
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average = keras.ops.mean(new, axis=(0, 1))
            moving.assign(self.momentum * moving + (1 - self.momentum) * average)
        normalized = (ghosts - mean) / keras.ops.sqrt(variance + self.epsilon)
        return self.gamma * keras.ops.reshape(normalized, (-1, x.shape[-1])) + self.beta


# %% [markdown]
# Noise can keep a network from memorising its training images, as Dropout does in
# [06](06_batchnorm_vs_dropout.ipynb), so we look at four cases: all training images or 320 of them, with the labels as they
# are or with one label in five drawn anew. (A few of the labels drawn anew are right by chance.) The noise *clearly* changes
# the test accuracy if the interval of the paired difference, ghost minus whole batches, does not contain 0. **Predict:** in
# how many of the four cases does it?

# %%
my_prediction = None  # a number from 0 to 4


# %%
def network(normalization):
    layers = [keras.Input((dataset.x_train.shape[1],))]
    for _ in range(3):
        layers += [keras.layers.Dense(100, use_bias=False), normalization(momentum=0.9),
                   keras.layers.Activation("relu")]
    return keras.Sequential([*layers, keras.layers.Dense(len(dataset.class_names))])


def case(seed, size, wrong):
    """Another split for each seed, its first images, some labels drawn anew."""
    own, random = load(seed=seed), np.random.default_rng(seed)
    labels = own.y_train.copy()
    changed = random.random(len(labels)) < wrong
    labels[changed] = random.integers(len(own.class_names), size=changed.sum())
    return own.replace(f"{size} images, {wrong:.0%} of the labels drawn anew",
                       x_train=own.x_train[:size], y_train=labels[:size])


cases = {f"{number} images, {100 * wrong:.0f} % of the labels anew": (number, wrong)
         for number in (len(dataset.x_train), 320) for wrong in (0, 0.2)}

# %% [markdown]
# Both layers train at two learning rates. For each seed, the rate is the one that is best on the *other* seven seeds,
# so that no network chooses its rate by its own test accuracy.

# %% tags=["nbval-ignore-output"]
def test_accuracy(normalization, number, wrong):
    """(seeds,), each at the rate that is best for the other seeds."""
    data = [case(seed, number, wrong) for seed in environment.seeds(8)]
    tried = sweep({"learning_rate": [0.05, 0.2]}, partial(network, normalization), data,
                  seeds=8, steps=250, batch_size=160, evaluate_every=250)
    final = np.stack([runs.recomputed.test_accuracy[:, -1] for runs in tried.runs])
    others = final.sum(axis=1, keepdims=True) - final
    return final[others.argmax(axis=0), np.arange(8)]


noise = {
    name: paired_difference(
        test_accuracy(GhostBatchNormalization, *one),
        test_accuracy(keras.layers.BatchNormalization, *one),
    )
    for name, one in cases.items()
}

# %% tags=["nbval-ignore-output"]
plots.interval_rows(noise, xlabel="ghost − whole batches, test accuracy (points)")

# %% tags=["nbval-ignore-output"]
clear = sum(one.low > 0 or one.high < 0 for one in noise.values())
predictions.compare(
    "08, ghost batches", my_prediction, clear,
    why="Noise in the statistics makes it harder to fit the training images exactly. "
    "That can help or harm. An interval with 0 in it does not say which of the two.",
)

# %% [markdown]
# Memorising is easiest in the last row of the figure, where the images are few and some labels follow no rule. The next cell
# says for each row whether the noise helps. Then it sets the noise beside the normalisation: how much did Batch
# Normalization gain in the first sweep of this notebook, at the rate at which it gained most?

# %% tags=["nbval-ignore-output"]
for name, one in noise.items():
    effect = "helps" if one.low > 0 else "harms" if one.high < 0 else "no clear effect"
    print(f"noise, {name}: {effect}")
means = {name: [runs.recomputed.test_accuracy[:, -1].mean() for runs in one.runs]
         for name, one in swept.items()}
gain = np.subtract(means["BatchNorm"], means["no normalisation"]).max()
largest = max(abs(one.mean) for one in noise.values())
print(f"the noise changes the test accuracy by at most {100 * largest:.1f} points")
print(f"normalising gained at most {100 * gain:.1f} points in the first sweep")

# %% [markdown]
# Both numbers are differences in test accuracy. The first one is the effect of the noise alone, because ghost batches and
# whole batches are both normalised. The second one comes from another network, so compare the two only roughly.
#
# ## What to take along

# %%
predictions.summary()

# %% [markdown]
# - These normalisations are one formula. They differ in the axes of the mean, and in whether they subtract it.
# - For images, Batch Normalization has one mean and one variance for each channel, over all images and positions.
# - Only Batch Normalization lets the examples of a batch influence each other, so only Batch Normalization needs moving
#   statistics.
# - Batch Normalization changes how long a step along the gradient may be before the loss rises. It makes the length of a
#   kernel act on the learning rate instead of the output. And the noise of its statistics has an effect of its own, which
#   ghost batches show apart from the noise of the gradient.
#
# ## Where to go next
#
# [09 · Very deep networks](09_very_deep_networks.ipynb) asks what made networks of 40 layers train.
