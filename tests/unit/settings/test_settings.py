"""The settings: valid values, defaults derived from others, and errors."""

import re
import resource
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.access.client_address import Proxies
from api.settings import Settings
from api.settings.environments import AmadeusEnvironment
from api.settings.startup_summary import log_summary, summary

ROOT = Path(__file__).resolve().parents[3]
WAYS_TO_REDIS = "memory://, redis://, unix://, redis+sentinel:// or redis+cluster://"
BAD_PORT = "must have a port from 0 to 65535"
CREDENTIALS = {"AMADEUS_CLIENT_ID": "some-id", "AMADEUS_CLIENT_SECRET": "some-secret"}
REAL = {"AMADEUS_ENVIRONMENT": "test", **CREDENTIALS}


def test_default_settings_use_sandbox_memory_and_one_worker(loaded: Any) -> None:
    settings = loaded()

    assert settings.environment is AmadeusEnvironment.SANDBOX
    assert (settings.port, settings.in_memory, settings.workers) == (8080, True, 1)
    assert (settings.cache_ttl, settings.cache_stale_ttl, settings.cache_empty_ttl) == (
        600, 3600, 60,
    )  # fmt: skip
    assert (settings.amadeus_timeout, settings.request_deadline) == (10, 15)


def test_empty_variable_counts_as_unset(loaded: Any) -> None:
    empty = dict.fromkeys([name.upper() for name in Settings.model_fields], "")

    assert loaded(**empty) == Settings()


def test_environment_overrides_the_dotenv_file(loaded: Any, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=8001\nCACHE_TTL=30\nSOMEBODY_ELSES=1\n")

    settings = loaded(PORT="8002")

    assert (settings.port, settings.cache_ttl) == (8002, 30)


def test_setting_words_are_accepted_in_either_case(loaded: Any) -> None:
    settings = loaded(AMADEUS_ENVIRONMENT="Sandbox", LOG_LEVEL="DEBUG", LOG_FORMAT="Json")

    assert (settings.environment, settings.log_level, settings.log_format) == (
        "sandbox", "debug", "json",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "base_url", "rate"),
    [
        ("enterprise-test", "https://test.travel.api.amadeus.com", 10),
        ("enterprise", "https://travel.api.amadeus.com", 40),
        ("test", "https://test.api.amadeus.com", 10),
        ("production", "https://api.amadeus.com", 40),
    ],
)
def test_amadeus_environment_determines_host_and_rate_limit(
    loaded: Any, environment: str, base_url: str, rate: float
) -> None:
    settings = loaded(AMADEUS_ENVIRONMENT=environment, **CREDENTIALS)

    assert (settings.base_url, settings.calls_per_second) == (base_url, rate)
    assert settings.credentials == ("some-id", "some-secret")


def test_base_url_implies_the_custom_environment_without_a_rate_limit(loaded: Any) -> None:
    settings = loaded(AMADEUS_BASE_URL="http://localhost:9090/", **CREDENTIALS)

    assert settings.environment is AmadeusEnvironment.CUSTOM
    assert (settings.base_url, settings.calls_per_second) == ("http://localhost:9090", None)


@pytest.mark.parametrize(
    ("variable", "value", "takes"),
    [
        ("AMADEUS_ENVIRONMENT", "live", "sandbox, enterprise-test, enterprise, test, production"),
        ("AMADEUS_BASE_URL", "localhost:9090", "https://host:8443"),
        ("AMADEUS_BASE_URL", "http://host/v2", "https://host:8443"),
        ("AMADEUS_BASE_URL", "http://host:99999", "https://host:8443"),
        ("AMADEUS_BASE_URL", "http://host:nine", "https://host:8443"),
        ("AMADEUS_BASE_URL", "http://[host", "https://host:8443"),
        ("AMADEUS_BASE_URL", "http://me:hidden@host", "https://host:8443"),
        ("AMADEUS_GUEST_OFFICE_ID", "NCE/1A", "1 to 32 letters and digits"),
        ("AMADEUS_RATE_LIMIT", "-7", "a number greater than 0 and at most 10000"),
        ("AMADEUS_TIMEOUT", "-7", "a number greater than 0 and at most 3600"),
        ("AMADEUS_TIMEOUT", "nan", "seconds"),
        ("REQUEST_DEADLINE", "soon", "seconds"),
        ("REDIS_URL", "localhost:6379", WAYS_TO_REDIS),
        ("REDIS_URL", "http://localhost", WAYS_TO_REDIS),
        ("REDIS_URL", "redis://localhost:nine", BAD_PORT),
        ("REDIS_URL", "redis://:hush/money@localhost:6379", BAD_PORT),
        ("REDIS_URL", "redis://[localhost", WAYS_TO_REDIS),
        ("REDIS_URL", "redis://localhost/nine", "a database number as its path"),
        ("REDIS_URL", "redis://:hidden@localhost?db=nine", "a wrong value for the URL option db"),
        ("REDIS_URL", "rediss://localhost?ssl_ca_cert=ca.pem", "ssl_ca_certs, ssl_certfile"),
        (
            "REDIS_URL",
            "rediss://localhost?ssl_cert_reqs=nine",
            "a wrong value for the URL option ssl",
        ),
        ("REDIS_URL", "redis://:hush?money@localhost", WAYS_TO_REDIS),
        ("REDIS_URL", "unix://?db=1", "the path of a socket"),
        (
            "REDIS_URL",
            "redis://localhost?ssl_cert_reqs=required",
            "options: db, username, password",
        ),
        (
            "REDIS_URL",
            "rediss://localhost?ssl_ca_certs=/nine.pem",
            "a readable file in ssl_ca_certs",
        ),
        ("REDIS_URL", "redis+cluster://", "hosts separated by commas"),
        ("REDIS_URL", "redis+cluster://one:6379,,two:6379", "hosts separated by commas"),
        ("REDIS_URL", "redis+cluster://:hush/money@one:6379", BAD_PORT),
        ("REDIS_URL", "redis+cluster://one:6379/9", "other than 0 for a cluster"),
        ("REDIS_URL", "redis+cluster://one?sentinel_password=hushed", "options: db, username"),
        ("REDIS_URL", "redis+sentinel://one,two:nine/main", BAD_PORT),
        ("REDIS_URL", "redis+sentinel://one:26379", "the master's name as its path"),
        ("REDIS_URL", "redis+sentinel://one:26379/main/nine", "the master's name as its path"),
        ("CACHE_TTL", "-1", "a whole number from 0 to 2592000"),
        ("CACHE_TTL", "10m", "seconds"),
        ("CACHE_STALE_TTL", "1.5", "seconds"),
        ("CACHE_EMPTY_TTL", "-5", "seconds"),
        ("API_KEYS", "too-short", "must be keys of 16 to 256 letters"),
        ("OPERATOR_KEYS", "'quoted-and-long-enough'", "must be keys of 16 to 256 letters"),
        ("CLIENT_RATE_LIMIT", "0", "a whole number from 1 to 1000000"),
        ("CLIENT_RATE_LIMIT", "2/s", "price requests per minute"),
        ("NOCACHE_RATE_LIMIT", "-1", "nocache"),
        ("FORWARDED_ALLOW_IPS", "*", "must be addresses or networks"),
        ("FORWARDED_ALLOW_IPS", "my-proxy", "must be addresses or networks"),
        ("PORT", "0", "TCP port"),
        ("PORT", "65536", "TCP port"),
        ("PORT", "http", "a whole number from 1 to 65535"),
        ("WEB_CONCURRENCY", "0", "workers"),
        ("LOG_LEVEL", "verbose", "debug, info, warning or error"),
        ("CORS_ORIGINS", "app.example", "https:// is missing"),
        ("CORS_ORIGINS", "https://app.example,*", "or * alone"),
        ("CORS_ORIGINS", "https://app.example/", "origins like https://app.example"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "a URL like http://collector:4318"),
        ("LOG_FORMAT", "xml", "auto, json or console"),
    ],
)
def test_invalid_setting_error_names_valid_values_and_never_a_secret(
    refusal: Any, variable: str, value: str, takes: str
) -> None:
    said = refusal(**CREDENTIALS | {variable: value})

    assert said.startswith(f"flight-price-api: {variable} ")
    assert takes in said
    may_hold_a_secret = variable.endswith(("_URL", "_KEYS", "_ENDPOINT"))
    assert (', not "' in said) is not may_hold_a_secret
    assert not any(part in said for part in ("hush", "money", "hidden", "nine", "quoted"))


def test_error_for_a_bad_setting_reads_like_a_sentence(refusal: Any) -> None:
    assert refusal(PORT="abc", LOG_LEVEL="loud") == (
        'flight-price-api: PORT must be a whole number from 1 to 65535, not "abc"'
        " (TCP port to listen on);"
        ' LOG_LEVEL must be debug, info, warning or error, not "loud"'
    )


@pytest.mark.parametrize(
    "url",
    [
        "memory://",
        "redis://localhost",
        "redis://user:pass@localhost:6379/15",
        "rediss://[::1]:6379/?ssl_ca_certs=/dev/null&ssl_cert_reqs=required",
        "unix:///run/redis/redis.sock?db=2&password=pass",
        "redis+sentinel://user:pass@one,two:26380/main/3?sentinel_password=other",
        "redis+cluster://one:7000,[::1]:7001",
        "rediss+cluster://:pass@one?ssl_ca_certs=/dev/null",
    ],
)
def test_redis_url_accepts_many_forms(loaded: Any, url: str) -> None:
    assert loaded(REDIS_URL=url).redis_url.get_secret_value() == url


def test_invalid_settings_are_all_named_in_one_line(refusal: Any) -> None:
    said = refusal(PORT="x", CACHE_TTL="x", LOG_LEVEL="x")

    assert all(name in said for name in ("PORT must", "CACHE_TTL must", "LOG_LEVEL must"))


@pytest.mark.parametrize("missing", CREDENTIALS)
@pytest.mark.parametrize(
    "where", [{"AMADEUS_ENVIRONMENT": "test"}, {"AMADEUS_BASE_URL": "http://h"}], ids=str
)
def test_real_environments_need_both_credentials(
    refusal: Any, where: dict[str, str], missing: str
) -> None:
    given = {name: value for name, value in CREDENTIALS.items() if name != missing}

    said = refusal(**where, **given)

    assert said.startswith(f"flight-price-api: {missing} is required with {next(iter(where))}")
    assert "some-" not in said


def test_missing_credentials_are_both_named_at_once(refusal: Any) -> None:
    both = "flight-price-api: AMADEUS_CLIENT_ID and AMADEUS_CLIENT_SECRET are required with"

    assert refusal(AMADEUS_ENVIRONMENT="test") == f"{both} AMADEUS_ENVIRONMENT=test"
    assert refusal(AMADEUS_ENVIRONMENT="", AMADEUS_BASE_URL="http://localhost:9090") == (
        f"{both} AMADEUS_BASE_URL (python -m sandbox accepts any values)"
    )


def test_credentials_need_an_explicit_environment(refusal: Any) -> None:
    assert refusal(**CREDENTIALS) == (
        "flight-price-api: AMADEUS_ENVIRONMENT must be set if credentials are set:"
        " sandbox, enterprise-test, enterprise, test, production, duffel, ignav or custom"
    )


def test_base_url_is_required_by_the_custom_environment_only(refusal: Any) -> None:
    custom = refusal(AMADEUS_ENVIRONMENT="custom", **CREDENTIALS)
    both = refusal(AMADEUS_ENVIRONMENT="test", AMADEUS_BASE_URL="http://host", **CREDENTIALS)

    assert custom.startswith("flight-price-api: AMADEUS_BASE_URL is required with")
    assert both.startswith("flight-price-api: AMADEUS_BASE_URL needs AMADEUS_ENVIRONMENT=custom")


def test_startup_summary_holds_no_secret(loaded: Any) -> None:
    settings = loaded(
        AMADEUS_ENVIRONMENT="test", REDIS_URL="redis://:hidden@localhost:6379/0", **CREDENTIALS
    )

    told = f"{summary(settings)} {settings!r} {settings}"

    assert not any(secret in told for secret in ("some-secret", "some-id", "hidden"))
    assert summary(settings)["cache"] == "redis"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://:hidden@redis:6379/0", "redis:6379"),
        ("rediss://redis", "redis"),
        ("unix:///run/redis.sock?password=hidden", "/run/redis.sock"),
        ("redis+cluster://me:hidden@one:7000,two", "one:7000,two:6379"),
        ("memory://", None),
    ],
)
def test_startup_summary_names_the_redis(loaded: Any, url: str, place: str | None) -> None:
    assert summary(loaded(REDIS_URL=url)).get("redis") == place


def test_startup_notice_names_the_sandbox() -> None:
    assert "invented" in str(summary(Settings())["notice"])


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("AMADEUS_ENV", "; did you mean AMADEUS_ENVIRONMENT?"),
        ("AMADEUS_HOSTNAME", "; did you mean AMADEUS_ENVIRONMENT?"),
        ("AMADEUS_CLIENT_SECRT", "; did you mean AMADEUS_CLIENT_SECRET?"),
        ("AMADEUS_XYZ", ""),
        ("API_KEY", "; did you mean API_KEYS?"),
        ("APIKEYS", "; did you mean API_KEYS?"),
        ("API_KEY_FILE", "; did you mean API_KEYS_FILE?"),
        ("OPERATOR_KEY", "; did you mean OPERATOR_KEYS?"),
        ("CLIENT_RATELIMIT", "; did you mean CLIENT_RATE_LIMIT?"),
        ("FORWARDED_ALLOW_IP", "; did you mean FORWARDED_ALLOW_IPS?"),
        ("REDIS_URI", "; did you mean REDIS_URL?"),
        ("FLIGHT_API_KEYS", "; did you mean API_KEYS?"),
        ("FLIGHT_PRICE_API_KEYS_FILE", "; did you mean API_KEYS_FILE?"),
        ("FLIGHT_API_KEY", "; did you mean API_KEYS?"),
        ("AMADEUS_API_KEYS", "; did you mean API_KEYS?"),
        ("FLIGHT_OPERATOR_KEY", "; did you mean OPERATOR_KEYS?"),
        ("RATE_LIMIT_FILE", "; did you mean CLIENT_RATE_LIMIT?"),
        ("RATE_LIMIT", "; did you mean CLIENT_RATE_LIMIT?"),
        ("FLIGHT_CLIENT_RATE_LIMIT", "; did you mean CLIENT_RATE_LIMIT?"),
        ("NOCACHE_LIMIT", "; did you mean NOCACHE_RATE_LIMIT?"),
        ("FORWARDED_IPS", "; did you mean FORWARDED_ALLOW_IPS?"),
        ("GUNICORN_FORWARDED_ALLOW_IPS", "; did you mean FORWARDED_ALLOW_IPS?"),
        ("DUFFEL_API_KEY", "; did you mean DUFFEL_ACCESS_TOKEN?"),
        ("DUFFEL_TOKEN_FILE", "; did you mean DUFFEL_ACCESS_TOKEN_FILE?"),
        ("IGNAV_KEY", "; did you mean IGNAV_API_KEY?"),
        ("IGNAV_API_KEYS", "; did you mean IGNAV_API_KEY?"),
        ("TRUSTED_PROXIES", "; did you mean FORWARDED_ALLOW_IPS?"),
    ],
)
@pytest.mark.parametrize("where", ["environment", "file"])
def test_misspelt_setting_is_reported_at_start(
    loaded: Any, tmp_path: Path, misspelt: str, meant: str, where: str
) -> None:
    if where == "file":
        (tmp_path / ".env").write_text(f"{misspelt}=hidden\n")
    settings = loaded(**{misspelt: "hidden"} if where == "environment" else {})

    notice = str(summary(settings)["notice"])

    assert notice.startswith(f"{misspelt} is not a setting{meant}; prices are invented")
    assert "hidden" not in notice


@pytest.mark.parametrize(
    "other",
    [
        *("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "GPG_KEY", "PATH"),
        *("PORTS", "SPORT", "XPORT", "EXPORT", "HTTP_PORT", "REDIS_PORT", "REDIS_SERVICE_HOST"),
        *("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_REGION", "SSH_AUTH_SOCK"),
        *("OPENAI_API_KEY", "GITHUB_API_KEY", "XAI_API_KEY", "DD_API_KEY", "STRIPE_API_KEY"),
        *("NO_PROXY", "HTTPS_PROXY", "CLIENT_ID", "DATABASE_URL", "PYTHONPATH", "NPM_LOG_LEVEL"),
    ],
)
def test_variable_of_another_program_is_not_reported(loaded: Any, other: str) -> None:
    notice = str(summary(loaded(**{other: "1"}))["notice"])

    assert "is not a setting" not in notice


def test_service_without_client_keys_outside_the_sandbox_warns_at_start(loaded: Any) -> None:
    real = {"AMADEUS_ENVIRONMENT": "test", **CREDENTIALS}
    notice = str(summary(loaded(**real))["notice"])
    in_sandbox = str(summary(Settings(amadeus_environment=AmadeusEnvironment.SANDBOX))["notice"])
    with_keys = summary(loaded(**real, API_KEYS="the-key-of-a-client"))

    assert notice == "anybody who can reach the port may request prices; set API_KEYS"
    assert "anybody" not in in_sandbox
    assert "notice" not in with_keys


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, "info"),
        ({**REAL, "API_KEYS": "the-key-of-a-client"}, "info"),
        (REAL, "warning"),
        ({"API_KEY": "hidden"}, "warning"),
        ({"FORWARDED_ALLOW_IPS": "10.0.0.0/8"}, "warning"),
        ({"WEB_CONCURRENCY": "2"}, "warning"),
    ],
)
def test_startup_notice_about_a_risk_is_a_warning(
    loaded: Any, given: dict[str, str], level: str
) -> None:
    with capture_logs() as lines:
        log_summary(loaded(**given))

    assert [(line["event"], line["log_level"]) for line in lines] == [("service.started", level)]


@pytest.mark.parametrize(
    ("network", "is_wide"),
    [
        ("10.0.0.0/8", True),
        ("0.0.0.0/0", True),
        ("fd00::/8", True),
        ("172.18.0.0/16", False),
        ("fd00:0:0:1::/64", False),
        ("10.0.0.7", False),
    ],
)
def test_trusted_network_wider_than_the_proxies_is_reported(
    loaded: Any, network: str, is_wide: bool
) -> None:
    notice = str(summary(loaded(FORWARDED_ALLOW_IPS=f"192.0.2.7,{network}"))["notice"])

    assert (f"FORWARDED_ALLOW_IPS has {network}: a client" in notice) is is_wide
    assert "192.0.2.7" not in notice


@pytest.mark.parametrize(
    "file", ["api/access/client_address.py", ".env.example", "deploy/kubernetes/kustomization.yaml"]
)
def test_example_of_trusted_proxies_is_narrow(file: str) -> None:
    text = (ROOT / file).read_text()
    examples = re.findall(r"(?:like |or |ALLOW_IPS=)(\d+\.\d+\.\d+\.\d+(?:/\d+)?)", text)

    assert examples
    assert Proxies.parse(",".join(examples)).wide() == []


def test_several_workers_without_redis_are_reported(loaded: Any) -> None:
    alone = summary(loaded(WEB_CONCURRENCY="1"))
    apart = summary(loaded(WEB_CONCURRENCY="2"))
    together = summary(loaded(WEB_CONCURRENCY="2", REDIS_URL="redis://localhost"))

    assert "2 workers without Redis: each has its own cache and token" in str(apart["notice"])
    assert not any("without Redis" in str(told["notice"]) for told in (alone, together))


@pytest.mark.parametrize(("files", "is_told"), [(1024, True), (3072, False), (8192, False)])
def test_low_limit_of_open_files_is_reported_at_start(
    loaded: Any, monkeypatch: pytest.MonkeyPatch, files: int, is_told: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))

    notice = str(summary(loaded())["notice"])

    assert (f"a worker may open only {files} files" in notice) is is_told


def test_settings_all_have_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())


SECRETS = [
    name.removesuffix("_file").upper() for name in Settings.model_fields if name.endswith("_file")
]


def test_secrets_can_all_come_from_files() -> None:
    secret = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if field.annotation is not None
        and any(kind in str(field.annotation) for kind in ("SecretStr", "Keys"))
    }

    assert set(SECRETS) == secret


def test_secret_file_overrides_the_variable(loaded: Any, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("the-secret-of-the-file\n")

    settings = loaded(
        AMADEUS_ENVIRONMENT="test", AMADEUS_CLIENT_SECRET_FILE=str(file), **CREDENTIALS
    )

    assert settings.credentials == ("some-id", "the-secret-of-the-file")


def test_file_variable_of_another_program_in_dotenv_is_ignored(loaded: Any, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"POSTGRES_PASSWORD_FILE={tmp_path / 'nowhere'}\n")

    assert loaded() == Settings()


@pytest.mark.parametrize("secret", SECRETS)
def test_unreadable_secret_file_is_named_by_its_variable(
    refusal: Any, tmp_path: Path, secret: str
) -> None:
    said = refusal(**{f"{secret}_FILE": str(tmp_path / "nowhere")})

    assert said == (
        f"flight-price-api: {secret}_FILE must be a readable file (no such file or directory)"
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"\n", "must not be an empty file"), (b"\xff\xfe", "not UTF-8 text")],
)
def test_empty_secret_file_is_refused(
    refusal: Any, tmp_path: Path, content: bytes, complaint: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)

    assert complaint in refusal(API_KEYS_FILE=str(file))


def test_error_about_a_secret_file_does_not_repeat_its_content(
    refusal: Any, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text("too-short")

    said = refusal(API_KEYS_FILE=str(file))

    assert said.startswith("flight-price-api: API_KEYS must be keys of 16 to 256 letters")
    assert "too-short" not in said


def test_key_cannot_be_both_client_and_operator_key(refusal: Any) -> None:
    key = "one-key-for-everything"

    said = refusal(API_KEYS=key, OPERATOR_KEYS=key)

    assert said == "flight-price-api: OPERATOR_KEYS must not contain a key that is in API_KEYS"
