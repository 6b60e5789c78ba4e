"""Where the people are: rooms, streets, parks, beaches, studios, behind them, and the light there.

A place is built around the origin in the view's frame: y away from the camera, x to the right, z up; the
people stand near the origin and nothing of the background comes closer to the camera than they do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wbkit.synth.builder import Builder
from wbkit.synth.lighting import sample_light
from wbkit.synth.outdoors import build_nature, build_street, build_yard
from wbkit.synth.render import Light, Mesh, join
from wbkit.synth.rig import choose
from wbkit.synth.rooms import build_room, build_studio

PLACES = {"room": 0.46, "street": 0.22, "nature": 0.2, "studio": 0.05, "yard": 0.07}
BUILDERS = {"room": build_room, "street": build_street, "nature": build_nature, "studio": build_studio,
            "yard": build_yard}  # fmt: skip


@dataclass(eq=False)
class Place:
    """`mesh` of the background; `light` of the place."""

    mesh: Mesh
    light: Light


def build_place(
    rng: np.random.Generator, table: list[np.ndarray], behind: float, camera: np.ndarray
) -> Place:
    """A random place whose background begins `behind` metres behind the origin; materials go to `table`.

    Args:
        camera: (3,) its position, which the place surrounds.
    """
    kind, b = choose(rng, PLACES), Builder(rng, table, behind, camera)
    sky = BUILDERS[kind](b)
    return Place(join(b.parts), sample_light(rng, sky))
