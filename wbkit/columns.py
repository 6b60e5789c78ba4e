"""People as columns: one array per field, for ground truth, predictions and a detector's boxes.

`wbkit.annotations` reads them from COCO-WholeBody's files and writes them back. Field names and meanings:
COCO-WholeBody v1.0 (https://github.com/jin-s13/COCO-WholeBody/blob/master/data_format.md).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from wbkit.keypoints import PARTS

KEYPOINT_FIELDS = {
    "keypoints": PARTS["body"],
    "foot_kpts": PARTS["foot"],
    "face_kpts": PARTS["face"],
    "lefthand_kpts": PARTS["lefthand"],
    "righthand_kpts": PARTS["righthand"],
}
"""JSON field -> its slice of the 133; the field holds three numbers (x, y, v or score) a keypoint."""
VALID_PARTS = ("foot", "face", "lefthand", "righthand")
BOXED_PARTS = ("face", "lefthand", "righthand")
SCORED_PARTS = ("foot", "face", "lefthand", "righthand", "wholebody")


@dataclass(frozen=True, eq=False)
class Annotations:
    """Ground truth of one COCO-WholeBody file: I pictures, N persons, both in the file's order.

    Attributes:
        source: the file, for messages.
        image_ids: (I,) int64.
        file_names: (I,) str.
        image_sizes_wh: (I, 2) int64 px; 0 where the file does not say.
        ids: (N,) int64 annotation ids.
        person_image_ids: (N,) int64, the picture of each person.
        keypoints: (N, 133, 3) float64: x, y in image px; COCO's v (0 not labelled, 1 hidden, 2 visible).
        boxes_xywh: (N, 4) float64 image px, as in the file (not clipped).
        areas: (N,) float64 px^2, the segment's area that OKS divides by.
        crowd: (N,) bool.
        num_keypoints: (N,) int64 labelled body keypoints.
        valid: (N, 4) bool: foot_valid, face_valid, lefthand_valid, righthand_valid.
        part_boxes_xywh: (N, 3, 4) float64: face, left-hand, right-hand box; 0 where there is none.
    """

    source: str
    image_ids: np.ndarray
    file_names: np.ndarray
    image_sizes_wh: np.ndarray
    ids: np.ndarray
    person_image_ids: np.ndarray
    keypoints: np.ndarray
    boxes_xywh: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    num_keypoints: np.ndarray
    valid: np.ndarray
    part_boxes_xywh: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def pictures_of(self, image_ids: np.ndarray) -> np.ndarray:
        """Where pictures stand in the file: (M,) ids, all of them this file's -> (M,) indices."""
        order = np.argsort(self.image_ids, kind="stable")
        return order[np.searchsorted(self.image_ids, image_ids, sorter=order)]

    def select(self, persons: np.ndarray) -> Annotations:
        """The same pictures with only the given persons (indices or mask)."""
        columns: tuple[str, ...] = ("ids", "person_image_ids", "keypoints", "boxes_xywh", "areas", "crowd")
        columns += ("num_keypoints", "valid", "part_boxes_xywh")
        return replace(self, **{name: getattr(self, name)[persons] for name in columns})

    def select_images(self, image_ids: np.ndarray) -> Annotations:
        """Only the given pictures and everybody in them."""
        kept = np.isin(self.image_ids, image_ids)
        columns = {k: getattr(self, k)[kept] for k in ("image_ids", "file_names", "image_sizes_wh")}
        return replace(self.select(np.isin(self.person_image_ids, image_ids)), **columns)


@dataclass(frozen=True, eq=False)
class Results:
    """Predictions of any model for D persons, in the file's order.

    Attributes:
        source: the file, for messages.
        image_ids: (D,) int64.
        keypoints: (D, 133, 3) float64: x, y in image px, the keypoint's score.
        scores: (D,) float64, the person's score.
        areas: (D,) float64 px^2, by the reference's rule: of `bbox` where the file's first result
            carries one, else of the 17 body keypoints' extent.
        part_scores: (D, 5) float64: optional foot_score ... wholebody_score, `scores` where not given.
        boxes_xywh: (D, 4) float64 image px; NaN where not given.
        box_scores: (D,) float64, the detector's score; NaN where not given.
        ids: (D,) int64; -1 where not given.
        file_names: (D,) str, of the picture, "" where not given; or None. wbkit predict writes them.
        records: (D,) int64, each one's number in the file's list; None: all of the list, in its order.
    """

    source: str
    image_ids: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    areas: np.ndarray
    part_scores: np.ndarray
    boxes_xywh: np.ndarray
    box_scores: np.ndarray
    ids: np.ndarray
    file_names: np.ndarray | None = None
    records: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, persons: np.ndarray) -> Results:
        """Only the given persons (indices or mask), in the given order."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "source"}
        columns["records"] = np.arange(len(self)) if self.records is None else self.records
        return replace(self, **{k: v[persons] for k, v in columns.items() if v is not None})


@dataclass(frozen=True, eq=False)
class Detections:
    """Person boxes of a detector: `image_ids` (M,), `boxes_xywh` (M, 4) image px, `scores` (M,)."""

    source: str
    image_ids: np.ndarray
    boxes_xywh: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


def body_extent_areas(keypoints: np.ndarray) -> np.ndarray:
    """Area of the box around each person's 17 body keypoints: (D, 133, 3) -> (D,) px^2."""
    body = keypoints[:, PARTS["body"], :2]  # (D, 17, 2)
    if not len(body):
        return np.zeros(0)
    return np.prod(body.max(1) - body.min(1), axis=-1)
