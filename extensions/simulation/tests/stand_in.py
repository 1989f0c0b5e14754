"""What tests of the stand-in for McStas share."""

from __future__ import annotations

from pathlib import Path

SOURCE = """DEFINE INSTRUMENT angles(double centre=5, int fault=0, double slow=0, string file=a.laz)
TRACE
COMPONENT a = Source() AT (0, 0, 0) ABSOLUTE
END
"""


def times(generated: Path) -> int:
    """How often the generator ran."""
    return len(generated.read_text().splitlines()) if generated.exists() else 0
