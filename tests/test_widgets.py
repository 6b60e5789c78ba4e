"""Explorers without a browser: what they draw is where the codec decodes, clicks find what is nearest."""

import asyncio
import base64
import sys
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
import torch
from helpers import make_annotations

from wbkit.annotations import load_annotations, load_results, results_from_arrays
from wbkit.errors import InputError
from wbkit.failures import keypoint_table
from wbkit.heatmaps import HeatmapCodec
from wbkit.keypoints import KEYPOINTS, PART_OF_KEYPOINT
from wbkit.predict import Predictor
from wbkit.widgets import (
    Person,
    box_picker,
    box_scene,
    canvas,
    dark_explorer,
    dark_scene,
    failure_browser,
    heatmap_explorer,
    heatmap_scene,
    largest_person,
    shell,
    taylor,
)
from wbkit.widgets.dark_scene import DarkState
from wbkit.widgets.decoders import DECODERS, estimates, on_one_thread
from wbkit.widgets.failure_scene import (
    ALL,
    CAPTION,
    COLUMNS,
    FOUND,
    GAP,
    PAGE,
    PREDICTED_COLOR,
    SIZES,
    TILE,
    pictures_in,
)
from wbkit.widgets.heatmap_scene import HeatmapScene, HeatmapState

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def person() -> Person:
    return largest_person()


@pytest.fixture
def predictor(tiny_model) -> Predictor:
    return Predictor(tiny_model, "tiny", device="cpu")


@pytest.fixture
def explorer(person, predictor):
    return heatmap_explorer(person, predictor)


def decoded_jpeg(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


# --- canvas -------------------------------------------------------------------------------------------


def test_pictures_survive_encoding():
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120))
    np.testing.assert_array_equal(decoded_jpeg(canvas.encode(picture, "png")), picture)
    assert np.abs(decoded_jpeg(canvas.encode(picture, "jpeg")).astype(int) - picture).mean() < 3


def test_text_is_drawn_where_it_is_told_and_cut_at_the_border():
    picture = canvas.blank(100, 40)
    width = canvas.text(picture, (50, 10), "abc", anchor="middle")
    dark = np.argwhere((picture < 128).all(-1))
    assert 50 - width / 2 <= dark[:, 1].min() < dark[:, 1].max() <= 50 + width / 2
    assert dark[:, 0].min() >= 10
    canvas.text(picture, (90, 30), "far too long for this picture", bold=True)  # must not raise
    untouched = canvas.blank(20, 20)
    canvas.text(untouched, (50, 50), "outside")
    assert (untouched == 255).all()


@pytest.mark.parametrize("kind", ["square", "diamond", "plus", "cross", "ring", "dot"])
def test_markers_lie_around_their_place(kind):
    picture = np.full((60, 80, 3), 200, np.uint8)
    canvas.marker(picture, np.array([40.0, 25.0]), kind, (213, 94, 0))
    rows, columns = np.nonzero((picture == (213, 94, 0)).all(-1))
    assert (rows.mean(), columns.mean()) == pytest.approx((25, 40), abs=0.5)
    canvas.marker(picture, np.array([np.nan, 1.0]), kind, (0, 0, 0))


def test_enlarged_pixels_lie_where_the_frame_says():
    crop = np.zeros((12, 8, 3), np.uint8)
    crop[7, 3] = 255
    panel = canvas.enlarge(crop, (80, 120))
    y, x = np.unravel_index(panel[..., 0].argmax(), panel.shape[:2])
    assert canvas.crop_frame((8, 12), (80, 120)).to_panel((3, 7)) == pytest.approx((x, y), abs=1)
    frame = canvas.Frame((5, 6), (1, 2), (10, 20))
    assert frame.to_map(frame.to_panel((3.3, 4.4))) == pytest.approx((3.3, 4.4))


@pytest.mark.parametrize("gain", [0.0, 0.5])
def test_overlay_is_a_mixture_of_grey_crop_and_colour(gain):
    """At the crop's own size. Levels are rounded to 1/255 and opacity is steepest at 0: some grey levels."""
    rng = np.random.default_rng(0)
    panel, heatmap = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8), rng.normal(0.3, 0.4, (40, 30))
    heatmap[3, 4] = 1e12 if gain else 2.0  # beyond the full colour, and beyond an int32
    frame = canvas.Frame((0.0, 0.0), (0, 0), (1.0, 1.0))
    strength = np.clip(heatmap / (gain or heatmap.max()), 0, 1)
    colors = cv2.applyColorMap(np.round(strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    opacity = 0.9 * strength[..., None] ** 0.8
    expected = cv2.cvtColor(panel, cv2.COLOR_RGB2GRAY)[..., None] * (1 - opacity) + colors * opacity
    drawn = canvas.overlay_heatmap(panel, heatmap, frame, (1.0, 1.0), gain)
    assert np.abs(drawn - expected).max() <= 5


def test_a_heatmap_lies_over_its_crop():
    heatmap = np.zeros((16, 12), np.float32)
    heatmap[5, 3] = 1
    frame = canvas.crop_frame((48, 64), (96, 128))
    panel = canvas.overlay_heatmap(np.zeros((128, 96, 3), np.uint8), heatmap, frame, (4, 4))
    weight = panel.sum(-1).astype(float)
    rows, columns = np.mgrid[:128, :96]
    middle = (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
    assert middle == pytest.approx(frame.to_panel((12, 20)), abs=0.3)  # heatmap px 3, 5 is crop px 12, 20


# --- decoders and the Taylor step ---------------------------------------------------------------------


def random_maps(count: int = 8) -> np.ndarray:
    rng = np.random.default_rng(1)
    codec = HeatmapCodec((192, 256), (48, 64))
    points = torch.from_numpy(rng.uniform((20, 20), (170, 230), (1, count, 2)))
    maps = codec.encode(points, torch.ones(1, count))[0][0].numpy()
    return (maps + 0.02 * rng.standard_normal(maps.shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "refine", "udp"),
    [
        ("argmax", "none", False),
        ("quarter", "quarter", False),
        ("DARK", "dark", False),
        ("UDP", "dark", True),
    ],
)
def test_estimates_equal_the_codec(name, refine, udp):
    maps = random_maps()
    codec = HeatmapCodec((192, 256), (48, 64), udp=udp)
    expected = codec.decode(torch.from_numpy(maps)[None], refine)[0][0].numpy()
    np.testing.assert_allclose(estimates(maps, 11)[name] * codec.scale, expected, atol=1e-4)


def test_the_drawn_step_leads_from_the_peak_to_dark():
    maps = random_maps()
    for heatmap in maps:
        found = {name: p[0] for name, p in estimates(heatmap[None], 11).items()}
        peak = tuple(found["argmax"].astype(int))
        gradient, hessian = taylor.taylor_terms(heatmap, peak, 11)
        np.testing.assert_allclose(peak - np.linalg.solve(hessian, gradient), found["DARK"], atol=1e-4)
        logs = taylor.log_map(heatmap, 11)
        assert gradient[0] == pytest.approx(
            (logs[peak[1], peak[0] + 1] - logs[peak[1], peak[0] - 1]) / 2, abs=1e-4
        )


def test_a_patch_has_its_markers_in_their_cells():
    heatmap = random_maps()[0]
    found = {name: p[0] for name, p in estimates(heatmap[None], 11).items()}
    center = tuple(int(v) for v in found["argmax"])
    patch = taylor.Patch(heatmap, 11, {"argmax": found["argmax"], "DARK": found["DARK"]}, None, center)
    picture = taylor.draw_patch(patch)
    assert picture.shape == (patch.side, patch.side, 3)
    rows, columns = np.nonzero((picture == DECODERS["DARK"].color).all(-1))
    assert (columns.mean(), rows.mean()) == pytest.approx(patch.frame.to_panel(found["DARK"]), abs=1.5)
    empty = {name: p[0] for name, p in estimates(np.zeros((1, 20, 20)), 11).items()}
    nothing = taylor.Patch(np.zeros((20, 20)), 11, empty, None, (0, 0))
    assert nothing.peak is None
    assert (taylor.draw_patch(nothing)[:100, :100] == canvas.PALE).mean() > 0.9  # outside the map
    assert taylor.draw_profile(nothing).shape[1] == nothing.side


# --- heatmap_explorer ---------------------------------------------------------------------------------


def test_the_scene_agrees_with_the_predictor(person, predictor):
    scene = HeatmapScene(person, predictor)
    size = predictor.recipe.input_size
    keypoints, scores = predictor(person.image, person.box_xywh[None])
    np.testing.assert_allclose(scene.to_image(scene.points(size), size), keypoints[0], atol=1e-2)
    for k in (0, 9, 50, 132):
        state = HeatmapState(k, size)
        assert scene.heatmap(state).max() == pytest.approx(scores[0, k], rel=1e-5)
        place = scene.estimates(state)["UDP"] * scene.maps(size).codec.scale  # "tiny" decodes as UDP
        np.testing.assert_allclose(place, scene.points(size)[k], atol=1e-3)


def test_a_click_chooses_the_nearest_keypoint(explorer):
    scene, size = explorer.scene, explorer.state.size
    drawn = scene.frame(size).to_panel(scene.points(size))
    inside = ((drawn > 30) & (drawn < np.array(scene.crop_panel(size)) - 5)).all(1)
    assert inside.sum() > 10
    for x, y in drawn[inside][::3] + 0.3:
        explorer.click(float(x), float(y))
        assert explorer.state.keypoint == int(np.hypot(*(drawn - (x, y)).T).argmin())
        assert explorer.keypoint.value == explorer.state.keypoint
        assert explorer.part.value == PART_OF_KEYPOINT[explorer.state.keypoint]
    before = explorer.state
    explorer.click(scene.crop_panel(size)[0] + 100, 200)  # the log-map
    explorer.click(5, 3)  # the title
    assert explorer.state == before


def test_controls_change_the_state_and_the_picture(explorer):
    pictures = [explorer.picture.value]
    explorer.part.value = "face"
    assert KEYPOINTS[explorer.state.keypoint] == "face-0"
    for name, value in [
        ("noise", 0.1),
        ("kernel", 5),
        ("whole_part", True),
        ("source", "target"),
        ("sigma", 3.0),
    ]:
        explorer._controls[name].value = value
        assert getattr(explorer.state, name) == value
        pictures.append(explorer.picture.value)
    assert len(set(pictures)) == len(pictures)
    assert "target of sigma 3.0" in repr(explorer)
    assert "noise 0.10" in explorer.text.value


def test_the_network_runs_once_an_input_size(person, predictor):
    calls = []
    predictor.network.register_forward_hook(lambda *_: calls.append(1))
    explorer = heatmap_explorer(person, predictor)
    once = len(calls)
    explorer.change(keypoint=3, noise=0.05, kernel=9)
    assert len(calls) == once
    larger = explorer.scene.sizes()[-1]
    explorer.change(size=larger)
    assert len(calls) == 2 * once
    assert explorer.scene.maps(larger).heatmaps.shape[1:] == (larger[1] // 4, larger[0] // 4)
    explorer.change(size=predictor.recipe.input_size)
    assert len(calls) == 2 * once


def test_it_begins_where_dark_helps_most(person, predictor):
    """By hand over the 17 body points: a clear map, the best step; without labels the highest map."""
    explorer = heatmap_explorer(person, predictor)
    size, scale = predictor.recipe.input_size, predictor.codec.scale
    scene, gains, heights = explorer.scene, {}, {}
    for k in range(17):
        heatmap = scene.maps(size).heatmaps[k]
        heights[k] = float(heatmap.max())
        if person.labels[k, 2] > 0:
            truth = scene.to_crop(person.labels[k, :2], size)
            found = estimates(heatmap[None], predictor.recipe.blur_kernel_size)
            off = {name: np.hypot(*(found[name][0] * scale - truth)) for name in found}
            gains[k] = min(off["argmax"], off["quarter"]) - off["DARK"]
    clear = [k for k in gains if heights[k] >= 0.7]
    assert explorer.state.keypoint == max(clear or gains, key=gains.get)
    assert explorer.keypoint.value == explorer.state.keypoint
    unlabelled = heatmap_explorer(replace(person, labels=None), predictor)
    assert unlabelled.state.keypoint == max(heights, key=heights.get)
    assert heatmap_explorer(person, predictor, keypoint="face-3").state.keypoint == KEYPOINTS.index("face-3")


@pytest.mark.parametrize(("heights", "chosen"), [((0.9, 0.72, 0.6), 1), ((0.3, 0.6, 0.5), 2)])
def test_only_clear_maps_compete_where_there_are_any(person, predictor, heights, chosen, monkeypatch):
    gains = (0.1, 0.3, 0.9)
    monkeypatch.setattr(heatmap_scene, "BODY_POINTS", range(3))
    monkeypatch.setattr(HeatmapScene, "_gain", lambda self, state: gains[state.keypoint])
    scene = HeatmapScene(person, predictor)
    scene.heatmap = lambda state: np.full((4, 4), heights[state.keypoint])
    assert scene.telling_keypoint() == chosen


def test_targets_are_found_without_error_by_dark_on_a_plain_codec(person, tiny_model):
    predictor = Predictor(tiny_model, "w32_dark_256x192", flip_test=False, device="cpu")
    scene = HeatmapScene(person, predictor)
    state = HeatmapState(KEYPOINTS.index("left_elbow"), (192, 256), source="target")
    truth = scene.truth(state)
    np.testing.assert_allclose(scene.estimates(state)["DARK"] * 4, truth, atol=0.02)
    assert np.hypot(*(scene.estimates(state)["argmax"] * 4 - truth)) <= np.sqrt(8)
    noisy = replace(state, noise=0.2)
    assert scene.heatmap(noisy).std() > scene.heatmap(state).std()
    unlabelled = HeatmapScene(replace(person, labels=None), predictor)
    assert unlabelled.truth(state) is None
    assert not unlabelled.heatmap(state).any()
    assert "no positive value" in heatmap_words(unlabelled, state)


def heatmap_words(scene, state):
    from wbkit.widgets.heatmap_explorer import HeatmapExplorer

    return HeatmapExplorer(scene, state).text.value


def test_what_cannot_be_used_is_refused(person, predictor, tiny_model):
    with pytest.raises(InputError, match="no Predictor"):
        heatmap_explorer(person, tiny_model)
    with pytest.raises(InputError, match="no keypoint"):
        heatmap_explorer(person, predictor, keypoint="left_wing")
    with pytest.raises(InputError, match="labels have shape"):
        heatmap_explorer(person.image, predictor, person.box_xywh, labels=np.zeros((17, 3)))


# --- dark_explorer ------------------------------------------------------------------------------------


def test_errors_are_those_of_the_codec():
    rng = np.random.default_rng(2)
    for size in dark_scene.SIZES:
        dx, dy = rng.uniform(-2, 2, 2).round(2)
        state = DarkState(dx, dy, noise=0.05, size=size, unbiased=bool(rng.integers(2)), kernel=9, seed=3)
        codec = HeatmapCodec(size, state.map_size, unbiased=state.unbiased, blur_kernel_size=9)
        maps = torch.from_numpy(dark_scene.heatmap(state))[None, None]
        for name, refine in zip(dark_scene.NAMES, ("none", "quarter", "dark"), strict=True):
            point = codec.decode(maps, refine)[0][0, 0].numpy() / 4
            expected = np.hypot(*(point - state.center))
            assert dark_scene.errors(state)[name] == pytest.approx(expected, abs=1e-4)


def test_mean_errors_are_the_known_ones():
    """DESIGN's figures for a perfect Gaussian of sigma 2: .379, .191, .000; rounded: .385 for all three."""
    plain, rounded = (dark_scene.mean_errors(DarkState(unbiased=u)) for u in (True, False))
    assert plain["argmax"] == pytest.approx(0.379, abs=0.02)
    assert plain["quarter"] == pytest.approx(0.191, abs=0.015)
    assert plain["DARK"] == pytest.approx(0, abs=2e-3)
    assert all(
        error == pytest.approx(0.385, abs=0.02) for name, error in rounded.items() if name != "quarter"
    )


def test_dragging_puts_the_centre_where_the_mouse_is():
    explorer = dark_explorer()
    for frame in dark_scene.frames(explorer.state):
        place = frame.to_panel(np.add(explorer.state.middle, [1.25, -0.75]))
        explorer.drag("move", float(place[0]), float(place[1]))
        assert (explorer.state.dx, explorer.state.dy) == pytest.approx((1.25, -0.75), abs=0.01)
        explorer.change(dx=0.0, dy=0.0)
    explorer.drag("move", 370, 200)  # between the maps
    explorer.drag("move", 10, 500)  # on the bars
    assert (explorer.state.dx, explorer.state.dy) == (0, 0)
    assert DarkState().moved_to(9, -9).dx == dark_scene.FARTHEST


def test_sliders_move_the_picture_and_the_words():
    explorer = dark_explorer(noise=0.1)
    before = explorer.picture.value, explorer.text.value
    explorer._controls["dx"].value = -0.44
    assert explorer.state.dx == -0.44
    assert "(-0.44, -0.20)" in explorer.text.value
    assert explorer.picture.value != before[0]
    picture = explorer.picture.value
    explorer.other_noise()
    assert explorer.picture.value != picture
    assert repr(explorer).startswith("dark_explorer: centre (-0.44, -0.20)")


def test_photo_px_grow_as_the_input_shrinks():
    small, large = (DarkState(size=size).photo_px for size in (dark_scene.SIZES[0], dark_scene.SIZES[-1]))
    assert small == pytest.approx(3 * large)
    assert large == pytest.approx(300 * 1.25 / 96)


def test_only_odd_blur_kernels_can_be_chosen():
    assert dark_explorer()._controls["kernel"].options == tuple(range(1, 22, 2))


@pytest.mark.parametrize("wrong", [{"sigma": 9}, {"noise": -1}, {"size": (1, 2)}, {"kernel": 4}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        dark_explorer(**wrong)


# --- failure_browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled():
    """Annotations of 8 pictures, and predictions beside them: some near, some far, one person missed."""
    content = make_annotations(8, 4, seed=5)
    annotations = load_annotations(content)
    rng = np.random.default_rng(0)
    found = annotations.keypoints.copy()
    spread = rng.uniform(1, 60, (len(found), 133, 1))
    found[..., :2] += rng.normal(0, 1, found[..., :2].shape) * spread
    found[..., 2] = rng.uniform(0.05, 1, found.shape[:2])
    ids, scores = annotations.person_image_ids[1:], rng.uniform(0.2, 1, len(found) - 1)
    return annotations, load_results(results_from_arrays(found[1:], None, ids, scores))


@pytest.fixture
def pictures(labelled):
    rng = np.random.default_rng(1)
    return {int(i): rng.integers(60, 90, (480, 640, 3), dtype=np.uint8) for i in labelled[0].image_ids}


@pytest.fixture
def browser(labelled, pictures):
    return failure_browser(*labelled, images=pictures)


def test_filters_pass_what_pandas_counts(browser, labelled):
    table = keypoint_table(*labelled)
    seen = table[table["v"] > 0]
    assert len(browser.ranked()) == seen["person"].nunique()
    browser.change(level="keypoint", part="lefthand", size="medium")
    hands = seen[
        (seen["part"] == "lefthand") & seen["person_area"].between(*SIZES["medium"], inclusive="left")
    ]
    assert 0 < len(browser.ranked()) == len(hands)
    browser.change(cause="miss", size=ALL, scores=(0.5, 0.75))
    hands = seen[(seen["part"] == "lefthand") & (seen["cause"] == "miss") & seen["score"].between(0.5, 0.75)]
    assert 0 < len(browser.ranked()) == len(hands)
    assert browser.ranked()["similarity"].is_monotonic_increasing
    browser.change(level="part", part=ALL, cause=ALL, scores=(0.0, 1.0), keypoint="left_wrist")
    assert len(browser.ranked()) == (seen["keypoint"] == "left_wrist").sum()
    assert f"{len(browser.ranked())} pass" in browser.text.value


def test_a_missed_person_passes_a_score_filter_only_from_zero(browser):
    everyone = len(browser.ranked())
    assert browser.ranked().iloc[0]["cause"] == "person_missed"
    browser.change(scores=(0.05, 1.0))
    assert len(browser.ranked()) == everyone - 1


def test_people_whom_nothing_found_can_be_left_out(browser, labelled):
    missed = keypoint_table(*labelled).query("cause == 'person_missed'")["person"].unique()
    assert len(missed) == 1
    everyone, first = len(browser.ranked()), browser.ranked().iloc[0]
    assert (first["cause"], first["person"]) == ("person_missed", missed[0])
    browser._controls["cause"].value = FOUND
    ranked = browser.ranked()
    assert len(ranked) == everyone - 1
    assert missed[0] not in set(ranked["person"])
    person = browser.scene.person(ranked.iloc[0])
    shown = browser.scene.points(ranked.iloc[0], browser.state)
    assert shown.tolist() == (person["v"] > 0).tolist()  # all labelled points, not those of one cause
    browser.change(level="keypoint", part="face")
    assert set(browser.ranked()["part"]) == {"face"}
    assert "person_missed" not in set(browser.ranked()["cause"])


def test_nothing_passes(browser):
    before = browser.picture.value
    browser.change(cause="wrong_finger", part="body")
    assert len(browser.ranked()) == 0
    assert "nothing passes" in browser.text.value
    assert browser.picture.value != before
    browser.click(10, 10)
    assert browser.state.rank == 0


def test_tiles_show_the_points_where_they_are(browser):
    browser.change(level="keypoint", cause="miss", part="body")
    row, (x, y) = browser.ranked().iloc[0], (TILE / 2, TILE / 2)
    tile = browser.scene.tile(browser.state)
    rows, columns = np.nonzero((tile == PREDICTED_COLOR).all(-1))
    predicted = np.array([columns.mean(), rows.mean()])
    offset = np.array([row["x_pred"] - row["x"], row["y_pred"] - row["y"]])
    # Truth and prediction lie opposite each other about the tile's middle.
    direction = (predicted - (x, y)) / np.hypot(*(predicted - (x, y)))
    assert direction == pytest.approx(offset / np.hypot(*offset), abs=0.05)


def test_clicks_and_pages(browser):
    browser.change(level="keypoint")
    browser.click(2 * (TILE + GAP) + 5, TILE + CAPTION + 5)
    assert browser.state.rank == 6
    browser.click(TILE + GAP / 2, 20)  # between two tiles
    browser.click(5, 2 * (TILE + CAPTION) + 40)  # below them
    assert browser.state.rank == 6
    browser.turn(1)
    assert browser.state.rank == PAGE
    browser.click(5, 5)
    assert browser.state.rank == PAGE
    browser.turn(-1)
    browser.turn(-1)  # there is none before the first
    assert browser.state.rank == 0
    assert browser._controls["rank"].max == len(browser.ranked()) - 1
    browser._controls["rank"].value = 11
    assert browser.state.rank == 11
    browser._controls["part"].value = "face"
    assert (browser.state.rank, browser._controls["rank"].value) == (0, 0)
    assert set(browser._controls["keypoint"].options[1:]) == set(KEYPOINTS[23:91])
    browser._controls["keypoint"].value = "face-5"
    browser._controls["part"].value = "body"
    assert browser.state.keypoint == ALL


def test_words_tell_the_chosen_failure(browser):
    browser.change(level="part", part="face", rank=2)
    row = browser.ranked().iloc[2]
    assert f"person {row['person_id']} in image {row['image_id']}" in browser.text.value
    assert row["worst_keypoint"] in browser.text.value
    assert repr(browser) == "failure_browser: parts, worst similarity first, part face, rank 2"


def test_with_a_table_only_and_with_a_model(labelled, pictures, predictor):
    table = keypoint_table(*labelled)
    plain = failure_browser(table, level="part")
    assert (plain.shown[:TILE, :TILE] == canvas.PALE).all(-1).mean() > 0.5  # no pictures: grey
    with_model = failure_browser(table, images=pictures, model=predictor, level="part")
    without = failure_browser(table, images=pictures, level="part")
    detail = slice(2 * (TILE + CAPTION), None)
    np.testing.assert_array_equal(with_model.shown[: detail.start], without.shown[: detail.start])
    assert (with_model.shown[detail] != without.shown[detail]).any()
    with pytest.raises(InputError, match="no column cause, v"):
        failure_browser(table.drop(columns=["cause", "v"]))
    for some in (table[table["v"] > 0], table[::-1], table[:-1]):
        with pytest.raises(InputError, match="not all 133 rows of each"):
            failure_browser(some)
    one = failure_browser(table[table["person"] == table["person"].iloc[-1]])  # all rows of somebody
    assert set(one.ranked()["person"]) == {table["person"].iloc[-1]}
    with pytest.raises(InputError, match="no such folder"):
        failure_browser(table, images="/nowhere")


def test_a_picture_that_cannot_be_read_is_said_and_the_others_are_shown(labelled, pictures):
    table = keypoint_table(*labelled)
    whole = failure_browser(table, images=pictures)
    lost = int(whole.ranked()["image_id"].iloc[0])
    some = failure_browser(table, images={**pictures, lost: "/nowhere/gone.jpg"})
    assert "gone.jpg" in some.text.value
    assert "cannot be shown" in some.text.value
    assert some.problem.value == ""
    assert (some.shown[:TILE, :TILE] == canvas.PALE).all(-1).mean() > 0.5
    other = next(i for i, image_id in enumerate(some.ranked()["image_id"].head(PAGE)) if image_id != lost)
    some.change(rank=other)
    whole.change(rank=other)
    assert "gone.jpg" not in some.text.value
    top, left = other // COLUMNS * (TILE + CAPTION), other % COLUMNS * (TILE + GAP)
    tile = slice(top, top + TILE), slice(left, left + TILE)
    np.testing.assert_array_equal(some.shown[tile], whole.shown[tile])


def test_the_model_looks_into_the_box_that_was_predicted(labelled, pictures, predictor):
    annotations, results = labelled
    boxes = np.array([1.0, 2.0, 30.0, 40.0]) + np.arange(len(results))[:, None]
    browser = failure_browser(
        annotations, replace(results, boxes_xywh=boxes), images=pictures, model=predictor
    )
    row = browser.ranked()[browser.ranked()["detection"] >= 0].iloc[0]
    assert row["detection"] != row["person"]  # the first person is missed
    found = browser.scene.heatmaps(row["person"]).person.box_xywh
    np.testing.assert_array_equal(found, boxes[row["detection"]])
    boxes[:] = 0  # none can be looked into: around the labels, as with a table only
    empty = failure_browser(annotations, replace(results, boxes_xywh=boxes), images=pictures, model=predictor)
    around = empty.scene.heatmaps(row["person"]).person.box_xywh
    np.testing.assert_array_equal(around, empty.scene.box_of(row["person"]))
    plain = failure_browser(annotations, results, images=pictures, model=predictor).scene
    expected = annotations.boxes_xywh[row["person"]]
    np.testing.assert_array_equal(plain.heatmaps(row["person"]).person.box_xywh, expected)


def test_pictures_come_from_folders_by_name(tmp_path):
    picture = np.full((8, 8, 3), 200, np.uint8)
    for name in ("000000000007.jpg", "other.jpg"):
        cv2.imwrite(str(tmp_path / name), picture)
    assert pictures_in(tmp_path)(7).shape == picture.shape
    assert pictures_in(tmp_path, {9: "other.jpg"})(9).shape == picture.shape
    assert pictures_in({3: tmp_path / "other.jpg"})(3).shape == picture.shape
    assert pictures_in({3: picture})(4) is None
    with pytest.raises(InputError, match="no such picture"):
        pictures_in(tmp_path)(8)


# --- box_picker ---------------------------------------------------------------------------------------


@pytest.fixture
def picker(person, predictor):
    return box_picker(person, predictor)


def test_a_dragged_box_gives_the_predictors_points(picker, predictor, person):
    place = picker.scene.frame.to_panel(np.array([[60.0, 100.0], [300.0, 420.0]]))
    picker.drag("down", *place[1])  # from the lower right corner
    picker.drag("move", *place.mean(0))
    assert picker.state.drawing is not None
    picker.drag("up", *place[0])
    assert picker.state.boxes == ((60.0, 100.0, 240.0, 320.0),)
    assert picker.state.drawing is None
    keypoints, scores = predictor(person.image, np.array([[60, 100, 240, 320]]))
    table = picker.table()
    assert table["keypoint"].tolist() == list(KEYPOINTS)
    np.testing.assert_allclose(table[["x", "y"]], keypoints[0], atol=1e-2)
    np.testing.assert_allclose(table["score"], scores[0], atol=1e-2)
    (record,) = load_results(picker.results()).keypoints
    np.testing.assert_allclose(record[:, :2], keypoints[0], atol=1e-2)


def test_clicks_are_no_boxes_and_boxes_can_be_kept(picker):
    before = picker.state.boxes
    picker.drag("down", 50, 50)
    picker.drag("up", 52, 51)
    picker.drag("move", 200, 200)  # no button
    assert picker.state.boxes == before
    picker._controls["keep"].value = True
    picker.whole_picture()
    assert len(picker.state.boxes) == 2
    assert len(picker.table()) == 2 * 133
    assert set(picker.scene.part_table(picker.state)["person"]) == {1, 2}
    picker.clear()
    assert "Drag a box" in picker.text.value
    assert len(picker.table()) == len(picker.results()) == 0


def test_the_box_can_be_moved_by_keyboard(picker):
    x, y, w, h = picker.state.boxes[0]
    assert [side.value for side in picker.sides] == [round(v) for v in (x, y, w, h)]
    picker.sides[1].value = 50
    assert picker.state.boxes[0][1] == 50
    picker.sides[2].value = picker.sides[2].max  # cut off at the picture's border
    left, _, width, _ = picker.state.boxes[0]
    assert left + width <= picker.scene.image.shape[1] - 1
    for side in picker.sides[2:]:
        side.value = 0  # a box has a side of a pixel at least
        assert side.value == 1
    picker.sides[0].value = picker.sides[0].max
    picker.sides[1].value = 3  # all the same it moves
    assert picker.state.boxes[0][1] == 3


def test_a_photo_is_uploaded(picker):
    photo = np.full((90, 60, 3), 127, np.uint8)
    content = canvas.encode(photo, "png")
    picker.upload.value = ({"name": "me & you.png", "type": "image/png", "size": len(content),
                            "content": memoryview(content), "last_modified": datetime.now(UTC)},)  # fmt: skip
    np.testing.assert_array_equal(picker.scene.image, photo)
    assert "me &amp; you.png" in picker.text.value
    assert "60 x 90" in repr(picker)
    assert picker.state.boxes == ()  # nobody is boxed unasked
    assert "Drag a box" in picker.text.value
    picker.find_people()
    assert picker.state.boxes
    assert "Not the one you meant?" in picker.text.value
    picker.load(b"no picture", "notes.txt")
    assert "notes.txt" in picker.problem.value
    assert picker.scene.name == "me & you.png"


def test_a_photo_of_ones_own_opens_without_a_box(person, predictor, tmp_path, monkeypatch):
    monkeypatch.setattr("wbkit.widgets.people.detect_people", lambda image: pytest.fail("nobody asked"))
    cv2.imwrite(str(tmp_path / "me.png"), person.image[..., ::-1])
    for photo in (person.image, tmp_path / "me.png"):
        picker = box_picker(photo, predictor)
        assert picker.state.boxes == ()
        assert "Drag a box" in picker.text.value
        np.testing.assert_array_equal(picker.scene.image, person.image)
    assert box_picker(person.image, predictor, (9, 8, 70, 60)).state.boxes == ((9, 8, 70, 60),)
    assert box_picker(person, predictor).state.boxes == (tuple(person.box_xywh),)
    assert box_picker(person, predictor, (9, 8, 70, 60)).state.boxes == ((9, 8, 70, 60),)
    labels = np.full((133, 2), 7.0)
    scene = heatmap_explorer(person, predictor, (9, 8, 70, 60), labels=labels).scene
    assert scene.person.box_xywh.tolist() == [9, 8, 70, 60]
    assert (scene.person.labels == [7, 7, 2]).all()


def test_the_download_holds_the_table(picker):
    import base64
    import io
    import re

    import pandas as pd

    link = box_scene.download_link(picker.table(), "a.csv")
    content = base64.b64decode(re.search(r"base64,([^\"]+)", link)[1])
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(content)), picker.table(), check_dtype=False)
    assert link in picker.text.value.replace(f"{picker.scene.name[:-4]}_keypoints", "a")
    named = box_scene.download_link(picker.table(), 'me "x" <b>.csv')
    assert 'download="me &quot;x&quot; &lt;b&gt;.csv"' in named
    assert "<b>" not in named


def test_only_the_rendered_peoples_model_is_warned_about(person, predictor):
    picker = box_picker(person, predictor)
    assert any("rendered people only" in getattr(child, "value", "") for child in picker.children)
    other = copy(predictor)
    other.recipe = replace(predictor.recipe, name="w32_dark_256x192")
    assert "rendered" not in "".join(str(getattr(c, "value", "")) for c in box_picker(person, other).children)


def test_bad_boxes_are_refused(picker, person, predictor):
    with pytest.raises(InputError, match="outside"):
        picker.set_box((1000, 1000, 5, 5))
    with pytest.raises(InputError, match="empty"):
        box_picker(person.image, predictor, (1, 1, 0, 5))


# --- what all explorers share -------------------------------------------------------------------------


def test_as_text_and_where_widgets_do_not_run():
    explorer = dark_explorer()
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer) == repr(dark_explorer())
    assert len(bundle["text/plain"]) < 200
    shown = decoded_jpeg(bundle["image/jpeg"])
    assert np.abs(shown.astype(int) - explorer.shown).mean() < 3
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id


def test_unusable_input_is_said_and_other_errors_are_not_hidden(monkeypatch):
    explorer = dark_explorer()
    monkeypatch.setattr(explorer, "draw", lambda: (_ for _ in ()).throw(InputError("bad <b>", "Mend it")))
    explorer.change(dx=0.1)
    assert "bad &lt;b&gt;. Mend it" in explorer.problem.value
    monkeypatch.setattr(explorer, "draw", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explorer.change(dx=0.2)
    monkeypatch.undo()
    explorer.change(dx=0.3)
    assert explorer.problem.value == ""
    assert "+0.30" in explorer.text.value


def test_the_picture_leaves_before_the_words_and_does_not_keep_the_last_ones(monkeypatch):
    explorer, found = dark_explorer(), []

    def words():
        found.append(explorer.picture.value)
        raise InputError("no words", "Look")

    before = explorer.picture.value
    monkeypatch.setattr(explorer, "words", words)
    explorer.change(dx=-0.3)
    assert found != [before]
    assert found == [explorer.picture.value]
    assert (explorer.text.value, "no words. Look" in explorer.problem.value) == ("", True)


def test_while_a_control_moves_the_words_come_after_the_picture(monkeypatch):
    """In a kernel: those of the last state only, and what code changes is said at once."""
    monkeypatch.setattr(shell, "REST_AFTER_S", 0.01)

    async def moves() -> tuple:
        explorer, calls = dark_explorer(), []
        words = explorer.words
        monkeypatch.setattr(explorer, "words", lambda: calls.append(explorer.state.dx) or words())
        before = explorer.picture.value, explorer.text.value
        for dx in (0.1, 0.2):
            explorer._controls["dx"].value = dx
        assert explorer.picture.value != before[0]
        assert (explorer.text.value, calls) == (before[1], [])
        await asyncio.sleep(0.05)
        assert calls == [0.2]
        assert "+0.20" in explorer.text.value
        explorer._controls["dx"].value = 0.3
        explorer.change(dx=0.4)
        assert "+0.40" in explorer.text.value
        await asyncio.sleep(0.05)
        return calls

    assert asyncio.run(moves()) == [0.2, 0.4]


def test_what_moves_is_rough_and_what_rests_is_sharp(monkeypatch):
    """In a kernel, by a control as by the mouse; also where the next picture cannot be drawn."""
    monkeypatch.setattr(shell, "REST_AFTER_S", 0.01)

    def is_(explorer, kind: str) -> bool:
        return explorer.picture.value == canvas.data_url(explorer.shown, kind)

    async def moves() -> None:
        explorer = dark_explorer()
        assert is_(explorer, "png")
        mouse = explorer.events._dom_handlers
        for kind, x in (("mousedown", 120), ("mousemove", 140), ("mousemove", 160)):
            mouse({"type": kind, "dataX": x, "dataY": 150, "buttons": 1})
        assert is_(explorer, "rough")
        mouse({"type": "mouseup", "dataX": 160, "dataY": 150, "buttons": 0})
        assert is_(explorer, "png")
        explorer._controls["sigma"].value = 2.5
        assert is_(explorer, "rough")
        await asyncio.sleep(0.05)
        assert is_(explorer, "png")
        explorer._controls["sigma"].value = 2.6
        last = explorer.shown
        monkeypatch.setattr(explorer, "draw", lambda: (_ for _ in ()).throw(InputError("no", "Look")))
        explorer._controls["sigma"].value = 2.7
        assert explorer.shown is last
        assert is_(explorer, "png")
        assert "no. Look" in explorer.problem.value

    asyncio.run(moves())


def test_the_sharp_picture_waits_until_nothing_moves(monkeypatch):
    monkeypatch.setattr(shell, "REST_AFTER_S", 0.2)

    async def moves() -> None:
        explorer = dark_explorer()
        before = explorer.text.value
        for step in range(8):
            explorer._controls["dx"].value = 0.01 * step
            await asyncio.sleep(0.05)
            assert bytes(explorer.picture.value).startswith(b"data:image/jpeg")
            assert explorer.text.value == before
        await asyncio.sleep(0.4)
        assert bytes(explorer.picture.value).startswith(b"data:image/png")
        assert "+0.07" in explorer.text.value

    asyncio.run(moves())


def test_a_bad_photo_is_said_even_where_nothing_was_shown(person, predictor, monkeypatch):
    def refuse(*_):
        raise InputError("no maps", "Look")

    monkeypatch.setattr(box_scene.PickerScene, "draw", refuse)
    picker = box_picker(person, predictor)
    assert picker.shown is None
    picker.load(b"nothing", "photo.jpg")
    assert "photo.jpg" in picker.problem.value


def test_a_rough_picture_is_light_and_shows_the_same(explorer):
    rough, sharp = (canvas.encode(explorer.shown, kind) for kind in ("rough", "jpeg"))
    assert len(rough) < 0.6 * len(sharp)
    assert np.abs(decoded_jpeg(rough).astype(int) - explorer.shown).mean() < 5
    assert explorer.picture.value == b"data:image/jpeg;base64," + base64.b64encode(sharp)
    assert canvas.data_url(explorer.shown, "png").startswith(b"data:image/png;base64,iVBOR")


def test_words_that_fail_late_are_not_lost(monkeypatch):
    """What cannot be shown is said; any other error goes to Jupyter, which the event loop would not tell."""
    monkeypatch.setattr(shell, "REST_AFTER_S", 0.01)
    shown = []
    jupyter = type("Jupyter", (), {"showtraceback": lambda self: shown.append(sys.exc_info()[0])})()
    monkeypatch.setattr(shell, "get_ipython", lambda: jupyter)

    async def moves(error: Exception) -> str:
        explorer = dark_explorer()

        def words():
            raise error

        monkeypatch.setattr(explorer, "words", words)
        explorer._controls["dx"].value = 0.1
        await asyncio.sleep(0.05)
        return explorer.problem.value

    assert "no words. Look" in asyncio.run(moves(InputError("no words", "Look")))
    assert shown == []
    assert asyncio.run(moves(ValueError("odd"))) == ""
    assert shown == [ValueError]


def test_small_maps_get_one_thread_and_all_others_their_number_back():
    outside = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert on_one_thread(torch.get_num_threads)() == 1
        with pytest.raises(ZeroDivisionError):
            on_one_thread(lambda: 1 / 0)()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(outside)


def test_drags_are_followed_while_the_button_is_held():
    explorer, seen = dark_explorer(), []
    explorer.on_drag(lambda *args: seen.append(args))
    send = explorer.events._dom_handlers
    at = lambda kind, x, buttons=1: send({"type": kind, "dataX": x, "dataY": 2, "buttons": buttons})  # noqa: E731
    at("mousemove", 1, 0)
    at("mousedown", 2)
    at("mousemove", 3)
    at("dragstart", 3)
    at("mouseup", 4, 0)
    at("mousemove", 5, 0)
    at("mousedown", 6)
    at("mousemove", 7, 0)  # released outside the picture
    at("mousemove", 8)
    assert seen == [("down", 2, 2), ("move", 3, 2), ("up", 4, 2), ("down", 6, 2), ("up", 7, 2)]


def test_pictures_have_no_tooltip():
    """An Image with one is not shown at all: ipywidgets' view asks for a description that it lacks."""
    assert dark_explorer().picture.tooltip is None
