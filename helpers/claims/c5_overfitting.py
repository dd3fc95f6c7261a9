"""C5: Batch Normalization alone reduces overfitting."""

from helpers.claims.claim import CONDITIONS, NOT_SUPPORTED, SUPPORTED, Claim, Measure


def decide(small_clean_gain, small_noisy_gain, full_clean_gain, full_noisy_gain):
    """Many: at least three of the four cases, small or full data with clean or noisy labels. Significantly: the
    interval lies above the bound, not only above zero. Supported: many cases. Supported with conditions: one or two.
    Not supported here: none."""
    cases = {
        "little data, clean labels": small_clean_gain,
        "little data, noisy labels": small_noisy_gain,
        "all data, clean labels": full_clean_gain,
        "all data, noisy labels": full_noisy_gain,
    }
    helped = [name for name, answer in cases.items() if answer]
    if not helped:
        return (
            NOT_SUPPORTED,
            "In none of the four cases (little or all data, right or noisy labels) did Batch Normalization alone "
            "clearly gain more than 2 points on unseen images.",
        )
    listed = "; ".join(helped)
    if len(helped) >= 3:
        return SUPPORTED, f"Batch Normalization alone helps on unseen images in most cases ({listed})."
    return CONDITIONS, f"Batch Normalization alone helps on unseen images only with: {listed}."


CLAIM = Claim(
    name="C5",
    title="Batch Normalization alone significantly reduces overfitting",
    notebook="06_batchnorm_vs_dropout",
    quotes=("In many cases, BatchNorm alone significantly reduces overfitting.",),
    measures={
        f"{size}_{labels}_gain": Measure(
            f"{words}, {labels} labels: test accuracy with Batch Normalization − plain", "points", above=0.02, tries=4
        )
        for size, words in (("small", "little data"), ("full", "all data"))
        for labels in ("clean", "noisy")
    },
    decide=decide,
    supporting=(
        "CIFAR-10: 86.03 / 85.75 % with it, 83.00 / 82.00 % without, each with and without weight decay "
        "(Zhang et al. 2017, arXiv:1611.03530, Table 1).",
        "Its batch noise acts as a regulariser (Luo et al. 2019, arXiv:1809.00846).",
    ),
    opposing=("Random labels are still fitted to 100 % (Zhang et al. 2017, arXiv:1611.03530).",),
)
