"""What may be so often only: refused logins of nobody in particular in the audit log."""

from types import SimpleNamespace

from panosc_spawner.identity.login import UNPROVEN_LINES, CallbackHandler
from panosc_spawner.identity.seen import Rate


def test_so_many_a_minute():
    now = [0.0]
    rate = Rate(60, clock=lambda: now[0])
    assert [rate.allows() for _ in range(100)].count(True) == 60
    now[0] += 10
    assert [rate.allows() for _ in range(100)].count(True) == 10
    now[0] += 1e9
    assert [rate.allows() for _ in range(100)].count(True) == 60


def test_nobody_can_push_out_the_audit_logs_older_lines_by_being_refused(monkeypatch):
    monkeypatch.setattr(CallbackHandler, "unproven", Rate(UNPROVEN_LINES, clock=lambda: 0.0))
    written = []
    audit = SimpleNamespace(record=lambda event, **fields: written.append(fields["identity"]))
    handler = SimpleNamespace(
        community="demo", authenticator=SimpleNamespace(audit=audit), unproven=CallbackHandler.unproven
    )
    for _ in range(1000):
        CallbackHandler._refused(handler, "state")
    assert len(written) == UNPROVEN_LINES
    CallbackHandler._refused(handler, "not-a-member", "ada@demo.example (https://login.example)")
    assert written[-1].startswith("ada@"), "who was proven is always written down"
