"""Squares of counts (keypoints on others, causes that became others), and what was fixed and broken."""

from __future__ import annotations

from itertools import product
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from wbkit.plots.styles import CAUSE_STYLES, GAIN, HATCH_COLOR, LOSS, finish, ink_on, new_axes, words


def plot_confusion_matrix(matrix: pd.DataFrame, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Rows: the true keypoints of a part. Columns: the keypoint whose place they were predicted at.

    Shade: share of the row's labelled points. Number: how many points.

    Args:
        matrix: of `wbkit.failures.confusion_matrix`.
    """
    counts = matrix.drop(columns="labelled")
    values = counts.to_numpy(float)
    shares = values / np.maximum(matrix["labelled"].to_numpy(float), 1)[:, None]
    rows, columns = values.shape
    ax = new_axes(ax, max(2.9 + 0.29 * columns, 6.5), 2.3 + 0.25 * rows)
    limit = max(float(shares.max(initial=0)), 0.01)
    picture = ax.imshow(shares, cmap="Blues", vmin=0, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if value:
            style = {"ha": "center", "va": "center", "fontsize": 7.5 if rows > 12 else 8.5}
            color = ink_on(picture.cmap(picture.norm(shares[row, column]))[:3])
            text = f"{value:.0f}" if value < 10_000 else f"{value / 1000:.0f}k"
            ax.text(column, row, text, color=color, **style)
        elif columns > row == column and matrix.index[row] == counts.columns[column]:
            ax.plot(column, row, ".", color="#BBBBBB", ms=3)  # its own place
    _frame(ax, rows, columns, cut=rows)
    names = [f"{name} ({n:,})" for name, n in matrix["labelled"].items()]
    ax.set_yticks(range(rows), names, fontsize=8.5)
    ax.set_xticks(
        range(columns), counts.columns, rotation=60, ha="right", rotation_mode="anchor", fontsize=8.5
    )
    ax.set_ylabel("labelled keypoint (how many)")
    _share_bar(ax, picture, "share of the row's labelled points (numbers: how many)")
    return finish(ax, title or "Predicted where another keypoint is", xlabel="lies on this one")


def plot_cause_changes(
    changes: pd.DataFrame, *, names: tuple[str, str] = ("a", "b"), title: str | None = None,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """From which cause (rows, in a) to which (columns, in b) keypoints went.

    Numbers are keypoints, shades their share of the row. The diagonal, what stayed as it was, is framed;
    where causes go from harmless to grave, what lies left of it got better, right of it worse.

    Args:
        changes: of `Comparison.changes`, or those of one part.
    """
    counts = changes.groupby(["cause_a", "cause_b"], observed=True)["count"].sum()
    used = {*counts.index.get_level_values(0), *counts.index.get_level_values(1)}
    causes = [cause for cause in CAUSE_STYLES if cause in used]
    grid = counts.unstack(fill_value=0).reindex(index=causes, columns=causes, fill_value=0)
    values = grid.to_numpy(float)
    shares = values / np.maximum(values.sum(1), 1)[:, None]
    ax = new_axes(ax, 3.0 + 0.68 * len(causes), 2.0 + 0.36 * len(causes))
    picture = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if value:
            color = ink_on(picture.cmap(picture.norm(shares[row, column]))[:3])
            ax.text(column, row, f"{value:,.0f}", ha="center", va="center", fontsize=8.5, color=color)
    for place in range(len(causes)):
        corner = (place - 0.5, place - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, ec="#555555", lw=1.0))
    _frame(ax, len(causes), len(causes))
    ax.set_yticks(range(len(causes)), [words(c) for c in causes])
    ax.set_xticks(range(len(causes)), [fill(words(c), 9) for c in causes], fontsize=8.5)
    ax.set_ylabel(f"in {names[0]}")
    _share_bar(ax, picture, "share of the row")
    return finish(ax, title or "What became of each cause", xlabel=f"in {names[1]}")


def plot_fixed_broken(
    changes: pd.DataFrame, *, names: tuple[str, str] = ("a", "b"), ax: Axes | None = None
) -> Axes:
    """For each part, to the right what is good in b only, to the left what was good in a only.

    Colours: on the right the cause that the points had in a, on the left the one they have in b.

    Args:
        changes: of `Comparison.changes`.
    """
    table = fixed_broken_table(changes)
    parts = [part for part in table["part"].cat.categories if (table["part"] == part).any()]
    ax = new_axes(ax, 9.2, 1.5 + 0.55 * len(parts))
    seen: set[str] = set()
    for place, part in enumerate(parts):
        here = table[table["part"] == part]
        for column, way in (("fixed", 1), ("broken", -1)):
            left = 0.0
            for row in here.itertuples():
                width = way * getattr(row, column)
                if width:
                    color, hatch = CAUSE_STYLES[row.cause]
                    style = {"color": color, "hatch": hatch, "edgecolor": HATCH_COLOR, "linewidth": 0.4}
                    label = None if row.cause in seen else words(row.cause)
                    ax.barh(place, width, left=left, height=0.66, label=label, **style)
                    seen.add(row.cause)
                    left += width
            text, look = f"{abs(left):.1%}", {"va": "center", "fontsize": 8.5}
            color, side = (GAIN, "left") if way > 0 else (LOSS, "right")
            ax.text(left, place, f" {text} ", ha=side, color=color, **look)
    ax.axvline(0, color="black", lw=0.9)
    ax.set_yticks(range(len(parts)), [words(p) for p in parts])
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.12)
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
    order = [words(c) for c in CAUSE_STYLES]
    handles = sorted(zip(*ax.get_legend_handles_labels(), strict=True), key=lambda h: order.index(h[1]))
    if handles:
        ax.legend(*zip(*handles, strict=True), frameon=False, fontsize=9, loc="upper left",
                  bbox_to_anchor=(1.01, 1.03), handleheight=1.1)  # fmt: skip
    title = f"← broken (good in {names[0]} only)      fixed (good in {names[1]} only) →"
    finish(ax, title, xlabel="share of the part's labelled keypoints")
    ax.spines["left"].set_visible(False)
    return ax


def fixed_broken_table(changes: pd.DataFrame) -> pd.DataFrame:
    """The numbers of `plot_fixed_broken`.

    Returns:
        Columns part, cause (what the points were before, or became), fixed, broken: shares of the part's
        labelled keypoints that are good only in b, only in a.
    """
    total = changes.groupby("part", observed=True)["count"].sum()
    fixed = changes[(changes["cause_b"] == "good") & (changes["cause_a"] != "good")]
    broken = changes[(changes["cause_a"] == "good") & (changes["cause_b"] != "good")]
    rows = []
    for part, cause in product(total.index, [c for c in CAUSE_STYLES if c != "good"]):
        row = {"part": part, "cause": cause}
        for name, some, column in (("fixed", fixed, "cause_a"), ("broken", broken, "cause_b")):
            here = (some["part"] == part) & (some[column] == cause)
            row[name] = float(some.loc[here, "count"].sum() / total[part])
        rows.append(row)
    table = pd.DataFrame(rows, columns=["part", "cause", "fixed", "broken"])
    return table.assign(part=pd.Categorical(table["part"], categories=changes["part"].cat.categories))


def _frame(ax: Axes, rows: int, columns: int, cut: int | None = None) -> None:
    """Thin white lines between fields, and a wider one after `cut` columns."""
    ax.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#E6E6E6", lw=0.7)
    ax.tick_params(which="both", length=0)
    if cut is not None and cut < columns:
        ax.axvline(cut - 0.5, color="#555555", lw=1.2)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _share_bar(ax: Axes, picture: AxesImage, label: str) -> None:
    bar = ax.figure.colorbar(picture, ax=ax, shrink=0.7, pad=0.02, format=lambda v, _: f"{100 * v:.3g}%")
    bar.set_label(label, fontsize=9)
    bar.outline.set_visible(False)
