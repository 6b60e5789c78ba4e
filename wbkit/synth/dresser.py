"""Layers over a posed body: how cloth, hair and leather lie on the skin and on what is worn below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wbkit.synth.body import Body, Posed
from wbkit.synth.fields import Fields, load_fields
from wbkit.synth.raster import cut, drape, smooth, vertex_normals
from wbkit.synth.render import Mesh

CLIP = np.float32(0.04)  # m: covers are cut off here, or a jump between two limbs would make the rim jagged
GAP = np.float32(0.004)  # m between two layers


@dataclass(eq=False)
class Dresser:
    """What the layers of one person share.

    Attributes:
        normals: (V, 3) of the skin. table: the scene's materials. layers: the meshes so far.
        sources: of each, the body's vertices it is made of; None: it has a shape of its own.
        hidden: (V,) bool: under cloth, so its skin need not be drawn.
        surface: (V, 3): the outermost layer so far. covered: (V,) bool: where there is one.
        folds: (V,) about -1 to 1: random folds of 4-15 cm.
    """

    body: Body
    fields: Fields
    posed: Posed
    normals: np.ndarray
    person: int
    rng: np.random.Generator
    table: list[np.ndarray]
    layers: list[Mesh]
    sources: list[np.ndarray | None]
    hidden: np.ndarray
    surface: np.ndarray
    covered: np.ndarray
    folds: np.ndarray

    @classmethod
    def start(cls, body: Body, posed: Posed, person: int, table: list, rng) -> Dresser:
        """Nothing worn yet."""
        fields, count = load_fields(), len(posed.vertices)
        return cls(
            body,
            fields,
            posed,
            vertex_normals(posed.vertices, fields.skin_faces),
            person,
            rng,
            table,
            [],
            [],
            np.zeros(count, bool),
            posed.vertices.astype(np.float32),
            np.zeros(count, bool),
            random_folds(body.template, rng),
        )

    def add(self, row: np.ndarray) -> int:
        """A material of the scene's table -> its number."""
        self.table.append(row)
        return len(self.table) - 1

    def layer(
        self,
        cover,
        offset,
        number: int,
        *,
        rounds: int = 0,
        passes: int = 1,
        soften: int = 0,
        crease: float = 0.0,
        folds: np.ndarray | None = None,
        hide: bool = True,
        over: int | None = None,
        margin: float = 0.006,
    ) -> None:
        """Cloth or hair where `cover` (V,), in metres inside its rim, is positive, over all that lies there.

        Args:
            offset: least distance from the skin in m, scalar or (V,).
            rounds, passes: of smoothing between two liftings off the skin; many let it bridge hollows.
            soften: rounds of smoothing of the body itself, which cloth does not follow into every detail.
            crease: height of its folds in m. folds: (V,) where they lie; None: this person's.
            over: region of its faces; None: the skin's.
            margin: how far inside the rim the skin is hidden, m.
        """
        cover = np.clip(np.where(self.fields.is_skin, cover, -1), -CLIP, CLIP).astype(np.float32)
        folds = self.folds if folds is None else folds.astype(np.float32)
        v = self._softened(cover, soften) if soften else self.posed.vertices
        shape = self._draped(v, cover, offset, rounds, passes, crease, folds)
        if hide:
            self._drop_covered(cover)
        self.append(shape, self.fields.skin_faces, cover, number, over)
        new = cover > -0.01
        self.surface[new] = shape[new]
        self.covered |= new
        if hide:
            self.hidden |= cover > margin

    def _softened(self, cover: np.ndarray, rounds: int) -> np.ndarray:
        """The body (V, 3) with its small forms worn off inside a cover."""
        amount = _depth(cover)
        starts, neighbours = self.fields.starts, self.fields.neighbours
        v = smooth(self.posed.vertices, starts, neighbours, np.float32(0.9) * amount, rounds)
        return smooth(v, starts, neighbours, amount * self.fields.bust, 40)

    def _draped(self, v, cover, offset, rounds: int, passes: int, crease: float, folds) -> np.ndarray:
        """A layer's shape (V, 3) over the body `v` and what is worn; see `layer`."""
        n = self.normals
        worn = np.where(self.covered, np.einsum("vi,vi->v", self.surface - v, n), 0).astype(np.float32)
        least = np.broadcast_to(np.asarray(offset, np.float32), len(v))
        least = np.where(self.covered, np.maximum(least, worn + GAP), least)
        inside = np.clip(cover / 0.02 + 1.0, 0, 1).astype(np.float32) * np.float32(0.9)
        shape = v
        for i in range(passes):
            if rounds:
                shape = smooth(shape, self.fields.starts, self.fields.neighbours, inside, rounds)
            last = np.float32(crease if i == passes - 1 else 0)
            shape = drape(shape, v, n, least, last, folds + np.float32(0.8))
        # smoothing also moves vertices along the skin, which would make the rim ragged: undo it there
        lift = np.einsum("vi,vi->v", shape - v, n)
        upright = np.where(self.covered[:, None], self.surface, v) + (lift - worn)[:, None] * n
        return upright + _depth(cover)[:, None] * (shape - upright)

    def _drop_covered(self, cover: np.ndarray) -> None:
        """Take away what lies well inside a new layer, so that it cannot show through."""
        for mesh, of_body in zip(self.layers, self.sources, strict=False):
            if of_body is not None:
                seen = (cover[of_body] < 0.02)[mesh.faces].any(1)
                for name in ("faces", "material", "frame", "person", "region"):
                    setattr(mesh, name, getattr(mesh, name)[seen])

    def add_mesh(self, mesh: Mesh) -> None:
        """Something with a shape of its own."""
        self.layers.append(mesh)
        self.sources.append(None)

    def append(self, shape, faces, clip, number: int, over: int | None, coords=None) -> None:
        """The part of the faces where `clip` > 0 as a mesh; faces take their region from their first
        vertex."""
        chosen, used, local = cut(faces, clip > 0)
        if not len(chosen):
            return
        regions = self.fields.region[faces[chosen, 0]]
        part = regions if over is None else np.full(len(chosen), over, np.int16)
        vertices = np.ascontiguousarray(shape[used], np.float32)
        self.sources.append(used)
        self.layers.append(
            Mesh(
                vertices=vertices,
                normals=vertex_normals(vertices, local),
                coords=(self.body.template if coords is None else coords)[used],
                paint=self.fields.paint[used],
                clip=np.ascontiguousarray(clip[used], np.float32),
                faces=local,
                material=np.full(len(chosen), number, np.int16),
                frame=regions,
                person=np.full(len(chosen), self.person, np.int16),
                region=part.astype(np.int16),
            )
        )


class HeadFrame:
    """Template coordinates near the head -> world, moving with this person's head."""

    def __init__(self, d: Dresser):
        bone = d.body.bone("head")
        self.turn, self.place = d.posed.turns[bone], d.posed.joints[bone]
        self.template = d.body.template_joints[bone].astype(float)
        eyes, template_eyes = d.posed.keypoints[1:3], d.body.template_keypoints[1:3]
        self.scale = np.linalg.norm(eyes[0] - eyes[1]) / np.linalg.norm(template_eyes[0] - template_eyes[1])

    def __call__(self, x: float, y: float, z: float) -> np.ndarray:
        """One point -> (3,) m."""
        return self.place + self.turn @ (self.scale * (np.array([x, y, z]) - self.template))

    def many(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) -> world (N, 3)."""
        return self.place + self.scale * (points - self.template) @ self.turn.T

    def local(self, points: np.ndarray) -> np.ndarray:
        """World (N, 3) -> where they lie on this head, in template coordinates (N, 3)."""
        return (points - self.place) @ self.turn / self.scale + self.template


def _depth(cover: np.ndarray) -> np.ndarray:
    """0 at the rim of a cover (V,) to 1 well inside."""
    return np.clip(cover / 0.03, 0, 1).astype(np.float32)


def random_folds(template: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth random folds over the body: (V,) about -1 to 1, wavelengths of 4-15 cm."""
    ways = rng.normal(size=(3, 6))
    ways *= 2 * np.pi / rng.uniform(0.04, 0.15, 6) / np.linalg.norm(ways, axis=0)
    bent = template + np.float32(0.02) * np.sin(template @ (rng.normal(size=(3, 3)) * 20).astype(np.float32))
    waves = np.sin(bent @ ways.astype(np.float32) + rng.uniform(0, 6.3, 6).astype(np.float32))
    return waves @ np.full(6, 0.3, np.float32)
