"""The noise model draws what it says, and the fit finds what was drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wbkit.decoders import argmax2d, refine_dark
from wbkit.errors import InputError
from wbkit.heatmaps import HeatmapCodec
from wbkit.study.noise import NoiseModel, correlated_noise, disturbed, draw
from wbkit.study.noise_fit import error_percentiles, fit_noise, radial_profile

K = 4
CODEC = HeatmapCodec((96, 128), (48, 64), sigma=2.0)


def model(**changes) -> NoiseModel:
    """A mild one, different for each keypoint."""
    values = {
        "amplitude": np.array([0.9, 0.8, 0.7, 0.6]),
        "amplitude_sd": np.full(K, 0.05),
        "width": np.array([1.0, 1.1, 1.2, 1.3]),
        "offset": np.array([0.004, 0.008, 0.012, 0.016]),
        "lost": np.zeros(K),
        "lost_offset": 0.0,
        "person_spread": 0.0,
        "noise_near": 0.02,
        "noise_far": 0.004,
        "noise_length": 0.25,
    }
    return NoiseModel(**values | changes)


SILENT = {"noise_near": 0.0, "noise_far": 0.0, "offset": np.zeros(K), "amplitude_sd": np.zeros(K)}


def places(persons: int, seed: int = 0) -> torch.Tensor:
    """Input px, in the middle of the crop."""
    size = torch.tensor(CODEC.input_size)
    unit = torch.rand(persons, K, 2, generator=torch.Generator().manual_seed(seed))
    return (0.35 + 0.3 * unit) * size


@pytest.mark.parametrize("unbiased", [True, False])
def test_without_noise_these_are_the_targets(unbiased):
    codec = replace(CODEC, unbiased=unbiased)
    silent = model(**SILENT, amplitude=np.ones(K), width=np.ones(K))
    keypoints = places(3)
    maps = disturbed(codec, keypoints, silent, draw(silent, 3))
    targets, _ = codec.encode(keypoints, torch.ones(3, K))
    inside = targets > 0  # the biased target ends at 3 sigma
    torch.testing.assert_close(maps[inside], targets[inside], atol=1e-6, rtol=0)
    assert float(maps[~inside].max()) < np.exp(-4.5) + 1e-6 if not unbiased else inside.any()


def test_noise_has_unit_variance_and_the_stated_correlation():
    blur_sd = 1.2
    noise = correlated_noise((400, 40, 40), blur_sd, torch.Generator().manual_seed(0)).numpy()
    assert noise.var() == pytest.approx(1, abs=0.02)
    assert noise[:, 0].var() == pytest.approx(1, abs=0.03)  # at the border too
    for lag in (1, 2, 3):
        together = (noise[:, 8:32, 8:29] * noise[:, 8:32, 8 + lag : 29 + lag]).mean()
        assert together == pytest.approx(np.exp(-(lag**2) / (4 * blur_sd**2)), abs=0.03)
    white = correlated_noise((400, 40, 40), 0, torch.Generator().manual_seed(0)).numpy()
    assert abs((white[..., 1:] * white[..., :-1]).mean()) < 0.01


def test_draws_have_the_moments_they_are_drawn_from():
    wanted = model(person_spread=0.4, lost=np.array([0.0, 0.1, 0.2, 0.3]), lost_offset=0.2)
    drawn = draw(wanted, 20_000, seed=3)
    far = drawn.offsets.abs().amax(-1).numpy()  # (N, K)
    assert drawn.amplitudes.mean(0).numpy() == pytest.approx(wanted.amplitude, abs=0.003)
    assert drawn.offsets[:, 0].std().item() == pytest.approx(wanted.offset[0], rel=0.03)  # E f^2 = 1
    assert (far > 0.08).mean(0) == pytest.approx(
        wanted.lost * (1 - 0.3108**2), abs=0.01
    )  # P(|z| < .4) = .3108
    assert torch.equal(draw(wanted, 5, seed=3).offsets, draw(wanted, 5, seed=3).offsets)
    none = model(lost=np.zeros(K))
    assert torch.allclose(draw(none, 50).offsets, 2 * draw(none.sharper(2), 50).offsets)


def test_the_fit_finds_the_parameters():
    wanted = model(person_spread=0.3, lost=np.array([0.0, 0.05, 0.1, 0.15]), lost_offset=0.25)
    persons = 1500
    keypoints = places(persons)
    drawn = draw(wanted, persons, seed=1)
    maps = disturbed(CODEC, keypoints, wanted, drawn, seed=2)
    truth = keypoints / torch.tensor(CODEC.scale)
    positions = refine_dark(maps, argmax2d(maps)[0])
    found = fit_noise(maps, positions, truth, torch.ones(persons, K, dtype=torch.bool), CODEC.sigma)
    assert found.amplitude == pytest.approx(wanted.amplitude, rel=0.05)
    assert found.width == pytest.approx(wanted.width, rel=0.05)
    assert found.offset == pytest.approx(wanted.offset, rel=0.12)
    # A lost keypoint may fall near the truth by chance: within 6 of 16 px, 7 in 100 of them.
    assert found.lost == pytest.approx(wanted.lost * np.exp(-((6 / 64 / 0.25) ** 2) / 2), abs=0.015)
    assert found.person_spread == pytest.approx(0.3, abs=0.08)
    # What of the noise looks like another height or place is not seen in it: more, the smoother it is.
    assert found.noise_near == pytest.approx(0.02, rel=0.2)
    assert found.noise_far == pytest.approx(0.004, rel=0.35)
    assert found.noise_length == pytest.approx(0.25, rel=0.3)


def test_a_perfect_prediction_has_no_noise():
    keypoints = places(6)
    targets, _ = CODEC.encode(keypoints, torch.ones(6, K))
    truth = keypoints / torch.tensor(CODEC.scale)
    found = fit_noise(targets, truth, truth, torch.ones(6, K, dtype=torch.bool), CODEC.sigma)
    assert found.width == pytest.approx(np.ones(K), abs=0.01)
    assert found.offset.max() == found.lost.max() == found.person_spread == 0
    assert found.noise_near < 1e-3


def test_too_few_maps_are_refused():
    truth = places(3)
    usable = torch.ones(3, K, dtype=torch.bool)
    usable[1:, 2] = False
    with pytest.raises(InputError, match=r"keypoints \[2\] have fewer"):
        fit_noise(torch.rand(3, K, 64, 48), truth, truth, usable, 2.0)


def test_rounding_keeps_significant_digits_and_sharper_is_less():
    wanted = model(offset=np.array([0.012345, 0.0, 9.87654, 0.5]), person_spread=0.4567)
    rounded = wanted.rounded(2)
    assert rounded.offset.tolist() == [0.012, 0.0, 9.9, 0.5]
    assert rounded.person_spread == 0.46
    sharp = wanted.sharper(2)
    assert sharp.offset == pytest.approx(wanted.offset / 2)
    assert (sharp.noise_near, sharp.noise_far) == (0.01, 0.002)
    assert sharp.width is wanted.width


def test_profiles_of_targets():
    keypoints = places(200)
    targets, _ = CODEC.encode(keypoints, torch.ones(200, K))
    truth = keypoints / torch.tensor(CODEC.scale)
    usable = torch.ones(200, K, dtype=torch.bool)
    profile = radial_profile(targets, truth, usable, CODEC.sigma)
    assert profile.target.to_numpy() == pytest.approx(np.exp(-0.5 * profile.index.to_numpy() ** 2), abs=0.04)
    assert profile.height.to_numpy() == pytest.approx(profile.target.to_numpy(), abs=0.03)
    assert profile.residual.max() < 0.01
    moved = error_percentiles(truth + torch.tensor([3.0, 4.0]), truth, usable)
    assert moved.to_numpy() == pytest.approx(np.full(len(moved), 5.0), abs=1e-4)
