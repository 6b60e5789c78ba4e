"""The body: shape, skeleton, skinning and the 133 keypoints, from the asset `data/body/body.npz`.

Frame of a body: metres, z up, the person faces -y, so the subject's left is +x. A pose is one rotation
a bone, in world-aligned axes at the reference pose (arms lowered by about 45 degrees):
`G_bone = G_parent @ D_bone`, and a vertex moves with its six bones (linear blend skinning).
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numba
import numpy as np

from wbkit.errors import InputError
from wbkit.files import data_folder

SKIN, EYES, HAIR, SKIRT, TEETH, LASHES = range(6)  # values of Body.face_groups


@dataclass(frozen=True, eq=False)
class Rest:
    """A body before posing: `vertices` (V, 3) m, `joints` (B, 3) m, `turns` (B, 3, 3) rest -> reference."""

    vertices: np.ndarray
    joints: np.ndarray
    turns: np.ndarray


@dataclass(frozen=True, eq=False)
class Posed:
    """A posed body: `vertices` (V, 3), `joints` (B, 3), `keypoints` (133, 3), all m; `turns`."""

    vertices: np.ndarray
    joints: np.ndarray
    keypoints: np.ndarray
    turns: np.ndarray


@dataclass(frozen=True, eq=False)
class Body:
    """The asset: V vertices, F triangles, B bones, R shape components, 52 facial actions.

    Attributes:
        faces: (F, 3) int32 vertex indices; the helper hair, skirt and teeth included.
        face_groups: (F,) uint8: SKIN, EYES, HAIR, SKIRT, TEETH, LASHES.
        bones: names, parents first. parents: (B,) int.
        people: (N, R) float32 shape coefficients of random adults; traits: (N, 8), columns `trait_names`.
        actions: names of the facial actions (ARKit's).
        template: (V, 3) float32 m: the mean body at the reference pose; the frame of every pattern.
        template_joints: (B, 3) and template_keypoints: (133, 3), of the same body.
    """

    faces: np.ndarray
    face_groups: np.ndarray
    bones: tuple[str, ...]
    parents: np.ndarray
    people: np.ndarray
    traits: np.ndarray
    trait_names: tuple[str, ...]
    actions: tuple[str, ...]
    template: np.ndarray
    template_joints: np.ndarray
    template_keypoints: np.ndarray
    skin_bones: np.ndarray
    skin_weights: np.ndarray
    _mean: np.ndarray
    _basis: np.ndarray  # (R, 3 V + 12 B) int16 steps
    _step: np.float32
    _rotation_lever: np.float32
    _action_index: np.ndarray
    _action_offsets: np.ndarray
    _keypoint_is_bone: np.ndarray
    _keypoint_refs: np.ndarray
    _keypoint_shares: np.ndarray

    @cached_property
    def _bone_numbers(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.bones)}

    def bone(self, name: str) -> int:
        return self._bone_numbers[name]

    def rest(self, coefficients: np.ndarray, actions: np.ndarray | None = None) -> Rest:
        """Shape coefficients (R,) and facial actions (52,), 0-1, -> the unposed body."""
        row = _mix(np.asarray(coefficients, np.float32) * self._step, self._basis, self._mean)
        v, b = 3 * len(self.skin_bones), 3 * len(self.bones)
        vertices = row[:v].reshape(-1, 3)
        if actions is not None:
            share = np.asarray(actions, np.float32)[self._action_index[:, 0]]
            used = np.flatnonzero(share)
            np.add.at(vertices, self._action_index[used, 1], share[used, None] * self._action_offsets[used])
        turns = row[v + b :].reshape(-1, 3, 3).astype(np.float64) / self._rotation_lever
        u, _, vt = np.linalg.svd(turns)
        return Rest(vertices, row[v : v + b].reshape(-1, 3), (u @ vt).astype(np.float32))

    def pose(
        self, coefficients: np.ndarray, rotations: np.ndarray | None = None, actions: np.ndarray | None = None
    ) -> Posed:
        """A body of this shape in this pose with this face.

        Args:
            coefficients: (R,) shape.
            rotations: (B, 3, 3) in world-aligned axes at the reference pose; None: that pose.
            actions: (52,) facial actions, 0-1; None: neutral.
        """
        return self.skin(self.rest(coefficients, actions), rotations)

    def skin(self, rest: Rest, rotations: np.ndarray | None = None) -> Posed:
        """Forward kinematics and linear blend skinning of an unposed body."""
        turns, joints = self.kinematics(rest, rotations)
        linear = (turns @ rest.turns).astype(np.float32)  # (B, 3, 3)
        shift = joints - np.einsum("bij,bj->bi", linear, rest.joints)
        matrices = np.concatenate([linear, shift[:, :, None]], 2).astype(np.float32)  # (B, 3, 4)
        vertices = _blend(np.ascontiguousarray(rest.vertices), matrices, self.skin_bones, self.skin_weights)
        return Posed(vertices, joints, self.keypoints(vertices, joints), turns)

    def kinematics(self, rest: Rest, rotations: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """World rotation (B, 3, 3) of every bone against the reference pose, and joint centres (B, 3)."""
        if rotations is None:
            rotations = np.broadcast_to(np.eye(3), (len(self.bones), 3, 3))
        return _chain(self.parents, rest.joints.astype(np.float64), rest.turns.astype(np.float64),
                      np.ascontiguousarray(rotations, np.float64))  # fmt: skip

    def keypoints(self, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Vertices (V, 3) and joints (B, 3) -> the 133 keypoints (133, 3)."""
        skin = np.einsum("kr,krd->kd", self._keypoint_shares, vertices[self._keypoint_refs])
        centres = joints[self._keypoint_refs[:, 0] % len(joints)]
        return np.where(self._keypoint_is_bone[:, None], centres, skin)

    def fit(self, vertices: np.ndarray, joints: np.ndarray, turns: np.ndarray) -> np.ndarray:
        """Coefficients (R,) that come closest to a rest body; used by the check against the source model."""
        turned = turns.ravel() * self._rotation_lever
        target = np.concatenate([vertices.ravel(), joints.ravel(), turned]) - self._mean
        weights = np.ones(len(target))
        weights[: vertices.size].reshape(-1, 3)[np.unique(self.faces[self.face_groups >= HAIR])] = 0
        system = self._basis.T * (float(self._step) * weights[:, None])
        return np.linalg.lstsq(system, target * weights, rcond=None)[0]


@numba.njit(cache=True, fastmath=True)
def _mix(weights, rows, base):
    """base + weights @ rows for int16 rows, in blocks that stay in the cache."""
    out = base.copy()
    for start in range(0, len(out), 4096):
        end = min(start + 4096, len(out))
        for k in range(len(weights)):
            w = weights[k]
            for i in range(start, end):
                out[i] += w * np.float32(rows[k, i])
    return out


@numba.njit(cache=True, fastmath=True)
def _blend(vertices, matrices, bones, weights):
    out = np.empty_like(vertices)
    for v in range(len(vertices)):
        x, y, z = vertices[v]
        for i in range(3):
            total = np.float32(0)
            for k in range(bones.shape[1]):
                m = matrices[bones[v, k], i]
                total += weights[v, k] * (m[0] * x + m[1] * y + m[2] * z + m[3])
            out[v, i] = total
    return out


@numba.njit(cache=True)
def _chain(parents, joints, rest_turns, rotations):
    turns = np.empty_like(rotations)
    places = np.empty_like(joints)
    turns[0], places[0] = rotations[0], 0.0
    for b in range(1, len(parents)):
        p = parents[b]
        turns[b] = turns[p] @ rotations[b]
        offset = joints[b] - joints[p]
        if p > 0:
            offset = rest_turns[p] @ offset
        places[b] = places[p] + turns[p] @ offset
    return turns, places


@lru_cache(maxsize=2)
def load_body(path: str | Path | None = None) -> Body:
    """Read the asset, by default `data/body/body.npz`.

    Raises:
        InputError: the file is missing or is not the asset.
    """
    path = Path(path) if path else data_folder() / "body" / "body.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _unpack({name: stored[name] for name in stored.files})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"is not the body asset ({error})", "Take the file from the wbkit checkout again", file=path
        ) from error


def _unpack(a: dict[str, np.ndarray]) -> Body:
    step, lever = np.float32(a["step"]), np.float32(a["rotation_lever"])
    mean, basis = a["mean"] * step, a["basis"]
    counts = a["keypoint_ref_counts"][:, None]
    body = Body(
        faces=a["faces"].astype(np.int32),
        face_groups=a["face_groups"],
        bones=tuple(a["bone_names"].tolist()),
        parents=a["bone_parents"].astype(np.int64),
        people=a["body_coefficients"].astype(np.float32),
        traits=a["body_labels"].astype(np.float32),
        trait_names=tuple(a["label_names"].tolist()),
        actions=tuple(a["action_names"].tolist()),
        template=np.empty(0), template_joints=np.empty(0), template_keypoints=np.empty(0),
        skin_bones=a["skin_bones"],
        skin_weights=a["skin_weights"].astype(np.float32) / np.float32(65535),
        _mean=mean.astype(np.float32), _basis=np.ascontiguousarray(basis), _step=step, _rotation_lever=lever,
        _action_index=a["action_index"].astype(np.int64),
        _action_offsets=a["action_offsets"] * step,
        _keypoint_is_bone=a["keypoint_is_bone"],
        _keypoint_refs=a["keypoint_refs"].astype(np.int64),
        _keypoint_shares=((np.arange(6) < counts) / counts).astype(np.float32),
    )  # fmt: skip
    neutral = body.pose(np.zeros(basis.shape[0], np.float32))
    object.__setattr__(body, "template", neutral.vertices)
    object.__setattr__(body, "template_joints", neutral.joints)
    object.__setattr__(body, "template_keypoints", neutral.keypoints)
    return body
