"""A picture as inline SVG that takes its colours and its type from the page around it.

Matplotlib's colours become CSS custom properties, so that a light and a dark scheme
restyle a picture too; its text stays text, in the page's font; ids carry the picture's
name, so that many pictures can stand in one page.
"""

import io
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
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


class Picture(NamedTuple):
    """A picture for a page."""

    svg: str  #: an `<svg>` element
    heading: str  #: its title, which the page sets itself


def inline_svg(draw: Callable[[Diagnosis, Axes], Axes], result: Diagnosis, name: str = "") -> Picture:
    """Draw a diagnosis as an `<svg>` whose ids begin with a name, by default that of the function that draws."""
    name = name or draw.__name__
    with matplotlib.rc_context(STYLE | {"svg.fonttype": "none", "svg.hashsalt": name}):
        figure = Figure(figsize=SIZE, layout="constrained")
        ax = draw(result, figure.add_subplot())
        heading = _take_title(ax)
        _one_size(figure, ax)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    _restyle(root, name)
    return Picture(ElementTree.tostring(root, encoding="unicode"), heading)


def _take_title(ax: Axes) -> str:
    """Remove title and subtitle from the picture and return the title."""
    heading = ax.get_title("left")
    ax.set_title("", loc="left")
    ax.texts[-1].remove()  # the subtitle is drawn last
    return heading


def _one_size(figure: Figure, ax: Axes) -> None:
    """Set all text in the one size that stays readable on a phone."""
    ax.tick_params(which="both", labelsize=TYPE)
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_fontsize(TYPE)


def _restyle(root: ElementTree.Element, name: str) -> None:
    """Remove what belongs to a file of its own, and let colours, fonts and ids be those of the page."""
    used = {name for part in root.iter() for value in part.attrib.values() for name in REFERENCE.findall(value)}
    used |= {part.attrib[XLINK].removeprefix("#") for part in root.iter() if XLINK in part.attrib}
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag.split("}")[-1] in DROPPED]:
            parent.remove(child)
    for part in root.iter():
        part.attrib = dict(_attributes(part.attrib, used, name))
        part.tail = None
        if part.tag != f"{{{SVG}}}text":
            part.text = None
    for unit in ("width", "height", "version"):
        root.attrib.pop(unit, None)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")


def _attributes(attributes: dict[str, str], used: set[str], name: str) -> Iterator[tuple[str, str]]:
    """Yield the attributes of an element as they are in a page: ids that are referred to get a prefix, others go."""
    for key, value in attributes.items():
        if key == "id":
            if value in used:
                yield key, f"{name}-{value}"
        elif key == XLINK:
            yield "href", f"#{name}-{value.removeprefix('#')}"
        else:
            value = REFERENCE.sub(rf"url(#{name}-\1)", value)
            value = COLOUR.sub(lambda match: f"var(--{PROPERTY[match.group().lower()]})", value)
            if key == "style":  # the family of fonts is the page's
                value = re.sub(r"font: ([0-9.]+px)[^;]*", r"font-size: \1", value)
                value = re.sub(r"font-family: [^;]*;? ?", "", value)
            yield key, value
