"""Prove a built image: run as hard as the hub runs it, as a user that it has never heard of."""

from panosc_spawner.images.verify.proof import verify_image
from panosc_spawner.images.verify.report import Check, Report

__all__ = ["Check", "Report", "verify_image"]
