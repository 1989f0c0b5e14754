"""Execute a notebook from a copy of its folder; run inside an image by ``panosc-hub images verify``.

Fails if a cell does, or if one writes to stderr, which a person sees as a red box. The executed notebook and its last
picture, ``NAME.notebook.png``, go to ``/pictures``; a script of the same name has its picture there, too.

::

    notebook.py FOLDER NAME SECONDS
"""

import base64
import shutil
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

PICTURES = Path("/pictures")


def red_boxes(notebook: nbformat.NotebookNode) -> list[str]:
    """What cells wrote to stderr, with the cell's number."""
    return [
        f"cell {number} writes to stderr: {output['text'].strip()[:500]}"
        for number, cell in enumerate(notebook.cells, start=1)
        for output in cell.get("outputs", ())
        if output.get("output_type") == "stream" and output.get("name") == "stderr"
    ]


def pictures(notebook: nbformat.NotebookNode) -> list[bytes]:
    """All pictures that cells show."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if picture := output.get("data", {}).get("image/png"):
                found.append(base64.b64decode(picture))
    return found


def picture_of(name: str) -> str:
    """The name of a notebook's picture: ``NAME.png`` is that of the script ``NAME.py``."""
    return str(Path(name).with_suffix(".notebook.png"))


def main(folder: Path, name: str, seconds: int) -> int:
    """0 if the notebook runs from beginning to end."""
    here = Path("examples") / folder.name
    shutil.copytree(folder, here)
    notebook = nbformat.read(here / name, as_version=4)  # type: ignore[no-untyped-call]
    kernel = notebook.metadata.get("kernelspec", {}).get("name", "python3")
    client = NotebookClient(notebook, timeout=seconds, kernel_name=kernel, resources={"metadata": {"path": str(here)}})
    problem = ""
    try:
        client.execute()
    except CellTimeoutError as error:
        problem = f"a cell takes longer than {seconds} s: {str(error)[:300]}"
    except (CellExecutionError, DeadKernelError) as error:
        problem = str(error)[-3000:]
    nbformat.write(notebook, PICTURES / name)  # type: ignore[no-untyped-call]
    shown = pictures(notebook)
    if shown:
        (PICTURES / picture_of(name)).write_bytes(shown[-1])
    for line in filter(None, [problem, *red_boxes(notebook)]):
        print(line)
    print(f"{sum(cell.cell_type == 'code' for cell in notebook.cells)} code cells, {len(shown)} pictures")
    return int(bool(problem or red_boxes(notebook)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
