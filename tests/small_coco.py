"""A COCO-WholeBody folder of three small pictures, for tests that need files."""

import json
from pathlib import Path

import cv2
import numpy as np

PEOPLE_BOXES = {  # image id -> person boxes (xywh) in pictures of 160 x 120
    1: [(10, 10, 50, 100), (90, 15, 55, 95)],
    2: [(20, 5, 60, 110), (100, 20, 40, 90)],
    3: [(50, 8, 64, 104)],
}
PICTURE_WH = (160, 120)
FIELD_LENGTHS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}


def picture_name(image_id: int) -> str:
    return f"{image_id:012d}.jpg"


def small_picture(seed: int, size_wh: tuple[int, int] = PICTURE_WH) -> np.ndarray:
    """Smooth coloured noise, RGB uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)


def person_record(index: int, image_id: int, box: tuple[float, ...]) -> dict:
    """One annotation with all 133 labels somewhere inside its box."""
    rng = np.random.default_rng(index)
    x, y, w, h = box
    record = {"id": 100 + index, "image_id": image_id, "category_id": 1, "iscrowd": 0, "area": w * h * 0.6}
    record |= {"bbox": [float(v) for v in box], "num_keypoints": 17}
    for field, count in FIELD_LENGTHS.items():
        xy = np.array([x, y]) + rng.random((count, 2)) * (w, h)
        record[field] = np.column_stack([xy.round(1), np.full(count, 2.0)]).ravel().tolist()
    for part in ("face", "lefthand", "righthand"):
        record |= {f"{part}_valid": True, f"{part}_box": [x, y, w / 4, h / 4]}
    return record | {"foot_valid": True}


def write_tiny_coco(folder: Path) -> Path:
    """Three pictures, five people, and a detector's boxes, in the layout of COCO-WholeBody."""
    for name in ("annotations", "val2017", "person_detection_results"):
        (folder / name).mkdir(parents=True)
    pairs = [(image_id, box) for image_id, boxes in PEOPLE_BOXES.items() for box in boxes]
    images = []
    for image_id in PEOPLE_BOXES:
        cv2.imwrite(str(folder / "val2017" / picture_name(image_id)), small_picture(image_id)[..., ::-1])
        size = dict(zip(("width", "height"), PICTURE_WH, strict=True))
        images.append({"id": image_id, "file_name": picture_name(image_id), **size})
    people = [person_record(i, image_id, box) for i, (image_id, box) in enumerate(pairs)]
    truth = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    (folder / "annotations" / "coco_wholebody_val_v1.0.json").write_text(json.dumps(truth))
    found = [
        {"image_id": i, "category_id": 1, "bbox": [x + 1.5, y - 1, w, h + 2], "score": 0.9 - 0.1 * n}
        for n, (i, (x, y, w, h)) in enumerate(pairs)
    ]
    found.insert(1, {"image_id": 1, "category_id": 18, "bbox": [0, 0, 9, 9], "score": 0.99})  # a dog
    name = "COCO_val2017_detections_AP_H_56_person.json"
    (folder / "person_detection_results" / name).write_text(json.dumps(found))
    return folder
