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
# The lesson calls the order of BatchNorm and activation critical. Here is what we shall find, so that you know what to look for:
#
# - **Each order at its own best learning rate:** the two orders end close to each other. In that sense the order is not critical.
# - **Both orders at one learning rate:** the order may decide everything, and in both directions. At a very high rate *after* may
#   break down, because its steps are larger. At a very low rate *after* may learn faster, for the same reason.
# - **Initial weights that are far too large:** *before* repairs them, *after* comes too late.
#
# The evidence for the first two points is one picture, the coloured map a few cells below. The rest of the notebook explains why the
# map looks as it does, and what others found.

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
# As formulas, with $h$ for the input of a hidden layer, $W$ for its weights and $\varphi$ for the activation:
#
# $$\text{before: } \varphi\big(\text{BN}(W h)\big) \qquad\qquad \text{after: } \text{BN}\big(\varphi(W h)\big)$$
#
# Including networks without BatchNorm, we compare five ways to place it. The code builds all five with two hidden layers,
# and the drawing shows their layers from left to right, as the data flow.

# %%
from helpers import environment

environment.quiet_tensorflow()  # otherwise a page of log lines

from helpers.networks import mlp

short = {"BatchNormalization": "BN", "Activation": "act."}
layers = {}
for placement in ("none", "before", "after", "both", "some"):
    model = mlp(depth=2, normalization=placement)
    names = [type(layer).__name__ for layer in model.layers]
    layers[placement] = [short.get(name, name) for name in names]

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws the five networks as rows of layers.
from helpers.plots import drawings_network

drawings_network.layer_rows(layers)

# %% [markdown]
# The last `Dense` returns ten numbers, one score for each class, and no activation follows it. "some" is what the lesson
# calls *inconsistent use*: every other hidden layer has no BatchNorm.
#
# The next model is a trap. At first sight it seems to normalise before the activation. **Predict:** is its order "before" or "after"?

# %%
my_prediction = None  # "before" or "after"

# %%
import keras
from helpers import predictions

hidden = [keras.layers.Dense(64, activation="relu"), keras.layers.BatchNormalization()]
print("The Dense layer applies by itself:", hidden[0].activation.__name__)
order = "before" if hidden[0].activation is keras.activations.linear else "after"
predictions.compare("04, the trap", my_prediction, order, why=(
    "It is natural to guess \"before\", because no layer between Dense and "
    "BatchNormalization is called Activation. But a Dense layer with an activation "
    "applies it to its own output, and BatchNormalization receives the result."))

# %% [markdown]
# > **The lesson:** Here, BatchNormalization is applied before each activation function.
#
# The lesson's code (in [03](03_keras_sequential.ipynb)) shows how to write "before". The `Dense` layer stays linear, and the activation is a layer of its own:
#
# ```python
# Dense(64), BatchNormalization(), Activation("relu")
# ```
#
# ## The experiment
#
# Small networks with 48 units a layer learn to tell ten classes of images apart, in 150 steps of plain SGD with 64 images each. We vary
# four things: the **placement**, the **activation** (ReLU, tanh, sigmoid), the **depth** (2 or 4 hidden layers) and the **learning rate**.
# ("both" runs with 2 layers only, "some" with 4 only.)
#
# Every combination runs with **8 seeds**, and the seeds are *paired*: seed 3 gives "before" and "after" the same initial weights and the
# same batches. So we compare seed by seed. With $a_s$ for the accuracy of seed $s$ in the order "before" and $b_s$ in the order "after", the difference is
#
# $$d_s = a_s - b_s , \qquad \bar d = \frac18 \sum_{s=1}^{8} d_s ,$$
#
# and what helps or harms both orders alike with seed 3 cancels.
#
# The score is the accuracy on the test images, with BatchNorm's statistics recomputed on all training images, because after only
# 150 steps the moving averages lag too far behind (see [05](05_training_and_inference.ipynb)).
#
# Three activations, two depths and five learning rates make 30 comparisons of "before" with "after". **Predict before you run:** in how
# many of them do the two orders differ by 5 points of accuracy or more? (A point is one percent of the test images.)

# %%
my_prediction = None  # a number from 0 to 30

# %% [markdown]
# ## Where does the order decide?
#
# In a white cell of the map the two orders are alike, and the number is before − after. A coloured cell names the order that is ahead, and by
# how many points. The star marks the learning rate that you would have chosen by the accuracy on the *training* images.
# **Look at the stars first, then at the left and the right edge.**
#
# The next cell trains 960 networks and then draws the map. Training takes about half a minute on two cores; the bar shows how far it has come.

# %% tags=["nbval-ignore-output"]
import functools

from helpers import plots
from helpers.data import load
from helpers.training import sweep

dataset = load()
activations, rates = ["relu", "tanh", "sigmoid"], [0.03, 0.1, 0.3, 1.0, 3.0]
shared = {"activation": activations, "learning_rate": rates}
two = {**shared, "depth": [2], "normalization": ["none", "before", "after", "both"]}
four = {**shared, "depth": [4], "normalization": ["none", "before", "after", "some"]}
network = functools.partial(mlp, width=48)  # as drawn above, with 48 units a layer
settings = {"seeds": 8, "steps": 150, "evaluate_every": 150}
results = sweep([two, four], network, dataset, **settings)
plots.placement_map(results)

# %% [markdown]
# ## At the best learning rate
#
# Are the cells with a star white? The star is *one* learning rate for both orders. Now each order gets *its own* best of the five rates, the one with the
# highest accuracy on the training images. Then we take the difference in test accuracy, seed by seed. The grey band in the figure marks the
# differences that we call "alike": less than 5 points either way.

# %%
import numpy as np

from helpers.statistics import paired_difference


def at(activation, depth, placement, rate):
    """The eight runs with these settings."""
    return results[{"activation": activation, "depth": depth,
                    "normalization": placement, "learning_rate": rate}]


def final(runs):
    """Test accuracy of every seed at the end of training, statistics recomputed."""
    return runs.recomputed.test_accuracy[:, -1]


def best_of(candidates):
    """The runs with the highest training accuracy at the end."""
    scores = [runs.recomputed.train_accuracy[:, -1].mean() for runs in candidates]
    return candidates[int(np.argmax(scores))]


# %%
def at_best_rate(activation, depth, placement):
    """Test accuracy of every seed at the learning rate that fits training best."""
    return final(best_of([at(activation, depth, placement, rate) for rate in rates]))


tuned = {
    f"{activation}, {depth} layers": paired_difference(
        *[at_best_rate(activation, depth, order) for order in ("before", "after")]
    )
    for depth in (2, 4)
    for activation in activations
}

# %% tags=["nbval-ignore-output"]
plots.interval_rows(tuned, margin=0.05,
                    xlabel="before − after, each at its best learning rate (points)")

# %%
leads = {
    "before": any(gap.low > 0.05 for gap in tuned.values()),
    "after": any(gap.high < -0.05 for gap in tuned.values()),
}
answer = " and ".join(order for order, leading in leads.items() if leading) or "neither"
print("Ahead by more than 5 points at its best learning rate:", answer)

# %% tags=["nbval-ignore-output"]
def gap(activation, depth, rate):
    """before − after in test accuracy, the mean of the eight seeds."""
    pair = [final(at(activation, depth, order, rate)) for order in ("before", "after")]
    return np.mean(pair[0] - pair[1])


gaps = {
    (activation, depth, rate): gap(activation, depth, rate)
    for activation in activations
    for depth in (2, 4)
    for rate in rates
}
decided = sum(abs(difference) >= 0.05 for difference in gaps.values())
predictions.compare("04, thirty comparisons", my_prediction, decided, within=2, why=(
    "It is natural to guess all or none, because some advice says that the order is "
    "critical, and other advice that it is not. In fact it depends on the learning "
    "rate, and the next section shows why."))

# %% [markdown]
# ## Why the learning rate decides
#
# Look at what the *last* layer receives, the one that computes the ten scores. BatchNorm gives every unit the mean 0 and the standard
# deviation 1, whatever the weights are (as long as gamma is 1 and beta 0, where they start). In the order "after" the last layer receives
# just that. In the order "before" the activation comes in between. It changes the standard deviation and, for ReLU and sigmoid, the mean as well.
# For a normally distributed $z$ with mean 0 and standard deviation 1, they are after ReLU
#
# $$\text{mean} = \frac{1}{\sqrt{2\pi}} \approx 0.40 \qquad\qquad
# \text{std} = \sqrt{\frac12 - \frac{1}{2\pi}} = \sqrt{\tfrac12\left(1 - \tfrac1\pi\right)} \approx 0.58 .$$
#
# The cell measures both on 100 000 random numbers, for all three activations.

# %%
normalised = np.random.default_rng(0).normal(size=100_000)
functions = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}
print("the last layer receives:   before                 after")
for name, function in functions.items():
    before = function(normalised)
    after = (before - before.mean()) / before.std()
    numbers = [f"mean {abs(values.mean()):.2f}, std {values.std():.2f}"
               for values in (before, after)]
    print(f"{name:>22}:   " + "   ".join(numbers))

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws what each activation makes of normally distributed values.
figure, axes = plots.new_figure(1, 3, width=9, height=2.6, sharex=True)
said = []
for axis, (name, function) in zip(axes, functions.items()):
    values = function(normalised)
    axis.hist(values, bins=np.linspace(-3, 3, 61), color=plots.COLORS[0])
    mean, std = values.mean(), values.std()
    axis.axvspan(mean - std, mean + std, color=plots.COLORS[1], alpha=0.25, linewidth=0)
    axis.axvline(mean, color=plots.COLORS[1])
    axis.set(title=name, xlabel="what the activation passes on", yticks=[])
    said.append(f"{name}: mean {abs(mean):.2f}, standard deviation {std:.2f}")
plots.Plot(figure, "In the order \"before\", what the activation passes on. "
           + "; ".join(said)
           + ". Line: the mean; band: one standard deviation either way.")

# %% [markdown]
# Behind a sigmoid the standard deviation is only about 0.2. Between two hidden layers the next BatchNorm restores it to 1. The output layer has no BatchNorm in front of it,
# so nothing restores the standard deviation there.
#
# What follows for the gradient? With $h$ for what the output layer receives and $V$ for its weights, the scores are $V h$. In the order "before"
# $h$ varies only by $\sigma_\varphi$, the standard deviation behind the activation, in place of 1. So when a weight further down changes, the
# scores change less, and the gradient of that weight is smaller by the same factor:
#
# $$\left\lVert \frac{\partial L}{\partial W_1} \right\rVert_{\text{before}} \approx \;
# \sigma_\varphi \cdot \left\lVert \frac{\partial L}{\partial W_1} \right\rVert_{\text{after}}$$
#
# Is that so? The cell compares the gradient of the first layer's weights $W_1$ in the two orders, before any training.

# %%
import tensorflow as tf

loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def first_gradient(activation, order):
    """The norm of the gradient of the first layer's weights, from the same start."""
    keras.utils.set_random_seed(3)
    model = mlp(depth=2, width=48, activation=activation, normalization=order)
    with tf.GradientTape() as tape:
        loss = loss_function(dataset.y_train, model(dataset.x_train, training=True))
    return float(tf.norm(tape.gradient(loss, model.trainable_variables[0])))


for name, function in functions.items():
    shrinks = first_gradient(name, "before") / first_gradient(name, "after")
    std = function(normalised).std()
    print(f"{name:>8}: gradient before / after {shrinks:.2f}, std {std:.2f}")

# %% [markdown]
# A step of SGD is the learning rate times the gradient. So **at the same learning rate, "after" takes larger steps.** Larger steps are an
# advantage where the steps are too small, and a danger where they are too large.
#
# If the size of the steps is the reason, "before" needs a higher learning rate for the same accuracy. With a sigmoid its gradient is smaller by a factor of
# about five, so the curve of "after" should look roughly like that of "before", moved to the left by a factor of about five. Look at the left end of the
# figure, and at the lines above it:

# %% tags=["nbval-ignore-output"]
def sigmoid_accuracy(order, rate):
    """Mean test accuracy, sigmoid and 4 layers."""
    return final(at("sigmoid", 4, order, rate)).mean()


goal = sigmoid_accuracy("after", rates[0])
enough = [f"{rate:g}" for rate in rates if sigmoid_accuracy("before", rate) >= goal]
print(f"Order 'after' reaches {100 * goal:.1f} % at learning rate {rates[0]:g}.")
print("Order 'before' first reaches as much at learning rate",
      enough[0] if enough else "(none of the five)")

# %% tags=["nbval-ignore-output"]
from helpers.training import Sweep


def only(**chosen):
    """The part of the results with these settings."""
    points = enumerate(results.points)
    kept = [at for at, point in points if chosen.items() <= point.items()]
    return Sweep([results.points[at] for at in kept], [results.runs[at] for at in kept])


plots.learning_rate_sweep({
    order: only(activation="sigmoid", depth=4, normalization=order)
    for order in ("before", "after")
})

# %% [markdown]
# The rates of the sweep are a factor of about three apart, so they cannot show a factor of exactly five. If "before" first reaches as much at ten times the
# rate, and not yet at about three times, then the factor lies between three and ten, and five fits. At
# the right end the sweep cannot answer. Whether "before" breaks down at a rate five times as high as the one at which "after" does, we did not try.
#
# Now compare the two ends. At the lowest rate, the order with the larger steps is ahead. At the highest rate, the order with the smaller
# steps is ahead. Anyone who compares the two at *one* learning rate finds the winner that this rate favours. Keep that in mind when you read that one
# design beats another.
#
# At the right end there is a second reason. tanh and sigmoid are *bounded*, so in the order "before" no layer can pass on a value above 1,
# however large the last step was. In the order "after" the layer passes on $\gamma \hat z + \beta$ (with $\hat z$ for the normalised
# value), and nothing bounds $\gamma$ and $\beta$, so the values can grow until the loss is no longer a number:
#
# $$\text{before: } \lvert \varphi(\gamma \hat z + \beta) \rvert \le 1
# \qquad\qquad \text{after: } \lvert \gamma \hat z + \beta \rvert \text{ has no bound}$$
#
# ## The two edges, tested again
#
# A map of 30 cells has a largest and a smallest value even if all of its differences are luck. So we take the two most extreme cells and run
# them again, four times as long, with **8 new seeds** that had no part in choosing these cells.

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
    seeds = environment.seeds(8, skip=8)
    new = sweep(point, network, dataset, seeds=seeds, steps=600, evaluate_every=75)
    return {order: new[{"normalization": order}] for order in ("before", "after")}


# %% [markdown]
# First the cell where **before** led most. Look at whether "after" ever recovers. (A network whose weights have become NaN, "not a number",
# answers "class 0" to every image, and is right where the class is 0.)

# %% tags=["nbval-ignore-output"]
high_edge = again(*most_before)
print("{}, {} layers, learning rate {:g}".format(*most_before))
for order, runs in high_edge.items():
    print(f"{order}: {len(runs.diverged)} of 8 seeds ended in NaN")
plots.learning_curves(high_edge, statistics="recomputed")

# %% [markdown]
# Now the cell where **after** led most. Look at whether its lead lasts.

# %% tags=["nbval-ignore-output"]
low_edge = again(*most_after)
print("{}, {} layers, learning rate {:g}".format(*most_after))
plots.learning_curves(low_edge, statistics="recomputed")


# %%
def lead(first, second, step):
    """first - second in test accuracy after this many steps, paired by seed."""
    at_step = first.evaluated_at.tolist().index(step)
    return paired_difference(*[runs.recomputed.test_accuracy[:, at_step]
                               for runs in (first, second)])


before_leads, after_leads = {}, {}
for step in (150, 600):
    before_leads[step] = lead(high_edge["before"], high_edge["after"], step)
    after_leads[step] = lead(low_edge["after"], low_edge["before"], step)

# %% tags=["nbval-ignore-output"]
for order, cell, leads_by in (("before", most_before, before_leads),
                              ("after", most_after, after_leads)):
    for step in (150, 600):
        print(f"learning rate {cell[2]:g}, step {step}:",
              f"order '{order}' leads by {leads_by[step]}")

# %%
print(f"At learning rate {most_before[2]:g}, 'before' leads by more than 5 points")
print("   at step 150:", before_leads[150].low > 0.05)
print("   at step 600:", before_leads[600].low > 0.05)
print(f"At learning rate {most_after[2]:g}, 'after' leads by more than 5 points")
print("   at step 150:", after_leads[150].low > 0.05)
print("   Its lead at step 600 is less than half of that:",
      after_leads[600].mean < after_leads[150].mean / 2)

# %% [markdown]
# The losing order needs something different at each edge. At the low rate its steps are only smaller, so with more steps it can catch up. At
# the high rate, runs that ended in NaN have diverged, and more steps do not help them: they need a lower learning rate.
#
# ## A third case: badly scaled weights
#
# Now we draw the initial weights far too large: from a normal distribution with standard deviation 1. We take tanh and 4 layers, and look at what
# reaches the activation **before the first step**. The derivative of tanh is
#
# $$\tanh'(z) = 1 - \tanh^2(z) ,$$
#
# so where $\lvert\tanh(z)\rvert > 0.99$ the derivative is below 0.02 and a unit passes almost no gradient back. Such a unit is called
# *saturated*. The dotted lines in the figure mark this limit.
#
# Then we train both orders, each again at its own best learning rate. **Predict:** which order ends ahead by more than 5 points of test accuracy, "before",
# "after" or "neither"?

# %%
my_prediction = None  # "before", "after" or "neither"

# %%
large = keras.initializers.RandomNormal(stddev=1.0)
usual = keras.initializers.GlorotUniform(seed=0)
print(f"Keras' own choice for 48 units: std {np.std(usual((48, 48))):.2f}")

# %% tags=["nbval-ignore-output"]
from helpers.training import Probes

large_sweep = sweep(
    {"learning_rate": rates, "normalization": ["before", "after"]},
    functools.partial(network, depth=4, activation="tanh", initializer=large),
    dataset,
    probes=Probes(at=(0,)),
    **settings,
)
large_weights = {
    order: best_of([large_sweep[{"normalization": order, "learning_rate": rate}]
                    for rate in rates])
    for order in ("before", "after")
}
plots.saturation(large_weights)

# %%
scores = {order: final(runs) for order, runs in large_weights.items()}
rescued = paired_difference(scores["before"], scores["after"])
clear = {"before": rescued.low > 0.05, "after": rescued.high < -0.05, "neither": True}
ahead = next(order for order, holds in clear.items() if holds)
predictions.compare("04, large weights", my_prediction, ahead, why=(
    "It is natural to guess \"neither\", because BatchNorm rescales the values in both "
    "orders. But it matters whether it rescales them in front of tanh or behind it, "
    "because tanh maps all large values to nearly the same number."))

# %% [markdown]
# The order "before" returns the values to the range where the activation responds, whatever the weights did. The order "after" rescales the
# *output* of the activation, when the information is already lost: most outputs are close to −1 or +1, however different the images were.
#
# ## Inconsistent use
#
# > **The lesson:** Placing BatchNorm after activation or using it inconsistently can reduce its effectiveness.
#
# With 4 layers we also trained networks without BatchNorm in the second and in the fourth layer. **Predict:** does leaving out BatchNorm there cost 5 points of
# accuracy or more, on average over the three activations? Give two answers: at the best learning rate of each network, and at the highest of the five.

# %%
my_prediction = None  # two of "yes" and "no": ("yes", "yes")

# %% tags=["nbval-ignore-output"]
inconsistent = {
    f"{activation}, best learning rate": paired_difference(
        *[at_best_rate(activation, 4, placement) for placement in ("before", "some")]
    )
    for activation in activations
}
for rate in (rates[0], rates[-1]):
    for activation in activations:
        pair = [final(at(activation, 4, where, rate)) for where in ("before", "some")]
        inconsistent[f"{activation}, learning rate {rate:g}"] = paired_difference(*pair)
plots.interval_rows(inconsistent, margin=0.05,
                    xlabel="all layers − every other layer (points)")


# %% [markdown]
# The verdict needs one number for each of the two cases. With $d_{s,\varphi}$ for the difference of seed $s$ with the activation $\varphi$, we average over the
# three activations first, and then give the mean over the eight seeds with its interval:
#
# $$d_s = \frac13 \sum_{\varphi} d_{s,\varphi}$$

# %%
best, highest = {}, {}
for placement in ("before", "some"):
    each = [at_best_rate(function, 4, placement) for function in activations]
    best[placement] = np.mean(each, axis=0)
    each = [final(at(function, 4, placement, max(rates))) for function in activations]
    highest[placement] = np.mean(each, axis=0)

some_loss = paired_difference(best["before"], best["some"])
some_edge = paired_difference(highest["before"], highest["some"])

# %%
print("BatchNorm in only every other layer costs more than 5 points")
edges = [f"learning rate {rate:g}" for rate in (rates[0], rates[-1])]
for where in ("best learning rate", *edges):
    losing = [name for name in activations
              if inconsistent[f"{name}, {where}"].low > 0.05]
    print(f"   {where}: with", ", ".join(losing) or "no activation")
costs = tuple("yes" if gap.low > 0.05 else "no" if gap.high < 0.05 else "open"
              for gap in (some_loss, some_edge))
predictions.compare("04, inconsistent use", my_prediction, costs, why=(
    "It is natural to give the same answer twice. But a layer without BatchNorm "
    "passes on whatever scale its weights give. So fewer learning rates may work, "
    "although the network may still do well at the rate that suits it best."))

# %% [markdown]
# Here the lesson's own words are careful: inconsistent use *can* reduce the effectiveness. The printed lines say which activations lose the low learning
# rate and which lose the high one. An activation that loses at one of the two but not at its best learning rate has lost freedom in the choice of the rate,
# not accuracy.
#
# ## What others found
#
# A well-known comparison on large images is the
# [caffenet-benchmark](https://github.com/ducha-aiki/caffenet-benchmark) (`batchnorm.md`, 2017; paper: Mishkin et al., arXiv:1606.02228): two architectures on
# ImageNet at 128 pixels, with one run for each cell. Cover one column and ask which order you would choose. Then look at the other column.
#
# | Batch Normalization | CaffeNet | GoogLeNet |
# |---|---|---|
# | none | 0.471 | **0.619** |
# | before | 0.474; 0.478 with gamma and beta | 0.603–0.607 |
# | after | **0.499**; 0.493 with gamma and beta | 0.584–0.596 |
#
# In the column of CaffeNet *after* is best. In the column of GoogLeNet *before* is better than *after*, and *none* is best. The two columns do not contradict
# each other, and neither contradicts what you saw: the answer depends on the network and on its settings. (One run for each cell says nothing about luck, so
# numbers as close as 0.474 and 0.478 count as alike.)
#
# - **For before:** Ioffe & Szegedy 2015 (arXiv:1502.03167, Section 3.2), who invented Batch Normalization.
# - **A sign that "after" is in use:** F. Chollet reports in 2016 that recent code by Christian (Szegedy) "applies relu before BN" (keras-team/keras#1802).
# - **Against before:** Chen et al. 2019 (arXiv:1905.05928) advise not to place BatchNorm before ReLU.
#
# ## Explore
#
# Here is everything that was measured, one activation and one depth at a time. Find out:
#
# 1. Choose 2 layers. Look at the highest learning rate, with each activation: where "after" breaks down, does "both" break down too?
# 2. Look at "none" with 2 layers: does it train at higher learning rates with ReLU or with tanh? Does the same hold with 4 layers?
# 3. Look at "none" with 4 layers: is there an activation with which it trains at no rate? Does the same hold with 2 layers?
#
# (The buttons work in a running notebook and on the course's site. Elsewhere you see a picture of the first position.)
#
# <details><summary>What to expect, and why (open this afterwards)</summary>
#
# 1. Expect that "both" breaks down where "after" does, with tanh and with sigmoid. In both placements BatchNorm is the last part of a layer, so nothing bounds
#    what the layer passes on. Only in the order "before" do tanh and sigmoid bound it. ReLU bounds it nowhere, so with ReLU the three placements should differ less.
# 2. With 2 layers expect higher rates with tanh, because it is bounded and ReLU is not. With 4 layers the bound helps less, because one saturated layer is
#    enough to stop the gradient.
# 3. Expect it with a sigmoid: its derivative is at most 1/4, so four layers in a row leave the first one less than 1/256 of the gradient, by the
#    activations alone. With 2 layers it is 1/16, which a high rate can make up for.
#
# </details>

# %% tags=["nbval-ignore-output"]
from helpers.explorers import PlacementExplorer

PlacementExplorer(results)

# %% [markdown]
# ## The verdict
#
# "Critical" is a strong word, so the rule asks for a lead of 5 points at the best learning rate. The edges count only
# with the new seeds, which had no part in choosing them. *Contested* means that the evidence points both ways.

# %%
from helpers import claims


def best_of_both_depths(activation, order):
    return np.mean([at_best_rate(activation, depth, order) for depth in (2, 4)], axis=0)


evidence = {
    f"order_{activation}": paired_difference(
        *[best_of_both_depths(activation, order) for order in ("before", "after")]
    )
    for activation in activations
}
evidence["edge_before"], evidence["edge_after"] = before_leads[150], after_leads[150]
evidence["some_loss"], evidence["some_edge"] = some_loss, some_edge
card = claims.verdict("C3", evidence)
claims.record(card, dataset, grid=repr(results.runs[0]),
              edge_before=repr(high_edge["after"]), edge_after=repr(low_edge["after"]))
card

# %% [markdown]
# ## Your predictions
#
# How many of your predictions in this notebook came true? Look again at those that surprised you. The name of a prediction says what it was about.

# %%
predictions.summary()

# %% [markdown]
# ## What to take along
#
# - *Before* is the convention, and the more robust choice where initial weights or learning rates are very large: what a bounded activation passes on stays bounded, and badly scaled values are rescaled in front of it.
# - Whether the order is *critical* depends on the learning rate: "after" takes larger steps at the same rate. Compare the two with each at its own best rate.
# - A comparison of two designs at one learning rate measures the learning rate as much as the designs. Tune both.
# - Use BatchNorm in every hidden layer: a layer without it passes on whatever scale its weights give, so fewer learning rates may work.
#
# **Next:** [05 · Training and inference](05_training_and_inference.ipynb), where the same network gives two different answers.
