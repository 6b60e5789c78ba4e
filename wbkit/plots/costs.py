"""What each cause costs in AP: the waterfall up to 1, and a table of all parts as a picture."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from wbkit.failures.repairs import REPAIRS
from wbkit.keypoints import PARTS
from wbkit.plots.styles import GAIN, LOSS, NEUTRAL, finish, ink_on, new_axes, words

_OWN_WORDS = {"good": "within the margin", "other": "all others"}


def plot_ap_waterfall(steps: pd.DataFrame, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """From the measured AP to the AP with everything repaired, one bar a repair, from the top down.

    Args:
        steps: of `wbkit.failures.waterfall_table`; with intervals a whisker at each bar's end shows that of
            the AP reached there, which never passes 1 (the steps' own are in the table).
    """
    ax = new_axes(ax, 7.4, 1.2 + 0.34 * len(steps))
    for place, row in enumerate(steps.itertuples()):
        measured = row.step == "measured"
        color = NEUTRAL if measured or row.step == "other" else GAIN if row.gain >= 0 else LOSS
        hatch = "" if row.gain >= 0 else "///"
        ax.barh(place, row.gain, left=row.start, height=0.66, color=color, hatch=hatch)
        if place + 1 < len(steps):
            ax.plot([row.end, row.end], [place - 0.33, place + 1.33], color="#555555", lw=0.7)
        end = max(row.start, row.end)
        if "end_low" in steps and row.end_low < row.end_high:
            reach = [row.end_low, row.end_high]
            ax.plot(reach, [place, place], color="black", lw=1.3, solid_capstyle="butt", marker="|", ms=5)
            end = max(end, row.end_high)
        text = f"{row.end:.3f}" if measured else f"{row.gain:+.3f}"
        ax.text(end + 0.012, place, text, va="center", fontsize=8.5)
    ax.set_yticks(range(len(steps)), [_OWN_WORDS.get(s, words(s)) for s in steps["step"]])
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.1)
    ax.axvline(1, color="#555555", lw=0.8, ls=":")
    finish(ax, title or "AP as the causes are repaired one after the other", xlabel="AP")
    others = steps.loc[steps["step"] == "other", "names"]
    if len(others):
        names = ", ".join(_OWN_WORDS.get(n, words(n)) for n in others.iloc[0].split(", "))
        ax.set_xlabel(f"AP\n{fill(f'all others: {names}', 64)}", fontsize=9)
    return ax


def plot_costs(
    costs: pd.DataFrame, *, column: str = "AP_cost", title: str | None = None, ax: Axes | None = None
) -> Axes:
    """What repairing one cause alone brings, for every part with labels: a number and a shade in each field.

    Args:
        costs: of `wbkit.failures.ap_cost`; with intervals these stand below the numbers.
        column: "AP_cost", "AR_cost", "AP_step" or "AR_step".
    """
    names = [*list(PARTS)[:-1], "hand", "wholebody"]
    grid = costs.pivot(index="repair", columns="part", values=column).loc[list(REPAIRS), names]
    names = [name for name in names if grid[name].notna().any()] or names  # parts with labels
    grid = grid[names]
    some = grid[(grid.abs() >= 0.0005).any(axis=1)]
    grid = some if len(some) else grid
    ends = _ends(costs, column, grid)
    ax = new_axes(ax, 8.2, 1.0 + (0.33 if ends is None else 0.45) * max(len(grid), 1))
    values = grid.to_numpy(float)
    limit = max(float(np.nanmax(np.abs(values))) if values.size else 0.0, 0.01)
    picture = ax.imshow(values, cmap="Blues", vmin=0, vmax=limit, aspect="auto")
    for (row, place), value in np.ndenumerate(values):
        shade = picture.cmap(picture.norm(value))[:3] if np.isfinite(value) else "white"
        style = {"ha": "center", "color": ink_on(shade)}
        ax.text(place, row, _short(value), va="center" if ends is None else "bottom", fontsize=8.5, **style)
        if ends is not None and ends[row, place].any():
            reach = " to ".join(_short(end) for end in ends[row, place])
            ax.text(place, row + 0.08, reach, va="top", fontsize=6.5, **style)
    ax.set_xticks(range(len(names)), [words(n) for n in names])
    ax.set_yticks(range(len(grid)), [_OWN_WORDS.get(r, words(r)) for r in grid.index])
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    kind = column[:2]
    how = "alone" if column.endswith("cost") else "after those above it"
    finish(ax, title or f"{kind} gained by repairing one cause {how}")
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _ends(costs: pd.DataFrame, column: str, grid: pd.DataFrame) -> np.ndarray | None:
    """(rows, columns, 2) ends of the grid's intervals, 0 for those too small to show; None without any."""
    if f"{column}_low" not in costs:
        return None
    ends = [
        costs.pivot(index="repair", columns="part", values=f"{column}_{end}").loc[grid.index, grid.columns]
        for end in ("low", "high")
    ]
    values = np.nan_to_num(np.stack([end.to_numpy(float) for end in ends], axis=-1))
    return np.where(np.abs(values) < 0.0005, 0.0, values)


def _short(value: float) -> str:
    """Three digits without the leading zero; nothing for NaN."""
    return "" if np.isnan(value) else "0" if abs(value) < 0.0005 else f"{value:.3f}".replace("0.", ".")
