# %% [markdown]
# # 3 · Batch Normalization in Keras
#
# **Time:** about 40 minutes · **Before this:** [02 · Batch Normalization from scratch](02_batchnorm_from_scratch.ipynb)
#
# After this notebook you can
#
# - build, train and read the lesson's own network, and say what each of the four vectors of a `BatchNormalization` layer is for;
# - say what `fit` changes in them and what `predict` uses;
# - test the three promises *faster convergence*, *higher learning rates*, *more stable deep networks* over several seeds, and name a case where nothing is gained.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## The lesson's network, exactly as printed
#
# > **The lesson:** Code Example: Batch Normalization Layer

# %%
from helpers import environment

environment.quiet_tensorflow()  # TensorFlow writes a page of log lines when it starts; this spares you them

import keras

keras.utils.set_random_seed(1)  # before the model is made: its layers draw their first weights from here

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
# Read the list from top to bottom: linear map, normalise, activate; twice. The last `Dense(1)` has no activation: it
# returns one number per example, a *logit*. Positive means "yes", negative means "no". The lesson leaves open what the
# question is, so let us ask one of real images.

# %%
from helpers.data import load

dataset = load()
print(dataset)

# %% [markdown]
# The rows of `x_train` are the images as standardised numbers, one for each pixel. (What BatchNorm does with inputs that are *not* standardised comes
# at the end of this notebook.) Look for images that *you* would get wrong.

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 10, figsize=(9, 1.6))
for axis, image, label in zip(axes, dataset.pixels(dataset.x_train[:10]), dataset.y_train):
    axis.imshow(image, cmap="gray_r")
    axis.set_title(f"{dataset.class_names[label][:10]}\nclass {label}: {'odd' if label % 2 else 'even'}", fontsize=8)
    axis.axis("off")
plt.show()

# %% [markdown]
# The question is: **is the number of the class odd?** (For digits: is the digit odd?) One logit, two answers, so the loss
# is binary cross-entropy.

# %%
import numpy as np

odd_train, odd_test = dataset.y_train % 2, dataset.y_test % 2

model.compile(
    optimizer=keras.optimizers.SGD(0.1),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")],  # a logit above 0 says "odd"
)

# %% [markdown]
# **Predict before you run.** Ten passes over the training images, five seconds. What share of the test images will the network get
# right? Guessing gives about 50 %.

# %%
my_prediction = None  # in percent, for example 80

# %% tags=["nbval-ignore-output"]
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
print(f"Right on {100 * odd_accuracy:.1f} % of the test images.")
print("Your prediction:", "none yet" if my_prediction is None else my_prediction)

# %%
always_the_same = max(np.mean(odd_test), 1 - np.mean(odd_test))  # one answer to every image
print("The network has come more than half of the way from guessing to no mistake at all:",
      odd_accuracy - always_the_same > 0.5 * (1 - always_the_same))

# %% [markdown]
# Now the curves. They differ in three ways at once: other images, other weights (the solid line averages over the epoch,
# the dashed line is measured at its end), and other statistics inside BatchNorm. Which line is ahead in the first epoch, and which in the last ones?

# %% tags=["nbval-ignore-output"]
epochs = range(1, 11)
on_batches = 100 * np.array(history.history["accuracy"])
on_test = 100 * np.array(history.history["val_accuracy"])
figure, axis = plt.subplots(figsize=(7, 3.2))
axis.plot(epochs, on_batches, marker="o", label="training batches (batch statistics)")
axis.plot(epochs, on_test, "--", marker="s", label="test images (moving statistics)")
axis.set(xlabel="epoch", ylabel="accuracy (%)")
axis.legend(frameon=False)
axis.grid(color="#DDDDDD")
plt.show()
print(f"Training batches against test images: {on_batches[0]:.0f} and {on_test[0]:.0f} % in epoch 1, "
      f"{on_batches[-1]:.0f} and {on_test[-1]:.0f} % in epoch 10.")

# %% [markdown]
# Such a gap can have either sign. In the first epoch the solid line still counts the batches of its beginning, when the network knew nothing.
# The dashed line has other troubles: new images, and moving statistics that lag behind. What you see is the sum.
# So do not call a gap between these two lines "overfitting" before you know which of the three differences makes it.
# The next section shows the two kinds of statistics, and notebook [05](05_training_and_inference.ipynb) takes the gap apart.
#
# ## Four vectors, two kinds
#
# A `BatchNormalization` layer keeps four numbers per unit. Two are trained like any weight. Two are only *tracked*.
# **Before you run:** how many numbers does the first `BatchNormalization` layer hold, behind `Dense(128)`?

# %%
first = model.layers[1]
for variable in first.variables:
    kind = "trained by gradients" if variable.trainable else "tracked, no gradient"
    print(f"{variable.name:16s} shape {tuple(variable.shape)}   {kind}")
print("numbers in all:", first.count_params())

# %% [markdown]
# `gamma` starts at 1, `beta` at 0, `moving_mean` at 0, `moving_variance` at 1. Which of them did `fit` move, and
# which one furthest? Mind the four different scales.

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 4, figsize=(9, 2.4), sharey=True)
for axis, variable, start in zip(axes, first.variables, (1, 0, 0, 1)):
    axis.hist(variable.numpy(), bins=24, color="#0072B2")
    axis.axvline(start, color="#D55E00", linestyle="--")
    axis.set_title(variable.name, fontsize=10)
axes[0].set_ylabel("units")
figure.suptitle("After fit; the dashed line is where all 128 units started", fontsize=10)
figure.tight_layout()
plt.show()

# %%
for variable, start in zip(first.variables, (1, 0, 0, 1)):
    print(f"{variable.name:16s} moved: {bool(np.abs(variable.numpy() - start).max() > 1e-3)}")

# %% [markdown]
# All four, but not alike: the trained vectors have hardly moved, the tracked ones a long way.
#
# ## What `predict` uses
#
# > **The lesson:** During inference, it uses moving averages learned during training.
#
# You can check that with the formula of notebook 02. Take the outputs of the first `Dense`, normalise them with the two
# tracked vectors, apply `gamma` and `beta`, and compare with what the layer does.

# %%
linear = model.layers[0](dataset.x_test[:5]).numpy()
gamma, beta, moving_mean, moving_variance = (variable.numpy() for variable in first.variables)
by_hand = gamma * (linear - moving_mean) / np.sqrt(moving_variance + first.epsilon) + beta
by_keras = first(linear, training=False).numpy()
print("largest difference below 1e-5:", bool(np.abs(by_hand - by_keras).max() < 1e-5))

# %% [markdown]
# "Learned" is the lesson's word; "tracked" is more exact. No gradient ever reaches the moving averages: each training step
# mixes 1 % of the batch's statistics into them (`momentum=0.99` is the share that *stays*).
# And they move whenever the layer runs with `training=True`, even if you only wanted an output:

# %%
before = first.moving_mean.numpy().copy()
first(linear, training=False)
print("moved by a call with training=False:", bool(np.any(first.moving_mean.numpy() != before)))
first(linear, training=True)
print("moved by a call with training=True: ", bool(np.any(first.moving_mean.numpy() != before)))

# %% [markdown]
# ## Ten classes
#
# For "which class is it?" the network needs ten logits in place of one, and another loss. That is all. Ten classes are harder to guess.
# **Predict:** with the same number of epochs, what share of the test images will this network get right?

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
ten_classes.fit(dataset.x_train, dataset.y_train, batch_size=60, epochs=10, verbose=0, callbacks=[TqdmCallback(verbose=0)])
_, accuracy = ten_classes.evaluate(dataset.x_test, dataset.y_test, verbose=0)
print(f"Ten classes: {100 * accuracy:.1f} %; odd or even: {100 * odd_accuracy:.1f} %.")
print("Your prediction:", "none yet" if my_prediction is None else my_prediction)

# %%
print("Ten classes: more than half of the way from guessing to no mistake at all, on images it has never seen:",
      accuracy - dataset.chance > 0.5 * (1 - dataset.chance))

# %% [markdown]
# Here are test images that it gets wrong, with its answer. Would you have known?

# %% tags=["nbval-ignore-output"]
answers = ten_classes.predict(dataset.x_test, verbose=0).argmax(axis=1)
wrong = np.flatnonzero(answers != dataset.y_test)[:8]
figure, axes = plt.subplots(1, 8, figsize=(9, 1.6))
for axis in axes:
    axis.axis("off")
for axis, at, image in zip(axes, wrong, dataset.pixels(dataset.x_test[wrong])):
    axis.imshow(image, cmap="gray_r")
    true, said = (dataset.class_names[label][:10] for label in (dataset.y_test[at], answers[at]))
    axis.set_title(f"is {true}\nsays {said}", fontsize=8)
plt.show()

# %% [markdown]
# ## The three promises, measured
#
# > **The lesson:** With normalized activations, the optimizer does not need to fight unstable gradients.
# >
# > This allows:
# > • Faster convergence • Higher learning rates • More stable deep networks
#
# First the three things that are said to follow. The gradients themselves come after them.
#
# One `fit` cannot test that: another seed, another result. So from here on every network is trained from **eight seeds**. `train_many` takes
# *your* function that builds a Keras model and trains all eight copies in one TensorFlow graph, in about the time of one `fit`.
# A seed, say 3, starts with the same Dense weights and sees the same batches in every network, so the networks are compared in pairs.
# `sweep` does the same at every point of a grid, for example of learning rates.
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
# `mlp(...)` makes a plain `Sequential` like the lesson's. Look at the parameters of the hidden `Dense` layers: 6 400 is
# 64 × 100, so they have no bias. That is on purpose, and here is why.
#
# ## The bias that does nothing
#
# BatchNorm subtracts the mean of each unit. A bias adds the same number to every example of a unit, so it moves the mean by just that number, and is gone.
# **Predict:** how many times smaller than the gradient of the weights (Keras calls them the *kernel*) is the gradient of a bias in
# front of BatchNorm? And of a bias in front of a ReLU that comes *before* BatchNorm?

# %%
my_prediction = None  # two numbers, for example (2, 2)

# %%
import tensorflow as tf


def gradient_norms(layers):
    """The norm of the gradient of kernel and bias of the first Dense layer, on one training batch."""
    keras.utils.set_random_seed(5)
    network = Sequential([keras.Input((64,)), *layers, Dense(10)])
    with tf.GradientTape() as tape:
        logits = network(dataset.x_train[:60], training=True)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(dataset.y_train[:60], logits)
    kernel, bias = tape.gradient(loss, network.layers[0].trainable_variables)
    return float(tf.norm(kernel)), float(tf.norm(bias))


before_kernel, before_bias = gradient_norms([Dense(100), BatchNormalization(), Activation("relu")])
after_kernel, after_bias = gradient_norms([Dense(100), Activation("relu"), BatchNormalization()])

# %% tags=["nbval-ignore-output"]
print("norm of the gradient    kernel     bias   how many times smaller")
print(f"BatchNorm before ReLU   {before_kernel:6.2f}  {before_bias:7.0e}   {before_kernel / before_bias:.0e}")
print(f"BatchNorm after ReLU    {after_kernel:6.2f}  {after_bias:7.2f}   {after_kernel / after_bias:.0f}")
print("Your prediction:", "none yet" if my_prediction is None else my_prediction)

# %%
print("bias directly before BatchNorm, gradient below a millionth of the kernel's:", before_bias < 1e-6 * before_kernel)
print("bias before a ReLU, gradient below a millionth of the kernel's:            ", after_bias < 1e-6 * after_kernel)

# %% [markdown]
# Directly before BatchNorm the bias is redundant: `beta` does its work. After the activation it is not: there the bias decides
# *which* examples the ReLU lets through. So write `Dense(100, use_bias=False)` only where BatchNorm follows directly.
#
# ## Faster convergence
#
# Three hidden layers of 100 **sigmoid** units and plain SGD, the 2015 paper's own first experiment in small. Learning rate 0.1 for both.
# **Predict:** after 200 steps of 60 images each, how many points of test accuracy lie between the network with
# BatchNorm and the one without?

# %%
my_prediction = None  # in points, for example 10

# %% tags=["nbval-ignore-output"]
from functools import partial

from helpers import plots

sigmoid_network = partial(mlp, depth=3, width=100, activation="sigmoid")
sgd = keras.optimizers.SGD(0.1)

curves = {
    "without BatchNorm": train_many(partial(sigmoid_network, normalization="none"), dataset,
                                    steps=500, batch_size=60, optimizer=sgd, evaluate_every=50),
    "with BatchNorm": train_many(partial(sigmoid_network, normalization="before"), dataset,
                                 steps=500, batch_size=60, optimizer=sgd, evaluate_every=50),
}
plots.learning_curves(curves, statistics="recomputed")

# %% [markdown]
# *Recomputed* statistics means: for each point of the curve, BatchNorm's mean and variance were computed afresh over the whole training set. With the
# moving averages the first points would look worse than the network is: after 50 steps they have covered only 1 − 0.99⁵⁰, two fifths, of the way.
# The comparison, seed by seed, after 200 steps. On the left every grey line is one seed; on the right is the difference, with − without.

# %% tags=["nbval-ignore-output"]
from helpers.statistics import paired_difference, share_interval, share_of_reachable

at_200 = {name: runs.recomputed.test_accuracy[:, list(runs.evaluated_at).index(200)] for name, runs in curves.items()}
gain_at_one_rate = paired_difference(at_200["with BatchNorm"], at_200["without BatchNorm"])
print("with − without, after 200 steps:", gain_at_one_rate)
print("Your prediction:", "none yet" if my_prediction is None else my_prediction)
plots.paired_arms(at_200)

# %% [markdown]
# Impressive, and unfair. That was *one* learning rate, and perhaps a poor one for the plain network. So let us give each
# network the rate that suits it best, chosen by its accuracy on the *training* images; the test images have no say in the choice.

# %% tags=["nbval-ignore-output"]
rates = [0.1, 0.3, 1.0, 3.0, 10.0]
sigmoid_sweep = {
    name: sweep({"learning_rate": rates}, partial(sigmoid_network, normalization=where),
                dataset, steps=200, batch_size=60, evaluate_every=200)
    for name, where in [("without BatchNorm", "none"), ("with BatchNorm", "before")]
}
plots.learning_rate_sweep(sigmoid_sweep)


# %% tags=["nbval-ignore-output"]
def best_runs(arm, evaluation=-1):
    """The runs of a sweep at the learning rate that fits the training images best."""
    return max(arm.runs, key=lambda runs: runs.recomputed.train_accuracy[:, evaluation].mean())


best = {name: best_runs(arm).recomputed.test_accuracy[:, -1] for name, arm in sigmoid_sweep.items()}
faster_gain = paired_difference(best["with BatchNorm"], best["without BatchNorm"])
print("both at rate 0.1:     ", gain_at_one_rate)
print("each at its best rate:", faster_gain)

# %%
print("each at its best rate, the gain is above 5 points:", faster_gain.low > 0.05)
print("and well below the gain at one common rate:", faster_gain.high < gain_at_one_rate.low)

# %% [markdown]
# Remember these two numbers when you read that a method is better. A learning rate that suits one network and not the other
# can make any method shine. What is left when both are tuned is the honest gain, and here it is still large.
#
# ## Higher learning rates
#
# Ten hidden ReLU layers, He initialiser (weights just large enough for ReLU to pass the signal on), and a sweep over learning rates of
# three orders of magnitude. A run counts as *trained* if it comes at least nine tenths of the way from guessing to the best network of the sweep, on the **training**
# images. (The figure shows test images; its dotted line is nine tenths of the way there.) **Predict:** from which rate on does the network without BatchNorm fail? And the one with it?

# %%
my_prediction = None  # two rates, for example (1, 1)

# %% tags=["nbval-ignore-output"]
rates = [0.01, 0.1, 0.3, 1.0, 3.0, 10.0]
deep_relu = partial(mlp, depth=10, width=64, initializer="he_normal")
by_rate = {
    name: sweep({"learning_rate": rates}, partial(deep_relu, normalization=where),
                dataset, steps=200, batch_size=60, evaluate_every=200)
    for name, where in [("without BatchNorm", "none"), ("with BatchNorm", "before")]
}
plots.learning_rate_sweep(by_rate)

# %% [markdown]
# Take the first rate that is too high for most of the plain runs. How many of the runs with BatchNorm train there? A share of a few runs has an
# interval, too: eight of eight does not prove "always".


# %% tags=["nbval-ignore-output"]
def best_mean(sweeps):
    """The highest mean training accuracy that any arm reaches at any of its settings."""
    return max(runs.recomputed.train_accuracy[:, -1].mean() for arm in sweeps for runs in arm.runs)


def trained(runs, sweeps):
    """For each seed, whether it came nine tenths of the way from guessing to the best mean of these sweeps."""
    accuracy = runs.recomputed.train_accuracy[:, -1]
    return share_of_reachable(accuracy, chance=dataset.chance, best=best_mean(sweeps)) > 0.9


def too_high(rate, name):  # at 0.01 a run that fails was too slow, not too fast
    return rate > 0.01 and trained(by_rate[name][{"learning_rate": rate}], by_rate.values()).mean() < 0.5


first_too_high = {name: min((rate for rate in rates if too_high(rate, name)), default=np.inf) for name in by_rate}
rate = first_too_high["without BatchNorm"]  # infinite where no rate was too high: then there is nothing to endure
endured = rate < np.inf and trained(by_rate["with BatchNorm"][{"learning_rate": rate}], by_rate.values())
high_rate_share = share_interval(endured | np.zeros(8, dtype=bool))
print("first rate that is too high:", first_too_high)
print("Your prediction:", "none yet" if my_prediction is None else my_prediction)
print("runs with BatchNorm that train where the plain ones fail:", high_rate_share)

# %%
print("BatchNorm endures higher learning rates:", first_too_high["with BatchNorm"] > first_too_high["without BatchNorm"])
print("where most plain runs fail, most runs with BatchNorm train:", high_rate_share.low > 0.5)

# %% [markdown]
# Look at the left end of the figure as well: at the lowest rate the network with BatchNorm is *behind*. What it buys here is room upwards, not an advantage
# at every rate.
#
# ## More stable deep networks
#
# Now Keras' default initialiser (Glorot) and depth. For ReLU it is a little too small: every layer passes on about √½ of the signal's size, because ReLU
# sets half of the values to 0. So ten layers make it 30 times smaller and twenty layers 1 000 times. **Predict:** of eight plain
# networks with 2, 10 and 20 hidden layers, how many will train at the better of two learning rates?

# %%
my_prediction = None  # three counts, for example (8, 8, 8)

# %% tags=["nbval-ignore-output"]
from helpers.training import Probes

depths, two_rates = [2, 10, 20], [0.1, 0.5]
by_depth = {
    (name, depth): sweep({"learning_rate": two_rates}, partial(mlp, depth=depth, width=64, normalization=where),
                         dataset, steps=200, batch_size=60, evaluate_every=200, probes=Probes(gradient_norms=depth == 20))
    for name, where in [("without BatchNorm", "none"), ("with BatchNorm", "before")]
    for depth in depths
}


def best_share(arm, depth):
    """The share of seeds that train at this depth, at the arm's better learning rate."""
    both_arms = [by_depth[name, depth] for name in by_rate]
    return share_interval(max((trained(runs, both_arms) for runs in by_depth[arm, depth].runs), key=np.mean))


figure, axis = plots.new_figure(width=7, height=3.2)
for i, arm in enumerate(by_rate):
    shares = [best_share(arm, depth) for depth in depths]
    spread = [[100 * (s.mean - s.low) for s in shares], [100 * (s.high - s.mean) for s in shares]]
    axis.errorbar([at + 0.08 * i for at in range(3)], [100 * s.mean for s in shares], yerr=spread, capsize=4,
                  color=plots.COLORS[i], linestyle=plots.LINESTYLES[i], marker=plots.MARKERS[i], label=arm)
axis.set(xlabel="hidden layers", ylabel="runs that train (%)", ylim=(-4, 104))
axis.set_xticks(range(3), depths)
axis.legend(frameon=False, loc="center left")
deep_share, deep_share_plain = best_share("with BatchNorm", 20), best_share("without BatchNorm", 20)
print("Your prediction:", "none yet" if my_prediction is None else my_prediction)
print("Measured, plain:", tuple(round(8 * best_share("without BatchNorm", depth).mean) for depth in depths), "of 8")
plots.Plot(figure, f"At depth 20, runs that train: {deep_share} with BatchNorm, {deep_share_plain} without. "
                   "Bars are 95 % intervals of the share; trained means: nine tenths "
                   "of the way from guessing to the best mean at that depth, within 200 steps.")

# %%
print("depth 20, most runs train with BatchNorm:", deep_share.low > 0.5)
print("depth 20, most runs fail without it:", deep_share_plain.high < 0.5)

# %% [markdown]
# ## And the gradients themselves?
#
# > **The lesson:** With normalized activations, the optimizer does not need to fight unstable gradients.
#
# The optimizer multiplies each gradient by the learning rate, one rate for all layers. So it would like gradients of about the same size
# everywhere. The twenty layers above have kept a record of theirs (`Probes(gradient_norms=True)`). At the very first step, **predict:** how many
# times larger is the gradient of the *first* layer's weights than that of the *last* hidden layer's, without BatchNorm and with it?

# %%
my_prediction = None  # two numbers, for example (0.1, 1): ten times smaller without, equal with BatchNorm

# %% [markdown]
# Left, the first step; right, the fiftieth. Each thin line is one seed, the thick ones are their medians. Follow each arm from the output
# (right) back to the image (left), as the gradient travels. On a log axis a straight line means: the same *factor* at every layer.

# %% tags=["nbval-ignore-output"]
gradients = {  # of each arm: (hidden layers, seeds, steps), at the lower of the two learning rates
    name: np.array(list(by_depth[name, 20][{"learning_rate": 0.1}].gradient_norms.values())[:20])  # without the output layer
    for name in by_rate
}
hidden_layers = np.arange(1, 21)
figure, axes = plots.new_figure(1, 2, width=9, height=3.6, sharey=True)
for axis, step in zip(axes, (1, 50)):
    for i, (name, norms) in enumerate(gradients.items()):
        at_step = norms[:, :, step - 1]
        axis.plot(hidden_layers, at_step, color=plots.COLORS[i], linewidth=0.6, alpha=0.4)
        axis.plot(hidden_layers, np.median(at_step, axis=1), color=plots.COLORS[i], linestyle=plots.LINESTYLES[i],
                  linewidth=2.5, marker=plots.MARKERS[i], markersize=4, label=name)
    axis.set(title=f"step {step}", xlabel="hidden layer", xticks=[1, 5, 10, 15, 20], yscale="log")
axes[0].set_ylabel("norm of the weights' gradient")
axes[1].legend(frameon=False, loc="center right")

ratios = {name: norms[0] / norms[-1] for name, norms in gradients.items()}  # (seeds, steps)
medians = {name: np.median(ratio, axis=0) for name, ratio in ratios.items()}  # (steps,)
print("Your prediction:", "none yet" if my_prediction is None else my_prediction)
print("Measured: first layer / last hidden layer at step 1,", "; ".join(f"{name} {m[0]:.2g}" for name, m in medians.items()))
print(f"With BatchNorm that is a factor of {medians['with BatchNorm'][0] ** (1 / 19):.2f} at each of the 19 layers between; "
      f"theory: √(π/(π−1)) = {np.sqrt(np.pi / (np.pi - 1)):.2f}")
plots.Plot(figure, "; ".join(
    f"{name}, the first layer's gradient is {np.median(norms[0, :, 0]):.2g} at step 1, {medians[name][0]:.2g} times the "
    f"last hidden layer's, and {np.median(norms[0, :, 49]):.2g} at step 50, {medians[name][49]:.2g} times"
    for name, norms in gradients.items()) + ". Medians of 8 seeds; thin lines are the seeds.")

# %%
plain, normalised = ratios.values()
print("step 1, with BatchNorm: more than 10 times the last hidden layer's, in every seed:", bool((normalised[:, 0] > 10).all()))
print("step 1, without: less than 10 times, in every seed:                               ", bool((plain[:, 0] < 10).all()))
first_layer = {name: norms[0, :, 0] for name, norms in gradients.items()}
print("step 1, without BatchNorm: less than a hundredth of what it is with it:           ",
      bool((first_layer["without BatchNorm"] < first_layer["with BatchNorm"] / 100).all()))
calmed = gradients["with BatchNorm"][..., 30:50].mean(axis=2)  # (hidden layers, seeds), steps 31 to 50
print("steps 31 to 50, with BatchNorm: less than 10 times on average, in every seed:     ", bool((calmed[0] < 10 * calmed[-1]).all()))

# %% [markdown]
# The plain network surprises: its gradients are *even* from layer to layer. But all of them are far too small. The signal shrinks by about √½ a
# layer on its way forwards, the error by as much on its way back, and the gradient of a weight is the product of the two. What one factor has
# lost less near the image, the other has lost more: wherever the layer stands, both together have come through the whole network.
#
# With BatchNorm the signal keeps its size. But backwards the gradient *grows*, by the same factor at each layer: the straight line.
# You can work that factor out. ReLU leaves a normalised unit a standard deviation of √(½ · (1 − 1/π)) ≈ 0.58, and the next BatchNorm divides by it.
# Backwards the gradient is divided by the same 0.58, and ReLU lets √½ ≈ 0.71 of it through. Together 0.71/0.58 = √(π/(π−1)) ≈ 1.21 a layer.
# (Yang and others derive this for wide networks: 2019, arXiv:1902.08129.) Twenty such layers are no disaster: the network trains, and within a few
# dozen steps most of the difference is gone. A hundred, without the skip connections of residual networks, would not start well.
#
# So the lesson's sentence is too strong. It is right about gradients that *vanish*, and wrong about gradients that *explode*: BatchNorm makes those itself.

# %% [markdown]
# ## The case where little is gained
#
# A promise that is never broken was not tested. Take a network that has no trouble to begin with: two hidden layers, ReLU, the initialiser made for it (He),
# the Adam optimizer, each at its own best learning rate. **Predict:** how many points does BatchNorm gain after 100 steps?
# (Mind the axis of the figure: it spans only a few points, where the curves before spanned nearly a hundred.)

# %%
my_prediction = None  # in points

# %% tags=["nbval-ignore-output"]
shallow = {
    name: sweep({"learning_rate": [0.001, 0.003, 0.01]}, partial(mlp, depth=2, initializer="he_normal", normalization=where),
                dataset, steps=200, batch_size=60, optimizer="adam", evaluate_every=50)
    for name, where in [("without BatchNorm", "none"), ("with BatchNorm", "before")]
}
plots.learning_curves({name: best_runs(arm, 1) for name, arm in shallow.items()}, statistics="recomputed")

# %% tags=["nbval-ignore-output"]
early = {name: best_runs(arm, 1).recomputed.test_accuracy[:, 1] for name, arm in shallow.items()}  # after 100 steps
shallow_gain = paired_difference(early["with BatchNorm"], early["without BatchNorm"])
print("with − without, after 100 steps:", shallow_gain)
print(f"one of the {len(dataset.y_test)} test images is {100 / len(dataset.y_test):.2f} points")
print("Your prediction:", "none yet" if my_prediction is None else my_prediction)

# %%
print("The gain is between −2 and +2 points:", -0.02 < shallow_gain.low and shallow_gain.high < 0.02)

# %% [markdown]
# Look at the left end of the figure, too: the earlier you look, the larger the gap. Even this network is a little faster with BatchNorm;
# soon after there is little left of it. The rule looks after 100 steps; earlier it would have found more for BatchNorm, later less.

# %% [markdown]
# ## Does BatchNorm only repair the scaling of the inputs?
#
# A control that is easily forgotten. Give the networks the raw grey levels in place of standardised pixels. The first BatchNorm layer then also
# does the work of standardising. How much of "the gain of BatchNorm" would really be the gain of scaled inputs? Four arms
# over a whole sweep of learning rates. **Predict:** which of the four lines will lie apart from the others, and at which rates?

# %%
my_prediction = None  # for example "raw inputs without BatchNorm, at high rates"

# %% tags=["nbval-ignore-output"]
raw = dataset.replace(
    "raw grey levels", x_train=dataset.x_train * dataset.std + dataset.mean, x_test=dataset.x_test * dataset.std + dataset.mean
)
rates = [0.01, 0.03, 0.1, 0.3, 1.0]
control = {
    f"{inputs}, {name}": sweep({"learning_rate": rates}, partial(mlp, depth=2, width=64, normalization=where),
                               data, steps=150, batch_size=60, evaluate_every=150)
    for inputs, data in [("raw", raw), ("standardised", dataset)]
    for name, where in [("plain", "none"), ("BatchNorm", "before")]
}
print("Your prediction:", "none yet" if my_prediction is None else my_prediction)
plots.learning_rate_sweep(control)

# %% [markdown]
# Look at the two lines with BatchNorm first: one hides the other. Then at the two without: there the inputs decide at which rate the network breaks down.
#
# So how much does BatchNorm gain? There are two ways to say it: at one learning rate that both networks are given (here 0.3), or
# each network at the rate that suits it best.


# %% tags=["nbval-ignore-output"]
def at_rate(arm, rate):
    return control[arm][{"learning_rate": rate}].recomputed.test_accuracy[:, -1]


def at_best_rate(arm):
    return best_runs(control[arm]).recomputed.test_accuracy[:, -1]


gains = {inputs: at_best_rate(f"{inputs}, BatchNorm") - at_best_rate(f"{inputs}, plain") for inputs in ("raw", "standardised")}
scaling_alone = paired_difference(gains["raw"], gains["standardised"])
one_rate = {inputs: paired_difference(at_rate(f"{inputs}, BatchNorm", 0.3), at_rate(f"{inputs}, plain", 0.3))
            for inputs in ("raw", "standardised")}
best_rate = {inputs: paired_difference(at_best_rate(f"{inputs}, BatchNorm"), at_best_rate(f"{inputs}, plain"))
             for inputs in ("raw", "standardised")}
for inputs in ("raw", "standardised"):
    print(f"{inputs:12s} inputs, BatchNorm's gain at rate 0.3: {one_rate[inputs]};  each at its best rate: {best_rate[inputs]}")
print(f"gain on raw inputs − gain on standardised ones, each at its best rate: {scaling_alone}")

# %%
moved = [abs(paired_difference(at_rate("raw, BatchNorm", rate), at_rate("standardised, BatchNorm", rate)).mean) for rate in rates]
print("with BatchNorm, raw and standardised inputs end within 2 points of each other at every rate:", max(moved) < 0.02)
print("on raw inputs, one common rate flatters BatchNorm:", one_rate["raw"].low > best_rate["raw"].high)
print("each at its best rate, BatchNorm still gains more on raw inputs than on standardised ones:", scaling_alone.low > 0)

# %% [markdown]
# The first BatchNorm layer removes any common scale and shift of the inputs. With W for the weights of the first `Dense` layer and *a* > 0:
# BN(W(*a*·*x* + *b*)) = BN(W*x*), but for epsilon. For *a* stretches every unit alike, and *b* only moves its mean. Without BatchNorm,
# larger inputs make the gradient of the first weights larger. That acts like a larger learning rate for the first layer, and the plain
# network wants a smaller one. Compared on raw pixels at one learning rate, BatchNorm
# would have been credited with what *any* rescaling of the inputs does.
#
# And with both tuned? Then most of that false credit is gone, but not all. The last printed difference is the part of BatchNorm's gain that
# scaled inputs alone would have given. Tuning does not get it back. One rate serves all layers: on raw inputs, a rate small enough for
# the first layer is smaller than the others would like. And no rate takes away the mean that the grey levels share. That is why the other experiments use standardised inputs, and why
# the comparisons behind the verdict sweep the rate.

# %% [markdown]
# ## The verdict
#
# Five measurements, the rule, and what the literature says:

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
# ## What you take with you
#
# - A `BatchNormalization` layer has four vectors: `gamma` and `beta` are trained, `moving_mean` and `moving_variance` are tracked.
# - Training uses the batch's statistics, `predict` the tracked ones.
# - A bias directly before BatchNorm does nothing.
# - BatchNorm buys speed, higher learning rates and depth **where there was trouble**: sigmoid units, many layers, a signal that shrinks.
#   A shallow network with good initial weights and Adam has little trouble to be rid of.
# - Gradients do not vanish with it, but in a deep network they start out far larger in the first layers than in the last.
# - Compare networks over several seeds, in pairs, each at its own learning rate. At one common rate you measure the rate.
#
# **Next:** [04 · Placement](04_placement.ipynb) asks whether "before each activation" really is critical.
