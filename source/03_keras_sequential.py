# %% [markdown]
# # 3 · Batch Normalization in Keras
#
# **Time:** about 40 minutes · **Before this:** [02 · Batch Normalization from scratch](02_batchnorm_from_scratch.ipynb)
#
# The lesson promises three things: with Batch Normalization a network learns faster, takes higher learning rates and
# can be deeper. Is that true, and when is it not?
#
# After this notebook you can
#
# - build, train and read the lesson's own network, and say what each of the four vectors of a `BatchNormalization`
#   layer is for;
# - say what `fit` changes in them and what `predict` uses;
# - test the three promises *faster convergence*, *higher learning rates*, *more stable deep networks* over several
#   seeds, and name a case where little is gained.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## A signal on its way through twenty layers
#
# One experiment before we use Keras. Take 20 layers of 64 ReLU units, with the weights that Keras draws by default, and
# send 1000 random inputs through them, before any training. We measure the *size* of what each layer hands on. With
# $h_{ij}$ for the output of unit $j$ for input $i$, with $N$ inputs and $n$ units, the size is the root of the mean square:
#
# $$\text{size}(h) = \sqrt{\frac{1}{N\,n} \sum_{i=1}^{N} \sum_{j=1}^{n} h_{ij}^2}$$
#
# The last line of the cell computes this size. The two networks differ only in the line under `if`, which subtracts the
# mean of each unit and divides by its standard deviation, as Batch Normalization does.

# %%
import numpy as np

rng = np.random.default_rng(0)
inputs = rng.normal(size=(1000, 64))
signals = {"without BatchNorm": inputs, "with BatchNorm": inputs}
sizes = {name: [] for name in signals}
limit = np.sqrt(6 / (64 + 64))  # Keras draws weights between −limit and limit

for _ in range(20):
    kernel = rng.uniform(-limit, limit, (64, 64))  # the same weights for both networks
    for name, signal in signals.items():
        z = signal @ kernel
        if name == "with BatchNorm":
            z = (z - z.mean(axis=0)) / z.std(axis=0)
        signals[name] = np.maximum(z, 0)  # ReLU
        sizes[name].append(np.sqrt(np.mean(signals[name] ** 2)))

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws the size of the signal after each of the twenty layers.
from helpers import plots

figure, axis = plots.new_figure(width=7.5, height=3.2)
for i, (name, size) in enumerate(sizes.items()):
    axis.plot(range(1, 21), size, color=plots.COLORS[i], linestyle=plots.LINESTYLES[i],
              marker=plots.MARKERS[i], label=name)
axis.set(xlabel="layer", ylabel="size of the signal (log scale)", yscale="log",
         xticks=[1, 5, 10, 15, 20])
axis.legend(frameon=False, loc="lower left")
plots.Plot(figure, "; ".join(
    f"{name}, the size is {size[0]:.1f} after layer 1 and {size[-1]:.1g} after layer 20"
    for name, size in sizes.items()) + ".")

# %% [markdown]
# Both networks have the same weights. Without BatchNorm the last layer hands on numbers that are about a thousand
# times smaller than those of the first layer; with BatchNorm the size stays the same. Can a network learn from so
# small a signal? The section "More stable deep networks" answers this question and gives the reason for the straight
# line. And if BatchNorm keeps the size, does the network also learn better? This second question takes the whole
# notebook.
#
# ## The lesson's network, exactly as printed
#
# > **The lesson:** Code Example: Batch Normalization Layer

# %%
from helpers import environment

environment.quiet_tensorflow()  # otherwise a page of log lines

import keras

keras.utils.set_random_seed(1)  # first, because the layers draw their weights with it

# %%
from tensorflow.keras.models import Sequential
from tensorflow.keras.layers import Dense, BatchNormalization, Activation

model = Sequential([
    Dense(128),
    BatchNormalization(),
    Activation("relu"),
    Dense(64),
    BatchNormalization(),
    Activation("relu"),
    Dense(1)
])

# %% [markdown]
# > **The lesson:** Here, BatchNormalization is applied before each activation function.
#
# (Whether "before" is the better place is the question of [04](04_placement.ipynb).)
#
# Read the next drawing from left to right: a linear layer, BatchNorm, an activation, and the same three again. The
# last `Dense(1)` has no activation. It returns one number for each example, called a *logit*: a positive logit means
# "yes", a negative one "no".

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws the layers of the lesson's network in their order.
from helpers.plots import drawings_network

boxes = {Dense: lambda layer: f"Dense {layer.units}",
         BatchNormalization: lambda layer: "BatchNorm",
         Activation: lambda layer: "ReLU"}
names = [boxes[type(layer)](layer) for layer in model.layers]
drawings_network.layer_rows({"model": names})

# %% [markdown]
# The lesson does not say which question its network answers. Let us ask one about images.

# %%
from helpers.data import load

dataset = load()
print(dataset)

# %% [markdown]
# Each row of `x_train` is one image, with a number for each pixel. The numbers are standardised: over all pixels of
# all training images together they have mean 0 and standard deviation 1. (The end of this notebook shows what
# BatchNorm does with inputs that are *not* standardised.) Look for images that *you* would get wrong.

# %%
from helpers.plots.images import image_row

parity = ["even", "odd"]
titles = [f"{dataset.class_names[label][:10]}\nclass {label}: {parity[label % 2]}"
          for label in dataset.y_train[:10]]
image_row(dataset.pixels(dataset.x_train[:10]), titles, "The first ten training images")

# %% [markdown]
# Our question is: **is the number of the class odd?** (For digits: is the digit odd?)
#
# A logit $z$ becomes a probability of "odd" by the sigmoid, and the loss is binary cross-entropy. It is small where the
# network gives a high probability to the right answer $y$, which is 1 for odd and 0 for even:
#
# $$p = \frac{1}{1 + e^{-z}} \qquad\qquad L = -\,y \log p \;-\; (1-y) \log (1-p)$$
#
# Keras computes both formulas in one step, `BinaryCrossentropy(from_logits=True)`. A logit above 0 is a probability
# above one half, so the metric's threshold is 0.

# %%
odd_train, odd_test = dataset.y_train % 2, dataset.y_test % 2

model.compile(
    optimizer=keras.optimizers.SGD(0.1),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")],
)

# %% [markdown]
# **Predict before you run.** The network sees every training image ten times, which takes about five seconds. What
# share of the test images will it get right? Guessing gives about 50 %.

# %%
my_prediction = None  # in percent, for example 80

# %% tags=["nbval-ignore-output"]
from helpers import predictions
from tqdm.keras import TqdmCallback

history = model.fit(
    dataset.x_train,
    odd_train,
    batch_size=60,
    epochs=10,
    validation_data=(dataset.x_test, odd_test),
    verbose=0,
    callbacks=[TqdmCallback(verbose=0)],
)
odd_accuracy = history.history["val_accuracy"][-1]
steps = 10 * int(np.ceil(len(odd_train) / 60))
predictions.compare("03, odd or even", my_prediction, 100 * odd_accuracy, within=5,
    why="Many people guess lower, because ten passes sound like little. In fact each "
        "batch of 60 images is a step of the optimizer, so the network has taken "
        f"{steps} steps.")

# %%
one_answer = max(np.mean(odd_test), 1 - np.mean(odd_test))  # the same to every image
print("Odd or even: more than half of the way from guessing to no mistake at all:",
      odd_accuracy - one_answer > 0.5 * (1 - one_answer))

# %% [markdown]
# Now the accuracy after each epoch, on training batches and on test images. The two lines differ in three ways at once:
#
# 1. *images*: the solid line stands for the training images, the dashed line for the test images;
# 2. *weights*: the solid line averages over all steps of an epoch, the dashed line is measured at the epoch's end;
# 3. *statistics*: in the solid line BatchNorm uses those of each batch, in the dashed line its moving averages.
#
# Which line is higher in the first epoch, and which in the last ones?

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the accuracy on training batches and on test images, epoch by epoch.
lines = {"training batches (batch statistics)": "accuracy",
         "test images (moving statistics)": "val_accuracy"}
figure, axis = plots.new_figure(width=7, height=3.2)
said = []
for i, (name, key) in enumerate(lines.items()):
    accuracy = 100 * np.array(history.history[key])
    axis.plot(range(1, 11), accuracy, color=plots.COLORS[i],
              linestyle=plots.LINESTYLES[i], marker=plots.MARKERS[i], label=name)
    said.append(f"{name}: {accuracy[0]:.0f} % in epoch 1, "
                f"{accuracy[-1]:.0f} % in epoch 10")
axis.set(xlabel="epoch", ylabel="accuracy (%)")
axis.legend(frameon=False)
plots.Plot(figure, "; ".join(said) + ".")

# %% [markdown]
# A gap between these lines can have either sign. In the first epoch the solid line includes the first batches, when
# the network had learnt nothing yet. The dashed line has two other handicaps: new images, and moving statistics that
# lag behind the weights. The gap that you see is the sum of all three differences. So do not call the gap
# "overfitting" before you know which of the three differences makes it. The next section shows the two kinds of
# statistics, and notebook [05](05_training_and_inference.ipynb) separates the three differences.
#
# ## Four vectors, two kinds
#
# A `BatchNormalization` layer keeps four vectors, with one number per unit in each. Two of the vectors are trained by
# gradients like any weight. The two others are only *tracked*: the layer updates them itself, without a gradient.
#
# **Predict:** how many numbers does the first `BatchNormalization` layer hold, behind `Dense(128)`?

# %%
my_prediction = None  # a whole number

# %%
first = model.layers[1]
for variable in first.variables:
    kind = "trained by gradients" if variable.trainable else "tracked, no gradient"
    print(f"{variable.name:16s} shape {tuple(variable.shape)}   {kind}")

predictions.compare("03, four vectors", my_prediction, first.count_params(), why=(
    "Many people guess 256, because gamma and beta are the two vectors that are "
    "trained. In fact the layer also stores the moving mean and the moving variance "
    "of each unit."))

# %% [markdown]
# `gamma` starts at 1, `beta` at 0, `moving_mean` at 0 and `moving_variance` at 1. Which of them did `fit` change, and
# which one most? Mind that the four horizontal axes have different scales.

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws how the 128 numbers of each of the four vectors are spread after fit.
figure, axes = plots.new_figure(1, 4, width=9, height=2.6, sharey=True)
said = []
for axis, variable, start in zip(axes, first.variables, (1, 0, 0, 1)):
    values = variable.numpy()
    axis.hist(values, bins=24, color=plots.COLORS[0])
    axis.axvline(start, color=plots.COLORS[1], linestyle="--")
    axis.set_title(f"{variable.name}, start {start}", fontsize=10)
    said.append(f"{variable.name} started at {start} and is now between "
                f"{values.min():.2g} and {values.max():.2g}")
axes[0].set_ylabel("units")
plots.Plot(figure, f"{'; '.join(said)}. Dashed: where all 128 units started.")

# %%
for variable, start in zip(first.variables, (1, 0, 0, 1)):
    moved = np.abs(variable.numpy() - start).max() > 1e-3
    print(f"{variable.name:16s} moved: {bool(moved)}")

# %% [markdown]
# The two kinds of vectors move for different reasons. `gamma` and `beta` move by the steps of the optimizer, so their
# distance from the start depends on the learning rate and on the gradients. The moving averages move towards the mean
# and the variance of the outputs of the first `Dense` layer, however far the mean is from 0 and the variance from 1.
#
# ## What `predict` uses
#
# > **The lesson:** During inference, it uses moving averages learned during training.
#
# The layer has two modes. `fit` calls it with `training=True`, `predict` with `training=False`. Compare the two
# halves of the drawing: which statistics are *used*, and which are *updated*?

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws the two modes of the layer.
drawings_network.two_modes()

# %% [markdown]
# You can check the right half with the formula of notebook 02. For a unit with the output $z$ of the `Dense` layer,
# with its moving mean $m$ and its moving variance $v$, inference computes
#
# $$y = \gamma \, \frac{z - m}{\sqrt{v + \epsilon}} + \beta ,$$
#
# where $\epsilon$ is the small constant that keeps the root away from 0. `by_hand` is this formula in NumPy.

# %%
linear = model.layers[0](dataset.x_test[:5]).numpy()
gamma, beta, moving_mean, moving_variance = (each.numpy() for each in first.variables)

root = np.sqrt(moving_variance + first.epsilon)
by_hand = gamma * (linear - moving_mean) / root + beta
by_keras = first(linear, training=False).numpy()
print("by_hand and by_keras differ by less than 1e-5:",
      bool(np.abs(by_hand - by_keras).max() < 1e-5))

# %% [markdown]
# "Learned" is the lesson's word, but "tracked" is more exact, because no gradient ever reaches the moving averages.
# Instead each training step mixes the mean $\mu_B$ of its batch into the moving mean $m$. The momentum $\alpha$ is
# the share of the old moving mean that *stays*:
#
# $$m \leftarrow \alpha\, m + (1 - \alpha)\, \mu_B, \qquad \alpha = 0.99 \text{ in Keras}$$
#
# The moving mean changes in this way whenever the layer runs with `training=True`, even if you only wanted its
# output. The next cell calls the layer in each mode and compares its moving mean with the formula.

# %%
before = first.moving_mean.numpy().copy()
first(linear, training=False)
after = first.moving_mean.numpy()
print("a call with training=False changed the moving mean:", np.any(after != before))

first(linear, training=True)
after = first.moving_mean.numpy()
mixed = 0.99 * before + 0.01 * linear.mean(axis=0)
print("a call with training=True changed the moving mean: ", np.any(after != before))
print("this change is the one that the formula gives:     ",
      np.allclose(after, mixed, atol=1e-5))

# %% [markdown]
# ## Ten classes
#
# For the question "which class is it?" the network needs ten logits in place of one, and the cross-entropy for ten
# classes. Nothing else changes. Guessing is now right for only about one image in ten. **Predict:** with the same
# number of epochs, what share of the test images will the new network get right?

# %%
my_prediction = None  # in percent

# %% tags=["nbval-ignore-output"]
ten_classes = Sequential([
    Dense(128),
    BatchNormalization(),
    Activation("relu"),
    Dense(64),
    BatchNormalization(),
    Activation("relu"),
    Dense(10),
])
ten_classes.compile(
    optimizer=keras.optimizers.SGD(0.1),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
ten_classes.fit(dataset.x_train, dataset.y_train, batch_size=60, epochs=10, verbose=0,
                callbacks=[TqdmCallback(verbose=0)])
_, accuracy = ten_classes.evaluate(dataset.x_test, dataset.y_test, verbose=0)
print(f"Ten classes: {100 * accuracy:.1f} %; odd or even: {100 * odd_accuracy:.1f} %.")

# %% tags=["nbval-ignore-output"]
predictions.compare("03, ten classes", my_prediction, 100 * accuracy, within=5, why=(
    "Many people guess far lower than for odd or even, because ten classes are "
    "harder to guess. In fact guessing is only where the network starts."))

# %%
print("Ten classes: more than half of the way from guessing to no mistake at all:",
      accuracy - dataset.chance > 0.5 * (1 - dataset.chance))

# %% [markdown]
# Here are test images that the network gets wrong, with its answer. Would you have known?

# %% tags=["nbval-ignore-output"]
answers = ten_classes.predict(dataset.x_test, verbose=0).argmax(axis=1)
wrong = np.flatnonzero(answers != dataset.y_test)[:8]
names = [name[:10] for name in dataset.class_names]
titles = [f"is {names[dataset.y_test[at]]}\nsays {names[answers[at]]}" for at in wrong]
image_row(dataset.pixels(dataset.x_test[wrong]), titles, "Wrong answers", places=8)

# %% [markdown]
# ## The three promises, measured
#
# > **The lesson:** With normalized activations, the optimizer does not need to fight unstable gradients.
# >
# > This allows:
# > • Faster convergence • Higher learning rates • More stable deep networks
#
# We first test the three promises, and then the gradients that are said to be their reason.
#
# One `fit` cannot test a promise, because another seed gives another result. So from here on every network is trained
# from **eight seeds**. `train_many` takes *your* function that builds a Keras model, and trains eight copies of the
# model in one TensorFlow graph, in about the time of one `fit`. `sweep` does the same at every point of a grid, for
# example of learning rates.
#
# The runs come in pairs: with seed 3, say, the network with BatchNorm and the network without it start from the same
# Dense weights and see the same batches. So we subtract first and average then. With $a_s$ for the accuracy of seed
# $s$ with BatchNorm, $b_s$ for its accuracy without, and $S = 8$ seeds, the gain and its 95 % interval are
#
# $$d_s = a_s - b_s \qquad\qquad \bar d \;\pm\; t \,\frac{\text{std}(d)}{\sqrt{S}}$$
#
# where $t \approx 2.36$ is Student's factor for eight values. `paired_difference` computes the gain and the interval.
# If the whole interval lies above 0, the gain is more than the luck of eight seeds.
#
# | promise | network | what is varied |
# |---|---|---|
# | faster convergence | 3 hidden layers of 100 sigmoid units | learning rate |
# | higher learning rates | 10 hidden layers of 64 ReLU units, He initialiser | learning rate |
# | deeper networks | 2, 10 or 20 hidden layers of 64 ReLU units | depth, learning rate |
# | the gradients themselves | 20 hidden layers of 64 ReLU units | layer, step |
# | the counter-example | 2 hidden layers of 100 ReLU units, He initialiser, Adam | learning rate |

# %%
from helpers.networks import mlp
from helpers.training import sweep, train_many

mlp(depth=2, width=100, normalization="before").summary()

# %% [markdown]
# `mlp(...)` makes a plain `Sequential` like the lesson's. Look at the number of parameters of the first hidden
# `Dense` layer: 6 400 is 64 × 100, so the layer has weights but no bias. The bias is left out on purpose, and the
# next section shows why.
#
# ## The bias that does nothing
#
# A bias $b$ adds the same number to a unit's output $z_i$ for every example $i$ of the batch, so it adds this number
# to the batch mean as well. BatchNorm subtracts the batch mean, and with the mean the bias:
#
# $$(z_i + b) - \frac1N\sum_{k=1}^{N} (z_k + b) \;=\; z_i - \frac1N\sum_{k=1}^{N} z_k
# \qquad\Rightarrow\qquad \frac{\partial L}{\partial b} = 0$$
#
# The standard deviation, by which BatchNorm then divides, does not change with the bias either.

# %% jupyter={"source_hidden": true} cellView="form" tags=["hide-input"]
# Draws twelve values of one unit, with and without a bias.
drawings_network.bias_drawing(np.random.default_rng(0).normal(size=12), 3)

# %% [markdown]
# **Predict** for two places of the bias whether its gradient is zero: directly in front of BatchNorm, and in front of
# a ReLU that comes *before* BatchNorm. (Keras calls the weights of a layer the *kernel*. "Zero" means less than a
# millionth of the kernel's gradient.)

# %%
my_prediction = None  # two of the words "zero" and "not zero": ("zero", "zero")

# %%
import tensorflow as tf


def gradient_norms(layers):
    """The norms of the gradients of the first Dense layer: of kernel and bias."""
    keras.utils.set_random_seed(5)
    network = Sequential([keras.Input((64,)), *layers, Dense(10)])
    loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        logits = network(dataset.x_train[:60], training=True)
        loss = loss_function(dataset.y_train[:60], logits)
    kernel, bias = tape.gradient(loss, network.layers[0].trainable_variables)
    return float(tf.norm(kernel)), float(tf.norm(bias))



# %%
relu = Activation("relu")
norms = {
    "bias, BatchNorm, ReLU": gradient_norms([Dense(100), BatchNormalization(), relu]),
    "bias, ReLU, BatchNorm": gradient_norms([Dense(100), relu, BatchNormalization()]),
}

# %% tags=["nbval-ignore-output"]
print("norm of the gradient    kernel     bias   how many times smaller")
for name, (kernel, bias) in norms.items():
    print(f"{name:22}  {kernel:6.2f}  {bias:7.0e}   {kernel / bias:.0e}")

# %%
gradients_are = tuple("zero" if bias < 1e-6 * kernel else "not zero"
                      for kernel, bias in norms.values())
predictions.compare("03, the bias", my_prediction, gradients_are, why=(
    "Many people guess that neither is zero, because the loss seems to depend on "
    "every weight. In fact BatchNorm subtracts whatever is added to all examples "
    "alike. A ReLU in between changes some examples and not others, so the mean no "
    "longer takes the bias away."))

# %% [markdown]
# A bias directly before BatchNorm is redundant: the subtraction of the mean removes it, and `beta` does its work. A
# bias directly before a ReLU is *not* redundant: it decides for which examples the ReLU is above 0. So write
# `Dense(100, use_bias=False)` only where BatchNorm follows directly.
#
# ## Faster convergence
#
# Three hidden layers of 100 **sigmoid** units with plain SGD: the first experiment of the 2015 paper, made small.
# Plain SGD changes each weight $w$ by its gradient times the learning rate $\eta$, and every layer has the same
# $\eta$:
#
# $$w \leftarrow w - \eta \,\frac{\partial L}{\partial w}$$
#
# Both networks get $\eta = 0.1$. **Predict:** after 200 steps of 60 images each, by how many points of test accuracy
# is the network with BatchNorm ahead of the one without? (A point is one percent of the test images.)

# %%
my_prediction = None  # in points, for example 10

# %% tags=["nbval-ignore-output"]
from functools import partial

arms = {"without BatchNorm": "none", "with BatchNorm": "before"}
sigmoid_network = partial(mlp, depth=3, width=100, activation="sigmoid")

curves = {
    name: train_many(partial(sigmoid_network, normalization=where), dataset,
                     steps=500, batch_size=60, evaluate_every=50,
                     optimizer=keras.optimizers.SGD(0.1))
    for name, where in arms.items()
}
plots.learning_curves(curves, statistics="recomputed")

# %% [markdown]
# For each point of these curves, BatchNorm's mean and variance were *recomputed* over the whole training set. Moving
# averages could make the first points too low, because they lag behind: by the formula above, a moving average with
# $\alpha = 0.99$ has come only $1 - 0.99^{50} \approx$ two fifths of its way after 50 steps.
#
# Now the comparison seed by seed, after 200 steps. On the left every grey line joins the two networks of one seed; on
# the right is the mean of their differences.

# %% tags=["nbval-ignore-output"]
from helpers.statistics import (mean_interval, paired_difference, share_interval,
                                share_of_reachable)

at_200 = {
    name: runs.recomputed.test_accuracy[:, list(runs.evaluated_at).index(200)]
    for name, runs in curves.items()
}
gain_at_one_rate = paired_difference(*[at_200[name] for name in reversed(arms)])
plots.paired_arms(at_200)

# %% tags=["nbval-ignore-output"]
one_rate_points = 100 * gain_at_one_rate.mean
predictions.compare("03, faster convergence", my_prediction, one_rate_points, within=10,
    why="Most people guess a few points, because the learning rate and the number of "
        "steps are the same. In fact one rate for both is not the same help for both: "
        "the rate may suit one network and not the other.")

# %% [markdown]
# This comparison is unfair, because both networks were trained at *one* learning rate, which may be a poor one for the
# plain network. So let us give each network the rate that suits it best. We choose that rate by the accuracy on the
# *training* images, so that the test images have no say in the choice.

# %% tags=["nbval-ignore-output"]
rates = [0.1, 0.3, 1.0, 3.0, 10.0]
sigmoid_sweep = {
    name: sweep({"learning_rate": rates}, partial(sigmoid_network, normalization=where),
                dataset, steps=200, batch_size=60, evaluate_every=200)
    for name, where in arms.items()
}
plots.learning_rate_sweep(sigmoid_sweep)


# %%
def best_runs(arm, evaluation=-1):
    """The runs of a sweep at the learning rate that fits the training images best."""
    scores = [runs.recomputed.train_accuracy[:, evaluation].mean() for runs in arm.runs]
    return arm.runs[int(np.argmax(scores))]


best = {
    name: best_runs(arm).recomputed.test_accuracy[:, -1]
    for name, arm in sigmoid_sweep.items()
}
faster_gain = paired_difference(best["with BatchNorm"], best["without BatchNorm"])

# %% tags=["nbval-ignore-output"]
print("both at rate 0.1:     ", gain_at_one_rate)
print("each at its best rate:", faster_gain)

# %%
print("each at its best rate, the gain is above 5 points:", faster_gain.low > 0.05)
print("each at its best rate, the gain is below that at one common rate:",
      faster_gain.high < gain_at_one_rate.low)

# %% [markdown]
# Remember these two gains when you read that one method is better than another: a learning rate that suits only one
# of two networks can make any method look good. Only the gain that is left when both networks are tuned belongs to
# the method.
#
# ## Higher learning rates
#
# Now we train ten hidden ReLU layers at learning rates over three orders of magnitude. The weights are drawn by He's
# initialiser, which makes them just large enough for ReLU layers to pass the signal on undiminished.
#
# We need a rule for "this run has trained". With $a$ for the accuracy of a run on the **training** images, $a_0$ for
# guessing, and $a_{\max}$ for the best mean accuracy of the whole sweep, a run has *trained* if it comes nine tenths
# of the way from guessing to the best:
#
# $$\frac{a - a_0}{a_{\max} - a_0} > 0.9$$
#
# (The figure shows the accuracy on test images; its dotted line marks nine tenths of the way for test accuracy.)
# **Predict:** from which rate on do most runs of the network without BatchNorm fail? And from which rate on do most
# runs with BatchNorm fail?

# %%
my_prediction = None  # two of 0.1, 0.3, 1, 3, 10 and "none" of them: (1, "none")

# %% tags=["nbval-ignore-output"]
rates = [0.01, 0.1, 0.3, 1.0, 3.0, 10.0]
deep_relu = partial(mlp, depth=10, width=64, initializer="he_normal")
by_rate = {
    name: sweep({"learning_rate": rates}, partial(deep_relu, normalization=where),
                dataset, steps=200, batch_size=60, evaluate_every=200)
    for name, where in arms.items()
}
plots.learning_rate_sweep(by_rate)

# %% [markdown]
# Take the first rate that is too high for most of the plain runs. How many of the runs with BatchNorm train at this
# rate? The share of eight runs has an interval, too: if all eight train, we still cannot say "always".


# %%
def trained(runs, sweeps):
    """For each seed, whether it came nine tenths of the way to the best mean."""
    best = max(other.recomputed.train_accuracy[:, -1].mean()
               for arm in sweeps for other in arm.runs)
    accuracy = runs.recomputed.train_accuracy[:, -1]
    return share_of_reachable(accuracy, chance=dataset.chance, best=best) > 0.9


def too_high(rate, name):
    """Whether most runs fail. At 0.01 a run that fails was too slow, not too fast."""
    runs = by_rate[name][{"learning_rate": rate}]
    return rate > 0.01 and trained(runs, by_rate.values()).mean() < 0.5


# %% tags=["nbval-ignore-output"]
first_too_high = {
    name: min((rate for rate in rates if too_high(rate, name)), default=np.inf)
    for name in by_rate
}
rate = first_too_high["without BatchNorm"]  # infinite if no rate was too high
endured = np.zeros(8, dtype=bool)
if rate < np.inf:
    same_rate = by_rate["with BatchNorm"][{"learning_rate": rate}]
    endured = trained(same_rate, by_rate.values())
high_rate_share = share_interval(endured)
print("first rate that is too high:", first_too_high)
print("runs with BatchNorm that train where the plain ones fail:", high_rate_share)

# %% tags=["nbval-ignore-output"]
found = tuple(rate if rate < np.inf else "none" for rate in first_too_high.values())
predictions.compare("03, higher learning rates", my_prediction, found, why=(
    "Most people guess nearly the same rate for both, because the layers and the "
    "first weights are the same. In fact a step that makes the weights of a layer "
    "larger makes the signal larger too. BatchNorm divides the signal by its "
    "standard deviation again; the plain network does not."))

# %%
print("BatchNorm endures higher learning rates:",
      first_too_high["with BatchNorm"] > first_too_high["without BatchNorm"])
print("where most plain runs fail, most runs with BatchNorm train:",
      high_rate_share.low > 0.5)

# %% [markdown]
# Look at the left end of the figure as well: which network is ahead at the lowest rate? A network that endures higher
# rates need not be the better one at every rate.
#
# ## More stable deep networks
#
# Back to the signal of the opening picture. Take a layer with $n$ inputs $h_j$, $n$ outputs and Keras' default weights
# (Glorot's), which have the variance $\text{Var}(w) = 1/n$. The layer computes $z = \sum_j w_j h_j$, and ReLU then
# sets the negative half of the values to 0, which halves the mean of the squares:
#
# $$\mathbb{E}[z^2] = n \,\text{Var}(w)\, \mathbb{E}[h^2] = \mathbb{E}[h^2] \qquad\qquad
# \mathbb{E}[\text{ReLU}(z)^2] = \tfrac12\, \mathbb{E}[z^2]$$
#
# So each layer passes on √½ of the signal's size, which makes a straight line on a log axis. Ten layers make the
# signal 2⁵ ≈ 30 times smaller, and twenty layers 2¹⁰ ≈ 1 000 times. **Predict:** of eight plain networks with 2, with
# 10 and with 20 hidden layers, how many will train at the better of two learning rates?

# %%
my_prediction = None  # three counts from 0 to 8: (8, 8, 8)

# %% tags=["nbval-ignore-output"]
from helpers.training import Probes

depths, two_rates = [2, 10, 20], [0.1, 0.5]
by_depth = {
    (name, depth): sweep({"learning_rate": two_rates},
                         partial(mlp, depth=depth, width=64, normalization=where),
                         dataset, steps=200, batch_size=60, evaluate_every=200,
                         probes=Probes(gradient_norms=depth == 20))
    for name, where in arms.items()
    for depth in depths
}


# %%
def best_share(arm, depth):
    """The share of seeds that train, at the arm's better learning rate."""
    both_arms = [by_depth[name, depth] for name in arms]
    each_rate = [trained(runs, both_arms) for runs in by_depth[arm, depth].runs]
    return share_interval(max(each_rate, key=np.mean))


shares = {name: [best_share(name, depth) for depth in depths] for name in arms}
deep_share, deep_share_plain = (shares[name][-1] for name in reversed(arms))

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the share of runs that train, with its interval, at each depth.
figure, axis = plots.new_figure(width=7, height=3.2)
for i, (name, found) in enumerate(shares.items()):
    mean, low, high = 100 * np.array([[one.mean, one.low, one.high] for one in found]).T
    axis.errorbar(np.arange(3) + 0.08 * i, mean, yerr=[mean - low, high - mean],
                  color=plots.COLORS[i], marker=plots.MARKERS[i], capsize=4,
                  linestyle=plots.LINESTYLES[i], label=name)
axis.set(xlabel="hidden layers", ylabel="runs that train (%)", ylim=(-4, 104))
axis.set_xticks(range(3), depths)
axis.legend(frameon=False, loc="center left")
plots.Plot(figure, (
    f"At depth 20, runs that train: {deep_share} with BatchNorm, {deep_share_plain} "
    "without. Bars are 95 % intervals of the share; trained means: nine tenths of the "
    "way from guessing to the best mean at that depth, within 200 steps."))

# %% tags=["nbval-ignore-output"]
plain_runs = tuple(round(8 * share.mean) for share in shares["without BatchNorm"])
predictions.compare("03, deep networks", my_prediction, plain_runs, within=1, why=(
    "Most people guess that ten layers train as well as two, because ten does not "
    "sound deep. In fact each layer passes on only about 0.7 of the signal's size, "
    "and on the way back only about 0.7 of the error's size."))

# %%
print("depth 20, most runs train with BatchNorm:", deep_share.low > 0.5)
print("depth 20, most runs fail without it:", deep_share_plain.high < 0.5)

# %% [markdown]
# ## And the gradients themselves?
#
# > **The lesson:** With normalized activations, the optimizer does not need to fight unstable gradients.
#
# The optimizer multiplies every gradient by the same learning rate $\eta$. So one rate suits all layers only if their
# gradients have about the same size. The training of the twenty layers above has recorded the size of the gradients,
# layer by layer (`Probes(gradient_norms=True)`).
#
# **Predict:** at the very first step, compare the gradients of the weights of the *first* and of the *last* hidden
# layer. Is the first layer's more than 10 times "smaller", more than 10 times "larger", or "similar"? Answer for the
# network without BatchNorm first, then for the network with BatchNorm.

# %%
my_prediction = None  # two of "smaller", "similar", "larger": ("smaller", "similar")

# %%
def hidden_gradients(runs):
    """The norms of the kernels' gradients, (hidden layers, seeds, steps)."""
    return np.array(list(runs.gradient_norms.values())[:20])  # without the output layer


gradients = {name: hidden_gradients(by_depth[name, 20][{"learning_rate": 0.1}])
             for name in arms}
ratios = {name: norms[0] / norms[-1] for name, norms in gradients.items()}

# %% [markdown]
# The left panel shows the first step, the right panel the fiftieth. Each thin line is one seed, each thick line a
# median. In the left panel, follow the two thick lines from layer 20 back to layer 1, which is the way that the error
# takes. The axis is logarithmic, so a straight line means the same *factor* at every layer.

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the size of the gradient in each of the twenty layers, at steps 1 and 50.
figure, axes = plots.new_figure(1, 2, width=9, height=3.6, sharey=True)
said = []
for i, (name, norms) in enumerate(gradients.items()):
    for axis, step in zip(axes, (1, 50)):
        now = norms[:, :, step - 1]
        axis.plot(range(1, 21), now, color=plots.COLORS[i], linewidth=0.6, alpha=0.4)
        axis.plot(range(1, 21), np.median(now, axis=1), linewidth=2.5, label=name,
                  color=plots.COLORS[i], linestyle=plots.LINESTYLES[i],
                  marker=plots.MARKERS[i], markersize=4)
        axis.set(title=f"step {step}", xlabel="hidden layer", yscale="log",
                 xticks=[1, 5, 10, 15, 20])
        said.append(f"{name}, step {step}: the first layer's gradient is "
                    f"{np.median(now[0]):.2g}, {np.median(now[0] / now[-1]):.2g} times "
                    "the last hidden layer's")
axes[0].set_ylabel("norm of the weights' gradient")
axes[1].legend(frameon=False, loc="center right")
plots.Plot(figure, f"{'; '.join(said)}. Medians of 8 seeds; thin lines are the seeds.")

# %% tags=["nbval-ignore-output"]
start = np.median(ratios["with BatchNorm"][:, 0])  # step 1: first layer / last layer
print("with BatchNorm, step 1, growth of the gradient from each layer to the previous")
print(f"measured: {start ** (1 / 19):.2f}   "
      f"in theory, √(π/(π−1)): {np.sqrt(np.pi / (np.pi - 1)):.2f}")

# %%
def in_a_word(ratio):
    """What holds for every seed."""
    if (ratio < 0.1).all():
        return "smaller"
    return "larger" if (ratio > 10).all() else "similar"


compared = tuple(in_a_word(ratio[:, 0]) for ratio in ratios.values())
predictions.compare("03, gradients", my_prediction, compared, why=(
    "Most people guess that the gradient vanishes towards the first layer of the "
    "plain network, and that BatchNorm makes all layers alike. In fact a weight's "
    "gradient is a product of the signal from the front and the error from the back. "
    "Without BatchNorm the two shrink in opposite directions. With BatchNorm the "
    "signal keeps its size, and the error grows on its way back."))

# %%
first_layer = {name: norms[0, :, 0] for name, norms in gradients.items()}
hundredth = first_layer["with BatchNorm"] / 100
print("step 1, first layer: the gradient is more than 100 times larger with BatchNorm:",
      bool((first_layer["without BatchNorm"] < hundredth).all()))

calmed = gradients["with BatchNorm"][..., 30:50].mean(axis=2)  # steps 31 to 50
print("steps 31 to 50, with BatchNorm: the first layer's gradient is below 10 times "
      "the last's:", bool((calmed[0] < 10 * calmed[-1]).all()))

# %% [markdown]
# Why is one thick line level at step 1, and why does the other rise towards layer 1? The gradient of the weights of
# layer $\ell$ is made of two factors: the signal $h_{\ell-1}$, which enters the layer from the front, and the error
# $\delta_\ell = \partial L / \partial z_\ell$, which comes back from the output.
#
# **Without BatchNorm** the gradients are about equal in all layers, and all of them are small. The signal has shrunk
# by √½ at each of the $\ell - 1$ layers between the image and layer $\ell$. The error has shrunk by √½ at each of the
# $20 - \ell$ layers between layer $\ell$ and the output. These are nineteen shrinkages in all, whichever layer we
# look at:
#
# $$\left\lVert \frac{\partial L}{\partial W_\ell} \right\rVert \;\propto\;
# \underbrace{\left(\tfrac{1}{\sqrt2}\right)^{\ell-1}}_{\text{signal}} \cdot
# \underbrace{\left(\tfrac{1}{\sqrt2}\right)^{20-\ell}}_{\text{error}} = \left(\tfrac{1}{\sqrt2}\right)^{19}$$
#
# **With BatchNorm** the signal keeps its size, but the error *grows* on its way back, by the same factor at each layer:
#
# 1. The weights have the variance $1/n$, so they do not change the size of the error.
# 2. ReLU sets about half of the error's values to 0, which leaves √½ of the error's size.
# 3. BatchNorm divided the signal by a standard deviation, so on the way back it divides the error by the same number.
#
# How large is this standard deviation? The layer receives units that were normalised and then went through ReLU, so
# they have the standard deviation $\sqrt{\tfrac12 (1 - \tfrac1\pi)} \approx 0.58$ (notebook [04](04_placement.ipynb)
# computes it). Weights of variance $1/n$ keep it, so BatchNorm divides by 0.58. The factor is therefore
#
# $$\frac{\sqrt{1/2}}{\sqrt{\tfrac12\left(1-\tfrac1\pi\right)}} = \sqrt{\frac{\pi}{\pi-1}} \approx 1.21
# \quad\text{for each layer.}$$
#
# <details><summary>For experts: how deep does that go?</summary>
#
# Yang and others derive the factor for wide networks (2019, arXiv:1902.08129). Over the 19 steps from the last hidden
# layer of our network back to the first, the factors multiply to about $1.21^{19} \approx 40$. A network of a hundred
# such layers would start with $1.21^{99} \approx 10^8$, and no single learning rate suits gradients that differ so
# much. Residual networks escape by their skip connections (notebook [09](09_very_deep_networks.ipynb)).
#
# </details>
#
# So the lesson's sentence is too strong. BatchNorm does prevent gradients that *vanish*, because it restores the
# signal. But in a deep network without skip connections BatchNorm itself makes gradients that grow towards the first
# layer at the start of training. In twenty layers training can even them out: the last printed line says whether it
# has done so by steps 31 to 50. In far deeper networks the gradients *explode*.

# %% [markdown]
# ## The case where little is gained
#
# We have looked only at networks in trouble: sigmoid units, or many layers. A fair test also needs a case where we
# expect little gain. Take two hidden ReLU layers with He's initialiser, which was made for ReLU, and the Adam
# optimizer, each network at its own best learning rate. **Predict:** how many points of test accuracy does BatchNorm
# gain after 100 steps? (Mind the vertical axis of the figure: it may span only a few points, where the axes above
# span a hundred.)

# %%
my_prediction = None  # in points

# %% tags=["nbval-ignore-output"]
shallow = {
    name: sweep({"learning_rate": [0.001, 0.003, 0.01]},
                partial(mlp, depth=2, initializer="he_normal", normalization=where),
                dataset, steps=200, batch_size=60, optimizer="adam", evaluate_every=50)
    for name, where in arms.items()
}
plots.learning_curves({name: best_runs(arm, 1) for name, arm in shallow.items()},
                      statistics="recomputed")

# %% tags=["nbval-ignore-output"]
early = {  # at the second evaluation, which is after 100 steps
    name: best_runs(arm, 1).recomputed.test_accuracy[:, 1]
    for name, arm in shallow.items()
}
shallow_gain = paired_difference(early["with BatchNorm"], early["without BatchNorm"])
print("with − without, after 100 steps:", shallow_gain)
images = len(dataset.y_test)
print(f"one of the {images} test images is {100 / images:.2f} points")

# %% tags=["nbval-ignore-output"]
points = 100 * shallow_gain.mean
predictions.compare("03, little to gain", my_prediction, points, within=1, why=(
    "Most people guess several points, because BatchNorm gained so much before. In "
    "fact two layers with He's weights and Adam's own rate for each weight leave "
    "BatchNorm little to repair."))

# %%
print("two layers, He, Adam: the whole interval lies between −2 and +2 points:",
      -0.02 < shallow_gain.low and shallow_gain.high < 0.02)

# %% [markdown]
# Compare the gap after 50 steps with the gap after 200 in the figure. A rule that looked at another step than 100
# could find another gain, so the rule and its step were fixed before the measurement.

# %% [markdown]
# ## Does BatchNorm only repair the scaling of the inputs?
#
# Here is a control that is easily forgotten. Give the networks the raw grey levels in place of standardised pixels.
# Then the first BatchNorm layer, behind the first `Dense` layer, also removes the common scale and shift of the
# inputs, which we could have removed ourselves. How much of "the gain of BatchNorm" is really the gain of scaled
# inputs? We train four networks over five learning rates: on raw or on standardised inputs, without or with
# BatchNorm. **Predict:** which of the four will fail to train in most of its runs at the rate 0.3?

# %%
my_prediction = None  # a set of names: {"raw, plain", "standardised, BatchNorm"}

# %% tags=["nbval-ignore-output"]
grey = {part: getattr(dataset, part) * dataset.std + dataset.mean
        for part in ("x_train", "x_test")}
data = {"raw": dataset.replace("raw grey levels", **grey), "standardised": dataset}
rates = [0.01, 0.03, 0.1, 0.3, 1.0]
control = {
    f"{kind}, {name}": sweep({"learning_rate": rates},
                             partial(mlp, depth=2, width=64, normalization=where),
                             data[kind], steps=150, batch_size=60, evaluate_every=150)
    for kind in data
    for name, where in [("plain", "none"), ("BatchNorm", "before")]
}
plots.learning_rate_sweep(control)

# %%
failing = {name for name, arm in control.items()
           if trained(arm[{"learning_rate": 0.3}], control.values()).mean() < 0.5}
predictions.compare("03, raw inputs", my_prediction, failing, why=(
    "Many people guess that raw inputs are the same burden for a network with "
    "BatchNorm as for one without. In fact the first BatchNorm layer removes any "
    "common scale and shift of the inputs, and a plain network has nothing that "
    "does."))

# %% [markdown]
# Look first at the two lines with BatchNorm: they nearly coincide, so the scale of the inputs makes hardly any
# difference to these networks. Then look at the two lines without BatchNorm: there the inputs decide at which rate
# the network breaks down.
#
# How much does BatchNorm gain, then? There are two ways to compare: at one learning rate that both networks are given
# (here 0.3), or each network at the rate that suits it best.


# %%
def at_rate(arm, rate):
    """Test accuracy of every seed at this learning rate."""
    return control[arm][{"learning_rate": rate}].recomputed.test_accuracy[:, -1]


def at_best_rate(arm):
    """Test accuracy of every seed at the rate that fits the training images best."""
    return best_runs(control[arm]).recomputed.test_accuracy[:, -1]


one_rate, best_rate, gains = {}, {}, {}
for kind in data:
    names = f"{kind}, BatchNorm", f"{kind}, plain"
    one_rate[kind] = paired_difference(*[at_rate(name, 0.3) for name in names])
    gains[kind] = np.subtract(*[at_best_rate(name) for name in names])
    best_rate[kind] = mean_interval(gains[kind], "points")
scaling_alone = paired_difference(gains["raw"], gains["standardised"])

# %% tags=["nbval-ignore-output"]
for kind in data:
    print(f"{kind:12s} inputs, gain of BatchNorm at rate 0.3: {one_rate[kind]}; "
          f"each at its best rate: {best_rate[kind]}")
print(f"gain on raw − gain on standardised, each at its best rate: {scaling_alone}")

# %%
raw_and_scaled = np.array([
    [at_rate(f"{kind}, BatchNorm", rate).mean() for rate in rates] for kind in data
])
print("with BatchNorm, raw and standardised inputs end within 2 points at every rate:",
      np.abs(np.subtract(*raw_and_scaled)).max() < 0.02)
print("on raw inputs, the gain at one rate is larger than that at the best rates:",
      one_rate["raw"].low > best_rate["raw"].high)
print("each at its best rate, BatchNorm gains more on raw inputs:",
      scaling_alone.low > 0)

# %% [markdown]
# Why do the two lines with BatchNorm coincide? Let $x$ be an input, $W$ the weights of the first `Dense` layer,
# $a > 0$ a scale and $c$ a shift, the same for all examples. The scale stretches every unit alike, and the shift only
# moves the unit's mean. BatchNorm removes a common stretch and the mean, so up to $\epsilon$
#
# $$\text{BN}\big(W(a\,x + c)\big) = \text{BN}(W x) .$$
#
# Without BatchNorm, larger inputs make the gradient of the first weights larger, which acts like a larger learning
# rate for the first layer alone. So a plain network needs a smaller rate on raw inputs. A comparison on raw pixels at
# one learning rate therefore gives BatchNorm a false gain: it credits BatchNorm with what *any* rescaling of the
# inputs would have done.
#
# The line "gain on raw − gain on standardised" says how much of this false gain remains when both networks are tuned.
# Tuning need not remove the false gain completely, because one rate serves all layers: on raw inputs, a rate that is
# small enough for the first layer can be too small for the other layers. And no rate removes the mean that all grey
# levels share. For these reasons all our other experiments use standardised inputs, and the comparisons behind the
# verdict sweep the rate.

# %% [markdown]
# ## The verdict
#
# Five measurements, the rule that turns them into a verdict, and what the literature says:

# %% tags=["nbval-ignore-output"]
from helpers import claims

card = claims.verdict(
    "C4",
    {
        "faster_gain": faster_gain,
        "high_rate_share": high_rate_share,
        "deep_share": deep_share,
        "deep_share_plain": deep_share_plain,
        "shallow_gain": shallow_gain,
    },
)
card

# %%
claims.record(
    card,
    dataset,
    faster_gain=repr(best_runs(sigmoid_sweep["with BatchNorm"])),
    high_rate_share=repr(by_rate["with BatchNorm"].runs[0]),
    deep_share=repr(by_depth["with BatchNorm", 20].runs[0]),
    shallow_gain=repr(best_runs(shallow["with BatchNorm"], 1)),
)
print(card.word)

# %% [markdown]
# ## Your predictions
#
# How many of your predictions in this notebook came true? A surprise is worth a second look: its name tells you where
# the question stands.

# %%
predictions.summary()

# %% [markdown]
# ## What you take with you
#
# - A `BatchNormalization` layer has four vectors: `gamma` and `beta` are trained, `moving_mean` and `moving_variance`
#   are tracked.
# - Training uses the batch's statistics, `predict` the tracked ones.
# - A bias directly before BatchNorm does nothing, because the subtraction of the mean removes it.
# - BatchNorm can buy speed, higher learning rates and depth **where the plain network is in trouble**: sigmoid units,
#   many layers, a signal that shrinks.
#   A shallow network with good initial weights and Adam has little trouble, so BatchNorm has little to gain there.
# - With BatchNorm the signal does not shrink. But in a deep network without skip connections the gradients are far
#   larger in the first layers than in the last when training starts.
# - Compare networks over several seeds, in pairs, each at its own best learning rate. A comparison at one common rate
#   measures the rate as much as the networks.
#
# **Next:** [04 · Placement](04_placement.ipynb) asks whether "before each activation" really is critical.
