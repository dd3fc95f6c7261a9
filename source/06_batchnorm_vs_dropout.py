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
# A network overfits when it learns the training images by heart and does worse on others. That happens most easily with
# *little data* and with *wrong labels*. So there are four cases: 200 or 1200 training images, each with all labels
# right or with one label in five replaced by a wrong one. The test labels are always right.
#
# One split into training and test images is not the world. Each case is therefore measured on **eight splits**. (Where a
# data set is small, as the digits are, the splits share images. Then the ± tells how a result varies with the split, and
# is too small for new images. The outputs say *seeds*: the number of a split is its seed.)

# %%
import numpy as np

from helpers import environment
from helpers.data import load


def split(number, size, wrong):
    """The images split by this number; a share `wrong` of the training labels is replaced by another class."""
    dataset = load(seed=number, train_size=size, test_size=597)
    random, classes = np.random.default_rng(number), len(dataset.class_names)
    replaced = random.permutation(size)[: round(wrong * size)]
    labels = dataset.y_train.copy()
    labels[replaced] = (labels[replaced] + random.integers(1, classes, len(replaced))) % classes
    return dataset.replace(f"{wrong:.0%} wrong labels", y_train=labels)


SPLITS = 8
NUMBERS = environment.seeds(SPLITS)  # of the splits
cases = {
    (size, labels): [split(number, images, wrong) for number in NUMBERS]
    for size, images in (("small", 200), ("full", 1200))
    for labels, wrong in (("clean", 0.0), ("noisy", 0.2))
}
for (size, labels), splits in cases.items():
    clean = cases[size, "clean"]
    wrong = np.mean([np.mean(a.y_train != b.y_train) for a, b in zip(splits, clean, strict=True)])
    print(f"{size:5} {labels:5}: {SPLITS} splits of {len(splits[0].x_train)} training images, {wrong:.0%} wrong labels")

# %% [markdown]
# Four networks: plain, with Batch Normalization, with Dropout, with both. Each has three hidden layers of 100 ReLU units.
# Dropout stands at the end of each hidden layer, after the activation.
#
# **Predict**, for little data and wrong labels: order the four networks from the worst to the best on test images.

# %%
my_prediction = None  # your guess: such as ["both", "Dropout", "plain", "BatchNorm"], the worst first

# %% [markdown]
# Each network gets the best of four learning rates, *in each case*. Where Dropout takes part, its own rate is chosen as well:
# 0.25 or 0.5 with 200 images (with 1200 it is 0.5). What is best? For each split, what does best on the test images of the
# other seven, so that no split chooses for itself. (The training images cannot choose here: they would reward learning by
# heart.) `sweep` takes a list with a data set for each seed, so all splits are trained at once.
# Still, this is the longest cell of the notebook: four bars, one for each case, and three quarters of a minute on two cores.

# %% tags=["nbval-ignore-output"]
environment.quiet_tensorflow()
import keras

from helpers.networks import mlp
from helpers.training import sweep, train_many

NETWORKS = {"plain": ("none", False), "BatchNorm": ("before", False),  # where BatchNorm stands, whether there is Dropout
            "Dropout": ("none", True), "both": ("before", True)}
DROPOUT = {"small": [0.0, 0.25, 0.5], "full": [0.0, 0.5]}
LEARNING_RATES = {"small": [0.003, 0.01, 0.03, 0.1], "full": [0.01, 0.03, 0.1, 0.3]}
SETTINGS = {  # enough steps to fit 200 images; of "full", the first evaluation is after 75 steps
    "small": {"steps": 600, "batch_size": 16, "evaluate_every": 600},
    "full": {"steps": 450, "batch_size": 32, "evaluate_every": 75},
}
sweeps = {
    (size, labels): sweep(
        {"normalization": ["none", "before"], "dropout": DROPOUT[size], "learning_rate": LEARNING_RATES[size]},
        mlp, splits, seeds=NUMBERS, **SETTINGS[size],  # the number of a split is its seed
    )
    for (size, labels), splits in cases.items()
}


def tried(size, labels, name):
    """The runs of this network, one for each of its rates."""
    normalization, with_dropout = NETWORKS[name]
    found = sweeps[size, labels]
    return [runs for point, runs in zip(found.points, found.runs, strict=True)
            if point["normalization"] == normalization and (point["dropout"] > 0) == with_dropout]


def test_scores(runs):
    return runs.moving.test_accuracy[:, -1]


def tuned(size, labels, name, score=test_scores):
    """score(runs) of the network, one number for each split, at the rates that are best on the other splits: (splits,)."""
    runs = tried(size, labels, name)
    accuracy = np.array([test_scores(one) for one in runs])  # (rates, splits)
    on_the_others = accuracy.sum(axis=1, keepdims=True) - accuracy
    return np.array([score(one) for one in runs])[on_the_others.argmax(axis=0), range(SPLITS)]


print(sum(len(found.runs) for found in sweeps.values()) * SPLITS, "networks trained")

# %% [markdown]
# Look at the distance from the dotted line, the plain network. Grey is the zone of ±2 points: too little to count in the verdict.

# %% tags=["nbval-ignore-output"]
from helpers.plots import COLORS, MARKERS, Plot, interval_band, new_figure
from helpers.statistics import mean_interval, paired_difference

WORDS = {"small": "200 images", "full": "1200 images", "clean": "all labels right", "noisy": "1 label in 5 wrong"}


def gain(size, labels, name, over="plain"):
    """Test accuracy minus that of another network, split by split."""
    return paired_difference(tuned(size, labels, name), tuned(size, labels, over))


figure, axes = new_figure(2, 2, width=9, height=4.6, sharex=True, sharey=True)
sentences = []
for axis, (size, labels) in zip(axes.ravel(), cases, strict=True):
    axis.axvspan(-2, 2, color="#EEEEEE")
    axis.axvline(0, color="black", ls=":", lw=1)
    for i, name in enumerate(("BatchNorm", "Dropout", "both"), start=1):
        found = gain(size, labels, name)
        axis.errorbar(100 * found.mean, -i, xerr=[[100 * (found.mean - found.low)], [100 * (found.high - found.mean)]],
                      color=COLORS[i], marker=MARKERS[i], capsize=4, ls="none")
    plain = mean_interval(tuned(size, labels, "plain"))
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
order = sorted(NETWORKS, key=lambda name: tuned("small", "noisy", name).mean())
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print(f"little data, wrong labels: the worst is {order[0]}, the best is {order[-1]}")
clear = [gain(size, labels, "BatchNorm").low > 0.02 for size, labels in cases]
print("BatchNorm alone clearly gains more than 2 points in", sum(clear), "of", len(clear), "cases")
ahead = all(gain("small", "noisy", name, over="BatchNorm").low > 0 for name in ("Dropout", "both"))
print("200 images, wrong labels: Dropout alone, and both together, are ahead of BatchNorm:", ahead)
print("200 images, wrong labels: both together are ahead of plain:", gain("small", "noisy", "both").low > 0)
print("200 images, wrong labels: Dropout alone clearly gains more than 2 points:", gain("small", "noisy", "Dropout").low > 0.02)

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
    return paired_difference(*(tuned(size, labels, name, score) for name in ("BatchNorm", "plain")))


growth = {case: change(*case, gap) for case in cases}
for size, labels in cases:
    print(f"{WORDS[size]:>11}, {WORDS[labels]}: test {gain(size, labels, 'BatchNorm')}")
    print(f"       = training {change(size, labels, on_training_images)} − gap {growth[size, labels]}")

# %%
print("the gap shrinks in", sum(found.high < 0 for found in growth.values()), "of", len(growth), "cases")
gaining = [case for case in cases if gain(*case, "BatchNorm").low > 0]
optimised = [case for case in gaining if growth[case].high > 0]
print("gains on unseen images whose gap does not clearly shrink:", len(optimised), "of", len(gaining))

# %% [markdown]
# A gain without a shrinking gap is no remedy for overfitting: the network simply fits the images better, old and new ones
# alike. (On Fashion-MNIST, with all images and right labels, Batch Normalization gains more than on the digits, where the
# plain network already makes few errors.)
#
# Two questions remain. How can Batch Normalization help so little where labels are wrong, when it trains so well? And why
# does Dropout gain so little *alone*, with wrong labels, where it should shine?
#
# Both answers are in the learning rates. Here is the whole sweep for 200 images with wrong labels, Dropout at 0.5. On the right is the accuracy on
# the *training* images. A network that gets every image right would reach 80 % there (the dotted line), because one label
# in five is wrong. Whatever lies above has been learnt by heart.

# %% tags=["nbval-ignore-output"]
def at_every_rate(name):
    """{learning rate: the runs of this network}, 200 images with wrong labels, Dropout (if any) at 0.5."""
    normalization, with_dropout = NETWORKS[name]
    arm = {"normalization": normalization, "dropout": 0.5 if with_dropout else 0.0}
    return {rate: sweeps["small", "noisy"][{**arm, "learning_rate": rate}] for rate in LEARNING_RATES["small"]}


figure, axes = new_figure(1, 2, width=9, height=3.8, sharey=True)
best_rates = []
for i, name in enumerate(NETWORKS):
    runs = at_every_rate(name)
    interval_band(axes[0], {rate: mean_interval(test_scores(one)) for rate, one in runs.items()}, i, name)
    interval_band(axes[1], {rate: mean_interval(one.moving.train_accuracy[:, -1]) for rate, one in runs.items()}, i, name)
    mean = {rate: 100 * test_scores(one).mean() for rate, one in runs.items()}
    best = max(mean, key=mean.get)
    best_rates.append(f"{name} {best:g} ({mean[best]:.1f} %)")
for axis in axes:
    axis.set(xscale="log", xlabel="learning rate")
    axis.set_xticks(LEARNING_RATES["small"], [f"{rate:g}" for rate in LEARNING_RATES["small"]])
axes[0].set(title="test images", ylabel="accuracy (%)")
axes[1].set(title="training images, 1 label in 5 wrong")
right = np.mean([np.mean(a.y_train == b.y_train)
                 for a, b in zip(cases["small", "noisy"], cases["small", "clean"], strict=True)])
axes[1].axhline(100 * right, color="black", ls=":", lw=1)
axes[0].legend(loc="lower center", fontsize=9)
Plot(figure, f"200 images, wrong labels. Best learning rate on test images: {', '.join(best_rates)}. Bands are 95 % "
             "intervals of eight splits.")


# %%
def fitted(limit, accuracies):
    """The networks whose training accuracy, {name: (splits,)}, is above the limit with its whole interval."""
    return ", ".join(name for name, accuracy in accuracies.items() if mean_interval(accuracy).low > limit) or "none"


print("more than 90 % of the labels fitted, though a fifth is wrong,")
for rate in (0.01, 0.1):
    print(f"   200 images, rate {rate:<5}           :", fitted(0.9, {name: on_training_images(at_every_rate(name)[rate]) for name in NETWORKS}))
for size in ("small", "full"):
    print(f"  {WORDS[size]:>11}, each at its best rates:",
          fitted(0.9, {name: tuned(size, "noisy", name, score=on_training_images) for name in NETWORKS}))

# %% [markdown]
# Wrong labels are learnt *late*: first comes what many images share, then the exceptions, one by one (Arpit et al. 2017,
# arXiv:1706.05394). So there are two
# ways to keep a network from them. Dropout makes it hard to learn by heart at any rate: no unit can rely on the presence
# of another. That is the *over-dependence* of the lesson. Or you **stop early**, and a small learning rate does that: it
# does not come further in 600 steps. Given a choice of rates, the plain network takes this way out, and so Dropout alone
# has little left to gain. Had we compared all of them at 0.1, we would have praised Dropout for what a smaller step does
# nearly as well. (Where a best rate lies at the edge of the sweep: one step further out, tried beforehand, no network does
# better.)
#
# Batch Normalization makes optimisation easier, and that includes the optimisation of nonsense: it reaches the exceptions
# sooner. Its only brake is the noise of the batch statistics, a mild one. That is why it is Batch Normalization that
# gains most from Dropout: one is the engine, the other the brake. With 1200 images, at its best rate, no network gets round
# to learning many labels by heart in these 12 epochs, and there is little to prevent.
#
# Now the engine. **Predict:** all data, clean labels, only 75 steps. Who is ahead on the training images, and by how many
# points?

# %%
my_prediction = None  # your guess: (network, points), such as ("Dropout", 3)

# %% tags=["nbval-ignore-output"]
def early(name):
    """Training accuracy (splits,) after 75 steps, all data with clean labels; Dropout off, recomputed statistics."""
    return tuned("full", "clean", name, score=lambda runs: runs.recomputed.train_accuracy[:, 0])


for name in NETWORKS:
    print(f"{name:10} {mean_interval(early(name))}")
early_gain = paired_difference(early("BatchNorm"), early("Dropout"))
print("BatchNorm − Dropout:", early_gain)
print("BatchNorm − plain:  ", paired_difference(early("BatchNorm"), early("plain")))

# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("BatchNorm is ahead of Dropout by more than 2 points:", early_gain.low > 0.02)

# %% [markdown]
# Compare with *plain* too: most of the distance is Dropout's slowness. And the rates were chosen for the end of training,
# not for its first 75 steps. Take the direction from this, not the size.
#
# So one helps you to *get there*. The other keeps you from *believing everything*, where something else does not.
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
my_prediction = None  # your guess: (safe with right labels?, safe with wrong labels?, less?), such as (True, True, True)

# %% tags=["nbval-ignore-output"]
def dropout_gains(labels):
    """What Dropout gains beside BatchNorm, what it gains without, and the difference of the two (200 images)."""
    accuracy = {name: tuned("small", labels, name) for name in NETWORKS}
    beside, without = accuracy["both"] - accuracy["BatchNorm"], accuracy["Dropout"] - accuracy["plain"]
    return mean_interval(beside, unit="points"), mean_interval(without, unit="points"), paired_difference(beside, without)


figure, axes = new_figure(1, 2, width=9, height=3.6, sharey=True)
for axis, labels in zip(axes, ("clean", "noisy"), strict=True):
    for i, (name, normalization) in enumerate((("without BatchNorm", "none"), ("with BatchNorm", "before"))):
        best = {}  # at the best learning rate
        for rate in DROPOUT["small"]:
            arm = {"normalization": normalization, "dropout": rate}
            runs = [sweeps["small", labels][{**arm, "learning_rate": one}] for one in LEARNING_RATES["small"]]
            best[rate] = mean_interval(max(map(test_scores, runs), key=np.mean))
        interval_band(axis, best, i, name)
    axis.set(title=f"200 images, {WORDS[labels]}", xlabel="dropout rate")
    axis.set_xticks(DROPOUT["small"])
    axis.legend(loc="lower right")
axes[0].set_ylabel("test accuracy (%)")
cost, change, said = {}, {}, []  # beside BatchNorm, removing Dropout costs what it gains
for labels in ("clean", "noisy"):
    cost[labels], without, change[labels] = dropout_gains(labels)
    said.append(f"{WORDS[labels]}: {cost[labels]} beside BatchNorm, {without} without, difference {change[labels]}")
Plot(figure, f"What Dropout gains, at its best rate. {'; '.join(said)}. In the figure each point has its best learning rate; "
             "bands are 95 % intervals of eight splits.")


# %%
print("your prediction:", my_prediction if my_prediction is not None else "no prediction yet")
print("safe with right labels:", cost["clean"].high < 0.02)
print("safe with wrong labels:", cost["noisy"].high < 0.02)
print("with wrong labels, Dropout gains clearly less beside BatchNorm:", change["noisy"].high < -0.02)
print("... and clearly more:", change["noisy"].low > 0)

# %% [markdown]
# "May be removed" is true for clean labels. Did Batch Normalization take over Dropout's work there? Compare with what Dropout
# gains in the network without it: there was little work to take over. Where Dropout has work to do, with wrong labels,
# Batch Normalization does not take it over. On the contrary: it makes that work more needed. The ImageNet benchmark that the
# last card quotes, of a large network with clean labels, did best with *some* Dropout beside Batch Normalization, less
# than the usual 0.5.
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
    assert abs(in_training - 1 / (1 - rate)) < 0.1, f"in training the variance is {in_training}, not 1/(1 − {rate})"
    assert abs(output - (1 - rate)) < 0.1, f"behind BatchNorm the variance is {output}, not 1 − {rate}"
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

dataset = load()
PLACES = {"before each BatchNorm": "before_normalization", "after each activation": "after_activation",
          "once, at the end": "last_layer"}
deep = {
    name: train_many(functools.partial(mlp, depth=5, momentum=0.9, dropout=0.5, dropout_position=place), dataset, seeds=8,
                     steps=250, batch_size=64, optimizer=keras.optimizers.SGD(0.03), evaluate_every=250)
    for name, place in PLACES.items()
}


def accuracy_in_training_mode(runs):
    """Training accuracy (seeds,) with batch statistics and with Dropout at work."""
    return [np.mean(np.argmax(runs.model(seed)(dataset.x_train, training=True), axis=1) == dataset.y_train)
            for seed in runs.seeds]


modes = {
    name: {"training mode": accuracy_in_training_mode(runs), "inference": runs.moving.train_accuracy[:, -1],
           "inference, recomputed": runs.recomputed.train_accuracy[:, -1]}
    for name, runs in deep.items()
}

shallow = [  # the same question for the networks "both" above, on test images
    mean_interval(tuned(*case, "both", score=lambda runs: runs.recomputed.test_accuracy[:, -1] - test_scores(runs)),
                  unit="points")
    for case in cases
]

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
print("... and in the three-layer networks with both, above:", all(found.high < 0.02 for found in shallow))

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
claims.record(card, dataset, splits=SPLITS, learning_rates={**LEARNING_RATES, "chosen": "on the other splits"},
              **{f"{size}_{labels}": repr(sweeps[size, labels].runs[0]) for size, labels in cases})
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
#
# - Batch Normalization is for optimisation. As a remedy for overfitting it is mild at best; wrong labels it learns by heart
#   even sooner.
# - Dropout slows learning down and resists wrong labels. So does a small learning rate, or stopping early: tune the rate
#   of *both* networks before you praise either.
# - Remove Dropout because *your data* do not need it, which you can measure, and not because Batch Normalization is there:
#   where labels were wrong, it made Dropout more useful, not less.
# - Dropout anywhere before Batch Normalization makes training and inference disagree. Put it behind the last Batch
#   Normalization, or recompute the statistics.
#
# **Next:** [07 · Exercises](07_exercises.ipynb)
