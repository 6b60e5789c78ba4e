"""Every command, in process, on tiny pictures: what it writes, says and returns."""

import copy
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers import FIELDS
from small_coco import PEOPLE_BOXES, picture_name, small_picture

from wbkit import __version__, download
from wbkit.annotations import load_annotations, load_detections, load_results, results_from_arrays
from wbkit.checkpoints import save_pose_weights
from wbkit.cli import alone, build_parser, main
from wbkit.commands import demo
from wbkit.commands import download as download_command
from wbkit.commands.journal import Journal
from wbkit.commands.photos import list_photos
from wbkit.errors import InputError
from wbkit.evaluate import STATISTICS, per_part_table
from wbkit.files import one_process
from wbkit.hrnet import PoseNet
from wbkit.keypoints import KEYPOINTS
from wbkit.nms import rescore_and_nms
from wbkit.pictures import read_image
from wbkit.recipes import RECIPES
from wbkit.video import write_frames

COMMANDS = ("demo", "predict", "evaluate", "reproduce", "download")
ROWS = ["body", "foot", "face", "lefthand", "righthand", "wholebody", "hand"]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Commands write below the current folder; no model or data of the checkout is used by chance."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("WBKIT_DATA", str(tmp_path / "data"))


def pictures(folder: Path) -> list[Path]:
    return [folder / "val2017" / picture_name(i) for i in PEOPLE_BOXES]


def truth(folder: Path) -> Path:
    return folder / "annotations" / "coco_wholebody_val_v1.0.json"


def call(*arguments: object) -> int:
    return main([str(a) for a in arguments])


@pytest.fixture
def predict(tiny_checkpoint, tmp_path):
    """`wbkit predict` with the tiny checkpoint: exit status and records."""

    def run(*arguments: object) -> tuple[int, list[dict]]:
        out = tmp_path / "out" / "results.json"
        status = call("predict", *arguments, "--checkpoint", tiny_checkpoint, "--out", out, "--device", "cpu")
        return status, json.loads(out.read_text()) if out.exists() else []

    return run


# --- the command line itself -------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert f"  wbkit {command}" in text


def examples() -> list[list[str]]:
    """The lines `  wbkit COMMAND ...` of the help texts, without their comments."""
    from wbkit.help_texts import EXAMPLES

    lines = [line for text in EXAMPLES.values() for line in text.splitlines() if line.startswith("  wbkit ")]
    return [line.split("  ")[0].split()[1:] for line in (line.strip() for line in lines)]


@pytest.mark.parametrize("arguments", examples(), ids=" ".join)
def test_examples_can_be_parsed(arguments):
    assert build_parser().parse_args(arguments).command == arguments[0]


def test_version_and_missing_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"wbkit {__version__}\n"
    for wrong in ([], ["train-a-dog"], ["evaluate", "--boxes", "mine"], ["predict"]):
        with pytest.raises(SystemExit) as stop:
            main(wrong)
        assert stop.value.code == 2
        assert "usage:" in capsys.readouterr().err


def test_bad_input_ends_with_status_2_and_one_message(capsys):
    assert call("evaluate", "--annotations", "none.json", "--results", "none.json") == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("wbkit evaluate: none.json: cannot be read")
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_interruption_ends_with_130(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("wbkit.commands.evaluate.evaluate_results", interrupted)
    assert call("evaluate", "--annotations", "a.json", "--results", "b.json") == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "predict", "analyse", "synth"])
def test_a_second_run_into_one_place_is_kept_out(command, tmp_path, monkeypatch, capsys):
    """Until the first has ended; another place is free, and this one to the processes of the first run."""
    ran = []
    monkeypatch.setattr("wbkit.cli.resolve_name", lambda _: ran.append)
    words = {"predict": ["x.jpg"], "synth": ["--pictures", "2"]}
    words["analyse"] = ["--annotations", "a.json", "--results", "r.json"]
    here, there = ([command, *words.get(command, []), "--out", str(tmp_path / n)] for n in ("a", "b"))
    with alone(build_parser().parse_args(here)):
        assert main(here) == 2
        assert f"another wbkit {command} is writing to {tmp_path / 'a'}" in capsys.readouterr().err
        assert main(there) == 0
        if command == "predict":  # the same file
            assert main([*here[:-1], str(tmp_path / "a" / "results.json")]) == 2
        monkeypatch.setenv("RANK", "1")
        assert main(here) == 0
        monkeypatch.delenv("RANK")
    assert main(here) == 0
    assert len(ran) == 3


def test_a_lock_lets_one_in_at_a_time_and_goes_with_the_last(tmp_path):
    """Twelve threads add to a number in a file, 25 times each: none reads what another is about to change."""
    number, lock = tmp_path / "number", tmp_path / "folder" / "lock"
    number.write_text("0")

    def add(_) -> None:
        for _ in range(25):
            with one_process(lock):
                value = int(number.read_text())
                number.write_text(str(value + 1))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(add, range(12)))
    assert number.read_text() == str(12 * 25)
    assert not lock.exists()


def test_without_a_place_for_locks_runs_go_on(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr("wbkit.cli.resolve_name", lambda _: ran.append)
    monkeypatch.setattr("wbkit.cli.gettempdir", lambda: str(tmp_path / "gone"))
    assert main(["train", "--out", str(tmp_path)]) == 0
    assert len(ran) == 1


def test_as_a_module_and_as_a_script():
    modules = ([sys.executable, "-m", name] for name in ("wbkit", "wbkit.cli"))
    for command in (*modules, [Path(sys.executable).with_name("wbkit")]):
        if Path(command[0]).exists():
            done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stdout) == (0, f"wbkit {__version__}\n")


# --- predict -----------------------------------------------------------------------------------------


def named_boxes(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({picture_name(i): boxes for i, boxes in PEOPLE_BOXES.items()}))
    return path


def test_predict_with_named_boxes(tiny_coco, tmp_path, predict, capsys):
    status, records = predict(*pictures(tiny_coco), "--boxes", named_boxes(tiny_coco, tmp_path))
    assert status == 0
    assert [r["image_id"] for r in records] == [1, 1, 2, 2, 3]
    assert [tuple(r["bbox"]) for r in records] == [box for boxes in PEOPLE_BOXES.values() for box in boxes]
    assert [r["file_name"] for r in records] == [picture_name(i) for i in (1, 1, 2, 2, 3)]
    assert all(r["bbox_score"] == 1 and r["category_id"] == 1 for r in records)
    results = load_results(tmp_path / "out" / "results.json")
    table = per_part_table(truth(tiny_coco), results)
    assert list(table.index) == ROWS
    assert table.loc["wholebody"].notna().any()
    assert "5 people in 3 pictures" in capsys.readouterr().out
    for path in pictures(tiny_coco):
        drawing = cv2.imread(str(tmp_path / "out" / f"{path.stem}.pose.jpg"))
        assert drawing.shape == (360, 480, 3)  # small pictures are enlarged to be drawn on
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        *(f"{p.stem}.pose.jpg" for p in pictures(tiny_coco)),
        "results.json",
    ]


def test_predict_with_a_coco_detection_file(tiny_coco, tmp_path, predict):
    boxes = next((tiny_coco / "person_detection_results").iterdir())
    status, records = predict(*pictures(tiny_coco), "--boxes", boxes, "--min-box-score", "0")
    found = load_detections(boxes)
    assert status == 0
    assert [r["image_id"] for r in records] == found.image_ids.tolist()
    np.testing.assert_allclose([r["bbox"] for r in records], found.boxes_xywh)
    np.testing.assert_allclose([r["bbox_score"] for r in records], found.scores)
    least = np.sort(found.scores)[-2]
    _, sure = predict(*pictures(tiny_coco), "--boxes", boxes, "--min-box-score", least)
    assert sure == [r for r in records if r["bbox_score"] >= least]
    assert len(sure) == 2


def test_boxes_of_an_annotation_file(tiny_coco, predict):
    status, records = predict(*pictures(tiny_coco), "--boxes", truth(tiny_coco))
    annotations = load_annotations(truth(tiny_coco))
    assert status == 0
    assert [(r["image_id"], tuple(r["bbox"])) for r in records] == [
        (i, tuple(box))
        for i, box in zip(annotations.person_image_ids, annotations.boxes_xywh.tolist(), strict=True)
    ]
    assert all(r["bbox_score"] == 1 for r in records)


def test_coco_boxes_belong_to_the_number_in_the_name_only(tiny_coco, tmp_path, predict, capsys):
    # One picture without a number: ids are then 1, 2; the boxes of image 1 must not go to photo.jpg.
    photo = shutil.copy(pictures(tiny_coco)[1], tmp_path / "photo.jpg")
    boxes = next((tiny_coco / "person_detection_results").iterdir())
    assert predict(photo, pictures(tiny_coco)[2], "--boxes", boxes)[0] == 2
    assert "has no boxes for photo.jpg" in capsys.readouterr().err


def test_a_picture_that_detections_do_not_name_has_nobody(tiny_coco, tmp_path, predict):
    """Where the annotations say which picture has which id, so that nothing is guessed."""
    boxes = json.loads(next((tiny_coco / "person_detection_results").iterdir()).read_text())
    some = [box for box in boxes if box["image_id"] != boxes[0]["image_id"]]
    assert {box["image_id"] for box in boxes} - {box["image_id"] for box in some}
    (tmp_path / "some.json").write_text(json.dumps(some))
    status, records = predict(
        *pictures(tiny_coco), "--boxes", tmp_path / "some.json", "--annotations", truth(tiny_coco)
    )
    assert status == 0
    assert {r["image_id"] for r in records} == {box["image_id"] for box in some if box["score"] >= 0.3}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_does_not_cost_the_table(tiny_coco, tmp_path, tiny_checkpoint):
    name = os.fsdecode(b"caf\xe9.jpg")
    shutil.copy(pictures(tiny_coco)[0], tmp_path / name)
    (tmp_path / "b.json").write_text(json.dumps({name: [[10, 10, 60, 90]]}))
    given = ["--boxes", tmp_path / "b.json", "--checkpoint", tiny_checkpoint, "--device", "cpu"]
    assert call("predict", tmp_path / name, *given, "--out", tmp_path / "x.csv") == 0
    assert set(pd.read_csv(tmp_path / "x.csv")["file_name"]) == {"caf\\udce9.jpg"}


def test_a_bad_box_costs_that_box_only_and_is_told(tiny_coco, tmp_path, predict, capsys):
    name = pictures(tiny_coco)[0].name
    boxes = {name: [[500, 0, 5, 5], [10, 10, 60, 90], [3, 3, 0, 9], [10, 10, 150, 110]]}
    (tmp_path / "b.json").write_text(json.dumps(boxes))
    status, records = predict(pictures(tiny_coco)[0], "--boxes", tmp_path / "b.json")
    assert (status, [r["bbox"] for r in records]) == (0, [boxes[name][1], boxes[name][3]])
    told = capsys.readouterr().out
    assert (
        f"left out: 2 boxes:\n  {name}: box [500.0, 0.0, 5.0, 5.0] lies outside the 160 x 120 picture" in told
    )
    assert "box [3.0, 3.0, 0.0, 9.0] is empty" in told
    assert "not corners" not in told


def test_corners_instead_of_sizes_are_told(tiny_coco, tmp_path, predict, capsys):
    name = pictures(tiny_coco)[0].name
    (tmp_path / "b.json").write_text(json.dumps({name: [[80, 40, 150, 110]]}))
    assert predict(pictures(tiny_coco)[0], "--boxes", tmp_path / "b.json")[0] == 0
    assert "1 boxes reach far out of their picture" in capsys.readouterr().out


def test_a_score_in_percent_is_refused(tiny_coco, tmp_path, predict, capsys):
    name = pictures(tiny_coco)[0].name
    (tmp_path / "b.json").write_text(json.dumps({name: [[10, 10, 60, 90, 85]]}))
    assert predict(pictures(tiny_coco)[0], "--boxes", tmp_path / "b.json") == (2, [])
    assert "the score, 0 to 1" in capsys.readouterr().err


def test_names_without_boxes_are_told_with_those_that_have_some(tiny_coco, tmp_path, predict, capsys):
    stem = pictures(tiny_coco)[0].stem
    (tmp_path / "b.json").write_text(json.dumps({stem: [[10, 10, 60, 90]]}))
    assert predict(pictures(tiny_coco)[0], "--boxes", tmp_path / "b.json")[0] == 2
    assert f"has no boxes for {stem}.jpg, but for '{stem}'" in capsys.readouterr().err


def test_what_is_no_picture_in_a_folder_is_told(tiny_coco, tmp_path, predict, capsys):
    folder = tmp_path / "mixed"
    (folder / "below").mkdir(parents=True)
    shutil.copy(pictures(tiny_coco)[0], folder)
    for name in ("a.heic", "b.heic", "notes", ".hidden"):
        (folder / name).write_bytes(b"")
    predict(folder, "--detector", "whole")
    assert f"passed over in {folder}: 2 .heic, 1 file without ending, 1 folder\n" in capsys.readouterr().out


def test_a_picture_without_anybody_has_a_person_of_score_0(tmp_path, predict, capsys):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((200, 200, 3), 90, np.uint8))
    (record,) = predict(tmp_path / "grey.png", "--detector", "hog")[1]
    assert (record["bbox_score"], record["score"], record["guessed"]) == (0, 0, True)
    assert "the whole picture was taken for one person, with score 0" in capsys.readouterr().out
    (record,) = predict(tmp_path / "grey.png", "--detector", "whole")[1]
    assert record["bbox_score"] == 1
    assert "guessed" not in record


def labels_in_another_order(tiny_coco: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A folder of pictures whose alphabet is not the order of their ids, and the labels."""
    content = json.loads(truth(tiny_coco).read_text())
    (tmp_path / "named").mkdir()
    for image, name in zip(content["images"], ("zoe.jpg", "adam.jpg", "eve.jpg"), strict=False):
        shutil.copy(tiny_coco / "val2017" / image["file_name"], tmp_path / "named" / name)
        image["file_name"] = name
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(content))
    return tmp_path / "named", labels


def test_boxes_of_labels_bring_their_ids(tiny_coco, tmp_path, predict):
    folder, labels = labels_in_another_order(tiny_coco, tmp_path)
    ids = {i["file_name"]: i["id"] for i in json.loads(labels.read_text())["images"]}
    _, records = predict(folder, "--boxes", labels)
    assert records
    assert all(ids[r["file_name"]] == r["image_id"] for r in records)


def test_results_of_other_pictures_than_their_ids_say_are_refused(tiny_coco, tmp_path, predict, capsys):
    folder, labels = labels_in_another_order(tiny_coco, tmp_path)
    predict(folder, "--detector", "whole")  # ids by the alphabet
    arguments = ("--annotations", labels, "--results", tmp_path / "out" / "results.json")
    capsys.readouterr()
    for command in ("evaluate", "analyse"):
        assert call(command, *arguments, "--out", tmp_path / "o") == 2
        told = capsys.readouterr().err
        assert re.search(r"result 0: is of adam\.jpg, but image 1 is zoe\.jpg in .*labels\.json", told)
        assert "wbkit predict --annotations" in told


def test_a_run_that_ended_is_not_an_unfinished_one(tiny_coco, tmp_path, predict, monkeypatch):
    """A broken picture among good ones: --resume may mend it, but another call begins anew."""
    bad = tmp_path / "zero.jpg"
    bad.write_bytes(b"")
    assert predict(pictures(tiny_coco)[0], bad, "--detector", "whole")[0] == 2
    assert predict(pictures(tiny_coco)[1], "--detector", "whole")[0] == 0
    assert predict(pictures(tiny_coco)[0], bad, "--detector", "whole")[0] == 2
    shutil.copy(pictures(tiny_coco)[2], bad)
    seen = interrupt_at(None, monkeypatch)
    status, records = predict(pictures(tiny_coco)[0], bad, "--detector", "whole", "--resume")
    assert (status, len(records), seen) == (0, 2, [bad])


def test_an_interrupted_run_does_not_replace_one_that_ended(tiny_coco, tmp_path, predict, monkeypatch):
    """... with a broken picture, too."""
    bad = tmp_path / "zero.jpg"
    bad.write_bytes(b"")
    given = (*pictures(tiny_coco), bad, "--detector", "whole", "--batch-size", "1")
    _, before = predict(*given)
    interrupt_at(pictures(tiny_coco)[1], monkeypatch)
    assert predict(*given) == (2, before)


def test_a_video_does_not_replace_an_unfinished_run_of_pictures(
    tiny_coco, tmp_path, predict, monkeypatch, capsys
):
    interrupt_at(pictures(tiny_coco)[1], monkeypatch)
    _, before = predict(*pictures(tiny_coco), "--detector", "whole", "--batch-size", "1")
    capsys.readouterr()
    with write_frames(tmp_path / "clip.mp4", 25, (64, 64)) as add:
        add(np.zeros((64, 64, 3), np.uint8))
    assert predict(tmp_path / "clip.mp4") == (2, before)
    assert "an unfinished run of pictures is there. Give another --out" in capsys.readouterr().err


@pytest.mark.parametrize("name", [None, "", "C:\\pics\\{name}", "else/where/{name}"])
def test_names_that_say_nothing_else_are_no_reason_to_refuse_results(name, tiny_coco, results_file, tmp_path):
    content = json.loads(results_file.read_text())
    names = {i["id"]: Path(i["file_name"]).name for i in json.loads(truth(tiny_coco).read_text())["images"]}
    for record in content:
        record["file_name"] = name and name.format(name=names[record["image_id"]])
    (tmp_path / "named.json").write_text(json.dumps(content))
    assert call("evaluate", "--annotations", truth(tiny_coco), "--results", tmp_path / "named.json") == 0


def test_a_place_that_cannot_be_written_is_told_before_the_work(tiny_coco, results_file, tmp_path, capsys):
    (tmp_path / "file").touch()
    given = ("--annotations", truth(tiny_coco), "--results", results_file)
    for command, out in (
        (("evaluate", *given), "table.csv"),
        (("analyse", *given), "x"),
        (("demo", "--data", tiny_coco), "x"),
    ):
        assert call(*command, "--out", tmp_path / "file" / out) == 2
        told = capsys.readouterr()
        assert "cannot be written" in told.err
        assert told.out == ""


@pytest.mark.parametrize("size", ["0x10", "-5x7", "12", "axb"])
def test_sizes_must_be_sizes(size, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["evaluate", f"--input-size={size}"])
    assert "is no size; write WIDTHxHEIGHT" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "analyse"])
def test_a_crop_s_size_is_for_rescoring(command, tiny_coco, results_file, capsys):
    arguments = ("--annotations", truth(tiny_coco), "--results", results_file, "--input-size", "256x384")
    assert call(command, *arguments) == 2
    assert "--input-size is about rescoring. Give --rescore, too" in capsys.readouterr().err


def test_box_scores_as_fifth_numbers_and_nobody(tiny_coco, tmp_path, predict):
    path = tmp_path / "boxes.json"
    content = {picture_name(1): [], picture_name(2): [[*PEOPLE_BOXES[2][0], 0.25], PEOPLE_BOXES[2][1]]}
    path.write_text(json.dumps(content))
    status, records = predict(*pictures(tiny_coco)[:2], "--boxes", path, "--min-box-score", "0.2")
    assert status == 0
    assert [(r["image_id"], r["bbox_score"]) for r in records] == [(2, 0.25), (2, 1.0)]
    assert (tmp_path / "out" / "000000000001.pose.jpg").exists()


@pytest.mark.parametrize("detector", ["whole", "hog"])
def test_predict_without_boxes_says_where_they_come_from(detector, tiny_coco, predict, capsys):
    status, records = predict(*pictures(tiny_coco)[:2], "--detector", detector)
    assert status == 0
    assert [r["image_id"] for r in records] == [1, 2]
    assert [r["bbox"] for r in records] == [[0, 0, 160, 120]] * 2
    text = capsys.readouterr().out
    assert ("in 2 pictures nobody was found" in text) == (detector == "hog")
    assert ("better give --boxes" in text) == (detector == "hog")


def test_results_are_in_the_order_of_the_pictures(tiny_coco, tmp_path, predict):
    ordered = [pictures(tiny_coco)[i] for i in (2, 0, 1)]
    _, records = predict(*ordered, "--detector", "whole", "--batch-size", "2")
    assert [r["image_id"] for r in records] == [3, 1, 2]


def test_names_without_numbers_get_running_numbers(tmp_path, predict):
    paths = [tmp_path / name for name in ("beach.png", "7.jpg", "a b.jpg")]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), small_picture(i))
    status, records = predict(*paths, "--detector", "whole")
    assert status == 0
    assert [(r["image_id"], r["file_name"]) for r in records] == [
        (1, "beach.png"),
        (2, "7.jpg"),
        (3, "a b.jpg"),
    ]


def test_ids_come_from_an_annotation_file_by_name(tiny_coco, tmp_path, predict):
    """Names that are no numbers, in an order of one's own: without the file they would be 1, 2."""
    content = json.loads(truth(tiny_coco).read_text())
    for image in content["images"]:
        image["file_name"] = f"some/folder/frame {image['id']}.jpg"
        shutil.copy(pictures(tiny_coco)[image["id"] - 1], tmp_path / f"frame {image['id']}.jpg")
    (tmp_path / "frames.json").write_text(json.dumps(content))
    chosen = [tmp_path / "frame 3.jpg", tmp_path / "frame 2.jpg"]
    status, records = predict(*chosen, "--detector", "whole", "--annotations", tmp_path / "frames.json")
    assert status == 0
    assert [(r["image_id"], r["file_name"]) for r in records] == [(3, "frame 3.jpg"), (2, "frame 2.jpg")]


def test_a_folder_stands_for_its_pictures(tiny_coco, tmp_path, predict, capsys):
    """Not for drawings of an earlier run, hidden files, other files, or pictures in folders below."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name in ("b.jpg", "a.PNG", "b.pose.jpg", ".c.jpg", "below/d.jpg"):
        cv2.imwrite(str(folder / name), small_picture(1))
    (folder / "notes.txt").write_text("mine")
    status, records = predict(folder, pictures(tiny_coco)[0], "--detector", "whole")
    assert status == 0
    assert [r["file_name"] for r in records] == ["a.PNG", "b.jpg", picture_name(1)]
    assert "3 people in 3 pictures" in capsys.readouterr().out


def test_pictures_of_one_name_are_drawn_apart(tmp_path, predict):
    paths = [tmp_path / name for name in ("one/7.jpg", "two/7.jpg", "two/7.png", "x.jpg")]
    for i, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), small_picture(i))
    boxes = tmp_path / "boxes.json"
    names = [paths[0].as_posix(), paths[1].as_posix(), "7.png", "x.jpg"]
    boxes.write_text(json.dumps({name: [[i, 0, 50, 90]] for i, name in enumerate(names)}))
    status, records = predict(*paths, "--boxes", boxes)
    assert status == 0
    assert [(r["image_id"], r["file_name"], r["bbox"][0]) for r in records] == [
        (i + 1, name, i) for i, name in enumerate(names)
    ]
    drawn = {p.name for p in (tmp_path / "out").glob("*.pose.jpg")}
    more = [tmp_path / name for name in ("q/a-3.jpg", "x/a.jpg", "y/a.jpg", "z/a.jpg")]
    for path in more:
        path.parent.mkdir(exist_ok=True)
        shutil.copy(paths[0], path)
    assert [photo.drawing for photo in list_photos(more)] == [
        f"{stem}.pose.jpg" for stem in ("a-3", "a", "a.jpg", "a-2")
    ]
    assert drawn == {"7.pose.jpg", "7.jpg.pose.jpg", "7.png.pose.jpg", "x.pose.jpg"}


def test_evaluate_tells_what_looks_like_a_mistake(tiny_coco, predict, tmp_path, capsys):
    predict(pictures(tiny_coco)[0], "--boxes", named_boxes(tiny_coco, tmp_path))
    files = ["--annotations", truth(tiny_coco), "--results", tmp_path / "out" / "results.json"]
    capsys.readouterr()
    assert call("evaluate", *files) == 0
    told = capsys.readouterr().out
    assert "results.json: 2 of 3 pictures with labelled people have no result" in told
    assert "--rescore does first what MMPose does" in told
    corners = json.loads(Path(files[1]).read_text())
    for record in corners["annotations"]:
        record["bbox"] = [500, 300, 640, 480]
    (tmp_path / "corners.json").write_text(json.dumps(corners))
    assert call("evaluate", "--annotations", tmp_path / "corners.json", *files[2:]) == 0
    assert "corners.json: 5 of 5 boxes reach far out" in capsys.readouterr().out
    assert call("evaluate", *files, "--boxes", "gt") == 2
    assert "--boxes belongs to evaluating a checkpoint" in capsys.readouterr().err
    assert call("evaluate", *files, "--rescore") == 0
    assert "--rescore" not in capsys.readouterr().out


def test_results_as_a_table_of_some_parts(tiny_coco, tmp_path, tiny_checkpoint, predict):
    _, records = predict(*pictures(tiny_coco), "--boxes", named_boxes(tiny_coco, tmp_path))
    out = tmp_path / "folder.of.mine" / "points.csv"
    given = ["--boxes", tmp_path / "boxes.json", "--checkpoint", tiny_checkpoint, "--device", "cpu"]
    assert call("predict", *pictures(tiny_coco), *given, "--out", out, "--parts", "lefthand,foot") == 0
    table = pd.read_csv(out)
    assert list(table) == "file_name image_id person person_score part keypoint x y score".split()
    assert len(table) == 5 * (21 + 6)
    assert set(table.part) == {"lefthand", "foot"}
    assert table.person.nunique() == 5
    row = table[(table.person == 3) & (table.keypoint == "left_heel")].iloc[0]
    assert row.file_name == records[3]["file_name"]
    assert row.image_id == records[3]["image_id"]
    assert row.person_score == pytest.approx(records[3]["score"], abs=1e-4)
    np.testing.assert_allclose(
        row[["x", "y", "score"]].astype(float), records[3]["foot_kpts"][6:9], atol=1e-4
    )


def test_a_folder_as_out_and_an_earlier_file_that_stays(tiny_coco, tmp_path, tiny_checkpoint, capsys):
    """A run that fails altogether does not replace what an earlier one wrote."""
    out, broken = tmp_path / "some" / "where", tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    given = ["--checkpoint", tiny_checkpoint, "--device", "cpu", "--detector", "whole", "--out", out]
    assert call("predict", pictures(tiny_coco)[0], *given) == 0
    before = (out / "results.json").read_bytes()
    capsys.readouterr()
    assert call("predict", broken, *given) == 2
    told = capsys.readouterr()
    assert "1 of 1 pictures were left out" in told.err
    assert told.out.count("->") == 0
    assert (out / "results.json").read_bytes() == before
    assert {p.name for p in out.iterdir()} == {"results.json", f"{pictures(tiny_coco)[0].stem}.pose.jpg"}


def test_an_interrupted_run_keeps_what_it_has(tiny_coco, tmp_path, predict, monkeypatch, capsys):
    """Ctrl-C while the third picture is read; batches of one person, so two are done."""
    from wbkit.commands import predict as command

    def interrupted(path):
        if path == pictures(tiny_coco)[2]:
            raise KeyboardInterrupt
        return command_read(path)

    command_read = command.read_image
    monkeypatch.setattr(command, "read_image", interrupted)
    status, records = predict(*pictures(tiny_coco), "--detector", "whole", "--batch-size", "1")
    assert status == 2
    assert [r["image_id"] for r in records] == [1, 2]
    told = capsys.readouterr()
    assert "2 people in 2 pictures" in told.out
    assert told.err.endswith("interrupted: 1 of 3 pictures are left. Call it again with --resume to go on\n")


def interrupt_at(picture: Path | None, monkeypatch) -> list[Path]:
    """Ctrl-C as that picture is read (None: never); the list fills with the pictures that were."""
    from wbkit.commands import predict as command

    seen, real = [], read_image

    def reading(path):
        seen.append(path)
        if path == picture:
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(command, "read_image", reading)
    return seen


def test_a_resumed_run_goes_on_and_ends_as_an_uninterrupted_one(
    tiny_coco, predict, tmp_path, monkeypatch, capsys
):
    given = (*pictures(tiny_coco), "--boxes", named_boxes(tiny_coco, tmp_path), "--batch-size", "1")
    _, whole = predict(*given)
    journal = tmp_path / "out" / ".results.json.journal.0"
    assert not journal.exists()  # nothing is left to do
    (tmp_path / "out" / "results.json").unlink()
    interrupt_at(pictures(tiny_coco)[2], monkeypatch)
    status, records = predict(*given)
    assert (status, len(records)) == (2, 4)
    assert "1 of 3 pictures are left" in capsys.readouterr().err
    journal.write_text(journal.read_text() + '\n12\n{"picture": "/some/w')  # killed while it wrote
    seen = interrupt_at(None, monkeypatch)
    status, records = predict(*given, "--resume")
    assert (status, records) == (0, whole)
    assert seen == pictures(tiny_coco)[2:]
    told = capsys.readouterr().out
    assert "2 of 3 pictures done before" in told
    assert "5 people in 3 pictures" in told
    assert not journal.exists()


def test_an_interrupted_run_is_not_lost_by_mistake(tiny_coco, predict, tmp_path, monkeypatch, capsys):
    """Nothing but `--resume` with the same options goes on after it; and it leaves an earlier file alone."""
    boxes = named_boxes(tiny_coco, tmp_path)
    given = (*pictures(tiny_coco), "--boxes", boxes, "--batch-size", "1")
    _, whole = predict(*given)
    interrupt_at(pictures(tiny_coco)[2], monkeypatch)
    assert predict(*given) == (2, whole)
    told = capsys.readouterr()
    assert "is an earlier run's and stays; --resume goes on" in told.out
    assert "people in 2 pictures" not in told.out
    seen = interrupt_at(None, monkeypatch)
    assert predict(*given) == (2, whole)
    assert re.search(
        r"results.json: an unfinished run is there\. Give --resume .* delete", capsys.readouterr().err
    )
    for change in (["--no-flip"], ["--parts", "face"], ["--threshold", "0.5"]):
        assert predict(*given, "--resume", *change)[0] == 2
        assert "journal.0: was begun with" in capsys.readouterr().err
    content = json.loads(boxes.read_text())
    boxes.write_text(json.dumps(content | {"other.jpg": []}))
    assert predict(*given, "--resume")[0] == 2
    assert re.search(
        r"was begun with boxes .*boxes.json \(\w+\), now .*boxes.json \(", capsys.readouterr().err
    )
    assert seen == []
    boxes.write_text(json.dumps(content))
    assert predict(*given, "--resume") == (0, whole)
    assert predict(*given, "--resume") == (0, whole)
    assert "nothing to go on with beside" in capsys.readouterr().out


def test_no_process_s_journal_is_passed_over(tmp_path):
    """Of an earlier run of two processes only the second had finished a picture."""
    out, picture = tmp_path / "r.json", tmp_path / "a.jpg"
    picture.write_bytes(b"...")
    Journal(out, 1, 2, {"bf16": "False"}, resume=False).add(picture, {"records": []})
    with pytest.raises(InputError, match=r"an unfinished run is there.*journal\.1"):
        Journal(out, 0, 1, {"bf16": "False"}, resume=False)
    Journal(out, 0, 2, {"bf16": "False"}, resume=False)  # of two, the second looks after its own
    with pytest.raises(InputError, match="an unfinished run is there"):
        Journal(out, 1, 2, {"bf16": "False"}, resume=False)
    one = Journal(out, 0, 1, {"bf16": "False"}, resume=True)
    assert one.knows(picture)
    assert list(one.finished.values()) == [{"records": []}]
    picture.write_bytes(b"....")
    assert not one.knows(picture)


def test_a_picture_that_changed_is_predicted_again(tiny_coco, predict, monkeypatch):
    given = (*pictures(tiny_coco), "--detector", "whole", "--batch-size", "1")
    _, before = predict(*given)
    interrupt_at(pictures(tiny_coco)[2], monkeypatch)
    predict(*given)
    cv2.imwrite(str(pictures(tiny_coco)[1]), small_picture(77)[..., ::-1])
    seen = interrupt_at(None, monkeypatch)
    status, records = predict(*given, "--resume")
    assert (status, seen) == (0, pictures(tiny_coco)[1:])
    assert [r == b for r, b in zip(records, before, strict=True)] == [True, False, True]


def test_options_of_the_other_form_of_evaluate_are_refused(tiny_coco, results_file, tiny_checkpoint, capsys):
    files = ("--annotations", truth(tiny_coco), "--results", results_file)
    assert call("evaluate", *files, "--no-flip") == 2
    assert "--no-flip belongs to evaluating a checkpoint. Leave it out" in capsys.readouterr().err
    assert call("evaluate", "--data", tiny_coco, "--checkpoint", tiny_checkpoint, "--reference") == 2
    assert "--reference belongs to evaluating a results file" in capsys.readouterr().err


def test_a_mended_picture_is_all_that_a_resumed_run_predicts(tiny_coco, predict, monkeypatch):
    first, *others = pictures(tiny_coco)
    good = first.read_bytes()
    first.write_bytes(good[:100])
    status, records = predict(first, *others, "--detector", "whole")
    assert (status, [r["image_id"] for r in records]) == (2, [2, 3])
    first.write_bytes(good)
    seen = interrupt_at(None, monkeypatch)
    status, records = predict(first, *others, "--detector", "whole", "--resume")
    assert (status, [r["image_id"] for r in records]) == (0, [1, 2, 3])
    assert seen == [first]


def test_drawings_without_a_point_are_told(tiny_coco, predict, capsys):
    said = "no point is sure enough to be drawn in 2 pictures"
    for threshold, told in (("1e9", True), ("-1e9", False)):
        given = (*pictures(tiny_coco)[:2], "--detector", "whole", f"--threshold={threshold}")
        assert predict(*given)[0] == 0
        assert (said in capsys.readouterr().out) == told


@pytest.mark.parametrize(("size_wh", "factor"), [((100, 150), 3), ((640, 400), 2), ((700, 400), 1)])
def test_a_drawing_shows_the_chosen_parts_in_their_places(size_wh, factor):
    """A toe and a wrist far apart: where they are drawn in a picture that is enlarged first, and which."""
    from wbkit.commands.results import draw

    keypoints, scores = np.zeros((1, 133, 2)), np.zeros((1, 133))
    for name, place in (("left_big_toe", (20, 30)), ("left_wrist", (70, 80))):
        keypoints[0, KEYPOINTS.index(name)], scores[0, KEYPOINTS.index(name)] = place, 1
    image = np.zeros((*size_wh[::-1], 3), np.uint8)

    def middle(**look) -> list[float] | None:
        rows, columns = np.nonzero(
            draw(image, keypoints, scores, {"threshold": 0.5, "parts": None} | look).any(2)
        )
        return [columns.mean(), rows.mean()] if len(rows) else None

    assert draw(image, keypoints, scores, {"threshold": 2, "parts": None}).shape == (
        size_wh[1] * factor,
        size_wh[0] * factor,
        3,
    )
    for parts, place in ((("foot",), (20, 30)), (("body",), (70, 80))):
        expected = (np.array(place) + 0.5) * factor - 0.5
        np.testing.assert_allclose(middle(parts=parts), expected, atol=0.3)
    assert middle(parts=("face",)) is None
    assert middle(threshold=1.0) is None


def test_a_network_of_17_keypoints_draws_and_writes_too(tmp_path, tiny_coco):
    recipe, weights = RECIPES["tiny"], tmp_path / "body.safetensors"
    save_pose_weights(PoseNet(16, 17), weights, recipe.metadata())
    out = tmp_path / "o.json"
    given = ["--checkpoint", weights, "--device", "cpu", "--detector", "whole", "--threshold", "-9"]
    assert call("predict", pictures(tiny_coco)[0], *given, "--out", out) == 0
    (record,) = json.loads(out.read_text())
    assert any(record["keypoints"])
    assert not any(record["foot_kpts"])


def test_a_picture_that_was_read_ahead_is_listed_once(tiny_coco, tmp_path, predict, monkeypatch, capsys):
    """Ctrl-C in the network while a good, a broken and a good picture wait for it."""
    first, broken, last = pictures(tiny_coco)
    broken.write_bytes(broken.read_bytes()[:300])

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("wbkit.predict.Predictor.predict_crops", interrupted)
    status, records = predict(first, broken, last, "--detector", "whole", "--batch-size", "2")
    assert (status, records) == (2, [])
    told = capsys.readouterr().err
    assert "interrupted: 2 of 3 pictures are left. Call it again with --resume" in told
    assert told.count(str(broken)) == 1
    assert re.search(rf"{broken}.*cut off", told)
    assert str(first) not in told


def test_an_annotation_file_s_boxes_go_by_the_names_in_it(tiny_coco, tmp_path, predict):
    """Picture 3 is called 1.jpg there, and 1 is called frame.jpg: numbers in names mean nothing then."""
    content = json.loads(truth(tiny_coco).read_text())
    names = {1: "x/frame.jpg", 2: "2.jpg", 3: "1.jpg"}
    for image in content["images"]:
        image["file_name"] = names[image["id"]]
        shutil.copy(pictures(tiny_coco)[image["id"] - 1], tmp_path / Path(names[image["id"]]).name)
    content["annotations"].append(
        {**content["annotations"][0], "id": 999, "iscrowd": 1, "bbox": [0, 0, 9, 9]}
    )
    (tmp_path / "frames.json").write_text(json.dumps(content))
    status, records = predict(tmp_path / "1.jpg", tmp_path / "frame.jpg", "--boxes", tmp_path / "frames.json")
    assert status == 0
    boxes = {
        i: [a["bbox"] for a in content["annotations"] if a["image_id"] == i and not a["iscrowd"]]
        for i in (1, 3)
    }
    assert [r["bbox"] for r in records] == [*boxes[3], *boxes[1]]


def test_low_boxes_and_pictures_without_people_are_told_as_such(tiny_coco, tmp_path, predict, capsys):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({picture_name(1): [], picture_name(2): [[*PEOPLE_BOXES[2][0], 0.1]]}))
    assert predict(*pictures(tiny_coco)[:2], "--boxes", path) == (0, [])
    told = capsys.readouterr().out
    assert "left out: 1 box of a score below 0.3" in told
    assert "0 people in 2 pictures" in told
    assert "sure enough" not in told


def test_a_broken_picture_among_good_ones(tiny_coco, predict, tmp_path, capsys):
    first, broken, last = pictures(tiny_coco)
    broken.write_bytes(broken.read_bytes()[:300])
    status, records = predict(first, broken, last, "--boxes", named_boxes(tiny_coco, tmp_path))
    assert status == 2
    assert [r["image_id"] for r in records] == [1, 1, 3]
    captured = capsys.readouterr()
    assert "3 people in 2 pictures" in captured.out
    assert "1 of 3 pictures were left out" in captured.err
    assert captured.err.count(str(broken)) == 1
    assert "cut off" in captured.err
    assert not (tmp_path / "out" / f"{broken.stem}.pose.jpg").exists()


def test_options_change_the_numbers_a_little(tiny_coco, predict, tmp_path):
    pictures_and_boxes = [*pictures(tiny_coco)[:1], "--boxes", named_boxes(tiny_coco, tmp_path)]

    def keypoints(*more: str) -> np.ndarray:
        status, records = predict(*pictures_and_boxes, *more)
        assert status == 0
        return np.array([r["keypoints"] for r in records])

    plain = keypoints()
    np.testing.assert_array_equal(keypoints("--recipe", "tiny"), plain)
    assert (keypoints("--no-flip") != plain).any()
    assert np.median(np.abs(keypoints("--bf16") - plain)) < 0.5


def test_predict_without_a_checkpoint_takes_the_shipped_model(tiny_coco, tmp_path, tiny_checkpoint, predict):
    boxes = named_boxes(tiny_coco, tmp_path)
    _, expected = predict(pictures(tiny_coco)[0], "--boxes", boxes)
    (tmp_path / "data" / "models").mkdir()
    shutil.copy(tiny_checkpoint, tmp_path / "data" / "models" / "tiny.safetensors")
    out = tmp_path / "two" / "results.json"
    assert call("predict", pictures(tiny_coco)[0], "--boxes", boxes, "--out", out, "--device", "cpu") == 0
    assert json.loads(out.read_text()) == expected


# --- evaluate ----------------------------------------------------------------------------------------


@pytest.fixture
def results_file(tiny_coco, tmp_path) -> Path:
    """The truth a little off, with boxes, box scores and one duplicate."""
    annotations = load_annotations(truth(tiny_coco))
    keypoints = np.concatenate([annotations.keypoints, annotations.keypoints[:1]])
    keypoints[..., :2] += np.random.default_rng(0).normal(0, 0.6, keypoints[..., :2].shape)
    keypoints[..., 2] = np.random.default_rng(1).uniform(0.1, 1, keypoints.shape[:2])
    boxes = np.concatenate([annotations.boxes_xywh, annotations.boxes_xywh[:1]])
    image_ids = np.append(annotations.person_image_ids, annotations.person_image_ids[0])
    scores = np.linspace(0.9, 0.4, len(boxes))
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results_from_arrays(keypoints, boxes, image_ids, scores, box_scores=scores)))
    return path


def written_table(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, index_col="part")
    assert list(table.index) == ROWS
    assert list(table.columns) == list(STATISTICS)
    return table


def test_evaluate_a_results_file(tiny_coco, results_file, tmp_path, capsys):
    out = tmp_path / "deep" / "table.csv"
    status = call("evaluate", "--annotations", truth(tiny_coco), "--results", results_file, "--out", out)
    assert status == 0
    expected = per_part_table(truth(tiny_coco), results_file)
    pd.testing.assert_frame_equal(written_table(out), expected)
    text = capsys.readouterr().out
    assert "AP75" in text
    assert all(row in text for row in ROWS)


def test_evaluate_with_rescoring(tiny_coco, results_file, tmp_path):
    out, arguments = tmp_path / "table.csv", ("--annotations", truth(tiny_coco), "--results", results_file)
    assert call("evaluate", *arguments, "--rescore", "--out", out) == 0
    expected = per_part_table(truth(tiny_coco), rescore_and_nms(load_results(results_file)))
    pd.testing.assert_frame_equal(written_table(out), expected)
    assert not expected.equals(per_part_table(truth(tiny_coco), results_file))  # the duplicate is gone


def test_duplicates_are_judged_by_boxes_of_the_crop_s_shape(tiny_coco, results_file, tmp_path):
    """Everybody twice, 4 px apart: one person if boxes grow to fit a narrow crop, two if they do not."""
    records = json.loads(results_file.read_text())
    for record in list(records):
        again = copy.deepcopy(record)
        again.pop("id", None)
        for field, _ in FIELDS:
            again[field][::3] = [x + 4 for x in again[field][::3]]
        records.append(again)
    for record in records:
        record.pop("id", None)
    twice, out = tmp_path / "twice.json", tmp_path / "table.csv"
    twice.write_text(json.dumps(records))
    left = []
    for size in ((192, 256), (10, 1000)):
        arguments = ("--annotations", truth(tiny_coco), "--results", twice, "--out", out)
        shape = "{}x{}".format(*size)
        assert call("evaluate", *arguments, "--rescore", "--input-size", shape) == 0
        expected = rescore_and_nms(load_results(twice), input_size=size)
        pd.testing.assert_frame_equal(written_table(out), per_part_table(truth(tiny_coco), expected))
        left.append(len(expected))
    assert left[0] > left[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--seed", "-1"],
        ["train", "--workers", "-1"],
        ["evaluate", "--workers", "-1"],
        ["predict", "a.jpg", "--batch-size", "0"],
    ],
)
def test_numbers_below_what_they_can_be_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(arguments)
    assert re.search(r"-1 is below 0|0 is not above 0", capsys.readouterr().err)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="xtcocotools has no wheels for Python 3.12 and later")
@pytest.mark.parametrize("rescore", [True, False])
def test_evaluate_beside_the_reference(rescore, tiny_coco, results_file, capsys):
    more = ["--rescore"] if rescore else []
    arguments = ("--annotations", truth(tiny_coco), "--results", results_file, "--reference")
    assert call("evaluate", *arguments, *more) == 0
    text = capsys.readouterr().out
    assert "by xtcocotools" in text
    assert float(text.rsplit("largest difference: ", 1)[1]) < 1e-9


@pytest.mark.parametrize("boxes", ["gt", "detections"])
def test_evaluate_a_checkpoint(boxes, tiny_coco, tiny_checkpoint, tmp_path, capsys):
    out = tmp_path / "table.csv"
    arguments = ("--data", tiny_coco, "--checkpoint", tiny_checkpoint, "--boxes", boxes, "--device", "cpu")
    assert call("evaluate", *arguments, "--workers", "0", "--out", out) == 0
    table = written_table(out)
    raw = load_results(tmp_path / "table.results.json")
    assert len(raw) == 5
    pd.testing.assert_frame_equal(
        table, per_part_table(truth(tiny_coco), rescore_and_nms(raw, input_size=(96, 128))), atol=1e-9
    )
    told = capsys.readouterr().out
    assert f"{boxes} boxes" in told
    (again,) = (shlex.split(line) for line in told.splitlines() if line.startswith("wbkit evaluate"))
    assert call(*again[1:], "--out", tmp_path / "again.csv") == 0
    pd.testing.assert_frame_equal(written_table(tmp_path / "again.csv"), table, atol=1e-9)
    if boxes == "detections":
        np.testing.assert_allclose(sorted(raw.box_scores), [0.5, 0.6, 0.7, 0.8, 0.9])


FEET_AND_MORE = ("foot", "face", "lefthand", "righthand")


def plain(records: list[dict]) -> list[dict]:
    """Only COCO's 17 keypoints of annotations or results."""
    return [{k: v for k, v in r.items() if not k.startswith(FEET_AND_MORE)} for r in records]


def plain_files(folder: Path, results_file: Path) -> tuple[Path, Path]:
    """COCO's own annotation file in place of COCO-WholeBody's, and results of 17 keypoints."""
    content = json.loads(truth(folder).read_text())
    truth(folder).unlink()
    annotations = folder / "annotations" / "person_keypoints_val2017.json"
    annotations.write_text(json.dumps(content | {"annotations": plain(content["annotations"])}))
    results = results_file.with_name("plain.json")
    results.write_text(json.dumps(plain(json.loads(results_file.read_text()))))
    return annotations, results


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="xtcocotools has no wheels for Python 3.12 and later")
def test_coco_files_of_17_keypoints_give_the_same_body(tiny_coco, results_file, tmp_path, capsys):
    expected = per_part_table(truth(tiny_coco), results_file).loc["body"]
    annotations, results = plain_files(tiny_coco, results_file)
    arguments = ("--annotations", annotations, "--results", results, "--out", tmp_path / "table.csv")
    assert call("evaluate", *arguments, "--reference") == 0
    text = capsys.readouterr().out
    assert "largest difference: 0.0e+00" in text
    assert "nobody has labels for foot, face, lefthand, righthand" in text
    table = written_table(tmp_path / "table.csv")
    pd.testing.assert_series_equal(table.loc["body"], expected)
    assert table.loc[["foot", "face", "lefthand", "righthand", "hand"]].isna().all(axis=None)


def test_a_checkpoint_on_files_of_any_name(tiny_coco, results_file, tiny_checkpoint, tmp_path, capsys):
    """The same table from COCO's layout, plain or not, and from an annotation file and a picture folder."""
    tables = []
    for n in range(3):
        data = tiny_coco
        if n == 1:
            (tmp_path / "mine").mkdir()
            data = f"{truth(tiny_coco).rename(tmp_path / 'mine' / 'labels.json')}:{tiny_coco}/val2017"
        if n == 2:
            (tmp_path / "mine" / "labels.json").rename(truth(tiny_coco))
            plain_files(tiny_coco, results_file)
        out = tmp_path / f"{n}.csv"
        assert call("evaluate", "--data", data, "--checkpoint", tiny_checkpoint, "--out", out) == 0
        tables.append(written_table(out))
    pd.testing.assert_frame_equal(tables[1], tables[0])
    pd.testing.assert_series_equal(tables[2].loc["body"], tables[0].loc["body"])
    assert call("evaluate", "--data", data, "--boxes", "detections", "--checkpoint", tiny_checkpoint) == 0
    (tiny_coco / "person_detection_results").rename(tmp_path / "away")
    assert call("evaluate", "--data", data, "--boxes", "detections", "--checkpoint", tiny_checkpoint) == 2
    assert "no detections lie with it" in capsys.readouterr().err


def test_published_rows_are_printed_beside(capsys):
    from wbkit.commands.evaluate import show_published
    from wbkit.recipes import RECIPES

    table = pd.DataFrame(0.5, index=ROWS, columns=list(STATISTICS))
    show_published(table, RECIPES["w32_dark_256x192"].published, "gt")
    text = capsys.readouterr().out
    assert "0.582" in text
    assert "0.671" in text
    assert "ground truth" in text
    show_published(table, {}, "gt")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("missing", ["--annotations", "--results"])
def test_annotations_and_results_go_together(missing, capsys):
    assert call("evaluate", missing, "x.json") == 2
    assert "go together" in capsys.readouterr().err


def test_evaluating_results_never_imports_torch(tiny_coco, results_file):
    code = (
        "import sys; from wbkit.cli import main; status = main(sys.argv[1:]); "
        "sys.exit(status or (3 if 'torch' in sys.modules else 0))"
    )
    arguments = ["evaluate", "--annotations", truth(tiny_coco), "--results", results_file, "--rescore"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr


# --- download ----------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Serves the server's `content` under every path, also from the middle."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        content, wanted = self.server.content, self.headers.get("Range")
        self.server.requests.append(wanted)
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        stop = self.server.stop_after.pop(0) if self.server.stop_after else len(content)
        self.wfile.write(content[first : first + stop])


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("WBKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.requests, server.stop_after = True, [], []
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def serve_zip(server, monkeypatch, tmp_path, names: list[str]) -> bytes:
    """Let coco-val come from the server: a zip with these files."""
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("val2017")
        for i, name in enumerate(names):
            archive.writestr(name, np.random.default_rng(i).bytes(60_000))
    server.content = path.read_bytes()
    known = f"md5:{hashlib.md5(server.content).hexdigest()}"
    url = f"{server.address}/zips/val2017.zip"
    own = partial(download_command.download_coco_val, url=url, known_hash=known)
    monkeypatch.setattr(download_command, "download_coco_val", own)
    return server.content


def test_download_coco_val_unpacks_and_says_what_is_missing(server, monkeypatch, tmp_path, capsys):
    serve_zip(server, monkeypatch, tmp_path, ["val2017/1.jpg", "val2017/2.jpg"])
    assert call("download", "coco-val", "--data", tmp_path / "mine") == 0
    assert sorted(p.name for p in (tmp_path / "mine" / "val2017").iterdir()) == ["1.jpg", "2.jpg"]
    assert (tmp_path / "mine" / "val2017" / "2.jpg").read_bytes() == np.random.default_rng(1).bytes(60_000)
    text = capsys.readouterr().out
    for fragment in ("coco_wholebody_val_v1.0.json", "jin-s13/COCO-WholeBody", "COCO_val2017_detections"):
        assert fragment in text
    kept = tmp_path / "mine" / "val2017" / "1.jpg"
    before = kept.stat().st_mtime_ns
    (tmp_path / "mine" / "val2017" / "2.jpg").write_bytes(b"half")  # what a kill left is mended
    assert call("download", "coco-val", "--data", tmp_path / "mine") == 0
    assert kept.stat().st_mtime_ns == before
    assert (tmp_path / "mine" / "val2017" / "2.jpg").stat().st_size == 60_000
    assert len(server.requests) == 1


def test_download_goes_to_the_data_folder_by_default(server, monkeypatch, tmp_path):
    serve_zip(server, monkeypatch, tmp_path, ["val2017/1.jpg"])
    assert call("download", "coco-val") == 0
    assert (tmp_path / "data" / "coco" / "val2017" / "1.jpg").exists()


def test_download_goes_on_where_it_stopped(server, monkeypatch, tmp_path, capsys):
    serve_zip(server, monkeypatch, tmp_path, ["val2017/1.jpg", "val2017/2.jpg"])
    server.stop_after = [download.CHUNK] * download.ATTEMPTS
    server.content, whole = server.content + b"\0" * 200_000, server.content  # longer than the attempts reach
    assert call("download", "coco-val", "--data", tmp_path / "mine") == 2
    assert "Call again" in capsys.readouterr().err
    server.content = whole + b"\0" * 200_000
    first = len(server.requests)
    assert call("download", "coco-val", "--data", tmp_path / "mine") == 2  # its hash is another
    assert server.requests[first] == f"bytes={download.ATTEMPTS * download.CHUNK}-"
    assert "wrong hash" in capsys.readouterr().err
    server.content = whole
    assert call("download", "coco-val", "--data", tmp_path / "mine") == 0
    assert (tmp_path / "mine" / "val2017" / "2.jpg").exists()


@pytest.mark.parametrize("name", ["../evil.txt", "val2017/../../evil.txt", "/evil.txt"])
def test_download_refuses_to_leave_its_folder(name, server, monkeypatch, tmp_path, capsys):
    serve_zip(server, monkeypatch, tmp_path, ["val2017/1.jpg", name])
    assert call("download", "coco-val", "--data", tmp_path / "mine") == 2
    assert "holds a path outside" in capsys.readouterr().err
    assert not (tmp_path / "evil.txt").exists()
    assert not Path("/evil.txt").exists()


def test_download_a_checkpoint(server, tiny_checkpoint, tmp_path, capsys):
    server.content = tiny_checkpoint.read_bytes()
    digits = hashlib.sha256(server.content).hexdigest()[:32]  # eight may all be decimal: a date
    name = f"net-{digits}.safetensors"
    assert call("download", "checkpoint", f"{server.address}/{name}") == 0
    text = capsys.readouterr().out
    assert str(tmp_path / "cache" / "checkpoints" / name) in text
    assert "width 16, 133 keypoints (sha256:" in text
    server.content = server.content[:-1] + b"?"
    assert call("download", "checkpoint", f"{server.address}/{name}") == 0  # the good copy is kept
    assert call("download", "checkpoint", f"{server.address}/other-0123456a.pth") == 2
    assert "wrong hash" in capsys.readouterr().err


# --- demo --------------------------------------------------------------------------------------------

DEMO_FILES = ["heatmaps.png", "poses.png", "precision_recall.png", "results.json", "table.csv"]


def check_demo(out: Path, folder: Path, table: pd.DataFrame):
    assert sorted(p.name for p in out.iterdir()) == DEMO_FILES
    pd.testing.assert_frame_equal(written_table(out / "table.csv"), table)
    assert len(load_results(out / "results.json")) == 5
    for name in DEMO_FILES[:3]:
        picture = cv2.imread(str(out / name))
        assert min(picture.shape[:2]) > 300
        assert picture.std() > 5


def test_demo_takes_the_shipped_model(tiny_coco, tmp_path, tiny_checkpoint, capsys):
    (tmp_path / "data" / "models").mkdir()
    shutil.copy(tiny_checkpoint, tmp_path / "data" / "models" / "tiny.safetensors")
    assert call("demo", "--data", tiny_coco, "--out", tmp_path / "out") == 0
    check_demo(tmp_path / "out", tiny_coco, written_table(tmp_path / "out" / "table.csv"))
    text = capsys.readouterr().out
    assert "tiny.safetensors" in text
    assert "5 people in 3 pictures" in text
    assert "AP and AR by part" in text
    assert "The ten worst keypoints" in text
    assert all(name in text for name in DEMO_FILES)


def test_demo_returns_its_table(tiny_coco, tmp_path, tiny_checkpoint):
    check_demo(tmp_path / "out", tiny_coco, demo.run_demo(tiny_coco, tmp_path / "out", str(tiny_checkpoint)))


def test_demo_without_a_model_says_so(tiny_coco, tmp_path, capsys):
    assert call("demo", "--data", tiny_coco, "--out", tmp_path / "out") == 2
    assert "--checkpoint" in capsys.readouterr().err


def test_demo_stops_at_so_many_people(tiny_coco, tmp_path, tiny_checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(demo, "MAX_PERSONS", 4)
    demo.run_demo(tiny_coco, tmp_path / "out", str(tiny_checkpoint))
    assert "4 people in 2 pictures" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["coco", "wholebody-mini"])
def test_demo_finds_its_data(name, tiny_coco, tmp_path):
    shutil.copytree(tiny_coco, tmp_path / "data" / name)
    found = demo.find_demo_data(None)
    assert found.annotations == tmp_path / "data" / name / "annotations" / "coco_wholebody_val_v1.0.json"
    shutil.copytree(tiny_coco, tmp_path / "data" / "coco", dirs_exist_ok=True)
    assert demo.find_demo_data(None).annotations.parts[-3] == "coco"  # the real one first
    assert demo.find_demo_data(tiny_coco).images == tiny_coco / "val2017"


def test_demo_and_predict_work_without_a_data_folder(tiny_coco, tmp_path, tiny_checkpoint, monkeypatch):
    """As when only the package was installed: --data and --checkpoint are enough."""
    from wbkit.commands import models
    from wbkit.errors import InputError

    monkeypatch.delenv("WBKIT_DATA")

    def nothing():
        raise InputError("no data folder beside wbkit", "Set WBKIT_DATA")

    for module in (models, demo):
        monkeypatch.setattr(module, "data_folder", nothing)
    assert models.shipped_model() is None
    table = demo.run_demo(tiny_coco, tmp_path / "out", str(tiny_checkpoint))
    check_demo(tmp_path / "out", tiny_coco, table)
