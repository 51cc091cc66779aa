"""Which links of the side bar a role sees, and which one is marked."""

import pytest

from config.context import side_bar


@pytest.mark.parametrize(
    ("role", "wanted"),
    [
        ("learner", ["Study", "Sandbox"]),
        ("instructor", ["Study", "Sandbox", "Teach"]),
        ("author", ["Study", "Sandbox", "Author"]),
        ("operator", ["Study", "Sandbox", "Author", "Operate"]),
    ],
)
def test_a_role_sees_its_groups(role: str, wanted: list[str]) -> None:
    assert [group.label for group in side_bar(role, "/")] == wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/sandbox/", ["Overview"]),
        ("/sandbox/serving/churn/overview/", ["Serving"]),
        ("/", ["Home"]),
        ("/items/7/", ["Practice"]),
        ("/password/", []),
    ],
)
def test_the_longest_address_marks_the_link(path: str, wanted: list[str]) -> None:
    links = [link for group in side_bar("learner", path) for link in group.links]
    assert [link.label for link in links if link.is_here] == wanted
