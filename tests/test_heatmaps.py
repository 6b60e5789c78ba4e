"""wbkit.heatmaps against naive loops written from the published formulas, OpenCV's blur, known numbers."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wbkit.decoders import (
    argmax2d,
    blur,
    gaussian_kernel,
    log_derivatives,
    log_patches,
    modulate,
    refine_dark,
    refine_quarter,
    refine_udp,
    taylor_step,
)
from wbkit.heatmaps import HeatmapCodec, gaussian_heatmaps

pytestmark = pytest.mark.usefixtures("one_thread")
bounded = settings(max_examples=40, deadline=None, derandomize=True)

W32 = {"input_size": (192, 256), "heatmap_size": (48, 64), "sigma": 2.0}
W48 = {"input_size": (288, 384), "heatmap_size": (72, 96), "sigma": 3.0}
SMALL = {"input_size": (96, 128), "heatmap_size": (24, 32), "sigma": 2.0}


# --- encoding --------------------------------------------------------------------------------------


def naive_encode(keypoints, visible, codec):
    """MMPose's generate_{unbiased_,,udp_}gaussian_heatmap(s), pixel by pixel, in float64."""
    b, k = visible.shape
    w, h = codec.heatmap_size
    less = 1 if codec.udp else 0
    factor = np.array(codec.input_size) / (np.array(codec.heatmap_size) - less)
    maps, weights = np.zeros((b, k, h, w)), visible.astype(float).copy()
    radius = 3 * codec.sigma
    for n in range(b):
        for i in range(k):
            if visible[n, i] < 0.5:
                continue
            mu = keypoints[n, i] / factor
            nearest = np.trunc(mu + 0.5)  # C's float -> int conversion
            windowed = codec.udp or not codec.unbiased
            edge = nearest if windowed else mu
            if (edge - radius >= (w, h)).any() or (edge + radius + 1 < 0).any():
                weights[n, i] = 0
                continue
            center = nearest if windowed and not codec.udp else mu
            for y in range(h):
                for x in range(w):
                    if windowed and max(abs(x - nearest[0]), abs(y - nearest[1])) > radius:
                        continue
                    squared = (x - center[0]) ** 2 + (y - center[1]) ** 2
                    maps[n, i, y, x] = math.exp(-squared / (2 * codec.sigma**2))
    return maps, weights


def awkward_points(rng, codec, count=40):
    """Inside, on the borders, half-way between pixels, and on both sides of the 3-sigma limits; input px."""
    w, h = codec.heatmap_size
    radius = 3 * codec.sigma
    limits_x = [-radius - 1, w + radius, -0.5, 0, w - 1, w - 0.5, w / 2]
    limits_y = [-radius - 1, h + radius, -0.5, 0, h - 1, h - 0.5, h / 2]
    points = [(x + dx, h / 3) for x in limits_x for dx in (-0.51, -0.25, 0, 0.25, 0.51)]
    points += [(w / 3, y + dy) for y in limits_y for dy in (-0.51, -0.25, 0, 0.25, 0.51)]
    points += list(rng.uniform((-10, -10), (w + 10, h + 10), (count, 2)))
    factor = np.array(codec.input_size) / (np.array(codec.heatmap_size) - (1 if codec.udp else 0))
    return np.array(points) * factor


@pytest.mark.parametrize("sigma", [1.0, 2.0])
@pytest.mark.parametrize("mode", ["unbiased", "biased", "udp"])
def test_encode_equals_a_naive_double_loop(mode, sigma):
    codec = HeatmapCodec((48, 64), (12, 16), sigma, unbiased=mode == "unbiased", udp=mode == "udp")
    rng = np.random.default_rng(0)
    points = awkward_points(rng, codec)[None]
    visible = rng.choice([0, 0.3, 0.49, 0.5, 0.7, 1, 1, 1, 1, 2], points.shape[:2])
    maps, weights = codec.encode(torch.tensor(points), torch.tensor(visible))
    expected, expected_weights = naive_encode(points, visible, codec)
    assert maps.dtype == weights.dtype == torch.float32
    np.testing.assert_array_equal(weights, expected_weights.astype(np.float32))
    np.testing.assert_allclose(maps, expected, rtol=1e-6, atol=1e-17)
    rejected = (weights.numpy() == 0) & (visible >= 0.5)
    assert 5 < rejected.sum() < 0.6 * rejected.size  # both sides of the limits were there
    assert ((visible < 0.5) & (weights.numpy() == visible.astype(np.float32))).sum() > 3  # passed through


def test_rejection_limits_by_hand():
    """sigma 2, 48 x 64: kept from -7 (there right = mu + 6 + 1 = 0) up to, not at, 54."""
    codec = HeatmapCodec(**W32)
    x = [-7.01, -7.0, -6.99, 53.99, 54.0]
    points = torch.tensor([[[4 * v, 100.0] for v in x]], dtype=torch.float64)
    _, weights = codec.encode(points, torch.ones(1, 5))
    assert weights.tolist() == [[0, 1, 1, 1, 0]]
    biased = HeatmapCodec(**W32, unbiased=False)
    x = [-8.5, -7.6, -7.4, 53.4, 53.6]  # rounded (towards zero from -7.1): -8, -7, -6, 53, 54
    points = torch.tensor([[[4 * v, 100.0] for v in x]], dtype=torch.float64)
    _, weights = biased.encode(points, torch.ones(1, 5))
    assert weights.tolist() == [[0, 1, 1, 1, 0]]


def test_unbiased_map_by_hand():
    maps, _ = HeatmapCodec(**W32).encode(torch.tensor([[[41.0, 82.0]]]), torch.ones(1, 1))  # (10.25, 20.5)
    assert maps.shape == (1, 1, 64, 48)
    assert maps[0, 0, 20, 10].item() == pytest.approx(math.exp(-(0.25**2 + 0.5**2) / 8), rel=1e-6)
    assert maps[0, 0, 21, 12].item() == pytest.approx(math.exp(-(1.75**2 + 0.5**2) / 8), rel=1e-6)
    assert maps[0, 0, 20, 18].item() == pytest.approx(
        math.exp(-(7.75**2 + 0.5**2) / 8), rel=1e-6
    )  # > 3 sigma


def test_biased_map_is_the_map_of_the_nearest_pixel_within_three_sigma():
    biased, _ = HeatmapCodec(**W32, unbiased=False).encode(torch.tensor([[[41.9, 82.1]]]), torch.ones(1, 1))
    whole, _ = HeatmapCodec(**W32).encode(torch.tensor([[[40.0, 84.0]]]), torch.ones(1, 1))  # (10, 21)
    np.testing.assert_allclose(biased[0, 0, 15:28, 4:17], whole[0, 0, 15:28, 4:17], rtol=1e-6)
    assert biased[0, 0].count_nonzero() == 13 * 13
    assert biased[0, 0, 21, 10] == 1


def test_a_half_pixel_rounds_up():
    maps, _ = HeatmapCodec(**W32, unbiased=False).encode(torch.tensor([[[42.0, 82.0]]]), torch.ones(1, 1))
    assert argmax2d(maps)[0].tolist() == [[[11, 21]]]


def test_encode_does_not_change_its_arguments():
    points, visible = torch.rand(2, 5, 2) * 100, torch.tensor([[0, 1, 0.3, 1, 1]] * 2)
    kept = points.clone(), visible.clone()
    _, weights = HeatmapCodec(**W32).encode(points, visible)
    weights.fill_(9)
    assert torch.equal(points, kept[0])
    assert torch.equal(visible, kept[1])


# --- the maximum -----------------------------------------------------------------------------------


def naive_argmax(heatmaps):
    b, k, _, w = heatmaps.shape
    peaks, scores = np.zeros((b, k, 2), int), np.zeros((b, k), heatmaps.dtype)
    for n in range(b):
        for i in range(k):
            index = heatmaps[n, i].argmax()  # NumPy: the first of equals
            scores[n, i] = heatmaps[n, i].flat[index]
            peaks[n, i] = (index % w, index // w) if scores[n, i] > 0 else (-1, -1)
    return peaks, scores


@pytest.mark.parametrize("size", [(17, 23), (64, 48), (96, 72), (1, 5), (8, 8), (5, 1), (3, 64)])
@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_argmax_equals_numpy_ties_included(size, levels):
    rng = np.random.default_rng(levels)
    maps = (rng.integers(-levels, levels, (3, 7, *size)) / levels).astype(np.float32)
    maps[0, 0], maps[0, 1] = 0, -0.25
    peaks, scores = argmax2d(torch.from_numpy(maps))
    expected_peaks, expected_scores = naive_argmax(maps)
    assert peaks.dtype == torch.int64
    np.testing.assert_array_equal(peaks, expected_peaks)
    np.testing.assert_array_equal(scores, expected_scores)
    assert peaks[0, :2].tolist() == [[-1, -1], [-1, -1]]
    assert scores[0, :2].tolist() == [0, -0.25]


def test_targets_can_be_written_into_memory_that_is_there():
    codec = HeatmapCodec((92, 68), (23, 17))
    points, visible = torch.rand(2, 5, 2) * 60, torch.tensor([[1.0, 1, 0, 1, 1]] * 2)
    out = torch.full((2, 5, 17, 23), torch.nan)
    maps, weights = codec.encode(points, visible, out=out)
    assert maps.data_ptr() == out.data_ptr()
    expected = codec.encode(points, visible)
    assert torch.equal(maps, expected[0])
    assert torch.equal(weights, expected[1])


def test_of_three_equal_maxima_the_first_in_row_order_wins():
    for h, w in ((64, 48), (23, 17)):
        maps = torch.zeros(1, 1, h, w)
        maps[0, 0, 9, 3] = maps[0, 0, 9, 12] = maps[0, 0, 20, 1] = 0.7
        assert argmax2d(maps)[0].tolist() == [[[3, 9]]]


def test_argmax_takes_views():
    maps = torch.rand(2, 3, 48, 64).transpose(2, 3)  # not contiguous
    np.testing.assert_array_equal(argmax2d(maps)[0], naive_argmax(maps.numpy())[0])


# --- the quarter shift -----------------------------------------------------------------------------


def naive_quarter(heatmaps, peaks):
    """MMPose's refine_keypoints: x needs 1 < x < W - 1 and 0 < y < H, and the other way round."""
    b, k, h, w = heatmaps.shape
    refined = peaks.astype(float).copy()
    for n in range(b):
        for i in range(k):
            (x, y), m = peaks[n, i], heatmaps[n, i]
            if 1 < x < w - 1 and 0 < y < h:
                refined[n, i, 0] += 0.25 * np.sign(m[y, x + 1] - m[y, x - 1])
            if 1 < y < h - 1 and 0 < x < w:
                refined[n, i, 1] += 0.25 * np.sign(m[y + 1, x] - m[y - 1, x])
    return refined


@pytest.mark.parametrize("size", [(16, 12), (7, 5), (3, 3)])
def test_quarter_shift_equals_a_naive_loop_at_every_place(size):
    h, w = size
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 4, (1, h * w, h, w)).astype(np.float32)  # equal neighbours occur: no shift
    peaks = np.array([[(x, y) for y in range(h) for x in range(w)]])
    for i, (x, y) in enumerate(peaks[0]):
        maps[0, i, y, x] = 9
    found, _ = argmax2d(torch.from_numpy(maps))
    np.testing.assert_array_equal(found, peaks)
    got = refine_quarter(torch.from_numpy(maps), found)
    expected = naive_quarter(maps, peaks)
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == torch.float32
    if size == (16, 12):
        assert {-0.25, 0.0, 0.25} == set(np.unique(expected - peaks))


def test_quarter_shift_leaves_an_empty_map_at_minus_one():
    maps = torch.zeros(1, 2, 12, 16)
    assert refine_quarter(maps, argmax2d(maps)[0]).tolist() == [[[-1, -1], [-1, -1]]]


# --- the blur --------------------------------------------------------------------------------------


def cv2_blur(one_map, kernel):
    """OpenCV's blur of a zero-padded copy, as the published decoder does it."""
    r = (kernel - 1) // 2
    padded = np.zeros((one_map.shape[0] + 2 * r, one_map.shape[1] + 2 * r), one_map.dtype)
    padded[r:-r, r:-r] = one_map
    return cv2.GaussianBlur(padded, (kernel, kernel), 0)[r:-r, r:-r]


def cv2_modulate(one_map, kernel):
    blurred = cv2_blur(one_map, kernel)
    return blurred * (one_map.max() / blurred.max()) if blurred.max() != 0 else blurred


@pytest.mark.parametrize("kernel", [11, 13, 17])
def test_blur_equals_opencv(kernel):
    np.testing.assert_allclose(
        gaussian_kernel(kernel), cv2.getGaussianKernel(kernel, 0, cv2.CV_64F)[:, 0], rtol=1e-6
    )
    maps = np.random.default_rng(0).normal(size=(2, 3, 24, 17))
    expected = [[cv2_blur(m, kernel) for m in person] for person in maps]
    np.testing.assert_allclose(blur(torch.from_numpy(maps), kernel), expected, atol=1e-7)
    single = torch.from_numpy(maps).float()
    assert blur(single, kernel).dtype == torch.float32
    np.testing.assert_allclose(blur(single, kernel), expected, atol=1e-6)


def test_sigma_of_the_kernel_by_hand():
    kernel = gaussian_kernel(11)  # sigma = .3 (5 - 1) + .8 = 2
    weights = [math.exp(-((i - 5) ** 2) / 8) for i in range(11)]
    np.testing.assert_allclose(kernel, np.array(weights) / sum(weights), rtol=1e-6)


@pytest.mark.parametrize("kernel", [11, 17])
def test_modulation_keeps_the_maximum(kernel):
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.normal(size=(2, 5, 24, 32)))
    maps[0, 0] = -maps[0, 0].abs()  # a negative maximum is kept, too
    maps[0, 1] *= 1e-12
    np.testing.assert_allclose(modulate(maps, kernel).amax((2, 3)), maps.amax((2, 3)), rtol=1e-9)
    expected = [[cv2_modulate(m, kernel) for m in person] for person in maps.numpy()]
    np.testing.assert_allclose(modulate(maps, kernel)[1], expected[1], atol=1e-6)
    zero = torch.zeros(1, 1, 24, 32)
    assert torch.equal(modulate(zero, kernel), zero)


@pytest.mark.parametrize(("h", "w"), [(20, 15), (41, 33), (7, 10)])  # last: smaller than the window
@pytest.mark.parametrize("kernel", [11, 13, 17])
def test_log_patches_equal_blurring_the_whole_map(kernel, h, w):
    """Anywhere from 2 px inside the border on, up to the constant that the scaling adds."""
    rng = np.random.default_rng(1)
    maps = rng.random((1, 60, h, w)) + 0.01
    peaks = np.stack([rng.integers(2, w - 2, 60), rng.integers(2, h - 2, 60)], -1)[None]
    peaks[0, :4] = [(2, 2), (w - 3, 2), (2, h - 3), (w - 3, h - 3)]
    got = log_patches(torch.from_numpy(maps), torch.from_numpy(peaks), kernel)
    assert got.shape == (1, 60, 5, 5)
    for i, (x, y) in enumerate(peaks[0]):
        whole = np.log(cv2_blur(maps[0, i], kernel))
        np.testing.assert_allclose(got[0, i], whole[y - 2 : y + 3, x - 2 : x + 3], atol=1e-6)


def test_log_patches_of_negative_values_are_floored_after_scaling():
    rng = np.random.default_rng(2)
    maps = rng.normal(size=(1, 40, 20, 15)) * 0.1
    peaks = np.stack([rng.integers(2, 13, 40), rng.integers(2, 18, 40)], -1)[None]
    for i, (x, y) in enumerate(peaks[0]):
        maps[0, i, y, x] = 1 + i * 0.05
    got = log_patches(torch.from_numpy(maps), torch.from_numpy(peaks), 11).numpy()
    floored = 0
    for i, (x, y) in enumerate(peaks[0]):
        whole = np.log(np.maximum(cv2_modulate(maps[0, i], 11), 1e-10))[y - 2 : y + 3, x - 2 : x + 3]
        if (whole < math.log(1.01e-10)).any():
            floored += 1
            np.testing.assert_allclose(got[0, i], whole, atol=1e-3)
        else:  # the constant of the scaling is left out
            np.testing.assert_allclose(got[0, i] - got[0, i, 2, 2], whole - whole[2, 2], atol=1e-3)
    assert floored > 5


# --- DARK ------------------------------------------------------------------------------------------


def naive_dark(one_map, peak, kernel):
    """Zhang et al., CVPR 2020, section 3: modulate, logarithm, one Newton step; and the step's condition."""
    x, y = peak
    h, w = one_map.shape
    if not (1 < x < w - 2 and 1 < y < h - 2):
        return np.array(peak, float), 1.0
    m = np.log(np.maximum(cv2_modulate(one_map.astype(np.float64), kernel), 1e-10))
    dx, dy = 0.5 * (m[y, x + 1] - m[y, x - 1]), 0.5 * (m[y + 1, x] - m[y - 1, x])
    dxx = 0.25 * (m[y, x + 2] - 2 * m[y, x] + m[y, x - 2])
    dyy = 0.25 * (m[y + 2, x] - 2 * m[y, x] + m[y - 2, x])
    dxy = 0.25 * (m[y + 1, x + 1] - m[y - 1, x + 1] - m[y + 1, x - 1] + m[y - 1, x - 1])
    hessian = np.array([[dxx, dxy], [dxy, dyy]])
    if np.linalg.det(hessian) == 0:
        return np.array(peak, float), 1.0
    step = -np.linalg.inv(hessian) @ np.array([dx, dy])
    # How much relative rounding in m moves the step: |H^-1| times (1 + |step|).
    return peak + step, np.linalg.norm(np.linalg.inv(hessian), 2) * (1 + np.abs(step).max())


def random_maps(rng, count, size, noise, negative=False, scale=1.0):
    """Two Gaussians of random width and height, plus noise (negative values where asked for)."""
    h, w = size
    y, x = np.mgrid[:h, :w]
    maps = np.zeros((count, h, w))
    for m in maps:
        for height in (1.0, 0.5 * rng.random()):
            cx, cy, s = rng.uniform(-1, w), rng.uniform(-1, h), rng.uniform(1.0, 3.5)
            m += height * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * s**2))
        m += rng.normal(size=(h, w)) * noise if negative else rng.random((h, w)) * noise
    return maps[None] * scale


def check_dark(maps, kernel, atol):
    maps = torch.as_tensor(maps)
    peaks, _ = argmax2d(maps)
    got = refine_dark(maps, peaks, kernel).numpy()
    moved = 0
    for i, m in enumerate(maps[0].double().numpy()):
        expected, condition = naive_dark(m, peaks[0, i].numpy(), kernel)
        np.testing.assert_allclose(got[0, i], expected, atol=atol * max(1.0, condition), err_msg=f"map {i}")
        moved += not np.array_equal(expected, peaks[0, i].numpy())
    return moved


@pytest.mark.parametrize("size", [(64, 48), (23, 17)])
@pytest.mark.parametrize("kernel", [11, 17])
def test_dark_equals_a_naive_transcription(size, kernel):
    rng = np.random.default_rng(kernel)
    maps = random_maps(rng, 60, size, noise=0.02)
    assert check_dark(maps, kernel, atol=2e-6) > 30
    assert check_dark(maps.astype(np.float32), kernel, atol=2e-5) > 30


@pytest.mark.parametrize("kernel", [11, 13])
def test_dark_with_negative_values_beside_the_peak(kernel):
    rng = np.random.default_rng(kernel)
    maps = random_maps(rng, 100, (32, 24), noise=0.3, negative=True)
    for i, m in enumerate(maps[0, :80]):  # lonely spikes in a negative sea
        # Either the blur is negative at the patch's corners, or (deep sea) everywhere.
        m[:] = -(0.05 if i < 60 else 0.25) * rng.random() * rng.random(m.shape)
        m[rng.integers(2, 30), rng.integers(2, 22)] = 1 + rng.random()
    assert check_dark(maps, kernel, atol=2e-5) > 40
    peaks = argmax2d(torch.from_numpy(maps))[0][0].numpy()
    floored = 0
    for m, (x, y) in zip(maps[0], peaks, strict=True):
        if 1 < x < 22 and 1 < y < 30:
            floored += (cv2_modulate(m, kernel)[y - 2 : y + 3, x - 2 : x + 3] < 1e-10).any()
    assert floored > 10


@pytest.mark.parametrize("scale", [1e-6, 1e-9, 2e-10])
def test_dark_of_tiny_maps(scale):
    """At 2e-10 the peak is above the floor of the logarithm and its neighbours are below."""
    maps = random_maps(np.random.default_rng(4), 60, (32, 24), noise=1e-3, scale=scale)
    assert check_dark(maps, 11, atol=1e-5) > 10


def test_dark_of_maps_below_the_floor_does_not_move():
    maps = random_maps(np.random.default_rng(4), 40, (32, 24), noise=1e-3, scale=3e-11)
    assert check_dark(maps, 11, atol=1e-5) == 0


def test_dark_of_flat_and_empty_maps():
    maps = torch.zeros(1, 5, 32, 24)
    maps[0, 1] = -0.25
    maps[0, 2] = 0.5  # the first pixel wins: too close to the border
    maps[0, 3, 10:20, 5:15] = 0.5  # a plateau: its corner is the peak
    maps[0, 4, 16, 12] = 1e-30
    peaks, scores = argmax2d(maps)
    got = refine_dark(maps, peaks)
    assert torch.isfinite(got).all()
    assert got[0, :3].tolist() == [[-1, -1], [-1, -1], [0, 0]]
    assert scores[0, :3].tolist() == [0, -0.25, 0.5]
    expected, _ = naive_dark(maps[0, 3].double().numpy(), (5, 10), 11)
    np.testing.assert_allclose(got[0, 3], expected, atol=1e-3)
    np.testing.assert_allclose(got[0, 4], [12, 16], atol=1e-4)


def test_peaks_closer_than_two_pixels_to_the_border_stay():
    h, w = 20, 16
    maps = torch.zeros(1, h * w, h, w)
    peaks = torch.tensor([[(x, y) for y in range(h) for x in range(w)]])
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    for i, (px, py) in enumerate(peaks[0].tolist()):
        maps[0, i] = torch.exp(-((x - px - 0.3) ** 2 + (y - py + 0.2) ** 2) / 8)
    moved = (refine_dark(maps, peaks) != peaks).any(-1)[0].view(h, w)
    expected = torch.zeros(h, w, dtype=torch.bool)
    expected[2:-2, 2:-2] = True
    assert torch.equal(moved, expected)


def test_derivatives_and_step_of_a_quadratic_are_exact():
    """log f = -(a u^2 + 2 b u v + c v^2) / 2 about (.3, -.4): gradient, Hessian and extremum by hand."""
    a, b, c = 0.5, 0.1, 0.25
    y, x = np.mgrid[-2:3, -2:3].astype(float)
    u, v = x - 0.3, y + 0.4
    patch = torch.from_numpy(-(a * u**2 + 2 * b * u * v + c * v**2) / 2 + 5)
    gradient, hessian = log_derivatives(patch[None])
    np.testing.assert_allclose(gradient, [[a * 0.3 - b * 0.4, b * 0.3 - c * 0.4]], atol=1e-12)
    np.testing.assert_allclose(hessian, [[[-a, -b], [-b, -c]]], atol=1e-12)
    np.testing.assert_allclose(taylor_step(gradient, hessian), [[0.3, -0.4]], atol=1e-12)


def test_step_equals_numpys_inverse_and_is_zero_without_one():
    rng = np.random.default_rng(0)
    hessian = rng.normal(size=(50, 2, 2))
    hessian = hessian + hessian.transpose(0, 2, 1)
    gradient = rng.normal(size=(50, 2))
    expected = [-np.linalg.inv(h) @ g for h, g in zip(hessian, gradient, strict=True)]
    got = taylor_step(torch.from_numpy(gradient), torch.from_numpy(hessian))
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    singular = torch.tensor([[[1.0, 2], [2, 4]], [[0, 0], [0, 0]]])
    assert taylor_step(torch.ones(2, 2), singular).tolist() == [[0, 0], [0, 0]]


# --- UDP -------------------------------------------------------------------------------------------


def naive_udp(one_map, peak, kernel):
    """MMPose's refine_keypoints_dark_udp for one keypoint, in float64."""
    m = np.log(np.clip(cv2_modulate(one_map.astype(np.float64), kernel), 1e-3, 50))
    m = np.pad(m, 1, mode="edge")
    x, y = peak[0] + 1, peak[1] + 1
    dx, dy = 0.5 * (m[y, x + 1] - m[y, x - 1]), 0.5 * (m[y + 1, x] - m[y - 1, x])
    dxx = m[y, x + 1] - 2 * m[y, x] + m[y, x - 1]
    dyy = m[y + 1, x] - 2 * m[y, x] + m[y - 1, x]
    dxy = 0.5 * (
        m[y + 1, x + 1]
        - m[y, x + 1]
        - m[y + 1, x]
        + 2 * m[y, x]
        - m[y, x - 1]
        - m[y - 1, x]
        + m[y - 1, x - 1]
    )
    inverse = np.linalg.inv(np.array([[dxx, dxy], [dxy, dyy]]) + np.finfo(np.float32).eps * np.eye(2))
    step = -inverse @ np.array([dx, dy])
    return peak + step, np.linalg.norm(inverse, 2) * (1 + np.abs(step).max())


@pytest.mark.parametrize("kernel", [11, 17])
@pytest.mark.parametrize(("negative", "scale"), [(False, 1.0), (True, 1.0), (False, 2e-3), (False, 54.0)])
def test_udp_refinement_equals_a_naive_transcription(kernel, negative, scale):
    """The scales reach the two ends of the clipped range."""
    maps = random_maps(np.random.default_rng(7), 80, (23, 17), noise=0.05, negative=negative, scale=scale)
    peaks, _ = argmax2d(torch.from_numpy(maps))
    at_border = (peaks[0] == 0).any(1) | (peaks[0] == torch.tensor([16, 22])).any(1)
    assert 3 < at_border.sum() < 60  # the padding is used
    got = refine_udp(torch.from_numpy(maps), peaks, kernel)
    checked = 0
    for i, m in enumerate(maps[0]):
        expected, condition = naive_udp(m, peaks[0, i].numpy(), kernel)
        if condition > 1e4:  # a flat place between clipped values: epsilon decides
            continue
        checked += 1
        np.testing.assert_allclose(got[0, i], expected, atol=2e-6 * max(1.0, condition))
    assert checked > 40


def test_udp_refinement_of_an_empty_map_is_its_peak():
    maps = torch.zeros(1, 2, 16, 12)
    maps[0, 1] = -1
    assert refine_udp(maps, argmax2d(maps)[0]).tolist() == [[[-1, -1], [-1, -1]]]


# --- codec: there and back -------------------------------------------------------------------------


def sample_points(rng, codec, count, inside):
    """Uniform over the heatmap, at least `inside` heatmap px from the outermost pixel centres; input px."""
    w, h = codec.heatmap_size
    less = 1 if codec.udp else 0
    factor = np.array(codec.input_size) / (np.array(codec.heatmap_size) - less)
    centers = rng.uniform((inside, inside), (w - 1 - inside, h - 1 - inside), (1, count, 2))
    return torch.from_numpy(centers * factor), factor


# How far inside the outermost pixels a centre must lie for an error of at most .001 heatmap px: measured.
# Nearer to the border the blur (kernel 11 reaches 5 px, 17 reaches 8) sees the Gaussian cut off.
EXACT_INSIDE = {(1.5, 11): 4, (2.0, 11): 5, (3.0, 11): 7, (3.0, 17): 8}


@pytest.mark.parametrize(("sigma", "kernel"), list(EXACT_INSIDE))
def test_dark_gives_encoded_points_back(sigma, kernel):
    codec = HeatmapCodec((192, 256), (48, 64), sigma, blur_kernel_size=kernel)
    rng, visible = np.random.default_rng(0), torch.ones(1, 1500)

    def worst_error(inside):
        points, factor = sample_points(rng, codec, 1500, inside)
        decoded, scores = codec.decode(codec.encode(points, visible)[0])
        assert scores.min() >= math.exp(-0.25 / sigma**2) - 1e-6  # at worst half a pixel off along both axes
        assert scores.max() <= 1
        return np.abs((decoded.numpy() - points.numpy()) / factor).max()

    inside = EXACT_INSIDE[sigma, kernel]
    assert worst_error(inside) <= 1e-3
    assert 1e-3 < worst_error(inside - 2) < 0.1  # the limit is real


@bounded
@given(st.floats(8, 39), st.floats(8, 55), st.sampled_from([1.5, 2.0, 3.0]))
def test_dark_gives_any_point_inside_back(x, y, sigma):
    codec = HeatmapCodec((192, 256), (48, 64), sigma)
    point = torch.tensor([[[4 * x, 4 * y]]], dtype=torch.float64)
    decoded, _ = codec.decode(codec.encode(point, torch.ones(1, 1))[0])
    np.testing.assert_allclose(decoded, point, atol=4e-3)  # .001 heatmap px


@pytest.mark.parametrize(
    ("settings_", "refine", "expected"),
    [
        ({}, "none", 0.379),
        ({}, "quarter", 0.191),
        ({}, "dark", 0.000),
        ({"unbiased": False}, "none", 0.385),
        ({"unbiased": False}, "quarter", 0.385),
        ({"unbiased": False}, "dark", 0.385),
    ],
)
def test_mean_errors_of_a_perfect_gaussian(settings_, refine, expected):
    """The numbers of the design document: heatmap px, sigma 2, uniform sub-pixel centres."""
    codec = HeatmapCodec(**W32, **settings_)
    points, factor = sample_points(np.random.default_rng(0), codec, 8000, inside=12)
    decoded, _ = codec.decode(codec.encode(points, torch.ones(1, 8000))[0], refine)
    error = np.linalg.norm((decoded.numpy() - points.numpy()) / factor, axis=-1).mean()
    assert error == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("published", [W32, W48])
def test_udp_round_trip(published):
    codec = HeatmapCodec(**published, udp=True)
    points, factor = sample_points(np.random.default_rng(0), codec, 300, inside=8)
    decoded, _ = codec.decode(codec.encode(points, torch.ones(1, 300))[0])
    assert np.abs((decoded.numpy() - points.numpy()) / factor).max() <= 1e-3


def test_scales():
    assert HeatmapCodec(**W32).scale == (4, 4)
    assert HeatmapCodec(**W48).scale == (4, 4)
    assert HeatmapCodec((100, 200), (25, 100)).scale == (4, 2)
    assert HeatmapCodec(**W32, udp=True).scale == pytest.approx((192 / 47, 256 / 63))


def test_decode_by_hand():
    """A lonely spike at (10, 20) with a higher right and upper neighbour."""
    codec = HeatmapCodec(**W32)
    maps = torch.zeros(1, 2, 64, 48)
    maps[0, 0, 20, 10], maps[0, 0, 20, 11], maps[0, 0, 19, 10] = 0.8, 0.2, 0.3
    for refine, expected in (("none", [40, 80]), ("quarter", [41, 79])):
        keypoints, scores = codec.decode(maps, refine)
        assert keypoints.tolist() == [[expected, [-4, -4]]]
        np.testing.assert_allclose(scores, [[0.8, 0]], rtol=1e-6)
    keypoints, _ = codec.decode(maps)
    assert 40 < keypoints[0, 0, 0] < 44  # towards them
    assert 76 < keypoints[0, 0, 1] < 80
    assert keypoints[0, 1].tolist() == [-4, -4]


@pytest.mark.parametrize("refine", ["none", "quarter", "dark", "udp"])
def test_decode_treats_every_map_alone(refine):
    """Persons and keypoints may be permuted, split and cut without a change."""
    codec = HeatmapCodec(**SMALL, udp=refine == "udp")
    refine = "dark" if refine == "udp" else refine
    rng = np.random.default_rng(5)
    maps = torch.from_numpy(
        random_maps(rng, 4 * 6, (32, 24), noise=0.05, negative=True).reshape(4, 6, 32, 24)
    ).float()
    maps[1, 2], maps[3, 0] = 0, -1
    maps[2, 5] = -0.05
    maps[2, 5, 16, 12] = 1
    keypoints, scores = codec.decode(maps, refine)
    assert keypoints.shape == (4, 6, 2)
    assert keypoints.dtype == scores.dtype == torch.float32
    persons, points = torch.tensor([2, 0, 3, 1]), torch.tensor([5, 1, 0, 2, 4, 3])
    permuted, permuted_scores = codec.decode(maps[persons][:, points], refine)
    torch.testing.assert_close(permuted, keypoints[persons][:, points], rtol=0, atol=1e-4)
    assert torch.equal(permuted_scores, scores[persons][:, points])
    for b in range(4):
        for k in range(6):
            alone, _ = codec.decode(maps[b : b + 1, k : k + 1], refine)
            torch.testing.assert_close(alone[0, 0], keypoints[b, k], rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("refine", ["none", "quarter", "dark"])
def test_decode_of_other_float_types_is_that_of_their_values(dtype, refine):
    codec = HeatmapCodec(**SMALL)
    maps = torch.from_numpy(random_maps(np.random.default_rng(5), 12, (32, 24), noise=0.02)).to(dtype)
    kept = maps.clone()
    keypoints, scores = codec.decode(maps, refine)
    assert keypoints.dtype == scores.dtype == torch.float32
    expected, expected_scores = codec.decode(maps.float(), refine)
    assert torch.equal(keypoints, expected)
    assert torch.equal(scores, expected_scores)
    assert torch.equal(maps, kept)


def test_encode_takes_other_types():
    points = torch.tensor([[[40, 82], [100, 30]]])
    expected, _ = HeatmapCodec(**W32).encode(points.float(), torch.ones(1, 2))
    for other in (points, points.double(), points.half(), points.bfloat16()):
        maps, weights = HeatmapCodec(**W32).encode(other, torch.ones(1, 2, dtype=torch.bool))
        assert maps.dtype == weights.dtype == torch.float32
        torch.testing.assert_close(maps, expected, rtol=1e-6, atol=1e-12)
        assert weights.tolist() == [[1, 1]]


def test_nobody():
    codec = HeatmapCodec(**SMALL)
    maps, weights = codec.encode(torch.zeros(0, 133, 2), torch.zeros(0, 133))
    assert maps.shape == (0, 133, 32, 24)
    assert weights.shape == (0, 133)
    for refine in ("none", "quarter", "dark"):
        keypoints, scores = codec.decode(maps, refine)
        assert keypoints.shape == (0, 133, 2)
        assert scores.shape == (0, 133)


def test_targets_are_symmetric_under_mirroring():
    """Mirroring the point about the middle of the map mirrors the map."""
    centers = torch.tensor([[[5.25, 9.5], [11.0, 3.75]]], dtype=torch.float64)
    mirrored = torch.stack([15 - centers[..., 0], centers[..., 1]], -1)
    maps, _ = gaussian_heatmaps(centers, torch.ones(1, 2), (16, 20), 2.0)
    turned, _ = gaussian_heatmaps(mirrored, torch.ones(1, 2), (16, 20), 2.0)
    torch.testing.assert_close(turned, maps.flip(-1), rtol=1e-6, atol=1e-12)


# --- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "visible"),
    [((133, 2), (133,)), ((2, 133, 3), (2, 133)), ((2, 133, 2), (2, 132)), ((2, 3, 2), (2,))],
)
def test_wrong_shapes_of_points_are_refused(points, visible):
    with pytest.raises(ValueError, match=r"expected \(B, K, 2\) and \(B, K\)"):
        HeatmapCodec(**W32).encode(torch.zeros(points), torch.zeros(visible))


@pytest.mark.parametrize("shape", [(133, 64, 48), (1, 133, 48, 64), (1, 133, 64, 47)])
def test_wrong_shapes_of_maps_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(B, K, 64, 48\)"):
        HeatmapCodec(**W32).decode(torch.zeros(shape))


def test_unknown_refinement_is_refused():
    with pytest.raises(ValueError, match=r"refine is 'DARK', expected \"none\", \"quarter\" or \"dark\""):
        HeatmapCodec(**W32).decode(torch.zeros(1, 1, 64, 48), refine="DARK")


@pytest.mark.parametrize("size", [0, -1, 10])
def test_even_kernels_are_refused(size):
    with pytest.raises(ValueError, match=f"kernel size is {size}, it must be odd"):
        HeatmapCodec(**W32, blur_kernel_size=size)


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"sigma": float("nan")}, {"heatmap_size": (1, 64)}])
def test_impossible_codecs_are_refused(wrong):
    with pytest.raises(ValueError, match="sizes must be at least 3 and sigma positive"):
        HeatmapCodec(**{**W32, **wrong})
