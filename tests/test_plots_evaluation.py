"""Pictures of how a score comes about: circles of the radius that OKS gives, matches framed, samples read."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Circle, Rectangle

from wbkit.evaluate import RECALLS
from wbkit.keypoints import KEYPOINTS
from wbkit.plots import plot_by_part, plot_interpolation, plot_matching, show_similarity_rings


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_rings_have_the_radius_at_which_the_formula_gives_the_level():
    """Hip: sigma .107, so exp(-d^2 / (2 * 10,000 * .214^2)) = .5 at d = 25.2 px, and = .85 at 12.2 px."""
    truth = np.full((133, 3), 100.0)
    found = truth.copy()
    found[KEYPOINTS.index("left_hip"), 0] += 25.197
    axes = show_similarity_rings(np.zeros((200, 200, 3), np.uint8), truth, found, 1e4, ["left_hip", "nose"])
    radii = sorted({round(p.radius, 1) for p in axes[0].patches if isinstance(p, Circle)})
    assert radii == [12.2, 25.2]
    assert axes[0].get_xlabel() == "25.2 px off\nsimilarity 0.50"
    assert axes[1].get_xlabel() == "0.0 px off\nsimilarity 1.00"
    assert axes[0].get_xlim() == axes[1].get_xlim()  # one scale


def test_matches_are_framed_and_said_in_words():
    similarity = np.array([[0.8, 0.6], [0.7, 0.55], [0.2, 0.9]])
    ax = plot_matching(similarity, np.array([0.9, 0.8, 0.7]), np.array([0, 1, -1]), threshold=0.5)
    frames = [p for p in ax.patches if isinstance(p, Rectangle)]
    assert [tuple(np.round(np.add(p.get_xy(), (0.46, 0.44)))) for p in frames] == [(0, 0), (1, 1)]
    texts = [text.get_text() for text in ax.texts]
    assert [t for t in texts if t in ("right", "wrong")] == ["right", "right", "wrong"]
    assert {"0.80", "0.60", "0.70", "0.55", "0.20", "0.90"} <= set(texts)


def test_the_dots_are_what_is_given_and_the_title_their_mean():
    recall, precision = np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 2 / 3])
    sampled = np.where(RECALLS <= 0.5, 1.0, 2 / 3)
    ax = plot_interpolation(recall, precision, sampled)
    raw, best, dots = ax.get_lines()
    np.testing.assert_array_equal(raw.get_ydata(), precision)
    np.testing.assert_allclose(best.get_ydata(), [1, 2 / 3, 2 / 3])
    np.testing.assert_array_equal(dots.get_ydata(), sampled)
    assert ax.get_title(loc="left").endswith(f"{sampled.mean():.2f}")


def test_a_line_for_each_part_and_markers_where_a_formula_is_given():
    table = pd.DataFrame({"body": [1, 0.5], "face": [1, 0.2], "hand": [1, 0.1]}, index=[0, 4])
    ax = plot_by_part(table, "t", xlabel="px")
    assert [line.get_label() for line in ax.get_lines()] == ["body", "face"]
    np.testing.assert_array_equal(ax.get_lines()[1].get_ydata(), [1, 0.2])
    ax = plot_by_part(table, "t", xlabel="px", predicted=table * 0.9)
    assert [line.get_linestyle() for line in ax.get_lines()] == ["-", "None", "-", "None"]
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), [0.9, 0.45])
