"""Content for tests: random people in the COCO-WholeBody format."""

import numpy as np

FIELDS = (
    ("keypoints", 17),
    ("foot_kpts", 6),
    ("face_kpts", 68),
    ("lefthand_kpts", 21),
    ("righthand_kpts", 21),
)
"""Field and number of keypoints, in the order of the 133; typed anew, not taken from the library."""


def make_person(rng, id, image_id, size_wh=(640, 480)):
    """One annotation with every field of COCO-WholeBody v1.0; keypoints lie in the box, v is mixed."""
    w, h = (float(rng.integers(40, side // 2)) for side in size_wh)
    x, y = (float(rng.integers(0, side // 2)) for side in size_wh)
    record = {"id": id, "image_id": image_id, "category_id": 1, "iscrowd": 0, "bbox": [x, y, w, h]}
    record["area"] = round(w * h * rng.uniform(0.3, 0.8), 3)
    for field, count in FIELDS:
        points = np.empty((count, 3))
        points[:, :2] = np.round((x, y) + rng.random((count, 2)) * (w, h), 2)
        points[:, 2] = rng.choice([0.0, 1.0, 2.0], count)
        if field.endswith("hand_kpts"):
            points[:, 2] = np.round(rng.random(count) * (rng.random(count) < 0.8), 3)  # floats, as published
        record[field] = points.ravel().tolist()
    record["num_keypoints"] = sum(v > 0 for v in record["keypoints"][2::3])
    for part in ("face", "lefthand", "righthand"):
        record[f"{part}_box"] = [x + 1, y + 2, round(w / 5, 2), round(h / 7, 2)]
        record[f"{part}_valid"] = bool(rng.random() < 0.5)
    record["foot_valid"] = bool(rng.random() < 0.5)
    record["segmentation"] = [[x, y, x + w, y, x + w, y + h]]  # there in COCO; wbkit doesn't read it
    return record


def make_annotations(pictures=4, people=3, seed=0, size_wh=(640, 480)):
    """The parsed content of an annotation file.

    `pictures` with ids in no order, each with 0 ... `people` persons (the first has `people` of them) who
    are shuffled; annotation ids are unique and in no order.
    """
    rng = np.random.default_rng(seed)
    image_ids = [int(i) for i in rng.choice(10_000, pictures, replace=False) + 1]
    images = [
        {"id": i, "file_name": f"{i:012d}.jpg", "width": size_wh[0], "height": size_wh[1], "license": 1}
        for i in image_ids
    ]
    owners = [i for n, i in enumerate(image_ids) for _ in range(rng.integers(0, people + 1) if n else people)]
    ids = rng.choice(100_000, len(owners), replace=False)
    records = [make_person(rng, int(id), owner, size_wh) for id, owner in zip(ids, owners, strict=True)]
    records = [records[i] for i in rng.permutation(len(records))]
    categories = [{"id": 1, "name": "person", "supercategory": "person"}]
    return {"info": {"seed": seed}, "images": images, "annotations": records, "categories": categories}


def keypoints_of(record):
    """(133, 3) of an annotation or a result, by concatenating its five fields."""
    return np.concatenate([np.reshape(record[field], (count, 3)) for field, count in FIELDS])
