"""Voice menus: the results of pressed keys. Pure; the caller has the clock."""

from __future__ import annotations

import re
from typing import TypeAlias

import attrs

from ..svaml import Menu, RunMenu
from ..vocabulary import MenuResultType

__all__ = ["MenuRun", "Prompt", "Result"]

_TIMEOUT = 5_000  # milliseconds for a key; the server's default


@attrs.frozen
class Prompt:
    """Prompts to play before collecting new keys; None plays nothing."""

    text: str | None


@attrs.frozen
class Result:
    """The result of the menus.

    Attributes:
        menu_id: The last menu.
        type: How the menu ended.
        value: The digits, or the value of `return(value)`.
    """

    menu_id: str
    type: MenuResultType
    value: str


Step: TypeAlias = Prompt | Result | None


class MenuRun:
    """One run of menus, from its first prompt to its result.

    Args:
        action: The menus.

    Attributes:
        menu: The open menu.
        digits: The keys collected in it so far.
    """

    def __init__(self, action: RunMenu) -> None:
        self._menus = {menu.id: menu for menu in action.menus or ()}
        self._first = action.main_menu or "main"
        self.menu = Menu(self._first)
        self.digits = ""
        self._repeats = 0

    @property
    def mills(self) -> int:
        """Milliseconds to wait for the next key."""
        given = self.menu.timeout_mills
        return _TIMEOUT if given is None else given

    def start(self) -> Step:
        """Open the first menu."""
        return self._open(self._first)

    def press(self, key: str) -> Step:
        """Take one key; return None while more may follow."""
        entered = self.digits + key
        options = self.menu.options or ()
        for option in options:
            if option.dtmf == entered:
                return self._choose(option.action)
        if key == "#" and self.menu.max_digits is not None:
            return self._result(MenuResultType.SEQUENCE, self.digits)
        self.digits = entered
        if self.menu.max_digits is not None:
            if len(entered) < self.menu.max_digits:
                return None
            return self._result(MenuResultType.SEQUENCE, entered)
        if any(option.dtmf.startswith(entered) for option in options):
            return None
        return self._again(MenuResultType.INVALID_INPUT)

    def time_out(self) -> Step:
        """Handle a wait without a key."""
        if not self.digits:
            return self._again(MenuResultType.TIMEOUT)
        if self.menu.max_digits is not None:
            return self._result(MenuResultType.SEQUENCE, self.digits)
        return self._again(MenuResultType.INVALID_INPUT)

    def hang_up(self) -> Result:
        """Return the result of a menu in which the listener hung up."""
        return self._result(MenuResultType.HANGUP, self.digits)

    def _open(self, menu_id: str) -> Step:
        menu = self._menus.get(menu_id)
        if menu is None:
            return Result(menu_id, MenuResultType.ERROR, "")
        self.menu, self.digits, self._repeats = menu, "", menu.repeats or 0
        return Prompt(menu.main_prompt)

    def _choose(self, action: str) -> Step:
        chosen = re.fullmatch(r"(menu|return) ?\((.+)\)", action)
        if chosen is None:
            return self._result(MenuResultType.ERROR, "")
        if chosen[1] == "menu":
            return self._open(chosen[2])
        return self._result(MenuResultType.RETURN, chosen[2])

    def _again(self, otherwise: MenuResultType) -> Step:
        """Repeat the menu; without repeats left, return the result."""
        if not self._repeats:
            return self._result(otherwise, self.digits)
        self._repeats -= 1
        self.digits = ""
        return Prompt(self.menu.repeat_prompt or self.menu.main_prompt)

    def _result(self, type_: MenuResultType, value: str) -> Result:
        return Result(self.menu.id, type_, value)
