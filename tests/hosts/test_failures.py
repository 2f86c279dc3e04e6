"""What hosts say when they refuse, in all the shapes that are known, and how long they ask to wait."""

from __future__ import annotations

import email.utils

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.hosts.failures import RAW_LIMIT, failure, go_duration, kind_of, retry_after, said


def error(**fields):
    return orjson.dumps({"error": {"message": "no", "type": "", "code": None, **fields}})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, error(type="insufficient_quota", code="rate_limit_exceeded"), "quota"),
        (429, error(code="organization_spend_limit_exceeded"), "quota"),
        (429, error(code="insufficient_quota"), "quota"),
        (400, error(code="billing_hard_limit_reached"), "quota"),
        (402, error(message="Insufficient Balance"), "quota"),
        (429, error(code="slow_down", type="rate_limit_error"), "rate_limit"),
        (503, error(code="slow_down"), "server"),
        (429, b"", "rate_limit"),
        (401, b"<html>", "auth"),
        (400, error(message="API key not valid. Please pass a valid API key."), "auth"),
        (403, error(code="training_not_available"), "auth"),
        (403, error(message="Your input was flagged by moderation"), "content_filter"),
        (400, error(message="This model's maximum context length is 8192 tokens"), "length"),
        (413, error(message="prompt is too long: 9000 tokens"), "length"),
        (400, orjson.dumps({"error": {"code": "400", "message": "The response was filtered", "innererror":
                                      {"code": "ResponsibleAIPolicyViolation"}}}), "content_filter"),
        (422, orjson.dumps({"detail": [{"loc": ["body"], "msg": "extra"}]}), "bad_request"),
        (408, b"", "timeout"), (504, b"", "timeout"), (409, b"", "server"), (500, b"", "server"), (529, b"", "server"),
        (301, b"", "bad_request"), (418, b"", "bad_request"),
    ],
)
def test_classes(status, body, kind):
    assert failure(status, {}, body, 0.0).kind == kind


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (error(message="m", code="c"), "m", "c"),
        (b'{"error": "model \'x\' not found"}', "model 'x' not found", ""),
        (b'{"object": "error", "message": "bad", "code": 40001}', "bad", "40001"),
        (b'[{"error": {"code": 400, "message": "API key not valid"}}]', "API key not valid", "400"),
        (b'{"detail": "Not Found"}', "Not Found", ""),
        (b"upstream  connect\nerror", "upstream connect error", ""),
        (b"  <!doctype html>", "an HTML page", ""),
        (b"\xff\xfe", "\ufffd\ufffd", ""),
        (b"[]", "[]", ""), (b'{"error": null}', "", ""), (b'{"error": 7}', "", ""), (b"7", "7", ""),
    ],
)
def test_shapes(body, message, code):
    assert said(body)[::2] == (message, code)


@given(st.integers(300, 599), st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["error", "message", "code", "type", "innererror", "detail"]), inner), max_leaves=8,
).map(orjson.dumps))
def test_no_body_is_too_odd(status, body):
    found = failure(status, {}, body, 0.0)
    assert found.message
    assert found.kind
    assert len(found.raw) <= RAW_LIMIT


def test_the_host_may_ask_to_try_again_or_not():
    assert failure(500, {"x-should-retry": "false"}, b"", 0).kind == "bad_request"
    assert failure(429, {"x-should-retry": "false"}, error(), 0).kind == "bad_request"
    assert failure(400, {"x-should-retry": "true"}, error(), 0).kind == "server"
    assert failure(401, {"x-should-retry": "true"}, error(), 0).kind == "auth"
    assert failure(429, {"x-should-retry": "true"}, error(type="insufficient_quota"), 0).kind == "quota"


def test_only_a_gateway_that_gave_up_may_have_cost():
    assert [failure(status, {}, b"", 0).billed for status in (429, 500, 502, 503, 504, 524)] == [
        False, False, False, False, True, True]


def test_a_redirect_names_where_to():
    moved = failure(308, {"location": "https://x/v1"}, b"", 0)
    assert "https://x/v1" in moved.message
    assert moved.code == "wrong_address"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0), ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "150", "retry-after": "1"}, 0.15),
        ({"retry-after": "0"}, 0.0), ({"retry-after": email.utils.formatdate(1030.0, usegmt=True)}, 30.0),
        ({"retry-after": email.utils.formatdate(10.0, usegmt=True)}, 0.0), ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None), ({"retry-after": "nan"}, None), ({"retry-after": "inf"}, None), ({}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms",
          "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-remaining-tokens": "12", "x-ratelimit-reset-tokens": "9s"}, None),
    ],
)
def test_how_long_to_wait(headers, seconds):
    assert retry_after(headers, 1000.0) == (seconds if seconds is None else pytest.approx(seconds))


@given(st.text(max_size=40))
@example("Wed, 21 Oct 2015 07:28:00")
@example("Wed, 99 Oct 99999 07:28:00 GMT")
@example("9" * 400)
def test_no_retry_after_breaks_us(text):
    wait = retry_after({"retry-after": text, "retry-after-ms": text}, 0.0)
    assert wait is None or 0 <= wait < 1e13


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_durations_as_go_prints_them(hours, minutes, seconds):
    assert go_duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


def test_durations_that_are_none():
    assert [go_duration(text) for text in ("", "1", "1 s", "x", "1d", "s")] == [None] * 6
    assert go_duration("1.5s") == 1.5
    assert go_duration("250µs") == pytest.approx(0.00025)


def test_type_wins_over_code_wins_over_status():
    assert kind_of(429, said(error(type="insufficient_quota", code="slow_down"))) == "quota"
    assert kind_of(400, said(error(code="rate_limit_exceeded"))) == "rate_limit"
