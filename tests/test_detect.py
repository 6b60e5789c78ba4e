"""People detectors on photos that came without boxes."""

import builtins

import cv2
import numpy as np
import pytest
import torch

from wbkit import detect
from wbkit.detect import FoundPeople, detect_people, faster_rcnn_people, hog_people, usable_detector
from wbkit.errors import InputError

BLANK = np.full((240, 320, 3), 127, np.uint8)


class FoundByStub(torch.nn.Module):
    """Answers like torchvision's detection models, and keeps what it was asked."""

    def __init__(self, boxes_xyxy, labels, scores):
        super().__init__()
        self.answer = {
            "boxes": torch.tensor(boxes_xyxy, dtype=torch.float32).reshape(-1, 4),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "scores": torch.tensor(scores, dtype=torch.float32),
        }
        self.asked = []

    def forward(self, images):
        self.asked.extend(images)
        return [self.answer]


@pytest.fixture
def no_torchvision(monkeypatch):
    """`import torchvision` fails, as where it is not installed; set `.error` for another way to fail."""

    class How:
        error: Exception = ModuleNotFoundError("No module named 'torchvision'")

    original = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.partition(".")[0] == "torchvision":
            raise How.error
        return original(name, *args, **kwargs)

    detect.load_faster_rcnn.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    yield How
    detect.load_faster_rcnn.cache_clear()


def standing_person(height: int = 200) -> np.ndarray:
    """A dark figure before a bright wall, enough for the gradient detector."""
    picture = np.full((320, 400, 3), 220, np.uint8)
    x, top, unit = 200, 60, height / 8
    dark = (40, 40, 45)
    cv2.circle(picture, (x, int(top + unit / 2)), int(unit / 2), dark, -1)  # head
    cv2.ellipse(picture, (x, int(top + 2.6 * unit)), (int(unit * 0.95), int(unit * 1.7)), 0, 0, 360, dark, -1)
    for side in (-1, 1):
        hip, foot = (
            (x + side * int(unit * 0.4), int(top + 3.8 * unit)),
            (x + side * int(unit * 0.6), top + height),
        )
        cv2.line(picture, hip, foot, dark, int(unit * 0.7))
    return picture


def assert_inside(found: FoundPeople, image: np.ndarray):
    height, width = image.shape[:2]
    assert found.boxes_xywh.shape == (len(found.scores), 4)
    assert found.boxes_xywh.dtype == np.float64
    assert (found.boxes_xywh[:, :2] >= 0).all()
    assert (found.boxes_xywh[:, 2:] > 0).all()
    assert (found.boxes_xywh[:, :2] + found.boxes_xywh[:, 2:] <= (width, height)).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_whole_is_one_box_of_the_whole_picture():
    found = detect_people(BLANK, "whole")
    np.testing.assert_array_equal(found.boxes_xywh, [[0, 0, 320, 240]])
    np.testing.assert_array_equal(found.scores, [1])
    assert found.how == "the whole picture"


def test_hog_on_a_blank_picture_falls_back_and_says_so():
    found = detect_people(BLANK, "hog")
    np.testing.assert_array_equal(found.boxes_xywh, [[0, 0, 320, 240]])
    assert "nobody was found" in found.how
    assert "whole picture" in found.how
    assert len(hog_people(BLANK).boxes_xywh) == 0


@pytest.mark.parametrize("size", [(20, 30), (127, 64), (128, 63), (1, 1), (9000, 4), (3, 20_000)])
def test_hog_on_a_picture_smaller_than_its_window(size):
    found = detect_people(np.zeros((*size, 3), np.uint8), "hog")
    np.testing.assert_array_equal(found.boxes_xywh, [[0, 0, size[1], size[0]]])


def test_hog_windows_beside_the_picture_are_nobody(monkeypatch):
    """The detector scans a margin around the picture: what is left of such a window is empty."""

    class Descriptor:
        getDefaultPeopleDetector = staticmethod(lambda: None)

        def setSVMDetector(self, _):
            pass

        def detectMultiScale(self, *_, **__):
            return np.array([[-70, 20, 64, 128], [100, 20, 64, 128]]), np.array([2.0, 1.0])

    monkeypatch.setattr(cv2, "HOGDescriptor", Descriptor)
    found = hog_people(BLANK)
    assert len(found.boxes_xywh) == len(found.scores) == 1
    assert found.boxes_xywh[0, 0] > 100
    assert found.scores[0] == pytest.approx(1 / (1 + np.exp(-2)))


def test_hog_finds_a_standing_figure():
    picture = standing_person()
    found = detect_people(picture, "hog")
    assert "HOG" in found.how
    assert_inside(found, picture)
    x, y, w, h = found.boxes_xywh[np.argmax(found.scores)]
    assert abs(x + w / 2 - 200) < 20  # around the figure at x = 200, y = 60 ... 260
    assert abs(y + h / 2 - 160) < 30
    assert 150 < h < 320


def test_hog_scans_large_pictures_small_and_answers_in_their_pixels():
    picture = standing_person()
    small, large = (hog_people(cv2.resize(picture, None, fx=f, fy=f)) for f in (2, 5))
    assert_inside(large, np.zeros((1600, 2000, 3), np.uint8))
    best = [found.boxes_xywh[np.argmax(found.scores)] for found in (small, large)]
    np.testing.assert_allclose(best[0] / 2, best[1] / 5, atol=25)


def test_faster_rcnn_keeps_sure_people_as_xywh():
    boxes = [[10, 20, 110, 220], [5, 5, 50, 60], [30, 40, 60, 90], [0, 0, 9, 9]]
    model = FoundByStub(boxes, labels=[1, 18, 1, 1], scores=[0.98, 0.97, 0.5, 0.49])
    found = faster_rcnn_people(model, BLANK)
    np.testing.assert_array_equal(found.boxes_xywh, [[10, 20, 100, 200], [30, 40, 30, 50]])
    np.testing.assert_allclose(found.scores, [0.98, 0.5])
    assert "Faster R-CNN" in found.how
    assert_inside(found, BLANK)


def test_faster_rcnn_gets_rgb_from_0_to_1():
    picture = np.zeros((8, 6, 3), np.uint8)
    picture[2, 3] = (255, 51, 0)
    model = FoundByStub([], [], [])
    faster_rcnn_people(model, picture[:, ::-1])  # a view with negative strides
    (pixels,) = model.asked
    assert pixels.shape == (3, 8, 6)
    np.testing.assert_allclose(pixels[:, 2, 2], [1, 0.2, 0], atol=1e-6)


@pytest.mark.parametrize(("labels", "scores"), [([], []), ([18], [0.99]), ([1], [0.3])])
def test_faster_rcnn_that_finds_nobody_gives_the_whole_picture(labels, scores):
    found = faster_rcnn_people(FoundByStub([[0, 0, 5, 5]] * len(labels), labels, scores), BLANK)
    np.testing.assert_array_equal(found.boxes_xywh, [[0, 0, 320, 240]])
    assert "nobody was found" in found.how


def test_auto_takes_faster_rcnn_where_it_works(monkeypatch):
    model = FoundByStub([[1, 2, 11, 22]], [1], [0.9])
    monkeypatch.setattr(detect, "load_faster_rcnn", lambda: model)
    assert usable_detector("auto") == "fasterrcnn"
    for name in ("auto", "fasterrcnn"):
        found = detect_people(BLANK, name)
        np.testing.assert_array_equal(found.boxes_xywh, [[1, 2, 10, 20]])
    assert "Faster R-CNN" in found.how


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'torchvision'"),
        RuntimeError("operator torchvision::nms does not exist"),  # built for another torch
        OSError("HTTP Error 403: Forbidden"),  # weights not to be had
    ],
)
def test_auto_falls_back_where_torchvision_is_missing_or_broken(error, no_torchvision):
    no_torchvision.error = error
    assert usable_detector("auto") == "hog"
    assert "nobody was found" in detect_people(BLANK, "auto").how
    with pytest.raises(InputError) as caught:
        detect_people(BLANK, "fasterrcnn")
    assert str(error) in str(caught.value)
    assert ".[detector]" in caught.value.remedy
    assert "--detector hog" in caught.value.remedy


def test_unknown_detector_lists_all():
    with pytest.raises(InputError, match=r"'yolo'.*auto, fasterrcnn, hog, whole"):
        usable_detector("yolo")


def test_the_picture_is_not_changed():
    picture = standing_person()
    before = picture.copy()
    for name in ("whole", "hog"):
        detect_people(picture, name)
    faster_rcnn_people(FoundByStub([[1, 2, 11, 22]], [1], [0.9]), picture)
    np.testing.assert_array_equal(picture, before)
