"""The server extension: what Jupyter loads, and what its handlers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_server.services.contents.fileio import FileManagerMixin
from jupyter_server.utils import url_path_join

from panosc_hdf5.server.coalesce import Desk, Slots
from panosc_hdf5.server.live import Live
from panosc_hdf5.server.paths import Paths
from panosc_hdf5.server.pool import Pool
from panosc_hdf5.server.settings import PanoscHDF5
from panosc_hdf5.server.validators import Validators

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

KEY = "panosc_hdf5"


@dataclass
class Extension:
    """What the handlers share.

    Attributes:
        settings: of the operator.
        paths: confine what is asked for.
        pool: of the workers.
        desk: joins equal questions.
        slots: where the latest question wins.
        validators: entity tags.
        live: follows files that grow.
    """

    settings: PanoscHDF5
    paths: Paths
    pool: Pool
    desk: Desk
    slots: Slots
    validators: Validators
    live: Live

    @classmethod
    def of(cls, server_app: ServerApp) -> Extension:
        """As configured.

        Raises:
            TraitError: the configuration is wrong; it says how.
        """
        settings = PanoscHDF5(parent=server_app)
        manager = server_app.contents_manager

        def root() -> str:
            # Managers of other kinds have a root_dir, too, that may mean anything; "/" where nobody set it.
            return str(manager.root_dir if isinstance(manager, FileManagerMixin) else server_app.root_dir)

        paths = Paths(
            root,
            settings.extra_roots,
            settings.url_prefixes,
            lambda: bool(getattr(manager, "allow_hidden", False)),
            settings.stat_seconds,
        )
        pool = Pool(lambda: settings.worker_settings(paths.roots), settings.workers, settings.patience())
        desk = Desk(pool)
        return cls(settings, paths, pool, desk, Slots(), Validators(paths), Live(paths, desk))

    async def close(self) -> None:
        """End the workers. A server that ends need not: they end when it does."""
        await self.live.close()
        await self.pool.close()
        self.paths.close()


def load(server_app: ServerApp) -> None:
    """Add the handlers to a Jupyter server."""
    from panosc_hdf5.server.handlers import HANDLERS

    extension = Extension.of(server_app)
    application = server_app.web_app
    application.settings[KEY] = extension
    base = application.settings["base_url"]
    application.add_handlers(  # type: ignore[no-untyped-call]
        ".*$", [(url_path_join(base, "panosc-hdf5", pattern), handler) for pattern, handler in HANDLERS]
    )
    server_app.log.debug("HDF5 files are read by up to %d workers.", extension.settings.workers)
