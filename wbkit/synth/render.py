"""The renderer: a mesh, a camera and lights -> picture, depth, person ids, and what hides which keypoint.

People and near objects are drawn with 2 x 2 samples a pixel, the background behind them with one. Pixel
centres have integer coordinates; world lengths are metres, z up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from wbkit.synth import raster, shading
from wbkit.synth.shading import EMISSIVE, EYE, HAIR, SKIN, TEXTURED

MATERIAL_FIELDS = 19


@dataclass(eq=False)
class Mesh:
    """Triangles with what shading and labels need.

    Attributes:
        vertices, normals: (V, 3) float32, world.
        coords: (V, 3) float32 pattern coordinates: where the vertex lies on the template body, or in its
            object.
        paint: (V, 2) float32: share of lips and of beard shadow on skin.
        clip: (V,) float32: the surface ends where it becomes negative (hems, hair lines).
        faces: (F, 3) int32. material, frame, person, region: (F,) int16; person -1: an object.
    """

    vertices: np.ndarray
    normals: np.ndarray
    coords: np.ndarray
    paint: np.ndarray
    clip: np.ndarray
    faces: np.ndarray
    material: np.ndarray
    frame: np.ndarray
    person: np.ndarray
    region: np.ndarray

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> Mesh:
        """The mesh turned by `rotation` (3, 3), then moved by `shift` (3,)."""
        turned = {"vertices": self.vertices @ rotation.T + shift, "normals": self.normals @ rotation.T}
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in turned}
        return Mesh(**{k: v.astype(np.float32) for k, v in turned.items()}, **kept)


def join(meshes: list[Mesh]) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    columns = {
        f.name: np.concatenate([getattr(m, f.name) for m in meshes])
        for f in fields(Mesh)
        if f.name != "faces"
    }
    faces = np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=True)]).astype(np.int32)
    return Mesh(faces=faces, **columns)


@dataclass(frozen=True, eq=False)
class Camera:
    """`position` (3,) m; `axes` (3, 3): rows right, down, forward; `focal` px; `center` (2,) px; `size_wh`
    px."""

    position: np.ndarray
    axes: np.ndarray
    focal: float
    center: np.ndarray
    size_wh: tuple[int, int]

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points (N, 3) -> pixels (N, 2), depths (N,) m; NaN where the depth is under 5 cm."""
        q = (points - self.position) @ self.axes.T
        depth = np.where(q[:, 2] > 0.05, q[:, 2], np.nan)
        return self.focal * q[:, :2] / depth[:, None] + self.center, depth


@dataclass(frozen=True, eq=False)
class Light:
    """Light of a scene, linear RGB: `lights` (L, 6): direction to the light, colour; only the first casts
    shadows.

    `ambient` (2, 3): from above, from below. `fog` (4,): colour, density per metre.
    """

    lights: np.ndarray
    ambient: np.ndarray
    fog: np.ndarray


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Tables that a mesh's face columns point into: materials (M, 19), frames (K, 14), textures (T, S, 3)
    uint8,
    brows (2, 5, 4)."""

    materials: np.ndarray
    frames: np.ndarray
    textures: np.ndarray
    brows: np.ndarray


@dataclass(frozen=True, eq=False)
class Buffers:
    """What lies under each of the 2 H x 2 W samples.

    `face` (2H, 2W) int32, -1 nothing; `closeness` (2H, 2W) 1 / depth in 1 / m; `person` (H, W) int16: the
    pixel's person, -1 none.
    """

    face: np.ndarray
    closeness: np.ndarray
    person: np.ndarray


def _shadow_map(
    mesh: Mesh, direction: np.ndarray, size: int = 512
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Height map seen from the main light: (size, size) along the light, axes (3, 3), place (3,): x0, y0,
    scale."""
    side = np.cross(direction, [0.31, 0.17, 0.93])
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(direction, side), direction]).astype(np.float32)
    q = mesh.vertices @ axes.T
    low = np.array([q[:, 0].min(), q[:, 1].min()]) - 0.05
    high = np.array([q[:, 0].max(), q[:, 1].max()]) + 0.05
    scale = (size - 8) / max((high - low).max(), 0.5)
    place = np.array([low[0] - 4 / scale, low[1] - 4 / scale, scale], np.float32)
    xy = ((q[:, :2] - place[:2]) * scale).astype(np.float32)
    one = np.where(mesh.clip < 0, np.float32(-1), np.float32(1))  # no perspective: clip by its sign alone
    _, nearest = raster.rasterize(xy, np.ascontiguousarray(q[:, 2]), mesh.faces, one, size, size)
    return nearest, axes, place


def _shade(mesh, camera, surfaces, light, shadow, scale: int):
    """One pass with `scale` x `scale` samples a pixel: face, 1 / depth, colours."""
    width, height = (scale * s for s in camera.size_wh)
    pixels, depth = camera.project(mesh.vertices)
    seen = np.isfinite(depth)
    screen = np.where(seen[:, None], scale * pixels + (scale - 1) / 2, 2 * raster.NOWHERE).astype(np.float32)
    w = np.where(seen, 1 / depth, 1).astype(np.float32)
    face, nearest = raster.rasterize(screen, w, mesh.faces, mesh.clip, height, width)
    out = np.zeros((height, width, 3), np.float32)
    scratch = np.empty((8, 3), np.float32)
    triangles = shading.Triangles(
        mesh.vertices, mesh.normals, mesh.coords, mesh.paint, mesh.faces, mesh.material, mesh.frame, screen, w
    )
    looks = shading.Looks(surfaces.materials, surfaces.frames, surfaces.textures, surfaces.brows)
    lamps = shading.Lamps(*(a.astype(np.float32) for a in (light.lights, light.ambient, light.fog)), *shadow)
    position = camera.position.astype(np.float32)
    shading.shade(triangles, looks, lamps, position, np.float32(camera.focal), scale, face, scratch, out)
    return face, nearest, out


def render(
    near: Mesh, far: Mesh, camera: Camera, surfaces: Surfaces, light: Light, blur_far=None
) -> tuple[np.ndarray, Buffers, np.ndarray]:
    """Draw people and near objects over the background.

    Args:
        near: people and objects; they cast shadows.
        far: the background; it lies behind everything of `near`.
        blur_far: function of the background's (H, W, 3) colours, for focus blur.

    Returns:
        (H, W, 3) float32 linear RGB; the buffers of `near`; (H, W) float32 depth in metres, background
        included.
    """
    width, height = camera.size_wh
    shadow = _shadow_map(near, light.lights[0, :3])
    far_face, far_w, far_colours = _shade(far, camera, surfaces, light, shadow, 1)
    far_colours[far_face < 0] = light.fog[:3]
    if blur_far is not None:
        far_colours = blur_far(far_colours)
    face, nearest, colours = _shade(near, camera, surfaces, light, shadow, 2)
    picture = np.empty((height, width, 3), np.float32)
    raster.resolve(colours, face, far_colours, picture)
    person = np.empty((height, width), np.int16)
    raster.majority(face, near.person, person)
    depth = np.empty((height, width), np.float32)
    raster.nearest_depth(nearest, far_w, depth)
    return picture, Buffers(face, nearest, person), depth


__all__ = ["EMISSIVE", "EYE", "HAIR", "MATERIAL_FIELDS", "SKIN", "TEXTURED", "Buffers", "Camera", "Light",
           "Mesh", "Surfaces", "join", "render"]  # fmt: skip
