# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 5 · Training and inference
#
# **Time:** about 50 minutes · **Before this:** [02](02_batchnorm_from_scratch.ipynb), [03](03_keras_sequential.ipynb)
#
# A Batch Normalization layer ("BatchNorm") computes one thing in training and another thing at inference. Most of its
# famous bugs come from this difference. After this notebook you can
#
# - say when the two modes of BatchNorm disagree, and by how much: after how many steps a moving average is good enough,
#   and what small batches, sorted batches and new images do to it;
# - avoid the bugs in your own work: freeze a layer so that it stays frozen, synchronise several devices, re-estimate
#   statistics, and fold the layer away for deployment.
#
# Where scores are compared, the training is repeated from several seeds. The ± behind a mean is its 95 % interval.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## One network, two accuracies
#
# First start TensorFlow. (One experiment near the end needs several devices, and TensorFlow fixes its devices when it
# starts. So we split this machine's processor into four *logical* devices now. Everything else runs on the first of
# them.)

# %%
from helpers import environment

environment.quiet_tensorflow(logical_cpus=4)

import keras
import numpy as np
import tensorflow as tf

from helpers.data import load

dataset = load()
print(dataset)

# %% [markdown]
# Our network has three hidden layers of 100 units. Each of them is Dense, BatchNorm, ReLU. We train it for one epoch, so
# it sees each training image once. Then we score it twice on the same test images. Between the two scores no weight
# changes: the only difference is the argument `training`.

# %% tags=["nbval-ignore-output"]
from helpers.networks import mlp

loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def new_network(seed):
    keras.utils.set_random_seed(seed)
    model = mlp(depth=3, width=100)
    model.compile(keras.optimizers.SGD(0.3), loss, metrics=["accuracy"])
    return model


model = new_network(seed=2)
model.fit(dataset.x_train, dataset.y_train, batch_size=128, epochs=1, verbose=0)
for training in (False, True):
    logits = model(dataset.x_test, training=training)
    accuracy = np.mean(np.argmax(logits, axis=1) == dataset.y_test)
    print(f"training={training!s:5}   test accuracy {100 * accuracy:.0f} %")

# %% [markdown]
# Why do the two numbers differ, and which of them should you report? The next two sections explain the difference. The
# section on `training=True` explains why the second number is not the one to report.
#
# ## Two modes
#
# > **The lesson:** During training, BatchNorm computes statistics from each mini-batch.
#
# > **The lesson:** During inference, it uses moving averages learned during training.
#
# As formulas: take one unit, and call its values for the $N$ examples of a batch $x_1, \dots, x_N$. The mean and the
# variance of the batch are
#
# $$\mu_B = \frac1N \sum_{i=1}^{N} x_i \qquad\qquad \sigma_B^2 = \frac1N \sum_{i=1}^{N} (x_i - \mu_B)^2 .$$
#
# The layer also stores a moving mean $m$ and a moving variance $v$ of the unit. It computes
#
# $$\text{in training: } y_i = \gamma\, \frac{x_i - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}} + \beta
# \qquad\qquad \text{at inference: } y_i = \gamma\, \frac{x_i - m}{\sqrt{v + \epsilon}} + \beta$$
#
# with the learnt $\gamma$ and $\beta$ and a small constant $\epsilon$. Each call in training mode also updates the moving
# averages. With $\alpha$ for the *momentum*, the share of the old value that stays:
#
# $$m \leftarrow \alpha\, m + (1 - \alpha)\, \mu_B \qquad\qquad v \leftarrow \alpha\, v + (1 - \alpha)\, \sigma_B^2$$

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws the two modes of the layer.
from helpers import plots
from helpers.plots import drawings_averages, drawings_network

drawings_network.two_modes()

# %% [markdown]
# Now one layer and a batch of two rows with two features. **Predict:** the first number of the first row is 10. What does
# it become in training mode? And at inference, where a new layer starts with $m = 0$ and $v = 1$?

# %%
my_prediction = None  # (the 10 in training mode, the 10 at inference), such as (0, 0)

# %%
layer = keras.layers.BatchNormalization()
x = np.array([[10.0, 500.0], [12.0, -500.0]], "float32")
in_training = layer(x, training=True).numpy()
at_inference = keras.layers.BatchNormalization()(x).numpy()
print("training: ", in_training.astype(float).round(2).tolist())
print("inference:", at_inference.astype(float).round(2).tolist())

assert np.allclose(in_training, [[-1, 1], [1, -1]], atol=0.01), f"not ±1: {in_training}"
assert np.allclose(at_inference, x, rtol=0.01), f"a new layer changes x: {at_inference}"
print("✓ in training mode 10 and 12 become −1 and +1, and so do −500 and +500")

# %%
from helpers import predictions

first = (float(in_training[0, 0].round(1)), float(at_inference[0, 0].round(1)))
predictions.compare(
    "05, two modes", my_prediction, first, within=0.5,
    why="Many people expect small numbers such as 0 and 1 in both modes, because the "
    "layer normalises. But at inference it normalises with m and v, and a new layer "
    "has not yet seen any data from which to learn them.",
)

# %% [markdown]
# In training mode only one thing is left of two values: *which of them is larger*. The reason is that each of two values
# lies half of their distance away from their mean, and that this half is also their standard deviation $\sigma_B$:
#
# $$\frac{x_1 - \mu_B}{\sigma_B} = \frac{\tfrac12 (x_1 - x_2)}{\tfrac12 \lvert x_1 - x_2 \rvert} = \pm 1$$
#
# (This holds as long as the two values differ by much more than $\sqrt\epsilon$.) At inference a new layer divides by
# $\sqrt{1 + \epsilon}$ and so hardly changes its input. The two modes agree only if $m$ and $v$ have come close to the
# mean and the variance of the batch.
#
# ## The famous complaint: good training, terrible validation
#
# "My accuracy is fine, but my validation accuracy is awful in the first epochs. Is it overfitting?" People have asked
# this on question sites for years. Here is one run of a plain `fit` that shows it. Compare the two columns from epoch 2
# on. (In epoch 1 `accuracy` looks low, because Keras averages it over the epoch, while the network still learns.
# `val_accuracy` is taken at the end of the epoch.)

# %% tags=["nbval-ignore-output"]
model = new_network(seed=2)
history = model.fit(
    dataset.x_train, dataset.y_train, batch_size=128, epochs=30, verbose=0,
    validation_data=(dataset.x_test, dataset.y_test),
).history
for epoch in (1, 2, 3, 5, 10, 20, 30):
    accuracy = history["accuracy"][epoch - 1]
    on_test = history["val_accuracy"][epoch - 1]
    print(f"epoch {epoch:2}   accuracy {accuracy:.2f}   val_accuracy {on_test:.2f}")

# %% [markdown]
# **Predict:** in the first epochs `val_accuracy` lies far below `accuracy`. What is the cause?

# %%
my_prediction = None  # "overfitting", "the moving averages" or "bad luck with the seed"

# %% [markdown]
# To find the cause, score the *same weights* twice: once with the moving averages, as `predict` does, and once with the
# mean and the variance of the whole training set in their place. The second score we call *recomputed*. If overfitting
# were the cause, both scores would be low, because both use the same weights and the same test images.
#
# `train_many` trains eight seeds side by side and returns both scores. (It drops the last, smaller batch of an epoch, so
# nine steps are one epoch, where `fit` takes ten.) We train with two momenta. In training mode no output depends on the
# momentum, so a seed gets the same weights with both momenta.

# %% tags=["nbval-ignore-output"]
import functools

from helpers.training import train_many

settings = {"seeds": 8, "steps": 270, "batch_size": 128}
lag = {}
for momentum in (0.99, 0.9):
    network = functools.partial(mlp, momentum=momentum)
    lag[momentum] = train_many(network, dataset, evaluate_every=9,
                               optimizer=keras.optimizers.SGD(0.3), **settings)
scores = [lag[momentum].recomputed.test_accuracy for momentum in (0.99, 0.9)]
assert np.allclose(*scores, atol=0.01), "the two momenta gave different weights"

# %%
from helpers.statistics import mean_interval, paired_difference


def recomputing_gains(runs, at):
    """Test accuracy with recomputed − with moving statistics, at this evaluation."""
    return paired_difference(runs.recomputed.test_accuracy[:, at],
                             runs.moving.test_accuracy[:, at])


cold = recomputing_gains(lag[0.99], 0)  # after the first epoch
warm = recomputing_gains(lag[0.99], -1)  # after the last one

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the test accuracy of the same weights with three kinds of statistics.
curves = {"moving averages, momentum 0.99": lag[0.99].moving,
          "moving averages, momentum 0.9": lag[0.9].moving,
          "recomputed statistics": lag[0.99].recomputed}
figure, axis = plots.new_figure(height=4)
steps = lag[0.99].evaluated_at
for i, (name, scores) in enumerate(curves.items()):
    axis.plot(steps, 100 * scores.test_accuracy.mean(axis=0), color=plots.COLORS[i],
              ls=plots.LINESTYLES[i], marker=plots.MARKERS[i], ms=4, label=name)
low, _, high = (100 * scores.test_accuracy[:, 0].mean() for scores in curves.values())
arrow, line = {"arrowstyle": "<->"}, {"arrowstyle": "-"}
axis.annotate("", (steps[0], low), xytext=(steps[0], high), arrowprops=arrow)
axis.annotate("the same weights,\nother statistics", (steps[0], (low + high) / 2),
              xytext=(45, low), arrowprops=line)
axis.set(xlabel="training steps", ylabel="test accuracy (%)", ylim=(low - 8, 101))
axis.legend(loc="lower right")
plots.Plot(figure, "The same weights, scored with different statistics. Recomputing "
    f"gains {cold} after {steps[0]} steps and {warm} after {steps[-1]} at momentum "
    f"0.99. At momentum 0.9: {recomputing_gains(lag[0.9], 1)} after {steps[1]} steps.")

# %%
averages_alone = cold.low > 0.05 and warm.high < 0.02
predictions.compare(
    "05, the famous complaint", my_prediction,
    "the moving averages" if averages_alone else "not the moving averages alone",
    why="Many people suspect overfitting, because a gap between training and "
    "validation is its usual sign. But the same weights score far better as soon as "
    "other statistics are put in, and overfitting would not go away by that.",
)

# %% [markdown]
# ## How many steps until the averages are warm?
#
# The moving averages start at 0 and 1, whatever the data are. As long as a large part of these initial values is left in
# them, we call them **cold**. Later we call them **warm**. How long they stay cold can be computed without any training.
# Suppose that all batches have the same mean $\mu$. Each step keeps the share $\alpha$ of the distance $\mu - m$ that is
# still to go, so after $k$ steps
#
# $$\mu - m_k = \alpha^k\, (\mu - m_0) , \qquad \text{share covered} = 1 - \alpha^k .$$
#
# To check the formula, we feed two layers one batch with the mean 5, again and again.

# %%
batch = np.random.default_rng(0).normal(size=(64, 1)).astype("float32")
batch += 5 - batch.mean()
covered = {}
for momentum in (0.9, 0.99):
    layer = keras.layers.BatchNormalization(momentum=momentum)
    means = []
    for _ in range(459):
        layer(batch, training=True)
        means.append(layer.moving_mean.numpy()[0])
    covered[momentum] = np.array(means) / 5

print("step   momentum 0.9: covered, 1 − α^k    momentum 0.99: covered, 1 − α^k")
for k in (1, 9, 22, 69, 230, 459):
    shares = [(covered[momentum][k - 1], 1 - momentum**k) for momentum in covered]
    print(f"{k:4}", *(f"{share:21.1%} {formula:9.1%}" for share, formula in shares))
    assert np.allclose(*np.transpose(shares), atol=1e-3), f"step {k}: {shares}"

# %% [markdown]
# The next drawing shows the same numbers. The water in each glass is the moving mean, and the dashed line is the batch
# mean. Find the first glass in each row that is nine tenths full.

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws how far the moving mean has risen with each momentum.
drawings_averages.water_levels({
    f"momentum {momentum}": {k: shares[k - 1] for k in (1, 9, 22, 69, 230, 459)}
    for momentum, shares in covered.items()
})

# %% [markdown]
# What counts is the number of *steps*, not the number of images. So a few large batches warm the averages up less than
# many small ones.
#
# - **What helps:** more steps, a lower momentum (such as 0.9 for short runs), or statistics recomputed after training, as
#   Ioffe & Szegedy did in 2015. (`re_estimate` in the section "A new domain" does it.)
# - **What does not help:** remedies against overfitting, because cold averages are no overfitting.
#
# ## Warm averages can still lag
#
# A warm average may still be wrong, because each training step also changes the weights, and with the weights the true
# mean and variance of every unit. To see what follows, take a mean that grows by 1 at each step and stops at step 500:

# %%
momentum = 0.99
true_mean = np.minimum(np.arange(1, 1001), 500)
moving_mean, average = 0.0, []
for mean in true_mean:
    moving_mean = momentum * moving_mean + (1 - momentum) * mean
    average.append(moving_mean)
behind = true_mean - np.array(average)
for k in (100, 500, 700, 1000):
    print(f"step {k:4}   true mean {true_mean[k - 1]}   behind by {behind[k - 1]:5.1f}")
assert abs(behind[499] - 99) < 1, f"behind by {behind[499]} at step 500"

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws a mean that grows and then stands still, and its moving average.
figure, axis = plots.new_figure(width=7.5, height=3.2)
steps, level = np.arange(1, 1001), average[399]
axis.plot(steps, true_mean, color=plots.COLORS[0], label="true mean")
axis.plot(steps, average, color=plots.COLORS[1], ls="--", label="moving mean")
axis.annotate("", (400 - behind[399], level), xytext=(400, level),
              arrowprops={"arrowstyle": "<->"})
axis.text(410, level - 12, f"{behind[399]:.0f} steps behind")
axis.set(xlabel="step", ylabel="mean")
axis.legend(frameon=False, loc="lower right")
plots.Plot(figure, "While the true mean grows, the moving mean has the value that the "
    f"true mean had up to {behind[:500].max():.0f} steps ago (momentum {momentum}). "
    "Once the true mean stands still, the moving mean catches up: it is behind by "
    f"{behind[599]:.0f} after 100 more steps and by {behind[799]:.0f} after 300.")

# %% [markdown]
# So while a mean grows evenly, its moving average is behind by as many steps as
#
# $$\frac{\alpha}{1 - \alpha} , \qquad \text{which is 99 steps for } \alpha = 0.99 .$$
#
# <details><summary>Where the formula comes from (may be skipped)</summary>
#
# Let the true mean be $\mu_k = k\,d$ at step $k$, so it grows by $d$ at each step, and let the moving mean be behind by
# $L$ steps: $m_k = (k - L)\,d$. Put both into the update $m_k = \alpha\, m_{k-1} + (1 - \alpha)\, \mu_k$:
#
# $$(k - L)\,d = \alpha\,(k - 1 - L)\,d + (1 - \alpha)\,k\,d
# \quad\Longrightarrow\quad L = \alpha\,(1 + L)
# \quad\Longrightarrow\quad L = \frac{\alpha}{1 - \alpha} .$$
#
# </details>
#
# How far the mean of a unit moves in 99 steps depends on the **learning rate**, as the next experiment shows. It needs
# weights that keep moving, so we give one training image in five a wrong label: then there is always something left to
# fit. The networks train with batches of 32 and momentum 0.99, at three learning rates: 0.1, 1, and a rate that is 1 up to
# step 270 and 0.03 afterwards. At step 270 the averages have become warm.
#
# **Predict:** over the last 200 of the 670 steps, how many points does recomputing still gain at the constant learning
# rate 1? And how many if the rate has fallen to 0.03? (A point is one percent of the test images.)

# %%
my_prediction = None  # (points at a constant rate of 1, at a falling rate): (0, 0)

# %%
random = np.random.default_rng(0)
count, classes = len(dataset.y_train), len(dataset.class_names)
wrong = random.permutation(count)[: count // 5]
labels = dataset.y_train.copy()
labels[wrong] = (labels[wrong] + random.integers(1, classes, len(wrong))) % classes
noisy = dataset.replace("20% wrong labels", y_train=labels)

falling = keras.optimizers.schedules.PiecewiseConstantDecay([270], [1.0, 0.03])
rates = {"0.1": 0.1, "1": 1.0, "1, then 0.03": falling}

# %% tags=["nbval-ignore-output"]
lagging = {
    name: train_many(mlp, noisy, seeds=8, steps=670, batch_size=32, evaluate_every=67,
                     optimizer=keras.optimizers.SGD(rate))
    for name, rate in rates.items()
}


# %%
def gaps(name):
    """What recomputing gains: (seeds, evaluations)."""
    result = lagging[name]
    return result.recomputed.test_accuracy - result.moving.test_accuracy


def late_gap(name):
    """What recomputing gains, mean of the evaluations of the last 200 steps."""
    return mean_interval(gaps(name)[:, -3:].mean(axis=1), unit="points")


constant, settled = late_gap("1"), late_gap("1, then 0.03")

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws what recomputing gains during training, at each learning rate.
figure, axis = plots.new_figure(height=3.8)
for i, (name, result) in enumerate(lagging.items()):
    at_step = zip(result.evaluated_at, gaps(name).T, strict=True)
    gained = {step: mean_interval(gap, unit="points") for step, gap in at_step}
    plots.interval_band(axis, gained, i, f"learning rate {name}")
axis.axhline(0, color="black", linewidth=0.8)
axis.axvline(270, color="#555555", linewidth=0.8, linestyle=":")
axis.set(xlabel="training steps (dotted: here one of the rates falls)",
         ylabel="what recomputing gains (points)")
axis.legend(frameon=False)
said = "; ".join(f"learning rate {name}: {late_gap(name)}" for name in lagging)
plots.Plot(figure, f"What recomputing gains over the last 200 steps: {said}. Bands are "
    "95 % intervals of 8 seeds.")

# %%
print("at a constant rate of 1, recomputing still gains:   ", constant.low > 0)
print("once the rate has fallen, it gains less than 1 point:", settled.high < 0.01)

# %% tags=["nbval-ignore-output"]
points = (100 * constant.mean, 100 * settled.mean)
predictions.compare(
    "05, warm averages", my_prediction, points, within=1,
    why="Many people expect no gain in either case, because the averages are warm. But "
    "they describe the weights of about a hundred steps ago, and at a high learning "
    "rate those were other weights.",
)

# %% [markdown]
# At step 270 the averages have covered $1 - 0.99^{270}$ of their way, which is more than nine tenths. So cold averages
# are no longer the reason for the gap from there on. The reason is the lag behind weights that move. Once the learning
# rate has fallen, the weights nearly stand still, the averages catch up within a few hundred steps, and the gap closes.
# So evaluate a network after its learning rate has decayed, or recompute the statistics first.
#
# ## `training=True` at inference
#
# Some people find that a network with cold averages "works" with `model(x, training=True)`, and then always predict in
# this way. But in training mode the mean and the variance come from the batch, so the other images of the batch, the
# *neighbours*, have a part in the prediction.
#
# **Predict:** we give the network the *same* image twice, in training mode, each time with three other neighbours. Of 100
# test images, how many change their predicted class?

# %%
my_prediction = None  # a number from 0 to 100

# %% [markdown]
# We take the networks trained above, with warm averages. The function `predict` makes batches in the given order and
# predicts in either mode. (`tf.function` and `tf.map_fn` only make the many small calls faster: `map_fn` takes one batch
# after the other.)

# %%
runs = lag[0.99]
first_seed = runs.seeds[0]
network = runs.model(first_seed)
weights = {seed: runs.model(seed).get_weights() for seed in runs.seeds}
count = len(dataset.y_test) // 64 * 64  # whole batches of every size below
x, y = dataset.x_test[:count], dataset.y_test[:count]


@tf.function
def logits_of(batches, training):
    return tf.map_fn(functools.partial(network, training=training), batches)


def predict(seed, order, batch_size, training):
    """The predicted class of each image of x; the batches are made in this order."""
    network.set_weights(weights[seed])  # training=True has moved the averages: put back
    logits = logits_of(x[order].reshape(-1, batch_size, x.shape[1]), training)
    predicted = np.empty(len(order), int)
    predicted[order] = np.argmax(logits, axis=-1).ravel()
    return predicted


# %% tags=["nbval-ignore-output"]
def shuffled(seed):
    return np.random.default_rng(seed).permutation(len(x))


def changes(seed, training):
    """The share of images whose class changes with the neighbours."""
    orders = shuffled(seed), shuffled(seed + 50)
    first, second = (predict(seed, order, 4, training) for order in orders)
    return np.mean(first != second)


changed = {}
for training in (True, False):
    changed[training] = mean_interval([changes(seed, training) for seed in runs.seeds])
    print(f"training={training!s:5}   class changes with the neighbours:",
          changed[training])

# %%
in_training = "many" if changed[True].low > 0.05 else "few"
at_inference = "none" if changed[False].high == 0 else "some"
print(f"with training=True {in_training} of them change;",
      f"with training=False {at_inference}")

# %% tags=["nbval-ignore-output"]
predictions.compare(
    "05, other neighbours", my_prediction, 100 * changed[True].mean, within=10,
    why="Many people guess a few, because the weights and the image are the same. But "
    "with four images in a batch the mean and the variance depend strongly on each of "
    "the four.",
)

# %% [markdown]
# Look at three of those images, chosen among those that inference reads correctly. The first image of each four is the
# same on the left and on the right. Only its three neighbours differ.

# %% tags=["nbval-ignore-output"]
one, other = shuffled(0), shuffled(50)
in_one, in_other = (predict(first_seed, order, 4, training=True)
                    for order in (one, other))
right = predict(first_seed, one, 4, training=False) == y
examples = np.flatnonzero(right & (in_one == y) & (in_other != y))[:3]


def batch_of(image, order):
    """The four images of its batch, this one first."""
    batch = order[order.tolist().index(image) // 4 * 4 :][:4]
    return [image, *batch[batch != image]]


# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws three images, each in two batches of four, with the class that is predicted.
names, said = dataset.class_names, []
figure, axes = plots.new_figure(3, 2, width=8, height=4.4)
for row, image in zip(axes, examples, strict=False):  # there may be fewer than three
    pair = zip(row, (one, other), (in_one, in_other), strict=True)
    for axis, order, predicted in pair:
        images = dataset.pixels(x[batch_of(image, order)])
        padded = np.pad(images, ((0, 0), (0, 0), (1, 1)))
        axis.imshow(np.hstack(padded), cmap="gray_r")
        read = names[predicted[image]]
        axis.set_title(f"first image read as {read}", fontsize=9, loc="left")
        axis.set_axis_off()
    both = f"{names[in_one[image]]} on the left and as {names[in_other[image]]}"
    said.append(f"the same {names[y[image]]} is read as {both} on the right")
plots.Plot(figure, f"With training=True: {'; '.join(said)}.")

# %% [markdown]
# The accuracy falls further if the batch is no random mix of classes. In practice a batch is often not mixed, because
# people predict on folders, and a folder holds one class. Below, the same test images come shuffled or sorted by class.

# %% tags=["nbval-ignore-output"]
orders = {"shuffled": shuffled(0), "sorted": np.argsort(y, kind="stable")}
accuracy = {}
for size in (4, 16, 64):
    for name, order in orders.items():
        scores = [np.mean(predict(seed, order, size, training=True) == y)
                  for seed in runs.seeds]
        accuracy[size, name] = mean_interval(scores)
    print(f"batch {size:2}   shuffled {accuracy[size, 'shuffled']}",
          f"  sorted {accuracy[size, 'sorted']}")

# %%
small, large = accuracy[4, "shuffled"], accuracy[64, "shuffled"]
print("training=True is worse in batches of 4 than of 64:", small.high < large.low)
worse = [accuracy[size, "sorted"].high < accuracy[size, "shuffled"].low
         for size in (4, 16, 64)]
print("and worse when sorted by class, at every batch size:", all(worse))

# %% [markdown]
# What happens to an image *alone* in its batch? Then $\mu_B = x_1$, so $x_1 - \mu_B = 0$ and $y_1 = \beta$. The image no
# longer has any influence on the output. The next cell checks this with five images. It also checks that a call with
# `training=True` changes the model.

# %%
network.set_weights(weights[first_seed])
alone = [network(x[i : i + 1], training=True) for i in range(5)]
difference = np.ptp(np.concatenate(alone), axis=0).max()
assert difference < 1e-5, f"five images alone in their batches differ by {difference}"
print("✓ alone in its batch, every image gets the same logits")

vectors = zip(network.get_weights(), weights[first_seed], strict=True)
moved = sum(not np.array_equal(after, before) for after, before in vectors)
assert moved > 0, f"the calls should have moved the averages, and moved {moved} vectors"
print("✓ and the calls changed the model: its moving averages are others than before")

# %% [markdown]
# So do not predict with `training=True`: the prediction depends on the neighbours, and each call moves the averages. In
# Keras `predict`, `evaluate` and a bare `model(x)` all choose inference mode. But in a training loop of your own **you**
# must write `model(x, training=True)`, or the averages never move at all.
#
# This also answers the question of the first cell: report the score with `training=False`, once the averages are warm.
# The score with `training=True` belongs to one particular batch, so it says nothing about an image that comes alone or
# with other neighbours.
#
# ## Sorted batches in training
#
# Data sorted by class do harm in training too, if nobody shuffles them. In the next experiment every batch holds one
# class, and the class changes from batch to batch. Beside BatchNorm we train a network without normalisation and one with
# Layer Normalization ("LayerNorm"), which normalises each example over its own features. **Predict:** which of the three
# will learn?

# %%
my_prediction = None  # a set: {"no normalisation", "LayerNorm", "BatchNorm"}


# %%
def one_class_per_batch(labels, steps, batch_size, seed):
    """Row numbers (steps, batch_size): each batch from one class, in a random order."""
    random, count = np.random.default_rng(seed), len(dataset.class_names)
    rounds = -(-steps // count)  # rounded up
    classes = np.concatenate([random.permutation(count) for _ in range(rounds)])[:steps]
    rows = [np.flatnonzero(labels == one) for one in classes]
    return np.stack([random.choice(each, batch_size) for each in rows])


# %% tags=["nbval-ignore-output"]
kinds = {"no normalisation": "none", "LayerNorm": "layer", "BatchNorm": "before"}
sorted_runs = {
    name: train_many(
        functools.partial(mlp, normalization=kind), dataset, seeds=8, steps=300,
        batch_size=32, optimizer=keras.optimizers.SGD(0.05), order=one_class_per_batch,
        evaluate_every=300,
    )
    for name, kind in kinds.items()
}
for name, result in sorted_runs.items():
    moving, recomputed = (mean_interval(scores.test_accuracy[:, -1])
                          for scores in (result.moving, result.recomputed))
    print(f"{name:17} moving {moving}   recomputed {recomputed}")

# %% [markdown]
# We say that a network has *learnt* if it has come at least four fifths of the way from guessing to the best of the
# three.

# %%
from helpers.statistics import share_of_reachable

at_the_end = {name: result.recomputed.test_accuracy[:, -1]
              for name, result in sorted_runs.items()}
best = max(accuracies.mean() for accuracies in at_the_end.values())
shares = {}
for name, accuracies in at_the_end.items():
    share = share_of_reachable(accuracies, chance=dataset.chance, best=best)
    shares[name] = mean_interval(share)
learnt = {name for name, share in shares.items() if share.low > 0.8}
predictions.compare(
    "05, sorted batches", my_prediction, learnt,
    why="Many people expect all three to learn, because every network sees every class "
    "equally often. But where all images of a batch have the same class, the batch "
    "mean contains the class, and BatchNorm subtracts the batch mean.",
)

# %% [markdown]
# What the images of such a batch have in common *is* their class, and BatchNorm subtracts what they have in common. So
# the network never sees the class during training, and recomputed statistics cannot bring back what was never learnt.
# LayerNorm looks at one example at a time, so the order of the images does it no harm.
#
# Therefore **shuffle**. `fit` shuffles arrays, but not a `tf.data.Dataset` or a generator: there you must do it yourself.
# `Dataset.shuffle(n)` mixes only n examples at a time, so for sorted data n must be as large as the data set.
#
# ## How large must a batch be?
#
# > **The lesson:** BatchNorm also works best when batch sizes are reasonably large.
#
# The mean and the variance of a batch are estimates from $N$ examples. If the values of a unit have the mean $\mu$ and
# the standard deviation $\sigma$ over all images, then from batch to batch the batch mean $\mu_B$ varies around $\mu$
# with a standard deviation of
#
# $$\operatorname{sd}(\mu_B) = \frac{\sigma}{\sqrt N} ,
# \qquad\text{and the batch variance is on average}\qquad
# \mathbb{E}\big[\sigma_B^2\big] = \frac{N - 1}{N}\, \sigma^2 .$$
#
# The first formula is the *batch noise*: it falls only slowly with $N$. The second one says that the batch variance is
# *biased*: it is too small on average, because it measures the distances of the values to their own mean $\mu_B$ and not
# to $\mu$, and $\mu_B$ is the number with the smallest mean squared distance to them. An estimate without this error,
# $\frac{N}{N-1}\,\sigma_B^2$, is called *unbiased*. The next cell checks both formulas with $\sigma = 1$.

# %%
values = np.random.default_rng(0).normal(size=(100_000, 32))
print("   N   sd of batch mean, σ/√N    mean of batch variance, (N−1)/N")
for size in (2, 4, 8, 32):
    batches = values[:, :size]
    means, variances = batches.mean(axis=1), batches.var(axis=1)  # var divides by N
    print(f"{size:4}   {means.std():16.3f} {1 / np.sqrt(size):6.3f}",
          f"{variances.mean():25.3f} {(size - 1) / size:8.3f}")
    assert abs(means.std() - 1 / np.sqrt(size)) < 0.01, f"sd {means.std()} at {size}"
    assert abs(variances.mean() - (size - 1) / size) < 0.01, f"{variances.mean()}"

# %% [markdown]
# <details><summary>For experts: which variance is stored?</summary>
#
# Keras normalises with the biased variance and also averages the biased variance into `moving_variance`. With batches of
# 2 its moving variance tends to $\sigma^2/2$, half of the true variance, so inference divides by a number that is too
# small by a factor $\sqrt2$. Recomputed statistics do not have this error. The paper (Algorithm 2) and PyTorch normalise
# with the biased variance and store the unbiased one for inference.
#
# </details>
#
# With two examples only −1 and +1 are left of the values, as you saw at the beginning. How much does that cost? We train
# with batches of 2, 4, 8, 32 and 128, and every network sees as many images in all. **Predict:** at which batch sizes
# does BatchNorm lose more than 5 points against batches of 32, even with recomputed statistics? And with the moving
# averages, does the accuracy go up or down from 32 to 128?

# %%
my_prediction = None  # (sizes that lose, "up", "same" or "down"): ({2, 4, 8}, "same")

# %% [markdown]
# Each network gets the better one of two learning rates. Both are proportional to the batch size, and the *training*
# accuracy chooses between them. BatchNorm is again scored twice, with moving and with recomputed statistics. The
# comparison with LayerNorm tells you what a small batch does to any network, and what it does to BatchNorm only.

# %% tags=["nbval-ignore-output"]
from helpers.training import sweep

EXAMPLES = 4800


def better_of_two_rates(normalization, batch_size):
    rates = [rate * batch_size / 64 for rate in (0.1, 0.4)]
    build = functools.partial(mlp, normalization=normalization)
    tried = sweep({"learning_rate": rates}, build, dataset, seeds=8,
                  steps=EXAMPLES // batch_size, batch_size=batch_size,
                  evaluate_every=EXAMPLES)
    return max(tried.runs,
               key=lambda runs: runs.recomputed.train_accuracy[:, -1].mean())


batchnorm = {size: better_of_two_rates("before", size) for size in (2, 4, 8, 32, 128)}
layernorm = {size: better_of_two_rates("layer", size) for size in (2, 8, 32)}


# %%
def final_accuracy(by_size, statistics):
    """{batch size: interval of the test accuracy at the end}."""
    return {size: mean_interval(getattr(runs, statistics).test_accuracy[:, -1])
            for size, runs in by_size.items()}


final = {
    "BatchNorm, moving averages": final_accuracy(batchnorm, "moving"),
    "BatchNorm, recomputed statistics": final_accuracy(batchnorm, "recomputed"),
    "LayerNorm": final_accuracy(layernorm, "moving"),
}

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the test accuracy at every batch size.
figure, axis = plots.new_figure(height=4)
said = []
for i, (name, intervals) in enumerate(final.items()):
    plots.interval_band(axis, intervals, i, name)
    points = (f"{100 * one.mean:.0f} % at {size}" for size, one in intervals.items())
    said.append(f"{name}: {', '.join(points)}")
axis.set_xscale("log", base=2)
axis.set_xticks(list(batchnorm), list(batchnorm))
axis.set(xlabel=f"batch size ({EXAMPLES} images seen by every network)",
         ylabel="test accuracy (%)")
axis.legend(loc="lower right")
plots.Plot(figure, f"Test accuracy by batch size. {'; '.join(said)}. Batches of 128 "
    f"leave {EXAMPLES // 128} steps. Bands are 95 % intervals of 8 seeds.")

# %%
def lost_from_32(scores_at_32, scores):
    """Test accuracy at batch 32 minus that at another batch size, seed by seed."""
    return paired_difference(scores_at_32.test_accuracy[:, -1],
                             scores.test_accuracy[:, -1])


at_32 = batchnorm[32]
small_batch_loss = lost_from_32(at_32.recomputed, batchnorm[2].recomputed)
large_batch_loss = lost_from_32(at_32.moving, batchnorm[128].moving)
large_recomputed_loss = lost_from_32(at_32.recomputed, batchnorm[128].recomputed)
layernorm_loss = lost_from_32(layernorm[32].moving, layernorm[2].moving)


# %%
def direction(loss):
    """Where the accuracy goes by more than 2 points, if anywhere."""
    return "down" if loss.low > 0.02 else "up" if loss.high < -0.02 else "same"


losing = {size for size, runs in batchnorm.items()
          if lost_from_32(at_32.recomputed, runs.recomputed).low > 0.05}
print("from 32 to 128 with recomputed statistics:", direction(large_recomputed_loss))
print("from 32 to 2 with LayerNorm:              ", direction(layernorm_loss))
predictions.compare(
    "05, batch sizes", my_prediction, (losing, direction(large_batch_loss)),
    why="Many people expect a slow decline from 32 to 2, and nothing from 32 to 128. "
    "But the batch noise grows most at the small end, and large batches leave fewer "
    "steps for the moving averages to become warm.",
)

# %% [markdown]
# The two ends of the figure have different reasons.
#
# - **On the left the training suffers.** The statistics of tiny batches are so noisy that the weights become worse, and
#   no better statistics can repair the weights afterwards. If LayerNorm does well with the same batches, the cause is
#   BatchNorm and not the small batch as such.
# - **On the right the weights are fine.** They took few steps, so the averages are cold. If you look only at
#   `val_accuracy`, you read from this figure that large batches are bad for BatchNorm, and that is wrong. What helps is
#   what helps with all cold averages: more steps, a lower momentum such as 0.9, or recomputing at the end.
#
# ## Several devices make small batches
#
# A batch of 8 on four devices is four batches of 2. Does each device use the statistics of its own 2 images? In Keras on
# TensorFlow it does by default. With `synchronized=True` the layer averages the statistics over all devices at every
# step.

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws which images share a mean, without and with synchronising.
drawings_averages.devices(8, 4)

# %% [markdown]
# **Predict:** by how many points does `synchronized=True` improve the test accuracy, if nothing else differs?

# %%
my_prediction = None  # in points


# %% [markdown]
# The four logical devices from the beginning stand for four graphics cards. `MirroredStrategy` splits every batch of 8
# into four parts. Training is short: one pass over 400 images, which makes 50 steps. Each device keeps moving averages of
# its own. We score with those of the first device, because `save` keeps those. The second of the next cells takes about
# twenty seconds and shows no bar.


# %%
def two_layers(synchronized):
    layers = [keras.Input((64,))]
    for _ in range(2):
        layers += [
            keras.layers.Dense(100, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9, synchronized=synchronized),
            keras.layers.Activation("relu"),
        ]
    return keras.Sequential([*layers, keras.layers.Dense(10)])


tf.get_logger().setLevel("ERROR")  # or the strategy reports every sum over its devices
strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(4)])
print(strategy.num_replicas_in_sync, "devices, each with 2 of the 8 images of a batch")


# %% tags=["nbval-ignore-output"]
def train_on_four_devices(synchronized, seed):
    """Test accuracy after one pass over 400 images; both arms start alike."""
    keras.utils.set_random_seed(seed)
    model.set_weights(two_layers(synchronized).get_weights())
    rows = np.random.default_rng(seed).permutation(len(dataset.x_train))[:400]
    model.fit(dataset.x_train[rows], dataset.y_train[rows], batch_size=8,
              shuffle=False, verbose=0)
    logits = model(dataset.x_test)  # on the first device, with its averages
    return np.mean(np.argmax(logits, axis=1) == dataset.y_test)


replicas = {}
for synchronized in (False, True):
    with strategy.scope():
        model = two_layers(synchronized)
        model.compile(keras.optimizers.SGD(0.05), loss)
    replicas[synchronized] = [train_on_four_devices(synchronized, seed)
                              for seed in environment.seeds(5)]
    scores = mean_interval(replicas[synchronized])
    print(f"synchronized={synchronized!s:5}   test accuracy {scores}")

# %%
better = np.greater(replicas[True], replicas[False])
print("synchronized is better for every seed:", bool(np.all(better)))

# %% tags=["nbval-ignore-output"]
gain = paired_difference(replicas[True], replicas[False])
print("synchronized − per device:", gain)
predictions.compare(
    "05, several devices", my_prediction, 100 * gain.mean, within=5,
    why="Many people guess zero, because a batch of 8 is a batch of 8. But without "
    "synchronising each mean is that of 2 images, and the last section shows what "
    "batches of 2 cost.",
)

# %% [markdown]
# Five seeds are few, training was short, and the network is small. So the experiment tells you which setting is ahead,
# but not by how much it will be ahead in your network. The number that matters for BatchNorm is *images per device*,
# unless you synchronise.
#
# ## Freezing, and the compile-again trap
#
# Suppose that you fine-tune a trained network and want to leave its BatchNorm layers as they are. In Keras
# `trainable = False` on this layer does two things: gamma and beta no longer learn, **and** the layer runs in inference
# mode, even inside `fit`, so its moving averages do not move.
#
# **Predict:** we compile, train, set `trainable = False`, and train again. Which of the four vectors `gamma`, `beta`,
# `moving_mean` and `moving_variance` still move in the second training?

# %%
my_prediction = None  # "none", or a set of names such as {"gamma", "moving_mean"}

# %%
small = mlp(depth=1, width=16)
norm = small.get_layer("batchnorm_1")


def what_moves():
    """The names of the layer's vectors that a short `fit` changes."""
    before = norm.get_weights()
    small.fit(dataset.x_train[:256], dataset.y_train[:256], verbose=0)
    return [vector.name
            for vector, old in zip(norm.weights, before, strict=True)
            if not np.array_equal(old, vector.numpy())]


# %%
small.compile(optimizer="sgd", loss=loss)
print("trained as it is:           ", what_moves())
norm.trainable = False
after_freezing = what_moves()
print("trainable = False:          ", after_freezing)
small.compile(optimizer="sgd", loss=loss)
after_compiling = what_moves()
print("trainable = False, compiled:", after_compiling)

# %%
names = ["gamma", "beta", "moving_mean", "moving_variance"]
assert after_freezing == names, f"only {after_freezing} moved"
assert after_compiling == [], f"{after_compiling} moved although compiled again"
predictions.compare(
    "05, freezing", my_prediction, set(after_freezing),
    why="Most people answer none, because the layer is frozen. But a model that has "
    "trained keeps its compiled training step, and that step was made before the layer "
    "was frozen. Freeze first, then compile again.",
)

# %% [markdown]
# There was no error and no warning, and all four vectors moved. So check it as the cell above does: compare the vectors
# before and after a short `fit`.
#
# Even a layer that is frozen as it should be leaves one question open. Its statistics are those of the *old* data. Are
# they right for the new data?
#
# ## A new domain
#
# > **The lesson:** This ensures consistent predictions on unseen data.
#
# Suppose that the scanner gets a new lamp, which is brighter on one side. In numbers: to each row of pixels we add numbers
# that rise evenly from the left to the right, which we call the *ramp*. You would recognise the images as well as before.

# %%
height, width = dataset.image_shape
# From left to right, in standard deviations.
ramp = np.tile(np.linspace(-2, 2, width, dtype="float32"), height)

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws four test images, each as before and under the new lamp.
figure, axes = plots.new_figure(1, 8, width=9, height=1.45)
for i, axis in enumerate(axes):
    image = dataset.x_test[i // 2] + (ramp if i % 2 else 0)
    axis.imshow(image.reshape(dataset.image_shape), cmap="gray_r", vmin=-3, vmax=4)
    axis.set_axis_off()
    axis.set_title("new lamp" if i % 2 else "as before", fontsize=9)
plots.Plot(figure, "Four test images, each as before and under the new lamp: lighter "
    "on the left, darker on the right.")

# %% [markdown]
# **Predict:** of 100 test images under the new lamp, how many does the network still get right? And how many does it get
# right once its moving averages are *re-estimated*, that is, set to the statistics of 200 *other* images under the new
# lamp?

# %%
my_prediction = None  # (out of 100 as it is, out of 100 re-estimated), such as (80, 80)


# %% [markdown]
# With $\alpha = 0$ the update $m \leftarrow \alpha\, m + (1 - \alpha)\, \mu_B$ forgets the old value altogether. So one
# call in training mode, with all 200 images as one batch, sets the moving averages to their statistics. No labels are
# needed.


# %%
def re_estimate(model, x):
    """Set all moving averages to the statistics of x under the present weights."""
    norms = [layer for layer in model.layers
             if isinstance(layer, keras.layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # keep nothing of the old value
    model(x, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum  # or the next `fit` would keep its last batch only


# %% [markdown]
# Would a network without BatchNorm fare better under the new lamp? It has no averages that could be wrong. We train one
# as the control.

# %% tags=["nbval-ignore-output"]
without = train_many(functools.partial(mlp, normalization="none"), dataset, seeds=8,
                     steps=270, batch_size=128, optimizer=keras.optimizers.SGD(0.3),
                     evaluate_every=270)


# %% tags=["nbval-ignore-output"]
def accuracy_of(model, x):
    return np.mean(np.argmax(model(x), axis=1) == dataset.y_test)


new_domain = {"as before": [], "new lamp": [], "new lamp, re-estimated": []}
control = {"as before": [], "new lamp": []}
for seed in runs.seeds:
    model = runs.model(seed)
    for scores, each in ((new_domain, model), (control, without.model(seed))):
        scores["as before"].append(accuracy_of(each, dataset.x_test))
        scores["new lamp"].append(accuracy_of(each, dataset.x_test + ramp))
    re_estimate(model, dataset.x_train[:200] + ramp)
    again = accuracy_of(model, dataset.x_test + ramp)
    new_domain["new lamp, re-estimated"].append(again)

for name, by_light in (("BatchNorm", new_domain), ("no normalisation", control)):
    for light, scores in by_light.items():
        print(f"{name:17} {light:23} {mean_interval(scores)}")

# %%
domain_gain = paired_difference(new_domain["new lamp, re-estimated"],
                                new_domain["new lamp"])
control_loss = paired_difference(control["as before"], control["new lamp"])
print("re-estimating gains more than 5 points:", domain_gain.low > 0.05)
print("without normalisation the new lamp costs more than 5 points, too:",
      control_loss.low > 0.05)

# %% tags=["nbval-ignore-output"]
print("re-estimating gains", domain_gain)
lights = ("new lamp", "new lamp, re-estimated")
predictions.compare(
    "05, a new lamp", my_prediction,
    tuple(100 * np.mean(new_domain[light]) for light in lights), within=5,
    why="Many people expect that lost accuracy needs new training. But the ramp only "
    "shifts what each unit of the first layer receives by a constant, and right means "
    "subtract that constant.",
)

# %% [markdown]
# New light is hard for any network, as the control shows, so BatchNorm is not to blame for all of the loss. But BatchNorm
# has a cheap remedy, which changes not one weight. With $w$ for the weights of a unit of the first layer and $r$ for the
# ramp, the unit receives
#
# $$w^\top (h + r) = w^\top h + w^\top r .$$
#
# The second term is the same number for every image $h$. The stored mean does not contain that number, but the
# re-estimated mean does, so it is subtracted. Two hundred images without labels were enough for that. The remedy works
# where the inputs of the units are shifted or stretched. It does not make up for what the weights never learnt, such as
# reading upside down.
#
# ## Folding: Batch Normalization for free
#
# At inference the four vectors are constants, so the layer computes $y = \gamma\,(x - m)/\sqrt{v + \epsilon} + \beta$
# with fixed numbers. The Dense layer before it computes $x = h W + b$, with the input $h$, the kernel $W$ and the bias
# $b$. Put the second formula into the first, with $s = \gamma/\sqrt{v + \epsilon}$ for the factor of each unit:
#
# $$y = (h W + b - m)\, s + \beta = h\, \underbrace{(W s)}_{W'} \; + \; \underbrace{(b - m)\, s + \beta}_{b'}$$
#
# So one Dense layer with the kernel $W'$ (each column of $W$ times its own $s$) and the bias $b'$ does the work of the
# two layers. (The Dense layers of our network have no bias, so $b = 0$.)

# %%
model = runs.model(first_seed)
layers, new_weights = [keras.Input((64,))], []
for number in (1, 2, 3):
    dense = model.get_layer(f"dense_{number}")
    norm = model.get_layer(f"batchnorm_{number}")
    s = norm.gamma / np.sqrt(norm.moving_variance + norm.epsilon)
    new_weights.append((dense.kernel * s, norm.beta - norm.moving_mean * s))
    layers += [keras.layers.Dense(100, name=dense.name),
               keras.layers.Activation("relu")]
folded = keras.Sequential([*layers, keras.layers.Dense(10, name="logits")])
new_weights.append(model.get_layer("logits").get_weights())
for layer, kernel_and_bias in zip(folded.layers[::2], new_weights, strict=True):
    layer.set_weights(kernel_and_bias)

# %%
dense, norm = model.get_layer("dense_1"), model.get_layer("batchnorm_1")
by_one_layer = folded.get_layer("dense_1")(dataset.x_test)
difference = np.abs(norm(dense(dataset.x_test)) - by_one_layer).max()
assert difference < 1e-5, f"folded and unfolded layers differ by {difference}"
print("✓ one Dense layer gives what Dense and BatchNormalization gave, within 0.00001")

classes = [np.argmax(one(dataset.x_test), axis=1) for one in (model, folded)]
same = np.equal(*classes)
print(f"the same class for {same.sum()} of {len(same)} test images")
print("layers:", len(model.layers), "→", len(folded.layers))

in_training_mode = norm(dense(dataset.x_test), training=True)
apart = np.abs(in_training_mode - by_one_layer).max()
assert apart > 1e-3, f"in training mode they should differ, but only by {apart}"
print("✓ folding works at inference only: in training mode μ and σ come from the batch")

# %% [markdown]
# Folded, BatchNorm costs nothing in a deployed network. BatchNorm *after* the activation cannot be folded into the Dense
# layer before it, because the activation stands between them. It can be folded forwards, into the next Dense layer.
#
# ## The verdicts
#
# First: **does inference work as the lesson says?**

# %%
from helpers import claims

card = claims.verdict("C7", {
    "batch_changes": changed[True],
    "neighbour_changes": changed[False],
    "warm_gap": warm,
    "settled_gap": settled,
    "cold_gap": cold,
    "domain_gain": domain_gain,
})
claims.record(card, dataset, networks=repr(runs), settled=repr(lagging["1, then 0.03"]),
    new_domain="ramp of −2 to 2 standard deviations, 200 unlabelled images")
card

# %% [markdown]
# Second: **do larger batches serve BatchNorm better?** The largest batch is judged twice, with moving and with recomputed
# statistics, because the two may disagree, as you have seen.

# %%
card = claims.verdict("C8", {
    "small_batch_loss": small_batch_loss,
    "layernorm_small_batch_loss": layernorm_loss,
    "large_batch_loss": large_batch_loss,
    "large_recomputed_loss": large_recomputed_loss,
})
by_batch = {f"batch_{size}": repr(batchnorm[size]) for size in (2, 32, 128)}
by_layer = {f"layernorm_{size}": repr(layernorm[size]) for size in (2, 32)}
claims.record(card, dataset, **by_batch, **by_layer)
card

# %% [markdown]
# ## Your predictions
#
# How many of your predictions in this notebook came true? A surprise is worth a second look: the name tells you its
# place.

# %%
predictions.summary()

# %% [markdown]
# ## Summary
#
# - Training normalises with the statistics of the batch, inference with moving averages. The two agree only if the
#   averages are *warm* and describe the data at hand.
# - After $k$ steps a moving average has covered $1 - \alpha^k$ of its way. If `val_accuracy` is poor in the first epochs,
#   suspect cold averages first, and look at the score with recomputed statistics.
# - Warm averages still lag by about $\alpha/(1-\alpha)$ steps behind weights that move fast. The lag costs little once
#   the learning rate has fallen.
# - With `training=True` at inference, the neighbours take part in the prediction. If each training batch holds one class,
#   BatchNorm subtracts the class.
# - With two images **per device** the statistics are too noisy. Synchronise, or use another normalisation.
# - Freeze, then compile again. On new data, re-estimate. For deployment, fold.
#
# **Next:** [06 · BatchNorm and Dropout](06_batchnorm_vs_dropout.ipynb)
