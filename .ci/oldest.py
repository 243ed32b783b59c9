"""Print the oldest versions that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = [line for lines in project["optional-dependencies"].values() for line in lines]
bounds = {}
for line in [*project["dependencies"], *extras]:
    if match := re.fullmatch(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", line):
        bounds[match[1]] = match[2]
for name, version in sorted(bounds.items()):
    print(f"{name}=={version}")
print("numcodecs<0.14")  # zarr 2.18 needs an old one and does not say so
