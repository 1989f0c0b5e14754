"""The button *Cancel*, pressed while a cell of a real kernel runs a long scan: as JupyterLab does it, in a thread of the kernel."""

import os
import time
from pathlib import Path

import matplotlib.pyplot as plt
from jupyter_client.manager import start_new_kernel

INSTRUMENT = """
import mcstasscript as ms, numpy as np, panosc_simulation as ps
instrument = ms.McStas_instr("cancelled")
instrument.add_parameter("wavelength", value=2.0)
source = instrument.add_component("source", "Source_simple", AT=[0, 0, 0])
source.set_parameters(radius=0.02, dist=5, focus_xw=0.02, focus_yh=0.02, lambda0="wavelength", dlambda=0.1, flux=1e12)
monitor = instrument.add_component("monitor", "L_monitor", AT=[0, 0, 5], RELATIVE="source")
monitor.set_parameters(xwidth=0.1, yheight=0.1, filename='"l.dat"', nL=50, Lmin=0.5, Lmax=4)
ps.run(instrument, ncount=1e4, progress=False)
"""
LONG = "ps.scan(instrument, {'wavelength': np.linspace(1, 3, 500)}, ncount=2e7, output='never.nxs')"


def programs() -> list[str]:
    """Compiled instruments that run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if b"panosc-simulation/" in command and b"/program" in command:
            found.append(entry.name)
    return found


def answer(client, message_id: str, channel: str) -> dict:
    """The reply to a message on a channel."""
    while True:
        reply = getattr(client, f"get_{channel}_msg")(timeout=60)
        if reply["parent_header"].get("msg_id") == message_id:
            return reply


manager, client = start_new_kernel(kernel_name="python3")
try:
    client.execute_interactive(INSTRUMENT, timeout=120, output_hook=lambda message: None)
    control = client.session.msg("create_subshell_request", {})
    client.control_channel.send(control)
    subshell = answer(client, control["header"]["msg_id"], "control")["content"]["subshell_id"]

    request = client.execute(LONG)
    buttons, said = [], []
    end = time.monotonic() + 60
    while not (buttons and len(programs()) >= 1 and any("%" in words for words in said)):
        assert time.monotonic() < end, "the scan did not start"
        message = client.get_iopub_msg(timeout=30)
        content = message["content"]
        state = content.get("data", {}).get("state", {}) if message["msg_type"] in ("comm_open", "comm_msg") else {}
        if state.get("_model_name") == "ButtonModel":
            buttons.append(content["comm_id"])
        said += [str(state["value"])] if isinstance(state.get("value"), str) else []
    running = len(programs())
    print(f"result: instruments at once = {running} processes")
    print(f"result: words beside the bar = {said[-1]}")

    pressed = time.monotonic()
    click = client.session.msg(
        "comm_msg", {"comm_id": buttons[0], "data": {"method": "custom", "content": {"event": "click"}, "buffers": []}}
    )
    click["header"]["subshell_id"] = subshell
    client.shell_channel.send(click)
    reply = answer(client, request, "shell")
    took = time.monotonic() - pressed
    assert reply["content"]["ename"] == "Cancelled", reply["content"]
    assert took < 1.0, f"Cancel took {took:.2f} s"
    assert not programs(), "an instrument still runs"
    assert not list(Path.cwd().glob("*never*")) + list(Path.cwd().glob(".never*")), "a half result was left"
    assert not list(Path("/tmp").glob("panosc-run-*")), "scratch was left"
    print(f"result: cell ends after Cancel = {took:.2f} s")
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)

figure, axes = plt.subplots(figsize=(5, 2.2), layout="constrained")
axes.barh(["allowed", "measured"], [1.0, took], color=["0.8", "C0"])
axes.set_xlabel("from Cancel to the end of the cell (s)")
figure.savefig(os.environ["PANOSC_PICTURE"])
