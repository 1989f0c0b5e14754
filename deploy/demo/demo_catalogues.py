"""Two catalogues to search in the demo: small servers that speak the PaNOSC search API as two implementations of it do.

What is in them is made up, but for the entries of the demo's own proposals. They are the fakes of the portal's tests: the demo
asks them exactly as a site asks a facility's.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections import deque
from pathlib import Path
from typing import Any

FAKES = Path(__file__).resolve().parents[2] / "extensions" / "portal" / "tests" / "catalogues"
sys.path.insert(0, str(FAKES))

from fakes.panosc import IllImplementation, LoopBack3  # noqa: E402 - found by the line above
from fakes.server import Fake  # noqa: E402
from fakes.world import XRD, Thing, dataset, parameter  # noqa: E402

_TOMOGRAPHY = "PaNET01203"


def neutrons() -> list[Thing]:
    """Of a neutron source: the demo's proposal at ILL, and open data around it."""
    made = [
        _with(
            "ill",
            dataset(
                1, "The hollow shell of ferritin, in heavy water", parameters=_waves(0.6), sample="ferritin", year=2023
            ),
            "Institut Laue-Langevin",
        ),
        _with(
            "ill",
            dataset(
                2,
                "Ferrofluid in a field, 5 angstrom",
                parameters=_waves(0.5),
                sample="magnetite",
                year=2021,
                proposal="9-10-1234",
            ),
            "Institut Laue-Langevin",
        ),
        _with(
            "ill",
            dataset(
                3,
                "Ferrofluid without a field",
                parameters=_waves(0.5),
                sample="magnetite",
                year=2021,
                proposal="9-10-1234",
            ),
            "Institut Laue-Langevin",
        ),
    ]
    for number, sample in enumerate(
        ("micelles", "lysozyme", "polystyrene latex", "clay in water", "caesium stearate"), 4
    ):
        one = dataset(
            number,
            f"Small angles of {sample}",
            parameters=_waves(0.4 + number / 20),
            sample=sample,
            year=2015 + number,
            instrument="D11",
            proposal=f"9-11-{1500 + number}",
        )
        made.append(_with("ill", one, "Institut Laue-Langevin"))
    return made


def photons() -> list[Thing]:
    """Of a synchrotron: the demo's proposals at ESRF, and open data around them."""
    made = [
        _with(
            "esrf",
            dataset(
                101,
                "Ceria, heated in situ",
                technique=XRD,
                instrument="ID31",
                year=2025,
                sample="ceria",
                proposal="MA-1234",
                parameters=_energy(75.0),
            ),
            "ESRF",
        ),
        _with(
            "esrf",
            dataset(
                102,
                "Gadolinium-doped ceria, a ramp",
                technique=XRD,
                instrument="ID31",
                year=2025,
                sample="Ce0.9Gd0.1O2",
                proposal="HC-4711",
                parameters=_energy(78.4),
            ),
            "ESRF",
        ),
        _with(
            "esrf",
            dataset(
                103,
                "Ferrofluid under X-rays",
                technique=XRD,
                instrument="ID02",
                year=2025,
                sample="magnetite",
                proposal="SC-5678",
                parameters=_energy(12.4),
            ),
            "ESRF",
        ),
    ]
    for number, sample in enumerate(("quartz", "steel under load", "a fossil tooth", "battery cathode", "basalt"), 104):
        technique = _TOMOGRAPHY if number % 2 else XRD
        one = dataset(
            number,
            f"{sample[:1].upper()}{sample[1:]}, open data",
            technique=technique,
            instrument="ID19",
            year=2012 + number % 9,
            sample=sample,
            proposal=f"ES-{number}",
            parameters=_energy(20.0 + number % 7),
        )
        made.append(_with("esrf", one, "ESRF"))
    return made


def _waves(nanometres: float) -> tuple[Thing, ...]:
    return (parameter("incident_wavelength", nanometres, "nm"), parameter("sample_temperature", 293.0, "K"))


def _energy(kiloelectronvolts: float) -> tuple[Thing, ...]:
    return (parameter("incident_photon_energy", kiloelectronvolts, "keV"),)


def _with(where: str, one: Thing, facility: str) -> Thing:
    """The entry with its own PID, a DOI that is nobody's, and its facility's name."""
    number = one["pid"].rpartition("/")[2]
    document: dict[str, Any] = one["document"]
    document |= {
        "doi": f"10.5072/demo-{where}-{document['pid'].rpartition('.')[2].lower()}",
        "summary": "Made up for the demo",
    }
    document["pid"] = document["doi"]
    document["keywords"] = [sample["name"] for sample in one["samples"]]
    for sample in one["samples"]:
        sample["description"] = "made up"
    one["instrument"]["facility"] = facility
    return {**one, "pid": f"10.5072/demo-{where}-{number}"}


async def serve(ports: tuple[int, int]) -> None:
    """Answer until the demo ends."""
    catalogues: tuple[Fake, Fake] = (LoopBack3(photons()), IllImplementation(neutrons()))
    for fake in catalogues:
        fake.asked = deque(maxlen=100)  # type: ignore[assignment] - they remember all that a test asks
    servers = [
        await asyncio.start_server(fake.handle, "127.0.0.1", port) for fake, port in zip(catalogues, ports, strict=True)
    ]
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    for server in servers:
        server.close()
    for fake in catalogues:
        await fake.close()


def main() -> None:
    """``demo_catalogues.py --ports 8201 8202``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", type=int, nargs=2, required=True, metavar=("PHOTONS", "NEUTRONS"))
    asyncio.run(serve(tuple(parser.parse_args().ports)))


if __name__ == "__main__":
    main()
