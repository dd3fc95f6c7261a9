# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 2 · Batch Normalization from scratch
#
# **Time:** about 60 minutes · **Before this:** [01](01_internal_covariate_shift.ipynb)
#
# You build Batch Normalization with your own hands, first in NumPy, then as a Keras layer. Afterwards you can
#
# - write its forward pass and say over which axes it averages, for a table of numbers and for images;
# - say what epsilon, gamma, beta and momentum are for, and what goes wrong without each of them;
# - derive its backward pass in small steps and check a gradient, knowing two ways in which such a check fools you;
# - prove that your layer *is* `keras.layers.BatchNormalization`: same outputs, same gradients, same moving statistics.
#
# Some cells ask for a **prediction**. Write it down before you run on: being wrong here is where the learning is.
# Many end in a **checkpoint**. It says ✓, or it tells you what broke, so change things and see.
#
# There are three sittings, each about 20 minutes long: forward, backward, Keras. "**Pause here**" stands between them.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## A batch of activations
#
# > **The lesson:** Batch Normalization stabilizes learning by normalizing activations within each mini-batch.
#
# A layer of a network sees a batch as a table: one **row** for each example, one **column** for each feature (the
# output of one unit of the layer before). Batch Normalization does not ask where the numbers come from, so let us take
# numbers that you can picture: 32 images of handwritten digits, and of each image the eight pixels of its third row.
# (This worked example is always the digits, because the text names what you see in them.)

# %%
import numpy as np

from helpers.data import load

digits = load("digits", seed=0)
images = digits.pixels(digits.x_train).round().astype("float64")  # grey levels from 0 (paper) to 16 (full ink)
batch = images[:32, 2]  # 32 images, the pixels of their third row
print("all images:", images.shape, "  our batch:", batch.shape)
batch[:3]

# %% [markdown]
# Look at the eight columns: where do they lie, and how far do they spread? The next layer has to cope with all of them.

# %%
from helpers.plots import COLORS, LINESTYLES, MARKERS, Plot, new_figure


def draw_features(axis, values, title):
    """One strip of dots per column, with its mean and one standard deviation to each side."""
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(values))
    for feature, column in enumerate(values.T):
        axis.plot(feature + jitter, column, MARKERS[0], color=COLORS[5], ms=3.5)
    axis.errorbar(np.arange(values.shape[1]), values.mean(axis=0), values.std(axis=0), fmt=MARKERS[3], color="black",
                  capsize=5, label="mean ± one standard deviation")
    axis.set(xlabel="feature (pixel of the third row)", title=title)


figure, axis = new_figure(height=3.4)
draw_features(axis, batch, "A batch as it comes")
axis.set(ylabel="grey level", ylim=(-3, 20))
axis.legend(loc="upper right")
Plot(figure, f"Thirty-two images, eight features. Their means run from {batch.mean(axis=0).min():.1f} to "
             f"{batch.mean(axis=0).max():.1f} grey levels, their standard deviations from "
             f"{batch.std(axis=0).min():.1f} to {batch.std(axis=0).max():.1f}: every feature has a place and a width "
             "of its own. (The bars reach equally far up and down, and so below 0, where no grey level is.)")

# %% [markdown]
# > **The lesson:** For a given batch of activations:
# > First, the mean is subtracted. Then, values are divided by the standard deviation.
#
# ## Step 1: subtract the mean
#
# Which mean? The one *down the column*: each feature over all examples of the batch, `axis=0`. The commonest mistake
# is the other axis: `axis=1` averages over the *features of one image*. That is a different method, Layer
# Normalization: each row ends up with mean 0, and the columns do not.

# %%
mean = batch.mean(axis=0)
centred = batch - mean
print("mean of each feature before:", mean.round(1))
print("mean of each feature after: ", abs(centred.mean(axis=0)).round(9))
wrong_axis = batch - batch.mean(axis=1, keepdims=True)
print("after, with the wrong axis: ", wrong_axis.mean(axis=0).round(1))

assert mean.shape == (8,), f"one mean per feature, so 8 of them; yours has the shape {mean.shape}"
assert abs(centred.mean(axis=0)).max() < 1e-12, "the columns are not centred: did you average over axis 0?"
print("✓ checkpoint 1: every column has mean 0")

# %% [markdown]
# ## Step 2: divide by the standard deviation
#
# **Predict first.** Look at the figure again. If you divide each centred column by its standard deviation, one of the
# eight features gives no number at all. Which one, 0 to 7? And which one will have a value *far* away from all others?

# %%
my_prediction = None  # your guess: (feature without a number, feature with an extreme value), such as (3, 4)

# %%
variance = np.mean(centred**2, axis=0)  # the mean of the squares: divided by N = 32, not by N - 1
with np.errstate(invalid="ignore"):  # NumPy would warn about what we want to see
    divided = centred / np.sqrt(variance)
largest = abs(divided).max(axis=0)
print("standard deviations:  ", divided.std(axis=0).round(2))
print("largest value of each:", largest.round(2))
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print(f"measured: feature {np.isnan(largest).argmax()} has no number, feature {np.nanargmax(largest)} an extreme one")

# %% [markdown]
# Seven features now have standard deviation 1. But feature 0 is blank in all 32 images: its variance is 0, and 0/0 is
# not a number (`nan`). One `nan` in a network is enough to turn every weight into `nan` at the next step.
# Feature 7 is nearly as bad. One image has grey level 1 there, and division made an outlier of this faint speck.
#
# **Which variance?** The *biased* one: the sum of squares divided by N. The unbiased one of statistics (divided by
# N − 1) would be 0/0 for a batch of one. Keras uses N throughout. The paper (its Algorithm 2) and PyTorch use N to
# normalise, and N − 1 for the variance that they keep for predictions.
#
# ## Step 3: epsilon
#
# The cure is a small constant under the root: √(variance + epsilon). Keras takes 0.001, PyTorch 0.00001.

# %%
epsilon = 1e-3
normalized = centred / np.sqrt(variance + epsilon)
print("standard deviations:  ", normalized.std(axis=0).round(3))
print("largest value of each:", abs(normalized).max(axis=0).round(2))

assert np.isfinite(normalized).all(), "a constant feature still gives nan: where is epsilon?"
assert np.allclose(normalized.std(axis=0), np.sqrt(batch.var(axis=0) / (batch.var(axis=0) + epsilon))), (
    "the spread is not sqrt(var / (var + epsilon)): divide by N, and put epsilon inside the root, next to the variance"
)
print("✓ checkpoint 2: finite everywhere, and epsilon is inside the root")

# %% [markdown]
# The constant feature is now a clean 0. The price is tiny: a standard deviation of √(variance / (variance + epsilon))
# instead of 1. Epsilon matters where a variance is about as small as epsilon itself:

# %%
for v in (0.0, 1e-4, 1e-3, 1e-2, 1.0, 36.0):
    print(f"variance {v:8.4f}   standard deviation after normalising {np.sqrt(v / (v + epsilon)):.4f}")

# %% [markdown]
# **Why we subtract the mean before squaring.** A formula from the textbooks needs only one pass over the data:
# variance = (mean of x²) − (mean of x)², written E[x²] − E[x]². It is used for speed even in real layers (such as
# Keras 3 with PyTorch). Two passes are safe. One pass, in the float32 that networks compute in, fails where the mean is large beside the spread:

# %%
far = (batch + 10_000).astype("float32")  # the same spread, far from zero
one_pass = np.mean(far**2, axis=0) - np.mean(far, axis=0) ** 2
two_passes = np.mean((far - far.mean(axis=0)) ** 2, axis=0)
print("true variance:    ", variance.round(1))
print("two passes:       ", two_passes.round(1))
print("E[x²] − E[x]²:    ", one_pass.round(1))
error = {"two passes": abs(two_passes - variance).max(), "one pass": abs(one_pass - variance).max()}
assert error["two passes"] < 0.1 < error["one pass"], f"only one pass should be far from the true variance: {error}"

# %% [markdown]
# Only multiples of 8 come out, and features 1 and 6 seem not to vary at all. 10 000 squared is 100 000 000, and there
# neighbouring float32 numbers lie 8 apart. Two of them were subtracted. A result can even be negative.
#
# ## What normalising does, and what it does not do
#
# The same eight features, before and after. **Predict first:** what will have become equal in the eight columns? And
# what will be exactly as it was?

# %%
figure, axes = new_figure(1, 2, width=10, height=3.6)
draw_features(axes[0], batch, "before")
draw_features(axes[1], normalized, "after")
axes[0].set_ylabel("grey level")
axes[1].set_ylabel("normalised value")
axes[0].legend(loc="upper right", fontsize=9)
axes[0].set_ylim(top=22)
axes[1].annotate("one faint speck", (7.1, normalized[:, 7].max()), (4.2, 5.2), arrowprops={"arrowstyle": "->"})
Plot(figure, f"Left: means between {batch.mean(axis=0).min():.1f} and {batch.mean(axis=0).max():.1f}. Right: all means "
             f"are {abs(normalized.mean(axis=0)).max():.1f}, and the standard deviations of features that vary lie "
             f"between {normalized.std(axis=0)[1:].min():.2f} and {normalized.std(axis=0)[1:].max():.2f}. "
             "The order of the dots within a column is the same on both sides. Equal standard deviations do not mean "
             f"alike: in feature 7, {(normalized[:, 7] < 0).sum()} of the 32 dots lie at {normalized[:, 7].min():.2f}, "
             "and one dot alone makes the whole bar.")

# %% [markdown]
# Equal: the mean of every feature, 0, and the standard deviation of every feature that varies, 1 or nearly 1. As it was:
# the order of the dots, and the shape of each strip.
#
# **Predict first.** Take one pixel over *all* training images and draw its histogram. Many believe that Batch
# Normalization makes values "Gaussian", a bell curve. What will the histogram look like after normalising?

# %%
my_prediction = None  # your guess: "bell curve", "as before" or "flat"

# %%
pixel = images[:, 2, 3]
pixel_normalized = (pixel - pixel.mean()) / np.sqrt(pixel.var() + epsilon)
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
for name, values in (("before", pixel), ("after", pixel_normalized)):
    share = np.mean(abs(values - values.mean()) < values.std())
    print(f"{name:7} {share:.0%} of the images within one standard deviation of the mean (a bell curve has 68%)")

figure, axes = new_figure(1, 2, width=10, height=2.8, sharey=True)
for axis, values, name in zip(axes, (pixel, pixel_normalized), ("grey level", "normalised value"), strict=True):
    _, edges, _ = axis.hist(values, bins=17, color=COLORS[0], edgecolor="white")
    z = (edges - values.mean()) / values.std()
    bell = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * len(values) * (z[1] - z[0])
    axis.plot(edges, bell, color=COLORS[1], ls=LINESTYLES[1], label="a bell curve of this mean and std")
    axis.set(xlabel=f"feature 3, {name}")
axes[0].set_ylabel("images")
axes[1].legend(fontsize=9)
Plot(figure, f"Another ruler underneath, and no other change. {np.mean(pixel == 0):.0%} of the images are at the "
             f"lower end and {np.mean(pixel == 16):.0%} at the upper end, where a bell curve has few.")

# %% [markdown]
# Normalising moves and stretches, nothing else. It fixes the mean and the variance of each feature. It does not make
# values Gaussian, and it does not make features independent of each other.
#
# > **The lesson:** This produces normalized values with a stable scale across training steps.
#
# > **The lesson:** Instead of letting values grow unpredictably, BatchNorm ensures that activations remain
# > well-behaved.
#
# For the normalised values that is so: whatever the scale that comes in, the same scale goes out. Multiply the input by 1, 10
# or 1000, shift it, and look. (The tiny difference is epsilon's. And the scale of the layer's *output* is set in the next step.)

# %%
for factor, shift in ((1, 0), (10, 0), (1000, -500)):
    grown = factor * batch[:, 1:7] + shift  # the six features that really vary
    grown_normalized = (grown - grown.mean(axis=0)) / np.sqrt(grown.var(axis=0) + epsilon)
    print(f"largest input {abs(grown).max():7.0f}   largest normalised value {abs(grown_normalized).max():.4f}   "
          f"largest difference from `normalized` {abs(grown_normalized - normalized[:, 1:7]).max():.4f}")

# %% [markdown]
# ## Step 4: gamma and beta
#
# If every feature always had mean 0 and standard deviation 1, a layer could no longer say "this feature matters ten
# times as much" or "be positive by default". So each feature gets two parameters of its own, and the optimizer trains
# them like weights: **gamma** stretches, **beta** shifts. They start at 1 and 0.
#
# > **The lesson:** Importantly, BatchNorm does NOT remove model expressiveness. It adds learnable parameters to scale
# > and shift values back if needed.

# %%
gamma = np.array([1.3, -0.7, 2.1, 0.4, 1.9, -1.6, 0.8, 0.3])  # any numbers will do, negative ones too
beta = np.array([0.5, -1.2, 3.3, 0.1, -0.6, 2.2, -0.9, 0.7])
y = gamma * normalized + beta
print("mean of y:              ", y.mean(axis=0).round(2))
print("standard deviation of y:", y.std(axis=0).round(3))

# %% [markdown]
# The mean of the output *is* beta, and its standard deviation is |gamma|, less where epsilon counts (features 0 and 7).
# How a feature lies is no longer an accident of the layers before: two trained parameters decide it.
#
# "Scale and shift values back": literally? Choose gamma = σ, the root of variance + epsilon, and beta = μ, the mean.

# %%
given_back = np.sqrt(variance + epsilon) * normalized + mean
assert np.allclose(given_back, batch, atol=1e-12), "with gamma = sigma and beta = mu you must get the batch back"
print("✓ checkpoint 3: gamma = sigma and beta = mu give the input back")

# %% [markdown]
# So *this* batch can be given back. In a prediction the layer is a fixed stretch and shift of each feature (step 5
# shows why), so there gamma and beta can undo it altogether. In training not quite: mean and standard deviation change
# with every batch, and one gamma and one beta cannot follow them all. (The first quiz question in
# [07](07_exercises.ipynb) is about this: no, Batch Normalization does not remove flexibility.)
#
# ## Play with it
#
# One feature of one batch on its way: raw, normalised, output. Each dot keeps its height, so you can follow it.
# (A batch is a sample: its own mean and spread differ a little from those it is drawn with.) Try these:
#
# 1. Move **mean** and **spread**. What happens to the two lower rows?
# 2. Set **batch size** to 2, then to 1. What is the output now, and what did the input matter?
# 3. Give one example an **outlier** of 40. What happens to all the *others*?
# 4. Set **spread** to 0.1 and raise **epsilon** to 1.
#
# (The sliders move in a running notebook and on the course's site. Elsewhere you see a picture of the first position.)
#
# <details><summary>What you should have seen (open this afterwards)</summary>
#
# 1. Almost nothing, until the variance comes near epsilon: the lower rows do not know where the batch was, or how wide.
# 2. With two examples the normalised values are about −1 and +1, as long as the two differ by much more than √epsilon:
#    only their order is left. With one example the output is beta, whatever the input was.
# 3. They are squeezed together near 0: mean and standard deviation are shared, so one example moves all the others.
# 4. The variance is then far below epsilon, and the feature is no longer stretched to standard deviation 1.
#
# </details>

# %%
from helpers.explorers import MomentumExplorer, NormalizationExplorer

NormalizationExplorer()

# %% [markdown]
# ## Step 5: moving statistics
#
# A trained network must also answer when *one* image comes. Whose mean shall it subtract then? Here is the same image
# in three different batches. Its normalised feature 3 should be one number:

# %%
for start in (32, 64, 96):
    others = images[start : start + 31, 2]
    together = np.vstack([batch[:1], others])
    result = (together - together.mean(axis=0)) / np.sqrt(together.var(axis=0) + epsilon)
    print(f"with images {start} to {start + 30}: {result[0, 3]:+.3f}")

alone = batch[:1]
result = (alone - alone.mean(axis=0)) / np.sqrt(alone.var(axis=0) + epsilon)
print(f"alone:                 {result[0, 3]:+.3f}")

# %% [markdown]
# The answer depends on the neighbours, and a batch of one is always 0: it is its own mean. In training this noise is
# accepted, and may even help a little against learning by heart ([06](06_batchnorm_vs_dropout.ipynb)). In a prediction it is not.
#
# > **The lesson:** During training, BatchNorm computes statistics from each mini-batch.
# > During inference, it uses moving averages learned during training.
#
# So while it trains, the layer keeps two more numbers per feature, a **moving mean** and a **moving variance**, and
# lets each batch pull them a little way:
#
# $$\text{moving} \leftarrow \text{momentum} \cdot \text{moving} + (1 - \text{momentum}) \cdot \text{batch}$$
#
# In Keras, momentum is the weight of the *old* value, 0.99 by default. (PyTorch's 0.1 is the weight of the *new* one.)
# The moving mean starts at 0, the moving variance at 1.

# %%
momentum = 0.99
moving_mean, moving_variance = np.zeros(8), np.ones(8)
for start in range(0, 32 * 32, 32):  # 32 batches of 32 images
    next_batch = images[start : start + 32, 2]
    moving_mean = momentum * moving_mean + (1 - momentum) * next_batch.mean(axis=0)
    moving_variance = momentum * moving_variance + (1 - momentum) * next_batch.var(axis=0)

# %% [markdown]
# **Predict first.** The layer has seen 32 batches, about one pass over all images. Which share of the true mean has
# the moving mean reached?

# %%
my_prediction = None  # your guess, in per cent

# %%
true_mean = images[: 32 * 32, 2].mean(axis=0)
print("true mean:  ", true_mean.round(2))
print("moving mean:", moving_mean.round(2))
covered = moving_mean.sum() / true_mean.sum()
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print(f"measured: {covered:.1%}   1 - momentum**32 = {1 - momentum**32:.1%}")

assert abs(covered - (1 - momentum**32)) < 0.02, "the wrong share is covered: is momentum on the side of the old value?"
expected = momentum**32 * 1 + (1 - momentum**32) * images[: 32 * 32, 2].var(axis=0)
assert np.allclose(moving_variance, expected, rtol=0.1), "the moving variance is off: does it start at 1?"
print("✓ checkpoint 4: after k batches a share of 1 - momentum**k is covered")

# %% [markdown]
# Barely more than a quarter! Each batch closes one hundredth of the gap, so after k batches a share of momentum^k is
# still missing. A model evaluated too early uses statistics that are mostly still 0 and 1: a common reason for a
# validation accuracy that is mysteriously low at first ([05](05_training_and_inference.ipynb) takes it apart).
#
# In the explorer, find out how many batches it takes to cover 90 % with momentum 0.99, and with 0.9.
# Then look at what the lower momentum costs: how calm is the curve once it has arrived?
#
# <details><summary>The answer (open this afterwards)</summary>
#
# About 230 batches against 22. But the lower momentum averages over fewer batches: it wobbles three times as much.
#
# </details>

# %%
MomentumExplorer()

# %% [markdown]
# ## Images and channels: any rank
#
# The *rank* of an array is the number of its axes: our table has rank 2. A convolutional layer puts out rank 4: (batch,
# height, width, channels). A channel is *one* feature, wherever in the image it was measured: the same filter made it.
# So the average runs over everything but the last axis: examples, rows and columns. We make three channels by hand:
# brightness, and its change to the right and downwards (edge detectors).

# %%
channels = np.stack([images, np.gradient(images, axis=2), np.gradient(images, axis=1)], axis=-1)[:32]
all_but_last = tuple(range(channels.ndim - 1))
print("shape", channels.shape, "-> average over axes", all_but_last)
print("values behind each mean:", channels[..., 0].size)
print("mean of each channel:   ", channels.mean(axis=all_but_last).round(2))
print("std of each channel:    ", channels.std(axis=all_but_last).round(2))
assert channels.mean(axis=all_but_last).shape == (3,), "one mean per channel"
print("✓ checkpoint 5: three channels, three means (over axis 0 alone:", channels.mean(axis=0).size, "means)")

# %% [markdown]
# ## The whole layer
#
# Five steps, one class. `training=True` uses the batch and updates the moving statistics. Otherwise the layer uses the
# moving statistics and changes nothing. Every line is one that you have just run. (In training this is Algorithm 1 of
# Ioffe & Szegedy, 2015, arXiv:1502.03167. For predictions their Algorithm 2 averages the statistics of many batches
# *after* training. Moving averages they mention in section 3.1, to follow the accuracy *while* the network trains, and
# that is what Keras does.)


# %%
class BatchNorm:
    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        self.momentum, self.epsilon = momentum, epsilon
        self.gamma, self.beta = np.ones(features), np.zeros(features)  # trained by the optimizer
        self.moving_mean, self.moving_variance = np.zeros(features), np.ones(features)  # tracked

    def __call__(self, x, training=False):
        if training:
            axes = tuple(range(x.ndim - 1))
            mean = x.mean(axis=axes)
            variance = np.mean((x - mean) ** 2, axis=axes)
            self.moving_mean = self.momentum * self.moving_mean + (1 - self.momentum) * mean
            self.moving_variance = self.momentum * self.moving_variance + (1 - self.momentum) * variance
        else:
            mean, variance = self.moving_mean, self.moving_variance
        return self.gamma * (x - mean) / np.sqrt(variance + self.epsilon) + self.beta


# %% [markdown]
# The course has a reference of its own in `helpers/batchnorm.py`: faster, and careful about bad input. Yours must give
# the same: *exactly*, to the last bit, or *approximately*, up to rounding, which is just as good.

# %%
def largest_difference(yours, reference):
    yours, reference = np.asarray(yours), np.asarray(reference)
    assert yours.shape == reference.shape, f"yours has the shape {yours.shape}, expected {reference.shape}"
    return abs(yours - reference).max()


def compare(name, yours, reference):
    difference = largest_difference(yours, reference)
    verdict = "exact" if difference == 0 else "approximate" if difference < 1e-9 else "DIFFERENT"
    print(f"{name:32} {verdict:12} largest difference {difference:.0e}")
    return difference


# %% tags=["nbval-ignore-output"]
from helpers import batchnorm

yours, reference = BatchNorm(8, momentum=0.9), batchnorm.BatchNorm(8, momentum=0.9)
for layer in (yours, reference):
    layer.gamma, layer.beta = gamma, beta
differences = [
    compare(f"training, batch {i}", yours(each, training=True), reference(each, training=True))
    for i, each in enumerate(np.split(images[:96, 2], 3), 1)
]
differences += [
    compare("moving mean", yours.moving_mean, reference.moving_mean),
    compare("moving variance", yours.moving_variance, reference.moving_variance),
    compare("inference", yours(batch), reference(batch)),
    compare("rank 4", BatchNorm(3)(channels, training=True), batchnorm.BatchNorm(3)(channels, training=True)),
]
assert np.max(differences) < 1e-9, "your layer and the reference disagree: look for DIFFERENT"
assert np.allclose(yours(batch)[:1], yours(batch[:1])), "a prediction must not depend on its neighbours"
print("✓ checkpoint 6: your NumPy layer agrees with the reference, for rank 2 and rank 4")

# %% [markdown]
# **Break it on purpose.** Put epsilon outside the root, or swap `momentum` and `1 - momentum`, or average over axis 0
# only. Each time run the class and the comparison again: which lines notice, and which do not? Then mend it.
#
# <details><summary>What each one breaks (open this afterwards)</summary>
#
# Epsilon: all but the moving statistics. Momentum: moving mean, moving variance and inference. Axis 0: rank 4 only.
#
# </details>
#
# **Pause here.** The forward pass is done. Next sitting: backwards.

# %% [markdown]
# ## Backwards, step by step
#
# To train the layers *below*, the gradient must get through Batch Normalization: given dy, how the loss changes with
# each output, find dx, how it changes with each input. (Here `dsomething` always means: gradient of the loss with
# respect to `something`.) The subtlety: each x reaches its own y by **three** paths, and the other y of its column by
# two of them, because all rows share the mean and the spread.
#
# ```text
#  x ──┬──────────► shifted ──┬───────────────────────► x̂ ──► y = γ·x̂ + β
#      │               ▲      │                         ▲
#      └──► mu ────────┘      └──► var ──► inv_std ─────┘
#         2nd path                 3rd path
# ```
#
# (`shifted` is x − mu, `inv_std` is 1/√(var + epsilon), and x̂ = shifted · inv_std is the normalised value.)
#
# We walk back along the arrows, stop by stop. Beside the rules from school, two are enough. A number that served all N rows collects the
# **sum** of their gradients. And a mean over N rows gives each row **1/N** of its gradient.
# First, the way forward once more, with a name for each stop:

# %%
x = images[:32, 2:6, 3:5].reshape(32, 8)  # eight pixels from the middle of the image: all of them vary
N = len(x)
mu = x.mean(axis=0)
shifted = x - mu
var = np.mean(shifted**2, axis=0)
inv_std = 1 / np.sqrt(var + epsilon)
x_hat = shifted * inv_std

# What the layers above send back: any numbers. Ours lean to one side, so that a figure further down is easy to read.
dy = np.random.default_rng(0).normal(size=x.shape) + 0.8 * x_hat + 0.7

# %% [markdown]
# **Back through y = gamma · x̂ + beta.** One gamma serves all rows, so its gradient is a sum over the rows.

# %%
dbeta = dy.sum(axis=0)
dgamma = (dy * x_hat).sum(axis=0)
dx_hat = dy * gamma

# %% [markdown]
# **Back through x̂ = shifted · inv_std.** A product: each factor gets the gradient times the other one. (One inv_std
# serves all rows, so again a sum.)

# %%
dshifted_direct = dx_hat * inv_std  # the first path
dinv_std = (dx_hat * shifted).sum(axis=0)

# %% [markdown]
# **Back through inv_std = (var + epsilon)^(−1/2) and var = mean of shifted².** This is the path by which each
# x changes the *spread* of its column, and with it every other output. The derivatives are those from school:
# v^(−1/2) has −½ · v^(−3/2), and s² has 2s; the mean brings a 1/N. (With v = var + epsilon, v^(−3/2) is inv_std³.)

# %%
dvar = dinv_std * -0.5 * inv_std**3
dshifted = dshifted_direct + dvar * 2 * shifted / N  # the third path is added

# %% [markdown]
# **Back through shifted = x − mu.** The path that is left: each x pulls the mean, which every row subtracts.

# %%
dmu = -dshifted.sum(axis=0)  # the second path
dx = dshifted + dmu / N

# %% [markdown]
# That is the whole backward pass. Now put the lines into each other. The first and the third path together give
#
# dshifted = inv_std · (dx̂ − x̂ · mean of dx̂·x̂),
#
# because inv_std · shifted is x̂, twice. The second path takes off the mean of dshifted, which is inv_std · mean of dx̂:
# the other part has mean 0, as x̂ has. With dx̂ = γ · dy all of it is one line:
#
# $$dx = \frac{\gamma}{\sqrt{\text{var} + \epsilon}}\left(dy - \frac{\text{dbeta}}{N} - \hat{x}\,\frac{\text{dgamma}}{N}\right)$$
#
# (dbeta/N is the mean of dy, and dgamma/N the mean of dy · x̂. The paper has the named steps as six equations in its
# section 3.)

# %% tags=["nbval-ignore-output"]
dx_short = gamma * inv_std * (dy - dbeta / N - x_hat * dgamma / N)
reference_gradients = batchnorm.backward(dy, batchnorm.forward(x, gamma, beta, epsilon)[1])
differences = [compare("dx: named steps, short formula", dx, dx_short)]
for name, own, reference in zip(("dx", "dgamma", "dbeta"), (dx, dgamma, dbeta), reference_gradients, strict=True):
    differences.append(compare(f"{name}: yours, reference", own, reference))
assert np.max(differences) < 1e-9, "one of the gradients is off: look for DIFFERENT"
print("✓ checkpoint 7: the named steps and the short formula agree")

# %% [markdown]
# ## See what the two subtracted terms do
#
# The mean of dy is its level, and the mean of dy · x̂ is the slope of the straight line that fits dy best over x̂ (as x̂
# has mean 0 and standard deviation 1). So the formula says: **fit a straight line to dy over x̂,
# and keep only what the line does not explain.**

# %%
feature = 2
fit = np.polyfit(x_hat[:, feature], dy[:, feature], 1)  # least squares: knows nothing about Batch Normalization
line = np.polyval(fit, x_hat[:, feature])
after = dx[:, feature] / (gamma * inv_std)[feature]

figure, axes = new_figure(1, 2, width=10, height=3.6, sharey=True)
axes[0].plot(x_hat[:, feature], dy[:, feature], MARKERS[0], color=COLORS[0], label="dy: what arrives")
ends = x_hat[[x_hat[:, feature].argmin(), x_hat[:, feature].argmax()], feature]
axes[0].plot(ends, np.polyval(fit, ends), color=COLORS[1], ls=LINESTYLES[1], lw=2,
             label=f"best straight line, slope {fit[0]:+.2f}")
axes[0].vlines(x_hat[:, feature], line, dy[:, feature], color=COLORS[0], lw=0.8, alpha=0.6)
axes[1].plot(x_hat[:, feature], after, MARKERS[1], color=COLORS[2], label="dx · σ / γ: what is passed on")
axes[1].axhline(0, color=COLORS[1], ls=LINESTYLES[1], lw=2, label="its best straight line: zero")
axes[1].vlines(x_hat[:, feature], 0, after, color=COLORS[2], lw=0.8, alpha=0.6)
for axis in axes:
    axis.set(xlabel="x̂, the normalised input")
    axis.legend(loc="upper left", fontsize=9)
    axis.set_ylim(-4, 6)
axes[0].set_ylabel("gradient")
Plot(figure, f"Left: the gradient that arrives has the straight line {fit[1]:.2f} {fit[0]:+.2f}·x̂ in it. Right: what "
             f"passes is the distance of each dot from that line; the largest deviation from this rule is "
             f"{'below 0.001' if abs(after - (dy[:, feature] - line)).max() < 0.001 else 'large'}.")

# %% [markdown]
# Why just this? A gradient with a constant in it says "move the whole column". The mean would subtract that again.
# A gradient along x̂ says "stretch the column". The standard deviation would divide that out again.
# Both have no effect on the output, so Batch Normalization strikes both from the gradient, and passes on what can.

# %%
for name, gradient in (("dy", dy), ("dx", dx)):
    shift, stretch = abs(gradient.sum(axis=0)).max(), abs((gradient * x_hat).sum(axis=0)).max()
    print(f"{name}: largest shift of a column {shift:.3f}, largest stretch {stretch:.3f}")
assert shift < 1e-9, "dx must not want to move a whole column"
assert stretch < 1e-2, "dx must not want to stretch a column (epsilon leaves a trace)"
print("✓ checkpoint 8: no shift and no stretch is left in dx")

# %% [markdown]
# ## The gradient check, and its two traps
#
# How do you know that a gradient is right? Nudge one input by a little h, look at how far the loss moves, and compare:
# (loss(x + h) − loss(x − h)) / 2h. This needs no derivation, so it cannot share a mistake with one.

# %%
def numerical_gradient(loss, x, h=1e-5):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        gradient[index] = (loss(up) - loss(down)) / (2 * h)
    return gradient


def normalize(x):
    return gamma.astype(x.dtype) * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon) + beta.astype(x.dtype)


# %% [markdown]
# **Trap 1, and a prediction.** As the loss, let us take the sum of all outputs, as one does for a quick test. Its dy is
# 1 everywhere. What is dx?

# %%
my_prediction = None  # your guess: "1 everywhere", "gamma / sigma" or "0 everywhere"

# %%
sum_gradient = numerical_gradient(lambda x: normalize(x).sum(), x)
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("measured:", "0 everywhere" if abs(sum_gradient).max() < 1e-6 else "not 0")

# %% [markdown]
# It is 0 for *any* input: the outputs of a column have mean beta, so their sum is N · beta, whatever x is.
# A check with this loss passes for a layer whose backward pass returns zeros, and for many others that are wrong.
# Take a loss that weighs each output differently. Ours is the sum of w · y + y².

# %%
w = np.random.default_rng(1).normal(size=x.shape)


def loss(x):
    y = normalize(x)
    return np.sum(w.astype(x.dtype) * y + y * y)


def analytic_gradient(x, include_mean=True, include_variance=True):
    x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon)
    dy = w + 2 * normalize(x)
    inner = dy - include_mean * dy.mean(axis=0) - include_variance * x_hat * (dy * x_hat).mean(axis=0)
    return gamma / np.sqrt(x.var(axis=0) + epsilon) * inner


def relative_error(a, b):
    return abs(a - b).max() / max(abs(a).max(), abs(b).max())


numeric = numerical_gradient(loss, x)
for name, options in (("right", {}), ("mean held constant", {"include_mean": False}),
                      ("variance held constant", {"include_variance": False})):
    error = relative_error(analytic_gradient(x, **options), numeric)
    print(f"{name:24}", "below 1e-7: passes" if error < 1e-7 else f"relative error {error:.0%}: caught")

# %% [markdown]
# **Trap 2: float32.** The right formula, the right loss, and the check can still fail: it subtracts two nearly equal
# losses. Look at the error for every nudge h, in both precisions. Where float32 lies flat at 1 (100 % wrong), the nudge
# changes the loss by less than the gap between two neighbouring float32 numbers.

# %% tags=["nbval-ignore-output"]
nudges = 10.0 ** np.arange(-9, 1)
errors = {}
for dtype in ("float64", "float32"):
    exact = analytic_gradient(x)
    errors[dtype] = [relative_error(numerical_gradient(loss, x.astype(dtype), h).astype("float64"), exact)
                     for h in nudges]

figure, axis = new_figure(height=3.6)
for i, (dtype, values) in enumerate(errors.items()):
    axis.loglog(nudges, values, MARKERS[i], ls=LINESTYLES[i], color=COLORS[i], label=dtype)
axis.axhline(1e-7, color="black", lw=1, ls=LINESTYLES[3], label="the bar we set: 1e-7")
axis.set(xlabel="h, the nudge", ylabel="relative error of the check")
axis.text(1e-9, 3e-6, "rounding:\nh too small", va="top")
axis.text(0.15, 5e-8, "curvature:\nh too large", va="top")
axis.legend(loc="lower left")
Plot(figure, f"To the right h is so large that the loss bends within it; to the left rounding takes over. The best "
             f"error is about {min(errors['float64']):.0e} in float64 and {min(errors['float32']):.0e} in float32. "
             "Same formula, same data: in float32 even the right gradient misses the bar at every h tried.")

# %%
assert min(errors["float64"]) < 1e-7, "in float64 the right gradient passes for a sensible h"
assert min(errors["float32"]) > 1e-6, "in float32 it should pass at no h that we tried"
assert errors["float64"][0] > 10 * min(errors["float64"]), "a smaller h is not always a better one"
print("✓ checkpoint 9: check gradients in float64, with a middling h, and never with the plain sum as the loss")

# %% [markdown]
# **Pause here.** You have both passes in NumPy. Last sitting: Keras.
#
# ## Your own Keras layer
#
# Keras finds the backward pass on its own. A layer is a class made from `keras.layers.Layer`, which takes the options
# that are not ours (`super().__init__(**options)`). `build` runs once, when the input's shape is known, and makes the
# weights; `trainable=False` marks what the optimizer must leave alone. `call` runs for every batch. `ops` is NumPy for
# tensors (`ops.moments`: mean and biased variance), and `assign` changes a stored value.
# Compare each line with your NumPy class. Importing TensorFlow takes a few seconds.

# %%
from helpers import environment

environment.quiet_tensorflow()
import keras
import tensorflow as tf
from keras import ops


class MyBatchNormalization(keras.layers.Layer):
    def __init__(self, momentum=0.99, epsilon=1e-3, **options):
        super().__init__(**options)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, input_shape):
        features = (input_shape[-1],)
        self.gamma = self.add_weight(shape=features, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=features, initializer="zeros", name="beta")
        self.moving_mean = self.add_weight(shape=features, initializer="zeros", trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(
            shape=features, initializer="ones", trainable=False, name="moving_variance"
        )

    def call(self, x, training=False):
        if training:
            mean, variance = ops.moments(x, axes=list(range(len(x.shape) - 1)))
            self.moving_mean.assign(self.momentum * self.moving_mean + (1 - self.momentum) * mean)
            self.moving_variance.assign(self.momentum * self.moving_variance + (1 - self.momentum) * variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        return self.gamma * (x - mean) / ops.sqrt(variance + self.epsilon) + self.beta


# %% [markdown]
# Four vectors per layer. Two are *trained* by the optimizer, two are only *tracked*. (The lesson says "moving averages
# learned during training". No gradient ever touches them: they are measured.) Keras' own layer can do more. For example,
# frozen by `trainable = False`, it uses its moving statistics even in training ([05](05_training_and_inference.ipynb)).

# %%
layer = MyBatchNormalization()
layer(x)
for weight in layer.weights:
    print(f"{weight.name:16} shape {tuple(weight.shape)}   {'trained' if weight.trainable else 'tracked'}")

# %% [markdown]
# ## Parity: your two layers against Keras' own
#
# The exam: your NumPy class and your Keras layer against `keras.layers.BatchNormalization`. Same input, same gamma and
# beta, same dy, in float64. We compare outputs and gradients, and then the moving statistics after three *different*
# batches; for rank 2 and rank 4. TensorFlow's `GradientTape` computes the gradients of the Keras layers.

# %%
def run_numpy(batches, dy, gamma, beta):
    layer = BatchNorm(len(gamma), momentum=0.9)
    layer.gamma, layer.beta = gamma, beta
    outputs = [layer(each, training=True) for each in batches]
    x, dy = batches[0].reshape(-1, len(gamma)), dy.reshape(-1, len(gamma))  # gradients: first batch, short formula
    inv_std = 1 / np.sqrt(x.var(axis=0) + layer.epsilon)
    x_hat = (x - x.mean(axis=0)) * inv_std
    dgamma, dbeta = (dy * x_hat).sum(axis=0), dy.sum(axis=0)
    dx = gamma * inv_std * (dy - dbeta / len(x) - x_hat * dgamma / len(x))
    return outputs[0], dx.reshape(batches[0].shape), dgamma, dbeta, layer.moving_mean, layer.moving_variance


def run_keras(layer, batches, dy, gamma, beta):
    layer.build(batches[0].shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    x = tf.Variable(batches[0])
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    gradients = tape.gradient(y, [x, layer.gamma.value, layer.beta.value], output_gradients=tf.constant(dy))
    for each in batches[1:]:
        layer(each, training=True)
    return y, *gradients, layer.moving_mean, layer.moving_variance


# %% tags=["nbval-ignore-output"]
def parity(data, **options):
    """The largest differences of your NumPy and your Keras layer from Keras' own, for three batches."""
    random, batches = np.random.default_rng(2), np.split(data, 3)
    dy = random.normal(size=batches[0].shape)
    gamma, beta = random.normal(size=(2, data.shape[-1]))
    inputs = (batches, dy, gamma, beta)
    keras_own = run_keras(keras.layers.BatchNormalization(momentum=0.9, dtype="float64", **options), *inputs)
    keras_yours = run_keras(MyBatchNormalization(momentum=0.9, dtype="float64"), *inputs)
    return [list(map(largest_difference, yours, keras_own)) for yours in (run_numpy(*inputs), keras_yours)]


rank_2 = images[:96, 2:6, 3:5].reshape(96, 8)
rank_4 = np.concatenate([channels, channels**2, 0.3 * channels + 7])
table = np.transpose([*parity(rank_2), *parity(rank_4)])
print("largest difference       rank 2: NumPy, Keras     rank 4: NumPy, Keras")
names = ("output y", "dx", "dgamma", "dbeta", "moving mean", "moving variance")
for name, row in zip(names, table, strict=True):
    print(f"{name:24} {row[0]:13.0e} {row[1]:6.0e} {row[2]:17.0e} {row[3]:6.0e}")

# %%
assert table.max() < 1e-9, "parity is broken: look for the large number in the table"
assert np.max(parity(rank_2, epsilon=0.1)) > 0.01, "the comparison must notice another epsilon"
print("✓ checkpoint 10: all", table.size, "differences are rounding errors, and another epsilon is noticed")

# %% [markdown]
# Your layer is the real thing. Now at work, in a network, on the images of the other notebooks. Same initial weights,
# same batches: the losses should agree.

# %% tags=["nbval-ignore-output"]
dataset = load()


def train_with(normalization, epochs=3):
    keras.utils.set_random_seed(7)
    model = keras.Sequential([
        keras.Input((64,)),
        keras.layers.Dense(64, use_bias=False),  # a bias would be subtracted again with the mean
        normalization(),
        keras.layers.Activation("relu"),
        keras.layers.Dense(10),
    ])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model.fit(dataset.x_train, dataset.y_train, epochs=epochs, verbose=0).history["loss"]


losses = {layer.__name__: train_with(layer) for layer in (MyBatchNormalization, keras.layers.BatchNormalization)}
for name, values in losses.items():
    print(f"{name:22}", "   ".join(f"epoch {i}: {value:.3f}" for i, value in enumerate(values, 1)))

# %%
own_losses, keras_losses = losses.values()
assert np.allclose(own_losses, keras_losses, atol=0.005), f"the two train differently: {own_losses}, {keras_losses}"
print("✓ checkpoint 11: a network trains the same with your layer as with Keras'")
print("and it learns, the loss falls by more than three tenths:", keras_losses[-1] < 0.7 * keras_losses[0])

# %% [markdown]
# ## How much can gamma and beta do on their own?
#
# Two numbers per feature sound like little. Here is a severe test: a network of four hidden layers in which **all
# Dense weights keep their random start values**, the last layer included. Only gamma and beta are trained. The rival:
# the same network with only its *last layer* trained, and no gamma and beta at all. It has more trainable numbers.
# (Frankle, Schwab & Morcos asked this in 2021, arXiv:2003.00152. Training only gamma and beta, a deep ResNet
# reached 82 % on CIFAR-10.)
#
# A single run would prove nothing. The course's `sweep` builds the network anew at every point of a grid, here five
# learning rates, and trains it from eight seeds. `runs[i].moving` are the scores at point i, measured with the moving
# statistics.

# %%
def network(trained):
    only_gamma_and_beta = trained == "gamma and beta"
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(4):
        model.add(keras.layers.Dense(100, use_bias=False, trainable=False))
        # `scale` switches gamma on and `center` beta. 300 steps are few for momentum 0.99; 0.9 has long arrived.
        model.add(keras.layers.BatchNormalization(momentum=0.9, scale=only_gamma_and_beta, center=only_gamma_and_beta))
        model.add(keras.layers.Activation("relu"))
    model.add(keras.layers.Dense(10, trainable=not only_gamma_and_beta))
    return model


trained_parts = ("gamma and beta", "last layer")
for trained in trained_parts:
    numbers = sum(int(np.prod(weight.shape)) for weight in network(trained).trainable_weights)
    print(f"{trained:15} {numbers:5} trainable numbers of {network(trained).count_params()}")

# %%
my_prediction = None  # your guess: test accuracy in per cent with only gamma and beta, and with only the last layer

# %% tags=["nbval-ignore-output"]
from functools import partial

from helpers.training import sweep

grid = {"learning_rate": [0.003, 0.01, 0.03, 0.1, 0.3]}
sweeps = {
    trained: sweep(grid, partial(network, trained=trained), dataset, steps=300, optimizer="adam", evaluate_every=300)
    for trained in trained_parts
}

# %% tags=["nbval-ignore-output"]
from helpers.plots import learning_rate_sweep
from helpers.statistics import mean_interval, paired_difference


def best_runs(sweep):
    """The runs at the learning rate that fits the *training* images best: the test images have no say in the choice."""
    return max(sweep.runs, key=lambda runs: runs.moving.train_accuracy[:, -1].mean())


best = {trained: best_runs(sweep).moving.test_accuracy[:, -1] for trained, sweep in sweeps.items()}
for trained, accuracies in best.items():
    print(f"only {trained} trained: test accuracy {mean_interval(accuracies)}")
learning_rate_sweep({f"only {trained}": sweep for trained, sweep in sweeps.items()}, statistics="moving", trained=0.8)

# %%
difference = paired_difference(best["gamma and beta"], best["last layer"])  # seed by seed
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
above_chance = mean_interval(best["gamma and beta"] - dataset.chance, unit="points")
print("measured: gamma and beta alone are", "far" if above_chance.low > 0.5 else "not far", "above guessing,",
      "and better" if difference.low > 0 else "but not better", "than the last layer alone.")

# %% [markdown]
# A random layer with gamma and beta is not so random any more: they choose which of the random features to turn up,
# which to silence (a strongly negative beta before ReLU means "never on"), and where each of them switches on.
#
# ## Verdict on the lesson's claim
#
# > **The lesson:** First, the mean is subtracted. Then, values are divided by the standard deviation.
#
# > **The lesson:** Importantly, BatchNorm does NOT remove model expressiveness.
#
# One batch could be luck. Eight random batches of real images, each with its own random gamma and beta, go through
# Keras' layer and through the formula; and with gamma = σ and beta = μ each must come back as it was.

# %%
def largest_errors(seed):
    """For one random batch: how far Keras is from the formula, and how far the identity is from the input."""
    random = np.random.default_rng(seed)
    x = random.choice(dataset.x_train, 32).astype(np.float64)
    gamma, beta = random.normal(1, 0.5, 64), random.normal(0, 2, 64)
    mu, sigma = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-3)
    layer = keras.layers.BatchNormalization(dtype="float64")
    layer.build(x.shape)
    outputs = []
    for own_gamma, own_beta in ((gamma, beta), (sigma, mu)):
        layer.gamma.assign(own_gamma)
        layer.beta.assign(own_beta)
        outputs.append(layer(x, training=True).numpy())
    return abs(outputs[0] - (gamma * (x - mu) / sigma + beta)).max(), abs(outputs[1] - x).max()


formula_errors, identity_errors = np.transpose([largest_errors(seed) for seed in environment.seeds(8)])
print("every difference below 1e-9:", bool(max(formula_errors.max(), identity_errors.max()) < 1e-9))

# %% [markdown]
# Two of the three measures on the card are only rounding errors: read
# them as "practically 0". The third is the experiment with gamma and beta alone.

# %% tags=["nbval-ignore-output"]
from helpers import claims

card = claims.verdict(
    "C2",
    {
        "formula_error": mean_interval(formula_errors, unit=""),
        "identity_error": mean_interval(identity_errors, unit=""),
        "gamma_beta_gain": difference,
    },
)
card

# %%
claims.record(card, dataset, batches="8 random batches of 32 images",
              gamma_beta_gain=repr(best_runs(sweeps["gamma and beta"])))
print(card.word)

# %% [markdown]
# ## What to take along
#
# - In training: per feature, subtract the mean of the batch, divide by √(variance + epsilon), multiply by gamma, add
#   beta. The variance is biased. For images, average over everything but the channels.
# - It moves and stretches; it does not make values Gaussian. In a prediction the layer is a fixed stretch and shift of
#   each feature, which gamma and beta can undo. In training mean and standard deviation change with every batch.
# - In predictions: moving mean and moving variance. After k batches they have covered 1 − momentum^k of the way.
# - Backwards: what would only shift or stretch a column is struck from the gradient. The sum of the outputs has
#   gradient 0, so never check a gradient with it, and never in float32.
# - Four vectors per layer: gamma and beta are trained, moving mean and moving variance are tracked.
#
# > **The lesson:** The network can then learn faster and deeper.
#
# Can it? That is a claim about training, and [03](03_keras_sequential.ipynb) measures it. To write today's functions
# once more without looking, graded, go to the [exercises](07_exercises.ipynb).
