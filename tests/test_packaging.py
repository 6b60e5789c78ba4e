"""What is installed where: pyproject, constraints, conda, Makefile, CI and README agree."""

import re
import shutil
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from wbkit import __version__
from wbkit.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
INSTALLED_EXTRAS = {"notebooks", "test"}  # what the Makefile, conda and CI install
SEED_PAPERS = {  # DOI or title, and first author
    "HRNet": ("Deep High-Resolution Representation Learning for Human Pose Estimation", "Sun"),
    "DARK": ("Distribution-Aware Coordinate Representation for Human Pose Estimation", "Zhang"),
    "COCO-WholeBody": ("Whole-Body Human Pose Estimation in the Wild", "Jin"),
}


def text(name: str) -> str:
    path = ROOT / name
    assert path.is_file(), f"{name} is missing"
    return path.read_text()


def pins() -> dict[str, Version]:
    """constraints.txt: package -> version."""
    lines = [line.split("#")[0].strip() for line in text("constraints.txt").splitlines()]
    requirements = [Requirement(line) for line in lines if line]
    found = {}
    for requirement in requirements:
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{requirement} is no pin"
        found[canonicalize_name(requirement.name)] = Version(specifier.version)
    assert len(found) == len(requirements), "a package is pinned twice"
    return found


def direct() -> list[Requirement]:
    """What pyproject.toml asks for, with the extras that are installed everywhere."""
    lines = [
        *PROJECT["dependencies"],
        *(line for extra in sorted(INSTALLED_EXTRAS) for line in EXTRAS[extra]),
    ]
    return [Requirement(line) for line in lines]


def extras_of(requirement: str) -> set[str]:
    """`-e .[notebooks,test]` or `'.[notebooks,test]'` -> its extras."""
    match = re.search(r"\.\[([\w,\s-]+)\]", requirement)
    assert match, f"no .[extras] in {requirement!r}"
    return {extra.strip() for extra in match[1].split(",")}


# --- versions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("requirement", direct(), ids=lambda r: r.name)
def test_every_direct_dependency_is_pinned_within_its_range(requirement):
    pinned = pins()
    name = canonicalize_name(requirement.name)
    assert name in pinned, f"constraints.txt does not pin {name}"
    assert requirement.specifier.contains(pinned[name], prereleases=True), f"{pinned[name]} is out of range"


def test_optional_detector_accepts_some_pin_or_none():
    for requirement in map(Requirement, EXTRAS["detector"]):
        pinned = pins().get(canonicalize_name(requirement.name))
        assert pinned is None or requirement.specifier.contains(pinned)


def test_the_install_facts():
    ranges = {canonicalize_name(r.name): r for r in direct()}
    assert not ranges["opencv-python"].specifier.contains("5.0.0")  # rejects 133-channel arrays
    assert not ranges["matplotlib"].specifier.contains("3.13.0")  # breaks seaborn 0.13.2
    assert not ranges["numpy"].specifier.contains("1.26.4")
    reference = ranges["xtcocotools"]
    assert reference.marker.evaluate({"python_version": "3.11"})
    assert not reference.marker.evaluate({"python_version": "3.12"})


def test_the_version_is_stated_once_and_the_same():
    assert PROJECT["version"] == __version__
    assert Version(__version__)


def test_python_versions_agree():
    assert PROJECT["requires-python"] == ">=3.11"
    assert "(3, 11)" in text("Makefile")


# --- every way to install ----------------------------------------------------------------------------


def makefile_install() -> str:
    lines = [line for line in text("Makefile").splitlines() if "pip install" in line]
    assert len(lines) == 1
    return lines[0]


def test_makefile_installs_with_the_pins():
    line = makefile_install()
    assert re.search(r"(-c|--constraint)[ =]constraints\.txt", line)
    assert re.search(r"(-e|--editable)\b", line)
    assert extras_of(line) == INSTALLED_EXTRAS


def test_makefile_targets():
    names = re.findall(r"^([a-z]+):", text("Makefile"), re.M)
    assert {"demo", "test", "lab", "check", "bench"} <= set(names)
    for name in ("demo", "test", "lab", "check", "bench"):
        rule = re.search(rf"^{name}:(.*)$", text("Makefile"), re.M)[1]
        assert "$(STAMP)" in rule, f"make {name} does not prepare .venv"


def test_conda_installs_the_same():
    environment = yaml.safe_load(text("environment.yml"))
    assert environment["name"] == "wbkit"
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert "python=3.11" in conda
    assert "pip" in [re.split("[=<>]", name)[0] for name in conda]
    # Nothing else comes from conda: every version is the one that pip installs from constraints.txt.
    assert {re.split("[=<>]", name)[0] for name in conda} == {"python", "pip"}
    options = [re.sub(r"^(-c|--constraint)[ =]+", "-c ", entry.strip()) for entry in pip]
    assert "-c constraints.txt" in options
    rest = [entry for entry in options if entry != "-c constraints.txt"]
    assert len(rest) == 1
    assert re.match(r"(-e|--editable)[ =]", rest[0])
    assert extras_of(rest[0]) == extras_of(makefile_install())


def test_ci_calls_make_test():
    script = text(".ci/run")
    assert script.startswith("#!")
    assert re.search(r"^\s*(exec )?make\b.*\btest\b", script, re.M)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100, ".ci/run cannot be executed"


# --- what people read --------------------------------------------------------------------------------


def test_readme_names_the_two_commands():
    readme = text("README.md")
    assert "make demo" in readme
    assert "make test" in readme


def test_the_readme_s_python_draws_a_photo(tmp_path, monkeypatch):
    """The first block as it stands, on a picture of the embedded set."""
    block = re.search(r"```python\n(.*?load_predictor.*?)```", text("README.md"), re.S)[1]
    photo = min((ROOT / "data" / "wholebody-mini" / "val2017").iterdir())
    shutil.copy(photo, tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block, names)
    assert names["keypoints"].shape[1:] == (133, 2)
    drawn, plain = (cv2.imread(name) for name in ("photo.pose.jpg", "photo.jpg"))
    assert drawn.shape == plain.shape
    assert np.abs(drawn.astype(int) - plain).max() > 60


def test_commands_in_the_readme_exist():
    parser = build_parser()
    known = next(a for a in parser._actions if a.dest == "command").choices
    for command in re.findall(r"^\s*(?:\$ )?wbkit ([a-z]+)", text("README.md"), re.M):
        assert command in known, f"wbkit {command}"
    for target in re.findall(r"\bmake ([a-z]+)\b(?=[`\s]*(?:#|$|`))", text("README.md"), re.M):
        assert re.search(rf"^{target}:", text("Makefile"), re.M), f"make {target}"


def test_citation_names_the_seed_papers():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["cff-version"]
    assert citation["title"]
    assert citation["message"]
    assert citation["authors"]
    references = citation["references"]
    for paper, (title, author) in SEED_PAPERS.items():
        squeezed = re.sub(r"\W+", " ", title).lower()
        (entry,) = [r for r in references if squeezed == re.sub(r"\W+", " ", r["title"]).strip().lower()] or [
            None
        ]
        assert entry, f"{paper} is not among the references"
        assert entry["authors"][0]["family-names"] == author
        assert entry.get("year") in (2019, 2020)


def test_licence_is_mit():
    assert PROJECT["license"] == "MIT"
    licence = text("LICENSE")
    assert "Permission is hereby granted, free of charge" in licence
    assert "WITHOUT WARRANTY OF ANY KIND" in licence


def test_what_git_leaves_out():
    ignored = {line.strip().strip("/") for line in text(".gitignore").splitlines()}
    assert {"data/coco", "outputs", ".venv"} <= ignored
    assert "data" not in ignored  # the embedded data set is part of the repository


def test_console_script():
    assert PROJECT["scripts"] == {"wbkit": "wbkit.cli:main"}


def test_binder_installs_the_notebooks_with_the_pins():
    lines = [line for line in text(".binder/requirements.txt").splitlines() if not line.startswith("#")]
    assert "--constraint ../constraints.txt" in lines  # relative to that file
    assert any("download.pytorch.org/whl/cpu" in line for line in lines)
    (install,) = [line for line in lines if line.startswith("--editable")]
    assert extras_of(install) <= INSTALLED_EXTRAS  # relative to the checkout
    assert text(".binder/runtime.txt").strip() == "python-3.11"
