# %% [markdown]
# # 10 · More exercises, and a clinic
#
# **Time:** about 100 minutes, in as many sittings as you like · **Before this:** [08](08_beyond_the_lesson.ipynb) for the
# first four exercises, [05](05_training_and_inference.ipynb) for the fifth, and [05](05_training_and_inference.ipynb) and
# [06](06_batchnorm_vs_dropout.ipynb) for the clinic
#
# After this notebook you will have written the statistics of a convolution, Layer and Group Normalization and a backward
# pass, you will have put a new output layer on a trained network, and you will have found six mistakes that people really
# make.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# Answers and checks work as in [07](07_exercises.ipynb): write your answer where it says `# YOUR CODE HERE`, run the cell,
# then the check below it. `hint("layer_norm")` gives a hint. The check of an exercise that you leave alone says "not
# attempted".

# %%
import numpy as np

from helpers import environment
from helpers.grading import check, hint, report

environment.quiet_tensorflow()

import keras
import tensorflow as tf

# %%
hint("layer_norm")

# %% [markdown]
# ## Images and other normalisations
#
# In the first four exercises the arrays are NumPy's, and their last axis holds the features or channels.

# %% [markdown]
# ### The statistics of a convolution
#
# *easy · about 4 minutes · 4 points*
#
# A convolution gives a batch of images x of shape (batch, height, width, channels). Return the mean and the biased
# variance that Batch Normalization uses in training.


# %% nbgrader={"schema_version": 3, "grade_id": "spatial_statistics", "solution": true, "grade": false, "locked": false, "task": false}
def spatial_statistics(x):
    """The mean and the variance of a batch of images, each of shape (channels,).

    x: (batch, height, width, channels), an array or a list.
    """
    x = np.asarray(x)
    mean, variance = ..., ...
    # BEGIN SOLUTION
    mean = x.mean(axis=(0, 1, 2))
    variance = x.var(axis=(0, 1, 2))
    # END SOLUTION
    return mean, variance


# %% nbgrader={"schema_version": 3, "grade_id": "spatial_statistics_check", "solution": false, "grade": true, "locked": true, "task": false}
check("spatial_statistics", spatial_statistics)

# %% [markdown]
# ### Layer Normalization
#
# *easy · about 6 minutes · 4 points*
#
# Normalise every position of x over its last axis, then scale by gamma and shift by beta. x may have any number of axes.


# %% nbgrader={"schema_version": 3, "grade_id": "layer_norm", "solution": true, "grade": false, "locked": false, "task": false}
def layer_norm(x, gamma, beta, epsilon=1e-3):
    """Layer Normalization over the last axis; the result has the shape of x.

    x: (..., features). gamma, beta: (features,).
    """
    x = np.asarray(x)
    y = ...
    # BEGIN SOLUTION
    mean = x.mean(axis=-1, keepdims=True)
    variance = x.var(axis=-1, keepdims=True)
    y = gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
    # END SOLUTION
    return y


# %% nbgrader={"schema_version": 3, "grade_id": "layer_norm_check", "solution": false, "grade": true, "locked": true, "task": false}
check("layer_norm", layer_norm)

# %% [markdown]
# ### Group Normalization
#
# *medium · about 10 minutes · 5 points*
#
# Split the channels of each image into `groups` groups of neighbouring channels. Normalise every group of every image by
# itself, then scale by gamma and shift by beta, which have one number for each channel.


# %% nbgrader={"schema_version": 3, "grade_id": "group_norm", "solution": true, "grade": false, "locked": false, "task": false}
def group_norm(x, gamma, beta, groups, epsilon=1e-3):
    """Group Normalization of images; the result has the shape of x.

    x: (batch, height, width, channels). gamma, beta: (channels,). groups: a divisor of
    the number of channels.
    """
    x = np.asarray(x)
    y = ...
    # BEGIN SOLUTION
    split = x.reshape(*x.shape[:3], groups, -1)
    mean = split.mean(axis=(1, 2, 4), keepdims=True)
    variance = split.var(axis=(1, 2, 4), keepdims=True)
    x_hat = ((split - mean) / np.sqrt(variance + epsilon)).reshape(x.shape)
    y = gamma * x_hat + beta
    # END SOLUTION
    return y


# %% nbgrader={"schema_version": 3, "grade_id": "group_norm_check", "solution": false, "grade": true, "locked": true, "task": false}
check("group_norm", group_norm)

# %% [markdown]
# ### The backward pass of Layer Normalization
#
# *hard · about 15 minutes · 6 points*
#
# Given the gradient dy at the output of Layer Normalization, return the gradients for x, gamma and beta. The paths are
# those of Batch Normalization in [02](02_batchnorm_from_scratch.ipynb), but gamma must be multiplied in before the means
# are taken: why?


# %% nbgrader={"schema_version": 3, "grade_id": "layer_norm_backward", "solution": true, "grade": false, "locked": false, "task": false}
def layer_norm_backward(dy, x, gamma, epsilon=1e-3):
    """Gradients of Layer Normalization over the last axis: dx, dgamma, dbeta.

    dy, x: (..., features). gamma: (features,). dx has the shape of x, the others
    have the shape of gamma.
    """
    dx, dgamma, dbeta = ..., ..., ...
    # BEGIN SOLUTION
    root = np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / root
    axes = tuple(range(x.ndim - 1))
    dgamma, dbeta = (dy * x_hat).sum(axis=axes), dy.sum(axis=axes)
    dx_hat = gamma * dy
    mean = dx_hat.mean(axis=-1, keepdims=True)
    along = (dx_hat * x_hat).mean(axis=-1, keepdims=True)
    dx = (dx_hat - mean - x_hat * along) / root
    # END SOLUTION
    return dx, dgamma, dbeta


# %% nbgrader={"schema_version": 3, "grade_id": "layer_norm_backward_check", "solution": false, "grade": true, "locked": true, "task": false}
check("layer_norm_backward", layer_norm_backward)

# %% [markdown]
# ### A trained network for new classes
#
# *hard · about 15 minutes · 6 points*
#
# The next cell trains a network with Batch Normalization on the images of the first five classes. Adapt this network to the
# other five classes, for which you get only 60 images: a new output layer learns, and everything before it stays as it is,
# the moving statistics of Batch Normalization included.

# %%
from helpers.data import load
from helpers.networks import mlp

dataset = load()
keras.utils.set_random_seed(environment.first_seed())
old = dataset.y_train < 5
trained = mlp(features=dataset.x_train.shape[1], outputs=5, momentum=0.9)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
trained.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
trained.fit(dataset.x_train[old], dataset.y_train[old], epochs=5, verbose=0)
x_new, y_new = dataset.x_train[~old][:60], dataset.y_train[~old][:60] - 5
print("images of new classes:", len(x_new), "  classes:", *np.unique(y_new))


# %% nbgrader={"schema_version": 3, "grade_id": "transfer", "solution": true, "grade": false, "locked": false, "task": false}
def transfer(model, x, y):
    """A network for new classes: the body of `model` as it is, and a new output layer.

    model: a trained Keras model whose last layer gives the scores of the old classes.
    x, y: examples of the new classes, y from 0 on. Returns a trained Keras model that
    gives one score for each new class; the old model still gives its answers.
    """
    new_model = ...
    # BEGIN SOLUTION
    body = keras.Model(model.inputs, model.layers[-2].output)
    body.trainable = False  # kernels stay, Batch Normalization is in inference mode
    head = keras.layers.Dense(len(np.unique(y)))
    new_model = keras.Sequential([keras.Input(x.shape[1:]), body, head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    new_model.compile(keras.optimizers.Adam(0.1), loss, jit_compile=False)
    new_model.fit(x, y, epochs=30, verbose=0)
    # END SOLUTION
    return new_model


# %%
adapted = transfer(trained, x_new, y_new)
if adapted is not ...:
    new = dataset.y_test >= 5
    scores = adapted.predict(dataset.x_test[new], verbose=0)
    right = scores.argmax(axis=-1) == dataset.y_test[new] - 5
    print(f"test images of the new classes named right: {right.mean():.0%}")

# %% nbgrader={"schema_version": 3, "grade_id": "transfer_check", "solution": false, "grade": true, "locked": true, "task": false}
check("transfer", transfer)

# %% [markdown]
# ## The clinic
#
# Six programs that people could have asked about in a forum. Each runs without an error, and each is wrong.
#
# For each case: repair the function where it stands, and set the letter of the cause. Then run three cells: yours, the next
# one, which shows the symptom, and the check. After the repair the symptom should be gone. Three points go to the repair and
# one to the cause.

# %% [markdown]
# ### Case 1: averages that never move
#
# *easy · about 6 minutes · 4 points*
#
# > I wrote my own training loop, because I want to log things. It trains, and the loss falls a little. But after 20 steps
# > on data that are all 5, BatchNorm says that their mean is 0 and their variance 1. Is the layer broken?
#
# `train_epoch` trains on each batch once and returns the losses, each computed before the update on that batch. After the
# repair the averages move. In 20 steps they cover only a part of their way to 5 and 0.
#
# What is the cause?
#
# - **a** Momentum 0.99 is too slow for 20 steps
# - **b** The moving averages are not trainable, so the optimiser leaves them out
# - **c** Nobody tells the model that it is being trained, so BatchNorm runs in inference mode
# - **d** The learning rate is too small


# %% nbgrader={"schema_version": 3, "grade_id": "clinic_1", "solution": true, "grade": false, "locked": false, "task": false}
def train_epoch(model, optimizer, loss_fn, batches):
    losses = []
    for x, y in batches:
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        losses.append(float(loss))
    return losses


cause_1 = ...  # your letter, such as "a"


# BEGIN SOLUTION
def train_epoch(model, optimizer, loss_fn, batches):
    losses = []
    for x, y in batches:
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        losses.append(float(loss))
    return losses


cause_1 = "c"
# END SOLUTION

# %%
norm = keras.layers.BatchNormalization()
model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1)])
batches = [(np.full((8, 3), 5.0), np.ones((8, 1)))] * 20
train_epoch(model, keras.optimizers.SGD(0.01), keras.losses.MeanSquaredError(), batches)
print("moving mean    ", norm.moving_mean.numpy().round(3))
print("moving variance", norm.moving_variance.numpy().round(3))

# %% nbgrader={"schema_version": 3, "grade_id": "clinic_1_check", "solution": false, "grade": true, "locked": true, "task": false}
check("clinic_1", (train_epoch, cause_1))

# %% [markdown]
# ### Case 2: fine-tuning forgets
#
# *hard · about 12 minutes · 4 points*
#
# > My pretrained base was frozen, and the new output layer learned well. Then I unfroze the base, to fine-tune it with a
# > learning rate of 0.00001 on a few images, in batches of 4. After *one epoch* everything that the base knew is gone. I
# > have read that `base(inputs, training=False)` helps; in my Keras 3 it changes nothing.
#
# `add_head` puts a new output layer on the base. The base's kernels have to stay trainable. Its BatchNorm layers, one of
# them in a block inside the base, have to keep the statistics of the pretraining and normalise with them. (Return the model
# without compiling it: the next cell compiles it.)
#
# What is the cause?
#
# - **a** The learning rate is too high, so the pretrained kernels are destroyed
# - **b** With `trainable = True` BatchNorm is in training mode again: it uses small batches and moves its averages
# - **c** The new output layer overfits the small data set
# - **d** The model was not compiled again after `trainable` was changed


# %% nbgrader={"schema_version": 3, "grade_id": "clinic_2", "solution": true, "grade": false, "locked": false, "task": false}
def add_head(base):
    base.trainable = True
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(1)(base(inputs))
    return keras.Model(inputs, outputs)


cause_2 = ...  # your letter, such as "a"


# BEGIN SOLUTION
def add_head(base):
    def keep_in_inference_mode(model):
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
            elif isinstance(layer, keras.Model):
                keep_in_inference_mode(layer)

    base.trainable = True
    keep_in_inference_mode(base)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(1)(base(inputs))
    return keras.Model(inputs, outputs)


cause_2 = "b"
# END SOLUTION

# %% tags=["nbval-ignore-output"]
layers = keras.layers
block = [keras.Input((6,)), layers.Dense(5), layers.BatchNormalization(), layers.ReLU()]
base = [keras.Input((4,)), layers.Dense(6), layers.BatchNormalization(), layers.ReLU()]
base = keras.Sequential([*base, keras.Sequential(block)])
kernel, norm = base.layers[0].kernel, base.layers[1]
before = kernel.numpy(), norm.moving_mean.numpy()

model = add_head(base)
model.compile(keras.optimizers.SGD(0.00001), "mse")
x = np.random.default_rng(0).normal(3.0, 1.0, (200, 4))
model.fit(x, x[:, :1], batch_size=4, verbose=0)
print("how far a kernel moved     ", np.abs(kernel - before[0]).max().round(5))
moved = np.abs(norm.moving_mean - before[1])
print("how far a moving mean moved", moved.max().round(5))

# %% nbgrader={"schema_version": 3, "grade_id": "clinic_2_check", "solution": false, "grade": true, "locked": true, "task": false}
check("clinic_2", (add_head, cause_2))

# %% [markdown]
# ### Case 3: channels that stay apart
#
# *easy · about 6 minutes · 4 points*
#
# > Our sensor images come as (batch, 3 channels, 4 rows, 5 columns): temperature, pressure and humidity. BatchNorm should
# > bring the three to one scale. But in its output the pressure is still far above the others, and gamma has 5 entries,
# > although there are 3 channels.
#
# `build_front_end` returns a model that normalises the images and applies relu; its output has the layout of its input.
#
# What is the cause?
#
# - **a** The batch is too small for channels whose units are so different
# - **b** BatchNorm takes the last axis for the features, and here that axis holds the columns
# - **c** Gamma and beta have to be trained first; they will bring the channels together
# - **d** BatchNorm expects inputs between 0 and 1


# %% nbgrader={"schema_version": 3, "grade_id": "clinic_3", "solution": true, "grade": false, "locked": false, "task": false}
def build_front_end():
    return keras.Sequential(
        [
            keras.Input((3, 4, 5)),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
        ]
    )


cause_3 = ...  # your letter, such as "a"


# BEGIN SOLUTION
def build_front_end():
    return keras.Sequential(
        [
            keras.Input((3, 4, 5)),
            keras.layers.BatchNormalization(axis=1),
            keras.layers.Activation("relu"),
        ]
    )


cause_3 = "b"
# END SOLUTION

# %%
model = build_front_end()
shift = np.array([15.0, 1000.0, 0.3]).reshape(3, 1, 1)
scale = np.array([8.0, 20.0, 0.2]).reshape(3, 1, 1)
images = shift + scale * np.random.default_rng(0).normal(size=(32, 3, 4, 5))
output = model(images, training=True).numpy()
print("shape of gamma      ", tuple(model.weights[0].shape))
print("means of the channels", output.mean(axis=(0, 2, 3)).round(1))

# %% nbgrader={"schema_version": 3, "grade_id": "clinic_3_check", "solution": false, "grade": true, "locked": true, "task": false}
check("clinic_3", (build_front_end, cause_3))

# %% [markdown]
# ### Case 4: the last step of every epoch
#
# *medium · about 8 minutes · 4 points*
#
# > I have 33 rows and train in batches of 8. In every epoch the loss is fine for four steps and jumps in the last one,
# > whatever the learning rate. I looked at the output of BatchNorm: in the last step it is 0 in every column.
#
# `make_batches` returns the batches of one epoch as a list of pairs (x, y). It has to work for any `batch_size` of at least
# 2 and for any number of rows of at least `batch_size`. You may lose the rows that do not fill a batch.
#
# What is the cause?
#
# - **a** The last batch is one row: the row is its own mean, so BatchNorm turns any input into beta
# - **b** The rows are not shuffled, so the last batch is always the same
# - **c** Epsilon is too small for the last batch
# - **d** The moving averages are still cold at the end of an epoch


# %% nbgrader={"schema_version": 3, "grade_id": "clinic_4", "solution": true, "grade": false, "locked": false, "task": false}
def make_batches(x, y, batch_size):
    batches = []
    for start in range(0, len(x), batch_size):
        end = start + batch_size
        batches.append((x[start:end], y[start:end]))
    return batches


cause_4 = ...  # your letter, such as "a"


# BEGIN SOLUTION
def make_batches(x, y, batch_size):
    batches = []
    for start in range(0, len(x), batch_size):
        end = start + batch_size
        if len(x[start:end]) > 1:
            batches.append((x[start:end], y[start:end]))
    return batches


cause_4 = "a"
# END SOLUTION

# %%
x = np.random.default_rng(0).normal(3.0, 2.0, (33, 4))
norm = keras.layers.BatchNormalization()
for step, (rows, _) in enumerate(make_batches(x, x[:, 0], 8)):
    spread = norm(rows, training=True).numpy().std()
    print(f"step {step}: batch of {len(rows)}, spread behind BatchNorm {spread:.1f}")

# %% nbgrader={"schema_version": 3, "grade_id": "clinic_4_check", "solution": false, "grade": true, "locked": true, "task": false}
check("clinic_4", (make_batches, cause_4))

# %% [markdown]
# ### Case 5: a variance that shrinks
#
# *hard · about 10 minutes · 4 points*
#
# > BatchNorm is there to give variance 1, I thought. In training it does. But when the model predicts, on the *same* rows,
# > the outputs of the two BatchNorm layers have a variance far below 1, and the output layer gets numbers that it was never
# > trained with. Ten times as many steps do not help.
#
# `build_model` returns the network. Keep both BatchNorm layers and one Dropout with rate 0.5, and do not put Dropout after
# the last Dense layer, where it would set predictions to 0.
#
# What is the cause?
#
# - **a** The moving averages lag behind: momentum 0.99 is too slow
# - **b** Dropout is still at work when the model predicts
# - **c** Dropout raises the variance in training only, so the moving variance is too large at inference
# - **d** The network overfits, so the Dropout rate has to be higher


# %% nbgrader={"schema_version": 3, "grade_id": "clinic_5", "solution": true, "grade": false, "locked": false, "task": false}
def build_model():
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(32),
            keras.layers.Dropout(0.5),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dense(16),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dense(1),
        ]
    )


cause_5 = ...  # your letter, such as "a"


# BEGIN SOLUTION
def build_model():
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(32),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dense(16),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ]
    )


cause_5 = "c"
# END SOLUTION

# %% tags=["nbval-ignore-output"]
model = build_model()
x = np.random.default_rng(0).normal(1.0, 2.0, (512, 8))
norms = [one for one in model.layers if hasattr(one, "moving_variance")]
for norm in norms:
    norm.momentum = 0.9
for _ in range(100):
    model(x, training=True)
for norm in norms:
    output = keras.Model(model.inputs, norm.output).predict(x, verbose=0)
    print("variance behind BatchNorm at inference:", output.var(axis=0).mean().round(2))

# %% nbgrader={"schema_version": 3, "grade_id": "clinic_5_check", "solution": false, "grade": true, "locked": true, "task": false}
check("clinic_5", (build_model, cause_5))

# %% [markdown]
# ### Case 6: nearly the same outputs
#
# *medium · about 8 minutes · 4 points*
#
# > I brought a trained network from PyTorch to Keras: Linear, BatchNorm1d, ReLU, Linear, all weights copied and checked.
# > The outputs are nearly the same, but not quite, and the units with a small variance are far off. And when I train on, the
# > moving averages jump after the first batch.
#
# `to_keras` makes the Keras model from PyTorch's `state_dict`, given as NumPy arrays. In PyTorch the layer was
# `BatchNorm1d(4, eps=1e-5, momentum=0.1)`, the defaults.
#
# What is the cause?
#
# - **a** The two libraries round float32 differently
# - **b** PyTorch's running variance is unbiased, so it has to be multiplied by (N − 1) / N
# - **c** BatchNorm's gamma and running variance have changed places
# - **d** Two constants are wrong: epsilon is larger than PyTorch's, and momentum weighs the old value in Keras


# %% nbgrader={"schema_version": 3, "grade_id": "clinic_6", "solution": true, "grade": false, "locked": false, "task": false}
def to_keras(state):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4),
            keras.layers.BatchNormalization(momentum=0.1),
            keras.layers.ReLU(),
            keras.layers.Dense(2),
        ]
    )
    first, norm, _, last = model.layers
    first.set_weights([state["0.weight"].T, state["0.bias"]])
    names = "1.weight", "1.bias", "1.running_mean", "1.running_var"
    norm.set_weights([state[name] for name in names])
    last.set_weights([state["3.weight"].T, state["3.bias"]])
    return model


cause_6 = ...  # your letter, such as "a"


# BEGIN SOLUTION
def to_keras(state):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4),
            keras.layers.BatchNormalization(epsilon=1e-5, momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.Dense(2),
        ]
    )
    first, norm, _, last = model.layers
    first.set_weights([state["0.weight"].T, state["0.bias"]])
    names = "1.weight", "1.bias", "1.running_mean", "1.running_var"
    norm.set_weights([state[name] for name in names])
    last.set_weights([state["3.weight"].T, state["3.bias"]])
    return model


cause_6 = "d"
# END SOLUTION

# %%
rng = np.random.default_rng(0)
state = {"0.weight": rng.normal(size=(4, 3)), "0.bias": rng.normal(size=4)}
state |= {"1.weight": np.ones(4), "1.bias": np.zeros(4)}
running_var = np.array([3.0, 3e-4, 2e-3, 0.4])
state |= {"1.running_mean": np.zeros(4), "1.running_var": running_var}
state |= {"3.weight": rng.normal(size=(2, 4)), "3.bias": rng.normal(size=2)}

norm = to_keras(state).layers[1]
x = np.sqrt(running_var)  # one standard deviation above the mean
print("running_var      ", running_var)
print("x_hat in PyTorch ", (x / np.sqrt(running_var + 1e-5)).round(3))
print("x_hat in Keras   ", norm(x[None]).numpy()[0].round(3))

norm(np.ones((8, 4)), training=True)  # one more batch, in which every unit is 1
print("moving mean then: PyTorch 0.1, Keras", norm.moving_mean.numpy()[0].round(3))

# %% nbgrader={"schema_version": 3, "grade_id": "clinic_6_check", "solution": false, "grade": true, "locked": true, "task": false}
check("clinic_6", (to_keras, cause_6))

# %% [markdown]
# ## Your points

# %%
report(notebook="10_exercises_and_clinic")
