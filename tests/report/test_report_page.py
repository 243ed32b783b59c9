"""The page of a diagnosis says what the diagnosis says, asks nothing of the network, and reads on any screen."""

import dataclasses
import json
import re
from collections import Counter
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from diagnosed_models import CASES, diagnosed, only_the_spectrum, trained

from landau_vae import InputError, Loss, diagnose, report
from landau_vae.diagnosis.findings import CODES

HOSTILE = '<script>alert("1")</script> & "quotes" \' </title></style>'
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Tags that balance, attributes, text outside of style and script."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.open, self.attributes, self.told, self.json, self.rows = [], [], [], [], Counter()
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.rows[tag] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            self.json.append(data)
        elif self.open[-1:] != ["style"]:
            self.told.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.told).split())


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for number, (name, make) in enumerate(CASES.items()):
        result = make()
        made[name] = (result, report.write_page(folder / f"{number}.html", result).read_text(encoding="utf-8"))
    return made


def svgs(source):
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", source, re.DOTALL)]


every_case = pytest.mark.parametrize("case", CASES)


@every_case
def test_the_page_says_what_the_diagnosis_says(pages, case):
    result, source = pages[case]
    page = Reader(source)
    assert page.open == []
    for finding in result.findings:
        for said in (finding.sentence, finding.advice, finding.code):
            assert " ".join(said.split()) in page.text
    for each in result.criteria:
        assert each["rule"] in page.text
    assert f"knob: {result.loss.knob}" in page.text
    for table in result.tables().values():
        for row in dataclasses.replace(table, limit=200).cells:
            assert all(cell in page.text for cell in row)
    for each in result.recommendations:
        assert each.question in page.text
    assert result.healthy or CODES[result.verdict].rstrip(".") in page.text
    [embedded] = page.json
    assert json.loads(embedded) == json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert ("script", "id", "diagnosis") in page.attributes


@every_case
def test_the_page_asks_nothing_of_the_network(pages, case):
    _, source = pages[case]
    for tag, name, value in Reader(source).attributes:
        assert not name.startswith("on")
        assert name != "src"
        if name in ("href", "xlink:href", "action", "poster"):
            assert value.startswith("#"), (tag, value)
        if name != "xmlns":
            assert "http" not in (value or "")
    assert "@import" not in source
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)\)", source))


@every_case
def test_pictures_take_colour_and_type_from_the_page(pages, case):
    _, source = pages[case]
    pictures = svgs(source)
    assert len(pictures) == 4
    known = set(re.findall(r"(--\w+):", source))
    for picture in pictures:
        written = ElementTree.tostring(picture, encoding="unicode")
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?!-)", re.sub(r'(url\(#[^)]*\)|href="#[^"]*")', "", written))
        assert not re.search(r"rgb\(|font-family|<style|<metadata", written)
        assert set(re.findall(r"var\((--\w+)\)", written)) <= known
        assert len(picture.findall(".//{*}text")) > 5
        assert "$" not in "".join(picture.itertext())


@every_case
def test_ids_are_unique_and_found(pages, case):
    _, source = pages[case]
    found = Counter(value for _, name, value in Reader(source).attributes if name == "id")
    assert max(found.values()) == 1
    assert set(re.findall(r"url\(#([^)]*)\)", source)) | set(re.findall(r'href="#([^"]*)"', source)) <= set(found)


def test_nothing_from_outside_is_markup(tmp_path):
    result = only_the_spectrum()
    plain = report.write_page(tmp_path / "plain.html", result, title="plain").read_text(encoding="utf-8")
    path = report.write_page(tmp_path / "page.html", result, title=HOSTILE)
    page = Reader(path.read_text(encoding="utf-8"))
    assert page.rows == Reader(plain).rows
    assert page.text.count('<script>alert("1")</script> & "quotes"') == 2


def test_one_diagnosis_is_one_page_to_the_byte(tmp_path):
    first, second = (report.write_page(tmp_path / name, diagnosed(1.0, decode=True)) for name in ("a.html", "b.html"))
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.html", "b.html"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        report.write_page(tmp_path / "nowhere" / "page.html", only_the_spectrum())


def test_long_tables_end_in_words(pages):
    page = Reader(pages["500 latents"][1])
    assert "… and 300 more" in page.text


def schemes(source):
    light, dark = re.findall(r":root \{(.*?)\}", source, re.DOTALL)
    return [dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in (light, dark)]


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_both_schemes_have_contrast(pages):
    for scheme in schemes(pages["all dead"][1]):
        paper = luminance(scheme["paper"])
        for name, least in {"ink": 12, "muted": 5.5, "cool": 4.5, "warm": 4.5, "amber": 4.5, "quiet": 3}.items():
            other = luminance(scheme[name])
            assert (max(paper, other) + 0.05) / (min(paper, other) + 0.05) >= least, name


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        for place in (None, "/usr/bin/chromium", "/usr/bin/google-chrome"):
            try:
                browser = started.chromium.launch(executable_path=place, args=["--no-sandbox"])
            except playwright.Error:
                continue
            yield browser
            browser.close()
            return
        pytest.skip("no Chromium")


SMALLEST = """Math.min(...[...document.querySelectorAll('svg text')].map(text => {
    const to = text.getScreenCTM();
    return Math.hypot(to.a, to.b) * parseFloat(getComputedStyle(text).fontSize);
}))"""


@pytest.mark.parametrize("case", ["500 latents", "higher price", "bernoulli"])
def test_a_phone_shows_the_whole_width(pages, browser, case):
    phone = browser.new_page(viewport={"width": 360, "height": 800})
    asked = []
    phone.on("request", lambda request: asked.append(request.url))
    phone.set_content(pages[case][1])
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    assert phone.evaluate(SMALLEST) >= 10
    assert asked == []
    phone.close()


def test_a_dark_scheme_reaches_the_pictures(pages, browser):
    seen = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.set_content(pages["all dead"][1])
        seen.append(page.evaluate("getComputedStyle(document.querySelector('svg text')).fill"))
        page.close()
    assert seen[0] != seen[1]


def test_the_loss_is_told_by_name(tmp_path):
    X, mu, variance, _ = trained(1.0)
    result = diagnose(mu, variance=variance, data=X, loss=Loss.preset("pythae", beta=1.0))
    page = Reader(report.write_page(tmp_path / "page.html", result).read_text(encoding="utf-8"))
    assert "Loss of pythae" in page.text
    assert " ".join(result.loss.explain(result.spectrum).split()) in page.text
