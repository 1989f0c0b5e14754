// All of a person's proposals, searched as they type. The rules are those of pages/rows.py; a change here is a change there.

export const PAGE = 100;

const fold = (text) => text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
const plain = (text) => text.replace(/[^\p{L}\p{N}]/gu, "");

/** Fetch the rows: each is [ref, title, instruments, dates, year, role, why]. The browser keeps them until they change. */
export async function fetchList(url, xsrf) {
  const ask = () => fetch(url, { headers: { "X-XSRFToken": xsrf }, credentials: "same-origin" });
  const later = () => new Promise((done) => setTimeout(done, 1000)).then(ask);
  const response = await ask().catch(later); // a line that broke is tried once more
  if (!response.ok || !response.headers.get("Content-Type")?.includes("json")) throw new Error(response.statusText);
  const { facilities, rows } = await response.json();
  return new List(facilities, rows);
}

export class List {
  constructor(facilities, rows) {
    this.facilities = facilities;
    this.entries = rows.map(([ref, title, instruments, dates, year, role, why]) => {
      const slash = ref.indexOf("/");
      const [facility, id] = [ref.slice(0, slash), ref.slice(slash + 1)];
      const name = facilities[facility] ?? facility;
      return { ref, title, instruments, dates, year, role, why, facility, id, name, text: "", bare: "" };
    });
  }

  /** The entries with every word of q that are of the chosen facility, instrument, year and role. */
  find({ q = "", facility = "", instrument = "", year = "", role = "" }) {
    const words = fold(q).split(/\s+/).filter(Boolean);
    const bare = words.map(plain);
    return this.entries.filter(
      (e) =>
        (!facility || e.facility === facility) &&
        (!year || e.year === year) &&
        (!role || e.role === role) &&
        (!instrument || e.instruments.split(", ").includes(instrument)) &&
        words.every((word, n) => {
          this.#prepare(e);
          return e.text.includes(word) || (bare[n] && e.bare.includes(bare[n]));
        }),
    );
  }

  /** Made when first needed: a page that is only looked at does not pay for it. */
  #prepare(entry) {
    if (entry.text) return;
    entry.text = fold(`${entry.title} ${entry.ref} ${entry.name} ${entry.instruments} ${entry.dates} ${entry.role}`);
    entry.bare = plain(entry.id.toLowerCase());
  }

  /** Prepare all of them while nobody types. */
  warm() {
    const step = (from) => {
      const end = Math.min(from + 1000, this.entries.length);
      for (let n = from; n < end; n++) this.#prepare(this.entries[n]);
      if (end < this.entries.length) setTimeout(step, 0, end);
    };
    step(0);
  }
}

export const counted = (found, all) => {
  const words = `${all.toLocaleString("en")} proposal${all === 1 ? "" : "s"}`;
  return found === all ? words : `${found.toLocaleString("en")} of ${words}`;
};
