"""One transport for chat, files and jobs: real TLS with an authority of its own, proxies that tunnel, Azure's paths."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest

from pipeline.digest import call_id
from pipeline.engine.protocol import CallFailed
from pipeline.errors import RecipeError
from pipeline.hosts import entry_of
from pipeline.hosts.access import access
from pipeline.hosts.client import Host, Refused
from pipeline.providers import build
from pipeline.settings import ProviderEntry, Settings, load_settings
from pipeline.types import CallRequest
from tests.servers.proxy import proxy

KEY = "sk-planted-0123456789abcdefghij"
ENV = {"OPENAI_API_KEY": KEY, "AZURE_OPENAI_API_KEY": KEY}
NAMES = "DNS:api.openai.com,DNS:api.plots.invalid,DNS:plots.openai.azure.com,IP:127.0.0.1"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A private authority, and a server's certificate that it signed: ca.pem, cert.pem, key.pem."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Plots Authority",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=plots", "-keyout", "key.pem", "-out", "plots.csr")
    (folder / "names").write_text(f"subjectAltName={NAMES}\n")
    openssl("x509", "-req", "-in", "plots.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "cert.pem")
    return folder


@pytest.fixture
def secure(openai_server, authority, monkeypatch):
    """Starts a TLS server whose certificate the private authority signed; the machine's own settings are away."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return lambda **options: openai_server(tls=[str(authority / "cert.pem"), str(authority / "key.pem")], **options)


def request(provider, model="story-small", **parameters):
    body = provider.body(model, [{"role": "user", "content": "A plot, please."}], parameters)
    return CallRequest(call_id(provider.namespace, "chat", body), provider.namespace, body)


async def asked(provider, model="story-small", **parameters):
    """What came, or the failure; the provider is closed."""
    try:
        return await provider.ask(request(provider, model, **parameters))
    except CallFailed as failed:
        return failed.failure
    finally:
        await provider.close()


def files(entry, name="openai"):
    """The files of a host, through the openai package: a list, or the refusal."""
    known = access(name, entry_of(name, Settings(providers={name: entry}), ENV), ENV)
    with Host(known, 10, 0) as host:
        try:
            return list(host.pages("files.list"))
        except Refused as refused:
            return refused


@needs_openssl
async def test_an_authority_of_ones_own_is_a_line_of_synth_toml(secure, authority, tmp_path):
    server = secure(key=KEY)
    (tmp_path / "synth.toml").write_text(
        f'[providers.openai]\nbase_url = "{server.base_url}"\nca = "ours.pem"\n'
        f'[providers.stranger]\nbase_url = "{server.base_url}"\n')
    shutil.copy(authority / "ca.pem", tmp_path / "ours.pem")
    deeper = tmp_path / "deeper"
    deeper.mkdir()
    settings = load_settings(deeper, {})
    assert settings.providers["openai"].ca == tmp_path / "ours.pem"
    assert (await asked(build("openai", settings, ENV))).finish_reason == "stop"
    assert files(settings.providers["openai"]) == []
    stranger = await asked(build("stranger", settings, ENV))
    assert stranger.kind == "connection"
    assert "ca of its entry in synth.toml" in stranger.message
    assert files(settings.providers["stranger"], "stranger").failure.kind == "connection"


@needs_openssl
async def test_ssl_cert_file_counts_for_files_as_for_chat(secure, authority, monkeypatch):
    server = secure()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    entry = ProviderEntry(base_url=server.base_url)
    assert (await asked(build("own", Settings(providers={"own": entry}), ENV))).finish_reason == "stop"
    assert files(entry, "own") == []


@needs_openssl
async def test_tls_goes_through_a_proxy_and_no_proxy_goes_round_it(secure, authority, monkeypatch):
    server = secure(key=KEY)
    entry = ProviderEntry(base_url="https://api.plots.invalid/v1", key_env="OPENAI_API_KEY", ca=authority / "ca.pem")
    settings = Settings(providers={"openai": entry}, timeout_s=5)
    with proxy(server.port, "plots:secret-word-of-the-proxy") as way:
        monkeypatch.setenv("HTTPS_PROXY", way.url)
        assert (await asked(build("openai", settings, ENV))).finish_reason == "stop"
        assert files(entry) == []
        assert way.tunnels == ["api.plots.invalid:443"] * 2
        monkeypatch.setenv("NO_PROXY", "plots.invalid")
        assert (await asked(build("openai", settings, ENV))).kind == "connection"
        assert files(entry).failure.kind == "connection"
        assert len(way.tunnels) == 2
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.setenv("HTTPS_PROXY", way.url.replace("secret-word", "another-word"))
        chat, listed = await asked(build("openai", settings, ENV)), files(entry)
        assert (chat.kind, chat.billed, listed.failure.kind) == ("connection", False, "connection")
        assert "407" in chat.message
        assert "another-word" not in f"{chat!r} {listed!r} {listed.failure!r}"
        assert KEY not in f"{chat!r} {listed!r} {listed.failure!r}"


@needs_openssl
async def test_what_o3_mini_refuses_is_renamed_and_left_out_on_the_way_to_openai(secure, authority, monkeypatch):
    server = secure(key=KEY, refuses={"max_tokens": "max_completion_tokens", "temperature": ""})
    entry = ProviderEntry(ca=authority / "ca.pem")
    with proxy(server.port) as way:
        monkeypatch.setenv("HTTPS_PROXY", way.url)
        provider = build("openai", Settings(providers={"openai": entry}), ENV)
        assert (await asked(provider, "o3-mini", max_tokens=5000, temperature=0.7)).finish_reason == "stop"
        written = entry.model_copy(update={"parameters": {"max_tokens": True}})
        refused = await asked(build("openai", Settings(providers={"openai": written}), ENV), "o3-mini", max_tokens=5000)
    assert way.tunnels == ["api.openai.com:443"] * 2
    sent = {"model": "o3-mini", "messages": [{"role": "user", "content": "A plot, please."}]}
    whole = [orjson.dumps({**sent, key: 5000}) for key in ("max_completion_tokens", "max_tokens")]
    assert [event["body"] for event in server.received()] == [
        hashlib.sha256(body).digest()[:10].hex() for body in whole]
    assert (refused.kind, refused.code, refused.billed) == ("bad_request", "unsupported_parameter", False)
    assert '[providers.openai.parameters] max_tokens = "max_completion_tokens"' in refused.message


@needs_openssl
async def test_azure_has_a_deployment_in_the_path_and_the_key_in_a_header_of_its_own(secure, authority, monkeypatch):
    server = secure(key=KEY)
    old = ProviderEntry(base_url="https://plots.openai.azure.com/openai", api_version="2024-10-21",
                        ca=authority / "ca.pem", key_env="AZURE_OPENAI_API_KEY")
    new = old.model_copy(update={"base_url": "https://plots.openai.azure.com/openai/v1", "api_version": None})
    with proxy(server.port) as way:
        monkeypatch.setenv("HTTPS_PROXY", way.url)
        for entry in (old, new):
            settings = Settings(providers={"azure": entry})
            assert (await asked(build("azure", settings, ENV), "my writer")).finish_reason == "stop"
            assert files(entry, "azure") == []
        provider = build("azure", Settings(providers={"azure": old}), ENV)
        assert await provider.models() == ["story-large", "story-small"]
        await provider.close()
    assert [event["model"] for event in server.received() if "model" in event] == ["my writer"] * 2


def test_what_is_no_certificate_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "ours.pem").write_text("not one")
    for ca, said in ((tmp_path / "ours.pem", "holds no certificate"), (tmp_path / "none.pem", "No such file")):
        entry = ProviderEntry(base_url="https://api.plots.invalid/v1", ca=ca)
        with pytest.raises(RecipeError, match=said):
            build("own", Settings(providers={"own": entry}), {})
