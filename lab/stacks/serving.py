"""Units that have started when programs serve. For systemd a program has started when it runs,
or says so itself, as the API server does long before its own preparations are through."""

from __future__ import annotations

from collections.abc import Iterable

from lab.provision import GuestFile, Provision
from lab.stacks.node import CONFIG
from lab.stacks.unit import Service

SCRIPT = f"{CONFIG}/until-they-serve.py"

UNTIL_THEY_SERVE = '''\
"""Returns when each URL has answered 200. Who answers is not asked: all of them are local."""

import ssl
import sys
import time
import urllib.request

anyone = ssl.create_default_context()
anyone.check_hostname = False
anyone.verify_mode = ssl.CERT_NONE


def serves(url):
    try:
        with urllib.request.urlopen(url, timeout=10, context=anyone):
            return True
    except OSError:
        return False


for url in sys.argv[1:]:
    while not serves(url):
        time.sleep(1)
'''


def serving(name: str, description: str, urls: Iterable[str], after: tuple[str, ...]) -> Provision:
    """The unit `name`, which has started when each of `urls` has answered, however long it takes.

    It goes on waiting over restarts of the programs, which would fail whoever is ordered behind
    the programs themselves.
    """
    service = Service(
        name=name,
        description=description,
        command=("/usr/bin/python3", "-I", SCRIPT, *urls),
        kind="oneshot",
        after=after,
        wants=after,
    )
    return service.provision(GuestFile.text(SCRIPT, UNTIL_THEY_SERVE))
