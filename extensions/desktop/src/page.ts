// The desktop's page.

import "./plain.ts";

import { Clipboard, writeText } from "./clipboard.ts";
import { COMBINATIONS, leavesTheDesktop, lockKeys, sendCombination } from "./keys.ts";
import { Link, type State } from "./link.ts";
import { xsrfHeader } from "./xsrf.ts";

interface Action {
  label: string;
  href?: string;
  run?: () => void;
}

const base = document.body.dataset["base"] ?? "/";
const screen = find("screen");
const clipboardText = find<HTMLTextAreaElement>("clipboard-text");

const link = new Link({ base, screen, onState: show, onCopied: (text) => void clipboard.copied(text) });
const clipboard = new Clipboard({
  screen,
  rfb: () => link.rfb,
  onText: (text, written) => {
    clipboardText.value = text;
    say(written ? "Copied to your computer." : "Your browser keeps its clipboard closed: what you copied is under Copy and paste.");
  },
});

function find<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no #${id}`);
  return element as T;
}

function say(words: string): void {
  find("status").textContent = words;
}

let restarting = false;

function show(news: State): void {
  const state: State = restarting && news.is === "ended" ? { is: "connecting" } : news;
  document.body.dataset["state"] = state.is;
  const curtain = find("curtain");
  curtain.hidden = state.is === "connected" || state.is === "connecting";
  switch (state.is) {
    case "connecting":
      say("Starting your desktop …");
      break;
    case "connected":
      say("");
      break;
    case "lost":
      say(`The connection was lost. Trying again (${state.tries}) …`);
      words("No connection", "Your desktop goes on, and so do the programs in it. This page tries again by itself.", [
        { label: "Try now", run: () => link.retryNow() },
      ]);
      break;
    case "ended":
      say("The desktop was closed.");
      words("You closed the desktop", "Your files and notebooks are where they were.", [
        { label: "Start it again", run: restart },
        { label: "JupyterLab", href: `${base}lab` },
      ]);
      break;
    case "problem":
      say("There is no desktop.");
      words("The desktop did not start", state.words, [
        { label: "Try again", run: restart },
        { label: "JupyterLab", href: `${base}lab` },
      ]);
      break;
    case "loggedOut":
      say("You are logged out.");
      words("You are logged out", "The desktop and the programs in it go on. Log in again to come back to them.", [
        { label: "Log in", href: window.location.href },
      ]);
      break;
    case "notYours":
      say("This is not your desktop.");
      words("This is somebody else's desktop", "A desktop has its owner's rights and data, so only its owner sees it.", [
        { label: "My proposals", href: hubPage() },
      ]);
      break;
    case "stopped":
      say("Your server was stopped.");
      words("Your server was stopped", "Your files are where they were. Start it again from your proposals.", [
        { label: "My proposals", href: hubPage() },
      ]);
      break;
  }
}

// The hub's page, which the server named; without a hub, the server's own.
function hubPage(): string {
  return find<HTMLAnchorElement>("hub").href;
}

function words(title: string, text: string, actions: readonly Action[]): void {
  find("curtain-title").textContent = title;
  find("curtain-text").textContent = text;
  find("curtain-actions").replaceChildren(...actions.map(control));
}

function control(action: Action, index: number): HTMLElement {
  if (action.href !== undefined) {
    const anchor = document.createElement("a");
    anchor.href = action.href;
    anchor.textContent = action.label;
    return anchor;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = action.label;
  if (index === 0) button.className = "main";
  button.addEventListener("click", () => action.run?.());
  return button;
}

function restart(): void {
  show({ is: "connecting" });
  link.connect();
}

function panel(name: string, open: boolean): void {
  const button = find(`${name}-button`);
  find(name).hidden = !open;
  button.setAttribute("aria-expanded", String(open));
  if (open) find(name).querySelector<HTMLElement>("textarea, button")?.focus();
  else button.focus();
}

for (const name of ["clipboard", "keys"]) {
  const element = find(name);
  find(`${name}-button`).addEventListener("click", () => {
    for (const other of ["clipboard", "keys"]) if (other !== name && !find(other).hidden) panel(other, false);
    panel(name, element.hidden);
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") panel(name, false);
  });
  element.querySelector(".close")?.addEventListener("click", () => panel(name, false));
}

find("clipboard-send").addEventListener("click", () => {
  clipboard.send(clipboardText.value);
  panel("clipboard", false);
  link.rfb?.focus();
  say("It is on the desktop's clipboard: paste it there.");
});
find("clipboard-take").addEventListener("click", () => {
  void writeText(clipboardText.value).then((done) => {
    if (done) {
      say("Copied to your computer.");
    } else {
      clipboardText.select();
      say("Your browser refused. The text is marked: press Ctrl+C.");
    }
  });
});

for (const combination of COMBINATIONS) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = combination.label;
  button.addEventListener("click", () => {
    if (link.rfb !== null) sendCombination(link.rfb, combination.keys);
    link.rfb?.focus();
  });
  find("keys-to-send").append(button);
}

find("restart-button").addEventListener("click", () => {
  find("restart-question").hidden = false;
  find("restart-yes").focus();
});
find("restart-no").addEventListener("click", () => {
  find("restart-question").hidden = true;
  find("restart-button").focus();
});
find("restart-yes").addEventListener("click", () => {
  find("restart-question").hidden = true;
  panel("keys", false);
  void endDesktop().then((ended) => {
    // The next connection starts a new one. Also where the old one ended without a word about it.
    if (ended || link.rfb === null) restart();
    if (!ended) say("The desktop could not be restarted. Reload this page, then try again.");
  });
});

async function endDesktop(): Promise<boolean> {
  restarting = true;
  try {
    return (await fetch(`${base}desktop/restart`, { method: "POST", headers: xsrfHeader() })).ok;
  } catch {
    return false;
  } finally {
    restarting = false;
  }
}

const fullscreen = find("fullscreen-button");
fullscreen.hidden = !document.fullscreenEnabled;
fullscreen.addEventListener("click", () => {
  void document.documentElement.requestFullscreen().then(() => {
    link.rfb?.focus();
    return lockKeys(true);
  });
});
document.addEventListener("fullscreenchange", () => {
  if (document.fullscreenElement === null) void lockKeys(false);
});

screen.addEventListener(
  "keydown",
  (event) => {
    if (!leavesTheDesktop(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    link.rfb?.blur();
    find("clipboard-button").focus();
  },
  { capture: true },
);

link.connect();
