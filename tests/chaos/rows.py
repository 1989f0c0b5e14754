"""The faults, what people and operators see of each, and what is lost. By name of the test, then by its parameter."""

from __future__ import annotations

from outcome import Outcome

DOWN = 'panosc_login_service_up{community="demo"} 0.0'
UP = 'panosc_login_service_up{community="demo"} 1.0'
OFFICE_DOWN = 'panosc_source_up{source="User office"} 0.0'
NO_ANSWER = "does not answer right now, so nobody can be logged in"
UNVERIFIED = "sent a login that this hub cannot verify"
AT_WORK = "At work: nothing, for an hour (`access.outage_grace`)."

ROWS: dict[str, dict[str, Outcome]] = {
    "test_people_at_work_go_on_while_the_login_service": {
        "down": Outcome(
            "Login service refuses connections",
            f"{AT_WORK} Logging in: their browser does not reach it.",
            metrics=(DOWN,),
        ),
        "hang": Outcome("Login service accepts connections and hangs", f"{AT_WORK} Logging in:", (NO_ANSWER,), (DOWN,)),
        "server_error": Outcome("Login service answers 500", f"{AT_WORK} Logging in:", (NO_ANSWER,), (DOWN,)),
        "garbage": Outcome(
            "Login service answers with a page (“under maintenance”)", f"{AT_WORK} Logging in:", (NO_ANSWER,), (DOWN,)
        ),
    },
    "test_a_slow_login_service_makes_only_logins_slow": {
        "": Outcome("Login service takes 3 s for each answer", "Logins take longer. At work: nothing.", metrics=(UP,))
    },
    "test_tokens_that_another_key_signed_let_nobody_in": {
        "": Outcome(
            "Login service publishes other keys than it signs with",
            f"{AT_WORK} Logging in:",
            (UNVERIFIED,),
            audit=("login-refused",),
        )
    },
    "test_a_redirected_back_channel_is_not_followed": {
        "": Outcome(
            "Token, userinfo and keys answer with redirects elsewhere",
            f"{AT_WORK} No token goes there. Logging in:",
            (NO_ANSWER,),
            (DOWN,),
        )
    },
    "test_a_wrong_certificate_is_an_outage": {
        "": Outcome(
            "Login service shows a certificate that has ended, of another authority, or for another address",
            f"{AT_WORK} Logging in: their browser warns them. Whoever goes on sees:",
            (NO_ANSWER,),
            (DOWN,),
        )
    },
    "test_after_the_grace_an_outage_ends_logins_and_servers_but_no_work": {
        "": Outcome(
            "Login service is down for longer than `access.outage_grace`",
            "Servers end, and people have to log in. Files stay.",
            metrics=(DOWN, 'panosc_logins_ended_total{reason="outage-too-long"} >0'),
            audit=("login-ended",),
            lost="what was only in memory, after the grace",
        )
    },
    "test_parallel_requests_spend_a_rotating_token_once": {
        "": Outcome(
            "16 requests at once, when the access token has ended and the refresh token may be used once",
            "Nothing.",
            metrics=('panosc_login_renewals_total{community="demo",outcome="renewed"} >0',),
        )
    },
    "test_a_hub_killed_in_the_middle_of_a_refresh": {
        "": Outcome(
            "Hub killed (`kill -9`) after the login service rotated the refresh token, before the answer came",
            "They log in again; their servers went on.",
            audit=("login-ended",),
        )
    },
    "test_a_provider_with_another_clock": {
        "": Outcome(
            "Login service's clock is 10 minutes fast, or 2 hours slow",
            f"{AT_WORK} Logging in:",
            (UNVERIFIED,),
            audit=("login-refused",),
        )
    },
    "test_the_hubs_own_clock_jumps": {
        "": Outcome(
            "Hub's clock jumps by half an hour, forwards and backwards",
            "Nothing; rights taken away go on being noticed.",
            audit=("revocation",),
        )
    },
    "test_people_at_work_go_on_while_the_user_offices_list_is": {
        name: Outcome(
            f"User office's list {words}",
            "At work: nothing, for an hour; no new data. On the page:",
            ("User office",),
            (OFFICE_DOWN,),
        )
        for name, words in (
            ("gone", "is not there"),
            ("half_written", "is read while it is half written"),
            ("garbage", "holds an error page"),
            ("no_bytes", "has no bytes"),
        )
    },
    "test_a_list_that_says_nobody_has_anything_is_believed": {
        "": Outcome(
            "User office's list says, well-formed, that nobody has anything",
            "Within a minute their servers end, and say why. Files stay; when the list is right again, all can be opened.",
            metrics=('panosc_revocations_total{reason="removed"} >0',),
            audit=("grant-removed", "revocation"),
            lost="what was only in memory",
        )
    },
    "test_a_hub_killed_in_the_middle_of_a_revocation": {
        "": Outcome(
            "Hub killed (`kill -9`) when it had noticed that a right was gone, and was about to act",
            "After its restart the server goes on without that proposal. On the page:",
            ("ma1001 was taken out of your server.",),
            audit=("revocation",),
        )
    },
    "test_a_hub_killed_between_the_stop_and_the_start_with_what_is_left": {
        "": Outcome(
            "Hub killed (`kill -9`) when it had stopped a server for a right that was gone, before it ran again without it",
            "After the hub's restart their server is started without that proposal. On the page:",
            ("ma1001 was taken out of your server.", "The server was started again."),
            audit=("revocation", "server-stopped"),
            log=("again, as was meant before the hub ended",),
            lost="what was only in memory",
        )
    },
    "test_a_full_disk_under_the_hubs_state": {
        "": Outcome(
            "Disk of `hub.state_dir` full (database, audit log)",
            "Servers go on; rights taken away still end. Logging in and starting: an error until there is room.",
            log=("database or disk is full",),
        )
    },
    "test_the_docker_daemon_is_away_while_people_work": {
        "": Outcome(
            "Docker daemon is away for 40 s, its containers go on (restart with `live-restore`)",
            "At work: nothing. Starting a server:",
            ("The system that runs the servers does not answer at the moment.",),
            metrics=('panosc_refusals_total{reason="engine-down"} >0',),
            audit=("refusal",),
        )
    },
}
