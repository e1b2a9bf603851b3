"""One run over the API: its output searched, its neighbours, and again with other parameters."""

from __future__ import annotations

from pathlib import Path

from tests.browser.furnished import empty_house, furnish
from tests.spec.test_pages import OURS, moved_in


def test_search_neighbours_and_other_parameters(tmp_path: Path) -> None:
    with empty_house(tmp_path / "data") as house:
        runs = furnish(house)
        lived = moved_in(house, runs)
        headers = {**OURS, "X-CSRF-Token": lived.csrf}
        found = lived.browser.get(f"/api/runs/{runs['failed']}/logs/search?q=REFUSED").json()
        assert (found["attempt"], found["lines"], found["total"]) == (3, [9, 12, 13], 3)
        assert lived.browser.get(f"/api/runs/{runs['failed']}/logs/search?q=").status_code == 422
        asked = {"params": {"recipient": "x@example.org"}, "commit": "latest"}
        again = lived.browser.post(f"/api/runs/{runs['digest']}/rerun", json=asked, headers=headers)
        assert (again.status_code, again.json()["params"]) == (202, asked["params"])
        shown = lived.browser.get(f"/api/runs/{runs['digest']}").json()
        assert (shown["waited"], shown["following"]) == ([], again.json()["id"])
        wrong = lived.browser.post(f"/api/runs/{runs['failed']}/rerun", json={"params": {"no": 1}}, headers=headers)
        assert wrong.status_code == 422 and wrong.json()["errors"][0]["pointer"] == "/params/no"
