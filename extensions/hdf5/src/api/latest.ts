/**
 * Latest wins: one question at a time is under way, and of those asked meanwhile only the newest is asked next.
 *
 * A slider that moves faster than the server answers thus shows pictures all the way, and never an old one after a new one.
 */
export class Latest {
  private _running = false;
  private _next: (() => Promise<void>) | null = null;
  private _abort = new AbortController();

  /** Ask now, or as soon as the one under way is answered; whatever waited is dropped. */
  ask<T>(question: (signal: AbortSignal) => Promise<T>, answered: (answer: T) => void, failed: (error: unknown) => void): void {
    const { signal } = this._abort;
    const run = async (): Promise<void> => {
      try {
        const answer = await question(signal);
        if (!signal.aborted) {
          answered(answer);
        }
      } catch (error) {
        if (!signal.aborted) {
          failed(error);
        }
      }
    };
    this._next = run;
    void this._drain();
  }

  /** Forget what is under way and what waits; for another subject. */
  cancel(): void {
    this._abort.abort();
    this._abort = new AbortController();
    this._next = null;
  }

  private async _drain(): Promise<void> {
    if (this._running) {
      return;
    }
    this._running = true;
    while (this._next) {
      const run = this._next;
      this._next = null;
      await run();
    }
    this._running = false;
  }
}

/** Named slots: a new request in a slot cancels the one before. */
export class Slots {
  private readonly _slots = new Map<string, AbortController>();

  /** @returns the signal for the new request in this slot. */
  take(name: string): AbortSignal {
    this._slots.get(name)?.abort();
    const control = new AbortController();
    this._slots.set(name, control);
    return control.signal;
  }

  /** Cancel all. */
  clear(): void {
    this._slots.forEach(control => control.abort());
    this._slots.clear();
  }
}
