"""Masking of phone numbers and users, for people who may not see them.

    masking = cdr.Masking("hash", key=os.environ["SINCHVOICE_MASK_KEY"])
    with cdr.Archive("calls.duckdb", read_only=True, mask=masking) as archive:
        print(archive.sql("SELECT to_, count(*) FROM records GROUP BY ALL").rows)

Each rule exists for Python, and here and in `masked_views.py` for SQL; a test compares the two.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any, Literal, TypeAlias

import attrs

from .. import endpoints
from ..errors import CdrError, InvalidRequest, Reject, RejectCause, printable
from ..hidden import Hidden
from .records import NO_EXTRAS, CdrRecord, Extras

__all__ = ["Mask", "Masking", "MaskingMethod", "find", "quoted_text"]

MaskingMethod: TypeAlias = Literal["shorten", "hash"]
_METHODS: tuple[MaskingMethod, ...] = ("shorten", "hash")

_HIDDEN = "****"
_LEAST_KEY = 16
_BLOCK = 64
"""Bytes of a block of SHA-256."""
_DIGITS = 16
"""Hexadecimal digits of a hash, 64 bits."""

# DuckDB reads the same regular expressions, with RE2.
_NUMBER = r"\+?[0-9 ()./-]*[0-9][0-9 ()./-]*"
_SCHEME = r"(?is)^(?:sips?|tel):"
_ADDRESS = r"(?is)(?:(?:sips?|tel):)?([^@;:?]*)(?:.*@([^@;?]*).*|[^@]*)"
_RUN = "[0-9]{5,}"


def _hidden(key: str | bytes | None) -> Hidden[bytes]:
    return Hidden(key.encode() if isinstance(key, str) else key or b"")


def _checked_method(_: object, attribute: object, method: object) -> None:
    if method not in _METHODS:
        raise InvalidRequest(
            f"mask is {method!r}: give 'shorten', 'hash' or a Masking", parameter="mask"
        )


@attrs.frozen
class Masking:
    """A way to mask phone numbers and users, the same in every output.

    A number has the same mask in any notation: `+46 70-123 45 67`, `0046701234567` and
    `46701234567` are one number. In a SIP address the user is masked and the host is kept. Where
    any text may stand (`custom`, columns outside the layout, records that cannot be read), nothing
    of it is kept.

    Args:
        method: `shorten` replaces the last four digits of a number by `****`, and all but at most
            three characters of a user. `hash` replaces each by `#` and 16 hexadecimal digits, an
            HMAC-SHA256, by which equal numbers can be recognized.
        key: Secret key for `hash`, at least 16 bytes; the same key gives the same masks. None for
            a random key.

    Raises:
        InvalidRequest: The method does not exist, the key is too short, or `shorten` has a key.
    """

    method: MaskingMethod = attrs.field(default="shorten", validator=_checked_method)
    _key: Hidden[bytes] = attrs.field(alias="key", default=None, converter=_hidden, repr=False)

    def __attrs_post_init__(self) -> None:
        size = len(self._key.reveal())
        if self.method == "shorten" and size:
            raise InvalidRequest(
                "key has no effect with method 'shorten': omit it, or use 'hash'", parameter="key"
            )
        if self.method == "hash" and not size:
            object.__setattr__(self, "_key", Hidden(secrets.token_bytes(32)))
        elif 0 < size < _LEAST_KEY:
            raise InvalidRequest(
                f"key has {size} byte{'s' * (size != 1)}: give at least {_LEAST_KEY}, for example "
                "secrets.token_hex(16)",
                parameter="key",
            )

    @property
    def identity(self) -> str:
        """The method, for `hash` with a digest that tells keys apart."""
        if self.method == "shorten":
            return self.method
        digest = hmac.new(self._key.reveal(), b"sinchvoice", hashlib.sha256).hexdigest()
        return f"{self.method} {digest[:_DIGITS]}"

    def mask(self, text: str) -> str:
        """Return the mask of a phone number, a user or a SIP address.

        Args:
            text: As in a record; empty text stays empty.
        """
        if not text or re.fullmatch(_NUMBER, text):
            return self._part(text) if text else text
        if "@" not in text and not re.match(_SCHEME, text):
            return self._part(text)
        found = re.fullmatch(_ADDRESS, text)
        assert found is not None  # noqa: S101 - it matches every text
        host = re.sub(_RUN, _HIDDEN, found[2] or "")
        return self._part(found[1]) + (f"@{host}" if host else "")

    def _part(self, text: str) -> str:
        if re.fullmatch(_NUMBER, text):
            digits = re.sub("^00([1-9])", r"\1", re.sub("[^0-9]", "", text))
            if self.method == "hash":
                return self._hash(digits)
            return re.sub("[0-9]{1,4}$", _HIDDEN, digits)
        if self.method == "hash":
            return self._hash(text)
        return text[: min(3, len(text) // 4)] + _HIDDEN

    def _hash(self, text: str) -> str:
        content = text.encode("utf-8", "surrogatepass")
        return "#" + hmac.new(self._key.reveal(), content, hashlib.sha256).hexdigest()[:_DIGITS]

    def _check(self, name: str, text: object) -> None:
        """Check a value of a filter, which is compared with masked text.

        Raises:
            InvalidRequest: It is not a mask.
        """
        mask = r"#[0-9a-f]{16}(@|$)" if self.method == "hash" else r".*\*{4}.*"
        if isinstance(text, str) and text and not re.match(mask, text, re.DOTALL):
            raise InvalidRequest(
                f"{name} has {printable(repr(text), 60)}, but users are masked: give the mask that "
                "results show"
            )

    # --- Records and rejects ---------------------------------------------------------------------

    def record(self, record: CdrRecord) -> CdrRecord:
        """Return a record with masked `from_`, `to` and `user_id`, without `custom` and extras."""
        masked: dict[str, Any] = {
            "from_": self._endpoint(record.from_),
            "to": self._endpoint(record.to),
            "custom": None,
            "extras": Extras({}, may_be_cut=True) if record.may_be_cut else NO_EXTRAS,
        }
        if (user := getattr(record, "user_id", None)) is not None:
            masked["user_id"] = self.mask(user)
        return record._replace(**masked)

    def _endpoint(self, endpoint: endpoints.Endpoint | None) -> endpoints.Endpoint | None:
        if endpoint is None:
            return None
        kind, text = endpoint.to_dict().values()
        return endpoints.read({"type": kind, "endpoint": text and self.mask(text)})

    def reject(self, reject: Reject) -> Reject:
        """Return a reject that shows only the shape of its text: letters as `x`, digits as `0`."""
        header = reject.header
        if reject.cause == RejectCause.HEADER:
            header = tuple(map(_shape, header))
        return attrs.evolve(
            reject,
            value=reject.value and _shape(reject.value),
            message=_without_quotes(reject.message),
            raw=_shape_of_bytes(reject.raw),
            header=header,
        )

    def _error(self, error: CdrError) -> CdrError:
        """Return an error that shows nothing of a record."""
        return CdrError(
            _without_quotes(error.message),
            error.file,
            error.line,
            error.reject and self.reject(error.reject),
            parameter=error.parameter,
            remedy=error.remedy,
        )

    # --- SQL -------------------------------------------------------------------------------------

    def _sql(self, column: str) -> str:
        """Return SQL for the mask of a column; it contains the key."""
        user, host = (f"regexp_extract({column}, '{_ADDRESS}', {group})" for group in (1, 2))
        host = f"regexp_replace({host}, '{_RUN}', '{_HIDDEN}', 'g')"
        number = f"regexp_full_match({column}, '{_NUMBER}')"
        return (
            f"CASE WHEN {column} IS NULL OR {column} = '' THEN {column} "
            f"WHEN {number} THEN {self._number_sql(column)} "
            f"WHEN NOT contains({column}, '@') AND NOT regexp_matches({column}, '{_SCHEME}') "
            f"THEN {self._user_sql(column)} "
            f"ELSE CASE WHEN regexp_full_match({user}, '{_NUMBER}') "
            f"THEN {self._number_sql(user)} ELSE {self._user_sql(user)} END "
            f"|| CASE WHEN {host} = '' THEN '' ELSE '@' || {host} END END"
        )

    def _number_sql(self, text: str) -> str:
        digits = f"regexp_replace(regexp_replace({text}, '[^0-9]', '', 'g'), '^00([1-9])', '\\1')"
        if self.method == "hash":
            return self._hash_sql(digits)
        return f"regexp_replace({digits}, '[0-9]{{1,4}}$', '{_HIDDEN}')"

    def _user_sql(self, text: str) -> str:
        if self.method == "hash":
            return self._hash_sql(text)
        return f"left({text}, least(3, length({text}) // 4)) || '{_HIDDEN}'"

    def _hash_sql(self, text: str) -> str:
        """HMAC as in RFC 2104, because DuckDB has only the hash."""
        inner, outer = (_blob(self._block(), byte) for byte in (0x36, 0x5C))
        return (
            f"'#' || left(sha256({outer} || unhex(sha256({inner} || encode({text})))), {_DIGITS})"
        )

    def _block(self) -> bytes:
        key = self._key.reveal()
        if len(key) > _BLOCK:
            key = hashlib.sha256(key).digest()
        return key.ljust(_BLOCK, b"\0")


Mask: TypeAlias = Masking | MaskingMethod
"""A Masking, or the name of a method."""


def find(mask: Mask | None) -> Masking | None:
    """Return the Masking of an argument `mask`.

    Raises:
        InvalidRequest: The method does not exist.
    """
    return mask if mask is None or isinstance(mask, Masking) else Masking(mask)


def _shape(text: str) -> str:
    """Return a text with `x` for each letter and `0` for each digit."""
    return re.sub(r"[^\W\d_]|[^\x00-\x7f]", "x", re.sub("[0-9]", "0", text))


def _shape_of_bytes(raw: bytes) -> bytes:
    """Return bytes as `_shape` does, with `x` for each byte that is not printable ASCII."""
    return re.sub(rb"[A-Za-z\\]|[^ -~]", b"x", re.sub(b"[0-9]", b"0", raw))


def quoted_text(character: str) -> str:
    """Return a regular expression for the quoted text in a message, which may be of a record.

    Args:
        character: Regular expression for a letter or digit.
    """
    return f"(?s)'.*{character}.*'|\".*{character}.*\""


_QUOTED = re.compile(quoted_text(r"[^\W_]"))


def _without_quotes(message: str) -> str:
    return _QUOTED.sub("'…'", message)


def _blob(block: bytes, byte: int) -> str:
    return "'" + "".join(f"\\x{each ^ byte:02X}" for each in block) + "'::BLOB"
