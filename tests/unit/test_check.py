"""``panosc-hub check``: each thing a site names is tried, and what is wrong is said with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from check_support import Answer, Provider, Site, assert_finding, provider, site
from docker.errors import DockerException, ImageNotFound, NotFound

from panosc_spawner.check import Level, check_site
from panosc_spawner.spawners import bubblewrap

__all__ = ["provider", "site"]


def test_a_site_that_is_right(site: Site) -> None:
    findings = site.check()
    assert {name: finding for name, finding in findings.items() if finding.level is Level.ERROR} == {}
    assert_finding(findings["configuration"], "ok", "serves demo with local servers")
    assert_finding(findings["demo raw"], "ok", f"{site.folder}/data/demo-001/raw")
    assert_finding(findings["source file"], "ok", "1 proposal")
    assert_finding(findings["identity provider"], "ok", "to the letter")
    assert_finding(findings["PKCE"], "ok", "S256")
    assert_finding(findings["scopes"] if "scopes" in findings else findings["endpoints"], "ok", "all there")


def test_the_proxy_and_where_it_listens(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_finding(site.check()["proxy"], "ok", "is installed")
    monkeypatch.setenv("PANOSC_PROXY_COMMAND", "no-such-program --x")
    site.set("hub", site.tables["hub"].replace("demo = true", 'bind_url = "http://0.0.0.0:8000"'))
    findings = site.check()
    assert_finding(findings["proxy"], "error", "there is no program no-such-program", "PANOSC_PROXY_COMMAND")
    assert_finding(findings["address"], "warning", "without TLS", "reverse proxy")


def test_names_of_their_own_for_peoples_servers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "user domains" not in site.check(), "on loopback nobody else is there"
    hub = site.tables["hub"].replace("demo = true", "").replace('public_url = "', 'public_url_before = "')
    hub = "\n".join(line for line in hub.splitlines() if not line.startswith("public_url"))
    site.set("hub", hub + '\npublic_url = "https://hub.invalid"')
    assert_finding(site.check()["user domains"], "warning", "one site to browsers", "*.hub.invalid")
    site.set("hub", hub + '\npublic_url = "https://hub.invalid"\nuser_domains = true')
    assert_finding(site.check()["user domains"], "error", "p-0.hub.invalid is not in DNS", "wildcard")
    site.set("hub", hub + '\npublic_url = "http://localhost:8000"\nuser_domains = true')
    monkeypatch.setattr("panosc_spawner.check.addresses.socket.getaddrinfo", lambda *_: [])
    assert_finding(site.check()["user domains"], "ok", "p-0.localhost")


def test_what_the_hub_would_refuse_to_start_with(site: Site) -> None:
    login = site.tables["login"].replace('\nclient_secret_file = "secret"', "")
    site.set("login", login + '\nadmins = ["olga"]\nrequired_entitlement = "urn:geant:other.org:group:x"')
    findings = site.check()
    assert_finding(
        findings[f"{site.folder}/site.toml: login.client_secret_file"],
        "error",
        "expects a client secret",
        "public client",
    )
    assert_finding(findings[f"{site.folder}/site.toml: login.admins[1]"], "error", "'olga'", "voperson_id (…@egi.eu)")
    assert_finding(
        findings[f"{site.folder}/site.toml: login.required_entitlement"], "error", "may not speak for this namespace"
    )


def test_mistakes_are_all_listed_and_nothing_else_is_tried(site: Site) -> None:
    site.add("hub", "naem = 1")
    site.add("login", "nothing = 1")
    findings = site.check()
    assert_finding(findings[f"{site.folder}/site.toml: hub.naem"], "error", "unknown key")
    assert_finding(findings[f"{site.folder}/site.toml: login.nothing"], "error", "unknown key")
    assert_finding(findings["everything else"], "warning", "was not tried")
    assert len(findings) == 3


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    first = next(check_site(tmp_path / "nothing"))
    assert_finding(first, "error", "no such file")


class TestFiles:
    def test_state_open_to_others(self, site: Site) -> None:
        (site.folder / "state").chmod(0o750)
        assert_finding(site.check()["state directory"], "error", "mode 0750", "chmod 700")

    def test_state_that_is_made_later(self, site: Site) -> None:
        (site.folder / "state").rmdir()
        assert_finding(site.check()["state directory"], "ok", "made at the first start")

    def test_state_that_is_a_file(self, site: Site) -> None:
        (site.folder / "state").rmdir()
        (site.folder / "state").write_text("")
        assert_finding(site.check()["state directory"], "error", "not a directory")

    def test_secret(self, site: Site) -> None:
        secret = site.folder / "secret"
        assert_finding(site.check()["client secret"], "ok", "alone")
        secret.write_text("\n")
        assert_finding(site.check()["client secret"], "error", "holds no client secret")
        secret.chmod(0o640)
        assert_finding(site.check()["client secret"], "error", "mode 640", "chmod 600")
        secret.unlink()
        assert_finding(site.check()["client secret"], "error", "no such file", "mode 0600")

    def test_the_secret_of_another_login(self, site: Site) -> None:
        site.add("login", 'also = [{ community = "eduteams", client_id = "hub", client_secret_file = "other" }]')
        assert_finding(site.check()["client secret of eduteams"], "error", "no such file", "mode 0600")
        (site.folder / "other").write_text("s3cret")
        (site.folder / "other").chmod(0o600)
        assert_finding(site.check()["client secret of eduteams"], "ok", "alone")

    def test_the_token_for_metrics(self, site: Site) -> None:
        assert "token for metrics" not in site.check()
        site.add("hub", 'metrics_token_file = "metrics-token"')
        assert_finding(site.check()["token for metrics"], "error", "no such file")
        token = site.folder / "metrics-token"
        token.write_text("t" * 31)
        token.chmod(0o600)
        assert_finding(site.check()["token for metrics"], "error", "less than 32", "openssl rand")
        token.write_text("t" * 32)
        assert_finding(site.check()["token for metrics"], "ok", "alone")
        token.chmod(0o644)
        assert_finding(site.check()["token for metrics"], "error", "mode 644", "chmod 600")

    @pytest.mark.parametrize(
        "name", ["proposals.toml", "site.toml", "facilities/demo.toml", "links.csv", "accounts.csv"]
    )
    def test_what_everybody_may_write_decides_nothing(self, site: Site, name: str) -> None:
        site.add("[sources]", 'person = { by = "table", path = "links.csv" }')
        site.set("account", 'kind = "nss"\nperson = { by = "table", path = "accounts.csv" }')
        for table in ("links.csv", "accounts.csv"):
            (site.folder / table).write_text("person,key\n")
        assert "who may write" not in site.check()
        (site.folder / name).chmod(0o666)
        assert_finding(site.check()["who may write"], "error", f"{name} (mode 0666)", "chmod o-w")

    def test_no_secret(self, site: Site, provider: Provider) -> None:
        site.set("login", f'community = "egi-checkin"\nissuer = "{provider.issuer}"\nclient_id = "hub"')
        assert_finding(site.check()["client secret"], "ok", "PKCE")

    def test_roots(self, site: Site) -> None:
        data = site.folder / "data"
        data.chmod(0o777)
        assert_finding(site.check()["demo root"], "warning", "everybody may write", "chmod o-w")
        data.rmdir()
        assert_finding(site.check()["demo root"], "error", "does not exist", "paths.root in facilities/demo.toml")
        data.write_text("")
        assert_finding(site.check()["demo root"], "error", "not a directory")

    @pytest.mark.parametrize(
        ("source", "level", "message"),
        [
            ("{folder}/nothing/{{user}}", "error", "does not exist"),
            ("{folder}/homes/x-{{user}}/h", "ok", "made when missing"),
            ("homes/{{user}}", "error", "not an absolute path"),
        ],
    )
    def test_homes(self, site: Site, source: str, level: str, message: str) -> None:
        site.set("home", f'source = "{source.format(folder=site.folder)}"')
        assert_finding(site.check()["homes"], level, message)


class TestPeople:
    def test_a_source_that_does_not_answer(self, site: Site) -> None:
        (site.folder / "proposals.toml").write_text("[[proposal]]\nfacility = 3")
        assert_finding(site.check()["source file"], "error", "")

    def test_one_account_for_all_is_for_demos(self, site: Site) -> None:
        assert site.check()["demo accounts"].level is Level.OK
        site.add("hub", "")
        site.set("hub", site.tables["hub"].replace("demo = true", ""))
        assert_finding(site.check()["demo accounts"], "warning", "cannot tell people apart")

    def test_accounts_of_the_machine(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        site.set("account", 'kind = "nss"\nclaim = "preferred_username"')
        assert_finding(site.check()["demo accounts"], "ok", "the claim 'preferred_username'")
        monkeypatch.setenv("PATH", "/nothing")
        assert_finding(site.check()["demo accounts"], "error", "getent is not installed")

    def test_a_table_without_people(self, site: Site) -> None:
        site.set("account", 'kind = "table"\npeople = {}')
        assert_finding(site.check()["demo accounts"], "warning", "is empty")

    def test_an_entitlement_source_of_another_issuer(self, site: Site) -> None:
        entitlements = 'type = "entitlements"\nfacility = "demo"\nnamespace = "urn:mace:egi.eu"\ngroup = ["demo"]'
        site.add("[sources]", f'[[sources]]\n{entitlements}\nissuer = "https://other.org"')
        assert_finding(
            site.check()[f"{site.folder}/site.toml: sources[2].issuer"], "error", "its proposals never count"
        )

    @pytest.mark.parametrize(
        ("table", "text", "file", "key"),
        [
            ("[sources]", 'person = {{ by = "claim", claim = "uo", issuer = "{}" }}', "site.toml", "sources[1].person"),
            ("account", 'kind = "claim"\nissuer = "{}"', "site.toml", "account"),
            (
                "account",
                'kind = "table"\npeople = {{}}\nperson = {{ by = "claim", claim = "uo", issuer = "{}" }}',
                "site.toml",
                "account.person",
            ),
            ("facility", '[account]\nkind = "claim"\nissuer = "{}"', "facilities/demo.toml", "account"),
        ],
    )
    def test_an_issuer_nobody_logs_in_with(
        self, site: Site, provider: Provider, table: str, text: str, file: str, key: str
    ) -> None:
        demo = site.folder / "facilities/demo.toml"
        known = site.tables["[sources]"], demo.read_text()
        for issuer in (provider.issuer + "/", provider.issuer):
            if table == "facility":
                demo.write_text(f"{known[1]}\n{text.format(issuer)}")
            else:
                site.set(table, (known[0] + "\n" if table == "[sources]" else "") + text.format(issuer))
            found = site.check().get(f"{site.folder}/{file}: {key}.issuer")
            if issuer == provider.issuer:
                assert found is None
            else:
                assert found is not None
                assert_finding(found, "error", "nobody would be known", repr(provider.issuer))


class TestLogin:
    @pytest.mark.parametrize(
        ("change", "subject", "level", "message"),
        [
            ({"issuer": None}, "identity provider", "error", "calls itself None"),
            ({"jwks_uri": None}, "endpoints", "error", "no jwks_uri"),
            ({"token_endpoint": "http://x.org/token"}, "endpoints", "error", "token_endpoint is not https"),
            ({"code_challenge_methods_supported": ["plain"]}, "PKCE", "warning", "S256 is not advertised"),
            ({"code_challenge_methods_supported": None}, "PKCE", "warning", "S256 is not advertised"),
            ({"scopes_supported": ["openid"]}, "scopes", "warning", "profile"),
        ],
    )
    def test_documents(
        self, site: Site, provider: Provider, change: dict[str, Any], subject: str, level: str, message: str
    ) -> None:
        provider.document |= change
        assert_finding(site.check()[subject], level, message)

    @pytest.mark.parametrize(
        ("change", "level", "message"),
        [
            ({}, "ok", "logout there: no, token exchange: no, issuer in its answers: no"),
            ({"end_session_endpoint": "https://x.org/out"}, "ok", "logout there: yes"),
            (
                {"grant_types_supported": ["urn:ietf:params:oauth:grant-type:token-exchange"]},
                "ok",
                "token exchange: yes",
            ),
            ({"authorization_response_iss_parameter_supported": True}, "ok", "issuer in its answers: yes"),
            ({"id_token_signing_alg_values_supported": ["ES256", "HS256"]}, "ok", "signs with ES256;"),
            ({"id_token_signing_alg_values_supported": ["HS256"]}, "error", "signs ID tokens with HS256 only"),
            ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "error", "does not offer"),
            ({"end_session_endpoint": "http://x.org/out"}, "error", "must be https"),
        ],
    )
    def test_what_it_offers(
        self, site: Site, provider: Provider, change: dict[str, Any], level: str, message: str
    ) -> None:
        provider.document |= change
        assert_finding(site.check()["what it offers"], level, message)

    def test_a_strong_login_that_can_only_be_wished_for(self, site: Site, provider: Provider) -> None:
        site.set("login", site.tables["login"] + '\nacr = ["https://refeds.org/profile/mfa"]')
        assert_finding(site.check()["what it offers"], "warning", "only as a wish", "second factor")
        provider.document["claims_parameter_supported"] = True
        assert_finding(site.check()["what it offers"], "ok", "signs with")

    def test_an_entitlement_source_while_the_issuer_is_missing(self, site: Site) -> None:
        site.set("login", 'community = "umbrellaid"\nclient_id = "hub"')
        entitlements = 'type = "entitlements"\nfacility = "demo"\nnamespace = "urn:mace:egi.eu"\ngroup = ["demo"]'
        site.add("[sources]", f'[[sources]]\n{entitlements}\nissuer = "https://other.org"')
        found = site.check()
        assert_finding(found[f"{site.folder}/site.toml: login.issuer"], "error", "is not public")
        assert_finding(found[f"{site.folder}/site.toml: sources[2].issuer"], "error", "its proposals never count")

    def test_what_is_to_be_registered(self, site: Site) -> None:
        assert_finding(site.check()["to register"], "ok", "/hub/oauth_callback, post-logout redirect URI")

    def test_a_mistake_in_another_login(self, site: Site) -> None:
        site.set("login", site.tables["login"] + '\nalso = [{ community = "umbrellaid", client_id = "x" }]')
        assert_finding(
            site.check()[f"{site.folder}/site.toml: login.also[1].issuer"], "error", "is not public", "registration"
        )

    def test_a_slash_is_another_issuer(self, site: Site, provider: Provider) -> None:
        provider.document["issuer"] += "/"
        assert_finding(site.check()["identity provider"], "error", "calls itself", "slash")

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            ((404, b""), "does not answer: Not Found"),
            ((500, b""), "does not answer: Internal Server Error"),
            ((200, b"<html>"), "no JSON"),
            ((200, b"[]"), "no object"),
            ((200, b"\xff"), "no JSON"),
        ],
    )
    def test_other_answers(self, site: Site, provider: Provider, answer: Answer, message: str) -> None:
        provider.answer = lambda: answer
        assert_finding(site.check()["identity provider"], "error", message)

    def test_nobody_there(self, site: Site) -> None:
        site.set("login", 'community = "egi-checkin"\nissuer = "http://127.0.0.1:1"\nclient_id = "hub"')
        assert_finding(site.check()["identity provider"], "error", "Connection refused", "may reach it")

    def test_an_unknown_community(self, site: Site) -> None:
        site.set("login", 'community = "edu-teams"\nclient_id = "hub"')
        finding = next(finding for subject, finding in site.check().items() if "login.community" in subject)
        assert_finding(finding, "error", "no community 'edu-teams'", "did you mean 'eduteams'?")

    def test_an_issuer_that_is_not_public(self, site: Site) -> None:
        site.set("login", 'community = "umbrellaid"\nclient_id = "hub"')
        assert_finding(
            site.check()[f"{site.folder}/site.toml: login.issuer"],
            "error",
            "is not public",
            "take it from your registration",
        )


class FakeDocker:
    """As much of Docker's client as the check asks; tests say what is there."""

    def __init__(self) -> None:
        self.present: dict[str, int] = {"panosc/base:2026.11": 700 << 20}
        self.nets: dict[str, dict[str, Any]] = {}
        self.images = self.networks = self
        self.closed = False

    def version(self) -> dict[str, str]:
        return {"Version": "28.0"}

    def get(self, name: str) -> Any:
        if name in self.nets:
            return type("Network", (), {"attrs": self.nets[name]})
        if name in self.present:
            return type("Image", (), {"attrs": {"Size": self.present[name]}})
        raise (NotFound if name.startswith("panosc-") else ImageNotFound)("not there")

    def close(self) -> None:
        self.closed = True


CLOSED = {
    "Driver": "bridge",
    "Options": {"com.docker.network.bridge.enable_icc": "false"},
    "IPAM": {"Config": [{"Subnet": "10.73.0.0/24"}]},
}


class TestDocker:
    @pytest.fixture
    def docker(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
        site.set("hub", site.tables["hub"].replace('"local"', '"docker"'))
        fake = FakeDocker()
        monkeypatch.setattr("docker.from_env", lambda **_: fake)
        return fake

    def test_all_there(self, site: Site, docker: FakeDocker) -> None:
        findings = site.check()
        assert_finding(findings["docker"], "ok", "version 28.0")
        assert_finding(findings["image"], "ok", "700 MB, by tag")
        assert_finding(findings["network"], "ok", "panosc-test is made at the first start")
        assert docker.closed

    @pytest.mark.parametrize(
        ("image", "pull", "level", "message", "remedy"),
        [
            ("base:1", "never", "error", "must not be pulled", "docker pull base:1"),
            ("base:1", "if-missing", "error", "is not here", "name@sha256"),
            ("base@sha256:" + "0" * 64, "if-missing", "warning", "not here yet", "docker pull base@sha256"),
        ],
    )
    def test_missing_images(
        self, site: Site, docker: FakeDocker, image: str, pull: str, level: str, message: str, remedy: str
    ) -> None:
        with (site.folder / "facilities/demo.toml").open("a") as file:
            file.write(f'\n[environments.base]\nimage = "{image}"\npull = "{pull}"')
        assert_finding(site.check()["image"], level, message, remedy)

    def test_images_that_can_be_done_without_are_one_line(self, site: Site, docker: FakeDocker) -> None:
        with (site.folder / "facilities/demo.toml").open("a") as file:
            file.write('\n[environments.ours]\ntitle = "Ours"\nimage = "example/ours:1"')
        findings = site.check()
        assert_finding(findings["image"], "ok", "panosc/base:2026.11 is here")
        assert_finding(
            findings["images"], "warning", "so nobody can start: panosc/", "panosc-hub images build --verify ceric "
        )
        assert "; docker pull example/ours:1" in findings["images"].remedy
        assert "base" not in findings["images"].message

    @pytest.mark.parametrize(
        ("network", "level", "message"),
        [
            (CLOSED, "ok", "apart"),
            (CLOSED | {"EnableIPv6": True}, "error", "IPv6"),
            ({"Driver": "bridge", "Options": {}}, "error", "can reach each other"),
            ({"Driver": "bridge", "Options": None}, "error", "can reach each other"),
            ({"Driver": "overlay"}, "error", "not a bridge"),
        ],
    )
    def test_networks(self, site: Site, docker: FakeDocker, network: dict[str, Any], level: str, message: str) -> None:
        docker.nets["panosc-test"] = network
        assert_finding(site.check()["network"], level, message)

    def test_no_daemon(self, site: Site, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(**_: object) -> FakeDocker:
            raise DockerException("Connection refused")

        monkeypatch.setattr("docker.from_env", refuse)
        assert_finding(site.check()["docker"], "error", "Connection refused", "start the daemon")

    def test_a_daemon_that_fails_on_the_way(
        self, site: Site, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> dict[str, str]:
            raise DockerException("500")

        monkeypatch.setattr(docker, "version", fail)
        assert_finding(site.check()["docker"], "error", "500")
        assert docker.closed


class TestLocal:
    @pytest.mark.parametrize(
        ("isolation", "works", "level", "message"),
        [
            ("none", True, "warning", "plain processes"),
            ("auto", True, "ok", "bubblewrap works"),
            ("auto", False, "warning", "see each other's files"),
            ("bubblewrap", False, "error", "not allowed here"),
        ],
    )
    def test_isolation(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, isolation: str, works: bool, level: str, message: str
    ) -> None:
        monkeypatch.setattr(bubblewrap, "why_not", lambda: "" if works else "bubblewrap is not allowed here")
        site.set("local", f'isolation = "{isolation}"')
        assert_finding(site.check()["isolation"], level, message)
