"""Contact sheets of the synthetic people: 24 scenes without and with labels, and close-ups.

    python tools/synth_sheet.py --out DIR [--seed 0] [--mix hard]

Green points are visible (v = 2), red ones hidden (v = 1). Writes scenes.jpg and
closeups.jpg (faces, hands, feet).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from wbkit.columns import KEYPOINT_FIELDS
from wbkit.keypoints import PARTS, SKELETON
from wbkit.synth import camera, labels, scene
from wbkit.synth.write import make_picture

VIEWS = {"face": PARTS["face"], "lefthand": PARTS["lefthand"], "foot": slice(17, 20)}


def draw_points(image: np.ndarray, points: np.ndarray, size: float) -> np.ndarray:
    """Keypoints (133, 3) over an RGB picture, with the links of body and hands."""
    out = image.copy()
    at = np.round(points[:, :2] * 8).astype(int)
    for a, b in SKELETON:
        if points[a, 2] and points[b, 2] and not 23 <= a < 91:
            cv2.line(out, at[a].tolist(), at[b].tolist(), (255, 200, 0), 1, cv2.LINE_AA, 3)
    for k in np.flatnonzero(points[:, 2]):
        colour = (0, 255, 0) if points[k, 2] == 2 else (255, 0, 0)
        radius = size * (2 if k < 23 else 1)
        cv2.circle(out, at[k].tolist(), int(8 * radius), colour, -1, cv2.LINE_AA, 3)
    return out


def scene_cell(seed: int, index: int, mix: str) -> np.ndarray:
    """One scene without and with its labels, side by side."""
    sample = make_picture(seed, index, mix=mix)
    drawn = sample.image
    for record in sample.annotations:
        points = np.concatenate([np.reshape(record[f], (-1, 3)) for f in KEYPOINT_FIELDS])
        drawn = draw_points(drawn, points, 0.9)
        x, y, w, h = map(int, record["bbox"])
        colour = (255, 0, 255) if record["iscrowd"] else (0, 255, 255)
        cv2.rectangle(drawn, (x, y), (x + w, y + h), colour, 1)
    return np.hstack([sample.image, drawn])


def closeup_cell(seed: int, index: int, part: str) -> np.ndarray:
    """A part of one person from near, as rendered and with its exact points."""
    rng = scene.random_generator(seed, index)
    one = scene.build_scene(rng, (256, 256), persons=1)
    points = one.people[0].keypoints[VIEWS[part]]
    middle, extent = points.mean(0), np.ptp(points, axis=0).max()
    behind = one.people[0].keypoints[[3, 4] if part == "face" else [11, 12]].mean(0)
    side = (points.mean(0) - behind) / np.linalg.norm(points.mean(0) - behind)
    if part == "foot":
        side = np.array([side[0], side[1], 0.6])
    side = side + rng.normal(0, 0.35, 3)
    away = 0.35 + 2.6 * extent
    view = camera.look_at(
        middle + away * side / np.linalg.norm(side), middle, 256 * away / (1.7 * extent + 0.03), (256, 256)
    )
    one = scene.replace(one, camera=view)
    picture = scene.render_scene(one, np.random.default_rng(0))
    image = camera.develop(np.random.default_rng(2), picture.colours)
    exact = labels.keypoint_visibility(one.people[0].keypoints, 0, view, one.near, picture.buffers)
    return np.hstack([image, draw_points(image, exact, 1.2)])


def sheet(cells: list[np.ndarray], columns: int) -> np.ndarray:
    cells = cells + [np.zeros_like(cells[0])] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mix", choices=tuple(scene.MIXES), default="everyday", help="of the scenes")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    scenes = sheet([scene_cell(options.seed, i, options.mix) for i in range(24)], 4)
    cv2.imwrite(str(options.out / "scenes.jpg"), scenes[:, :, ::-1])
    close = sheet([closeup_cell(options.seed, i, part) for i in range(8) for part in VIEWS], 3)
    cv2.imwrite(str(options.out / "closeups.jpg"), close[:, :, ::-1])


if __name__ == "__main__":
    main()
