"""Line profiles: the impairments of each direction, with their sources."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import did_you_mean
from edge_lab.fabric.impairment import GilbertElliott, Impairment

QUEUE_FRAMES = 100
"""Queue before a slow line: 5 s of full frames at 240 kbit/s. A choice of the lab, unsourced."""


@dataclass(frozen=True)
class LinkProfile:
    """A line profile. `up` is what the endpoint sends, `down` what it receives."""

    name: str
    what: str
    up: Impairment
    down: Impairment
    source: str
    """The sources of the figures, and which of them have none."""


def _line(
    rtt_ms: float,
    down_kbit: float,
    up_kbit: float,
    jitter_ms: float = 0.0,
    burst_loss: GilbertElliott | None = None,
) -> dict[str, Impairment]:
    """Both directions of one line, each with half of the round trip; jitter is of one direction."""
    return {
        way: Impairment(
            delay_ms=rtt_ms / 2,
            jitter_ms=jitter_ms,
            distribution="normal" if jitter_ms else "uniform",
            burst_loss=burst_loss,
            rate_kbit=rate,
            queue_frames=QUEUE_FRAMES,
        )
        for way, rate in (("down", down_kbit), ("up", up_kbit))
    }


_WEBPAGETEST = "WebPageTest, www/settings/connectivity.ini.sample, [{}]"
_ERRANT = (
    "measured: ERRANT (github.com/marty90/errant), profiles.csv, {}, in the mean; what delays "
    "stray by there is between measurements, not between frames"
)

PROFILES: dict[str, LinkProfile] = {
    line.name: line
    for line in (
        LinkProfile(
            "edge",
            "2G mobile (EDGE)",
            **_line(840, 240, 200),
            source=_WEBPAGETEST.format("Edge"),
        ),
        LinkProfile("3g", "3G mobile", **_line(300, 1600, 768), source=_WEBPAGETEST.format("3G")),
        LinkProfile(
            "lte", "4G mobile", **_line(70, 12_000, 12_000), source=_WEBPAGETEST.format("LTE")
        ),
        LinkProfile(
            "3g-weak",
            "3G mobile with a bad signal",
            **_line(145, 3075, 909),
            source=_ERRANT.format("3 Sweden, 3G, bad"),
        ),
        LinkProfile(
            "4g-weak",
            "4G mobile with a bad signal",
            **_line(113, 3296, 150),
            source=_ERRANT.format("net1 Norway, 4G, bad"),
        ),
        LinkProfile(
            "geo",
            "geostationary satellite",
            **_line(600, 18_750, 2960),
            source="measured: round trip, G. Huston, Testing LEO and GEO satellite services in "
            "Australia (APNIC, May 2022), of which 2 × 260 ms are the way to the orbit (ITU-T "
            "G.114); rates, Viasat's median in the USA (Ookla, third quarter of 2021)",
        ),
        LinkProfile(
            "leo",
            "satellites in a low orbit",
            # Successive round trips differ by 6.7 ms in the mean: 6.7 · √π / 2 / √2 each way.
            **_line(50, 87_250, 13_540, jitter_ms=4.2),
            source="measured, Starlink: median round trip in Belgium (F. Michel and others, A "
            "First Look at Starlink Performance, IMC 2022); jitter, G. Huston, A transport "
            "protocol's view of Starlink (APNIC, May 2024); rates, median in the USA (Ookla, third "
            "quarter of 2021)",
        ),
        LinkProfile(
            "factory-wifi",
            "Wi-Fi in a factory",
            **_line(
                10,
                20_000,
                20_000,
                jitter_ms=2,
                burst_loss=GilbertElliott(p=0.005, r=0.25, bad=0.5),
            ),
            source="losses in bursts as A. Willig and others found them in a plant (Measurements "
            "of a Wireless Link in an Industrial Environment, IEEE Transactions on Industrial "
            "Electronics 49-6, 2002); the figures are typical, not measured",
        ),
    )
}


def profile(name: str) -> LinkProfile:
    """The profile of that name.

    Raises:
        InputError: there is none; the remedy lists those there are.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise InputError(
            f"there is no line profile {name!r}",
            remedy=f"{did_you_mean(name, PROFILES)}Available: {', '.join(PROFILES)}.",
        ) from None
