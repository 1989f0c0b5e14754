"""What McStas, the C compiler and compiled instruments print when something is wrong, in words."""

from __future__ import annotations

import difflib
import re
import signal
from pathlib import Path

# Files that Debian's mcstas-comps has and this image left out for their size, one a line: name, bytes, what for.
LEFT_OUT = Path("/opt/panosc/mcstas-left-out.txt")
_TAIL = 12


def translation(output: str, source: str, known: list[str]) -> str:
    """Why the generator refused an instrument.

    Args:
        output: what ``mcstas`` printed.
        source: the instrument's source, to show the line.
        known: names of all components, to suggest one.
    """
    missing = re.search(r"Cannot find file containing definition of component '([^']+)'", output)
    if missing:
        near = difflib.get_close_matches(missing[1], known, 1, 0.6)
        hint = f" Did you mean {near[0]}?" if near else " Its .comp file can lie beside the instrument."
        return f"There is no component {missing[1]}.{hint}"
    wrong = re.search(r"Unmatched actual parameter (\w+) for component (\w+)=(\w+)\(\)", output)
    if wrong:
        names = re.search(r"Definition parameters:(.*?)\n(?:Info|mcstas|mcxtrace|$)", output, re.DOTALL)
        has = names[1].replace("Setting parameters:", " ").split() if names else []
        near = difflib.get_close_matches(wrong[1], has, 1, 0.5)
        hint = f" Did you mean {near[0]}?" if near else f" It has: {', '.join(has)}."
        return f"Component {wrong[2]} ({wrong[3]}) has no parameter {wrong[1]}.{hint}"
    syntax = re.search(r"syntax error at line (\d+)", output)
    if syntax:
        return f"Syntax error in line {syntax[1]} of the instrument{_line(source, int(syntax[1]))}"
    errors = [line.split("ERROR:", 1)[1].strip() for line in output.splitlines() if "ERROR:" in line]
    return " ".join(errors) or f"It was not understood:\n{_tail(output)}"


def compilation(output: str, code: str, source: str) -> str:
    """Why the C compiler refused an instrument: its first error, with the component or the line that it is about.

    Args:
        output: what the compiler printed.
        code: the generated C, which names components.
        source: the instrument's source, to show the line.
    """
    error = re.search(r"^(\S+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$", output, re.MULTILINE)
    if not error:
        return f"The C compiler failed:\n{_tail(output)}"
    file, number, what = error[1], int(error[2]), error[3]
    if file.endswith(".instr"):
        return f"Line {number} of the instrument: {what}{_line(source, number)}"
    if file.endswith(".comp"):
        return f"In the component file {file}, line {number}: {what}"
    places = re.findall(
        r"In function ['‘]_?(\w+?)_(?:setpos|init|trace|save|finally|display)['’]", output[: error.start()]
    )
    where = f"In component {places[-1]}: " if places else ""
    return f"{where}{what}{_line(code, number)}"


def run(output: str, status: int, free: int | None = None) -> str:
    """Why a compiled instrument ended badly.

    Args:
        output: what it printed.
        status: its exit status; negative: the signal that ended it.
        free: bytes free where it wrote, if known.
    """
    if free is not None and free < 1_000_000:
        return "The disk is full where the result was written: remove something, or use fewer monitors or bins."
    file = re.search(
        r"(?:Could not open file|[Cc]annot open file|Could not (?:find|read)(?: the)?(?: file)?|cannot read file) ['\"]?([^\s'\"]+)",
        output,
    )
    if file:
        return f"The data file {file[1]} was not found.{_left_out(file[1])}"
    said = [line.strip() for line in output.splitlines() if complains(line)]
    if status < 0:
        name = signal.Signals(-status).name
        reason = (
            " (most often: out of memory, or stopped by somebody)" if name == "SIGKILL" else " (a fault in a component)"
        )
        return f"The instrument's program was ended by {name}{reason}.\n{_tail(output)}"
    return "\n".join(said[:3]) or f"The instrument's program ended with status {status}:\n{_tail(output)}"


def complains(output: str) -> bool:
    """Whether that output speaks of an error."""
    return bool(re.search(r"\berror\b|exiting|unmeaningful|fatal", output, re.IGNORECASE))


def _left_out(name: str) -> str:
    try:
        for line in LEFT_OUT.read_text().splitlines():
            file, size = line.split()[:2]
            if file == Path(name).name:
                return (
                    f" It belongs to McStas, but was left out of this image ({int(size) / 1e6:.0f} MB): "
                    "put it beside the instrument, from Debian's package mcstas-comps or mcxtrace-comps."
                )
    except (OSError, ValueError):
        pass
    return " Put it beside the instrument, or give its full path."


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return f":\n    {lines[number - 1].strip()}" if 0 < number <= len(lines) else "."


def _tail(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-_TAIL:])
