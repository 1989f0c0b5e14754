interface IFlight<T> {
  promise: Promise<T>;
  abort: AbortController;
  waiting: number;
}

/** Equal questions under way at the same time are asked once; the request is given up when nobody waits any more. */
export class Shared<T> {
  private readonly _flights = new Map<string, IFlight<T>>();

  ask(key: string, question: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) {
      return Promise.reject(aborted());
    }
    const flight = this._flights.get(key) ?? this._start(key, question);
    flight.waiting++;
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        if (--flight.waiting === 0) {
          this._drop(key, flight);
          flight.abort.abort();
        }
        reject(aborted());
      };
      signal?.addEventListener('abort', leave, { once: true });
      const settled = (): void => signal?.removeEventListener('abort', leave);
      flight.promise.then(
        value => {
          settled();
          resolve(value);
        },
        error => {
          settled();
          reject(error);
        }
      );
    });
  }

  /** New questions with keys that start so are asked anew. Whoever waits for an old one still gets it. */
  forget(prefix: string): void {
    for (const key of [...this._flights.keys()]) {
      if (key.startsWith(prefix)) {
        this._flights.delete(key);
      }
    }
  }

  private _start(key: string, question: (signal: AbortSignal) => Promise<T>): IFlight<T> {
    const abort = new AbortController();
    const flight: IFlight<T> = { promise: question(abort.signal), abort, waiting: 0 };
    const over = (): void => this._drop(key, flight);
    flight.promise.then(over, over);
    this._flights.set(key, flight);
    return flight;
  }

  private _drop(key: string, flight: IFlight<T>): void {
    if (this._flights.get(key) === flight) {
      this._flights.delete(key);
    }
  }
}

function aborted(): DOMException {
  return new DOMException('Nobody waits for the answer any more.', 'AbortError');
}
