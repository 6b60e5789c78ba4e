"""Where the 133 keypoints stand on a drawn figure, with face, hands and feet enlarged beside it.

The figure is 12 wide and 10 high, y down; it faces the reader, so its right side is on the left.
"""

from __future__ import annotations

import numpy as np

from wbkit.keypoints import KEYPOINTS, PARTS

WIDTH, HEIGHT = 12.0, 10.0
_MIDDLE = WIDTH / 2
_FACE_AT, _FACE_SIZE = np.array([1.95, 2.0]), 1.75
_LEFT_HAND_AT, _HAND_SIZE = np.array([10.05, 5.75]), 1.55
_LEFT_FOOT_AT, _FOOT_SIZE = np.array([9.55, 9.0]), 0.75
HEAD = (np.array([_MIDDLE, 1.1]), 0.62)
"""Centre and radius of the figure's head."""
_LEFT_BODY = {
    "nose": (6.0, 1.2),
    "left_eye": (6.2, 1.0),
    "left_ear": (6.5, 1.1),
    "left_shoulder": (6.95, 2.3),
    "left_elbow": (7.4, 3.65),
    "left_wrist": (7.65, 4.95),
    "left_hip": (6.55, 5.2),
    "left_knee": (6.65, 7.15),
    "left_ankle": (6.7, 9.05),
}
_LEFT_FOOT = {"left_big_toe": (-0.4, 0.6), "left_small_toe": (0.35, 0.5), "left_heel": (0.05, -0.6)}
_FINGER_BASES = [(-0.42, 0.52), (-0.32, 0.02), (-0.08, -0.06), (0.14, -0.01), (0.34, 0.12)]
_FINGER_WAYS = [(-0.19, -0.17), (-0.07, -0.27), (-0.01, -0.3), (0.05, -0.275), (0.12, -0.215)]


def face_points() -> np.ndarray:
    """(68, 2) a frontal face in the order of 300-W, within -1..1, y down."""
    turn = np.linspace(0, np.pi, 17)
    jaw = np.stack([-0.92 * np.cos(turn), -0.25 + 1.2 * np.sin(turn)], 1)
    arch = np.linspace(0, 1, 5)
    brow = np.stack([-0.74 + 0.54 * arch, -0.6 - 0.13 * np.sin(np.pi * (0.15 + 0.75 * arch))], 1)
    bridge = np.stack([np.zeros(4), np.linspace(-0.38, 0.02, 4)], 1)
    nostrils = np.stack([np.linspace(-0.2, 0.2, 5), 0.14 + 0.06 * np.sin(np.pi * arch)], 1)
    eye = np.array(
        [(-0.64, -0.36), (-0.53, -0.45), (-0.39, -0.45), (-0.28, -0.35), (-0.4, -0.29), (-0.53, -0.29)]
    )
    outer = _ring(12, 0.4, 0.19, 0.52)
    inner = _ring(8, 0.27, 0.075, 0.52)
    other_eye = (eye * (-1, 1))[[3, 2, 1, 0, 5, 4]]
    return np.concatenate([jaw, brow, (brow * (-1, 1))[::-1], bridge, nostrils, eye, other_eye, outer, inner])


def _ring(count: int, width: float, height: float, y: float) -> np.ndarray:
    """(count, 2) points around lips, from the corner on the left over the upper edge."""
    turn = np.pi - np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([width * np.cos(turn), y - height * np.sin(turn)], 1)


def left_hand_points() -> np.ndarray:
    """(21, 2) a left hand, palm to the reader, thumb to the left, within -1..1, y down."""
    points = [(0.0, 0.95)]
    for base, way in zip(_FINGER_BASES, _FINGER_WAYS, strict=True):
        points += [(base[0] + i * way[0], base[1] + i * way[1]) for i in range(4)]
    return np.array(points)


def figure_points() -> np.ndarray:
    """(133, 2) where each keypoint stands on the figure."""
    points = np.full((len(KEYPOINTS), 2), np.nan)
    places = {name: np.array(xy) for name, xy in _LEFT_BODY.items()}
    places |= {name: _LEFT_FOOT_AT + _FOOT_SIZE * np.array(xy) for name, xy in _LEFT_FOOT.items()}
    for name, xy in places.items():
        points[KEYPOINTS.index(name)] = xy
        points[KEYPOINTS.index(name.replace("left_", "right_"))] = _mirrored(xy) if "left" in name else xy
    points[PARTS["face"]] = _FACE_AT + _FACE_SIZE * face_points()
    points[PARTS["lefthand"]] = _LEFT_HAND_AT + _HAND_SIZE * left_hand_points()
    points[PARTS["righthand"]] = _mirrored(points[PARTS["lefthand"]])
    return points


def _mirrored(points: np.ndarray) -> np.ndarray:
    """The same place on the figure's other side."""
    return np.array([WIDTH, 0]) + points * (-1, 1)
