"""A broken file is refused with its name, the line, the path inside it and the mend."""

from pathlib import Path

import pytest
from builders import EXAMPLES, POLICY, calibration, proof

from domain.errors import PolicyInvalid
from policies.load import load_classifier, load_policy, load_workflow, replace_policy

RECORD = calibration().model_dump_json()


def write(folder: Path, policy: str = POLICY, examples: str = EXAMPLES) -> Path:
    (folder / "tiny.examples.jsonl").write_text(examples, encoding="utf-8")
    path = folder / "tiny.yaml"
    path.write_text(policy, encoding="utf-8")
    return path


def without_routes() -> str:
    routes = POLICY[POLICY.index("routes:") : POLICY.index("classifier:")]
    rules = POLICY[POLICY.index("rules:") : POLICY.index("validation:")]
    return POLICY.replace(routes, "").replace(rules, "")


def complaint(path: Path) -> str:
    with pytest.raises(PolicyInvalid) as caught:
        load_workflow(str(path))
    return str(caught.value)


BROKEN = [
    pytest.param("mode: auto", "mood: auto", "mood: auto",
                 "mood: Extra inputs are not permitted. Did you mean 'mode'?",
                 id="an unknown key names the one that was meant"),
    pytest.param("  neighbours: 2", "  neighbors: 2", "neighbors",
                 "classifier.neighbors: Extra inputs are not permitted. Did you mean 'neighbours'?",
                 id="an unknown key in a section"),
    pytest.param("    route: sales", "    rout: sales", "rout:",
                 "rules.0.rout: Extra inputs are not permitted. Did you mean 'route'?",
                 id="an unknown key in a list"),
    pytest.param("    system: sandbox_crm", "    system: sandbox_crm\n    colour: red", "colour",
                 "destinations.crm.colour: Extra inputs are not permitted. Remove it; known here: at, duplicates, "
                 "options, patience, record_key, system, values, when.",
                 id="an unknown key like no other names those that there are"),
    pytest.param("version: 1", "version: 1\nversion: 2", "version: 2", "version: written twice. Remove one.",
                 id="a doubled key"),
    pytest.param("    action: person", "    action: person\n    action: reject", "action: reject",
                 "rules.1.action: written twice. Remove one.",
                 id="a doubled key in a list"),
    pytest.param("description: letters to a toy shop\n", "", "name: tiny", "description: Field required. Add it.",
                 id="a missing key"),
    pytest.param('  text: "{{ message }}"\n', "", "input:", "input.text: Field required. Add it.",
                 id="a missing key in a section points at the section"),
    pytest.param("mode: auto", "mode: automatic", "mode: automatic",
                 "mode: Input should be 'shadow', 'assist', 'canary' or 'auto'.",
                 id="a wrong choice names the choices"),
    pytest.param("email: email", "email: mail", "email: mail",
                 "input.fields.email: Input should be 'text', 'email', 'number', 'phone', 'country', 'money', 'date', "
                 "'name' or 'company'.",
                 id="a wrong type of a field names the types"),
    pytest.param("  neighbours: 2", "  neighbours: -2", "neighbours",
                 "classifier.neighbours: Input should be greater than or equal to 0.",
                 id="a number out of range"),
    pytest.param("    toys: number", "    Toy Count: number", "Toy Count",
                 "input.fields.Toy Count: String should match pattern '^[a-z][a-z0-9_]{0,62}$'. Use lower case "
                 "letters, digits and underscores, beginning with a letter.",
                 id="a name that is none"),
    pytest.param("examples: tiny.examples.jsonl", "examples: tiny.csv", "tiny.csv",
                 r"examples: String should match pattern '\.jsonl$'.",
                 id="examples that are no JSON Lines"),
    pytest.param('"{{ message }}"', '"{{ message }"', "{{ message }",
                 "input.text: not a Jinja2 template: unexpected '}'; mend the braces or the tag.",
                 id="a bad template"),
    pytest.param('queue: "{{ route }}"', 'queue: "{{ route | shout }}"', "shout",
                 "destinations.crm.values.queue: not a Jinja2 template: No filter named 'shout'.; mend the braces or "
                 "the tag.",
                 id="a template with an unknown filter"),
    pytest.param("when: toys >= 100", "when: toys >=", "toys >=",
                 "rules.0.when: rule 'toys >=': syntax error at: EOF; see the expression language in the docs.",
                 id="a bad rule expression"),
    pytest.param("when: toys >= 100", "when: toys >= 'many'", "toys >=",
                 "rules.0.when: rule 'toys >= 'many'': data type mismatch; see the expression language in the docs.",
                 id="a rule that compares a number with text"),
    pytest.param("when: toys >= 100", "when: size >= 100", "size >=",
                 "rules.0.when: rule 'size >= 100': no field 'size'; known are email, faults, message, missing, "
                 "source, text, toys, unsure.",
                 id="an unknown field in a rule names the known ones"),
    pytest.param("when: toys >= 100", "when: $random() < 0.5", "$random",
                 "rules.0.when: rule '$random() < 0.5': no function '$random'; there are $abs, $all, $any, $filter, "
                 "$map, $max, $min, $parse_float, $split, $sum.",
                 id="a rule that throws dice"),
    pytest.param("    route: sales", "    route: seals", "route: seals",
                 "rules.0.route: no route 'seals'; add it or use one of: sales, repairs.",
                 id="a route that does not exist in a rule"),
    pytest.param("    action: person", "    action: person\n    route: sales", "- name: threat",
                 "rules.1: a rule has a route exactly when its action is 'route'; add one or remove the other.",
                 id="a rule for a person with a route"),
    pytest.param("- name: threat", "- name: many_toys", "- name: many_toys",
                 "rules.1.name: 'many_toys' is used twice; give each rule its own name.",
                 id="two rules with one name"),
    pytest.param("  repairs:\n", "  none_of_these:\n", "  none_of_these:",
                 "routes.none_of_these: 'none_of_these' is always a label; remove it from the routes.",
                 id="none_of_these as a route"),
    pytest.param("required: [email]", "required: [email, phone]", "phone",
                 "validation.required.1: 'phone' is not in input.fields; add it there or remove it here.",
                 id="a required field that is not known"),
    pytest.param("mode: auto", "mode: auto\ntarget:\n  routes:\n    seals: 0.01", "seals: 0.01",
                 "target.routes.seals: no route 'seals'; add it to the routes or remove it here.",
                 id="a bound for a route that does not exist"),
    pytest.param("mode: auto", "mode: auto\ntarget:\n  misroute: 0.05\n  routes:\n    sales: 0.06", "sales: 0.06",
                 "target.routes.sales: looser than target.misroute (0.05); make it stricter or remove it.",
                 id="a bound for a route that promises less than the whole"),
    pytest.param("mode: auto", "mode: auto\ntarget:\n  routes:\n    sales: 0", "sales: 0",
                 "target.routes.sales: Input should be greater than 0.",
                 id="a bound for a route that nothing could keep"),
    pytest.param("mode: auto", "mode: auto\naudit:\n  share: 2", "share: 2",
                 "audit.share: Input should be less than or equal to 1.",
                 id="an audit of more than there is"),
    pytest.param("  neighbours: 2", "  neighbours: 2\n  samples: 26", "samples",
                 "classifier.samples: Input should be less than or equal to 25.",
                 id="more samples than anybody should pay for"),
    pytest.param("  neighbours: 2", "  neighbours: 2\n  guard: 0.6", "guard",
                 "classifier.guard: Input should be less than or equal to 0.5.",
                 id="a guard that sends most messages to people"),
    pytest.param("mode: auto", "mode: auto\nout_of_scope: ignore", "out_of_scope",
                 "out_of_scope: Input should be 'person' or 'end'.",
                 id="a wrong word for what is out of scope"),
    pytest.param("required: [email]",
                 "required: [email]\n  checks:\n    - {field: phone, must: 'toys < 9', message: too many}",
                 "phone", "validation.checks.0.field: 'phone' is not in input.fields; add it there or remove it here.",
                 id="a check of a field that is not known"),
    pytest.param("mode: auto", "mode: auto\nextract:\n  fields:\n    phone: {description: their phone number}", "phone",
                 "extract.fields.phone: 'phone' is not in input.fields; add it there or remove it here.",
                 id="a field to extract that is not known"),
    pytest.param("mode: auto",
                 "mode: auto\nextract:\n  fields:\n    email: {description: an address, pattern: '['}", "pattern",
                 "extract.fields.email.pattern: not a regular expression: unterminated character set at position 0; "
                 "mend it or quote it.",
                 id="a pattern that is none"),
    pytest.param("  repairs:\n    description: something is broken\n", "", "routes:",
                 "routes: one route is nothing to choose among; add another, or remove 'routes' and 'examples': "
                 "fields decide.",
                 id="a single route"),
    pytest.param("examples: tiny.examples.jsonl\n", "", "routes:",
                 "routes: routes are told apart by labelled examples; name their file in 'examples'.",
                 id="routes without examples"),
    pytest.param("routes:\n  sales:\n    description: wants to buy something\n"
                 "  repairs:\n    description: something is broken\n", "", "examples:",
                 "examples: examples teach routes, and there are none; add 'routes' or remove this.",
                 id="examples without routes"),
    pytest.param("routes:\n  sales:\n    description: wants to buy something\n"
                 "  repairs:\n    description: something is broken\n", "", "route: sales",
                 "rules.0.route: no route 'sales'; use action person or reject.",
                 id="a rule that routes where there are no routes"),
    pytest.param("    system: sandbox_crm", "    system: sandbox_crm\n    when: rout == 'sales'", "when: rout",
                 "destinations.crm.when: rule 'rout == 'sales'': no field 'rout'; known are email, faults, flags, "
                 "message, missing, route, source, text, toys, unsure.",
                 id="an unknown name in a destination's condition"),
    pytest.param("mode: auto", "mode: auto\nsla:\n  shipped: {minutes: 5}", "shipped",
                 "sla.shipped: Input should be 'first_decision', 'delivered', 'review_answered' or 'synced'.",
                 id="a clock that there is not names those that there are"),
    pytest.param("mode: auto", "mode: auto\nsla:\n  delivered: {minutes: 5, pause: no}", "delivered",
                 "sla.delivered.pause: Extra inputs are not permitted. Did you mean 'pauses'?",
                 id="an unknown key of a clock names the one that was meant"),
    pytest.param("mode: auto", "mode: auto\nsla:\n  delivered: {minutes: 5, calendar: shop}", "calendar: shop",
                 "sla.delivered.calendar: no calendar 'shop'; add it to calendars (there: none) or remove it.",
                 id="a clock on a calendar that there is not"),
    pytest.param("mode: auto", "mode: auto\ncalendars:\n  shop: {zone: UTC, hours: {mon: ['09:00-17:00']}}\n"
                 "review: {calendar: office}", "calendar: office",
                 "review.calendar: no calendar 'office'; add it to calendars (there: shop) or remove it.",
                 id="a review on a calendar that there is not"),
    pytest.param("mode: auto", "mode: auto\ncalendars:\n  shop: {zone: Berlin, hours: {mon: ['09:00-17:00']}}", "shop:",
                 "calendars.shop: unknown time zone 'Berlin'; use an IANA name such as Europe/Berlin.",
                 id="a calendar in no zone"),
    pytest.param("mode: auto", "mode: auto\ncalendars:\n  shop: {zone: UTC, hours: {mon: ['9-17']}}", "hours:",
                 "calendars.shop.hours.mon.0: not working hours; write them as 09:00-17:00, up to 24:00.",
                 id="hours that are none"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "on_the_line", "message"), BROKEN)
def test_a_broken_policy_says_where_and_how_to_mend_it(
    good: str, bad: str, on_the_line: str, message: str, tmp_path: Path
) -> None:
    assert POLICY.count(good) == 1
    broken = POLICY.replace(good, bad)
    line = max(number for number, text in enumerate(broken.split("\n"), start=1) if on_the_line in text)
    path = write(tmp_path, broken)

    assert f"{path}:{line}: {message}" in complaint(path).split("\n")


def test_all_faults_of_a_policy_are_told_at_once(tmp_path: Path) -> None:
    broken = POLICY.replace("route: sales", "route: seals").replace("toys >= 100", "size >= 100")

    assert [line.split(": ")[1] for line in complaint(write(tmp_path, broken)).split("\n")] == [
        "rules.0.route",
        "rules.0.when",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"name: [tiny\nmode: auto\n", ":2: not YAML: expected ',' or ']', but got ':'. Look at the "
                     "indentation and quotes.", id="a bracket that is never closed"),
        pytest.param(b"name: tiny\n  mode: auto\n", ":2: not YAML: mapping values are not allowed here. Look at the "
                     "indentation and quotes.", id="wrong indentation"),
        pytest.param(b"name: tiny\nkey: {{ email }}\n", ":2: not YAML: found unhashable key. Look at the indentation "
                     "and quotes.", id="a template without quotes"),
        pytest.param(b"name: t\x00ny\n", ": not YAML: unacceptable character #x0000: special characters are not "
                     "allowed\n", id="a control character"),
        pytest.param(b"name: 2026-13-45\n", ": not YAML: month must be in 1..12. Remove the character or quote the "
                     "value.", id="a date that is none"),
        pytest.param(b"description: sch\xf6n\n", ": not UTF-8. Save the file as UTF-8.", id="not UTF-8"),
        pytest.param(b"", ":1: not a mapping. Begin with 'name: <workflow>'.", id="an empty file"),
        pytest.param(b"- name: tiny\n", ":1: not a mapping. Begin with 'name: <workflow>'.", id="a list"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_policy_at_all_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_bytes(content)

    assert f"{path}{message}" in complaint(path)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param("{", "4: Invalid JSON: EOF while parsing an object at line 1 column 1. Write id, text and label.",
                     id="a line that is not JSON"),
        pytest.param('{"id": "4", "text": "x"}', "4: Field required. Write id, text and label.",
                     id="a line without a label"),
        pytest.param('{"id": "4", "text": "x", "label": "seals"}',
                     "4: label 'seals' is unknown. Use one of: sales, repairs, none_of_these", id="an unknown label"),
        pytest.param('{"id": "4", "text": " ", "label": "sales"}',
                     "4: the text is empty. Remove the line or fill it in.", id="an empty text"),
        pytest.param('{"id": "2", "text": "x", "label": "sales"}',
                     "4: id '2' stands on line 2 already. Give it its own.", id="a doubled id"),
        pytest.param('{"id": "4", "text": "Win money now", "label": "sales"}',
                     "4: the text stands on line 3 already. Remove one of them.", id="a doubled text"),
        pytest.param('\n{"id": "4", "text": "a\u2028b", "label": "sales"}\n{',
                     "6: Invalid JSON: EOF while parsing an object at line 1 column 1. Write id, text and label.",
                     id="blank lines and strange line breaks count as the editor counts them"),
    ],
)  # fmt: skip
def test_a_broken_line_of_the_examples_is_named(more: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, examples=EXAMPLES + more + "\n")

    assert complaint(path) == f"{tmp_path / 'tiny.examples.jsonl'}:{message}"


def test_a_route_without_an_example_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, examples="".join(EXAMPLES.splitlines(keepends=True)[:1]))

    assert complaint(path) == (
        f"{tmp_path / 'tiny.examples.jsonl'}: no example for ['repairs']. Add at least one of each."
    )


def test_examples_of_none_of_these_may_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, examples="".join(EXAMPLES.splitlines(keepends=True)[:2]))

    assert {example.label for example in load_workflow(str(path)).examples} == {"sales", "repairs"}


def test_examples_that_are_not_there_say_what_belongs_in_them(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "tiny.examples.jsonl").unlink()

    assert complaint(path) == (
        f"{tmp_path / 'tiny.examples.jsonl'}: no such file. Write one JSON object a line: id, text, label, "
        "optional intent."
    )


def test_examples_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "tiny.examples.jsonl").write_bytes(b"sch\xf6n")

    assert complaint(path) == f"{tmp_path / 'tiny.examples.jsonl'}: not UTF-8. Save the file as UTF-8."


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        pytest.param(RECORD, "", id="empty"),
        pytest.param('"n":100', '"n":"many"', id="a count that is none"),
        pytest.param('"threshold":0.8', '"threshold":-1', id="a threshold that lets everything through"),
        pytest.param('"threshold":0.8', '"threshold":NaN', id="a threshold that is no number"),
        pytest.param('"model":"small-model",', "", id="a missing key"),
        pytest.param('"source":"logprobs_and_examples"', '"source":"dice"', id="a source that there is not"),
        pytest.param('"examples":0.0', '"examples":-1', id="a weight below nothing"),
        pytest.param(RECORD, '{"policy": "tiny", "classifier": "c", "threshold": 0.8}', id="a record of old"),
    ],
)
def test_a_broken_calibration_record_is_refused(good: str, bad: str, tmp_path: Path) -> None:
    assert good in RECORD
    path = write(tmp_path)
    record = tmp_path / "tiny.calibration.json"
    record.write_text(RECORD.replace(good, bad))

    mend = "Remove the file and make it again with 'evals calibrate'."
    assert complaint(path) == f"{record}: not a calibration record. {mend}"


def test_a_policy_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(PolicyInvalid, match=r"tiny\.yaml: no such policy.*one of: .*lead_routing, .*support_triage"):
        load_workflow("tiny")


def test_a_whole_workflow_is_read_with_its_record(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "tiny.calibration.json").write_text(RECORD)

    workflow = load_workflow(str(path))

    assert workflow.calibration is not None
    assert workflow.calibration_path == (tmp_path / "tiny.calibration.json").resolve()
    assert workflow.calibration == calibration()
    assert list(workflow.terms.proofs.values()) == [proof()]
    assert [example.label for example in workflow.examples] == ["sales", "repairs", "none_of_these"]


def test_a_workflow_is_found_again_by_its_reference(tmp_path: Path) -> None:
    for name in ("lead_routing", str(write(tmp_path))):
        workflow = load_workflow(name)
        assert load_workflow(workflow.reference) == workflow
    assert load_workflow("lead_routing").reference == "lead_routing"


def test_a_policy_without_routes_must_name_what_no_write_can_do_without(tmp_path: Path) -> None:
    path = write(tmp_path, without_routes().replace("required: [email]", "required: []"))

    assert "name those that no write can do without in 'validation.required'" in complaint(path)


def test_what_has_no_routes_classifies_nothing(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="it has no routes, so it classifies nothing"):
        load_classifier(str(write(tmp_path, without_routes())))
    assert load_classifier(str(write(tmp_path))).policy == load_policy(tmp_path / "tiny.yaml")


def test_a_policy_is_replaced_by_one_that_is_right(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(PolicyInvalid, match="mode"):
        replace_policy(path, POLICY.replace("mode: auto", "mode: automatic"))
    assert path.read_text() == POLICY

    replace_policy(path, POLICY.replace("mode: auto", "mode: shadow"))

    assert load_policy(path).mode == "shadow"
    assert [one.name for one in tmp_path.glob("*.yaml")] == ["tiny.yaml"]
