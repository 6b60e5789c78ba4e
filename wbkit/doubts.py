"""What looks like a mistake in files that can be used all the same."""

from __future__ import annotations

import numpy as np

from wbkit.columns import Annotations, Results
from wbkit.keypoints import PARTS
from wbkit.matching import MAX_DETECTIONS
from wbkit.nms import repeated_ids, rescore_and_nms


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
    to_be_found = (annotations.keypoints[..., 2] > 0).any(1) & ~annotations.crowd  # (N,)
    wanted = np.unique(annotations.person_image_ids[to_be_found])
    without = int((~np.isin(wanted, results.image_ids)).sum())
    if without:
        found.append(
            f"{without:,} of {len(wanted):,} pictures with labelled people have no result: counted as missed"
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


def taken(
    annotations: Annotations, results: Results, shape: tuple[int, int] | None
) -> tuple[Results, list[str]]:
    """What is evaluated of results, and what to tell of them.

    Args:
        shape: network input (W, H) px to rescore and suppress with (`rescore_and_nms`); None: as they are.

    Returns:
        the results that count, and `doubts` with what was left out, each in one sentence.

    Raises:
        InputError: as `rescore_and_nms`.
    """
    notes = doubts(annotations, results)
    if shape:
        kept = rescore_and_nms(results, input_size=shape)
        repeated = repeated_ids(results)
        near = len(results) - len(kept) - repeated
        told = [f"{len(kept):,} of {len(results):,} are left after rescoring (near a better one: {near:,}"]
        told[0] += f"; with an id of their picture once more: {repeated:,})" if repeated else ")"
    else:
        kept, told = results, []
        if np.isfinite(results.box_scores).any():
            told += ["results with box scores, taken as they are: --rescore does first what MMPose does"]
    _, count = np.unique(kept.image_ids, return_counts=True)
    beyond = np.maximum(count - MAX_DETECTIONS, 0).sum()
    if beyond:
        told.append(f"{beyond:,} are beyond their picture's best {MAX_DETECTIONS}: COCO leaves these out")
    return kept, notes + told


def _missing_parts(annotations: Annotations, results: Results) -> list[str]:
    """Parts that nobody has labels of, and labelled ones of which all predictions are zeros."""
    no_labels = absent_parts(annotations.keypoints[..., 2])
    no_points = [part for part in absent_parts(results.keypoints) if part not in no_labels]
    no_scores = [
        part for part in absent_parts(results.keypoints[..., 2] > 0) if part not in no_labels + no_points
    ]
    found = [f"nobody has labels for {', '.join(no_labels)}: wholebody counts the rest"] * bool(no_labels)
    found += [f"the results have no {', '.join(no_points)}: counted as missed"] * bool(no_points)
    text = f"no score of {', '.join(no_scores)} is above 0: counted as missed (of x, y, score the third)"
    return found + [text] * bool(no_scores)
