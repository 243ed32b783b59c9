"""What CONTRIBUTING.md says is there is there; the workflow and the script run the same checks."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SCRIPT = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_files_and_folders_exist():
    named = set(re.findall(r"`((?:landau_vae|tests|derivations|\.ci)/[\w./]+)`", TEXT)) - {"derivations/NN_name.py"}
    assert len(named) > 30
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_map_has_a_file_for_each_feature():
    rows = re.findall(r"^\| ([^|]+) \| `([^`]+)` \|$", TEXT.partition("## The map")[2], flags=re.MULTILINE)
    assert len(rows) >= 50
    files = [file for _, file in rows]
    assert len(set(files)) == len(rows)
    assert all((ROOT / file).is_file() for file in files), [file for file in files if not (ROOT / file).is_file()]


def test_every_room_has_its_layer():
    layers = TEXT.partition("## The layers")[2].partition("\n## ")[0]
    for path in (ROOT / "landau_vae").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"`{path.name}/`" in layers, path.name
        elif path.suffix == ".py" and path.stem != "__init__":
            assert f"`{path.stem}`" in layers, path.stem


def test_the_workflow_runs_checks_of_the_script():
    checks = set(re.findall(r"^(?!make)(\w+)\(\) \{", SCRIPT, flags=re.MULTILINE)) - {"command_of", "environment"}
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    called = " ".join(re.findall(r"run: \.ci/run (.*)", workflow)).replace("${{ matrix.check }}", "oldest bare").split()
    assert set(called) == checks
    assert all(f"#   {check} " in SCRIPT for check in checks)


def test_the_oldest_libraries_are_those_of_the_project():
    printed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "oldest.py"], capture_output=True, text=True, check=True
    ).stdout.split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in project["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", line).groups()
        assert f"{name}=={bound}" in printed


def test_slow_tests_that_are_listed_exist():
    """A test that has another name would be run with the fast ones again, unseen."""
    listed = (ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").splitlines()
    assert listed == sorted(set(listed))
    assert [test for test in listed if "[" in test and test.partition("[")[0] in listed] == []
    for test in listed:
        path, _, name = test.partition("[")[0].partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"\b{name.rpartition('.')[2]}\b", text), test
