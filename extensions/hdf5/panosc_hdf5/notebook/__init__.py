"""The kernel's part: what a notebook may name, who reads it, and how the answers get to the browser."""
