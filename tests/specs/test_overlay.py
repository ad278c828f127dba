"""scripts/overlay.py: unambiguous YAML, and overlays that fit or fail."""

from typing import Any

import overlay
import pytest

DOCUMENT = """
info: {title: Pets, version: '1'}
tags: [{name: cats}, {name: dogs}, {name: fish}]
schemas:
  pet: {type: string, enum: [cat, dog]}
  toy: {type: object}
"""


def apply(actions: str) -> dict[str, Any]:
    text = f"overlay: 1.0.0\ninfo: {{title: Test, version: '1'}}\nactions:\n{actions}"
    return overlay.apply(overlay.parse(DOCUMENT, "pets.yaml"), overlay.parse(text, "o"), "o.yaml")


def test_objects_are_merged_member_by_member():
    result = apply("- {target: $.info, update: {title: Animals, summary: All of them}}")
    assert result["info"] == {"title": "Animals", "version": "1", "summary": "All of them"}


def test_objects_are_merged_at_every_depth():
    result = apply("- {target: $, update: {schemas: {toy: {description: Squeaks}}}}")
    assert result["schemas"]["toy"] == {"type": "object", "description": "Squeaks"}
    assert result["schemas"]["pet"] == {"type": "string", "enum": ["cat", "dog"]}


def test_an_update_is_appended_to_an_array():
    result = apply("- {target: $.tags, update: {name: birds}}")
    assert [tag["name"] for tag in result["tags"]] == ["cats", "dogs", "fish", "birds"]


def test_arrays_inside_an_update_are_concatenated():
    result = apply("- {target: $.schemas.pet, update: {enum: [fish]}}")
    assert result["schemas"]["pet"]["enum"] == ["cat", "dog", "fish"]


def test_an_object_is_removed():
    assert "toy" not in apply("- {target: $.schemas.toy, remove: true}")["schemas"]


def test_removing_several_entries_of_an_array_keeps_the_others():
    result = apply("""- {target: "$.tags[?@.name != 'dogs']", remove: true}""")
    assert result["tags"] == [{"name": "dogs"}]


def test_a_node_selected_twice_is_removed_once():
    result = apply("- {target: '$.tags[0,0]', remove: true}")
    assert result["tags"] == [{"name": "dogs"}, {"name": "fish"}]


def test_an_enum_is_replaced_by_removing_it_first():
    result = apply(
        "- {target: $.schemas.pet.enum, remove: true}\n"
        "- {target: $.schemas.pet, update: {enum: [horse]}}"
    )
    assert result["schemas"]["pet"] == {"type": "string", "enum": ["horse"]}


def test_each_node_gets_its_own_copy_of_an_update():
    result = apply(
        "- {target: $.schemas.*, update: {x-notes: [first]}}\n"
        "- {target: $.schemas.pet, update: {x-notes: [second]}}"
    )
    assert result["schemas"]["pet"]["x-notes"] == ["first", "second"]
    assert result["schemas"]["toy"]["x-notes"] == ["first"]


def test_an_update_stays_out_of_an_alias_of_its_target():
    document = overlay.parse("a: &shared {inner: {value: 1}}\nb: *shared\n", "aliased.yaml")
    text = "overlay: 1.0.0\ninfo: {title: T, version: '1'}\nactions:\n"
    text += "- {target: $.a.inner, update: {value: 2}}"
    changed = overlay.apply(document, overlay.parse(text, "o"), "o.yaml")
    assert changed == {"a": {"inner": {"value": 2}}, "b": {"inner": {"value": 1}}}


def test_the_document_is_not_modified():
    document = overlay.parse(DOCUMENT, "pets.yaml")
    actions = [{"target": "$.tags", "update": {"name": "birds"}}]
    overlay.apply(document, {"overlay": "1.0.0", "actions": actions}, "o.yaml")
    assert document == overlay.parse(DOCUMENT, "pets.yaml")


def test_an_action_without_a_match_is_an_error_that_names_it():
    with pytest.raises(overlay.OverlayError) as caught:
        apply(
            "- {target: $.info, update: {title: Animals}}\n"
            "- {target: $.schemas.bird, description: Birds may fly., update: {type: object}}"
        )
    message = str(caught.value)
    for part in (
        "o.yaml",
        "action 2",
        "$.schemas.bird",
        "nothing matches: delete",
        "Birds may fly.",
    ):
        assert part in message


def test_an_action_with_a_wrong_number_of_matches_is_an_error():
    with pytest.raises(overlay.OverlayError, match="1 nodes match, but x-matches is 2"):
        apply("- {target: '$.schemas[''pet'',''bird'']', x-matches: 2, update: {title: Pet}}")


def test_a_plain_value_cannot_be_a_target():
    with pytest.raises(overlay.OverlayError, match="is a plain value: target its parent"):
        apply("- {target: $.info.title, remove: true}")


@pytest.mark.parametrize(
    "update",
    ["{enum: horse}", "{enum: {a: horse}}", "{type: [string]}", "{type: {a: string}}"],
)
def test_values_of_different_kinds_do_not_merge(update: str):
    with pytest.raises(overlay.OverlayError, match="remove the old value first"):
        apply(f"- {{target: $.schemas.pet, update: {update}}}")


def test_an_object_cannot_be_updated_with_a_plain_value():
    with pytest.raises(overlay.OverlayError, match="cannot merge a plain value into an object"):
        apply("- {target: $.schemas.pet, update: horse}")


def test_the_whole_document_cannot_be_removed():
    with pytest.raises(overlay.OverlayError, match="whole document"):
        apply("- {target: $, remove: true}")


@pytest.mark.parametrize("target", ["schemas.pet", "$.schemas.~", "$.schemas | $.info", "$.["])
def test_a_target_that_is_not_an_rfc_9535_query_is_an_error(target: str):
    with pytest.raises(overlay.OverlayError, match="not a JSONPath query"):
        apply(f"- {{target: '{target}', remove: true}}")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"overlay": "2.0.0", "actions": [{}]}, "not version 1.0.x"),
        ({"overlay": "1.0.0"}, "at least one action"),
        ({"overlay": "1.0.0", "actions": []}, "at least one action"),
        ({"overlay": "1.0.0", "actions": ["$.info"]}, "an object with a target"),
        ({"overlay": "1.0.0", "actions": [{"update": {}}]}, "an object with a target"),
        ({"overlay": "1.0.0", "actions": [{"target": "$"}]}, "either update or remove"),
        (
            {"overlay": "1.0.0", "actions": [{"target": "$", "remove": True, "update": {}}]},
            "either update or remove",
        ),
        (
            {"overlay": "1.0.0", "actions": [{"target": "$", "upadte": {}}]},
            "unknown field upadte",
        ),
        (
            {"overlay": "1.0.0", "actions": [{"target": "$", "update": {}, "x-matches": "2"}]},
            "x-matches is not a number",
        ),
    ],
)
def test_a_malformed_overlay_is_an_error(document: dict[str, Any], problem: str):
    with pytest.raises(overlay.OverlayError, match=problem):
        overlay.apply({"info": {}}, document, "o.yaml")


@pytest.mark.parametrize("key", ["no", "204", "1.5", "null", "2014-04-28", "<<"])
def test_a_key_that_is_not_a_string_is_refused_with_its_line(key: str):
    with pytest.raises(
        overlay.DocumentError, match=f"pets.yaml, line 2: key {key} is not a string"
    ):
        overlay.parse(f"info: {{}}\n{key}: {{}}\n", "pets.yaml")


def test_quoted_keys_are_strings():
    assert overlay.parse("'no': 1\n'204': 2\n", "pets.yaml") == {"no": 1, "204": 2}


def test_a_duplicate_key_is_refused_with_its_line():
    with pytest.raises(overlay.DocumentError, match=r"pets.yaml, line 3: key a is a duplicate"):
        overlay.parse("a: 1\nb: 2\na: 3\n", "pets.yaml")


@pytest.mark.parametrize("value", ["no", "Yes", "on", "OFF"])
def test_a_word_that_yaml_reads_as_a_boolean_is_refused(value: str):
    with pytest.raises(overlay.DocumentError, match=f"line 1: {value} is a boolean to YAML"):
        overlay.parse(f"enum: [it, {value}]", "pets.yaml")


def test_an_unquoted_date_is_refused():
    with pytest.raises(overlay.DocumentError, match="2014-04-28 is a timestamp to YAML"):
        overlay.parse("example: 2014-04-28", "pets.yaml")


def test_all_problems_of_a_document_are_reported_at_once():
    with pytest.raises(overlay.DocumentError) as caught:
        overlay.parse("a:\n  204: {no: 1}\n  b: [on]\n", "pets.yaml")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("text", ["", "- a\n", "just text", "a: [", "a: !!python/object:b.C {}"])
def test_a_text_that_is_not_a_yaml_mapping_is_refused(text: str):
    with pytest.raises(overlay.DocumentError, match=r"pets\.yaml"):
        overlay.parse(text, "pets.yaml")


def located(actions: str) -> list[object]:
    text = f"overlay: 1.0.0\ninfo: {{title: Test, version: '1'}}\nactions:\n{actions}"
    found = overlay.locate(overlay.parse(DOCUMENT, "pets.yaml"), overlay.parse(text, "o"), "o.yaml")
    return [str(ways) if isinstance(ways, overlay.OverlayError) else ways for _, ways in found]


def test_actions_are_located_in_the_result_of_those_before():
    assert located(
        "- {target: $.schemas, update: {bird: {type: object}}}\n"
        "- {target: '$.schemas[''pet'',''bird'']', update: {title: Animal}}\n"
        "- {target: $.tags, update: {name: birds}}\n"
        "- {target: '$.tags[3]', remove: true}"
    ) == [
        [("schemas",)],
        [("schemas", "pet"), ("schemas", "bird")],
        [("tags",)],
        [("tags", 3)],
    ]


def test_an_action_that_does_not_fit_does_not_stop_the_others():
    gone, number, rest = located(
        "- {target: $.schemas.bird, remove: true}\n"
        "- {target: '$.schemas[''pet'',''bird'']', x-matches: 2, remove: true}\n"
        "- {target: $.schemas, update: {pet: {type: array}}}"
    )
    assert "nothing matches" in str(gone)
    assert "1 nodes match, but x-matches is 2" in str(number)
    assert rest == [("schemas",)]
