"""All kinds of change: id, level and meaning.

The ids are those of oasdiff's checks where they exist. Where oasdiff checks only one place, the ids
for other places are formed alike (`request-parameter-pattern-added`,
`response-header-pattern-added`). oasdiff grades for servers; these levels are for callers. ERROR:
something they call or read was removed, or something they send is newly required. WARN: they may
receive something new.
"""

import attrs

from .model import Level

ERROR, WARN, INFO = Level.ERROR, Level.WARN, Level.INFO


@attrs.frozen
class Kind:
    """A kind of change.

    Attributes:
        id: The id.
        level: The importance, unless overridden.
        meaning: The meaning of the change in one line.
    """

    id: str
    level: Level
    meaning: str


# Changes of operations and of everything around schemas. oasdiff has no ids for servers, webhooks,
# `info-version-changed`, `api-sunset-date-postponed`, `api-security-component-changed`, the content
# of parameters and headers, `request-body-encoding-changed`, `override-unused` and
# `overlay-action-obsolete`.
_PLAIN = [
    # Operations
    ("endpoint-added", INFO, "a new operation"),
    ("api-path-removed-without-deprecation", ERROR, "the path was removed without deprecation"),
    ("api-path-removed-with-deprecation", ERROR, "the deprecated path was removed"),
    ("api-removed-without-deprecation", ERROR, "the operation was removed without deprecation"),
    ("api-removed-with-deprecation", ERROR, "the deprecated operation was removed"),
    ("endpoint-deprecated", WARN, "the operation is now deprecated, without a date"),
    ("endpoint-deprecated-with-sunset", WARN, "the operation is now deprecated, with an end date"),
    ("endpoint-reactivated", INFO, "the operation is no longer deprecated"),
    ("sunset-deleted", INFO, "the end date of the operation was removed"),
    ("api-sunset-date-changed-too-small", WARN, "the operation ends earlier than announced"),
    ("api-sunset-date-postponed", INFO, "the operation ends later than announced"),
    ("api-operation-id-removed", WARN, "the operationId has changed: generated names change"),
    ("api-operation-id-added", INFO, "the operation now has an operationId"),
    ("api-tag-removed", INFO, "a tag was removed"),
    ("api-tag-added", INFO, "a new tag"),
    ("info-version-changed", INFO, "the version of the API has changed"),
    ("api-schema-removed", INFO, "a schema that no operation uses was removed"),
    # Servers and security
    ("api-server-removed", ERROR, "a server was removed"),
    ("api-server-added", INFO, "a new server"),
    ("api-global-security-removed", ERROR, "a way to authenticate was removed for all operations"),
    ("api-global-security-added", INFO, "a new way to authenticate for all operations"),
    ("api-security-removed", ERROR, "a way to authenticate was removed"),
    ("api-security-added", INFO, "a new way to authenticate"),
    ("api-security-scope-added", ERROR, "a new scope is required"),
    ("api-security-scope-removed", INFO, "a scope is no longer required"),
    ("api-security-component-type-changed", ERROR, "a security scheme has another type"),
    ("api-security-component-changed", ERROR, "a security scheme has changed"),
    # Parameters
    ("request-parameter-removed", ERROR, "the parameter was removed"),
    ("new-required-request-parameter", ERROR, "a new parameter is required"),
    ("new-optional-request-parameter", INFO, "a new optional parameter"),
    ("request-parameter-became-required", ERROR, "the parameter is now required"),
    ("request-parameter-became-optional", INFO, "the parameter is now optional"),
    ("request-parameter-style-changed", ERROR, "the parameter has another style"),
    ("request-parameter-explode-changed", ERROR, "several values are serialized differently"),
    ("request-parameter-became-allow-reserved", WARN, "reserved characters are no longer encoded"),
    ("request-parameter-became-not-allow-reserved", WARN, "reserved characters are now encoded"),
    ("request-parameter-content-changed", ERROR, "the parameter has another media type"),
    ("response-header-content-changed", ERROR, "the header has another media type"),
    ("webhook-parameter-content-changed", ERROR, "the parameter has another media type"),
    # Bodies
    ("request-body-added-required", ERROR, "a body is required, where there was none"),
    ("request-body-added-optional", INFO, "an optional body, where there was none"),
    ("request-body-removed", ERROR, "a body is no longer accepted"),
    ("request-body-became-required", ERROR, "the body is now required"),
    ("request-body-became-optional", INFO, "the body is now optional"),
    ("request-body-media-type-removed", ERROR, "a media type is no longer accepted"),
    ("request-body-media-type-added", INFO, "a new media type is accepted"),
    ("request-body-encoding-changed", ERROR, "the parts of the body are encoded differently"),
    # Responses
    ("response-success-status-removed", ERROR, "a success status was removed"),
    ("response-success-status-added", WARN, "a new success status"),
    ("response-non-success-status-removed", INFO, "a failure status was removed"),
    ("response-non-success-status-added", WARN, "a new failure status"),
    ("response-media-type-removed", ERROR, "a media type of responses was removed"),
    ("response-media-type-added", INFO, "a new media type of responses"),
    ("required-response-header-removed", ERROR, "a header that was always present was removed"),
    ("optional-response-header-removed", WARN, "a header was removed"),
    ("response-header-added", INFO, "a new header"),
    ("response-header-became-optional", WARN, "a header may now be absent"),
    ("response-header-became-required", INFO, "a header is now always present"),
    # Properties
    ("new-required-request-property", ERROR, "a new field is required"),
    ("new-required-request-property-with-default", WARN, "a new field with a default is required"),
    ("new-optional-request-property", INFO, "a new optional field"),
    ("request-property-removed", ERROR, "a field is no longer accepted"),
    ("request-property-became-required", ERROR, "a field is now required"),
    ("request-property-became-required-with-default", WARN, "now required, but with a default"),
    ("request-property-became-optional", INFO, "a field is now optional"),
    ("request-required-property-became-read-only", WARN, "a required field is now read-only"),
    ("request-optional-property-became-read-only", WARN, "a field is now read-only"),
    ("request-required-property-became-not-read-only", ERROR, "a field is now required"),
    ("request-optional-property-became-not-read-only", INFO, "a field is no longer read-only"),
    ("response-required-property-removed", ERROR, "a field that was always present was removed"),
    ("response-optional-property-removed", ERROR, "a field was removed"),
    ("response-required-property-added", INFO, "a new field, always present"),
    ("response-optional-property-added", INFO, "a new field"),
    ("response-property-became-optional", WARN, "a field may now be absent"),
    ("response-property-became-required", INFO, "a field is now always present"),
    ("response-required-property-became-write-only", ERROR, "a field is no longer returned"),
    ("response-optional-property-became-write-only", ERROR, "a field is no longer returned"),
    ("response-required-property-became-not-write-only", INFO, "a field is now returned"),
    ("response-optional-property-became-not-write-only", INFO, "a field is now returned"),
    # Webhooks and callbacks: received requests without bodies, and status codes of answers. Their
    # bodies have the ids of response bodies, and the bodies of answers those of request bodies.
    ("webhook-removed", ERROR, "a callback or webhook was removed"),
    ("webhook-added", INFO, "a new callback or webhook"),
    ("webhook-parameter-removed", ERROR, "a parameter is no longer sent to us"),
    ("webhook-parameter-added", INFO, "a new parameter is sent to us"),
    ("webhook-parameter-became-optional", WARN, "a parameter may now be absent"),
    ("webhook-parameter-became-required", INFO, "a parameter is now always present"),
    ("webhook-body-removed", ERROR, "a body is no longer sent to us"),
    ("webhook-body-added", INFO, "a body is sent to us, where there was none"),
    ("webhook-body-became-optional", WARN, "the body may now be absent"),
    ("webhook-body-became-required", INFO, "a body is now always present"),
    ("webhook-media-type-removed", ERROR, "a media type is no longer sent to us"),
    ("webhook-media-type-added", WARN, "a new media type may be sent to us"),
    ("webhook-success-status-removed", ERROR, "a success answer is no longer accepted"),
    ("webhook-success-status-added", INFO, "a new success answer is accepted"),
    ("webhook-non-success-status-removed", INFO, "a failure answer is no longer listed"),
    ("webhook-non-success-status-added", INFO, "a new failure answer is listed"),
    ("webhook-security-changed", WARN, "the way to authenticate has changed"),
    # The comparison itself
    ("reference-changed", ERROR, "an external reference, which is not read, has changed"),
    ("overlay-action-obsolete", ERROR, "an overlay no longer fits: `regenerate` would fail"),
    ("override-unused", WARN, "an override matches nothing: remove it"),
]

# The place of a schema, which is the first part of an id; sent or received.
SENT = ("request-parameter", "request-body", "request-property")
RECEIVED = ("response-header", "response-body", "response-property", "webhook-parameter")

# The change of a schema, which is the second part of an id: level if sent, level if received,
# meaning. oasdiff has no ids for formats (part of its type-changed), union-keyword-changed,
# became-closed, became-open, constraints, values-forbidden and items.
_FACETS = [
    ("type-changed", ERROR, ERROR, "another type"),
    ("type-generalized", INFO, None, "more types are accepted"),
    ("type-specialized", None, INFO, "fewer types than before"),
    ("format-added", WARN, INFO, "now has a format"),
    ("format-changed", WARN, WARN, "another format"),
    ("format-generalized", INFO, None, "a wider format"),
    ("format-specialized", None, INFO, "a narrower format"),
    ("format-removed", INFO, WARN, "no longer has a format"),
    ("became-nullable", INFO, WARN, "may now be null"),
    ("became-not-nullable", ERROR, INFO, "may no longer be null"),
    ("became-enum", ERROR, INFO, "now only listed values"),
    ("became-not-enum", INFO, WARN, "now any value, not only listed ones"),
    ("enum-value-removed", ERROR, INFO, "a listed value was removed"),
    ("enum-value-added", INFO, WARN, "a new listed value"),
    ("pattern-added", WARN, INFO, "now has to match a pattern"),
    ("pattern-changed", WARN, WARN, "has to match another pattern"),
    ("pattern-removed", INFO, WARN, "no longer has to match a pattern"),
    ("default-value-added", INFO, INFO, "a default where there was none"),
    ("default-value-changed", WARN, INFO, "another default"),
    ("default-value-removed", WARN, INFO, "no longer has a default"),
    ("one-of-added", INFO, WARN, "a new alternative"),
    ("one-of-removed", ERROR, INFO, "an alternative was removed"),
    ("any-of-added", INFO, WARN, "a new alternative"),
    ("any-of-removed", ERROR, INFO, "an alternative was removed"),
    ("union-keyword-changed", INFO, INFO, "oneOf became anyOf, or vice versa"),
    ("discriminator-added", INFO, INFO, "a discriminator was added"),
    ("discriminator-removed", WARN, WARN, "the discriminator was removed"),
    ("discriminator-property-name-changed", ERROR, ERROR, "the discriminator is another field"),
    ("discriminator-mapping-added", INFO, WARN, "a new name for an alternative"),
    ("discriminator-mapping-deleted", ERROR, INFO, "a name for an alternative was removed"),
    ("discriminator-mapping-changed", ERROR, ERROR, "a name stands for another alternative"),
    ("became-closed", WARN, INFO, "unlisted fields are now forbidden"),
    ("became-open", INFO, INFO, "unlisted fields are now permitted"),
    ("constraint-tightened", WARN, INFO, "a stricter rule for its values"),
    ("constraint-relaxed", INFO, WARN, "a rule for its values was removed or relaxed"),
    ("constraint-changed", WARN, WARN, "another rule for its values"),
    ("values-forbidden", ERROR, INFO, "some values are now forbidden"),
    ("item-added", INFO, INFO, "another item has a schema for its position"),
    ("item-removed", ERROR, ERROR, "an item with a schema for its position was removed"),
    ("deprecated", WARN, WARN, "deprecated"),
    ("reactivated", INFO, INFO, "no longer deprecated"),
    ("sunset-deleted", INFO, INFO, "the end date was removed"),
    ("sunset-date-changed-too-small", WARN, WARN, "it ends earlier than announced"),
    ("sunset-date-postponed", INFO, INFO, "it ends later than announced"),
]
# The limits on values: keyword, and part of the id.
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
        ("unset", False, "a limit was removed"),
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
