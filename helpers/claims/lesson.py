"""All claims of the lesson, in its order."""

from helpers.claims import (
    c1_covariate_shift,
    c2_formula,
    c3_placement,
    c4_speed_and_depth,
    c5_overfitting,
    c6_with_dropout,
    c7_inference,
    c8_batch_size,
    c9_very_deep,
)

CLAIMS = {
    module.CLAIM.name: module.CLAIM
    for module in (
        c1_covariate_shift,
        c2_formula,
        c3_placement,
        c4_speed_and_depth,
        c5_overfitting,
        c6_with_dropout,
        c7_inference,
        c8_batch_size,
        c9_very_deep,
    )
}
