"""What a file is by its first bytes, whatever its name says."""

import re

SIGNATURES = {  # of binary files: texts may begin with the letters of some
    b"PAR1": "Parquet", b"\x93NUMPY": "NPY", b"CDF": "netCDF", b"\x89HDF": "netCDF", b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "Zstandard", b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR", b"\xd0\xcf\x11\xe0": "old Excel or Word", b"ARROW1": "Arrow (Feather)", b"FEA1": "Feather",
    b"ORC": "ORC", b"SQLite format 3": "SQLite", b"MATLAB": "MATLAB", b"RDX": "R", b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"\x7fELF": "program",
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), "pickle"),
    b"PK\x05\x06": "ZIP",
    **dict.fromkeys((b"\xff\xfe", b"\xfe\xff"), "UTF-16 text"),
}  # fmt: skip
TEXTS = {  # of texts in small letters
    r"\s*\{\s*[\"}]|\s*\[\s*[\[{]": "JSON",
    r"\s*<(!doctype|html|head|body|table|!--|meta|script)": "HTML",
    r"\s*<\?xml": "XML",
    r"%pdf-": "PDF",
}
OFFICE = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/", b"mimetype")
ADVICE = {
    "UTF-16 text": "save it as UTF-8",
    "pickle": "it is never loaded, because loading runs code: save a plain table of numbers",
}


def content_of(head: bytes) -> str | None:
    """Return the kind of a file by its first bytes; None if these are plain text.

    >>> content_of(b"PAR1,PAR2\\n1,2\\n"), content_of(b'[{"a": 1}]')
    (None, 'JSON')
    """
    text = head.removeprefix(b"\xef\xbb\xbf").decode("latin-1").lower()
    if (found := next((name for pattern, name in TEXTS.items() if re.match(pattern, text)), None)) is not None:
        return found
    if not re.search(rb"[\x00-\x08\x0e-\x1f\x80-\xff]", head):
        return None
    found = next((name for magic, name in SIGNATURES.items() if head.startswith(magic)), None)
    if found == "ZIP":
        return _of_archive(head)
    if found is None and head[257:262] == b"ustar":
        return "tar"
    return "a binary" if found is None and b"\0" in head else found


def _of_archive(head: bytes) -> str:
    """Return what a ZIP archive is, by the name of its first member."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if name.startswith(OFFICE):
        return "Excel (or another office document)"
    if name.endswith(b".pkl"):
        return "PyTorch"
    return "NPZ" if name.endswith(b".npy") else "ZIP"
