"""Build what is published, and check it: `python .ci/release.py FOLDER` writes a wheel and an sdist into it.

The wheel is built twice, from the checkout and from the sdist, and must be the same to the byte.
"""

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("SOURCE_DATE_EPOCH", "1577836800")  # times of files in archives: 2020-01-01


def build(folder: Path, *options: str) -> None:
    """Build what the options say with the libraries of this environment."""
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", folder, ROOT]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def tracked() -> set[str]:
    """The files of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return set(listed.strip("\0").split("\0"))


def installed(files: set[str]) -> set[str]:
    """Where a wheel has what it needs of the repository: the package and the scripts of derivations."""
    package = {file for file in files if file.startswith("landau_vae/")}
    return package | {f"landau_vae/{file}" for file in files if re.fullmatch(r"derivations/\d\d_\w+\.py", file)}


def same(name: str, found: set[str], expected: set[str]) -> None:
    """Stop with the difference, if there is one."""
    if found != expected:
        sys.exit(f"{name}: superfluous {sorted(found - expected)}, missing {sorted(expected - found)}")
    print(f"{name}: {len(found)} files")


def main(folder: Path) -> None:
    """Build, compare with the repository, and read the metadata back."""
    build(folder)  # the sdist, and the wheel from it
    build(folder / "direct", "--wheel")
    (wheel,), (sdist,), (direct,) = folder.glob("*.whl"), folder.glob("*.tar.gz"), (folder / "direct").glob("*.whl")
    if wheel.read_bytes() != direct.read_bytes():
        sys.exit("The wheel that the sdist gives is not the one that the checkout gives.")
    files = tracked()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    same(wheel.name, {name for name in names if ".dist-info/" not in name}, installed(files))
    with tarfile.open(sdist) as archive:
        same(sdist.name, {name.partition("/")[2] for name in archive.getnames()}, files | {"PKG-INFO"})
    for link in re.findall(r"\]\(([^)]*)\)", email.message_from_string(text).get_payload()):
        if not link.startswith("https://"):
            sys.exit(f"The description leads to {link}, which is nowhere outside the repository.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
