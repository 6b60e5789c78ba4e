"""`box_picker`: drag a box on a photo of your own, get 133 points."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd

from wbkit.detect import detect_people
from wbkit.errors import InputError
from wbkit.pictures import decode_picture
from wbkit.predict import Predictor, checked_boxes
from wbkit.widgets import shell
from wbkit.widgets.box_scene import SMALLEST_SIDE, Box, PickerScene, PickerState, download_link
from wbkit.widgets.heatmap_explorer import require_predictor
from wbkit.widgets.people import Person, as_person
from wbkit.widgets.shell import Explorer

DRAG_FIRST = "Drag a box around a person with the mouse, or press Find people."
WRONG_PERSON = "Not the one you meant? Drag a box around them."
RENDERED_ONLY = (
    "The small model that comes with wbkit has seen <b>rendered people only</b>: on photos it may lose a "
    "leg, and finds hands only roughly. For photos load published weights, "
    '<code>load_predictor("w32_dark_256x192")</code> from <code>wbkit.commands.models</code>.'
)


class BoxPicker(Explorer):
    """The widget that `box_picker` gives; `table()` and `results()` hold the points of all boxes."""

    def __init__(self, scene: PickerScene, state: PickerState):
        super().__init__("box_picker", state)
        self.scene, self.how = scene, ""
        self.upload = widgets.FileUpload(  # ipywidgets adds the number of files in brackets
            accept="image/*", description="Your photo, files chosen:", layout={"width": "220px"}
        )
        self.upload.observe(self._uploaded, "value")
        buttons = [
            shell.button("Find people", self.find_people, "with wbkit's person detector", "search"),
            shell.button("Whole picture", self.whole_picture, "one box around everything"),
            shell.button("Remove boxes", self.clear),
        ]
        threshold = shell.slider("draw from score", state.threshold, 0.0, 1.0, 0.05)
        keep = shell.checkbox("keep earlier boxes", state.keep, "to mark several people")
        self.bind(threshold=threshold, keep=keep)
        self.sides = [
            shell.slider(name, least, least, 1, 1, "d", "of the last box, px of the photo")
            for name, least in (("box left", 0), ("box top", 0), ("box width", 1), ("box height", 1))
        ]
        for side in self.sides:
            side.continuous_update = False  # each value is a forward pass
            side.observe(self._side_moved, "value")
        self.children = (
            shell.rows(self.upload, *buttons, keep, threshold),
            self.picture,
            self.problem,
            self.text,
            widgets.HTML(model_note(scene.predictor)),
            widgets.Label("The last box by keyboard:"),
            shell.rows(*self.sides),
        )
        self._start: tuple[float, float] | None = None
        self.on_drag(self.drag)
        self.follow()
        self.refresh()

    # --- photos ---

    def _uploaded(self, change: dict) -> None:
        for file in change["new"]:
            self.load(bytes(file["content"]), file["name"])

    def load(self, content: bytes, name: str) -> None:
        """Take another photo (a JPEG's or PNG's bytes), without boxes.

        Nothing is detected unasked: the built-in detector may well box somebody in the background.
        """
        try:
            image = decode_picture(content, name)
        except InputError as error:
            if self._pending is not None:
                self._finish()  # words that are still to come would wipe this away
            self.problem.value = f"<b>This cannot be shown:</b> {escape(str(error))}"
            return
        self.scene = PickerScene(image, self.scene.predictor, name)
        self.clear()

    # --- boxes ---

    def find_people(self) -> None:
        """Boxes by `wbkit.detect.detect_people`."""
        found = detect_people(self.scene.image)
        self.how = f"Boxes: {found.how}. {WRONG_PERSON} "
        limits = np.array(self.scene.image.shape[1::-1])
        self.change(boxes=tuple(_within(box, limits) for box in found.boxes_xywh), drawing=None)

    def whole_picture(self) -> None:
        """One box: the photo."""
        height, width = self.scene.image.shape[:2]
        self.set_box((0.0, 0.0, width - 1.0, height - 1.0))

    def clear(self) -> None:
        """No boxes."""
        self.how = ""
        self.change(boxes=(), drawing=None)

    def set_box(self, box: Box) -> None:
        """A new box, xywh image px; the others stay if `state.keep`.

        Raises:
            InputError: it is empty or outside the photo.
        """
        checked_boxes(self.scene.image, np.array([box]))
        self.how = ""
        self.change(boxes=(*(self.state.boxes if self.state.keep else ()), tuple(box)), drawing=None)

    def drag(self, phase: str, x: float, y: float) -> None:
        """Draw a box from where the button went down; it is predicted when the button comes up."""
        if phase == "down":
            self._start = (x, y)
            return
        if self._start is None:
            return
        box = self.scene.box_between(self._start, (x, y))
        large = min(box[2:]) >= SMALLEST_SIDE
        if phase == "move":
            self.change(drawing=box)
            return
        self._start = None
        if large:
            self.set_box(box)
        else:
            self.change(drawing=None)

    def _side_moved(self, change: dict) -> None:
        if self._quiet or not self.state.boxes:
            return
        x, y, w, h = (float(side.value) for side in self.sides)
        height, width = self.scene.image.shape[:2]
        box = (x, y, min(w, width - 1 - x), min(h, height - 1 - y))
        if min(box[2:]) >= 1:
            self.change(boxes=(*self.state.boxes[:-1], box))
        else:
            self.follow()

    def follow(self) -> None:
        """Bring the controls, the box's sliders too, in line with the state."""
        super().follow()
        self._quiet = True
        height, width = self.scene.image.shape[:2]
        box = self.state.boxes[-1] if self.state.boxes else (0, 0, 1, 1)
        for side, value, largest in zip(self.sides, box, (width - 2, height - 2, width, height), strict=True):
            side.max, side.value, side.disabled = largest, round(value), not self.state.boxes
        self._quiet = False

    # --- what comes out ---

    def table(self) -> pd.DataFrame:
        """Person, keypoint, part, x, y (px of the photo), score: 133 rows a box."""
        return self.scene.table(self.state)

    def results(self, image_id: int = 1) -> list[dict]:
        """The same as COCO-WholeBody results."""
        return self.scene.results(self.state, image_id)

    def draw(self) -> np.ndarray:
        """See `Explorer`."""
        return self.scene.draw(self.state)

    def summary(self) -> str:
        """See `Explorer`."""
        height, width = self.scene.image.shape[:2]
        said = ", ".join("({:.0f}, {:.0f}, {:.0f}, {:.0f})".format(*box) for box in self.state.boxes)
        boxes = f"boxes {said}" if said else "no box"
        return f"{self.scene.name}, {width} x {height}, {boxes}, points from score {self.state.threshold:.2f}"

    def words(self) -> str:
        """See `Explorer`."""
        if self.state.drawing:
            return self.text.value
        said = f"<b>{escape(self.summary())}</b>. {self.how}"
        if not self.state.boxes:
            return shell.spoken(f"{said}{DRAG_FIRST}")
        parts = self.scene.part_table(self.state)
        lines = [
            [f"{row.person}", row.part, f"{row.drawn} of {row.points}", f"{row.score:.2f}"]
            for row in parts.itertuples()
        ]
        table = shell.html_table(["person", "part", "points drawn", "mean score"], lines)
        link = download_link(self.table(), f"{Path(self.scene.name).stem.replace(' ', '_')}_keypoints.csv")
        return shell.spoken(said + table) + link


def model_note(predictor: Predictor) -> str:
    """What to expect of the network on photos, as HTML; empty for those that are not of recipe tiny."""
    return RENDERED_ONLY if predictor.recipe.name == "tiny" else ""


def _within(box: np.ndarray, limits: np.ndarray) -> Box:
    """A box cut to a photo of (width, height) px."""
    low = box[:2].clip(0, limits - 2)
    high = (box[:2] + box[2:]).clip(low + 1, limits - 1)
    return tuple(float(v) for v in (*low, *(high - low)))


def box_picker(
    image: np.ndarray | str | Path | Person | None, model: Predictor, box: Any = None
) -> BoxPicker:
    """Drag a box around a person of a photo and get the 133 points of `model`, drawn, listed, to download.

    Args:
        image: (H, W, 3) uint8 RGB, a file, a `Person`, or None: the person with most labels of the
            embedded val pictures. Another photo can be uploaded in the widget.
        model: a `Predictor` of the 133 keypoints.
        box: (4,) xywh image px to begin with; None: a `Person`'s own; on other pictures none,
            until one is dragged.

    Raises:
        InputError: the model is no such Predictor, or picture or box cannot be used.
    """
    require_predictor(model)
    boxed = box is not None or image is None or isinstance(image, Person)
    person = as_person(image, box if boxed else np.zeros(4), None)
    name = person.name.rsplit(" in ", 1)[-1]
    scene = PickerScene(person.image, model, name)
    if not boxed:
        return BoxPicker(scene, PickerState())
    checked_boxes(person.image, person.box_xywh[None])
    first = tuple(float(v) for v in person.box_xywh)
    return BoxPicker(scene, PickerState((first,)))
