"""The problems that both sides solve, written to a folder: made once, by seeds."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.bench_failures import make_labels, make_results
from wbkit.annotations import load_annotations
from wbkit.columns import KEYPOINT_FIELDS, Annotations, Results
from wbkit.data import find_coco_folder
from wbkit.files import data_folder
from wbkit.geometry import box_to_center_scale, fix_aspect
from wbkit.heatmaps import HeatmapCodec
from wbkit.hrnet import BasicBlock, Bottleneck, PoseNet
from wbkit.keypoints import PARTS
from wbkit.recipes import W32_DARK_256x192, W48_DARK_PLUS_384x288

BATCH = 32
SIZES = {"48x64": W32_DARK_256x192, "72x96": W48_DARK_PLUS_384x288}
DETECTIONS_A_PERSON = 9  # 100,000 of 11,000 people, as a detector's file for val2017 holds


def write_all(folder: Path, pictures: int) -> None:
    """Everything that `benchmarks.ours` and `benchmarks.peers` read."""
    write_codec(folder)
    write_network(folder)
    write_picture(folder)
    write_evaluation(folder, pictures)


def write_codec(folder: Path) -> None:
    """Keypoints, and maps like a network's: Gaussians of changing height with a little smooth noise."""
    rng = np.random.default_rng(0)
    for name, recipe in SIZES.items():
        w, h = recipe.input_size
        points = rng.uniform((24, 24), (w - 25, h - 25), (BATCH, 133, 2)).astype(np.float32)
        codec = HeatmapCodec(**recipe.codec_settings())
        maps = codec.encode(torch.from_numpy(points), torch.ones(BATCH, 133))[0].numpy()
        maps *= rng.uniform(0.3, 1, (BATCH, 133, 1, 1)).astype(np.float32)
        noise = rng.normal(0, 1, (h // 4, w // 4)).astype(np.float32)
        maps += 0.05 * maps * cv2.GaussianBlur(noise, (0, 0), 2)
        np.save(folder / f"points_{name}.npy", points)
        np.save(folder / f"maps_{name}.npy", maps)


def write_network(folder: Path) -> None:
    """W32 with random weights and BatchNorm statistics that keep activations in range, and images.

    Blocks add a quarter of what they would: with all of it, a random net amplifies rounding so much that even
    one side alone would be more than 1e-5 off what float64 gives.
    """
    torch.manual_seed(0)
    model, images = PoseNet(32).train(), torch.randn(8, 3, 256, 192)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # statistics of the images themselves
        if isinstance(module, BasicBlock | Bottleneck):
            last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
            torch.nn.init.constant_(last.weight, 0.25)
    with torch.no_grad():
        model(images)
        torch.nn.init.normal_(model.head.final_layer.weight, std=0.1)
    torch.save(model.state_dict(), folder / "w32.pt")
    np.save(folder / "images.npy", images.numpy())


def write_picture(folder: Path) -> None:
    """A 640 x 480 JPEG with one labelled person of the embedded set."""
    coco = find_coco_folder(data_folder() / "wholebody-mini", "train")
    mini = load_annotations(coco.annotations)
    who = int(np.argmax((mini.keypoints[..., 2] > 0).sum(1) * ~mini.crowd))
    picture = np.flatnonzero(mini.image_ids == mini.person_image_ids[who])[0]
    image = cv2.imread(str(coco.images / mini.file_names[picture]))
    scale = np.array([640, 480]) / image.shape[1::-1]
    cv2.imwrite(str(folder / "picture.jpg"), cv2.resize(image, (640, 480)), [cv2.IMWRITE_JPEG_QUALITY, 95])
    labels = mini.keypoints[who].copy()  # (133, 3)
    labels[:, :2] *= scale
    np.savez(folder / "person.npz", labels=labels, box_xywh=mini.boxes_xywh[who] * np.tile(scale, 2))


def write_evaluation(folder: Path, pictures: int) -> None:
    """Annotations as a COCO-WholeBody file, detections as columns; val2017's size with 5,000 pictures."""
    rng = np.random.default_rng(0)
    truth = make_labels(pictures, rng)
    results = make_results(truth, rng, detections_a_person=DETECTIONS_A_PERSON)
    low, high = results.keypoints[..., :2].min(1), results.keypoints[..., :2].max(1)
    boxes = np.concatenate([low, high - low], 1)
    (folder / "truth.json").write_text(json.dumps(annotations_to_json(truth)))
    columns = {"image_ids": results.image_ids, "keypoints": results.keypoints, "boxes_xywh": boxes}
    scores = rng.uniform(0.05, 1, len(results))
    _, scale = box_to_center_scale(boxes, padding=1.25)
    areas = (
        fix_aspect(scale, W32_DARK_256x192.input_size).astype(np.float64).prod(-1)
    )  # MMPose's, for its NMS
    np.savez(folder / "results.npz", **columns, box_scores=scores, areas=areas)


def results_columns(folder: Path) -> Results:
    """The detections as our evaluation takes them."""
    saved = np.load(folder / "results.npz")
    count = len(saved["image_ids"])
    return Results(
        source="benchmark",
        image_ids=saved["image_ids"],
        keypoints=saved["keypoints"],
        scores=saved["box_scores"],
        areas=np.full(count, np.nan),
        part_scores=np.repeat(saved["box_scores"][:, None], 5, axis=1),
        boxes_xywh=saved["boxes_xywh"],
        box_scores=saved["box_scores"],
        ids=np.arange(count),
    )


def annotations_to_json(truth: Annotations) -> dict:
    """The file that these columns came from."""
    images = [
        {"id": int(i), "file_name": str(name), "width": int(w), "height": int(h)}
        for i, name, (w, h) in zip(truth.image_ids, truth.file_names, truth.image_sizes_wh, strict=True)
    ]
    parts = [p for p in PARTS if p != "wholebody"]
    persons = [
        {
            "id": int(truth.ids[n]),
            "image_id": int(truth.person_image_ids[n]),
            "category_id": 1,
            "iscrowd": int(truth.crowd[n]),
            "area": float(truth.areas[n]),
            "bbox": truth.boxes_xywh[n].tolist(),
            "num_keypoints": int(truth.num_keypoints[n]),
            **{
                field: truth.keypoints[n, PARTS[part]].ravel().tolist()
                for part, field in zip(parts, KEYPOINT_FIELDS, strict=True)
            },
        }
        for n in range(len(truth))
    ]
    return {"images": images, "annotations": persons, "categories": [{"id": 1, "name": "person"}]}
