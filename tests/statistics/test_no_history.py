"""A server that keeps no history says so, on the page and to programs; its calendar is known all the same."""

from __future__ import annotations

import httpx


def test_without_a_history_it_says_so(client: httpx.Client) -> None:
    answer = client.get("/statistics")
    assert answer.status_code == 200
    assert "This server keeps no history" in answer.text
    told = client.get("/api/v1/statistics")
    assert (told.status_code, told.json()["code"]) == (404, "no_history")
    assert len(client.get("/api/v1/shifts").json()["shifts"]) == 3
