"""Videos: people followed through frames whose truth is known, and what `wbkit predict clip.mp4` leaves."""

import gc
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wbkit.annotations import load_annotations, load_results
from wbkit.cli import main
from wbkit.commands.models import load_predictor, shipped_model
from wbkit.commands.results import UnwrittenError
from wbkit.detect import FoundPeople
from wbkit.errors import InputError
from wbkit.evaluate import per_part_table
from wbkit.files import data_folder
from wbkit.geometry import box_iou
from wbkit.keypoints import KEYPOINTS
from wbkit.matching import oks
from wbkit.pictures import read_image
from wbkit.recipes import RECIPES
from wbkit.video import Person, box_around, follow, open_video, read_frames, write_frames

SIZE_WH = (160, 120)
RNG = np.random.default_rng(0)
SHAPE = RNG.uniform(0, 1, (len(KEYPOINTS), 2)) * (20, 60)  # px, of everybody here
TO_MIDDLE = np.array([[1, 0], [0, 1], [0.5, 0], [0, 0.5]])  # of an xywh box


@dataclass
class World:
    """People at known places: `corners[number]` is where somebody's box begins in each frame, (T, 2) px."""

    corners: dict[str, np.ndarray]
    hidden: dict[str, range] = field(default_factory=dict)  # in these frames, from 0

    recipe = RECIPES["tiny"]
    frame = 0

    def frames(self):
        length = max(map(len, self.corners.values()))
        for self.frame in range(length):
            yield np.zeros((*SIZE_WH[::-1], 3), np.uint8)

    def points(self, name: str) -> np.ndarray:
        return SHAPE + self.corners[name][self.frame]

    def box(self, name: str) -> np.ndarray:
        return box_around(self.points(name), np.ones(len(SHAPE)), (10_000, 10_000))

    def __call__(self, image, boxes):
        """A perfect predictor: the points of whose middle is nearest to a box's, as far as in the picture."""
        keypoints, scores = np.zeros((len(boxes), *SHAPE.shape)), np.zeros((len(boxes), len(SHAPE)))
        for i, box in enumerate(boxes):
            seen = [name for name in self.corners if self.frame not in self.hidden.get(name, ())]
            away = {name: np.abs((box - self.box(name)) @ TO_MIDDLE).max() for name in seen}
            nearest = min(away, key=away.get, default="")
            if away.get(nearest, 99) < 20:
                keypoints[i] = self.points(nearest)
                scores[i] = ((keypoints[i] >= 0) & (keypoints[i] < SIZE_WH)).all(-1)
        return keypoints, scores


def path(start: tuple[float, float], step: tuple[float, float], length: int) -> np.ndarray:
    return np.array(start) + np.arange(length)[:, None] * np.array(step)


def said(*boxes: np.ndarray, rough: bool = False) -> FoundPeople:
    return FoundPeople(np.array(boxes).reshape(-1, 4), np.full(len(boxes), 0.5), "a test", rough=rough)


def once(found: dict) -> object:
    """Answers in some frames only: frame number -> what makes the boxes."""
    return lambda number, frame, people: found[number]() if number in found else None


def numbers(world: World, look) -> list[list[int]]:
    return [[p.number for p in people] for _, people in follow(world, world.frames(), look)]


# --- boxes -------------------------------------------------------------------------------------------

boxes = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 9)] * 2)


@given(boxes, boxes)
def test_iou_is_that_of_pixels(a, b):
    def mask(box):
        x, y, w, h = box
        picture = np.zeros((24, 24), bool)
        picture[y : y + h, x : x + w] = True
        return picture

    expected = (mask(a) & mask(b)).sum() / (mask(a) | mask(b)).sum()
    assert box_iou(np.array([a], float), np.array([b], float)) == pytest.approx(expected)


def test_a_box_around_sure_points_has_a_margin_and_stays_in_the_frame():
    points = np.array([[10.0, 20], [30, 120], [500, 500]])
    box = box_around(points, np.array([1, 1, 0.1]), (100, 122))
    assert box == pytest.approx([6, 16, 28, 106])  # 4 % of 100 px around; cut off at the lower edge


# --- following ---------------------------------------------------------------------------------------


def test_people_keep_their_numbers_while_they_move():
    world = World({"a": path((5, 20), (4, 0), 20), "b": path((120, 30), (-3, 1), 20)})
    look = once({1: lambda: said(world.box("a"), world.box("b"))})
    found = list(follow(world, world.frames(), look))
    assert [[p.number for p in people] for _, people in found] == [[1, 2]] * 20
    for t, (_, people) in enumerate(found):
        assert np.allclose(people[0].keypoints, SHAPE + world.corners["a"][t])
        assert np.allclose(people[1].keypoints, SHAPE + world.corners["b"][t])


def test_who_leaves_is_gone_and_who_comes_gets_the_next_number():
    world = World({"a": path((130, 20), (6, 0), 12), "b": path((40, 20), (0, 0), 12)})
    look = once({1: lambda: said(world.box("a")), 8: lambda: said(world.box("b"))})
    found = numbers(world, look)
    assert [found[t] for t in (0, 6, 7, 11)] == [[1], [], [2], [2]]


def test_who_walks_behind_somebody_comes_out_with_the_same_number():
    """While b is hidden a perfect predictor finds a in b's box; b is expected where b was going."""
    across = {"a": path((10, 20), (5, 0), 24), "b": path((130, 26), (-5, 0), 24)}
    world = World(across, hidden={"b": range(9, 15)})
    look = once({1: lambda: said(world.box("a"), world.box("b"))})
    found = list(follow(world, world.frames(), look))
    assert [[p.number for p in people] for _, people in found] == [[1, 2]] * 9 + [[1]] * 6 + [[1, 2]] * 9
    assert np.allclose(found[-1][1][1].keypoints, SHAPE + across["b"][-1])


def test_who_was_hardly_seen_is_not_waited_for():
    world = World({"a": path((40, 20), (1, 0), 12)}, hidden={"a": range(3, 6)})
    found = numbers(world, once({1: lambda: said(world.box("a"))}))
    assert found == [[1]] * 3 + [[]] * 9
    world = World({"a": path((40, 20), (1, 0), 12)}, hidden={"a": range(6, 9)})
    found = numbers(world, once({1: lambda: said(world.box("a"))}))
    assert found == [[1]] * 6 + [[]] * 3 + [[1]] * 3


def test_what_is_said_again_sets_a_person_right_and_begins_nobody():
    world = World({"a": path((40, 20), (1, 0), 6)})
    off = np.array([-3.0, 2, 4, 0])
    look = once({1: lambda: said(world.box("a")), 4: lambda: said(world.box("a") + off)})
    found = list(follow(world, world.frames(), look))
    assert [[p.number for p in people] for _, people in found] == [[1]] * 6
    assert np.allclose(found[3][1][0].box_xywh, SHAPE_BOX + np.array([43, 20, 0, 0]) + off)


SHAPE_BOX = box_around(SHAPE + 1000, np.ones(len(SHAPE)), (10_000, 10_000)) - (1000, 1000, 0, 0)


def test_a_rough_box_on_somebody_known_changes_nothing_and_elsewhere_begins_a_person():
    world = World({"a": path((40, 20), (1, 0), 6), "b": path((100, 20), (0, 0), 6)})
    part = np.array([2.0, 20, -8, -30])  # cut through the person

    def rough():
        return said(world.box("a") + part, world.box("b"), rough=True)

    found = list(follow(world, world.frames(), once({1: lambda: said(world.box("a")), 3: rough})))
    assert [[p.number for p in people] for _, people in found] == [[1], [1], *[[1, 2]] * 4]
    plain = list(follow(world, world.frames(), once({1: lambda: said(world.box("a"))})))
    assert np.allclose(found[2][1][0].box_xywh, plain[2][1][0].box_xywh)


def test_of_two_who_are_one_the_older_stays():
    world = World({"a": path((40, 20), (0, 0), 4)})
    corner = np.array([8.0, 24, -14, -38])  # too little overlap to be taken for the same
    assert box_iou(SHAPE_BOX[None], (SHAPE_BOX + corner)[None]) < 0.3
    found = numbers(world, once({1: lambda: said(world.box("a")), 2: lambda: said(world.box("a") + corner)}))
    assert found == [[1]] * 4


def test_nobody_said_nobody_found():
    assert numbers(World({"a": path((40, 20), (0, 0), 3)}), lambda *_: None) == [[], [], []]


def test_boxes_without_anybody_use_up_no_numbers():
    world = World({"a": path((40, 20), (0, 0), 9)}, hidden={"a": range(5)})
    look = lambda number, frame, people: said(world.box("a"))  # noqa: E731
    assert numbers(world, look) == [[]] * 5 + [[1]] * 4


def test_a_box_beside_everybody_finds_nobody():
    world = World({"a": path((40, 20), (0, 0), 2)})
    assert numbers(world, once({1: lambda: said(np.array([100.0, 60, 20, 20]))})) == [[], []]


def test_a_moving_picture_of_a_labelled_person_gives_moving_points():
    """The shipped model on a picture that moves by 3 px a frame: points follow, near the moved labels."""
    folder = data_folder() / "wholebody-mini"
    truth = load_annotations(folder / "annotations" / "coco_wholebody_val_v1.0.json")
    sizes = truth.boxes_xywh[:, 3] * (truth.keypoints[..., 2] > 0).all(1)
    person = int(sizes.argmax())
    picture = truth.pictures_of(truth.person_image_ids[person : person + 1])[0]
    image = read_image(folder / "val2017" / truth.file_names[picture])
    frames = [np.ascontiguousarray(np.roll(image, 3 * t, axis=1)) for t in range(5)]
    look = once({1: lambda: said(truth.boxes_xywh[person])})
    found = list(follow(load_predictor(shipped_model(), device="cpu"), frames, look))
    assert [[p.number for p in people] for _, people in found] == [[1]] * 5
    for t, (_, (somebody,)) in enumerate(found):
        labels = truth.keypoints[person, :, :2] + (3 * t, 0)
        area = truth.areas[person]
        assert oks(somebody.keypoints, labels, np.ones(133, bool), area) > 0.5
    moved = np.median(found[4][1][0].keypoints - found[0][1][0].keypoints, axis=0)
    assert moved == pytest.approx([12, 0], abs=0.5)


# --- files -------------------------------------------------------------------------------------------


def make_clip(file: Path, length: int = 6, size_wh: tuple[int, int] = SIZE_WH, fps: float = 12.5) -> Path:
    """Frames of one grey each, lighter and lighter."""
    with write_frames(file, fps, size_wh) as add:
        for t in range(length):
            add(np.full((*size_wh[::-1], 3), min(40 + 30 * t, 255), np.uint8))
    return file


@pytest.mark.parametrize("ending", [".webm", ".mp4"])
@pytest.mark.parametrize("size_wh", [(160, 120), (161, 99)])
def test_frames_come_back_in_order(ending, size_wh, tmp_path, capfd):
    video = open_video(make_clip(tmp_path / f"clip{ending}", size_wh=size_wh))
    even = tuple(side - side % 2 for side in size_wh)
    assert video.size_wh in (size_wh, even)
    assert (video.fps, video.length) == (pytest.approx(12.5), 6)
    greys = [frame.mean() for frame in read_frames(video)]
    assert greys == pytest.approx([40, 70, 100, 130, 160, 190], abs=6)
    assert capfd.readouterr().err == ""


def test_colours_are_red_green_blue(tmp_path):
    with write_frames(tmp_path / "red.mp4", 25, SIZE_WH) as add:
        add(np.full((*SIZE_WH[::-1], 3), (200, 30, 30), np.uint8))
    (frame,) = read_frames(open_video(tmp_path / "red.mp4"))
    assert frame.mean((0, 1)) == pytest.approx([200, 30, 30], abs=6)


def test_videos_that_cannot_be_read_or_written(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match=r"text\.mp4: cannot be read as a video\. OpenCV reads"):
        open_video(tmp_path / "text.mp4")
    with pytest.raises(InputError, match="there is no such video"):
        open_video(tmp_path / "missing.mp4")
    with (
        pytest.raises(InputError, match=r"cannot write \.gif\. Choose \.webm or \.mp4"),
        write_frames(tmp_path / "a.gif", 25, SIZE_WH),
    ):
        pass
    with (
        pytest.raises(InputError, match="cannot be written as a video"),
        write_frames(tmp_path / "nowhere" / "a.mp4", 25, SIZE_WH),
    ):
        pass


# --- the command -------------------------------------------------------------------------------------


@pytest.fixture
def world() -> World:
    return World({"a": path((40, 20), (1, 0), 6)})


@pytest.fixture
def predict(world, tmp_path, monkeypatch):
    """`wbkit predict clip.webm` in that world, detectors included: exit status and records."""
    from wbkit.commands import predict as command
    from wbkit.commands import video

    def frames(video):
        for world.frame, frame in enumerate(read_frames(video)):
            yield frame

    monkeypatch.setattr(command, "load_predictor", lambda *_, **__: world)
    monkeypatch.setattr(command, "usable_detector", lambda name: name)
    monkeypatch.setattr(video, "detect_people", lambda frame, name: said(world.box("a")))
    monkeypatch.setattr(video, "read_frames", frames)

    def run(*arguments: object) -> tuple[int, list[dict]]:
        out = tmp_path / "out" / "results.json"
        status = main(["predict", *map(str, arguments), "--out", str(out)])
        return status, json.loads(out.read_text()) if out.exists() else []

    return run


def test_a_video_becomes_results_and_a_drawn_video(predict, world, tmp_path, capsys):
    status, records = predict(make_clip(tmp_path / "clip.webm"))
    assert status == 0
    assert [r["image_id"] for r in records] == [1, 2, 3, 4, 5, 6]
    assert [r["time"] for r in records] == pytest.approx(np.arange(6) / 12.5)
    assert {(r["person"], r["video"], r["bbox_score"]) for r in records} == {(1, "clip.webm", 0.5)}
    results = load_results(tmp_path / "out" / "results.json")
    for t in range(6):
        assert np.allclose(results.keypoints[t, :, :2], SHAPE + world.corners["a"][t])
    drawn = open_video(tmp_path / "out" / "clip.pose.webm")
    assert (drawn.length, drawn.size_wh) == (6, (480, 360))  # thrice as large: a face has 68 points
    frame = next(read_frames(drawn)).astype(int)
    for name in ("left_hip", "right_ankle", "left_wrist"):  # their colours, far from the number
        world.frame = 0
        x, y = np.rint(3 * world.points("a")[KEYPOINTS.index(name)] + 1).astype(int)
        assert np.ptp(frame[y - 2 : y + 3, x - 2 : x + 3].mean((0, 1))) > 30, name
    assert capsys.readouterr().out.startswith("1 person in 6 of 6 frames -> ")


def test_nobody_of_earlier_frames_stays_in_memory(predict, world, tmp_path, monkeypatch):
    """Of an hour with ten people that would be gigabytes."""
    held = []

    def look(self, image, boxes, call=World.__call__):
        gc.collect()
        held.append(sum(type(thing) is Person for thing in gc.get_objects()))
        return call(self, image, boxes)

    monkeypatch.setattr(World, "__call__", look)
    status, records = predict(make_clip(tmp_path / "clip.webm"))
    assert (status, len(records)) == (0, 6)
    assert held[-1] == held[2] < 6


def test_results_that_cannot_be_written_leave_nothing(predict, world, tmp_path, monkeypatch, capsys):
    """Not taken for a video that ended early: neither of both files is there."""
    from wbkit.commands import video

    @contextmanager
    def full(out, parts, video):
        frames = []

        def add(records):
            frames.append(records)
            if len(frames) == 3:
                problem = "cannot be written (No space left on device)"
                raise UnwrittenError(problem, "Free some space", file=out)

        yield add

    monkeypatch.setattr(video, "results_file", full)
    assert predict(make_clip(tmp_path / "clip.webm")) == (2, [])
    assert "No space left on device). Free some space" in capsys.readouterr().err
    assert [*(tmp_path / "out").iterdir()] == []


def test_a_video_as_a_table(predict, tmp_path):
    assert main(["predict", str(make_clip(tmp_path / "clip.webm")), "--out", str(tmp_path / "t.csv")]) == 0
    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 6 * 133
    assert set(table.columns) == {*"file_name person person_score frame time part keypoint x y score".split()}
    assert (table.person == 1).all()
    assert table.frame.unique().tolist() == [1, 2, 3, 4, 5, 6]
    assert table.time.unique() == pytest.approx(np.arange(6) / 12.5)


def test_people_are_looked_for_now_and_then_and_where_there_is_nobody(predict, world, tmp_path, monkeypatch):
    from wbkit.commands import video

    asked = []

    def detect(frame, name):
        asked.append(world.frame + 1)
        return said(world.box("a")) if world.frame > 1 else said()

    monkeypatch.setattr(video, "detect_people", detect)
    _, records = predict(make_clip(tmp_path / "clip.webm"), "--detect-every", "5")
    assert asked == [1, 2, 3, 6]
    assert [r["image_id"] for r in records] == [3, 4, 5, 6]


def test_a_detector_is_asked_while_somebody_is_only_waited_for(predict, world, tmp_path, monkeypatch):
    from wbkit.commands import video

    asked = []
    world.corners["a"] = path((40, 20), (0, 0), 10)
    world.hidden["a"] = range(6, 8)
    found = {1: said(world.box("a"))}

    def detect(frame, name):
        asked.append(world.frame + 1)
        return found.get(world.frame + 1, said())

    monkeypatch.setattr(video, "detect_people", detect)
    _, records = predict(make_clip(tmp_path / "clip.webm", length=10))
    assert [r["image_id"] for r in records] == [1, 2, 3, 4, 5, 6, 9, 10]
    assert asked == [1, 8, 9]  # after frames 7 and 8, in which nobody was found


def test_boxes_that_cannot_be_used_are_left_out_and_told(predict, world, tmp_path, capsys):
    good = [float(v) for v in world.box("a")]
    content = {"1": [[900, 1, 5, 5], good, [1, 1, 9, 9, 0.1]], "900": [good]}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    _, records = predict(make_clip(tmp_path / "clip.webm"), "--boxes", tmp_path / "boxes.json")
    assert len(records) == 6
    told = capsys.readouterr().out
    assert "frame 1, box 0: [900.0, 1.0, 5.0, 5.0] lies outside the 160 x 120 picture" in told
    assert "frame 1, box 2: score below 0.3" in told
    assert "frame 900, which is not there" in told


@pytest.mark.parametrize("content", ['{"0": []}', '[{"image_id": 0, "bbox": [1, 1, 9, 9], "score": 1}]'])
def test_frames_are_counted_from_1(content, predict, tmp_path, capsys):
    (tmp_path / "boxes.json").write_text(content)
    assert predict(make_clip(tmp_path / "clip.webm"), "--boxes", tmp_path / "boxes.json") == (2, [])
    assert "is no frame's number. For a video write" in capsys.readouterr().err


def test_an_interrupted_video_does_not_replace_a_whole_one(predict, world, tmp_path, monkeypatch, capsys):
    from wbkit.commands import video

    clip = make_clip(tmp_path / "clip.webm")
    _, before = predict(clip)
    drawn = (tmp_path / "out" / "clip.pose.webm").read_bytes()

    def interrupted(file):
        for world.frame, frame in enumerate(read_frames(file)):
            if world.frame == 3:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(video, "read_frames", interrupted)
    assert predict(clip) == (2, before)
    assert (tmp_path / "out" / "clip.pose.webm").read_bytes() == drawn
    assert "interrupted. An earlier run's results stay" in capsys.readouterr().err


def test_a_guess_of_the_whole_picture_is_for_nobody_known(predict, world, tmp_path, monkeypatch):
    from wbkit.commands import video

    whole = FoundPeople(np.array([[0.0, 0, *SIZE_WH]]), np.ones(1), "guess", guessed=True)
    monkeypatch.setattr(video, "detect_people", lambda *_: whole)
    world.corners["a"] = path((70, 30), (0, 0), 6)
    _, records = predict(make_clip(tmp_path / "clip.webm"), "--detect-every", "1")
    assert [r["person"] for r in records] == [1] * 6
    assert records[0]["bbox"] == [0, 0, *SIZE_WH]
    assert records[1]["bbox"][2] < 40


@pytest.mark.parametrize("form", ["names", "detections", "annotations"])
def test_boxes_by_frame_number(form, predict, world, tmp_path, monkeypatch):
    from wbkit.commands import video

    monkeypatch.setattr(video, "detect_people", None)  # is not asked
    box = [float(v) for v in SHAPE_BOX + np.array([42, 20, 0, 0])]  # the third frame's
    content = {
        "names": {"3": [[*box, 0.9], [0, 0, 5, 5, 0.1]]},
        "detections": [{"image_id": 3, "category_id": 1, "bbox": box, "score": 0.9}],
        "annotations": {
            "images": [{"id": 3, "file_name": "3.jpg"}],
            "annotations": [
                {"id": 1, "image_id": 3, "category_id": 1, "bbox": box, "area": 9.0, "keypoints": [0] * 51}
            ],
        },
    }[form]
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    _, records = predict(make_clip(tmp_path / "clip.webm"), "--boxes", tmp_path / "boxes.json")
    assert [(r["image_id"], r["person"]) for r in records] == [(3, 1), (4, 1), (5, 1), (6, 1)]
    assert records[-1]["bbox_score"] == (1.0 if form == "annotations" else 0.9)


def test_a_video_without_anybody(predict, tmp_path, monkeypatch, capsys):
    from wbkit.commands import video

    monkeypatch.setattr(video, "detect_people", lambda *_: said())
    assert predict(make_clip(tmp_path / "clip.webm")) == (0, [])
    assert open_video(tmp_path / "out" / "clip.pose.webm").length == 6
    assert main(["predict", str(tmp_path / "clip.webm"), "--out", str(tmp_path / "none.csv")]) == 0
    assert (tmp_path / "none.csv").read_text().startswith("file_name,frame,time,person,")
    assert "0 people in 0 of 6 frames" in capsys.readouterr().out


@pytest.mark.parametrize(("at", "kept"), [(4, 3), (1, 0)])
def test_an_interrupted_video_keeps_what_is_done(at, kept, predict, world, tmp_path, monkeypatch, capsys):
    from wbkit.commands import video

    def interrupted(file):
        for world.frame, frame in enumerate(read_frames(file)):
            if world.frame + 1 == at:
                raise KeyboardInterrupt
            yield frame

    clip = make_clip(tmp_path / "clip.webm")
    monkeypatch.setattr(
        video, "read_frames", lambda file: read_frames(file) if not kept else interrupted(file)
    )
    if not kept:
        monkeypatch.setattr(World, "__call__", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    status, records = predict(clip)
    assert [r["image_id"] for r in records] == [*range(1, kept + 1)]
    if kept:
        assert status == 2
        assert open_video(tmp_path / "out" / "clip.pose.webm").length == kept
        assert "interrupted: 3 frames of 6 done, and kept. Call it again" in capsys.readouterr().err
    else:
        assert status == 130
        assert [*(tmp_path / "out").iterdir()] == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--resume"], "--resume is for pictures"),
        (["--annotations", "a.json"], "--annotations is for pictures"),
        (["b.mp4"], r"b\.mp4: a video comes alone"),
        (["--boxes", "boxes.json"], r"boxes\.json: 'clip\.webm' is no frame's number"),
    ],
)
def test_what_videos_do_not_have_is_refused(more, message, predict, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boxes.json").write_text('{"clip.webm": [[0, 0, 9, 9]]}')
    status, records = predict(make_clip(tmp_path / "clip.webm"), *more)
    assert (status, records) == (2, [])
    assert re.search(message, capsys.readouterr().err)


def test_a_video_is_no_job_for_several_processes(predict, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert predict(make_clip(tmp_path / "clip.webm"))[0] == 2
    assert "without torchrun" in capsys.readouterr().err


def test_a_drawing_tells_people_apart(world):
    from wbkit.commands.video import _drawn
    from wbkit.video import Person

    frame = np.zeros((*SIZE_WH[::-1], 3), np.uint8)
    none = np.zeros(len(SHAPE))
    people = [
        Person(n, np.array([x, 40.0, 20, 60]), 1.0, SHAPE + np.array([x, 40]), none)
        for n, x in ((1, 20), (2, 100))
    ]
    picture = _drawn(frame, people, {"threshold": 0.2, "parts": None})
    left, right = picture[:, 60:240], picture[:, 300:480]
    assert (left > 200).any()
    assert (right > 200).any()
    assert not (left == right).all()
    assert not _drawn(frame, [], {"threshold": 0.2, "parts": None}).any()


# --- the clip that comes along -----------------------------------------------------------------------

CLIP = data_folder() / "clip"


def test_two_people_keep_their_numbers_through_the_clip(tmp_path, capsys):
    """As the README says: OpenCV's detector, the shipped model, AP against exact labels."""
    out = tmp_path / "clip"
    out.mkdir()
    how = ["--out", str(out), "--detector", "hog", "--device", "cpu"]
    assert main(["predict", str(CLIP / "clip.webm"), *how]) == 0
    assert "2 people in 50 of 50 frames" in capsys.readouterr().out
    table = per_part_table(CLIP / "labels.json", out / "results.json")
    assert table.AP["wholebody"] == pytest.approx(0.89, abs=0.01)
    truth, results = load_annotations(CLIP / "labels.json"), json.loads((out / "results.json").read_text())
    right_of_the_other = {1: [], 2: []}  # the first comes from the right and leaves to the left
    for record in results:
        right_of_the_other[record["person"]].append(record["bbox"][0])
    assert right_of_the_other[1][0] > right_of_the_other[2][0]
    assert right_of_the_other[1][-1] < right_of_the_other[2][-1]
    assert len(truth.image_ids) == 50


def test_the_clip_can_be_made_again(tmp_path, monkeypatch):
    """Its first frame: labels, and pixels as the video's compression leaves them."""
    from tools import clip

    clip.make(tmp_path, length=1)
    new, old = (load_annotations(folder / "labels.json") for folder in (tmp_path, CLIP))
    first = old.select_images(old.image_ids[:1])
    np.testing.assert_allclose(new.keypoints, first.keypoints, atol=0.02)
    pictures = [next(read_frames(open_video(folder / "clip.webm"))) for folder in (tmp_path, CLIP)]
    assert np.abs(pictures[0].astype(float) - pictures[1]).mean() < 2
