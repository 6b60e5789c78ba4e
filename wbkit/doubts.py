"""What looks like a mistake in files that can be used all the same."""

from __future__ import annotations

import numpy as np

from wbkit.columns import Annotations, Results
from wbkit.keypoints import PARTS


def absent_parts(values: np.ndarray) -> list[str]:
    """The five parts of which nobody has a number but 0: (N, 133, ...) v, scores or triples."""
    return [part for part, points in PARTS.items() if part != "wholebody" and not values[:, points].any()]


def doubts(annotations: Annotations, results: Results) -> list[str]:
    """What looks like a mistake in files that can be used all the same, each in one sentence.

    Pictures without results, coordinates that are no pixels, boxes that are corners, parts that a file lacks.
    """
    if not len(results):
        return ["the file holds no results"]
    found = _missing_parts(annotations, results)
    wanted = np.unique(annotations.person_image_ids[~annotations.crowd])
    without = int((~np.isin(wanted, results.image_ids)).sum())
    if without:
        found.append(
            f"{without:,} of {len(wanted):,} pictures with people have no result: those count as missed"
        )
    largest = np.abs(results.keypoints[..., :2]).max()
    if 0 < largest <= 1.5:
        found.append("all coordinates lie within 1.5: they should be pixels of the picture, not shares of it")
    known = np.isin(results.image_ids, annotations.image_ids)
    sizes = annotations.image_sizes_wh[annotations.pictures_of(results.image_ids[known])]
    boxes = results.boxes_xywh[known]
    beyond = ((boxes[:, :2] + boxes[:, 2:] > 1.1 * sizes) & (sizes > 0)).any(1)  # False for NaN, too
    if beyond.sum() > 0.2 * len(beyond):
        found.append(
            f"{beyond.sum():,} of {len(beyond):,} boxes reach far out of their picture: they should be x, y, "
            "width, height, not two corners"
        )
    return found


def unrescored(results: Results) -> list[str]:
    """The doubt whether results that carry a detector's scores are meant to be taken as they are."""
    given = np.isfinite(results.box_scores).any()
    return ["results with box scores, taken as they are: --rescore does first what MMPose does"] * int(given)


def _missing_parts(annotations: Annotations, results: Results) -> list[str]:
    """Parts that nobody has labels of, and labelled ones of which all predictions are zeros."""
    no_labels = absent_parts(annotations.keypoints[..., 2])
    no_points = [part for part in absent_parts(results.keypoints) if part not in no_labels]
    found = [f"nobody has labels for {', '.join(no_labels)}: wholebody counts the rest"] * bool(no_labels)
    return found + [f"the results have no {', '.join(no_points)}: counted as missed"] * bool(no_points)
