// Copy and paste between the person's computer and the desktop, without a question from the browser where it can be.
//
// In: a paste is the browser's own paste event, which brings the text and asks nobody: Ctrl+V is let through to the browser,
// then the text and the key go to the desktop, in this order.
// Out: what is copied on the desktop is written to the computer's clipboard. Where that is refused, it waits in the panel.

import type RFB from "@novnc/novnc";

import { KEYSYM } from "./keys.ts";

const PASTE_EVENT_WAIT_MS = 120;

interface PasteKey {
  keysym: number;
  code: string;
  meta: boolean;
}

export interface ClipboardOptions {
  screen: HTMLElement;
  rfb: () => RFB | null;
  onText: (text: string, written: boolean) => void;
}

export class Clipboard {
  private last = "";
  private readonly options: ClipboardOptions;
  private pending: PasteKey | null = null;

  constructor(options: ClipboardOptions) {
    this.options = options;
    options.screen.addEventListener("keydown", (event) => this.keyDown(event), { capture: true });
    options.screen.addEventListener("keyup", (event) => this.keyUp(event), { capture: true });
    document.addEventListener("paste", (event) => this.pasted(event), { capture: true });
    window.addEventListener("focus", () => void this.readIfAllowed());
    options.screen.addEventListener("pointerenter", () => void this.readIfAllowed());
  }

  /** Something was copied on the desktop. */
  async copied(text: string): Promise<void> {
    if (text === this.last) return;
    this.last = text;
    this.options.onText(text, await writeText(text));
  }

  /** Put a text on the desktop's clipboard. */
  send(text: string): void {
    this.last = text;
    this.options.rfb()?.clipboardPasteFrom(text);
  }

  private keyDown(event: KeyboardEvent): void {
    const key = pasteKey(event);
    if (key === null) return;
    // noVNC would keep the browser from pasting.
    event.stopImmediatePropagation();
    if (event.repeat) return;
    this.pending = key;
    setTimeout(() => this.pressPending(), PASTE_EVENT_WAIT_MS);
  }

  private keyUp(event: KeyboardEvent): void {
    // Its press and release went to the desktop together.
    if (pasteKey(event) !== null) event.stopImmediatePropagation();
  }

  private pasted(event: ClipboardEvent): void {
    if (this.pending === null) return;
    event.preventDefault();
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text !== "" && text !== this.last) this.send(text);
    this.pressPending();
  }

  // Also without a paste event: then the desktop pastes what it has itself.
  private pressPending(): void {
    const key = this.pending;
    const rfb = this.options.rfb();
    this.pending = null;
    if (key === null || rfb === null) return;
    if (key.meta) {
      // A Mac's Cmd+V. noVNC has sent Cmd as Alt or Super; programs here want Ctrl.
      for (const held of [KEYSYM.Meta_L, KEYSYM.Super_L, KEYSYM.Alt_L]) rfb.sendKey(held, null, false);
      rfb.sendKey(KEYSYM.Control_L, "ControlLeft", true);
    }
    rfb.sendKey(key.keysym, key.code, true);
    rfb.sendKey(key.keysym, key.code, false);
    if (key.meta) rfb.sendKey(KEYSYM.Control_L, "ControlLeft", false);
  }

  // For pasting by mouse, where the person has allowed it before. Never asks.
  private async readIfAllowed(): Promise<void> {
    if (this.options.rfb() === null || !document.hasFocus()) return;
    try {
      const permission = await navigator.permissions.query({ name: "clipboard-read" as PermissionName });
      if (permission.state !== "granted") return;
      const text = await navigator.clipboard.readText();
      if (text !== "" && text !== this.last) this.send(text);
    } catch {
      // A browser without that permission, or a page that is not secure: Ctrl+V works.
    }
  }
}

function pasteKey(event: KeyboardEvent): PasteKey | null {
  const control = (event.ctrlKey || event.metaKey) && !event.altKey;
  if (control && event.key.toLowerCase() === "v") {
    return { keysym: event.shiftKey ? KEYSYM.V : KEYSYM.v, code: event.code, meta: event.metaKey };
  }
  if (event.shiftKey && !control && event.key === "Insert") return { keysym: KEYSYM.Insert, code: "Insert", meta: false };
  return null;
}

/** Write to the computer's clipboard; false where the browser refuses. */
export async function writeText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeTheOldWay(text);
  }
}

function writeTheOldWay(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed";
  field.style.opacity = "0";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  return done;
}
