// One job's page moves on by itself. When it is over, the page is loaded once more: then it has other buttons.

const job = document.getElementById("job");
const bar = document.getElementById("job-progress");
const parts = ["state", "amount", "words", "remedy"].map((name) => [name, document.getElementById(`job-${name}`)]);
const events = new EventSource(job.dataset.events);

events.addEventListener("message", (message) => {
  const now = JSON.parse(message.data);
  for (const [name, element] of parts) {
    // Only what changed: a screen reader reads a status again whenever it is written.
    if (element.textContent !== now[name]) element.textContent = now[name];
  }
  if (now.percent === null) bar.removeAttribute("value");
  else bar.value = now.percent;
  if (now.over) {
    events.close();
    location.reload();
  }
});
