"""A second way to plant the errors of `planting.py`: in px and shares of a part's extent, without sigmas.

People are scaled to an area of 200 x 200 px. Noise is Gaussian, about a third of a px. Where a class depends
on a tolerance (jitter is more than a person's margin, yet near), px typed by hand say how far that is.
"""

import numpy as np
from planting import CURVES, FINGERS, HANDS, make_scene, slide_along

from wbkit.keypoints import FLIP_INDICES

SIDE = 200.0
NOISE_PX, MOST_PX = 0.35, 1.0
# Keypoints -> from and to how many px a jitter moves them.
JITTER_PX = {
    range(5): (8.6, 11.0),  # nose, eyes, ears
    range(5, 11): (19.5, 27.0),  # shoulders, elbows, wrists
    range(11, 17): (26.0, 38.0),  # hips, knees, ankles
    range(17, 20): (17.0, 29.0),  # left foot
    range(20, 23): (23.0, 40.0),  # right foot, labelled with a wider spread
    (23, 24, 25, 26, 35, 36, 37, 38, 39): (11.5, 16.0),  # the jaw's ends
    range(40, 50): (3.7, 4.8),  # brows
    (*range(71, 77), *range(78, 85)): (2.6, 3.1),  # lips
}
JITTER_PX |= {tuple(h[[5, 6, 7, *range(9, 16), 17, 18, 19]]): (6.2, 7.6) for h in HANDS.values()}
# Part -> px by which two places must be apart.
CLEAR_PX = {range(17): 60, range(17, 23): 95, range(23, 40): 50, range(40, 91): 20, range(91, 133): 60}
CLEAR = np.concatenate([np.full(len(points), px) for points, px in CLEAR_PX.items()])


def make_px_scene(seed=0, count=80):
    scene = make_scene(seed, count, noise=0, side=SIDE)
    for person in range(count):
        put(scene, person, np.arange(133), scene.truth[person], "good")
    return scene


def put(scene, person, points, goals, name):
    noise = np.clip(scene.rng.normal(0, NOISE_PX, (len(points), 2)), -MOST_PX, MOST_PX)
    scene.predicted[person, points] = goals + noise
    scene.planted[person, points] = name


def px(scene, person, points, goals):
    """How far the goals are from the points' own places, px."""
    return np.linalg.norm(scene.truth[person, points] - goals, axis=-1)


def extent(scene, person, points):
    """Diagonal of the box around points, px."""
    return np.linalg.norm(np.ptp(scene.truth[person, points], axis=0))


def some(scene, person, points, count):
    """At most so many of the points that nothing was planted on."""
    points = np.array(points)
    points = points[scene.planted[person, points] == "good"]
    return scene.rng.permutation(points)[:count]


def off_the_middle(scene, person, points):
    """Those of the points whose mirrored one is far or themselves."""
    mirrored = FLIP_INDICES[points]
    far = px(scene, person, points, scene.truth[person, mirrored]) > CLEAR[points]
    return points[far | (mirrored == points)]


def jitter(scene, person):
    for points, (low, high) in JITTER_PX.items():
        points = off_the_middle(scene, person, some(scene, person, points, 2))
        step = scene.rng.normal(size=(len(points), 2))
        step /= np.linalg.norm(step, axis=1, keepdims=True)
        far = scene.rng.triangular(low, (low + high) / 2, high, (len(points), 1))
        scene.predicted[person, points] = scene.truth[person, points] + step * far
        scene.planted[person, points] = "jitter"


def miss(scene, person):
    """Below the person, by its own height or more."""
    points = some(scene, person, np.arange(133), 15)
    height = np.ptp(scene.truth[person, :, 1])
    away = np.column_stack([scene.rng.normal(0, 0.2, len(points)), scene.rng.uniform(1.1, 1.6, len(points))])
    put(scene, person, points, scene.truth[person, points] + away * height, "miss")


def inversion(scene, person):
    for part in (range(17), range(17, 23), range(23, 91)):
        points = some(scene, person, part, 3)
        points = points[FLIP_INDICES[points] != points]
        points = off_the_middle(scene, person, points)
        put(scene, person, points, scene.truth[person, FLIP_INDICES[points]], "inversion")
    hand = HANDS[str(scene.rng.choice(list(HANDS)))]
    points = off_the_middle(scene, person, hand[:2])
    if scene.free(person, hand):
        put(scene, person, points, scene.truth[person, FLIP_INDICES[points]], "inversion")


def swap(scene, person):
    points = some(scene, person, np.arange(133), 15)
    put(scene, person, points, scene.truth[person ^ 1, points], "swap")


def hand_swap(scene, person):
    points = HANDS[str(scene.rng.choice(list(HANDS)))]
    goals = scene.truth[person, FLIP_INDICES[points]]
    if scene.free(person, points) and (px(scene, person, points, goals) > CLEAR[points]).all():
        put(scene, person, points, goals, "hand_swap")


def wrong_finger(scene, person):
    for fingers in FINGERS.values():
        one, other = scene.rng.choice(5, 2, replace=False)
        goals = scene.truth[person, fingers[other]]
        if scene.free(person, fingers[one]) and (px(scene, person, fingers[one], goals) > 40).all():
            put(scene, person, fingers[one], goals, "wrong_finger")


def contour_slide(scene, person):
    """By 12 to 16 % of the contour's length, where this is well beyond the noise of its points."""
    for points, closed in CURVES:
        points = np.array(points)
        curve = scene.truth[person, points]
        length = np.linalg.norm(np.diff(curve, axis=0), axis=1).sum()
        goals = slide_along(curve, closed, scene.rng.choice([-1, 1]) * scene.rng.uniform(0.12, 0.16) * length)
        inside = np.isfinite(goals).all(1)
        mirrored = np.linalg.norm(scene.truth[person, FLIP_INDICES[points]] - goals, axis=1)
        ambiguous = (mirrored < (20 if points[0] < 40 else 8)).sum() * 3 >= inside.sum()
        least = 14 if points[0] < 40 else 6
        clear = (px(scene, person, points[inside], goals[inside]) > least).all()
        if inside.sum() >= 4 and scene.free(person, points) and clear and not ambiguous:
            put(scene, person, points[inside], goals[inside], "contour_slide")


def collapse(scene, person):
    """A part's points on its middle; those that were near it anyway tell nothing."""
    parts = [np.arange(17), np.arange(17, 20), np.arange(20, 23), np.arange(23, 91), *HANDS.values()]
    points = parts[scene.rng.integers(6)]
    spot = scene.truth[person, points].mean(0)
    far = px(scene, person, points, spot) > CLEAR[points] / 2.2
    if scene.free(person, points) and extent(scene, person, points) > 40:
        put(scene, person, points[~far], spot, "unclear")
        put(scene, person, points[far], spot, "collapse")


PX_MODELS = {f.__name__: f for f in (jitter, miss, inversion, swap, hand_swap)}
PX_MODELS |= {f.__name__: f for f in (wrong_finger, contour_slide, collapse)}
