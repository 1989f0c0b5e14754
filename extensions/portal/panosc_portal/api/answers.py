"""The API's answers, and how they are described to programs (OpenAPI). The same fields as the index's entities."""

from __future__ import annotations

from typing import Any

from panosc_portal.index.entities import ENTITIES, Entity, Type

_TYPES: dict[Type, dict[str, Any]] = {
    Type.TEXT: {"type": "string"},
    Type.NUMBER: {"type": "number"},
    Type.BOOLEAN: {"type": "boolean"},
    Type.TIME: {"type": "string", "format": "date-time"},
    Type.LIST: {"type": "array", "items": {"type": "string"}},
    Type.ANY: {"anyOf": [{"type": "number"}, {"type": "string"}]},
}
_MUST = {
    "Dataset": ["pid", "title", "isPublic"],
    "Document": ["pid", "isPublic", "type", "title"],
    "Instrument": ["pid", "name", "facility"],
    "File": ["id", "name"],
}


def schemas() -> dict[str, Any]:
    """All entities, and the error, for ``components``."""
    found = {name: _schema(entity) for name, entity in ENTITIES.items()}
    found["Count"] = {
        "type": "object",
        "required": ["count"],
        "properties": {"count": {"type": "integer", "minimum": 0}},
    }
    said = {
        "type": "object",
        "required": ["statusCode", "name", "message"],
        "properties": {
            "statusCode": {"type": "integer"},
            "name": {"type": "string"},
            "message": {"type": "string"},
            "code": {"type": "string"},
        },
    }
    found["Error"] = {"type": "object", "required": ["error"], "properties": {"error": said}}
    return found


def _schema(entity: Entity) -> dict[str, Any]:
    """One entity. Fields are mandatory only where no ``fields`` was asked for, which a schema cannot say: so none are."""
    fields: dict[str, Any] = {one.name: dict(_TYPES[one.type]) for one in entity.fields.values()}
    for name in _MUST.get(entity.name, []):
        fields[name]["description"] = "Always there, unless `fields` leaves it out."
    for relation in entity.relations.values():
        target = {"$ref": f"#/components/schemas/{relation.target}"}
        fields[relation.name] = {"type": "array", "items": target} if relation.many else target
    if entity.name in {"Dataset", "Document", "Instrument"}:
        fields["score"] = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return {"type": "object", "properties": fields}


def responses(schema: dict[str, Any], *, one: bool) -> dict[int | str, dict[str, Any]]:
    """What a path answers."""
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "Found.", "content": {"application/json": {"schema": schema}}},
        400: {"description": "The filter is not one; the message names the place.", **error},
        401: {"description": "The token is nobody's.", **error},
        503: {"description": "Too much is asked, or it takes too long to find. Try again, or ask for less.", **error},
    }
    if one:
        found[404] = {"description": "There is none, or not for you.", **error}
    return found


def reference(name: str, *, many: bool = False) -> dict[str, Any]:
    """A reference to a schema."""
    target = {"$ref": f"#/components/schemas/{name}"}
    return {"type": "array", "items": target} if many else target
