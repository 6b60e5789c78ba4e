"""Plots of failures draw the numbers of their tables: lengths, places, labels, a second cue to colour."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from planting import NOISE_MODELS, make_scene
from test_failures_slices import better_and_worse
from test_failures_table import noisy

from wbkit.errors import InputError
from wbkit.failures import (
    LABELLED_CAUSES,
    REPAIRS,
    analyse,
    ap_cost,
    cause_table,
    cloud_table,
    compare,
    confusion_table,
    expected_calibration_error,
    instance_calibration,
    keypoint_calibration,
    keypoint_summary,
    keypoint_table,
    precision_recall_table,
    sensitivity,
    sensitivity_change,
    slice_table,
    waterfall_table,
    worst,
)
from wbkit.failures.table import SIDES, keypoint_sides
from wbkit.keypoints import FLIP_PAIRS, KEYPOINTS, PARTS
from wbkit.plots import (
    CAUSE_STYLES,
    PART_STYLES,
    clearest_example,
    plot_ap_waterfall,
    plot_body_map,
    plot_calibration,
    plot_causes,
    plot_comparison,
    plot_confusions,
    plot_costs,
    plot_jitter_clouds,
    plot_keypoint_changes,
    plot_precision_recall_by_part,
    plot_sensitivity,
    plot_slice_changes,
    plot_slices,
    show_cause,
    show_causes,
    show_poses,
    show_worst,
    truth_beside_prediction,
    words,
)
from wbkit.plots.body_figure import WIDTH, figure_points


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def analysis():
    return analyse(*noisy())


@pytest.fixture(scope="module")
def table(analysis):
    return keypoint_table(analysis)


@pytest.fixture(scope="module")
def planted():
    scene = make_scene(3, count=24)
    for person in range(24):
        for model in ("inversion", "hand_swap", "swap", "wrong_finger", "contour_slide", "jitter", "miss"):
            NOISE_MODELS[model](scene, person)
    return keypoint_table(scene.annotations, scene.results())


@pytest.fixture(scope="module")
def comparison(analysis):
    return compare(analysis, analyse(analysis.annotations, noisy(1)[1]), resamples=8)


def texts(ax):
    return [t.get_text() for t in ax.texts]


# --- styles ----------------------------------------------------------------------------------------


def test_every_cause_has_a_look_of_its_own_and_neighbours_differ_without_colour():
    assert set(CAUSE_STYLES) == set(LABELLED_CAUSES)
    assert len(set(CAUSE_STYLES.values())) == len(CAUSE_STYLES)
    grey = [np.dot(matplotlib.colors.to_rgb(c), (0.3, 0.59, 0.11)) for c, _ in CAUSE_STYLES.values()]
    hatches = [h for _, h in CAUSE_STYLES.values()]
    for i in range(len(grey) - 1):
        assert hatches[i] != hatches[i + 1] or abs(grey[i] - grey[i + 1]) > 0.1


# --- bars ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["cause", "ronchi"])
def test_bars_are_the_shares_of_the_table(planted, column):
    shares = cause_table(planted, column=column)
    ax = plot_causes(shares)
    ends = np.zeros(len(shares))
    for container in ax.containers:
        name = container.get_label().replace(" ", "_")
        np.testing.assert_allclose([b.get_width() for b in container], shares[name])
        np.testing.assert_allclose([b.get_x() for b in container], ends)
        ends += shares[name]
        assert container[0].get_hatch() == (CAUSE_STYLES[name][1] or None) or not CAUSE_STYLES[name][1]
    np.testing.assert_allclose(ends, 1)
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names[2] == f"face\n{shares.loc['face', 'labelled']:,} keypoints"
    written = [float(t) for t in texts(ax)]
    wide = [100 * s for name in shares.columns[1:] for s in shares[name] if s >= 0.04]
    np.testing.assert_allclose(sorted(written), sorted(np.round(wide)), atol=0.51)


def test_confusions_are_ranked_bars_that_say_who_is_taken_for_whom(planted):
    rows = confusion_table(planted)
    ax = plot_confusions(rows, top=9)
    assert [b.get_width() for c in ax.containers for b in c] == rows["count"].head(9).tolist()
    names = [t.get_text() for t in ax.get_yticklabels()]
    for name, row in zip(names, rows.head(9).itertuples(), strict=True):
        assert name.startswith(f"{row.keypoint} →")
        assert name.endswith(row.confused_keypoint)
        assert ("another person's" in name) == (row.whose == "other")
    assert texts(ax)[0].strip() == f"{rows['share'][0]:.1%} of {rows['labelled'][0]:,}"
    assert "no keypoint" in texts(plot_confusions(rows.head(0)))[0]


# --- costs -----------------------------------------------------------------------------------------


def test_the_waterfall_stands_on_the_steps_of_the_table(analysis):
    costs = ap_cost(analysis, resamples=5)
    rows = waterfall_table(costs, "body")
    ax = plot_ap_waterfall(rows)
    bars = [c[0] for c in ax.containers]
    ends = [b.get_x() + b.get_width() for b in bars]
    np.testing.assert_allclose(ends, rows["end"])
    np.testing.assert_allclose([b.get_x() for b in bars], rows["start"])
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels[0] == "measured"
    assert len(labels) == len(rows)
    assert texts(ax)[1] == f"{rows['gain'][1]:+.3f}"
    assert texts(ax)[0] == f"{rows['end'][0]:.3f}"
    body = costs[costs["part"] == "body"].set_index("repair")
    assert rows["end_low"][0] == body.loc["none", "AP_low"]  # the measured bar has its own interval
    step = rows["step"][1]
    assert rows["end_high"][1] == body.loc[step, "AP_cumulative_high"]
    whiskers = [line.get_xdata() for line in ax.get_lines() if line.get_marker() == "|"]
    drawn = rows[rows["end_low"] < rows["end_high"]]
    np.testing.assert_allclose(whiskers, drawn[["end_low", "end_high"]])
    assert np.max(whiskers) <= 1 < (rows["start"] + rows["gain_high"]).max()  # as steps they would pass 1
    if (rows["step"] == "other").any():
        for name in rows["names"].iloc[-1].split(", "):
            shown = "within the margin" if name == "good" else name.replace("_", " ")
            assert shown in ax.get_xlabel().replace("\n", " ")


def test_the_grid_of_costs_shows_every_part_and_every_cause_that_costs(analysis):
    costs = ap_cost(analysis)
    ax = plot_costs(costs)
    parts = [t.get_text() for t in ax.get_xticklabels()]
    assert parts == ["body", "foot", "face", "left hand", "right hand", "hand", "whole body"]
    shown = np.asarray(ax.images[0].get_array())
    grid = costs.pivot(index="repair", columns="part", values="AP_cost").loc[list(REPAIRS)]
    assert len(shown) == (grid.abs() >= 0.0005).any(axis=1).sum()
    first = next(r for r in REPAIRS if (grid.loc[r].abs() >= 0.0005).any())
    np.testing.assert_allclose(
        shown[0], grid.loc[first, ["body", "foot", "face", "lefthand", "righthand", "hand", "wholebody"]]
    )
    written = [float(t) if t else np.nan for t in texts(ax)]
    np.testing.assert_allclose(written, shown.ravel(), atol=0.00051)


def test_the_grid_of_costs_leaves_parts_without_labels_out(analysis):
    costs = ap_cost(analysis)
    costs.loc[costs["part"].isin(["foot", "hand"]), "AP_cost"] = np.nan
    parts = [t.get_text() for t in plot_costs(costs).get_xticklabels()]
    assert parts == ["body", "face", "left hand", "right hand", "whole body"]


def test_the_grid_of_costs_has_intervals_where_there_are_any(analysis):
    costs = ap_cost(analysis, resamples=5)
    written = texts(plot_costs(costs))
    body = costs[costs["part"] == "body"].set_index("repair")
    row = body.loc[body["AP_cost"].idxmax()]
    at = written.index(f"{row['AP_cost']:.3f}".replace("0.", "."))
    low, high = (f"{row[f'AP_cost_{end}']:.3f}".replace("0.", ".") for end in ("low", "high"))
    assert written[at + 1] == f"{low} to {high}"


# --- body map --------------------------------------------------------------------------------------


def test_the_figure_is_symmetric_and_faces_the_reader():
    points = figure_points()
    assert points.shape == (133, 2)
    assert np.isfinite(points).all()
    np.testing.assert_allclose(points[FLIP_PAIRS[:, 0], 1][:12], points[FLIP_PAIRS[:, 1], 1][:12], atol=1e-9)
    for name in ("wrist", "big_toe", "pinky_finger4", "eye"):
        left, right = (points[KEYPOINTS.index(f"{side}_{name}")] for side in ("left", "right"))
        assert left[0] > right[0]  # the figure's left is on the reader's right
        np.testing.assert_allclose(left[0] + right[0], WIDTH)
    face = points[PARTS["face"]]
    middle = face[27, 0]
    pairs = FLIP_PAIRS[(FLIP_PAIRS >= 23).all(1) & (FLIP_PAIRS < 91).all(1)] - 23
    np.testing.assert_allclose(face[pairs[:, 0], 0] + face[pairs[:, 1], 0], 2 * middle, atol=1e-9)
    np.testing.assert_allclose(face[pairs[:, 0], 1], face[pairs[:, 1], 1], atol=1e-9)
    right = np.array(SIDES)[keypoint_sides()][PARTS["face"]] == "right"
    assert (face[right, 0] < middle - 0.01).all()
    assert right.sum() == len(pairs)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1) + 9 * np.eye(133)
    assert gaps.min() > 0.1


def test_the_body_map_colours_every_keypoint_with_its_number(table):
    errors = keypoint_summary(table)["error_person"]
    errors = errors.copy()
    errors["left_wrist"] = np.nan
    ax = plot_body_map(errors, label="error", named=3)
    dots, hollow = ax.collections[-2], ax.collections[-1]
    known = errors.dropna()
    np.testing.assert_allclose(np.asarray(dots.get_array()), known)
    where = figure_points()[[KEYPOINTS.index(k) for k in known.index]]
    np.testing.assert_allclose(dots.get_offsets(), where)
    np.testing.assert_allclose(hollow.get_offsets(), [figure_points()[9]])
    listed = next(t for t in texts(ax) if t.startswith("the worst")).splitlines()[1:]
    worst_three = known.sort_values(ascending=False).head(3)
    assert [line.split()[1] for line in listed] == list(worst_three.index)
    sizes = dict(zip(known.index, dots.get_sizes(), strict=True))
    body = known[[k for k in KEYPOINTS[:17] if k in known]]
    assert sizes[body.idxmax()] > sizes[body.idxmin()]
    good = plot_body_map(keypoint_summary(table)["similarity"], high_is_bad=False, named=1)
    assert keypoint_summary(table)["similarity"].idxmin() in next(t for t in texts(good) if "worst" in t)


# --- clouds ----------------------------------------------------------------------------------------


def test_clouds_hold_every_prediction_and_both_circles(table):
    names = ["nose", "face-8", "left_hand_root"]
    axes = plot_jitter_clouds(table, names)
    clouds = cloud_table(table, names)
    for ax, name in zip(axes, names, strict=True):
        used = table[(table["keypoint"] == name) & (table["v"] > 0) & (table["detection"] >= 0)]
        scale = np.sqrt(used["person_area"].to_numpy(float))
        points = np.asarray(ax.collections[0].get_offsets())
        np.testing.assert_allclose(points[:, 0], (used["x_pred"] - used["x"]) / scale, atol=1e-6)
        np.testing.assert_allclose(points[:, 1], (used["y_pred"] - used["y"]) / scale, atol=1e-6)
        radii = [p.get_radius() for p in ax.patches]
        np.testing.assert_allclose(radii, clouds.loc[name, ["good_radius", "near_radius"]].astype(float))
        inside = (np.hypot(*points.T) < radii[0]).mean()
        assert f"{inside:.0%} in the full circle" in ax.get_xlabel()
        assert ax.get_ylim()[0] > ax.get_ylim()[1]  # y grows downwards, as in pictures
        beyond = (np.abs(points) > ax.get_xlim()[1]).any(1).sum()
        assert f"{beyond} of {len(points)} beyond" in ax.get_xlabel()


# --- curves, slices --------------------------------------------------------------------------------


def test_precision_curves_carry_their_ap(analysis):
    curves = precision_recall_table(analysis, thresholds=(0.5, 0.9))
    for ax in plot_precision_recall_by_part(curves):
        part = ax.get_title(loc="left").replace("left hand", "lefthand").replace("right hand", "righthand")
        part = part.replace("whole body", "wholebody")
        styles = set()
        for line in ax.get_lines():
            threshold, ap = (float(v) for v in line.get_label().split())
            rows = curves[(curves["part"] == part) & (curves["threshold"] == threshold)]
            np.testing.assert_allclose(line.get_ydata(), rows["precision"])
            assert ap == pytest.approx(line.get_ydata().mean(), abs=5e-4)
            styles.add(line.get_linestyle())
        assert len(styles) == 2  # told apart without colour


def test_slices_draw_both_normalisations_with_intervals(table):
    rows = slice_table(table, "size", resamples=6)
    axes = plot_slices(rows, xlabel="size")
    assert [ax.get_title(loc="left") for ax in axes] == ["body", "foot", "face", "left hand", "right hand"]
    for ax, (_, here) in zip(axes, rows.groupby("part", observed=True), strict=True):
        for container, name in zip(ax.containers, ("similarity", "similarity_part"), strict=True):
            line, _, (bars,) = container
            np.testing.assert_allclose(line.get_ydata().astype(float), here[name])
            known = here[f"{name}_low"].notna().to_numpy()  # unknown ones have no whiskers
            ends = np.array([segment[:, 1] for segment in bars.get_segments() if len(segment)])
            low, high = (
                np.minimum(here[f"{name}_low"], here[name]),
                np.maximum(here[f"{name}_high"], here[name]),
            )
            np.testing.assert_allclose(ends, np.stack([low, high], 1)[known], atol=1e-6)
        labels = [t.get_text() for t in ax.get_xticklabels()]
        counts = [f"{b}\n{n:,}" for b, n in zip(here["bin"].astype(str), here["labelled"], strict=True)]
        assert labels == counts
    shares = plot_slices(slice_table(table, "crowding"), values=["good"])
    assert shares[0].get_ylabel() == "good"


def test_sensitivity_draws_a_line_a_part(analysis):
    rows = sensitivity(analysis, by="size", resamples=4)
    ax = plot_sensitivity(rows, statistic="AR", xlabel="size")
    assert len(ax.containers) == 6
    for container, (part, here) in zip(ax.containers, rows.groupby("part", observed=True), strict=True):
        np.testing.assert_allclose(container[0].get_ydata().astype(float), here["AR"])
        assert container[0].get_color() == PART_STYLES[part][0]
    assert len({c[0].get_marker() for c in ax.containers}) == 6
    said = texts(ax)
    for part, here in rows.groupby("part", observed=True):
        start = said.index(words(part))
        assert said[start + 1 : start + 1 + len(here)] == [f"{n:,}" for n in here["persons"]]


def test_many_slices_have_upright_names(table):
    for by, angle in (("score", 90), ("size", 0)):
        rows = slice_table(table, by)
        for ax in plot_slices(rows):
            assert {label.get_rotation() for label in ax.get_xticklabels()} == {angle}
    body = rows[rows["part"] == "body"]
    names = [label.get_text() for label in plot_slices(rows)[0].get_xticklabels()]
    assert names == [f"{b}\n{n:,}" for b, n in zip(body["bin"], body["labelled"], strict=True)]


# --- calibration -----------------------------------------------------------------------------------


def test_reliability_bars_gaps_and_histograms(table):
    rows = keypoint_calibration(table, bins=5)
    errors = expected_calibration_error(rows)
    axes = plot_calibration(rows, parts=["body", "wholebody"])
    assert axes[0].get_title(loc="left") == f"body: ECE {errors['body']:.3f}"
    body = rows[rows["part"] == "body"]
    right, gap = axes[0].containers[:2]
    np.testing.assert_allclose([b.get_height() for b in right], body["right"])
    np.testing.assert_allclose([b.get_x() for b in right], body["low"])
    tops = [b.get_y() + b.get_height() for b in gap]
    np.testing.assert_allclose(tops, body["score"])  # what is right plus the gap is the score
    below = axes[0].child_axes[0]
    np.testing.assert_allclose(
        [b.get_height() for b in below.containers[0]], body["count"] / body["count"].sum()
    )
    assert f"({body['count'].sum():,})" in below.get_xlabel()


def test_reliability_of_persons(analysis):
    rows = instance_calibration(analysis, bins=4)
    rows[["low", "high", "score"]] /= 1.2  # some of the scores are above 1
    (ax,) = plot_calibration(rows)
    assert ax.get_ylabel() == "mean OKS"
    np.testing.assert_allclose([b.get_height() for b in ax.containers[0]], rows["right"])
    assert f"{expected_calibration_error(rows)['person']:.3f}" in ax.get_title(loc="left")
    bars = ax.child_axes[0].containers[0]  # equally many persons each: areas, not heights
    areas = [bar.get_height() * bar.get_width() for bar in bars]
    np.testing.assert_allclose(areas, rows["count"] / rows["count"].sum())
    assert bars[0].get_height() != pytest.approx(bars[1].get_height())


def test_scores_beyond_one_are_shown_and_have_no_calibration_error(analysis):
    rows = instance_calibration(analysis, bins=4)
    rows[["low", "high", "score"]] *= 40
    (ax,) = plot_calibration(rows)
    assert "ECE" not in ax.get_title(loc="left")
    assert ax.get_xlim()[1] == ax.child_axes[0].get_xlim()[1] == rows["high"].max()


def test_nothing_to_draw_is_said(table):
    nobody = worst(table, 3, cause="hand_swap", where=lambda t: t["person"] < 0)
    for draw in (lambda: show_worst(nobody, table, lambda image_id: None), lambda: show_poses([], [])):
        with pytest.raises(InputError, match="nothing to draw"):
            draw()


# --- comparison ------------------------------------------------------------------------------------


def test_comparison_shows_both_and_the_difference(comparison):
    left, right = plot_comparison(comparison.parts, statistic="AR", names=("old", "new"))
    order = ["body", "foot", "face", "lefthand", "righthand", "hand", "wholebody"]
    parts = comparison.parts.loc[order]
    lines = {line.get_label(): line.get_xdata() for line in left.get_lines()}
    np.testing.assert_allclose(lines["old"], parts["AR_a"])
    np.testing.assert_allclose(lines["new"], parts["AR_b"])
    assert texts(right) == [with_sign(d) for d in parts["AR_difference"]]
    intervals = [line.get_xdata() for line in right.get_lines() if len(line.get_xdata()) == 2][: len(parts)]
    np.testing.assert_allclose(intervals, parts[["AR_low", "AR_high"]])
    markers = [line for line in right.get_lines() if line.get_marker() in "<>"]
    for marker, row in zip(markers, parts.itertuples(), strict=True):
        sure = row.AR_low > 0 or row.AR_high < 0
        assert (marker.get_markerfacecolor() == "white") == (not sure)
        assert marker.get_marker() == (">" if row.AR_difference >= 0 else "<")


def test_keypoints_that_change_most_are_ranked(comparison):
    ax = plot_keypoint_changes(comparison.keypoints, top=4)
    known = comparison.keypoints["difference"].dropna().sort_values(ascending=False, kind="stable")
    wanted = [*known[known > 0].head(4).index, *known[known < 0].tail(4).index]
    assert [t.get_text().split()[0] for t in ax.get_yticklabels()] == wanted
    assert texts(ax) == [with_sign(known[k]) for k in wanted]
    rows = comparison.keypoints.loc[wanted]
    markers = [line for line in ax.get_lines() if line.get_marker() in "<>"]
    sure = ((rows["low_all"] > 0) | (rows["high_all"] < 0)).tolist()
    assert [m.get_markerfacecolor() != "white" for m in markers] == sure
    wide = [line.get_xdata() for line in ax.get_lines() if line.get_marker() == "|"]
    np.testing.assert_allclose(wide, rows[["low_all", "high_all"]])
    assert f"interval of all {len(known)} together" in [t.get_text() for t in ax.get_legend().get_texts()]


def test_only_what_holds_for_all_keypoints_together_is_sure(comparison):
    """Both intervals of the first leave out 0, of the second only its own."""
    points = comparison.keypoints.iloc[:2].assign(
        difference=[0.2, 0.1], low=[0.15, 0.05], high=[0.25, 0.15], low_all=[0.1, -0.05], high_all=[0.3, 0.25]
    )
    ax = plot_keypoint_changes(points)
    markers = [line for line in ax.get_lines() if line.get_marker() in "<>"]
    assert [m.get_markerfacecolor() == "white" for m in markers] == [False, True]


def with_sign(value):
    """As a reader expects it: a real minus, and no sign at 0."""
    text = f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
    return "0.000" if text.strip("+\N{MINUS SIGN}") == "0.000" else text


def test_slices_of_a_comparison_stand_below_their_slicing():
    truth, a, b = better_and_worse()
    kinds = ("size", "truncation")
    tables = [sensitivity_change(truth, a, b, by=by, resamples=5).astype({"bin": str}) for by in kinds]
    changes = pd.concat([table.assign(by=by) for by, table in zip(kinds, tables, strict=True)])
    ax = plot_slice_changes(changes, "lefthand", titles={"size": "person's size"}, names=("old", "new"))
    rows = changes[changes["part"] == "lefthand"]
    labels = [f"{row.bin}  (n = {row.persons})" for row in rows.itertuples()]
    assert [t.get_text() for t in ax.get_yticklabels()] == labels
    written = texts(ax)
    assert [t for t in written if t[0] in "+−0"] == [with_sign(d) for d in rows["AP_difference"]]
    assert [t for t in written if t[0] not in "+−0"] == ["person's size", "truncation"]
    places = [line.get_ydata()[0] for line in ax.get_lines() if line.get_marker() in "<>"]
    heights = {t.get_text(): t.get_position()[1] for t in ax.texts if t.get_text()[0] not in "+−0"}
    sizes = (rows["by"] == "size").sum()
    assert places == [*range(1, sizes + 1), *range(sizes + 2, len(rows) + 2)]
    assert heights == {"person's size": 0, "truncation": sizes + 1}
    markers = [line for line in ax.get_lines() if line.get_marker() in "<>"]
    many = rows["persons"] >= 5
    sure = (many & ((rows["AP_low"] > 0) | (rows["AP_high"] < 0))).tolist()
    assert 0 < sum(sure) < len(sure)
    assert [m.get_markerfacecolor() != "white" for m in markers] == sure
    assert [m.get_color() == "#9A9A9A" for m in markers] == (~many).tolist()
    assert "new minus old" in ax.get_title(loc="left") + ax.get_title()


# --- galleries -------------------------------------------------------------------------------------


def test_truth_and_prediction_stand_side_by_side(analysis, table):
    person = worst(table, 1, where=lambda t: t["detection"] >= 0).iloc[0]
    rows = table[table["person"] == person["person"]]
    width, height = analysis.annotations.image_sizes_wh[0]
    picture = np.full((height, width, 3), 90, np.uint8)
    both = truth_beside_prediction(picture, rows, height=300)
    assert both.dtype == np.uint8
    assert len(both) == 300
    middle = both.shape[1] // 2
    halves = both[:, :middle], both[:, middle:]
    assert all(((h != 90) & (h != 255)).any() for h in halves)
    assert (halves[0] != halves[1][:, : halves[0].shape[1]]).any()
    assert (picture == 90).all()
    missed = table[table["person"] == table.loc[table["detection"] < 0, "person"].iloc[0]]
    alone = truth_beside_prediction(picture, missed, height=200)
    right = alone[:, alone.shape[1] // 2 :]
    assert set(np.unique(right)) <= {90, 255}
    axes = show_worst(worst(table, 4), table, lambda image_id: picture)
    assert "not found" in axes[0].get_title(loc="left")
    assert axes[0].get_xlabel().startswith("mostly person missed")


def test_an_example_of_every_planted_cause(planted):
    rows = clearest_example(planted, "hand_swap")
    counts = planted[planted["cause"] == "hand_swap"].groupby(["person", "part"], observed=True).size()
    assert (rows["cause"] == "hand_swap").sum() == counts.max()
    assert rows["person"].nunique() == rows["part"].nunique() == 1
    picture = np.zeros((100, 100, 3), np.uint8)
    ax = show_cause(picture, rows, "hand_swap")
    arrows = next(c for c in ax.collections if hasattr(c, "U"))
    hit = rows[rows["cause"] == "hand_swap"]
    np.testing.assert_allclose(arrows.U, hit["x_pred"] - hit["x"], rtol=1e-5)
    np.testing.assert_allclose(arrows.V, hit["y_pred"] - hit["y"], rtol=1e-5)
    axes = show_causes(planted, lambda image_id: picture, ["hand_swap", "person_missed", "swap"])
    assert [ax.get_title(loc="left").split(":")[0] for ax in axes] == ["hand swap", "swap"]
    assert clearest_example(planted, "person_missed").empty


def test_plots_draw_on_the_axes_that_they_are_given(table, analysis):
    shares, summary = cause_table(table), keypoint_summary(table)
    for draw in (
        lambda ax: plot_causes(shares, ax=ax),
        lambda ax: plot_confusions(confusion_table(table), ax=ax),
        lambda ax: plot_body_map(summary["error_px"], ax=ax),
        lambda ax: plot_sensitivity(sensitivity(analysis, by="truncation", parts=["body"]), ax=ax),
    ):
        ax = plt.subplots()[1]
        assert draw(ax) is ax
    assert isinstance(summary, pd.DataFrame)
