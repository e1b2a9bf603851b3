"""The whole suite without a mouse: what a test clicks, checks, fills in or chooses is reached with Tab, seen to have
the focus, and pressed. `LONGHOUSE_HANDS=keys` asks for it.

With the mouse stay the places inside a picture and a text (a click at a position, lines of the editor and of an output)
and the options of the palette: arrow keys, j and k lead there, which tests of their own show. And the button that comes
and goes while an output moves, whose key is End.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import ElementHandle, Error, Locator

CONTROL = """(found) => {
  const own = found.closest("a[href], button, input, select, textarea, summary, [tabindex], [contenteditable]");
  const control = found.closest("label")?.control;
  return control && !(own && found.closest("label").contains(own)) ? control : own ?? found;
}"""
"""What takes the key: a label leads to its field."""

STEPS = """(wanted) => {
  const within = document.querySelector("dialog:modal") ?? document;
  const stops = [...within.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex], iframe")]
    .filter((each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility({visibilityProperty: true}))
    .filter((each) => each.type !== "radio" || each.checked || each === wanted);
  return stops.indexOf(wanted) - stops.indexOf(document.activeElement);
}"""
"""About how often Tab has to be pressed; backwards if less than 0."""

HERE = """(wanted) => wanted === document.activeElement
  || (wanted.type === "radio" && document.activeElement.type === "radio"
      && document.activeElement.name === wanted.name && document.activeElement.form === wanted.form)"""

SEEN = """(here) => [here, here.closest("label"), here.closest(".cm-editor"), here.labels?.[0]]
  .some((each) => each && getComputedStyle(each).outlineStyle !== "none")"""

MOST = 250
POINTED = ".cm-content *, .cm-content, [role=option], canvas, .l > a, #news"


def reach(control: ElementHandle) -> None:
    """Tab until it has the focus; fails if it never gets it, and if nobody could see that it has it."""
    page = control.owner_frame().page  # type: ignore[union-attr]
    if page.evaluate("document.activeElement.matches('.cm-content')"):
        page.keyboard.press("Escape")  # as the page says below the editor: Tab indents there
    steps = int(control.evaluate(STEPS))
    for _ in range(abs(steps) - 1):
        page.keyboard.press("Tab" if steps > 0 else "Shift+Tab")
    for _ in range(MOST):
        if control.evaluate(HERE) or not control.evaluate("(each) => each.isConnected"):
            break
        page.keyboard.press("Shift+Tab" if steps < 0 else "Tab")
    else:
        raise AssertionError(f"Tab does not reach {control.evaluate('(each) => each.outerHTML')[:300]}")
    if control.evaluate("(each) => each === document.activeElement"):
        assert control.evaluate(SEEN), f"the focus is not seen on {control.evaluate('(e) => e.outerHTML')[:300]}"


def press(found: Locator) -> None:
    found.wait_for(state="visible")
    for _ in range(5):  # a page that renews itself may put another one in its place meanwhile
        control = found.evaluate_handle(CONTROL).as_element()
        assert control
        if control.evaluate("(each) => each.disabled"):
            found.click(trial=True)  # waits, and says what for
        reach(control)
        if control.evaluate("(each) => each.isConnected"):
            break
    kind = control.evaluate("(each) => each.matches('input, select, textarea') ? each.type : 'other'")
    if kind == "radio":
        for _ in range(20):
            if control.evaluate("(each) => each === document.activeElement && each.checked"):
                return
            found.page.keyboard.press("ArrowRight")
        raise AssertionError("the arrow keys do not lead to this choice")
    if kind == "checkbox":
        control.press("Space")
    elif kind == "other":
        try:
            control.press("Enter")
        except Error as error:  # to get the focus was enough for another one to come, which has it now
            if "not attached" not in str(error):
                raise
            found.press("Enter")


def take_the_mouse_away() -> None:
    """From now on, for this process."""
    click = Locator.click

    def clicked(self: Locator, **options: Any) -> None:
        if "position" in options or "trial" in options or self.evaluate(f"(found) => !!found.closest({POINTED!r})"):
            click(self, **options)
        else:
            press(self)

    def checked(self: Locator, wanted: bool = True) -> None:
        if self.is_checked() != wanted:
            press(self)

    def filled(self: Locator, value: str, **options: Any) -> None:
        self.wait_for(state="visible")
        field = self.element_handle()  # the one that is found now: with the focus it may get a longer name
        reach(field)
        field.fill(value, **options)

    def chosen(self: Locator, *values: Any, **options: Any) -> list[str]:
        self.wait_for(state="visible")
        field = self.element_handle()
        reach(field)
        return field.select_option(*values, **options)

    for name, way in {
        "click": clicked,
        "check": checked,
        "uncheck": lambda self: checked(self, False),
        "fill": filled,
        "select_option": chosen,
    }.items():
        setattr(Locator, name, way)
