"""The commands: processes (`run`, `api`, `worker`, …), and what operators do by hand (`hookline --help` lists them).

Errors that a person can mend are one line on standard error and exit code 2.
"""

import argparse
import asyncio
import math
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hookline.cli import logs
from hookline.domain.errors import HooklineError
from hookline.domain.principal import Role

_MENDABLE = 2
_INTERRUPTED = 130
_MAX_PROCESSES = 256
_MAX_HOURS = 24 * 366
_MAX_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if any(isinstance(value, str) and not _is_unicode(value) for value in vars(options).values()):
        parser.error("arguments must be valid Unicode")
    try:
        sys.exit(options.run(options))
    except HooklineError as error:
        print(f"hookline: {error}", file=sys.stderr)
        sys.exit(_MENDABLE)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception as error:  # its text may quote what a customer wrote: only where it happened is told
        print(f"hookline: {logs.outline(error)}", file=sys.stderr)
        sys.exit(1)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hookline", description="WhatsApp, Instagram and Messenger business accounts, connected to a CRM."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _process_commands(commands)
    _operator_commands(commands)
    return parser


def _process_commands(commands: Any) -> None:
    run = _command(commands, "run", "everything: database, migrations, API, worker and simulator", _run)
    api = _command(commands, "api", "HTTP only", _api)
    worker = _command(commands, "worker", "jobs only", _worker)
    for command in (run, api):
        command.add_argument("--host", help="address to listen on (default: HOOKLINE_HOST)")
        command.add_argument("--port", type=int, help="port to listen on (default: HOOKLINE_PORT)")
    simulator = _command(commands, "simulator", "the fake platforms, for development", _simulator)
    simulator.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    simulator.add_argument("--port", type=int, help="port to listen on (default: HOOKLINE_SIMULATOR_PORT)")
    simulator.add_argument("--seed", type=int, help="a new world with the ids of this seed, which is not kept")
    simulator.add_argument("--callback", metavar="URL", help="whom it tells webhooks (default: this program's API)")
    for command in (api, worker, simulator):
        command.add_argument("--log-format", choices=("json", "console"), default="json")
        command.add_argument("--parent-fd", type=int, help=argparse.SUPPRESS)
        command.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    api.add_argument("--listen-fd", type=int, help=argparse.SUPPRESS)
    api.add_argument(
        "--workers", type=_whole(_MAX_PROCESSES), default=1, metavar="N", help="processes that share the port"
    )
    worker.add_argument(
        "--processes", type=_whole(_MAX_PROCESSES), default=1, metavar="N", help="processes that run jobs"
    )
    worker.add_argument("--metrics-port", type=_port, metavar="PORT", help="answer Prometheus there (default: nowhere)")
    _command(commands, "migrate", "bring the database's schema up to date", _migrate)


def _operator_commands(commands: Any) -> None:
    token = _command(commands, "token", "print a development token", _token)
    token.add_argument("--org", required=True, type=_named, metavar="ORG", help="the organization's id")
    token.add_argument("--role", default=Role.OWNER, type=str.upper, choices=list(Role), help="default: OWNER")
    token.add_argument("--hours", type=_hours, default=24.0, help="how long it is valid (default: 24)")
    trace = _command(commands, "trace", "tell the whole story of one message", _trace)
    trace.add_argument("external_id", type=_named, metavar="ID", help="the platform's id of a message, or ours")
    replay = _command(commands, "replay", "process stored webhook events again", _replay)
    replay.add_argument("event_ids", nargs="+", metavar="EVENT", help="ids of webhook events")
    prune = _command(commands, "prune", "delete now what is older than the settings keep it", _prune)
    prune.add_argument("--dry-run", action="store_true", help="only count it")
    forget = _command(commands, "forget", "delete what is one person's at one account", _forget)
    forget.add_argument("--org", "--organization", required=True, metavar="ORG", help="the organization's id")
    forget.add_argument("--account", required=True, metavar="ACCOUNT", help="our id of the account")
    forget.add_argument("--contact", required=True, metavar="CONTACT", help="the platform's id of the person")
    forget.add_argument("--dry-run", action="store_true", help="only count it")
    pause = _command(commands, "pause", "let an organization's jobs, or one account's, not run for a while", _pause)
    resume = _command(commands, "resume", "let them run again", _resume)
    for command in (pause, resume):
        command.add_argument("--org", required=True, type=_named, metavar="ORG", help="the organization's id")
        command.add_argument("--account", metavar="ACCOUNT", help="our id of one of its accounts (default: all of it)")
    events = _command(commands, "events", "list webhook events that no organization can see", _events)
    which = events.add_mutually_exclusive_group(required=True)
    which.add_argument("--unowned", action="store_true", help="those that wait for their account")
    which.add_argument("--failed", action="store_true", help="those that could not be read, and so belong to nobody")
    events.add_argument("--limit", type=_whole(10_000), default=50, help="how many at most (default: 50)")
    keys = _command(commands, "keys", "look after the keys that encrypt tokens", _keys)
    keys.add_argument("verb", choices=("list", "rotate"), help="list them, or replace the one that encrypts")
    doctor = _command(commands, "doctor", "say what is wrong here and with the accounts, and how to mend it", _doctor)
    doctor.add_argument("--account", metavar="ID", help="only this account, by our id, connected or not")
    for command in (trace, replay, prune, forget, pause, resume, events, keys, doctor):
        command.add_argument("--json", action="store_true", help="for machines")


def _whole(most: int) -> Callable[[str], int]:
    """Make a reader of whole numbers from 1 on."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}")
        return int(text)

    return read


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= _MAX_PORT):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {_MAX_PORT}")
    return int(text)


def _named(text: str) -> str:
    """Take what names something; an empty variable of a shell names nothing."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours <= _MAX_HOURS:
        raise argparse.ArgumentTypeError(f"must be a number of hours over 0, up to {_MAX_HOURS}")
    return hours


def _command(commands: Any, name: str, summary: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(run=run)
    return command


def _loop(main_coroutine: Coroutine[Any, Any, int]) -> int:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main_coroutine)


def _run(options: argparse.Namespace) -> int:
    from hookline.cli.run import run_everything
    from hookline.settings import read_settings

    settings = read_settings(host=options.host, port=options.port)
    logs.configure("console", settings.log_level)
    return _loop(run_everything(settings))


def _api(options: argparse.Namespace) -> int:
    from hookline.settings import read_settings

    settings = read_settings(host=options.host, port=options.port)
    logs.configure(options.log_format, settings.log_level)
    if options.workers > 1:
        from hookline.cli.run import run_apis

        return _loop(run_apis(settings, options.workers, options.log_format, options.parent_fd, options.ready_fd))
    from hookline.cli.processes import run_api

    return _loop(run_api(settings, options.parent_fd, options.ready_fd, options.listen_fd))


def _worker(options: argparse.Namespace) -> int:
    from hookline.settings import read_settings

    settings = read_settings()
    logs.configure(options.log_format, settings.log_level)
    if options.processes > 1:
        from hookline.cli.run import run_workers

        fds = (options.parent_fd, options.ready_fd)
        return _loop(run_workers(settings, options.processes, options.log_format, *fds, options.metrics_port))
    from hookline.cli.processes import run_worker

    return _loop(run_worker(settings, options.parent_fd, options.ready_fd, options.metrics_port))


def _simulator(options: argparse.Namespace) -> int:
    from hookline.cli.simulator import run_simulator, simulator_options
    from hookline.settings import read_settings

    settings = read_settings()
    logs.configure(options.log_format, settings.log_level)
    made = simulator_options(
        settings, host=options.host, port=options.port, seed=options.seed, callback=options.callback
    )
    return _loop(run_simulator(made, options.parent_fd, options.ready_fd))


def _migrate(options: argparse.Namespace) -> int:
    from hookline.cli.operate import migrate_now
    from hookline.settings import read_settings

    return _loop(migrate_now(read_settings()))


def _token(options: argparse.Namespace) -> int:
    from hookline.cli.operate import print_token
    from hookline.settings import read_settings

    return print_token(read_settings(), options.org, Role(options.role), options.hours)


def _trace(options: argparse.Namespace) -> int:
    from hookline.cli.operate import print_trace
    from hookline.settings import read_settings

    return _loop(print_trace(read_settings(), options.external_id, as_json=options.json))


def _replay(options: argparse.Namespace) -> int:
    from hookline.cli.operate import replay_now
    from hookline.settings import read_settings

    return _loop(replay_now(read_settings(), options.event_ids, as_json=options.json))


def _prune(options: argparse.Namespace) -> int:
    from hookline.cli.prune import prune_now
    from hookline.settings import read_settings

    return _loop(prune_now(read_settings(), dry_run=options.dry_run, as_json=options.json))


def _forget(options: argparse.Namespace) -> int:
    from hookline.cli.forget import forget_now
    from hookline.settings import read_settings

    settings = read_settings()
    logs.configure("console", settings.log_level)
    named = (options.org, options.account, options.contact)
    return _loop(forget_now(settings, *named, dry_run=options.dry_run, as_json=options.json))


def _pause(options: argparse.Namespace) -> int:
    from hookline.cli.pauses import pause_now
    from hookline.settings import read_settings

    return _loop(pause_now(read_settings(), options.org, options.account, as_json=options.json))


def _resume(options: argparse.Namespace) -> int:
    from hookline.cli.pauses import resume_now
    from hookline.settings import read_settings

    return _loop(resume_now(read_settings(), options.org, options.account, as_json=options.json))


def _events(options: argparse.Namespace) -> int:
    from hookline.cli.operate import print_unowned
    from hookline.settings import read_settings

    return _loop(print_unowned(read_settings(), options.limit, failed=options.failed, as_json=options.json))


def _keys(options: argparse.Namespace) -> int:
    from hookline.cli.keys import print_keys, rotate_keys
    from hookline.settings import read_settings

    run = rotate_keys if options.verb == "rotate" else print_keys
    return _loop(run(read_settings(), as_json=options.json))


def _doctor(options: argparse.Namespace) -> int:
    from hookline.cli.doctor import examine_all

    return _loop(examine_all(options.account, as_json=options.json))
