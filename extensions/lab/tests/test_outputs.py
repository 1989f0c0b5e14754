"""What a kernel's messages become in a notebook."""

from __future__ import annotations

import time
from typing import Any

from panosc_lab.outputs import ALLOWANCE, MOST_BYTES, Outputs


def made(*messages: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    outputs = Outputs()
    for kind, content in messages:
        outputs.take(kind, content)
    return outputs.items


def test_streams_are_joined_and_progress_bars_are_one_line() -> None:
    said = [("stream", {"name": "stdout", "text": text}) for text in ("a\r\n", "10 %\r", "20 %\r", "100 %\n", "b")]
    assert made(*said) == [{"output_type": "stream", "name": "stdout", "text": "a\n100 %\nb"}]


def test_clearing() -> None:
    stream = ("stream", {"name": "stdout", "text": "x"})
    assert made(stream, ("clear_output", {"wait": False})) == []
    assert len(made(stream, ("clear_output", {"wait": True}))) == 1
    assert made(stream, ("clear_output", {"wait": True}), stream)[0]["text"] == "x"


def test_a_display_that_changes() -> None:
    shown = {"data": {"text/plain": "1"}, "metadata": {}, "transient": {"display_id": "d"}}
    changed = shown | {"data": {"text/plain": "2"}}
    found = made(("display_data", shown), ("update_display_data", changed))
    assert found == [{"output_type": "display_data", "data": {"text/plain": "2"}, "metadata": {}}]


def test_an_error() -> None:
    content = {"ename": "E", "evalue": "v", "traceback": ["t"]}
    assert made(("error", content)) == [{"output_type": "error", **content}]


def test_without_end() -> None:
    chunk = ("stream", {"name": "stdout", "text": "x" * (MOST_BYTES // 4)})
    found = made(*[chunk] * 50)
    assert "left out" in found[-1]["text"] and len(found) == 2
    assert sum(len(item["text"]) for item in found) < MOST_BYTES + 200


def said(text: str, name: str = "stdout") -> tuple[str, dict[str, Any]]:
    return "stream", {"name": name, "text": text}


def test_a_progress_bar_of_hours_leaves_room_for_the_result() -> None:
    outputs = Outputs()
    bar = "x" * 1000
    for number in range(2 * MOST_BYTES // len(bar)):
        outputs.take(*said(f"\r{number:9}{bar}", "stderr"))
    assert outputs.size < 2000
    outputs.take(*said("fitted\n"))
    outputs.take("execute_result", {"data": {"text/plain": "42"}, "metadata": {}, "execution_count": 1})
    kinds = [item["output_type"] for item in outputs.items]
    assert kinds == ["stream", "stream", "execute_result"] and outputs.items[1]["text"] == "fitted\n"


def test_a_bar_beneath_much_text_costs_no_more_than_its_line() -> None:
    outputs = Outputs()
    outputs.take(*said("a line of text\r\n" * 400_000))
    begin = time.monotonic()
    for number in range(2000):
        outputs.take(*said(f"\r{number} of 2000"))
    assert time.monotonic() - begin < 2, "the whole text was gone through for each of them"
    text = outputs.items[0]["text"]
    assert text.endswith("text\n1999 of 2000") and text.count("\n") == 400_000


def test_lines_that_come_in_pieces() -> None:
    pieces = ("a", "b\n", "", "c\r", "\nd\n\ne", "f\r", "g")
    assert made(*map(said, pieces))[0]["text"] == "ab\nc\nd\n\ng"
    many = made(*[said(f"{number}\n") for number in range(5000)])
    assert many[0]["text"] == "".join(f"{number}\n" for number in range(5000))


def test_when_it_is_full_the_end_still_has_room() -> None:
    outputs = Outputs()
    outputs.take(*said("x" * MOST_BYTES))
    outputs.take(*said("dropped"))
    outputs.take("display_data", {"data": {"text/plain": "dropped"}})
    error = {"ename": "E", "evalue": "v", "traceback": ["t"]}
    outputs.take("execute_result", {"data": {"text/plain": "42"}, "metadata": {}, "execution_count": 1})
    outputs.take("error", error)
    outputs.take("error", {"ename": "E", "evalue": "v", "traceback": ["t" * ALLOWANCE]})
    found = outputs.items
    assert [item["output_type"] for item in found] == ["stream", "stream", "execute_result", "error"]
    assert "left out" in found[1]["text"] and "dropped" not in str(found[1:])


def test_room_comes_back() -> None:
    outputs = Outputs()
    outputs.take(*said("x" * MOST_BYTES))
    outputs.take(*said("y\n" * 100))
    outputs.take("clear_output", {"wait": False})
    outputs.take(*said("after"))
    assert [item["text"] for item in outputs.items] == ["after"]


def test_a_display_that_grows_without_end() -> None:
    shown = {"data": {"text/plain": "1"}, "metadata": {}, "transient": {"display_id": "d"}}
    outputs = Outputs()
    outputs.take("display_data", shown)
    outputs.take("update_display_data", shown | {"data": {"text/plain": "x" * (MOST_BYTES + 1)}})
    assert outputs.items[0]["data"] == {"text/plain": "1"} and outputs.size < 100
    for _ in range(3):
        outputs.take("update_display_data", shown | {"data": {"text/plain": "x" * (MOST_BYTES // 2)}})
    assert len(outputs.items[0]["data"]["text/plain"]) == MOST_BYTES // 2
