"""The environments as a software catalogue: what a site says of them, with what the images themselves say of what is in them.

``panosc-hub environments`` prints it; the portal shows it, and hands it to harvesters.
"""
