// The desktop in JupyterLab: a card in the launcher, a command, and "Open on the desktop" for HDF5 files.
//
// Written by hand as what JupyterLab loads: a module federation container, an object with init(shareScope) and get(module).
// The packages of JupyterLab's come from its share scope, so that their tokens are the application's own.
"use strict";

(() => {
  const NAME = "@panosc/jupyterlab-desktop";
  const OPEN = "panosc-desktop:open";
  const OPEN_FILE = "panosc-desktop:open-file";
  const HDF5 = /\.(h5|hdf5|hdf|he5|nxs|nx5|nx|cxi|nexus)$/i;
  const ICON =
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="16" height="16"><rect x="3" y="5" width="26" height="18" rx="2" fill="#1f5f8b"/>' +
    '<rect x="5.5" y="7.5" width="21" height="13" fill="#e8f1f8"/><path d="M7 18l4-6 4 4 3-5 7 7z" fill="#e07b39"/>' +
    '<rect x="12" y="24" width="8" height="2" fill="#1f5f8b"/><rect x="9" y="26" width="14" height="2" rx="1" fill="#1f5f8b"/></svg>';

  let scope = {};

  /** A package of the application's: whichever version it shares, there is one. */
  async function shared(name) {
    const versions = Object.values(scope[name] || {});
    if (versions.length === 0) throw new Error(`${NAME}: JupyterLab does not share ${name}`);
    return (await versions[0].get())();
  }

  function open(base, target) {
    window.open(`${base}desktop/`, target || "_blank");
  }

  async function extension() {
    const [{ ILauncher }, { IDefaultFileBrowser }, { ICommandPalette, Notification }, { LabIcon }, { PageConfig }, { ServerConnection }] =
      await Promise.all(
        ["launcher", "filebrowser", "apputils", "ui-components", "coreutils", "services"].map((name) => shared(`@jupyterlab/${name}`)),
      );
    const icon = new LabIcon({ name: `${NAME}:desktop`, svgstr: ICON });

    async function openFile(path) {
      const base = PageConfig.getBaseUrl();
      // Now, while the click counts; the file's window comes when silx view has started.
      open(base, "panosc-desktop");
      const settings = ServerConnection.makeSettings();
      const answer = await ServerConnection.makeRequest(
        `${base}desktop/open`,
        { method: "POST", body: JSON.stringify({ path }) },
        settings,
      );
      if (!answer.ok) {
        const { message } = await answer.json().catch(() => ({}));
        Notification.error(`${path} was not opened on the desktop. ${message || answer.statusText}`, { autoClose: false });
      }
    }

    return {
      id: `${NAME}:plugin`,
      description: "The desktop in JupyterLab's launcher and file browser.",
      autoStart: true,
      optional: [ILauncher, IDefaultFileBrowser, ICommandPalette],
      activate: (app, launcher, browser, palette) => {
        app.commands.addCommand(OPEN, {
          label: "Desktop",
          caption: "Open your desktop in a page of its own: silx view, PyMca, files and terminal",
          icon,
          execute: () => open(PageConfig.getBaseUrl(), "panosc-desktop"),
        });
        if (launcher) launcher.add({ command: OPEN, category: "Other", rank: 0 });
        if (palette) palette.addItem({ command: OPEN, category: "Desktop" });
        if (!browser) return;
        const selected = () => [...browser.selectedItems()].filter((item) => HDF5.test(item.name));
        app.commands.addCommand(OPEN_FILE, {
          label: "Open on the Desktop (silx view)",
          icon,
          isVisible: () => selected().length > 0,
          execute: () => {
            for (const item of selected()) void openFile(app.serviceManager.contents.localPath(item.path));
          },
        });
        app.contextMenu.addItem({ command: OPEN_FILE, selector: ".jp-DirListing-item[data-isdir='false']", rank: 3 });
      },
    };
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: (shareScope) => {
      scope = shareScope;
    },
    get: async (module) => {
      if (module !== "./extension") throw new Error(`${NAME} has no ${module}`);
      const plugin = await extension();
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
