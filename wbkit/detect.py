"""Person boxes for a photo that came without: OpenCV's built-in detector, or torchvision's Faster R-CNN.

Top-down pose estimation needs a box for every person. Serious numbers want a serious detector's boxes;
this is so that `wbkit predict photo.jpg` does something sensible out of the box.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from wbkit.errors import InputError

DETECTORS = ("auto", "fasterrcnn", "hog", "whole")
ADVICE = (
    "Looking for people with OpenCV's built-in detector (HOG), which misses most who sit, turn away or are "
    "cut off: better give --boxes, or install torchvision's (pip install --editable '.[detector]')"
)
_HOG_WINDOW = np.array([64.0, 128.0])  # px; the detector was trained on people 32 x 96 in such a window
_HOG_MARGIN = np.array([16.0, 16.0])
_MAX_HOG_SIDE = 800  # px; larger pictures are scanned at this size
_COCO_PERSON = 1  # torchvision's label
_MIN_SCORE = 0.5


@dataclass(frozen=True)
class FoundPeople:
    """Boxes (N, 4) xywh image px, scores (N,) in 0 ... 1, and one sentence on where they come from.

    `guessed`: nobody was found, and the whole picture stands in, with score 0. `rough`: boxes may be cut
    through people.
    """

    boxes_xywh: np.ndarray
    scores: np.ndarray
    how: str
    guessed: bool = False
    rough: bool = False


def detect_people(image_rgb: np.ndarray, detector: str = "auto") -> FoundPeople:
    """Boxes around the people of a photo.

    Args:
        image_rgb: (H, W, 3) uint8.
        detector: "fasterrcnn" (torchvision), "hog" (OpenCV's built-in one), "whole" (one box: the whole
            picture), or "auto": Faster R-CNN where torchvision works, else HOG; the whole picture where
            nobody is found.

    Raises:
        InputError: the detector is unknown, or Faster R-CNN was asked for by name and cannot run.
    """
    detector = usable_detector(detector)
    if detector == "fasterrcnn":
        return faster_rcnn_people(load_faster_rcnn(), image_rgb)
    found = hog_people(image_rgb) if detector != "whole" else None
    return found if found is not None and len(found.boxes_xywh) else whole_picture(image_rgb, detector)


def usable_detector(detector: str) -> str:
    """What "auto" stands for on this machine; the others as they are, once they are known to work.

    Raises:
        InputError: as `detect_people`.
    """
    if detector not in DETECTORS:
        raise InputError(f"there is no detector {detector!r}", f"Choose one of: {', '.join(DETECTORS)}")
    if detector not in ("auto", "fasterrcnn"):
        return detector
    try:
        load_faster_rcnn()
        return "fasterrcnn"
    except Exception as error:  # missing, incompatible with this torch, or weights not to be had
        if detector == "auto":
            return "hog"
        raise InputError(
            f"torchvision's Faster R-CNN cannot run ({error})",
            "In the checkout: pip install --editable '.[detector]'; or choose --detector hog",
        ) from error


def whole_picture(image_rgb: np.ndarray, detector: str = "whole") -> FoundPeople:
    """The picture itself as the one box."""
    height, width = image_rgb.shape[:2]
    guessed = detector != "whole"
    why = "nobody was found, so the box is the whole picture" if guessed else "the whole picture"
    return FoundPeople(np.array([[0.0, 0.0, width, height]]), np.full(1, float(not guessed)), why, guessed)


def hog_people(image_rgb: np.ndarray) -> FoundPeople:
    """OpenCV's histogram-of-gradients detector (Dalal & Triggs, CVPR 2005): upright, whole people only.

    Boxes are cut to the person (the detector's window has a margin of a quarter of its width) and to the
    picture; overlapping ones are suppressed at IoU 0.4. The score is the SVM's margin through a logistic.
    """
    factor = min(1.0, _MAX_HOG_SIDE / max(image_rgb.shape[:2]))
    size_wh = np.maximum(1, np.rint(factor * np.array(image_rgb.shape[1::-1]))).astype(int)
    small = cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_AREA)
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())
    if small.shape[0] < _HOG_WINDOW[1] or small.shape[1] < _HOG_WINDOW[0]:
        windows, margins = np.zeros((0, 4)), np.zeros(0)
    else:
        windows, margins = hog.detectMultiScale(
            np.ascontiguousarray(small), hitThreshold=0.0, winStride=(8, 8), padding=(16, 16), scale=1.05
        )
    windows, margins = np.asarray(windows, np.float64).reshape(-1, 4), np.asarray(margins).reshape(-1)
    inset = windows[:, 2:] * _HOG_MARGIN / _HOG_WINDOW * 0.75  # a little air is left around the person
    boxes = np.concatenate([windows[:, :2] + inset, windows[:, 2:] - 2 * inset], 1) / factor  # (N, 4)
    scores = 1 / (1 + np.exp(-2 * margins))
    kept = np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), _MIN_SCORE, 0.4), int).reshape(-1)
    boxes, scores = _cut(boxes[kept], image_rgb), scores[kept]
    inside = (boxes[:, 2:] > 0).all(1)  # windows reach over the picture's edge
    how = "OpenCV's built-in people detector (HOG): rough boxes"
    return FoundPeople(boxes[inside], scores[inside], how, rough=True)


@lru_cache(maxsize=1)
def load_faster_rcnn() -> Any:
    """torchvision's Faster R-CNN with COCO weights, in eval mode; its weights are fetched once."""
    from torchvision.models import detection

    return detection.fasterrcnn_resnet50_fpn_v2(weights="DEFAULT").eval()


def faster_rcnn_people(model: Any, image_rgb: np.ndarray) -> FoundPeople:
    """People that a torchvision detection model finds with a score of at least 0.5, best first."""
    import torch

    pixels = torch.from_numpy(np.ascontiguousarray(image_rgb)).permute(2, 0, 1).float() / 255  # (3, H, W)
    with torch.inference_mode():
        output = model([pixels])[0]
    boxes_xyxy, labels, scores = (output[k].cpu().numpy() for k in ("boxes", "labels", "scores"))
    kept = (labels == _COCO_PERSON) & (scores >= _MIN_SCORE)
    boxes = np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], 1)[kept]
    found = FoundPeople(boxes.astype(np.float64), scores[kept], "torchvision's Faster R-CNN")
    return found if kept.any() else whole_picture(image_rgb, "fasterrcnn")


def _cut(boxes_xywh: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Boxes limited to the picture."""
    size = np.array(image.shape[1::-1], float)
    low, high = boxes_xywh[:, :2].clip(0, size), (boxes_xywh[:, :2] + boxes_xywh[:, 2:]).clip(0, size)
    return np.concatenate([low, high - low], 1)
