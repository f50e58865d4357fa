"""A build reaches no network. That a built page does not either is in `test_site.py`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_extension import STRICT, command, make_book

ROOT = Path(__file__).parents[1]
IN_A_NAMESPACE = """
import fcntl, json, socket, struct, subprocess, sys

with socket.socket() as any_socket:  # only `lo` is there: let it be up
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 1))
done = subprocess.run(json.loads(sys.argv[1]), capture_output=True, text=True)
counts = {}
rows = [line.split() for line in open("/proc/net/snmp")]
for names, values in zip(rows[::2], rows[1::2]):
    counts |= {names[0] + name: int(value) for name, value in zip(names[1:], values[1:])}
for line in open("/proc/net/snmp6"):
    name, value = line.split()
    counts[name] = int(value)
asked = {"no route": counts["Ip:OutNoRoutes"] + counts["Ip6OutNoRoutes"],
         "datagrams": counts["Udp:OutDatagrams"] + counts["Udp6OutDatagrams"]}
print(json.dumps([done.returncode, done.stdout + done.stderr, asked]))
"""
QUIET = {"no route": 0, "datagrams": 0}  # a name that is looked up is a datagram
PAGE = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---
# One page

$x$ and {cite:p}`ioffe2015batch`.

```{code-cell} ipython3
import cae_keras as cae

config, recipe = cae.CAEConfig(filters=(2,), latent_dim=2), cae.Recipe(images=64, epochs=3)
runs = cae.run({"small": (config, recipe)}, seeds=[0], data=cae.load_mnist())
cae.fold_batch_norm(runs["small"][0]).count_params()
```

```{bibliography}
```
"""


CUT_OFF = shutil.which("unshare") and subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0  # fmt: skip
needs_namespace = pytest.mark.skipif(
    not CUT_OFF, reason="`unshare -n` is refused: it takes Linux and root"
)


def alone(command, **settings):
    """Runs a command with no network but `lo`; returns its status, what it said, and what it tried."""
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", IN_A_NAMESPACE, json.dumps(command)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True, text=True, check=True, cwd=settings.get("PWD"),
    )  # fmt: skip
    return json.loads(done.stdout)


@needs_namespace
@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 80))",
        "socket.create_connection(('2001:db8::1', 80))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('127.0.0.53', 53))",
    ],
)
def test_an_attempt_is_seen_although_its_failure_is_not(attempt):
    hidden = f"import contextlib, socket\nwith contextlib.suppress(OSError): {attempt}"
    status, said, asked = alone([sys.executable, "-c", hidden])
    assert (status, said) == (0, "")
    assert asked != QUIET


@needs_namespace
def test_a_build_with_data_training_and_sources_reaches_no_network(tmp_path):
    """The images are prepared anew: that is when TFDS would download them."""
    make_book(tmp_path, index=PAGE)
    shutil.copytree(ROOT / "cae_keras", tmp_path / "cae_keras", dirs_exist_ok=True)
    status, said, asked = alone(
        command(*STRICT), PWD=str(tmp_path), TFDS_DATA_DIR=str(tmp_path / "tfds"), PYTHONPATH="",
    )  # fmt: skip
    assert status == 0, said[-3000:]
    assert asked == QUIET
    assert (tmp_path / "tfds").exists()
    assert (tmp_path / "_build" / "html" / "index.html").exists()
