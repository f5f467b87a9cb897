"""A W&B server small enough to read, on loopback and in memory: what wandb 0.31 asks for when runs log and are synced.

It keeps runs (configuration, history, summary, group, job type, tags), artifacts with aliases and files, and who made
and who used them. What it does not know it answers with an error and notes in ``unknown``. After the operations that
wandb's own system tests stub (github.com/wandb/wandb, tests/system_tests).
"""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "0" * 40
ENTITY = "park"


@dataclass
class FakeRun:
    """What the server knows of one run."""

    id: str
    project: str
    attributes: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def ours(self) -> dict[str, Any]:
        """The configuration that ondo sent."""
        value: dict[str, Any] = self.config.get("ondo", {}).get("value", {})
        return value


@dataclass
class FakeArtifact:
    """One version of an artifact."""

    id: str
    name: str
    type: str
    digest: str
    version: int
    project: str
    metadata: str = "{}"
    aliases: set[str] = field(default_factory=set)
    manifest: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    committed: bool = False
    made_by: str = ""
    used_by: set[str] = field(default_factory=set)


class FakeWandb:
    """The server: ``with FakeWandb() as server: ...``.

    Attributes:
        runs: by id.
        artifacts: by id.
        unknown: names of operations it could not answer.
        refuse: parts of upload paths that are answered with 500, to lose what is sent there.
    """

    def __init__(self) -> None:
        self.runs: dict[str, FakeRun] = {}
        self.artifacts: dict[str, FakeArtifact] = {}
        self.unknown: list[str] = []
        self.refuse: tuple[str, ...] = ()
        self.lock = threading.RLock()
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """What ``WANDB_BASE_URL`` shall be."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead a client here."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY}

    def __enter__(self) -> "FakeWandb":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def artifact(self, name: str, alias: str = "latest") -> FakeArtifact:
        """A committed version by name and alias; the newest one that has it."""
        fitting = [one for one in self.artifacts.values() if one.name == name and one.committed]
        return max((one for one in fitting if alias in one.aliases), key=lambda one: one.version)

    def edges(self) -> set[tuple[str, str, str]]:
        """Who made what and who used it: run, artifact, run."""
        return {(one.made_by, one.name, user) for one in self.artifacts.values() for user in one.used_by}

    # -- GraphQL -----------------------------------------------------------------------------------------------------

    def answer(self, query: str, given: dict[str, Any]) -> dict[str, Any]:
        """The data of one operation.

        Raises:
            KeyError: an operation nobody has needed yet.
        """
        name = re.search(r"(?:query|mutation)\s+(\w+)", query)
        operation = name[1] if name else query.strip()[:60]
        work = getattr(self, f"_{operation}", None)
        if work is None:
            self.unknown.append(operation)
            raise KeyError(f"operation {operation} is unknown")
        with self.lock:
            answer: dict[str, Any] = work(given.get("input", given))
            return answer

    def _Viewer(self, _: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - named as the operations
        viewer = {"id": "V", "entity": ENTITY, "username": ENTITY, "flags": "{}", "teams": {"edges": []}}
        return {"viewer": viewer}

    _GetDefaultEntity = _Viewer

    def _ServerFeaturesQuery(self, _: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"serverInfo": {"features": []}}

    def _OrganizationCoreWeaveOrganizationID(self, _: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"entity": {"organization": None}}

    def _UpsertBucket(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = given.get("name") or given["id"].removeprefix("B-")
        fresh = name not in self.runs
        run = self.runs.setdefault(name, FakeRun(name, given.get("project") or ""))
        kept = ("groupName", "jobType", "tags", "displayName", "state")
        run.attributes |= {key: given[key] for key in kept if given.get(key) is not None}
        if given.get("config"):
            run.config = json.loads(given["config"])
        if given.get("summaryMetrics"):
            run.summary = json.loads(given["summaryMetrics"])
        return {"upsertBucket": {"bucket": self._bucket(run), "inserted": fresh}}

    def _RunResumeStatus(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        run = self.runs.get(given["name"])
        model = {"id": "P", "name": given["project"], "entity": {"id": "E", "name": ENTITY}}
        return {"model": {**model, "bucket": None if run is None else self._bucket(run)}}

    def _RunStoppedStatus(self, _: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"project": {"run": {"stopped": False}}}

    def _Run(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        run = self.runs.get(given["name"])
        return {"project": {"run": None if run is None else self._bucket(run)}}

    def _CreateRunFiles(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        files = [{"name": f, "uploadUrl": f"{self.url}/put/run/{given['run']}/{f}"} for f in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def _ArtifactType(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name, _, alias = given["name"].partition(":")
        known = [one for one in self.artifacts.values() if one.name == name and alias in one.aliases]
        return {"project": {"artifact": {"artifactType": {"name": known[-1].type}} if known else None}}

    def _FetchArtifactDigestAlgorithm(self, _: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"project": None}

    def _CreateArtifact(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        (name,) = given.get("artifactCollectionNames") or [given["artifactCollectionName"]]
        versions = [one for one in self.artifacts.values() if one.name == name]
        found = next((one for one in versions if one.digest == given["digest"]), None)
        if found is None:
            key = base64.b64encode(f"Artifact:{len(self.artifacts)}".encode()).decode().rstrip("=")
            found = FakeArtifact(
                key, name, given["artifactTypeName"], given["digest"], len(versions), given["projectName"]
            )
            found.metadata = given.get("metadata") or "{}"
            self.artifacts[key] = found
            found.made_by = given.get("runName") or ""
        for alias in given.get("aliases") or []:
            for other in versions:
                other.aliases.discard(alias["alias"])
            found.aliases.add(alias["alias"])
        state = "COMMITTED" if found.committed else "PENDING"
        sequence = {"id": f"S-{name}", "latestArtifact": None}
        return {"createArtifact": {"artifact": {"id": found.id, "state": state, "artifactSequence": sequence}}}

    def _CreateArtifactManifest(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        url = f"{self.url}/put/manifest/{given['artifactID']}"
        file = {"id": "F", "name": given["name"], "displayName": given["name"], "uploadUrl": url, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": given["artifactID"], "file": file}}}

    def _UpdateArtifactManifest(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        made = self._CreateArtifactManifest({"artifactID": given["artifactManifestID"], "name": "wandb_manifest.json"})
        return {"updateArtifactManifest": made["createArtifactManifest"]}

    def _CreateArtifactFiles(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        edges = []
        for file in given.get("artifactFiles", []):
            path = f"{file['artifactID']}/{file['name']}"
            node = {"id": path, "name": file["name"], "displayName": file["name"], "storagePath": path}
            node |= {"uploadUrl": f"{self.url}/put/artifact/{path}", "uploadHeaders": [], "uploadMultipartUrls": None}
            edges.append({"node": {**node, "artifact": {"id": file["artifactID"]}}})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _CommitArtifact(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = self.artifacts[given["artifactID"]]
        found.committed = True
        return {"commitArtifact": {"artifact": {"id": found.id, "digest": found.digest}}}

    def _UseArtifact(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = self.artifacts[given["artifactID"]]
        found.used_by.add(given["runName"])
        return {"useArtifact": {"artifact": self._fragment(found)}}

    def _ArtifactByID(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"artifact": self._fragment(self.artifacts[given["id"]])}

    def _ArtifactMembershipByName(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name, _, alias = given["name"].partition(":")
        fitting = [
            one
            for one in self.artifacts.values()
            if one.committed and one.name == name and (alias in one.aliases or alias == f"v{one.version}")
        ]
        if not fitting:
            return {"project": {"artifactCollectionMembership": None}}
        found = fitting[-1]
        fragment = self._fragment(found)
        membership = {
            "__typename": "ArtifactCollectionMembership",
            "id": f"M-{found.id}",
            "versionIndex": found.version,
            "createdAt": _WHEN,
            "aliases": [{k: v for k, v in one.items() if k != "artifactCollection"} for one in fragment["aliases"]],
            "artifactCollection": fragment["artifactSequence"],
            "artifact": fragment,
        }
        return {"project": {"artifactCollectionMembership": membership}}

    def _bucket(self, run: FakeRun) -> dict[str, Any]:
        told = run.attributes
        tail = json.dumps([json.dumps(run.history[-1])] if run.history else [])
        return {
            "id": f"B-{run.id}",
            "projectId": "1",
            "name": run.id,
            "displayName": told.get("displayName", run.id),
            "description": "",
            "notes": "",
            "commit": None,
            "readOnly": False,
            "createdAt": _WHEN,
            "heartbeatAt": _WHEN,
            "user": {"name": ENTITY, "username": ENTITY},
            "sweepName": None,
            "state": "running" if run.exit_code is None else "finished" if run.exit_code == 0 else "failed",
            "group": told.get("groupName"),
            "jobType": told.get("jobType"),
            "tags": told.get("tags", []),
            "config": json.dumps(run.config),
            "wandbConfig": json.dumps({"t": 1}),
            "summaryMetrics": json.dumps(run.summary),
            "systemMetrics": "{}",
            "historyKeys": None,
            "historyLineCount": len(run.history),
            "logLineCount": 0,
            "eventsLineCount": 0,
            "historyTail": tail,
            "eventsTail": "[]",
            "project": {"id": "P", "name": run.project, "entity": {"id": "E", "name": ENTITY}},
        }

    def _fragment(self, found: FakeArtifact) -> dict[str, Any]:
        project = {"id": "P", "internalId": "1", "name": found.project, "entity": {"name": ENTITY}}
        sequence = {"__typename": "ArtifactSequence", "name": found.name, "project": project}
        return {
            "__typename": "Artifact",
            "id": found.id,
            "artifactSequence": sequence,
            "versionIndex": found.version,
            "artifactType": {"name": found.type},
            "description": None,
            "metadata": found.metadata,
            "ttlDurationSeconds": -1,
            "ttlIsInherited": False,
            "tags": [],
            "historyStep": None,
            "state": "COMMITTED" if found.committed else "PENDING",
            "size": sum(map(len, found.files.values())),
            "digest": found.digest,
            "commitHash": found.digest,
            "fileCount": len(found.files),
            "createdAt": _WHEN,
            "updatedAt": None,
            "aliases": [
                {"__typename": "ArtifactAlias", "id": f"A-{alias}", "alias": alias, "artifactCollection": sequence}
                for alias in sorted(found.aliases)
            ],
        }

    # -- files -------------------------------------------------------------------------------------------------------

    def stream(self, run_id: str, sent: dict[str, Any]) -> None:
        """Lines of a run's files: history by its offset, the summary whole."""
        with self.lock:
            run = self.runs[run_id]
            for name, chunk in (sent.get("files") or {}).items():
                if name == "wandb-history.jsonl":
                    lines = [json.loads(line) for line in chunk["content"]]
                    run.history[chunk["offset"] : chunk["offset"] + len(lines)] = lines
                elif name == "wandb-summary.json":
                    run.summary = json.loads(chunk["content"][-1])
            if sent.get("complete"):
                run.exit_code = sent.get("exitcode", 0)

    def put(self, path: str, body: bytes) -> bool:
        """Take an uploaded file; False when it is one that shall be refused."""
        kind, key, *rest = path.split("/", 2)
        if any(part in path for part in self.refuse):
            return False
        with self.lock:
            if kind == "run":
                self.runs[key].files[rest[0]] = body
            elif kind == "manifest":
                self.artifacts[key].manifest = json.loads(body)
            else:
                self.artifacts[key].files[rest[0]] = body
        return True

    def check_files(self, found: FakeArtifact) -> bool:
        """Whether every file of an artifact has come, with the content its manifest promises."""
        return all(
            base64.b64encode(hashlib.md5(found.files.get(name, b"")).digest()).decode() == entry["digest"]
            for name, entry in found.manifest["contents"].items()
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that leaves is no error."""


_WHEN = "2026-01-01T00:00:00Z"


def _handler(server: FakeWandb) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            if self.path.endswith("/file_stream"):
                server.stream(self.path.split("/")[4], json.loads(body))
                self._send(200, {"exitcode": None, "limits": {}})
            elif self.path.endswith("/graphql"):
                asked = json.loads(body)
                try:
                    answer = server.answer(asked["query"], asked.get("variables") or {})
                    self._send(200, {"data": answer})
                except (KeyError, ValueError) as error:
                    self._send(400, {"errors": [{"message": f"{type(error).__name__}: {error}"}]})
            else:
                self._send(200, {})  # telemetry

        def do_PUT(self) -> None:
            body = self._body()
            self._send(200 if server.put(self.path.removeprefix("/put/"), body) else 403, {})

        def do_GET(self) -> None:
            self._send(404, {})

        def _body(self) -> bytes:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                return gzip.decompress(body)
            return body

        def _send(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
