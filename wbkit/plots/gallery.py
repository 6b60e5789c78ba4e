"""Persons to look at: truth beside prediction, the worst of them, and an example of every kind of error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from wbkit.failures.classes import NEAR_SIMILARITY
from wbkit.keypoints import KEYPOINTS, SIGMAS
from wbkit.plots.poses import draw_pose
from wbkit.plots.styles import CAUSE_STYLES, panels, words

ReadImage = Callable[[int], np.ndarray | None]
"""image_id -> (H, W, 3) RGB uint8; None where a picture is missing and examples may leave it out."""
_MARGIN = 0.12  # of the box, around it
_LARGEST_ZOOM = 8
_FEW = 8  # points whose circles of ks .5 can be told apart


def truth_beside_prediction(image_rgb: np.ndarray, rows: pd.DataFrame, *, height: int = 320) -> np.ndarray:
    """One person twice, cut out of the picture: labels on the left, the prediction on the right.

    Args:
        image_rgb: (H, W, 3) uint8 the person's picture.
        rows: the person's 133 rows of `wbkit.failures.keypoint_table`.
        height: of the result, px.

    Returns:
        (height, W', 3) uint8. A missed person's right half shows the picture alone.
    """
    truth, guess = _points(rows, "x", "y"), _points(rows, "x_pred", "y_pred")
    left, top, right, bottom = _window(image_rgb, np.concatenate([truth, guess]))
    cut = image_rgb[top:bottom, left:right]
    zoom = min(height / len(cut), _LARGEST_ZOOM)
    size = (max(1, round(cut.shape[1] * zoom)), round(len(cut) * zoom))
    cut = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
    halves = []
    for points in (truth, guess):
        points = (points - (left, top) + 0.5) * zoom - 0.5  # px centres stay centres
        halves.append(_with_white(draw_pose(cut, points), sides=2))
    both = np.concatenate(halves, axis=1)
    return _with_white(both, below=max(height - len(both), 0))


def _with_white(picture: np.ndarray, below: int = 0, sides: int = 0) -> np.ndarray:
    return cv2.copyMakeBorder(picture, 0, below, sides, sides, cv2.BORDER_CONSTANT, value=(255,) * 3)


def _points(rows: pd.DataFrame, x: str, y: str) -> np.ndarray:
    """(133, 2) of a person's rows, NaN for what there is not."""
    points = np.full((len(KEYPOINTS), 2), np.nan)
    points[rows["keypoint"].cat.codes] = rows[[x, y]].to_numpy(np.float64)
    return points


def _window(image: np.ndarray, points: np.ndarray) -> tuple[int, int, int, int]:
    """left, top, right, bottom of what to show: the points inside the picture, and a margin."""
    height, width = image.shape[:2]
    inside = points[np.isfinite(points).all(1)]
    inside = inside[((inside >= 0) & (inside < (width, height))).all(1)]
    if not len(inside):
        return 0, 0, width, height
    low, high = inside.min(0), inside.max(0)
    margin = max(_MARGIN * float((high - low).max()), 4.0)
    low = np.maximum(np.floor(low - margin), 0).astype(int)
    high = np.minimum(np.ceil(high + margin), (width - 1, height - 1)).astype(int)
    return low[0], low[1], high[0] + 1, high[1] + 1


def show_worst(
    persons: pd.DataFrame, table: pd.DataFrame, read: ReadImage, *, columns: int = 3
) -> list[Axes]:
    """Persons in the order given, each as truth (left) and prediction (right), with what goes wrong in words.

    Args:
        persons: of `wbkit.failures.worst` at level "person" or "part".
        table: the keypoint table they come from. read: image_id -> RGB picture.
    """
    axes = panels(len(persons), columns=columns, width=3.4, height=3.4)
    for place, (ax, row) in enumerate(zip(axes, persons.itertuples(), strict=True), start=1):
        rows = table[table["person"] == row.person]
        ax.imshow(truth_beside_prediction(read(row.image_id), rows))
        value = "not found" if np.isnan(row.value) else f"{row.value:.2f}"
        ax.set_title(f"{place}. person {row.person_id}: {value}", fontsize=9, loc="left")
        ax.set_xlabel(f"mostly {words(row.cause)}; worst: {row.worst_keypoint}", fontsize=8)
        ax.set(xticks=[], yticks=[])
    return axes


def clearest_example(table: pd.DataFrame, cause: str, *, least_area: float = 64.0**2) -> pd.DataFrame:
    """The part of a person that shows a cause best: the most keypoints with it, of equals the largest person.

    Args:
        table: of `wbkit.failures.keypoint_table`.
        least_area: px^2; smaller people only if there is no other.

    Returns:
        The rows of that person's part; empty if the cause does not occur.
    """
    rows = table[table["cause"] == cause]
    large = rows[rows["person_area"] >= least_area]
    rows = large if len(large) else rows
    counts = rows.groupby(["person", "part"], observed=True).agg(
        count=("v", "size"), area=("person_area", "first")
    )
    if counts.empty:
        return table.iloc[:0]
    person, part = counts.sort_values(["count", "area"], ascending=False, kind="stable").index[0]
    return table[(table["person"] == person) & (table["part"] == part)]


def show_cause(
    image_rgb: np.ndarray, rows: pd.DataFrame, cause: str, *, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """A part of a person, enlarged: arrows from the labels to the predictions of the points with one cause.

    Open circles are labels, dots predictions; points with another cause are grey. Where few points have
    the cause, a dashed circle shows how far a prediction may lie to be near (ks .5).

    Args:
        image_rgb: (H, W, 3) uint8. rows: of the keypoint table, such as those of `clearest_example`.
    """
    ax = ax or panels(1, columns=1, width=3.4, height=3.4)[0]
    truth, guess = rows[["x", "y"]].to_numpy(float), rows[["x_pred", "y_pred"]].to_numpy(float)
    hit = (rows["cause"] == cause).to_numpy()
    grey = cv2.cvtColor(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    ax.imshow(grey // 2 + 110)
    sigmas = SIGMAS[rows["keypoint"].cat.codes]
    radii = 2 * sigmas * np.sqrt(rows["person_area"].to_numpy() * -2 * np.log(NEAR_SIMILARITY))
    dark = {"jitter": "#0072B2", "contour_slide": "#0072B2", "good": "#009E73"}  # pale in bars
    color = dark.get(cause, CAUSE_STYLES[cause][0])
    for xy, radius in zip(truth[hit], radii[hit], strict=True):
        if hit.sum() <= _FEW and np.isfinite(xy).all():
            ax.add_patch(Circle(xy, radius, fill=False, lw=0.8, ls="--", color="black"))
    for points, style in ((truth, {"mfc": "none", "ms": 4.5}), (guess, {"ms": 4.5})):
        ax.plot(*points[~hit].T, "o", color="#777777", mew=0.6, **(style | {"ms": 2.5}))
        edge = {"mec": "black", "mew": 1.0} if "mfc" in style else {"mec": "white", "mew": 0.5}
        ax.plot(*points[hit].T, "o", color=color, **style, **edge)
    way = (guess - truth)[hit]
    ax.quiver(*truth[hit].T, *way.T, color=color, angles="xy", scale_units="xy", scale=1, width=0.006)
    left, top, right, bottom = _window(image_rgb, np.concatenate([truth[hit], guess[hit]]))
    side = max(right - left, bottom - top) / 2
    middle = ((left + right) / 2, (top + bottom) / 2)
    ax.set(xlim=(middle[0] - side, middle[0] + side), ylim=(middle[1] + side, middle[1] - side))
    ax.set(xticks=[], yticks=[])
    ax.set_title(title if title is not None else words(cause), fontsize=9.5, loc="left")
    return ax


def show_causes(
    table: pd.DataFrame, read: ReadImage, causes: Sequence[str], *, columns: int = 4
) -> list[Axes]:
    """The clearest example of each cause; one that does not occur is left out, so look at the titles.

    Args:
        table: of `wbkit.failures.keypoint_table`. read: image_id -> RGB picture, None if there is none.
    """
    examples = []
    for cause in causes:
        rows = clearest_example(table, cause)
        image = read(int(rows["image_id"].iloc[0])) if len(rows) else None
        if image is not None:
            examples.append((cause, rows, image))
    axes = panels(len(examples), columns=columns, width=2.7, height=2.9) if examples else []
    for ax, (cause, rows, image) in zip(axes, examples, strict=True):
        title = f"{words(cause)}: {(rows['cause'] == cause).sum()} points, {words(str(rows['part'].iloc[0]))}"
        show_cause(image, rows, cause, title=title, ax=ax)
    return axes
