// Keys for those who decide many reviews. Without this file every page works all the same.
"use strict";
(() => {
  document.documentElement.classList.add("has-keys");
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const help = one("dialog");
  const rows = () => all(".rows .words, .rows .take button");
  const typing = (target) => target.closest("textarea, select, input:not([type=radio]):not([type=checkbox])");
  let sent = false;

  const step = (by) => {
    const links = rows();
    if (!links.length) return one(by > 0 ? "a[rel=next]" : "a[rel=prev]")?.click();
    const at = links.indexOf(document.activeElement);
    const to = at < 0 ? 0 : at + by;
    if (to >= links.length) return one("a[rel=next]")?.click();
    links[Math.max(0, to)].focus();
  };

  const choose = (digit) => {
    const radio = all("form.answer input[type=radio]")[digit - 1];
    if (!radio) return;
    radio.checked = true;
    radio.focus();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help?.open) return;
    if (event.key === "Escape" && typing(event.target)) return event.target.blur();
    if (typing(event.target)) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "u") one("a.queue")?.click();
    else if (event.key === "?") help?.showModal();
    else if (event.key === "n") one("form.answer textarea")?.focus();
    else if (/^[1-9]$/.test(event.key)) choose(Number(event.key));
    else if (event.key === "Enter" && event.target.matches("input[type=radio]")) one("form.answer").requestSubmit(); // never unseen
    else return;
    event.preventDefault();
  });

  one("button.keys")?.addEventListener("click", () => help.showModal());

  // A second press would only be told that this very answer was given before; spare people the question.
  one("form.answer")?.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", () => { sent = false; });

  all("input.every").forEach((box) => box.addEventListener("change", () => {
    all("input[name=each]").forEach((each) => { each.checked = box.checked; });
  }));
})();
