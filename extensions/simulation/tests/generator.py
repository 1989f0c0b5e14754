"""A stand-in for the program ``mcstas``: the same options, messages and kind of output, without McStas."""

import os
import re
import sys
import time
from pathlib import Path

if "--version" in sys.argv:
    print("mcstas version 3.5.19 (git)")
    sys.exit(0)
source = Path(sys.argv[-1]).read_text()
with Path(os.environ["FAKE_MCSTAS_LOG"]).open("a") as log:
    log.write(f"{os.getpid()}\n")
if "SLOW" in source:
    time.sleep(30)
if "SLEEPY" in source:
    time.sleep(1)
missing = re.search(r"= (PowdrN)\(", source)
if missing:
    print(f"ERROR: Cannot find file containing definition of component '{missing[1]}'.")
    sys.exit(1)
# Components of one's own are found in the folder that it is started in, where SEARCH says, and where -I says, as McStas does.
searched = [".", *re.findall(r'SEARCH "([^"]*)"', source), sys.argv[sys.argv.index("-I") + 1]]
for own in re.findall(r"= (Own\w*)\(", source):
    if not any((Path(folder) / f"{own}.comp").is_file() for folder in searched):
        print(f"ERROR: Cannot find file containing definition of component '{own}'.")
        sys.exit(1)
parameters = re.search(r"DEFINE INSTRUMENT \w+\((.*?)\)", source, re.DOTALL)
listed = [one.strip() for one in parameters[1].split(",") if one.strip()] if parameters else []
text = "".join(f"  {one.replace('=', ' = ')}\\n" for one in listed)
code = Path(__file__).with_name("program.c").read_text()
body = "undeclared;" if "BROKEN" in source else ""
made = Path(sys.argv[sys.argv.index("-o") + 1])
said = f'char instrument_source[] = "{sys.argv[-1]}";\n'
made.write_text(f'/*\n * CFLAGS=\n */\n{said}#define PARAMETERS "{text}"\nvoid _a_setpos(void) {{ {body} }}\n{code}')
