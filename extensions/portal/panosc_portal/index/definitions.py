"""Which technique a NeXus file tells of: its application definition and its probe, as PaNET's ids.

Definitions: https://manual.nexusformat.org/classes/applications/ . For those that both probes use, the id depends on it.
"""

from __future__ import annotations

from panosc_portal.catalogues.model import Technique
from panosc_spawner import panet

_ANY: dict[str, str] = {
    "NXcansas": "PaNET01124",
    "NXsas": "PaNET01124",
    "NXsastof": "PaNET01124",
    "NXtomo": "PaNET01129",
    "NXtomophase": "PaNET01129",
    "NXtomoproc": "PaNET01129",
    "NXmonopd": "PaNET01030",
    "NXtofnpd": "PaNET01100",
    "NXtofraw": "PaNET01217",
    "NXrefscan": "PaNET01121",
    "NXreftof": "PaNET01121",
    "NXdirecttof": "PaNET01245",
    "NXindirecttof": "PaNET01245",
    "NXtas": "PaNET01245",
    "NXiqproc": "PaNET01245",
    "NXsqom": "PaNET01034",
    "NXxas": "PaNET01196",
    "NXxasproc": "PaNET01196",
    "NXxrot": "PaNET01029",
    "NXxeuler": "PaNET01029",
    "NXxkappa": "PaNET01029",
    "NXxlaue": "PaNET01216",
    "NXxlaueplate": "PaNET01216",
    "NXxbase": "PaNET01216",
    "NXtofsingle": "PaNET01029",
    "NXlauetof": "PaNET01217",
    "NXmx": "PaNET01164",
    "NXarpes": "PaNET01089",
    "NXmpes_arpes": "PaNET01089",
    "NXmpes": "PaNET01202",
    "NXxps": "PaNET01204",
    "NXfluo": "PaNET01177",
    "NXxrf": "PaNET01177",
    "NXptycho": "PaNET01212",
    "NXcxi_ptycho": "PaNET01212",
    "NXstxm": "PaNET01219",
    "NXellipsometry": "PaNET01255",
    "NXem": "PaNET01145",
    "NXrixs": "PaNET01183",
    "NXxpcs": "PaNET01205",
    "NXscan": "",
    "NXarchive": "",
}
_BY_PROBE = {
    ("PaNET01124", "neutron"): "PaNET01189",
    ("PaNET01124", "x-ray"): "PaNET01188",
    ("PaNET01129", "x-ray"): "PaNET01207",
    ("PaNET01030", "neutron"): "PaNET01100",
    ("PaNET01030", "x-ray"): "PaNET01101",
    ("PaNET01121", "neutron"): "PaNET01239",
    ("PaNET01121", "x-ray"): "PaNET01149",
}
DEFINITIONS = {name.lower(): technique for name, technique in _ANY.items()}


def technique_of(definition: str, probe: str) -> Technique | None:
    """The technique of a definition; None if it tells of none."""
    found = DEFINITIONS.get(definition.strip().lower(), "")
    found = _BY_PROBE.get((found, probe), found)
    return Technique(panet.label(found), panet.purl(found)) if found else None


def named(texts: list[str]) -> list[Technique]:
    """Techniques that a file names itself, by PaNET's names, ids or addresses."""
    ids = dict.fromkeys(one for text in texts[:50] for one in sorted(panet.ids_named(text)) if text)
    return [Technique(panet.label(one), panet.purl(one)) for one in ids]


def probe_of(texts: list[str]) -> str:
    """``neutron``, ``x-ray``, or empty, from what sources say of themselves."""
    words = " ".join(texts).lower()
    if "neutron" in words:
        return "neutron"
    return (
        "x-ray" if any(one in words for one in ("x-ray", "xray", "synchrotron", "x ray", "free electron laser")) else ""
    )
