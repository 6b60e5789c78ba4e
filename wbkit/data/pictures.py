"""Pictures from files: RGB, whole, or an error that says what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from wbkit.errors import InputError


def read_image(path: str | Path) -> np.ndarray:
    """An image file as RGB uint8 (H, W, 3).

    Raises:
        InputError: the file is missing, no image, or cut off.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("there is no such picture", "Check the folder and the file name", file=path)
    content = np.fromfile(path, np.uint8)
    if content[:2].tobytes() == b"\xff\xd8" and not _jpeg_is_whole(content):
        # OpenCV would fill the rest with grey and say nothing.
        raise InputError("the JPEG is cut off (no end marker)", "Fetch the picture again", file=path)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        problem = "is not a picture that OpenCV can read" if content.size else "is empty"
        remedy = "Give a JPEG or PNG; fetch it again if cut off or empty"
        if content[4:12].tobytes() in (b"ftypheic", b"ftypheix", b"ftypmif1"):
            problem, remedy = "is a HEIC picture, which OpenCV cannot read", "Convert it to JPEG"
        raise InputError(problem, remedy, file=path)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # a marker that is no part of a JPEG's pixel data


def _jpeg_is_whole(content: np.ndarray) -> bool:
    """Whether the picture's own end marker is there.

    A thumbnail in the header has one too, and phones write films behind it: so the segments are walked.
    """
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xD9:
            return True
        if marker == 0xFF:  # padding
            place += 1
            continue
        place += 2 + int.from_bytes(content[place + 2 : place + 4].tobytes(), "big")
        if marker == 0xDA:  # pixel data follow
            found = _AFTER_SCAN.search(content, place)
            place = found.start() if found else len(content)
    return b"\xff\xd9" in content[place:].tobytes()
