# SPDX-License-Identifier: GPL-2.0-or-later
"""From what a user asked of other machines to the services. Connects on first use; loads gRPC only then."""

from dlkm.action.store import Store
from dlkm.build.elsewhere import Remote
from dlkm.build.options import RemoteOptions
from dlkm.build.request import OUT
from dlkm.core.events import Events
from dlkm.remote.address import Identity, parse_address
from dlkm.remote.channel import Channel
from dlkm.remote.service import Service


def connected(options: RemoteOptions, store: Store, events: Events) -> Remote:
    """The services asked for; UsageError for an address, a certificate or a token that makes no sense."""
    identity = Identity(
        authority=options.authority, certificate=options.certificate, key=options.key, token=options.token
    )

    def service(address: str | None) -> Service | None:
        if address is None:
            return None
        channel = Channel(parse_address(address), identity)
        return Service(channel, store, events, output=OUT, seconds=options.seconds)

    return Remote(
        events=events,
        shared=service(options.shared),
        workers=service(options.workers),
        writes=options.writes,
        fallback=options.fallback,
        hermetic=options.hermetic,
        jobs=options.jobs,
        properties=dict(options.properties),
    )
