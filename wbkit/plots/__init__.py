"""Pictures that explain: poses over photos, heatmaps over crops, precision-recall and training curves.

Plots draw on the Axes they are given (or new ones) and return them.
"""

from wbkit.plots.anatomy import show_keypoint_map, show_tolerance
from wbkit.plots.curves import plot_precision_recall, training_curves
from wbkit.plots.poses import draw_pose, show_heatmap, show_part_heatmaps, show_poses
from wbkit.plots.styles import PART_STYLES

__all__ = [
    "PART_STYLES",
    "draw_pose",
    "plot_precision_recall",
    "show_heatmap",
    "show_keypoint_map",
    "show_part_heatmaps",
    "show_poses",
    "show_tolerance",
    "training_curves",
]
