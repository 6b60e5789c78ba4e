"""Make data/clip: a short video of rendered people who walk past each other, with exact labels.

    python tools/clip.py --out data/clip                   clip.webm and labels.json
    python tools/clip.py --drawn clip.pose.webm --picture docs/video.webp      what wbkit predict drew of it

Somebody to try `wbkit predict` on, and a test of it: image_id of the labels is the frame's number, from 1.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from wbkit.files import write_json
from wbkit.synth import arms, camera, labels, scene
from wbkit.synth.backgrounds import build_place
from wbkit.synth.body import Body, Rest, load_body
from wbkit.synth.clothes import dress
from wbkit.synth.expressions import sample_face
from wbkit.synth.fields import load_fields
from wbkit.synth.hands import bend_hand
from wbkit.synth.poses import NECK, SPINE
from wbkit.synth.props import FRAMES as FRAME_FIELDS
from wbkit.synth.render import Surfaces, join
from wbkit.synth.rig import Rig, X, Y, Z, spread, turn
from wbkit.synth.style import Outfit, sample_outfit, sample_tones
from wbkit.synth.textures import load_textures
from wbkit.synth.write import CATEGORIES
from wbkit.video import open_video, read_frames, write_frames

SIZE_WH, FPS, FRAMES = (480, 320), 12.5, 50
STRIDES_A_SECOND, METRES_A_STRIDE = 0.8, 1.2
PLACE_SEED, LOOK_SEED = 5, 5


@dataclass(frozen=True, eq=False)
class Walker:
    """Who walks, from `start` (x, y) m at `phase` of a stride, turned by `yaw` degrees from facing us."""

    rest: Rest
    outfit: Outfit
    traits: dict[str, float]
    dresses: np.random.Generator
    start: tuple[float, float]
    yaw: float
    phase: float


def walker(body: Body, seed: int, start: tuple[float, float], yaw: float, phase: float) -> Walker:
    """Somebody in clothes."""
    rng = np.random.default_rng(seed)
    i = rng.integers(len(body.people))
    traits = dict(zip(body.trait_names, body.traits[i].tolist(), strict=True))
    rest = body.rest(body.people[i], sample_face(body, rng))
    return Walker(rest, sample_outfit(rng, traits["gender"] > 0.5), traits, rng, start, yaw, phase)


def stride(body: Body, phase: float, seed: int) -> np.ndarray:
    """Rotations (B, 3, 3) at a phase of the stride, 0 to 1: legs and arms swing against each other."""
    rig, rng = Rig(body), np.random.default_rng(seed)
    swing = 2 * np.pi * phase
    rig.set("root", turn(X, 4))
    spread(rig, SPINE, 7 * np.sin(swing), 2, 1.5 * np.cos(swing))
    spread(rig, NECK, -5 * np.sin(swing), 2, 0)
    for side, x in (("L", 1), ("R", -1)):
        way = x * np.sin(swing)  # of this leg: 1 in front, -1 behind
        hip = 5 + 25 * way
        knee = 8 + 48 * max(0.0, x * np.cos(swing)) ** 1.5  # bent while it swings to the front
        rig.set(f"upperleg01.{side}", turn(Y, x * 3) @ turn(X, -hip))
        rig.set(f"lowerleg01.{side}", turn(X, knee))
        rig.set(f"foot.{side}", turn(X, np.clip(hip - knee, -25, 18)) @ turn(Z, x * 6))
        marks = arms.marks(rig, side, {})
        target = marks["shoulder"] + marks["reach"] * np.array([x * 0.16, -0.05 + 0.42 * way, -0.88])
        arms.reach(rig, np.random.default_rng(seed), side, target, np.array([0.3 * x, 1, -0.4]))
        bend_hand(rig, rng, side, "relax")
    return rig.rotations


def pose(body: Body, one: Walker, seconds: float, number: int, table: list) -> scene.Person:
    """The walker at a time, on the ground."""
    strides = STRIDES_A_SECOND * seconds
    posed = body.skin(one.rest, stride(body, (one.phase + strides) % 1, number))
    rng = deepcopy(one.dresses)  # the same clothes in every frame
    mesh = dress(body, posed, one.outfit, sample_tones(rng, one.traits), number, table, rng)
    spin = turn(Z, one.yaw)
    ahead = spin @ [0, -1, 0] * METRES_A_STRIDE * strides
    place = np.array([*one.start, -mesh.vertices[:, 2].min()]) + ahead
    return scene.Person(posed.keypoints @ spin.T + place, posed.joints, mesh.moved(spin, place))


def make(out: Path, length: int = FRAMES) -> None:
    """Write clip.webm and labels.json."""
    body, looks = load_body(), np.random.default_rng(LOOK_SEED)
    walkers = [
        walker(body, 45, start=(-2.1, 0.0), yaw=64, phase=0.1),
        walker(body, 85, start=(2.2, 0.9), yaw=-62, phase=0.55),
    ]
    view = camera.look_at((0, -5.2, 1.45), (0, 0, 0.95), 1.35 * SIZE_WH[1], SIZE_WH)
    images, records = [], []
    with write_frames(out / "clip.webm", FPS, SIZE_WH) as add:
        for frame in tqdm(range(length), unit="frame"):
            table: list = []
            people = [pose(body, one, frame / FPS, i, table) for i, one in enumerate(walkers)]
            place = build_place(np.random.default_rng(PLACE_SEED), table, 2.0, view.position)
            frames = np.concatenate([load_fields().frames, FRAME_FIELDS])
            surfaces = Surfaces(np.array(table, np.float32), frames, load_textures(), load_fields().brows)
            near = join([p.mesh for p in people])
            one = scene.Scene(people, near, place.mesh, view, place.light, surfaces)
            picture = scene.render_scene(one, np.random.default_rng(PLACE_SEED))
            add(camera.develop(deepcopy(looks), picture.colours))
            size = dict(zip(("width", "height"), SIZE_WH, strict=True))
            images.append({"id": frame + 1, "file_name": f"{frame + 1:06d}.jpg"} | size)
            records += labels.annotate(one, picture, frame + 1, len(records) + 1)
    write_json(out / "labels.json", {"images": images, "annotations": records, "categories": CATEGORIES})


def moving_picture(drawn: Path, out: Path) -> None:
    """A drawn video as an animated WebP of the clip's size."""
    video = open_video(drawn)
    frames = [
        Image.fromarray(frame).resize(SIZE_WH, Image.Resampling.LANCZOS) for frame in read_frames(video)
    ]
    later = {"save_all": True, "append_images": frames[1:], "duration": round(1000 / video.fps), "loop": 0}
    frames[0].save(out, quality=60, method=6, **later)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, metavar="DIR")
    parser.add_argument("--drawn", type=Path, metavar="VIDEO")
    parser.add_argument("--picture", type=Path, metavar="FILE")
    options = parser.parse_args()
    if not (options.out or options.drawn) or bool(options.drawn) != bool(options.picture):
        parser.error("give --out DIR, or --drawn VIDEO and --picture FILE")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        make(options.out)
    if options.drawn:
        moving_picture(options.drawn, options.picture)


if __name__ == "__main__":
    main()
