"""The README's picture of the failure analysis: `python tools/failure_picture.py` draws docs/failures.png.

From the embedded labels and the shipped model's results in data/results.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from wbkit.failures import analyse, ap_cost, cause_table, keypoint_summary, keypoint_table, waterfall_table
from wbkit.files import atomic_write, data_folder
from wbkit.plots import plot_ap_waterfall, plot_body_map, plot_causes

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "failures.png"
LABELS, RESULTS = "wholebody-mini/annotations/coco_wholebody_val_v1.0.json", "results/flip_test.json"


def draw() -> plt.Figure:
    """Causes by part above, the body map and the waterfall below."""
    analysis = analyse(data_folder() / LABELS, data_folder() / RESULTS)
    table = keypoint_table(analysis)
    figure = plt.figure(figsize=(13, 9.2), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.75))
    left, right = below.subplots(1, 2, width_ratios=(1.35, 1))
    plot_causes(cause_table(table), ax=above.subplots())
    errors = keypoint_summary(table)["error_person"]
    plot_body_map(errors, label="median error / √area", title="Size of the errors", ax=left)
    title = "Whole-body AP as the causes are repaired"
    plot_ap_waterfall(waterfall_table(ap_cost(analysis)), title=title, ax=right)
    return figure


def main() -> None:
    """Draw and write the picture."""
    with atomic_write(PICTURE) as temporary:
        draw().savefig(temporary, dpi=80)


if __name__ == "__main__":
    main()
