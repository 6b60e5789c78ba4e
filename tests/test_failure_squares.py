"""Squares of confusions and of causes, what was fixed and broken, and examples of classes, against loops."""

import matplotlib

matplotlib.use("Agg")

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from planting import NOISE_MODELS, make_scene, result_columns
from test_failures_slices import better_and_worse
from test_failures_table import noisy

from wbkit.errors import InputError
from wbkit.failures import (
    CONFUSION_PARTS,
    EXAMPLE_CLASSES,
    analyse,
    compare,
    confusion_matrix,
    confusion_table,
    detection_table,
    example_of,
    keypoint_table,
    person_table,
)
from wbkit.failures.confusions import OTHER_HAND, OTHER_PERSON
from wbkit.keypoints import FACE_REGIONS, KEYPOINTS, PARTS
from wbkit.plots import (
    fixed_broken_table,
    plot_cause_changes,
    plot_confusion_matrix,
    plot_fixed_broken,
    show_examples,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def table():
    scene = make_scene(3, count=24)
    for person in range(24):
        for model in ("inversion", "hand_swap", "swap", "wrong_finger"):
            NOISE_MODELS[model](scene, person)
    return keypoint_table(scene.annotations, scene.results())


@pytest.fixture(scope="module")
def comparison():
    return compare(*better_and_worse(), resamples=0)


# --- squares of confusions -------------------------------------------------------------------------


def place(name, part):
    """The row or column that a keypoint belongs to, told from its name and number; None for none."""
    number = KEYPOINTS.index(name)
    if part == "face":
        return next(
            (r.replace("_", " ") for r, s in FACE_REGIONS.items() if s.start <= number < s.stop), None
        )
    if part == "hand":
        return name.split("_", 1)[1] if number >= 91 else None
    return name if PARTS[part].start <= number < PARTS[part].stop else None


@pytest.mark.parametrize("part", CONFUSION_PARTS)
def test_a_square_equals_a_naive_loop(table, part):
    found = confusion_matrix(table, part)
    wanted = pd.DataFrame(0, found.index, found.columns)
    for row in table[table["v"] > 0].itertuples():
        own = place(row.keypoint, part)
        if own is None:
            continue
        wanted.loc[own, "labelled"] += 1
        if isinstance(row.confused_keypoint, float):
            continue
        column = place(row.confused_keypoint, part)
        if part == "hand" and row.keypoint.split("_")[0] != row.confused_keypoint.split("_")[0]:
            column = OTHER_HAND
        wanted.loc[own, OTHER_PERSON if row.confused_person_id >= 0 else column] += 1
    pd.testing.assert_frame_equal(found, wanted)
    assert found.drop(columns="labelled").to_numpy().sum() > 20


def test_squares_hold_all_confusions_of_the_ranked_table(table):
    ranked = confusion_table(table)["count"].sum()
    squares = [confusion_matrix(table, p).drop(columns="labelled").to_numpy().sum() for p in CONFUSION_PARTS]
    assert sum(squares) == ranked
    with pytest.raises(InputError, match="no part 'lefthand'"):
        confusion_matrix(table, "lefthand")


@pytest.mark.parametrize("part", CONFUSION_PARTS)
def test_the_square_shows_counts_and_shares(table, part):
    square = confusion_matrix(table, part)
    counts = square.drop(columns="labelled")
    ax = plot_confusion_matrix(square, title="t")
    numbers = {t.get_position(): int(t.get_text()) for t in ax.texts}
    rows, columns = np.nonzero(counts.to_numpy())
    expected = zip(columns.tolist(), rows.tolist(), strict=True)
    assert numbers == {(c, r): counts.iloc[r, c] for c, r in expected}
    shares = ax.images[0].get_array()
    np.testing.assert_allclose(shares, counts.to_numpy() / square["labelled"].to_numpy()[:, None])
    assert [t.get_text() for t in ax.get_xticklabels()] == list(counts.columns)
    assert ax.get_yticklabels()[0].get_text() == f"{square.index[0]} ({square['labelled'].iloc[0]:,})"


def test_a_square_without_labels_or_confusions(table):
    nobody = confusion_matrix(table[table["cause"] == "good"], "body")
    assert not nobody.drop(columns="labelled").to_numpy().any()
    assert not list(plot_confusion_matrix(nobody * 0).texts)


# --- what was fixed and broken ---------------------------------------------------------------------


def test_fixed_and_broken_equal_naive_counts(comparison):
    truth, a, b = better_and_worse()
    tables = [keypoint_table(truth, x) for x in (a, b)]
    labelled = tables[0]["v"] > 0
    before, after = (t["cause"].astype(str)[labelled] for t in tables)
    part = tables[0]["part"][labelled]
    found = fixed_broken_table(comparison.changes).set_index(["part", "cause"])
    assert len(found) == 5 * 10
    for (name, cause), row in found.iterrows():
        here = part == name
        fixed = here & (before == cause) & (after == "good")
        broken = here & (before == "good") & (after == cause)
        assert row["fixed"] == pytest.approx(fixed.sum() / here.sum())
        assert row["broken"] == pytest.approx(broken.sum() / here.sum())
    assert found["fixed"].sum() > 0.1
    assert found["broken"].sum() > 0.1
    ax = plot_fixed_broken(comparison.changes, names=("old", "new"))
    lengths = sorted(abs(bar.get_width()) for bar in ax.patches)
    drawn = found.to_numpy()
    np.testing.assert_allclose(lengths, np.sort(drawn[drawn > 0]))
    sides = {bar.get_y(): 0.0 for bar in ax.patches}
    for bar in ax.patches:
        sides[bar.get_y()] += bar.get_width()
    net = (found["fixed"] - found["broken"]).groupby("part", sort=False).sum()
    wanted = [net[part] for part in net.index if abs(found.loc[part]).to_numpy().any()]
    np.testing.assert_allclose([sides[y] for y in sorted(sides)], wanted)
    assert "good in old only" in ax.get_title(loc="left")


def test_changes_of_causes_are_all_in_the_square(comparison):
    ax = plot_cause_changes(comparison.changes, names=("old", "new"))
    numbers = [int(t.get_text().replace(",", "")) for t in ax.texts]
    assert sum(numbers) == comparison.changes["count"].sum()
    labels = ax.get_yticklabels(), ax.get_xticklabels()
    rows, columns = ([t.get_text().replace("\n", " ") for t in side] for side in labels)
    assert rows == columns
    places = [t.get_position() for t in ax.texts]
    where = {(rows[y], columns[x]): number for (x, y), number in zip(places, numbers, strict=True)}
    counts = comparison.changes.groupby(["cause_a", "cause_b"], observed=True)["count"].sum()
    assert where == {(a.replace("_", " "), b.replace("_", " ")): n for (a, b), n in counts.items()}
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("in old", "in new")


# --- examples of classes ---------------------------------------------------------------------------


def with_rivals():
    """People found well; the third twice, better-placed with the lower score; one detection on nobody."""
    scene = make_scene(5, count=8)
    results = scene.results()
    worse, nobody = results.keypoints[[2]].copy(), results.keypoints[[4]].copy()
    worse[..., :2] += 0.05 * np.sqrt(scene.areas[2])
    nobody[..., 1] += 1500
    keypoints = np.concatenate([results.keypoints, worse, nobody])
    images = [*results.image_ids, results.image_ids[2], results.image_ids[4]]
    return scene, result_columns(keypoints, images, [*np.full(8, 0.5), 0.8, 0.7])


@pytest.mark.parametrize("named", [True, False])
def test_examples_are_planted_beside_results_with_and_without_names(named):
    scene, results = with_rivals()
    first = results.select(np.arange(8))  # no rivals: what is asked for must be planted
    names = np.full(8, "") if named else None
    analysis = analyse(scene.annotations, replace(first, file_names=names))
    for name in ("scoring", "background"):
        assert example_of(analysis, name).planted


def test_examples_that_occur_are_found_by_rule():
    scene, results = with_rivals()
    analysis = analyse(scene.annotations, results)
    scoring, duplicate, background = (example_of(analysis, name) for name in EXAMPLE_CLASSES[1:])
    assert not any(example.planted for example in (scoring, duplicate, background))
    assert (scoring.person, scoring.detection, duplicate.detection, background.detection) == (2, 8, 8, 9)
    assert (duplicate.person, background.person) == (2, -1)
    assert background.image_id == results.image_ids[4]
    truth = scene.annotations
    hidden = truth.keypoints.copy()
    hidden[[1, 3], 91:112, 2] = 0  # left hands
    hidden[5, 17:23, 2] = 0
    example = example_of(analyse(replace(truth, keypoints=hidden), results), "hallucinated")
    larger = [1, 3][int(np.argmax(truth.areas[[1, 3]]))]
    assert (example.person, example.part, example.planted) == (larger, "lefthand", False)
    assert example.detection == larger


def test_the_example_of_a_duplicate_is_no_scoring_error_if_there_is_another():
    """The third is found three times, twice worse with a higher score; the fifth again, with a lower one."""
    scene, results = with_rivals()
    again = results.keypoints[[8, 4]] + np.array([1.0, 1.0, 0.0])
    keypoints = np.concatenate([results.keypoints, again])
    images = [*results.image_ids, *results.image_ids[[8, 4]]]
    results = result_columns(keypoints, images, [*results.scores, 0.75, 0.3])
    analysis = analyse(scene.annotations, results)
    assert example_of(analysis, "scoring").detection == 8
    example = example_of(analysis, "duplicate")
    assert (example.detection, example.person, example.planted) == (11, 4, False)


@pytest.mark.parametrize("name", EXAMPLE_CLASSES)
def test_where_a_class_does_not_occur_an_example_is_planted(name):
    truth, results = noisy(1)
    analysis = analyse(truth, results)
    kept = analysis.pairs.detections[analysis.pairs.found]  # neither duplicates nor background are left
    if name == "hallucinated":
        quiet = results.keypoints.copy()
        quiet[..., 2] = 0.1  # below the score of a hallucination
        results = replace(results, keypoints=quiet)
    results = results.select(kept)
    before = results.keypoints.copy()
    analysis = analyse(truth, results)
    example = example_of(analysis, name)
    assert example.planted
    assert example.analysis.annotations.image_ids.tolist() == [example.image_id]
    np.testing.assert_array_equal(results.keypoints, before)
    own, detection = example.analysis, example.detection
    if name == "hallucinated":
        causes = keypoint_table(own)
        rows = causes[(causes["detection"] == detection) & (causes["part"] == example.part)]
        assert (rows["cause"] == "hallucinated").all()
        assert (rows["v"] == 0).all()
    elif name == "scoring":
        row = person_table(own).iloc[example.person]
        assert row["scoring_error"]
        assert row["rival"] == detection
    else:
        assert detection_table(own)["verdict"].iloc[detection] == name
    assert detection == len(own.results) - 1


def test_examples_are_drawn_with_their_numbers():
    scene, results = with_rivals()
    analysis = analyse(scene.annotations, results)
    grey = np.full((3000, 6000, 3), 90, np.uint8)

    def pictures(image_id):
        return grey

    axes = show_examples(analysis, pictures, ["scoring", "background"])
    assert [ax.get_title(loc="left") for ax in axes] == ["scoring", "background"]
    row = person_table(analysis).iloc[2]
    assert f"score 0.50, OKS {row['oks']:.2f}" in axes[0].get_xlabel()
    assert f"score 0.80, OKS {row['rival_oks']:.2f}" in axes[0].get_xlabel()
    oks = detection_table(analysis)["oks"].iloc[9]
    said = "none with anybody" if np.isnan(oks) else f"at most {oks:.2f}"
    assert axes[1].get_xlabel() == f"vermilion: score 0.70, OKS {said}"
    dots = [line for line in axes[0].get_lines() if len(line.get_xdata()) == 17]
    wanted = (scene.truth[2, :17], results.keypoints[2, :17, :2], results.keypoints[8, :17, :2])
    for line, points in zip(dots, wanted, strict=True):
        np.testing.assert_allclose(np.transpose(line.get_data()), points)
    planted = show_examples(analysis, pictures, ["hallucinated"])
    assert planted == []  # all parts of everybody are labelled: nowhere to plant one
    assert show_examples(analysis, lambda image_id: None) == []


def test_nobody_found_no_example():
    truth, results = noisy(0)
    analysis = analyse(truth, results.select(np.zeros(len(results), bool)))
    assert [example_of(analysis, name) for name in EXAMPLE_CLASSES] == [None] * 4
    with pytest.raises(InputError, match="no example of 'jitter'"):
        example_of(analysis, "jitter")
