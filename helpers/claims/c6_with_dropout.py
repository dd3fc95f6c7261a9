"""C6: Batch Normalization beside Dropout, or in its place."""

from helpers.claims.claim import CONDITIONS, NOT_SUPPORTED, SUPPORTED, Claim, Measure
from helpers.claims.literature import CAFFENET


def decide(early_gain, noisy_label_gain, need_change, clean_removal_cost, noisy_removal_cost, variance_shift):
    """Different problems: Batch Normalization is ahead early in training, Dropout on test images after noisy labels.
    Reduced: with little data and noisy labels, where Dropout has work to do, it gains clearly less beside Batch
    Normalization than without. Removed: leaving it out beside Batch Normalization costs less than 2 points.
    Not supported here: one of these three fails (different problems; reduced; removed, with clean labels). Supported:
    removed with noisy labels too, and Dropout before Batch Normalization does no harm. Supported with conditions:
    otherwise."""
    gains = {True: "gains less", False: "does not gain less", None: "does not clearly gain less"}[need_change]
    said = [f"With few data and noisy labels, Dropout {gains} beside Batch Normalization than without it"]
    if not clean_removal_cost:
        said.append("Even with clean labels it could not clearly be left out")
    else:
        said.append("It can be left out with clean labels" + (" and with noisy ones" if noisy_removal_cost else ""))
    if not early_gain:
        said.append("Batch Normalization is not clearly ahead of Dropout early in training")
    elif noisy_removal_cost is False:
        said.append("Batch Normalization is ahead early in training, and Dropout still gains beside it")
    if need_change and not noisy_label_gain:
        said.append("Alone, Dropout is not clearly ahead of Batch Normalization with noisy labels")
    if not variance_shift:
        said.append("Dropout before Batch Normalization spoils its moving statistics")
    verdict = SUPPORTED if noisy_removal_cost and variance_shift else CONDITIONS
    needed = early_gain and noisy_label_gain and need_change and clean_removal_cost
    return verdict if needed else NOT_SUPPORTED, ". ".join(said) + "."


CLAIM = Claim(
    name="C6",
    title="Batch Normalization and Dropout solve different problems; the first may replace the second",
    notebook="06_batchnorm_vs_dropout",
    quotes=(
        "However, when BatchNorm is strong, dropout may be reduced or removed.",
        "They solve different problems and are often used together in deep networks.",
        "Batch Normalization stabilizes learning.",
        "Dropout prevents over-dependence.",
    ),
    measures={
        "early_gain": Measure(
            "training accuracy after the same few steps, Batch Normalization − Dropout", "points", above=0.02
        ),
        "noisy_label_gain": Measure(
            "little data, noisy labels: test accuracy, Dropout − Batch Normalization", "points", above=0.02
        ),
        "need_change": Measure(
            "little data, noisy labels: points that Dropout gains beside Batch Normalization − without it",
            "points",
            below=-0.02,
        ),
        "clean_removal_cost": Measure(
            "little data, clean labels, with Batch Normalization: test accuracy with − without Dropout",
            "points",
            below=0.02,
        ),
        "noisy_removal_cost": Measure(
            "little data, noisy labels, with Batch Normalization: test accuracy with − without Dropout",
            "points",
            below=0.02,
        ),
        "variance_shift": Measure(
            "deep network, Dropout directly before Batch Normalization: accuracy with recomputed − moving statistics",
            "points",
            below=0.05,
        ),
    },
    decide=decide,
    supporting=(
        "An empirical comparison of the two, one by one and together (Garbin, Zhu & Marques 2020, "
        "Multimedia Tools and Applications).",
        "CaffeNet with Batch Normalization: 49.9 % right with dropout 0.5, 52.7 % with 0.2, 51.3 % with none "
        f"({CAFFENET}).",
    ),
    opposing=(
        "DenseNet on CIFAR-100 falls from 77.42 to 68.55 % with dropout 0.5 in each bottleneck (Li et al. "
        "2019, arXiv:1801.05134).",
    ),
)
