"""Writes results to sections of documents."""

import argparse
import datetime as dt
import os
import platform
import re
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from bench.goals import with_goals
from bench.markdown import table, with_section

__all__ = ["circumstances", "options", "publish", "table", "when_and_where"]
README = Path(__file__).with_name("README.md")
FRONT_PAGE = README.parent.parent / "README.md"
OPERATIONS = README.parent.parent / "docs" / "operations.md"


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all measurements share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--write", action="store_true", help="write the result to the README")
    return parser


def publish(name: str, text: str, *, write: bool, page: Path = README) -> None:
    """Print a result; with `write`, also replace its section of a page, and renew the goals."""
    print(f"\n{text}\n")
    if write:
        written = with_section(page.read_text(), name, text)
        page.write_text(with_goals(written) if page == README else written)


def circumstances() -> str:
    """Describe the date, the machine, the versions, and the load by other processes."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("gunicorn", "gevent", "falcon", "redis")
    )
    return (
        f"{when_and_where()}, Linux {platform.release()};"
        f" Python {platform.python_version()}, {packages}, {_redis_server()}."
        f" Others used {others():.0%} of the machine when this began."
    )


def when_and_where() -> str:
    """Describe the date and the machine."""
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}"
    return f"Measured {now} UTC on {_cpu()}, {os.cpu_count()} cores"


def others(seconds: float = 1.0) -> float:
    """Return the fraction of CPU time used while this process sleeps."""
    before, idle_before = _jiffies()
    time.sleep(seconds)
    after, idle_after = _jiffies()
    return 1 - (idle_after - idle_before) / max(1, after - before)


def _jiffies() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(fields), fields[3] + fields[4]  # idle and iowait


def _cpu() -> str:
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()


def _redis_server() -> str:
    done = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)  # noqa: S607
    return "redis-server " + re.search(r"v=(\S+)", done.stdout)[1]  # type: ignore[index]
