/** Keeps what was used last, up to a number of bytes. */
export class ByteLRU<V> {
  private readonly _entries = new Map<string, { value: V; nbytes: number }>();
  private _total = 0;

  constructor(readonly budget: number) {}

  get nbytes(): number {
    return this._total;
  }

  get(key: string): V | undefined {
    const entry = this._entries.get(key);
    if (entry) {
      this._entries.delete(key);
      this._entries.set(key, entry);
    }
    return entry?.value;
  }

  /** Keep it, unless it alone would push out more than half of everything. */
  set(key: string, value: V, nbytes: number): void {
    this.delete(key);
    if (nbytes > this.budget / 2) {
      return;
    }
    this._entries.set(key, { value, nbytes });
    this._total += nbytes;
    for (const oldest of this._entries.keys()) {
      if (this._total <= this.budget) {
        break;
      }
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const entry = this._entries.get(key);
    if (entry) {
      this._total -= entry.nbytes;
      this._entries.delete(key);
    }
  }

  /** Drop what was kept under keys that start so. */
  deletePrefix(prefix: string): void {
    for (const key of [...this._entries.keys()]) {
      if (key.startsWith(prefix)) {
        this.delete(key);
      }
    }
  }
}
