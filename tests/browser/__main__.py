"""Pictures of a furnished instance for the docs: `python -m tests.browser FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from longhouse.repo import panel
from tests.browser.chromium import PHONE, WIDE, chromium, link_of, serving, signed_in
from tests.browser.furnished import empty_house, furnish


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, empty_house(Path(data) / "data") as house:
        runs = furnish(house)
        newest = panel.status(house).head
        pages = {"jobs": "/jobs", "job": "/jobs/check-website", "runs": "/runs", "repo": "/repo"}
        pages |= {f"run-{name}": f"/runs/{number}" for name, number in runs.items() if number}
        pages |= {"commit": f"/repo/commits/{newest}"}
        with serving(house) as address, chromium() as browser:
            page = signed_in(browser, link_of(house, address))
            for name, path in pages.items():
                for look, theme, size in (("", "light", WIDE), ("-dark", "dark", WIDE), ("-phone", "light", PHONE)):
                    page.context.add_cookies([{"name": "theme", "value": theme, "url": address}])
                    page.set_viewport_size(size)  # type: ignore[arg-type]
                    page.goto(path)
                    page.wait_for_load_state("load")
                    page.screenshot(path=folder / f"{name}{look}.png")
            page.context.close()


main(Path(sys.argv[1]))
