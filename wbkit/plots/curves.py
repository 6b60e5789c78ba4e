"""Precision-recall and training curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from wbkit.evaluate import RECALLS, precision_recall
from wbkit.matching import OKS_THRESHOLDS, Matches
from wbkit.plots.styles import PART_STYLES, finish, panels, words

_THRESHOLD_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))  # cycled over OKS thresholds


def plot_precision_recall(
    matches: dict[str, Matches], *, threshold: float | None = None, ax: Axes | None = None
) -> Axes:
    """Precision over recall, a line a part; the legend states the area below it.

    Args:
        matches: part -> its matches (`wbkit.matching.match`).
        threshold: one of .50, .55 ... .95; None: the mean over all of them, whose area is the AP.
    """
    ax = ax or plt.subplots(figsize=(6.6, 4.2), layout="constrained")[1]
    rows = slice(None) if threshold is None else [int(np.argmin(np.abs(OKS_THRESHOLDS - threshold)))]
    for part, found in matches.items():
        precision = precision_recall(found)[0][rows].mean(0)  # (101,)
        if np.isnan(precision).any():
            continue  # nobody has labels for this part: there is no curve
        color, style = PART_STYLES[part]
        label = f"{part}  {precision.mean():.3f}"
        ax.plot(RECALLS, precision, style, color=color, label=label, lw=2.4 if part == "wholebody" else 1.6)
    over = "mean over OKS .50 to .95" if threshold is None else f"OKS > {threshold:.2f}"
    ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.03))
    ax.set_title(f"Precision and recall by part, {over}", loc="left", fontsize=11)
    ax.legend(title="part  AP", frameon=False, loc="upper left", bbox_to_anchor=(1, 1), alignment="left")
    sns.despine(ax=ax)
    return ax


def plot_precision_recall_by_part(curves: pd.DataFrame, *, columns: int = 3) -> list[Axes]:
    """A panel for each part: precision over recall at each OKS threshold; the legend states the AP there.

    Args:
        curves: of `wbkit.failures.precision_recall_table`.
    """
    parts = [part for part in curves["part"].cat.categories if (curves["part"] == part).any()]
    axes = panels(len(parts), columns=columns, width=3.1, height=2.8, sharex=True, sharey=True)
    for ax, part in zip(axes, parts, strict=True):
        here = curves[curves["part"] == part].groupby("threshold")
        for style, (threshold, rows) in zip(cycle(_THRESHOLD_STYLES), here, strict=False):
            label = f"{threshold:.2f}   {rows['precision'].mean():.3f}"
            look = {"ls": style, "color": PART_STYLES[part][0], "lw": 1.7, "label": label}
            ax.plot(rows["recall"], rows["precision"], **look)
        style = {"edgecolor": "none", "framealpha": 0.85, "fontsize": 8, "title_fontsize": 8}
        ax.legend(title="OKS    AP", alignment="left", **style)
        finish(ax, words(part), xlim=(0, 1.01), ylim=(0, 1.03))
    axes[0].figure.supxlabel("recall", fontsize=10)
    axes[0].figure.supylabel("precision", fontsize=10)
    return axes


def training_curves(metrics: str | Path | pd.DataFrame) -> Sequence[Axes]:
    """Loss and AP by part over the updates of a run: returns the two Axes.

    Args:
        metrics: a run's metrics.csv, or its table (columns: `wbkit.runs.COLUMNS` and `AP_COLUMNS`).
    """
    table = metrics if isinstance(metrics, pd.DataFrame) else pd.read_csv(metrics)
    measured = [part for part in PART_STYLES if part in table and table[part].notna().any()]
    steps, tests = table.dropna(subset="loss"), table.dropna(subset=measured, how="all")
    axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")[1]
    window = 2 * (min(14, len(steps) // 10) // 2) + 1  # odd, to be centred: no lag, but at the ends
    smooth = np.exp(  # of logarithms, as the axis is: the mean would lie above a steep curve
        np.log(steps.loss).rolling(window, center=True, min_periods=1).mean()
    )
    axes[0].plot(steps.step, steps.loss, color="#BBBBBB", lw=0.8, label="of one batch")
    axes[0].plot(steps.step, smooth, color="#0072B2", lw=1.8, label="smoothed")
    rate = steps.learning_rate  # dropped where it was constant before: neither a line to 0 nor a new stage
    drops = (rate < 0.5 * rate.shift()) & (rate.shift() == rate.shift(2))
    for step in steps.step[drops]:
        axes[0].axvline(step, color="#999999", lw=0.8, ls=":")
    axes[0].set(yscale="log", xlabel="update", ylabel="heatmap loss")
    axes[0].set_title(
        "Loss; dotted: the learning rate drops" if drops.any() else "Loss", loc="left", fontsize=11
    )
    axes[0].legend(frameon=False)
    for part in measured:  # of faces and hands alone, or of COCO's body alone
        color, style = PART_STYLES[part]
        width = 2.4 if part == "wholebody" else 1.6
        axes[1].plot(tests.step, tests[part], style, color=color, lw=width, marker="o", ms=3, label=part)
    axes[1].set(xlabel="update", ylabel="AP", ylim=(0, None))
    title = "AP by part on the validation people" if measured else "No validation so far"
    axes[1].set_title(title, loc="left", fontsize=11)
    if measured:
        axes[1].legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    for ax in axes:
        ax.locator_params(axis="x", nbins=5)  # updates can have five digits
        sns.despine(ax=ax)
    return list(axes)
