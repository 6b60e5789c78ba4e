"""Export the body of `data/body/body.npz` from the Anny model (pip install --editable '.[body-export]').

    python tools/export_body.py             # writes data/body/body.npz and tests/data/body_golden.npz
    python tools/export_body.py --check     # compares the written asset with Anny on 100 random bodies

Anny's code is Apache-2.0 (c) NAVER Corp.; everything exported here comes from its CC0 1.0 files
(MakeHuman/MPFB2 mesh, rig, weights and targets; faceunits01 facial actions).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import anny
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
ASSET = ROOT / "data" / "body" / "body.npz"
GOLDEN = ROOT / "tests" / "data" / "body_golden.npz"
RANK = 48
STEP = 5e-5  # m: quantisation of every stored length
ROTATION_LEVER = 0.6  # m: turns an error of a rest rotation into a length, for the common basis
HELPER_WEIGHT = 0.25  # hair and skirt count less than the body when the basis is chosen
INFLUENCES = 6  # bones a vertex: four leave 4.7 mm at p99
GROUPS = {  # groups of the base mesh to keep -> id in `face_groups`
    "body": 0, "helper-l-eye": 1, "helper-r-eye": 1, "helper-hair": 2, "helper-skirt": 3,
    "helper-upper-teeth": 4, "helper-lower-teeth": 4,
    **{f"helper-{s}-eyelashes-{i}": 5 for s in "lr" for i in (1, 2)},
}  # fmt: skip


def load_model() -> anny.Anny:
    return anny.Anny(topology="anny-full", facial_actions="all", phenotypes="all").to(dtype=torch.float32)


def group_faces() -> tuple[np.ndarray, np.ndarray]:
    """Triangles of the kept groups of Anny's base mesh: (F, 3) vertex indices, (F,) group id."""
    faces, groups, group = [], [], None
    path = Path(anny.__file__).parent / "data" / "mpfb2" / "3dobjs" / "base.obj"
    for line in path.read_text().splitlines():
        if line.startswith("g "):
            group = GROUPS.get(line.split()[1])
        elif line.startswith("f ") and group is not None:
            q = [int(t.split("/")[0]) - 1 for t in line.split()[1:]]
            for i in range(1, len(q) - 1):
                faces.append([q[0], q[i], q[i + 1]])
                groups.append(group)
    return np.array(faces), np.array(groups)


def random_phenotype(rng: np.random.Generator) -> dict[str, float]:
    """One adult, over the whole range of Anny's phenotypes."""
    ancestry = rng.dirichlet([0.6, 0.6, 0.6])
    return {
        "gender": rng.choice([rng.uniform(0, 0.15), rng.uniform(0.85, 1)]),
        "age": rng.choice([rng.uniform(0.62, 0.75), rng.uniform(0.75, 0.95)], p=[0.7, 0.3]),
        "muscle": rng.uniform(0.2, 0.85),
        "weight": float(np.clip(rng.normal(0.47, 0.18), 0.05, 0.98)),
        "height": float(np.clip(rng.normal(0.5, 0.17), 0.08, 0.92)),
        "proportions": rng.uniform(0.2, 0.95),
        "cupsize": rng.uniform(0.15, 0.75),
        "firmness": rng.uniform(0.4, 0.8),
        **dict(zip(("african", "asian", "caucasian"), ancestry, strict=True)),
    }


def run_model(model, phenotypes: list[dict], rotations=None, actions=None) -> dict[str, np.ndarray]:
    """Anny's output as NumPy; `rotations` (N, 104, 3, 3) in world-aligned axes, `actions` (N, 52)."""
    inputs = {k: torch.tensor([p[k] for p in phenotypes], dtype=torch.float32) for k in phenotypes[0]}
    pose = torch.eye(4).repeat(len(phenotypes), model.bone_count, 1, 1)
    if rotations is not None:
        pose[:, :, :3, :3] = torch.tensor(rotations, dtype=torch.float32)
    faces = None
    if actions is not None:
        values = torch.tensor(actions, dtype=torch.float32)
        faces = {n: values[:, i] for i, n in enumerate(action_names(model))}
    with torch.no_grad():
        out = model(pose_parameters=pose, phenotype_kwargs=inputs, facial_actions=faces)
    return {k: v.numpy().astype(np.float64) for k, v in out.items() if torch.is_tensor(v)}


def action_names(model) -> list[str]:
    return [n.split(":")[1] for n in model.blendshape_labels if n.startswith("facial_action:")]


def sample_bodies(model, number: int, seed: int, keep: np.ndarray):
    """Rest vertices (N, V, 3), joint centres (N, B, 3), rest -> reference turns (N, B, 3, 3), phenotypes."""
    rng = np.random.default_rng(seed)
    phenotypes, vertices, heads, turns = [], [], [], []
    reference = model.reference_bone_orientations.numpy().astype(np.float64)  # (B, 3, 3)
    for _ in range(0, number, 20):
        batch = [random_phenotype(rng) for _ in range(20)]
        out = run_model(model, batch)
        phenotypes += batch
        vertices.append(out["rest_vertices"][:, keep])
        heads.append(out["rest_bone_heads"])
        turns.append(np.einsum("bij,nbkj->nbik", reference, out["rest_bone_poses"][:, :, :3, :3]))
    return np.concatenate(vertices), np.concatenate(heads), np.concatenate(turns), phenotypes


def to_columns(vertices, heads, turns, weights) -> np.ndarray:
    """Everything a body's shape decides as one row of weighted lengths: (N, 3 V + 3 B + 9 B)."""
    n = len(vertices)
    parts = [(vertices * weights[:, None]), heads, turns * ROTATION_LEVER]
    return np.concatenate([p.reshape(n, -1) for p in parts], 1)


def quantise(x: np.ndarray) -> np.ndarray:
    return np.round(x / STEP).astype(np.int16)


def export(model) -> None:
    faces, groups = group_faces()
    keep, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    is_helper = np.isin(np.arange(len(keep)), np.unique(faces[np.isin(groups, (2, 3))]))
    weights = np.where(is_helper, HELPER_WEIGHT, 1.0)
    vertices, heads, turns, phenotypes = sample_bodies(model, 1200, 0, keep)
    columns = to_columns(vertices, heads, turns, weights)
    mean = columns.mean(0)
    _, singular, axes = np.linalg.svd(columns - mean, full_matrices=False)
    deviations = singular[:RANK] / np.sqrt(len(columns))
    scale = np.r_[np.repeat(1 / weights, 3), np.ones(columns.shape[1] - 3 * len(keep))]
    coefficients = (columns - mean) @ axes[:RANK].T / deviations  # (N, RANK), unit variance
    is_action = [n.startswith("facial_action:") for n in model.blendshape_labels]
    shapes = model.blendshapes[is_action].numpy()[:, keep]
    moved = np.abs(shapes).max(2) > STEP  # (52, V)
    top = np.argsort(-model.vertex_bone_weights.numpy()[keep], 1)[:, :INFLUENCES]
    skin = np.take_along_axis(model.vertex_bone_weights.numpy()[keep], top, 1)
    labels = ["gender", "age", "weight", "muscle", "height", "african", "asian", "caucasian"]
    keypoints = json.loads((ROOT / "tools" / "anny_keypoints.json").read_text())
    index_of = {int(v): i for i, v in enumerate(keep)}
    bone = model.bone_labels.index
    refs = [[bone(r) if isinstance(r, str) else index_of[r] for r in k["refs"]] for k in keypoints]
    ASSET.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        ASSET,
        step=STEP,
        rotation_lever=ROTATION_LEVER,
        mean=np.round(mean * scale / STEP).astype(np.int32),
        basis=quantise(axes[:RANK] * deviations[:, None] * scale),
        body_coefficients=coefficients.astype(np.float16),
        body_labels=np.array([[p[k] for k in labels] for p in phenotypes], np.float16),
        label_names=np.array(labels),
        action_names=np.array(action_names(model)),
        action_index=np.argwhere(moved).astype(np.uint16),
        action_offsets=quantise(shapes[moved]),
        faces=faces.astype(np.uint16),
        face_groups=groups.astype(np.uint8),
        skin_bones=np.take_along_axis(model.vertex_bone_indices.numpy()[keep], top, 1).astype(np.uint8),
        skin_weights=np.round(skin / skin.sum(1, keepdims=True) * 65535).astype(np.uint16),
        bone_names=np.array(model.bone_labels),
        bone_parents=np.array(model.bone_parents, np.int16),
        keypoint_is_bone=np.array([k["kind"] == "bone_head" for k in keypoints]),
        keypoint_refs=np.array([r + [0] * (6 - len(r)) for r in refs], np.uint16),
        keypoint_ref_counts=np.array([len(r) for r in refs], np.uint8),
    )
    print(f"{ASSET}: {ASSET.stat().st_size / 1e6:.2f} MB, {len(keep)} vertices, {len(faces)} triangles")


def random_pose(rng: np.random.Generator, bones: list[str], degrees: float = 25.0) -> np.ndarray:
    """(B, 3, 3): every joint turned at random; the eyes' and the root's stay."""
    import cv2

    vectors = np.radians(degrees) * rng.uniform(-1, 1, (len(bones), 3))
    vectors[[i for i, b in enumerate(bones) if b.startswith(("root", "eye"))]] = 0
    return np.stack([cv2.Rodrigues(v)[0] for v in vectors])


def compare(model, number: int = 100, seed: int = 1):
    """The asset against Anny on bodies that the basis has not seen: every body's inputs and outputs."""
    import sys

    sys.path.insert(0, str(ROOT))
    from wbkit.synth.body import load_body

    body, rng = load_body(), np.random.default_rng(seed)
    keep = np.unique(group_faces()[0])
    refs = json.loads((ROOT / "tools" / "anny_keypoints.json").read_text())
    for _ in range(number):
        phenotype = random_phenotype(rng)
        rotations = random_pose(rng, model.bone_labels)
        actions = rng.uniform(0, 1, 52) * (rng.uniform(size=52) < 0.15)
        out = run_model(model, [phenotype], rotations[None], actions[None])
        rest = run_model(model, [phenotype])
        reference = model.reference_bone_orientations.numpy()
        turns = np.einsum("bij,bkj->bik", reference, rest["rest_bone_poses"][0, :, :3, :3])
        coefficients = body.fit(rest["rest_vertices"][0, keep], rest["rest_bone_heads"][0], turns)
        posed = body.pose(coefficients.astype(np.float32), rotations, actions)
        joints, v = out["bone_poses"][0, :, :3, 3], out["vertices"][0]
        points = np.stack(
            [
                joints[model.bone_labels.index(k["refs"][0])]
                if k["kind"] == "bone_head"
                else v[k["refs"]].mean(0)
                for k in refs
            ]
        )
        yield coefficients, rotations, actions, v[keep], points, posed


def check(model) -> None:
    from wbkit.synth.body import load_body

    errors, point_errors = [], []
    seen = np.isin(np.arange(10**5), load_body().faces[load_body().face_groups < 2])
    for *_, vertices, points, posed in compare(model):
        mm = 1000 * np.linalg.norm(posed.vertices - vertices, axis=1)
        errors.append(mm[seen[: len(mm)]])
        point_errors.append(1000 * np.linalg.norm(posed.keypoints - points, axis=1))
    for name, e in (("vertices", np.array(errors)), ("keypoints", np.array(point_errors))):
        print(f"{name}: mean {e.mean():.2f} mm, p99 {np.percentile(e, 99):.2f}, max {e.max():.2f}")


def write_golden(model) -> None:
    rows = list(compare(model, 6, 2))
    chosen = np.arange(0, len(rows[0][3]), 19)
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        GOLDEN,
        chosen=chosen,
        coefficients=np.array([r[0] for r in rows], np.float32),
        rotations=np.array([r[1] for r in rows], np.float32),
        actions=np.array([r[2] for r in rows], np.float32),
        vertices=np.array([r[3][chosen] for r in rows], np.float32),
        keypoints=np.array([r[4] for r in rows], np.float32),
    )
    print(f"{GOLDEN}: {GOLDEN.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare the written asset with Anny")
    arguments = parser.parse_args()
    anny_model = load_model()
    if not arguments.check:
        export(anny_model)
        write_golden(anny_model)
    check(anny_model)
