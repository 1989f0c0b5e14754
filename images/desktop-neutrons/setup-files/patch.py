"""SasView 6.2 as it runs here: each change is refused if the text that it replaces is not there any more. Prints the changed files."""

import sys
from pathlib import Path

SITE = Path("/opt/venv/lib/python3.13/site-packages")

CHANGES = [
    # Asks sasview.org for a newer version, which nobody could install into an image; and Qt Quick is not in the image.
    (
        "sas/qtgui/MainWindow/MainWindow.py",
        "    # Check for updates\n    maybe_prompt_new_version_download()\n",
        "",
    ),
    (
        "sas/qtgui/MainWindow/MainWindow.py",
        "    from PySide6.QtQuick import QQuickWindow, QSGRendererInterface\n",
        "",
    ),
    (
        "sas/qtgui/MainWindow/MainWindow.py",
        "    QQuickWindow.setGraphicsApi(QSGRendererInterface.OpenGLRhi)\n",
        "",
    ),
    # Shape2SAS draws with Qt Data Visualization, which needs OpenGL.
    (
        "sas/qtgui/MainWindow/GuiManager.py",
        "from sas.qtgui.Calculators.Shape2SAS.DesignWindow import DesignWindow as Shape2SAS\n",
        "",
    ),
    (
        "sas/qtgui/MainWindow/GuiManager.py",
        "        self.Shape2SASCalculator =  Shape2SAS(self)\n",
        "        self._workspace.actionShape2SAS_Calculator.setVisible(False)  # needs OpenGL, which this image has not\n",
    ),
    # 39 MB of examples are read where they are, not copied into each person's home.
    (
        "sas/system/user.py",
        'EXAMPLE_DATA_DIR = Path(_APP_DATA_DIR) / "example_data"\n',
        'EXAMPLE_DATA_DIR = Path(__file__).resolve().parents[1] / "example_data"\n',
    ),
    (
        "sas/system/user.py",
        '    _SAS_RESOURCES.extract_resource_tree("example_data", EXAMPLE_DATA_DIR)\n',
        "    return\n",
    ),
    # Help opens as a page of sasview.org: nothing to report in red at each start.
    (
        "sas/system/user.py",
        '    logger.error("Documentation could not be found! Help documentation will not be available in SasView.")\n',
        '    logger.info("Help opens at www.sasview.org")\n',
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
