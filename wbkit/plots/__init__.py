"""Pictures that explain: poses over photos, heatmaps over crops, curves, and where a model fails.

Plots draw on the Axes they are given (or new ones) and return them; those of failures draw exactly the
numbers of the table that they are given. `wbkit.plots.encoding` and
`wbkit.plots.decoding` need torch, which what is handed on here does not: import them by name.
"""

from wbkit.plots.anatomy import show_keypoint_map, show_tolerance
from wbkit.plots.body_map import plot_body_map
from wbkit.plots.calibration import plot_calibration
from wbkit.plots.comparison import FEWEST, plot_comparison, plot_keypoint_changes, plot_slice_changes
from wbkit.plots.costs import plot_ap_waterfall, plot_costs
from wbkit.plots.crops import show_crop, show_pixel_conventions
from wbkit.plots.curves import plot_precision_recall, plot_precision_recall_by_part, training_curves
from wbkit.plots.evaluation import plot_by_part, plot_interpolation, plot_matching, show_similarity_rings
from wbkit.plots.examples import show_example, show_examples
from wbkit.plots.failure_bars import plot_causes, plot_confusions
from wbkit.plots.gallery import clearest_example, show_cause, show_causes, show_worst, truth_beside_prediction
from wbkit.plots.jitter import CLOUD_KEYPOINTS, plot_jitter_clouds
from wbkit.plots.matrices import (
    fixed_broken_table,
    plot_cause_changes,
    plot_confusion_matrix,
    plot_fixed_broken,
)
from wbkit.plots.network import draw_network, show_branch_features
from wbkit.plots.poses import draw_pose, show_heatmap, show_part_heatmaps, show_poses
from wbkit.plots.slices import plot_sensitivity, plot_slices
from wbkit.plots.styles import CAUSE_STYLES, PART_MARKERS, PART_STYLES, words

__all__ = [
    "CAUSE_STYLES",
    "CLOUD_KEYPOINTS",
    "FEWEST",
    "PART_MARKERS",
    "PART_STYLES",
    "clearest_example",
    "draw_network",
    "draw_pose",
    "fixed_broken_table",
    "plot_ap_waterfall",
    "plot_body_map",
    "plot_by_part",
    "plot_calibration",
    "plot_cause_changes",
    "plot_causes",
    "plot_comparison",
    "plot_confusion_matrix",
    "plot_confusions",
    "plot_costs",
    "plot_fixed_broken",
    "plot_interpolation",
    "plot_jitter_clouds",
    "plot_keypoint_changes",
    "plot_matching",
    "plot_precision_recall",
    "plot_precision_recall_by_part",
    "plot_sensitivity",
    "plot_slice_changes",
    "plot_slices",
    "show_branch_features",
    "show_cause",
    "show_causes",
    "show_crop",
    "show_example",
    "show_examples",
    "show_heatmap",
    "show_keypoint_map",
    "show_part_heatmaps",
    "show_pixel_conventions",
    "show_poses",
    "show_similarity_rings",
    "show_tolerance",
    "show_worst",
    "training_curves",
    "truth_beside_prediction",
    "words",
]
