"""The main job in one go: the shipped model, predictions with flip test, the per-part table, pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from wbkit.annotations import load_annotations, save_results
from wbkit.columns import Annotations, Results
from wbkit.commands.evaluate import save_table, show_table
from wbkit.commands.models import load_predictor
from wbkit.data import CocoFolder, Persons, find_coco_folder, persons_from_annotations
from wbkit.errors import InputError
from wbkit.failures import keypoint_summary, keypoint_table
from wbkit.files import atomic_write, data_folder, require_writable
from wbkit.keypoints import KEYPOINTS, PARTS
from wbkit.matching import match
from wbkit.pictures import read_image
from wbkit.pipeline import predict_persons, score
from wbkit.predict import Predictor

MAX_PERSONS = 300  # predicted: a minute on two cores; the embedded set has fewer
SHOWN = 6  # pictures drawn


def demo(options: argparse.Namespace) -> None:
    """`wbkit demo`."""
    run_demo(options.data, options.out, options.checkpoint, options.zoom)


def run_demo(
    data: Path | None, out: Path, checkpoint: str | None = None, zoom: str | None = None
) -> pd.DataFrame:
    """Model, predictions, table, worst keypoints and pictures, written to `out`; returns the table.

    Args:
        data: a COCO-WholeBody folder; None: `data/coco`, else the embedded set.
        out: folder for results.json, table.csv and the pictures; made if missing.
        checkpoint: weights; None: the shipped model.
        zoom: weights of the second look, as `load_predictor` takes them.

    Raises:
        InputError: there is no such data or model, or it cannot be used.
    """
    matplotlib.use("Agg")
    folder = find_demo_data(data)
    require_writable(out / "results.json")
    everyone = load_annotations(folder.annotations)
    persons = persons_from_annotations(everyone)
    if not len(persons):
        raise InputError(
            "has nobody with labelled body keypoints", "Give other data", file=folder.annotations
        )
    persons = persons.select(np.isin(persons.image_ids, _first_images(persons)))
    annotations = everyone.select_images(persons.image_ids)
    print(f"{len(persons)} people in {len(annotations.image_ids)} pictures of {folder.annotations}")
    predictor = load_predictor(checkpoint, zoom=zoom)
    raw, failures = predict_persons(predictor, persons, folder.images, workers=0)
    if failures:
        raise InputError(
            f"{len(failures)} people were not predicted: {failures[0]}", "Look at their pictures"
        )
    results, table = score(annotations, raw, predictor.recipe)
    report(table, keypoint_summary(keypoint_table(annotations, results)))
    save_results(out / "results.json", raw)
    save_table(table, out / "table.csv")
    draw(out, annotations, results, persons, predictor, folder.images)
    print(f"\nWritten to {out}: results.json, table.csv, poses.png, heatmaps.png, precision_recall.png")
    return table


def find_demo_data(data: Path | None) -> CocoFolder:
    """The val files of `data`, else of data/coco, else of the embedded data/wholebody-mini."""
    if data is not None:
        return find_coco_folder(data)
    tried = [data_folder() / name for name in ("coco", "wholebody-mini")]
    for folder in tried:
        if (folder / "annotations").is_dir():
            return find_coco_folder(folder)
    raise InputError(
        f"there is no data: neither {tried[0]} nor {tried[1]} has annotations",
        "Give a COCO-WholeBody folder with --data DIR (wbkit download coco-val says how to get one)",
    )


def _first_images(persons: Persons) -> np.ndarray:
    """The first pictures, in the file's order, that together hold at most `MAX_PERSONS` people."""
    image_ids, first, count = np.unique(persons.image_ids, return_index=True, return_counts=True)
    order = np.argsort(first)
    fits = np.cumsum(count[order]) <= MAX_PERSONS
    fits[0] = True
    return image_ids[order][fits]


def report(table: pd.DataFrame, keypoints: pd.DataFrame) -> None:
    """Print the per-part table and the ten worst keypoints."""
    show_table(table, "AP and AR by part (COCO-WholeBody evaluation; nan: nobody has labels there)")
    shown = ["part", "labelled", "found", "error_px", "similarity", "worst_cause"]
    worst = keypoints.dropna(subset="similarity").sort_values("similarity")[shown].head(10)
    title = "The ten worst keypoints (similarity: mean of what it adds to OKS, 1 is best; error_px: median)"
    show_table(worst, title)


def draw(
    out: Path,
    annotations: Annotations,
    results: Results,
    persons: Persons,
    predictor: Predictor,
    images: Path,
) -> None:
    """The three pictures: poses, heatmaps of the biggest person, precision-recall by part."""
    from wbkit import plots

    shown = list(dict.fromkeys(persons.file_names.tolist()))[:SHOWN]
    ids = dict(zip(persons.file_names.tolist(), persons.image_ids.tolist(), strict=True))
    overlays = []
    for name in shown:
        found = results.keypoints[results.image_ids == ids[name]]  # (n, 133, 3)
        overlays.append(plots.draw_pose(read_image(images / name), found[..., :2], found[..., 2]))
    _save(plots.show_poses(overlays, shown)[0], out / "poses.png")
    biggest = int(np.argmax(persons.boxes_xywh[:, 2:].prod(1)))
    image = read_image(images / persons.file_names[biggest])
    crop = torch.from_numpy(np.stack(predictor.cut(image, persons.boxes_xywh[[biggest]])[0]))  # (1, H, W, 3)
    maps = predictor.heatmaps(crop)
    points = predictor.codec.decode(maps)[0][0].cpu().numpy()  # (133, 2)
    rest = len(KEYPOINTS) - len(points)  # of a network of COCO's 17: empty maps
    maps, points = F.pad(maps, (0, 0, 0, 0, 0, rest)), np.pad(points, ((0, rest), (0, 0)))
    axes = plots.show_part_heatmaps(crop[0].numpy(), maps[0].cpu().numpy(), points, predictor.codec.scale)
    _save(axes[0], out / "heatmaps.png")
    matches = {part: match(annotations, results, part) for part in PARTS}
    _save(plots.plot_precision_recall(matches), out / "precision_recall.png")


def _save(ax, path: Path) -> None:
    with atomic_write(path) as temporary:
        ax.figure.savefig(temporary, dpi=130)
    matplotlib.pyplot.close(ax.figure)
