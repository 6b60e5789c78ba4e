"""The pictures of an annotation file: where they lie, and persons cut out of them for the page."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from wbkit.annotations import Annotations
from wbkit.errors import InputError
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
        content = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
        if image is None:
            self.missing.add(str(path))
            return None
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def find_pictures(annotations: Annotations, file: Path, folder: Path | None) -> Pictures | None:
    """The folder given, else the usual places beside the annotation file; None if there are none.

    Raises:
        InputError: the folder given does not hold the first picture.
    """
    if not len(annotations.file_names):
        return None
    first = str(annotations.file_names[0])
    if folder is not None:
        if not (folder / first).is_file():
            remedy = "Give the folder of the annotation file's pictures, such as data/coco/val2017"
            raise InputError(f"has no picture {first}", remedy, file=folder)
        return Pictures(annotations, folder)
    root = file.resolve().parent.parent
    places = [root / name for name in ("val2017", "train2017", "images", ".")]
    found = next((place for place in places if (place / first).is_file()), None)
    return Pictures(annotations, found) if found else None


def person_figure(image: np.ndarray, rows: pd.DataFrame, caption: str, alt: str) -> str:
    """Truth beside prediction of one person as an HTML <figure> with the picture inside."""
    both = truth_beside_prediction(image, rows, height=_HEIGHT)
    coded = cv2.imencode(".jpg", both[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    source = base64.b64encode(coded.tobytes()).decode()
    picture = f'<img alt="{alt}" src="data:image/jpeg;base64,{source}">'
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"
