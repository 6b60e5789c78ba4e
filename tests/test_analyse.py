"""wbkit analyse, from files to files: every table and figure is there, and the page says what they say."""

import base64
import json
import re
import subprocess
import sys

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from planting import MINI, NOISE_MODELS, make_scene
from test_failures_table import noisy
from test_report import Fetched, fetched

from wbkit.annotations import load_annotations, load_results, results_to_json
from wbkit.cli import build_parser, main
from wbkit.errors import InputError
from wbkit.evaluate import per_part_table
from wbkit.failure_report.collect import COMPARED, MEANINGS, collect, one_slicing
from wbkit.failure_report.columns import COLUMNS, OWN, column_meaning
from wbkit.failure_report.command import _told_apart
from wbkit.failure_report.figures import Drawing, drawings
from wbkit.failure_report.page import Source, causes_beside_chance, cost_text, costliest, report_notebook
from wbkit.failure_report.pictures import find_pictures
from wbkit.failure_report.write import spelled_out, table_text, with_intervals, write_figures, write_tables
from wbkit.failures import (
    CLASSES,
    LABELLED_CAUSES,
    SLICINGS,
    analyse,
    cause_table,
    chance_rates,
    compare,
    keypoint_table,
    slice_table,
)
from wbkit.failures.repairs import TARGETS
from wbkit.nms import rescore_and_nms

ANNOTATIONS = MINI / "coco_wholebody_val_v1.0.json"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One run of the command on two noisy results of the embedded set, whose pictures lie beside it."""
    folder = tmp_path_factory.mktemp("analyse")
    for name, seed in (("old", 0), ("new", 1)):
        (folder / f"{name}.json").write_text(json.dumps(results_to_json(noisy(seed)[1])))
    command = [sys.executable, "-m", "wbkit.cli", "analyse", "--annotations", str(ANNOTATIONS)]
    command += ["--results", "old.json", "--results-b", "new.json", "--intervals", "3", "--out", "out"]
    command += ["--keypoints-csv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, done.stdout


def table(written, name):
    return pd.read_parquet(written[0] / "out" / "tables" / f"{name}.parquet")


def test_every_table_is_there_twice_and_explained(written):
    folder = written[0] / "out" / "tables"
    for name in MEANINGS:
        parquet, csv = pd.read_parquet(folder / f"{name}.parquet"), pd.read_csv(folder / f"{name}.csv")
        assert len(parquet) == len(csv)
        assert set(parquet.columns) <= set(csv.columns)
    readme = (folder / "README.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in readme] == [*MEANINGS, "columns"]
    assert not list(folder.glob(".*"))  # no temporary file is left


def test_numbers_of_rows_are_no_column_of_a_csv_file(written):
    for path in (written[0] / "out" / "tables").glob("*.csv"):
        assert not any(name.startswith("Unnamed") for name in pd.read_csv(path)), path.name


def test_page_and_summary_say_what_is_compared(written):
    page = (written[0] / "out" / "report.html").read_text()
    for words in ("Failure analysis of old.json and new.json", "Compared with new.json"):
        assert words in page
    assert re.search(r"a is <code>old\.json</code>, b is <code>new\.json</code>", page)
    assert "a: old, b: new" in written[1]


def test_tables_are_those_of_the_library(written):
    truth = load_annotations(ANNOTATIONS)
    results = load_results(written[0] / "old.json")
    expected = keypoint_table(truth, results)
    found = table(written, "keypoints")
    pd.testing.assert_frame_equal(found, expected, check_categorical=False, check_dtype=False)
    pd.testing.assert_frame_equal(table(written, "parts"), per_part_table(truth, results))
    sizes = one_slicing(table(written, "slices"), "size").drop(columns="by")
    direct = slice_table(expected, "size", resamples=3)
    pd.testing.assert_frame_equal(
        sizes.astype({"bin": str, "part": str}).reset_index(drop=True),
        direct.astype({"bin": str, "part": str}),
        check_dtype=False,
    )
    assert set(table(written, "slices")["by"]) == set(SLICINGS)


def test_classes_add_up_and_repairs_reach_one(written):
    points = table(written, "keypoints")
    labelled = points[points["v"] > 0]
    assert labelled["cause"].isin(LABELLED_CAUSES).all()
    causes = table(written, "causes")
    np.testing.assert_allclose(causes[list(LABELLED_CAUSES)].sum(axis=1), 1)
    assert causes["labelled"].sum() == len(labelled)
    assert table(written, "comparison_changes")["count"].sum() == len(labelled)
    last = table(written, "costs").groupby("part", observed=True)["AP_cumulative"].last()
    np.testing.assert_allclose(last, 1)


def test_figures_are_whole_pictures(written):
    folder = written[0] / "out" / "figures"
    names = {path.stem for path in folder.glob("*.png")}
    assert names == {path.stem for path in folder.glob("*.pdf")}
    assert {"causes", "costs", "waterfall_wholebody", "body_map_error_person", "comparison_parts"} <= names
    assert {"comparison_fixed_broken", "comparison_changes", "confusions_body", "confusions_hand"} <= names
    assert {f"slices_{by}" for by in ("visibility", "score", "overlap")} <= names
    for name in names:
        picture = cv2.imread(str(folder / f"{name}.png"))
        assert picture is not None
        assert picture.std() > 5  # something is drawn
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_is_whole_and_offline(written):
    page = (written[0] / "out" / "report.html").read_text(encoding="utf-8")
    assert fetched(page) == []
    parser = Fetched()
    parser.feed(page)
    assert parser.scripts == 0
    figures = {path.stem for path in (written[0] / "out" / "figures").glob("*.png")}
    pictures = re.findall(r'<img alt="([^"]*)"', page)
    assert len(pictures) == len(figures) + 12 + 2  # figures, the gallery, the examples of classes
    assert all(len(alt) > 15 for alt in pictures)
    for error_class in CLASSES.values():
        assert error_class.definition.replace("'", "&#x27;") in page or error_class.definition in page
    assert "<math" in page
    assert "without it AP would be" in page
    assert "Two departures from their program" in page
    points = table(written, "comparison_keypoints")
    each, together = (((points[f"low{e}"] > 0) | (points[f"high{e}"] < 0)).sum() for e in ("", "_all"))
    assert f"of 133, about 7 would leave out 0 by chance, and {each} do" in page
    assert f"built to hold for all 133 together with 95 % confidence; {together} leave out 0" in page
    assert "Intervals (95 %) come from 3 bootstrap resamples" in page
    assert "differences come from 100 bootstrap resamples of the pictures. Both" in page
    assert "AP also depends on how many people a slice holds" in page
    text = re.sub(r"<code[^>]*>.*?</code>", "", re.sub(r"base64,[^\"]*", "", page), flags=re.DOTALL)
    assert "left hand" in text
    assert not re.findall(r"lefthand|righthand", text)
    worst = table(written, "worst_persons").iloc[0]
    assert f"person {worst['person_id']}, picture {worst['image_id']}: mean ks {worst['value']:.2f}" in page


def test_the_summary_says_ap_causes_costs_and_the_difference(written):
    parts = table(written, "parts")
    line = next(line for line in written[1].splitlines() if line.startswith("body"))
    assert f"{parts.loc['body', 'AP']:.3f}" in line
    costs = table(written, "costs")
    body = costs[(costs["part"] == "body") & (costs["repair"] != "none")].sort_values("AP_cost").iloc[-1]
    assert f"{body['repair']} {body['AP_cost']:.3f}" in written[1]
    assert "AP b − a" in written[1]
    assert "report.html" in written[1]


def test_rescoring_changes_the_results_first(tmp_path, capsys):
    scene = make_scene(1, count=6)
    for person in range(6):
        NOISE_MODELS["jitter"](scene, person)
    records = results_to_json(scene.results())
    for record in records:
        xy = np.reshape(record["keypoints"], (17, 3))[:, :2]
        low, size = xy.min(0), np.ptp(xy, axis=0)
        record |= {"bbox": [*low.tolist(), *size.tolist()], "bbox_score": 0.5}
    worse = [record | {"bbox_score": 0.4} for record in records[:2]]
    (tmp_path / "r.json").write_text(json.dumps(worse + records))  # two people twice
    truth = scene.annotations
    content = {"images": [], "annotations": []}
    for i, name, size in zip(truth.image_ids, truth.file_names, truth.image_sizes_wh, strict=True):
        content["images"].append(
            {"id": int(i), "file_name": str(name), "width": int(size[0]), "height": int(size[1])}
        )
    fields = {"keypoints": (0, 17), "foot_kpts": (17, 23), "face_kpts": (23, 91)}
    fields |= {"lefthand_kpts": (91, 112), "righthand_kpts": (112, 133)}
    for i in range(6):
        record = {"id": i + 1, "image_id": int(truth.person_image_ids[i]), "category_id": 1, "iscrowd": 0}
        record |= {"area": float(truth.areas[i]), "bbox": truth.boxes_xywh[i].tolist()}
        record |= {k: truth.keypoints[i, a:b].ravel().tolist() for k, (a, b) in fields.items()}
        content["annotations"].append(record)
    (tmp_path / "a.json").write_text(json.dumps(content))
    arguments = ["analyse", "--annotations", str(tmp_path / "a.json"), "--results", str(tmp_path / "r.json")]
    assert main([*arguments, "--rescore", "--tables-only", "--out", str(tmp_path / "rescored")]) == 0
    assert [path.name for path in (tmp_path / "rescored").iterdir()] == ["tables"]
    for name in ("detections", "persons"):  # numbered as in the file
        found = pd.read_parquet(tmp_path / "rescored" / "tables" / f"{name}.parquet").reset_index()
        assert sorted(found["detection"]) == [2, 3, 4, 5, 6, 7]
    with_numbers = pd.read_parquet(tmp_path / "rescored" / "tables" / "keypoints.parquet")
    for place, rows in with_numbers.groupby("detection"):
        np.testing.assert_allclose(rows["x_pred"].iloc[:17], records[place - 2]["keypoints"][::3], rtol=1e-5)
    expected = per_part_table(str(tmp_path / "a.json"), rescore_and_nms(load_results(tmp_path / "r.json")))
    found = pd.read_parquet(tmp_path / "rescored" / "tables" / "parts.parquet")
    pd.testing.assert_frame_equal(found, expected)
    told = capsys.readouterr().out
    assert "tables/" in told
    assert "report.html" not in told
    assert "--rescore does first" not in told
    other = json.loads((tmp_path / "r.json").read_text())
    (tmp_path / "ours.json").write_text(json.dumps(other))
    both = [*arguments, "--results-b", str(tmp_path / "ours.json"), "--out", str(tmp_path / "both")]
    assert main([*both, "--rescore", "b"]) == 0
    told = capsys.readouterr().out
    assert "note: r.json: results with box scores, taken as they are" in told
    assert "--images DIR" in told
    page = (tmp_path / "both" / "report.html").read_text(encoding="utf-8")
    assert page.count("rescored and suppressed") == 1
    compared = pd.read_parquet(tmp_path / "both" / "tables" / "comparison_parts.parquet")
    np.testing.assert_allclose(compared["AP_b"], expected["AP"], atol=1e-12)
    assert len(pd.read_parquet(tmp_path / "both" / "tables" / "detections.parquet")) == 8
    assert "6 of 6 pictures were not found" in page
    assert main([*arguments, "--tables-only", "--out", str(tmp_path / "both")]) == 2  # beside the old page
    assert "is of an earlier run" in capsys.readouterr().err
    assert main([*arguments, "--rescore", "b", "--out", str(tmp_path / "both")]) == 2
    assert "--rescore b without second results" in capsys.readouterr().err


def test_what_an_earlier_run_left_goes_but_not_files_of_ones_own(tmp_path):
    truth, results = noisy()
    both = collect(analyse(truth, results), analyse(truth, noisy(1)[1]))
    alone = collect(analyse(truth, results))
    comparison = [drawing for drawing in drawings(both) if drawing.name.startswith("comparison_parts")]
    write_tables(both, tmp_path / "tables")
    write_figures(comparison, tmp_path / "figures")
    names = {path.name for path in tmp_path.glob("*/comparison*")}
    assert {"comparison_parts.png", "comparison_parts.pdf", "comparison_parts.csv"} <= names
    (tmp_path / "figures" / "comparison_mine.png").write_bytes(b"mine")
    write_tables(alone, tmp_path / "tables")
    write_figures([], tmp_path / "figures")
    assert [path.name for path in tmp_path.glob("*/comparison*")] == ["comparison_mine.png"]


def test_files_of_a_figure_are_whole_and_alike(tmp_path):
    """What sticks out of the figure is in the file: the layout is made once, and cut with all of it."""
    figure, ax = plt.subplots(figsize=(3, 2), layout="constrained")
    figure.text(1.2, 0.5, "far out", color="red")
    content = write_figures([Drawing("far", "", "", lambda: ax)], tmp_path)["far"]
    picture = cv2.imread(str(tmp_path / "far.png"))
    assert base64.b64decode(content) == (tmp_path / "far.png").read_bytes()
    assert picture.shape[1] > 1.2 * 3 * 140
    red = (picture[..., 2] > 200) & (picture[..., 0] < 60)
    assert red[:, round(1.2 * 3 * 140) :].any()
    paper = re.search(rb"MediaBox \[ 0 0 ([\d.]+) ([\d.]+)", (tmp_path / "far.pdf").read_bytes())
    width, height = map(float, paper.groups())  # points, 72 to the inch
    np.testing.assert_allclose(picture.shape[:2], np.array([height, width]) / 72 * 140, atol=1.5)


def test_bad_input_is_told_before_long_work(tmp_path, capsys):
    (tmp_path / "none.json").write_text(
        json.dumps({"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": []})
    )
    (tmp_path / "r.json").write_text("[]")
    arguments = ["analyse", "--results", str(tmp_path / "r.json"), "--annotations"]
    assert main([*arguments, str(tmp_path / "none.json")]) == 2
    assert "nobody with labelled keypoints" in capsys.readouterr().err
    assert main([*arguments, str(ANNOTATIONS), "--images", str(tmp_path)]) == 2
    assert "has none of the pictures" in capsys.readouterr().err
    assert main([*arguments, str(ANNOTATIONS), "--intervals", "-1", "--out", str(tmp_path / "x")]) == 2
    assert "-1 resamples" in capsys.readouterr().err


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["analyse", "--help"])
    text = capsys.readouterr().out
    for word in ("examples:", "--results-b", "report.html", "keypoints.parquet", "--intervals"):
        assert word in text


def test_results_without_any_detection_still_give_a_report(tmp_path):
    (tmp_path / "r.json").write_text("[]")
    arguments = ["analyse", "--annotations", str(ANNOTATIONS), "--results", str(tmp_path / "r.json")]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    causes = pd.read_parquet(tmp_path / "out" / "tables" / "causes.parquet")
    assert (causes["person_missed"] == 1).all()
    costs = pd.read_parquet(tmp_path / "out" / "tables" / "costs.parquet").set_index("repair")
    assert (costs.loc["person_missed", ["AP", "AP_cost", "AP_cumulative"]] == 1).all(axis=None)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    persons = len(analyse(ANNOTATIONS, str(tmp_path / "r.json")).pairs.persons)
    assert f"Nothing was found: none of the {persons} labelled persons has a detection" in page
    assert "Nobody has labels" not in page


def test_captions_say_what_a_repair_does():
    analysis = analyse(*noisy())
    captions = {}
    parser = build_parser()
    for target in TARGETS:
        parser.parse_args(["analyse", "--annotations", "a", "--results", "r", "--target", target])
        findings = collect(analysis, target=target)
        assert (findings.tables["costs"]["target"] == target).all()
        last = findings.tables["costs"].groupby("part", observed=True)["AP_cumulative"].last()
        assert (last.round(9) == 1).all() == (target == "truth")  # margin leaves something
        drawn = [d for d in drawings(findings) if d.name.startswith(("costs", "waterfall"))]
        captions[target] = [d.caption for d in drawn]
    assert len(captions["truth"]) == 8
    assert all("onto their labels" in c or "on their labels" in c for c in captions["truth"])
    assert all("as near as the next class" in c and "label" not in c for c in captions["margin"])
    assert not any("AP to 1" in c for c in captions["margin"])
    options = ["analyse", "--annotations", "a.json", "--results", "r.json"]
    assert build_parser().parse_args(options).target == "truth"
    assert build_parser().parse_args([*options, "--target", "margin"]).target == "margin"


def test_pictures_are_found_though_some_are_missing(tmp_path):
    truth = load_annotations(ANNOTATIONS)
    names = [str(name) for name in truth.file_names]
    source = MINI.parent / "val2017"
    beside = tmp_path / "val2017"
    beside.mkdir()
    for name in names[1:4]:  # not the first
        (beside / name).write_bytes((source / name).read_bytes())
    found = find_pictures(truth, tmp_path / "a.json", None)  # beside the file itself
    assert found.read(int(truth.image_ids[1])) is not None
    assert found.read(int(truth.image_ids[0])) is None
    assert found.missing == {str(beside / names[0])}
    above = find_pictures(truth, tmp_path / "annotations" / "a.json", None)  # COCO's own layout
    assert above.files == found.files
    assert find_pictures(truth, tmp_path / "far" / "off" / "a.json", None) is None
    given = find_pictures(truth, ANNOTATIONS, beside)
    assert given.files == found.files
    with pytest.raises(InputError, match="is no folder"):
        find_pictures(truth, ANNOTATIONS, tmp_path / "none")
    with pytest.raises(InputError, match="has none of the pictures"):
        find_pictures(truth, ANNOTATIONS, tmp_path)


def test_intervals_in_one_column():
    row = pd.DataFrame({"AP": [0.5], "AP_low": [0.4], "AP_high": [0.6], "n": [3]})
    shown = with_intervals(row)
    assert shown.to_dict("list") == {"AP": ["0.500 (0.400 to 0.600)"], "n": [3]}


def test_files_are_told_apart_by_as_little_as_it_takes(tmp_path):
    for a, b, short in (
        ("x/a.json", "y/b.json", ("a.json", "b.json")),
        ("x/a.json", "y/a.json", ("x/a.json", "y/a.json")),
        ("x/val/a.json", "y/val/a.json", ("x/val/a.json", "y/val/a.json")),
        ("a.json", "a.json", ("a.json", "a.json")),
    ):
        assert _told_apart(tmp_path / a, tmp_path / b) == short
    assert _told_apart(tmp_path / "a.json", None) == ("a.json", None)


def test_an_interval_that_is_not_known_is_not_shown():
    row = pd.DataFrame({"AP": [0.5], "AP_low": [np.nan], "AP_high": [np.nan]})
    assert with_intervals(row).to_dict("list") == {"AP": ["0.500"]}
    costs = pd.DataFrame({"AP_cost": [0.5], "AP_cost_low": [np.nan], "AP_cost_high": [np.nan]})
    assert cost_text(next(costs.itertuples())) == "0.500"


def test_how_many_resamples_are_behind_a_comparison():
    """Without --intervals a comparison has 100 all the same, and the page says so."""
    truth, results = noisy()
    analysis = analyse(truth, results)
    findings = collect(analysis, analyse(truth, noisy(1)[1]))
    assert (findings.resamples, findings.compared) == (0, COMPARED)
    page = report_notebook(findings, [], {}, Source("a.json", "r.json", "b.json"))
    text = "\n".join(cell["source"] for cell in page.cells)
    assert f"from {COMPARED} bootstrap resamples of the pictures, though none were asked for" in text
    assert "Intervals (95 %) come" not in text
    direct = compare(analysis, findings.other, resamples=COMPARED)
    pd.testing.assert_frame_equal(findings.tables["comparison_keypoints"], direct.keypoints)


def test_causes_stand_beside_chance():
    analysis = analyse(*noisy())
    findings = collect(analysis)
    shown = causes_beside_chance(findings)
    causes, chance = cause_table(findings.keypoints), chance_rates(analysis)
    assert shown.columns.tolist() == ["body", "foot", "face", "lefthand", "righthand"]  # fits any page
    assert shown.index.tolist() == list(LABELLED_CAUSES)
    assert shown.loc["good", "face"] == f"{100 * causes.loc['face', 'good']:.1f}"
    found, by_chance = 100 * causes.loc["body", "inversion"], 100 * chance.loc["body", "inversion"]
    assert shown.loc["inversion", "body"] == f"{found:.1f} ({by_chance:.1f})"
    assert "(" not in shown.loc["hand_swap", "body"]


def test_every_column_is_explained_in_the_files_and_on_the_page(written):
    """In the order of the tables and their columns, with the type that the file has."""
    folder = written[0] / "out" / "tables"
    columns = pd.read_csv(folder / "columns.csv")
    assert columns["meaning"].str.len().min() > 1
    assert set(columns["table"]) == {path.stem for path in folder.glob("*.parquet")}
    for name, rows in columns.groupby("table"):
        assert rows["column"].tolist() == pd.read_csv(folder / f"{name}.csv", nrows=1).columns.tolist()
        kept = table(written, name)
        kept = kept.reset_index() if kept.index.name else kept
        assert rows["type"].tolist() == [str(kept[column].dtype) for column in rows["column"]]
    page = (written[0] / "out" / "report.html").read_text()
    for name in columns["table"].unique():
        assert f"<summary><code>{name}</code></summary>" in page
    assert "the person's number in the annotation file's list, from 0; its id is person_id" in page


def test_no_meaning_is_of_a_column_that_no_table_has(written):
    columns = pd.read_csv(written[0] / "out" / "tables" / "columns.csv")
    there = columns.groupby("table")["column"].agg(set)
    for name, own in OWN.items():
        bare = {re.sub("_(a|b|low|high|difference)$", "", column) for column in there[name]}
        assert set(own) <= there[name] | bare
    everywhere = {re.sub("_(a|b|low|high|difference)$", "", c) for c in columns["column"]} | set(
        columns["column"]
    )
    assert set(COLUMNS) <= everywhere


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("intervals", "AP50_low", "lower end of the 95 % interval of AP50"),
        ("comparison_parts", "AR_high", "upper end of the 95 % interval of the difference in AR"),
        ("comparison_parts", "AP_difference", "AP of b minus that of a"),
        ("comparison_rows", "cause_b", "the class of the error, see the classes, of b"),
        ("slices", "low", "lower edge of the slice or bin"),
        (
            "comparison_keypoints",
            "low",
            "lower end of the difference's 95 % interval, of this keypoint by itself",
        ),
    ],
)
def test_columns_that_belong_to_another_are_explained_by_it(name, column, said):
    assert column_meaning(name, column) == said


@pytest.mark.parametrize("column", ["hope", "hope_low", "hope_a", "hope_difference"])
def test_a_column_that_nobody_explained_is_an_error(column):
    with pytest.raises(KeyError):
        column_meaning("parts", column)


def test_readers_see_parts_and_causes_in_words():
    rows = pd.DataFrame({"part": pd.Categorical(["lefthand"]), "keypoint": ["left_hand_root"], "n": [1.5]})
    rows = rows.assign(cause="contour_slide").set_axis(["righthand"])
    shown = spelled_out(rows)
    assert shown.loc["right hand"].tolist() == ["left hand", "left_hand_root", 1.5, "contour slide"]
    assert rows.index.tolist() == ["righthand"]  # a copy
    assert "left hand" in table_text(rows)


def test_the_costliest_cause_by_hand():
    findings = collect(analyse(*noisy()))
    rows = costliest(findings, "foot")
    costs = findings.tables["costs"]
    foot = costs[(costs["part"] == "foot") & (costs["repair"] != "none")]
    assert rows["AP_cost"].iloc[0] == foot["AP_cost"].max() > 0
    assert rows["AP_cost"].is_monotonic_decreasing
    assert cost_text(next(rows.itertuples())) == f"{foot['AP_cost'].max():.3f}"
    row = pd.DataFrame({"AP_cost": [0.2], "AP_cost_low": [0.1], "AP_cost_high": [0.25]})
    assert cost_text(next(row.itertuples())) == "0.200 (0.100 to 0.250)"
