"""A picture of a lab, as SVG: nodes between their networks, devices below, states of links.

The cluster network is the bar above the nodes, other networks are bars below them, and devices and
endpoints at interfaces of the host are below those.  So no link crosses a node in any topology.

Colours are attributes, so that the file is self-contained. Pages with another colour scheme can use
the classes (`paper`, `network`, `box`, `ink`, `muted`), and find parts by their groups: `endpoint`
or `link`, with the name in `data-name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never
from xml.etree import ElementTree as ET

from edge_lab.handle.linkstate import LinkState
from edge_lab.topology import Link, Node, Topology, outside_names

COLUMN, BOX_W, BOX_H, BAR_H, MARGIN = 230, 190, 92, 30, 40
INK, PAPER, MUTED = "#1f2933", "#ffffff", "#6b7785"
ROLE_FILL = {"server": "#e3ecfa", "edge": "#e6f4ea", "device": "#fdf3dd", "outside": "#f3e8fd"}
BAR_FILL = "#dfe5ec"


@dataclass(frozen=True)
class EndpointView:
    """The label of a node or device besides its name."""

    lines: tuple[str, ...]
    good: bool | None = None
    """True: a green dot; False: a red one; None: no dot (unknown)."""


@dataclass(frozen=True)
class LinkView:
    """The state of a link, and the label beside its line."""

    state: LinkState = LinkState.UP
    note: str = ""


def lab_svg(
    topology: Topology,
    endpoints: Mapping[str, EndpointView] | None = None,
    links: Mapping[str, LinkView] | None = None,
    title: str = "",
) -> str:
    """The picture of `topology`, with live state if given."""
    return _Picture(topology, endpoints or {}, links or {}, title).draw()


def _facts(node: Node) -> str:
    return f"{node.arch.value} · {'external' if node.external else f'{node.memory} MiB'}"


class _Picture:
    def __init__(
        self,
        topology: Topology,
        endpoints: Mapping[str, EndpointView],
        links: Mapping[str, LinkView],
        title: str,
    ) -> None:
        self._topology = topology
        self._endpoints = endpoints
        self._links = links
        self._title = title or f"lab {topology.name}"
        self._outside = outside_names(topology)
        below_the_bars = len(topology.devices) + len(self._outside)
        columns = max(len(topology.nodes), below_the_bars)
        self._width = MARGIN * 2 + COLUMN * columns
        cluster = topology.cluster_network.name
        others = [net.name for net in topology.networks if net.name != cluster]
        node_top = 64 + BAR_H + 70
        below = node_top + BOX_H + 70
        self._bar_y = {cluster: 64}
        for index, name in enumerate(others):
            self._bar_y[name] = below + index * (BAR_H + 24)
        self._node_top = node_top
        self._device_top = below + len(others) * (BAR_H + 24) + 50
        bottom = self._device_top + BOX_H if below_the_bars else self._device_top - 50
        self._height = bottom + MARGIN

    def _x(self, index: int, count: int) -> float:
        return self._width / 2 + (index - (count - 1) / 2) * COLUMN

    def draw(self) -> str:
        svg = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {self._width} {self._height}",
                "width": str(self._width),
                "height": str(self._height),
                "font-family": "DejaVu Sans, Helvetica, Arial, sans-serif",
                "role": "img",
            },
        )
        ET.SubElement(svg, "title").text = self._title
        _rect(svg, 0, 0, self._width, self._height, PAPER, stroke="none", look="paper")
        _text(svg, MARGIN, 36, self._title, size=18, weight="bold", anchor="start")
        for network in self._topology.networks:
            y = self._bar_y[network.name]
            _rect(svg, MARGIN, y, self._width - 2 * MARGIN, BAR_H, BAR_FILL, look="network")
            _text(
                svg,
                MARGIN + 12,
                y + 20,
                f"{network.name}  {network.subnet}",
                anchor="start",
                size=13,
            )
        nodes, devices = self._topology.nodes, self._topology.devices
        for index, node in enumerate(nodes):
            self._box(
                svg,
                node.name,
                self._x(index, len(nodes)),
                self._node_top,
                node.role.value,
                (_facts(node),),
            )
        for index, device in enumerate(devices):
            self._box(
                svg,
                device.name,
                self._x(index, len(devices) + len(self._outside)),
                self._device_top,
                "device",
                (device.protocol,),
            )
        for index, name in enumerate(self._outside, start=len(devices)):
            interfaces = [link.host_interface or "" for link in self._topology.links_of(name)]
            self._box(
                svg,
                name,
                self._x(index, len(devices) + len(self._outside)),
                self._device_top,
                "outside",
                (" · ".join(interfaces),),
            )
        return ET.tostring(svg, encoding="unicode")

    def _box(
        self, svg: ET.Element, name: str, x: float, top: float, kind: str, facts: tuple[str, ...]
    ) -> None:
        links = self._topology.links_of(name)
        for index, link in enumerate(links):
            self._line(svg, link, x + (index - (len(links) - 1) / 2) * 34, top)
        box = ET.SubElement(svg, "g", {"class": f"endpoint {kind}", "data-name": name})
        _rect(box, x - BOX_W / 2, top, BOX_W, BOX_H, ROLE_FILL[kind], radius=8, look="box")
        view = self._endpoints.get(name, EndpointView(()))
        if view.good is not None:
            ET.SubElement(
                box,
                "circle",
                {
                    "cx": f"{x + BOX_W / 2 - 14:.0f}",
                    "cy": f"{top + 15:.0f}",
                    "r": "6",
                    "fill": "#2f855a" if view.good else "#c53030",
                },
            )
        _text(box, x, top + 24, name, size=15, weight="bold")
        for row, line in enumerate((*facts, *view.lines)[:3]):
            _text(box, x, top + 44 + row * 17, line, size=12, fill=MUTED)

    def _line(self, svg: ET.Element, link: Link, x: float, top: float) -> None:
        bar = self._bar_y[link.network]
        up = bar < top
        start, end = (top, bar + BAR_H) if up else (top + BOX_H, bar)
        view = self._links.get(link.name, LinkView())
        stroke, dash = _stroke(view.state)
        group = ET.SubElement(svg, "g", {"class": "link", "data-name": link.name})
        line = ET.SubElement(
            group,
            "line",
            {
                "x1": f"{x:.0f}",
                "x2": f"{x:.0f}",
                "y1": f"{start:.0f}",
                "y2": f"{end:.0f}",
                "stroke": stroke,
                "stroke-width": "3",
            },
        )
        if dash:
            line.set("stroke-dasharray", dash)
        ET.SubElement(line, "title").text = f"{link.name}: {view.state} {view.note}".strip()
        # Beside the bar of its network, where there is no box.
        label = end + 18 if up else end - 24
        _text(group, x + 7, label, link.name, size=11, anchor="start")
        note = view.note or str(link.address)
        _text(group, x + 7, label + 14, note, size=11, anchor="start", fill=MUTED)


def _stroke(state: LinkState) -> tuple[str, str]:
    """Colour and dashes of a link's line."""
    match state:
        case LinkState.UP:
            return "#2f855a", ""
        case LinkState.IMPAIRED:
            return "#b7791f", "8 3"
        case LinkState.HALF_OPEN:
            return "#c05621", "12 4 2 4"
        case LinkState.DROP:
            return "#c05621", "4 4"
        case LinkState.CUT:
            return "#c53030", "2 5"
        case _:
            assert_never(state)


def _rect(
    svg: ET.Element,
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str,
    *,
    radius: int = 4,
    stroke: str = "#b8c2cc",
    look: str,
) -> None:
    ET.SubElement(
        svg,
        "rect",
        {
            "class": look,
            "x": f"{x:.0f}",
            "y": f"{y:.0f}",
            "width": f"{width:.0f}",
            "height": f"{height:.0f}",
            "rx": str(radius),
            "fill": fill,
            "stroke": stroke,
        },
    )


def _text(
    svg: ET.Element,
    x: float,
    y: float,
    content: str,
    *,
    size: int = 12,
    weight: str = "normal",
    anchor: str = "middle",
    fill: str = INK,
) -> None:
    element = ET.SubElement(
        svg,
        "text",
        {
            "class": "muted" if fill == MUTED else "ink",
            "x": f"{x:.0f}",
            "y": f"{y:.0f}",
            "font-size": str(size),
            "font-weight": weight,
            "text-anchor": anchor,
            "fill": fill,
        },
    )
    element.text = content
