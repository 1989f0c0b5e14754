// Results as catalogues answer. Nothing that is being read moves: what belongs above the lower edge of the window waits behind a
// button ("Show 7 more results"), what belongs below it is put there at once.

const found = document.getElementById("found");
const list = document.getElementById("hits");
const status = document.getElementById("status");
const bar = document.querySelector(".more-bar");
const button = bar.querySelector("button");
const next = document.getElementById("next");
const nothing = document.getElementById("nothing");
const shown = new Map(); // id -> element, also of those that wait
const waiting = new Set(); // ids
const events = new URL(found.dataset.events, location.href);
let cursor = "";
let running = null;

const parse = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
};
const scores = new Map(); // element -> score
const score = (element) => scores.get(element);

function place(element) {
  const follower = [...list.children].find((one) => score(one) < score(element));
  if (follower && follower.getBoundingClientRect().top < window.innerHeight) return false;
  list.insertBefore(element, follower ?? null);
  return true;
}

function take(row) {
  const element = parse(row.html);
  const old = shown.get(row.id);
  scores.set(old ?? element, row.score);
  if (old) {
    // Found in one more catalogue: said in its place, without a new line above it.
    old.querySelector(".hit-where").replaceChildren(...element.querySelector(".hit-where").childNodes);
    return;
  }
  shown.set(row.id, element);
  if (!place(element)) waiting.add(row.id);
}

function tellWaiting() {
  bar.hidden = !waiting.size;
  button.textContent = waiting.size === 1 ? "Show 1 more result" : `Show ${waiting.size} more results`;
}

button.addEventListener("click", () => {
  waiting.clear();
  tellWaiting();
  const all = [...shown.values()].sort((a, b) => score(b) - score(a));
  list.replaceChildren(...all);
  const heading = document.getElementById("results-h");
  heading.focus({ preventScroll: true });
  const top = list.getBoundingClientRect().top;
  if (top < 0 || top > window.innerHeight) heading.scrollIntoView({ block: "start" });
});

function outcome(answer) {
  const line = parse(answer.outcome);
  document.getElementById(line.id)?.replaceWith(line);
}

function finish(end) {
  cursor = end.cursor;
  if (end.status) status.textContent = end.status;
  if (end.facets !== undefined) {
    document.getElementById("facets").innerHTML = end.facets;
    document.getElementById("facets-section").hidden = !end.facets.trim();
  }
  next.hidden = !end.more;
  if (end.more) next.querySelector("a").href = new URL(end.more, new URL("../", new URL(events.pathname, location.href)));
  nothing.hidden = shown.size > 0;
  // What was never asked for this page has nothing to say any more.
  for (const line of document.querySelectorAll(".outcome-said.quiet")) line.textContent = "nothing more";
  if (!waiting.size) return;
  tellWaiting();
}

function broken(text) {
  status.textContent = text;
  for (const line of document.querySelectorAll(".outcome-said.quiet")) line.textContent = "not known";
  nothing.hidden = true;
}

function listen(url, only) {
  running?.close();
  const source = new EventSource(url);
  running = source;
  let over = false;
  const end = () => {
    over = true;
    source.close();
  };
  source.addEventListener("answer", (event) => {
    const answer = JSON.parse(event.data);
    for (const row of answer.rows) take(row);
    outcome(answer);
    status.textContent = only ? `${shown.size} data sets. ${answer.failed ? "Still no answer" : "Answered"}: ${only}.` : answer.status;
    tellWaiting();
  });
  source.addEventListener("end", (event) => {
    end();
    finish(JSON.parse(event.data));
  });
  source.addEventListener("refused", (event) => {
    end();
    broken(JSON.parse(event.data).message);
  });
  source.addEventListener("error", () => {
    if (over) return;
    end();
    broken("The connection broke off, or your login has ended. Reload the page to search again.");
  });
}

// Retry: only that catalogue is asked, from where it was, and what it has joins the rest. Without this script the link reloads all.
document.querySelector(".outcomes").addEventListener("click", (event) => {
  const link = event.target.closest(".retry");
  if (!link || !cursor || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const line = link.closest(".outcome");
  const name = line.querySelector(".outcome-name").textContent;
  line.querySelector(".outcome-said").textContent = "asking again …";
  link.remove();
  const url = new URL(events);
  url.searchParams.set("cursor", cursor);
  url.searchParams.set("only", link.dataset.source);
  status.textContent = `Asking ${name} again …`;
  listen(url, name);
});

listen(events, "");
