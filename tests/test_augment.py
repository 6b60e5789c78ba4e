"""wbkit.augment: the changes of pixels; those of geometry are tested with the samples (test_data.py)."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from wbkit import augment
from wbkit.augment import change_pixels
from wbkit.recipes import RECIPES, Augmentation

CHANGES = ("_relight", "_blur", "_add_noise", "_compress", "_erase")


@pytest.fixture
def crop() -> np.ndarray:
    """Smooth colours, far from black and white."""
    coarse = np.random.default_rng(0).integers(60, 200, (8, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (96, 128), interpolation=cv2.INTER_CUBIC)


def test_published_recipes_leave_pixels_alone_and_throw_no_dice(crop):
    rng = np.random.default_rng(1)
    assert change_pixels(crop, Augmentation(), rng) is crop
    assert rng.random() == np.random.default_rng(1).random()


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_keeps_shape_type_and_original(crop, name):
    for seed in range(20):
        before = crop.copy()
        changed = getattr(augment, name)(crop, np.random.default_rng(seed))
        again = getattr(augment, name)(crop, np.random.default_rng(seed))
        assert changed.shape == crop.shape
        assert changed.dtype == np.uint8
        assert not np.array_equal(changed, crop)
        np.testing.assert_array_equal(changed, again)
        np.testing.assert_array_equal(crop, before)


def test_places_stay_where_they_are():
    """Labels are not moved, so pixels must not be: a bright spot keeps its centre of mass."""
    spot = np.full((128, 96, 3), 40, np.uint8)
    spot[60:64, 40:44] = 255
    y, x = np.mgrid[0:128, 0:96]
    for name in ("_relight", "_blur", "_compress"):
        places = []
        for seed in range(30):
            seen = getattr(augment, name)(spot, np.random.default_rng(seed)).astype(float).mean(2)
            weight = np.maximum(seen - np.median(seen) - 20, 0)
            places.append([(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()])
        np.testing.assert_allclose(np.median(places, 0), [41.5, 61.5], atol=0.1)


def test_light_follows_its_formula(crop):
    """Pixel by pixel, as the five changes read one after the other."""
    for seed in range(30):
        dice = np.random.default_rng(seed)
        x = (crop / 255.0) ** np.exp(dice.normal(0, 0.25))  # gamma
        x = (
            (x - x.mean()) * np.exp(dice.normal(0, 0.25)) + x.mean() + dice.normal(0, 0.08)
        )  # contrast, exposure
        x = x * np.exp(dice.normal(0, 0.08, 3))  # white balance
        grey = x.mean(2, keepdims=True)
        saturation = 0.0 if dice.random() < 0.12 else np.exp(dice.normal(0, 0.35))
        expected = np.clip(grey + (x - grey) * saturation, 0, 1) * 255
        changed = augment._relight(crop, np.random.default_rng(seed))
        assert np.abs(changed - expected).max() <= 0.501


def test_noise_is_a_sensors():
    """Of mean 0, as strong as the dice say, different in every colour; for some the mean of 2x2 x 1.5."""
    grey = np.full((128, 96, 3), 128, np.uint8)
    for seed in range(40):
        dice = np.random.default_rng(seed)
        dice.integers(2**31)
        strength, coarse = dice.uniform(3, 18), dice.random() < 0.5
        noise = augment._add_noise(grey, np.random.default_rng(seed)) - 128.0
        neighbours = np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]
        colours = np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]
        expected = np.hypot(strength * (0.75 if coarse else 1), np.sqrt(1 / 12))  # and rounding's
        assert noise.std() == pytest.approx(expected, rel=0.02)
        assert neighbours == pytest.approx(0.5 if coarse else 0, abs=0.05)
        assert abs(colours) < 0.05
        assert abs(noise.mean()) < 5 * expected / np.sqrt(noise.size / 4)


def test_erasing_covers_little(crop):
    for seed in range(50):
        erased = augment._erase(crop, np.random.default_rng(seed))
        share = (erased != crop).any(2).mean()
        assert 0 < share <= 3 * 0.06 + 0.01


def test_chances(crop):
    """With factor f, a crop stays untouched with the product of (1 - f * chance)."""
    settings = replace(RECIPES["tiny"].augmentation, photometric=0.5, erase_probability=0.2)
    rng = np.random.default_rng(2)
    same = np.mean([np.array_equal(change_pixels(crop, settings, rng), crop) for _ in range(1500)])
    expected = (1 - 0.4) * (1 - 0.125) ** 2 * (1 - 0.1) * (1 - 0.2)
    assert same == pytest.approx(expected, abs=0.04)
