"""Costs, person-level errors and intervals, against evaluating really repaired and really repeated files."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planting import NOISE_MODELS, embedded, make_scene, result_columns
from test_evaluate import random_case
from test_failures_table import noisy

from wbkit.annotations import load_annotations, load_results
from wbkit.errors import InputError
from wbkit.evaluate import per_part_table
from wbkit.failures import (
    CAUSES,
    REPAIRS,
    analyse,
    ap_cost,
    ap_intervals,
    detection_table,
    keypoint_table,
    person_table,
    verdict_table,
)
from wbkit.failures.intervals import interval, picture_weights
from wbkit.failures.precision import average_precision, rank
from wbkit.failures.rematch import match_part
from wbkit.failures.repairs import open_workshop
from wbkit.keypoints import FLIP_INDICES, PARTS, SIGMAS
from wbkit.matching import match


def row(table, part, repair):
    return table[(table["part"] == part) & (table["repair"] == repair)].iloc[0]


def crowded(seed=0):
    """The embedded val set with all kinds of errors, a part left out here and there, and duplicates."""
    truth, results = noisy(seed)
    rng = np.random.default_rng(seed + 100)
    keypoints = results.keypoints.copy()
    flipped = rng.random(keypoints.shape[:2]) < 0.1
    keypoints[..., :2] = np.where(flipped[..., None], keypoints[:, FLIP_INDICES, :2], keypoints[..., :2])
    for part in ("lefthand", "foot"):
        keypoints[rng.random(len(keypoints)) < 0.1, PARTS[part], 2] = 0
    return truth, result_columns(keypoints, results.image_ids, results.scores)


# --- matching and AP -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_the_baseline_is_the_official_number_and_everything_repaired_is_one(seed):
    """On the odd cases of the evaluator's tests: crowds, ties, empty parts, 23 detections, part scores."""
    rng = np.random.default_rng(900 + seed)
    for _ in range(2):
        truth, results = random_case(rng)
        truth, results = load_annotations(truth), load_results(results)
        official = per_part_table(truth, results)
        table = ap_cost(truth, results)
        for part in official.index:
            first, last = row(table, part, "none"), row(table, part, REPAIRS[-1])
            np.testing.assert_allclose(first["AP"], official.loc[part, "AP"], atol=1e-12)
            np.testing.assert_allclose(first["AR"], official.loc[part, "AR"], atol=1e-12)
            assert first["AP_cost"] == 0 or np.isnan(first["AP_cost"])
            done = last[["AP_cumulative", "AR_cumulative"]].to_numpy(float)
            # Nobody to be found, or nobody left of whom anything was found.
            assert np.isnan(done).all() or done == pytest.approx(1), (part, table[table["part"] == part])


@pytest.mark.parametrize("seed", range(4))
def test_matching_a_part_equals_the_evaluator(seed):
    truth, results = random_case(np.random.default_rng(seed))
    truth, results = load_annotations(truth), load_results(results)
    pairs = analyse(truth, results).pairs
    for part in PARTS:
        official, ours = match(truth, results, part), match_part(pairs, part)
        kept = ~ours.removed
        np.testing.assert_array_equal(ours.detections[kept], official.detections)
        np.testing.assert_array_equal(ours.persons[kept], official.persons[:, 0])
        np.testing.assert_array_equal(ours.ignored[kept], official.ignored[:, 0])
        np.testing.assert_array_equal(ours.ignored_persons, official.ignored_persons[:, 0])


def repeated(truth, results, times):
    """Files in which picture i is there times[i] times, under ids of its own."""
    images, persons, detections, ids = [], [], [], []
    person_images, detection_images = [], []
    for picture, (image, count) in enumerate(zip(truth.image_ids, times, strict=True)):
        for _ in range(count):
            ids.append(len(ids))
            images.append(picture)
            here = np.flatnonzero(truth.person_image_ids == image)
            found = np.flatnonzero(results.image_ids == image)
            persons += here.tolist()
            detections += found.tolist()
            person_images += [ids[-1]] * len(here)
            detection_images += [ids[-1]] * len(found)
    columns = {k: getattr(truth, k)[images] for k in ("file_names", "image_sizes_wh")}
    more = replace(
        truth.select(np.array(persons)),
        image_ids=np.array(ids),
        ids=np.arange(len(persons)),
        person_image_ids=np.array(person_images),
        **columns,
    )
    return more, replace(results.select(np.array(detections)), image_ids=np.array(detection_images))


@pytest.mark.parametrize("seed", range(3))
def test_weights_equal_repeating_the_pictures(seed):
    truth, results = crowded(seed)
    truth = truth.select_images(truth.image_ids[:25])
    results = results.select(np.isin(results.image_ids, truth.image_ids))
    order = np.argsort(truth.image_ids)  # weights go by ascending image id
    times = np.random.default_rng(seed).multinomial(25, np.full(25, 1 / 25))
    in_file_order = np.empty(25, int)
    in_file_order[order] = times
    expected = per_part_table(*repeated(truth, results, in_file_order))
    pairs = analyse(truth, results).pairs
    for part in PARTS:
        ap, ar = average_precision(rank(match_part(pairs, part)), times)
        np.testing.assert_allclose(ap.mean(), expected.loc[part, "AP"], atol=1e-12)
        np.testing.assert_allclose((ap[0], ap[5]), expected.loc[part, ["AP50", "AP75"]], atol=1e-12)
        np.testing.assert_allclose(ar.mean(), expected.loc[part, "AR"], atol=1e-12)


# --- repairs ---------------------------------------------------------------------------------------


def repaired_by_hand(truth, results, table, causes):
    """A results file with the points of these causes put onto their labels, one after the other."""
    keypoints = results.keypoints.copy()
    wrong = table[table["cause"].isin(causes) & (table["detection"] >= 0)]
    point = wrong["keypoint"].cat.codes
    for person, detection, k in zip(wrong["person"], wrong["detection"], point, strict=True):
        keypoints[detection, k, :2] = truth.keypoints[person, k, :2]
    return replace(results, keypoints=keypoints)


def test_keypoint_repairs_equal_evaluating_a_repaired_file():
    truth, results = crowded(3)
    table, costs = keypoint_table(truth, results), ap_cost(truth, results)
    chain = []
    for cause in (
        "miss",
        "collapse",
        "swap",
        "hand_swap",
        "inversion",
        "wrong_finger",
        "contour_slide",
        "jitter",
    ):
        alone = per_part_table(truth, repaired_by_hand(truth, results, table, [cause]))
        for part in alone.index:
            got = row(costs, part, cause)
            assert got[["AP", "AR"]].tolist() == pytest.approx(alone.loc[part, ["AP", "AR"]].tolist())
        chain.append(cause)
    # Cumulative: with the parts that were left out put back as well.
    back = repaired_by_hand(truth, results, table, [*chain, "not_predicted"])
    gone = table[(table["cause"] == "not_predicted") & (table["v"] > 0)]
    back.keypoints[gone["detection"], gone["keypoint"].cat.codes, 2] = 1
    everything = per_part_table(truth, back)
    for part in everything.index:
        assert row(costs, part, "jitter")["AP_cumulative"] == pytest.approx(everything.loc[part, "AP"])
    assert row(costs, "lefthand", "not_predicted")["AP_cost"] > 0.02
    assert row(costs, "face", "miss")["AP_cost"] > 0.02


def test_removals_equal_evaluating_a_shorter_file():
    truth, results = crowded(4)
    costs, found = ap_cost(truth, results), detection_table(truth, results)
    for name, verdicts in (
        ("duplicate", ["duplicate"]),
        ("background", ["background", "ignored", "not_evaluated"]),
    ):
        kept = ~found["verdict"].isin(verdicts).to_numpy()
        assert not kept.all()
        expected = per_part_table(truth, results.select(kept))
        for part in expected.index:
            got = row(costs, part, name)
            assert got[["AP", "AR"]].tolist() == pytest.approx(expected.loc[part, ["AP", "AR"]].tolist())


def test_better_scores_never_lower_ap_and_leave_recall():
    truth, results = crowded(5)
    costs = ap_cost(truth, results).set_index(["repair", "part"])
    scoring = costs.loc["scoring"]
    assert (scoring["AP_cost"].drop("face") > 0.01).all()
    assert scoring.loc["face", "AP_cost"] >= 0
    assert (scoring["AR_cost"].abs() < 0.02).all()
    assert (costs.loc["person_missed", "AR_cost"].drop("face") > 0).all()


def test_steps_add_up_and_the_hand_is_the_mean():
    costs = ap_cost(*crowded(6))
    for part, rows in costs.groupby("part", observed=True):
        assert rows["repair"].tolist() == ["none", *REPAIRS]
        for name in ("AP", "AR"):
            total = rows[name].iloc[0] + rows[f"{name}_step"].sum()
            assert total == pytest.approx(rows[f"{name}_cumulative"].iloc[-1]) == pytest.approx(1), part
            np.testing.assert_allclose(rows[f"{name}_cost"], rows[name] - rows[name].iloc[0], atol=1e-12)
    both = [costs[costs["part"] == f"{side}hand"]["AP"].to_numpy() for side in ("left", "right")]
    np.testing.assert_allclose(costs[costs["part"] == "hand"]["AP"], sum(both) / 2)
    labelled = keypoint_table(*crowded(6)).query("v > 0").groupby(["part", "cause"], observed=False).size()
    for part, cause in labelled.index:
        if cause in REPAIRS[:9]:
            assert row(costs, part, cause)["concerned"] == labelled[part, cause]


@pytest.mark.parametrize("name", NOISE_MODELS)
def test_only_what_was_planted_costs_anything(name):
    scene = make_scene(7, count=30, noise=0.05)
    for person in range(0, 30, 2):
        for _ in range(5):  # several points of a person, for otherwise the OKS stays above .95
            NOISE_MODELS[name](scene, person)
    costs = ap_cost(scene.annotations, scene.results())
    whole = costs[costs["part"] == "wholebody"].set_index("repair")
    cheap = whole["AP_cost"].drop([name, "scoring"])
    assert whole.loc[name, "AP_cost"] > 5 * cheap.abs().max()
    assert whole.loc[name, "AP_cost"] > 0.002
    assert whole.loc["good", "AP_cumulative"] == pytest.approx(1)


def test_the_margin_puts_points_where_ronchi_does():
    """One person, one wrong point in each run: OKS after the repair is known, and so is AP."""
    scene = make_scene(0, count=2, noise=0)
    truth, n = scene.annotations, 17
    knee = 13
    for distance, ks in ((0.9, 0.85), (5.0, 0.5)):
        scene.predicted[0] = scene.truth[0]
        scene.predicted[0, knee] += (0, distance * 2 * SIGMAS[knee] * np.sqrt(scene.areas[0]))
        cause = "jitter" if distance < 1 else "miss"
        table = ap_cost(truth, scene.results(), target="margin")
        oks_after = (n - 1 + ks) / n
        reached = np.mean(np.linspace(0.5, 0.95, 10) <= oks_after)
        assert row(table, "body", cause)["AR"] == pytest.approx((reached + 1) / 2)
    scene.predicted[0] = scene.truth[0]
    scene.predicted[0, 1:17] = scene.truth[0, FLIP_INDICES[1:17]]  # mirrored exactly: repaired exactly
    table = ap_cost(truth, scene.results(), target="margin")
    assert row(table, "body", "none")["AP"] < 0.6
    assert row(table, "body", "inversion")["AP"] == pytest.approx(1)


def collapsing():
    """The embedded val set with all kinds of errors, and in every third person a collapsed part."""
    truth, results = crowded(11)
    keypoints = results.keypoints.copy()
    groups = [slice(0, 17), slice(17, 20), slice(20, 23), slice(23, 91), slice(91, 112), slice(112, 133)]
    for detection in range(0, len(keypoints), 3):
        group = groups[detection // 3 % 6]
        keypoints[detection, group, :2] = keypoints[detection, group, :2].mean(0)
    return truth, result_columns(keypoints, results.image_ids, results.scores)


def test_the_margin_moves_no_point_outward():
    analysis = analyse(*collapsing())
    pairs, causes = analysis.pairs, np.array(CAUSES)[analysis.classes.causes]
    offsets = open_workshop(analysis, "margin").goals - pairs.truth[..., :2]
    variance = pairs.areas[:, None] * (2 * SIGMAS) ** 2
    after = np.exp(-(offsets**2).sum(-1) / (2 * variance))  # (P, 133) ks where the repair puts the point
    moved = pairs.labelled & pairs.found[:, None]
    assert (after[moved] >= pairs.similarity[moved] - 1e-9).all()
    fallen = moved & (causes == "collapse")
    ronchi = np.array(CAUSES)[analysis.classes.ronchi]
    for name, least in (("jitter", 0.85), ("miss", 0.5)):
        assert (fallen & (ronchi == name)).sum() >= 30
        np.testing.assert_allclose(after[fallen & (ronchi == name)], least, atol=1e-9)
    other = fallen & np.isin(ronchi, ("inversion", "swap"))
    assert other.sum() >= 10
    wrong_place = np.fmax(analysis.classes.mirrored_similarity, analysis.classes.other_similarity)
    np.testing.assert_allclose(after[other], wrong_place[other], atol=1e-9)
    costs = ap_cost(analysis, target="margin").set_index(["repair", "part"])
    assert (costs.loc["collapse", "AR_cost"] >= 0).all()
    assert costs.loc[("collapse", "foot"), "AP_cost"] > 0


def test_unknown_targets_are_refused():
    with pytest.raises(InputError, match=r"no target 'label'. Choose one of truth, margin"):
        ap_cost(*noisy(), target="label")


# --- persons ---------------------------------------------------------------------------------------


def test_persons_and_detections_by_hand():
    scene = make_scene(0, count=4, noise=0)
    truth = scene.annotations
    truth.keypoints[2, :, 2] = 0  # the third is not labelled
    size = np.sqrt(scene.areas[0])
    near, nearer, nowhere = scene.truth[0] + 0.05 * size, scene.truth[0], scene.truth[0] + 40 * size
    guess = [near, nearer, scene.truth[1], scene.truth[2], nowhere]
    guess = np.concatenate([guess, np.ones((5, 133, 1))], axis=2)
    results = result_columns(guess, [1, 1, 1, 2, 1], [0.9, 0.3, 0.8, 0.7, 0.95])
    found = detection_table(truth, results)
    assert found["verdict"].tolist() == ["duplicate", "assigned", "assigned", "ignored", "background"]
    assert found["person_id"].tolist()[:3] == [1, 1, 2]
    assert found["oks"][1] == 1
    people = person_table(truth, results)
    assert people.index.tolist() == [0, 1, 3]
    assert people["detection"].tolist() == [1, 2, -1]
    assert people["duplicates"].tolist() == [1, 0, 0]
    assert people["scoring_error"].tolist() == [True, False, False]
    assert people["rival"].tolist() == [0, -1, -1]
    assert people.loc[0, ["score", "rival_score"]].tolist() == [0.3, 0.9]
    assert people.loc[0, "rival_oks"] < 1 == people.loc[0, "body_oks"] == people.loc[0, "wholebody_oks"]
    assert np.isnan(people.loc[3, ["oks", "body_oks", "score"]].to_numpy(float)).all()
    counted = verdict_table(found)
    assert counted["count"].to_dict() == {
        "assigned": 2, "duplicate": 1, "ignored": 1, "background": 1, "not_evaluated": 0,
    }  # fmt: skip
    assert counted["share"].sum() == pytest.approx(1)
    assert counted.loc["assigned", "mean_score"] == pytest.approx(0.55)


def test_detections_that_are_not_evaluated_are_said_to_be():
    scene = make_scene(0, count=2, noise=0)
    guess = np.concatenate([scene.truth[[0] * 25], np.ones((25, 133, 1))], axis=2)
    guess[24, :, 2] = 0
    found = detection_table(scene.annotations, result_columns(guess, [1] * 25, np.linspace(1, 0.1, 25)))
    assert found["verdict"].value_counts().to_dict()["not_evaluated"] == 5
    assert (found["verdict"][:20] != "not_evaluated").all()
    assert (found["verdict"] == "assigned").sum() == 1


# --- intervals -------------------------------------------------------------------------------------


def test_intervals_are_those_of_repeated_evaluations():
    truth, results = crowded(8)
    chosen = truth.image_ids[:20]
    truth, results = truth.select_images(chosen), results.select(np.isin(results.image_ids, chosen))
    table = ap_intervals(truth, results, resamples=12, level=0.8, seed=3)
    weights = picture_weights(20, 12, seed=3)
    assert weights[0].tolist() == [1] * 20
    assert (weights.sum(1) == 20).all()
    order = np.argsort(truth.image_ids)
    values = []
    for times in weights[1:]:
        in_file_order = np.empty(20, int)
        in_file_order[order] = times
        values.append(per_part_table(*repeated(truth, results, in_file_order)).loc["body", "AP"])
    assert table.loc["body", "AP"] == pytest.approx(per_part_table(truth, results).loc["body", "AP"])
    assert table.loc["body", ["AP_low", "AP_high"]].tolist() == pytest.approx(
        np.percentile(values, [10, 90]).tolist()
    )
    assert (table["AP_low"] <= table["AP_high"]).all()
    pd.testing.assert_frame_equal(ap_intervals(truth, results, resamples=12, level=0.8, seed=3), table)


def test_costs_have_paired_intervals():
    truth, results = crowded(9)
    plain = ap_cost(truth, results)
    table = ap_cost(truth, results, resamples=8)
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    assert (table["AP_cost_low"] <= table["AP_cost_high"]).all()
    baseline = table[table["repair"] == "none"]
    assert (baseline[["AP_cost_low", "AP_cost_high"]] == 0).all().all()
    # Costs differ less from drawing to drawing than the AP itself: the same pictures are drawn.
    jitter = table[table["repair"] == "jitter"]
    widths = [jitter[f"{name}_high"] - jitter[f"{name}_low"] for name in ("AP_cost", "AP")]
    assert widths[0].sum() < widths[1].sum()


def test_from_one_picture_nothing_follows_about_others():
    """All left hands with labels in one picture: their AP and its costs have no interval, others have."""
    truth, results = crowded(9)
    keypoints, busiest = truth.keypoints.copy(), np.bincount(truth.person_image_ids).argmax()
    keypoints[truth.person_image_ids != busiest, 91:112, 2] = 0
    truth = replace(truth, keypoints=keypoints)
    intervals, costs = ap_intervals(truth, results, resamples=6), ap_cost(truth, results, resamples=6)
    for table in (intervals, costs.set_index("part")):
        for part, known in (("lefthand", False), ("hand", False), ("righthand", True), ("wholebody", True)):
            rows = table.loc[[part]]
            assert rows[["AP_low", "AP_high"]].notna().to_numpy().all() == known
            assert rows[["AP_low", "AP_high"]].notna().to_numpy().any() == known
            assert rows["AP"].notna().all()


def test_what_leaves_a_part_out_is_not_hallucinated():
    hand = (np.arange(133) >= 91) & (np.arange(133) < 112)
    truth, results = (replace(x, keypoints=np.where(hand[:, None], 0, x.keypoints)) for x in crowded(3))
    costs = ap_cost(truth, results).set_index(["part", "repair"])["concerned"]
    assert costs["lefthand", "hallucinated"] == 0
    assert costs["lefthand", "scoring"] == 0
    assert costs["righthand", "scoring"] > 0


def test_percentiles_and_bad_numbers():
    low, high = interval(np.arange(101.0)[:, None] * [1, 2], 0.9)
    assert low.tolist() == pytest.approx([5, 10])
    assert high.tolist() == pytest.approx([95, 190])
    assert np.isnan(interval(np.zeros((0, 3)))[0]).all()
    assert interval(np.array([np.nan, 1.0, 3.0]), 0.5) == (1.5, 2.5)
    with pytest.raises(InputError, match="-1 resamples"):
        picture_weights(3, -1)
    with pytest.raises(InputError, match="level of 95"):
        interval(np.zeros(3), 95)
    assert picture_weights(0, 2).shape == (3, 0)


def test_nobody_to_be_found_is_nan():
    truth = embedded("val")
    nobody = truth.select(np.zeros(0, int))
    _, results = noisy()
    assert np.isnan(ap_intervals(nobody, results, resamples=2).to_numpy()).all()
    costs = ap_cost(nobody, load_results([]), resamples=2)
    assert costs["AP"].isna().all()
    assert (costs["concerned"] == 0).all()
