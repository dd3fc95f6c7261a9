"""C8: reasonably large batches."""

from helpers.claims.claim import CONDITIONS, NOT_SUPPORTED, SUPPORTED, Claim, Measure


def decide(small_batch_loss, layernorm_small_batch_loss, large_batch_loss, large_recomputed_loss):
    """Not supported here: tiny batches cost Batch Normalization no accuracy. Supported: they do, LayerNorm loses
    nothing by them (so that it is not the small batch as such), and the largest batch is as good, with moving and with
    recomputed statistics. Supported with conditions: they do, but LayerNorm loses too, or the largest batch is not as
    good with one of the two."""
    if not small_batch_loss:
        return NOT_SUPPORTED, "Tiny batches did not clearly cost accuracy."
    conditions = []
    if not layernorm_small_batch_loss:
        conditions.append("tiny batches may cost a network with LayerNorm too")
    if not large_recomputed_loss:
        conditions.append("the largest batch is not the best")
    elif not large_batch_loss:
        conditions.append(
            "the largest batch is as good only with recomputed statistics, because its moving averages lag behind"
        )
    if conditions:
        return CONDITIONS, f"Tiny batches cost accuracy; but {', and '.join(conditions)}."
    return SUPPORTED, "Tiny batches cost Batch Normalization accuracy, LayerNorm none, and large batches do no harm."


CLAIM = Claim(
    name="C8",
    title="Batch Normalization works best with reasonably large batches",
    notebook="05_training_and_inference",
    quotes=("BatchNorm also works best when batch sizes are reasonably large.",),
    measures={
        "small_batch_loss": Measure(
            "Batch Normalization, recomputed statistics: test accuracy at batch 32 − at batch 2",
            "points",
            above=0.05,
        ),
        "layernorm_small_batch_loss": Measure(
            "LayerNorm: test accuracy at batch 32 − at batch 2", "points", below=0.02
        ),
        **{
            name: Measure(
                f"Batch Normalization, {statistics} statistics: test accuracy at batch 32 − at batch 128, as "
                "many examples seen",
                "points",
                below=0.02,
            )
            for name, statistics in (("large_batch_loss", "moving"), ("large_recomputed_loss", "recomputed"))
        },
    },
    decide=decide,
    supporting=(
        "ResNet-50 on ImageNet, error at batch 32 / 16 / 8 / 4 / 2: Batch Normalization 23.6 / 23.7 / 24.8 / "
        "27.3 / 34.7 %, GroupNorm, which looks at one image at a time, 24.1 / 24.2 / 24.0 / 24.2 / 24.1 % "
        "(Wu & He 2018, arXiv:1803.08494, Table 2).",
    ),
    opposing=(
        "Larger is not better as such: large batches take fewer steps, and it helps to take the statistics "
        "over small parts of them, “ghost batches” (Hoffer et al. 2017, arXiv:1705.08741).",
    ),
)
