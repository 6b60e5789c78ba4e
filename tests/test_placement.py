"""Mean OKS and PCK by part, against arithmetic by hand and a plain loop."""

import math

import numpy as np
import pytest
from helpers import make_annotations

from wbkit.annotations import load_annotations
from wbkit.data import persons_from_annotations
from wbkit.errors import InputError
from wbkit.keypoints import KEYPOINTS, PARTS, SIGMAS
from wbkit.study.placement import placement


def one_person(labelled: list[str]) -> dict:
    """A 200 x 100 box in a 400 x 300 picture, area 10,000 px^2; only these keypoints have labels."""
    content = make_annotations(1, 1, seed=0)
    content["images"][0] |= {"width": 400, "height": 300}
    person = content["annotations"][0] | {"bbox": [50, 60, 200, 100], "area": 10_000.0}
    for field, part in (("keypoints", "body"), ("foot_kpts", "foot"), ("face_kpts", "face")):
        count = PARTS[part].stop - PARTS[part].start
        names = KEYPOINTS[PARTS[part]]
        person[field] = [n for i in range(count) for n in (100, 100, 2 if names[i] in labelled else 0)]
    for side in ("lefthand", "righthand"):
        person[f"{side}_kpts"] = [100, 100, 0] * 21
    return content | {"annotations": [person]}


def test_by_hand():
    """A point counts for PCK .05 up to 10 px (5 % of 200) and for PCK .10 up to 20."""
    annotations = load_annotations(one_person(["nose", "left_hip", "left_heel"]))
    found = np.full((1, 133, 3), 100.0)
    found[0, KEYPOINTS.index("nose"), 0] += 10  # just within 5 %
    found[0, KEYPOINTS.index("left_hip"), 1] += 20.5  # just outside 10 %
    found[0, KEYPOINTS.index("left_heel"), :2] += 12, 9  # 15 px
    table = placement(annotations, annotations.ids, found)
    nose = math.exp(-(10**2) / (2 * 10_000 * (2 * 0.026) ** 2))
    hip = math.exp(-(20.5**2) / (2 * 10_000 * (2 * 0.107) ** 2))
    heel = math.exp(-(15**2) / (2 * 10_000 * (2 * 0.066) ** 2))
    assert table.loc["body"].tolist() == pytest.approx([(nose + hip) / 2, 1 / 2, 1 / 2])
    assert table.loc["foot"].tolist() == pytest.approx([heel, 0, 1])
    assert table.loc["wholebody"].tolist() == pytest.approx([(nose + hip + heel) / 3, 1 / 3, 2 / 3])
    assert table.loc[["face", "lefthand", "righthand"]].isna().all(axis=None)


def test_a_box_is_clipped_to_its_picture():
    content = one_person(["nose"])
    content["annotations"][0]["bbox"] = [350, 60, 200, 20]  # 49 px of it lie in the picture
    annotations = load_annotations(content)
    found = np.full((1, 133, 2), 100.0)
    found[0, 0, 0] += 4
    assert placement(annotations, annotations.ids, found).loc["body"].tolist()[1:] == [0, 1]


def test_is_that_of_a_plain_loop_in_any_order():
    rng = np.random.default_rng(0)
    annotations = load_annotations(make_annotations(3, 4, seed=1))
    persons = persons_from_annotations(annotations)
    persons = persons.select(rng.permutation(len(persons)))
    keypoints = persons.keypoints + rng.normal(0, 8, persons.keypoints.shape)
    table = placement(annotations, persons.ids, keypoints)
    areas = dict(zip(annotations.ids.tolist(), annotations.areas.tolist(), strict=True))
    for part, k in PARTS.items():
        near, labelled, similarities = 0, 0, []
        for n in range(len(persons)):
            found = []
            for j in range(k.start, k.stop):
                x, y, v = persons.keypoints[n, j]
                if v > 0:
                    d = math.dist((x, y), keypoints[n, j, :2])
                    near += d <= 0.05 * max(persons.boxes_xywh[n, 2:])
                    labelled += 1
                    found.append(math.exp(-(d**2) / (2 * areas[persons.ids[n]] * (2 * SIGMAS[j]) ** 2)))
            similarities += [np.mean(found)] if found else []
        assert table.loc[part, "PCK .05"] == pytest.approx(near / labelled)
        assert table.loc[part, "mean OKS"] == pytest.approx(np.mean(similarities))


def test_what_does_not_fit_is_said():
    annotations = load_annotations(make_annotations(1, 2, seed=1))
    with pytest.raises(InputError, match="no person with id -7"):
        placement(annotations, [-7, *annotations.ids[1:]], annotations.keypoints)
    with pytest.raises(InputError, match="shape"):
        placement(annotations, annotations.ids, annotations.keypoints[:, :17])
    nobody = placement(annotations, [], np.zeros((0, 133, 3)))
    assert nobody.isna().all(axis=None)
