# %% [markdown]
# # 9 · Very deep networks
#
# **Time:** about 25 minutes · **Before this:** [03 · Batch Normalization in Keras](03_keras_sequential.ipynb);
# the [exercises](07_exercises.ipynb) come first, because this notebook is optional
#
# The lesson begins with a large claim:
#
# > **The lesson:** Batch Normalization is one of the most important breakthroughs that made very deep neural networks practical.
#
# Networks of 100 layers became practical in the years after 2015. But two other things came with Batch Normalization:
# the *skip connection*, and initial weights chosen for depth. This notebook varies normalisation and skip connections; all
# networks have the same kind of initial weights. After this notebook you can
#
# - say what a skip connection does to the size of a signal, with and without Batch Normalization, in a formula and a figure;
# - explain why with Batch Normalization a deep branch is small *compared with its signal*;
# - say what our very deep networks need to train, and what can stand in for Batch Normalization.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## A network of 40 layers
#
# A **plain** network passes its signal through one layer after the other. A **residual** network (He and others, 2015)
# has *branches* of a few layers beside the signal, and adds the output of each branch to the signal. A branch and its sum
# are a *block*. With $x_k$ for the signal after block $k$ and $f_k$ for the branch of that block:
#
# $$\text{plain: } x_k = f_k(x_{k-1}) \qquad\qquad \text{residual: } x_k = x_{k-1} + f_k(x_{k-1})$$
#
# Here a branch is twice the same three layers: normalisation (or none), ReLU, Dense. All networks have 32 units a
# layer and He's initial weights. Only the hidden Dense layers count as layers: one, then two in each block, then one. The
# output layer is not counted. The code below builds a residual network of 6 layers, so that you can read it. It has two
# blocks, and each ends with `Add`.

# %%
from helpers import environment

environment.quiet_tensorflow()

import keras
import tensorflow as tf

from helpers.networks import residual_mlp

# TensorFlow 2.20 would write a line about each ReLU that it cannot fuse with a sum.
tf.config.optimizer.set_experimental_options({"remapping": False})

small = residual_mlp(depth=6, width=32, normalization="batch")
for layer in small.layers:
    print(f"{type(layer).__name__:20}", layer.output.shape)

# %% [markdown]
# ## Before the first step: how large is a branch?
#
# A network of 40 layers has one layer, 19 blocks of two, and one layer. Feed a new one with images and compare, in each
# block, two standard deviations: that of the branch and that of the signal to which it is added. **Predict:** in the last
# of the 19 blocks, how large is the branch, as a multiple of that signal, without normalisation and with Batch
# Normalization?

# %%
my_prediction = None  # (without, with), for example (1, 1)

# %%
import numpy as np

from helpers.data import load

dataset = load()


def signal_and_branch(seed, **options):
    """The standard deviations of signal and branch, block by block: two arrays."""
    keras.utils.set_random_seed(seed)
    model = residual_mlp(depth=40, width=32, **options)
    adds = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    inside = keras.Model(model.input, [part for layer in adds for part in layer.input])
    parts = [np.std(part) for part in inside(dataset.x_train, training=True)]
    return np.array(parts[::2]), np.array(parts[1::2])


# %%
arms = {"no normalisation": "none", "BatchNorm": "batch"}
seeds = environment.seeds(8)
sizes = {
    name: np.array([signal_and_branch(seed, normalization=kind) for seed in seeds])
    for name, kind in arms.items()  # (seeds, signal or branch, blocks)
}

# %%
ratio = {name: size[:, 1] / size[:, 0] for name, size in sizes.items()}
last = {name: np.median(found[:, -1]) for name, found in ratio.items()}
growth = {
    name: np.median(size[:, 0, -1] / size[:, 0, 0]) for name, size in sizes.items()
}

# %% [markdown]
# The next figure has the blocks from left to right. The left panel shows the size (standard deviation) of the signal that
# enters each block, on a log scale. The right panel shows the branch as a multiple of that signal. Thin lines are the seeds,
# thick lines their medians. **Look for** the panel in which Batch Normalization falls with the depth.

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the size of the signal, and of the branch beside it, block by block.
from helpers import plots

blocks = np.arange(1, 20)
figure, (left, right) = plots.new_figure(1, 2, width=9, height=3.6)
for i, (name, size) in enumerate(sizes.items()):
    for axis, values in ((left, size[:, 0]), (right, ratio[name])):
        axis.plot(blocks, values.T, color=plots.COLORS[i], linewidth=0.6, alpha=0.4)
        axis.plot(blocks, np.median(values, axis=0), color=plots.COLORS[i], label=name,
                  linestyle=plots.LINESTYLES[i], marker=plots.MARKERS[i], markersize=4)
right.plot(blocks, 1 / np.sqrt(blocks), color="black", linestyle=":", label="1/√block")
left.set(yscale="log", xlabel="block", ylabel="size of the signal (log scale)")
right.set(xlabel="block", ylabel="branch / signal", ylim=(0, None))
for axis in (left, right):
    axis.set_xticks([1, 5, 10, 15, 19])
right.legend(frameon=False)
said = (f"With {name}, the last signal is {growth[name]:.3g} times as large as the "
        f"first, and the last branch {last[name]:.2f} times as large as its signal."
        for name in sizes)
plots.Plot(figure, " ".join(said) + " Medians of 8 seeds. Dotted: the theory below.")

# %%
signal = sizes["no normalisation"][:, 0]
print("without normalisation every branch is more than half as large as its signal:",
      bool((np.median(ratio["no normalisation"], axis=0) > 0.5).all()))
print("with BatchNorm the last branch is less than half as large as its signal:    ",
      bool((ratio["BatchNorm"][:, -1] < 0.5).all()))
print("without normalisation the signal grows more than tenfold, in every seed:    ",
      bool((signal[:, -1] > 10 * signal[:, 0]).all()))

# %% tags=["nbval-ignore-output"]
from helpers import predictions

predictions.compare(
    "09, the size of a branch", my_prediction, tuple(last.values()), within=0.15,
    why="Many people expect the same for both. But Batch Normalization gives each "
    "branch the same size, while the signal beside it grows from block to block.",
)

# %% [markdown]
# Here is why. Without normalisation, a branch with He's weights has about the same variance as its input, so the sum of the
# branch and the signal has about twice the variance of the signal. Nineteen blocks make the variance $2^{19}$ times as large
# and the standard deviation, which the figure shows, $2^{9.5} \approx 720$ times. (Between the signals that enter the first
# and the last block there are 18 doublings, so the standard deviation grows about 500 times. That holds on average only:
# with 32 units a layer, single networks differ much, as the thin lines show.)
#
# Batch Normalization at the beginning of the branch divides by the standard deviation of the signal. So every branch has
# a variance near 1, however large the signal has become, and each block *adds* about 1 to the variance. For a deep block
# $k$:
#
# $$\operatorname{Var}(x_k) \approx \operatorname{Var}(x_{k-1}) + 1 \approx k
# \qquad\Rightarrow\qquad \frac{\operatorname{Std}(f_k)}{\operatorname{Std}(x_{k-1})} \approx \frac{1}{\sqrt{k}}$$
#
# In front of the first block the variance is about 2 already, because the mean square of the pixels is 1 and He's weights
# double it. So the measured points begin near $1/\sqrt{2}$ and approach the dotted line from below.
#
# So in a new network, the deeper a block stands, the less it changes the signal: the network begins almost as a shallow one
# (De & Smith, 2020, arXiv:2002.10444). If small branches are what counts, Batch Normalization is not needed for them. De &
# Smith multiply the end of each branch by a learned factor that is 0 at first, and call this **SkipInit**. A new network of
# this kind computes what its first and its last layers alone would compute.
#
# ## What does a very deep network need?
#
# We compare six networks, with 40 and with 20 layers:
#
# | name | skip connections | normalisation | the branch starts |
# |---|---|---|---|
# | `plain` | no | none | with He's weights |
# | `plain + BatchNorm` | no | Batch Normalization | with He's weights |
# | `residual` | yes | none | with He's weights |
# | `residual + zero start` | yes | none | at 0 (SkipInit) |
# | `residual + LayerNorm` | yes | Layer Normalization | with He's weights |
# | `residual + BatchNorm` | yes | Batch Normalization | with He's weights |
#
# Each network has its own best of three learning rates, chosen by its accuracy on the *training* images, and 8 seeds. As its
# measure we take the share of the way from guessing (0) to the best of the six networks of the same depth (1), in test
# accuracy. A network **trains** if the whole interval of this share lies above 0.8, and does *not* train if it lies below
# 0.5. **Predict:** which of the six will train with 40 layers?

# %%
my_prediction = None  # a set of names, for example {"residual + BatchNorm"}

# %% [markdown]
# Each network makes 120 steps of 32 images. The cell after the next takes about a minute and a half on two cores, most of
# it TensorFlow's work to set up networks of so many layers.

# %% tags=["nbval-ignore-output"]
from functools import partial

from helpers.training import sweep

networks = {
    "plain": {"normalization": "none", "skip": False},
    "plain + BatchNorm": {"normalization": "batch", "skip": False},
    "residual": {"normalization": "none"},
    "residual + zero start": {"normalization": "none", "zero_branch": True},
    "residual + LayerNorm": {"normalization": "layer"},
    "residual + BatchNorm": {"normalization": "batch"},
}

# %% tags=["nbval-ignore-output"]
rates = {
    "none": [0.001, 0.01, 0.1], "batch": [0.03, 0.1, 0.5], "layer": [0.03, 0.1, 0.3]
}
settings = {"seeds": 8, "steps": 120, "batch_size": 32, "evaluate_every": 120}
trained = {
    (name, depth): sweep(
        {"learning_rate": rates[options["normalization"]]},
        partial(residual_mlp, depth=depth, **options), dataset, **settings)
    for name, options in networks.items()
    for depth in (20, 40)
}


# %%
def best_test_accuracy(name, depth):
    """Test accuracy of every seed at the rate that fits the training images best."""
    runs = max(trained[name, depth].runs,
               key=lambda runs: runs.recomputed.train_accuracy[:, -1].mean())
    return runs.recomputed.test_accuracy[:, -1]


# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the test accuracy of the six networks with 20 and 40 layers.
from helpers.statistics import mean_interval

figure, axis = plots.new_figure(width=8.5, height=3.6)
said = []
for i, depth in enumerate((20, 40)):
    found = [mean_interval(best_test_accuracy(name, depth)) for name in networks]
    rows = np.arange(len(networks)) + 0.18 * (2 * i - 1)
    ends = [(one.mean - one.low, one.high - one.mean) for one in found]
    axis.errorbar([100 * one.mean for one in found], rows, capsize=3,
                  xerr=100 * np.clip(ends, 0, None).T, label=f"{depth} layers",
                  color=plots.COLORS[i], marker=plots.MARKERS[i], linestyle="none")
    each = (f"{name} {100 * one.mean:.0f} %" for name, one in zip(networks, found))
    said.append(f"With {depth} layers: " + ", ".join(each))
axis.axvline(100 * dataset.chance, color="#555555", linestyle=":")
axis.set_yticks(range(len(networks)), networks)
axis.set(xlabel="test accuracy (%), dotted: guessing", xlim=(0, 102))
axis.invert_yaxis()
axis.legend(frameon=False, loc="upper right")
plots.Plot(figure, ". ".join(said) + ". Each at its best rate, 95 % intervals.")

# %% [markdown]
# The next cell computes the share of the way from guessing to the best network for each network of 40 layers. A network
# that is in neither list is undecided.

# %%
from helpers.statistics import share_of_reachable

accuracies = {name: best_test_accuracy(name, 40) for name in networks}
best = max(accuracy.mean() for accuracy in accuracies.values())
shares = {
    name: mean_interval(share_of_reachable(accuracy, chance=dataset.chance, best=best))
    for name, accuracy in accuracies.items()
}
train = [name for name, share in shares.items() if share.low > 0.8]
print("40 layers, train:", ", ".join(train))
do_not = [name for name, share in shares.items() if share.high < 0.5]
print("40 layers, do not:", ", ".join(do_not))
with_skip = [networks[name].get("skip", True) for name in train]
print("every network that trains has skip connections:", all(with_skip))

# %% tags=["nbval-ignore-output"]
predictions.compare(
    "09, which networks train", my_prediction, set(train),
    why="Many people name the two networks with BatchNorm. Compare the results of "
    "`plain + BatchNorm` and `residual + zero start`.",
)

# %% [markdown]
# Read the list of the networks that train: all of them are residual, and in each of them something keeps the deep branches
# small beside the signal in a new network. With Batch Normalization you saw it in the first figure. Layer Normalization
# does so for the same reason, because it divides by the size of the signal too. With the zero start the branches are 0.
#
# Read the other list as well: Batch Normalization in a *plain* network of 40 layers is not enough. There the gradient grows
# by a constant factor from layer to layer, as you saw with 20 layers in [03](03_keras_sequential.ipynb).
#
# So what made very deep networks practical? Our networks point to the skip connection, *together* with something that keeps
# the branches small at the start. In the first residual networks, of 2015, that something was Batch Normalization.
#
# ## The verdict

# %% tags=["nbval-ignore-output"]
from helpers import claims

card = claims.verdict("C9", {
    "residual_with": shares["residual + BatchNorm"],
    "residual_without": shares["residual"],
    "plain_with": shares["plain + BatchNorm"],
    "zero_branch": shares["residual + zero start"],
    "layer_norm": shares["residual + LayerNorm"],
})
card

# %%
settings_of = {name: repr(trained[name, 40].runs[0]) for name in networks}
claims.record(card, dataset, **settings_of)
print(card.word)

# %% [markdown]
# The studies on the card used convolutional networks, most of them on large images. Our networks have small Dense layers, so
# that the whole comparison takes minutes.
#
# ## What to take along

# %%
predictions.summary()

# %% [markdown]
# - In a residual network, each block adds a branch to the signal. Without normalisation the variance of the signal doubles
#   at each block. With Batch Normalization the variance grows by about 1, so the size of branch $k$ as a share of its signal
#   falls like $1/\sqrt{k}$.
# - Of our six networks, those with skip connections *and* with branches that start small beside the signal train with 40
#   layers in 120 steps. Batch Normalization is one way to such branches, and not the only one.
# - Batch Normalization alone did not make our plain network of 40 layers train.
#
# ## Where to go next
#
# [10 · More exercises, and a clinic](10_exercises_and_clinic.ipynb): write the other normalisations yourself, and find
# what is wrong in six programs.
