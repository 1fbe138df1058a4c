"""An empty handler on the server that ours runs on, with its settings: `python serving_limit.py PORT`."""

import sys
from typing import Any

import uvicorn

HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and answers {}."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"{}"})


same = {"lifespan": "off", "interface": "asgi3", "access_log": False, "proxy_headers": False, "server_header": False}
uvicorn.run(application, port=int(sys.argv[1]), log_level="warning", timeout_keep_alive=75, **same)  # type: ignore[arg-type]
