"""SATOSA's server for the tests. A clock that is fast or slow is set before anything is loaded: its tokens' times follow it."""

import os
import time

_offset, _clock = float(os.environ.get("CLOCK_OFFSET", "0")), time.time
time.time = lambda: _clock() + _offset

workers, threads = 1, 4
