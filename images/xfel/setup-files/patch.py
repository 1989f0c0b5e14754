"""Let EXtra-data open runs that lie on a read-only file system, as people's proposals do here.

Having read a run, EXtra-data 1.25 stores a map of its files beside them. It goes on where it has no permission to, but not
where the file system is read-only (EROFS). This fails when its source is no longer the one that was looked at.
"""

from pathlib import Path

import extra_data.run_files_map

BEFORE = "                except PermissionError:\n                    continue\n"
AFTER = BEFORE.replace("PermissionError", "OSError")

file = Path(extra_data.run_files_map.__file__)
source = file.read_text()
if source.count(BEFORE) != 1:
    raise SystemExit(f"{file} has changed: is this patch still needed?")
file.write_text(source.replace(BEFORE, AFTER))
print(file)
