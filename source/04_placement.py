# %% [markdown]
# # 4 · Before or after the activation?
#
# **Time:** about 20 minutes · **Before this:** [03 · Batch Normalization in Keras](03_keras_sequential.ipynb)
#
# After this notebook you can
#
# - write Batch Normalization before or after an activation in Keras, and tell which of the two a given model has;
# - say when the order decides whether a network trains, in which direction, and why;
# - read a comparison of two network designs and ask whether each was given the learning rate it needs.
#
# ## The short answer
#
# - **Give each order the learning rate that suits it, and the two end within 5 points of each other.** In that sense the order is not critical.
# - **Give both the same learning rate, and it may decide everything, in both directions.** With a very high one, *after*
#   often breaks down. With a very low one, *after* learns faster.
# - **Initial weights that are far too large:** *before* copes, *after* does not.
#
# The evidence for the first two is one picture, the coloured map a few cells below. The rest says why it looks as it does,
# and what others found.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## What the lesson says
#
# > **The lesson:** Batch Normalization is usually applied after the linear transformation and before the activation function.
# >
# > This ordering is critical for effective training.
# >
# > Placing BatchNorm after activation or using it inconsistently can reduce its effectiveness.
#
# There are five ways to place it. Read each row from left to right, as the data flow:

# %%
from helpers import environment

environment.quiet_tensorflow()

from helpers.networks import mlp

for placement in ("none", "before", "after", "both", "some"):
    model = mlp(depth=2, normalization=placement)
    print(
        f"{placement:<7}",
        " → ".join(type(layer).__name__ for layer in model.layers).replace("BatchNormalization", "BN"),
    )

# %% [markdown]
# The last `Dense` gives the ten scores, one for each class; nothing comes after it. "some" is the *inconsistent use* of the lesson: every
# other hidden layer goes without.
#
# One trap before we start. This model looks as if it normalised before the activation. Does it? Look at where the activation happens.

# %%
import keras

hidden = [keras.layers.Dense(64, activation="relu"), keras.layers.BatchNormalization()]
print("The Dense layer itself applies:", hidden[0].activation.__name__)
print("and BatchNormalization receives the result: the order is 'after'.")

# %% [markdown]
# > **The lesson:** Here, BatchNormalization is applied before each activation function.
#
# For "before", the `Dense` must stay linear, with the `Activation` as a layer of its own, as in the lesson's code.
#
# ## The experiment
#
# Small networks of 48 units a layer learn to tell ten classes of images apart: 150 steps of plain SGD, 64 images a step. We vary four things: the
# **placement**, the **activation** (ReLU, tanh, sigmoid), the **depth** (2 or 4 hidden layers) and the **learning rate**.
# Every combination runs with **8 seeds**, and the seeds are *paired*: seed 3 gives "before" and "after" the same initial weights and the same
# batches, so that a difference comes from the order and not from luck.
#
# ("both" runs with 2 layers only, "some" with 4 only.)
#
# The score is the accuracy on the test images, with the statistics of BatchNorm recomputed on all training images. The moving averages
# lag too far behind after only 150 steps; [05](05_training_and_inference.ipynb) is about that.
#
# Three activations, two depths and five learning rates make 30 comparisons of "before" with "after". **Predict before you run:** in how many of
# them do the two differ by 5 points of accuracy or more?

# %%
my_prediction = None  # your guess: a number from 0 to 30

# %% [markdown]
# ## Where does the order decide?
#
# White cells: before and after are alike, the number is before − after. Coloured cells: the one that is ahead, and by how many points. The star
# marks the learning rate you would have chosen, by the accuracy on the *training* images. **Look at the stars first, then at the left and the right edge.**
#
# The next cell trains 960 networks and then draws the map. That takes about half a minute on two cores; the bar shows how far it is.

# %% tags=["nbval-ignore-output"]
import functools

from helpers import plots
from helpers.data import load
from helpers.training import sweep

dataset = load()
activations, rates = ["relu", "tanh", "sigmoid"], [0.03, 0.1, 0.3, 1.0, 3.0]
shared = {"activation": activations, "learning_rate": rates}
results = sweep(
    [
        {**shared, "depth": [2], "normalization": ["none", "before", "after", "both"]},
        {**shared, "depth": [4], "normalization": ["none", "before", "after", "some"]},
    ],
    functools.partial(mlp, width=48),  # the networks of the list above, with 48 units a layer
    dataset,
    seeds=8,
    steps=150,
    evaluate_every=150,
)
plots.placement_map(results)

# %% [markdown]
# ## At the best learning rate
#
# The stars stand on white cells. To be exact about it, let us give each order *its own* best of the five learning rates, as you would if
# you tuned both on the training images, and take the difference in test accuracy seed by seed. The grey band is the margin we call "alike", 5 points.

# %%
import numpy as np

from helpers.statistics import paired_difference


def final(activation, depth, placement, rate):
    """Test accuracy of every seed at the end of training, statistics recomputed."""
    point = {"activation": activation, "depth": depth, "normalization": placement, "learning_rate": rate}
    return results[point].recomputed.test_accuracy[:, -1]


def best_runs(sweep, **point):
    """The runs at the learning rate with the highest training accuracy."""
    candidates = (sweep[{**point, "learning_rate": rate}] for rate in rates)
    return max(candidates, key=lambda runs: runs.recomputed.train_accuracy[:, -1].mean())


def at_best_rate(activation, depth, placement):
    """Test accuracy of every seed at that learning rate."""
    runs = best_runs(results, activation=activation, depth=depth, normalization=placement)
    return runs.recomputed.test_accuracy[:, -1]


# %% tags=["nbval-ignore-output"]
tuned = {
    f"{activation}, {depth} layers": paired_difference(
        at_best_rate(activation, depth, "before"), at_best_rate(activation, depth, "after")
    )
    for depth in (2, 4)
    for activation in activations
}
plots.interval_rows(tuned, margin=0.05, xlabel="before − after, each at its best learning rate (points)")

# %%
leads = {
    "before": any(gap.low > 0.05 for gap in tuned.values()),
    "after": any(gap.high < -0.05 for gap in tuned.values()),
}
answer = " and ".join(order for order, leading in leads.items() if leading) or "neither"
print("Ahead by more than 5 points at its best learning rate:", answer)

# %% tags=["nbval-ignore-output"]
gaps = {
    (activation, depth, rate): (
        final(activation, depth, "before", rate) - final(activation, depth, "after", rate)
    ).mean()
    for activation in activations
    for depth in (2, 4)
    for rate in rates
}
print("comparisons that differ by 5 points or more:", sum(abs(gap) >= 0.05 for gap in gaps.values()), "of", len(gaps))
print("your prediction:", "none yet" if my_prediction is None else my_prediction)

# %% [markdown]
# ## Why the learning rate decides
#
# Look at what the *last* layer receives, the one that makes the ten scores. Whatever the weights, BatchNorm makes the values of a unit have mean 0 and standard deviation 1 (as
# long as gamma is 1 and beta 0, where they start). In the order "after", that is what the last layer gets. In the order "before", the activation
# comes in between, and changes both numbers. Let us see by how much, for values that are normally distributed.

# %%
normalised = np.random.default_rng(0).normal(size=100_000)
functions = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
print("the last layer receives:   before                 after")
for name, function in functions.items():
    before = function(normalised)
    after = (before - before.mean()) / before.std()
    numbers = [f"mean {abs(values.mean()):.2f}, std {values.std():.2f}" for values in (before, after)]
    print(f"{name:>22}:   " + "   ".join(numbers))

# %% [markdown]
# After a sigmoid the values hardly vary: a standard deviation of a fifth. Between two hidden layers the next BatchNorm makes up for that. In
# front of the scores there is no BatchNorm to do that. So when a weight further down changes, the scores move less than with "after". Its
# gradient is smaller, by about that standard deviation. See whether it is so for the first layer's weights, before any training:

# %%
import tensorflow as tf

loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def first_gradient(activation, order):
    """The length of the gradient of the first layer's weights; the same initial weights for both orders."""
    keras.utils.set_random_seed(3)
    model = mlp(depth=2, width=48, activation=activation, normalization=order)
    with tf.GradientTape() as tape:
        loss = loss_function(dataset.y_train, model(dataset.x_train, training=True))
    return float(tf.norm(tape.gradient(loss, model.trainable_variables[0])))


for name, function in functions.items():
    shrinks = first_gradient(name, "before") / first_gradient(name, "after")
    print(f"{name:>8}: gradient before / after {shrinks:.2f}, standard deviation {function(normalised).std():.2f}")

# %% [markdown]
# **At the same learning rate, "after" takes larger steps.** That is an advantage where steps are too small, and a danger where they are too
# large. The whole curve moves along the learning rate:

# %% tags=["nbval-ignore-output"]
from helpers.training import Sweep


def only(**chosen):
    """The part of the results with these settings."""
    kept = [at for at, point in enumerate(results.points) if chosen.items() <= point.items()]
    return Sweep([results.points[at] for at in kept], [results.runs[at] for at in kept])


plots.learning_rate_sweep(
    {order: only(activation="sigmoid", depth=4, normalization=order) for order in ("before", "after")}
)

# %% [markdown]
# On the left "before" runs behind: it needs a higher rate to come as far as "after". On the right "after" falls, and "before" still stands.
# Anyone who compares them at *one* learning rate finds the winner that this rate favours. Keep that in mind when you read that one design
# beats another.
#
# There is a second reason on the right-hand side. tanh and sigmoid are *bounded*: in the order "before" a layer never hands on more than 1, however wild
# the step was. In the order "after", gamma and beta have the last word, nothing limits them, and the network can explode.
#
# ## The two edges, tested again
#
# A map of 30 cells has a largest and a smallest value even if there is nothing to find. So we take the two most extreme cells and run
# them again with **8 new seeds** that had no part in choosing them, and four times as long.

# %%
most_before, most_after = max(gaps, key=gaps.get), min(gaps, key=gaps.get)


def again(activation, depth, rate):
    """Both orders with new seeds; evaluated every 75 steps."""
    point = {
        "activation": [activation],
        "depth": [depth],
        "learning_rate": [rate],
        "normalization": ["before", "after"],
    }
    settings = {"seeds": environment.seeds(8, skip=8), "steps": 600, "evaluate_every": 75}
    new = sweep(point, functools.partial(mlp, width=48), dataset, **settings)
    return {order: new[{"normalization": order}] for order in ("before", "after")}


# %% [markdown]
# First the cell where **before** led most. Look at whether "after" ever recovers. (A network of NaNs answers "class 0" to every image, and
# is right where that is the class.)

# %% tags=["nbval-ignore-output"]
high_edge = again(*most_before)
print("{}, {} layers, learning rate {:g}".format(*most_before))
print(f"'after' ended in NaN with {len(high_edge['after'].diverged)} of 8 seeds, "
      f"'before' with {len(high_edge['before'].diverged)}.")  # fmt: skip
plots.learning_curves(high_edge, statistics="recomputed")

# %% [markdown]
# Now the cell where **after** led most. Look at whether its lead lasts.

# %% tags=["nbval-ignore-output"]
low_edge = again(*most_after)
print("{}, {} layers, learning rate {:g}".format(*most_after))
plots.learning_curves(low_edge, statistics="recomputed")


# %% tags=["nbval-ignore-output"]
def lead(first, second, step):
    """first - second in test accuracy after this many steps, paired by seed."""
    at = first.evaluated_at.tolist().index(step)
    return paired_difference(first.recomputed.test_accuracy[:, at], second.recomputed.test_accuracy[:, at])


before_leads = {step: lead(high_edge["before"], high_edge["after"], step) for step in (150, 600)}
after_leads = {step: lead(low_edge["after"], low_edge["before"], step) for step in (150, 600)}
for step in (150, 600):
    print(f"after {step} steps: 'before' leads by {before_leads[step]} at the high edge, "
          f"'after' by {after_leads[step]} at the low one")  # fmt: skip

# %%
print(f"At learning rate {most_before[2]:g} 'before' leads by more than 5 points:", before_leads[150].low > 0.05)
print("... and stays that far ahead to the end:", before_leads[600].low > 0.05)
print(f"At learning rate {most_after[2]:g} 'after' leads by more than 5 points:", after_leads[150].low > 0.05)
print("... and its lead shrinks to less than half:", after_leads[600].mean < after_leads[150].mean / 2)

# %% [markdown]
# So the two edges are of different kinds. On the left the other order is *late*. On the right it is *lost*.
#
# ## A third edge: badly scaled weights
#
# Now draw the initial weights far too large, from a normal distribution with standard deviation 1. With tanh and 4 layers, look at what reaches the activation **before the first step**. Beyond the dotted lines tanh is flat, above 0.99:
# a unit there is *saturated*, and passes almost no gradient back. Each order again gets its own best learning rate.

# %%
large = keras.initializers.RandomNormal(stddev=1.0)
usual = keras.initializers.GlorotUniform(seed=0)
print(f"Keras' own choice for 48 units: standard deviation {np.std(usual((48, 48))):.2f}")

# %% tags=["nbval-ignore-output"]
from helpers.training import Probes

large_sweep = sweep(
    {"learning_rate": rates, "normalization": ["before", "after"]},
    functools.partial(mlp, width=48, depth=4, activation="tanh", initializer=large),
    dataset,
    seeds=8,
    steps=150,
    evaluate_every=150,
    probes=Probes(at=(0,)),
)
large_weights = {order: best_runs(large_sweep, normalization=order) for order in ("before", "after")}
plots.saturation(large_weights)

# %% [markdown]
# "Before" puts the values back where the activation works, whatever the weights did. "After" repairs the *output* of an activation that has already
# lost what it was told: most values are close to −1 or +1, however different the images were.

# %%
ends = {order: runs.recomputed.test_accuracy[:, -1] for order, runs in large_weights.items()}
rescued = paired_difference(ends["before"], ends["after"])
print("Weights far too large: at the best learning rate of each, 'before' is ahead by more than 5 points:",
      rescued.low > 0.05)

# %% [markdown]
# ## Inconsistent use
#
# > **The lesson:** Placing BatchNorm after activation or using it inconsistently can reduce its effectiveness.
#
# With 4 layers we also left BatchNorm out of the second and the fourth. **Predict:** does that cost 5 points of accuracy or more, on average of
# the three activations? Two answers: at the best learning rate of each, and at the highest of the five.

# %%
my_prediction = None  # your guess, for example ("yes", "yes")

# %% tags=["nbval-ignore-output"]
inconsistent = {}
for activation in activations:
    pair = [at_best_rate(activation, 4, placement) for placement in ("before", "some")]
    inconsistent[f"{activation}, best learning rate"] = paired_difference(*pair)
for rate in (rates[0], rates[-1]):
    for activation in activations:
        pair = [final(activation, 4, placement, rate) for placement in ("before", "some")]
        inconsistent[f"{activation}, learning rate {rate:g}"] = paired_difference(*pair)
plots.interval_rows(inconsistent, margin=0.05, xlabel="all layers − every other layer (points)")


# %% [markdown]
# For the verdict we need one number each: the average over the three activations, seed by seed.

# %%
best, highest = {}, {}
for placement in ("before", "some"):
    best[placement] = np.mean([at_best_rate(activation, 4, placement) for activation in activations], axis=0)
    highest[placement] = np.mean([final(activation, 4, placement, rates[-1]) for activation in activations], axis=0)

some_loss = paired_difference(best["before"], best["some"])
some_edge = paired_difference(highest["before"], highest["some"])
print("your prediction:", "none yet" if my_prediction is None else my_prediction, end=" · ")
print("measured:", tuple("yes" if gap.low > 0.05 else "no" if gap.high < 0.05 else "open" for gap in (some_loss, some_edge)))
print("sigmoid loses the lowest rate, too:", inconsistent["sigmoid, learning rate 0.03"].low > 0.05)

# %% [markdown]
# So here the lesson is right in its own words: it *can* reduce the effectiveness. What is lost is freedom in the choice of the learning rate:
# ReLU and tanh lose the high ones, sigmoid the low ones.
#
# ## What others found
#
# A well-known comparison on large images is the
# [caffenet-benchmark](https://github.com/ducha-aiki/caffenet-benchmark) (`batchnorm.md`, 2017; paper: Mishkin et al., arXiv:1606.02228): two architectures on
# ImageNet at 128 pixels, one run for each cell. Cover one column and ask which order you would choose. Then look at the other.
#
# | Batch Normalization | CaffeNet | GoogLeNet |
# |---|---|---|
# | none | 0.471 | **0.619** |
# | before | 0.474; 0.478 with gamma and beta | 0.603–0.607 |
# | after | **0.499**; 0.493 with gamma and beta | 0.584–0.596 |
#
# One column says *after*, the other says *before*, or rather *none*. That is no contradiction to what you saw: the answer depends on the network and its settings.
#
# - **For before:** Ioffe & Szegedy 2015 (arXiv:1502.03167, Section 3.2), who invented it.
# - **Not so sure:** F. Chollet reports in 2016 that recent code by Christian (Szegedy) "applies relu before BN" (keras-team/keras#1802).
# - **Against before:** Chen et al. 2019 (arXiv:1905.05928) advise not to place it before ReLU.
#
# ## Explore
#
# All that was measured, one activation and depth at a time. Find out:
#
# 1. With 2 layers, for which activations does "both" break down where "after" does?
# 2. Follow "none" with ReLU and with tanh: which of the two endures higher learning rates with 2 layers? And with 4?
# 3. With 4 layers there is an activation with which "none" never starts, whatever the rate. Which one? And with 2 layers?
#
# (The buttons work in a running notebook and on the course's site. Elsewhere you see a picture of the first position.)
#
# <details><summary>What you should have seen (open this afterwards)</summary>
#
# 1. With tanh and sigmoid, at the highest rate. With ReLU neither of the two breaks down.
# 2. With 2 layers tanh: it falls only at the highest rate, ReLU one rate earlier. With 4 layers both fall at that earlier rate.
# 3. Sigmoid. With 2 layers it does start, but needs high rates.
#
# </details>

# %% tags=["nbval-ignore-output"]
from helpers.explorers import PlacementExplorer

PlacementExplorer(results)

# %% [markdown]
# ## The verdict
#
# "Critical" is a strong word. The rule asks for a lead of 5 points at the best learning rate. The edges count only
# with the seeds that did not choose them. *Contested* means that the evidence points both ways.

# %%
from helpers import claims


def best_of_both_depths(activation, order):
    return np.mean([at_best_rate(activation, depth, order) for depth in (2, 4)], axis=0)


evidence = {
    f"order_{activation}": paired_difference(
        best_of_both_depths(activation, "before"), best_of_both_depths(activation, "after")
    )
    for activation in activations
}
evidence["edge_before"], evidence["edge_after"] = before_leads[150], after_leads[150]
evidence["some_loss"], evidence["some_edge"] = some_loss, some_edge
card = claims.verdict("C3", evidence)
claims.record(
    card, dataset, grid=repr(results.runs[0]), edge_before=repr(high_edge["after"]), edge_after=repr(low_edge["after"])
)
card

# %% [markdown]
# ## What to take along
#
# - *Before* is the convention, and the robust choice: it tolerates high learning rates with tanh and sigmoid, and badly scaled weights.
# - It is not *critical*: with a learning rate that suits each, before and after end within 5 points of each other.
# - Comparing two designs at one learning rate measures the learning rate as much as the designs. Tune both.
# - Use it in every hidden layer: leaving some out leaves you fewer learning rates that work, and leaving all out fewer still.
#
# **Next:** [05 · Training and inference](05_training_and_inference.ipynb), where the same network gives two different answers.
