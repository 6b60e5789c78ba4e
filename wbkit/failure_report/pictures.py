"""The pictures of an annotation file: where they lie, and persons cut out of them for the page."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from wbkit.columns import Annotations
from wbkit.errors import InputError
from wbkit.pictures import read_image
from wbkit.plots import truth_beside_prediction

_HEIGHT, _QUALITY = 300, 80


class Pictures:
    """Pictures by image id, RGB; one that cannot be read is None, and its name is kept in `missing`."""

    def __init__(self, annotations: Annotations, folder: Path):
        names = annotations.file_names.tolist()
        self.files = dict(zip(annotations.image_ids.tolist(), [folder / n for n in names], strict=True))
        self.missing: set[str] = set()

    def read(self, image_id: int) -> np.ndarray | None:
        """(H, W, 3) uint8, or None."""
        path = self.files[int(image_id)]
        try:
            return read_image(path)
        except InputError:
            self.missing.add(str(path))
            return None


def find_pictures(annotations: Annotations, file: Path, folder: Path | None) -> Pictures | None:
    """The folder given, else the usual places beside the annotation file; None if there are none.

    Raises:
        InputError: the folder given is none, or holds none of the pictures.
    """
    if not len(annotations.file_names):
        return None
    remedy = "Give the folder of the annotation file's pictures, such as data/coco/val2017"
    if folder is not None:
        if not folder.is_dir():
            raise InputError("is no folder", remedy, file=folder)
        if not _holds_any(folder, annotations):
            such = f"such as {annotations.file_names[0]}"
            raise InputError(f"has none of the pictures, {such}", remedy, file=folder)
        return Pictures(annotations, folder)
    own = file.resolve().parent
    places = [root / name for root in (own, own.parent) for name in ("val2017", "train2017", "images", ".")]
    found = next((place for place in places if _holds_any(place, annotations)), None)
    return Pictures(annotations, found) if found else None


def _holds_any(folder: Path, annotations: Annotations) -> bool:
    """Whether at least one picture lies there: a few may be missing without harm."""
    return folder.is_dir() and any((folder / str(name)).is_file() for name in annotations.file_names)


def person_figure(image: np.ndarray, rows: pd.DataFrame, caption: str, alt: str) -> str:
    """Truth beside prediction of one person as an HTML <figure> with the picture inside."""
    both = truth_beside_prediction(image, rows, height=_HEIGHT)
    coded = cv2.imencode(".jpg", both[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    source = base64.b64encode(coded.tobytes()).decode()
    picture = f'<img alt="{alt}" src="data:image/jpeg;base64,{source}">'
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"
