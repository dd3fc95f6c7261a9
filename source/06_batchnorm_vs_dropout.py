# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 6 · Batch Normalization and Dropout
#
# **Time:** about 40 minutes · **Before this:** [05](05_training_and_inference.ipynb)
#
# Does Batch Normalization prevent overfitting? Can it replace Dropout? You put both side by side, with clean and with
# wrong labels, with little data and with all of it. Afterwards you can
#
# - say what each of the two is for, and in which of four cases each helped on unseen images;
# - say whether the dropout rate may be reduced next to Batch Normalization, and when not;
# - explain why Dropout *directly before* Batch Normalization spoils its statistics, and cure it in two ways.

# %% tags=["setup"]
import helpers  # noqa: F401

# %% [markdown]
# > **The lesson:** In the previous lesson, we studied Dropout, a technique that reduces overfitting by randomly disabling neurons during training.
#
# At each training step `Dropout(0.5)` sets each value to 0 with probability one half; 0.5 is its *rate*. At inference it
# does nothing.
#
# > **The lesson:** Batch Normalization stabilizes learning. Dropout prevents over-dependence.
#
# > **The lesson:** They solve different problems and are often used together in deep networks.
#
# > **The lesson:** In many cases, BatchNorm alone significantly reduces overfitting.
#
# ## Four networks, four cases
#
# A network overfits when it learns the training images by heart and does worse on others. That happens most easily with
# *little data* and with *wrong labels*. So there are four cases: 200 or 1200 training images, each with all labels
# right or with one label in five replaced by a wrong one. The test labels are always right.
#
# One split into training and test images is not the world. Each case is therefore measured on **eight splits**; two more
# serve to choose the learning rate. (All ten share images, as there are only 1797. So the ± tells how a result varies with
# the split of these digits; for new digits it is too small. The outputs say *seeds*: the number of a split is its seed.)

# %%
import numpy as np

from helpers.data import load


def split(number, size, wrong):
    """Digits split by their own number; a share `wrong` of the training labels is replaced by another class."""
    digits = load(seed=number, train_size=size, test_size=597)
    random = np.random.default_rng(number)
    replaced = random.permutation(size)[: round(wrong * size)]
    labels = digits.y_train.copy()
    labels[replaced] = (labels[replaced] + random.integers(1, 10, len(replaced))) % 10
    return digits.replace(f"{wrong:.0%} wrong labels", y_train=labels)


SPLITS = 8
cases = {
    (size, labels): [split(number, images, wrong) for number in range(SPLITS + 2)]
    for size, images in (("small", 200), ("full", 1200))
    for labels, wrong in (("clean", 0.0), ("noisy", 0.2))
}
for (size, labels), splits in cases.items():
    clean = cases[size, "clean"]
    wrong = np.mean([np.mean(a.y_train != b.y_train) for a, b in zip(splits, clean, strict=True)])
    print(f"{size:5} {labels:5}: {SPLITS} + 2 splits of {len(splits[0].x_train)} training images, {wrong:.0%} wrong labels")

# %% [markdown]
# Four networks: plain, with Batch Normalization, with Dropout, with both. Each has three hidden layers of 100 ReLU units.
# Dropout, at rate 0.5, stands at the end of each hidden layer, after the activation.
#
# **Predict**, for little data and wrong labels: order the four networks from the worst to the best on test images.

# %%
my_prediction = None  # your guess: such as ["both", "Dropout", "plain", "BatchNorm"], the worst first

# %% [markdown]
# Each network gets the better of two learning rates *in each case*: the better one on the test images of the two extra
# splits, whose scores are not used again. (The training images cannot choose here: they would reward learning by heart.)
# `sweep` takes a list with a data set for each seed, so all ten splits are trained at once. Still, this is the longest
# cell of the notebook: four bars, one for each case, and half a minute on two cores.

# %% tags=["nbval-ignore-output"]
from helpers import environment

environment.quiet_tensorflow()
import keras

from helpers.networks import mlp
from helpers.training import sweep, train_many

DROPOUT = {"small": [0.0, 0.25, 0.5], "full": [0.0, 0.5]}
LEARNING_RATES = [0.03, 0.1]
SETTINGS = {  # enough steps to fit 200 images; of "full", the first evaluation is after 75 steps
    "small": {"steps": 600, "batch_size": 16, "evaluate_every": 600},
    "full": {"steps": 450, "batch_size": 32, "evaluate_every": 75},
}
sweeps = {
    (size, labels): sweep(
        {"normalization": ["none", "before"], "dropout": DROPOUT[size], "learning_rate": LEARNING_RATES},
        mlp, splits, seeds=range(SPLITS + 2), **SETTINGS[size],  # the number of a split is its seed
    )
    for (size, labels), splits in cases.items()
}


def best_runs(size, labels, normalization, dropout):
    """The runs at the learning rate that does best on the last two splits."""
    arm = {"normalization": normalization, "dropout": dropout}
    candidates = [sweeps[size, labels][{**arm, "learning_rate": rate}] for rate in LEARNING_RATES]
    return max(candidates, key=lambda runs: runs.moving.test_accuracy[SPLITS:, -1].mean())


def test_accuracy(size, labels, normalization, dropout):
    """Of each of the first eight splits, at the end of training: (splits,)."""
    return best_runs(size, labels, normalization, dropout).moving.test_accuracy[:SPLITS, -1]


print(sum(len(found.runs) for found in sweeps.values()) * (SPLITS + 2), "networks trained")

# %% [markdown]
# Look at the distance from the dotted line, the plain network. Grey is the zone of ±2 points: too little to count in the verdict.

# %% tags=["nbval-ignore-output"]
from helpers.plots import COLORS, MARKERS, Plot, interval_band, new_figure
from helpers.statistics import mean_interval, paired_difference

NETWORKS = {"plain": ("none", 0.0), "BatchNorm": ("before", 0.0), "Dropout": ("none", 0.5), "both": ("before", 0.5)}
WORDS = {"small": "200 images", "full": "1200 images", "clean": "all labels right", "noisy": "1 label in 5 wrong"}


def gain(size, labels, name, over="plain"):
    """Test accuracy minus that of another network, split by split."""
    return paired_difference(test_accuracy(size, labels, *NETWORKS[name]), test_accuracy(size, labels, *NETWORKS[over]))


figure, axes = new_figure(2, 2, width=9, height=4.6, sharex=True, sharey=True)
sentences = []
for axis, (size, labels) in zip(axes.ravel(), cases, strict=True):
    axis.axvspan(-2, 2, color="#EEEEEE")
    axis.axvline(0, color="black", ls=":", lw=1)
    for i, name in enumerate(("BatchNorm", "Dropout", "both"), start=1):
        found = gain(size, labels, name)
        axis.errorbar(100 * found.mean, -i, xerr=[[100 * (found.mean - found.low)], [100 * (found.high - found.mean)]],
                      color=COLORS[i - 1], marker=MARKERS[i - 1], capsize=4, ls="none")
    plain = mean_interval(test_accuracy(size, labels, "none", 0.0))
    axis.set(title=f"{WORDS[size]}, {WORDS[labels]} (plain: {100 * plain.mean:.1f} %)", ylim=(-3.6, -0.4))
    axis.title.set_fontsize(10)
    axis.set_yticks([-1, -2, -3], ["BatchNorm", "Dropout", "both"])
    sentences.append(f"{WORDS[size]}, {WORDS[labels]}: " + ", ".join(
        f"{name} {round(100 * gain(size, labels, name).mean, 1) + 0:+.1f}" for name in ("BatchNorm", "Dropout", "both")))
for axis in axes[1]:
    axis.set_xlabel("test accuracy − plain (points)")
Plot(figure, "Points gained over the plain network on test images. " + "; ".join(sentences) +
     ". Whiskers are 95 % intervals of eight paired splits.")

# %%
order = sorted(NETWORKS, key=lambda name: test_accuracy("small", "noisy", *NETWORKS[name]).mean())
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("little data, wrong labels: the better half is", sorted(order[2:]), "(the order within a half may be chance)")
clear = [gain(size, labels, "BatchNorm").low > 0.02 for size, labels in cases]
print("BatchNorm alone clearly gains more than 2 points in", sum(clear), "of", len(clear), "cases")
helped = gain("small", "noisy", "Dropout").low > 0.02 and gain("small", "noisy", "both").low > 0.02
print("200 images, wrong labels: Dropout clearly gains, alone and beside BatchNorm:", helped)

# %% [markdown]
# How can Batch Normalization help so little, when it trains so well? And with wrong labels, why does Dropout help with
# 200 images and not with 1200? Look at the *training* accuracy with wrong labels. A network that reads every digit right would reach 80 %
# there, because one label in five is wrong. Whatever lies above has been learnt by heart.

# %% tags=["nbval-ignore-output"]
def by_heart(size, name):
    """Training accuracy with wrong labels, scored at inference (Dropout off)."""
    return mean_interval(best_runs(size, "noisy", *NETWORKS[name]).moving.train_accuracy[:SPLITS, -1])


for size in ("small", "full"):
    for name, arm in NETWORKS.items():
        print(f"{WORDS[size]:11} {name:10} training accuracy {by_heart(size, name)}   "
              f"test accuracy {mean_interval(test_accuracy(size, 'noisy', *arm))}")

# %%
above = [name for name in NETWORKS if by_heart("small", name).low > 0.9]
print("200 images: more than 90 % of the labels fitted, though a fifth is wrong:", ", ".join(above))
print("200 images: Dropout fits fewer than BatchNorm:", by_heart("small", "Dropout").high < by_heart("small", "BatchNorm").low)
print("1200 images: plain fits fewer than 90 %:", by_heart("full", "plain").high < 0.9)

# %% [markdown]
# Batch Normalization makes optimisation easier, and that includes the optimisation of nonsense. Its only brake is the
# noise of the batch statistics, a mild one. Dropout makes it hard to learn by heart: no unit can rely on the presence
# of another. That is the *over-dependence* of the lesson. With 1200 images, trained for only 12 epochs, the plain network has not got round to learning many labels
# by heart. There is little for Dropout to prevent. Now the other side of the coin, speed. **Predict:** all data, clean
# labels, only 75 steps. Who is ahead on the training images, and by how many points?

# %%
my_prediction = None  # your guess: (network, points), such as ("Dropout", 3)

# %% tags=["nbval-ignore-output"]
def early(name):
    """Training accuracy (splits,) after 75 steps, all data with clean labels; Dropout off, recomputed statistics."""
    return best_runs("full", "clean", *NETWORKS[name]).recomputed.train_accuracy[:SPLITS, 0]


for name in NETWORKS:
    rate = float(best_runs("full", "clean", *NETWORKS[name]).settings.optimizer.learning_rate)
    print(f"{name:10} {mean_interval(early(name))}   learning rate {rate:.2g}")
early_gain = paired_difference(early("BatchNorm"), early("Dropout"))
print("BatchNorm − Dropout:", early_gain)
print("BatchNorm − plain:  ", paired_difference(early("BatchNorm"), early("plain")))

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("BatchNorm is ahead of Dropout by more than 2 points:", early_gain.low > 0.02)

# %% [markdown]
# Compare with *plain* too: part of the distance is Dropout's slowness. And where the larger of our two rates was chosen,
# a still larger one might have served better. Take the direction from this, not the size.
#
# So they do solve different problems. One helps you to *get there*. The other keeps you from *believing everything*.
#
# ## May the dropout rate be reduced?
#
# > **The lesson:** However, when BatchNorm is strong, dropout may be reduced or removed.
#
# You have the runs already: three dropout rates, with and without Batch Normalization. **Predict:** with Batch
# Normalization in the network, is it safe to remove Dropout if the labels are right, and if one in five is wrong? (Safe:
# it costs less than 2 points, with 200 images.)

# %%
my_prediction = None  # your guess: (safe with right labels?, safe with wrong labels?), such as (True, True)

# %% tags=["nbval-ignore-output"]
def removal_cost(labels):
    """With Batch Normalization: test accuracy at the best dropout rate above 0, minus without Dropout."""
    scores = {rate: test_accuracy("small", labels, "before", rate) for rate in DROPOUT["small"]}
    # The rate is chosen on the very runs that are compared, which makes removing look dearer, never cheaper.
    with_dropout = max((rate for rate in scores if rate > 0), key=lambda rate: scores[rate].mean())
    return paired_difference(scores[with_dropout], scores[0.0])


costs = {labels: removal_cost(labels) for labels in ("clean", "noisy")}
figure, axes = new_figure(1, 2, width=9, height=3.6, sharey=True)
best = {}
for axis, labels in zip(axes, ("clean", "noisy"), strict=True):
    for i, (name, normalization) in enumerate((("without BatchNorm", "none"), ("with BatchNorm", "before"))):
        scores = {rate: test_accuracy("small", labels, normalization, rate) for rate in DROPOUT["small"]}
        interval_band(axis, {rate: mean_interval(values) for rate, values in scores.items()}, i, name)
        best[labels, normalization] = max(scores, key=lambda rate: scores[rate].mean())
    axis.set(title=f"200 images, {WORDS[labels]}", xlabel="dropout rate")
    axis.set_xticks(DROPOUT["small"])
    axis.legend(loc="lower right")
axes[0].set_ylabel("test accuracy (%)")
lowered = [WORDS[labels] for labels in ("clean", "noisy") if best[labels, "before"] < best[labels, "none"]]
Plot(figure, "Best of these dropout rates: " + "; ".join(
    f"{WORDS[labels]}, {'with' if normalization == 'before' else 'without'} BatchNorm: {rate:g}"
    for (labels, normalization), rate in best.items()) +
    f". BatchNorm lowered the best rate: {' and '.join(lowered) or 'in neither case'}. Removing Dropout beside BatchNorm "
    f"costs {costs['clean']} with right labels and {costs['noisy']} with wrong ones. Bands are 95 % intervals of eight "
    "splits.")


# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("safe with right labels:", costs["clean"].high < 0.02)
print("safe with wrong labels:", costs["noisy"].high < 0.02)

# %% [markdown]
# "May be removed" is true for clean labels, and not because Batch Normalization took over Dropout's work: on these data
# there was little work to do, as the line without Batch Normalization shows. Where Dropout has work to do, it is needed
# beside Batch Normalization too. And *reduced*? The caption says where the best of the three rates went down next to
# Batch Normalization. (Three rates are a coarse net: read the figure for a trend, not for *the* best rate.)
#
# ## Together, but in which order? The variance shift
#
# Dropout at rate p zeroes a share p of the values and multiplies the others by 1/(1 − p). The *mean* is the same in
# training and at inference; that is what the factor is for. And the *variance*? **Predict:** values with mean 0
# and variance 1 go through Dropout(0.5). What is their variance in training? And at inference?

# %%
my_prediction = None  # your guess: (variance in training, variance at inference)

# %%
x = np.random.default_rng(0).normal(size=(100_000, 1)).astype("float32")
print("rate   variance after Dropout: in training, at inference   then BatchNorm: output variance at inference")
for rate in (0.0, 0.3, 0.5, 0.8):
    dropout, norm = keras.layers.Dropout(rate, seed=1), keras.layers.BatchNormalization(momentum=0.0)
    norm(dropout(x, training=True), training=True)  # momentum 0: the moving averages become this batch's statistics
    in_training, at_inference = float(norm.moving_variance[0]), float(np.var(dropout(x, training=False)))
    output = float(np.var(norm(dropout(x, training=False), training=False)))
    print(f"{rate:4}   {in_training:26.1f} {at_inference:14.1f} {output:42.1f}")
    assert abs(in_training - 1 / (1 - rate)) < 0.1
    assert abs(output - (1 - rate)) < 0.1
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")

# %% [markdown]
# The theory says 1/(1 − p) in training and 1 at inference. Batch Normalization divides by what it saw in training, so at
# inference a variance of 1 − p is left. (That is for mean 0. With a mean μ and variance σ², training has
# σ² + (σ² + μ²) · p/(1 − p).) No amount of training mends this, for the averages are *right*: for training. And a deep
# network multiplies such errors, layer after layer.
#
# Five hidden layers with Dropout(0.5), in three places. The momentum is 0.9, so that cold averages play no part.
# We score each network on its *own training images*, in three ways: in training mode, with Dropout at work; at inference
# with the moving averages; and at inference with recomputed statistics, those of the training set while Dropout is off.
# **Predict:** in which places are the moving averages worse than recomputed statistics, by more than 5 points?

# %%
my_prediction = None  # your guess: a set out of {"before each BatchNorm", "after each activation", "once, at the end"}

# %% tags=["nbval-ignore-output"]
import functools

digits = load()
PLACES = {"before each BatchNorm": "before_normalization", "after each activation": "after_activation",
          "once, at the end": "last_layer"}
deep = {
    name: train_many(functools.partial(mlp, depth=5, momentum=0.9, dropout=0.5, dropout_position=place), digits, seeds=8,
                     steps=250, batch_size=64, optimizer=keras.optimizers.SGD(0.03), evaluate_every=250)
    for name, place in PLACES.items()
}


def accuracy_in_training_mode(runs):
    """Training accuracy (seeds,) with batch statistics and with Dropout at work."""
    return [np.mean(np.argmax(runs.model(seed)(digits.x_train, training=True), axis=1) == digits.y_train)
            for seed in runs.seeds]


modes = {
    name: {"training mode": accuracy_in_training_mode(runs), "inference": runs.moving.train_accuracy[:, -1],
           "inference, recomputed": runs.recomputed.train_accuracy[:, -1]}
    for name, runs in deep.items()
}

shallow = {}  # the same question for the networks "both" above, on test images
for case in cases:
    runs = best_runs(*case, *NETWORKS["both"])
    shallow[case] = paired_difference(runs.recomputed.test_accuracy[:SPLITS, -1], runs.moving.test_accuracy[:SPLITS, -1])

# %% tags=["nbval-ignore-output"]
figure, axis = new_figure(height=3.6)
for i, mode in enumerate(("training mode", "inference", "inference, recomputed")):
    for place, name in enumerate(PLACES):
        found = mean_interval(modes[name][mode])
        axis.bar(place + 0.27 * (i - 1), 100 * found.mean, 0.25, color=COLORS[i], hatch=("", "//", "..")[i],
                 edgecolor="white", label=mode if place == 0 else None)
        axis.errorbar(place + 0.27 * (i - 1), 100 * found.mean,
                      yerr=[[100 * (found.mean - found.low)], [100 * (found.high - found.mean)]], color="black", capsize=3)
axis.set_xticks(range(3), PLACES)
axis.set(xlabel="where Dropout(0.5) stands", ylabel="accuracy on training images (%)", ylim=(0, 118))
axis.legend(ncols=3, loc="upper center", fontsize=9)
lost = {name: paired_difference(modes[name]["inference, recomputed"], modes[name]["inference"]) for name in PLACES}
Plot(figure, "What recomputing gains over the moving averages: " + "; ".join(f"{name} {value}" for name, value in lost.items()) +
     ". The same weights in all three bars of a group; whiskers are 95 % intervals.")

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("moving averages cost more than 5 points:", ", ".join(name for name in PLACES if lost[name].low > 0.05))
print("they cost less than 2 points:", ", ".join(name for name in PLACES if lost[name].high < 0.02))
print("... and in the three-layer networks with both, above:", all(found.high < 0.02 for found in shallow.values()))

# %% [markdown]
# In the first two places half of the units are missing in *every* layer, so no wonder that training mode is low. At
# inference all units are back, and the network could do much better, if only the statistics were right. (The third
# network is easier to train, as it has *one* Dropout in place of five. Compare the bars within a group, not the groups.)
# Recomputing them is the cure for a network that you
# already have. The better cure is to **move the Dropout**: behind the last Batch Normalization there is none left to
# mislead. That Dropout *after* the activation can suffer too may surprise you. The next thing behind it is a Dense
# layer and a Batch Normalization, which sees the larger variance through the Dense. (The networks with both that you
# trained above have it there too. It costs those smaller networks little.)
#
# ## The verdicts
#
# **Does Batch Normalization alone reduce overfitting in many
# cases?** What counts is the test accuracy, and it must gain more than 2 points.

# %%
from helpers import claims

card = claims.verdict("C5", {f"{size}_{labels}_gain": gain(size, labels, "BatchNorm") for size, labels in cases})
claims.record(card, splits=SPLITS, learning_rates="the better of 0.03 and 0.1 on two other splits",
              **{f"{size}_{labels}": repr(best_runs(size, labels, "before", 0.0)) for size, labels in cases})
card

# %% [markdown]
# **Do the two solve different problems, and may the first replace the second?** The gain with wrong labels and the cost
# of removing Dropout are those of the small data, where overfitting is strongest.

# %%
card = claims.verdict("C6", {
    "early_gain": early_gain,
    "noisy_label_gain": gain("small", "noisy", "Dropout", over="BatchNorm"),
    "clean_removal_cost": costs["clean"],
    "noisy_removal_cost": costs["noisy"],
    "variance_shift": lost["before each BatchNorm"],
})
claims.record(card, splits=SPLITS, noisy=repr(best_runs("small", "noisy", "before", 0.5)),
              deep=repr(deep["before each BatchNorm"]))
card

# %% [markdown]
# ## Summary
#
# - Batch Normalization is for optimisation. As a remedy for overfitting it is mild at best; with wrong labels we
#   saw no clear help, since it lets a network learn those by heart as well.
# - Dropout slows learning down and, where a network would learn wrong labels by heart, resists them. Remove it because
#   *your data* do not need it, which you can measure, and not because Batch Normalization is there.
# - Dropout before Batch Normalization makes training and inference disagree. Put it behind the last Batch Normalization,
#   or recompute the statistics.
#
# **Next:** [07 · Exercises](07_exercises.ipynb)
