"""Downloads (``[portal.downloads]``): how much goes as a zip, how long a link lasts, how many at a time."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.model import PlainName
from panosc_spawner.facilities.units import ByteSize, Duration


class DownloadRules(Model):
    """What people may download in which form (``[portal.downloads]``)."""

    zip_limit: ByteSize = Field(
        default=ByteSize(50 * 1024**3),
        ge=1024,
        description="Up to this size data go as one zip. Above it, as a bag (BagIt): a list of files with addresses and checksums, "
        "which programs fetch one by one.",
    )
    zip_files: int = Field(default=20_000, ge=1, le=200_000, description="Files in one zip. Each costs about 1 kB.")
    bag_files: int = Field(
        default=100_000,
        ge=1,
        le=1_000_000,
        description="Files that one bag may name. Each costs about 1 kB while it is made.",
    )
    bag_lifetime: Duration = Field(
        default=timedelta(days=7), ge=timedelta(hours=1), description="How long a bag that was made is kept."
    )
    link_lifetime: Duration = Field(
        default=timedelta(hours=24),
        ge=timedelta(minutes=5),
        le=timedelta(days=7),
        description="How long a token for curl, wget or rclone opens what it was made for. It ends earlier with the person's login, "
        "and with their right to the data.",
    )
    per_person: int = Field(
        default=4, ge=1, le=100, description="Downloads of one person at a time; rclone takes four."
    )
    at_once: int = Field(default=32, ge=1, le=10_000, description="Downloads at a time in all.")
    wait: Duration = Field(
        default=timedelta(seconds=20),
        description="How long a download waits for its turn before it is told to come later.",
    )
    recheck: Duration = Field(
        default=timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(seconds=60),
        description="How often the right to the data is asked again while they are sent.",
    )
    stall: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=5),
        description="A download whose reader takes nothing for so long is ended, so that it keeps nobody waiting.",
    )
    licences: dict[PlainName, str] = Field(
        default_factory=dict,
        description="By facility: the licence (SPDX) of its data by its data policy, told where no catalogue tells one.",
    )
