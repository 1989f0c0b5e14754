"""How well an identity was vetted (REFEDS Assurance Framework)."""

import pytest

from panosc_spawner.identity.assurance import missing_assurance

RAF = "https://refeds.org/assurance"
LOW, MEDIUM, HIGH = (f"{RAF}/IAP/{level}" for level in ("low", "medium", "high"))


@pytest.mark.parametrize(
    ("required", "sent", "missing"),
    [
        ((), None, ()),
        ((LOW,), [LOW], ()),
        ((LOW,), [HIGH], ()),
        ((MEDIUM,), [HIGH], ()),
        ((LOW, MEDIUM), MEDIUM, ()),  # text, not its letters
        ((HIGH,), [MEDIUM], (HIGH,)),
        ((MEDIUM,), [LOW], (MEDIUM,)),
        ((LOW, MEDIUM, HIGH), [MEDIUM], (HIGH,)),
        ((MEDIUM,), [f"{RAF}/profile/cappuccino"], ()),
        ((HIGH,), [f"{RAF}/profile/cappuccino"], (HIGH,)),
        ((HIGH,), [f"{RAF}/profile/espresso"], ()),
        ((f"{RAF}/profile/cappuccino",), [f"{RAF}/profile/espresso"], (f"{RAF}/profile/cappuccino",)),  # as text
        ((f"{RAF}/ID/unique", MEDIUM), [f"{RAF}/ID/unique", MEDIUM], ()),
        ((f"{RAF}/ID/unique",), [HIGH], (f"{RAF}/ID/unique",)),
        ((LOW,), [], (LOW,)),
        ((LOW,), None, (LOW,)),
        ((LOW,), {"x": HIGH}, (LOW,)),
        ((LOW,), [[HIGH], 7, None], (LOW,)),
        ((LOW,), [f"{HIGH}/x", f"x{HIGH}", HIGH.upper(), HIGH + " "], (LOW,)),
        ((LOW,), ["x"] * 1000 + [HIGH], (LOW,)),  # nobody sends as many
        ((LOW,), [f"{RAF}/IAP/local-enterprise"], (LOW,)),
    ],
)
def test_floors(required, sent, missing):
    assert missing_assurance(required, {"eduperson_assurance": sent}) == missing
