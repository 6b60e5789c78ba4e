"""Labels of rendered scenes: visible points on their own person, mirrors, poses without overlap."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from wbkit.keypoints import FLIP_INDICES, KEYPOINTS, PARTS
from wbkit.synth import camera, labels, poses, scene, style, textures
from wbkit.synth.body import load_body
from wbkit.synth.fields import REGIONS, load_fields
from wbkit.synth.limbs import overlap
from wbkit.synth.rig import turn

SIZE = (240, 320)
LEFT_WRIST, NOSE = KEYPOINTS.index("left_wrist"), 0


def _made(index, persons=None, size=SIZE):
    rng = scene.random_generator(11, index)
    one = scene.build_scene(rng, size, persons)
    return one, scene.render_scene(one, rng)


@pytest.fixture(scope="module")
def rendered():
    return [_made(i) for i in range(16)]


def _exact(one, picture):
    """Every labelled person's number, mask and exact keypoints (133, 3)."""
    for number, person in enumerate(one.people):
        if not person.crowd:
            mask = picture.buffers.person == number
            yield (
                number,
                mask,
                labels.keypoint_visibility(person.keypoints, number, one.camera, one.near, picture.buffers),
            )


def test_visible_points_lie_on_their_own_person(rendered):
    good = total = 0
    for one, picture in rendered:
        for _, mask, points in _exact(one, picture):
            seen = points[points[:, 2] == 2, :2]
            if not len(seen):
                continue
            away = (
                cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
                if mask.any()
                else np.full(mask.shape, 99.0)
            )
            at = np.clip(np.round(seen).astype(int), 0, np.array(SIZE) - 1)
            good += (away[at[:, 1], at[:, 0]] <= 1.5).sum()
            total += len(seen)
    assert total > 1500
    assert good / total >= 0.999


def first_surface(mesh, eye, point, faces):
    """How far before a point the first of the faces on its line of sight is, m, and which; -inf, -1: none."""
    corners = mesh.vertices[mesh.faces[faces]].astype(float)  # (F, 3 corners, 3)
    way, edges, off = point - eye, corners[:, 1:] - corners[:, :1], eye - corners[:, 0]
    across, turned = np.cross(way, edges[:, 1]), np.cross(off, edges[:, 0])  # Moeller and Trumbore (1997)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (edges[:, 0] * across).sum(1)
        u, v = (off * across).sum(1) / scale, (turned @ way) / scale
        share = (edges[:, 1] * turned).sum(1) / scale  # of the way
        weights = np.stack([1 - u - v, u, v], 1)
        hit = (weights >= 0).all(1) & (share > 1e-6)
        hit &= (weights * mesh.clip[mesh.faces[faces]]).sum(1) >= 0  # surfaces end at hems
    if not hit.any():
        return -np.inf, -1
    first = np.flatnonzero(hit)[np.argmin(share[hit])]
    return (1 - share[first]) * np.linalg.norm(way), faces[first]


def test_what_is_seen_is_the_first_surface_of_its_own_body(rendered):
    """Rays against every triangle: what is called seen lies on or just under the person's own surface.

    And what lies on it is called seen, and what something hides is called hidden. On edges a pixel decides
    otherwise than a ray now and then.
    """
    limits = {"body": (0.05, 0.22), "foot": (0.03, 0.07), "face": (0.01, 0.04), "lefthand": (0.01, 0.08)}
    limits["righthand"] = limits["lefthand"]  # m: so near is as good as on it; so far is behind it
    rows = []
    for one, picture in rendered[:6]:
        mesh, eye = one.near, one.camera.position.astype(float)
        places, depth = one.camera.project(mesh.vertices)
        low, high = (f(places[mesh.faces], 1) for f in (np.min, np.max))  # (F, 2) px
        partly_behind = ~(depth[mesh.faces] > 0).all(1)
        for number, _, points in _exact(one, picture):
            for part, (least, most) in limits.items():
                for k in np.arange(133)[PARTS[part]][:: 3 if part == "face" else 1]:
                    if points[k, 2]:
                        at = points[k, :2]
                        faces = np.flatnonzero(partly_behind | ((low <= at) & (at <= high)).all(1))
                        gap, face = first_surface(mesh, eye, one.people[number].keypoints[k], faces)
                        own = face >= 0 and mesh.person[face] == number
                        rows.append((points[k, 2] == 2, own, gap, gap <= most, abs(gap) <= least))
    seen, own, gap, near, on_it = np.array(rows).T
    seen, own, near, on_it = seen > 0, own > 0, near > 0, on_it > 0
    hidden, behind = ~own & (gap > 0.05), own & (gap > 0.25)
    assert min(seen.sum(), hidden.sum(), behind.sum()) > 30
    assert (near & own)[seen].mean() > 0.94
    assert seen[own & on_it].mean() > 0.97
    assert seen[hidden].mean() < 0.04  # by others
    assert seen[behind].mean() < 0.02  # by oneself


def test_every_state_of_visibility_occurs(rendered):
    states = np.concatenate([points[:, 2] for one, p in rendered for *_, points in _exact(one, p)])
    assert all((states == v).mean() > 0.03 for v in (0, 1, 2))


def test_keypoints_are_projected_exactly(rendered):
    one, picture = rendered[0]
    c = one.camera
    *_, (_, _, points) = _exact(one, picture)
    q = (one.people[-1].keypoints - c.position) @ c.axes.T
    by_hand = c.focal * q[:, :2] / q[:, 2:] + (np.array(SIZE) - 1) / 2
    labelled = points[:, 2] > 0
    np.testing.assert_allclose(points[labelled, :2], by_hand[labelled], atol=1e-9)
    assert not points[~labelled].any()


def mirrored(one):
    """The scene in a mirror: x changes sign, left and right of every person change places."""
    sides = {".L": ".R", ".R": ".L"}
    swapped = [name[:-2] + sides.get(name[-2:], name[-2:]) for name in REGIONS]
    other, flip = np.array([REGIONS.index(name) for name in swapped], np.int16), np.array([-1, 1, 1])

    def turned(mesh):
        vertices, normals = (np.float32(x * flip) for x in (mesh.vertices, mesh.normals))
        return replace(mesh, vertices=vertices, normals=normals, region=other[mesh.region])

    people = [
        replace(p, keypoints=(p.keypoints * flip)[FLIP_INDICES], mesh=turned(p.mesh)) for p in one.people
    ]
    c = one.camera
    view = replace(c, position=c.position * flip, axes=np.diag(flip) @ c.axes @ np.diag(flip))
    light = replace(one.light, lights=one.light.lights * [*flip, 1, 1, 1])
    return replace(one, people=people, near=turned(one.near), far=turned(one.far), camera=view, light=light)


def test_a_mirrored_scene_has_mirrored_labels(rendered):
    for one, picture in rendered[:5]:
        other = mirrored(one)
        again = scene.render_scene(other, np.random.default_rng(0))
        np.testing.assert_array_equal(again.buffers.person[:, ::-1].shape, picture.buffers.person.shape)
        assert (again.buffers.person[:, ::-1] == picture.buffers.person).mean() > 0.999
        for (_, _, a), (_, _, b) in zip(_exact(one, picture), _exact(other, again), strict=True):
            b = b[FLIP_INDICES]
            both = (a[:, 2] > 0) & (b[:, 2] > 0)
            np.testing.assert_allclose(SIZE[0] - 1 - b[both, 0], a[both, 0], atol=1e-6)
            np.testing.assert_allclose(b[both, 1], a[both, 1], atol=1e-6)
            assert (a[:, 2] == b[:, 2]).mean() > 0.98  # a sample on an edge may fall to the other side


def test_depth_order_decides_who_hides_whom():
    """Of two people on one line of sight the nearer owns the pixels, and the farther's points are hidden."""
    one, _ = _made(1, persons=2)
    first, second = one.people
    eye = first.keypoints[NOSE] + [0, -6, 0]
    view = camera.look_at(eye, first.keypoints[NOSE], 300.0, SIZE)
    for away in (-1.5, 1.5):  # the copy stands before the first person, then behind
        shift = np.array([0, away, 0])
        mesh = first.mesh.moved(np.eye(3), shift)
        mesh = replace(mesh, person=np.where(mesh.person >= 0, 1, -1).astype(mesh.person.dtype))
        copy = replace(second, keypoints=first.keypoints + shift, mesh=mesh)
        near = scene.join([first.mesh, mesh])
        whole = replace(one, people=[first, copy], near=near, camera=view)
        picture = scene.render_scene(whole, np.random.default_rng(0))
        (_, one_mask, one_points), (_, copy_mask, copy_points) = _exact(whole, picture)
        before, behind = (copy_points, one_points) if away < 0 else (one_points, copy_points)
        covered, mask = (one_mask, copy_mask) if away < 0 else (copy_mask, one_mask)
        assert mask.sum() > 3 * covered.sum()
        assert (before[:, 2] == 2).sum() > 40
        assert (behind[:, 2] == 2).sum() < 0.3 * (before[:, 2] == 2).sum()
        assert behind[NOSE, 2] == 1


def test_who_finds_no_room_leaves_no_gap_in_the_numbers(monkeypatch):
    """People that cannot be placed are left out; mask, number and labels of the others still agree."""
    answers = iter([False] * 40)
    monkeypatch.setattr(scene, "_apart", lambda a, b: next(answers, True))  # the second never fits
    rng = scene.random_generator(4, 0)
    one = scene.build_scene(rng, SIZE, 3)
    assert len([p for p in one.people if not p.crowd]) == 2
    for number, person in enumerate(one.people):
        assert set(np.unique(person.mesh.person)) <= {-1, number}
        assert (person.mesh.person == number).any()


def test_a_masked_nose_is_hidden_not_unknown():
    """Only of a head whose nose and eyes all cannot be seen they are v = 0."""
    points = np.zeros((133, 3))
    points[:, :2] = np.random.default_rng(0).uniform(40, 80, (133, 2))
    points[:, 2] = 1
    points[1:3, 2] = 2  # the eyes look over a mask
    mask = np.zeros((120, 120), bool)
    mask[30:90, 30:90] = True
    out, valid = labels.label_rules(points, mask)
    assert not valid["face"]
    assert out[:3, 2].tolist() == [1, 2, 2]
    points[1:3, 2] = 1  # from behind
    assert not labels.label_rules(points, mask)[0][:3].any()


def test_parts_are_valid_only_when_seen(rendered):
    for one, picture in rendered:
        for record in labels.annotate(one, picture, 1, 1):
            for part, field in (
                ("face", "face_kpts"),
                ("lefthand", "lefthand_kpts"),
                ("righthand", "righthand_kpts"),
            ):
                v = np.array(record[field])[2::3]
                assert record[f"{part}_valid"] == bool((v > 0).any())
                x, y, w, h = record[f"{part}_box"]
                points = np.array(record[field]).reshape(-1, 3)[v > 0]
                if len(points):
                    assert (points[:, :2] >= np.array([x, y]) - 0.6).all()
                    assert (points[:, :2] <= np.array([x + w, y + h]) + 0.6).all()


def test_what_nobody_could_tell_is_not_labelled():
    points = np.zeros((133, 3))
    points[:, :2], points[:, 2] = [50, 50], 2
    points[LEFT_WRIST] = [50, 190, 1]  # far from anything visible
    points[PARTS["face"], 2] = 1  # a head from behind
    points[:3, 2] = 1
    mask = np.zeros((200, 100), bool)
    mask[30:70, 30:70] = True
    out, valid = labels.label_rules(points, mask)
    assert not out[LEFT_WRIST].any()
    assert not out[:3].any()
    assert not out[PARTS["face"]].any()
    assert valid == {"face": False, "lefthand": False, "righthand": False, "foot": True} | {
        k: v for k, v in valid.items() if k.endswith("hand")
    }
    out, _ = labels.label_rules(points, np.zeros((200, 100), bool))
    assert not out.any()


@pytest.mark.parametrize("kinds", [poses.KINDS, poses.HARD_KINDS], ids=["everyday", "hard"])
def test_poses_keep_limbs_out_of_each_other(kinds):
    body = load_body()
    deep = []
    for i in range(120):
        rng = np.random.default_rng(i)
        rest, thickness = body.rest(body.people[i]), rng.uniform(0.9, 1.35)
        pose = poses.sample_pose(body, rest, rng, thickness, kinds)
        deep.append(overlap(body, rest, pose.rotations, thickness))
        np.testing.assert_allclose(
            pose.rotations @ pose.rotations.transpose(0, 2, 1),
            np.eye(3)[None] + 0 * pose.rotations,
            atol=1e-6,
        )
    assert np.mean(np.array(deep) <= 0) > 0.98
    assert max(deep) < 0.01


@pytest.mark.parametrize("kind", ["low seat", "crossed", "ankle on knee", "squat", "stride"])
def test_a_hard_pose_is_what_its_name_says(kind):
    """Upright, in the body's frame: where its joints are, measured against its own thighs and shins."""
    body, found = load_body(), 0
    rest = body.rest(body.people[0])
    hips, knees, ankles = (np.array([KEYPOINTS.index(f"{s}_{j}") for s in ("left", "right")])
                           for j in ("hip", "knee", "ankle"))  # fmt: skip
    for i in range(8):
        pose = poses.sample_pose(body, rest, np.random.default_rng(i), kinds={kind: 1.0})
        if pose.kind != kind:  # too often in its own way, so an easy one was taken
            continue
        found += 1
        points = body.skin(rest, pose.rotations).keypoints
        thigh = np.linalg.norm(points[knees] - points[hips], axis=1)
        height = (points[hips, 2] - points[ankles, 2]) / thigh  # 2 standing, about 1 on a chair
        apart = (points[knees[0], 0] - points[knees[1], 0]) / thigh.mean()
        if kind == "stride":
            assert (height > 1.2).all()
            assert abs(points[ankles[0], 0] - points[ankles[1], 0]) > 0.5 * thigh.mean()
        elif kind == "squat":
            assert (height < 0.75).all()
        elif kind == "low seat":
            assert (height < 0.97).all()
        elif kind == "crossed":  # one knee beyond or above the other
            assert apart < 0.6
            assert abs(points[knees[0], 2] - points[knees[1], 2]) > 0.1 * thigh.mean()
        else:  # one ankle near the other knee
            away = [np.linalg.norm(points[ankles[s]] - points[knees[1 - s]]) for s in (0, 1)]
            assert min(away) < 0.85 * thigh.mean()
    assert found >= 3


def test_a_hard_mix_shows_more_backs():
    """Of the same seeds, by the way the hips face."""
    seen = {}
    for mix in scene.MIXES:
        turned = []
        for i in range(40):
            rng = scene.random_generator(3, i)
            one = scene.build_scene(rng, SIZE, 1, scene.MIXES[mix]).people[0].keypoints
            left, right = (one[KEYPOINTS.index(f"{s}_hip")] for s in ("left", "right"))
            turned.append(left[0] < right[0])  # the subject's left is on the picture's right, seen from ahead
        seen[mix] = np.mean(turned)
    assert seen["hard"] > seen["everyday"] + 0.12


def test_a_hand_through_the_chest_is_an_overlap():
    body = load_body()
    rest, rotations = body.rest(body.people[0]), np.tile(np.eye(3), (len(body.bones), 1, 1))
    assert overlap(body, rest, rotations, 1.0) <= 0
    rotations[body.bone("upperarm01.L")] = turn((0, 1, 0), 45)
    rotations[body.bone("lowerarm01.L")] = turn((0, 1, 0), 110)
    assert overlap(body, rest, rotations, 1.0) > 0.02


def test_a_mirrored_pose_is_its_own_inverse():
    body = load_body()
    pose = poses.sample_pose(body, body.rest(body.people[0]), np.random.default_rng(0))
    twice = poses.mirror_pose(body, poses.mirror_pose(body, pose))
    np.testing.assert_allclose(twice.rotations, pose.rotations)
    assert twice.grip == pose.grip


def test_feet_stand_on_the_ground(rendered):
    for one, _ in rendered:
        for person in one.people:
            assert (
                abs(person.mesh.vertices[:, 2].min()) < 0.35
            )  # held things may hang lower than nothing else
            assert -0.01 < person.keypoints[17:23, 2].min() < 0.3


def test_no_cloth_has_the_colour_of_skin():
    rng = np.random.default_rng(0)
    assert all(style.is_skin_like(tone) for tone in style.SKIN_TONES[1:])
    for i in range(1500):
        row = style.cloth(rng, dark=bool(i % 2))
        for linear in row[1:10].reshape(3, 3).astype(float):  # as drawn; back to sRGB
            rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
            assert not style.is_skin_like(rgb)


def test_everybody_is_dressed():
    rng = np.random.default_rng(0)
    for _ in range(200):
        outfit = style.sample_outfit(rng, bool(rng.integers(2)))
        assert outfit.sleeve > 0
        assert outfit.skirt is not None or outfit.leg > 0.25


def test_tiles_repeat_without_a_seam():
    tiles = textures.load_textures()
    assert tiles.shape == (len(textures.TILES), sum((256 >> i) ** 2 for i in range(7)), 3)
    weave = tiles[textures.tile_index("plain"), : 256 * 256, 2].reshape(256, 256).astype(float)
    inside = np.abs(np.diff(weave, axis=0)).mean()
    assert np.abs(weave[0] - weave[-1]).mean() < 1.5 * inside


def test_fields_name_a_region_for_every_vertex():
    fields = load_fields()
    assert fields.region.min() >= 0
    assert fields.region.max() < len(REGIONS)
    assert fields.frames.shape == (len(REGIONS), 14)
    left = fields.region == REGIONS.index("hand.L")
    assert (load_body().template[left, 0] > 0).all()
