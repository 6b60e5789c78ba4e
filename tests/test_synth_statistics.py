"""tools/synth_statistics.py: a table counted by hand, and the embedded set's README against its files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MINI = ROOT / "data" / "wholebody-mini"


def run(*paths: Path) -> list[str]:
    command = [sys.executable, str(ROOT / "tools" / "synth_statistics.py"), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_counted_by_hand(tiny_coco):
    file = tiny_coco / "annotations" / "coco_wholebody_val_v1.0.json"
    content = json.loads(file.read_text())
    first = content["annotations"][0]
    first["keypoints"][2::3] = [0] * 10 + [1] * 4 + [2] * 3  # the others: all 17 visible
    first["face_valid"] = False
    content["annotations"][1]["iscrowd"] = 1
    file.write_text(json.dumps(content))
    rows = dict(line.strip("| ").split(" | ") for line in run(tiny_coco)[2:])
    assert rows["pictures"] == "3"
    assert rows["people (a picture; most)"] == "4 (1.3; 2)"
    assert rows["crowds"] == "1"
    assert rows["valid: foot, face, lefthand, righthand"] == "1.00 0.75 1.00 1.00"
    labelled, visible = (7 + 3 * 17) / (4 * 17), (3 + 3 * 17) / (7 + 3 * 17)
    assert rows["body points labelled; visible of these"] == f"{labelled:.2f}; {visible:.2f}"
    sizes = sorted((w * h) ** 0.5 for w, h in [(50, 100), (60, 110), (40, 90), (64, 104)])
    middle = rows["size of a body, px: 10, 50, 90 %"].split(", ")[1]
    assert float(middle) == pytest.approx((sizes[1] + sizes[2]) / 2, abs=0.5)


def test_the_embedded_sets_readme_tells_its_numbers():
    readme = (MINI / "README.md").read_text()
    for line in run(MINI)[2:]:
        assert line.rstrip(" |") in readme
