"""What the documents promise is there, and what is there is in the documents."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md"]


def text(name: str) -> str:
    return (ROOT / name).read_text()


def settings_read() -> set[str]:
    """Names of the variables that settings.py reads from the environment."""
    tree = ast.parse(text("platform/config/settings.py"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    readers = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in {"env_str", "env_int", "env_bool"}]
    return {call.args[0].value for call in readers if isinstance(call.args[0], ast.Constant)}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE))


def test_every_setting_is_in_the_readmes_table_and_no_other() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", text("README.md"), re.MULTILINE))
    assert documented == settings_read()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_command_that_is_named_exists(document: str) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", text(document)))
    assert named <= make_targets(), named - make_targets()


def test_the_readme_shows_the_two_commands() -> None:
    assert re.search(r"^make run\b", text("README.md"), re.MULTILINE)
    assert re.search(r"^make test\b", text("README.md"), re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    folder = (ROOT / document).parent
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text(document)) if "://" not in target]
    assert [target for target in targets if not (folder / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_is_named_exists(document: str) -> None:
    roots = "platform|quizzes|sandbox|fixtures|tests|benchmarks|deploy"
    named = set(re.findall(rf"`((?:{roots})/[\w./-]*)`", text(document)))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_management_command_that_is_named_exists() -> None:
    commands = set(get_commands())  # ours, and Django's own
    named = {name for document in DOCUMENTS for name in re.findall(r"`(?:NODE_NAME=\S+ )?manage\.py ([a-z_]+)", text(document))}
    assert named <= commands, named - commands


def test_every_process_is_in_the_architecture() -> None:
    from config.processes import site_processes

    table = set(re.findall(r"^\| ([a-z-]+) \|", text("ARCHITECTURE.md"), re.MULTILINE))
    assert {process.name for process in site_processes(embedded_redis=True)} <= table


def test_requirements_are_exact() -> None:
    exact = re.compile(r"[\w.\[\]-]+==[\w.]+( ; .+)?$|-r requirements\.txt$|$")
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [line.split("#")[0].strip() for line in text(name).splitlines()]
        assert [line for line in lines if not exact.match(line)] == []


def test_the_readmes_example_is_python() -> None:
    example = re.search(r"```python\n(.*?)```", text("README.md"), re.DOTALL)
    assert example is not None
    compile(example[1], "README.md", "exec")


def test_the_version_is_the_changelogs_newest() -> None:
    from django.conf import settings

    newest = re.search(r"^## (\d+\.\d+\.\d+)", text("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == settings.VERSION


def test_the_build_runs_the_readmes_test_command() -> None:
    assert "make test" in text(".ci/run")
    assert subprocess.run(["bash", "-n", str(ROOT / ".ci/run")]).returncode == 0
