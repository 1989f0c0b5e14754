"""An OAI-PMH 2.0 repository: pages with resumption tokens, deleted records, and its own clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from fakes.server import Asked, Fake, Reply

DATACITE = "http://datacite.org/schema/kernel-4"


@dataclass
class Record:
    """One record; ``body`` is its metadata as XML instead of ours."""

    number: int
    title: str = ""
    stamp: str = "2026-01-01T00:00:00Z"
    deleted: bool = False
    kind: str = "Dataset"
    rights: str = "info:eu-repo/semantics/openAccess"
    available: str = ""
    year: int = 2024
    subject: str = ""
    address: str = ""
    body: str | None = None

    @property
    def name(self) -> str:
        return f"oai:data.example.org:{self.number}"

    @property
    def doi(self) -> str:
        return f"10.83412/ELI.{self.number}"


@dataclass
class Settings:
    """How the repository behaves."""

    page: int = 3
    deleted_record: str = "persistent"
    granularity: str = "YYYY-MM-DDThh:mm:ssZ"
    now: str = "2026-06-01T00:00:00Z"
    forget_tokens: bool = False
    circle: bool = False
    prefixes: tuple[str, ...] = ("oai_dc", "oai_datacite")
    sets: dict[str, set[int]] = field(default_factory=dict)


class Repository(Fake):
    """The repository; ``records`` can be changed between harvests."""

    def __init__(self, records: list[Record], **settings: object) -> None:
        super().__init__()
        self.records = records
        self.settings = Settings(**settings)  # type: ignore[arg-type]
        self.raw: bytes | None = None

    async def answer(self, asked: Asked) -> Reply:
        if self.raw is not None:
            return self._xml(self.raw)
        query = asked.query
        body = {
            "Identify": self._identify,
            "ListMetadataFormats": self._formats,
        }.get(query.get("verb", ""), lambda: self._list(query))()
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
            f"<responseDate>{self.settings.now}</responseDate><request>x</request>{body}</OAI-PMH>"
        )
        return self._xml(text.encode())

    def _xml(self, body: bytes) -> Reply:
        return Reply(200, body, kind="text/xml; charset=utf-8")

    def _identify(self) -> str:
        return (
            "<Identify><repositoryName>ELI &amp; friends</repositoryName><protocolVersion>2.0</protocolVersion>"
            f"<deletedRecord>{self.settings.deleted_record}</deletedRecord>"
            f"<granularity>{self.settings.granularity}</granularity></Identify>"
        )

    def _formats(self) -> str:
        each = "".join(
            f"<metadataFormat><metadataPrefix>{one}</metadataPrefix></metadataFormat>" for one in self.settings.prefixes
        )
        return f"<ListMetadataFormats>{each}</ListMetadataFormats>"

    def _list(self, query: dict[str, str]) -> str:
        start, since, prefix, chosen = 0, query.get("from", ""), query.get("metadataPrefix", ""), query.get("set", "")
        if token := query.get("resumptionToken"):
            if self.settings.forget_tokens or len(query) != 2:
                return '<error code="badResumptionToken">?</error>'
            prefix, start_text, since, chosen = token.split("|")
            start = int(start_text)
        if prefix not in self.settings.prefixes:
            return '<error code="cannotDisseminateFormat">?</error>'
        found = [one for one in self.records if one.stamp >= since]
        if chosen:
            found = [one for one in found if one.number in self.settings.sets.get(chosen, set())]
        if self.settings.deleted_record == "no":
            found = [one for one in found if not one.deleted]
        if not found:
            return '<error code="noRecordsMatch">none</error>'
        page = found[start : start + self.settings.page]
        following = start if self.settings.circle else start + self.settings.page
        more = following < len(found)
        token = f"{prefix}|{following}|{since}|{chosen}" if more else ""
        listed = "".join(self._record(one, prefix) for one in page)
        end = f'<resumptionToken completeListSize="{len(found)}">{token}</resumptionToken>' if more or start else ""
        return f"<ListRecords>{listed}{end}</ListRecords>"

    def _record(self, one: Record, prefix: str) -> str:
        status = ' status="deleted"' if one.deleted else ""
        header = f"<header{status}><identifier>{one.name}</identifier><datestamp>{one.stamp}</datestamp></header>"
        if one.deleted:
            return f"<record>{header}</record>"
        body = one.body if one.body is not None else (_dc(one) if prefix == "oai_dc" else _datacite(one))
        return f"<record>{header}<metadata>{body}</metadata></record>"


def _datacite(one: Record) -> str:
    dates = f'<date dateType="Collected">{one.year}-02-01/{one.year}-02-05</date>'
    dates += f'<date dateType="Available">{one.available}</date>' if one.available else ""
    subject = f"<subject valueURI={quoteattr(one.address)}>{escape(one.subject)}</subject>" if one.subject else ""
    return (
        f'<oai_datacite xmlns="http://schema.datacite.org/oai/oai-1.1/"><payload><resource xmlns="{DATACITE}">'
        f'<identifier identifierType="DOI">{one.doi}</identifier>'
        "<creators><creator><creatorName>Lovelace, Ada</creatorName>"
        '<nameIdentifier nameIdentifierScheme="ORCID">https://orcid.org/0000-0001-2345-6789</nameIdentifier></creator></creators>'
        f"<titles><title>{escape(one.title)}</title></titles><publisher>ELI ERIC</publisher>"
        f"<publicationYear>{one.year}</publicationYear><subjects>{subject}</subjects><dates>{dates}</dates>"
        f'<resourceType resourceTypeGeneral="{one.kind}">x</resourceType>'
        f'<rightsList><rights rightsURI="{escape(one.rights)}">r</rights></rightsList>'
        '<descriptions><description descriptionType="Abstract">Laser wakefield</description></descriptions>'
        "</resource></payload></oai_datacite>"
    )


def _dc(one: Record) -> str:
    return (
        '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{escape(one.title)}</dc:title><dc:creator>Lovelace, Ada</dc:creator>"
        f"<dc:identifier>https://doi.org/{one.doi}</dc:identifier><dc:date>{one.year}-02-01</dc:date>"
        f"<dc:type>{one.kind}</dc:type><dc:rights>{escape(one.rights)}</dc:rights>"
        "<dc:identifier>javascript:alert(1)</dc:identifier></oai_dc:dc>"
    )
