"""Summaries that plots draw, against naive counts and by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planting import NOISE_MODELS, make_scene
from test_failures_table import noisy, two_people

from wbkit.errors import InputError
from wbkit.evaluate import per_part_table
from wbkit.failures import (
    REPAIRS,
    analyse,
    ap_cost,
    cloud_table,
    confusion_table,
    expected_calibration_error,
    keypoint_calibration,
    keypoint_summary,
    keypoint_table,
    precision_recall_table,
    slice_table,
    waterfall_table,
    worst,
)
from wbkit.keypoints import FLIP_INDICES, KEYPOINTS, PARTS
from wbkit.plots import plot_jitter_clouds


@pytest.fixture(scope="module")
def analysis():
    return analyse(*noisy())


@pytest.fixture(scope="module")
def table(analysis):
    return keypoint_table(analysis)


@pytest.mark.parametrize("name", ["nose", "face-30", "left_hand_root", "right_big_toe"])
def test_one_keypoint_by_naive_counts(table, name):
    row = keypoint_summary(table).loc[name]
    labelled = [r for r in table[table["keypoint"] == name].to_dict("records") if r["v"] > 0]
    found = [r for r in labelled if r["detection"] >= 0]
    assert row["labelled"] == len(labelled)
    assert row["found"] == pytest.approx(len(found) / len(labelled))
    assert row["error_px"] == pytest.approx(np.median([r["error_px"] for r in found]))
    ks = [r["similarity"] if r["detection"] >= 0 else 0 for r in labelled]
    assert row["similarity"] == pytest.approx(np.mean(ks))
    assert row["similarity_part"] < row["similarity"] or row["part"] == "body"
    causes = [r["cause"] for r in labelled]
    assert row["good"] == pytest.approx(causes.count("good") / len(causes))
    wrong = [c for c in causes if c != "good"]
    assert wrong.count(row["worst_cause"]) == max(map(wrong.count, wrong))
    assert row["worst_cause_share"] == pytest.approx(wrong.count(row["worst_cause"]) / len(causes))


def test_every_keypoint_has_a_row_even_without_labels():
    summary = keypoint_summary(keypoint_table(*two_people()))
    assert list(summary.index) == list(KEYPOINTS)
    assert summary.loc["left_wrist", "labelled"] == 0
    assert np.isnan(summary.loc["left_wrist", "similarity"])
    assert summary.loc["left_wrist", "worst_cause"] == ""
    # nose of one person (3, 4) px off, that of the missed person counts 0
    assert summary.loc["nose", "found"] == 0.5
    assert summary.loc["nose", "error_px"] == pytest.approx(5)
    assert summary.loc["nose", "similarity"] == pytest.approx(np.exp(-25 / (2 * 2500 * 0.052**2)) / 2)


def test_planted_confusions_are_ranked():
    scene = make_scene(3, count=40)
    for person in range(40):
        for model in ("inversion", "hand_swap", "swap", "wrong_finger"):
            NOISE_MODELS[model](scene, person)
    rows = confusion_table(keypoint_table(scene.annotations, scene.results()))
    assert rows["count"].is_monotonic_decreasing
    planted = {c: (scene.planted == c).sum() for c in ("inversion", "hand_swap", "swap", "wrong_finger")}
    found = rows.groupby("cause", observed=True)["count"].sum()
    for cause, count in planted.items():
        assert found[cause] == pytest.approx(count, rel=0.02)
    own = rows[rows["cause"].isin(["inversion", "hand_swap"])]
    assert (own["whose"] == "own").all()
    index = {name: i for i, name in enumerate(KEYPOINTS)}
    mirrored = [KEYPOINTS[FLIP_INDICES[index[k]]] for k in own["keypoint"]]
    assert own["confused_keypoint"].tolist() == mirrored
    assert (rows[rows["cause"] == "swap"]["whose"] == "other").all()
    np.testing.assert_allclose(rows["share"], rows["count"] / 40)


def test_a_cloud_by_hand(table):
    row = cloud_table(table, ["left_wrist"]).loc["left_wrist"]
    used = table[(table["keypoint"] == "left_wrist") & (table["v"] > 0) & (table["detection"] >= 0)]
    x = (used["x_pred"] - used["x"]) / np.sqrt(used["person_area"])
    assert row["count"] == len(used)
    assert row["mean_x"] == pytest.approx(x.mean(), abs=1e-6)
    assert row["std_x"] == pytest.approx(x.std(), rel=1e-5)
    # ks = exp(-d^2 / (2 (2 sigma)^2)) in these units
    for name, ks in (("good", 0.85), ("near", 0.5)):
        assert np.exp(-(row[f"{name}_radius"] ** 2) / (2 * 0.124**2)) == pytest.approx(ks)
    assert row["within_good"] == pytest.approx((used["similarity"] > 0.85).mean())
    assert row["within_near"] == pytest.approx((used["similarity"] >= 0.5).mean())
    with pytest.raises(InputError, match="left_paw"):
        cloud_table(table, ["left_paw"])


def test_the_waterfall_ends_at_one_and_keeps_every_step(analysis):
    costs = ap_cost(analysis)
    for part in (*PARTS, "hand"):
        rows = waterfall_table(costs, part)
        assert rows["end"].iloc[-1] == pytest.approx(1)
        np.testing.assert_allclose(rows["start"].iloc[1:], rows["end"].iloc[:-1])
        np.testing.assert_allclose(rows["end"] - rows["start"], rows["gain"], atol=1e-12)
        names = [n for line in rows["names"].iloc[1:] for n in line.split(", ")]
        assert sorted(names) == sorted(REPAIRS)
        shown = rows[~rows["step"].isin(["measured", "other"])]
        assert (shown["gain"].abs() >= 0.0005).all()
    assert waterfall_table(costs)["gain"].iloc[0] == pytest.approx(per_part_table(*noisy()).AP["wholebody"])
    with pytest.raises(InputError, match="tail"):
        waterfall_table(costs, "tail")


def test_the_mean_of_a_precision_curve_is_its_ap(analysis):
    curves = precision_recall_table(analysis, thresholds=(0.5, 0.75))
    official = per_part_table(*noisy())
    means = curves.groupby(["part", "threshold"], observed=True)["precision"].mean()
    for part in PARTS:
        assert means[part, 0.5] == pytest.approx(official.loc[part, "AP50"])
        assert means[part, 0.75] == pytest.approx(official.loc[part, "AP75"])
    assert curves.groupby(["part", "threshold"], observed=True).size().eq(101).all()
    with pytest.raises(InputError, match="threshold"):
        precision_recall_table(analysis, thresholds=(0.52,))
    few = precision_recall_table(*two_people())
    assert set(few["part"]) == {"body", "wholebody"}


def test_summaries_of_nothing():
    truth, _ = two_people()
    nothing = keypoint_table(truth, [])
    assert confusion_table(nothing).empty
    assert cloud_table(nothing).empty
    assert cloud_table(nothing, ["nose"])["count"].tolist() == [0]
    assert (keypoint_summary(nothing)["worst_cause"].iloc[[0, 5]] == "person_missed").all()
    assert isinstance(precision_recall_table(truth, []), pd.DataFrame)


# --- a file of the body alone ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def body_only():
    """The table of a model that knows the 17 body keypoints: zeros for all other parts, as files have it."""
    truth, results = noisy()
    keypoints = results.keypoints.copy()
    keypoints[:, 17:] = 0
    return keypoint_table(truth, replace(results, keypoints=keypoints))


def test_parts_left_out_have_no_prediction(body_only):
    rest = body_only["part"] != "body"
    columns = ["x_pred", "y_pred", "error_px", "error_person", "error_part", "score"]
    columns += ["similarity", "similarity_part"]
    assert body_only.loc[rest, columns].isna().all().all()
    labelled = body_only[rest & (body_only["v"] > 0)]
    found = labelled["detection"] >= 0
    assert found.any()
    assert set(labelled.loc[found, "cause"]) == {"not_predicted"}
    body = body_only[~rest & (body_only["v"] > 0) & (body_only["detection"] >= 0)]
    assert body[columns].notna().all().all()


def test_parts_left_out_are_in_no_summary_as_if_predicted(body_only):
    summary = keypoint_summary(body_only)
    rest = summary["part"] != "body"
    assert (summary.loc[rest, ["found", "similarity", "similarity_part", "good"]] == 0).all().all()
    assert summary.loc[rest, "error_px"].isna().all()
    assert (summary.loc[~rest, "found"] > 0.5).all()
    assert set(cloud_table(body_only).index) == set(KEYPOINTS[:17])
    assert cloud_table(body_only, ["face-8"])["count"].tolist() == [0]
    slices = slice_table(body_only, "size", resamples=5)
    slices = slices[slices["part"] != "body"]
    assert (slices["found"] == 0).all()
    assert slices["error_px"].isna().all()
    np.testing.assert_allclose(slices["not_predicted"] + slices["person_missed"], 1)
    reliability = keypoint_calibration(body_only)
    assert set(reliability["part"]) == {"body", "wholebody"}
    errors = expected_calibration_error(reliability)
    assert errors["wholebody"] == pytest.approx(errors["body"])
    assert "face" not in errors.dropna()
    clouds = plot_jitter_clouds(body_only, ["face-8", "nose"])
    assert len(clouds[0].collections[0].get_offsets()) == 0
    assert "no predictions" in clouds[0].get_xlabel()
    ranked = worst(body_only, 10**6, where=lambda t: t["detection"] >= 0)
    one = body_only[(body_only["v"] > 0) & (body_only["person"] == ranked["person"].iloc[0])]
    assert ranked["value"].iloc[0] == pytest.approx(one["similarity"].fillna(0).mean())
