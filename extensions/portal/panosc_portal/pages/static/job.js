// One job's page moves on by itself. When it is over, the page is loaded once more: then it has other buttons. What somebody
// came for is opened then, if they have watched it come here: a link to this page opens nothing.

const job = document.getElementById("job");
const watched = `panosc-watched-${job.dataset.id}`;

if (job.dataset.events) follow(new EventSource(job.dataset.events));
else if (sessionStorage.getItem(watched)) {
  sessionStorage.removeItem(watched);
  document.getElementById("open-it")?.requestSubmit();
}

function follow(events) {
  const bar = document.getElementById("job-progress");
  const parts = ["state", "amount", "words", "remedy"].map((name) => [name, document.getElementById(`job-${name}`)]);
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
      if (now.state === "done") sessionStorage.setItem(watched, "yes");
      location.reload();
    }
  });
}
