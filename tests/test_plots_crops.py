"""The crop's outline lies where the matrix says, and the sampling figure agrees with the library's maps."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Polygon

from wbkit.geometry import crop_image, invert_warp, warp_matrix, warp_points
from wbkit.plots import show_crop, show_pixel_conventions


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_crop_and_its_outline():
    image = np.random.default_rng(0).integers(0, 256, (120, 90, 3), np.uint8)
    matrices = [
        warp_matrix(np.array([40.0, 60.0]), np.array([48.0, 64.0]), turn, (96, 128)) for turn in (0, 25)
    ]
    picture, *crops = show_crop(image, np.array([20, 30, 40, 60]), matrices, (96, 128), titles=["a", "b"])
    for ax, matrix in zip(crops, matrices, strict=True):
        assert np.array_equal(ax.images[0].get_array(), crop_image(image, matrix, (96, 128)))
    outlines = [p.get_xy()[:4] for p in picture.patches if isinstance(p, Polygon)][1::2]
    assert np.allclose(outlines[0], [(16, 28), (64, 28), (64, 92), (16, 92)], atol=1e-4)
    for outline, matrix in zip(outlines, matrices, strict=True):
        assert np.allclose(warp_points(outline, matrix), [(0, 0), (96, 0), (96, 128), (0, 128)])


def test_conventions_are_those_of_the_library():
    start, width, pixels = 1.0, 7.0, 4
    ax = show_pixel_conventions(9, (start, width), pixels)
    drawn = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == pixels]
    center, scale = np.full(2, start + width / 2), np.full(2, width)
    for places, udp in zip(drawn, (False, True), strict=False):
        matrix = warp_matrix(center, scale, 0.0, (pixels, pixels), udp=udp)
        crop = np.column_stack([np.arange(pixels)] * 2)
        assert np.allclose(warp_points(crop, invert_warp(matrix))[:, 0], places, atol=1e-5)
    assert np.allclose(drawn[2].mean(), start + width / 2 - 0.5)  # areas: symmetric about the middle
