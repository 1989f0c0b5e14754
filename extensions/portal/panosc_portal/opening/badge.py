"""The badge “Open in PaNOSC Hub”, for pages elsewhere: one picture, the same for all, so that it tells nobody who looks at it."""

from __future__ import annotations

_LEFT, _RIGHT, _HEIGHT = 46, 92, 20


def badge_svg() -> bytes:
    """The picture."""
    width = _LEFT + _RIGHT
    label = "Open in PaNOSC Hub"
    font = 'font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" fill="#fff" text-anchor="middle"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<rect width="{width}" height="{_HEIGHT}" rx="3" fill="#4a4f57"/>'
        f'<path d="M{_LEFT} 0h{_RIGHT - 3}a3 3 0 0 1 3 3v{_HEIGHT - 6}a3 3 0 0 1-3 3H{_LEFT}z" fill="#1f6fb2"/>'
        f'<text x="{_LEFT / 2}" y="14" {font}>open in</text>'
        f'<text x="{_LEFT + _RIGHT / 2}" y="14" {font}>PaNOSC Hub</text></svg>'
    ).encode()
