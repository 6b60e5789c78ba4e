"""Where the files of a data set lie: in COCO's folders, or an annotation file and its pictures, named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from wbkit.errors import InputError

NAMES = ("coco_wholebody_{split}_v1.0.json", "person_keypoints_{split}2017.json")  # the first that is there
DETECTIONS = "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"


@dataclass(frozen=True)
class CocoFolder:
    """Where the files of one split of a COCO-WholeBody folder lie (layout: `data/README.md`)."""

    annotations: Path
    images: Path
    detections: Path | None


def annotation_file(folder: str | Path, split: str) -> Path:
    """The folder's annotation file: COCO-WholeBody's, else COCO's of 17 keypoints; it may not exist."""
    tried = [Path(folder) / "annotations" / name.format(split=split) for name in NAMES]
    return next((path for path in tried if path.exists()), tried[0])


def has_split(folder: str | Path, split: str) -> bool:
    """Whether a folder in COCO's layout has annotations and pictures of a split."""
    return annotation_file(folder, split).exists() and (Path(folder) / f"{split}2017").is_dir()


def find_coco_folder(folder: str | Path, split: str = "val") -> CocoFolder:
    """The files of `folder`: annotations/coco_wholebody_<split>_v1.0.json, <split>2017/, and detections.

    COCO's own annotations/person_keypoints_<split>2017.json serves where COCO-WholeBody's is not there. With
    other names and places: "labels.json:pictures", the annotation file and the folder of its pictures.

    Raises:
        InputError: the folder, its annotation file or its pictures are missing.
    """
    pair = re.fullmatch(r"(.+\.json):(.+)", str(folder), re.IGNORECASE | re.DOTALL)
    folder = Path(folder)
    needed = [] if pair else [(folder, "folder")]
    annotations = Path(pair[1]) if pair else annotation_file(folder, split)
    images = Path(pair[2]) if pair else folder / f"{split}2017"
    for path, what in [*needed, (annotations, "annotation file"), (images, "picture folder")]:
        if not path.exists():
            raise InputError(
                f"the {what} is missing",
                f"Give --data a folder with annotations/{NAMES[0].format(split=split)} and {split}2017/, "
                "or labels.json:pictures (an annotation file, a colon, the folder of its pictures)",
                file=path,
            )
    detections = folder / DETECTIONS
    return CocoFolder(annotations, images, detections if split == "val" and detections.exists() else None)
