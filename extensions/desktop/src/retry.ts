// How long to wait before the next try, in milliseconds: at once at first, then longer, never more than ten seconds.

const WAITS_MS = [300, 1000, 2000, 4000, 7000, 10_000] as const;

export function waitBefore(tries: number): number {
  return WAITS_MS[Math.min(Math.max(tries, 1), WAITS_MS.length) - 1] ?? 10_000;
}
