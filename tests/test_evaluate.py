"""wbkit.evaluate against arithmetic by hand, naive loops, invariances, and xtcocotools on random cases."""

import copy
import math
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from wbkit import loops
from wbkit.annotations import load_annotations, load_results
from wbkit.columns import KEYPOINT_FIELDS
from wbkit.doubts import doubts, taken
from wbkit.errors import InputError
from wbkit.evaluate import STATISTICS, per_part_table, precision_recall, reference_table
from wbkit.keypoints import PARTS, SIGMAS
from wbkit.matching import match, oks
from wbkit.nms import _Suspects, oks_nms, rescore, rescore_and_nms, soft_oks_nms
from wbkit.reference import import_xtcocotools

needs_reference = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="xtcocotools has no wheels for Python 3.12 and later"
)


# --- making cases ----------------------------------------------------------------------------------


def person(keypoints, image_id=1, **more):
    """A record of an annotation or results file from (133, 3)."""
    fields = {name: np.asarray(keypoints)[part].ravel().tolist() for name, part in KEYPOINT_FIELDS.items()}
    return {"image_id": image_id, "category_id": 1, **fields, **more}


def annotated(keypoints, image_id=1, *, id, area=10000.0, bbox=(0.0, 0.0, 100.0, 100.0), iscrowd=0):
    return person(keypoints, image_id, id=id, area=area, bbox=list(bbox), iscrowd=iscrowd)


def annotation_file(persons, image_ids=(1,)):
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in image_ids]
    return {"images": images, "annotations": persons, "categories": [{"id": 1, "name": "person"}]}


def some_keypoints(rng, at=(0.0, 0.0), size=100.0):
    points = np.full((133, 3), 2.0)
    points[:, :2] = np.asarray(at) + rng.random((133, 2)) * size
    return points


def scored(keypoints, score=1.0):
    points = np.array(keypoints, float)
    points[:, 2] = score
    return points


@pytest.fixture
def rng():
    return np.random.default_rng(7)


# --- OKS -------------------------------------------------------------------------------------------


def test_oks_by_hand():
    # Nose (sigma .026) and left shoulder (.079) labelled; area 2500, so s = 50 px.
    truth, guess, labelled = np.zeros((133, 2)), np.zeros((133, 2)), np.zeros(133, bool)
    labelled[[0, 5]] = True
    guess[0] = (2.6, 0)  # 2.6 / (50 * 2 * .026) = 1 standard deviation
    guess[5] = (0, 15.8)  # 15.8 / (50 * 2 * .079) = 2 of them
    guess[7] = (1000, 1000)  # not labelled: does not count
    expected = (math.exp(-0.5) + math.exp(-2)) / 2
    assert oks(guess, truth, labelled, 2500.0) == pytest.approx(expected, abs=1e-12)


def test_oks_broadcasts_and_equals_a_naive_loop(rng):
    guess, truth = rng.random((4, 1, 133, 2)) * 50, rng.random((5, 133, 2)) * 50
    labelled, areas = rng.random((5, 133)) < 0.5, rng.random(5) * 5000
    got = oks(guess, truth, labelled, areas)
    assert got.shape == (4, 5)
    for d in range(4):
        for g in range(5):
            terms = [
                math.exp(
                    -(math.dist(guess[d, 0, k], truth[g, k]) ** 2) / (2 * areas[g] * (2 * SIGMAS[k]) ** 2)
                )
                for k in range(133)
                if labelled[g, k]
            ]
            assert got[d, g] == pytest.approx(sum(terms) / len(terms), abs=1e-12)


def test_oks_without_labels_is_nan_and_area_zero_needs_an_exact_hit():
    points = np.ones((133, 2))
    assert np.isnan(oks(points, points, np.zeros(133, bool), 100.0))
    assert oks(points, points, np.ones(133, bool), 0.0) == 1
    assert oks(points + 1, points, np.ones(133, bool), 0.0) == 0


# --- AP and AR -------------------------------------------------------------------------------------


def test_average_precision_of_two_people_by_hand(rng):
    a, b = some_keypoints(rng), some_keypoints(rng, at=(300, 0))
    truth = annotation_file([annotated(a, id=1), annotated(b, id=2)])
    elsewhere = scored(some_keypoints(rng, at=(0, 3000), size=90))
    results = [person(scored(a), score=0.9), person(elsewhere, score=0.8), person(scored(b), score=0.7)]
    # From the top: right (recall 1/2, precision 1), wrong, right (recall 1, precision 2/3).
    # Precision is 1 at the 51 recalls 0 ... .50 and 2/3 at the 50 others, at every threshold.
    table = per_part_table(truth, results)
    assert table.loc["body", "AP"] == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-12)
    assert table.loc["body", "AR"] == 1
    assert table.loc["body", "APL"] == 1  # the wrong one is smaller than 96^2, so it does not count there
    assert np.isnan(table.loc["body", "APM"])
    precision, recall = precision_recall(match(load_annotations(truth), load_results(results), "body"))
    assert precision.shape == (10, 101)
    np.testing.assert_allclose(precision[0, [0, 50, 51, 100]], [1, 1, 2 / 3, 2 / 3], atol=1e-12)
    np.testing.assert_array_equal(recall, np.ones(10))


def test_a_prediction_half_right_reaches_half_of_the_thresholds(rng):
    truth = some_keypoints(rng)
    guess = scored(truth)
    k = 2 * SIGMAS * 100  # one standard deviation in px for area 10000
    guess[:, 0] += k * math.sqrt(-2 * math.log(0.72))  # every keypoint's similarity is .72
    table = per_part_table(annotation_file([annotated(truth, id=1)]), [person(guess, score=1)])
    assert table.loc["wholebody", "AP"] == pytest.approx(0.5)  # .50 .55 .60 .65 .70, not .75 ...
    assert table.loc["wholebody", "AR75"] == 0


def test_ground_truth_as_prediction_is_perfect_where_labelled(rng):
    people = [some_keypoints(rng, at=(200 * i, 0)) for i in range(3)]
    for points in people:
        points[PARTS["righthand"], 2] = 0
    truth = annotation_file([annotated(p, id=i) for i, p in enumerate(people)])
    table = per_part_table(truth, [person(scored(p), score=1) for p in people])
    labelled = ["body", "foot", "face", "lefthand", "wholebody"]
    np.testing.assert_allclose(table.loc[labelled, ["AP", "AR", "APL", "ARL"]], 1, atol=1e-12)
    assert table.loc["righthand"].isna().all()
    assert table.loc["hand"].isna().all()  # one hand is undefined, so their mean is
    assert list(table.index) == [*PARTS, "hand"]
    assert tuple(table.columns) == STATISTICS


def test_hand_is_the_mean_of_both_hands():
    truth, results = random_case(np.random.default_rng(3))
    table = per_part_table(truth, results)
    both = (table.loc["lefthand"] + table.loc["righthand"]) / 2
    np.testing.assert_array_equal(table.loc["hand"], both)


def test_no_results_and_no_people(rng):
    truth = annotation_file([annotated(some_keypoints(rng), id=1)])
    nothing_found = per_part_table(truth, [])
    assert (nothing_found[["AP", "AR"]] == 0).all(axis=None)
    nobody_there = per_part_table(annotation_file([]), [person(scored(some_keypoints(rng)), score=1)])
    assert nobody_there.isna().all(axis=None)
    assert per_part_table(annotation_file([], image_ids=()), []).isna().all(axis=None)


def distinct_scores(rng, results):
    for result, score in zip(results, rng.permutation(len(results)), strict=True):
        for field in [f for f in result if f.endswith("score")]:
            result[field] = float(score + 1)
    return results


@pytest.mark.parametrize("seed", range(5))
def test_order_of_results_and_numbers_of_pictures_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    truth, results = random_case(rng, boxes=False)
    results = distinct_scores(rng, results)
    table = per_part_table(truth, results)
    shuffled = [results[i] for i in rng.permutation(len(results))]
    assert per_part_table(truth, shuffled).equals(table)
    new_id = {im["id"]: int(n) for im, n in zip(truth["images"], rng.permutation(100), strict=False)}
    for record in [*truth["images"]]:
        record["id"] = new_id[record["id"]]
    for record in [*truth["annotations"], *results]:
        record["image_id"] = new_id[record["image_id"]]
    assert per_part_table(truth, results).equals(table)


def test_means_of_runs_are_numpys_to_the_last_bit(rng):
    lengths = np.arange(1, 249)
    rows = [rng.random(n) for n in lengths]
    means = np.empty(len(rows))
    loops.means_of_runs(np.concatenate(rows), lengths, means)
    assert means.tolist() == [row.sum() / len(row) for row in rows]
    assert means.tolist() != [sum(row) / len(row) for row in rows]  # the order of the sum shows


def test_loops_are_compiled_where_no_cache_can_be_kept(monkeypatch):
    compiled = loops.numba.njit

    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return compiled(**options)

    monkeypatch.setattr(loops.numba, "njit", njit)
    assert loops._loop(lambda x: 2 * x)(21) == 42


def test_work_in_chunks_changes_nothing(monkeypatch):
    rng = np.random.default_rng(11)
    cases = [random_case(rng) for _ in range(5)]
    tables = [per_part_table(*case) for case in cases]
    monkeypatch.setattr("wbkit.matching._CHUNK_PAIRS", 3)
    pairs = [match(load_annotations(t), load_results(r), "body").pair_oks for t, r in cases]
    assert max(map(len, pairs)) > 6  # three chunks
    assert all(per_part_table(*case).equals(table) for case, table in zip(cases, tables, strict=True))


def test_matches_keep_what_happened(rng):
    a, b = some_keypoints(rng), some_keypoints(rng, at=(300, 0))
    truth = load_annotations(annotation_file([annotated(a, 5, id=1), annotated(b, 5, id=2)], (5, 2)))
    guesses = [scored(b), scored(a), scored(a), scored(a, 0)]
    results = load_results([person(g, 5, score=s) for g, s in zip(guesses, (0.5, 0.9, 0.7, 1), strict=True)])
    matches = match(truth, results, "body")
    assert matches.detections.tolist() == [1, 2, 0]  # best first; the fourth has no score above 0
    assert matches.image_ids.tolist() == [2, 5]
    assert matches.pictures.tolist() == [1, 1, 1]
    assert matches.persons.shape == matches.ignored.shape == (3, 3, 10)
    assert matches.persons[:, 0, 0].tolist() == [0, -1, 1]  # the second of two hits finds the person taken
    assert matches.ignored[:, 0].sum() == 0
    assert matches.ignored[0, 1].all()  # in range "medium": matched to a person who is ignored there
    assert matches.ignored_persons.tolist() == [[False, True, False]] * 2
    assert matches.pair_positions.tolist() == [0, 0, 1, 1, 2, 2]
    assert matches.pair_persons.tolist() == [0, 1] * 3
    np.testing.assert_array_equal(matches.pair_oks[[0, 2, 5]], 1)


# --- rescoring and suppression ---------------------------------------------------------------------


def test_rescore_by_hand(rng):
    points = scored(some_keypoints(rng), 0.1)
    points[:3, 2] = (0.3, 0.5, 0.2)  # .2 is not above the threshold
    records = [person(points, score=1, bbox_score=0.5), person(scored(points, 0.2), score=1, bbox_score=0.5)]
    results = load_results(records)
    np.testing.assert_allclose(rescore(results).scores, [0.5 * (0.3 + 0.5) / 2, 0], atol=1e-15)
    np.testing.assert_array_equal(rescore(results).part_scores, rescore(results).scores[:, None].repeat(5, 1))
    assert results.scores.tolist() == [1, 1]  # untouched


def naive_overlap(points, areas, a, b):
    area = (areas[a] + areas[b]) / 2
    terms = [
        math.exp(-((points[a, k, :2] - points[b, k, :2]) ** 2).sum() / (2 * area * (2 * SIGMAS[k]) ** 2))
        for k in range(len(SIGMAS))
    ]
    return sum(terms) / len(terms)


def naive_nms(points, scores, areas, threshold):
    waiting, kept = sorted(range(len(scores)), key=lambda i: (scores[i], i), reverse=True), []
    while waiting:
        kept.append(waiting.pop(0))
        waiting = [i for i in waiting if naive_overlap(points, areas, kept[-1], i) <= threshold]
    return kept


def naive_soft_nms(points, scores, areas, threshold, most):
    left, kept = dict(enumerate(scores)), []
    while left and len(kept) < most:
        kept.append(max(left, key=left.get))
        del left[kept[-1]]
        for i in left:
            left[i] *= math.exp(-(naive_overlap(points, areas, kept[-1], i) ** 2) / threshold)
    return kept


def crowded_picture(rng, people=25):
    """Near duplicates of a few persons, from nearly the same to clearly different."""
    base = np.stack([some_keypoints(rng, at=rng.random(2) * 100) for _ in range(4)])
    points = base[rng.integers(0, 4, people)]
    points[..., :2] += rng.normal(size=(people, 133, 2)) * rng.choice([0.1, 0.5, 1, 2], people)[:, None, None]
    for i in range(0, people, 3):  # a few points far away do not make another person, most do
        points[i, : rng.integers(0, 40), :2] += rng.normal(0, 300, 2)
    return points, rng.random(people), rng.uniform(3000, 12000, people)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.5, 0.78, 0.9])
def test_nms_equals_naive_loops(seed, threshold):
    points, scores, areas = crowded_picture(np.random.default_rng(seed))
    kept = oks_nms(points, scores, areas, threshold)
    assert kept.tolist() == naive_nms(points, scores, areas, threshold)
    assert len(kept) < len(points)
    soft = soft_oks_nms(points, scores, areas, threshold, max_detections=12)
    assert soft.tolist() == naive_soft_nms(points, scores, areas, threshold, 12)


@pytest.mark.parametrize("threshold", [0.5, 0.78, 0.9])
def test_suspects_are_the_pairs_above_the_threshold(rng, threshold):
    people = 60
    points = np.stack([some_keypoints(rng)] * people)
    points[..., :2] += rng.normal(size=(people, 133, 2)) * rng.uniform(0, 3, people)[:, None, None]
    for i in range(people):  # some have their first points elsewhere: these alone do not tell two apart
        points[i, : rng.integers(0, 40), :2] += rng.normal(0, 1, 2) * rng.choice([0, 5, 40, 300])
    areas, everybody = rng.uniform(3000, 12000, people), np.ones(people, bool)
    compare, counted = _Suspects(points, areas, threshold, SIGMAS), 0
    for i in range(people):
        near = [j for j in range(people) if naive_overlap(points, areas, i, j) > threshold - 1e-6]
        assert compare(i, everybody).tolist() == near
        counted += len(compare(i, everybody)) - 1
    assert 0 < counted < people * (people - 1)
    assert compare(0, ~everybody).tolist() == []
    # Eight points of one sigma, two of them d away: OKS = (6 + 2 exp(-d^2 / (2 s^2 k^2))) / 8 > .8 where
    # d^2 < 2 s^2 k^2 ln 5, and the two are the quarter whose boxes are compared.
    pair, areas, sigmas = np.zeros((2, 8, 2)), np.full(2, 1e4), np.full(8, 0.05)
    for factor, found in ((0.999, [0, 1]), (1.001, [0])):
        pair[1, :2, 1] = factor * np.sqrt(2 * 1e4 * 0.1**2 * np.log(5))
        assert _Suspects(pair, areas, 0.8, sigmas)(0, everybody[:2]).tolist() == found
    # Of the two, one's sigma is so small that it adds nothing: OKS = (6 + exp(...)) / 8 > .8 where
    # d^2 < 2 s^2 k^2 ln 2.5, with the k of the other.
    sigmas[0] = 1e-4
    for factor, found in ((0.999, [0, 1]), (1.001, [0])):
        pair[1, :2, 1] = factor * np.sqrt(2 * 1e4 * 0.1**2 * np.log(2.5))
        assert _Suspects(pair, areas, 0.8, sigmas)(0, everybody[:2]).tolist() == found
    with pytest.raises(ValueError, match="8 keypoints, but 17 sigmas"):
        _Suspects(pair, areas, 0.8, SIGMAS[:17])


def test_nms_of_nobody_and_of_equal_scores(rng):
    points = np.stack([some_keypoints(rng)] * 3)
    assert oks_nms(points[:0], np.zeros(0), np.zeros(0)).tolist() == []
    assert soft_oks_nms(points[:0], np.zeros(0), np.zeros(0)).tolist() == []
    assert oks_nms(points, np.ones(3), np.full(3, 1e4)).tolist() == [2]  # of equals the last, as MMPose


def test_rescore_and_nms_sorts_by_id_drops_repeats_and_boxes(rng):
    a, b = scored(some_keypoints(rng)), scored(some_keypoints(rng, at=(300, 0)))
    more = {"score": 1, "bbox": [0, 0, 100, 100]}
    records = [
        person(b, 9, id=4, bbox_score=0.5, **more),
        person(a, 2, id=7, bbox_score=0.1, **more),
        person(a, 9, id=3, bbox_score=0.4, **more),
        person(a, 9, id=3, bbox_score=0.9, **more),  # the repeated id goes, although it scores higher
        person(b, 9, id=1, bbox_score=0.2, **more),  # a duplicate of id 4
    ]
    kept = rescore_and_nms(load_results(records))
    assert kept.image_ids.tolist() == [9, 9, 2]
    assert kept.ids.tolist() == [4, 3, 7]
    assert kept.scores.tolist() == [0.5, 0.4, 0.1]
    assert np.isnan(kept.boxes_xywh).all()
    assert np.isnan(kept.box_scores).all()
    extent = np.ptp(b[:17, 0]) * np.ptp(b[:17, 1])
    assert kept.areas[0] == pytest.approx(extent)
    in_order = rescore_and_nms(load_results(records), method="none", rescoring=False)
    assert in_order.ids.tolist() == [1, 3, 4, 7]
    assert in_order.scores.tolist() == [0.2, 0.4, 0.5, 0.1]
    assert len(rescore_and_nms(load_results([]))) == 0


def test_suppression_compares_predicted_keypoints_only(rng):
    """Two neighbours of a 17-keypoint model: the zeros that fill up to 133 would make them look alike."""
    a = scored(some_keypoints(rng))
    b = a.copy()
    b[:17, 0] += 60
    a[17:] = b[17:] = 0
    records = [person(p, 9, score=1, bbox=[0, 0, 100, 100], bbox_score=1) for p in (a, b)]
    assert len(rescore_and_nms(load_results(records), nms_threshold=0.8)) == 2
    b[:17, 0] -= 59.9
    records[1] = person(b, 9, score=1, bbox=[0, 0, 100, 100], bbox_score=1)
    assert len(rescore_and_nms(load_results(records), nms_threshold=0.8)) == 1


# --- errors ----------------------------------------------------------------------------------------


def test_results_for_unknown_pictures_are_named(rng):
    points = some_keypoints(rng)
    truth = annotation_file([annotated(points, id=1)])
    results = [person(points, score=1), person(points, 77, score=1), person(points, 78, score=1)]
    message = (
        r'results, result 1, field "image_id": 77 names no picture of annotations.*1 more.*Evaluate against'
    )
    with pytest.raises(InputError, match=message):
        per_part_table(truth, results)


def test_missing_boxes_and_scores_are_named(rng):
    results = load_results([person(some_keypoints(rng), score=1, bbox_score=0.5)])
    with pytest.raises(
        InputError, match=r'result 0, field "bbox": is missing in 1 of 1.*Write the person box'
    ):
        rescore_and_nms(results)
    nothing = replace(results, box_scores=np.array([np.nan]))
    with pytest.raises(InputError, match=r'field "bbox_score": is missing.*evaluate without rescoring'):
        rescore(nothing)
    with pytest.raises(InputError, match=r'"bbox_score": is missing'):
        rescore_and_nms(nothing, method="none", rescoring=False)


def test_rescoring_leaves_people_of_17_keypoints_apart(rng):
    """In the zeros of the keypoints that a model lacks all persons agree: these do not count."""
    people = [np.add(some_keypoints(rng), (40.0 * i, 0, 0)) for i in range(2)]
    boxes = [{"bbox": [200 + 40 * i, 150, 250, 300], "bbox_score": 1, "id": i} for i in range(2)]
    records = [person(p, score=1, **box) for p, box in zip(people, boxes, strict=True)]
    nothing = [
        r | {k: [0.0] * len(v) for k, v in r.items() if "k" in k and isinstance(v, list)} for r in records
    ]
    assert len(rescore_and_nms(load_results(nothing))) == 1  # all in one place
    parts = ("foot", "face", "lefthand", "righthand")
    plain = [{k: v for k, v in r.items() if not k.startswith(parts)} for r in records]
    assert len(rescore_and_nms(load_results(records))) == len(rescore_and_nms(load_results(plain))) == 2


def test_what_rescoring_leaves_is_told_and_keeps_its_place_in_the_file(rng):
    """Of four people in one picture one repeats another's id, and one lies on another."""
    people = [np.add(some_keypoints(rng), (150.0 * i, 0, 0)) for i in range(3)]
    people.append(people[2] + (0.1, 0, 0))
    records = [
        person(scored(p), score=1, bbox=[150 * i, 0, 100, 100], bbox_score=0.3 + 0.1 * i, id=i)
        for i, p in enumerate(people)
    ]
    records[1]["id"] = 0
    truth = load_annotations(annotation_file([annotated(people[0], id=1)]))
    results = load_results(records)
    kept, notes = taken(truth, results, (192, 256))
    assert kept.records.tolist() == [3, 0]
    assert notes == [
        "2 of 4 are left after rescoring (near a better one: 1; with an id of their picture once more: 1)"
    ]
    np.testing.assert_array_equal(kept.keypoints, results.keypoints[kept.records])
    assert kept.select(np.array([1])).records.tolist() == [0]
    same, notes = taken(truth, results, None)
    assert same is results
    assert len(notes) == 1


def test_people_beyond_the_best_twenty_of_a_picture_are_counted(rng):
    truth = load_annotations(annotation_file([annotated(some_keypoints(rng), id=1)]))
    many = load_results([person(scored(some_keypoints(rng)), score=1) for _ in range(23)])
    assert taken(truth, many, None)[1] == ["3 are beyond their picture's best 20: COCO leaves these out"]
    assert taken(truth, many.select(np.arange(20)), None)[1] == []


def test_doubts_about_files_that_can_be_used(rng):
    """Each mistake made on purpose, in pictures of 640 x 480; without one there is nothing to say."""
    people = [some_keypoints(rng) for _ in range(3)]
    truth = annotation_file([annotated(p, i, id=i) for i, p in enumerate(people)], range(4))
    truth = load_annotations(truth)  # nobody is in the last picture
    right = load_results([person(p, i, score=1, bbox=[300, 200, 330, 270]) for i, p in enumerate(people)])
    assert doubts(truth, right) == []
    assert doubts(truth, right.select(np.zeros(0, int))) == ["the file holds no results"]
    (note,) = doubts(truth, right.select(np.array([1])))
    assert note.startswith("2 of 3 pictures with labelled people have no result")
    (note,) = doubts(truth, replace(right, keypoints=right.keypoints / (640, 480, 1)))
    assert "should be pixels" in note
    (note,) = doubts(truth, replace(right, boxes_xywh=np.tile([300, 200, 630.0, 470.0], (3, 1))))
    assert note.startswith("3 of 3 boxes reach far out")
    nowhere = replace(right, image_ids=right.image_ids + 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (note,) = doubts(truth, nowhere)
    assert note.startswith("3 of 3 pictures with labelled people have no result")
    nobody = replace(truth, keypoints=truth.keypoints * (np.arange(3) == 1)[:, None, None])
    assert doubts(nobody, right.select(np.array([1]))) == []  # nobody is to be found in the others
    (note,) = doubts(truth, replace(right, keypoints=right.keypoints * (np.arange(133) < 112)[:, None]))
    assert note == "the results have no righthand: counted as missed"
    unsure = right.keypoints.copy()
    unsure[:, 112:, 2] = 0
    (note,) = doubts(truth, replace(right, keypoints=unsure))
    assert note.startswith("no score of righthand is above 0: counted as missed")
    body = replace(truth, keypoints=truth.keypoints * (np.arange(133) < 17)[:, None])
    (note,) = doubts(body, replace(right, keypoints=right.keypoints * (np.arange(133) < 17)[:, None]))
    assert note == "nobody has labels for foot, face, lefthand, righthand: wholebody counts the rest"
    unsaid = replace(truth, image_sizes_wh=np.zeros((4, 2), np.int64))
    assert doubts(unsaid, replace(right, boxes_xywh=np.tile([300, 200, 630.0, 470.0], (3, 1)))) == []
    assert doubts(truth, replace(right, boxes_xywh=np.full((3, 4), np.nan))) == []


def test_unknown_names_are_refused(rng):
    truth, results = load_annotations(annotation_file([])), load_results([])
    with pytest.raises(InputError, match=r"no part 'hand'. Choose one of body"):
        match(truth, results, "hand")
    with pytest.raises(InputError, match=r"no area range 'small'. Choose one of all, medium, large"):
        precision_recall(match(truth, results, "body"), "small")
    with pytest.raises(InputError, match=r"no NMS method 'nms'. Choose one of oks_nms"):
        rescore_and_nms(results, method="nms")


def test_reference_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "xtcocotools.coco", None)
    with pytest.raises(InputError, match=r"xtcocotools cannot be imported.*Python 3.11.*per_part_table"):
        reference_table(annotation_file([]), [])


def test_evaluation_needs_no_torch():
    code = "import sys, wbkit.evaluate; assert not {'torch', 'matplotlib'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- against xtcocotools ---------------------------------------------------------------------------


def random_visibility(rng):
    """v of 133 keypoints: labelled, partly labelled, no hands, nothing at all; sometimes fractions."""
    v = rng.choice([0.0, 1.0, 2.0], 133)
    for part in PARTS.values():
        if rng.random() < 0.15:
            v[part] = 0
    if rng.random() < 0.3:
        v[91:] *= rng.choice([0.25, 0.5], 42)
    return v * (rng.random() > 0.08)


def random_person(rng, id, image_id):
    size = rng.choice([20.0, 50.0, 80.0, 200.0])
    points = some_keypoints(rng, at=np.round(rng.random(2) * 300), size=size)
    points[:, 2] = random_visibility(rng)
    area = rng.choice([0.0, 32.0**2, 96.0**2, 0.5 * size**2, 0.6 * size**2, 2 * size**2])
    box = [*(points[:, :2].min(0) - 3).tolist(), size, float(rng.choice([0, size]))]
    record = annotated(points, image_id, id=id, area=float(area), bbox=box, iscrowd=int(rng.random() < 0.12))
    if rng.random() < 0.3:
        record["ignore"] = int(rng.integers(0, 2))  # the reference recomputes it
    if rng.random() < 0.1:
        del record["iscrowd"]
    return record


def random_people(rng, image_ids):
    people = []
    for image_id in image_ids:
        for _ in range(rng.choice([0, 1, 2, 4])):
            people.append(random_person(rng, len(people), image_id))  # the first id is 0
            if rng.random() < 0.25:  # the same person twice: ties in OKS
                people.append(
                    {**copy.deepcopy(people[-1]), "id": len(people), "iscrowd": int(rng.random() < 0.4)}
                )
    return [people[i] for i in rng.permutation(len(people))]


def random_guess(rng, record, boxes):
    points = np.concatenate([np.reshape(record[f], (-1, 3)) for f in KEYPOINT_FIELDS])
    spread = rng.choice([0.0, 0.01, 0.03, 0.08]) * math.sqrt(record["area"] + 1)
    points[:, :2] += rng.normal(size=(133, 2)) * spread
    points[:, 2] = rng.random(133)
    for part in PARTS.values():
        if rng.random() < 0.06:
            points[part, 2] = rng.choice([0.0, -0.5])  # this part is not evaluated
    guess = person(points, record["image_id"], score=float(rng.choice([0.0, 0.3, 0.5, 0.8, rng.random()])))
    if boxes:
        guess["bbox"] = [0.0, 0.0, float(rng.choice([0, 32, 60, 96, 150])), float(rng.choice([32, 60, 96]))]
    return guess


def random_results(rng, people, image_ids, boxes, part_scores):
    guesses = []
    for record in people:
        guesses += [random_guess(rng, record, boxes) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
    if people and rng.random() < 0.15:  # more than 20 in a picture
        guesses += [random_guess(rng, people[0], boxes) for _ in range(23)]
    for image_id in image_ids:
        if rng.random() < 0.4:  # somebody who is not there
            guesses.append(random_guess(rng, random_person(rng, 0, image_id), boxes))
    for guess in guesses if part_scores else []:
        for part in [p for p in PARTS if p != "body" and rng.random() < 0.5]:
            guess[f"{part}_score"] = float(rng.choice([0.2, 0.4, rng.random()]))
    return [guesses[i] for i in rng.permutation(len(guesses))]


def random_case(rng, boxes=None):
    """An annotation file and results with everything odd that either can hold."""
    image_ids = [int(i) for i in rng.choice(30, rng.integers(1, 7), replace=False)]
    people = random_people(rng, image_ids)
    if rng.random() < 0.1:
        for record in people:
            record["foot_kpts"][2::3] = [0] * 6  # nobody has this part
    boxes = bool(rng.random() < 0.3) if boxes is None else boxes
    results = random_results(rng, people, image_ids, boxes, part_scores=rng.random() < 0.4)
    return annotation_file(people, image_ids), results if rng.random() > 0.04 else []


@needs_reference
@pytest.mark.parametrize("block", range(8))
def test_all_statistics_equal_xtcocotools(block):
    """30 random cases a block, 60 statistics each, no tolerance."""
    rng = np.random.default_rng(1000 + block)
    for case in range(30):
        truth, results = random_case(rng)
        before = copy.deepcopy((truth, results))
        expected = reference_table(truth, results)
        assert (truth, results) == before, "the reference's inputs were changed"
        np.testing.assert_array_equal(per_part_table(truth, results), expected, err_msg=f"case {case}")
        assert (truth, results) == before, "the inputs were changed"


@needs_reference
def test_oks_of_every_pair_equals_xtcocotools_to_the_last_bit():
    coco, evaluator = import_xtcocotools()
    rng = np.random.default_rng(5)
    for _ in range(10):
        truth, results = random_case(rng, boxes=False)
        annotations, columns = load_annotations(truth), load_results(results)
        reference = coco("annotations", ann_data=copy.deepcopy(truth))
        predictions = reference.loadRes(copy.deepcopy(results))
        for part, points in PARTS.items():
            judge = evaluator(reference, predictions, f"keypoints_{part}", SIGMAS[points], use_area=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                judge.evaluate()
            expected = [judge.ious[i, 1] for i in sorted(im["id"] for im in truth["images"])]
            flat = np.concatenate([np.zeros(0), *[np.ravel(table) for table in expected]])
            np.testing.assert_array_equal(match(annotations, columns, part).pair_oks, flat)


@needs_reference
def test_reference_is_silent_and_takes_paths(tmp_path, capsys):
    import json

    truth, results = random_case(np.random.default_rng(2))
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = reference_table(tmp_path / "truth.json", str(tmp_path / "results.json"))
    assert capsys.readouterr() == ("", "")
    assert table.equals(per_part_table(truth, results))
    assert table.equals(per_part_table(tmp_path / "truth.json", tmp_path / "results.json"))
    with pytest.raises(InputError, match=r"cannot read Annotations columns. Give the path"):
        reference_table(load_annotations(truth), results)
