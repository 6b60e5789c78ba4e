"""One picture from one seed: people, their place, things, light and camera, put together and rendered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wbkit.synth import camera as cameras
from wbkit.synth.arms import SEATED
from wbkit.synth.backgrounds import build_place
from wbkit.synth.body import Body, load_body
from wbkit.synth.clothes import dress
from wbkit.synth.expressions import sample_face
from wbkit.synth.fields import load_fields
from wbkit.synth.poses import HARD_KINDS, KINDS, mirror_pose, sample_pose
from wbkit.synth.props import FRAMES
from wbkit.synth.render import Buffers, Camera, Light, Mesh, Surfaces, join, render
from wbkit.synth.rig import turn
from wbkit.synth.style import sample_outfit, sample_tones
from wbkit.synth.textures import load_textures
from wbkit.synth.things import held_thing, samples, seat, things_in_front

PEOPLE_SHARES = {1: 0.44, 2: 0.27, 3: 0.15, 4: 0.07, 5: 0.04, 6: 0.03}
CROWD_SHARE = 0.05


@dataclass(frozen=True)
class Mix:
    """Who is drawn how often: `kinds` of poses, `framings` of the camera, and the share of people who face it
    more or less (the others face any way)."""

    kinds: dict[str, float]
    framings: dict[str, float]
    facing: float


MIXES = {
    "everyday": Mix(KINDS, cameras.FRAMINGS, 0.62),
    "hard": Mix(HARD_KINDS, cameras.HARD_FRAMINGS, 0.3),
}


@dataclass(frozen=True, eq=False)
class Person:
    """`keypoints` (133, 3) world, m; `room` (N, 3): points of the limbs and of what it holds and sits on;
    `mesh` with all of that; `crowd`: not labelled."""

    keypoints: np.ndarray
    room: np.ndarray
    mesh: Mesh
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that decides a picture before the camera's own noise."""

    people: list[Person]
    near: Mesh
    far: Mesh
    camera: Camera
    light: Light
    surfaces: Surfaces


@dataclass(frozen=True, eq=False)
class Picture:
    """`colours` (H, W, 3) linear RGB; `buffers` say what lies under each pixel; `depth` (H, W) m."""

    colours: np.ndarray
    buffers: Buffers
    depth: np.ndarray


def random_generator(seed: int, index: int) -> np.random.Generator:
    """The one source of chance of picture `index`: depends on (seed, index) only."""
    return np.random.default_rng([seed, index])


def build_scene(
    rng: np.random.Generator,
    size_wh: tuple[int, int],
    persons: int | None = None,
    mix: Mix = MIXES["everyday"],
) -> Scene:
    """Draw a scene: 1-6 people (or `persons`), sometimes a crowd behind, a place, things in front."""
    body, table = load_body(), []
    count = persons or int(rng.choice(list(PEOPLE_SHARES), p=list(PEOPLE_SHARES.values())))
    people = _place_people(rng, [_person(rng, body, i, table, mix) for i in range(count)])
    for _ in range(8):  # nobody's back may fill the picture
        camera = cameras.place_camera(rng, [p.keypoints for p in people], size_wh, mix.framings)
        near = [np.linalg.norm(p.keypoints - camera.position, axis=1).min() for p in people[1:]]
        if not near or min(near) > 0.8:
            break
    behind = max(p.mesh.vertices[:, 1].max() for p in people)
    if rng.uniform() < CROWD_SHARE:
        people += _crowd(rng, body, table, len(people), behind, mix)
        behind = max(p.mesh.vertices[:, 1].max() for p in people)
    place = build_place(rng, table, behind, camera.position)
    things = []
    if rng.uniform() < 0.3:
        things = things_in_front(rng, table, camera, [p.room for p in people])
    surfaces = Surfaces(
        np.array(table, np.float32),
        np.concatenate([load_fields().frames, FRAMES]),
        load_textures(),
        load_fields().brows,
    )
    near = join([p.mesh for p in people] + things)
    return Scene(people, near, place.mesh, camera, place.light, surfaces)


def render_scene(scene: Scene, rng: np.random.Generator) -> Picture:
    """Colours and buffers of a scene; `rng` decides the background's focus blur."""
    blur = cameras.defocus(rng, scene.camera.size_wh)
    colours, buffers, depth = render(scene.near, scene.far, scene.camera, scene.surfaces, scene.light, blur)
    shaded = cameras.crease_shadows(colours, depth, np.float32(scene.camera.focal), np.float32(0.75))
    return Picture(shaded, buffers, depth)


def _person(
    rng: np.random.Generator, body: Body, number: int, table: list, mix: Mix, crowd: bool = False
) -> Person:
    """One dressed person standing at the origin with the lowest point on the ground, facing about -y."""
    i, j = rng.integers(len(body.people), size=2)
    blend = rng.uniform(0, 0.45) if body.traits[i, 0].round() == body.traits[j, 0].round() else 0.0
    traits = dict(
        zip(body.trait_names, ((1 - blend) * body.traits[i] + blend * body.traits[j]).tolist(), strict=True)
    )
    rest = body.rest((1 - blend) * body.people[i] + blend * body.people[j], sample_face(body, rng))
    outfit = sample_outfit(rng, traits["gender"] > 0.5)
    thickness = 0.85 + 0.45 * traits["weight"] + 6 * outfit.top_offset
    pose = sample_pose(body, rest, rng, thickness, mix.kinds)
    if rng.uniform() < 0.5:  # the bodies' small asymmetries and the samplers' habits cancel out
        pose = mirror_pose(body, pose)
    posed = body.skin(rest, pose.rotations)
    mesh = dress(body, posed, outfit, sample_tones(rng, traits), number, table, rng)
    drop = np.array([0, 0, pose.lift - mesh.vertices[:, 2].min()])
    things = [seat(rng, body, posed, table, drop[2])] if pose.kind in SEATED else []
    for side in pose.grip:
        things += held_thing(rng, body, posed, side, table, pose.kind)
    halfway = (posed.joints[1:] + posed.joints[body.parents[1:]]) / 2
    room = np.concatenate([posed.joints, halfway, *(samples(thing, rng, 40) for thing in things)])
    yaw = rng.normal(0, 35) if rng.uniform() < mix.facing else rng.uniform(-180, 180)
    spin = turn((0, 0, 1), yaw)
    moved = join([mesh, *things]).moved(spin, drop)
    return Person(posed.keypoints @ spin.T + drop, room @ spin.T + drop, moved, crowd)


def _place_people(rng: np.random.Generator, people: list[Person]) -> list[Person]:
    """Spread people over the ground: close, also overlapping in the view, but never inside each other.

    Whoever finds no room is left out; the others are numbered by their place in the list, as labels ask.
    """
    placed = []
    spread = 0.45 + 0.22 * len(people)
    for person in people:
        for attempt in range(40):
            grow = 1 + 0.06 * attempt
            shift = (
                np.array([rng.uniform(-1, 1) * spread, rng.uniform(-1, 1.3) * spread, 0]) * grow
                if placed
                else np.zeros(3)
            )
            room = person.room + shift
            if all(_apart(room, other.room) for other in placed):
                break
        else:
            continue  # no room: one person less
        mesh = person.mesh.moved(np.eye(3), shift)
        number = np.where(mesh.person >= 0, len(placed), -1).astype(mesh.person.dtype)
        mesh = replace(mesh, person=number)
        placed.append(replace(person, keypoints=person.keypoints + shift, room=room, mesh=mesh))
    return placed


def _apart(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two people keep 20 cm between all their joints and things: (N, 3) each."""
    return bool(((a[:, None] - b[None]) ** 2).sum(2).min() > 0.2**2)


def _crowd(
    rng: np.random.Generator, body: Body, table: list, first: int, behind: float, mix: Mix
) -> list[Person]:
    """A group far behind, too small to label one by one."""
    center, out = np.array([rng.normal(0, 1.5), behind + rng.uniform(5, 12), 0]), []
    for i in range(rng.integers(4, 8)):
        person = _person(rng, body, first + i, table, mix, crowd=True)
        shift = center + np.array([0.55 * i - 1.6 + rng.normal(0, 0.1), rng.uniform(-0.5, 0.5), 0])
        out.append(
            replace(
                person,
                keypoints=person.keypoints + shift,
                room=person.room + shift,
                mesh=person.mesh.moved(np.eye(3), shift),
            )
        )
    return out
