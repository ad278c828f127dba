"""Every kind of change: its id, how much it matters, and what it means.

Ids are those of oasdiff's checks wherever it has one; where it looks at a thing in one place only,
ids for the other places are formed alike (`request-parameter-pattern-added`,
`response-header-pattern-added`). What oasdiff grades for servers is graded here for
those who call it: what they call or read and is gone is an error, and so is what they have to send
anew; what they may receive and do not know yet is a warning.
"""

import attrs

from .model import Level

ERROR, WARN, INFO = Level.ERROR, Level.WARN, Level.INFO


@attrs.frozen
class Kind:
    """A kind of change.

    Attributes:
        id: Its name.
        level: How much it matters, if nothing overrides it.
        meaning: What has happened, in one line, for people.
    """

    id: str
    level: Level
    meaning: str


# What happens to operations and to what surrounds schemas. Ids that oasdiff does not have: servers,
# webhooks and what they send, `info-version-changed`, `api-sunset-date-postponed`,
# `api-security-component-changed`, those of the content of parameters and headers,
# `request-body-encoding-changed`, `override-unused` and `overlay-action-obsolete`.
_PLAIN = [
    # Operations
    ("endpoint-added", INFO, "a new operation"),
    ("api-path-removed-without-deprecation", ERROR, "the path is gone, unannounced"),
    ("api-path-removed-with-deprecation", ERROR, "the path is gone; it had been deprecated"),
    ("api-removed-without-deprecation", ERROR, "the operation is gone, unannounced"),
    ("api-removed-with-deprecation", ERROR, "the operation is gone; it had been deprecated"),
    ("endpoint-deprecated", WARN, "the operation is deprecated, without a date"),
    ("endpoint-deprecated-with-sunset", WARN, "the operation is deprecated and ends at a date"),
    ("endpoint-reactivated", INFO, "the operation is no longer deprecated"),
    ("sunset-deleted", INFO, "the date at which the operation ends is gone"),
    ("api-sunset-date-changed-too-small", WARN, "the operation ends earlier than announced"),
    ("api-sunset-date-postponed", INFO, "the operation ends later than announced"),
    ("api-operation-id-removed", WARN, "the operation has another name: generated code moves"),
    ("api-operation-id-added", INFO, "the operation has got a name"),
    ("api-tag-removed", INFO, "a tag is gone"),
    ("api-tag-added", INFO, "a new tag"),
    ("info-version-changed", INFO, "the API calls itself another version"),
    ("api-schema-removed", INFO, "a schema that no operation uses is gone"),
    # Servers and security
    ("api-server-removed", ERROR, "a server is gone"),
    ("api-server-added", INFO, "a new server"),
    ("api-global-security-removed", ERROR, "a way to authenticate is gone, for all operations"),
    ("api-global-security-added", INFO, "a new way to authenticate, for all operations"),
    ("api-security-removed", ERROR, "a way to authenticate is gone"),
    ("api-security-added", INFO, "a new way to authenticate"),
    ("api-security-scope-added", ERROR, "a scope is needed that was not"),
    ("api-security-scope-removed", INFO, "a scope is no longer needed"),
    ("api-security-component-type-changed", ERROR, "a security scheme is of another type"),
    ("api-security-component-changed", ERROR, "a security scheme works otherwise"),
    # Parameters
    ("request-parameter-removed", ERROR, "the parameter is gone"),
    ("new-required-request-parameter", ERROR, "a new parameter has to be sent"),
    ("new-optional-request-parameter", INFO, "a new parameter may be sent"),
    ("request-parameter-became-required", ERROR, "the parameter has to be sent now"),
    ("request-parameter-became-optional", INFO, "the parameter may be left out now"),
    ("request-parameter-style-changed", ERROR, "the parameter is written in another style"),
    ("request-parameter-explode-changed", ERROR, "several values are written otherwise"),
    ("request-parameter-became-allow-reserved", WARN, "reserved characters travel unencoded"),
    ("request-parameter-became-not-allow-reserved", WARN, "reserved characters travel encoded"),
    ("request-parameter-content-changed", ERROR, "the parameter is written in another media type"),
    ("response-header-content-changed", ERROR, "the header is written in another media type"),
    ("webhook-parameter-content-changed", ERROR, "the parameter is written in another media type"),
    # Bodies
    ("request-body-added-required", ERROR, "a body has to be sent, where there was none"),
    ("request-body-added-optional", INFO, "a body may be sent, where there was none"),
    ("request-body-removed", ERROR, "no body is accepted any more"),
    ("request-body-became-required", ERROR, "the body has to be sent now"),
    ("request-body-became-optional", INFO, "the body may be left out now"),
    ("request-body-media-type-removed", ERROR, "a media type is no longer accepted"),
    ("request-body-media-type-added", INFO, "a new media type is accepted"),
    ("request-body-encoding-changed", ERROR, "the parts of the body are encoded otherwise"),
    # Responses
    ("response-success-status-removed", ERROR, "a status of success is gone"),
    ("response-success-status-added", WARN, "a new status of success"),
    ("response-non-success-status-removed", INFO, "a status of failure is gone"),
    ("response-non-success-status-added", WARN, "a new status of failure"),
    ("response-media-type-removed", ERROR, "answers no longer come in a media type"),
    ("response-media-type-added", INFO, "answers may come in a new media type"),
    ("required-response-header-removed", ERROR, "a header that was always there is gone"),
    ("optional-response-header-removed", WARN, "a header is gone"),
    ("response-header-added", INFO, "a new header"),
    ("response-header-became-optional", WARN, "a header may be absent now"),
    ("response-header-became-required", INFO, "a header is always there now"),
    # Properties
    ("new-required-request-property", ERROR, "a new field has to be sent"),
    ("new-required-request-property-with-default", WARN, "a new field, required but defaulted"),
    ("new-optional-request-property", INFO, "a new field may be sent"),
    ("request-property-removed", ERROR, "a field is no longer accepted"),
    ("request-property-became-required", ERROR, "a field has to be sent now"),
    ("request-property-became-required-with-default", WARN, "a field is required but defaulted"),
    ("request-property-became-optional", INFO, "a field may be left out now"),
    ("request-required-property-became-read-only", WARN, "a required field is set by the server"),
    ("request-optional-property-became-read-only", WARN, "a field is set by the server"),
    ("request-required-property-became-not-read-only", ERROR, "a field has to be sent now"),
    ("request-optional-property-became-not-read-only", INFO, "a field may be sent now"),
    ("response-required-property-removed", ERROR, "a field that was always there is gone"),
    ("response-optional-property-removed", ERROR, "a field is gone"),
    ("response-required-property-added", INFO, "a new field, always there"),
    ("response-optional-property-added", INFO, "a new field"),
    ("response-property-became-optional", WARN, "a field may be absent now"),
    ("response-property-became-required", INFO, "a field is always there now"),
    ("response-required-property-became-write-only", ERROR, "a field is no longer answered"),
    ("response-optional-property-became-write-only", ERROR, "a field is no longer answered"),
    ("response-required-property-became-not-write-only", INFO, "a field is answered now"),
    ("response-optional-property-became-not-write-only", INFO, "a field is answered now"),
    # Webhooks and callbacks: what arrives, but for its body, and what it is answered with. Bodies
    # are received as those of responses are, and answers are sent as those of requests are.
    ("webhook-removed", ERROR, "a callback or webhook is gone"),
    ("webhook-added", INFO, "a new callback or webhook"),
    ("webhook-parameter-removed", ERROR, "a parameter no longer arrives"),
    ("webhook-parameter-added", INFO, "a new parameter arrives"),
    ("webhook-parameter-became-optional", WARN, "a parameter may be absent now"),
    ("webhook-parameter-became-required", INFO, "a parameter is always there now"),
    ("webhook-body-removed", ERROR, "no body arrives any more"),
    ("webhook-body-added", INFO, "a body arrives, where there was none"),
    ("webhook-body-became-optional", WARN, "the body may be absent now"),
    ("webhook-body-became-required", INFO, "a body always arrives now"),
    ("webhook-media-type-removed", ERROR, "a media type no longer arrives"),
    ("webhook-media-type-added", WARN, "a media type may arrive that did not"),
    ("webhook-success-status-removed", ERROR, "an answer of success is no longer accepted"),
    ("webhook-success-status-added", INFO, "a new answer of success is accepted"),
    ("webhook-non-success-status-removed", INFO, "an answer of failure is no longer listed"),
    ("webhook-non-success-status-added", INFO, "a new answer of failure is listed"),
    ("webhook-security-changed", WARN, "it authenticates itself in another way"),
    # What the comparison itself finds out
    ("reference-changed", ERROR, "described in another document, which is not read: not as before"),
    ("overlay-action-obsolete", ERROR, "an overlay no longer fits: `regenerate` would stop"),
    ("override-unused", WARN, "an override of a level matches nothing: take it out"),
]

# Where a schema stands, the first part of an id; and whether it is sent or received.
SENT = ("request-parameter", "request-body", "request-property")
RECEIVED = ("response-header", "response-body", "response-property", "webhook-parameter")

# What happens to a schema, the second part of an id: level if sent, level if received, meaning.
# Ids that oasdiff has nowhere: those of formats (part of its type-changed), union-keyword-changed,
# became-closed, became-open, those of constraints, values-forbidden and those of items.
_FACETS = [
    ("type-changed", ERROR, ERROR, "another type"),
    ("type-generalized", INFO, None, "more types are accepted"),
    ("type-specialized", None, INFO, "fewer types than before"),
    ("format-added", WARN, INFO, "has to be in a format now"),
    ("format-changed", WARN, WARN, "another format"),
    ("format-generalized", INFO, None, "a format that takes more"),
    ("format-specialized", None, INFO, "a format that takes less"),
    ("format-removed", INFO, WARN, "need not be in a format any more"),
    ("became-nullable", INFO, WARN, "may be null now"),
    ("became-not-nullable", ERROR, INFO, "may not be null any more"),
    ("became-enum", ERROR, INFO, "only listed values now"),
    ("became-not-enum", INFO, WARN, "any value now, not only listed ones"),
    ("enum-value-removed", ERROR, INFO, "a listed value is gone"),
    ("enum-value-added", INFO, WARN, "a new listed value"),
    ("pattern-added", WARN, INFO, "has to match a pattern now"),
    ("pattern-changed", WARN, WARN, "has to match another pattern"),
    ("pattern-removed", INFO, WARN, "need not match a pattern any more"),
    ("default-value-added", INFO, INFO, "a default where there was none"),
    ("default-value-changed", WARN, INFO, "another default"),
    ("default-value-removed", WARN, INFO, "no default any more"),
    ("one-of-added", INFO, WARN, "a new alternative"),
    ("one-of-removed", ERROR, INFO, "an alternative is gone"),
    ("any-of-added", INFO, WARN, "a new alternative"),
    ("any-of-removed", ERROR, INFO, "an alternative is gone"),
    ("union-keyword-changed", INFO, INFO, "oneOf and anyOf changed places"),
    ("discriminator-added", INFO, INFO, "a field tells the alternatives apart now"),
    ("discriminator-removed", WARN, WARN, "no field tells the alternatives apart any more"),
    ("discriminator-property-name-changed", ERROR, ERROR, "another field tells them apart"),
    ("discriminator-mapping-added", INFO, WARN, "a new name for an alternative"),
    ("discriminator-mapping-deleted", ERROR, INFO, "a name for an alternative is gone"),
    ("discriminator-mapping-changed", ERROR, ERROR, "a name stands for another alternative"),
    ("became-closed", WARN, INFO, "fields that are not listed are refused now"),
    ("became-open", INFO, INFO, "fields that are not listed may be there now"),
    ("constraint-tightened", WARN, INFO, "a stricter rule for its values"),
    ("constraint-relaxed", INFO, WARN, "a rule for its values is gone, or less strict"),
    ("constraint-changed", WARN, WARN, "another rule for its values"),
    ("values-forbidden", ERROR, INFO, "some values are forbidden now"),
    ("item-added", INFO, INFO, "one more item has a place of its own"),
    ("item-removed", ERROR, ERROR, "an item that had a place of its own is gone"),
    ("deprecated", WARN, WARN, "deprecated"),
    ("reactivated", INFO, INFO, "no longer deprecated"),
    ("sunset-deleted", INFO, INFO, "the date at which it ends is gone"),
    ("sunset-date-changed-too-small", WARN, WARN, "it ends earlier than announced"),
    ("sunset-date-postponed", INFO, INFO, "it ends later than announced"),
]
# A limit on values: its keyword, and its part of an id.
LIMITS = {
    f"{side}{keyword}": f"{short}{suffix}"
    for side, short in (("max", "max"), ("min", "min"))
    for keyword, suffix in (
        ("imum", ""),
        ("Length", "-length"),
        ("Items", "-items"),
        ("Properties", "-properties"),
        ("Contains", "-contains"),
    )
}
_FACETS += [
    (f"{limit}-{what}", WARN if narrows else INFO, INFO if narrows else WARN, meaning)
    for limit in LIMITS.values()
    for what, narrows, meaning in (
        ("set", True, "a limit where there was none"),
        ("unset", False, "a limit is gone"),
        ("decreased", limit.startswith("max"), "a lower limit than before"),
        ("increased", limit.startswith("min"), "a higher limit than before"),
    )
]

KINDS: dict[str, Kind] = {id_: Kind(id_, level, meaning) for id_, level, meaning in _PLAIN} | {
    f"{place}-{facet}": Kind(f"{place}-{facet}", level, meaning)
    for facet, sent, received, meaning in _FACETS
    for level, places in ((sent, SENT), (received, RECEIVED))
    if level is not None
    for place in places
}
