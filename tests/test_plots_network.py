"""A drawn network has a mark for every map and an arrow for every way; features keep their places."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from wbkit.hrnet import PoseNet
from wbkit.plots import draw_network, show_branch_features
from wbkit.study.flow import trace


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def flow():
    return trace(PoseNet(4, num_keypoints=5), (64, 96))


def test_every_map_and_every_way_is_drawn_once(flow):
    ax = draw_network(flow.maps, flow.paths)
    arrows = [p for p in ax.patches if isinstance(p, FancyArrowPatch)]
    boxes = [p for p in ax.patches if isinstance(p, FancyBboxPatch)]
    sums = [line for line in ax.lines if line.get_marker() == "o"]
    fused = (flow.maps.kind == "fused").sum()
    assert len(arrows) == len(flow.paths)
    assert (len(boxes), len(sums)) == (len(flow.maps) - fused, fused)
    for kind, style in (("same", "-"), ("down", "--"), ("up", ":")):
        assert sum(a.get_linestyle() == style for a in arrows) == (flow.paths.kind == kind).sum()


def test_lower_resolutions_lie_lower_and_later_maps_further_right(flow):
    ax = draw_network(flow.maps, flow.paths)
    boxes = [p for p in ax.patches if isinstance(p, FancyBboxPatch)]
    rows = flow.maps[flow.maps.kind != "fused"]
    x = np.array([b.get_x() + b.get_width() / 2 for b in boxes])
    y = np.array([b.get_y() + b.get_height() / 2 for b in boxes])
    assert np.allclose(y, -np.log2(rows.stride))
    assert (
        np.sign(np.subtract.outer(x, x)) == np.sign(np.subtract.outer(*[rows.column.to_numpy()] * 2))
    ).all()
    assert len({to_hex(b.get_facecolor()) for b in boxes}) == 5  # what is before the branches, and four


def test_words_state_channels_sizes_and_stages(flow):
    texts = [t.get_text() for t in draw_network(flow.maps, flow.paths).texts]
    assert {"1/4\n24 x 16", "1/32\n3 x 2", "stage2", "stage3", "stage4", "head", "image", "heatmaps"} <= set(
        texts
    )
    assert {"3", "64", "256", "4", "8", "16", "32", "5"} <= set(texts)


def test_features_are_shown_where_they_are_and_outliers_do_not_hide_them():
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 0.1, (8, 12, 8)).astype(np.float32)
    maps[:, 3:5, 2:4] += rng.normal(0, 2, (8, 1, 1))  # a part
    maps[:, 11, 0] = 1000.0  # a corner
    crop = np.zeros((96, 64, 3), np.uint8)
    axes = show_branch_features(crop, {"one": maps, "two": maps[:, ::2, ::2]})
    assert len(axes) == 6
    strength = axes[1].images[0]
    shown = np.asarray(strength.norm(strength.get_array()))
    part = np.zeros((12, 8), bool)
    part[3:5, 2:4] = True
    assert shown[part].min() > 0.9
    part[11, 0] = True
    assert np.median(shown[~part]) < 0.5
    colors = axes[4].images[0].get_array()
    red = np.asarray(colors)[..., 0]  # the first direction: part or not
    assert np.ptp(red[3:5, 2:4]) < 0.1
    assert abs(red[3:5, 2:4].mean() - np.median(red)) > 0.3
    assert strength.get_extent() == [-0.5, 63.5, 95.5, -0.5]
    assert "8 x 12 x 8" in axes[1].get_title()
