/**
 * Runs one task at a time and remembers only the newest of those that wait. A slider asks for forty frames on its way: the one in
 * flight is finished and shown, so that the picture moves along, and of the others only the last is ever asked for.
 */
export class LatestSlot {
  private running: AbortController | null = null;
  private waiting: ((signal: AbortSignal) => Promise<void>) | null = null;

  run(task: (signal: AbortSignal) => Promise<void>): void {
    this.waiting = task;
    if (!this.running) {
      void this.next();
    }
  }

  /** Forget what waits and abort what runs. */
  stop(): void {
    this.waiting = null;
    this.running?.abort();
    this.running = null;
  }

  private async next(): Promise<void> {
    while (this.waiting) {
      const task = this.waiting;
      this.waiting = null;
      const abort = new AbortController();
      this.running = abort;
      try {
        await task(abort.signal);
      } catch {
        // a task reports its own failure; the next one must run all the same
      }
      if (this.running !== abort) {
        return;
      }
      this.running = null;
    }
  }
}

/** Keeps what was used last, up to so many bytes. */
export class ByteCache<T> {
  private readonly entries = new Map<string, { value: T; nbytes: number }>();
  private total = 0;

  constructor(private readonly budget: number) {}

  get(key: string): T | undefined {
    const entry = this.entries.get(key);
    if (!entry) {
      return undefined;
    }
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value;
  }

  /** Without counting as a use. */
  peek(key: string): T | undefined {
    return this.entries.get(key)?.value;
  }

  set(key: string, value: T, nbytes: number): void {
    this.delete(key);
    this.entries.set(key, { value, nbytes });
    this.total += nbytes;
    for (const oldest of this.entries.keys()) {
      if (this.total <= this.budget || oldest === key) {
        break;
      }
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const entry = this.entries.get(key);
    if (entry) {
      this.total -= entry.nbytes;
      this.entries.delete(key);
    }
  }

  clear(): void {
    this.entries.clear();
    this.total = 0;
  }

  get nbytes(): number {
    return this.total;
  }
}
