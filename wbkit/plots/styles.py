"""One look for all figures: Okabe-Ito colours, each with a line style or hatch as a second cue."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from wbkit.errors import InputError

PART_STYLES = {
    "body": ("#0072B2", "-"),
    "foot": ("#E69F00", "--"),
    "face": ("#CC79A7", "-"),
    "lefthand": ("#009E73", "-."),
    "righthand": ("#56B4E9", ":"),
    "wholebody": ("#000000", "-"),
}
"""Colour and line style of each part: a second cue for readers who cannot tell the colours apart."""
PART_MARKERS = {"body": "o", "foot": "^", "face": "s", "lefthand": "<", "righthand": ">", "wholebody": "D"}
"""Marker of each part, where lines have points."""
CAUSE_STYLES = {
    "good": ("#E3E6E8", ""),
    "jitter": ("#9FD3F2", ""),
    "contour_slide": ("#56B4E9", "///"),
    "wrong_finger": ("#0072B2", "\\\\\\"),
    "inversion": ("#E69F00", ""),
    "hand_swap": ("#F2CC7A", "xxx"),
    "swap": ("#CC79A7", "..."),
    "collapse": ("#009E73", "---"),
    "miss": ("#D55E00", ""),
    "not_predicted": ("#8C8C8C", "|||"),
    "person_missed": ("#4A4A4A", ""),
}
"""Colour and hatch of each cause of `wbkit.failures`, from harmless to grave; the order of stacked bars."""
GAIN, LOSS, NEUTRAL = "#0072B2", "#D55E00", "#8C8C8C"
"""Blue for what is gained, vermilion for what is lost."""
HATCH_COLOR = "#00000066"


def words(name: str) -> str:
    """A name of the library as people write it: "contour_slide" -> "contour slide"."""
    return {"lefthand": "left hand", "righthand": "right hand", "wholebody": "whole body"}.get(
        name, name.replace("_", " ")
    )


def ink_on(color: str) -> str:
    """Black or white, whichever can be read on a colour."""
    red, green, blue = to_rgb(color)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def new_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The given Axes, or those of a new figure of that size in inches."""
    return ax if ax is not None else plt.subplots(figsize=(width, height), layout="constrained")[1]


def panels(count: int, *, columns: int, width: float, height: float, **options) -> list[Axes]:
    """`count` Axes in rows, each of that size in inches; InputError for none."""
    if not count:
        raise InputError("there is nothing to draw", "Look at the table and the filters: no row is left")
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(width * columns, height * rows),
        layout="constrained",
        squeeze=False,
        **options,
    )
    for ax in axes.flat[count:]:
        figure.delaxes(ax)
    return list(axes.flat[:count])


def finish(ax: Axes, title: str, **labels) -> Axes:
    """Title on the left, labels, no frame above and on the right."""
    ax.set(**labels)
    ax.set_title(title, loc="left", fontsize=11)
    sns.despine(ax=ax)
    return ax
