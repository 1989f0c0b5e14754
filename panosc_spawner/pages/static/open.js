// The choose page: name the chosen environment by the button, and find more proposals as one types.
import { counted, fetchList } from "./list.js";

const FIRST = 12; // put on the screen with the key that was typed
const MOST = 50; // shown at a time in the folded list
const script = document.getElementById("open-script");
const picks = document.getElementById("picks");

for (const radio of document.querySelectorAll("input[name=environment]")) {
  radio.addEventListener("change", () => {
    for (const id of ["env-name", "env-chosen"]) {
      const name = document.getElementById(id);
      if (name) name.textContent = radio.dataset.title;
    }
  });
}

// A refused start is shown in answer to a form; a reload only looks again.
history.replaceState(null, "", location.href);

// A start is asked for once: a second click on a slow line changes nothing.
document.getElementById("open")?.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) return event.preventDefault();
  if (event.submitter?.name === "look") return;
  form.dataset.sent = "yes";
  const button = document.getElementById("start");
  if (button) button.textContent = "Starting …";
});
window.addEventListener("pageshow", () => {
  const form = document.getElementById("open");
  if (form) delete form.dataset.sent; // back from the next page
});

// The list is only fetched when somebody looks for more.
const fold = document.getElementById("more-fold");
if (picks && fold) {
  if (fold.open) pickMore();
  else fold.addEventListener("toggle", pickMore, { once: true });
}

async function pickMore() {
  let list;
  try {
    list = await fetchList(picks.dataset.url, script.dataset.xsrf);
  } catch {
    return; // the search button still works
  }
  const [q, go, found, picked] = ["q", "go", "found", "picked"].map((id) => document.getElementById(id));
  const template = document.getElementById("pick").content.firstElementChild;
  const given = new Set(picks.dataset.chosen.split(" "));
  const chosen = new Set([...picks.querySelectorAll("input:checked")].map((box) => box.value));
  const most = Number(picks.dataset.most) - given.size;
  go.hidden = true;

  function item(entry) {
    const li = template.cloneNode(true);
    const part = (name) => li.querySelector(`[data-f="${name}"]`);
    part("tag").className = `tag tag-${entry.facility}`;
    part("tag").textContent = entry.name;
    part("id").textContent = entry.id;
    part("title").textContent = entry.title;
    part("rest").textContent = [entry.instruments, entry.dates, entry.role].filter(Boolean).join(" · ");
    const box = li.querySelector("input");
    box.value = entry.ref;
    box.checked = chosen.has(entry.ref);
    return li;
  }

  let saying, later;
  function show() {
    const matches = list.find({ q: q.value }).filter((entry) => !given.has(entry.ref));
    // What is ticked stays in the form, whatever is searched for.
    const ticked = list.entries.filter((entry) => chosen.has(entry.ref));
    const rest = matches.filter((entry) => !chosen.has(entry.ref)).slice(0, MOST);
    clearTimeout(later);
    picks.replaceChildren(...[...ticked, ...rest.slice(0, FIRST)].map(item));
    // Those below the edge wait until nobody types.
    if (rest.length > FIRST) later = setTimeout(() => picks.append(...rest.slice(FIRST).map(item)), 250);
    clearTimeout(saying);
    saying = setTimeout(() => (found.textContent = counted(matches.length, list.entries.length - given.size)), 150);
  }

  picks.addEventListener("change", ({ target }) => {
    target.checked ? chosen.add(target.value) : chosen.delete(target.value);
    picked.textContent = chosen.size ? `(${chosen.size} more${chosen.size > most ? `, ${most} at most` : ""})` : "";
  });
  q.addEventListener("input", show);
  document.getElementById("more-search").addEventListener("submit", (event) => event.preventDefault());
  show();
  list.warm();
  document.body.dataset.list = "ready";
}
