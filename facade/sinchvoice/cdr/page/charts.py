"""Charts as SVG: drawn by Altair and vl-convert, coloured by the style sheet of the page.

A drawing has no script and no style of its own. Placeholders for colours become the variables of
the page, so that it follows the light and the dark theme, and the description of each mark becomes
its tooltip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

import altair as alt
import vl_convert

__all__ = ["bars", "columns", "courses", "heat_map", "png", "ratio_course", "start"]

Row = Mapping[str, Any]

Channel = TypeVar("Channel", alt.X, alt.Y)

_WIDTH = 720
_FEW_DAYS = 10
"""Number of days up to which each has its own label."""
_MANY_POINTS = 60
"""Number of points beyond which they are smaller."""
_MOST_LETTERS = 8
"""Letters that fit below a column."""
_ROWS = "rows"
_TEXT = alt.Description("text:N")  # given as text, Altair would search for this class each time
_INK, _GRID = "#a0000f", "#a0000e"
_SERIES = tuple(f"#a0000{number}" for number in range(1, 9))
_VARIABLES = {_INK: "currentColor", _GRID: "var(--grid)"} | {
    color: f"var(--series-{number})" for number, color in enumerate(_SERIES)
}
_CONFIG = {
    "background": "transparent",
    "font": "sans-serif",
    "view": {"strokeOpacity": 0},
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "domainColor": _GRID,
        "tickColor": _GRID,
        "gridColor": _GRID,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
}
_SVG = "http://www.w3.org/2000/svg"


def start() -> None:
    """Start what draws: it takes longer than a drawing."""
    vl_convert.vegalite_to_svg({"data": {"values": []}, "mark": "point"})


def courses(rows: Sequence[Row], series: Sequence[str], unit: str) -> str:
    """Draw one line for each series over days: rows have `day`, `series`, `value` and `text`."""
    layers = []
    for number, name in enumerate(series):
        base = _chart(name).encode(x=_days(rows), y=_calls(alt.Y, unit))
        color = _SERIES[number % len(_SERIES)]
        line = base.mark_line(color=color, strokeWidth=2, aria=False)
        points = base.mark_point(color=color, filled=True, size=24).encode(description=_TEXT)
        layers.append(line.properties(name=f"s{number}_line"))
        layers.append(points.properties(name=f"s{number}_point"))
    data = {name: [row for row in rows if row["series"] == name] for name in series}
    return _drawn(alt.layer(*layers), 240, data)


def ratio_course(rows: Sequence[Row], unit: str, form: str) -> str:
    """Draw a ratio over days; the area of a point is the number of calls behind it."""
    base = _chart().encode(
        x=_days(rows),
        y=alt.Y("value:Q", title=unit, axis=alt.Axis(format=form)),
    )
    # Many points would cover each other; one of more calls stays larger.
    largest = max(24, 160 * min(1, _MANY_POINTS / max(1, len(rows))))
    size = alt.Size("calls:Q", legend=None, scale=alt.Scale(range=[6, largest], zero=True))
    line = base.mark_line(color=_SERIES[0], strokeWidth=1.5, aria=False)
    points = base.mark_point(color=_SERIES[0], filled=True, opacity=0.8)
    points = points.encode(size=size, description=_TEXT)
    return _drawn(alt.layer(line, points), 200, {_ROWS: rows})


def columns(rows: Sequence[Row], title: str, unit: str) -> str:
    """Draw a column for each row: `name`, `value` and `text`, in the given order."""
    is_long = any(len(row["name"]) > _MOST_LETTERS for row in rows)
    chart = (
        _chart()
        .mark_bar(color=_SERIES[0])
        .encode(
            x=alt.X("name:N", sort=None, title=title, axis=alt.Axis(labelAngle=-30 * is_long)),
            y=_calls(alt.Y, unit),
            description=_TEXT,
        )
    )
    return _drawn(chart, 200, {_ROWS: rows})


def bars(rows: Sequence[Row], unit: str) -> str:
    """Draw a horizontal bar for each row: `name`, `value` and `text`, in the given order."""
    chart = (
        _chart()
        .mark_bar(color=_SERIES[0])
        .encode(
            x=_calls(alt.X, unit),
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            description=_TEXT,
        )
    )
    return _drawn(chart, 22 * len(rows), {_ROWS: rows})


def heat_map(rows: Sequence[Row], days: Sequence[str]) -> str:
    """Draw calls by weekday and hour: rows have `weekday`, `hour`, `value` and `text`."""
    chart = (
        _chart()
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title="hour", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("weekday:N", sort=list(days), title=None),
            color=alt.value(_SERIES[0]),
            opacity=alt.Opacity(
                "value:Q", legend=None, scale=alt.Scale(range=[0.04, 1], domainMin=0)
            ),
            description=_TEXT,
        )
    )
    return _drawn(chart, 190, {_ROWS: rows})


def png(drawing: str, colors: Mapping[str, str], series: Sequence[str] = ()) -> bytes:
    """Return a drawing as a PNG image, at twice its size.

    Args:
        drawing: The SVG.
        colors: Values of the variables of the page, and of `--ink` for the text.
        series: Names of its series, to be written above it.
    """
    if series:
        drawing = _with_legend(drawing, series)
    for variable, color in colors.items():
        drawing = drawing.replace(f"var({variable})", color)
    drawing = drawing.replace("currentColor", colors["--ink"])
    # The page has the font; an image without a known one has no text at all.
    drawing = drawing.replace("<svg ", '<svg font-family="sans-serif" ', 1)
    return bytes(vl_convert.svg_to_png(drawing, scale=2))


def _with_legend(drawing: str, series: Sequence[str]) -> str:
    """Add what the page has beside its check boxes."""
    x, legend = 0, ""
    for number, name in enumerate(series):
        legend += (
            f'<rect x="{x}" y="-20" width="12" height="12" fill="var(--series-{number})"/>'
            f'<text x="{x + 18}" y="-10" font-size="12" fill="currentColor">{name}</text>'
        )
        x += 36 + 7 * len(name)
    box = re.compile(r'viewBox="0 0 (\d+) (\d+)"')
    drawing = box.sub(lambda size: f'viewBox="0 -24 {size[1]} {int(size[2]) + 24}"', drawing, 1)
    return drawing.replace("</svg>", f"{legend}</svg>")


def _chart(data: str = _ROWS) -> alt.Chart:
    return alt.Chart(alt.NamedData(data))


def _days(rows: Sequence[Row]) -> alt.X:
    is_short = len({row["day"] for row in rows}) <= _FEW_DAYS
    form = "%d %b %y"
    axis = alt.Axis(format=form, tickCount="day") if is_short else alt.Axis(format=form)
    return alt.X("day:T", timeUnit="utcyearmonthdate", title=None, axis=axis)


def _calls(kind: Callable[..., Channel], unit: str) -> Channel:
    """Return the axis of a number of calls, which is whole."""
    return kind("value:Q", title=unit, axis=alt.Axis(format=",d", tickMinStep=1))


def _drawn(chart: Any, height: int, data: Mapping[str, Sequence[Row]]) -> str:
    """Return the SVG of a chart, as a part of an HTML page.

    Altair would copy the data and the configuration several times, so only the drawing gets them.
    """
    # Validation finds wrong names in the code above, and takes as long as the drawing.
    specification = {
        **chart.to_dict(validate=False),
        "width": _WIDTH,
        "height": height,
        "config": _CONFIG,
        "datasets": data,
    }
    drawing = vl_convert.vegalite_to_svg(specification)
    root = ET.fromstring(drawing)  # noqa: S314 - just drawn
    for each in root.iter():
        label = each.attrib.pop("aria-label", None)
        for name in ("role", "aria-roledescription", "aria-hidden", "font-family"):
            each.attrib.pop(name, None)
        for name in ("fill", "stroke"):
            if name in each.attrib:
                color = each.attrib[name]
                each.attrib[name] = _VARIABLES.get(color, color)
        if label is not None and not len(each):
            ET.SubElement(each, f"{{{_SVG}}}title").text = label
        if each.tag == f"{{{_SVG}}}g" and "class" in each.attrib:
            found = re.search(r"\bs([0-9]+)_(?:line|point)", each.attrib["class"])
            each.attrib.pop("class")
            if found:
                each.attrib["class"] = f"series-{found[1]}"
    # The page says what the drawing shows; its table has the values.
    root.attrib.update({"role": "img", "aria-hidden": "true", "class": "drawing"})
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")
