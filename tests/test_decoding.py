"""Four decoders on the same maps, scored; sizes and encodings compared with exact truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from wbkit.annotations import load_annotations
from wbkit.data import persons_from_annotations
from wbkit.files import data_folder
from wbkit.geometry import box_matrices, warp_points
from wbkit.recipes import RECIPES
from wbkit.study.decoding import (
    DECODERS,
    decode_all,
    decode_persons,
    decoder_table,
    errors_under_noise,
    rounded_keypoints,
)
from wbkit.study.noise import NoiseModel
from wbkit.study.published_dark import PUBLISHED_PARTS, PUBLISHED_PARTS_0X, SIZES, published_table
from wbkit.study.sizes import gains, matching_sharpness, size_ablation

RECIPE = RECIPES["w32_dark_256x192"]


@pytest.fixture(scope="module")
def people():
    """Annotations and persons of the first pictures of the embedded set."""
    annotations = load_annotations(
        data_folder() / "wholebody-mini/annotations/coco_wholebody_val_v1.0.json", cache=False
    )
    annotations = annotations.select_images(annotations.image_ids[:12])
    return annotations, persons_from_annotations(annotations)


def noise(**changes) -> NoiseModel:
    values = {
        "amplitude": np.full(133, 0.8),
        "amplitude_sd": np.full(133, 0.05),
        "width": np.full(133, 1.1),
        "offset": np.full(133, 0.01),
        "lost": np.zeros(133),
        "lost_offset": 0.2,
        "person_spread": 0.3,
        "noise_near": 0.01,
        "noise_far": 0.002,
        "noise_length": 0.3,
    }
    return NoiseModel(**values | changes)


def targets(codec, persons):
    """Exact maps of the persons, as `decode_persons` wants them."""
    matrices = box_matrices(persons.boxes_xywh, codec.input_size)
    points = torch.from_numpy(warp_points(persons.keypoints[..., :2], matrices[:, None]))
    yield (
        codec.encode(points, torch.from_numpy((persons.keypoints[..., 2] > 0).astype(np.float32)))[0],
        matrices,
    )


def test_decoders_are_the_codecs():
    maps = torch.rand(2, 5, 64, 48, generator=torch.Generator().manual_seed(0))
    for udp in (False, True):
        codec = HeatmapCodecs[udp]
        points, scores = decode_all(codec, maps)
        assert tuple(points) == DECODERS
        same = {"argmax": "none", "quarter": "quarter", ("UDP" if udp else "DARK"): "dark"}
        for name, refine in same.items():
            expected, maxima = codec.decode(maps, refine)
            assert torch.equal(points[name], expected)
            assert torch.equal(scores, maxima)


HeatmapCodecs = {udp: replace(SIZES["256x192"].codec, udp=udp) for udp in (False, True)}


def test_exact_maps_score_best_with_dark_and_rounding_is_what_argmax_gives(people):
    annotations, persons = people
    codec = SIZES["128x96"].codec
    decoded = decode_persons(codec, targets(codec, persons))
    table = decoder_table(annotations, persons, decoded, RECIPE)
    assert table.index.tolist() == list(DECODERS)
    assert table.error["DARK"] < 0.1 < table.error["quarter"] < table.error["argmax"]
    assert table.loc["DARK", "body"] == 100
    inside = (persons.keypoints[..., 2] > 0) & (decoded.scores > 0.5)
    rounded = rounded_keypoints(codec, persons)
    difference = np.abs(decoded.keypoints["argmax"] - rounded)[inside].max(-1)
    assert np.mean(difference < 1e-3) > 0.999  # the rest: places on the edge between two pixels


def test_seventeen_keypoints_score_the_body_only(people):
    annotations, persons = people
    table = size_ablation(annotations, persons, noise(), RECIPE, sizes=["128x96"], keypoints=17)
    assert table["body"].between(1, 100).all()
    assert table[["foot", "face", "wholebody", "hand"]].isna().all(axis=None)
    assert table.index.names == ["size", "encoding", "decoder"]
    assert len(table) == 8


def test_the_gain_grows_as_the_size_falls(people):
    annotations, persons = people
    table = size_ablation(annotations, persons, noise(), RECIPE, keypoints=17)
    rows = gains(table)
    assert list(rows.index) == list(SIZES)
    assert rows.gain["128x96"] > rows.gain["256x192"]
    assert rows.gain["128x96"] > rows.gain["384x288"] >= 0
    alone = gains(table, before="unbiased")
    assert (alone["with"] == rows["with"]).all()
    assert alone.gain["128x96"] > 0
    again = size_ablation(annotations, persons, noise(), RECIPE, keypoints=17, sizes=["128x96"])
    pd.testing.assert_frame_equal(again, table.loc[["128x96"]])


def test_a_better_network_is_found_for_a_higher_ap(people):
    annotations, persons = people
    model = noise(offset=np.full(133, 0.03), lost=np.full(133, 0.1))
    ap = lambda factor: size_ablation(  # noqa: E731
        annotations, persons, model.sharper(factor), RECIPE, sizes=["256x192"], keypoints=17
    ).loc[("256x192", "unbiased", "DARK"), "body"]
    factor = matching_sharpness(annotations, persons, model, RECIPE, target=60.0)
    assert factor > 1
    assert ap(factor) >= 60 > ap(factor - 0.05)
    assert matching_sharpness(annotations, persons, model, RECIPE, target=101, highest=2) == 2


def test_published_numbers():
    table = published_table()
    assert table.gain.to_dict() == {
        ("128x96", "W32"): 3.8,
        ("128x96", "W48"): 3.9,
        ("256x192", "W32"): 1.2,
        ("384x288", "W32"): 0.8,
        ("384x288", "W48"): 0.5,
    }
    published = RECIPE.published
    assert all(after / 100 == pytest.approx(published[p][0]) for p, (_, after) in PUBLISHED_PARTS_0X.items())
    assert all(abs(after / 100 - published[part][0]) < 0.002 for part, (_, after) in PUBLISHED_PARTS.items())


def test_errors_of_perfect_gaussians_are_the_derived_ones():
    codec = SIZES["256x192"].codec
    table = errors_under_noise(codec, [0.0, 0.1], count=4000)
    assert table.loc[0.0, "argmax"] == pytest.approx((np.sqrt(2) + np.log(1 + np.sqrt(2))) / 6, abs=0.005)
    assert table.loc[0.0, "quarter"] == pytest.approx(
        0.191, abs=0.003
    )  # half of argmax's: a square half as wide
    assert table.loc[0.0, "DARK, blur 11"] < 1e-3
    assert table.loc[0.1, "DARK, blur 11"] < table.loc[0.1, "quarter"] < table.loc[0.1, "argmax"]
    assert table.loc[0.1, "DARK, no blur"] > 3 * table.loc[0.1, "DARK, blur 11"]
