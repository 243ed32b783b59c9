"""What a path leads to is asked before it is opened: a sentence for each thing that is no file, and at once."""

import json
import os
import pickle
import socket
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from complaints import complaint

from landau_vae import InputError, Spectrum, scan
from landau_vae.data.archive import is_partial, replace_file
from landau_vae.data.content import content_of
from landau_vae.data.door import identity, to_read
from landau_vae.data.source import of_file
from landau_vae.diagnosis import read_run
from landau_vae.spectrum import Partial
from landau_vae.training import load_scan

LONG = "x" * 300
TABLE = "a,b\n1,2\n2,4\n3,1\n"


def bind(path):
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(path))


def unreachable(path):
    """A file in the place of the folder that it would be in."""
    path.parent.write_text(TABLE)


MADE = {  # name, how it comes to be, what the sentence says
    "fifo": ("fifo.csv", os.mkfifo, "fifo.csv is a pipe"),
    "socket": ("s.csv", bind, "is a socket"),
    "folder": ("d.csv", Path.mkdir, "is a folder"),
    "dangling": ("link.csv", lambda path: path.symlink_to("nothing"), "(it is a link to nothing)"),
    "loop": ("loop.csv", lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links)"),
    "device": ("full.csv", lambda path: path.symlink_to("/dev/full"), "full.csv is a device"),
    "long": (f"{LONG}.csv", lambda path: None, "cannot be read (File name too long)"),
    "below a file": ("file/x.csv", unreachable, "(Not a directory)"),
    "missing": ("no.csv", lambda path: None, "There is no file"),
    "null": ("a\0b.csv", lambda path: None, "characters that no name of a file has"),
    "empty": ("empty.csv", Path.touch, "is empty"),
    "without suffix": ("table", lambda path: path.write_text(TABLE), "unknown suffix ''"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=MADE)
def no_table(request, folder):
    """A path that leads to no table, and what a sentence about it says."""
    name, make, words = MADE[request.param]
    make(folder / name)
    return folder / name, words


@pytest.mark.parametrize("command", [["thresholds"], ["gather", "--output", "out.npz"]])
def test_the_command_line_says_what_it_is(no_table, capsys, command):
    path, words = no_table
    if "\0" in str(path):
        pytest.skip("a command line cannot hold a null character")
    assert words in complaint(capsys, command[0], str(path), *command[1:])


def test_python_says_what_it_is(no_table):
    path, words = no_table
    with pytest.raises(InputError) as problem:
        Spectrum.from_file(path)
    assert words in str(problem.value)


@pytest.mark.parametrize("read", [load_scan, Partial.load, read_run])
def test_every_reader_asks_first(no_table, read):
    """Without that, a pipe would be waited for, and a device read until memory ends."""
    path, _ = no_table
    with pytest.raises(InputError):
        read(path)
    assert not is_partial(path)


@pytest.mark.parametrize("option", ["--output", "--noise"])
def test_options_that_name_files(folder, capsys, option):
    (folder / "good.csv").write_text(TABLE)
    suffix = ".png" if option == "--output" else ".csv"
    os.mkfifo(folder / f"fifo{suffix}")
    for name, words in ((f"fifo{suffix}", "a pipe"), (LONG + suffix, "File name too long")):
        run = ["thresholds", "good.csv", option, name]
        if option == "--noise":
            assert words in complaint(capsys, *run)
            continue
        from landau_vae.cli import main

        assert main(run) == 2  # the table has been printed by then
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["/dev/null", "/dev/null/x", ".", f"{LONG}.npz", "a\0b", "no/folder/x"])
def test_what_is_no_file_is_never_replaced(folder, name):
    """As root, a rename would put a file in the place of /dev/null."""
    with pytest.raises(InputError, match=r"cannot be written|the name of a file"):
        replace_file(Path(name), lambda partial: partial.write_text("x"))
    assert Path("/dev/null").is_char_device()
    assert list(folder.iterdir()) == []


def test_names_as_long_as_a_file_system_allows_are_written(folder):
    """255 letters; the file beside it, from which it is renamed, has a name of its own length."""
    path = folder / ("ü" * 127 + "x")
    replace_file(path, lambda partial: partial.write_text("x"))
    assert [each.name for each in folder.iterdir()] == [path.name]


def test_links_are_followed(folder):
    (folder / "there").mkdir()
    (folder / "link.txt").symlink_to("there/x.txt")
    replace_file(folder / "link.txt", lambda partial: partial.write_text("x"))
    assert (folder / "link.txt").is_symlink()
    assert (folder / "there" / "x.txt").read_text() == "x"


@pytest.mark.parametrize("names", ["same same", f"{'long' * 12}1 {'long' * 12}2"])
def test_threads_write_files_of_names_that_begin_alike(tmp_path, names):
    """Each beside its place under a name of its own: both are there at once."""
    together = Barrier(2, timeout=20)

    def write(name):
        replace_file(tmp_path / name, lambda partial: (partial.write_text(name), together.wait()))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, names.split()))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: name for name in names.split()}


@pytest.mark.parametrize("name", ["scan.json", "task-0-0-of-1.npz"])
def test_pipes_in_the_folder_of_a_scan(folder, name):
    """Neither is waited for: the one says what was trained, the other is a training of which nothing is known."""
    spectrum = Spectrum.from_eigenvalues([4, 1])
    scan(spectrum, [0.4, 0.1], folder="kept")
    (folder / "kept" / name).unlink()
    os.mkfifo(folder / "kept" / name)
    with pytest.raises(InputError, match=r"cannot be read|it is a pipe"):
        scan(spectrum, [0.4, 0.1], folder="kept")


@pytest.mark.parametrize("name", ["pipe", "pipe/below", "null/below", LONG, "a\0b"])
def test_folders_that_cannot_be_made(folder, name):
    os.mkfifo(folder / "pipe")
    (folder / "null").symlink_to("/dev/null")
    with pytest.raises(InputError, match="cannot be used"):
        scan(Spectrum.from_eigenvalues([4, 1]), [0.4, 0.1], folder=name)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a" * 200_000 + b",kl\n1,2\n", "look for a separator or a quote"), (b"step,kl\n1,\0\n", "is a binary"),
     (b'[{"kl": 1}]', "is JSON"), ("step,kl,mse\n".encode("utf-16"), "is UTF-16"), (b"\x1f\x8b\x08\0", "is gzip"),
     (b"x,y\n" * 2, "columns x, y, but none is known as its kl"), (b"step;kl;mse\n1;0,5;2,5\n", "that are numbers")],
)  # fmt: skip
def test_logs_that_are_none(folder, content, words):
    (folder / "log.csv").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_run("log.csv")


def test_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    (folder / "x.csv").write_text(TABLE)
    assert Spectrum.from_file("~/x.csv").names == ("a", "b")
    twice = of_file("~/x.csv")
    first, second = ([rows for rows, _ in twice.blocks()] for _ in range(2))
    np.testing.assert_array_equal(second, first)
    (folder / "~").mkdir()
    (folder / "~" / "x.csv").write_text(TABLE.replace("a", "c"))
    assert Spectrum.from_file("~/x.csv").names == ("c", "b")  # a folder of that name goes before it


@pytest.mark.parametrize(
    ("name", "words"), [("-", "standard input is not read"), ("https://example.org/x.csv", "download it")]
)
def test_what_is_read_elsewhere(folder, capsys, name, words):
    assert words in complaint(capsys, "thresholds", name)


def test_a_working_folder_that_is_gone(folder, capsys, monkeypatch):
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    assert "the working folder has been deleted" in complaint(capsys, "thresholds", "x.csv")
    monkeypatch.chdir(folder)


def test_permissions(folder, capsys):
    (folder / "x.csv").write_text(TABLE)
    (folder / "x.csv").chmod(0)
    if os.access(folder / "x.csv", os.R_OK):
        pytest.skip("this user may read everything")
    assert "check its permissions" in complaint(capsys, "thresholds", "x.csv")


def test_only_a_store_of_many_files_is_looked_through(folder):
    """Any other folder is refused, whatever is in it: the root of a disk would take long."""
    for name in ("plain", "store.ZARR"):
        (folder / name / "below").mkdir(parents=True)
        (folder / name / "below" / "one").write_text("1" * 100_000)
    assert identity(folder / "plain")[1] < 100_000 < identity(folder / "store.ZARR")[1]


def test_files_that_can_be_read_are_let_through(folder):
    (folder / "x.csv").write_text(TABLE)
    (folder / "link.csv").symlink_to("x.csv")
    assert to_read("link.csv") == Path("link.csv")
    assert to_read(folder, folder=True) == folder


# ------------------------------------------------------------------------------------------- contents

ROWS = np.arange(6.0).reshape(3, 2)


def excel():
    """The beginning of an .xlsx file, as Excel writes it."""
    with zipfile.ZipFile("made.xlsx", "w") as file:
        file.writestr("[Content_Types].xml", "<Types/>")
    return Path("made.xlsx").read_bytes()


def array():
    np.save("made.npy", ROWS)
    return Path("made.npy").read_bytes()


CONTENTS = {
    "JSON": lambda: json.dumps([{"a": 1.0, "b": 2}], indent=1).encode(),
    "HTML": lambda: b"\n<!DOCTYPE html><html><table><tr><td>1</td></tr></table>",
    "XML": lambda: b'<?xml version="1.0"?><rows/>',
    "PDF": lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "pickle": lambda: pickle.dumps({"a": [1, 2]}),
    "Excel": excel,
    "NPY": array,
    "gzip": lambda: b"\x1f\x8b\x08" + bytes(40),
    "SQLite": lambda: b"SQLite format 3\0" + bytes(40),
    "PNG": lambda: b"\x89PNG\r\n\x1a\n" + bytes(40),
    "UTF-16": lambda: TABLE.encode("utf-16"),
    "binary": lambda: bytes(range(256)),
}


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet", ".npz", ".h5ad", ".csv.gz"])
@pytest.mark.parametrize("kind", CONTENTS)
def test_contents_of_another_kind_are_named(folder, capsys, kind, suffix):
    if (kind, suffix) in (("NPY", ".npy"), ("gzip", ".csv.gz")):
        return
    (folder / f"x{suffix}").write_bytes(CONTENTS[kind]())
    err = complaint(capsys, "thresholds", f"x{suffix}")
    assert "file that its suffix says, but" in err
    assert kind in err


def test_texts_that_begin_like_binary_files():
    for text in ("PAR1,ORC\n1,2\n", "CDF,GIF8\n1,2\n", "[Ca],[Mg]\n", "<x>,<y>\n", "{x},y\n", "Größe,x\n"):
        assert content_of(text.encode()) is None
