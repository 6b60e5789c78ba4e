"""Pictures of encoding and decoding show the numbers they are given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from wbkit.heatmaps import HeatmapCodec
from wbkit.plots.decoding import (
    plot_errors_under_noise,
    plot_gains,
    plot_noise_fit,
    plot_sizes,
    show_taylor_step,
)
from wbkit.plots.encoding import (
    plot_heights,
    plot_rounding_error,
    rounding_density,
    show_encodings,
    show_pixel_grids,
)
from wbkit.study.published_dark import SIZES, published_table


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def drawn(ax) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in ax.lines}


def test_density_of_rounding_errors():
    r = np.linspace(0, 1, 200_001)
    density = rounding_density(r)
    assert np.trapezoid(density, r) == pytest.approx(1, abs=1e-6)
    assert np.trapezoid(density * r, r) == pytest.approx((np.sqrt(2) + np.log(1 + np.sqrt(2))) / 6, abs=1e-6)
    assert np.trapezoid(density * r**2, r) == pytest.approx(1 / 6, abs=1e-6)
    ax = plot_rounding_error(np.full(10, 0.3), expected=0.3826)
    assert drawn(ax)["expected mean 0.3826"][0, 0] == 0.3826


def test_grids_join_keypoints_and_their_pixels():
    points = np.array([[60.0, 70.0], [100.0, 120.0]])
    codecs = {name: size.codec for name, size in SIZES.items()}
    picture = np.zeros((200, 160, 3), np.uint8)
    axes = show_pixel_grids(picture, [20, 20, 120, 160], points, codecs, zoom_xywh=(40, 40, 80, 100))
    assert len(axes) == 3
    steps = []
    for ax in axes:
        lines = drawn(ax)
        assert lines["keypoint"] == pytest.approx(points)
        moved = np.linalg.norm(lines["its heatmap pixel"] - points, axis=1)
        steps.append(float(ax.get_title().split("is ")[1].split(" image")[0]))
        assert (moved <= steps[-1] * np.sqrt(0.5) + 0.1).all()
        assert (moved > 0).any()
    assert steps == pytest.approx([6.2, 3.1, 2.1], abs=0.1)  # the box is 200 px high with padding


def test_encodings_side_by_side():
    biased, unbiased = np.zeros((9, 9)), np.zeros((9, 9))
    biased[4, 5] = unbiased[4, 4] = 1
    axes = show_encodings(biased, unbiased, (4.4, 4.0))
    assert axes[2].images[0].get_array()[4].tolist() == [0, 0, 0, 0, -1, 1, 0, 0, 0]
    assert drawn(axes[0])["highest pixel"].tolist() == [[5, 4]]
    assert all(drawn(ax)["true place"].tolist() == [[4.4, 4.0]] for ax in axes)


def test_heights():
    table = pd.DataFrame({"implied": [0.5, 1.0], "measured": [0.6, 0.9], "keypoints": [3, 4]})
    ax = plot_heights(table)
    assert ax.collections[0].get_offsets().tolist() == [[0.5, 0.6], [1.0, 0.9]]


def test_the_step_ends_at_the_truth_of_an_exact_map():
    codec = HeatmapCodec((192, 256), (48, 64))
    truth = np.array([20.3, 30.6])
    maps, _ = codec.encode(torch.tensor(truth[None, None] * 4), torch.ones(1, 1))
    axes = show_taylor_step(maps[0, 0].numpy(), truth)
    places = drawn(axes[0])
    assert places["argmax"].tolist() == [[20, 31]]
    assert places["quarter"].tolist() == [[20.25, 30.75]]
    assert places["DARK"][0] == pytest.approx(truth, abs=1e-3)
    labels = [text.get_text() for text in axes[2].get_legend().get_texts()]
    assert {"DARK 30.60", "quarter 30.75", "truth 30.60"} <= set(labels)  # the longer component is y's
    assert axes[2].get_title("left") == "a cut along y"


def test_curves_hold_the_tables():
    errors = pd.DataFrame({"argmax": [0.38, 0.4], "DARK, blur 11": [0.0, 0.1]}, index=[0.0, 0.1])
    axes = plot_errors_under_noise({"a": errors, "b": errors})
    assert drawn(axes[1])["argmax"].tolist() == [[0.0, 0.38], [0.1, 0.4]]
    rows = pd.DataFrame({"gain": [3.0, 2.0, 1.0]}, index=list(SIZES))
    lines = drawn(plot_gains({"mine": rows}, published_table()))
    assert lines["mine"][:, 1].tolist() == [3, 2, 1]
    assert lines["published, HRNet-W32, COCO val"][:, 1].tolist() == [3.8, 1.2, 0.8]
    index = pd.MultiIndex.from_product([SIZES, ("biased", "unbiased"), ("argmax", "quarter", "DARK")])
    table = pd.DataFrame({"error": np.arange(18.0)}, index=index.set_names(["size", "encoding", "decoder"]))
    assert drawn(plot_sizes(table))["DARK, unbiased"][:, 1].tolist() == [5, 11, 17]


def test_noise_fit_shows_both():
    profile = pd.DataFrame(
        {"height": [1, 0.5], "target": [1, 0.4], "residual": [0.1, 0.2]}, index=[0.25, 0.75]
    )
    percentiles = pd.Series([0.5, 2.0], index=[50, 90])
    axes = plot_noise_fit(
        {"predicted": profile, "noise model": profile * 2},
        {"predicted": percentiles, "noise model": percentiles},
    )
    assert drawn(axes[1])["noise model"][:, 1].tolist() == [0.2, 0.4]
    assert drawn(axes[2])["predicted"].tolist() == [[0.5, 50], [2.0, 90]]
