// On every page: copy buttons, local times, time left that goes down, a menu that closes. All of it is extra; the page works without.

const pad = (number) => String(number).padStart(2, "0");

/** Fill copy buttons and times in a part of the page; called again for rows that come later. */
export function enliven(root) {
  for (const button of root.querySelectorAll("button.copy")) {
    button.hidden = !navigator.clipboard; // only on https or loopback
  }
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (isNaN(moment)) continue;
    // The reader's own clock, said as such; the server wrote UTC.
    time.title = moment.toLocaleString(undefined, { dateStyle: "full", timeStyle: "short" }) + " (your time)";
    if (time.dataset.rel === "left") countDown(time, moment);
  }
}

function countDown(time, moment) {
  const minutes = Math.floor((moment - Date.now()) / 60000);
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  let words = "time is up";
  if (minutes >= 1440) words = `${days} day${days > 1 ? "s" : ""}${hours ? ` ${hours} h` : ""} left`;
  else if (minutes >= 60) words = `${hours} h${rest ? ` ${rest} min` : ""} left`;
  else if (minutes >= 1) words = `${minutes} min left`;
  else if (moment > Date.now()) words = "less than a minute left";
  if (time.textContent !== words) time.textContent = words;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }
  for (const open of document.querySelectorAll("details.menu[open], details.ask[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.menu[open], details.ask[open]")) {
    const inside = open.contains(document.activeElement);
    open.open = false;
    if (inside) open.querySelector("summary").focus(); // never leave the keyboard nowhere
  }
});

// What was just done is said once: a reload does not say it again.
const here = new URL(location);
if (here.searchParams.has("done")) {
  here.searchParams.delete("done");
  history.replaceState(null, "", here);
}

enliven(document);
setInterval(() => enliven(document), 30000);
