"""What people hold and sit on, without going through them, and things between them and the camera."""

from __future__ import annotations

import numpy as np

from wbkit.synth.body import Body, Posed
from wbkit.synth.fields import load_fields, region
from wbkit.synth.limbs import inside_limbs
from wbkit.synth.props import ball, box, chair, cylinder, held
from wbkit.synth.render import TEXTURED, Camera, Mesh
from wbkit.synth.style import cloth, cloth_colour, material

TRIES = 4  # things to try in a hand, seats under a body


def samples(mesh: Mesh, rng: np.random.Generator, number: int = 60) -> np.ndarray:
    """Random points (number, 3) on a thing's triangles, big ones more often."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(float) for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    chosen = rng.choice(len(area), number, p=area / area.sum())
    share = rng.dirichlet((1, 1, 1), number)[:, :, None]
    return share[:, 0] * a[chosen] + share[:, 1] * b[chosen] + share[:, 2] * c[chosen]


def seat(rng: np.random.Generator, body: Body, posed: Posed, table: list, lift: float) -> Mesh:
    """A seat that touches the buttocks, its feet on the ground `lift` m under the body's origin; of some the
    one that goes least through the legs."""
    fields = load_fields()
    hips = posed.keypoints[11:13].mean(0)
    under = np.isin(fields.region, (region("torso"), region("thigh.L"), region("thigh.R"))) & fields.is_skin
    near = under & (np.hypot(*(posed.vertices[:, :2] - hips[:2]).T) < 0.16)
    height = max(posed.vertices[near, 2].min() + lift, 0.06)
    first, second = thing_material(rng, table), thing_material(rng, table)
    best = None
    for _ in range(TRIES):
        place = np.array([hips[0], hips[1] - rng.uniform(-0.04, 0.06), -lift])
        mesh = chair(rng, height, first, second).moved(np.eye(3), place)
        points = samples(mesh, rng)
        conflict = inside_limbs(body, posed.joints, points[points[:, 2] < height - lift - 0.1])
        if best is None or conflict < best[0]:
            best = conflict, mesh
        if conflict == 0:
            break
    return best[1]


def thing_material(rng: np.random.Generator, table: list) -> int:
    """A new material for a thing -> its number in the table."""
    if rng.uniform() < 0.4:
        table.append(cloth(rng, plain=0.4))
    else:
        tile = str(rng.choice(["planks", "plain", "concrete", "poster", "panels", "wallpaper"]))
        table.append(
            material(
                TEXTURED,
                cloth_colour(rng),
                cloth_colour(rng),
                cloth_colour(rng),
                tile=tile,
                size=rng.uniform(0.2, 0.8),
                gloss=(rng.choice([0, 0.1, 0.3]), 30),
                rng=rng,
            )
        )
    return len(table) - 1


def held_thing(
    rng: np.random.Generator, body: Body, posed: Posed, side: str, table: list, kind: str
) -> list[Mesh]:
    """Something in the hand, of a kind that suits a pose of this kind; nothing if all would go through the
    body or the ground."""
    axes, center = _grip(body, posed, side)
    number, ear = thing_material(rng, table), posed.keypoints[3 if side == "L" else 4]
    wanted = None
    if np.linalg.norm(center - ear) < 0.17:
        wanted = "phone"
    elif kind in ("swing", "ski"):
        wanted = "stick"
    for i in range(TRIES):
        mesh = held(rng, number, wanted, 0.6**i).moved(axes, center)
        points = samples(mesh, rng)
        low = points[:, 2].min() < posed.vertices[:, 2].min()
        if not low and inside_limbs(body, posed.joints, points, side) == 0:
            return [mesh]
    return []


def _grip(body: Body, posed: Posed, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Axes (3, 3) and centre (3,) of a thing in the palm, its long side (z) across the fingers."""
    at = {
        n: posed.joints[body.bone(f"{n}.{side}")]
        for n in ("wrist", "finger2-1", "finger3-1", "finger3-2", "finger5-1")
    }
    along = at["finger3-1"] - at["wrist"]
    across = at["finger2-1"] - at["finger5-1"]
    palm = np.cross(along, across) * (1 if side == "L" else -1)
    bent = at["finger3-2"] - at["finger3-1"]
    palm = palm if palm @ bent > -1e-6 else -palm
    across, palm = across / np.linalg.norm(across), palm / np.linalg.norm(palm)
    palm = palm - (palm @ across) * across
    axes = np.stack([np.cross(palm, across), palm, across], 1)
    axes /= np.linalg.norm(axes, axis=0)
    center = 0.35 * at["wrist"] + 0.65 * at["finger3-1"] + 0.045 * axes[:, 1]
    return axes, center


def things_in_front(
    rng: np.random.Generator, table: list, camera: Camera, rooms: list[np.ndarray]
) -> list[Mesh]:
    """An object between the camera and the people, sized and placed so that it hides a part of the
    first; `rooms`: points (N, 3) of everybody and their things."""
    number, kind = thing_material(rng, table), rng.choice(["box", "pole", "ball", "table", "plant", "rail"])
    middle = rooms[0].mean(0)
    share = rng.uniform(0.35, 0.75)
    at = camera.position + share * (middle - camera.position)
    near_y = min(points[:, 1].min() for points in rooms) - 0.35
    if at[1] > near_y:
        at = at + (near_y - at[1]) / (middle - camera.position)[1] * (middle - camera.position)
    visible = np.linalg.norm(at - camera.position) * camera.size_wh[1] / camera.focal  # height of the view, m
    x, size = at[0] + rng.normal(0, 0.22) * visible, rng.uniform(0.12, 0.3) * visible
    top = at[2] + rng.uniform(-0.35, 0.0) * visible
    return _obstacle(rng, kind, np.array([x, at[1], top]), size, visible, number)


def _obstacle(
    rng: np.random.Generator, kind: str, at: np.ndarray, size: float, visible: float, number: int
) -> list[Mesh]:
    """A thing of this kind and size with its upper end at `at`, standing on the ground; `visible`: height of
    the view there, m."""
    x, y, top = at
    if kind == "pole":
        return [cylinder((x, y, 0), (x, y, 4), 0.12 * size + 0.01, number)]
    if kind == "ball":
        return [ball((x, y, max(top, size / 2)), np.full(3, size / 2), number)]
    if kind == "plant":
        return [
            ball(
                (
                    x + rng.normal(0, 0.3) * size,
                    y + rng.normal(0, 0.02),
                    max(top, 0) + rng.normal(0, 0.3) * size,
                ),
                size * rng.uniform(0.2, 0.5, 3),
                number,
                rng,
                0.2,
            )
            for _ in range(5)
        ]
    top = max(top, 0.1)
    if kind == "table":
        wide = size * rng.uniform(2, 4)
        return [
            box((wide, 0.4 * size, 0.08 * size), (x, y, top), number),
            box((0.1 * size, 0.1 * size, top), (x + 0.4 * wide, y, top / 2), number),
        ]
    if kind == "rail":
        return [
            box((4 * visible, 0.04, 0.06), (x, y, top - 0.25 * k), number)
            for k in range(int(rng.integers(1, 4)))
        ]
    return [box((size * rng.uniform(0.6, 1.8), 0.5 * size, top), (x, y, top / 2), number)]
