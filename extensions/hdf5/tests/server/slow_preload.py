"""Imported by workers at start, as from a disk that sleeps."""

import time

time.sleep(1.5)
