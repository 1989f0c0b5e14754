"""Dioptas 0.11 as it runs here: each change is refused if the text that it replaces is not there any more. Prints the changed files."""

import sys
from pathlib import Path

SITE = Path("/opt/venv/lib/python3.13/site-packages")

CHANGES = [
    # The desktop's other programs take Qt through PySide6 (QT_API says so); Dioptas works with PyQt6 only.
    (
        "dioptas/__init__.py",
        'if "QT_API" not in os.environ:\n    try:\n        import PyQt6.QtCore\n    except ImportError:\n        pass\n',
        'os.environ["QT_API"] = "pyqt6"\n',
    ),
    # dioptas FILE opens an image, after the question about the last session.
    (
        "dioptas/__init__.py",
        "    if len(sys.argv) == 1:  # normal start\n"
        "        controller = MainController()\n"
        "        controller.show_window()\n",
        '    if len(sys.argv) == 1 or (os.path.isfile(sys.argv[1]) and not sys.argv[1].endswith(".json")):\n'
        "        controller = MainController()\n"
        "        controller.show_window()\n"
        "        if len(sys.argv) > 1:\n"
        "            app.processEvents()\n"
        "            controller.integration_controller.image_controller.load_file(\n"
        "                filename=os.path.abspath(sys.argv[1])\n"
        "            )\n",
    ),
    # Asks GitHub for a newer version, which nobody could install into an image.
    (
        "dioptas/controller/MainController.py",
        "        if use_settings:\n            self._check_for_update()\n",
        "",
    ),
    # The 3D view of series needs OpenGL; without it Dioptas leaves the button out.
    (
        "dioptas/widgets/integration/BatchWidget.py",
        "    from ..plot_widgets.SurfaceWidget import SurfaceWidget\n",
        '    raise ModuleNotFoundError("OpenGL is not in this image")\n',
    ),
    # The icons of the theme are written at each start: not into a home, which may be full.
    (
        "qt_material/resources/generate.py",
        "RESOURCES_PATH = os.path.join(HOME, '.qt_material')\n",
        "RESOURCES_PATH = os.path.join(os.environ.get('XDG_RUNTIME_DIR') or HOME, '.qt_material')\n",
    ),
]

for name, old, new in CHANGES:
    file = SITE / name
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        sys.exit(f"{name}: {text.count(old)} times instead of once: {old!r}")
    file.write_text(text.replace(old, new), encoding="utf-8")
for name in dict.fromkeys(name for name, _, _ in CHANGES):
    print(SITE / name)
