// The drawer with all clips of a card: pages come as one scrolls.
import { fetchDocument } from "./fetching.js";

async function load(address) {
  const page = await fetchDocument(address);
  return document.importNode(page.querySelector(".drawer"), true);
}

function watchEnd(drawer, card, enhance) {
  const more = drawer.querySelector(".pager");
  if (!more) return;
  const list = drawer.querySelector(".all");
  list.append(more); // the end of what is scrolled
  const observer = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    observer.disconnect();
    let next;
    try {
      next = await load(more.querySelector("a").href);
    } catch {
      return; // the link stays, for whoever wants to try again
    }
    const pager = next.querySelector(".pager");
    const rows = next.querySelectorAll(".all > li");
    more.remove();
    list.append(...rows);
    if (pager) drawer.append(pager);
    prepare(drawer, card, enhance);
  }, { root: list, rootMargin: "200px" });
  observer.observe(more);
}

function prepare(drawer, card, enhance) {
  for (const clip of drawer.querySelectorAll("a.clip")) {
    clip.dataset.player = `${card.id}-player`;
  }
  enhance(drawer);
  watchEnd(drawer, card, enhance);
}

async function show(card, address, enhance) {
  const drawer = await load(address);
  const old = card.querySelector(".drawer");
  if (old) old.replaceWith(drawer);
  else card.append(drawer);
  drawer.id = `${card.id}-drawer`;
  prepare(drawer, card, enhance);
  const form = drawer.querySelector("form");
  form.addEventListener("change", () => {
    const asked = new URLSearchParams(new FormData(form));
    show(card, `${form.action}?${asked}`, enhance).then((fresh) => {
      fresh.querySelector("select").focus({ preventScroll: true });
    });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  return drawer;
}

/** Opens and closes drawers by the links of their cards. */
export function listenToDrawers(enhance) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.all-clips");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const card = link.closest("article");
    const open = card.querySelector(".drawer");
    link.setAttribute("aria-expanded", String(!open));
    if (open) open.remove();
    else show(card, link.href, enhance).catch(() => { window.location.assign(link.href); });
  });
}
