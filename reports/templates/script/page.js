"use strict";
// The page without its charts: theme, copying, filters. Everything here is an addition; the page
// can be read without it.

const root = document.documentElement;
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
root.classList.add("live");

const wish = new URLSearchParams(location.hash.slice(1));
if (["light", "dark"].includes(wish.get("theme"))) root.dataset.theme = wish.get("theme");

const onThemeChange = [];
function switchTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches;
  const dark = root.dataset.theme === "dark" || (root.dataset.theme === "auto" && system);
  root.dataset.theme = dark ? "light" : "dark";
  onThemeChange.forEach((run) => run());
}
one("#theme").onclick = switchTheme;

function copy(button) {
  const code = document.getElementById(button.dataset.copy);
  const done = () => {
    const label = button.innerHTML;
    button.textContent = "copied";
    setTimeout(() => (button.innerHTML = label), 1500);
  };
  const select = () => getSelection().selectAllChildren(code);
  // A page opened from a file may not be allowed to write the clipboard: then select the text.
  if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done, select);
  else select();
}
all("[data-copy]").forEach((button) => (button.onclick = () => copy(button)));

const filters = all("#logs [data-who]");
filters.forEach((button) => {
  button.onclick = () => {
    filters.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    const who = button.dataset.who;
    all("#logs [data-group]").forEach((row) => (row.hidden = who !== "" && row.dataset.group !== who));
  };
});

// The line that matters is rarely the first one.
const box = one(".log-box");
const stuck = one(".log .stuck");
if (box && stuck) box.scrollTop = stuck.offsetTop - box.clientHeight * 0.7;
// A picture wider than its box begins where the operation is that fits nowhere.
for (const mark of document.querySelectorAll(".scroll .blocked")) {
  const around = mark.closest(".scroll"), place = mark.getBoundingClientRect(), room = around.getBoundingClientRect();
  around.scrollLeft += place.left + place.width / 2 - room.left - room.width * 0.6;
}
