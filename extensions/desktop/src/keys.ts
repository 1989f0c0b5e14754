// Keys that a browser or a computer keeps to itself, and how one leaves the desktop by keyboard.

import type RFB from "@novnc/novnc";

// X11's keysyms (keysymdef.h).
export const KEYSYM = {
  Control_L: 0xffe3,
  Alt_L: 0xffe9,
  Super_L: 0xffeb,
  Meta_L: 0xffe7,
  Tab: 0xff09,
  Escape: 0xff1b,
  Print: 0xff61,
  F4: 0xffc1,
  F11: 0xffc8,
  w: 0x77,
  t: 0x74,
  n: 0x6e,
  v: 0x76,
  V: 0x56,
  Insert: 0xff63,
} as const;

export interface Combination {
  label: string;
  keys: readonly number[];
}

export const COMBINATIONS: readonly Combination[] = [
  { label: "Ctrl+W", keys: [KEYSYM.Control_L, KEYSYM.w] },
  { label: "Ctrl+T", keys: [KEYSYM.Control_L, KEYSYM.t] },
  { label: "Ctrl+N", keys: [KEYSYM.Control_L, KEYSYM.n] },
  { label: "Alt+Tab", keys: [KEYSYM.Alt_L, KEYSYM.Tab] },
  { label: "Alt+F4", keys: [KEYSYM.Alt_L, KEYSYM.F4] },
  { label: "F11", keys: [KEYSYM.F11] },
  { label: "Esc", keys: [KEYSYM.Escape] },
  { label: "Menu", keys: [KEYSYM.Super_L] },
];

export function sendCombination(rfb: RFB, keys: readonly number[]): void {
  for (const key of keys) rfb.sendKey(key, null, true);
  for (const key of [...keys].reverse()) rfb.sendKey(key, null, false);
}

export function leavesTheDesktop(event: KeyboardEvent): boolean {
  return event.ctrlKey && event.altKey && event.shiftKey && event.code === "KeyB";
}

// In full screen, Chromium gives a page the keys that it otherwise keeps (Ctrl+W, Alt+Tab).
interface KeyboardLock {
  keyboard?: { lock: () => Promise<void>; unlock: () => void };
}

export async function lockKeys(lock: boolean): Promise<void> {
  const { keyboard } = navigator as Navigator & KeyboardLock;
  try {
    if (lock) await keyboard?.lock();
    else keyboard?.unlock();
  } catch {
    // Refused: those keys stay the browser's, and are in the panel.
  }
}
