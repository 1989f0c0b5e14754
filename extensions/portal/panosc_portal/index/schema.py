"""The index's tables. A file of another version, or one that is damaged, is put aside and made anew: all of it can be harvested again."""

from __future__ import annotations

VERSION = 2
"""Written into the file (``user_version``)."""

TABLES = """
CREATE TABLE instrument (
    id INTEGER PRIMARY KEY, pid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, name_folded TEXT NOT NULL, facility TEXT NOT NULL, facility_folded TEXT NOT NULL
);
CREATE TABLE dataset (
    id INTEGER PRIMARY KEY, pid TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL, title_folded TEXT NOT NULL,
    is_public INTEGER NOT NULL, proposal TEXT NOT NULL,  -- 'esrf/ma1234': who may see it, where it is not public
    created TEXT, size INTEGER, instrument INTEGER REFERENCES instrument, facility TEXT NOT NULL,
    doi TEXT, licence TEXT, release TEXT, location TEXT, landing TEXT, proposal_text TEXT,
    source TEXT NOT NULL, origin TEXT NOT NULL, seen INTEGER NOT NULL
);
CREATE INDEX dataset_instrument ON dataset (instrument, is_public, proposal);
CREATE INDEX dataset_created ON dataset (created);
CREATE INDEX dataset_origin ON dataset (origin, seen);
CREATE INDEX dataset_doi ON dataset (doi) WHERE doi IS NOT NULL;
CREATE TABLE document (
    id INTEGER PRIMARY KEY, pid TEXT NOT NULL UNIQUE, is_public INTEGER NOT NULL, proposal TEXT NOT NULL,
    type TEXT NOT NULL, title TEXT NOT NULL, title_folded TEXT NOT NULL, summary TEXT, summary_folded TEXT,
    doi TEXT, start TEXT, ends TEXT, release TEXT, license TEXT, keywords TEXT, origin TEXT NOT NULL
);
CREATE TABLE dataset_document (
    dataset INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE,
    document INTEGER NOT NULL REFERENCES document ON DELETE CASCADE, PRIMARY KEY (dataset, document)
) WITHOUT ROWID;
CREATE INDEX document_dataset ON dataset_document (document, dataset);
CREATE TABLE technique (
    id INTEGER PRIMARY KEY, pid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, name_folded TEXT NOT NULL, panet TEXT
);
CREATE TABLE dataset_technique (
    dataset INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE,
    technique INTEGER NOT NULL REFERENCES technique, PRIMARY KEY (dataset, technique)
) WITHOUT ROWID;
CREATE INDEX technique_dataset ON dataset_technique (technique, dataset);
CREATE TABLE sample (
    id INTEGER PRIMARY KEY, pid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, name_folded TEXT NOT NULL,
    description TEXT, description_folded TEXT
);
CREATE TABLE dataset_sample (
    dataset INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE,
    sample INTEGER NOT NULL REFERENCES sample, PRIMARY KEY (dataset, sample)
) WITHOUT ROWID;
CREATE INDEX sample_dataset ON dataset_sample (sample, dataset);
CREATE TABLE parameter (
    id INTEGER PRIMARY KEY, dataset INTEGER REFERENCES dataset ON DELETE CASCADE,
    document INTEGER REFERENCES document ON DELETE CASCADE,
    name TEXT NOT NULL, number REAL, text TEXT, unit TEXT NOT NULL, si REAL, dimension TEXT
);
CREATE INDEX parameter_si ON parameter (name, dimension, si, dataset);
CREATE INDEX parameter_number ON parameter (name, number, dataset);
CREATE INDEX parameter_text ON parameter (name, text, dataset) WHERE text IS NOT NULL;
CREATE INDEX parameter_dataset ON parameter (dataset, name);
CREATE INDEX parameter_document ON parameter (document) WHERE document IS NOT NULL;
CREATE TABLE person (id INTEGER PRIMARY KEY, full_name TEXT NOT NULL, full_name_folded TEXT NOT NULL, orcid TEXT NOT NULL,
    UNIQUE (full_name, orcid));
CREATE TABLE affiliation (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, name_folded TEXT NOT NULL);
CREATE TABLE member (
    id INTEGER PRIMARY KEY, document INTEGER NOT NULL REFERENCES document ON DELETE CASCADE,
    person INTEGER REFERENCES person, affiliation INTEGER REFERENCES affiliation, role TEXT NOT NULL
);
CREATE INDEX member_document ON member (document);
CREATE INDEX member_person ON member (person);
CREATE TABLE file (
    id INTEGER PRIMARY KEY, dataset INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE,
    name TEXT NOT NULL, name_folded TEXT NOT NULL, path TEXT, size INTEGER, checksum TEXT
);
CREATE INDEX file_dataset ON file (dataset);
-- What was read, and how it turned out: a file that did not change is not read again.
CREATE TABLE origin (
    origin TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, changed INTEGER NOT NULL, seen INTEGER NOT NULL,
    outcome TEXT NOT NULL, dataset INTEGER, PRIMARY KEY (origin, path)
) WITHOUT ROWID;
CREATE TABLE harvest (
    origin TEXT PRIMARY KEY, run INTEGER NOT NULL, stamp TEXT NOT NULL, finished TEXT, words TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
-- Words, by which answers to `query` are ranked. What is not public lies in tables of its own, so that it changes no public score.
CREATE VIRTUAL TABLE dataset_public_words USING fts5 (title, more, tokenize = "unicode61 remove_diacritics 2");
CREATE VIRTUAL TABLE dataset_closed_words USING fts5 (title, more, tokenize = "unicode61 remove_diacritics 2");
CREATE VIRTUAL TABLE document_public_words USING fts5 (title, more, tokenize = "unicode61 remove_diacritics 2");
CREATE VIRTUAL TABLE document_closed_words USING fts5 (title, more, tokenize = "unicode61 remove_diacritics 2");
CREATE VIRTUAL TABLE instrument_public_words USING fts5 (title, more, tokenize = "unicode61 remove_diacritics 2");
"""
