"""The loopback server's files and jobs: what it makes, how a job lives, and that its faults are met as said."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import time

import pytest

ROWS = [{"messages": [{"role": "assistant", "content": f"é {n}"}]} for n in range(12)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def call(server, method, path, body=None, kind="application/json"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1)
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    with contextlib.closing(connection):
        connection.request(method, f"/v1/{path}", data, {"content-type": kind})
        with connection.getresponse() as response:
            raw = response.read()
            return response.status, raw if path.endswith("/content") else json.loads(raw)


def upload(server, data=LINES, name="train.jsonl"):
    body = (b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--b\r\ncontent-disposition: '
            b'form-data; name="file"; filename="%b"\r\ncontent-type: application/jsonl\r\n\r\n%b\r\n--b--\r\n'
            % (name.encode(), data))
    return call(server, "POST", "files", body, "multipart/form-data; boundary=b")


def until(server, job, *states):
    deadline = time.monotonic() + 5
    seen = []
    while time.monotonic() < deadline:
        value = call(server, "GET", f"fine_tuning/jobs/{job}")[1]
        seen.append(value["status"])
        if value["status"] in states:
            return value, seen
        time.sleep(0.01)
    raise AssertionError(seen)


def test_a_file_is_kept_as_it_came(openai_server):
    server = openai_server()
    status, file = upload(server)
    assert (status, file["bytes"], file["purpose"], file["filename"]) == (200, len(LINES), "fine-tune", "train.jsonl")
    assert call(server, "GET", f"files/{file['id']}/content")[1] == LINES
    assert call(server, "GET", "files?purpose=fine-tune")[1]["data"] == [file]
    assert call(server, "GET", "files?purpose=batch")[1]["data"] == []
    assert [made["sha256"] for made in server.made("file")] == [hashlib.sha256(LINES).hexdigest()]
    assert upload(server, b'[\n{"a": 1}\n]\n')[0] == 400


def test_a_job_lives_by_the_clock(openai_server):
    server = openai_server(tune={"pace_s": 0.1, "paused": True, "extra": True})
    file = upload(server)[1]["id"]
    job = call(server, "POST", "fine_tuning/jobs", {"model": "m", "training_file": file, "suffix": "s",
                                                    "metadata": {"k": "v"}})[1]
    assert (job["status"], job["error"], job["user_provided_suffix"]) == ("validating_files", {}, "s")
    _, seen = until(server, job["id"], "running")
    done, more = until(server, job["id"], "succeeded")
    assert list(dict.fromkeys(seen + more)) == ["validating_files", "queued", "paused", "running", "succeeded"]
    assert done["fine_tuned_model"] == "ft:m:loopback:s:0001"
    head = call(server, "GET", f"files/{done['result_files'][0]}/content")[1]
    assert head.startswith(b"step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,2.325,")
    first = call(server, "GET", f"fine_tuning/jobs/{job['id']}/events?limit=5")[1]
    assert first["has_more"]
    assert first["data"][0]["message"] == "The job has successfully completed"
    after = call(server, "GET", f"fine_tuning/jobs/{job['id']}/events?limit=100&after={first['data'][-1]['id']}")[1]
    assert len({event["id"] for event in first["data"] + after["data"]}) == 35
    marks = call(server, "GET", f"fine_tuning/jobs/{job['id']}/checkpoints")[1]["data"]
    assert [mark["step_number"] for mark in marks] == [30, 20, 10]
    assert call(server, "GET", "fine_tuning/jobs?metadata%5Bk%5D=v")[1]["data"][0]["id"] == job["id"]
    assert call(server, "GET", "fine_tuning/jobs?metadata%5Bk%5D=w")[1]["data"] == []


def test_jobs_fail_as_the_real_ones_do(openai_server):
    server = openai_server(tune={"pace_s": 0.02})
    for data, words in ((LINES[: LINES.index(b"\n") + 1] * 9, "must have at least 10 examples"),
                        (LINES + LINES.replace(b" 9", b" <|fim_suffix|>"), "Example 22 message contains")):
        file = upload(server, data)[1]["id"]
        job = call(server, "POST", "fine_tuning/jobs", {"model": "m", "training_file": file})[1]
        done, _ = until(server, job["id"], "failed")
        assert words in done["error"]["message"]
        assert done["error"]["param"] == "training_file"
    file = upload(server)[1]["id"]
    job = call(server, "POST", "fine_tuning/jobs", {"model": "m", "training_file": file})[1]
    assert call(server, "POST", f"fine_tuning/jobs/{job['id']}/cancel")[1]["status"] == "cancelled"


@pytest.mark.parametrize(("stop", "files", "jobs"), [("half_upload", 0, 0), ("uploaded", 1, 0), ("create", 1, 0),
                                                     ("created", 1, 1)])
def test_it_hangs_once_where_it_is_told(openai_server, stop, files, jobs):
    server = openai_server(tune={"stop": stop})

    def both():
        file = upload(server)[1]
        call(server, "POST", "fine_tuning/jobs", {"model": "m", "training_file": file["id"]})

    with pytest.raises(TimeoutError):
        both()
    assert [event["at"] for event in server.ledger() if event["event"] == "stopped"] == [stop]
    assert (len(server.made("file")), len(server.made("job"))) == (files, jobs)
    assert upload(server)[0] == 200


def test_faults_in_turn_barred_and_shutdown(openai_server):
    server = openai_server(tune={"faults": {"files.create": ["rate_limit_ms", "lost"]}, "barred": True,
                                 "shutdown": {"gpt-x": "2026-10-23"}, "unknown": ["gpt-y"]})
    assert upload(server)[0] == 429
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        upload(server)
    assert upload(server)[0] == 200
    assert len(server.made("file")) == 2
    status, value = call(server, "POST", "fine_tuning/jobs", {"model": "m", "training_file": "file-0001"})
    assert (status, value["error"]["code"]) == (403, "training_not_available")
    assert call(server, "GET", "models/gpt-x")[1]["shutdown_date"] == "2026-10-23"
    assert call(server, "GET", "models/gpt-y")[0] == 404


def test_large_files_go_in_parts(openai_server):
    server = openai_server()
    made = call(server, "POST", "uploads", {"bytes": len(LINES), "filename": "t.jsonl", "purpose": "fine-tune",
                                            "mime_type": "application/jsonl"})[1]
    parts = []
    for data in (LINES[:100], LINES[100:]):
        body = b'--b\r\ncontent-disposition: form-data; name="data"; filename="x"\r\n\r\n%b\r\n--b--\r\n' % data
        part = call(server, "POST", f"uploads/{made['id']}/parts", body, "multipart/form-data; boundary=b")[1]
        parts.append(part["id"])
    done = call(server, "POST", f"uploads/{made['id']}/complete", {"part_ids": parts})[1]
    assert done["status"] == "completed"
    assert call(server, "GET", f"files/{done['file']['id']}/content")[1] == LINES
