# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 1 · Internal covariate shift
#
# **Time:** about 40 minutes · **Before this:** [00](00_start_here.ipynb)
#
# Why was Batch Normalization invented, and was the reason right? You watch a network from the inside while it trains.
# Afterwards you can
#
# - show what *internal covariate shift* is, and put a number with an interval on it;
# - say which part of it Batch Normalization removes, and which part it does not touch;
# - give a second definition of the shift, by gradients, and say why a good score there can mean nothing;
# - judge for yourself the experiment that made researchers doubt the story, and name the trap in such experiments.
#
# You need to know what a layer, a batch and a training step are. Of Batch Normalization ("BatchNorm") two sentences
# will do for now: *it is a layer that gives every unit's values mean 0 and standard deviation 1 within each batch.
# Afterwards it may stretch and shift them by two learned numbers per unit.* How it does that is the subject of
# [02](02_batchnorm_from_scratch.ipynb).
#
# Some cells ask for a **prediction**. Write it down before you run on: being wrong here is where the learning is.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## The story
#
# > **The lesson:** As a neural network trains, the distribution of activations inside the network keeps changing.
#
# > **The lesson:** When earlier layers update their weights, later layers suddenly receive inputs with new ranges and
# > patterns.
#
# > **The lesson:** This constant shift slows down training and makes optimization unstable.
# > This problem is known as internal covariate shift.
#
# These sentences make two claims. The first is that the distributions move: we can look at that. The second is that
# their moving slows training down: that needs an experiment. Let us take them in this order.
#
# ## A network to look into
#
# We rebuild in small the network of the paper that introduced Batch Normalization (Ioffe & Szegedy 2015, Figure 1):
# three hidden layers of 100 sigmoid units, small random initial weights, small real images. (A sigmoid
# squeezes any number into the range from 0 to 1: −4 becomes 0.02, 0 becomes 0.5, 4 becomes 0.98.) Loading TensorFlow
# takes a few seconds.

# %%
import functools

import numpy as np

from helpers.data import load
from helpers.training import Probes, sweep, train_many

import keras
from keras.layers import Activation, BatchNormalization, Dense

dataset = load()
print(dataset)


# %%
def network(batchnorm, depth=3, noise=None):
    small_weights = keras.initializers.RandomNormal(stddev=0.1)
    layers = [keras.Input((64,))]
    for _ in range(depth):
        layers.append(Dense(100, kernel_initializer=small_weights))
        if batchnorm:
            layers.append(BatchNormalization())
        if noise:
            layers.append(noise())  # comes into play near the end of this notebook
        layers.append(Activation("sigmoid"))
    layers.append(Dense(10, kernel_initializer=small_weights))
    return keras.Sequential(layers)


# %%
without = functools.partial(network, batchnorm=False)  # builds the plain network
with_batchnorm = functools.partial(network, batchnorm=True)
for build in (without, with_batchnorm):
    print(*(type(layer).__name__ for layer in build().layers))

# %% [markdown]
# The number that goes *into* a sigmoid we call the **pre-activation** of that unit. Each hidden layer has 100 units,
# so an image makes 100 pre-activations per layer. For 128 images, one unit has 128 pre-activations. How these 128
# values are spread is the unit's *distribution*.
#
# ## A fair start
#
# A network with a badly chosen learning rate learns slowly whatever its distributions do. So we first look for the
# rate that suits the *plain* network (the one without BatchNorm) best, and then give this rate to both networks. If
# the choice favours either network, it favours the plain one.
#
# `train_many` (and `sweep`, which calls it for several learning rates) trains the same network from 8 **seeds** at
# once: 8 draws of the initial weights and of the order of the batches. Look for the highest number in the last
# column.

# %% tags=["nbval-ignore-output"]
rates = sweep({"learning_rate": [0.1, 0.3, 1.0, 3.0]}, without, dataset,
              seeds=8, steps=200, batch_size=60)
# `train_accuracy` has the shape (seeds, evaluations): [:, -1] is each seed's last one.
after_200 = {
    point["learning_rate"]: runs.recomputed.train_accuracy[:, -1].mean()
    for point, runs in zip(rates.points, rates.runs, strict=True)
}
for rate, accuracy in after_200.items():
    print(f"learning rate {rate:3}   training accuracy after 200 steps {accuracy:6.1%}")

# %%
best_rate = max(after_200, key=after_200.get)
print("the best learning rate for the plain network:", best_rate)

# %% [markdown]
# Now train both networks for 600 steps. `Probes` looks inside every 25 steps: it shows the network always the same 128
# training images and writes down all pre-activations. (With BatchNorm these 128 images are normalised as one batch, by
# their own mean and spread, as in training. The accuracies are `recomputed`: there BatchNorm uses the exact mean and
# variance of the training set; [05](05_training_and_inference.ipynb) says why.)


# %%
def train(build, steps):
    probes = Probes(at=tuple(range(0, steps + 1, 25)), rows=128)
    return train_many(build, dataset, seeds=8, steps=steps, batch_size=60,
                      optimizer=keras.optimizers.SGD(best_rate),
                      evaluate_every=50, probes=probes)


# %% tags=["nbval-ignore-output"]
from helpers import plots

arms = {
    "without BatchNorm": train(without, 600),
    "with BatchNorm": train(with_batchnorm, 600),
}
plots.learning_curves(arms, "train_accuracy", statistics="recomputed")

# %%
for name, runs in arms.items():
    values = list(runs.pre_activations.values())
    print(f"{name}: {len(values)} layers, each {values[0].shape}",
          "= (seeds, probes, images, units)")
    print("   seeds whose runs diverged:", runs.diverged or "none")

# %% [markdown]
# Both networks have the same initial weights, the same batches and the learning rate that suits the plain network best.
# Yet the two learning curves in the figure above differ. This difference is what the notebook tries to explain.
#
# ## Watch one unit
#
# > **The lesson:** Instead of letting values grow unpredictably, BatchNorm ensures that activations remain
# > well-behaved.
#
# The paper's figure shows three **percentiles** of one unit: 15 % of the images lie below the lowest line, half below
# the middle one, 85 % below the highest. If the distribution stands still, all three lines are level.
#
# **Predict first.** Without BatchNorm, in which hidden layer will the distributions move most in 25 steps, on average
# of all units: 1 (next to the image), 2, or 3 (next to the output)? The figure shows one unit; the answer comes
# further down.

# %%
my_prediction = None  # your guess: 1, 2 or 3

# %% tags=["nbval-ignore-output"]
plots.percentiles_over_training(arms, unit=3)

# %% [markdown]
# Follow the upper right panel from the left. At step 0 the three lines lie on each other, because all images give
# this unit nearly the same pre-activation. Within the first steps all three lines jump to another value together.
# They spread apart only when the network starts to learn. The jump is not an accident of this run: the other seeds,
# in grey, make it too.
#
# The next figure shows the same unit again, with its whole distribution instead of three lines. Each hill is the
# distribution at one step; time goes upwards.

# %% tags=["nbval-ignore-output"]
plots.ridgelines(arms, layer=3, unit=3)

# %% [markdown]
# On the left, the inputs of the sigmoid lie near 0 at some steps and far from 0 at others, and their distribution is
# narrow at first and wide later. On the right, the distribution hardly leaves its place, and its width changes far
# less.
#
# Why is the hill at the lower left so narrow? Before training, how different are two images in the eyes of one unit?
# Here is the standard deviation over the 128 images at step 0, averaged over the units of each layer:

# %%
for name, runs in arms.items():
    spreads = [
        values[:, 0].std(axis=1).mean() for values in runs.pre_activations.values()
    ]
    print(
        f"{name:18}",
        "   ".join(
            f"layer {i}: {spread:.2f}" for i, spread in enumerate(spreads, start=1)
        ),
    )

# %% [markdown]
# Without BatchNorm each layer passes on a smaller difference between images than it got, so the last layer sees hardly
# any difference. These faint differences will be important at the end.
#
# ## Play with it
#
# One unit is an anecdote. Here are all 300 of them, at every probed step. The curves are the 15, 50 and 85 %
# percentiles over training, the hill is the distribution at the chosen step, and the white diamond follows **one and
# the same image**.
#
# 1. Move **step** from left to right. Which side has the moving hill?
# 2. Choose **layer** 1 and 2, and some other **units**. Is the picture the same?
# 3. Go back to step 0 and watch only the **diamonds** while you move **step** to 100. Keep in mind how far the diamond
#    on the right moves.
#
# (The sliders move in a running notebook, and on the course's site, which has units 0 to 9 of each layer. Elsewhere you
# see a picture of the first position.)

# %%
from helpers.explorers import DistributionExplorer

DistributionExplorer(arms)

# %% [markdown]
# ## The shift as a number
#
# "It moves a lot" is no measurement. We need a distance between two distributions of the same unit: its 128 values
# before, and its 128 values 25 steps later. Sort both lists. Pair the smallest with the smallest, the second with the
# second, up to the largest with the largest, and take the root of the mean squared difference:
#
# $$\text{drift} = \sqrt{\frac1n \sum_{i=1}^{n} \left(a_{(i)} - b_{(i)}\right)^2}
# \qquad a_{(1)} \le a_{(2)} \le \dots \quad b_{(1)} \le b_{(2)} \le \dots$$
#
# Here the a are the values before and the b those after, n is 128, $a_{(1)}$ is the smallest of its list and
# $a_{(2)}$ the next. (Statisticians call it the Wasserstein distance of order 2.) If every value moves up by 3, the
# drift is 3. If the images only swap places, it is 0: drift asks *where the values lie*, not which image has which.

# %%
before = np.array([0.2, 1.7, 0.9, 3.1])
for what, after in (
    ("all values + 3", before + 3),
    ("places swapped", before[::-1]),
    ("last value + 2", before + np.array([0, 0, 0, 2])),
):
    print(
        f"{what:15} drift",
        np.sqrt(np.mean((np.sort(after) - np.sort(before)) ** 2)).round(3),
    )

# %% [markdown]
# The drift is measured on the scale of the pre-activations. This scale is fair to both networks: a sigmoid responds
# only to the number it gets, whichever network produced it, and its output hardly changes below −4 and above 4.
#
# `helpers.shift.drift` computes the drift for every seed, probe and unit at once. The figure shows the drift over time.
# Find the steps at which the plain network drifts most, and compare them with its learning curve above.

# %% tags=["nbval-ignore-output"]
plots.drift_over_training(arms)

# %% [markdown]
# Look at the plain network. In the first steps its last layers drift far, because its outputs move to what is right
# *on average*, whatever the image. As long as the plain network does not learn, its first layers hardly drift. Its
# long drift comes just when it learns.
#
# Remember: **a layer learns by changing what it passes to the next layer.** So in a network that learns, the values
# that a layer passes on must change. Whether their *distribution* must change too is another question.
#
# Now one number for each seed: the mean over all probes, layers and units. Over the seeds you get a mean with its
# **95 % interval**, written as mean ± half its width: how far the mean may be off, judged by how much the seeds
# differ.
#
# **Predict:** the drift with BatchNorm, as a multiple of the drift without. 1 would mean "no difference".

# %%
my_prediction_ratio = None  # your guess, such as 0.8

# %%
from helpers.shift import drift
from helpers.statistics import mean_interval


def mean_drift(runs, steps=600):
    """The mean drift in 25 steps up to this step, of all layers and units: (seeds,)."""
    probes = steps // 25 + 1
    by_layer = [drift(values[:, :probes])  # (seeds, pairs of probes, units)
                for values in runs.pre_activations.values()]
    return np.mean([moved.mean(axis=(1, 2)) for moved in by_layer], axis=0)


# %% tags=["nbval-ignore-output"]
drifts = {name: mean_drift(runs) for name, runs in arms.items()}
ratio = drifts["with BatchNorm"] / drifts["without BatchNorm"]
for name, values in drifts.items():
    print(f"{name:18} drift in 25 steps:", mean_interval(values, unit=""))
print("drift, with / without, seed by seed:", mean_interval(ratio, unit=""))

own = [
    np.mean([(drift(values) / values[:, :-1].std(axis=2)).mean()
             for values in arms[name].pre_activations.values()])
    for name in ("with BatchNorm", "without BatchNorm")
]
print("drift in units of each unit's own standard deviation, with / without: "
      f"{own[0] / own[1]:.2f}")

# %% tags=["nbval-ignore-output"]
plain = arms["without BatchNorm"].pre_activations
by_layer = [drift(values).mean() for values in plain.values()]
for number, moved in enumerate(by_layer, start=1):
    print(f"without BatchNorm, layer {number}: drift {moved:.2f}")

# %%
from helpers import predictions

predictions.compare(
    "01, which layer moves", my_prediction, 1 + int(np.argmax(by_layer)),
    why="Many people expect the first layer, because it comes first. But two things "
    "may add up in the later layers: a change in one layer is passed on to all layers "
    "behind it, and in the first steps the outputs move to what is right on average.",
)

# %% tags=["nbval-ignore-output"]
predictions.compare(
    "01, the size of the drift", my_prediction_ratio, ratio.mean(), within=0.1,
    why="Batch Normalization sets mean and spread of each unit anew for each batch, so "
    "most of what can move is held.",
)

# %%
print(
    "with BatchNorm the drift is clearly smaller:",
    mean_interval(ratio, unit="").high < 0.8,
)

# %% [markdown]
# So the first claim holds: distributions move, and with BatchNorm they move less. (In units of each unit's own standard
# deviation the difference looks larger, because without BatchNorm these standard deviations are tiny at the start. We
# keep the scale that flatters BatchNorm less.)
#
# ## Was that a discovery?
#
# Be suspicious of a victory that cannot fail. BatchNorm *sets* the mean and the standard deviation of every unit, so it
# is no wonder that mean and standard deviation hold still. Luckily the drift can be taken apart. Its square is the sum
# of three parts:
#
# $$\text{drift}^2 = (\text{change of the mean})^2 + (\text{change of the standard deviation})^2 + \text{change of shape}$$
#
# In the right-hand panel, look for the largest part that is left. The bars show *shares*; the caption gives the total.

# %% tags=["nbval-ignore-output"]
plots.drift_parts_bars(arms)

# %%
from helpers.shift import drift_parts

moments, shape = {}, {}
for name, runs in arms.items():
    by_layer = [drift_parts(values) for values in runs.pre_activations.values()]
    parts = np.sum([[part.sum() for part in layer] for layer in by_layer], axis=0)
    moments[name], shape[name] = (parts[0] + parts[1]) / parts.sum(), parts[2]
print("without BatchNorm the drift is nearly all mean and spread:",
      bool(moments["without BatchNorm"] > 0.8))
print("with BatchNorm the drift is mostly shape:",
      bool(moments["with BatchNorm"] < 0.4))
print("with BatchNorm the shape changes less than without:",
      bool(shape["with BatchNorm"] < shape["without BatchNorm"]))

# %%
seen = {}
for images in (32, 64, 128):
    shapes = [drift_parts(values[:, :, :images]).shape
              for values in arms["with BatchNorm"].pre_activations.values()]
    seen[images] = np.mean(shapes)
print("with BatchNorm, the fewer images we look at, the more the shape changes:",
      bool(seen[32] > seen[64] > seen[128]))

# %% [markdown]
# BatchNorm removes what it was built to remove: most of the change of mean and spread. What is left is mostly a change
# of shape. The change of shape is small beside what was removed. Is it also smaller than in the plain network? Compare
# the last numbers of the two halves of the caption. The third of the printed lines answers the same question.
#
# Part of the change of shape comes from using only 128 images: when images change places, a small sample gets another
# shape by chance. The last printed line checks it: seen through 64 or 32 of the same images, the shape changes more.
#
# The little change of mean and spread that is left comes from `gamma` and `beta`, the two learned numbers per unit by
# which the network *chooses* the unit's mean and spread. You meet them in 02.
#
# ## What BatchNorm does not hold still
#
# Now remember the diamond in the explorer, which was one image. With BatchNorm, a unit of the last layer nearly keeps
# its distribution between step 0 and step 100. **Predict:** do the *images* keep their places in this distribution?
# Is an image whose value was one of the highest at step 0 still among the highest at step 100?

# %%
my_prediction = None  # your guess: "they keep their places" or "they change places"

# %% tags=["nbval-ignore-output"]
plots.image_positions(arms, layer=3, unit=3, before=0, after=100)

# %% [markdown]
# **Now look again at the right half.** From the left black bar to the right one little changed: the middle is about
# the same, and the spread somewhat larger. A percentile plot shows no more than these two bars. But between the bars
# nearly every image moved. It had to be so: at step 0 this network knew nothing, and at step 100 it got most training
# images right. The *next layer* does not receive a histogram. It receives the value of one image, and that value
# changed a lot.
#
# For a number, pair by image instead of by rank. We call it **travel**: the root of the mean squared difference between
# an image's old value and its new one.

# %% tags=["nbval-ignore-output"]
from helpers.shift import travel

travels = {}
for name, runs in arms.items():
    by_layer = [travel(values) for values in runs.pre_activations.values()]
    travels[name] = np.mean([moved.mean(axis=(1, 2)) for moved in by_layer], axis=0)
travel_ratio = travels["with BatchNorm"] / travels["without BatchNorm"]
for name, values in travels.items():
    print(f"{name:18} travel in 25 steps:", mean_interval(values, unit=""))
print("travel, with / without, seed by seed:", mean_interval(travel_ratio, unit=""))
print("drift, with / without, seed by seed: ", mean_interval(ratio, unit=""))

# %% tags=["nbval-ignore-output"]
last = list(arms["with BatchNorm"].pre_activations.values())[-1]
kept = np.mean(
    [
        np.corrcoef(last[seed, 0, :, unit], last[seed, 4, :, unit])[0, 1]
        for seed in range(len(last))
        for unit in range(100)
    ]
)  # probe 4 is step 100
print("last layer with BatchNorm, mean correlation of an image's values at steps 0 and "
      f"100: {kept:.2f}")

# %%
of_travel, of_drift = (mean_interval(one, unit="") for one in (travel_ratio, ratio))
far_more = of_travel.low > 1.5 * of_drift.high
print("BatchNorm reduces drift far more than the travel of single images:", far_more)
predictions.compare(
    "01, the places of the images", my_prediction,
    "they change places" if kept < 0.7 else "they keep their places",
    why="A distribution says how many images lie where, and not which of them. So a "
    "distribution can stand still while its images change places.",
)

# %% [markdown]
# So "with BatchNorm the next layer gets stable inputs" is half true. Each unit's mean and spread are stable. Which
# image has which value is not.
#
# ## A second definition: by gradients
#
# Santurkar and others (2018) said: if the shift is to matter for *training*, measure it where training happens, in the
# gradient. The gradient g of a layer's weights says in which direction these weights should move to lower the loss. But
# in the same step the layers *before* this layer change as well. Is g still the right direction after their change?
#
# 1. Take the gradient g of one layer's weights on a batch.
# 2. Update everything *before* that layer, as the training step would.
# 3. Take its gradient again, g′, on the same batch. Compare: the cosine of the angle between g and g′ is 1 if they point
#    the same way, 0 if they have nothing to do with each other.
#
# Here it is in plain Keras for one network, one seed, one batch, and the last layer:

# %%
import tensorflow as tf

loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def gradients(model, x, y):
    with tf.GradientTape() as tape:
        loss = loss_function(y, model(x, training=True))
    return tape.gradient(loss, model.trainable_variables)


# %% tags=["nbval-ignore-output"]
plain = arms["without BatchNorm"]
model = plain.model(plain.seeds[0])  # as it was after the last step
x, y = dataset.x_train[:60], dataset.y_train[:60]
g_before = gradients(model, x, y)
for variable, step in zip(model.trainable_variables[:-2], g_before[:-2], strict=True):
    # all but the last layer's
    variable.assign(variable - best_rate * step)
g = np.ravel(g_before[-2])  # the last layer's weights; [-1] is its bias
g_after = np.ravel(gradients(model, x, y)[-2])
cosine = g @ g_after / np.linalg.norm(g) / np.linalg.norm(g_after)
print(f"cosine between g and g′: {cosine:.3f}")

# %% [markdown]
# The further the cosine is below 1, the more the right direction has changed. `helpers.shift.gradient_shift` computes
# this cosine for every layer but the first, for all seeds and for several batches. We compare two moments of training,
# and we add a third network, for a reason that you will see: the plain one with **six** hidden layers.
#
# **Predict:** which of the three has the *least* shift of gradients, that is the cosine nearest to 1?

# %%
my_prediction = None  # your guess: "without", "with" or "six layers"

# %% tags=["nbval-ignore-output"]
from helpers.shift import gradient_shift
from helpers.statistics import share_of_reachable

six_layers = functools.partial(network, batchnorm=False, depth=6)
stages = (50, 200)
contestants = {
    "without BatchNorm": without,
    "with BatchNorm": with_batchnorm,
    "six layers, without": six_layers,
}
trained = {
    name: [train(build, steps) for steps in stages]
    for name, build in contestants.items()
}
shifts = {  # name → (stages, seeds)
    name: gradient_shift(runs).cosine.mean(axis=1) for name, runs in trained.items()
}


# %% tags=["nbval-ignore-output"]
def in_one_line(cosines):
    found = [mean_interval(cosine, unit="") for cosine in cosines]
    return "   ".join(f"{one.mean:.3f} ± {one.high - one.mean:.3f}" for one in found)


print("cosine between g and g′, mean of all layers and 8 seeds, after", stages, "steps")
for name, cosines in shifts.items():
    print(f"{name:20}", in_one_line(cosines))

# %% [markdown]
# Which network has the cosines nearest to 1? Here is the training accuracy of the three networks, in the same order.
# Compare the two tables line by line: does the network with the steadiest gradients learn best?

# %% tags=["nbval-ignore-output"]
print("training accuracy after", stages, "steps")
accuracies = {
    name: np.array(
        [runs.recomputed.train_accuracy[:, -1].mean() for runs in stage_runs]
    )
    for name, stage_runs in trained.items()
}
for name, values in accuracies.items():
    print(f"{name:20}", "   ".join(f"{value:6.1%}" for value in values))

# %%
least_shift = max(shifts, key=lambda name: shifts[name].mean())
best = max(values[-1] for values in accuracies.values())
came_far = share_of_reachable(
    accuracies[least_shift][-1], chance=dataset.chance, best=best
)
print("the network with the least shift of gradients:", least_shift)
print("it has come less than a tenth of the way from guessing to the best network:",
      bool(came_far < 0.1))
at_50 = {name: shifts[name][0].mean() for name in arms}  # the two with three layers
print("after 50 steps the gradients shift more", min(at_50, key=at_50.get))
print("after 50 steps the training accuracy is higher",
      max(at_50, key=lambda name: accuracies[name][0]))

# %%
shorter = {"without BatchNorm": "without", "with BatchNorm": "with"}
predictions.compare(
    "01, the steadiest gradients", my_prediction,
    shorter.get(least_shift, "six layers"),
    why="A gradient that hardly changes can belong to a network that trains well, or "
    "to one in which nothing moves. The measure cannot tell them apart.",
)

# %% [markdown]
# The network with the "perfect" score is hardly better than guessing. The likely reason for its score: almost no
# gradient reaches its lower layers, so the lower layers stand still, and nothing changes for the layers behind them.
#
# Now compare the two networks with three layers. The last two printed lines say whose gradients shift more after 50
# steps, and who has learned more by then. If it is the same network, more shift is no sign of less learning. After
# 200 steps the order of the two may be another one: look whether their intervals in the table overlap.
#
# Take two things with you. *Little shift is not the same as good training.* And before you trust a perfect score, ask
# whether a network that learns nothing would get it, too.
#
# ## The counter-experiment
#
# To find out whether the shift *causes* slow training, do not only remove the shift. **Put it back.** Santurkar's
# group did so: they left BatchNorm in, and between BatchNorm and the activation they added noise that shifts the
# distributions on purpose, at every single step anew. If shift is the trouble, the advantage of BatchNorm must
# vanish.
#
# Here is a layer that makes such noise. It is simpler than theirs: their noise also differs from image to image, ours
# is the same for all images of a call. Each call draws a new scale and a new shift for every unit: (1 + noise) · x +
# noise. The noise is strong: now and then the scale even comes out negative, and the unit's values are mirrored.


# %%
class Noise(keras.layers.Layer):
    def __init__(self, centre=1.0, spread=0.5):
        super().__init__()
        self.centre, self.spread = centre, spread
        self.random = keras.random.SeedGenerator(seed=0)  # new numbers at each call

    def call(self, x):  # in training and also when we measure: the noise never stops
        shape = 2, x.shape[-1]
        noise = keras.random.normal(shape, stddev=self.spread, seed=self.random)
        return (self.centre + noise[0]) * x + noise[1]


# %%
noisy_batchnorm = functools.partial(network, batchnorm=True, noise=Noise)
ones = np.ones((1, 4), dtype="float32")
layer = Noise()
first, second = np.asarray(layer(ones)), np.asarray(layer(ones))
assert not np.allclose(first, second), "two calls must draw different noise"
print("the same four ones, twice:", first.round(2)[0], second.round(2)[0])

# %% [markdown]
# Three networks are trained for 200 steps: without BatchNorm, with BatchNorm, and with *noisy* BatchNorm.
# **Predict:** in which order do they come, from the worst training accuracy to the best?

# %%
my_prediction = None  # your guess, for example ["without", "noisy", "with"]

# %% tags=["nbval-ignore-output"]
noise_arms = {
    "without": trained["without BatchNorm"][1],  # the runs of 200 steps, from above
    "with": trained["with BatchNorm"][1],
    "noisy": train(noisy_batchnorm, 200),
}
plots.percentiles_over_training(
    {"without": noise_arms["without"], "noisy": noise_arms["noisy"]}, unit=3
)

# %% [markdown]
# The lower row is the network with noisy BatchNorm. Nothing holds still there, from the first step to the last and in
# every layer: every 25 steps (in truth at every step) each unit's distribution has another place *and* another width.
# And here is how well the three networks learn:

# %% tags=["nbval-ignore-output"]
plots.learning_curves(noise_arms, "train_accuracy", statistics="recomputed")

# %% [markdown]
# Now one picture with the drift and the training accuracy of each network, the one with six layers included. The noisy
# network was trained for 200 steps, so the drift of all four is taken up to step 200. (The drift printed further up was
# taken up to step 600, so its numbers differ.)

# %% tags=["nbval-ignore-output"]
points = {
    name: (mean_drift(runs, 200), runs.recomputed.train_accuracy[:, -1])
    for name, runs in {
        **noise_arms,
        "six layers": trained["six layers, without"][1],
    }.items()
}
plots.drift_against_accuracy(points, steps=200)

# %%
final = {
    name: accuracy.mean()
    for name, (_, accuracy) in points.items()
    if name != "six layers"
}
predictions.compare(
    "01, the counter-experiment", my_prediction, sorted(final, key=final.get),
    why="If drift decided how well a network trains, the network with the most drift "
    "would come last.",
)

# %% [markdown]
# If drift decided how well a network trains, the markers would run from the upper left to the lower right. They do
# not: of the two networks with the least drift, one is the best of all and the other the worst, and the network with
# the most drift comes second. The noise has a price: noisy BatchNorm learns more slowly than BatchNorm. But it keeps
# most of the advantage.
#
# ## A trap: noise that helps
#
# Before you believe an experiment, look for what else changed. Suppose someone builds the noise a little differently:
# scales around 5 instead of 1. We put noise around 5 into the **plain** network, and for comparison noise around 1.
#
# **Predict:** the plain network learned slowly. Will it learn more slowly still with the noise around 5?

# %%
my_prediction = None  # noise around 5: "slower" or "faster" than the plain network

# %%
noises = {
    "noise around 1": Noise,
    "noise around 5": functools.partial(Noise, centre=5.0),
    "times 5, no noise": functools.partial(Noise, centre=5.0, spread=0.0),
}

# %% tags=["nbval-ignore-output"]
trap = {"plain": noise_arms["without"]}
for name, noise in noises.items():
    trap[name] = train(functools.partial(network, batchnorm=False, noise=noise), 200)
plots.learning_curves(trap, "train_accuracy", statistics="recomputed")

# %%
from helpers.statistics import paired_difference

plain_accuracy = noise_arms["without"].recomputed.train_accuracy[:, -1]
gains = {
    name: paired_difference(runs.recomputed.train_accuracy[:, -1], plain_accuracy)
    for name, runs in trap.items()
    if name != "plain"
}
words = {
    name: "faster" if gain.low > 0 else "slower" if gain.high < 0 else "undecided"
    for name, gain in gains.items()
}
for name, word in words.items():
    print(f"{name:18}", word)
predictions.compare(
    "01, noise around 5", my_prediction, words["noise around 5"],
    why="Noise around 5 changes two things at once: it adds disorder, and it "
    "multiplies the pre-activations by 5. Multiplying by 5 without noise makes the "
    "second change alone.",
)

# %% [markdown]
# "Noise makes networks learn faster!", one could conclude, and the word *faster* beside "noise around 5" would agree.
# But "times 5, no noise" is faster, too, so it was not the noise that helped. It was the **scale**: our weights start
# small, so each layer passes on a smaller difference between images than it got (remember the narrow hill at step 0),
# and multiplying by 5 repairs that. The scale is called a **confound**: two things were changed at once, and the
# wrong one got the credit.
#
# Noise around 1 does not have this flaw, and the first printed line says that it made the plain network slower. Does
# this prove the lesson's claim that shift slows training down? Not yet: *added* noise hurts a network whose signals
# are already faint, but that does not tell us whether the network's own, *natural* drift hurts it. The experiment
# with noisy BatchNorm is the cleaner one: there the signals have a sound size, and the same noise cost little.
#
# "times 5, no noise" is also a hint. It uses no batch statistics and holds nothing still, it only has a sensible
# scale, and the plain network trains. Perhaps what BatchNorm gives to this network is a useful scale of signals and
# gradients in every layer, rather than distributions that hold still. The notebooks [03](03_keras_sequential.ipynb)
# and [04](04_placement.ipynb) follow this up.
#
# ## The verdict
#
# The rule, the strength of the noise and the moment at which we look, after 200 steps, were settled in trial runs. The
# verdict was then checked with other seeds. The rule asks five questions:
#
# 1. Does the plain network drift, up to step 600?
# 2. Does the network with BatchNorm drift less, up to step 600?
# 3. Does the network with BatchNorm train better?
# 4. In the counter-experiment, does noisy BatchNorm drift more than the plain network, up to step 200?
# 5. Does noisy BatchNorm train better than the plain network all the same?


# %%
def accuracy_at_200(runs):
    return runs.recomputed.train_accuracy[:, list(runs.evaluated_at).index(200)]


evidence = {
    "plain_drift": mean_interval(drifts["without BatchNorm"], unit=""),
    "drift_ratio": mean_interval(ratio, unit=""),
    "gain": paired_difference(
        accuracy_at_200(arms["with BatchNorm"]),
        accuracy_at_200(arms["without BatchNorm"]),
    ),
    "noisy_drift_ratio": mean_interval(
        points["noisy"][0] / points["without"][0], unit=""
    ),
    "noisy_gain": paired_difference(
        accuracy_at_200(noise_arms["noisy"]), accuracy_at_200(noise_arms["without"])
    ),
}

# %% tags=["nbval-ignore-output"]
from helpers import claims

card = claims.verdict("C1", evidence)
claims.record(card, dataset, networks=repr(arms["with BatchNorm"]),
              noisy=repr(noise_arms["noisy"]))
card

# %%
print(card.word)

# %% [markdown]
# ## What you saw

# %%
predictions.summary()

# %% [markdown]
# - Inside a network that learns, distributions move: their means, their spreads, their shapes. *That* is a fact.
# - BatchNorm holds mean and spread nearly still, because it sets them. Shape, and the places of the images within the
#   distribution, go on changing. Something has to change, or nothing would be learned.
# - A network that learns nothing has a perfect score by the gradients, and it drifts about as little as the one with
#   BatchNorm.
# - A BatchNorm network that was made to shift on purpose still learned far faster than the plain one. So here it is not
#   the removal of the shift that gives BatchNorm its advantage. Santurkar's group reports the same for a deeper network.
# - Shift added to the *plain* network slowed it down. That does not tell us whether its own, natural shift slows it
#   down.
# - The small print: three sigmoid layers, small initial weights, 8 × 8 images, 600 steps, noise of one kind and one
#   strength. You have all you need to try another: change `spread` in the class `Noise` to 1.0, or `stddev` of the
#   weights, and run the notebook again. The lines that end in True or False say which findings are left. Does the
#   verdict hold?
#
# BatchNorm helps this network, no doubt. *Why* it helps is the contested part. The rest of this course measures its
# benefits one by one.
#
# **Next:** [02 · Batch Normalization from scratch](02_batchnorm_from_scratch.ipynb), where you build it yourself.
