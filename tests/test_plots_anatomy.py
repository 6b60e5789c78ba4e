"""The map of the keypoints numbers what is labelled; tolerance circles have the radius that OKS gives."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from wbkit.keypoints import PARTS, SIGMAS
from wbkit.matching import keypoint_similarity
from wbkit.plots import show_keypoint_map, show_tolerance


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def labelled_person() -> np.ndarray:
    """(133, 3): body and feet around, face and hands in small boxes of their own, all visible."""
    rng = np.random.default_rng(5)
    points = rng.uniform((20, 20), (140, 220), (133, 2))
    for part, corner in {"face": (60, 20), "lefthand": (120, 90), "righthand": (30, 90)}.items():
        span = PARTS[part]
        points[span] = corner + rng.uniform(0, 24, (span.stop - span.start, 2))
    return np.column_stack([points, np.full(133, 2.0)])


def test_keypoint_map_numbers_what_is_labelled():
    person = labelled_person()
    person[[3, 95], 2] = 0  # left ear, a thumb
    axes = show_keypoint_map(np.zeros((240, 160, 3), np.uint8), person)
    numbers = {part: {int(t.get_text()) for t in ax.texts} for part, ax in axes.items()}
    assert numbers["body"] == set(range(23)) - {3}
    assert numbers["lefthand"] == set(range(91, 112)) - {95}
    assert numbers["righthand"] == set(range(112, 133))
    assert {23, 39, 59, 62, 71, 83, 87} <= numbers["face"] <= set(range(23, 91))
    for part in ("face", "lefthand", "righthand"):  # the panel shows its part, and little else
        (left, right), (bottom, top) = axes[part].get_xlim(), axes[part].get_ylim()
        shown = person[PARTS[part]][person[PARTS[part], 2] > 0, :2]
        assert left < shown[:, 0].min() < shown[:, 0].max() < right < left + 40
        assert top < shown[:, 1].min() < shown[:, 1].max() < bottom < top + 40


def test_tolerance_circles_have_the_radius_at_which_a_prediction_counts_so_much():
    person, area = labelled_person(), 4000.0
    (ax,) = show_tolerance(np.zeros((240, 160, 3), np.uint8), person, area, ("body",), similarity=0.25)
    circles = ax.collections[0]
    radii = circles.get_widths() / 2
    offsets = np.zeros((17, 2))
    offsets[:, 0] = radii
    assert np.allclose(keypoint_similarity(offsets, area, SIGMAS[:17]), 0.25)
    assert np.allclose(circles.get_offsets(), person[:17, :2])
    assert str(round(float(np.median(radii)), 1)) in ax.get_title()
