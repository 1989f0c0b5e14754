"""SciCat's things as it answers them, and what of its free-form metadata is asked and read."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from panosc_portal.catalogues.entries import Kept
from panosc_portal.catalogues.model import Parameter, ParameterCondition
from panosc_portal.catalogues.values import Day, Entry, Exact, Identifier, Line, Name, Prose, Size, When, line, quantity
from panosc_portal.quantities import in_si

_KEY = re.compile(r"[A-Za-z0-9_ -]{1,100}", re.ASCII)  # of scientificMetadata: nothing that is an operator or a path
_SLACK = 1e-6  # SciCat's SI values went through another library's conversion


class SciCatLogin(Entry):
    """What auth/oidc/token answers."""

    access_token: Identifier = Field(max_length=10_000)


class SciCatUser(Entry):
    """What auth/whoami answers."""

    groups: Any = Field(default=(), alias="currentGroups")


class SciCatTechnique(Entry):
    """A technique."""

    pid: Name = ""
    name: Line = ""


class SciCatInstrument(Entry):
    """An instrument."""

    pid: Name = ""
    name: Line = ""


class SciCatProposal(Entry):
    """A proposal."""

    proposal_id: Identifier = Field(alias="proposalId")
    title: Line = ""
    abstract: Prose = ""


class SciCatSample(Entry):
    """A sample."""

    name: Line = Field(default="", alias="sampleId")
    description: Prose = ""


class SciCatFile(Entry):
    """A file of a block."""

    path: Exact = ""
    size: Size = None
    checksum: Line = Field(default="", alias="chk")


class SciCatBlock(Entry):
    """``OrigDatablock``."""

    algorithm: Line = Field(default="", alias="chkAlg")
    files: Annotated[tuple[SciCatFile, ...], Kept()] = Field(default=(), alias="dataFileList")


class SciCatLifecycle(Entry):
    """``datasetlifecycle``: when the data policy makes the data set public."""

    publishing: Day = Field(default=None, alias="dateOfPublishing")


class SciCatPublication(Entry):
    """``PublishedData``: version 4 and older."""

    doi: Identifier
    title: Line = ""
    abstract: Prose = ""
    pids: Any = Field(default=None, alias="datasetPids")
    old_pids: Any = Field(default=None, alias="pidArray")

    def datasets(self) -> list[str]:
        """The PIDs of its data sets."""
        listed = self.pids if isinstance(self.pids, list) else self.old_pids
        return [pid for pid in (listed if isinstance(listed, list) else [])[:100] if isinstance(pid, str)]


class SciCatDataset(Entry):
    """``Dataset``, with what was included."""

    pid: Identifier
    name: Line = Field(default="", alias="datasetName")
    description: Prose = ""
    published: bool | None = Field(default=None, alias="isPublished", strict=True)
    created: When = Field(default=None, alias="creationTime")
    size: Size = None
    count: Size = Field(default=None, alias="numberOfFiles")
    techniques: Annotated[tuple[SciCatTechnique, ...], Kept()] = ()
    proposal_ids: Any = Field(default=(), alias="proposalIds")
    owner_group: Line = Field(default="", alias="ownerGroup")
    access_groups: Any = Field(default=(), alias="accessGroups")
    instrument_ids: Any = Field(default=(), alias="instrumentIds")
    licence: Line = Field(default="", alias="license")
    folder: Exact = Field(default="", alias="sourceFolder")
    lifecycle: Annotated[tuple[SciCatLifecycle, ...], Kept()] = Field(default=(), alias="datasetlifecycle")
    metadata: Any = Field(default=None, alias="scientificMetadata")
    instruments: Annotated[tuple[SciCatInstrument, ...], Kept()] = ()
    proposals: Annotated[tuple[SciCatProposal, ...], Kept()] = ()
    samples: Annotated[tuple[SciCatSample, ...], Kept()] = ()
    blocks: Annotated[tuple[SciCatBlock, ...], Kept()] = Field(default=(), alias="origdatablocks")


def texts(value: Any) -> frozenset[str]:
    """The texts of a list that are not empty."""
    listed = value[:1000] if isinstance(value, list) else []
    return frozenset(one.strip() for one in listed if isinstance(one, str) and one.strip())


def dates_between(first: int | None, last: int | None) -> dict[str, Any]:
    """A condition on a date, both years included."""
    low = {"$gte": {"$date": f"{max(first, 1800)}-01-01T00:00:00.000Z"}} if first is not None else {}
    high = {"$lte": {"$date": f"{min(last, 2999)}-12-31T23:59:59.999Z"}} if last is not None else {}
    return {**low, **high}


def metadata_condition(condition: ParameterCondition) -> dict[str, Any]:
    """A condition on scientificMetadata, in SI; nothing where it cannot be said safely."""
    if _KEY.fullmatch(condition.name) is None:
        return {}
    key = f"scientificMetadata.{condition.name}"
    if condition.text:
        return {f"{key}.value": condition.text}
    limits = {}
    for operator, end, slack in (("$gte", condition.low, -_SLACK), ("$lte", condition.high, _SLACK)):
        if end is None:
            continue
        si = in_si(end, condition.unit, condition.name) if condition.unit else (end, "")
        if si is None:
            return {}
        limits[operator] = si[0] + abs(si[0]) * slack
    return {f"{key}.{'valueSI' if condition.unit else 'value'}": limits} if limits else {}


def metadata_parameters(metadata: Any) -> list[Parameter]:
    """What of the free-form metadata is a quantity or a text, one level of names deep."""
    found: list[Parameter] = []
    for key, one in list(metadata.items())[:2000] if isinstance(metadata, dict) else []:
        held = one if isinstance(one, dict) else {"value": one}
        if isinstance(one, dict) and not set(one) & {"value", "v"}:
            continue
        try:
            value = quantity(held["value"] if held.get("value") is not None else held.get("v"))
            unit = line(held.get("unit") if held.get("unit") is not None else held.get("u"), 100)
            found.append(Parameter(line(key, 200), value, unit))
        except (ValueError, KeyError):
            continue
    return found
