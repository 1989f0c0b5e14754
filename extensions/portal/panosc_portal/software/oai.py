"""OAI-PMH 2.0 (openarchives.org/OAI/openarchivesprotocol.html): harvesters, EOSC's among them, read the catalogue by it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from xml.etree import ElementTree as ET

from panosc_portal.software.catalogue import Software
from panosc_portal.software.datacite import DATACITE, OAI_DATACITE, OAI_DC, as_datacite, as_dublin_core, plain
from panosc_portal.software.stamps import Stamp, Stamps
from panosc_spawner.software.model import Entry

OAI = "http://www.openarchives.org/OAI/2.0/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
PAGE = 100
_SCHEMA = "http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd"
_MAX_TOKEN = 1000
ET.register_namespace("xsi", XSI)


@dataclass(frozen=True)
class Format:
    """A format of records: its prefix, schema and namespace, and what makes one."""

    schema: str
    namespace: str
    make: Callable[[Entry, Software, datetime], ET.Element]


FORMATS = {
    "oai_datacite": Format("http://schema.datacite.org/oai/oai-1.1/oai.xsd", OAI_DATACITE, as_datacite),
    "oai_dc": Format("http://www.openarchives.org/OAI/2.0/oai_dc.xsd", OAI_DC, as_dublin_core),
}

_ARGUMENTS: dict[str, tuple[frozenset[str], frozenset[str]]] = {  # of each verb: required, optional
    "Identify": (frozenset(), frozenset()),
    "ListMetadataFormats": (frozenset(), frozenset({"identifier"})),
    "ListSets": (frozenset(), frozenset({"resumptionToken"})),
    "GetRecord": (frozenset({"identifier", "metadataPrefix"}), frozenset()),
    "ListIdentifiers": (frozenset({"metadataPrefix"}), frozenset({"from", "until", "set", "resumptionToken"})),
    "ListRecords": (frozenset({"metadataPrefix"}), frozenset({"from", "until", "set", "resumptionToken"})),
}


class OaiError(Exception):
    """An error of the protocol: its code (section 3.6), and words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


@dataclass(frozen=True)
class _Record:
    id: str
    entry: Entry | None  # None: it is gone
    stamp: Stamp

    @property
    def sets(self) -> tuple[str, ...]:
        return ("software", *(f"facility:{key}" for key in self.entry.facilities)) if self.entry else ("software",)


class Repository:
    """The catalogue as a repository.

    Args:
        software: the entries.
        stamps: when each changed.
        page: records of one answer.
    """

    def __init__(self, software: Software, stamps: Stamps, page: int = PAGE) -> None:
        self._software, self._stamps, self._page = software, stamps, page
        hub = software.portal.site.config.hub
        self._address = software.address("oai")
        self._space = re.sub(r"^https?://([^/:]+).*$", r"\1", hub.public_url)

    async def answer(self, arguments: Sequence[tuple[str, str]]) -> bytes:
        """The XML that answers a request; never an exception for what the request holds."""
        now = datetime.now(UTC)
        root = ET.Element(f"{{{OAI}}}OAI-PMH", {f"{{{XSI}}}schemaLocation": f"{OAI} {_SCHEMA}"})
        ET.SubElement(root, f"{{{OAI}}}responseDate").text = _moment(now)
        request = ET.SubElement(root, f"{{{OAI}}}request")
        request.text = self._address
        try:
            asked = _checked(arguments)
            body = await self._body(asked, now)
            # Of a request that is wrong, the arguments are not repeated (section 3.6).
            for name, value in asked.items():
                request.set(name, plain(value))
            root.append(body)
        except OaiError as error:
            if error.code not in {"badVerb", "badArgument"}:
                for name, value in arguments:
                    request.set(name, plain(value))
            ET.SubElement(root, f"{{{OAI}}}error", {"code": error.code}).text = error.words
        ET.indent(root, " ")
        text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True, default_namespace=None)
        return text

    async def _body(self, asked: Mapping[str, str], now: datetime) -> ET.Element:
        verb = asked["verb"]
        body = ET.Element(f"{{{OAI}}}{verb}")
        if verb == "ListSets":
            self._sets(body, asked)
            return body
        records = await self._records(now)
        if verb == "Identify":
            self._identify(body, records, now)
        elif verb == "ListMetadataFormats":
            self._formats(body, records, asked.get("identifier"))
        elif verb == "GetRecord":
            body.append(self._record(_one(records, asked["identifier"]), _format(asked["metadataPrefix"])))
        else:
            self._list(body, records, asked, whole=verb == "ListRecords")
        return body

    async def _records(self, now: datetime) -> dict[str, _Record]:
        entries = {f"oai:{self._space}:{entry.id}": entry for entry in await self._software.entries()}
        described = ((id, self._software.jsonld(entry, whole=False)) for id, entry in entries.items())
        stamps = await asyncio.to_thread(self._stamps.update, list(described), now)
        return {id: _Record(id, entries.get(id), stamp) for id, stamp in sorted(stamps.items())}

    def _identify(self, body: ET.Element, records: Mapping[str, _Record], now: datetime) -> None:
        hub = self._software.portal.site.config.hub
        support = hub.support if re.fullmatch(r"[^@\s/]+@[^@\s/]+", hub.support) else f"nobody@{self._space}"
        earliest = min((record.stamp.changed for record in records.values()), default=now)
        for name, value in (
            ("repositoryName", f"Software of {hub.title}"),
            ("baseURL", self._address),
            ("protocolVersion", "2.0"),
            ("adminEmail", support),
            ("earliestDatestamp", _moment(earliest)),
            ("deletedRecord", "persistent"),
            ("granularity", "YYYY-MM-DDThh:mm:ssZ"),
        ):
            ET.SubElement(body, f"{{{OAI}}}{name}").text = plain(value)

    def _formats(self, body: ET.Element, records: Mapping[str, _Record], identifier: str | None) -> None:
        if identifier is not None:
            _one(records, identifier)
        for prefix, format in FORMATS.items():
            element = ET.SubElement(body, f"{{{OAI}}}metadataFormat")
            ET.SubElement(element, f"{{{OAI}}}metadataPrefix").text = prefix
            ET.SubElement(element, f"{{{OAI}}}schema").text = format.schema
            ET.SubElement(element, f"{{{OAI}}}metadataNamespace").text = format.namespace

    def _sets(self, body: ET.Element, asked: Mapping[str, str]) -> None:
        if "resumptionToken" in asked:
            raise OaiError("badResumptionToken", "The sets are given at once, so there is no token for them.")
        names = {"software": "Software environments"}
        for key in dict.fromkeys(self._software.portal.site.facilities):
            names[f"facility:{key}"] = f"Offered by {self._software.portal.site.facilities[key].name}"
        for spec, title in names.items():
            element = ET.SubElement(body, f"{{{OAI}}}set")
            ET.SubElement(element, f"{{{OAI}}}setSpec").text = spec
            ET.SubElement(element, f"{{{OAI}}}setName").text = plain(title)

    def _list(self, body: ET.Element, records: Mapping[str, _Record], asked: Mapping[str, str], *, whole: bool) -> None:
        token = asked.get("resumptionToken")
        question, start = _resumed(token) if token is not None else (dict(asked), 0)
        format = _format(question["metadataPrefix"])
        found = _selected(records.values(), question)
        if not found:
            raise OaiError("noRecordsMatch", "No record changed in this time, or is in this set.")
        if start >= len(found):
            _bad_token()
        shown = found[start : start + self._page]
        for record in shown:
            body.append(self._record(record, format) if whole else _header(record))
        end = start + len(shown)
        if end < len(found) or token is not None:
            resumption = ET.SubElement(
                body, f"{{{OAI}}}resumptionToken", {"completeListSize": str(len(found)), "cursor": str(start)}
            )
            resumption.text = _token(question, end) if end < len(found) else None

    def _record(self, record: _Record, format: Format) -> ET.Element:
        element = ET.Element(f"{{{OAI}}}record")
        element.append(_header(record))
        if record.entry is not None:
            metadata = ET.SubElement(element, f"{{{OAI}}}metadata")
            metadata.append(format.make(record.entry, self._software, record.stamp.changed))
        return element


def _checked(arguments: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The arguments, if a verb takes them."""
    asked = dict(arguments)
    if len([name for name, _ in arguments if name == "verb"]) > 1 or asked.get("verb") not in _ARGUMENTS:
        raise OaiError("badVerb", f"verb is one of: {', '.join(_ARGUMENTS)}.")
    if len(asked) != len(arguments):
        raise OaiError("badArgument", "An argument is given twice.")
    required, optional = _ARGUMENTS[asked["verb"]]
    given = asked.keys() - {"verb"}
    if unknown := given - required - optional:
        raise OaiError("badArgument", f"{asked['verb']} takes no argument {plain(min(unknown))[:40]!r}.")
    if "resumptionToken" in given:
        if len(given) > 1:
            raise OaiError("badArgument", "resumptionToken stands alone.")
    elif missing := required - given:
        raise OaiError("badArgument", f"{asked['verb']} needs {' and '.join(sorted(missing))}.")
    return asked


def _format(prefix: str) -> Format:
    if prefix not in FORMATS:
        raise OaiError("cannotDisseminateFormat", f"metadataPrefix is one of: {', '.join(FORMATS)}.")
    return FORMATS[prefix]


def _one(records: Mapping[str, _Record], identifier: str) -> _Record:
    if identifier not in records:
        raise OaiError("idDoesNotExist", "There is no record with this identifier.")
    return records[identifier]


def _selected(records: Iterable[_Record], question: Mapping[str, str]) -> list[_Record]:
    since, until = _limit(question, "from"), _limit(question, "until", end=True)
    if since and until and since > until:
        raise OaiError("badArgument", "from is later than until.")
    if "from" in question and "until" in question and len(question["from"]) != len(question["until"]):
        raise OaiError("badArgument", "from and until must both be days, or both be moments.")
    chosen: list[_Record] = []
    for record in records:
        in_time = (not since or record.stamp.changed >= since) and (not until or record.stamp.changed <= until)
        if in_time and ("set" not in question or question["set"] in record.sets):
            chosen.append(record)
    return chosen


def _limit(question: Mapping[str, str], name: str, *, end: bool = False) -> datetime | None:
    text = question.get(name)
    if text is None:
        return None
    form = "%Y-%m-%d" if len(text) == 10 else "%Y-%m-%dT%H:%M:%SZ"
    try:
        found = datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        raise OaiError("badArgument", f"{name} is a day (2026-11-26) or a moment (2026-11-26T08:00:00Z).") from None
    return found + timedelta(days=1, seconds=-1) if end and len(text) == 10 else found


def _header(record: _Record) -> ET.Element:
    header = ET.Element(f"{{{OAI}}}header", {"status": "deleted"} if record.entry is None else {})
    ET.SubElement(header, f"{{{OAI}}}identifier").text = plain(record.id)
    ET.SubElement(header, f"{{{OAI}}}datestamp").text = _moment(record.stamp.changed)
    for spec in record.sets:
        ET.SubElement(header, f"{{{OAI}}}setSpec").text = spec
    return header


def _token(question: Mapping[str, str], start: int) -> str:
    held = {name: question[name] for name in ("metadataPrefix", "from", "until", "set") if name in question}
    return base64.urlsafe_b64encode(json.dumps([held, start]).encode()).decode().rstrip("=")


def _resumed(token: str) -> tuple[dict[str, str], int]:
    """The question that a token goes on with. It holds no secret and gives no right: whoever makes one up may ask so anyway."""
    try:
        if len(token) > _MAX_TOKEN:
            _bad_token()
        held, start = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if not isinstance(held, dict) or type(start) is not int or start < 1 or "metadataPrefix" not in held:
            _bad_token()
        if not all(isinstance(value, str) for value in held.values()):
            _bad_token()
        if held.keys() - {"metadataPrefix", "from", "until", "set"} or held["metadataPrefix"] not in FORMATS:
            _bad_token()
    except (ValueError, TypeError, RecursionError):
        _bad_token()
    return held, start


def _bad_token() -> NoReturn:
    raise OaiError("badResumptionToken", "This is no token of ours, or the list has become shorter. Start anew.")


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


__all__ = ["DATACITE", "FORMATS", "OAI", "OaiError", "Repository"]
