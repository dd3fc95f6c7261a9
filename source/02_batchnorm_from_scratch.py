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
# **Time:** about 60 minutes, in three sittings of 20 · **Before this:** [01](01_internal_covariate_shift.ipynb)
#
# One image goes through a trained layer three times, each time in the company of other images, and comes out as three
# different numbers. Where the layer stands alone with the image, the result is always 0. You meet that experiment in
# step 5, and you will be able to explain it, because you build the layer yourself. Afterwards you can
#
# - write the forward pass and say over which axes it averages, for a table of numbers and for images;
# - say what epsilon, gamma, beta and momentum are for, and what goes wrong without each of them;
# - derive the backward pass in small steps, and check a gradient without falling into two common traps;
# - prove that your layer *is* `keras.layers.BatchNormalization`: same outputs, same gradients, same moving statistics.
#
# Some cells ask for a **prediction**. Write it down before you run on: you learn most where you are wrong.
# Many sections end in a **checkpoint**, which prints ✓ or tells you what broke. So change things and see.
#
# The three sittings are forward, backward and Keras. "**Pause here**" stands between them.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## A batch of activations
#
# > **The lesson:** Batch Normalization stabilizes learning by normalizing activations within each mini-batch.
#
# A layer of a network sees a batch as a table: one **row** for each example, one **column** for each feature (the
# output of one unit of the layer before). Batch Normalization works on any numbers, so let us take some that you can
# picture: 32 images of handwritten digits, and of each image the eight pixels of its third row.
# (This worked example always uses the digits, because the text names what you see in them.)

# %%
import numpy as np

from helpers.data import load

digits = load("digits", seed=0)
# Grey levels from 0 (paper) to 16 (full ink)
images = digits.pixels(digits.x_train).round().astype("float64")
batch = images[:32, 2]  # 32 images, the pixels of their third row
print("all images:", images.shape, "  our batch:", batch.shape)
batch[:3]

# %% [markdown]
# Look at the eight columns. Where do the values of each column lie, and how far do they spread? The next layer has to
# work with all eight columns.

# %%
from helpers import plots

plots.feature_strips(
    {"A batch as it comes": batch},
    feature="feature (pixel of the third row)", unit="grey level",
    note="The bars reach equally far up and down, so they go below 0, where no grey "
    "level is.",
)

# %% [markdown]
# > **The lesson:** For a given batch of activations:
# > First, the mean is subtracted. Then, values are divided by the standard deviation.
#
# Written as formulas, for each feature, with $N$ the number of rows and $x_i$ the feature's value in row $i$:
#
# $$\mu = \frac{1}{N}\sum_{i=1}^{N} x_i \qquad \sigma^2 = \frac{1}{N}\sum_{i=1}^{N} (x_i - \mu)^2 \qquad
# \hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}} \qquad y_i = \gamma\,\hat{x}_i + \beta$$
#
# The **batch mean** $\mu$ and the **batch variance** $\sigma^2$ come from the batch, $\varepsilon$ (epsilon) is a small
# constant, and $\gamma$ (gamma) and $\beta$ (beta) are trained. Each of the next steps takes one of these formulas.
#
# ## Step 1: subtract the mean
#
# Which mean? The mean *down the column*: each feature over all examples of the batch, `axis=0`. The most common mistake
# is `axis=1`, which averages over the *features of one image*. That is a different method, Layer Normalization:
# each row ends up with mean 0, and the columns do not.

# %%
mean = batch.mean(axis=0)
centred = batch - mean
print("mean of each feature before:", mean.round(1))
print("mean of each feature after: ", abs(centred.mean(axis=0)).round(9))
wrong_axis = batch - batch.mean(axis=1, keepdims=True)
print("after, with the wrong axis: ", wrong_axis.mean(axis=0).round(1))

assert mean.shape == (8,), f"expected one mean per feature, 8 in all: {mean.shape}"
assert abs(centred.mean(axis=0)).max() < 1e-12, "not centred: is the axis 0?"
print("✓ checkpoint 1: every column has mean 0")

# %% [markdown]
# ## Step 2: divide by the standard deviation
#
# **Predict first.** Look at the figure again. If you divide each centred column by its standard deviation, one of the
# eight features gives no number at all. Which one, 0 to 7? And which feature will have a value *far* away from all its
# other values?

# %%
# Your guess: (feature without a number, feature with an extreme value), such as (3, 4)
my_prediction = None

# %%
from helpers import predictions

variance = np.mean(centred**2, axis=0)  # the mean of the squares: divided by N = 32
with np.errstate(invalid="ignore"):  # NumPy would warn about what we want to see
    divided = centred / np.sqrt(variance)
largest = abs(divided).max(axis=0)
print("standard deviations:  ", divided.std(axis=0).round(2))
print("largest value of each:", largest.round(2))
predictions.compare(
    "02, step 2", my_prediction,
    (int(np.isnan(largest).argmax()), int(np.nanargmax(largest))),
    why="A column that never varies has the standard deviation 0. A column with a "
    "single value that differs has a tiny standard deviation, so that value ends up "
    "far away.",
)

# %% [markdown]
# Seven features now have standard deviation 1. But feature 0 is blank in all 32 images: its variance is 0, and 0/0 is
# not a number (`nan`). One `nan` in a network is enough to turn every weight into `nan` at the next step.
# Feature 7 is nearly as bad. One image has grey level 1 there, and the division turned this faint speck into an outlier.
#
# **Which variance?** The *biased* variance, the sum of squares divided by $N$. The unbiased variance of statistics
# divides by $N - 1$, which would be 0/0 for a batch of one. Keras uses $N$ throughout. The paper (its Algorithm 2) and
# PyTorch use $N$ to normalise, and $N - 1$ for the variance that they keep for predictions.
#
# ## Step 3: epsilon
#
# The cure is a small constant under the root: $\sqrt{\sigma^2 + \varepsilon}$. Keras takes $\varepsilon = 0.001$,
# PyTorch 0.00001.

# %%
epsilon = 1e-3
normalized = centred / np.sqrt(variance + epsilon)
spread = normalized.std(axis=0)
print("standard deviations:  ", spread.round(3))
print("largest value of each:", abs(normalized).max(axis=0).round(2))

expected = np.sqrt(batch.var(axis=0) / (batch.var(axis=0) + epsilon))
assert np.isfinite(normalized).all(), "a constant feature gives nan: where is epsilon?"
assert np.allclose(spread, expected), "is epsilon inside the root?"
print("✓ checkpoint 2: finite everywhere, and epsilon is inside the root")

# %% [markdown]
# The constant feature is now 0 in every row. The price is small: the standard deviation is
# $\sqrt{\sigma^2 / (\sigma^2 + \varepsilon)}$ instead of 1. Epsilon matters where a variance is about as small as
# epsilon itself:

# %%
for v in (0.0, 1e-4, 1e-3, 1e-2, 1.0, 36.0):
    after = np.sqrt(v / (v + epsilon))
    print(f"variance {v:8.4f}   standard deviation after normalising {after:.4f}")

# %% [markdown]
# <details><summary>For experts: why we subtract the mean before squaring</summary>
#
# A formula from the textbooks needs only one pass over the data: $\sigma^2 = E[x^2] - E[x]^2$, the mean of the squares
# minus the square of the mean. It is used for speed even in real layers (such as Keras 3 with PyTorch). In the float32
# numbers that networks compute with, this formula fails where the mean is large beside the spread. The next cell adds
# 10 000 to our batch, which changes no variance. With one pass only multiples of 8 come out, and features 1 and 6 seem
# not to vary at all, because 10 000 squared is 100 000 000, and neighbouring float32 numbers lie 8 apart there. The
# difference of two such numbers can even be negative.
#
# </details>

# %%
far = (batch + 10_000).astype("float32")  # the same spread, far from zero
one_pass = np.mean(far**2, axis=0) - np.mean(far, axis=0) ** 2
two_passes = np.mean((far - far.mean(axis=0)) ** 2, axis=0)
print("true variance:               ", variance.round(1))
print("mean first, then the squares:", two_passes.round(1))
print("one pass, E[x²] − E[x]²:     ", one_pass.round(1))
wrong = {"two": abs(two_passes - variance).max(), "one": abs(one_pass - variance).max()}
assert wrong["two"] < 0.1 < wrong["one"], f"only one pass should be wrong: {wrong}"

# %% [markdown]
# ## What normalising does, and what it does not do
#
# The same eight features, before and after. **Predict first:** what will have become equal in the eight columns? And
# what will be exactly as it was?

# %%
faint = normalized[:, 7]
plots.feature_strips(
    {"before": batch, "after": normalized}, unit="grey level, or normalised value",
    note="Equal standard deviations do not mean alike columns: in feature 7 after "
    f"normalising, {(faint < 0).sum()} of the 32 dots lie at {faint.min():.2f}, and "
    f"one dot at {faint.max():.2f}.",
)

# %% [markdown]
# What became equal: the mean of every feature is 0, and the standard deviation of every feature that varies is 1 or
# nearly 1. What stayed: the order of the dots in a column, and the shape of each strip.
#
# **Predict first.** Take one pixel over *all* training images and draw its histogram. Many people believe that Batch
# Normalization makes values "Gaussian", which means a bell curve. What will the histogram look like after normalising?

# %%
my_prediction = None  # your guess: "bell curve", "as before" or "flat"

# %%
pixel = images[:, 2, 3]
pixel_normalized = (pixel - pixel.mean()) / np.sqrt(pixel.var() + epsilon)
within_one_std = {}
for name, values in (("before", pixel), ("after", pixel_normalized)):
    within_one_std[name] = np.mean(abs(values - values.mean()) < values.std())
    share = within_one_std[name]
    print(f"{name:12} {share:.0%} lie within one standard deviation of the mean")
print("a bell curve 68%")
predictions.compare(
    "02, the histogram", my_prediction,
    "as before" if within_one_std["before"] == within_one_std["after"] else "other",
    why='Many people read "normalise" as "make normal, Gaussian". But to subtract a '
    "number and to divide by a number only relabels the axis.",
)

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the histogram of one pixel before and after normalising, beside a bell curve.
figure, axes = plots.new_figure(1, 2, width=10, height=2.8, sharey=True)
labels = ("grey level", "normalised value")
for axis, values, label in zip(axes, (pixel, pixel_normalized), labels, strict=True):
    _, edges, _ = axis.hist(values, bins=17, color=plots.COLORS[0], edgecolor="white")
    z = (edges - values.mean()) / values.std()
    bell = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * len(values) * (z[1] - z[0])
    axis.plot(edges, bell, color=plots.COLORS[1], ls=plots.LINESTYLES[1],
              label="a bell curve of this mean and std")
    axis.set(xlabel=f"feature 3, {label}")
axes[0].set_ylabel("images")
axes[1].legend(fontsize=9)
plots.Plot(
    figure,
    "The same bars over another axis. "
    f"{np.mean(pixel == 0):.0%} of the images are at the lower end and "
    f"{np.mean(pixel == 16):.0%} at the upper end, where a bell curve has few.",
)

# %% [markdown]
# Normalising shifts and scales each feature, and does nothing else. It sets the mean and the variance. It does not make
# values Gaussian, and it does not make features independent of each other.
#
# > **The lesson:** This produces normalized values with a stable scale across training steps.
#
# > **The lesson:** Instead of letting values grow unpredictably, BatchNorm ensures that activations remain
# > well-behaved.
#
# For the normalised values $\hat{x}$ that is true: whatever the scale of the input, the scale of $\hat{x}$ is the same.
# Multiply the input by 1, 10 or 1000, shift it, and look. (The tiny difference comes from epsilon. The scale of the
# layer's *output* $y$ is set in the next step, by gamma and beta.)

# %%
for factor, shift in ((1, 0), (10, 0), (1000, -500)):
    grown = factor * batch[:, 1:7] + shift  # the six features that really vary
    result = (grown - grown.mean(axis=0)) / np.sqrt(grown.var(axis=0) + epsilon)
    print(f"largest input {abs(grown).max():7.0f}", end="   ")
    print(f"largest normalised value {abs(result).max():.4f}", end="   ")
    print(f"largest change {abs(result - normalized[:, 1:7]).max():.4f}")

# %% [markdown]
# ## Step 4: gamma and beta
#
# If every feature always had mean 0 and standard deviation 1, a layer could no longer say "this feature matters ten
# times as much" or "this feature is positive by default". So each feature gets two parameters of its own, and the
# optimizer trains them like weights: $y = \gamma\,\hat{x} + \beta$. **Gamma** scales the feature and starts at 1.
# **Beta** shifts it and starts at 0.
#
# > **The lesson:** Importantly, BatchNorm does NOT remove model expressiveness. It adds learnable parameters to scale
# > and shift values back if needed.

# %%
gamma = np.array([1.3, -0.7, 2.1, 0.4, 1.9, -1.6, 0.8, 0.3])  # any numbers will do
beta = np.array([0.5, -1.2, 3.3, 0.1, -0.6, 2.2, -0.9, 0.7])
y = gamma * normalized + beta
print("mean of y:              ", y.mean(axis=0).round(2))
print("standard deviation of y:", y.std(axis=0).round(3))

# %% [markdown]
# The mean of the output *is* beta. Its standard deviation is |gamma|, and a little less where the variance is as small
# as epsilon (features 0 and 7). So the mean and the spread of a feature no longer depend on the layers before: two
# trained parameters decide them. The four steps in one picture, for four of the features:

# %%
some = slice(2, 6)
plots.feature_strips(
    {
        "the batch": batch[:, some],
        "1: minus the mean": centred[:, some],
        "2, 3: divided by √(σ² + ε)": normalized[:, some],
        "4: times γ, plus β": y[:, some],
    },
    unit="value",
)

# %% [markdown]
# "Scale and shift values back": can gamma and beta literally do that? Choose
# $\gamma = \sqrt{\sigma^2 + \varepsilon}$ and $\beta = \mu$.

# %%
given_back = np.sqrt(variance + epsilon) * normalized + mean
assert np.allclose(given_back, batch, atol=1e-12), "this must give the batch back"
print("✓ checkpoint 3: gamma = sigma and beta = mu give the input back")

# %% [markdown]
# So gamma and beta can undo the normalisation of *this* batch. At inference the layer scales and shifts each feature by
# fixed numbers (step 5 shows why), so there gamma and beta can undo the layer altogether. In training they cannot quite,
# because the mean and the standard deviation change with every batch, and one gamma and one beta cannot follow all of
# them. (The first quiz question in [07](07_exercises.ipynb) is about this: no, Batch Normalization does not remove
# flexibility.)
#
# ## Play with it
#
# One feature of one batch in three rows: raw, normalised, output. Each dot keeps its height, so you can follow it from
# row to row. (A batch is a sample, so its own mean and spread differ a little from those of the distribution that it is
# drawn from.) Try these:
#
# 1. Move **mean** and **spread**. What happens to the two lower rows?
# 2. Set **batch size** to 2, then to 1. What is the output now, and how much does it depend on the input?
# 3. Give one example an **outlier** of 40. What happens to all the *others*?
# 4. Set **spread** to 0.1 and raise **epsilon** to 1.
#
# (The sliders move in a running notebook and on the course's site. Elsewhere you see a picture of the first position.)
#
# <details><summary>What you should have seen (open this afterwards)</summary>
#
# 1. Almost nothing, until the variance comes near epsilon: normalised values do not depend on where the batch was or
#    how wide it was.
# 2. With two examples the normalised values are about −1 and +1, as long as the two differ by much more than √epsilon:
#    only their order is left. With one example the output is beta, whatever the input was.
# 3. The others are squeezed together near 0, because all examples share the mean and the standard deviation.
# 4. The variance is then far below epsilon, and the feature is no longer scaled to standard deviation 1.
#
# </details>

# %%
from helpers.explorers import MomentumExplorer, NormalizationExplorer

NormalizationExplorer()

# %% [markdown]
# ## Step 5: moving statistics
#
# A trained network must also answer when *one* image comes. Which mean should the layer subtract then? Here is the same
# image in three different batches, and then alone. Its normalised feature 3 should be one number:

# %%
for start in (32, 64, 96):
    together = np.vstack([batch[:1], images[start : start + 31, 2]])
    std = np.sqrt(together.var(axis=0) + epsilon)
    result = (together - together.mean(axis=0)) / std
    print(f"with images {start} to {start + 30}: {result[0, 3]:+.3f}")

alone = batch[:1]
result = (alone - alone.mean(axis=0)) / np.sqrt(alone.var(axis=0) + epsilon)
print(f"alone:                 {result[0, 3]:+.3f}")

# %% [markdown]
# The answer depends on the other images of the batch. For a batch of one, the answer is always 0, because the image is
# its own mean. In training we accept this noise, and it may even help a little against overfitting
# ([06](06_batchnorm_vs_dropout.ipynb)). In a prediction we cannot accept it.
#
# > **The lesson:** During training, BatchNorm computes statistics from each mini-batch.
# > During inference, it uses moving averages learned during training.
#
# So while the network trains, the layer keeps two more numbers for each feature, a **moving mean** and a **moving
# variance**, and moves them a little towards each batch:
#
# $$\text{moving} \leftarrow \text{momentum} \cdot \text{moving} + (1 - \text{momentum}) \cdot \text{batch}$$
#
# In Keras, momentum is the weight of the *old* value, 0.99 by default. (PyTorch's 0.1 is the weight of the *new* value.)
# The moving mean starts at 0 and the moving variance at 1.

# %%
momentum = 0.99
moving_mean, moving_variance = np.zeros(8), np.ones(8)
for start in range(0, 32 * 32, 32):  # 32 batches of 32 images
    new = images[start : start + 32, 2]
    moving_mean = momentum * moving_mean + (1 - momentum) * new.mean(axis=0)
    moving_variance = momentum * moving_variance + (1 - momentum) * new.var(axis=0)

# %% [markdown]
# **Predict first.** The layer has seen 32 batches, about one pass over all images. The moving mean started at 0. Which
# percentage of the true mean has it reached?

# %%
my_prediction = None  # your guess, in per cent

# %%
true_mean = images[: 32 * 32, 2].mean(axis=0)
print("true mean:  ", true_mean.round(2))
print("moving mean:", moving_mean.round(2))
covered = moving_mean.sum() / true_mean.sum()
print(f"measured: {covered:.1%}   1 - momentum**32 = {1 - momentum**32:.1%}")

assert abs(covered - (1 - momentum**32)) < 0.02, "is momentum beside the old value?"
true_variance = images[: 32 * 32, 2].var(axis=0)
expected = momentum**32 * 1 + (1 - momentum**32) * true_variance
assert np.allclose(moving_variance, expected, rtol=0.1), "does the variance start at 1?"
print("✓ checkpoint 4: after k batches a share of 1 - momentum**k is covered")

# %%
predictions.compare(
    "02, the moving mean", my_prediction, float(round(100 * covered)), within=10,
    why="Most people expect a mean over all images seen. But each batch closes only "
    "one hundredth of the gap, so after k batches momentum^k of the gap is left.",
)

# %% [markdown]
# A model that is evaluated too early uses statistics that are mostly still 0 and 1. This is a common reason for a
# validation accuracy that is mysteriously low at first ([05](05_training_and_inference.ipynb) takes the effect apart).
#
# In the explorer, find out how many batches it takes to cover 90 % with momentum 0.99, and with 0.9.
# Then look at the price of the lower momentum: how much does the curve vary once it has arrived?
#
# <details><summary>The answer (open this afterwards)</summary>
#
# About 230 batches against 22. But the lower momentum averages over fewer batches, so its curve varies three times as
# much.
#
# </details>

# %%
MomentumExplorer()

# %% [markdown]
# ## Images and channels: any rank
#
# The *rank* of an array is the number of its axes: our table has rank 2. A convolutional layer puts out rank 4: (batch,
# height, width, channels). A channel is *one* feature, wherever in the image it was measured, because the same filter
# made it. So the average runs over all axes but the last: examples, rows and columns. In the drawing, every number that
# shares the first mean is coloured. It compares Batch Normalization with the two mistakes of this notebook, an average
# over the examples alone and an average over the channels:

# %%
plots.shared_means({
    "Batch Normalization": lambda x: x.mean(axis=(0, 1, 2), keepdims=True),
    "examples alone": lambda x: x.mean(axis=0, keepdims=True),
    "channels alone": lambda x: x.mean(axis=-1, keepdims=True),
})

# %% [markdown]
# Now with real images. We make three channels by hand: the brightness, and its change to the right and downwards
# (edge detectors).

# %%
edges = np.gradient(images, axis=2), np.gradient(images, axis=1)
channels = np.stack([images, *edges], axis=-1)[:32]
all_but_last = tuple(range(channels.ndim - 1))
print("shape", channels.shape, "-> average over axes", all_but_last)
print("values behind each mean:", channels[..., 0].size)
print("mean of each channel:   ", channels.mean(axis=all_but_last).round(2))
print("std of each channel:    ", channels.std(axis=all_but_last).round(2))
assert channels.mean(axis=all_but_last).shape == (3,), "one mean per channel"
print("✓ checkpoint 5: three channels, three means")
print("  (over axis 0 alone:", channels.mean(axis=0).size, "means)")

# %% [markdown]
# ## The whole layer
#
# Five steps, one class. `training=True` uses the batch statistics and updates the moving statistics. Otherwise the layer
# uses the moving statistics and changes nothing. You have run every line before.
#
# <details><summary>For experts: what of this is in the paper</summary>
#
# In training the class is Algorithm 1 of Ioffe & Szegedy (2015, arXiv:1502.03167). For predictions, their Algorithm 2
# averages the statistics of many batches *after* training. They mention moving averages in section 3.1, as a way to
# follow the accuracy *while* the network trains, and that is what Keras does.
#
# </details>


# %%
class BatchNorm:
    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        self.momentum, self.epsilon = momentum, epsilon
        self.gamma, self.beta = np.ones(features), np.zeros(features)  # trained
        self.moving_mean = np.zeros(features)  # the moving statistics are tracked
        self.moving_variance = np.ones(features)

    def __call__(self, x, training=False):
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            axes = tuple(range(x.ndim - 1))
            mean = x.mean(axis=axes)
            variance = np.mean((x - mean) ** 2, axis=axes)
            old, new = self.momentum, 1 - self.momentum
            self.moving_mean = old * self.moving_mean + new * mean
            self.moving_variance = old * self.moving_variance + new * variance
        x_hat = (x - mean) / np.sqrt(variance + self.epsilon)
        return self.gamma * x_hat + self.beta


# %% [markdown]
# The course has a reference of its own in `helpers/batchnorm.py`, which is faster and checks its input. Your class must
# give the same numbers: *exactly*, to the last bit, or *approximately*, up to rounding, which is just as good.

# %%
def largest_difference(yours, reference):
    yours, reference = np.asarray(yours), np.asarray(reference)
    assert yours.shape == reference.shape, f"{yours.shape}, expected {reference.shape}"
    return abs(yours - reference).max()


def compare(name, yours, reference):
    difference = largest_difference(yours, reference)
    verdict = "approximate" if difference < 1e-9 else "DIFFERENT"
    verdict = "exact" if difference == 0 else verdict
    print(f"{name:32} {verdict:12} largest difference {difference:.0e}")
    return difference


# %% tags=["nbval-ignore-output"]
from helpers import batchnorm

yours = BatchNorm(8, momentum=0.9)
reference = batchnorm.BatchNorm(8, momentum=0.9)
for layer in (yours, reference):
    layer.gamma, layer.beta = gamma, beta
three = np.split(images[:96, 2], 3)
pairs = {
    f"training, batch {i}": [layer(x, training=True) for layer in (yours, reference)]
    for i, x in enumerate(three, 1)
} | {
    "moving mean": (yours.moving_mean, reference.moving_mean),
    "moving variance": (yours.moving_variance, reference.moving_variance),
    "inference": (yours(batch), reference(batch)),
    "rank 4": [kind(3)(channels, training=True)
               for kind in (BatchNorm, batchnorm.BatchNorm)],
}
differences = [compare(name, *pair) for name, pair in pairs.items()]

# %%
assert np.max(differences) < 1e-9, "not the reference's numbers: look for DIFFERENT"
neighbours = yours(batch)[:1] - yours(batch[:1])
assert np.allclose(neighbours, 0), "a prediction depends on the rest of its batch"
print("✓ checkpoint 6: your NumPy layer agrees with the reference, for ranks 2 and 4")

# %% [markdown]
# **Break it on purpose.** Put epsilon outside the root, or swap `momentum` and `1 - momentum`, or average over axis 0
# only. Each time run the class and the comparison again: which lines notice, and which do not? Then mend it.
#
# <details><summary>What each change breaks (open this afterwards)</summary>
#
# Epsilon: all but the moving statistics. Momentum: moving mean, moving variance and inference. Axis 0: rank 4 only.
#
# </details>
#
# **Pause here.** The forward pass is done. The next sitting goes backwards.

# %% [markdown]
# ## Backwards, step by step
#
# To train the layers *below*, the gradient must get through Batch Normalization: given how the loss changes with each
# output, $dy$, find how it changes with each input, $dx$. (Here $da$ always means the gradient of the loss with respect
# to $a$, for any $a$.) The difficulty: each $x$ reaches its own $y$ by **three** paths, because it is also part of the
# mean and of the variance. And it reaches the other $y$ of its column by two of those paths, because all rows share the
# mean and the variance.
#
# | symbol | in the code | value |
# |---|---|---|
# | $\mu$ | `mu` | the mean of the column |
# | $s$ | `shifted` | $x - \mu$ |
# | $v$ | `var` | the mean of $s^2$ |
# | $r$ | `inv_std` | $1/\sqrt{v + \varepsilon}$ |
# | $\hat{x}$ | `x_hat` | $s \cdot r$, the normalised value |

# %%
plots.backward_graph(step=0)

# %% [markdown]
# We walk back along the arrows, one box after the other. Beside the rules from school, we need two more. A number that
# served all $N$ rows collects the **sum** of their gradients. And a mean over $N$ rows gives each row **1/N** of its
# gradient. First, the forward pass once more, with a name for each box:

# %%
# Eight pixels from the middle of the image, because all of them vary
x = images[:32, 2:6, 3:5].reshape(32, 8)
N = len(x)
mu = x.mean(axis=0)
shifted = x - mu
var = np.mean(shifted**2, axis=0)
inv_std = 1 / np.sqrt(var + epsilon)
x_hat = shifted * inv_std

# The gradient that the layers above send back: any numbers. Ours contain a constant
# and a part along x_hat, because a figure further down shows what becomes of them.
dy = np.random.default_rng(0).normal(size=x.shape) + 0.8 * x_hat + 0.7

# %% [markdown]
# **1. Back through $y = \gamma \hat{x} + \beta$.** One gamma and one beta serve all rows, so each gradient is a sum over
# the rows.

# %%
dbeta = dy.sum(axis=0)
dgamma = (dy * x_hat).sum(axis=0)
dx_hat = dy * gamma
plots.backward_graph(step=1)

# %% [markdown]
# **2. Back through $\hat{x} = s \cdot r$.** In a product, each factor gets the gradient times the other factor. One $r$
# serves all rows, so its gradient is again a sum.

# %%
dshifted_direct = dx_hat * inv_std  # the first path
dinv_std = (dx_hat * shifted).sum(axis=0)
plots.backward_graph(step=2)

# %% [markdown]
# **3. Back through $r = (v + \varepsilon)^{-1/2}$ and $v$, the mean of $s^2$.** This is the path by which each $x$
# changes the *spread* of its column, and with the spread every other output. The derivatives are those from school:
# $(v + \varepsilon)^{-1/2}$ has the derivative $-\frac{1}{2}(v + \varepsilon)^{-3/2} = -\frac{1}{2} r^3$, and $s^2$ has
# $2s$. The mean brings the $1/N$.

# %%
dvar = dinv_std * -0.5 * inv_std**3
dshifted = dshifted_direct + dvar * 2 * shifted / N  # the third path is added
plots.backward_graph(step=3)

# %% [markdown]
# **4. Back through $s = x - \mu$.** The path that is left: each $x$ changes the mean, which every row subtracts.

# %%
dmu = -dshifted.sum(axis=0)  # the second path
dx = dshifted + dmu / N
plots.backward_graph(step=4)

# %% [markdown]
# That is the whole backward pass. Now put the lines into each other. The first and the third path together give
#
# $$ds = r \left(d\hat{x} - \hat{x} \cdot \text{mean of } (d\hat{x} \cdot \hat{x})\right)$$
#
# because $r \cdot s$ is $\hat{x}$, twice. The second path subtracts the mean of $ds$, which is $r$ times the mean of
# $d\hat{x}$, because the other part has mean 0, as $\hat{x}$ has. With $d\hat{x} = \gamma \cdot dy$, one line holds it all:
#
# $$dx = \frac{\gamma}{\sqrt{v + \varepsilon}}\left(dy - \frac{d\beta}{N} - \hat{x}\,\frac{d\gamma}{N}\right)$$
#
# Here $d\beta/N$ is the mean of $dy$, and $d\gamma/N$ is the mean of $dy \cdot \hat{x}$. (The paper has the named steps as
# six equations in its section 3.)

# %% tags=["nbval-ignore-output"]
dx_short = gamma * inv_std * (dy - dbeta / N - x_hat * dgamma / N)
_, cache = batchnorm.forward(x, gamma, beta, epsilon)
reference_gradients = batchnorm.backward(dy, cache)
differences = [compare("dx: named steps, short formula", dx, dx_short)]
own_gradients = {"dx": dx, "dgamma": dgamma, "dbeta": dbeta}
for (name, own), reference in zip(
    own_gradients.items(), reference_gradients, strict=True
):
    differences.append(compare(f"{name}: yours, reference", own, reference))
assert np.max(differences) < 1e-9, "a gradient is wrong: look for DIFFERENT"
print("✓ checkpoint 7: the named steps and the short formula agree")

# %% [markdown]
# ## See what the two subtracted terms do
#
# The mean of $dy$ is its level. The mean of $dy \cdot \hat{x}$ is the slope of the straight line that fits $dy$ best over
# $\hat{x}$, because $\hat{x}$ has mean 0 and standard deviation 1. So the formula says: **fit a straight line to $dy$
# over $\hat{x}$, and keep only what the line does not explain.**

# %%
feature = 2
# Least squares, which knows nothing about Batch Normalization
slope, level = np.polyfit(x_hat[:, feature], dy[:, feature], 1)
line = level + slope * x_hat[:, feature]
passed_on = dx[:, feature] / (gamma * inv_std)[feature]
distance = abs(passed_on - (dy[:, feature] - line)).max()
print("what is passed on is the distance from the line:", bool(distance < 1e-3))

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the arriving gradient with its straight line, and what is passed on.
figure, axes = plots.new_figure(1, 2, width=10, height=3.6, sharey=True)
arrives = dy[:, feature], line, "dy: what arrives", f"best line, slope {slope:+.2f}"
leaves = passed_on, 0 * line, "dx · σ / γ: what is passed on", "its best line: zero"
for axis, panel, i in zip(axes, (arrives, leaves), (0, 2), strict=True):
    values, fitted, name, name_of_line = panel
    at, color = x_hat[:, feature], plots.COLORS[i]
    ends = [at.argmin(), at.argmax()]
    axis.plot(at, values, plots.MARKERS[i], color=color, label=name)
    axis.plot(at[ends], fitted[ends], "--", color=plots.COLORS[1], label=name_of_line)
    axis.vlines(at, fitted, values, color=color, lw=0.8, alpha=0.6)
    axis.set(xlabel="x̂, the normalised input", ylim=(-4, 6))
    axis.legend(loc="upper left", fontsize=9)
axes[0].set_ylabel("gradient")
plots.Plot(
    figure,
    f"Left: the gradient that arrives contains the straight line {level:.2f} "
    f"{slope:+.2f}·x̂. Right: what is passed on is the distance of each dot from it.",
)

# %% [markdown]
# Why exactly this? A gradient with a constant in it says "move the whole column", but the mean would subtract that move
# again. A gradient along $\hat{x}$ says "scale the column", but the standard deviation would divide that scale out again.
# Neither change has an effect on the output. So Batch Normalization removes both from the gradient, and passes on the
# changes that do have an effect.

# %%
for name, gradient in (("dy", dy), ("dx", dx)):
    shift = abs(gradient.sum(axis=0)).max()
    scale = abs((gradient * x_hat).sum(axis=0)).max()
    print(f"{name}: largest shift of a column {shift:.3f}, largest scaling {scale:.3f}")
assert shift < 1e-9, "dx must not move a whole column"
assert scale < 1e-2, "dx must not scale a column (epsilon leaves a trace)"
print("✓ checkpoint 8: no shift and no scaling is left in dx")

# %% [markdown]
# ## The gradient check, and its two traps
#
# How do you know that a gradient is right? Change one input by a small $h$, look how much the loss changes, and compare:
#
# $$\frac{\partial L}{\partial x} \approx \frac{L(x + h) - L(x - h)}{2h}$$
#
# This needs no derivation, so it cannot share a mistake with your derivation.

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
    x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon)
    return gamma.astype(x.dtype) * x_hat + beta.astype(x.dtype)


# %% [markdown]
# **Trap 1, and a prediction.** As the loss, let us take the sum of all outputs, as one does for a quick test. Its $dy$
# is 1 everywhere. What is $dx$?

# %%
my_prediction = None  # your guess: "1 everywhere", "gamma / sigma" or "0 everywhere"

# %%
sum_gradient = numerical_gradient(lambda x: normalize(x).sum(), x)
predictions.compare(
    "02, the sum as a loss", my_prediction,
    "0 everywhere" if abs(sum_gradient).max() < 1e-6 else "not 0",
    why="The outputs of a column have mean beta, so their sum is N · beta, whatever x "
    "is.",
)

# %% [markdown]
# A check with this loss passes for a layer whose backward pass returns zeros, and for many other wrong layers.
# Take a loss that weighs each output differently. Ours is the sum of $w \cdot y + y^2$, with random weights $w$.

# %%
w = np.random.default_rng(1).normal(size=x.shape)


def loss(x):
    y = normalize(x)
    return np.sum(w.astype(x.dtype) * y + y * y)


def analytic_gradient(x, mean_path=True, variance_path=True):
    x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon)
    dy = w + 2 * normalize(x)
    along_x_hat = x_hat * (dy * x_hat).mean(axis=0)
    inner = dy - mean_path * dy.mean(axis=0) - variance_path * along_x_hat
    return gamma / np.sqrt(x.var(axis=0) + epsilon) * inner


def relative_error(a, b):
    return abs(a - b).max() / max(abs(a).max(), abs(b).max())


# %%
numeric = numerical_gradient(loss, x)
gradients = {
    "right": analytic_gradient(x),
    "mean held constant": analytic_gradient(x, mean_path=False),
    "variance held constant": analytic_gradient(x, variance_path=False),
}
for name, gradient in gradients.items():
    error = relative_error(gradient, numeric)
    caught = f"relative error {error:.0%}: caught"
    print(f"{name:24}", "below 1e-7: passes" if error < 1e-7 else caught)

# %% [markdown]
# **Trap 2: float32.** The formula is right, the loss is right, and the check can still fail, because it subtracts two
# nearly equal losses. The figure shows the error for every $h$, in float64 and in float32. Where the float32 curve is
# flat at 1 (100 % wrong), the change by $h$ changes the loss by less than the gap between two neighbouring float32
# numbers.

# %% tags=["nbval-ignore-output"]
nudges = 10.0 ** np.arange(-9, 1)
exact = analytic_gradient(x)
errors = {"float64": [], "float32": []}
for dtype, of_dtype in errors.items():
    for h in nudges:
        gradient = numerical_gradient(loss, x.astype(dtype), h).astype("float64")
        of_dtype.append(relative_error(gradient, exact))

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the error of the gradient check over h, in float64 and in float32.
figure, axis = plots.new_figure(height=3.6)
for i, (dtype, values) in enumerate(errors.items()):
    axis.loglog(nudges, values, plots.MARKERS[i], ls=plots.LINESTYLES[i],
                color=plots.COLORS[i], label=dtype)
axis.axhline(1e-7, color="black", lw=1, ls=":", label="the bound we set: 1e-7")
axis.set(xlabel="h", ylabel="relative error of the check")
axis.text(1e-9, 3e-6, "rounding:\nh too small", va="top")
axis.text(0.15, 5e-8, "curvature:\nh too large", va="top")
axis.legend(loc="lower left")
plots.Plot(
    figure,
    "To the right, h is so large that the loss bends within it; to the left, rounding "
    f"takes over. The smallest error is about {min(errors['float64']):.0e} in float64 "
    f"and {min(errors['float32']):.0e} in float32. Same formula, same data: in float32 "
    "even the right gradient misses the bound at every h that we tried.",
)

# %%
smallest = {dtype: min(values) for dtype, values in errors.items()}
assert smallest["float64"] < 1e-7, "in float64 the right gradient passes"
assert smallest["float32"] > 1e-6, "in float32 it passes at no h that we tried"
assert errors["float64"][0] > 10 * smallest["float64"], "the smallest h is not the best"
print("✓ checkpoint 9: check gradients in float64, with a middling h,")
print("  and never with the plain sum as the loss")

# %% [markdown]
# **Pause here.** You have both passes in NumPy. The last sitting is Keras.
#
# ## Your own Keras layer
#
# Keras finds the backward pass on its own. A layer is a class made from `keras.layers.Layer`, which takes the options
# that are not ours (`super().__init__(**options)`). `build` runs once, when the input's shape is known, and makes the
# weights; `trainable=False` marks weights that the optimizer must leave alone. `call` runs for every batch. `ops` is
# NumPy for tensors (`ops.moments` gives mean and biased variance), and `assign` changes a stored value.
# Compare each line with your NumPy class. Importing TensorFlow takes a few seconds.

# %%
from helpers import environment

environment.quiet_tensorflow()
import keras
import tensorflow as tf
from keras import ops

# %%
class MyBatchNormalization(keras.layers.Layer):
    def __init__(self, momentum=0.99, epsilon=1e-3, **options):
        super().__init__(**options)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, shape):
        features = shape[-1:]
        self.gamma = self.add_weight(features, "ones")
        self.beta = self.add_weight(features, "zeros")
        self.moving_mean = self.add_weight(features, "zeros", trainable=False)
        self.moving_variance = self.add_weight(features, "ones", trainable=False)

    def call(self, x, training=False):
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            mean, variance = ops.moments(x, axes=list(range(len(x.shape) - 1)))
            old, new = self.momentum, 1 - self.momentum
            self.moving_mean.assign(old * self.moving_mean + new * mean)
            self.moving_variance.assign(old * self.moving_variance + new * variance)
        return self.gamma * (x - mean) / ops.sqrt(variance + self.epsilon) + self.beta


# %% [markdown]
# Four vectors per layer. Two are *trained* by the optimizer, two are only *tracked*. (The lesson says "moving averages
# learned during training". But no gradient ever touches the moving averages: they are measured.) Keras' own layer can do
# more. For example, when it is frozen by `trainable = False`, it uses its moving statistics even in training
# ([05](05_training_and_inference.ipynb)).

# %%
layer = MyBatchNormalization()
layer(x)
for name in ("gamma", "beta", "moving_mean", "moving_variance"):
    weight = getattr(layer, name)
    how = "trained" if weight.trainable else "tracked"
    print(f"{name:16} shape {tuple(weight.shape)}   {how}")

# %% [markdown]
# ## Parity: your two layers against Keras' own
#
# The exam: your NumPy class and your Keras layer against `keras.layers.BatchNormalization`. Same input, same gamma and
# beta, same dy, in float64. We compare outputs and gradients, and then the moving statistics after three *different*
# batches, for rank 2 and rank 4. TensorFlow's `GradientTape` computes the gradients of the Keras layers.

# %%
def run_numpy(batches, dy, gamma, beta):
    layer = BatchNorm(len(gamma), momentum=0.9)
    layer.gamma, layer.beta = gamma, beta
    outputs = [layer(batch, training=True) for batch in batches]
    # The gradients for the first batch, by the short formula
    x, dy = (array.reshape(-1, len(gamma)) for array in (batches[0], dy))
    inv_std = 1 / np.sqrt(x.var(axis=0) + layer.epsilon)
    x_hat = (x - x.mean(axis=0)) * inv_std
    dgamma, dbeta = (dy * x_hat).sum(axis=0), dy.sum(axis=0)
    dx = gamma * inv_std * (dy - dbeta / len(x) - x_hat * dgamma / len(x))
    moving = layer.moving_mean, layer.moving_variance
    return outputs[0], dx.reshape(batches[0].shape), dgamma, dbeta, *moving


# %%
def run_keras(layer, batches, dy, gamma, beta):
    layer.build(batches[0].shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    x = tf.Variable(batches[0])
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    sources = [x, layer.gamma.value, layer.beta.value]
    gradients = tape.gradient(y, sources, output_gradients=tf.constant(dy))
    for batch in batches[1:]:
        layer(batch, training=True)
    return y, *gradients, layer.moving_mean, layer.moving_variance


# %%
def parity(data, **options):
    """Largest differences of your NumPy and your Keras layer from Keras' own."""
    random, batches = np.random.default_rng(2), np.split(data, 3)
    dy = random.normal(size=batches[0].shape)
    gamma, beta = random.normal(size=(2, data.shape[-1]))
    inputs = (batches, dy, gamma, beta)
    common = {"momentum": 0.9, "dtype": "float64"}
    own = run_keras(keras.layers.BatchNormalization(**common, **options), *inputs)
    yours = run_numpy(*inputs), run_keras(MyBatchNormalization(**common), *inputs)
    return [list(map(largest_difference, result, own)) for result in yours]


# %% tags=["nbval-ignore-output"]
rank_2 = images[:96, 2:6, 3:5].reshape(96, 8)
rank_4 = np.concatenate([channels, channels**2, 0.3 * channels + 7])
table = np.transpose([*parity(rank_2), *parity(rank_4)])
print("largest difference       rank 2: NumPy, Keras     rank 4: NumPy, Keras")
names = ("output y", "dx", "dgamma", "dbeta", "moving mean", "moving variance")
for name, row in zip(names, table, strict=True):
    print(f"{name:24} {row[0]:13.0e} {row[1]:6.0e} {row[2]:17.0e} {row[3]:6.0e}")

# %%
assert table.max() < 1e-9, "parity is broken: look for the large number in the table"
assert np.max(parity(rank_2, epsilon=0.1)) > 0.01, "another epsilon must be noticed"
print("✓ checkpoint 10: all", table.size, "differences are rounding errors,")
print("  and another epsilon is noticed")

# %% [markdown]
# Your layer computes what Keras' layer computes. Now let it work in a network, on the images of the other notebooks.
# With the same initial weights and the same batches, the losses should agree.

# %%
dataset = load()


def train_with(normalization, epochs=3):
    keras.utils.set_random_seed(7)
    model = keras.Sequential([
        keras.Input((64,)),
        # No bias: it would be subtracted again with the mean
        keras.layers.Dense(64, use_bias=False),
        normalization(),
        keras.layers.Activation("relu"),
        keras.layers.Dense(10),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    history = model.fit(dataset.x_train, dataset.y_train, epochs=epochs, verbose=0)
    return history.history["loss"]


# %% tags=["nbval-ignore-output"]
layers = MyBatchNormalization, keras.layers.BatchNormalization
losses = {layer.__name__: train_with(layer) for layer in layers}
for name, values in losses.items():
    print(f"{name:22} loss after each epoch:", "  ".join(f"{v:.3f}" for v in values))

# %%
own_losses, keras_losses = losses.values()
assert np.allclose(own_losses, keras_losses, atol=0.005), f"they differ: {losses}"
print("✓ checkpoint 11: a network trains the same with your layer as with Keras'")
learns = keras_losses[-1] < 0.7 * keras_losses[0]
print("and it learns, the loss falls by more than three tenths:", learns)

# %% [markdown]
# ## How much can gamma and beta do on their own?
#
# Two numbers per feature sound like little. Here is a severe test: a network of four hidden layers in which **all
# Dense weights keep their random initial values**, the last layer included. Only gamma and beta are trained. The
# comparison is the same network with only its *last layer* trained, and without gamma and beta. It has more trainable
# numbers. (Frankle, Schwab & Morcos asked this question in 2021, arXiv:2003.00152. With only gamma and beta trained, a
# deep ResNet reached 82 % on CIFAR-10.)
#
# A single run would prove nothing. The course's `sweep` builds the network anew at every point of a grid, here five
# learning rates, and trains it from eight seeds. `runs[i].moving` are the scores at point i, measured with the moving
# statistics.

# %%
def network(trained):
    gamma_and_beta = trained == "gamma and beta"
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(4):
        model.add(keras.layers.Dense(100, use_bias=False, trainable=False))
        # `scale` switches gamma on and `center` beta. Momentum 0.9, because 300 steps
        # are few for 0.99.
        model.add(keras.layers.BatchNormalization(
            momentum=0.9, scale=gamma_and_beta, center=gamma_and_beta))
        model.add(keras.layers.Activation("relu"))
    model.add(keras.layers.Dense(10, trainable=not gamma_and_beta))
    return model


# %%
trained_parts = ("gamma and beta", "last layer")
for trained in trained_parts:
    model = network(trained)
    numbers = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    print(f"{trained:15} {numbers:5} trainable numbers of {model.count_params()}")

# %% [markdown]
# **Predict.** Which of the two will have the higher test accuracy: the network with only gamma and beta trained, or the
# network with only its last layer trained?

# %%
my_prediction = None  # your guess: "gamma and beta", "last layer" or "undecided"

# %% tags=["nbval-ignore-output"]
from functools import partial

from helpers.training import sweep

grid = {"learning_rate": [0.003, 0.01, 0.03, 0.1, 0.3]}
sweeps = {
    trained: sweep(grid, partial(network, trained=trained), dataset, steps=300,
                   optimizer="adam", evaluate_every=300)
    for trained in trained_parts
}

# %% tags=["nbval-ignore-output"]
from helpers.statistics import mean_interval, paired_difference


def best_runs(sweep):
    """The runs that fit the *training* images best: the test images do not choose."""
    return max(sweep.runs, key=lambda runs: runs.moving.train_accuracy[:, -1].mean())


best = {
    name: best_runs(tried).moving.test_accuracy[:, -1] for name, tried in sweeps.items()
}
for trained, accuracies in best.items():
    print(f"only {trained} trained: test accuracy {mean_interval(accuracies)}")
plots.learning_rate_sweep(
    {f"only {trained}": tried for trained, tried in sweeps.items()},
    statistics="moving", trained=0.8,
)

# %%
above_chance = mean_interval(best["gamma and beta"] - dataset.chance, unit="points")
difference = paired_difference(best["gamma and beta"], best["last layer"])
far = "far" if above_chance.low > 0.5 else "not far"
print(f"gamma and beta alone are {far} above guessing")
ahead = "gamma and beta" if difference.low > 0 else "undecided"
predictions.compare(
    "02, gamma and beta alone", my_prediction,
    "last layer" if difference.high < 0 else ahead,
    why="Most people trust the larger number of trained weights. But gamma and beta "
    "stand in every layer, and the last layer stands only behind random features.",
)

# %% [markdown]
# With gamma and beta, a random layer can choose: which of its random features to enlarge, which to silence (a strongly
# negative beta before ReLU means "never on"), and where each of them switches on.
#
# ## Verdict on the lesson's claim
#
# > **The lesson:** First, the mean is subtracted. Then, values are divided by the standard deviation.
#
# > **The lesson:** Importantly, BatchNorm does NOT remove model expressiveness.
#
# One batch could be luck. So eight random batches of real images, each with its own random gamma and beta, go through
# Keras' layer and through the formula. And with $\gamma = \sqrt{\sigma^2 + \varepsilon}$ and $\beta = \mu$, each batch
# must come back as it was.

# %%
def largest_errors(seed):
    """Of one batch: Keras against the formula, the identity against the input."""
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
    formula = gamma * (x - mu) / sigma + beta
    return abs(outputs[0] - formula).max(), abs(outputs[1] - x).max()


# %%
errors_by_seed = [largest_errors(seed) for seed in environment.seeds(8)]
formula_errors, identity_errors = np.transpose(errors_by_seed)
largest = max(formula_errors.max(), identity_errors.max())
print("every difference below 1e-9:", bool(largest < 1e-9))

# %% [markdown]
# Two of the three measures on the card are only rounding errors: read them as "practically 0". The third is the
# experiment with gamma and beta alone.

# %% tags=["nbval-ignore-output"]
from helpers import claims

card = claims.verdict("C2", {
    "formula_error": mean_interval(formula_errors, unit=""),
    "identity_error": mean_interval(identity_errors, unit=""),
    "gamma_beta_gain": difference,
})
card

# %%
claims.record(card, dataset, batches="8 random batches of 32 images",
              gamma_beta_gain=repr(best_runs(sweeps["gamma and beta"])))
print(card.word)

# %%
predictions.summary()

# %% [markdown]
# ## What to take along
#
# - In training: for each feature, subtract the mean of the batch, divide by $\sqrt{\sigma^2 + \varepsilon}$, multiply by
#   gamma, add beta. The variance is the biased one. For images, average over everything but the channels.
# - Normalising shifts and scales; it does not make values Gaussian. At inference the layer scales and shifts each
#   feature by fixed numbers, which gamma and beta can undo. In training, mean and standard deviation change with every
#   batch.
# - In predictions the layer uses the moving mean and the moving variance. After k batches they have covered
#   $1 - \text{momentum}^k$ of the way.
# - Backwards: the part of the gradient that would only shift or scale a column is removed. The sum of the outputs has
#   gradient 0, so never check a gradient with this sum, and never in float32.
# - Four vectors per layer: gamma and beta are trained, moving mean and moving variance are tracked.
#
# > **The lesson:** The network can then learn faster and deeper.
#
# Can it? That is a claim about training, and [03](03_keras_sequential.ipynb) measures it. To write today's functions
# once more without looking, graded, go to the [exercises](07_exercises.ipynb).
