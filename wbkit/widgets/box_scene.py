"""What `box_picker` shows: a photo, the boxes drawn on it, and the 133 points found in each."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import pandas as pd

from wbkit.annotations import results_from_arrays
from wbkit.keypoints import KEYPOINTS, PART_OF_KEYPOINT
from wbkit.plots import draw_pose
from wbkit.predict import Predictor
from wbkit.widgets import canvas
from wbkit.widgets.canvas import Frame

LARGEST = (760, 540)
"""The photo is shown no larger than this, px."""
SMALLEST_SIDE = 8
"""A box needs so many px of the photo on each side; less is a click, not a drag."""
_BOX_COLOR = (0, 114, 178)
Box = tuple[float, float, float, float]
"""x, y, width, height in image px."""


@dataclass(frozen=True)
class PickerState:
    """What is chosen.

    Attributes:
        boxes: xywh image px, in the order in which they were drawn; the last one is edited.
        threshold: points with a lower score are not drawn.
        keep: a new box is added to the others instead of replacing them.
        drawing: a box that is being dragged: shown, not yet predicted.
    """

    boxes: tuple[Box, ...] = ()
    threshold: float = 0.2
    keep: bool = False
    drawing: Box | None = None


class PickerScene:
    """One photo and a network; predictions are kept, so that only new boxes cost a forward pass."""

    def __init__(self, image: np.ndarray, predictor: Predictor, name: str):
        self.image, self.predictor, self.name = image, predictor, name
        height, width = image.shape[:2]
        scale = min(LARGEST[0] / width, LARGEST[1] / height, 3.0)
        self.size = round(width * scale), round(height * scale)
        self.background = canvas.enlarge(image, self.size)
        self.frame: Frame = canvas.crop_frame((width, height), self.size)
        self.predicted = lru_cache(maxsize=32)(self._predicted)

    def _predicted(self, box: Box) -> np.ndarray:
        keypoints, scores = self.predictor(self.image, np.array([box]))
        return np.concatenate([keypoints[0], scores[0, :, None]], 1)

    def keypoints(self, state: PickerState) -> np.ndarray:
        """(N, 133, 3) x, y image px and score, a person a box."""
        found = [self.predicted(box) for box in state.boxes]
        return np.stack(found) if found else np.zeros((0, len(KEYPOINTS), 3))

    def box_between(self, a: tuple[float, float], b: tuple[float, float]) -> Box:
        """The box with two places of the picture, in its px, as corners; cut to the photo, whole px."""
        corners = self.frame.to_map(np.array([a, b], float))
        limits = np.array(self.image.shape[1::-1]) - 1
        low, high = (np.rint(f(corners, 0).clip(0, limits)) for f in (np.min, np.max))
        return tuple(float(v) for v in (*low, *(high - low)))

    def draw(self, state: PickerState) -> np.ndarray:
        """The photo with boxes and skeletons."""
        found = self.keypoints(state)
        points = self.frame.to_panel(found[..., :2])
        picture = draw_pose(self.background, points, found[..., 2], threshold=state.threshold)
        for number, box in enumerate(state.boxes, 1):
            self._draw_box(picture, box, str(number))
        if state.drawing:
            self._draw_box(picture, state.drawing, "")
        return picture

    def _draw_box(self, picture: np.ndarray, box: Box, number: str) -> None:
        corners = np.rint(self.frame.to_panel([box[:2], np.add(box[:2], box[2:])])).astype(int)
        (left, top), (right, bottom) = corners.tolist()
        cv2.rectangle(picture, (left, top), (right, bottom), canvas.WHITE, 4)
        cv2.rectangle(picture, (left, top), (right, bottom), _BOX_COLOR, 2)
        if number:
            top, left = max(top, 0), max(left, 0)
            picture[top : top + 18, left : left + 9 + 7 * len(number)] = _BOX_COLOR
            canvas.text(picture, (left + 4, top + 1), number, color=canvas.WHITE, bold=True)

    # --- what can be taken away ---

    def table(self, state: PickerState) -> pd.DataFrame:
        """A row for each of the 133 points of each box: person (from 1), keypoint, part, x, y, score."""
        found = self.keypoints(state)
        count = len(found)
        columns = {
            "person": np.repeat(np.arange(1, count + 1), len(KEYPOINTS)),
            "keypoint": list(KEYPOINTS) * count,
            "part": list(PART_OF_KEYPOINT) * count,
        }
        numbers = {name: found[..., i].ravel().round(3) for i, name in enumerate(("x", "y", "score"))}
        return pd.DataFrame(columns | numbers)

    def results(self, state: PickerState, image_id: int = 1) -> list[dict]:
        """The persons as COCO-WholeBody results, scored by the mean of their points above the threshold."""
        found = self.keypoints(state)
        kept = found[..., 2] > self.predictor.recipe.keypoint_threshold
        scores = (found[..., 2] * kept).sum(1) / np.maximum(kept.sum(1), 1)
        boxes = np.array(state.boxes).reshape(-1, 4)
        return results_from_arrays(found, boxes, np.full(len(found), image_id), scores)

    def part_table(self, state: PickerState) -> pd.DataFrame:
        """A row for each person and part: how many points are drawn, of how many, and their mean score."""
        table = self.table(state)
        table["drawn"] = table["score"] > state.threshold
        grouped = table.groupby(["person", "part"], sort=False)
        return grouped.agg(
            drawn=("drawn", "sum"), points=("drawn", "size"), score=("score", "mean")
        ).reset_index()


def download_link(table: pd.DataFrame, file_name: str) -> str:
    """An HTML link that carries the table as CSV in itself: it needs no server."""
    text = io.StringIO()
    table.to_csv(text, index=False)
    content = base64.b64encode(text.getvalue().encode()).decode()
    look = "color:#0072b2;text-decoration:underline"  # Jupyter's own style hides that it is a link
    href = f"data:text/csv;base64,{content}"
    name = html.escape(file_name, quote=True)
    return f'<a download="{name}" style="{look}" href="{href}">Download {name}</a>'
