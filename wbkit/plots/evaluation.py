"""How a score comes about: circles of equal similarity, who is matched to whom, how precision becomes AP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle

from wbkit.evaluate import RECALLS
from wbkit.keypoints import KEYPOINTS, SIGMAS
from wbkit.matching import keypoint_similarity
from wbkit.plots.styles import GAIN, LOSS, PART_MARKERS, PART_STYLES, finish, ink_on, new_axes, panels, words

_LEVEL_STYLES = ("-", "--", ":")


def show_similarity_rings(
    image_rgb: np.ndarray,
    truth: np.ndarray,
    found: np.ndarray,
    area: float,
    names: Sequence[str],
    levels: Sequence[float] = (0.85, 0.5),
) -> list[Axes]:
    """A panel for each keypoint, all at one scale: label, prediction, and circles of equal similarity.

    The label is a white cross, the prediction a blue dot; beneath stands their distance and the similarity.

    Args:
        image_rgb: (H, W, 3) uint8.
        truth, found: (133, 2 or more) image px.
        area: the person's, px^2.
        names: of `KEYPOINTS`.
        levels: at most three similarities between 0 and 1.
    """
    points = [KEYPOINTS.index(name) for name in names]
    radii = np.sqrt(-2 * area * np.log(np.array(levels)))[:, None] * 2 * SIGMAS[points]  # (levels, names) px
    reach = 1.3 * radii.max()
    axes = panels(len(names), columns=len(names), width=2.3, height=3.2)
    for ax, k, circles in zip(axes, points, radii.T, strict=True):
        x, y = truth[k, :2]
        ax.imshow(image_rgb, interpolation="nearest")
        for radius, style in zip(circles, _LEVEL_STYLES, strict=False):
            ax.add_patch(Circle((x, y), radius, fill=False, color="white", lw=2.6))
            ax.add_patch(Circle((x, y), radius, fill=False, color="#D55E00", lw=1.3, ls=style))
        for size, color in ((11, "black"), (9, "white")):
            ax.plot(x, y, "+", color=color, ms=size, mew=3 if color == "black" else 1.6)
        ax.plot(*found[k, :2], "o", color="#0072B2", ms=7, mec="white", mew=1.3)
        offset = found[k, :2] - truth[k, :2]
        similarity = keypoint_similarity(offset[None], np.array(area), SIGMAS[[k]])[0]
        ax.set(xlim=(x - reach, x + reach), ylim=(y + reach, y - reach), xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_title(words(KEYPOINTS[k]), fontsize=10, loc="left")
        ax.set_xlabel(f"{np.hypot(*offset):.1f} px off\nsimilarity {similarity:.2f}", fontsize=9)
    kinds = ("full", "dashed", "dotted")
    said = ", ".join(f"{kind} {level:g}" for kind, level in zip(kinds, levels, strict=False))
    title = f"One scale, one person: on the circles the similarity is {said}"
    axes[0].figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return axes


def plot_matching(
    similarity: np.ndarray,
    scores: np.ndarray,
    chosen: np.ndarray,
    *,
    threshold: float,
    ax: Axes | None = None,
) -> Axes:
    """OKS of every detection (rows, best score first) with every person (columns); frames show the matches.

    Args:
        similarity: (D, G) in 0..1. scores: (D,), descending.
        chosen: (D,) the person that each detection takes, -1 if none.
        threshold: OKS below it cannot be matched, and is drawn pale.
    """
    detections, people = similarity.shape
    ax = new_axes(ax, 1.1 * people + 2.2, 0.62 * detections + 1.0)
    shown = np.where(similarity >= threshold, similarity, similarity * 0.25)
    picture = ax.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (d, g), value in np.ndenumerate(similarity):
        color = "#{:02x}{:02x}{:02x}".format(*picture.cmap(picture.norm(shown[d, g]), bytes=True)[:3])
        ax.text(g, d, f"{value:.2f}", ha="center", va="center", color=ink_on(color))
    for d, g in enumerate(chosen):
        if g >= 0:
            frame = Rectangle((g - 0.46, d - 0.44), 0.92, 0.88, fill=False, ec="#D55E00", lw=3)
            ax.add_patch(frame)
        verdict = "right" if g >= 0 else "wrong"
        ax.text(people - 0.4, d, verdict, va="center", color=GAIN if g >= 0 else LOSS, clip_on=False)
    rows = [f"detection {d + 1}, score {score:.2f}" for d, score in enumerate(scores)]
    ax.set_yticks(range(detections), rows)
    ax.set_xticks(range(people), [f"person {chr(65 + g)}" for g in range(people)])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(f"OKS; matches at threshold {threshold:.2f}", loc="left", fontsize=11)
    return ax


def plot_interpolation(
    recall: np.ndarray, precision: np.ndarray, sampled: np.ndarray, ax: Axes | None = None
) -> Axes:
    """From counted detections to AP: the raw curve, the best precision at any higher recall, 101 samples.

    Args:
        recall, precision: (E,) after each detection, from the highest score down.
        sampled: (101,) the precision read at `RECALLS`; its mean is the AP.
    """
    ax = new_axes(ax, 6.4, 3.6)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    ax.fill_between(RECALLS, sampled, step="mid", color="#56B4E9", alpha=0.25, lw=0)
    ax.plot(recall, precision, color="#8C8C8C", lw=1.2, label="after each detection")
    ax.step(recall, best, where="pre", color="#0072B2", lw=1.8, label="best at this or any higher recall")
    ax.plot(RECALLS, sampled, "o", color="#D55E00", ms=2.8, label="read at 101 recalls")
    ax.legend(loc="lower left", frameon=False, fontsize=9)
    title = f"AP is the mean of the dots: {sampled.mean():.2f}"
    return finish(ax, title, xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.04))


def plot_by_part(
    table: pd.DataFrame,
    title: str,
    *,
    xlabel: str,
    ylabel: str = "AP",
    predicted: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A line for each part over anything that was varied.

    Args:
        table: index: what was varied; a column for each part (keys of `PARTS`; others are left out).
        predicted: the same by a formula: thin lines, while `table` is drawn as markers only.
    """
    ax = new_axes(ax, 7.2, 3.8)
    for part in [part for part in PART_STYLES if part in table]:
        color, style = PART_STYLES[part]
        marker = {"color": color, "marker": PART_MARKERS[part], "ms": 5, "label": words(part)}
        if predicted is None:
            width = 2.4 if part == "wholebody" else 1.6
            ax.plot(table.index, table[part], style, lw=width, **marker)
        else:
            ax.plot(predicted.index, predicted[part], style, color=color, lw=1.2)
            ax.plot(table.index, table[part], ls="", **marker)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    top = max(1.0, np.nanmax(table.to_numpy(float)))
    return finish(ax, title, xlabel=xlabel, ylabel=ylabel, ylim=(0, 1.03 * top))
