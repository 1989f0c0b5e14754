"""The site's own index, which its search API and its search pages are answered from (``[portal.index]``)."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator, model_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.model import AbsolutePath, PlainName
from panosc_spawner.facilities.units import Duration

SUFFIXES = (".nxs", ".h5", ".hdf5", ".hdf", ".nx5", ".nexus")


class IndexDirectory(Model):
    """A directory of NeXus files (``[[portal.index.directories]]``). Links in it are not followed."""

    name: PlainName = Field(description="Names it in PIDs (name/path/of/file.nxs): do not change it later.")
    path: AbsolutePath
    public: bool = Field(
        default=False,
        description="true: anybody may find what is in it. false: only those whom the hub lists on its proposal, which is read from the path by "
        "the facility's templates, else from the file's experiment_identifier.",
    )
    facility: PlainName | None = Field(default=None, description="Whose proposals and instruments these are.")
    licence: str = Field(default="", description="SPDX id of the data's licence, told with each data set: 'CC-BY-4.0'.")

    @model_validator(mode="after")
    def _somebody_may_see_it(self) -> IndexDirectory:
        if not self.public and self.facility is None:
            raise ValueError(
                "facility: what is not public is shown to those on its proposal, so write whose proposals they are (or public = true)"
            )
        return self


class IndexRules(Model):
    """What is indexed, how often, and who may ask (``[portal.index]``)."""

    anonymous: bool = Field(
        default=True,
        description="true: the search API tells anybody of public data. false: it answers those with a token of this hub only.",
    )
    proposals: bool = Field(
        default=False,
        description="Index the NeXus files of all proposals beneath the facilities' directories. They are told to those on each proposal only.",
    )
    directories: tuple[IndexDirectory, ...] = ()
    catalogues: tuple[str, ...] = Field(
        default=(),
        description="Names of catalogues (as in [catalogues.<name>]) whose public entries are copied into the index, so that the search API "
        "answers for them, too.",
    )
    every: Duration = Field(
        default=timedelta(hours=6),
        ge=timedelta(minutes=1),
        description="How often it is brought up to date; files that did not change are not read again.",
    )
    suffixes: tuple[str, ...] = Field(
        default=SUFFIXES, min_length=1, description="Ends of names of files that are looked into."
    )
    most: int = Field(
        default=100_000,
        ge=1,
        description="Files of one proposal (of one directory, where there are none) that are indexed at most; entries of a catalogue: ten times as many.",
    )

    @field_validator("directories")
    @classmethod
    def _names_differ(cls, value: tuple[IndexDirectory, ...]) -> tuple[IndexDirectory, ...]:
        names = [one.name for one in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two directories are called {twice[0]!r}; PIDs would be the same")
        return value

    @property
    def used(self) -> bool:
        """Whether anything is indexed."""
        return self.proposals or bool(self.directories) or bool(self.catalogues)
