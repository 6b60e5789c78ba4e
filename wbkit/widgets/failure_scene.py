"""What `failure_browser` shows: the worst persons, parts or keypoints that pass the filters, as a gallery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from wbkit.errors import InputError
from wbkit.failures import worst
from wbkit.keypoints import KEYPOINTS, NUM_KEYPOINTS, PARTS
from wbkit.pictures import read_image
from wbkit.plots import draw_pose
from wbkit.predict import Predictor, bad_boxes
from wbkit.widgets import canvas
from wbkit.widgets.canvas import GREY, PALE, Frame
from wbkit.widgets.decoders import TRUTH_COLOR, TRUTH_MARKER
from wbkit.widgets.heatmap_scene import HeatmapScene, HeatmapState
from wbkit.widgets.people import Person

ALL = "all"
FOUND = "any, person found"
"""A choice of `cause`: all but person_missed, of which there is no prediction to look at."""
SIZES: dict[str, tuple[float, float]] = {  # COCO's, by the person's area
    ALL: (0, np.inf),
    "small (area < 32^2)": (0, 32**2),
    "medium": (32**2, 96**2),
    "large (area > 96^2)": (96**2, np.inf),
}
"""Name -> lowest and highest area of a person, px^2: from ... to below."""
PREDICTED_COLOR = (213, 94, 0)
COLUMNS, ROWS, TILE, CAPTION, GAP = 4, 2, 186, 34, 8
PAGE = COLUMNS * ROWS
"""Failures a page."""
WIDTH = COLUMNS * TILE + (COLUMNS - 1) * GAP
_DETAIL = ((WIDTH - 2 * GAP) // 3, 300)  # width and height of each of the three panels
_TITLE = 22

Pictures = Callable[[int], np.ndarray | None]
"""From an image id to its pixels, (H, W, 3) uint8 RGB, or None where there is no picture."""


@dataclass(frozen=True)
class BrowserState:
    """What is chosen: the arguments of `wbkit.failures.worst`, and which of its rows is looked at.

    Attributes:
        level, by, part, keypoint, cause: as there; `ALL` for no filter, `FOUND` for a cause of people that
            some detection found. size: a key of `SIZES`.
        scores: lowest and highest score of the keypoint; those without a prediction pass if lowest is 0.
        rank: 0 for the worst.
    """

    level: str = "person"
    by: str = "similarity"
    part: str = ALL
    keypoint: str = ALL
    cause: str = ALL
    size: str = ALL
    scores: tuple[float, float] = (0.0, 1.0)
    rank: int = 0

    def passes(self, table: pd.DataFrame) -> pd.Series:
        """Which rows have a person of the size (found, if so chosen) and a keypoint of the score."""
        low, high = SIZES[self.size]
        sized = (table["person_area"] >= low) & (table["person_area"] < high)
        if self.cause == FOUND:
            sized &= table["cause"] != "person_missed"
        score = table["score"]
        scored = score.isna() if self.scores[0] <= 0 else pd.Series(False, index=table.index)
        top = np.inf if self.scores[1] >= 1 else self.scores[1]  # a heatmap's maximum may be above 1
        return sized & (scored | ((score >= self.scores[0]) & (score <= top)))


_NEEDED = (
    "image_id person person_id part keypoint v x y x_pred y_pred error_px similarity score cause "
    "confused_keypoint person_area person_oks person_score"
).split()


def checked_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `keypoint_table`, whole and with its own numbers of rows.

    Raises:
        InputError: it lacks columns, or rows of some person.
    """
    missing = sorted(set(_NEEDED) - set(table.columns))
    if missing:
        raise InputError(
            f"the table has no column {', '.join(missing)}", "Give wbkit.failures.keypoint_table(...)"
        )
    table = table.reset_index(drop=True)
    whole = (
        len(table) % NUM_KEYPOINTS == 0
        and (
            table["keypoint"].astype(str).to_numpy() == np.tile(KEYPOINTS, len(table) // NUM_KEYPOINTS)
        ).all()
    )
    if not whole or np.ptp(table["person"].to_numpy().reshape(-1, NUM_KEYPOINTS), axis=1).any():
        raise InputError(
            "the table has not all 133 rows of each of its people, one person after the other",
            "Give the whole keypoint_table, or all rows of some people; the browser itself filters",
        )
    return table


class FailureScene:
    """A keypoint table with its pictures, and a model if there is one.

    Args:
        boxes: person of the table -> the box (4,) xywh image px that the model looks into; who has none gets
            one around the labels.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        pictures: Pictures,
        predictor: Predictor | None = None,
        boxes: Mapping[int, np.ndarray] | None = None,
    ):
        self.table, self.predictor = checked_table(table), predictor
        self.boxes, self.faults = boxes or {}, {}
        self._give = pictures
        self.pictures = lru_cache(maxsize=32)(self._picture)
        self.ranking = lru_cache(maxsize=8)(self._ranking)
        self.box_of = lru_cache(maxsize=1024)(self._box)
        self.tile = lru_cache(maxsize=8 * PAGE)(self._tile)
        self.heatmaps = lru_cache(maxsize=16)(self._heatmaps)
        self._first = dict(zip(*np.unique(self.table["person"], return_index=True), strict=True))

    def _picture(self, image_id: int) -> np.ndarray | None:
        """Its pixels; None, and a word in `faults`, where it cannot be read."""
        try:
            return self._give(image_id)
        except InputError as error:
            self.faults[image_id] = str(error)
            return None

    def _ranking(self, state: BrowserState) -> pd.DataFrame:
        """All that pass, worst first."""
        chosen = {name: getattr(state, name) for name in ("part", "keypoint", "cause")}
        chosen = {name: value for name, value in chosen.items() if value not in (ALL, FOUND)}
        return worst(
            self.table, len(self.table), level=state.level, by=state.by, where=state.passes, **chosen
        )

    def ranked(self, state: BrowserState) -> pd.DataFrame:
        """`ranking`, whatever row is looked at."""
        return self.ranking(replace(state, rank=0))

    def person(self, row: pd.Series) -> pd.DataFrame:
        """The 133 rows of a ranked row's person."""
        first = self._first[row["person"]]
        return self.table.iloc[first : first + NUM_KEYPOINTS]

    def points(self, row: pd.Series, state: BrowserState) -> np.ndarray:
        """Which of the person's 133 keypoints a ranked row is about: bool (133,)."""
        person = self.person(row)
        if state.level == "keypoint":
            return (person["keypoint"] == row["keypoint"]).to_numpy()
        chosen = person["v"].to_numpy() > 0 if state.cause in (ALL, FOUND) else np.ones(NUM_KEYPOINTS, bool)
        for name in ("part", "keypoint", "cause"):
            if getattr(state, name) not in (ALL, FOUND):
                chosen &= (person[name] == getattr(state, name)).to_numpy()
        if state.level == "part":
            chosen &= (person["part"] == row["part"]).to_numpy()
        return chosen & state.passes(person).to_numpy()

    def worst_keypoint(self, row: pd.Series, state: BrowserState) -> int:
        """0 ... 132."""
        return KEYPOINTS.index(row["keypoint" if state.level == "keypoint" else "worst_keypoint"])

    def _box(self, number: int) -> np.ndarray:
        """(4,) xywh around a person's labelled points, a tenth larger than they are."""
        first = self._first[number]
        person = self.table.iloc[first : first + NUM_KEYPOINTS]
        xy = np.stack([person["x"], person["y"]], 1).astype(float)
        if np.isnan(xy).all():
            xy = np.stack([person["x_pred"], person["y_pred"]], 1).astype(float)
        low, high = np.nanmin(xy, 0), np.nanmax(xy, 0)
        margin = np.maximum(0.05 * (high - low), 4)
        return np.concatenate([low - margin, high - low + 2 * margin])

    def _heatmaps(self, person: int) -> HeatmapScene:
        row = self.table.iloc[self._first[person]]
        labels = self.person(row)[["x", "y", "v"]].to_numpy(float)
        image = self.pictures(int(row["image_id"]))
        box = self.boxes.get(person)
        if box is None or bad_boxes(np.asarray(box)[None], image.shape[1::-1]):
            box = self.box_of(person)
        return HeatmapScene(Person(image, box, np.nan_to_num(labels), ""), self.predictor)

    # --- clicking ---

    def clicked(self, state: BrowserState, x: float, y: float) -> int | None:
        """The rank of the tile at a place of the picture, None beside the tiles."""
        column, row = int(x // (TILE + GAP)), int(y // (TILE + CAPTION))
        beside = x % (TILE + GAP) >= TILE or x < 0 or y < 0
        rank = state.rank // PAGE * PAGE + row * COLUMNS + column
        if beside or column >= COLUMNS or row >= ROWS or rank >= len(self.ranked(state)):
            return None
        return rank

    # --- drawing ---

    def draw(self, state: BrowserState) -> np.ndarray:
        """The page's tiles, and below them the chosen failure: truth, prediction, its worst keypoint."""
        ranked = self.ranked(state)
        height = ROWS * (TILE + CAPTION) + _TITLE + _DETAIL[1]
        picture = canvas.blank(WIDTH, height)
        if not len(ranked):
            canvas.text(picture, (WIDTH / 2, 90), "Nothing passes these filters.", size=15, anchor="middle")
            return picture
        first = state.rank // PAGE * PAGE
        for place, rank in enumerate(range(first, min(first + PAGE, len(ranked)))):
            left, top = place % COLUMNS * (TILE + GAP), place // COLUMNS * (TILE + CAPTION)
            row = ranked.iloc[rank]
            canvas.paste(picture, self.tile(replace(state, rank=rank)), left, top)
            if rank == state.rank:
                cv2.rectangle(picture, (left, top), (left + TILE - 1, top + TILE - 1), (0, 114, 178), 4)
            self._caption(picture, row, state, rank, left, top + TILE + 1)
        detail = self.detail(ranked.iloc[state.rank], state)
        canvas.paste(picture, detail, 0, height - detail.shape[0])
        return picture

    def _caption(self, picture, row: pd.Series, state: BrowserState, rank: int, left: int, top: int) -> None:
        subject = {"person": "worst_keypoint", "part": "part", "keypoint": "keypoint"}[state.level]
        canvas.text(
            picture, (left, top), f"{rank + 1}. {row[subject]}"[:26], size=12, bold=rank == state.rank
        )
        said = f"{row['cause']}, {value_words(row, state)}"
        canvas.text(picture, (left, top + 15), said[:32], size=11, color=GREY)

    def _tile(self, state: BrowserState) -> np.ndarray:
        """The keypoints that the ranked row is about: truth as rings, prediction as dots, a line between."""
        row, size = self.ranked(state).iloc[state.rank], (TILE, TILE)
        person, chosen = self.person(row), self.points(row, state)
        truth, predicted = (person[list(c)].to_numpy(float) for c in (("x", "y"), ("x_pred", "y_pred")))
        shown = np.concatenate([truth[chosen], predicted[chosen]])
        panel, frame = self.region(row, self._around(row, shown, state), size)
        dense = chosen.sum() > 25
        for k in np.flatnonzero(chosen):
            ends = frame.to_panel(truth[k]), frame.to_panel(predicted[k])
            canvas.line(panel, *ends, canvas.WHITE, 1 if chosen.sum() > 8 else 2)
            canvas.marker(
                panel, ends[0], TRUTH_MARKER, TRUTH_COLOR, radius=2 if dense else 5, thickness=1 + (not dense)
            )
            canvas.marker(panel, ends[1], "dot", PREDICTED_COLOR, radius=1.5 if dense else 3.5)
        return panel

    def _around(self, row: pd.Series, shown: np.ndarray, state: BrowserState) -> np.ndarray:
        """xywh of what a tile shows: its points, and enough of the person to know where one is."""
        shown = shown[np.isfinite(shown).all(1)]
        if state.level == "person" or not len(shown):
            return self.box_of(row["person"])
        low, high = shown.min(0), shown.max(0)
        least = 0.2 * self.box_of(row["person"])[2:].max()
        side = np.maximum(1.35 * (high - low), least).max()
        return np.concatenate([(low + high - side) / 2, [side, side]])

    def region(self, row: pd.Series, box: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, Frame]:
        """A part of the row's picture, filling a panel: (h, w, 3), and the frame of image px in it."""
        scale = min(size[0] / box[2], size[1] / box[3])
        middle = box[:2] + box[2:] / 2
        frame = Frame(((size[0] - 1) / 2, (size[1] - 1) / 2), tuple(middle), (scale, scale))
        image = self.pictures(int(row["image_id"]))
        if image is None:
            return np.full((size[1], size[0], 3), PALE, np.uint8), frame
        offset = frame.to_panel((0, 0))
        matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        smooth = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
        return cv2.warpAffine(image, matrix, size, flags=smooth, borderValue=(90, 90, 90)), frame

    def detail(self, row: pd.Series, state: BrowserState) -> np.ndarray:
        """Three panels: all labels, the whole prediction, and the worst keypoint with its heatmap."""
        person, picture = self.person(row), canvas.blank(WIDTH, _TITLE + _DETAIL[1])
        width, k = _DETAIL[0], self.worst_keypoint(row, state)
        truth = np.where(person[["v"]].to_numpy() > 0, person[["x", "y"]].to_numpy(float), np.nan)
        predicted = person[["x_pred", "y_pred"]].to_numpy(float)
        panels = []
        for points, scores in ((truth, None), (predicted, np.nan_to_num(person["score"].to_numpy()))):
            panel, frame = self.region(row, self.box_of(row["person"]), _DETAIL)
            panels.append(draw_pose(panel, frame.to_panel(points), scores))
        panels.append(self._closest(row, k, truth[k], predicted[k]))
        name = f"No. {state.rank + 1}: labels", "prediction (scores above .2)", f"worst: {KEYPOINTS[k]}"
        for place, (panel, title) in enumerate(zip(panels, name, strict=True)):
            canvas.text(picture, (place * (width + GAP), 2), title, bold=True)
            canvas.paste(picture, panel, place * (width + GAP), _TITLE)
        return picture

    def _closest(self, row: pd.Series, k: int, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """One keypoint: over the model's heatmap where there is one, else enlarged."""
        has_picture = self.pictures(int(row["image_id"])) is not None
        if self.predictor is not None and has_picture:
            scene = self.heatmaps(row["person"])
            size = self.predictor.recipe.input_size
            maps, frame = scene.maps(size), canvas.crop_frame(size, _fitting(size))
            panel = canvas.enlarge(maps.crop, _fitting(size))
            heatmap = scene.heatmap(HeatmapState(k, size))
            small = canvas.overlay_heatmap(panel, heatmap, frame, maps.codec.scale)
            ends = [frame.to_panel(scene.to_crop(p, size)) for p in (truth, predicted)]
        else:
            spread = np.nanmax([np.abs(truth - predicted).max(), 0.08 * self.box_of(row["person"])[2:].max()])
            middle = np.nanmean([truth, predicted], 0)
            middle = np.where(
                np.isfinite(middle),
                middle,
                self.box_of(row["person"])[:2] + self.box_of(row["person"])[2:] / 2,
            )
            small, frame = self.region(row, np.array([*(middle - spread), 2 * spread, 2 * spread]), _DETAIL)
            ends = [frame.to_panel(p) for p in (truth, predicted)]
        canvas.line(small, *ends, canvas.WHITE, 2)
        canvas.marker(small, ends[0], TRUTH_MARKER, TRUTH_COLOR, radius=8)
        canvas.marker(small, ends[1], "dot", PREDICTED_COLOR, radius=5)
        panel = np.full((_DETAIL[1], _DETAIL[0], 3), PALE, np.uint8)
        canvas.paste(panel, small, (_DETAIL[0] - small.shape[1]) // 2, 0)
        return panel


def _fitting(size_wh: tuple[int, int]) -> tuple[int, int]:
    """The largest panel of a crop's shape within a detail panel."""
    scale = min(_DETAIL[0] / size_wh[0], _DETAIL[1] / size_wh[1])
    return round(size_wh[0] * scale), round(size_wh[1] * scale)


def value_words(row: pd.Series, state: BrowserState) -> str:
    """The ranking's value of a row, such as "similarity 0.12"."""
    value = row[state.by] if state.level == "keypoint" else row["value"]
    return f"{state.by} {value:.2f}" if np.isfinite(value) else f"no {state.by}"


def pictures_in(source: str | Path | Mapping | None, file_names: dict[int, str] | None = None) -> Pictures:
    """Where the pictures are: a folder, a mapping from image id to file or pixels, or nowhere.

    In a folder the annotations' file names are looked for, or COCO's (the id with twelve digits).
    """
    if source is None:
        return lambda image_id: None
    if isinstance(source, Mapping):
        at = source.get
        return lambda image_id: at(image_id) if isinstance(at(image_id), np.ndarray) else _read(at(image_id))
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            "there is no such folder of pictures", "Give the folder, or images=None", file=folder
        )
    names = file_names or {}
    return lambda image_id: _read(folder / names.get(image_id, f"{image_id:012d}.jpg"))


def _read(path: str | Path | None) -> np.ndarray | None:
    return None if path is None else read_image(path)


def choices(state: BrowserState) -> dict[str, list[str]]:
    """What the filters for parts and keypoints offer: a part leaves its keypoints."""
    part = PARTS["wholebody" if state.part == ALL else state.part]
    return {"part": [ALL, *list(PARTS)[:5]], "keypoint": [ALL, *KEYPOINTS[part]]}
