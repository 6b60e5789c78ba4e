"""Slices, sensitivity, calibration, comparison and the gallery, against naive counts and by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planting import NOISE_MODELS, embedded, make_scene, result_columns
from test_failures_table import noisy, two_people

from wbkit.errors import InputError
from wbkit.evaluate import per_part_table
from wbkit.failures import (
    LABELLED_CAUSES,
    PERSON_SLICINGS,
    SLICINGS,
    analyse,
    compare,
    expected_calibration_error,
    instance_calibration,
    keypoint_calibration,
    keypoint_table,
    sensitivity,
    sensitivity_change,
    slice_table,
    worst,
)
from wbkit.failures.compare import mean_intervals
from wbkit.failures.intervals import picture_weights
from wbkit.keypoints import KEYPOINTS, PARTS


@pytest.fixture(scope="module")
def analysis():
    return analyse(*noisy())


@pytest.fixture(scope="module")
def table(analysis):
    return keypoint_table(analysis)


# --- slices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", SLICINGS)
def test_slices_cover_the_labelled_keypoints_once(table, by):
    rows, whole = slice_table(table, by), slice_table(table, by, parts=False)
    labelled = table[table["v"] > 0]
    column = {"size": "person_area", "occlusion": "v"}.get(by, SLICINGS[by].column)
    known = labelled[column].notna().sum()
    assert rows["labelled"].sum() == whole["labelled"].sum() == known > 0
    np.testing.assert_allclose(rows[list(LABELLED_CAUSES)].sum(axis=1), 1)
    assert len(whole) >= 2
    assert whole["low"].is_monotonic_increasing


def test_a_slice_by_hand(table):
    rows = slice_table(table, "size").set_index(["part", "low"])
    labelled = table[table["v"] > 0]
    side = np.sqrt(labelled["person_area"].astype(float))
    here = labelled[(labelled["part"] == "face") & (side >= 96) & (side < 160)]
    row = rows.loc[("face", 96)]
    assert row["high"] == 160
    assert row["bin"] == "96–160"
    assert row["labelled"] == len(here) > 500
    assert row["error_part"] == pytest.approx(here["error_part"].median())
    assert row["similarity"] == pytest.approx(here["similarity"].mean())
    assert row["similarity_part"] == pytest.approx(here["similarity_part"].mean())
    assert row["found"] == pytest.approx((here["detection"] >= 0).mean())
    for cause in LABELLED_CAUSES:
        assert row[cause] == pytest.approx((here["cause"] == cause).mean())


def test_visibility_truncation_crowding_and_occlusion_by_hand(table):
    labelled = table[table["v"] > 0]

    def counted(by):
        rows = slice_table(table, by, parts=False)
        return dict(zip(rows["bin"].astype(str), rows["labelled"], strict=True))

    assert counted("visibility") == {
        "hidden": (labelled["v"] == 1).sum(),
        "visible": (labelled["v"] == 2).sum(),
    }
    assert counted("truncation")["cut off"] == labelled["truncated"].sum()
    assert counted("crowding")["0"] == (labelled["neighbours"] == 0).sum()
    hidden = 0
    for _, rows in labelled.groupby("person"):
        body = rows[rows["part"] == "body"]
        hidden += len(rows) if (body["v"] == 1).mean() >= 0.5 else 0
    assert counted("occlusion")[">= 50 %"] == hidden > 0


def test_labels_without_visibility_say_nothing_about_it():
    """COCO-WholeBody marks every face point v = 1: neither hidden faces nor hidden people follow from it."""
    truth, results = noisy()
    keypoints = truth.keypoints.copy()
    face = keypoints[:, PARTS["face"]]
    face[..., 2] = face[..., 2] > 0
    published = replace(truth, keypoints=keypoints)
    table = keypoint_table(published, results)
    rows = slice_table(table, "visibility")
    assert set(rows["part"]) == {"body", "foot", "lefthand", "righthand"}
    same = [slice_table(t, "occlusion") for t in (table, keypoint_table(truth, results))]
    pd.testing.assert_frame_equal(*same)
    curves = [sensitivity(t, results, by="occlusion", parts=["face"]) for t in (published, truth)]
    pd.testing.assert_frame_equal(*curves)


def test_intervals_of_slices_are_those_of_a_naive_bootstrap(table):
    rows = slice_table(table, "size", resamples=30, seed=5, level=0.8)
    plain = slice_table(table, "size")
    pd.testing.assert_frame_equal(rows[plain.columns], plain)
    labelled = table[table["v"] > 0]
    pictures = np.unique(labelled["image_id"])
    draws = np.random.default_rng(5).multinomial(len(pictures), np.full(len(pictures), 1 / len(pictures)), 30)
    side = np.sqrt(labelled["person_area"].astype(float))
    here = labelled[(labelled["part"] == "body") & (side >= 64) & (side < 96)]
    row = rows[(rows["part"] == "body") & (rows["low"] == 64)].iloc[0]
    for name, values in (("similarity", here["similarity"]), ("good", (here["cause"] == "good"))):
        means = []
        for draw in draws:
            counts = here["image_id"].map(dict(zip(pictures, draw, strict=True)))
            repeated = values.loc[here.index.repeat(counts)].dropna()
            means.append(repeated.mean())
        assert row[f"{name}_low"] == pytest.approx(np.percentile(means, 10))
        assert row[f"{name}_high"] == pytest.approx(np.percentile(means, 90))
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]


def test_quantile_slices_hold_equally_many(table):
    rows = slice_table(table, "score", parts=False)
    assert len(rows) == 10
    assert rows["labelled"].max() - rows["labelled"].min() <= 2
    assert rows["labelled"].sum() == table[(table["v"] > 0)]["score"].notna().sum()


def test_small_hands_are_forgiven_by_the_official_scale():
    """A hand of 20 px whose points are 5 px off, of a person of 200 px: fine for OKS, poor for a hand."""
    scene = make_scene(0, count=2, noise=0)
    truth = scene.annotations
    truth.areas[:] = 200.0**2
    truth.part_boxes_xywh[:, 1] = (0, 0, 20, 20)
    scene.predicted[:, 91:112, 0] += 5
    hand = slice_table(keypoint_table(truth, scene.results()), "part_size").set_index("part").loc["lefthand"]
    assert hand["similarity"] > 0.75
    assert hand["similarity_part"] < 0.01
    assert (hand["error_person"], hand["error_part"]) == pytest.approx((5 / 200, 5 / 20))


# --- sensitivity -----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", PERSON_SLICINGS)
def test_every_person_is_in_one_slice(analysis, by):
    rows = sensitivity(analysis, by=by, parts=["body", "lefthand"])
    labelled = analysis.pairs.labelled
    for part, here in rows.groupby("part", observed=True):
        total = labelled[:, PARTS[part]].any(1).sum()
        known = labelled[:, PARTS[part]].sum() if by != "part_size" else here["labelled"].sum()
        assert here["labelled"].sum() == known
        assert here["persons"].sum() == total
        official = per_part_table(*noisy()).loc[part, "AR"]
        assert (here["AR"] * here["persons"]).sum() / total == pytest.approx(official, abs=0.03)
    assert ((rows["AP"] >= 0) & (rows["AP"] <= 1) & (rows["AP50"] >= rows["AP"])).all()


def test_errors_of_small_people_show_in_their_slice_only():
    scene = make_scene(4, count=40, noise=0.05)
    small = np.sqrt(scene.areas) < 96
    assert 5 < small.sum() < 35
    for person in np.flatnonzero(small):
        for _ in range(8):
            NOISE_MODELS["miss"](scene, person)
    rows = sensitivity(scene.annotations, scene.results(), by="size", parts=["wholebody"], resamples=4)
    large = rows["low"] >= 96
    assert (rows[large]["AR"] == 1).all()
    assert (rows[~large]["AR"] < 0.9).all()
    assert rows["persons"].sum() == 40
    assert (rows["AR_low"] <= rows["AR_high"]).all()


def test_people_and_labels_of_a_slice_are_counted_for_each_part(analysis, table):
    rows = sensitivity(analysis, by="size").set_index(["part", "low"])
    labelled = table[table["v"] > 0]
    side = np.sqrt(labelled["person_area"].astype(float))
    here = labelled[(side >= 96) & (side < 160)]
    counts = {}
    for part in PARTS:
        own = here if part == "wholebody" else here[here["part"] == part]
        row = rows.loc[(part, 96)]
        counts[part] = (own["person"].nunique(), len(own))
        assert (row["persons"], row["labelled"]) == counts[part]
    assert len(set(counts.values())) > 3  # parts differ


# --- calibration -----------------------------------------------------------------------------------


def test_reliability_by_hand():
    truth, results = two_people()
    table = keypoint_table(truth, results)  # nose: ks .01, score .9; shoulder: ks .61, score .5
    rows = keypoint_calibration(table, bins=10).set_index("part").loc["body"]
    assert rows["bin"].tolist() == [5, 9]
    assert rows["low"].tolist() == pytest.approx([0.5, 0.9])
    assert rows["right"].tolist() == [1, 0]
    assert rows["score"].tolist() == pytest.approx([0.5, 0.9])
    assert rows["gap"].tolist() == pytest.approx([-0.5, 0.9])
    ece = expected_calibration_error(keypoint_calibration(table))
    assert ece.to_dict() == pytest.approx({"body": 0.7, "wholebody": 0.7})
    assert keypoint_calibration(table, right="good").set_index("part").loc["body", "right"].tolist() == [0, 0]
    soft = keypoint_calibration(table, right="similarity").set_index("part").loc["body", "right"]
    assert soft.iloc[0] == pytest.approx(np.exp(-0.5))


def test_scores_that_say_what_is_right_are_calibrated(table):
    honest = table.assign(score=table["similarity"])
    assert expected_calibration_error(keypoint_calibration(honest, right="similarity")).max() < 1e-6
    boastful = table.assign(score=1.0)
    ece = expected_calibration_error(keypoint_calibration(boastful))
    used = table[(table["v"] > 0) & (table["detection"] >= 0)]
    assert ece["wholebody"] == pytest.approx(1 - (used["similarity"] >= 0.5).mean())
    rows = keypoint_calibration(table, bins=7)
    assert rows[rows["part"] == "wholebody"]["count"].sum() == len(used)


def test_scores_of_persons():
    scene = make_scene(0, count=6, noise=0)
    guess = np.concatenate([scene.truth, scene.truth[:2] + 2500])
    guess = np.concatenate([guess, np.ones((8, 133, 1))], axis=2)
    images = [1, 1, 2, 2, 3, 3, 1, 1]
    results = result_columns(guess, images, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.2, 0.1])
    rows = instance_calibration(scene.annotations, results, bins=4)
    assert rows["count"].tolist() == [2] * 4
    assert rows["right"].tolist() == [0, 1, 1, 1]
    assert rows["assigned"].tolist() == [0, 1, 1, 1]
    assert rows["score"].tolist() == pytest.approx([0.15, 0.55, 0.75, 0.95])
    assert expected_calibration_error(rows)["person"] == pytest.approx((0.15 + 0.45 + 0.25 + 0.05) / 4)


# --- comparison ------------------------------------------------------------------------------------


def better_and_worse():
    """b repairs the left hands of a and breaks the feet."""
    truth, a = noisy(3)
    keypoints = a.keypoints.copy()
    pairs = analyse(truth, a).pairs
    found = pairs.found
    rows = pairs.detections[found]
    keypoints[rows, 91:112, :2] = np.where(
        pairs.labelled[found, 91:112, None], pairs.truth[found, 91:112, :2], keypoints[rows, 91:112, :2]
    )
    keypoints[rows, 17:23, :2] += (0.4 * np.sqrt(pairs.areas[found]))[:, None, None]
    return truth, a, result_columns(keypoints, a.image_ids, a.scores)


def test_what_was_fixed_and_broken_is_found():
    truth, a, b = better_and_worse()
    compared = compare(truth, a, b, resamples=40)
    official = [per_part_table(truth, x) for x in (a, b)]
    for name in ("AP", "AP50", "AP75", "AR"):
        np.testing.assert_allclose(compared.parts[f"{name}_a"], official[0][name], atol=1e-12)
        np.testing.assert_allclose(compared.parts[f"{name}_b"], official[1][name], atol=1e-12)
    parts = compared.parts
    assert parts.loc["lefthand", "AP_low"] > 0.05
    assert parts.loc["foot", "AP_high"] < -0.05
    assert parts.loc["face", ["AP_difference", "AP_low", "AP_high"]].tolist() == [0, 0, 0]
    points = compared.keypoints
    assert tuple(points.index) == KEYPOINTS
    hand, foot = points["part"] == "lefthand", points["part"] == "foot"
    assert (points[hand]["low"] > 0).all()
    assert (points[foot]["high"] < 0).all()
    assert (points[hand]["fixed"] > 0.1).all()
    assert (points[hand]["broken"] == 0).all()
    assert (points[foot]["broken"] > 0.5).all()
    assert (points[~hand & ~foot][["difference", "low", "high", "fixed", "broken"]] == 0).all().all()
    np.testing.assert_allclose(
        points["good_b"] - points["good_a"], points["fixed"] - points["broken"], atol=1e-12
    )


@pytest.mark.parametrize("by", ["size", "part_size"])
def test_slices_of_both_are_those_of_each(by):
    truth, a, b = better_and_worse()
    rows = sensitivity_change(truth, a, b, by=by, resamples=3, seed=2)
    for end, results in (("a", a), ("b", b)):
        alone = sensitivity(truth, results, by=by)
        about = ["part", "bin", "low", "high", "persons", "labelled"]
        pd.testing.assert_frame_equal(rows[about], alone[about])
        for name in ("AP", "AP50", "AR"):
            np.testing.assert_array_equal(rows[f"{name}_{end}"], alone[name])
    for name in ("AP", "AP50", "AP75", "AR"):
        gain = rows[f"{name}_b"] - rows[f"{name}_a"]
        np.testing.assert_array_equal(rows[f"{name}_difference"], gain)
        assert not (rows[f"{name}_low"] > rows[f"{name}_high"]).any()  # NaN: nobody of a slice was drawn
    mirror = sensitivity_change(analyse(truth, b), analyse(truth, a), by=by, resamples=3, seed=2)
    np.testing.assert_allclose(rows["AP_low"], -mirror["AP_high"], atol=1e-12)
    assert (rows.loc[rows["part"] == "face", "AP_low"] == 0).all()
    assert (rows.loc[rows["part"] == "lefthand", "AP_difference"] > 0).any()


def test_a_slice_of_everybody_is_the_comparison_itself():
    """Nobody is truncated here, so one slice holds all: its differences and intervals are `compare`'s."""
    scenes = [make_scene(4, count=30, noise=noise) for noise in (0.4, 0.2)]
    for scene in scenes:
        for person in range(0, 30, 3):
            NOISE_MODELS["miss"](scene, person)
    a, b = (analyse(scenes[0].annotations, scene.results()) for scene in scenes)
    rows = sensitivity_change(a, b, by="truncation", resamples=20, seed=3).set_index("part")
    whole = compare(a, b, resamples=20, seed=3).parts.drop(index="hand")
    assert rows.index.tolist() == whole.index.tolist()  # one bin a part
    np.testing.assert_allclose(rows[whole.columns], whole, atol=1e-12)
    assert (whole["AP_low"] < whole["AP_high"]).any()


def test_one_picture_says_nothing_about_others():
    scenes = [make_scene(4, count=12, noise=noise) for noise in (0.4, 0.2)]
    alone = scenes[0].annotations.person_image_ids[0]
    truth = scenes[0].annotations.select_images(np.array([alone]))
    results = [scene.results() for scene in scenes]
    a, b = (analyse(truth, r.select(r.image_ids == alone)) for r in results)
    rows = sensitivity_change(a, b, by="truncation", parts=["wholebody"], resamples=5)
    assert len(rows) == 1
    assert np.isfinite(rows["AP_difference"]).all()
    assert rows[["AP_low", "AP_high", "AR_low", "AR_high"]].isna().all(axis=None)


def test_what_small_people_gain_shows_in_their_slice_only():
    scene, worse = make_scene(4, count=40, noise=0.05), make_scene(4, count=40, noise=0.05)
    small = np.sqrt(scene.areas) < 96
    for person in np.flatnonzero(small):
        for _ in range(8):
            NOISE_MODELS["miss"](worse, person)
    files = scene.annotations, worse.results(), scene.results()
    rows = sensitivity_change(*files, by="size", parts=["wholebody"], resamples=20)
    large = rows["low"] >= 96
    assert (rows[large]["AR_difference"] == 0).all()
    assert (rows[~large]["AR_difference"] > 0.1).all()


def test_comparison_equals_naive_counts():
    truth, a, b = better_and_worse()
    compared = compare(truth, a, b, resamples=0)
    tables = [keypoint_table(truth, x) for x in (a, b)]
    both = pd.concat([tables[0], tables[1]["cause"].rename("cause_b")], axis=1)
    both = both[both["v"] > 0]
    counted = both.groupby(["part", "cause", "cause_b"], observed=True).size()
    assert compared.changes["count"].sum() == len(both)
    for row in compared.changes.itertuples():
        assert row.count != 0
        assert counted[row.part, row.cause_a, row.cause_b] == compared.changes.loc[row.Index, "count"]
    differing = both[both["cause"].astype(str) != both["cause_b"].astype(str)]
    assert len(compared.rows) == len(differing)
    assert compared.rows["change"].is_monotonic_decreasing
    roots = [
        t[(t["keypoint"] == "left_hand_root") & (t["v"] > 0)]["similarity"].fillna(0).mean() for t in tables
    ]
    assert compared.keypoints.loc["left_hand_root", "difference"] == pytest.approx(
        roots[1] - roots[0], abs=1e-6
    )
    assert compared.parts["AP_low"].isna().all()


def test_a_comparison_turned_round_is_its_mirror():
    truth, a, b = better_and_worse()
    first = compare(analyse(truth, a), analyse(truth, b), resamples=10)
    second = compare(analyse(truth, b), analyse(truth, a), resamples=10)
    np.testing.assert_allclose(first.parts["AP_low"], -second.parts["AP_high"], atol=1e-12)
    np.testing.assert_allclose(first.keypoints["low"], -second.keypoints["high"], atol=1e-12)
    np.testing.assert_array_equal(first.keypoints["fixed"], second.keypoints["broken"])


def test_intervals_of_all_keypoints_together_equal_a_naive_loop():
    truth, a, b = better_and_worse()
    compared = compare(truth, a, b, resamples=30, seed=4, level=0.9)
    assert (compared.resamples, compared.level) == (30, 0.9)
    tables = [keypoint_table(truth, x) for x in (a, b)]
    gain = tables[1]["similarity"].fillna(0) - tables[0]["similarity"].fillna(0)
    rows = tables[0].assign(gain=gain.astype(float))[tables[0]["v"] > 0]
    pictures = np.sort(truth.image_ids)
    draws = np.random.default_rng(4).multinomial(len(pictures), np.full(len(pictures), 1 / len(pictures)), 30)
    names = ["left_hand_root", "left_thumb3", "left_big_toe", "nose", "right_small_toe"]
    errors, largest = {}, np.zeros(30)
    for name in KEYPOINTS:
        here = rows[rows["keypoint"] == name]
        sums = dict.fromkeys(pictures, (0.0, 0))
        for image, values in here.groupby("image_id")["gain"]:
            sums[image] = values.sum(), len(values)
        mean = here["gain"].mean()
        errors[name] = np.sqrt(sum((g - mean * n) ** 2 for g, n in sums.values())) / len(here)
        for r, draw in enumerate(draws) if errors[name] > 1e-9 else ():
            taken = [sums[i] for i, times in zip(pictures, draw, strict=True) for _ in range(times)]
            count = sum(n for _, n in taken)
            own = sum(g for g, _ in taken) / count
            error = np.sqrt(sum((g - own * n) ** 2 for g, n in taken)) / count
            largest[r] = max(largest[r], abs(own - mean) / max(error, errors[name] / 2))
    reach = np.quantile(largest, 0.9)
    for name in names:
        row = compared.keypoints.loc[name]
        low, high = row["difference"] - reach * errors[name], row["difference"] + reach * errors[name]
        assert row["low_all"] == pytest.approx(min(low, row["low"]), abs=1e-6)
        assert row["high_all"] == pytest.approx(max(high, row["high"]), abs=1e-6)
    points = compared.keypoints
    assert (points["low_all"] <= points["low"]).all()
    assert (points["high_all"] >= points["high"]).all()
    changed = points["part"].isin(["lefthand", "foot"])
    assert (points["low_all"] < points["low"])[changed].all()
    assert (points.loc[~changed, ["low_all", "high_all"]] == 0).all(axis=None)
    assert (points.loc[points["part"] == "foot", "high_all"] < 0).all()


def test_that_nothing_changed_is_told_nineteen_times_in_twenty():
    """Gains that are pure chance, alike within a part: how often any of 133 intervals leaves out 0."""
    rng = np.random.default_rng(0)
    runs, pictures = 160, 80
    wrong = {"one": 0, "all": 0}
    for run in range(runs):
        shared = np.repeat(rng.normal(size=(pictures, 19)), 7, axis=1)
        gains = shared + rng.normal(size=(pictures, 133))
        counts = rng.integers(0, 4, gains.shape)
        found = mean_intervals(gains * counts, counts, picture_weights(pictures, 200, run), 0.95)
        assert (found["low_all"] <= found["low"]).all()
        for name, end in (("one", ""), ("all", "_all")):
            wrong[name] += ((found[f"low{end}"] > 0) | (found[f"high{end}"] < 0)).any()
    assert wrong["one"] > 0.9 * runs
    assert 0.01 * runs <= wrong["all"] <= 0.1 * runs


def test_intervals_where_little_is_known():
    gains, counts = np.zeros((5, 4)), np.ones((5, 4), int)
    gains[:, 0] = [1, 2, 3, 4, 5]
    gains[:, 1] = 0.25  # every picture gains the same
    counts[1:, 2], gains[0, 2] = 0, 1  # in one picture only
    counts[:, 3] = 0
    found = mean_intervals(gains, counts, picture_weights(5, 50), 0.95)
    assert found["low_all"][0] < found["low"][0] < 3 < found["high"][0] < found["high_all"][0]
    assert [found[end][1] for end in found] == pytest.approx([0.25] * 4)
    assert all(np.isnan(found[end][2:]).all() for end in found)
    without = mean_intervals(gains, counts, picture_weights(5, 0), 0.95)
    assert all(np.isnan(ends).all() for ends in without.values())


def test_results_of_other_labels_are_refused():
    truth, results = noisy()
    other = truth.select(np.arange(10))
    with pytest.raises(InputError, match="different labels"):
        compare(analyse(truth, results), analyse(other, results))
    with pytest.raises(InputError, match="second results are missing"):
        compare(truth, results)
    larger = replace(truth, areas=truth.areas * 1.6)
    with pytest.raises(InputError, match="different labels"):  # others would be in each slice
        sensitivity_change(analyse(truth, results), analyse(larger, results))


# --- gallery ---------------------------------------------------------------------------------------


def test_the_worst_by_hand(table):
    rows = worst(table, 7, level="keypoint", by="error_px", part="body", cause=["jitter", "miss"])
    kept = table[(table["v"] > 0) & (table["part"] == "body") & table["cause"].isin(["jitter", "miss"])]
    assert rows["error_px"].tolist() == kept["error_px"].nlargest(7).tolist()
    people = worst(table, 5, where=lambda t: t["detection"] >= 0)
    found = table[(table["v"] > 0) & (table["detection"] >= 0)]
    means = found.groupby("person")["similarity"].mean().nsmallest(5)
    assert people["person"].tolist() == means.index.tolist()
    assert people["value"].tolist() == pytest.approx(means.tolist())
    for row in people.itertuples():
        mine = found[found["person"] == row.person]
        assert row.keypoints == len(mine)
        assert row.worst_keypoint == mine.loc[mine["similarity"].idxmin(), "keypoint"]
        assert (mine["cause"] == row.cause).sum() == mine["cause"].value_counts().max()
    assert worst(table, 3)["detection"].tolist() == [-1] * 3  # missed persons come first


def test_parts_confident_errors_and_filters(table):
    hands = worst(table, 10, level="part", by="error_part", part=["lefthand", "righthand"], at_least=15)
    assert set(hands["part"]) <= {"lefthand", "righthand"}
    assert (hands["keypoints"] >= 15).all()
    found = hands["value"].dropna()
    assert found.is_monotonic_decreasing
    sure = worst(table, 10, level="keypoint", by="score")
    assert sure["score"].is_monotonic_decreasing
    assert (sure["cause"] != "good").all()
    assert sure["score"].notna().all()
    knees = worst(table, 1000, level="keypoint", keypoint=["left_knee", "right_knee"])
    assert set(knees["keypoint"]) == {"left_knee", "right_knee"}
    invented = worst(table, 5, level="keypoint", by="score", cause="hallucinated")
    assert (invented["v"] == 0).all()
    assert len(worst(table, where=lambda t: t["person_area"] > 1e9)) == 0


def test_unknown_names_are_refused(table, analysis):
    with pytest.raises(InputError, match="no level 'image'"):
        worst(table, level="image")
    with pytest.raises(InputError, match="no ranking 'px'"):
        worst(table, by="px")
    with pytest.raises(InputError, match="no cause 'bad'"):
        worst(table, cause="bad")
    with pytest.raises(InputError, match="no part 'hand'"):
        worst(table, part="hand")
    with pytest.raises(InputError, match="no slicing 'age'"):
        slice_table(table, "age")
    with pytest.raises(InputError, match="no slicing 'score'"):
        sensitivity(analysis, by="score")
    with pytest.raises(InputError, match="no slicing 'score'"):
        sensitivity_change(analysis, analysis, by="score")
    with pytest.raises(InputError, match="there is no 'exact'"):
        keypoint_calibration(table, right="exact")
    with pytest.raises(InputError, match="0 bins"):
        keypoint_calibration(table, bins=0)
    with pytest.raises(InputError, match="0 bins"):
        instance_calibration(analysis, bins=0)
    assert len(embedded("val")) > 100
