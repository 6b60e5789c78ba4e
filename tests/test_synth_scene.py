"""Labels of rendered scenes: visible points on their own person, mirrors, poses without overlap."""

import cv2
import numpy as np
import pytest

from wbkit.keypoints import FLIP_INDICES, KEYPOINTS, PARTS
from wbkit.synth import camera, labels, poses, scene, style, textures
from wbkit.synth.body import load_body
from wbkit.synth.fields import REGIONS, load_fields

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


def test_a_mirrored_scene_has_mirrored_labels(rendered):
    for one, picture in rendered[:5]:
        other = one.mirrored()
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
    far, near = one.people
    shift = [0, -1.5, 0]
    copy = scene.replace(
        near, keypoints=far.keypoints + shift, mesh=far.mesh.moved(np.eye(3), np.array(shift))
    )
    copy.mesh.person[:] = 1
    whole = scene.replace(one, people=[far, copy], near=scene.join([far.mesh, copy.mesh]))
    eye = far.keypoints[NOSE] + [0, -6, 0]
    whole = scene.replace(whole, camera=camera.look_at(eye, far.keypoints[NOSE], 300.0, SIZE))
    picture = scene.render_scene(whole, np.random.default_rng(0))
    (_, _, behind), (_, _, before) = _exact(whole, picture)
    assert (before[:, 2] == 2).sum() > (behind[:, 2] == 2).sum()
    assert behind[NOSE, 2] == 1


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
    points[NOSE, 2] = 1
    mask = np.zeros((200, 100), bool)
    mask[30:70, 30:70] = True
    out, valid = labels.label_rules(points, mask)
    assert not out[LEFT_WRIST].any()
    assert not out[NOSE].any()
    assert not out[PARTS["face"]].any()
    assert valid == {"face": False, "lefthand": False, "righthand": False, "foot": True} | {
        k: v for k, v in valid.items() if k.endswith("hand")
    }
    out, _ = labels.label_rules(points, np.zeros((200, 100), bool))
    assert not out.any()


def test_poses_keep_limbs_out_of_each_other():
    body = load_body()
    deep = []
    for i in range(40):
        rng = np.random.default_rng(i)
        rest = body.rest(body.people[i])
        pose = poses.sample_pose(body, rest, rng)
        deep.append(poses.overlap(body, rest, pose.rotations, 1.0))
        np.testing.assert_allclose(
            pose.rotations @ pose.rotations.transpose(0, 2, 1),
            np.eye(3)[None] + 0 * pose.rotations,
            atol=1e-6,
        )
    assert np.mean(np.array(deep) <= 0) > 0.85
    assert max(deep) < 0.08


def test_a_hand_through_the_chest_is_an_overlap():
    body = load_body()
    rest, rotations = body.rest(body.people[0]), np.tile(np.eye(3), (len(body.bones), 1, 1))
    assert poses.overlap(body, rest, rotations, 1.0) <= 0
    rotations[body.bone("upperarm01.L")] = poses.turn((0, 1, 0), 45)
    rotations[body.bone("lowerarm01.L")] = poses.turn((0, 1, 0), 110)
    assert poses.overlap(body, rest, rotations, 1.0) > 0.02


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
    assert not any(style.is_skin_like(style.cloth_colour(rng)) for _ in range(300))
    assert all(style.is_skin_like(tone) for tone in style.SKIN_TONES[1:7])


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
