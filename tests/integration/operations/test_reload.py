"""SIGHUP applies changed settings and logs them; invalid settings change nothing."""

import os
import signal
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.processes import eventually, free_port
from tests.support.servers.service import Service

OLD, NEW = "the-old-key-of-the-client", "the-new-key-of-the-client"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(f"{OLD}\n")
    return file


@pytest.fixture
def service(key_file: Path) -> Iterator[Service]:
    """A service that reads its keys from a file."""
    with Service(api_keys_file=key_file, web_concurrency=2) as service:
        yield service


def status(service: Service, key: str) -> int:
    """The status of a request with that key."""
    return service.http.get(service.price_url(), headers={"X-API-Key": key}).status_code


def reload(service: Service, key: str) -> set[int]:
    """Send SIGHUP and requests with a key until all workers are new; return the statuses."""
    before = set(service.workers())
    statuses = set()

    def are_all_new() -> bool:
        statuses.add(status(service, key))
        return not before & set(service.workers())

    os.kill(service.process.pid, signal.SIGHUP)
    eventually(are_all_new)
    return statuses


def replace_workers(service: Service) -> None:
    """Kill all workers, and wait for their replacements."""
    before = service.workers()
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: not set(before) & set(service.workers()) and service.get("/readyz"))


def name(key: str) -> str:
    """The name of a key's holder in the log."""
    return f"key-{sha256(key.encode()).hexdigest()[:12]}"


def faults(service: Service) -> list[str]:
    """The errors in new settings that the log reports."""
    said = "SIGHUP did not change the settings: "
    messages = [line["message"] for line in service.log("gunicorn", level="error")]
    return [message.removeprefix(said) for message in messages if message.startswith(said)]


def test_key_rotation_by_file_and_reload_refuses_no_request(
    service: Service, key_file: Path
) -> None:
    key_file.write_text(f"{OLD}\n{NEW}\n")
    assert reload(service, OLD) == {200}
    key_file.write_text(f"{NEW}\n")
    assert reload(service, NEW) == {200}

    assert status(service, OLD) == 401
    told = [line["api_keys"] for line in service.log("service.started")]
    assert told == [[name(OLD)], sorted([name(OLD), name(NEW)]), [name(NEW)]]


def test_invalid_key_file_at_reload_is_reported_and_changes_nothing(
    service: Service, key_file: Path
) -> None:
    key_file.write_text("short\n")
    assert reload(service, OLD) == {200}
    key_file.unlink()
    assert reload(service, OLD) == {200}
    replace_workers(service)

    assert status(service, OLD) == 200
    short, missing = faults(service)
    assert short.startswith("API_KEYS must be keys of 16 to 256")
    assert missing.startswith("API_KEYS_FILE must be a readable file")


def test_certificate_missing_at_reload_only_disables_redis(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("read when there is a Redis to connect to")
    redis = f"rediss://127.0.0.1:{free_port()}/0?ssl_ca_certs={file}"
    with Service(redis_url=redis, web_concurrency=1) as service:
        file.unlink()
        replace_workers(service)
        assert reload(service, "") == {200}
        assert faults(service) == ["REDIS_URL must name a readable file in ssl_ca_certs"]


def test_reloads_leave_no_thread_behind(service: Service) -> None:
    def threads() -> int:
        return len(list(Path(f"/proc/{service.process.pid}/task").iterdir()))

    reload(service, OLD)
    before = threads()
    reload(service, OLD)
    eventually(lambda: threads() == before)
