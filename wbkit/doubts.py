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
    known = np.isin(results.image_ids, annotations.image_ids)
    sizes = annotations.image_sizes_wh[annotations.pictures_of(results.image_ids[known])]
    return found + _no_pixels(results.keypoints[..., :2]) + far_boxes(results.boxes_xywh[known], sizes)


def label_doubts(annotations: Annotations) -> list[str]:
    """What looks like a mistake in labels, each in one sentence.

    Coordinates that are no pixels, points outside their picture, boxes that are corners, a v above 2.
    """
    sizes = annotations.image_sizes_wh[annotations.pictures_of(annotations.person_image_ids)]  # (N, 2)
    points, v = annotations.keypoints[..., :2], annotations.keypoints[..., 2]
    outside = ((points < -1) | (points > sizes[:, None])).any(-1) & (v > 0) & (sizes > 0).all(1)[:, None]
    found = _no_pixels(points) + far_boxes(annotations.boxes_xywh, sizes)
    if outside.sum() > 0.05 * (v > 0).sum():
        found.append(f"{outside.sum():,} of {(v > 0).sum():,} labelled points lie outside their picture")
    if (v > 2).any():
        found.append(f"{(v > 2).sum():,} points have a v above 2: it is 0 (not labelled), 1 (hidden) or 2")
    return found


def _no_pixels(points: np.ndarray) -> list[str]:
    largest = np.abs(points).max(initial=0)
    text = "all coordinates lie within 1.5: they should be pixels of the picture, not shares of it"
    return [text] * bool(0 < largest <= 1.5)


def far_boxes(boxes_xywh: np.ndarray, sizes_wh: np.ndarray) -> list[str]:
    """The doubt whether boxes (N, 4) in pictures of sizes (N, 2) are not corners."""
    ends = boxes_xywh[:, :2] + boxes_xywh[:, 2:]
    beyond = ((ends > 1.1 * sizes_wh) & (sizes_wh > 0)).any(1)  # False for NaN, too
    text = f"{beyond.sum():,} of {len(beyond):,} boxes reach far out of their picture: they should be x, y, "
    return [text + "width, height, not two corners"] * bool(beyond.sum() > 0.2 * len(beyond))


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
