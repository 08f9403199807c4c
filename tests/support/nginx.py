"""A real nginx before a server, with a configuration of `examples/deployment`."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from patience import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "examples" / "deployment"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
NAME = "buddy.example.com"
AROUND = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    {example}
}}
"""


def certificate(folder: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={NAME}",
                "-addext",
                f"subjectAltName=DNS:{NAME}",
            ),
            *("-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"),
        ],
        check=True,
        capture_output=True,
    )


def changed(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


@asynccontextmanager
async def proxy(folder: Path, example: str, upstreams: Mapping[str, str]) -> AsyncIterator[str]:
    """nginx with the configuration of an example before servers; the path of its socket.

    It listens at a socket in the folder, so no port has to be guessed.

    Args:
        upstreams: what stands in the example for a server, and where it is.
    """
    certificate(folder)
    listening = str(folder / "https")
    example = changed(
        (EXAMPLES / example).read_text(encoding="utf-8"),
        {
            **upstreams,
            "listen 443 ssl": f"listen unix:{listening} ssl",
            "/etc/ssl/buddy.example.com": str(folder),
            "/var/log/nginx/watchbuddy.log": str(folder / "log"),
        },
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder, example=example), encoding="utf-8")
    assert NGINX is not None
    running = await asyncio.create_subprocess_exec(NGINX, "-c", configuration, "-p", folder)
    try:
        until = time.monotonic() + PATIENCE
        while not await asyncio.to_thread(Path(listening).exists):
            assert running.returncode is None, (folder / "errors").read_text()
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        yield listening
    finally:
        running.terminate()
        await running.wait()
