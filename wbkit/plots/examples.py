"""Pictures of classes that are about whole persons, or about points without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from wbkit.failures.analysis import Analysis
from wbkit.failures.classes import PART_SLICES
from wbkit.failures.examples import EXAMPLE_CLASSES, Example, example_of
from wbkit.failures.persons import detection_verdicts
from wbkit.keypoints import PARTS, SKELETON
from wbkit.plots.styles import GAIN, LOSS, panels, words

_MARGIN = 0.2  # of the larger side of what is shown, around it


def show_examples(
    analysis: Analysis,
    read: Callable[[int], np.ndarray | None],
    names: Sequence[str] = EXAMPLE_CLASSES,
    *,
    columns: int = 2,
) -> list[Axes]:
    """One panel for each class of `EXAMPLE_CLASSES`; where a class does not occur a planted example.

    Args:
        analysis: of `wbkit.failures.analyse`. read: image_id -> RGB picture, None if there is none.
        names: of the classes.

    Returns:
        Axes of those that there is a picture of.
    """
    examples = [e for e in (example_of(analysis, name) for name in names) if e is not None]
    shown = [(e, image) for e in examples if (image := read(e.image_id)) is not None]
    axes = panels(len(shown), columns=columns, width=4.6, height=4.4) if shown else []
    for ax, (example, image) in zip(axes, shown, strict=True):
        show_example(image, example, ax=ax)
    return axes


def show_example(image_rgb: np.ndarray, example: Example, *, ax: Axes | None = None) -> Axes:
    """What one example is about, over its picture in grey.

    Black with open circles: labels. Blue: the person's own detection. Vermilion: what the class is about,
    the other detection or the part that nobody labelled. Only bodies are drawn, and for a hallucination the
    part itself.

    Args:
        image_rgb: (H, W, 3) uint8. example: of `wbkit.failures.example_of`.
    """
    ax = ax or panels(1, columns=1, width=4.6, height=4.4)[0]
    grey = cv2.cvtColor(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    ax.imshow(grey // 2 + 110)
    pairs, other = example.analysis.pairs, example.analysis.results.keypoints[example.detection, :, :2]
    seen, body = [], np.arange(PARTS["body"].stop)
    for person in _persons(example):
        truth = np.where(pairs.labelled[person, :, None], pairs.truth[person, :, :2], np.nan)
        _draw(ax, truth, body, "black", hollow=True)
        seen.append(truth[body])
        if person == example.person and pairs.found[person] and pairs.detections[person] != example.detection:
            _draw(ax, pairs.predicted[person, :, :2], body, GAIN)
            seen.append(pairs.predicted[person, body, :2])
    points = np.arange(PARTS["wholebody"].stop)[PART_SLICES[example.part]] if example.part else body
    _draw(ax, other, points, LOSS)
    _zoom(ax, image_rgb, np.concatenate([*seen, other[points]]))
    ax.set(xticks=[], yticks=[])
    planted = " (planted: these results have none)" if example.planted else ""
    ax.set_title(f"{words(example.name)}{planted}", fontsize=10, loc="left")
    ax.set_xlabel(_said(example), fontsize=8.5)
    return ax


def _persons(example: Example) -> list[int]:
    """Rows of the persons to draw: the one concerned, or for background everybody in the picture."""
    if example.person >= 0:
        return [example.person]
    pairs = example.analysis.pairs
    images = pairs.annotations.person_image_ids[pairs.persons]
    return np.flatnonzero(images == example.image_id).tolist()


def _draw(ax: Axes, points: np.ndarray, which: np.ndarray, color: str, *, hollow: bool = False) -> None:
    """Links and dots of some of a person's (133, 2) points; NaN are left out."""
    shown = np.zeros(len(points), bool)
    shown[which] = np.isfinite(points[which]).all(1)
    links = [points[[a, b]] for a, b in SKELETON if shown[a] and shown[b]]
    ax.add_collection(LineCollection(links, colors=color, linewidths=1.2, alpha=0.8))
    face = "none" if hollow else color
    ax.plot(*points[shown].T, "o", mfc=face, mec=color if hollow else "white", mew=0.8, ms=5 if hollow else 4)


def _zoom(ax: Axes, image_rgb: np.ndarray, points: np.ndarray) -> None:
    height, width = image_rgb.shape[:2]
    points = points[np.isfinite(points).all(1)]
    low, high = points.min(0), points.max(0)
    margin = max(_MARGIN * float((high - low).max()), 4.0)
    left, top = np.maximum(low - margin, -0.5)
    right, bottom = np.minimum(high + margin, (width - 0.5, height - 0.5))
    ax.set(xlim=(left, max(right, left + 1)), ylim=(max(bottom, top + 1), top))


def _said(example: Example) -> str:
    """One or two lines with the numbers that make it this class."""
    pairs, results = example.analysis.pairs, example.analysis.results
    score = results.scores[example.detection]
    if example.name == "hallucinated":
        points = PART_SLICES[example.part]
        mean = results.keypoints[example.detection, points, 2].mean()
        return f"{words(example.part)} (vermilion): no label, mean score {mean:.2f}"
    oks = detection_verdicts(pairs)[2][example.detection]
    if example.name == "background":
        near = "none with anybody" if np.isnan(oks) else f"at most {oks:.2f}"
        return f"vermilion: score {score:.2f}, OKS {near}"
    own = results.scores[pairs.detections[example.person]]
    return (
        f"blue, the person's: score {own:.2f}, OKS {pairs.oks[example.person]:.2f}\n"
        f"vermilion: score {score:.2f}, OKS {oks:.2f}"
    )
