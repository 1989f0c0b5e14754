// The desktop in the page: connect, stay connected, and say in words what happens.

import RFB from "@novnc/novnc";

import { Channel, type Words } from "./channel.ts";
import { waitBefore } from "./retry.ts";
import { xsrfHeader } from "./xsrf.ts";

export type State =
  | { is: "connecting" }
  | { is: "connected" }
  | { is: "lost"; tries: number }
  | { is: "ended" }
  | { is: "problem"; words: string }
  | { is: "loggedOut" }
  | { is: "notYours" }
  | { is: "stopped" };

interface Options {
  base: string;
  screen: HTMLElement;
  onState: (state: State) => void;
  onCopied: (text: string) => void;
}

export class Link {
  rfb: RFB | null = null;
  private readonly options: Options;
  private tries = 0;
  private over: State | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: Options) {
    this.options = options;
    // No need to wait for the next try where the browser knows that there is a network again.
    window.addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.retryNow();
    });
  }

  connect(): void {
    clearTimeout(this.timer);
    this.over = null;
    this.drop();
    const { base, screen } = this.options;
    const url = new URL(`${base}desktop/socket`, window.location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const channel = new Channel(url.href, (words) => {
      if (this.rfb === rfb) this.hear(words);
    });
    const rfb = new RFB(screen, channel as unknown as WebSocket, { shared: true });
    rfb.resizeSession = true;
    rfb.scaleViewport = false;
    rfb.background = "transparent";
    rfb.showDotCursor = false;
    rfb.addEventListener("connect", () => {
      this.tries = 0;
      screen.style.backgroundImage = "";
      this.options.onState({ is: "connected" });
      rfb.focus();
    });
    rfb.addEventListener("clipboard", (event) => this.options.onCopied(event.detail.text));
    rfb.addEventListener("disconnect", () => this.disconnected(rfb));
    this.rfb = rfb;
  }

  retryNow(): void {
    if (this.rfb === null && this.over === null && this.timer !== undefined) this.connect();
  }

  private hear(words: Words): void {
    if (words.problem !== undefined) this.over = { is: "problem", words: words.problem };
    if (words.ended) this.over = { is: "ended" };
  }

  private disconnected(rfb: RFB): void {
    if (this.rfb !== rfb) return;
    this.rfb = null;
    keepPicture(rfb, this.options.screen);
    if (this.over !== null) {
      this.options.onState(this.over);
      return;
    }
    this.tries += 1;
    this.options.onState({ is: "lost", tries: this.tries });
    void this.askWhy();
    this.timer = setTimeout(() => this.connect(), waitBefore(this.tries));
  }

  // A refused websocket says nothing; a plain request says whether to log in, or that the server is gone.
  private async askWhy(): Promise<void> {
    let answer: Response;
    try {
      answer = await fetch(`${this.options.base}desktop/state`, {
        headers: xsrfHeader(),
        redirect: "manual",
        signal: AbortSignal.timeout(5000),
      });
    } catch {
      return; // no network: go on trying
    }
    const state = meaning(answer);
    if (state !== null && document.body.dataset["state"] !== "connected") this.giveUp(state);
  }

  private giveUp(state: State): void {
    clearTimeout(this.timer);
    this.over = state;
    this.drop();
    this.options.onState(state);
  }

  // Whatever it still says is not about the next connection.
  private drop(): void {
    const old = this.rfb;
    this.rfb = null;
    old?.disconnect();
  }
}

function meaning(answer: Response): State | null {
  if (answer.type === "opaqueredirect" || answer.status === 401) return { is: "loggedOut" };
  if (answer.status === 403) return { is: "notYours" };
  // The hub answers for a server that is not running: 424 to requests like this one, 404 for one that never was.
  if (answer.status === 424 || answer.status === 404) return { is: "stopped" };
  return null;
}

// What was on the screen stays visible behind the words.
function keepPicture(rfb: RFB, screen: HTMLElement): void {
  try {
    screen.style.backgroundImage = `url("${rfb.toDataURL()}")`;
  } catch {
    screen.style.backgroundImage = "";
  }
}
