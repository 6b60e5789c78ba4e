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
from wbkit.keypoints import NUM_KEYPOINTS, PARTS
from wbkit.zoom import ZOOMED, part_boxes

LEARNT_POINTS, LEARNT_PX = 8, 6.0  # labels and side of a part from which on it can be learnt from


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
        image_sizes_wh: (N, 2) int64 px of their pictures, as the annotation file says, 0 where it does not,
            or None.
    """

    image_ids: np.ndarray
    file_names: np.ndarray
    boxes_xywh: np.ndarray
    box_scores: np.ndarray
    ids: np.ndarray
    keypoints: np.ndarray
    image_sizes_wh: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, persons: np.ndarray | slice) -> Persons:
        """Only the given persons (indices, mask or slice)."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return Persons(**{name: v if v is None else v[persons] for name, v in columns.items()})


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
    names = [f.name for f in fields(Persons) if getattr(everyone[0], f.name) is not None]
    return Persons(**{name: np.concatenate([getattr(p, name) for p in everyone]) for name in names}), root


def persons_from_annotations(annotations: Annotations) -> Persons:
    """Ground-truth persons as MMPose uses them for training, and for testing with ground-truth boxes.

    Boxes are clipped to their picture. Left out: crowds, persons without a labelled body keypoint (even
    if hands or face are labelled), and boxes that are empty after clipping; `left_out` tells them.

    Raises:
        InputError: the file does not state a picture's size.
    """
    return _everybody(annotations).select(~np.any([*_unusable(annotations).values()], axis=0))


def part_persons(persons: Persons) -> tuple[Persons, np.ndarray, np.ndarray]:
    """Faces and hands with labels as persons of their own, to learn and to judge the second look.

    Returns:
        persons whose boxes are the squares around a part's labels, and whose other labels are 0; of each its
        owner, as index into `persons`, and its part, as index into `ZOOMED`. Left out: parts with few labels,
        and parts of a few pixels.
    """
    labelled = persons.keypoints[..., 2] > 0  # (N, 133)
    boxes, counts = part_boxes(persons.keypoints[..., :2], labelled)  # (N, 3, 4), (N, 3)
    owner, part = np.nonzero((counts >= LEARNT_POINTS) & (boxes[..., 2] >= LEARNT_PX))
    keypoints = np.zeros((len(owner), NUM_KEYPOINTS, 3))
    for j, name in enumerate(ZOOMED):
        keypoints[part == j, PARTS[name]] = persons.keypoints[owner[part == j], PARTS[name]]
    parts = replace(persons.select(owner), boxes_xywh=boxes[owner, part], keypoints=keypoints)
    return parts, owner, part


def left_out(annotations: Annotations) -> str:
    """Whom `persons_from_annotations` passes over, by reason, in one sentence; "" where it is nobody."""
    found = {reason: annotations.ids[mask] for reason, mask in _unusable(annotations).items() if mask.any()}
    told = [
        f"{len(ids)} {reason} (annotation {ids[0]}{' ...' * (len(ids) > 1)})" for reason, ids in found.items()
    ]
    return f"left out of {len(annotations)} people: {', '.join(told)}" if told else ""


def _unusable(annotations: Annotations) -> dict[str, np.ndarray]:
    """Reason -> (N,) whom it holds for; everybody has one reason at most."""
    unlabelled = (annotations.num_keypoints == 0) | ~(annotations.keypoints[..., 2] > 0).any(1)
    empty = ~(_everybody(annotations).boxes_xywh[:, 2:] > 0).all(1)
    crowd = annotations.crowd
    return {
        "marked as crowds": crowd,
        "without a labelled body keypoint": unlabelled & ~crowd,
        "with an empty box, or one outside of the picture": empty & ~unlabelled & ~crowd,
    }


def _everybody(annotations: Annotations) -> Persons:
    """All persons with clipped boxes."""
    picture = annotations.pictures_of(annotations.person_image_ids)  # (N,)
    sizes = annotations.image_sizes_wh[picture]  # (N, 2)
    if (sizes <= 0).any():
        record = f"image with id {annotations.person_image_ids[(sizes <= 0).any(1)][0]}"
        remedy = "Add the picture's size to the file"
        raise InputError("has no width or no height", remedy, file=annotations.source, record=record)
    boxes = clip_boxes(annotations.boxes_xywh, sizes)
    return Persons(
        image_ids=annotations.person_image_ids,
        file_names=annotations.file_names[picture],
        boxes_xywh=boxes,
        box_scores=np.ones(len(boxes)),
        ids=annotations.ids,
        keypoints=annotations.keypoints,
        image_sizes_wh=sizes,
    )


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
        image_sizes_wh=annotations.image_sizes_wh[picture],
    )
