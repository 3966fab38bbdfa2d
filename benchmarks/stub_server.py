"""A local Zoom that answers at once: a small C program, or a Python one if there is no compiler."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
PAGE = 300
HEAD = (
    "HTTP/1.1 %d OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: %d\r\n"
    "x-zm-trackingid: v=2.0;clid=aw1;rid=WEB_0123456789abcdef\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\r\n"
)
MEETING = {
    "uuid": "4444AAAiAAAAAiAiAiiAii==",
    "id": 92674392836,
    "host_id": "aB9kLmNsYxErt3VzjKp-2w",
    "host_email": "jchill@example.com",
    "topic": "Weekly sync",
    "type": 8,
    "status": "waiting",
    "timezone": "Europe/Berlin",
    "agenda": "Plan the week",
    "created_at": "2026-11-22T12:00:00Z",
    "start_url": "https://example.com/s/92674392836?zak=eyJ0eXAiOiJKV1Qi",
    "join_url": "https://example.com/j/92674392836",
    "password": "123456",
    "occurrences": [
        {"occurrence_id": f"179352360{week:04d}", "start_time": "2026-11-01T09:00:00Z", "duration": 45}
        for week in range(7)
    ],
    "settings": {
        "host_video": True,
        "participant_video": True,
        "join_before_host": False,
        "mute_upon_entry": False,
        "watermark": False,
        "use_pmi": False,
        "approval_type": 2,
        "audio": "both",
        "auto_recording": "none",
        "waiting_room": True,
    },
    "recurrence": {"type": 2, "repeat_interval": 1, "weekly_days": "1,3", "end_times": 7},
}


def user(number: int) -> dict[str, Any]:
    """Return a user as a row of a list."""
    return {
        "id": f"aB9kLmNsYxErt3Vz{number:06d}",
        "first_name": "Jill",
        "last_name": f"Chill {number}",
        "display_name": f"Jill Chill {number}",
        "email": f"jchill{number}@example.com",
        "type": 2,
        "status": "active",
        "pmi": 3542471135 + number,
        "timezone": "Europe/Berlin",
        "verified": 1,
        "dept": "Développement",
        "role_id": "2",
        "language": "en-US",
        "group_ids": ["RSMaSp8sTEGK0_oamiA2_w", "t-_-d56CSWG-7BF15LLrOw"],
        "user_created_at": "2024-03-04T10:11:12Z",
        "last_login_time": "2026-11-19T07:58:00Z",
        "last_client_version": "6.2.11.43613(mac)",
    }


def bodies() -> dict[str, str]:
    """Return the files that the stub answers with, by name."""
    one = {**user(0), "account_id": "q6gBJVO5TzexKYTb_I2rpg", "job_title": "", "login_types": [100, 101]}
    return {
        "user.json": json.dumps(one),
        "meeting.json": json.dumps(MEETING),
        "token.json": json.dumps({"access_token": "t", "token_type": "bearer", "expires_in": 3599}),
        "users.json": "".join(f"{json.dumps(user(number))}\n" for number in range(PAGE)),
    }


class Stub:
    """The stub as a process; `url(9000)` returns the base URL of a Zoom with 9,000 users."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="stub-"))
        for name, text in bodies().items():
            (self._folder / name).write_text(text)
        self._process = subprocess.Popen(
            [*_program(self._folder), str(self._folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def url(self, users: int = PAGE) -> str:
        return f"http://127.0.0.1:{self.port}/{users}/v2"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Stub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # ends it by closing its input
        shutil.rmtree(self._folder)


def kind() -> str:
    """Return the language of the stub on this machine."""
    return "C" if shutil.which("gcc") else "Python"


def _program(folder: Path) -> list[str]:
    if kind() == "Python":
        return [sys.executable, __file__]
    program = str(folder / "stub")
    subprocess.run(["gcc", "-O2", "-pthread", "-o", program, str(HERE / "stub.c")], check=True)
    return [program]


class _Answers(asyncio.Protocol):
    """The same answers as stub.c."""

    def __init__(self, small: dict[str, bytes], users: list[str]) -> None:
        self._small, self._users = small, users
        self._text = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._text += data
        while (end := self._text.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"(?i)content-length: *(\d+)", self._text[:end])
            after = end + 4 + (int(length[1]) if length else 0)
            if len(self._text) < after:
                return
            line = self._text[: self._text.find(b"\r\n")].decode()
            self._text = self._text[after:]
            self._transport.write(self._page(line) if "/v2/users?" in line else self._one(line))

    def _one(self, line: str) -> bytes:
        name = "user" if line.startswith("GET") else "token" if line.startswith("POST /oauth/") else "meeting"
        body = self._small[f"{name}.json"]
        return (HEAD % (201 if name == "meeting" else 200, len(body))).encode() + body

    def _page(self, line: str) -> bytes:
        total = int(line.split("/")[1])
        size = re.search(r"page_size=(\d+)", line)
        token = re.search(r"next_page_token=p(\d+)", line)
        most, at = min(int(size[1]) if size else 30, PAGE), int(token[1]) if token else 0
        count = max(0, min(most, total - at))
        following = f"p{at + count}" if at + count < total else ""
        start = f'{{"page_size":{most},"total_records":{total},"next_page_token":"{following}","users":['
        body = f"{start}{','.join(self._users[:count])}]}}".encode()
        return (HEAD % (200, len(body))).encode() + body


def _serve(folder: str) -> None:
    small = {name: (Path(folder) / name).read_bytes() for name in bodies()}
    users = small["users.json"].decode().splitlines()
    port = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(port.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()

    async def forever() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Answers(small, users), sock=port)
        await server.serve_forever()

    asyncio.run(forever())


if __name__ == "__main__":
    _serve(sys.argv[1])
