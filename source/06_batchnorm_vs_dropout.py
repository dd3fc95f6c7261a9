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
# - explain why Dropout *before* Batch Normalization spoils its statistics, and cure it in two ways.

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
# A network overfits when it memorises the training images and does worse on others. Overfitting happens most easily with
# *little data* and with *wrong labels*. So we look at four cases: 200 or 1200 training images, each with all labels
# right or with one label in five replaced by a wrong one. The test labels are always right.
#
# One split into training and test images could be a lucky one. Each case is therefore measured on **eight splits**. (Where a
# data set is small, as the digits are, the splits share images. Then the ± tells how a result varies with the split, and
# is too small for new images. The outputs say *seeds*: the number of a split is its seed.)

# %%
import numpy as np

from helpers import environment
from helpers.data import load


def split(number, size, wrong):
    """The images split by this number; a share `wrong` of the labels is replaced."""
    dataset = load(seed=number, train_size=size, test_size=597)
    random, classes = np.random.default_rng(number), len(dataset.class_names)
    replaced = random.permutation(size)[: round(wrong * size)]
    labels = dataset.y_train.copy()
    others = random.integers(1, classes, len(replaced))  # never the class itself
    labels[replaced] = (labels[replaced] + others) % classes
    return dataset.replace(f"{wrong:.0%} wrong labels", y_train=labels)


# %%
SPLITS = 8
NUMBERS = environment.seeds(SPLITS)  # of the splits
cases = {
    (size, labels): [split(number, images, wrong) for number in NUMBERS]
    for size, images in (("small", 200), ("full", 1200))
    for labels, wrong in (("clean", 0.0), ("noisy", 0.2))
}
for (size, labels), splits in cases.items():
    clean = cases[size, "clean"]
    pairs = zip(splits, clean, strict=True)
    wrong = np.mean([noisy.y_train != right.y_train for noisy, right in pairs])
    print(f"{size:5} {labels:5}: {SPLITS} splits of {len(splits[0].x_train)} images,",
          f"{wrong:.0%} wrong labels")

# %% [markdown]
# Four networks: plain, with Batch Normalization, with Dropout, with both. Each has three hidden layers of 100 ReLU units.
# Dropout stands at the end of each hidden layer, after the activation.
#
# **Predict**, for little data and wrong labels: order the four networks from the worst to the best on test images.

# %%
my_prediction = None  # the worst first: ["both", "Dropout", "plain", "BatchNorm"]

# %% [markdown]
# Each network gets the best of four learning rates, *in each case*. Where Dropout takes part, its own rate is chosen as well:
# 0.25 or 0.5 with 200 images (with 1200 it is 0.5). What is best? For each split, what does best on the test images of the
# other seven, so that no split chooses for itself. (The training images cannot choose here, because they would reward
# memorising.) `sweep` takes a list with a data set for each seed, so all splits are trained at once.
# Still, this is the longest cell of the notebook: four bars, one for each case, and three quarters of a minute on two cores.

# %% tags=["nbval-ignore-output"]
environment.quiet_tensorflow()
import keras

from helpers.networks import mlp
from helpers.training import sweep, train_many

NETWORKS = {  # where BatchNorm stands, and whether there is Dropout
    "plain": ("none", False), "BatchNorm": ("before", False),
    "Dropout": ("none", True), "both": ("before", True),
}
DROPOUT = {"small": [0.0, 0.25, 0.5], "full": [0.0, 0.5]}
LEARNING_RATES = {"small": [0.003, 0.01, 0.03, 0.1], "full": [0.01, 0.03, 0.1, 0.3]}
SETTINGS = {  # enough steps to fit 200 images
    "small": {"steps": 600, "batch_size": 16, "evaluate_every": 600},
    "full": {"steps": 450, "batch_size": 32, "evaluate_every": 75},
}

# %% tags=["nbval-ignore-output"]
sweeps = {}
for (size, labels), splits in cases.items():
    grid = {"normalization": ["none", "before"], "dropout": DROPOUT[size],
            "learning_rate": LEARNING_RATES[size]}
    # The number of a split is its seed.
    sweeps[size, labels] = sweep(grid, mlp, splits, seeds=NUMBERS, **SETTINGS[size])
total = sum(len(found.runs) for found in sweeps.values()) * SPLITS
print(total, "networks trained")


# %%
def tried(size, labels, name):
    """The runs of this network, one for each of its rates."""
    normalization, with_dropout = NETWORKS[name]
    found = sweeps[size, labels]
    return [
        runs for point, runs in zip(found.points, found.runs, strict=True)
        if point["normalization"] == normalization
        and (point["dropout"] > 0) == with_dropout
    ]


# %%
def test_scores(runs):
    return runs.moving.test_accuracy[:, -1]


def tuned(size, labels, name, score=test_scores):
    """score(runs) at the rates that are best on the other splits: (splits,)."""
    runs = tried(size, labels, name)
    accuracy = np.array([test_scores(one) for one in runs])  # (rates, splits)
    on_the_others = accuracy.sum(axis=1, keepdims=True) - accuracy
    best = on_the_others.argmax(axis=0)
    return np.array([score(one) for one in runs])[best, range(SPLITS)]


# %% [markdown]
# Look at the distance from the dotted line, the plain network. Grey is the zone of ±2 points: too little to count in the verdict.

# %%
from helpers.plots import COLORS, MARKERS, Plot, interval_band, new_figure
from helpers.statistics import mean_interval, paired_difference

WORDS = {"small": "200 images", "full": "1200 images",
         "clean": "all labels right", "noisy": "1 label in 5 wrong"}


def gain(size, labels, name, over="plain"):
    """Test accuracy minus that of another network, split by split."""
    return paired_difference(tuned(size, labels, name), tuned(size, labels, over))


gains = {
    case: {name: gain(*case, name) for name in ("BatchNorm", "Dropout", "both")}
    for case in cases
}

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws what each network gains over the plain one, in each of the four cases.
figure, axes = new_figure(2, 2, width=9, height=4.6, sharex=True, sharey=True)
sentences = []
for axis, (case, found) in zip(axes.ravel(), gains.items(), strict=True):
    axis.axvspan(-2, 2, color="#EEEEEE")
    axis.axvline(0, color="black", ls=":", lw=1)
    for i, one in enumerate(found.values(), start=1):
        ends = [[100 * (one.mean - one.low)], [100 * (one.high - one.mean)]]
        axis.errorbar(100 * one.mean, -i, xerr=ends, color=COLORS[i], marker=MARKERS[i],
                      capsize=4, ls="none")
    plain, where = tuned(*case, "plain").mean(), ", ".join(WORDS[part] for part in case)
    axis.set(ylim=(-3.6, -0.4), xlabel="test accuracy − plain (points)")
    axis.set_title(f"{where} (plain: {100 * plain:.1f} %)", fontsize=10)
    axis.set_yticks([-1, -2, -3], found)
    points = (f"{name} {100 * one.mean:+.1f}" for name, one in found.items())
    sentences.append(f"{where}: {', '.join(points)}")
Plot(figure, f"Points gained over plain: {'; '.join(sentences)}. 95 % intervals.")

# %%
from helpers import predictions

order = sorted(NETWORKS, key=lambda name: tuned("small", "noisy", name).mean())
print(f"little data, wrong labels: the worst is {order[0]}, the best is {order[-1]}")
clear = [gain(size, labels, "BatchNorm").low > 0.02 for size, labels in cases]
print("BatchNorm alone clearly gains more than 2 points in",
      sum(clear), "of", len(clear), "cases")
over = [gain("small", "noisy", name, over="BatchNorm") for name in ("Dropout", "both")]
hard = gains["small", "noisy"]
print("200 images, wrong labels:")
print("   Dropout, and both, are ahead of BatchNorm:", all(one.low > 0 for one in over))
print("   both together are ahead of plain:", hard["both"].low > 0)
print("   Dropout alone clearly gains more than 2 points:", hard["Dropout"].low > 0.02)

# %% tags=["nbval-ignore-output"]
predictions.compare(
    "06, four networks", my_prediction, order,
    why="Many people expect Dropout ahead of everything where labels are wrong. A "
    "small learning rate keeps the plain network from fitting wrong labels, too.",
)

# %% [markdown]
# ## Where a gain comes from
#
# Where Batch Normalization gains on unseen images, is it because the network overfits less? Overfitting is the *gap*
# between the accuracy on training images and the accuracy on test images. So every gain has two parts:
#
# $$\text{gain on test images} = \text{gain on training images} - \text{growth of the gap}$$
#
# If the gain comes from less overfitting, the gap must shrink. If it comes from better optimisation, the gain on the
# training images is as large.

# %% tags=["nbval-ignore-output"]
def on_training_images(runs):
    return runs.moving.train_accuracy[:, -1]


def gap(runs):
    return on_training_images(runs) - test_scores(runs)


def change(size, labels, score):
    """By how much BatchNorm changes a score of the plain network, split by split."""
    both = (tuned(size, labels, name, score) for name in ("BatchNorm", "plain"))
    return paired_difference(*both)


growth = {case: change(*case, gap) for case in cases}
for size, labels in cases:
    print(f"{WORDS[size]:>11}, {WORDS[labels]}: test {gain(size, labels, 'BatchNorm')}")
    on_training = change(size, labels, on_training_images)
    print(f"       = training {on_training} − gap {growth[size, labels]}")

# %%
shrinking = sum(found.high < 0 for found in growth.values())
print("the gap shrinks in", shrinking, "of", len(growth), "cases")
gaining = [case for case in cases if gain(*case, "BatchNorm").low > 0]
optimised = [case for case in gaining if growth[case].high > 0]
print(f"gains on unseen images whose gap does not clearly shrink: {len(optimised)}",
      f"of {len(gaining)}")

# %% [markdown]
# A gain without a shrinking gap is no remedy for overfitting: the network simply fits the images better, old and new ones
# alike. (On Fashion-MNIST, with all images and right labels, Batch Normalization gains more than on the digits, where the
# plain network already makes few errors.)
#
# Two questions remain. How can Batch Normalization help so little where labels are wrong, although it trains so well? And
# why does Dropout gain so little *alone* with wrong labels, although Dropout is made for that case?
#
# Both answers are in the learning rates. Here is the whole sweep for 200 images with wrong labels, Dropout at 0.5. On the
# right is the accuracy on the *training* images. A network that names every image right would reach 80 % there (the
# dotted line), because one label in five is wrong. A network above that line has memorised wrong labels.

# %%
def at_every_rate(name):
    """{learning rate: runs}, 200 images with wrong labels, Dropout (if any) at 0.5."""
    normalization, with_dropout = NETWORKS[name]
    arm = {"normalization": normalization, "dropout": 0.5 if with_dropout else 0.0}
    found, rates = sweeps["small", "noisy"], LEARNING_RATES["small"]
    return {rate: found[{**arm, "learning_rate": rate}] for rate in rates}


# The share of right labels among the noisy ones.
pairs = zip(cases["small", "noisy"], cases["small", "clean"], strict=True)
right = np.mean([a.y_train == b.y_train for a, b in pairs])

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the accuracy on test and on training images at every learning rate.
figure, axes = new_figure(1, 2, width=9, height=3.8, sharey=True)
best_rates, ticks = [], LEARNING_RATES["small"]
for i, name in enumerate(NETWORKS):
    runs = at_every_rate(name)
    for axis, score in zip(axes, (test_scores, on_training_images), strict=True):
        found = {rate: mean_interval(score(one)) for rate, one in runs.items()}
        interval_band(axis, found, i, name)
    mean = {rate: 100 * test_scores(one).mean() for rate, one in runs.items()}
    best = max(mean, key=mean.get)
    best_rates.append(f"{name} {best:g} ({mean[best]:.1f} %)")
for axis in axes:
    axis.set(xscale="log", xlabel="learning rate")
    axis.set_xticks(ticks, [f"{rate:g}" for rate in ticks])
axes[0].set(title="test images", ylabel="accuracy (%)")
axes[1].set(title="training images, 1 label in 5 wrong")
axes[1].axhline(100 * right, color="black", ls=":", lw=1)
axes[0].legend(loc="lower center", fontsize=9)
Plot(figure, f"Best rate on test images: {', '.join(best_rates)}. 95 % intervals.")


# %%
def fitted(limit, accuracies):
    """The networks whose training accuracy lies above the limit, whole interval."""
    found = {name: mean_interval(accuracy) for name, accuracy in accuracies.items()}
    return ", ".join(name for name, one in found.items() if one.low > limit) or "none"


print("more than 90 % of the labels fitted, though a fifth is wrong,")
for rate in (0.01, 0.1):
    found = {name: on_training_images(at_every_rate(name)[rate]) for name in NETWORKS}
    print(f"   200 images, rate {rate:<5}           :", fitted(0.9, found))
for size in ("small", "full"):
    found = {name: tuned(size, "noisy", name, on_training_images) for name in NETWORKS}
    print(f"  {WORDS[size]:>11}, each at its best rates:", fitted(0.9, found))

# %% [markdown]
# Wrong labels are learnt *late*: first comes what many images share, then the exceptions, one by one (Arpit et al. 2017,
# arXiv:1706.05394). So there are two
# ways to keep a network from fitting wrong labels. Dropout makes memorising hard at any learning rate, because no unit can
# rely on the presence of another: that is the *over-dependence* of the lesson. Or you **stop early**, and a small learning
# rate has the same effect, because the network does not come further in 600 steps. Given a choice of rates, the plain
# network gets a small one, and so Dropout alone has little left to gain. Had we compared all networks at 0.1, we would
# have praised Dropout for what a smaller step does nearly as well. (Where a best rate lies at the edge of the sweep: one step further out, tried beforehand, no network does
# better.)
#
# Batch Normalization makes optimisation easier, and that includes fitting wrong labels: a network with Batch Normalization
# fits the exceptions sooner. Only the noise of the batch statistics holds it back, and that noise is small. So it is the
# network with Batch Normalization that gains most from Dropout. With 1200 images, look at the last line: where no network
# memorises many labels in these 12 epochs, there is little to prevent.
#
# Now the speed of learning. **Predict:** all data, clean labels, only 75 steps. Which of BatchNorm and Dropout is ahead on the
# training images?

# %%
my_prediction = None  # "BatchNorm", "Dropout" or "neither"


# %% tags=["nbval-ignore-output"]
def after_75_steps(runs):
    return runs.recomputed.train_accuracy[:, 0]


def early(name):
    """Training accuracy after 75 steps, all data, clean labels: (splits,)."""
    return tuned("full", "clean", name, after_75_steps)


for name in NETWORKS:
    print(f"{name:10} {mean_interval(early(name))}")
early_gain = paired_difference(early("BatchNorm"), early("Dropout"))
print("BatchNorm − Dropout:", early_gain)
print("BatchNorm − plain:  ", paired_difference(early("BatchNorm"), early("plain")))

# %%
print("BatchNorm is ahead of Dropout by more than 2 points:", early_gain.low > 0.02)
behind = "Dropout" if early_gain.high < 0 else "neither"
ahead = "BatchNorm" if early_gain.low > 0 else behind
predictions.compare(
    "06, the first 75 steps", my_prediction, ahead,
    why="Dropout leaves out half of the units in every step, so a step teaches less. "
    "Batch Normalization makes larger steps possible.",
)

# %% [markdown]
# Look at the plain network as well: a part of this gap exists because Dropout slows training down, and not because Batch
# Normalization speeds it up. And the rates were chosen for the end of training, not for its first 75 steps. So these
# numbers tell you which network is ahead, but not by how much.
#
# Batch Normalization helps the network learn faster. Dropout keeps it from memorising wrong labels, unless early stopping
# or a small learning rate already does.
#
# ## May the dropout rate be reduced?
#
# > **The lesson:** However, when BatchNorm is strong, dropout may be reduced or removed.
#
# You have the runs already, three dropout rates with and without Batch Normalization. **Predict:** with Batch
# Normalization in the network, is it safe to remove Dropout if the labels are right, and if one in five is wrong? (Safe:
# it costs less than 2 points, with 200 images.) And does Dropout gain *less* beside Batch Normalization than without it, as
# the lesson's sentence suggests?

# %%
my_prediction = None  # (safe if labels are right, if wrong, less?): (True, True, True)


# %%
def dropout_gains(labels):
    """What Dropout gains beside BatchNorm, without it, and the difference."""
    accuracy = {name: tuned("small", labels, name) for name in NETWORKS}
    beside = accuracy["both"] - accuracy["BatchNorm"]
    without = accuracy["Dropout"] - accuracy["plain"]
    each = (mean_interval(values, unit="points") for values in (beside, without))
    return *each, paired_difference(beside, without)


# Beside BatchNorm, removing Dropout costs what Dropout gains.
cost, change, said = {}, {}, []
for labels in ("clean", "noisy"):
    cost[labels], without, change[labels] = dropout_gains(labels)
    said.append(f"{WORDS[labels]}: {cost[labels]} beside BatchNorm, {without} without, "
                f"difference {change[labels]}")


# %%
def at_best_learning_rate(labels, normalization):
    """{dropout rate: interval of the test accuracy}, 200 images."""
    found = {}
    for rate in DROPOUT["small"]:
        arm = {"normalization": normalization, "dropout": rate}
        runs = [sweeps["small", labels][{**arm, "learning_rate": one}]
                for one in LEARNING_RATES["small"]]
        found[rate] = mean_interval(max(map(test_scores, runs), key=np.mean))
    return found


# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the test accuracy at every dropout rate, without and with BatchNorm.
figure, axes = new_figure(1, 2, width=9, height=3.6, sharey=True)
lines = {"without BatchNorm": "none", "with BatchNorm": "before"}
for axis, labels in zip(axes, ("clean", "noisy"), strict=True):
    for i, (name, normalization) in enumerate(lines.items()):
        interval_band(axis, at_best_learning_rate(labels, normalization), i, name)
    axis.set(title=f"200 images, {WORDS[labels]}", xlabel="dropout rate")
    axis.set_xticks(DROPOUT["small"])
    axis.legend(loc="lower right")
axes[0].set_ylabel("test accuracy (%)")
Plot(figure, f"What Dropout gains, at its best rate. {'; '.join(said)}. In the figure "
     "each point has its best learning rate; bands are 95 % intervals of eight splits.")

# %%
safe = cost["clean"].high < 0.02, cost["noisy"].high < 0.02
less = change["noisy"].high < -0.02
print("safe with right labels:", safe[0])
print("safe with wrong labels:", safe[1])
print("with wrong labels, Dropout gains clearly less beside BatchNorm:", less)
print("... and clearly more:", change["noisy"].low > 0)
predictions.compare(
    "06, removing Dropout", my_prediction, (*map(bool, safe), bool(less)),
    why="That two layers both add noise does not mean that one does the work of the "
    "other. How much Dropout gains depends on how much there is to memorise.",
)

# %% [markdown]
# Suppose that Dropout may be removed where all labels are right. Did Batch Normalization take over Dropout's work there?
# Compare with what Dropout gains in the network *without* Batch Normalization: if that is little, there was little work to
# take over. With wrong labels Dropout has work to do. If Batch Normalization took it over, Dropout would gain *less*
# beside it, and the last two lines say whether it does. The ImageNet benchmark that the
# last card quotes, of a large network with clean labels, did best with *some* Dropout beside Batch Normalization, less
# than the usual 0.5.
#
# ## Together, but in which order? The variance shift
#
# Dropout at rate p zeroes a share p of the values and multiplies the others by 1/(1 − p). The *mean* is the same in
# training and at inference; that is what the factor is for. And the *variance*? **Predict:** values with mean 0
# and variance 1 go through Dropout(0.5). What is their variance in training? And at inference?

# %%
my_prediction = None  # (variance in training, variance at inference), such as (1, 1)

# %%
x = np.random.default_rng(0).normal(size=(100_000, 1)).astype("float32")
print("rate   after Dropout: training, inference   behind BatchNorm, at inference")
for rate in (0.0, 0.3, 0.5, 0.8):
    dropout = keras.layers.Dropout(rate, seed=1)
    norm = keras.layers.BatchNormalization(momentum=0.0)  # averages of the last batch
    norm(dropout(x, training=True), training=True)
    in_training = float(norm.moving_variance[0])
    at_inference = float(np.var(dropout(x, training=False)))
    output = float(np.var(norm(dropout(x, training=False), training=False)))
    print(f"{rate:4}   {in_training:23.1f} {at_inference:10.1f} {output:30.1f}")
    assert abs(in_training - 1 / (1 - rate)) < 0.1, f"variance {in_training}, training"
    assert abs(output - (1 - rate)) < 0.1, f"variance {output} behind BatchNorm"

# %%
predictions.compare(
    "06, the variance shift", my_prediction, (2, 1), within=0.1,
    why="Many people answer 1 twice, because Dropout keeps the mean. But half of the "
    "values are 0 and the others are doubled, so the spread grows.",
)

# %% [markdown]
# Here is the theory. Let $m$ be 0 with probability $p$ and $1/(1-p)$ else, and let $x$ have mean 0 and variance 1. Then
#
# $$\operatorname{Var}(m\,x) = \mathbb{E}[m^2]\;\mathbb{E}[x^2] = (1-p)\,\frac{1}{(1-p)^2} = \frac{1}{1-p}$$
#
# in training, and 1 at inference. Batch Normalization divides by the standard deviation that it saw in training, so at
# inference the variance behind it is $1 - p$. (With a mean $\mu$ and a variance $\sigma^2$ of $x$, the variance in training
# is $\sigma^2 + (\sigma^2 + \mu^2)\,p/(1-p)$.) More training does not mend the difference, because the moving averages are
# *right* for training. And in a deep network the error of each layer multiplies that of the layer before.
#
# Five hidden layers with Dropout(0.5), in three places. The momentum is 0.9, so that cold averages play no part.
# We score each network on its *own training images*, in three ways: in training mode, with Dropout at work; at inference
# with the moving averages; and at inference with recomputed statistics, those of the training set while Dropout is off.
# **Predict:** in which places are the moving averages worse than recomputed statistics, by more than 5 points?

# %%
my_prediction = None  # a set of the names in PLACES below, such as {"once, at the end"}

# %% tags=["nbval-ignore-output"]
import functools

dataset = load()
PLACES = {"before each BatchNorm": "before_normalization",
          "after each activation": "after_activation", "once, at the end": "last_layer"}
five_layers = functools.partial(mlp, depth=5, momentum=0.9, dropout=0.5)
deep = {
    name: train_many(functools.partial(five_layers, dropout_position=place), dataset,
                     seeds=8, steps=250, batch_size=64, evaluate_every=250,
                     optimizer=keras.optimizers.SGD(0.03))
    for name, place in PLACES.items()
}


# %%
def accuracy_in_training_mode(runs):
    """Training accuracy with batch statistics and with Dropout at work: (seeds,)."""
    scores = (runs.model(seed)(dataset.x_train, training=True) for seed in runs.seeds)
    return [np.mean(np.argmax(one, axis=1) == dataset.y_train) for one in scores]


def gain_by_recomputing(runs):
    return runs.recomputed.test_accuracy[:, -1] - test_scores(runs)


modes = {
    name: {"training mode": accuracy_in_training_mode(runs),
           "inference": runs.moving.train_accuracy[:, -1],
           "inference, recomputed": runs.recomputed.train_accuracy[:, -1]}
    for name, runs in deep.items()
}
lost = {name: paired_difference(found["inference, recomputed"], found["inference"])
        for name, found in modes.items()}

# %% jupyter={"source_hidden": true} cellView="form" tags=["nbval-ignore-output", "hide-input"]
# Draws the training accuracy of each network in its three modes.
figure, axis = new_figure(height=3.6)
for i, mode in enumerate(modes["once, at the end"]):
    found = [mean_interval(modes[name][mode]) for name in PLACES]
    heights, at = [100 * one.mean for one in found], np.arange(3) + 0.27 * (i - 1)
    ends = [(one.mean - one.low, one.high - one.mean) for one in found]
    axis.bar(at, heights, 0.25, color=COLORS[i], hatch=("", "//", "..")[i],
             edgecolor="white", label=mode)
    axis.errorbar(at, heights, 100 * np.array(ends).T, color="black", capsize=3, ls="")
axis.set_xticks(range(3), PLACES)
axis.set(xlabel="where Dropout(0.5) stands", ylabel="accuracy on training images (%)",
         ylim=(0, 118))
axis.legend(ncols=3, loc="upper center", fontsize=9)
said = "; ".join(f"{name} {value}" for name, value in lost.items())
Plot(figure, f"What recomputing gains over the moving averages: {said}. The same "
     "weights in all three bars of a group; whiskers are 95 % intervals.")

# %%
costly = [name for name in PLACES if lost[name].low > 0.05]
print("moving averages cost more than 5 points:", ", ".join(costly))
cheap = [name for name in PLACES if lost[name].high < 0.02]
print("they cost less than 2 points:", ", ".join(cheap))
shallow = [mean_interval(tuned(*case, "both", gain_by_recomputing), unit="points")
           for case in cases]  # the networks "both" above, on test images
print("... and in the three-layer networks with both, above:",
      all(found.high < 0.02 for found in shallow))
predictions.compare(
    "06, where Dropout stands", my_prediction, set(costly),
    why="What counts is whether a Batch Normalization stands anywhere behind the "
    "Dropout: a Dense layer between them passes the larger variance on.",
)

# %% [markdown]
# In the first two places half of the units are missing in *every* layer, and that is why training mode is low. At inference
# all units are back, so the network can do better, provided that its statistics are right. (The third network is easier
# to train, because it has *one* Dropout in place of five. Compare the bars within a group, not the groups.)
#
# Recomputing the statistics is the cure for a network that you already have. The better cure is to **move the Dropout**
# behind the last Batch Normalization, because there is no layer left whose averages Dropout could spoil. Dropout *after*
# the activation is no cure: behind it come a Dense layer and a Batch Normalization, and the Dense layer passes the larger
# variance on. (The networks with both that you trained above have Dropout there too. The line above says what it costs
# those smaller networks.)
#
# ## The verdicts
#
# **Does Batch Normalization alone reduce overfitting in many
# cases?** What counts is the test accuracy, and it must gain more than 2 points.

# %%
from helpers import claims

found = {f"{'_'.join(case)}_gain": gains[case]["BatchNorm"] for case in cases}
card = claims.verdict("C5", found)
rates = {**LEARNING_RATES, "chosen": "on the other splits"}
runs = {"_".join(case): repr(sweeps[case].runs[0]) for case in cases}
claims.record(card, dataset, splits=SPLITS, learning_rates=rates, **runs)
card

# %% [markdown]
# **Do the two solve different problems, and may the first replace the second?** What Dropout gains, and what removing it
# costs, is that of the small data, where overfitting is strongest. If Batch Normalization is to make Dropout dispensable,
# Dropout must gain *less* beside it than without it, where there is something to gain.

# %%
card = claims.verdict("C6", {
    "early_gain": early_gain,
    "noisy_label_gain": gain("small", "noisy", "Dropout", over="BatchNorm"),
    "need_change": change["noisy"],
    "clean_removal_cost": cost["clean"],
    "noisy_removal_cost": cost["noisy"],
    "variance_shift": lost["before each BatchNorm"],
})
claims.record(card, dataset, splits=SPLITS, noisy=repr(at_every_rate("both")[0.03]),
              deep=repr(deep["before each BatchNorm"]))
card

# %% [markdown]
# ## Summary

# %%
predictions.summary()

# %% [markdown]
# - Batch Normalization is for optimisation. As a remedy for overfitting it is mild at best, and it makes a network fit wrong
#   labels sooner.
# - Dropout slows learning down and resists wrong labels. So does a small learning rate, or stopping early: tune the rate
#   of *both* networks before you praise either.
# - Remove Dropout because *your data* do not need it, which you can measure, and not because Batch Normalization is there:
#   where labels were wrong, it made Dropout more useful, not less.
# - Dropout anywhere before Batch Normalization makes training and inference disagree. Put it behind the last Batch
#   Normalization, or recompute the statistics.
#
# **Next:** [07 · Exercises](07_exercises.ipynb)
