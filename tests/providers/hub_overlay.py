"""The hub's own configuration, and a page for the tests. Read by JupyterHub; ``c`` is its configuration."""
# ruff: noqa: F821

import json
import os
from datetime import timedelta
from pathlib import Path

from jupyterhub.handlers import BaseHandler
from tornado import web

from panosc_spawner.hub import configure
from panosc_spawner.identity import keys
from panosc_spawner.identity.communities_authenticator import CommunitiesAuthenticator
from panosc_spawner.identity.person import Person

# An operator gives people a minute at the least, and a provider is asked for its keys every ten seconds at the most; a test
# has less time than that.
CommunitiesAuthenticator.max_session_age.min = 0.5
keys.PAUSE = timedelta(seconds=0.5)


class Who(BaseHandler):
    """Who is logged in, as the hub knows them."""

    @web.authenticated
    async def get(self):
        state = await self.current_user.get_auth_state()
        person = Person.from_state(state["person"])
        self.write(
            {
                "name": self.current_user.name,
                "admin": self.current_user.admin,
                "shown": self.current_user.user_info,
                "person": person.to_state(),
                "exchanged": state.get("rotation"),
                "tokens": {name: bool(state.get(name)) for name in ("access_token", "refresh_token", "id_token")},
                "stored": sorted(state),
            }
        )


configure(c, Path(os.environ["PANOSC_SITE"]))
c.JupyterHub.extra_handlers = [("/test/who", Who)]
for name, settings in json.loads(os.environ.get("PANOSC_TEST_SETTINGS", "{}")).items():
    for key, value in settings.items():
        setattr(getattr(c, name), key, value)
