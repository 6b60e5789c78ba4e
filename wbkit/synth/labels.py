"""What the camera sees of each keypoint, and the COCO-WholeBody record of each person.

A keypoint is v = 2 where its own body part is the first surface on its line of sight (within a pixel), 1
where something hides it, 0 outside the picture or where nothing could tell. Face and hand points are
labelled together: the part is valid when enough of it can be seen.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numba
import numpy as np
from pycocotools import mask as coco_mask

from wbkit.columns import KEYPOINT_FIELDS
from wbkit.keypoints import KEYPOINTS, NUM_KEYPOINTS, PARTS
from wbkit.synth.fields import REGIONS, region
from wbkit.synth.render import Buffers, Camera, Mesh
from wbkit.synth.scene import Picture, Scene
from wbkit.tables import PERSON_CATEGORY

# How far behind the first surface a point may lie and still count as seen: joint centres lie inside the limb
# and under cloth; skin points lie on the surface. Metres.
JOINT_DEPTH = {
    "shoulder": 0.15,
    "elbow": 0.09,
    "wrist": 0.07,
    "hip": 0.2,
    "knee": 0.12,
    "ankle": 0.1,
    "hand_root": 0.065,
}
FINGER_DEPTH, TIP_DEPTH, FACE_DEPTH, EAR_DEPTH, FOOT_DEPTH = 0.02, 0.016, 0.014, 0.03, 0.05
JAW_DEPTH = 0.024  # seen through a beard
SMALLEST = 40  # px^2 of visible mask under which a person's keypoints are not labelled
FACE_SHARE, HAND_SHARE = 0.4, 0.3  # visible share of its points that makes a part valid
GUESS = 0.2  # a hidden body point is guessed within this many sqrt(mask area) of the visible person


@lru_cache(maxsize=1)
def _rules() -> tuple[np.ndarray, np.ndarray]:
    """(133,) depth tolerance; (133, R) bool: the regions through which a point is seen."""
    depth, allowed = np.zeros(NUM_KEYPOINTS, np.float32), np.zeros((NUM_KEYPOINTS, len(REGIONS)), bool)
    parts = {
        "shoulder": ("torso", "neck", "upperarm"),
        "elbow": ("upperarm", "forearm"),
        "wrist": ("forearm", "hand"),
        "hip": ("torso", "thigh", "skirt"),
        "knee": ("thigh", "shank", "skirt"),
        "ankle": ("shank", "foot", "skirt"),
        "hand_root": ("forearm", "hand"),
    }
    for k, name in enumerate(KEYPOINTS):
        side = {"left": ".L", "right": ".R"}.get(name.split("_")[0], "")
        joint = next((j for j in parts if name.endswith(j)), None)
        if joint:
            depth[k], seen_through = JOINT_DEPTH[joint], parts[joint]
        elif k < 5 or "face" in name:
            depth[k] = EAR_DEPTH if "ear" in name else JAW_DEPTH if 23 <= k < 40 else FACE_DEPTH
            seen_through = ("head", "neck")
        elif "toe" in name or "heel" in name:
            depth[k], seen_through = FOOT_DEPTH, ("foot",)
        else:
            depth[k], seen_through = (TIP_DEPTH if name.endswith("4") else FINGER_DEPTH), ("hand",)
        for part in seen_through:
            allowed[k, region(part if part in ("torso", "neck", "head", "skirt") else part + side)] = True
    return depth, allowed


def keypoint_visibility(
    points: np.ndarray, person: int, camera: Camera, mesh: Mesh, buffers: Buffers
) -> np.ndarray:
    """One person's keypoints (133, 3) world -> (133, 3): x, y px; 0 outside the picture, 1 hidden, 2
    visible."""
    tolerance, allowed = _rules()
    pixels, depth = camera.project(points)
    width, height = camera.size_wh
    inside = np.isfinite(depth) & (pixels > -0.5).all(1) & (pixels < np.array([width, height]) - 0.5).all(1)
    out = np.zeros((NUM_KEYPOINTS, 3))
    out[inside, :2], out[inside, 2] = pixels[inside], 1
    reach = (depth - tolerance - 0.5 * depth / camera.focal).astype(np.float32)
    seen = _is_seen(
        2 * pixels + 0.5,
        inside,
        reach,
        allowed,
        person,
        buffers.face,
        buffers.closeness,
        mesh.person,
        mesh.region,
    )
    # A sliver thinner than a pixel belongs to whoever fills the pixel: nobody can see a point in it.
    own = cv2.dilate((buffers.person == person).astype(np.uint8), np.ones((3, 3), np.uint8))
    at = np.clip(np.round(np.where(inside[:, None], pixels, 0)).astype(int), 0, np.array([width, height]) - 1)
    out[seen & (own[at[:, 1], at[:, 0]] > 0), 2] = 2
    return out


@numba.njit(cache=True)
def _is_seen(samples, inside, reach, allowed, person, face, closeness, face_person, face_region):
    """Whether one of the 3 x 3 samples around each point shows this person's allowed region, not nearer
    than `reach`."""
    out = np.zeros(len(samples), np.bool_)
    for k in range(len(samples)):
        if not inside[k]:
            continue
        x0, y0 = round(samples[k, 0]), round(samples[k, 1])
        for y in range(max(0, y0 - 1), min(face.shape[0], y0 + 2)):
            for x in range(max(0, x0 - 1), min(face.shape[1], x0 + 2)):
                f = face[y, x]
                if (
                    f >= 0
                    and face_person[f] == person
                    and allowed[k, face_region[f]]
                    and closeness[y, x] * reach[k] < 1
                ):
                    out[k] = True
    return out


def label_rules(keypoints: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, dict[str, bool]]:
    """Exact visibility (133, 3) -> what an annotator would label, and which parts are valid.

    Args:
        mask: (H, W) bool, the person's visible pixels.
    """
    out = keypoints.copy()
    seen = out[:, 2] == 2
    valid = {
        part: _part_is_seen(out[PARTS[part]], share)
        for part, share in (("face", FACE_SHARE), ("lefthand", HAND_SHARE), ("righthand", HAND_SHARE))
    }
    area = int(mask.sum())
    if area < SMALLEST:
        out[:], valid = 0, dict.fromkeys(valid, False)
    else:
        away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
        at = np.clip(np.round(out[:, 1::-1]).astype(int), 0, np.array(mask.shape) - 1)
        lost = ~seen & (away[at[:, 0], at[:, 1]] > GUESS * np.sqrt(area))
        if not valid["face"] and not seen[:3].any():
            lost[:3] = True  # nose and eyes of a head seen from behind
        lost[PARTS["face"].start :] = False
        out[lost] = 0
    for part, is_valid in valid.items():
        if not is_valid:
            out[PARTS[part]] = 0
    valid["foot"] = bool((out[PARTS["foot"], 2] > 0).any())
    return out, valid


def _part_is_seen(points: np.ndarray, share: float) -> bool:
    inside = points[points[:, 2] > 0]
    if len(inside) < 4 or (points[:, 2] == 2).mean() < share:
        return False
    return bool(np.ptp(inside[:, :2], axis=0).max() >= 6)


def annotate(scene: Scene, picture: Picture, image_id: int, first_id: int) -> list[dict]:
    """COCO-WholeBody records of everybody in a picture, ids from `first_id`; nobody who cannot be seen."""
    person = picture.buffers.person
    records, crowd = [], np.zeros(person.shape, bool)
    for number, one in enumerate(scene.people):
        mask = person == number
        if one.crowd:
            crowd |= mask
        elif mask.any():
            exact = keypoint_visibility(one.keypoints, number, scene.camera, scene.near, picture.buffers)
            keypoints, valid = label_rules(exact, mask)
            records.append(_record(keypoints, valid, mask))
    if crowd.any():
        valid = dict.fromkeys(("face", "lefthand", "righthand", "foot"), False)
        records.append(_record(np.zeros((NUM_KEYPOINTS, 3)), valid, crowd) | {"iscrowd": 1})
    return [{"id": first_id + i, "image_id": image_id} | r for i, r in enumerate(records)]


def _record(keypoints: np.ndarray, valid: dict[str, bool], mask: np.ndarray) -> dict:
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    rounded = np.round(keypoints, 3)
    return {
        "category_id": PERSON_CATEGORY,
        "iscrowd": 0,
        "area": float(mask.sum()),
        "bbox": [float(x) for x in coco_mask.toBbox(rle)],
        "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
        "num_keypoints": int((keypoints[PARTS["body"], 2] > 0).sum()),
        **{f: _flat(rounded[part]) for f, part in KEYPOINT_FIELDS.items()},
        **{f"{p}_box": _part_box(keypoints[PARTS[p]], mask.shape) for p in ("face", "lefthand", "righthand")},
        **{f"{p}_valid": valid[p] for p in ("face", "lefthand", "righthand", "foot")},
    }


def _flat(points: np.ndarray) -> list:
    """(K, 3) -> x, y, v, x, y, v ... with whole numbers for v."""
    return [value for x, y, v in points.tolist() for value in (x, y, int(v))]


def _part_box(points: np.ndarray, shape: tuple[int, int]) -> list[float]:
    """xywh around the labelled points, a tenth wider on each side, inside the picture; zeros if there is
    none."""
    labelled = points[points[:, 2] > 0, :2]
    if not len(labelled):
        return [0.0] * 4
    low, high = labelled.min(0), labelled.max(0)
    pad = 0.1 * (high - low) + 1
    low, high = np.maximum(low - pad, 0), np.minimum(high + pad, np.array(shape[::-1]) - 1)
    return [round(float(x), 2) for x in (*low, *(high - low))]
