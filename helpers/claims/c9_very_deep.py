"""C9: Batch Normalization made very deep networks practical."""

from helpers.claims.claim import CONDITIONS, NOT_SUPPORTED, SUPPORTED, Claim, Measure
from helpers.claims.literature import IOFFE


def decide(residual_with, residual_without, plain_with, zero_branch, layer_norm):
    """A network trains where it comes most of the way from guessing to the best network of its depth. Not supported
    here: with skip connections it does not train with Batch Normalization, or it trains without it. Supported: it
    trains with Batch Normalization only, also without skip connections, and neither a branch that starts at zero nor
    Layer Normalization does as well. Supported with conditions: otherwise."""
    if not residual_with:
        return (
            NOT_SUPPORTED,
            "Even with skip connections, Batch Normalization did not clearly make it train.",
        )
    if not residual_without:
        return NOT_SUPPORTED, "With skip connections the very deep network may train without Batch Normalization too."
    shown = (
        "A very deep network with skip connections trains with Batch Normalization, and not without any normalisation. "
    )
    conditions = []
    if not plain_with:
        conditions.append("without skip connections Batch Normalization is not enough")
    others = {"a branch that starts at zero": zero_branch, "Layer Normalization": layer_norm}
    works = [name for name, fails in others.items() if fails is False]
    unclear = [name for name, fails in others.items() if fails is None]
    if works:
        conditions.append(f"with them {' and '.join(works)} {'serve' if len(works) > 1 else 'serves'} in its place")
    if unclear:
        conditions.append(f"whether {' and '.join(unclear)} would serve remains open")
    if conditions:
        return CONDITIONS, f"{shown}But {', and '.join(conditions)}."
    return SUPPORTED, shown + "It does so without skip connections too, and nothing else that was tried does as well."


def _share(words, **bounds):
    """How far a network of 40 layers comes; the bounds say whether it must train or must not."""
    return Measure(
        f"40 layers, {words}: how far from guessing (0) to the best of these networks (1), at its best learning rate",
        "%",
        **bounds,
    )


CLAIM = Claim(
    name="C9",
    title="Batch Normalization made very deep neural networks practical",
    notebook="09_very_deep_networks",
    quotes=(
        "Batch Normalization is one of the most important breakthroughs that made very deep neural networks practical.",
    ),
    measures={
        "residual_with": _share("skip connections, Batch Normalization", above=0.8),
        "residual_without": _share("skip connections, no normalisation", below=0.5),
        "plain_with": _share("no skip connections, Batch Normalization", above=0.5),
        "zero_branch": _share("skip connections, no normalisation, branches that start at zero", below=0.5),
        "layer_norm": _share("skip connections, Layer Normalization", below=0.5),
    },
    decide=decide,
    supporting=(
        f"Inception with Batch Normalization reaches the accuracy of Inception in a fraction of its steps ({IOFFE}).",
        "The first residual networks, of up to 152 layers, have it in every block (He et al. 2016, arXiv:1512.03385).",
        "In a residual block it makes the branch small beside the skip connection at the start, by a factor that grows "
        "with the depth (De & Smith 2020, arXiv:2002.10444).",
    ),
    opposing=(
        "With it, a plain network of 34 layers is worse than one of 18, on the training images too; skip connections "
        "are what mends that (He et al. 2016, arXiv:1512.03385).",
        "A residual branch that starts at zero trains as deep a network without it (De & Smith 2020, arXiv:2002.10444; "
        "Zhang, Dauphin & Ma 2019, Fixup, arXiv:1901.09321).",
        "State of the art on ImageNet without it (Brock et al. 2021, NFNets, arXiv:2102.06171).",
    ),
)
