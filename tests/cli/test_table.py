"""The tables are those of classic tink, character by character."""

from __future__ import annotations

from provisioner.cli import table

STATE = """\
+----------------------+--------------------------------------+
| FIELD NAME           | VALUES                               |
+----------------------+--------------------------------------+
| Workflow ID          | 7d81e2e3-5309-47d3-b4b0-8ba7bc02078b |
| Workflow Progress    | 50%                                  |
| Current Task         | hello world                          |
| Current Action       | hello_world                          |
| Current Worker       | ce2e62ed-826f-4485-a39f-a82bb74338e2 |
| Current Action State | STATE_RUNNING                        |
+----------------------+--------------------------------------+
"""

EVENTS = """\
+--------------------------------------+-------------+-------------+----------------+-------------------+---------------+
| WORKER ID                            | TASK NAME   | ACTION NAME | EXECUTION TIME | MESSAGE           | ACTION STATUS |
+--------------------------------------+-------------+-------------+----------------+-------------------+---------------+
| ce2e62ed-826f-4485-a39f-a82bb74338e2 | hello world | hello_world |             12 | Started execution | STATE_RUNNING |
+--------------------------------------+-------------+-------------+----------------+-------------------+---------------+
"""  # noqa: E501  # as wide as it is

EVENT_COLUMNS = table.columns(
    "Worker ID",
    "Task Name",
    "Action Name",
    "Execution Time",
    "Message",
    "Action Status",
    numbers=("Execution Time", "Action Status"),
)


def test_a_table_of_fields_is_drawn_as_by_classic_tink():
    rows = [
        ("Workflow ID", "7d81e2e3-5309-47d3-b4b0-8ba7bc02078b"),
        ("Workflow Progress", "50%"),
        ("Current Task", "hello world"),
        ("Current Action", "hello_world"),
        ("Current Worker", "ce2e62ed-826f-4485-a39f-a82bb74338e2"),
        ("Current Action State", "STATE_RUNNING"),
    ]
    assert table.draw(table.columns("Field Name", "Values"), rows) == STATE


def test_numbers_stand_to_the_right():
    machine = "ce2e62ed-826f-4485-a39f-a82bb74338e2"
    row = (machine, "hello world", "hello_world", 12, "Started execution", "STATE_RUNNING")
    assert table.draw(EVENT_COLUMNS, [row]) == EVENTS


def test_a_table_without_rows_is_a_header_between_its_rules_and_a_closing_one():
    drawn = table.draw(table.columns("ID"), [])
    assert drawn == "+----+\n| ID |\n+----+\n+----+\n"


def test_a_table_may_go_without_its_header():
    drawn = table.draw(table.columns("a long title"), [["x"]], with_headers=False)
    assert drawn == "+---+\n| x |\n+---+\n"


def test_a_message_with_escape_codes_can_not_steer_the_terminal():
    drawn = table.draw(table.columns("M"), [["a\x1b[31m\nb"]])
    assert "\x1b" not in drawn
    assert "| a�[31m b |" in drawn


def test_wide_characters_keep_the_rules_straight():
    lines = table.draw(table.columns("M"), [["机器"], ["abcd"]]).splitlines()
    assert lines[3] == "| 机器 |"
    assert lines[4] == "| abcd |"


def test_csv_keeps_the_case_of_its_header():
    heads = table.columns("ID", "Created At")
    assert table.comma_separated(heads, [["1", 'a,"b"']]) == 'ID,Created At\n1,"a,""b"""\n'
