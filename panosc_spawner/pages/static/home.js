// My proposals: filter as one types, without asking the hub. Without this module the same form searches on the server.
import { PAGE, counted, fetchList } from "./list.js";
import { enliven } from "./page.js";

const script = document.getElementById("home-script");
const table = document.getElementById("list");
const FIRST = 16; // rows put on the screen with the key that was typed
const KEYS = ["q", "facility", "instrument", "year", "role"];

// A refusal is shown in answer to a button; a reload looks at the page, and asks for nothing again.
if (location.pathname.includes("/panosc/")) history.replaceState(null, "", document.querySelector(".brand").href);
if (table) filterAsTyped();
if (document.querySelector("#servers[data-pending]")) watchServers();

async function filterAsTyped() {
  const [form, body, more] = ["filter", "rows", "more"].map((id) => document.getElementById(id));
  const [found, clear, go] = ["found", "clear", "go"].map((id) => document.getElementById(id));
  const template = document.getElementById("row").content.firstElementChild;
  const running = new Map(table.dataset.running.split(" ").filter(Boolean).map((pair) => splitOnce(pair, "=")));
  let list;
  try {
    list = await fetchList(table.dataset.url, script.dataset.xsrf);
  } catch {
    return; // the form and the links still work
  }
  let shown = PAGE;
  go.hidden = true;

  const wanted = () => Object.fromEntries(KEYS.map((key) => [key, form.elements[key]?.value ?? ""]));

  let rest;
  function show() {
    const query = wanted();
    const matches = list.find(query);
    clearTimeout(rest);
    body.replaceChildren(...matches.slice(0, FIRST).map(row));
    enliven(body);
    // The rows below the edge of the screen wait until nobody types.
    if (matches.length > FIRST) rest = setTimeout(() => addRows(matches.slice(FIRST, shown)), 250);
    more.hidden = matches.length <= shown;
    clear.hidden = !KEYS.some((key) => query[key]);
    announce(counted(matches.length, list.entries.length));
    remember(query);
  }

  function addRows(entries) {
    body.append(...entries.map(row));
    enliven(body);
  }

  function row(entry) {
    const tr = template.cloneNode(true);
    const part = (name) => tr.querySelector(`[data-f="${name}"]`);
    for (const name of ["title", "id", "instruments", "dates", "role", "why"]) part(name).textContent = entry[name];
    part("tag").className = `tag tag-${entry.facility}`;
    part("tag").textContent = entry.name;
    part("open").href = table.dataset.open + entry.ref;
    if (part("about")) {
      part("about").href = table.dataset.about + entry.ref;
      part("about-hint").textContent = ` of ${entry.id}`;
    }
    part("copy").dataset.copy = entry.id;
    part("copy").setAttribute("aria-label", `Copy ${entry.id}`);
    part("hint").textContent = ` ${entry.id}`;
    const server = running.get(entry.ref);
    part("running").hidden = !server;
    part("button").href = server ?? table.dataset.open + entry.ref;
    part("button").classList.toggle("btn-primary", Boolean(server));
    part("button").classList.toggle("btn-outline-primary", !server);
    return tr;
  }

  // Screen readers hear the count when the typing pauses, not at every key.
  let saying;
  function announce(words) {
    clearTimeout(saying);
    saying = setTimeout(() => (found.textContent = words), 150);
  }

  // A reload, a bookmark or the way back finds the same list.
  function remember(query) {
    const url = new URL(location);
    url.searchParams.delete("all");
    for (const key of KEYS) query[key] ? url.searchParams.set(key, query[key]) : url.searchParams.delete(key);
    history.replaceState(null, "", url);
  }

  const change = () => {
    shown = PAGE;
    show();
  };
  form.addEventListener("input", change);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    change();
  });
  more.addEventListener("click", (event) => {
    event.preventDefault();
    const next = body.children.length;
    addRows(list.find(wanted()).slice(next, next + PAGE));
    shown = body.children.length;
    more.hidden = list.find(wanted()).length <= shown;
    body.children[next]?.querySelector("a").focus();
  });
  clear.addEventListener("click", (event) => {
    event.preventDefault();
    for (const key of KEYS) if (form.elements[key]) form.elements[key].value = "";
    change();
    form.elements.q.focus();
  });
  // Typed while the list was on its way.
  if (KEYS.some((key) => wanted()[key] !== (new URL(location).searchParams.get(key) ?? ""))) change();
  list.warm();
  document.body.dataset.list = "ready";
}

/** While a server starts or stops, look how it goes; leave the page alone when the keyboard is in there. */
function watchServers() {
  const look = async () => {
    const old = document.getElementById("servers");
    if (!old.contains(document.activeElement)) {
      const response = await fetch(location.pathname, { headers: { "X-XSRFToken": script.dataset.xsrf } }).catch(() => null);
      if (response?.ok) {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const fresh = page.getElementById("servers");
        if (!fresh) return location.reload(); // logged out meanwhile
        old.replaceWith(document.adoptNode(fresh));
        enliven(fresh);
        if (!("pending" in fresh.dataset)) return;
      }
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
}

function splitOnce(text, at) {
  const place = text.indexOf(at);
  return [text.slice(0, place), text.slice(place + 1)];
}
