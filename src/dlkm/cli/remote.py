# SPDX-License-Identifier: GPL-2.0-or-later
"""The flags of verbs that build, for other machines: where they are, who we are to them, what to ask of them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.core.errors import UsageError

if TYPE_CHECKING:
    from dlkm.build.options import RemoteOptions

_ADDRESS = "grpc(s)://HOST[:PORT][/INSTANCE]"


def add_remote_flags(parser: argparse.ArgumentParser) -> None:
    """A service of the Remote Execution API, as a cache or to build on."""
    add = parser.add_argument_group("other machines (Remote Execution API v2)").add_argument
    add("--remote", metavar="URL", help=f"build on the workers of {_ADDRESS}")
    add("--remote-cache", metavar="URL", help="take what is known there, and let others know what is built here")
    add("--remote-read-only", action="store_true", help="only take from --remote-cache")
    add(
        "--remote-fallback",
        choices=["local", "none"],
        default="local",
        metavar="local|none",
        help="what no worker gives is built here, or ends with exit status 7 (default: local)",
    )
    add(
        "--remote-timeout",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="for one build there, waiting for a worker included (default: 3600)",
    )
    add("--remote-jobs", type=int, default=16, metavar="N", help="builds there at once (default: 16)")
    add(
        "--remote-property",
        dest="properties",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="ask this of a worker; may be given again",
    )
    add("--hermetic", action="store_true", help="send the toolchain along: workers need none of their own")
    add("--remote-ca", type=Path, metavar="FILE", help="who vouches for the service (PEM; default: the system's)")
    add("--remote-cert", type=Path, metavar="FILE", help="our certificate (PEM)")
    add("--remote-key", type=Path, metavar="FILE", help="its key (PEM), for nobody else to read")
    add("--remote-token", type=Path, metavar="FILE", help="holds a bearer token, for nobody else to read")


def remote_options_of(arguments: argparse.Namespace) -> "RemoteOptions | None":
    """What the flags ask for; None for nothing. UsageError for what makes no sense together."""
    from dlkm.build.options import RemoteOptions

    if arguments.remote is None and arguments.hermetic:
        raise UsageError(
            "--hermetic sends the toolchain to workers, and there are none", hint="name them: --remote URL"
        )
    if arguments.remote is None and arguments.remote_cache is None:
        return None
    if arguments.remote_timeout <= 0 or arguments.remote_jobs < 1:
        raise UsageError("--remote-timeout and --remote-jobs are numbers above zero")
    return RemoteOptions(
        workers=arguments.remote,
        shared=arguments.remote_cache,
        writes=not arguments.remote_read_only,
        fallback=arguments.remote_fallback == "local",
        hermetic=arguments.hermetic,
        seconds=arguments.remote_timeout,
        jobs=arguments.remote_jobs,
        properties=tuple(_property(text) for text in arguments.properties),
        authority=arguments.remote_ca,
        certificate=arguments.remote_cert,
        key=arguments.remote_key,
        token=arguments.remote_token,
    )


def _property(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or name == "dlkm-toolchain":
        raise UsageError(f"--remote-property {text}: not of the form NAME=VALUE, or not to be set")
    return name, value
