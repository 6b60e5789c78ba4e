"""Pictures of decoding: a Taylor step, errors under noise, and what decoders gain at every input size."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from wbkit.decoders import argmax2d, log_derivatives, log_patches, refine_quarter, taylor_step

DECODER_STYLES = {  # colour (Okabe-Ito), marker, line
    "argmax": ("#777777", "o", ":"),
    "quarter": ("#E69F00", "s", "--"),
    "DARK": ("#0072B2", "^", "-"),
    "UDP": ("#009E73", "v", "-."),
    "DARK, no blur": ("#D55E00", "x", "-."),
}
_TRUTH = "#CC3CA0"  # as in the explorers, where it is a ring, too
_REACH = 4  # px around the peak that `show_taylor_step` draws


def decoder_style(name: str) -> dict:
    """Keyword arguments of `Axes.plot` for a decoder ("DARK, blur 11" looks like "DARK")."""
    key = name if name in DECODER_STYLES else name.split(",")[0]
    color, marker, line = DECODER_STYLES[key]
    return {"color": color, "marker": marker, "ls": line, "lw": 1.8, "ms": 6}


def show_taylor_step(
    heatmap: np.ndarray, truth: Sequence[float] | None = None, *, kernel_size: int = 11
) -> Sequence[Axes]:
    """One Taylor step: on the map, on the contours of its logarithm, and along the step: three Axes.

    Args:
        heatmap: (H, W) with its peak at least 2 px from the border.
        truth: (2,) heatmap px, or None.
        kernel_size: of DARK's blur; 1 for none.
    """
    maps = torch.as_tensor(np.ascontiguousarray(heatmap), dtype=torch.float32)[None, None]
    peak = argmax2d(maps)[0]
    patch = log_patches(maps, peak, kernel_size)
    gradient, hessian = log_derivatives(patch)
    step = taylor_step(gradient, hessian)[0, 0].numpy()
    quarter = refine_quarter(maps, peak)[0, 0].numpy()
    peak, g, hess, logs = (
        peak[0, 0].numpy(),
        gradient[0, 0].numpy(),
        hessian[0, 0].numpy(),
        patch[0, 0].numpy(),
    )
    axes = plt.subplots(1, 3, figsize=(11.5, 3.8), layout="constrained")[1]
    axes[0].imshow(heatmap, cmap="cividis", vmin=0)
    axes[0].set_title("heatmap", loc="left", fontsize=10)
    _contours(axes[1], logs, peak, g, hess)
    shown = "map" if kernel_size == 1 else "blurred map"
    axes[1].set_title(f"log of the {shown}; lines: its quadratic", loc="left", fontsize=10)
    for ax in axes[:2]:
        _places(ax, peak, quarter, peak + step, truth)
    x, y = peak
    axes[0].set(xlim=(x - _REACH - 0.5, x + _REACH + 0.5), ylim=(y + _REACH + 0.5, y - _REACH - 0.5))
    axes[1].annotate("", peak + step, peak, arrowprops={"arrowstyle": "->", "color": "#0072B2", "lw": 1.6})
    axes[1].set(xlim=(x - 2.5, x + 2.5), ylim=(y + 2.5, y - 2.5), aspect="equal")
    axis = int(np.abs(step[1]) > np.abs(step[0]))  # the longer component: 0 for x, 1 for y
    _section(axes[2], logs, peak, g, hess, step, quarter, truth, axis)
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return list(axes)


def _places(ax: Axes, peak, quarter, dark, truth) -> None:
    for name, place in (("argmax", peak), ("quarter", quarter), ("DARK", dark)):
        color, marker, _ = DECODER_STYLES[name]
        ax.plot(*place, marker, color=color, mec="white", ms=9, mew=0.8, ls="none", label=name)
    if truth is not None:
        ax.plot(*truth, "o", color=_TRUTH, mfc="none", ms=14, mew=2, ls="none", label="truth")


def _quadratic(logs: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, dx, dy) -> np.ndarray:
    """The Taylor polynomial around the patch's middle."""
    second = hessian[0, 0] * dx**2 + 2 * hessian[0, 1] * dx * dy + hessian[1, 1] * dy**2
    return logs[2, 2] + gradient[0] * dx + gradient[1] * dy + second / 2


def _contours(ax: Axes, logs, peak, gradient, hessian) -> None:
    x, y = peak
    ax.imshow(logs, extent=(x - 2.5, x + 2.5, y + 2.5, y - 2.5), cmap="cividis")
    dx, dy = np.meshgrid(np.linspace(-2.5, 2.5, 101), np.linspace(-2.5, 2.5, 101))
    values = _quadratic(logs, gradient, hessian, dx, dy)
    levels = np.sort(values.max() - (values.max() - values.min()) * np.array([0.02, 0.1, 0.25, 0.45, 0.7]))
    ax.contour(x + dx, y + dy, values, levels=levels, colors="white", linewidths=0.9, linestyles="solid")


def _section(ax: Axes, logs, peak, gradient, hessian, step, quarter, truth, axis: int) -> None:
    """The logarithm along x or y through the peak, and the Taylor polynomial there."""
    name, middle = "xy"[axis], peak[axis]
    line = logs[2, :] if axis == 0 else logs[:, 2]
    place = np.arange(-2, 3) + middle
    ax.plot(place, line, "o", color="#444444", ms=7, label="pixels")
    d = np.linspace(-2.5, 2.5, 200)
    other = step[1 - axis]  # through the vertex, the curve peaks where the step ends
    fitted = _quadratic(logs, gradient, hessian, *((d, 0) if axis == 0 else (0, d)))
    through = _quadratic(logs, gradient, hessian, *((d, other) if axis == 0 else (other, d)))
    ax.plot(middle + d, fitted, color="#0072B2", lw=1.8, label="Taylor, through the peak")
    if abs(hessian[0, 1] * other) > 1e-3:
        ax.plot(middle + d, through, color="#0072B2", lw=1, ls=":", label="... through the step's end")
    for value, style, label in (
        (middle + step[axis], DECODER_STYLES["DARK"], "DARK"),
        (quarter[axis], DECODER_STYLES["quarter"], "quarter"),
    ):
        ax.axvline(value, color=style[0], ls=style[2], lw=1.4, label=f"{label} {value:.2f}")
    if truth is not None:
        ax.axvline(truth[axis], color=_TRUTH, ls=":", lw=2.2, label=f"truth {truth[axis]:.2f}")
    low, high = float(fitted.min()), float(fitted.max())
    ax.set(xlabel=f"{name} (heatmap px)", ylabel="log", ylim=(low - 0.6 * (high - low), None), xticks=place)
    ax.set_title(f"a cut along {name}", loc="left", fontsize=10)
    ax.legend(fontsize=8, loc="lower center", ncols=2, facecolor="white", edgecolor="none", framealpha=1)


def plot_errors_under_noise(tables: dict[str, pd.DataFrame]) -> Sequence[Axes]:
    """Mean error of the decoders over the noise, a panel a table of `errors_under_noise`."""
    size = (4.6 * len(tables), 3.7)
    axes = plt.subplots(1, len(tables), figsize=size, layout="constrained", sharey=True, squeeze=False)[1][0]
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        for name in table:
            ax.plot(table.index, table[name], label=name, **decoder_style(name))
        ax.set(xlabel="sd of the noise (the peak is 1)", ylim=(0, None))
        ax.set_title(title, loc="left", fontsize=10)
    axes[0].set_ylabel("mean error (heatmap px)")
    axes[-1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return list(axes)


def plot_noise_fit(
    profiles: dict[str, pd.DataFrame], percentiles: dict[str, pd.Series], target: str = "target"
) -> Sequence[Axes]:
    """Predicted maps beside maps drawn from the noise model: shape, residual, errors: three Axes.

    Args:
        profiles: "predicted" and "noise model" -> `wbkit.study.noise_fit.radial_profile`.
        percentiles: the same -> `wbkit.study.noise_fit.error_percentiles`.
    """
    axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")[1]
    styles = [{"color": "#0072B2", "marker": "o", "ls": "-"}, {"color": "#D55E00", "marker": "x", "ls": "--"}]
    for (name, profile), style in zip(profiles.items(), styles, strict=True):
        axes[0].plot(profile.index, profile["height"], label=name, **style)
        axes[1].plot(profile.index, profile["residual"], label=name, **style)
        axes[2].plot(percentiles[name], percentiles[name].index, label=name, **style)
    axes[0].plot(profile.index, profile["target"], color="#999999", ls=":", label=target)
    axes[0].set(ylabel="map / its maximum", ylim=(0, 1.02))
    axes[1].set(ylabel="rms of what is left", ylim=(0, None))
    for ax in axes[:2]:
        ax.set_xlabel("distance from the peak (sigmas)")
    axes[2].set(xlabel="error (heatmap px)", ylabel="percentile", xscale="log")
    axes[2].xaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.5, 1, 2, 5, 10, 20]))
    axes[2].xaxis.set_major_formatter(ScalarFormatter())
    axes[2].xaxis.set_minor_locator(NullLocator())
    for ax, title in zip(axes, ("shape of the maps", "less the Gaussian", "error of the place"), strict=True):
        ax.set_title(title, loc="left", fontsize=10)
        ax.legend(frameon=False, fontsize=9)
    return list(axes)


def plot_sizes(table: pd.DataFrame, column: str = "error") -> Axes:
    """Error (or AP) over the input sizes of a `size_ablation`: solid markers unbiased, open ones biased.

    Args:
        table: of `wbkit.study.sizes.size_ablation`; UDP's step is left out: it would lie on DARK's.
    """
    ax = plt.subplots(figsize=(5.4, 4), layout="constrained")[1]
    sizes = list(table.index.get_level_values("size").unique())
    for encoding, fill in (("unbiased", None), ("biased", "white")):
        for name in ("argmax", "quarter", "DARK"):
            values = table[column].xs((encoding, name), level=("encoding", "decoder")).reindex(sizes)
            style = decoder_style(name) | ({"mfc": fill} if fill else {}) | {"lw": 1.8 if not fill else 0.9}
            ax.plot(sizes, values, label=f"{name}, {encoding}", **style)
    label = {"error": "median error (px of the picture)"}.get(column, f"{column} AP (points)")
    ax.set(xlabel="input size", ylabel=label, ylim=(0, None) if column == "error" else None)
    ax.legend(frameon=False, fontsize=9)
    return ax


def plot_gains(gains: dict[str, pd.DataFrame], published: pd.DataFrame) -> Axes:
    """What DARK adds at each input size, beside the published gains; logarithmic above 1 point.

    Args:
        gains: label -> `wbkit.study.sizes.gains`. published: `wbkit.study.published_dark.published_table`.
    """
    ax = plt.subplots(figsize=(8.8, 4.0), layout="constrained")[1]
    sizes = list(published.index.get_level_values("size").unique())
    for network, (marker, line) in {"W32": ("o", "-"), "W48": ("D", "")}.items():
        gain = published["gain"].xs(network, level="network").reindex(sizes)
        label = f"published, HRNet-{network}, COCO val"
        ax.plot(sizes, gain, marker=marker, ls=line, color="black", lw=2.2, ms=7, label=label)
    looks = (("#0072B2", "^", "--"), ("#D55E00", "s", ":"), ("#009E73", "v", "-."), ("#CC79A7", "x", "--"))
    for (label, rows), (color, marker, line) in zip(gains.items(), looks, strict=False):
        values = rows["gain"].reindex(sizes)
        ax.plot(sizes, values, color=color, marker=marker, ls=line, lw=1.8, ms=7, label=label)
    ax.set(xlabel="input size (height x width)", ylabel="gain in body AP (points, logarithmic above 1)")
    ax.set_yscale("symlog", linthresh=1.0)
    ticks = (0, 0.5, 1, 2, 5, 10, 20, 50)
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_ylim(min(0, ax.get_ylim()[0]), None)
    ax.set_title("What DARK adds", loc="left", fontsize=11)
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return ax
