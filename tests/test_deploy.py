"""What is shipped beside the code agrees with the code: image, manifests, IAM policies, wheel, CI script."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML publishes no types

from watcher.cli import policy_of
from watcher.config import Config, load
from watcher.core.reasons import Mode

REPOSITORY = Path(__file__).parent.parent
IAM = REPOSITORY / "deploy" / "iam"
KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
ACCOUNT = "123456789012"  # the account number of AWS's own examples
USER = 10001


# The image ----------------------------------------------------------------------------------------------------------


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, arguments) pairs of a Dockerfile; continued lines joined, comments dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    split = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name.upper(), arguments.strip()) for name, _, arguments in split]


@pytest.fixture(name="dockerfile", scope="module")
def _dockerfile() -> list[tuple[str, str]]:
    return instructions((REPOSITORY / "Dockerfile").read_text(encoding="utf-8"))


@pytest.fixture(name="final_stage", scope="module")
def _final_stage(dockerfile: list[tuple[str, str]]) -> list[tuple[str, str]]:
    start = max(number for number, (name, _) in enumerate(dockerfile) if name == "FROM")
    return dockerfile[start:]


def only(stage: list[tuple[str, str]], name: str) -> str:
    """The arguments of the one instruction of this name."""
    (arguments,) = [arguments for instruction, arguments in stage if instruction == name]
    return arguments


def environment(stage: list[tuple[str, str]]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in only(stage, "ENV").split())


def test_every_stage_starts_from_one_exact_python(dockerfile: list[tuple[str, str]]) -> None:
    name, base = dockerfile[0]
    assert name == "ARG"
    assert re.fullmatch(r"PYTHON_IMAGE=docker\.io/library/python:3\.\d+\.\d+-slim-bookworm", base)
    assert {arguments.split()[0] for name, arguments in dockerfile if name == "FROM"} == {"${PYTHON_IMAGE}"}
    assert "latest" not in "".join(arguments for _, arguments in dockerfile)


def test_everything_installed_is_locked_by_hash(dockerfile: list[tuple[str, str]]) -> None:
    runs = [command for name, arguments in dockerfile if name == "RUN" for command in arguments.split("&&")]
    installs = [command for command in runs if re.search(r"\bpip\b.*\binstall\b", command)]
    assert len(installs) == 3
    for command in installs:
        from_lock = "--require-hashes" in command and re.search(r"-r requirements(-build)?\.lock", command)
        own_wheel = "--no-deps" in command and "--no-index" in command
        assert from_lock or own_wheel, command
    assert not re.search(r"apt-get|curl|wget|requirements-dev|sandbox", " ".join(runs))


def test_the_final_stage_gets_the_environment_and_nothing_of_the_build(final_stage: list[tuple[str, str]]) -> None:
    copies = [arguments for name, arguments in final_stage if name in {"COPY", "ADD"}]
    assert copies == ["--from=environment /opt/watcher /opt/watcher"]


def test_the_process_is_an_ordinary_user_and_gets_signals_itself(final_stage: list[tuple[str, str]]) -> None:
    assert only(final_stage, "USER") == f"{USER}:{USER}"
    assert json.loads(only(final_stage, "ENTRYPOINT")) == ["watcher"]  # a shell in between would swallow SIGTERM
    assert json.loads(only(final_stage, "CMD")) == ["run", "--config", "/etc/watcher/config.toml"]
    assert only(final_stage, "STOPSIGNAL") == "SIGTERM"


def test_the_root_file_system_may_be_read_only(final_stage: list[tuple[str, str]]) -> None:
    settings = environment(final_stage)
    volume = only(final_stage, "VOLUME")
    assert settings["PYTHONDONTWRITEBYTECODE"] == "1"
    assert settings["HOME"] == volume
    assert settings["WATCHER_STATE__PATH"].startswith(volume + "/")


def test_the_image_settings_are_settings_the_watcher_knows(final_stage: list[tuple[str, str]]) -> None:
    config = load(KUBERNETES / "config.toml", environment(final_stage))
    assert (config.server.host, config.state.path, config.logs.format) == (
        "0.0.0.0",  # noqa: S104 - inside a container the pod's address is the only way in
        "/var/lib/watcher/watcher.db",
        "json",
    )
    assert only(final_stage, "EXPOSE") == str(config.server.port)


@pytest.mark.parametrize(
    ("status", "healthy"),
    [
        pytest.param(200, True, id="200 is healthy"),
        pytest.param(503, False, id="503 is not"),
        pytest.param(None, False, id="nor is nobody listening"),
    ],
)
def test_the_health_check_asks_healthz(
    final_stage: list[tuple[str, str]], status: int | None, *, healthy: bool
) -> None:
    command = json.loads(only(final_stage, "HEALTHCHECK").partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]  # no shell, no curl
    asked: list[str] = []
    with answering(status, asked) as port:
        # A proxy meant for AWS must not be asked for the loopback address.
        env = {"WATCHER_SERVER__PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
        done = subprocess.run([sys.executable, *command[1:]], env=env, capture_output=True, check=False)  # noqa: S603 - ours
    assert (done.returncode == 0) == healthy, done.stderr
    assert asked == ([] if status is None else ["/healthz"])


@contextmanager
def answering(status: int | None, asked: list[str]) -> Iterator[int]:
    """The port of an HTTP server that answers every GET with ``status``; of nobody for None."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status or 500)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing: pytest's output is for failures."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_port
    if status is None:
        server.server_close()
        yield port
        return
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_health_check_knows_the_default_port(final_stage: list[tuple[str, str]]) -> None:
    assert f"'WATCHER_SERVER__PORT', '{Config().server.port}'" in only(final_stage, "HEALTHCHECK")


def test_the_image_carries_the_version_of_the_package(dockerfile: list[tuple[str, str]]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ("ARG", f"VERSION={project['version']}") in dockerfile
    (image,) = manifest("kustomization.yaml")["images"]
    assert image["newTag"] == project["version"]


def locked(name: str) -> dict[str, frozenset[str]]:
    """``package==version`` -> its hashes, of a lock file."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    entries = re.findall(r"^([a-z0-9-]+==\S+)[^\n]*\\\n((?:    --hash=\S+(?: \\)?\n)+)", text, re.MULTILINE)
    return {entry: frozenset(re.findall(r"--hash=(\S+)", hashes)) for entry, hashes in entries}


def test_the_wheel_is_built_in_the_image_by_what_builds_it_here() -> None:
    build, development = locked("requirements-build.lock"), locked("requirements-dev.lock")
    assert any(entry.startswith("hatchling==") for entry in build)
    stale = {entry for entry, hashes in build.items() if development.get(entry) != hashes}
    assert not stale, f"not as in requirements-dev.lock, run `make lock`: {sorted(stale)}"


# The wheel ----------------------------------------------------------------------------------------------------------


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)  # noqa: S603 - our own command
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        yield wheel


def test_the_wheel_holds_the_whole_package(wheel: zipfile.ZipFile) -> None:
    sources = [path for path in (REPOSITORY / "watcher").rglob("*") if path.is_file()]
    expected = {path.relative_to(REPOSITORY).as_posix() for path in sources if path.parent.name != "__pycache__"}
    assert any(path.startswith("watcher/web/") and not path.endswith(".py") for path in expected)  # the templates
    assert expected <= set(wheel.namelist())


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {"watcher", "dynamodb_watcher-0.1.0.dist-info"}


def test_the_sandbox_libraries_are_not_required(wheel: zipfile.ZipFile) -> None:
    metadata = wheel.read("dynamodb_watcher-0.1.0.dist-info/METADATA").decode()
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert required
    assert all("extra == 'sandbox'" in line for line in required if re.search(r"moto|flask", line))


# Kubernetes ---------------------------------------------------------------------------------------------------------


def manifest(name: str) -> Any:  # noqa: ANN401 - YAML has no static shape
    return yaml.safe_load((KUBERNETES / name).read_text(encoding="utf-8"))


@pytest.fixture(name="pod")
def _pod() -> Any:  # noqa: ANN401 - YAML has no static shape
    return manifest("deployment.yaml")["spec"]["template"]["spec"]


@pytest.fixture(name="container")
def _container(pod: Any) -> Any:  # noqa: ANN401 - YAML has no static shape
    (container,) = pod["containers"]
    return container


def test_the_kustomization_names_every_file_and_no_other() -> None:
    kustomization = manifest("kustomization.yaml")
    named = {*kustomization["resources"], *kustomization["configMapGenerator"][0]["files"], "kustomization.yaml"}
    assert named == {path.name for path in KUBERNETES.iterdir()}


def test_the_configuration_loads_and_only_advises() -> None:
    config = load(KUBERNETES / "config.toml", {})
    assert config.warnings() == ()
    assert {rule.mode for rule in config.tables} == {Mode.ADVISE}


def test_there_is_one_hand_on_the_state() -> None:
    spec = manifest("deployment.yaml")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert manifest("volume.yaml")["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_the_pod_has_no_right_it_does_not_need(pod: Any, container: Any) -> None:  # noqa: ANN401 - YAML
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert {pod["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {USER}
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert manifest("serviceaccount.yaml")["automountServiceAccountToken"] is False


def test_no_service_turns_into_a_setting_of_the_watcher(pod: Any) -> None:  # noqa: ANN401 - YAML
    assert pod["enableServiceLinks"] is False
    variable = manifest("service.yaml")["metadata"]["name"].upper().replace("-", "_")
    assert not variable.startswith("WATCHER")


def test_the_probes_and_the_scrape_reach_the_server(container: Any) -> None:  # noqa: ANN401 - YAML
    port = Config().server.port
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    paths = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe: get["path"] for probe, get in paths.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {get["port"] for get in paths.values()} == {"http"}
    template = manifest("deployment.yaml")["spec"]["template"]["metadata"]
    assert template["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port),
        "prometheus.io/path": "/metrics",
    }
    service = manifest("service.yaml")["spec"]
    assert service["selector"].items() <= template["labels"].items()
    assert service["ports"] == [{"name": "http", "port": port, "targetPort": "http"}]


def test_every_path_the_image_uses_is_mounted(
    pod: Any,  # noqa: ANN401 - YAML
    container: Any,  # noqa: ANN401 - YAML
    final_stage: list[tuple[str, str]],
) -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounts.values()) == set(volumes)
    assert only(final_stage, "VOLUME") in mounts
    assert str(Path(json.loads(only(final_stage, "CMD"))[-1]).parent) in mounts
    kustomization = manifest("kustomization.yaml")
    assert volumes["config"]["configMap"]["name"] == kustomization["configMapGenerator"][0]["name"]
    claim = volumes["state"]["persistentVolumeClaim"]["claimName"]
    assert claim == manifest("volume.yaml")["metadata"]["name"]


def test_the_pod_runs_the_image_and_the_account_of_the_other_files(pod: Any, container: Any) -> None:  # noqa: ANN401
    kustomization = manifest("kustomization.yaml")
    assert container["image"] == kustomization["images"][0]["name"]
    assert pod["serviceAccountName"] == manifest("serviceaccount.yaml")["metadata"]["name"]
    assert kustomization["namespace"] == manifest("namespace.yaml")["metadata"]["name"]
    assert pod["terminationGracePeriodSeconds"] == 30


# IAM ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.ADVISE, Mode.ACT])
def test_the_policy_is_the_one_the_configuration_needs(mode: Mode) -> None:
    expected = policy_of(load(KUBERNETES / "config.toml", {}), mode, ACCOUNT)
    assert json.loads((IAM / f"{mode.value}.json").read_text(encoding="utf-8")) == expected


def test_advising_can_change_nothing() -> None:
    policy = json.loads((IAM / "advise.json").read_text(encoding="utf-8"))
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert actions
    changing = re.compile(r"\*|:(Update|Put|Delete|Create|Register|Deregister|Tag|Untag|Enable|Disable)")
    assert not {action for action in actions if changing.search(action)}


def test_acting_adds_the_change_of_the_named_tables_only() -> None:
    policies = {mode: json.loads((IAM / f"{mode}.json").read_text(encoding="utf-8")) for mode in ("advise", "act")}
    added = [
        statement for statement in policies["act"]["Statement"] if statement not in policies["advise"]["Statement"]
    ]
    actions = ["dynamodb:UpdateTable", "dynamodb:UpdateContributorInsights", "iam:CreateServiceLinkedRole"]
    assert [action for statement in added for action in statement["Action"]] == actions
    *of_tables, role = added
    for arn in (arn for statement in of_tables for arn in statement["Resource"]):
        assert re.search(r":table/orders-\*(/index/\*)?$", arn)
    # AWS makes it when Contributor Insights is switched on for the first time in an account; of its own service only.
    service = "contributorinsights.dynamodb.amazonaws.com"
    assert role["Condition"] == {"StringEquals": {"iam:AWSServiceName": service}}
    assert all(arn.endswith(f":role/aws-service-role/{service}/*") for arn in role["Resource"])


def test_the_trust_is_of_the_service_account_the_pod_has(pod: Any) -> None:  # noqa: ANN401 - YAML
    (statement,) = json.loads((IAM / "trust-irsa.json").read_text(encoding="utf-8"))["Statement"]
    issuer = statement["Principal"]["Federated"].partition("oidc-provider/")[2]
    namespace = manifest("kustomization.yaml")["namespace"]
    assert statement["Condition"] == {
        "StringEquals": {
            f"{issuer}:aud": "sts.amazonaws.com",
            f"{issuer}:sub": f"system:serviceaccount:{namespace}:{pod['serviceAccountName']}",
        }
    }
    role = manifest("serviceaccount.yaml")["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert role.split(":")[4] == statement["Principal"]["Federated"].split(":")[4] == ACCOUNT


# CI -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        pytest.param("none", 0, id="all passes"),
        pytest.param("check", 1, id="a failed check fails the run, and the tests are run all the same"),
        pytest.param("test", 1, id="a failed test fails the run"),
    ],
)
def test_ci_runs_check_and_test_and_fails_when_either_does(tmp_path: Path, failing: str, status: int) -> None:
    # The script's own logic: make and the tools it would install are replaced by scripts that only report.
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool, body in (("make", f'echo "$1" >> made; [ "$1" != {failing} ]'), ("chromium", ":"), ("promtool", ":")):
        (tools / tool).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (tools / tool).chmod(0o755)
    (tmp_path / ".ci").mkdir()
    script = shutil.copy(REPOSITORY / ".ci" / "run", tmp_path / ".ci" / "run")
    done = subprocess.run([script], env={"PATH": f"{tools}:/usr/bin:/bin"}, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert done.returncode == status, done.stdout + done.stderr
    assert (tmp_path / "made").read_text(encoding="utf-8").split() == ["check", "test"]
    assert re.search(r"make test took \d+ s, exit status [01]", done.stdout)
