import { aborted } from './errors';
import { ByteCache } from './latest';

const AT_ONCE = 6;
const RETRIES = 2;
const RETRY_MS = 250;

/** A piece of a picture or table, and how to get it. */
export interface IPieceToLoad<T> {
  name: string;
  load: (signal: AbortSignal) => Promise<T>;
}

/**
 * Pieces by what is in sight: asks for what is missing, a few at once and the first ones first, aborts what went out of sight,
 * keeps what was used last. A piece that can't be had is a hole; it never throws.
 */
export class SightStore<T> {
  private readonly cache: ByteCache<T>;
  private readonly pending = new Map<string, AbortController>();
  private readonly failures = new Map<string, unknown>();
  private readonly listeners = new Set<() => void>();
  private wanted: IPieceToLoad<T>[] = [];
  private version = 0;

  constructor(
    budget: number,
    private readonly nbytesOf: (piece: T) => number
  ) {
    this.cache = new ByteCache<T>(budget);
  }

  /** What is in sight now. */
  want(pieces: IPieceToLoad<T>[]): void {
    this.wanted = pieces;
    const names = new Set(pieces.map(piece => piece.name));
    for (const [name, abort] of this.pending) {
      if (!names.has(name)) {
        abort.abort();
        this.pending.delete(name);
      }
    }
    this.start();
  }

  get(name: string): T | undefined {
    return this.cache.get(name);
  }

  failure(name: string): unknown {
    return this.failures.get(name);
  }

  /** For React's useSyncExternalStore. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): number => this.version;

  /** Whether all that is in sight is there, or can't be had. */
  get complete(): boolean {
    return this.wanted.every(({ name }) => this.cache.peek(name) !== undefined || this.failures.has(name));
  }

  private start(): void {
    for (const { name, load } of this.wanted) {
      if (this.pending.size >= AT_ONCE) {
        return;
      }
      if (this.cache.peek(name) === undefined && !this.pending.has(name) && !this.failures.has(name)) {
        const abort = new AbortController();
        this.pending.set(name, abort);
        void this.fetch(name, load, abort);
      }
    }
  }

  private async fetch(name: string, load: IPieceToLoad<T>['load'], abort: AbortController): Promise<void> {
    for (let attempt = 0; !abort.signal.aborted; attempt++) {
      try {
        const piece = await load(abort.signal);
        if (abort.signal.aborted) {
          return;
        }
        this.cache.set(name, piece, this.nbytesOf(piece));
        break;
      } catch (error) {
        if (abort.signal.aborted || aborted(error)) {
          return;
        }
        if (attempt >= RETRIES) {
          this.failures.set(name, error);
          break;
        }
        await new Promise(resolve => setTimeout(resolve, RETRY_MS * 2 ** attempt));
      }
    }
    if (this.pending.get(name) === abort) {
      this.pending.delete(name);
      this.version++;
      this.start();
      for (const listener of this.listeners) {
        listener();
      }
    }
  }
}
