"""Planted errors: real-shaped people, and noise models that move chosen keypoints in a known way.

Distances are in "deviations", 2 sigma sqrt(area) px, typed anew here; no similarity is computed, and
nothing of `wbkit.failures` is used (`planting_px.py` plants in px, without sigmas). People stand alone and
far apart, with enlarged faces, hands and feet, and a site is planted only where its own place and the place
it is moved to are far apart: what was planted is then beyond doubt. `make_scene(enlarged=False,
anywhere=True)` is the opposite: people as they are, errors planted wherever they fall.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from wbkit.annotations import load_annotations
from wbkit.columns import Results
from wbkit.keypoints import FLIP_INDICES, SIGMAS

MINI = Path(__file__).resolve().parent.parent / "data" / "wholebody-mini" / "annotations"
BODY, FOOT, FACE = np.arange(17), np.arange(17, 23), np.arange(23, 91)
HANDS = {"lefthand": np.arange(91, 112), "righthand": np.arange(112, 133)}
FINGERS = {h: [p[1 + 4 * f : 5 + 4 * f] for f in range(5)] for h, p in HANDS.items()}
CURVES = [(range(23, 40), False), (range(40, 45), False), (range(45, 50), False)]
CURVES += [(range(71, 83), True), (range(83, 91), True)]
ALL_PARTS = {"body": BODY, "foot": FOOT, "face": FACE, **HANDS}
APPLIES = {name: tuple(ALL_PARTS) for name in ("jitter", "miss", "inversion", "swap", "collapse")}
APPLIES |= {"hand_swap": tuple(HANDS), "wrong_finger": tuple(HANDS), "contour_slide": ("face",)}
FAR, APART = 3.0, 3000.0  # deviations between a point's place and where it is planted; px between people


@dataclass
class Scene:
    """`truth` (P, 133, 2) and `areas` (P,) of people in pictures of two; `predicted` and `planted` names."""

    annotations: object
    truth: np.ndarray
    areas: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    planted: np.ndarray
    rng: np.random.Generator
    anywhere: bool = False  # plant also where own place and goal are near each other

    def deviation(self, person, points):
        return 2 * SIGMAS[points] * np.sqrt(self.areas[person])

    def move(self, person, points, goals, name, noise=0.2):
        """Put points where the goals are, give or take a fraction of a deviation."""
        angle = self.rng.uniform(0, 2 * np.pi, len(points))
        step = noise * self.rng.random(len(points)) * self.deviation(person, points)
        self.predicted[person, points] = goals + np.stack([np.cos(angle), np.sin(angle)], 1) * step[:, None]
        self.planted[person, points] = name

    def gaps(self, person, points, goals):
        """Distance of own place and goal in deviations."""
        if self.anywhere:
            return np.full(len(points), np.inf)
        return np.linalg.norm(self.truth[person, points] - goals, axis=-1) / self.deviation(person, points)

    def free(self, person, points):
        return (self.planted[person, points] == "good").all()

    def results(self):
        keypoints = np.concatenate([self.predicted, self.scores[..., None]], axis=2)
        images = self.annotations.person_image_ids
        return result_columns(keypoints, images, self.rng.random(len(images)) + 0.1)


def result_columns(keypoints, image_ids, scores):
    """(D, 133, 3) as `load_results` would return them, without the way through JSON."""
    count, scores = len(keypoints), np.asarray(scores, float)
    extent = keypoints[:, BODY, :2].max(1) - keypoints[:, BODY, :2].min(1)
    return Results(
        source="results",
        image_ids=np.asarray(image_ids),
        keypoints=keypoints,
        scores=scores,
        areas=extent.prod(1),
        part_scores=np.repeat(scores[:, None], 5, axis=1),
        boxes_xywh=np.full((count, 4), np.nan),
        box_scores=np.full(count, np.nan),
        ids=np.full(count, -1),
    )


@cache
def embedded(split):
    """The labels of the embedded set, "train" or "val"."""
    return load_annotations(MINI / f"coco_wholebody_{split}_v1.0.json", cache=False)


def people_records(seed, count, enlarged=True, side=None):
    """(P, 133, 2) and (P,) areas of fully labelled people; large faces, hands, feet; sqrt(area) = side."""
    people = embedded("train")
    full = (people.keypoints[..., 2] > 0).all(1) & (people.areas > 3000)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(np.flatnonzero(full), count)
    points, areas = people.keypoints[chosen, :, :2].copy(), people.areas[chosen]
    points -= points[:, BODY].min(1, keepdims=True)
    factor = np.ones(count) if side is None else side / np.sqrt(areas)
    points, areas = points * factor[:, None, None], areas * factor**2
    feet = [(FOOT[:3], 4.0), (FOOT[3:], 4.0)]
    for part, factor in (*feet, (FACE, 5.0), *((p, 8.0) for p in HANDS.values())) if enlarged else ():
        centre = points[:, part].mean(1, keepdims=True)
        points[:, part] = centre + factor * (points[:, part] - centre)
    return points, areas


def make_scene(seed=0, count=80, noise=0.3, *, enlarged=True, side=None, anywhere=False):
    """People in pictures of two, all predicted well."""
    points, areas = people_records(seed, count, enlarged, side)
    points += 500 + np.stack([np.arange(count) % 2 * APART, np.zeros(count)], 1)[:, None]
    records = []
    for i in range(count):
        v = np.column_stack([points[i], np.full(133, 2.0)])
        fields = {"keypoints": v[:17], "foot_kpts": v[17:23], "face_kpts": v[23:91]}
        fields |= {"lefthand_kpts": v[91:112], "righthand_kpts": v[112:]}
        low, high = v[:, :2].min(0), v[:, :2].max(0)
        record = {"id": i + 1, "image_id": i // 2 + 1, "category_id": 1, "iscrowd": 0, "area": areas[i]}
        record["bbox"] = [*low.tolist(), *(high - low).tolist()]
        records.append(record | {k: x.ravel().tolist() for k, x in fields.items()})
    sizes = {"width": int(2 * APART), "height": int(APART)}
    images = [{"id": i + 1, "file_name": f"{i}.jpg", **sizes} for i in range((count + 1) // 2)]
    truth = load_annotations({"images": images, "annotations": records})
    rng = np.random.default_rng(seed + 1)
    scores = rng.uniform(0.5, 1, (count, 133))
    planted = np.full((count, 133), "good", dtype="<U16")
    scene = Scene(truth, points, areas, points.copy(), scores, planted, rng, anywhere)
    for person in range(count):
        scene.move(person, np.arange(133), points[person], "good", noise)
    return scene


# --- noise models: each plants one kind of error in one person --------------------------------------


def jitter(scene, person):
    points = scene.rng.choice(133, 15, replace=False)
    mirrored = scene.truth[person, FLIP_INDICES[points]]
    clear = (scene.gaps(person, points, mirrored) > FAR) | (FLIP_INDICES[points] == points)
    points = points[clear & (scene.planted[person, points] == "good")]
    angle, far = scene.rng.uniform(0, 2 * np.pi, len(points)), scene.rng.uniform(0.7, 1.05, len(points))
    step = np.stack([np.cos(angle), np.sin(angle)], 1) * (far * scene.deviation(person, points))[:, None]
    scene.move(person, points, scene.truth[person, points] + step, "jitter", noise=0)


def miss(scene, person):
    points = scene.rng.choice(133, 15, replace=False)
    points = points[scene.planted[person, points] == "good"]
    below = scene.truth[person].max(0) + scene.rng.uniform(100, 600, (len(points), 2))
    scene.move(person, points, below, "miss")


def inversion(scene, person):
    # Two points of a hand: with more it would be the hand as a whole.
    hand = HANDS[str(scene.rng.choice(list(HANDS)))][:2]
    for points in (*((k,) for k in scene.rng.choice(91, 14, replace=False)), hand):
        points = np.array(points)
        goals = scene.truth[person, FLIP_INDICES[points]]
        if (scene.gaps(person, points, goals) > FAR).all() and scene.free(person, points):
            scene.move(person, points, goals, "inversion")


def swap(scene, person):
    other = person ^ 1
    points = scene.rng.choice(133, 15, replace=False)
    points = points[scene.planted[person, points] == "good"]
    mirrored = scene.rng.random(len(points)) < 0.5
    scene.move(person, points, scene.truth[other, np.where(mirrored, FLIP_INDICES[points], points)], "swap")


def hand_swap(scene, person):
    points = HANDS[str(scene.rng.choice(list(HANDS)))]
    goals = scene.truth[person, FLIP_INDICES[points]]
    if scene.free(person, points) and (scene.gaps(person, points, goals) > FAR).all():
        scene.move(person, points, goals, "hand_swap")


def wrong_finger(scene, person):
    for fingers in FINGERS.values():
        one, other = scene.rng.choice(5, 2, replace=False)
        goals = scene.truth[person, fingers[other]]
        if scene.free(person, fingers[one]) and (scene.gaps(person, fingers[one], goals) > 2).all():
            scene.move(person, fingers[one], goals, "wrong_finger")


def slide_along(curve, closed, way):
    """Points of a polyline moved along it by `way` px, walked in small steps; NaN beyond an open end."""
    ring = np.vstack([curve, curve[:1]]) if closed else curve
    share = np.linspace(0, 1, 400)[:, None]
    dense = np.concatenate([a + share * (b - a) for a, b in pairwise(ring)])
    walked = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
    start = [walked[i * 400] if i * 400 < len(walked) else walked[-1] for i in range(len(curve))]
    end = np.array(start) + way
    end = end % walked[-1] if closed else np.where((end >= 0) & (end <= walked[-1]), end, np.nan)
    return np.stack([np.interp(end, walked, dense[:, axis]) for axis in (0, 1)], 1)


def contour_slide(scene, person):
    for points, closed in CURVES:
        points = np.array(points)
        curve = scene.truth[person, points]
        way = float(scene.rng.choice([-1, 1])) * 2.2 * scene.deviation(person, points).max()
        goals = slide_along(curve, closed, way)
        inside = np.isfinite(goals).all(1)
        length = np.linalg.norm(np.diff(curve, axis=0), axis=1).sum()
        # Both ends of a flat curve are near each other, and so are the two lips of a closed mouth. Where
        # every other point lands on its mirrored one it may as well be an inversion.
        mirrored = scene.truth[person, FLIP_INDICES[points]] - goals
        onto_mirrored = np.linalg.norm(mirrored, axis=1) < 1.5 * scene.deviation(person, points)
        clean = inside.sum() >= 4 and abs(way) < length / 5 and scene.free(person, points)
        clean &= 3 * onto_mirrored.sum() < inside.sum()
        if clean and (scene.gaps(person, points[inside], goals[inside]) > 1.5).all():
            scene.move(person, points[inside], goals[inside], "contour_slide", noise=0.05)


def collapse(scene, person):
    points = [BODY, FOOT[:3], FOOT[3:], FACE, *HANDS.values()][scene.rng.integers(6)]
    spot = scene.truth[person, points].mean(0)
    far = scene.gaps(person, points, spot) > 1.0
    if scene.free(person, points):
        scene.move(person, points[~far], np.tile(spot, ((~far).sum(), 1)), "unclear", noise=0.05)
        scene.move(person, points[far], np.tile(spot, (far.sum(), 1)), "collapse", noise=0.05)


NOISE_MODELS = {f.__name__: f for f in (jitter, miss, inversion, swap, hand_swap)}
NOISE_MODELS |= {f.__name__: f for f in (wrong_finger, contour_slide, collapse)}
