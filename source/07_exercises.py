# %% [markdown]
# # 7 · Exercises
#
# **Time:** about 115 minutes, in as many sittings as you like · **Before this:** [06](06_batchnorm_vs_dropout.ipynb)
#
# After this notebook you will have answered the lesson's four questions with reasons, and you will have written Batch Normalization yourself:
# the forward pass, the moving averages, the backward pass, the folding for inference, and its use in Keras.
#
# One formula stands behind nearly all exercises. With $x$ for the input, $\mu$ and $\sigma^2$ for the mean and the variance of each feature,
# $\epsilon$ for the small constant that keeps the root away from 0, and $\gamma$ and $\beta$ for the trained scale and shift:
#
# $$y = \gamma \, \hat x + \beta , \qquad \hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}$$

# %% tags=["setup"]
import helpers

# %% [markdown]
# ## How an exercise works
#
# Write your answer where the cell says `# YOUR CODE HERE`, run the cell, and then run the check below the cell. The check says what is right. If something is wrong,
# the check says which mistake your answer looks like. You can check as often as you like, and you get points for the parts that work.
#
# If you are stuck, `hint("normalize")` gives a first hint, and a second call says more. `solution("normalize")` tells you what to try first, and with `reveal=True` it shows an answer.
# The check of an exercise that you skip says "not attempted", and you can go on with the next one.

# %%
import numpy as np

from helpers.grading import check, hint, report, solution

# %%
hint("normalize")

# %% [markdown]
# ## In words
#
# *easy · about 2 minutes and 2 points each*
#
# Here are four questions of the lesson. Pick the answer whose *reason* is right as well. The check replies to every option. In Exercise 1 two options are right, and one of them is enough.

# %% [markdown]
# ### Exercise 1
#
# > **The lesson:** What problem does Batch Normalization primarily solve?
#
# - **a** Overfitting: it keeps the network from memorising the training data
# - **b** Internal covariate shift: later layers get inputs whose distribution keeps changing
# - **c** Difficult optimisation: training that is slow, unstable and only works with small learning rates
# - **d** Too many parameters: it makes the network smaller

# %% nbgrader={"schema_version": 3, "grade_id": "ex1", "solution": true, "grade": false, "locked": false, "task": false}
ex1 = ...  # your letter, such as "a"
# BEGIN SOLUTION
ex1 = "c"
# END SOLUTION

# %% nbgrader={"schema_version": 3, "grade_id": "ex1_check", "solution": false, "grade": true, "locked": true, "task": false}
check("ex1", ex1)

# %% [markdown]
# ### Exercise 2
#
# > **The lesson:** Should BatchNorm be applied before or after activation?
#
# - **a** After: the activation's output is what the next layer sees
# - **b** Before, always: after the activation a network can not train well
# - **c** It makes no difference, ever
# - **d** Before, after the linear step: the original advice and the convention, worth testing in your own network

# %% nbgrader={"schema_version": 3, "grade_id": "ex2", "solution": true, "grade": false, "locked": false, "task": false}
ex2 = ...  # your letter, such as "a"
# BEGIN SOLUTION
ex2 = "d"
# END SOLUTION

# %% nbgrader={"schema_version": 3, "grade_id": "ex2_check", "solution": false, "grade": true, "locked": true, "task": false}
check("ex2", ex2)

# %% [markdown]
# ### Quick quiz, Q1
#
# > **The lesson:** Does BatchNorm remove model flexibility?
#
# - **a** No: gamma and beta can scale and shift the values back, so the network represents what it did before
# - **b** Yes: every feature is forced to mean 0 and standard deviation 1
# - **c** No: BatchNorm does nothing at inference
# - **d** Yes: it makes the activations Gaussian

# %% nbgrader={"schema_version": 3, "grade_id": "quiz1", "solution": true, "grade": false, "locked": false, "task": false}
quiz1 = ...  # your letter, such as "a"
# BEGIN SOLUTION
quiz1 = "a"
# END SOLUTION

# %% nbgrader={"schema_version": 3, "grade_id": "quiz1_check", "solution": false, "grade": true, "locked": true, "task": false}
check("quiz1", quiz1)

# %% [markdown]
# ### Quick quiz, Q2
#
# > **The lesson:** Can BatchNorm replace Dropout?
#
# - **a** Yes: it regularises just as well
# - **b** No: a network with BatchNorm always needs Dropout too
# - **c** It may let you reduce or remove Dropout, but the two are not equivalent
# - **d** No, not in general: the two have nothing to do with each other

# %% nbgrader={"schema_version": 3, "grade_id": "quiz2", "solution": true, "grade": false, "locked": false, "task": false}
quiz2 = ...  # your letter, such as "a"
# BEGIN SOLUTION
quiz2 = "c"
# END SOLUTION

# %% nbgrader={"schema_version": 3, "grade_id": "quiz2_check", "solution": false, "grade": true, "locked": true, "task": false}
check("quiz2", quiz2)

# %% [markdown]
# ## The forward pass
#
# Your functions work on NumPy arrays. The first line of each function turns its input into an array, so that you can also call the function with a list.

# %% [markdown]
# ### Normalise a batch
#
# *easy · about 5 minutes · 4 points*
#
# Give every column of a batch mean 0 and standard deviation 1 (up to epsilon): compute $\hat x$ with the mean and the variance over the batch.


# %% nbgrader={"schema_version": 3, "grade_id": "normalize", "solution": true, "grade": false, "locked": false, "task": false}
def normalize(x, epsilon=1e-3):
    """Subtract the batch mean of each feature and divide by its standard deviation.

    x: (batch, features). epsilon: added to the variance, inside the root. Returns a new array of the same shape.
    """
    x = np.asarray(x)
    x_hat = ...
    # BEGIN SOLUTION
    x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon)
    # END SOLUTION
    return x_hat


# %% nbgrader={"schema_version": 3, "grade_id": "normalize_check", "solution": false, "grade": true, "locked": true, "task": false}
check("normalize", normalize)

# %% [markdown]
# ### The forward pass for any rank
#
# *medium · about 8 minutes · 6 points*
#
# Normalise each feature or channel over all other axes, then scale by gamma and shift by beta: compute $y = \gamma \hat x + \beta$ for arrays of any rank from 2 on.


# %% nbgrader={"schema_version": 3, "grade_id": "batchnorm_forward", "solution": true, "grade": false, "locked": false, "task": false}
def batchnorm_forward(x, gamma, beta, epsilon=1e-3):
    """The forward pass in training, for rows and for images alike.

    x: (..., features), rank 2 or more, channels last, such as (batch, height, width, channels).
    gamma, beta: (features,). Returns a new array of x's shape.
    """
    x = np.asarray(x)
    y = ...
    # BEGIN SOLUTION
    axes = tuple(range(x.ndim - 1))
    x_hat = (x - x.mean(axis=axes)) / np.sqrt(x.var(axis=axes) + epsilon)
    y = gamma * x_hat + beta
    # END SOLUTION
    return y


# %% nbgrader={"schema_version": 3, "grade_id": "batchnorm_forward_check", "solution": false, "grade": true, "locked": true, "task": false}
check("batchnorm_forward", batchnorm_forward)

# %% [markdown]
# ## Moving averages
#
# In training the layer normalises each batch with the statistics of that batch. At inference it uses moving averages of the statistics in their place, because a prediction must not depend on the other examples of its batch.

# %% [markdown]
# ### Move the moving averages
#
# *easy · about 5 minutes · 4 points*
#
# Mix the mean and the variance of one batch into the moving averages, with the momentum as Keras uses it.


# %% nbgrader={"schema_version": 3, "grade_id": "update_moving", "solution": true, "grade": false, "locked": false, "task": false}
def update_moving(moving_mean, moving_variance, x, momentum=0.99):
    """One step of the moving averages.

    moving_mean, moving_variance: (features,), from before; they stay as they are. x: (batch, features).
    momentum: the weight of the old value. Returns the new mean and the new variance.
    """
    x = np.asarray(x)
    new_mean = ...
    new_variance = ...
    # BEGIN SOLUTION
    new_mean = momentum * moving_mean + (1 - momentum) * x.mean(axis=0)
    new_variance = momentum * moving_variance + (1 - momentum) * x.var(axis=0)
    # END SOLUTION
    return new_mean, new_variance


# %% nbgrader={"schema_version": 3, "grade_id": "update_moving_check", "solution": false, "grade": true, "locked": true, "task": false}
check("update_moving", update_moving)

# %% [markdown]
# ### How long the averages take to warm up
#
# *easy · about 6 minutes · 3 points*
#
# All batches have the same mean, and the moving average starts somewhere else. Find the fewest steps after which the average has covered a given fraction of the way from its start to that mean.


# %% nbgrader={"schema_version": 3, "grade_id": "warm_up_steps", "solution": true, "grade": false, "locked": false, "task": false}
def warm_up_steps(momentum, fraction):
    """How long a moving average takes to warm up on batches that are all alike.

    momentum: the weight of the old value, between 0 and 1. fraction: of the way, between 0 and 1.
    Returns the smallest whole number of steps that covers at least that fraction.
    """
    steps = ...
    # BEGIN SOLUTION
    steps = 1
    while 1 - momentum**steps < fraction:
        steps += 1
    # END SOLUTION
    return steps


# %% nbgrader={"schema_version": 3, "grade_id": "warm_up_steps_check", "solution": false, "grade": true, "locked": true, "task": false}
check("warm_up_steps", warm_up_steps)

# %% [markdown]
# ### A layer with a memory
#
# *medium · about 15 minutes · 8 points*
#
# Write the layer. In training it normalises with the statistics of the batch and updates its moving averages. At inference it normalises with the moving averages and updates nothing.


# %% nbgrader={"schema_version": 3, "grade_id": "BatchNorm", "solution": true, "grade": false, "locked": false, "task": false}
class BatchNorm:
    """Batch Normalization with moving averages, without gradients.

    features: how many columns x has. The attributes gamma, beta, moving_mean and moving_variance are arrays of
    shape (features,); a new layer has gamma 1, beta 0, moving mean 0 and moving variance 1.
    """

    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        self.gamma = ...
        self.beta = ...
        self.moving_mean = ...
        self.moving_variance = ...
        # BEGIN SOLUTION
        self.momentum = momentum
        self.epsilon = epsilon
        self.gamma = np.ones(features)
        self.beta = np.zeros(features)
        self.moving_mean = np.zeros(features)
        self.moving_variance = np.ones(features)
        # END SOLUTION

    def __call__(self, x, training=False):
        """x: (batch, features). Returns y of the same shape; with training=True the moving averages move."""
        x = np.asarray(x)
        y = ...
        # BEGIN SOLUTION
        if training:
            mean, variance = x.mean(axis=0), x.var(axis=0)
            self.moving_mean = self.momentum * self.moving_mean + (1 - self.momentum) * mean
            self.moving_variance = self.momentum * self.moving_variance + (1 - self.momentum) * variance
        else:
            mean, variance = self.moving_mean, self.moving_variance
        y = self.gamma * (x - mean) / np.sqrt(variance + self.epsilon) + self.beta
        # END SOLUTION
        return y


# %% nbgrader={"schema_version": 3, "grade_id": "BatchNorm_check", "solution": false, "grade": true, "locked": true, "task": false}
check("BatchNorm", BatchNorm)

# %% [markdown]
# ## The backward pass

# %% [markdown]
# ### The backward pass
#
# *hard · about 20 minutes · 8 points*
#
# Compute the gradients of the loss $L$ with respect to x, gamma and beta, for a batch in training. You are given $\partial L / \partial y$. Mind that $x$ acts on $y$ by three paths:
# directly, through the mean and through the variance:
#
# $$\frac{\partial L}{\partial x} = \text{(direct)} + \text{(through } \mu) + \text{(through } \sigma^2)$$


# %% nbgrader={"schema_version": 3, "grade_id": "batchnorm_backward", "solution": true, "grade": false, "locked": false, "task": false}
def batchnorm_backward(dy, x, gamma, epsilon=1e-3):
    """The gradients of the loss through batchnorm_forward.

    dy: the gradient of the loss with respect to y, in x's shape. x: (..., features). gamma: (features,).
    Returns dx in x's shape, dgamma and dbeta of shape (features,).
    """
    dy, x = np.asarray(dy), np.asarray(x)
    dx = ...
    dgamma = ...
    dbeta = ...
    # BEGIN SOLUTION
    axes = tuple(range(x.ndim - 1))
    std = np.sqrt(x.var(axis=axes) + epsilon)
    x_hat = (x - x.mean(axis=axes)) / std
    dgamma = (dy * x_hat).sum(axis=axes)
    dbeta = dy.sum(axis=axes)
    dx = gamma / std * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))
    # END SOLUTION
    return dx, dgamma, dbeta


# %% nbgrader={"schema_version": 3, "grade_id": "batchnorm_backward_check", "solution": false, "grade": true, "locked": true, "task": false}
check("batchnorm_backward", batchnorm_backward)

# %% [markdown]
# ## Ready for inference

# %% [markdown]
# ### Fold BatchNorm into Dense
#
# *medium · about 10 minutes · 5 points*
#
# Find the kernel $W'$ and the bias $b'$ of one Dense layer that computes at inference what a Dense layer (kernel $W$, bias $b$) and its BatchNorm compute together,
# with $m$ and $v$ for the moving mean and variance:
#
# $$x W' + b' = \gamma \, \frac{(x W + b) - m}{\sqrt{v + \epsilon}} + \beta \qquad \text{for every } x$$


# %% nbgrader={"schema_version": 3, "grade_id": "fold_batchnorm", "solution": true, "grade": false, "locked": false, "task": false}
def fold_batchnorm(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):
    """Fold a trained BatchNorm into the Dense layer before it.

    kernel: (inputs, units). All others: (units,). Returns the kernel and the bias of one Dense layer whose output is
    that of both layers at inference. The arguments stay as they are.
    """
    new_kernel = ...
    new_bias = ...
    # BEGIN SOLUTION
    scale = gamma / np.sqrt(moving_variance + epsilon)
    new_kernel = kernel * scale
    new_bias = (bias - moving_mean) * scale + beta
    # END SOLUTION
    return new_kernel, new_bias


# %% nbgrader={"schema_version": 3, "grade_id": "fold_batchnorm_check", "solution": false, "grade": true, "locked": true, "task": false}
check("fold_batchnorm", fold_batchnorm)

# %% [markdown]
# ## In Keras
#
# In Keras the layer is ready-made, so the mistakes are in its use: the order of the layers, the mode, freezing, and stale statistics. The checks look at what your models *compute*, so you may build them in any way.

# %%
from helpers import environment

environment.quiet_tensorflow()

import keras
import tensorflow as tf

# %% [markdown]
# ### The lesson's network
#
# *easy · about 5 minutes · 5 points*
#
# Build the lesson's network: hidden layers of 128 and of 64 units, BatchNorm with Keras' own settings before each ReLU, and a last layer with one output.


# %% nbgrader={"schema_version": 3, "grade_id": "build_model", "solution": true, "grade": false, "locked": false, "task": false}
def build_model():
    """The network of the lesson's code example, not compiled. Returns a Keras model."""
    model = ...
    # BEGIN SOLUTION
    model = keras.Sequential(
        [
            keras.layers.Dense(128),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Dense(64),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Dense(1),
        ]
    )
    # END SOLUTION
    return model


# %% nbgrader={"schema_version": 3, "grade_id": "build_model_check", "solution": false, "grade": true, "locked": true, "task": false}
check("build_model", build_model)

# %% [markdown]
# ### Repair a training step
#
# *medium · about 8 minutes · 5 points*
#
# The training step below never updates the moving averages, as the printed line shows. Repair the step, so that BatchNorm normalises with the batch and tracks its statistics.


# %%
def broken_train_step(model, optimizer, loss_fn, x, y):
    with tf.GradientTape() as tape:
        prediction = model(x)
        loss = loss_fn(y, prediction)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


norm = keras.layers.BatchNormalization()
model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1)])
x, y = np.full((8, 3), 5.0), np.ones((8, 1))
squared_error = keras.losses.MeanSquaredError()
for _ in range(20):
    broken_train_step(model, keras.optimizers.SGD(0.01), squared_error, x, y)
print("every x is 5, and after 20 steps the moving mean is", norm.moving_mean.numpy())


# %% nbgrader={"schema_version": 3, "grade_id": "train_step", "solution": true, "grade": false, "locked": false, "task": false}
def train_step(model, optimizer, loss_fn, x, y):
    """One step of gradient descent on a batch. Returns the loss of the batch before the update."""
    loss = ...
    # BEGIN SOLUTION
    with tf.GradientTape() as tape:
        prediction = model(x, training=True)
        loss = loss_fn(y, prediction)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    # END SOLUTION
    return loss


# %% nbgrader={"schema_version": 3, "grade_id": "train_step_check", "solution": false, "grade": true, "locked": true, "task": false}
check("train_step", train_step)

# %% [markdown]
# ### Freeze BatchNorm for fine-tuning
#
# *medium · about 10 minutes · 5 points*
#
# Prepare a trained model for fine-tuning on new data: every BatchNorm layer stays in inference mode, so that the new data do not change its statistics, and all other layers can learn.


# %% nbgrader={"schema_version": 3, "grade_id": "freeze", "solution": true, "grade": false, "locked": false, "task": false}
def freeze(model):
    """Put every BatchNorm in inference mode for good, those of nested models too.

    model: a compiled Keras model. Returns a compiled model; further `fit` leaves its moving averages as they are.
    """
    frozen = ...

    # BEGIN SOLUTION
    def freeze_layers(model):
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
            elif isinstance(layer, keras.Model):
                freeze_layers(layer)

    freeze_layers(model)
    model.compile(optimizer=model.optimizer, loss=model.loss)
    frozen = model
    # END SOLUTION
    return frozen


# %% nbgrader={"schema_version": 3, "grade_id": "freeze_check", "solution": false, "grade": true, "locked": true, "task": false}
check("freeze", freeze)

# %% [markdown]
# ### Recalibrate the moving statistics
#
# *hard · about 15 minutes · 6 points*
#
# The moving statistics of a model may be out of date, after fine-tuning or on a new kind of data. Compute them anew from the data x with the present weights, without changing a weight. For $K$ batches with the means $\mu_k$
# (and in the same way for the variances):
#
# $$m = \frac1K \sum_{k=1}^{K} \mu_k$$


# %% nbgrader={"schema_version": 3, "grade_id": "recalibrate", "solution": true, "grade": false, "locked": false, "task": false}
def recalibrate(model, x, batch_size):
    """Compute the moving statistics anew from x.

    model: a Keras model. x: (examples, features). batch_size: how many rows to send through at once; every batch
    counts the same, a shorter last one too. The old statistics are forgotten, and every layer's momentum is as before
    at the end. Returns the model.
    """
    recalibrated = ...
    # BEGIN SOLUTION
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for k, start in enumerate(range(0, len(x), batch_size)):
        for norm in norms:
            norm.momentum = k / (k + 1)  # the plain average of all batches so far
        model(x[start : start + batch_size], training=True)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    recalibrated = model
    # END SOLUTION
    return recalibrated


# %% nbgrader={"schema_version": 3, "grade_id": "recalibrate_check", "solution": false, "grade": true, "locked": true, "task": false}
check("recalibrate", recalibrate)

# %% [markdown]
# ## Your points
#
# The report shows how many points you have and what to read again. If you want to hand it in, `report(save="my_report.txt")` also writes it to a text file beside this notebook.

# %%
report()

# %% [markdown]
# ## Your predictions
#
# How many of your predictions in the whole course came true? A surprise shows what you have learned, so read those places again.

# %%
from helpers import predictions

predictions.summary_of_course()

# %% [markdown]
# ## Where to go next
#
# > **The lesson:** In the next lesson, we will dive into Optimization Algorithms and see how different optimizers control learning dynamics in deep networks.
#
# You have seen that the learning rate which suits a network depends on BatchNorm. The next lesson asks what the optimiser makes of that learning rate.
