"""Who is looked at: persons of an annotation file or boxes of a detector, as MMPose chooses them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from wbkit.columns import Annotations, Detections
from wbkit.errors import InputError
from wbkit.geometry import clip_boxes


@dataclass(frozen=True, eq=False)
class Persons:
    """Boxes to look into, N persons: from ground truth or from a detector.

    Attributes:
        image_ids: (N,) int64.
        file_names: (N,) str, relative to the picture folder.
        boxes_xywh: (N, 4) float64 image px.
        box_scores: (N,) float64, 1 for ground truth.
        ids: (N,) int64, annotation id, or the running number of the detection.
        keypoints: (N, 133, 3) float64 image px and v, zeros for detections.
    """

    image_ids: np.ndarray
    file_names: np.ndarray
    boxes_xywh: np.ndarray
    box_scores: np.ndarray
    ids: np.ndarray
    keypoints: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, persons: np.ndarray | slice) -> Persons:
        """Only the given persons (indices, mask or slice)."""
        return Persons(**{f.name: getattr(self, f.name)[persons] for f in fields(self)})


def join_persons(everyone: Sequence[Persons], folders: Sequence[Path]) -> tuple[Persons, Path]:
    """Persons of several picture folders as one, and the folder in which all these lie.

    Of one folder they come back as they are; of more, file names begin with the way from there.
    """
    if len(everyone) == 1:
        return everyone[0], folders[0]
    folders = [folder.resolve() for folder in folders]
    root = Path(os.path.commonpath(folders))
    everyone = [
        replace(
            some, file_names=np.array([str(folder.relative_to(root) / n) for n in some.file_names.tolist()])
        )
        for some, folder in zip(everyone, folders, strict=True)
    ]
    columns = {f.name: np.concatenate([getattr(p, f.name) for p in everyone]) for f in fields(Persons)}
    return Persons(**columns), root


def persons_from_annotations(annotations: Annotations) -> Persons:
    """Ground-truth persons as MMPose uses them for training, and for testing with ground-truth boxes.

    Boxes are clipped to their picture. Left out: crowds, persons without a labelled body keypoint (even
    if hands or face are labelled), and boxes that are empty after clipping.

    Raises:
        InputError: the file does not state a picture's size.
    """
    picture = annotations.pictures_of(annotations.person_image_ids)  # (N,)
    sizes = annotations.image_sizes_wh[picture]  # (N, 2)
    if (sizes <= 0).any():
        record = f"image with id {annotations.person_image_ids[(sizes <= 0).any(1)][0]}"
        remedy = "Add the picture's size to the file"
        raise InputError("has no width or no height", remedy, file=annotations.source, record=record)
    boxes = clip_boxes(annotations.boxes_xywh, sizes)
    labelled = (annotations.keypoints[..., 2] > 0).any(1)
    usable = ~annotations.crowd & (annotations.num_keypoints > 0) & labelled & (boxes[:, 2:] > 0).all(1)
    return Persons(
        image_ids=annotations.person_image_ids,
        file_names=annotations.file_names[picture],
        boxes_xywh=boxes,
        box_scores=np.ones(len(boxes)),
        ids=annotations.ids,
        keypoints=annotations.keypoints,
    ).select(usable)


def persons_from_detections(annotations: Annotations, detections: Detections) -> Persons:
    """A detector's boxes in the pictures of an annotation file, unclipped, as MMPose uses them.

    Raises:
        InputError: a detection names a picture that the file does not have.
    """
    known = np.isin(detections.image_ids, annotations.image_ids)
    if not known.all():
        first = int(np.argmin(known))
        raise InputError(
            f"image {detections.image_ids[first]} is not in {annotations.source}",
            f"Use detections of the same pictures ({(~known).sum()} of {len(known)} are of others)",
            file=detections.source,
            record=f"detection {first}",
            field="image_id",
        )
    picture = annotations.pictures_of(detections.image_ids)  # (N,)
    return Persons(
        image_ids=detections.image_ids,
        file_names=annotations.file_names[picture],
        boxes_xywh=detections.boxes_xywh,
        box_scores=detections.scores,
        ids=np.arange(len(detections)),
        keypoints=np.zeros((len(detections), 133, 3)),
    )
