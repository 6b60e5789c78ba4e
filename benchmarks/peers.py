"""The peers' side: MMPose 1.3.2, xtcocotools, hotcoco. Runs in their environment; imports nothing of wbkit.

python -m benchmarks.peers FOLDER TASK: see `benchmarks.worker`.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from benchmarks import stubs
from benchmarks.worker import serve

PARTS = {"body": 17, "foot": 6, "face": 68, "lefthand": 21, "righthand": 21}
FIELDS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
STATISTICS = 10


def dataset_facts() -> dict:
    """MMPose's COCO-WholeBody: flip_indices, sigmas and more."""
    import mmpose
    from mmengine.config import Config
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    file = Path(mmpose.__file__).parent / ".mim/configs/_base_/datasets/coco_wholebody.py"
    return parse_pose_metainfo(Config.fromfile(file).dataset_info)


def codec(size: str):
    """MMPose's codec with the seed recipe's settings."""
    from mmpose.codecs import MSRAHeatmap

    w, h = (int(n) for n in size.split("x"))
    return MSRAHeatmap((4 * w, 4 * h), (w, h), sigma=2 if size == "48x64" else 3, unbiased=True)


def encode(folder: Path, size: str, batch: int):
    points = np.load(folder / f"points_{size}.npy")[:batch]
    made = codec(size)
    return lambda: np.concatenate([made.encode(p[None])["heatmaps"][None] for p in points])


def decode(folder: Path, size: str, batch: int):
    maps, made = np.load(folder / f"maps_{size}.npy")[:batch], codec(size)
    return lambda: np.concatenate([made.decode(m.copy())[0] for m in maps])


def network(folder: Path):
    """HRNet-W32 and head as MMPose's configuration file states them, with the shared weights."""
    from mmpose.models import HeatmapHead, HRNet

    def stage(modules, branches, block="BASIC"):
        channels = (64,) if block == "BOTTLENECK" else tuple(32 * 2**i for i in range(branches))
        return {
            "num_modules": modules,
            "num_branches": branches,
            "block": block,
            "num_blocks": (4,) * branches,
            "num_channels": channels,
        }

    extra = {
        "stage1": stage(1, 1, "BOTTLENECK"),
        "stage2": stage(1, 2),
        "stage3": stage(4, 3),
        "stage4": stage(3, 4),
    }
    loss = {"type": "KeypointMSELoss", "use_target_weight": True}
    head = HeatmapHead(in_channels=32, out_channels=133, deconv_out_channels=None, loss=loss)
    model = torch.nn.ModuleDict({"backbone": HRNet(extra=extra, in_channels=3), "head": head})
    model.load_state_dict(torch.load(folder / "w32.pt", weights_only=True))
    model["backbone"].eval()  # returns nothing in MMPose
    model["head"].eval()
    return model


def forward(folder: Path):
    model, images = network(folder), torch.from_numpy(np.load(folder / "images.npy"))

    @torch.inference_mode()
    def run():
        return model["head"](model["backbone"](images)).numpy()

    return run


def person(folder: Path):
    """Flip test and decoding of one crop."""
    from mmpose.models.utils.tta import flip_heatmaps

    model, images = network(folder), torch.from_numpy(np.load(folder / "images.npy"))[:1]
    made, flips = codec("48x64"), dataset_facts()["flip_indices"]

    @torch.inference_mode()
    def run():
        plain = model["head"](model["backbone"](images))
        mirrored = flip_heatmaps(model["head"](model["backbone"](images.flip(-1))), flips, "heatmap", True)
        maps = ((plain + mirrored) * 0.5).numpy()
        made.decode(maps[0].copy())
        return maps

    return run


def train_step(folder: Path):
    """Forward, loss, backward, Adam; the targets are there already (its loader's workers make them)."""
    from mmpose.models.losses import KeypointMSELoss

    model, images = network(folder), torch.from_numpy(np.load(folder / "images.npy"))
    for module in model.values():
        module.train()
    points = np.load(folder / "points_48x64.npy")[:8]
    made = codec("48x64")
    targets = torch.from_numpy(np.stack([made.encode(p[None])["heatmaps"] for p in points]))
    weights, loss_of = torch.ones(8, 133), KeypointMSELoss(use_target_weight=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)

    def run():
        optimizer.zero_grad()
        loss = loss_of(model["head"](model["backbone"](images)), targets, weights)
        loss.backward()
        optimizer.step()
        return np.array(loss.item())

    return run


def sample(folder: Path):
    """The training pipeline of its configuration file, from JPEG to crop and targets, one core."""
    import cv2
    from mmcv.transforms import Compose
    from mmpose.datasets.transforms import (
        GenerateTarget,
        GetBBoxCenterScale,
        LoadImage,
        RandomBBoxTransform,
        RandomFlip,
        RandomHalfBody,
        TopdownAffine,
    )

    cv2.setNumThreads(1)
    saved, made = np.load(folder / "person.npz"), None
    settings = {
        "type": "MSRAHeatmap",
        "input_size": (192, 256),
        "heatmap_size": (48, 64),
        "sigma": 2,
        "unbiased": True,
    }
    steps = [
        LoadImage(),
        GetBBoxCenterScale(),
        RandomFlip(direction="horizontal"),
        RandomHalfBody(),
        RandomBBoxTransform(),
    ]
    train = Compose([*steps, TopdownAffine(input_size=(192, 256)), GenerateTarget(encoder=settings)])
    plain = Compose([LoadImage(), GetBBoxCenterScale(), TopdownAffine(input_size=(192, 256))])
    x, y, w, h = saved["box_xywh"]
    labels = saved["labels"]

    def info():
        return {
            "img_path": str(folder / "picture.jpg"),
            "bbox": np.array([[x, y, x + w, y + h]], np.float32),
            "bbox_score": np.ones(1, np.float32),
            "keypoints": labels[None, :, :2].astype(np.float32),
            "keypoints_visible": (labels[None, :, 2] > 0).astype(np.float32),
            "flip_indices": list(range(133)),
            "upper_body_ids": list(range(11)),
            "lower_body_ids": list(range(11, 17)),
        }

    def run():
        nonlocal made
        if made is None:  # the first call is compared: without dice, RGB
            made = plain(info())["img"][..., ::-1].copy()
            return made
        return train(info())

    return run


def _predictions(folder: Path) -> list[tuple[dict, dict]]:
    saved = np.load(folder / "results.npz")
    columns = {name: saved[name] for name in saved.files}
    return [
        (
            {
                "id": i,
                "img_id": int(columns["image_ids"][i]),
                "keypoints": columns["keypoints"][i : i + 1, :, :2],
                "keypoint_scores": columns["keypoints"][i : i + 1, :, 2],
                "category_id": 1,
                "bbox_scores": columns["box_scores"][i : i + 1],
                "areas": columns["areas"][i : i + 1],
            },
            {},
        )
        for i in range(len(columns["image_ids"]))
    ]


def evaluate(folder: Path):
    """CocoWholeBodyMetric.compute_metrics: rescoring, NMS, six parts; of which it reports the last one."""
    from mmpose.evaluation.metrics import CocoWholeBodyMetric

    metric = CocoWholeBodyMetric(ann_file=str(folder / "truth.json"))
    metric.dataset_meta = dataset_facts()
    results = _predictions(folder)

    def run():
        return np.array(list(metric.compute_metrics(results).values())[:STATISTICS])

    return run


def _records(folder: Path) -> list[dict]:
    """Results as the file would hold them, their score the box's; no boxes, as MMPose writes none."""
    saved = np.load(folder / "results.npz")
    cuts = np.cumsum([0, *PARTS.values()]) * 3
    flat, images, scores = saved["keypoints"].reshape(-1, 399), saved["image_ids"], saved["box_scores"]
    fields = [flat[:, a:b].tolist() for a, b in pairwise(cuts)]
    return [
        {
            "image_id": int(image),
            "category_id": 1,
            "score": float(score),
            **dict(zip(FIELDS, row, strict=True)),
        }
        for image, score, *row in zip(images, scores, *fields, strict=True)
    ]


def xtcocotools_parts(folder: Path):
    """COCOeval of six parts, files already loaded."""
    from xtcocotools.coco import COCO
    from xtcocotools.cocoeval import COCOeval

    truth, sigmas = COCO(str(folder / "truth.json")), dataset_facts()["sigmas"]
    found = truth.loadRes(_records(folder))
    cuts = np.cumsum([0, *PARTS.values()])
    ranges = {
        **{p: slice(a, b) for p, a, b in zip(PARTS, cuts, cuts[1:], strict=False)},
        "wholebody": slice(0, 133),
    }

    def run():
        rows = []
        for part, span in ranges.items():
            measure = COCOeval(truth, found, f"keypoints_{part}", sigmas[span], use_area=True)
            measure.params.useSegm = None
            measure.evaluate()
            measure.accumulate()
            measure.summarize()
            rows.append(measure.stats)
        return np.array(rows)

    return run


def hotcoco_parts(folder: Path):
    """hotcoco's COCOeval of six parts, each loaded as a keypoint dataset of its own. Its rules are
    pycocotools', which count some people otherwise: its numbers are not compared."""
    from hotcoco import COCO, COCOeval

    content, records, sigmas = (
        json.loads((folder / "truth.json").read_text()),
        _records(folder),
        dataset_facts()["sigmas"],
    )
    cuts, pairs = np.cumsum([0, *PARTS.values()]), []
    spans = {**{f: (i, i + 1) for i, f in enumerate(FIELDS)}, "all": (0, 5)}
    for first, last in spans.values():

        def points(record, first=first, last=last):
            return [v for f in FIELDS[first:last] for v in record[f]]

        def count(flat):
            return sum(v > 0 for v in flat[2::3])

        people = [
            {**a, "keypoints": points(a), "num_keypoints": count(points(a))} for a in content["annotations"]
        ]
        truth = COCO({**content, "annotations": people})
        found = truth.load_res([{**r, "keypoints": points(r)} for r in records])
        pairs.append((truth, found, sigmas[cuts[first] : cuts[last]].tolist()))

    def run():
        rows = []
        for truth, found, own in pairs:
            measure = COCOeval(truth, found, "keypoints")
            changed = measure.params
            changed.kpt_oks_sigmas = own
            measure.params = changed
            measure.evaluate()
            measure.accumulate()
            measure.summarize()
            rows.append(np.array(measure.stats))
        return np.array(rows)

    return run


def load(folder: Path):
    """xtcocotools' COCO of an annotation file, read anew every time."""
    from xtcocotools.coco import COCO

    return lambda: np.array(len(COCO(str(folder / "truth.json")).anns))


TASKS = {
    "encode 48x64 x 32": lambda f: encode(f, "48x64", 32),
    "encode 48x64 x 1": lambda f: encode(f, "48x64", 1),
    "decode 48x64 x 32": lambda f: decode(f, "48x64", 32),
    "decode 72x96 x 32": lambda f: decode(f, "72x96", 32),
    "decode 48x64 x 1": lambda f: decode(f, "48x64", 1),
    "sample": sample,
    "forward": forward,
    "person": person,
    "train step": train_step,
    "evaluate": evaluate,
    "parts": xtcocotools_parts,
    "parts, hotcoco": hotcoco_parts,
    "load": load,
}


if __name__ == "__main__":
    stubs.install()
    serve(TASKS, Path(sys.argv[1]), sys.argv[2])
