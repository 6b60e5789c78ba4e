"""Pictures from files: RGB, whole, or an error that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from wbkit.errors import InputError

LARGEST = 32_000  # px, a side; OpenCV's warp ends at 32,767


def read_image(path: str | Path) -> np.ndarray:
    """An image file as RGB uint8 (H, W, 3).

    Raises:
        InputError: the file is missing, no image, cut off, or too large.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("there is no such picture", "Check the folder and the file name", file=path)
    try:
        content = path.read_bytes()
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise InputError(problem, "Check its permissions", file=path) from error
    return decode_picture(content, path)


def decode_picture(content: bytes, name: str | Path) -> np.ndarray:
    """What a picture file holds, as RGB uint8 (H, W, 3), turned as its EXIF says.

    Raises:
        InputError: it is no image, cut off, or too large.
    """
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except (cv2.error, MemoryError) as error:  # more pixels than OpenCV allows, or than there is memory for
        problem = f"cannot be read by OpenCV ({str(error).strip().splitlines()[-1]:.200})"
        raise InputError(problem, f"Make it smaller: up to {LARGEST} px a side", file=name) from error
    if image is None:
        problem = "is cut off, or no picture that OpenCV can read" if content else "is empty"
        remedy = "Fetch it again, or give a JPEG or PNG"
        if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
            problem, remedy = "is a HEIC picture, which OpenCV cannot read", "Convert it to JPEG"
        raise InputError(problem, remedy, file=name)
    require_size(image, name)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def require_size(image: np.ndarray, file: str | Path | None = None) -> None:
    """InputError for a picture (H, W, ...) that OpenCV cannot cut."""
    if max(image.shape[:2]) > LARGEST:
        problem = f"the picture is {image.shape[1]} x {image.shape[0]} px"
        raise InputError(problem, f"OpenCV cuts up to {LARGEST}: make it smaller", file=file)
