"""The hub's side of its portal: the service as the hub starts it, and what it may ask the hub in a person's name.

The portal decides about nobody's access. It asks here, with the token that the hub gave it for a person's browser, and the same
judges answer that decide about a start: the book of grants, the plan, the real directories.
"""
