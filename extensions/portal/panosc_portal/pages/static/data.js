// Where a data set lies here takes a moment to find: the page comes first, this follows, and then the picture.

import { enliven } from "./page.js";

const place = document.getElementById("mine");
const section = place?.closest("[data-part]");

if (place && section) {
  place.setAttribute("aria-busy", "true");
  place.firstElementChild?.replaceChildren("Looking where it lies here …");
  const link = section.dataset.part;
  try {
    const answer = await fetch(link, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    place.replaceChildren(...parsed.body.childNodes);
    enliven(place);
    if (place.querySelector("[data-ready]")) show();
    else document.querySelector("#open-form button[type=submit]")?.remove(); // what would only say the same again
  } catch {
    const again = document.createElement("a");
    again.href = link;
    again.textContent = "It could not be looked up just now. Try again.";
    place.replaceChildren(again);
  } finally {
    place.removeAttribute("aria-busy");
  }
}

function show() {
  const figure = document.getElementById("picture");
  const image = figure?.querySelector("img[data-src]");
  if (!image) return;
  image.addEventListener("load", () => { figure.hidden = false; });
  image.addEventListener("error", () => { figure.remove(); });
  image.src = image.dataset.src;
}
