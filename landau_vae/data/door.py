"""The way to every file: what a path leads to is asked for before anything is opened.

A pipe or a socket would be waited for, a device may be read without end, and a name may be too
long for the file system. Each is refused in a sentence.
"""

import os
import re
import stat
from pathlib import Path
from typing import Any

from landau_vae.errors import InputError

NOUNS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip
LONGEST = 120  # letters of a path that a message shows


def to_read(path: str | Path, advice: str = "", *, folder: bool = False) -> Path:
    """Return a path that leads to a file (or to a folder, if `folder`); raise `InputError` for any other.

    `advice` says what to do where there is no such file. A leading ~ is the home folder, unless
    there is a file of that name.

    >>> to_read("nowhere.csv", "name a file that there is")
    Traceback (most recent call last):
        ...
    landau_vae.errors.InputError: There is no file nowhere.csv: name a file that there is.
    """
    if (words := trouble(path := expanded(path), advice, folder=folder)) is not None:
        raise InputError(words, "path")
    return path


def trouble(path: str | Path, advice: str = "", *, folder: bool = False) -> str | None:
    """Return a sentence on why a path cannot be read, or None if it can."""
    kind, reason = look(path)
    if reason is not None:
        return f"{brief(path)} cannot be read ({reason}): name another file."
    if kind is None:
        return f"There is no file {brief(path)}{_remark(path)}: {advice or _whereabouts()}."
    if kind == stat.S_IFREG or (folder and kind == stat.S_IFDIR):
        return None
    mend = "name a file in it" if kind == stat.S_IFDIR else "write what comes from it to a file, and name that"
    return f"{brief(path)} is {NOUNS.get(kind, 'something else')}, not a file: {mend}."


def to_write(path: str | Path) -> Path:
    """Return where a file can be written: a free name, or that of a file, which is replaced; follow links."""
    path = expanded(path)
    kind, reason = look(path)
    if kind not in (None, stat.S_IFREG):
        reason = f"it is {NOUNS.get(kind, 'something else')}"
    if reason is not None:
        raise InputError(f"{brief(path)} cannot be written ({reason}): name another place.", "path")
    return Path(os.path.realpath(path))


def check_folder(path: str | Path) -> None:
    """Raise `InputError` unless the folder of an output file exists.

    >>> check_folder("nowhere/cascade.png")
    Traceback (most recent call last):
        ...
    landau_vae.errors.InputError: There is no folder nowhere to save 'cascade.png' in: make it, or name another.
    """
    path = expanded(path)
    if not to_write(path).parent.is_dir():
        found = f"There is no folder {brief(path.parent)} to save {brief(path.name)!r} in"
        raise InputError(f"{found}: make it, or name another.", "path")


def is_file(path: str | Path) -> bool:
    """Return whether a path leads to a file that can be reached."""
    return look(path)[0] == stat.S_IFREG


def look(path: str | Path) -> tuple[int | None, str | None]:
    """Return what kind of thing a path leads to, None where there is nothing; or why that cannot be said."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode), None
    except FileNotFoundError:
        return None, None
    except OSError as problem:
        return None, problem.strerror
    except ValueError:  # a null character, or letters that no file system writes
        return None, "its name has characters that no name of a file has"


def identity(path: Path) -> list[Any]:
    """Return path, size and time of the last change; of a Zarr store (a folder) total size and latest change."""
    store = path.suffix.lower() == ".zarr" and look(path)[0] == stat.S_IFDIR
    files = sorted(path.rglob("*")) if store else [path]
    stats = [os.stat(file) for file in files if look(file)[0] is not None]
    return [os.path.realpath(path), sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)]


def first_bytes(path: Path, count: int) -> bytes:
    """Return the beginning of a file."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as problem:
        raise InputError(f"{brief(path)} cannot be read ({problem.strerror}): check its permissions.") from None


def expanded(path: str | Path) -> Path:
    """Return a path in which a leading ~ is the home folder, unless it exists as it is."""
    whole = os.fspath(path)
    return Path(os.path.expanduser(whole) if whole.startswith("~") and look(whole)[0] is None else whole)


def absolute(path: str | Path) -> Path:
    """Return a path that holds after a change of the working folder, which may have been deleted."""
    try:
        return Path(os.path.abspath(expanded(path)))
    except FileNotFoundError:
        return expanded(path)


def brief(path: str | Path) -> str:
    """Return a path on one line, shortened in the middle if it is long."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(path))
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"


def _remark(path: str | Path) -> str:
    """Return what is special about a path that leads nowhere."""
    if str(path) == "-":
        return " (standard input is not read)"
    if re.match(r"[a-z][a-z0-9+.-]+:/", str(path)):
        return " (addresses are not read: download it)"
    return f" (it is a link to {brief(os.readlink(path))})" if os.path.islink(path) else ""


def _whereabouts() -> str:
    """Return the advice to check a path, with the working folder if there still is one."""
    try:
        return f"check the path (the working folder is {os.getcwd()})"
    except FileNotFoundError:
        return "check the path (the working folder has been deleted)"
