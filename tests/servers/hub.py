"""A stand-in for the part of a Hugging Face hub that datasets are pushed to: repositories, preupload, LFS, commits.

Written from what huggingface_hub 2.4.0 sends, watched on loopback. It keeps files, checks tokens and digests, and
counts commits; it is no proof of what the real hub does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = "hf_planted7c41d0"
"""Made up, so that a test can look for it where it must not be."""


@dataclass
class Repo:
    """A dataset repository: its files, and how often it was committed to."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    lfs: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)

    @property
    def head(self) -> str:
        """The last commit's name."""
        return hashlib.sha1(json.dumps(self.commits).encode()).hexdigest()


class Hub:
    """What the server knows, and what tests look at.

    Attributes:
        faults: `METHOD path-part` -> status, and what the hub says; met each time.
        lfs_from: files of so many bytes or more go by LFS.
        asked: method and path of each request.
        stored: LFS objects by sha256.
        meanwhile: a repository that someone else makes just before ours is asked for.
    """

    def __init__(self, lfs_from: int, faults: dict[str, tuple[int, str]]) -> None:
        self.lfs_from, self.faults = lfs_from, faults
        self.repos: dict[str, Repo] = {}
        self.asked: list[str] = []
        self.stored: dict[str, bytes] = {}
        self.meanwhile: Repo | None = None
        self.url = ""

    def answer(self, method: str, path: str, body: bytes, token: str | None) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers."""
        self.asked.append(f"{method} {path}")
        for where, (status, said) in self.faults.items():
            if f"{method} {path}".startswith(where):
                return status, {"error": said}, {"X-Error-Message": said}
        if path.startswith("/lfs/"):  # the storage is another host on the real hub, and gets no token
            assert token is None
            assert hashlib.sha256(body).hexdigest() == path.rsplit("/", 1)[1]
            self.stored[path.rsplit("/", 1)[1]] = body
            return 200, {}, {}
        if token != f"Bearer {TOKEN}":
            said = "Invalid credentials in Authorization header"
            return 401, {"error": said}, {"X-Error-Message": said}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        words = path.strip("/").split("/")
        if words[0] == "datasets" and path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        name = "/".join(words[2:4])
        repo = self.repos.get(name) if words[:2] == ["api", "datasets"] else None
        if repo is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        what = words[4] if len(words) > 4 else "revision"
        if what == "preupload":
            return self._preupload(repo, json.loads(body))
        if what == "commit":
            return self._commit(name, repo, [json.loads(line) for line in body.splitlines()])
        info = {"id": name, "sha": repo.head, "private": repo.private, "tags": [], "downloads": 0, "likes": 0,
                "siblings": [{"rfilename": file} for file in sorted(repo.files)]}
        return 200, info, {}

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        assert asked["type"] == "dataset"
        name = f"{asked['organization']}/{asked['name']}"
        if self.meanwhile is not None:
            self.repos[name], self.meanwhile = self.meanwhile, None
        if name in self.repos:
            return 409, {"error": "You already created this dataset repo", "url": f"{self.url}/datasets/{name}"}, {}
        self.repos[name] = Repo(asked["visibility"] == "private", {".gitattributes": b"*.bin filter=lfs\n"})
        return 200, {"url": f"{self.url}/datasets/{name}", "name": name}, {}

    def _validate(self, text: str) -> tuple[int, Any, dict[str, str]]:
        import yaml

        front = yaml.safe_load(text.split("---\n")[1])
        wrong = [] if isinstance(front, dict) and isinstance(front.get("tags", []), list) else ["tags"]
        errors = [{"message": f'"{key}" must be an array'} for key in wrong]
        return (400 if errors else 200), {"errors": errors, "warnings": []}, {}

    def _preupload(self, repo: Repo, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        files = []
        for file in asked["files"]:
            large, there = file["size"] >= self.lfs_from, repo.files.get(file["path"])
            assert len(base64.b64decode(file["sample"])) == min(512, file["size"])
            oid = None if there is None else _oid(there, file["path"] in repo.lfs)
            files.append({"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False,
                          "oid": oid})
        return 200, {"files": files}, {}

    def _batch(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        assert asked["operation"] == "upload"
        objects = []
        for each in asked["objects"]:
            upload = {"upload": {"href": f"{self.url}/lfs/{each['oid']}"}}
            objects.append(each if each["oid"] in self.stored else {**each, "actions": upload})
        return 200, {"transfer": "basic", "objects": objects}, {}

    def _commit(self, name: str, repo: Repo, lines: list[dict[str, Any]]) -> tuple[int, Any, dict[str, str]]:
        assert lines[0]["key"] == "header"
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                repo.files[value["path"]] = base64.b64decode(value["content"])
                repo.lfs.discard(value["path"])
            elif line["key"] == "lfsFile":
                repo.files[value["path"]] = self.stored[value["oid"]]
                repo.lfs.add(value["path"])
            elif line["key"] == "deletedFile":
                if value["path"] not in repo.files:
                    return 404, {"error": "A file with this name doesn't exist"}, {"X-Error-Code": "EntryNotFound"}
                del repo.files[value["path"]]
            else:
                raise AssertionError(line["key"])
        repo.commits.append(lines[0]["value"]["summary"])
        return 200, {"success": True, "commitOid": repo.head,
                     "commitUrl": f"{self.url}/datasets/{name}/commit/{repo.head}"}, {}


def _oid(data: bytes, lfs: bool) -> str:
    if lfs:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def hub(*, lfs_from: int = 10_000_000, faults: dict[str, tuple[int, str]] | None = None) -> Iterator[Hub]:
    """A running stand-in: `with hub(lfs_from=1000) as it: ...`; `it.url` is its address."""
    it = Hub(lfs_from, faults or {})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urlsplit(self.path).path
            status, value, headers = it.answer(self.command, path, body, self.headers.get("Authorization"))
            data = json.dumps(value).encode()
            self.send_response(status)
            for name, text in {**headers, "Content-Type": "application/json", "Content-Length": len(data)}.items():
                self.send_header(name, str(text))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - as http.server names them

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
