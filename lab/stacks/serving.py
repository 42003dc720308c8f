"""Units that have started when programs serve. For systemd a program has started when it runs,
or reports it, as the API server does long before it is ready."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks.node import CONFIG
from edge_lab.stacks.unit import Service

SCRIPT = f"{CONFIG}/until-they-serve.py"

UNTIL_THEY_SERVE = '''\
"""Returns when all URLs answer 200, each with what stands behind its # in the answer.

Who answers is not asked: all of them are local.
"""

import http.client
import ssl
import sys
import time
import urllib.parse
import urllib.request

anyone = ssl.create_default_context()
anyone.check_hostname = False
anyone.verify_mode = ssl.CERT_NONE


def serves(url):
    try:
        with urllib.request.urlopen(url, timeout=10, context=anyone) as answer:
            return urllib.parse.urldefrag(url).fragment in answer.read().decode()
    except (OSError, http.client.HTTPException):
        return False


pause = 1.0
while not all(map(serves, sys.argv[1:])):
    # A look takes a tenth of a second of an emulated CPU, which has a boot to do.
    time.sleep(pause)
    pause = min(pause * 1.3, 5.0)
'''


def serving(name: str, description: str, urls: Iterable[str], after: tuple[str, ...]) -> Provision:
    """The unit `name`, which has started when all of `urls` answer, without a time limit; the
    fragment of a URL must be contained in its answer.

    It keeps waiting while programs restart, which would fail units that are ordered after the
    programs themselves. Once started, it stays active until the next boot.
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
