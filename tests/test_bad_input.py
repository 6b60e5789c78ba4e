"""Bad input of every kind: each message names the file, the record, the field, and what to do.

One table: how to provoke an error, and what its message must say. `pytest -vvs tests/test_bad_input.py`
prints all messages, to be read as a user would.
"""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import pytest
import torch

from wbkit import cli
from wbkit.annotations import load_annotations, load_detections, load_results, results_from_arrays
from wbkit.checkpoints import load_pose_weights, save_pose_weights
from wbkit.cli import build_parser
from wbkit.commands.download import unpack
from wbkit.commands.models import load_predictor
from wbkit.data import WholeBodyDataset, find_coco_folder, persons_from_annotations, persons_from_detections
from wbkit.detect import detect_people
from wbkit.errors import InputError
from wbkit.evaluate import per_part_table, precision_recall, reference_table
from wbkit.files import data_folder
from wbkit.hrnet import PoseNet
from wbkit.matching import match
from wbkit.nms import rescore, rescore_and_nms
from wbkit.pictures import read_image
from wbkit.predict import Predictor
from wbkit.recipes import RECIPES
from wbkit.train import fit

TINY = RECIPES["tiny"]
PICTURE, OTHER_PICTURE = "000000000001.jpg", "000000000002.jpg"
FIELDS = {"keypoints": 51, "foot_kpts": 18, "face_kpts": 204, "lefthand_kpts": 63, "righthand_kpts": 63}


@dataclass
class World:
    """A folder to make mistakes in, beside a good COCO-WholeBody folder and a good checkpoint."""

    folder: Path
    coco: Path
    checkpoint: Path
    setenv: Callable[[str, str], None]

    def file(self, name: str, content: bytes | str | list | dict) -> Path:
        """Write a file of that content."""
        content = json.dumps(content) if isinstance(content, (list, dict)) else content
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    @property
    def truth_path(self) -> Path:
        return self.coco / "annotations" / "coco_wholebody_val_v1.0.json"

    def truth(self) -> dict:
        return json.loads(self.truth_path.read_text())

    def picture(self, name: str = PICTURE) -> Path:
        return self.coco / "val2017" / name

    def run(self, *arguments: object) -> None:
        """A command, without `main`'s catching."""
        options = build_parser().parse_args([str(a) for a in arguments])
        cli.run(options)

    def predict(self, *arguments: object) -> None:
        """`wbkit predict` with a good checkpoint."""
        out = self.folder / "out" / "results.json"
        self.run("predict", *arguments, "--checkpoint", self.checkpoint, "--out", out, "--device", "cpu")


# --- ways to provoke ---------------------------------------------------------------------------------


def good_result(image_id: int = 1, **more) -> dict:
    fields = {name: [1.0] * length for name, length in FIELDS.items()}
    return {"image_id": image_id, "category_id": 1, "score": 0.5, **fields, **more}


def without(record: dict, field: str) -> dict:
    return {k: v for k, v in record.items() if k != field}


def first_without(truth: dict, field: str) -> dict:
    first, *others = truth["annotations"]
    return truth | {"annotations": [without(first, field), *others]}


def annotation(change: Callable[[dict], object], which: int = 2) -> Callable[[World], object]:
    """Read an annotation file in which one person was changed."""

    def provoke(world: World):
        truth = world.truth()
        change(truth["annotations"][which])
        return load_annotations(world.file("A.json", truth))

    return provoke


def image_record(change: Callable[[dict], object]) -> Callable[[World], object]:
    def provoke(world: World):
        truth = world.truth()
        change(truth["images"][1])
        annotations = load_annotations(world.file("A.json", truth))
        return persons_from_annotations(annotations)

    return provoke


def results(*records: object) -> Callable[[World], object]:
    """Read a results file and score it."""
    return lambda w: per_part_table(w.truth_path, w.file("R.json", list(records)))


def boxes_file(content: object) -> Callable[[World], object]:
    return lambda w: w.predict(w.picture(), "--boxes", w.file("boxes.json", content))


def boxes(value: object) -> Callable[[World], object]:
    """Predict one picture of 160 x 120 with these boxes."""
    return lambda w: Predictor(Constant(0.0), TINY, device="cpu")(read_image(w.picture()), value)


def checkpoint_file(make: Callable[[World, Path], object], name: str = "net.pth", model: object = None):
    """Load a checkpoint file that `make` wrote."""

    def provoke(world: World):
        path = world.folder / name
        make(world, path)
        return load_pose_weights(model or PoseNet(8), path)

    return provoke


class Constant(torch.nn.Module):
    """A network that says the same everywhere."""

    def __init__(self, value: float):
        super().__init__()
        self.value = value

    def forward(self, images):
        return torch.full((len(images), 133, images.shape[2] // 4, images.shape[3] // 4), self.value)


class RunsCode:
    def __reduce__(self):
        return os.system, ("echo ran",)


def set_field(field: str, value: object) -> Callable[[dict], object]:
    return lambda record: record.__setitem__(field, value)


def set_number(field: str, place: int, value: object) -> Callable[[dict], object]:
    return lambda record: record[field].__setitem__(place, value)


def write_jpeg(world: World, keep: float, name: str = "cut.jpg") -> Path:
    content = world.picture().read_bytes()
    return world.file(name, content[: int(keep * len(content))])


def write_png(world: World, keep: float) -> Path:
    content = cv2.imencode(".png", read_image(world.picture()))[1].tobytes()
    return world.file("cut.png", content[: int(keep * len(content))])


def train_on_nobody(world: World):
    everyone = persons_from_annotations(load_annotations(world.truth_path))
    nobody = everyone.select(np.zeros(len(everyone), bool))
    return fit(PoseNet(8), TINY, WholeBodyDataset(nobody, world.coco / "val2017", TINY))


def missing_pictures(world: World):
    persons = persons_from_annotations(load_annotations(world.truth_path))
    for name in (PICTURE, OTHER_PICTURE):
        world.picture(name).unlink()
    return WholeBodyDataset(persons, world.coco / "val2017", TINY)


def unknown_detections(world: World):
    found = [{"image_id": i, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5} for i in (1, 77, 78)]
    return persons_from_detections(
        load_annotations(world.truth_path), load_detections(world.file("D.json", found))
    )


def detections(*records: dict) -> Callable[[World], object]:
    good = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5}
    dog = {"image_id": 1, "category_id": 18}
    return lambda w: load_detections(w.file("D.json", [good, dog, *records]))


def evaluate_data(world: World, *arguments: object):
    return world.run("evaluate", "--data", world.coco, "--checkpoint", world.checkpoint, *arguments)


def without_detections(world: World):
    for path in (world.coco / "person_detection_results").iterdir():
        path.unlink()
    return evaluate_data(world, "--boxes", "detections")


def broken_in_a_long_run(world: World):
    write_jpeg(world, 0.5)
    (world.folder / "cut.jpg").replace(world.picture())
    return evaluate_data(world, "--workers", "0")


def nameless_checkpoint(world: World, recipe: str | None = None):
    path = world.folder / "net.safetensors"
    save_pose_weights(PoseNet(8), path, {})
    return load_predictor(path, recipe)


def wrong_hash(world: World, path: Path):
    save_pose_weights(PoseNet(8), path, {})


def nobody_labelled(world: World):
    truth = world.truth()
    for person in truth["annotations"]:
        person["num_keypoints"] = 0
    world.truth_path.write_text(json.dumps(truth))
    return world.run("demo", "--data", world.coco, "--out", world.folder / "out")


def names_listed_twice(world: World):
    """Two folders with a 7.jpg each; the one asked for lies in neither."""
    content = world.truth()
    for image, folder in zip(content["images"], ("a", "b", "c"), strict=True):
        image["file_name"] = f"{folder}/7.jpg"
    photo = world.file("7.jpg", world.picture().read_bytes())
    return world.predict(photo, "--annotations", world.file("frames.json", content))


def wide_picture(world: World) -> Path:
    cv2.imwrite(str(world.folder / "wide.png"), np.zeros((8, 33000, 3), np.uint8))
    return world.folder / "wide.png"


def folder_without_pictures(world: World):
    (world.folder / "empty" / "below").mkdir(parents=True)
    (world.folder / "empty" / "dog.pose.jpg").write_bytes(world.picture().read_bytes())
    return world.predict(world.folder / "empty")


def unwritable_out(world: World):
    (world.folder / "out").write_text("a file, not a folder")
    return world.predict(world.picture(), "--detector", "whole")


def zip_file(*names: str) -> Callable[[World], object]:
    def provoke(world: World):
        with zipfile.ZipFile(world.folder / "val2017.zip", "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
        return unpack(world.folder / "val2017.zip", world.folder / "unpacked")

    return provoke


def columns(world: World):
    annotations = load_annotations(world.truth_path)
    return annotations, load_results([good_result()])


def nowhere(world: World):
    world.setenv("WBKIT_DATA", str(world.folder / "gone"))
    return data_folder()


def empty_data(world: World, *command: str):
    (world.folder / "data").mkdir()
    world.setenv("WBKIT_DATA", str(world.folder / "data"))
    return world.run(*command, *([world.picture()] if command == ("predict",) else []))


# --- the table ---------------------------------------------------------------------------------------

PICTURES = {
    "picture missing": (
        lambda w: read_image(w.folder / "gone.jpg"),
        ["gone.jpg", "no such picture", "Check"],
    ),
    "picture is a folder": (lambda w: read_image(w.folder), ["no such picture", "Check"]),
    "picture of an iPhone": (
        lambda w: read_image(w.file("a.heic", b"\0\0\0\x24ftypheic\0\0\0\0mif1heic")),
        ["a.heic", "HEIC", "Convert it to JPEG"],
    ),
    "picture is text": (lambda w: read_image(w.file("a.jpg", "hello")), ["a.jpg", "no picture", "JPEG"]),
    "picture is empty": (lambda w: read_image(w.file("a.png", b"")), ["a.png", "empty", "again"]),
    "PNG beyond what OpenCV takes": (
        lambda w: read_image(w.file("wide.png", png_header(40_000, 40_000))),
        ["wide.png", "cannot be read by OpenCV", "smaller"],
    ),
    "JPEG cut off": (lambda w: read_image(write_jpeg(w, 0.6)), ["cut.jpg", "cut off", "again"]),
    "PNG cut off": (lambda w: read_image(write_png(w, 0.6)), ["cut.png", "cut off", "again"]),
}
ANNOTATION_FILES = {
    "file missing": (lambda w: load_annotations(w.folder / "gone.json"), ["gone.json", "No such", "Check"]),
    "file is a folder": (lambda w: load_annotations(w.folder), ["cannot be read", "Check the path"]),
    "a pickle": (lambda w: load_results(w.file("R.pkl", b"\x80\x04.")), ["R.pkl", ".pkl", "JSON"]),
    "not JSON": (
        lambda w: load_annotations(w.file("A.json", "<html>")),
        ["A.json", "JSON", "line 1", "again"],
    ),
    "JSON cut off": (
        lambda w: load_annotations(w.file("A.json", w.truth_path.read_bytes()[:5000])),
        ["A.json", "JSON", "column", "cut off"],
    ),
    "binary instead of JSON": (
        lambda w: load_annotations(w.file("A.json", b"\xff\xfe\x00\x81")),
        ["A.json", "JSON", "again"],
    ),
    "list at the top": (
        lambda w: load_annotations(w.file("A.json", [])),
        ["A.json", '"images" and "annotations"', "coco_wholebody_val_v1.0.json"],
    ),
    "people not a list": (
        lambda w: load_annotations(w.file("A.json", {"images": [], "annotations": {"a": 1}})),
        ["A.json", '"annotations"', "list of objects"],
    ),
    "one person without feet": (
        lambda w: load_annotations(w.file("A.json", first_without(w.truth(), "foot_kpts"))),
        ["annotation 0 (id 100)", '"foot_kpts"', "missing", "write zeros"],
    ),
    "picture without file name": (
        image_record(lambda r: r.pop("file_name")),
        ["A.json", "image 1 (id 2)", '"file_name"', "missing"],
    ),
    "picture without size": (
        image_record(lambda r: r.pop("height")),
        ["A.json", "image with id 2", "height", "size"],
    ),
    "two pictures with one id": (image_record(set_field("id", 1)), ["image 1 (id 1)", '"id"', "twice"]),
}
ANNOTATIONS = {
    **{
        f"{field} too short": (
            annotation(lambda r, f=field: r[f].pop()),
            ["A.json", "annotation 2 (id 102)", f'"{field}"', f"has {n - 1} numbers, expected {n}"],
        )
        for field, n in FIELDS.items()
    },
    **{
        f"{field} missing": (
            annotation(lambda r, f=field: r.pop(f)),
            ["A.json", "annotation 2", f'"{field}"', "is missing"],
        )
        for field in ("id", "image_id", "bbox", "area", "category_id")
    },
    "word among numbers": (
        annotation(set_number("face_kpts", 3, "left")),
        ["annotation 2 (id 102)", '"face_kpts"', "holds 'left'", "not a number"],
    ),
    "null among numbers": (annotation(set_number("keypoints", 3, None)), ["annotation 2", '"keypoints"']),
    "keypoint NaN": (
        annotation(set_number("keypoints", 3, float("nan"))),
        ["annotation 2 (id 102)", '"keypoints"', "not finite", "Correct or remove"],
    ),
    "box of three numbers": (annotation(set_field("bbox", [1, 2, 3])), ["annotation 2", '"bbox"', "has 3"]),
    "box infinite": (annotation(set_field("bbox", [1, 2, 3, float("inf")])), ['"bbox"', "not finite"]),
    "negative area": (annotation(set_field("area", -1)), ["annotation 2", '"area"', "-1 is negative"]),
    "id used twice": (annotation(set_field("id", 100)), ["annotation 2 (id 100)", '"id"', "twice"]),
    "picture's width not whole": (
        image_record(set_field("width", 640.7)),
        ["A.json", "image 1", '"width"', "not a whole number"],
    ),
    "crowd or not is null": (annotation(set_field("iscrowd", None)), ["annotation 2", '"iscrowd"', "null"]),
    "a number as text": (
        annotation(set_field("area", "81.5")),
        ["annotation 2", '"area"', "'81.5'", "not a number"],
    ),
    "a keypoint as text": (
        annotation(set_number("keypoints", 4, "7")),
        ["annotation 2", '"keypoints"', "'7'", "not a number"],
    ),
    "id too large": (annotation(set_field("id", 2**63 + 5)), ["annotation 2", '"id"', "not a number"]),
    "id not whole": (annotation(set_field("id", 1.5)), ["annotation 2", '"id"', "whole number"]),
    "unknown picture": (
        annotation(set_field("image_id", 99)),
        ["annotation 2 (id 102)", '"image_id"', "99 names no picture"],
    ),
    "unknown category": (
        annotation(set_field("category_id", 18)),
        ["annotation 2", '"category_id"', "not 1"],
    ),
}
RESULTS = {
    "results not a list": (
        lambda w: load_results(w.file("R.json", {"a": 1})),
        ["R.json", "list of results", "results file"],
    ),
    "annotations given as results": (
        lambda w: load_results(w.truth_path),
        ["coco_wholebody_val", "list of results", "results file"],
    ),
    "results of another category": (
        results(good_result(), good_result(category_id=3)),
        ["R.json", "result 1", '"category_id"', "not 1"],
    ),
    "results for unknown pictures": (
        results(good_result(), good_result(8), good_result(9)),
        ["R.json", "result 1", '"image_id"', "8 names no picture", "1 more", "coco_wholebody_val"],
    ),
    "MMPose's demo output": (
        lambda w: load_results(w.file("R.json", {"meta_info": {}, "instance_info": []})),
        ["R.json", "MMPose's demo", "results_from_arrays"],
    ),
    "MMPose's predictions": (
        results({"keypoints": [[1, 2]] * 133, "keypoint_scores": [0.5] * 133, "bbox": [0, 0, 9, 9]}),
        ["R.json", "MMPose's predictions", "results_from_arrays"],
    ),
    "133 keypoints in one field": (
        results({"image_id": 1, "category_id": 1, "score": 0.5, "keypoints": [1.0] * 399}),
        ["R.json", "result 0", "all 133", "foot_kpts", "results_from_arrays"],
    ),
    "keypoints of two lengths": (
        results(good_result(keypoints=[[1, 2], [3]])),
        ["R.json", "result 0", '"keypoints"'],
    ),
    "no result has a score": (
        results(without(good_result(), "score"), without(good_result(), "score")),
        ["R.json", '"score"', "missing in 2 of 2", "every result"],
    ),
    "result without score": (
        results(good_result(), without(good_result(), "score")),
        ["R.json", "result 1", '"score"', "missing"],
    ),
    "result's score NaN": (
        results(good_result(score=float("nan")), good_result(score=float("nan"))),
        ["R.json", "result 0", '"score"', "not finite", "1 more"],
    ),
    "result's score a list": (results(good_result(score=[1, 2])), ["result 0", '"score"', "number"]),
    "result's hand too long": (
        results(good_result(lefthand_kpts=[0.0] * 66)),
        ["result 0", '"lefthand_kpts"', "66", "63"],
    ),
    "bbox in the first result only": (
        results(good_result(bbox=[0, 0, 9, 9]), good_result()),
        ["R.json", "result 1", '"bbox"', "first"],
    ),
    "rescore without box scores": (
        lambda w: rescore(load_results(w.file("R.json", [good_result()]))),
        ["R.json", "result 0", '"bbox_score"', "without rescoring"],
    ),
    "OKS-NMS without boxes": (
        lambda w: rescore_and_nms(load_results(w.file("R.json", [good_result(bbox_score=0.5)]))),
        ["R.json", "result 0", '"bbox"', "OKS-NMS"],
    ),
    "unknown NMS": (lambda w: rescore_and_nms(columns(w)[1], method="nms"), ["'nms'", "soft_oks_nms"]),
    "unknown part": (lambda w: match(*columns(w), "tail"), ["'tail'", "lefthand"]),
    "unknown area range": (
        lambda w: precision_recall(match(*columns(w), "body"), "small"),
        ["'small'", "medium"],
    ),
    "columns for the reference": (lambda w: reference_table(*columns(w)), ["columns", "path"]),
    "array of another shape": (
        lambda w: results_from_arrays(np.zeros((2, 17, 3)), None, [1, 1], [1, 1]),
        ["(2, 17, 3)", "(N, 133, 3)"],
    ),
    "columns of other lengths": (
        lambda w: results_from_arrays(np.zeros((2, 133, 3)), None, [1, 1, 1], [1, 1]),
        ["image_id", "3 entries for 2 persons", "one a person"],
    ),
    "array with NaN": (
        lambda w: results_from_arrays(np.full((2, 133, 3), np.nan), None, [1, 1], [1, 1]),
        ["result 0", '"keypoints"', "not finite"],
    ),
    "one box for two persons": (
        lambda w: results_from_arrays(np.zeros((2, 133, 3)), [0, 0, 9, 9], [1, 1], [1, 1]),
        ["bbox", "4 entries for 2 persons"],
    ),
}
DETECTIONS = {
    "detected box empty": (
        detections({"image_id": 1, "category_id": 1, "bbox": [5, 5, 0, 9], "score": 0.5}),
        ["D.json", "detection 2", '"bbox"', "empty"],
    ),
    "detection without score": (
        detections({"image_id": 1, "category_id": 1, "bbox": [5, 5, 1, 9]}),
        ["D.json", "detection 2", '"score"', "missing"],
    ),
    "detections of other pictures": (
        unknown_detections,
        ["D.json", "detection 1", '"image_id"', "image 77", "2 of 3"],
    ),
    "detections not a list": (lambda w: load_detections(w.file("D.json", {})), ["D.json", "list", "bbox"]),
    "no detections file": (without_detections, ["COCO_val2017_detections", "--boxes gt"]),
}
PREDICTION = {
    "float picture": (
        lambda w: Predictor(Constant(0.0), TINY, device="cpu")(np.zeros((9, 9, 3)), [[0, 0, 5, 5]]),
        ["float64", "(9, 9, 3)", "uint8"],
    ),
    "grey picture": (
        lambda w: Predictor(Constant(0.0), TINY, device="cpu")(np.zeros((9, 9), np.uint8), [[0, 0, 5, 5]]),
        ["uint8 (9, 9)", "(H, W, 3)"],
    ),
    "path for a picture": (
        lambda w: Predictor(Constant(0.0), TINY, device="cpu")("a.jpg", [[0, 0, 5, 5]]),
        ["str", "uint8", "read_image"],
    ),
    "boxes of another shape": (boxes([[1, 2, 3]]), ["(1, 3)", "(N, 4)"]),
    "one box, not a list": (boxes([1, 2, 3, 4]), ["(4,)", "(N, 4)"]),
    "boxes of words": (boxes([["a", "b", "c", "d"]]), ["boxes", "numbers", "(N, 4)"]),
    "boxes of several lengths": (boxes([[1, 2, 3, 4], [1, 2, 3]]), ["boxes", "numbers", "(N, 4)"]),
    "box NaN": (boxes([[0, 0, 9, 9], [0, float("nan"), 9, 9]]), ["box 1", "nan", "not finite"]),
    "box empty": (boxes([[0, 0, 9, 9], [5, 5, 0, 9]]), ["box 1", "empty", "width, height"]),
    "box outside": (boxes([[200, 5, 9, 9]]), ["box 0", "outside the 160 x 120 picture"]),
    "network says NaN": (
        lambda w: Predictor(Constant(float("nan")), TINY, device="cpu")(
            read_image(w.picture()), [[0, 0, 9, 9]]
        ),
        ["NaN", "checkpoint"],
    ),
    "unknown recipe": (lambda w: Predictor(Constant(0.0), "w64"), ["'w64'", "w32_dark_256x192", "tiny"]),
    "unknown detector": (
        lambda w: detect_people(read_image(w.picture()), "yolo"),
        ["'yolo'", "hog", "whole"],
    ),
    "unknown detector, many pictures": (
        lambda w: w.predict(w.picture(), w.picture(OTHER_PICTURE), "--detector", "yolo"),
        ["there is no detector 'yolo'", "hog"],
    ),
    "one broken picture of many": (
        broken_in_a_long_run,
        ["2 of 5 persons", "person 100", PICTURE, "cut off", "again"],
    ),
}
COMMANDS = {
    "no such picture": (lambda w: w.predict(w.folder / "gone.jpg"), ["gone.jpg", "no such picture"]),
    "no pictures in the folder": (folder_without_pictures, ["empty", "no pictures", ".jpg"]),
    "one picture twice": (
        lambda w: w.predict(w.picture(), w.picture().parent / "." / PICTURE),
        [PICTURE, "twice", "Leave one away"],
    ),
    "picture that the annotations lack": (
        lambda w: w.predict(w.file("dog.jpg", w.picture().read_bytes()), "--annotations", w.truth_path),
        ["coco_wholebody_val", "has no picture", "dog.jpg", "lists these"],
    ),
    "picture that the annotations list twice": (
        names_listed_twice,
        ["frames.json", "more than one picture 7.jpg", "lists these"],
    ),
    "two pictures for one of the annotations": (
        lambda w: w.predict(
            w.picture(), w.file(PICTURE, w.picture().read_bytes()), "--annotations", w.truth_path
        ),
        ["coco_wholebody_val", f"lists one picture {PICTURE}", "Leave one away"],
    ),
    "drawing over a picture": (
        lambda w: w.run(
            "predict",
            w.file("a.jpg", w.picture().read_bytes()),
            w.file("a.pose.jpg", w.picture().read_bytes()),
            "--out",
            w.folder,
        ),
        ["would replace", "a.pose.jpg", "--out"],
    ),
    "picture larger than OpenCV cuts": (
        lambda w: w.predict(wide_picture(w), w.picture(), "--detector", "whole"),
        ["1 of 2 pictures", "wide.png", "33000 x 8 px"],
    ),
    "results of another kind": (
        lambda w: w.run("predict", w.picture(), "--out", "results.yaml"),
        ["results.yaml", ".yaml", ".csv", "folder"],
    ),
    "batch size 0": (
        lambda w: load_predictor(w.checkpoint, device="cpu", batch_size=0),
        ["--batch-size", "at least 1"],
    ),
    "unknown device": (lambda w: load_predictor(w.checkpoint, device="tpu9"), ["'tpu9'", "--device cpu"]),
    "boxes file missing": (
        lambda w: w.predict(w.picture(), "--boxes", w.folder / "b.json"),
        ["b.json", "No such", "Check"],
    ),
    "boxes file a number": (boxes_file([1, 2]), ["boxes.json", "bbox", "COCO"]),
    "boxes file without this picture": (
        boxes_file({"b.jpg": [[0, 0, 5, 5]]}),
        ["boxes.json", PICTURE, "Add"],
    ),
    "boxes of three numbers": (
        boxes_file({PICTURE: [[0, 0, 5, 5], *[[0, 0, 5]] * 5]}),
        ["boxes.json", f"box 1 of {PICTURE}", "x, y, width, height"],
    ),
    "five boxes of three numbers": (
        boxes_file({PICTURE: [[0, 0, 5]] * 5}),
        ["boxes.json", f"box 0 of {PICTURE}", "x, y, width, height"],
    ),
    "boxes of words in the file": (boxes_file({PICTURE: [["a", 0, 5, 5]]}), ["boxes.json", PICTURE, "'a'"]),
    "box without picture in the file": (
        boxes_file([{"image_id": 1, "bbox": [0, 0, 5, 5], "score": 1}, {"bbox": [0, 0, 5, 5], "score": 1}]),
        ["boxes.json", "detection 1", "image_id", "missing"],
    ),
    "unwritable output": (unwritable_out, ["out", "cannot be written", "writable"]),
    "only results": (lambda w: w.run("evaluate", "--results", w.truth_path), ["--annotations", "both"]),
    "results and a checkpoint": (
        lambda w: w.run(
            "evaluate", "--results", w.truth_path, "--annotations", w.truth_path, "--data", w.folder
        ),
        ["a results file and a checkpoint", "Leave out"],
    ),
    "nothing to evaluate": (lambda w: w.run("evaluate"), ["nothing to evaluate", "--data"]),
    "no checkpoint": (
        lambda w: empty_data(w, "predict"),
        ["no checkpoint", "--checkpoint", "w32_dark_256x192"],
    ),
    "no data": (lambda w: empty_data(w, "demo"), ["no data", "wholebody-mini", "--data"]),
    "WBKIT_DATA points nowhere": (nowhere, ["gone", "WBKIT_DATA", "does not exist", "data/"]),
    "data folder missing": (
        lambda w: find_coco_folder(w.folder / "gone"),
        ["gone", "folder is missing", "val2017"],
    ),
    "annotation folder missing": (
        lambda w: find_coco_folder(w.folder),
        ["coco_wholebody_val_v1.0.json", "annotation file is missing", "--data"],
    ),
    "annotation file missing": (
        lambda w: find_coco_folder(f"{w.folder}/mine.json:{w.coco}/val2017"),
        ["mine.json", "annotation file is missing", "labels.json:pictures"],
    ),
    "picture folder missing": (
        lambda w: find_coco_folder(f"{w.truth_path}:gone"),
        ["gone", "picture folder is missing", "labels.json:pictures"],
    ),
    "pictures missing": (missing_pictures, ["val2017", "2 of 3", PICTURE, "download"]),
    "nobody has labels": (nobody_labelled, ["coco_wholebody_val", "nobody", "other data"]),
    "nobody to train on": (train_on_nobody, ["nobody to train on", "labelled"]),
    "unknown download": (
        lambda w: w.run("download", "checkpoint", "w99"),
        ["'w99'", "w32_dark_256x192", "address"],
    ),
    "download without a name": (
        lambda w: w.run("download", "checkpoint"),
        ["no checkpoint is named", "w32_dark_256x192"],
    ),
    "zip that leaves its folder": (zip_file("a.jpg", "../b.jpg"), ["val2017.zip", "../b.jpg", "outside"]),
    "zip cut off": (
        lambda w: unpack(w.file("val2017.zip", b"PK\x03\x04abc"), w.folder),
        ["val2017.zip", "whole zip", "again"],
    ),
}
CHECKPOINTS = {
    "checkpoint missing": (
        lambda w: load_predictor(w.folder / "gone.pth"),
        ["gone.pth", "not exist", "path"],
    ),
    "checkpoint is a folder": (lambda w: load_predictor(w.folder), ["is a folder", "file inside"]),
    "checkpoint empty": (checkpoint_file(lambda w, p: p.write_bytes(b"")), ["net.pth", "empty", "again"]),
    "web page": (checkpoint_file(lambda w, p: p.write_text("<html>")), ["net.pth", "web page", "again"]),
    "not a checkpoint": (
        checkpoint_file(lambda w, p: p.write_bytes(b"hello" * 99)),
        ["net.pth", "not a checkpoint", "again"],
    ),
    "checkpoint cut off": (
        checkpoint_file(lambda w, p: p.write_bytes(w.checkpoint.read_bytes()[:-1000])),
        ["net.pth", "whole", "again"],
    ),
    "PyTorch file cut off": (
        checkpoint_file(
            lambda w, p: (torch.save(PoseNet(8).state_dict(), p), p.write_bytes(p.read_bytes()[:-999]))
        ),
        ["net.pth", "cut off", "again"],
    ),
    "checkpoint that runs code": (
        checkpoint_file(lambda w, p: torch.save({"state_dict": RunsCode()}, p)),
        ["net.pth", "refused", "system", "weights"],
    ),
    "pickle that runs code": (
        checkpoint_file(lambda w, p: p.write_bytes(pickle.dumps(RunsCode(), protocol=2))),
        ["net.pth", "refused", "system", "weights"],
    ),
    "wrong hash": (
        checkpoint_file(wrong_hash, "net-0123abcd.safetensors"),
        ["net-0123abcd", "hash", "expected sha256:0123abcd", "again"],
    ),
    "another width": (
        lambda w: load_pose_weights(PoseNet(8), w.checkpoint),
        ["tiny.safetensors", "width 16", "width 8", "PoseNet(width=16"],
    ),
    "another number of keypoints": (
        lambda w: load_pose_weights(PoseNet(16, 17), w.checkpoint),
        ["tiny.safetensors", "133 keypoints", "17", "num_keypoints=133"],
    ),
    "no HRNet": (
        checkpoint_file(lambda w, p: torch.save({"a.weight": torch.zeros(3)}, p)),
        ["net.pth", "no HRNet", "a.weight"],
    ),
    "no recipe named": (nameless_checkpoint, ["net.safetensors", "which recipe", "--recipe", "tiny"]),
    "unknown recipe named": (lambda w: nameless_checkpoint(w, "huge"), ["'huge'", "tiny"]),
    "recipe of another width": (
        lambda w: nameless_checkpoint(w, "tiny"),
        ["net.safetensors", "width 8", "tiny", "width 16", "--recipe"],
    ),
}
CASES = PICTURES | ANNOTATION_FILES | ANNOTATIONS | RESULTS | DETECTIONS | PREDICTION | COMMANDS | CHECKPOINTS


@pytest.fixture
def world(tmp_path, tiny_coco, tiny_checkpoint, monkeypatch, one_thread) -> World:
    monkeypatch.chdir(tmp_path)
    return World(tmp_path, tiny_coco, tiny_checkpoint, monkeypatch.setenv)


@pytest.mark.parametrize("case", CASES)
def test_the_message_says_what_where_and_what_to_do(case, world, request):
    provoke, fragments = CASES[case]
    with pytest.raises(InputError) as caught:
        provoke(world)
    message = str(caught.value)
    if request.config.getoption("verbose") > 1:
        print(f"\n[{case}] {message.replace(str(world.folder), '~')}")
    assert [f for f in fragments if f not in message] == []
    assert caught.value.remedy[:1].isupper()  # a whole sentence
    assert "None" not in message


def test_the_table_has_many_kinds():
    assert len(CASES) >= 30


def png_header(width: int, height: int) -> bytes:
    """A PNG that begins like one of that size, and has no pixels."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = {b"IHDR": size, b"IDAT": b"0" * 99, b"IEND": b""}
    chunks = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", crc32(k + c)) for k, c in parts.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("restart", [0, 2])
def test_unusual_jpegs(progressive, restart, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, restart]
    jpeg = cv2.imencode(".jpg", picture, options)[1].tobytes()
    expected = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    thumbnail = jpeg_segment(0xE1, jpeg)  # a whole JPEG inside the header
    film = b"\x00\x00\x00\x18ftypmp42" + np.random.default_rng(1).bytes(9000)
    path = tmp_path / "photo.jpg"
    whole = jpeg[:2] + thumbnail + jpeg[2:]
    for good in (jpeg, jpeg + film, whole, whole + film, jpeg + b"\0", jpeg[:2] + b"\xff" + jpeg[2:]):
        path.write_bytes(good)
        np.testing.assert_array_equal(read_image(path), expected)
    for cut in (len(whole) - 1, len(whole) - 2, len(whole) - 100, len(jpeg) + 700, len(jpeg), 900, 30, 3, 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"photo\.jpg.*cut off.*again"):
            read_image(path)
