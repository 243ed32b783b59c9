"""The page of a diagnosis says what the diagnosis says, asks nothing of the network, and reads on any screen."""

import dataclasses
import json
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from diagnosed_models import CASES, diagnosed, only_the_spectrum, staged, trained

from landau_vae import InputError, Loss, diagnose, report
from landau_vae.diagnosis.findings import CODES
from landau_vae.display import with_error

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
    for number, name in enumerate(CASES):
        result = staged(name)
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


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("nonlinear, KL x 3", ("β, in effect 0.2", "× as stated", "higher price than its loss")),
        ("nonlinear", ("× as stated", "The KL costs what the loss states", "training rows 1500 × 3")),
        ("held-out", ("held-out rows 1500 × 3", "do not balance exactly")),
        ("bernoulli", ("price of a nat, in effect not measured", "decode=model.decode")),
        (
            "500 latents",
            (
                "next latent at β 0.6",
                "A linear model at the price that its loss states",
                "This one is seen to be linear",
            ),
        ),
        (
            "clusters",
            ("All latents are inactive and stable, but another state may be better", "What any VAE could reach"),
        ),
        ("diverged", ("✕ diverged", "far wider than the prior")),
    ],
)
def test_the_page_begins_with_what_was_measured(pages, case, words):
    text = Reader(pages[case][1]).text
    for each in words:
        assert each in text
    result = pages[case][0]
    if result.prices is not None:
        effect = with_error(result.price_in_effect, result.price_in_effect_error)
        assert f"price of a nat, in effect {effect}" in text


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
    result, source = pages[case]
    pictures = svgs(source)
    assert len(pictures) == 4 + (result.prices is not None)
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


# What a browser makes of pages: each stands in a frame of a phone's or a screen's width, and tells of itself.
FRAMES = """<!DOCTYPE html><meta name=color-scheme content="light dark"><body><script>
const told = frame => {
    const page = frame.contentDocument, sizes = [...page.querySelectorAll("svg text")].map(text => {
        const to = text.getScreenCTM();
        return Math.hypot(to.a, to.b) * parseFloat(getComputedStyle(text).fontSize);
    });
    return {case: frame.name, width: frame.contentWindow.innerWidth, needed: page.documentElement.scrollWidth,
            pictures: [...page.querySelectorAll(".picture svg")].filter(svg => svg.clientHeight > 100).length,
            smallest: Math.min(...sizes), paper: getComputedStyle(page.body).backgroundColor,
            ink: getComputedStyle(page.querySelector("svg text")).fill};
};
const frames = PAGES.flatMap(([name, source]) => [360, 1280].map(width => {
    const frame = Object.assign(document.createElement("iframe"), {name, width, height: 800, srcdoc: source});
    frame.style.border = 0;
    document.body.append(frame);
    return frame;
}));
addEventListener("load", () => { document.body.innerHTML = `<pre id=told>${JSON.stringify(frames.map(told))}</pre>`; });
</script>"""
SHOWN = ("500 latents", "higher price", "bernoulli", "nonlinear, KL x 3", "clusters")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium():
    """The first Chromium that there is: on the path, or in the cache of Playwright."""
    cached = sorted(Path.home().glob(".cache/ms-playwright/chromium*/*/*"))
    found = [which for name in BROWSERS if (which := shutil.which(name))]
    found += [str(path) for path in cached if path.name in ("chrome", "headless_shell")]
    return found[0] if found else pytest.skip("no Chromium is installed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_and_a_screen_show_the_whole_page(pages, tmp_path, scheme):
    """Nothing is wider than the frame; every picture is there, its type over 10 px, in the colours of the scheme."""
    shown = json.dumps([(case, pages[case][1]) for case in SHOWN]).replace("</", "<\\/")
    (tmp_path / "frames.html").write_text(FRAMES.replace("PAGES", shown), encoding="utf-8")
    command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
               f"--blink-settings=preferredColorScheme={int(scheme == 'light')}", "--virtual-time-budget=10000",
               "--dump-dom", (tmp_path / "frames.html").as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    (told,) = re.findall(r"<pre id=\"told\">(.*?)</pre>", done.stdout)
    frames = json.loads(told)
    assert [(each["case"], each["width"]) for each in frames] == [(case, w) for case in SHOWN for w in (360, 1280)]
    colours = dict(zip(("light", "dark"), schemes(pages["bernoulli"][1]), strict=True))[scheme]
    for each in frames:
        assert each["needed"] <= each["width"], each["case"]
        assert each["pictures"] == len(svgs(pages[each["case"]][1])) >= 4
        assert each["smallest"] >= 10
        assert (each["paper"], each["ink"]) == (rgb(colours["paper"]), rgb(colours["ink"]))


def rgb(colour):
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_the_loss_is_told_by_name(tmp_path):
    X, mu, variance, _ = trained(1.0)
    result = diagnose(mu, variance=variance, data=X, loss=Loss.preset("pythae", beta=1.0))
    page = Reader(report.write_page(tmp_path / "page.html", result).read_text(encoding="utf-8"))
    assert "Loss of pythae" in page.text
    assert " ".join(result.loss.explain(result.spectrum).split()) in page.text
