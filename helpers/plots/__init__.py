"""The course's figures, each with a caption in words computed from the data under it."""

from helpers.plots.colors import COLORS, LINESTYLES, MARKERS
from helpers.plots.comparisons import (
    interval_band,
    interval_rows,
    learning_curves,
    learning_rate_sweep,
    paired_arms,
    trained_from,
)
from helpers.plots.covariate_shift import (
    PERCENTILES,
    drift_against_accuracy,
    drift_over_training,
    drift_parts_bars,
    hill,
    image_positions,
    percentiles_over_training,
    ridge,
    ridgelines,
)
from helpers.plots.drawings_layer import backward_graph, feature_strips
from helpers.plots.placement import accuracy_by_rate, placement_map, saturation
from helpers.plots.shared_means import shared_means
from helpers.plots.style import DPI, Plot, new_figure

__all__ = [
    "COLORS",
    "DPI",
    "LINESTYLES",
    "MARKERS",
    "PERCENTILES",
    "Plot",
    "accuracy_by_rate",
    "backward_graph",
    "drift_against_accuracy",
    "drift_over_training",
    "drift_parts_bars",
    "feature_strips",
    "hill",
    "image_positions",
    "interval_band",
    "interval_rows",
    "learning_curves",
    "learning_rate_sweep",
    "new_figure",
    "paired_arms",
    "percentiles_over_training",
    "placement_map",
    "ridge",
    "ridgelines",
    "saturation",
    "shared_means",
    "trained_from",
]
