"""Text files of every dialect: what is read equals what was written, or one sentence says why it cannot be read."""

import gzip
from itertools import product

import numpy as np
import pytest
from complaints import complaint

from landau_vae import InputError, Spectrum
from landau_vae.data.read_file import read

EXACT = 4e-16  # pandas reads decimals to within one unit in the last place, 2.2e-16 of the number


def read_text(folder, text, name="x.csv", **options):
    """The names and numbers of a text file."""
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    table = read(folder / name, **options)
    return table.names, table.whole()[0]


def written(rows, separator, mark, quote='"', ending="\n"):
    """A table as a program writes it, with every digit."""
    cells = [[f"{value:.17g}".replace(".", mark) for value in row] for row in rows]
    quoted = quote if separator == mark else ""
    return ending.join(separator.join(f"{quoted}{cell}{quoted}" for cell in row) for row in cells) + ending


@pytest.mark.parametrize(
    ("separator", "mark"), [(",", "."), (";", "."), ("\t", "."), ("|", "."), (" ", "."), ("   ", "."), (", ", "."),
                            (";", ","), ("\t", ","), ("|", ",")]
)  # fmt: skip
@pytest.mark.parametrize("header", [True, False])
def test_what_is_read_is_what_was_written(tmp_path, rng, separator, mark, header):
    """With every line end, with and without a byte order mark, packed or not."""
    values = np.round(rng.standard_normal((40, 3)) * [1, 1e6, 1e-6], 8)
    names = ("a", "b", "c") if header else ("0", "1", "2")
    for ending, order_mark, name in product(["\n", "\r\n", "\r"], ["", "\ufeff"], ["x.csv", "x.txt.gz"]):
        text = order_mark + (separator.join(names) + ending) * header + written(values, separator, mark, ending=ending)
        found, rows = read_text(tmp_path, text, name)
        assert found == names
        np.testing.assert_allclose(rows, values, rtol=EXACT, atol=0)


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [("1,5;2,25\n2,5;1\n", "01", [[1.5, 2.25], [2.5, 1]]),
     ("a;b\n1,5;2\n3;4\n", "ab", [[1.5, 2], [3, 4]]),
     ("1,5\t2,25\n3,5\t4\n", "01", [[1.5, 2.25], [3.5, 4]]),
     ("a;b\n1,5e-3;-,5\n2,5E+4;+3\n", "ab", [[0.0015, -0.5], [25000, 3]]),
     ('"1,5";"2,25"\n"1,25";"3"\n', "01", [[1.5, 2.25], [1.25, 3]]),
     ("a;b\n0,125;2\n2,500;3\n", "ab", [[0.125, 2], [2.5, 3]]),
     ("T, K;P, Pa\n1,5;2,25\n2,5;3\n", ["T, K", "P, Pa"], [[1.5, 2.25], [2.5, 3]]),
     ("a;b\n1.5;2\n3;4.25\n", "ab", [[1.5, 2], [3, 4.25]]),
     ("1, 2, 3\n4, 5, 6.5\n", "012", [[1, 2, 3], [4, 5, 6.5]]),
     ("PAR1,CDF\n1,2\n3,4\n", ["PAR1", "CDF"], [[1, 2], [3, 4]]),
     ("[Ca],<x>\n1,2\n3,5\n", ["[Ca]", "<x>"], [[1, 2], [3, 5]]),
     ('"a\nx",b\n1,2\n3,4\n', ["a\nx", "b"], [[1, 2], [3, 4]]),
     ("a,b\n1,2\n\n3,4\n\n", "ab", [[1, 2], [3, 4]]), ("a,b\n1,2,\n3,4,\n", "ab", [[1, 2], [3, 4]]),
     ("a,b\n1,2\n3,4", "ab", [[1, 2], [3, 4]]), ("#a,b\n1,2\n3,4\n", "ab", [[1, 2], [3, 4]]),
     ("a,b\n1,05\n2,25\n", "ab", [[1, 5], [2, 25]]), ("a\n1\n2\n", "a", [[1], [2]]),
     (f"a,b\n1{'0' * 25},1\n2,2\n", "ab", [[1e25, 1], [2, 2]]),
     ("# made by hand\na,b\n1,2\n3,5\n", "ab", [[1, 2], [3, 5]]), ("# by hand\n1,2\n3,5\n", "01", [[1, 2], [3, 5]]),
     ('\ufeff# it\'s a "quote, 2020\r\n# a,b\r\n1,2\r\n3,5\r\n', "ab", [[1, 2], [3, 5]]),
     ("# größe\r# a b\r1 2\r3 5\r", "ab", [[1, 2], [3, 5]]), ("# two words\n1.5\n2\n", "0", [[1.5], [2]]),
     ("% by hand\n\n1 2\n3 5\n", "01", [[1, 2], [3, 5]]), ("% of x,b\n1,2\n3,5\n", ["% of x", "b"], [[1, 2], [3, 5]]),
     ("\r\na\tb\r\n1\t2\r\n3\t5\r\n", "ab", [[1, 2], [3, 5]]), ("sep=\t\na\tb\n1\t2\n3\t5\n", "ab", [[1, 2], [3, 5]]),
     ("# x\n1.5\n2\n", "x", [[1.5], [2]]), ("sep=;\r\na;b\r\n1,5;2\r\n3;4\r\n", "ab", [[1.5, 2], [3, 4]]),
     ("True,False\nFalse,True\nFalse,False\n", "01", [[1, 0], [0, 1], [0, 0]]),
     ('"2019","2020"\n1.5,2\n3,4\n', ["2019", "2020"], [[1.5, 2], [3, 4]]),
     ('"1","2"\n"3","4"\n', "01", [[1, 2], [3, 4]]),
     ("400.5,401,401.5,402,402.5,403\n1,2,3,4,5,7\n", ["400.5", "401", "401.5", "402", "402.5", "403"],
      [[1, 2, 3, 4, 5, 7]]),
     ("0,2,4,6,8,10\n1,2,3,4,5,6\n", "012345", [[0, 2, 4, 6, 8, 10], [1, 2, 3, 4, 5, 6]]),
     ("1,1,1,1,1,1\n1,2,3,4,5,7\n", "012345", [[1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 7]])],
)  # fmt: skip
def test_dialects_that_are_plain(tmp_path, text, names, rows):
    found, values = read_text(tmp_path, text)
    assert found == tuple(names)
    np.testing.assert_allclose(values, rows, rtol=EXACT, atol=0)


@pytest.mark.parametrize(
    ("text", "words"),
    [("a;b\n1,234;2,345\n4,567;8,901\n", "such as 1,234, whose comma may be a decimal comma or group thousands"),
     ("a\tb\n1,000\t2\n3\t4,000\n", "such as 1,000, whose comma"), ("1,234\n2,345\n", "lines such as 1,234, whose"),
     ("1,234,567\n2,345,678\n", "group thousands"), ("12,345,67,890\n13,456,78,901\n", "group thousands"),
     ("1,05\n2,25\n3,10\n", "lines such as 1,05, whose commas may separate columns, mark decimals"),
     ("a;b\n1,5;2.5\n3,25;4\n", "with a comma (1,5) and numbers with a point (2.5)"),
     ("a;b\n" + "1,5;2\n" * 70_000 + "1,5;2.5\n", "with a comma (1,5) and numbers with a point (2.5)"),
     ("a;b\n" + "1;2\n" * 70_000 + "1,5;2\n", "'1,5'), but every column must be numeric: write decimals with a point"),
     ("x\n1,5\n2,25\n", "write decimals with a point"), ('a,b\n"1,5","2"\n"3","4"\n', "write decimals with a point"),
     ("1,5 2,25\n2,5 3,25\n", "not numbers"), ("a;b\n1.234,5;2\n2.345,5;3\n", "'1.234,5'"),
     ("a;b\n1'234.5;2\n2;3\n", "not numbers"), ("a;b\n1\u00a0234,5;2\n2,5;3\n", "not numbers"),
     ("a,b\n5%,1\n6%,2\n", "'5%'"), ("a,b\n5 kg,1\n6 kg,2\n", "'5 kg'"), ("a,b\n0x1F,1\n2,2\n", "'0x1F'"),
     ("a,b\n1,?\n2,3\n", "'?'"), ("a,b\n1,-\n2,3\n", "'-'"), ("a,b\n−1,2\n3,4\n", "'−1'"),
     ("a,b\n1e400,1\n2,3\n", "NaN or infinite, the first (inf) in row 0"), ("a,b\n1,inf\n2,3\n", "(inf) in row 0"),
     ("a,b\n1,N/A\n2,3\n", "1 value is NaN"), ("a,b\n1,null\n2,3\n", "1 value is NaN"), ("a;b\n1,5;\n2;3\n", "NaN"),
     ("2020-01-01,1\n2020-01-02,2\n", "'2020-01-02'"), ("a,b\nm,s\n1,2\n3,4\n", "'m'"),
     ("a,b\n1,2\n# x\n3,4\n", "'# x'"),
     (f"a,b\n1{'0' * 400},1\n2,2\n", "Column 'a' holds whole numbers of more than 308 digits"),
     ('a,b\n1,"2\n3,4\n', "EOF inside string"), ("a" * 200_000 + ",b\n1,2\n", "a cell of more than 131072 letters"),
     ("a" * 200_000 + " b\n1 2\n", "a cell of more than"),
     ("a,b\n1,2\n" + "3,4\n" * 9000 + "5,\0006\n", "null characters"),
     ("#\n" * 200_000, "only has remarks"), ("\n" * 500_000, "begins with a blank line"),
     ("a,b,\n1,2,\n3,4,\n", "Column 2 has no name"), ("1,2,3\n4,5\n", "1 value is NaN")],
)  # fmt: skip
def test_dialects_that_are_named(tmp_path, capsys, text, words):
    (tmp_path / "x.csv").write_bytes(text.encode())
    assert words in complaint(capsys, "thresholds", tmp_path / "x.csv")


def test_wide_tables(tmp_path, rng):
    """No other separator cuts such lines: a cell that is too long for it only means that it is not the one."""
    values, names = rng.standard_normal((3, 8_000)), [f"expression of gene {i}" for i in range(8_000)]
    found, rows = read_text(tmp_path, ",".join(f'"{name}"' for name in names) + "\n" + written(values, ",", "."))
    assert found == tuple(names)
    np.testing.assert_allclose(rows, values, rtol=EXACT, atol=0)


def test_who_says_that_there_is_no_header_has_columns(tmp_path):
    _, rows = read_text(tmp_path, "35,120\n40,180\n", header=False)
    np.testing.assert_array_equal(rows, [[35, 120], [40, 180]])


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-32"])
def test_other_encodings_are_named(tmp_path, capsys, encoding):
    (tmp_path / "x.csv").write_bytes("température,b\n1,2\n3,4\n".encode(encoding))
    assert ("UTF-8" if encoding == "latin-1" else "UTF-16") in complaint(capsys, "thresholds", tmp_path / "x.csv")


def spelled(rng, grouping):
    """A number, and how a program spells it."""
    digits = int(rng.integers(0, 5))
    value = round(float(rng.choice([1, 30, 5000, 2e6])) * rng.standard_normal(), digits)
    text = f"{value:{',' if grouping else ''}.{digits}f}"
    return float(text.replace(",", "")), text


@pytest.mark.parametrize("batch", range(4))
def test_no_number_is_ever_read_as_another(tmp_path, batch):
    """Tables in random dialects, odd ones too, are read as they were meant or refused."""
    rng, outcomes = np.random.default_rng(batch), []
    for _ in range(50):
        separator, mark = rng.choice([",", ";", "\t", "|", " "]), rng.choice([".", ","])
        columns, header, grouping, quotes = int(rng.integers(1, 4)), rng.random() < 0.5, *(rng.random(2) < 0.2)
        grouping = grouping and mark == "."  # with points for thousands, whole numbers are read as decimals
        cells = [[spelled(rng, grouping) for _ in range(columns)] for _ in range(int(rng.integers(30, 60)))]
        quote = '"' if quotes or separator == mark or (grouping and separator == ",") else ""
        lines = [[quote + text.replace(".", mark if mark == "," else ".") + quote for _, text in row] for row in cells]
        lines = [["x", "y", "z"][:columns], *lines] if header else lines
        text = "\n".join(separator.join(line) for line in lines) + "\n"
        try:
            _, rows = read_text(tmp_path, text)
        except InputError:
            assert grouping or mark == ","
            continue
        if np.isnan(rows).any():  # lines of fewer cells than the first one: refused wherever rows are used
            assert ((grouping or mark == ",") and separator == ",") or columns == 1
            continue
        outcomes.append((mark, grouping))
        np.testing.assert_allclose(rows, [[value for value, _ in row] for row in cells], rtol=EXACT, atol=0)
    assert {(".", False), (",", False)} <= set(outcomes)


def test_a_first_column_of_a_saved_index_can_be_left_out(tmp_path):
    (tmp_path / "x.csv").write_text(";a;b\n0;1,5;2\n1;2,5;3,25\n2;3;1\n")
    assert Spectrum.from_file(tmp_path / "x.csv", exclude="Unnamed: 0").names == ("a", "b")


@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_names_of_rows_as_r_writes_them(tmp_path, capsys, separator):
    """The first line has one name less than there are columns: that of the names of rows is missing."""
    lines = ['"a" "b"', '"1" 1.5 2', '"2" 2.5 3', '"3" 4 1']
    (tmp_path / "x.txt").write_text("\n".join(line.replace(" ", separator) for line in lines) + "\n")
    assert "Column 0 has no name and may be a saved row index" in complaint(capsys, "thresholds", tmp_path / "x.txt")
    table = read(tmp_path / "x.txt", exclude="Unnamed: 0")
    assert table.names == ("a", "b")
    np.testing.assert_array_equal(table.whole()[0], [[1.5, 2], [2.5, 3], [4, 1]])
