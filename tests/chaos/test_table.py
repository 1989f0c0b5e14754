"""The table in the documents is made of the rows that the tests assert, and there is a test for each row."""

from __future__ import annotations

import ast
from pathlib import Path

from outcomes import DOCUMENT, with_table
from rows import ROWS

HERE = Path(__file__).parent


def test_the_table_is_that_of_the_rows() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_table(text) == text, "run: python tests/chaos/outcomes.py"


def test_each_row_has_its_test_and_each_test_its_row() -> None:
    tests = {
        node.name
        for file in HERE.glob("test_*.py")
        if file.name != Path(__file__).name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert tests == set(ROWS)


def test_the_faults_of_a_test_are_its_parameters() -> None:
    import test_login_service
    import test_user_office

    for module in (test_login_service, test_user_office):
        for name, rows in ROWS.items():
            if hasattr(module, name) and len(rows) > 1:
                assert set(rows) == set(module.FAULTS)
