"""wbkit.predict against a naive pipeline, networks with known answers, and itself one by one."""

import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from small_coco import small_picture

from wbkit.annotations import load_annotations
from wbkit.columns import body_extent_areas
from wbkit.data import CocoFolder, find_coco_folder, persons_from_annotations
from wbkit.errors import InputError
from wbkit.geometry import box_to_center_scale, fix_aspect, warp_matrix, warp_points
from wbkit.heatmaps import HeatmapCodec
from wbkit.hrnet import PoseNet
from wbkit.keypoints import FLIP_INDICES, FLIP_PAIRS
from wbkit.pictures import read_image
from wbkit.pipeline import predict_persons, results_from_predictions
from wbkit.predict import (
    Predictor,
    bad_boxes,
    mirror_heatmaps,
    normalize,
)
from wbkit.recipes import RECIPES, TINY_ZOOM

TINY = replace(RECIPES["tiny"].at((96, 128)), sigma=1.5, udp=False, shift_flipped=True)
"""The published systems' conventions, small."""
BOXES = np.array([[10, 10, 50, 100], [90.5, 15, 55, 95], [-5, 20, 80, 60.25]])
pytestmark = pytest.mark.usefixtures("one_thread")


class BrightestPixel(torch.nn.Module):
    """Heatmaps that are known: every map a Gaussian where the crop is brightest.

    Map k is centred on the brightest input pixel (x, y) divided by the stride. `step` puts the first
    keypoint of each mirror pair that far to its left and the second to its right, in a mirrored crop too:
    there the subject's right looks like a left. A wrong exchange is seen.
    """

    def __init__(self, sigma: float = 1.5, step: float = 0.0):
        super().__init__()
        self.sigma, self.step, self.calls = sigma, step, 0
        side = np.zeros(133)
        side[FLIP_PAIRS[:, 0]], side[FLIP_PAIRS[:, 1]] = -1, 1
        self.side = torch.tensor(side, dtype=torch.float32)

    def forward(self, images):
        self.calls += 1
        h, w = images.shape[2:]
        place = images.sum(1).flatten(1).argmax(1)  # (B,)
        x, y = (place % w) / 4, (place // w) / 4  # heatmap px
        centers = x[:, None] + self.step * self.side  # (B, 133)
        columns, rows = torch.arange(w // 4), torch.arange(h // 4)
        across = torch.exp(-((columns - centers[..., None]) ** 2) / (2 * self.sigma**2))  # (B, 133, w)
        down = torch.exp(-((rows - y[:, None]) ** 2) / (2 * self.sigma**2))  # (B, h)
        return down[:, None, :, None] * across[:, :, None, :]


def bright_crop(x: int, y: int, size=(96, 128)) -> torch.Tensor:
    crop = torch.zeros(1, size[1], size[0], 3, dtype=torch.uint8)
    crop[0, y, x] = 255
    return crop


def by_hand(model: PoseNet, recipe, image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One person, step by step: crop, normalise, twice through the network, mirror back, decode, un-warp."""
    (width, height), box = recipe.input_size, np.asarray(box, np.float64)
    w, h = box[2] * 1.25, box[3] * 1.25
    if w / h > width / height:
        h = w * height / width
    else:
        w = h * width / height
    factor, center = width / w, box[:2] + box[2:] / 2
    shift = np.array([width, height]) / 2 - factor * center
    matrix = np.array([[factor, 0, shift[0]], [0, factor, shift[1]]])
    crop = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR).astype(np.float64)
    channels = zip((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), strict=True)
    planes = [(crop[..., c] - mean) / std for c, (mean, std) in enumerate(channels)]
    tensor = torch.tensor(np.stack(planes)[None], dtype=torch.float32)
    with torch.no_grad():
        maps = model(tensor)[0].numpy()
        mirrored = model(torch.tensor(tensor.numpy()[..., ::-1].copy()))[0].numpy()
    back = np.zeros_like(mirrored)
    for k in range(133):
        for column in range(maps.shape[2]):
            source = maps.shape[2] - 1 - column
            back[k, :, column] = mirrored[FLIP_INDICES[k], :, source]
        if recipe.shift_flipped:
            back[k, :, 1:] = back[k, :, :-1].copy()
    average = torch.tensor((maps + back)[None] / 2)
    points, scores = HeatmapCodec(**recipe.codec_settings()).decode(average, recipe.refine)
    return (points[0].numpy() - shift) / factor, scores[0].numpy()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return small_picture(5)


@pytest.fixture
def predictor(tiny_model) -> Predictor:
    return Predictor(tiny_model, TINY, device="cpu")


# --- the pipeline ------------------------------------------------------------------------------------


def test_equals_a_naive_pipeline(predictor, tiny_model, picture):
    keypoints, scores = predictor(picture, BOXES)
    assert (keypoints.shape, scores.shape) == ((3, 133, 2), (3, 133))
    assert keypoints.dtype == scores.dtype == np.float32
    for i, box in enumerate(BOXES):
        points, peaks = by_hand(tiny_model, TINY, picture, box)
        np.testing.assert_allclose(scores[i], peaks, rtol=2e-3, atol=2e-3)
        # The crop's matrix differs in its last digits (MMPose rounds to float32), so a pixel's grey level
        # may differ by one, and the peak of a flat map may move.
        distance = np.linalg.norm(keypoints[i] - points, axis=1)
        assert np.median(distance) < 0.02
        assert np.mean(distance < 0.5) > 0.97


def test_normalize_by_hand():
    crops = torch.randint(0, 256, (2, 5, 7, 3), dtype=torch.uint8)
    got = normalize(crops)
    assert got.shape == (2, 3, 5, 7)
    assert got.dtype == torch.float32
    assert got[1, 2, 4, 6] == pytest.approx((crops[1, 4, 6, 2].item() - 103.53) / 57.375, abs=1e-5)
    assert got[0, 0, 0, 3] == pytest.approx((crops[0, 0, 3, 0].item() - 123.675) / 58.395, abs=1e-5)


@pytest.mark.parametrize("count", [17, 23, 133])
@pytest.mark.parametrize("shift", [True, False])
def test_mirror_heatmaps_by_loops(count, shift):
    maps = torch.rand(2, count, 4, 6)
    before = maps.clone()
    got = mirror_heatmaps(maps, shift)
    for k in range(count):
        for x in range(6):
            source = 6 - 1 - max(x - 1, 0) if shift else 6 - 1 - x
            assert torch.equal(got[:, k, :, x], maps[:, FLIP_INDICES[k], :, source])
    assert torch.equal(maps, before)


def test_boxes_in_other_number_types(predictor, picture):
    expected = predictor(picture, BOXES.round())
    for boxes in (BOXES.round().astype(np.int64), BOXES.round().astype(np.float32), BOXES.round().tolist()):
        for a, b in zip(predictor(picture, boxes), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_other_settings_follow_the_recipe(tiny_model, picture):
    assert Predictor(tiny_model, "tiny", device="cpu").recipe is RECIPES["tiny"]
    assert Predictor(tiny_model, replace(TINY, flip_test=False), None, device="cpu").flip_test is False
    assert Predictor(tiny_model, replace(TINY, flip_test=False), device="cpu").flip_test is True
    assert Predictor(tiny_model, replace(TINY, refine="quarter"), device="cpu").refine == "quarter"
    coarse, _ = Predictor(tiny_model, TINY, device="cpu", refine="none")(picture, BOXES)
    fine, _ = Predictor(tiny_model, TINY, device="cpu")(picture, BOXES)
    assert np.abs(coarse - fine).max() > 0.1


def test_udp_crops_use_udps_matrix(tiny_model, picture):
    udp = Predictor(tiny_model, replace(TINY, udp=True), device="cpu")
    plain = Predictor(tiny_model, TINY, device="cpu")
    (crop,), (matrix,) = udp.cut(picture, BOXES[:1])
    (other,), (same,) = plain.cut(picture, BOXES[:1])
    np.testing.assert_array_equal(matrix, same)  # points stay in the frame of the published map
    assert (crop != other).any()


# --- the flip test -----------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [24, 40, 41, 43, 60])
def test_flip_of_known_heatmaps_agrees_within_the_stride(x):
    # The mirrored crop is brightest at W - 1 - x, its map peaks at (W - 1 - x) / 4; turned back and moved
    # by one that is w - 1 - (W - 1 - x) / 4 + 1 = x / 4 + 1 / 4: a quarter of a heatmap pixel to the right.
    y = 64
    model = BrightestPixel()
    plain = Predictor(model, TINY, False, device="cpu")
    back = mirror_heatmaps(model(normalize(bright_crop(x, y)).flip(-1)))
    points, _ = plain.codec.decode(back)
    np.testing.assert_allclose(points[0].numpy(), np.tile([x + 1, y], (133, 1)), atol=0.02)
    points, _ = plain.codec.decode(plain.heatmaps(bright_crop(x, y)))
    np.testing.assert_allclose(points[0].numpy(), np.tile([x, y], (133, 1)), atol=0.02)
    both = Predictor(model, TINY, True, device="cpu")
    points, scores = both.codec.decode(both.heatmaps(bright_crop(x, y)))
    np.testing.assert_allclose(points[0].numpy(), np.tile([x + 0.5, y], (133, 1)), atol=0.05)
    assert (scores > 0.93).all()
    unshifted = Predictor(model, replace(TINY, shift_flipped=False), True, device="cpu")
    points, _ = unshifted.codec.decode(unshifted.heatmaps(bright_crop(x, y)))
    np.testing.assert_allclose(points[0].numpy(), np.tile([x - 1.5, y], (133, 1)), atol=0.1)


def test_flip_exchanges_left_and_right():
    x, y = 48, 64
    model = BrightestPixel(step=2.0)
    for flip, off in ((False, 0.0), (True, 0.5)):
        predictor = Predictor(model, TINY, flip, device="cpu")
        points, _ = predictor.codec.decode(predictor.heatmaps(bright_crop(x, y)))
        expected = np.stack([x + off + 8 * model.side.numpy(), np.full(133, y)], -1)
        np.testing.assert_allclose(points[0].numpy(), expected, atol=0.06)


def test_points_travel_back_to_the_picture():
    image = np.zeros((120, 160, 3), np.uint8)
    box, spot = np.array([[30.0, 10, 60, 90]]), (70, 52)
    cv2.circle(image, spot, 2, (255, 255, 255), -1)
    image[52, 70] = 255
    predictor = Predictor(BrightestPixel(), TINY, False, device="cpu")
    keypoints, _ = predictor(image, box)
    center, scale = box_to_center_scale(box[0])
    matrix = warp_matrix(center, fix_aspect(scale, TINY.input_size), 0.0, TINY.input_size)
    crop_px = warp_points(np.array(spot), matrix)
    brightest_px = np.abs(warp_points(keypoints[0], matrix) - crop_px)
    assert brightest_px.max() < 6  # somewhere on the white spot
    assert np.abs(keypoints[0] - spot).max() < 5
    assert np.ptp(keypoints[0], axis=0).max() < 1e-3


# --- many pictures -----------------------------------------------------------------------------------


def cases() -> list[tuple[np.ndarray, np.ndarray]]:
    counts = [0, 2, 0, 0, 3, 1, 0]
    return [
        (small_picture(i, (150 + i, 110 + i)), BOXES[:n] + i if n else np.zeros((0, 4)))
        for i, n in enumerate(counts)
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 7, 32])
def test_many_equals_one_by_one(batch_size, tiny_model):
    predictor = Predictor(tiny_model, TINY, device="cpu", batch_size=batch_size)
    answers = list(predictor.many(iter(cases())))
    assert [len(k) for k, _ in answers] == [0, 2, 0, 0, 3, 1, 0]
    single = Predictor(tiny_model, TINY, device="cpu", batch_size=1)
    for (keypoints, scores), (image, boxes) in zip(answers, cases(), strict=True):
        expected, peaks = single(image, boxes)
        assert keypoints.shape == expected.shape
        assert (keypoints.dtype, scores.dtype) == (np.float32, np.float32)
        np.testing.assert_allclose(scores, peaks, rtol=1e-4, atol=1e-4)
        distance = np.linalg.norm(keypoints - expected, axis=-1)
        assert (distance < 0.05).mean() > 0.99 if distance.size else True


def test_one_call_of_the_network_a_batch(picture):
    model = BrightestPixel()
    predictor = Predictor(model, TINY, False, device="cpu", batch_size=4)
    list(predictor.many([(picture, BOXES[:n]) for n in (3, 0, 3, 3)]))
    assert model.calls == 3  # 9 persons in batches of 4


def test_many_of_nothing(predictor, picture):
    assert list(predictor.many([])) == []
    for nobody in ([], np.zeros((0, 4)), np.zeros(0)):
        keypoints, scores = predictor(picture, nobody)
        assert (keypoints.shape, scores.shape) == ((0, 133, 2), (0, 133))


def test_many_takes_pictures_as_it_needs_them(picture):
    predictor = Predictor(BrightestPixel(), TINY, False, device="cpu", batch_size=2)
    taken = []

    def pictures():
        for number in range(50):
            taken.append(number)
            yield picture, BOXES[:2]

    answers = predictor.many(pictures())
    assert taken == []
    next(answers)
    assert taken == [0]
    next(answers)
    assert taken == [0, 1]
    empty_first = predictor.many((picture, BOXES[:n]) for n in (0, 1, 1))
    assert len(next(empty_first)[0]) == 0
    assert predictor.model.calls == 2


@pytest.mark.parametrize("looks", [1, 2])
def test_few_pictures_wait_for_a_batch_that_does_not_fill(picture, looks):
    """One person, then pictures without any (or in which the first look finds nothing to look at again)."""
    zoom = Predictor(BrightestPixel(), TINY_ZOOM, False, device="cpu", batch_size=8) if looks == 2 else None
    predictor = Predictor(BrightestPixel(), TINY, False, device="cpu", batch_size=8, zoom=zoom)
    taken = []

    def pictures():
        for number in range(200):
            taken.append(number)
            yield picture, BOXES[: number == 0]

    answers = predictor.many(pictures())
    assert len(next(answers)[0]) == 1
    assert len(taken) <= 2 * looks * 8
    assert [len(points) for points, _ in answers] == [0] * 199


def test_boxes_beyond_what_numbers_can_hold_are_bad(picture):
    size = picture.shape[1::-1]
    good = [[5, 3, 8, 9.0], [0, 0, 0.1, 0.1], [-50, -50, 1000, 1000]]
    bad = [[5, 3, 1e-5, 1e-5], [5, 3, 1e39, 4], [-1e39, 3, 2e39, 4], [5, 3, np.nan, 4]]
    assert list(bad_boxes(np.array(good + bad), size)) == [3, 4, 5, 6]


def test_a_bad_box_in_the_middle_names_the_box(predictor, picture):
    pictures = predictor.many([(picture, BOXES), (picture, [[0, 0, -1, 5]])])
    with pytest.raises(InputError, match="box 0"):
        list(pictures)


# --- types, devices, the model -----------------------------------------------------------------------


def test_bf16_stays_near(tiny_model, picture):
    exact = Predictor(tiny_model, TINY, device="cpu")(picture, BOXES)
    rough = Predictor(tiny_model, TINY, device="cpu", dtype=torch.bfloat16)(picture, BOXES)
    assert rough[0].dtype == rough[1].dtype == np.float32
    assert np.abs(rough[1] - exact[1]).max() < 0.1 * np.abs(exact[1]).max()
    # Random weights give flat maps with many modes, so a few keypoints jump; most stay.
    assert np.median(np.linalg.norm(rough[0] - exact[0], axis=-1)) < 0.5


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] can't allocate memory: 9 bytes"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_memory_that_is_out_says_what_to_do(picture, error):
    class Hungry(torch.nn.Module):
        def forward(self, images):
            raise error

    with pytest.raises(InputError, match=r"3 people at once\. Give a smaller --batch-size"):
        Predictor(Hungry(), TINY, device="cpu")(picture, BOXES)


def test_the_model_is_left_usable(picture):
    model = PoseNet(8)
    model.train()
    before = copy.deepcopy(model.state_dict())
    predictor = Predictor(model, TINY, device="cpu")
    first = predictor(picture, BOXES)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())  # statistics, too
    assert all(p.requires_grad and not p.is_inference() for p in model.parameters())
    model.train()
    model(torch.randn(2, 3, 128, 96)).square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.load_state_dict(before)
    again = predictor(picture, BOXES)  # back in eval mode by itself
    np.testing.assert_array_equal(first[1], again[1])
    np.testing.assert_array_equal(first[0], again[0])


def test_arguments_are_not_changed(predictor, picture):
    image, boxes = picture.copy(), BOXES.copy()
    image.flags.writeable = boxes.flags.writeable = False
    predictor(image, boxes)
    np.testing.assert_array_equal(image, picture)
    np.testing.assert_array_equal(boxes, BOXES)


def test_picture_as_a_view(predictor, picture):
    view = picture[:, ::-1][:, ::-1]
    np.testing.assert_array_equal(predictor(view, BOXES)[0], predictor(picture, BOXES)[0])
    np.testing.assert_array_equal(
        predictor(picture[:, ::-1], BOXES)[0], predictor(picture[:, ::-1].copy(), BOXES)[0]
    )


# --- whole folders -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tiny_coco) -> CocoFolder:
    return find_coco_folder(tiny_coco)


def test_an_array_larger_than_opencv_cuts_is_refused(predictor):
    with pytest.raises(InputError, match=r"the picture is 40000 x 40 px\. OpenCV cuts up to 32000"):
        predictor(np.zeros((40, 40_000, 3), np.uint8), [[0, 0, 30, 30]])


def test_predict_persons_equals_the_predictor(folder, predictor):
    persons = persons_from_annotations(load_annotations(folder.annotations))
    results, failures = predict_persons(predictor, persons, folder.images, workers=0, progress=False)
    assert failures == []
    np.testing.assert_array_equal(results.ids, persons.ids)
    np.testing.assert_array_equal(results.image_ids, [1, 1, 2, 2, 3])
    for i, name in enumerate(persons.file_names):
        keypoints, scores = predictor(read_image(folder.images / name), persons.boxes_xywh[[i]])
        np.testing.assert_allclose(results.keypoints[i, :, 2], scores[0], rtol=1e-4, atol=1e-4)
        distance = np.linalg.norm(results.keypoints[i, :, :2] - keypoints[0], axis=-1)
        assert (distance < 0.05).mean() > 0.98


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_picture_is_listed_and_the_others_predicted(workers, folder, predictor):
    persons = persons_from_annotations(load_annotations(folder.annotations))
    whole, _ = predict_persons(predictor, persons, folder.images, workers=0, progress=False)
    broken = folder.images / persons.file_names[2]
    broken.write_bytes(broken.read_bytes()[:200])
    results, failures = predict_persons(predictor, persons, folder.images, workers=workers, progress=False)
    np.testing.assert_array_equal(results.ids, [100, 101, 104])
    assert len(failures) == 2
    for message, person in zip(failures, (102, 103), strict=True):
        assert message.startswith(f"person {person}: {broken}: ")
        assert "cut off" in message
    np.testing.assert_allclose(results.scores, whole.scores[[0, 1, 4]], rtol=1e-3, atol=1e-4)


def test_nothing_but_broken_pictures(folder, predictor):
    persons = persons_from_annotations(load_annotations(folder.annotations))
    for path in folder.images.iterdir():
        path.write_bytes(b"\xff\xd8")
    results, failures = predict_persons(predictor, persons, folder.images, workers=0, progress=False)
    assert len(results) == 0
    assert len(failures) == 5


def test_results_from_predictions_by_hand(folder):
    persons = persons_from_annotations(load_annotations(folder.annotations)).select([0, 3])
    persons = replace(persons, box_scores=np.array([0.5, 0.8]))
    keypoints = np.zeros((2, 133, 3))
    keypoints[0, :4, 2] = [0.9, 0.7, 0.2, 0.1]  # those above .2 count
    keypoints[0, 5, :2], keypoints[0, 100, :2] = (30, 20), (500, 500)
    results = results_from_predictions(persons, keypoints, TINY)
    np.testing.assert_allclose(results.scores, [0.5 * 0.8, 0.0])
    np.testing.assert_allclose(results.part_scores, np.repeat(results.scores[:, None], 5, 1))
    np.testing.assert_allclose(results.areas, [600, 0])  # of the body keypoints
    np.testing.assert_allclose(results.areas, body_extent_areas(keypoints))
    np.testing.assert_array_equal(results.boxes_xywh, persons.boxes_xywh)
    np.testing.assert_array_equal(results.box_scores, [0.5, 0.8])
    np.testing.assert_array_equal(results.ids, persons.ids)
    np.testing.assert_array_equal(results.image_ids, [1, 2])
