"""Whether a PaNOSC search API answers as its dialect says: tried one by one, for the operator."""

from __future__ import annotations

from panosc_portal.catalogues.entries import Notes, read_entries
from panosc_portal.catalogues.panosc_api import PanoscApi
from panosc_portal.catalogues.panosc_entries import PanoscDataset
from panosc_portal.catalogues.panosc_filter import Question
from panosc_portal.errors import CatalogueError, Outcome


async def examine(api: PanoscApi) -> str:
    """What it answers, in words.

    Raises:
        CatalogueError: if it does not answer, or not as its table says; then with what to write into ``differs``.
    """
    asked = Question(query="data" if api.dialect.needs_words else "")
    notes = Notes()
    listed = await api.datasets(asked, (), {}, notes, limit=2)
    found = [f"answers with {listed.length} of 2 data sets", await _counted(api)]
    if listed.length > 2:
        notes.say("it does not know limit")
    wrong = await _relations(api)
    if wrong:
        keys = ", ".join(f'{key} = "{value}"' for key, value in wrong.items())
        raise CatalogueError(
            api.name, Outcome.CANNOT, f"it answers, but not to all that is asked: write differs = {{ {keys} }}"
        )
    found += notes.words()
    return "; ".join(part for part in found if part)


async def _counted(api: PanoscApi) -> str:
    if not api.dialect.counts:
        return ""
    return f"counts {await api.count(None)}"


async def _relations(api: PanoscApi) -> dict[str, str]:
    """The relations that it does not know, as they are to be written."""
    wrong = {}
    for key in ("document", "instrument", "techniques", "parameters", "samples"):
        relation = getattr(api.dialect, key)
        if relation and not await _takes(api, relation):
            other = {"document": "documents", "documents": "document"}.get(relation, "")
            wrong[key] = other if other and await _takes(api, other) else ""
    return wrong


async def _takes(api: PanoscApi, relation: str) -> bool:
    filters = {"limit": 1, "include": [{"relation": relation}]}
    filters |= {"query": "data"} if api.dialect.needs_words else {}
    try:
        answer = await api.ask("Datasets", filter=filters)
    except CatalogueError as error:
        if error.status in (400, 422, 500):
            return False
        raise
    read_entries(PanoscDataset, answer, api.name, Notes(), most=1000)
    return True
