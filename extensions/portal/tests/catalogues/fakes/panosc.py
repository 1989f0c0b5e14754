"""Implementations of the PaNOSC search API, one class a column of the behaviour matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fakes.loopback import (
    FIELDS,
    Language,
    Thing,
    WrongError,
    error,
    is_join,
    parsed,
    related,
    scope_matches,
    shown,
)
from fakes.server import Asked, Fake, Reply

BASE = ("pid", "title", "isPublic", "size", "creationDate")
SI = {"nm": (1e-9, 0.0, "m"), "angstrom": (1e-10, 0.0, "m"), "K": (1.0, 0.0, "K"), "degC": (1.0, 273.15, "K")}
TOKENS = {"token-of-ada": {"TEST-3519"}}
"""Whose token shows which proposals at ILL."""


class PanoscFake(Fake):
    """What all have: the routes. A subclass says how lists, counts and errors come about."""

    def __init__(self, datasets: Sequence[Thing]) -> None:
        super().__init__()
        self.datasets = list(datasets)
        self.language = Language()

    async def answer(self, asked: Asked) -> Reply:
        try:
            return self.route(asked)
        except WrongError as wrong:
            return Reply(wrong.status, error(wrong.status, wrong.message))

    def route(self, asked: Asked) -> Reply:
        kind, *rest = asked.path[1:] if asked.path[0] == "api" else asked.path
        kind = kind.lower()
        if kind == "datasets":
            return self.datasets_route(rest, asked)
        if kind == "documents":
            return self.documents_route(rest, asked)
        raise WrongError(404, f"There is no method to handle GET /{'/'.join(asked.path)}")

    def datasets_route(self, rest: list[str], asked: Asked) -> Reply:
        if not rest:
            return Reply(content=self.found(parsed(asked.query.get("filter")), asked))
        if rest == ["count"]:
            return Reply(content=self.counted(parsed(asked.query.get("where")), asked))
        if len(rest) == 1:
            return self.by_id(rest[0], parsed(asked.query.get("filter")), asked)
        if len(rest) == 2 and rest[1] == "files":
            return Reply(content=self.listed_files(rest[0], asked))
        raise WrongError(404, 'Shared class "Dataset" has no method handling GET')

    def documents_route(self, rest: list[str], asked: Asked) -> Reply:
        filters = parsed(asked.query.get("filter"))
        documents = {one["document"]["pid"]: {**one["document"], "datasets": []} for one in self.visible(asked)}
        for one in self.visible(asked):
            documents[one["document"]["pid"]]["datasets"].append({key: one[key] for key in BASE})
        if rest:
            if rest[0] not in documents:
                return self.not_there("Document", rest[0])
            found = [documents[rest[0]]]
        else:
            found = [
                one for one in documents.values() if self.language.matches(filters.get("where", {}), one, "document")
            ]
        base = (*FIELDS["document"], "keywords")
        answers = [shown(one, self.language, filters.get("include", []), base) for one in found]
        return Reply(content=answers[0] if rest else answers)

    def visible(self, asked: Asked) -> list[Thing]:
        return [one for one in self.datasets if one["isPublic"]]

    def found(self, filters: Thing, asked: Asked) -> list[Thing]:
        raise NotImplementedError

    def counted(self, where: Thing, asked: Asked) -> Any:
        return {"count": sum(self.language.matches(where, one, "dataset") for one in self.visible(asked))}

    def not_there(self, kind: str, pid: str) -> Reply:
        return Reply(404, error(404, f'Unknown "{kind}" id "{pid}".', code="MODEL_NOT_FOUND"))

    def by_id(self, pid: str, filters: Thing, asked: Asked) -> Reply:
        one = next((one for one in self.visible(asked) if one["pid"] == pid), None)
        return self.not_there("Dataset", pid) if one is None else Reply(content=self.one(one, filters))

    def one(self, dataset: Thing, filters: Thing) -> Thing:
        return shown(dataset, self.language, filters.get("include", []), BASE)

    def listed_files(self, pid: str, asked: Asked) -> list[Thing]:
        filters = parsed(asked.query.get("filter"))
        files = next((one["files"] for one in self.visible(asked) if one["pid"] == pid), [])
        return paged(files, filters)

    def relations(self, filters: Thing, known: set[str], status: int) -> None:
        for include in filters.get("include", []):
            if include["relation"] not in known:
                raise WrongError(status, f'Relation "{include["relation"]}" is not defined for Dataset model')


def paged(found: list[Thing], filters: Thing) -> list[Thing]:
    """skip and limit; limit 0 is all."""
    skip, limit = filters.get("skip", 0), filters.get("limit", 0)
    return found[skip : skip + limit] if limit else found[skip:]


class LoopBack3(PanoscFake):
    """panosc-eu/search-api, as it was run."""

    KNOWN = frozenset({"instrument", "techniques", "parameters", "samples", "files"})

    def __init__(self, datasets: Sequence[Thing]) -> None:
        super().__init__(datasets)
        self.language = Language(parameter_operators=frozenset({"eq", "lt", "gt", "between"}))

    def found(self, filters: Thing, asked: Asked) -> list[Thing]:
        self.relations(filters, set(self.KNOWN), 500)
        found = [one for one in self.visible(asked) if self.language.matches(filters.get("where", {}), one, "dataset")]
        for order in reversed(filters.get("order", [])):
            name, _, way = order.partition(" ")
            found.sort(key=lambda one: str(one.get(name)), reverse=way == "DESC")
        cut = paged(found, filters)  # first the limit, then the joins
        joins = [include for include in filters.get("include", []) if is_join(include)]
        kept = [one for one in cut if all(scope_matches(self.language, one, join) for join in joins)]
        return [{**self.one(one, filters), "score": 0} for one in kept]

    def one(self, dataset: Thing, filters: Thing) -> Thing:
        self.relations(filters, set(self.KNOWN), 500)
        keys = {"documentId": dataset["document"]["pid"], "instrumentId": dataset["instrument"]["pid"]}
        return {**shown(dataset, self.language, filters.get("include", []), BASE), **keys}


class SciCatImplementation(PanoscFake):
    """SciCatProject/panosc-search-api of 2024-11 before SciCat 4.5, as it was run."""

    KNOWN = frozenset({"techniques", "parameters", "samples", "files"})

    def __init__(self, datasets: Sequence[Thing], *, scores: bool = False) -> None:
        super().__init__(datasets)
        self.scores = scores  # whether a scoring service stands behind it (PSS_ENABLE)
        plain = frozenset({"eq", "lt", "gt", "inq", "like", "ilike"})
        self.language = Language(operators=plain, parameter_operators=frozenset({"eq", "lt", "gt"}))

    def found(self, filters: Thing, asked: Asked) -> list[Thing]:
        # 'document' fails in SciCat, 'instrument' was renamed there to 'instruments': both are its 400.
        self.relations(filters, set(self.KNOWN), 400)
        where = filters.get("where", {})
        if _has_text(where):
            return []  # {"undefined": …}: text has no translation
        found = [one for one in self.visible(asked) if self.language.matches(where, one, "dataset")]
        joins = [include for include in filters.get("include", []) if is_join(include)]
        pushed = [join for join in joins if join["relation"] in ("parameters", "techniques")]
        found = [one for one in found if all(self._pushed(one, join) for join in pushed)]
        query = filters.get("query")
        limited = dict(filters) if not (self.scores and query) else {**filters, "limit": 0}
        cut = paged(found, limited)
        later = [join for join in joins if join not in pushed]
        kept = [one for one in cut if all(scope_matches(self.language, one, join) for join in later)]
        answers = [self._converted(self.one(one, {"include": _plain(filters)}), pushed) for one in kept]
        if not self.scores:
            return answers
        return _scored(answers, str(query or ""), filters.get("limit", 0))

    def _pushed(self, dataset: Thing, join: Thing) -> bool:
        """Conditions that SciCat itself applies, in SI; only the first value of one is read."""
        where = join["scope"]["where"]
        if join["relation"] == "techniques":
            if any(name == "panetId" for name in where):
                return False  # techniques.undefined
            return bool(scope_matches(self.language, dataset, join))
        name, value, unit = _read(where)
        if name is None or value is None:
            raise WrongError(
                400, "Parameter name was not provided" if name is None else "Parameter value was not provided"
            )
        return any(one["name"] == name and self._holds(one, value, unit) for one in related(dataset, "parameters"))

    def _holds(self, parameter: Thing, value: Any, unit: str | None) -> bool:
        if not isinstance(value, dict):
            value = {"eq": value}
        operator, operand = next(iter(value.items()))
        if operator not in ("eq", "lt", "gt"):
            return False  # 'between' is passed on as it is, which is nothing to MongoDB
        kept = parameter["value"]
        if unit:
            factor, offset, si = SI[unit]
            kept_factor, kept_offset, kept_si = SI.get(parameter["unit"], (1.0, 0.0, parameter["unit"]))
            if si != kept_si:
                return False
            operand, kept = operand * factor + offset, kept * kept_factor + kept_offset
        if isinstance(operand, str) != isinstance(kept, str):
            return False
        return bool({"eq": kept == operand, "lt": kept < operand, "gt": kept > operand}[operator])

    def _converted(self, answer: Thing, joins: list[Thing]) -> Thing:
        """Parameters that were asked for in a unit come back in it, with three digits; a temperature came back in K."""
        for join in joins:
            if join["relation"] != "parameters":
                continue
            name, _, unit = _read(join["scope"]["where"])
            for one in answer.get("parameters", []):
                if one["name"] == name and unit:
                    factor, offset, si = SI[one["unit"]]
                    in_si = one["value"] * factor + offset
                    to, away, _ = (1.0, 0.0, si) if unit in ("degC", "K") else SI[unit]
                    one["value"] = float(f"{(in_si - away) / to:.3g}")
                    one["unit"] = "K" if unit == "degC" else unit
        return answer


class IllImplementation(PanoscFake):
    """ILLGrenoble/panosc-search-api, as its source reads."""

    KNOWN = frozenset({"document", "instrument", "techniques", "parameters", "samples", "files"})

    def __init__(self, datasets: Sequence[Thing]) -> None:
        super().__init__(datasets)

        def unknown(name: str) -> bool:
            raise WrongError(500, f"{name} is not a member of Dataset")

        self.language = Language(unknown_field=unknown, falsy_is_unseen=True)

    def visible(self, asked: Asked) -> list[Thing]:
        # A token that cannot be verified makes an anonymous question of it, and Authorization is not looked at.
        mine = TOKENS.get(asked.headers.get("Access_Token", ""), set())
        return [one for one in self.datasets if one["isPublic"] or one["document"]["pid"].rpartition(".")[2] in mine]

    def found(self, filters: Thing, asked: Asked) -> list[Thing]:
        if wrong := set(filters) - {"fields", "include", "limit", "order", "skip", "where"}:
            raise WrongError(500, f"Filter includes one or more request fields that are not valid: {sorted(wrong)}")
        self.relations(filters, set(self.KNOWN), 500)
        for one in self.datasets[:1]:
            self.language.matches(filters.get("where", {}), one, "dataset")  # a field that is none is refused
        found = [one for one in self.visible(asked) if self.language.matches(filters.get("where", {}), one, "dataset")]
        found.sort(key=lambda one: str(one["pid"]))
        rows: list[Thing] = []
        for one in found:
            count = 1
            for include in filters.get("include", []):
                matching = scope_matches(self.language, one, include)
                if is_join(include) and not matching:
                    count = 0
                count *= max(1, len(matching)) if include["relation"] != "files" else 1
            rows += [one] * count
        kept = {one["pid"]: one for one in paged(rows, filters)}  # SQL's LIMIT counts rows
        return [self.one(one, filters) for one in kept.values()]

    def counted(self, where: Thing, asked: Asked) -> Any:
        return super().counted(where, asked)["count"]

    def by_id(self, pid: str, filters: Thing, asked: Asked) -> Reply:
        one = next((one for one in self.visible(asked) if one["pid"] == pid), None)
        if one is None:  # input.generateFilesIfEmpty() of null
            raise WrongError(500, "Internal Server Error")
        return Reply(content=self.one(one, filters))

    def listed_files(self, pid: str, asked: Asked) -> list[Thing]:
        raise WrongError(404, f'Endpoint "GET /datasets/{pid}/files" not found.')


class DataGateway(PanoscFake):
    """ral-facilities/datagateway-api, as its source reads: always ICAT's anonymous user."""

    KNOWN = frozenset({"documents", "instrument", "techniques", "parameters", "samples", "files"})

    def __init__(self, datasets: Sequence[Thing]) -> None:
        super().__init__([{**one, "documents": [one["document"]]} for one in datasets])

        def unknown(name: str) -> bool:
            raise WrongError(400, f"Bad PaNOSC to ICAT mapping: {name}")

        self.language = Language(unknown_field=unknown, first_key_only=True)

    def found(self, filters: Thing, asked: Asked) -> list[Thing]:
        for name in filters:
            if name not in ("where", "include", "limit", "skip"):
                raise WrongError(400, f"No valid filter name given within filter query param: {name}")
        self.relations(filters, set(self.KNOWN), 400)
        for include in filters.get("include", []):
            if {"limit", "skip"} & set(include.get("scope", {})):
                raise WrongError(400, "Bad Include filter: Scope filter cannot have a limit filter")
        for one in self.datasets[:1]:
            self.language.matches(filters.get("where", {}), one, "dataset")
        found = [one for one in self.visible(asked) if self.language.matches(filters.get("where", {}), one, "dataset")]
        joins = [include for include in filters.get("include", []) if is_join(include)]
        found = [one for one in found if all(scope_matches(self.language, one, join) for join in joins)]
        return [self.one(one, filters) for one in paged(found, filters)]


class Federation(PanoscFake):
    """panosc-eu/panosc-federated-search-service, as it was run, before other implementations."""

    def __init__(self, providers: Sequence[PanoscFake], *, down: Sequence[int] = ()) -> None:
        super().__init__([])
        self.providers = list(providers)
        self.down = set(down)  # those that hang: their time-out resolves to nothing

    def _up(self) -> list[tuple[int, PanoscFake]]:
        return [(number, one) for number, one in enumerate(self.providers) if number not in self.down]

    def datasets_route(self, rest: list[str], asked: Asked) -> Reply:
        if len(rest) == 2 and rest[1] == "files" and "filter" not in asked.query:
            raise WrongError(500, "Cannot read properties of undefined (reading 'where')")
        return super().datasets_route(rest, asked)

    def found(self, filters: Thing, asked: Asked) -> list[Thing]:
        limit = filters.get("limit") or 100
        merged: list[Thing] = []
        for number, provider in self._up():
            try:
                answer = provider.found({**filters, "limit": limit}, asked)  # limit and skip go to each
            except WrongError:
                continue  # and nobody is told
            scored = _scored(answer, str(filters.get("query", "")), 0)
            merged += [{**one, "provider": f"https://p{number}.example.org/api"} for one in scored]
        merged = [one for one in merged if one["score"] > 0]  # FILTER_INVALID_SCORES
        merged.sort(key=lambda one: (-one["score"], one["title"].lower()))
        return merged[:limit]

    def counted(self, where: Thing, asked: Asked) -> Any:
        total = sum(provider.counted(where, asked)["count"] for _, provider in self._up())
        return {"count": str(total) if self.down else total}

    def by_id(self, pid: str, filters: Thing, asked: Asked) -> Reply:
        for _, provider in self._up():
            try:
                reply = provider.by_id(pid, filters, asked)
            except WrongError:
                continue
            if reply.status == 200:
                return reply
        body = error(404, f'Unknown "Dataset" id "{pid}".', code="MODEL_NOT_FOUND")
        body["error"]["stack"] = "Error: Unknown\n    at /home/node/app/node_modules/loopback/lib/persisted-model.js"
        return Reply(404, body)

    def listed_files(self, pid: str, asked: Asked) -> list[Thing]:
        return next((files for _, one in self._up() if (files := one.listed_files(pid, asked))), [])


def _scored(answers: list[Thing], query: str, limit: int) -> list[Thing]:
    """As the scoring service does: by the share of words that are in the title; zeros fall away where words were asked."""
    words = query.lower().split()
    for one in answers:
        one["score"] = sum(word in one["title"].lower() for word in words) / len(words) if words else 0
    if words:
        answers = sorted((one for one in answers if one["score"] > 0), key=lambda one: -one["score"])
    return answers[:limit] if limit else answers


def _has_text(where: Any) -> bool:
    if isinstance(where, dict):
        return "text" in where or any(_has_text(value) for value in where.values())
    return isinstance(where, list) and any(_has_text(value) for value in where)


def _plain(filters: Thing) -> list[Thing]:
    """Relations once each, without scopes."""
    return [{"relation": name} for name in dict.fromkeys(one["relation"] for one in filters.get("include", []))]


def _read(where: Thing) -> tuple[Any, Any, Any]:
    """Name, value and unit of a condition: the first of each."""
    if "and" not in where:
        raise WrongError(400, "Parameter filter requires at least a name and a value")
    first: Thing = {}
    for one in where["and"]:
        for key, value in one.items():
            first.setdefault(key, value)
    return first.get("name"), first.get("value"), first.get("unit")
