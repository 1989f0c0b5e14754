// A start as it happens: the hub's events as words and a bar. Without this module the page reloads itself.

const section = document.getElementById("progress");
const [now, bar, steps] = ["now", "bar", "steps"].map((id) => document.getElementById(id));
const [going, failed, reason] = ["going", "failed", "reason"].map((id) => document.getElementById(id));
let last = "";

const source = new EventSource(section.dataset.url);
source.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.failed) return fail(event);
  if (event.ready) {
    source.close();
    show(100, "Opening JupyterLab");
    return location.reload(); // the hub answers this address with the way to the server from now on
  }
  // The bar never goes back; the hub's last event of its own says 100 only when it is ready.
  const words = event.message === "Server requested" ? "" : event.message; // the hub's word before the first of ours
  show(Math.max(Number(bar.ariaValueNow), Math.min(event.progress ?? 0, 99)), words);
};
source.onerror = () => {
  // The hub restarted, or the line broke: the browser tries again by itself, and a page that is over says so.
  if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
};

function show(percent, words) {
  bar.ariaValueNow = Math.round(percent);
  bar.firstElementChild.style.width = `${percent}%`;
  if (!words || words === last) return;
  bar.ariaValueText = words;
  now.textContent = words;
  // Steps that only count on ("412 of 706 MB") replace each other in the log.
  const same = last && last.replace(/[\d.,]+/g, "#") === words.replace(/[\d.,]+/g, "#");
  if (!same) steps.append(document.createElement("li"));
  steps.lastElementChild.textContent = words;
  last = words;
}

function fail(event) {
  source.close();
  const cancelled = event.message === "Spawn cancelled";
  // The hub's own page for a failed start says why; this address shows it from now on.
  if (!event.html_message && !cancelled) return location.reload();
  going.hidden = true;
  failed.hidden = false;
  document.title = document.title.replace("Starting", "Not started");
  const title = document.getElementById("progress-title").firstChild;
  title.data = title.data.replace("Starting", "Not started");
  if (cancelled) reason.textContent = "The start was cancelled; nothing is left running.";
  else reason.innerHTML = event.html_message; // made by the hub from a refusal, with all of it escaped
}
