"""wbkit.geometry against arithmetic by hand, a naive sampling loop, and properties of the maps."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wbkit.geometry import (
    box_to_center_scale,
    clip_boxes,
    crop_image,
    fix_aspect,
    flip_keypoints,
    half_body_box,
    invert_warp,
    warp_matrix,
    warp_points,
)
from wbkit.keypoints import FLIP_PAIRS, KEYPOINTS

bounded = settings(max_examples=60, deadline=None, derandomize=True)

INPUT_SIZES = [(192, 256), (288, 384), (96, 128), (256, 256), (37, 21)]
centers = st.tuples(st.floats(-200, 2000), st.floats(-200, 2000))
scales = st.tuples(st.floats(4, 1500), st.floats(4, 1500))
angles = st.floats(-180, 180)
sizes = st.sampled_from(INPUT_SIZES)


def region_corners(center, scale, degrees=0.0):
    """Top-left, top-right, bottom-left, bottom-right of a region turned clockwise as seen on the screen."""
    a = math.radians(degrees)
    right, down = np.array([math.cos(a), math.sin(a)]), np.array([-math.sin(a), math.cos(a)])
    w, h = scale
    return np.array(
        [center + sx * w / 2 * right + sy * h / 2 * down for sx, sy in ((-1, -1), (1, -1), (-1, 1), (1, 1))]
    )


# --- boxes -----------------------------------------------------------------------------------------


def test_clip_boxes_by_hand():
    boxes = np.array(
        [
            [10.5, 20.25, 30, 38],  # inside: untouched
            [-5, -7.5, 20, 30],  # over the top left: 15 x 22.5 are left
            [90, 40, 50, 60],  # over the bottom right of pixels 0 ... 99 x 0 ... 59
            [-10, -10, 500, 500],  # everything
            [200, 10, 5, 5],  # right of the picture
            [10, -50, 5, 20],  # above it
        ]
    )
    expected = [
        [10.5, 20.25, 30, 38],
        [0, 0, 15, 22.5],
        [90, 40, 9, 19],
        [0, 0, 99, 59],
        [99, 10, 0, 5],
        [10, 0, 5, 0],
    ]
    clipped = clip_boxes(boxes, np.array([100, 60]))
    assert clipped.dtype == np.float64
    np.testing.assert_array_equal(clipped, expected)
    np.testing.assert_array_equal(clip_boxes(boxes[2], (100, 60)), expected[2])


def test_clip_boxes_to_a_size_each():
    boxes = np.array([[0.0, 0, 50, 50], [0, 0, 50, 50]])
    clipped = clip_boxes(boxes, np.array([[20, 100], [100, 30]]))
    np.testing.assert_array_equal(clipped, [[0, 0, 19, 50], [0, 0, 50, 29]])


@bounded
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4), st.integers(1, 900))
def test_clipped_boxes_lie_inside_and_clipping_twice_changes_nothing(box, width):
    box = np.array([*box[:2], abs(box[2]), abs(box[3])])
    clipped = clip_boxes(box, (width, 77))
    assert (clipped[:2] >= 0).all()
    assert (clipped[2:] >= 0).all()
    assert (clipped[:2] + clipped[2:] <= np.array([width, 77]) - 1).all()
    corners = clipped[:2] + clipped[2:]
    np.testing.assert_array_equal(np.float64(np.float32(corners)), corners)  # float32 numbers, as promised
    np.testing.assert_array_equal(clip_boxes(clipped, (width, 77)), clipped)


def test_center_and_scale_by_hand():
    center, scale = box_to_center_scale(np.array([[10, 20, 30, 40], [0, 0, 1, 5]]))
    np.testing.assert_array_equal(center, [[25, 40], [0.5, 2.5]])
    np.testing.assert_array_equal(scale, [[37.5, 50], [1.25, 6.25]])
    assert center.dtype == scale.dtype == np.float32
    _, plain = box_to_center_scale([10, 20, 30, 40], padding=1.0)
    np.testing.assert_array_equal(plain, [30, 40])


@bounded
@given(scales, sizes)
def test_fix_aspect_grows_one_side_to_the_aspect_of_the_input(scale, size):
    fixed = fix_aspect(np.array(scale), size)
    assert fixed[0] / fixed[1] == pytest.approx(size[0] / size[1], rel=1e-9)
    assert (fixed >= np.array(scale) * (1 - 1e-12)).all()  # nothing is cut off
    assert np.isclose(fixed, scale, rtol=1e-12).any()  # one side is as it was: no larger than needed
    np.testing.assert_allclose(fix_aspect(fixed, size), fixed, rtol=1e-12)


def test_fix_aspect_by_hand_and_in_batches():
    scale = np.array([[30.0, 80.0], [90, 80], [60, 80]], np.float32)
    fixed = fix_aspect(scale, (192, 256))
    np.testing.assert_array_equal(fixed, [[60, 80], [90, 120], [60, 80]])
    assert fixed.dtype == np.float32


def test_half_body_box_by_hand():
    points = np.zeros((133, 2))
    points[[0, 5, 6]] = [[10, 20], [40, 20], [25, 80]]
    points[9] = [1000, 1000]  # not chosen
    for chosen in ([0, 5, 6], np.isin(np.arange(133), [0, 5, 6])):
        center, scale = half_body_box(points, chosen)
        np.testing.assert_allclose(center, [25, 40])  # the mean, not the middle (25, 50)
        np.testing.assert_allclose(scale, [45, 90])
    np.testing.assert_allclose(half_body_box(points, [0, 5, 6], padding=2.0)[1], [60, 120])


# --- the map ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", INPUT_SIZES)
def test_box_corners_land_on_the_corners_of_the_crop(size):
    w, h = size
    center, scale = np.array([310.0, 205.0]), np.array([2.5 * w, 2.5 * h])
    corners, middle = region_corners(center, scale), center[None]
    plain, udp = warp_matrix(center, scale, 0.0, size), warp_matrix(center, scale, 0.0, size, udp=True)
    for matrix in (plain, udp):
        assert matrix.shape == (2, 3)
        assert matrix.dtype == np.float64
    np.testing.assert_allclose(warp_points(corners, plain), [[0, 0], [w, 0], [0, h], [w, h]], atol=1e-3)
    np.testing.assert_allclose(warp_points(middle, plain), [[w / 2, h / 2]], atol=1e-3)
    np.testing.assert_allclose(
        warp_points(corners, udp), [[0, 0], [w - 1, 0], [0, h - 1], [w - 1, h - 1]], atol=1e-9
    )
    np.testing.assert_allclose(warp_points(middle, udp), [[(w - 1) / 2, (h - 1) / 2]], atol=1e-9)
    np.testing.assert_allclose(plain[:, :2], np.eye(2) / 2.5, atol=1e-6)


@bounded
@given(centers, scales, angles, sizes)
def test_rotated_region_fills_the_crop(center, scale, degrees, size):
    """The sense: a positive angle turns the region clockwise on the screen (x right, y down)."""
    center, scale = np.array(center), fix_aspect(np.array(scale), size)
    matrix = warp_matrix(center, scale, degrees, size)
    w, h = size
    got = warp_points(region_corners(center, scale, degrees), matrix)
    # Source points are rounded to float32 (1.2e-4 px at 2000), and stretched by w / scale.
    atol = 1e-3 + 1e-3 * max(size) / scale.min()
    np.testing.assert_allclose(got, [[0, 0], [w, 0], [0, h], [w, h]], atol=atol)
    np.testing.assert_allclose(warp_points(center, matrix), [w / 2, h / 2], atol=atol)


@bounded
@given(centers, scales, angles, sizes)
def test_rotation_is_about_the_centre_and_keeps_shapes(center, scale, degrees, size):
    scale = fix_aspect(np.array(scale), size)
    straight = warp_matrix(np.array(center), scale, 0.0, size)
    turned = warp_matrix(np.array(center), scale, degrees, size)
    a = math.radians(degrees)
    back = np.array(
        [[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]]
    )  # the crop's content turns back
    slack = 4e-4 / scale[0]  # of float32 source points, relative to half the region's width
    np.testing.assert_allclose(
        turned[:, :2], straight[:, :2] @ back, rtol=0, atol=size[0] / scale[0] * (1e-4 + 4 * slack)
    )


@bounded
@given(centers, scales, angles, sizes, st.booleans())
def test_warp_then_inverse_is_the_identity(center, scale, degrees, size, udp):
    matrix = warp_matrix(np.array(center), fix_aspect(np.array(scale), size), degrees, size, udp)
    inverse = invert_warp(matrix)
    points = np.array([[0, 0], [13.5, -4], [1999, 3], [700.25, 1500.75]])
    np.testing.assert_allclose(warp_points(warp_points(points, matrix), inverse), points, atol=1e-6)
    np.testing.assert_allclose(invert_warp(inverse), matrix, rtol=1e-9, atol=1e-9)


@bounded
@given(centers, scales, sizes)
def test_udp_map_is_the_plain_one_shrunk_to_pixel_centres(center, scale, size):
    center, scale = np.array(center), fix_aspect(np.array(scale), size)
    points = np.concatenate([region_corners(center, scale, 20.0), region_corners(center, scale / 3)])
    plain = warp_points(points, warp_matrix(center, scale, 0.0, size))
    udp = warp_points(points, warp_matrix(center, scale, 0.0, size, udp=True))
    atol = 1e-3 + 1e-3 * max(size) / scale.min()
    np.testing.assert_allclose(udp, plain * (np.array(size) - 1) / size, atol=atol)


def test_udp_rotation_by_hand():
    """A quarter turn maps right to down in UDP's map and right to up in the published checkpoints'."""
    right_of_centre = np.array([150.0, 100.0])
    udp = warp_matrix(np.array([100.0, 100.0]), np.array([100.0, 100.0]), 90.0, (101, 101), udp=True)
    np.testing.assert_allclose(warp_points(right_of_centre, udp), [50, 100], atol=1e-9)
    plain = warp_matrix(np.array([100.0, 100.0]), np.array([100.0, 100.0]), 90.0, (100, 100))
    np.testing.assert_allclose(warp_points(right_of_centre, plain), [50, 0], atol=1e-4)


def test_warp_points_by_hand_and_broadcast():
    matrix = np.array([[2.0, 0.5, 1], [-1, 3, 10]])
    np.testing.assert_array_equal(warp_points([[1, 2], [0, 0]], matrix), [[4, 15], [1, 10]])
    many = np.stack([matrix, matrix + 1, matrix * 2])[:, None]  # (3, 1, 2, 3)
    points = np.random.default_rng(0).normal(size=(3, 7, 2))
    got = warp_points(points, many)
    assert got.shape == (3, 7, 2)
    for b in range(3):
        for k in range(7):
            m, (x, y) = many[b, 0], points[b, k]
            expected = [m[i, 0] * x + m[i, 1] * y + m[i, 2] for i in range(2)]
            np.testing.assert_allclose(got[b, k], expected, atol=1e-12)


# --- pixels ----------------------------------------------------------------------------------------


def naive_crop(image, matrix, size):
    """Every crop pixel's centre sent back to the image, four neighbours weighted, 0 outside."""
    linear, offset = matrix[:, :2], matrix[:, 2]
    (a, b), (c, d) = linear
    det = a * d - b * c
    back = np.array([[d, -b], [-c, a]]) / det
    height, width = image.shape[:2]
    crop = np.zeros((size[1], size[0], image.shape[2]))
    for v in range(size[1]):
        for u in range(size[0]):
            x, y = back @ (np.array([u, v]) - offset)
            x0, y0 = math.floor(x), math.floor(y)
            for yy, wy in ((y0, y0 + 1 - y), (y0 + 1, y - y0)):
                for xx, wx in ((x0, x0 + 1 - x), (x0 + 1, x - x0)):
                    if 0 <= xx < width and 0 <= yy < height:
                        crop[v, u] += wx * wy * image[yy, xx]
    return crop


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize(
    ("center", "scale", "degrees"),
    [
        ((20, 15), (24, 32), 0.0),
        ((20, 15), (30, 40), 37.0),
        ((3, 4), (18, 24), -60.0),
        ((33, 25), (9, 12), 0),
    ],
)
def test_crop_pixels_equal_a_naive_bilinear_loop(center, scale, degrees, udp):
    image = cv2.GaussianBlur(
        np.random.default_rng(3).integers(0, 256, (30, 40, 3)).astype(np.uint8), (5, 5), 1.5
    )
    matrix = warp_matrix(np.array(center), np.array(scale), degrees, (24, 32), udp)
    crop = crop_image(image, matrix, (24, 32))
    expected = naive_crop(image, matrix, (24, 32))
    assert crop.shape == (32, 24, 3)
    assert crop.dtype == np.uint8
    # OpenCV 4 takes bilinear weights at 1/32 px: at most 1/64 px off along each axis, times the slope there;
    # and rounding. Outside lies black, so the slope is steepest across the picture's edge.
    steepest = max(np.abs(np.diff(image.astype(int), axis=axis)).max() for axis in (0, 1))
    inner = naive_crop(np.ones((30, 40, 1)), matrix, (24, 32))[..., 0] > 1 - 1e-6
    assert inner.mean() > 0.3
    assert np.abs(crop - expected)[inner].max() <= 0.5 + 2 * steepest / 64 + 0.1
    assert np.abs(crop - expected).max() <= 0.5 + 2 * int(image.max()) / 64 + 0.1


def test_identity_crop_copies_pixels_and_pads_with_black():
    image = np.random.default_rng(0).integers(1, 256, (30, 40, 3)).astype(np.uint8)
    matrix = warp_matrix(np.array([20.0, 15.0]), np.array([40.0, 30.0]), 0.0, (40, 30))
    np.testing.assert_array_equal(crop_image(image, matrix, (40, 30)), image)
    shifted = warp_matrix(np.array([10.0, 15.0]), np.array([40.0, 30.0]), 0.0, (40, 30))
    crop = crop_image(image, shifted, (40, 30))
    np.testing.assert_array_equal(crop[:, 10:], image[:, :30])
    assert (crop[:, :10] == 0).all()


@bounded
@given(st.integers(3, 36), st.integers(3, 26), angles, st.booleans(), st.floats(0.7, 1.6))
def test_a_bright_dot_lands_where_its_point_is_warped(x, y, degrees, udp, zoom):
    image = np.zeros((30, 40, 1), np.uint8)
    image[y, x] = 255
    scale = np.array([48.0, 64.0]) / zoom
    matrix = warp_matrix(np.array([20.0, 15.0]), scale, degrees, (96, 128), udp)
    crop = crop_image(image, matrix, (96, 128)).astype(float)
    place = warp_points([x, y], matrix)
    if not ((place > 4) & (place < np.array([91, 123]))).all():
        return
    total = crop.sum()
    mean = np.array([(crop.sum(0) * np.arange(96)).sum(), (crop.sum(1) * np.arange(128)).sum()]) / total
    np.testing.assert_allclose(mean, place, atol=0.15)


# --- mirroring -------------------------------------------------------------------------------------


@bounded
@given(st.integers(1, 3000), st.integers(0, 1000), st.integers(2, 4))
def test_flipping_twice_is_the_identity(width, seed, columns):
    points = (
        np.random.default_rng(seed).integers(-500, 3000, (2, 133, columns)) / 4
    )  # exact in floating point
    once = flip_keypoints(points, width)
    np.testing.assert_array_equal(flip_keypoints(once, width), points)
    np.testing.assert_array_equal(once[..., 1].sum(), points[..., 1].sum())


def test_flipped_points_stay_on_their_pixels():
    """A dot at the left wrist: in the mirrored picture it is at the *right* wrist of the mirrored person."""
    rng = np.random.default_rng(0)
    wrist, mirror = KEYPOINTS.index("left_wrist"), KEYPOINTS.index("right_wrist")
    for width in (40, 41):
        points = np.zeros((133, 3))
        points[:, 0], points[:, 1] = rng.integers(0, width, 133), rng.integers(0, 30, 133)
        points[:, 2] = rng.random(133)
        image = np.zeros((30, width), np.uint8)
        image[int(points[wrist, 1]), int(points[wrist, 0])] = 255
        flipped = flip_keypoints(points, width)
        rows, columns = np.nonzero(cv2.flip(image, 1))
        np.testing.assert_array_equal(flipped[mirror, :2], [columns[0], rows[0]])
        assert flipped[mirror, 2] == points[wrist, 2]


def test_flip_by_hand():
    points = np.arange(133 * 2, dtype=float).reshape(133, 2)
    flipped = flip_keypoints(points, 100)
    assert flipped[0].tolist() == [99, 1]  # the nose has no partner
    for a, b in FLIP_PAIRS:
        assert flipped[a].tolist() == [99 - 2 * b, 2 * b + 1]
        assert flipped[b].tolist() == [99 - 2 * a, 2 * a + 1]


def test_integer_points_are_flipped_as_integers():
    points = np.arange(133 * 2).reshape(133, 2)
    assert flip_keypoints(points, 10)[0].tolist() == [9, 1]


# --- everything ------------------------------------------------------------------------------------


def test_arguments_are_never_modified():
    rng = np.random.default_rng(0)
    box, point = np.array([[-5.0, -5, 100, 200]]), rng.normal(size=(133, 3))
    center, scale = np.array([10.0, 20], np.float32), np.array([30.0, 40], np.float32)
    matrix, image = np.array([[1.0, 0, 2], [0, 1, 3]]), rng.integers(0, 255, (20, 20, 3)).astype(np.uint8)
    arguments = (box, point, center, scale, matrix, image)
    for argument in arguments:
        argument.flags.writeable = False  # writing to one would raise
    kept = [a.copy() for a in arguments]
    clip_boxes(box, (50, 50))
    box_to_center_scale(box)
    fix_aspect(scale, (192, 256))
    for udp in (False, True):
        warp_matrix(center, scale, 30.0, (192, 256), udp)
    invert_warp(matrix)
    warp_points(point[:, :2], matrix)
    crop_image(image, matrix, (10, 10))
    flip_keypoints(point, 50)
    half_body_box(point[:, :2], [1, 2, 3])
    for argument, copy in zip(arguments, kept, strict=True):
        np.testing.assert_array_equal(argument, copy)


def test_results_own_their_memory():
    """Writing to a result must not reach the argument."""
    points = np.zeros((133, 2))
    flip_keypoints(points, 50)[:] = 7
    boxes = np.array([1.0, 2, 3, 4])
    clip_boxes(boxes, (50, 50))[:] = 7
    scale = np.array([30.0, 40.0])
    fix_aspect(scale, (3, 4))[:] = 7
    assert (points == 0).all()
    assert boxes.tolist() == [1, 2, 3, 4]
    assert scale.tolist() == [30, 40]
