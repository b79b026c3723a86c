"""`interlock map`: what is drawn of every shipped policy, that it can be looked at, and what its arrows count."""

from collections import Counter
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from builders import NOW
from inline_snapshot import snapshot
from typer.testing import CliRunner

from console.main import app
from console.map_counts import counts_of
from console.map_graph import Edge, Graph, Kind, graph_of
from console.map_layout import Box, place
from console.map_mermaid import mermaid
from domain.ledger import GENESIS, Entry, Event, link
from policies.load import load_workflow, shipped_policies

SHIPPED = shipped_policies()


def graph(name: str) -> Graph:
    return graph_of(load_workflow(name))


def plain(drawn: Graph) -> dict[Edge, str]:
    return {edge: edge.label for edge in drawn.edges}


def test_each_shipped_policy_is_drawn_as_it_works() -> None:
    assert {name: mermaid(graph(name), plain(graph(name))).splitlines() for name in SHIPPED} == snapshot(
        {
            "crm_helpdesk_sync": [
                "---",
                "title: crm_helpdesk_sync, version 1, mode auto",
                "---",
                "flowchart LR",
                '  n0[/"a person<br>SLA: answered in 8 h"/]',
                '  n1{"person: merge by field<br>6 fields, 4 without rule or owner<br>SLA: in step in 60 min"}',
                '  n2(["crm<br>hubspot<br>contacts"])',
                '  n3[("crm<br>hubspot<br>contacts")]',
                '  n4(["base<br>sql_table<br>people"])',
                '  n5[("base<br>sql_table<br>people")]',
                '  n6{"case: merge by field<br>6 fields, 3 without rule or owner<br>SLA: in step in 60 min"}',
                '  n7(["crm<br>hubspot<br>tickets"])',
                '  n8[("crm<br>hubspot<br>tickets")]',
                '  n9(["desk<br>request_tracker<br>Support"])',
                '  n10[("desk<br>request_tracker<br>Support")]',
                '  n11(["base<br>sql_table<br>cases"])',
                '  n12[("base<br>sql_table<br>cases")]',
                '  n13>"support lead<br>told by prefect"]',
                '  n14>"head of support<br>told by prefect"]',
                '  n1 -.->|"contradictions"| n0',
                '  n2 -->|"edits"| n1',
                '  n1 -->|"compare and set, makes"| n3',
                '  n4 -->|"edits"| n1',
                '  n1 -->|"compare and set, makes"| n5',
                '  n6 -.->|"contradictions"| n0',
                '  n7 -->|"edits"| n6',
                '  n6 -->|"compare and set, makes"| n8',
                '  n9 -->|"edits"| n6',
                '  n6 -->|"compare and set, makes"| n10',
                '  n11 -->|"edits"| n6',
                '  n6 -->|"compare and set, makes"| n12',
                '  n0 -.->|"late after 8 h"| n13',
                '  n13 -.->|"after 4 h"| n14',
            ],
            "lead_routing": [
                "---",
                "title: lead_routing, version 1, mode auto",
                "---",
                "flowchart LR",
                '  n0(["webhook<br>/intake/lead_routing<br>from this machine alone"])',
                '  n1(["others<br>interlock run FILE"])',
                '  n2["inbox<br>stored before it is acknowledged"]',
                '  n3["extract<br>6 fields, with evidence"]',
                '  n4["model and examples<br>5 routes, 240 examples"]',
                '  n5{"sure, proven, agreed?<br>SLA: decided in 15 min"}',
                '  n6["outbox<br>SLA: delivered in 5 h"]',
                '  n7[/"a person<br>SLA: answered in 4 h"/]',
                '  n8["7 rules<br>read in order  always beside"]',
                '  n9["ends unwritten"]',
                '  n10[("crm<br>sandbox_crm")]',
                '  n11>"sales operations<br>told by prefect"]',
                '  n12>"head of sales<br>told by prefect"]',
                "  n0 --> n2",
                "  n1 --> n2",
                "  n2 --> n3",
                "  n3 --> n4",
                "  n4 --> n5",
                '  n5 -->|"yes"| n6',
                '  n5 -->|"no"| n8',
                '  n8 -->|"one matches"| n6',
                '  n8 -->|"none matches"| n7',
                '  n8 -->|"rejected"| n9',
                '  n7 -->|"decides"| n6',
                "  n6 --> n10",
                '  n7 -.->|"late after 4 h"| n11',
                '  n11 -.->|"after 2 h"| n12',
            ],
            "onboarding": [
                "---",
                "title: onboarding, version 1, mode auto",
                "---",
                "flowchart LR",
                '  n0(["webhook<br>/intake/onboarding<br>from this machine alone"])',
                '  n1(["others<br>interlock run FILE"])',
                '  n2["inbox<br>stored before it is acknowledged"]',
                '  n3["agent and examples<br>11 actions, 100 examples"]',
                '  n4{"sure, proven, agreed?<br>SLA: decided in 15 min"}',
                '  n5["outbox<br>SLA: delivered in 5 h"]',
                '  n6[/"a person<br>SLA: answered in 4 h"/]',
                '  n7["10 rules<br>read in order  always beside"]',
                '  n8[("crm<br>sandbox_crm")]',
                '  n9[("mail<br>sandbox_help_desk")]',
                '  n10[("desk<br>sandbox_help_desk")]',
                '  n11("announced<br>sales")',
                '  n12("waiting_for_papers<br>onboarding<br>at most 40 h")',
                '  n13("being_checked<br>compliance<br>at most 20 h")',
                '  n14("waiting_for_payment<br>accounting<br>at most 2.91667 d")',
                '  n15("active<br>customer success")',
                '  n16("stopped<br>sales")',
                '  n17>"onboarding<br>told by prefect"]',
                '  n18>"head of onboarding<br>told by prefect"]',
                "  n0 --> n2",
                "  n1 --> n2",
                "  n2 --> n3",
                "  n3 --> n4",
                '  n4 -->|"yes"| n5',
                '  n4 -->|"no"| n7',
                '  n7 -->|"one matches"| n5',
                '  n7 -->|"none matches"| n6',
                '  n6 -->|"decides"| n5',
                "  n5 --> n8",
                "  n5 --> n9",
                "  n5 --> n10",
                '  n4 -.->|"a case begins"| n11',
                '  n11 -->|"request_papers"| n12',
                '  n12 -->|"start_check"| n13',
                '  n12 -->|"stop_onboarding"| n16',
                '  n13 -->|"send_invoice"| n14',
                '  n13 -->|"request_papers"| n12',
                '  n13 -->|"stop_onboarding"| n16',
                '  n14 -->|"open_account"| n15',
                '  n14 -->|"stop_onboarding"| n16',
                '  n6 -.->|"late after 4 h"| n17',
                '  n17 -.->|"after 60 min"| n18',
            ],
            "order_intake": [
                "---",
                "title: order_intake, version 1, mode auto",
                "---",
                "flowchart LR",
                '  n0(["webhook<br>/intake/order_intake<br>from this machine alone"])',
                '  n1(["others<br>interlock run FILE"])',
                '  n2["inbox<br>stored before it is acknowledged"]',
                '  n3["extract<br>9 fields, with evidence"]',
                '  n4{"fields complete, checks hold?<br>SLA: decided in 10 min"}',
                '  n5["outbox<br>SLA: delivered in 2 h"]',
                '  n6[/"a person"/]',
                '  n7["2 rules<br>read in order  always beside"]',
                '  n8["ends unwritten"]',
                '  n9[("crm<br>sandbox_crm")]',
                '  n10[("help_desk<br>sandbox_help_desk")]',
                '  n11>"order desk<br>told by prefect"]',
                '  n12>"head of customer service<br>told by prefect"]',
                "  n0 --> n2",
                "  n1 --> n2",
                "  n2 --> n3",
                "  n3 --> n4",
                '  n4 -->|"yes"| n5',
                '  n4 -->|"no"| n7',
                '  n7 -->|"none matches"| n6',
                '  n7 -->|"rejected"| n8',
                '  n6 -->|"decides"| n5',
                "  n5 --> n9",
                "  n5 --> n10",
                '  n6 -.->|"late after 2 h"| n11',
                '  n11 -.->|"after 60 min"| n12',
            ],
            "order_processing": [
                "---",
                "title: order_processing, version 1, mode auto",
                "---",
                "flowchart LR",
                '  n0(["webhook<br>/intake/order_processing<br>from this machine alone"])',
                '  n1(["others<br>interlock run FILE"])',
                '  n2["inbox<br>stored before it is acknowledged"]',
                '  n3["agent and examples<br>11 actions, 99 examples"]',
                '  n4{"sure, proven, agreed?<br>SLA: decided in 15 min"}',
                '  n5["outbox<br>SLA: delivered in 5 h"]',
                '  n6[/"a person<br>SLA: answered in 4 h"/]',
                '  n7["12 rules<br>read in order  always beside"]',
                '  n8[("crm<br>sandbox_crm")]',
                '  n9[("mail<br>sandbox_help_desk")]',
                '  n10[("desk<br>sandbox_help_desk")]',
                '  n11("unplaced<br>shop")',
                '  n12("unpaid<br>accounting<br>at most 2.5 d")',
                '  n13("packing<br>warehouse<br>at most 24 h")',
                '  n14("on_its_way<br>shipping<br>at most 3 d")',
                '  n15("delivered<br>customer service")',
                '  n16("cancelled<br>shop")',
                '  n17("refunded<br>accounting")',
                '  n18>"customer service<br>told by prefect"]',
                '  n19>"head of customer service<br>told by prefect"]',
                "  n0 --> n2",
                "  n1 --> n2",
                "  n2 --> n3",
                "  n3 --> n4",
                '  n4 -->|"yes"| n5',
                '  n4 -->|"no"| n7',
                '  n7 -->|"one matches"| n5',
                '  n7 -->|"none matches"| n6',
                '  n6 -->|"decides"| n5',
                "  n5 --> n8",
                "  n5 --> n9",
                "  n5 --> n10",
                '  n4 -.->|"a case begins"| n11',
                '  n11 -->|"confirm_order"| n12',
                '  n12 -->|"release_order"| n13',
                '  n12 -->|"cancel_order"| n16',
                '  n13 -->|"announce_parcel"| n14',
                '  n13 -->|"cancel_order"| n16',
                '  n13 -->|"refund_order"| n17',
                '  n14 -->|"close_order"| n15',
                '  n14 -->|"refund_order"| n17',
                '  n15 -->|"refund_order"| n17',
                '  n6 -.->|"late after 4 h"| n18',
                '  n18 -.->|"after 60 min"| n19',
            ],
            "support_triage": [
                "---",
                "title: support_triage, version 1, mode auto",
                "---",
                "flowchart LR",
                '  n0(["webhook<br>/intake/support_triage<br>from this machine alone"])',
                '  n1(["others<br>interlock run FILE"])',
                '  n2["inbox<br>stored before it is acknowledged"]',
                '  n3["model and examples<br>7 routes, 240 examples"]',
                '  n4{"sure, proven, agreed?<br>SLA: decided in 10 min"}',
                '  n5["outbox<br>SLA: delivered in 90 min"]',
                '  n6[/"a person<br>SLA: answered in 60 min"/]',
                '  n7["6 rules<br>read in order  always beside"]',
                '  n8["ends unwritten"]',
                '  n9[("help_desk<br>sandbox_help_desk")]',
                '  n10>"support lead<br>told by prefect"]',
                '  n11>"head of support<br>told by prefect"]',
                "  n0 --> n2",
                "  n1 --> n2",
                "  n2 --> n3",
                "  n3 --> n4",
                '  n4 -->|"yes"| n5',
                '  n4 -->|"no"| n7',
                '  n7 -->|"one matches"| n5',
                '  n7 -->|"none matches"| n6',
                '  n7 -->|"rejected"| n8',
                '  n6 -->|"decides"| n5',
                "  n5 --> n9",
                '  n6 -.->|"late after 60 min"| n10',
                '  n10 -.->|"after 60 min"| n11',
            ],
        }
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_every_arrow_leads_from_a_box_to_a_box_and_every_box_is_reached(name: str) -> None:
    drawn = graph(name)
    ids = [node.id for node in drawn.nodes]
    assert len(ids) == len({*ids})
    assert {end for edge in drawn.edges for end in (edge.source, edge.target)} <= {*ids}
    entered = {edge.target for edge in drawn.edges}
    assert [node.id for node in drawn.nodes if node.id not in entered and node.kind is not Kind.TRIGGER] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_no_box_lies_over_another_and_all_is_within_the_drawing(name: str) -> None:
    drawn = graph(name)
    placed = place(drawn, plain(drawn))
    for one, other in combinations(placed.boxes, 2):
        assert not over(one, other), (one.key, other.key)
    for box in placed.boxes:
        assert box.x - box.width / 2 >= 0
        assert box.x + box.width / 2 <= placed.width
        assert box.y + box.height / 2 <= placed.height


def over(one: Box, other: Box) -> bool:
    return (
        abs(one.x - other.x) < (one.width + other.width) / 2 and abs(one.y - other.y) < (one.height + other.height) / 2
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_the_drawing_is_whole_and_fetches_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    result = CliRunner().invoke(app, ["map", name, "--svg", str(path), "--no-counts"])
    assert result.exit_code == 0, result.output
    text = path.read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314  our own
    titles = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text") if one.get("class") == "title"}
    assert titles == {node.title for node in graph(name).nodes}
    assert text.count("http") == 1


def entry(seq: int, event: Event, **facts: Any) -> Entry:
    return link(GENESIS, seq, "it-1", NOW + timedelta(seconds=seq), event, facts)


def test_what_happened_is_counted_on_the_arrow_that_it_went_along() -> None:
    happened = [
        entry(1, Event.ACCEPTED),
        entry(2, Event.ACCEPTED),
        entry(3, Event.DECIDED, waits=False, kind="auto"),
        entry(4, Event.DECIDED, waits=True, kind="human"),
        entry(5, Event.DECIDED, waits=False, kind="human"),
        entry(6, Event.ATTEMPTED, next="done", destination="help_desk"),
        entry(7, Event.ATTEMPTED, next="send_again", destination="help_desk"),
        entry(8, Event.ESCALATED),
        entry(9, Event.BALANCED),
    ]
    drawn = graph("support_triage")
    found = counts_of(drawn, [(one, "") for one in happened], Counter({"webhook": 1, "outlook": 1}))
    assert {edge.counts: found[edge.counts] for edge in drawn.edges if edge.counts} == {
        "from:webhook": 1,
        "from:": 1,
        "accepted": 2,
        "auto": 1,
        "to_person": 1,
        "answered": 1,
        "by_rule": 0,
        "rejected": 0,
        "written:help_desk": 1,
        "escalated": 1,
    }


def test_writes_of_records_are_counted_by_their_kind_and_moves_of_cases_by_their_states() -> None:
    written = entry(1, Event.ATTEMPTED, next="done", destination="crm")
    moved = entry(2, Event.CASE_MOVED, **{"from": "announced", "to": "waiting_for_papers"})
    assert counts_of(graph("crm_helpdesk_sync"), [(written, "case")], {})["written:case.crm"] == 1
    assert counts_of(graph("onboarding"), [(moved, "")], {})["announced>waiting_for_papers"] == 1
