"""A picture as inline SVG that takes its colours and its type from the page around it.

Matplotlib's colours become CSS custom properties, so that a light and a dark scheme restyle a picture too; its text
stays text, in the page's font; ids carry the picture's name, so that many pictures can stand in one page.
"""

import io
import re
from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from landau_vae.diagnosis import Diagnosis
from landau_vae.plotting.style import AMBER, COOL, INK, MUTED, QUIET, STYLE, WARM

SIZE = (4.3, 3.15)  # inches; 310 units wide, so that 10 units of type are over 10 px on a screen of 360
TYPE = 10.0
SVG, XLINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}href"
PROPERTY = {INK: "ink", MUTED: "muted", WARM: "warm", COOL: "cool", QUIET: "quiet", AMBER: "amber",
            "#000000": "ink", "#ffffff": "paper"}  # fmt: skip
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
DROPPED = {"metadata", "style", "title"}
ElementTree.register_namespace("", SVG)


def vector(draw: Callable[[Diagnosis, Axes], Axes], result: Diagnosis, name: str) -> tuple[str, str]:
    """The picture as an `<svg>` whose ids begin with `name`, and its heading, which the page sets itself."""
    own = STYLE | {"svg.fonttype": "none", "svg.hashsalt": name}
    with matplotlib.rc_context(own):
        figure = Figure(figsize=SIZE, layout="constrained")
        ax = draw(result, figure.add_subplot())
        heading = _take_title(ax)
        _one_size(figure, ax)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    _restyle(root, name)
    return ElementTree.tostring(root, encoding="unicode"), heading


def _take_title(ax: Axes) -> str:
    """Heading and subtitle are the caption's."""
    heading = ax.get_title("left")
    ax.set_title("", loc="left")
    ax.texts[-1].remove()  # a title is what is drawn last
    return heading


def _one_size(figure: Figure, ax: Axes) -> None:
    ax.tick_params(which="both", labelsize=TYPE)
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_fontsize(TYPE)


def _restyle(root: ElementTree.Element, name: str) -> None:
    referred = {found for each in root.iter() for value in each.attrib.values() for found in REFERENCE.findall(value)}
    referred |= {each.attrib[XLINK].removeprefix("#") for each in root.iter() if XLINK in each.attrib}
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag.split("}")[-1] in DROPPED]:
            parent.remove(child)
    for each in root.iter():
        each.attrib = dict(_attributes(each.attrib, referred, name))
        each.tail = None
        if each.tag != f"{{{SVG}}}text":
            each.text = None
    for unit in ("width", "height", "version"):
        root.attrib.pop(unit, None)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")


def _attributes(given: dict[str, str], referred: set[str], name: str) -> list[tuple[str, str]]:
    found = []
    for key, value in given.items():
        if key == "id":
            if value in referred:
                found.append((key, f"{name}-{value}"))
        elif key == XLINK:
            found.append(("href", f"#{name}-{value.removeprefix('#')}"))
        else:
            value = REFERENCE.sub(rf"url(#{name}-\1)", value)
            value = COLOUR.sub(lambda match: f"var(--{PROPERTY[match.group().lower()]})", value)
            found.append(_typeless(key, value))
    return found


def _typeless(key: str, value: str) -> tuple[str, str]:
    """Without a family of fonts: that is the page's."""
    if key != "style":
        return key, value
    value = re.sub(r"font: ([0-9.]+px)[^;]*", r"font-size: \1", value)
    return key, re.sub(r"font-family: [^;]*;? ?", "", value)
