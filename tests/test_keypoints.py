"""The keypoint tables against COCO-WholeBody's structure, counted by hand."""

import numpy as np
import pytest

from wbkit.keypoints import (
    FACE_REGIONS,
    FLIP_INDICES,
    FLIP_PAIRS,
    KEYPOINTS,
    LOWER_BODY,
    PART_OF_KEYPOINT,
    PARTS,
    SIGMAS,
    SKELETON,
    UPPER_BODY,
    side_of,
)


def test_names_are_unique_and_parts_tile_them():
    assert len(KEYPOINTS) == len(set(KEYPOINTS)) == 133
    lengths = {part: len(KEYPOINTS[s]) for part, s in PARTS.items()}
    assert lengths == {
        "body": 17,
        "foot": 6,
        "face": 68,
        "lefthand": 21,
        "righthand": 21,
        "wholebody": 133,
    }
    assert [PARTS[p].start for p in list(PARTS)[1:5]] == [PARTS[p].stop for p in list(PARTS)[:4]]
    assert len(PART_OF_KEYPOINT) == 133
    assert PART_OF_KEYPOINT[100] == "lefthand"


def test_face_regions_tile_the_face():
    starts = [s.start for s in FACE_REGIONS.values()]
    stops = [s.stop for s in FACE_REGIONS.values()]
    assert starts[0] == 23
    assert stops[-1] == 91
    assert starts[1:] == stops[:-1]


def test_flip_pairs_swap_left_and_right_names():
    assert FLIP_PAIRS.shape == (61, 2)
    assert len(np.unique(FLIP_PAIRS)) == 122
    for a, b in FLIP_PAIRS:
        if PART_OF_KEYPOINT[a] != "face":
            assert KEYPOINTS[a].replace("left_", "") == KEYPOINTS[b].replace("right_", "")


def test_flip_indices_are_their_own_inverse():
    np.testing.assert_array_equal(FLIP_INDICES[FLIP_INDICES], np.arange(133))
    fixed = np.flatnonzero(FLIP_INDICES == np.arange(133))
    # nose, chin, four points of the nose bridge, nose tip, upper and lower lip (outer and inner)
    assert fixed.tolist() == [0, 31, 50, 51, 52, 53, 56, 74, 80, 85, 89]


@pytest.mark.parametrize(
    ("keypoint", "mirror"), [(59, 68), (60, 67), (63, 70), (71, 77), (83, 87), (78, 82), (40, 49)]
)
def test_face_mirror_pairs_of_the_68_point_scheme(keypoint, mirror):
    assert FLIP_INDICES[keypoint] == mirror


def test_sigmas_of_mirrored_hands_and_limbs_agree():
    assert SIGMAS.shape == (133,)
    np.testing.assert_array_equal(SIGMAS[PARTS["lefthand"]], SIGMAS[PARTS["righthand"]])
    np.testing.assert_array_equal(SIGMAS[:17], SIGMAS[FLIP_INDICES[:17]])
    assert SIGMAS.min() == 0.007
    assert SIGMAS.max() == 0.107


def test_mirroring_the_skeleton_keeps_it():
    links = {frozenset(link) for link in SKELETON}
    assert links == {frozenset(int(FLIP_INDICES[k]) for k in link) for link in links}
    assert set(range(133)) == {k for link in links for k in link}


def test_half_body_sets_are_mirror_symmetric():
    for ids in (UPPER_BODY, LOWER_BODY):
        assert {int(FLIP_INDICES[i]) for i in ids} == set(ids)


def test_sides():
    assert [side_of(k) for k in (0, 5, 6, 30, 91, 112)] == [
        "middle",
        "left",
        "right",
        "face",
        "left",
        "right",
    ]
