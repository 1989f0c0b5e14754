"""The PaNOSC data model as the index holds it: which fields and relations each entity has, and in which columns they lie.

Fields and relations are those of https://github.com/panosc-eu/search-api, with three more of ours on data sets (``doi``,
``landingPage``, ``source``). A data set has both ``documents`` and ``document``, since implementations differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """Types of fields."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"  # ISO 8601, in UTC, with milliseconds
    LIST = "list"  # of texts, as JSON
    ANY = "any"  # a parameter's value: number or text


@dataclass(frozen=True)
class Field:
    """A field: its column, and the column with the same text in folded case, if the table has one."""

    name: str
    type: Type
    column: str
    folded: str = ""


@dataclass(frozen=True)
class Relation:
    """How a parent's rows find their children's.

    Attributes:
        name: as clients write it.
        target: the child's entity.
        many: a list, or one object.
        link: table between them, with its two columns; empty where there is none.
        parent_key: the parent's column.
        child_key: the child's column.
    """

    name: str
    target: str
    many: bool
    parent_key: str = "id"
    child_key: str = "id"
    link: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class Entity:
    """One entity: ``text`` are the fields that the ``text`` operator looks into; ``key`` is the field of ``/{pid}``."""

    name: str
    table: str
    fields: Mapping[str, Field]
    relations: Mapping[str, Relation]
    text: tuple[str, ...] = ()
    key: str = "pid"
    guarded: bool = False  # rows that are not public are only for those on their proposal
    needs: str = ""  # shown only if one of this relation can be seen


def _text(name: str, column: str = "", *, folded: bool = False) -> Field:
    column = column or name
    return Field(name, Type.TEXT, column, f"{column}_folded" if folded else "")


def _entity(
    name: str, fields: list[Field], relations: list[Relation] | None = None, text: tuple[str, ...] = (), **more: object
) -> Entity:
    return Entity(
        name,
        name.lower(),
        {field.name: field for field in fields},
        {relation.name: relation for relation in relations or []},
        text,
        **more,  # type: ignore[arg-type]
    )


def _linked(name: str, target: str, table: str, parent: str, child: str, *, many: bool = True) -> Relation:
    return Relation(name, target, many, link=(table, parent, child))


DATASET = _entity(
    "Dataset",
    [
        _text("pid"),
        _text("title", folded=True),
        Field("isPublic", Type.BOOLEAN, "is_public"),
        Field("creationDate", Type.TIME, "created"),
        Field("size", Type.NUMBER, "size"),
        _text("doi"),
        _text("landingPage", "landing"),
        _text("source"),
    ],
    [
        _linked("documents", "Document", "dataset_document", "dataset", "document"),
        _linked("document", "Document", "dataset_document", "dataset", "document", many=False),
        _linked("techniques", "Technique", "dataset_technique", "dataset", "technique"),
        _linked("samples", "Sample", "dataset_sample", "dataset", "sample"),
        Relation("instrument", "Instrument", many=False, parent_key="instrument"),
        Relation("files", "File", many=True, child_key="dataset"),
        Relation("parameters", "Parameter", many=True, child_key="dataset"),
    ],
    ("title",),
    guarded=True,
)
DOCUMENT = _entity(
    "Document",
    [
        _text("pid"),
        Field("isPublic", Type.BOOLEAN, "is_public"),
        _text("type"),
        _text("title", folded=True),
        _text("summary", folded=True),
        _text("doi"),
        Field("startDate", Type.TIME, "start"),
        Field("endDate", Type.TIME, "ends"),
        Field("releaseDate", Type.TIME, "release"),
        _text("license"),
        Field("keywords", Type.LIST, "keywords"),
    ],
    [
        _linked("datasets", "Dataset", "dataset_document", "document", "dataset"),
        Relation("members", "Member", many=True, child_key="document"),
        Relation("parameters", "Parameter", many=True, child_key="document"),
    ],
    ("title", "summary"),
    guarded=True,
)
INSTRUMENT = _entity(
    "Instrument",
    [_text("pid"), _text("name", folded=True), _text("facility", folded=True)],
    [Relation("datasets", "Dataset", many=True, child_key="instrument")],
    ("name", "facility"),
    needs="datasets",
)
TECHNIQUE = _entity("Technique", [_text("pid"), _text("name", folded=True), _text("panetId", "panet")], text=("name",))
SAMPLE = _entity(
    "Sample",
    [_text("pid"), _text("name", folded=True), _text("description", folded=True)],
    text=("name", "description"),
)
PARAMETER = _entity(
    "Parameter",
    [Field("id", Type.NUMBER, "id"), _text("name"), Field("value", Type.ANY, "number"), _text("unit")],
    text=("name",),
    key="id",
)
FILE = _entity(
    "File",
    [Field("id", Type.NUMBER, "id"), _text("name", folded=True), _text("path"), Field("size", Type.NUMBER, "size")],
    [Relation("dataset", "Dataset", many=False, parent_key="dataset")],
    ("name",),
    key="id",
)
MEMBER = _entity(
    "Member",
    [Field("id", Type.NUMBER, "id"), _text("role")],
    [
        Relation("person", "Person", many=False, parent_key="person"),
        Relation("affiliation", "Affiliation", many=False, parent_key="affiliation"),
        Relation("document", "Document", many=False, parent_key="document"),
    ],
    key="id",
)
PERSON = _entity(
    "Person", [Field("id", Type.NUMBER, "id"), _text("fullName", "full_name", folded=True), _text("orcid")], key="id"
)
AFFILIATION = _entity("Affiliation", [Field("id", Type.NUMBER, "id"), _text("name", folded=True)], key="id")

ENTITIES: Mapping[str, Entity] = {
    entity.name: entity
    for entity in (*(DATASET, DOCUMENT, INSTRUMENT, TECHNIQUE, SAMPLE, PARAMETER, FILE, MEMBER, PERSON, AFFILIATION),)
}
