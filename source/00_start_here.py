# %% [markdown]
# # 0 · Start here
#
# **Time:** about 10 minutes · **Before this:** a little Python, NumPy and Keras; you know BatchNorm by name
#
# After this notebook you know what the course does, that your machine can run it, and how a notebook of it works.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# > **The lesson:** In the previous lesson, we studied Dropout, a technique that reduces overfitting by randomly disabling neurons during training.
#
# > **The lesson:** In this lesson, we focus on a technique that improves training stability and speed — Batch Normalization.
#
# > **The lesson:** Batch Normalization is one of the most important breakthroughs that made very deep neural networks practical.
#
# Sentences in such a quote are the lesson's own. The course takes each of them seriously: it explains it, and then it
# **measures** it in front of you, on real images, over several random seeds, with an interval. Some sentences hold, some hold under
# conditions, and some do not hold here. You will see which, and on what evidence.
#
# ## The map
#
# | notebook | the question | minutes |
# |---|---|---|
# | [01 · Internal covariate shift](01_internal_covariate_shift.ipynb) | Do hidden activations really keep moving, and is that what BatchNorm cures? | 25 |
# | [02 · BatchNorm from scratch](02_batchnorm_from_scratch.ipynb) | What exactly does the layer compute, forwards and backwards? | 40 |
# | [03 · BatchNorm in Keras](03_keras_sequential.ipynb) | Faster, higher learning rates, deeper: is it true, and when is it not? | 25 |
# | [04 · Placement](04_placement.ipynb) | Before or after the activation: does it matter? | 25 |
# | [05 · Training and inference](05_training_and_inference.ipynb) | Two modes, two kinds of statistics: what can go wrong? | 30 |
# | [06 · BatchNorm and Dropout](06_batchnorm_vs_dropout.ipynb) | Does one replace the other? | 25 |
# | [07 · Exercises](07_exercises.ipynb) | Can you build it, train it, freeze it and fold it yourself? | 60 |
#
# ## Your machine
#
# The first line shows the versions you run; the second says whether the course is tested with them.

# %% tags=["nbval-ignore-output"]
from helpers import environment

print(environment.versions())

# %%
environment.check_versions()
print("The course is tested with these versions.")

# %% [markdown]
# ## The data
#
# Everything runs on 1 797 real images of handwritten digits that come with scikit-learn, so nothing is downloaded.
# Each image has 8 by 8 pixels with 17 grey levels. The networks see them as rows of 64 standardised numbers.
# **Look for** a digit that you cannot read yourself: no network will be right on all of them.

# %%
import matplotlib.pyplot as plt

from helpers.data import load

digits = load("digits")
figure, axes = plt.subplots(2, 12, figsize=(9, 1.8))
for axis, image, label in zip(axes.flat, digits.pixels(digits.x_train), digits.y_train):
    axis.imshow(image, cmap="gray_r")
    axis.set_title(digits.class_names[label], fontsize=9)
    axis.axis("off")
plt.show()

# %%
print("training rows:", digits.x_train.shape, "  test rows:", digits.x_test.shape)
print("mean and standard deviation of the training pixels:",
      digits.x_train.mean().round(3) + 0.0, digits.x_train.std().round(3))  # fmt: skip

# %% [markdown]
# Where there is a network, `load("mnist")` and `load("fashion_mnist")` give you larger images in the same form.
#
# ## Predict, run, compare
#
# Every experiment starts with a cell that asks for **your prediction**. Write it down before you run: a surprise is worth
# more than a nod. Leave it at `None` and everything still runs.
#
# Try it. A batch of 32 images has a mean for each of its 64 pixels. **Is the mean of every pixel 0**, now that the data are standardised?

# %%
my_prediction = None  # True or False

# %%
means = digits.x_train[:32].mean(axis=0)
all_zero = bool(abs(means).max() < 0.01)
print("every pixel's mean is 0:", all_zero, "· your prediction:", "no prediction yet" if my_prediction is None else my_prediction)

# %% [markdown]
# No: one mean and one standard deviation were taken over *all* pixels, so the pixels differ from each other, and so do batches.
# Making the mean of every feature of every batch 0 is just what Batch Normalization does. Watch it in one line:

# %%
batch = digits.x_train[:32]
centred = batch - batch.mean(axis=0)
print("largest mean before:", abs(batch.mean(axis=0)).max().round(2), "  after:", abs(centred.mean(axis=0)).max().round(5))

# %% [markdown]
# ## How to read a result
#
# A network trained once is an anecdote: other initial weights, another order of batches, another result. The course trains every network from
# several **seeds** and shows `mean ± half the width of the 95 % interval (how many seeds)`. Where two networks are compared they share
# their seeds, and the interval is that of their *difference*:

# %%
import numpy as np

from helpers.statistics import mean_interval, paired_difference

made_up_a = np.array([0.972, 0.968, 0.977, 0.970, 0.974])  # made-up accuracies of five seeds
made_up_b = np.array([0.961, 0.958, 0.969, 0.957, 0.965])
print("a     ", mean_interval(made_up_a))
print("b     ", mean_interval(made_up_b))
print("a - b ", paired_difference(made_up_a, made_up_b))

# %% [markdown]
# The intervals of `a` and `b` nearly touch, yet `a` beats `b` in *every* seed by about the same amount, and the interval of the difference is
# narrow. That is what pairing buys. An interval of a difference that contains 0 means: these seeds cannot tell.

# %% [markdown]
# ## Checks that say what went wrong
#
# The [exercises](07_exercises.ipynb) at the end are checked while you work. A wrong answer is not called "wrong": the check
# finds out *which* mistake it is. Here is a wrong answer on purpose. It shall give every feature of a batch mean 0 and standard
# deviation 1. **Can you find the mistake before the check names it?**

# %%
from helpers.grading import check


def normalize(x, epsilon=1e-3):
    mean = np.mean(x, axis=1, keepdims=True)
    variance = np.var(x, axis=1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


check("normalize", normalize)

# %% [markdown]
# Change both `axis=1` into `axis=0`, run the cell again, and look at what the check says then.
#
# ## What the course found
#
# One row for each claim of the lesson, filled in by the notebook that measures it, with a rule that was fixed before the measurement.
# "Here" means: small networks, small images, a few hundred steps. Would you have bet on the same verdicts?

# %%
from helpers import claims

claims.Table()

# %% [markdown]
# ## Where to go next
#
# [01 · Internal covariate shift](01_internal_covariate_shift.ipynb) begins where the lesson begins: with the problem that BatchNorm was invented for.
