"""How implementations of the PaNOSC search API differ, as data. Each was run or its source was read, in 2026."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from panosc_spawner.facilities.base import Model

Operator = Literal["eq", "lt", "lte", "gt", "gte", "between", "inq", "like", "ilike"]
_PLAIN: frozenset[Operator] = frozenset({"eq", "lt", "lte", "gt", "gte", "between", "inq", "like", "ilike"})


class Dialect(Model):
    """What an implementation takes, and how it answers."""

    document: str = Field(default="", description="Relation from a data set to its documents; empty: it has none.")
    instrument: str = Field(
        default="instrument", description="Relation to the instrument; empty: it cannot be included."
    )
    techniques: str = Field(default="techniques", description="Relation to the techniques; empty: none.")
    parameters: str = Field(default="parameters", description="Relation to the parameters; empty: none.")
    samples: str = Field(default="samples", description="Relation to the samples; empty: none.")
    operators: frozenset[Operator] = Field(default=_PLAIN, description="Operators on a data set's own fields.")
    parameter_operators: frozenset[Operator] = Field(default=_PLAIN, description="Operators on a parameter's value.")
    text: Literal["where", "query"] = Field(
        default="where",
        description="where: words must be in the title. query: it ranks by them, with a score; without scores it did not look.",
    )
    technique_field: Literal["panetId", "pid"] = Field(default="panetId", description="Where a PaNET address stands.")
    sample_text: bool = Field(default=True, description="Takes words for samples.")
    converts_units: bool = Field(default=False, description="Takes a condition in any unit of the same kind.")
    limit: Literal["after-joins", "before-joins", "rows"] = Field(
        default="after-joins",
        description="What limit counts. before-joins: the list is cut before conditions on related things are applied. rows: a "
        "data set counts once for each of its related things.",
    )
    exact_on_second: bool = Field(
        default=False,
        description="Conditions on related things change what is told about them (rounded, or only those that matched), so what was "
        "found is asked for once more without conditions.",
    )
    pages: bool = Field(default=True, description="skip goes on where the page before ended.")
    order: tuple[str, ...] = Field(default=(), description="How it is told to sort; empty: it is not told.")
    counts: bool = Field(default=True, description="Has /Datasets/count.")
    needs_words: bool = Field(default=False, description="Without words in the question it finds nothing at all.")
    by_id: bool = Field(default=True, description="/Datasets/{pid} tells what is not there from what goes wrong.")
    files: Literal["endpoint", "include", "none"] = Field(
        default="endpoint", description="Where a data set's files are: /Datasets/{pid}/files, or with the data set."
    )
    token_header: Literal["", "Authorization", "access_token"] = Field(
        default="", description="Header that takes a person's token; empty: it shows open data only."
    )
    silent_token: bool = Field(
        default=False, description="A token that it does not accept makes an anonymous question of it, silently."
    )
    hides_failures: bool = Field(default=False, description="It asks others, and does not tell which did not answer.")


DIALECTS: dict[str, Dialect] = {
    # panosc-eu/search-api (LoopBack 3), run: a data set has no relation to documents (500), an operator on a parameter that it
    # does not know gives [], units are compared as texts, and a list is cut before an inner join.
    "reference": Dialect(
        parameter_operators=frozenset({"eq", "lt", "gt", "between"}),
        limit="before-joins",
        order=("creationDate DESC", "pid ASC"),
    ),
    # SciCatProject/panosc-search-api of 2024-11 before SciCat 4.5, run: its 'document' and 'instrument' fail with 400, 'between' is
    # passed on as it is and finds nothing, units are converted, and values come back with three digits. 'text' has no translation
    # there and would find nothing (common/mappings.js); 'query' ranks where a scoring service stands behind it.
    "scicat": Dialect(
        instrument="",
        operators=frozenset({"eq", "lt", "gt", "inq"}),
        parameter_operators=frozenset({"eq", "lt", "gt"}),
        text="query",
        technique_field="pid",
        sample_text=False,
        converts_units=True,
        exact_on_second=True,
    ),
    # ILLGrenoble/panosc-search-api (LoopBack 4, TypeORM), read: 'document' in the singular, SQL's LIMIT over joined rows, a falsy
    # operand (0, false) of an operator is not seen, an id that is not there is a 500, no /files, own data for a token in the header access_token.
    "ill": Dialect(
        document="document",
        operators=frozenset({"eq", "between", "inq"}),
        parameter_operators=frozenset({"between"}),
        technique_field="pid",
        limit="rows",
        exact_on_second=True,
        order=("pid ASC",),
        files="include",
        by_id=False,
        token_header="access_token",  # noqa: S106 - a header's name
        silent_token=True,
    ),
    # ral-facilities/datagateway-api, read: always asked as ICAT's anonymous user; all of ICAT's operators, no order, no query.
    "datagateway": Dialect(document="documents", technique_field="pid"),
    # panosc-eu/panosc-federated-search-service, run: without words it drops everything with a score of 0 and counts it all the
    # same; skip goes to each provider; who failed is not told; open data only.
    "federation": Dialect(
        parameter_operators=frozenset({"eq", "lt", "gt", "between"}),
        text="query",
        limit="before-joins",
        pages=False,
        needs_words=True,
        hides_failures=True,
    ),
    # This hub's own: whole filter language, joins before the limit, units converted, own data.
    "hub": Dialect(
        document="documents",
        text="query",
        converts_units=True,
        order=("creationDate DESC", "pid ASC"),
        token_header="Authorization",  # noqa: S106 - a header's name
    ),
}
