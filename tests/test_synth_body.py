"""The body asset against values stored from the model it was exported from, and against symmetry."""

from pathlib import Path

import numpy as np
import pytest

from wbkit.errors import InputError
from wbkit.files import data_folder
from wbkit.keypoints import FLIP_INDICES, KEYPOINTS
from wbkit.synth.body import HAIR, load_body

GOLDEN = Path(__file__).parent / "data" / "body_golden.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as stored:
        return dict(stored)


def test_posed_bodies_equal_the_source_model(golden):
    body = load_body()
    seen = np.isin(golden["chosen"], body.faces[body.face_groups < HAIR])
    for i in range(len(golden["vertices"])):
        posed = body.pose(golden["coefficients"][i], golden["rotations"][i], golden["actions"][i])
        errors = 1000 * np.linalg.norm(posed.vertices[golden["chosen"]] - golden["vertices"][i], axis=1)[seen]
        assert errors.mean() <= 1
        assert np.percentile(errors, 99) <= 4
        errors = 1000 * np.linalg.norm(posed.keypoints - golden["keypoints"][i], axis=1)
        assert errors.mean() <= 1
        assert errors.max() <= 4


def test_the_mean_body_is_symmetric():
    body = load_body()
    mirrored = body.template_keypoints[FLIP_INDICES] * [-1, 1, 1]
    assert np.abs(mirrored - body.template_keypoints).max() < 2e-3


def test_a_mirrored_pose_gives_mirrored_keypoints():
    body, rng = load_body(), np.random.default_rng(0)
    rotations = np.tile(np.eye(3), (len(body.bones), 1, 1))
    mirror = np.diag([-1.0, 1, 1])
    mirrored = rotations.copy()
    for side, other in (("L", "R"), ("R", "L")):
        for name in ("upperarm01", "lowerarm01", "finger2-1", "upperleg01", "foot"):
            turn = np.linalg.qr(np.eye(3) + 0.3 * rng.normal(size=(3, 3)))[0]
            turn *= np.sign(np.linalg.det(turn))
            rotations[body.bone(f"{name}.{side}")] = turn
            mirrored[body.bone(f"{name}.{other}")] = mirror @ turn @ mirror
    a = body.pose(np.zeros(body.people.shape[1]), rotations).keypoints
    b = body.pose(np.zeros(body.people.shape[1]), mirrored).keypoints
    assert np.abs(b[FLIP_INDICES] * [-1, 1, 1] - a).max() < 4e-3


def test_left_is_plus_x_and_up_is_plus_z():
    points = load_body().template_keypoints
    at = {name: points[i] for i, name in enumerate(KEYPOINTS)}
    assert at["left_shoulder"][0] > 0.1
    assert at["right_shoulder"][0] < -0.1
    assert at["nose"][2] > at["left_hip"][2] > at["left_knee"][2] > at["left_heel"][2]
    assert at["left_big_toe"][1] < at["left_heel"][1]  # facing -y


def test_blinking_moves_the_lids_only():
    body = load_body()
    actions = np.zeros(52)
    actions[body.actions.index("eyeBlinkLeft")] = 1
    moved = np.linalg.norm(
        body.pose(np.zeros(body.people.shape[1]), None, actions).keypoints - body.template_keypoints, axis=1
    )
    lids = [KEYPOINTS.index(f"face-{i}") for i in (43, 44)]
    assert moved[lids].min() > 3e-3
    assert moved[[k for k in range(23) if k not in (1, 2)]].max() < 1e-3


def test_a_missing_asset_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.npz"):
        load_body(tmp_path / "nowhere.npz")


def test_a_cut_asset_is_named(tmp_path):
    content = (data_folder() / "body" / "body.npz").read_bytes()
    for length in (20, len(content) // 2, len(content) - 30):
        (tmp_path / "cut.npz").write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.npz.*is not the body asset"):
            load_body(tmp_path / "cut.npz")
