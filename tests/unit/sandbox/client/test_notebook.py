"""What a notebook finds: `%sql`, names that a course forgot, lenient mode; in an IPython shell of its own."""

from collections.abc import Iterator

import pytest
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput
from IPython.core.interactiveshell import InteractiveShell
from proving_ground_client import lenient, notebook
from proving_ground_client.course import Course, Paths
from proving_ground_client.entities import FeatureLookup
from proving_ground_client.site import Table
from proving_ground_client.spec import _lookup

TABLE = Table("main.default.c", {"id": "string", "day": "date", "spend": "double"}, ("id",), "")


@pytest.fixture
def lenience() -> Iterator[None]:
    lenient.switch_on()
    yield
    lenient.switch_off()


@pytest.fixture
def shell(lenience: None) -> Iterator[InteractiveShell]:
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT 1", ["SELECT 1"]),
        (" SELECT 1 ;\n\nSELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';' AS `a;b` -- not; here\n; SELECT 2", ["SELECT ';' AS `a;b` -- not; here", "SELECT 2"]),
        ("SELECT 'it\\'s;' /* no; */", ["SELECT 'it\\'s;' /* no; */"]),
        ("CREATE FUNCTION f() RETURNS INT LANGUAGE PYTHON AS $$\na = 1; return a\n$$;", None),
        (" ; ", []),
    ],
)
def test_a_cell_is_cut_into_statements(text: str, wanted: list[str] | None) -> None:
    assert notebook.statements(text) == ([text.rstrip(";")] if wanted is None else wanted)


def test_names_that_a_cell_reads_and_sets() -> None:
    code = "import a.b, c as d\nfrom e import f\ng = h(i)\nfor j in k:\n    pass\ndef m(): return n\n"
    assert notebook.names_of(code) == ({"h", "i", "k", "n"}, {"a", "d", "f", "g", "j", "m"})


def test_a_forgotten_name_is_given_and_said_once(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    values: dict[str, str] = {}
    notebook.supply("version", lambda: values["version"], "version is set nowhere", "version = …")
    assert not shell.run_cell("version").success
    values["version"] = "1"
    assert shell.run_cell("version").result == "1"
    values["version"] = "2"
    assert shell.run_cell("version").result == "2"
    shell.run_cell("version = 'mine'")
    assert shell.run_cell("version").result == "mine"
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning")]
    assert said == ["Warning: version is set nowhere. Right: version = …."]


def test_nothing_is_given_while_lenience_is_off(shell: InteractiveShell) -> None:
    notebook.supply("other", lambda: 1, "other is set nowhere", "other = 1")
    lenient.switch_off()
    assert not shell.run_cell("other").success


def test_a_key_that_no_column_has(lenience: None, capsys: pytest.CaptureFixture[str]) -> None:
    lookup = FeatureLookup("main.default.c", "primary_key")
    assert _lookup(lookup, TABLE, {"id": "string", "label": "string"}).keys == {"id": "id"}
    assert capsys.readouterr().out == (
        "Warning: lookup_key='primary_key' names no column of the data; the primary key of 'main.default.c' is taken. "
        "Right: lookup_key='id'.\n"
    )
    with pytest.raises(ValueError, match="has no column 'primary_key'"):  # nor has it the real one
        _lookup(lookup, TABLE, {"customer": "string"})
    lenient.switch_off()
    with pytest.raises(ValueError, match="has no column 'primary_key'"):
        _lookup(lookup, TABLE, {"id": "string"})


def test_a_config_as_people_write_it(lenience: None) -> None:
    entity = ServedEntityInput(entity_name="m", entity_version="1")
    traffic = {"routes": [{"served_model_name": "m-1", "traffic_percentage": 100}]}
    config = EndpointCoreConfigInput(served_entities=[entity], traffic_config=traffic)  # type: ignore[call-arg, arg-type]
    assert config.as_dict() == {
        "served_entities": [{"entity_name": "m", "entity_version": "1"}],
        "traffic_config": traffic,
    }
    lenient.switch_off()
    with pytest.raises(TypeError, match="'name'"):
        EndpointCoreConfigInput(served_entities=[entity])  # type: ignore[call-arg]


def test_names_of_a_course_tell_people_apart() -> None:
    ada, other = (Course(name, "c", "s", Paths("/w", "/d")) for name in ("Ada.L@one.org", "ada_l@two.org"))
    assert ada.unique_name("_").rpartition("_")[0] == other.unique_name("_").rpartition("_")[0] == "ada_l"
    assert ada.unique_name("_") != other.unique_name("_")
    assert ada.unique_name("-") == ada.unique_name("-")
    assert ada.unique_name("-").startswith("ada-l-")
