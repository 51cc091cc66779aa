"""The picture of a look-up plan: five columns, and no line runs behind a box."""

import re

from sandbox.console.features.plan_picture import BOX_HEIGHT, BOX_WIDTH, SENT, Picture, lines, picture
from sandbox.features.plan import FunctionCall, LookupPlan, TableLookup

PLAN = LookupPlan(
    ("visits", "tenure", "spend", "average"),
    {"customer": "bigint", "visits": "int", "tenure": "int", "spend": "double", "average": "double"},
    (TableLookup("t", "m.d.online", "m.d.customers", {"id": "customer"}, {"tenure": "tenure", "total": "spend"}, {"tenure": 1}),),
    (FunctionCall("m.d.average", "return 1.0", {"total": "spend", "months": "tenure"}, "average", "double"),),
)


def drawn() -> Picture:
    found = picture(PLAN)
    assert found is not None
    return found


def test_it_works() -> None:
    found = drawn()
    assert [words for _, words in found.headings] == [
        "Sent by the caller", "Online table", "Feature", "Function", "Column of the model"
    ]  # fmt: skip
    assert [box.name for box in found.boxes if box.place == SENT] == ["customer", "visits"]
    assert [box.name for box in found.boxes if box.place == 4] == list(PLAN.inputs)
    assert all(box.x + BOX_WIDTH < found.width and box.y + BOX_HEIGHT < found.height for box in found.boxes)


def test_what_passes_by_a_column_has_a_place_of_its_own() -> None:
    """Each horizontal piece of a line lies where no box of that column is."""
    found = drawn()
    passing = 0
    for d in found.curves:
        for y, end in re.findall(r" (\d+)H(\d+)", d):
            passing += 1
            column = [box for box in found.boxes if box.x + BOX_WIDTH == int(end)]
            assert all(not box.y <= int(y) <= box.y + BOX_HEIGHT for box in column)
    assert passing == 5, "visits passes three columns, tenure and spend the functions"


def test_the_table_says_where_each_column_comes_from() -> None:
    found = {line.name: line for line in lines(PLAN)}
    assert [line.name for line in lines(PLAN)] == ["visits", "tenure", "spend", "average", "customer"]
    assert (found["spend"].origin, found["spend"].words) == ("looked up", "total of m.d.customers where id = customer")
    assert (found["tenure"].default, found["spend"].default) == (1, None)
    assert found["average"].words == "m.d.average(total = spend, months = tenure)"
    assert (found["customer"].origin, found["customer"].is_input) == ("sent", False)


def test_a_plan_of_many_columns_is_told_by_its_table_alone() -> None:
    names = {f"f{number}": f"f{number}" for number in range(40)}
    wide = LookupPlan(
        tuple(names), dict.fromkeys([*names, "k"], "double"), (TableLookup("t", "m.d.o", "m.d.t", {"k": "k"}, names),)
    )
    assert (picture(wide), len(lines(wide))) == (None, 41)
