"""Drawings say what they should: right colours in right places, curves whose area is the AP."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers import make_annotations

from wbkit.annotations import load_annotations, load_results, results_from_arrays
from wbkit.errors import InputError
from wbkit.evaluate import per_part_table
from wbkit.keypoints import COLORS, KEYPOINTS, PARTS
from wbkit.matching import match
from wbkit.plots import (
    PART_STYLES,
    draw_pose,
    plot_precision_recall,
    show_heatmap,
    show_part_heatmaps,
    show_poses,
    training_curves,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_left_is_orange_right_is_blue_and_the_picture_is_a_copy():
    picture = np.full((200, 200, 3), 128, np.uint8)
    keypoints = np.full((133, 2), np.nan)
    keypoints[KEYPOINTS.index("left_wrist")] = 50, 60
    keypoints[KEYPOINTS.index("right_wrist")] = 150, 60
    drawn = draw_pose(picture, keypoints, thickness=4)
    assert tuple(drawn[60, 50]) == COLORS["left"]
    assert tuple(drawn[60, 150]) == COLORS["right"]
    assert (picture == 128).all()


def test_points_at_or_below_the_threshold_and_far_outside_are_left_out():
    picture = np.zeros((100, 100, 3), np.uint8)
    keypoints = np.full((1, 133, 2), 50.0)
    assert not draw_pose(picture, keypoints, np.full((1, 133), 0.2), threshold=0.2).any()
    assert draw_pose(picture, keypoints, np.full((1, 133), 0.21), threshold=0.2).any()
    assert not draw_pose(picture, np.full((133, 2), 1e7)).any()
    assert not draw_pose(picture, np.zeros((0, 133, 2)), np.zeros((0, 133))).any()


def test_draw_pose_of_some_parts_only():
    """Each part in a place of its own; what is asked for is drawn there, and nothing elsewhere."""
    keypoints, places = np.zeros((133, 2)), {}
    for i, part in enumerate(("body", "foot", "face", "lefthand", "righthand")):
        places[part] = np.s_[:, 60 * i : 60 * i + 60]
        points = PARTS[part]
        n = points.stop - points.start
        keypoints[points] = np.stack([60 * i + 10 + np.arange(n) % 40, 20 + np.arange(n) % 7], 1)
    for part, place in places.items():
        drawn = draw_pose(np.zeros((60, 300, 3), np.uint8), keypoints, parts=(part,))
        assert drawn[place].any()
        drawn[place] = 0
        assert not drawn.any()
    everything = draw_pose(np.zeros((60, 300, 3), np.uint8), keypoints)
    assert (draw_pose(np.zeros((60, 300, 3), np.uint8), keypoints, parts=set(places)) == everything).all()
    with pytest.raises(InputError, match="no part 'hand'"):
        draw_pose(np.zeros((60, 300, 3), np.uint8), keypoints, parts=("hand",))
    assert not draw_pose(np.zeros((9, 9, 3), np.uint8), []).any()
    with pytest.raises(InputError, match=r"shape \(21, 2\).*parts="):
        draw_pose(np.zeros((60, 300, 3), np.uint8), keypoints[PARTS["lefthand"]])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_area_below_the_curves_is_the_ap():
    content = make_annotations()
    annotations = load_annotations(content)
    rng = np.random.default_rng(0)
    noisy = annotations.keypoints.copy()
    noisy[..., :2] += rng.normal(0, 4, noisy[..., :2].shape)
    noisy[..., 2] = 0.9
    scores = rng.uniform(0.1, 1, len(noisy))
    results = load_results(results_from_arrays(noisy, None, annotations.person_image_ids, scores))
    table = per_part_table(annotations, results)
    ax = plot_precision_recall({part: match(annotations, results, part) for part in PARTS})
    lines = {line.get_label().split()[0]: line.get_ydata().mean() for line in ax.get_lines()}
    assert lines
    for part, area in lines.items():
        assert area == pytest.approx(table.AP[part])
    at_50 = plot_precision_recall({"body": match(annotations, results, "body")}, threshold=0.5)
    assert at_50.get_lines()[0].get_ydata().mean() == pytest.approx(table.AP50["body"])


def test_a_heatmap_lies_where_its_pixels_are_in_the_crop():
    crop = np.zeros((64, 48, 3), np.uint8)
    heatmap = np.zeros((16, 12))
    heatmap[5, 3] = 1
    ax = show_heatmap(crop, heatmap, np.array([12.0, 20.0]), title="one")
    left, right, bottom, top = ax.images[1].get_extent()
    assert left + (3 + 0.5) * (right - left) / 12 == pytest.approx(12)  # heatmap pixel 3 is crop pixel 12
    assert top + (5 + 0.5) * (bottom - top) / 16 == pytest.approx(20)
    assert ax.get_title() == "one"


def test_grids_have_a_panel_each():
    pictures = [np.zeros((20, 30, 3), np.uint8)] * 4
    assert [ax.get_title() for ax in show_poses(pictures, list("abcd"))] == list("abcd")
    axes = show_part_heatmaps(np.zeros((64, 48, 3), np.uint8), np.zeros((133, 16, 12)), np.zeros((133, 2)))
    assert len(axes) == 8


def test_training_curves_draw_every_row(tmp_path):
    parts = ["body", "foot", "face", "lefthand", "righthand", "hand", "wholebody"]
    losses = pd.DataFrame({"step": [20, 40, 60], "loss": [3e-3, 2e-3, 1e-3], "learning_rate": [1, 1, 0.1]})
    tests = pd.DataFrame({"step": [40, 60]} | {part: [0.1, 0.2] for part in parts})
    pd.concat([losses, tests]).to_csv(tmp_path / "metrics.csv", index=False)
    left, right = training_curves(tmp_path / "metrics.csv")
    np.testing.assert_allclose(left.lines[0].get_ydata(), losses.loss)
    assert left.lines[2].get_xdata()[0] == 60  # where the learning rate drops
    assert [line.get_label() for line in right.lines] == list(PART_STYLES)
    np.testing.assert_allclose(right.lines[0].get_xydata(), [[40, 0.1], [60, 0.2]])


def test_training_curves_of_faces_and_hands_alone_and_of_no_validation():
    losses = pd.DataFrame({"step": [20, 40], "loss": [3e-3, 2e-3], "learning_rate": [1, 1]})
    tests = pd.DataFrame({"step": [40], "face": 0.5, "lefthand": 0.2, "righthand": 0.3, "body": np.nan})
    right = training_curves(pd.concat([losses, tests]))[1]
    assert {line.get_label(): line.get_ydata()[0] for line in right.lines} == {
        "face": 0.5,
        "lefthand": 0.2,
        "righthand": 0.3,
    }
    right = training_curves(losses.assign(body=np.nan))[1]
    assert (right.get_title(loc="left"), len(right.lines)) == ("No validation so far", 0)
