"""The connector's icon: SVG text that a platform can show as it is, and what must not be in it. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from xml.etree import ElementTree

LONGEST = 16_384  # characters
SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {
    "svg", "g", "defs", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text",
    "tspan", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "pattern", "symbol", "use",
}  # fmt: skip
AWAY = re.compile(r"url\(\s*['\"]?(?!#)|@import|expression\(|javascript:", re.IGNORECASE)


def data_url(svg: str) -> str:
    """The icon as the `src` of an image, which runs no script whatever it holds."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def faults(svg: str) -> Iterator[str]:
    """What is wrong with an icon: no SVG, too long, or more than shapes that stand alone."""
    if len(svg) > LONGEST:
        yield f"has {len(svg):,} characters; an icon has at most {LONGEST:,}"
        return
    if "<!DOCTYPE" in svg.upper() or "<!ENTITY" in svg.upper():
        yield "declares a DOCTYPE or an entity; leave it out"
        return
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        yield f"is no XML: {error}"
        return
    if root.tag != f"{SVG}svg":
        yield 'is no SVG: its root must be <svg xmlns="http://www.w3.org/2000/svg">'
        return
    if "viewBox" not in root.attrib:
        yield 'lacks a viewBox, without which it does not scale: as in viewBox="0 0 24 24"'
    for element in root.iter():
        name = str(element.tag).removeprefix(SVG)
        if name not in SHAPES:
            yield f"holds <{name.rpartition('}')[2]}>; an icon is made of shapes, without scripts, styles and images"
        for attribute, value in element.attrib.items():
            word = attribute.rpartition("}")[2]
            if word.lower().startswith("on"):
                yield f"runs a script at {word}; leave it out"
            elif (word == "href" and not value.startswith("#")) or AWAY.search(value):
                yield f"refers at {word} to something outside; draw it here"


def refused(svg: str) -> list[str]:
    """Every fault of an icon, each once."""
    return list(dict.fromkeys(faults(svg)))
