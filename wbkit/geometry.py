"""From a person box to a crop and back: every keypoint travels through one 2x3 affine map.

Pixel convention: a pixel's centre has integer coordinates, (0, 0) is the centre of the top-left one.
The map of the published checkpoints sends a box of width w onto a crop of width W by the factor W / w
(no half-pixel shift); `udp=True` gives the map of UDP (Huang et al., CVPR 2020), (W - 1) / w, instead.
Points are (x, y), sizes (w, h).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from wbkit.keypoints import FLIP_INDICES


def clip_boxes(boxes_xywh: np.ndarray, image_size_wh: np.ndarray) -> np.ndarray:
    """Cut boxes to the pixels of their picture, [0, W - 1] x [0, H - 1], as MMPose does for ground truth.

    Args:
        boxes_xywh: (..., 4) image px.
        image_size_wh: (2,) or (..., 2) px.

    Returns:
        (..., 4) float64 xywh whose corners are float32 numbers; empty boxes have width or height 0.
    """
    boxes = np.asarray(boxes_xywh, dtype=np.float64)
    last = np.asarray(image_size_wh) - 1
    top_left = np.clip(boxes[..., :2], 0, last).astype(np.float32)  # (..., 2)
    bottom_right = np.clip(boxes[..., :2] + boxes[..., 2:], 0, last).astype(np.float32)
    return np.concatenate([top_left, bottom_right.astype(np.float64) - top_left], axis=-1)


def box_to_center_scale(boxes_xywh: np.ndarray, padding: float = 1.25) -> tuple[np.ndarray, np.ndarray]:
    """Middle and padded size of boxes; the aspect ratio is left alone (see `fix_aspect`).

    Args:
        boxes_xywh: (..., 4) image px.
        padding: the size is multiplied by it, to leave room for limbs outside the box.

    Returns:
        center (..., 2) and scale (w, h) (..., 2), float32 image px.
    """
    boxes = np.asarray(boxes_xywh, dtype=np.float64)
    center = (boxes[..., :2] + boxes[..., 2:] / 2).astype(np.float32)
    return center, boxes[..., 2:].astype(np.float32) * np.float32(padding)


def fix_aspect(scale: np.ndarray, input_size: tuple[int, int]) -> np.ndarray:
    """Grow the shorter side so that the region has the network input's aspect ratio.

    Args:
        scale: (..., 2) region (w, h).
        input_size: network input (W, H).

    Returns:
        (..., 2) region (w, h) with w / h = W / H, of the dtype of `scale`.
    """
    scale = np.asarray(scale)
    aspect = input_size[0] / input_size[1]
    w, h = scale[..., :1], scale[..., 1:]
    wide, tall = np.concatenate([w, w / aspect], -1), np.concatenate([h * aspect, h], -1)
    return np.where(w > h * aspect, wide, tall)


def warp_matrix(
    center: np.ndarray, scale: np.ndarray, rotation_deg: float, input_size: tuple[int, int], udp: bool = False
) -> np.ndarray:
    """The 2x3 matrix that maps image px to crop px.

    Args:
        center: (2,) middle of the region, image px.
        scale: (2,) its (w, h), image px, with the input's aspect ratio (`fix_aspect`).
        rotation_deg: the region's rotation about its centre.
        input_size: network input (W, H).
        udp: UDP's unbiased map instead of the published checkpoints', for the crop's pixels; points for a
            `HeatmapCodec` travel through the plain map in either case. As in MMPose it turns the other
            way: the same rotation needs the opposite sign.

    Returns:
        (2, 3) float64. `warp_points(p, matrix)` applies it, `invert_warp` turns it round.
    """
    center, scale = np.asarray(center), np.asarray(scale)
    angle = _radians(rotation_deg, center)
    if udp:
        return _udp_warp_matrix(center, scale, angle, input_size)
    # Three point pairs: the centre, the middle of the left edge, and the point at a right angle to both.
    # MMPose rounds them to float32, and a crop equal to the last grey level needs the same rounding.
    to_left_edge = np.array([np.cos(angle), np.sin(angle)], np.float64) * (-0.5 * scale[0])
    source_center, source_edge = np.float32(center), np.float32(center + to_left_edge)
    target_center = np.array(input_size, np.float32) / 2
    target_edge = target_center - [target_center[0], 0]
    source = [source_center, source_edge, _third_point(source_center, source_edge)]
    target = [target_center, target_edge, _third_point(target_center, target_edge)]
    return cv2.getAffineTransform(np.float32(source), np.float32(target))


def _radians(degrees: float, center: np.ndarray) -> np.floating:
    """In float32 where the caller carries float32, as MMPose's pipeline does, else in float64."""
    single = np.float32 in (center.dtype, np.asarray(degrees).dtype)
    return np.deg2rad((np.float32 if single else np.float64)(degrees))


def _third_point(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The point that makes a right angle with a at b, as far from b as a is."""
    dx, dy = a - b
    return b + np.array([-dy, dx], dtype=b.dtype)


def _udp_warp_matrix(center, scale, angle, input_size) -> np.ndarray:
    """UDP: box edges map to the *centres* of the crop's outermost pixels, hence W - 1."""
    angle = float(angle)
    factor = (np.array(input_size) - 1) / np.asarray(scale, np.float64)  # (2,)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = factor[:, None] * rotation
    offset = factor * np.asarray(scale, np.float64) / 2 - linear @ np.asarray(center, np.float64)
    return np.concatenate([linear, offset[:, None]], axis=1)


def invert_warp(matrix: np.ndarray) -> np.ndarray:
    """Crop px -> image px for an image -> crop matrix, and back: (2, 3) -> (2, 3) float64."""
    return cv2.invertAffineTransform(np.asarray(matrix, np.float64))


def warp_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a 2x3 affine map.

    Args:
        points: (..., 2) in the map's source frame.
        matrix: (2, 3), or (..., 2, 3) broadcast against the points' leading axes.

    Returns:
        (..., 2) float64 in the target frame.
    """
    matrix = np.asarray(matrix, np.float64)
    linear, offset = matrix[..., :2], matrix[..., 2]
    return (linear @ np.asarray(points, np.float64)[..., None])[..., 0] + offset


def common_area(a_xywh: np.ndarray, b_xywh: np.ndarray) -> np.ndarray:
    """Of two boxes, px^2: (..., 4) and (..., 4), broadcast -> (...)."""
    low = np.maximum(a_xywh[..., :2], b_xywh[..., :2])
    high = np.minimum(a_xywh[..., :2] + a_xywh[..., 2:], b_xywh[..., :2] + b_xywh[..., 2:])
    return np.maximum(high - low, 0).prod(-1)


def box_iou(a_xywh: np.ndarray, b_xywh: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes: (..., 4) and (..., 4), broadcast -> (...); 0 for two empty boxes."""
    shared = common_area(a_xywh, b_xywh)
    union = a_xywh[..., 2:].prod(-1) + b_xywh[..., 2:].prod(-1) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0)


def box_matrices(
    boxes_xywh: np.ndarray, input_size: tuple[int, int], padding: float = 1.25, udp: bool = False
) -> np.ndarray:
    """Image -> crop matrices of boxes, padded and of the crop's aspect: (N, 4) -> (N, 2, 3)."""
    center, scale = box_to_center_scale(boxes_xywh, padding)
    pairs = zip(center, fix_aspect(scale, input_size), strict=True)
    return np.array([warp_matrix(c, s, 0.0, input_size, udp) for c, s in pairs]).reshape(-1, 2, 3)


def points_to_image(points: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Points in crops back in their pictures: (N, K, 2) crop px, (N, 2, 3) image -> crop -> (N, K, 2)."""
    return warp_points(points, np.array([invert_warp(m) for m in matrices]).reshape(-1, 1, 2, 3))


def crop_image(image: np.ndarray, matrix: np.ndarray, input_size: tuple[int, int]) -> np.ndarray:
    """Cut the region out of an image: (H, W, C) uint8 -> (H', W', C), bilinear, black outside."""
    return cv2.warpAffine(image, matrix, tuple(input_size), flags=cv2.INTER_LINEAR)


def flip_keypoints(keypoints: np.ndarray, width: int) -> np.ndarray:
    """Keypoints of the mirrored picture: x -> width - 1 - x, and left and right change names.

    Args:
        keypoints: (..., 133, C), C >= 2: x, y in image px; further columns (v, scores) travel along.
        width: width of the picture, px.
    """
    flipped = np.array(keypoints)[..., FLIP_INDICES, :]
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return flipped


def half_body_box(
    keypoints: np.ndarray, chosen: np.ndarray, padding: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Region around some keypoints of one person, for half-body augmentation.

    Args:
        keypoints: (K, 2) image px.
        chosen: indices or mask of the (visible) keypoints to enclose.
        padding: the extent is multiplied by it.

    Returns:
        center (2,), the *mean* of the points, and scale (2,), their padded extent; image px.
    """
    points = np.asarray(keypoints)[chosen]
    return points.mean(0), (points.max(0) - points.min(0)) * padding
