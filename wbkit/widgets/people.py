"""Who an explorer shows if nobody is named: people of a data folder, chosen by rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wbkit.annotations import load_annotations
from wbkit.data import find_coco_folder, persons_from_annotations
from wbkit.detect import detect_people
from wbkit.errors import InputError
from wbkit.files import data_folder
from wbkit.keypoints import NUM_KEYPOINTS
from wbkit.pictures import read_image


@dataclass(frozen=True, eq=False)
class Person:
    """One person in one picture.

    Attributes:
        image: (H, W, 3) uint8 RGB. box_xywh: (4,) image px.
        labels: (133, 3) x, y image px, v; None if nobody knows. name: for people.
    """

    image: np.ndarray
    box_xywh: np.ndarray
    labels: np.ndarray | None
    name: str


def largest_person(data: str | Path | None = None) -> Person:
    """The person with most labelled keypoints of the val pictures, of equals the one with the largest box.

    Args:
        data: a COCO-WholeBody folder; None: the embedded set.

    Raises:
        InputError: there is no such folder, or nobody in it.
    """
    folder = find_coco_folder(data_folder() / "wholebody-mini" if data is None else Path(data))
    persons = persons_from_annotations(load_annotations(folder.annotations))
    if not len(persons):
        raise InputError(
            "has nobody with labelled body keypoints", "Give other data", file=folder.annotations
        )
    labelled = (persons.keypoints[..., 2] > 0).sum(1)  # (N,)
    index = int(np.lexsort((-persons.boxes_xywh[:, 2:].prod(1), -labelled))[0])
    name = f"person {persons.ids[index]} in {persons.file_names[index]}"
    image = read_image(folder.images / persons.file_names[index])
    return Person(image, persons.boxes_xywh[index], persons.keypoints[index], name)


def as_person(
    image: np.ndarray | str | Path | Person | None, box_xywh: np.ndarray | None, labels: np.ndarray | None
) -> Person:
    """What a caller gave, with the box that was not: the best one of `wbkit.detect.detect_people`.

    Raises:
        InputError: the picture cannot be read, or labels are not (133, 2 or 3).
    """
    if image is None:
        image = largest_person()
    if isinstance(image, Person):
        given = {} if box_xywh is None else {"box_xywh": np.asarray(box_xywh, float)}
        given |= {} if labels is None else {"labels": checked_labels(labels)}
        return replace(image, **given)
    name = "your picture" if isinstance(image, np.ndarray) else Path(image).name
    pixels = image if isinstance(image, np.ndarray) else read_image(image)
    if box_xywh is None:
        found = detect_people(pixels)
        box_xywh = found.boxes_xywh[int(np.argmax(found.scores))]
    return Person(pixels, np.asarray(box_xywh, float), checked_labels(labels), name)


def checked_labels(labels: np.ndarray | None) -> np.ndarray | None:
    """(133, 3) float64; v is 2 for all where only x and y are given."""
    if labels is None:
        return None
    labels = np.asarray(labels, float)
    if labels.shape not in ((NUM_KEYPOINTS, 2), (NUM_KEYPOINTS, 3)):
        raise InputError(f"labels have shape {labels.shape}", "Give (133, 3): x, y in image px, and v")
    return labels if labels.shape[1] == 3 else np.concatenate([labels, np.full((NUM_KEYPOINTS, 1), 2.0)], 1)
