"""The demo's modules, which are scripts beside each other and not a package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "deploy"), str(ROOT / "deploy" / "demo")]

bootstrap = importlib.import_module("bootstrap")
demo = importlib.import_module("demo")
demo_process = importlib.import_module("demo_process")
demo_providers = importlib.import_module("demo_providers")
demo_site = importlib.import_module("demo_site")
provider = importlib.import_module("provider")
sample_data = importlib.import_module("sample_data")
sample_diffraction = importlib.import_module("sample_diffraction")
sample_measured = importlib.import_module("sample_measured")
sample_xfel = importlib.import_module("sample_xfel")
