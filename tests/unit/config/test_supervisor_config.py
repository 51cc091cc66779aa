"""What supervisord is told about the processes, read back with its own parser."""

from pathlib import Path

from supervisor.options import ServerOptions

from config.processes import site_processes
from config.supervisor_config import Place, render
from config.supervisor_run import pause_s


def parsed(directory: Path, *, embedded_redis: bool = True) -> ServerOptions:
    path = directory / "supervisord.conf"
    processes = site_processes(embedded_redis=embedded_redis)
    place = Place(directory, directory, directory, "127.0.0.1", 8123)
    path.write_text(render(processes, place, redis=["/usr/bin/redis-server", "--save", ""]))
    options = ServerOptions()
    options.realize(["--nodaemon", "--configuration", str(path)])
    return options


def test_processes_start_in_order_and_never_give_up(tmp_path: Path) -> None:
    groups = sorted(parsed(tmp_path).process_group_configs)
    assert [group.name for group in groups] == ["redis", "mlflow", "provider-simulator", "control", "node", "web"]
    for process in (config for group in groups for config in group.process_configs):
        assert process.startretries >= 10**9
        assert process.stopasgroup
        assert process.killasgroup


def test_an_external_redis_is_not_started(tmp_path: Path) -> None:
    assert "redis" not in [group.name for group in parsed(tmp_path, embedded_redis=False).process_group_configs]


def test_redis_is_started_without_django_in_front_of_it(tmp_path: Path) -> None:
    redis = next(group for group in parsed(tmp_path).process_group_configs if group.name == "redis")
    assert redis.process_configs[0].command.endswith("config/processes.py /usr/bin/redis-server --save ''")


def test_web_is_given_the_listening_socket(tmp_path: Path) -> None:
    web = next(group for group in parsed(tmp_path).process_group_configs if group.name == "web")
    assert web.socket_config.url == "tcp://127.0.0.1:8123"
    assert web.process_configs[0].command.endswith("manage.py web --descriptor 0")


def test_a_path_with_a_percent_sign_and_a_space_survives(tmp_path: Path) -> None:
    directory = tmp_path / "100% mine"
    directory.mkdir()
    group = parsed(directory).process_group_configs[0]
    assert group.process_configs[0].stdout_logfile == str(directory / f"{group.name}.log")


def test_pauses_double_up_to_ten_seconds() -> None:
    assert [pause_s(failures) for failures in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert pause_s(10**6) == 10
