# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 5 · Training and inference
#
# **Time:** about 50 minutes · **Before this:** [02](02_batchnorm_from_scratch.ipynb), [03](03_keras_sequential.ipynb)
#
# A Batch Normalization layer computes one thing in training and another one at inference. Most of its famous bugs live
# in the gap between the two. You reproduce them here, one by one. Afterwards you can
#
# - explain a validation accuracy that is terrible in epoch 1 and fine in epoch 10, and say how many steps it takes;
# - say why warm averages can still lag behind, and why a falling learning rate cures it;
# - say what `training=True` does to a prediction, and what sorted or tiny batches do to training;
# - freeze a layer so that it stays frozen, and repair the statistics of a network that meets new images;
# - train on several devices without making your batches tiny by accident, and fold the layer away when you are done.
#
# Where scores are compared, the training is repeated from several seeds. The ± behind a mean is its 95 % interval.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# ## Two modes
#
# > **The lesson:** During training, BatchNorm computes statistics from each mini-batch.
#
# > **The lesson:** During inference, it uses moving averages learned during training.
#
# First start TensorFlow. One experiment below needs several devices, and TensorFlow fixes its devices when it starts.
# So it splits this machine's processor into four *logical* ones now. Everything else runs on the first of them.

# %%
from helpers import environment

environment.quiet_tensorflow(logical_cpus=4)

import keras
import numpy as np
import tensorflow as tf

from helpers.data import load

dataset = load()
print(dataset)

# %% [markdown]
# Now one layer and a batch of two rows with two features. **Predict:** what comes out in training mode? And what in
# inference mode, where a new layer starts with moving mean 0 and moving variance 1?

# %%
my_prediction = None  # your guess: (first row in training mode, first row in inference mode), such as ([0, 0], [0, 0])

# %%
layer = keras.layers.BatchNormalization()
x = np.array([[10.0, 500.0], [12.0, -500.0]], "float32")
in_training, at_inference = layer(x, training=True).numpy(), keras.layers.BatchNormalization()(x).numpy()
print("training: ", in_training.astype(float).round(2).tolist())
print("inference:", at_inference.astype(float).round(2).tolist())

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
assert np.allclose(in_training, [[-1, 1], [1, -1]], atol=0.01), f"training mode gives −1 and 1, not {in_training}"
assert np.allclose(at_inference, x, rtol=0.01), f"a new layer hardly changes its input at inference: {at_inference}"
print("✓ in training mode 10 and 12 become −1 and +1, and so do −500 and +500")

# %% [markdown]
# Keep this in mind: of two examples, all that is left is *which one was larger* (unless they lie so close together that
# epsilon counts). At inference a new layer hardly changes its input: it divides by √(1 + epsilon), as its moving averages
# know nothing yet. The two modes agree only once the averages have caught up.
#
# ## The famous complaint: good training, terrible validation
#
# "My accuracy is fine, but my validation accuracy is awful in the first epochs. Is it overfitting?" Question sites have
# asked this for years. Here it is, in one run of a plain `fit`. Compare the two columns from epoch 2 on. (In epoch 1
# `accuracy` looks low: Keras averages it over the epoch, while the network learns, and takes `val_accuracy` at the end.)

# %% tags=["nbval-ignore-output"]
import functools

from helpers.networks import mlp

keras.utils.set_random_seed(2)
model = mlp(depth=3, width=100)  # three times Dense, BatchNormalization, relu; then ten logits
model.compile(
    keras.optimizers.SGD(0.3), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
history = model.fit(
    dataset.x_train, dataset.y_train, batch_size=128, epochs=30, verbose=0, validation_data=(dataset.x_test, dataset.y_test)
).history
for epoch in (1, 2, 3, 5, 10, 20, 30):
    print(f"epoch {epoch:2}   accuracy {history['accuracy'][epoch - 1]:.2f}   "
          f"val_accuracy {history['val_accuracy'][epoch - 1]:.2f}")

# %% [markdown]
# **Predict:** in the first epochs `val_accuracy` lies far below `accuracy`. What is the cause?

# %%
my_prediction = None  # your guess: "overfitting", "the moving averages" or "bad luck with the seed"

# %% [markdown]
# To tell these apart, score the *same weights* twice: once with the moving averages, as `predict` does, and once with
# the mean and variance of the whole training set put in their place ("recomputed"). Overfitting would hurt both.
# `train_many` trains eight seeds side by side and gives both scores. (It drops the last, smaller batch: nine steps are
# one epoch, where `fit` takes ten.) It runs with two momenta. In training mode nothing depends on the momentum, so the
# same seed gets the same weights with both.

# %% tags=["nbval-ignore-output"]
from helpers.training import train_many

lag = {
    momentum: train_many(functools.partial(mlp, momentum=momentum), dataset, seeds=8, steps=270, batch_size=128,
                         optimizer=keras.optimizers.SGD(0.3), evaluate_every=9)
    for momentum in (0.99, 0.9)
}
assert np.allclose(lag[0.99].recomputed.test_accuracy, lag[0.9].recomputed.test_accuracy, atol=0.01), "other weights"

# %% tags=["nbval-ignore-output"]
from helpers.plots import COLORS, LINESTYLES, MARKERS, Plot, new_figure
from helpers.statistics import mean_interval, paired_difference, share_of_reachable

steps = lag[0.99].evaluated_at
curves = {
    "moving averages, momentum 0.99": lag[0.99].moving,
    "moving averages, momentum 0.9": lag[0.9].moving,
    "recomputed statistics": lag[0.99].recomputed,
}
figure, axis = new_figure(height=4)
for i, (name, scores) in enumerate(curves.items()):
    axis.plot(steps, 100 * scores.test_accuracy.mean(axis=0), color=COLORS[i], ls=LINESTYLES[i], marker=MARKERS[i],
              ms=4, label=name)
blue, green = (100 * scores.test_accuracy[:, 0].mean() for scores in (lag[0.99].moving, lag[0.99].recomputed))
axis.annotate("", (steps[0], blue), xytext=(steps[0], green), arrowprops={"arrowstyle": "<->"})
axis.annotate("the same weights,\nother statistics", (steps[0], (blue + green) / 2), xytext=(45, blue),
              arrowprops={"arrowstyle": "-"})
axis.set(xlabel="training steps (9 are one epoch)", ylabel="test accuracy (%)", ylim=(blue - 8, 101))
axis.legend(loc="lower right")
cold = paired_difference(lag[0.99].recomputed.test_accuracy[:, 0], lag[0.99].moving.test_accuracy[:, 0])
warm = paired_difference(lag[0.99].recomputed.test_accuracy[:, -1], lag[0.99].moving.test_accuracy[:, -1])
Plot(figure, f"The same weights, scored with different statistics. What recomputing gains at momentum 0.99: {cold} "
             f"after one epoch, {warm} after 30. With momentum 0.9 the moving averages are within "
             f"{100 * np.mean(lag[0.9].recomputed.test_accuracy - lag[0.9].moving.test_accuracy, axis=0)[1]:.1f} points "
             "of the recomputed statistics after two epochs.")

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("measured:", "the moving averages" if cold.low > 0.05 and warm.high < 0.02 else "not the moving averages alone")

# %% [markdown]
# The weights were good all along. Only the averages were *cold*. How cold can be computed without any training: each
# step keeps 0.99 of the old value and adds 0.01 of the batch's. Let us feed a layer batches that all have the mean 5.

# %%
layer = keras.layers.BatchNormalization(momentum=0.99)
batch = np.random.default_rng(0).normal(size=(64, 1)).astype("float32")
batch += 5 - batch.mean()
for step in range(1, 460):
    layer(batch, training=True)
    if step in (1, 9, 69, 230, 459):  # 69, 230 and 459 cover one half, 90 % and 99 %
        covered, formula = layer.moving_mean.numpy()[0] / 5, 1 - 0.99**step
        print(f"step {step:3}   moving mean {5 * covered:.2f} of 5   covered {covered:6.1%}   1 − 0.99^k = {formula:6.1%}")
        assert abs(covered - formula) < 1e-3, f"the average has covered {covered:.4f} of the way, not {formula:.4f}"

# %% [markdown]
# After `k` steps the average has covered **1 − momentum^k** of the way. It counts *steps*, so few large batches warm it
# up less than many small ones. What helps: more steps, a lower momentum (such as 0.9 for short runs), or statistics
# recomputed after training, as Ioffe & Szegedy did in 2015 (`re_estimate` below does it). What does not
# help: fighting overfitting that is not there.
#
# ## Warm averages can still lag
#
# Warm is not the same as right. Each step also changes the weights, and with them the true mean and variance of every
# unit. If a mean moves by the same amount at each step, its moving average stays behind it by as many steps as
#
# $$\frac{m}{1 - m} \quad\text{steps, with } m = \text{momentum}, \text{ so by 99 steps at } m = 0.99.$$
#
# How far the mean gets in 99 steps depends on the **learning rate**. To see the lag, keep the weights moving: one training
# label in five is wrong, so there is always something left to fit. All arms have batches of 32 and momentum 0.99.
# **Predict:** 400 steps after the averages have become warm, how many points does recomputing still gain at learning
# rate 1? And what remains of that gain if the rate falls to 0.03 at step 270?

# %%
my_prediction = None  # your guess: (points at a constant rate of 1, points once the rate has fallen), such as (0, 0)

# %% tags=["nbval-ignore-output"]
random = np.random.default_rng(0)
wrong = random.permutation(len(dataset.y_train))[: len(dataset.y_train) // 5]
labels, classes = dataset.y_train.copy(), len(dataset.class_names)
labels[wrong] = (labels[wrong] + random.integers(1, classes, len(wrong))) % classes
noisy = dataset.replace("20% wrong labels", y_train=labels)
rates = {
    "0.1": 0.1,
    "1": 1.0,
    "1, then 0.03": keras.optimizers.schedules.PiecewiseConstantDecay([270], [1.0, 0.03]),
}
lagging = {
    name: train_many(mlp, noisy, seeds=8, steps=670, batch_size=32, evaluate_every=67,
                     optimizer=keras.optimizers.SGD(rate))
    for name, rate in rates.items()
}

# %% tags=["nbval-ignore-output"]
from helpers.plots import interval_band

figure, axis = new_figure(height=3.8)
for i, (name, result) in enumerate(lagging.items()):
    gaps = result.recomputed.test_accuracy - result.moving.test_accuracy  # (seeds, evaluations)
    at_step = zip(result.evaluated_at, gaps.T, strict=True)
    interval_band(axis, {step: mean_interval(gap, unit="points") for step, gap in at_step}, i, f"learning rate {name}")
axis.axhline(0, color="black", linewidth=0.8)
axis.axvline(270, color="#555555", linewidth=0.8, linestyle=":")
axis.set(xlabel="training steps (dotted: the rate falls in one arm)", ylabel="what recomputing gains (points)")
axis.legend(frameon=False)


def late_gap(name):
    """What recomputing gains, mean of the evaluations of the last 200 steps, seed by seed."""
    result = lagging[name]
    gaps = result.recomputed.test_accuracy - result.moving.test_accuracy
    return mean_interval(gaps[:, -3:].mean(axis=1), unit="points")


settled = late_gap("1, then 0.03")
Plot(figure, "What recomputing gains over the last 200 steps: " + "; ".join(
    f"learning rate {name}: {late_gap(name)}" for name in lagging) + ". Bands are 95 % intervals of 8 seeds.")

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("at a constant rate of 1, recomputing still gains something:", late_gap("1").low > 0)
print("once the rate has fallen, the gain is below 1 point:       ", settled.high < 0.01)

# %% [markdown]
# The averages had long been warm: after 270 steps they have covered 1 − 0.99²⁷⁰, more than nine tenths. What you see is
# another lag: they describe the weights of about a hundred steps ago. When the learning rate falls, the weights nearly
# stand still, the averages catch up within a few hundred steps, and the gap closes. So evaluate a network after its
# learning rate has decayed, or recompute the statistics first.
#
# ## `training=True` at inference
#
# Some people find that a cold network "works" with `model(x, training=True)`, and leave it so. **Predict:** we give the
# network the *same* image, with other neighbours in the batch. Of 100 test images in batches of four, how many change
# their predicted class?

# %%
my_prediction = None  # your guess: a number from 0 to 100

# %% [markdown]
# We take the trained networks of above. One function makes batches in the given order and predicts in either mode.
# (`tf.function` and `tf.map_fn` only make the many small calls faster: `map_fn` takes one batch after the other.)

# %% tags=["nbval-ignore-output"]
runs = lag[0.99]
first_seed = runs.seeds[0]
network = runs.model(first_seed)


@tf.function
def logits_of(batches, training):
    return tf.map_fn(functools.partial(network, training=training), batches)


weights = {seed: runs.model(seed).get_weights() for seed in runs.seeds}
count = len(dataset.y_test) // 64 * 64  # whole batches of every size below
x, y = dataset.x_test[:count], dataset.y_test[:count]


def predict(seed, order, batch_size, training):
    """The predicted class of every image of x, in its place, when they come in batches in the given order."""
    network.set_weights(weights[seed])  # also puts back the averages that training=True has moved
    logits = logits_of(x[order].reshape(-1, batch_size, x.shape[1]), training)
    predicted = np.empty(len(order), int)
    predicted[order] = np.argmax(logits, axis=-1).ravel()
    return predicted


def shuffled(seed):
    return np.random.default_rng(seed).permutation(len(x))


changed = {}
for training in (True, False):
    pairs = [(predict(seed, shuffled(seed), 4, training), predict(seed, shuffled(seed + 50), 4, training))
             for seed in runs.seeds]
    changed[training] = mean_interval([np.mean(first != second) for first, second in pairs])
    print(f"training={training!s:5}   predictions that change with the neighbours: {changed[training]}")

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("measured: with training=True", "many of them" if changed[True].low > 0.05 else "few of them",
      "change; with training=False", "none" if changed[False].high == 0 else "some")

# %% [markdown]
# Look at three of those images, chosen among those that inference reads correctly. The first image of each four is the
# same on the left and on the right; only its three neighbours differ.

# %% tags=["nbval-ignore-output"]
one, other = shuffled(0), shuffled(50)
in_one, in_other = (predict(first_seed, order, 4, training=True) for order in (one, other))
right = predict(first_seed, one, 4, training=False) == y
victims = np.flatnonzero(right & (in_one == y) & (in_other != y))[:3]


def batch_of(image, order):
    """The four images of its batch, this one first."""
    batch = order[order.tolist().index(image) // 4 * 4 :][:4]
    return [image, *batch[batch != image]]


names = dataset.class_names
figure, axes = new_figure(3, 2, width=8, height=4.4)
for row, victim in zip(axes, victims, strict=False):  # there may be fewer than three
    for axis, order, predicted in zip(row, (one, other), (in_one, in_other), strict=True):
        images = dataset.pixels(x[batch_of(victim, order)])
        axis.imshow(np.hstack(np.pad(images, ((0, 0), (0, 0), (1, 1)))), cmap="gray_r")
        axis.set_title(f"first image read as {names[predicted[victim]]}", fontsize=9, loc="left")
        axis.set_axis_off()
Plot(figure, "With training=True: " + "; ".join(
    f"the same {names[y[victim]]} is read as {names[in_one[victim]]} on the left and as {names[in_other[victim]]} "
    "on the right"
    for victim in victims) + ".")

# %% [markdown]
# It gets worse when the batch is no random mix. People predict on folders, and a folder holds one class. Below, the
# same test images come shuffled or sorted by class.

# %% tags=["nbval-ignore-output"]
by_class = np.argsort(y, kind="stable")
accuracy = {}
for batch_size in (4, 16, 64):
    for name, order in (("shuffled", shuffled(0)), ("sorted", by_class)):
        scores = [np.mean(predict(seed, order, batch_size, training=True) == y) for seed in runs.seeds]
        accuracy[batch_size, name] = mean_interval(scores)
    print(f"batch {batch_size:2}   shuffled {accuracy[batch_size, 'shuffled']}   sorted {accuracy[batch_size, 'sorted']}")

# %%
network.set_weights(weights[first_seed])
one_by_one = np.concatenate([network(x[i : i + 1], training=True) for i in range(5)])
assert np.ptp(one_by_one, axis=0).max() < 1e-5, "alone in its batch, every image should give the same logits"
changed_vectors = [not np.array_equal(a, b)
                   for a, b in zip(network.get_weights(), weights[first_seed], strict=True)]
assert any(changed_vectors), "training=True should have moved the averages, and moved none"
print("✓ alone in its batch, every image gets the same logits: x − mean is 0, and only beta is left")
print("✓ and it changed the model: its moving averages are others than before")
print("training=True is worse in batches of 4 than of 64:", accuracy[4, "shuffled"].high < accuracy[64, "shuffled"].low)
print("and worse when sorted by class, at every batch size:",
      all(accuracy[size, "sorted"].high < accuracy[size, "shuffled"].low for size in (4, 16, 64)))

# %% [markdown]
# So `training=True` is no way to predict. It makes a prediction depend on its neighbours, and each call moves the
# averages. In Keras `predict`, `evaluate` and a bare `model(x)` all choose inference mode. But in a training loop of
# your own **you** must write `model(x, training=True)`, or the averages never move at all.
#
# ## Sorted batches in training
#
# The same trap exists in training: data sorted by class, and no shuffling. Here every batch holds one class, and the
# class changes from batch to batch. Beside Batch Normalization stand a network without normalisation and one with Layer
# Normalization, which normalises every example over its own features. **Predict:** which of the three will learn?

# %%
my_prediction = None  # your guess: a set of names out of {"no normalisation", "LayerNorm", "BatchNorm"}


# %% tags=["nbval-ignore-output"]
def one_class_per_batch(labels, steps, batch_size, seed):
    """Row numbers (steps, batch_size): each batch from one class, the classes in a random order."""
    random, count = np.random.default_rng(seed), len(dataset.class_names)
    classes = np.concatenate([random.permutation(count) for _ in range(-(-steps // count))])[:steps]
    return np.stack([random.choice(np.flatnonzero(labels == c), batch_size) for c in classes])


sorted_runs = {
    name: train_many(functools.partial(mlp, normalization=normalization), dataset, seeds=8, steps=300, batch_size=32,
                     optimizer=keras.optimizers.SGD(0.05), order=one_class_per_batch, evaluate_every=300)
    for name, normalization in (("no normalisation", "none"), ("LayerNorm", "layer"), ("BatchNorm", "before"))
}
for name, result in sorted_runs.items():
    print(f"{name:17} moving {mean_interval(result.moving.test_accuracy[:, -1])}   "
          f"recomputed {mean_interval(result.recomputed.test_accuracy[:, -1])}")

# %%
at_the_end = {name: result.recomputed.test_accuracy[:, -1] for name, result in sorted_runs.items()}
best = max(accuracy.mean() for accuracy in at_the_end.values())
shares = {name: mean_interval(share_of_reachable(accuracy, chance=dataset.chance, best=best))
          for name, accuracy in at_the_end.items()}
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("measured: at least four fifths of the way from guessing to the best of the three:",
      ", ".join(sorted(name for name, share in shares.items() if share.low > 0.8)))

# %% [markdown]
# The class *is* what the images of such a batch have in common. Batch Normalization subtracts what they have in common.
# So in training the network never sees the class, and recomputed statistics cannot bring back what was never learned.
# Layer Normalization looks at one example at a time and does not mind. **Shuffle** (`fit` does so for arrays, but not for
# a `tf.data.Dataset` or a generator: there you shuffle yourself. `Dataset.shuffle(n)` mixes only n examples at a time; for
# sorted data n must be as large as the data).
#
# ## How large must a batch be?
#
# > **The lesson:** BatchNorm also works best when batch sizes are reasonably large.
#
# A mean over few examples is a noisy mean: its standard error is σ/√N. With two examples there is nothing left but
# −1 and +1, as you saw. **Predict:** batches of 2, 4, 8, 32 and 128, and every network sees as many images in all. At
# which batch sizes does Batch Normalization lose more than 5 points against batches of 32, even with recomputed
# statistics? And with the moving averages, does it go up or down from 32 to 128?

# %%
my_prediction = None  # your guess: (batch sizes that lose, "up", "same" or "down"), such as ([2, 4, 8], "same")

# %% [markdown]
# Each point is the better one of two learning rates, both proportional to the batch size; the *training* accuracy
# chooses. Batch Normalization is scored twice again, with moving and with recomputed statistics. Layer Normalization
# beside it tells what is the batch's doing and what is Batch Normalization's.

# %% tags=["nbval-ignore-output"]
from helpers.training import sweep

EXAMPLES = 4800


def better_of_two_rates(normalization, batch_size):
    rates = [rate * batch_size / 64 for rate in (0.1, 0.4)]
    tried = sweep({"learning_rate": rates}, functools.partial(mlp, normalization=normalization), dataset, seeds=8,
                  steps=EXAMPLES // batch_size, batch_size=batch_size, evaluate_every=EXAMPLES)
    return max(tried.runs, key=lambda runs: runs.recomputed.train_accuracy[:, -1].mean())


batchnorm = {size: better_of_two_rates("before", size) for size in (2, 4, 8, 32, 128)}
layernorm = {size: better_of_two_rates("layer", size) for size in (2, 8, 32)}


# %% tags=["nbval-ignore-output"]
def final_accuracy(by_size, statistics):
    """{batch size: the interval of the test accuracy at the end}, with "moving" or "recomputed" statistics."""
    return {size: mean_interval(getattr(runs, statistics).test_accuracy[:, -1]) for size, runs in by_size.items()}


final = {
    "BatchNorm, moving averages": final_accuracy(batchnorm, "moving"),
    "BatchNorm, recomputed statistics": final_accuracy(batchnorm, "recomputed"),
    "LayerNorm": final_accuracy(layernorm, "moving"),
}
figure, axis = new_figure(height=4)
for i, (name, intervals) in enumerate(final.items()):
    interval_band(axis, intervals, i, name)
axis.set_xscale("log", base=2)
axis.set_xticks(list(batchnorm), list(batchnorm))
axis.set(xlabel=f"batch size ({EXAMPLES} images seen by every network)", ylabel="test accuracy (%)")
axis.legend(loc="lower right")
recomputed = final["BatchNorm, recomputed statistics"]
Plot(figure, "BatchNorm with recomputed statistics: " + ", ".join(
    f"{100 * point.mean:.0f} % at batch {size}" for size, point in recomputed.items()) +
    f". With moving averages it has {100 * final['BatchNorm, moving averages'][128].mean:.0f} % at batch 128, after "
    f"{EXAMPLES // 128} steps. LayerNorm has {100 * min(p.mean for p in final['LayerNorm'].values()):.1f} to "
    f"{100 * max(p.mean for p in final['LayerNorm'].values()):.1f} %. Bands are 95 % intervals of 8 seeds.")

# %%
def lost_from_32(scores_at_32, scores):
    """Test accuracy at batch 32 minus that at another batch size, seed by seed."""
    return paired_difference(scores_at_32.test_accuracy[:, -1], scores.test_accuracy[:, -1])


small_batch_loss = lost_from_32(batchnorm[32].recomputed, batchnorm[2].recomputed)
large_batch_loss = lost_from_32(batchnorm[32].moving, batchnorm[128].moving)
large_recomputed_loss = lost_from_32(batchnorm[32].recomputed, batchnorm[128].recomputed)
layernorm_loss = lost_from_32(layernorm[32].moving, layernorm[2].moving)
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
losing = [size for size in batchnorm if lost_from_32(batchnorm[32].recomputed, batchnorm[size].recomputed).low > 0.05]
print("lost more than 5 points against 32, even with recomputed statistics:", losing)
print("from 32 to 128 with moving averages:", "down" if large_batch_loss.low > 0.02 else "not clearly down")
print("from 32 to 128 with recomputed statistics:", "down" if large_recomputed_loss.low > 0.02 else "not clearly down")
print("from 32 to 2 with LayerNorm:", "down" if layernorm_loss.low > 0.02 else "not clearly down")

# %% [markdown]
# Two different things happen at the two ends. On the left the *training* suffers: the statistics are so noisy that no
# better ones can repair it afterwards, and it is Batch Normalization's own doing, since Layer Normalization with the same tiny batches is
# fine. On the right nothing is wrong with the weights. They took few steps, so the averages are cold. Whoever looks only
# at `val_accuracy` reads "large batches are bad for BatchNorm" from this figure, and is wrong. (The cures are those of cold
# averages: more steps, a smaller momentum such as 0.9, or recomputing at the end.)
#
# ## Several devices make small batches
#
# A batch of 8 on four devices is four batches of 2. Does each device use the statistics of its own 2 images?
# With Keras on TensorFlow that is the default. `synchronized=True` averages the statistics over all devices at every step.
# **Predict:** how far apart are the two, when nothing else differs?

# %%
my_prediction = None  # your guess: the difference in test accuracy, in percentage points


# %% [markdown]
# The four logical devices from the beginning stand for four graphics cards. `MirroredStrategy` splits every batch of 8.
# Training is short: one pass over 400 images. Each device keeps moving averages of its own; we score with the first
# device's, as `save` keeps those. The cell takes about twenty seconds and shows no bar.


# %%
def two_layers(synchronized):
    layers = [keras.Input((64,))]
    for _ in range(2):
        layers += [keras.layers.Dense(100, use_bias=False),
                   keras.layers.BatchNormalization(momentum=0.9, synchronized=synchronized),
                   keras.layers.Activation("relu")]
    return keras.Sequential([*layers, keras.layers.Dense(10)])


tf.get_logger().setLevel("ERROR")  # the strategy would tell about every sum over its devices
strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(4)])
print(strategy.num_replicas_in_sync, "devices, each with 2 of the 8 images of a batch")


# %% tags=["nbval-ignore-output"]
def train_on_four_devices(synchronized, seeds, images=400):
    """Test accuracy (seeds,) after one pass over the images: 50 steps."""
    with strategy.scope():
        model = two_layers(synchronized)
        model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    scores = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model.set_weights(two_layers(synchronized).get_weights())  # the same start for both arms
        order = np.random.default_rng(seed).permutation(len(dataset.x_train))[:images]
        model.fit(dataset.x_train[order], dataset.y_train[order], batch_size=8, shuffle=False, verbose=0)
        logits = model(dataset.x_test)  # on the first device, with its averages
        scores.append(np.mean(np.argmax(logits, axis=1) == dataset.y_test))
    return scores


replicas = {synchronized: train_on_four_devices(synchronized, environment.seeds(5)) for synchronized in (False, True)}
for synchronized, scores in replicas.items():
    print(f"synchronized={synchronized!s:5}   test accuracy {mean_interval(scores)}")
gain = paired_difference(replicas[True], replicas[False])
print(f"synchronized − per device: {gain}")

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("measured: synchronized is better for every seed:", bool(np.all(np.subtract(replicas[True], replicas[False]) > 0)))

# %% [markdown]
# Five seeds are few, training was short, and this is one small network: take the direction from it, not the size. The count that matters
# for Batch Normalization is *images per device*, unless you synchronise.
#
# ## Freezing, and the compile-again trap
#
# You fine-tune a trained network and want its Batch Normalization left alone. In Keras `trainable = False` on this layer
# does two things: gamma and beta stop learning, **and** the layer runs in inference mode, even inside `fit`.
# **Predict:** we compile, train, freeze, and train again. Which of the four vectors still move?

# %%
my_prediction = None  # your guess: a list out of ["gamma", "beta", "moving_mean", "moving_variance"]

# %%
small = mlp(depth=1, width=16)
compile_small = functools.partial(
    small.compile, optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
)
norm = small.get_layer("batchnorm_1")


def what_moves():
    """The names of the layer's vectors that a short `fit` changes."""
    before = norm.get_weights()
    small.fit(dataset.x_train[:256], dataset.y_train[:256], verbose=0)
    names = [vector.name for vector in norm.weights]
    return [name for name, old, new in zip(names, before, norm.get_weights(), strict=True) if not np.array_equal(old, new)]


compile_small()
print("trained as it is:           ", what_moves())
norm.trainable = False
after_freezing = what_moves()
print("trainable = False:          ", after_freezing)
compile_small()
after_compiling = what_moves()
print("trainable = False, compiled:", after_compiling)

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
assert after_freezing == ["gamma", "beta", "moving_mean", "moving_variance"], f"only {after_freezing} moved"
assert after_compiling == [], f"after compiling again nothing should move, but {after_compiling} did"
print("✓ a model that has trained keeps its compiled step: freeze first, then compile again")

# %% [markdown]
# No error, no warning, and all four vectors moved. So check it as this cell does: compare the statistics before and
# after a short `fit`. And know what you asked for. Frozen statistics are those of the *old* data. Are they right for
# the new one?
#
# ## A new domain
#
# > **The lesson:** This ensures consistent predictions on unseen data.
#
# Suppose that the scanner gets a lamp that is brighter on one side. A ramp is added to each test image. You could name
# the images as before. **Predict:** how many of 100 does the network still get right? And how many, once its moving averages
# are re-estimated: set to the statistics of 200 *other* images under the new lamp? A network without any normalisation
# stands beside it, as the control: it has no averages that could be wrong.

# %%
my_prediction = None  # your guess: (out of 100 as it is, out of 100 re-estimated), such as (80, 80)

# %% tags=["nbval-ignore-output"]
height, width = dataset.image_shape
ramp = np.tile(np.linspace(-2, 2, width, dtype="float32"), height)  # from left to right, in standard deviations
figure, axes = new_figure(1, 8, width=9, height=1.45)
for i, axis in enumerate(axes):
    image = dataset.x_test[i // 2] + (ramp if i % 2 else 0)
    axis.imshow(image.reshape(dataset.image_shape), cmap="gray_r", vmin=-3, vmax=4)
    axis.set_axis_off()
    axis.set_title("new lamp" if i % 2 else "as before", fontsize=9)
Plot(figure, "Four test images, each as before and under the new lamp: lighter on the left, darker on the right.")


# %% tags=["nbval-ignore-output"]
def accuracy_of(model, x):
    return np.mean(np.argmax(model(x), axis=1) == dataset.y_test)


def re_estimate(model, x):
    """Set all moving averages to the statistics of x under the present weights. Needs no labels."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # keep nothing of the old value
    model(x, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum  # or the next `fit` would remember its last batch only


without = train_many(functools.partial(mlp, normalization="none"), dataset, seeds=8, steps=270, batch_size=128,
                     optimizer=keras.optimizers.SGD(0.3), evaluate_every=270)
new_domain = {"as before": [], "new lamp": [], "new lamp, re-estimated": []}
control = {"as before": [], "new lamp": []}
for seed in runs.seeds:
    model = runs.model(seed)
    for scores, network in ((new_domain, model), (control, without.model(seed))):
        scores["as before"].append(accuracy_of(network, dataset.x_test))
        scores["new lamp"].append(accuracy_of(network, dataset.x_test + ramp))
    re_estimate(model, dataset.x_train[:200] + ramp)
    new_domain["new lamp, re-estimated"].append(accuracy_of(model, dataset.x_test + ramp))
for network, by_light in (("BatchNorm", new_domain), ("no normalisation", control)):
    for light, scores in by_light.items():
        print(f"{network:17} {light:23} {mean_interval(scores)}")
domain_gain = paired_difference(new_domain["new lamp, re-estimated"], new_domain["new lamp"])
control_loss = paired_difference(control["as before"], control["new lamp"])
print("re-estimating gains                      ", domain_gain)

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("re-estimating the statistics gains more than 5 points:", domain_gain.low > 0.05)
print("the network without normalisation loses more than 5 points under the new lamp, too:", control_loss.low > 0.05)

# %% [markdown]
# New light is a trouble for any network, as the control shows: Batch Normalization is not to blame for all of the fall. What
# it has is a cheap cure. Not one weight changed. The ramp shifts what each unit of the first layer receives by a constant,
# and the stored means did not know of it. Two hundred images without labels were enough to tell them. That cures a shift or a stretch of the units' inputs. It
# does not make up for what the weights never learned, such as to read upside down.
#
# ## Folding: Batch Normalization for free
#
# At inference the four vectors are constants, so the layer is a fixed affine map: y = (x − moving_mean) · s + beta with
# s = gamma / √(moving_variance + epsilon). The Dense layer before it is affine too, and two affine maps are one:
#
# kernel' = kernel · s and bias' = (bias − moving_mean) · s + beta

# %%
model = runs.model(first_seed)
folded = [keras.Input((64,))]
kernels = []
for number in (1, 2, 3):
    dense, norm = model.get_layer(f"dense_{number}"), model.get_layer(f"batchnorm_{number}")
    s = norm.gamma / np.sqrt(norm.moving_variance + norm.epsilon)
    kernels.append((dense.kernel * s, norm.beta - norm.moving_mean * s))  # this network's Dense layers have no bias
    folded += [keras.layers.Dense(100, name=dense.name), keras.layers.Activation("relu")]
folded = keras.Sequential([*folded, keras.layers.Dense(10, name="logits")])
for layer, (kernel, bias) in zip(folded.layers[::2], [*kernels, model.get_layer("logits").get_weights()], strict=True):
    layer.set_weights([kernel, bias])

one_layer = model.get_layer("batchnorm_1")(model.get_layer("dense_1")(dataset.x_test))
difference = np.abs(one_layer - folded.get_layer("dense_1")(dataset.x_test)).max()
same_class = np.argmax(model(dataset.x_test), axis=1) == np.argmax(folded(dataset.x_test), axis=1)
assert difference < 1e-5, f"folded and unfolded layers differ by {difference}"
print("✓ one folded Dense gives what Dense and BatchNormalization gave, to within 0.00001")
print(f"the folded network predicts the same class for {same_class.sum()} of {len(same_class)} test images")
print("layers:", len(model.layers), "->", len(folded.layers))
in_training_mode = np.asarray(model.get_layer("batchnorm_1")(model.get_layer("dense_1")(dataset.x_test), training=True))
apart = np.abs(in_training_mode - folded.get_layer("dense_1")(dataset.x_test)).max()
assert apart > 1e-3, f"in training mode the folded layer should differ, but the largest difference is {apart}"
print("✓ folding works at inference only: in training mode the map changes with every batch")

# %% [markdown]
# Folded, Batch Normalization costs nothing in a deployed network. This network's Dense layers had no bias; a bias takes
# part as in the formula. A Batch Normalization *after* the activation folds forwards, into the next Dense layer.
#
# ## The verdicts
#
# First: **does inference work as the lesson says?**

# %%
from helpers import claims

card = claims.verdict("C7", {
    "batch_changes": changed[True],
    "neighbour_changes": changed[False],
    "warm_gap": warm,
    "settled_gap": settled,
    "cold_gap": cold,
    "domain_gain": domain_gain,
})
claims.record(card, dataset, networks=repr(runs), settled=repr(lagging["1, then 0.03"]),
              new_domain="ramp of −2 to 2 standard deviations, 200 unlabelled images")
card

# %% [markdown]
# Then: **do larger batches serve it better?** The largest one is judged twice, with moving and with recomputed statistics:
# you have seen that the two disagree, and why.

# %%
card = claims.verdict("C8", {
    "small_batch_loss": small_batch_loss,
    "layernorm_small_batch_loss": layernorm_loss,
    "large_batch_loss": large_batch_loss,
    "large_recomputed_loss": large_recomputed_loss,
})
claims.record(card, dataset, batch_2=repr(batchnorm[2]), batch_32=repr(batchnorm[32]), batch_128=repr(batchnorm[128]),
              layernorm_2=repr(layernorm[2]), layernorm_32=repr(layernorm[32]))
card

# %% [markdown]
# ## Summary
#
# - Training normalises with the batch, inference with moving averages. They agree only when the averages are *warm* and
#   describe the data at hand.
# - After k steps an average has covered 1 − momentum^k. Where `val_accuracy` is poor in the first epochs, suspect cold
#   averages first: look at recomputed statistics.
# - Warm averages still lag behind weights that move fast. The lag closes when the learning rate falls.
# - `training=True` at inference lets the neighbours decide. Training batches of one class hide the class.
# - With two images **per device** the statistics are too noisy. Synchronise, or use another normalisation.
# - Freeze, then compile again. On new data, re-estimate. When done, fold.
#
# **Next:** [06 · BatchNorm and Dropout](06_batchnorm_vs_dropout.ipynb)
