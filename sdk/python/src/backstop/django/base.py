"""Where Django looks for a backend: `ENGINE` + ".base"."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper, Error
from django.utils.functional import cached_property

from ..channel import InTransactionError
from ..claims import claims_of, commented, options
from ..errors import adopt


class _Adopting(DatabaseErrorWrapper):  # type: ignore[misc]
    """Django makes its own error here, of the driver's; it stays that, and becomes one of ours as well."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        except Error as made:
            adopt(made, self.wrapper)
            raise


def _comment(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """One of Django's wrappers of execute()."""
    return execute(commented(sql, params is not None) if isinstance(sql, str) else sql, params, many, context)


class _Channel:
    def __init__(self, wrapper: DatabaseWrapper) -> None:
        self.wrapper = wrapper

    def busy(self) -> bool:
        return bool(self.wrapper.in_atomic_block or not self.wrapper.get_autocommit())

    def lost(self) -> bool:
        return self.wrapper.connection is None or not self.wrapper.is_usable()

    def roll_back(self) -> None:
        self.wrapper.rollback()

    def beside(self) -> AbstractContextManager[Any]:
        return nullcontext(self.wrapper)  # of this thread alone

    def show(self, what: str) -> str:
        if self.busy():
            raise InTransactionError
        with self.wrapper.cursor() as cursor:
            cursor.execute("SHOW " + what)
            return str(cursor.fetchone()[0])


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    """A connection of Django, guarded."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.execute_wrappers.append(_comment)

    @cached_property  # type: ignore[untyped-decorator]
    def wrap_database_errors(self) -> _Adopting:
        return _Adopting(self)

    def get_connection_params(self) -> dict[str, Any]:
        """The claims of the run around go along at start-up; see commented() for those that come later."""
        given: dict[str, Any] = super().get_connection_params()
        settings = claims_of(None, None, None).settings()
        if settings:
            given["options"] = options(settings, given.get("options"))
        return given

    def _backstop_channel(self) -> _Channel:
        return _Channel(self)
