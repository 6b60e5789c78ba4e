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
        steps: of `wbkit.failures.waterfall_table`; with intervals these are drawn too.
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
        if "gain_low" in steps and np.isfinite(row.gain_low):
            reach = row.start + np.array([row.gain_low, row.gain_high])
            ax.plot(reach, [place, place], color="black", lw=1.3, solid_capstyle="butt", marker="|", ms=5)
            end = max(end, reach[1])
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
        ax.set_xlabel(f"AP\n{fill('all others: ' + words(others.iloc[0]), 95)}", fontsize=9)
    return ax


def plot_costs(
    costs: pd.DataFrame, *, column: str = "AP_cost", title: str | None = None, ax: Axes | None = None
) -> Axes:
    """What repairing one cause alone brings, for every part: a number and a shade in each field.

    Args:
        costs: of `wbkit.failures.ap_cost`. column: "AP_cost", "AR_cost", "AP_step" or "AR_step".
    """
    names = [*list(PARTS)[:-1], "hand", "wholebody"]
    grid = costs.pivot(index="repair", columns="part", values=column).loc[list(REPAIRS), names]
    some = grid[(grid.abs() >= 0.0005).any(axis=1)]
    grid = some if len(some) else grid
    ax = new_axes(ax, 8.2, 1.0 + 0.33 * max(len(grid), 1))
    values = grid.to_numpy(float)
    limit = max(float(np.nanmax(np.abs(values))) if values.size else 0.0, 0.01)
    picture = ax.imshow(values, cmap="Blues", vmin=0, vmax=limit, aspect="auto")
    for (row, place), value in np.ndenumerate(values):
        shown = "" if np.isnan(value) else "0" if abs(value) < 0.0005 else f"{value:.3f}".replace("0.", ".")
        shade = picture.cmap(picture.norm(value))[:3] if np.isfinite(value) else "white"
        ax.text(place, row, shown, ha="center", va="center", fontsize=8.5, color=ink_on(shade))
    ax.set_xticks(range(len(names)), [words(n) for n in names])
    ax.set_yticks(range(len(grid)), [_OWN_WORDS.get(r, words(r)) for r in grid.index])
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    kind = column[:2]
    how = "alone" if column.endswith("cost") else "after those above it"
    finish(ax, title or f"{kind} gained by repairing one cause {how}")
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax
