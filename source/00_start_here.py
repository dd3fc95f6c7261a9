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
# *The lesson* is a short text on Batch Normalization; you need not have read it. Each quote like those above is a
# sentence of the lesson. The course explains these sentences. Where it can, it **measures** what they claim in front
# of you, on real images and from several random starts, and it says how far chance alone could have moved the result.
# Some sentences hold, some hold under conditions, some do not hold here, and some are *contested*: the evidence
# points both ways. You will see which, and on what evidence.
#
# ## See it first
#
# The next cell trains two small networks in your browser, on images of handwritten digits. The two have the same initial
# weights and see the same images, and one of them has Batch Normalization. Press one of the upper buttons, or *Play*.
# (Where a notebook may run no scripts, you see a picture: run the cell.)

# %% tags=["nbval-ignore-output"]
from helpers.playground import Playground

Playground()

# %% [markdown]
# What do you see, and would it happen again with other initial weights, another learning rate, other images? One run cannot
# tell. That is what this course is about.
#
# ## The map
#
# | notebook | the question | minutes |
# |---|---|---|
# | [01 · Internal covariate shift](01_internal_covariate_shift.ipynb) | Do hidden activations really keep moving, and is that what BatchNorm cures? | 40 |
# | [02 · BatchNorm from scratch](02_batchnorm_from_scratch.ipynb) | What exactly does the layer compute, forwards and backwards? | 60 |
# | [03 · BatchNorm in Keras](03_keras_sequential.ipynb) | Faster, higher learning rates, deeper: is it true, and when is it not? | 40 |
# | [04 · Placement](04_placement.ipynb) | Before or after the activation: does it matter? | 20 |
# | [05 · Training and inference](05_training_and_inference.ipynb) | Two modes, two kinds of statistics: what can go wrong? | 50 |
# | [06 · BatchNorm and Dropout](06_batchnorm_vs_dropout.ipynb) | Does one replace the other? | 40 |
# | [07 · Exercises](07_exercises.ipynb) | Can you build it, train it, freeze it and fold it yourself? | 115 |
# | [08 · Beyond the lesson](08_beyond_the_lesson.ipynb) | Images, the other normalisations, and what BatchNorm really changes (optional) | 45 |
# | [09 · Very deep networks](09_very_deep_networks.ipynb) | What made very deep networks practical? (optional) | 25 |
# | [10 · More exercises, and a clinic](10_exercises_and_clinic.ipynb) | Can you write the other layers, and find six faults that people really make? (optional) | 100 |
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
# Everything runs on small real images. Unless you choose others, they are the handwritten digits that come with
# scikit-learn, so nothing is downloaded. A network sees an image as one row of numbers, a number for each pixel. We
# computed *one* mean and *one* standard deviation over all pixels of all training images. From every pixel this mean
# was subtracted, and the result was divided by this standard deviation. **Look for** an image that you could not name
# yourself. A network may get such an image wrong, too.

# %%
import matplotlib.pyplot as plt

from helpers.data import load

dataset = load()
print(dataset)
print("They show", dataset.shows)
figure, axes = plt.subplots(2, 12, figsize=(9, 1.8))
pictures = dataset.pixels(dataset.x_train)
for axis, image, label in zip(axes.flat, pictures, dataset.y_train):
    axis.imshow(image, cmap="gray_r")
    name = dataset.class_names[label][:10]
    axis.set_title(name, fontsize=9 if len(name) < 3 else 6)
    axis.axis("off")
plt.show()

# %%
print("training rows:", dataset.x_train.shape, "  test rows:", dataset.x_test.shape)
print("mean and standard deviation of the training pixels:",
      dataset.x_train.mean().round(3) + 0.0, dataset.x_train.std().round(3))

# %% [markdown]
# The whole course also runs on other images, which Keras downloads once: start Jupyter with
# `COURSE_DATA=fashion_mnist` in the environment. The table at the end of this notebook has a column for these images.
# With `COURSE_DATA=mnist` the course runs on the MNIST digits, for which the table has no column.
#
# ## Predict, run, compare
#
# Every experiment starts with a cell that asks for **your prediction**. Write it down before you run: a surprise is
# worth more than a nod. Leave the prediction at `None` and everything still runs. The notebooks come with their
# outputs, so that you can read them without running. To predict honestly, clear the outputs first: in JupyterLab
# *Edit → Clear Outputs of All Cells*, on Colab *Edit → Clear all outputs*.
#
# Try it. All pixels of all training images together have mean 0. Now take the first 32 images, a *batch*, and compute
# the mean of each of the 64 pixels over these images. **Does each single pixel have mean 0, too?**

# %%
my_prediction = None  # True or False

# %%
from helpers import predictions

means = dataset.x_train[:32].mean(axis=0)
all_zero = bool(abs(means).max() < 0.01)
print("every pixel's mean is 0:", all_zero)
predictions.compare(
    "00, the mean of each pixel", my_prediction, all_zero,
    why="One number is subtracted from all pixels, so their common mean is 0. A single "
    "pixel is brighter or darker than all pixels are on average.",
)

# %% [markdown]
# No. Look at the images above: some pixels are empty in most of them, others are filled in most of them. Subtracting
# one number from all pixels cannot make the mean of every pixel 0. Besides, the next 32 images would have other
# means. Batch Normalization computes a mean for each feature (here: each pixel) of each batch, and subtracts that
# mean:

# %%
batch = dataset.x_train[:32]
centred = batch - batch.mean(axis=0)
largest = [abs(one.mean(axis=0)).max() for one in (batch, centred)]
print("largest mean before:", largest[0].round(2), "  after:", largest[1].round(5))

# %% [markdown]
# ## How to read a result
#
# A network trained once is an anecdote: with other initial weights or another order of batches it gives another
# result. A **seed** is the number that decides the initial weights and the order of the batches. The course trains
# every network from several seeds and shows `mean ± half the width of the 95 % interval (how many seeds)`. Such
# intervals are made so that 95 of 100 of them contain the mean over *all* seeds; they say nothing about other images.
# With the mean $\bar a$ and the standard deviation $s$ of $n$ seeds, the interval is
# $\bar a \pm t_{n-1}\, s / \sqrt n$, where $t_{n-1}$ (Student's t) is a number near 2 that is larger where there are few seeds. Two networks that are
# compared have the same seeds, and the interval is that of their *difference*:

# %%
import numpy as np

from helpers.statistics import mean_interval, paired_difference

# Made-up accuracies of five seeds.
made_up_a = np.array([0.972, 0.968, 0.977, 0.970, 0.974])
made_up_b = np.array([0.963, 0.960, 0.971, 0.959, 0.967])
print("a     ", mean_interval(made_up_a))
print("b     ", mean_interval(made_up_b))
print("a - b ", paired_difference(made_up_a, made_up_b))

# %% [markdown]
# The intervals of `a` and `b` overlap a little. Yet `a` beats `b` in *every* seed by about the same amount, so the
# interval of the difference is narrow and far from 0. This is why the course compares seed by seed. If the interval
# of a difference contains 0, these seeds cannot tell which network is better.
#
# ## How often would a verdict be luck?
#
# The course judges nine claims of the lesson, C1 to C9; the table at the end of this notebook lists them. Each claim
# has a fixed *rule*. A rule asks a few questions, such as "does the whole interval lie above a given bound?". The
# answers decide the verdict, for example *supported*.
#
# An interval of 95 % misses the truth in 5 of 100 cases, so a question can be answered wrongly by luck, and a claim
# that is not true can come out as *supported*. How often? The next cell simulates worlds in which a claim is only
# just not true, draws eight seeds in each world, and lets the claim's own rule decide. For each rule the worst kind
# of world counts. **Predict:** how often does the worst of the nine rules say *supported*?

# %%
my_prediction = None  # in percent

# %%
from helpers import claims

by_luck = {name: claims.supported_by_luck(name) for name in claims.CLAIMS}
shares = (f"{name} {share:.1%}" for name, share in by_luck.items())
print("supported by luck:", ", ".join(shares))
print("below 5 % for every claim:", max(by_luck.values()) < 0.05)
predictions.compare(
    "00, luck", my_prediction, 100 * max(by_luck.values()), within=1,
    why="Many people add up 5 % for each question. But for most rules the worst case "
    "is a claim that fails in one question only, by a hair. Then one lucky answer is "
    "enough, and only about half of the 5 % miss in the direction that helps it.",
)

# %% [markdown]
# ## Checks that say what went wrong
#
# The [exercises](07_exercises.ipynb) are checked while you work. The check does not stop at "wrong": where it can, it
# finds out *which* mistake you made. Here is a function with a mistake on purpose. The function should give every
# feature of a batch mean 0 and standard deviation 1. **Can you find the mistake before the check names it?**

# %%
from helpers.grading import check


def normalize(x, epsilon=1e-3):
    mean = np.mean(x, axis=1, keepdims=True)
    variance = np.var(x, axis=1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


check("normalize", normalize)

# %% [markdown]
# Change both `axis=1` into `axis=0` and run the cell again. What does the check say then?
#
# ## What the course found
#
# The table has one row for each claim. The notebook that measures a claim fills in its row, by the claim's rule. Each
# column is one set of images on which the whole course was run; "new seeds" means the same images with other seeds and
# another split into training and test images. The reason for each verdict stands under the table. "Here" means: small
# networks, small images, a few hundred steps. The table gives the answers away. If you like to be surprised, skip it
# and come back after 07.

# %%
claims.Table()

# %% [markdown]
# ## Where to go next
#
# [01 · Internal covariate shift](01_internal_covariate_shift.ipynb) begins where the lesson begins: with the problem
# that BatchNorm was invented for.
