# %% [markdown]
# # 3 · Batch Normalization in Keras
#
# **Time:** about 25 minutes · **Before this:** [02 · Batch Normalization from scratch](02_batchnorm_from_scratch.ipynb)
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
])  # fmt: skip

# %% [markdown]
# > **The lesson:** Here, BatchNormalization is applied before each activation function.
#
# Read the list from top to bottom: linear map, normalise, activate; twice. The last `Dense(1)` has no activation: it
# returns one number per example, a *logit*. Positive means "yes", negative means "no". The lesson leaves open what the
# question is, so let us ask one of real images.

# %%
from helpers.data import load

digits = load("digits")
print(digits)

# %% [markdown]
# These are handwritten digits, 8 by 8 pixels. The rows of `x_train` are the images as 64 numbers each, standardised
# with *one* mean and *one* standard deviation for all pixels of the training set, so that nobody can say later that
# BatchNorm only repaired badly scaled inputs. (We will test that, too.) Look for digits that *you* would get wrong.

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 10, figsize=(9, 1.3))
for axis, image, label in zip(axes, digits.pixels(digits.x_train[:10]), digits.y_train):
    axis.imshow(image, cmap="gray_r")
    axis.set_title(f"{label}: {'odd' if label % 2 else 'even'}", fontsize=9)
    axis.axis("off")
plt.show()

# %% [markdown]
# The question is: **is the digit odd?** One logit, two classes, so the loss is binary cross-entropy.

# %%
import keras
import numpy as np

odd_train, odd_test = digits.y_train % 2, digits.y_test % 2

keras.utils.set_random_seed(1)
model.compile(
    optimizer=keras.optimizers.SGD(0.1),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")],  # a logit above 0 says "odd"
)

# %% [markdown]
# **Predict before you run.** Ten passes over 1 200 images, five seconds. What share of the 597 test images will the network get right?
# Guessing gives about 50 %.

# %%
my_prediction = None  # your guess in percent, for example 80

# %% tags=["nbval-ignore-output"]
from tqdm.keras import TqdmCallback

history = model.fit(
    digits.x_train,
    odd_train,
    batch_size=60,
    epochs=10,
    validation_data=(digits.x_test, odd_test),
    verbose=0,
    callbacks=[TqdmCallback(verbose=0)],
)
odd_accuracy = history.history["val_accuracy"][-1]
print(f"Right on {100 * odd_accuracy:.0f} % of the test images; your guess: {my_prediction or 'no prediction yet'}.")

# %%
assert odd_accuracy > 0.9, "The network should tell odd from even on more than 90 % of the test images."
print("More than nine in ten: the network has learned to tell odd from even.")

# %% [markdown]
# Now the curves. They differ in three ways at once: other images, other weights (the solid line averages over the epoch,
# the dashed line is measured at its end), and other statistics inside BatchNorm. Look at where they cross, if they do.

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
      f"{on_batches[-1]:.0f} and {on_test[-1]:.0f} % in epoch 10.")  # fmt: skip

# %% [markdown]
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
# `gamma` starts at 1, `beta` at 0, `moving_mean` at 0, `moving_variance` at 1. Which of them did `fit` move? Look for a
# vector that stayed where it was: there should be none.

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
# ## What `predict` uses
#
# > **The lesson:** During inference, it uses moving averages learned during training.
#
# You can check that with the formula of notebook 02. Take the outputs of the first `Dense`, normalise them with the two
# tracked vectors, apply `gamma` and `beta`, and compare with what the layer does.

# %%
linear = model.layers[0](digits.x_test[:5]).numpy()
gamma, beta, moving_mean, moving_variance = (variable.numpy() for variable in first.variables)
by_hand = gamma * (linear - moving_mean) / np.sqrt(moving_variance + first.epsilon) + beta
by_keras = first(linear, training=False).numpy()
print("the same:", np.allclose(by_hand, by_keras, atol=1e-5), "   largest difference below 1e-5:",
      bool(np.abs(by_hand - by_keras).max() < 1e-5))  # fmt: skip

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
# For "which digit is it?" the network needs ten logits in place of one, and another loss. That is all. **Before you run:** the
# odd-or-even network was right on more than nine in ten. Ten classes are harder to guess; will they be harder to learn?

# %%
ten_classes = Sequential([
    Dense(128),
    BatchNormalization(),
    Activation("relu"),
    Dense(64),
    BatchNormalization(),
    Activation("relu"),
    Dense(10),
])  # fmt: skip
ten_classes.compile(
    optimizer=keras.optimizers.SGD(0.1),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
ten_classes.fit(digits.x_train, digits.y_train, batch_size=60, epochs=15, verbose=0)
_, accuracy = ten_classes.evaluate(digits.x_test, digits.y_test, verbose=0)
assert accuracy > 0.95, f"Only {accuracy:.1%} of the test images were right."
print("Right on more than 95 % of the test images it has never seen.")

# %% [markdown]
# Here are test images that it gets wrong, with its answer. Would you have known?

# %% tags=["nbval-ignore-output"]
answers = ten_classes.predict(digits.x_test, verbose=0).argmax(axis=1)
wrong = np.flatnonzero(answers != digits.y_test)[:8]
figure, axes = plt.subplots(1, 8, figsize=(9, 1.6))
for axis in axes:
    axis.axis("off")
for axis, at, image in zip(axes, wrong, digits.pixels(digits.x_test[wrong])):
    axis.imshow(image, cmap="gray_r")
    axis.set_title(f"is {digits.y_test[at]}\nsays {answers[at]}", fontsize=9)
plt.show()
